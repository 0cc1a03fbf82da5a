"""Networks whose fixed points are known: in closed form, by exhaustive root finding, or because they were built so."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import made_up
from scipy import optimize

from rnnrev.cells import CELLS, Cell, initial_weights
from rnnrev.fixed_points import FixedPoints, find_fixed_points, mean_map, numeric_jacobian
from rnnrev.model import untrained

KINDS = sorted(CELLS)


def vanilla(U: np.ndarray, b: np.ndarray | float = 0.0) -> Cell:
    """h' = tanh(h U + b), with one input that does nothing."""
    n = len(U)
    return Cell(
        "vanilla", np.zeros((1, n)), np.asarray(U, float), np.broadcast_to(b, n) * 1.0, np.zeros(n), np.zeros(n)
    )


def roots_of(cell: Cell, per_axis: int) -> np.ndarray:
    """Every fixed point in the unit cube, by SciPy's hybrid Powell method from a grid of starts."""
    found: list[np.ndarray] = []
    for start in itertools.product(np.linspace(-1, 1, per_axis), repeat=cell.n_units):
        h, info, ok, _ = optimize.fsolve(lambda h: cell.step(h, np.zeros(1)) - h, start, full_output=True)
        if ok == 1 and np.abs(info["fvec"]).max() < 1e-9 and all(np.linalg.norm(h - f) > 1e-4 for f in found):
            found.append(h)
    return np.array(found)


def cube(n: int, per_axis: int) -> np.ndarray:
    return np.array(list(itertools.product(np.linspace(-1, 1, per_axis), repeat=n)))


# --- known answers --------------------------------------------------------------------------------


def test_a_linear_map_has_the_one_fixed_point_of_its_closed_form():
    rng = np.random.default_rng(0)
    A = 0.9 * np.linalg.qr(rng.standard_normal((6, 6)))[0]
    c = rng.standard_normal(6)
    points = find_fixed_points(lambda h: h @ A.T + c, rng.standard_normal((20, 6)) * 5, damping=0)
    assert len(points) == 1
    assert points.count[0] == 20
    np.testing.assert_allclose(points.h_star[0], np.linalg.solve(np.eye(6) - A, c), atol=1e-8)
    assert points.reason[0] == "converged"
    assert points.n_unstable[0] == 0


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_every_fixed_point_of_a_tanh_network_is_found_with_its_stability(n):
    rng = np.random.default_rng(n)
    cell = vanilla(np.diag([2.0, 1.8, 2.2, 1.6][:n]) + 0.15 * rng.standard_normal((n, n)), 0.05)
    per_axis = {1: 41, 2: 13, 3: 7, 4: 5}[n]
    expected = roots_of(cell, per_axis)
    assert len(expected) > 2
    points = find_fixed_points(cell, cube(n, per_axis), np.zeros(1), damping=0)
    true = points[points.reason == "converged"]
    distance = np.linalg.norm(expected[:, None] - true.h_star, axis=-1)
    assert len(true) == len(expected)
    assert distance.min(1).max() < 1e-7
    for h, unstable in zip(true.h_star, true.n_unstable):
        J = (1 - h**2)[:, None] * cell.U.T  # at a fixed point tanh' = 1 − h²
        assert unstable == np.sum(np.abs(np.linalg.eigvals(J)) > 1)


def test_points_stay_beside_their_starts_on_a_line_attractor_that_was_built_by_hand():
    rng = np.random.default_rng(1)
    basis = np.linalg.qr(rng.standard_normal((5, 5)))[0]
    A = basis @ np.diag([1.0, 0.5, 0.3, 0.1, -0.4]) @ basis.T  # a line of fixed points along basis[:, 0]
    starts = rng.standard_normal((30, 5))
    points = find_fixed_points(lambda h: h @ A.T, starts, unique_tol=None)
    assert points.q.max() < 1e-20
    np.testing.assert_allclose(points.h_star @ basis[:, 0], starts @ basis[:, 0], atol=1e-6)
    np.testing.assert_allclose(points.h_star @ basis[:, 1:], 0, atol=1e-8)
    assert (points.n_unstable == 0).all()


def test_a_leaky_line_is_held_by_the_damping_and_followed_to_its_end_without():
    A = np.diag([1 - 1e-4, 0.5])  # 10,000 tokens, and 1.4
    starts = np.array([[3.0, 1.0], [-2.0, -1.0]])
    held = find_fixed_points(lambda h: h @ A.T, starts, unique_tol=None)
    assert set(held.reason) == {"slow"}
    np.testing.assert_allclose(held.h_star[:, 0], starts[:, 0], rtol=0.01)
    np.testing.assert_allclose(held.h_star[:, 1], 0, atol=1e-6)
    run_on = find_fixed_points(lambda h: h @ A.T, starts, damping=0, tol_q=1e-26)
    assert len(run_on) == 1
    np.testing.assert_allclose(run_on.h_star[0], 0, atol=1e-6)


def ring(h: np.ndarray) -> np.ndarray:
    """Every point of the unit circle stays; from elsewhere the radius relaxes."""
    radius = np.linalg.norm(h, axis=-1, keepdims=True)
    return h + 0.5 * (1 - radius) * h


def test_a_ring_attractor_is_found_all_round_and_its_centre_is_unstable():
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    starts = np.stack([np.cos(angle), np.sin(angle)], -1) * np.linspace(0.8, 1.3, 24)[:, None]
    points = find_fixed_points(ring, starts, unique_tol=None)
    np.testing.assert_allclose(np.linalg.norm(points.h_star, axis=-1), 1, atol=1e-6)
    turned = np.angle(np.exp(1j * (np.arctan2(*points.h_star.T[::-1]) - angle)))
    np.testing.assert_allclose(turned, 0, atol=1e-3)
    centre = find_fixed_points(ring, np.full((1, 2), 1e-3), damping=0)
    np.testing.assert_allclose(centre.h_star, 0, atol=1e-9)
    assert centre.n_unstable[0] == 2


def test_where_there_is_no_fixed_point_the_slowest_state_is_found():
    points = find_fixed_points(lambda h: h + 0.01 + h**2, np.array([[0.7], [-0.9]]), damping=0, unique_tol=None)
    assert set(points.reason) == {"minimum"}
    np.testing.assert_allclose(points.h_star, 0, atol=1e-2)
    np.testing.assert_allclose(points.q, 0.01**2 / 2, rtol=0.01)


# --- cells ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_large_cells_reach_true_fixed_points(kind):
    cell = initial_weights(kind, 4, 64, seed=3).astype(float)
    rng = np.random.default_rng(2)
    x = rng.standard_normal((12, 4))
    starts = 0.5 * rng.standard_normal((12, cell.n_state))
    far = {"max_distance": None} if kind == "knob" else {}  # its sum comes to rest hundreds of tokens' worth away
    points = find_fixed_points(cell, starts, x, damping=0, unique_tol=None, **far)
    assert np.median(points.q) < 1e-18
    q = 0.5 * ((cell.step(points.h_star, x[points.start]) - points.h_star) ** 2).sum(-1)
    np.testing.assert_allclose(points.q, q, atol=1e-25)


def test_each_point_can_have_its_own_input():
    cell = initial_weights("gru", 2, 6, seed=1).astype(float)
    x = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    points = find_fixed_points(cell, np.zeros((3, 6)), x, damping=0)
    assert len(points) == 2
    assert sorted(points.count) == [1, 2]
    for h, x_ref in zip(points.h_star, x[points.start]):
        settled = np.zeros(6)
        for _ in range(3000):
            settled = cell.step(settled, x_ref)
        np.testing.assert_allclose(h, settled, atol=1e-7)


# --- functions --------------------------------------------------------------------


def test_a_plain_function_with_and_without_its_jacobian_and_a_cell_agree():
    cell = initial_weights("gru", 3, 8, seed=5).astype(float)
    starts, x = np.random.default_rng(1).uniform(-1, 1, (5, 8)), np.full(3, 0.3)
    want = find_fixed_points(cell, starts, x, damping=0, unique_tol=None).h_star
    numeric = find_fixed_points(cell.step, starts, x, damping=0, unique_tol=None)
    given = find_fixed_points(
        cell.step, starts, x, jacobian=lambda h, x: cell.jacobians(h, x).J_rec, damping=0, unique_tol=None
    )
    np.testing.assert_allclose(numeric.h_star, want, atol=1e-7)
    np.testing.assert_allclose(given.h_star, want, atol=1e-7)


def test_numeric_jacobian_of_a_known_function():
    h = np.array([[0.3, -0.7], [1.1, 0.2]])
    J = numeric_jacobian(lambda h: np.stack([h[:, 0] * h[:, 1], np.sin(h[:, 0])], -1), h)
    want = [[[b, a], [np.cos(a), 0]] for a, b in h]
    np.testing.assert_allclose(J, want, atol=1e-9)


# --- the mean map ----------------------------------------------------------------------------------


def test_blas_has_one_thread_without_any_variable():
    """Or a busy machine makes the finder 25 times slower: NumPy's BLAS and SciPy's own."""
    code = "import rnnrev.fixed_points, threadpoolctl as t; print([i['num_threads'] for i in t.threadpool_info()])"
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=kept)
    assert set(json.loads(run.stdout)) == {1}


def network(kind: str, n_words: int = 40):
    counts = np.concatenate([[0.0, 3.0], 100 / np.arange(1, n_words + 1)])
    return untrained(kind, made_up(n_words), n_units=6, n_inputs=4, seed=2, counts=counts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_map_of_all_words_is_their_average_and_its_jacobians_are_exact(kind):
    model = network(kind)
    F, cell = mean_map(model, n_tokens=1000), model.cell.astype(float)
    h = np.random.default_rng(0).standard_normal((2, 3, cell.n_state))
    average = model.frequencies @ cell.step(h[..., None, :], model.embedding.astype(float))
    np.testing.assert_allclose(F(h), average, atol=1e-12)
    np.testing.assert_allclose(F.jacobian(h)[1], numeric_jacobian(F, h[1]), atol=1e-6)
    mean_J_inp = np.einsum("v,hvsd->hsd", model.frequencies, cell.jacobians(h[0][:, None], model.embedding).J_inp)
    np.testing.assert_allclose(F.jacobians(h[0]).J_inp, mean_J_inp, atol=1e-12)


def test_a_sampled_mean_map_is_unbiased_and_keeps_frequent_words():
    model = network("gru", n_words=400)
    h = np.random.default_rng(0).standard_normal(6)
    exact = mean_map(model, 1000)(h)
    sampled = [mean_map(model, 60, seed) for seed in range(40)]
    for F in sampled:
        assert len(F.words) <= 60
        assert abs(F.weights.sum() - 1) < 1e-12
        assert {"w0", "w1", "w2"} <= set(F.words)
    values = np.array([F(h) for F in sampled])
    error = np.abs(values.mean(0) - exact)
    assert (error < 4 * values.std(0) / np.sqrt(len(sampled)) + 1e-9).all()
    independent = np.random.default_rng(0).choice(len(model.frequencies), (40, 60), p=model.frequencies)
    steps = model.cell.step(h, model.embedding)
    assert np.linalg.norm(values - exact) < 0.8 * np.linalg.norm(steps[independent].mean(1) - exact)


def test_fixed_points_of_the_mean_map():
    F = mean_map(network("lstm"), 20)
    points = find_fixed_points(F, np.random.default_rng(0).standard_normal((6, 12)), damping=0)
    assert np.abs(F(points.h_star) - points.h_star).max() < 1e-8
    J = F.jacobian(points.h_star)
    assert (points.n_unstable == (np.abs(np.linalg.eigvals(J)) > 1).sum(-1)).all()


# --- the record ------------------------------------------------------------------------------------


@pytest.fixture
def flip_flop() -> FixedPoints:
    return find_fixed_points(vanilla(2.0 * np.eye(2)), cube(2, 5), np.zeros(1), damping=0)


def test_counts_and_starts_belong_together(flip_flop):
    assert flip_flop.count.sum() == flip_flop.n_starts == 25
    moved = flip_flop.h_star - cube(2, 5)[flip_flop.start]
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), flip_flop.moved)
    assert (np.diff(flip_flop.q) >= 0).all()


def test_selecting_points(flip_flop):
    stable = flip_flop[flip_flop.n_unstable == 0]
    assert len(stable) == 4
    assert stable.n_starts == 25
    assert len(flip_flop[0]) == 1
    assert "none from 25 starts" in repr(flip_flop[flip_flop.q < -1])


def test_outliers_are_dropped():
    def F(h: np.ndarray) -> np.ndarray:  # fixed at 0 and, far off, at 1000
        return h + 1e-3 * h * (1000 - h)

    points = find_fixed_points(F, np.array([[0.1], [-0.1], [0.2], [501.0]]), damping=0, max_distance=2.0)
    assert list(points.count) == [3]
    assert len(find_fixed_points(F, np.array([[0.1], [999.0]]), damping=0, max_distance=None)) == 2


# --- errors name the point -------------------------------------------------------------------------


CELL, STARTS = initial_weights("gru", 2, 4).astype(float), np.zeros((3, 4))
NAN = np.where(np.arange(12).reshape(3, 4) == 6, np.nan, 0.0)


@pytest.mark.parametrize(
    ("args", "options", "message"),
    [
        ((CELL, NAN, np.zeros(2)), {}, "start 1 is not finite"),
        ((CELL, np.zeros((2, 3)), np.zeros(2)), {}, "starts have 3 numbers each, but the cell's state has 4"),
        ((CELL, STARTS), {}, "needs a reference input"),
        ((CELL, STARTS, np.zeros((2, 2))), {}, "one for each of the 3 starts"),
        ((CELL, STARTS, np.zeros(5)), {}, "x has 5 numbers"),
        ((CELL, np.zeros((0, 4)), np.zeros(2)), {}, "starts must be states"),
        ((lambda h: h / (h[:, :1] + 1), np.array([[0.0], [1.0], [-1.0]])), {}, "F is not finite at start 2"),
        ((lambda h: h[:, :1], STARTS), {}, "must keep the shape"),
        ((lambda h: h * 0.5, STARTS + 1), {"jacobian": lambda h: np.zeros(4)}, "the Jacobian has shape"),
        ((3, STARTS), {}, "must be a Cell, a MeanMap or a function"),
        ((CELL, STARTS, np.zeros(2)), {"damping": -1}, "cannot be negative"),
        ((mean_map(network("gru")), np.zeros((1, 6)), np.zeros(4)), {}, "averages over inputs"),
    ],
)
def test_errors_name_the_start_and_the_fix(args, options, message):
    with pytest.raises((ValueError, TypeError), match=message), np.errstate(all="ignore"):
        find_fixed_points(*args, **options)


def test_a_mean_map_needs_a_token():
    with pytest.raises(ValueError, match="at least one token"):
        mean_map(network("gru"), 0)


def test_a_step_into_a_region_that_is_not_finite_is_taken_back():
    def F(h: np.ndarray) -> np.ndarray:  # ln is not defined left of 0; fixed where h = 1 + ln h / 2, at 1 and below
        with np.errstate(all="ignore"):
            return np.where(h > 0, 1 + 0.5 * np.log(h), np.nan)

    points = find_fixed_points(F, np.array([[3.0], [0.9]]), damping=0, jacobian=lambda h: 0.5 / h[..., None])
    assert np.isfinite(points.h_star).all()
    assert np.abs(points.h_star - 1).min() < 1e-8


@pytest.mark.slow
def test_the_flip_flop_script_of_chapter_2_finds_memories_and_saddles():
    script = Path(__file__).parent.parent / "book" / "scripts" / "flip_flop.py"
    run = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=1200, check=True)
    rows = [line.split() for line in run.stdout.splitlines()[2:]]
    corners = {(round(float(r[1])), round(float(r[2]))) for r in rows if r[0] == "0"}
    assert corners == {(1, 1), (1, -1), (-1, 1), (-1, -1)}
    assert any(int(r[0]) > 0 for r in rows)


def test_a_three_bit_flip_flop_has_its_eight_stable_states_and_all_saddles():
    cell = vanilla(2.0 * np.eye(3))  # three independent bits: each at ±s (stable) or at 0 (unstable)
    s = optimize.brentq(lambda h: np.tanh(2 * h) - h, 0.5, 1)
    points = find_fixed_points(cell, cube(3, 5) + 0.01, np.zeros(1), damping=0)
    true = points[points.reason == "converged"]
    assert len(true) == 27
    for number, unstable in {8: 0, 12: 1, 6: 2, 1: 3}.items():
        assert np.sum(true.n_unstable == unstable) == number
    stable = true.h_star[true.n_unstable == 0]
    np.testing.assert_allclose(np.abs(stable), s, atol=1e-9)
    assert len({tuple(np.sign(h)) for h in stable}) == 8
