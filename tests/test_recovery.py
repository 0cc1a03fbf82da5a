"""Recovery against networks whose insides are known: built by hand, not trained."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr

from rnnrev import recovery
from rnnrev.cells import Cell
from rnnrev.data import Reviews
from rnnrev.language import Language
from rnnrev.model import SentimentRNN
from rnnrev.recovery import attractor_dimension, measure, recover, run_cell, variant

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


def test_an_adder_is_found_to_be_one():
    found = recover(PLAIN, adder(PLAIN, [0.9999, 0.6, 0.5, 0.4]), PLAIN.sample(800, 3))
    m = found.measures
    assert m["valence_spearman"] == pytest.approx(1)
    assert m["valence_slope"] == pytest.approx(1, abs=0.02)
    assert m["tau_1"] == pytest.approx(-1 / np.log(0.9999), rel=0.02)
    assert m["tau_2"] == pytest.approx(-1 / np.log(0.6), rel=0.02)
    assert m["alignment"] == pytest.approx(1)
    assert m["modifiers"] == 0
    assert abs(m["gap"]) < 0.5  # it is the best reader of this language
    assert m["accuracy"] == pytest.approx(m["bayes_reader"], abs=0.005)
    np.testing.assert_allclose(found.profiles["start"]["found"], 1, atol=0.03)
    np.testing.assert_allclose(found.profiles["end"]["found"], 1, atol=0.03)


def test_a_fading_unit_that_is_read_is_found_at_the_end():
    made = adder(PLAIN, [0.9999, np.exp(-1 / 3), 0.4])
    cell = replace(made.cell, W=np.array([[SMALL, SMALL, 0.0]]))
    model = replace(made, cell=cell, w=np.array([1, 2, 0]) / SMALL)
    m = measure(model, PLAIN.sample(800, 3), span=20).numbers
    assert m["end_length"] == pytest.approx(3, rel=0.1)
    assert m["end_emphasis"] == pytest.approx(3, rel=0.1)


@pytest.mark.parametrize("n_topics", [3, 5])
def test_dimension_of_an_attractor_made_by_hand(n_topics):
    language = replace(PLAIN, n_topics=n_topics, n_valence=60)
    model = adder(language, [0.999] * n_topics + [0.6, 0.5, 0.4, 0.3], n_topics)
    found = attractor_dimension(model, language.sample(600, 3), n_starts=12)
    assert found["slow_modes"] == n_topics
    np.testing.assert_allclose(found["tau"][:n_topics], -1 / np.log(0.999), rtol=0.1)  # tanh bends a little


def test_grades_lie_where_an_adder_puts_them():
    """The adder's state is its evidence: grades that cut the evidence lie on its line, at their mean logit."""
    model = adder(PLAIN, [0.9999, 0.6, 0.5, 0.4])
    texts = PLAIN.sample(800, 3).texts
    logits = model.logits(texts)
    grades = np.digitize(logits, [-2.0, 0.0, 2.0]) + 1
    found = recovery.graded(model, Reviews("cut", "all", texts, grades))
    for row in found["grades"]:
        own = logits[grades == row["grade"]]
        assert row["texts"] == len(own)
        assert row["logit"][0] == pytest.approx(own.mean())
    assert np.all(np.diff([row["along"] for row in found["grades"]]) > 0)
    assert found["on_line"] == pytest.approx(1, abs=1e-3)
    assert found["cosine"] == pytest.approx(1, abs=1e-3)
    assert found["spearman"][0] == pytest.approx(spearmanr(logits, grades).statistic)
    with pytest.raises(ValueError, match="at least 3"):
        recovery.graded(model, Reviews("two", "all", texts, (logits > 0).astype(int)))


def test_variants_are_harder_in_one_way_only():
    usual = Language()
    longer, more = variant(usual, stretch=2), variant(usual, copies=3)
    assert [m.decay for m in longer.modifiers] == [2 * m.decay for m in usual.modifiers]
    assert len(more.modifiers) == 3 * len(usual.modifiers)
    assert more.modifier_share == usual.modifier_share
    assert variant(usual) == usual


def test_cells_of_a_sweep_hold_plain_numbers(monkeypatch):
    def by_hand(language, cell="gru", seed=0, texts=0, **options):
        model = adder(language, [0.9999, 0.6, 0.5, 0.4])
        return replace(model, record={"seconds": 0.0})

    monkeypatch.setattr(recovery, "learn", by_hand)
    plain = {"modifiers": [], "n_decoys": 0, "start_gain": 0.0, "end_gain": 0.0}
    made = run_cell({"task": "recover", "cell": "gru", "seed": 0, "language": plain})
    assert len(made["details"]["words"]["word"]) == 60
    assert all(isinstance(v, int | float) for k, v in made.items() if k != "details")
    made = run_cell({"task": "classes", "cell": "gru", "seed": 0, "classes": "ordered 2"})
    assert made["slow_modes"] == 1


@pytest.mark.slow
def test_a_trained_network_is_recovered():
    """A GRU of 64 units, trained for half a minute: every analysis finds what was put in."""
    language = Language()
    found = recover(language, recovery.learn(language)).measures
    assert found["gap"] < 2
    assert found["valence_spearman"] > 0.95
    assert found["recall"] > 0.8
    assert found["sign_right"] == 1
    assert found["gain_r2"] > 0.8
