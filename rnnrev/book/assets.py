"""What the static site needs to run networks by itself: the front end and the weights, as plain files.

``python -m rnnrev.book.assets FOLDER`` writes them. A page may be opened from a USB stick (``file://``), where neither
``fetch`` nor module imports work. So the front end is one classic script, made of the same sources as JupyterLab's
module, and the weights are a script too, which hands over base64.
"""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .. import zoo
from ..cells import CELLS, WEIGHTS
from ..files import write_text
from ..model import BagOfWords, SentimentRNN
from ..widgets.base import SOURCES, css, fingerprint, joined

__all__: list[str] = []

_NETWORK = "gru-imdb"  #: what a page runs, and the name of its file
#: What it loads when a reader asks for another network, or chapter 10 for its own, and the bag of words beside it.
_OTHERS = {"gru-imdb-pretrained": "", "gru-yelp": "bow-yelp", "gates/mingru-films": ""}


def script() -> str:
    """The front end as one classic script that brings a page's widgets to life."""
    return "(() => {\n'use strict';\n" + joined(*SOURCES, "page") + "})();\n"


def _asset(model: SentimentRNN, name: str, bag: BagOfWords | None = None, built: SentimentRNN | None = None) -> str:
    cell = model.cell
    if cell.kind not in ("gru", "mingru") or model.n_classes != 2:
        raise ValueError(f"pages run a GRU or minGRU with one logit, not {cell.kind} with {model.n_classes} classes")
    for each in (bag, built):
        if each is not None and each.vocabulary.words != model.vocabulary.words:
            raise ValueError(f"{each.name} and {model.name} do not share a vocabulary: train both on the same texts")
    scale = np.maximum(np.abs(model.embedding).max(1), 1e-12).astype(np.float32) / 127
    arrays: dict[str, np.ndarray] = {
        "embedding": np.rint(model.embedding / scale[:, None]).astype(np.int8),
        "embedding_scale": scale,
        **{k: getattr(cell, k).astype(np.float16) for k in WEIGHTS if k != "U" or CELLS[cell.kind].sees_state},
        "readout": model.w.astype(np.float16),
        "readout_b": np.array([model.b], np.float32),
    }
    if bag is not None:
        arrays |= {"bow_beta": bag.beta.astype(np.float32), "bow_b": np.array([bag.b], np.float32)}
    if built is not None:
        shared = [built.cell.b_rec, built.cell.h0, built.frequencies @ built.projected, built.w[:1], [built.b]]
        arrays |= {"knob": built.projected.astype(np.float16), "knob_shared": np.concatenate(shared, dtype=np.float32)}
    layout, raw = {}, bytearray()
    for key, array in arrays.items():
        layout[key] = {"dtype": str(array.dtype), "offset": len(raw), "length": int(array.size)}
        raw += array.astype(array.dtype.newbyteorder("<")).tobytes()
        raw += b"\0" * (-len(raw) % 4)  # typed arrays start at multiples of their size
    header = {
        "name": name,
        "cell": cell.kind,
        "fingerprint": fingerprint(model),
        "bag_fingerprint": None if bag is None else fingerprint(bag),
        "knob_fingerprint": None if built is None else fingerprint(built),
        "sizes": {"N": cell.n_units, "D": cell.n_inputs, "V": len(model.vocabulary)},
        "words": "\n".join(model.vocabulary.words),
        "arrays": layout,
    }
    body = json.dumps(header, ensure_ascii=False, separators=(",", ":"))
    return f'rnnrevAsset({json.dumps(name)},{body},"{base64.b64encode(raw).decode()}");\n'


def write_assets(
    folder: str | os.PathLike[str],
    model: SentimentRNN | None = None,
    bag: BagOfWords | None = None,
    built: SentimentRNN | None = None,
    others: Sequence[tuple[SentimentRNN, BagOfWords | None]] = (),
) -> list[Path]:
    """Write widgets.js, widgets.css and gru-imdb.js, all that a static page with widgets loads, and others on demand.

    ``model``, ``bag`` and ``built``, a knob, are the shipped ones unless a model is given, and so are ``others``, each
    with a bag of words or none in a file of its name. Embeddings are int8 with a scale a row, the rest float16, as in
    the small files of :func:`rnnrev.zoo.save`. ``ValueError`` for a model that is no GRU or minGRU with one logit, or a
    bag of other words.
    """
    if model is None:
        model, bag = zoo.load(_NETWORK, SentimentRNN), zoo.load("bow-imdb", BagOfWords)
        built = zoo.load("knob-imdb", SentimentRNN)
        others = [
            (zoo.load(zoo.FOLDER / n, SentimentRNN), zoo.load(b, BagOfWords) if b else None) for n, b in _OTHERS.items()
        ]
    texts = {"widgets.js": script(), "widgets.css": css(), f"{_NETWORK}.js": _asset(model, _NETWORK, bag, built)}
    texts |= {f"{m.name}.js": _asset(m, m.name, b) for m, b in others}
    return [write_text(Path(folder) / name, text) for name, text in texts.items()]


if __name__ == "__main__":
    for file in write_assets(sys.argv[1]):
        print(f"written {file} ({file.stat().st_size / 1e6:.2f} MB)")
