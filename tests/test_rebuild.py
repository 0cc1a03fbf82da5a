"""Few numbers a word: a network built by hand, with words of two kinds, needs two; and what the ladder measures."""

from __future__ import annotations

import numpy as np
import pytest
import rebuild as script
from sklearn.metrics import roc_auc_score
from test_balanced import random_texts
from test_exponentials import multiplying

from rnnrev.balanced import explained
from rnnrev.rebuild import few_numbers, products


def test_two_kinds_of_words_need_two_numbers_and_these_are_what_was_put_in() -> None:
    small = multiplying()
    form = few_numbers(small, random_texts(small, 60), 3)
    fresh = random_texts(small, 50, 80, 200, seed=5)
    whole = small.logits_of(fresh)
    assert explained(whole, form.of_rank(2).logits_of(fresh)) > 0.98
    assert explained(whole, form.of_rank(1).logits_of(fresh)) < 0.9
    known = small.embedding[2:]  # valence and push of every word
    told = np.c_[np.ones(len(known)), form.numbers[2:, :2]]
    left = known - told @ np.linalg.lstsq(told, known, rcond=None)[0]
    assert (left.std(0) < 0.02 * known.std(0)).all()


def test_traces_end_at_the_logit_and_states_start_where_the_network_starts() -> None:
    small = multiplying()
    form = few_numbers(small, random_texts(small, 60), 2)
    ids = random_texts(small, 3, seed=2)
    along = [form.logits_along(i) for i in ids]
    np.testing.assert_allclose([a[-1] for a in along], form.logits_of(ids), rtol=1e-6)
    assert along[0][0] == pytest.approx(small.readout(small.cell.h0), abs=1e-4)


def test_products_are_all_of_them_once() -> None:
    z = np.array([[2.0, 3.0]])
    assert sorted(products(z)[0]) == sorted([1, 2, 3, 4, 6, 9, 8, 12, 18, 27])


def test_the_area_under_the_curve_of_every_draw() -> None:
    rng = np.random.default_rng(0)
    labels, z = rng.integers(0, 2, 80), rng.normal(0, 1, 80).round(1)  # with ties
    W = script.draws(80)[:5]
    wanted = [roc_auc_score(labels, z, sample_weight=w) for w in W]
    np.testing.assert_allclose(script.auc(W, labels, z), wanted)
