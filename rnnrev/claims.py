"""Every claim of the book is a rule on a measured table, and there is one rule for verdicts.

A table is tidy (:data:`rnnrev.measure.COLUMNS`): one row a network, text, measure and condition. A claim names the
measure, the condition that is its control, and a limit; :func:`verdict` reads them off. Chapters, the page of claims
and reports print what comes out, and have no rules of their own.

The limits stand in ``datasets/claims.toml``, each with where it comes from, and claims that were added after a result
was seen say so. Where a paper states a number, that is the limit; the others are ours and ask for an effect that can be
seen, not for a certain size.

Sources: LA19 (chapter 2), CP20 (chapters 1, 3 to 6 and 8, and 0, which is the toy's), Aitken et al. 2020 (chapter 9);
most of chapter 7 is ours.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from .files import RECORDS
from .stats import Estimate, text_of

__all__ = ["CLAIMS", "read", "verdict", "verdicts"]

#: What can become of a claim.
VERDICTS = ("holds", "in part", "does not hold", "not measured")
_HOLDS, _IN_PART, _NOT, _NOT_MEASURED = VERDICTS


@dataclass(frozen=True)
class Claim:
    """A rule: the measure in ``condition`` must lie beyond the ``limit`` and apart from the ``control``.

    ``label`` says what the number is, with its unit; ``format`` shows it. A limit of None leaves it to the control,
    a control of None to the limit. ``why`` says where the limit comes from. ``record`` is the table that the book
    judges the claim on; ``network`` and ``data``, regular expressions, say which of its rows.
    """

    id: str
    chapter: int
    source: str
    text: str
    measure: str
    label: str
    format: str
    relation: str
    limit: float | None = None
    why: str = ""
    condition: str = ""
    at: float | None = None
    control: str | None = None
    record: str = "networks"
    network: str = ".*"
    data: str = ".*"
    figure: str = ""

    @property
    def rule(self) -> str:
        """The rule as text, "> 10, and over untrained" say."""
        limit = "" if self.limit is None else f"{self.relation} {text_of(float(self.limit), self.format)}"
        control = "" if self.control is None else f"{'over' if self.relation == '>' else 'under'} {self.control}"
        return ", and ".join(filter(None, (limit, control)))


_FILE = Path(__file__).parent / "datasets" / "claims.toml"
#: The claims in the order of the book, from ``rnnrev/datasets/claims.toml``.
CLAIMS = tuple(Claim(**row) for row in tomllib.loads(_FILE.read_text(encoding="utf-8"))["claim"])


# --- the rule -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Verdict:
    """What a table says of a claim.

    ``n`` is what the value was counted over, ``note`` why it, or its control, was not measured.
    """

    claim: Claim
    value: Estimate
    control: Estimate
    n: float
    verdict: str
    note: str

    @property
    def found(self) -> str:
        """The value with what it is."""
        return f"{self.claim.label}: {text_of(self.value, self.claim.format)}"

    @property
    def against(self) -> str:
        """The control with what it is; empty where there is none."""
        return f"{self.claim.control}: {text_of(self.control, self.claim.format)}" if self.claim.control else ""


def judge(claim: Claim, value: Estimate, control: Estimate) -> str:
    """The one rule for verdicts.

    *holds*: the interval lies beyond the limit and apart from the control's; *in part*: only one of the two does, or
    the value lies beyond the limit but not all of its interval; *does not hold*: neither; *not measured*: the value is
    NaN, or a control that has to decide alone is. A number without an interval is its own interval. A control that
    was not measured counts against the claim.
    """
    value, control = (Estimate(v.value, *(v.value if np.isnan(b) else b for b in v[1:])) for v in (value, control))
    if np.isnan(value.value) or (claim.limit is None and np.isnan(control.value)):
        return _NOT_MEASURED
    inside = {">": np.greater, "<": np.less, "≤": np.less_equal}[claim.relation]
    worst, best = (value.low, control.high) if claim.relation == ">" else (value.high, control.low)
    tests = [] if claim.limit is None else [bool(inside(worst, claim.limit))]
    beyond = claim.limit is not None and bool(inside(value.value, claim.limit))
    if claim.control is not None:
        tests.append(bool(worst > best if claim.relation == ">" else worst < best))
    return _HOLDS if all(tests) else _IN_PART if any(tests) or beyond else _NOT


#: By network, data, measure, condition and place: value, what it was counted over, note.
_Cells = dict[tuple[str, str, str, str, float | None], tuple[Estimate, float, str]]


def _cells(table: pd.DataFrame) -> _Cells:
    return {
        (r.network, r.data, r.measure, r.condition, None if np.isnan(r.at) else r.at): (
            Estimate(r.value, r.low, r.high), r.n, r.note
        ) for r in table.itertuples()
    }  # fmt: skip


def _verdict(claim: Claim, cells: _Cells, network: str, data: str) -> Verdict:
    missing = Estimate(np.nan, np.nan, np.nan), np.nan, "the table has no such row"
    whole = cells.get((network, data, claim.measure, "", None), missing)
    if not np.isnan(whole[0].value):  # else it says why none of the measure's conditions was measured
        whole = missing
    value, n, note = cells.get((network, data, claim.measure, claim.condition, claim.at), whole)
    control, why = missing[0], ""
    if claim.control is not None:
        control, _, why = cells.get((network, data, claim.measure, claim.control, claim.at), whole)
    told = judge(claim, value, control)
    return Verdict(claim, value, control, n, told, note or (f"{claim.control}: {why}" if why else ""))


def verdict(claim: Claim, table: pd.DataFrame) -> Verdict:
    """What a table of one network on one text says of a claim; ``ValueError`` for more than one (:func:`verdicts`)."""
    pairs = table[["network", "data"]].drop_duplicates()
    if len(pairs) != 1:
        raise ValueError(f"the table holds {len(pairs)} pairs of network and text: give one, or use verdicts")
    return _verdict(claim, _cells(table), *pairs.iloc[0])


def verdicts(table: pd.DataFrame, record: str = "networks") -> pd.DataFrame:
    """Every claim of a record on every network and text of its table: a tidy frame.

    Columns ``claim`` (its id), ``chapter``, ``network``, ``data``, ``value``, ``low``, ``high``, ``n``,
    ``control_value``, ``control_low``, ``control_high``, ``verdict``, ``note``. A claim is asked wherever its measure
    has a row, be it one that says why it was not measured.
    """
    cells = _cells(table)
    asked = table[["network", "data", "measure"]].drop_duplicates()
    rows = []
    for rule in (c for c in CLAIMS if c.record == record):
        for network, data, _ in asked[asked.measure == rule.measure].itertuples(index=False):
            if not (re.fullmatch(rule.network, network) and re.fullmatch(rule.data, data)):
                continue
            found = _verdict(rule, cells, network, data)
            rows.append({
                "claim": rule.id, "chapter": rule.chapter, "network": network, "data": data, **found.value._asdict(),
                "n": found.n, **{f"control_{k}": v for k, v in found.control._asdict().items()},
                "verdict": found.verdict, "note": found.note,
            })  # fmt: skip
    return pd.DataFrame(rows)


def read(name: str) -> pd.DataFrame:
    """A shipped tidy record, ``rnnrev/records/NAME.csv``; ``FileNotFoundError`` names those there are."""
    file = Path(RECORDS) / f"{name}.csv"
    if not file.is_file():
        there = ", ".join(sorted(f.stem for f in RECORDS.glob("*.csv"))) or "none"
        raise FileNotFoundError(f"there is no table {name!r} among the records (there are: {there}): see scripts/")
    numbers = dict.fromkeys(("at", "value", "low", "high", "n"), "")
    return pd.read_csv(file, keep_default_na=False, na_values=numbers)
