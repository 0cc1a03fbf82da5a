"""The notebook edition (`make notebooks`): as files, executed, and in a real JupyterLab."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[1]
MADE = ROOT / "_build" / "notebooks"
NOTEBOOKS = sorted(MADE.glob("[!.]*.ipynb"))
#: What must have been resolved or rendered.
RAW = re.compile(r"\{(?:ref|numref|eq|glue|cite|py)[:}]|^:label:|^\([\w-]+\)=$|\{exercise\}|\{solution\}", re.MULTILINE)


@pytest.fixture(scope="module")
def edition() -> Any:
    pytest.importorskip("markdownify")
    spec = importlib.util.spec_from_file_location("book_notebooks", ROOT / "book/_ext/book_notebooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGE = r"""
<article class="bd-article"><section id="c"><h1>2. Title<a class="headerlink" href="#c">#</a></h1>
<p>See <a href="01-training.html#x">chapter 1</a>, <a href="notation.html">symbols</a> and
<span class="math notranslate nohighlight">\(a &lt; b_1\)</span>.</p>
<div class="math notranslate nohighlight" id="equation-eq-a"><span class="eqno">(2.1)</span>\[ x = y \]</div>
<div class="cell docutils container"><div class="cell_input docutils container">
<div class="highlight-ipython3 notranslate">
<div class="highlight"><pre><span></span>shown = 1</pre></div></div></div>
<div class="cell_output docutils container"><figure id="fig-a"><img alt="a line that rises" src="f.png"><figcaption>
<p><span class="caption-number">Fig. 2.1 </span><span class="caption-text">What it is.</span></p></figcaption></figure>
</div></div>
<div class="admonition exercise" id="ex-a"><p class="admonition-title">Exercise 2.1</p>
<section id="exercise-content"><p>Count. Check your answer: <code>check("ex-a", [ones, shown])</code>.</p>
<div class="admonition hint dropdown"><p class="admonition-title">Hint</p><p>Fingers.</p></div>
</section></div><div class="dropdown admonition solution" id="s">
<p class="admonition-title">Solution to<a href="#ex-a">Exercise 2.1</a></p>
<p>Forty-two it is.</p></div></section></article>
"""


def executed(*sources: str) -> Any:
    made = nbformat.v4.new_notebook()
    for source in sources:
        output = nbformat.v4.new_output(
            "display_data", {"image/png": "AAAA", "application/vnd.jupyter.widget-view+json": {"model_id": "m"}}
        )
        made.cells.append(nbformat.v4.new_code_cell(source, outputs=[output], execution_count=1))
    return made


def test_a_page_becomes_a_notebook_that_reads_as_it_does(edition):
    made = edition.edition("02-title", PAGE, executed("hidden = 1", "shown = 1"), "../html", "rnnrev")
    text = "\n".join(c.source for c in made.cells if c.cell_type == "markdown")
    assert text.startswith("# 2. Title\n")
    assert "[chapter 1](01-training.ipynb)" in text
    assert "[symbols](../html/book/notation.html)" in text
    assert "$a < b_1$" in text
    assert "$$\nx = y \\tag{2.1}\n$$" in text
    assert "**Fig. 2.1** What it is." in text
    assert "a line that rises" in text
    code = [c for c in made.cells if c.cell_type == "code"]
    assert [c.source for c in code][1:2] == ["shown = 1"], "what the page hides is not there"
    assert list(code[1].outputs[0].data) == ["image/png"], "no output that needs a kernel"
    answer = code[2]
    assert answer.metadata.tags == ["answer"]
    assert answer.source.splitlines() == [
        "from rnnrev.book import check", "", "ones = ...  # your answer", 'check("ex-a", [ones, shown])'
    ]  # fmt: skip
    assert "<details><summary>Hint</summary>" in text
    assert re.search(r"<details><summary>Solution to ?Exercise 2\.1</summary>\n\nForty-two", text)
    nbformat.validate(made)


def test_the_students_edition_holds_no_solution(edition):
    made = edition.edition("02-title", PAGE, executed("shown = 1"), "../html", "rnnrev", solutions=False)
    assert "Forty-two" not in nbformat.writes(made)
    assert "Exercise 2.1" in nbformat.writes(made)


def test_the_same_page_gives_the_same_file(edition):
    one, other = (edition.edition("02-title", PAGE, executed("shown = 1"), "x", "rnnrev") for _ in range(2))
    assert nbformat.writes(one) == nbformat.writes(other)


def test_answers_are_never_overwritten(edition, tmp_path, capsys):
    first = edition.edition("02-title", PAGE, executed("shown = 1"), "x", "rnnrev")
    edition.write(tmp_path, {"02-title": first})
    edition.write(tmp_path, {"02-title": first})
    assert [f.name for f in tmp_path.glob("*.ipynb")] == ["02-title.ipynb"]
    worked = nbformat.read(tmp_path / "02-title.ipynb", 4)
    worked.cells[-1].source = "my answer"
    nbformat.write(worked, tmp_path / "02-title.ipynb")
    edition.write(tmp_path, {"02-title": first})
    kept = [f for f in tmp_path.glob("*.ipynb") if f.name != "02-title.ipynb"]
    assert len(kept) == 1
    assert "my answer" in kept[0].read_text()
    assert kept[0].name in capsys.readouterr().out


# --- the edition as it was made last ------------------------------------------------------------


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_made_notebooks_are_whole(file: Path) -> None:
    notebook = nbformat.read(file, 4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"```.*?```|`[^`]*`", "", cell.source, flags=re.DOTALL)
            assert not RAW.search(prose), f"{file.name}: {RAW.search(prose)} in {cell.source[:200]!r}"
        elif "setup" not in cell.metadata.get("tags", ()):
            lines = cell.source.splitlines()
            assert max(map(len, lines), default=0) <= 88, cell.source
            assert len(lines) <= 12, cell.source
            assert "glue(" not in cell.source
        for output in cell.get("outputs", []):
            assert output.output_type != "error"


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_made_notebooks_run_from_top_to_bottom(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a page leaves out is needed further down; an empty answer is no error."""
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    notebook = nbformat.read(file, 4)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A JupyterLab over copies of the notebooks and a source, as `make lab` starts it."""
    if not NOTEBOOKS:
        pytest.skip("needs `make notebooks`")
    folder = tmp_path_factory.mktemp("lab")
    for file in [*NOTEBOOKS, ROOT / "book/08-known-language.md"]:
        shutil.copy(file, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.token=",
        "--ServerApp.password=", "--LabApp.news_url=none",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]  # fmt: skip
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / ".c")}
    with open(folder / "lab.log", "wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(120):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        else:
            pytest.fail((folder / "lab.log").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}/lab"
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.slow
def test_chapters_read_well_in_jupyterlab(lab: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    for file in NOTEBOOKS:
        page.goto(f"{lab}/tree/{file.name}?reset")
        page.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown h1", timeout=60_000)
        cells = page.locator(".jp-Notebook .jp-MarkdownOutput")
        shown = BeautifulSoup("\n".join(cells.all_inner_texts()), "html.parser").get_text()
        assert not RAW.search(shown), f"{file.name}: {RAW.search(shown)}"
        wide = page.evaluate(
            "[...document.querySelectorAll('.jp-Notebook .jp-Cell')]"
            ".filter(c => c.scrollWidth > c.clientWidth + 8).length"
        )
        assert wide == 0, f"{file.name}: {wide} cells are wider than the page"
    page.close()


@pytest.mark.slow
def test_sources_open_as_notebooks(lab: str, browser: Any) -> None:
    page = browser.new_page()
    page.goto(f"{lab}?reset")
    page.locator(".jp-DirListing-item", has_text="08-known-language.md").dblclick(timeout=60_000)
    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=60_000)
    page.close()


@pytest.mark.slow
def test_run_all_answers_and_a_widget(lab: str, browser: Any) -> None:
    page = browser.new_page(viewport={"width": 1300, "height": 900})
    page.goto(f"{lab}/tree/01-training.ipynb?reset")
    page.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown h1", timeout=60_000)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    page.wait_for_function(
        "[...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].length > 3 && "
        "![...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].some(p => p.textContent.includes('*'))",
        timeout=240_000,
    )
    page.wait_for_timeout(1_000)
    assert page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.get_by_text("no answer yet").count() >= 1
    page.close()
