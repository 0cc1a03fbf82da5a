"""Figures that only pages show, one module a chapter, beside those of :mod:`rnnrev.plots.report`."""

from __future__ import annotations

import numpy as np
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import ArrayLike

from ...plots.style import NEGATIVE, NEUTRAL, POSITIVE

__all__: list[str] = []


def sign_colors(values: ArrayLike, neutral: float = 0.0) -> np.ndarray:
    """A colour for each value: positive, negative, or neutral where its size is at most ``neutral``."""
    values = np.asarray(values, float)
    return np.select([values > neutral, values < -neutral], [POSITIVE, NEGATIVE], NEUTRAL)


def log_ticks(axis: Axis, low: float, high: float) -> None:
    """Plain numbers on a logarithmic axis: 1, 2, 5, 10, … or, over more than two decades, powers of ten alone."""
    axis.set_major_locator(LogLocator(subs=(1.0,) if high / low > 100 else (1.0, 2.0, 5.0), numticks=8))
    axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,g}"))
    axis.set_minor_formatter(NullFormatter())
