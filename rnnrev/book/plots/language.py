"""Figures of chapters 8 and 9, of tidy tables: what the analyses find beside the truth, and over networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ...plots.style import (
    CONTROL,
    CYCLE,
    INTACT,
    MODIFIERS,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    architecture,
    band,
    figure,
    label_panels,
)  # fmt: skip
from . import log_ticks

__all__ = ["classes", "profiles", "spread", "stars", "words"]

KINDS = {
    "flip": {"color": MODIFIERS["negated"], "marker": "v"},
    "dampen": {"color": MODIFIERS["diminished"], "marker": "s"},
    "amplify": {"color": MODIFIERS["intensified"], "marker": "^"},
    "decoy": {"color": NEUTRAL, "marker": "x"},
}


def words(table: pd.DataFrame) -> Figure:
    """Found against true for single words: (a) valence, (b) gain, (c) decay time; ``Recovery.words``."""
    fig, axes = figure(1, 3, height=2.9)
    for role, color in (("positive", POSITIVE), ("negative", NEGATIVE)):
        own = table[table.role == role]
        axes[0].plot(own.true_valence, own.found_valence, "o", ms=3, color=color, label=role)
    for kind, look in KINDS.items():
        own = table[table.kind == kind]
        axes[1].plot(own.true_gain, own.found_gain, ls="none", ms=5, label=kind, **look)
        if kind != "decoy":
            axes[2].plot(own.decay, own.found_decay, ls="none", ms=5, **look)
    for ax, what in zip(axes, ("valence (nats)", "gain", "decay (tokens)")):
        ax.axline((0, 0), slope=1, color=CONTROL, lw=1, ls="--", zorder=0)
        ax.set(xlabel=f"true {what}", ylabel=f"found {what}")
    axes[0].legend()
    axes[1].legend()
    label_panels(axes)
    return fig


def profiles(table: pd.DataFrame) -> Figure:
    """Emphasis against place, found and true: (a) from the beginning, (b) from the end; ``Recovery.profiles``."""
    fig, axes = figure(1, 2, height=2.7, sharey=True)
    for ax, name, xlabel in zip(axes, ("start", "end"), ("tokens before the word", "tokens after the word")):
        own = table[table.end == name]
        found = own[["found", "low", "high"]].to_numpy()
        band(ax, own["at"], found, "found", color=INTACT, marker="o", markersize=3)
        ax.plot(own["at"], own.true, "--", color=CONTROL, label="true")
        ax.set(xlabel=xlabel)
    axes[0].set(ylabel="emphasis (multiples of mid-text)")
    axes[0].legend()
    label_panels(axes)
    return fig


def spread(
    table: pd.DataFrame, measures: Mapping[str, str], by: str = "data", *, truth: Mapping[str, float] | None = None,
    log: Sequence[str] = (),
) -> Figure:  # fmt: skip
    """One panel a measure, one point a network; colour and marker by architecture.

    ``table`` has tidy rows without a condition; ``measures`` are the label of each one's axis; ``by``, ``"data"`` or
    ``"cell"`` (the architecture), stands side by side in a panel; ``truth`` is a dashed line; ``log`` names the
    measures with a logarithmic axis.
    """
    table = table.assign(cell=table.network.str.split("-").str[0])
    names, cells = list(dict.fromkeys(table[by])), list(dict.fromkeys(table.cell))
    rows = -(-len(measures) // 4)
    fig, axes = figure(rows, min(4, len(measures)), height=0.8 + 2.2 * rows, squeeze=False)
    for ax, (measure, label) in zip(axes.flat, measures.items()):
        known = table[table.measure == measure]
        for i, cell in enumerate(cells):
            own = known[known.cell == cell]
            x = own[by].map(names.index) + 0.5 * (i - (len(cells) - 1) / 2) / len(cells) * (by != "cell")
            look = {k: v for k, v in architecture(cell).items() if k in ("color", "marker")}
            ax.plot(x, own.value, ls="none", ms=5, label=cell, **look)
        if truth and measure in truth:
            ax.axhline(truth[measure], color=CONTROL, lw=1, ls="--")
        if measure in log:
            ax.set_yscale("log")
            log_ticks(ax.yaxis, known.value.min(), known.value.max())
        elif known.value.dropna().mod(1).eq(0).all():  # counts
            ax.yaxis.set_major_locator(MaxNLocator(5, integer=True))
        ax.set(ylabel=label, xlim=(-0.6, len(names) - 0.4))
        turn = 40 if len(names) < 7 else 70
        ax.set_xticks(range(len(names)), names, rotation=turn, ha="right", rotation_mode="anchor", fontsize=7)
        ax.margins(y=0.15)
    for ax in axes.flat[len(measures) :]:
        ax.remove()
    if by != "cell":
        fig.legend(*axes.flat[0].get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=len(cells))
    label_panels(axes.flat[: len(measures)])
    return fig


def classes(table: pd.DataFrame, by: str = "data") -> Figure:
    """Time constants by rank, one line a network: one panel for each value of ``by`` (``"data"`` or ``"cell"``).

    A dashed line stands after the number of slow modes that theory asks for (measure ``slow_modes_theory``).
    """
    table = table.assign(cell=table.network.str.split("-").str[0])
    names = list(dict.fromkeys(table[by]))
    fig, axes = figure(1, len(names), height=2.6, sharey=True, squeeze=False)
    for ax, name in zip(axes.flat, names):
        own = table[table[by] == name]
        for (_, curve), color in zip(own[own.measure == "tau"].groupby("network"), CYCLE):
            ax.plot(curve["at"], curve.value, "o-", ms=3, lw=1, color=color)
        theory = own[own.measure == "slow_modes_theory"].value.iloc[0]
        ax.axvline(theory + 0.5, color=CONTROL, lw=1, ls="--")
        ax.set(yscale="log", title=name.split(", ")[-1].replace(" classes", "\nclasses"), xlabel="mode")
        ax.xaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.flat[0].set(ylabel="time constant τ (tokens)")
    return fig


def stars(table: pd.DataFrame) -> Figure:
    """Networks trained on two classes read reviews with stars: (a) mean logit by stars, (b) mean states on and off the
    slow mode. Measures ``logit``, ``along`` and ``off`` at each grade.
    """
    fig, axes = figure(1, 2, height=3.0)
    names = list(dict.fromkeys(table.network))
    for i, name in enumerate(names):
        own, look = table[table.network == name], architecture(name)
        logit, along, off = (own[own.measure == m] for m in ("logit", "along", "off"))
        bounds = [logit.value - logit.low, logit.high - logit.value]
        x = logit["at"] + 0.06 * (i - (len(names) - 1) / 2)
        axes[0].errorbar(x, logit.value, bounds, ms=4, lw=1, label=name, **look)
        axes[1].plot(along.value, off.value, ms=4, lw=1, **look)
    axes[0].axhline(0, color=CONTROL, lw=0.8)
    axes[0].set(xlabel="stars", ylabel="logit (nats)", xticks=sorted(table["at"].dropna().unique()))
    axes[1].set(xlabel="along the slow mode (s.d.)", ylabel="off the slow mode (s.d.)", ylim=(0, None))
    fig.legend(*axes[0].get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=6)
    label_panels(axes)
    return fig
