"""Beginning and end of a review: where a word stands decides how much it counts.

A word's *lasting valence* is what it adds to the logit for good once the network stands on its line attractor,
v = (w·r)(ℓ·[F(h*, x) − F̄(h*)]) in nats. Everything here is measured in multiples of it: the *emphasis* of a place is
the slope, over words, of what they do at that place on their lasting valence. It is 1 where the network only adds up.

* Beginning (CP20, section on the initial state): the trained h₀ stands off the attractor, in the modifier subspace, so
  the first words count more. :func:`start_profile`, :func:`in_context_profile`, :func:`subspace_share`, :func:`starts`.
* End (CP20, section on transients): the response of the logit n tokens after a word is
  wᵀ J_recⁿ d = Σ_a (wᵀr_a) λ_aⁿ (ℓ_aᵀ d). The slow mode is the lasting valence; fast modes that project onto w add a
  transient that counts only if the review ends soon. :func:`mode_kernel`, :func:`end_effects`, :func:`read_modes`.

Both rest on one experiment, :func:`insertion_response`: put a word into a text in place of a token, run on, compare.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from .data import Reviews
from .linear import OperatingPoint, frequent_words, input_effect, operating_point, valence
from .model import SentimentRNN, unroll, untrained
from .modifiers import (
    FLOOR,
    Subspace,
    modifier_effects,
    modifier_subspace,
    probe_words,
    random_subspace,
)
from .perturb import costs, start_from, typical_states
from .stats import Estimate, accuracy, bootstrap
from .threads import in_threads

__all__ = [
    "Agreement",
    "Decay",
    "LikeStart",
    "MemoryTrace",
    "ModeKernel",
    "Profile",
    "agreement",
    "agreement_table",
    "compare_barcodes",
    "compare_shares",
    "decay_length",
    "end_effects",
    "end_table",
    "first_tokens",
    "in_context_profile",
    "insertion_response",
    "last_tokens",
    "leak_rate",
    "measure",
    "memory_trace",
    "mode_kernel",
    "neutral_texts",
    "now_and_later",
    "of_readouts",
    "over_words",
    "profile",
    "random_readouts",
    "read_modes",
    "readouts",
    "start_profile",
    "start_table",
    "starts",
    "state_barcode",
    "subspace_share",
]

#: Rows that :func:`insertion_response` steps at once: enough for full speed, few enough for the cache.
ROWS = 4096


# --- words -------------------------------------------------------------------------------------


def neutral_texts(
    point: OperatingPoint, n: int = 16, length: int = 200, quantile: float = 0.5, seed: int = 0, table: Any = None
) -> np.ndarray:
    """Texts that say nothing and change nothing: token numbers (n, length), drawn from running text's neutral words.

    A word is neutral when both its |lasting valence| and its strength as a modifier
    (:func:`rnnrev.modifiers.modifier_effects`) rank low: by the worse of its two ranks, the first words that make up
    ``quantile`` of running text are drawn, each with its frequency p(v). Valence alone would let amplifiers in, which
    have none: every word that stands in such a text would count for more than in plain text. ``table`` is that of
    the frequent words' effects, where it is at hand.

    Raises
    ------
    ValueError
        If ``quantile`` is not in (0, 1], or too few words are frequent enough to be ranked.
    """
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile must lie in (0, 1], not {quantile}")
    ranked = frequent_words(point.model)
    p = point.model.frequencies[ranked]
    if table is None:
        table = modifier_effects(point, ranked, probe_words(point, max(1, min(20, len(ranked) // 4))))
    strength = table.set_index("number").strength.loc[ranked].to_numpy()
    # a strength under a hundredth is rounding
    worse = np.maximum(_below(np.abs(valence(point, ranked)), p), _below(strength.round(2), p))
    order = np.argsort(worse, kind="stable")
    below = np.cumsum(p[order])
    kept = order[below <= max(quantile, below[0])]
    chosen = np.random.default_rng([seed, 53]).choice(kept, (n, length), p=p[kept] / p[kept].sum())
    return ranked[chosen].astype(np.int32)


def _below(size: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Share of running text, with frequencies p (K,), whose words have a smaller ``size`` (K,)."""
    order = np.argsort(size, kind="stable")
    first = np.searchsorted(size[order], size[order])  # words of the same size share a rank
    out = np.empty(len(p))
    out[order] = np.r_[0, np.cumsum(p[order])][first]
    return out


# --- the one experiment ------------------------------------------------------------------------


def insertion_response(
    model: SentimentRNN,
    texts: np.ndarray,
    words: Any,
    places: Sequence[int],
    lags: Sequence[int] = (0,),
    *,
    h0: np.ndarray | None = None,
    w: np.ndarray | None = None,
) -> np.ndarray:
    """Put each word at each place of each text, in place of the token there, and see what becomes of the logit.

    Parameters
    ----------
    texts : array, (B, T)
        Token numbers, all of one length.
    words : array, (K,)
        Token numbers of the words to place.
    places : list of int
        Tokens read before the word: 0 is the beginning of the text.
    lags : list of int
        Tokens read after the word before the logit is compared; 0 reads it at the word itself.
    h0 : array, (S,) or (B, S), optional
        State before the first token; the network's own unless given.
    w : array, (S,) or (S, R), optional
        Readout, or several; the network's own unless given.

    Returns
    -------
    array, (B, P, K, L) or (B, P, K, L, R)
        logit with the word less logit without it, in nats. Run in float32.

    Raises
    ------
    ValueError
        If a text ends before the last lag after the last place.
    """
    texts, words = np.asarray(texts), np.asarray(words)
    lags = [int(n) for n in lags]
    reach = max(places) + max(lags)
    if reach >= texts.shape[1] or min(places) < 0 or min(lags) < 0:
        raise ValueError(
            f"places up to {max(places)} with lags up to {max(lags)} need {reach + 1} tokens or more, the texts have "
            f"{texts.shape[1]}: give longer texts"
        )
    cell = model.cell.astype(np.float32)
    known, rows_of = np.unique(np.r_[texts.ravel(), words.ravel()], return_inverse=True)
    u_known = cell.project(model.embedding[known].astype(np.float32))
    texts, words = rows_of[: texts.size].reshape(texts.shape), rows_of[texts.size :]
    w = np.asarray(model.w if w is None else w, np.float32)
    h0 = np.asarray(cell.h0 if h0 is None else h0, np.float32)
    out = np.empty((len(texts), len(places), len(words), len(lags), *w.shape[1:]))
    u_words = u_known[words]
    block = min(max(1, ROWS // len(words)), -(-len(texts) // 4))  # a few blocks at least, for as many processors

    def read(start: int) -> None:
        rows = slice(start, start + block)
        u = u_known[texts[rows, : reach + 1]]
        plain = unroll(cell, u, h0 if h0.ndim == 1 else h0[rows])
        for i, place in enumerate(places):
            h = cell.step_projected(plain[:, place, None], u_words)
            for lag in range(max(lags) + 1):
                if lag:
                    h = cell.step_projected(h, u[:, place + lag, None])
                if lag in lags:
                    difference = h - plain[:, place + lag + 1, None]
                    out[rows, i, :, lags.index(lag)] = difference @ w

    in_threads(read, range(0, len(texts), block))
    return out


# --- emphasis: a slope for each place, with its interval -----------------------------------------


class Profile(NamedTuple):
    """Emphasis at each place (or lag) ``at``, 1 where a word counts its lasting valence; and bootstrap draws.

    ``draws`` (n, P) resample texts and words independently, so that an interval covers both.
    """

    at: np.ndarray
    value: np.ndarray
    draws: np.ndarray

    def estimate(self, at: int) -> Estimate:
        """Emphasis at one place with its interval; ``KeyError`` if it was not measured."""
        where = np.flatnonzero(self.at == at)
        if not len(where):
            raise KeyError(f"not measured at {at}: there are {', '.join(map(str, self.at))}")
        i = int(where[0])
        return _interval(self.value[i], self.draws[:, i])

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the 95 % interval at every place."""
        low, high = np.nanpercentile(self.draws, [2.5, 97.5], axis=0)
        return low, high

    def relative_to(self, at: Sequence[int]) -> Profile:
        """The same as multiples of the mean emphasis at these places: 1 where a word counts what it does there."""
        where = np.isin(self.at, at)
        value = self.value / self.value[where].mean()
        return Profile(self.at, value, self.draws / self.draws[:, where].mean(1, keepdims=True))

    def minus(self, other: Profile) -> Profile:
        """What this has more than another of the same texts, words and places: draws are paired."""
        if self.draws.shape != other.draws.shape or not np.array_equal(self.at, other.at):
            raise ValueError("both profiles must have the same places and as many draws: make them from the same texts")
        return Profile(self.at, self.value - other.value, self.draws - other.draws)

    def mean(self, at: Sequence[int]) -> Estimate:
        """Mean emphasis over some places with its interval."""
        where = np.isin(self.at, at)
        return _interval(self.value[where].mean(), self.draws[:, where].mean(1))


def _interval(value: float, draws: np.ndarray) -> Estimate:
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return Estimate(float(value), float(low), float(high))


def profile(effects: np.ndarray, lasting: np.ndarray, at: Any, n: int = 500, seed: int = 0) -> Profile:
    """Emphasis from measured effects: at each place the slope of effect on lasting valence, over words.

    Parameters
    ----------
    effects : array, (B, P, K)
        Of K words at P places in B texts, in nats.
    lasting : array, (K,) or (B, P, K)
        Their lasting valence, in nats.
    at : array, (P,)
        What the places are called.
    n : int
        Bootstrap draws: texts and words are resampled independently (Owen 2007, the pigeonhole bootstrap).

    The slope has an intercept for each place, so that what the replaced token did drops out.
    """
    rng = np.random.default_rng([seed, 59])
    B, _, K = effects.shape
    lasting = np.broadcast_to(lasting, effects.shape)
    moments = [(v, e, v * e, v * v) for v, e in zip(np.swapaxes(lasting, 0, 1), np.swapaxes(effects, 0, 1))]

    def slopes(text_weight: np.ndarray, word_weight: np.ndarray) -> np.ndarray:
        means = np.array([[((text_weight @ m) * word_weight).sum(1) for m in place] for place in moments])
        v, e, ve, vv = np.moveaxis(means, 1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):  # a draw of one text again and again has no slope
            return ((ve - v * e) / (vv - v * v)).T  # (draws, P)

    value = slopes(np.full((1, B), 1 / B), np.full((1, K), 1 / K))[0]
    texts = rng.multinomial(B, np.full(B, 1 / B), n) / B
    words = rng.multinomial(K, np.full(K, 1 / K), n) / K
    return Profile(np.asarray(at), value, slopes(texts, words))


def leak_rate(found: Profile) -> Estimate:
    """1/τ per token of emphasis ∝ exp(−at/τ), by least squares on its logarithm: how fast a memory is lost.

    A rate, not τ, since a memory that keeps all, or gains, has no finite τ.
    """
    at = found.at - found.at.mean()

    def rate(values: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return -(np.log(values) @ at) / (at @ at)

    return _interval(float(rate(found.value)), rate(found.draws))


class Decay(NamedTuple):
    """Emphasis = plateau + excess · exp(−at / length): the fitted numbers, each with its interval; R² of the fit."""

    length: Estimate
    excess: Estimate
    plateau: Estimate
    r_squared: float


def decay_length(found: Profile, n: int = 200) -> Decay:
    """How far the extra emphasis reaches: an exponential with a plateau fitted to a profile, length in tokens.

    The interval comes from fits to the first ``n`` bootstrap draws. Lengths are bounded by half a token and three times
    the span that was measured, where they cannot be told from 0 and from ever.
    """
    at = found.at.astype(float)
    bounds = ([-np.inf, -np.inf, 0.5], [np.inf, np.inf, 3 * np.ptp(at)])

    def curve(x: np.ndarray, plateau: float, excess: float, length: float) -> np.ndarray:
        return plateau + excess * np.exp(-x / length)

    def fit(values: np.ndarray) -> np.ndarray:
        ends = values[np.argmax(at)], values[np.argmin(at)]
        start = [ends[0], ends[1] - ends[0], np.clip(np.ptp(at) / 6, 1, None)]
        return optimize.curve_fit(curve, at, values, start, bounds=bounds, max_nfev=2000)[0]

    best = fit(found.value)
    draws = np.array([fit(d) for d in found.draws[:n] if np.isfinite(d).all()])
    rest = found.value - curve(at, *best)
    r_squared = 1 - rest @ rest / np.sum((found.value - found.value.mean()) ** 2)
    plateau, excess, length = (_interval(best[i], draws[:, i]) for i in range(3))
    return Decay(length, excess, plateau, float(r_squared))


# --- the beginning -----------------------------------------------------------------------------


def start_profile(
    point: OperatingPoint,
    texts: np.ndarray,
    words: Any,
    places: Sequence[int],
    lag: int = 50,
    h0: np.ndarray | None = None,
    seed: int = 0,
) -> Profile:
    """Emphasis by place from the beginning: the same words slid through the same texts.

    The logit is compared ``lag`` tokens after the word wherever it stands, so that what the end of a text does to a
    word is the same for all places.
    """
    effects = insertion_response(point.model, texts, words, places, (lag,), h0=h0)[..., 0]
    return profile(effects, valence(point, words), places, seed=seed)


def in_context_profile(
    point: OperatingPoint,
    texts: np.ndarray,
    places: Sequence[int],
    lag: int = 50,
    h0: np.ndarray | None = None,
    n_fillers: int = 12,
    seed: int = 0,
) -> Profile:
    """Emphasis by place for the texts' own words: the effect of taking each out of its context.

    A token's effect is the logit with it less the mean logit with tokens drawn from p(v) in its place, ``lag`` tokens
    later; its valence is its lasting valence less theirs. Slopes are over texts, one token a place.
    """
    rng = np.random.default_rng([seed, 61])
    frequencies = point.model.frequencies
    fillers = rng.choice(len(frequencies), n_fillers, p=frequencies)
    effects = -insertion_response(point.model, texts, fillers, places, (lag,), h0=h0)[..., 0].mean(-1)
    own_tokens = np.asarray(texts)[:, list(places)]
    lasting = valence(point, np.r_[own_tokens.ravel(), fillers])
    own = lasting[: own_tokens.size].reshape(own_tokens.shape) - lasting[own_tokens.size :].mean()
    # one word a text: the slope at each place is over texts
    return profile(effects.T[None], own.T[None], places, seed=seed)


def state_barcode(point: OperatingPoint, h: np.ndarray, words: Any) -> np.ndarray:
    """How a state changes what words count: their lasting valence read in h less that in h*, (…, S) -> (…, K) in nats.

    Of h₀ it is the barcode of the beginning; of F(h*, x_m) that of the modifier m (:func:`rnnrev.modifiers.barcode`).
    """
    return valence(point, words, h) - valence(point, words)


def subspace_share(point: OperatingPoint, h: np.ndarray, subspace: Subspace) -> np.ndarray:
    """Share of the squared deflection h − h* in a subspace, the slow mode left out of both: (…, S) -> (…,)."""
    deflection = np.asarray(h, float) - point.h_star
    off = deflection - (deflection @ point.l)[..., None] * point.r
    return np.square(subspace.coordinates(h)).sum(-1) / np.square(off).sum(-1)


def compare_shares(
    point: OperatingPoint, subspace: Subspace, table: Any, n: int = 200, seed: int = 0
) -> dict[str, float | np.ndarray]:
    """h₀'s share in the modifier subspace, with controls: numbers, or arrays (n,) where the control is drawn.

    ``visited states`` are those of running text in the same subspace; ``random words`` is h₀'s share in the subspace of
    as many words of ``table`` (:func:`rnnrev.modifiers.modifier_effects`) that are no modifiers, ``random subspace``
    that in one of random directions.
    """
    rng = np.random.default_rng([seed, 73])
    h0 = point.model.cell.h0
    visited = typical_states(point, seed=seed)
    plain = table.number[table.kind == "other"].to_numpy()
    size = min(len(subspace.words), len(plain))
    other = [modifier_subspace(point, rng.choice(plain, size, replace=False), subspace.dim) for _ in range(n)]
    random = [random_subspace(point, subspace.dim, i) for i in range(n)]
    return {
        "h₀": float(subspace_share(point, h0, subspace)),
        "visited states": subspace_share(point, visited[rng.integers(len(visited), size=5 * n)], subspace),
        "h₀ in a subspace of random words": np.array([subspace_share(point, h0, s) for s in other]),
        "h₀ in a random subspace": np.array([subspace_share(point, h0, s) for s in random]),
    }


class LikeStart(NamedTuple):
    """States compared with h₀: ``correlation`` of barcodes with h₀'s, and ``gain``; by group, one value a state.

    A state's gain is the slope of its barcode on valence: 1 where words count twice, −1 where they count nothing.
    """

    correlation: dict[str, np.ndarray]
    gain: dict[str, np.ndarray]


def compare_barcodes(point: OperatingPoint, words: np.ndarray, table: Any, n: int = 100, seed: int = 0) -> LikeStart:
    """How h₀'s barcode compares with those of other states, over probe words.

    ``h₀`` itself; the state after "extremely"; those after the n strongest intensifiers and negators of ``table`` and
    after n random words that are no modifiers; and n states as far from h* as h₀ is, in random directions.
    """
    rng = np.random.default_rng([seed, 79])
    model, h0 = point.model, np.asarray(point.model.cell.h0, float)
    plain = table.number[table.kind == "other"].to_numpy()
    groups = {
        "extremely": [model.vocabulary.number("extremely")],
        "intensifiers": table.number[table.kind == "intensifier"].to_numpy()[:n],
        "negators": table.number[table.kind == "negator"].to_numpy()[:n],
        "random words": rng.choice(plain, min(n, len(plain)), replace=False),
    }
    off = (h0 - point.h_star) - ((h0 - point.h_star) @ point.l) * point.r
    directions = random_subspace(point, min(n, len(h0) - 1), seed).basis.T * np.linalg.norm(off)
    states = {"h₀": h0[None]}
    states |= {k: model.cell.step_projected(point.h_star, model.projected[v]) for k, v in groups.items() if len(v)}
    states["random states"] = point.h_star + directions
    codes = {k: state_barcode(point, h, words) for k, h in states.items()}
    codes = {k: c - c.mean(-1, keepdims=True) for k, c in codes.items()}
    v = valence(point, words)
    v = v - v.mean()
    return LikeStart(
        {k: _correlation(c, codes["h₀"]) for k, c in codes.items() if k != "h₀"},
        {k: c @ v / (v @ v) for k, c in codes.items()},
    )


def starts(point: OperatingPoint, subspace: Subspace, seed: int = 0) -> dict[str, np.ndarray]:
    """Initial states to compare: the network's own, without what makes it special, and controls; each (S,).

    * ``intact``: h₀;
    * ``component removed``: h₀ without its component in the modifier subspace, ℓ·h kept;
    * ``only the component``: h* and nothing but that component;
    * ``on the attractor``: h*;
    * ``random subspace removed``: the control of the same dimension;
    * ``random change``: h₀ moved as far as in ``component removed``, in a random direction, ℓ·h kept.
    """
    h0 = np.asarray(point.model.cell.h0, float)
    component = subspace.coordinates(h0) @ subspace.basis.T
    other = random_subspace(point, subspace.dim, seed)
    random = random_subspace(point, 1, seed + 1).basis[:, 0] * np.linalg.norm(component)
    return {
        "intact": h0,
        "component removed": h0 - component,
        "only the component": point.h_star + component,
        "on the attractor": point.h_star,
        "random subspace removed": h0 - other.coordinates(h0) @ other.basis.T,
        "random change": h0 + random,
    }


# --- the end -----------------------------------------------------------------------------------


class ModeKernel(NamedTuple):
    """Response of the logit to words, by mode: ``parts`` (K, A, L) sum over modes A to wᵀ J_recⁿ d, in nats.

    A pair of complex modes shares its part equally. ``lags`` (L,) tokens after the word, ``tau`` (A,) in tokens,
    ``slow`` the number of the slow mode.
    """

    words: np.ndarray
    lags: np.ndarray
    tau: np.ndarray
    slow: int
    parts: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """The whole linear response, (K, L)."""
        return self.parts.sum(1)

    def groups(self, edges: Sequence[float] = (3, 10, 100)) -> dict[str, np.ndarray]:
        """Sums (K, L) over modes of like τ: the slow mode by itself, and the rest parted at ``edges`` (tokens)."""
        limits = [0, *edges, np.inf]
        out = {"slow mode": self.parts[:, self.slow]}
        for low, high in zip(limits[-2::-1], limits[:0:-1]):
            inside = (self.tau >= low) & (self.tau < high)
            inside[self.slow] = False
            name = f"τ < {high:g}" if low == 0 else f"τ ≥ {low:g}" if high == np.inf else f"{low:g} ≤ τ < {high:g}"
            if inside.any():
                out[f"{name} ({inside.sum()})"] = self.parts[:, inside].sum(1)
        return out


def mode_kernel(point: OperatingPoint, words: Any, lags: Sequence[int], d: np.ndarray | None = None) -> ModeKernel:
    """Expand the logit's linear response to words in modes: (wᵀr_a) λ_aⁿ (ℓ_aᵀ d).

    Parameters
    ----------
    words : array, (K,)
        Token numbers.
    lags : list of int
        n, tokens after the word; 0 is the word itself.
    d : array, (K, S), optional
        What each word does to the state: :func:`rnnrev.linear.input_effect` unless given; J_inp (x − x*) for the theory's letter.
    """
    at = np.asarray(lags)
    d = input_effect(point, words) if d is None else np.asarray(d)
    modes = point.modes
    loading = (point.model.w @ modes.R) * (d @ modes.L.T)  # (K, A)
    powers = modes.eigvals[:, None] ** at
    return ModeKernel(np.asarray(words), at, modes.tau, point.slow, (loading[:, :, None] * powers).real)


class MemoryTrace(NamedTuple):
    """What K words leave in the logit n tokens later, in nats, less the words' mean: ``measured`` and by the linear
    theory ``predicted``, both (K, L); ``lags`` (L,) tokens."""

    lags: np.ndarray
    measured: np.ndarray
    predicted: np.ndarray


def over_words(effects: np.ndarray, seed: int = 0) -> list[Estimate]:
    """Standard deviation of effects (K, L) over words at each lag, with its 95 % bootstrap interval over words."""
    return [bootstrap(at, np.std, seed=seed) for at in effects.T]


def memory_trace(
    point: OperatingPoint, texts: np.ndarray, words: Any, lags: Sequence[int], places: Sequence[int] = (30, 40)
) -> MemoryTrace:
    """How much of a word is still in the logit n tokens later: in real texts, and by the kernel at h*.

    Parameters
    ----------
    texts : array, (B, T)
        Token numbers; words are put at ``places``, and the rest of the text follows them.
    words : array, (K,)
        Token numbers.
    lags : list of int
        n, tokens after the word.

    Raises
    ------
    ValueError
        If a text ends before the last lag after the last place.
    """
    measured = insertion_response(point.model, texts, words, places, lags).mean((0, 1))
    predicted = mode_kernel(point, words, lags).total
    return MemoryTrace(np.asarray(lags), measured - measured.mean(0), predicted - predicted.mean(0))


def end_effects(
    model: SentimentRNN,
    texts: np.ndarray,
    words: Any,
    lags: Sequence[int],
    h0: np.ndarray | None = None,
    w: np.ndarray | None = None,
) -> np.ndarray:
    """Words put n tokens before the last token, the logit read at the end: (B, L, K) in nats, or (B, L, K, R).

    ``texts`` (B, M) hold the last M tokens of B texts and ``h0`` (B, S) the states before them (:func:`last_tokens`);
    ``w`` (S,) or (S, R) as for :func:`insertion_response`.
    """
    last = np.asarray(texts).shape[1] - 1
    return np.stack(
        [insertion_response(model, texts, words, (last - n,), (n,), h0=h0, w=w)[:, 0, :, 0] for n in lags], 1
    )


def last_tokens(model: SentimentRNN, ids: Sequence[np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray]:
    """The last ``length`` tokens of the texts that have more, (B, length), and the states before them, (B, S)."""
    long = [i for i in ids if len(i) > length]
    if not long:
        raise ValueError(f"no text has more than {length} tokens: ask for fewer, or give longer texts")
    return np.stack([i[-length:] for i in long]), model.final_states_of([i[:-length] for i in long])


def first_tokens(ids: Sequence[np.ndarray], length: int) -> np.ndarray:
    """The first ``length`` tokens of the texts that have as many, (B, length)."""
    long = [i[:length] for i in ids if len(i) >= length]
    if not long:
        raise ValueError(f"no text has {length} tokens: ask for fewer, or give longer texts")
    return np.stack(long)


class Agreement(NamedTuple):
    """Measured effects against predicted ones over words, at each lag, with intervals over words.

    ``correlation`` and ``slope`` of measured on predicted; ``partial`` correlation with the lasting valence held fixed:
    whether the theory knows which words have a transient of their own.
    """

    lags: np.ndarray
    correlation: list[Estimate]
    slope: list[Estimate]
    partial: list[Estimate]


def agreement(
    measured: np.ndarray, predicted: np.ndarray, lasting: np.ndarray, lags: Any, n: int = 500, seed: int = 0
) -> Agreement:
    """Compare the network's mean response (K, L) with a prediction (K, L), lag by lag; ``lasting`` (K,) valence."""
    rng = np.random.default_rng([seed, 67])
    drawn = np.concatenate([np.arange(len(lasting))[None], rng.integers(len(lasting), size=(n, len(lasting)))])

    def centred(x: np.ndarray) -> np.ndarray:
        return x - x.mean(-1, keepdims=True)

    z = centred(lasting[drawn])
    rows: list[list[Estimate]] = [[], [], []]
    for x, y in zip(predicted.T, measured.T):
        x, y = centred(x[drawn]), centred(y[drawn])
        # what is left of both when a line in z is taken out
        x_, y_ = (a - z * ((a * z).sum(-1) / (z * z).sum(-1))[:, None] for a in (x, y))
        found = (_correlation(x, y), (x * y).sum(-1) / (x * x).sum(-1), _correlation(x_, y_))
        for row, values in zip(rows, found):
            row.append(_interval(values[0], values[1:]))
    return Agreement(np.asarray(lags), *rows)


def _correlation(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1))


class NowAndLater(NamedTuple):
    """Valence of words at the last token (n = 0) on what lasts (n → ∞), over words: slope and correlation."""

    slope: Estimate
    correlation: Estimate


def now_and_later(point: OperatingPoint, seed: int = 0, floor: float = FLOOR) -> NowAndLater:
    """How the linear theory's valence now, w·d, goes with the lasting one, (w·r)(ℓ·d), over all frequent words."""
    words = np.flatnonzero(point.model.frequencies >= floor)
    d = input_effect(point, words)
    now, later = d @ point.model.w, (point.model.w @ point.r) * (d @ point.l)

    def slope(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.polyfit(x, y, 1)[0])

    def correlation(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.corrcoef(x, y)[0, 1])

    return NowAndLater(*(bootstrap((later, now), f, n=300, seed=seed) for f in (slope, correlation)))


def read_modes(point: OperatingPoint, keep: Any) -> tuple[np.ndarray, float]:
    """A readout that sees only some modes: w', b' with w'·h + b' = w·[h* + R_keep L_keep (h − h*)] + b.

    Reading the last state this way is the same as removing the other modes from it just before it is read. ``keep`` is
    a mask or positions; keep both of a complex pair.
    """
    w = (point.model.w @ point.modes.R[:, keep] @ point.modes.L[keep]).real
    return w, float((point.model.w - w) @ point.h_star + point.model.b)


def readouts(point: OperatingPoint, fast: float = 10) -> dict[str, tuple[np.ndarray, float]]:
    """Ways to read the last state: name -> (w', b').

    ``intact``: w, b; ``slow mode alone``: h ← h* + r ℓ·(h − h*) before reading; ``fast modes removed``: those with τ <
    ``fast`` tokens.
    """
    slow = point.slow
    keep = (point.modes.tau >= fast) | (np.arange(len(point.modes.tau)) == slow)
    return {
        "intact": (point.model.w, float(point.model.b)),
        "slow mode alone": read_modes(point, [slow]),
        "fast modes removed": read_modes(point, keep),
    }


def random_readouts(point: OperatingPoint, states: np.ndarray, n: int = 20, seed: int = 0) -> np.ndarray:
    """The control of :func:`readouts`: w less a random direction each, (S, n).

    Each takes as much variance out of the logit as reading the slow mode alone does, over the last states (m, S) of
    texts, and reads the slow mode as w does.
    """
    off = np.asarray(states, float) - point.h_star
    lost = (off @ (point.model.w - read_modes(point, [point.slow])[0])).std()
    directions = np.random.default_rng([seed, 83]).standard_normal((n, off.shape[1]))
    directions -= np.outer(directions @ point.r, point.l)
    return (point.model.w - directions * (lost / (off @ directions.T).std(0))[:, None]).T


def of_readouts(effects: np.ndarray, lasting: np.ndarray, at: Any) -> Profile:
    """Emphasis (B, L, K, R) of several readouts as one profile: their mean, with the readouts themselves as draws."""
    value = np.array([profile(effects[..., j], lasting, at, n=1).value for j in range(effects.shape[-1])])
    return Profile(np.asarray(at), value.mean(0), value)


# --- both chapters' measures of one network ------------------------------------------------------

#: Tokens before the word, and after it, at which emphasis is measured; what counts as far from either edge.
PLACES = (0, 1, 2, 3, 5, 8, 12, 18, 26, 38, 55)
LAGS = (0, 1, 2, 3, 5, 8, 12, 18, 26, 38, 55)
LATE = (38, 55)
NEAR = (0, 1, 2, 3, 5, 8)
#: Tokens after the word at which the beginning's emphasis is read.
LAG = 40


def measure(
    model: SentimentRNN,
    reviews: Reviews,
    *,
    n_reviews: int = 100,
    n_scored: int = 5000,
    n_words: int = 10,
    dim: int = 5,
    seed: int = 0,
) -> dict[str, Any]:
    """Everything that chapters 4 and 5 say about one network, as numbers, lists and mappings.

    Parameters
    ----------
    n_reviews : int
        Reviews into which words are put (drawn by ``seed`` from those that are long enough).
    n_scored : int
        Reviews on which accuracies are measured.
    n_words : int
        Positive, and as many negative, probe words.

    Some four minutes on two cores for a GRU of 256 units.
    """
    point = operating_point(model, seed=seed)
    probes = probe_words(point, n_words)
    table = modifier_effects(point, probes=probes)
    subspace = modifier_subspace(point, list(table.word[:100]), dim)  # the ranking's top, however weak
    ids = model.vocabulary.encode_all(reviews.sample(n_scored, seed).texts)
    labels = reviews.sample(n_scored, seed).labels
    long = [i for i in ids if len(i) > max(PLACES) + LAG][:n_reviews]
    about = {
        "network": model.name, "cell": model.cell.kind, "data": f"{reviews.name}/{reviews.split}",
        "sha256": reviews.fingerprint, "reviews": len(long), "scored": len(ids), "words": list(probes.words),
        "seed": seed, "h_star": {"q": point.q, "logit": point.logit, "tau": point.modes.tau[:5]},
    }  # fmt: skip
    start = _measure_start(point, probes.numbers, table, subspace, long, ids, labels, seed)
    return about | {"beginning": start, "end": _measure_end(model, point, probes.numbers, long, ids, labels, seed)}


def _measure_start(
    point: OperatingPoint,
    words: np.ndarray,
    table: Any,
    subspace: Subspace,
    long: list[np.ndarray],
    ids: list[np.ndarray],
    labels: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    begin = starts(point, subspace, seed)
    texts = first_tokens(long, max(PLACES) + LAG + 1)
    found = {name: start_profile(point, texts, words, PLACES, LAG, h, seed) for name, h in begin.items()}
    more = {name: p.minus(found["on the attractor"]) for name, p in found.items() if name != "on the attractor"}
    neutral = neutral_texts(point, 24, texts.shape[1], seed=seed)
    in_neutral = {n: start_profile(point, neutral, words, PLACES, LAG, begin[n], seed) for n in _SHOWN}
    own = {n: in_context_profile(point, texts, PLACES, LAG, begin[n], seed=seed) for n in _SHOWN}
    scores = costs(point.model, ids, labels, {name: [start_from(h)] for name, h in begin.items()}, seed=seed)
    codes = compare_barcodes(point, words, table, seed=seed)
    shares = compare_shares(point, subspace, table, seed=seed)
    return {
        "dimensions": subspace.dim,
        "share": {name: np.percentile(v, [50, 2.5, 97.5]) if np.ndim(v) else v for name, v in shares.items()},
        "real": {name: _written(p) for name, p in found.items()},
        "neutral": {name: _written(p) for name, p in in_neutral.items()},
        "own words": {name: _written(p) for name, p in own.items()},
        "first word": {name: p.relative_to(LATE).estimate(0) for name, p in found.items()},
        "excess": {name: p.estimate(0) for name, p in more.items()},
        "length": {name: decay_length(p) for name, p in more.items() if name in _SHOWN},
        "barcodes": {name: np.percentile(v, [50, 2.5, 97.5]) for name, v in codes.correlation.items()},
        "gains": {name: np.percentile(v, [50, 2.5, 97.5]) for name, v in codes.gain.items()},
        "accuracy": dict(zip(scores.perturbation, scores.accuracy)),
        "cost": dict(zip(scores.perturbation, scores.cost)),
    }


def _measure_end(
    model: SentimentRNN,
    point: OperatingPoint,
    words: np.ndarray,
    long: list[np.ndarray],
    ids: list[np.ndarray],
    labels: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    lasting = valence(point, words)
    states = model.final_states_of(ids)
    ways = readouts(point)
    w = np.column_stack([*(w for w, _ in ways.values()), random_readouts(point, states, seed=seed)])
    tails, before = last_tokens(model, long, max(LAGS) + 1)
    neutral = neutral_texts(point, 24, 2 * max(LAGS), seed=seed)
    effects = {
        "real": end_effects(model, tails, words, LAGS, before, w),
        "neutral": end_effects(model, neutral, words, LAGS, w=w),
    }
    found = {
        where: {n: profile(e[..., j], lasting, LAGS, seed=seed) for j, n in enumerate(ways)}
        | {"random directions removed": of_readouts(e[..., len(ways) :], lasting, LAGS)}
        for where, e in effects.items()
    }
    real = found["real"]
    kernel = mode_kernel(point, words, LAGS)
    means = {where: e[..., 0].mean(0).T for where, e in effects.items()}
    agree = {where: agreement(m, kernel.total, lasting, LAGS, seed=seed) for where, m in means.items()}
    shuffled = np.random.default_rng([seed, 71]).permutation(len(words))
    agree["words shuffled"] = agreement(means["real"], kernel.total[shuffled], lasting, LAGS, seed=seed)
    predicted = {"all modes": kernel.total, **kernel.groups()}
    fresh = untrained(model.cell.kind, model.vocabulary, model.cell.n_units, model.cell.n_inputs, seed, model.counts)
    return {
        "real": {n: _written(p) for n, p in real.items()},
        "neutral": {n: _written(p) for n, p in found["neutral"].items()},
        "predicted": {n: _written(profile(parts.T[None], lasting, LAGS, seed=seed)) for n, parts in predicted.items()},
        "near": {n: real[n].relative_to(LATE).mean(NEAR) for n in ways},
        "last": {n: real[n].relative_to(LATE).estimate(0) for n in ways},
        "transient": real["intact"].minus(real["slow mode alone"]).estimate(0),
        "leak": {"theory": float(1 / point.modes.tau[kernel.slow]), "measured": leak_rate(real["slow mode alone"])},
        "agreement": {where: {"lags": LAGS, **a._asdict()} for where, a in agree.items()},
        "now and later": now_and_later(point, seed)._asdict(),
        "untrained": now_and_later(operating_point(fresh, seed=seed), seed)._asdict(),
        "accuracy": {n: accuracy(states @ w + b > 0, labels) for n, (w, b) in ways.items()},
        "cost": _costs({n: (states @ w + b > 0) == labels for n, (w, b) in ways.items()}, seed),
    }


def _costs(right: dict[str, np.ndarray], seed: int) -> dict[str, Estimate]:
    """Accuracy lost against the first way of reading, texts paired."""
    first = next(iter(right.values())).astype(float)
    lost = {name: first - r for name, r in right.items()}
    return {n: bootstrap(d, seed=seed) if d.any() else Estimate(0.0, 0.0, 0.0) for n, d in lost.items()}


_SHOWN = ("intact", "component removed", "on the attractor")


def _written(found: Profile) -> dict[str, Any]:
    low, high = found.band
    return {"at": found.at, "value": found.value, "low": low, "high": high}


# --- tables ------------------------------------------------------------------------------------


def agreement_table(found: Mapping[str, Agreement]) -> Any:
    """Correlations at each lag, with and without lasting valence held fixed: a pandas table, lags along the rows."""
    import pandas as pd

    columns = {}
    for where, a in found.items():
        columns[where, "correlation"] = [e.format(".2f") for e in a.correlation]
        columns[where, "partial"] = [e.format(".2f") for e in a.partial]
    lags = next(iter(found.values())).lags
    return pd.DataFrame(columns, index=pd.Index(lags, name="tokens after the word, n"))


def start_table(record: Mapping[str, Any]) -> Any:
    """What :func:`measure` says of the beginning, one row a network: ``record`` is name -> measures."""
    import pandas as pd

    def row(found: Mapping[str, Any]) -> dict[str, str]:
        begin = found["beginning"]
        excess, cost = begin["excess"], begin["cost"]
        length = begin["length"]["intact"][0]
        share, words = begin["share"]["h₀"], begin["share"]["h₀ in a subspace of random words"]
        return {
            "first token / late": _text(begin["first word"]["intact"]),
            "begun at h*": _text(begin["first word"]["on the attractor"]),
            "length (tokens)": _text(length, ".1f"),
            "h₀'s share": f"{share:.0%}",
            "random words, 97.5 %": f"{words[2]:.0%}",
            "gain of h₀": f"{begin['gains']['h₀'][0]:+.2f}",
            "of “extremely”": f"{begin['gains']['extremely'][0]:+.2f}",
            "extra emphasis": _text(excess["intact"]),
            "component removed": _text(excess["component removed"]),
            "random removed": _text(excess["random subspace removed"]),
            "cost (points)": _text([100 * v for v in cost["component removed"]], ".1f"),
        }

    return pd.DataFrame({name: row(found) for name, found in record.items()}).T


def end_table(record: Mapping[str, Any]) -> Any:
    """What :func:`measure` says of the end, one row a network: ``record`` is name -> measures."""
    import pandas as pd

    def row(found: Mapping[str, Any]) -> dict[str, str]:
        end = found["end"]
        agree = end["agreement"]["real"]
        return {
            "last words / late": _text(end["near"]["intact"]),
            "slow mode alone": _text(end["near"]["slow mode alone"]),
            "last token / late": _text(end["last"]["intact"]),
            "transient, n = 0": _text(end["transient"], "+.2f"),
            "1/τ₁ at h* (% a token)": f"{100 * end['leak']['theory']:.2f}",
            "leak in text": _text([100 * v for v in end["leak"]["measured"]]),
            "agreement": _text(agree["correlation"][0]),
            "partial": _text(agree["partial"][0]),
            "now with lasting": _text(end["now and later"]["correlation"]),
            "cost (points)": _text([100 * v for v in end["cost"]["slow mode alone"]], ".1f"),
        }

    return pd.DataFrame({name: row(found) for name, found in record.items()}).T


def _text(values: Sequence[float], spec: str = ".2f") -> str:
    return Estimate(*values).format(spec)
