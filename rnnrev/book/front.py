"""The picture on the landing page: sentences as paths through the network's state."""

from __future__ import annotations

from itertools import takewhile
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from .. import zoo
from ..data import load_reviews
from ..linear import operating_point
from ..model import SentimentRNN
from ..modifiers import lexicon
from ..plots.style import INTACT, NEGATIVE, NEUTRAL, POSITIVE, VALENCE_MAP, figure
from ..subspace import modifier_subspace

__all__ = ["reading"]


SENTENCES = ("The movie was good", "The movie was not good", "The movie was extremely good")


def reading() -> Figure:
    """Paths of three sentences over the states that the shipped GRU visits, on two axes: memory and context.

    The integrated coordinate ℓ·(h − h*) is the horizontal axis; the vertical one is the first of the subspace that
    negators and degree words of a published grammar span. What all sentences share is left out; of the paths that
    follow, the one that ends furthest left is drawn as negative, that furthest right as positive. In the background
    states of 25 embedded reviews, coloured by logit.
    """
    point = operating_point(zoo.load("gru-imdb", SentimentRNN))
    modifiers = [word for word in lexicon()["word"] if word in point.model.vocabulary]
    subspace = modifier_subspace(point, modifiers, dim=2)
    model = point.model

    def at(h: np.ndarray) -> np.ndarray:
        return np.stack([(h - point.h_star) @ point.l, subspace.coordinates(h)[..., 0]], -1)

    fig, ax = figure(height=4.4)
    states = np.concatenate(model.states(load_reviews("book").sample(25).texts))
    cloud, logits = at(states), model.readout(states)
    limit = np.quantile(np.abs(logits), 0.9)
    ax.scatter(*cloud.T, c=logits, cmap=VALENCE_MAP, vmin=-limit, vmax=limit, s=5, alpha=0.5, linewidths=0)
    ax.axhline(0, color=NEUTRAL, linewidth=7, alpha=0.25, zorder=0)

    tokens = [model.trace(s).tokens for s in SENTENCES]
    paths = [at(h)[1:] for h in model.states(SENTENCES)]
    ends = [path[-1, 0] for path in paths]
    shared = sum(1 for _ in takewhile(lambda words: len(set(words)) == 1, zip(*tokens)))
    style: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 10}
    style["path_effects"] = [withStroke(linewidth=2.5, foreground="white")]
    beginning = " ".join(tokens[0][:shared])
    ax.annotate(f"{beginning} …", paths[0][shared - 1], (-8, 0), ha="right", **style)
    for words, path, end in zip(tokens, paths, ends):
        color = POSITIVE if end == max(ends) else NEGATIVE if end == min(ends) else INTACT
        for n in range(shared, len(words)):
            arrow = {"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.8}
            ax.annotate("", path[n], path[n - 1], arrowprops=arrow)
            if n + 1 < len(words):
                up = 11 if path[n, 1] > path[n - 1, 1] else -11
                ax.annotate(words[n], path[n], (0, up), ha="center", color=color, **style)
        ax.annotate(" ".join(words[shared:]), path[-1], (7, 0), color=color, fontweight="bold", **style)
    for limits, values in ((ax.set_xlim, cloud[:, 0]), (ax.set_ylim, cloud[:, 1])):
        low, high = np.quantile(values, [0.001, 0.999])
        limits(low - 0.1 * (high - low), high + 0.1 * (high - low))
    ax.set_xlabel("memory: place along the line attractor (left negative, right positive)")
    ax.set_ylabel("context: first modifier axis (up: words count more)")
    return fig
