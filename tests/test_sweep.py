"""Sweeps with trivial cells on a cluster in this process: nothing runs twice, nothing is lost."""

from __future__ import annotations

import argparse
import json
from collections import Counter

import pandas as pd
import pytest

from rnnrev import sweep as sweeps
from rnnrev.stats import over_seeds
from rnnrev.sweep import as_record, finished, grid, name_of, plan, sweep, table

pytest.importorskip("distributed")

RAN: Counter[str] = Counter()
CELLS = grid(cell=["gru", "lstm"], seed=[0, 1, 2])


def square(cell):
    RAN[name_of(cell)] += 1
    return {"square": cell["seed"] ** 2, "half": cell["seed"] / 2, "details": {"cell": cell["cell"]}}


def stops_at_seed_2(cell):
    if cell["seed"] == 2:
        raise OSError("disk is full")
    return square(cell)


@pytest.fixture(autouse=True)
def _forget():
    RAN.clear()


def here(cells, out, function=square):
    return sweep(cells, out, function=function, processes=False, progress=False)


def test_grid_and_names():
    assert len(CELLS) == 6
    assert CELLS[0] == {"cell": "gru", "seed": 0}
    assert len({name_of(c) for c in CELLS}) == 6
    assert name_of({"task": "recover", "cell": "gru", "seed": 1}).startswith("recover-gru-1-")
    assert name_of({"cell": "gru", "language": {"noise": 1.0}}) != name_of({"cell": "gru", "language": {"noise": 2.0}})


def test_every_measure_is_one_row_of_one_csv(tmp_path):
    made = here(CELLS, tmp_path)
    assert len(made) == 12
    assert set(made.columns) == {"cell", "seed", "measure", "value"}
    assert made[(made.cell == "lstm") & (made.seed == 2) & (made.measure == "square")].value.item() == 4
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "measures.csv"), made)
    assert json.loads((tmp_path / f"{name_of(CELLS[0])}.json").read_text())["details"] == {"cell": "gru"}


def test_a_second_run_does_nothing_and_a_damaged_cell_is_done_again(tmp_path):
    first = here(CELLS, tmp_path)
    assert set(RAN.values()) == {1}
    pd.testing.assert_frame_equal(here(CELLS, tmp_path), first)
    assert set(RAN.values()) == {1}
    damaged, foreign = (tmp_path / f"{name_of(c)}.json" for c in CELLS[:2])
    damaged.write_text(damaged.read_text()[:30])
    foreign.write_text(json.dumps({"cell": {"other": 1}, "measures": {}}))
    pd.testing.assert_frame_equal(here(CELLS, tmp_path), first)
    assert Counter(RAN.values()) == {1: 4, 2: 2}


def test_failed_cells_are_named_and_only_they_are_tried_again(tmp_path):
    with pytest.raises(RuntimeError, match=r"2 of 6 cells failed.*disk is full"):
        here(CELLS, tmp_path, stops_at_seed_2)
    assert len(table(tmp_path, CELLS)) == 8
    assert (tmp_path / "measures.csv").is_file()
    assert len(here(CELLS, tmp_path)) == 12
    assert set(RAN.values()) == {1}


def test_a_killed_sweep_goes_on(tmp_path, monkeypatch):
    real, written = sweeps._write, []

    def killed_at_the_third(folder, name, cell, result):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(name)
        real(folder, name, cell, result)

    monkeypatch.setattr(sweeps, "_write", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        here(CELLS, tmp_path)
    monkeypatch.undo()
    assert len([c for c in CELLS if finished(c, tmp_path)]) == 2
    assert not list(tmp_path.glob("*.tmp"))
    before = dict(RAN)
    assert len(here(CELLS, tmp_path)) == 12
    assert all(RAN[name] == before[name] for name in written)


def test_processes_and_a_scheduler_by_address(tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster:
        made = sweep(CELLS[:2], tmp_path, cluster.scheduler_address, function=square, progress=False)
    assert made.value.tolist() == [0, 0, 1, 0.5]


def test_the_same_cell_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match="twice"):
        here([CELLS[0], CELLS[0]], tmp_path)


def test_plans():
    assert len(plan("language")) == 12
    assert len({name_of(c) for name in ("language", "difficulty", "classes") for c in plan(name)}) == 12 + 9 + 15
    assert plan("train", ["gru"], [4], ["imdb"]) == [{"task": "train", "cell": "gru", "seed": 4, "data": "imdb"}]
    networks = {n: {c["network"] for c in plan(n)} for n in ("networks", "pretrained")}
    assert networks["pretrained"] == {"gru-imdb-pretrained"}  # it is no seed of the others
    assert not networks["networks"] & networks["pretrained"]
    assert len(networks["networks"]) == 6
    shipped = plan("networks", ["lstm"], data=["imdb"])
    more = plan("networks", ["lstm"], data=["imdb"], folders=["runs/lstm-imdb-1"])
    assert more == [
        *shipped,
        {"task": "network", "data": "imdb", "network": "lstm-imdb-1", "folder": "runs/lstm-imdb-1"},
    ]
    with pytest.raises(ValueError, match="not by 'language'"):
        plan("language", folders=["runs/lstm-imdb-1"])
    with pytest.raises(ValueError, match="choose one of language"):
        plan("everything")
    with pytest.raises(ValueError, match="unknown cell"):
        plan("language", ["transformer"])


def test_record_is_small_and_says_how_it_was_made(tmp_path):
    here(CELLS[:1], tmp_path, lambda cell: {"third": 1 / 3})
    record = as_record(tmp_path, "language", CELLS)
    assert record["cells"] == [{"cell": CELLS[0], "measures": {"third": 0.33333}, "details": None}]
    assert "rnnrev sweep language" in record["command"]


def test_a_record_read_back_and_summed_up(tmp_path, monkeypatch):
    here(CELLS, tmp_path)
    record = as_record(tmp_path, "language", CELLS)
    monkeypatch.setattr(sweeps, "read_record", lambda name: record)
    wide, cells = sweeps.read_sweep("language")
    assert len(wide) == len(cells) == 6
    assert wide.square.tolist() == [0, 1, 4] * 2
    found = sweeps.summary(wide, {"half": ("half the seed", ".2f")})
    assert found.columns.tolist() == ["gru", "lstm"]
    assert found.loc["half the seed", "gru"] == over_seeds([0, 0.5, 1]).format(".2f")


def test_command_line(tmp_path, monkeypatch, capsys):
    parser = argparse.ArgumentParser()
    sweeps.add_arguments(parser)
    args = parser.parse_args(["language", "--out", str(tmp_path), "--cells", "gru", "--seeds", "0"])
    monkeypatch.setattr(sweeps, "sweep", lambda cells, out, scheduler, workers: table(out, cells))
    sweeps.run(args)
    assert "1 cells" in capsys.readouterr().out
