"""What only the pages of the book use: named numbers and tables, what became of each claim, checked answers."""

from . import by_hand, judges, prose  # noqa: F401  the first two fill the register of exercises
from .answers import check
from .page import Html, estimates, glue, seeds, table
from .verdicts import all_claims, claims, over_networks, points, readers, value, values

__all__ = [
    "Html", "all_claims", "check", "claims", "estimates", "glue", "over_networks", "points", "prose", "readers",
    "seeds", "table", "value", "values",
]  # fmt: skip
