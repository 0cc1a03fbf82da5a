"""The command line and the shipped networks."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_train import toy

from rnnrev import zoo
from rnnrev.__main__ import main
from rnnrev.data import load_reviews
from rnnrev.files import write_json, write_npz

ROOT = Path(__file__).parents[1]
RECURRENT = (
    "gru-imdb", "gru-imdb-1", "gru-imdb-2", "gru-imdb-pretrained", "lstm-imdb", "ugrnn-imdb", "vanilla-imdb",
)  # fmt: skip


def test_help_is_quick_and_needs_no_tensorflow():
    code = "import sys; from rnnrev.__main__ import main\ntry: main(['train', '--help'])\nfinally: "
    code += "import time; print('tensorflow' in sys.modules, time.process_time())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False).stdout
    assert "--n-units" in out
    *_, loaded, seconds = out.split()
    assert loaded == "False"
    assert float(seconds) < 0.5, "of the processor: what else runs does not count"


def test_train_command_writes_a_model_and_its_record(tmp_path, capsys):
    reviews = toy(300)
    lines = "\n".join(f"{t},{y}" for t, y in zip(reviews.texts, reviews.labels))
    (tmp_path / "mine.csv").write_text("text,label\n" + lines + "\n")
    out = tmp_path / "net"
    options = ["--data", str(tmp_path / "mine.csv"), "--epochs", "1", "--n-units", "8", "--n-inputs", "4", "--quiet"]
    assert main(["train", "--out", str(out), *options]) == 0
    assert "validation accuracy" in capsys.readouterr().out
    assert main(["trace", "good film", "--model", str(out)]) == 0
    assert re.search(r"[+-]\d+\.\d\d  film", capsys.readouterr().out)
    assert main(["evaluate", "--model", str(out), "--data", str(tmp_path / "mine.csv")]) == 0
    assert "on 300 texts" in capsys.readouterr().out


def test_errors_are_one_line_and_status_one(tmp_path, capsys):
    assert main(["train", "--out", str(tmp_path / "x"), "--data", str(tmp_path / "none.csv"), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert "none.csv does not exist" in error
    assert error.count("\n") == 1
    assert main(["trace", "x", "--model", "gru-imbd"]) == 1
    assert "gru-imdb" in capsys.readouterr().err


# --- shipped networks ---------------------------------------------------------------------------


def test_zoo_holds_what_the_book_needs_in_35_MB(capsys):
    assert set(zoo.names()) >= {*RECURRENT, "bow-imdb"}
    size = sum(f.stat().st_size for f in zoo.FOLDER.rglob("*") if f.is_file())
    assert size < 35e6
    assert main(["zoo"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in zoo.names())


@pytest.mark.parametrize("name", RECURRENT)
def test_shipped_records_are_of_the_whole_test_set(name):
    test = zoo.record(name)["test"]
    assert test["texts"] == 24_996
    low, high = test["interval95"]
    assert low < test["accuracy"] < high
    assert np.sum(test["confusion"]) == test["texts"]


def test_every_network_with_gates_beats_the_bag_of_words():
    bag = zoo.record("bow-imdb")["test"]
    for name in RECURRENT[:-1]:  # the vanilla network does not: chapter 1 says so
        assert zoo.record(name)["test"]["interval95"][0] > bag["interval95"][1], name


def test_a_network_loads_in_under_a_second_and_reads():
    zoo._shipped.cache_clear()
    started = time.process_time()
    network = zoo.load("gru-imdb")
    assert time.process_time() - started < 1
    good, bad = network.logits(["this movie is awesome", "this movie is awful"])
    assert good > 0 > bad


def test_shipped_networks_read_the_embedded_reviews():
    reviews = load_reviews("book")
    for name in ("gru-imdb", "lstm-imdb", "bow-imdb"):
        assert np.mean(zoo.load(name).classify(reviews.texts) == reviews.labels) > 0.75, name
        assert zoo.load(name).name == name


@pytest.mark.network
@pytest.mark.slow
@pytest.mark.parametrize("name", ["gru-imdb", "bow-imdb"])
def test_record_is_of_the_weights_that_are_shipped(name):
    from rnnrev.model import evaluate

    assert evaluate(zoo.load(name), load_reviews("imdb", "test"))["accuracy"] == zoo.record(name)["test"]["accuracy"]


def test_measure_prints_or_writes_the_tidy_table(tmp_path, capsys, monkeypatch):
    from rnnrev import measure
    from rnnrev.measure import COLUMNS, PARTS

    few = [p for p in PARTS if p.name == "accuracy"]
    whole = measure.measure
    monkeypatch.setattr(measure, "measure", lambda *args, **options: whole(*args, parts=few, **options))
    options = ["measure", "--model", "bow-imdb", "--scored", "20", "--quiet"]
    assert main(options) == 0
    printed = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert tuple(printed.columns) == COLUMNS
    assert main([*options, "--out", str(tmp_path / "table.csv")]) == 0
    assert "written to" in capsys.readouterr().out
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "table.csv"), printed)
    assert main([*options, "--out", str(tmp_path / "no" / "table.csv")]) == 1
    assert "does not exist" in capsys.readouterr().err


# --- files --------------------------------------------------------------------------------------


def test_arrays_become_lists_in_json(tmp_path):
    file = write_json(tmp_path / "new" / "one.json", {"a": np.arange(2), "b": np.float32(0.5), "c": "x"})
    assert json.loads(file.read_text()) == {"a": [0, 1], "b": 0.5, "c": "x"}


def test_a_failed_write_keeps_the_old_file(tmp_path):
    write_json(tmp_path / "a.json", {"old": 1})
    with pytest.raises(TypeError, match="cannot hold a set"):
        write_json(tmp_path / "a.json", {"new": {1}})
    with pytest.raises(ValueError, match="pickle"):
        write_npz(tmp_path / "a.npz", {"x": [object()]})
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
    assert "old" in (tmp_path / "a.json").read_text()


# --- set-up -------------------------------------------------------------------------------------


def test_readme_and_ci_call_the_same_commands():
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci/run").read_text()
    for command in ("make book", "make test"):
        assert command in readme
        assert command in ci
