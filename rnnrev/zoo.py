"""The networks that are shipped with the book, each with the record of how it was trained.

They were trained on IMDB's training reviews and SST-2's phrases, with the 50,000 unlabelled IMDB reviews
labelled by an ensemble (``rnnrev train --help`` and each record tell how). ``gru-imdb-pretrained`` learned to predict
the next word first (:mod:`rnnrev.pretraining`). No review text is shipped.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .model import SentimentRNN
from .model import load as load_folder

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FOLDER", "load", "names", "record", "recurrent", "table"]

#: Where the shipped networks lie.
FOLDER = Path(__file__).parent / "networks"


def names() -> list[str]:
    """Names of the shipped networks, e.g. ``gru-imdb``."""
    return sorted(p.parent.name for p in FOLDER.glob("*/config.json"))


def recurrent(pretrained: bool = False) -> list[str]:
    """Names of the recurrent networks that had the same training; or of those that learned to predict words first."""
    found = {n: record(n)["config"] for n in names() if isinstance(load(n), SentimentRNN)}
    return [n for n, config in found.items() if (config.get("pretrained", "none") != "none") == pretrained]


def _known(name: str) -> str:
    if name not in names():
        raise ValueError(f"no shipped network is called {name!r}: choose one of {', '.join(names())}")
    return name


@lru_cache(maxsize=16)
def load(name: str) -> Any:
    """Load a shipped network by name, in well under a second; the same object when asked again.

    Returns
    -------
    SentimentRNN, BagOfWords or AugmentedBagOfWords

    Raises
    ------
    ValueError
        If there is no such network; the message lists those there are.
    """
    model = load_folder(FOLDER / _known(name))
    return model if model.name == name else replace(model, name=name)  # seeds of one recipe were trained under one name


def record(name: str) -> dict[str, Any]:
    """The run record of a shipped network: data, command, versions, curves, test scores."""
    return load(name).record


def table() -> pd.DataFrame:
    """One row a network: cell, size, epochs, training texts, test accuracy with its 95 % interval, size on disk."""
    import pandas as pd

    rows = []
    for name in names():
        made, config = record(name), record(name).get("config", {})
        test = made.get("test") or {}
        low, high = test.get("interval95", (float("nan"),) * 2)
        rows.append(
            {
                "name": name,
                "cell": config.get("cell"),
                "units": getattr(getattr(load(name), "cell", None), "n_units", None),
                "words": len(load(name).vocabulary),
                "seed": config.get("seed"),
                "epochs": len(made.get("curve", ())),
                "training texts": made.get("training_texts"),
                "test accuracy": test.get("accuracy"),
                "low": low,
                "high": high,
                "test texts": test.get("texts"),
                "MB": sum(f.stat().st_size for f in (FOLDER / name).iterdir()) / 1e6,
            }
        )
    return pd.DataFrame(rows).set_index("name") if rows else pd.DataFrame()
