"""Next-word pre-training: windows, a text that can be foreseen, the loss against NumPy, what training starts with."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from itertools import pairwise

import numpy as np
import pytest
from pretrain import Reader, next_word, windows_of
from scipy.special import logsumexp
from test_train import SMALL, one_shard, toy  # noqa: F401

from rnnrev.data import Vocabulary, pad
from rnnrev.files import write_npz
from rnnrev.train import train


@pytest.mark.parametrize("size", [2, 3, 7, 100])
def test_windows_hold_every_pair_of_neighbours_once(size):
    texts = [np.arange(start, start + n) for start, n in ((0, 1), (100, 2), (200, 9), (300, 13))]
    pairs = [(a, b) for w in windows_of(texts, size) for a, b in pairwise(w)]
    assert sorted(pairs) == sorted((a, b) for t in texts for a, b in pairwise(t))
    assert max(len(w) for w in windows_of(texts, size)) <= size


def test_the_cross_entropy_is_that_of_the_cell_in_numpy(rng):
    network = Reader("lstm", 6, rng.standard_normal((20, 4)).astype(np.float32), "float32", 0)
    network.bias.assign(rng.standard_normal(20))
    ids, lengths = pad([rng.integers(0, 20, n).astype(np.int32) for n in (5, 3, 9)])
    cell, E = network.recurrent.cell(), np.asarray(network.embedding)
    losses = []
    for row, n in zip(ids, lengths):
        h = cell.h0
        for now, after in pairwise(row[:n]):
            h = cell.step(h, E[now])
            logits = E @ (h[:6] @ np.asarray(network.P)) + np.asarray(network.bias)
            losses.append(logsumexp(logits) - logits[after])
    assert float(network.cross_entropy(ids, lengths)) == pytest.approx(np.mean(losses), rel=1e-5)


def cyclic(n: int) -> list[str]:
    """Texts of one cycle of 26 words begun anywhere: only the first word is news."""
    cycle = ["good", "bad", "film", "not", *"abcdefghijklmnopqrstuv"]
    return [" ".join(cycle[(start + i) % 26] for i in range(20)) for start in np.arange(n) % 26]


@pytest.fixture(scope="module")
def learnt():
    texts = cyclic(600)
    vocabulary = Vocabulary.fit(texts, 50)
    vectors = np.random.default_rng(0).normal(0, 0.3, (len(vocabulary), 8)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "cpu_count", lambda: 1)  # half the graph to compile
        made = next_word(
            texts, vocabulary, vectors, "gru", 12, held_out=cyclic(26), epochs=3, batch_size=16, learning_rate=0.05,
            precision="float32", progress=False,
        )  # fmt: skip
    return vocabulary, vectors, made


def test_what_can_be_foreseen_is_foreseen(learnt):
    vocabulary, vectors, made = learnt
    assert made["nats_per_word"][-1] < 0.1  # a reader that knows only how frequent words are has log 26 = 3.3
    assert made["vectors"].shape == vectors.shape
    assert made["words"] == vocabulary.words


def test_training_starts_with_what_was_learnt(learnt, tmp_path):
    vocabulary, _, made = learnt
    file = write_npz(tmp_path / "next-word.npz", made)
    config = dataclasses.replace(SMALL, pretrained=str(file), epochs=1, learning_rate=1e-9)
    model = train(config, reviews=toy(), progress=False)
    for name in ("W", "U", "b", "b_rec", "h0"):
        np.testing.assert_allclose(getattr(model.cell, name), made[name], atol=1e-6)
    known = [(model.vocabulary.number(w), vocabulary.number(w)) for w in model.vocabulary.words if w in vocabulary]
    found = model.record["inputs"]
    assert found["pretrained"]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    assert found["pretrained"]["nats_per_word"] == pytest.approx(made["nats_per_word"])
    assert set(found) == {"pretrained"}
    assert len(known) == 6  # padding, the unknown word, and four of the toy language
    for here, there in known:
        np.testing.assert_allclose(model.embedding[here], made["vectors"][there], atol=1e-6)


def test_a_file_of_another_kind_is_refused(learnt, tmp_path):
    file = write_npz(tmp_path / "next-word.npz", learnt[2])
    with pytest.raises(ValueError, match=r"holds a gru .*wanted is a lstm"):
        train(dataclasses.replace(SMALL, pretrained=str(file), cell="lstm"), reviews=toy(), progress=False)
    plain = write_npz(tmp_path / "vectors.npz", {k: learnt[2][k] for k in ("words", "vectors")})
    with pytest.raises(ValueError, match="holds no cell"):
        train(dataclasses.replace(SMALL, pretrained=str(plain)), reviews=toy(), progress=False)
    for cell in ("bow", "gru+gru"):
        with pytest.raises(ValueError, match="leave vectors, bow and stacks out"):
            dataclasses.replace(SMALL, pretrained=str(file), cell=cell)


def test_wrong_input_is_named():
    vocabulary = Vocabulary.fit(["a b"] * 3, 10)
    with pytest.raises(ValueError, match="3 vectors for a vocabulary of 4"):
        next_word(["a b"], vocabulary, np.zeros((3, 4)), progress=False)
    with pytest.raises(ValueError, match="no text has two words"):
        next_word(["a"], vocabulary, np.zeros((4, 4)), progress=False)
