"""Scores against counts made by hand, and models whose behaviour is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnrev import scores
from rnnrev.data import PAD, UNKNOWN, Reviews, Vocabulary
from rnnrev.model import BagOfWords
from rnnrev.plots.chapter import claims, glue, table, text_of
from rnnrev.stats import Estimate

VOCABULARY = Vocabulary((PAD, UNKNOWN, "good", "bad", "not", "very", "it", "was"))
BAG = BagOfWords(np.array([0, 0, 2.0, -2.0, -0.5, 0.25, 0, 0]), 0.1, VOCABULARY, "bow-imdb")


def reviews(n: int = 40) -> Reviews:
    texts = tuple("it was good" + " it" * (i // 4) if i % 2 else "it was bad" + " it" * (i // 4) for i in range(n))
    labels = np.arange(n) % 2
    labels[:4] = 1 - labels[:4]  # the shortest are the wrong ones
    return Reviews("imdb", "test", texts, labels)


def contrasts() -> pd.DataFrame:
    rows = [
        (w, v, "it was {m} {w}", c, m, f"it was {m} {w}".replace("  ", " "))
        for w, v in (("good", 1), ("bad", -1))
        for c, m in (("base", ""), ("negated", "not"), ("intensified", "very"))
    ]
    return pd.DataFrame(rows, columns=["word", "valence", "frame", "condition", "modifier", "text"])


def test_groups_by_length_are_equal_in_size_and_add_up() -> None:
    lengths = np.arange(1, 61)
    right = lengths > 20
    rows = scores.by_length(right, lengths, bins=3)
    assert [r["texts"] for r in rows] == [20, 20, 20]
    assert [r["tokens"] for r in rows] == [[1, 20], [21, 40], [41, 60]]
    assert [r["accuracy"] for r in rows] == [0, 1, 1]
    assert all(r["interval95"][0] <= r["accuracy"] <= r["interval95"][1] for r in rows)


def test_groups_of_texts_of_one_length() -> None:
    rows = scores.by_length(np.array([True, False]), np.array([7, 7]))
    assert [(r["texts"], r["accuracy"]) for r in rows] == [(2, 0.5)]
    with pytest.raises(ValueError, match="length for each"):
        scores.by_length(np.array([True]), np.array([1, 2]))


def test_gain_is_paired() -> None:
    right = np.array([True] * 90 + [False] * 10)
    gain = scores.gain(right, right)
    assert tuple(gain) == (0, 0, 0)  # two intervals of one accuracy overlap; the difference is exactly none
    assert scores.gain(right, ~right).value == pytest.approx(0.8)


def test_a_bag_of_words_shifts_all_words_alike() -> None:
    shifts = scores.modifier_shifts(BAG, contrasts())
    assert len(shifts) == 4
    assert shifts.loc[shifts["condition"] == "negated", "shift"].to_numpy() == pytest.approx([-0.5, -0.5])
    assert shifts.loc[shifts["condition"] == "intensified", "shift"].to_numpy() == pytest.approx([0.25, 0.25])


def test_shift_by_valence_averages_words_first() -> None:
    table = pd.DataFrame({
        "condition": "negated", "valence": [1, 1, 1, -1, -1], "word": ["a", "a", "b", "c", "d"],
        "shift": [-1.0, -3.0, -4.0, 1.0, 3.0],
    })  # fmt: skip
    found = scores.shift_by_valence(table)
    assert {v: e.value for v, e in found.items()} == {1: -3, -1: 2}
    with pytest.raises(ValueError, match="negated"):
        scores.shift_by_valence(table, "softened")


def test_record_holds_what_the_models_do(tmp_path: Path) -> None:
    texts = reviews()
    file = scores.write_record({"bow-imdb": BAG, "same": BAG}, tmp_path / "deep" / "record.json", texts)
    record = scores.load_record(file)
    assert record["data"]["sha256"] == texts.fingerprint
    assert record["networks"]["bow-imdb"]["accuracy"] == 0.9 == scores.accuracy(BAG, texts).value
    assert record["networks"]["same"]["gain"] == [0, 0, 0]
    assert record["networks"]["bow-imdb"]["by_length"][0]["accuracy"] < 0.9  # the shortest texts have wrong labels
    assert not any("it was" in text for text in json.dumps(record).split('"')), "a record holds no text"
    scores.write_record({"later": BAG}, file, texts)
    assert set(scores.load_record(file)["networks"]) == {"bow-imdb", "same", "later"}, "what was measured is kept"
    scores.write_record({"later": BAG}, file, texts.take(slice(20)))
    assert set(scores.load_record(file)["networks"]) == {"later"}, "but not what was measured on other reviews"
    with pytest.raises(FileNotFoundError, match="rnnrev measure training"):
        scores.load_record(tmp_path / "none.json")


def test_recorded_accuracies() -> None:
    record = {"test": {"accuracy": 0.9, "interval95": [0.8, 0.95]}}
    assert scores.recorded({"a": record, "untested": {"test": None}}) == {"a": Estimate(0.9, 0.8, 0.95)}


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (0.9123, ".1%", "91.2\u00a0%"),
        (Estimate(0.5, -0.25, 1.0), ".2f", "0.50 [\u22120.25, 1.00]"),
        (Estimate(2.0, np.nan, np.nan), ".1f", "2.0"),
        (20_000, ".3g", "20,000"),
        (-1.5, "+.1f", "\u22121.5"),
        ("as it is", ".1f", "as it is"),
    ],
)
def test_numbers_as_text(value: object, spec: str, text: str) -> None:
    assert text_of(value, spec) == text


def test_named_numbers_reach_the_page_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.append((data, options["metadata"])))
    glue("words", 20_000)
    (data, metadata), *_ = shown
    assert data == {"application/papermill.record/text/plain": "'20,000'"}
    assert metadata["scrapbook"]["name"] == "words"


def test_claims_say_yes_no_and_in_part() -> None:
    pytest.importorskip("IPython")
    html = claims("x", [("one", "1", np.bool_(True)), ("two", "2", None), ("three", "3", False)])._repr_html_()
    assert html.index("yes") < html.index("in part") < html.index(">no<")


def test_tables_show_numbers_as_the_text_does() -> None:
    frame = pd.DataFrame({"share": [0.5, np.nan], "n": [3, 4]}, index=pd.Index(["a", "b"], name="name"))
    html = table(frame, {"share": ".1%"})._repr_html_()
    assert [html.count(part) for part in ("<th>name</th>", "50.0\u00a0%", "nan", "<td>a</td>")] == [1, 1, 0, 1]
