"""Cells against finite differences, TensorFlow's autodiff, Keras' own layers and closed forms."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import random_cell

from rnnrev.cells import CELLS, WEIGHTS, Cell, initial_weights, tensorflow_ops


def test_numpy_and_tensorflow_are_the_same_function(any_cell, rng):
    h, x = rng.standard_normal((4, any_cell.n_state)), rng.standard_normal((4, any_cell.n_inputs))
    for dtype, tolerance in ((np.float32, 1e-5), (np.float64, 1e-12)):
        cell = any_cell.astype(dtype)
        ours = cell.step(h.astype(dtype), x.astype(dtype))
        u, a = cell.project(x), cell.recur(h)
        theirs = CELLS[cell.kind].combine(tensorflow_ops(), *(tf.constant(v, dtype) for v in (h, u, a))).numpy()
        assert ours.dtype == dtype
        np.testing.assert_allclose(ours, theirs, atol=tolerance)


@pytest.mark.parametrize("kind", ["gru", "lstm", "vanilla"])
def test_step_equals_keras_layer(kind, rng):
    cell = random_cell(kind)
    x = rng.standard_normal((3, 6, cell.n_inputs)).astype(np.float32)
    layer = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM, "vanilla": keras.layers.SimpleRNN}[kind](
        cell.n_units, return_sequences=True
    )
    layer.build(x.shape)
    bias = np.stack([cell.b, cell.b_rec]) if kind == "gru" else cell.b + cell.b_rec
    layer.set_weights([cell.W, cell.U, bias])
    blocks = CELLS[kind].blocks
    start = [np.tile(s, (3, 1)).astype(np.float32) for s in np.split(cell.h0, blocks)]
    wanted = np.asarray(layer(x, initial_state=start if blocks > 1 else start[0]))
    h = np.tile(cell.h0, (3, 1))
    for t in range(x.shape[1]):
        h = cell.step(h, x[:, t])
        np.testing.assert_allclose(h[:, : cell.n_units], wanted[:, t], atol=1e-5)


def test_jacobians_equal_finite_differences(any_cell, rng):
    h, x = rng.standard_normal(any_cell.n_state), rng.standard_normal(any_cell.n_inputs)
    J = any_cell.jacobians(h, x)
    eps = 1e-6
    for found, size, moved in (
        (J.J_rec, any_cell.n_state, lambda d: any_cell.step(h + d, x)),
        (J.J_inp, any_cell.n_inputs, lambda d: any_cell.step(h, x + d)),
    ):
        steps = eps * np.eye(size)
        wanted = np.stack([(moved(d) - moved(-d)) / (2 * eps) for d in steps], -1)
        np.testing.assert_allclose(found, wanted, atol=1e-8)


def test_leading_axes_broadcast(any_cell, rng):
    h, x = rng.standard_normal((2, 1, any_cell.n_state)), rng.standard_normal((3, any_cell.n_inputs))
    together = any_cell.step(h, x)
    assert together.shape == (2, 3, any_cell.n_state)
    np.testing.assert_allclose(together[1, 2], any_cell.step(h[1, 0], x[2]))
    J = any_cell.jacobians(h, x)
    assert J.J_rec.shape == (2, 3, any_cell.n_state, any_cell.n_state)
    np.testing.assert_allclose(J.J_inp[1, 2], any_cell.jacobians(h[1, 0], x[2]).J_inp)


def test_averaged_partials_give_the_averaged_jacobian(any_cell, rng):
    h, x = rng.standard_normal(any_cell.n_state), rng.standard_normal((9, any_cell.n_inputs))
    d_h, _, d_a = any_cell.partials(h, any_cell.project(x))
    np.testing.assert_allclose(
        any_cell.assemble_J_rec(d_h.mean(0), d_a.mean(0)), any_cell.jacobians(h, x).J_rec.mean(0), atol=1e-12
    )


def test_a_closed_update_gate_keeps_the_state(rng):
    cell = random_cell("gru")
    b = cell.b.copy()
    b[: cell.n_units] = 1e3
    kept = Cell("gru", cell.W, cell.U, b, cell.b_rec, cell.h0)
    h = rng.uniform(-1, 1, cell.n_units)
    np.testing.assert_allclose(kept.step(h, rng.standard_normal(cell.n_inputs)), h)


def test_extreme_inputs_stay_finite(any_cell):
    big = np.full(any_cell.n_inputs, 1e5)
    for x in (big, -big):
        assert np.isfinite(any_cell.step(any_cell.h0, x)).all()
        assert np.isfinite(any_cell.jacobians(any_cell.h0, x).J_rec).all()


def test_initial_weights_are_reproducible_and_remember():
    first, again, other = (initial_weights("gru", 4, 8, seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.U, again.U)
    assert not np.allclose(first.U, other.U)
    np.testing.assert_allclose(first.U[:, :8].T @ first.U[:, :8], np.eye(8), atol=1e-6)
    assert (first.b[:8] == 1).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"W": np.zeros((5, 20))}, r"W has shape \(5, 20\)"), ({"h0": np.full(7, np.nan)}, "h0 holds values")],
)
def test_wrong_weights_are_named(change, message):
    cell = random_cell("gru")
    weights = {k: getattr(cell, k) for k in WEIGHTS} | change
    with pytest.raises(ValueError, match=message):
        Cell("gru", **weights)


def test_unknown_cell_names_those_there_are():
    with pytest.raises(ValueError, match="vanilla, ugrnn, gru, lstm"):
        initial_weights("gpu", 3, 3)
