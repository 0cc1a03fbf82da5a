"""The book as one EPUB (``make epub``): figures, tables and formulas as pictures, no scripts and no widgets.

Formulas are drawn by matplotlib, which needs no LaTeX; their source is the alternative text. What only works in a
browser is left out: a widget leaves its title, and a folded part is open.
"""

from __future__ import annotations

import hashlib
import re
from html import escape
from pathlib import Path
from typing import Any

import yaml
from bs4 import BeautifulSoup
from docutils import nodes
from matplotlib.font_manager import FontProperties
from matplotlib.mathtext import math_to_image
from sphinx.application import Sphinx
from sphinx.builders.epub3 import Epub3Builder
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

SIZE = 12.0  #: points in which a formula is drawn; a page shows it in the size of its text
#: What TeX calls otherwise than matplotlib, in the order in which it is replaced.
SPELLED = {
    r"\\(begin|end)\{(aligned|split|gathered)\}": "",
    r"\\begin\{pmatrix\}(.*?)\\\\(.*?)\\end\{pmatrix\}": r"\\genfrac{(}{)}{0}{}{\1}{\2}",
    r"\\tfrac": r"\\frac",
    r"\\frac(\d)(\d)": r"\\frac{\1}{\2}",
    r"\\[lr]Vert": r"\\|",
    r"\\[lr]vert": "|",
    r"\\[bB]ig{1,2}[lr]?": "",
    r"\\ge(?![a-z])": r"\\geq",
    r"\\lt(?![a-z])": "<",
    r"\\gt(?![a-z])": ">",
    r"\\textit": r"\\mathit",
    r"(?<=\\mathit\{)[^}]*": lambda m: m[0].replace(" ", r"\ "),
    r"(?<!\\)&": r"\\;",
}


def lines(tex: str) -> list[str]:
    """The lines of a formula as matplotlib spells them."""
    for pattern, spelled in SPELLED.items():
        tex = re.sub(pattern, spelled, tex, flags=re.DOTALL)
    return [" ".join(line.split()) for line in tex.split(r"\\") if line.strip()]


def picture(writer: Any, tex: str, line: str) -> str:
    """One line as an image that stands on the base line of the text."""
    name = hashlib.sha256(line.encode()).hexdigest()[:16] + ".svg"
    file = Path(writer.builder.outdir, "_images", "math", name)
    file.parent.mkdir(parents=True, exist_ok=True)
    look = FontProperties(size=SIZE, math_fontfamily="stix")
    try:
        depth = math_to_image(f"${line}$", file, look, dpi=72, format="svg")
    except ValueError as error:  # a command that matplotlib does not know: the reader gets the source
        logger.warning("no picture of the formula %s: %s", line, error)
        return f"<code>{escape(line)}</code>"
    found = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"|height="([\d.]+)pt"', file.read_text(encoding="utf-8"))
    height = float(found[2] or found[3])
    style = f"height:{height / SIZE:.3f}em; vertical-align:{-depth / SIZE:.3f}em"
    return f'<img class="math" src="{writer.builder.imgpath}/math/{name}" alt="{escape(tex)}" style="{style}"/>'


def inline(writer: Any, node: nodes.math) -> None:
    tex = node.astext()
    writer.body.append("".join(picture(writer, tex, line) for line in lines(tex)))
    raise nodes.SkipNode


def display(writer: Any, node: nodes.math_block) -> None:
    tex = node.astext()
    shown = [f"<div>{picture(writer, tex if not i else '', line)}</div>" for i, line in enumerate(lines(tex))]
    anchor = f' id="{escape(node["ids"][0])}"' if node["ids"] else ""
    number = f'<span class="eqno">({get_node_equation_number(writer, node)})</span>' if node["number"] else ""
    writer.body.append(f'<div class="math"{anchor}>{number}{"".join(shown)}</div>')
    raise nodes.SkipNode


def still(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    """Takes out of a page what a reader of books cannot run."""
    if app.builder.name != "epub":
        return
    context["script_files"], context["metatags"] = [], ""
    page = BeautifulSoup(context.get("body", ""), "html.parser")
    for widget in page.select(".rnnrev-widget"):
        note = page.new_tag("p", attrs={"class": "widget-note"})
        note.string = f"{widget.caption.get_text()}: a widget of the web edition."
        widget.replace_with(note)
    for part in page.select("details"):
        part["open"] = "open"
    for script in page.select("script"):
        script.decompose()
    context["body"] = str(page)


class BookEpub(Epub3Builder):
    """Sphinx's builder with a look and templates of its own: those of the site do not fit a book."""

    def init(self) -> None:
        self.config.templates_path, self.config.html_static_path = [], ["book/_static/epub"]
        self.config.version = yaml.safe_load(Path(self.confdir, "CITATION.cff").read_text(encoding="utf-8"))["version"]
        # what extensions do to pages of the site: the theme's buttons lead nowhere in a book
        pages = self.events.listeners["html-page-context"]
        pages[:] = [one for one in pages if one.handler.__module__.startswith(("book_", "sphinx.", "sphinxcontrib."))]
        super().init()


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_html_math_renderer("mathtext", (inline, None), (display, None))
    app.add_config_value("epub_math_renderer", "mathtext", "env")
    app.add_builder(BookEpub, override=True)
    app.connect("html-page-context", still, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
