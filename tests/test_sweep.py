"""Sweeps of trivial cells: nothing runs twice, nothing is lost."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sweep as sweeps  # scripts/sweep.py
from provenance import RECIPES, write_table
from sweep import Cell, Row, finished, grid, name_of, rows_of, sweep, table

from rnnrev import claims
from rnnrev.measure import COLUMNS
from rnnrev.stats import Estimate, shown

RAN: Counter[str] = Counter()
CELLS = grid(cell=["gru", "lstm"], seed=[0, 1, 2])


def square(cell: Cell) -> list[Row]:
    RAN[name_of(cell)] += 1
    seed = int(str(cell["seed"]))
    return [{**cell, "measure": "square", "value": seed**2}, {**cell, "measure": "half", "value": seed / 2}]


def stops_at_seed_2(cell: Cell) -> list[Row]:
    if cell["seed"] == 2:
        raise OSError("disk is full")
    return square(cell)


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


def here(cells: list[dict[str, object]], out: Path, measure=square) -> pd.DataFrame:
    return sweep(cells, out, measure, workers=1, progress=False)


def test_grid_and_names() -> None:
    assert len(CELLS) == 6
    assert CELLS[0] == {"cell": "gru", "seed": 0}
    assert len({name_of(c) for c in CELLS}) == 6
    assert name_of({"task": "recover", "cell": "gru", "seed": 1}).startswith("recover-gru-1-")
    assert name_of({"cell": "gru", "language": {"noise": 1.0}}) != name_of({"cell": "gru", "language": {"noise": 2.0}})


def test_rows_stand_in_the_order_of_the_cells(tmp_path: Path) -> None:
    made = here(CELLS, tmp_path)
    assert list(made.columns) == ["cell", "seed", "measure", "value"]
    assert made.seed.tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert made[(made.cell == "lstm") & (made.measure == "square")].value.tolist() == [0, 1, 4]


def test_a_second_run_does_nothing_and_a_damaged_cell_is_done_again(tmp_path: Path) -> None:
    first = here(CELLS, tmp_path)
    assert set(RAN.values()) == {1}
    pd.testing.assert_frame_equal(here(CELLS, tmp_path), first)
    assert set(RAN.values()) == {1}
    damaged, foreign = (tmp_path / f"{name_of(c)}.json" for c in CELLS[:2])
    damaged.write_text(damaged.read_text()[:30])
    foreign.write_text(json.dumps({"cell": {"other": 1}, "rows": []}))
    pd.testing.assert_frame_equal(here(CELLS, tmp_path), first)
    assert Counter(RAN.values()) == {1: 4, 2: 2}


def test_failed_cells_are_named_and_only_they_are_tried_again(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"2 of 6 cells failed.*disk is full"):
        here(CELLS, tmp_path, stops_at_seed_2)
    assert len(table(tmp_path, CELLS)) == 8
    assert len(here(CELLS, tmp_path)) == 12
    assert set(RAN.values()) == {1}


def test_a_killed_sweep_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, written = sweeps.write_json, []

    def killed_at_the_third(file: Path, data: object) -> Path:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(file.stem)
        return real(file, data)

    monkeypatch.setattr(sweeps, "write_json", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        here(CELLS, tmp_path)
    monkeypatch.undo()
    assert len([c for c in CELLS if finished(c, tmp_path)]) == 2
    before = dict(RAN)
    assert len(here(CELLS, tmp_path)) == 12
    assert all(RAN[name] == before[name] for name in written)


def test_processes_of_this_machine(tmp_path: Path) -> None:
    made = sweep(CELLS[:3], tmp_path, square, workers=2, progress=False)
    assert made.value.tolist() == [0, 0, 1, 0.5, 4, 1]
    assert not RAN  # elsewhere


def test_a_scheduler_by_address(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    ) as cluster:
        made = sweep(CELLS[:2], tmp_path, square, scheduler=cluster.scheduler_address, progress=False)
    assert made.value.tolist() == [0, 0, 1, 0.5]


def test_the_same_cell_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="twice"):
        here([CELLS[0], CELLS[0]], tmp_path)


def test_results_become_rows_and_rows_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @dataclass(frozen=True)
    class Found:
        curve: tuple[float, ...]  # has no format: not shown
        share: float = shown(".1%")
        slope: Estimate = shown(".2f")

    rows = rows_of(Found((1.0,), 1 / 3, Estimate(2.0, 1.0, np.nan)), network="gru-0", data="x/test", condition="")
    assert [(r["measure"], r["value"], r["low"]) for r in rows] == [
        ("share", 1 / 3, pytest.approx(np.nan, nan_ok=True)),
        ("slope", 2.0, 1.0),
    ]
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS)).fillna({"note": ""})
    write_table("bags", table, {"seeds": [0]}, tmp_path)
    monkeypatch.setattr(claims, "RECORDS", tmp_path)
    back = claims.read("bags")
    assert list(back.columns) == list(COLUMNS)
    assert back.value.tolist() == [0.33333, 2.0]
    assert back.condition.tolist() == ["", ""]
    assert back.low.isna().tolist() == [True, False]
    about = json.loads((tmp_path / "bags.json").read_text())
    assert about["command"] == RECIPES["bags"].command
    assert set(about) == {"command", "code", "seeds", "commit", "versions", "measured"}
