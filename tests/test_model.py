"""Models: texts in, logits out; save and load; a Keras model of the user's."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os

import keras
import numpy as np
import pytest
from conftest import WORDS, small_network
from safetensors.numpy import save_file

from rnnrev import zoo
from rnnrev.data import PAD, UNKNOWN, Reviews, Vocabulary
from rnnrev.model import BagOfWords, SentimentRNN, evaluate, forward, untrained
from rnnrev.wrap import from_keras, from_torch
from rnnrev.zoo import ModelFileError, load, save

TEXTS = ["The movie was not good.", "good", "", "a very, very bad movie " * 5]


@pytest.fixture
def gru():
    return small_network()


def logit_by_hand(model, text):
    """One text, one token at a time, through the public step function only."""
    h = model.cell.h0
    for i in model.vocabulary.encode(text):
        h = model.cell.step(h, model.embedding[i])
    return h @ model.w + model.b


def test_logits_states_and_traces_agree_with_single_steps(network):
    logits = network.logits(TEXTS)
    wanted = [logit_by_hand(network, t) for t in TEXTS]
    np.testing.assert_allclose(logits, wanted, atol=1e-10)
    for text, states, wanted_logit in zip(TEXTS, network.states(TEXTS), wanted):
        trace = network.trace(text)
        assert len(states) == len(trace.tokens) + 1
        np.testing.assert_allclose(trace.logits[-1], wanted_logit, atol=1e-10)
        np.testing.assert_allclose(trace.start, network.cell.h0 @ network.w + network.b)
    np.testing.assert_array_equal(network.classify(TEXTS), np.array(wanted) > 0)


def test_bag_of_words_counts_and_ignores_order():
    vocabulary = Vocabulary((PAD, UNKNOWN, *WORDS))
    beta = np.arange(len(vocabulary), dtype=float)
    bag = BagOfWords(beta, 0.5, vocabulary)
    assert bag.logits(["good bad good"])[0] == 2 + 3 + 2 + 0.5
    assert bag.logits(["bad good good"])[0] == bag.logits(["good good bad"])[0]
    np.testing.assert_allclose(bag.trace("good bad").logits, [2.5, 5.5])


def test_what_visit_returns_goes_on():
    ids = [np.array([2, 3, 4], np.int32), np.array([5], np.int32)]
    seen = {0: [], 1: []}

    def visit(h, step):
        for row, state in zip(step.rows, h):
            seen[row].append((step.t, bool(np.all(state == 0))))
        return 0 * h

    forward(lambda h, tokens: h + 1, np.ones(2), ids, visit)
    assert seen == {0: [(0, False), (1, False), (2, False), (3, False)], 1: [(0, False), (1, False)]}


def test_one_text_instead_of_a_list_is_an_error(gru):
    with pytest.raises(TypeError, match="list of texts"):
        gru.logits("good")


def test_frequencies_sum_to_one_or_say_what_is_missing(gru):
    assert gru.frequencies.sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="counts"):
        _ = dataclasses.replace(gru, counts=None).frequencies


def test_untrained_network_is_reproducible():
    vocabulary = Vocabulary((PAD, UNKNOWN, *WORDS))
    one, two = (untrained("lstm", vocabulary, 8, 4, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.embedding, two.embedding)
    assert (one.w[8:] == 0).all()


# --- files --------------------------------------------------------------------------------------


def test_save_and_load_give_the_same_model(network, tmp_path):
    network = dataclasses.replace(network.astype(np.float32), record={"test": {"accuracy": 0.9}})
    file = save(network, tmp_path / "model")
    assert file == tmp_path / "model.safetensors"
    back = load(file)
    np.testing.assert_array_equal(back.logits(TEXTS), network.logits(TEXTS))
    assert (back.record, back.name, back.vocabulary.words) == (network.record, network.name, network.vocabulary.words)
    np.testing.assert_array_equal(back.counts, network.counts)


def test_a_bag_of_words_comes_back(tmp_path):
    vocabulary = Vocabulary((PAD, UNKNOWN, *WORDS))
    bag = BagOfWords(np.arange(len(vocabulary), dtype=np.float32), 0.5, vocabulary, "mine")
    file = save(bag, tmp_path / "bag")
    np.testing.assert_array_equal(load(file, BagOfWords).logits(TEXTS), bag.logits(TEXTS))
    with pytest.raises(ModelFileError, match="is a BagOfWords: give a SentimentRNN"):
        load(file, SentimentRNN)


@pytest.mark.parametrize("size", [1, 0.02])
def test_compact_weights_are_close_and_small(tmp_path, size):
    vocabulary = Vocabulary((PAD, UNKNOWN, *(f"w{i}" for i in range(3000))))
    network = untrained("gru", vocabulary, 16, 32)
    network = dataclasses.replace(network, embedding=network.embedding * np.float32(size))
    whole, small = (save(network, tmp_path / name, compact=name == "small") for name in ("whole", "small"))
    assert small.stat().st_size < 0.4 * whole.stat().st_size
    back = load(small)
    peak = np.abs(network.embedding).max(1, keepdims=True)
    assert (np.abs(back.embedding - network.embedding) <= 0.004 * peak + 1e-6).all()


@pytest.mark.parametrize("before", [True, False])
def test_a_model_that_cannot_be_put_in_its_place_leaves_the_old_one(gru, tmp_path, monkeypatch, before):
    if before:
        save(dataclasses.replace(gru, name="first"), tmp_path / "model")

    def full(*places):
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(OSError, match="no space"):
            save(dataclasses.replace(gru, name="second"), tmp_path / "model")
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"] * before
    if before:
        assert load(tmp_path / "model").name == "first"
    save(dataclasses.replace(gru, name="second"), tmp_path / "model")
    assert load(tmp_path / "model").name == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["model.safetensors"]


def header(file):
    """The metadata of a .safetensors file, and where its header ends."""
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end])["__metadata__"], end


def test_every_kind_of_damage_is_found(gru, tmp_path):
    file = save(gru, tmp_path / "model")
    whole, (_, end) = file.read_bytes(), header(file)
    places = [3, 40, end - 40, end + 1, len(whole) // 2, len(whole) - 1]
    places += [whole.index(b"small ") + 2, whole.index(b"movie")]  # the name, a word
    for place in places:
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ModelFileError, match=r"model\.safetensors (is damaged|has format|is not a model)"):
            load(file)
    for size in (0, 5, end - 3, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(ModelFileError, match="is damaged"):
            load(file)
    file.write_bytes(whole)
    load(file)


def test_foreign_newer_and_missing_files_are_told_apart(gru, tmp_path):
    arrays = {"weight": np.zeros(3, np.float32)}
    save_file(arrays, tmp_path / "foreign.safetensors")
    with pytest.raises(ModelFileError, match=r"not a model of this package: rnnrev\.wrap"):
        load(tmp_path / "foreign.safetensors")
    save_file(arrays, tmp_path / "newer.safetensors", {"rnnrev": json.dumps({"format": 99})})
    with pytest.raises(ModelFileError, match="has format 99, this rnnrev reads up to"):
        load(tmp_path / "newer.safetensors")
    with pytest.raises(ModelFileError, match=r"nowhere\.safetensors does not exist; shipped networks are .*gru-imdb"):
        load(tmp_path / "nowhere")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(ModelFileError, match="does not exist"):
        load(tmp_path / "folder")
    with pytest.raises(OSError, match="directory"):
        save(gru, tmp_path / "folder")


def test_shipped_networks_share_their_words_and_others_bring_theirs(gru, tmp_path, monkeypatch):
    one, two = zoo.load("gru-imdb"), zoo.load("bow-imdb")
    assert one.vocabulary is two.vocabulary
    assert zoo.load("gru-yelp").vocabulary is zoo.load("bow-yelp").vocabulary
    shared = {}
    for words in zoo.FOLDER.glob("*.txt"):
        assert words.name == f"words-{hashlib.sha256(words.read_bytes()).hexdigest()[:12]}.txt"
        shared[tuple(words.read_text("utf-8").split())] = words
    assert set(shared) == {zoo.load(name).vocabulary.words for name in zoo.names()}  # films, restaurants
    assert len(shared) == 2
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    file = save(gru, tmp_path / "shipped")
    shared = tmp_path / json.loads(header(file)[0]["rnnrev"])["words"]
    assert load("shipped").vocabulary.words == gru.vocabulary.words
    assert zoo.names() == ["shipped"]
    zoo._shared_words.cache_clear()
    shared.write_text("other\n")
    with pytest.raises(ModelFileError, match=r"shipped\.safetensors: .*words-.* is damaged"):
        load(file)
    shared.unlink()
    with pytest.raises(ModelFileError, match="not shipped with this rnnrev"):
        load(file)


# --- Keras --------------------------------------------------------------------------------------


def keras_model(layer, outputs=1, activation="sigmoid"):
    return keras.Sequential([
        keras.layers.Input((None,), dtype="int32"), keras.layers.Embedding(12, 6), keras.layers.Dropout(0.1), layer,
        keras.layers.Dense(outputs, activation=activation),
    ])  # fmt: skip


@pytest.mark.parametrize("name", ["GRU", "LSTM", "SimpleRNN"])
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_wrapped_keras_model_predicts_the_same(name, outputs):
    keras.utils.set_random_seed(1)
    model = keras_model(getattr(keras.layers, name)(5), outputs, "sigmoid" if outputs == 1 else "softmax")
    ours = from_keras(model, ["", "[UNK]", *WORDS])
    ids = np.array([[2, 5, 4, 3, 9, 11]])
    p = np.asarray(model(ids))[0]
    logits = ours.logits_of(list(ids.astype(np.int32)))[0]
    if outputs == 3:
        wanted = np.log(p)
        np.testing.assert_allclose(logits - logits.mean(), wanted - wanted.mean(), atol=1e-5)
    else:
        positive = p[-1]
        assert logits == pytest.approx(np.log(positive / (1 - positive)), abs=1e-5)


def test_keras_models_of_another_make_are_refused_with_a_reason():
    words = ["", "[UNK]", *WORDS]
    for message, layer in {
        "Bidirectional": keras.layers.Bidirectional(keras.layers.GRU(4)),
        "activation='relu'": keras.layers.GRU(4, activation="relu"),
        "reset_after": keras.layers.GRU(4, reset_after=False),
    }.items():
        with pytest.raises(ValueError, match=message):
            from_keras(keras_model(layer), words)
    with pytest.raises(ValueError, match="embedding has shape"):
        from_keras(keras_model(keras.layers.GRU(4)), words[:5])


def torch_logit(arrays, ids):
    """PyTorch's documented equations of nn.GRU, nn.LSTM and nn.RNN, term by term."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    n = arrays["rnn.weight_hh_l0"].shape[1]
    h = c = np.zeros(n)
    for i in ids:
        x = arrays["embedding.weight"][i]
        from_x = arrays["rnn.weight_ih_l0"] @ x + arrays["rnn.bias_ih_l0"]
        from_h = arrays["rnn.weight_hh_l0"] @ h + arrays["rnn.bias_hh_l0"]
        if len(from_x) == 3 * n:
            r, z = sigmoid(from_x[:n] + from_h[:n]), sigmoid(from_x[n : 2 * n] + from_h[n : 2 * n])
            h = (1 - z) * np.tanh(from_x[2 * n :] + r * from_h[2 * n :]) + z * h
        elif len(from_x) == 4 * n:
            i_, f, g, o = np.split(from_x + from_h, 4)
            c = sigmoid(f) * c + sigmoid(i_) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
        else:
            h = np.tanh(from_x + from_h)
    return arrays["head.weight"] @ h + arrays["head.bias"]


@pytest.mark.parametrize("gates", [1, 3, 4])
@pytest.mark.parametrize("outputs", [1, 2, 3])
def test_wrapped_torch_weights_predict_the_same(gates, outputs, rng):
    n, d = 6, 5
    shapes = {
        "embedding.weight": (12, d), "rnn.weight_ih_l0": (gates * n, d), "rnn.weight_hh_l0": (gates * n, n),
        "rnn.bias_ih_l0": (gates * n,), "rnn.bias_hh_l0": (gates * n,),
        "head.weight": (outputs, n), "head.bias": (outputs,),
    }  # fmt: skip
    arrays = {k: rng.standard_normal(s) for k, s in shapes.items()}
    ids = np.array([2, 5, 4, 3, 9], np.int32)
    wanted = torch_logit(arrays, ids)
    wanted = {1: wanted[0], 2: wanted[-1] - wanted[0], 3: wanted}[outputs]
    for names in (arrays, sorted(arrays), sorted(arrays, reverse=True)):  # as PyTorch gives them, as safetensors does
        found = from_torch({k: arrays[k] for k in names}, ["", "[UNK]", *WORDS]).logits_of([ids])[0]
        np.testing.assert_allclose(found, wanted, atol=1e-10)
    with pytest.raises(ValueError, match="bidirectional=False"):
        from_torch(arrays | {"rnn.weight_ih_l0_reverse": arrays["rnn.weight_ih_l0"]}, ["", "[UNK]", *WORDS])
    with pytest.raises(ValueError, match=r"recurrent weight \(weight_hh_l1\), it has 0"):
        from_torch(arrays | {"rnn.weight_ih_l1": arrays["rnn.weight_hh_l0"]}, ["", "[UNK]", *WORDS])
    with pytest.raises(ValueError, match="needs one embedding"):
        from_torch(arrays, ["", "[UNK]", *WORDS, "extra"])


# --- scores -------------------------------------------------------------------------------------


def test_scores_of_a_bag_by_hand():
    vocabulary = Vocabulary((PAD, UNKNOWN, "good", "bad"))
    bag = BagOfWords(np.array([0.0, 0.0, 1.0, -2.0]), 0.0, vocabulary)
    reviews = Reviews("mine", "all", ("good", "bad", "bad", "good good"), np.array([1, 0, 1, -1]))
    scores = evaluate(bag, reviews)
    assert (scores["texts"], scores["unlabelled"]) == (3, 1)
    assert scores["accuracy"] == 2 / 3
    assert scores["confusion"] == [[1, 0], [1, 1]]
    assert scores["cross_entropy_nats"] == pytest.approx(np.mean(np.log1p(np.exp([-1, -2, 2]))))
    assert sum(scores["calibration"]["count"]) == 3
    with pytest.raises(ValueError, match="all are -1"):
        evaluate(bag, reviews.take([3]))
    with pytest.raises(ValueError, match="labels up to 4, but bag of words knows 2"):
        evaluate(bag, dataclasses.replace(reviews, labels=np.array([0, 4, 1, 1])))


def test_the_bag_of_a_network_has_its_words(gru):
    bags = {"gru-yelp": "bow-yelp", "lstm-yelp": "bow-yelp", "lstm-imdb": "bow-imdb", "bow-yelp": "bow-yelp"}
    assert {name: zoo.bag_of(zoo.load(name)).name for name in bags} == bags
    assert zoo.bag_of(gru).name == "bow-imdb"  # words of no shipped bag


def test_a_text_does_not_depend_on_its_batch(network):
    alone = [network.logits([t])[0] for t in TEXTS]
    np.testing.assert_allclose(network.logits(TEXTS), alone, atol=1e-10)
    np.testing.assert_allclose(network.logits(TEXTS[::-1]), alone[::-1], atol=1e-10)
