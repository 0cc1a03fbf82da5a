"""Balanced modes against closed forms: linear networks, and one by hand: an integrator, a knob, idle slow units."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from conftest import small_network
from networks import recurrent
from scipy.linalg import solve_discrete_lyapunov

from rnnrev import balanced, perturb, zoo
from rnnrev.balanced import ReducedRNN, axes, balance, balanced_modes, explained, petrov_galerkin, reduce, volume_axis
from rnnrev.book.plane import landscape, word_matrices
from rnnrev.data import PAD, UNKNOWN, Vocabulary, load_reviews
from rnnrev.driven import FunctionCell, adjoints, token_arrays
from rnnrev.model import SentimentRNN, untrained


def random_texts(model: SentimentRNN, n: int, low: int = 80, high: int = 120, seed: int = 0) -> list[np.ndarray]:
    rng, p = np.random.default_rng(seed), model.frequencies
    return [rng.choice(len(p), rng.integers(low, high), p=p).astype(np.int32) for _ in range(n)]


# --- a linear network: everything in closed form -------------------------------------------------------


def linear_system(S: int = 8, D: int = 3, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    R = rng.standard_normal((S, S))
    A = R @ np.diag(rng.uniform(-0.6, 0.9, S)) @ np.linalg.inv(R)
    return A, rng.standard_normal((S, D)), rng.standard_normal(S)


def snapshots(A: np.ndarray, B: np.ndarray, w: np.ndarray, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """States whose covariance is the controllability Gramian (impulse responses, both signs), and all adjoints."""
    states, a = [B], [w]
    for _ in range(n):
        states.append(A @ states[-1])
        a.append(A.T @ a[-1])
    X = np.concatenate(states, 1).T
    return np.concatenate([X, -X]) * np.sqrt(len(X)), np.array(a)[None]


def test_balanced_truncation_of_a_linear_network_in_closed_form(rng):
    A, B, w = linear_system()
    modes = balanced_modes(*snapshots(A, B, w), w)
    W_c, W_o = solve_discrete_lyapunov(A, B @ B.T), solve_discrete_lyapunov(A.T, np.outer(w, w))
    known = np.sqrt(np.sort(np.linalg.eigvals(W_c @ W_o).real)[::-1])
    np.testing.assert_allclose(modes.hankel, known, rtol=1e-6, atol=1e-9 * known[0])
    np.testing.assert_allclose(modes.Psi.T @ modes.Phi, np.eye(8), atol=1e-6)
    # both covariances are Σ in the new coordinates
    np.testing.assert_allclose(modes.Psi.T @ W_c @ modes.Psi, np.diag(known), atol=1e-6 * known[0])
    np.testing.assert_allclose(modes.Phi.T @ W_o @ modes.Phi, np.diag(known), atol=1e-6 * known[0])
    # Enns 1984, Glover 1984: the error of the reduced system is at most 2 Σ_{i>k} σ_i times the size of the input
    x = rng.standard_normal((3000, 3))
    for k in (1, 2, 4, 6):
        Phi, Psi = modes.Phi[:, :k], modes.Psi[:, :k]
        h, z, error = np.zeros(8), np.zeros(k), []
        for x_t in x:
            h, z = A @ h + B @ x_t, Psi.T @ (A @ (Phi @ z) + B @ x_t)
            error.append(w @ h - w @ Phi @ z)
        bound = 2 * known[k:].sum()
        assert np.linalg.norm(error) <= bound * np.linalg.norm(x)


def linear_cell(A: np.ndarray, B: np.ndarray) -> FunctionCell:
    return FunctionCell.of(lambda h, x: h @ A.T + x @ B.T, np.zeros(8), 3, lambda h, x: np.tile(A, (len(h), 1, 1)))


def linear_network(seed: int = 0) -> tuple[SentimentRNN, np.ndarray, np.ndarray, np.ndarray]:
    """The linear system as a network whose words are white inputs: mean 0, covariance I."""
    A, B, w = linear_system(seed=seed)
    x = np.random.default_rng(seed).standard_normal((42, 3))
    x[:1] = 0
    x[1:] = np.linalg.qr(x[1:] - x[1:].mean(0))[0] * np.sqrt(41)
    words = Vocabulary((PAD, UNKNOWN, *(f"w{i}" for i in range(40))))
    return SentimentRNN(linear_cell(A, B), x, words, w, 0.0, "linear", counts=np.r_[0, np.ones(41)]), A, B, w


def test_on_text_the_modes_are_those_of_the_gramians():
    model, A, B, w = linear_network()
    modes = balance(model, random_texts(model, 200), length=120)
    W_c, W_o = solve_discrete_lyapunov(A, B @ B.T), solve_discrete_lyapunov(A.T, np.outer(w, w))
    known = np.sqrt(np.sort(np.linalg.eigvals(W_c @ W_o).real)[::-1])
    np.testing.assert_allclose(modes.hankel[:4], known[:4], rtol=0.1)


def test_coordinates_of_the_state_change_nothing_but_principal_components_depend_on_them(rng):
    model, A, B, w = linear_network()
    T = rng.standard_normal((8, 8)) @ np.diag(np.logspace(-1, 1, 8))
    back = np.linalg.inv(T)
    other = replace(model, cell=linear_cell(T @ A @ back, T @ B), w=back.T @ w)
    texts = random_texts(model, 60)
    a, b = balance(model, texts), balance(other, texts)
    np.testing.assert_allclose(a.hankel, b.hankel, rtol=1e-5, atol=1e-8 * a.hankel[0])
    r2 = []
    for m, modes in ((model, a), (other, b)):
        np.testing.assert_allclose(modes.reduce(m, 3).logits_of(texts), a.reduce(model, 3).logits_of(texts), atol=1e-5)
        X = np.concatenate(m.states_of(texts))
        axes_ = np.linalg.svd(X - X.mean(0), full_matrices=False)[2][:3].T
        r2.append(explained(m.logits_of(texts), petrov_galerkin(m, axes_, axes_, X.mean(0)).logits_of(texts)))
    assert abs(r2[0] - r2[1]) > 0.01


# --- a network by hand ----------------------------------------------------------------------------------

KNOWN = ("good", "bad", "not", "extremely", *(f"filler{i}" for i in range(30)))


def by_hand(n_idle: int = 10, seed: int = 0) -> tuple[SentimentRNN, np.ndarray]:
    """One integrator, m' = .99 m + (1 + v) valence; one knob, v' = .8 v + word; slow units that nobody reads.

    All of them are mixed by a random matrix T, which is returned too: h = T (m, v, s).
    """
    S, rng = n_idle + 2, np.random.default_rng(seed)
    x = np.zeros((len(KNOWN) + 2, n_idle + 2))
    x[2:6, :2] = [[0.5, 0], [-0.5, 0], [0, -0.6], [0, 0.6]]
    x[6:, 2:] = 3 * rng.standard_normal((30, n_idle))
    T = rng.standard_normal((S, S))
    back = np.linalg.inv(T)

    def step(h: np.ndarray, x: np.ndarray) -> np.ndarray:
        m, v, s = np.split(h @ back.T, [1, 2], -1)
        m = 0.99 * m + (1 + v) * x[..., :1]
        return np.concatenate([m, 0.8 * v + x[..., 1:2], 0.995 * s + x[..., 2:]], -1) @ T.T

    def jacobian(h: np.ndarray, x: np.ndarray) -> np.ndarray:
        J = np.tile(np.diag(np.r_[0.99, 0.8, np.full(n_idle, 0.995)]), (len(h), 1, 1))
        J[:, 0, 1] = x[:, 0]
        return T @ J @ back

    cell = FunctionCell.of(step, T @ np.r_[0, 1.5, np.zeros(n_idle)], S, jacobian)
    counts = np.r_[0, 0, 6, 6, 6, 6, np.ones(30)]
    words = Vocabulary((PAD, UNKNOWN, *KNOWN))
    return SentimentRNN(cell, x, words, back[0], 0.0, "by hand", counts=counts), T


@pytest.fixture(scope="module")
def hand():
    """The network by hand, its T, texts and balanced modes."""
    model, T = by_hand()
    texts = random_texts(model, 120)
    return model, T, texts, balance(model, texts)


def test_an_integrator_and_a_knob_are_found_and_idle_slow_units_are_not(hand):
    model, T, texts, _ = hand
    reduced = reduce(model, texts=texts, least=0.999)
    assert reduced.k == 2
    assert reduced.hankel[2] < 1e-6 * reduced.hankel[1]
    # Φ spans what is written and read (m and v) up to what is correlated with them; Ψ reads nothing of the idle units
    reads = T.T @ reduced.Psi  # on (m, v, s)
    np.testing.assert_allclose(reads[2:], 0, atol=1e-6 * np.abs(reads).max())
    fresh = random_texts(model, 50, seed=5)
    assert explained(model.logits_of(fresh), reduced.logits_of(fresh)) > 0.999
    # principal components follow the idle units
    X = np.concatenate(model.states_of(texts))
    two = np.linalg.svd(X - X.mean(0), full_matrices=False)[2][:2].T
    pca = petrov_galerkin(model, two, two, X.mean(0))
    assert explained(model.logits_of(fresh), pca.logits_of(fresh)) < 0.5


def test_axes_name_the_memory_and_the_knob_and_where_words_and_h0_stand(hand):
    model, _, texts, modes = hand
    table = axes(model, modes, texts, ["not", "extremely", "good"], k=2)
    assert volume_axis(table) == 2
    assert table.read[1] > 5 * abs(table["read"][2])
    # v' = .8 v: τ = 4.5 tokens; m' = .99 m: 100
    assert table.tau[2] == pytest.approx(-1 / np.log(0.8), rel=0.05)
    assert table.tau[1] == pytest.approx(100, rel=0.2)
    # with v = sd · z, words count 1 + v: the gain of one sd is sd over mean gain; ±.6 and h0 = 1.5 in the same unit
    assert table["h0"][2] > 2
    assert table["extremely"][2] == pytest.approx(-table["not"][2], rel=0.1)
    np.testing.assert_allclose(table["h0"][2] / table["extremely"][2], 1.5 / 0.6, rtol=0.2)
    assert abs(table["good"][1]) > 5 * abs(table["good"][2])


# --- the plane --------------------------------------------------------------------------------------------


def test_in_the_plane_words_are_the_matrices_that_were_put_in_and_volume_multiplies(hand):
    model, T, texts, modes = hand
    small = balanced.plane(model, modes, axes(model, modes, texts, k=2))
    z = small.coordinates(np.concatenate([h[10:] for h in model.states_of(texts)]))
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(z.std(0), 1, atol=1e-6)
    words = ["good", "bad", "not", "extremely"]
    found = word_matrices(small, words, z[:200])
    np.testing.assert_allclose(found.r2, 1, atol=1e-6)
    # h = T (m, v, …): the change from (m, v) to z, and the known step in it
    to_z = np.linalg.inv(small.Psi.T @ T[:, :2])  # z -> (m, v)
    for word, value, push in zip(words, (0.5, -0.5, 0, 0), (0, 0, -0.6, 0.6)):
        A = np.linalg.inv(to_z) @ np.array([[0.99, value], [0, 0.8]]) @ to_z
        row = found.loc[word]
        np.testing.assert_allclose(row[["A11", "A12", "A21", "A22"]].to_numpy(float), A.ravel(), atol=1e-6)
        fixed = to_z @ small.coordinates(T @ np.zeros(12))  # m = v = 0 seen from z
        want = (np.eye(2) - A) @ np.linalg.inv(to_z) @ fixed + np.linalg.inv(to_z) @ [value, push]
        np.testing.assert_allclose(row[["b1", "b2"]].to_numpy(float), want, atol=1e-6)
    np.testing.assert_allclose(small.steps(["good"], z[:5])[0], small.advance(z[:5], np.full(5, 2)) - z[:5])


def test_the_fixed_point_of_the_averaged_map_is_found_with_its_eigenvalues_and_basin(hand):
    model, T, texts, modes = hand
    small = balanced.plane(model, modes, axes(model, modes, texts, k=2))
    found = landscape(small, n=21)
    # good and bad, not and extremely are equally frequent: on average m' = .99 m and v' = .8 v
    np.testing.assert_allclose(found.fixed, [small.coordinates(T @ np.zeros(12))], atol=1e-5)
    np.testing.assert_allclose(np.sort(found.eigvals.real), [[0.8, 0.99]], atol=1e-5)
    assert found.stable.all()
    assert (found.basin == 0).all()


# --- a reduced network is a network -----------------------------------------------------------------------


def test_all_modes_are_the_whole_network(network):
    texts = random_texts(network, 20, 20, 30)
    X = np.concatenate(network.states_of(texts))
    modes = balanced_modes(X, adjoints(network, texts, range(20)), network.w)
    whole = modes.reduce(network, modes.Phi.shape[1])
    np.testing.assert_allclose(whole.logits_of(texts), network.logits_of(texts), atol=1e-4)


def test_a_step_is_the_projected_one_and_takes_the_small_products(network, rng):
    S = network.cell.n_state
    Phi, mean = np.linalg.qr(rng.standard_normal((S, 3)))[0], rng.standard_normal(S)
    Psi = Phi + (np.eye(S) - Phi @ Phi.T) @ rng.standard_normal((S, 3))  # oblique
    small = petrov_galerkin(network, Phi, Psi, mean)
    z, tokens = rng.standard_normal((4, 3)), np.array([2, 3, 4, 5])
    want = (network.advance(mean + z @ Phi.T, tokens) - mean) @ Psi
    np.testing.assert_allclose(small.advance(z, tokens), want, atol=1e-12)
    np.testing.assert_allclose(small.readout(z), network.readout(mean + z @ Phi.T), atol=1e-12)
    np.testing.assert_allclose(small.cell.h0, (network.cell.h0 - mean) @ Psi)
    assert small.cell.U.shape[0] == 3
    assert small.k == 3
    half = small.astype(np.float32)
    assert half.advance(z.astype(np.float32), tokens).dtype == np.float32


def test_whatever_takes_a_network_takes_a_reduced_one(network):
    texts = ["the movie was not very good . a bad movie", "good good bad was the movie", "bad"]
    ids = network.vocabulary.encode_all(texts)
    X = np.concatenate(network.states_of(ids))
    small = balanced_modes(X, adjoints(network, ids, range(5)), network.w).reduce(network, 2)
    assert isinstance(small, ReducedRNN)
    assert small.classify(texts).shape == (3,)
    trace = small.trace(texts[0])
    assert trace.logits[-1] == pytest.approx(small.logits(texts)[0])
    assert small.states(texts)[0].shape == (11, 2)
    assert perturb.run(small, texts).final == pytest.approx(small.logits(texts))
    h, places = small.states_of(ids)[0], np.array([[0, 8]])
    found = adjoints(small, ids, [3], places=places)[0, 0]
    for i, e in enumerate(1e-5 * np.eye(2)):
        ends = []
        for z in (h[5] + e, h[5] - e):
            for t in ids[0][5:8]:
                z = small.advance(z[None], np.array([t]))[0]
            ends.append(small.readout(z))
        assert found[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)
    assert "k = 2" in small.name
    assert "2 of" in repr(small)


# --- what is refused --------------------------------------------------------------------------------------


def test_errors_say_what_to_do(hand):
    model, _, texts, modes = hand
    with pytest.raises(ValueError, match="12 texts are too few"):
        reduce(model, 2, texts[:12])
    for k in (0, 13):
        with pytest.raises(ValueError, match="between 1 and 12"):
            reduce(model, k, texts)
    with pytest.raises(ValueError, match="2 modes that were seen, not 5"):
        modes.reduce(model, 5)
    with pytest.raises(ValueError, match="lower least"):
        reduce(replace(model, w=model.w * 0 + np.eye(12)[0]), texts=texts, least=1.1)
    with pytest.raises(ValueError, match="must be the identity"):
        petrov_galerkin(model, np.eye(12)[:, :2], 2 * np.eye(12)[:, :2], np.zeros(12))
    fresh = untrained("gru", model.vocabulary, 16, 8, counts=model.counts)
    with pytest.raises(ValueError, match="untrained network has nothing to balance"):
        reduce(fresh, texts=texts)


def test_more_classes_are_balanced_by_their_differences(rng):
    network = small_network("gru")
    network = replace(network, w=rng.standard_normal((network.cell.n_state, 3)), b=np.zeros(3))
    texts = random_texts(network, 40, 20, 30)
    modes = balance(network, texts, 15)
    shifted = balance(replace(network, w=network.w + rng.standard_normal((network.cell.n_state, 1))), texts, 15)
    np.testing.assert_allclose(modes.hankel, shifted.hankel, rtol=1e-5, atol=1e-9)
    assert modes.reduce(network, 7).logits_of(texts).shape == (40, 3)


# --- shipped networks ---------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", recurrent() + recurrent(pretrained=True))
def test_a_few_numbers_read_as_the_whole_shipped_network_does(name, record_property):
    model = zoo.load(name)
    start = time.perf_counter()
    reduced = reduce(model)
    seconds = time.perf_counter() - start
    ids, hard = token_arrays(model, load_reviews("book").texts, 260)[160:], load_reviews("book", "hard").texts
    r2 = explained(model.logits_of(ids), reduced.logits_of(ids))  # reviews that took no part in balancing or choice
    on_hard = explained(model.logits(hard), reduced.logits(hard))
    text = (
        f"{name:20} k = {reduced.k}, R² {r2:.3f}; on hard reviews, another kind of text, {on_hard:.3f}; {seconds:.1f} s"
    )
    record_property("balanced", text)
    assert reduced.k <= 8
    assert r2 > 0.9
