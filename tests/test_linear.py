"""Modes of matrices that are known, and linear networks, on which the linear model must be exact."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from conftest import made_up, turn
from scipy import linalg

from rnnrev import linear
from rnnrev.cells import CELLS
from rnnrev.fixed_points import find_fixed_points, mean_map, numeric_jacobian
from rnnrev.model import untrained

KINDS = sorted(CELLS)
TEXTS = (
    "w1 w2 w3 w4 w5 w6 w7 w8 w9 w1 w2 w3",
    "w3 w3 w1 w0 w9 w9",
    "w5 w0 w0",
    "w7 w8 w1 w1 w2 w30 w4 w4 w4 w2 w2 w0 w0",
)


def network(kind: str, n_units: int = 8, scale: float = 1.0):
    """An untrained network on 40 words; ``scale`` shrinks everything, so that a small one is all but linear."""
    counts = np.concatenate([[0.0, 3.0], 100 / np.arange(1, 41)])
    model = untrained(kind, made_up(40), n_units=n_units, n_inputs=5, seed=2, counts=counts).astype(float)
    return replace(model, embedding=model.embedding * scale)


# --- modes ------------------------------------------------------------------------------------------


def test_eigenmodes_of_a_matrix_that_was_made_from_its_modes():
    R = np.random.default_rng(0).standard_normal((4, 4))
    J = R @ np.diag([0.5, -0.9, 0.999, 0.1]) @ np.linalg.inv(R)
    modes = linear.eigenmodes(J)
    np.testing.assert_allclose(modes.eigvals, [0.999, -0.9, 0.5, 0.1], atol=1e-10)
    np.testing.assert_allclose(modes.tau[0], -1 / np.log(0.999), rtol=1e-6)
    order = [2, 1, 0, 3]
    alignment = np.abs((modes.R * (R / np.linalg.norm(R, axis=0))[:, order]).sum(0))
    np.testing.assert_allclose(alignment, 1, atol=1e-9)
    np.testing.assert_allclose(modes.L @ modes.R, np.eye(4), atol=1e-9)
    np.testing.assert_allclose(modes.R @ np.diag(modes.eigvals) @ modes.L, J, atol=1e-9)


def test_conjugate_pairs_stand_together_and_order_is_by_size():
    modes = linear.eigenmodes(in_some_basis(turn(0.9, 1), 0.95, turn(0.9, 2), -0.9))
    assert (np.diff(np.abs(modes.eigvals)) < 1e-9).all()
    pairs = modes.eigvals[np.abs(modes.eigvals.imag) > 1e-6]
    np.testing.assert_allclose(pairs[::2], pairs[1::2].conj(), atol=1e-9)
    assert (pairs[::2].imag > 0).all()
    np.testing.assert_allclose(modes.tau[0], -1 / np.log(0.95))


def test_sign_convention_follows_the_readout_and_stacks_work():
    J = np.random.default_rng(1).standard_normal((3, 5, 5)) / 3
    w = np.random.default_rng(2).standard_normal(5)
    modes = linear.eigenmodes(J, w)
    assert ((w @ modes.R).real >= 0).all()
    for i in range(3):
        one = linear.eigenmodes(J[i], w)
        np.testing.assert_allclose(one.R, modes.R[i], atol=1e-9)
        np.testing.assert_allclose(one.L, modes.L[i], atol=1e-9)


def test_a_matrix_without_enough_eigenvectors_is_called_out():
    with pytest.warns(UserWarning, match="cannot be trusted"):
        linear.eigenmodes(np.array([[0.5, 1.0], [0.0, 0.5 + 1e-13]]))


def test_bad_matrices():
    with pytest.raises(ValueError, match="square"):
        linear.eigenmodes(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="not finite"):
        linear.eigenmodes(np.full((2, 2), np.nan))


def in_some_basis(*blocks: np.ndarray | float) -> np.ndarray:
    block = linalg.block_diag(*blocks)
    basis = np.random.default_rng(4).standard_normal(block.shape)
    return basis @ block @ np.linalg.inv(basis)


def test_the_slow_mode_is_the_real_one_nearest_to_one_and_not_the_largest():
    modes = linear.eigenmodes(in_some_basis(1.3, 0.99, turn(0.995), -0.5))
    slow = linear.slow_mode(modes)
    np.testing.assert_allclose(modes.eigvals[slow], 0.99)  # 1.3 grows at once, the pair turns
    np.testing.assert_allclose(modes.eigvals[modes.growing], 1.3)
    np.testing.assert_allclose(modes.slowest[:3], -1 / np.log([0.995, 0.99, 0.5]))  # the pair once, the growing one not
    assert np.isnan(modes.slowest[3:]).all()
    order = linear.slowest_first(modes)
    np.testing.assert_allclose(np.abs(modes.eigvals[order]), [0.99, 0.995, 1.3, 0.5, 0.995])
    assert sorted(order) == list(range(5))


def test_a_growing_mode_can_be_the_slow_one_and_a_stack_has_one_at_each_point():
    modes = linear.eigenmodes(np.stack([in_some_basis(1.002, 0.9, 0.3), in_some_basis(1.5, 0.9, 0.3)]))
    np.testing.assert_allclose(
        np.take_along_axis(modes.eigvals, linear.slow_mode(modes)[:, None], 1)[:, 0], [1.002, 0.9]
    )
    assert list(modes.growing.sum(-1)) == [1, 1]


def test_without_a_real_mode_there_is_no_slow_one():
    modes = linear.eigenmodes(in_some_basis(turn(0.999), turn(0.5)))
    with pytest.raises(linear.NoSlowMode, match="no mode of J_rec is real"):
        linear.slow_mode(modes)
    assert issubclass(linear.NoSlowMode, linear.Unmeasured)


def test_an_exact_integrator_neither_grows_nor_fades():
    modes = linear.eigenmodes(np.diag([1.0, 0.5]))
    assert not modes.growing.any()
    assert modes.eigvals[linear.slow_mode(modes)] == 1
    assert np.isinf(modes.slowest[0])


def test_frequent_words_are_those_over_the_floor_and_may_be_none():
    model = network("gru")
    share = model.counts / model.counts.sum()
    words = linear.frequent_words(model, 0.02)
    assert list(words) == [i for i in range(2, len(share)) if share[i] >= 0.02]
    none = linear.frequent_words(model, 2.0)
    assert len(none) == 0
    assert none.dtype == np.int64
    assert model.embedding[none].shape == (0, 5)  # floats would not index


@pytest.mark.parametrize("kind", KINDS)
def test_a_words_effect_is_its_step_less_the_average_one(kind):
    model = network(kind)
    point = linear.operating_point(model, texts=TEXTS)
    words = linear.frequent_words(model)
    h = np.random.default_rng(0).standard_normal((2, model.cell.n_state))
    effect = linear.input_effect(point, words, h)
    want = model.cell.step(h[1], model.embedding[words[3]]) - model.frequencies @ model.cell.step(h[1], model.embedding)
    np.testing.assert_allclose(effect[1, 3], want, atol=1e-9)  # the mean map holds all of these few words
    weighted = model.frequencies[words] @ linear.valence(point, words)
    rest = np.setdiff1d(np.flatnonzero(model.frequencies), words)
    np.testing.assert_allclose(weighted, -model.frequencies[rest] @ linear.valence(point, rest), atol=1e-9)
    by_name = linear.valence(point, [model.vocabulary.words[i] for i in words])
    np.testing.assert_allclose(by_name, linear.valence(point, words))
    small = network(kind, scale=1e-4)
    at = linear.operating_point(small, texts=TEXTS)
    finite, jacobian = (linear.input_effect(at, words, inputs=i) for i in ("finite", "jacobian"))
    np.testing.assert_allclose(finite, jacobian, atol=1e-3 * np.abs(finite).max())
    with pytest.raises(ValueError, match="finite or jacobian"):
        linear.valence(point, words, inputs="none")


# --- the operating point ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_operating_point_is_slow_has_a_real_slow_mode_and_is_the_same_every_time(kind):
    model = network(kind)
    point = linear.operating_point(model, texts=TEXTS)
    again = linear.operating_point(model, texts=TEXTS)
    np.testing.assert_array_equal(point.h_star, again.h_star)
    assert point.q == pytest.approx(
        0.5 * ((point.mean_map(point.h_star) - point.h_star) ** 2).sum(), rel=1e-6, abs=1e-25
    )
    starts = np.concatenate(model.states(TEXTS))
    assert point.q < np.median(0.5 * ((point.mean_map(starts) - starts) ** 2).sum(-1))
    J = point.mean_map.jacobian(point.h_star)
    eigval = point.l @ J @ point.r
    np.testing.assert_allclose(J @ point.r, eigval * point.r, atol=1e-8)
    np.testing.assert_allclose(point.l @ J, eigval * point.l, atol=1e-7)
    assert point.l @ point.r == pytest.approx(1)
    assert np.linalg.norm(point.r) == pytest.approx(1)
    assert model.w @ point.r >= 0
    assert point.logit == pytest.approx(float(model.readout(point.h_star)))


def test_operating_point_without_counts_says_what_to_do():
    with pytest.raises(ValueError, match="how frequent its words are"):
        linear.operating_point(replace(network("gru"), counts=None), texts=TEXTS)


# --- the linear model -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("inputs", ["finite", "jacobian"])
def test_linear_model_is_exact_where_the_network_is_all_but_linear(kind, inputs):
    """Words of size ε leave the state within ε of h*, where the error is of order ε²: halving ε quarters it."""
    errors = []
    for scale in (2e-2, 1e-2):
        model = network(kind, scale=scale)
        ids = model.vocabulary.encode_all(TEXTS)
        F = mean_map(model, 1000)
        h_star = find_fixed_points(F, np.zeros((1, model.cell.n_state)), damping=0).h_star[0]
        model = replace(model, cell=replace(model.cell, h0=h_star))
        point = replace(linear.operating_point(model, texts=TEXTS), h_star=h_star)
        states = linear.linear_model(point, inputs=inputs).states_of(ids)
        full = model.states_of(ids)
        errors.append(max(np.abs(a - b).max() for a, b in zip(states, full)))
        assert errors[-1] < 0.05 * max(np.abs(b - h_star).max() for b in full)
    assert (
        errors[0] < 1e-15 or errors[0] / errors[1] > 3.5
    )  # an LRU is linear; 8 for a vanilla cell at h* = 0, where tanh has no second order


def test_states_final_states_and_logits_agree_and_texts_of_all_lengths_are_run():
    model = network("gru")
    point = linear.operating_point(model, texts=TEXTS)
    made = linear.linear_model(point)
    ids = model.vocabulary.encode_all(TEXTS)
    states = made.states_of(ids)
    assert [len(s) for s in states] == [len(i) + 1 for i in ids]
    np.testing.assert_allclose(made.final_states_of(ids), [s[-1] for s in states])
    np.testing.assert_allclose(made.logits(TEXTS), [model.readout(s[-1]) for s in states])
    h = model.cell.h0
    for token in ids[0]:
        effect = model.cell.step(point.h_star, model.embedding[token]) - point.h_star
        h = point.h_star + effect + point.mean_map.jacobian(point.h_star) @ (h - point.h_star)
    np.testing.assert_allclose(states[0][-1], h)


def test_relinearizing_uses_the_nearest_point():
    model = network("ugrnn")
    point = linear.operating_point(model, texts=TEXTS)
    h_star = np.stack([point.h_star, point.h_star + 5.0])
    made = linear.linear_model(point, h_star)
    one, two = (linear.linear_model(point, p) for p in h_star)
    ids = np.array([4, 5, 6])
    h = np.stack([h_star[0] + 0.1, h_star[1] - 0.1, h_star[1] + 0.3])
    want = np.concatenate([one.step(h[:1], ids[:1]), two.step(h[1:], ids[1:])])
    np.testing.assert_allclose(made.step(h, ids), want)
    # where every state on the way is a point of its own, one step is exact
    at = linear.linear_model(point, h)
    np.testing.assert_allclose(at.step(h, ids), model.cell.step(h, model.embedding[ids]), atol=1e-9)
    with pytest.raises(ValueError, match="finite or jacobian"):
        linear.linear_model(point, inputs="none")


def test_left_vectors_are_those_of_scipy():
    J = np.random.default_rng(3).standard_normal((7, 7)) / 3
    modes = linear.eigenmodes(J)
    eigvals, left = linalg.eig(J, left=True, right=False)
    for eigval, l in zip(modes.eigvals, modes.L):
        want = left[:, np.abs(eigvals - eigval).argmin()].conj()
        assert abs(abs(want @ l.conj()) / np.linalg.norm(want) / np.linalg.norm(l) - 1) < 1e-9


def test_time_constants():
    np.testing.assert_allclose(linear.time_constants(np.exp(-1 / np.array([3.0, 200.0]))), [3, 200])
    assert np.isinf(linear.time_constants(np.array([1.0]))[0])
    assert linear.time_constants(np.array([1.01]))[0] < 0


@pytest.mark.parametrize("kind", KINDS)
def test_jacobians_of_the_mean_map_and_of_a_cell(kind):
    model = network(kind)
    F = mean_map(model, 1000)
    h = np.random.default_rng(0).standard_normal((3, model.cell.n_state))
    J = F.jacobians(h)
    np.testing.assert_allclose(J.J_rec, numeric_jacobian(F, h), atol=1e-6)
    x = model.embedding[5]
    at_word = model.cell.jacobians(h, x)
    np.testing.assert_allclose(at_word.J_rec, numeric_jacobian(lambda h: model.cell.step(h, x), h), atol=1e-6)
    move = np.random.default_rng(1).standard_normal(5) * 1e-6
    change = model.cell.step(h, x + move) - model.cell.step(h, x - move)
    np.testing.assert_allclose(at_word.J_inp @ move * 2, change, atol=1e-11)
