"""Every page with code, run as a notebook: a fresh kernel each, in a random order, away from the repository."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[1]
PAGES = [p for p in sorted((ROOT / "book").glob("*.md")) if "{code-cell}" in p.read_text(encoding="utf-8")]
ORDER = random.Random(int(os.environ["RNNREV_ORDER"])).sample(PAGES, len(PAGES))  # conftest.py draws and prints it


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all: what a notebook leaves behind may not change the next."""
    return tmp_path_factory.mktemp("notebooks")


@pytest.mark.parametrize("page", ORDER, ids=lambda p: p.stem)
def test_notebook_runs(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jupytext, nbclient = pytest.importorskip("jupytext"), pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    notebook = jupytext.read(page)
    client = nbclient.NotebookClient(
        notebook, timeout=900, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert code
    assert all(c.execution_count for c in code if c.source.strip())
