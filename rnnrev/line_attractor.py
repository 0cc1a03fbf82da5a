"""The line attractor: the claims of chapter 2, each measured with its control and an interval.

(a) states are low-dimensional (:func:`dimensionality`); (b) fixed points lie on a curve along the readout
(:func:`find_attractor`, :func:`curve_shape`); (c) each has one slow mode (:func:`mode_spectra`); (d) its right vector
is tangent to the curve, its left vector sorts words by valence (:func:`alignment`, :func:`valence_sorting`); (e) the
linear model predicts the network (:func:`linear_predictions`), token by token (:func:`step_error`).
Source: LA19 figures 2 to 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree
from scipy.stats import beta, rankdata

from .data import Reviews
from .fixed_points import FixedPoints, MeanMap, find_fixed_points, mean_map
from .linear import (
    Eigenmodes,
    LinearModel,
    OperatingPoint,
    Unmeasured,
    eigenmodes,
    fitted_recurrence,
    linear_model,
    slowest_first,
)
from .model import BagOfWords, SentimentRNN
from .stats import Estimate, above, bootstrap, estimate, interval, resample, shown

__all__ = [
    "alignment", "attractor_dimension", "curve_shape", "dimensionality", "find_attractor",
    "linear_predictions", "mode_spectra", "rank_correlation", "step_error", "valence_sorting",
    "visited_states", "word_kinds",
]  # fmt: skip

#: Tokens at the start of a text that are left out: the state is still on its way from h₀ to the attractor.
BURN_IN = 10
#: Longer than this, in tokens, a mode outlasts the typical sentence by far: "slow" in counts of slow modes.
_SLOW = 100.0


def rank_correlation(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """Spearman's along an axis, 0 where one of the two is constant; many at once, which SciPy's are not."""
    a, b = (r - r.mean(axis, keepdims=True) for r in (rankdata(x, axis=axis) for x in (a, b)))
    c, a_size, b_size = ((x * y).sum(axis) * (1 / (x.shape[axis] - 1)) for x, y in ((a, b), (a, a), (b, b)))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = c / np.sqrt(b_size) / np.sqrt(a_size)
    return np.where((a_size > 0) & (b_size > 0), np.clip(found, -1, 1), 0.0)[()]


# --- (a) states -------------------------------------------------------------------------------------


def visited_states(model: SentimentRNN, texts: Sequence[str], seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """States after the tenth token, at most twenty of each text: (n, S), and the text of each (n,)."""
    rng = np.random.default_rng([seed, 43])
    rows, owners = [], []
    for number, h in enumerate(model.states(texts)):
        h = h[min(BURN_IN, len(h) - 1) :]
        rows.append(h[np.sort(rng.permutation(len(h))[:20])])
        owners.append(np.full(len(rows[-1]), number))
    return np.concatenate(rows).astype(float), np.concatenate(owners)


@dataclass(frozen=True, eq=False)
class Dimensionality:
    """How many directions the states fill; ``cumulative`` (K,) is the share of variance in the first 1, 2, … principal
    components, with the ends ``low`` and ``high`` of its interval."""

    cumulative: np.ndarray = field(repr=False)
    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    participation: Estimate = shown(".3g")  #: participation ratio of the variances, (Σe)²/Σe²
    #: components that hold 90 % of the variance (resamples hold fewer different texts and lie a little low: the
    #: interval is stretched to hold the value)
    n90: Estimate = shown(".0f")


def dimensionality(model: SentimentRNN, texts: Sequence[str], seed: int = 0) -> Dimensionality:
    """Claim (a): PCA variance of the visited states, with intervals over texts. Control: an untrained network."""
    states, owner = visited_states(model, texts, seed=seed)
    states -= states.mean(0)
    spectra = []
    for weight in resample(len(texts), 100, [seed, 47])[:, owner]:
        weight = weight / weight.sum()
        mean = weight @ states
        moment = (states * weight[:, None]).T @ states - np.outer(mean, mean)
        spectra.append(np.maximum(np.linalg.eigvalsh(moment)[::-1], 0))
    spectrum = np.array(spectra)
    cumulative = np.cumsum(spectrum, -1) / spectrum.sum(-1, keepdims=True)
    participation = spectrum.sum(-1) ** 2 / (spectrum**2).sum(-1)
    low, high = interval(cumulative[1:, :50])
    n90 = estimate((cumulative < 0.9).sum(-1) + 1.0)
    n90 = n90._replace(low=min(n90.low, n90.value), high=max(n90.high, n90.value))
    return Dimensionality(cumulative[0, :50], low, high, estimate(participation), n90)


# --- (b) fixed points and their curve ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Attractor:
    """Fixed points of the mean map found from visited states, in order along their curve.

    ``points`` one row a start; ``start`` (P, S) the visited states they came from; ``logit`` (P,) at each in nats;
    ``curve`` (P, S) the smooth curve at the place of each point, ``tangent`` (P, S) its unit direction (w·t > 0 on the
    whole), ``arc`` (P,) its length up to there; ``J_rec`` (P, S, S).
    """

    model: SentimentRNN
    mean_map: MeanMap = field(repr=False)
    points: FixedPoints
    start: np.ndarray = field(repr=False)
    logit: np.ndarray = field(repr=False)
    curve: np.ndarray = field(repr=False)
    tangent: np.ndarray = field(repr=False)
    arc: np.ndarray = field(repr=False)
    J_rec: np.ndarray = field(repr=False)

    @property
    def h_star(self) -> np.ndarray:
        """The fixed points (P, S), in order along the curve."""
        return self.points.h_star


def spread_starts(model: SentimentRNN, texts: Sequence[str], n_starts: int, seed: int) -> np.ndarray:
    """Visited states (n, S) whose logits stand at even ranks among all: ends and middle as often as they occur."""
    states, _ = visited_states(model, texts, seed=seed)
    order = np.argsort(model.readout(states), kind="stable")
    return states[order[np.linspace(0, len(order) - 1, min(n_starts, len(order))).round().astype(int)]]


def find_attractor(
    model: SentimentRNN, texts: Sequence[str], n_starts: int = 100, seed: int = 0, *, damping: float = 1e-4
) -> Attractor:
    """Fixed points of F̄ from states that the network visits, at even ranks of the logit: all are kept, none chosen.

    ``Unmeasured`` for a network of more than two classes.
    """
    if model.n_classes > 2:
        raise Unmeasured(f"the network has {model.n_classes} classes: a line has two ends")
    model = model.astype(np.float64)
    F = mean_map(model, seed=seed)
    starts = spread_starts(model, texts, n_starts, seed)
    points = find_fixed_points(F, starts, damping=damping, unique_tol=None, max_distance=None, stability=False)
    curve, tangent, order = _principal_curve(points.h_star, model.w)
    points = points[order]
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve[order], axis=0), axis=-1))])
    logit = model.readout(points.h_star)
    return Attractor(
        model, F, points, starts[order], logit, curve[order], tangent[order], arc, F.jacobian(points.h_star)
    )


def _principal_curve(
    points: np.ndarray, w: np.ndarray, *, leave_out: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A smooth curve through a cloud of points that is long in one direction.

    Every coordinate is a local straight line (Gaussian weights, a tenth of the range) in the first principal component.
    Returns the curve (P, S) and its unit tangent (P, S) at every point, and the order (P,) of the points along it, in
    which w grows. ``leave_out``: each point's own weight is 0, to test the fit.
    """
    centred = points - points.mean(0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis = axis * (np.sign(axis @ w) or 1.0)
    place = centred @ axis
    gap = place[:, None] - place
    weight = np.exp(-0.5 * (gap / (0.1 * np.ptp(place) + 1e-12)) ** 2)
    if leave_out:
        np.fill_diagonal(weight, 0)
    weight /= weight.sum(1, keepdims=True) + 1e-300
    mean_place, mean_point = weight @ place, weight @ points
    spread = weight @ place**2 - mean_place**2
    slope = ((weight * (place - mean_place[:, None])) @ points) / (
        spread[:, None] + 1e-12 * np.ptp(place) ** 2 + 1e-300
    )
    curve = mean_point + (place - mean_place)[:, None] * slope
    tangent = slope / (np.linalg.norm(slope, axis=-1, keepdims=True) + 1e-300)
    return curve, tangent, np.argsort(place, kind="stable")


def local_dimension(points: np.ndarray) -> np.ndarray:
    """Intrinsic dimension around every point (P,): participation ratio of the PCA of its 15 nearest neighbours.

    1 on a line, 2 on a plane; noise across the manifold adds to it. Source: Fukunaga & Olsen 1971 (local PCA).
    """
    _, nearest = cKDTree(points).query(points, min(16, len(points)))
    near = points[nearest]
    variance = np.linalg.svd(near - near.mean(1, keepdims=True), compute_uv=False) ** 2
    total = variance.sum(-1)
    return np.where(total > 1e-20, total**2 / ((variance**2).sum(-1) + 1e-300), 0.0)


@dataclass(frozen=True, eq=False)
class CurveShape:
    """How like a line a cloud of points is."""

    on_curve: Estimate = shown(".0%")  #: share of variance on a smooth curve, each point predicted from the others
    on_line: Estimate = shown(".0%")  #: share on a straight line
    local_dimension: Estimate = shown(".2f")  #: of a point's neighbours, median
    rank: Estimate = shown(".3f")  #: Spearman correlation of place along the curve and logit
    length: float = shown(".1f")  #: of the curve
    chord: float = shown(".1f")  #: between its ends
    width: float = shown(".2f")  #: typical distance of a point from the curve
    logit_low: float = shown(".1f")  #: nats, the least of any point
    logit_high: float = shown(".1f")


def curve_shape(model: SentimentRNN, points: np.ndarray) -> CurveShape:
    """Claim (b) for fixed points (P, S). Controls: as many visited states; fixed points of an untrained network.

    ``Unmeasured`` if all points are one (their spread is under 1e-3 of their size).
    """
    centred = points - points.mean(0)
    if np.sqrt((centred**2).sum(-1).mean()) <= 1e-3 * np.linalg.norm(points.mean(0)):
        raise Unmeasured("all searches ended in one and the same point: there is no curve")
    curve, _, order = _principal_curve(points, model.w)
    off = ((points - _principal_curve(points, model.w, leave_out=True)[0]) ** 2).sum(-1)
    total = (centred**2).sum(-1)
    off_line = total - (centred @ np.linalg.svd(centred, full_matrices=False)[2][0]) ** 2
    along, logit = curve[order], model.readout(points)

    def share(off: np.ndarray, total: np.ndarray) -> float:
        return float(1 - off.sum() / total.sum())

    return CurveShape(
        bootstrap((off, total), share, n=1000), bootstrap((off_line, total), share, n=1000),
        bootstrap(local_dimension(points), np.median, n=1000),
        bootstrap((np.argsort(order), logit), rank_correlation, n=300),
        float(np.linalg.norm(np.diff(along, axis=0), axis=-1).sum()), float(np.linalg.norm(along[-1] - along[0])),
        float(np.median(np.sqrt(off))), float(logit.min()), float(logit.max()),
    )  # fmt: skip


def unrest(attractor: Attractor) -> Estimate:
    """How far a step of average text still moves ten states that have read a hundred of it, in units of their spread.

    Near 0 on an attractor of fixed points; about 1 where the network goes round in a circle.
    """
    start = attractor.start
    h = start[np.linspace(0, len(start) - 1, 10).round().astype(int)]
    for _ in range(100):
        h = attractor.mean_map(h)
    spread = np.sqrt(((start - start.mean(0)) ** 2).sum(-1).mean())
    return bootstrap(np.linalg.norm(attractor.mean_map(h) - h, axis=-1) / spread, np.median, n=500)


# --- (c) spectra ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Spectra:
    """The modes at every point of a curve, and medians over its points.

    ``modes`` stacked (P, …); ``slow`` (P,) the place of the slow mode, ``others`` (P, 5) of the next five by |log|λ||,
    of a conjugate pair the first. Time constants are those of modes that do not grow, at the points whose slow mode
    does not (NaN if there is none).
    """

    modes: Eigenmodes = field(repr=False)
    slow: np.ndarray = field(repr=False)
    others: np.ndarray = field(repr=False)
    gap_of_tau: Estimate = shown(".1f")  #: the slowest mode's time constant over the next one's, at least 1
    tau_1: Estimate = shown(",.0f")  #: tokens
    tau_2: Estimate = shown(",.0f")  #: tokens
    slow_modes: Estimate = shown(".0f")  #: modes slower than 100 tokens
    growing: Estimate = shown(".0f")  #: modes that grow
    slow_grows: Estimate = shown(".0%")  #: share of the points where the slow mode itself grows


def mode_spectra(J_rec: np.ndarray, w: np.ndarray) -> Spectra:
    """Claim (c) for Jacobians (P, S, S), a conjugate pair counted once; ``NoSlowMode`` if one point has no real mode.

    Control: those of an untrained network.
    """
    modes = eigenmodes(J_rec, w)
    order = slowest_first(modes)
    slow_grows = np.take_along_axis(modes.growing, order[:, :1], -1)[:, 0]
    tau = modes.slowest
    lasting = np.pad(tau[~slow_grows], ((0, 0), (0, 1)), constant_values=np.nan)  # a lone unit has no second mode

    def median(values: np.ndarray) -> Estimate:
        known = values[~np.isnan(values)].astype(float)
        return bootstrap(known, np.median, n=1000) if len(known) else Estimate(np.nan, np.nan, np.nan)

    return Spectra(
        modes, order[:, 0], order[:, 1:6], median(lasting[:, 0] / lasting[:, 1]), median(lasting[:, 0]),
        median(lasting[:, 1]), median((tau > _SLOW).sum(-1)), median(modes.growing.sum(-1)),
        bootstrap(slow_grows.astype(float), n=1000),
    )  # fmt: skip


# --- (d) directions and words -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Alignment:
    """How directions agree along the curve.

    ``table``: medians over its points of the |cosine| of r with the tangent, of r with w (``alignment``) and of ℓ with
    w (``alignment_left``); rows: the slow mode (""), the best of the next five at each point ("modes 2–6", the hardest
    control), random directions. ``along``: column and row -> values (P,).
    """

    table: pd.DataFrame
    along: dict[tuple[str, str], np.ndarray] = field(repr=False)


def alignment(attractor: Attractor, spectra: Spectra) -> Alignment:
    """Claim (d), directions; ``Unmeasured`` if all fixed points are one.

    Cosines with w are taken on the units that w reads (an LSTM's hidden half), those with a mode of a conjugate pair
    are with the plane that the pair spans.
    """
    if np.ptp(attractor.arc) <= 1e-3 * np.linalg.norm(attractor.h_star.mean(0)):
        raise Unmeasured("all searches ended in one and the same point: a point has no tangent")
    w = attractor.model.w
    read = w != 0
    picked = np.concatenate([spectra.slow[:, None], spectra.others], 1)
    R = np.take_along_axis(np.swapaxes(spectra.modes.R, -1, -2), picked[..., None], -2)
    L = np.take_along_axis(spectra.modes.L, picked[..., None], -2)
    along, columns = {}, {}
    for column, vectors, direction in (
        ("tangent", R, attractor.tangent[:, None]), ("alignment", R[..., read], w[read]),
        ("alignment_left", L[..., read], w[read]),
    ):  # fmt: skip
        cosine = _cosine(vectors, direction)
        along[column, ""], along[column, "modes 2–6"] = cosine[:, 0], cosine[:, 1:].max(1, initial=0)
        # the squared cosine of random directions in S dimensions is Beta(1/2, (S − 1)/2)
        chance = np.sqrt(beta.ppf([0.5, 0.025, 0.975], 0.5, (vectors.shape[-1] - 1) / 2))
        columns[column] = [bootstrap(along[column, row], np.median, n=1000) for row in ("", "modes 2–6")]
        columns[column].append(Estimate(*map(float, chance)))
    return Alignment(pd.DataFrame(columns, index=["", "modes 2–6", "random directions"]), along)


def _cosine(vectors: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """Of directions (..., S) with the line or plane spanned by real and imaginary parts of vectors (..., S): (...)."""
    plane = np.stack([vectors.real, vectors.imag], -1)
    unit = direction / np.linalg.norm(direction, axis=-1, keepdims=True)
    return np.linalg.norm(plane @ (np.linalg.pinv(plane, rcond=1e-9) @ unit[..., None]), axis=(-2, -1))


@dataclass(frozen=True, eq=False)
class Sorting:
    """How well a number for each word sorts words whose valence is known; AUCs are chances that a word of the first
    kind has the larger number (.5 is chance)."""

    sorting: Estimate = shown(".2f")  #: Spearman correlation with the known valence over all words
    kinds_apart: Estimate = shown(".2f")  #: the lower AUC of the two neighbouring pairs of kinds
    positive_negative: Estimate = shown(".3f")  #: AUC
    positive_neutral: Estimate = shown(".3f")  #: AUC
    neutral_negative: Estimate = shown(".3f")  #: AUC


def word_kinds(known: np.ndarray, n_each: int = 100) -> np.ndarray:
    """1 for the ``n_each`` most positive words, −1 for the most negative, 0 for the most neutral, NaN for the rest."""
    kinds = np.full(len(known), np.nan)
    order = np.argsort(known, kind="stable")
    kinds[np.argsort(np.abs(known - np.median(known)), kind="stable")[:n_each]] = 0
    kinds[order[:n_each]], kinds[order[-n_each:]] = -1, 1
    return kinds


def valence_sorting(measured: np.ndarray, known: np.ndarray, n_each: int = 100) -> Sorting:
    """Claim (d), words: ``measured`` (n,) against ``known`` (n,) valences. Control: shuffle ``known``."""
    kinds = word_kinds(known, n_each)
    negative, neutral, positive = (measured[kinds == k] for k in (-1, 0, 1))

    def apart(*pair: np.ndarray) -> Estimate:
        return bootstrap(pair, lambda high, low: above(low, high), n=300, paired=False)

    upper, lower = apart(positive, neutral), apart(neutral, negative)
    ranks = bootstrap((measured, known), rank_correlation, n=300)
    return Sorting(ranks, min(upper, lower), apart(positive, negative), upper, lower)


# --- (e) the linear model ---------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Predictions:
    """What linear models and their controls make of reviews: ``logits`` by name (n,), "network" among them.

    ``table``, one row a name: ``agree`` (share of the same decisions), ``accuracy`` where labels are known, and ``r2``,
    the square of the Spearman correlation with the network's logits, with its sign: a linear sum knows no saturation,
    so its order is asked and not its size.
    """

    table: pd.DataFrame
    logits: dict[str, np.ndarray] = field(repr=False)


def linear_predictions(
    attractor: Attractor, point: OperatingPoint, reviews: Reviews, bag: BagOfWords | None, seed: int = 0
) -> Predictions:
    """Claim (e): the linear model against the network, on whole reviews.

    Variants: at the nearest fixed point or at one, words by their finite effect or by J_inp; the slow mode alone.
    Yardsticks: a bag of words (None leaves it out), a linear recurrence fitted to the other half of the reviews.
    Controls: the next mode alone; all but the slow one; every word taken for another as frequent.
    """
    model = point.model
    ids = model.vocabulary.encode_all(reviews.texts)
    held = linear_model(point)
    final = held.final_states_of(ids) - point.h_star
    modes, slow = point.modes, [point.slow]
    second = int(slowest_first(modes)[1])

    def through(which: list[int]) -> np.ndarray:
        return point.logit + np.real(final @ modes.L[which].T @ (model.w @ modes.R[:, which]))

    shuffled = _shuffled_alike(model, seed)
    logits = {
        "network": model.logits_of(ids),
        "nearest point": linear_model(point, attractor.points).logits_of(ids),
        "nearest point, J_inp": linear_model(point, attractor.points, inputs="jacobian").logits_of(ids),
        "one point": model.readout(final + point.h_star),
        "one point, J_inp": linear_model(point, inputs="jacobian").logits_of(ids),
        "slow mode alone": through(slow),
        "fitted recurrence": _cross_fitted(model, ids),
        **({} if bag is None else {"bag of words": bag.logits(reviews.texts)}),
        "next mode alone": through([second] if modes.real[second] else [second, second + 1]),
        "all but the slow mode": through([a for a in range(len(final[0])) if a not in slow]),
        "words shuffled": held.logits_of([shuffled[i] for i in ids]),
    }
    labels = reviews.labels if (reviews.labels >= 0).all() else None
    scores = {k: score_logits(logits["network"], v, labels) for k, v in logits.items() if k != "network"}
    return Predictions(pd.DataFrame(scores.values(), index=list(scores)), logits)


def _cross_fitted(model: SentimentRNN, ids: Sequence[np.ndarray]) -> np.ndarray:
    """Logits (n,) of :func:`rnnrev.linear.fitted_recurrence`, each half of the texts by the fit to the other half."""
    logits = np.empty(len(ids))
    for half in (0, 1):
        logits[half::2] = fitted_recurrence(model, ids[1 - half :: 2]).logits_of(ids[half::2])
    return logits


def score_logits(full: np.ndarray, predicted: np.ndarray, labels: np.ndarray | None = None) -> dict[str, Estimate]:
    """r2, agree and accuracy of predicted logits (n,), as :class:`Predictions` has them."""
    predicted = np.nan_to_num(predicted)  # a growing mode may run off on a long review
    row = {
        "r2": bootstrap((full, predicted), _signed_r2, n=500),
        "agree": bootstrap(((full > 0) == (predicted > 0)).astype(float), n=1000),
    }
    if labels is not None:
        row["accuracy"] = bootstrap(((predicted > 0) == (labels == 1)).astype(float), n=1000)
    return row


def _signed_r2(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    correlation = rank_correlation(a, b, axis)
    return correlation * np.abs(correlation)  # a model that sorts reviews backwards is no good model


def _shuffled_alike(model: SentimentRNN, seed: int) -> np.ndarray:
    """For every word another one about as frequent, (V,): a shuffle within blocks of 20 of the frequency ranking."""
    rank = np.argsort(-model.frequencies, kind="stable")
    noise = np.random.default_rng([seed, 53]).random(len(rank))
    shuffle = np.empty_like(rank)
    shuffle[rank] = rank[np.lexsort((noise, np.arange(len(rank)) // 20))]
    return shuffle


def step_error(
    linear: LinearModel, ids: Sequence[np.ndarray], lags: Sequence[int] = (1, 2, 5, 10, 20, 50), seed: int = 0
) -> pd.DataFrame:
    """How far a linear model is off the network n tokens after it stood on the network's own state.

    Index n; column ``error``: the median over texts of ‖h_lin − h‖ / ‖h − h_before‖, ``h_before`` the state n tokens
    before (n = 1: LA19's relative error). Each text is entered at four places after the tenth token; ``Unmeasured`` if
    none is long enough.
    """
    model, reach = linear.model, max(lags)
    long = [i for i in ids if len(i) >= BURN_IN + reach]
    if not long:
        raise Unmeasured(f"no text has the {BURN_IN + reach} tokens that {reach} steps need")
    places = np.random.default_rng([seed, 67]).random((len(long), 4))
    starts, pieces = [], []
    for h, tokens, shares in zip(model.states_of(long), long, places):
        for place in BURN_IN + (shares * (len(tokens) - reach - BURN_IN + 1)).astype(int):
            starts.append(h[place])
            pieces.append(tokens[place : place + reach])
    h0, at = np.array(starts, float), list(lags)
    full, linearized = (np.array(m.states_of(pieces, h0=h0))[:, at] for m in (model, linear))
    error = np.linalg.norm(linearized - full, axis=-1) / np.linalg.norm(full - h0[:, None], axis=-1)
    by_text = np.median(error.reshape(len(long), 4, -1), axis=1)
    return pd.DataFrame({"error": [bootstrap(e, np.median, n=500) for e in by_text.T]}, index=pd.Index(at, name="n"))


# --- more than two classes --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class AttractorDimension:
    """How many dimensions a network's attractor has, for any number of classes (Aitken et al. 2020)."""

    tau: np.ndarray  #: (M,) tokens, time constants of the modes by rank: median over slow points
    slow_modes: float = shown(".1f")  #: the rank with the widest gap, as a ratio, to the next
    gap_of_tau: float = shown(".1f")  #: that gap, a factor
    points_90: float = shown(".1f")  #: principal components that hold 90 % of the variance of the slow points
    states_90: float = shown(".1f")  #: and of the states after the last token


def attractor_dimension(model: SentimentRNN, reviews: Reviews, n_starts: int = 40, seed: int = 0) -> AttractorDimension:
    """Look for slow points of F̄ from ``n_starts`` visited states, and sort the modes at the slower half."""
    model = model.astype(np.float64)
    F = mean_map(model, seed=seed)
    final = model.final_states_of(model.vocabulary.encode_all(reviews.sample(600, seed).texts))
    points = find_fixed_points(F, final[:n_starts], unique_tol=None, max_distance=None, stability=False)
    slow = points.h_star[points.q <= np.median(points.q)]
    # dimensions are counted here: a conjugate pair spans two of them, and what grows is no memory
    modes = eigenmodes(F.jacobian(slow))
    tau = -np.sort(-np.where(modes.growing, np.nan, np.abs(modes.tau)), axis=-1)
    tau = np.nanmedian(tau[:, np.isfinite(tau).any(0)], 0)[:8]
    ratios = tau[:-1] / tau[1:]
    parts = _components(slow), _components(final)
    return AttractorDimension(tau, float(np.argmax(ratios) + 1), float(ratios.max()), *parts)


def _components(states: np.ndarray) -> float:
    """Principal components that hold 90 % of the states' variance."""
    size = np.linalg.svd(states - states.mean(0), compute_uv=False) ** 2
    return float(np.searchsorted(np.cumsum(size) / size.sum(), 0.9) + 1)
