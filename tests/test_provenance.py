"""A record says how it was made, and its code is that of today: on a house of two rooms, and on the records."""

from __future__ import annotations

import ast
import json
import subprocess
from pathlib import Path

import provenance
import pytest
from provenance import RECIPES, Recipe, Source

from rnnrev.files import RECORDS

#: Records whose code has changed since they were measured, until they are measured again.
STALE: dict[str, str] = {}

SCRIPT = '''"""What is measured."""
from rnnrev import tools
from rnnrev.tools import PARTS, read

SEED = 3

def measured(x: int) -> float:
    """Docstring."""
    return sum(part(x) for part in PARTS) + tools.twice(x) + len(read()) + tools.Pair().whole()

def main():
    print("drawn")
'''
TOOLS = """
_registered = []

def _part(f):
    _registered.append(f)
    return f

@_part
def _one(x):
    return x * FACTOR

PARTS = tuple(_registered)
FACTOR = 2.5

def twice(x): return 2 * x

def read():
    return open("words.csv").read()

class Pair:
    size = 2
    unused: int = 3  # a field, not the function of this name

    def whole(self): return self.size + OFFSET

    def unused(self): return 1

def unused(): return 0

OFFSET = 7
"""


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for file, text in {
        "scripts/script.py": SCRIPT,
        "rnnrev/__init__.py": "",
        "rnnrev/tools.py": TOOLS,
        "rnnrev/datasets/words.csv": "not,very",
    }.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    monkeypatch.setitem(RECIPES, "mine", Recipe("python x", "nothing", ("script.measured", "script.SEED")))
    return tmp_path


def edit(file: Path, before: str, after: str) -> None:
    text = file.read_text()
    assert before in text
    file.write_text(text.replace(before, after))


def test_measuring_reaches_what_it_uses_and_no_more(house: Path) -> None:
    tools = {f"rnnrev.tools.{name}" for name in ("PARTS", "_registered", "_part", "_one", "FACTOR", "twice", "read")}
    tools |= {f"rnnrev.tools.{name}" for name in ("Pair", "Pair.whole", "OFFSET")}
    assert set(Source().reached("mine")) == {"script.measured", "script.SEED", "words.csv", *tools}


@pytest.mark.parametrize(("file", "before", "after"), [
    ("scripts/script.py", '"""Docstring."""', '"""Another."""'),
    ("scripts/script.py", "(x: int) -> float", "(x)"),
    ("scripts/script.py", 'print("drawn")', 'print("in colour")'),
    ("rnnrev/tools.py", "def twice(x): return 2 * x", "def twice(x):\n    # double\n    return (2 *\n   x)"),
    ("rnnrev/tools.py", "return 0", "return 1"),
    ("rnnrev/tools.py", "return 1", "return 2"),
])  # fmt: skip
def test_prose_layout_and_code_that_is_not_used_are_no_change(house: Path, file: str, before: str, after: str) -> None:
    was = Source().code("mine")
    edit(house / file, before, after)
    assert Source().code("mine") == was


@pytest.mark.parametrize(("file", "before", "after", "changed"), [
    ("scripts/script.py", "SEED = 3", "SEED = 4", "script.SEED"),
    ("rnnrev/tools.py", "return 2 * x", "return 3 * x", "rnnrev.tools.twice"),
    ("rnnrev/tools.py", "FACTOR = 2.5", "FACTOR = 2.6", "rnnrev.tools.FACTOR"),
    ("rnnrev/tools.py", "self.size + OFFSET", "self.size - OFFSET", "rnnrev.tools.Pair.whole"),
    ("rnnrev/tools.py", "size = 2", "size = 3", "rnnrev.tools.Pair"),
    ("rnnrev/datasets/words.csv", "very", "quite", "words.csv"),
])  # fmt: skip
def test_what_can_move_a_number_is_a_change_and_is_named(
    house: Path, file: str, before: str, after: str, changed: str
) -> None:
    git = ["git", "-C", str(house), "-c", "user.name=a", "-c", "user.email=a@b"]
    for asked in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *asked], check=True)
    was = Source("HEAD")
    assert Source().code("mine") == was.code("mine")
    edit(house / file, before, after)
    assert Source().changed("mine", was) == [changed]


def test_every_version_of_python_reads_the_same_definition() -> None:
    shown = [ast.FormattedValue(ast.Name("digits"), -1)]
    assert provenance.plain(ast.JoinedStr([*shown, ast.Constant("")])) == provenance.plain(ast.JoinedStr(shown)), "3.12"


def test_a_stamp_names_todays_code_what_changed_and_why(house: Path) -> None:
    git = ["git", "-C", str(house), "-c", "user.name=a", "-c", "user.email=a@b"]
    for asked in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "x"]):
        subprocess.run([*git, *asked], check=True)
    first = provenance.commit()
    (house / "mine.json").write_text(json.dumps({"code": Source().code("mine"), "commit": first}))
    assert provenance.stamp("mine", "nothing changed", house) == []
    edit(house / "rnnrev/tools.py", "return 2 * x", "return x + x")
    assert provenance.stamp("mine", "a sum is a product", house) == ["rnnrev.tools.twice"]
    about = json.loads((house / "mine.json").read_text())
    assert about["code"] == Source().code("mine")
    assert about["commit"] == first
    stamped = {"why": "a sum is a product", "since": first, "changed": ["rnnrev.tools.twice"]}
    assert stamped.items() <= about["stamps"][0].items()


def test_every_record_has_a_recipe() -> None:
    there = {f.stem for f in RECORDS.glob("*.csv")}
    assert there == {f.stem for f in RECORDS.glob("*.json")}
    assert there <= set(RECIPES) <= there | set(STALE)


@pytest.fixture(scope="module")
def source() -> Source:
    return Source()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_records_code_is_that_of_today(name: str, source: Source) -> None:
    file = RECORDS / f"{name}.json"
    about = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    same = about.get("code") == source.code(name)
    if name in STALE:
        assert not same, f"{name} is measured anew: take it from STALE"
        return
    advice = f"measure it (make records NAME={name}), or, where numbers are shown to be left alone, stamp it"
    assert same, f"the code behind {name} has changed: {advice} (python scripts/records.py stamp {name} --why …)"
    assert {"command", "commit", "versions", "data", "seeds"} <= set(about)
    assert "dirty" not in about["commit"], "commit first, then measure"
    assert all(stamp["why"] for stamp in about.get("stamps", []))
