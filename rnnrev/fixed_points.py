"""Fixed points: states that a network's step leaves (nearly) where they are.

The speed of a state is q(h) = ½‖F(h) − h‖². :func:`find_fixed_points` lowers it from many starting states at once by
damped Gauss–Newton steps (Levenberg–Marquardt) with exact Jacobians, where the usual tools run thousands of Adam steps.
:func:`mean_map` makes the reference F̄ that works for trained gated networks: the step averaged over running text.

Sources: Sussillo & Barak 2013 (fixed and slow points by minimizing q); Golub & Sussillo 2018 (FixedPointFinder);
Levenberg 1944, Marquardt 1963; LA19 section 4.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .cells import CELLS, NUMPY_OPS, Cell
from .model import SentimentRNN

__all__ = ["FixedPoints", "MeanMap", "find_fixed_points", "mean_map"]


# --- the corpus-averaged map ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MeanMap:
    """The corpus-averaged step F̄(h) = Σ_v p(v) F(h, x_v), in float64.

    Parameters
    ----------
    cell : Cell
    u : array, (K, G·N)
        ``cell.project(x)`` of K words.
    weights : array, (K,)
        Share of running text that each word stands for; sums to 1.
    words : tuple of str
    """

    cell: Cell
    u: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    words: tuple[str, ...] = field(repr=False)

    def __call__(self, h: np.ndarray) -> np.ndarray:
        """F̄(h): (..., S) -> (..., S)."""
        h = np.asarray(h, float)
        flat = h.reshape(-1, h.shape[-1])
        a = self.cell.recur(flat)
        rows = [self.weights @ self.cell.combine(hi, self.u, ai) for hi, ai in zip(flat[:, None], a[:, None])]
        return np.reshape(rows, h.shape)

    def partials(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Averaged partials, as :meth:`rnnrev.cells.Cell.partials` gives them for one input: h (..., S)."""
        h = np.asarray(h, float)
        spec, n = CELLS[self.cell.kind], self.cell.n_units
        flat = h.reshape(-1, h.shape[-1])
        a = self.cell.recur(flat)
        zero = np.zeros(n)
        found: dict[int, np.ndarray] = {}

        def mean(d: Any) -> np.ndarray:
            if d is None:
                return zero
            if id(d) not in found:  # d_u and d_a share most of their arrays
                found[id(d)] = self.weights @ np.broadcast_to(d, (len(self.weights), n))
            return found[id(d)]

        rows = []
        for hi, ai in zip(flat[:, None], a[:, None]):
            parts = spec.partials(NUMPY_OPS, hi, self.u, ai)
            found.clear()
            rows.append([np.array([[mean(d) for d in row] for row in part]) for part in parts])
        d_h, d_u, d_a = (np.stack(part) for part in zip(*rows))
        return tuple(p.reshape(*h.shape[:-1], *p.shape[1:]) for p in (d_h, d_u, d_a))  # type: ignore[return-value]

    def jacobian(self, h: np.ndarray) -> np.ndarray:
        """J_rec = ∂F̄/∂h, the average of ∂F/∂h over tokens: (..., S) -> (..., S, S)."""
        d_h, _, d_a = self.partials(h)
        return self.cell.assemble_J_rec(d_h, d_a)

    def J_inp(self, h: np.ndarray) -> np.ndarray:
        """The average of ∂F/∂x over tokens: (..., S) -> (..., S, D)."""
        return self.cell.assemble_J_inp(self.partials(h)[1])


def mean_map(model: SentimentRNN, n_tokens: int = 600, seed: int = 0) -> MeanMap:
    """The corpus-averaged step of a network, over ``n_tokens`` words drawn in proportion to p(v).

    A word more frequent than its share of the sample is taken for sure and keeps its own p(v). From the rest a
    systematic sample is drawn, each word with probability in proportion to p(v), along an order by what one step
    with it does to the logit: positive and negative words come in the shares they have. So F̄ is unbiased, and far
    nearer to the average over all words than one over as many independent draws.
    """
    p = np.asarray(model.frequencies, float)
    n_words = int(np.count_nonzero(p))
    if n_tokens < 1:
        raise ValueError(f"the mean map needs at least one token, not {n_tokens}")
    certain = np.zeros(len(p), bool)
    n_rest = min(n_tokens, n_words)
    while True:  # taking one word for sure lowers the bar for the next
        rest = p * ~certain
        more = (rest > 0) & (rest * n_rest >= rest.sum() * (1 - 1e-12))
        if not more.any():
            break
        certain |= more
        n_rest -= int(more.sum())
    weights = np.where(certain, p, 0.0)
    cell = model.cell.astype(np.float64)
    if n_rest > 0:
        w = np.reshape(model.w, (cell.n_state, -1))[:, 0]
        tail = np.flatnonzero(rest > 0)
        tail = tail[np.argsort(model.cell.step_projected(model.cell.h0, model.projected[tail]) @ w, kind="stable")]
        edges = np.cumsum(rest[tail])
        ticks = (np.arange(n_rest) + np.random.default_rng([seed, 37]).random()) * edges[-1] / n_rest
        drawn = tail[np.minimum(np.searchsorted(edges, ticks, side="right"), len(tail) - 1)]
        np.add.at(weights, drawn, edges[-1] / n_rest)
    ids = np.flatnonzero(weights)
    u = cell.project(np.asarray(model.embedding[ids], float))
    return MeanMap(cell, u, weights[ids] / weights.sum(), tuple(model.vocabulary.words[i] for i in ids))


# --- the finder -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """What :func:`find_fixed_points` found, one row a start: ``h_star`` (n, S), ``q`` (n,), ``moved`` (n,)."""

    h_star: np.ndarray = field(repr=False)
    q: np.ndarray
    moved: np.ndarray
    iterations: np.ndarray
    reason: np.ndarray

    def __len__(self) -> int:
        return len(self.q)


def find_fixed_points(
    F: Any,
    starts: np.ndarray,
    x: np.ndarray | None = None,
    *,
    jacobian: Any = None,
    tol_q: float = 1e-20,
    max_iterations: int = 60,
    damping: float = 1e-4,
) -> FixedPoints:
    """Lower q(h) = ½‖F(h) − h‖² from each start by Levenberg–Marquardt steps until it no longer falls."""
    h = np.array(starts, float)
    if isinstance(F, Cell):
        cell, x_ref = F.astype(np.float64), np.asarray(x, float)
        u = np.broadcast_to(cell.project(x_ref), (len(h), cell.W.shape[1]))

        def step(h: np.ndarray, i: np.ndarray) -> np.ndarray:
            return cell.step_projected(h, u[i])

        def jac(h: np.ndarray, i: np.ndarray) -> np.ndarray:
            d_h, _, d_a = cell.partials(h, u[i])
            return cell.assemble_J_rec(d_h, d_a)

    else:

        def step(h: np.ndarray, i: np.ndarray) -> np.ndarray:
            return F(h)

        def jac(h: np.ndarray, i: np.ndarray) -> np.ndarray:
            return F.jacobian(h)

    n, S = h.shape
    mu = np.full(n, max(damping, 1e-2))
    g = step(h, np.arange(n)) - h
    q = (g**2).sum(-1) / 2
    iterations, reason = np.zeros(n, int), np.full(n, "iterations", dtype="<U12")
    live = np.flatnonzero(q > tol_q)
    reason[q <= tol_q] = "converged"
    for _ in range(max_iterations):
        if not len(live):
            break
        A = jac(h[live], live) - np.eye(S)
        At = np.swapaxes(A, -1, -2)
        normal = At @ A
        normal[:, np.arange(S), np.arange(S)] += mu[live, None]
        delta = -np.linalg.solve(normal, At @ g[live, :, None])[..., 0]
        trial = h[live] + delta
        g_new = step(trial, live) - trial
        q_new = (g_new**2).sum(-1) / 2
        better = q_new < q[live]
        small = q_new > 0.97 * q[live]
        iterations[live] += 1
        stop = (q_new <= tol_q) | (small & ((better & (mu[live] <= damping * 1.01)) | (mu[live] > 1e6)))
        now = live[better]
        h[now], g[now], q[now] = trial[better], g_new[better], q_new[better]
        mu[live] = np.where(better, np.maximum(mu[live] / 10, damping), mu[live] * 10)
        reason[live[stop]] = np.where(q[live[stop]] <= tol_q, "converged", "slow")
        live = live[~stop]
    return FixedPoints(h, q, np.linalg.norm(h - starts, axis=-1), iterations, reason)
