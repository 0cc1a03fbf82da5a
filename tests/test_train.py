"""Training: gradients against autodiff, a language that must be learned, resuming, records, errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import random_cell

from rnnrev.cells import CELLS, tensorflow_ops
from rnnrev.data import Reviews
from rnnrev.model import evaluate
from rnnrev.train import TrainConfig, scan, soft_labels, train
from rnnrev.zoo import load

SMALL = TrainConfig(
    data="toy", n_inputs=8, n_units=12, epochs=3, batch_size=32, learning_rate=0.01, word_dropout=0.0,
    embedding_dropout=0.0, state_dropout=0.0, vocabulary_size=50, precision="float32",
)  # fmt: skip


def toy(n: int = 600, seed: int = 0, name: str = "toy") -> Reviews:
    """Reviews whose label is the sign of the sum of their words; 'not' turns the next word round."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    while len(texts) < n:
        words, total, sign = [], 0, 1
        for _ in range(rng.integers(3, 9)):
            kind = rng.choice(["good", "bad", "film", "not"], p=[0.3, 0.3, 0.2, 0.2])
            words.append(str(kind))
            total += sign * {"good": 1, "bad": -1}.get(kind, 0)
            sign = -1 if kind == "not" else 1
        if total:
            texts.append(" ".join(words))
            labels.append(int(total > 0))
    return Reviews(name, "train", tuple(texts), np.array(labels))


@pytest.mark.parametrize("kind", list(CELLS))
def test_scan_and_its_gradient_equal_autodiff(kind, rng):
    cell = random_cell(kind).astype(np.float32)
    u = tf.constant(rng.standard_normal((6, 4, cell.U.shape[1])), tf.float32)
    h0 = tf.constant(np.tile(cell.h0, (4, 1)))
    weights = [h0, u, tf.constant(cell.U), tf.constant(cell.b_rec)]
    mix = tf.constant(rng.standard_normal((6, 4, cell.n_state)), tf.float32)

    def plain(h0, u, U, b_rec):
        h, out = h0, []
        for t in range(6):
            h = CELLS[kind].combine(tensorflow_ops(), h, u[t], h[:, : cell.n_units] @ U + b_rec)
            out.append(h)
        return tf.stack(out)

    results = []
    for run in (plain, lambda *w: scan(kind, *w)):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            states = run(*weights)
            loss = tf.reduce_sum(states * mix)
        results.append((states, *tape.gradient(loss, weights)))
    for wanted, found in zip(*results):
        np.testing.assert_allclose(found, wanted, atol=2e-5)


@pytest.mark.slow
def test_a_network_learns_what_a_bag_of_words_cannot():
    test = toy(400, seed=1)
    scores = {}
    for cell in ("gru", "bow"):
        config = dataclasses.replace(SMALL, cell=cell, epochs=12, patience=12)
        model = train(config, reviews=toy(1500), test=test, progress=False)
        scores[cell] = model.record["test"]["accuracy"]
    assert scores["gru"] > 0.95
    assert scores["bow"] < 0.9


def test_record_says_what_was_done(tmp_path):
    test = toy(100, seed=1)
    model = train(SMALL, tmp_path / "net", reviews=toy(), test=test, progress=False)
    record = model.record
    assert [row["accuracy"] for row in record["curve"]] == pytest.approx([r["accuracy"] for r in record["curve"]])
    assert record["data"][0]["sha256"] == toy().fingerprint
    assert record["test"]["sha256"] == test.fingerprint
    assert np.sum(record["test"]["confusion"]) == len(test)
    assert record["test"]["accuracy"] == np.mean(load(tmp_path / "net").classify(test.texts) == test.labels)
    assert record["test"] == evaluate(model, test)
    assert record["config"]["seed"] == SMALL.seed
    assert not list(tmp_path.glob("*.checkpoint*"))
    assert model.counts.sum() == record["training_tokens"]


def test_same_seed_same_network_and_vocabulary_from_training_text_only():
    one, two = (train(SMALL, reviews=toy(), test=toy(50, 1), progress=False) for _ in range(2))
    np.testing.assert_allclose(one.cell.U, two.cell.U, atol=1e-6)
    assert set(one.vocabulary.words[2:]) == {"good", "bad", "film", "not"}


@pytest.mark.parametrize("cell", ["gru", "bow"])
def test_resumed_run_equals_the_uninterrupted_one(cell, tmp_path, monkeypatch):
    from rnnrev import train as module

    config = dataclasses.replace(SMALL, cell=cell, state_dropout=0.2)
    whole = train(config, tmp_path / "whole", reviews=toy(), progress=False)
    saves = []

    def killed_after_two(*args):
        original(*args)
        saves.append(1)
        if len(saves) == 2:
            raise KeyboardInterrupt

    original = module._checkpoint
    monkeypatch.setattr(module, "_checkpoint", killed_after_two)
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "cut", reviews=toy(), progress=False)
    assert not (tmp_path / "cut").exists()
    monkeypatch.setattr(module, "_checkpoint", original)
    resumed = train(config, tmp_path / "cut", reviews=toy(), progress=False, resume=True)
    texts = toy(50, 1).texts
    np.testing.assert_allclose(resumed.logits(texts), whole.logits(texts), atol=1e-5)
    assert len(resumed.record["curve"]) == len(whole.record["curve"])


def test_a_checkpoint_of_another_run_is_refused(tmp_path, monkeypatch):
    from rnnrev import train as module

    original = module._checkpoint

    def killed(*args):
        original(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_checkpoint", killed)
    with pytest.raises(KeyboardInterrupt):
        train(SMALL, tmp_path / "net", reviews=toy(), progress=False)
    other = dataclasses.replace(SMALL, n_units=13)
    with pytest.raises(ValueError, match="another configuration"):
        train(other, tmp_path / "net", reviews=toy(), progress=False, resume=True)


def test_soft_labels_agree_with_the_truth_and_are_probabilities():
    fit, spare = toy(800), toy(200, seed=2)
    found = soft_labels(fit, spare, [], progress=False)
    assert ((found > 0) & (found < 1)).all()
    assert np.mean((found > 0.5) == spare.labels) > 0.9  # trigrams hold "not good"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cell": "gpu"}, "unknown cell 'gpu'"),
        ({"state_dropout": 1.0}, "state_dropout must lie in"),
        ({"epochs": 0}, "epochs must be at least 1"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"precision": "half"}, "mixed or float32"),
    ],
)
def test_wrong_configurations_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SMALL, **change)


def test_one_class_and_an_exploding_loss_are_errors():
    one = toy()
    with pytest.raises(ValueError, match="at least two classes"):
        train(SMALL, reviews=dataclasses.replace(one, labels=np.ones_like(one.labels)), progress=False)
    with pytest.raises(ValueError, match="lower learning_rate"):
        train(dataclasses.replace(SMALL, learning_rate=1e30, clip_norm=1e30), reviews=one, progress=False)
