"""Figures of chapter 6: a bag of words that is given modifiers, a beginning and an end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ..augmented_bow import Agreement, AugmentedBagOfWords, Contributions
from .style import CONTROL, CYCLE, INTACT, NEGATIVE, NEUTRAL, PERTURBED, POSITIVE, architecture, figure, label_panels

__all__ = ["ablations", "agreement", "contributions", "ends", "missing", "recovered", "steps"]


def steps(record: Mapping[str, Any]) -> Figure:
    """Test accuracy of each step, one dot a seed, between the bag of chapter 1, the networks and n-gram models."""
    made, ax = figure(height=3.4)
    rows = record["steps"]
    for x, row in enumerate(rows):
        ax.plot(np.full(len(row["accuracies"]), x), 100 * np.array(row["accuracies"]), "o", color=CONTROL, markersize=4)
        low, high = row["over_reviews95"]
        ax.errorbar(
            x, 100 * row["accuracy"], 50 * (high - low), color=INTACT, marker="_", markersize=14, capsize=3, linewidth=1
        )
    lines = [("networks", record["network"]["accuracy"], architecture("gru"))]
    lines += [("bag of words, chapter 1", record["shipped_bag"]["accuracy"], architecture("bow"))]
    for row, color in zip(record.get("yardsticks", []), (CYCLE[2], CYCLE[3], CYCLE[4], CYCLE[5])):
        lines.append((row["name"], row["accuracy"], {"color": color, "linestyle": ":"}))
    for name, value, look in lines:
        ax.axhline(100 * value, label=name, **{k: v for k, v in look.items() if k != "marker"}, linewidth=1.2)
    ax.set_xticks(range(len(rows)), [r["step"] for r in rows], rotation=20, ha="right")
    ax.set_ylabel("Test accuracy (%)")
    ax.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    return made


def ends(bag: AugmentedBagOfWords, n: int = 100) -> Figure:
    """What the two ends add to the factor of each token's valence, against tokens from that end."""
    made, axes = figure(1, 2, height=2.6, sharey=True)
    for ax, values, name in zip(axes, (bag.begin, bag.end), ("beginning", "end")):
        ax.plot(np.arange(min(n, len(values))), values[:n], color=INTACT)
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_xlabel(f"Tokens from the {name}")
    axes[0].set_ylabel("Added to the factor 1")
    label_panels(axes)
    return made


def agreement(measured: Agreement | Mapping[str, Any], n_curves: int = 6) -> Figure:
    """Learned filters beside the network's transients: curves of the first words of each sign, all words at lag 1."""
    get = measured._asdict().__getitem__ if isinstance(measured, Agreement) else measured.__getitem__
    words, learned, network = get("words"), np.asarray(get("learned")), np.asarray(get("network"))
    made, grid = figure(2, 4, height=4.2, width_ratios=(1, 1, 1, 1.4), sharex=False)
    half = len(words) // 2  # words that lower what others count come first, then those that raise it
    shown = [*range(n_curves // 2), *range(half, half + n_curves // 2)]
    for ax, i in zip(grid[:, :3].ravel(), shown):
        word, ours, theirs = words[i], learned[i], network[i]
        lag = 1 + np.arange(len(ours))
        ax.plot(lag, ours, color=architecture("augmented-bow")["color"], label="bag")
        ax.plot(lag, theirs, color=architecture("gru")["color"], linestyle="--", label="network")
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_title(word)
    grid[0, 0].legend(fontsize=7)
    for ax in grid[1, :3]:
        ax.set_xlabel("Lag (tokens)")
    for ax in grid[:, 0]:
        ax.set_ylabel("Change")
    space = grid[0, 3].get_gridspec()
    for ax in grid[:, 3]:
        ax.remove()
    ax = made.add_subplot(space[:, 3])
    ax.axhline(0, color=NEUTRAL, linewidth=0.8)
    ax.axvline(0, color=NEUTRAL, linewidth=0.8)
    ax.plot(network[:, 0], learned[:, 0], "o", color=INTACT, markersize=3)
    for i in np.argsort(-np.abs(learned[:, 0]))[:6]:
        ax.annotate(words[i], (network[i, 0], learned[i, 0]), fontsize=7, xytext=(3, 2), textcoords="offset points")
    ax.set_xlabel("Network, next word")
    ax.set_ylabel("Bag, f(1)")
    return made


def missing(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """The network's lead over augmented bags in each kind of review; ``rows`` by model, the grouping the same."""
    first = next(iter(rows.values()))
    kinds = list(dict.fromkeys(r["kind"] for r in first))
    made, (axes,) = figure(1, len(kinds), height=3.0, sharey=True, squeeze=False)
    looks = ({"color": INTACT, "marker": "o"}, {"color": PERTURBED, "marker": "s"})
    for ax, kind in zip(axes, kinds):
        for shift, (name, each), look in zip((-0.12, 0.12), rows.items(), looks):
            part = [r for r in each if r["kind"] == kind]
            value = 100 * np.array([r["lead"] for r in part])
            low, high = (100 * np.array([r["interval95"] for r in part])).T
            x = np.arange(len(part)) + shift
            ax.errorbar(
                x, value, [value - low, high - value], linestyle="none", capsize=2, markersize=4, label=name, **look
            )
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        part = [r for r in first if r["kind"] == kind]
        digits = 0 if kind == "length" else 2 if kind in ("mixed opinions", "turn") else 1
        names = [f"{r['range'][0]:.{digits}f}–{r['range'][1]:.{digits}f}" for r in part]
        ax.set_xticks(range(len(part)), names, rotation=60, ha="right", fontsize=7)
        ax.set_title(kind, fontsize=9)
    axes[0].set_ylabel("Network's lead (points)")
    axes[0].legend(fontsize=7)
    return made


def ablations(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """What each choice is worth on held-out training reviews: change of accuracy from the full model."""
    made, ax = figure(height=0.32 * len(rows) + 0.8)
    shown = [r for r in rows if r["change"] != 0 or r["change95"][0] != r["change95"][1]]
    for y, row in enumerate(reversed(shown)):
        value, (low, high) = 100 * row["change"], 100 * np.array(row["change95"])
        color = NEGATIVE if high < 0 else POSITIVE if low > 0 else NEUTRAL
        ax.errorbar(value, y, xerr=[[value - low], [high - value]], fmt="o", color=color, capsize=2)
    ax.axvline(0, color=NEUTRAL, linewidth=0.8)
    ax.set_yticks(range(len(shown)), [r["name"] for r in reversed(shown)])
    ax.set_xlabel("Validation accuracy against the full model (points)")
    return made


def contributions(parts: Contributions) -> Figure:
    """What each token of a short text counts, stacked by cause."""
    made, ax = figure(height=2.8)
    x = np.arange(len(parts.tokens))
    up, down = np.zeros(len(x)), np.zeros(len(x))
    looks = (("valence", INTACT), ("modifiers", PERTURBED), ("beginning", CYCLE[2]), ("end", CYCLE[3]))
    for name, color in looks:
        value = getattr(parts, name)
        base = np.where(value > 0, up, down)
        ax.bar(x, value, bottom=base, color=color, label=name, width=0.7)
        up, down = up + np.maximum(value, 0), down + np.minimum(value, 0)
    ax.plot(x, parts.total, "_", color=NEGATIVE, markersize=16, markeredgewidth=2, label="sum")
    ax.axhline(0, color=NEUTRAL, linewidth=0.8)
    ax.set_xticks(x, parts.tokens, rotation=30, ha="right")
    ax.set_ylabel("Counts (nats)")
    ax.legend(ncols=5, loc="upper center", bbox_to_anchor=(0.5, 1.2), fontsize=8)
    return made


def recovered(truth: Sequence[float], found: Sequence[float], names: Sequence[str]) -> Figure:
    """Gains that were put into a language against those that training found."""
    made, ax = figure(height=3.2)
    low, high = min(*truth, *found) - 0.3, max(*truth, *found) + 0.3
    ax.plot([low, high], [low, high], color=NEUTRAL, linewidth=0.8, label="equal")
    ax.plot(truth, found, "o", color=INTACT)
    for x in sorted(set(truth)):
        here = [i for i, t in enumerate(truth) if t == x]
        middle = float(np.mean([found[i] for i in here]))
        label = ", ".join(names[i] for i in here)
        right = x > np.mean(list(truth))
        ax.annotate(label, (x, middle), fontsize=8, xytext=(-8 if right else 8, 0), textcoords="offset points",
                    ha="right" if right else "left", va="center")  # fmt: skip
    ax.set_xlabel("Effect on the next word, as put in")
    ax.set_ylabel("Effect on the next word, as found")
    ax.legend()
    return made
