"""The one rule for verdicts, on tables whose verdicts are known; counts of networks; and the rules themselves."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnrev import claims
from rnnrev.book.verdicts import summary
from rnnrev.claims import CLAIMS, VERDICTS, Claim, judge
from rnnrev.measure import COLUMNS, PARTS
from rnnrev.stats import Estimate

MORE = Claim("more", 2, "ours", "It is more.", "size", "size", ".2f", ">", 1.0, control="untrained")
NONE = Estimate(np.nan, np.nan, np.nan)


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    usual = {"network": "a", "data": "x", "measure": "size", "condition": "", "note": ""}
    return pd.DataFrame([usual | r for r in rows], columns=list(COLUMNS)).fillna({"network": "a"})


def three(value: float, low: float = np.nan, high: float = np.nan) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


# --- the rule -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "control", "expected"),
    [
        ((2, 1.5, 3), (0.5, 0.4, 0.6), "holds"),  # beyond the limit, apart from the control
        ((2, 1.5, 3), (1.6, 1.4, 1.8), "in part"),  # beyond the limit, but so is the control
        ((0.9, 0.8, 1.1), (0.5, 0.4, 0.6), "in part"),  # apart from the control, but not beyond the limit
        ((1.2, 0.8, 1.5), (0.5, 0.4, 0.9), "in part"),  # the value is beyond the limit, its interval is not
        ((0.9, 0.5, 1.1), (0.5, 0.4, 0.6), "does not hold"),
        ((-5, -6, -4), (0.5, 0.4, 0.6), "does not hold"),  # far off, on the wrong side
        ((np.inf, 2, np.inf), (1, 1, 1), "holds"),  # an exact integrator
        ((2, np.nan, np.nan), (1, np.nan, np.nan), "holds"),  # numbers without intervals are their own
        ((1, np.nan, np.nan), (0, np.nan, np.nan), "in part"),  # at the limit is not beyond it
        ((np.nan, np.nan, np.nan), (0.5, 0.4, 0.6), "not measured"),
        ((2, 1.5, 3), (np.nan, np.nan, np.nan), "in part"),  # no control, no clean verdict
    ],
)
def test_verdict_of_known_numbers(value, control, expected):
    assert judge(MORE, Estimate(*value), Estimate(*control)) == expected
    # the same rule, mirrored
    less = replace(MORE, relation="<", limit=-1.0)
    mirrored = (Estimate(-v[0], -v[2], -v[1]) for v in (value, control))
    assert judge(less, *mirrored) == expected


def test_limit_or_control_may_decide_alone():
    alone, other = replace(MORE, limit=None), replace(MORE, control=None)
    assert judge(alone, Estimate(0.3, 0.2, 0.4), Estimate(0.1, 0.0, 0.15)) == "holds"
    assert judge(alone, Estimate(0.3, 0.2, 0.4), Estimate(0.1, 0.0, 0.25)) == "does not hold"
    assert judge(alone, Estimate(0.3, 0.2, 0.4), NONE) == "not measured"
    assert judge(other, Estimate(2, 1.5, 3), NONE) == "holds"
    assert judge(other, Estimate(0.5, 0.4, 0.6), NONE) == "does not hold"
    few = replace(other, relation="≤", limit=5)
    assert [judge(few, Estimate(k, np.nan, np.nan), NONE) for k in (4, 5, 6)] == ["holds", "holds", "does not hold"]


def test_verdict_says_what_was_found_and_why_not():
    rows = table(three(2, 1.5, 3) | {"n": 9}, three(0.5) | {"condition": "untrained"})
    found = claims.verdict(MORE, rows)
    assert (found.verdict, found.n, found.note) == ("holds", 9, "")
    assert found.found == "size: 2.00 [1.50, 3.00]"
    assert found.against == "untrained: 0.50"
    missing = claims.verdict(MORE, table(three(np.nan) | {"note": "too few reviews"}))
    assert (missing.verdict, missing.note) == ("not measured", "too few reviews")
    unjudged = claims.verdict(MORE, table(three(2, 1.5, 3), three(np.nan) | {"condition": "untrained", "note": "lost"}))
    assert (unjudged.verdict, unjudged.note) == ("in part", "untrained: lost")
    with pytest.raises(ValueError, match="2 pairs"):
        claims.verdict(MORE, table({"network": "a"}, {"network": "b"}))


def test_a_measure_that_failed_as_a_whole_says_so_for_each_of_its_conditions():
    rule = replace(MORE, condition="intact", at=0.0)
    found = claims.verdict(rule, table(three(np.nan) | {"note": "no word is known"}))
    assert (found.verdict, found.note) == ("not measured", "no word is known")
    other = claims.verdict(rule, table(three(2.0), three(2, 1.5, 3) | {"condition": "intact", "at": 1.0}))
    assert other.verdict == "not measured"
    assert "no such row" in other.note


def test_a_growing_mode_is_no_slow_one():
    """The ratio of slowest to next leaves out what grows: a table that counts growing modes judges the rest."""
    rule = next(c for c in CLAIMS if c.id == "slow-mode")
    rows = table(
        three(2.5, 2, 3) | {"measure": "gap_of_tau"},
        three(1.1, 1, 1.2) | {"measure": "gap_of_tau", "condition": "untrained"},
        three(1) | {"measure": "growing"},
    )
    assert claims.verdict(rule, rows).verdict == "in part"


# --- many networks ------------------------------------------------------------------------------


@pytest.fixture
def measured(monkeypatch):
    monkeypatch.setattr(claims, "CLAIMS", (replace(MORE, control=None),))
    values = {("a", "x"): (2, 1.5, 3), ("a", "y"): (2, 1.5, 3), ("b", "x"): (2, 1.5, 3), ("b", "y"): (0.5, 0.4, 0.6),
              ("c", "x"): (0.5, 0.4, 0.6), ("d", "x"): (np.nan,) * 3, ("d", "y"): (np.nan,) * 3}  # fmt: skip
    return table(*({"network": n, "data": d} | three(*v) for (n, d), v in values.items()))


def test_every_network_and_text_has_its_verdict(measured):
    found = claims.verdicts(measured).set_index(["network", "data"]).verdict
    assert len(found) == 7
    assert found["b", "y"] == found["c", "x"] == "does not hold"
    assert found["d", "x"] == "not measured"
    assert found["a"].tolist() == ["holds", "holds"]


def test_texts_read_by_one_network_are_not_many_networks(measured):
    counts = summary(claims.verdicts(measured)).set_index("data")
    assert counts.networks.to_dict() == {"x": 4, "y": 3, "all texts": 4}
    assert counts.loc["x", list(VERDICTS)].tolist() == [2, 0, 1, 1]
    # a holds on both, b on one of two, c on none, d was never measured: nothing is dropped
    assert counts.loc["all texts", list(VERDICTS)].tolist() == [1, 1, 1, 1]
    assert counts[list(VERDICTS)].sum(1).to_list() == counts.networks.to_list()


def test_ranges_over_networks_stay_inside_what_is_possible(measured):
    row = summary(claims.verdicts(measured)).set_index("data").loc["x"]
    assert (row["lowest"], row["median"], row["highest"]) == (0.5, 2, 2)


def test_rows_are_picked_by_network_and_text(monkeypatch, measured):
    monkeypatch.setattr(claims, "CLAIMS", (replace(MORE, network="[ab]", data="x", record="other"),))
    assert claims.verdicts(measured).empty
    assert claims.verdicts(measured, "other").network.to_list() == ["a", "b"]


# --- the rules ----------------------------------------------------------------------------------


def test_rules_are_well_formed():
    assert len({c.id for c in CLAIMS}) == len(CLAIMS)
    for c in CLAIMS:
        assert c.relation in (">", "<", "≤")
        assert c.limit is not None or c.control is not None, c.id
        assert c.limit in (None, 0) or c.why, f"{c.id}: where does the limit come from?"
        assert c.condition != c.control
        assert re.fullmatch(r".*\.", c.text)
        assert f"{1.0:{c.format}}"
        assert c.rule
        re.compile(c.network)
        re.compile(c.data)
    # one claim has one limit
    rules = [(c.measure, c.condition, c.at, c.record, c.network, c.data) for c in CLAIMS]
    assert len(set(rules)) == len(rules)


def test_every_measure_of_a_claim_is_measured():
    measures = {m for part in PARTS for m in part.measures}
    assert {c.measure for c in CLAIMS if c.record == "networks"} <= measures
    assert {c.chapter for c in CLAIMS} == set(range(11))  # 0 is the interlude


def test_unknown_names_say_which_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "RECORDS", tmp_path)
    with pytest.raises(FileNotFoundError, match="there are: none"):
        claims.read("networks")


def test_a_table_comes_back_from_its_file(tmp_path, monkeypatch):
    rows = table(three(2, 1.5, 3) | {"at": 3.0, "n": 4}, three(np.nan) | {"condition": "untrained", "note": "NA"})
    rows.to_csv(tmp_path / "networks.csv", index=False)
    monkeypatch.setattr(claims, "RECORDS", tmp_path)
    pd.testing.assert_frame_equal(claims.read("networks"), rows, check_dtype=False)
