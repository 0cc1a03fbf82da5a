"""What chapter "The network in a few numbers" claims, measured on every shipped network: rnnrev/records/balanced.csv.

    python scripts/balanced.py [NETWORK ...]

Balancing takes IMDB's training reviews, five draws of sixty. Scores are on texts that no network and no balancing has
seen: IMDB's test reviews, SST-2's validation sentences, Yelp's test reviews, revised reviews. One network takes five to
ten minutes on two quiet cores; it can be stopped, and goes on with the next network that the code of today has not
measured. Needs the data sets.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from provenance import Source, networks, write_table
from scipy.optimize import brentq
from scipy.stats import spearmanr

from rnnrev import balanced, driven, linear, modifiers, stats, zoo
from rnnrev.balanced import BalancedModes, balance, balanced_modes, explained, petrov_galerkin, volume_axis
from rnnrev.data import Reviews, load_reviews
from rnnrev.files import RECORDS
from rnnrev.measure import COLUMNS
from rnnrev.model import BagOfWords, SentimentRNN, untrained
from rnnrev.plane import landscape, plane, seen_from, word_matrices
from rnnrev.stats import Estimate
from rnnrev.subspace import modifier_subspace, top_words

KEPT = (1, 2, 3, 5, 8)  #: numbers of state
ENOUGH = (*KEPT, 12)  #: of balanced modes: an LSTM needs more
DRAWS = 5  #: of training texts
N_AXES = 5
WORDS = ("not", "never", "extremely", "very", "good", "bad")
TRAIN = "imdb/train"  #: the text that is not scored but looked at
NUMBERS = ("value", "low", "high")
Row = dict[str, Any]


def texts_of_test(n: int = 400) -> dict[str, Reviews]:
    """The texts that are scored, none of them seen by a network."""
    revised = [load_reviews("imdb_counterfactual", split) for split in ("train", "validation")]
    both = replace(
        revised[0], texts=revised[0].texts + revised[1].texts, labels=np.concatenate([r.labels for r in revised])
    )
    return {
        "imdb/test": load_reviews("imdb", "test").sample(n),
        "sst2/validation": load_reviews("sst2", "validation").sample(10**6),
        "yelp_polarity/test": load_reviews("yelp_polarity", "test").sample(n),
        "imdb_counterfactual/revised": both.sample(n),
    }


@dataclass(eq=False)
class Study:
    """One network, its training texts as token numbers (five draws, and hotels), and the logits of all test texts."""

    model: SentimentRNN
    tests: dict[str, Reviews]
    train: Sequence[str] = field(repr=False)
    hotels: Sequence[str] = field(repr=False)

    @cached_property
    def draws(self) -> list[list[np.ndarray]]:
        ids = self.model.vocabulary.encode_all(self.train[: 60 * DRAWS])
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
        return zoo.load("bow-imdb", BagOfWords)


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


def scored(study: Study, other: SentimentRNN, condition: str, k: int, data: str, n: int | None = None) -> Iterator[Row]:
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
        for k in ENOUGH:
            yield from scored(study, study.modes[0].reduce(study.model, k), "balanced", k, data)
    for k in KEPT:  # other draws of training text, read on fewer texts
        found = [
            explained(study.logits[d][:200], m.reduce(study.model, k).logits_of(study.ids[d][:200]))
            for d in ("imdb/test",) for m in study.modes
        ]  # fmt: skip
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
    for name, point, centre in (
        ("line and modifiers", study.along, mean), ("line and modifiers at h*, about the mean", study.point, mean),
        ("line and modifiers at h*", study.point, study.point.h_star),
    ):  # fmt: skip
        table = modifiers.modifier_effects(point)
        subspace = modifier_subspace(point, top_words(table), k - 1)
        yield name, np.c_[point.r, subspace.basis], np.c_[point.l, subspace.dual], centre


def compared(study: Study) -> Iterator[Row]:
    """Controls beside the balanced modes: only these k, on 200 reviews and all sentences."""
    for name, Phi, Psi, centre in controls(study):
        for k in KEPT:
            other = petrov_galerkin(study.model, Phi[:, :k], Psi[:, :k], centre)
            for data, n in (("imdb/test", 200), ("sst2/validation", None)):
                yield from scored(study, other, name, k, data, n)
    states = np.concatenate(study.model.states_of(study.draws[0])).astype(float)
    C = np.cov(states.T)
    for k in KEPT:
        own = np.linalg.qr(study.modes[0].Phi[:, :k])[0]
        B = matched(C, float(np.trace(own.T @ C @ own) / np.trace(C)), k, k)
        other = petrov_galerkin(study.model, B, B, study.modes[0].mean)
        for data, n in (("imdb/test", 200), ("sst2/validation", None)):
            yield from scored(study, other, "random directions, same variance", k, data, n)
    # does a network have to be trained to be read with few numbers? Its own modes, its own logits
    ids = study.ids["imdb/test"][:200]
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
    for k in KEPT:
        own = np.linalg.qr(modes.Phi[:, :k])[0]
        same = matched(C, float(np.trace(own.T @ C @ own) / np.trace(C)), k, 100 + k)
        plain = np.linalg.qr(np.random.default_rng(k).standard_normal((len(C), k)))[0]
        for name, Phi, Psi in (
            ("all but balanced", modes.Phi[:, :k], modes.Psi[:, :k]),
            ("all but principal components", pca[:, :k], pca[:, :k]),
            ("all but random directions, same variance", same, same), ("all but random directions", plain, plain),
        ):  # fmt: skip
            yield from scored(study, without(model, Phi, Psi, modes.mean), name, k, "imdb/test", 200)
    for name, p in (("along text", study.along), ("h*", study.point)):
        r, l = p.r[:, None], p.l[:, None]
        yield from scored(study, without(model, r, l, modes.mean), f"all but the vector {name}", 1, "imdb/test", 200)


# --- along text -----------------------------------------------------------------------------------------


def along_text(study: Study) -> Iterator[Row]:
    model, bag, point, along = study.model, study.bag, study.point, study.along
    words = [w for w in linear.frequent_words(model) if model.vocabulary.words[w] in bag.vocabulary]
    beta = bag.beta[[bag.vocabulary.number(model.vocabulary.words[w]) for w in words]].astype(float)
    reader = driven.linear_reader(model, study.train[:3000], 301, n_texts=100)
    fresh = driven.driven_point(study.fresh, study.train[:200])
    for name, v in (
        ("along text", linear.valence(along, words)), ("h*", linear.valence(point, words)),
        ("mean deposit", reader.kernel[driven.LAG][words]), ("untrained", linear.valence(fresh, words)),
    ):  # fmt: skip

        def sorting(x: np.ndarray, y: np.ndarray) -> float:
            return float(spearmanr(x, y).statistic)

        yield row("left_vector_sorts", name, stats.bootstrap((v, beta), sorting, n=300), len(words))
    # once more from other reviews: how much hangs on the draw
    for name, find in (("along text", driven.driven_point), ("h*", linear.operating_point)):
        found = [find(model, texts=study.train[400 * d : 400 * d + 100]) for d in range(DRAWS)]
        draws = [sorting(linear.valence(p, words), beta) for p in found]
        yield row("left_vector_sorts", f"{name}, over draws", spread(draws), DRAWS)
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
    found = driven.doubts(point, study.train[:200])
    yield row("doubts", "h*", len(found), 1) | {"note": "; ".join(found)}
    with np.errstate(divide="ignore"):
        long = [i for i in model.vocabulary.encode_all(study.train[:300]) if len(i) >= 160][:60]
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


def axes(study: Study) -> Iterator[Row]:
    model = study.model
    tables = [
        balanced.axes(model, m, ids, WORDS, N_AXES, seed=d)
        for d, (m, ids) in enumerate(zip(study.modes, study.draws))
    ]  # fmt: skip
    columns = ("share", "tau", *SIGNED)
    for role in roles(tables[0]):
        found = pd.DataFrame([in_role(t, role) for t in tables])
        for column in columns:
            yield row(f"axis_{column}", role, spread(found[column]), DRAWS)
        yield row("axis_number", role, spread(found.index), DRAWS)
    shares = np.array([m.hankel[:10] / m.hankel.sum() for m in study.modes])
    for i, s in enumerate(shares.T, 1):
        yield row("hankel", "balanced", spread(s), DRAWS, i)
    # controls: other words, other directions of the same variance, the untrained network
    modes, ids, at = study.modes[0], study.draws[0], roles(tables[0])
    others = np.random.default_rng(5).permutation(linear.frequent_words(model))[:200]
    moved = balanced.axes(model, modes, ids, others, N_AXES)
    for role in ("volume", "quick volume"):
        x = moved.loc[at[role], [str(w) for w in others]].to_numpy()
        yield row("axis_other_words", role, Estimate(np.median(x), *np.quantile(x, [0.025, 0.975])), len(x))
    spare = np.random.default_rng(7).standard_normal((1000, modes.Phi.shape[1]))
    spare[:, [0, at["volume"] - 1]] = 0
    spare /= np.linalg.norm(spare, axis=1, keepdims=True)
    z = (np.concatenate([h[10:] for h in model.states_of(ids) if len(h) > 10]) - modes.mean) @ modes.Psi
    h0 = ((model.cell.h0 - modes.mean) @ modes.Psi - z.mean(0)) / np.sqrt(modes.hankel[: z.shape[1]])
    sd = np.sqrt(np.einsum("di,ij,dj->d", spare, np.cov((z / np.sqrt(modes.hankel[: z.shape[1]])).T), spare))
    x = np.abs(spare @ h0) / sd
    yield row("axis_h0_elsewhere", "random axes, size", Estimate(np.median(x), *np.quantile(x, [0.025, 0.975])), 1000)
    table = balanced.axes(study.fresh, study.fresh_modes, ids, WORDS, N_AXES)
    for role in roles(table):
        for column in columns:
            yield row(f"axis_{column}", f"untrained, {role}", in_role(table, role)[column], 1)
    yield from counted(study)


def counted(study: Study) -> Iterator[Row]:
    """How many directions are slow, how many words write, how many are read, and how many are both."""
    model, ids = study.model, [i[:160] for i in study.model.vocabulary.encode_all(study.train[:400]) if len(i) >= 160]
    exponents = driven.lyapunov(model, ids[:30], 64)
    yield row("directions", "slow", stats.bootstrap((exponents > -1 / 25).sum(1).astype(float)), 30)
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
    ids = study.draws[0]
    for name, model, modes in (("", study.model, study.modes[0]), ("untrained", study.fresh, study.fresh_modes)):
        small = plane(model, modes, balanced.axes(model, modes, ids, k=N_AXES))
        states = np.concatenate([h[10:] for h in model.states_of(ids) if len(h) > 10])
        z = np.random.default_rng(3).permutation(seen_from(small, states))[:60]
        words = word_matrices(small, linear.frequent_words(model), z)
        pairs = words.b1.to_numpy(), words.A12.to_numpy()
        yield row(
            "volume_multiplies",
            name,
            stats.bootstrap(pairs, lambda b, A: float(np.corrcoef(b, A)[0, 1]), n=300),
            len(words),
        )
        yield row("volume_gain", name, stats.bootstrap(pairs, lambda b, A: float(b @ A / (b @ b)), n=300), len(words))
        yield row("matrix_fit", name, stats.bootstrap(words.r2.to_numpy(), np.median), len(words))
        found = landscape(small, n_steps=500)
        yield row("plane_fixed_points", name, len(found.fixed), 1)
        yield row("plane_stable_points", name, int(found.stable.sum()), 1)
        if found.stable.any():
            slow = -1 / np.log(np.sort(np.abs(found.eigvals[found.stable][0]))[::-1])
            for i, tau in enumerate(slow, 1):
                yield row("plane_tau", name, tau, 1, i)
        if not name:
            for data in study.logits:
                yield from scored(study, small, "memory and volume", 2, data)


PARTS = (axes, planes, along_text, sufficient, compared, necessary)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shipped = zoo.recurrent() + zoo.recurrent(pretrained=True)
    parser.add_argument("networks", nargs="*", default=shipped, help="shipped networks (all)")
    names = [part.__name__ for part in PARTS]
    parser.add_argument("--parts", nargs="*", default=names, choices=names, help="what to measure (all)")
    options = parser.parse_args()
    file = RECORDS / "balanced.csv"
    table = (
        pd.read_csv(file).fillna({"note": "", "condition": ""})
        if file.is_file()
        else pd.DataFrame(columns=list(COLUMNS))
    )
    tests = texts_of_test()
    train, hotels = load_reviews("imdb", "train").sample(3000).texts, load_reviews("hotels", "train").sample(200).texts
    about = {"draws": DRAWS, "texts_per_draw": 60, "seeds": [0], "networks": networks(shipped)}
    about["data"] = {name: r.fingerprint for name, r in tests.items()}
    there, code = json.loads(file.with_suffix(".json").read_text(encoding="utf-8")), Source().code("balanced")
    minutes, codes = there.get("minutes", {}), there.get("codes", {})
    for name in options.networks:
        if codes.get(name) == code[:12]:
            continue
        study = Study(zoo.load(name, SentimentRNN), tests, train, hotels)
        rows: list[Row] = []
        started = time.process_time()
        for part in (p for p in PARTS if p.__name__ in options.parts):
            rows += part(study)
            print(f"{name}: {part.__name__} after {time.process_time() - started:.0f} s", file=sys.stderr, flush=True)
        if options.parts == names:
            codes[name] = code[:12]
        minutes[name] = round((time.process_time() - started) / 60 / 2, 1)
        new = pd.DataFrame(rows).assign(network=name).reindex(columns=list(COLUMNS))
        key = ["network", "data", "measure", "condition", "at"]
        table = pd.concat([table, new]).drop_duplicates(key, keep="last").astype(dict.fromkeys(("at", *NUMBERS), float))
        whole = set(codes.values()) == {code[:12]} and set(codes) >= set(table.network)
        about |= {
            "minutes": minutes,
            "codes": codes,
            "code": code if whole else "several: not all networks are measured",
        }
        write_table("balanced", table.sort_values("network", kind="stable"), about)


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
