"""Beginning and end of a review: where a word stands decides how much it counts.

A word's *lasting valence* is what it adds to the logit for good once the network stands on its line attractor,
v = (w·r)(ℓ·[F(h*, x) − F̄(h*)]) in nats. Everything here is measured in multiples of it: the *emphasis* of a place is
the slope, over words, of what they do at that place on their lasting valence. It is 1 where the network only adds up.

* Beginning (CP20, section on the initial state): the trained h₀ stands off the attractor, in the modifier subspace, so
  the first words count more. :func:`start_profile`, :func:`in_context_profile`, :func:`subspace_share`, :func:`starts`.
* End (CP20, section on transients): the response of the logit n tokens after a word is
  wᵀ J_recⁿ d = Σ_a (wᵀr_a) λ_aⁿ (ℓ_aᵀ d). The slow mode is the lasting valence; fast modes that project onto w add a
  transient that counts only if the review ends soon. :func:`mode_kernel`, :func:`end_profile`, :func:`read_modes`.

Both rest on one experiment, :func:`respond`: put a word into a text in place of a token, run on, compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

from .linear import OperatingPoint
from .model import SentimentRNN, unroll
from .modifiers import Subspace, random_subspace, valence
from .stats import Estimate

__all__ = [
    "ModeKernel",
    "Profile",
    "agreement",
    "decay_length",
    "deposits",
    "end_profile",
    "in_context_profile",
    "mode_kernel",
    "neutral_texts",
    "profile",
    "read_modes",
    "respond",
    "start_profile",
    "starts",
    "subspace_share",
]

#: Rows that :func:`respond` steps at once: enough for full speed, few enough for the cache.
ROWS = 4096


# --- words -------------------------------------------------------------------------------------


def deposits(point: OperatingPoint, ids: Any, h: np.ndarray | None = None) -> np.ndarray:
    """What single words do to the state beyond the average token, d = F(h, x) − F̄(h): (n, S) for n token numbers.

    ``h`` (S,) is h* unless given. The finite counterpart of J_inp (x − x*).
    """
    h = point.h_star if h is None else np.asarray(h)
    after = point.model.cell.step_projected(h, point.model.projected[np.asarray(ids)])
    return after.astype(float) - point.mean_map(h)


def neutral_texts(
    point: OperatingPoint, n: int = 16, length: int = 200, quantile: float = 0.5, seed: int = 0
) -> np.ndarray:
    """Texts that say nothing: token numbers (n, length), drawn from running text's least valent words.

    Words are sorted by |lasting valence|; those that make up the first ``quantile`` of running text are drawn, each
    with its frequency p(v).
    """
    if not 0 < quantile <= 1:
        raise ValueError(f"quantile must lie in (0, 1], not {quantile}")
    frequencies = point.model.frequencies
    order = np.argsort(np.abs(valence(point, np.arange(len(point.model.vocabulary)))), kind="stable")
    below = np.cumsum(frequencies[order])
    kept = order[below <= max(quantile, below[np.argmax(below > 0)])]
    p = frequencies[kept] / frequencies[kept].sum()
    return np.random.default_rng([seed, 53]).choice(kept, (n, length), p=p).astype(np.int32)


# --- the one experiment ------------------------------------------------------------------------


def respond(
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
    w : array, (S,), optional
        Readout; the network's own unless given.

    Returns
    -------
    array, (B, P, K, L)
        logit with the word less logit without it, in nats.  Run in float32.

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
    out = np.empty((len(texts), len(places), len(words), len(lags)))
    u_words = u_known[words]
    block = max(1, ROWS // len(words))
    for start in range(0, len(texts), block):
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
        low, high = np.percentile(self.draws, [2.5, 97.5], axis=0)
        return low, high

    def relative_to(self, at: Sequence[int]) -> Profile:
        """The same as multiples of the mean emphasis at these places: 1 where a word counts what it does there."""
        where = np.isin(self.at, at)
        value = self.value / self.value[where].mean()
        return Profile(self.at, value, self.draws / self.draws[:, where].mean(1, keepdims=True))


def _interval(value: float, draws: np.ndarray) -> Estimate:
    low, high = np.percentile(draws, [2.5, 97.5])
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
        return ((ve - v * e) / (vv - v * v)).T  # (draws, P)

    value = slopes(np.full((1, B), 1 / B), np.full((1, K), 1 / K))[0]
    texts = rng.multinomial(B, np.full(B, 1 / B), n) / B
    words = rng.multinomial(K, np.full(K, 1 / K), n) / K
    return Profile(np.asarray(at), value, slopes(texts, words))


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
    draws = np.array([fit(d) for d in found.draws[:n]])
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
    effects = respond(point.model, texts, words, places, (lag,), h0=h0)[..., 0]
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
    effects = -respond(point.model, texts, fillers, places, (lag,), h0=h0)[..., 0].mean(-1)
    own_tokens = np.asarray(texts)[:, list(places)]
    lasting = valence(point, np.r_[own_tokens.ravel(), fillers])
    own = lasting[: own_tokens.size].reshape(own_tokens.shape) - lasting[own_tokens.size :].mean()
    # one word a text: the words' axis has length one, and the slope is over texts
    return _over_texts(effects, own, places, seed)


def _over_texts(effects: np.ndarray, lasting: np.ndarray, at: Any, seed: int, n: int = 500) -> Profile:
    swapped = np.swapaxes(effects, 0, 1)[None], np.swapaxes(lasting, 0, 1)[None]
    return profile(*swapped, at, n=n, seed=seed)


def subspace_share(point: OperatingPoint, h: np.ndarray, subspace: Subspace) -> np.ndarray:
    """Share of the squared deflection h − h* in a subspace, the slow mode left out of both: (…, S) -> (…,)."""
    deflection = np.asarray(h, float) - point.h_star
    off = deflection - (deflection @ point.l)[..., None] * point.r
    return np.square(subspace.coordinates(h)).sum(-1) / np.square(off).sum(-1)


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

    A pair of complex modes shares its part equally. ``tau`` (A,) in tokens, ``lags`` (L,) tokens after the word.
    """

    words: np.ndarray
    lags: np.ndarray
    tau: np.ndarray
    parts: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """The whole linear response, (K, L)."""
        return self.parts.sum(1)

    def groups(self, edges: Sequence[float] = (3, 10, 100)) -> dict[str, np.ndarray]:
        """Sums (K, L) over modes of like τ: the slow mode by itself, and the rest parted at ``edges`` (tokens)."""
        limits = [0, *edges, np.inf]
        out = {"slow mode": self.parts[:, 0]}
        for low, high in zip(limits[-2::-1], limits[:0:-1]):
            inside = (self.tau >= low) & (self.tau < high)
            inside[0] = False
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
        What each word does to the state: :func:`deposits` unless given; J_inp (x − x*) for the theory's letter.
    """
    at = np.asarray(lags)
    d = deposits(point, words) if d is None else np.asarray(d)
    modes = point.modes
    loading = (point.model.w @ modes.R) * (d @ modes.L.T)  # (K, A)
    powers = modes.eigvals[:, None] ** at
    return ModeKernel(np.asarray(words), at, modes.tau, (loading[:, :, None] * powers).real)


def end_profile(
    point: OperatingPoint,
    texts: np.ndarray,
    words: Any,
    lags: Sequence[int],
    h0: np.ndarray | None = None,
    w: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[Profile, np.ndarray]:
    """Emphasis by distance from the end: words put n tokens before the last token, the logit read at the end.

    ``texts`` (B, M) hold the last M tokens of B texts and ``h0`` (B, S) the states before them (see
    :func:`last_tokens`). Returns the profile and the effects (B, L, K) in nats.
    """
    last = np.asarray(texts).shape[1] - 1
    parts = [respond(point.model, texts, words, (last - n,), (n,), h0=h0, w=w)[:, 0, :, 0] for n in lags]
    effects = np.stack(parts, 1)
    return profile(effects, valence(point, words), lags, seed=seed), effects


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
    """Measured effects against predicted ones over words, at each lag: correlation and slope, with draws over words."""

    lags: np.ndarray
    correlation: list[Estimate]
    slope: list[Estimate]


def agreement(measured: np.ndarray, predicted: np.ndarray, lags: Any, n: int = 500, seed: int = 0) -> Agreement:
    """Compare the network's mean response (K, L) with a prediction (K, L), lag by lag; intervals over words."""
    rng = np.random.default_rng([seed, 67])
    drawn = rng.integers(len(measured), size=(n, len(measured)))

    def both(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x, y = x - x.mean(-1, keepdims=True), y - y.mean(-1, keepdims=True)
        xx, yy, xy = (x * x).sum(-1), (y * y).sum(-1), (x * y).sum(-1)
        return xy / np.sqrt(xx * yy), xy / xx

    correlation, slope = [], []
    for x, y in zip(predicted.T, measured.T):
        value, draws = both(x, y), both(x[drawn], y[drawn])
        correlation.append(_interval(float(value[0]), draws[0]))
        slope.append(_interval(float(value[1]), draws[1]))
    return Agreement(np.asarray(lags), correlation, slope)


def read_modes(point: OperatingPoint, keep: Any) -> tuple[np.ndarray, float]:
    """A readout that sees only some modes: w', b' with w'·h + b' = w·[h* + R_keep L_keep (h − h*)] + b.

    Reading the last state this way is the same as removing the other modes from it just before it is read.
    """
    modes = point.modes
    w = (point.model.w @ modes.R[:, keep] @ modes.L[keep]).real
    return w, float((point.model.w - w) @ point.h_star + point.model.b)
