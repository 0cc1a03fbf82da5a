"""The course in a box (`make course`): what grade.py makes of right, wrong, endless and greedy submissions."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "book/scripts/grade.py"
grade = pytest.importorskip("grade")
FIRST, SECOND, OPEN = "ex-training-1", "ex-augmented-1", "ex-end-2"
RIGHT = {FIRST: "[0.7, -1.0, -1.5]", SECOND: "[-0.3, 2, 1]"}


def submission(file: Path, answers: dict[str, str], text: str = "*Your answer:*") -> None:
    """A notebook with answer cells like the edition's, filled in."""
    cells = [new_markdown_cell("# 1. Title"), new_code_cell("%pip install nothing", metadata={"tags": ["setup"]})]
    for name, answer in answers.items():
        cells.append(new_markdown_cell(f'<a id="{name}"></a>\n\n### Exercise\n\nCount.'))
        cells.append(new_code_cell(f'from rnnrev.book import check\n\nmine = {answer}\ncheck("{name}", mine)'))
    cells += [new_markdown_cell(f'<a id="{OPEN}"></a>\n\n### Exercise'), new_markdown_cell(text)]
    cells.append(new_markdown_cell("## References\n\nNot an answer."))
    file.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells), file)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Ada Lovelace_1_assignsubmission_file_/01-training.ipynb", "Ada Lovelace_1_assignsubmission_file_"),
        ("lovelaceada_12_345_01-training.ipynb", "lovelaceada_12_345"),
        ("lovelace 01-training (yours, 2026-11-26 06.00.00).ipynb", "lovelace"),
        ("ada.ipynb", "ada"),
    ],
)
def test_names_are_those_of_moodle_canvas_and_git(tmp_path: Path, file: str, name: str) -> None:
    assert grade.student(tmp_path / file, tmp_path) == name


def test_words_below_an_open_exercise_are_counted(tmp_path: Path) -> None:
    submission(tmp_path / "a.ipynb", RIGHT, "*Your answer:* the sign decides")
    assert grade.written(nbformat.read(tmp_path / "a.ipynb", 4)) == {FIRST: "", SECOND: "", OPEN: "3 words"}


@pytest.mark.slow
def test_a_class_is_graded_within_its_limits(tmp_path: Path) -> None:
    greedy = "0\nkept = []\nwhile True: kept.append(bytearray(b'1') * 10**8)"
    for name, first, second in [
        ("right", RIGHT[FIRST], RIGHT[SECOND]),
        ("wrong", "[-0.7, 1.0, 1.5]", "..."),
        ("broken", "undefined", RIGHT[SECOND]),
        ("loop", "0\nwhile True: pass", RIGHT[SECOND]),
        ("greedy", RIGHT[FIRST], greedy),
    ]:
        submission(tmp_path / f"in/{name}/01-training.ipynb", {FIRST: first, SECOND: second})
    (tmp_path / "in/torn.ipynb").write_text("{")
    command = [sys.executable, SCRIPT, "in", "--seconds=6", "--gigabytes=2", "--jobs=2"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)
    made = pd.read_csv(tmp_path / "grades.csv", index_col="name", keep_default_na=False)
    assert list(made.columns) == ["right", FIRST, OPEN, SECOND, "problem"]
    assert made.loc["torn", "problem"].startswith("no notebook")
    assert made[FIRST].drop("torn").to_dict() == {
        "broken": "error: NameError: name 'undefined' is not defined",
        "greedy": "right",
        "loop": "stopped: a cell ran for 6 s",
        "right": "right",
        "wrong": "not yet: The sign is the wrong way round.",
    }
    assert made.loc[["right", "loop", "broken"], SECOND].eq("right").all(), "other cells are run all the same"
    assert made.loc["wrong", SECOND] == ""
    assert made.loc["greedy", SECOND] == "stopped: 2 GB"
    assert made["right"].to_dict() == {"broken": 1, "greedy": 1, "loop": 1, "right": 2, "torn": 0, "wrong": 0}


@pytest.mark.slow
def test_a_notebook_that_does_not_listen_is_ended(tmp_path: Path) -> None:
    deaf = "0\nimport signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True: pass"
    submission(tmp_path / "a.ipynb", {FIRST: deaf})
    found = grade.grade(tmp_path / "a.ipynb", seconds=1, minutes=0.2, gigabytes=2)
    assert found["problem"] == "stopped: the notebook ran for 0.2 min"
    assert found[FIRST] != "right"
