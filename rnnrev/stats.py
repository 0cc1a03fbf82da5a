"""Intervals and scores: every claim of the book comes with one of these.

Thin wrappers of SciPy, so that intervals are the same kind everywhere (95 %).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special, stats

__all__ = ["Calibration", "Estimate", "accuracy", "bootstrap", "calibration", "confusion", "over_seeds"]


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


def accuracy(predicted: np.ndarray, labels: np.ndarray) -> Estimate:
    """Share of right labels with Wilson's interval over texts."""
    predicted, labels = np.asarray(predicted), np.asarray(labels)
    if predicted.shape != labels.shape or not len(labels):
        raise ValueError(f"need as many predictions as labels and at least one: {predicted.shape}, {labels.shape}")
    right = int((predicted == labels).sum())
    interval = stats.binomtest(right, len(labels)).proportion_ci(0.95, "wilson")
    return Estimate(right / len(labels), interval.low, interval.high)


def bootstrap(
    samples: Any,
    statistic: Callable[..., Any] = np.mean,
    *,
    n: int = 2000,
    seed: int = 0,
    paired: bool = True,
) -> Estimate:
    """A statistic with its percentile bootstrap interval.

    ``samples`` is one array or a tuple of them (resampled together if ``paired``); ``statistic`` takes as
    many arrays and, to be fast, an ``axis`` keyword.
    """
    data = samples if isinstance(samples, tuple) else (np.asarray(samples),)
    vectorized = statistic in (np.mean, np.median, np.std)
    result = stats.bootstrap(
        data,
        statistic,
        n_resamples=n,
        paired=paired and len(data) > 1,
        vectorized=vectorized,
        method="percentile",
        rng=np.random.default_rng(seed),
        batch=200 if vectorized else None,
    )
    interval = result.confidence_interval
    return Estimate(float(statistic(*data)), float(interval.low), float(interval.high))


def over_seeds(values: Any, log: bool = False) -> Estimate:
    """Mean over independently trained networks with Student's interval (NaN bounds for a single one).

    Where all agree the interval is the value: nothing was seen to vary. With ``log`` mean and interval are taken of
    logarithms, and given as numbers again: for time constants, lengths and ratios, which must be positive.
    """
    values = np.asarray(values, float)
    if log:
        if np.any(values <= 0):
            raise ValueError(f"only positive numbers have logarithms, not {values.min()}")
        return Estimate(*map(float, np.exp(over_seeds(np.log(values)))))
    mean = float(values.mean())
    if len(values) < 2:
        return Estimate(mean, np.nan, np.nan)
    if np.ptp(values) == 0:
        return Estimate(mean, mean, mean)
    low, high = stats.t.interval(0.95, len(values) - 1, loc=mean, scale=stats.sem(values))
    return Estimate(mean, float(low), float(high))


def confusion(predicted: np.ndarray, labels: np.ndarray, n_classes: int = 2) -> np.ndarray:
    """Counts (C, C): row the true class, column the predicted one."""
    cells = np.asarray(labels) * n_classes + np.asarray(predicted)
    return np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)


class Calibration(NamedTuple):
    """Bins of predicted probability: mean prediction, share positive, number of texts; and the expected error (ECE)."""

    predicted: np.ndarray
    observed: np.ndarray
    texts: np.ndarray
    error: float


def calibration(logits: np.ndarray, labels: np.ndarray, bins: int = 10) -> Calibration:
    """How far predicted probabilities are shares: equal-width bins and their weighted mean gap.

    Source: Guo et al. 2017, *On calibration of modern neural networks*, section 2.
    """
    p = special.expit(np.asarray(logits, float))
    which = np.minimum((p * bins).astype(int), bins - 1)
    count = np.bincount(which, minlength=bins)
    with np.errstate(invalid="ignore"):
        predicted = np.bincount(which, p, bins) / count
        observed = np.bincount(which, np.asarray(labels, float), bins) / count
    gap = np.nansum(np.abs(predicted - observed) * count) / count.sum()
    return Calibration(predicted, observed, count, float(gap))
