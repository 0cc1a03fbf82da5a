"""Beginning and end of a review: where a word stands decides how much it counts.

A word's *lasting valence* is what it adds to the logit for good once the network stands on its line attractor
(:func:`rnnrev.linear.valence`, nats). Everything here is measured in multiples of it: the *emphasis* of a place is the
slope, over words, of what they do at that place on their lasting valence. It is 1 where the network only adds up.

* Beginning: the trained h₀ stands off the attractor, so the first words count more (:func:`start_profile`,
  :func:`starts`).
* End: the logit n tokens after a word is wᵀ J_recⁿ d (:func:`rnnrev.linear.mode_kernel`). The slow mode is the lasting
  valence; modes that fade and project onto w add a transient that counts only if the review ends soon
  (:func:`end_effects`, :func:`end_profiles`, :func:`read_modes`).

Both rest on one experiment, :func:`insertion_response`: put a word into a text in place of a token, run on, compare.
Source: CP20, whose accounts of the initial state and of transients these are; measures and controls are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import optimize

from .driven import impulse_responses
from .linear import OperatingPoint, Unmeasured, frequent_words, input_effect, valence
from .model import SentimentRNN
from .modifiers import modifier_effects, probe_words, states_after
from .perturb import typical_states
from .stats import Estimate, estimate, interval, resample, shown
from .subspace import Subspace, control_subspaces, off_attractor, random_subspace

__all__ = [
    "LAG", "LAGS", "LATE", "NEAR", "PLACES", "agreement", "by_axes", "compare_barcodes", "compare_shares",
    "decay_length", "end_effects", "end_profiles", "end_readouts", "first_tokens", "last_tokens",
    "leak_rate", "neutral_texts", "now_and_later", "profile", "read_modes", "readouts", "start_profile",
    "starts",
]  # fmt: skip

#: Tokens before the word, and after it, at which emphasis is measured; what counts as near an edge and far from it.
PLACES = LAGS = (0, 1, 2, 3, 5, 8, 12, 18, 26, 38, 55)
NEAR, LATE = (0, 1, 2, 3, 5, 8), (38, 55)
LAG = 40  #: tokens after the word at which the beginning's emphasis is read


# --- the one experiment ------------------------------------------------------------------------


def insertion_response(
    model: SentimentRNN, texts: np.ndarray, words: np.ndarray, places: Sequence[int], lags: Sequence[int] = (0,),
    *, h0: np.ndarray | None = None, w: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Logit with each word at each place of each text, in place of the token there, less logit without it, in nats.

    :func:`rnnrev.driven.impulse_responses` in float32 and read by ``w``, (S,) or (S, R): texts (B, T), words (K,),
    places (P,) and lags (L,) in tokens read before the word and after it, to (B, P, K, L) or (B, P, K, L, R). Of n
    states ``h0``, (S,) or (n, S), text i begins with i modulo n. ``Unmeasured`` where texts are too short.
    """
    if model.embedding.dtype != np.float32:
        model = model.astype(np.float32)
    if h0 is not None:
        h0 = np.atleast_2d(h0)[np.arange(len(texts)) % len(np.atleast_2d(h0))]
    read = np.asarray(texts)[:, : max(places) + max(lags) + 1]
    return impulse_responses(model, list(read), words, lags, places, h0=h0, w=model.w if w is None else w)


def first_tokens(ids: Sequence[np.ndarray], length: int) -> np.ndarray:
    """The first ``length`` tokens of the texts that have as many, (B, length)."""
    long = [i[:length] for i in ids if len(i) >= length]
    if not long:
        raise Unmeasured(f"no text has {length} tokens: ask for fewer, or give longer texts")
    return np.stack(long)


def last_tokens(model: SentimentRNN, ids: Sequence[np.ndarray], length: int) -> tuple[np.ndarray, np.ndarray]:
    """The last ``length`` tokens of the texts that have more, (B, length), and the states before them, (B, S)."""
    long = [i for i in ids if len(i) > length]
    if not long:
        raise Unmeasured(f"no text has more than {length} tokens: ask for fewer, or give longer texts")
    return np.stack([i[-length:] for i in long]), model.final_states_of([i[:-length] for i in long])


def neutral_texts(
    point: OperatingPoint, n: int = 16, length: int = 200, *, seed: int = 0, table: pd.DataFrame | None = None
) -> np.ndarray:
    """Texts that say nothing and change nothing: token numbers (n, length), drawn from running text's neutral words.

    Of the first words that make up half of running text, by the worse of their ranks in |lasting valence| and in
    strength as a modifier (amplifiers would make every word count for more), each is drawn with its frequency p(v).
    ``table`` is :func:`rnnrev.modifiers.modifier_effects`, if at hand.
    """
    ranked = frequent_words(point.model)
    p = point.model.frequencies[ranked]
    if table is None:
        table = modifier_effects(point, ranked, probe_words(point, max(1, min(20, len(ranked) // 4))))
    # a strength under a hundredth is rounding
    strength = table.set_index("number").strength.loc[ranked].to_numpy().round(2)
    worse = np.maximum(_below(np.abs(valence(point, ranked)), p), _below(strength, p))
    order = np.argsort(worse, kind="stable")
    below = np.cumsum(p[order])
    kept = order[below <= max(0.5, below[0])]
    chosen = np.random.default_rng([seed, 53]).choice(kept, (n, length), p=p[kept] / p[kept].sum())
    return ranked[chosen].astype(np.int32)


def _below(size: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Share of running text, with frequencies p (K,), whose words have a smaller ``size`` (K,)."""
    each = pd.Series(p).groupby(size).sum()
    return (each.cumsum() - each).loc[size].to_numpy()


# --- emphasis: a slope for each place, with its interval -----------------------------------------


@dataclass(frozen=True, eq=False)
class Profile:
    """Emphasis by place (or lag) ``at`` (P,), in tokens: 1 where a word counts its lasting valence.

    ``curves`` (draws + 1, P): the emphasis, then its bootstrap draws over texts and words.
    """

    at: np.ndarray
    curves: np.ndarray = field(repr=False)

    @property
    def value(self) -> np.ndarray:
        """Emphasis at every place, (P,)."""
        return self.curves[0]

    @property
    def band(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the 95 % interval at every place."""
        return interval(self.curves[1:])

    def estimate(self, at: int) -> Estimate:
        """Emphasis at one place with its interval; ``KeyError`` if it was not measured."""
        return self.mean([at])

    def mean(self, at: Sequence[int]) -> Estimate:
        """Mean emphasis over some places with its interval; ``KeyError`` if one was not measured."""
        return estimate(self._mean(at))

    def _mean(self, at: Sequence[int]) -> np.ndarray:
        if missing := set(at) - set(self.at.tolist()):
            raise KeyError(f"not measured at {min(missing)}: there are {', '.join(map(str, self.at))}")
        return self.curves[:, np.isin(self.at, at)].mean(1)

    def relative_to(self, at: Sequence[int]) -> Profile:
        """As multiples of the mean emphasis at these places; ``Unmeasured`` if that is not clearly above 0."""
        if not self.mean(at).low > 0:
            raise Unmeasured(
                f"emphasis at {at} is {self.mean(at).format('.2f')}: it must be above 0 for others to be multiples"
            )
        return Profile(self.at, self.curves / self._mean(at)[:, None])

    def minus(self, other: Profile) -> Profile:
        """What this has more than another of the same texts, words and places: draws are paired."""
        if self.curves.shape != other.curves.shape or not np.array_equal(self.at, other.at):
            raise ValueError("both profiles must have the same places and as many draws: make them from the same texts")
        return Profile(self.at, self.curves - other.curves)


def profile(effects: np.ndarray, lasting: np.ndarray, at: Sequence[int], n: int = 500, seed: int = 0) -> Profile:
    """Emphasis from effects (B, P, K) of K words at P places in B texts: their slope on the words' lasting valence.

    ``lasting`` (K,) or (B, P, K), in nats as the effects; ``at`` (P,) names the places. The slope has an intercept for
    each place, so that what the replaced token did drops out. Texts and words are resampled n times, each by themselves
    (Owen 2007, the pigeonhole bootstrap). ``Unmeasured`` where all lasting valences are alike.
    """
    lasting = np.broadcast_to(lasting, effects.shape)
    if np.any(np.ptp(lasting, axis=(0, 2)) == 0):
        raise Unmeasured("all words have the same lasting valence: a slope needs words that differ")
    texts, words = resample(len(effects), n, [seed, 59]), resample(effects.shape[-1], n, [seed, 60])

    def mean(x: np.ndarray) -> np.ndarray:
        return ((texts @ x) * words).sum(1)

    slopes = []
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw of one text again and again has no slope
        for v, e in zip(np.swapaxes(lasting, 0, 1), np.swapaxes(effects, 0, 1)):
            slopes.append((mean(v * e) - mean(v) * mean(e)) / (mean(v * v) - mean(v) ** 2))
    return Profile(np.asarray(at), np.stack(slopes, 1))


def leak_rate(memory: Profile) -> Estimate:
    """1/τ per token of emphasis ∝ exp(−at/τ), by least squares on its logarithm: how fast a memory is lost.

    A rate, not τ, since a memory that keeps all, or gains, has no finite τ; NaN where emphasis is not above 0.
    """
    at = memory.at - memory.at.mean()
    with np.errstate(invalid="ignore", divide="ignore"):
        return _estimate(-(np.log(memory.curves) @ at) / (at @ at))


def _estimate(values: np.ndarray) -> Estimate:
    """:func:`rnnrev.stats.estimate`, or NaN where the value itself is NaN."""
    return estimate(values) if np.isfinite(values[0]) else Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True)
class Decay:
    """Emphasis = plateau + excess · exp(−at / length), fitted; NaN where no such curve is found."""

    length: Estimate = shown(".1f")  #: tokens
    excess: Estimate = shown(".2f")  #: × lasting valence
    plateau: Estimate = shown(".2f")  #: × lasting valence
    r_squared: float = shown(".2f")


def decay_length(emphasis: Profile) -> Decay:
    """How far the extra emphasis reaches: an exponential with a plateau fitted to a profile, and to 200 of its draws.

    Lengths, in tokens, are kept between half a token and three times the span of places.
    """
    at = emphasis.at.astype(float)
    bounds = ([-np.inf, -np.inf, 0.5], [np.inf, np.inf, 3 * np.ptp(at)])

    def curve(x: np.ndarray, plateau: float, excess: float, length: float) -> np.ndarray:
        return plateau + excess * np.exp(-x / length)

    def fit(values: np.ndarray) -> np.ndarray:
        last, first = values[np.argmax(at)], values[np.argmin(at)]
        start = [last, first - last, max(np.ptp(at) / 6, 1)]
        try:
            return optimize.curve_fit(curve, at, values, start, bounds=bounds, max_nfev=2000)[0]
        except (RuntimeError, ValueError):  # not converged; a draw without a slope
            return np.full(3, np.nan)

    fits = np.array([fit(values) for values in emphasis.curves[:201]])
    rest = emphasis.value - curve(at, *fits[0])
    r_squared = 1 - rest @ rest / np.sum((emphasis.value - emphasis.value.mean()) ** 2)
    plateau, excess, length = (_estimate(column) for column in fits.T)
    return Decay(length, excess, plateau, float(r_squared))


# --- the beginning -----------------------------------------------------------------------------


def start_profile(
    point: OperatingPoint, texts: np.ndarray, words: np.ndarray, places: Sequence[int] = PLACES, lag: int = LAG,
    h0: np.ndarray | None = None, seed: int = 0,
) -> Profile:  # fmt: skip
    """Emphasis by place from the beginning: the same words slid through the same texts.

    The logit is read ``lag`` tokens after the word wherever it stands, so that the end acts alike on all places.
    """
    effects = insertion_response(point.model, texts, words, places, (lag,), h0=h0)[..., 0]
    return profile(effects, valence(point, words), places, seed=seed)


def _subspace_share(point: OperatingPoint, h: np.ndarray, subspace: Subspace) -> np.ndarray:
    """Share of the squared deflection h − h* in a subspace, the slow mode left out of both: (…, S) -> (…,)."""
    off = off_attractor(point, np.asarray(h, float) - point.h_star)
    return np.square(subspace.coordinates(h)).sum(-1) / np.square(off).sum(-1)


def compare_shares(
    point: OperatingPoint, subspace: Subspace, table: pd.DataFrame, n: int = 50, seed: int = 0
) -> dict[str, Estimate]:
    """h₀'s share in the modifier subspace, and controls: the median and the middle 95 % of n draws each.

    ``visited states`` are those of running text in the same subspace; the others are h₀'s share in subspaces of as many
    non-modifiers of ``table``, as frequent as the modifiers, and in subspaces of random directions.
    """
    h0, states = point.model.cell.h0[None], typical_states(point, seed=seed)
    drawn = states[np.random.default_rng([seed, 73]).integers(len(states), size=5 * n)]
    cases = {
        "h₀": (h0, [subspace]),
        "visited states": (drawn, [subspace]),
        "h₀ in a subspace of other words": (h0, control_subspaces(point, subspace, table, n, seed)),
        "h₀ in a random subspace": (h0, [random_subspace(point, subspace.dim, i) for i in range(n)]),
    }
    return {
        name: _spread(np.concatenate([_subspace_share(point, h, s) for s in spaces]))
        for name, (h, spaces) in cases.items()
    }


def _spread(values: np.ndarray) -> Estimate:
    """Median and middle 95 % of values (n,); a value alone has no spread."""
    low, high = interval(values) if len(values) > 1 else (np.nan, np.nan)
    return Estimate(float(np.median(values)), float(low), float(high))


def compare_barcodes(
    point: OperatingPoint, words: np.ndarray, table: pd.DataFrame, n: int = 100, seed: int = 0
) -> pd.DataFrame:
    """How groups of states (the index) change what probe words count: median and middle 95 % of two columns.

    ``gain`` is the slope of a state's barcode on valence: 1 where words count twice, −1 where they count nothing;
    ``correlation`` that with h₀'s barcode. States are h₀; those after "extremely", after the n strongest intensifiers
    and negators of ``table`` and after n random words that are no modifiers; n as far from h* as h₀, at random.
    """
    model, h0 = point.model, np.asarray(point.model.cell.h0, float)
    of_kind = {k: table.number[table.kind == k].to_numpy() for k in ("intensifier", "negator", "other")}
    rng = np.random.default_rng([seed, 79])
    groups = {
        "extremely": model.vocabulary.numbers([w for w in ["extremely"] if w in model.vocabulary.index]),
        "intensifiers": of_kind["intensifier"][:n],
        "negators": of_kind["negator"][:n],
        "random words": rng.choice(of_kind["other"], min(n, len(of_kind["other"])), replace=False),
    }
    distance = np.linalg.norm(off_attractor(point, h0 - point.h_star))
    states = {"h₀": h0[None]} | {k: states_after(point, numbers) for k, numbers in groups.items() if len(numbers)}
    states["random states"] = point.h_star + distance * random_subspace(point, min(n, len(h0) - 1), seed).basis.T
    plain = valence(point, words)
    v = plain - plain.mean()
    codes = {k: valence(point, words, h) - plain for k, h in states.items()}
    rows = {
        k: {"gain": _spread(c @ v / (v @ v)), "correlation": _spread(np.corrcoef(codes["h₀"], c)[0, 1:])}
        for k, c in codes.items()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("state")


def starts(point: OperatingPoint, subspace: Subspace, table: pd.DataFrame, seed: int = 0) -> dict[str, np.ndarray]:
    """Initial states to compare: ``intact`` h₀, without what makes it special, and controls.

    ``component removed`` is h₀ without its component in the modifier subspace, ℓ·h kept; ``only the component`` h* and
    nothing but that; ``on the attractor`` h*. Controls, 20 draws (20, S) that texts take in turn: without its component
    in other words' subspaces (``table``) or random ones; moved as far in a random direction, ℓ·h kept.
    """
    h0, spaces = np.asarray(point.model.cell.h0, float), _subspaces(point, subspace, table, seed)
    component = h0 - _without(h0, [subspace])[0]
    directions = np.array([random_subspace(point, 1, 20 * seed + i).basis[:, 0] for i in range(20)])
    return {
        "intact": h0,
        "component removed": h0 - component,
        "only the component": point.h_star + component,
        "on the attractor": point.h_star,
        "other words' subspace removed": _without(h0, spaces["other words"]),
        "random subspace removed": _without(h0, spaces["random directions"]),
        "random change": h0 + np.linalg.norm(component) * directions,
    }


def _subspaces(point: OperatingPoint, subspace: Subspace, table: pd.DataFrame, seed: int) -> dict[str, list[Subspace]]:
    return {
        "modifiers": [subspace],
        "other words": control_subspaces(point, subspace, table, 20, seed),
        "random directions": [random_subspace(point, subspace.dim, 20 * seed + i) for i in range(20)],
    }


def _without(h: np.ndarray, spaces: Sequence[Subspace]) -> np.ndarray:
    """A state (S,) without its component in each of the subspaces, (n, S)."""
    return np.array([h - s.coordinates(h) @ s.basis.T for s in spaces])


def by_axes(
    point: OperatingPoint, texts: np.ndarray, words: np.ndarray, subspace: Subspace, table: pd.DataFrame,
    dims: Sequence[int] = (1, 2, 3, 5),
) -> pd.DataFrame:  # fmt: skip
    """What is left of the first token's extra emphasis when the first k axes of a subspace are removed from h₀.

    Columns ``axes`` k, ``removed`` (the modifiers' subspace, other words' or random directions, 20 draws each),
    ``left`` over the emphasis of a text begun at h*, and ``share`` of h₀ in the axes, with the middle 95 % of draws.
    """
    h0 = np.asarray(point.model.cell.h0, float)
    level = start_profile(point, texts, words, (0,), h0=point.h_star)
    rows = []
    for name, spaces in _subspaces(point, subspace, table, 0).items():
        for k in dims:
            few = [s.take(k) for s in spaces]
            begun = start_profile(point, texts, words, (0,), h0=_without(h0, few))
            share = _spread(np.array([_subspace_share(point, h0, s) for s in few]))
            rows.append({"axes": k, "removed": name, "left": begun.minus(level).estimate(0), "share": share})
    return pd.DataFrame(rows)


# --- the end -----------------------------------------------------------------------------------


def end_effects(
    model: SentimentRNN, texts: np.ndarray, words: np.ndarray, lags: Sequence[int] = LAGS,
    h0: np.ndarray | None = None, w: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """Words put n tokens before the last token, the logit read at the end: (B, L, K) in nats, or (B, L, K, R).

    ``texts`` (B, M) and the states ``h0`` (B, S) before them are of :func:`last_tokens`; ``w`` is (S,) or (S, R).
    """
    model, last = model.astype(np.float32), texts.shape[1] - 1
    if max(lags) > last:
        raise Unmeasured(f"a word {max(lags)} tokens before the last is in no text of {last + 1}: give longer texts")
    effects = [insertion_response(model, texts, words, (last - n,), (n,), h0=h0, w=w)[:, 0, :, 0] for n in lags]
    return np.stack(effects, 1)


def agreement(
    measured: np.ndarray, predicted: np.ndarray, lasting: np.ndarray, lags: Sequence[int] = LAGS, seed: int = 0
) -> pd.DataFrame:
    """``correlation`` over words of the network's mean response (K, L) and a prediction (K, L), by lag (the index).

    ``partial`` is that with the lasting valence (K,) held fixed; NaN where nothing is left to correlate. Intervals are
    over words.
    """
    weights = resample(len(lasting), seed=[seed, 67])
    rows = {}
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw of one word again and again
        for n, x, y in zip(lags, predicted.T, measured.T):
            xy, xz, yz = (_correlation(weights, *pair) for pair in ((x, y), (x, lasting), (y, lasting)))
            left = (1 - xz**2) * (1 - yz**2)  # nothing, where an effect is but a multiple of lasting valence
            partial = (xy - xz * yz) / np.sqrt(np.where(left > 1e-12, left, np.nan))
            rows[n] = {"correlation": _estimate(xy), "partial": _estimate(partial)}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("tokens after the word")


def _covariance(weights: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return weights @ (a * b) - (weights @ a) * (weights @ b)


def _correlation(weights: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _covariance(weights, a, b) / np.sqrt(_covariance(weights, a, a) * _covariance(weights, b, b))


@dataclass(frozen=True)
class NowAndLater:
    """Valence of words at the last token (n = 0) on what lasts (n → ∞), over frequent words."""

    slope: Estimate = shown(".2f")
    correlation: Estimate = shown(".2f")


def now_and_later(point: OperatingPoint, seed: int = 0) -> NowAndLater:
    """How the linear theory's valence now, w·d, goes with the lasting one, (w·r)(ℓ·d), over all frequent words."""
    words = frequent_words(point.model)
    now, later = input_effect(point, words) @ point.model.w, valence(point, words)
    weights = resample(len(words), 300, [seed, 89])
    slope = _covariance(weights, now, later) / _covariance(weights, later, later)
    return NowAndLater(estimate(slope), estimate(_correlation(weights, now, later)))


def read_modes(point: OperatingPoint, keep: np.ndarray | Sequence[int]) -> tuple[np.ndarray, float]:
    """A readout that sees only some modes: w', b' with w'·h + b' = w·[h* + R_keep L_keep (h − h*)] + b.

    So the other modes are removed just before reading. ``keep`` is a mask or positions; keep both of a complex pair.
    """
    w = (point.model.w @ point.modes.R[:, keep] @ point.modes.L[keep]).real
    return w, float((point.model.w - w) @ point.h_star + point.model.b)


def readouts(point: OperatingPoint) -> dict[str, tuple[np.ndarray, float]]:
    """Ways to read the last state: name -> (w', b').

    ``intact``: w, b; ``slow mode alone``: h ← h* + r ℓ·(h − h*) before reading; ``fast modes removed``: those that fade
    with τ < 10 tokens. A mode that grows is not fast.
    """
    fast = (np.abs(point.modes.tau) < 10) & ~point.modes.growing
    fast[point.slow] = False
    return {
        "intact": (point.model.w, float(point.model.b)),
        "slow mode alone": read_modes(point, [point.slow]),
        "fast modes removed": read_modes(point, ~fast),
    }


def end_readouts(point: OperatingPoint, states: np.ndarray, seed: int = 0, *, n: int = 20) -> np.ndarray:
    """The readouts of :func:`readouts` and n controls of the second, (S, 3 + n), for :func:`end_effects`.

    A control is w less a random direction that the slow mode is not in: it takes as much variance out of the logit of
    last states (m, S) as reading the slow mode alone does.
    """
    ways = np.column_stack([w for w, _ in readouts(point).values()])
    off = np.asarray(states, float) - point.h_star
    lost = (off @ (ways[:, 0] - ways[:, 1])).std()
    directions = np.random.default_rng([seed, 83]).standard_normal((n, off.shape[1]))
    directions -= np.outer(directions @ point.r, point.l)
    random = point.model.w - directions * (lost / (off @ directions.T).std(0))[:, None]
    return np.column_stack([ways, random.T])


def end_profiles(
    effects: np.ndarray, lasting: np.ndarray, at: Sequence[int] = LAGS, seed: int = 0
) -> dict[str, Profile]:
    """Emphasis by distance from the end and readout, from effects (B, L, K, 3 + n) read by :func:`end_readouts`.

    ``random directions removed`` is the mean over the n controls, with these as its draws.
    """
    ways = ("intact", "slow mode alone", "fast modes removed")
    found = {name: profile(effects[..., j], lasting, at, seed=seed) for j, name in enumerate(ways)}
    random = [profile(effects[..., j], lasting, at, n=1).value for j in range(len(ways), effects.shape[-1])]
    return found | {"random directions removed": Profile(np.asarray(at), np.stack([np.mean(random, 0), *random]))}
