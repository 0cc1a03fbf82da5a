"""Figures of chapter 2: low-dimensional states, the curve of fixed points, its modes, words, and the linear model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from ..stats import Estimate
from .style import CONTROL, CYCLE, INTACT, NEGATIVE, NEUTRAL, POSITIVE, VALENCE_MAP, architecture, figure, label_panels

__all__ = [
    "architectures",
    "curve",
    "dimensions",
    "directions",
    "predictions",
    "references",
    "sampling",
    "spectra",
    "words",
]


def _interval(ax: Axes, x: Any, row: float, **options: Any) -> None:
    """One estimate with its interval, given as an Estimate or as [value, low, high]; nothing where it is missing."""
    value, low, high = (np.nan if v is None else float(v) for v in x)
    if np.isfinite(value):
        look: dict[str, Any] = {"marker": "o", "capsize": 3, "linestyle": "none"} | options
        ax.errorbar(value, row, xerr=[[max(value - low, 0)], [max(high - value, 0)]], **look)


def dimensions(trained: Any, untrained: Any) -> Figure:
    """Cumulative PCA variance of visited states; both as :func:`rnnrev.line_attractor.dimensionality` gives them."""
    fig, ax = figure(height=2.9)
    for found, label, color, style in ((trained, "trained", INTACT, "-"), (untrained, "untrained", CONTROL, "--")):
        number = np.arange(1, len(found.cumulative) + 1)
        ax.plot(number, found.cumulative, color=color, linestyle=style, label=label, marker="o", markersize=3)
        ax.fill_between(number, found.low, found.high, color=color, alpha=0.25, linewidth=0)
    ax.axhline(0.9, color=NEUTRAL, linewidth=0.8, linestyle=":")
    ax.set(xscale="log", xlabel="principal components", ylabel="share of variance", ylim=(0, 1.02))
    ax.set_xticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    ax.minorticks_off()
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="lower right")
    return fig


def _valence_norm(values: Any) -> TwoSlopeNorm:
    size = float(np.max(np.abs(values)))
    return TwoSlopeNorm(0, -size, size)


def curve(attractor: Any, states: np.ndarray) -> Figure:
    """The visited states, the fixed points among them and their curve; and the logit along it.

    ``attractor`` is of :func:`rnnrev.line_attractor.find_attractor`, ``states`` (n, S) of ``visited_states``.
    """
    fig, (plane, along) = figure(1, 2, height=3.4, width_ratios=[1.25, 1])
    centre = states.mean(0)
    axes = np.linalg.svd(states - centre, full_matrices=False)[2][:2]
    axes = axes * np.where(axes @ (attractor.h_star[-1] - attractor.h_star[0]) < 0, -1, 1)[:, None]
    cloud, points, line = ((h - centre) @ axes.T for h in (states[::5], attractor.h_star, attractor.curve))
    norm = _valence_norm(attractor.logit)
    plane.scatter(*cloud.T, s=3, color="#D0D0D0", linewidths=0, label="visited states", rasterized=True)
    plane.plot(*line.T, color=INTACT, linewidth=1.2, label="curve")
    dots = plane.scatter(
        *points.T, c=attractor.logit, cmap=VALENCE_MAP, norm=norm, s=22, edgecolors="black", linewidths=0.5,
        label="fixed points", zorder=3,
    )  # fmt: skip
    plane.set(xlabel="PC 1 of the states", ylabel="PC 2", title="States and fixed points")
    plane.legend(loc="best", markerscale=1.2)
    along.scatter(attractor.arc, attractor.logit, c=attractor.logit, cmap=VALENCE_MAP, norm=norm, s=22,
                  edgecolors="black", linewidths=0.5)  # fmt: skip
    along.axhline(0, color=NEUTRAL, linewidth=0.8, linestyle=":")
    along.set(xlabel="arc length along the curve", ylabel="logit (nats)", title="Logit along the curve")
    fig.colorbar(dots, ax=along, label="logit (nats)")
    label_panels((plane, along))
    return fig


def spectra(attractor: Any, found: Any, control: Any) -> Figure:
    """Eigenvalues at the middle of the curve, trained and untrained; and the longest time constants along the curve.

    ``found`` and ``control`` are of :func:`rnnrev.line_attractor.mode_spectra`.
    """
    fig, (plane, along) = figure(1, 2, height=3.3)
    middle = int(np.abs(attractor.logit).argmin())
    turn = np.linspace(0, 2 * np.pi, 200)
    plane.plot(np.cos(turn), np.sin(turn), color=NEUTRAL, linewidth=0.8)
    for modes, at, color, marker, label in (
        (control.modes, 0, CONTROL, "x", "untrained"),
        (found.modes, middle, INTACT, "o", "trained"),
    ):
        eigvals = modes.eigvals[at]
        plane.scatter(
            eigvals.real, eigvals.imag, s=12, color=color, marker=marker, linewidths=0.7, alpha=0.7, label=label
        )
    slow = found.modes.eigvals[middle, found.slow[middle]]
    plane.scatter(slow.real, slow.imag, s=70, facecolors="none", edgecolors=POSITIVE, linewidths=1.5, label="slow mode")
    plane.set(xlabel="real part of λ", ylabel="imaginary part of λ", aspect="equal", title="Eigenvalues of J_rec")
    fig.legend(*plane.get_legend_handles_labels(), fontsize=8, loc="outside lower left", ncols=3, handletextpad=0.2)

    tau = np.sort(np.where(found.modes.eigvals.imag < 0, 0, np.abs(found.modes.tau)), axis=-1)[:, ::-1]
    order = np.argsort(attractor.logit)
    for mode in range(6):
        look = {"color": INTACT, "linewidth": 1.6} if mode == 0 else {"color": CONTROL, "linewidth": 0.9}
        name = ("slow mode", "modes 2 to 6")[mode] if mode < 2 else None
        along.plot(attractor.logit[order], tau[order, mode], marker=".", markersize=3, label=name, **look)
    fresh = np.median(np.abs(control.modes.tau).max(-1))
    along.axhline(fresh, color=NEUTRAL, linestyle="--", linewidth=1, label="untrained, slowest")
    along.set(yscale="log", xlabel="logit at the fixed point (nats)", ylabel="time constant |τ| (tokens)",
              title="Time constants along the curve")  # fmt: skip
    along.set_ylim(top=30 * np.max(tau))
    along.legend(fontsize=8, loc="upper center", ncols=2)
    label_panels((plane, along))
    return fig


def directions(attractor: Any, found: Any) -> Figure:
    """Cosines along the curve; ``found`` is of :func:`rnnrev.line_attractor.alignment`."""
    fig, (left, right) = figure(1, 2, height=3.0, sharey=True)
    order = np.argsort(attractor.logit)
    x = attractor.logit[order]
    groups = (
        (left, (("r_tangent", "r₁", INTACT, "-"), ("others_tangent", "best of r₂ … r₆", CONTROL, "--"))),
        (
            right,
            (("r_w", "r₁", INTACT, "-"), ("l_w", "ℓ₁", CYCLE[1], "-."), ("others_w", "best of r₂ … r₆", CONTROL, "--")),
        ),
    )
    for ax, lines in groups:
        for key, label, color, style in lines:
            ax.plot(x, found.along[key][order], color=color, linestyle=style, marker=".", markersize=3, label=label)
        ax.axhline(found.chance, color=NEUTRAL, linewidth=0.8, linestyle=":")
        ax.text(x[-1], found.chance, "chance (95 %)", va="bottom", ha="right", fontsize=8, color=NEUTRAL)
        ax.set(xlabel="logit at the fixed point (nats)", ylim=(0, 1.2))
        ax.legend(fontsize=8, loc="upper center", ncols=3)
    left.set(ylabel="|cosine|", title="with the tangent of the curve")
    right.set(title="with the readout w")
    label_panels((left, right))
    return fig


def words(
    measured: np.ndarray,
    known: np.ndarray,
    kinds: np.ndarray,
    names: Sequence[str],
    n_named: int = 7,
    control: Any = None,
) -> Figure:
    """A scatter of words and the distributions of positive, neutral and negative ones.

    Parameters
    ----------
    measured, known : arrays, (n,)
        What the slow mode makes of each word, and its β, both in nats.
    kinds : array, (n,)
        1, 0, −1 or NaN, of :func:`rnnrev.line_attractor.word_kinds`.
    names : list of str
        The words; the ``n_named`` largest and smallest by ``measured`` are written out.
    control : array, (n,), optional
        ``measured`` by another mode.
    """
    fig, (scatter, spread) = figure(1, 2, height=3.6, width_ratios=[1.35, 1])
    scatter.axhline(0, color=NEUTRAL, linewidth=0.6)
    scatter.axvline(0, color=NEUTRAL, linewidth=0.6)
    if control is not None:
        scatter.scatter(known, control, s=4, color=CONTROL, linewidths=0, alpha=0.5, label="second mode")
    scatter.scatter(known, measured, s=5, color=INTACT, linewidths=0, alpha=0.6, label="slow mode")
    order = np.argsort(measured)
    for rank, i in enumerate([*order[:n_named], *order[-n_named:][::-1]]):
        side = 1 if rank >= n_named else -1
        place = (
            0.02 if side < 0 else 0.98,
            0.04 + 0.06 * (rank % n_named) if side < 0 else 0.96 - 0.06 * (rank % n_named),
        )
        scatter.annotate(
            names[i], (known[i], measured[i]), xytext=place, textcoords="axes fraction", fontsize=7.5,
            ha="left" if side < 0 else "right", va="center", color=POSITIVE if side > 0 else NEGATIVE,
            arrowprops={"arrowstyle": "-", "color": "#BBBBBB", "linewidth": 0.4, "shrinkA": 0, "shrinkB": 1},
        )  # fmt: skip
    room = np.ptp(known) * 0.3
    scatter.set_xlim(known.min() - room, known.max() + room)
    scatter.set(xlabel="β of the bag of words (nats)", ylabel="effect through the mode (nats)")
    scatter.legend(loc="upper left", fontsize=8, markerscale=2)
    bins = np.linspace(measured.min(), measured.max(), 40)
    for kind, label, color, hatch in (
        (-1, "negative", NEGATIVE, "//"),
        (0, "neutral", NEUTRAL, ""),
        (1, "positive", POSITIVE, "\\\\"),
    ):
        spread.hist(measured[kinds == kind], bins, color=color, alpha=0.55, label=label, hatch=hatch, edgecolor=color)
    spread.set(xlabel="effect through the slow mode (nats)", ylabel="words")
    spread.legend()
    label_panels((scatter, spread))
    return fig


def predictions(
    logits: Mapping[str, np.ndarray], scores: Mapping[str, Mapping[str, Any]], shown: Sequence[str]
) -> Figure:
    """Predicted against true logits for the ``shown`` variants, and r² and agreement of all of them.

    Both mappings are of :func:`rnnrev.line_attractor.linear_predictions`.
    """
    columns = len(shown)
    fig, axes = figure(2, columns, height=5.6, height_ratios=[1, 1.15])
    full = logits["network"]
    for ax, name in zip(axes[0], shown):
        ax.axline((0, 0), slope=1, color=NEUTRAL, linewidth=0.8, linestyle=":")
        right = (full > 0) == (logits[name] > 0)
        ax.scatter(full[right], logits[name][right], s=7, color=INTACT, linewidths=0, alpha=0.6)
        ax.scatter(full[~right], logits[name][~right], s=12, color=NEGATIVE, marker="x", linewidths=0.8)
        ax.set(xlabel="network (nats)", title=name.removeprefix("control: "))
        ax.set_title(name, fontsize=8.5)
    axes[0][0].set_ylabel("linear model (nats)")
    grid = axes[1][0].get_gridspec()
    for ax in axes[1]:
        ax.remove()
    below = grid[1, :].subgridspec(1, 2, wspace=0.08)
    left, right_ax = fig.add_subplot(below[0]), fig.add_subplot(below[1])
    for row, (name, score) in enumerate(scores.items()):
        color = CONTROL if name.startswith("control") else INTACT
        _interval(left, score["r2"], row, color=color)
        _interval(right_ax, score["agree"], row, color=color)
    left.set_yticks(range(len(scores)), list(scores), fontsize=8)
    right_ax.set_yticks(range(len(scores)), [])
    right_ax.axvline(0.5, color=NEUTRAL, linewidth=0.8, linestyle=":")
    for ax in (left, right_ax):
        ax.set_ylim(len(scores) - 0.5, -0.5)
    left.set(xlabel="squared correlation of logits", xlim=(-0.03, 1.03))
    right_ax.set(xlabel="share of reviews with the same sign", xlim=(0.35, 1.02))
    right_ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return fig


def references(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """The three references side by side; rows are of :func:`rnnrev.line_attractor.compare_references`."""
    panels = (
        ("tau_1", "τ₁ (tokens)", "log"),
        ("gap", "τ₁ / τ₂", "linear"),
        ("n_slow", "modes with τ > 100", "linear"),
        ("effect", "polar words' effect (nats)", "linear"),
        ("sorting", "rank correlation with β", "linear"),
        ("r2", "r² of the linear model", "linear"),
    )
    fig, axes = figure(2, 3, height=3.9, sharey=True)
    for ax, (key, label, scale) in zip(np.ravel(axes), panels):
        for row, found in enumerate(rows):
            _interval(ax, found[key], row, color=INTACT if found["reference"] == "mean map" else CONTROL)
        ax.set(xlabel=label, xscale=scale)
        if scale == "linear":
            ax.set_xlim(min(0, ax.get_xlim()[0]), 1.03 if key in ("sorting", "r2") else None)
        else:
            _decades(ax, [v for r in rows for v in r[key]])
        ax.set_yticks(range(len(rows)), [r["reference"] for r in rows])
        ax.set_ylim(len(rows) - 0.5, -0.5)
    return fig


def _decades(ax: Axes, values: Sequence[Any]) -> None:
    """Whole decades as the limits of a log axis, so that it always has labels."""
    known = np.array([v for v in values if v is not None and np.isfinite(v) and v > 0])
    ax.set_xlim(10 ** np.floor(np.log10(known.min())), 10 ** np.ceil(np.log10(known.max())))


def architectures(records: Mapping[str, Mapping[str, Any]]) -> Figure:
    """The claims in every architecture: name -> record of :func:`rnnrev.line_attractor.measure`.

    Filled markers are the trained network, hollow ones its control, as each panel's label says.
    """
    panels: tuple[tuple[str, Any, Any, str], ...] = (
        ("dimensions of the states\n(participation ratio)", ("dimensionality", "participation"),
         ("dimensionality_untrained", "participation"), "log"),
        ("fixed points: variance on a curve\n(hollow: visited states)", ("curve", "on_curve"),
         ("curve_of_states", "on_curve"), "linear"),
        ("slowest mode, τ₁ (tokens)\n(hollow: second, τ₂)", ("spectra", "tau_1"), ("spectra", "tau_2"), "log"),
        ("|cos| of r₁ and tangent\n(hollow: best of modes 2–6)", ("alignment", "r_tangent"),
         ("alignment", "others_tangent"), "linear"),
        ("words: rank correlation with β\n(hollow: shuffled)", ("sorting", "rank"),
         ("sorting_shuffled", "rank"), "linear"),
        ("linear model: r²\n(hollow: shuffled words)", ("linear", "nearest, finite effects", "r2"),
         ("linear", "control: shuffled words", "r2"), "linear"),
    )  # fmt: skip
    fig, axes = figure(2, 3, height=4.8, sharey=True)
    for ax, (label, path, control, scale) in zip(np.ravel(axes), panels):
        for row, (name, record) in enumerate(records.items()):
            look = architecture(name)
            look = {"color": look.get("color", INTACT), "marker": look.get("marker", "o")}
            _interval(ax, _at(record, control), row + 0.18, **look, markerfacecolor="white")
            _interval(ax, _at(record, path), row - 0.12, **look)
        ax.set_xlabel(label, fontsize=8.5)
        ax.set_xscale(scale)
        if scale == "linear":
            ax.set_xlim(min(-0.05, ax.get_xlim()[0]), max(1.05, ax.get_xlim()[1]))
        else:
            _decades(ax, [v for r in records.values() for key in (path, control) for v in _at(r, key)])
        ax.set_yticks(range(len(records)), list(records))
        ax.set_ylim(len(records) - 0.4, -0.6)
    label_panels(axes)
    return fig


def _at(record: Mapping[str, Any], path: Sequence[str]) -> Estimate:
    found: Any = record
    for key in path:
        found = found[key]
    return Estimate(*(np.nan if v is None else v for v in found))


def sampling(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """How the result settles as F̄ averages over more tokens: rows with ``n_tokens``, ``shift``, ``cosine``, ``tau``."""
    fig, axes = figure(1, 3, height=2.6)
    n = [r["n_tokens"] for r in rows]
    panels = (
        ("shift", "distance of F̄(h*) from that over all words"),
        ("cosine", "|cos| of ℓ₁ with all words' ℓ₁"),
        ("tau", "τ₁ (tokens)"),
    )
    for ax, (key, label) in zip(axes, panels):
        values = np.array([r[key] for r in rows])
        ax.plot(n, values.mean(-1), color=INTACT, marker="o", markersize=4)
        ax.fill_between(n, values.min(-1), values.max(-1), color=CONTROL, alpha=0.3, linewidth=0)
        ax.set(xscale="log", xlabel="words in F̄", ylabel=label)
        ax.set_xticks(n, [str(size) for size in n])
        ax.minorticks_off()
        ax.yaxis.label.set_size(8.5)
    axes[0].set_ylim(bottom=0)
    axes[1].set_ylim(top=1.02)
    axes[2].set_ylim(bottom=0)
    return fig
