"""The project around the book: citation, versions and address agree; the house: imports go one way, and it is small."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml
from provenance import Source

import rnnrev

ROOT = Path(__file__).parents[1]
if not (ROOT / "CITATION.cff").is_file():
    pytest.skip("installed without the repository", allow_module_level=True)


def test_citation_is_whole_and_of_this_version() -> None:
    citation = yaml.load((ROOT / "CITATION.cff").read_text(encoding="utf-8"), yaml.BaseLoader)  # dates are text
    schema = json.loads(Path(__file__).with_name("citation-file-format.json").read_text(encoding="utf-8"))
    jsonschema.validate(citation, schema)
    assert citation["version"] == rnnrev.__version__
    zenodo = json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))
    assert zenodo["title"] == citation["title"]


def test_changelog_has_this_version_with_its_date() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["date-released"]
    assert f"## [{rnnrev.__version__}] - {released}" in text
    assert "Errata" in text


def test_the_repositorys_address_stands_in_one_place() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    address = (config.get("repository") or {}).get("url") or ""
    pages = [*ROOT.glob("*.md"), *(ROOT / "book").glob("*.md"), ROOT / "CITATION.cff", ROOT / "pyproject.toml"]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "github.com/rnnrev" not in text, page.name
        assert not address or address not in text, page.name


def test_workflows_are_yaml_and_call_ci() -> None:
    flows = {f.stem: yaml.safe_load(f.read_text(encoding="utf-8")) for f in (ROOT / ".github/workflows").glob("*.yml")}
    assert {"ci", "pages", "links"} <= set(flows)
    steps = flows["ci"]["jobs"]["ci"]["steps"]
    assert any(step.get("run") == "bash .ci/run" for step in steps)


# --- the house ----------------------------------------------------------------------------------------

SOURCE = Source()
HOUSE = {name: SOURCE.module(name) for name in SOURCE.modules if name.split(".")[0] == "rnnrev"}


def test_a_module_imports_only_from_those_above_it_in_the_reference() -> None:
    order = re.findall(r"^   (rnnrev\.\S+)$", (ROOT / "book/api.md").read_text(encoding="utf-8"), re.M)
    assert {"rnnrev.report", "rnnrev.data"} <= set(order)
    for i, name in enumerate(order):
        imports = {where for where, _ in HOUSE[name].imported.values()}
        assert not imports & set(order[i:]) - {name}, name
        assert "book" in name or not any("rnnrev.book" in where for where in imports), name


def test_the_package_is_a_small_one() -> None:
    assert max(len(SOURCE.read(file).splitlines()) for file in (SOURCE.modules[name] for name in HOUSE)) <= 650
    listed = {n: m.defined["__all__"][0] for n, m in HOUSE.items() if "__all__" in m.defined and ".book" not in n}
    public = [(n, name) for n, statement in listed.items() for name in ast.literal_eval(statement.value)]
    assert 100 < len(public) <= 180
