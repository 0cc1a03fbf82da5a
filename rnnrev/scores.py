"""How well a classifier does, and where: the measures of chapter 1.

Everything here takes any model of :mod:`rnnrev.model`, a recurrent network or a bag of words, and texts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from . import stats
from .data import Reviews, load_reviews
from .files import RECORDS, write_json
from .model import BagOfWords, SentimentRNN
from .stats import Estimate

__all__ = [
    "RECORD",
    "accuracy",
    "by_length",
    "gain",
    "load_record",
    "modifier_shifts",
    "recorded",
    "shift_by_valence",
    "write_record",
]

#: What :func:`write_record` writes: the measures that need the whole of IMDB's test reviews.
RECORD = RECORDS / "training.json"
BASELINE = "bow-imdb"

Model = SentimentRNN | BagOfWords


def accuracy(model: Model, reviews: Reviews) -> Estimate:
    """Share of reviews whose label the model finds, with Wilson's 95 % interval over reviews."""
    return stats.accuracy(model.classify(reviews.texts), reviews.labels)


def by_length(right: np.ndarray, lengths: np.ndarray, bins: int = 6) -> list[dict[str, Any]]:
    """Accuracy in groups of reviews of like length, as many reviews in each.

    Parameters
    ----------
    right : array of bool, (n,)
        Which reviews the model classified rightly.
    lengths : array of int, (n,)
        Their lengths in tokens.
    bins : int
        Number of groups (fewer where lengths tie).

    Returns
    -------
    list of dict
        ``tokens`` [shortest, longest], ``median`` length, ``texts``, ``accuracy``, ``interval95`` (Wilson).
    """
    right, lengths = np.asarray(right, bool), np.asarray(lengths)
    if right.shape != lengths.shape or not len(right):
        raise ValueError(f"need a length for each of at least one review: {right.shape} and {lengths.shape}")
    edges = np.unique(np.quantile(lengths, np.linspace(0, 1, bins + 1)[1:-1]))
    group = np.searchsorted(edges, lengths)
    rows = []
    for g in np.unique(group):
        held = lengths[group == g]
        estimate = stats.accuracy(right[group == g], np.ones(len(held), bool))
        rows.append({
            "tokens": [int(held.min()), int(held.max())], "median": float(np.median(held)), "texts": len(held),
            "accuracy": estimate.value, "interval95": [estimate.low, estimate.high],
        })  # fmt: skip
    return rows


def recorded(records: Mapping[str, Mapping[str, Any]]) -> dict[str, Estimate]:
    """Test accuracy of each network as its run record has it: name -> record in, name -> Estimate out."""
    return {n: Estimate(r["test"]["accuracy"], *r["test"]["interval95"]) for n, r in records.items() if r.get("test")}


def gain(right: np.ndarray, baseline: np.ndarray) -> Estimate:
    """Accuracy of one model minus that of another on the same reviews, bootstrapped over reviews (paired)."""
    return stats.bootstrap(np.asarray(right, float) - np.asarray(baseline, float))


# --- what a word does to the next --------------------------------------------------------------


def modifier_shifts(model: Model, contrasts: Any) -> Any:
    """What each modifier adds to the logit of each contrast phrase.

    Parameters
    ----------
    contrasts : pandas table
        From :func:`rnnrev.data.load_contrasts`.

    Returns
    -------
    pandas table
        The modified phrases with ``base_logit``, ``logit`` and ``shift`` = logit − base_logit, in nats.
    """
    table = contrasts.assign(logit=model.logits(list(contrasts["text"])).astype(float))
    key = ["word", "frame"]
    base = table.loc[table["condition"] == "base", [*key, "logit"]].rename(columns={"logit": "base_logit"})
    made = table[table["condition"] != "base"].merge(base, on=key, validate="many_to_one")
    return made.assign(shift=made["logit"] - made["base_logit"])


def shift_by_valence(shifts: Any, condition: str = "negated") -> dict[int, Estimate]:
    """Mean shift of positive (1) and of negative (−1) words, in nats, bootstrapped over words.

    A model that only adds words up shifts both alike; one that reads context shifts them apart.
    """
    table = shifts[shifts["condition"] == condition]
    if table.empty:
        raise ValueError(f"no phrase has condition {condition!r}: choose one of {sorted(set(shifts['condition']))}")
    by_word = table.groupby(["valence", "word"])["shift"].mean()
    return {int(v): stats.bootstrap(by_word[v].to_numpy()) for v in by_word.index.unique("valence")}


# --- the record ---------------------------------------------------------------------------------


def write_record(networks: Mapping[str, Model], file: Path | None = None, reviews: Reviews | None = None) -> Path:
    """Measure networks on whole IMDB test reviews and write the result for the chapters.

    Written after each network; networks that an earlier run measured on the same reviews are kept.

    Parameters
    ----------
    networks : dict
        Name -> model; ``"bow-imdb"`` among them is the baseline of each ``gain``.
    reviews : Reviews, optional
        Default: ``load_reviews("imdb", "test")``.
    """
    file = RECORD if file is None else file
    reviews = load_reviews("imdb", "test") if reviews is None else reviews
    data = {"name": reviews.name, "split": reviews.split, "texts": len(reviews), "sha256": reviews.fingerprint}
    record: dict[str, Any] = {
        "what": "accuracy on whole test reviews, by length, and gain over the bag of words (value, 95 % interval)",
        "data": data,
        "networks": {},
    }
    if file.is_file() and load_record(file)["data"] == data:
        record["networks"] = load_record(file)["networks"]
    baseline = None
    for name in sorted(networks, key=lambda n: n != BASELINE):  # the baseline first
        ids = networks[name].vocabulary.encode_all(reviews.texts)
        right = (networks[name].logits_of(ids) > 0) == (reviews.labels == 1)
        total = stats.accuracy(right, np.ones(len(reviews), bool))
        row = {
            "accuracy": total.value,
            "interval95": [total.low, total.high],
            "by_length": by_length(right, np.array([len(i) for i in ids])),
        }
        if name == BASELINE:
            baseline = right
        elif baseline is not None:
            row["gain"] = list(gain(right, baseline))
        record["networks"][name] = row
        write_json(file, record)
    return file


def load_record(file: Path | None = None) -> dict[str, Any]:
    """What :func:`write_record` wrote."""
    file = RECORD if file is None else file
    if not file.is_file():
        raise FileNotFoundError(
            f"{file} does not exist: write it with `rnnrev measure training` (needs IMDB's test reviews)"
        )
    return json.loads(file.read_text(encoding="utf-8"))
