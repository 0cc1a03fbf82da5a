"""Tests of reading, on readers that were built by hand: what a bag of words and a perfect reader must get."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from rnnrev import context
from rnnrev.data import DataError, Reviews

VALENCE = {"good": 1.0, "fine": 0.5, "bad": -1.0, "poor": -0.5}


@dataclass
class Reader:
    """Adds up valences; "not" turns them round and modifiers scale them, if it knows how; or they have a weight."""

    name: str
    scale: dict[str, float]
    weight: dict[str, float]
    zero: float = 0.0

    def logits(self, texts):
        total = []
        for text in texts:
            words = text.split()
            factor = float(np.prod([self.scale.get(w, 1.0) for w in words]))
            total.append(factor * sum(VALENCE.get(w, 0.0) for w in words) + sum(self.weight.get(w, 0.0) for w in words))
        return np.array(total) + self.zero


PERFECT = Reader("perfect", {"not": -1.0, "very": 2.0, "rather": 0.5}, {})
BAG = Reader("bag", {}, {"not": -0.7, "very": 0.3, "rather": -0.2})


def sentences() -> pd.DataFrame:
    rows = []
    for word, valence in VALENCE.items():
        test = "simple negations: negative" if valence > 0 else "simple negations: not negative"
        rows += [{"text": f"it is not {word}", "test": test, "item": len(rows) + i, "variant": 0} for i in range(5)]
    for test, modifier in (("intensifiers", "very"), ("reducers", "rather")):
        for item, word in enumerate([*VALENCE] * 5):
            texts = (f"it is {word}", f"it is {modifier} {word}")
            rows += [{"text": t, "test": test, "item": item, "variant": v} for v, t in enumerate(texts)]
    return pd.DataFrame(rows)


def marks(reader: Reader) -> dict[str, float]:
    found = pd.DataFrame(context.checklist_tests(reader, sentences()))
    assert ((found.low <= found.value) & (found.value <= found.high)).all()
    assert set(found.measure) == set(context.TESTS)
    alone, after = (found[found.condition == c] for c in ("", "in mid-text"))
    assert list(alone.value) == list(after.value)  # these readers do not care for words without valence
    return dict(zip(alone.measure, alone.value))


def test_a_perfect_reader_has_full_marks_wherever_its_zero_stands():
    assert set(marks(PERFECT).values()) == {1.0}
    shifted = marks(Reader("shifted", PERFECT.scale, {}, zero=5.0))
    assert [shifted[k] for k in ("negated_order", "intensified", "reduced")] == [1, 1, 1]
    assert shifted["negated_positive"] == 0


def test_a_bag_of_words_cannot_turn_the_order_round():
    found = marks(BAG)
    assert found["negated_order"] == 0  # "not bad" stays below "not good"
    assert found["intensified"] == found["reduced"] == 0.5  # one weight for both signs
    assert found["negated_negative"] == 0
    assert found["negated_positive"] == 0.5  # −.7 is enough for "fine", not for "good"


def test_sets_have_accuracy_and_auc(monkeypatch: pytest.MonkeyPatch):
    def load(name: str, split: str = "test") -> Reviews:
        texts = ("it is good", "it is not good", "so poor", "not poor") * 10
        return Reviews(name, split, texts, np.array([1, 0, 0, 1] * 9 + [-1] * 4))

    monkeypatch.setattr(context, "load_reviews", load)
    monkeypatch.setattr(context, "load_checklist", sentences)
    table = context.context_tests(PERFECT, ("sst2", "imdb_counterfactual", "checklist"))
    reviews = table[table.measure.isin(["accuracy", "auc"])]
    assert list(reviews.data.unique()) == ["sst2/test", "imdb_counterfactual/revised"]
    assert (reviews.value == 1).all()
    assert list(reviews.n) == [36, 36, 72, 72]  # without a label a review is left out; both splits of revisions
    bag = context.context_tests(BAG, ("sst2",)).set_index("measure").value
    assert bag.auc == pytest.approx(2 / 4)  # + 1, −1.2; − .3, −.5: two of four pairs are in order
    monkeypatch.setattr(context, "load_checklist", lambda: (_ for _ in ()).throw(DataError("no folder")))
    with pytest.raises(DataError, match="no folder"):
        context.context_tests(PERFECT)
