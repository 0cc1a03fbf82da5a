"""The base of every widget: an anywidget in JupyterLab, a piece of HTML in a static page, one front end for both."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets as t
from numpy.typing import ArrayLike

from ..data import UNKNOWN, Vocabulary, tokenize
from ..model import BagOfWords, SentimentRNN

__all__: list[str] = []

#: Sources of the front end in order of use; a name of one file is used by later files only.
SOURCES = ("engine", "trainer", "frames", "draw", "renderers")
MAX_TOKENS = 300  #: longer texts are cut: what is drawn has to answer within a tenth of a second
OWN_FILE = ("mingru-films",)  #: networks that are a page's first and not the one that pages run
_HERE = Path(__file__).parent
_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE | re.DOTALL)

Frame = dict[str, Any]  #: what is drawn: numbers, texts and lists, as JSON has them
_Traits = Mapping[str, t.TraitType[Any, Any]]
Table = tuple[Sequence[str], Sequence[Sequence[object]]]  #: column names and rows


def joined(*names: str) -> str:
    """Sources one after the other, without what makes each a module."""
    text = "\n".join((_HERE / f"{n}.js").read_text(encoding="utf-8") for n in names)
    return re.sub(r"^export ", "", _IMPORT.sub("", text), flags=re.MULTILINE)


def module() -> str:
    """The front end as one ECMAScript module, for anywidget."""
    return joined(*SOURCES) + "\nexport default { render };\n"


def css() -> str:
    """The style sheet of both."""
    return (_HERE / "widgets.css").read_text(encoding="utf-8")


def pack(values: ArrayLike) -> dict[str, object]:
    """An array for the page: shape and base64 of float32, row by row."""
    array = np.ascontiguousarray(values, "<f4")
    return {"shape": list(array.shape), "data": base64.b64encode(array.tobytes()).decode()}


def fingerprint(model: SentimentRNN | BagOfWords) -> str:
    """Tells one trained model from another: page and asset must show the same one."""
    digest = hashlib.sha256()
    arrays = [model.beta] if isinstance(model, BagOfWords) else [model.cell.U, model.cell.W, model.cell.b, model.w]
    for array in arrays:
        digest.update(np.ascontiguousarray(array, "<f4").tobytes())
    return digest.hexdigest()[:16]


def numbers(values: ArrayLike) -> list[Any]:
    """An array as lists, to six decimals: the front end draws no more."""
    return np.round(np.asarray(values, float), 6).tolist()


def tokens_of(vocabulary: Vocabulary, text: str) -> tuple[np.ndarray, Frame]:
    """Token numbers of a text, and how a frame begins: its tokens and which of them are known."""
    ids = vocabulary.encode(text)[:MAX_TOKENS]
    return ids, {"tokens": (tokenize(text) or [UNKNOWN])[:MAX_TOKENS], "known": (ids != 1).tolist()}


def named(model: SentimentRNN) -> Frame:
    """How a page tells which network a widget shows."""
    return {"network": model.name, "fingerprint": fingerprint(model)}


class Widget(anywidget.AnyWidget):
    """A picture with controls. Set a control (a trait) and read what is drawn from ``frame``.

    ``kind`` names its renderer in renderers.js. ``compute`` makes the frame of the values of all ``controls`` (name ->
    trait), ``describe`` a table of the frame, for pages without JavaScript. ``looks`` are traits that change only how
    the frame is drawn, ``props`` what stays the same, and ``for_page`` what of that only a static page needs.
    """

    _esm = module()
    _css = css()
    kind = t.Unicode().tag(sync=True)
    props = t.Dict().tag(sync=True)
    frame = t.Dict().tag(sync=True)

    def __init__(
        self,
        kind: str,
        title: str,
        compute: Callable[..., Frame],
        describe: Callable[[Frame], Table],
        *,
        controls: _Traits | None = None,
        looks: _Traits | None = None,
        props: Frame | None = None,
        for_page: Frame | None = None,
    ) -> None:
        self.title, self.compute, self.describe = title, compute, describe
        self.controls, self.looks, self.for_page = tuple(controls or ()), tuple(looks or ()), for_page or {}
        self.add_traits(**{name: trait.tag(sync=True) for name, trait in {**(controls or {}), **(looks or {})}.items()})
        super().__init__(kind=kind, props=props or {})
        if self.controls:
            self.observe(self._update, names=list(self.controls))
        self._update()

    def _update(self, change: object = None) -> None:
        self.frame = self.compute(**{name: getattr(self, name) for name in self.controls})

    def table(self) -> Table:
        """Column names and rows that say what the frame shows."""
        return self.describe(self.frame)

    def html(self) -> str:
        """The widget for a static page: a table, and what the page's script needs to bring it to life."""
        state = {
            "kind": self.kind,
            "props": {**self.props, **self.for_page},
            "controls": {name: getattr(self, name) for name in self.controls},
            "looks": {name: getattr(self, name) for name in self.looks},
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

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = super()._repr_mimebundle_(**kwargs) or ({}, {})
        return {**data, "text/plain": f"{self.title} (a widget)", "text/html": self.html()}, metadata


def _cell(value: object) -> str:
    return f"{value:+.2f}" if isinstance(value, float) else str(value)
