"""Widgets for the perturbation experiments: one front end for JupyterLab and for the static page.

In JupyterLab the kernel computes what is drawn, for any network. In a page without a kernel the same front end runs the
shipped GRU by itself (:mod:`rnnrev.book.assets`). frames.js computes the frames of this file line for line (a test in a
browser compares them). Logits are in nats; index 0 of a trace is the value before the first token.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import traitlets as t

from .. import driven, linear, perturb, zoo
from ..balanced import Chart
from ..data import load_reviews
from ..fixed_points import mean_map
from ..linear import OperatingPoint
from ..model import BagOfWords, SentimentRNN
from .base import MAX_TOKENS, OWN_FILE, Frame, Table, Widget, fingerprint, named, numbers, pack, tokens_of

__all__ = [
    "barcode_explorer", "modifier_lab", "sentiment_trace", "the_plane", "where_it_stands", "who_still_matters",
]  # fmt: skip

PLACES = 31  #: at how many places of a review a phrase is put, at most
FILLERS = 16  #: tokens of the average word that a token is compared with
_MODES = 8  #: balanced modes that can be kept, if there are as many
FILMS, RESTAURANTS = "films", "restaurants"  #: what the networks learned from that a reader can choose
#: What is done to the volume coordinate after every token: a gain on its distance from its mean; None holds it.
_VOLUMES = {"as it is": 1.0, "removed": 0.0, "doubled": 2.0, "held at its start": None}


def _states(
    model: SentimentRNN, ids: np.ndarray, changes: Sequence[perturb.Change] = ()
) -> tuple[np.ndarray, list[float]]:
    run = perturb.run(model, [ids], changes, states=True)
    assert run.states is not None
    return run.states[0], numbers(run.logits[0])


def _token_rows(frame: Frame, **series: str) -> Table:
    """Table of traces: column name -> entry of the frame."""
    return ["token", *series], list(zip(["(start)", *frame["tokens"]], *(frame[key] for key in series.values())))


def sentiment_trace(
    model: SentimentRNN | None = None, bag: BagOfWords | None = None, text: str = "This movie is not awesome."
) -> Widget:
    """Type a sentence: the logit of a network and of a bag of words (default: the shipped ones) after each token.

    With the shipped ones, a pair that learned from restaurants is there to choose. Controls: ``text``, ``texts``.
    """
    shipped = model is None and bag is None
    readers = {FILMS: (model or zoo.load("gru-imdb", SentimentRNN), bag or zoo.load("bow-imdb", BagOfWords))}
    if shipped:
        readers[RESTAURANTS] = zoo.load("gru-yelp", SentimentRNN), zoo.load("bow-yelp", BagOfWords)

    def compute(text: str, texts: str) -> Frame:
        network, words = readers[texts]
        ids, frame = tokens_of(network.vocabulary, text)
        counted = np.cumsum(words.beta[tokens_of(words.vocabulary, text)[0]], dtype=float)
        logits = perturb.run(network, [ids]).logits[0]
        return frame | {"network": numbers(logits), "bag": numbers([words.b, *(words.b + counted)])}

    return Widget(
        "sentiment_trace", "Logit after each token",
        compute, lambda frame: _token_rows(frame, **{"network": "network", "bag of words": "bag"}),
        controls={"text": t.Unicode(text), "texts": t.Enum(list(readers), FILMS)},
        props=_chosen({k: named(network) | {"bag_fingerprint": fingerprint(words)}
                       for k, (network, words) in readers.items()}),
    )  # fmt: skip


def _chosen(props: Mapping[str, Frame]) -> Frame:
    """What a widget has of each network, by the texts it learned from: of the first, and, under ``of``, of the others.

    A page loads the others' weights when a reader chooses them.
    """
    (_, own), *others = props.items()
    return own | {"of": dict(others)}


def modifier_lab(
    point: OperatingPoint, lab: perturb.Lab | None = None, text: str = "The movie was not good.", gain: float = 0.0,
    restaurants: tuple[OperatingPoint, perturb.Lab] | None = None,
) -> Widget:  # fmt: skip
    """Turn the modifier subspace of the state up and down (:func:`rnnrev.perturb.amplify`) and watch the logit.

    ``lab`` is :func:`rnnrev.perturb.lab` of the operating point, made here if not given; ``restaurants`` the same two
    of a network that learned from these, for a reader to choose. Controls: ``text``; ``gain`` (−1 … 3) of the place in
    the subspace that the network would have: 0 removes it, 1 changes nothing, −1 mirrors it; ``dimension``;
    ``space`` (of ``lab.spaces``); ``begin`` (h0, as a review; middle, in the state h*); ``texts``.
    """
    labs = {FILMS: (point, perturb.lab(point) if lab is None else lab)}
    labs |= {} if restaurants is None else {RESTAURANTS: restaurants}
    spaces, width = list(labs[FILMS][1].spaces), min(own.spaces["modifiers"].dim for _, own in labs.values())

    def compute(text: str, gain: float, dimension: int, space: str, begin: str, texts: str) -> Frame:
        point, own = labs[texts]
        ids, frame = tokens_of(point.model.vocabulary, text)
        plane = own.spaces[space].dual[:, :2]
        start = [perturb.start_from(point.h_star)] if begin == "middle" else []
        change = perturb.amplify(own.spaces[space].take(dimension), gain)
        for name, changes in (("intact", start), ("perturbed", [*start, change])):
            h, frame[name] = _states(point.model, ids, changes)
            frame[f"{name}_path"] = numbers((h - point.h_star) @ plane)
        return frame

    made = Widget(
        "modifier_lab", "Modifier lab: logit after each token, intact and with a gain on a subspace", compute,
        lambda frame: _token_rows(frame, **{"intact": "intact", f"gain {made.gain:g}": "perturbed"}),
        controls={
            "text": t.Unicode(text), "gain": t.Float(gain, min=-1.0, max=3.0),
            "dimension": t.Int(labs[FILMS][1].dimension, min=1, max=width),
            "space": t.Enum(spaces, spaces[0]), "begin": t.Enum(["h0", "middle"], "h0"),
            "texts": t.Enum(list(labs), FILMS),
        },
        props={"dimensions": width, "spaces": spaces} | _chosen({
            k: named(p.model) | {"landmarks": _landmarks(own), "lab": {"h_star": pack(p.h_star)} | {
                name: {"basis": pack(space.basis), "dual": pack(space.dual)} for name, space in own.spaces.items()}}
            for k, (p, own) in labs.items()}),
    )  # fmt: skip
    return made


def _landmarks(lab: perturb.Lab) -> list[Frame]:
    """Where the ten highest-ranked modifiers of each kind leave the state, in the plane."""
    found: dict[str, list[Frame]] = {}
    for word, kind, at in zip(lab.words, lab.kinds, lab.coordinates):
        if kind != "other" and len(found.setdefault(kind, [])) < 10:
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
        return {"words": list(words), "kinds": [kinds[i] for i in chosen], "rows": numbers(codes[chosen]),
                "correlation": numbers(np.atleast_2d(np.corrcoef(codes[chosen])))}  # fmt: skip

    return Widget(
        "barcode_explorer", "Barcodes: what modifiers do to valence words", compute,
        lambda frame: (["word", "valence", *(f"after {w}" for w in frame["words"])],
                       list(zip(probes, valence, *frame["rows"]))),
        controls={"words": t.List(t.Unicode(), list(words), minlen=1, maxlen=4)},
        looks={"order": t.Enum(["valence", "effect"], "valence")},
        props={"probes": probes, "valence": valence, "choices": choices, "kinds": kinds},
        for_page={"lab": {"barcodes": pack(codes)}},
    )  # fmt: skip


def where_it_stands(
    point: OperatingPoint, text: str | None = None, phrase: str = "excellent", restaurants: OperatingPoint | None = None
) -> Widget:
    """Slide words through a review: their influence on its final logit, by place, under three conditions.

    The network as it is; with h₀ replaced by the state on the attractor of the same integrated coordinate; with the
    fast modes removed from the last state (:func:`rnnrev.linear.slow_readout`). Beside them what the words count on the
    attractor, for good.

    ``restaurants`` is the point of a network that learned from these, for a reader to choose. Controls: ``text``
    (default: the shortest embedded review), ``phrase``, ``texts``; setting: ``place`` (its number on the axis).
    """
    text = min(load_reviews("book").texts, key=len) if text is None else text
    points = {FILMS: point} | ({} if restaurants is None else {RESTAURANTS: restaurants})

    def compute(text: str, phrase: str, texts: str) -> Frame:
        point = points[texts]
        model = point.model.astype(np.float32)  # twice as fast, and what the page computes in
        slow = linear.slow_readout(point)
        start = point.h_star + point.r * (point.l @ (model.cell.h0 - point.h_star))
        ids, frame = tokens_of(model.vocabulary, text)
        inserted = model.vocabulary.encode(phrase)[:MAX_TOKENS]
        n = min(len(ids) + 1, PLACES)
        places = np.floor(np.arange(n) * len(ids) / max(n - 1, 1) + 0.5).astype(int)
        read = [ids, *(np.insert(ids, place, inserted) for place in places)]
        ends = (perturb.run(model, read, change).last for change in ((), perturb.start_from(start)))
        whole, replaced = (last[1:] - last[0] for last in ends)
        lasting = perturb.run(model, [inserted], perturb.start_from(point.h_star)).last[0] - point.h_star
        return frame | {"places": places.tolist(), "intact": numbers(whole @ model.w),
                        "start": numbers(replaced @ model.w), "slow": numbers(whole @ slow),
                        "lasting": round(float(slow @ lasting), 6)}  # fmt: skip

    return Widget(
        "where_it_stands", "Influence of words on the final logit, by their place in a review", compute,
        lambda frame: (["tokens before it", "intact", "h₀ replaced", "fast modes removed at the end"],
                       list(zip(*(frame[name] for name in ("places", "intact", "start", "slow"))))),
        controls={"text": t.Unicode(text), "phrase": t.Unicode(phrase), "texts": t.Enum(list(points), FILMS)},
        looks={"place": t.Int(0, min=0)},
        props=_chosen({k: named(p.model) | {"point": {name: pack(getattr(p, name)) for name in ("h_star", "l", "r")}}
                       for k, p in points.items()}),
    )  # fmt: skip


def who_still_matters(model: SentimentRNN | None = None, text: str | None = None) -> Widget:
    """How much each token of a review still pulls on the logit, and how that fades as more is read.

    A token's pull after n tokens is a·d: d is what it did to the state beyond the average word, F(h, x) − F̄(h), and
    a = ∂logit_n/∂h the exact adjoint (:func:`rnnrev.driven.adjoints`). Of one token, its pull at every n is d carried
    on along the text (:meth:`rnnrev.cells.Cell.jvp`) and read by w.

    Controls: ``text`` (default: the shortest embedded review); ``read``, how many tokens have been read, 0 for all;
    ``word``, the place of the token that is followed, the first being 1.
    """
    model = (model or zoo.load("gru-imdb", SentimentRNN)).astype(np.float32)
    text = min(load_reviews("book").texts, key=len) if text is None else text
    average = mean_map(model, FILLERS)
    fillers = model.vocabulary.numbers(average.words)
    weights = average.weights.astype(np.float32)

    def compute(text: str, read: int, word: int) -> Frame:
        ids, frame = tokens_of(model.vocabulary, text)
        n = min(read, len(ids)) or len(ids)
        followed = min(max(word, 1), len(ids)) - 1
        h = model.states_of([ids])[0]
        before = model.cell.recur(h[:-1])
        usual = model.cell.combine(h[:-1, None], model.projected[fillers], before[:, None])
        done = h[1:] - np.einsum("tfs,f->ts", usual, weights)
        a = driven.adjoints(model, [ids[:n]], range(n), places=np.array([[0, n]]))[0][::-1]
        fade, v = [], done[followed]
        for i in range(followed, len(ids)):
            if i > followed:
                v = model.cell.jvp(h[i : i + 1], model.projected[ids[i : i + 1]], v[None])[0]
            fade.append(v @ model.w)
        pull = [*numbers(np.sum(a * done[:n], -1)), *[None] * (len(ids) - n)]
        return frame | {"read": n, "word": followed, "pull": pull, "fade": [None] * followed + numbers(fade),
                        "logit": numbers(model.readout(h))}  # fmt: skip

    strongest = int(np.argmax(np.abs([p or 0 for p in compute(text, 0, 1)["pull"]]))) + 1
    return Widget(
        "who_still_matters", "How much each token of a review pulls on its final logit", compute,
        lambda frame: (["token", "pull on the logit"],
                       [(token, p) for token, p in zip(frame["tokens"], frame["pull"]) if p is not None]),
        controls={"text": t.Unicode(text), "read": t.Int(0, min=0), "word": t.Int(strongest, min=1)},
        props=named(model),
        for_page={"average": {"tokens": fillers.tolist(), "weights": numbers(weights)}},
    )  # fmt: skip


def the_plane(charts: Sequence[Chart], text: str = "The movie was not good.") -> Widget:
    """Networks as maps of the plane of memory and volume: a sentence is a path, a word a field of arrows.

    ``charts`` are made by :func:`rnnrev.balanced.chart`; the second one is shown beside the first when it is chosen.
    Controls: ``text``; ``word``; ``k``, how many balanced modes the reduced network keeps; ``volume``, what is done to
    the volume coordinate after every token, in the whole network and, where it is kept, in the reduced one;
    ``start``, how far from h₀ the path begins, (memory, volume) in standard deviations; ``second``, the number of a
    second network, 0 for none.
    """
    width = min(_MODES, *(c.modes.Phi.shape[1] for c in charts))
    kept = {k: [c.modes.reduce(c.model, k) for c in charts] for k in range(1, width + 1)}
    grid = np.stack(np.meshgrid(np.linspace(-2.5, 2.5, 9), np.linspace(-2, 4.5, 9)), -1).reshape(-1, 2)

    def picture(number: int, text: str, word: str, k: int, volume: str, start: list[float]) -> Frame:
        chart, small = charts[number], kept[k][number]
        ids, frame = tokens_of(chart.model.vocabulary, text)
        axis, gain = chart.volume - 1, _VOLUMES[volume]
        scale, centre = chart.scale, chart.centre  # of memory and volume
        mean, Phi, Psi = chart.modes.mean, chart.modes.Phi[:, [0, axis]], chart.modes.Psi[:, [0, axis]]

        def along(
            model: SentimentRNN, h: np.ndarray, origin: np.ndarray, write: np.ndarray, read: np.ndarray
        ) -> tuple[np.ndarray, np.ndarray]:
            """States of the text, as they are and with the volume changed after each token; no gain compounds."""
            usual, held = [h], [h]
            for i in ids:
                usual.append(model.advance(usual[-1][None], np.array([i]))[0])
                h = model.advance(held[-1][None], np.array([i]))[0]
                first, own, at = ((s - origin) @ read for s in (held[0], usual[-1], h))
                wanted = first if gain is None else at if gain == 1 else centre[1] + gain * (own - centre[1])
                held.append(h + (wanted - at) * write)
            return np.array(usual), np.array(held)

        begin = chart.model.cell.h0 + Phi @ (np.asarray(start) * scale)
        plain, whole = along(chart.model, begin, mean, Phi[:, 1], Psi[:, 1])
        unit = np.eye(k)[axis] if axis < k else np.zeros(k)
        _, z = along(small, (begin - mean) @ small.Psi, np.zeros(k), unit, unit)
        low = np.stack([z[:, 0], z[:, axis] if axis < k else np.full(len(z), centre[1])], -1)
        moved = chart.small.steps([chart.model.vocabulary.index.get(word.strip().lower(), 1)], grid)[0]
        return frame | {
            "name": chart.model.name, "intact": numbers(chart.model.readout(plain)),
            "whole": numbers(chart.model.readout(whole)), "reduced": numbers(small.readout(z)),
            "whole_path": numbers(((whole - mean) @ Psi - centre) / scale),
            "reduced_path": numbers((low - centre) / scale), "field": numbers(moved),
            "word_known": word.strip().lower() in chart.model.vocabulary.index,
        }  # fmt: skip

    def compute(second: int, **settings: Any) -> Frame:
        shown = [0, *([second] if 0 < second < len(charts) else [])]
        return {"networks": [picture(number, **settings) for number in shown]}

    def describe(frame: Frame) -> Table:
        first = frame["networks"][0]
        return _token_rows(first, **{"whole network": "whole", f"{made.k} modes": "reduced"})

    made = Widget(
        "the_plane", "A network as a map of the plane: logit after each token, whole and reduced", compute, describe,
        controls={
            "text": t.Unicode(text), "word": t.Unicode("good"), "k": t.Int(2, min=1, max=width),
            "volume": t.Enum(list(_VOLUMES), "as it is"), "start": t.List(t.Float(), [0.0, 0.0], minlen=2, maxlen=2),
            "second": t.Int(0, min=0, max=len(charts) - 1),
        },
        props={
            "network": charts[0].model.name, "networks": [c.model.name for c in charts],
            "fingerprints": [fingerprint(c.model) for c in charts], "modes": width, "volumes": list(_VOLUMES),
            "grid": grid.tolist(), "file": name if (name := charts[0].model.name) in OWN_FILE else None,
            "clouds": [
                {"at": np.round(z, 2).tolist(), "logit": np.round(c.small.readout(z), 1).tolist()}
                for c, z in ((c, c.visited[:400]) for c in charts)
            ],
        },
        for_page={"charts": [
            {"mean": pack(c.modes.mean), "Phi": pack(c.modes.Phi[:, :width]), "Psi": pack(c.modes.Psi[:, :width]),
             "volume": c.volume - 1, "scale": numbers(c.scale), "centre": numbers(c.centre)} for c in charts]},
    )  # fmt: skip
    return made
