"""Numbers named for the text, and tables.

MyST-NB's ``glue`` without the need for MyST-NB, so that a chapter also runs on a machine that only has this package.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pandas as pd

from ..stats import Estimate, over_seeds, text_of

__all__ = ["Html", "estimates", "glue", "minus", "publish", "seeds", "table"]


class Html:
    """HTML that a notebook shows as it is."""

    def __init__(self, html: str) -> None:
        self.html = html

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:  # the same in every run
        return "Html(…)"


def glue(prefix: str, spec: str = ".3g", /, **values: object) -> None:
    """Name values so that the chapter's text can cite them, ``{glue:text}`prefix-name```; nothing is shown here.

    Parameters
    ----------
    prefix : str
        Of the names, ``"gru"`` say; in names an underscore becomes a hyphen.
    spec : str
        Format of the numbers that bring none.
    values : number, Estimate, str, pair of one of these and its format, or result
        With a format of its own: ``glue("gru", accuracy=(0.912, ".1%"))``. A result, a dataclass, names each of its
        fields that has a format (:func:`rnnrev.stats.shown`): ``prefix-name-field``.
    """
    for name, value in values.items():
        for key, text in _named(f"{prefix}-{name}", value, spec):
            # quoted, because MyST-NB evaluates what it can: 20,000 would become the tuple (20, 0)
            publish(key.replace("_", "-"), {"text/plain": repr(text)})


def _named(key: str, value: Any, spec: str) -> Iterator[tuple[str, str]]:
    if dataclasses.is_dataclass(value) and not isinstance(value, Estimate):
        fields = [f for f in dataclasses.fields(value) if "format" in f.metadata]
        if not fields:
            raise ValueError(f"{key}: no field of {type(value).__name__} has a format: mark one with stats.shown")
        for field in fields:
            yield f"{key}-{field.name}", text_of(getattr(value, field.name), field.metadata["format"])
    elif isinstance(value, tuple) and not isinstance(value, Estimate):
        yield key, text_of(*value)
    else:
        yield key, text_of(value, spec)


def table(frame: pd.DataFrame, formats: Mapping[str, str] | str | None = None) -> Html:
    """A pandas table as the book shows it: an index of names is a column, numbers look as in the text, gaps are empty.

    ``formats`` of columns by name, or one for all that hold fractions.
    """
    names = list(frame.index.names)
    if names == [None] and not pd.api.types.is_numeric_dtype(frame.index):
        frame, names = frame.rename_axis(index=""), [""]
    shown = (frame if names == [None] else frame.reset_index()).rename_axis(columns=None)
    if isinstance(formats, str):
        formats = dict.fromkeys(shown.select_dtypes("float"), formats)

    def formatter(spec: str) -> Callable[[Any], str]:
        return lambda value: "" if value != value else text_of(value, spec)

    texts = dict.fromkeys(shown.select_dtypes(exclude="number"), lambda v: "" if v != v else minus(str(v)))
    cells = texts | {column: formatter(spec) for column, spec in (formats or {}).items()}
    return Html(shown.to_html(index=False, border=0, formatters=cells, na_rep="", justify="left"))


def estimates(rows: pd.DataFrame, index: str, columns: str, spec: str) -> Html:
    """Rows of a tidy table as one row and one column for each name, in the order they come, values with intervals."""
    text = [text_of(Estimate(*v), spec) for v in rows[["value", "low", "high"]].to_numpy()]
    wide = rows.assign(text=text).pivot(index=index, columns=columns, values="text")
    return table(wide.loc[rows[index].unique(), rows[columns].unique()])


def seeds(rows: pd.DataFrame, index: str, columns: str, spec: str) -> Html:
    """As :func:`estimates`, over networks that differ in their seed: the mean over seeds with its interval.

    ``"reader"`` is the name of a network up to its first hyphen.
    """
    rows = rows.assign(reader=rows.network.str.split("-").str[0])
    means = [
        {index: name, columns: column} | over_seeds(own.value)._asdict()
        for (name, column), own in rows.dropna(subset="value").groupby([index, columns], sort=False)
    ]
    return estimates(pd.DataFrame(means), index, columns, spec)


def minus(text: str) -> str:
    """Hyphens that stand for a minus as minus signs: in ``-0.2``, not in ``gru-imdb-1``."""
    return re.sub(r"(?<![\w\]])-(?=[\d.])", "\u2212", text)


def publish(name: str, data: dict[str, str]) -> None:
    """Name a piece of output, MIME type -> content, for this page and others; nothing is shown."""
    from IPython.display import display

    # the hidden types that MyST-NB looks for; a notebook shows nothing for them
    prefix = "application/papermill.record/"
    hidden = {prefix + mime: content for mime, content in data.items()}
    display(hidden, raw=True, metadata={"scrapbook": {"name": name, "mime_prefix": prefix}})
