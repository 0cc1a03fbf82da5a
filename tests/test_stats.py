"""Intervals against SciPy's and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from rnnrev import stats


def test_wilson_interval_closed_form():
    right, n, z = 80, 100, scipy_stats.norm.ppf(0.975)
    centre = (right / n + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(0.8 * 0.2 / n + z**2 / (4 * n**2))
    found = stats.accuracy(np.arange(n) < right, np.ones(n, bool))
    np.testing.assert_allclose(found, (0.8, centre - half, centre + half))


def test_bootstrap_of_a_mean_is_close_to_the_normal_interval(rng):
    x = rng.normal(3, 2, 2000)
    found = stats.bootstrap(x)
    half = 1.96 * x.std() / np.sqrt(len(x))
    np.testing.assert_allclose(found, (x.mean(), x.mean() - half, x.mean() + half), atol=0.02)


def test_bootstrap_of_pairs_keeps_them_together(rng):
    x = rng.normal(0, 10, 500)
    found = stats.bootstrap((x, x + 1), lambda a, b: np.mean(b - a), n=200)
    np.testing.assert_allclose(found, (1, 1, 1))


def test_over_seeds_is_students_interval():
    low, high = scipy_stats.t.interval(0.95, 2, loc=2, scale=1 / np.sqrt(3))
    np.testing.assert_allclose(stats.over_seeds([1, 2, 3]), (2, low, high))
    assert np.isnan(stats.over_seeds([1.0]).low)
    assert stats.over_seeds([0.7, 0.7, 0.7]) == pytest.approx((0.7, 0.7, 0.7))
    assert stats.over_seeds([1, 10, 100], log=True) == pytest.approx(
        np.exp(np.log(10) + np.array([0, -1, 1]) * scipy_stats.t.ppf(0.975, 2) * np.log(10) / np.sqrt(3))
    )
    with pytest.raises(ValueError, match="positive"):
        stats.over_seeds([1.0, -1.0], log=True)


def test_confusion_rows_are_truth():
    found = stats.confusion(np.array([0, 1, 1, 1]), np.array([0, 0, 1, 1]))
    np.testing.assert_array_equal(found, [[1, 1], [0, 2]])


def test_calibration_of_a_calibrated_and_of_an_overconfident_model(rng):
    logits = rng.normal(0, 2, 200_000)
    labels = rng.uniform(size=len(logits)) < 1 / (1 + np.exp(-logits))
    assert stats.calibration(logits, labels).error < 0.01
    assert stats.calibration(3 * logits, labels).error > 0.1
    assert stats.calibration(logits, labels).texts.sum() == len(logits)


def test_accuracy_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        stats.accuracy(np.array([]), np.array([]))
