"""The whole network in a few numbers: balanced modes, the directions that words write and the future reads.

Slow is not enough to matter: a direction counts if words move the state along it *and* later logits depend on it. Over
visited states h, with mean μ, and adjoints a_t(n) = ∂logit_{t+n}/∂h_t along text (:func:`rnnrev.driven.adjoints`) let

    C = E[(h − μ)(h − μ)ᵀ] = L_c L_cᵀ,   A = Σ_n E[a(n) a(n)ᵀ] = L_a L_aᵀ,   L_aᵀ L_c = U Σ Vᵀ.

The singular values σ are the *empirical Hankel singular values*; in the coordinates z = Ψᵀ(h − μ), with
Φ = L_c V Σ^−½ and Ψ = L_a U Σ^−½, both covariances are Σ: what is written and what is read are balanced. The reduced
network keeps k coordinates at every step,

    z' = Ψᵀ[F(μ + Φ z, x) − μ],   logit = w·(μ + Φ z) + b,

and it is a network: whatever takes one takes it. The singular values, and what the modes read and keep, do not depend
on the units in which states are given; principal components do.

Sources: Moore 1981 (balanced truncation); Lall, Marsden & Glavaški 2002 (empirical Gramians); Rowley 2005 (balanced
POD); Otto, Padovan & Rowley 2023 (CoBRAS: covariance balancing with adjoint snapshots).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import DTypeLike

from .cells import Cell
from .data import load_reviews
from .driven import Texts, adjoints, token_arrays, visited_states
from .fixed_points import mean_map
from .linear import Unmeasured, Words, frequent_words, time_constants
from .model import SentimentRNN

__all__ = ["axes", "balance", "chart", "plane", "reduce"]


# --- a network on a few coordinates ---------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class ReducedCell(Cell):
    """A cell on k coordinates z = Ψᵀ(h − μ) of another cell's state: z' = Ψᵀ[F(μ + Φ z, x) − μ].

    ``U`` and ``b_rec`` are the whole cell's seen from z, (μ + Φ z) U = μ U + z (ΦᵀU): no product has the whole size.
    """

    whole: Cell = field(kw_only=True)
    Phi: np.ndarray = field(kw_only=True)  #: (S, k)
    Psi: np.ndarray = field(kw_only=True)  #: (S, k), ΨᵀΦ = I
    mean: np.ndarray = field(kw_only=True)  #: μ (S,)

    def __post_init__(self) -> None:
        pass  # the weights are the whole cell's

    @classmethod
    def of(cls, whole: Cell, Phi: np.ndarray, Psi: np.ndarray, mean: np.ndarray) -> ReducedCell:
        """The cell ``whole`` on the coordinates that Φ and Ψ, (S, k), say."""
        n, kind = whole.n_units, whole.U.dtype
        Phi, Psi, mean = (np.ascontiguousarray(x, kind) for x in (Phi, Psi, mean))
        return cls(
            f"reduced {whole.kind}", whole.W, Phi[:n].T @ whole.U, whole.b, whole.recur(mean), (whole.h0 - mean) @ Psi,
            whole=whole, Phi=Phi, Psi=Psi, mean=mean,
        )  # fmt: skip

    def astype(self, dtype: DTypeLike) -> ReducedCell:
        return self.of(self.whole.astype(dtype), self.Phi, self.Psi, self.mean)

    def lift(self, z: np.ndarray) -> np.ndarray:
        """The whole state that stands for z: μ + Φ z, (..., k) -> (..., S)."""
        return self.mean + z @ self.Phi.T

    def combine(self, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
        return (self.whole.combine(self.lift(h), u, a) - self.mean) @ self.Psi

    def vjp(self, h: np.ndarray, u: np.ndarray, g: np.ndarray) -> np.ndarray:
        return self.whole.vjp(self.lift(h), u, g @ self.Psi.T) @ self.Phi

    def jvp(self, h: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self.whole.jvp(self.lift(h), u, v @ self.Phi.T) @ self.Psi


@dataclass(frozen=True, eq=False, repr=False)
class ReducedRNN(SentimentRNN):
    """A network that keeps k numbers of another one's state; it reads, traces and is analysed as any network.

    States are coordinates z (k,); ``cell.lift(z)`` is the whole state. ``hankel`` (S,) holds all singular values.
    """

    cell: ReducedCell
    hankel: np.ndarray = field(kw_only=True)

    def __repr__(self) -> str:
        kept = self.hankel[: self.k].sum() / self.hankel.sum()
        return f"ReducedRNN({self.name}: {self.k} of {len(self.hankel)} numbers, {kept:.0%} of Σσ)"

    @property
    def k(self) -> int:
        """How many numbers it remembers."""
        return self.cell.n_state

    @property
    def Phi(self) -> np.ndarray:
        """Φ (S, k): the pattern of each coordinate."""
        return self.cell.Phi

    @property
    def Psi(self) -> np.ndarray:
        """Ψ (S, k): what each coordinate reads of a state."""
        return self.cell.Psi

    @property
    def mean(self) -> np.ndarray:
        """μ (S,), the mean visited state."""
        return self.cell.mean

    def coordinates(self, h: np.ndarray) -> np.ndarray:
        """z (..., k) of whole states h (..., S)."""
        return (h - self.mean) @ self.Psi

    def steps(self, words: Words, z: np.ndarray) -> np.ndarray:
        """How far each word moves the state from each place: K words, places z (n, k) -> (K, n, k)."""
        z = z.astype(self.embedding.dtype)
        return np.stack([self.advance(z, np.full(len(z), i)) - z for i in self.vocabulary.numbers(words)])


def petrov_galerkin(
    model: SentimentRNN, Phi: np.ndarray, Psi: np.ndarray, mean: np.ndarray, hankel: np.ndarray | None = None
) -> ReducedRNN:
    """The network on k coordinates about a centre: Φ and Ψ (S, k) with ΨᵀΦ = I, mean (S,).

    Any pair will do; the controls (principal components, random directions) are made with it.
    """
    if not np.allclose(Psi.T @ Phi, np.eye(Phi.shape[1]), atol=1e-3):
        raise ValueError("ΨᵀΦ must be the identity: take both from the same modes")
    cell = ReducedCell.of(model.cell, Phi, Psi, mean)
    return ReducedRNN(
        cell, model.embedding, model.vocabulary, cell.Phi.T @ model.w, model.readout(cell.mean),
        f"{model.name}, k = {Phi.shape[1]}", model.record, model.counts,
        hankel=np.ones(len(mean)) if hankel is None else hankel,
    )  # fmt: skip


# --- balancing --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BalancedModes:
    """All balanced modes of a network: ``Phi``, ``Psi`` (S, M) with ΨᵀΦ = I, ``mean`` (S,), ``hankel`` (S,) falling.

    M is the rank of what was seen of states and adjoints. Coordinates Ψᵀ(h − μ) have the variances ``hankel``. A mode's
    sign is the one that raises the logit (w·φ ≥ 0).
    """

    Phi: np.ndarray = field(repr=False)
    Psi: np.ndarray = field(repr=False)
    mean: np.ndarray = field(repr=False)
    hankel: np.ndarray

    def reduce(self, model: SentimentRNN, k: int) -> ReducedRNN:
        """The network on the first k modes; ``ValueError`` if there are not as many."""
        if not 1 <= k <= self.Phi.shape[1]:
            raise ValueError(f"k must lie between 1 and the {self.Phi.shape[1]} modes that were seen, not {k}")
        return petrov_galerkin(model, self.Phi[:, :k], self.Psi[:, :k], self.mean, self.hankel)


def balanced_modes(states: np.ndarray, adjoints: np.ndarray, w: np.ndarray) -> BalancedModes:
    """Balance two covariances: of visited states (n, S), and of adjoints (P, L, S) or (P, L, C, S), summed over lags.

    ``w`` (S,) or (S, C) gives modes their signs. What all classes have in common is no logit's difference and left out.
    """
    S = states.shape[-1]
    mean = states.mean(0, dtype=float)
    if adjoints.ndim == 4:
        adjoints = adjoints - adjoints.mean(2, keepdims=True)
    a = adjoints.reshape(-1, S).astype(float)
    # the factors by QR of the snapshots: a covariance would lose half of the digits
    L_c, L_a = (
        np.transpose(np.linalg.qr(x / np.sqrt(n), "r")) for x, n in ((states - mean, len(states)), (a, len(adjoints)))
    )
    U, hankel, Vt = np.linalg.svd(L_a.T @ L_c, full_matrices=False)
    seen = hankel > hankel[0] * 1e-9
    Phi, Psi = (L @ X[:, seen] / np.sqrt(hankel[seen]) for L, X in ((L_c, Vt.T), (L_a, U)))
    sign = np.where(np.reshape(w, (S, -1))[:, 0] @ Phi < 0, -1.0, 1.0)
    return BalancedModes(Phi * sign, Psi * sign, mean, hankel)


def explained(whole: np.ndarray, reduced: np.ndarray) -> float:
    """R² of one network's logits with another's, 1 − Σ(whole − reduced)² / Σ(whole − mean)²: nothing is fitted."""
    return float(1 - np.sum((whole - reduced) ** 2) / np.sum((whole - whole.mean(0)) ** 2))


def reduce(model: SentimentRNN, k: int | None = None, texts: Texts | None = None, *, least: float = 0.95) -> ReducedRNN:
    """The network on its first k balanced modes, found on *training* text (the book's reviews, unless given).

    Sixty of the texts are drawn, half of them at most, and their first 160 tokens read. Unless given, k is the smallest
    for which the logits at the end of a hundred others, or as many as there are, have R² ≥ ``least`` with the whole
    network's (:func:`explained`). ``ValueError`` for a k out of range; ``Unmeasured``, which is one, for fewer than 40
    texts, for a network whose logit hardly differs along text (untrained: there is nothing to balance), or if no k up
    to 32 reaches ``least``.
    """
    if k is not None and not 1 <= k <= model.cell.n_state:
        raise ValueError(f"k must lie between 1 and {model.cell.n_state}, the length of the state, not {k}")
    texts = load_reviews("book").texts if texts is None else texts
    if len(texts) < 40:
        raise Unmeasured(f"{len(texts)} texts are too few to balance with: give 40 or more")
    ids = token_arrays(model, texts, len(texts))
    n = min(60, len(ids) // 2)
    modes = balance(model, ids[:n])
    if k is not None:
        return modes.reduce(model, k)
    held = ids[n : n + 100]
    whole = model.logits_of(held)
    for k in range(1, min(32, modes.Phi.shape[1]) + 1):
        reduced = modes.reduce(model, k)
        if explained(whole, reduced.logits_of(held)) >= least:
            return reduced
    raise Unmeasured(f"no k up to {k} has R² ≥ {least} on {len(held)} texts: lower least, or name k")


def balance(model: SentimentRNN, texts: Texts, lags: int = 60, *, length: int = 160, seed: int = 0) -> BalancedModes:
    """The balanced modes of a network on texts, their first ``length`` tokens read: what :func:`reduce` keeps k of.

    Adjoints are taken over lags 0 … ``lags``, or up to the median length of the texts where they are shorter.
    ``Unmeasured`` for a network whose logit hardly differs along text.
    """
    ids = token_arrays(model, texts, length=length)
    lags = min(lags, int(np.median([len(i) for i in ids])))
    states = np.concatenate(model.states_of(ids))
    logits = model.readout(states)
    spread = float(np.mean(np.std(logits, axis=0)))
    if spread < 0.2:
        raise Unmeasured(
            f"the logit of {model.name} hardly differs along these texts (standard deviation {spread:.3f} nats): an "
            "untrained network has nothing to balance; train it, or give texts that it was trained for"
        )
    return balanced_modes(states, adjoints(model, ids, range(lags + 1), seed=seed), model.w)


# --- what the axes are ------------------------------------------------------------------------------


def axes(
    model: SentimentRNN, modes: BalancedModes, texts: Texts, words: Words = ("not", "extremely"), k: int = 5, *,
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """What the first k balanced axes are: one row an axis, coordinates in standard deviations over visited states.

    - ``share`` of the sum of all Hankel singular values;
    - ``tau`` of what is left of a displacement along the axis after one more token of text, on average, in tokens;
    - ``read``: what one standard deviation adds to the logit now, in nats;
    - ``gain``: by how much one standard deviation multiplies what words add to the first axis, less 1;
    - ``h0``: where the initial state stands;
    - each word: how far it moves the state beyond the average token, on average over visited states;
    - ``scale``, ``centre``: the signed standard deviation, and the mean, of the mode's own coordinate Ψᵀ(h − μ).

    The first axis is *memory*, signed by the readout. The others are signed so that ``gain`` is positive; the one with
    the largest gain is the *volume*: h₀ and the words have no part in that choice.
    """
    ids = token_arrays(model, texts, length=160)
    rng = np.random.default_rng([seed, 157])
    states, tokens = model.states_of(ids), np.concatenate(ids)
    before = np.concatenate([h[:-1] for h in states])
    pick = rng.permutation(len(before))[:2000]
    Phi, Psi, kind = modes.Phi[:, :k], modes.Psi[:, :k], before.dtype
    along = np.broadcast_to(Phi.T.astype(kind), (len(pick), k, len(Phi)))
    step = (model.cell.jvp(before[pick], model.projected[tokens[pick]], along) @ Psi).mean(0)
    visited = (np.concatenate([h[min(10, len(h) - 1) :] for h in states]) - modes.mean) @ Psi
    centre, sd = visited.mean(0), visited.std(0)

    h = before[pick[:200]]
    F = mean_map(model, 128)
    average = F(h.astype(float))

    def moved(numbers: np.ndarray) -> np.ndarray:
        """(states, words, k) standard deviations beyond the average token."""
        after = model.cell.step_projected(h[:, None], model.projected[numbers])
        return (after - average[:, None]) @ Psi / sd

    probes = rng.permutation(frequent_words(model))[:300]
    memory = moved(probes)[..., 0]
    valence = memory.mean(0) - memory.mean()
    gain = (memory - memory.mean(1, keepdims=True)) @ valence / (valence @ valence)
    z = ((h - modes.mean) @ Psi - centre) / sd
    slopes = np.linalg.lstsq(np.c_[np.ones(len(z)), z], gain, rcond=None)[0][1:]
    sign = np.where(slopes < 0, -1.0, 1.0)
    sign[0] = 1
    w = np.reshape(model.w, (len(Phi), -1))[:, 0]
    columns = {
        "share": modes.hankel[:k] / modes.hankel.sum(), "tau": time_constants(np.diagonal(step)),
        "read": sign * (w @ Phi) * sd, "gain": sign * slopes,
        "h0": sign * ((model.cell.h0 - modes.mean) @ Psi - centre) / sd,
    }  # fmt: skip
    names, effects = [str(x) for x in words], sign * moved(model.vocabulary.numbers(words)).mean(0)
    columns |= dict(zip(names, effects)) | {"scale": sign * sd, "centre": centre}
    return pd.DataFrame(columns, index=pd.RangeIndex(1, k + 1, name="axis"))


def volume_axis(table: pd.DataFrame) -> int:
    """The number of the volume axis in a table of :func:`axes`: the largest gain, memory left out."""
    return int(table.gain.iloc[1:].idxmax())


# --- the plane ------------------------------------------------------------------------------------------


def plane(model: SentimentRNN, modes: BalancedModes, table: pd.DataFrame) -> ReducedRNN:
    """The network on its memory and volume axis, z (2,) in standard deviations over visited states; their mean is 0.

    ``table`` is that of :func:`axes`, which says which axis is the volume and which way is up.
    """
    kept = [1, volume_axis(table)]
    at = np.array(kept) - 1
    scale, centre = table.scale[kept].to_numpy(), table.centre[kept].to_numpy()
    Phi, Psi = modes.Phi[:, at], modes.Psi[:, at]
    return petrov_galerkin(model, Phi * scale, Psi / scale, modes.mean + Phi @ centre, modes.hankel)


@dataclass(frozen=True, eq=False)
class Chart:
    """A network with its plane: all balanced modes, the number of the ``volume`` axis, and where texts lead.

    ``scale`` and ``centre`` (2,) are the signed standard deviation and the mean of memory and volume in the modes' own
    coordinates; ``visited`` (n, 2) places in the plane in random order; ``small`` the network on these two alone.
    """

    model: SentimentRNN
    modes: BalancedModes = field(repr=False)
    volume: int
    scale: np.ndarray = field(repr=False)
    centre: np.ndarray = field(repr=False)
    small: ReducedRNN = field(repr=False)
    visited: np.ndarray = field(repr=False)


def chart(model: SentimentRNN, texts: Texts) -> Chart:
    """Balance a network on 60 of the texts, find memory and volume, and keep these two (:func:`plane`)."""
    ids = token_arrays(model, texts, 60, 160)
    modes = balance(model, ids)
    table = axes(model, modes, ids)
    small = plane(model, modes, table)
    visited = np.random.default_rng([0, 167]).permutation(small.coordinates(visited_states(model, ids)))
    kept = table.loc[[1, volume_axis(table)]]
    return Chart(model, modes, volume_axis(table), kept.scale.to_numpy(), kept.centre.to_numpy(), small, visited[:1500])
