"""A report on a network and texts of one's own: the claims of chapters 1 to 5, and in how many numbers it reads.

:func:`analyse` measures (:mod:`rnnrev.measure`), judges (:mod:`rnnrev.claims`) and draws the chapters' figures;
:func:`to_html` makes one page of it that needs no other file and no script (``templates/report.html.j2``);
:func:`write` does both (``rnnrev report``). What cannot be measured says why in its place.
"""

from __future__ import annotations

import base64
import datetime
import io
import os
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from . import __version__, claims, modifiers
from . import line_attractor as la
from .analysis import Analysis
from .balanced import balance, explained
from .context import TESTS, context_tests
from .data import DataError, Reviews
from .driven import token_arrays
from .files import check_out, write_text
from .linear import Unmeasured, valence
from .measure import PARTS, Part, Row, row, tabulate
from .model import Classifier, labels_of
from .plots import report as plots
from .rebuild import few_numbers
from .stats import Estimate, accuracy, text_of

__all__ = ["analyse", "write"]

_ENOUGH = 0.95  #: R² with the whole network's logits at which so many numbers are enough
_MOST = 12  #: numbers that are tried
_STATE = 5  #: numbers of state of the explicit form
#: How a reader knows the sets of :mod:`rnnrev.context`.
_SETS = {"imdb": "IMDB", "yelp": "Yelp", "sst2": "SST-2", "imdb_counterfactual": "revised reviews"}


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Report:
    """Everything on the page.

    ``facts`` stand in the header; ``table`` is the measured one and ``verdicts`` what it says of the claims; ``shown``
    are figures (PNG in base 64) and tables by their title, ``missing`` why others could not be made, by section and
    title; ``notes`` are the warnings of the measures.
    """

    title: str
    facts: dict[str, str]
    table: pd.DataFrame = field(repr=False)
    verdicts: tuple[claims.Verdict, ...] = field(repr=False)
    shown: dict[str, str | Table] = field(repr=False)
    missing: dict[str, dict[str, str]]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many claims have each verdict; those that none has are left out."""
        told = Counter(v.verdict for v in self.verdicts)
        return {v: told[v] for v in claims.VERDICTS if told[v]}

    def number(self, measure: str, condition: str = "", spec: str = ".2f") -> str:
        """A measured number with its interval as text, "not measured" where there is none."""
        rows = self.table[
            (self.table.measure == measure) & (self.table.condition == condition) & self.table["at"].isna()
        ]
        return text_of(Estimate(*rows[["value", "low", "high"]].iloc[0]) if len(rows) else np.nan, spec)

    @property
    def linear(self) -> Table:
        """How well linear models and their controls tell what the network says; without rows if none was measured."""
        names = self.table.condition[(self.table.measure == "linear_r2") & self.table.value.notna()]
        specs = {"linear_r2": ".2f", "linear_agree": ".0%", "linear_accuracy": ".1%"}
        rows = tuple((name, *(self.number(m, name, spec) for m, spec in specs.items())) for name in names)
        return Table(("linear model, or control", "r² with the network's logits", "same decision", "accuracy"), rows)

    def chapter(self, number: int) -> Table:
        """All numbers of a chapter, without the curves."""
        measures = {m for part in (*PARTS, _NUMBERS) if part.chapter == number for m in part.measures}
        kept = self.table[self.table["at"].isna() & self.table.measure.isin(measures)]
        rows = tuple(
            (r.measure, r.condition, text_of(Estimate(r.value, r.low, r.high)), _whole(r.n), r.note)
            for r in kept.itertuples()
        )
        return Table(("measure", "condition", "value", "counted over", "note"), rows)


def _whole(n: float) -> str:
    return "" if np.isnan(n) else f"{n:,.0f}"


# --- in how many numbers it reads -----------------------------------------------------------------


@lru_cache(maxsize=1)
def _numbers(a: Analysis) -> list[Row]:
    """Chapter 7: balanced on half of the texts, 60 at most, and judged on up to a hundred of the rest."""
    model = a.recurrent
    if len(a.ids) < 40:
        raise Unmeasured(f"{len(a.ids)} texts are too few to balance with: give 40 or more")
    ids = token_arrays(model, a.ids, len(a.ids), seed=a.seed)
    half = min(60, len(ids) // 2)
    held, modes = ids[half : half + 100], balance(model, ids[:half], seed=a.seed)
    whole, enough, n, rows = model.logits_of(held), np.nan, len(held), []
    for k in range(1, min(_MOST, modes.Phi.shape[1]) + 1):
        kept = modes.reduce(model, k).logits_of(held)
        r2 = explained(whole, kept)
        rows.append(row("r2_kept", r2, at=k, n=n))
        rows.append(row("same_decision_kept", accuracy(labels_of(kept), labels_of(whole)), at=k, n=n))
        if r2 >= _ENOUGH:
            enough = k
            break
    rows.append(row("numbers_kept", enough, n=n, note="" if enough == k else f"no k up to {k} has R² ≥ {_ENOUGH}"))
    if whole.ndim == 1:
        form = few_numbers(modes.reduce(model, min(_STATE, modes.Phi.shape[1])), ids[:half], 4)
        rows += [row("r2_words", explained(whole, form.of_rank(c).logits_of(held)), at=c, n=n) for c in range(1, 5)]
    return rows


#: A part of the report alone: the record of the shipped networks has more of it (scripts/balanced.py).
_NUMBERS = Part("numbers", 7, _numbers, ("numbers_kept", "r2_kept", "same_decision_kept", "r2_words"))


# --- figures and tables beside the claims ---------------------------------------------------------


def _confusion(a: Analysis) -> Table:
    labels, logits = a.reviews.labels[a.labelled], a.logits[a.labelled]
    names = ["negative", "positive"] if logits.ndim == 1 else [f"class {c}" for c in range(logits.shape[1])]
    matrix = confusion_matrix(labels, labels_of(logits), labels=range(len(names)))
    rows = tuple((name, *(f"{v:,}" for v in counts)) for name, counts in zip(names, matrix))
    return Table(("true label", *(f"predicted {n}" for n in names)), rows)


def _context(a: Analysis) -> Table:
    if not os.environ.get("RNNREV_DATA_DIR"):
        raise Unmeasured("RNNREV_DATA_DIR names no folder with IMDB, Yelp, SST-2, revised reviews and CheckList")
    if a.logits.ndim == 2:
        raise Unmeasured("the network has more than two classes: these sets have two")
    keys, bag = ["data", "measure", "condition"], claims.read("context").query("network == 'bow-imdb'")
    rows = []
    for r in context_tests(a.model, most=1000, seed=a.seed).merge(bag, on=keys, suffixes=("", "_bag")).itertuples():
        whole = {"accuracy": "accuracy", "auc": "AUC"}.get(r.measure)
        asked = f"{_SETS[r.data.partition('/')[0]]}, {whole}" if whole else f"{TESTS[r.measure]} {r.condition}"
        found = Estimate(r.value, r.low, r.high), Estimate(r.value_bag, r.low_bag, r.high_bag)
        rows.append((asked, *(text_of(v, ".1%") for v in found), _whole(r.n)))
    return Table(("asked", a.model.name, "bag of words of the book", "texts"), tuple(rows))


def _point(a: Analysis) -> Table:
    taus = ", ".join(text_of(float(t), ",.0f" if t >= 100 else ".1f") for t in a.point.modes.slowest[:5])
    found = text_of(a.point.logit, ".2f"), f"{a.point.q:.1e}", taus, f"{a.point.modes.growing.sum()}"
    return Table(("logit, nats", "speed q", "slowest modes, tokens", "modes that grow"), (found,))


def _curve(a: Analysis) -> Figure:
    if np.ptp(a.attractor.logit) == 0:
        raise Unmeasured("all starts led to one fixed point")
    return plots.curve(a.attractor, la.visited_states(a.point.model, a.reviews.texts, seed=a.seed)[0])


def _words(a: Analysis) -> Table:
    value, names = valence(a.lasting, a.words), np.array(a.model.vocabulary.words)[a.words]
    order, n = np.argsort(value, kind="stable"), min(12, len(value) // 3)
    columns = order[::-1][:n], np.argsort(np.abs(value), kind="stable")[:n], order[:n]
    rows = tuple(tuple(f"{names[i]} {text_of(float(value[i]), '+z.2f')}" for i in at) for at in zip(*columns))
    return Table(("most positive", "most neutral", "most negative"), rows)


def _sorting(a: Analysis) -> Figure:
    numbers, measured, known = a.sorted_words
    names = [_plain(a.model.vocabulary.words[i]) for i in numbers]
    return plots.words(measured, known, la.word_kinds(known, min(100, len(known) // 4)), names)


def _ranked(a: Analysis) -> Table:
    grammar = modifiers.lexicon().set_index("word").kind
    columns = "word", "kind", "strength", "positive words ×", "negative words ×", "per million", "in the grammar"
    rows = []
    for r in a.effects[:20].itertuples():
        factors = (text_of(v, ".2f") for v in (r.strength, 1 + r.positive, 1 + r.negative))
        rows.append((r.word, r.kind, *factors, _whole(r.per_million), str(grammar.get(r.word, "–"))))
    return Table(columns, tuple(rows))


def _of_each_kind(a: Analysis) -> Table:
    kinds = ("negator", "intensifier", "diminisher")
    words = [list(a.effects.word[a.effects.kind == k][:10]) for k in kinds]
    if not any(words):
        raise Unmeasured("no frequent word changes the valence of others by a third or more")
    return Table(tuple(f"{k}s" for k in kinds), tuple(zip_longest(*words, fillvalue="–")))


def _costs(a: Analysis) -> Table:
    rows = ((r.perturbation, text_of(r.accuracy, ".1%"), text_of(r.cost, ".1%")) for r in a.costs.itertuples())
    return Table(("perturbation", "accuracy", "accuracy lost"), tuple(rows))


def _beginning(a: Analysis) -> Figure:
    shown = ("intact", "component removed", "random subspace removed", "on the attractor")
    return plots.emphasis({name: a.start_profiles[0][name] for name in shown})


def _by_number(a: Analysis, measures: dict[str, str], columns: tuple[str, ...]) -> Table:
    """A row for each number of which there is a row: the measures with their formats."""
    found: dict[float, dict[str, Estimate]] = {}
    for r in _numbers(a):
        if r["measure"] in measures:
            found.setdefault(r["at"], {})[r["measure"]] = Estimate(r["value"], r["low"], r["high"])
    if not found:
        raise Unmeasured("the network has more than two classes: the explicit form has one logit")
    rows = ((f"{k:.0f}", *(text_of(e[m], spec) for m, spec in measures.items())) for k, e in found.items())
    return Table(columns, tuple(rows))


def _plain(text: str) -> str:
    """Matplotlib takes a pair of dollar signs for mathematics: a name or word has none."""
    return text.replace("$", r"\$")


_R2 = "R² with the whole network's logits"
#: What each section shows, by its title.
_SHOWN: dict[str, dict[str, Callable[[Analysis], Figure | Table]]] = {
    "scores": {
        "True and predicted labels": _confusion,
        "Calibration": lambda a: plots.calibration({_plain(a.model.name): a.calibration[0]}),
        "Who reads context?": _context,
    },
    "attractor": {
        "Dimensions of the hidden states": lambda a: plots.dimensions(*a.dimensions.values()),
        "Operating point": _point,
        "Fixed points": _curve,
        "Spectrum": lambda a: plots.spectra(a.attractor, a.spectra, a.fresh_spectra),
        "Words sorted along ℓ₁": _words,
        "Words along ℓ₁ and their known valence": _sorting,
    },
    "modifiers": {
        "Top-ranked modifiers": _ranked,
        "Top-ranked of each kind": _of_each_kind,
        "Variance of the modifier subspace": lambda a: plots.dimension(a.dimension),
        "Modifiers abolished": lambda a: plots.abolition(a.abolition),
        "What each perturbation costs": _costs,
    },
    "beginning": {"Emphasis on the beginning": _beginning},
    "end": {"Emphasis on the end": lambda a: plots.emphasis(a.end_profiles[0], "tokens between the word and the end")},
    "enough": {
        "With so many numbers kept": lambda a: _by_number(
            a, {"r2_kept": ".2f", "same_decision_kept": ".0%"}, ("numbers", _R2, "same decisions")
        ),
        "With so many numbers a word": lambda a: _by_number(
            a, {"r2_words": ".2f"}, (f"numbers a word ({_STATE} of state)", _R2)
        ),
    },
}


def _png(figure: Figure) -> str:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    return base64.b64encode(stream.getvalue()).decode()


# --- the work -----------------------------------------------------------------------------------


def analyse(
    model: Classifier, reviews: Reviews, *, scored: int = 300, seed: int = 0, command: str = "",
    progress: bool = False,
) -> Report:  # fmt: skip
    """Measure a network on texts that it was not trained on, and judge the claims.

    Parameters are those of :func:`rnnrev.measure.measure`; ``command`` is shown in the header. Under two minutes on
    two cores for a GRU of 256 units.
    """
    a = Analysis.of(model, reviews, scored, seed)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        table = tabulate(a, (*PARTS, _NUMBERS), progress=progress)
    shown: dict[str, str | Table] = {}
    missing: dict[str, dict[str, str]] = {}
    for section, makers in _SHOWN.items():
        for title, make in makers.items():
            try:
                made = make(a)
                shown[title] = made if isinstance(made, Table) else _png(made)
            except (Unmeasured, DataError) as error:
                missing.setdefault(section, {})[title] = str(error)
    facts = {
        "Network": repr(model),
        "Data": f"{reviews.name}, split {reviews.split}",
        "Fingerprint of the data": reviews.fingerprint,
        "Reviews": f"{len(a.reviews):,} used of {len(reviews):,}",
        "Package": f"rnnrev {__version__}",
        "Date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "Seed": str(seed),
        "Command": command or "rnnrev.report.analyse",
    }
    told = tuple(claims.verdict(c, table) for c in claims.CLAIMS if c.record == "networks")
    notes = tuple(dict.fromkeys(str(w.message) for w in caught if w.category is UserWarning))
    return Report(f"{model.name} on {reviews.name}", facts, table, told, shown, missing, notes)


def to_html(report: Report) -> str:
    """One HTML page: figures and style inside it, no script, nothing loaded from elsewhere."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("rnnrev")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return pages.get_template("report.html.j2").render(report=report, number=report.number, version=__version__)


def write(
    model: Classifier, reviews: Reviews, out: str | os.PathLike[str] = "report.html", *,
    scored: int = 300, seed: int = 0, command: str = "", progress: bool = False,
) -> Report:  # fmt: skip
    """:func:`analyse`, and the page written in one step; an old one stays until then."""
    file = check_out(out)
    made = analyse(model, reviews, scored=scored, seed=seed, command=command, progress=progress)
    write_text(file, to_html(made))
    return made
