"""Widgets of chapters 2 and 6: a linear flow, the curve of fixed points, a state that relaxes, a bag with a knob.

Two draw what :mod:`rnnrev.book.line_attractor` prepares; those for any network are in :mod:`rnnrev.widgets`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import traitlets as t
from numpy.typing import ArrayLike

from .. import knob, perturb, zoo
from ..model import SentimentRNN
from ..widgets.base import Frame, Table, Widget, fingerprint, named, numbers, tokens_of

__all__ = ["attractor_3d", "build_a_bag", "flow_2d", "relax"]

#: Matrices that show what two modes can do.
FLOWS = {
    "two fast modes": [[0.6, 0.0], [0.0, 0.3]],
    "one slow mode (line attractor)": [[0.93, 0.12], [0.02, 0.55]],
    "exact line": [[1.0, 0.3], [0.0, 0.5]],
    "rotation": [[0.9, -0.3], [0.3, 0.9]],
    "saddle": [[1.1, 0.1], [0.1, 0.6]],
    "non-normal": [[0.7, 1.2], [0.0, 0.6]],
}


def flow_2d(A: ArrayLike | None = None) -> Widget:
    """A linear map of the plane, h' = A h: flow, modes, left vectors, time constants and the path from a point.

    ``A`` (2, 2) is where to begin, the first of :data:`FLOWS`, which are on buttons, unless given. Controls:
    ``matrix``, ``start``.
    """
    first = next(iter(FLOWS.values())) if A is None else np.asarray(A, float).tolist()

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
            right, left = numbers(R.T), numbers(np.linalg.inv(R))
        tau = [None if abs(s - 1) < 1e-9 else 0.0 if s < 1e-12 else round(-1 / np.log(s), 6) for s in map(float, size)]
        pairs = numbers(np.stack([eigvals.real, eigvals.imag], -1))
        return {"eigvals": pairs, "size": numbers(size), "tau": tau, "right": right, "left": left,
                "path": numbers(path)}  # fmt: skip

    def describe(frame: Frame) -> Table:
        rows = [
            [k, f"{re:.3g}{im:+.3g}i", f"{size:.3g}", "∞" if tau is None else f"{tau:.3g}" if tau >= 0 else "grows"]
            for k, ((re, im), size, tau) in enumerate(zip(frame["eigvals"], frame["size"], frame["tau"]), 1)
        ]
        return ["mode", "λ", "|λ|", "τ in tokens"], rows

    matrix = t.List(t.List(t.Float(), minlen=2, maxlen=2), first, minlen=2, maxlen=2)
    return Widget("flow_2d", "A linear flow in the plane", compute, describe, props={"presets": FLOWS},
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
        return {"z": numbers(z), "logit": numbers(system["c0"] + np.array(z) @ c)}

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


def build_a_bag(
    bag: SentimentRNN | None = None, model: SentimentRNN | None = None,
    text: str = "The movie was not bad, it was very good.",
) -> Widget:  # fmt: skip
    """Give a bag of words its modifiers, beginning and end (:mod:`rnnrev.knob`) and see what each token counts.

    ``bag`` is the shipped knob unless given, ``model`` the network to compare with. Controls: ``text``, ``modifiers``,
    ``beginning``, ``end``.
    """
    built, network = bag or zoo.load("knob-imdb", SentimentRNN), model or zoo.load("gru-imdb", SentimentRNN)

    def compute(text: str, **switched_on: bool) -> Frame:
        ids, frame = tokens_of(built.vocabulary, text)
        alone = knob.without(built, *knob.PARTS)
        with_parts = knob.without(built, *(part for part, on in switched_on.items() if not on))
        valence, rows = (knob.contributions(m, ids) for m in (alone, with_parts))
        logits = [perturb.run(m, [ids]).final[0] for m in (alone, with_parts, network)]
        columns = {name: numbers(rows[name]) for name in ("counts", "volume", "memory")}
        return frame | {"valence": numbers(valence.counts), "logit": numbers(logits)} | columns

    return Widget(
        "build_a_bag", "What each token counts in a bag of words with a volume knob", compute,
        lambda frame: (["token", "by itself", "in its context", "volume", "sum so far"],
                       list(zip(*(frame[k] for k in ("tokens", "valence", "counts", "volume", "memory"))))),
        controls={"text": t.Unicode(text), **{part: t.Bool(part == "modifiers") for part in knob.PARTS}},
        props=named(network) | {"network": f"{built.name} and {network.name}",
                                   "knob_fingerprint": fingerprint(built)},
    )  # fmt: skip
