"""How every figure of the book looks, and what its colours mean.

One colour has one meaning in all chapters. The colours are those of Okabe & Ito 2008, which readers with any
common colour vision tell apart; architectures also differ in marker and dash, so that nothing hangs on colour alone.

Dark mode: figures are drawn dark on opaque white. On a dark page the book's style sheet inverts their lightness and
keeps their hue (``filter: invert() hue-rotate()``), so a plotting function has one light version to make and no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

__all__ = ["architecture", "intervals"]

POSITIVE, NEGATIVE, NEUTRAL = "#0072B2", "#D55E00", "#767676"  #: valence of words, labels of reviews, signs
INTACT, PERTURBED, CONTROL = "#000000", "#CC79A7", "#8C8C8C"  #: a network as trained, changed, changed at random

Look = dict[str, Any]  #: options of a line, as matplotlib takes them

#: Colour, marker and dash of each architecture (and of the bag of words).
_ARCHITECTURES: dict[str, Look] = {
    "gru": {"color": "#009E73", "marker": "o", "linestyle": "-"},
    "lstm": {"color": "#332288", "marker": "s", "linestyle": "--"},
    "ugrnn": {"color": "#E69F00", "marker": "^", "linestyle": "-."},
    "vanilla": {"color": "#56B4E9", "marker": "D", "linestyle": ":"},
    "bow": {"color": "#767676", "marker": "x", "linestyle": (0, (5, 2))},
    "augmented-bow": {"color": "#404040", "marker": "P", "linestyle": (0, (3, 1))},
}

#: Kinds of modifier: one that turns valence round, one that raises it, one that lowers it.
MODIFIERS = {"negated": NEGATIVE, "intensified": "#009E73", "diminished": "#E69F00", "base": INTACT}

#: For series without a meaning of their own.
CYCLE = ("#000000", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#332288")

#: Line styles, for the same.
DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

#: Diverging map for signed values: negative, zero (white), positive. Give it a norm that is centred on zero.
VALENCE_MAP = LinearSegmentedColormap.from_list("valence", [NEGATIVE, "#F7C9A8", "#FFFFFF", "#A6CFE8", POSITIVE])

_CONTROLS = ("control", "random", "other words")  #: how the names of controls are known

_WIDTH = 7.2  #: inches, the width of a page's text

_RC: Any = {
    "axes.grid": False,
    "axes.labelsize": 10,
    "axes.prop_cycle": plt.cycler(color=CYCLE),
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same figure on every machine
    "font.size": 10,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "savefig.dpi": 150,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
}


def figure(rows: int = 1, columns: int = 1, height: float = 3.0, **options: Any) -> tuple[Figure, Any]:
    """A figure as wide as the text, ``height`` inches high, and its axes; ``options`` are those of ``plt.subplots``.

    It is not pyplot's current one: a notebook shows it once, when it is a cell's last value.
    """
    plt.rcParams.update(_RC)
    made, axes = plt.subplots(rows, columns, figsize=(_WIDTH, height), **options)
    plt.close(made)
    return made, axes


def figure_of(ax: Axes | None, height: float) -> tuple[Figure, Axes]:
    """These axes with their figure; without axes a new figure, ``height`` inches high."""
    if ax is None:
        return figure(height=height)
    fig = ax.get_figure(root=True)
    assert fig is not None
    return fig, ax


def architecture(name: str) -> Look:
    """Plot options of a network by its name: ``"lstm-imdb"`` -> the LSTM's colour, marker and dash."""
    kinds = sorted(_ARCHITECTURES, key=len, reverse=True)
    return dict(next((_ARCHITECTURES[k] for k in kinds if name.startswith(k)), {"color": INTACT}))


def intervals(
    rows: Mapping[str, Sequence[float | None]], *, ax: Axes | None = None, xlabel: str = "",
    reference: float | None = None, look: Callable[[str], Look] | Look | None = None, offset: float = 0.0,
    label: str | None = None, percent: int | None = None,
) -> Figure:  # fmt: skip
    """One row a name: its value, and its interval where it has one; the first name is on top.

    ``rows`` are name -> ``Estimate`` or (value, low, high); what is NaN is not drawn. Without ``ax`` a new figure is as
    high as the rows need; with the same ``ax`` and names a second series is drawn, ``offset`` rows lower, ``label`` in
    the legend. ``reference`` is a grey line where there is no effect; ``look``, options of ``errorbar`` or a function
    of the name that gives them (default: names of controls grey, all else black); ``percent`` the
    decimals of an axis of shares in percent.
    """
    fig, ax = figure_of(ax, 0.9 + 0.32 * len(rows))
    for row, (name, estimate) in enumerate(rows.items()):
        value, low, high = np.array(estimate, float)  # None, as JSON has it, becomes NaN
        if np.isnan(value):
            continue
        own = look(name) if callable(look) else look
        if own is None:
            own = {"color": CONTROL if any(word in name for word in _CONTROLS) else INTACT}
        options: Look = {"marker": "o", "markersize": 5, "capsize": 3} | own | {"linestyle": "none", "label": label}
        bars = np.fmax([[value - low], [high - value]], 0)
        ax.errorbar(value, row + offset, xerr=bars, **options)
        label = None  # once for the series
    if reference is not None:
        ax.axvline(reference, color=NEUTRAL, linewidth=0.8, zorder=0)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set_ylim(len(rows) - 0.4, -0.6)
    if xlabel:
        ax.set_xlabel(xlabel)
    if percent is not None:
        ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=percent))
    return fig


def band(
    ax: Axes, x: ArrayLike, estimates: Iterable[Sequence[float]], label: str | None = None, *, alpha: float = 0.15,
    **line: Any,
) -> None:  # fmt: skip
    """A curve of estimates (value, low, high) with its band; ``line`` are options of the line, its color for one."""
    value, low, high = np.array([tuple(e) for e in estimates], float).T
    ax.fill_between(x, low, high, color=line["color"], alpha=alpha, linewidth=0)
    ax.plot(x, value, label=label, **{"markersize": 4} | line)


def label_panels(axes: Axes | Sequence[Axes] | np.ndarray) -> None:
    """Write (a), (b), … at the top left of each of these axes, so that the caption can name them."""
    for letter, ax in zip("abcdefghijkl", np.array(axes, object).ravel()):
        ax.set_title(f"({letter}) {ax.get_title(loc='left')}".rstrip(), loc="left")
