"""The base of every widget: an anywidget in JupyterLab, a piece of HTML in a static page, one front end for both."""

from __future__ import annotations

import json
from html import escape
from typing import Any, ClassVar

import anywidget
import traitlets
from threadpoolctl import threadpool_limits

from .assets import css, module

__all__ = ["Widget", "control", "look"]


def control(trait: Any) -> Any:
    """Mark a trait as one that the reader sets: the frame follows it."""
    return trait.tag(sync=True, control=True)


def look(trait: Any) -> Any:
    """Mark a trait that the reader sets and that changes only how the frame is drawn."""
    return trait.tag(sync=True, look=True)


class Widget(anywidget.AnyWidget):
    """A picture with controls. Set a control (a trait) and read what is drawn from ``frame``.

    A subclass gives ``kind`` (its renderer), controls, and :meth:`compute`; with ``props`` (what stays the same),
    ``for_page`` (what only a static page needs) and :meth:`table` (what is shown without JavaScript).
    """

    _esm = module()
    _css = css()
    kind = traitlets.Unicode().tag(sync=True)
    props = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)
    title: ClassVar[str] = ""

    def __init__(self, **controls: Any) -> None:
        self.for_page: dict[str, Any] = {}
        super().__init__(**controls)
        if self.controls():
            self.observe(self._update, names=self.controls())
        self._update()

    def controls(self) -> list[str]:
        """Names of the traits that the reader sets."""
        return sorted(self.traits(control=True))

    def compute(self) -> dict[str, Any]:
        """The frame for the controls as they stand."""
        raise NotImplementedError

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Column names and rows that say what the frame shows."""
        raise NotImplementedError

    def _update(self, change: Any = None) -> None:
        # these products are small: threads that wait for a busy core cost far more than they save
        with threadpool_limits(1):
            self.frame = self.compute()

    def html(self) -> str:
        """The widget for a static page: a table, and what the page's script needs to bring it to life."""
        state = {
            "kind": self.kind,
            "props": {**self.props, **self.for_page},
            "controls": {name: getattr(self, name) for name in self.controls()},
            "looks": {name: getattr(self, name) for name in sorted(self.traits(look=True))},
            "frame": self.frame,
        }
        data = json.dumps(state, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
        columns, rows = self.table()
        head = "".join(f'<th scope="col">{escape(c)}</th>' for c in columns)
        body = "".join("<tr>" + "".join(f"<td>{escape(_cell(v))}</td>" for v in row) + "</tr>" for row in rows)
        return (
            f'<div class="rnnrev-widget" data-widget="{self.kind}">'
            f'<script type="application/json">{data}</script>'
            f'<div class="rw-still"><table><caption>{escape(self.title)}</caption><thead><tr>{head}</tr></thead>'
            f"<tbody>{body}</tbody></table></div></div>"
        )

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/plain": f"{self.title} (a widget)", "text/html": self.html()}, metadata


def _cell(value: Any) -> str:
    return f"{value:+.2f}" if isinstance(value, float) else str(value)
