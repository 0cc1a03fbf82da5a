"""Words that change what other words count: every word scored, described, followed in time, judged by a grammar.

A linear model of the network adds words up; "not" cannot act on "good" in it. What it lacks is the change of the
input Jacobian with the state. After a modifier m the state is h_m = F(h*, x_m), and

    ΔJ_inp(m) = J_inp(h_m) − J_inp(h*)                                                          (CP20)

is what m does to the words after it. Here J_inp is that of the corpus-averaged map F̄ (:func:`fixed_points.mean_map`),
and every Jacobian effect has a *finite* one beside it, with the network's own step:

    Δv_k(m) = ℓ₁ᵀ[F(h_m, x_k) − F̄(h_m)] − ℓ₁ᵀ[F(h*, x_k) − F̄(h*)].

Valences and effects are in nats: ℓ₁ is scaled by w·r₁ (:func:`linear.slow_readout`), so that they are lasting changes
of the logit. No (V, S, D) array is ever made: J_inp = Σ_g diag(d_u[g]) W_gᵀ, so a norm needs the Gram matrices
W_gᵀ W_g' only, and a barcode the products x W_g. Where modifiers move the state is in :mod:`rnnrev.subspace`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import optimize
from scipy.spatial import cKDTree

from .cells import Cell
from .fixed_points import mean_map
from .linear import OperatingPoint, Unmeasured, Words, frequent_words, slow_readout, valence
from .stats import Estimate, bootstrap, shown

__all__ = [
    "barcode", "cluster_barcodes", "half_lives", "lexicon", "linear_fit", "modifier_effects", "probe_words",
    "ranking_auc", "states_after", "transients",
]  # fmt: skip

_N_TOKENS = 32  #: tokens of the averaged map where many states are scored: words rank as by 600 (ρ > .999 in the GRU)


@lru_cache(maxsize=2)
def quick(point: OperatingPoint) -> OperatingPoint:
    """The operating point with an averaged map of few tokens, for work with many states."""
    return replace(point, mean_map=mean_map(point.model, _N_TOKENS))


def states_after(point: OperatingPoint, words: Words) -> np.ndarray:
    """h_m = F(h*, x_m), where words leave the state: (n, S)."""
    model = point.model
    return model.cell.step_projected(point.h_star, model.projected[model.vocabulary.numbers(words)]).astype(float)


# --- probes -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Probes:
    """Valence words on which modifiers are tried: positive ones first, the strongest leading.

    ``words`` (K strings), ``numbers`` (K,), ``valence`` (K,) what each adds at h*, in nats.
    """

    words: tuple[str, ...]
    numbers: np.ndarray = field(repr=False)
    valence: np.ndarray = field(repr=False)

    @property
    def sign(self) -> np.ndarray:
        """1 for the positive ones, −1 for the others, (K,)."""
        return np.sign(self.valence)

    def by_sign(self, values: np.ndarray) -> np.ndarray:
        """Means over the positive and over the negative probes: (..., K) -> (..., 2)."""
        return np.stack([values[..., self.sign == s].mean(-1) for s in (1, -1)], -1)


def probe_words(point: OperatingPoint, n: int = 20) -> Probes:
    """The n most positive and the n most negative frequent words by ℓ₁ᵀ J_inp x; ``Unmeasured`` if there are fewer.

    A word is passed over if the network's own step does not give it the same sign at h* (:func:`linear.valence`).
    """
    words = frequent_words(point.model)
    if len(words) < 2 * n:
        raise Unmeasured(f"only {len(words)} words are frequent enough to be probes: ask for fewer than {2 * n}")
    order = words[np.argsort(valence(point, words, inputs="jacobian"))]
    sides = []
    for side, sign in ((order[::-1][: 2 * n], 1), (order[: 2 * n], -1)):
        finite = valence(point, side)
        agree = np.flatnonzero(np.sign(finite) == sign)[:n]
        if len(agree) < n:
            raise Unmeasured(f"fewer than {n} words have a clear valence at h*: use a trained network, or lower n")
        sides.append((side[agree], finite[agree]))
    numbers, values = (np.concatenate(part) for part in zip(*sides))
    return Probes(point.model.vocabulary.names(numbers), numbers, values)


# --- effects of every word --------------------------------------------------------------------


def _jacobian_norm(cell: Cell, d_u: np.ndarray) -> np.ndarray:
    """‖Σ_g diag(d_u[g]) W_gᵀ‖_F of every (k, G, N) in (n, k, G, N): (n,)."""
    gates = cell.W.reshape(cell.n_inputs, -1, cell.n_units)
    gram = np.einsum("dgn,dfn->gfn", gates, gates)
    return np.sqrt(np.maximum(np.einsum("aign,gfn,aifn->a", d_u, gram, d_u, optimize=True), 0))


def _jacobian_effects(point: OperatingPoint, probes: Probes, d_u: np.ndarray) -> np.ndarray:
    """(w·r₁) ℓ₁ᵀ J_inp (x_k − x̄) for input partials d_u (n, k, G, N): (n, K)."""
    model, cell = point.model, point.mean_map.cell
    x = model.embedding[probes.numbers] - model.frequencies @ model.embedding
    gates = np.einsum("kd,dgn->gnk", x, cell.W.reshape(cell.n_inputs, -1, cell.n_units))
    through = np.einsum("aign,in->agn", d_u, slow_readout(point).reshape(-1, cell.n_units))
    return through.reshape(len(d_u), -1) @ gates.reshape(-1, len(x))


def modifier_effects(point: OperatingPoint, words: Words | None = None, probes: Probes | None = None) -> pd.DataFrame:
    """Score words, the frequent ones (:func:`linear.frequent_words`) unless given, as modifiers; a table, best first.

    - ``word``, ``number``, ``per_million`` of running text;
    - ``norm``: ‖ΔJ_inp‖ / ‖J_inp(h*)‖ (Frobenius), CP20's ranking;
    - ``positive``, ``negative``: relative change of what the positive (negative) probes add, finite; −1 it is gone, −2
      turned round, 1 doubled. ``positive_jacobian``, ``negative_jacobian``: the same from ℓ₁ᵀ ΔJ_inp (x_k − x̄);
    - ``rms``: root mean square over probes of the finite effect, nats;
    - ``gain``: ½ (positive + negative), the *modulation*: what scales both signs of valence alike;
    - ``strength``, our ranking: how much of the valence the modifier accounts for, halving as much as doubling: −g for
      a relative change g < 0, g/(1 + g) for g > 0; of the weaker of the two signs, 0 where they differ in direction;
    - ``own``: what the word itself adds at h*, nats;
    - ``kind``: by the effects on *both* signs, *intensifier*: adds half of the valence or more; *negator*: takes half
      or more (and may turn it round); *diminisher*: takes a third or more, but less than a half; else *other*.
    """
    probes = probe_words(point) if probes is None else probes
    model = point.model
    numbers = frequent_words(model) if words is None else model.vocabulary.numbers(words)
    many = quick(point)
    states = np.concatenate([point.h_star[None], states_after(point, numbers)])
    finite, first_order, norm, base = [], [], [], many.mean_map.partials(point.h_star)[1]
    for h in np.array_split(states, -(-len(states) // 256)):  # (256, K, S) at a time
        finite.append(valence(many, probes.numbers, h))
        d_u = many.mean_map.partials(h)[1]
        first_order.append(_jacobian_effects(many, probes, d_u))
        norm.append(_jacobian_norm(many.mean_map.cell, d_u - base))
    table = pd.DataFrame({"word": model.vocabulary.names(numbers), "number": numbers})
    table["per_million"] = 1e6 * np.asarray(model.frequencies)[numbers]
    table["norm"] = np.concatenate(norm)[1:] / _jacobian_norm(many.mean_map.cell, base[None])
    counted = np.concatenate(finite)
    for name, values in (("", counted), ("_jacobian", np.concatenate(first_order))):
        both = probes.by_sign(values)
        table[f"positive{name}"], table[f"negative{name}"] = (both[1:] / both[0] - 1).T
    table["rms"] = np.sqrt(np.mean((counted[1:] - counted[0]) ** 2, 1))
    table["gain"] = (table.positive + table.negative) / 2
    both = table[["positive", "negative"]].to_numpy()
    low, high, size = both.min(1), both.max(1), np.where(both > 0, both / (1 + np.maximum(both, 0)), -both)
    table["strength"] = np.where(both.prod(1) > 0, size.min(1), 0.0)
    table["own"] = valence(point, numbers)
    rules = [low >= 1 / 2, high <= -1 / 2, high <= -1 / 3]
    table["kind"] = np.select(rules, ["intensifier", "negator", "diminisher"], "other")
    return table.sort_values("strength", ascending=False, kind="stable", ignore_index=True)


@dataclass(frozen=True, eq=False)
class Barcodes:
    """Effects of words on probes, each (n, K) in nats: by the network's own step and by its input Jacobian."""

    words: tuple[str, ...]
    probes: Probes
    finite: np.ndarray = field(repr=False)
    jacobian: np.ndarray = field(repr=False)


def barcode(point: OperatingPoint, words: Words, probes: Probes | None = None) -> Barcodes:
    """What each word does to each probe after it (CP20): ℓ₁ᵀ ΔJ_inp(m) (x_k − x̄), and Δv_k(m) by the finite step."""
    probes = probe_words(point) if probes is None else probes
    states = np.concatenate([point.h_star[None], states_after(point, words)])
    finite = valence(point, probes.numbers, states)
    first_order = _jacobian_effects(point, probes, point.mean_map.partials(states)[1])
    return Barcodes(
        point.model.vocabulary.names(words), probes, finite[1:] - finite[0], first_order[1:] - first_order[0]
    )


@dataclass(frozen=True, eq=False)
class Clusters:
    """What barcodes have in common.

    ``labels`` (n,) of two clusters found blindly; shares of the barcodes' squared size: ``one`` of one pattern, scaled
    word by word, ``valence`` of the probes' own valence (so: a barcode is a gain); ``agreement`` adjusted Rand index of
    the labels with known kinds, ``chance`` what 95 % of the indices stay under when the kinds are shuffled.
    """

    labels: np.ndarray = field(repr=False)
    one: float = shown(".1%")
    valence: float = shown(".1%")
    agreement: float = shown(".2f")
    chance: float = shown(".2f")


def cluster_barcodes(codes: Barcodes, known: Sequence[str]) -> Clusters:
    """Part barcodes into two clusters by cosine distance, average linkage, and compare with ``known`` kinds (n,)."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import adjusted_rand_score

    E, expected = codes.finite, np.asarray(known)
    size = np.linalg.svd(E, compute_uv=False) ** 2
    v = codes.probes.valence / np.linalg.norm(codes.probes.valence)
    labels = AgglomerativeClustering(2, metric="cosine", linkage="average").fit_predict(E)
    rng = np.random.default_rng([0, 101])
    shuffled = [adjusted_rand_score(rng.permutation(expected), labels) for _ in range(200)]
    return Clusters(
        labels, float(size[0] / size.sum()), float(np.sum((E @ v) ** 2) / size.sum()),
        float(adjusted_rand_score(expected, labels)), float(np.quantile(shuffled, 0.95)),
    )  # fmt: skip


# --- transients -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Transients:
    """What is left of modifiers after n average words, n = 0 right after the modifier.

    ``gain`` (words, steps + 1) of the probes, finite, and ``linear_gain``, with the state moved by J_recⁿ alone;
    ``half_life`` (words,) of the gain in tokens, NaN where it never halves; ``tau`` (words,) of a fitted exponential.
    """

    words: tuple[str, ...]
    gain: np.ndarray = field(repr=False)
    linear_gain: np.ndarray = field(repr=False)
    half_life: np.ndarray = field(repr=False)
    tau: np.ndarray = field(repr=False)


def transients(point: OperatingPoint, words: Words, n_steps: int = 40, probes: Probes | None = None) -> Transients:
    """Follow modifiers through average words, h_n = F̄ⁿ(h_m), and linearly, h_n = F̄ⁿ⁺¹(h*) + J_recⁿ(h_m − F̄(h*))."""
    probes = probe_words(point) if probes is None else probes
    many = quick(point)
    F, J_rec = many.mean_map, many.mean_map.jacobian(point.h_star)
    h, path = states_after(point, words), F(point.h_star)
    moved = h - path
    curves = []
    for _ in range(n_steps + 1):
        states = np.concatenate([path[None], h, path + moved])
        counted = probes.by_sign(valence(many, probes.numbers, states))
        curves.append((counted[1:] / counted[0] - 1).mean(-1))
        path, h, moved = F(path), F(h), moved @ J_rec.T
    gain, linear_gain = np.split(np.array(curves).T, 2)
    half, tau = zip(*map(_decay, gain))
    return Transients(point.model.vocabulary.names(words), gain, linear_gain, np.array(half), np.array(tau))


def _decay(curve: np.ndarray) -> tuple[float, float]:
    """Where a curve first falls to half its start, interpolated, and τ of its least-squares c·exp(−n/τ); else NaN."""
    size, n = curve * np.sign(curve[0]), np.arange(len(curve))
    below = np.flatnonzero(size <= size[0] / 2)
    half = np.nan
    if len(below) and below[0] > 0:
        i = below[0]
        half = i - 1 + (size[i - 1] - size[0] / 2) / (size[i - 1] - size[i])
    try:
        (_, tau), _ = optimize.curve_fit(
            lambda n, c, tau: c * np.exp(-n / tau), n, size, (size[0], 5.0), bounds=([0, 0.05], [np.inf, 10 * len(n)])
        )
    except (RuntimeError, ValueError):  # no decay
        tau = np.nan
    return float(half), float(tau)


def linear_fit(found: Transients) -> Estimate:
    """R² of the linear theory's gains over all words and steps (about zero), with an interval over words."""
    rest, total = np.sum((found.gain - found.linear_gain) ** 2, 1), np.sum(found.gain**2, 1)
    return bootstrap((rest, total), lambda a, b, axis=-1: 1 - a.sum(axis) / b.sum(axis), n=500)


def half_lives(found: Transients, table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Half-lives in tokens by kind of :func:`modifier_effects`' table; words whose gain never halves are left out."""
    kind = table.set_index("word").kind[list(found.words)].to_numpy()
    whole = np.isfinite(found.half_life)
    return {k: found.half_life[whole & (kind == k)] for k in ("negator", "diminisher", "intensifier") if k in kind}


# --- judged by a grammar ----------------------------------------------------------------------


def lexicon() -> pd.DataFrame:
    """English negators and degree words, used only to judge rankings: ``word`` (one token), ``kind``, ``subclass``.

    ``kind`` is negator, amplifier or downtoner; ``source`` Quirk, Greenbaum, Leech & Svartvik 1985 (*A Comprehensive
    Grammar of the English Language*) or Huddleston & Pullum 2005, chapter 8.
    """
    return pd.read_csv(Path(__file__).parent / "datasets" / "modifiers_lexicon.csv")


def nearest(x: np.ndarray, others: np.ndarray, n: int) -> np.ndarray:
    """Positions of the n nearest others (M, F) to each x (m, F), features scaled to unit spread: (m, n).

    ``Unmeasured`` if there are not as many others.
    """
    if len(others) < n:
        raise Unmeasured(f"matching needs at least {n} other words, there are {len(others)}")
    scale = np.maximum(others.std(0), 1e-12)
    return cKDTree(others / scale).query(x / scale, k=range(1, n + 1))[1]


def matched_words(table: pd.DataFrame, targets: Iterable[str], n: int = 20) -> np.ndarray:
    """For each target the rows of n words that are as frequent and as valent (size of ``own``) but no targets: (m, n).

    ``table`` is that of :func:`modifier_effects`; targets that it lacks are left out.
    """
    wanted = table.word.isin(set(targets)).to_numpy()
    if not wanted.any():
        raise Unmeasured("none of the words to be matched is frequent in this network")
    features = np.column_stack([np.log(table.per_million), np.abs(table.own)])
    return np.flatnonzero(~wanted)[nearest(features[wanted], features[~wanted], n)]


@dataclass(frozen=True)
class Ranking:
    """How well a ranking finds the grammar's words.

    ``auc``: the chance that one of them is ranked over a word of :func:`matched_words`, with an interval over the
    grammar's words; ``precision20``, ``precision50`` their share among the first 20 and 50; ``chance`` among all
    words, of which ``known`` are the grammar's.
    """

    auc: Estimate = shown(".2f")
    precision20: float = shown(".0%")
    precision50: float = shown(".0%")
    chance: float = shown(".1%")
    known: int = shown("d")


def ranking_auc(
    table: pd.DataFrame, by: str = "strength", kinds: Sequence[str] = ("negator", "amplifier", "downtoner")
) -> Ranking:
    """Judge a column of :func:`modifier_effects`' table (``"-gain"`` turns it round), by kinds of :func:`lexicon`."""
    grammar = lexicon()
    known = set(grammar.word[grammar.kind.isin(kinds)])
    hit, value = table.word.isin(known).to_numpy(), table.eval(by).to_numpy()
    others, targets = matched_words(table, known), value[hit][:, None]
    wins = ((targets > value[others]) + 0.5 * (targets == value[others])).mean(1)
    best = hit[np.argsort(-value, kind="stable")]
    return Ranking(bootstrap(wins), float(best[:20].mean()), float(best[:50].mean()), float(hit.mean()), int(hit.sum()))
