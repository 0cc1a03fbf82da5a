"""The picture on the landing page: sentences as paths through the network's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from .style import INTACT, NEGATIVE, NEUTRAL, POSITIVE, VALENCE_MAP, figure

__all__ = ["reading"]


def reading(
    paths: Mapping[str, tuple[Sequence[str], np.ndarray]], cloud: np.ndarray, logits: np.ndarray, height: float = 4.2
) -> Figure:
    """Paths of sentences over the states that a network visits.

    Parameters
    ----------
    paths : dict
        Colour name (``"positive"``, ``"negative"`` or ``"intact"``) with a label after a colon -> tokens (T) and
        coordinates (T + 1, 2), the start first: along the attractor, and on the first modifier axis.
    cloud, logits : arrays (n, 2) and (n,)
        Coordinates of visited states, and what the network says there.
    """
    colors = {"positive": POSITIVE, "negative": NEGATIVE, "intact": INTACT}
    fig, ax = figure(height=height)
    limit = np.quantile(np.abs(logits), 0.9)
    ax.scatter(*cloud.T, c=logits, cmap=VALENCE_MAP, vmin=-limit, vmax=limit, s=5, alpha=0.5, linewidths=0)
    ax.axhline(0, color=NEUTRAL, linewidth=6, alpha=0.25, zorder=0)
    for key, (tokens, xy) in paths.items():
        color = colors[key.split(":")[0]]
        arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.6}
        for before, after in zip(xy[:-1], xy[1:]):
            ax.annotate("", after, before, arrowprops=arrow)
        ax.annotate(
            key.split(":")[1], xy[-1], (8, 0), textcoords="offset points", color=color, fontweight="bold", va="center"
        )
    ax.set(
        xlabel="memory: position along the line attractor (negative to positive)", ylabel="context: first modifier axis"
    )
    return fig
