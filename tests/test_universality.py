"""Tables of claims from made-up records."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnrev import universality
from rnnrev.stats import over_seeds

NUMBERS = {
    "tau_1": 1000.0, "tau_2": 50.0, "alignment": 0.9, "dimensions_90": 5.0, "linear_agree": 0.95, "dimension": 2.0,
    "accuracy": 0.9, "accuracy_without": 0.8, "accuracy_random": 0.89, "start_emphasis": 2.0, "end_emphasis": 1.5,
}  # fmt: skip


@pytest.fixture
def records(monkeypatch):
    language = [{"cell": c, "seed": s, **NUMBERS, "modifier_auc_true": 1.0} for c in ("gru", "lstm") for s in (0, 1, 2)]
    shipped = [{"network": f"{n}-imdb", "data": "imdb", **NUMBERS, "modifier_auc": 0.8} for n in ("gru", "vanilla")]
    tables = {"language": pd.DataFrame(language), "networks": pd.DataFrame(shipped)}
    monkeypatch.setattr(universality, "read_sweep", lambda name: (tables[name], []))
    return tables


def test_a_pretrained_network_gets_the_same_measures(records):
    one = {"network": "gru-imdb-pretrained", "data": "sst2", **NUMBERS, "modifier_auc": 0.6}
    records["pretrained"] = pd.DataFrame([one])
    table = universality.pretrained()
    assert table[["cell", "data"]].iloc[0].tolist() == ["gru", "SST-2"]
    assert table[["gap_of_tau", "lost", "lost_more", "ranked"]].iloc[0].tolist() == pytest.approx([20, 10, 9, 0.6])
    assert len(universality.networks()) == 8  # it is not among the others


def test_one_row_a_network_and_the_measures_made_of_others(records):
    table = universality.networks()
    assert len(table) == 8
    assert table.data.unique().tolist() == ["known language", "IMDB"]
    np.testing.assert_allclose(table.gap_of_tau, 20)
    np.testing.assert_allclose(table.lost, 10)
    np.testing.assert_allclose(table.lost_more, 9)
    assert table.ranked.tolist() == [1.0] * 6 + [0.8] * 2


def test_verdicts_count_networks(records):
    records["language"].loc[0, "alignment"] = 0.1
    records["language"].loc[:3, "end_emphasis"] = 1.0
    records["networks"]["end_emphasis"] = 1.0
    rows = universality.verdicts(universality.networks())
    rows.index = rows.Claim.str.extract("<small>(.*)</small>", expand=False)
    assert rows.loc["τ₁/τ₂", "Verdict"] == "holds: 8 of 8"
    assert rows.loc["cosine of r₁ and w", "Verdict"] == "holds in part: 7 of 8"
    assert rows.loc["last word, multiples of mid-text", "Verdict"].startswith("does not hold")
    assert rows.loc["cosine of r₁ and w", "Known language"] == over_seeds([0.1, 0.9, 0.9]).format(".2f")
    assert rows.loc["τ₁, tokens", "IMDB"] == "1,000"  # one GRU has no interval


def test_every_claim_names_a_page_of_the_book():
    assert len({c.text for c in universality.CLAIMS}) == len(universality.CLAIMS)
    assert all(".html" in c.page for c in universality.CLAIMS)
