"""What became of each claim, and single numbers of the records, as the pages show them; the rules are in `claims`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from html import escape

import numpy as np
import pandas as pd

from .. import claims as rules
from .. import zoo
from ..stats import Estimate, text_of
from .page import Html, publish

#: How a narrow column names the texts of the record.
SHORT = {
    "imdb/test": "IMDB", "sst2/validation": "SST-2", "yelp_polarity/test": "Yelp", "yelp_polarity/train": "Yelp",
}  # fmt: skip

__all__ = ["all_claims", "claims", "over_networks", "points", "readers", "summary", "value", "values"]

#: Networks that learned from restaurants and hotels are shown on restaurants, where films' networks are on films.
HOME = {"-yelp": "yelp_polarity/test"}
#: The network and the text that the chapters open.
SHOWN = {"network": "gru-imdb", "data": "imdb/test"}


@cache
def _record(name: str) -> pd.DataFrame:
    return rules.read(name)


@cache
def _verdicts(record: str) -> pd.DataFrame:
    return rules.verdicts(_record(record), record)


def _asked(rule: rules.Claim) -> pd.DataFrame:
    """What became of a claim, a row a network and text; without rows where the record does not hold its measure."""
    found = _verdicts(rule.record)
    return found[found.claim == rule.id]


def value(
    measure: str, condition: str = "", at: float | None = None, *,
    network: str = SHOWN["network"], data: str = SHOWN["data"], record: str = "networks",
) -> Estimate:  # fmt: skip
    """A number of a record with its interval, NaN where it was not measured; ``KeyError`` where it has no such row."""
    table = _record(record)
    row = table[(table.network == network) & (table.data == data) & (table.measure == measure)]
    row = row[(row.condition == condition) & (row["at"].isna() if at is None else row["at"] == at)]
    if len(row) != 1:
        asked = f"{measure} [{condition}]{'' if at is None else f' at {at:g}'} of {network} on {data}"
        raise KeyError(f"the record {record!r} has {len(row)} rows for {asked}: see claims.read({record!r})")
    return Estimate(*row.iloc[0][["value", "low", "high"]].astype(float))


def values(
    asked: Mapping[str, tuple], *, network: str = SHOWN["network"], data: str = SHOWN["data"], record: str = "networks"
) -> dict[str, Estimate]:
    """Several numbers of one network on one text: name -> (measure, condition, at), as :func:`value` takes them."""
    return {name: value(*which, network=network, data=data, record=record) for name, which in asked.items()}


def over_networks(
    columns: Mapping[str, tuple[str, str] | tuple[str, str, float]], spec: str = ".2f", data: str = SHOWN["data"],
    networks: Sequence[str] = (), record: str = "networks",
) -> Html:  # fmt: skip
    """A table of the networks asked, or of those named: title -> (measure, condition[, at]), with its interval.

    Rows are of the texts ``data``, or of :data:`HOME` for networks that learned from others, which their row says.
    """
    asked = _record(record)
    asked = asked[asked.measure.isin([which[0] for which in columns.values()])]

    def home(network: str) -> str:
        text = next((text for part, text in HOME.items() if part in network), data)
        return text.replace("/test", "/train") if data.endswith("/train") else text

    asked = asked[asked.data == asked.network.map(home)]

    def row(network: str) -> dict[str, str]:
        there = home(network)
        named = network if there == data else f"{network}, on {SHORT[there]}"
        return {"network": named} | {title: cell(network, there, which) for title, which in columns.items()}

    def cell(network: str, there: str, which: tuple) -> str:
        try:
            return text_of(value(*which, network=network, data=there, record=record), spec)
        except KeyError:
            return "not measured"

    return _html([row(name) for name in networks or dict.fromkeys(asked.network)])


def readers() -> pd.DataFrame:
    """The rule for the network that chapters open (``scripts/flips.py``): shipped networks, and whether each passes.

    Columns: AUC on revised reviews, gains in mid-text on the kind of text that it learned from, and ``passes``: its AUC
    lies above its bag's, intervals apart, negation's interval under −½ and intensifiers' over ¼.
    """
    rows = {}
    for name in [n for n in zoo.names() if n in set(_record("networks").query("measure == 'gain_negated'").network)]:
        home, part = next(((text, part) for part, text in HOME.items() if part in name), (SHOWN["data"], "-imdb"))
        revised = "imdb_counterfactual/revised"
        auc, bag = (value("auc", network=n, data=revised, record="context") for n in (name, f"bow{part}"))
        less, more = (value(f"gain_{k}", "intact", network=name, data=home) for k in ("negated", "intensified"))
        passes = auc.low > bag.high and less.high < -0.5 and more.low > 0.25
        rows[name] = {"AUC, revisions": auc, "negated": less, "intensified": more, "passes": passes}
    return pd.DataFrame(rows).T.rename_axis("network")


def points(table: pd.DataFrame, measures: Mapping[str, tuple[str, str]], by: str = "data") -> Html:
    """One row for each value of ``by``: the numbers of its networks, or from where to where if more than three.

    ``table`` is tidy; ``measures`` -> (title, format), in no condition. ``"cell"`` is the architecture.
    """
    table = table.assign(cell=table.network.str.split("-").str[0])
    rows = []
    for name, own in table[(table.condition == "") & table["at"].isna()].groupby(by, sort=False):
        cells = {title: _span(own[own.measure == m], "", spec) for m, (title, spec) in measures.items()}
        rows.append({by: str(name)} | cells)
    return _html(rows)


def claims(chapter: int) -> Html:
    """What the papers claim in a chapter and what became of it: shown, and named ``claims-<chapter>`` for others.

    Value and verdict are those of ``gru-imdb`` on IMDB's test reviews where it was asked; where several networks were
    and it is not among them, of all: the lowest and the highest value. The last column counts networks, those without a
    result among them.
    """
    rows = []
    for rule in (c for c in rules.CLAIMS if c.chapter == chapter):
        asked = _asked(rule)
        one = asked[(asked.network == SHOWN["network"]) & (asked.data == SHOWN["data"])]
        one = asked if one.empty else one
        rows.append({
            "The papers claim": f"{_link(rule)} ({escape(rule.source)})",
            "We found": f"{escape(rule.label)}: {_span(one, '', rule.format)}",
            "Control": f"{escape(rule.control)}: {_span(one, 'control_', rule.format)}" if rule.control else "none",
            "Limit": escape(rule.rule),
            "Verdict": _counted(one) if len(one) > 1 else _told(one),
            "Networks that agree": _counted(asked[asked.data.isin(one.data)]),
        })  # fmt: skip
    made = _html(rows, "claims")
    publish(f"claims-{chapter}", {"text/html": made.html, "text/plain": f"claims of chapter {chapter}"})
    return made


def all_claims(chapters: Iterable[int] = range(10)) -> Html:
    """Claims with their rule, their lowest, median and highest value over networks, and in how many of them they hold.

    A network counts once, however many texts it read: it agrees where the claim holds on all that could be measured.
    """
    rows = []
    for rule in (c for c in rules.CLAIMS if c.chapter in chapters):
        asked = _asked(rule)
        if asked.empty:
            rows.append({"Claim": _link(rule), "Limit": escape(rule.rule), "Verdict": "not measured"})
            continue
        by_text = {row["data"]: row for row in summary(asked).to_dict("records")}
        whole = by_text.get(_ALL, next(iter(by_text.values())))
        texts = [
            f"{escape(SHORT.get(name, name))}: {r['holds']} of {r['networks']}"
            for name, r in by_text.items()
            if name != _ALL
        ]
        yelp = asked[asked.network.str.contains("-yelp") & (asked.data == HOME["-yelp"])]
        points = ", ".join(text_of(float(whole[name]), rule.format) for name in ("lowest", "median", "highest"))
        rows.append({
            "Claim": f"{_link(rule)} ({escape(rule.source)})",
            "Limit": escape(rule.rule),
            "Lowest, median and highest": f"{escape(rule.label)}: {points}",
            "Holds, by text": "<br>".join(texts),
            "Yelp networks, on Yelp": _span(yelp, "", rule.format) + (f": {_counted(yelp)}" if len(yelp) else ""),
            "Verdict": ", ".join(f"{v} in {whole[v]}" for v in rules.VERDICTS if whole[v]),
        })  # fmt: skip
    return _html(rows, "claims all-networks")


# --- many networks ------------------------------------------------------------------------------

_ALL = "all texts"


def summary(found: pd.DataFrame) -> pd.DataFrame:
    """How many networks each claim holds in, text by text: one row a claim and ``data``.

    ``found`` is of :func:`rnnrev.claims.verdicts`. Columns ``claim``, ``data``, ``networks`` (all that were asked), how
    many have each of :data:`rnnrev.claims.VERDICTS`, and ``median``, ``lowest``, ``highest`` value over networks:
    points, so they stay inside what is possible. Texts read by the same network are no further networks. The row "all
    texts" counts each once: it holds in a network if it does on every text that could be measured, does not if it does
    on none, and else in part.
    """
    rows = []
    for (name, data), group in [*found.groupby(["claim", "data"], sort=False), *_on_all(found)]:
        counts, value = group.verdict.value_counts(), group.value
        rows.append({
            "claim": name, "data": data, "networks": len(group), **{v: int(counts.get(v, 0)) for v in rules.VERDICTS},
            "median": value.median(), "lowest": value.min(), "highest": value.max(),
        })  # fmt: skip
    order = {c.id: i for i, c in enumerate(rules.CLAIMS)}
    return pd.DataFrame(rows).sort_values("claim", key=lambda c: c.map(order), kind="stable", ignore_index=True)


def _on_all(found: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    for name, group in found.groupby("claim", sort=False):
        if group.data.nunique() < 2:
            continue
        once = group.groupby("network", sort=False).agg(verdict=("verdict", _together), value=("value", "median"))
        yield (str(name), _ALL), once


def _together(told: pd.Series) -> str:
    measured = set(told) - {"not measured"}
    return "not measured" if not measured else measured.pop() if len(measured) == 1 else "in part"


_PAGES = ("toy-language", "01-training", "02-line-attractor", "03-modifier-subspace", "04-initial-condition",
          "05-end-of-review", "06-augmented-bag-of-words", "07-few-numbers", "08-known-language", "09-universality",
          "10-gates")  # fmt: skip


def _link(rule: rules.Claim) -> str:
    """To the figure that shows it, inside the book."""
    page = f"{_PAGES[rule.chapter]}.html" + (f"#{rule.figure}" if rule.figure else "")
    return f'<a href="{page}">{escape(rule.text)}</a>'


def _told(row: pd.DataFrame) -> str:
    if row.empty:
        return "not measured"
    note = row.note.iloc[0]
    return row.verdict.iloc[0] + (f" ({escape(note)})" if note else "")


def _span(rows: pd.DataFrame, prefix: str, spec: str) -> str:
    """One row's value with its interval; of several, three points or the range."""
    found = rows[[prefix + name for name in ("value", "low", "high")]].dropna(how="all").to_numpy(float)
    if not len(found):
        return "not measured"
    if len(found) == 1:
        return text_of(Estimate(*found[0]), spec)
    points = np.sort(found[:, 0])
    if len(points) <= 3:
        return ", ".join(text_of(p, spec) for p in points)
    low, high = text_of(points[0], spec), text_of(points[-1], spec)
    return f"{low if low == high else f'{low} to {high}'} ({len(points)} networks)"


def _counted(rows: pd.DataFrame) -> str:
    """How many networks a claim holds in, and what became of the others."""
    if rows.empty:
        return "not measured"
    counts = rows.verdict.value_counts()
    others = [f"{counts[v]} {v}" for v in rules.VERDICTS[1:] if counts.get(v, 0)]
    return f"{counts.get('holds', 0)} of {len(rows)}" + (f" ({', '.join(others)})" if others else "")


def _html(rows: list[dict[str, str]], classes: str = "") -> Html:
    frame = pd.DataFrame(rows).fillna("")
    return Html(frame.to_html(index=False, border=0, escape=False, classes=classes or None, justify="left"))
