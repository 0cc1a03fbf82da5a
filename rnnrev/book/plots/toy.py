"""Figures of "A language of twelve words": a state of two numbers, modes in the complex plane, kicks and their return.

Tables are the tidy record (:mod:`rnnrev.files`): columns ``network``, ``data``, ``measure``, ``condition``, ``at``, …
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...fixed_points import FixedPoints
from ...linear import OperatingPoint
from ...model import SentimentRNN
from ...plots.style import (
    CONTROL,
    INTACT,
    MODIFIERS,
    NEGATIVE,
    NEUTRAL,
    PERTURBED,
    POSITIVE,
    architecture,
    figure,
    label_panels,
)
from .. import inside

__all__ = ["factors", "first_order", "modes", "reaches", "trajectories", "two_units", "undone"]

NOT, VERY = MODIFIERS["negated"], MODIFIERS["intensified"]


def two_units(models: Mapping[str, SentimentRNN], phrases: Sequence[str]) -> Figure:
    """The whole phase plane of networks of two units: where *the* leads, the line of rest, paths of phrases from h₀.

    The horizontal axis is what the network says, the vertical one the mode that fades, in multiples of the kick of
    *not*.
    """
    fig, axes = figure(1, len(models), height=3.5, sharey=True)
    looks = dict(zip(phrases, ((INTACT, "o"), (NOT, "v"), (VERY, "^"))))
    for ax, (title, model) in zip(np.atleast_1d(axes), models.items()):
        model = model.astype(np.float64)
        point = inside.point_at(model, inside.fixed_points(model, inside.FIVE_WORDS))
        fading = point.modes.L[1 - point.slow].real
        scale = fading @ (inside.after(point, ["not"])[-1] - point.h_star)

        def place(h: np.ndarray, model=model, fading=fading, scale=scale, point=point) -> np.ndarray:
            return np.stack([model.readout(h), (h - point.h_star) @ fading / scale], -1)

        to_state = np.linalg.inv(np.stack([model.w, fading / scale]))
        x, y = np.meshgrid(np.linspace(-3.4, 3.4, 11), np.linspace(-1.4, 1.6, 9))
        wanted = np.stack([x - model.b, y + point.h_star @ fading / scale], -1)
        h = wanted @ to_state.T
        the = model.vocabulary.number("the")
        moved = place(model.cell.step_projected(h, model.projected[the].astype(float))) - place(h)
        ax.quiver(
            x, y, *np.moveaxis(moved, -1, 0), angles="xy", scale_units="xy", scale=1.6, color=NEUTRAL, width=0.003
        )
        ax.axhline(0, color=NEUTRAL, lw=6, alpha=0.25, zorder=0)
        for phrase, (color, marker) in looks.items():
            h = model.states([phrase])[0]
            path = place(h)
            ax.plot(*path.T, "-", color=color, lw=1.8, marker=marker, ms=6, label=f"“{phrase}”")
        ax.set(title=title, xlabel="what the network says", xlim=(-3.6, 3.6), ylim=(-1.5, 1.8))
    axes = np.atleast_1d(axes)
    axes[0].set_ylabel("fading mode (1: just after “not”)")
    axes[0].legend(loc="upper left")
    if len(axes) > 1:
        label_panels(axes)
    return fig


def _plane(ax: Axes) -> None:
    angle = np.linspace(0, 2 * np.pi, 200)
    ax.plot(np.cos(angle), np.sin(angle), color=NEUTRAL, lw=0.8)
    ax.axhline(0, color=NEUTRAL, lw=0.5, zorder=0)
    ax.axvline(0, color=NEUTRAL, lw=0.5, zorder=0)
    ax.set(aspect="equal", xlim=(-1.1, 1.15), ylim=(-1.1, 1.1), xlabel="Re λ", ylabel="Im λ")


def modes(point: OperatingPoint, found: Mapping[str, inside.Carrier]) -> Figure:
    """(a) All eigenvalues at x* = 0, those that carry a modifier marked; (b), (c) share of each modifier's effect that
    goes with each group of modes, by the size of its eigenvalue."""
    fig, axes = figure(1, 3, height=2.8, width_ratios=(1.15, 1, 1))
    eigvals = point.modes.eigvals
    _plane(axes[0])
    axes[0].plot(eigvals.real, eigvals.imag, ".", color=CONTROL, ms=5)
    own = eigvals[[point.slow]]
    axes[0].plot(own.real, own.imag, "s", color=INTACT, ms=6, label="integrates")
    for (word, carrier), color, marker, ax in zip(found.items(), (NOT, VERY), ("v", "^"), axes[1:]):
        best = eigvals[carrier.groups[carrier.best]]
        axes[0].plot(best.real, best.imag, marker, color=color, ms=7, label=word)
        size = np.abs(eigvals[[g[0] for g in carrier.groups]])
        pair = np.array([len(g) == 2 for g in carrier.groups])
        for which, look in ((pair, "o"), (~pair, "s")):
            ax.plot(size[which], carrier.undone[which], look, color=CONTROL, ms=4, mfc="none")
        ax.plot(size[carrier.best], carrier.undone[carrier.best], marker, color=color, ms=8)
        ax.axhline(0, color=NEUTRAL, lw=0.8, zorder=0)
        ax.axhline(1, color=NEUTRAL, lw=0.8, ls=":", zorder=0)
        ax.set(xlabel="|λ| of the mode", ylim=(-0.45, 1.35), title=f"“{word}” undone")
    axes[0].legend(loc="lower left", fontsize=8, handletextpad=0.2)
    label_panels(axes)
    return fig


def trajectories(point: OperatingPoint, points: FixedPoints, phrases: Sequence[str]) -> Figure:
    """Fixed points at x* = 0 and paths from h*: (a) along the readout and the kick of *not*, (b) and of *very*."""
    fig, axes = figure(1, 2, height=3.4)
    model, colors = point.model, (NOT, PERTURBED, VERY, POSITIVE)
    w = model.w / (model.w @ model.w)
    for ax, word in zip(axes, ("not", "very")):
        kick = inside.after(point, [word])[-1] - point.h_star
        kick = kick - (kick @ model.w) * w
        kick = kick / (kick @ kick)
        line = points.h_star - point.h_star
        said = model.readout(points.h_star)
        order = np.argsort(said)
        ax.plot(said[order], (line @ kick)[order], ".", color=NEUTRAL, ms=4, label="fixed points")
        for phrase, color, marker in zip(phrases, colors, "vDs^"):
            path = inside.after(point, phrase.split())
            x, y = model.readout(path), (path - point.h_star) @ kick
            ax.plot(x, y, "-", color=color, marker=marker, ms=4, label=f"“{phrase}”")
        ax.set(xlabel="what the network says", ylabel=f"along the kick of “{word}”", xlim=(-4, 4), ylim=(-1.2, 1.5))
    axes[0].legend(loc="lower left", fontsize=8)
    label_panels(axes)
    return fig


def factors(table: pd.DataFrame, reach: int = 4) -> Figure:
    """By what valence is multiplied so many tokens after *not*, a line a network: (a) by its own step from h*, (b) with
    the state moved by its modes alone."""
    fig, axes = figure(1, 2, height=2.8, sharey=True)
    own = table[(table.measure == "factor") & (table.data == f"twelve words/{reach}")]
    own = own[own.network.str.fullmatch(r"\w+-\d+-\d")]
    for ax, condition in zip(axes, ("network", "modes")):
        seen = set()
        for name, rows in own[own.condition == condition].groupby("network", sort=False):
            look = architecture(str(name))
            kind = str(name).split("-")[0]
            ax.plot(rows["at"], rows.value, lw=1, ms=3, label=None if kind in seen else kind, **look)
            seen.add(kind)
        ax.step([0.5, reach + 0.5, 12.5], [-1, -1, 1], where="post", color=INTACT, lw=3, alpha=0.2, zorder=0)
        ax.axhline(0, color=NEUTRAL, lw=0.8, zorder=0)
        ax.set(
            xlabel="tokens after “not”",
            ylim=(-1.6, 1.8),
            title="its own step" if condition == "network" else "by modes",
        )
    axes[0].set_ylabel("factor on valence")
    axes[0].legend(fontsize=8)
    label_panels(axes)
    return fig


def first_order(point: OperatingPoint, contexts: Sequence[str], words: Sequence[str]) -> Figure:
    """What words add by the input Jacobian, w·J_inp(h) x, against what they do add, in several contexts from h*."""
    fig, ax = figure(height=3.4)
    for context, color, marker in zip(contexts, (INTACT, VERY, NOT, PERTURBED), "o^vD"):
        h = inside.after(point, context.split())[-1]
        x, y = (inside.added(point, h, words, jacobian=j) for j in (True, False))
        ax.plot(x, y, marker, color=color, ls="none", label=f"after “{context}”")
    ax.axline((0, 0), slope=1, color=CONTROL, lw=1, ls="--", zorder=0)
    ax.set(xlabel="wᵀ J_inp(h) x", ylabel="wᵀ [F(h, x) − F(h, 0)]")
    ax.legend(fontsize=8)
    return fig


def undone(said: Mapping[str, float]) -> Figure:
    """What phrases add from h*, whole and with modes removed right after the modifier (``inside.undo``)."""
    fig, axes = figure(1, 2, height=2.3, sharey=True)
    for ax, phrase, truth in zip(axes, ("not a a bad", "very good"), ((1, -1), (2, 1))):
        rows = {
            k.removeprefix(phrase).removeprefix(" without ") or "whole": v
            for k, v in said.items()
            if k.startswith(phrase)
        }
        for y, value in enumerate(rows.values()):
            ax.plot([0, value], [y, y], "-", color=CONTROL, lw=1)
            ax.plot(value, y, "o", color=POSITIVE if value > 0 else NEGATIVE)
        ax.set_yticks(range(len(rows)), ["whole", *(f"without {k}" for k in list(rows)[1:])])
        ax.set_ylim(len(rows) - 0.4, -0.6)
        for value, style in zip(truth, ("-", ":")):
            ax.axvline(value, color=NEUTRAL, lw=0.8, ls=style, zorder=0)
        ax.axvline(0, color=NEUTRAL, lw=0.8, zorder=0)
        ax.set(xlabel="what the phrase adds", title=f"“{phrase}”", xlim=(-2.6, 2.6))
    label_panels(axes)
    return fig


def reaches(table: pd.DataFrame) -> Figure:
    """By the reach of *not*: (a) dimensions that carry it, balanced modes for R² ≥ .99; (b) its factor by lag."""
    fig, axes = figure(1, 2, height=2.8)
    own = table[table.network.str.fullmatch(r"gru-32-\d")]
    reach = own.data.str.extract(r"(\d+)$")[0].astype(int)
    looks = {
        ("dimensions", "not"): ("v", NOT, "modes that carry “not”"),
        ("balanced_needed", ""): ("o", INTACT, "balanced modes"),
    }
    for (measure, condition), (marker, color, label) in looks.items():
        rows = own[(own.measure == measure) & (own.condition == condition)]
        axes[0].plot(reach[rows.index], rows.value, marker, color=color, ms=6, mfc="none", label=label)
    axes[0].set(xlabel="reach of “not” (tokens)", ylabel="how many", xticks=sorted(set(reach)), ylim=(0, None))
    axes[0].legend(fontsize=8)
    for r, color in zip(sorted(set(reach)), (POSITIVE, NOT, VERY, PERTURBED)):
        rows = own[
            (reach == r) & (own.measure == "factor") & (own.condition == "network") & own.network.str.endswith("-0")
        ]
        axes[1].plot(rows["at"], rows.value, "o-", ms=3, color=color, label=f"{r} tokens")
    axes[1].axhline(0, color=NEUTRAL, lw=0.8, zorder=0)
    axes[1].set(xlabel="tokens after “not”", ylabel="factor on valence")
    axes[1].legend(fontsize=8)
    label_panels(axes)
    return fig
