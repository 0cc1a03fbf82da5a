"""What the chapters use to put numbers into their text: named values and the table of claims.

MyST-NB's ``glue`` without the need for MyST-NB, so that a chapter also runs on a machine that only has this package.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..stats import Estimate

__all__ = ["claims", "glue", "table", "text_of"]


def text_of(value: Any, spec: str = ".3g") -> str:
    """A value as the text shows it: ``0.912`` with ``.1%`` is 91.2 %, an ``Estimate`` gets its interval in brackets."""
    if isinstance(value, str):
        return value
    if isinstance(value, Estimate):
        if np.isnan(value.low):
            return text_of(value.value, spec)
        return f"{text_of(value.value, spec)} [{text_of(value.low, spec)}, {text_of(value.high, spec)}]"
    if isinstance(value, (int, np.integer)) and not spec.endswith("%"):
        return f"{value:,}"
    return f"{value:{spec}}".replace("%", "\u00a0%").replace("-", "\u2212")


def glue(name: str, value: Any, spec: str = ".3g") -> None:
    """Name a value so that the chapter's text can cite it with ``{glue:text}``; nothing is shown here.

    ``spec`` is the format of numbers (see :func:`text_of`).
    """
    # quoted, because MyST-NB evaluates what it can: 20,000 would become the tuple (20, 0)
    _publish(name, {"text/plain": repr(text_of(value, spec))})


def table(frame: Any, formats: Mapping[str, str] | str | None = None) -> Any:
    """A pandas table as the book shows it: a named index is a column, numbers look as in :func:`text_of`.

    ``formats`` of columns by name, or one for all that hold fractions.
    """

    def formatter(spec: str) -> Any:
        return lambda value: "" if value != value else text_of(value, spec)

    shown = (frame.reset_index() if frame.index.name else frame).rename_axis(columns=None)
    if isinstance(formats, str):
        formats = dict.fromkeys(shown.select_dtypes("float"), formats)
    made = dict.fromkeys(
        shown.select_dtypes(exclude="number"), lambda value: "" if value != value else _minus(str(value))
    )
    made |= {column: formatter(spec) for column, spec in (formats or {}).items()}
    return _Html(shown.to_html(index=False, border=0, formatters=made, na_rep="", justify="left"))


def claims(name: str, rows: Sequence[tuple[str, str, bool | None]]) -> Any:
    """The table "the paper claimed / we found", shown and named ``claims-<name>`` for the page that collects them.

    Parameters
    ----------
    name : str
        The chapter, ``"training"`` say.
    rows : list of (claim, found, holds)
        ``holds`` is True, False, or None where it holds in part.
    """
    import pandas as pd

    words = {True: "yes", False: "no", None: "in part"}
    table = pd.DataFrame(
        [(claim, _minus(found), words[holds if holds is None else bool(holds)]) for claim, found, holds in rows],
        columns=["The papers claim", "We found", "Holds here"],
    )
    html = table.to_html(index=False, border=0, escape=False, classes="claims", justify="left")
    _publish(f"claims-{name}", {"text/html": html, "text/plain": table.to_string(index=False)})
    return _Html(html)


def _minus(text: str) -> str:
    """Hyphens that stand for a minus as minus signs: in ``-0.2``, not in ``gru-imdb-1``."""
    return re.sub(r"(?<![\w\]])-(?=[\d.])", "\u2212", text)


class _Html:
    def __init__(self, html: str) -> None:
        self._html = html

    def _repr_html_(self) -> str:
        return self._html


def _publish(name: str, data: dict[str, str]) -> None:
    from IPython.display import display

    # the hidden types that MyST-NB looks for; a notebook shows nothing for them
    prefix = "application/papermill.record/"
    hidden = {prefix + mime: content for mime, content in data.items()}
    display(hidden, raw=True, metadata={"scrapbook": {"name": name, "mime_prefix": prefix}})
