"""Fixed points: states that a network's step leaves (nearly) where they are.

The speed of a state is q(h) = ½‖F(h) − h‖². :func:`find_fixed_points` lowers it from many starting states at once by
Levenberg–Marquardt with exact Jacobians, where the usual tools run thousands of Adam steps. :func:`mean_map` makes the
reference F̄ that works for trained gated networks: the step averaged over running text.

Sources: Sussillo & Barak 2013 (fixed and slow points by minimizing q); Golub & Sussillo 2018 (FixedPointFinder);
Levenberg 1944, Marquardt 1963, Shamanskii 1967 (one factorization for several steps); LA19.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.linalg.blas import dsyrk
from scipy.spatial import cKDTree
from tqdm.auto import tqdm

from .cells import NUMPY_OPS, Cell, Jacobians, one_layer
from .model import SentimentRNN
from .threads import in_threads

__all__ = ["find_fixed_points", "mean_map"]


# --- the corpus-averaged map ------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class MeanMap:
    """The corpus-averaged step F̄(h) = Σ_v p(v) F(h, x_v) over K ``words``, in float64.

    ``u`` (K, G·N) is their ``cell.project(x)``, ``weights`` (K,) the share of running text that each stands for, sum 1.
    """

    cell: Cell
    u: np.ndarray = field(repr=False)
    weights: np.ndarray = field(repr=False)
    words: tuple[str, ...] = field(repr=False)

    def __call__(self, h: np.ndarray) -> np.ndarray:
        """F̄(h): (..., S) -> (..., S)."""
        return self._each(lambda h, a: [self.weights @ self.cell.combine(h, self.u, a)], h)[0]

    def partials(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Averaged partials, as :meth:`rnnrev.cells.Cell.partials` gives them for one input: h (..., S)."""
        spec, shape = one_layer(self.cell), (len(self.weights), self.cell.n_units)

        def average(h: np.ndarray, a: np.ndarray) -> list[np.ndarray]:
            parts = spec.partials(NUMPY_OPS, h, self.u, a)
            # d_u and d_a share most of their arrays: each is averaged once
            apart = {id(d): 0 if d is None else d for part in parts for row in part for d in row}
            mean = {key: self.weights @ np.broadcast_to(d, shape) for key, d in apart.items()}
            return [np.array([[mean[id(d)] for d in row] for row in part]) for part in parts]

        d_h, d_u, d_a = self._each(average, h)
        return d_h, d_u, d_a

    def _each(self, average: Callable[..., list[np.ndarray]], h: np.ndarray) -> list[np.ndarray]:
        # one state at a time: its K inputs fill the cache, and threads take the next
        flat = np.asarray(h, float).reshape(-1, 1, self.cell.n_state)
        means = zip(*in_threads(average, flat, self.cell.recur(flat)))
        return [np.reshape(m, (*np.shape(h)[:-1], *m[0].shape)) for m in means]

    def jacobian(self, h: np.ndarray) -> np.ndarray:
        """J_rec = ∂F̄/∂h alone: (..., S) -> (..., S, S)."""
        d_h, _, d_a = self.partials(h)
        return self.cell.assemble_J_rec(d_h, d_a)

    def jacobians(self, h: np.ndarray) -> Jacobians:
        """J_rec and J_inp, the averages of ∂F/∂h and ∂F/∂x over tokens, as :meth:`rnnrev.cells.Cell.jacobians`."""
        d_h, d_u, d_a = self.partials(h)
        return Jacobians(self.cell.assemble_J_rec(d_h, d_a), self.cell.assemble_J_inp(d_u))


def mean_map(model: SentimentRNN, n_tokens: int = 600, seed: int = 0) -> MeanMap:
    """The corpus-averaged step of a network, over ``n_tokens`` words drawn in proportion to p(v).

    A word more frequent than its share of the sample is taken for sure and keeps its own p(v). From the rest a
    systematic sample is drawn, each word with probability in proportion to p(v), along an order by what one step
    with it does to the logit: positive and negative words come in the shares they have. So F̄ is unbiased, and
    nearer to the average over all words than one over as many independent draws.
    """
    if n_tokens < 1:
        raise ValueError(f"the mean map needs at least one token, not {n_tokens}")
    p = np.asarray(model.frequencies, float)
    rest, n_rest = p.copy(), min(n_tokens, int(np.count_nonzero(p)))
    while (more := (rest > 0) & (rest * n_rest >= rest.sum() * (1 - 1e-12))).any():
        rest[more] = 0  # taken for sure, which lowers the bar for the next
        n_rest -= int(more.sum())
    weights = p - rest
    cell = model.cell.astype(np.float64)
    if n_rest > 0:
        w = np.reshape(model.w, (cell.n_state, -1))[:, 0]
        tail = np.flatnonzero(rest)
        tail = tail[np.argsort(model.cell.step_projected(model.cell.h0, model.projected[tail]) @ w, kind="stable")]
        edges = np.cumsum(rest[tail])
        ticks = (np.arange(n_rest) + np.random.default_rng([seed, 37]).random()) * edges[-1] / n_rest
        drawn = tail[np.minimum(np.searchsorted(edges, ticks, side="right"), len(tail) - 1)]
        np.add.at(weights, drawn, edges[-1] / n_rest)
    ids = np.flatnonzero(weights)
    u = cell.project(np.asarray(model.embedding[ids], float))
    return MeanMap(cell, u, weights[ids] / weights.sum(), tuple(model.vocabulary.words[i] for i in ids))


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """Fixed and slow points, P of them, in order of q (or of the starts, where none were merged).

    ``reason`` of the end of each search: ``converged`` (q ≤ tol_q), ``slow`` (only directions that are held are left),
    ``minimum`` (a local minimum of q that is no fixed point, or the limit of float64) or ``iterations``.
    """

    h_star: np.ndarray = field(repr=False)  #: (P, S)
    q: np.ndarray = field(repr=False)  #: (P,) speed ½‖F(h) − h‖²
    reason: np.ndarray = field(repr=False)  #: (P,) str
    moved: np.ndarray = field(repr=False)  #: (P,) distance from the start
    count: np.ndarray = field(repr=False)  #: (P,) starts that ended here
    start: np.ndarray = field(repr=False)  #: (P,) the start whose search gave this point
    n_unstable: np.ndarray = field(repr=False)  #: (P,) modes with |λ| > 1; −1 where it was not asked for
    n_starts: int  #: of the search

    def __len__(self) -> int:
        return len(self.q)

    def __repr__(self) -> str:
        if not len(self):
            return f"FixedPoints(none from {self.n_starts:,} starts)"
        kinds, counts = np.unique(self.reason, return_counts=True)
        why = ", ".join(f"{c:,} {k}" for k, c in zip(kinds, counts))
        return f"FixedPoints({len(self):,} from {self.n_starts:,} starts: {why}; median q {np.median(self.q):.1e})"

    def __getitem__(self, which: int | slice | np.ndarray) -> FixedPoints:
        """The points at these positions, in this slice or where this mask holds, as a record of their own."""
        rows = np.atleast_1d(np.arange(len(self))[which])
        picked = {name: v[rows] for name, v in vars(self).items() if isinstance(v, np.ndarray)}
        return FixedPoints(**vars(self) | picked)


def numeric_jacobian(F: Callable[[np.ndarray], np.ndarray], h: np.ndarray) -> np.ndarray:
    """Jacobian (n, S, S) at n states by central differences, exact to 1e-9; F is called once, on (n·2·S, S) states."""
    (n, S), eps = h.shape, 1e-6
    moves = eps * np.concatenate([np.eye(S), -np.eye(S)])
    moved = np.reshape(F((h[:, None] + moves).reshape(-1, S)), (n, 2, S, S))
    return np.swapaxes(moved[:, 0] - moved[:, 1], -1, -2) / (2 * eps)


# --- the finder -------------------------------------------------------------------------------

_Map = Callable[..., np.ndarray]
ITERATIONS = 100  #: Jacobians of one search, at most


def find_fixed_points(
    F: Cell | MeanMap | _Map,
    starts: np.ndarray,
    x: np.ndarray | None = None,
    *,
    jacobian: _Map | None = None,
    tol_q: float = 1e-20,
    damping: float = 1e-4,
    unique_tol: float | None = 1e-3,
    max_distance: float | None = 10.0,
    stability: bool = True,
) -> FixedPoints:
    """Fixed and slow points of h -> F(h, x): lower q(h) = ½‖F(h, x) − h‖² from every start.

    ``F`` may be a function F(h, x) with h (n, S) and x (n, D), or F(h) where no ``x`` is given, with its ``jacobian``
    ∂F/∂h, (n, S, S), of the same arguments; without it, differences are taken. ``starts`` (n, S) are states that the
    network visits; ``x`` is the reference input of a cell or function, (D,) or (n, D).

    A point with q at most ``tol_q`` has converged. ``damping`` is the least there is: directions along which the map is
    slower than about 1/√damping tokens are held where the start is, so that points stay on a line attractor beside
    their data and do not slide to its ends; the search stops once only those are left. 0 lets every point run on to a
    true fixed point. Points nearer to each other than ``unique_tol`` are one (that of least q; None merges none). A
    point farther from the mean of the starts than ``max_distance`` times these are (root mean square) is dropped.
    ``stability`` counts the unstable modes at every point (one eigenvalue problem each).

    ``ValueError`` names the start where shapes do not fit, or it or F there is not finite.

    Levenberg–Marquardt: with A = ∂F/∂h − 1 and g = F(h) − h, a step solves (AᵀA + μ)δ = −Aᵀg and is taken if q falls;
    μ then falls tenfold, or rises. Each point has its own μ and stops by itself, or after :data:`ITERATIONS`. A
    factored AᵀA + μ serves up to four steps while each takes off half of q, one only once μ has reached ``damping``.
    """
    h = np.atleast_2d(np.array(starts, float))
    if h.ndim != 2 or not len(h):
        raise ValueError(f"starts must be states (n, S), n at least 1, not {np.shape(starts)}")
    _check_finite(h, "start {} is not finite: drop it, or look for what made it so")
    n, S = h.shape
    if damping < 0 or tol_q < 0:
        raise ValueError(f"damping and tol_q cannot be negative: {damping}, {tol_q}")
    if x is not None:
        x = np.asarray(x, float)
        if x.ndim not in (1, 2) or (x.ndim == 2 and len(x) != n):
            raise ValueError(f"x must be one input (D,) or one for each of the {n} starts (n, D), not {x.shape}")
        x = np.broadcast_to(x, (n, x.shape[-1]))
        _check_finite(x, "the input x of start {} is not finite")
    step, J_rec = _reference(F, S, x, jacobian)
    chunk = max(4, 2**18 // S**2)  # Jacobians that the processor's cache still holds
    search = _Search(step, J_rec, h.copy(), max(damping, 1e-13), tol_q)
    with tqdm(total=n, delay=5, leave=False, unit="point") as bar:
        for _ in range(ITERATIONS):
            live = search.live
            bar.update(n - len(live) - bar.n)
            if not len(live):
                break
            search.iterate(live, chunk)
    points = FixedPoints(
        search.h, search.q, search.reason, np.linalg.norm(search.h - h, axis=-1), np.ones(n, int), np.arange(n),
        np.full(n, -1), n,
    )  # fmt: skip
    if max_distance is not None:
        spread = np.linalg.norm(h - h.mean(0)) / np.sqrt(n)
        if spread > 0:
            points = points[np.linalg.norm(points.h_star - h.mean(0), axis=-1) <= max_distance * spread]
    if unique_tol is not None and len(points):
        points = _merge(points, unique_tol, x)
    if stability and len(points):
        rows = np.array_split(np.arange(len(points)), -(-len(points) // chunk))
        eigvals = [np.linalg.eigvals(J_rec(points.h_star[i], points.start[i])) for i in rows]
        # a hair above 1, so that rounding does not make an exact line attractor unstable
        points = replace(points, n_unstable=(np.abs(np.concatenate(eigvals)) > 1 + 1e-9).sum(-1))
    return points


def _check_finite(rows: np.ndarray, message: str) -> None:
    bad = np.flatnonzero(~np.isfinite(rows).all(-1))
    if len(bad):
        raise ValueError(message.format(int(bad[0])) + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""))


def _reference(F: Cell | MeanMap | _Map, S: int, x: np.ndarray | None, jacobian: _Map | None) -> tuple[_Map, _Map]:
    """F and its Jacobian as functions of states h (k, S) and the rows i (k,) of the starts that they belong to."""
    if isinstance(F, (Cell, MeanMap)):
        n_state = F.n_state if isinstance(F, Cell) else F.cell.n_state
        if n_state != S:
            raise ValueError(f"starts have {S} numbers each, but the cell's state has {n_state}")
    if isinstance(F, MeanMap):
        if x is not None:
            raise ValueError("the mean map averages over inputs: leave x out")
        return (lambda h, i: F(h)), (lambda h, i: F.jacobian(h))
    if isinstance(F, Cell):
        if x is None:
            raise ValueError("a cell needs a reference input x: zeros, a mean embedding, or a row for every start")
        if x.shape[-1] != F.n_inputs:
            raise ValueError(f"x has {x.shape[-1]} numbers, but the cell takes {F.n_inputs}")
        cell = F.astype(np.float64)
        u = cell.project(x)

        def cell_jacobian(h: np.ndarray, i: np.ndarray) -> np.ndarray:
            d_h, _, d_a = cell.partials(h, u[i])
            return cell.assemble_J_rec(d_h, d_a)

        return (lambda h, i: cell.step_projected(h, u[i])), cell_jacobian
    if not callable(F):
        raise TypeError(f"F must be a Cell, a MeanMap or a function F(h, x), not {type(F).__name__}")

    def call(function: _Map, h: np.ndarray, i: np.ndarray) -> np.ndarray:
        return np.array(function(h) if x is None else function(h, x[i]), float)

    def numeric(h: np.ndarray, i: np.ndarray) -> np.ndarray:
        return numeric_jacobian(lambda h: call(F, h, np.repeat(i, len(h) // len(i))), h)

    return (lambda h, i: call(F, h, i)), (numeric if jacobian is None else lambda h, i: call(jacobian, h, i))


class _Search:
    """Levenberg–Marquardt from n states at once; each has its own damping ``mu`` and stops by itself."""

    def __init__(self, step: _Map, jacobian: _Map, h: np.ndarray, floor: float, tol_q: float) -> None:
        self.step, self.jacobian, self.floor, self.tol_q = step, jacobian, floor, tol_q
        after = step(h, np.arange(len(h)))
        if after.shape != h.shape:
            raise ValueError(f"F makes {after.shape} of states of shape {h.shape}: it must keep the shape")
        self.h, self.g = h, after - h
        _check_finite(self.g, "F is not finite at start {}")
        self.q = (self.g**2).sum(-1) / 2
        self.mu = np.full(len(h), max(floor, 3e-4))
        self.reason = np.where(self.q <= tol_q, "converged", "iterations").astype("<U10")

    @property
    def live(self) -> np.ndarray:
        return np.flatnonzero(self.reason == "iterations")

    def iterate(self, live: np.ndarray, chunk: int) -> None:
        """One Jacobian for each live point, and the steps that it is good for; then who has arrived."""
        gain = np.concatenate([self.descend(rows) for rows in np.array_split(live, -(-len(live) // chunk))])
        better, at_floor = gain > 0, self.mu[live] <= self.floor
        minimum = (better & ~at_floor & (gain < 1e-4)) | (self.mu[live] > 1e8)
        slow = better & at_floor & (gain < 0.5)
        self.mu[live] = np.where(better, np.maximum(self.mu[live] / 10, self.floor), self.mu[live] * 10)
        for name, those in (("minimum", minimum), ("slow", slow), ("converged", self.q[live] <= self.tol_q)):
            self.reason[live[those]] = name

    def descend(self, rows: np.ndarray) -> np.ndarray:
        """Steps of the points ``rows`` (k,); the share of q that the first of each saved, or would have cost, (k,)."""
        A = np.ascontiguousarray(self.jacobian(self.h[rows], rows))
        S = self.h.shape[1]
        if A.shape != (len(rows), S, S):
            raise ValueError(f"the Jacobian has shape {A.shape} at {len(rows)} states of {S}: it must be (n, S, S)")
        diagonal = np.arange(S), np.arange(S)
        A[:, *diagonal] -= 1
        systems = []
        for a, i in zip(A, rows):
            normal = dsyrk(1.0, a.T)  # AᵀA, the upper triangle
            if not np.isfinite(normal[diagonal]).all():  # sums of squares of A's columns
                raise ValueError(f"the Jacobian is not finite on the way from start {i}")
            normal[diagonal] += self.mu[i]
            try:
                systems.append((a.T, cho_factor(normal, overwrite_a=True, check_finite=False)))
            except LinAlgError:  # singular but for rounding: no step, and more damping for the next
                systems.append((np.zeros_like(a), (np.eye(S), False)))
        first = self.attempt(rows, systems)
        # at the floor every step slides points a little along the line: no more than needed
        again = np.flatnonzero((first > 0.3) & (self.mu[rows] > self.floor))
        for _ in range(3):
            if len(again):
                again = again[self.attempt(rows[again], [systems[k] for k in again]) > 0.3]
        return first

    def attempt(self, rows: np.ndarray, systems: list[tuple[np.ndarray, tuple[np.ndarray, bool]]]) -> np.ndarray:
        """Take those steps that lower q; the share of q that each saves, or would cost, (k,)."""
        delta = [cho_solve(factor, At @ -g, check_finite=False) for (At, factor), g in zip(systems, self.g[rows])]
        trial = self.h[rows] + delta
        with np.errstate(all="ignore"):
            g = self.step(trial, rows) - trial
            q = np.nan_to_num((g * g).sum(-1) / 2, nan=np.inf)
            gain = 1 - q / self.q[rows]  # not a number, and so no gain, where q was 0 already
        better = gain > 0
        taken = rows[better]
        self.h[taken], self.g[taken], self.q[taken] = trial[better], g[better], q[better]
        return gain


def _merge(points: FixedPoints, unique_tol: float, x: np.ndarray | None) -> FixedPoints:
    where = points.h_star if x is None else np.concatenate([points.h_star, x[points.start]], -1)
    tree = cKDTree(where)
    order = np.argsort(points.q, kind="stable")
    owner = np.full(len(points), -1)
    # the point of least q takes in its neighbours; no chains, or a line attractor would become one point
    for i in order:
        if owner[i] < 0:
            near = np.array(tree.query_ball_point(where[i], unique_tol))
            owner[near[owner[near] < 0]] = i
    kept = order[owner[order] == order]
    return replace(points[kept], count=np.bincount(owner, minlength=len(points))[kept])
