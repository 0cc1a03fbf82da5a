"""The knob against what its definition says, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnrev import knob
from rnnrev.cells import Cell, initial_weights
from rnnrev.data import Vocabulary
from rnnrev.model import SentimentRNN

WORDS = ("<pad>", "<unk>", "good", "bad", "not", "very", "so")
LOGIT = np.log([[0.9], [0.5], [0.8]]) - np.log1p(-np.array([[0.9], [0.5], [0.8]]))


def by_hand(c: float = 0.0, start: float = 0.0, kept: float = 40.0) -> SentimentRNN:
    """Valences ±1; *not* divides the next word by ten, *very* doubles it; ρ .9, λ .5 and .8."""
    rows = np.zeros((len(WORDS), 4))
    rows[2, 0], rows[3, 0], rows[4, 2], rows[5, 2] = 1, -1, np.log(0.1), np.log(2)
    rows[:, 1] = kept
    b_rec = np.array([c, *LOGIT[:, 0]])
    cell = Cell("knob", np.eye(4), np.zeros((1, 4)), np.zeros(4), b_rec, np.array([0, 0, start, 0.0]))
    counts = np.array([0, 0, 1, 1, 1, 1, 6])
    return SentimentRNN(cell, rows, Vocabulary(WORDS), np.array([1.0, 0, 0, 0]), 0.0, "by hand", counts=counts)


def read(model: SentimentRNN, text: str) -> float:
    return float(model.logits([text])[0])


def test_modifiers_multiply_and_fade():
    model = by_hand()
    assert read(model, "good good bad") == pytest.approx(1)
    assert read(model, "not good") == pytest.approx(0.1)
    assert read(model, "not so so good") == pytest.approx(np.exp(np.log(0.1) / 4))
    assert read(model, "not very good") == pytest.approx(np.exp(np.log(0.1) / 2) * 2)
    assert read(knob.without(model, "modifiers"), "not good") == pytest.approx(
        read(knob.without(model, "modifiers"), "so good")
    )


def test_beginning_and_end_count_more():
    model = by_hand(c=1.0, start=np.log(3))
    assert read(model, "good") == pytest.approx(3 * 2)
    assert read(model, "so good") == pytest.approx(np.sqrt(3) * 2)
    assert read(model, "good so") == pytest.approx(3 * 1.9)
    assert read(knob.without(model, "end"), "good so") == pytest.approx(3)
    same = knob.shared(model)
    assert (same.quick, same.slow, same.fades, same.end) == pytest.approx((0.5, 0.8, 0.9, 2))
    assert same.beginning == pytest.approx(3 / np.exp(2 * 0.1 * np.log(0.2)))
    middle = knob.without(model, "beginning", "end")
    assert read(middle, "good") == pytest.approx(np.exp(2 * 0.1 * np.log(0.2)))  # where the average word holds it


def test_contributions_add_up_to_the_logit():
    rng = np.random.default_rng(0)
    cell = initial_weights("knob", 5, 1, 3).astype(np.float64)
    cell = replace(cell, b_rec=rng.normal(size=4), W=rng.normal(size=(5, 4)))
    vocabulary = Vocabulary(WORDS)
    model = SentimentRNN(cell, rng.normal(0, 0.5, (7, 5)), vocabulary, np.array([0.4, 0, 0, 0]), 0.3, counts=np.ones(7))
    ids = rng.integers(1, 7, 12)
    rows = knob.contributions(model, ids)
    assert rows.counts.sum() + model.b == pytest.approx(float(model.logits_of([ids])[0]))
    assert rows.memory.iloc[-1] == pytest.approx(0.4 * model.states_of([ids])[0][-1, 1])
    assert knob.numbers(model).valence["good"] == pytest.approx(0.4 * model.projected[2, 0])


def test_it_says_what_it_is_for():
    model = by_hand()
    with pytest.raises(ValueError, match="no part of a knob"):
        knob.without(model, "middle")
    gru = replace(model, cell=initial_weights("gru", 4, 1).astype(np.float64), w=np.ones(1))
    for wrong in (knob.numbers, knob.shared, knob.without):
        with pytest.raises(ValueError, match="a gru of 1 units"):
            wrong(gru)


def test_shipping_keeps_four_numbers_a_word():
    rng = np.random.default_rng(1)
    cell = initial_weights("knob", 9, 1, 3)
    model = SentimentRNN(cell, rng.normal(0, 1, (7, 9)).astype("f4"), Vocabulary(WORDS), np.array([1, 0, 0, 0.0]), 0.0)
    settings, arrays = model.to_arrays(compact=True)
    again = SentimentRNN.from_arrays(settings, arrays, model.vocabulary)
    assert again.embedding.shape == (7, 4)
    np.testing.assert_allclose(again.projected, model.projected, atol=0.02)
