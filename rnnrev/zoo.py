"""Models as files, and the networks that are shipped with the book, each with the record of how it was trained.

Those called imdb learned from IMDB and SST-2, and unlabelled reviews with an ensemble's labels; yelp from reviews of
restaurants and hotels with their stars for labels; all from both; pretrained ones predicted the next word first.
No review text is shipped. ``scripts/networks.py`` makes those that records count and that are too large to ship.

A model is one ``.safetensors`` file: arrays, and in the header what it is, its words, its record and a hash of them
all. Shipped networks refer to one file of words. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np

from .data import Vocabulary
from .files import write_bytes
from .model import BagOfWords, Classifier

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FOLDER", "ModelFileError", "load", "names", "record", "save", "table"]

#: Where the shipped networks lie.
FOLDER = Path(__file__).parent / "networks"
#: Of the files that :func:`save` writes.
_FORMAT = 2
SUFFIX = ".safetensors"
#: Kinds of model, and the classes that read them, imported when one is loaded.
_KINDS = {
    "rnn": "rnnrev.model:SentimentRNN",
    "bow": "rnnrev.model:BagOfWords",
    "augmented-bow": "rnnrev.augmented_bow:AugmentedBagOfWords",
}

_Model = TypeVar("_Model", bound=Classifier)


class ModelFileError(ValueError):
    """A model file that is missing, foreign, newer or damaged; the message says which and what to do."""


def save(model: Classifier, file: str | os.PathLike[str], *, compact: bool = False) -> Path:
    """Write a model as one file, in one step, and return its path; ``.safetensors`` is added where it is missing.

    ``compact``, for shipping, stores the embedding as int8 with a scale a row and the rest as float16: evaluate what
    :func:`load` then returns, not what was saved.
    """
    from safetensors.numpy import save as packed

    target = _path(file)
    settings, arrays = model.to_arrays(compact)
    if model.counts is not None:
        arrays["counts"] = model.counts
    arrays = {k: np.asarray(v, order="C") for k, v in arrays.items()}
    about = {"format": _FORMAT, "kind": model.kind, "name": model.name, "settings": settings, "record": model.record}
    about["words"] = list(model.vocabulary.words)
    if target.parent.resolve() == FOLDER:
        about["words"] = write_bytes(*_words_file(model.vocabulary.words)).name
    about["sha256"] = _digest(about, arrays)
    return write_bytes(target, packed(arrays, {"rnnrev": json.dumps(about)}))


def _path(file: str | os.PathLike[str]) -> Path:
    path = Path(file)
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def _digest(about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    body = {k: v for k, v in about.items() if k != "sha256"}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode())
    for name, value in sorted(arrays.items()):
        digest.update(f"{name} {value.dtype} {value.shape}".encode() + value.tobytes())
    return digest.hexdigest()


def _words_file(words: Sequence[str]) -> tuple[Path, bytes]:
    """Where words that networks share are written, by their hash, and what is written."""
    content = ("\n".join(words) + "\n").encode()
    return FOLDER / f"words-{hashlib.sha256(content).hexdigest()[:12]}.txt", content


@lru_cache(maxsize=4)
def _shared_words(name: str) -> Vocabulary:
    file = FOLDER / name
    if not file.is_file():
        raise ModelFileError(f"it refers to {name}, which is not shipped with this rnnrev: save it with its words")
    words = tuple(file.read_text(encoding="utf-8").split("\n")[:-1])
    if _words_file(words)[0] != file:
        raise ModelFileError(f"{file} is damaged (its SHA-256 differs): restore it")
    return Vocabulary(words)


@overload
def load(name: str | os.PathLike[str]) -> Classifier: ...
@overload
def load(name: str | os.PathLike[str], kind: type[_Model]) -> _Model: ...
def load(name: str | os.PathLike[str], kind: type[Classifier] = Classifier) -> Classifier:
    """A shipped network by its name, e.g. ``gru-imdb``, or a model from the file that :func:`save` wrote.

    ``kind`` is what it must be: :class:`rnnrev.model.SentimentRNN` for analyses of a recurrent network. Shipped
    networks are read once: who asks again is given the same object. ``ModelFileError`` if there is no such network or
    file, or it is of another ``kind``, no model of this package, of a newer format, changed or cut short.
    """
    model = _shipped(str(name)) if name in names() else _read(_path(name))
    if not isinstance(model, kind):
        raise ModelFileError(f"{name} is a {type(model).__name__}: give a {kind.__name__}")
    return model


@lru_cache(maxsize=16)
def _shipped(name: str) -> Classifier:
    return _read(FOLDER / (name + SUFFIX))


def _read(file: Path) -> Classifier:
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise ModelFileError(f"{file} does not exist; shipped networks are {', '.join(names())}")
    try:
        with safe_open(file, framework="numpy") as stored:
            arrays = {k: stored.get_tensor(k) for k in stored.keys()}  # noqa: SIM118
            about = json.loads((stored.metadata() or {}).get("rnnrev", "null"))
    except (SafetensorError, ValueError) as error:
        fix = "restore it or save it again"
        raise ModelFileError(f"{file} is damaged, or no {SUFFIX} file ({error}): {fix}") from error
    if not isinstance(about, dict):
        raise ModelFileError(f"{file} is not a model of this package: rnnrev.wrap takes weights of Keras and PyTorch")
    if about.get("format", 0) > _FORMAT:
        raise ModelFileError(f"{file} has format {about['format']}, this rnnrev reads up to {_FORMAT}: update it")
    if about.get("sha256") != _digest(about, arrays):
        raise ModelFileError(f"{file} is damaged (its SHA-256 differs): restore it or save the model again")
    words, counts = about["words"], arrays.pop("counts", None)
    try:
        vocabulary = _shared_words(words) if isinstance(words, str) else Vocabulary(tuple(words))
    except ModelFileError as error:
        raise ModelFileError(f"{file}: {error}") from None
    module, name = _KINDS[about["kind"]].split(":")
    make = getattr(importlib.import_module(module), name).from_arrays
    return make(about["settings"], arrays, vocabulary, name=about["name"], record=about["record"], counts=counts)


# --- shipped networks -----------------------------------------------------------------------------


def names() -> list[str]:
    """Names of the shipped networks, e.g. ``gru-imdb``."""
    return sorted(p.stem for p in FOLDER.glob(f"*{SUFFIX}"))


def bag_of(model: Classifier) -> BagOfWords:
    """The shipped bag of words that learned from the texts of a model's vocabulary; that of films where none did."""
    bags = [load(name, BagOfWords) for name in names() if name.startswith("bow-")]
    return next((b for b in bags if b.vocabulary.words == model.vocabulary.words), load("bow-imdb", BagOfWords))


def record(name: str) -> dict[str, Any]:
    """The run record of a shipped network: data, command, versions, curves, test scores."""
    return load(name).record


def table() -> pd.DataFrame:
    """One row a network: cell, size, epochs, training texts, test accuracy with its 95 % interval, size on disk."""
    import pandas as pd

    rows = []
    for name in names():
        model = load(name)
        config, test = model.record.get("config", {}), model.record.get("test") or {}
        low, high = test.get("interval95", (np.nan, np.nan))
        rows.append({
            "name": name, "cell": config.get("cell"), "units": getattr(getattr(model, "cell", None), "n_units", None),
            "words": len(model.vocabulary), "seed": config.get("seed"), "epochs": len(model.record.get("curve", ())),
            "training texts": model.record.get("training_texts"), "test accuracy": test.get("accuracy"), "low": low,
            "high": high, "test texts": test.get("texts"), "MB": (FOLDER / (name + SUFFIX)).stat().st_size / 1e6,
        })  # fmt: skip
    return pd.DataFrame(rows).set_index("name")
