"""Figures of chapter 1: how the networks learned, how good they are, what they make of three sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ..stats import Estimate
from .style import NEGATIVE, NEUTRAL, POSITIVE, architecture, figure, label_panels

__all__ = ["accuracies", "by_length", "calibration", "curves", "shifts", "traces"]


def curves(records: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Loss and accuracy against epoch.

    Parameters
    ----------
    records : dict
        Network name -> run record (``model.record``).
    """
    fig, (loss, share) = figure(1, 2, height=2.9)
    for name, record in records.items():
        look = architecture(name) | {"markersize": 4}
        rows = record["curve"]
        epochs = np.arange(1, len(rows) + 1)
        loss.plot(epochs, [r["loss_nats"] for r in rows], label=name, **look)
        share.plot(epochs, [r["accuracy"] for r in rows], alpha=0.35, **look)
        share.plot(epochs, [r["validation_accuracy"] for r in rows], label=name, **look)
    loss.set(xlabel="epoch", ylabel="training loss (nats)", title="Loss")
    share.set(xlabel="epoch", ylabel="accuracy", title="Training (pale) and held-out accuracy")
    share.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    share.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for ax in (loss, share):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    fig.legend(*loss.get_legend_handles_labels(), fontsize=8, loc="outside right center")
    label_panels((loss, share))
    return fig


def accuracies(estimates: Mapping[str, Estimate], where: str) -> Figure:
    """Test accuracy of each network with its 95 % interval; ``where`` names the reviews."""
    fig, ax = figure(height=0.9 + 0.32 * len(estimates))
    for row, (name, e) in enumerate(estimates.items()):
        look = architecture(name)
        ax.errorbar(
            e.value,
            row,
            xerr=[[e.value - e.low], [e.high - e.value]],
            color=look["color"],
            marker=look["marker"],
            capsize=3,
        )
    ax.set_yticks(range(len(estimates)), list(estimates))
    ax.set_ylim(len(estimates) - 0.4, -0.6)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=1))
    ax.set_xlabel(f"accuracy on {where} (95 % interval)")
    return fig


def calibration(scores: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Share of positive reviews against predicted probability, and how many reviews were so predicted.

    Parameters
    ----------
    scores : dict
        Name -> the ``calibration`` of a record's scores (``predicted``, ``observed``, ``count``).
    """
    fig, (ax, hist) = figure(1, 2, height=3.0, width_ratios=[1.1, 1])
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.8)
    for name, bins in scores.items():
        look = architecture(name)
        # an empty bin has no prediction
        kept = np.array([p is not None for p in bins["predicted"]])
        ax.plot(
            np.array(bins["predicted"], float)[kept],
            np.array(bins["observed"], float)[kept],
            label=name,
            markersize=5,
            **look,
        )
        count = np.array(bins["count"], float)
        middle = (np.arange(len(count)) + 0.5) / len(count)
        hist.plot(middle, count / count.sum(), label=name, markersize=5, **look)
    ax.set(
        xlabel="predicted probability of positive",
        ylabel="share that is positive",
        title="Reliability",
        xlim=(0, 1),
        ylim=(0, 1),
    )
    hist.set(
        xlabel="predicted probability of positive",
        ylabel="share of reviews",
        title="How sure",
        xlim=(0, 1),
        ylim=(0, None),
    )
    hist.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend()
    label_panels((ax, hist))
    return fig


def by_length(groups: Mapping[str, Sequence[Mapping[str, Any]]], where: str) -> Figure:
    """Accuracy against review length (the median of each group), with intervals.

    ``groups`` holds for each network the rows of :func:`rnnrev.scores.by_length`.
    """
    fig, ax = figure(height=3.0)
    for name, rows in groups.items():
        value = np.array([r["accuracy"] for r in rows])
        interval = np.array([r["interval95"] for r in rows]).T
        middle = [r["median"] for r in rows]
        ax.errorbar(
            middle, value, yerr=np.abs(interval - value), label=name, markersize=5, capsize=2, **architecture(name)
        )
    ax.set_xscale("log")
    ticks = [r["median"] for r in next(iter(groups.values()))]
    ax.set_xticks(ticks, [f"{t:.0f}" for t in ticks])
    ax.minorticks_off()
    ax.set(xlabel="median length of the group (tokens)", ylabel=f"accuracy on {where}")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend()
    return fig


def traces(models: Sequence[Any], texts: Sequence[str], height: float = 3.0) -> Figure:
    """The logit after every token, a panel for each text and a line for each model.

    ``models`` are any with ``trace(text)`` and ``name``; the point before the first token is the start.
    """
    fig, axes = figure(1, len(texts), height=height, sharey=True, squeeze=False)
    for ax, text in zip(axes[0], texts):
        for model in models:
            trace = model.trace(text)
            logits = np.concatenate([[trace.start], trace.logits])
            ax.plot(logits, label=model.name, markersize=4, **architecture(model.name))
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_xticks(range(len(logits)), ["(start)", *trace.tokens], rotation=60, ha="right", rotation_mode="anchor")
    axes[0, 0].set_ylabel("logit so far (nats)")
    axes[0, 0].legend(loc="upper left")
    label_panels(axes)
    return fig


def shifts(
    tables: Mapping[str, Any], estimates: Mapping[str, Mapping[int, Estimate]], condition: str = "negated"
) -> Figure:
    """What a modifier adds to the logit, for positive and negative words: one dot a word, the mean with its interval.

    Parameters
    ----------
    tables : dict
        Model name -> table of :func:`rnnrev.scores.modifier_shifts`.
    estimates : dict
        Model name -> :func:`rnnrev.scores.shift_by_valence` of that table.
    """
    fig, axes = figure(1, len(tables), height=3.0, sharey=True, squeeze=False)
    spread = np.random.default_rng(0)  # sideways jitter only
    for ax, (name, table) in zip(axes[0], tables.items()):
        by_word = table[table["condition"] == condition].groupby(["valence", "word"])["shift"].mean()
        for column, (valence, color) in enumerate(((1, POSITIVE), (-1, NEGATIVE))):
            dots = by_word[valence].to_numpy()
            ax.scatter(
                column + spread.uniform(-0.18, 0.18, len(dots)), dots, s=9, alpha=0.45, color=color, linewidths=0
            )
            e = estimates[name][valence]
            ax.errorbar(
                column + 0.32,
                e.value,
                yerr=[[e.value - e.low], [e.high - e.value]],
                color=color,
                marker="_",
                markersize=12,
                capsize=3,
            )
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_xticks([0, 1], ["positive\nwords", "negative\nwords"])
        ax.set(title=name, xlim=(-0.5, 1.6))
    axes[0, 0].set_ylabel(f"{condition} minus base (nats)")
    label_panels(axes)
    return fig
