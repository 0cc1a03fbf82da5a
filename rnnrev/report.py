"""A report on a network and texts of one's own: the claims of chapters 2 to 5, each with its control and a verdict.

:func:`analyse` measures stage by stage, :func:`to_html` makes one page of it that needs no other file and no script,
:func:`write` does both (``rnnrev report``). The measures are those of the chapters, and so are most rules of the
verdicts (a few ask for more, since a stranger's network may have no slow mode or no emphasis at all). What cannot be
measured says why in its place.

Sources: LA19 for chapter 2, CP20 for chapters 3 to 5.
"""

from __future__ import annotations

import base64
import datetime
import html
import io
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from . import __version__, edges, modifiers, perturb, stats, zoo
from . import line_attractor as la
from . import subspace as subspaces
from .data import Reviews, load_reviews
from .files import write_text
from .linear import OperatingPoint, operating_point, valence
from .model import SentimentRNN, untrained
from .plots import edges as edge_plots
from .plots import line_attractor as attractor_plots
from .plots import modifiers as modifier_plots
from .plots import training as training_plots
from .plots.chapter import text_of
from .stats import Estimate

__all__ = [
    "CLAIMS",
    "Claim",
    "Missing",
    "Picture",
    "Report",
    "Section",
    "Table",
    "Unmeasured",
    "analyse",
    "check_out",
    "load_data",
    "to_html",
    "write",
]

#: The claims in the order of the table: key -> (chapter, what the papers claim).
CLAIMS: dict[str, tuple[int, str]] = {
    "dimensions": (2, "Hidden states are low-dimensional."),
    "curve": (2, "Fixed points lie on a one-dimensional curve along the readout."),
    "slow-mode": (2, "One mode is far slower than all others."),
    "directions": (2, "The slow mode is tangent to the curve and aligned with the readout."),
    "sorting": (2, "Its left vector ℓ₁ sorts words into positive, neutral and negative."),
    "linear": (2, "The linear model predicts the network."),
    "ranking": (3, "Ranked by what they do to other words, known modifiers come out on top."),
    "negators": (3, "Negators flip the valence of the words after them."),
    "intensifiers": (3, "Intensifiers amplify it."),
    "barcodes": (3, "Barcodes of modifiers cluster into kinds."),
    "subspace": (3, "Modifiers span a low-dimensional subspace."),
    "place": (3, "The place in the subspace sets how much words count."),
    "transients": (3, "Modifiers act through transients that the modes account for."),
    "abolition": (3, "Without the subspace, modifiers are not understood; controls change nothing."),
    "amplification": (3, "Amplifying the component in the subspace strengthens the effect."),
    "start-share": (4, "The initial state has a large component in the modifier subspace."),
    "beginning": (4, "Words count more at the beginning."),
    "beginning-length": (4, "The emphasis on the beginning decays within tens of tokens."),
    "start-barcode": (4, "The initial state acts as an intensifier does."),
    "beginning-gone": (4, "Without that component the emphasis on the beginning goes."),
    "transient": (5, "A word's effect is a lasting part and a transient of fast modes that the readout sees."),
    "now-and-later": (5, "Valence at the end goes with lasting valence."),
    "end": (5, "Words near the end count more than their lasting valence."),
    "end-linear": (5, "The network follows the linear prediction."),
    "end-gone": (5, "With fast modes removed at the end, the emphasis on the end goes."),
}

VERDICTS = {True: "holds", None: "in part", False: "not"}
NOT_MEASURED = "not measured"

#: Fewer reviews than this say nothing about a network's states.
MIN_REVIEWS = 10
#: A mode that fades in fewer tokens holds no verdict: "lasting valence" has no meaning then.
MIN_TAU = 10.0
#: Texts that must be long enough for words to be put into them; else neutral texts are made.
MIN_LONG = 10
N_STARTS = 40


class Unmeasured(ValueError):
    """Why something cannot be measured here, as a sentence for the report."""


# what measures raise where data or vocabulary are too small for them
_FAILURES = (ValueError, KeyError, IndexError, ArithmeticError, RuntimeError)


# --- what a report holds ----------------------------------------------------------------------


@dataclass(frozen=True)
class Claim:
    """One row of the table: ``found`` and ``control`` as text; ``verdict`` holds, in part, not, or not measured."""

    key: str
    found: str
    control: str
    verdict: str

    @property
    def chapter(self) -> int:
        """Of the book."""
        return CLAIMS[self.key][0]

    @property
    def text(self) -> str:
        """What the papers claim."""
        return CLAIMS[self.key][1]


@dataclass(frozen=True)
class Picture:
    """A figure as PNG, with its caption and its alternative text."""

    title: str
    caption: str
    alt: str
    png: bytes = field(repr=False)


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True)
class Missing:
    """What was not measured, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Section:
    """A part of the page: paragraphs (``str``), pictures, tables, and what is missing."""

    key: str
    title: str
    items: tuple[str | Picture | Table | Missing, ...]


@dataclass(frozen=True)
class Report:
    """Everything on the page. ``facts`` are the header's; ``notes`` the warnings of the measures."""

    title: str
    facts: dict[str, str]
    claims: tuple[Claim, ...]
    sections: tuple[Section, ...]
    notes: tuple[str, ...] = ()

    def claim(self, key: str) -> Claim:
        """The row with this key of :data:`CLAIMS`."""
        return next(c for c in self.claims if c.key == key)

    @property
    def verdicts(self) -> dict[str, int]:
        """How many claims have each verdict; those that none has are left out."""
        counts = Counter(c.verdict for c in self.claims)
        return {v: counts[v] for v in (*VERDICTS.values(), NOT_MEASURED) if counts[v]}


# --- the work ---------------------------------------------------------------------------------


@dataclass(eq=False)
class _Work:
    """The network, the texts, and what has been found so far."""

    model: Any
    reviews: Reviews
    seed: int
    found: dict[str, Any] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    claims: dict[str, Claim] = field(default_factory=dict)
    items: dict[str, list[Any]] = field(default_factory=dict)
    section: str = ""

    @cached_property
    def ids(self) -> list[np.ndarray]:
        return self.model.vocabulary.encode_all(self.reviews.texts)

    @cached_property
    def logits(self) -> np.ndarray:
        return self.model.logits_of(self.ids)

    @cached_property
    def fresh(self) -> SentimentRNN:
        cell = self.model.cell
        return untrained(
            cell.kind, self.model.vocabulary, cell.n_units, cell.n_inputs, self.seed, self.model.counts
        )  # fmt: skip

    def __getitem__(self, key: str) -> Any:
        """What an earlier stage found; if it failed, so does this one, for the same reason."""
        if key in self.reasons:
            raise Unmeasured(self.reasons[key])
        return self.found[key]

    def claim(self, key: str, found: str, control: str, holds: bool | None) -> None:
        verdict = VERDICTS[holds if holds is None else bool(holds)]
        self.claims[key] = Claim(key, found, control, verdict)

    def unmeasured(self, key: str, reason: str) -> None:
        self.claims[key] = Claim(key, reason, "", NOT_MEASURED)

    def add(self, item: Any) -> None:
        self.items.setdefault(self.section, []).append(item)

    def picture(self, figure: Figure, title: str, caption: str, alt: str) -> None:
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
        self.add(Picture(title, caption, alt, stream.getvalue()))

    # conditions that stages ask for

    def recurrent(self) -> SentimentRNN:
        """The network, if it is one with a state."""
        if not isinstance(self.model, SentimentRNN):
            raise Unmeasured(
                f"{self.model.name} is a {type(self.model).__name__}, not a recurrent network: it has no state to "
                f"look at"
            )
        return self.model

    def binary(self) -> SentimentRNN:
        """The network, if it has one logit."""
        model = self.recurrent()
        if model.n_classes > 2:
            raise Unmeasured(
                f"the network tells {model.n_classes} classes apart: these measures read one logit, so they need two "
                "classes"
            )
        return model

    def texts(self) -> tuple[str, ...]:
        if len(self.reviews) < MIN_REVIEWS:
            raise Unmeasured(f"{len(self.reviews)} reviews are too few: give {MIN_REVIEWS} or more")
        known = np.mean(np.concatenate(self.ids) != 1)
        if known < 0.5:
            raise Unmeasured(f"the network knows only {text_of(float(known), '.0%')} of the words of these reviews")
        return self.reviews.texts

    def lasting(self) -> OperatingPoint:
        """The operating point, if something lasts there."""
        point = self["point"]
        slow = point.modes.eigvals[point.slow]
        tau = float(point.modes.tau[point.slow])
        if slow.real < 0 or abs(tau) < MIN_TAU:
            raise Unmeasured(
                f"the network has no slow mode (its slowest real one turns over or fades in {abs(tau):.1f} tokens): "
                "nothing lasts, so words have no lasting valence"
            )
        return point

    def labelled(self) -> np.ndarray:
        """Which reviews have a label, (n,); fails where none has, or the labels do not fit the network."""
        labels = self.reviews.labels
        if not (labels >= 0).any():
            raise Unmeasured("none of the reviews has a label (−1 means unknown)")
        classes = getattr(self.model, "n_classes", 2)
        if labels.max() >= classes:
            raise Unmeasured(
                f"labels run from {labels[labels >= 0].min()} to {labels.max()}, but the network tells {classes} "
                f"classes "
                "apart (0 and up): give labels that fit it"
            )
        return labels >= 0


def _t(value: Any, spec: str = ".2f") -> str:
    """A number or an estimate as text; one that is not a number was not measured."""
    if not np.isfinite(value.value if isinstance(value, Estimate) else value):
        raise Unmeasured("the result is not a number: there is too little data, or nothing varies")
    return text_of(value, spec)


def _tokens(tau: float) -> str:
    return f"{tau:,.0f}" if abs(tau) >= 100 else f"{tau:.1f}"


# --- how good it is ---------------------------------------------------------------------------


def _accuracy(work: _Work) -> Estimate:
    known = work.labelled()
    labels, logits = work.reviews.labels[known], work.logits[known]
    predicted = logits.argmax(-1) if logits.ndim == 2 else (logits > 0).astype(np.int64)
    found = stats.accuracy(predicted, labels)
    counts = np.bincount(labels)
    text = f"Accuracy {_t(found, '.1%')} on {len(labels):,} labelled reviews. Control: the commonest label alone "
    f"would be right in {text_of(counts.max() / len(labels), '.1%')}."
    if (counts > 0).sum() < 2:
        text += f" All labels are {labels[0]}: with one class, accuracy says little."
    work.add(text)
    n_classes = max(getattr(work.model, "n_classes", 2), 2)
    matrix = stats.confusion(predicted, labels, n_classes)
    names = ("negative", "positive") if n_classes == 2 else tuple(f"class {c}" for c in range(n_classes))
    rows = tuple((name, *(f"{v:,}" for v in row)) for name, row in zip(names, matrix))
    work.add(Table("True and predicted labels", ("true label", *(f"predicted {n}" for n in names)), rows))
    return found


def _calibration(work: _Work) -> stats.Calibration:
    known = work.labelled()
    labels, logits = work.reviews.labels[known], work.logits[known]
    if logits.ndim == 2:
        raise Unmeasured("the network has more than two classes: calibration is measured on one logit")
    if len(np.unique(labels)) < 2:
        raise Unmeasured(f"all labels are {labels[0]}: calibration needs both classes")
    if len(labels) < 20:
        raise Unmeasured(f"{len(labels)} labelled reviews are too few: give 20 or more")
    bins = 10 if len(labels) >= 100 else 5
    found = stats.calibration(logits, labels, bins)
    error = stats.bootstrap((logits, labels), lambda a, b: stats.calibration(a, b, bins).error, n=500, seed=work.seed)
    work.add(
        f"Expected calibration error {_t(error, '.3f')}: the mean gap between predicted probability and share of "
        f"positive "
        f"reviews, in {bins} bins. With few reviews it is never quite 0."
    )
    shown = {
        "predicted": [None if np.isnan(p) else p for p in found.predicted], "observed": found.observed,
        "count": found.texts,
    }  # fmt: skip
    work.picture(
        training_plots.calibration({_plain(work.model.name): shown}),
        "Calibration",
        "(a) Share of reviews that are positive against the predicted probability; on the line, predictions are "
        "shares. "
        "(b) How many reviews were so predicted.",
        f"Two panels: reliability in {bins} bins, expected calibration error {error.value:.3f}, and a histogram of "
        "predicted probabilities.",
    )
    return found


def _plain(text: str) -> str:
    """Matplotlib takes a pair of dollar signs for mathematics: a name or word has none."""
    return text.replace("$", r"\$")


# --- chapter 2 --------------------------------------------------------------------------------


def _dimensions(work: _Work) -> la.Dimensionality:
    model, texts = work.recurrent(), work.texts()
    trained = la.dimensionality(model, texts, seed=work.seed)
    fresh = la.dimensionality(work.fresh, texts, seed=work.seed)
    work.claim(
        "dimensions",
        f"participation ratio {_t(trained.participation, '.1f')}; {_t(trained.n90, '.0f')} of {model.cell.n_state} "
        "principal components hold 90 % of the variance",
        f"untrained network: {_t(fresh.participation, '.1f')}; {_t(fresh.n90, '.0f')}",
        trained.participation.high < fresh.participation.low,
    )
    work.picture(
        attractor_plots.dimensions(trained, fresh),
        "Dimensions of the hidden states",
        "Share of the variance of visited states in the first principal components, with 95 % bands over reviews. "
        "Dashed: "
        "the same network before training.",
        f"Cumulative variance: {trained.n90.value:.0f} components reach 90 % in the network, {fresh.n90.value:.0f} in "
        f"the "
        "untrained control.",
    )
    return trained


def _point(work: _Work) -> OperatingPoint:
    model = work.binary()
    if model.cell.n_state < 8:
        raise Unmeasured(f"the state has {model.cell.n_state} numbers: fewer than 8 have no modes to compare")
    point = operating_point(model, texts=work.texts(), seed=work.seed)
    if not (np.isfinite(point.h_star).all() and np.isfinite(point.modes.eigvals).all()):
        raise Unmeasured("the search for a fixed point ran off to states that are not finite")
    taus = ", ".join(_tokens(abs(t)) for t in point.modes.tau[:5])
    work.add(
        f"Operating point h*: the slow point of the averaged step near the reviews with a logit nearest to 0 (logit "
        f"{_t(point.logit)}, speed q = {point.q:.1e}). Its slowest modes fade in {taus} tokens."
    )
    return point


def _attractor(work: _Work) -> la.Attractor:
    model = work["point"].model
    texts = work.texts()
    found = la.find_attractor(model, texts, N_STARTS, seed=work.seed)
    spectra = la.mode_spectra(found.J_rec, model.w)
    fresh = la.find_attractor(work.fresh, texts, 10, seed=work.seed)
    fresh_spectra = la.mode_spectra(fresh.J_rec, work.fresh.w)
    work.found["spectra"] = spectra
    work.claim(
        "slow-mode",
        f"τ₁ = {_t(spectra.tau_1, ',.0f')} tokens, {_t(spectra.gap, '.1f')} times τ₂; {_t(spectra.n_slow, '.0f')} "
        f"modes "
        f"are slower than {la.SLOW:.0f} tokens",
        f"untrained network: τ₁ = {_t(fresh_spectra.tau_1, ',.1f')} tokens, {_t(fresh_spectra.gap, '.1f')} times τ₂",
        True if spectra.gap.low > 10 else None if spectra.gap.low > 1.5 and spectra.tau_1.low > MIN_TAU else False,
    )
    shape, of_states = la.curve_shape(model, found.h_star), la.curve_shape(model, found.start)
    if np.isnan(shape.on_curve.value):
        work.claim("curve", "all starts led to one fixed point: there is no curve", "", False)
    else:
        work.claim(
            "curve",
            f"{_t(shape.on_curve, '.0%')} of the fixed points' variance lies on a curve; rank correlation of place and "
            f"logit {_t(shape.rank, '.3f')}",
            f"visited states: {_t(of_states.on_curve, '.0%')}",
            True
            if shape.on_curve.low > of_states.on_curve.high and shape.rank.low > 0.9
            else None
            if shape.rank.low > 0.9
            else False,
        )
    states, _ = la.visited_states(model, texts, seed=work.seed)
    if np.ptp(found.logit) > 0:
        work.picture(
            attractor_plots.curve(found, states),
            "Fixed points",
            "(a) Visited states in grey, fixed points of the averaged step coloured by logit, and their curve, in the "
            "plane "
            "of the first two principal components. (b) The logit along the curve.",
            f"{len(found.h_star)} fixed points among the visited states, from a logit of {found.logit.min():.1f} to "
            f"{found.logit.max():.1f} nats.",
        )
    work.picture(
        attractor_plots.spectra(found, spectra, fresh_spectra),
        "Spectrum",
        "(a) Eigenvalues of J_rec at the fixed point with the logit nearest to 0, and of the untrained network. (b) "
        "The "
        "longest time constants at every fixed point.",
        f"Eigenvalues in the unit circle; the slow mode's time constant is {spectra.tau_1.value:,.0f} tokens, the next "
        f"one's {spectra.tau_2.value:,.0f}.",
    )
    return found


def _directions(work: _Work) -> la.Alignment:
    attractor, spectra = work["attractor"], work["spectra"]
    if np.isnan(la.curve_shape(attractor.model, attractor.h_star).on_curve.value):
        raise Unmeasured("all starts led to one fixed point: a point has no tangent")
    found = la.alignment(attractor, spectra)
    tangent = found.r_tangent.low > found.others_tangent.high
    work.claim(
        "directions",
        f"|cos| of r₁ with the tangent {_t(found.r_tangent)}, with w {_t(found.r_w)}",
        f"best of modes 2–6: {_t(found.others_tangent)} and {_t(found.others_w)}; chance {found.chance:.2f}",
        True if tangent and found.r_w.low > found.others_w.high else None if tangent else False,
    )
    return found


def _words(work: _Work) -> tuple[np.ndarray, np.ndarray]:
    point = work.lasting()
    ids = _frequent(work)
    valence = la.word_valence(point, ids)
    names, order = np.array(work.model.vocabulary.words)[ids], np.argsort(valence, kind="stable")
    neutral = np.argsort(np.abs(valence), kind="stable")
    n = min(12, len(ids) // 3)
    columns = [order[::-1][:n], neutral[:n], order[:n]]
    rows = tuple(tuple(f"{names[i]} {text_of(valence[i], '+z.2f')}" for i in row) for row in zip(*columns))
    work.add(
        Table(
            "Words sorted along ℓ₁",
            ("most positive", "most neutral", "most negative"),
            rows,
            f"What one word adds to the logit for good, in nats: the ends and the middle of {len(ids):,} frequent "
            f"words.",
        )
    )
    return ids, valence


def _frequent(work: _Work) -> np.ndarray:
    """Words seen often enough in training: 200 times, or less where a small network knows too few of these."""
    for floor in (200, 50, 10, 3):
        ids = la.frequent_words(work.model, floor)
        if len(ids) >= 200:
            return ids
    if len(ids) < 30:  # counts of a few texts, or shares
        ids = la.frequent_words(replace(work.model, counts=work.model.frequencies / la.FLOOR), 1)
    if len(ids) < 30:
        raise Unmeasured(f"only {len(ids)} words are known to be frequent: 30 or more are needed")
    return ids


def _sorting(work: _Work) -> la.Sorting:
    ids, valence = work["words"]
    bag = zoo.load("bow-imdb")
    kept = np.array([work.model.vocabulary.words[i] in bag.vocabulary for i in ids])
    if kept.sum() < 30:
        raise Unmeasured(
            f"the yardstick, the shipped bag of words, knows only {kept.sum()} of the network's frequent words"
        )
    measured, known = valence[kept], la.bag_valence(work.model, bag)[ids[kept]]
    n_each = min(100, len(known) // 4)
    found = la.valence_sorting(measured, known, n_each)
    shuffled = la.valence_sorting(measured, np.random.default_rng([work.seed, 59]).permutation(known), n_each)
    work.claim(
        "sorting",
        f"rank correlation with a bag of words' β {_t(found.rank)}; a positive word beats a neutral one in "
        f"{_t(found.positive_neutral, '.0%')}, a neutral one a negative in {_t(found.neutral_negative, '.0%')} of "
        f"pairs",
        f"words shuffled: {_t(shuffled.rank)}",
        found.rank.low > shuffled.rank.high and found.positive_neutral.low > 0.5 and found.neutral_negative.low > 0.5,
    )
    names = [_plain(work.model.vocabulary.words[i]) for i in ids[kept]]
    work.picture(
        attractor_plots.words(measured, known, la.word_kinds(known, n_each), names),
        "Words along ℓ₁ and their known valence",
        f"(a) Each point is a word: what it adds to the logit through the slow mode against its β in the bag of words "
        f"that "
        f"is shipped, {zoo.load('bow-imdb').name}. (b) The same for the {n_each} most negative, neutral and positive "
        f"words "
        "by β.",
        f"Scatter of {len(known):,} words with rank correlation {found.rank.value:.2f}, and three histograms.",
    )
    return found


def _linear(work: _Work) -> dict[str, dict[str, Any]]:
    found, _ = la.linear_predictions(work["attractor"], work["point"], work.reviews, work.seed)
    best, control = found["nearest, finite effects"], found["control: shuffled words"]
    work.claim(
        "linear",
        f"squared correlation of logits {_t(best['r2'])}, same sign in {_t(best['agree'], '.0%')} of reviews",
        f"words shuffled: {_t(control['r2'])}, {_t(control['agree'], '.0%')}",
        True if best["agree"].low > 0.9 else None if best["r2"].low > control["r2"].high else False,
    )
    rows = tuple((name, text_of(row["r2"], ".2f"), text_of(row["agree"], ".0%")) for name, row in found.items())
    work.add(
        Table(
            "The linear model and its controls",
            ("linear model", "squared correlation", "same sign"),
            rows,
            "Logits of the linear model against those of the network, over the reviews.",
        )
    )
    return found


# --- chapter 3 --------------------------------------------------------------------------------


_KINDS = ("negator", "intensifier", "diminisher")


class _Modifiers(NamedTuple):
    """Probes, the ranking, its frequent part, and its top, from which the subspace is made."""

    probes: modifiers.Probes
    table: Any
    frequent: Any
    chosen: tuple[str, ...]


def _modifiers(work: _Work) -> _Modifiers:
    point = work.lasting()
    probes = _probes(point, 20)
    table = modifiers.modifier_effects(point, probes=probes)
    frequent = table
    chosen = tuple(frequent.word[: min(100, max(4, len(frequent) // 10))])
    grammar = dict(zip(*(modifiers.lexicon()[c] for c in ("word", "kind"))))
    rows = tuple(
        (
            r.word, r.kind, text_of(r.strength, ".2f"), text_of(1 + r.positive, ".2f"), text_of(1 + r.negative, ".2f"),
            f"{r.per_million:,.0f}", grammar.get(r.word, "–"),
        )
        for r in frequent[:20].itertuples()
    )  # fmt: skip
    counted = Counter(frequent.kind)
    kinds = ", ".join(f"{counted[k]} {k}s" for k in _KINDS)
    work.add(
        Table(
            "Top-ranked modifiers",
            ("word", "kind", "strength", "positive words ×", "negative words ×", "per million", "in the grammar"),
            rows,
            f"Of {len(frequent):,} words that are frequent enough: {kinds}. The factors are what positive and "
            f"negative words "
            f"after it count, on {len(probes.words)} probe words; the last column is a grammar's, which the ranking "
            f"has not "
            "seen.",
        )
    )
    of_kind = [tuple(frequent.word[frequent.kind == k][:10]) for k in _KINDS]
    longest = max(map(len, of_kind))
    if longest:
        padded = (column + ("–",) * (longest - len(column)) for column in of_kind)
        work.add(Table("Top-ranked of each kind", tuple(f"{k}s" for k in _KINDS), tuple(zip(*padded))))
    return _Modifiers(probes, table, frequent, chosen)


def _probes(point: OperatingPoint, n: int) -> modifiers.Probes:
    """As many probe words as can be had, at most n of each sign."""
    for fewer in sorted({n, 10, 5, 3} & set(range(n + 1)), reverse=True):
        try:
            return modifiers.probe_words(point, fewer)
        except ValueError:
            continue
    raise Unmeasured("fewer than three frequent words of each sign have a clear valence: the vocabulary is too small")


def _ranking(work: _Work) -> modifiers.Ranking:
    table, frequent = work["modifiers"].table, work["modifiers"].frequent
    grammar = modifiers.lexicon()
    hits = grammar[grammar.word.isin(frequent.word)].kind.value_counts()
    if hits.sum() < 5:
        raise Unmeasured(
            f"only {hits.sum()} of the grammar's {len(grammar)} modifiers are frequent words of the network"
        )
    found = modifiers.ranking_auc(table)
    weak = modifiers.ranking_auc(table, "-gain", ("downtoner",)) if hits.get("downtoner", 0) > 4 else None
    downtoners = "" if weak is None else f"; downtoners {_t(weak.auc)}"
    work.claim(
        "ranking",
        f"AUC {_t(found.auc)}; {text_of(found.precision20, '.0%')} of the top 20 are in the grammar's list{downtoners}",
        f"words of the same frequency and valence: 0.50; {text_of(found.chance, '.1%')} of all words are in the list",
        None if found.auc.low > 0.5 and (weak is None or weak.auc.low <= 0.5) else found.auc.low > 0.5,
    )
    return found


def _barcodes(work: _Work) -> modifiers.Clusters:
    point, (probes, _, frequent, _) = work.lasting(), work["modifiers"]
    grammar = modifiers.lexicon()
    poles = grammar[grammar.word.isin(frequent.word) & (grammar.kind != "downtoner")]
    counts = poles.kind.value_counts()
    if len(counts) < 2 or counts.min() < 3:
        raise Unmeasured("fewer than three negators or amplifiers of the grammar are frequent words of the network")
    codes = modifiers.barcode(point, list(poles.word), probes)
    found = modifiers.cluster_barcodes(codes, list(poles.kind), seed=work.seed)
    work.claim(
        "barcodes",
        f"adjusted Rand index {found.agreement:.2f}; one pattern accounts for {text_of(found.one, '.1%')} of all "
        f"barcodes",
        f"kinds shuffled: under {found.chance:.2f} (95 %)",
        found.agreement > found.chance,
    )
    return found


class _Subspace(NamedTuple):
    """The dimension and its criteria, the subspace with five axes or so, and with the chosen number."""

    dimension: subspaces.Dimension
    wide: subspaces.Subspace
    subspace: subspaces.Subspace


def _subspace(work: _Work) -> _Subspace:
    point, (probes, _, frequent, chosen) = work.lasting(), work["modifiers"]
    found = subspaces.subspace_dimension(point, chosen, frequent.word, probes, work.seed)
    wide = subspaces.modifier_subspace(point, chosen, max(min(5, len(found.shares)), found.axes))
    enough = found.k is not None
    carried = f"{found.axes} carry {'' if enough else 'less than '}90 % of their effect"
    work.claim(
        "subspace",
        f"of the squared deflections of the top {len(chosen)}, {text_of(found.shares[0], '.0%')} lie on the first "
        f"axis; of {len(found.shares)} axes, {carried}",
        f"as many words of like frequency: {text_of(found.typical[0], '.0%')}, 95 % of sets under "
        f"{text_of(found.limit[0], '.0%')}",
        found.shares[0] > found.limit[0],
    )
    work.picture(
        modifier_plots.dimension(found),
        "Variance of the modifier subspace",
        "(a) Share of the modifiers' squared deflections by axis, beside as many random words of like frequency. (b) "
        "What "
        "is left of the modifiers' effect when axes are removed from the state; the line is the dimension chosen.",
        f"The first axis holds {text_of(found.shares[0], '.0%')}, random words {text_of(found.typical[0], '.0%')}; "
        f"{found.axes} axes are chosen.",
    )
    return _Subspace(found, wide, wide.take(found.axes))


def _place(work: _Work) -> subspaces.Volume:
    point, (probes, _, frequent, _) = work.lasting(), work["modifiers"]
    found = subspaces.volume(point, frequent, work["subspace"].wide, probes)
    value = found.correlation
    work.claim(
        "place",
        f"correlation of the first coordinate with the log factor on valence {_t(value, '.3f')}, over "
        f"{len(frequent):,} "
        "words",
        "none would be 0",
        abs(value.value) > 0.5 and value.low * value.high > 0,
    )
    return found


def _transients(work: _Work) -> modifiers.Transients:
    point, (probes, table, frequent, chosen) = work.lasting(), work["modifiers"]
    grammar = modifiers.lexicon().word
    known = list(frequent.word[frequent.word.isin(set(grammar))])
    words = [*dict.fromkeys([*chosen[:20], *known[:20]])]
    found = modifiers.transients(point, words, 30, probes)
    fit, halves = modifiers.linear_fit(found), modifiers.half_lives(found, table)
    medians = "; ".join(
        f"{k}s {_t(stats.bootstrap(v, np.median, n=500), '.1f')}" for k, v in halves.items() if len(v) > 2
    )
    if not medians:
        raise Unmeasured(
            "fewer than three of the words tried are negators, diminishers or intensifiers with a half-life"
        )
    work.claim(
        "transients",
        f"median half-life in tokens: {medians}; R² of the linear theory {_t(fit, '.3f')}",
        "a theory that knows nothing: R² 0",
        fit.low > 0.5,
    )
    return found


_CONDITIONS = ("negated", "intensified", "diminished")


def _abolition(work: _Work) -> dict[str, list[perturb.Change]]:
    point, subspace = work.lasting(), work["subspace"].subspace
    pairs = perturb.phrase_pairs(work.model)
    words = (
        pairs.groupby(["condition", "valence"])
        .word.nunique()
        .unstack(fill_value=0)
        .reindex(columns=[-1, 1], fill_value=0)
    )
    usable = [c for c in _CONDITIONS if c in words.index and (words.loc[c] >= 3).all()]
    if not usable:
        raise Unmeasured(
            f"the network knows the words of only {len(pairs)} of the book's contrast phrases (“the movie was not "
            f"good”): "
            "three positive and three negative words are needed for one kind of modifier"
        )
    pairs = pairs[pairs.condition.isin(usable)].reset_index(drop=True)
    tried = perturb.conditions(point, subspace, work["modifiers"].table, pairs, work.seed)
    table = perturb.abolition(point, pairs, tried, seed=work.seed)
    lasting = perturb.abolition(point, pairs, {"intact": []}, lasting=True, seed=work.seed)
    gain = {(r.perturbation, r.condition): r.gain for r in table.itertuples()}
    kept_gain = {r.condition: r.gain for r in lasting.itertuples()}
    louder = next(name for name in tried if "×" in name)
    removed, same = "modifiers removed", "random, same variance"
    missing = "too few contrast phrases with {} are made of words that the network knows"

    if "negated" in usable:
        now, later = gain["intact", "negated"], kept_gain["negated"]
        work.claim(
            "negators",
            f"gain on the logit {_t(now)}, on what is integrated {_t(later)} (−1: gone, below: turned round)",
            f"random subspace removed: {_t(gain[same, 'negated'])}",
            True if later.high < -1 else None if now.high < -0.5 else False,
        )
    else:
        work.unmeasured("negators", missing.format("negators"))
    if "intensified" in usable:
        work.claim(
            "intensifiers",
            f"gain on the logit {_t(gain['intact', 'intensified'])}",
            f"random subspace removed: {_t(gain[same, 'intensified'])}",
            gain["intact", "intensified"].low > 0,
        )
    else:
        work.unmeasured("intensifiers", missing.format("intensifiers"))

    poles = [c for c in ("negated", "intensified") if c in usable] or usable
    gone = all(
        max(abs(gain[removed, c].low), abs(gain[removed, c].high)) < 0.25 * abs(gain["intact", c].value) for c in poles
    )
    kept = all(abs(gain[same, c].value) > 0.75 * abs(gain["intact", c].value) for c in poles[:1])
    work.claim(
        "abolition",
        "; ".join(f"{c} {_t(gain['intact', c])} → {_t(gain[removed, c])}" for c in poles),
        "; ".join(
            f"{name}: " + ", ".join(f"{c} {_t(gain[name, c])}" for c in poles) for name in ("random directions", same)
        ),
        None if gone != kept else kept,
    )
    more = [
        gain[louder, c].high < gain["intact", c].value if c != "intensified" else
        gain[louder, c].low > gain["intact", c].value for c in poles
    ]  # fmt: skip
    work.claim(
        "amplification",
        f"{louder}: " + "; ".join(f"{c} {_t(gain[louder, c])}" for c in poles),
        "intact: " + "; ".join(f"{c} {_t(gain['intact', c])}" for c in poles),
        True if all(more) else None if any(more) else False,
    )
    work.picture(
        modifier_plots.abolition({f"{len(pairs):,} contrast phrases": table}),
        "Modifiers abolished",
        "What a modifier does to the valence of the next words (0 nothing, −1 all of it gone), with the network "
        "intact, with "
        "the modifier subspace removed, and with controls. Phrases are read in mid-review.",
        "Gains of modifiers under each perturbation: "
        + "; "
        "".join(f"{c} {gain['intact', c].value:.2f} intact, {gain[removed, c].value:.2f} with the subspace removed, "
                    f"{gain[same, c].value:.2f} with a random one" for c in poles)
        + ".",
    )  # fmt: skip
    return tried


def _costs(work: _Work) -> Any:
    tried, known = work["abolition"], work.labelled()
    labels = work.reviews.labels[known]
    ids = [i for i, k in zip(work.ids, known) if k]
    found = perturb.costs(work.model, ids, labels, tried, seed=work.seed)
    rows = tuple(
        (r.perturbation, text_of(r.accuracy, ".1%"), text_of(Estimate(*(100 * v for v in r.cost)), ".1f"))
        for r in found.itertuples()
    )
    work.add(
        Table(
            "What each perturbation costs",
            ("perturbation", "accuracy", "points lost"),
            rows,
            f"On {len(ids):,} labelled reviews; lost against the intact network.",
        )
    )
    return found


# --- chapter 4 --------------------------------------------------------------------------------


def _long_texts(work: _Work, length: int, first: bool) -> tuple[np.ndarray, np.ndarray | None, str]:
    """Texts into which words are put, the states before them, and what to call them: reviews, else neutral texts."""
    point = work.lasting()
    long = [i for i in work.ids if len(i) > length]
    if len(long) >= MIN_LONG:
        long = long[:30]
        if first:
            return edges.first_tokens(long, length), None, f"{len(long)} reviews"
        tails, before = edges.last_tokens(point.model, long, length)
        return tails, before, f"{len(long)} reviews"
    texts = edges.neutral_texts(point, 24, length if first else 2 * length, seed=work.seed)
    return texts, None, f"{len(texts)} texts of neutral words (only {len(long)} reviews have more than {length} tokens)"


_BEGINNINGS = ("intact", "component removed", "random subspace removed", "on the attractor")


def _beginning(work: _Work) -> dict[str, edges.Profile]:
    point, wide = work.lasting(), work["subspace"].wide
    probes = _probes(point, 10)
    begin = edges.starts(point, wide, work["modifiers"].table, work.seed)
    texts, _, where = _long_texts(work, max(edges.PLACES) + edges.LAG + 1, first=True)
    found = {
        n: edges.start_profile(point, texts, probes.numbers, edges.PLACES, edges.LAG, begin[n], work.seed)
        for n in _BEGINNINGS
    }
    ratio = {n: p.relative_to(edges.LATE).estimate(0) for n, p in found.items()}
    more = {n: p.minus(found["on the attractor"]) for n, p in found.items() if n != "on the attractor"}
    extra = {n: p.estimate(0) for n, p in more.items()}
    intact, removed, random = (extra[n] for n in _BEGINNINGS[:3])
    work.claim(
        "beginning",
        f"the first token counts {_t(ratio['intact'])} times what a late one does, in {where}",
        f"begun on the attractor: {_t(ratio['on the attractor'])}",
        ratio["intact"].low > ratio["on the attractor"].high,
    )
    if intact.low > 0:
        work.claim(
            "beginning-gone",
            f"extra emphasis of the first token {_t(intact)} → {_t(removed)}",
            f"random subspace removed: {_t(random)}",
            True if removed.low < 0 else None if removed.high < intact.low / 2 else False,
        )
    else:
        work.unmeasured("beginning-gone", f"there is no emphasis to remove: {_t(intact)} for the first token")
    work.picture(
        edge_plots.emphasis(found),
        "Emphasis on the beginning",
        f"How much a word counts by its place, in multiples of its lasting valence, in {where}, read {edges.LAG} "
        f"tokens "
        "later; with 95 % bands. The initial state is the network's own, without its component in the modifier "
        "subspace, "
        "without a random one, or on the attractor.",
        f"The first token counts {ratio['intact'].value:.2f} times what a late one does; begun on the attractor "
        f"{ratio['on the attractor'].value:.2f} times.",
    )
    if intact.low <= 0:
        work.unmeasured("beginning-length", f"there is no emphasis that could decay: {_t(intact)} for the first token")
        return found
    length = edges.decay_length(more["intact"])
    short = length.length.high < 50
    work.claim(
        "beginning-length",
        f"length {_t(length.length, '.1f')} tokens (R² {length.r_squared:.2f}); {_t(length.plateau)} lasting valences "
        f"stay",
        f"longer than {3 * np.ptp(edges.PLACES):.0f} tokens cannot be told from ever",
        True if short and length.plateau.low < 0 else None if short else False,
    )
    return found


def _start_share(work: _Work) -> dict[str, Any]:
    point, wide, table = work.lasting(), work["subspace"].wide, work["modifiers"].table
    if np.allclose(point.model.cell.h0, point.h_star):
        raise Unmeasured("the initial state is the operating point itself")
    found = edges.compare_shares(point, wide, table, 100, work.seed)
    random, words, visited = (
        found[n].high for n in ("h₀ in a random subspace", "h₀ in a subspace of other words", "visited states")
    )
    share = found["h₀"].value
    special = [share > limit for limit in (random, words, visited)]
    work.claim(
        "start-share",
        f"{text_of(share, '.0%')} of its squared deflection, in {wide.dim} axes",
        f"97.5 % lie below {text_of(random, '.0%')} (random subspaces), {text_of(words, '.0%')} (subspaces of other "
        f"words), {text_of(visited, '.0%')} (visited "
        "states)",
        True if all(special) else None if special[0] else False,
    )
    return found


def _start_barcode(work: _Work) -> pd.DataFrame:
    point, table = work.lasting(), work["modifiers"].table
    found = edges.compare_barcodes(point, _probes(point, 20).numbers, table, seed=work.seed)
    gain, below = found.gain["h₀"].value, [found.gain[n] for n in ("random words", "random states")]
    work.claim(
        "start-barcode",
        f"gain {_t(gain, '+.2f')} (words count {_t(1 + gain, '.1f')} times); “extremely” "
        f"{_t(found.gain['extremely'], '+.2f')}",
        f"random words {_t(below[0], '+.2f')}, random states {_t(below[1], '+.2f')} (median, middle 95 %)",
        True if gain > max(0, *(b.high for b in below)) else None if gain > 0 else False,
    )
    return found


# --- chapter 5 --------------------------------------------------------------------------------


def _end(work: _Work) -> dict[str, edges.Profile]:
    point, seed = work.lasting(), work.seed
    probes = _probes(point, 10)
    lasting = valence(point, probes.numbers)
    tails, before, where = _long_texts(work, max(edges.LAGS) + 1, first=False)
    w = edges.end_readouts(point, work.model.final_states_of(work.ids), seed)
    effects = edges.end_effects(point.model, tails, probes.numbers, edges.LAGS, before, w)
    found = edges.end_profiles(effects, lasting, seed=seed)
    kernel = edges.mode_kernel(point, probes.numbers, edges.LAGS)
    predicted = edges.profile(kernel.total.T[None], lasting, edges.LAGS, seed=seed)
    slow = edges.profile(kernel.groups()["slow mode"].T[None], lasting, edges.LAGS, seed=seed)
    near = {n: found[n].relative_to(edges.LATE).mean(edges.NEAR) for n in edges.readouts(point)}
    last = {n: found[n].relative_to(edges.LATE).estimate(0) for n in edges.readouts(point)}
    random = found["random directions removed"].relative_to(edges.LATE).mean(edges.NEAR)
    agree = edges.agreement(effects[..., 0].mean(0).T, kernel.total, lasting, edges.LAGS, seed=seed)
    shuffle = np.random.default_rng([seed, 71]).permutation(len(lasting))
    shuffled = edges.agreement(effects[..., 0].mean(0).T, kernel.total[shuffle], lasting, edges.LAGS, seed=seed)
    peak = int(predicted.at[predicted.value.argmax()])
    # the chapter asks whether the emphasis changes; here the slow mode may fade too, so its part is taken out
    beyond = np.abs(predicted.value - slow.value).max()
    work.claim(
        "transient",
        f"linear theory: emphasis {_t(predicted.estimate(0))} at the last word, {_t(predicted.estimate(peak))} at "
        f"n = {peak}, {_t(predicted.value[-1])} at n = {predicted.at[-1]}; fast modes make up to {_t(beyond)} of it",
        f"the slow mode alone: {_t(slow.estimate(0))}, {_t(slow.estimate(peak))}, {_t(slow.value[-1])}",
        bool(beyond > 0.1),
    )
    work.claim(
        "end",
        f"words n = {edges.NEAR[0]} to {edges.NEAR[-1]} tokens before the end count {_t(near['intact'])} times what "
        f"they do at n = {edges.LATE[0]} to {edges.LATE[-1]}, the last token {_t(last['intact'])} times, in {where}",
        "as much as late words: 1",
        True if min(near["intact"].low, last["intact"].low) > 1 else None if near["intact"].low > 1 else False,
    )
    work.claim(
        "end-linear",
        f"correlation over words at n = 0 {_t(agree.correlation[0])}, with lasting valence held fixed "
        f"{_t(agree.partial[0])}",
        f"words shuffled: {_t(shuffled.correlation[0])}",
        True
        if agree.partial[0].low > 0
        else None
        if agree.correlation[0].low > max(0, shuffled.correlation[0].value)
        else False,
    )
    if near["intact"].low > 1:
        work.claim(
            "end-gone",
            f"last words over late ones {_t(near['intact'])} → {_t(near['slow mode alone'])} with the slow mode alone",
            f"random directions removed: {_t(random)}",
            near["slow mode alone"].high < near["intact"].low,
        )
    else:
        work.unmeasured("end-gone", f"there is no emphasis to remove: last words over late ones {_t(near['intact'])}")
    work.picture(
        edge_plots.emphasis(found | {"linear theory": predicted}, "tokens between the word and the end"),
        "Emphasis on the end",
        f"How much a word counts by its distance from the end, in multiples of its lasting valence, in {where}; with "
        f"95 % "
        "bands. The last state is read as it is, by the slow mode alone, without fast modes, or without random "
        "directions.",
        f"Words near the end count {near['intact'].value:.2f} times what earlier ones do; read by the slow mode alone "
        f"{near['slow mode alone'].value:.2f} times.",
    )
    return found


def _now_and_later(work: _Work) -> edges.NowAndLater:
    point = work.lasting()
    found = edges.now_and_later(point, work.seed)
    fresh = edges.now_and_later(operating_point(work.fresh, texts=work.texts(), seed=work.seed), work.seed)
    work.claim(
        "now-and-later",
        f"over frequent words: slope {_t(found.slope)}, correlation {_t(found.correlation)}",
        f"untrained network: correlation {_t(fresh.correlation)}",
        found.correlation.low > max(0, fresh.correlation.high),
    )
    return found


# --- stage by stage ---------------------------------------------------------------------------


class _Stage(NamedTuple):
    """A measure with its name, the section it stands in and the claims that it decides."""

    key: str
    title: str
    section: str
    run: Callable[[_Work], Any]
    claims: tuple[str, ...] = ()


SECTIONS = {
    "scores": "How good it is",
    "attractor": "Chapter 2: the line attractor",
    "modifiers": "Chapter 3: the modifier subspace",
    "beginning": "Chapter 4: the initial condition",
    "end": "Chapter 5: the end of a review",
}

STAGES = (
    _Stage("accuracy", "accuracy", "scores", _accuracy),
    _Stage("calibration", "calibration", "scores", _calibration),
    _Stage("dimensions", "dimensions of the states", "attractor", _dimensions, ("dimensions",)),
    _Stage("point", "operating point", "attractor", _point),
    _Stage("attractor", "fixed points and spectrum", "attractor", _attractor, ("curve", "slow-mode")),
    _Stage("directions", "directions of the slow mode", "attractor", _directions, ("directions",)),
    _Stage("words", "words along ℓ₁", "attractor", _words),
    _Stage("sorting", "words and their known valence", "attractor", _sorting, ("sorting",)),
    _Stage("linear", "linear model", "attractor", _linear, ("linear",)),
    _Stage("modifiers", "effects of every word", "modifiers", _modifiers),
    _Stage("ranking", "ranking against a grammar", "modifiers", _ranking, ("ranking",)),
    _Stage("barcodes", "barcodes", "modifiers", _barcodes, ("barcodes",)),
    _Stage("subspace", "modifier subspace", "modifiers", _subspace, ("subspace",)),
    _Stage("place", "place in the subspace", "modifiers", _place, ("place",)),
    _Stage("transients", "transients", "modifiers", _transients, ("transients",)),
    _Stage("abolition", "abolition experiment", "modifiers", _abolition,
           ("negators", "intensifiers", "abolition", "amplification")),
    _Stage("costs", "costs in accuracy", "modifiers", _costs),
    _Stage("start-share", "initial state in the subspace", "beginning", _start_share, ("start-share",)),
    _Stage("start-barcode", "barcode of the initial state", "beginning", _start_barcode, ("start-barcode",)),
    _Stage("beginning", "emphasis on the beginning", "beginning", _beginning,
           ("beginning", "beginning-length", "beginning-gone")),
    _Stage("end", "emphasis on the end", "end", _end, ("transient", "end", "end-linear", "end-gone")),
    _Stage("now-and-later", "valence now and later", "end", _now_and_later, ("now-and-later",)),
)  # fmt: skip


def analyse(
    model: Any, reviews: Reviews, *, scored: int = 300, seed: int = 0, command: str = "", progress: bool = False
) -> Report:
    """Measure a network on texts; what cannot be measured is said in its place.

    Parameters
    ----------
    model : SentimentRNN, BagOfWords or AugmentedBagOfWords
        One without counts takes the word frequencies of the reviews.
    reviews : Reviews
        Texts that it was not trained on. Labels of −1 are unknown.
    scored : int
        Reviews to use at most, drawn by ``seed``.
    command : str
        Shown in the header.
    progress : bool
        Show a bar with the stages.

    Returns
    -------
    Report
        Under two minutes on two cores for a GRU of 256 units and 260 short reviews.

    Raises
    ------
    ValueError
        If ``scored`` is under 1, or the network's logits are not finite.
    """
    from tqdm.auto import tqdm

    if scored < 1:
        raise ValueError(f"scored must be at least 1, not {scored}: it is how many reviews to use")
    used = reviews.sample(scored, seed)
    if model.counts is None:
        model = _counted(model, reviews)
    work = _Work(model, used, seed)
    bad = int((~np.isfinite(work.logits)).reshape(len(used), -1).any(1).sum())
    if bad:
        raise ValueError(
            f"{model.name} gives no finite logit on {bad} of {len(used)} reviews: look for NaN in its weights"
        )
    notes: dict[str, None] = {}
    with tqdm(total=len(STAGES), unit="stage", desc="report", disable=not progress) as bar:
        for stage in STAGES:
            bar.set_postfix_str(stage.title)
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                _run(stage, work)
            notes |= {f"{stage.title}: {w.message}": None for w in caught if _tells(w)}
            bar.update()
    facts = {
        "Network": repr(model),
        "Data": f"{used.name}, split {used.split}",
        "Fingerprint of the data": reviews.fingerprint,
        "Reviews": f"{len(used):,} used of {len(reviews):,}",
        "Package": f"rnnrev {__version__}",
        "Date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "Seed": str(seed),
        "Command": command or "rnnrev.report.analyse",
    }
    claims = tuple(work.claims[key] for key in CLAIMS)
    sections = tuple(Section(key, title, tuple(work.items.get(key, ()))) for key, title in SECTIONS.items())
    return Report(f"{model.name} on {used.name}", facts, claims, sections, tuple(notes))


def _counted(model: Any, reviews: Reviews) -> Any:
    ids = np.concatenate(model.vocabulary.encode_all(reviews.texts))
    return replace(model, counts=np.bincount(ids, minlength=len(model.vocabulary)))


def _tells(warning: warnings.WarningMessage) -> bool:
    # a font's missing glyphs and a figure's layout say nothing about the network
    about_figures = "matplotlib" in warning.filename or "Glyph" in str(warning.message)
    return warning.category is UserWarning and not about_figures


def _run(stage: _Stage, work: _Work) -> None:
    work.section = stage.section
    try:
        with np.errstate(all="ignore"):
            work.found[stage.key] = stage.run(work)
    except _FAILURES as error:
        reason = str(error.args[0] if error.args else type(error).__name__)
        if not isinstance(error, Unmeasured):
            reason = f"it failed on these texts and this network ({reason})"
        work.reasons[stage.key] = reason
        work.add(Missing(stage.title, reason))
        for key in stage.claims:
            if key not in work.claims:
                work.unmeasured(key, reason)


# --- the page ---------------------------------------------------------------------------------

_STYLE = """
:root { color-scheme: light dark; --text: #1c1c1c; --soft: #555; --back: #fff; --panel: #f4f4f2; --line: #c9c9c4;
  --holds: #00593f; --part: #7a4b00; --not: #9c2a00; --none: #555; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e6e3; --soft: #b4b4ae; --back: #16181a; --panel: #212427;
  --line: #45494d; --holds: #6fd3ae; --part: #f0bd63; --not: #ff9d7a; --none: #b4b4ae; }
  figure img { filter: invert(0.92) hue-rotate(180deg); } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 1rem/1.55 system-ui, sans-serif; }
header, main, footer { max-width: 60rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 1.5rem 0 0.5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0.5rem; border-top: 1px solid var(--line); padding-top: 1.5rem; }
h3 { font-size: 1.05rem; margin: 2rem 0 0.5rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 0.25rem 1rem; background: var(--panel);
  padding: 1rem; border-radius: 0.5rem; font-size: 0.9rem; margin: 1rem 0; }
dt { color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
.code { font-family: ui-monospace, monospace; font-size: 0.85rem; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; line-height: 1.4; }
th, td { text-align: left; vertical-align: top; padding: 0.4rem 0.7rem 0.4rem 0; border-bottom: 1px solid var(--line); }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 500; }
caption { text-align: left; color: var(--soft); font-size: 0.9rem; padding-bottom: 0.5rem; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--holds); outline-offset: 2px; }
.verdict { font-weight: 700; white-space: nowrap; }
.holds { color: var(--holds); } .in-part { color: var(--part); } .not { color: var(--not); }
.not-measured { color: var(--none); font-weight: 500; }
figure { margin: 0 0 1.5rem; }
figure img { display: block; width: 100%; min-width: 34rem; height: auto; background: #fff; }
figcaption, .missing, footer { color: var(--soft); font-size: 0.9rem; }
.missing { border-left: 3px solid var(--line); padding-left: 0.8rem; overflow-wrap: anywhere; }
footer { padding-bottom: 3rem; }
@media (max-width: 44rem) {
  dl { display: block; } dd { margin-bottom: 0.5rem; }
  .claims, .claims tbody, .claims tr, .claims td, .claims th, .claims caption { display: block; }
  .claims thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden; }
  .claims tr { border-bottom: 1px solid var(--line); padding: 0.7rem 0; }
  .claims td, .claims th { border: 0; padding: 0.1rem 0; }
  .claims td[data-label]:not(:empty)::before { content: attr(data-label) ": "; color: var(--soft); }
}
"""


def _e(text: str) -> str:
    return html.escape(text, quote=True)


def to_html(report: Report) -> str:
    """One HTML page: figures and style inside it, no script, nothing loaded from elsewhere."""
    code = {k: ' class="code"' for k in ("Network", "Fingerprint of the data", "Command")}
    facts = "\n".join(f"<dt>{_e(k)}</dt><dd{code.get(k, '')}>{_e(v)}</dd>" for k, v in report.facts.items())
    verdicts = report.verdicts
    summary = ", ".join(f"{verdict} {n}" for verdict, n in verdicts.items())
    body = "\n".join(_section(s) for s in report.sections)
    notes = "".join(f"<li>{_e(n)}</li>" for n in report.notes)
    notes = (
        f'<section aria-labelledby="notes"><h2 id="notes">Warnings</h2>\n<ul>{notes}</ul></section>' if notes else ""
    )
    title = f"Report: {report.title}"
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<meta name="generator" content="rnnrev {_e(__version__)}">
<title>{_e(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>{_e(title)}</h1>
<dl>
{facts}
</dl>
</header>
<main>
<section aria-labelledby="claims">
<h2 id="claims">The claims of chapters 2 to 5</h2>
<p>Of {len(report.claims)} claims: {_e(summary)}. Brackets hold 95 % intervals. The rules of the verdicts are close to
those of the book's chapters: a claim <em>holds</em> if its interval is clear of the control or of a threshold,
<em>in part</em> if some of what it says is. One network and one set of texts show what is so here, not what is so in
general.</p>
{_claims(report.claims)}
</section>
{body}
{notes}
</main>
<footer><p>Made by rnnrev {_e(__version__)}. The measures are explained in the book, chapter by chapter.</p></footer>
</body>
</html>
"""


def _claims(claims: Sequence[Claim]) -> str:
    # roles keep it a table for screen readers where a narrow page shows rows as cards
    rows = "\n".join(
        f'<tr role="row" id="claim-{c.key}"><td role="cell" data-label="Chapter">{c.chapter}</td>'
        f'<th role="rowheader" scope="row">{_e(c.text)}</th>'
        f'<td role="cell" data-label="Found">{_e(c.found)}</td>'
        f'<td role="cell" data-label="Control">{_e(c.control)}</td>'
        f'<td role="cell" data-label="Verdict" class="verdict {c.verdict.replace(" ", "-")}">{c.verdict}</td></tr>'
        for c in claims
    )
    heads = "".join(
        f'<th role="columnheader" scope="col">{h}</th>' for h in ("Chapter", "Claim", "Found", "Control", "Verdict")
    )
    return (
        f'<table class="claims" role="table"><thead role="rowgroup"><tr role="row">{heads}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{rows}\n</tbody></table>'
    )


def _section(section: Section) -> str:
    parts = []
    for missing, items in groupby(section.items, lambda i: i.reason if isinstance(i, Missing) else None):
        if missing is not None:
            what = ", ".join(i.what for i in items if isinstance(i, Missing))
            parts.append(f'<p class="missing"><strong>Not measured: {_e(what)}.</strong> Reason: {_e(missing)}.</p>')
            continue
        parts += [_item(i) for i in items]
    inside = "\n".join(parts) or "<p>Nothing to show.</p>"
    head = f'<h2 id="{section.key}">{_e(section.title)}</h2>'
    return f'<section aria-labelledby="{section.key}">\n{head}\n{inside}\n</section>'


def _item(item: Any) -> str:
    if isinstance(item, Picture):
        data = base64.b64encode(item.png).decode()
        return (
            f'<h3>{_e(item.title)}</h3>\n<figure><div class="scroll" role="region" tabindex="0" '
            f'aria-label="Figure: {_e(item.title)}"><img alt="{_e(item.alt)}" src="data:image/png;base64,{data}"></div>'
            f"<figcaption>{_e(item.caption)}</figcaption></figure>"
        )
    if isinstance(item, Table):
        heads = "".join(f'<th scope="col">{_e(c)}</th>' for c in item.columns)
        rows = "\n".join(
            f'<tr><th scope="row">{_e(first)}</th>{"".join(f"<td>{_e(v)}</td>" for v in rest)}</tr>'
            for first, *rest in item.rows
        )
        caption = f"<caption>{_e(item.caption)}</caption>" if item.caption else ""
        return (
            f'<h3>{_e(item.title)}</h3>\n<div class="scroll" role="region" tabindex="0" '
            f'aria-label="Table: {_e(item.title)}">'
            f"<table>{caption}<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
        )
    return f"<p>{_e(item)}</p>"


# --- files in, file out -----------------------------------------------------------------------


def load_data(name: str, split: str | None = None, text: str = "text", label: str = "label") -> Reviews:
    """Reviews for a report: of a file, or of a data set by name, of the split that networks are not trained on."""
    return load_reviews(name, split, text=text, label=label)


def check_out(out: str | os.PathLike[str]) -> Path:
    """The file to write, if it can be; ``OSError`` says what is wrong, before anything is measured."""
    file = Path(out)
    if file.is_dir():
        raise IsADirectoryError(f"{file} is a folder: give the report a file name, --out {file / 'report.html'}")
    if not file.parent.is_dir():
        raise FileNotFoundError(f"the folder {file.parent} does not exist: make it first, or give another --out")
    if not os.access(file.parent, os.W_OK):
        raise PermissionError(f"the folder {file.parent} cannot be written to: give another --out")
    return file


def write(
    model: Any, reviews: Reviews, out: str | os.PathLike[str] = "report.html", **options: Any
) -> tuple[Path, Report]:
    """Measure (options are those of :func:`analyse`) and write the page in one step; an old one stays until then."""
    file = check_out(out)
    report = analyse(model, reviews, **options)
    return write_text(file, to_html(report)), report
