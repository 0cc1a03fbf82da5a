"""Figures of chapter 2: low-dimensional states, the curve of fixed points, its modes, words, and the linear model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ...line_attractor import Alignment, Attractor, Predictions
from ...plots.report import curve, dimensions, spectra, words
from ...plots.style import (
    CONTROL,
    CYCLE,
    INTACT,
    NEUTRAL,
    band,
    figure,
    intervals,
    label_panels,
)

__all__ = ["curve", "dimensions", "directions", "predictions", "spectra", "step_errors", "words"]


def directions(attractor: Attractor, result: Alignment) -> Figure:
    """Cosines along the curve: with its tangent, and with the readout."""
    fig, (left, right) = figure(1, 2, height=3.0, sharey=True)
    order = np.argsort(attractor.logit)
    x = attractor.logit[order]
    slow, best = ("", "r₁", INTACT, "-"), ("modes 2–6", "best of modes 2–6", CONTROL, "--")
    left_line = ("", "ℓ₁", CYCLE[1], "-.")
    lines = ((left, "tangent", *slow), (left, "tangent", *best), (right, "alignment", *slow),
             (right, "alignment_left", *left_line), (right, "alignment", *best))  # fmt: skip
    for panel, column, row, label, color, style in lines:
        y = result.along[column, row][order]
        panel.plot(x, y, color=color, linestyle=style, marker=".", markersize=3, label=label)
    for panel, column, title in ((left, "tangent", "with the tangent"), (right, "alignment", "with the readout w")):
        chance = result.table[column]["random directions"].high
        panel.axhline(chance, color=NEUTRAL, linewidth=0.8, linestyle=":", label="chance (97.5 %)")
        panel.set(xlabel="logit at the fixed point (nats)", ylim=(0, 1.35), title=title)
        panel.legend(fontsize=8, loc="upper center", ncols=2)
    left.set_ylabel("|cosine|")
    label_panels((left, right))
    return fig


#: Rows of the linear models that are controls or yardsticks.
YARDSTICKS = ("fitted recurrence", "bag of words", "next mode alone", "all but the slow mode", "words shuffled")


def predictions(result: Predictions) -> Figure:
    """r² with the network's logits and share of the same decisions, one row a model; controls in grey."""
    fig, (left, right) = figure(1, 2, height=3.6, sharey=True)

    def look(name: str) -> dict[str, Any]:
        return {"color": CONTROL if name in YARDSTICKS else INTACT}

    intervals(result.table.r2.to_dict(), ax=left, xlabel="squared rank correlation of logits", look=look)
    intervals(result.table.agree.to_dict(), ax=right, xlabel="reviews with the same sign", look=look, percent=0,
              reference=0.5)  # fmt: skip
    left.set_xlim(-0.03, 1.03)
    right.set_xlim(0.35, 1.02)
    label_panels((left, right))
    return fig


def step_errors(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Relative error against steps taken, one line a model; tables of :func:`rnnrev.line_attractor.step_error`."""
    fig, ax = figure(height=2.8)
    for (name, table), color, marker in zip(tables.items(), CYCLE, "os^D"):
        band(ax, table.index, table.error, name, alpha=0.2, color=color, marker=marker)
    ax.axhline(1, color=NEUTRAL, linewidth=0.8, linestyle=":")
    ax.set(xscale="log", xlabel="tokens since the model stood on the network's state", ylabel="relative error",
           ylim=(0, None))  # fmt: skip
    lags = next(iter(tables.values())).index
    ax.set_xticks(lags, [str(n) for n in lags])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(fontsize=8, loc="lower left", ncols=2)
    return fig
