"""Widgets for the perturbation experiments: one front end for JupyterLab and for the static page.

In JupyterLab the kernel computes what is drawn, for any network. In a page without a kernel the same front end runs the
shipped GRU by itself; :func:`write_assets` writes the files that it loads. Every call returns a widget whose controls
are traits (``w.text = "not bad"``) and whose ``frame`` is what it draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from ..model import BagOfWords, SentimentRNN
from . import frames
from .assets import fingerprint, pack, write_assets
from .base import Widget, control

if TYPE_CHECKING:
    from ..linear import OperatingPoint

__all__ = ["barcode_explorer", "modifier_lab", "sentiment_trace", "write_assets"]


def _lab_arrays(lab: dict[str, Any], names: list[str]) -> dict[str, Any]:
    return {name: pack(lab[name]) for name in names}


def _token_rows(tokens: list[str], **series: list[float]) -> tuple[list[str], list[list[Any]]]:
    rows = [[token, *values] for token, *values in zip(["(start)", *tokens], *series.values())]
    return ["token", *series], rows


# --- chapter 1 --------------------------------------------------------------------------------


class _SentimentTrace(Widget):
    title = "Logit after each token"
    text = control(t.Unicode())

    def __init__(self, model: SentimentRNN, bag: BagOfWords, **controls: Any) -> None:
        self.model, self.bag = model, bag
        super().__init__(
            kind="sentiment_trace",
            props={"network": model.name, "fingerprint": fingerprint(model), "bag_fingerprint": fingerprint(bag)},
            **controls,
        )

    def compute(self) -> dict[str, Any]:
        return frames.sentiment_trace(self.model, self.bag, self.text)

    def table(self) -> tuple[list[str], list[list[Any]]]:
        return _token_rows(self.frame["tokens"], network=self.frame["network"], **{"bag of words": self.frame["bag"]})


def sentiment_trace(
    model: SentimentRNN | None = None, bag: BagOfWords | None = None, text: str = "This movie is not awesome."
) -> Widget:
    """Type a sentence: the logit of a network and of a bag of words after each token.

    Parameters
    ----------
    model : SentimentRNN, optional
        Of any kind; the shipped GRU by default.
    bag : BagOfWords, optional
        The shipped one by default.
    text : str

    Control: ``text``.
    """
    from .. import zoo

    return _SentimentTrace(model or zoo.load("gru-imdb"), bag or zoo.load("bow-imdb"), text=text)


# --- chapter 3 --------------------------------------------------------------------------------


class _ModifierLab(Widget):
    title = "Modifier lab: logit after each token, intact and with the subspace scaled"
    text = control(t.Unicode())
    gain = control(t.Float(0.0, min=-1.0, max=3.0))
    dimension = control(t.Int(3, min=1))
    space = control(t.Enum(list(frames.SPACES), "modifiers"))

    def __init__(self, point: OperatingPoint, lab: dict[str, Any], **controls: Any) -> None:
        self.point, self.lab = point, lab
        super().__init__(
            kind="modifier_lab",
            props={
                "network": point.model.name,
                "fingerprint": fingerprint(point.model),
                "dimensions": int(np.shape(lab["basis"])[1]),
                "landmarks": [
                    {"word": w, "kind": str(k), "x": round(float(c[0]), 4), "y": round(float(c[1]), 4)}
                    for w, k, c in zip(lab["words"][:30], lab["kinds"], lab["word_coordinates"])
                ],
            },
            **controls,
        )
        arrays = ["h_star", *(p + n for p in frames.SPACES.values() for n in ("basis", "dual"))]
        self.for_page = {"lab": _lab_arrays(lab, arrays)}

    def compute(self) -> dict[str, Any]:
        return frames.modifier_lab(self.point, self.lab, self.text, self.gain, self.dimension, self.space)

    def table(self) -> tuple[list[str], list[list[Any]]]:
        name = f"gain {self.gain:g}"
        return _token_rows(self.frame["tokens"], intact=self.frame["intact"], **{name: self.frame["perturbed"]})

    @t.validate("dimension")
    def _dimension(self, proposal: Any) -> int:
        return min(proposal["value"], int(np.shape(self.lab["basis"])[1]))


def modifier_lab(
    point: OperatingPoint,
    lab: dict[str, Any] | None = None,
    text: str = "The movie was not good.",
    gain: float = 0.0,
) -> Widget:
    """Scale the modifier subspace of the state after every token and watch the logit.

    Parameters
    ----------
    point : OperatingPoint
        :func:`rnnrev.linear.operating_point` of a network.
    lab : dict, optional
        :func:`rnnrev.perturb.lab` of that point (made here if not given).
    text : str
    gain : float
        0 removes the subspace's component, 1 changes nothing, −1 mirrors it.

    Controls: ``text``, ``gain`` (−1 … 3), ``dimension``, ``space`` (modifiers, random, matched).
    """
    if lab is None:
        from .. import perturb

        lab = perturb.lab(point)
    return _ModifierLab(point, lab, text=text, gain=gain, dimension=int(lab["dimension"]))


class _BarcodeExplorer(Widget):
    title = "Barcodes: what modifiers do to valence words"
    words = control(t.List(t.Unicode(), minlen=1, maxlen=4))
    order = control(t.Enum(["valence", "effect"], "valence"))

    def __init__(self, lab: dict[str, Any], **controls: Any) -> None:
        self.lab = lab
        super().__init__(
            kind="barcode_explorer",
            props={
                "probes": list(lab["probes"]),
                "valence": np.round(lab["probe_valence"], 4).tolist(),
                "choices": list(lab["words"]),
                "kinds": [str(k) for k in lab["kinds"]],
            },
            **controls,
        )
        self.for_page = {"lab": _lab_arrays(lab, ["barcodes"])}

    def compute(self) -> dict[str, Any]:
        return frames.barcodes(self.lab, self.words)

    def table(self) -> tuple[list[str], list[list[Any]]]:
        rows = zip(self.props["probes"], self.props["valence"], *self.frame["rows"])
        return ["word", "valence", *(f"after {w}" for w in self.words)], [list(r) for r in rows]


def barcode_explorer(lab: dict[str, Any], words: list[str] | None = None) -> Widget:
    """Choose modifiers and compare their barcodes: the change of what each probe word adds, in nats.

    ``lab`` is :func:`rnnrev.perturb.lab` of an operating point; ``words`` up to four of ``lab["words"]``, by default
    the highest-ranked one of each kind. Controls: ``words``, ``order`` (valence, effect).
    """
    if words is None:
        kinds = [str(k) for k in lab["kinds"]]
        first = [kinds.index(k) for k in ("negator", "intensifier", "diminisher") if k in kinds] or [0]
        words = [lab["words"][i] for i in first]
    unknown = [w for w in words if w not in lab["words"]]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not among the lab's {len(lab['words'])} modifiers: see lab['words']")
    return _BarcodeExplorer(lab, words=list(words))
