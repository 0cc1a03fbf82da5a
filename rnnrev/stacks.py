"""Cells on top of each other as one cell on a flat state: h₁' = F₁(h₁, x), h₂' = F₂(h₂, h₁'), and so on.

A kind of cell names its layers from the input up, ``"gru+gru"``; ``"conv+mingru"`` has a causal convolution over the
last :data:`WIDTH` embedded tokens before it, each entry by itself (Mamba's and Griffin's). A stack is no elementwise
cell: everything along text takes it (:mod:`rnnrev.driven`, :mod:`rnnrev.balanced`, perturbations, traces), the
corpus-averaged map and its fixed points are for one layer.

Sources: Graves et al. 2013 (stacked recurrent layers); Gu & Dao 2023, De et al. 2024 (the short convolution).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import DTypeLike

from .cells import CELLS, WEIGHTS, Cell, Jacobians, initial_weights

__all__ = ["initial_cell"]

CONV = "conv"  #: in a kind of cell: a convolution before the next layer
WIDTH = 4  #: embedded tokens that it sees


def parts_of(kind: str) -> list[str]:
    """The layers of a kind of cell, from the input up; ``ValueError`` names those there are."""
    parts = kind.split("+")
    unknown = [p for p in parts if p not in CELLS and p != CONV]
    if unknown or parts[-1] == CONV or "conv+conv" in kind:
        raise ValueError(
            f"unknown cell {kind!r}: choose one of {', '.join(CELLS)}, or join layers with + from the input up "
            f"(gru+gru; {CONV}+mingru has a short convolution before it)"
        )
    return parts


@dataclass(frozen=True, eq=False, repr=False)
class DelayLine(Cell):
    """The last :data:`WIDTH` inputs as a state, newest first: (WIDTH·D,). A layer on top of it reads a convolution."""

    @classmethod
    def of(cls, n_inputs: int, dtype: DTypeLike = np.float32) -> DelayLine:
        """The delay line of inputs of ``n_inputs`` numbers."""
        D, S = n_inputs, n_inputs * WIDTH
        return cls(CONV, *(np.zeros(s, dtype) for s in ((D, D), (S, 0), (D,), (0,), (S,))))

    def __post_init__(self) -> None:
        pass  # no weights to check

    def project(self, x: np.ndarray) -> np.ndarray:
        return x

    def combine(self, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
        lead = np.broadcast_shapes(h.shape[:-1], u.shape[:-1])
        return np.concatenate([np.broadcast_to(x, (*lead, x.shape[-1])) for x in (u, h[..., : -self.n_inputs])], -1)

    def vjp(self, h: np.ndarray, u: np.ndarray, g: np.ndarray) -> np.ndarray:
        return np.concatenate([g[..., self.n_inputs :], np.zeros_like(g[..., : self.n_inputs])], -1)

    def jvp(self, h: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.concatenate([np.zeros_like(v[..., : self.n_inputs]), v[..., : -self.n_inputs]], -1)

    def vjp_input(self, h: np.ndarray, u: np.ndarray, g: np.ndarray) -> np.ndarray:
        return g[..., : self.n_inputs]

    def jvp_input(self, h: np.ndarray, u: np.ndarray, dx: np.ndarray) -> np.ndarray:
        return np.concatenate([dx, np.zeros((*dx.shape[:-1], self.n_state - self.n_inputs), dx.dtype)], -1)


@dataclass(frozen=True, eq=False, repr=False)
class StackedCell(Cell):
    """Layers as one cell; its state is theirs, side by side. A layer reads the first numbers of the one below.

    ``n_units`` are those of the top layer; ``U`` is empty, because nothing is elementwise here.
    """

    layers: tuple[Cell, ...] = field(kw_only=True)

    def __post_init__(self) -> None:
        for below, above in zip(self.layers, self.layers[1:]):
            if above.n_inputs > below.n_state:
                raise ValueError(f"{above!r} reads {above.n_inputs} numbers of a layer that has {below.n_state}")

    def __repr__(self) -> str:
        return f"StackedCell({', '.join(map(repr, self.layers))})"

    def astype(self, dtype: DTypeLike) -> Cell:
        return stack([layer.astype(dtype) for layer in self.layers])

    def split(self, h: np.ndarray) -> list[np.ndarray]:
        """The layers' shares of states (..., S), each (..., S_i)."""
        return np.split(h, np.cumsum([layer.n_state for layer in self.layers])[:-1], axis=-1)

    def _run(self, h: np.ndarray, u: np.ndarray) -> list[tuple[Cell, np.ndarray, np.ndarray, np.ndarray]]:
        # each layer with its state, projected input, and state after
        found: list[tuple[Cell, np.ndarray, np.ndarray, np.ndarray]] = []
        for layer, own in zip(self.layers, self.split(h)):
            if found:
                u = layer.project(found[-1][3][..., : layer.n_inputs])
            found.append((layer, own, u, layer.step_projected(own, u)))
        return found

    def project(self, x: np.ndarray) -> np.ndarray:
        return self.layers[0].project(x)

    def combine(self, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
        after = [found[3] for found in self._run(h, u)]
        lead = after[-1].shape[:-1]
        return np.concatenate([np.broadcast_to(x, (*lead, x.shape[-1])) for x in after], -1)

    def _push(self, h: np.ndarray, u: np.ndarray, v: np.ndarray, dx: np.ndarray) -> np.ndarray:
        out: list[np.ndarray] = []
        for (layer, own, inputs, _), moved in zip(self._run(h, u), self.split(v)):
            dx = out[-1][..., : layer.n_inputs] if out else dx
            out.append(layer.jvp(own, inputs, moved) + layer.jvp_input(own, inputs, dx))
        return np.concatenate(out, -1)

    def vjp(self, h: np.ndarray, u: np.ndarray, g: np.ndarray) -> np.ndarray:
        out: list[np.ndarray] = []
        from_above = g[..., :0]
        for (layer, own, inputs, _), grad in zip(reversed(self._run(h, u)), reversed(self.split(g))):
            if out:
                grad = grad.copy()
                grad[..., : from_above.shape[-1]] += from_above
            out.insert(0, layer.vjp(own, inputs, grad))
            from_above = layer.vjp_input(own, inputs, grad)
        return np.concatenate(out, -1)

    def jvp(self, h: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return self._push(h, u, v, np.zeros((*v.shape[:-1], self.n_inputs), v.dtype))

    def jacobians(self, h: np.ndarray, x: np.ndarray) -> Jacobians:
        lead, S, D = np.broadcast_shapes(h.shape[:-1], x.shape[:-1]), self.n_state, self.n_inputs
        h = np.broadcast_to(h, (*lead, S)).reshape(-1, S)
        u = self.project(np.broadcast_to(x, (*lead, D)).reshape(-1, D))

        def moved(v: np.ndarray, dx: np.ndarray) -> np.ndarray:
            """By changes (K, S) and (K, D), the same at every place: (..., S, K)."""
            wide = (np.broadcast_to(c.astype(h.dtype), (len(h), *c.shape)) for c in (v, dx))
            return self._push(h, u, *wide).swapaxes(1, 2).reshape(*lead, S, len(v))

        return Jacobians(moved(np.eye(S), np.zeros((S, D))), moved(np.zeros((D, S)), np.eye(D)))


def stack(layers: Sequence[Cell]) -> Cell:
    """Layers from the input up as one cell; a single one is itself."""
    if len(layers) == 1:
        return layers[0]
    first, h0 = layers[0], np.concatenate([layer.h0 for layer in layers])
    U = np.zeros((layers[-1].n_units, 0), h0.dtype)
    kind = "+".join(layer.kind for layer in layers)
    return StackedCell(kind, first.W, U, first.b, U[0], h0, layers=tuple(layers))


def initial_layers(kind: str, n_inputs: int, n_units: int, seed: int = 0) -> list[Cell | np.ndarray]:
    """Untrained layers for :func:`joined`; a convolution's kernel passes on the newest token."""
    layers: list[Cell | np.ndarray] = []
    read = n_inputs
    for i, part in enumerate(parts_of(kind)):
        if part == CONV:
            layers.append(np.eye(WIDTH)[:, :1] * np.ones(read))
        else:
            layers.append(initial_weights(part, read, n_units, seed + 1000 * i))
            read = n_units
    return layers


def joined(layers: Sequence[Cell | np.ndarray]) -> Cell:
    """Layers from the input up as one cell, convolutions given as kernels (WIDTH, D), newest token first."""
    cells: list[Cell] = []
    kernel = None
    for layer in layers:
        if isinstance(layer, np.ndarray):
            kernel = layer
            cells.append(DelayLine.of(kernel.shape[1]))
            continue
        if kernel is not None:  # the layer reads a delay line through it
            layer = replace(layer, W=(kernel[:, :, None] * layer.W).reshape(-1, layer.W.shape[1]))
            kernel = None
        cells.append(layer)
    return stack(cells)


def initial_cell(kind: str, n_inputs: int, n_units: int, seed: int = 0) -> Cell:
    """A fresh, untrained cell or stack, its layers of ``n_units`` each; a convolution passes on the newest token."""
    return joined(initial_layers(kind, n_inputs, n_units, seed))


def padded_readout(cell: Cell, w: np.ndarray) -> np.ndarray:
    """A readout of the top layer's units, w (N,) or (N, C), as one of the whole state: (S,) or (S, C)."""
    top = cell.layers[-1] if isinstance(cell, StackedCell) else cell
    out = np.zeros((cell.n_state, *w.shape[1:]), w.dtype)
    out[cell.n_state - top.n_state :][: top.n_units] = w
    return out


# --- files ----------------------------------------------------------------------------------------


def cell_arrays(cell: Cell) -> dict[str, np.ndarray]:
    """The weights of a cell by name; those of layers above the first are ``W.1``, ``U.1`` and so on."""
    layers = cell.layers if isinstance(cell, StackedCell) else (cell,)
    learnt = [layer for layer in layers if layer.kind != CONV]
    return {f"{k}.{i}" if i else k: getattr(layer, k) for i, layer in enumerate(learnt) for k in WEIGHTS}


def cell_from(kind: str, arrays: Mapping[str, np.ndarray]) -> Cell:
    """The cell of :func:`cell_arrays`."""
    layers: list[Cell] = []
    i = 0
    for part in parts_of(kind):
        if part == CONV:
            name = f"W.{i}" if i else "W"
            layers.append(DelayLine.of(len(arrays[name]) // WIDTH, arrays[name].dtype))
            continue
        layers.append(Cell(part, *(arrays[f"{k}.{i}" if i else k] for k in WEIGHTS)))
        i += 1
    return stack(layers)
