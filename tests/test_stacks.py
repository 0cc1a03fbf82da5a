"""Stacks against layers run one after the other, finite differences, Keras' own layers and closed forms."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import WORDS, small_network
from mingru_keras import MinGRU
from test_widgets import make_chart

from rnnrev import perturb, report, widgets, zoo
from rnnrev.balanced import reduce
from rnnrev.book import assets
from rnnrev.cells import Cell
from rnnrev.config import TrainConfig
from rnnrev.data import PAD, UNKNOWN, Reviews, Vocabulary
from rnnrev.driven import adjoints, driven_point, impulse_responses, lyapunov
from rnnrev.fixed_points import mean_map
from rnnrev.line_attractor import find_attractor
from rnnrev.linear import Unmeasured, operating_point
from rnnrev.model import BagOfWords, SentimentRNN, untrained
from rnnrev.stacks import WIDTH, StackedCell, initial_cell, joined, padded_readout, parts_of, stack
from rnnrev.subspace import Subspace
from rnnrev.train import Network
from rnnrev.wrap import from_keras, from_torch

STACKS = ["gru+gru", "mingru+lru", "conv+mingru", "lstm+vanilla", "conv+ugrnn+mingru"]


def random_stack(kind: str, seed: int = 0) -> Cell:
    rng, cell = np.random.default_rng(seed), initial_cell(kind, 5, 6, seed).astype(float)
    assert isinstance(cell, StackedCell)
    layers = []
    for layer in cell.layers:
        more = {k: getattr(layer, k) + 0.3 * rng.standard_normal(getattr(layer, k).shape) for k in ("W", "b", "h0")}
        layers.append(replace(layer, **more) if layer.U.size else layer)
    return stack(layers)


@pytest.fixture(params=STACKS)
def stacked(request: pytest.FixtureRequest) -> Cell:
    return random_stack(request.param)


def test_a_layer_reads_the_new_state_of_the_one_below(rng):
    first, second = (initial_cell("gru", n, 6, n).astype(float) for n in (5, 6))
    both, x = stack([first, second]), rng.standard_normal((4, 5))
    h = both.h0
    one, two = first.h0, second.h0
    for t in range(4):
        h, one = both.step(h, x[t]), first.step(one, x[t])
        two = second.step(two, one)
        np.testing.assert_allclose(h, np.r_[one, two])


def test_a_convolution_weights_the_last_tokens(rng):
    cell, kernel = initial_cell("mingru", 5, 6).astype(float), rng.standard_normal((WIDTH, 5))
    both = joined([kernel, cell])
    x, h, own = rng.standard_normal((7, 5)), both.h0, cell.h0
    for t in range(7):
        h = both.step(h, x[t])
        own = cell.step(own, sum(kernel[j] * x[t - j] for j in range(WIDTH) if t >= j))
        np.testing.assert_allclose(h[-6:], own)


def test_products_are_those_of_finite_differences(stacked, rng):
    S, D, eps = stacked.n_state, stacked.n_inputs, 1e-6
    h, x, g = rng.standard_normal((3, S)), rng.standard_normal((3, D)), rng.standard_normal((3, 2, S))
    u = stacked.project(x)
    J = np.stack([(stacked.step(h + e, x) - stacked.step(h - e, x)) / (2 * eps) for e in eps * np.eye(S)], -1)
    np.testing.assert_allclose(stacked.vjp(h, u, g), np.einsum("bij,bci->bcj", J, g), atol=1e-7)
    np.testing.assert_allclose(stacked.jvp(h, u, g), np.einsum("bij,bcj->bci", J, g), atol=1e-7)
    np.testing.assert_allclose(stacked.step(h[:, None], x[None])[1, 2], stacked.step(h[1], x[2]))
    J_inp = np.stack([(stacked.step(h, x + e) - stacked.step(h, x - e)) / (2 * eps) for e in eps * np.eye(D)], -1)
    exact = stacked.jacobians(h, x)
    np.testing.assert_allclose(exact.J_rec, J, atol=1e-7)
    np.testing.assert_allclose(exact.J_inp, J_inp, atol=1e-7)


def test_what_a_word_writes_in_an_lru_is_the_same_in_every_state(rng):
    cell = initial_cell("lru", 5, 6).astype(float)
    J = cell.jacobians(rng.standard_normal((4, 12)), rng.standard_normal((4, 5)))
    assert not np.ptp(J.J_inp, 0).any()  # ΔJ_inp is exactly zero
    assert not np.ptp(J.J_rec, 0).any()


def test_a_mingru_keeps_or_erases_and_writes_what_the_word_says(rng):
    """h' = a(x)∘h + b(x): the effect of one word on what a later one adds is a product of gates, never a new sign."""
    cell = initial_cell("mingru", 5, 6).astype(float)
    x, (h1, h2) = rng.standard_normal(5), rng.standard_normal((2, 6))
    kept = (cell.step(h1, x) - cell.step(h2, x)) / (h1 - h2)
    np.testing.assert_allclose(kept, 1 / (1 + np.exp(-cell.project(x)[:6])))
    assert ((kept > 0) & (kept < 1)).all()


def network(kind: str) -> SentimentRNN:
    like, cell = small_network(), random_stack(kind)
    w = padded_readout(cell, np.random.default_rng(1).standard_normal(6))
    return replace(like, cell=cell, w=w, name=kind)


@pytest.mark.parametrize("compact", [False, True])
def test_files_give_back_what_was_saved(stacked, compact, tmp_path):
    model = replace(network(stacked.kind).astype(np.float32), cell=stacked.astype(np.float32))
    back = zoo.load(zoo.save(model, tmp_path / "stack.safetensors", compact=compact), SentimentRNN)
    assert back.cell.kind == stacked.kind
    text = ["not good a movie the very bad"]
    np.testing.assert_allclose(back.logits(text), model.logits(text), atol=1e-2 if compact else 1e-6)


def test_along_text_takes_stacks_and_fixed_points_say_that_they_do_not():
    model = network("gru+gru")
    texts = [" ".join(np.random.default_rng(i).choice(WORDS, 60)) for i in range(60)]
    with pytest.raises(Unmeasured, match="one layer"):
        operating_point(model, texts=texts)
    point = driven_point(model, texts, lag=12)
    assert np.isclose(point.l @ point.r, 1)
    whole = reduce(model, model.cell.n_state, texts)
    np.testing.assert_allclose(whole.logits(texts[:5]), model.logits(texts[:5]), atol=1e-5)


@pytest.fixture(params=["gru+gru", "conv+mingru"])
def deep(request: pytest.FixtureRequest) -> SentimentRNN:
    return network(request.param)


def test_adjoints_and_impulses_of_stacks_are_those_of_finite_differences(deep, rng):
    ids, eps = rng.integers(2, 12, 9), 1e-6
    h, D = deep.states_of([ids])[0][5], eps * np.eye(deep.cell.n_state)
    up, down = (perturb.run(deep, [ids[5:]] * len(D), perturb.start_from(h + d)).final for d in (D, -D))
    found = adjoints(deep, [ids], [4], places=np.array([[0, 9]]))[0, 0]
    np.testing.assert_allclose(found, (up - down) / (2 * eps), atol=1e-6)
    other = np.r_[ids[:4], 3, ids[5:]]
    difference = deep.states_of([other])[0][7] - deep.states_of([ids])[0][7]
    np.testing.assert_allclose(impulse_responses(deep, [ids], [3], [2], [4])[0, 0, 0, 0], difference, atol=1e-12)


def test_the_largest_exponent_of_a_stack_is_how_fast_a_small_change_fades(deep, rng):
    ids = rng.integers(2, 12, 60)
    moved = perturb.run(deep, [ids], perturb.start_from(deep.cell.h0 + 1e-4), states=True).states[0]
    size = np.linalg.norm(moved - deep.states_of([ids])[0], axis=1)
    wanted = np.log(size[60] / size[20]) / 40
    assert lyapunov(deep, [ids], 1, skip=20, length=60)[0, 0] == pytest.approx(wanted, abs=0.03)


def test_a_direction_is_taken_out_of_a_stacks_state(deep, rng):
    basis = np.linalg.qr(rng.standard_normal((deep.cell.n_state, 1)))[0]
    space = Subspace(deep.cell.h0, basis, basis)
    held = perturb.run(deep, ["not good a movie"], perturb.project_out(space), states=True)
    np.testing.assert_allclose((held.states[0] - deep.cell.h0) @ basis, 0, atol=1e-12)
    intact = perturb.run(deep, ["not good a movie"], perturb.amplify(space, 1.0))
    np.testing.assert_allclose(intact.final, deep.logits(["not good a movie"]))


def test_a_report_of_a_stack_says_what_is_for_one_layer():
    texts = [" ".join(np.random.default_rng(i).choice(WORDS, 40)) for i in range(60)]
    made = report.analyse(network("mingru+mingru"), Reviews("made", "test", tuple(texts), np.arange(60) % 2), scored=60)
    assert any("one layer" in reason for missing in made.missing.values() for reason in missing.values())
    assert made.number("accuracy") != "not measured"
    assert made.number("numbers_kept", spec=".0f") != "not measured"


def test_widgets_take_stacks_and_a_page_says_that_it_does_not(deep):
    chart, text = make_chart(deep), "not good a movie"
    bag = BagOfWords(np.zeros(12), 0.0, deep.vocabulary)
    ids, logits = deep.vocabulary.encode(text), deep.trace(text).logits
    np.testing.assert_allclose(widgets.sentiment_trace(deep, bag, text).frame["network"][1:], logits, atol=1e-5)
    np.testing.assert_allclose(widgets.the_plane([chart], text).frame["networks"][0]["whole"][1:], logits, atol=1e-5)
    pull = widgets.who_still_matters(deep, text).frame["pull"]
    average = mean_map(deep.astype(np.float32), widgets.FILLERS)
    before = deep.states_of([ids])[0][:-1]
    done = deep.cell.step_projected(before, deep.projected[ids]) - average(before)
    a = adjoints(deep, [ids], range(4), places=np.array([[0, 4]]))[0][::-1]
    np.testing.assert_allclose(pull, np.sum(a * done, -1), atol=1e-4)
    with pytest.raises(ValueError, match="pages run a GRU or minGRU"):
        assets.write_assets("nowhere", deep)


def test_what_needs_partials_says_that_it_is_for_one_layer(deep):
    with pytest.raises(ValueError, match="one layer"):
        mean_map(deep).jacobian(deep.cell.h0)
    with pytest.raises(ValueError, match="one layer"):
        find_attractor(deep, texts=[" ".join(WORDS * 3)] * 40)


def test_keras_stacks_are_wrapped(rng):
    vocabulary = Vocabulary((PAD, UNKNOWN, *WORDS))
    layers = [
        keras.layers.Embedding(len(vocabulary), 5), keras.layers.GRU(6, return_sequences=True), keras.layers.LSTM(7),
        keras.layers.Dense(1),
    ]  # fmt: skip
    model = keras.Sequential(layers)
    ids = rng.integers(2, len(vocabulary), (3, 9))
    wanted = np.asarray(model(ids))[:, 0]
    np.testing.assert_allclose(from_keras(model, vocabulary).logits_of(list(ids)), wanted, atol=1e-5)


@pytest.mark.parametrize("n_layers", [1, 2])
def test_a_public_mingru_layer_is_wrapped(n_layers, rng):
    """mingru-keras 0.1 says z for the gate that writes, and computes all states of a text at once."""
    words = keras.Input((9,), dtype="int32")
    h = keras.layers.Embedding(12, 5)(words)
    for n in (6, 7)[:n_layers]:
        h = MinGRU(n)(h)
    model = keras.Model(words, keras.layers.Dense(1)(h[:, -1]))
    for variable in model.trainable_variables:
        variable.assign(rng.standard_normal(variable.shape))
    ids = rng.integers(2, 12, (3, 9))
    wrapped = from_keras(model, Vocabulary((PAD, UNKNOWN, *WORDS)))
    assert wrapped.cell.kind == "+".join(["mingru"] * n_layers)
    np.testing.assert_allclose(wrapped.logits_of(list(ids)), np.asarray(model(ids))[:, 0], atol=1e-5)


def test_torch_stacks_are_wrapped(rng):
    """A layer above the first has ``_l1`` in its names; weights as PyTorch orders them, (r, z, n)."""
    cell, N, D = random_stack("gru+gru"), 6, 5
    assert isinstance(cell, StackedCell)
    order = np.r_[N : 2 * N, :N, 2 * N : 3 * N]
    state = {"embed.weight": rng.standard_normal((12, D)), "out.weight": rng.standard_normal((1, N))}
    for i, layer in enumerate(cell.layers):
        state |= {f"rnn.weight_ih_l{i}": layer.W.T[order], f"rnn.weight_hh_l{i}": layer.U.T[order]}
        state |= {f"rnn.bias_ih_l{i}": layer.b[order], f"rnn.bias_hh_l{i}": layer.b_rec[order]}
    found = from_torch(state, Vocabulary((PAD, UNKNOWN, *WORDS))).cell
    x, h = rng.standard_normal(D), rng.standard_normal(2 * N)
    np.testing.assert_allclose(found.step(h, x), cell.step(h, x))


def test_names_of_stacks_are_checked():
    assert parts_of("conv+mingru+gru") == ["conv", "mingru", "gru"]
    for wrong in ("gru+", "gru+conv", "conv+conv+gru", "transformer"):
        with pytest.raises(ValueError, match="unknown cell"):
            parts_of(wrong)
    with pytest.raises(ValueError, match="reads 9 numbers"):
        stack([initial_cell("gru", 5, 6), initial_cell("gru", 9, 6)])


@pytest.mark.parametrize("kind", ["gru", "lstm+gru", "mingru+mingru", "conv+mingru", "lru"])
def test_what_is_trained_is_what_is_analysed(kind, rng):
    """The network that Keras trains, dropout off, and the one that is analysed give the same logits."""
    off = {"embedding_dropout": 0.0, "state_dropout": 0.0, "word_dropout": 0.0}
    config = TrainConfig(cell=kind, n_inputs=5, n_units=6, precision="float32", **off)
    network = Network(config, 12, 2, rng.standard_normal((12, 5)))
    for variable in network.trainable_variables:
        variable.assign(variable + 0.3 * rng.standard_normal(variable.shape))
    ids = rng.integers(2, 12, (3, 9)).astype(np.int32)
    wanted = np.asarray(network.logits(tf.constant(ids), tf.constant([9, 9, 9]), tf.constant([0, 0])))[:, 0]
    model = network.to_model(Vocabulary((PAD, UNKNOWN, *WORDS)), kind)
    assert model.cell.kind == kind
    np.testing.assert_allclose(model.logits_of(list(ids)), wanted, atol=1e-5)
    fresh = untrained(kind, model.vocabulary, 6, 5)
    assert fresh.w.shape == model.w.shape


def test_a_cells_products_with_the_input_are_those_of_its_jacobian(any_cell, rng):
    h, x = rng.standard_normal((3, any_cell.n_state)), rng.standard_normal((3, any_cell.n_inputs))
    g, dx = rng.standard_normal((3, any_cell.n_state)), rng.standard_normal((3, any_cell.n_inputs))
    J, u = any_cell.jacobians(h, x).J_inp, any_cell.project(x)
    np.testing.assert_allclose(any_cell.vjp_input(h, u, g), np.einsum("bij,bi->bj", J, g), atol=1e-10)
    np.testing.assert_allclose(any_cell.jvp_input(h, u, dx), np.einsum("bij,bj->bi", J, dx), atol=1e-10)
