"""Figures of the chapter "The network in a few numbers": what is written, what is read, and the plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import CenteredNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ...balanced import Chart, ReducedRNN
from ...plots.style import (
    CONTROL,
    CYCLE,
    INTACT,
    NEGATIVE,
    NEUTRAL,
    PERTURBED,
    POSITIVE,
    VALENCE_MAP,
    figure,
    figure_of,
    intervals,
    label_panels,
)
from ..plane import landscape
from . import sign_colors

__all__ = ["by_number", "covariances", "fields", "landscapes", "matrices", "oblique", "paths", "roles", "spectrum"]

_VOLUME = "volume (s.d.)"
_MEMORY = "memory (s.d.)"


# --- before any formula -----------------------------------------------------------------------------


def oblique(r: Sequence[float], l: Sequence[float], h: Sequence[float]) -> Figure:
    """A right vector, a left vector and a state in the plane: what ℓ reads, and two ways to take r out of the state.

    (a) the lines on which ℓ reads the same; (b) the state moved along r: obliquely, until ℓ reads nothing (I − rℓᵀ),
    and at a right angle to r (I − rrᵀ/‖r‖²), after which ℓ still reads something.
    """
    right, left, state = np.asarray(r, float), np.asarray(l, float), np.asarray(h, float)
    left = left / (left @ right)
    fig, axes = figure(1, 2, height=2.9, sharex=True, sharey=True)
    along = np.array([-left[1], left[0]])
    for ax in axes:
        for c in range(-4, 6):
            ax.axline(c * right, c * right + along, color=NEUTRAL, linewidth=0.6, linestyle=":" if c else "-")
        _arrow(ax, right, POSITIVE, "r")
        ax.set(xlim=(-2.9, 2.4), ylim=(-0.9, 2.4), aspect="equal", xlabel="unit 1")
    axes[0].set(ylabel="unit 2", title="what ℓ reads")
    _arrow(axes[0], left, NEGATIVE, "ℓ")
    axes[1].set_title("a state without r")
    _arrow(axes[1], state, INTACT, "h")
    ends = {
        "ℓ reads 0": (state - (left @ state) * right, PERTURBED),
        "right angle": (state - (right @ state) / (right @ right) * right, CONTROL),
    }
    for name, (end, color) in ends.items():
        axes[1].plot(*np.array([state, end]).T, color=color, linestyle="--", linewidth=1)
        axes[1].plot(*end, "o", color=color, markersize=6)
        axes[1].annotate(name, end, xytext=(0, 8), textcoords="offset points", color=color, fontsize=9, ha="center")
    label_panels(axes)
    return fig


def _arrow(ax: Axes, end: np.ndarray, color: str, name: str) -> None:
    """From the origin."""
    look = {"arrowstyle": "-|>", "color": color, "linewidth": 1.8, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", tuple(end), (0, 0), arrowprops=look)
    ax.annotate(name, tuple(end), xytext=(5, 4), textcoords="offset points", color=color, fontsize=11)


def covariances(C: np.ndarray, A: np.ndarray, states: np.ndarray) -> Figure:
    """Two covariances (2, 2) of a network of two units: states (n, 2) and their ellipse, adjoints, and both balanced.

    (a) where states are, with the first principal axis; (b) which directions are read; (c) both in balanced
    coordinates, where they are one ellipse. Ellipses are at two standard deviations.
    """
    fig, axes = figure(1, 3, height=2.8)
    L_c, L_a = np.linalg.cholesky(C), np.linalg.cholesky(A)
    U, s, Vt = np.linalg.svd(L_a.T @ L_c)
    Phi, Psi = L_c @ Vt.T / np.sqrt(s), L_a @ U / np.sqrt(s)
    sign = np.sign(Phi[0, 0])
    span = 2.4 * np.sqrt(max(C.max(), A.max(), s[0]))
    first = np.linalg.eigh(C)[1][:, -1]
    axes[0].axline([0, 0], first, color=NEUTRAL, linestyle="--", linewidth=1)
    axes[0].text(0.03, 0.04, "– – principal axis", color=NEUTRAL, fontsize=8, transform=axes[0].transAxes)
    for ax, points in ((axes[0], states), (axes[2], states @ Psi)):
        ax.plot(*points.T, ".", color=CONTROL, markersize=2, alpha=0.5)
    _ellipse(axes[0], C, POSITIVE)
    _ellipse(axes[1], A, NEGATIVE)
    _ellipse(axes[2], np.diag(s), POSITIVE)
    _ellipse(axes[2], np.diag(s), NEGATIVE, "--")
    for ax, v, name in ((axes[0], Phi, "φ₁"), (axes[1], Psi, "ψ₁")):
        _arrow(ax, 2 * np.sqrt(s[0]) * sign * v[:, 0], INTACT, name)
    for ax, title, x, y in zip(
        axes, ("written: states", "read: adjoints", "balanced: both"), ("unit 1", "unit 1", "z₁"), ("unit 2", "", "z₂")
    ):
        ax.set(title=title, xlabel=x, ylabel=y, aspect="equal", xlim=(-span, span), ylim=(-span, span))
    label_panels(axes)
    return fig


def _ellipse(ax: Axes, C: np.ndarray, color: str, linestyle: str = "-") -> None:
    """Two standard deviations around zero."""
    angle = np.linspace(0, 2 * np.pi, 200)
    ax.plot(*(2 * np.linalg.cholesky(C) @ [np.cos(angle), np.sin(angle)]), color=color, linestyle=linestyle)


# --- how many, and which ------------------------------------------------------------------------------


def spectrum(shares: Mapping[str, Sequence[float]]) -> Figure:
    """Shares of the first Hankel singular values, one line a network, on a logarithmic axis."""
    fig, ax = figure()
    for number, (name, share) in enumerate(shares.items()):
        marker = "osD^vP*"[number % 7]
        ax.plot(
            range(1, len(share) + 1), share, marker=marker, markersize=4, label=name, color=CYCLE[number % len(CYCLE)]
        )
    ax.set(yscale="log", xlabel="mode", ylabel="share of all σ")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(fontsize=8, ncols=2)
    return fig


def by_number(panels: Mapping[str, Mapping[str, pd.DataFrame]], ylabel: str, chance: float | None = None) -> Figure:
    """A score against how many numbers are kept, or taken out: one panel each, one line a condition, with intervals.

    ``panels``: title -> condition -> rows with columns ``at``, ``value``, ``low``, ``high``. The first condition is
    the one in question, black; the rest are what it is compared with.
    """
    fig, axes = figure(1, len(panels), height=3.4, sharey=True, squeeze=False)
    for ax, (title, conditions) in zip(axes[0], panels.items()):
        for number, (name, rows) in enumerate(conditions.items()):
            rows = rows.sort_values("at")
            color = (INTACT, *CYCLE[1:], CONTROL, NEUTRAL)[number % 8]
            bars = np.abs(rows[["low", "high"]].to_numpy().T - rows.value.to_numpy())
            place = rows["at"] * (1 + 0.03 * (number - len(conditions) / 2))
            ax.errorbar(
                place, rows.value, yerr=bars, label=name, color=color, capsize=2, markersize=4,
                marker="osD^vPX*"[number % 8], linewidth=2 if not number else 1, linestyle="-" if not number else "--",
            )  # fmt: skip
        if chance is not None:
            ax.axhline(chance, color=NEUTRAL, linewidth=0.8)
        ax.set(xscale="log", xlabel="numbers", title=title)
        ax.set_xticks([1, 2, 3, 5, 8], ["1", "2", "3", "5", "8"])
        ax.minorticks_off()
    axes[0, 0].set_ylabel(ylabel)
    fig.legend(*axes[0, 0].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3)
    label_panels(axes)
    return fig


def roles(panels: Mapping[str, Mapping[str, Sequence[float | None]]]) -> Figure:
    """Coordinates of h₀ and of words, one panel an axis, one row a name, in standard deviations."""
    fig, axes = figure(1, len(panels), height=1.2 + 0.32 * max(map(len, panels.values())), sharey=True, squeeze=False)
    for ax, (title, rows) in zip(axes[0], panels.items()):
        intervals(rows, ax=ax, xlabel="s.d.", reference=0)
        ax.set_title(title)
    label_panels(axes)
    return fig


# --- the plane ------------------------------------------------------------------------------------------


def fields(small: ReducedRNN, words: Sequence[str], z: np.ndarray, texts: Sequence[str] = ()) -> Figure:
    """What each word does at each place of the plane, as arrows over visited states (n, 2); then texts as paths."""
    x, y, columns = (-2.6, 2.6), (-2.0, 4.5), 3
    places = np.stack(np.meshgrid(np.linspace(*x, 10), np.linspace(*y, 10)), -1).reshape(-1, 2)
    panels = len(words) + bool(texts)
    rows = -(-panels // columns)
    fig, axes = figure(rows, columns, height=2.5 * rows + 0.3, sharex=True, sharey=True, squeeze=False)
    few = z[:250]  # the cloud stands in every panel, and weighs
    logits = small.readout(few)
    for ax, word, moved in zip(axes.flat, words, small.steps(words, places)):
        ax.scatter(
            few[:, 0], few[:, 1], c=logits, s=2, cmap=VALENCE_MAP, norm=CenteredNorm(0, 4), alpha=0.6, rasterized=True
        )
        ax.quiver(*places.T, *moved.T, angles="xy", scale_units="xy", scale=1, width=0.006, color=INTACT)
        ax.set(title=f"“{word}”", xlim=x, ylim=y)
    spare = list(axes.flat[len(words) :])
    if texts:
        paths(small, texts, z, ax=spare.pop(0))
    for ax in spare:
        ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel(_MEMORY)
    for ax in axes[:, 0]:
        ax.set_ylabel(_VOLUME)
    label_panels(axes.flat[:panels])
    return fig


def paths(small: ReducedRNN, texts: Sequence[str], z: np.ndarray, *, ax: Axes | None = None) -> Figure:
    """Texts as paths through the plane, from h₀ (square) to the state that is read at the end (circle)."""
    fig, ax = figure_of(ax, 3.6)
    ax.scatter(z[:, 0], z[:, 1], s=2, color=CONTROL, alpha=0.3, rasterized=True)
    for number, (text, path) in enumerate(zip(texts, small.states(texts))):
        color = CYCLE[number % len(CYCLE)]
        ax.plot(*path.T, color=color, linewidth=1.3, linestyle=("-", "--", "-.", ":")[number % 4], label=text)
        ax.plot(*path[-1], "o", color=color, markersize=5)
    ax.plot(*small.cell.h0, "s", color=INTACT, markersize=6)
    ax.annotate("h₀", tuple(small.cell.h0), xytext=(6, -3), textcoords="offset points")
    ax.legend(fontsize=6.5, loc="lower left", handlelength=1.6, frameon=True, borderpad=0.3)
    ax.set_title("sentences")
    return fig


def landscapes(charts: Mapping[str, Chart]) -> Figure:
    """Where the average word leads in the plane of each network: flow, fixed points, basins (dashed) and h₀."""
    fig, axes = figure(-(-len(charts) // 3), 3, height=2.9 * -(-len(charts) // 3), sharex=True, sharey=True)
    for ax, (name, chart) in zip(axes.flat, charts.items()):
        found = landscape(chart.small)
        speed = np.log10(np.linalg.norm(found.step, axis=-1))
        ax.contourf(found.x, found.y, speed, levels=8, cmap="Greys", vmax=speed.max() + 1.5)
        flow = np.moveaxis(found.step, -1, 0)
        ax.streamplot(found.x, found.y, *flow, color=NEUTRAL, density=0.5, linewidth=0.6, arrowsize=0.6)
        ax.contour(found.x, found.y, found.step[..., 1], [0], colors=PERTURBED, linewidths=1.6)
        edges = np.unique(found.basin)[1:] - 0.5
        if len(edges):
            ax.contour(found.x, found.y, found.basin, edges, colors=INTACT, linewidths=1, linestyles="--")
        ax.plot(*chart.visited[:250].T, ".", color=POSITIVE, markersize=1.2, alpha=0.5, rasterized=True)
        for point, stable in zip(found.fixed, found.stable):
            ax.plot(*point, "o", color=INTACT, markersize=6, fillstyle="full" if stable else "none")
        ax.plot(*chart.small.cell.h0, "s", color=INTACT, markersize=5)
        ax.set(xlim=found.x[[0, -1]], ylim=found.y[[0, -1]])
        ax.set_title(name, loc="left")
    for ax in axes.flat[len(charts) :]:
        ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel(_MEMORY)
    for ax in axes[:, 0]:
        ax.set_ylabel(_VOLUME)
    label_panels(axes.flat[: len(charts)])
    return fig


def matrices(frame: pd.DataFrame, named: Sequence[str]) -> Figure:
    """Words as small matrices (:func:`rnnrev.book.plane.word_matrices`, k = 2).

    (a) valence b₁ against what one standard deviation of volume adds to it, A₁₂: on a line, volume multiplies;
    (b) valence against what the word does to the volume, b₂.
    """
    fig, axes = figure(1, 2, height=3.6, sharex=True)
    for ax, column, label in (
        (axes[0], "A12", "more of it one s.d. up, A₁₂ (s.d.)"), (axes[1], "b2", "move of the volume, b₂ (s.d.)"),
    ):  # fmt: skip
        ax.axhline(0, color=NEUTRAL, linewidth=0.6)
        ax.axvline(0, color=NEUTRAL, linewidth=0.6)
        ax.scatter(
            frame.b1, frame[column], s=5, c=sign_colors(frame.b1, 0.05), alpha=0.5, linewidths=0, rasterized=True
        )
        for number, word in enumerate(sorted(frame.index.intersection(named), key=frame.b1.get)):
            if column == "b2" or abs(frame.b1[word]) > 0.1:
                # neighbours by valence get their labels on either side
                at, side = (frame.b1[word], frame[column][word]), (-1) ** number
                ha = "left" if side > 0 else "right"
                ax.annotate(word, at, xytext=(4 * side, 2 * side), textcoords="offset points", fontsize=8, ha=ha)
        ax.set(xlabel="valence, b₁ (s.d. of memory)", ylabel=label)
    label_panels(axes)
    return fig
