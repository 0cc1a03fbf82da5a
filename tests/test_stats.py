"""Intervals against SciPy's and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

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


def test_what_never_varies_has_an_interval_without_width():
    assert stats.bootstrap(np.zeros(30)) == (0, 0, 0)


def test_resampling_weights_are_the_bootstrap(rng):
    x = rng.normal(3, 2, 400)
    weights = stats.resample(len(x), 4000, seed=1)
    np.testing.assert_allclose(weights.sum(1), 1)
    found = stats.estimate(weights @ x)
    assert found.value == pytest.approx(x.mean())
    np.testing.assert_allclose(found[1:], scipy_stats.norm.interval(0.95, x.mean(), x.std() / 20), atol=0.02)


def test_kinds_are_resampled_as_often_as_they_occur():
    weights = stats.resample(np.array([30, 60, 10]), 20_000)
    p = np.array([0.3, 0.6, 0.1])
    np.testing.assert_allclose(weights[0], p)
    np.testing.assert_allclose(weights[1:].mean(0), p, atol=0.003)
    np.testing.assert_allclose(np.cov(weights[1:].T), (np.diag(p) - np.outer(p, p)) / 100, atol=1e-4)  # multinomial


def test_intervals_leave_out_draws_without_a_value():
    draws = np.column_stack([np.r_[np.linspace(0, 1, 1001), np.nan], np.arange(1002.0)])
    low, high = stats.interval(draws)
    np.testing.assert_allclose((low[0], high[0]), (0.025, 0.975))
    np.testing.assert_allclose((low[1], high[1]), (0.025 * 1001, 0.975 * 1001))


def test_over_seeds_is_students_interval():
    low, high = scipy_stats.t.interval(0.95, 2, loc=2, scale=1 / np.sqrt(3))
    np.testing.assert_allclose(stats.over_seeds([1, 2, 3]), (2, low, high))
    assert np.isnan(stats.over_seeds([1.0]).low)
    assert stats.over_seeds([0.7, 0.7, 0.7]) == pytest.approx((0.7, 0.7, 0.7))


def test_over_seeds_stays_inside_what_is_possible():
    t = scipy_stats.t.ppf(0.975, 2) / np.sqrt(3) * np.array([0, -1, 1])
    assert stats.over_seeds([1, 10, 100], (0, np.inf)) == pytest.approx(np.exp(np.log(10) * (1 + t)))
    assert stats.over_seeds([2, 11, 101], (1, np.inf)) == pytest.approx(1 + np.exp(np.log(10) * (1 + t)))
    odds = np.array([0.25, 1, 4])  # shares of 1/5, 1/2 and 4/5
    assert stats.over_seeds(odds / (1 + odds), (0, 1)) == pytest.approx(1 / (1 + np.exp(-np.log(4) * t)))
    assert stats.over_seeds([-0.5, 0.0, 0.5], (-1, 1)) == pytest.approx(np.tanh(np.arctanh(0.5) * t))
    # r² of three networks: Student's interval reaches below 0 and above 1
    assert stats.over_seeds([0.25, 0.83, 0.92]).high > 1
    for values in ([0.25, 0.83, 0.92], [0.9, 1.0, 1.0], [0.0, 0.5, 0.9]):
        made = stats.over_seeds(values, (0, 1))
        assert 0 <= made.low <= made.value <= made.high <= 1
    assert stats.over_seeds([0.9, 1.0, 1.0], (0, 1)) == pytest.approx((29 / 30, 0.9, 1))
    with pytest.raises(ValueError, match=r"must lie in \[1, inf\]"):
        stats.over_seeds([2.0, 0.2], (1, np.inf))


def test_calibration_of_a_calibrated_and_of_an_overconfident_model(rng):
    logits = rng.normal(0, 2, 200_000)
    labels = rng.uniform(size=len(logits)) < 1 / (1 + np.exp(-logits))
    assert stats.calibration(logits, labels).error < 0.01
    assert stats.calibration(3 * logits, labels).error > 0.1
    assert stats.calibration(logits, labels).texts.sum() == len(logits)


def test_calibration_of_four_texts_by_hand():
    p = np.array([0.1, 0.2, 0.9, 0.95])  # bins of width 1/2: means .15 and .925, shares 0 and 1/2
    found = stats.calibration(np.log(p / (1 - p)), np.array([0, 0, 0, 1]), bins=2)
    np.testing.assert_allclose(found.predicted, [0.15, 0.925])
    np.testing.assert_allclose(found.observed, [0, 0.5])
    np.testing.assert_array_equal(found.texts, [2, 2])
    assert found.error == pytest.approx((0.15 + 0.425) / 2)


def test_area_under_the_curve_is_scikit_learns_for_every_draw(rng):
    labels, scores = rng.integers(0, 2, (5, 60)), rng.normal(size=(5, 60)).round(1)  # with ties
    wanted = [roc_auc_score(y, z) for y, z in zip(labels, scores)]
    np.testing.assert_allclose(stats.auc(labels, scores), wanted)


def test_accuracy_of_nothing_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        stats.accuracy(np.array([]), np.array([]))
