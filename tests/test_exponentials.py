"""Words as small matrices: a network built by hand whose volume multiplies exponentially is found to be that."""

from __future__ import annotations

import numpy as np
import pytest
from exponentials import word_form
from test_balanced import KNOWN, random_texts

from rnnrev.balanced import ReducedRNN, explained, petrov_galerkin
from rnnrev.data import PAD, UNKNOWN, Vocabulary
from rnnrev.driven import FunctionCell
from rnnrev.model import SentimentRNN

RATE = 0.9  #: e-foldings of volume by one unit of v


def multiplying(rate: float = RATE) -> ReducedRNN:
    """One memory, m' = .97 m + exp(rate v) valence, and a volume, v' = .8 v + push, as they are."""
    x = np.zeros((len(KNOWN) + 2, 2))
    x[2:6] = [[0.3, 0], [-0.3, 0], [0, -0.7], [0, 0.7]]
    x[6:, 0] = np.random.default_rng(1).normal(0, 0.1, 30)

    def step(h: np.ndarray, x: np.ndarray) -> np.ndarray:
        loud = np.exp(rate * h[..., 1:]) if rate else 1.0
        return np.concatenate([0.97 * h[..., :1] + loud * x[..., :1], 0.8 * h[..., 1:] + x[..., 1:]], -1)

    def jacobian(h: np.ndarray, x: np.ndarray) -> np.ndarray:
        J = np.tile(np.diag([0.97, 0.8]), (len(h), 1, 1))
        J[:, 0, 1] = rate * np.exp(rate * h[:, 1]) * x[:, 0]
        return J

    cell = FunctionCell.of(step, np.array([0.0, 1.5]), 2, jacobian)
    counts = np.r_[0, 0, 20, 20, 15, 15, np.ones(30)]
    words = Vocabulary((PAD, UNKNOWN, *KNOWN))
    model = SentimentRNN(cell, x, words, np.array([1.0, 0.0]), 0.2, "by hand", counts=counts)
    return petrov_galerkin(model, np.eye(2), np.eye(2), np.zeros(2))


@pytest.fixture(scope="module")
def small() -> ReducedRNN:
    return multiplying()


def test_the_multiplying_coordinate_and_every_word_are_found(small: ReducedRNN) -> None:
    form = word_form(small, random_texts(small, 60))
    assert form.one_step > 0.9999
    assert form.affine < 0.995
    assert form.kappa[1] / form.scale[1] == pytest.approx(RATE, rel=0.02)  # per unit of v
    # b + A g at v = 0 is what a word says there: valence, in standard deviations of memory
    z = (np.zeros((1, 2)) - form.centre) / form.scale
    good, bad = (form.advance(z, np.array([small.vocabulary.number(w)]))[0, 0] for w in ("good", "bad"))
    assert (good - bad) / 2 * form.scale[0] == pytest.approx(0.3, rel=0.02)
    down = form.advance(z, np.array([small.vocabulary.number("not")]))[0, 1] - z[0, 1]
    assert down * form.scale[1] == pytest.approx(-0.7, rel=0.02)


def test_whole_texts_are_read_as_the_network_reads_them_and_affine_words_fall_short(small: ReducedRNN) -> None:
    train, fresh = random_texts(small, 60), random_texts(small, 50, 80, 200, seed=5)
    whole = small.logits_of(fresh)
    form, flat = (word_form(small, train, linear=linear) for linear in (False, True))
    assert explained(whole, form.logits_of(fresh)) > 0.99
    assert explained(whole, flat.logits_of(fresh)) < 0.97
    assert (flat.kappa == 0).all()
    # two kinds of words, valence words and pushers: two numbers a word are enough, one is not
    assert explained(whole, form.of_rank(2).logits_of(fresh)) > 0.98
    assert explained(whole, form.of_rank(1).logits_of(fresh)) < 0.9


def test_without_a_volume_nothing_multiplies() -> None:
    small = multiplying(0.0)
    form = word_form(small, random_texts(small, 60))
    assert form.affine == pytest.approx(1, abs=1e-6)
    fresh = random_texts(small, 30, seed=5)
    assert explained(small.logits_of(fresh), form.logits_of(fresh)) > 0.99


def test_words_that_were_not_asked_for_have_no_matrix(small: ReducedRNN) -> None:
    rare = [small.vocabulary.number("filler3")]
    form = word_form(small, random_texts(small, 40), rare)
    assert form.numbers[rare].any()
    assert not form.numbers[0].any()  # padding
