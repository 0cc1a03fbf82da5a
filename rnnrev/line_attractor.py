"""The line attractor: the claims of chapter 2, each measured with its control and an interval.

(a) states are low-dimensional (:func:`dimensionality`); (b) fixed points lie on a curve along the readout
(:func:`find_attractor`, :func:`curve_shape`); (c) each has one slow mode (:func:`mode_spectra`); (d) its right vector
is tangent to the curve, its left vector sorts words by valence (:func:`alignment`, :func:`word_valence`,
:func:`valence_sorting`); (e) the linear model predicts the network (:func:`linear_predictions`); (f) in every
architecture (:func:`measure`). :func:`compare_references` sets the three reference inputs side by side.

Source: LA19 sections 3 and 4, figures 2 to 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import stats as scipy_stats

from .data import Reviews
from .fixed_points import FixedPoints, MeanMap, find_fixed_points, mean_map
from .linear import Eigenmodes, LinearModel, OperatingPoint, eigenmodes, linear_model, linearize, operating_point
from .model import BagOfWords, SentimentRNN, untrained
from .stats import Estimate, bootstrap

__all__ = [
    "Alignment",
    "Attractor",
    "CurveShape",
    "Dimensionality",
    "Sorting",
    "Spectra",
    "alignment",
    "bag_valence",
    "compare_references",
    "curve_shape",
    "dimensionality",
    "find_attractor",
    "frequent_words",
    "linear_predictions",
    "local_dimension",
    "measure",
    "mode_spectra",
    "principal_curve",
    "relax_model",
    "sampling",
    "scene",
    "unrest",
    "valence_sorting",
    "visited_states",
    "word_kinds",
    "word_valence",
]

#: Tokens at the start of a text that are left out: the state is still on its way from h₀ to the attractor.
BURN_IN = 10
#: Longer than this, in tokens, a mode outlasts the typical sentence by far: "slow" in counts of slow modes.
SLOW = 100.0


# --- (a) states -------------------------------------------------------------------------------------


def visited_states(
    model: SentimentRNN, texts: Sequence[str], per_text: int = 20, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """States after the tenth token, at most ``per_text`` of each text: (n, S), and the text of each (n,)."""
    rng = np.random.default_rng([seed, 43])
    rows, owners = [], []
    for number, h in enumerate(model.states(texts)):
        h = h[min(BURN_IN, len(h) - 1) :]
        picked = h[np.sort(rng.permutation(len(h))[:per_text])]
        rows.append(picked)
        owners.append(np.full(len(picked), number))
    return np.concatenate(rows).astype(float), np.concatenate(owners)


class Dimensionality(NamedTuple):
    """How many directions the states fill: ``cumulative`` (K,) share of variance in the first 1, 2, … PCs with its
    interval ``low``, ``high``; ``participation`` ratio (Σe)²/Σe²; ``n90``, the PCs that hold 90 %."""

    cumulative: np.ndarray
    low: np.ndarray
    high: np.ndarray
    participation: Estimate
    n90: Estimate


def dimensionality(
    model: SentimentRNN, texts: Sequence[str], n_components: int = 50, n_resamples: int = 100, seed: int = 0
) -> Dimensionality:
    """Claim (a): PCA variance of the visited states, with 95 % bootstrap intervals over texts. Control: untrained."""
    states, owner = visited_states(model, texts, seed=seed)
    states -= states.mean(0)
    rng = np.random.default_rng([seed, 47])
    n_texts = owner.max() + 1
    spectra = []
    for draw in range(n_resamples + 1):
        weight = (
            np.bincount(rng.integers(n_texts, size=n_texts), minlength=n_texts)[owner] if draw else np.ones(len(owner))
        )
        mean = weight @ states / weight.sum()
        moment = (states * weight[:, None]).T @ states / weight.sum() - np.outer(mean, mean)
        spectra.append(np.maximum(np.linalg.eigvalsh(moment)[::-1], 0))
    spectrum = np.array(spectra)
    cumulative = np.cumsum(spectrum, -1) / spectrum.sum(-1, keepdims=True)
    participation = spectrum.sum(-1) ** 2 / (spectrum**2).sum(-1)
    n90 = (cumulative < 0.9).sum(-1) + 1.0
    low, high = np.quantile(cumulative[1:, :n_components], [0.025, 0.975], axis=0)
    return Dimensionality(cumulative[0, :n_components], low, high, _estimate(participation), _estimate(n90))


def _estimate(values: np.ndarray) -> Estimate:
    """First value with the quantiles of the rest, its resamples."""
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return Estimate(float(values[0]), float(low), float(high))


# --- (b) fixed points and their curve ---------------------------------------------------------------


class Attractor(NamedTuple):
    """Fixed points of a reference map found from visited states, in order along their curve.

    ``points`` one row a start; ``start`` (P, S) the visited states they came from; ``logit`` (P,) at each in nats;
    ``curve`` (P, S) the smooth curve at the place of each point, ``tangent`` (P, S) its unit direction (w·t > 0 on the
    whole), ``arc`` (P,) its length up to there; ``J_rec`` (P, S, S).
    """

    model: SentimentRNN
    mean_map: MeanMap
    points: FixedPoints
    start: np.ndarray
    logit: np.ndarray
    curve: np.ndarray
    tangent: np.ndarray
    arc: np.ndarray
    J_rec: np.ndarray

    @property
    def h_star(self) -> np.ndarray:
        """The fixed points (P, S), in order along the curve."""
        return self.points.h_star


def spread_starts(model: SentimentRNN, texts: Sequence[str], n_starts: int, seed: int = 0) -> np.ndarray:
    """Visited states (n, S) whose logits stand at even ranks among all: ends and middle as often as they occur."""
    states, _ = visited_states(model, texts, seed=seed)
    order = np.argsort(_logits(model, states), kind="stable")
    return states[order[np.linspace(0, len(order) - 1, min(n_starts, len(order))).round().astype(int)]]


def find_attractor(
    model: SentimentRNN,
    texts: Sequence[str],
    n_starts: int = 100,
    n_tokens: int = 600,
    seed: int = 0,
    *,
    damping: float = 1e-4,
) -> Attractor:
    """Fixed points of the corpus-averaged map, from states that the network visits in ``texts``.

    The starts stand at even ranks of the logit. Every point is kept; none is chosen.
    """
    model = model.astype(np.float64)
    F = mean_map(model, n_tokens, seed)
    starts = spread_starts(model, texts, n_starts, seed)
    points = find_fixed_points(F, starts, damping=damping, unique_tol=None, max_distance=None, stability=False)
    w = _readout(model)
    curve, tangent, order = principal_curve(points.h_star, w)
    points = points[order]
    arc = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve[order], axis=0), axis=-1))])
    J_rec = F.jacobian(points.h_star)
    return Attractor(
        model, F, points, starts[order], _logits(model, points.h_star), curve[order], tangent[order], arc, J_rec
    )  # fmt: skip


def _readout(model: SentimentRNN) -> np.ndarray:
    return np.asarray(model.w, float).reshape(len(model.w), -1)[:, 0]


def _logits(model: SentimentRNN, h: np.ndarray) -> np.ndarray:
    return h @ _readout(model) + float(np.reshape(model.b, -1)[0])


def principal_curve(
    points: np.ndarray, w: np.ndarray, width: float = 0.1, *, leave_out: bool = False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A smooth curve through a cloud of points that is long in one direction.

    Every coordinate is a local straight line (Gaussian weights, ``width`` of the range) in the first principal
    component. Returns the curve (P, S) and its unit tangent (P, S) at the place of every point, and the order (P,) of
    the points along it, oriented so that w grows. ``leave_out``: each point's own weight is 0, to test the fit.
    """
    centred = points - points.mean(0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis = axis * (np.sign(axis @ w) or 1.0)
    place = centred @ axis
    gap = place[:, None] - place
    weight = np.exp(-0.5 * (gap / (width * np.ptp(place) + 1e-12)) ** 2)
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


def local_dimension(points: np.ndarray, neighbours: int = 15) -> np.ndarray:
    """Intrinsic dimension around every point (P,): participation ratio of the PCA of its nearest neighbours.

    1 on a line, 2 on a plane; noise across the manifold adds to it. Source: Fukunaga & Olsen 1971 (local PCA).
    """
    neighbours = min(neighbours, len(points) - 1)
    distance = np.linalg.norm(points[:, None] - points, axis=-1) if len(points) < 200 else _distances(points)
    near = points[np.argsort(distance, axis=1)[:, : neighbours + 1]]
    near = near - near.mean(1, keepdims=True)
    variance = np.linalg.svd(near, compute_uv=False) ** 2
    total = variance.sum(-1)
    return np.where(total > 1e-20, total**2 / ((variance**2).sum(-1) + 1e-300), 0.0)


def _distances(points: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return cdist(points, points)


class CurveShape(NamedTuple):
    """How like a line a cloud of points is.

    ``on_curve`` and ``on_line``: share of its variance that a smooth curve (each point predicted from the others) and
    a straight line explain; ``local_dimension``; ``rank``: Spearman correlation of place along the curve and logit;
    ``length`` of the curve against the ``chord`` between its ends; ``width``, the typical distance from the curve;
    ``logits`` at its ends.
    """

    on_curve: Estimate
    on_line: Estimate
    local_dimension: Estimate
    rank: Estimate
    length: float
    chord: float
    width: float
    logits: tuple[float, float]


def curve_shape(model: SentimentRNN, points: np.ndarray) -> CurveShape:
    """Claim (b) for fixed points (P, S). Controls: as many visited states; fixed points of an untrained network.

    Points that are all one (spread under 1e-3 of their size) have no curve: shares and rank are NaN then.
    """
    centred = points - points.mean(0)
    logit = _logits(model, points)
    ends = (float(logit.min()), float(logit.max()))
    if np.sqrt((centred**2).sum(-1).mean()) < 1e-3 * np.linalg.norm(points.mean(0)):
        none = Estimate(np.nan, np.nan, np.nan)
        return CurveShape(none, none, Estimate(0.0, 0.0, 0.0), none, 0.0, 0.0, 0.0, ends)
    w = _readout(model)
    curve, _, order = principal_curve(points, w)
    held_out = principal_curve(points, w, leave_out=True)[0]
    off = ((points - held_out) ** 2).sum(-1)
    total = (centred**2).sum(-1)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    line = total - (centred @ axis) ** 2
    place = np.argsort(order)
    along = curve[order]
    return CurveShape(
        bootstrap((off, total), _share, n=1000),
        bootstrap((line, total), _share, n=1000),
        bootstrap(local_dimension(points), np.median, n=1000),
        bootstrap((place, logit), _spearman, n=300),
        float(np.linalg.norm(np.diff(along, axis=0), axis=-1).sum()),
        float(np.linalg.norm(along[-1] - along[0])),
        float(np.median(np.sqrt(off))),
        ends,
    )  # fmt: skip


def _share(off: np.ndarray, total: np.ndarray) -> float:
    return float(1 - off.sum() / total.sum())


def _spearman(a: np.ndarray, b: np.ndarray) -> float:
    return float(scipy_stats.spearmanr(a, b).statistic)


def unrest(attractor: Attractor, n_tokens: int = 100, n_states: int = 10) -> Estimate:
    """How far a step of average text still moves states that have read ``n_tokens`` of it, in units of their spread.

    Near 0 on an attractor of fixed points; about 1 where the network goes round in a circle.
    """
    start = attractor.start
    h = start[np.linspace(0, len(start) - 1, n_states).round().astype(int)]
    for _ in range(n_tokens):
        h = attractor.mean_map(h)
    spread = np.sqrt(((start - start.mean(0)) ** 2).sum(-1).mean())
    return bootstrap(np.linalg.norm(attractor.mean_map(h) - h, axis=-1) / spread, np.median, n=500)


# --- (c) spectra ------------------------------------------------------------------------------------


class Spectra(NamedTuple):
    """The modes at every point of a curve.

    ``modes`` stacked (P, …); ``slow`` (P,) the place of the slowest real mode; ``gap`` the median over points of
    τ₁/τ₂, the slowest mode's time constant over the next one's; ``tau_1``, ``tau_2`` their medians in tokens;
    ``n_slow`` the median number of modes slower than 100 tokens.
    """

    modes: Eigenmodes
    slow: np.ndarray
    gap: Estimate
    tau_1: Estimate
    tau_2: Estimate
    n_slow: Estimate

    def right(self, which: int = 0) -> np.ndarray:
        """r of the ``which``-th mode at every point, real part, unit length: (P, S); 0 is the slow real mode."""
        R = np.take_along_axis(self.modes.R, self._column(which)[:, None, None], -1)[..., 0].real
        return R / np.linalg.norm(R, axis=-1, keepdims=True)

    def left(self, which: int = 0) -> np.ndarray:
        """ℓ of the ``which``-th mode at every point, real part: (P, S)."""
        return np.take_along_axis(self.modes.L, self._column(which)[:, None, None], -2)[:, 0].real

    def _column(self, which: int) -> np.ndarray:
        if which == 0:
            return self.slow
        return which - 1 + (which - 1 >= self.slow)


def mode_spectra(J_rec: np.ndarray, w: np.ndarray) -> Spectra:
    """Claim (c) for Jacobians (P, S, S). Control: those of an untrained network.

    Time constants are taken by size: a mode that grows as slowly as another fades is as slow.
    """
    modes = eigenmodes(J_rec, w)
    slow = np.argmax(np.abs(modes.eigvals.imag) < 1e-12, axis=-1)
    tau = np.sort(np.abs(modes.tau), axis=-1)[..., ::-1]
    distinct = _distinct(modes)
    return Spectra(
        modes,
        slow,
        bootstrap(distinct[:, 0] / distinct[:, 1], np.median, n=1000),
        bootstrap(distinct[:, 0], np.median, n=1000),
        bootstrap(distinct[:, 1], np.median, n=1000),
        bootstrap((tau > SLOW).sum(-1).astype(float), np.median, n=1000),
    )


def _distinct(modes: Eigenmodes) -> np.ndarray:
    """The two longest time constants at every point (P, 2), a conjugate pair counting once."""
    tau = np.where(modes.eigvals.imag < 0, 0, np.abs(modes.tau))
    return np.sort(tau, axis=-1)[..., ::-1][..., :2]


# --- (d) directions and words -----------------------------------------------------------------------


class Alignment(NamedTuple):
    """Cosines along the curve, medians with intervals over its points.

    ``r_tangent`` of the slow mode's r and the tangent, ``others_tangent`` of the modes 2 to 6 and the tangent (largest
    of them at each point: the hardest control); ``r_w`` and ``l_w`` of r and ℓ with the readout w; ``tangent_w``;
    ``others_w`` as before; ``chance`` the 95th percentile of |cos| of random directions.
    """

    r_tangent: Estimate
    others_tangent: Estimate
    r_w: Estimate
    l_w: Estimate
    others_w: Estimate
    tangent_w: Estimate
    chance: float
    along: dict[str, np.ndarray]


def alignment(attractor: Attractor, spectra: Spectra, n_others: int = 5) -> Alignment:
    """Claim (d), directions. Cosines with w are taken on the units that w reads (an LSTM's hidden half)."""
    w = _readout(attractor.model)
    read = w != 0

    def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.abs((a * b).sum(-1)) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1) + 1e-300)

    tangent, r, l = attractor.tangent, spectra.right(), spectra.left()
    others = [spectra.right(a) for a in range(1, n_others + 1)]
    along = {
        "r_tangent": cosine(r, tangent),
        "others_tangent": np.max([cosine(o, tangent) for o in others], axis=0),
        "r_w": cosine(r[:, read], w[read]),
        "l_w": cosine(l[:, read], w[read]),
        "others_w": np.max([cosine(o[:, read], w[read]) for o in others], axis=0),
        "tangent_w": cosine(tangent[:, read], w[read]),
    }
    # the cosine of random directions in S dimensions, squared, is Beta(1/2, (S-1)/2)
    chance = float(np.sqrt(scipy_stats.beta.ppf(0.95, 0.5, (r.shape[-1] - 1) / 2)))
    return Alignment(**{k: bootstrap(v, np.median, n=1000) for k, v in along.items()}, chance=chance, along=along)


def frequent_words(model: SentimentRNN, min_count: int = 200) -> np.ndarray:
    """Numbers of the words seen at least ``min_count`` times in training, the unknown word and punctuation left out."""
    words = model.vocabulary.words
    counts = model.frequencies if model.counts is None else model.counts
    return np.array([i for i in np.flatnonzero(counts >= min_count) if i > 1 and any(c.isalpha() for c in words[i])])


def bag_valence(model: SentimentRNN, bag: BagOfWords) -> np.ndarray:
    """β of a bag of words for each word of a network's vocabulary, (V,); 0 for words that the bag does not know."""
    beta = dict(zip(bag.vocabulary.words, bag.beta.astype(float)))
    return np.array([beta.get(word, 0.0) for word in model.vocabulary.words])


def word_valence(
    point: OperatingPoint, ids: np.ndarray, *, inputs: str = "finite", mode: int | None = None
) -> np.ndarray:
    """What single words add to the logit for good, in nats: (w·r)(ℓ·d(x)) for token numbers (n,) -> (n,).

    d(x) is F(h*, x) − F̄(h*), or J_inp (x − x̄) with ``inputs="jacobian"``. ``mode`` takes another mode than the slow
    one (real part).
    """
    model = point.model
    if inputs == "finite":
        effect = model.cell.step_projected(point.h_star, model.projected[ids]) - point.mean_map(point.h_star)
    else:
        effect = (model.embedding[ids] - model.frequencies @ model.embedding) @ point.mean_map.J_inp(point.h_star).T
    r, l = (point.r, point.l) if mode is None else (point.modes.R[:, mode], point.modes.L[mode])
    return np.real((_readout(model) @ r) * (effect @ l))


class Sorting(NamedTuple):
    """How well a number for each word sorts words whose valence is known.

    ``rank``: Spearman correlation with the known valence over all words; ``positive_negative``, ``positive_neutral``,
    ``neutral_negative``: the chance that a word of the first kind has the larger number (AUC; 0.5 is chance).
    """

    rank: Estimate
    positive_negative: Estimate
    positive_neutral: Estimate
    neutral_negative: Estimate


def word_kinds(valence: np.ndarray, n_each: int = 100) -> np.ndarray:
    """1 for the ``n_each`` most positive words, −1 for the most negative, 0 for the most neutral, NaN for the rest."""
    kinds = np.full(len(valence), np.nan)
    order = np.argsort(valence, kind="stable")
    kinds[np.argsort(np.abs(valence - np.median(valence)), kind="stable")[:n_each]] = 0
    kinds[order[:n_each]], kinds[order[-n_each:]] = -1, 1
    return kinds


def valence_sorting(measured: np.ndarray, known: np.ndarray, n_each: int = 100) -> Sorting:
    """Claim (d), words: ``measured`` (n,) against ``known`` (n,) valences. Control: shuffle ``known``."""
    kinds = word_kinds(known, n_each)
    groups = {k: measured[kinds == k] for k in (-1, 0, 1)}

    def auc(high: np.ndarray, low: np.ndarray) -> float:
        return float(scipy_stats.mannwhitneyu(high, low).statistic / (len(high) * len(low)))

    def compare(high: int, low: int) -> Estimate:
        return bootstrap((groups[high], groups[low]), auc, n=300, paired=False)

    return Sorting(bootstrap((measured, known), _spearman, n=300), compare(1, -1), compare(1, 0), compare(0, -1))


# --- (e) the linear model ---------------------------------------------------------------------------


def _r_squared(full: np.ndarray, predicted: np.ndarray) -> float:
    return float(1 - ((full - predicted) ** 2).sum() / ((full - full.mean()) ** 2).sum())


def _correlation_squared(full: np.ndarray, predicted: np.ndarray) -> float:
    size = float(np.abs(predicted).max())
    if not np.isfinite(size) or np.ptp(predicted) == 0:
        return 0.0
    return float(np.corrcoef(full, predicted / size)[0, 1] ** 2)


def score_predictions(full: np.ndarray, predicted: np.ndarray, labels: np.ndarray | None = None) -> dict[str, Any]:
    """R², squared correlation, share of texts with the same sign, and accuracy (where labels are known)."""
    # a linear model with a growing mode may have run off: its R² is then −inf, and that is the answer
    with np.errstate(over="ignore", invalid="ignore"):
        return _scores(full, predicted, labels)


def _scores(full: np.ndarray, predicted: np.ndarray, labels: np.ndarray | None) -> dict[str, Any]:
    row: dict[str, Any] = {
        "R2": bootstrap((full, predicted), _r_squared, n=500),
        "r2": bootstrap((full, predicted), _correlation_squared, n=500),
        "agree": bootstrap(((full > 0) == (predicted > 0)).astype(float), n=1000),
    }
    if labels is not None:
        row["accuracy"] = bootstrap(((predicted > 0) == (labels == 1)).astype(float), n=1000)
    return row


def linear_predictions(
    attractor: Attractor, point: OperatingPoint, reviews: Reviews, seed: int = 0
) -> tuple[dict[str, dict[str, Any]], dict[str, np.ndarray]]:
    """Claim (e): scores of each variant of the linear model, and the logits behind them.

    Variants: re-linearized at the nearest fixed point or held at one, words by their finite effect or by J_inp; the
    slow mode alone. Controls: the same model with every word taken for another about as frequent; the second mode
    alone; all modes but the slow one.
    """
    model = point.model
    ids = model.vocabulary.encode_all(reviews.texts)
    held = linear_model(point)
    final = held.final_states_of(ids) - point.h_star
    offset = point.logit

    def through(modes: list[int]) -> np.ndarray:
        R, L = point.modes.R[:, modes], point.modes.L[modes]
        return offset + np.real(final @ L.T @ (_readout(model) @ R))

    slow = int(np.argmax(np.abs(point.modes.eigvals.imag) < 1e-12))
    others = [a for a in range(len(point.h_star)) if a != slow]
    second = [a for a in others if np.isclose(abs(point.modes.eigvals[a]), abs(point.modes.eigvals[others[0]]))][:2]
    shuffle = _shuffled_alike(model, seed)
    logits = {
        "network": model.logits_of(ids),
        "nearest, finite effects": linear_model(point, attractor.points).logits_of(ids),
        "nearest, J_inp": linear_model(point, attractor.points, inputs="jacobian").logits_of(ids),
        "held, finite effects": _logits(model, final + point.h_star),
        "held, J_inp": linear_model(point, inputs="jacobian").logits_of(ids),
        "slow mode alone": through([slow]),
        "control: second mode alone": through(second),
        "control: all but the slow mode": through(others),
        "control: shuffled words": held.logits_of([shuffle[i] for i in ids]),
    }
    known = reviews.labels if (reviews.labels >= 0).all() else None
    scores = {k: score_predictions(logits["network"], v, known) for k, v in logits.items() if k != "network"}
    return scores, logits


def _shuffled_alike(model: SentimentRNN, seed: int, block: int = 20) -> np.ndarray:
    """For every word another one about as frequent, (V,): a shuffle within blocks of the frequency ranking."""
    rank = np.argsort(-model.frequencies, kind="stable")
    noise = np.random.default_rng([seed, 53]).random(len(rank))
    shuffle = np.empty_like(rank)
    shuffle[rank] = rank[np.lexsort((noise, np.arange(len(rank)) // block))]
    return shuffle


# --- the three references ---------------------------------------------------------------------------


def compare_references(
    model: SentimentRNN,
    texts: Sequence[str],
    known: np.ndarray,
    n_starts: int = 40,
    n_tokens: int = 600,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """The same measures at fixed points of F(·, 0), of F(·, x̄) at the mean embedding, and of F̄: one row each.

    ``known`` (V,) valences of the vocabulary's words (say a bag of words' β). Effects are those of J_inp, so that the
    three are judged alike: ``effect`` is the median size of what the 200 most polar frequent words add to the logit
    through the slow mode, in nats, ``sorting`` the rank correlation with ``known`` (medians over points).
    """
    model = model.astype(np.float64)
    cell, w = model.cell, _readout(model)
    x_mean = model.frequencies @ model.embedding
    F = mean_map(model, n_tokens, seed)
    starts = spread_starts(model, texts, n_starts, seed)
    ids = frequent_words(model)
    polar = ids[np.abs(word_kinds(known[ids])) == 1]
    encoded = model.vocabulary.encode_all(texts)
    full = model.logits_of(encoded)
    rows = []
    for name, x in (("zero input", np.zeros(cell.n_inputs)), ("mean embedding", x_mean), ("mean map", None)):
        options: dict[str, Any] = {"unique_tol": None, "max_distance": None, "stability": False}
        points = find_fixed_points(F if x is None else cell, starts, x, **options)
        J = linearize(F if x is None else cell, points.h_star, x)
        spectra = mode_spectra(J.J_rec, w)
        x_ref = x_mean if x is None else x
        gain = (spectra.right() @ w)[:, None] * np.einsum("ps,psd->pd", spectra.left(), J.J_inp)
        effects = (model.embedding[ids] - x_mean) @ gain.T
        sorting = np.array([_spearman(e, known[ids]) for e in effects.T])
        after = F(points.h_star) if x is None else cell.step(points.h_star, x)
        linear = LinearModel(model, points.h_star, J.J_rec, after, J.J_inp, x_ref).logits_of(encoded)
        start_q = 0.5 * (((F(starts) if x is None else cell.step(starts, x)) - starts) ** 2).sum(-1)
        rows.append(
            {
                "reference": name,
                "q_start": float(np.median(start_q)),
                "q": float(np.median(points.q)),
                "moved": float(np.median(points.moved)),
                "tau_1": spectra.tau_1,
                "tau_2": spectra.tau_2,
                "gap": spectra.gap,
                "n_slow": spectra.n_slow,
                "effect": bootstrap(np.median(np.abs(effects[np.isin(ids, polar)]), axis=1), np.median, n=500),
                "sorting": bootstrap(sorting, np.median, n=500),
                "r2": bootstrap((full, linear), _correlation_squared, n=500),
                "agree": bootstrap(((full > 0) == (linear > 0)).astype(float), n=500),
            }
        )
    return rows


def sampling(
    model: SentimentRNN, h: np.ndarray, sizes: Sequence[int] = (50, 100, 200, 400, 800, 1600), n_seeds: int = 4
) -> list[dict[str, Any]]:
    """How F̄ at a state h (S,) settles as it averages over more words: one row a size, a value for each draw.

    ``shift``: ‖F̄(h) − F̄_all(h)‖, ``cosine``: |cos| of the slow mode's ℓ with that over all words, ``tau`` in tokens.
    """
    w = _readout(model)
    whole = mean_map(model, len(model.vocabulary))
    want, want_l = whole(h), mode_spectra(np.repeat(whole.jacobian(h)[None], 2, 0), w).left()[0]
    rows = []
    for n_tokens in sizes:
        maps = [mean_map(model, n_tokens, seed) for seed in range(n_seeds)]
        found = mode_spectra(np.stack([F.jacobian(h) for F in maps]), w)
        l = found.left()
        rows.append(
            {
                "n_tokens": n_tokens,
                "shift": np.array([np.linalg.norm(F(h) - want) for F in maps]),
                "cosine": np.abs(l @ want_l) / (np.linalg.norm(l, axis=-1) * np.linalg.norm(want_l)),
                "tau": _distinct(found.modes)[:, 0],
            }
        )
    return rows


# --- everything for one network, and the record -----------------------------------------------------


def measure(
    model: SentimentRNN,
    reviews: Reviews,
    known: np.ndarray,
    *,
    n_starts: int = 60,
    n_tokens: int = 600,
    seed: int = 0,
) -> dict[str, Any]:
    """All claims of chapter 2 for one network, as plain numbers for JSON (estimates as [value, low, high]).

    Starting states come from ``reviews``, and the linear model is tested on them: give test reviews. ``known`` (V,)
    are valences of the words from elsewhere (a bag of words' β).
    """
    texts = reviews.texts
    point = operating_point(model, n_tokens=n_tokens, seed=seed, texts=texts)
    attractor = find_attractor(model, texts, n_starts, n_tokens, seed)
    spectra = mode_spectra(attractor.J_rec, _readout(attractor.model))
    cell = model.cell
    fresh = untrained(cell.kind, model.vocabulary, cell.n_units, cell.n_inputs, seed, model.counts)
    fresh_attractor = find_attractor(fresh, texts, min(n_starts, 10), n_tokens, seed)
    fresh_spectra = mode_spectra(fresh_attractor.J_rec, _readout(fresh))
    ids = frequent_words(model)
    valence, shuffled = word_valence(point, ids), np.random.default_rng([seed, 59]).permutation(known[ids])
    at_points = _sorting_along(attractor, spectra, ids, known[ids])
    scores, _ = linear_predictions(attractor, point, reviews, seed)
    others = [abs(_spearman(word_valence(point, ids, mode=a), known[ids])) for a in range(1, 11)]
    slow = int(np.argmax(np.abs(point.modes.eigvals.imag) < 1e-12))
    found = {
        "network": model.name,
        "cell": cell.kind,
        "reviews": f"{reviews.name}/{reviews.split}",
        "n_reviews": len(reviews),
        "fingerprint": reviews.fingerprint,
        "n_starts": n_starts,
        "n_tokens": n_tokens,
        "dimensionality": dimensionality(model, texts, seed=seed)._asdict(),
        "dimensionality_untrained": dimensionality(fresh, texts, seed=seed)._asdict(),
        "q": bootstrap(attractor.points.q, np.median, n=500),
        "q_start": bootstrap(
            0.5 * ((attractor.mean_map(attractor.start) - attractor.start) ** 2).sum(-1), np.median, n=500
        ),
        "curve": curve_shape(attractor.model, attractor.h_star)._asdict(),
        "curve_of_states": curve_shape(attractor.model, attractor.start)._asdict(),
        "curve_untrained": curve_shape(fresh, fresh_attractor.h_star)._asdict(),
        "spectra": {k: getattr(spectra, k) for k in ("gap", "tau_1", "tau_2", "n_slow")},
        "spectra_untrained": {k: getattr(fresh_spectra, k) for k in ("gap", "tau_1", "tau_2", "n_slow")},
        "alignment": {k: v for k, v in alignment(attractor, spectra)._asdict().items() if k != "along"},
        "sorting": valence_sorting(valence, known[ids])._asdict(),
        "sorting_jacobian": valence_sorting(word_valence(point, ids, inputs="jacobian"), known[ids])._asdict(),
        "sorting_shuffled": valence_sorting(valence, shuffled)._asdict(),
        "sorting_other_modes": [o for a, o in enumerate(others, 1) if a != slow],
        "effect_size": float(valence.std()),
        "effect_size_other_modes": [float(word_valence(point, ids, mode=a).std()) for a in range(11) if a != slow],
        "sorting_along": bootstrap(at_points, np.median, n=500),
        "linear": scores,
        "point": {"logit": point.logit, "q": point.q, "tau": np.abs(point.modes.tau[:10])},
        "references": compare_references(model, texts, known, 20, n_tokens, seed),
        "unrest": unrest(attractor),
        "period": float(2 * np.pi / turn) if (turn := abs(np.angle(point.modes.eigvals[0]))) > 1e-6 else None,
        "along": {
            "logit": attractor.logit,
            "arc": attractor.arc,
            "q": attractor.points.q,
            "tau": np.sort(np.abs(spectra.modes.tau), -1)[:, ::-1][:, :10],
        },
        "eigvals": {"real": point.modes.eigvals.real, "imag": point.modes.eigvals.imag},
    }
    return _plain(found)


def _sorting_along(attractor: Attractor, spectra: Spectra, ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Rank correlation (P,) of the words' finite effect through the slow mode with their known valence."""
    model = attractor.model
    found = []
    for h, r, l in zip(attractor.h_star, spectra.right(), spectra.left()):
        effect = model.cell.step_projected(h, model.projected[ids])
        found.append(_spearman((_readout(model) @ r) * (effect @ l), known))
    return np.array(found)


def _plain(value: Any) -> Any:
    """Arrays, estimates and NumPy numbers as lists and floats of six digits, for JSON (NaN as None)."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list, np.ndarray)):
        return [_plain(v) for v in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value


# --- data for the widgets ---------------------------------------------------------------------------


def scene(
    attractor: Attractor, spectra: Spectra, texts: Sequence[str], *, n_cloud: int = 1200, n_paths: int = 5
) -> dict[str, Any]:
    """What the 3-D view shows, in the first three principal components of the visited states; plain lists.

    Keys: ``axes``, ``curve`` (``xyz`` the points, ``line`` the smooth curve through them), ``cloud``, ``paths`` (of the
    first ``n_paths`` texts) and ``arrows`` (w, r and the tangent at the point in the middle).
    """
    model = attractor.model
    states, _ = visited_states(model, texts)
    centre = states.mean(0)
    variance = np.linalg.svd(states - centre, full_matrices=False)
    axes = variance[2][:3]
    axes = axes * np.where(axes @ _readout(model) < 0, -1, 1)[:, None]
    share = variance[1] ** 2 / (variance[1] ** 2).sum()

    def seen(h: np.ndarray) -> Any:
        return ((h - centre) @ axes.T).round(3).tolist()

    cloud = states[np.random.default_rng(61).permutation(len(states))[:n_cloud]]
    paths = []
    for number, text in enumerate(texts[:n_paths], 1):
        h = model.states([text])[0]
        tokens = ["(start)", *model.trace(text).tokens]
        paths.append({"name": f"review {number}", "tokens": tokens, "xyz": seen(h), "logit": _round(_logits(model, h))})
    middle = int(np.abs(attractor.logit).argmin())
    at, size = attractor.h_star[middle], 0.2 * np.linalg.norm(attractor.curve[-1] - attractor.curve[0])
    arrows = []
    for name, direction in (
        ("w (readout)", _readout(model)),
        ("r₁ (slow mode)", spectra.right()[middle]),
        ("tangent of the curve", attractor.tangent[middle]),
    ):
        tip = at + size * direction / np.linalg.norm(direction)
        arrows.append({"name": name, "from": seen(at), "to": seen(tip)})
    return {
        "axes": [f"PC {i + 1} ({s:.0%} of variance)" for i, s in enumerate(share[:3])],
        "curve": {
            "xyz": seen(attractor.h_star),
            "line": seen(attractor.curve),
            "logit": _round(attractor.logit),
            "q": [float(f"{q:.2g}") for q in attractor.points.q],
            "tau": [float(f"{t:.3g}") for t in _distinct(spectra.modes)[:, 0]],
        },
        "cloud": {"xyz": seen(cloud), "logit": _round(_logits(model, cloud))},
        "paths": paths,
        "arrows": arrows,
    }


def _round(values: np.ndarray) -> list[float]:
    return np.asarray(values, float).round(3).tolist()


def relax_model(
    point: OperatingPoint, words: Sequence[str] | None = None, n_modes: int = 8, text: str | None = None
) -> dict[str, Any]:
    """The linear model in its slowest modes, small enough for a page: z' = A z + B[word], logit = c0 + c·z.

    A conjugate pair takes two coordinates (real and imaginary part). ``words`` default to the six most positive, most
    negative and most neutral frequent words, by :func:`word_valence`. With ``text``, the network's own course through
    it is added as ``exact``.
    """
    model, modes = point.model, point.modes
    ids = frequent_words(model)
    if words is None:
        valence = word_valence(point, ids)
        order = np.argsort(valence)
        chosen = np.concatenate([order[-6:][::-1], np.argsort(np.abs(valence))[:6], order[:6]])
        words = [model.vocabulary.words[i] for i in ids[chosen]]
    numbers = np.array([model.vocabulary.number(v) for v in words])

    rows: list[np.ndarray] = []
    blocks, readout, labels, tau = [], [], [], []
    a, name = 0, 1
    while len(rows) < n_modes:
        eigval, l = modes.eigvals[a], modes.L[a]
        gain = _readout(model) @ modes.R[:, a]
        which = "slow mode" if name == 1 else f"mode {name}"
        label = f"{which}, τ = {abs(modes.tau[a]):,.0f} tokens"
        if abs(eigval.imag) < 1e-12:
            rows.append(l.real)
            blocks.append(np.array([[eigval.real]]))
            readout.append(gain.real)
            labels.append(label)
            tau.append(float(modes.tau[a]))
            a += 1
        else:
            rows += [l.real, l.imag]
            blocks.append(np.array([[eigval.real, -eigval.imag], [eigval.imag, eigval.real]]))
            readout += [2 * gain.real, -2 * gain.imag]
            labels += [f"{label}, real part", f"{label}, imaginary part"]
            tau += [float(modes.tau[a])] * 2
            a += 2
        name += 1
    from scipy.linalg import block_diag

    to_z = np.array(rows)
    effect = model.cell.step_projected(point.h_star, model.projected[numbers]) - point.mean_map(point.h_star)
    B, c = effect @ to_z.T, np.array(readout)
    lasting = word_valence(point, numbers)
    # the neutral third of words, by what they add for good
    floor = np.quantile(np.abs(word_valence(point, ids)), 0.5)
    made = {
        "k": len(to_z),
        "A": block_diag(*blocks),
        "tau": tau,
        "labels": labels,
        "words": list(words),
        "B": B,
        "kind": ["neutral" if abs(v) < floor else "positive" if v > 0 else "negative" for v in lasting],
        "c": c,
        "c0": point.logit,
        "kicks": [
            {"name": f"off the attractor, along {labels[j].split(',')[0]}", "z": np.eye(len(to_z))[j] * 2}
            for j in range(1, len(to_z))
        ],
    }
    if text is not None:
        h = model.states([text])[0]
        z = (h - point.h_star) @ to_z.T
        made["exact"] = {"words": ["(start)", *model.trace(text).tokens], "z": z, "logit": _logits(model, h)}
    return _plain(made)
