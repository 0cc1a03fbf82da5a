"""Figures of what a report shows, which chapters 1 to 5 show too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..edges import Profile
from ..line_attractor import Attractor, Dimensionality, Spectra
from ..stats import Calibration
from ..subspace import Dimension
from .style import (
    CONTROL,
    CYCLE,
    DASHES,
    INTACT,
    MODIFIERS,
    NEGATIVE,
    NEUTRAL,
    PERTURBED,
    POSITIVE,
    VALENCE_MAP,
    Look,
    architecture,
    band,
    figure,
    figure_of,
    intervals,
    label_panels,
)

__all__: list[str] = []


def calibration(found: Mapping[str, Calibration]) -> Figure:
    """Share of positive texts by predicted probability, and how many were so predicted; the legend has the error."""
    fig, (ax, hist) = figure(1, 2, height=3.0, width_ratios=[1.1, 1])
    ax.plot([0, 1], [0, 1], color=NEUTRAL, linewidth=0.8)
    for name, bins in found.items():
        look = architecture(name) | {"markersize": 5}
        ax.plot(bins.predicted, bins.observed, label=f"{name} ({100 * bins.error:.1f} points off)", **look)
        hist.plot(bins.predicted, bins.texts / bins.texts.sum(), **look)
    ax.set(ylabel="share that is positive", title="Reliability", ylim=(0, 1))
    hist.set(ylabel="share of texts", title="How sure", ylim=(0, None))
    for each in (ax, hist):
        each.set(xlabel="predicted probability of positive", xlim=(0, 1))
    hist.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend()
    label_panels((ax, hist))
    return fig


def dimensions(trained: Dimensionality, untrained: Dimensionality) -> Figure:
    """Cumulative PCA variance of visited states."""
    fig, ax = figure(height=2.9)
    for result, label, color, dash in ((trained, "trained", INTACT, "-"), (untrained, "untrained", CONTROL, "--")):
        shares = zip(result.cumulative, result.low, result.high)
        look: Look = {"color": color, "linestyle": dash, "marker": "o", "markersize": 3}
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
    look: Look = {"c": attractor.logit, "cmap": VALENCE_MAP, "norm": TwoSlopeNorm(0, -size, size), "s": 22,
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
        look: Look = {"color": CONTROL, "linewidth": 0.9} if rank else {"color": INTACT, "linewidth": 1.6}
        name = ("slowest", "second to sixth")[rank] if rank < 2 else None
        along.plot(attractor.logit[order], tau[order, rank], marker=".", markersize=3, label=name, **look)
    along.axhline(control.tau_1.value, color=NEUTRAL, linestyle="--", linewidth=1, label="slowest, untrained")
    along.set(yscale="log", xlabel="logit at the fixed point (nats)", ylabel="time constant τ (tokens)",
              title="Time constants along the curve", ylim=(None, 30 * np.nanmax(tau)))  # fmt: skip
    along.legend(fontsize=8, loc="upper center", ncols=2)
    label_panels((plane, along))
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


def dimension(found: Dimension) -> Figure:
    """Deflections' variance by axis beside random words, and what is left of the effect when axes are removed."""
    fig, (left, right) = figure(1, 2, height=2.8)
    axes, k = np.arange(1, len(found.shares) + 1), np.arange(len(found.left))
    left.bar(axes, found.shares, color=PERTURBED, width=0.6, label="modifiers")
    left.plot(axes, found.typical, "o-", color=CONTROL, markersize=4, label="random words, mean")
    left.plot(axes, found.limit, "_", color=INTACT, markersize=14, label="random words, 95 %")
    left.set(xlabel="axis", ylabel="share of squared deflection")
    right.axhline(0.1, color=NEUTRAL, linewidth=0.8, linestyle="--")
    right.plot(k, found.left, "o-", color=PERTURBED, markersize=4, label="on what is integrated (ℓ₁)")
    right.plot(k, found.left_now, "s--", color=INTACT, markersize=4, label="on the logit now (w)")
    if found.k is not None:
        right.axvline(found.k, color=NEUTRAL, linewidth=0.8)
    right.set(ylim=(0, 1.05), xlabel="axes removed", ylabel="effect left (share of r.m.s.)")
    for ax in (left, right):
        ax.legend()
    label_panels([left, right])
    return fig


def abolition(found: pd.DataFrame) -> Figure:
    """Gain of modifiers under each perturbation (:func:`rnnrev.perturb.abolition`), with intervals."""
    names = list(dict.fromkeys(found.perturbation))
    fig, ax = figure(height=0.9 + 0.45 * len(names))
    for j, (condition, part) in enumerate(found.groupby("condition", sort=False)):
        look: Look = {"color": MODIFIERS.get(str(condition), NEUTRAL), "marker": "v^so"[j]}
        gain = part.set_index("perturbation").gain
        intervals(
            {k: gain[k] for k in names}, ax=ax, look=look, offset=0.22 * (j - 1), label=str(condition),
            xlabel="gain: relative change of valence", reference=0,
        )  # fmt: skip
    ax.axvline(-1, color=NEUTRAL, linewidth=0.6, linestyle=":")
    ax.set_xlim(-2.4, 1.6)  # where hardly any valence is left, relative changes have no bounds
    ax.legend(fontsize=8)
    return fig


def _look(name: str, number: int) -> Look:
    """The first line is the intact network; lines called random or other words are controls."""
    dash = DASHES[number % len(DASHES)]
    if number == 0:
        return {"color": INTACT, "linestyle": "-", "marker": "o", "zorder": 4}
    if "random" in name or "other words" in name:  # hollow and larger: controls often lie on the intact line
        return {"color": CONTROL, "linestyle": dash, "marker": "s", "markersize": 7, "fillstyle": "none"}
    return {"color": (PERTURBED, *CYCLE[1:])[(number - 1) % len(CYCLE)], "linestyle": dash, "marker": "^"}


def emphasis(
    profiles: Mapping[str, Profile], xlabel: str = "tokens read before the word", *, ax: Axes | None = None
) -> Figure:
    """Emphasis against place, one line a condition, with 95 % bands; a line at 1, where words are only added up."""
    fig, ax = figure_of(ax, 3.2)
    ax.axhline(1, color=NEUTRAL, linewidth=0.8)
    ax.axhline(0, linewidth=0)  # unseen: it keeps zero on the axis, also where panels share one
    for number, (name, found) in enumerate(profiles.items()):
        band(ax, found.at, zip(found.value, *found.band), name, **_look(name, number))
    ax.set(xlabel=xlabel, ylabel="emphasis (× lasting valence)")
    ax.legend(ncols=1 + (len(profiles) > 4))
    return fig
