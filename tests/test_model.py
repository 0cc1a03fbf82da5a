"""Models: texts in, logits out; save and load; a Keras model of the user's."""

from __future__ import annotations

import dataclasses
import json

import keras
import numpy as np
import pytest
from conftest import WORDS, small_network

from rnnrev.data import PAD, UNKNOWN, Vocabulary
from rnnrev.model import BagOfWords, ModelFileError, from_keras, from_torch, load, save, unroll, untrained

TEXTS = ["The movie was not good.", "good", "", "a very, very bad movie " * 5]


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


def test_a_text_does_not_depend_on_its_batch(network):
    alone = [network.logits([t])[0] for t in TEXTS]
    np.testing.assert_allclose(network.logits(TEXTS), alone, atol=1e-10)
    np.testing.assert_allclose(network.logits(TEXTS[::-1]), alone[::-1], atol=1e-10)


def test_bag_of_words_counts_and_ignores_order():
    vocabulary = Vocabulary((PAD, UNKNOWN, *WORDS))
    beta = np.arange(len(vocabulary), dtype=float)
    bag = BagOfWords(beta, 0.5, vocabulary)
    assert bag.logits(["good bad good"])[0] == 2 + 3 + 2 + 0.5
    assert bag.logits(["bad good good"])[0] == bag.logits(["good good bad"])[0]
    np.testing.assert_allclose(bag.trace("good bad").logits, [2.5, 5.5])


def test_after_step_sees_and_replaces_every_state(network):
    u = network.projected[np.array([[2, 3, 4], [5, 6, 7]])]
    seen = []
    states = unroll(network.cell, u, network.cell.h0, lambda h, t: seen.append(t) or 0 * h)
    assert seen == [1, 2, 3]
    assert (states[:, 1:] == 0).all()


def test_one_text_instead_of_a_list_is_an_error(network):
    with pytest.raises(TypeError, match="list of texts"):
        network.logits("good")


def test_frequencies_sum_to_one_or_say_what_is_missing(network):
    assert network.frequencies.sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="counts"):
        _ = dataclasses.replace(network, counts=None).frequencies


def test_untrained_network_is_reproducible():
    vocabulary = Vocabulary((PAD, UNKNOWN, *WORDS))
    one, two = (untrained("lstm", vocabulary, 8, 4, seed=3) for _ in range(2))
    np.testing.assert_array_equal(one.embedding, two.embedding)
    assert (one.w[8:] == 0).all()


# --- folders ------------------------------------------------------------------------------------


def test_save_and_load_give_the_same_model(network, tmp_path):
    network = dataclasses.replace(network.astype(np.float32), record={"test": {"accuracy": 0.9}})
    back = load(save(network, tmp_path / "model"))
    np.testing.assert_array_equal(back.logits(TEXTS), network.logits(TEXTS))
    assert back.record == network.record
    assert back.vocabulary.words == network.vocabulary.words
    np.testing.assert_array_equal(back.counts, network.counts)


def test_compact_weights_are_close_and_small(tmp_path):
    vocabulary = Vocabulary((PAD, UNKNOWN, *(f"w{i}" for i in range(3000))))
    network = untrained("gru", vocabulary, 16, 32)
    sizes = {}
    for compact in (False, True):
        folder = save(network, tmp_path / str(compact), compact=compact)
        sizes[compact] = (folder / "weights.npz").stat().st_size
    assert sizes[True] < 0.4 * sizes[False]
    back = load(tmp_path / "True")
    peak = np.abs(network.embedding).max(1, keepdims=True)
    assert (np.abs(back.embedding - network.embedding) <= 0.004 * peak + 1e-6).all()


def test_saving_over_a_model_replaces_it_and_leaves_nothing_behind(network, tmp_path):
    save(network, tmp_path / "model")
    save(dataclasses.replace(network, name="second"), tmp_path / "model")
    assert load(tmp_path / "model").name == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


def test_saving_never_replaces_a_foreign_folder(network, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ModelFileError, match="not a model folder"):
        save(network, tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["weights.npz", "vocabulary.txt", "record.json"])
def test_a_damaged_file_is_named(network, tmp_path, name):
    folder = save(network, tmp_path / "model")
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ModelFileError, match=f"{name} is damaged"):
        load(folder)
    (folder / name).unlink()
    with pytest.raises(ModelFileError, match=f"{name} is missing"):
        load(folder)


def test_an_edited_config_a_foreign_folder_and_a_missing_one_are_told_apart(network, tmp_path):
    folder = save(network, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_units": 9}))
    with pytest.raises(ModelFileError, match="changed after it was saved"):
        load(folder)
    (folder / "config.json").write_text(json.dumps({"format": "other", "version": 1}))
    with pytest.raises(ModelFileError, match="not a model of this package"):
        load(folder)
    with pytest.raises(ModelFileError, match="does not exist"):
        load(tmp_path / "nowhere")


# --- Keras --------------------------------------------------------------------------------------


def keras_model(layer, outputs=1, activation="sigmoid"):
    return keras.Sequential(
        [
            keras.layers.Input((None,), dtype="int32"),
            keras.layers.Embedding(12, 6),
            keras.layers.Dropout(0.1),
            layer,
            keras.layers.Dense(outputs, activation=activation),
        ]
    )


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
    two = keras_model(keras.layers.Bidirectional(keras.layers.GRU(4)))
    with pytest.raises(ValueError, match="Bidirectional"):
        from_keras(two, words)
    with pytest.raises(ValueError, match="activation='relu'"):
        from_keras(keras_model(keras.layers.GRU(4, activation="relu")), words)
    with pytest.raises(ValueError, match="reset_after"):
        from_keras(keras_model(keras.layers.GRU(4, reset_after=False)), words)
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
    found = from_torch(arrays, ["", "[UNK]", *WORDS]).logits_of([ids])[0]
    np.testing.assert_allclose(found, {1: wanted[0], 2: wanted[-1] - wanted[0], 3: wanted}[outputs], atol=1e-10)
    with pytest.raises(ValueError, match="num_layers=1"):
        from_torch(arrays | {"rnn.weight_ih_l1": arrays["rnn.weight_hh_l0"]}, ["", "[UNK]", *WORDS])
    with pytest.raises(ValueError, match="needs one embedding"):
        from_torch(arrays, ["", "[UNK]", *WORDS, "extra"])


def test_small_network_is_what_its_name_says():
    assert repr(small_network("lstm").cell) == "Cell('lstm', N=7, D=5, float64)"
