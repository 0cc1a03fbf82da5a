"""The cheat sheet's lists, made of what stands elsewhere: names by their docstrings, figures by their captions."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

#: Groups of the API page that are for authors of the book, not for its readers.
LEFT_OUT = ("The pages of the book",)


def sentence(text: str) -> str:
    """The first sentence of a docstring or caption, or what stands before its colon, without marks of its markup."""
    text = re.sub(r":\w+:`~?([\w.]+)`", lambda m: m[1].split(".")[-1], " ".join(text.split("\n\n")[0].split()))
    return re.split(r"(?<=[^.\d][.:;])\s", text.replace("``", ""), maxsplit=1)[0].rstrip(".:;")


def public(module: Any) -> Iterator[tuple[str, str]]:
    """Public names of a module, and what each is: what has no docstring comes last."""
    own = [k for k, v in vars(module).items() if k[0] != "_" and getattr(v, "__module__", None) == module.__name__]
    found = []
    for name in getattr(module, "__all__", own):
        thing = getattr(module, name)
        told = (inspect.isclass(thing) or inspect.isroutine(thing)) and inspect.getdoc(thing)
        found.append((name, sentence(told) if told and not told.startswith(f"{name}(") else ""))
    yield from sorted(found, key=lambda item: not item[1])


class Names(SphinxDirective):
    """Every public name, by the groups and modules of the API page that have any."""

    def run(self) -> list[nodes.Node]:
        api = Path(self.env.srcdir, "book", "api.md")
        self.env.note_dependency(str(api))
        made: list[nodes.Node] = []
        for group in re.split(r"^## ", api.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            title = group.split("\n", 1)[0]
            for full in re.findall(r"^   (rnnrev\S+)", group, re.MULTILINE) if title not in LEFT_OUT else ():
                module = importlib.import_module(full)
                self.env.note_dependency(str(module.__file__))
                names = [entry(self.env.docname, f"{full}.{name}", name, told) for name, told in public(module)]
                if names:
                    told = sentence(module.__doc__)
                    made += [entry(self.env.docname, full, full.removeprefix("rnnrev."), told, "module"), *names]
        return made


def entry(page: str, full: str, name: str, told: str, kind: str = "name") -> nodes.paragraph:
    """One line: a name that leads to the reference, and what it is."""
    link = addnodes.pending_xref(
        "", nodes.literal("", name), refdoc=page, refdomain="py", reftype="obj", reftarget=full, refexplicit=True
    )
    return nodes.paragraph("", "", link, nodes.Text(f" {told}" if told else ""), classes=[kind])


class figures_list(nodes.General, nodes.Element):
    """Stands where the list of figures will be, when all pages are read."""


class Figures(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        return [figures_list()]


def list_figures(app: Sphinx, doctree: nodes.document, page: str) -> None:
    for place in list(doctree.findall(figures_list)):
        made = []
        for other, numbers in app.env.toc_fignumbers.items():
            for figure in app.env.get_doctree(other).findall(nodes.figure) if numbers.get("figure") else ():
                number = next((numbers["figure"][i] for i in figure["ids"] if i in numbers["figure"]), None)
                caption = next(iter(figure.findall(nodes.caption)), None)
                if number and caption is not None:
                    where = f"{app.builder.get_relative_uri(page, other)}#{figure['ids'][0]}"
                    link = nodes.reference("", ".".join(map(str, number)), refuri=where, internal=True)
                    said = "".join(f"${n.astext()}$" if isinstance(n, nodes.math) else n.astext() for n in caption)
                    parts = enumerate(f" {sentence(said)}".split("$"))
                    shown = [nodes.math("", part) if i % 2 else nodes.Text(part) for i, part in parts]
                    made.append((number, nodes.paragraph("", "", link, *shown, classes=["name"])))
        place.replace_self([line for _, line in sorted(made, key=lambda item: item[0])])


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_node(figures_list)
    app.add_directive("sheet-names", Names)
    app.add_directive("sheet-figures", Figures)
    app.connect("doctree-resolved", list_figures)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
