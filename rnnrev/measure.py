"""A network is measured once, into one tidy table: everything that chapters 1 to 5 claim about one network on texts.

:func:`measure` goes through :data:`PARTS`, small functions that each yield rows of the table; what several of them need
is in the :class:`rnnrev.analysis.Analysis` that they are given. Controls are rows too, under their own condition. What
cannot be shown is a row without a value that says why (:class:`rnnrev.linear.Unmeasured`); any other error is a bug and
raises. :mod:`rnnrev.claims` judges the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import TYPE_CHECKING, TypedDict

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from . import edges, modifiers, perturb, stats, zoo
from . import line_attractor as la
from .analysis import MIN_REVIEWS, Analysis, usable
from .data import DataError, Reviews, load_contrasts
from .linear import Unmeasured, linear_model, mode_kernel, operating_point, valence
from .model import Classifier
from .stats import Estimate, text_of
from .subspace import modifier_subspace, random_subspace, volume

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

__all__ = ["measure"]

_MIN_FIT = 0.8  #: R²; below it an exponential has no length


class Row(TypedDict):
    """A row of the table of one network on one text."""

    measure: str
    condition: str
    at: float  #: the place, lag or number of a curve's point
    value: float
    low: float
    high: float
    n: float  #: what the value was counted over
    note: str  #: why there is none


#: Columns of the table.
COLUMNS = ("network", "data", *Row.__annotations__)


# --- rows -----------------------------------------------------------------------------------------


def row(
    measure: str, value: float | Estimate, condition: str = "", *, at: float = np.nan, n: float = np.nan, note: str = ""
) -> Row:
    value, low, high = map(float, value if isinstance(value, Estimate) else (value, np.nan, np.nan))
    if np.isnan(value) and not note:
        note = "the result is not a number: there is too little data, or nothing varies"
    return {"measure": measure, "condition": condition, "at": at, "value": value, "low": low, "high": high, "n": n,
            "note": note}  # fmt: skip


def _attempt(
    measure: str, compute: Callable[[], float | Estimate], condition: str = "", n: float = np.nan, note: str = ""
) -> Row:
    """A row, or why there is no value, where that says nothing about the rows after it."""
    try:
        made = row(measure, compute(), condition, n=n)
    except (Unmeasured, DataError) as error:
        return row(measure, np.nan, condition, note=str(error))
    made["note"] = made["note"] or note
    return made


def _shown(found: DataclassInstance, condition: str = "", n: float = np.nan) -> Iterator[Row]:
    """The fields of a result that tables show, by their names."""
    for f in fields(found):
        if "format" in f.metadata:
            yield row(f.name, getattr(found, f.name), condition, n=n)


def _table(found: pd.DataFrame, prefix: str, condition: str | None = None, n: float = np.nan) -> Iterator[Row]:
    """The cells of a table of estimates: a measure for each column, the index as condition (or, with one, as place)."""
    for name, values in found.iterrows():
        which, at = (str(name), np.nan) if condition is None else (condition, name)
        yield from (row(f"{prefix}{column}", value, which, at=at, n=n) for column, value in values.items())


def _curve(measure: str, at: Iterable[float], values: Iterable[float | Estimate], condition: str = "") -> Iterator[Row]:
    return (row(measure, value, condition, at=float(place)) for place, value in zip(at, values))


def _profile(measure: str, found: edges.Profile, condition: str) -> Iterator[Row]:
    return _curve(measure, found.at, map(found.estimate, found.at.tolist()), condition)


def _size(found: Estimate, whole: float = 1.0) -> Estimate:
    """|value| in multiples of a whole, and what the interval becomes: down to 0 where it holds 0."""
    low, high = sorted(abs(v / whole) for v in found[1:])
    return Estimate(abs(found.value / whole), 0.0 if found.low <= 0 <= found.high else low, high)


# --- the parts ------------------------------------------------------------------------------------


_Run = Callable[[Analysis], Iterable[Row]]


@dataclass(frozen=True)
class Part:
    """A section of a chapter: ``run`` yields rows of these ``measures``."""

    name: str
    chapter: int
    run: _Run = field(repr=False)
    measures: tuple[str, ...]


_registered: list[Part] = []


def _part(chapter: int, *measures: str) -> Callable[[_Run], _Run]:
    def register(run: _Run) -> _Run:
        _registered.append(Part(run.__name__.strip("_"), chapter, run, measures))
        return run

    return register


@_part(1, "accuracy", "accuracy_by_length", "calibration_error")
def _accuracy(a: Analysis) -> Iterator[Row]:
    right, labels = a.right, a.reviews.labels[a.labelled]
    yield row("accuracy", stats.accuracy(right, np.ones_like(right)), n=len(right))
    yield row("accuracy", float(np.bincount(labels).max() / len(labels)), "commonest label", n=len(right))
    lengths = pd.Series([len(i) for i, known in zip(a.ids, a.labelled) if known])
    for _, group in lengths.groupby(pd.qcut(lengths, 6, duplicates="drop"), observed=True):
        there = right[group.index]
        found = stats.accuracy(there, np.ones_like(there))
        yield row("accuracy_by_length", found, at=float(group.median()), n=len(there))
    yield _attempt("calibration_error", lambda: a.calibration[1], n=len(right))


@_part(1, "accuracy_gain")
def _gain(a: Analysis) -> Iterator[Row]:
    labels, _ = a.scores
    bag = (a.bag.logits([t for t, known in zip(a.reviews.texts, a.labelled) if known]) > 0) == labels
    yield row("accuracy_gain", stats.bootstrap(a.right.astype(float) - bag, seed=a.seed), n=len(bag))
    yield row("accuracy", stats.accuracy(bag, np.ones_like(bag)), "bag of words", n=len(bag))


@_part(1, "phrases_in_order", "negation_apart")
def _phrases(a: Analysis) -> Iterator[Row]:
    if a.logits.ndim == 2:
        raise Unmeasured("the network has more than two classes: this is measured on one logit")
    table = load_contrasts()
    table = table[[not np.any(ids == 1) for ids in a.model.vocabulary.encode_all(table.text)]]
    for condition, model in (("", a.model), ("bag of words", zoo.bag_of(a.model))):
        read = table.assign(logit=model.logits(list(table.text)))
        words = read.groupby(["valence", "word", "condition"]).logit.mean().unstack()
        words = words.reindex(columns=["base", "negated", "intensified"]).dropna()
        if (words.groupby("valence").size().reindex([-1, 1], fill_value=0) < 3).any():
            raise Unmeasured(
                "the network knows the words of too few of the book's contrast phrases (“the movie was not good”)"
            )
        up, down = words.loc[1], -words.loc[-1]
        order = [((w.negated < w.base) & (w.base < w.intensified)).to_numpy(float) for w in (up, down)]
        shift = [(w.negated - w.base).to_numpy() for w in (up, down)]
        for measure, of in (("phrases_in_order", order), ("negation_apart", [-2 * s for s in shift])):
            found = stats.bootstrap(
                tuple(of), lambda x, y, axis=-1: (x.mean(axis) + y.mean(axis)) / 2, paired=False, seed=a.seed, n=1000
            )
            yield row(measure, found, condition, n=len(words))


@_part(2, "n90", "participation", "variance")
def _states(a: Analysis) -> Iterator[Row]:
    for condition, found in a.dimensions.items():
        yield from _shown(found, condition, len(a.reviews))
        shares = dict(enumerate(map(Estimate, found.cumulative, found.low, found.high), 1))
        at = [k for k in (1, 2, 3, 5, 8, 12, 20, 30, 50) if k in shares]
        yield from _curve("variance", at, (shares[k] for k in at), condition)


@_part(2, "gap_of_tau", "tau_1", "tau_2", "slow_modes", "growing", "slow_grows", "tau", "speed", "unrest", "period")
def _modes(a: Analysis) -> Iterator[Row]:
    yield from _shown(a.spectra, n=len(a.spectra.slow))
    modes, at = a.point.modes, a.attractor
    yield from _curve("tau", range(1, 21), modes.slowest[:20])
    for condition, q in (("", at.points.q), ("starts", 0.5 * ((at.mean_map(at.start) - at.start) ** 2).sum(-1))):
        yield row("speed", stats.bootstrap(q, np.median, n=500), condition, n=len(q))
    yield row("unrest", la.unrest(at))
    turn = abs(np.angle(modes.eigvals[0]))
    still = "" if turn > 1e-6 else "the leading mode does not turn"
    yield row("period", np.nan if still else 2 * np.pi / turn, note=still)
    yield from _shown(a.fresh_spectra, "untrained", len(a.fresh_spectra.slow))


@_part(2, "on_curve", "rank", "on_line", "local_dimension", "tangent", "alignment", "alignment_left")
def _curve_of_points(a: Analysis) -> Iterator[Row]:
    for condition, states in (("", a.attractor.h_star), ("visited states", a.attractor.start)):
        yield from _shown(la.curve_shape(a.point.model, states), condition, len(states))
    yield from _table(la.alignment(a.attractor, a.spectra).table, "", n=len(a.attractor.h_star))


@_part(2, "sorting", "kinds_apart", "effect_size")
def _sorting(a: Analysis) -> Iterator[Row]:
    _, measured, known = a.sorted_words
    shuffled = np.random.default_rng([a.seed, 59]).permutation(known)
    for condition, truth in (("", known), ("words shuffled", shuffled)):
        yield from _shown(la.valence_sorting(measured, truth, min(100, len(known) // 4)), condition, len(known))
    yield row("effect_size", float(measured.std()), n=len(known))


@_part(2, "step_error")
def _step(a: Analysis) -> Iterator[Row]:
    lengths = np.array([len(i) for i in a.ids])
    lags = [n for n in (1, 2, 5, 10, 20, 50) if (lengths >= la.BURN_IN + n).sum() >= MIN_REVIEWS]
    yield from _table(la.step_error(linear_model(a.point), a.ids, lags or [1], a.seed), "step_", "")


@_part(2, "linear_r2", "linear_agree", "linear_accuracy")
def _linear(a: Analysis) -> Iterator[Row]:
    bag = None
    try:
        bag = a.bag
    except Unmeasured as error:
        for measure in ("linear_r2", "linear_agree"):
            yield row(measure, np.nan, "bag of words", note=str(error))
    found = la.linear_predictions(a.attractor, a.point, a.reviews, bag, a.seed)
    yield from _table(found.table, "linear_", n=len(a.reviews))


@_part(3, "ranking", "precision20", "called")
def _ranking(a: Analysis) -> Iterator[Row]:
    table, grammar, kinds = a.effects, modifiers.lexicon(), ("negator", "amplifier", "downtoner")
    listed = int(grammar.word.isin(table.word).sum())
    if listed < 5:
        raise Unmeasured(f"only {listed} of the grammar's {len(grammar)} modifiers are frequent words of the network")
    for column in ("strength", "norm"):
        found = modifiers.ranking_auc(table, column)
        yield row("ranking", found.auc, column, n=found.known)
        yield row("precision20", found.precision20, column, n=20)
        found = modifiers.ranking_auc(table, column, kinds[:2])
        yield row("ranking", found.auc, f"{column} without downtoners", n=found.known)
    yield row("precision20", found.chance, "chance", n=len(table))
    for kind, sign in zip(kinds, (-1, 1, -1)):
        signed = table.assign(gain=sign * table.gain)
        yield _attempt("ranking", lambda t=signed, k=kind: modifiers.ranking_auc(t, "gain", (k,)).auc, f"{kind}s")  # type: ignore[misc]
    for kind in ("negator", "intensifier", "diminisher"):
        yield row("called", float((table.kind == kind).sum()), kind, n=len(table))


@_part(3, "barcode_kinds", "barcode_one")
def _barcodes(a: Analysis) -> Iterator[Row]:
    grammar = modifiers.lexicon()
    poles = grammar[grammar.word.isin(a.effects.word) & (grammar.kind != "downtoner")]
    counts = poles.kind.value_counts()
    if len(counts) < 2 or counts.min() < 3:
        raise Unmeasured("fewer than three negators or amplifiers of the grammar are frequent words of the network")
    codes = modifiers.barcode(a.lasting, list(poles.word), a.probes)
    found = modifiers.cluster_barcodes(codes, list(poles.kind))
    yield row("barcode_kinds", found.agreement, n=len(poles))
    yield row("barcode_kinds", found.chance, "kinds shuffled", n=len(poles))
    yield row("barcode_one", found.one, n=len(poles))


@_part(3, "dimension", "first_axis", "axis_share", "effect_left")
def _subspace(a: Analysis) -> Iterator[Row]:
    found, n = a.dimension, len(a.subspace.words)
    missed = f"not reached: {found.axes} axes leave more than a tenth of the effect" if found.k is None else ""
    yield row("dimension", np.nan if found.k is None else float(found.k), n=n, note=missed)
    others = [Estimate(v, np.nan, high) for v, high in zip(found.typical, found.limit)]
    for condition, shares in (("", found.shares), ("other words", others)):
        yield row("first_axis", shares[0], condition, n=n)
        yield from _curve("axis_share", range(1, len(shares) + 1), shares, condition)
    for condition, left in (("integrated", found.left), ("now", found.left_now)):
        yield from _curve("effect_left", range(len(left)), left, condition)


@_part(3, "place")
def _place(a: Analysis) -> Iterator[Row]:
    for condition, axis in (("", a.subspace), ("random axis", random_subspace(a.lasting, 1, a.seed))):
        found = volume(a.lasting, a.effects, axis, a.probes)
        yield row("place", _size(found.correlation), condition, n=len(a.effects))


@_part(3, "linear_transients", "half_life")
def _transients(a: Analysis) -> Iterator[Row]:
    known = a.effects.word[a.effects.word.isin(modifiers.lexicon().word)]
    words = [*dict.fromkeys([*a.effects.word[:20], *known[:20]])]
    found = modifiers.transients(a.lasting, words, 30, a.probes)
    shuffled = found.linear_gain[np.random.default_rng([a.seed, 61]).permutation(len(words))]
    yield row("linear_transients", modifiers.linear_fit(found), n=len(words))
    yield row("linear_transients", modifiers.linear_fit(replace(found, linear_gain=shuffled)), "words shuffled")
    for kind, lives in modifiers.half_lives(found, a.effects).items():
        if len(lives) > 2:
            yield row("half_life", stats.bootstrap(lives, np.median, n=500), kind, n=len(lives))


_GAINS = ("gain_negated", "gain_intensified", "gain_diminished")


@_part(3, *_GAINS, "effect_left_without", "effect_kept_without", "amplified", "own_valence", "plain_valence")
def _abolition(a: Analysis) -> Iterator[Row]:
    found = {(r.perturbation, r.condition): r for r in a.abolition.itertuples()}
    for (perturbation, condition), r in found.items():
        yield row(f"gain_{condition}", r.gain, perturbation, n=r.pairs)
        if condition == "negated":
            yield row("own_valence", r.own, perturbation, n=r.pairs)
            yield row("plain_valence", r.base, perturbation, n=r.pairs)
    for name, pairs, lasting in (("lasting", a.pairs, True), ("other words in their place", a.other_pairs, False)):
        for r in perturb.abolition(a.lasting, pairs, {"intact": []}, lasting=lasting, seed=a.seed).itertuples():
            yield row(f"gain_{r.condition}", r.gain, name, n=r.pairs)
    poles = {c: found["intact", c].gain for c in ("negated", "intensified") if ("intact", c) in found}
    poles = {c: gain for c, gain in poles.items() if _size(gain).low > 0}
    if not poles:
        raise Unmeasured("neither negators nor intensifiers do anything in the contrast phrases that could be removed")
    for perturbation in a.perturbations:
        parts = [_size(found[perturbation, c].gain, gain.value) for c, gain in poles.items()]
        if "×" in perturbation:
            yield row("amplified", min(parts), perturbation)
        elif perturbation not in ("intact", "other words removed"):
            yield row("effect_left_without", max(parts), perturbation)
            yield row("effect_kept_without", min(parts), perturbation)
    draws = {str(i): [perturb.project_out(other)] for i, other in enumerate(a.other_subspaces)}
    table = perturb.abolition(a.lasting, a.pairs, draws, seed=a.seed).set_index("condition")
    shares = np.array([[_size(gain, poles[c].value).value for gain in table.gain[[c]]] for c in poles])
    for name, of in (("effect_left_without", shares.max(0)), ("effect_kept_without", shares.min(0))):
        drawn = Estimate(float(np.median(of)), float(of.min()), float(of.max()))
        yield row(name, drawn, "other words removed", n=len(of))


@_part(3, *(f"{gain}_sentences" for gain in (*_GAINS, "gain_control")))
def _sentences(a: Analysis) -> Iterator[Row]:
    pairs = perturb.sentence_pairs(a.lasting, a.effects, a.reviews.texts, n=300, seed=a.seed)
    pairs = usable(pairs, "sentences of these texts with a modifier")
    tried = {k: a.perturbations[k] for k in ("intact", "modifiers removed", "other words removed")}
    for r in perturb.abolition(a.lasting, pairs, tried, seed=a.seed).itertuples():
        yield row(f"gain_{r.condition}_sentences", r.gain, r.perturbation, n=r.pairs)


@_part(3, "accuracy_lost")
def _costs(a: Analysis) -> Iterator[Row]:
    for r in a.costs.itertuples():
        yield row("accuracy_lost", r.cost, r.perturbation, n=int(a.labelled.sum()))


@_part(4, "start_share", "start_dimension")
def _start_share(a: Analysis) -> Iterator[Row]:
    if np.allclose(a.lasting.model.cell.h0, a.lasting.h_star):
        raise Unmeasured("the initial state is the operating point itself")
    for condition, share in edges.compare_shares(a.lasting, a.subspace, a.effects, seed=a.seed).items():
        yield row("start_share", share, condition)
    yield row("start_dimension", float(a.subspace.dim))


@_part(4, "start_gain", "start_correlation")
def _start_gain(a: Analysis) -> Iterator[Row]:
    yield from _table(edges.compare_barcodes(a.lasting, a.probes.numbers, a.effects, seed=a.seed), "start_")


@_part(4, "start_emphasis", "start_first", "start_excess", "start_length", "start_plateau", "start_excess_left")
def _beginning(a: Analysis) -> Iterator[Row]:
    found, _, where = a.start_profiles
    for condition, profile in found.items():
        yield from _profile("start_emphasis", profile, condition)
        yield _attempt("start_first", partial(_outermost, profile), condition, note=where)
    more = {k: p.minus(found["on the attractor"]) for k, p in found.items() if k != "on the attractor"}
    excess = {k: p.estimate(0) for k, p in more.items()}
    for condition, value in excess.items():
        yield row("start_excess", value, condition)
    if not excess["intact"].low > 0:
        raise Unmeasured(
            f"no emphasis on the beginning: {text_of(excess['intact'], '.2f')} lasting valences over mid-text"
        )
    for condition, value in excess.items():
        if condition != "intact":
            yield row("start_excess_left", _size(value, excess["intact"].value), condition)
    decay = edges.decay_length(more["intact"])
    poor = "" if decay.r_squared > _MIN_FIT else f"no exponential fits the decay (R² {decay.r_squared:.2f})"
    yield row("start_length", np.nan if poor else decay.length, "intact", note=poor)
    yield row("start_plateau", np.nan if poor else decay.plateau, "intact", note=poor)


@_part(4, "start_axes_left", "start_axes_share")
def _first_axes(a: Analysis) -> Iterator[Row]:
    profiles, texts, _ = a.start_profiles
    whole = profiles["intact"].minus(profiles["on the attractor"]).estimate(0)
    if not whole.low > 0:
        raise Unmeasured(f"no emphasis on the beginning: {text_of(whole, '.2f')} lasting valences over mid-text")
    wide = modifier_subspace(a.lasting, a.subspace.words, min(3, len(a.subspace.words)))
    found = edges.by_axes(a.lasting, texts, a.strongest, wide, a.effects, range(1, wide.dim + 1))
    for r in found.itertuples():
        yield row("start_axes_left", _size(r.left, whole.value), r.removed, at=r.axes, n=len(texts))
        yield row("start_axes_share", r.share, r.removed, at=r.axes)


@_part(5, "end_emphasis", "end_near", "end_last", "end_transient", "end_leak", "end_excess_left")
def _end(a: Analysis) -> Iterator[Row]:
    found, _, where = a.end_profiles
    for condition, profile in found.items():
        yield from _profile("end_emphasis", profile, condition)
    yield row("end_transient", found["intact"].minus(found["slow mode alone"]).estimate(0))
    yield row("end_leak", edges.leak_rate(found["slow mode alone"]), "measured")
    yield row("end_leak", float(1 / a.lasting.tau), "theory")
    for condition, profile in found.items():
        yield _attempt("end_near", partial(_near, profile), condition, note=where)
        yield _attempt("end_last", partial(_outermost, profile), condition, note=where)
    whole = _near(found["intact"])
    if not whole.low > 1:
        raise Unmeasured(f"there is no emphasis on the end: last words count {text_of(whole, '.2f')} times")
    for condition, profile in found.items():
        if condition != "intact":
            yield _attempt("end_excess_left", partial(_excess, profile, whole.value), condition)


def _outermost(profile: edges.Profile) -> Estimate:
    return profile.relative_to(edges.LATE).estimate(0)


def _near(profile: edges.Profile) -> Estimate:
    return profile.relative_to(edges.LATE).mean(edges.NEAR)


def _excess(profile: edges.Profile, whole: float) -> Estimate:
    return _size(Estimate(*(v - 1 for v in _near(profile))), whole - 1)


@_part(5, "end_fast", "end_correlation", "end_partial", "now_and_later")
def _linear_end(a: Analysis) -> Iterator[Row]:
    lasting, kernel = valence(a.lasting, a.strongest), mode_kernel(a.lasting, a.strongest, edges.LAGS)
    parts = {"linear theory": kernel.total} | {k.partition(" (")[0]: p for k, p in kernel.groups().items()}
    parts["fast modes"] = sum(
        (p for k, p in parts.items() if k in ("τ < 3", "3 ≤ τ < 10")), np.zeros_like(kernel.total)
    )
    found = {k: edges.profile(p.T[None], lasting, edges.LAGS, seed=a.seed) for k, p in parts.items()}
    for condition, profile in found.items():
        yield from _profile("end_emphasis", profile, condition)
    fast = found["fast modes"]
    yield row("end_fast", _size(fast.estimate(int(fast.at[np.abs(fast.value).argmax()]))), n=len(lasting))
    effects, shuffle = a.end_profiles[1], np.random.default_rng([a.seed, 71]).permutation(len(lasting))
    for condition, predicted in (("reviews", kernel.total), ("words shuffled", kernel.total[shuffle])):
        agreed = edges.agreement(effects, predicted, lasting, seed=a.seed)
        yield from _table(agreed, "end_", condition, len(lasting))
    for condition in ("", "untrained "):
        point = operating_point(a.fresh, texts=a.reviews.texts[:100], seed=a.seed) if condition else a.lasting
        every = edges.now_and_later(point, a.seed)
        yield row("now_and_later", every.slope, f"{condition}slope", n=len(a.words))
        yield row("now_and_later", every.correlation, f"{condition}correlation", n=len(a.words))


#: The parts in the order of the book.
PARTS: tuple[Part, ...] = tuple(_registered)


# --- the table ------------------------------------------------------------------------------------


def tabulate(analysis: Analysis, parts: Sequence[Part] = PARTS, progress: bool = True) -> pd.DataFrame:
    """The rows of some parts as one table with :data:`COLUMNS`; a bar shows the parts.

    A part that cannot be measured leaves, for each of its measures without a row, one that says why.
    """
    rows: list[Row] = []
    with tqdm(parts, unit="part", desc=f"measure {analysis.model.name}", disable=not progress) as bar:
        for part in bar:
            bar.set_postfix_str(part.name)
            there = set()
            try:
                with np.errstate(all="ignore"):
                    for one in part.run(analysis):
                        rows.append(one)
                        there.add(one["measure"])
            except (Unmeasured, DataError) as error:
                rows += [row(measure, np.nan, note=str(error)) for measure in part.measures if measure not in there]
    where = {"network": analysis.model.name, "data": f"{analysis.reviews.name}/{analysis.reviews.split}"}
    return pd.DataFrame([{**where, **one} for one in rows], columns=list(COLUMNS))


def measure(
    model: Classifier, reviews: Reviews, *, seed: int = 0, scored: int = 300, parts: Sequence[Part] = PARTS,
    progress: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Everything that the book claims of one network, measured on texts that it was not trained on.

    At most ``scored`` of the reviews are used, drawn by ``seed``, as is all else; a label of −1 is unknown. A model
    without counts takes the word frequencies of the reviews. ``parts`` are sections of chapters, of :data:`PARTS`.
    Returns a table of :data:`COLUMNS`, one row a measure, condition and place: a minute and a half on two cores for a
    GRU of 256 units and 300 film reviews. ``ValueError`` if ``scored`` is under 1, or logits are not finite.
    """
    return tabulate(Analysis.of(model, reviews, scored, seed), parts, progress)
