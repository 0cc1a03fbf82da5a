"""Tied filters of scripts/tied.py: the formula written out, the gradient, and what labels say of shared numbers."""

from dataclasses import replace

import numpy as np
import pytest
from tied import DECAYS, LIMIT, TiedFilters, fit

from rnnrev.data import Vocabulary

WORDS = Vocabulary(("<pad>", "<unk>", "good", "bad", "not", "very", "a"))


@pytest.fixture
def form():
    rng = np.random.default_rng(5)
    beta = np.array([0, 0, 2.0, -2.0, 0, 0, 0])
    push = np.zeros((7, 2))
    push[4], push[5] = (-1.0, 0.3), (0.8, 0.1)
    return TiedFilters(beta, push, np.array([0.5, -0.2]), WORDS, rng.normal(0, 0.3, len(DECAYS) * 2), 1.5, -0.1)


def test_logits_are_the_sum_written_out(form):
    ids = np.array([6, 4, 2, 5, 4, 3])
    c = form.c.reshape(len(DECAYS), 2)
    total = form.b
    for t, word in enumerate(ids):
        kappa = sum(d**t * (form.start @ c[i]) for i, d in enumerate(DECAYS))
        for m in range(t):
            kappa += sum(d ** (t - m - 1) * (form.push[ids[m]] @ c[i]) for i, d in enumerate(DECAYS))
        total += form.s * form.beta[word] * np.exp(np.clip(kappa, -LIMIT, LIMIT))
    assert form.logits_of([ids])[0] == pytest.approx(total, rel=1e-12)


def test_shared_numbers_are_found_from_labels_and_serve_a_word_that_was_never_seen(form):
    rng = np.random.default_rng(7)
    texts = [rng.choice([2, 3, 4, 6], 8, p=[0.25, 0.25, 0.2, 0.3]) for _ in range(3000)]
    true = replace(form, c=np.r_[1.5, 0, np.zeros(2 * len(DECAYS) - 2)], b=0.0, start=np.zeros(2))
    labels = (rng.random(3000) < 1 / (1 + np.exp(-true.logits_of(texts)))).astype(float)
    found = fit(replace(true, c=np.zeros_like(true.c), s=1.0), texts, labels)
    phrases = [np.array(p) for p in ([2], [4, 2], [4, 6, 2], [5, 2])]  # no text had "very"
    plain, turned, later, more = found.logits_of(phrases)
    assert turned < later < plain < more
    likelihood = [np.mean(labels * z - np.logaddexp(0, z)) for z in (m.logits_of(texts) for m in (found, true))]
    assert likelihood[0] > likelihood[1] - 2e-3
