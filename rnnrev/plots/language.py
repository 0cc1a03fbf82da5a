"""Figures of chapters 7 and 8: what the analyses find beside the truth, and how it varies over networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from .style import (
    CONTROL,
    CYCLE,
    INTACT,
    MODIFIERS,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    architecture,
    figure,
    label_panels,
    log_ticks,
)

__all__ = ["classes", "difficulty", "marks", "profiles", "spread", "stars", "words"]

KINDS = {"flip": MODIFIERS["negated"], "amplify": MODIFIERS["intensified"], "dampen": MODIFIERS["diminished"]}
MARKERS = {"flip": "v", "amplify": "^", "dampen": "s", "decoy": "x"}


def _diagonal(ax: Any, label: str = "found = true") -> None:
    low, high = np.min([ax.get_xlim(), ax.get_ylim()]), np.max([ax.get_xlim(), ax.get_ylim()])
    ax.plot([low, high], [low, high], color=CONTROL, lw=1, ls="--", label=label, zorder=0)


def words(table: Any) -> Any:
    """Found against true for single words: (a) valence, (b) gain, (c) decay time; ``table`` of a ``Recovery``."""
    fig, (left, middle, right) = figure(1, 3, height=2.9)
    for role, color in (("positive", POSITIVE), ("negative", NEGATIVE)):
        own = table[table.role == role]
        left.plot(own.true_valence, own.found_valence, "o", ms=3, color=color, label=role)
    _diagonal(left)
    left.set(xlabel="true valence (nats)", ylabel="found valence (nats)")
    left.legend()
    for kind in ("flip", "dampen", "amplify", "decoy"):
        own = table[table.kind == kind]
        look = {"color": KINDS.get(kind, NEUTRAL), "marker": MARKERS[kind], "ls": "none", "ms": 5, "label": kind}
        middle.plot(own.true_gain, own.found_gain, **look)
        if kind != "decoy":
            right.plot(own.decay, own.found_decay, **look)
    _diagonal(middle)
    _diagonal(right)
    middle.set(xlabel="true gain", ylabel="found gain")
    right.set(xlabel="true decay (tokens)", ylabel="found decay (tokens)")
    middle.legend()
    label_panels((left, middle, right))
    return fig


def profiles(found: Mapping[str, Mapping[str, Any]]) -> Any:
    """Emphasis against place, found and true: (a) from the beginning, (b) from the end."""
    fig, axes = figure(1, 2, height=2.7, sharey=True)
    for ax, name, xlabel in zip(axes, ("start", "end"), ("tokens before the word", "tokens after the word")):
        p = {k: np.asarray(v, float) for k, v in found[name].items()}
        plateau = p["found"][-3:].mean()
        ax.fill_between(p["at"], p["low"] / plateau, p["high"] / plateau, color=INTACT, alpha=0.15, lw=0)
        ax.plot(p["at"], p["found"] / plateau, "o-", color=INTACT, ms=3, label="found")
        ax.plot(p["at"], p["true"], "--", color=CONTROL, label="true")
        ax.set(xlabel=xlabel)
    axes[0].set(ylabel="emphasis (multiples of mid-text)")
    axes[0].legend()
    label_panels(axes)
    return fig


def marks(table: Any, measures: Mapping[str, tuple[str, float | None]]) -> Any:
    """One panel a measure: its value for each architecture and seed, and the truth as a dashed line.

    ``table`` has one row a network (columns ``cell``, ``seed`` and the measures); ``measures`` name -> (label, truth).
    """
    n = len(measures)
    columns = min(4, n)
    rows = -(-n // columns)
    fig, axes = figure(rows, columns, height=2.0 * rows, squeeze=False)
    cells = [c for c in ("gru", "lstm", "ugrnn", "vanilla") if c in set(table.cell)]
    for ax, (name, (label, truth)) in zip(axes.flat, measures.items()):
        for x, cell in enumerate(cells):
            values = table.loc[table.cell == cell, name].dropna()
            look = {k: v for k, v in architecture(cell).items() if k in ("color", "marker")}
            ax.plot(x + np.linspace(-0.15, 0.15, len(values)), values, ls="none", ms=5, **look)
        if truth is not None:
            ax.axhline(truth, color=CONTROL, lw=1, ls="--")
        ax.set_title(label, fontsize=9)
        ax.set_xticks(range(len(cells)), [{"vanilla": "van.", "ugrnn": "ugr."}.get(c, c) for c in cells])
        ax.set_xlim(-0.5, len(cells) - 0.5)
        ax.margins(y=0.2)
    for ax in axes.flat[n:]:
        ax.remove()
    return fig


def difficulty(table: Any, measures: Mapping[str, str]) -> Any:
    """Measures (panels) for the usual language and for harder ones (rows); ``table`` is indexed by what is harder."""
    fig, axes = figure(1, len(measures), height=0.6 + 0.28 * len(table), sharey=True)
    y = np.arange(len(table))[::-1]
    for ax, (name, label) in zip(np.atleast_1d(axes), measures.items()):
        ax.hlines(y, 0, table[name], color=CONTROL, lw=1)
        ax.plot(table[name], y, "o", color=INTACT, ms=5)
        ax.axvline(0, color=CONTROL, lw=0.8)
        ax.set_xlabel(label)
    np.atleast_1d(axes)[0].set_yticks(y, list(table.index))
    return fig


def spread(table: Any, measures: Mapping[str, str], by: str = "data", log: Sequence[str] = ()) -> Any:
    """One panel a measure: networks as points, one column for each value of ``by``, colour and marker by architecture.

    ``table`` has one row a network and data set (``cell``, ``by`` and the measures); axes named in ``log`` are
    logarithmic.
    """
    fig, axes = figure(1, len(measures), height=3.0, squeeze=False)
    groups, cells = list(dict.fromkeys(table[by])), list(dict.fromkeys(table.cell))
    for ax, (name, label) in zip(axes.flat, measures.items()):
        for i, cell in enumerate(cells):
            own = table[table.cell == cell]
            x = own[by].map(groups.index) + 0.5 * (i - (len(cells) - 1) / 2) / max(len(cells) - 1, 1)
            look = {k: v for k, v in architecture(cell).items() if k in ("color", "marker")}
            ax.plot(x, own[name], ls="none", ms=5, label=cell, **look)
        ax.set(ylabel=label, xlim=(-0.6, len(groups) - 0.4))
        if name in log:
            ax.set_yscale("log")
            log_ticks(ax.yaxis, table[name].min(), table[name].max())
        ax.set_xticks(
            range(len(groups)), [g.split()[0] for g in groups], rotation=40, ha="right", rotation_mode="anchor"
        )
        ax.margins(y=0.15)
    fig.legend(*axes.flat[0].get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=len(cells))
    label_panels(axes)
    return fig


def classes(cells: Sequence[Mapping[str, Any]], by: str = "classes") -> Any:
    """Time constants by rank, one line a seed: one panel a kind of classes, or with ``by="cell"`` an architecture.

    A dashed line stands after the number of slow modes that theory asks for: 1, or C − 1 for C unordered classes.
    """
    names = list(dict.fromkeys(c["cell"][by] for c in cells))
    if by == "classes":
        names.sort(key=lambda n: (n.split()[0], int(n.split()[1])))
    fig, axes = figure(1, len(names), height=2.6, sharey=True, squeeze=False)
    for ax, name in zip(axes.flat, names):
        own = [c for c in cells if c["cell"][by] == name]
        for c, color in zip(own, CYCLE):
            tau = c["details"]["tau"]
            ax.plot(np.arange(1, len(tau) + 1), tau, "o-", ms=3, lw=1, color=color)
        make, n = own[0]["cell"]["classes"].split()
        ax.axvline((int(n) - 1 if make == "unordered" else 1) + 0.5, color=CONTROL, lw=1, ls="--")
        ax.set(yscale="log", title=f"{n} classes,\n{make}" if by == "classes" else name, xlabel="mode")
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.flat[0].set(ylabel="time constant τ (tokens)")
    return fig


def stars(record: Mapping[str, Any]) -> Any:
    """Networks trained on two classes read reviews with stars: (a) mean logit by stars, (b) mean states on and off the
    slow mode.

    ``record`` is the record ``stars``: ``networks``, name -> :func:`rnnrev.recovery.graded`.
    """
    fig, (left, right) = figure(1, 2, height=3.0)
    for i, (name, found) in enumerate(record["networks"].items()):
        look = architecture(name)
        rows = found["grades"]
        x = np.array([r["grade"] for r in rows]) + 0.06 * (i - (len(record["networks"]) - 1) / 2)
        mean, low, high = np.array([r["logit"] for r in rows]).T
        left.errorbar(x, mean, [mean - low, high - mean], ms=4, lw=1, label=name, **look)
        right.plot([r["along"] for r in rows], [r["off"] for r in rows], ms=4, lw=1, **look)
    left.axhline(0, color=CONTROL, lw=0.8)
    left.set(xlabel="stars", ylabel="logit (nats)", xticks=[r["grade"] for r in rows])
    right.set(xlabel="along the slow mode (s.d.)", ylabel="off the slow mode (s.d.)", ylim=(0, None))
    fig.legend(*left.get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=6)
    label_panels((left, right))
    return fig
