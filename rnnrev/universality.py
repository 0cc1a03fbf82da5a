"""Every claim of the two papers, its measure, and what all measured networks say: the tables of chapter 8.

Read from the records that :mod:`rnnrev.sweep` writes; nothing is computed on networks here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .files import read_record
from .stats import over_seeds

__all__ = ["CLAIMS", "Claim", "networks", "pretrained", "verdict", "verdicts"]


def read_sweep(name: str) -> tuple[Any, list[dict[str, Any]]]:
    """A shipped sweep: a pandas table with one row a cell (settings and measures), and the cells with their details."""
    import pandas as pd

    cells = read_record(f"sweep-{name}")["cells"]
    return pd.DataFrame([{**c["cell"], **c["measures"]} for c in cells]), cells


#: Measures that are sizes or ratios: averaged on a logarithmic scale.
RATIOS = frozenset({"tau_1", "tau_2", "gap_of_tau", "start_emphasis", "end_emphasis", "start_length", "end_length"})


def said(values: Any, spec: str) -> str:
    """Mean over networks (a column of a table) with its 95 % interval, as text; a dash where there are none."""
    values = values.dropna()
    if len(values) < 2:  # one network has no interval
        return f"{values.iloc[0]:{spec}}" if len(values) else "–"
    return over_seeds(
        values, (0, np.inf) if values.name in RATIOS and (values > 0).all() else (-np.inf, np.inf)
    ).format(spec)


KNOWN = "known language"
TITLES = {"imdb": "IMDB", "yelp_polarity": "Yelp", "sst2": "SST-2"}


class Claim(NamedTuple):
    """A claim, where it was made, the measure (a column of :func:`networks`), its format, and when it holds."""

    text: str
    source: str
    measure: str
    label: str
    spec: str
    holds: Callable[[Any], Any]
    page: str  #: chapter and figure that show it


CLAIMS = (
    Claim("One mode is far slower than the rest", "LA19", "gap_of_tau", "τ₁/τ₂", ".1f",
          lambda x: x > 2, "08-universality.html#fig-universality-attractor"),
    Claim("It remembers longer than a review lasts", "LA19", "tau_1", "τ₁, tokens", ",.0f",
          lambda x: x > 100, "08-universality.html#fig-universality-attractor"),
    Claim("It lies along the readout", "LA19", "alignment", "cosine of r₁ and w", ".2f",
          lambda x: x > 0.5, "08-universality.html#fig-universality-attractor"),
    Claim("Visited states are low-dimensional", "LA19", "dimensions_90", "components for 90 % of variance", ".1f",
          lambda x: x <= 10, "08-universality.html#fig-universality-linear"),
    Claim("A linear model makes the network's decisions", "LA19", "linear_agree", "share of texts with the same sign",
          ".2f", lambda x: x > 0.9, "08-universality.html#fig-universality-linear"),
    Claim("Modifiers rank above other words, untold", "CP20", "ranked", "AUC by grammar or truth", ".2f",
          lambda x: x > 0.75, "08-universality.html#fig-universality-modifiers"),
    Claim("They act in a subspace of few dimensions", "CP20", "dimension", "dimensions by function", ".1f",
          lambda x: x <= 5, "08-universality.html#fig-universality-modifiers"),
    Claim("Without it the network reads worse than without a random one", "CP20", "lost_more",
          "accuracy lost more than at random, points", ".1f", lambda x: x > 1,
          "08-universality.html#fig-universality-modifiers"),
    Claim("The beginning is emphasized", "CP20", "start_emphasis", "first word, multiples of mid-text", ".2f",
          lambda x: x > 1.2, "08-universality.html#fig-universality-edges"),
    Claim("The end is emphasized", "CP20", "end_emphasis", "last word, multiples of mid-text", ".2f",
          lambda x: x > 1.2, "08-universality.html#fig-universality-edges"),
)  # fmt: skip


def networks() -> Any:
    """All measured networks, one row a network and data set: ``cell``, ``data``, measures and a few made of them."""
    import pandas as pd

    known, _ = read_sweep("language")
    return _with_comparisons(pd.concat([known.assign(data=KNOWN), _on_reviews("networks")], ignore_index=True))


def pretrained() -> Any:
    """The network that learned to predict words before it learned sentiment: rows as in :func:`networks`."""
    return _with_comparisons(_on_reviews("pretrained"))


def _on_reviews(sweep: str) -> Any:
    table, _ = read_sweep(sweep)
    return table.assign(cell=table.network.str.split("-").str[0], data=table.data.map(lambda d: TITLES.get(d, d)))


def _with_comparisons(table: Any) -> Any:
    table["gap_of_tau"] = table.tau_1 / table.tau_2
    table["lost"] = 100 * (table.accuracy - table.accuracy_without)
    table["lost_random"] = 100 * (table.accuracy - table.accuracy_random)
    table["lost_more"] = table.lost - table.lost_random
    table["ranked"] = table.modifier_auc.fillna(table.get("modifier_auc_true", np.nan))
    return table


def verdict(values: Any, holds: Callable[[Any], Any]) -> bool | None:
    """True where all networks agree with a claim, None (in part) where at least half do, otherwise False."""
    share = np.mean(holds(values.dropna().to_numpy()))
    return True if share == 1 else None if share >= 0.5 else False


def verdicts(table: Any) -> Any:
    """One row a claim with its measure: result on IMDB and on the known language (GRUs, over seeds), range over all."""
    import pandas as pd

    gru = table[table.cell == "gru"]
    words = {True: "holds", None: "holds in part", False: "does not hold"}
    rows = []
    for c in CLAIMS:
        values = table[c.measure].dropna()
        rows.append(
            {
                "Claim": f'<a href="{c.page}">{c.text}</a> ({c.source})<br><small>{c.label}</small>',
                "IMDB": said(gru[gru.data == "IMDB"][c.measure], c.spec),
                "Known language": said(gru[gru.data == KNOWN][c.measure], c.spec),
                "All networks and texts": f"{values.min():{c.spec}} to {values.max():{c.spec}}",
                "Verdict": f"{words[verdict(values, c.holds)]}: "
                f"{int(c.holds(values.to_numpy()).sum())} of {len(values)}",
            }
        )
    return pd.DataFrame(rows)
