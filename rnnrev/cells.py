"""Recurrent cells as plain functions F(h, x) -> h', the same in NumPy and in TensorFlow.

Every cell of this book maps the input and the state linearly, once,

    u = x W + b,        a = h U + b_rec,

and what is left, ``h' = combine(h, u, a)``, acts on each unit by itself. All of the package rests on what follows:

* training hoists ``x W`` out of the loop over time, and the gradient of ``U`` is one product over all time steps;
* the Jacobians are exact and cheap: diagonal *partials* times ``U`` and ``W``;
* the Jacobian of the corpus-averaged map needs only averaged partials: one matrix product for 600 tokens.

Conventions are those of Keras: rows are examples, ``W`` is (D, G·N), ``U`` is (N, G·N), with G gates in the order of
:data:`CELLS`. The state is flat: an LSTM's is [hidden, cell], 2N numbers.

Three cells have gates that do not see the state: U is zero and stays so. The minGRU's are functions of the word alone;
the LRU's are constants of each unit, (ν, θ) in ``b_rec``. So is the knob's of :mod:`rnnrev.knob`, a bag of words whose
words turn a volume; c, ρ, λ_p and λ_q are in ``b_rec``.

Sources: Elman 1990 (vanilla); Collins, Sohl-Dickstein & Sussillo 2016 (UGRNN); Cho et al. 2014 with the reset gate
after the product, as in cuDNN and Keras (GRU); Hochreiter & Schmidhuber 1997 with forget gate (LSTM); Feng et al. 2024
(minGRU, with 1 − z for z); Orvieto et al. 2023 (LRU). The notation is that of Maheswaranathan & Sussillo 2020 (CP20),
section 2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

__all__ = ["CELLS", "Cell"]

WEIGHTS = ("W", "U", "b", "b_rec", "h0")  #: of a :class:`Cell`, in its order


@dataclass(frozen=True)
class _Ops:
    """What a cell does to arrays that NumPy and TensorFlow have different names for."""

    sigmoid: Callable[[np.ndarray], np.ndarray]
    tanh: Callable[[np.ndarray], np.ndarray]
    exp: Callable[[np.ndarray], np.ndarray]
    cos: Callable[[np.ndarray], np.ndarray]
    sin: Callable[[np.ndarray], np.ndarray]
    concat: Callable[[Sequence[np.ndarray], int], np.ndarray]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    # tanh is vectorized in NumPy and, unlike 1/(1+exp(-x)), cannot overflow
    half = np.asarray(x).dtype.type(0.5)
    return half * (1 + np.tanh(half * x))


NUMPY_OPS = _Ops(_sigmoid, np.tanh, np.exp, np.cos, np.sin, np.concatenate)


def tensorflow_ops() -> _Ops:
    """The operations in TensorFlow, imported only when asked for; arrays are then its tensors."""
    import tensorflow as tf

    return _Ops(tf.sigmoid, tf.tanh, tf.exp, tf.cos, tf.sin, tf.concat)


def _gates(x: np.ndarray, n: int, count: int) -> list[np.ndarray]:
    return [x[..., i * n : (i + 1) * n] for i in range(count)]


# --- the cells: combine(ops, h, u, a) -> h' and its partials -----------------------------
#
# partials(ops, h, u, a) returns (d_h, d_u, d_a), lists of lists of (..., N) arrays or None for zero:
# d_h[i][j] = d h'_i / d h_j over state blocks i, j; d_u[i][g] and d_a[i][g] over gates g.

_Rows = list[list[np.ndarray | None]]


def _vanilla(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
    return ops.tanh(u + a)


def _vanilla_partials(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> tuple[_Rows, _Rows, _Rows]:
    slope = 1 - ops.tanh(u + a) ** 2
    return [[None]], [[slope]], [[slope]]


def _ugrnn(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
    n = h.shape[-1]
    (u_g, u_c), (a_g, a_c) = _gates(u, n, 2), _gates(a, n, 2)
    g, c = ops.sigmoid(u_g + a_g), ops.tanh(u_c + a_c)
    return c + g * (h - c)


def _ugrnn_partials(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> tuple[_Rows, _Rows, _Rows]:
    n = h.shape[-1]
    (u_g, u_c), (a_g, a_c) = _gates(u, n, 2), _gates(a, n, 2)
    g, c = ops.sigmoid(u_g + a_g), ops.tanh(u_c + a_c)
    d_g = (h - c) * g * (1 - g)
    d_c = (1 - g) * (1 - c * c)
    return [[g]], [[d_g, d_c]], [[d_g, d_c]]


def _gru(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
    n = h.shape[-1]
    (u_z, u_r, u_c), (a_z, a_r, a_c) = _gates(u, n, 3), _gates(a, n, 3)
    z, r = ops.sigmoid(u_z + a_z), ops.sigmoid(u_r + a_r)
    c = ops.tanh(u_c + r * a_c)
    return c + z * (h - c)


def _gru_partials(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> tuple[_Rows, _Rows, _Rows]:
    n = h.shape[-1]
    (u_z, u_r, u_c), (a_z, a_r, a_c) = _gates(u, n, 3), _gates(a, n, 3)
    z, r = ops.sigmoid(u_z + a_z), ops.sigmoid(u_r + a_r)
    c = ops.tanh(u_c + r * a_c)
    d_z = (h - c) * z * (1 - z)
    d_c = (1 - z) * (1 - c * c)
    d_ca = d_c * r
    d_r = d_ca * a_c * (1 - r)
    return [[z]], [[d_z, d_r, d_c]], [[d_z, d_r, d_ca]]


def _lstm(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
    n = h.shape[-1] // 2
    i, f, g, o = _gates(u + a, n, 4)
    cell = ops.sigmoid(f) * h[..., n:] + ops.sigmoid(i) * ops.tanh(g)
    return ops.concat([ops.sigmoid(o) * ops.tanh(cell), cell], -1)


def _lstm_partials(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> tuple[_Rows, _Rows, _Rows]:
    n = h.shape[-1] // 2
    i, f, g, o = _gates(u + a, n, 4)
    i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
    previous = h[..., n:]
    squashed = ops.tanh(f * previous + i * g)
    through = o * (1 - squashed * squashed)
    cell = [g * i * (1 - i), previous * f * (1 - f), i * (1 - g * g), None]
    hidden = [through * d for d in cell[:3]] + [squashed * o * (1 - o)]
    return [[None, through * f], [None, f]], [hidden, cell], [hidden, cell]


def _mingru(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
    u_z, u_c = _gates(u, h.shape[-1], 2)
    return u_c + ops.sigmoid(u_z) * (h - u_c)


def _mingru_partials(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> tuple[_Rows, _Rows, _Rows]:
    u_z, u_c = _gates(u, h.shape[-1], 2)
    z = ops.sigmoid(u_z)
    return [[z]], [[(h - u_c) * z * (1 - z), 1 - z]], [[None, None]]


def _eigenvalues(ops: _Ops, a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    # an LRU's λ = exp(−e^ν + iθ), real and imaginary, e^ν, and the scale √(1 − |λ|²) that keeps h of order 1
    nu, theta = _gates(a, a.shape[-1] // 2, 2)
    rate = ops.exp(nu)
    size = ops.exp(-rate)
    return size * ops.cos(theta), size * ops.sin(theta), rate, (1 - size * size) ** 0.5


def _lru(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
    n = h.shape[-1] // 2
    (re, im), (u_re, u_im) = _gates(h, n, 2), _gates(u, n, 2)
    l_re, l_im, _, scale = _eigenvalues(ops, a)
    return ops.concat([l_re * re - l_im * im + scale * u_re, l_im * re + l_re * im + scale * u_im], -1)


def _lru_partials(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> tuple[_Rows, _Rows, _Rows]:
    n = h.shape[-1] // 2
    (re, im), (u_re, u_im) = _gates(h, n, 2), _gates(u, n, 2)
    l_re, l_im, rate, scale = _eigenvalues(ops, a)
    turned_re, turned_im = l_re * re - l_im * im, l_im * re + l_re * im
    d_scale = rate * (1 - scale * scale) / scale
    d_a: _Rows = [[d_scale * u_re - rate * turned_re, -turned_im], [d_scale * u_im - rate * turned_im, turned_re]]
    return [[l_re, -l_im], [l_im, l_re]], [[scale, None], [None, scale]], d_a


def _knob(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
    n = h.shape[-1] // 4
    (y, s, p, q), (v, k, d, e), (c, r, fast, slow) = _gates(h, n, 4), _gates(u, n, 4), _gates(a, n, 4)
    r, wrote = ops.sigmoid(r), v * ops.exp(p + q)
    kept = ops.sigmoid(k) * s + wrote
    volume = [ops.sigmoid(fast) * p + d, ops.sigmoid(slow) * q + e]
    return ops.concat([kept + r * (y - s) + c * wrote, kept, *volume], -1)


def _knob_partials(ops: _Ops, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> tuple[_Rows, _Rows, _Rows]:
    n = h.shape[-1] // 4
    (y, s, p, q), (v, k, *_), (c, r, fast, slow) = _gates(h, n, 4), _gates(u, n, 4), _gates(a, n, 4)
    r, keep, fast, slow = ops.sigmoid(r), ops.sigmoid(k), ops.sigmoid(fast), ops.sigmoid(slow)
    volume = ops.exp(p + q)
    wrote, d_k = v * volume, s * keep * (1 - keep)
    read, one = (1 + c) * wrote, volume * 0 + 1
    d_h: _Rows = [[r + 0 * y, keep - r, read, read], [None, keep, wrote, wrote],
                  [None, None, fast + 0 * y, None], [None, None, None, slow + 0 * y]]  # fmt: skip
    d_u: _Rows = [[(1 + c) * volume, d_k, None, None], [volume, d_k, None, None],
                  [None, None, one, None], [None, None, None, one]]  # fmt: skip
    d_a: _Rows = [[wrote, (y - s) * r * (1 - r), None, None], [None] * 4,
                  [None, None, p * fast * (1 - fast), None], [None, None, None, q * slow * (1 - slow)]]  # fmt: skip
    return d_h, d_u, d_a


@dataclass(frozen=True)
class _CellKind:
    """What distinguishes one architecture from another."""

    title: str
    gates: tuple[str, ...]
    blocks: int  #: state blocks of N units: 1, or 2 for an LSTM (hidden, cell) and an LRU (real, imaginary)
    combine: Callable[[_Ops, np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    partials: Callable[[_Ops, np.ndarray, np.ndarray, np.ndarray], tuple[_Rows, _Rows, _Rows]]
    sees_state: bool = True  #: whether gates depend on the state; where they do not, U is zero


CELLS: dict[str, _CellKind] = {
    "vanilla": _CellKind("vanilla tanh", ("c",), 1, _vanilla, _vanilla_partials),
    "ugrnn": _CellKind("UGRNN", ("g", "c"), 1, _ugrnn, _ugrnn_partials),
    "gru": _CellKind("GRU", ("z", "r", "c"), 1, _gru, _gru_partials),
    "lstm": _CellKind("LSTM", ("i", "f", "g", "o"), 2, _lstm, _lstm_partials),
    "mingru": _CellKind("minGRU", ("z", "c"), 1, _mingru, _mingru_partials, sees_state=False),
    "lru": _CellKind("LRU", ("re", "im"), 2, _lru, _lru_partials, sees_state=False),
    "knob": _CellKind("volume knob", ("v", "k", "d", "e"), 4, _knob, _knob_partials, sees_state=False),
}


def _cell_kind(kind: str) -> _CellKind:
    """An architecture; ``ValueError`` names those there are."""
    if kind not in CELLS:
        raise ValueError(f"unknown cell {kind!r}: choose one of {', '.join(CELLS)}")
    return CELLS[kind]


@dataclass(frozen=True, eq=False)
class Jacobians:
    """``J_rec`` (..., S, S) = dF/dh and ``J_inp`` (..., S, D) = dF/dx; column j is the effect of entry j."""

    J_rec: np.ndarray
    J_inp: np.ndarray


@dataclass(frozen=True, eq=False)
class Cell:
    """A recurrent cell with its weights: ``h' = F(h, x)`` on a flat state.

    ``kind`` is a key of :data:`CELLS`; ``W`` (D, G·N) and ``U`` (N, G·N) are input and recurrent weights, gates side by
    side, ``b`` and ``b_rec`` (G·N,) the biases of the two maps, ``h0`` (S,) the trained initial state; S = N, or 2N for
    an LSTM. ``ValueError`` names a weight whose shape does not fit, or that is not finite.
    """

    kind: str
    W: np.ndarray = field(repr=False)
    U: np.ndarray = field(repr=False)
    b: np.ndarray = field(repr=False)
    b_rec: np.ndarray = field(repr=False)
    h0: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        spec = _cell_kind(self.kind)
        if np.ndim(self.U) != 2 or np.ndim(self.W) != 2:
            raise ValueError("W and U must be matrices, (D, G·N) and (N, G·N)")
        n, width = len(self.U), len(self.U) * len(spec.gates)
        shapes = (len(self.W), width), (n, width), (width,), (width,), (n * spec.blocks,)
        for name, shape in zip(WEIGHTS, shapes):
            value = getattr(self, name)
            if np.shape(value) != shape:
                raise ValueError(f"{name} has shape {np.shape(value)}, but a {spec.title} with {n} units needs {shape}")
            if not np.isfinite(value).all():
                raise ValueError(f"{name} holds values that are not finite")
        if not spec.sees_state and np.any(self.U):
            raise ValueError(f"U must be zero: the gates of a {spec.title} do not see the state")

    def __repr__(self) -> str:
        return f"Cell({self.kind!r}, N={self.n_units}, D={self.n_inputs}, {self.U.dtype})"

    @cached_property
    def _gates_to_unit(self) -> np.ndarray:
        # U as (to, gate, from), for assemble_J_rec
        n = len(self.U)
        return np.ascontiguousarray(self.U.reshape(n, -1, n).T)

    @property
    def n_units(self) -> int:
        """N, the number of units."""
        return int(self.U.shape[0])

    @property
    def n_inputs(self) -> int:
        """D, the length of an embedded token."""
        return int(self.W.shape[0])

    @property
    def n_state(self) -> int:
        """S, the length of the flat state: N, or 2N for an LSTM."""
        return int(self.h0.shape[0])

    def astype(self, dtype: DTypeLike) -> Cell:
        """The same cell in another float type (analyses use float64)."""
        changed: dict[str, Any] = {k: np.asarray(getattr(self, k), dtype) for k in WEIGHTS}
        return replace(self, **changed)

    # --- the step -------------------------------------------------------------------------

    def project(self, x: np.ndarray) -> np.ndarray:
        """The input's share ``u = x W + b``: (..., D) -> (..., G·N)."""
        return x @ self.W + self.b

    def recur(self, h: np.ndarray) -> np.ndarray:
        """The state's share ``a = h U + b_rec``: (..., S) -> (..., G·N)."""
        return h[..., : self.n_units] @ self.U + self.b_rec

    def combine(self, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
        """The elementwise rest of the step; h (..., S), u and a (..., G·N) -> (..., S)."""
        return CELLS[self.kind].combine(NUMPY_OPS, h, u, a)

    def step_projected(self, h: np.ndarray, u: np.ndarray) -> np.ndarray:
        """One step from the projected input u = :meth:`project` (x), (..., G·N)."""
        return self.combine(h, u, self.recur(h))

    def step(self, h: np.ndarray, x: np.ndarray) -> np.ndarray:
        """One step, h' = F(h, x): (..., S) and (..., D) -> (..., S); leading axes broadcast."""
        return self.step_projected(h, self.project(x))

    __call__ = step

    # --- exact derivatives ----------------------------------------------------------------

    def partials(
        self, h: np.ndarray, u: np.ndarray, a: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Elementwise derivatives of the step; everything that is nonlinear about a Jacobian.

        States h are (..., S), projected inputs u (..., G·N); ``a`` is ``recur(h)`` where it is known already. Returns
        d_h (..., k, k, N), of state block i after with respect to block j before (directly, not through a), and d_u and
        d_a (..., k, G, N), with respect to gate g's input and recurrent share.
        """
        spec = one_layer(self)
        a = self.recur(h) if a is None else a
        shape = np.broadcast_shapes(np.shape(h)[:-1], np.shape(u)[:-1], np.shape(a)[:-1])
        zero = np.zeros((*shape, self.n_units), dtype=np.result_type(h, u, a))

        def pack(rows: _Rows) -> np.ndarray:
            full = [[zero if d is None else np.broadcast_to(d, zero.shape) for d in r] for r in rows]
            return np.stack([np.stack(r, -2) for r in full], -3)

        d_h, d_u, d_a = spec.partials(NUMPY_OPS, h, u, a)
        return pack(d_h), pack(d_u), pack(d_a)

    def assemble_J_rec(self, d_h: np.ndarray, d_a: np.ndarray) -> np.ndarray:
        """J_rec (..., S, S) from partials (or from partials averaged over tokens)."""
        k, n = d_h.shape[-2], self.n_units
        lead = d_h.shape[:-3]
        d_h, d_a = d_h.reshape(-1, k, k, n), d_a.reshape(-1, *d_a.shape[-3:])
        out = np.zeros((len(d_h), k * n, k * n), dtype=np.result_type(d_h, self.U))
        # one product (states, gate) @ (gate, from) for every unit: many times faster than a sum over gates
        gates = self._gates_to_unit.astype(out.dtype, copy=False)
        diagonal = np.arange(n)
        for i in range(k):
            rows = slice(i * n, (i + 1) * n)
            np.matmul(d_a[:, i].transpose(2, 0, 1).astype(out.dtype), gates, out=out[:, rows, :n].swapaxes(0, 1))
            for j in range(k):
                out[:, i * n + diagonal, j * n + diagonal] += d_h[:, i, j]
        return out.reshape(*lead, k * n, k * n)

    def assemble_J_inp(self, d_u: np.ndarray) -> np.ndarray:
        """J_inp (..., S, D) from partials."""
        k, n = d_u.shape[-3], self.n_units
        gates = self.W.reshape(self.n_inputs, d_u.shape[-2], n)
        blocks = [np.einsum("...gn,dgn->...nd", d_u[..., i, :, :], gates, optimize=True) for i in range(k)]
        return np.concatenate(blocks, -2)

    def vjp(self, h: np.ndarray, u: np.ndarray, g: np.ndarray) -> np.ndarray:
        """J_recᵀ g of one step, no matrix made: h (B, S), u = ``project(x)`` (B, G·N), g (B, …, S) -> (B, …, S)."""
        d_h, _, d_a = self.partials(h, u)
        parts = g.reshape(*g.shape[:-1], -1, self.n_units)
        out = np.einsum("bijn,b...in->b...jn", d_h, parts)
        through = np.einsum("bign,b...in->b...gn", d_a, parts)
        out[..., 0, :] += through.reshape(*g.shape[:-1], -1) @ self.U.T
        return out.reshape(g.shape)

    def jvp(self, h: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        """J_rec v of one step; shapes as those of :meth:`vjp`."""
        d_h, _, d_a = self.partials(h, u)
        parts = v.reshape(*v.shape[:-1], -1, self.n_units)
        gates = (parts[..., 0, :] @ self.U).reshape(*v.shape[:-1], -1, self.n_units)
        out = np.einsum("bijn,b...jn->b...in", d_h, parts) + np.einsum("bign,b...gn->b...in", d_a, gates)
        return out.reshape(v.shape)

    def vjp_input(self, h: np.ndarray, u: np.ndarray, g: np.ndarray) -> np.ndarray:
        """J_inpᵀ g of one step: g (B, …, S) -> (B, …, D)."""
        d_u = self.partials(h, u)[1]
        through = np.einsum("bign,b...in->b...gn", d_u, g.reshape(*g.shape[:-1], -1, self.n_units))
        return through.reshape(*g.shape[:-1], -1) @ self.W.T

    def jvp_input(self, h: np.ndarray, u: np.ndarray, dx: np.ndarray) -> np.ndarray:
        """J_inp dx of one step: dx (B, …, D) -> (B, …, S)."""
        d_u = self.partials(h, u)[1]
        gates = (dx @ self.W).reshape(*dx.shape[:-1], -1, self.n_units)
        return np.einsum("bign,b...gn->b...in", d_u, gates).reshape(*dx.shape[:-1], -1)

    def jacobians(self, h: np.ndarray, x: np.ndarray) -> Jacobians:
        """Exact J_rec and J_inp at (h, x); leading axes broadcast."""
        d_h, d_u, d_a = self.partials(h, self.project(x))
        return Jacobians(self.assemble_J_rec(d_h, d_a), self.assemble_J_inp(d_u))


def one_layer(cell: Cell) -> _CellKind:
    """What a cell's partials are made with; ``ValueError`` for one that has none."""
    if cell.kind not in CELLS:
        raise ValueError(f"partials are for one layer of a known cell, not for {cell!r}: take vjp and jvp along text")
    return CELLS[cell.kind]


def initial_weights(kind: str, n_inputs: int, n_units: int, seed: int = 0) -> Cell:
    """A fresh, untrained cell: Glorot-uniform W, orthogonal U per gate, gates biased to remember.

    The gate that keeps the old state (GRU z, UGRNN g, LSTM f) starts with bias 1 (Jozefowicz et al. 2015), so that
    gradients reach the start of a review; a vanilla cell starts near the identity (Le, Jaitly & Hinton 2015). Where
    gates do not see the state, memories of all lengths are there from the start: an LRU's |λ|² are uniform on
    [.5, .999], the units of a minGRU keep an average word for 1 to 1,000 tokens. Float32; h0 is zero.
    """
    spec = _cell_kind(kind)
    if n_inputs < 1 or n_units < 1:
        raise ValueError(f"need at least one input and one unit, got {n_inputs} and {n_units}")
    rng = np.random.default_rng([seed, 11])
    limit = np.sqrt(6 / (n_inputs + n_units))
    W = rng.uniform(-limit, limit, (n_inputs, len(spec.gates) * n_units))
    U = np.concatenate([np.linalg.qr(rng.standard_normal((n_units, n_units)))[0] for _ in spec.gates], axis=1)
    b = np.zeros(len(spec.gates) * n_units)
    if kind == "vanilla":
        U = 0.95 * np.eye(n_units) + 0.02 * U
        W *= 0.2
    keep = {"ugrnn": 0, "gru": 0, "lstm": 1}.get(kind)
    if keep is not None:
        b[keep * n_units : (keep + 1) * n_units] = 1.0
    b_rec = np.zeros_like(b)
    if not spec.sees_state:
        U = np.zeros_like(U)
    if kind == "mingru":  # z = 1 − 1/τ, τ evenly spaced on a logarithmic scale
        b[:n_units] = np.log(np.geomspace(1.01, 1000, n_units) - 1)
    if kind == "lru":  # angles from 0 to π/10
        size = rng.uniform(0.5, 0.999, n_units) ** 0.5
        b_rec = np.r_[np.log(-np.log(size)), np.linspace(0, np.pi / 10, n_units)]
    if kind == "knob":  # a bag of words that keeps 400 tokens; volumes of 1 and of 8
        W *= np.repeat([1, 0.1, 0.1, 0.1], n_units)
        b, b_rec = np.repeat([0, 6.0, 0, 0], n_units), np.repeat([0, 1.5, -0.5, 2], n_units)
    return Cell(kind, W, U, b, b_rec, np.zeros(n_units * spec.blocks)).astype(np.float32)
