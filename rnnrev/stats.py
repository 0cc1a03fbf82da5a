"""Intervals and scores: every claim of the book comes with one of these.

Thin wrappers of SciPy, so that intervals are the same kind everywhere (95 %).
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import special, stats

__all__ = ["Calibration", "Estimate", "accuracy", "bootstrap", "over_seeds", "text_of"]

_T = TypeVar("_T")


def shown(spec: str, **options: _T) -> _T:
    """A field of a result that text and tables show, formatted by ``spec`` (``".2f"``, ``".1%"``).

    ``options`` are those of :func:`dataclasses.field`, a default for one.
    """
    return dataclasses.field(metadata={"format": spec}, **options)  # type: ignore[call-overload]


class Estimate(NamedTuple):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return self.format(".3g")

    def format(self, spec: str = ".3g") -> str:
        """As text, e.g. ``0.91 [0.90, 0.92]``; ``spec`` formats each number (``.1%`` works)."""
        return f"{self.value:{spec}} [{self.low:{spec}}, {self.high:{spec}}]"


def text_of(value: float | Estimate | str, spec: str = ".3g") -> str:
    """A value as text and tables show it: .912 with ``.1%`` is "91.2 %", an estimate has its interval in brackets.

    What is NaN reads "not measured"; whole numbers keep all their digits, in groups of three.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Estimate):
        if np.isnan(value.low):
            return text_of(value.value, spec)
        return f"{text_of(value.value, spec)} [{text_of(value.low, spec)}, {text_of(value.high, spec)}]"
    if np.isnan(value):
        return "not measured"
    if isinstance(value, (int, np.integer)) and not spec.endswith("%"):
        return f"{value:,}"
    return f"{value:{spec}}".replace("%", "\u00a0%").replace("-", "\u2212").replace("inf", "∞")


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> Estimate:
    """Share of right labels with Wilson's interval over texts."""
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or not len(labels):
        raise ValueError(f"need as many predictions as labels and at least one: {predicted.shape}, {labels.shape}")
    right = int((predicted == labels).sum())
    interval = stats.binomtest(right, len(labels)).proportion_ci(0.95, "wilson")
    return Estimate(right / len(labels), interval.low, interval.high)


def auc(labels: np.ndarray, scores: np.ndarray, axis: int = -1) -> np.ndarray:
    """Area under the curve: the chance that a score of label 1 is above one of label 0 (ties count half)."""
    labels = labels == 1
    up = labels.sum(axis)
    ranks = (stats.rankdata(scores, axis=axis) * labels).sum(axis)
    return (ranks - up * (up + 1) / 2) / (up * (labels.shape[axis] - up))


def above(low: np.ndarray, high: np.ndarray, axis: int = -1) -> np.ndarray:
    """The chance that one of ``high`` is above one of ``low``: :func:`auc` of two samples."""
    labels = np.concatenate([np.zeros_like(low), np.ones_like(high)], axis)
    return auc(labels, np.concatenate([low, high], axis), axis)


def bootstrap(
    samples: np.ndarray | tuple[np.ndarray, ...], statistic: Callable[..., float | np.ndarray] = np.mean, *,
    n: int = 2000, seed: int | Sequence[int] = 0, paired: bool = True,
) -> Estimate:  # fmt: skip
    """A statistic with its 95 % interval (percentile bootstrap); :func:`resample` is for draws that several share.

    ``samples`` is one array or a tuple of them (resampled together if ``paired``); ``statistic`` takes as many arrays
    and, to be fast, an ``axis`` keyword.
    """
    data = samples if isinstance(samples, tuple) else (np.asarray(samples),)
    vectorized = "axis" in inspect.signature(statistic).parameters
    low, high = stats.bootstrap(
        data, statistic, n_resamples=n, paired=paired and len(data) > 1, vectorized=vectorized, method="percentile",
        rng=np.random.default_rng(seed), batch=200 if vectorized else None,
    ).confidence_interval  # fmt: skip
    return Estimate(float(statistic(*data)), float(low), float(high))


def resample(of: int | np.ndarray, draws: int = 500, seed: int | Sequence[int] = 0) -> np.ndarray:
    """Weights of bootstrap samples for statistics that are weighted sums, (draws + 1, K); each row sums to 1.

    Row 0 is the sample itself, so that one expression gives the value and its draws (:func:`estimate`). ``of`` is K, or
    how many there are of each of K kinds. Groups that are drawn independently (texts and words: Owen 2007, the
    pigeonhole bootstrap) need a seed each. Texts are resampled with all their tokens by
    ``resample(n_texts)[:, text_of_token]``.
    """
    counts = np.ones(of) if isinstance(of, int | np.integer) else np.asarray(of, float)
    total = counts.sum()
    drawn = np.random.default_rng(seed).multinomial(int(total), counts / total, draws)
    return np.concatenate([counts[None], drawn]) / total


def interval(draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper end of the 95 % intervals of draws (n, …), without those that are NaN."""
    low, high = np.nanquantile(draws, [0.025, 0.975], axis=0)
    return low, high


def estimate(values: np.ndarray) -> Estimate:
    """The first of values (draws + 1,) with the interval of the others: what a statistic of :func:`resample` gives."""
    return Estimate(*map(float, (values[0], *interval(values[1:]))))


def over_seeds(values: ArrayLike, bounds: tuple[float, float] = (-np.inf, np.inf)) -> Estimate:
    """Mean over independently trained networks with Student's interval, which stays inside ``bounds``.

    Between two bounds, (0, 1) for shares, mean and interval are those of logits; above one, (0, ∞) for sizes, (1, ∞)
    for ratios of the larger to the smaller, those of logarithms of the distance to it; both carried back. Where a value
    stands on its bound it has neither: the mean is the plain one, the interval the range of the values. Where all agree
    the interval is the value. A single network has none (NaN). ``ValueError`` for a value outside the bounds.
    """
    values, (lower, upper) = np.asarray(values, float), bounds
    if values.min() < lower or values.max() > upper:
        ends = f"{values.min():g} to {values.max():g}"
        raise ValueError(f"values run from {ends}: they must lie in [{lower:g}, {upper:g}]")
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, np.nan, np.nan)
    if np.ptp(values) == 0 or values.min() == lower or values.max() == upper:
        return Estimate(mean, float(values.min()), float(values.max()))
    back: Callable[[float], float]
    if np.isinf(lower):
        moved, back = values, float
    elif np.isinf(upper):
        moved, back = np.log(values - lower), lambda x: lower + np.exp(x)
    else:
        span = upper - lower
        moved, back = special.logit((values - lower) / span), lambda x: lower + span * special.expit(x)
    low, high = stats.t.interval(0.95, len(moved) - 1, loc=moved.mean(), scale=stats.sem(moved))
    return Estimate(*(float(back(x)) for x in (moved.mean(), low, high)))


@dataclasses.dataclass(frozen=True, eq=False)
class Calibration:
    """Bins of predicted probability that hold texts, and the expected calibration error."""

    predicted: np.ndarray  #: mean prediction in each bin
    observed: np.ndarray  #: share of positive texts in each
    texts: np.ndarray  #: number of texts in each
    error: float = shown(".3f")  #: mean gap between prediction and share, over texts


def calibration(logits: np.ndarray, labels: np.ndarray, bins: int = 10) -> Calibration:
    """How far predicted probabilities are shares: equal-width bins and their weighted mean gap.

    Source: Guo et al. 2017, *On calibration of modern neural networks*, section 2.
    """
    from sklearn.calibration import calibration_curve

    p = special.expit(np.asarray(logits, float))
    observed, predicted = calibration_curve(labels, p, n_bins=bins)
    texts = np.bincount(np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], p))
    texts = texts[texts > 0]
    return Calibration(predicted, observed, texts, float(np.average(np.abs(predicted - observed), weights=texts)))
