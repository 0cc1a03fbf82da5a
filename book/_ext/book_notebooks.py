"""The notebook edition: each page of the built site as an executed Jupyter notebook that reads as the page does.

Text comes from the pages, where references, citations, numbers and exercises are resolved, outputs from the cache of
executed chapters. What a page leaves out is left out; below an exercise stands a cell to answer in. The site holds the
notebooks in ``_sources``; book/scripts/notebooks.py (``make notebooks``) takes them to a folder to work in.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, Tag
from ipykernel.ipkernel import IPythonKernel
from jupyter_cache import get_cache
from markdownify import MarkdownConverter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

BOOK = Path(__file__).resolve().parents[1]
PAGES = {f.stem for f in BOOK.glob("*.md")}
KEPT_OUTPUTS = ("image/png", "image/svg+xml", "text/html", "text/markdown", "text/latex", "text/plain")
SETUP = """\
# Needs the package rnnrev, and no data. In Colab this cell installs it, and lets widgets in.
import importlib.util, sys

if importlib.util.find_spec("rnnrev") is None:  # beside the TensorFlow that may be there
    %pip install --quiet anywidget matplotlib pandas safetensors scikit-learn tensorflow tqdm
    %pip install --quiet --no-deps {package}
if "google.colab" in sys.modules:
    from google.colab import output

    output.enable_custom_widget_manager()"""
#: Where there is no address: on PyPI the name may be somebody else's.
WHEEL = "--no-index -f . rnnrev\n    # from its wheel: upload it beside this notebook first, `make course` builds it"


def anchor(name: object) -> str:
    return f'<a id="{name}"></a>\n\n'


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


class Page(MarkdownConverter):
    """A page's HTML as Markdown that JupyterLab, VS Code, Colab and GitHub show alike."""

    def __init__(self, name: str, site: str, references: Mapping[str, Tag]) -> None:
        super().__init__(heading_style="ATX", bullets="-", escape_underscores=False, escape_asterisks=False)
        self.name, self.site, self.references = name, site, references
        self.cited: set[str] = set()

    def link(self, href: str) -> str:
        """Where a link of the page leads from the notebook: a place in it, another notebook, or the site."""
        if re.match(r"\w+:", href):
            return href
        path, sign, fragment = href.partition("#")
        place = sign + fragment
        folder, stem = posixpath.split(posixpath.normpath(f"book/{path or self.name}".removesuffix(".html")))
        if stem == "references" != self.name and fragment in self.references:
            self.cited.add(fragment)
        elif folder != "book" or stem not in {*PAGES, self.name}:
            place = f"{self.site}/{folder}/{stem}.html{place}"
        elif stem != self.name:
            place = f"{stem}.ipynb{place}"
        return place

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return f"[{text.strip()}]({self.link(str(el.get('href', '')))})" if text.strip() else ""

    def convert_span(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        if "math" in (el.get("class") or []):
            return f"${el.get_text().removeprefix(chr(92) + '(').removesuffix(chr(92) + ')').strip()}$"
        return f'<span style="{el["style"]}">{text}</span>' if el.get("style") else text

    def convert_div(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        classes = el.get("class") or []
        if "math" in classes:
            number = el.select_one(".eqno")
            tag = f"\\tag{{{number.get_text().strip(' ()#¶')}}}" if number else ""
            body = "".join(el.find_all(string=True, recursive=False)).strip()
            body = body.removeprefix(chr(92) + "[").removesuffix(chr(92) + "]").strip()
            text = f"{anchor(el['id']) if el.get('id') else ''}$$\n{body} {tag}\n$$"
        elif "admonition" in classes:
            head, (_, _, rest) = one_line(el.p.get_text()), text.strip().partition("\n")
            text = f"<details><summary>{head}</summary>\n\n{rest.strip()}\n\n</details>"
            if "dropdown" not in classes:
                text = re.sub(r"(?m)^ *", "> ", f"**{head}**\n\n{rest.strip()}")
        elif "citation" in classes:
            text = anchor(el["id"]) + self.convert_soup(el.p).strip()
        elif "sd-card-title" in classes:
            text = f"**{text.strip()}**"
        return f"\n\n{text}\n\n"

    def convert_table(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """As HTML, which holds what Markdown's tables cannot, without what only the site's style sheet reads."""
        for tag in [el, *el.find_all(True)]:
            tag.attrs = {k: v for k, v in tag.attrs.items() if k in ("href", "colspan", "rowspan")}
            if tag.name == "a":
                tag["href"] = self.link(str(tag.get("href", "")))
            elif tag.name == "span" and tag.string:
                tag.string = re.sub(r"^\\\((.*)\\\)$", r"$\1$", tag.string)
        for tag in el.find_all(["p", "span"]):
            tag.unwrap()
        return "\n\n" + re.sub(r"\n\s*\n", "\n", str(el)) + "\n\n"

    def convert_figure(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        """Its caption and alternative text: the image is an output."""
        said = self.convert_soup(el.figcaption).strip() if el.figcaption else ""
        alt = f"<details><summary>What the figure shows, in words</summary>\n\n{el.img['alt']}\n\n</details>"
        return "\n\n" + re.sub(r"^(Fig\. [\w.]+)", r"**\1**", said) + f"\n\n{alt}\n\n"

    def convert_pre(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        kinds = re.findall(r"highlight-(\w+)", " ".join(" ".join(p.get("class") or []) for p in el.parents))
        language = {"ipython3": "python", "default": "python"}.get(kinds[0], kinds[0]) if kinds else ""
        return f"\n\n```{language}\n{el.get_text().rstrip()}\n```\n\n"


def answer_cell(label: str, text: str) -> NotebookNode:
    """The cell below an exercise: a place for all that its ``check(…)`` asks for, or room for text."""
    call = re.search(r"check\(\"" + re.escape(label) + r"\",.*?\)(?=`)", text, re.DOTALL)
    if call is None:
        return new_markdown_cell("*Your answer:*", metadata={"tags": ["answer"]})
    asked = dict.fromkeys(n.id for n in ast.walk(ast.parse(call[0])) if isinstance(n, ast.Name) and n.id != "check")
    lines = [f"{name} = ...  # your answer" for name in asked]
    source = "\n".join(["from rnnrev.book import check", "", *lines, call[0]])
    return new_code_cell(source, metadata={"tags": ["answer"]})


class Edition:
    """The notebook of one page, cell by cell."""

    def __init__(self, page: Page, article: Tag, executed: NotebookNode, solutions: bool) -> None:
        self.page, self.solutions = page, solutions
        self.code = (c for c in executed.cells if c.cell_type == "code")  # each is taken once, in their order
        self.cells, self.text = list[NotebookNode](), list[str]()
        self.walk(article)
        if page.cited:
            self.flush()
            entries = [f"{anchor(k)}{page.convert_soup(r)}" for k, r in page.references.items() if k in page.cited]
            self.text += ["## References", *entries]
        self.flush()

    def flush(self) -> None:
        said, self.text = re.sub(r"\n{3,}", "\n\n", "\n\n".join(self.text)).strip(), []
        self.cells += [new_markdown_cell(said)] if said else []

    def walk(self, node: Tag) -> None:
        labels = ""
        for child in node.find_all(True, recursive=False):
            classes = child.get("class") or []
            if child.name == "section":
                self.walk(child)
            elif child.name == "span" and child.get("id"):
                labels += anchor(child["id"])
            elif re.fullmatch(r"h[1-6]", child.name):
                self.flush()
                self.text.append(labels + self.page.convert_soup(child).strip())
            elif "cell" in classes:
                self.cell(child)
            elif "exercise" in classes:
                self.exercise(child)
            elif "solution" not in classes or self.solutions:
                self.text.append(self.page.convert_soup(child))

    def exercise(self, node: Tag) -> None:
        heading, _ = one_line(node.p.extract().get_text()), node.attrs.pop("class")  # no admonition any more
        body = self.page.convert_soup(node).strip()
        self.flush()
        asked = new_markdown_cell(f"{anchor(node['id'])}### {heading}\n\n{body}")
        self.cells += [asked, answer_cell(str(node["id"]), body)]

    def cell(self, node: Tag) -> None:
        shown, output = node.select_one(".cell_input pre"), node.select_one(".cell_output")
        if not shown and not node.img:  # only the result is for readers
            self.text += [self.page.convert_soup(output)] if output else []
            return
        below = [self.page.convert_soup(figure) for figure in node.select("figure")]
        at = len(self.text)  # no cell for anchors alone
        (self.text or below)[at:at] = [anchor(figure["id"]).strip() for figure in node.select("figure[id]")]
        self.flush()
        source = shown.get_text().strip() if shown else None
        made = next(c for c in self.code if (c.source.strip() == source if shown else "image/png" in str(c.outputs)))
        hidden = {} if shown and not node.select_one("details.hide") else {"jupyter": {"source_hidden": True}}
        outputs = [clean(o) for o in made.outputs if o.get("name") != "stderr"]
        how = {"metadata": hidden, "execution_count": made.execution_count, "outputs": outputs}
        self.cells.append(new_code_cell(made.source.strip(), **how))
        self.text += below
        self.flush()


def clean(output: NotebookNode) -> NotebookNode:
    """An output without what needs a kernel: of a widget its table is left."""
    data = {k: v for k, v in output.get("data", {}).items() if k in KEPT_OUTPUTS}
    return NotebookNode(output | {"data": data, "metadata": {}}) if data else output


def article_of(html: str) -> Tag:
    article = BeautifulSoup(html, "html.parser").article
    for junk in article.select("script, style, .headerlink, button, .toctree-wrapper, colgroup"):
        junk.decompose()
    for part in article.select("dt, dd"):  # a list of terms
        part.name = {"dt": "strong", "dd": "div"}[part.name]
    return article


def edition(
    name: str, html: str, executed: NotebookNode, site: str, package: str, solutions: bool = True,
    references: Mapping[str, Tag] | None = None,
) -> NotebookNode:  # fmt: skip
    """The notebook of a page."""
    cells = Edition(Page(name, site, references or {}), article_of(html), executed, solutions).cells
    if any(c.cell_type == "code" for c in cells):
        cells.insert(1, new_code_cell(SETUP.format(package=package), metadata={"tags": ["setup"]}))
    for number, cell in enumerate(cells):
        cell.id = f"{name[:20]}-{number:03d}"
    # as JupyterLab writes it: a notebook that was only read is not changed
    metadata = {"kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}}
    metadata["language_info"] = executed.metadata.get("language_info", IPythonKernel.language_info)
    nbformat.validate(made := new_notebook(cells=cells, metadata=metadata))
    return made


def editions(site: Path, cache_path: str, address: str, solutions: bool) -> dict[str, NotebookNode]:
    """The notebooks of a built site, by page (``book/01-training``), with the outputs that the cache holds."""
    online = re.sub(r"^https://github\.com/(.*?)/", r"https://\1.github.io/", address) or "../html"
    package = f'"rnnrev @ git+{address}"' if address else WHEEL
    pages = {f.stem: f.read_text("utf-8") for f in sorted((site / "book").glob("*.html"))}
    references = {str(c["id"]): c.p for c in article_of(pages["references"]).select(".citation")}
    cache = get_cache(cache_path)
    executed = {Path(r.uri).stem: r.pk for r in sorted(cache.list_cache_records(), key=lambda r: r.pk)}
    made = {n: cache.get_cache_bundle(executed[n]).nb if n in executed else new_notebook() for n in PAGES & {*pages}}
    return {f"book/{n}": edition(n, pages[n], made[n], online, package, solutions, references) for n in made}
