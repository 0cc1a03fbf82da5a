"""Adjoints, impulse responses and exponents against finite differences, substituted texts and linear networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from along_text import linear_reader
from conftest import small_network

from rnnrev import driven
from rnnrev.data import PAD, UNKNOWN, Vocabulary
from rnnrev.driven import FunctionCell, adjoints, impulse_responses, lyapunov
from rnnrev.linear import OperatingPoint, eigenmodes, input_effect, slow_readout, valence
from rnnrev.model import SentimentRNN


def random_texts(model: SentimentRNN, n: int = 4, low: int = 12, high: int = 20, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(2, len(model.vocabulary), rng.integers(low, high)) for _ in range(n)]


def logits_from(model: SentimentRNN, h: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """The logit after tokens read from states (n, S), by the plain step."""
    for t in tokens:
        h = model.cell.step(h, model.embedding[t])
    return model.readout(h)


def linear_network(A: np.ndarray, w: np.ndarray, n_words: int = 30, seed: int = 0) -> SentimentRNN:
    """h' = A h + x, as a plain function; its words are random inputs with mean zero."""
    S, rng = len(A), np.random.default_rng(seed)
    words = Vocabulary((PAD, UNKNOWN, *(f"w{i}" for i in range(n_words))))
    x = rng.standard_normal((n_words + 2, S))
    x -= x.mean(0)
    cell = FunctionCell.of(lambda h, x: h @ A.T + x, np.zeros(S), S)
    return SentimentRNN(cell, x, words, w, 0.0, "linear", counts=np.ones(n_words + 2))


# --- products with the Jacobian ---------------------------------------------------------------------


def test_products_are_those_of_finite_differences(network, rng):
    cell, S = network.cell, network.cell.n_state
    h, u, g = rng.standard_normal((3, S)), network.projected[[2, 5, 7]], rng.standard_normal((3, 2, S))
    eps = 1e-6
    moved = [(cell.step_projected(h + e, u) - cell.step_projected(h - e, u)) / (2 * eps) for e in eps * np.eye(S)]
    J = np.stack(moved, -1)  # (3, S, S)
    np.testing.assert_allclose(cell.vjp(h, u, g), np.einsum("bij,bci->bcj", J, g), atol=1e-8)
    np.testing.assert_allclose(cell.jvp(h, u, g), np.einsum("bij,bcj->bci", J, g), atol=1e-8)
    np.testing.assert_allclose(cell.vjp(h, u, g[:, 0]), np.einsum("bij,bi->bj", J, g[:, 0]), atol=1e-8)


def test_a_plain_function_has_the_products_of_the_cell_it_computes(network, rng):
    cell, S = network.cell, network.cell.n_state
    h, x, g = rng.standard_normal((3, S)), network.embedding[[2, 5, 7]], rng.standard_normal((3, S))
    for jacobian in (None, lambda h, x: cell.jacobians(h, x).J_rec):
        plain = FunctionCell.of(cell.step, cell.h0, cell.n_inputs, jacobian)
        u, wanted = plain.project(x), cell.project(x)
        np.testing.assert_allclose(plain.vjp(h, u, g), cell.vjp(h, wanted, g), atol=1e-7)
        np.testing.assert_allclose(plain.jvp(h, u, g), cell.jvp(h, wanted, g), atol=1e-7)
    np.testing.assert_allclose(plain.step(h[:, None], x[None]), cell.step(h[:, None], x[None]))


# --- adjoints -----------------------------------------------------------------------------------------


def test_adjoints_are_finite_differences_of_later_logits(network):
    texts = random_texts(network)
    places = np.array([[0, 12], [1, 9], [3, 11]])
    found = adjoints(network, texts, [0, 1, 4, 9], places=places)
    assert found.shape == (3, 4, network.cell.n_state)
    states = network.states_of(texts)
    eps, moves = 1e-5, np.eye(network.cell.n_state)
    for (i, t), of_place in zip(places, found):
        for n, a in zip([0, 1, 4, 9], of_place):
            h, rest = states[i][t - n], texts[i][t - n : t]
            want = logits_from(network, h + eps * moves, rest) - logits_from(network, h - eps * moves, rest)
            np.testing.assert_allclose(a, want / (2 * eps), atol=1e-6)


def test_with_more_classes_there_is_one_adjoint_a_class(network, rng):
    w = rng.standard_normal((network.cell.n_state, 3))
    texts = random_texts(network)
    found = adjoints(replace(network, w=w, b=np.zeros(3)), texts, [2, 5], places=np.array([[0, 8], [2, 10]]))
    for c in range(3):
        one = adjoints(replace(network, w=w[:, c]), texts, [2, 5], places=np.array([[0, 8], [2, 10]]))
        np.testing.assert_allclose(found[:, :, c], one, atol=1e-12)


def test_a_plain_function_and_strings_and_drawn_places():
    network = small_network("gru")
    texts = ["the movie was not very good . a bad movie", "good good bad was the movie"]
    cell = network.cell
    plain = replace(network, cell=FunctionCell.of(cell.step, cell.h0, cell.n_inputs))
    a, b = (adjoints(m, texts, range(4), places=9, seed=3) for m in (network, plain))
    assert a.shape == (9, 4, cell.n_state)
    np.testing.assert_allclose(a, b, atol=1e-6)
    assert len(adjoints(network, texts, [6])) == len(texts[0].split()) - 5 + 1  # all places that reach back so far


def test_texts_that_do_not_reach_back_and_single_strings_are_refused():
    network = small_network("gru")
    with pytest.raises(ValueError, match="lags up to 30 need texts of as many tokens, the longest has"):
        adjoints(network, random_texts(network), [30])
    with pytest.raises(ValueError, match="not negative"):
        adjoints(network, random_texts(network), [-1])
    with pytest.raises(TypeError, match="list of texts"):
        adjoints(network, "the movie", [1])


# --- impulse responses, exponents ---------------------------------------------------------------------


def test_impulse_responses_are_differences_between_texts_with_one_word_changed(network):
    texts, words, places, lags = random_texts(network), ["good", "not"], [0, 3], [0, 2, 5]
    found = impulse_responses(network, texts, words, lags, places)
    assert found.shape == (4, 2, 2, 3, network.cell.n_state)
    plain = network.states_of(texts)
    for p, place in enumerate(places):
        for k, word in enumerate(words):
            changed = [np.r_[i[:place], network.vocabulary.number(word), i[place + 1 :]] for i in texts]
            for i, h in enumerate(network.states_of(changed)):
                want = [(h - plain[i])[place + n + 1] for n in lags]
                np.testing.assert_allclose(found[i, p, k], want, atol=1e-12)
    read = impulse_responses(network, texts, words, lags, places, w=network.w)
    np.testing.assert_allclose(read, found @ network.w, atol=1e-12)


def test_drawn_places_and_texts_that_are_too_short():
    network = small_network("lstm")
    texts = random_texts(network)
    assert impulse_responses(network, texts, [3], [5]).shape == (4, 1, 1, 1, network.cell.n_state)
    with pytest.raises(ValueError, match="the shortest text has"):
        impulse_responses(network, texts, [3], [50])
    with pytest.raises(ValueError, match="places up to 15"):
        impulse_responses(network, texts, [3], [5], [15])


def test_exponents_of_a_linear_network_are_its_eigenvalues(rng):
    R = rng.standard_normal((5, 5))
    A = R @ np.diag([0.98, 0.9, -0.7, 0.4, 0.1]) @ np.linalg.inv(R)
    model = linear_network(A, np.ones(5))
    texts = random_texts(model, 3, 200, 220)
    found = lyapunov(model, texts, 3, skip=40, length=200)
    np.testing.assert_allclose(found, np.tile(np.log([0.98, 0.9, 0.7]), (3, 1)), atol=0.01)
    with pytest.raises(ValueError, match="texts of 500 tokens"):
        lyapunov(model, texts, 3, length=500)


# --- the driven point -----------------------------------------------------------------------------------


def integrator(seed: int = 0) -> tuple[SentimentRNN, np.ndarray, np.ndarray]:
    """A leaky integrator (τ = 100) beside five quick units, all mixed, and its left and right vector."""
    rng = np.random.default_rng(seed)
    R = rng.standard_normal((6, 6))
    R[:, 0] /= np.linalg.norm(R[:, 0])
    A = R @ np.diag([np.exp(-1 / 100), 0.6, 0.5, 0.4, 0.3, 0.2]) @ np.linalg.inv(R)
    w = rng.standard_normal(6)
    sign = np.sign(w @ R[:, 0])
    return linear_network(A, w, seed=seed), sign * np.linalg.inv(R)[0], sign * R[:, 0]


def test_the_driven_point_of_an_integrator_has_its_vectors_and_time_constant():
    model, left, right = integrator()
    texts = random_texts(model, 80, 100, 140)
    point = driven.driven_point(model, texts)
    assert isinstance(point, OperatingPoint)
    np.testing.assert_allclose(point.r, right, atol=1e-3)
    np.testing.assert_allclose(point.l, left, atol=1e-3 * np.abs(left).max())
    assert point.l @ point.r == pytest.approx(1)
    assert point.tau == pytest.approx(100, rel=0.01)
    assert point.coherence == pytest.approx(1, abs=1e-3)
    assert point.on_axis == pytest.approx(1, abs=1e-3)
    # what chapters read off a point works on this one: of a linear network, valence is the input on the left vector
    known = (model.embedding - model.frequencies @ model.embedding) @ left * (model.w @ right)
    np.testing.assert_allclose(valence(point, range(2, 20)), known[2:20], rtol=1e-2, atol=1e-2)
    assert input_effect(point, ["w3"]).shape == (1, 6)
    assert slow_readout(point).shape == (6,)


def test_the_vectors_turn_with_a_change_of_coordinates_but_not_what_they_say(rng):
    model, _, _ = integrator()
    T = rng.standard_normal((6, 6))
    back = np.linalg.inv(T)
    A = np.stack([model.cell.F(e[None], np.zeros((1, 6)))[0] for e in np.eye(6)], 1)
    other = linear_network(T @ A @ back, model.w @ back)
    other = replace(other, embedding=model.embedding @ T.T)
    texts = random_texts(model, 80, 100, 140)
    a, b = driven.driven_point(model, texts), driven.driven_point(other, texts)
    np.testing.assert_allclose(valence(a, range(2, 20)), valence(b, range(2, 20)), rtol=1e-3, atol=1e-3)


def test_a_driven_point_needs_texts_longer_than_the_lag():
    model, _, _ = integrator()
    with pytest.raises(ValueError, match="more than 50 tokens"):
        driven.driven_point(model, random_texts(model))


def test_doubts_name_what_is_wrong_with_a_point(monkeypatch):
    model, _, _ = integrator()
    texts = random_texts(model, 40, 100, 140)
    point = driven.driven_point(model, texts)
    monkeypatch.setattr(driven, "operating_point", lambda *args, **options: point)  # F̄ of a function has no partials
    assert driven.doubts(point, texts) == ()
    sd = np.std(driven.visited_states(model, texts) @ point.l)
    off = replace(point, h_star=point.h_star + 5 * sd * point.r)
    assert "5 standard deviations off" in driven.doubts(off, texts)[0]
    growing = replace(point, modes=eigenmodes(np.diag([1.05, 0.9, 0.5, 0.4, 0.3, 0.2])))
    assert "growing modes, the fastest by 5.0% a token" in driven.doubts(growing, texts)[0]


# --- the linear reader ----------------------------------------------------------------------------------


def test_the_linear_reader_is_exact_for_a_linear_network():
    model, _, _ = integrator()
    train, texts = random_texts(model, 60, 100, 140), random_texts(model, 30, 20, 150, seed=9)
    reader = linear_reader(model, train)
    whole = model.logits_of(texts)
    assert np.corrcoef(whole, reader.logits_of(texts))[0, 1] ** 2 > 0.999
    # in units of nats, up to a constant
    assert np.polyfit(reader.logits_of(texts), whole, 1)[0] == pytest.approx(1, abs=0.02)
