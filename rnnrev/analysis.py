"""A network, texts that it was not trained on, and all that chapters 1 to 5 find out about them, each thing once.

An :class:`Analysis` is what the parts of :mod:`rnnrev.measure` and the figures of a report share. What this network or
these texts cannot show raises :class:`rnnrev.linear.Unmeasured` with the reason, each time it is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from . import edges, modifiers, perturb, stats, zoo
from . import line_attractor as la
from .data import DataError, Reviews
from .linear import OperatingPoint, Unmeasured, frequent_words, operating_point, valence
from .model import BagOfWords, Classifier, SentimentRNN, labels_of, untrained
from .stats import Estimate
from .subspace import Dimension, Subspace, chosen_subspace, control_subspaces, subspace_dimension, top_words

__all__: list[str] = []

MIN_REVIEWS = 10  #: fewer say nothing about a network's states
_MIN_WORDS = 30  #: fewer frequent words cannot be sorted
_MIN_TAU = 10.0  #: tokens; where the slow mode fades faster, "lasting valence" has no meaning
_MIN_LONG = 10  #: fewer reviews that are long enough, and words are put into neutral texts
_N_STARTS = 40  #: of the search for fixed points
N_TEXTS = 30  #: into which words are put

_T = TypeVar("_T")


class _once(cached_property[_T]):
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


@dataclass(eq=False)
class Analysis:
    """A network on texts. What needs a state, one logit, a slow mode or labels raises ``Unmeasured`` without."""

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

    @_once
    def ids(self) -> list[np.ndarray]:
        return self.model.vocabulary.encode_all(self.reviews.texts)

    @_once
    def logits(self) -> np.ndarray:
        return self.model.logits_of(self.ids)

    @_once
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

    @_once
    def right(self) -> np.ndarray:
        """Which labelled reviews are classified rightly."""
        logits = self.logits[self.labelled]
        return labels_of(logits) == self.reviews.labels[self.labelled]

    @_once
    def scores(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels and logits of the labelled reviews, of a network with one logit."""
        if self.logits.ndim == 2:
            raise Unmeasured("the network has more than two classes: this is measured on one logit")
        return self.reviews.labels[self.labelled], self.logits[self.labelled]

    @_once
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

    @_once
    def bag(self) -> BagOfWords:
        """The yardstick: the shipped bag of the network's words, if it knows the words of these texts."""
        bag = zoo.bag_of(self.model)
        known = np.mean(np.concatenate(bag.vocabulary.encode_all(self.reviews.texts)) != 1)
        if known < 0.5:
            raise Unmeasured(f"the yardstick, the shipped bag of words, knows only {known:.0%} of these texts' words")
        return bag

    @_once
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

    @_once
    def fresh(self) -> SentimentRNN:
        """The same network before training."""
        model = self.recurrent
        return untrained(
            model.cell.kind, model.vocabulary, model.cell.n_units, model.cell.n_inputs, self.seed, model.counts
        )

    @_once
    def dimensions(self) -> dict[str, la.Dimensionality]:
        models = {"": self.recurrent, "untrained": self.fresh}
        return {name: la.dimensionality(model, self.reviews.texts, seed=self.seed) for name, model in models.items()}

    @_once
    def point(self) -> OperatingPoint:
        model = self.recurrent
        if model.n_classes > 2:
            raise Unmeasured(f"the network tells {model.n_classes} classes apart: this reads one logit, of two classes")
        if model.cell.n_state < 8:
            raise Unmeasured(f"the state has {model.cell.n_state} numbers: fewer than 8 have no modes to compare")
        return operating_point(model, texts=self.reviews.texts, seed=self.seed)

    @_once
    def attractor(self) -> la.Attractor:
        return la.find_attractor(self.point.model, self.reviews.texts, _N_STARTS, seed=self.seed)

    @_once
    def spectra(self) -> la.Spectra:
        return la.mode_spectra(self.attractor.J_rec, self.attractor.model.w)

    @_once
    def fresh_spectra(self) -> la.Spectra:
        fresh = la.find_attractor(self.fresh, self.reviews.texts[:100], 10, seed=self.seed)
        return la.mode_spectra(fresh.J_rec, fresh.model.w)

    @_once
    def lasting(self) -> OperatingPoint:
        """The operating point, if something lasts there."""
        point, tau = self.point, abs(self.point.tau)
        if point.modes.eigvals[point.slow].real < 0 or tau < _MIN_TAU:
            raise Unmeasured(
                f"the network has no slow mode (its slowest real one turns over or fades in {tau:.1f} tokens): nothing "
                "lasts, so words have no lasting valence"
            )
        return point

    @_once
    def words(self) -> np.ndarray:
        """Numbers of the words that are frequent enough to be looked at."""
        words = frequent_words(self.recurrent)
        if len(words) < _MIN_WORDS:
            raise Unmeasured(f"only {len(words)} words are known to be frequent: {_MIN_WORDS} or more are needed")
        return words

    @_once
    def sorted_words(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Words by number (n,) that the yardstick knows, their lasting valence and its β, in nats."""
        beta = dict(zip(self.bag.vocabulary.words, self.bag.beta.astype(float)))
        names = self.model.vocabulary.words
        numbers = np.array([i for i in self.words if names[i] in beta and any(c.isalpha() for c in names[i])], int)
        if len(numbers) < _MIN_WORDS:
            raise Unmeasured(
                f"the yardstick, the shipped bag of words, knows only {len(numbers)} of the frequent words"
            )
        return numbers, valence(self.lasting, numbers), np.array([beta[names[i]] for i in numbers])

    @_once
    def probes(self) -> modifiers.Probes:
        """Twenty words of each sign, or as many as there are."""
        return modifiers.probe_words(self.lasting, min(20, len(self.words) // 4))

    @_once
    def strongest(self) -> np.ndarray:
        """Numbers of the ten strongest probes of each sign, to be put into texts."""
        return np.concatenate([self.probes.numbers[self.probes.sign == sign][:10] for sign in (1, -1)])

    @_once
    def effects(self) -> pd.DataFrame:
        """What every frequent word does to others, best first."""
        return modifiers.modifier_effects(self.lasting, self.words, self.probes)

    @_once
    def dimension(self) -> Dimension:
        return subspace_dimension(self.lasting, top_words(self.effects), self.effects.word, self.probes, self.seed)

    @_once
    def subspace(self) -> Subspace:
        """The modifier subspace."""
        return chosen_subspace(self.lasting, self.effects, self.dimension)

    @_once
    def pairs(self) -> pd.DataFrame:
        """Contrast phrases without and with a modifier, of the kinds that the network knows enough words of."""
        return usable(perturb.phrase_pairs(self.lasting.model), "of the book's contrast phrases")

    @_once
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

    @_once
    def other_subspaces(self) -> list[Subspace]:
        """The control: five subspaces of words that modify nothing."""
        return control_subspaces(self.lasting, self.subspace, self.effects, 5, self.seed)

    @_once
    def perturbations(self) -> dict[str, list[perturb.Change]]:
        """Chapter 3's, by name, with their controls; the mean is that of phrases, or of texts without English ones."""
        try:
            pairs = self.pairs
        except Unmeasured:
            pairs = pd.DataFrame({"without": self.ids[:100]})
        return perturb.conditions(self.lasting, self.subspace, self.effects, pairs, self.seed)

    @_once
    def abolition(self) -> pd.DataFrame:
        return perturb.abolition(self.lasting, self.pairs, self.perturbations, seed=self.seed)

    @_once
    def costs(self) -> pd.DataFrame:
        """Accuracy under each perturbation that removes something, and what it costs."""
        ids, labels = [i for i, k in zip(self.ids, self.labelled) if k], self.reviews.labels[self.labelled]
        tried = {name: changes for name, changes in self.perturbations.items() if "×" not in name}
        return perturb.costs(self.lasting.model, ids, labels, tried, seed=self.seed)

    @_once
    def start_profiles(self) -> tuple[dict[str, edges.Profile], np.ndarray, str]:
        """Emphasis by place from the beginning for each of :func:`rnnrev.edges.starts`; the texts; a note."""
        point, length = self.lasting, max(edges.PLACES) + edges.LAG + 1
        long = [i for i in self.ids if len(i) > length][:N_TEXTS]
        few = len(long) < _MIN_LONG
        texts = self._neutral(length) if few else edges.first_tokens(long, length)
        begin = edges.starts(point, self.subspace, self.effects, self.seed)
        found = {k: edges.start_profile(point, texts, self.strongest, h0=h, seed=self.seed) for k, h in begin.items()}
        return found, texts, self._where(few, length, len(texts))

    @_once
    def end_profiles(self) -> tuple[dict[str, edges.Profile], np.ndarray, str]:
        """Emphasis by distance from the end for each way to read it, the mean effects (K, L) intact, and in what."""
        point, length, before = self.lasting, max(edges.LAGS) + 1, self.lasting.h_star  # begun in mid-text
        long = [i for i in self.ids if len(i) > length][:N_TEXTS]
        few = len(long) < _MIN_LONG
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


def usable(pairs: pd.DataFrame, where: str) -> pd.DataFrame:
    """Phrases of the conditions that have three positive words or more, and as many negative ones."""
    words = pairs.groupby(["condition", "valence"]).word.nunique().unstack(fill_value=0)
    usable = words.index[(words.reindex(columns=[-1, 1], fill_value=0) >= 3).all(axis=1)]
    if usable.empty:
        raise Unmeasured(
            f"the network knows the words of only {len(pairs)} {where} (“the movie was not good”): three positive and "
            "three negative words are needed for one kind of modifier"
        )
    return pairs[pairs.condition.isin(usable)].reset_index(drop=True)
