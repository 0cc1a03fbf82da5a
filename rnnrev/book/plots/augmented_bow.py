"""Figures of chapter 6: a bag of words with modifiers, a beginning and an end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...augmented_bow import AugmentedBagOfWords
from ...plots.style import (
    CONTROL,
    CYCLE,
    INTACT,
    NEGATIVE,
    NEUTRAL,
    PERTURBED,
    architecture,
    figure,
    intervals,
    label_panels,
)

__all__ = ["contributions", "ends", "filters", "ladder", "recovered", "steps"]


def steps(table: pd.DataFrame, lines: Mapping[str, float]) -> Figure:
    """Test accuracy of each step (row, in order), a dot a seed, by which words are modifiers (column ``condition``).

    ``table`` has the columns ``network`` (the step), ``condition``, ``value`` and one row a seed; ``lines`` are
    accuracies of other models by name.
    """
    fig, ax = figure(height=3.4)
    names = list(dict.fromkeys(table.network))
    looks = (("", INTACT, "o"), ("frequent words", CONTROL, "s"), ("random words", CONTROL, "x"))
    for shift, (condition, color, marker) in zip((0, 0.15, 0.3), looks):
        own = table[table.condition == condition]
        label = condition or "ranked by the network"
        ax.plot(own.network.map(names.index) + shift, 100 * own.value, marker, ms=4, color=color, label=label)
    dashes = ((0, (5, 1)), (0, (5, 2)), ":", "--", "-.", (0, (1, 1)), (0, (3, 1, 1, 1)))
    for (name, value), color, dash in zip(lines.items(), (*CYCLE[1:], NEUTRAL, NEGATIVE), dashes):
        ax.axhline(100 * value, label=name, color=color, linestyle=dash, linewidth=1.2)
    ax.set_xticks(range(len(names)), names, rotation=20, ha="right")
    ax.set_ylabel("Test accuracy (%)")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    return fig


def ends(bag: AugmentedBagOfWords, n: int = 100) -> Figure:
    """What the two ends add to the factor of each token's valence, against tokens from that end; one line a part."""
    fig, axes = figure(1, 2, height=2.6, sharey=True)
    for ax, (name, values) in zip(axes, bag.edge_filters(n).items()):
        ax.plot(np.arange(n), values.T, color=INTACT)
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_xlabel(f"Tokens from the {name}")
    axes[0].set_ylabel("Added to the factor 1")
    label_panels(axes)
    return fig


def filters(learned: pd.DataFrame, network: pd.DataFrame) -> Figure:
    """Learned filters beside the network's transients: curves of six words, and all words one token later.

    Both tables have one row a word, words that lower what others count first, and one column a lag (NaN where only the
    first lag is known).
    """
    fig = figure(height=4.2)[0]
    fig.clear()
    grid = fig.add_gridspec(2, 4, width_ratios=(1, 1, 1, 1.4))
    curves = [i for i in range(len(learned)) if learned.iloc[i].notna().all()][:6]
    for place, i in enumerate(curves):
        ax = fig.add_subplot(grid[place // 3, place % 3])
        ax.plot(learned.columns, learned.iloc[i], color=architecture("augmented-bow")["color"], label="bag")
        ax.plot(network.columns, network.iloc[i], color=architecture("gru")["color"], linestyle="--", label="network")
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_title(learned.index[i])
        ax.set(xlabel="Lag (tokens)" if place > 2 else "", ylabel="Relative change" if place % 3 == 0 else "")
    fig.axes[0].legend(fontsize=7)
    ax = fig.add_subplot(grid[:, 3])
    x, y = network.iloc[:, 0], learned.iloc[:, 0]
    ax.axhline(0, color=NEUTRAL, linewidth=0.8)
    ax.axvline(0, color=NEUTRAL, linewidth=0.8)
    ax.plot(x, y, "o", color=INTACT, markersize=3)
    for word in y.abs().nlargest(6).index:
        ax.annotate(word, (x[word], y[word]), fontsize=7, xytext=(3, 2), textcoords="offset points")
    ax.set(xlabel="Network, next word", ylabel="Bag, f(1)")
    return fig


def ladder(table: pd.DataFrame) -> Figure:
    """Shares of the gap: a panel a set (column ``set``), a row a reader (``condition``, ``at``), intervals cut off.

    Readers come in the order of the table, controls with shuffled words last.
    """
    units = {"few numbers": "{:g} numbers a word", "exponentials": "{:g}, exponentials", "balanced": "{:g} modes"}
    table = table.sort_values("condition", key=lambda names: names.str.contains("shuffled"), kind="stable")
    said = [units.get(c, c).format(at) for c, at in zip(table.condition, table["at"])]
    texts = table["set"].unique()
    fig, axes = figure(1, len(texts), height=4.2, sharey=True)
    for ax, text in zip(axes, texts):
        own = (table["set"] == text).to_numpy()
        rows = {
            n: tuple(100 * np.array(e))
            for n, e in zip(np.array(said)[own], table[own][["value", "low", "high"]].to_numpy())
        }
        intervals(rows, ax=ax, reference=100, look={"color": INTACT, "marker": "o", "markersize": 3})
        ax.axvline(0, color=NEUTRAL, linestyle="--", linewidth=0.8)
        ax.set(xlim=(-60, 160), title=text)
        ax.tick_params(axis="y", labelsize=7)
    axes[len(axes) // 2].set_xlabel("share of the gap (%)")
    return fig


def contributions(parts: pd.DataFrame) -> Figure:
    """What each token of a short text counts, stacked by cause (:meth:`.AugmentedBagOfWords.contributions`)."""
    fig, ax = figure(height=2.8)
    x = np.arange(len(parts))
    up, down = np.zeros(len(x)), np.zeros(len(x))
    for (name, value), color in zip(parts.items(), (INTACT, PERTURBED, *CYCLE[2:])):
        ax.bar(x, value, bottom=np.where(value > 0, up, down), color=color, label=name, width=0.7)
        up, down = up + np.maximum(value, 0), down + np.minimum(value, 0)
    ax.plot(x, parts.sum(axis=1), "_", color=NEGATIVE, markersize=16, markeredgewidth=2, label="sum")
    ax.axhline(0, color=NEUTRAL, linewidth=0.8)
    ax.set_xticks(x, parts.index, rotation=30, ha="right")
    ax.set_ylabel("Counts (nats)")
    ax.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.2), fontsize=8)
    return fig


def recovered(truth: Sequence[float], found: Sequence[float], names: Sequence[str]) -> Figure:
    """Gains that were put into a language against those that training found."""
    fig, ax = figure(height=3.2)
    low, high = min(*truth, *found) - 0.3, max(*truth, *found) + 0.3
    ax.plot([low, high], [low, high], color=NEUTRAL, linewidth=0.8, label="equal")
    ax.plot(truth, found, "o", color=INTACT)
    for x in sorted(set(truth)):
        here = [i for i, t in enumerate(truth) if t == x]
        right = x > np.mean(list(truth))
        ax.annotate(
            ", ".join(names[i] for i in here), (x, float(np.mean([found[i] for i in here]))), fontsize=8,
            xytext=(-8 if right else 8, 0), textcoords="offset points", ha="right" if right else "left", va="center",
        )  # fmt: skip
    ax.set(xlabel="Effect on the next word, as put in", ylabel="Effect on the next word, as found")
    ax.legend()
    return fig
