"""Fixed points: states that a network's step leaves (nearly) where they are.

The speed of a state is q(h) = ½‖F(h) − h‖². :func:`find_fixed_points` lowers it from many starting states at once by
damped Gauss–Newton steps (Levenberg–Marquardt) with exact Jacobians, where the usual tools run thousands of Adam steps.
:func:`mean_map` makes the reference F̄ that works for trained gated networks: the step averaged over running text.

Sources: Sussillo & Barak 2013 (fixed and slow points by minimizing q); Golub & Sussillo 2018 (FixedPointFinder);
Levenberg 1944, Marquardt 1963, Shamanskii 1967, Fan 2012; LA19 section 4.
"""

from __future__ import annotations

import ctypes
import os
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.linalg import blas, cython_lapack

from .cells import CELLS, NUMPY_OPS, Cell
from .files import write_npz
from .model import SentimentRNN
from .threads import in_threads

__all__ = ["FixedPoints", "MeanMap", "find_fixed_points", "keras_step", "mean_map", "numeric_jacobian"]


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

    def astype(self, dtype: Any) -> MeanMap:
        """The same map in another float type: float32 is twice as fast and good enough for trial steps."""
        return replace(self, cell=self.cell.astype(dtype), u=self.u.astype(dtype), weights=self.weights.astype(dtype))

    def __call__(self, h: np.ndarray) -> np.ndarray:
        """F̄(h): (..., S) -> (..., S)."""

        def average(h: np.ndarray, a: np.ndarray) -> np.ndarray:
            return self.weights @ self.cell.combine(h, self.u, a)

        return np.reshape(self._each(average, h), np.shape(h))

    def partials(self, h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Averaged partials, as :meth:`rnnrev.cells.Cell.partials` gives them for one input: h (..., S)."""
        spec, n = CELLS[self.cell.kind], self.cell.n_units

        def average(h: np.ndarray, a: np.ndarray) -> list[np.ndarray]:
            known: dict[int, np.ndarray] = {}  # d_u and d_a share most of their arrays

            def mean(d: Any) -> np.ndarray:
                if d is None:
                    return np.zeros(n, self.weights.dtype)
                if id(d) not in known:
                    known[id(d)] = self.weights @ np.broadcast_to(d, (len(self.weights), n))
                return known[id(d)]

            parts = spec.partials(NUMPY_OPS, h, self.u, a)
            return [np.array([[mean(d) for d in row] for row in part]) for part in parts]

        d_h, d_u, d_a = (np.stack(part) for part in zip(*self._each(average, h)))
        lead = np.shape(h)[:-1]
        return (
            d_h.reshape(*lead, *d_h.shape[1:]),
            d_u.reshape(*lead, *d_u.shape[1:]),
            d_a.reshape(*lead, *d_a.shape[1:]),
        )

    def _each(self, average: Callable[..., Any], h: np.ndarray) -> list[Any]:
        # one state at a time: its K inputs fill the cache, and threads take the next
        flat = np.asarray(h, self.u.dtype).reshape(-1, 1, self.cell.n_state)
        return in_threads(average, flat, self.cell.recur(flat))

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
    with it does to the logit: positive and negative words come in the shares they have. So F̄ is unbiased, and
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


# --- the record -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class FixedPoints:
    """Fixed and slow points, P of them, in order of q (or of the starts, where none were merged).

    Attributes
    ----------
    h_star : array, (P, S)
    q : array, (P,)
        Speed ½‖F(h) − h‖².
    reason : array of str, (P,)
        Why the search stopped: ``converged`` (q ≤ tol_q), ``slow`` (only directions that are held are left),
        ``minimum`` (a local minimum of q that is no fixed point, or the limit of float64) or ``iterations``.
    iterations : array, (P,)
    moved : array, (P,)
        Distance from the start.
    count : array, (P,)
        Starts that ended here.
    start : array, (P,)
        The start whose search gave this point.
    n_unstable : array, (P,)
        Modes with |λ| > 1; −1 where it was not asked for.
    x : array, (P, D), or None
        The input that each point is fixed under.
    origin : array, (n,)
        For every start the point it went to; −1 if that was an outlier or is not in this selection.
    """

    h_star: np.ndarray = field(repr=False)
    q: np.ndarray = field(repr=False)
    reason: np.ndarray = field(repr=False)
    iterations: np.ndarray = field(repr=False)
    moved: np.ndarray = field(repr=False)
    count: np.ndarray = field(repr=False)
    start: np.ndarray = field(repr=False)
    n_unstable: np.ndarray = field(repr=False)
    x: np.ndarray | None = field(repr=False)
    origin: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.q)

    def __repr__(self) -> str:
        if not len(self):
            return f"FixedPoints(none from {len(self.origin):,} starts)"
        kinds, counts = np.unique(self.reason, return_counts=True)
        why = ", ".join(f"{c:,} {k}" for k, c in zip(kinds, counts))
        return f"FixedPoints({len(self):,} from {len(self.origin):,} starts: {why}; median q {np.median(self.q):.1e})"

    def __getitem__(self, which: Any) -> FixedPoints:
        """The points at these positions, in this slice or where this mask holds, as a record of their own."""
        picked = np.atleast_1d(np.arange(len(self))[which])
        place = np.full(len(self) + 1, -1)
        place[picked] = np.arange(len(picked))
        rows = {f.name: getattr(self, f.name) for f in fields(self)}
        rows = {k: v if v is None or k == "origin" else v[picked] for k, v in rows.items()}
        return FixedPoints(**rows | {"origin": place[self.origin]})

    def below(self, q: float) -> FixedPoints:
        """The points with a speed of at most ``q``."""
        return self[self.q <= q]

    def to_frame(self) -> Any:
        """Everything but the states, one row a point, as a pandas table."""
        import pandas as pd

        names = ("q", "reason", "iterations", "moved", "count", "start", "n_unstable")
        return pd.DataFrame({name: getattr(self, name) for name in names})

    def save(self, file: str | os.PathLike[str]) -> Path:
        """Write the record as one .npz file, in one step: a reader sees the old file or the new one."""
        return write_npz(file, {f.name: v for f in fields(self) if (v := getattr(self, f.name)) is not None})

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> FixedPoints:
        """Read what :meth:`save` wrote (nothing is unpickled); ``ValueError`` if it is something else."""
        try:
            with np.load(file, allow_pickle=False) as stored:
                arrays = {k: stored[k] for k in stored.files}
        except (ValueError, OSError, zipfile.BadZipFile) as error:
            raise ValueError(f"{file} cannot be read as fixed points: {error}") from error
        missing = {f.name for f in fields(cls)} - {"x"} - set(arrays)
        if missing:
            raise ValueError(f"{file} holds no fixed points: {', '.join(sorted(missing))} missing")
        return cls(**{"x": None} | {f.name: arrays[f.name] for f in fields(cls) if f.name in arrays})


# --- steps and Jacobians of whatever is given -------------------------------------------------


class _Reference(NamedTuple):
    """The map whose fixed points are looked for; ``i`` are the rows of the starts that h belongs to."""

    step: Callable[[np.ndarray, np.ndarray], np.ndarray]
    jacobian: Callable[[np.ndarray, np.ndarray], np.ndarray]
    #: (d_h, d_a) in float32 and the recurrent weights, where the Jacobian is diagonals times U
    partials: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None
    U: np.ndarray | None = None
    #: the Jacobian in float32
    rough_jacobian: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    #: the most conjugate-gradient iterations that cost less than an exact step
    most_products: int = 0
    #: whether the map may be called from several threads at once
    threads: bool = False


def _reference(F: Any, n: int, x: np.ndarray | None, jacobian: Any) -> _Reference:
    if isinstance(F, MeanMap):
        if x is not None:
            raise ValueError("the mean map averages over inputs: leave x out")
        rough = F.astype(np.float32)

        def averaged(h: np.ndarray, i: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            d_h, _, d_a = rough.partials(h)
            return d_h, d_a

        # the average costs more than the algebra after it, which an exact step has more of
        return _Reference(
            lambda h, i: F(h),
            lambda h, i: F.jacobian(h),
            averaged,
            rough.cell.U,
            lambda h, i: rough.jacobian(h),
            most_products=F.cell.n_state // 4,
        )

    if isinstance(F, Cell):
        if x is None:
            raise ValueError("a cell needs a reference input x: zeros, a mean embedding, or a row for every start")
        exact, rough_cell = F.astype(np.float64), F.astype(np.float32)
        u = exact.project(x)

        def partials(h: np.ndarray, i: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            d_h, _, d_a = rough_cell.partials(h.astype(np.float32), u[i].astype(np.float32))
            return d_h, d_a

        def cell_jacobian(h: np.ndarray, i: np.ndarray) -> np.ndarray:
            d_h, _, d_a = exact.partials(h, u[i])
            return exact.assemble_J_rec(d_h, d_a)

        def rough_jacobian(h: np.ndarray, i: np.ndarray) -> np.ndarray:
            return rough_cell.assemble_J_rec(*partials(h, i))

        return _Reference(
            lambda h, i: exact.step_projected(h, u[i]),
            cell_jacobian,
            partials,
            rough_cell.U,
            rough_jacobian,
            most_products=F.n_state // 16,
            threads=True,
        )

    if not callable(F):
        raise TypeError(f"F must be a Cell, a MeanMap or a function F(h, x), not {type(F).__name__}")
    jacobian = getattr(F, "jacobian", None) if jacobian is None else jacobian

    def call(function: Callable[..., Any], h: np.ndarray, i: np.ndarray) -> np.ndarray:
        return np.asarray(function(h) if x is None else function(h, x[i]), float)

    def numeric(h: np.ndarray, i: np.ndarray) -> np.ndarray:
        return numeric_jacobian(lambda h: call(F, h, np.repeat(i, len(h) // len(i))), h)

    given = numeric if jacobian is None else (lambda h, i: call(jacobian, h, i).copy())
    return _Reference(lambda h, i: call(F, h, i), given)


def numeric_jacobian(F: Callable[[np.ndarray], np.ndarray], h: np.ndarray, eps: float = 1e-6) -> np.ndarray:
    """Jacobian (n, S, S) of a vectorized function at n states by central differences, exact to about 1e-9.

    F is called once, with the 2·S moved copies of each state next to each other: (n·2·S, S).
    """
    n, S = h.shape
    moves = eps * np.concatenate([np.eye(S), -np.eye(S)])
    moved = np.reshape(F((h[:, None] + moves).reshape(-1, S)), (n, 2, S, S))
    return np.swapaxes(moved[:, 0] - moved[:, 1], -1, -2) / (2 * eps)


def keras_step(layer: Any) -> tuple[Callable[..., np.ndarray], Callable[..., np.ndarray]]:
    """A Keras RNN layer (or RNN cell) as F(h, x) and its autodiff Jacobian ∂F/∂h, for :func:`find_fixed_points`.

    The state is flat: an LSTM's is [hidden, carry]. Works with any cell whose states are vectors.
    """
    import tensorflow as tf

    cell = getattr(layer, "cell", layer)
    sizes = list(np.atleast_1d(cell.state_size))

    def flat(h: Any, x: Any) -> Any:
        h = tf.ensure_shape(h, (None, sum(sizes)))
        _, states = cell(x, tf.split(h, sizes, -1))
        return tf.concat(tf.nest.flatten(states), -1)

    rows = [tf.TensorSpec((None, None), cell.compute_dtype)] * 2

    @tf.function(input_signature=rows)
    def step(h: Any, x: Any) -> Any:
        return flat(h, x)

    @tf.function(input_signature=rows)
    def jacobian(h: Any, x: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(h)
            after = flat(h, x)
        return tape.batch_jacobian(after, h)

    def F(h: np.ndarray, x: np.ndarray) -> np.ndarray:
        return step(np.asarray(h, cell.compute_dtype), np.asarray(x, cell.compute_dtype)).numpy()

    def J(h: np.ndarray, x: np.ndarray) -> np.ndarray:
        return jacobian(np.asarray(h, cell.compute_dtype), np.asarray(x, cell.compute_dtype)).numpy()

    return F, J


# --- the finder -------------------------------------------------------------------------------


def find_fixed_points(
    F: Any,
    starts: np.ndarray,
    x: np.ndarray | None = None,
    *,
    jacobian: Callable[..., np.ndarray] | None = None,
    tol_q: float = 1e-20,
    max_iterations: int = 100,
    damping: float = 1e-4,
    unique_tol: float | None = 1e-3,
    max_distance: float | None = 10.0,
    stability: bool = True,
    memory_mb: float = 500,
    progress: bool = False,
) -> FixedPoints:
    """Fixed and slow points of h -> F(h, x): lower q(h) = ½‖F(h, x) − h‖² from every start.

    Parameters
    ----------
    F : Cell, MeanMap or function
        A cell of :mod:`rnnrev.cells`; the corpus-averaged map; or any vectorized function, F(h, x) with h (n, S) and
        x (n, D), or F(h) where no ``x`` is given. :func:`keras_step` makes one of a Keras layer.
    starts : array, (n, S)
        States to start from: states that the network visits on real texts.
    x : array, (D,) or (n, D), optional
        The reference input, one for all or one for each start.
    jacobian : function, optional
        ∂F/∂h, (n, S, S), with the arguments of F. Not needed for a cell or the mean map; a function without one is
        differentiated numerically.
    tol_q : float
        A point with q at most this has converged.
    max_iterations : int
    damping : float
        The least damping. Directions along which the map is slower than about 1/√damping tokens are held where the
        start is, so that points stay on a line attractor beside their data and are not slid to its ends; the search
        stops once only those are left. 1e-4 holds what is slower than some 100 tokens; 0 lets every point run on to a
        true fixed point.
    unique_tol : float or None
        Points nearer to each other than this are one (the one of least q is kept). None keeps one row a start.
    max_distance : float or None
        A point is an outlier, and dropped, if it is farther from the mean of the starts than this many times the
        starts are (root mean square).
    stability : bool
        Count the unstable modes at every point (one eigenvalue problem each).
    memory_mb : float
        Rough limit for the stacks of Jacobians.
    progress : bool
        Show a bar.

    Raises
    ------
    ValueError
        If shapes do not fit, a start is not finite, or F is not finite at a start; the message names the start.

    Notes
    -----
    Levenberg–Marquardt: with A = ∂F/∂h − 1 and g = F(h) − h, a step solves (AᵀA + μ)δ = −Aᵀg and is taken if q falls;
    μ then falls tenfold, or rises. Each point has its own μ and stops by itself. For large cells and the mean map the
    first few steps are solved by 8, 16, … conjugate-gradient iterations, where a product with A costs as much as a
    step of the network; they deal with the fast directions, exact solves with the rest. A factored AᵀA + μ serves up
    to three steps while each halves q (Shamanskii 1967; Fan 2012, the modified Levenberg–Marquardt method), but one
    only once μ has reached ``damping``. Cells and the mean map are factored in float32 while μ is at least 1e-6; g
    and q are always float64. A cell's starts are searched by all processors, with results that do not depend on
    their number.
    """
    h = np.atleast_2d(np.array(starts, float))
    if h.ndim != 2 or not len(h):
        raise ValueError(f"starts must be states (n, S), n at least 1, not {np.shape(starts)}")
    _check_finite(h, "start {} is not finite: drop it, or look for what made it so")
    n, S = h.shape
    if isinstance(F, (Cell, MeanMap)):
        n_state = F.n_state if isinstance(F, Cell) else F.cell.n_state
        if n_state != S:
            raise ValueError(f"starts have {S} numbers each, but the cell's state has {n_state}")
    if x is not None:
        x = np.asarray(x, float)
        if x.ndim not in (1, 2) or (x.ndim == 2 and len(x) != n):
            raise ValueError(f"x must be one input (D,) or one for each of the {n} starts (n, D), not {x.shape}")
        if isinstance(F, Cell) and x.shape[-1] != F.n_inputs:
            raise ValueError(f"x has {x.shape[-1]} numbers, but the cell takes {F.n_inputs}")
        x = np.broadcast_to(x, (n, x.shape[-1]))
        _check_finite(x, "the input x of start {} is not finite")
    if damping < 0 or tol_q < 0:
        raise ValueError(f"damping and tol_q cannot be negative: {damping}, {tol_q}")

    reference = _reference(F, n, x, jacobian)
    chunk = max(1, int(min(memory_mb * 2**20 / (32 * S**2), max(4, _CACHED / S**2))))
    h, q, iterations, reason = _descend(reference, h, tol_q, max_iterations, damping, chunk, progress)
    found = FixedPoints(
        h, q, reason, iterations, np.linalg.norm(h - starts, axis=-1), np.ones(n, int), np.arange(n),
        np.full(n, -1), None if x is None else np.array(x), np.arange(n),
    )  # fmt: skip
    found = _merge(_without_outliers(found, starts, max_distance), unique_tol)
    if stability and len(found):
        rows = np.array_split(np.arange(len(found)), -(-len(found) // chunk))
        eigvals = [np.linalg.eigvals(reference.jacobian(found.h_star[i], found.start[i])) for i in rows]
        # a hair above 1, so that rounding does not make an exact line attractor unstable
        found = replace(found, n_unstable=(np.abs(np.concatenate(eigvals)) > 1 + 1e-9).sum(-1))
    return found


def _check_finite(rows: np.ndarray, message: str) -> None:
    bad = np.flatnonzero(~np.isfinite(rows).all(-1))
    if len(bad):
        raise ValueError(message.format(int(bad[0])) + (f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""))


#: Starts that are searched together; threads take the next block. Fixed, so that results do not depend on threads.
_BLOCK = 64
#: Numbers in a stack of Jacobians that the processor's cache still holds.
_CACHED = 2**19
#: The least damping at which float32 still resolves AᵀA + μ (entries of A are of order 1).
_LEAST_ROUGH_MU = 1e-6


def _descend(
    reference: _Reference, h: np.ndarray, tol_q: float, max_iterations: int, damping: float, chunk: int, progress: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """States (n, S), q, iterations and reasons (n,) of the searches from the starts h (n, S)."""
    from tqdm.auto import tqdm

    n = len(h)
    after = reference.step(h, np.arange(n))
    if after.shape != h.shape:
        raise ValueError(f"F gives arrays of shape {after.shape} for states of shape {h.shape}: it must keep the shape")
    g = after - h
    _check_finite(g, "F is not finite at start {}")
    with tqdm(total=n, disable=not progress, unit="point") as bar:

        def search(i: np.ndarray) -> tuple[np.ndarray, ...]:
            return _Block(reference, h[i], g[i], i, damping, chunk).search(tol_q, max_iterations, bar.update)

        if reference.threads:
            found = in_threads(search, np.array_split(np.arange(n), -(-n // _BLOCK)))
        else:
            found = [search(np.arange(n))]
    points, q, iterations, reason = (np.concatenate(parts) for parts in zip(*found))
    return points, q, iterations, reason


class _Block:
    """The search from one block of starts h (n, S), g = F(h) − h; ``i`` (n,) are their rows among all starts."""

    def __init__(
        self, reference: _Reference, h: np.ndarray, g: np.ndarray, i: np.ndarray, damping: float, chunk: int
    ) -> None:
        self.reference, self.i, self.chunk = reference, i, chunk
        self.h, self.g = h, g  # copies, as they were picked by i
        self.q = (self.g * self.g).sum(-1) / 2
        self.damping, self.mu = damping, np.full(len(h), max(damping, 1e-2))

    def search(
        self, tol_q: float, max_iterations: int, tell: Callable[[int], Any]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """States, q, iterations and reasons; ``tell`` hears how many points have stopped."""
        q, mu = self.q, self.mu
        iterations, reason = np.zeros(len(q), int), np.where(q <= tol_q, "converged", "iterations").astype("<U10")
        live = np.flatnonzero(q > tol_q)
        tell(len(q) - len(live))
        for iteration in range(max_iterations):
            if not len(live):
                break
            products = 8 << min(iteration, 20)
            exact = products > self.reference.most_products
            gain = self._exact(live) if exact else self._rough(live, products)
            better = gain > 0
            iterations[live] += 1

            at_floor = self._at_floor(live)
            slow = exact & better & at_floor & (gain < 0.5)
            minimum = exact & ((better & ~at_floor & (gain < 1e-4)) | (mu[live] > 1e8))
            mu[live] = np.where(better, np.maximum(mu[live] / 10, self.damping), mu[live] * 10)
            converged = q[live] <= tol_q
            for name, those in (("minimum", minimum), ("slow", slow), ("converged", converged)):
                reason[live[those]] = name
            done = converged | slow | minimum
            tell(int(done.sum()))
            live = live[~done]
        return self.h, q, iterations, reason

    def _at_floor(self, rows: np.ndarray) -> np.ndarray:
        return self.mu[rows] <= max(self.damping, 1e-12)

    def _try(self, rows: np.ndarray, delta: np.ndarray) -> np.ndarray:
        """Take those of the steps delta (k, S) that lower q; the share of q that each saves, (k,), or would cost."""
        trial = self.h[rows] + delta
        with np.errstate(all="ignore"):
            g = self.reference.step(trial, self.i[rows]) - trial
            q = np.nan_to_num((g * g).sum(-1) / 2, nan=np.inf)
            gain = 1 - q / self.q[rows]  # not a number, and so no gain, where q was 0 already
        better = gain > 0
        taken = rows[better]
        self.h[taken], self.g[taken], self.q[taken] = trial[better], g[better], q[better]
        return gain

    def _rough(self, rows: np.ndarray, products: int) -> np.ndarray:
        h, g, mu, i = self.h[rows], self.g[rows], self.mu[rows], self.i[rows]
        return self._try(rows, _rough_step(self.reference, h, g, mu, i, products))

    def _exact(self, rows: np.ndarray) -> np.ndarray:
        """Exact steps, in float32 where the damping allows it; what the first of each gained, (k,)."""
        gain = np.empty(len(rows))
        single = (self.mu[rows] >= _LEAST_ROUGH_MU) & (self.reference.rough_jacobian is not None)
        for jacobian, those in ((self.reference.rough_jacobian, single), (self.reference.jacobian, ~single)):
            which = np.flatnonzero(those)
            for part in np.array_split(which, -(-len(which) // self.chunk)) if len(which) else ():
                gain[part] = self._factored(rows[part], jacobian)
        return gain

    def _factored(self, rows: np.ndarray, jacobian: Any) -> np.ndarray:
        """One step and up to two more with the same factors, each for a tenth of the price."""
        system = _NormalEquations(jacobian(self.h[rows], self.i[rows]), self.h[rows], self.mu[rows], self.i[rows])
        first = self._try(rows, system.solve(np.arange(len(rows)), self.g[rows]))
        # at the floor every step slides points a little along the line: no more than needed
        again = np.flatnonzero((first > 0.5) & ~self._at_floor(rows))
        for _ in range(2):
            if len(again):
                gain = self._try(rows[again], system.solve(again, self.g[rows[again]]))
                again = again[gain > 0.5]
        return first


def _potrf(name: str) -> Callable[[np.ndarray], int]:
    """LAPACK's Cholesky as a function of a C-ordered matrix (S, S): in place, 0 if it worked.

    ``scipy.linalg.lapack`` has it too, but holds Python's lock meanwhile: threads would wait for each other.
    """
    name_of = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", ctypes.pythonapi))
    address_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(
        ("PyCapsule_GetPointer", ctypes.pythonapi)
    )
    capsule = cython_lapack.__pyx_capi__[name]
    routine = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 5)(address_of(capsule, name_of(capsule)))

    def factor(matrix: np.ndarray) -> int:
        size, failed = ctypes.c_int(len(matrix)), ctypes.c_int(0)
        n = ctypes.byref(size)
        routine(b"L", n, matrix.ctypes.data, n, ctypes.byref(failed))  # "L": Fortran reads the transpose
        return failed.value

    return factor


_spotrf, _dpotrf = _potrf("spotrf"), _potrf("dpotrf")


class _NormalEquations:
    """(AᵀA + μ) δ = −Aᵀg at k states, A = J − 1 with J (k, S, S), factored once; in the float type of J.

    Cholesky: half the work of LU, and in float32 half of that. J is overwritten.
    """

    def __init__(self, J: np.ndarray, h: np.ndarray, mu: np.ndarray, i: np.ndarray) -> None:
        k, S = h.shape
        if J.shape != (k, S, S):
            raise ValueError(f"the Jacobian has shape {J.shape} for states of shape {h.shape}: it must be (n, S, S)")
        J = np.ascontiguousarray(J)  # or the diagonal below would be one of a copy
        J.reshape(k, -1)[:, :: S + 1] -= 1
        self.At = At = np.swapaxes(J, -1, -2)
        normal, half = np.empty((k, S, S), J.dtype), S // 2
        # AᵀA is symmetric: three quarters of it hold the triangle that Cholesky reads
        np.matmul(At[:, :half], J, out=normal[:, :half])
        np.matmul(At[:, half:], J[:, :, half:], out=normal[:, half:, half:])
        diagonal = normal.reshape(k, -1)[:, :: S + 1]
        bad = np.flatnonzero(~np.isfinite(diagonal).all(-1))  # sums of squares of A's columns
        if len(bad):
            raise ValueError(f"the Jacobian is not finite on the way from start {i[bad[0]]}")
        # where mu is 0, a trace of it keeps an exactly singular A solvable
        self.mu = np.maximum(mu, 1e-15 * diagonal.sum(-1))
        diagonal += self.mu[:, None]
        single = J.dtype == np.float32
        factor = _spotrf if single else _dpotrf
        self.trsv = blas.strsv if single else blas.dtrsv
        self.factors = [(m.T, factor(m)) for m in normal]

    def solve(self, which: np.ndarray, g: np.ndarray) -> np.ndarray:
        """δ (m, S) at the states ``which`` (m,) for g (m, S)."""
        scale = np.maximum(np.linalg.norm(g, axis=-1, keepdims=True), 1e-300)  # a small g² would underflow in float32
        unit = (-g / scale).astype(self.At.dtype)
        return np.stack([self._solve(j, v) for j, v in zip(which, unit)]) * scale

    def _solve(self, j: int, g: np.ndarray) -> np.ndarray:
        At, (L, failed) = self.At[j], self.factors[j]
        if failed:  # singular but for rounding: LU of the whole, in float64
            At = At.astype(float)
            return np.linalg.solve(At @ At.T + self.mu[j] * np.eye(len(g)), At @ g)
        return self.trsv(L, self.trsv(L, At @ g, lower=1), lower=1, trans=1)


def _rough_step(
    reference: _Reference, h: np.ndarray, g: np.ndarray, mu: np.ndarray, i: np.ndarray, products: int
) -> np.ndarray:
    """The same step by conjugate gradients on the normal equations (CGLS), for all points at once, in float32."""
    assert reference.partials is not None
    assert reference.U is not None
    d_h, d_a = reference.partials(h, i)
    blocks, gates, n = d_a.shape[1:]
    U, Ut, diagonal = reference.U, np.ascontiguousarray(reference.U.T), np.arange(blocks)
    d_h[:, diagonal, diagonal] -= 1
    shape = (len(h), blocks, n)

    def A(v: np.ndarray) -> np.ndarray:
        a = (v[:, 0] @ U).reshape(len(v), 1, gates, n)
        return (d_a * a).sum(2) + (d_h * v[:, None]).sum(2)

    def At(v: np.ndarray) -> np.ndarray:
        out = (d_h * v[:, :, None]).sum(1)
        out[:, 0] += (d_a * v[:, :, None]).sum(1).reshape(len(v), -1) @ Ut
        return out

    def dot(v: np.ndarray) -> np.ndarray:
        return (v * v).sum((1, 2), keepdims=True) + np.float32(1e-30)

    scale = np.linalg.norm(g, axis=-1, keepdims=True)
    mu32 = mu.astype(np.float32)[:, None, None]
    residual = (-g / scale).astype(np.float32).reshape(shape)
    delta = np.zeros(shape, np.float32)
    direction = gradient = At(residual)
    size = dot(gradient)
    for _ in range(products):
        image = A(direction)
        length = size / (dot(image) + mu32 * dot(direction))
        delta += length * direction
        residual -= length * image
        gradient = At(residual) - mu32 * delta
        size, before = dot(gradient), size
        direction = gradient + size / before * direction
    return delta.reshape(h.shape) * scale


def _without_outliers(found: FixedPoints, starts: np.ndarray, max_distance: float | None) -> FixedPoints:
    starts = np.atleast_2d(np.asarray(starts, float))
    centre = starts.mean(0)
    spread = np.sqrt(((starts - centre) ** 2).sum(-1).mean())
    if max_distance is None or spread == 0:
        return found
    return found[np.linalg.norm(found.h_star - centre, axis=-1) <= max_distance * spread]


def _merge(found: FixedPoints, unique_tol: float | None) -> FixedPoints:
    if unique_tol is None or not len(found):
        return found
    from scipy.spatial import cKDTree

    where = found.h_star if found.x is None else np.concatenate([found.h_star, found.x], -1)
    tree = cKDTree(where)
    order = np.argsort(found.q, kind="stable")
    owner = np.full(len(found), -1)
    for (
        i
    ) in order:  # the point of least q takes in its neighbours; no chains, or a line attractor would become one point
        if owner[i] < 0:
            near = np.array(tree.query_ball_point(where[i], unique_tol))
            owner[near[owner[near] < 0]] = i
    kept = order[owner[order] == order]
    place = np.full(len(found) + 1, -1)
    place[kept] = np.arange(len(kept))
    moved_to = np.append(place[owner], -1)
    merged = found[kept]
    return replace(merged, origin=moved_to[found.origin], count=np.bincount(moved_to[:-1], minlength=len(kept)))
