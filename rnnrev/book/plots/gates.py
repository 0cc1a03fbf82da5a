"""The figure of chapter 10: how far a modifier reaches."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...plots.style import CONTROL, CYCLE, figure

__all__ = ["reach"]

MARKERS = "osv^Dx"


def reach(table: pd.DataFrame) -> Figure:
    """The gain of negation against the tokens between "not" and the word; a line a reader, the range of its seeds."""
    fig, ax = figure(1, 1, height=3.2)
    table = table.assign(reader=table["network"].str.split("-").str[0])
    for i, (reader, own) in enumerate(table.groupby("reader", sort=False)):
        found = own.groupby("at").value
        x = np.array(list(found.groups))
        ax.fill_between(x, found.min(), found.max(), color=CYCLE[i % len(CYCLE)], alpha=0.2, lw=0)
        ax.plot(x, found.mean(), MARKERS[i] + "-", ms=4, color=CYCLE[i % len(CYCLE)], label=reader)
    ax.axhline(0, color=CONTROL, lw=1, ls="--", zorder=0)
    ax.set(xlabel="tokens between “not” and the word", ylabel="gain of negation")
    ax.legend(ncols=2)
    return fig
