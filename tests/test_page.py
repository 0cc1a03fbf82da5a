"""What pages show: named numbers, tables, claims and their verdicts on a small record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from rnnrev import book
from rnnrev import claims as rules
from rnnrev.book import glue, table, verdicts
from rnnrev.stats import Estimate, shown, text_of


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [
        (0.9123, ".1%", "91.2\u00a0%"),
        (Estimate(0.5, -0.25, 1.0), ".2f", "0.50 [\u22120.25, 1.00]"),
        (Estimate(2.0, np.nan, np.nan), ".1f", "2.0"),
        (20_000, ".3g", "20,000"),
        (-1.5, "+.1f", "\u22121.5"),
        ("as it is", ".1f", "as it is"),
        (float("nan"), ".1f", "not measured"),
    ],
)
def test_numbers_as_text(value: Any, spec: str, text: str) -> None:
    assert text_of(value, spec) == text


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, str]]:
    """What reaches MyST-NB, by name."""
    found: dict[str, dict[str, str]] = {}

    def display(data: dict[str, str], *, raw: bool, metadata: dict[str, Any]) -> None:
        prefix = metadata["scrapbook"]["mime_prefix"]
        assert all(mime.startswith(prefix) for mime in data), "a notebook shows nothing of it"
        found[metadata["scrapbook"]["name"]] = {mime.removeprefix(prefix): text for mime, text in data.items()}

    monkeypatch.setattr("IPython.display.display", display)
    return found


@dataclass(frozen=True)
class Fit:
    curve: np.ndarray
    r2: Estimate = shown(".2f")
    n_words: int = shown(",")


def test_named_numbers_reach_the_page_as_they_are(published: dict[str, dict[str, str]]) -> None:
    fit = Fit(np.zeros(3), Estimate(0.5, 0.4, 0.6), 20_000)
    glue("la", words=20_000, slow_mode=(0.91234, ".3f"), who="gru", share=Estimate(1, 0, 2), fit=fit)
    assert {name: data["text/plain"] for name, data in published.items()} == {
        "la-words": "'20,000'",  # quoted, or MyST-NB makes it the tuple (20, 0)
        "la-slow-mode": "'0.912'",
        "la-who": "'gru'",
        "la-share": "'1 [0, 2]'",
        "la-fit-r2": "'0.50 [0.40, 0.60]'",
        "la-fit-n-words": "'20,000'",
    }


def test_a_result_without_formats_is_refused() -> None:
    @dataclass
    class Plain:
        x: float = 1.0

    with pytest.raises(ValueError, match=r"a-b: no field of Plain has a format"):
        glue("a", b=Plain())


def test_tables_show_numbers_as_the_text_does() -> None:
    frame = pd.DataFrame({"share": [0.5, np.nan], "n": [3, 4]}, index=pd.Index(["a", "b"], name="name"))
    html = table(frame, {"share": ".1%"}).html
    assert [html.count(part) for part in ("<th>name</th>", "50.0\u00a0%", "nan", "<td>a</td>")] == [1, 1, 0, 1]
    assert "<td>a</td>" in table(frame.rename_axis(None)).html  # names are shown without a heading too, numbers are not
    assert "<td>7</td>" not in table(frame.set_index(pd.Index([7, 8]))).html
    both = frame.set_index(pd.MultiIndex.from_tuples([("a", "x"), ("b", "y")], names=["name", "kind"]))
    assert "<td>x</td>" in table(both).html
    assert table(pd.DataFrame({"x": [np.inf]}), ".2f").html.count("∞") == 1


# --- claims -------------------------------------------------------------------------------------

MEMORY = rules.Claim("memory", 2, "LA19", "It lasts & lasts", "tau_1", "τ₁, tokens", ",.0f", ">", 100,
                     control="untrained", figure="fig-x")  # fmt: skip
GAP = rules.Claim("gap", 8, "CP20", "It reads", "gap", "points", ".1f", "<", 1, record="language")


def row(
    network: str, data: str, measure: str, value: float, half: float = np.nan, condition: str = "", note: str = ""
) -> dict:
    return {"network": network, "data": data, "measure": measure, "condition": condition, "at": np.nan, "value": value,
            "low": value - half, "high": value + half, "n": 10, "note": note}  # fmt: skip


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three networks read IMDB, one of them SST-2 too; one was not measured. Three of the language have points."""
    imdb, sst2 = "imdb/test", "sst2/validation"
    networks = [
        row("gru-imdb", imdb, "tau_1", 200, 50), row("gru-imdb", imdb, "tau_1", 5, 1, "untrained"),
        row("gru-imdb", sst2, "tau_1", 90, 20), row("gru-imdb", sst2, "tau_1", 5, 1, "untrained"),
        row("lstm-imdb", imdb, "tau_1", 50, 5), row("lstm-imdb", imdb, "tau_1", 60, 5, "untrained"),
        row("vanilla-imdb", imdb, "tau_1", np.nan, note="no mode is real"),
    ]  # fmt: skip
    language = [row(f"gru-language-{k}", "language", "gap", v) for k, v in enumerate((0.2, 3.0, 0.1))]
    tables = {"networks": pd.DataFrame(networks), "language": pd.DataFrame(language)}
    monkeypatch.setattr(rules, "CLAIMS", (MEMORY, GAP))
    monkeypatch.setattr(rules, "read", tables.__getitem__)
    for cached in (verdicts._record, verdicts._verdicts):
        cached.cache_clear()
    yield
    for cached in (verdicts._record, verdicts._verdicts):
        cached.cache_clear()


def cells(html: str) -> list[dict[str, str]]:
    soup = BeautifulSoup(html, "html.parser")
    names = [th.get_text() for th in soup.select("thead th")]
    return [dict(zip(names, (td.get_text(" ") for td in tr.select("td")))) for tr in soup.select("tbody tr")]


@pytest.mark.usefixtures("record")
def test_a_chapters_claims_count_networks_and_those_without_a_result(published: dict[str, dict[str, str]]) -> None:
    html = book.claims(2).html
    assert '<a href="02-line-attractor.html#fig-x">It lasts &amp; lasts</a>' in html
    assert published["claims-2"]["text/html"] == html
    (memory,) = cells(html)
    assert memory["We found"] == "τ₁, tokens: 200 [150, 250]"
    assert memory["Control"] == "untrained: 5 [4, 6]"
    assert memory["Verdict"] == "holds"
    assert memory["Networks that agree"] == "1 of 3 (1 does not hold, 1 not measured)"


@pytest.mark.usefixtures("record")
def test_three_networks_are_three_points(published: dict[str, dict[str, str]]) -> None:
    (gap,) = cells(book.claims(8).html)
    assert gap["We found"] == "points: 0.1, 0.2, 3.0"
    assert gap["Control"] == "none"
    assert gap["Verdict"] == gap["Networks that agree"] == "2 of 3 (1 does not hold)"


@pytest.mark.usefixtures("record")
def test_a_network_that_read_two_texts_is_one_network() -> None:
    memory, gap = cells(book.all_claims().html)
    assert memory["Verdict"] == "in part in 1, does not hold in 1, not measured in 1"
    assert memory["Holds, by text"] == "IMDB: 1 of 3 SST-2: 0 of 1"
    assert gap["Lowest, median and highest"] == "points: 0.1, 0.2, 3.0"


@pytest.mark.usefixtures("record")
def test_numbers_of_a_record_by_name() -> None:
    assert book.value("tau_1") == Estimate(200, 150, 250)
    assert book.value("tau_1", "untrained", network="lstm-imdb").value == 60
    with pytest.raises(KeyError, match=r"0 rows for tau_1 \[shuffled\] of gru-imdb on imdb/test"):
        book.value("tau_1", "shuffled")
    shown = cells(book.over_networks({"τ": ("tau_1", ""), "untrained": ("tau_1", "untrained")}, ".0f").html)
    assert [r["network"] for r in shown] == ["gru-imdb", "lstm-imdb", "vanilla-imdb"]
    assert [r["τ"] for r in shown] == ["200 [150, 250]", "50 [45, 55]", "not measured"]
    assert shown[2]["untrained"] == "not measured"


def test_the_rule_for_the_opened_network_asks_for_reading_and_for_effects(monkeypatch: pytest.MonkeyPatch) -> None:
    revised, home = "imdb_counterfactual/revised", {"gru-yelp": "yelp_polarity/test"}
    auc = {"bow-imdb": 0.77, "bow-yelp": 0.81, "gru-imdb": 0.88, "gru-yelp": 0.82, "lstm-imdb": 0.87, "ugrnn-imdb": 0.9}
    gains = {"gru-imdb": (-0.9, 0.5), "gru-yelp": (-0.6, 0.4), "lstm-imdb": (-0.51, 0.5), "ugrnn-imdb": (-0.9, 0.26)}
    rows = [row(name, revised, "auc", value, 0.02) for name, value in auc.items()]
    for name, pair in gains.items():
        text = home.get(name, "imdb/test")
        rows += [row(name, text, f"gain_{k}", g, 0.02, "intact") for k, g in zip(("negated", "intensified"), pair)]
    monkeypatch.setattr(verdicts, "_record", lambda name: pd.DataFrame(rows))
    assert book.readers().passes.to_dict() == {
        "gru-imdb": True, "gru-yelp": False, "lstm-imdb": False, "ugrnn-imdb": False
    }  # fmt: skip


@pytest.mark.usefixtures("record")
def test_a_network_stands_in_tables_with_the_text_it_learned_from(monkeypatch: pytest.MonkeyPatch) -> None:
    table = pd.concat([rules.read("networks"), pd.DataFrame([
        row("gru-yelp", "imdb/test", "tau_1", 20, 5), row("gru-yelp", "yelp_polarity/test", "tau_1", 120, 10),
        row("gru-yelp", "yelp_polarity/test", "tau_1", 9, 1, "untrained"),
    ])])  # fmt: skip
    monkeypatch.setattr(rules, "read", lambda name: table)
    shown = cells(book.over_networks({"τ": ("tau_1", "")}, ".0f", networks=["gru-imdb", "gru-yelp"]).html)
    assert [(r["network"], r["τ"]) for r in shown] == [
        ("gru-imdb", "200 [150, 250]"), ("gru-yelp, on Yelp", "120 [110, 130]")
    ]  # fmt: skip
    memory = cells(book.all_claims([2]).html)[0]
    assert memory["Yelp networks, on Yelp"] == "120 [110, 130]: 1 of 1"


# --- figures ------------------------------------------------------------------------------------


def test_intervals_stand_in_rows_in_their_order() -> None:
    from rnnrev.plots.style import CONTROL, INTACT, intervals

    rows = {"a": Estimate(0.5, 0.4, 0.7), "random": (0.2, None, None), "missing": (None, None, None)}
    fig = intervals(rows, xlabel="accuracy", reference=0.3, percent=0)
    (ax,) = fig.axes
    assert [t.get_text() for t in ax.get_yticklabels()] == list(rows)
    assert ax.yaxis_inverted(), "the first is on top"
    (first, _, (first_bar,)), second = ax.containers[0], ax.containers[1]
    assert (first.get_xydata().tolist(), first.get_color()) == ([[0.5, 0]], INTACT)
    np.testing.assert_allclose(first_bar.get_segments()[0], [[0.4, 0], [0.7, 0]])
    assert second[0].get_color() == CONTROL
    assert len(ax.containers) == 2, "what was not measured is not drawn"
    intervals({n: rows["a"] for n in rows}, ax=ax, offset=0.2, label="again")
    assert ax.containers[2][0].get_ydata()[0] == pytest.approx(0.2)
    assert ax.get_legend_handles_labels()[1] == ["again"], "a series is named once"
