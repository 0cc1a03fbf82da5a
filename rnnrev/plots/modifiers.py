"""Figures of chapter 3: words that turn the volume of other words up and down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from ..modifiers import Barcodes, ModeAccount, Probes, Transients
from ..stats import Estimate
from ..subspace import Dimension, Plane, Volume
from .style import (
    CONTROL,
    CYCLE,
    INTACT,
    MODIFIERS,
    NEUTRAL,
    PERTURBED,
    VALENCE_MAP,
    architecture,
    figure,
    label_panels,
    log_ticks,
    sign_colors,
)

__all__ = [
    "abolition",
    "barcodes",
    "costs",
    "dimension",
    "gains",
    "judgement",
    "modes",
    "networks",
    "plane",
    "ranking",
    "transients",
    "volume",
]

KINDS = {
    "negator": MODIFIERS["negated"],
    "amplifier": MODIFIERS["intensified"],
    "intensifier": MODIFIERS["intensified"],
    "downtoner": MODIFIERS["diminished"],
    "diminisher": MODIFIERS["diminished"],
    "other": NEUTRAL,
}
_MARKERS = {"negator": "v", "amplifier": "^", "downtoner": "s"}


def ranking(table: Any, lexicon: Any, n_named: int = 12) -> Figure:
    """What each word does to positive against negative probes, as factors; the grammar's words in colour."""
    made, (left, right) = figure(1, 2, height=3.8, width_ratios=(1.25, 1))
    frequent = table[table.kind != "rare"]
    factor = 1 + frequent[["positive", "negative"]].to_numpy()
    left.plot(*factor.T, ".", color="#C4C4C4", markersize=3, rasterized=True, label="any frequent word")
    role = dict(zip(lexicon.word, lexicon.kind))
    kinds = frequent.word.map(role)
    for kind, marker in _MARKERS.items():
        hit = (kinds == kind).to_numpy()
        left.plot(*factor[hit].T, marker, color=KINDS[kind], markersize=5, label=kind, linestyle="none")
    named = frequent[kinds.notna()].sort_values("gain")
    for part, x, heights in (
        (named[: n_named // 2], 0.4, np.linspace(0.03, 0.33, n_named // 2)),
        (named[-(n_named // 2) :], 0.42, np.linspace(0.62, 0.97, n_named // 2)),
    ):
        for word, height in zip(part.itertuples(), heights):
            left.annotate(
                word.word, (1 + word.positive, 1 + word.negative), (x, height), textcoords="axes fraction", fontsize=8,
                ha="left" if x < 0.41 else "right", va="center",
                arrowprops={"arrowstyle": "-", "lw": 0.4, "color": NEUTRAL},
            )  # fmt: skip
    low = max(0.08, 0.8 * factor.min())
    for axis in (left.xaxis, left.yaxis):
        axis.axes.set_xscale("log")
        axis.axes.set_yscale("log")
    left.set_xlim(low, 1.4 * factor.max())
    left.set_ylim(low, 1.4 * factor.max())
    _plain_log(left, low, factor.max())
    left.axhline(1, color=NEUTRAL, linewidth=0.6)
    left.axvline(1, color=NEUTRAL, linewidth=0.6)
    left.set_xlabel("positive words after it count (×)")
    left.set_ylabel("negative words after it count (×)")
    left.legend(loc="lower right", fontsize=8, handletextpad=0.2, borderaxespad=0)
    linear = (frequent.positive_jacobian + frequent.negative_jacobian) / 2
    right.plot(linear, frequent.gain, ".", color="#9A9A9A", markersize=3, rasterized=True)
    ends = [min(linear.min(), frequent.gain.min()), max(linear.max(), frequent.gain.max())]
    right.plot(ends, ends, color=INTACT, linewidth=0.8)
    right.set_xlabel("gain from the Jacobian, ΔJ_inp")
    right.set_ylabel("gain from the network's step")
    label_panels([left, right])
    return made


def _plain_log(ax: Any, low: float, high: float) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    ticks = [t for t in (0.1, 0.2, 0.5, 1, 2, 4, 8) if low <= t <= 1.4 * high]
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_ticks(ticks)
        axis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axis.set_minor_formatter(NullFormatter())


def judgement(found: Mapping[str, Mapping[str, Any]]) -> Figure:
    """AUC of rankings against the grammar with intervals, and precision at 20 and 50 beside chance."""
    made, (left, right) = figure(1, 2, height=2.2 + 0.12 * len(found), sharey=True)
    y = np.arange(len(found))[::-1]
    for row, judged in zip(y, found.values()):
        value, low, high = judged["auc"]
        left.plot([low, high], [row, row], color=INTACT)
        left.plot(value, row, "o", color=INTACT, markersize=5)
        for key, marker, color in (("precision20", "o", CYCLE[1]), ("precision50", "s", CYCLE[5])):
            right.plot(judged[key], row, marker, color=color, markersize=6)
        right.plot(judged["chance"], row, "|", color=NEUTRAL, markersize=12)
    left.axvline(0.5, color=NEUTRAL, linewidth=0.8, linestyle="--")
    left.set_yticks(y, list(found))
    left.set_xlabel("AUC against matched words")
    left.set_xlim(0.3, 1)
    right.set_xlim(-0.02, 1)
    right.set_xlabel("share of the top that the grammar lists")
    handles = [
        right.plot([], [], m, color=c, markersize=6)[0] for m, c in (("o", CYCLE[1]), ("s", CYCLE[5]), ("|", NEUTRAL))
    ]
    right.legend(handles, ["top 20", "top 50", "chance"], fontsize=8, loc="upper right")
    label_panels([left, right])
    return made


def barcodes(codes: Barcodes, kinds: Sequence[str] | None = None) -> Figure:
    """Barcodes as rows of a heat map: the change of what each probe adds, relative to the mean size of its sign."""
    order = np.argsort(codes.finite @ codes.probes.valence)[::-1]
    sign = codes.probes.sign
    size = np.where(
        sign > 0, np.abs(codes.probes.valence[sign > 0]).mean(), np.abs(codes.probes.valence[sign < 0]).mean()
    )
    made, ax = figure(height=0.9 + 0.19 * len(order))
    shown = codes.finite[order] / size
    limit = np.quantile(np.abs(shown), 0.98)
    image = ax.imshow(shown, cmap=VALENCE_MAP, norm=TwoSlopeNorm(0, -limit, limit), aspect="auto")
    ax.set_yticks(range(len(order)), [codes.words[i] for i in order], fontsize=8)
    if kinds is not None:
        for text, i in zip(ax.get_yticklabels(), order):
            text.set_color(KINDS.get(kinds[i], INTACT))
    ax.set_xticks(range(len(sign)), codes.probes.words, rotation=90, fontsize=7)
    for text, s in zip(ax.get_xticklabels(), sign):
        text.set_color(sign_colors([s])[0])
    ax.axvline(np.sum(sign > 0) - 0.5, color=INTACT, linewidth=0.8)
    made.colorbar(image, ax=ax, label="change of what the probe adds (×)", shrink=0.6)
    return made


def dimension(found: Dimension | Mapping[str, Any]) -> Figure:
    """Deflections' variance by axis beside random words, and what is left of the effect when axes are removed."""
    get = found.__getitem__ if isinstance(found, Mapping) else lambda k: getattr(found, k)
    made, (left, right) = figure(1, 2, height=2.8)
    axes = np.arange(1, len(get("shares")) + 1)
    left.bar(axes, get("shares"), color=PERTURBED, width=0.6, label="modifiers")
    left.plot(axes, get("typical"), "o-", color=CONTROL, markersize=4, label="random words, mean")
    left.plot(axes, get("limit"), "_", color=INTACT, markersize=14, label="random words, 95 %")
    left.set_xlabel("axis")
    left.set_ylabel("share of squared deflection")
    left.legend()
    k = np.arange(len(get("left")))
    right.axhline(0.1, color=NEUTRAL, linewidth=0.8, linestyle="--")
    right.plot(k, get("left"), "o-", color=PERTURBED, markersize=4, label="on what is integrated (ℓ₁)")
    right.plot(k, get("left_now"), "s--", color=INTACT, markersize=4, label="on the logit now (w)")
    right.axvline(len(get("shares")) if get("k") is None else get("k"), color=NEUTRAL, linewidth=0.8)
    right.set_ylim(0, 1.05)
    right.set_xlabel("axes removed")
    right.set_ylabel("effect left (share of r.m.s.)")
    right.legend()
    label_panels([left, right])
    return made


def plane(swept: Plane, probes: Probes, marks: Mapping[str, np.ndarray]) -> Figure:
    """Valence over the modifier plane: of the positive and of the negative probes, with where modifiers lead to.

    ``marks`` are coordinates (k,) in the subspace by name.
    """
    made, axes = figure(1, 2, height=3.7, sharey=True)
    for ax, sign, title in zip(axes, (1, -1), ("positive probes", "negative probes")):
        chosen = probes.sign == sign
        factor = swept.valence[..., chosen].mean(-1) / probes.valence[chosen].mean()
        size = np.log2(np.maximum(factor, 1e-2))
        image = ax.pcolormesh(
            swept.x, swept.y, size, cmap=VALENCE_MAP, norm=TwoSlopeNorm(0, -4, 4), rasterized=True, shading="gouraud"
        )
        lines = ax.contour(swept.x, swept.y, factor, [0, 0.25, 0.5, 1, 2, 4], colors=INTACT, linewidths=0.6)
        ax.clabel(lines, fmt="×%g", fontsize=7)
        for name, c in marks.items():
            ax.plot(c[0], c[1], "o", color=INTACT, markersize=3)
            ax.annotate(name, c[:2], (3, 2), textcoords="offset points", fontsize=8, color=INTACT)
        ax.plot(0, 0, "+", color=INTACT, markersize=9)
        ax.set_xlim(swept.x[0], swept.x[-1])
        ax.set_ylim(swept.y[0], swept.y[-1])
        ax.set_xlabel("first axis of the modifier subspace")
        ax.set_title(title)
    axes[0].set_ylabel("second axis")
    made.colorbar(image, ax=axes, label="valence, log₂ of the factor", shrink=0.8)
    label_panels(axes)
    return made


def volume(found: Volume, words: Sequence[str], lexicon: Any) -> Figure:
    """The volume knob: factor on valence against the first coordinate, of ``words`` and of states along the axis."""
    made, ax = figure(height=3.3)
    ax.plot(
        found.coordinate, found.factor, ".", color="#C4C4C4", markersize=3, rasterized=True, label="any frequent word"
    )
    role = dict(zip(lexicon.word, lexicon.kind))
    kinds = np.array([role.get(w, "") for w in words])
    for kind, marker in _MARKERS.items():
        hit = kinds == kind
        style: dict[str, Any] = {"color": KINDS[kind], "markersize": 5, "linestyle": "none", "label": kind}
        ax.plot(found.coordinate[hit], found.factor[hit], marker, **style)
    ax.plot(found.x, np.maximum(found.curve, 0.02), color=INTACT, label="the state moved along the axis")
    ax.set_yscale("log")
    log_ticks(ax.yaxis, found.factor.min(), found.factor.max())
    ax.set_xlabel("coordinate on the first axis of the modifier subspace")
    ax.set_ylabel("factor on valence (×)")
    ax.axhline(1, color=NEUTRAL, linewidth=0.6)
    ax.set_ylim(0.8 * found.factor.min(), 1.3 * found.factor.max())
    ax.set_xlim(found.x[0], found.x[-1])
    ax.legend(fontsize=8)
    return made


def transients(found: Transients, shown: Sequence[str], half_lives: Mapping[str, np.ndarray]) -> Figure:
    """Gain against tokens after the modifier, measured and linear; and half-lives by kind."""
    made, (left, right) = figure(1, 2, height=3.2, width_ratios=(1.5, 1))
    n = np.arange(found.gain.shape[1])
    for color, word in zip(CYCLE, shown):
        i = found.words.index(word)
        left.plot(n, found.gain[i], "-", color=color, label=word)
        left.plot(n, found.linear_gain[i], ":", color=color)
    left.axhline(0, color=NEUTRAL, linewidth=0.6)
    left.set_xlim(0, min(20, n[-1]))
    left.set_xlabel("average tokens after the modifier")
    left.set_ylabel("gain on the valence of the next word")
    left.legend()
    for row, (name, values) in enumerate(half_lives.items()):
        jitter = np.random.default_rng(0).uniform(-0.18, 0.18, len(values))
        right.plot(values, row + jitter, ".", color=KINDS[name], markersize=5)
        right.plot(np.median(values), row, "|", color=INTACT, markersize=22, markeredgewidth=2)
    right.set_yticks(range(len(half_lives)), [f"{name}s" for name in half_lives])
    right.set_ylim(-0.6, len(half_lives) - 0.4)
    right.set_xlim(left=0)
    right.set_xlabel("half-life of the gain (tokens)")
    label_panels([left, right])
    return made


def modes(account: ModeAccount, words: Sequence[str], shown: int = 20) -> Figure:
    """A modifier's gain by the time constants of the modes that carry it, one panel a word."""
    made, axes = figure(1, len(words), height=2.8, sharex=True, squeeze=False)
    n = np.arange(min(shown, account.parts.shape[-1]))
    for i, (ax, word) in enumerate(zip(axes[0], words)):
        for color, (name, part) in zip(CYCLE[1:], account.groups().items()):
            ax.plot(n, part[i, : len(n)], color=color, label=name)
        ax.plot(n, account.total[i, : len(n)], color=INTACT, linestyle="--", label="all modes")
        ax.axhline(0, color=NEUTRAL, linewidth=0.6)
        ax.set_title(word)
        ax.set_xlabel("tokens after")
    axes[0, 0].set_ylabel("gain, to first order")
    axes[0, -1].legend(fontsize=8)
    label_panels(axes)
    return made


_CONDITIONS = ("negated", "intensified", "diminished", "control")


def _perturbation_color(name: str) -> str:
    if name == "intact":
        return INTACT
    return CONTROL if name.startswith("random") else PERTURBED if "modif" in name else CYCLE[5]


def abolition(found: Mapping[str, Any], perturbations: Sequence[str] | None = None) -> Figure:
    """Gain of modifiers under each perturbation with intervals, one panel a set of texts.

    ``found`` maps a title to a table (or list of rows) of :func:`rnnrev.perturb.abolition`.
    """
    import pandas as pd

    tables = {k: pd.DataFrame(v) for k, v in found.items()}
    first = next(iter(tables.values()))
    names = list(dict.fromkeys(first.perturbation)) if perturbations is None else list(perturbations)
    made, axes = figure(1, len(tables), height=0.9 + 0.5 * len(names), sharey=True, squeeze=False)
    for ax, (title, table) in zip(axes[0], tables.items()):
        for row, name in enumerate(names[::-1]):
            for j, condition in enumerate(c for c in _CONDITIONS if c in set(table.condition)):
                hit = table[(table.perturbation == name) & (table.condition == condition)]
                if hit.empty:
                    continue
                value, low, high = hit.gain.iloc[0]
                y = row + 0.24 - 0.16 * j
                color = MODIFIERS.get(condition, NEUTRAL)
                ax.plot([low, high], [y, y], color=color)
                marker = "vs^o"[("negated", "diminished", "intensified", "control").index(condition)]
                ax.plot(value, y, marker, color=color, markersize=5, label=condition if row == 0 else None)
        ax.axvline(0, color=NEUTRAL, linewidth=0.8)
        ax.axvline(-1, color=NEUTRAL, linewidth=0.6, linestyle=":")
        ax.set_xlim(-2.4, 1.6)  # where hardly any valence is left, relative changes have no bounds
        ax.set_yticks(range(len(names)), names[::-1])
        ax.set_xlabel("gain: relative change of valence")
        ax.set_title(title)
    for text, name in zip(axes[0, 0].get_yticklabels(), names[::-1]):
        text.set_color(_perturbation_color(name))
    made.legend(*axes[0, -1].get_legend_handles_labels(), fontsize=8, loc="outside upper center", ncols=4)
    label_panels(axes)
    return made


def gains(rows: Any) -> Figure:
    """Effect of modifiers on the logit, base × gain in nats, against the gain set on the modifier subspace."""
    import pandas as pd

    table = pd.DataFrame(rows)
    made, (left, right) = figure(1, 2, height=2.8)
    for condition in [c for c in _CONDITIONS if c in set(table.condition)]:
        part = table[table.condition == condition]
        x = part.perturbation.astype(float).to_numpy()
        base, gain = (np.array([list(v) for v in part[k]]) for k in ("base", "gain"))
        left.plot(
            x, base[:, 0] * gain[:, 0], "o-", color=MODIFIERS.get(condition, NEUTRAL), markersize=4, label=condition
        )
        if condition == "negated":
            right.fill_between(x, base[:, 1], base[:, 2], color=INTACT, alpha=0.15, linewidth=0)
            right.plot(x, base[:, 0], "o-", color=INTACT, markersize=4)
    left.axhline(0, color=NEUTRAL, linewidth=0.6)
    for ax in (left, right):
        ax.axvline(1, color=NEUTRAL, linewidth=0.6, linestyle="--")
        ax.set_xlabel("gain on the modifier subspace")
    left.set_ylabel("what modifiers add to valence (nats)")
    right.set_ylabel("valence without modifier (nats)")
    left.legend()
    label_panels([left, right])
    return made


def costs(found: Any) -> Figure:
    """Test accuracy under each perturbation, with intervals."""
    import pandas as pd

    table = pd.DataFrame(found)
    made, ax = figure(height=0.8 + 0.3 * len(table))
    for row, (name, estimate) in enumerate(zip(table.perturbation[::-1], table.accuracy[::-1])):
        value, low, high = Estimate(*estimate)
        color = _perturbation_color(name)
        ax.plot([low, high], [row, row], color=color)
        ax.plot(value, row, "o", color=color, markersize=6)
    ax.set_yticks(range(len(table)), list(table.perturbation[::-1]))
    ax.set_xlabel("test accuracy")
    ax.xaxis.set_major_formatter(lambda v, _: f"{v:.0%}")
    return made


def networks(records: Mapping[str, Mapping[str, Any]], shown: Sequence[str] = ("negated", "intensified")) -> Figure:
    """Gain of modifiers, intact and with the subspace removed, for each network."""
    made, axes = figure(1, len(shown), height=0.9 + 0.35 * len(records), sharey=True, squeeze=False)
    y = np.arange(len(records))[::-1]
    for ax, condition in zip(axes[0], shown):
        for row, (name, record) in zip(y, records.items()):
            for perturbation, offset, filled in (("intact", 0.12, True), ("modifiers removed", -0.12, False)):
                hit = [
                    r for r in record["phrases"] if r["perturbation"] == perturbation and r["condition"] == condition
                ]
                value, low, high = hit[0]["gain"]
                style = architecture(name)
                ax.plot([low, high], [row + offset] * 2, color=style["color"])
                ax.plot(
                    value, row + offset, style["marker"], color=style["color"], markersize=6,
                    markerfacecolor=style["color"] if filled else "white",
                )  # fmt: skip
        ax.axvline(0, color=NEUTRAL, linewidth=0.8)
        ax.set_xlabel(f"gain, {condition}")
    axes[0, 0].set_yticks(y, list(records))
    axes[0, 0].set_ylim(-0.6, len(records) - 0.4)
    label_panels(axes)
    return made
