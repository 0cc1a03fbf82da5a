"""Widgets for the perturbation experiments: one front end for JupyterLab and for the static page.

In JupyterLab the kernel computes what is drawn, for any network. In a page without a kernel the same front end runs the
shipped GRU by itself; :func:`write_assets` writes the files that it loads. Every call returns a widget whose controls
are traits (``w.text = "not bad"``) and whose ``frame`` is what it draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import traitlets as t

from ..augmented_bow import PARTS
from ..model import BagOfWords, SentimentRNN
from . import frames
from .assets import fingerprint, pack, write_assets
from .base import Widget, control, look

if TYPE_CHECKING:
    from ..augmented_bow import AugmentedBagOfWords
    from ..linear import OperatingPoint

__all__ = [
    "FLOWS",
    "Widget",
    "attractor_3d",
    "barcode_explorer",
    "build_a_bag",
    "flow_2d",
    "modifier_lab",
    "relax",
    "sentiment_trace",
    "where_it_stands",
    "write_assets",
]


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


# --- chapter 2 --------------------------------------------------------------------------------


class _Flow2D(Widget):
    title = "A linear flow in the plane"
    matrix = control(t.List(t.List(t.Float(), minlen=2, maxlen=2), minlen=2, maxlen=2))
    start = control(t.List(t.Float(), minlen=2, maxlen=2))

    def compute(self) -> dict[str, Any]:
        return frames.flow_2d(self.matrix, self.start)

    def table(self) -> tuple[list[str], list[list[Any]]]:
        modes = zip(self.frame["eigvals"], self.frame["size"], self.frame["tau"])
        rows = [
            [k, f"{re:.3g}{im:+.3g}i", f"{size:.3g}", "∞" if tau is None else f"{tau:.3g}" if tau >= 0 else "grows"]
            for k, ((re, im), size, tau) in enumerate(modes, 1)
        ]
        return ["mode", "λ", "|λ|", "τ in tokens"], rows


#: Matrices that show what two modes can do.
FLOWS = {
    "two fast modes": [[0.6, 0.0], [0.0, 0.3]],
    "one slow mode (line attractor)": [[0.93, 0.12], [0.02, 0.55]],
    "exact line": [[1.0, 0.3], [0.0, 0.5]],
    "rotation": [[0.9, -0.3], [0.3, 0.9]],
    "saddle": [[1.1, 0.1], [0.1, 0.6]],
    "non-normal": [[0.7, 1.2], [0.0, 0.6]],
}


def flow_2d(A: Any = None, presets: dict[str, Any] | None = None) -> Widget:
    """A linear map of the plane, h' = A h: flow, modes, left vectors, time constants and the path from a point.

    Parameters
    ----------
    A : array, (2, 2), optional
        Where to begin; the first preset unless given.
    presets : dict of name -> (2, 2), optional
        Matrices on buttons.

    Controls: ``matrix``, ``start``.
    """
    presets = {k: np.asarray(v, float).tolist() for k, v in (FLOWS if presets is None else presets).items()}
    matrix = next(iter(presets.values())) if A is None else np.asarray(A, float).tolist()
    return _Flow2D(kind="flow_2d", props={"presets": presets}, matrix=matrix, start=[1.0, 0.8])


class _Attractor3D(Widget):
    title = "States and fixed points in three dimensions"
    yaw = look(t.Float(30.0))
    pitch = look(t.Float(20.0))
    zoom = look(t.Float(1.0))
    cloud = look(t.Bool(True))
    curve = look(t.Bool(True))
    arrows = look(t.Bool(True))
    path = look(t.Int(0))
    time = look(t.Int(10_000))

    def compute(self) -> dict[str, Any]:
        return {"points": len(self.props["scene"]["cloud"]["logit"])}

    def table(self) -> tuple[list[str], list[list[Any]]]:
        scene = self.props["scene"]
        points = zip(scene["curve"]["logit"], scene["curve"]["tau"], scene["curve"]["xyz"])
        return ["fixed point", "logit", "τ in tokens", *scene["axes"]], [
            [i, float(logit), f"{tau:.0f}", *map(float, xyz)] for i, (logit, tau, xyz) in enumerate(points, 1)
        ]


def attractor_3d(scene: dict[str, Any]) -> Widget:
    """States of reviews, the curve of fixed points, readout and slow mode, in a picture that can be turned.

    ``scene`` is made by :func:`rnnrev.line_attractor.scene`. Settings: ``yaw``, ``pitch`` (degrees), ``zoom``,
    ``cloud``, ``curve``, ``arrows`` (shown or not), ``path`` (0 none, 1 the first review, …), ``time`` (its tokens).
    """
    return _Attractor3D(kind="attractor_3d", props={"scene": _rounded(scene)})


class _Relax(Widget):
    title = "A state pulled off the attractor relaxes"
    start = control(t.List(t.Float()))
    sequence = control(t.List(t.Unicode()))
    mode = look(t.Int(1))

    def compute(self) -> dict[str, Any]:
        return frames.relax(self.props["system"], self.start, self.sequence)

    def table(self) -> tuple[list[str], list[list[Any]]]:
        steps = ["start", *(word or "average text" for word in self.sequence)]
        rows = zip(steps, self.frame["logit"], [float(np.linalg.norm(z[1:])) for z in self.frame["z"]])
        return ["step", "logit", "off the attractor"], [list(r) for r in rows]


def relax(model: dict[str, Any]) -> Widget:
    """Pull a state off the attractor and watch it relax; feed it words and push it along.

    ``model`` is made by :func:`rnnrev.line_attractor.relax_model`: the slowest modes of J_rec and what words add to
    them.
    Controls: ``start`` (k coordinates), ``sequence`` (words; '' is a step of average text).
    """
    # the fastest mode shown, for two of its time constants: the first picture relaxes
    kick = np.asarray(model["kicks"][-1]["z"] if model["kicks"] else [0.0] * int(model["k"]), float)
    mode = int(np.abs(kick).argmax())
    tau = float(np.abs(model["tau"][mode]))
    steps = int(np.clip(2 * tau, 30, 300)) if np.isfinite(tau) else 30
    return _Relax(
        kind="relax", props={"system": _rounded(model)}, start=kick.tolist(), sequence=[""] * steps, mode=max(1, mode)
    )


def _rounded(value: Any) -> Any:
    """Arrays as lists of numbers with six significant digits, all through a dict; None where a number is not finite."""
    if isinstance(value, dict):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(v) for v in value]
    if isinstance(value, np.ndarray):
        return _rounded(value.tolist())
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value


# --- chapter 3 --------------------------------------------------------------------------------


def _landmarks(lab: dict[str, Any], n: int = 10) -> list[dict[str, Any]]:
    """Where the ``n`` highest-ranked modifiers of each kind leave the state, in the plane."""
    found: dict[str, list[dict[str, Any]]] = {}
    for word, kind, at in zip(lab["words"], map(str, lab["kinds"]), lab["word_coordinates"]):
        if kind != "other" and len(found.setdefault(kind, [])) < n:
            found[kind].append({"word": word, "kind": kind, "x": round(float(at[0]), 4), "y": round(float(at[1]), 4)})
    return [mark for marks in found.values() for mark in marks]


class _ModifierLab(Widget):
    title = "Modifier lab: logit after each token, intact and with a gain on a subspace"
    text = control(t.Unicode())
    gain = control(t.Float(0.0, min=-1.0, max=3.0))
    dimension = control(t.Int(3, min=1))
    space = control(t.Enum(list(frames.SPACES), "modifiers"))
    begin = control(t.Enum(["h0", "middle"], "h0"))

    def __init__(self, point: OperatingPoint, lab: dict[str, Any], **controls: Any) -> None:
        self.point, self.lab = point, lab
        super().__init__(
            kind="modifier_lab",
            props={
                "network": point.model.name,
                "fingerprint": fingerprint(point.model),
                "dimensions": int(np.shape(lab["basis"])[1]),
                "landmarks": _landmarks(lab),
            },
            **controls,
        )
        arrays = ["h_star", *(p + n for p in frames.SPACES.values() for n in ("basis", "dual"))]
        self.for_page = {"lab": _lab_arrays(lab, arrays)}

    def compute(self) -> dict[str, Any]:
        return frames.modifier_lab(self.point, self.lab, self.text, self.gain, self.dimension, self.space, self.begin)

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
    begin: str = "h0",
) -> Widget:
    """Turn the modifier subspace of the state up and down (:func:`rnnrev.perturb.amplify`) and watch the logit.

    Parameters
    ----------
    point : OperatingPoint
        :func:`rnnrev.linear.operating_point` of a network.
    lab : dict, optional
        :func:`rnnrev.perturb.lab` of that point (made here if not given).
    text : str
    gain : float
        Of the place in the subspace that the network would have: 0 removes it, 1 changes nothing, −1 mirrors it.

    begin : str
        Where the text begins: h0, at the beginning of a review, or middle, in the state h*.

    Controls: ``text``, ``gain`` (−1 … 3), ``dimension``, ``space`` (modifiers, …), ``begin`` (h0, middle).
    """
    if lab is None:
        from .. import perturb

        lab = perturb.lab(point)
    return _ModifierLab(point, lab, text=text, gain=gain, begin=begin, dimension=int(lab["dimension"]))


class _BarcodeExplorer(Widget):
    title = "Barcodes: what modifiers do to valence words"
    words = control(t.List(t.Unicode(), minlen=1, maxlen=4))
    order = look(t.Enum(["valence", "effect"], "valence"))

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


# --- chapters 4 and 5 -------------------------------------------------------------------------


class _WhereItStands(Widget):
    title = "Influence of words on the final logit, by their place in a review"
    text = control(t.Unicode())
    phrase = control(t.Unicode())
    place = look(t.Int(0, min=0))

    def __init__(self, point: OperatingPoint, **controls: Any) -> None:
        self.point = point
        self.model = point.model.astype(np.float32)  # twice as fast, and what the page computes in
        super().__init__(
            kind="where_it_stands",
            props={"network": point.model.name, "fingerprint": fingerprint(point.model)},
            **controls,
        )
        self.for_page = {"point": {k: pack(getattr(point, k)) for k in ("h_star", "l", "r")}}

    def compute(self) -> dict[str, Any]:
        return frames.where_it_stands(self.point, self.model, self.text, self.phrase)

    def table(self) -> tuple[list[str], list[list[Any]]]:
        f = self.frame
        rows = zip(f["places"], f["intact"], f["start"], f["slow"])
        return ["tokens before it", "intact", "h₀ replaced", "fast modes removed at the end"], [list(r) for r in rows]


def where_it_stands(point: OperatingPoint, text: str | None = None, phrase: str = "excellent") -> Widget:
    """Slide words through a review: their influence on its final logit, by place, under three conditions.

    The network as it is; with h₀ replaced by the state on the attractor of the same integrated coordinate; with the
    fast modes removed from the last state. Beside them what the words count on the attractor, for good.

    Parameters
    ----------
    point : OperatingPoint
        :func:`rnnrev.linear.operating_point` of a network.
    text : str, optional
        A review; the shortest embedded one by default.
    phrase : str

    Controls: ``text``, ``phrase``; setting: ``place`` (its number on the axis).
    """
    if text is None:
        from ..data import load_reviews

        text = min(load_reviews("book").texts, key=len)
    return _WhereItStands(point, text=text, phrase=phrase)


# --- chapter 6 --------------------------------------------------------------------------------


class _BuildABag(Widget):
    title = "What each token counts in an augmented bag of words"
    text = control(t.Unicode())
    modifiers = control(t.Bool(True))
    beginning = control(t.Bool(False))
    end = control(t.Bool(False))

    def __init__(self, bag: AugmentedBagOfWords, model: SentimentRNN, **controls: Any) -> None:
        self.bag, self.model = bag, model
        super().__init__(
            kind="build_a_bag",
            props={
                "network": f"{bag.name} and {model.name}",
                "fingerprint": fingerprint(model),
                "augmented_fingerprint": fingerprint(bag),
            },
            **controls,
        )

    def compute(self) -> dict[str, Any]:
        return frames.build_a_bag(self.bag, self.model, self.text, [n for n in PARTS if getattr(self, n)])

    def table(self) -> tuple[list[str], list[list[Any]]]:
        return ["token", "by itself", "in its context"], [
            list(row) for row in zip(self.frame["tokens"], self.frame["valence"], self.frame["counts"])
        ]


def build_a_bag(
    augmented: AugmentedBagOfWords | None = None,
    model: SentimentRNN | None = None,
    text: str = "The movie was not bad, it was very good.",
) -> Widget:
    """Switch the augmentations of a bag of words on and off and see what each token of a review counts.

    Parameters
    ----------
    augmented : AugmentedBagOfWords, optional
        The shipped one by default.
    model : SentimentRNN, optional
        The network to compare with; the shipped GRU by default.
    text : str

    Controls: ``text``, ``modifiers``, ``beginning``, ``end``.
    """
    from .. import zoo

    return _BuildABag(augmented or zoo.load("augmented-bow-imdb"), model or zoo.load("gru-imdb"), text=text)
