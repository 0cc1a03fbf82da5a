"""The notebook edition (`make notebooks`): as files, executed, and in a real JupyterLab."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup
from test_book import plain, solution_phrases

ROOT = Path(__file__).parents[1]
MADE = ROOT / "_build" / "notebooks"
NOTEBOOKS = [f for f in sorted(MADE.glob("*.ipynb")) if (ROOT / f"book/{f.stem}.md").is_file()]  # nobody's answers
#: What must have been resolved or rendered.
RAW = re.compile(r"\{(?:ref|numref|eq|glue|cite|py)[:}]|^:label:|^\([\w-]+\)=$|\{exercise\}|\{solution\}", re.MULTILINE)


@pytest.fixture(scope="module")
def edition() -> Any:
    pytest.importorskip("markdownify")
    return importlib.import_module("book_notebooks")


PAGE = r"""
<article class="bd-article"><section id="c"><span id="ch-c"></span>
<h1>2. Title<a class="headerlink" href="#c">#</a></h1>
<p>See <a href="01-training.html#x">chapter 1</a>, <a href="notation.html">symbols</a>, <a href="#ch-c">this</a>,
<a href="../slides/02-title.html">slides</a>, <a href="api/cells.html">cells</a> and
<span class="math notranslate nohighlight">\(a &lt; b_1\)</span>, as found before
[<a href="references.html#id7">Doe, 1999</a>].</p>
<dl><dt>Blue</dt><dd><p>A <span style="color:blue">■</span>.</p></dd></dl>
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
    references = {f"id{i}": BeautifulSoup(f"<p>Work <em>{i}</em>.</p>", "html.parser").p for i in (7, 8)}
    hidden = executed("hidden = 1", "shown = 1")
    made = edition.edition("02-title", PAGE, hidden, "../html", "rnnrev", references=references)
    text = "\n".join(c.source for c in made.cells if c.cell_type == "markdown")
    assert text.startswith('<a id="ch-c"></a>\n\n# 2. Title\n')
    for link in ("[chapter 1](01-training.ipynb#x)", "[this](#ch-c)", "[Doe, 1999](#id7)"):
        assert link in text
    assert "[symbols](notation.ipynb)" in text
    assert "[cells](../html/book/api/cells.html)" in text
    assert "[slides](../html/slides/02-title.html)" in text
    assert text.endswith('## References\n\n<a id="id7"></a>\n\nWork *7*.'), "those that are cited"
    assert "$a < b_1$" in text
    assert '**Blue**\n\nA <span style="color:blue">■</span>.' in text
    assert "$$\nx = y \\tag{2.1}\n$$" in text
    assert "**Fig. 2.1** What it is." in text
    assert "a line that rises" in text
    code = [c for c in made.cells if c.cell_type == "code"]
    assert [c.source for c in code][1:2] == ["shown = 1"], "what the page hides is not there"
    assert list(code[1].outputs[0].data) == ["image/png"], "no output that needs a kernel"
    answer = code[2]
    assert answer.metadata.tags == ["answer"]
    assert answer.source.splitlines() == [
        "from rnnrev.book import check", "", "ones = ...  # your answer", "shown = ...  # your answer",
        'check("ex-a", [ones, shown])',
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


def test_answers_are_never_overwritten(tmp_path, capsys):
    from notebooks import hand_out

    made, folder = tmp_path / "02-title.ipynb", tmp_path / "out"
    made.write_text("first")
    hand_out([made], folder)
    hand_out([made], folder)
    assert [f.name for f in folder.glob("*.ipynb")] == ["02-title.ipynb"]
    (folder / made.name).write_text("my answer")
    made.write_text("second")
    hand_out([made], folder)
    kept = [f for f in folder.glob("*.ipynb") if f.name != made.name]
    assert [f.read_text() for f in kept] == ["my answer"]
    assert kept[0].name in capsys.readouterr().out
    assert (folder / made.name).read_text() == "second"


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
            assert not re.search(r" at 0x\w+>|absl|'stderr'", str(output)), "the same file from the same source"


@pytest.mark.slow
@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda f: f.stem)
def test_made_notebooks_run_from_top_to_bottom(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that a page leaves out is needed further down; an empty answer is no error."""
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    notebook = nbformat.read(file, 4)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()


# --- in JupyterLab, as `make lab` starts it -----------------------------------------------------

SHOWN = ".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Notebook "
FOLDERS = ("_build/notebooks", "_build/student")


@pytest.fixture(scope="module")
def students(edition: Any) -> dict[str, Any]:
    """The student's notebooks, by name."""
    site, cache = ROOT / "_build/html", ROOT / "_build/.jupyter_cache"
    if not NOTEBOOKS or not cache.is_dir():
        pytest.skip("needs `make notebooks`")
    return {Path(name).name: n for name, n in edition.editions(site, str(cache), "", solutions=False).items()}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, students: dict[str, Any]) -> Iterator[str]:
    """A JupyterLab over copies of the notebooks of both editions, and over a source."""
    folder = tmp_path_factory.mktemp("lab")
    for name in FOLDERS:
        (folder / name).mkdir(parents=True)
    for file in NOTEBOOKS:
        shutil.copy(file, folder / FOLDERS[0])
        nbformat.write(students[file.stem], folder / FOLDERS[1] / file.name)
    shutil.copytree(ROOT / "_build/html", folder / "_build/html", ignore=shutil.ignore_patterns("_images", "_sources"))
    kept = lambda _, names: [n for n in names if not n.endswith(".md") and n != "api"]  # noqa: E731
    shutil.copytree(ROOT / "book", folder / "book", ignore=kept)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter", "lab", "--notebook-dir", ".", f"{FOLDERS[0]}/01-training.ipynb",
        "--no-browser", "--allow-root", f"--port={port}", "--ServerApp.token=", "--ServerApp.password=",
    ]  # fmt: skip
    environment = os.environ | {
        "PYTHONPATH": str(ROOT), "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / ".c"),
        "JUPYTER_PATH": str(ROOT / "book/_lab"), "JUPYTER_CONFIG_PATH": str(ROOT / "book/_lab"),
    }  # fmt: skip
    with open(folder / "lab.log", "wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(240):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        else:
            pytest.fail((folder / "lab.log").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


class Lab:
    """JupyterLab in a browser, at a folder."""

    def __init__(self, browser: Any, server: str) -> None:
        self.page, self.server = browser.new_page(viewport={"width": 1300, "height": 900}), server
        self.page.set_default_timeout(120_000)
        self.metrics = self.page.context.new_cdp_session(self.page)
        self.metrics.send("Performance.enable")

    def go(self, place: str) -> None:
        self.page.goto(f"{self.server}{place}")
        self.page.wait_for_selector(".jp-DirListing-item")
        # JupyterLab does not lay out what is not in view: it would have no width
        self.page.add_style_tag(content=".jp-Notebook * { content-visibility: visible !important; }")

    def work(self) -> float:
        """Seconds that the browser's page has computed so far: on a busy machine the clock says more."""
        return next(
            m["value"] for m in self.metrics.send("Performance.getMetrics")["metrics"] if m["name"] == "ProcessTime"
        )

    def open(self, file: str) -> None:
        self.page.locator(".jp-DirListing-item", has_text=file).dblclick()
        self.page.wait_for_selector(f"{SHOWN}.jp-RenderedMarkdown h1")

    def close(self, changed: bool = False) -> None:
        """Close a notebook; unless it was changed, JupyterLab does not ask whether to keep it."""
        self.page.locator("#jp-main-dock-panel .lm-mod-current .lm-TabBar-tabCloseIcon").click()
        if changed:
            self.page.locator(".jp-Dialog button", has_text="Discard").click()
        self.page.wait_for_selector(".jp-NotebookPanel", state="detached", timeout=20_000)

    def cell(self, text: str) -> Any:
        return self.page.locator(f"{SHOWN}.jp-CodeCell", has_text=text).last

    def run(self, cell: Any, source: str) -> str:
        """Put code into a cell, run it, and give what it says."""
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(source)
        before = cell.locator(".jp-InputPrompt").inner_text()
        self.page.keyboard.press("Control+Enter")
        done = re.compile(r"\[\d+\]:")
        for _ in range(240):
            prompt = cell.locator(".jp-InputPrompt").inner_text()
            if prompt != before and done.search(prompt):
                break
            self.page.wait_for_timeout(250)
        return cell.locator(".jp-OutputArea").inner_text()


@pytest.fixture(scope="module")
def lab(browser: Any, server: str) -> Iterator[Lab]:
    made = Lab(browser, server)
    yield made
    made.page.close()


def test_the_students_notebooks_hold_no_solution(students: dict[str, Any]) -> None:
    for name, notebook in students.items():
        raw = nbformat.writes(notebook)
        assert "olution to" not in raw
        seen = plain(unescape(re.sub(r"<[^>]+>", "", raw)).replace("\\n", " "))
        assert not [run for run in solution_phrases(ROOT / f"book/{name}.md") if run in seen]
        whole = nbformat.read(MADE / f"{name}.ipynb", 4)
        code = [[c.source for c in n.cells if c.cell_type == "code" and "setup" not in c.metadata.get("tags", ())]
                for n in (whole, notebook)]  # fmt: skip
        assert code[0] == code[1]


@pytest.mark.browser
def test_lab_opens_with_chapter_one(lab: Lab) -> None:
    lab.go(f"/lab/tree/{FOLDERS[0]}/01-training.ipynb")  # the address that the command opens
    lab.page.wait_for_selector(f"{SHOWN}h1:has-text('Training')")
    lab.close()


@pytest.mark.browser
@pytest.mark.parametrize("folder", FOLDERS)
def test_chapters_read_well_in_jupyterlab(
    lab: Lab, students: dict[str, Any], folder: str, record_property: Any
) -> None:
    lab.go(f"/lab/tree/{folder}?reset")
    for file in NOTEBOOKS:
        cells = (students[file.stem] if folder == FOLDERS[1] else nbformat.read(file, 4)).cells
        clock, work = time.monotonic(), lab.work()
        lab.open(file.name)
        clock, work = time.monotonic() - clock, lab.work() - work
        record_property("JupyterLab opens", f"{folder}/{file.name}: {work:.2f} s of work, {clock:.2f} s by the clock")
        assert work < 2, file.name
        lab.page.wait_for_function(
            "([shown, n]) => document.querySelectorAll(shown + '.jp-Cell').length >= n && !document.querySelector("
            "shown + '.jp-MarkdownCell:not(.jp-mod-rendered)')",
            arg=[SHOWN, len(cells)],
        )
        seen = lab.page.evaluate(
            """async (shown) => {
                 const all = (s) => [...document.querySelectorAll(shown + s)];
                 const prose = (e) => {
                   const copy = e.cloneNode(true);
                   copy.querySelectorAll('code, pre, mjx-container').forEach((c) => c.remove());
                   return copy.textContent;
                 };
                 const count = () => all('mjx-container').length;
                 for (let before = -1; before < count(); ) {  // formulas are typeset in their own time
                   before = count();
                   await new Promise((done) => setTimeout(done, 300));
                 }
                 return {
                   prose: all('.jp-MarkdownOutput').map(prose),
                   formulas: count(),
                   broken: all('mjx-merror').length,
                   wide: all('.jp-Cell').filter((c) => c.scrollWidth > c.clientWidth + 8)
                     .map((c) => c.textContent.slice(0, 99)),
                   dead: all('a[href^="#"]').map((a) => a.getAttribute('href').slice(1))
                     .filter((id) => id && !all(`[data-jupyter-id="${CSS.escape(decodeURIComponent(id))}"]`).length),
                 };
               }""",
            SHOWN,
        )
        text = "\n".join(seen["prose"])
        assert all(t.strip() for t in seen["prose"]), f"{file.name}: an empty cell"
        assert not RAW.search(text), f"{file.name}: {RAW.search(text)}"
        assert not re.search(r"\$|\\[a-z]+\{", text), f"{file.name}: a formula that is not rendered"
        assert seen["broken"] == 0
        assert seen["formulas"] or not file.name[0].isdigit()
        assert seen["wide"] == [], f"{file.name}: cells are wider than the page"
        assert seen["dead"] == [], f"{file.name}: links that lead nowhere"
        if folder == FOLDERS[1]:
            assert "Solution to" not in text
        lab.close()


@pytest.mark.browser
def test_a_source_opens_its_executed_notebook(lab: Lab) -> None:
    lab.go("/lab/tree/book?reset")
    lab.open("08-known-language.md")
    lab.page.wait_for_url(f"**/{FOLDERS[0]}/08-known-language.ipynb*")
    lab.page.wait_for_selector(f"{SHOWN}.jp-OutputArea-output", state="attached")
    assert not RAW.search("\n".join(lab.page.locator(f"{SHOWN}.jp-MarkdownOutput").all_inner_texts()))
    lab.close()
    lab.open("notation.md")  # has no code, and reads well all the same
    lab.page.wait_for_url(f"**/{FOLDERS[0]}/notation.ipynb*")
    lab.close()
    lab.go("/lab/tree/book/api?reset")
    lab.page.locator(".jp-DirListing-item", has_text="knob.md").dblclick()  # a module's page, as it is in the site
    lab.page.frame_locator(".jp-HTMLViewer iframe").locator("h1", has_text="rnnrev.knob").last.wait_for()


@pytest.mark.browser
def test_run_all_then_answers_and_a_widget(lab: Lab) -> None:
    lab.go(f"/lab/tree/{FOLDERS[1]}?reset")
    lab.open("01-training.ipynb")
    lab.page.wait_for_selector(".jp-Toolbar [data-status='idle'], .jp-Notebook-ExecutionIndicator[data-status='idle']")
    lab.page.get_by_role("menuitem", name="Run", exact=True).click()
    lab.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    first = lab.cell('check("ex-training-1"')
    first.get_by_text("There is no answer yet").wait_for(timeout=240_000)
    lab.cell("book.claims(1)").locator(".jp-InputPrompt", has_text=re.compile(r"\[\d+\]")).wait_for(timeout=240_000)
    assert lab.page.locator(f"{SHOWN}[data-mime-type='application/vnd.jupyter.stderr'], {SHOWN}.jp-RenderedText "
                            "[data-mime-type='application/vnd.jupyter.error']").count() == 0  # fmt: skip

    answer = 'from rnnrev.book import check\ncheck("ex-training-1", {})'
    assert "ex-training-1: right." in lab.run(first, answer.format("[0.7, -1.0, -1.5]"))
    said = lab.run(first, answer.format("[-0.7, 1.0, 1.5]"))
    assert "not yet" in said
    assert "sign" in said, "and why"

    widget = lab.page.locator(f"{SHOWN}.rw-body").first
    before = widget.locator(".rw-chart").first.inner_html()
    widget.get_by_label("Sentence").fill("A wonderful film, not a bad one.")
    lab.page.wait_for_function(
        "([shown, old]) => document.querySelector(shown + '.rw-body .rw-chart').innerHTML !== old", arg=[SHOWN, before]
    )


@pytest.mark.browser
def test_the_toy_is_trained_with_tensorflow_in_the_kernel(lab: Lab) -> None:
    lab.go(f"/lab/tree/{FOLDERS[0]}?reset")
    lab.open("toy-language.ipynb")
    lab.run(lab.cell("trainer.toy_trainer()"), "from rnnrev.book import trainer\ntrainer.toy_trainer()")
    widget = lab.page.locator(f"{SHOWN}.rw-body").first
    widget.get_by_role("button", name="Train", exact=True).click()
    widget.get_by_text("TensorFlow trains in the kernel.").wait_for(timeout=240_000)
    lab.page.wait_for_function(
        "(at) => document.querySelector(at + '.rw-loss path.rw-line')?.getAttribute('d').split('L').length > 2",
        arg=SHOWN, timeout=240_000,
    )  # fmt: skip
    curve = widget.locator(".rw-loss").get_attribute("aria-label")
    first, now = (float(x) for x in re.findall(r"from ([\d.e+-]+) to ([\d.e+-]+)\.", curve)[0])
    assert now < first
    assert widget.locator(".rw-spectrum .rw-value").count() == 32
    widget.get_by_label("Words", exact=True).fill("very good")  # the kernel answers while it trains
    widget.get_by_text("The sum of \u201cvery good\u201d is +2").wait_for()
    widget.get_by_role("button", name="Stop").click()
    widget.get_by_text("TensorFlow has been stopped in the kernel.").wait_for(timeout=120_000)
    assert widget.get_by_role("button", name="Train", exact=True).is_visible()
    lab.close(changed=True)
