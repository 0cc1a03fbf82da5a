"""A network is measured once, into one tidy table: everything that chapters 1 to 5 claim about one network on texts.

:func:`measure` goes through :data:`PARTS`, small functions that each yield rows of the table; what several of them need
is computed once, in an :class:`Analysis`. Controls are rows too, under their own condition. What this network or these
texts cannot show is a row without a value that says why (:class:`rnnrev.linear.Unmeasured`); any other error is a bug
and raises. :mod:`rnnrev.claims` judges the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from . import edges, modifiers, perturb, stats, zoo
from . import line_attractor as la
from .data import DataError, Reviews, load_contrasts
from .linear import OperatingPoint, Unmeasured, frequent_words, linear_model, operating_point, valence
from .model import BagOfWords, Classifier, SentimentRNN, untrained
from .stats import Estimate, text_of
from .subspace import Dimension, Subspace, chosen_subspace, random_subspace, subspace_dimension, top_words, volume

__all__ = ["COLUMNS", "PARTS", "Analysis", "Part", "measure", "tabulate"]

#: Columns of the table: ``at`` is the place, lag or number of a curve's point, ``n`` what a value was counted over,
#: ``note`` why there is none.
COLUMNS = ("network", "data", "measure", "condition", "at", "value", "low", "high", "n", "note")

MIN_REVIEWS = 10  #: fewer say nothing about a network's states
MIN_WORDS = 30  #: fewer frequent words cannot be sorted
MIN_TAU = 10.0  #: tokens; where the slow mode fades faster, "lasting valence" has no meaning
MIN_FIT = 0.8  #: R²; below it an exponential has no length
MIN_LONG = 10  #: fewer reviews that are long enough, and words are put into neutral texts
N_STARTS = 40  #: of the search for fixed points
N_TEXTS = 30  #: into which words are put

T = TypeVar("T")
Row = dict[str, Any]


class once(cached_property[T]):
    """A property that is computed once; if it cannot be measured, the reason is kept as well."""

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        failed = {} if instance is None else instance.__dict__.setdefault("_failed", {})
        if self.attrname in failed:
            raise failed[self.attrname]
        try:
            return super().__get__(instance, owner)
        except (Unmeasured, DataError) as error:
            failed[self.attrname] = error
            raise


# --- what the parts share -------------------------------------------------------------------------


@dataclass(eq=False)
class Analysis:
    """A network, texts that it was not trained on, and all that is found out about them on the way.

    What needs a state, one logit, a slow mode or labels raises ``Unmeasured`` where there is none.
    """

    model: Classifier
    reviews: Reviews
    seed: int = 0

    @classmethod
    def of(cls, model: Classifier, reviews: Reviews, scored: int = 300, seed: int = 0) -> Analysis:
        """On at most ``scored`` of the reviews, drawn by ``seed``; without counts, words are counted in them."""
        if scored < 1:
            raise ValueError(f"scored must be at least 1, not {scored}: it is how many reviews to use")
        made = cls(model, reviews.sample(scored, seed), seed)
        if model.counts is None:
            counts = np.bincount(np.concatenate(made.ids), minlength=len(model.vocabulary))
            made.model = replace(model, counts=counts)  # type: ignore[type-var]
        bad = int((~np.isfinite(made.logits)).reshape(len(made.reviews), -1).any(1).sum())
        if bad:
            reviews_ = f"{bad} of {len(made.reviews)} reviews"
            raise ValueError(f"{model.name} gives no finite logit on {reviews_}: look for NaN in its weights")
        return made

    @once
    def ids(self) -> list[np.ndarray]:
        return self.model.vocabulary.encode_all(self.reviews.texts)

    @once
    def logits(self) -> np.ndarray:
        return self.model.logits_of(self.ids)

    @once
    def labelled(self) -> np.ndarray:
        """Which reviews have a label, (n,)."""
        labels, classes = self.reviews.labels, getattr(self.model, "n_classes", 2)
        if not (labels >= 0).any():
            raise Unmeasured("none of the reviews has a label (−1 means unknown)")
        if labels.max() >= classes:
            raise Unmeasured(
                f"labels run from {labels[labels >= 0].min()} to {labels.max()}, but the network tells {classes} "
                "classes apart (0 and up): give labels that fit it"
            )
        return labels >= 0

    @once
    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels and logits of the labelled reviews, of a network with one logit."""
        if self.logits.ndim == 2:
            raise Unmeasured("the network has more than two classes: this is measured on one logit")
        return self.reviews.labels[self.labelled], self.logits[self.labelled]

    @once
    def calibration(self) -> tuple[stats.Calibration, Estimate]:
        labels, logits = self.scores
        if len(np.unique(labels)) < 2:
            raise Unmeasured(f"all labels are {labels[0]}: calibration needs both classes")
        if len(labels) < 20:
            raise Unmeasured(f"{len(labels)} labelled reviews are too few: give 20 or more")
        bins = 10 if len(labels) >= 100 else 5
        error = stats.bootstrap(
            (logits, labels), lambda x, y: stats.calibration(x, y, bins).error, n=300, seed=self.seed
        )
        return stats.calibration(logits, labels, bins), error

    @once
    def bag(self) -> BagOfWords:
        """The yardstick: the shipped bag of words, if it knows the words of these texts."""
        bag = zoo.load("bow-imdb", BagOfWords)
        known = np.mean(np.concatenate(bag.vocabulary.encode_all(self.reviews.texts)) != 1)
        if known < 0.5:
            raise Unmeasured(f"the yardstick, the shipped bag of words, knows only {known:.0%} of these texts' words")
        return bag

    @once
    def recurrent(self) -> SentimentRNN:
        """The network, if it is one with a state, and can read these texts."""
        model, known = self.model, float(np.mean(np.concatenate(self.ids) != 1))
        if not isinstance(model, SentimentRNN):
            kind = type(model).__name__
            raise Unmeasured(f"{model.name} is a {kind}, not a recurrent network: it has no state to look at")
        if len(self.reviews) < MIN_REVIEWS:
            raise Unmeasured(f"{len(self.reviews)} reviews are too few: give {MIN_REVIEWS} or more")
        if known < 0.5:
            raise Unmeasured(f"the network knows only {known:.0%} of the words of these reviews")
        return model

    @once
    def fresh(self) -> SentimentRNN:
        """The same network before training."""
        model = self.recurrent
        return untrained(
            model.cell.kind, model.vocabulary, model.cell.n_units, model.cell.n_inputs, self.seed, model.counts
        )

    @once
    def dimensions(self) -> dict[str, la.Dimensionality]:
        models = {"": self.recurrent, "untrained": self.fresh}
        return {name: la.dimensionality(model, self.reviews.texts, seed=self.seed) for name, model in models.items()}

    @once
    def point(self) -> OperatingPoint:
        model = self.recurrent
        if model.n_classes > 2:
            raise Unmeasured(f"the network tells {model.n_classes} classes apart: this reads one logit, of two classes")
        if model.cell.n_state < 8:
            raise Unmeasured(f"the state has {model.cell.n_state} numbers: fewer than 8 have no modes to compare")
        return operating_point(model, texts=self.reviews.texts, seed=self.seed)

    @once
    def attractor(self) -> la.Attractor:
        return la.find_attractor(self.point.model, self.reviews.texts, N_STARTS, seed=self.seed)

    @once
    def spectra(self) -> dict[str, la.Spectra]:
        fresh = la.find_attractor(self.fresh, self.reviews.texts[:100], 10, seed=self.seed)
        found = {"": self.attractor, "untrained": fresh}
        return {name: la.mode_spectra(a.J_rec, a.model.w) for name, a in found.items()}

    @once
    def lasting(self) -> OperatingPoint:
        """The operating point, if something lasts there."""
        point, tau = self.point, abs(self.point.tau)
        if point.modes.eigvals[point.slow].real < 0 or tau < MIN_TAU:
            raise Unmeasured(
                f"the network has no slow mode (its slowest real one turns over or fades in {tau:.1f} tokens): nothing "
                "lasts, so words have no lasting valence"
            )
        return point

    @once
    def words(self) -> np.ndarray:
        """Numbers of the words that are frequent enough to be looked at."""
        words = frequent_words(self.recurrent)
        if len(words) < MIN_WORDS:
            raise Unmeasured(f"only {len(words)} words are known to be frequent: {MIN_WORDS} or more are needed")
        return words

    @once
    def sorted_words(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Words by number (n,) that the yardstick knows, their lasting valence and its β, in nats."""
        beta = dict(zip(self.bag.vocabulary.words, self.bag.beta.astype(float)))
        names = self.model.vocabulary.words
        numbers = np.array([i for i in self.words if names[i] in beta and any(c.isalpha() for c in names[i])], int)
        if len(numbers) < MIN_WORDS:
            raise Unmeasured(
                f"the yardstick, the shipped bag of words, knows only {len(numbers)} of the frequent words"
            )
        return numbers, valence(self.lasting, numbers), np.array([beta[names[i]] for i in numbers])

    @once
    def probes(self) -> modifiers.Probes:
        """Twenty words of each sign, or as many as there are."""
        return modifiers.probe_words(self.lasting, min(20, len(self.words) // 4))

    @once
    def strongest(self) -> np.ndarray:
        """Numbers of the ten strongest probes of each sign, to be put into texts."""
        return np.concatenate([self.probes.numbers[self.probes.sign == sign][:10] for sign in (1, -1)])

    @once
    def effects(self) -> pd.DataFrame:
        """What every frequent word does to others, best first."""
        return modifiers.modifier_effects(self.lasting, self.words, self.probes)

    @once
    def dimension(self) -> Dimension:
        return subspace_dimension(self.lasting, top_words(self.effects), self.effects.word, self.probes, self.seed)

    @once
    def subspace(self) -> Subspace:
        """The modifier subspace."""
        return chosen_subspace(self.lasting, self.effects, self.dimension)

    @once
    def pairs(self) -> pd.DataFrame:
        """Contrast phrases without and with a modifier, of the kinds that the network knows enough words of."""
        pairs = perturb.phrase_pairs(self.lasting.model)
        words = pairs.groupby(["condition", "valence"]).word.nunique().unstack(fill_value=0)
        usable = words.index[(words.reindex(columns=[-1, 1], fill_value=0) >= 3).all(axis=1)]
        if usable.empty:
            raise Unmeasured(
                f"the network knows the words of only {len(pairs)} of the book's contrast phrases (“the movie was not "
                "good”): three positive and three negative words are needed for one kind of modifier"
            )
        return pairs[pairs.condition.isin(usable)].reset_index(drop=True)

    @once
    def other_pairs(self) -> pd.DataFrame:
        """The control: the same phrases with words in the modifiers' place that are as frequent and modify nothing."""
        rng, size = np.random.default_rng([self.seed, 67]), np.log(self.model.frequencies + 1e-12)[:, None]
        plain = self.effects.number[self.effects.kind == "other"].to_numpy()
        tokens = {m: self.model.vocabulary.encode(m).tolist() for m in self.pairs.modifier.unique()}
        known = sorted({t for m in tokens.values() for t in m})
        near = dict(zip(known, plain[modifiers.nearest(size[known], size[plain], 20)]))
        swapped = [
            np.array([rng.choice(near[t]) if t in tokens[m] else t for t in text.tolist()], np.int32)
            for m, text in zip(self.pairs.modifier, self.pairs["with"])
        ]
        return self.pairs.assign(**{"with": swapped})

    @once
    def perturbations(self) -> dict[str, list[perturb.Change]]:
        """Chapter 3's, by name, with their controls."""
        return perturb.conditions(self.lasting, self.subspace, self.effects, self.pairs, self.seed)

    @once
    def abolition(self) -> pd.DataFrame:
        return perturb.abolition(self.lasting, self.pairs, self.perturbations, seed=self.seed)

    @once
    def costs(self) -> pd.DataFrame:
        """Accuracy under each perturbation that removes something, and what it costs."""
        ids, labels = [i for i, k in zip(self.ids, self.labelled) if k], self.reviews.labels[self.labelled]
        tried = {name: changes for name, changes in self.perturbations.items() if "×" not in name}
        return perturb.costs(self.lasting.model, ids, labels, tried, seed=self.seed)

    @once
    def start_profiles(self) -> tuple[dict[str, edges.Profile], str]:
        """Emphasis by place from the beginning for each initial state of :func:`rnnrev.edges.starts`, and in what."""
        point, length = self.lasting, max(edges.PLACES) + edges.LAG + 1
        long = [i for i in self.ids if len(i) > length][:N_TEXTS]
        few = len(long) < MIN_LONG
        texts = self._neutral(length) if few else edges.first_tokens(long, length)
        begin = edges.starts(point, self.subspace, self.effects, self.seed)
        found = {k: edges.start_profile(point, texts, self.strongest, h0=h, seed=self.seed) for k, h in begin.items()}
        return found, self._where(few, length, len(texts))

    @once
    def end_profiles(self) -> tuple[dict[str, edges.Profile], np.ndarray, str]:
        """Emphasis by distance from the end for each way to read it, the mean effects (K, L) intact, and in what."""
        point, length, before = self.lasting, max(edges.LAGS) + 1, None
        long = [i for i in self.ids if len(i) > length][:N_TEXTS]
        few = len(long) < MIN_LONG
        if few:
            texts = self._neutral(2 * length)
        else:
            texts, before = edges.last_tokens(point.model, long, length)
        w = edges.end_readouts(point, point.model.final_states_of(self.ids), self.seed)
        effects = edges.end_effects(point.model, texts, self.strongest, h0=before, w=w)
        found = edges.end_profiles(effects, valence(point, self.strongest), seed=self.seed)
        return found, effects[..., 0].mean(0).T, self._where(few, length, len(texts))

    def _neutral(self, length: int) -> np.ndarray:
        return edges.neutral_texts(self.lasting, 24, length, seed=self.seed, table=self.effects)

    def _where(self, few: bool, length: int, n: int) -> str:
        return f"in {n} neutral texts: too few reviews have more than {length} tokens" if few else ""


# --- rows -----------------------------------------------------------------------------------------


def _row(
    measure: str, value: float | Estimate, condition: str = "", *, at: float = np.nan, n: float = np.nan, note: str = ""
) -> Row:
    value, low, high = value if isinstance(value, Estimate) else (value, np.nan, np.nan)
    if np.isnan(value) and not note:
        note = "the result is not a number: there is too little data, or nothing varies"
    numbers = {"at": at, "value": float(value), "low": float(low), "high": float(high), "n": n}
    return {"measure": measure, "condition": condition, **numbers, "note": note}


def _attempt(measure: str, compute: Callable[[], float | Estimate], condition: str = "", n: float = np.nan) -> Row:
    """A row, or why there is no value, where that says nothing about the rows after it."""
    try:
        return _row(measure, compute(), condition, n=n)
    except (Unmeasured, DataError) as error:
        return _row(measure, np.nan, condition, note=str(error))


def _shown(found: Any, condition: str = "", n: float = np.nan) -> Iterator[Row]:
    """The fields of a result that tables show, by their names."""
    for f in fields(found):
        if "format" in f.metadata:
            yield _row(f.name, getattr(found, f.name), condition, n=n)


def _table(found: pd.DataFrame, prefix: str, condition: str | None = None, n: float = np.nan) -> Iterator[Row]:
    """The cells of a table of estimates: a measure for each column, the index as condition (or, with one, as place)."""
    for name, row in found.iterrows():
        for column, value in row.items():
            where: dict[str, Any] = {"condition": name} if condition is None else {"condition": condition, "at": name}
            yield _row(f"{prefix}{column}", value, n=n, **where)


def _curve(measure: str, at: Iterable[float], values: Iterable[float | Estimate], condition: str = "") -> Iterator[Row]:
    return (_row(measure, value, condition, at=float(place)) for place, value in zip(at, values))


def _profile(measure: str, found: edges.Profile, condition: str) -> Iterator[Row]:
    return _curve(measure, found.at, map(found.estimate, found.at.tolist()), condition)


def _size(found: Estimate, whole: float = 1.0) -> Estimate:
    """|value| in multiples of a whole, and what the interval becomes: down to 0 where it holds 0."""
    low, high = sorted(abs(v / whole) for v in found[1:])
    return Estimate(abs(found.value / whole), 0.0 if found.low <= 0 <= found.high else low, high)


# --- the parts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """A section of a chapter: ``run`` yields rows of these ``measures``."""

    name: str
    chapter: int
    run: Callable[[Analysis], Iterator[Row]] = field(repr=False)
    measures: tuple[str, ...]


_registered: list[Part] = []


def _part(
    chapter: int, *measures: str
) -> Callable[[Callable[[Analysis], Iterator[Row]]], Callable[[Analysis], Iterator[Row]]]:
    def register(run: Callable[[Analysis], Iterator[Row]]) -> Callable[[Analysis], Iterator[Row]]:
        _registered.append(Part(run.__name__.strip("_"), chapter, run, measures))
        return run

    return register


@_part(1, "accuracy", "calibration_error", "accuracy_gain")
def _scores(a: Analysis) -> Iterator[Row]:
    labels, logits = a.reviews.labels[a.labelled], a.logits[a.labelled]
    right = (logits.argmax(-1) if logits.ndim == 2 else logits > 0) == labels
    yield _row("accuracy", stats.accuracy(right, np.ones_like(right)), n=len(right))
    yield _row("accuracy", float(np.bincount(labels).max() / len(labels)), "commonest label", n=len(right))
    yield _attempt("calibration_error", lambda: a.calibration[1], n=len(right))
    labels, _ = a.scores
    bag = (a.bag.logits([t for t, known in zip(a.reviews.texts, a.labelled) if known]) > 0) == labels
    yield _row("accuracy", stats.accuracy(bag, np.ones_like(bag)), "bag of words", n=len(right))
    yield _row("accuracy_gain", stats.bootstrap(right.astype(float) - bag, seed=a.seed), n=len(right))


@_part(1, "phrases_in_order", "negation_apart")
def _phrases(a: Analysis) -> Iterator[Row]:
    if a.logits.ndim == 2:
        raise Unmeasured("the network has more than two classes: this is measured on one logit")
    table = load_contrasts()
    table = table[[not np.any(ids == 1) for ids in a.model.vocabulary.encode_all(table.text)]]
    for condition, model in (("", a.model), ("bag of words", zoo.load("bow-imdb"))):
        means = (
            table.assign(logit=model.logits(list(table.text))).groupby(["valence", "word", "condition"]).logit.mean()
        )
        words = means.unstack().reindex(columns=["base", "negated", "intensified"]).dropna()
        if (words.groupby("valence").size().reindex([-1, 1], fill_value=0) < 3).any():
            raise Unmeasured(
                "the network knows the words of too few of the book's contrast phrases (“the movie was not good”)"
            )
        up, down = words.loc[1], -words.loc[-1]
        order = [((w.negated < w.base) & (w.base < w.intensified)).to_numpy(float) for w in (up, down)]
        shift = [(w.negated - w.base).to_numpy() for w in (up, down)]
        options: dict[str, Any] = {"paired": False, "seed": a.seed, "n": 1000}
        yield _row("phrases_in_order", stats.bootstrap(tuple(order), _mean_of_two, **options), condition, n=len(words))
        moved = stats.bootstrap(tuple(-2 * s for s in shift), _mean_of_two, **options)
        yield _row("negation_apart", moved, condition, n=len(words))


def _mean_of_two(x: np.ndarray, y: np.ndarray, axis: int = -1) -> Any:
    return (x.mean(axis) + y.mean(axis)) / 2


@_part(2, "n90", "participation", "variance")
def _states(a: Analysis) -> Iterator[Row]:
    for condition, found in a.dimensions.items():
        yield from _shown(found, condition, len(a.reviews))
        shares = map(Estimate, found.cumulative, found.low, found.high)
        yield from _curve("variance", range(1, 51), shares, condition)


@_part(2, "gap_of_tau", "tau_1", "tau_2", "slow_modes", "growing", "slow_grows", "tau", "speed", "unrest", "period")
def _modes(a: Analysis) -> Iterator[Row]:
    for condition, found in a.spectra.items():
        yield from _shown(found, condition, len(found.slow))
    modes, at = a.point.modes, a.attractor
    yield from _curve("tau", range(1, 21), modes.slowest[:20])
    for condition, q in (("", at.points.q), ("starts", 0.5 * ((at.mean_map(at.start) - at.start) ** 2).sum(-1))):
        yield _row("speed", stats.bootstrap(q, np.median, n=500), condition, n=len(q))
    yield _row("unrest", la.unrest(at))
    turn = abs(np.angle(modes.eigvals[0]))
    still = "" if turn > 1e-6 else "the leading mode does not turn"
    yield _row("period", np.nan if still else 2 * np.pi / turn, note=still)


@_part(2, "on_curve", "rank", "on_line", "local_dimension", "tangent", "alignment", "alignment_left")
def _curve_of_points(a: Analysis) -> Iterator[Row]:
    for condition, states in (("", a.attractor.h_star), ("visited states", a.attractor.start)):
        yield from _shown(la.curve_shape(a.point.model, states), condition, len(states))
    yield from _table(la.alignment(a.attractor, a.spectra[""]).table, "", n=len(a.attractor.h_star))


@_part(2, "sorting", "kinds_apart", "effect_size")
def _sorting(a: Analysis) -> Iterator[Row]:
    _, measured, known = a.sorted_words
    shuffled = np.random.default_rng([a.seed, 59]).permutation(known)
    for condition, truth in (("", known), ("words shuffled", shuffled)):
        yield from _shown(la.valence_sorting(measured, truth, min(100, len(known) // 4)), condition, len(known))
    yield _row("effect_size", float(measured.std()), n=len(known))


@_part(2, "step_error")
def _step(a: Analysis) -> Iterator[Row]:
    lengths = np.array([len(i) for i in a.ids])
    lags = [n for n in (1, 2, 5, 10, 20, 50) if (lengths >= la.BURN_IN + n).sum() >= MIN_REVIEWS]
    yield from _table(la.step_error(linear_model(a.point), a.ids, lags or [1], a.seed), "step_", "")


@_part(2, "linear_r2", "linear_agree", "linear_accuracy")
def _linear(a: Analysis) -> Iterator[Row]:
    found = la.linear_predictions(a.attractor, a.point, a.reviews, a.bag, a.seed)
    yield from _table(found.table, "linear_", n=len(a.reviews))


@_part(3, "ranking", "precision20", "called")
def _ranking(a: Analysis) -> Iterator[Row]:
    table, grammar, kinds = a.effects, modifiers.lexicon(), ("negator", "amplifier", "downtoner")
    listed = int(grammar.word.isin(table.word).sum())
    if listed < 5:
        raise Unmeasured(f"only {listed} of the grammar's {len(grammar)} modifiers are frequent words of the network")
    for column in ("strength", "norm"):
        found = modifiers.ranking_auc(table, column)
        yield _row("ranking", found.auc, column, n=found.known)
        yield _row("precision20", found.precision20, column, n=20)
        found = modifiers.ranking_auc(table, column, kinds[:2])
        yield _row("ranking", found.auc, f"{column} without downtoners", n=found.known)
    yield _row("precision20", found.chance, "chance", n=len(table))
    for kind, sign in zip(kinds, (-1, 1, -1)):
        signed = table.assign(gain=sign * table.gain)
        yield _attempt("ranking", lambda t=signed, k=kind: modifiers.ranking_auc(t, "gain", (k,)).auc, f"{kind}s")  # type: ignore[misc]
    for kind in ("negator", "intensifier", "diminisher"):
        yield _row("called", float((table.kind == kind).sum()), kind, n=len(table))


@_part(3, "barcode_kinds", "barcode_one")
def _barcodes(a: Analysis) -> Iterator[Row]:
    grammar = modifiers.lexicon()
    poles = grammar[grammar.word.isin(a.effects.word) & (grammar.kind != "downtoner")]
    counts = poles.kind.value_counts()
    if len(counts) < 2 or counts.min() < 3:
        raise Unmeasured("fewer than three negators or amplifiers of the grammar are frequent words of the network")
    codes = modifiers.barcode(a.lasting, list(poles.word), a.probes)
    found = modifiers.cluster_barcodes(codes, list(poles.kind), seed=a.seed)
    yield _row("barcode_kinds", found.agreement, n=len(poles))
    yield _row("barcode_kinds", found.chance, "kinds shuffled", n=len(poles))
    yield _row("barcode_one", found.one, n=len(poles))


@_part(3, "dimension", "first_axis", "axis_share", "effect_left")
def _subspace(a: Analysis) -> Iterator[Row]:
    found, n = a.dimension, len(a.subspace.words)
    missed = f"not reached: {found.axes} axes leave more than a tenth of the effect" if found.k is None else ""
    yield _row("dimension", np.nan if found.k is None else float(found.k), n=n, note=missed)
    others = [Estimate(v, np.nan, high) for v, high in zip(found.typical, found.limit)]
    for condition, shares in (("", found.shares), ("other words", others)):
        yield _row("first_axis", shares[0], condition, n=n)
        yield from _curve("axis_share", range(1, len(shares) + 1), shares, condition)
    for condition, left in (("integrated", found.left), ("now", found.left_now)):
        yield from _curve("effect_left", range(len(left)), left, condition)


@_part(3, "place")
def _place(a: Analysis) -> Iterator[Row]:
    for condition, axis in (("", a.subspace), ("random axis", random_subspace(a.lasting, 1, a.seed))):
        found = volume(a.lasting, a.effects, axis, a.probes)
        yield _row("place", _size(found.correlation), condition, n=len(a.effects))


@_part(3, "linear_transients", "half_life")
def _transients(a: Analysis) -> Iterator[Row]:
    known = a.effects.word[a.effects.word.isin(modifiers.lexicon().word)]
    words = [*dict.fromkeys([*a.effects.word[:20], *known[:20]])]
    found = modifiers.transients(a.lasting, words, 30, a.probes)
    shuffled = found.linear_gain[np.random.default_rng([a.seed, 61]).permutation(len(words))]
    yield _row("linear_transients", modifiers.linear_fit(found), n=len(words))
    yield _row("linear_transients", modifiers.linear_fit(replace(found, linear_gain=shuffled)), "words shuffled")
    for kind, lives in modifiers.half_lives(found, a.effects).items():
        if len(lives) > 2:
            yield _row("half_life", stats.bootstrap(lives, np.median, n=500), kind, n=len(lives))


_GAINS = ("gain_negated", "gain_intensified", "gain_diminished")


@_part(3, *_GAINS, "effect_left_without", "effect_kept_without", "amplified", "own_valence", "plain_valence")
def _abolition(a: Analysis) -> Iterator[Row]:
    found = {(r.perturbation, r.condition): r for r in a.abolition.itertuples()}
    for (perturbation, condition), r in found.items():
        yield _row(f"gain_{condition}", r.gain, perturbation, n=r.pairs)
        if condition == "negated":
            yield _row("own_valence", r.own, perturbation, n=r.pairs)
            yield _row("plain_valence", r.base, perturbation, n=r.pairs)
    for name, pairs, lasting in (("lasting", a.pairs, True), ("other words in their place", a.other_pairs, False)):
        for r in perturb.abolition(a.lasting, pairs, {"intact": []}, lasting=lasting, seed=a.seed).itertuples():
            yield _row(f"gain_{r.condition}", r.gain, name, n=r.pairs)
    poles = {c: found["intact", c].gain for c in ("negated", "intensified") if ("intact", c) in found}
    poles = {c: gain for c, gain in poles.items() if _size(gain).low > 0}
    if not poles:
        raise Unmeasured("neither negators nor intensifiers do anything in the contrast phrases that could be removed")
    for perturbation in a.perturbations:
        parts = [_size(found[perturbation, c].gain, gain.value) for c, gain in poles.items()]
        if "×" in perturbation:
            yield _row("amplified", min(parts), perturbation)
        elif perturbation != "intact":
            yield _row("effect_left_without", max(parts), perturbation)
            yield _row("effect_kept_without", min(parts), perturbation)


@_part(3, "accuracy_lost")
def _costs(a: Analysis) -> Iterator[Row]:
    for r in a.costs.itertuples():
        yield _row("accuracy_lost", r.cost, r.perturbation, n=int(a.labelled.sum()))


@_part(4, "start_share", "start_dimension")
def _start_share(a: Analysis) -> Iterator[Row]:
    if np.allclose(a.lasting.model.cell.h0, a.lasting.h_star):
        raise Unmeasured("the initial state is the operating point itself")
    for condition, share in edges.compare_shares(a.lasting, a.subspace, a.effects, seed=a.seed).items():
        yield _row("start_share", share, condition)
    yield _row("start_dimension", float(a.subspace.dim))


@_part(4, "start_gain", "start_correlation")
def _start_gain(a: Analysis) -> Iterator[Row]:
    yield from _table(edges.compare_barcodes(a.lasting, a.probes.numbers, a.effects, seed=a.seed), "start_")


@_part(4, "start_emphasis", "start_first", "start_excess", "start_length", "start_plateau", "start_excess_left")
def _beginning(a: Analysis) -> Iterator[Row]:
    found, where = a.start_profiles
    for condition, profile in found.items():
        yield from _profile("start_emphasis", profile, condition)
        first = _attempt("start_first", lambda p=profile: p.relative_to(edges.LATE).estimate(0), condition)  # type: ignore[misc]
        yield first | {"note": first["note"] or where}
    more = {k: p.minus(found["on the attractor"]) for k, p in found.items() if k != "on the attractor"}
    excess = {k: p.estimate(0) for k, p in more.items()}
    for condition, value in excess.items():
        yield _row("start_excess", value, condition)
    if not excess["intact"].low > 0:
        raise Unmeasured(f"there is no emphasis on the beginning: {text_of(excess['intact'], '.2f')} lasting valences")
    for condition, value in excess.items():
        if condition != "intact":
            yield _row("start_excess_left", _size(value, excess["intact"].value), condition)
    decay = edges.decay_length(more["intact"])
    poor = "" if decay.r_squared > MIN_FIT else f"no exponential fits the decay (R² {decay.r_squared:.2f})"
    yield _row("start_length", np.nan if poor else decay.length, "intact", note=poor)
    yield _row("start_plateau", np.nan if poor else decay.plateau, "intact", note=poor)


@_part(5, "end_emphasis", "end_near", "end_last", "end_transient", "end_leak", "end_excess_left")
def _end(a: Analysis) -> Iterator[Row]:
    found, _, where = a.end_profiles
    for condition, profile in found.items():
        yield from _profile("end_emphasis", profile, condition)
    yield _row("end_transient", found["intact"].minus(found["slow mode alone"]).estimate(0))
    yield _row("end_leak", edges.leak_rate(found["slow mode alone"]), "measured")
    yield _row("end_leak", float(1 / a.lasting.tau), "theory")
    late = {k: p.relative_to(edges.LATE) for k, p in found.items()}
    near = {k: p.mean(edges.NEAR) for k, p in late.items()}
    for condition, profile in late.items():
        yield _row("end_near", near[condition], condition, note=where)
        yield _row("end_last", profile.estimate(0), condition, note=where)
    if not near["intact"].low > 1:
        raise Unmeasured(f"there is no emphasis on the end: last words count {text_of(near['intact'], '.2f')} times")
    for condition, value in near.items():
        if condition != "intact":
            more = Estimate(*(v - 1 for v in value))
            yield _row("end_excess_left", _size(more, near["intact"].value - 1), condition)


@_part(5, "end_fast", "end_correlation", "end_partial", "now_and_later")
def _linear_end(a: Analysis) -> Iterator[Row]:
    lasting, kernel = valence(a.lasting, a.strongest), edges.mode_kernel(a.lasting, a.strongest)
    parts = {"linear theory": kernel.total} | {k.partition(" (")[0]: p for k, p in kernel.groups().items()}
    parts["fast modes"] = sum(
        (p for k, p in parts.items() if k in ("τ < 3", "3 ≤ τ < 10")), np.zeros_like(kernel.total)
    )
    found = {k: edges.profile(p.T[None], lasting, edges.LAGS, seed=a.seed) for k, p in parts.items()}
    for condition, profile in found.items():
        yield from _profile("end_emphasis", profile, condition)
    fast = found["fast modes"]
    yield _row("end_fast", _size(fast.estimate(int(fast.at[np.abs(fast.value).argmax()]))), n=len(lasting))
    effects, shuffle = a.end_profiles[1], np.random.default_rng([a.seed, 71]).permutation(len(lasting))
    for condition, predicted in (("reviews", kernel.total), ("words shuffled", kernel.total[shuffle])):
        agreed = edges.agreement(effects, predicted, lasting, seed=a.seed)
        yield from _table(agreed, "end_", condition, len(lasting))
    points = {"": a.lasting, "untrained ": operating_point(a.fresh, texts=a.reviews.texts[:100], seed=a.seed)}
    for condition, point in points.items():
        every = edges.now_and_later(point, a.seed)
        yield _row("now_and_later", every.slope, f"{condition}slope", n=len(a.words))
        yield _row("now_and_later", every.correlation, f"{condition}correlation", n=len(a.words))


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
                    for row in part.run(analysis):
                        rows.append(row)
                        there.add(row["measure"])
            except (Unmeasured, DataError) as error:
                rows += [_row(measure, np.nan, note=str(error)) for measure in part.measures if measure not in there]
    where = {"network": analysis.model.name, "data": f"{analysis.reviews.name}/{analysis.reviews.split}"}
    return pd.DataFrame([where | row for row in rows], columns=list(COLUMNS))


def measure(
    model: Classifier,
    reviews: Reviews,
    *,
    seed: int = 0,
    scored: int = 300,
    parts: Sequence[Part] = PARTS,
    progress: bool = True,
) -> pd.DataFrame:
    """Everything that the book claims of one network, measured on texts that it was not trained on.

    Parameters
    ----------
    model : SentimentRNN or another classifier
        One without counts takes the word frequencies of the reviews.
    reviews : Reviews
        Labels of −1 are unknown.
    seed : int
        Of the sample of reviews and of every other draw.
    scored : int
        Reviews to use at most.
    parts : of :data:`PARTS`
        Sections of chapters to measure.

    Returns
    -------
    pandas.DataFrame
        :data:`COLUMNS`; one row a measure, condition and place. A minute and a half on two cores for a GRU of 256
        units and 300 film reviews.

    Raises
    ------
    ValueError
        If ``scored`` is under 1, or the network's logits are not finite.
    """
    return tabulate(Analysis.of(model, reviews, scored, seed), parts, progress)
