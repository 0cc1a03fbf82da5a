"""Who reads context? One reader on sets of texts in which topic, single words or the order of words decides.

A reader's zero shifts with length and domain, so each set has an AUC beside its accuracy, and CheckList's tests compare
a sentence with its changed form. What each set tests stands in :data:`SETS` and :data:`TESTS`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from . import stats
from .data import Reviews, load_checklist, load_reviews
from .measure import COLUMNS
from .model import Classifier
from .stats import Estimate

__all__ = ["TESTS"]

#: Sets of reviews -> what decides them; those of several splits are put together.
SETS = {
    "imdb": "topic and many single words",
    "yelp": "topic and many single words, restaurants",
    "sst2": "one sentence: few words, and what stands before them",
    "imdb_counterfactual": "whether topic misleads: a few words of a film review are turned round",
}
ALL_SETS = (*SETS, "checklist")
#: Tests of CheckList's sentences, of flights and crews with one word of valence each: shares of sentences or of pairs,
#: and, so that no zero decides nor what "not" says itself, one AUC.
TESTS = {
    "negated_positive": "“not good” is negative",
    "negated_negative": "“not bad” is not negative",
    "negated_order": "“not bad” above “not good”",
    "intensified": "“very good” further out",
    "reduced": "“somewhat good” less far out",
}


#: Without valence, to stand before a sentence: the first words of a text count more (chapter 4).
BEFORE = (
    "i went there on a monday with my brother and we stayed for two days . the place is at the end of the street , "
    "next to the station . we took the train in the morning and came home at night . "
)


def context_texts(name: str, most: int = 5000, seed: int = 0) -> Reviews:
    """Reviews of one of :data:`SETS` with known labels, at most so many; of IMDB's counterfactuals the revisions."""
    if name == "imdb_counterfactual":
        one, two = (load_reviews(name, split) for split in ("train", "validation"))
        reviews = Reviews(name, "revised", one.texts + two.texts, np.concatenate([one.labels, two.labels]))
    else:
        reviews = load_reviews(name)
    return reviews.take(reviews.labels >= 0).sample(most, seed)


def context_tests(model: Classifier, sets: Sequence[str] = ALL_SETS, most: int = 5000, seed: int = 0) -> pd.DataFrame:
    """Accuracy and AUC on each of the sets, and CheckList's :data:`TESTS`, with intervals over texts.

    A table with :data:`rnnrev.measure.COLUMNS`; ``n`` is the number of texts. Raises :class:`rnnrev.data.DataError`
    where a set cannot be had.
    """
    rows = []
    for name in sets:
        if name == "checklist":
            rows += checklist_tests(model, load_checklist(), seed)
            continue
        reviews = context_texts(name, most, seed)
        logits, labels = model.logits(reviews.texts), reviews.labels
        found = {
            "accuracy": stats.accuracy(logits > 0, labels == 1),
            "auc": stats.bootstrap((labels, logits), stats.auc, n=200, seed=seed),
        }
        rows += [_row(model, f"{name}/{reviews.split}", measure, v, len(labels)) for measure, v in found.items()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def checklist_tests(model: Classifier, sentences: pd.DataFrame, seed: int = 0) -> list[dict[str, object]]:
    """:data:`TESTS` on sentences with the columns of :func:`rnnrev.data.load_checklist`; intervals over sentences.

    As they are, and under the condition "in mid-text" after :data:`BEFORE`. Further out is measured from the reader's
    mean logit over the unchanged sentences, so that its zero does not matter.
    """

    def share(right: np.ndarray) -> tuple[Estimate, int]:
        return stats.bootstrap(right.astype(float), seed=seed), len(right)

    rows = []
    for condition, before in (("", ""), ("in mid-text", BEFORE)):
        found = checklist_answers(sentences.assign(logit=model.logits([before + text for text in sentences.text])))
        good, bad = found["positive"], found["negative"]
        order = stats.bootstrap((good, bad), stats.above, n=200, seed=seed, paired=False)
        values = {
            "negated_positive": share(good < 0), "negated_negative": share(bad > 0),
            "negated_order": (order, len(good) + len(bad)),
            "intensified": share(found["intensified"]), "reduced": share(found["reduced"]),
        }  # fmt: skip
        rows += [_row(model, "checklist/test", k, *v) | {"condition": condition} for k, v in values.items()]
    return rows


def checklist_answers(sentences: pd.DataFrame) -> dict[str, np.ndarray]:
    """From sentences with a column ``logit``: the logits of "not good" and of "not bad" (``positive``, ``negative``),
    and which pairs of a sentence and its changed form are in order (``intensified``, ``reduced``: bool)."""
    logit = {name: part.logit.to_numpy() for name, part in sentences.groupby("test")}
    found = {"positive": logit["simple negations: negative"], "negative": logit["simple negations: not negative"]}
    for name, test, further in (("intensified", "intensifiers", np.greater), ("reduced", "reducers", np.less)):
        pairs = sentences[sentences.test == test].pivot(index="item", columns="variant", values="logit")
        plain, changed = (pairs[v].to_numpy() - pairs[0].mean() for v in (0, 1))
        found[name] = further(np.sign(plain) * changed, np.abs(plain))
    return found


def _row(model: Classifier, data: str, measure: str, found: Estimate, n: int) -> dict[str, object]:
    where = {"network": model.name, "data": data, "measure": measure, "condition": "", "at": np.nan}
    return where | found._asdict() | {"n": n, "note": ""}
