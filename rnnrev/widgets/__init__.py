"""Widgets for the perturbation experiments: one front end for JupyterLab and for the static page.

In JupyterLab the kernel computes what is drawn, for any network. In a page without a kernel the same front end runs the
shipped GRU by itself; :func:`write_assets` writes the files that it loads. frames.js computes the frames of this file
line for line (a test in a browser compares them). Logits are in nats; index 0 of a trace is the value before the first
token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets as t
from numpy.typing import ArrayLike

from .. import linear, perturb, zoo
from ..augmented_bow import PARTS, AugmentedBagOfWords
from ..data import UNKNOWN, Vocabulary, load_reviews, tokenize
from ..linear import OperatingPoint
from ..model import BagOfWords, SentimentRNN
from .assets import fingerprint, pack, write_assets
from .base import Frame, Table, Widget

__all__ = [
    "FLOWS", "Widget", "attractor_3d", "barcode_explorer", "build_a_bag", "flow_2d", "modifier_lab", "relax",
    "sentiment_trace", "where_it_stands", "write_assets",
]  # fmt: skip

MAX_TOKENS = 300  #: longer texts are cut: what is drawn has to answer within a tenth of a second
PLACES = 31  #: at how many places of a review a phrase is put, at most

#: Matrices that show what two modes can do.
FLOWS = {
    "two fast modes": [[0.6, 0.0], [0.0, 0.3]],
    "one slow mode (line attractor)": [[0.93, 0.12], [0.02, 0.55]],
    "exact line": [[1.0, 0.3], [0.0, 0.5]],
    "rotation": [[0.9, -0.3], [0.3, 0.9]],
    "saddle": [[1.1, 0.1], [0.1, 0.6]],
    "non-normal": [[0.7, 1.2], [0.0, 0.6]],
}


def _numbers(values: ArrayLike) -> list[Any]:
    return np.round(np.asarray(values, float), 6).tolist()


def _read(vocabulary: Vocabulary, text: str) -> tuple[np.ndarray, Frame]:
    """Token numbers of a text, and how a frame begins: its tokens and which of them are known."""
    ids = vocabulary.encode(text)[:MAX_TOKENS]
    return ids, {"tokens": (tokenize(text) or [UNKNOWN])[:MAX_TOKENS], "known": (ids != 1).tolist()}


def _states(
    model: SentimentRNN, ids: np.ndarray, changes: Sequence[perturb.Change] = ()
) -> tuple[np.ndarray, list[float]]:
    run = perturb.run(model, [ids], changes, states=True)
    assert run.states is not None
    return run.states[0], _numbers(run.logits[0])


def _token_rows(frame: Frame, **series: str) -> Table:
    """Table of traces: column name -> entry of the frame."""
    return ["token", *series], list(zip(["(start)", *frame["tokens"]], *(frame[key] for key in series.values())))


def sentiment_trace(
    model: SentimentRNN | None = None, bag: BagOfWords | None = None, text: str = "This movie is not awesome."
) -> Widget:
    """Type a sentence: the logit of a network and of a bag of words (default: the shipped ones) after each token.

    Control: ``text``.
    """
    network, words = model or zoo.load("gru-imdb", SentimentRNN), bag or zoo.load("bow-imdb", BagOfWords)

    def compute(text: str) -> Frame:
        ids, frame = _read(network.vocabulary, text)
        counted = np.cumsum(words.beta[_read(words.vocabulary, text)[0]], dtype=float)
        logits = perturb.run(network, [ids]).logits[0]
        return frame | {"network": _numbers(logits), "bag": _numbers([words.b, *(words.b + counted)])}

    return Widget(
        "sentiment_trace", "Logit after each token",
        compute, lambda frame: _token_rows(frame, **{"network": "network", "bag of words": "bag"}),
        controls={"text": t.Unicode(text)},
        props={"network": network.name, "fingerprint": fingerprint(network), "bag_fingerprint": fingerprint(words)},
    )  # fmt: skip


def flow_2d(A: ArrayLike | None = None, presets: Mapping[str, ArrayLike] | None = None) -> Widget:
    """A linear map of the plane, h' = A h: flow, modes, left vectors, time constants and the path from a point.

    ``A`` (2, 2) is where to begin, the first preset unless given; ``presets``, name -> (2, 2), are on buttons.
    Controls: ``matrix``, ``start``.
    """
    buttons = {k: np.asarray(v, float).tolist() for k, v in (FLOWS if presets is None else presets).items()}
    first = next(iter(buttons.values())) if A is None else np.asarray(A, float).tolist()

    def compute(matrix: list[list[float]], start: list[float]) -> Frame:
        A, path = np.array(matrix), [np.array(start)]
        half, root = np.trace(A) / 2, np.sqrt(complex((np.trace(A) / 2) ** 2 - np.linalg.det(A)))
        eigvals = np.array(sorted([half + root, half - root], key=lambda v: (-abs(v), -v.imag)))
        size = np.abs(eigvals)
        for _ in range(40):
            path.append(np.clip(A @ path[-1], -1e6, 1e6))
        right = left = None
        if abs(root.imag) < 1e-12 and abs(root.real) > 1e-6:  # modes that are real and independent
            values, R = np.linalg.eig(A)
            R = R[:, np.argsort(-np.abs(values))]
            R = R * np.where(R[np.abs(R).round(9).argmax(0), [0, 1]] > 0, 1, -1)  # the larger entry is positive
            right, left = _numbers(R.T), _numbers(np.linalg.inv(R))
        tau = [None if abs(s - 1) < 1e-9 else 0.0 if s < 1e-12 else round(-1 / np.log(s), 6) for s in map(float, size)]
        pairs = _numbers(np.stack([eigvals.real, eigvals.imag], -1))
        return {"eigvals": pairs, "size": _numbers(size), "tau": tau, "right": right, "left": left,
                "path": _numbers(path)}  # fmt: skip

    def describe(frame: Frame) -> Table:
        rows = [
            [k, f"{re:.3g}{im:+.3g}i", f"{size:.3g}", "∞" if tau is None else f"{tau:.3g}" if tau >= 0 else "grows"]
            for k, ((re, im), size, tau) in enumerate(zip(frame["eigvals"], frame["size"], frame["tau"]), 1)
        ]
        return ["mode", "λ", "|λ|", "τ in tokens"], rows

    matrix = t.List(t.List(t.Float(), minlen=2, maxlen=2), first, minlen=2, maxlen=2)
    return Widget("flow_2d", "A linear flow in the plane", compute, describe, props={"presets": buttons},
                  controls={"matrix": matrix, "start": t.List(t.Float(), [1.0, 0.8], minlen=2, maxlen=2)})  # fmt: skip


def attractor_3d(scene: Mapping[str, Any]) -> Widget:
    """States of reviews, the curve of fixed points, readout and slow mode, in a picture that can be turned.

    ``scene`` is made by :func:`rnnrev.book.line_attractor.scene`. Settings: ``yaw``, ``pitch`` (degrees), ``zoom``,
    ``cloud``, ``curve``, ``arrows`` (shown or not), ``path`` (0 none, 1 the first review, …), ``time`` (its tokens).
    """

    def describe(frame: Frame) -> Table:
        points = zip(scene["curve"]["logit"], scene["curve"]["tau"], scene["curve"]["xyz"])
        return ["fixed point", "logit", "τ in tokens", *scene["axes"]], [
            [i, float(logit), f"{tau:.0f}", *map(float, xyz)] for i, (logit, tau, xyz) in enumerate(points, 1)
        ]

    numbers = {name: t.Float(value) for name, value in (("yaw", 30.0), ("pitch", 20.0), ("zoom", 1.0))}
    looks = numbers | {"path": t.Int(0), "time": t.Int(10_000)}
    return Widget(
        "attractor_3d", "States and fixed points in three dimensions",
        lambda: {"points": len(scene["cloud"]["logit"])}, describe,
        looks=looks | {name: t.Bool(True) for name in ("cloud", "curve", "arrows")}, props={"scene": _rounded(scene)},
    )  # fmt: skip


def relax(system: Mapping[str, Any]) -> Widget:
    """Pull a state off the attractor and watch it relax; feed it words and push it along.

    ``system`` is made by :func:`rnnrev.book.line_attractor.relax_model`: the slowest modes of J_rec, as
    z' = A z + B[word], and what they add to the logit, c₀ + c·z.

    Controls: ``start`` (k coordinates), ``sequence`` (words; '' is a step of average text).
    """
    A, B, c = (np.asarray(system[name], float) for name in ("A", "B", "c"))

    def compute(start: list[float], sequence: list[str]) -> Frame:
        z = [np.array(start)]
        for word in sequence:
            z.append(A @ z[-1] + (B[system["words"].index(word)] if word else 0))
        return {"z": _numbers(z), "logit": _numbers(system["c0"] + np.array(z) @ c)}

    # the fastest mode shown, for two of its time constants: the first picture relaxes
    kick = np.asarray(system["kicks"][-1]["z"] if system["kicks"] else np.zeros(len(A)), float)
    mode = int(np.abs(kick).argmax())
    tau = float(np.abs(system["tau"][mode]))
    words = [""] * (int(np.clip(2 * tau, 30, 300)) if np.isfinite(tau) else 30)
    made = Widget(
        "relax", "A state pulled off the attractor relaxes", compute,
        lambda frame: (
            ["step", "logit", "off the attractor"],
            [[word, logit, float(np.linalg.norm(z[1:]))] for word, logit, z in zip(
                ["start", *(w or "average text" for w in made.sequence)], frame["logit"], frame["z"])],
        ),
        controls={"start": t.List(t.Float(), kick.tolist()), "sequence": t.List(t.Unicode(), words)},
        looks={"mode": t.Int(max(1, mode))}, props={"system": _rounded(system)},
    )  # fmt: skip
    return made


def _rounded(value: Any) -> Any:
    """Arrays as lists of numbers with six significant digits, all through a dict; None where a number is not finite."""
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_rounded(v) for v in value]
    if isinstance(value, (float, np.floating)):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value


def modifier_lab(
    point: OperatingPoint,
    lab: perturb.Lab | None = None,
    text: str = "The movie was not good.",
    gain: float = 0.0,
    begin: str = "h0",
) -> Widget:
    """Turn the modifier subspace of the state up and down (:func:`rnnrev.perturb.amplify`) and watch the logit.

    ``lab`` is :func:`rnnrev.perturb.lab` of the operating point, made here if not given. Controls: ``text``; ``gain``
    (−1 … 3) of the place in the subspace that the network would have: 0 removes it, 1 changes nothing, −1 mirrors it;
    ``dimension``; ``space`` (a name among ``lab.spaces``); ``begin`` (h0, as a review; middle, in the state h*).
    """
    lab = perturb.lab(point) if lab is None else lab
    spaces, h_star = lab.spaces, point.h_star
    width = spaces["modifiers"].dim

    def compute(text: str, gain: float, dimension: int, space: str, begin: str) -> Frame:
        ids, frame = _read(point.model.vocabulary, text)
        plane = spaces[space].dual[:, :2]
        start = [perturb.start_from(point.h_star)] if begin == "middle" else []
        change = perturb.amplify(spaces[space].take(dimension), gain)
        for name, changes in (("intact", start), ("perturbed", [*start, change])):
            h, frame[name] = _states(point.model, ids, changes)
            frame[f"{name}_path"] = _numbers((h - h_star) @ plane)
        return frame

    made = Widget(
        "modifier_lab", "Modifier lab: logit after each token, intact and with a gain on a subspace", compute,
        lambda frame: _token_rows(frame, **{"intact": "intact", f"gain {made.gain:g}": "perturbed"}),
        controls={
            "text": t.Unicode(text), "gain": t.Float(gain, min=-1.0, max=3.0),
            "dimension": t.Int(lab.dimension, min=1, max=width),
            "space": t.Enum(list(spaces), next(iter(spaces))), "begin": t.Enum(["h0", "middle"], begin),
        },
        props={
            "network": point.model.name, "fingerprint": fingerprint(point.model), "dimensions": width,
            "spaces": list(spaces), "landmarks": _landmarks(lab),
        },
        for_page={"lab": {"h_star": pack(h_star)} | {
            name: {"basis": pack(space.basis), "dual": pack(space.dual)} for name, space in spaces.items()}},
    )  # fmt: skip
    return made


def _landmarks(lab: perturb.Lab, n: int = 10) -> list[Frame]:
    """Where the ``n`` highest-ranked modifiers of each kind leave the state, in the plane."""
    found: dict[str, list[Frame]] = {}
    for word, kind, at in zip(lab.words, lab.kinds, lab.coordinates):
        if kind != "other" and len(found.setdefault(kind, [])) < n:
            found[kind].append({"word": word, "kind": kind, "x": round(float(at[0]), 4), "y": round(float(at[1]), 4)})
    return [mark for marks in found.values() for mark in marks]


def barcode_explorer(lab: perturb.Lab, words: Sequence[str] | None = None) -> Widget:
    """Choose modifiers and compare their barcodes: the change of what each probe word adds, in nats.

    ``lab`` is :func:`rnnrev.perturb.lab` of an operating point; ``words`` up to four of ``lab.words``, by default
    the highest-ranked one of each kind. Controls: ``words``, ``order`` (valence, effect).
    """
    choices, kinds, codes = list(lab.words), list(lab.kinds), lab.barcodes
    if words is None:
        first = [kinds.index(k) for k in ("negator", "intensifier", "diminisher") if k in kinds] or [0]
        words = [choices[i] for i in first]
    for word in words:
        if word not in choices:
            raise ValueError(f"{word!r} is not among the lab's {len(choices)} modifiers: see lab.words")
    probes, valence = list(lab.probes.words), np.round(lab.probes.valence, 4).tolist()

    def compute(words: list[str]) -> Frame:
        chosen = [choices.index(w) for w in words]
        return {
            "words": list(words),
            "kinds": [kinds[i] for i in chosen],
            "rows": _numbers(codes[chosen]),
            "correlation": _numbers(np.atleast_2d(np.corrcoef(codes[chosen]))),
        }

    return Widget(
        "barcode_explorer", "Barcodes: what modifiers do to valence words", compute,
        lambda frame: (["word", "valence", *(f"after {w}" for w in frame["words"])],
                       list(zip(probes, valence, *frame["rows"]))),
        controls={"words": t.List(t.Unicode(), list(words), minlen=1, maxlen=4)},
        looks={"order": t.Enum(["valence", "effect"], "valence")},
        props={"probes": probes, "valence": valence, "choices": choices, "kinds": kinds},
        for_page={"lab": {"barcodes": pack(codes)}},
    )  # fmt: skip


def where_it_stands(point: OperatingPoint, text: str | None = None, phrase: str = "excellent") -> Widget:
    """Slide words through a review: their influence on its final logit, by place, under three conditions.

    The network as it is; with h₀ replaced by the state on the attractor of the same integrated coordinate; with the
    fast modes removed from the last state (:func:`rnnrev.linear.slow_readout`). Beside them what the words count on the
    attractor, for good.

    Controls: ``text`` (default: the shortest embedded review), ``phrase``; setting: ``place`` (its number on the axis).
    """
    text = min(load_reviews("book").texts, key=len) if text is None else text
    model = point.model.astype(np.float32)  # twice as fast, and what the page computes in
    slow = linear.slow_readout(point)
    start = point.h_star + point.r * (point.l @ (model.cell.h0 - point.h_star))

    def compute(text: str, phrase: str) -> Frame:
        ids, frame = _read(model.vocabulary, text)
        inserted = model.vocabulary.encode(phrase)[:MAX_TOKENS]
        n = min(len(ids) + 1, PLACES)
        places = np.floor(np.arange(n) * len(ids) / max(n - 1, 1) + 0.5).astype(int)
        texts = [ids, *(np.insert(ids, place, inserted) for place in places)]
        ends = (perturb.run(model, texts, change).last for change in ((), perturb.start_from(start)))
        whole, replaced = (last[1:] - last[0] for last in ends)
        lasting = perturb.run(model, [inserted], perturb.start_from(point.h_star)).last[0] - point.h_star
        return frame | {
            "places": places.tolist(),
            "intact": _numbers(whole @ model.w),
            "start": _numbers(replaced @ model.w),
            "slow": _numbers(whole @ slow),
            "lasting": round(float(slow @ lasting), 6),
        }

    return Widget(
        "where_it_stands", "Influence of words on the final logit, by their place in a review", compute,
        lambda frame: (["tokens before it", "intact", "h₀ replaced", "fast modes removed at the end"],
                       list(zip(*(frame[name] for name in ("places", "intact", "start", "slow"))))),
        controls={"text": t.Unicode(text), "phrase": t.Unicode(phrase)}, looks={"place": t.Int(0, min=0)},
        props={"network": point.model.name, "fingerprint": fingerprint(point.model)},
        for_page={"point": {name: pack(getattr(point, name)) for name in ("h_star", "l", "r")}},
    )  # fmt: skip


def build_a_bag(
    augmented: AugmentedBagOfWords | None = None,
    model: SentimentRNN | None = None,
    text: str = "The movie was not bad, it was very good.",
) -> Widget:
    """Switch the augmentations of a bag of words on and off and see what each token of a review counts.

    The shipped ones unless given; ``model`` is the network to compare with. Controls: ``text``, ``modifiers``,
    ``beginning``, ``end``.
    """
    bag, network = (
        augmented or zoo.load("augmented-bow-imdb", AugmentedBagOfWords),
        model or zoo.load("gru-imdb", SentimentRNN),
    )

    def compute(text: str, **switched_on: bool) -> Frame:
        ids, frame = _read(bag.vocabulary, text)
        found = bag.contributions(text if len(ids) < MAX_TOKENS else " ".join(frame["tokens"]))
        counts = found.valence + sum(on * getattr(found, part) for part, on in switched_on.items())
        logits = [found.b + found.valence.sum(), found.b + counts.sum(), perturb.run(network, [ids]).final[0]]
        return frame | {"valence": _numbers(found.valence), "counts": _numbers(counts), "logit": _numbers(logits)}

    return Widget(
        "build_a_bag", "What each token counts in an augmented bag of words", compute,
        lambda frame: (["token", "by itself", "in its context"],
                       list(zip(frame["tokens"], frame["valence"], frame["counts"]))),
        controls={"text": t.Unicode(text), **{part: t.Bool(part == "modifiers") for part in PARTS}},
        props={
            "network": f"{bag.name} and {network.name}", "fingerprint": fingerprint(network),
            "augmented_fingerprint": fingerprint(bag),
        },
    )  # fmt: skip
