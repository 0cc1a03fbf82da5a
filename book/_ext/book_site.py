"""What the site does beyond Jupyter Book: links and notebooks that work elsewhere, descriptions for sharing.

* Notebooks in ``_sources`` are those of the notebook edition (:mod:`book_notebooks`). Links to Colab and Binder go to
  those that are published with the site (branch ``gh-pages``), where Binder finds its environment too.
* The repository's address stands in ``_config.yml``; where there is none, no button leads to it.
* A page's description (``html_meta``) also becomes its Open Graph text.
* Thebe's loader, which would name another host, is left out.
* Chapters are run side by side, one a processor, before their pages are read.
* ``BOOK_SOLUTIONS=0`` in the environment leaves the solutions out of pages and notebooks (``make student``). They go
  after the chapters are run, so that books with and without them share what the cache holds.
"""

from __future__ import annotations

import gc
import os
import re
from concurrent.futures import ThreadPoolExecutor
from html import escape, unescape
from pathlib import Path
from typing import Any

import book_notebooks
import nbformat
import yaml
from docutils import nodes
from jupyter_cache import get_cache
from jupyter_cache.executors.basic import ExecutionWorkerLocalSerial, ProcessData
from myst_nb.core.read import is_myst_markdown_notebook
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms import SphinxTransform
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx_exercise.nodes import solution_node

logger = logging.getLogger(__name__)
NOTEBOOK_BRANCH = "gh-pages"
BLOCK = re.MULTILINE | re.DOTALL


def _unwanted(script: Any) -> bool:
    """Thebe's loader, and the widgets' state: it holds the whole front end once a widget, and nothing reads it."""
    attributes = getattr(script, "attributes", {})
    named = f"{getattr(script, 'filename', script)} {attributes.get('body', '')}".lower()
    return "thebe" in named or attributes.get("type") == "application/vnd.jupyter.widget-state+json"


def improve_page(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    context["script_files"] = [s for s in context["script_files"] if not _unwanted(s)]
    repository = app.config.html_theme_options.get("repository_url", "")
    place, notebook = repository.removeprefix("https://github.com/"), f"_sources/{pagename}.ipynb"
    hosts = app.config.html_theme_options.get("launch_buttons", {})
    for button in (b for group in context.get("header_buttons", []) for b in group.get("buttons", [])):
        if button.get("text") == "Colab":
            button["url"] = f"{hosts['colab_url']}/github/{place}/blob/{NOTEBOOK_BRANCH}/{notebook}"
        elif button.get("text") == "Binder":
            button["url"] = f"{hosts['binderhub_url']}/v2/gh/{place}/{NOTEBOOK_BRANCH}?urlpath=lab/tree/{notebook}"
    contents = context.get("generate_toctree_html")
    if contents:  # the triangles that open a part of the contents have no name of their own
        named = '<summary aria-label="Pages below">'
        context["generate_toctree_html"] = lambda *how, **more: str(contents(*how, **more)).replace("<summary>", named)
    # the label would hide the text from a screen reader
    context["body"] = context.get("body", "").replace('<summary aria-label="Toggle hidden content">', "<summary>")
    # a list of what are no list items, to a screen reader
    context["body"] = context["body"].replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    if doctree is not None:
        described = [n["content"] for n in doctree.findall(nodes.meta) if n.get("name") == "description"]
        if described:
            heading = unescape(re.sub(r"<[^>]+>", "", context.get("title", "")))
            title = escape(heading if heading == app.config.html_title else f"{heading} - {app.config.html_title}")
            context["metatags"] = (
                f'{context.get("metatags", "")}<meta property="og:title" content="{title}">\n'
                f'<meta property="og:description" content="{escape(described[0])}">\n'
            )


def offer_notebook(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """A page's notebook can be had without an address too (the theme thinks of it only where it can be launched)."""
    if Path(app.outdir).parent.joinpath("jupyter_execute", f"{pagename}.ipynb").is_file():
        context["ipynb_source"] = f"{pagename}.ipynb"


def without_solutions(text: str) -> str:
    """MyST text without its solutions, be they one directive or from ``solution-start`` to ``solution-end``."""
    text = re.sub(r"^(`{3,}|:{3,})\{solution-start\}.*?\{solution-end\}[ \t]*\n\1[ \t]*\n", "", text, flags=BLOCK)
    return re.sub(r"^(`{3,}|:{3,})\{solution\}.*?^\1[ \t]*\n", "", text, flags=BLOCK)


class LeaveOutSolutions(SphinxTransform):
    """Takes solutions out of a page that was read, and run, whole."""

    default_priority = 20  # after sphinx-exercise has put them together, before images are collected

    def apply(self, **kwargs: Any) -> None:
        if not self.config.book_solutions:
            for node in list(self.document.findall(solution_node)):
                node.parent.remove(node)


class EscapeEquations(SphinxPostTransform):
    """sphinxcontrib-katex writes equations as they are: "s<t" would begin an HTML tag and swallow what follows."""

    default_priority = 400
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        for node in self.document.findall(nodes.math_block):
            node[:] = [nodes.Text(node.astext().replace("<", r"\lt "))]


def escape_bars(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Docstrings write sizes as |x|, which reStructuredText takes for a substitution."""
    lines[:] = [re.sub(r"(``.*?``|`.*?`)|(?<!\\)\|", lambda m: m[1] or r"\|", line) for line in lines]


def hide_answers(app: Sphinx, module: str) -> tuple[str, dict[str, Any]] | None:
    """The source of the checks works answers out: a book without solutions does not show it."""
    names = [f"rnnrev.book.{name}" for name in ("answers", "by_hand", "judges")]
    hidden = module in names and not app.config.book_solutions
    return ("", {}) if hidden else None


def buttons(app: Sphinx, config: Any) -> None:
    """Buttons that lead to the repository where one is named, and none that leads nowhere."""
    named = bool(config.html_theme_options.get("repository_url"))
    wanted = dict.fromkeys(("use_repository_button", "use_issues_button", "use_edit_page_button"), named)
    config.html_theme_options = config.html_theme_options | wanted | ({} if named else {"launch_buttons": {}})


def cite(app: Sphinx, docname: str, source: list[str]) -> None:
    """The citation box, made of CITATION.cff and the repository's address."""
    if "\nCITATION\n" in source[0]:
        known = yaml.safe_load(Path(app.srcdir, "CITATION.cff").read_text(encoding="utf-8"))
        address = app.config.html_theme_options.get("repository_url")
        entries = {
            "title": known["title"],
            "author": " and ".join(f"{{{a['name']}}}" for a in known["authors"]),
            "year": known["date-released"][:4],
            "note": f"Version {known['version']}",
        } | ({"url": address} if address else {})
        lines = ",\n".join(f"  {key:6} = {{{value}}}" for key, value in entries.items())
        source[0] = source[0].replace("\nCITATION\n", f"\n@misc{{rnnrev,\n{lines}\n}}\n")


def share_cache(app: Sphinx, config: Any) -> None:
    """All builds take a chapter's results from one place, wherever they write to."""
    config.nb_execution_cache_path = config.nb_execution_cache_path or str(Path(app.srcdir, "_build", ".jupyter_cache"))


def run_chapters(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Fills the cache, from which pages take their results; the longest chapters first."""
    if app.config.nb_execution_mode != "cache":
        return
    cache, limit = get_cache(app.config.nb_execution_cache_path), app.config.nb_execution_timeout
    pages = [page for page in map(env.doc2path, docnames) if is_myst_markdown_notebook(Path(page).read_text("utf-8"))]
    for page in pages:
        cache.add_nb_to_project(page, read_data={"type": "plugin", "name": "myst_nb_md"})
    waiting = sorted(cache.list_unexecuted(pages) if pages else [], key=lambda r: -Path(r.uri).stat().st_size)
    run = ExecutionWorkerLocalSerial(logger)  # in threads: the work is the kernels'
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        list(pool.map(lambda r: run(ProcessData(r.pk, r.uri, cache, limit, allow_errors=False)), waiting))


def publish_sources(app: Sphinx, error: Exception | None) -> None:
    """The notebook edition in the place of raw notebooks, and page sources without solutions where none are wanted."""
    if error is not None or app.builder.name != "html":
        return
    sources, solutions = Path(app.outdir, "_sources"), app.config.book_solutions
    for file in sources.rglob("*.ipynb"):
        file.unlink()
    address = app.config.html_theme_options.get("repository_url") or ""
    notebooks = book_notebooks.editions(Path(app.outdir), app.config.nb_execution_cache_path, address, solutions)
    for name, notebook in notebooks.items():
        nbformat.write(notebook, sources / f"{name}.ipynb")
    for file in sources.rglob("*.md") if not solutions else ():
        file.write_text(without_solutions(file.read_text(encoding="utf-8")), encoding="utf-8")


def setup(app: Sphinx) -> dict[str, Any]:
    gc.set_threshold(500_000, 10, 10)  # of 24 s of processor for loading pages' trees, 20 were a search for garbage
    os.environ["PYTHONSTARTUP"] = str(Path(__file__).with_name("quiet.py"))
    app.add_config_value("book_solutions", os.environ.get("BOOK_SOLUTIONS", "1") != "0", "env")
    app.connect("autodoc-process-docstring", escape_bars, priority=900)
    app.add_transform(LeaveOutSolutions)
    app.add_post_transform(EscapeEquations)
    app.connect("config-inited", share_cache)
    app.connect("config-inited", buttons, priority=100)
    app.connect("env-before-read-docs", run_chapters)
    app.connect("source-read", cite)
    app.connect("viewcode-find-source", hide_answers)
    app.connect("html-page-context", offer_notebook, priority=500)  # before the theme makes its buttons
    app.connect("html-page-context", improve_page, priority=900)
    app.connect("build-finished", publish_sources)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
