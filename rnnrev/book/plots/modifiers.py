"""Figures of chapter 3: words that turn the volume of other words up and down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from ...linear import ModeKernel
from ...modifiers import Barcodes, Probes, Ranking, Transients
from ...plots.report import abolition, dimension
from ...plots.style import (
    CONTROL,
    CYCLE,
    INTACT,
    MODIFIERS,
    NEUTRAL,
    PERTURBED,
    VALENCE_MAP,
    Look,
    architecture,
    band,
    figure,
    intervals,
    label_panels,
)
from ...subspace import Volume
from ..modifiers import Plane
from . import log_ticks, sign_colors

__all__ = [
    "abolition", "barcodes", "by_dimension", "costs", "dimension", "flips", "gains", "judgement", "modes", "networks",
    "plane", "ranking", "transients", "volume",
]  # fmt: skip

_LOOKS: dict[str, Look] = {
    kind: {"color": MODIFIERS[condition], "marker": marker, "markersize": 5}
    for kind, condition, marker in (
        ("negator", "negated", "v"), ("amplifier", "intensified", "^"), ("downtoner", "diminished", "s")
    )
}  # fmt: skip
_COLORS: dict[str, str] = {kind: look["color"] for kind, look in _LOOKS.items()} | {
    "intensifier": MODIFIERS["intensified"], "diminisher": MODIFIERS["diminished"]
}  # fmt: skip


def _cloud(ax: Axes, x: np.ndarray, y: np.ndarray, words: pd.Series, lexicon: pd.DataFrame) -> None:
    """All words in grey, the grammar's in colour."""
    ax.plot(x, y, ".", color="#C4C4C4", markersize=3, rasterized=True, label="any frequent word")
    kinds = words.map(dict(zip(lexicon.word, lexicon.kind))).to_numpy()
    for kind, look in _LOOKS.items():
        ax.plot(x[kinds == kind], y[kinds == kind], label=kind, linestyle="none", **look)


def ranking(table: pd.DataFrame, lexicon: pd.DataFrame) -> Figure:
    """What each word does to positive against negative probes, as factors; the grammar's words in colour."""
    fig, (left, right) = figure(1, 2, height=3.8, width_ratios=(1.25, 1))
    factor = 1 + table[["positive", "negative"]].to_numpy()
    _cloud(left, factor[:, 0], factor[:, 1], table.word, lexicon)
    known = table[table.word.isin(lexicon.word)].sort_values("gain")
    for words, x, side, heights in ((known[:6], 0.4, "left", (0.03, 0.33)), (known[-6:], 0.42, "right", (0.62, 0.97))):
        for word, height in zip(words.itertuples(), np.linspace(*heights, 6)):
            left.annotate(
                word.word, (1 + word.positive, 1 + word.negative), (x, height), textcoords="axes fraction", fontsize=8,
                ha=side, va="center", arrowprops={"arrowstyle": "-", "lw": 0.4, "color": NEUTRAL},
            )  # fmt: skip
    low, high = max(0.08, 0.8 * factor.min()), 1.4 * factor.max()
    left.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    log_ticks(left.xaxis, low, high)
    log_ticks(left.yaxis, low, high)
    left.axhline(1, color=NEUTRAL, linewidth=0.6)
    left.axvline(1, color=NEUTRAL, linewidth=0.6)
    left.set(xlabel="positive words after it count (×)", ylabel="negative words after it count (×)")
    left.legend(loc="lower right", fontsize=8, handletextpad=0.2, borderaxespad=0)
    linear = (table.positive_jacobian + table.negative_jacobian) / 2
    right.plot(linear, table.gain, ".", color="#9A9A9A", markersize=3, rasterized=True)
    right.axline((0, 0), slope=1, color=INTACT, linewidth=0.8)
    right.set(xlabel="gain from the Jacobian, ΔJ_inp", ylabel="gain from the network's step")
    label_panels([left, right])
    return fig


def judgement(found: Mapping[str, Ranking]) -> Figure:
    """AUC of rankings against the grammar with intervals, and precision at 20 and 50 beside chance."""
    fig, (left, right) = figure(1, 2, height=1.4 + 0.25 * len(found), sharey=True)
    intervals({k: r.auc for k, r in found.items()}, ax=left, xlabel="AUC against matched words", reference=0.5)
    rows = range(len(found))
    looks = (("precision20", "o", CYCLE[1]), ("precision50", "s", CYCLE[5]), ("chance", "|", NEUTRAL))
    for field, marker, color in looks:
        values = [getattr(r, field) for r in found.values()]
        label = field.replace("precision", "top ")
        right.plot(values, rows, marker, color=color, markersize=12 if marker == "|" else 6, label=label)
    right.set(xlim=(-0.02, 1), xlabel="share of the top that the grammar lists")
    right.legend(fontsize=8, loc="upper right")
    label_panels([left, right])
    return fig


def barcodes(codes: Barcodes, kinds: Sequence[str]) -> Figure:
    """Barcodes as rows of a heat map: the change of what each probe adds, relative to the mean of its sign."""
    order = np.argsort(codes.finite @ codes.probes.valence)[::-1]
    sign = codes.probes.sign
    rows = codes.finite[order] / np.where(sign > 0, *np.abs(codes.probes.by_sign(codes.probes.valence)))
    fig, ax = figure(height=0.9 + 0.19 * len(order))
    limit = np.quantile(np.abs(rows), 0.98)
    image = ax.imshow(rows, cmap=VALENCE_MAP, norm=TwoSlopeNorm(0, -limit, limit), aspect="auto")
    ax.set_yticks(range(len(order)), [codes.words[i] for i in order], fontsize=8)
    ax.set_xticks(range(len(sign)), codes.probes.words, rotation=90, fontsize=7)
    for text, i in zip(ax.get_yticklabels(), order):
        text.set_color(_COLORS.get(kinds[i], INTACT))
    for text, color in zip(ax.get_xticklabels(), sign_colors(sign)):
        text.set_color(color)
    ax.axvline(np.sum(sign > 0) - 0.5, color=INTACT, linewidth=0.8)
    fig.colorbar(image, ax=ax, label="change of what the probe adds (×)", shrink=0.6)
    return fig


def plane(swept: Plane, probes: Probes, marks: Mapping[str, np.ndarray]) -> Figure:
    """Valence over the modifier plane: of the positive and of the negative probes, with where modifiers lead to.

    ``marks`` are coordinates (k,) in the subspace by name.
    """
    fig, axes = figure(1, 2, height=3.7, sharey=True)
    factors = probes.by_sign(swept.valence) / probes.by_sign(probes.valence)
    for ax, factor, title in zip(axes, np.moveaxis(factors, -1, 0), ("positive probes", "negative probes")):
        size = np.log2(np.maximum(factor, 1e-2))
        # steps of a quarter: a smooth ramp is a large picture
        look = {"cmap": VALENCE_MAP, "norm": TwoSlopeNorm(0, -4, 4), "levels": np.linspace(-4, 4, 33)}
        image = ax.contourf(swept.x, swept.y, size, extend="both", **look)
        lines = ax.contour(swept.x, swept.y, factor, [0, 0.25, 0.5, 1, 2, 4], colors=INTACT, linewidths=0.6)
        ax.clabel(lines, fmt="×%g", fontsize=7)
        for name, c in marks.items():
            ax.plot(*c[:2], "o", color=INTACT, markersize=3)
            ax.annotate(name, c[:2], (3, 2), textcoords="offset points", fontsize=8, color=INTACT)
        ax.plot(0, 0, "+", color=INTACT, markersize=9)
        ax.set(xlim=swept.x[[0, -1]], ylim=swept.y[[0, -1]], xlabel="first axis of the modifier subspace", title=title)
    axes[0].set_ylabel("second axis")
    fig.colorbar(image, ax=axes, label="valence, log₂ of the factor", shrink=0.8)
    label_panels(axes)
    return fig


def volume(found: Volume, words: pd.Series, lexicon: pd.DataFrame) -> Figure:
    """The volume knob: factor on valence against the first coordinate, of ``words`` and of states along the axis."""
    fig, ax = figure(height=3.3)
    _cloud(ax, found.coordinate, found.factor, words, lexicon)
    ax.plot(found.x, np.maximum(found.curve, 0.02), color=INTACT, label="the state moved along the axis")
    ax.set(yscale="log", xlim=found.x[[0, -1]], ylim=(0.8 * found.factor.min(), 1.3 * found.factor.max()))
    log_ticks(ax.yaxis, found.factor.min(), found.factor.max())
    ax.set(xlabel="coordinate on the first axis of the modifier subspace", ylabel="factor on valence (×)")
    ax.axhline(1, color=NEUTRAL, linewidth=0.6)
    ax.legend(fontsize=8)
    return fig


def transients(found: Transients, shown: Sequence[str], half_lives: Mapping[str, np.ndarray]) -> Figure:
    """Gain against tokens after the modifier, measured and linear; and half-lives by kind."""
    fig, (left, right) = figure(1, 2, height=3.2, width_ratios=(1.5, 1))
    for color, i in zip(CYCLE, map(found.words.index, shown)):
        left.plot(found.gain[i], "-", color=color, label=found.words[i])
        left.plot(found.linear_gain[i], ":", color=color)
    left.axhline(0, color=NEUTRAL, linewidth=0.6)
    left.set(xlim=(0, 20), xlabel="average tokens after the modifier", ylabel="gain on the valence of the next word")
    left.set_xticks(range(0, 21, 5))
    left.legend()
    for row, (name, values) in enumerate(half_lives.items()):
        jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(values))
        right.plot(values, row + jitter, ".", color=_COLORS[name], markersize=5)
        right.plot(np.median(values), row, "|", color=INTACT, markersize=22, markeredgewidth=2)
    right.set_yticks(range(len(half_lives)), [f"{name}s" for name in half_lives])
    right.set(ylim=(-0.6, len(half_lives) - 0.4), xlabel="half-life of the gain (tokens)")
    right.set_xlim(left=0)
    label_panels([left, right])
    return fig


def modes(account: ModeKernel, words: Sequence[str]) -> Figure:
    """A modifier's gain by the time constants of the modes that carry it, one panel a word."""
    fig, axes = figure(1, len(words), height=2.8, sharex=True, squeeze=False)
    for i, (ax, word) in enumerate(zip(axes[0], words)):
        for color, (name, part) in zip(CYCLE[1:], account.by_tau().items()):
            ax.plot(part[i, :20], color=color, label=name)
        ax.plot(account.total[i, :20], color=INTACT, linestyle="--", label="all modes")
        ax.axhline(0, color=NEUTRAL, linewidth=0.6)
        ax.set(title=word, xlabel="tokens after")
    axes[0, 0].set_ylabel("gain, to first order")
    axes[0, -1].legend(fontsize=8)
    label_panels(axes)
    return fig


def by_dimension(found: pd.DataFrame) -> Figure:
    """Gain left when axes are removed: the modifiers' (:func:`.by_dimension`) and, each draw, others'."""
    conditions = [c for c in ("negated", "intensified") if c in set(found.condition)]
    fig, axes = figure(1, len(conditions), height=2.8, squeeze=False)
    for ax, condition in zip(axes[0], conditions):
        for (name, draw), part in found[found.condition == condition].groupby(["subspace", "draw"]):
            label = str(name) if draw == 0 else None
            if name == "modifiers":
                band(ax, part.dim, part.gain, label, alpha=0.2, color=PERTURBED, marker="o")
            else:
                ax.plot(part.dim, [gain.value for gain in part.gain], "--", color=CONTROL, label=label)
        ax.axhline(0, color=NEUTRAL, linewidth=0.6)
        ax.set(xlabel="axes removed", title=condition)
    axes[0, 0].set_ylabel("gain")
    axes[0, 0].legend(title="axes of")
    label_panels(axes)
    return fig


def gains(found: pd.DataFrame) -> Figure:
    """What modifiers add to valence, base × gain in nats, against the gain on the subspace; and plain valence.

    ``found`` is a table of :func:`rnnrev.perturb.abolition` whose perturbations are named by their gain.
    """
    fig, (left, right) = figure(1, 2, height=2.8)
    for condition, part in found.groupby("condition", sort=False):
        x, added = part.perturbation.astype(float), [b.value * g.value for b, g in zip(part.base, part.gain)]
        left.plot(x, added, "o-", color=MODIFIERS[str(condition)], markersize=4, label=condition)
        if condition == "negated":
            band(right, x, part.base, color=INTACT, marker="o")
    left.axhline(0, color=NEUTRAL, linewidth=0.6)
    for ax in (left, right):
        ax.axvline(1, color=NEUTRAL, linewidth=0.6, linestyle="--")
        ax.set_xlabel("gain on the modifier subspace")
    left.set_ylabel("what modifiers add to valence (nats)")
    right.set_ylabel("valence without modifier (nats)")
    left.legend()
    label_panels([left, right])
    return fig


def flips(found: pd.DataFrame) -> Figure:
    """Gains after every epoch of small networks (``scripts/flips.py``): texts by column, labels by line, all seeds."""
    labels = {"hard": (INTACT, "-"), "soft": (CYCLE[2], "--"), "smoothed": (CYCLE[3], ":")}
    names = {"imdb": "film reviews", "sst5": "phrases", "yelp": "restaurants", "all": "all three"}
    fig, axes = figure(2, len(names), height=4.4, sharex=True, sharey="row")
    found = found[found["at"].notna()]
    for row, kind in zip(axes, ("negated", "intensified")):
        for ax, (data, title) in zip(row, names.items()):
            for name, (color, dashes) in labels.items():
                own = found[(found.network == f"{data}-{name}") & (found.measure == f"gain_{kind}")]
                for condition, part in own.groupby("condition"):
                    look: Look = {"linewidth": 0.6, "alpha": 0.6} if condition else {"linewidth": 1.8, "label": name}
                    ax.plot(part["at"], part["value"], color=color, linestyle=dashes, **look)
            ax.axhline(0, color=NEUTRAL, linewidth=0.6)
            if kind == "negated":
                ax.axhline(-1, color=NEUTRAL, linewidth=0.6, linestyle="--")
                ax.set_title(title)
        row[0].set_ylabel(f"gain, {kind}")
    for ax in axes[1]:
        ax.set(xlabel="epoch", xticks=range(1, 6))
    axes[1, -1].legend(fontsize=8, title="labels")
    label_panels(axes[:, 0])
    return fig


def _rows(table: pd.DataFrame, key: str) -> dict[str, tuple[float, float, float]]:
    return {row[key]: (row["value"], row["low"], row["high"]) for row in table.to_dict("records")}


def costs(measured: pd.DataFrame, network: str, data: str) -> Figure:
    """Accuracy lost under each perturbation, from a measured table (:mod:`rnnrev.measure`)."""
    rows = measured.query("network == @network and data == @data and measure == 'accuracy_lost'")
    return intervals(_rows(rows, "condition"), xlabel="accuracy lost", reference=0, percent=0)


def networks(measured: pd.DataFrame, data: str) -> Figure:
    """Gain of modifiers in each network of a measured table, intact (filled) and with axes removed."""
    names = list(dict.fromkeys(measured.network[(measured.data == data) & measured.measure.str.startswith("gain_")]))
    fig, axes = figure(1, 2, height=0.9 + 0.4 * len(names), sharey=True)
    series = {"intact": "full", "other words removed": "left", "modifiers removed": "none"}
    for ax, kind in zip(axes, ("negated", "intensified")):
        for number, (condition, fill) in enumerate(series.items()):

            def look(name: str, fill: str = fill) -> Look:
                return {k: v for k, v in architecture(name).items() if k != "linestyle"} | {"fillstyle": fill}

            part = measured[(measured.data == data) & (measured.measure == f"gain_{kind}")]
            rows = _rows(part[part.condition == condition], "network")
            rows = {name: rows.get(name, (np.nan, np.nan, np.nan)) for name in names}
            intervals(rows, ax=ax, look=look, offset=0.22 * (number - 1), reference=0, xlabel=f"gain, {kind}")
        ax.set_xlim(-1.6, 1.6)  # as in `abolition`
    label_panels(axes)
    return fig
