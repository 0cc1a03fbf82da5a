"""Figures of chapters 4 and 5: how much a word counts by where it stands, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..edges import MemoryTrace, ModeKernel, Profile, over_words
from ..stats import Estimate
from .style import CONTROL, CYCLE, INTACT, NEUTRAL, PERTURBED, architecture, figure, label_panels, sign_colors

__all__ = [
    "accuracies",
    "barcodes",
    "emphasis",
    "geometry",
    "kernel",
    "memories",
    "modes",
    "now_and_later",
    "panels",
    "ranges",
    "shares",
]

#: Line styles by role: the first line is the intact network, lines called random are controls.
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))


def _style(name: str, number: int) -> dict[str, Any]:
    known = architecture(name)
    if known["color"] != INTACT:
        return known
    if number == 0:
        return {"color": INTACT, "linestyle": "-", "marker": "o"}
    if "random" in name:
        return {"color": CONTROL, "linestyle": _DASHES[number % len(_DASHES)], "marker": "s"}
    colors = (PERTURBED, *CYCLE[1:])
    return {"color": colors[(number - 1) % len(colors)], "linestyle": _DASHES[number % len(_DASHES)], "marker": "^"}


def emphasis(
    profiles: Mapping[str, Profile],
    xlabel: str = "tokens read before the word",
    ylabel: str = "emphasis (× lasting valence)",
    ax: Axes | None = None,
) -> Figure:
    """Emphasis against place, one line a condition, with 95 % bands; a line at 1, where words are only added up."""
    made, ax = _axes(ax, 3.2)
    ax.axhline(1, color=NEUTRAL, linewidth=0.8)
    ax.axhline(0, linewidth=0)  # unseen: it keeps zero on the axis, also where panels share one
    for number, (name, found) in enumerate(profiles.items()):
        style = _style(name, number)
        low, high = found.band
        ax.fill_between(found.at, low, high, color=style["color"], alpha=0.15, linewidth=0)
        ax.plot(found.at, found.value, label=name, markersize=4, **style)
    ax.set_xlabel(xlabel)
    ax.set_ylabel(ylabel)
    ax.legend()
    return made


def memories(found: Mapping[str, MemoryTrace]) -> Figure:
    """How much of single words is left in the logit, by tokens after them: measured (solid), linear theory (dashed).

    Standard deviation over words, on a logarithmic axis, with 95 % bands over words; one panel a network.
    """
    made, axes = figure(1, len(found), height=3.0, sharey=True, squeeze=False)
    for ax, (name, memory) in zip(axes[0], found.items()):
        measured, predicted = (
            ("measured", memory.measured, "-", INTACT),
            ("linear theory", memory.predicted, "--", PERTURBED),
        )
        for label, effects, line, color in (measured, predicted):
            value, low, high = np.array(over_words(effects)).T
            ax.fill_between(memory.lags, low, high, color=color, alpha=0.15, linewidth=0)
            ax.plot(memory.lags, value, line, marker="o", markersize=4, color=color, label=label)
        ax.set(yscale="log", xlabel="tokens after the word", title=name)
    axes[0, 0].set_ylabel("left in the logit (nats, s.d.)")
    axes[0, 0].legend()
    label_panels(axes)
    return made


def panels(found: Mapping[str, Mapping[str, Profile]], xlabel: str = "tokens read before the word") -> Figure:
    """Several :func:`emphasis` plots side by side on one scale, each with its title."""
    made, axes = figure(1, len(found), height=3.2, sharey=True, squeeze=False)
    for ax, (title, profiles) in zip(axes[0], found.items()):
        emphasis(profiles, xlabel, "emphasis (× lasting valence)" if ax is axes[0, 0] else "", ax)
        ax.set_title(title)
        if ax is not axes[0, 0]:
            ax.get_legend().remove()
    label_panels(axes)
    return made


def shares(found: Mapping[str, float | np.ndarray]) -> Figure:
    """Share of a deflection in the modifier subspace: a point for one state, median and 95 % range for many."""
    return ranges(found, "share of the squared deflection in the subspace", (0, 1))


def ranges(found: Mapping[str, float | np.ndarray], xlabel: str, limits: tuple[float, float] | None = None) -> Figure:
    """One row a name: a point for one value, median and middle 95 % for many; controls are grey."""
    made, ax = figure(height=0.9 + 0.34 * len(found))
    for row, (name, value) in enumerate(found.items()):
        values = np.atleast_1d(value)
        color = CONTROL if "random" in name else INTACT
        if len(values) > 1:
            low, middle, high = np.percentile(values, [2.5, 50, 97.5])
            ax.plot([low, high], [row, row], color=color, linewidth=2)
            ax.plot(middle, row, "|", color=color, markersize=12, markeredgewidth=2)
        else:
            ax.plot(values, row, "o", color=color, markersize=8)
    ax.axvline(0, color=NEUTRAL, linewidth=0.8)
    ax.set_yticks(range(len(found)), list(found))
    ax.invert_yaxis()
    if limits is not None:
        ax.set_xlim(*limits)
    ax.set_xlabel(xlabel)
    return made


def barcodes(words: Sequence[str], found: Mapping[str, np.ndarray]) -> Figure:
    """Barcodes one above the other, probe words along x, in nats."""
    made, axes = figure(len(found), 1, height=1.2 + 0.9 * len(found), sharex=True, sharey=True, squeeze=False)
    for ax, (name, values) in zip(axes[:, 0], found.items()):
        ax.bar(range(len(words)), values, color=sign_colors(values), width=0.85)
        ax.axhline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_title(name)
    axes[-1, 0].set_xticks(range(len(words)), words, rotation=90, fontsize=8)
    made.supylabel("change of lasting valence (nats)", fontsize=10)
    return made


def geometry(cloud: np.ndarray, labels: Mapping[str, np.ndarray]) -> Figure:
    """The modifier subspace's first two axes: visited states (n, 2) as a cloud, and labelled points (2,)."""
    made, ax = figure(height=4.0)
    ax.scatter(*cloud.T, s=6, alpha=0.3, color=NEUTRAL, label="visited states")
    # neighbours by height get labels above and below their points in turn, so that they do not cover each other
    above = {name: (8, -8)[i % 2] for i, name in enumerate(sorted(labels, key=lambda n: labels[n][1]))}
    for name, (x, y) in labels.items():
        marker, color = ("*", INTACT) if name in ("h*", "h₀") else ("o", PERTURBED)
        ax.plot(x, y, marker, color=color, markersize=12 if marker == "*" else 6)
        ax.annotate(name, (x, y), xytext=(7, above[name]), textcoords="offset points", va="center")
    ax.set_xlabel("modifier axis 1")
    ax.set_ylabel("modifier axis 2")
    ax.legend(loc="best")
    return made


def kernel(found: ModeKernel, valence: np.ndarray, edges: Sequence[float] = (3, 10, 100)) -> Figure:
    """What each group of modes adds to the emphasis, against tokens after the word."""
    made, ax = figure(height=3.2)
    x = valence - valence.mean()

    def slope(parts: np.ndarray) -> np.ndarray:
        return x @ parts / (x @ x)

    ax.axhline(0, color=NEUTRAL, linewidth=0.8)
    ax.plot(found.lags, slope(found.total), color=INTACT, linewidth=2.4, label="all modes")
    for number, (name, parts) in enumerate(found.groups(edges).items()):
        ax.plot(found.lags, slope(parts), color=CYCLE[1 + number % 5], linestyle=_DASHES[number % 5], label=name)
    ax.set_xlabel("tokens after the word, n")
    ax.set_ylabel("emphasis (× lasting valence)")
    ax.legend(title="modes by τ in tokens (how many)")
    return made


def modes(found: ModeKernel, valence: np.ndarray) -> Figure:
    """Each mode's share of the emphasis at the last word against its time constant."""
    made, ax = figure(height=2.8)
    x = valence - valence.mean()
    share = np.einsum("k,ka->a", x, found.parts[:, :, 0]) / (x @ x)
    ax.axhline(0, color=NEUTRAL, linewidth=0.8)
    ax.vlines(found.tau, 0, share, color=CONTROL, linewidth=0.8)
    ax.scatter(found.tau, share, s=14, color=PERTURBED, zorder=3, label="other modes")
    ax.scatter(found.tau[found.slow], share[found.slow], s=36, color=INTACT, zorder=4, label="slow mode")
    ax.set_xscale("log")
    ax.set_xlabel("time constant τ (tokens)")
    ax.set_ylabel("emphasis at the last word")
    ax.legend()
    return made


def now_and_later(words: Sequence[str], now: np.ndarray, later: np.ndarray, slope: float) -> Figure:
    """Valence of words if the review ends at once against what lasts, each word a point; line through the middle."""
    made, ax = figure(height=4.2)
    span = np.array([later.min(), later.max()])
    ax.plot(span, span, color=NEUTRAL, linewidth=1, linestyle="--", label="counts the same")
    middle = now.mean() + slope * (span - later.mean())
    ax.plot(span, middle, color=INTACT, label=f"slope {slope:.2f}")
    ax.scatter(later, now, s=12, color=sign_colors(later))
    named = np.unique(np.r_[np.argsort(later)[[0, 1, 2, -3, -2, -1]], np.argsort(np.abs(now - middle.mean()))[-2:]])
    # labels of neighbours by height go above and below their points in turn
    for i, k in enumerate(named[np.argsort(now[named])]):
        at = (4, (5, -10)[i % 2])
        ax.annotate(words[k], (later[k], now[k]), xytext=at, textcoords="offset points", fontsize=8)
    ax.set_xlabel("lasting valence, n → ∞ (nats)")
    ax.set_ylabel("valence at the last word, n = 0 (nats)")
    ax.legend(loc="upper left")
    return made


def accuracies(found: Mapping[str, Estimate], xlabel: str = "accuracy", ax: Axes | None = None) -> Figure:
    """One value with its interval a row: the intact network first, controls in grey."""
    made, ax = _axes(ax, 0.9 + 0.34 * len(found))
    for row, (name, value) in enumerate(found.items()):
        color = _style(name, row)["color"]
        ax.plot([value.low, value.high], [row, row], color=color, linewidth=2)
        ax.plot(value.value, row, "o", color=color, markersize=6)
    ax.set_yticks(range(len(found)), list(found))
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)
    return made


def _axes(ax: Axes | None, height: float) -> tuple[Figure, Axes]:
    if ax is None:
        return figure(height=height)
    return ax.figure, ax  # type: ignore[return-value]
