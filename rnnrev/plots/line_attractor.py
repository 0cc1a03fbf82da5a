"""Figures of chapter 2: low-dimensional states, the curve of fixed points, its modes, words, and the linear model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..line_attractor import Alignment, Attractor, Dimensionality, Predictions, Spectra
from .style import (
    CONTROL,
    CYCLE,
    INTACT,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    VALENCE_MAP,
    band,
    figure,
    intervals,
    label_panels,
)

__all__ = ["curve", "dimensions", "directions", "predictions", "spectra", "step_errors", "words"]


def dimensions(trained: Dimensionality, untrained: Dimensionality) -> Figure:
    """Cumulative PCA variance of visited states."""
    fig, ax = figure(height=2.9)
    for result, label, color, dash in ((trained, "trained", INTACT, "-"), (untrained, "untrained", CONTROL, "--")):
        shares = zip(result.cumulative, result.low, result.high)
        look: dict[str, Any] = {"color": color, "linestyle": dash, "marker": "o", "markersize": 3}
        band(ax, np.arange(1, len(result.cumulative) + 1), shares, label, alpha=0.25, **look)
    ax.axhline(0.9, color=NEUTRAL, linewidth=0.8, linestyle=":")
    ax.set(xscale="log", xlabel="principal components", ylabel="share of variance", ylim=(0, 1.02))
    ax.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="lower right")
    return fig


def curve(attractor: Attractor, states: np.ndarray) -> Figure:
    """Visited states (n, S), the fixed points among them and their curve; and the logit along it."""
    fig, (plane, along) = figure(1, 2, height=3.4, width_ratios=[1.25, 1])
    centre = states.mean(0)
    axes = np.linalg.svd(states - centre, full_matrices=False)[2][:2]
    axes = axes * np.where(axes @ (attractor.h_star[-1] - attractor.h_star[0]) < 0, -1, 1)[:, None]
    cloud, points, line = ((h - centre) @ axes.T for h in (states[::5], attractor.h_star, attractor.curve))
    size = float(np.abs(attractor.logit).max())
    look: dict[str, Any] = {"c": attractor.logit, "cmap": VALENCE_MAP, "norm": TwoSlopeNorm(0, -size, size), "s": 22,
                            "edgecolors": "black", "linewidths": 0.5}  # fmt: skip
    plane.scatter(*cloud.T, s=3, color="#D0D0D0", linewidths=0, label="visited states", rasterized=True)
    plane.plot(*line.T, color=INTACT, linewidth=1.2, label="curve")
    dots = plane.scatter(*points.T, label="fixed points", zorder=3, **look)
    plane.set(xlabel="PC 1 of the states", ylabel="PC 2", title="States and fixed points")
    plane.legend(loc="best", markerscale=1.2)
    along.scatter(attractor.arc, attractor.logit, **look)
    along.axhline(0, color=NEUTRAL, linewidth=0.8, linestyle=":")
    along.set(xlabel="arc length along the curve", ylabel="logit (nats)", title="Logit along the curve")
    fig.colorbar(dots, ax=along, label="logit (nats)")
    label_panels((plane, along))
    return fig


def spectra(attractor: Attractor, result: Spectra, control: Spectra) -> Figure:
    """Eigenvalues at the middle of the curve, trained and untrained; and the longest time constants along the curve."""
    fig, (plane, along) = figure(1, 2, height=3.3)
    middle = int(np.abs(attractor.logit).argmin())
    turn = np.linspace(0, 2 * np.pi, 200)
    plane.plot(np.cos(turn), np.sin(turn), color=NEUTRAL, linewidth=0.8)
    at_middle = result.modes.eigvals[middle]
    for eigvals, color, marker, label in (
        (control.modes.eigvals[0], CONTROL, "x", "untrained"), (at_middle, INTACT, "o", "trained"),
    ):  # fmt: skip
        plane.scatter(eigvals.real, eigvals.imag, s=12, color=color, marker=marker, lw=0.7, alpha=0.7, label=label)
    slow = at_middle[result.slow[middle]]
    plane.scatter(slow.real, slow.imag, s=70, facecolors="none", edgecolors=POSITIVE, linewidths=1.5, label="slow mode")
    plane.set(xlabel="real part of λ", ylabel="imaginary part of λ", aspect="equal", title="Eigenvalues of J_rec")
    fig.legend(*plane.get_legend_handles_labels(), fontsize=8, loc="outside lower left", ncols=3, handletextpad=0.2)

    tau, order = result.modes.slowest, np.argsort(attractor.logit)
    for rank in range(min(6, tau.shape[1])):
        look: dict[str, Any] = {"color": CONTROL, "linewidth": 0.9} if rank else {"color": INTACT, "linewidth": 1.6}
        name = ("slowest", "second to sixth")[rank] if rank < 2 else None
        along.plot(attractor.logit[order], tau[order, rank], marker=".", markersize=3, label=name, **look)
    along.axhline(control.tau_1.value, color=NEUTRAL, linestyle="--", linewidth=1, label="slowest, untrained")
    along.set(yscale="log", xlabel="logit at the fixed point (nats)", ylabel="time constant τ (tokens)",
              title="Time constants along the curve", ylim=(None, 30 * np.nanmax(tau)))  # fmt: skip
    along.legend(fontsize=8, loc="upper center", ncols=2)
    label_panels((plane, along))
    return fig


def directions(attractor: Attractor, result: Alignment) -> Figure:
    """Cosines along the curve: with its tangent, and with the readout."""
    fig, (left, right) = figure(1, 2, height=3.0, sharey=True)
    order = np.argsort(attractor.logit)
    x = attractor.logit[order]
    slow, best = ("", "r₁", INTACT, "-"), ("modes 2–6", "best of modes 2–6", CONTROL, "--")
    left_line = ("", "ℓ₁", CYCLE[1], "-.")
    lines = ((left, "tangent", *slow), (left, "tangent", *best), (right, "alignment", *slow),
             (right, "alignment_left", *left_line), (right, "alignment", *best))  # fmt: skip
    for panel, column, row, label, color, style in lines:
        y = result.along[column, row][order]
        panel.plot(x, y, color=color, linestyle=style, marker=".", markersize=3, label=label)
    for panel, column, title in ((left, "tangent", "with the tangent"), (right, "alignment", "with the readout w")):
        chance = result.table[column]["random directions"].high
        panel.axhline(chance, color=NEUTRAL, linewidth=0.8, linestyle=":", label="chance (97.5 %)")
        panel.set(xlabel="logit at the fixed point (nats)", ylim=(0, 1.35), title=title)
        panel.legend(fontsize=8, loc="upper center", ncols=2)
    left.set_ylabel("|cosine|")
    label_panels((left, right))
    return fig


def words(
    measured: np.ndarray, known: np.ndarray, kinds: np.ndarray, names: Sequence[str], control: np.ndarray | None = None
) -> Figure:
    """A scatter of words and the distributions of positive, neutral and negative ones.

    ``measured`` (n,) what the slow mode makes of each word and ``known`` (n,) its β, in nats; ``kinds`` (n,) of
    :func:`rnnrev.line_attractor.word_kinds`; ``names`` (n,), of which the seven at each end of ``measured`` are
    written out; ``control`` (n,) what another mode makes of it.
    """
    fig, (scatter, spread) = figure(1, 2, height=3.6, width_ratios=[1.35, 1])
    scatter.axhline(0, color=NEUTRAL, linewidth=0.6)
    scatter.axvline(0, color=NEUTRAL, linewidth=0.6)
    if control is not None:
        scatter.scatter(known, control, s=4, color=CONTROL, linewidths=0, alpha=0.5, label="next mode")
    scatter.scatter(known, measured, s=5, color=INTACT, linewidths=0, alpha=0.6, label="slow mode")
    order = np.argsort(measured)
    for ends, x, y, step, side, color in (
        (order[:7], 0.02, 0.04, 0.06, "left", NEGATIVE), (order[-7:][::-1], 0.98, 0.96, -0.06, "right", POSITIVE),
    ):  # fmt: skip
        for rank, i in enumerate(ends):
            scatter.annotate(
                names[i], (known[i], measured[i]), xytext=(x, y + step * rank), textcoords="axes fraction",
                fontsize=7.5, ha=side, va="center", color=color,
                arrowprops={"arrowstyle": "-", "color": "#BBBBBB", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 1},
            )  # fmt: skip
    room = np.ptp(known) * 0.45
    scatter.set(xlabel="β of the bag of words (nats)", ylabel="effect through the mode (nats)",
                xlim=(known.min() - room, known.max() + room))  # fmt: skip
    scatter.legend(loc="upper left", fontsize=8, markerscale=2)
    bins = np.linspace(measured.min(), measured.max(), 40)
    looks = ((-1, "negative", NEGATIVE, "//"), (0, "neutral", NEUTRAL, ""), (1, "positive", POSITIVE, "\\\\"))
    for kind, label, color, hatch in looks:
        spread.hist(measured[kinds == kind], bins, color=color, alpha=0.55, label=label, hatch=hatch, edgecolor=color)
    spread.set(xlabel="effect through the slow mode (nats)", ylabel="words")
    spread.legend()
    label_panels((scatter, spread))
    return fig


#: Rows of the linear models that are controls or yardsticks.
YARDSTICKS = ("fitted recurrence", "bag of words", "next mode alone", "all but the slow mode", "words shuffled")


def predictions(result: Predictions) -> Figure:
    """r² with the network's logits and share of the same decisions, one row a model; controls in grey."""
    fig, (left, right) = figure(1, 2, height=3.6, sharey=True)

    def look(name: str) -> dict[str, Any]:
        return {"color": CONTROL if name in YARDSTICKS else INTACT}

    intervals(result.table.r2.to_dict(), ax=left, xlabel="squared rank correlation of logits", look=look)
    intervals(result.table.agree.to_dict(), ax=right, xlabel="reviews with the same sign", look=look, percent=0,
              reference=0.5)  # fmt: skip
    left.set_xlim(-0.03, 1.03)
    right.set_xlim(0.35, 1.02)
    label_panels((left, right))
    return fig


def step_errors(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Relative error against steps taken, one line a model; tables of :func:`rnnrev.line_attractor.step_error`."""
    fig, ax = figure(height=2.8)
    for (name, table), color, marker in zip(tables.items(), CYCLE, "os^D"):
        band(ax, table.index, table.error, name, alpha=0.2, color=color, marker=marker)
    ax.axhline(1, color=NEUTRAL, linewidth=0.8, linestyle=":")
    ax.set(xscale="log", xlabel="tokens since the model stood on the network's state", ylabel="relative error",
           ylim=(0, None))  # fmt: skip
    lags = next(iter(tables.values())).index
    ax.set_xticks(lags, [str(n) for n in lags])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(fontsize=8, loc="lower left", ncols=2)
    return fig
