"""What chapter "The network in a few numbers" claims, measured on every shipped network: rnnrev/records/balanced.csv.

    python scripts/balanced.py [NETWORK ...] [--parts PART ...] [--out FOLDER] [--sweeps FOLDER] [--add]

Balancing takes IMDB's training reviews, three draws of sixty, or Yelp's where a network learned from those. Scores are
on texts that no network and no balancing has seen: IMDB's test reviews, SST-2's validation sentences, Yelp's test
reviews, revised reviews. The marks on the known language are of the networks that `scripts/sweeps.py language` has
trained. One network takes four minutes on two quiet cores. It can be stopped at any time: OUT has a file for each
network and part, made anew when the code of the part has changed. The record is written when all networks have all
parts; with --add what was asked for is put into the record that is there, if its code is that of today. A network is a
shipped one or a model file. Needs the data sets.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import sweeps
from along_text import linear_reader
from exponentials import WordForm, word_form
from networks import recurrent
from provenance import Source, add, networks, write_table
from scipy.optimize import brentq
from scipy.stats import spearmanr
from sweep import Cell, grid, minutes, sweep

from rnnrev import balanced, driven, linear, measure, modifiers, stats, zoo
from rnnrev.analysis import Analysis
from rnnrev.balanced import BalancedModes, ReducedRNN, balance, balanced_modes, explained, petrov_galerkin, volume_axis
from rnnrev.book import recovery
from rnnrev.book.language import Language
from rnnrev.book.plane import landscape, word_matrices
from rnnrev.data import Reviews, load_reviews
from rnnrev.fixed_points import mean_map
from rnnrev.measure import COLUMNS
from rnnrev.model import BagOfWords, SentimentRNN, untrained
from rnnrev.stats import Estimate
from rnnrev.subspace import modifier_subspace, top_words

KEPT = (1, 2, 3, 5, 8)  #: numbers of state
ENOUGH = (*KEPT, 12)  #: of balanced modes: an LSTM needs more
ANYWHERE = (2, 5, 8)  #: on texts other than IMDB's, and of the slower controls
DRAWS = 3  #: of training texts
FEWER = 100  #: of IMDB's test reviews, and three times as many sentences, for controls
N_AXES = 5
WORDS = ("not", "never", "extremely", "very", "good", "bad")
TRAIN, YELP = "imdb/train", "yelp_polarity/train"  #: text that is not scored but looked at
#: Parts of chapters 3 to 5 that are measured once more with the vectors from text; at h* they are in another record.
CHAPTERS = ("ranking", "subspace", "place", "abolition", "beginning", "end")
CHAPTERS_SCORED = 500  #: reviews, the same ones as at h* (scripts/records.py)
Row = dict[str, Any]


#: Names of texts that change places for a network that learned from Yelp.
SWAPPED = {TRAIN: YELP, YELP: TRAIN, "imdb/test": "yelp_polarity/test", "yelp_polarity/test": "imdb/test"}


def learned_yelp(model: SentimentRNN) -> bool:
    return str(model.record["config"]["data"]).startswith("yelp")


@cache
def texts_of_test(n: int = 200) -> dict[str, Reviews]:
    """The texts that are scored, none of them seen by a network."""
    revised = [load_reviews("imdb_counterfactual", split) for split in ("train", "validation")]
    both = replace(
        revised[0], texts=revised[0].texts + revised[1].texts, labels=np.concatenate([r.labels for r in revised])
    )
    return {
        "imdb/test": load_reviews("imdb", "test").sample(n),
        "sst2/validation": load_reviews("sst2", "validation").sample(2 * n),
        "yelp_polarity/test": load_reviews("yelp_polarity", "test").sample(n),
        "imdb_counterfactual/revised": both.sample(n),
    }


@dataclass(eq=False)
class Study:
    """One network, its training texts as token numbers (draws of sixty), and the logits of all test texts.

    Where a network learned from Yelp, IMDB and Yelp change places here, and back in the rows (:func:`measured`).
    """

    model: SentimentRNN
    tests: dict[str, Reviews]
    train: Sequence[str] = field(repr=False)
    hotels: Sequence[str] = field(repr=False)
    other: Sequence[str] = field(repr=False)

    @classmethod
    def of(cls, model: SentimentRNN) -> Study:
        places = {"imdb": "yelp_polarity", "yelp_polarity": "imdb"} if learned_yelp(model) else {}
        samples = (("imdb", 3000), ("hotels", 200), ("yelp_polarity", 60 * DRAWS))
        texts = (load_reviews(places.get(name, name), "train").sample(n).texts for name, n in samples)
        tests = texts_of_test()
        return cls(model, {name: tests[SWAPPED.get(name, name) if places else name] for name in tests}, *texts)

    @cached_property
    def draws(self) -> list[list[np.ndarray]]:
        return self.drawn(self.train)

    def drawn(self, texts: Sequence[str]) -> list[list[np.ndarray]]:
        ids = self.model.vocabulary.encode_all(texts[: 60 * DRAWS])
        return [[i[:160] for i in ids[60 * d : 60 * (d + 1)]] for d in range(DRAWS)]

    @cached_property
    def modes(self) -> list[BalancedModes]:
        return [balance(self.model, ids, seed=d) for d, ids in enumerate(self.draws)]

    @cached_property
    def ids(self) -> dict[str, list[np.ndarray]]:
        return {name: self.model.vocabulary.encode_all(r.texts) for name, r in self.tests.items()}

    @cached_property
    def logits(self) -> dict[str, np.ndarray]:
        return {name: self.model.logits_of(ids).astype(float) for name, ids in self.ids.items()}

    @cached_property
    def fresh(self) -> SentimentRNN:
        m = self.model
        return untrained(m.cell.kind, m.vocabulary, m.cell.n_units, m.cell.n_inputs, 0, m.counts)

    @cached_property
    def fresh_modes(self) -> BalancedModes:
        """Of the untrained network: :func:`balance` would refuse it."""
        ids = self.draws[0]
        a = driven.adjoints(self.fresh, [i for i in ids if len(i) > 60])
        return balanced_modes(np.concatenate(self.fresh.states_of(ids)), a, self.fresh.w)

    @cached_property
    def point(self) -> linear.OperatingPoint:
        return linear.operating_point(self.model, texts=self.train[:100])

    @cached_property
    def along(self) -> driven.DrivenPoint:
        return driven.driven_point(self.model, self.train[:400])

    @cached_property
    def bag(self) -> BagOfWords:
        return zoo.bag_of(self.model)


def r2(whole: np.ndarray, other: np.ndarray) -> Estimate:
    """R² as :func:`rnnrev.balanced.explained`, with its interval over texts."""
    w = stats.resample(len(whole), 1000)
    return stats.estimate(1 - (w @ (whole - other) ** 2) / (w @ whole**2 - (w @ whole) ** 2))


def squared_correlation(x: np.ndarray, y: np.ndarray) -> Estimate:
    """Squared correlation with its interval over texts: for readers whose unit and zero are their own."""
    w = stats.resample(len(x), 1000)
    cov = w @ (x * y) - (w @ x) * (w @ y)
    return stats.estimate(cov**2 / ((w @ x**2 - (w @ x) ** 2) * (w @ y**2 - (w @ y) ** 2)))


def spread(values: Sequence[float]) -> Estimate:
    """Mean over draws of training text, from the least to the largest."""
    return Estimate(float(np.mean(values)), float(np.min(values)), float(np.max(values)))


def row(measure: str, condition: str, value: Estimate | float, n: int, at: float = np.nan, data: str = TRAIN) -> Row:
    value = value if isinstance(value, Estimate) else Estimate(float(value), np.nan, np.nan)
    return {"data": data, "measure": measure, "condition": condition, "at": at, **value._asdict(), "n": n}


def middle(values: np.ndarray) -> Estimate:
    """Median and middle 95 % of what controls give."""
    return Estimate(float(np.median(values)), *map(float, stats.interval(values)))


def scored(
    study: Study, other: SentimentRNN | WordForm, condition: str, k: int, data: str, n: int | None = None
) -> Iterator[Row]:
    """How a network on k numbers reads the first n texts beside the whole one."""
    ids, labels, whole = study.ids[data][:n], study.tests[data].labels[:n], study.logits[data][:n]
    with np.errstate(over="ignore", invalid="ignore"):  # a bad projection may run off
        logits = np.clip(np.nan_to_num(other.logits_of(ids).astype(float)), -1e3, 1e3)
    yield row("r2", condition, r2(whole, logits), len(ids), k, data)
    yield row("same_decision", condition, stats.accuracy(logits > 0, whole > 0), len(ids), k, data)
    yield row("accuracy", condition, stats.accuracy(logits > 0, labels == 1), len(ids), k, data)


# --- what is enough, and what is needed -----------------------------------------------------------------


def sufficient(study: Study) -> Iterator[Row]:
    for data, whole in study.logits.items():
        labels = study.tests[data].labels
        yield row("accuracy", "whole network", stats.accuracy(whole > 0, labels == 1), len(whole), data=data)
        for k in ENOUGH if data == "imdb/test" else ANYWHERE:
            yield from scored(study, study.modes[0].reduce(study.model, k), "balanced", k, data)
    ids, whole = study.ids["imdb/test"][:FEWER], study.logits["imdb/test"][:FEWER]
    for k in ANYWHERE:  # other draws of training text
        found = [explained(whole, m.reduce(study.model, k).logits_of(ids)) for m in study.modes]
        yield row("r2_over_draws", "balanced", spread(found), DRAWS, k, "imdb/test")
    for name, texts in (("IMDB", study.train[:600]), ("reviews of the book", None)):
        yield row("k_chosen", name, balanced.reduce(study.model, texts=texts).k, 1)


def matched(C: np.ndarray, wanted: float, k: int, seed: int) -> np.ndarray:
    """A random orthonormal basis (S, k) in which states with covariance C have a share ``wanted`` of their variance."""
    size, axes = np.linalg.eigh(C)
    size = np.maximum(size, 0) / size[-1]
    z = np.random.default_rng([seed, 163]).standard_normal((len(C), k))

    def basis(power: float) -> np.ndarray:
        return axes @ np.linalg.qr(size[:, None] ** power * z)[0]

    def excess(power: float) -> float:
        return float(np.trace(basis(power).T @ C @ basis(power)) / np.trace(C)) - wanted

    return basis(float(brentq(excess, 0, 20)) if excess(0) < 0 < excess(20) else 20.0 * (excess(0) < 0))


def controls(study: Study) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Name, Φ, Ψ (S, 8) and centre of what is kept instead of balanced modes; the first k columns are kept."""
    model, modes, ids = study.model, study.modes[0], study.draws[0]
    states, k, rng = np.concatenate(model.states_of(ids)).astype(float), max(KEPT), np.random.default_rng(0)
    C, mean = np.cov(states.T), modes.mean
    pca = np.linalg.eigh(C)[1][:, ::-1][:, :k]
    yield "principal components", pca, pca, mean
    plain = np.linalg.qr(rng.standard_normal((len(C), k)))[0]
    yield "random directions", plain, plain, mean
    shuffled = balance(model, [rng.permutation(i) for i in ids])
    yield "shuffled text", shuffled.Phi[:, :k], shuffled.Psi[:, :k], shuffled.mean
    hotels = balance(model, driven.token_arrays(model, study.hotels, 60, 160))
    yield "hotel reviews", hotels.Phi[:, :k], hotels.Psi[:, :k], hotels.mean
    fresh = study.fresh_modes
    yield "modes of the untrained network", fresh.Phi[:, :k], fresh.Psi[:, :k], mean
    for point, centres in (
        (study.along, {"line and modifiers": mean}),
        (
            study.point,
            {"line and modifiers at h*, about the mean": mean, "line and modifiers at h*": study.point.h_star},
        ),
    ):
        subspace = modifier_subspace(point, top_words(modifiers.modifier_effects(point)), k - 1)
        for name, centre in centres.items():
            yield name, np.c_[point.r, subspace.basis], np.c_[point.l, subspace.dual], centre


QUICK = ("principal components", "line and modifiers", "shuffled text")  #: controls that are drawn at every k


def compared(study: Study) -> Iterator[Row]:
    """Controls beside the balanced modes: only these k, on fewer reviews and all sentences."""
    for name, Phi, Psi, centre in controls(study):
        for k in KEPT if name in QUICK else ANYWHERE:
            other = petrov_galerkin(study.model, Phi[:, :k], Psi[:, :k], centre)
            for data, n in (("imdb/test", FEWER), ("sst2/validation", 3 * FEWER)):
                yield from scored(study, other, name, k, data, n)
    states = np.concatenate(study.model.states_of(study.draws[0])).astype(float)
    C = np.cov(states.T)
    for k in KEPT:
        own = np.linalg.qr(study.modes[0].Phi[:, :k])[0]
        B = matched(C, float(np.trace(own.T @ C @ own) / np.trace(C)), k, k)
        other = petrov_galerkin(study.model, B, B, study.modes[0].mean)
        for data, n in (("imdb/test", FEWER), ("sst2/validation", 3 * FEWER)):
            yield from scored(study, other, "random directions, same variance", k, data, n)
    # does a network have to be trained to be read with few numbers? Its own modes, its own logits
    ids = study.ids["imdb/test"][:FEWER]
    whole = study.fresh.logits_of(ids).astype(float)
    for k in KEPT:
        value = r2(whole, study.fresh_modes.reduce(study.fresh, k).logits_of(ids).astype(float))
        yield row("r2", "untrained network, its own modes", value, len(ids), k, "imdb/test")


def without(model: SentimentRNN, Phi: np.ndarray, Psi: np.ndarray, mean: np.ndarray) -> SentimentRNN:
    """The network with all but these directions: the rest is kept, by a basis of what Ψ does not read."""
    rest = np.linalg.svd(Psi.T)[2][Psi.shape[1] :].T  # Ψᵀ rest = 0
    dual = rest - Psi @ (Phi.T @ rest)  # so that Φ is not read
    return petrov_galerkin(model, rest, dual @ np.linalg.inv(rest.T @ dual).T, mean)


def necessary(study: Study) -> Iterator[Row]:
    """All but the first k: what is lost."""
    model, modes = study.model, study.modes[0]
    states = np.concatenate(model.states_of(study.draws[0])).astype(float)
    C = np.cov(states.T)
    pca = np.linalg.eigh(C)[1][:, ::-1]
    for k in (1, 2, 5):
        own = np.linalg.qr(modes.Phi[:, :k])[0]
        same = matched(C, float(np.trace(own.T @ C @ own) / np.trace(C)), k, 100 + k)
        plain = np.linalg.qr(np.random.default_rng(k).standard_normal((len(C), k)))[0]
        for name, Phi, Psi in (
            ("all but balanced", modes.Phi[:, :k], modes.Psi[:, :k]),
            ("all but principal components", pca[:, :k], pca[:, :k]),
            ("all but random directions, same variance", same, same), ("all but random directions", plain, plain),
        ):  # fmt: skip
            yield from scored(study, without(model, Phi, Psi, modes.mean), name, k, "imdb/test", FEWER)
    for name, p in (("along text", study.along), ("h*", study.point)):
        r, l = p.r[:, None], p.l[:, None]
        yield from scored(study, without(model, r, l, modes.mean), f"all but the vector {name}", 1, "imdb/test", FEWER)


# --- along text -----------------------------------------------------------------------------------------


def along_text(study: Study) -> Iterator[Row]:
    model, bag, point, along = study.model, study.bag, study.point, study.along
    words = [w for w in linear.frequent_words(model) if model.vocabulary.words[w] in bag.vocabulary]
    beta = bag.beta[[bag.vocabulary.number(model.vocabulary.words[w]) for w in words]].astype(float)
    reader = linear_reader(model, study.train[:3000], 301, n_texts=100)
    fresh = driven.driven_point(study.fresh, study.train[:200])
    for name, v in (
        ("along text", linear.valence(along, words)), ("h*", linear.valence(point, words)),
        ("mean deposit", reader.kernel[driven.LAG][words]), ("untrained", linear.valence(fresh, words)),
    ):  # fmt: skip

        def sorting(x: np.ndarray, y: np.ndarray) -> float:
            return float(spearmanr(x, y).statistic)

        yield row("left_vector_sorts", name, stats.bootstrap((v, beta), sorting, n=300), len(words))
    # once more from other reviews: how much hangs on the draw
    found = [driven.driven_point(model, study.train[400 * d : 400 * d + 100]) for d in range(1, DRAWS)]
    draws = [sorting(linear.valence(p, words), beta) for p in (along, *found)]
    yield row("left_vector_sorts", "along text, over draws", spread(draws), len(draws))
    h_star = linear.linear_model(point)
    for data, n in (("imdb/test", None), ("sst2/validation", None), ("yelp_polarity/test", None)):
        ids, whole = study.ids[data][:n], study.logits[data][:n]
        with np.errstate(over="ignore", invalid="ignore"):
            at_point = np.clip(np.nan_to_num(h_star.logits(study.tests[data].texts[:n])), -1e6, 1e6)
        for name, x in (
            ("along text", reader.logits_of(ids)), ("h*", at_point),
            ("bag of words", bag.logits(study.tests[data].texts[:n]).astype(float)),
        ):  # fmt: skip
            yield row("linear_reader", name, squared_correlation(whole, x), len(ids), data=data)
    yield row("tau", "along text", along.tau, 200)
    yield row("tau", "h*", point.tau, 1)
    yield row("coherence", "along text", along.coherence, 200)
    yield row("on_axis", "along text", along.on_axis, 200)
    doubts = driven.doubts(point, study.train[:200])
    yield row("doubts", "h*", len(doubts), 1) | {"note": "; ".join(doubts)}
    with np.errstate(divide="ignore"):
        long = [i for i in model.vocabulary.encode_all(study.train[:300]) if len(i) >= 160][:30]
        exponents = driven.lyapunov(model, long)
    for i, e in enumerate(exponents.T, 1):
        mean = stats.bootstrap(e)
        yield row("lyapunov", "along text", mean, len(e), i)
        yield row("lyapunov", "h*", -1 / point.modes.slowest[i - 1], 1, i)


# --- what the axes are ------------------------------------------------------------------------------------


def roles(table: pd.DataFrame) -> dict[str, int]:
    """Which axis is which: memory; the volume; of the rest the one with most gain, a quick volume; the most read."""
    rest = table.drop([1, volume_axis(table)])
    return {
        "memory": 1, "volume": volume_axis(table), "quick volume": int(rest.gain.idxmax()),
        "quick memory": int(rest["read"].abs().idxmax()),
    }  # fmt: skip


SIGNED = ("read", "gain", "h0", *WORDS)


def in_role(table: pd.DataFrame, role: str) -> pd.Series:
    """The row of the axis in a role, the quick memory turned so that the readout is positive."""
    found = table.loc[roles(table)[role]].copy()
    if role == "quick memory" and found["read"] < 0:
        found[list(SIGNED)] *= -1
    return found


COLUMNS_OF_AXES = ("share", "tau", *SIGNED)


def axes(study: Study) -> Iterator[Row]:
    model = study.model
    tables = [
        balanced.axes(model, m, ids, WORDS, N_AXES, seed=d) for d, (m, ids) in enumerate(zip(study.modes, study.draws))
    ]
    yield from in_roles(tables, TRAIN)
    # balanced on another kind of text, all anew
    draws = enumerate(study.drawn(study.other)[:2])
    others = [balanced.axes(model, balance(model, ids, seed=d), ids, WORDS, N_AXES, seed=d) for d, ids in draws]
    yield from in_roles(others, YELP)
    shares = np.array([m.hankel[:10] / m.hankel.sum() for m in study.modes])
    for i, s in enumerate(shares.T, 1):
        yield row("hankel", "balanced", spread(s), DRAWS, i)
    yield from elsewhere(study, roles(tables[0]))
    table = balanced.axes(study.fresh, study.fresh_modes, study.draws[0], WORDS, N_AXES)
    for role in roles(table):
        for column in COLUMNS_OF_AXES:
            yield row(f"axis_{column}", f"untrained, {role}", in_role(table, role)[column], 1)
    yield from counted(study)


def in_roles(tables: Sequence[pd.DataFrame], data: str) -> Iterator[Row]:
    """What the axes are, over draws of text, each draw with axes and roles of its own."""
    for role in roles(tables[0]):
        found = pd.DataFrame([in_role(t, role) for t in tables])
        for column in COLUMNS_OF_AXES:
            yield row(f"axis_{column}", role, spread(found[column]), len(tables), data=data)
        yield row("axis_number", role, spread(found.index), len(tables), data=data)


def elsewhere(study: Study, at: dict[str, int]) -> Iterator[Row]:
    """Controls: other words on the same axes; h₀ and the same words on axes of the same variance among other modes."""
    model, modes, ids = study.model, study.modes[0], study.draws[0]
    others = np.random.default_rng(5).permutation(linear.frequent_words(model))[:200]
    moved = balanced.axes(model, modes, ids, others.tolist(), N_AXES)
    for role in ("volume", "quick volume"):
        x = moved.loc[at[role], [str(w) for w in others]].to_numpy(float)
        yield row("axis_other_words", role, middle(x), len(x))
    spare = np.random.default_rng(7).standard_normal((1000, modes.Phi.shape[1]))
    spare[:, [0, at["volume"] - 1]] = 0
    states = np.concatenate([h[10:] for h in model.states_of(ids) if len(h) > 10])
    reads = modes.Psi / np.sqrt(modes.hankel[: modes.Psi.shape[1]])  # so that all modes have the same variance
    z = (states - modes.mean) @ reads
    sd = np.sqrt(np.einsum("di,ij,dj->d", spare, np.cov(z.T), spare))
    h0 = (model.cell.h0 - modes.mean) @ reads - z.mean(0)
    yield row("axis_h0_elsewhere", "random axes, size", middle(np.abs(spare @ h0) / sd), len(spare))
    h = np.random.default_rng(9).permutation(states)[:200]
    average = mean_map(model, 128)(h.astype(float))
    for word in WORDS:
        after = model.cell.step_projected(h, model.projected[model.vocabulary.number(word)])
        move = ((after - average) @ reads).mean(0)
        yield row(f"axis_{word}_elsewhere", "random axes, size", middle(np.abs(spare @ move) / sd), len(spare))


def counted(study: Study) -> Iterator[Row]:
    """How many directions are slow, how many words write, how many are read, and how many are both."""
    model, ids = study.model, [i[:160] for i in study.model.vocabulary.encode_all(study.train[:400]) if len(i) >= 160]
    exponents = driven.lyapunov(model, ids[:12], 64)
    yield row("directions", "slow", stats.bootstrap((exponents > -1 / 25).sum(1).astype(float)), len(exponents))
    words = np.random.default_rng(11).permutation(linear.frequent_words(model))[:64]
    written = driven.impulse_responses(model, ids[:100], words).mean((0, 1, 3))
    a = driven.adjoints(model, ids[:100], [driven.LAG])[:, 0]
    for name, x in (("written", written - written.mean(0)), ("read", a)):
        size = np.linalg.svd(x, compute_uv=False) ** 2
        yield row("directions", name, size.sum() ** 2 / np.sum(size**2), len(x))
    both = [m.hankel.sum() ** 2 / np.sum(m.hankel**2) for m in study.modes]
    yield row("directions", "written and read", spread(both), DRAWS)


# --- the plane --------------------------------------------------------------------------------------------


def planes(study: Study) -> Iterator[Row]:
    """Memory and volume alone: how well they read, whether volume multiplies, where the average word leads."""
    charted: dict[str, list[ReducedRNN]] = {}
    for name, model, found in (("", study.model, study.modes), ("untrained", study.fresh, [study.fresh_modes])):
        drawn = list(enumerate(zip(found, study.draws)))
        tables = [(m, balanced.axes(model, m, ids, k=N_AXES, seed=d)) for d, (m, ids) in drawn]
        charted[name] = [balanced.plane(model, m, table) for m, table in tables]
        small, ids = charted[name][0], study.draws[0]
        states = np.concatenate([h[10:] for h in model.states_of(ids) if len(h) > 10])
        z = np.random.default_rng(3).permutation(small.coordinates(states))[:60]
        words = word_matrices(small, linear.frequent_words(model).tolist(), z)
        pairs = words.b1.to_numpy(), words.A12.to_numpy()
        yield row(
            "volume_multiplies",
            name,
            stats.bootstrap(pairs, lambda b, A: float(np.corrcoef(b, A)[0, 1]), n=300),
            len(words),
        )
        yield row("volume_gain", name, stats.bootstrap(pairs, lambda b, A: float(b @ A / (b @ b)), n=300), len(words))
        yield row("matrix_fit", name, stats.bootstrap(words.r2.to_numpy(), np.median), len(words))
    for data in study.logits:
        yield from scored(study, charted[""][0], "memory and volume", 2, data)
    yield from landscapes(charted)


def landscapes(charted: dict[str, list[ReducedRNN]]) -> Iterator[Row]:
    """All fixed points and basins of the averaged map in the plane: over draws of text, and on a grid twice as fine."""
    found = {name: [landscape(small) for small in drawn] for name, drawn in charted.items()}
    for name, each in {**found, "finer grid": [landscape(charted[""][0], n=81)]}.items():
        counts: dict[str, list[float]] = {
            "fixed_points": [len(f.fixed) for f in each], "stable_points": [int(f.stable.sum()) for f in each],
            "basins": [len(np.unique(f.basin[f.basin >= 0])) for f in each],
            "drains": [float(np.mean(f.basin >= 0)) for f in each],
        }  # fmt: skip
        for what, values in counts.items():
            yield row(f"plane_{what}", name, spread(values), len(each))
        if each[0].stable.any():
            slow = -1 / np.log(np.sort(np.abs(each[0].eigvals[each[0].stable][0]))[::-1])
            for i, tau in enumerate(slow, 1):
                yield row("plane_tau", name, tau, 1, i)


def matrices(study: Study) -> Iterator[Row]:
    """Every word as a small matrix, with a volume that multiplies and without; and so many numbers a word."""
    sets = {"imdb/test": FEWER, "sst2/validation": 3 * FEWER}
    used = np.unique(np.concatenate([i for data, n in sets.items() for i in study.ids[data][:n]]))
    texts = study.model.vocabulary.encode_all(study.train[300:360])  # in no draw
    for k in (2, 3, 5):
        small = study.modes[0].reduce(study.model, k)
        for name, linear_ in (("words as matrices", False), ("words as affine maps", True)):
            if linear_ and k == 3:
                continue
            form = word_form(small, texts, used, linear=linear_)
            yield row("one_step", name, form.one_step, len(used), k)
            for data, n in sets.items():
                yield from scored(study, form, name, k, data, n)
                ranks = [r for r in (1, 2, 3, 6, 12) if r < k * (k + 1) and not linear_]
                for r in ranks:
                    yield from scored(study, form.of_rank(r), f"{name}, {r} numbers a word", k, data, n)
            if not linear_:
                for i, kappa in enumerate(form.kappa, 1):
                    yield row("kappa", f"{k} numbers of state", kappa, 1, i)


# --- chapters 3 to 5 along text -----------------------------------------------------------------------------


def chapters(study: Study) -> Iterator[Row]:
    """What chapters 3 to 5 measure, with the mean visited state and the vectors from text in the place of h*, r₁, ℓ₁.

    Conditions are those of the record of networks, behind "along text"; texts are the same ones too.
    """
    along, slow = study.along, study.along.slow
    R, L = along.modes.R.astype(complex), along.modes.L.astype(complex)
    R[:, slow], L[slow] = along.r, along.l  # what lasts, where chapter 5 takes modes apart
    parts = [p for p in measure.PARTS if p.name in CHAPTERS]
    for data in ("imdb", "sst2", "yelp_polarity"):
        analysis = Analysis.of(study.model, load_reviews(data), CHAPTERS_SCORED)
        analysis.lasting = replace(along, modes=replace(along.modes, R=R, L=L))
        for r in measure.tabulate(analysis, parts, progress=False).to_dict("records"):
            yield r | {"condition": f"along text: {r['condition']}" if r["condition"] else "along text"}


# --- the known language -----------------------------------------------------------------------------------------

LANGUAGE_LAG = 24  #: tokens: its texts have 10 to 40
LEARNED = [f"{cell}-language-{seed}" for cell in sweeps.ARCHITECTURES for seed in sweeps.SEEDS]


def known(model: SentimentRNN, language: Language) -> Iterator[Row]:
    """Marks of chapter 8 with the vectors from text, and at h*."""
    seed = int(model.name.rsplit("-", 1)[1])
    test = language.sample(4000, recovery.TEST_SEED, "test")
    texts, ids = language.sample(2000, recovery.TEST_SEED + 1, "train").texts, model.vocabulary.encode_all(test.texts)
    points = {
        "along text": driven.driven_point(model, texts, LANGUAGE_LAG, seed=seed),
        "h*": linear.operating_point(model, texts=test.sample(300, seed).texts, seed=seed),
    }
    for name, point in points.items():
        try:
            probes = modifiers.probe_words(point)
            effects = modifiers.modifier_effects(point, linear.frequent_words(model), probes)
            found = recovery.found_words(language, point, effects, probes)
            marks = recovery.mark_words(found) | recovery.mark_ranking(found, effects)
            marks |= recovery.mark_ends(language, point, ids, probes, effects, seed)[1]
        except linear.Unmeasured as error:
            yield row("valence_spearman", name, np.nan, 0, data="language/test") | {"note": str(error)}
            continue
        for mark, value in marks.items():
            yield row(mark, name, float(value), len(ids), data="language/test")


# --- the record -----------------------------------------------------------------------------------------------

PARTS = {p.__name__: p for p in (axes, planes, along_text, sufficient, compared, necessary, matrices, chapters)}


@lru_cache(maxsize=1)
def study_of(name: str) -> Study:
    return Study.of(zoo.load(name, SentimentRNN))


def measured(cell: Cell, trained: Path) -> list[dict[str, object]]:
    """The rows of one part of one network."""
    name, part = str(cell["network"]), str(cell["part"])
    if part == "known":
        model = zoo.load(trained / "models" / f"{name}.safetensors", SentimentRNN)
        rows = known(replace(model, name=name), Language())
    else:
        study = study_of(name)
        rows = PARTS[part](study)
        if learned_yelp(study.model) and part != "chapters":  # those name their texts themselves
            rows = ({**r, "data": SWAPPED.get(r["data"], r["data"])} for r in rows)
    return [{**r, "network": Path(name).stem} for r in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shipped, names = recurrent() + recurrent(pretrained=True), [*PARTS, "known"]
    parser.add_argument("networks", nargs="*", default=[*shipped, *LEARNED], help="shipped or trained networks (all)")
    parser.add_argument("--parts", nargs="*", default=names, choices=names, help="what to measure (all)")
    parser.add_argument("--out", type=Path, default=Path("runs/balanced"), help="folder of parts (%(default)s)")
    parser.add_argument("--sweeps", type=Path, default=Path("runs/sweeps"), help="OUT of sweeps.py (%(default)s)")
    parser.add_argument("--add", action="store_true", help="put these rows into the record that is there")
    options = parser.parse_args()
    source = Source()
    code = {part: source.code((f"balanced.{part}", "balanced.Study", "balanced.texts_of_test"))[:12] for part in names}
    cells = [
        {**cell, "code": code[str(cell["part"])]}
        for cell in grid(network=options.networks, part=options.parts)
        if (cell["part"] == "known") == (cell["network"] in LEARNED)
    ]
    table = sweep(cells, options.out, partial(measured, trained=options.sweeps), workers=1)
    table = table.reindex(columns=list(COLUMNS)).fillna({"condition": "", "note": ""})
    if options.add:
        there = networks([name for name in table.network.unique() if name in zoo.names()])
        print(add("balanced", table, minutes(options.out, cells), there))
        return
    if len(cells) < len(shipped) * len(PARTS) + len(LEARNED):
        print(f"{len(table):,} rows; the record is written when all networks and parts are asked for")
        return
    about = {
        "code": source.code("balanced"), "draws": DRAWS, "texts_per_draw": 60, "seeds": [0],
        "networks": networks(shipped), "data": {name: r.fingerprint for name, r in texts_of_test().items()},
        "minutes": round(minutes(options.out, cells), 1),
    }  # fmt: skip
    print(f"{len(table):,} rows, written to {write_table('balanced', table, about)}")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
