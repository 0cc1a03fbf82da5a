"""Figures of chapter 1: how the networks learned, how good they are, what they make of three sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from ...model import BagOfWords, SentimentRNN
from ...plots.report import calibration
from ...plots.style import NEGATIVE, NEUTRAL, POSITIVE, architecture, figure, label_panels
from ...stats import bootstrap

__all__ = ["by_length", "calibration", "curves", "shifts", "traces"]


def curves(records: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Loss and accuracy against epoch; name -> run record (``model.record``)."""
    fig, (loss, share) = figure(1, 2, height=2.9)
    alike: dict[str, list[str]] = {}  # networks that look the same share a line of the legend
    for name in records:
        alike.setdefault(repr(architecture(name)), []).append(name)
    labels = {own[0]: own[0] if len(own) == 1 else f"{own[0]} and {len(own) - 1} alike" for own in alike.values()}
    for name, record in records.items():
        look = architecture(name) | {"markersize": 4}
        rows = pd.DataFrame(record["curve"])
        epochs = np.arange(1, len(rows) + 1)
        loss.plot(epochs, rows.loss_nats, label=labels.get(name), **look)
        share.plot(epochs, rows.accuracy, alpha=0.35, **look)
        share.plot(epochs, rows.validation_accuracy, **look)
    loss.set(xlabel="epoch", ylabel="training loss (nats)", title="Loss")
    share.set(xlabel="epoch", ylabel="accuracy", title="Training (pale) and held-out accuracy")
    share.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    share.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    for ax in (loss, share):
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    fig.legend(*loss.get_legend_handles_labels(), fontsize=8, loc="outside right center")
    label_panels((loss, share))
    return fig


def by_length(groups: Mapping[str, pd.DataFrame]) -> Figure:
    """Accuracy against review length, with intervals.

    Name -> rows of the measure ``accuracy_by_length`` in a measured table: ``at`` is a group's median length.
    """
    fig, ax = figure(height=3.0)
    for name, rows in groups.items():
        bars = [rows.value - rows.low, rows.high - rows.value]
        ax.errorbar(rows["at"], rows.value, yerr=bars, label=name, markersize=5, capsize=2, **architecture(name))
    ticks = next(iter(groups.values()))["at"]
    ax.set_xscale("log")
    ax.set_xticks(ticks, [f"{t:.0f}" for t in ticks])
    ax.minorticks_off()
    ax.set(xlabel="median length of the group (tokens)", ylabel="accuracy")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend()
    return fig


def traces(models: Sequence[SentimentRNN | BagOfWords], texts: Sequence[str]) -> Figure:
    """The logit after every token, a panel for each text; the point before the first token is the start."""
    fig, axes = figure(1, len(texts), sharey=True, squeeze=False)
    for ax, text in zip(axes[0], texts):
        for model in models:
            trace = model.trace(text)
            ax.plot([trace.start, *trace.logits], label=model.name, markersize=4, **architecture(model.name))
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        tokens = ["(start)", *trace.tokens]
        ax.set_xticks(range(len(tokens)), tokens, rotation=60, ha="right", rotation_mode="anchor")
    axes[0, 0].set_ylabel("logit so far (nats)")
    axes[0, 0].legend(loc="upper left")
    label_panels(axes)
    return fig


def shifts(found: Mapping[str, pd.Series]) -> Figure:
    """What a modifier adds to the logit: one dot a word, and the mean over words with its interval.

    Name of a model -> shifts in nats by (valence, word).
    """
    fig, axes = figure(1, len(found), sharey=True, squeeze=False)
    spread = np.random.default_rng(0)  # sideways jitter only
    for ax, (name, by_word) in zip(axes[0], found.items()):
        for column, (valence, color) in enumerate(((1, POSITIVE), (-1, NEGATIVE))):
            dots = by_word[valence].to_numpy()
            x = column + spread.uniform(-0.18, 0.18, len(dots))
            ax.scatter(x, dots, s=9, alpha=0.45, color=color, linewidths=0)
            mean = bootstrap(dots)
            bars = [[mean.value - mean.low], [mean.high - mean.value]]
            ax.errorbar(column + 0.32, mean.value, bars, color=color, marker="_", markersize=12, capsize=3)
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_xticks([0, 1], ["positive\nwords", "negative\nwords"])
        ax.set(title=name, xlim=(-0.5, 1.6))
    axes[0, 0].set_ylabel("modified minus plain (nats)")
    label_panels(axes)
    return fig
