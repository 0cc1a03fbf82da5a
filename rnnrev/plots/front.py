"""The picture on the landing page: sentences as paths through the network's state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from .style import INTACT, NEGATIVE, NEUTRAL, POSITIVE, VALENCE_MAP, figure

__all__ = ["reading"]


def reading(
    paths: Mapping[str, tuple[Sequence[str], np.ndarray]], cloud: np.ndarray, logits: np.ndarray, height: float = 4.4
) -> Figure:
    """Paths of sentences over the states that a network visits.

    Parameters
    ----------
    paths : dict
        Sentence -> tokens (T) and coordinates (T + 1, 2), the start first: along the attractor, and on the first
        modifier axis. A path that ends at the left is drawn as negative, the one furthest right as positive.
    cloud, logits : arrays (n, 2) and (n,)
        Coordinates of visited states, and what the network says there.
    """
    fig, ax = figure(height=height)
    limit = np.quantile(np.abs(logits), 0.9)
    ax.scatter(*cloud.T, c=logits, cmap=VALENCE_MAP, vmin=-limit, vmax=limit, s=5, alpha=0.5, linewidths=0)
    ax.axhline(0, color=NEUTRAL, linewidth=7, alpha=0.25, zorder=0)
    ends = {sentence: xy[-1, 0] for sentence, (_, xy) in paths.items()}
    drawn: set[tuple[str, ...]] = set()
    for sentence, (tokens, xy) in paths.items():
        color = POSITIVE if ends[sentence] == max(ends.values()) else NEGATIVE if ends[sentence] < 0 else INTACT
        for before, after in pairwise(xy):
            ax.annotate("", after, before, arrowprops={"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0})
        for number, token in enumerate(tokens, 1):
            if tuple(tokens[:number]) not in drawn:  # sentences share their beginning
                drawn.add(tuple(tokens[:number]))
                weight = "bold" if number == len(tokens) else "normal"
                place = {"textcoords": "offset points", "xytext": (5, 5)}
                ax.annotate(token, xy[number], color=color, fontsize=9, fontweight=weight, **place)
    ax.set_xlabel("memory: place along the line attractor (left negative, right positive)")
    ax.set_ylabel("context: first modifier axis")
    return fig
