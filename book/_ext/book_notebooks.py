"""The notebook edition: each page of the built site as an executed Jupyter notebook that reads as the page does.

Text comes from the pages, where references, citations, numbers and exercises are resolved, outputs from the cache of
executed chapters. What a page leaves out is left out; below an exercise stands a cell to answer in. The site holds them
in ``_sources``; ``python book/_ext/book_notebooks.py SITE OUT`` (``make notebooks``) takes them to a folder to work in,
where one that somebody changed is moved aside and not overwritten.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import json
import re
import sys
import time
from pathlib import Path

import nbformat
from bs4 import BeautifulSoup, NavigableString, Tag
from jupyter_cache import get_cache
from markdownify import MarkdownConverter
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

ROOT = Path(__file__).resolve().parents[2]
KEPT_OUTPUTS = ("image/png", "image/svg+xml", "text/html", "text/markdown", "text/latex", "text/plain")
SETUP = """\
# Needs the package rnnrev, and no data. In Colab this cell installs it, and lets widgets in.
import importlib.util, sys

if importlib.util.find_spec("rnnrev") is None:
    %pip install --quiet {package}
if "google.colab" in sys.modules:
    from google.colab import output

    output.enable_custom_widget_manager()"""


class Page(MarkdownConverter):
    """A page's HTML as Markdown that JupyterLab, VS Code, Colab and GitHub show alike."""

    def __init__(self, name: str, site: str) -> None:
        super().__init__(heading_style="ATX", bullets="-", escape_underscores=False, escape_asterisks=False)
        self.name, self.site = name, site

    def link(self, href: str) -> str:
        page, _, fragment = href.partition("#")
        if re.match(r"\w+:", page):
            return href
        stem = Path(page).stem
        if not page or stem == self.name:
            return f"#{fragment}"
        if (ROOT / "book" / f"{stem}.md").is_file() and "{code-cell}" in (ROOT / "book" / f"{stem}.md").read_text(
            "utf-8"
        ):
            return f"{stem}.ipynb"
        return f"{self.site}/book/{page.removeprefix('../book/')}" + (f"#{fragment}" if fragment else "")

    def convert_a(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        classes = el.get("class") or []
        if "headerlink" in classes or not text.strip() or "slides/" in str(el.get("href", "")):
            return text if text.strip() and "headerlink" not in classes else ""
        return f"[{text.strip()}]({self.link(str(el.get('href', '')))})"

    def convert_span(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        classes = el.get("class") or []
        if "math" in classes:
            return f"${el.get_text().removeprefix(chr(92) + '(').removesuffix(chr(92) + ')').strip()}$"
        return "" if "eqno" in classes else text

    def convert_div(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        classes = el.get("class") or []
        if "math" in classes:
            number = el.select_one(".eqno")
            tag = f"\\tag{{{number.get_text().strip(' ()#¶')}}}" if number else ""
            body = "".join(str(c) for c in el.children if isinstance(c, NavigableString)).strip()
            body = body.removeprefix("\\[").removesuffix("\\]").strip()
            anchor = f'<a id="{el["id"]}"></a>\n\n' if el.get("id") else ""
            return f"\n\n{anchor}$$\n{body} {tag}\n$$\n\n"
        if "admonition" in classes:
            title = el.select_one(".admonition-title")
            head = re.sub(r"\s+", " ", title.get_text()).strip() if title else "Note"
            if title:
                title.extract()
            rest = "".join(self.process_tag(c, set()) if isinstance(c, Tag) else str(c) for c in el.children).strip()
            if "dropdown" in classes or "solution" in classes:
                return f"\n\n<details><summary>{head}</summary>\n\n{rest}\n\n</details>\n\n"
            return f"\n\n> **{head}**\n>\n" + "\n".join(f"> {line}".rstrip() for line in rest.splitlines()) + "\n\n"
        return f"\n\n{text}\n\n"

    def convert_table(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        for tag in el.find_all(True):
            for attribute in ("class", "style"):
                tag.attrs.pop(attribute, None)
            if tag.name == "a":
                tag["href"] = self.link(str(tag.get("href", "")))
            if tag.name == "span" and tag.string and tag.string.startswith("\\("):
                tag.replace_with(f"${tag.string[2:-2]}$")
        for tag in el.find_all(["p", "span", "colgroup"]):
            tag.unwrap() if tag.name != "colgroup" else tag.decompose()
        el.attrs.clear()
        return "\n\n" + re.sub(r"\n\s*\n", "\n", str(el)) + "\n\n"

    def convert_figure(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        image, caption = el.find("img"), el.find("figcaption")
        said = self.convert_soup(caption).strip() if isinstance(caption, Tag) else ""
        said = re.sub(r"^(Fig\. [\w.]+)", r"**\1**", said)
        alt = str(image.get("alt", "")) if isinstance(image, Tag) else ""
        described = (
            f"\n\n<details><summary>What the figure shows, in words</summary>\n\n{alt}\n\n</details>" if alt else ""
        )
        return f"\n\n{said}{described}\n\n"

    def convert_figcaption(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        return text

    def convert_pre(self, el: Tag, text: str, parent_tags: set[str]) -> str:
        kinds = re.findall(r"highlight-(\w+)", " ".join(" ".join(p.get("class") or []) for p in el.parents))
        language = {"ipython3": "python", "default": "python"}.get(kinds[0], kinds[0]) if kinds else ""
        return f"\n\n```{language}\n{el.get_text().rstrip()}\n```\n\n"


def answer_cell(label: str, text: str, known: set[str]) -> NotebookNode:
    """The cell below an exercise: what its ``check(…)`` asks for and is not ``known`` yet, else room for text."""
    call = re.search(r"check\(\"" + re.escape(label) + r"\",.*?\)(?=`)", text, re.DOTALL)
    if call is None:
        return new_markdown_cell("*Your answer:*", metadata={"tags": ["answer"]})
    names = dict.fromkeys(n.id for n in ast.walk(ast.parse(call[0])) if isinstance(n, ast.Name))
    lines = [f"{name} = ...  # your answer" for name in names if name not in known | {"check"}]
    source = "\n".join(["from rnnrev.book import check", "", *lines, call[0]])
    return new_code_cell(source, metadata={"tags": ["answer"]})


def defined(cells: list[NotebookNode]) -> set[str]:
    """Names that the code cells of a notebook define."""
    code = "\n".join(
        re.sub(r"(?m)^\s*[%!].*$", "pass", c.source)
        for c in cells
        if c.cell_type == "code" and "answer" not in c.metadata.get("tags", ())
    )
    made = [n.id for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
    imported = [
        (a.asname or a.name).split(".")[0]
        for n in ast.walk(ast.parse(code))
        if isinstance(n, ast.Import | ast.ImportFrom)
        for a in n.names
    ]
    return {*made, *imported}


class Edition:
    """The notebook of one page, cell by cell."""

    def __init__(self, name: str, article: Tag, executed: NotebookNode, site: str, solutions: bool) -> None:
        self.page, self.solutions = Page(name, site), solutions
        self.code = [c for c in executed.cells if c.cell_type == "code"]
        self.cells: list[NotebookNode] = []
        self.text: list[str] = []
        self.walk(article)
        self.flush()

    def flush(self) -> None:
        said = re.sub(r"\n{3,}", "\n\n", "\n\n".join(self.text)).strip()
        if said:
            self.cells.append(new_markdown_cell(said))
        self.text = []

    def walk(self, node: Tag) -> None:
        for child in node.children:
            if not isinstance(child, Tag):
                continue
            classes = child.get("class") or []
            if child.name == "section":
                self.walk(child)
            elif re.fullmatch(r"h[1-6]", child.name):
                self.flush()
                self.text.append(self.page.convert_soup(child))
            elif "cell" in classes:
                self.cell(child)
            elif "exercise" in classes:
                self.exercise(child)
            elif "solution" in classes and not self.solutions:
                continue
            else:
                self.text.append(self.page.convert_soup(child))

    def exercise(self, node: Tag) -> None:
        title = node.select_one(".admonition-title")
        heading = re.sub(r"\s+", " ", title.extract().get_text()).strip() if title else "Exercise"
        body = "\n\n".join(self.page.convert_soup(c) for c in node.children if isinstance(c, Tag)).strip()
        self.flush()
        self.text.append(f'<a id="{node["id"]}"></a>\n\n### {heading}\n\n{body}')
        self.flush()
        self.cells.append(answer_cell(str(node["id"]), body, defined(self.cells)))

    def cell(self, node: Tag) -> None:
        shown = node.select_one(".cell_input pre")
        output = node.select_one(".cell_output")
        if shown is None:  # only the result is for readers
            if output is not None:
                self.text.append(self.page.convert_soup(output))
            return
        self.flush()
        source = shown.get_text().strip()
        while self.code and self.code[0].source.strip() != source:
            self.code.pop(0)
        made = self.code.pop(0) if self.code else new_code_cell(source)
        hidden = node.select_one("details.hide") is not None
        metadata = {"jupyter": {"source_hidden": True}} if hidden else {}
        self.cells.append(new_code_cell(source, outputs=[clean(o) for o in made.outputs], metadata=metadata))
        self.cells[-1].execution_count = made.execution_count
        figure = output.find("figure") if output else None
        if isinstance(figure, Tag):
            self.text.append(self.page.convert_soup(figure))
            self.flush()


def clean(output: NotebookNode) -> NotebookNode:
    """An output without what needs a kernel: of a widget its table is left."""
    if "data" in output:
        output = NotebookNode(
            output | {"data": {k: v for k, v in output.data.items() if k in KEPT_OUTPUTS}, "metadata": {}}
        )
    return output


def edition(
    name: str, html: str, executed: NotebookNode, site: str, package: str, solutions: bool = True
) -> NotebookNode:
    """The notebook of a page."""
    soup = BeautifulSoup(html, "html.parser")
    article = soup.select_one("article.bd-article") or soup.select_one("article")
    assert article is not None
    for junk in article.select("script, style, .headerlink, button, .toctree-wrapper"):
        junk.decompose()
    cells = Edition(name, article, executed, site, solutions).cells
    cells.insert(1, new_code_cell(SETUP.format(package=package), metadata={"tags": ["setup"]}))
    for number, cell in enumerate(cells):
        cell.id = f"{name[:20]}-{number:03d}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    nbformat.validate(made)
    return made


def write(folder: Path, notebooks: dict[str, NotebookNode]) -> None:
    """Write the notebooks, and move those aside that somebody worked in."""
    folder.mkdir(parents=True, exist_ok=True)
    known_file = folder / ".made.json"
    known = json.loads(known_file.read_text()) if known_file.is_file() else {}
    made = {}
    for name, notebook in notebooks.items():
        file, text = folder / f"{name}.ipynb", nbformat.writes(notebook) + "\n"
        made[name] = hashlib.sha256(text.encode()).hexdigest()
        if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() not in (known.get(name), made[name]):
            kept = file.with_name(f"{name} (yours, {time.strftime('%Y-%m-%d %H.%M.%S')}).ipynb")
            file.rename(kept)
            print(f"{file.name} was changed since it was made: your copy is now {kept.name}")
        partial = file.with_suffix(".tmp")
        partial.write_text(text, encoding="utf-8")
        partial.replace(file)
    known_file.write_text(json.dumps(known | made, indent=1) + "\n")


def editions(site: Path, cache_path: str, address: str, solutions: bool) -> dict[str, NotebookNode]:
    """The notebooks of a built site, by page (``book/01-training``), with the outputs that the cache holds."""
    owner, _, repository = address.removeprefix("https://github.com/").partition("/")
    online = f"https://{owner}.github.io/{repository}" if address else "../html"
    package = f'"rnnrev[book] @ git+{address}"' if address else "rnnrev"
    cache = get_cache(cache_path)
    executed = {Path(r.uri).stem: r.pk for r in sorted(cache.list_cache_records(), key=lambda r: r.pk)}
    pages = sorted((site / "book").glob("*.html"))
    return {
        f"book/{page.stem}": edition(
            page.stem,
            page.read_text("utf-8"),
            cache.get_cache_bundle(executed[page.stem]).nb,
            online,
            package,
            solutions,
        )
        for page in pages
        if page.stem in executed
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path, help="folder of the built site, _build/html")
    parser.add_argument("out", type=Path, help="folder to write")
    args = parser.parse_args()
    found = {f.stem: nbformat.read(f, 4) for f in sorted(args.site.glob("_sources/book/*.ipynb"))}
    if not found:
        sys.exit(f"{args.site} holds no notebooks: run `make book` first")
    write(args.out, found)
    print(f"{len(found)} notebooks in {args.out}")


if __name__ == "__main__":
    main()
