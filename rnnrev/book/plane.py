"""In the plane of memory and volume (:func:`rnnrev.balanced.plane`): words as matrices, where the average word leads.

Near the visited states a word is nearly a small matrix, z' = A_w z + b_w: b₁ is its valence, A₁₂ how much louder it is
where the volume is up, b₂ what it does to the volume.

Sources: words as matrices, Baroni & Zamparelli 2010, Socher et al. 2012; the plane is ours.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy.interpolate import RegularGridInterpolator

from ..balanced import ReducedRNN
from ..fixed_points import find_fixed_points, mean_map
from ..linear import Words

__all__ = ["landscape", "word_matrices"]


def word_matrices(small: ReducedRNN, words: Words, z: np.ndarray) -> pd.DataFrame:
    """Words as small matrices: z' = A z + b, by least squares over places z (n, k); one row a word.

    Columns ``b1`` … ``bk``, ``A11`` … ``Akk`` (row, column), and ``r2`` of the step z' − z.
    """
    k, X = small.k, np.c_[np.ones(len(z)), z]
    moved = small.steps(words, z).astype(float)
    fitted = np.linalg.lstsq(X, np.moveaxis(moved, 0, 1).reshape(len(z), -1), rcond=None)[0]
    rest = moved - np.moveaxis((X @ fitted).reshape(len(z), -1, k), 1, 0)
    fitted = fitted.reshape(k + 1, -1, k)
    columns = {f"b{i + 1}": fitted[0, :, i] for i in range(k)}
    columns |= {f"A{i + 1}{j + 1}": fitted[j + 1, :, i] + (i == j) for i in range(k) for j in range(k)}
    total = np.square(moved - moved.mean(1, keepdims=True)).sum((1, 2))
    columns["r2"] = 1 - np.square(rest).sum((1, 2)) / total
    names = [w if isinstance(w, str) else small.vocabulary.words[w] for w in words]
    return pd.DataFrame(columns, index=pd.Index(names, name="word"))


@dataclass(frozen=True, eq=False)
class Landscape:
    """Where the average word leads in the plane.

    ``x`` and ``y`` (n,) are the grid; ``step`` (n, n, 2) what the average word does at (x[j], y[i]); ``fixed`` (P, 2)
    the fixed points of the averaged map in the grid, ``eigvals`` (P, 2) of its Jacobian there, ``logit`` (P,);
    ``basin`` (n, n) the number of the fixed point that each place ends at, −1 for none.
    """

    x: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    step: np.ndarray = field(repr=False)
    fixed: np.ndarray
    eigvals: np.ndarray
    logit: np.ndarray
    basin: np.ndarray = field(repr=False)

    @property
    def stable(self) -> np.ndarray:
        """Which fixed points draw states in, (P,)."""
        return np.abs(self.eigvals).max(-1) < 1


def landscape(small: ReducedRNN, *, n: int = 41) -> Landscape:
    """The averaged map of a network in the plane: fixed points in −4 … 4 by −4 … 6, all of them, and basins.

    The averaged map is made on an n × n grid; wherever both components of its step change sign between neighbours, a
    search starts. Basins follow the map, interpolated between grid points, for 2,000 tokens.
    """
    xs, ys = np.linspace(-4, 4, n), np.linspace(-4, 6, n)
    z = np.stack(np.meshgrid(xs, ys), -1)
    F = mean_map(small, 200)
    step = F(z) - z

    def crossing(c: np.ndarray) -> np.ndarray:
        corners = np.stack([c[:-1, :-1], c[1:, :-1], c[:-1, 1:], c[1:, 1:]])
        return (corners.min(0) <= 0) & (corners.max(0) >= 0)

    cells = np.argwhere(crossing(step[..., 0]) & crossing(step[..., 1]))
    starts = (z[:-1, :-1] + z[1:, 1:])[tuple(cells.T)] / 2
    fixed = np.empty((0, 2))
    if len(starts):
        found = find_fixed_points(F.__call__, starts, damping=0, unique_tol=0.02, max_distance=None)
        fixed = found.h_star[(found.q < 1e-12) & (np.abs(found.h_star - z.mean((0, 1))) < np.ptp(z, (0, 1)) / 2).all(1)]
    eps = 1e-5 * np.eye(2)
    J = np.stack([(F(fixed + e) - F(fixed - e)) / 2e-5 for e in eps], -1)
    follow = RegularGridInterpolator((ys, xs), z + step, bounds_error=False, fill_value=None)
    at = z.reshape(-1, 2)
    for _ in range(2000):
        at = np.clip(follow(at[:, ::-1]), [xs[0], ys[0]], [xs[-1], ys[-1]])
    eigvals = np.linalg.eigvals(J) if len(fixed) else np.empty((0, 2))
    far = np.linalg.norm(at[:, None] - fixed, axis=-1)
    basin = np.full(len(at), -1)
    if len(fixed):
        far[:, np.abs(eigvals).max(-1) >= 1] = np.inf
        basin = np.where(far.min(1) < 0.25, far.argmin(1), -1)
    return Landscape(xs, ys, step, fixed, eigvals, small.readout(fixed), basin.reshape(n, n))
