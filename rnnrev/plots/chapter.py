"""Moved to :mod:`rnnrev.book`; this stands until all chapters say so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..book import page as book
from ..book.page import table
from ..stats import text_of

__all__ = ["claims", "glue", "table", "text_of"]


def glue(name: str, value: Any, spec: str = ".3g") -> None:
    """As before: one name, one value."""
    book.publish(name, {"text/plain": repr(text_of(value, spec))})


def claims(name: str, rows: Sequence[tuple[str, str, bool | None]]) -> Any:
    """As before: rows of (claim, what was found, whether it holds)."""
    import pandas as pd

    words = {True: "yes", False: "no", None: "in part"}
    found = pd.DataFrame(
        [(claim, book.minus(text), words[h if h is None else bool(h)]) for claim, text, h in rows],
        columns=["The papers claim", "We found", "Holds here"],
    )
    html = found.to_html(index=False, border=0, escape=False, classes="claims", justify="left")
    book.publish(f"claims-{name}", {"text/html": html, "text/plain": found.to_string(index=False)})
    return book.Html(html)
