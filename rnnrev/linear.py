"""Linearization: near a fixed point a network is a sum of modes that each fade at their own pace.

J_rec = R Λ L with L = R⁻¹: column r_a of R is the pattern of mode a, row ℓ_a of L says how much of a state is in it,
and it fades with the time constant τ_a = −1/log|λ_a| tokens. :func:`operating_point` is the approximate fixed point
of the corpus-averaged map from which all chapters start.

Sources: LA19; CP20; Sussillo & Barak 2013.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from .cells import Cell
from .data import load_reviews
from .fixed_points import FixedPoints, MeanMap, find_fixed_points, mean_map
from .model import BagOfWords, SentimentRNN, last_states, states_along

__all__ = [
    "OperatingPoint", "Unmeasured", "fitted_recurrence", "frequent_words", "input_effect", "linear_model",
    "mode_kernel", "operating_point", "slow_mode", "valence",
]  # fmt: skip

Words = Sequence[str] | Sequence[int] | np.ndarray  #: or their numbers

#: Words rarer than this share of running text are not looked at: their embeddings are hardly trained.
FLOOR = 2e-5


# --- modes ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Eigenmodes:
    """J_rec = R Λ L, modes sorted by |λ|, largest first; leading axes as those of J.

    ``eigvals`` (..., S) and ``tau`` (..., S) in tokens (negative where the mode grows); ``R`` (..., S, S) holds the
    right vectors as columns, of length 1; ``L`` = R⁻¹ the left ones as rows.
    """

    eigvals: np.ndarray
    R: np.ndarray = field(repr=False)
    L: np.ndarray = field(repr=False)
    tau: np.ndarray = field(repr=False)

    @property
    def real(self) -> np.ndarray:
        """Which modes are real, (..., S)."""
        return np.abs(self.eigvals.imag) < 1e-12

    @property
    def growing(self) -> np.ndarray:
        """Which modes grow, (..., S): |λ| a hair over 1, so that rounding makes no exact integrator grow."""
        return np.abs(self.eigvals) > 1 + 1e-9

    @property
    def distance(self) -> np.ndarray:
        """|log|λ||, (..., S): how far each mode is from one that neither fades nor grows, per token."""
        with np.errstate(divide="ignore"):
            return np.abs(np.log(np.abs(self.eigvals)))

    @property
    def slowest(self) -> np.ndarray:
        """Time constants of the modes that do not grow, longest first, (..., S) tokens; a conjugate pair counts once.

        What grows, and the second of each pair, is NaN at the end.
        """
        tau = np.where(self.growing | (self.eigvals.imag < -1e-12), np.nan, np.abs(self.tau))
        return -np.sort(-tau, axis=-1)


class Unmeasured(ValueError):
    """This network or these texts cannot show what was asked for; the message is a sentence that says why."""


class NoSlowMode(Unmeasured):
    """None of the modes is real: nothing is integrated at this point."""


def slow_mode(modes: Eigenmodes) -> np.ndarray:
    """The place of the slow mode, (...,): the real one with |λ| nearest 1, by |log|λ||; ``NoSlowMode`` if none is real.

    It may grow (``modes.growing``); modes that grow faster than it fades are none.
    """
    if not modes.real.any(-1).all():
        raise NoSlowMode("no mode of J_rec is real here, so none integrates: look near other states, or along text")
    return np.where(modes.real, modes.distance, np.inf).argmin(-1)


def slowest_first(modes: Eigenmodes) -> np.ndarray:
    """The places of all modes, (..., S): the slow mode, the others by |log|λ||, at the end the second of each pair."""
    rank = np.where(modes.eigvals.imag < -1e-12, np.inf, modes.distance)
    np.put_along_axis(rank, slow_mode(modes)[..., None], -1, -1)
    return np.argsort(rank, axis=-1, kind="stable")


def time_constants(eigvals: np.ndarray) -> np.ndarray:
    """τ = −1/log|λ| in tokens: a mode falls to 1/e in τ tokens; negative where it grows, ±inf at |λ| = 1."""
    with np.errstate(divide="ignore"):
        return -1 / np.log(np.abs(eigvals))


def eigenmodes(J: np.ndarray, w: np.ndarray | None = None) -> Eigenmodes:
    """The modes of Jacobians (..., S, S), with left and right vectors biorthonormal; of a pair +imaginary first.

    With a readout ``w`` (S,) modes get the sign for which w·r > 0; without it, the largest entry of r is positive.
    Warns where R is so near to singular (condition over 1e10) that single modes cannot be trusted.
    """
    J = np.asarray(J, float)
    if J.ndim < 2 or J.shape[-1] != J.shape[-2]:
        raise ValueError(f"J must be square matrices (..., S, S), not {J.shape}")
    if not np.isfinite(J).all():
        raise ValueError("J holds values that are not finite")
    eigvals, R = np.linalg.eig(J)
    eigvals, R = eigvals.astype(complex), R.astype(complex)
    # |λ| of a conjugate pair may differ in the last bit: rounding keeps the two together
    keys = (-eigvals.imag, eigvals.real, np.abs(eigvals.imag).round(12), -np.abs(eigvals).round(12))
    order = np.lexsort(keys, axis=-1)
    eigvals = np.take_along_axis(eigvals, order, -1)
    R = np.take_along_axis(R, order[..., None, :], -1)
    if w is None:
        biggest = np.take_along_axis(R, np.abs(R).argmax(-2)[..., None, :], -2)
        sign = np.where(biggest.real < 0, -1.0, 1.0)
    else:
        sign = np.where((np.asarray(w, float) @ R).real < 0, -1.0, 1.0)[..., None, :]
    R = R * sign
    L = np.linalg.inv(R)
    condition = np.max(np.linalg.norm(R, 1, (-2, -1)) * np.linalg.norm(L, 1, (-2, -1)))
    if condition > 1e10:
        warnings.warn(
            f"the eigenvectors are nearly dependent (condition {condition:.1e}): single modes and their left "
            "vectors cannot be trusted there; use the Jacobian itself, or a Schur form",
            stacklevel=2,
        )
    return Eigenmodes(eigvals, R, L, time_constants(eigvals))


# --- the operating point ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class OperatingPoint:
    """The approximate fixed point of F̄ from which the chapters start, and its slow mode.

    ``h_star`` (S,), ``q`` its speed, ``modes`` of the averaged J_rec there, ``r`` and ``l`` (S,) the slow mode of
    :func:`slow_mode` (‖r‖ = 1, l·r = 1, w·r > 0), ``logit`` there in nats.
    """

    model: SentimentRNN
    mean_map: MeanMap = field(repr=False)
    h_star: np.ndarray = field(repr=False)
    q: float
    modes: Eigenmodes = field(repr=False)
    r: np.ndarray = field(repr=False)
    l: np.ndarray = field(repr=False)
    logit: float

    @property
    def slow(self) -> int:
        """The place of the slow mode among the modes."""
        return int(slow_mode(self.modes))

    @property
    def tau(self) -> float:
        """Time constant of the slow mode in tokens; negative where it grows."""
        return float(self.modes.tau[self.slow])


def operating_point(
    model: SentimentRNN, logit: float = 0.0, n_tokens: int = 600, seed: int = 0, *,
    texts: Sequence[str] | None = None,
) -> OperatingPoint:  # fmt: skip
    """The approximate fixed point of F̄ near the data with the logit nearest to the one asked for.

    Of the states that the network visits in ``texts`` (default: the embedded reviews) after the tenth token, take the
    one of each text with the logit nearest to ``logit``, and of these the nearest 24. Lower q from each
    (:func:`rnnrev.fixed_points.find_fixed_points` with F̄). Of the points in the slower half, take the one with the
    logit nearest to ``logit``. Nothing is drawn at random but the tokens of F̄.
    """
    if type(model.cell) is not Cell:
        raise Unmeasured(
            f"fixed points and their modes are for one layer of a known cell, not for {model.cell!r}: analyse it along "
            "text (rnnrev.driven.driven_point, rnnrev.balanced.reduce)"
        )
    model = model.astype(np.float64)
    texts = load_reviews("book").texts if texts is None else texts
    F = mean_map(model, n_tokens, seed)
    w, b = _first_readout(model)
    found, distance = [], []
    for h in model.states(texts):
        h = h[min(10, len(h) - 1) :]
        off = np.abs(h @ w + b - logit)
        found.append(h[off.argmin()])
        distance.append(off.min())
    order = np.argsort(distance, kind="stable")[:24]
    points = find_fixed_points(F, np.array(found)[order], unique_tol=None, max_distance=None, stability=False)
    kept = points.q <= np.median(points.q)
    off = np.where(kept, np.abs(points.h_star @ w + b - logit), np.inf)
    best = int(off.argmin())
    h_star = points.h_star[best]
    modes = eigenmodes(F.jacobian(h_star), w)
    slow = int(slow_mode(modes))
    return OperatingPoint(
        model, F, h_star, float(points.q[best]), modes, modes.R[:, slow].real, modes.L[slow].real,
        float(h_star @ w + b),
    )  # fmt: skip


def _first_readout(model: SentimentRNN) -> tuple[np.ndarray, float]:
    return np.reshape(model.w, (len(model.w), -1))[:, 0], float(np.reshape(model.b, -1)[0])


# --- what a word does -------------------------------------------------------------------------


def frequent_words(model: SentimentRNN | BagOfWords, floor: float = FLOOR) -> np.ndarray:
    """Numbers of the words that are at least ``floor`` of running text, padding and the unknown word left out."""
    words = np.flatnonzero(model.frequencies >= floor)
    return words[words > 1]


def slow_readout(point: OperatingPoint) -> np.ndarray:
    """(w·r) ℓ, (S,): what it reads off a change of state is the change of the logit that lasts, in nats."""
    return float(_first_readout(point.model)[0] @ point.r) * point.l


def input_effect(
    point: OperatingPoint, words: Words, h: np.ndarray | None = None, *, inputs: str = "finite"
) -> np.ndarray:
    """What K words do to the state beyond the average token, d: (..., K, S) at states h (..., S), h* unless given.

    ``inputs``: ``"finite"`` is the network's own step, F(h, x) − F̄(h); ``"jacobian"`` J_inp(h) (x − x̄) of F̄.
    """
    model, F = point.model, point.mean_map
    numbers = model.vocabulary.numbers(words)
    h = point.h_star if h is None else np.asarray(h, float)
    if inputs == "finite":
        after = F.cell.step_projected(h[..., None, :], model.projected[numbers].astype(float))
        return after - np.asarray(F(h))[..., None, :]
    if inputs != "jacobian":
        raise ValueError(f"inputs must be finite or jacobian, not {inputs!r}")
    x_mean = F.weights @ model.embed(F.words).astype(float)
    return (model.embedding[numbers] - x_mean) @ np.swapaxes(F.jacobians(h).J_inp, -1, -2)


def valence(point: OperatingPoint, words: Words, h: np.ndarray | None = None, *, inputs: str = "finite") -> np.ndarray:
    """What words add to the logit for good beyond the average word, (w·r) ℓ·d: (..., K) in nats.

    d is :func:`input_effect` at states h (..., S), h* unless given.
    """
    return input_effect(point, words, h, inputs=inputs) @ slow_readout(point)


# --- responses by mode ------------------------------------------------------------------------


def _tau_groups(tau: np.ndarray) -> dict[str, np.ndarray]:
    """Masks (A,) of modes of like time constant (A,) in tokens; growing ones, τ < 0, last; no group is empty."""
    names = ("growing", "τ < 3", "3 ≤ τ < 10", "10 ≤ τ < 100", "τ ≥ 100")
    place = np.digitize(tau, (0, 3, 10, 100))
    return {names[i]: place == i for i in (1, 2, 3, 4, 0) if (place == i).any()}


@dataclass(frozen=True, eq=False)
class ModeKernel:
    """What is read of K words n tokens later, by mode: ``parts`` (K, A, L), which sum over modes to ``total`` (K, L).

    A pair of complex modes shares its part equally. ``lags`` (L,) n, in tokens; ``slow`` the place of the slow mode.
    """

    lags: np.ndarray
    modes: Eigenmodes = field(repr=False)
    slow: int
    parts: np.ndarray = field(repr=False)

    @property
    def total(self) -> np.ndarray:
        """The whole linear response, (K, L)."""
        return self.parts.sum(1)

    def by_tau(self) -> dict[str, np.ndarray]:
        """Sums (K, L) over modes of like time constant; growing modes apart."""
        return {name: self.parts[:, which].sum(1) for name, which in _tau_groups(self.modes.tau).items()}

    def groups(self) -> dict[str, np.ndarray]:
        """Sums (K, L): the slow mode, others that grow, the rest by τ with how many they are."""
        rest = np.delete(np.arange(len(self.modes.tau)), self.slow)
        groups = reversed(_tau_groups(self.modes.tau[rest]).items())
        sums = {f"{name} ({which.sum()})": self.parts[:, rest[which]].sum(1) for name, which in groups}
        return {"slow mode": self.parts[:, self.slow]} | sums


def mode_kernel(
    point: OperatingPoint, words: Words, lags: Sequence[int], d: np.ndarray | None = None,
    read: np.ndarray | None = None,
) -> ModeKernel:  # fmt: skip
    """What is read of words after n tokens, readᵀ J_recⁿ d, expanded in modes: (read·r_a) λ_aⁿ (ℓ_a·d).

    ``d`` (K, S) is what each word does to the state, its :func:`input_effect` unless given; ``read`` (S,) the readout w
    unless given: then parts are in nats.
    """
    d, modes = input_effect(point, words) if d is None else np.asarray(d), point.modes
    loading = ((point.model.w if read is None else read) @ modes.R) * (d @ modes.L.T)  # (K, A)
    parts = loading[:, :, None] * modes.eigvals[:, None] ** np.asarray(lags)
    return ModeKernel(np.asarray(lags), modes, point.slow, parts.real)


# --- the linear model -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class LinearModel:
    """The network made linear around one fixed point, or around the nearest of several at every token.

    h_t = h* + d(x_t) + J_rec (h_{t-1} − h*), with d(x) what a word does to the state at h*: the *finite* effect
    F(h*, x) − h*, or F̄(h*) − h* + J_inp (x − x̄). ``h_star`` (P, S), ``J_rec`` (P, S, S), ``after`` F̄(h*) (P, S),
    ``J_inp`` (P, S, D) or None for finite effects, ``x_ref`` x̄ (D,).
    """

    model: SentimentRNN
    h_star: np.ndarray = field(repr=False)
    J_rec: np.ndarray = field(repr=False)
    after: np.ndarray = field(repr=False)
    J_inp: np.ndarray | None = field(repr=False)
    x_ref: np.ndarray = field(repr=False)

    def step(self, h: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """One token on: states (B, S) and token numbers (B,) -> (B, S)."""
        if len(self.h_star) == 1:
            return self._near(0, h, ids)
        # ‖h − h*‖² up to what all points share
        which = ((self.h_star**2).sum(-1) - 2 * h @ self.h_star.T).argmin(-1)
        out = np.empty_like(h)
        for p in np.unique(which):
            rows = which == p
            out[rows] = self._near(p, h[rows], ids[rows])
        return out

    def _near(self, p: int, h: np.ndarray, ids: np.ndarray) -> np.ndarray:
        h_star = self.h_star[p]
        if self.J_inp is None:
            after = self.model.cell.step_projected(h_star, self.model.projected[ids])
        else:
            after = self.after[p] + (self.model.embedding[ids] - self.x_ref) @ self.J_inp[p].T
        return after + (h - h_star) @ self.J_rec[p].T

    def states_of(self, ids: Sequence[np.ndarray], h0: np.ndarray | None = None) -> list[np.ndarray]:
        """States of texts given as token numbers, a list of (T + 1, S); from ``h0`` (S,) or (n, S), h₀ unless given."""
        return states_along(self.step, np.asarray(self.model.cell.h0 if h0 is None else h0, float), ids)

    def final_states_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """The state after the last token, (n, S)."""
        return last_states(self.step, self.model.cell.h0.astype(float), ids)

    def logits_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """Predicted logits (n,) of texts given as token numbers, in nats."""
        return self.model.readout(self.final_states_of(ids))

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """:meth:`logits_of` whole texts."""
        return self.logits_of(self.model.vocabulary.encode_all(texts))


def linear_model(
    point: OperatingPoint, points: FixedPoints | np.ndarray | None = None, *, inputs: str = "finite"
) -> LinearModel:
    """The network made linear at an operating point, or at the nearest of several fixed points (P, S).

    ``inputs`` are ``"finite"`` for the full effect of a word, ``"jacobian"`` for J_inp (x − x̄).
    """
    if inputs not in ("finite", "jacobian"):
        raise ValueError(f"inputs must be finite or jacobian, not {inputs!r}")
    h_star = point.h_star if points is None else getattr(points, "h_star", points)
    h_star = np.atleast_2d(np.asarray(h_star, float))
    J = point.mean_map.jacobians(h_star)
    x_ref = point.model.frequencies @ point.model.embedding
    J_inp = J.J_inp if inputs == "jacobian" else None
    return LinearModel(point.model, h_star, J.J_rec, point.mean_map(h_star), J_inp, x_ref)


def fitted_recurrence(model: SentimentRNN, ids: Sequence[np.ndarray]) -> LinearModel:
    """The linear recurrence h' = A h + B x + c that is nearest to the network's own steps on texts.

    By least squares over every step, with a ridge on A and B of 1e-6 of each number's mean square. Nothing is
    linearized, no label used: a yardstick for linear models at fixed points.
    Source: dynamic mode decomposition with control (Proctor, Brunton & Kutz 2016).
    """
    S, D = model.cell.n_state, model.cell.n_inputs
    moment, target = np.zeros((S + D + 1, S + D + 1)), np.zeros((S + D + 1, S))
    for tokens, h in zip(ids, model.astype(np.float64).states_of(ids)):
        rows = np.concatenate([h[:-1], model.embedding[tokens], np.ones((len(tokens), 1))], axis=1)
        moment += rows.T @ rows
        target += rows.T @ h[1:]
    moment[np.arange(S + D), np.arange(S + D)] *= 1 + 1e-6
    A, B, c = np.split(np.linalg.lstsq(moment, target)[0].T, [S, S + D], axis=1)
    return LinearModel(model, np.zeros((1, S)), A[None], c.T, B[None], np.zeros(D))
