"""Recovery against networks whose insides are known: built by hand, not trained."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sweeps import graded

from rnnrev.book import recovery
from rnnrev.book.language import Language
from rnnrev.book.recovery import recover
from rnnrev.cells import Cell
from rnnrev.data import Reviews
from rnnrev.line_attractor import attractor_dimension
from rnnrev.model import SentimentRNN

SMALL = 1e-3  #: inputs so small that tanh is linear
PLAIN = replace(Language(), modifiers=(), n_decoys=0, start_gain=0.0, end_gain=0.0)


def adder(language: Language, decays: list[float], n_inputs: int = 1) -> SentimentRNN:
    """A tanh network that adds up valences: units that keep a share ``decays`` of themselves, the first ones read."""
    n, width = len(decays), max(n_inputs, 1)
    W = np.zeros((width, n))
    W[np.arange(width), np.arange(width)] = SMALL
    cell = Cell("vanilla", W, np.diag(decays), np.zeros(n), np.zeros(n), np.zeros(n))
    valence = np.reshape(language.valence, (len(language.vocabulary), -1)) / language.noise
    w = np.zeros((n, width))
    w[np.arange(width), np.arange(width)] = 1 / SMALL
    if width == 1:
        w = w[:, 0]
    return SentimentRNN(
        cell, valence, language.vocabulary, w, np.zeros(w.shape[1:]), "by hand", counts=language.frequencies * 1e6
    )


def test_an_adder_is_found_to_be_one() -> None:
    found = recover(PLAIN, adder(PLAIN, [0.9999, 0.6, 0.5, 0.4]), PLAIN.sample(800, 3))
    assert found.valence_spearman == pytest.approx(1)
    assert found.valence_slope == pytest.approx(1, abs=0.02)
    assert found.modifiers_called == 0
    assert abs(found.gap) < 0.5  # it is the best reader of this language
    assert found.accuracy == pytest.approx(found.best_reader, abs=0.005)
    assert found.reader_without == found.best_reader  # there are no modifiers to know
    np.testing.assert_allclose(found.profiles.found, 1, atol=0.03)
    nothing = {f.name for f in dataclasses.fields(found) if f.default is np.nan and np.isnan(getattr(found, f.name))}
    assert {"recall", "gain_slope", "decay_error", "start_length", "removal_ratio"} <= nothing


def test_a_fading_unit_that_is_read_is_found_at_the_end() -> None:
    made = adder(PLAIN, [0.9999, np.exp(-1 / 3), 0.4])
    cell = replace(made.cell, W=np.array([[SMALL, SMALL, 0.0]]))
    model = replace(made, cell=cell, w=np.array([1, 2, 0]) / SMALL)
    # a language in which the last word counts 3 times as much, fading over 3 tokens, is what this network would read
    like_it = replace(PLAIN, end_gain=2.0, end_length=3.0)
    found = recover(like_it, model, PLAIN.sample(800, 3))
    assert found.end_length == pytest.approx(3, rel=0.1)
    assert found.end_excess_error == pytest.approx(0, abs=0.1)
    end = found.profiles[found.profiles.end == "end"]
    np.testing.assert_allclose(end.found, end.true, atol=0.15)


def test_marks_of_words_by_hand() -> None:
    words = pd.DataFrame({
        "role": ["positive", "negative", "positive", "modifier", "modifier", "decoy"],
        "true_valence": [2.0, -1.0, 1.0, 0, 0, 0], "found_valence": [1.0, -0.5, 0.5, 0, 0, 0],
        "found_valence_settled": [2.0, -1.0, 1.0, 0, 0, 0],
        "gain": [0, 0, 0, -2.0, 2.0, 0], "true_gain": [0, 0, 0, -1.0, 1.0, 0],
        "found_gain": [0, 0, 0, -0.5, 0.5, 0], "found_gain_settled": [0, 0, 0, 1.0, -1.0, 0],
        "decay": [np.nan] * 3 + [2.0, 4.0, np.nan], "found_decay": [np.nan] * 3 + [3.0, 3.0, np.nan],
    })  # fmt: skip
    marks = recovery.mark_words(words)
    assert marks["valence_spearman"] == pytest.approx(1)
    assert (marks["valence_slope"], marks["valence_slope_settled"]) == pytest.approx((0.5, 1))
    assert (marks["gain_slope"], marks["gain_slope_settled"], marks["gain_r2_settled"]) == pytest.approx((0.5, -1, 1))
    assert (marks["sign_right"], marks["decay_error"]) == pytest.approx((1, 0.375))


def test_marks_of_a_ranking_by_hand() -> None:
    words = pd.DataFrame({"word": ["no", "very", "idle"], "role": ["modifier", "modifier", "decoy"],
                          "true_gain": [-1.0, 0.2, 0.0]})  # fmt: skip
    effects = pd.DataFrame({"word": ["no", "idle", "thing", "very"], "strength": [0.5, 0.9, 0.1, 0.2],
                            "kind": ["negator", "intensifier", "other", "other"]})  # fmt: skip
    marks = recovery.mark_ranking(words, effects)  # "very" changes too little to be one
    assert marks == {"modifiers_called": 2, "decoys_called": 1, "precision": 0.5, "recall": 1,
                     "modifier_auc": pytest.approx(2 / 3)}  # fmt: skip


@pytest.mark.parametrize("n_topics", [3, 5])
def test_dimension_of_an_attractor_made_by_hand(n_topics: int) -> None:
    language = replace(PLAIN, n_topics=n_topics, n_valence=60)
    model = adder(language, [0.999] * n_topics + [0.6, 0.5, 0.4, 0.3], n_topics)
    found = attractor_dimension(model, language.sample(600, 3), n_starts=12)
    assert found.slow_modes == n_topics
    np.testing.assert_allclose(found.tau[:n_topics], -1 / np.log(0.999), rtol=0.1)  # tanh bends a little


def test_a_rotation_is_two_dimensions_of_an_attractor() -> None:
    """A conjugate pair spans a plane, and what grows is no memory."""
    made = adder(PLAIN, [0.999, 0.0, 0.0, 0.3, 1.01])
    U = made.cell.U.copy()
    turn = 0.9 * np.array([[np.cos(1), np.sin(1)], [-np.sin(1), np.cos(1)]])
    U[1:3, 1:3] = turn
    found = attractor_dimension(replace(made, cell=replace(made.cell, U=U)), PLAIN.sample(600, 3), n_starts=12)
    expected = -1 / np.log([0.999, 0.9, 0.9, 0.3])
    np.testing.assert_allclose(found.tau, expected, rtol=0.1)


def test_grades_lie_where_an_adder_puts_them() -> None:
    """The adder's state is its evidence: grades that cut the evidence lie on its line, at their mean logit."""
    model = adder(PLAIN, [0.9999, 0.6, 0.5, 0.4])
    texts = PLAIN.sample(800, 3).texts
    logits = model.logits(texts)
    grades = np.digitize(logits, [-2.0, 0.0, 2.0]) + 1
    found = graded(model, Reviews("cut", "all", texts, grades))
    for row in found.table.itertuples():
        own = logits[grades == row.grade]
        assert row.texts == len(own)
        assert row.logit == pytest.approx(own.mean())
        assert row.low < row.logit < row.high
    assert np.all(np.diff(found.table.along) > 0)
    np.testing.assert_allclose(found.table.off, 0, atol=0.02)
    assert (found.on_line, found.cosine) == pytest.approx((1, 1), abs=1e-3)
    assert found.spearman.value == pytest.approx(spearmanr(logits, grades).statistic)
    with pytest.raises(ValueError, match="at least 3"):
        graded(model, Reviews("two", "all", texts, (logits > 0).astype(int)))


def test_figures_show_what_was_found() -> None:
    from rnnrev.book.plots import language as plots

    profiles = pd.DataFrame({"end": ["start", "start", "end"], "at": [0, 1, 0], "found": [2.0, 1.5, 3.0],
                             "low": 1.0, "high": 4.0, "true": [2.5, 1.5, 2.0]})  # fmt: skip
    found, true = plots.profiles(profiles).axes[0].lines
    assert (list(found.get_ydata()), list(true.get_ydata())) == ([2.0, 1.5], [2.5, 1.5])
    words = pd.DataFrame({"role": ["positive", "modifier"], "kind": ["", "flip"], "true_valence": [1.0, 0],
                          "found_valence": [0.5, 0], "true_gain": [0, -2.0], "found_gain": [0, -1.0],
                          "decay": [np.nan, 3.0], "found_decay": [np.nan, 2.0]})  # fmt: skip
    left, middle, right = plots.words(words).axes
    assert list(left.lines[0].get_xydata()[0]) == [1, 0.5]
    assert list(middle.lines[0].get_xydata()[0]) == [-2, -1]
    assert list(right.lines[0].get_xydata()[0]) == [3, 2]
    rows = [{"network": f"{cell}-x-{seed}", "data": "x", "measure": m, "value": seed}
            for cell in ("gru", "lstm") for seed in (1, 2) for m in ("gap", "recall")]  # fmt: skip
    panels = plots.spread(pd.DataFrame(rows), {"gap": "points", "recall": "recall"}, "cell", truth={"gap": 0}).axes
    assert [line.get_ydata().tolist() for line in panels[0].lines[:2]] == [[1, 2], [1, 2]]
    assert [text.get_text() for text in panels[1].get_xticklabels()] == ["gru", "lstm"]
    curves = [{"network": "gru-x-0", "data": "x, 3 unordered classes", "measure": m, "at": at, "value": value}
              for m, at, value in (("tau", 1, 90.0), ("tau", 2, 80.0), ("slow_modes_theory", np.nan, 2))]  # fmt: skip
    curve, theory = plots.classes(pd.DataFrame(curves)).axes[0].lines
    assert (list(curve.get_ydata()), theory.get_xdata()[0]) == ([90, 80], 2.5)


@pytest.mark.slow
def test_a_trained_network_is_recovered() -> None:
    """A GRU of 64 units, trained for half a minute: every analysis finds what was put in."""
    language = Language()
    found = recover(language, recovery.learn(language))
    assert found.gap < 2
    assert found.valence_spearman > 0.95
    assert found.recall > 0.8
    assert found.sign_right == 1
    assert found.gain_r2 > 0.8
    assert found.removal_ratio > 4 * abs(found.removal_ratio_random)
