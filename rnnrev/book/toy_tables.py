"""Tables of "A language of twelve words": the paper's numbers beside ours, and one row an architecture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
import pandas as pd

from .. import claims
from ..stats import Estimate, over_seeds, text_of
from .page import Html, table

__all__ = ["PAPER", "TRAINED", "beside_the_paper", "by_network", "by_reach", "in_the_page", "record", "seeds"]

LANGUAGE = "twelve words/4"
NETWORKS = ("gru-100", "gru-32", "ugrnn-32", "lstm-32", "vanilla-32")  #: that were trained with noise
#: And with these, by :func:`rnnrev.book.toy.quick`.
TRAINED = (*NETWORKS, *(f"{kind}-32-quick" for kind in ("gru", "ugrnn", "lstm", "vanilla")))

#: What CP20 reports (section 4, Fig. 2, supplementary Figs. 11–14): name -> measure, condition, their value, format.
PAPER: dict[str, tuple[str, str, str, str]] = {
    "mean squared error on new texts": ("squared_error", "", "0.0062", ".4f"),
    "eigenvalue of the integrating mode": ("integrator", "eigenvalue", "near 1", ".3f"),
    "size of the eigenvalue that carries very": ("carrier", "very: size", "near 0", ".2f"),
    "size of the eigenvalue that carries not": ("carrier", "not: size", "a complex pair", ".2f"),
    "angle of very’s kick and its left vector (°)": ("angle", "very: carrier", "42", ".0f"),
    "angle of not’s kick and its left vectors (°)": ("angle", "not: carrier", "55", ".0f"),
    "speed at rest, after “a”": ("speed", "after a", "0.3", ".1f"),
    "speed after “very”": ("speed", "after very", "1.8", ".1f"),
    "speed after “not”": ("speed", "after not", "2.0", ".1f"),
    "speed after “not a a a”": ("speed", "after not a a a", "2.9", ".1f"),
    "w·J_inp x with w·F, correlation over 16 phrases": ("jacobian", "correlation", "agree", ".3f"),
    "“not a a bad” adds": ("undo", "not a a bad", "+1", ".2f"),
    "… without not’s modes": ("undo", "not a a bad without not's modes", "−0.99", ".2f"),
    "… without all other modes (control)": ("undo", "not a a bad without all others", "not given", ".2f"),
    "“very good” adds": ("undo", "very good", "+2", ".2f"),
    "… without very’s modes": ("undo", "very good without very's modes", "undone", ".2f"),
    "… without all other modes (control again)": ("undo", "very good without all others", "not given", ".2f"),
}


def record() -> pd.DataFrame:
    """The record of the toy's networks, tidy; ``scripts/toy.py`` writes it."""
    return claims.read("toy")


def seeds(
    measure: str, condition: str = "", at: float | None = None, *, network: str = "gru-100", data: str = LANGUAGE
) -> np.ndarray:
    """A measure of every seed of a kind of network, ``"gru-100"`` say; empty where it was not measured."""
    rows = record()
    rows = rows[rows.network.str.fullmatch(rf"{network}-\d") & (rows.data == data) & (rows.measure == measure)]
    rows = rows[(rows.condition == condition) & (rows["at"].isna() if at is None else rows["at"] == at)]
    return rows.value.dropna().to_numpy(float)


def beside_the_paper() -> Html:
    """The paper's value and ours, with Student's interval over seeds."""
    rows = []
    for name, (measure, condition, theirs, spec) in PAPER.items():
        found = seeds(measure, condition)
        ours: str | Estimate = over_seeds(found) if len(found) else "not measured"
        rows.append({"what": name, "paper": theirs, "ours": text_of(ours, spec)})
    return table(pd.DataFrame(rows))


def in_the_page() -> dict[str, tuple[float, str]]:
    """Seconds that training in a page takes on a laptop and on a phone, and its error, with their formats."""
    told: dict[str, tuple[float, str]] = {}
    for kind in ("gru", "ugrnn"):
        ask = partial(seeds, network=f"{kind}-20", data="in the page")
        told |= {f"{kind}_{device}": (float(ask("seconds", device)[0]), ".0f") for device in ("laptop", "phone")}
        told[f"{kind}_error"] = (float(ask("squared_error", "laptop")[0]), ".4f")
    return told


def by_reach() -> Html:
    """By the reach of *not*, GRUs with 32 units: how many modes carry it, its factor within and after its reach."""
    rows = []
    for reach in (2, 4, 6, 8):
        ask = partial(seeds, network="gru-32", data=f"twelve words/{reach}")
        within, then = (ask("factor", "network", at) for at in (reach, reach + 1))
        numbers = {
            "mean squared error": (ask("squared_error"), ".4f"),
            "dimensions of modes that carry “not”": (ask("dimensions", "not"), ".1f"),
            "balanced modes": (ask("balanced_needed"), ".1f"),
            "factor at its last token": (within, ".2f"),
            "one token later": (then, ".2f"),
        }
        told = {name: text_of(over_seeds(found), spec) for name, (found, spec) in numbers.items()}
        rows.append({"reach of “not” (tokens)": str(reach), "seeds": str(len(within))} | told)
    return table(pd.DataFrame(rows))


def by_network(
    columns: Mapping[str, tuple[str, str] | tuple[str, str, float]], spec: str = ".2f",
    networks: tuple[str, ...] = NETWORKS,
) -> Html:  # fmt: skip
    """One row a kind of network: each measure's mean over seeds and, in brackets, from where to where."""
    rows = []
    for network in networks:
        cells: dict[str, str] = {"network": network, "seeds": str(len(seeds("squared_error", network=network)))}
        for title, (measure, condition, *at) in columns.items():
            found = seeds(measure, condition, *at, network=network)
            mean = text_of(float(found.mean()), spec) if len(found) else "not measured"
            ends = [text_of(float(v), spec) for v in (found.min(), found.max())] if len(found) > 1 else []
            cells[title] = f"{mean} ({ends[0]} to {ends[1]})" if ends else mean
        rows.append(cells)
    return table(pd.DataFrame(rows))
