"""Figures of chapters 4 and 5: how much a word counts by where it stands, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ...edges import Profile
from ...linear import ModeKernel
from ...plots.report import emphasis
from ...plots.style import (
    CONTROL,
    CYCLE,
    DASHES,
    INTACT,
    NEUTRAL,
    PERTURBED,
    band,
    figure,
    label_panels,
)
from . import sign_colors

__all__ = ["barcodes", "emphasis", "geometry", "kernel", "memories", "modes", "now_and_later", "panels"]


def panels(texts: Mapping[str, Mapping[str, Profile]], xlabel: str = "tokens read before the word") -> Figure:
    """Several :func:`emphasis` plots side by side on one scale, each with its title."""
    fig, axes = figure(1, len(texts), height=3.2, sharey=True, squeeze=False)
    for ax, (title, profiles) in zip(axes[0], texts.items()):
        emphasis(profiles, xlabel, ax=ax)
        ax.set_title(title)
        if ax is not axes[0, 0]:
            ax.set_ylabel("")
            ax.get_legend().remove()
    label_panels(axes)
    return fig


def memories(traces: Mapping[str, pd.DataFrame]) -> Figure:
    """How much of single words is left in the logit by tokens after them (:func:`.memory_trace`).

    Measured (solid) and by the linear theory (dashed), on a logarithmic axis; one panel a network.
    """
    fig, axes = figure(1, len(traces), height=3.0, sharey=True, squeeze=False)
    for ax, (name, trace) in zip(axes[0], traces.items()):
        for column, dash, color in (("measured", "-", INTACT), ("predicted", "--", PERTURBED)):
            band(ax, trace.index, trace[column], column, color=color, linestyle=dash, marker="o")
        ax.set(yscale="log", xlabel="tokens after the word", title=name)
    axes[0, 0].set_ylabel("left in the logit (nats, s.d.)")
    axes[0, 0].legend()
    label_panels(axes)
    return fig


def barcodes(words: Sequence[str], codes: Mapping[str, np.ndarray]) -> Figure:
    """Barcodes one above the other, probe words along x, in nats."""
    fig, axes = figure(len(codes), 1, height=1.2 + 0.9 * len(codes), sharex=True, sharey=True, squeeze=False)
    for ax, (name, values) in zip(axes[:, 0], codes.items()):
        ax.bar(range(len(words)), values, color=sign_colors(values), width=0.85)
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_title(name)
    axes[-1, 0].set_xticks(range(len(words)), words, rotation=90, fontsize=8)
    fig.supylabel("change of lasting valence (nats)", fontsize=10)
    return fig


def geometry(cloud: np.ndarray, labels: Mapping[str, np.ndarray]) -> Figure:
    """The modifier subspace's first two axes: visited states (n, 2) as a cloud, and labelled points (2,)."""
    fig, ax = figure(height=4.0)
    ax.scatter(*cloud.T, s=6, alpha=0.3, color=NEUTRAL, label="visited states")
    # neighbours by height get labels above and below their points in turn, so that they do not cover each other
    above = {name: (12, -12)[i % 2] for i, name in enumerate(sorted(labels, key=lambda n: labels[n][1]))}
    for name, (x, y) in labels.items():
        marker, color, size = ("*", INTACT, 12) if name in ("h*", "h₀") else ("o", PERTURBED, 6)
        ax.plot(x, y, marker, color=color, markersize=size)
        ax.annotate(name, (x, y), xytext=(0, above[name]), textcoords="offset points", ha="center", va="center")
    ax.set(xlabel="modifier axis 1", ylabel="modifier axis 2")
    ax.legend(loc="best")
    return fig


def kernel(response: ModeKernel, valence: np.ndarray) -> Figure:
    """What each group of modes adds to the emphasis, against tokens after the word."""
    fig, ax = figure(height=3.2)
    x = valence - valence.mean()
    ax.axhline(0, color=NEUTRAL, linewidth=0.8)
    ax.plot(response.lags, x @ response.total / (x @ x), color=INTACT, linewidth=2.4, label="all modes")
    for number, (name, parts) in enumerate(response.groups().items()):
        color = CYCLE[1 + number % (len(CYCLE) - 1)]
        ax.plot(response.lags, x @ parts / (x @ x), color=color, linestyle=DASHES[number % 5], label=name)
    ax.set(xlabel="tokens after the word, n", ylabel="emphasis (× lasting valence)")
    ax.legend(title="modes by τ in tokens (how many)")
    return fig


def modes(response: ModeKernel, valence: np.ndarray) -> Figure:
    """Each mode's share of the emphasis at the last word against its time constant, of modes that grow its size."""
    fig, ax = figure(height=2.8)
    x, tau, growing = valence - valence.mean(), np.abs(response.modes.tau), response.modes.growing.copy()
    share = np.einsum("k,ka->a", x, response.parts[:, :, 0]) / (x @ x)
    growing[response.slow] = False
    ax.axhline(0, color=NEUTRAL, linewidth=0.8)
    ax.vlines(tau, 0, share, color=CONTROL, linewidth=0.8)
    ax.scatter(tau[~growing], share[~growing], s=14, color=PERTURBED, zorder=3, label="other modes")
    if growing.any():
        ax.scatter(tau[growing], share[growing], s=24, marker="^", color=CYCLE[2], zorder=3, label="growing modes")
    ax.scatter(tau[response.slow], share[response.slow], s=36, color=INTACT, zorder=4, label="slow mode")
    ax.set(xscale="log", xlabel="time constant τ (tokens)", ylabel="emphasis at the last word")
    ax.legend()
    return fig


def now_and_later(words: Sequence[str], now: np.ndarray, later: np.ndarray, slope: float) -> Figure:
    """Valence of words if the review ends at once against what lasts, each word a point; line through the middle."""
    fig, ax = figure(height=4.2)
    span = np.array([later.min(), later.max()])
    ax.plot(span, span, color=NEUTRAL, linewidth=1, linestyle="--", label="counts the same")
    middle = now.mean() + slope * (span - later.mean())
    ax.plot(span, middle, color=INTACT, label=f"slope {slope:.2f}")
    ax.scatter(later, now, s=12, color=sign_colors(later))
    named = np.unique(np.r_[np.argsort(later)[[0, 1, 2, -3, -2, -1]], np.argsort(np.abs(now - middle.mean()))[-2:]])
    for i, k in enumerate(named[np.argsort(now[named])]):  # labels above and below their points in turn
        at = (4, (5, -10)[i % 2])
        ax.annotate(words[k], (later[k], now[k]), xytext=at, textcoords="offset points", fontsize=8)
    ax.set(xlabel="lasting valence, n → ∞ (nats)", ylabel="valence at the last word, n = 0 (nats)")
    ax.legend(loc="upper left")
    return fig
