"""The figures of chapter 10: how far a modifier reaches, and what readers of the known language make of each."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...plots.style import CONTROL, CYCLE, figure

__all__ = ["language", "reach"]

MARKERS = "osv^Dx+"
PANELS = {"films": "(a) films", "yelp": "(b) restaurants"}


def lines(ax: Axes, table: pd.DataFrame, by: str) -> None:
    """A line a reader over a column, mean of its seeds with their range; colours by the readers' order."""
    for i, (reader, own) in enumerate(table.groupby("reader", sort=False)):
        found = own.groupby(by).value
        colour = CYCLE[i % len(CYCLE)]
        ax.fill_between(found.mean().index, found.min(), found.max(), color=colour, alpha=0.2, lw=0)
        style = MARKERS[i] + ("-" if i < len(CYCLE) else ":")
        ax.plot(found.mean(), style, ms=4, color=colour, label=reader)
    ax.axhline(0, color=CONTROL, lw=1, ls="--", zorder=0)


def reach(table: pd.DataFrame) -> Figure:
    """The gain of negation against the tokens between "not" and the word; columns ``reader`` and ``texts``."""
    fig, axes = figure(1, 2, height=3.4, sharey=True)
    for ax, (texts, title) in zip(axes, PANELS.items()):
        lines(ax, table[table.texts == texts], "at")
        ax.set(xlabel="tokens between “not” and the word", title=title)
    axes[0].set(ylabel="gain of negation")
    axes[1].legend(ncols=2, fontsize="small", loc="lower right")
    return fig


def language(table: pd.DataFrame) -> Figure:
    """What each modifier does in a reader against what it does in truth, ``true``; on the dashed line both agree."""
    fig, ax = figure(1, 1, height=3.6)
    lines(ax, table, "true")
    ends = [table.true.min(), table.true.max()]
    ax.plot(ends, ends, color=CONTROL, ls="--", lw=1)
    ax.set(xlabel="true gain of the modifier", ylabel="gain in the reader")
    ax.legend(ncols=2, fontsize="small")
    return fig
