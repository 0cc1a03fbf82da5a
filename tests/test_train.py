"""Training: gradients against autodiff, a language that must be learned, resuming, records, errors."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from conftest import random_cell

from rnnrev import train as module
from rnnrev.cells import CELLS, tensorflow_ops
from rnnrev.config import TrainConfig
from rnnrev.data import DataError, Reviews
from rnnrev.files import write_npz
from rnnrev.model import evaluate
from rnnrev.train import scan, train
from rnnrev.zoo import load

SMALL = TrainConfig(
    data="toy", n_inputs=8, n_units=12, epochs=3, batch_size=32, learning_rate=0.01, word_dropout=0.0,
    embedding_dropout=0.0, state_dropout=0.0, vocabulary_size=50, precision="float32",
)  # fmt: skip


@pytest.fixture(autouse=True)
def one_shard(monkeypatch):
    """Half the graph to compile; test_stacks.py trains on all processors."""
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)


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
    mix, noise = (tf.constant(rng.standard_normal((6, 4, cell.n_state)), tf.float32) for _ in range(2))

    def plain(h0, u, U, b_rec):
        h, out = h0, []
        for t in range(6):
            h = CELLS[kind].combine(tensorflow_ops(), h, u[t], h[:, : cell.n_units] @ U + b_rec) + noise[t]
            out.append(h)
        return tf.stack(out)

    results = []
    for run in (plain, lambda *w: scan(kind, *w, noise=noise)):
        with tf.GradientTape() as tape:
            tape.watch(weights)
            states = run(*weights)
            loss = tf.reduce_sum(states * mix)
        results.append((states, *tape.gradient(loss, weights, unconnected_gradients="zero")))
    for wanted, found in zip(*results):
        np.testing.assert_allclose(found, wanted, atol=2e-5, rtol=2e-6)


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
    assert [len(record["curve"]), record["best_epoch"] <= 3] == [3, True]
    assert model.name == "net"
    assert record["data"][0]["sha256"] == toy().fingerprint
    assert record["test"]["sha256"] == test.fingerprint
    assert np.sum(record["test"]["confusion"]) == len(test)
    assert record["test"]["accuracy"] == np.mean(load(tmp_path / "net").classify(test.texts) == test.labels)
    assert record["test"] == evaluate(model, test)
    assert record["config"]["seed"] == SMALL.seed
    assert set(model.vocabulary.words[2:]) == {"good", "bad", "film", "not"}
    assert not list(tmp_path.glob("*.checkpoint*"))
    assert model.counts.sum() == record["training_tokens"]


def killed_after(n, monkeypatch):
    """The n-th checkpoint is the last thing that is written."""
    saves = []

    def write(*args):
        write_npz(*args)
        saves.append(1)
        if len(saves) == n:
            raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_npz", write)


@pytest.mark.parametrize(("cell", "patience"), [("gru", 9), ("bow", 9), ("bow", 1)])
def test_resumed_run_equals_the_uninterrupted_one(cell, patience, tmp_path, monkeypatch):
    config = dataclasses.replace(
        SMALL, cell=cell, state_dropout=0.2, patience=patience, epochs=2 if cell == "gru" else 3
    )
    whole = train(config, tmp_path / "whole", reviews=toy(), progress=False)
    curve = whole.record["curve"]
    for n in {1, 1 if cell == "gru" else len(curve)}:  # the last: killed after all epochs, before the model was written
        with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # noqa: PT012
            killed_after(n, patched)
            train(config, tmp_path / "cut", reviews=toy(), progress=False)
        assert [p.name for p in tmp_path.glob("cut*")] == ["cut.checkpoint.npz"]
        resumed = train(config, tmp_path / "cut", reviews=toy(), progress=False, resume=True)
        np.testing.assert_allclose(resumed.logits(toy(50, 1).texts), whole.logits(toy(50, 1).texts), atol=1e-5)
        keys = ("loss_nats", "accuracy", "validation_accuracy")
        rows = [[[row[k] for k in keys] for row in c] for c in (resumed.record["curve"], curve)]
        np.testing.assert_allclose(*rows, rtol=1e-5)
        (tmp_path / "cut.safetensors").unlink()


def test_a_checkpoint_of_another_run_is_refused(tmp_path, monkeypatch):
    bag = dataclasses.replace(SMALL, cell="bow")
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):  # noqa: PT012
        killed_after(1, patched)
        train(bag, tmp_path / "net", reviews=toy(), progress=False)
    other = dataclasses.replace(bag, beta_l2=0.1)
    with pytest.raises(ValueError, match="another configuration"):
        train(other, tmp_path / "net", reviews=toy(), progress=False, resume=True)


def test_the_best_epoch_is_kept_and_patience_ends_the_run(monkeypatch):
    network = module.Bag(SMALL, 6)
    seen = []

    def validate():
        seen.append(np.array(network.beta()))
        return [0.5, 0.7, 0.6, 0.7, 0.65][len(seen) - 1]

    ids, labels = [np.array([2, 3], np.int32), np.array([4], np.int32)] * 20, np.tile([1, 0], 20).astype(np.float32)
    config = dataclasses.replace(SMALL, epochs=9, patience=3)
    curve = module.fit(network, ids, labels, config, validate, progress=False)
    assert [row["validation_accuracy"] for row in curve] == [0.5, 0.7, 0.6, 0.7, 0.65]
    assert module.best_epoch(curve) == 2
    np.testing.assert_array_equal(network.beta(), seen[1])


def test_a_bag_with_word_vectors_knows_a_word_by_its_neighbours():
    vectors = np.eye(6)[[0, 1, 2, 3, 4, 2]]  # the last word is never seen, and has the vector of the one that is good
    network = module.Bag(SMALL, 6, vectors)
    ids, labels = [np.array([2]), np.array([4])] * 20, np.tile([1, 0], 20).astype(np.float32)
    module.fit(network, ids, labels, dataclasses.replace(SMALL, epochs=3), lambda: np.nan, progress=False)
    beta = np.asarray(network.beta())
    assert beta[5] > 0 > beta[4]
    assert beta[2] > beta[5]  # what is seen moves with its own vector too
    assert beta[3] == 0


@pytest.fixture
def known(monkeypatch):
    """Data sets known by name, made up; the list of those that were asked for."""
    asked = []
    rows = {"train": toy(), "test": toy(60, 1), "validation": toy(80, 2)}

    def load(name, split="all"):
        asked.append((name, split))
        return dataclasses.replace(rows[split], name=name, split=split)

    monkeypatch.setattr(module, "load_reviews", load)
    return asked


def test_what_is_held_out_and_tested_is_the_data_sets_own(known):
    config = dataclasses.replace(SMALL, epochs=1, cell="bow")
    imdb = train(dataclasses.replace(config, data="imdb"), progress=False).record
    assert (imdb["validation"]["split"], imdb["validation"]["texts"]) == ("train", 50)  # one block of 600
    assert (imdb["test"]["data"], imdb["test"]["split"]) == ("imdb", "test")
    sst2 = train(dataclasses.replace(config, data="sst2"), progress=False).record
    assert sst2["validation"]["split"] == "validation"  # a share of the phrases would hold parts of trained sentences
    assert sst2["training_texts"] == 600
    assert sst2["test"] is None
    known.clear()
    own = train(dataclasses.replace(config, data="imdb"), reviews=toy(), progress=False).record
    assert own["test"] is None  # reviews of one's own are not scored on IMDB
    assert not known


def test_what_must_not_be_trained_on_is_refused():
    kept = dataclasses.replace(toy(), evaluation_only=True)
    with pytest.raises(DataError, match="for evaluation only"):
        train(SMALL, reviews=kept.sample(100), progress=False)


def test_three_classes_are_learned():
    reviews = toy()
    labels = np.where(["film" in t for t in reviews.texts], 2, reviews.labels)
    model = train(
        dataclasses.replace(SMALL, epochs=6), reviews=dataclasses.replace(reviews, labels=labels), progress=False
    )
    assert model.logits(reviews.texts[:4]).shape == (4, 3)
    assert model.record["validation"]["accuracy"] > 0.8
    assert model.record["curve"][0]["loss_nats"] < 1.2  # chance is log 3


def test_reviews_without_a_label_are_left_out_and_classes_may_be_balanced():
    labels = np.where(np.arange(600) % 3 == 0, -1, toy().labels)
    rare = toy().take(np.delete(np.arange(600), np.flatnonzero(toy().labels == 0)[30:]))
    bag = dataclasses.replace(SMALL, cell="bow", epochs=1)
    for config, reviews, n in (
        (bag, dataclasses.replace(toy(), labels=labels), 400), (dataclasses.replace(bag, balance=True), rare, 60),
    ):  # fmt: skip
        record = train(config, reviews=reviews, progress=False).record
        assert record["training_texts"] + record["validation"]["texts"] == n


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
    for labels in (np.ones_like(one.labels), -np.ones_like(one.labels)):
        with pytest.raises(ValueError, match="at least two classes"):
            train(SMALL, reviews=dataclasses.replace(one, labels=labels), progress=False)
    three = dataclasses.replace(one, labels=np.arange(len(one)) % 3)
    with pytest.raises(ValueError, match=r"bag of words .* for two classes, the labels go up to 2"):
        train(dataclasses.replace(SMALL, cell="bow"), reviews=three, progress=False)
    with pytest.raises(ValueError, match="lower learning_rate"):
        train(dataclasses.replace(SMALL, learning_rate=1e30, clip_norm=1e30), reviews=one, progress=False)
