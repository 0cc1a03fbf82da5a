"""Words that change what other words count: found, described, and the subspace of states that they lead to.

A linear model of the network adds words up; "not" cannot act on "good" in it. What it lacks is the change of the
input Jacobian with the state. After a modifier m the state is h_m = F(h*, x_m), and

    ΔJ_inp(m) = J_inp(h_m) − J_inp(h*)                                                  (CP20, section 4)

is what m does to the words after it. Here J_inp is that of the corpus-averaged map F̄ (:func:`fixed_points.mean_map`),
and every Jacobian effect has a *finite* one beside it, with the network's own step:

    Δv_k(m) = ℓ₁ᵀ[F(h_m, x_k) − F̄(h_m)] − ℓ₁ᵀ[F(h*, x_k) − F̄(h*)].

Valences and effects are in nats: ℓ₁ is scaled by w·r₁, so that they are lasting changes of the logit.
No (V, S, D) array is ever made: J_inp = Σ_g diag(d_u[g]) W_gᵀ, so a norm needs the Gram matrices W_gᵀ W_g' only,
and a barcode the products x W_g.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .cells import CELLS, NUMPY_OPS, Cell
from .fixed_points import MeanMap, mean_map
from .linear import FLOOR, OperatingPoint, frequent_words, slow_readout, valence
from .stats import Estimate, bootstrap
from .threads import in_threads

__all__ = [
    "Barcodes",
    "Clusters",
    "Dimension",
    "ModeAccount",
    "Plane",
    "Probes",
    "Subspace",
    "Transients",
    "Volume",
    "barcode",
    "captured",
    "cluster_barcodes",
    "compare_networks",
    "deflections",
    "gain_gradient",
    "half_lives",
    "kinds",
    "lexicon",
    "linear_fit",
    "loudness",
    "matched_subspace",
    "matched_words",
    "mode_account",
    "modifier_effects",
    "modifier_subspace",
    "modifier_words",
    "principal_angles",
    "probe_words",
    "random_subspace",
    "ranking_auc",
    "settled_effects",
    "settled_gain",
    "slow_subspace",
    "subspace_dimension",
    "transients",
    "valence_plane",
    "volume",
]

N_TOKENS = 32  #: tokens of the averaged map where many states are scored; they rank words as 600 do

WordList = Sequence[str] | Sequence[int] | np.ndarray


# --- many states, one pass --------------------------------------------------------------------


class _Reader(NamedTuple):
    """What a pass over states needs, in one float type."""

    cell: Cell
    tokens: np.ndarray  # (n, G·N) projected inputs of the averaged map
    weights: np.ndarray  # (n,)


def _reader(average: MeanMap, dtype: Any = np.float64) -> _Reader:
    return _Reader(average.cell.astype(dtype), average.u.astype(dtype), average.weights.astype(dtype))


def _averages(reader: _Reader, h: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F̄ (c, S) and the averaged input partials (c, k, G, N) at a few states (c, S)."""
    cell, spec = reader.cell, CELLS[reader.cell.kind]
    a = cell.recur(h)
    before, u, a_ = h[:, None], reader.tokens[None], a[:, None]
    after = cell.combine(before, u, a_)
    _, d_u, _ = spec.partials(NUMPY_OPS, before, u, a_)
    shape = (len(h), len(reader.weights), cell.n_units)
    mean = np.zeros((len(h), spec.blocks, len(spec.gates), cell.n_units), h.dtype)
    for i, row in enumerate(d_u):
        for g, d in enumerate(row):
            if d is not None:
                mean[:, i, g] = np.einsum("ctn,t->cn", np.broadcast_to(d, shape), reader.weights)
    return np.einsum("cts,t->cs", after, reader.weights), mean


def _in_parallel(function: Callable[[np.ndarray], Any], h: np.ndarray, size: int = 8) -> list[Any]:
    # chunks small enough for the cache
    return in_threads(function, [h[i : i + size] for i in range(0, len(h), size)])


def _gram(cell: Cell) -> np.ndarray:
    """W_gᵀ W_g' for every unit, (G, G, N)."""
    gates = cell.W.reshape(cell.n_inputs, -1, cell.n_units)
    return np.einsum("dgn,dfn->gfn", gates, gates)


def _jacobian_norm(cell: Cell, d_u: np.ndarray, gram: np.ndarray) -> np.ndarray:
    """‖Σ_g diag(d_u[g]) W_gᵀ‖_F of every (k, G, N) in (n, k, G, N): (n,)."""
    square = np.einsum("aign,gfn,aifn->a", d_u, gram, d_u, optimize=True)
    return np.sqrt(np.maximum(square, 0))


def _numbers(point: OperatingPoint, words: WordList) -> np.ndarray:
    return point.model.vocabulary.numbers(words)


def _centre(point: OperatingPoint) -> np.ndarray:
    """The mean embedded token of running text, (D,)."""
    return point.mean_map.weights @ point.model.embed(point.mean_map.words).astype(float)


def _after(point: OperatingPoint, numbers: np.ndarray) -> np.ndarray:
    """h_m = F(h*, x_m) for words by number, (n, S)."""
    return point.model.cell.step_projected(point.h_star, point.model.projected[numbers])


def _share(point: OperatingPoint) -> np.ndarray:
    return np.asarray(point.model.frequencies, float)


# --- valence, probes --------------------------------------------------------------------------


class Probes(NamedTuple):
    """Valence words on which modifiers are tried: positive ones first, the strongest leading.

    ``words`` (K strings), ``numbers`` (K,), ``valence`` (K,) what each adds at h*, in nats.
    """

    words: tuple[str, ...]
    numbers: np.ndarray
    valence: np.ndarray

    @property
    def sign(self) -> np.ndarray:
        """1 for the positive ones, −1 for the others, (K,)."""
        return np.sign(self.valence)


def probe_words(point: OperatingPoint, n: int = 20, floor: float = FLOOR) -> Probes:
    """The n most positive and the n most negative words by ℓ₁ᵀ J_inp x, among those above a frequency floor.

    A word is passed over if the network's own step does not give it the same sign at h* (:func:`valence`).
    """
    frequent = frequent_words(point.model, floor)
    first_order = np.zeros(len(point.model.vocabulary))
    first_order[frequent] = valence(point, frequent, inputs="jacobian")
    if len(frequent) < 2 * n:
        raise ValueError(f"only {len(frequent)} words are as frequent as {floor:g}: lower floor or n")
    order = frequent[np.argsort(first_order[frequent])]
    tried = np.concatenate([order[::-1][: 2 * n], order[: 2 * n]])
    finite = valence(point, tried)
    agrees = np.sign(finite) == np.repeat([1, -1], 2 * n)
    if agrees[: 2 * n].sum() < n or agrees[2 * n :].sum() < n:
        raise ValueError(f"fewer than {n} words have a clear valence at h*: use a trained network, or lower n")
    kept = np.concatenate([np.flatnonzero(agrees[: 2 * n])[:n], 2 * n + np.flatnonzero(agrees[2 * n :])[:n]])
    numbers = tried[kept]
    return Probes(tuple(point.model.vocabulary.words[i] for i in numbers), numbers, finite[kept])


# --- effects of every word --------------------------------------------------------------------


def modifier_effects(
    point: OperatingPoint,
    words: WordList | None = None,
    probes: Probes | None = None,
    n_tokens: int = N_TOKENS,
    floor: float = FLOOR,
) -> Any:
    """Score words as modifiers in one batched pass; a pandas table, best first.

    Parameters
    ----------
    words : words or numbers, optional
        All of the vocabulary by default (20,000 words of a 256-unit GRU: under ten seconds on two cores).
    n_tokens : int
        Tokens of the averaged map; 32 rank as 600 do (rank correlation over 0.999 on the shipped GRU).
    floor : float
        Rarer words get no rank: they come last and have kind "rare".

    Columns
    -------
    word, number, per_million : of running text
    norm : ‖ΔJ_inp‖_F / ‖J_inp(h*)‖_F
    positive, negative : relative change of what the positive (negative) probes add, finite; 0 no effect, −1 the
        valence is gone, −2 it is turned round, 1 it is doubled
    positive_jacobian, negative_jacobian : the same from ℓ₁ᵀ ΔJ_inp (x_k − x̄)
    rms : root mean square over probes of the finite effect, nats
    gain : ½ (positive + negative), the *modulation*: what scales both signs of valence alike
    shift : ½ (positive − negative), what pushes both towards one sign
    strength : how much of the valence the modifier accounts for, on a scale on which halving counts as much as
        doubling: −g for a relative change g < 0, g/(1 + g) for g > 0; of the weaker of the two signs, and 0 where
        they differ in direction. The ranking.
    own : what the word itself adds at h*, nats
    deflection : ‖(I − r₁ℓ₁ᵀ)(h_m − F̄(h*))‖, how far off the attractor it leaves the state
    kind : see :func:`kinds`
    """
    import pandas as pd

    probes = probe_words(point, floor=floor) if probes is None else probes
    model = point.model
    numbers = np.arange(2, len(model.vocabulary)) if words is None else _numbers(point, words)
    average = mean_map(model, n_tokens)
    reader = _reader(average, np.float32)
    cell, h_star = reader.cell, point.h_star.astype(np.float32)
    read = slow_readout(point).astype(np.float32)
    inputs = model.projected[probes.numbers].astype(np.float32)
    gram = _gram(cell)
    x = model.embedding[probes.numbers] - _centre(point)
    gates = np.einsum("kd,dgn->gnk", x, cell.W.reshape(cell.n_inputs, -1, cell.n_units)).astype(np.float32)
    read_blocks = read.reshape(-1, cell.n_units)

    def at(h: np.ndarray) -> tuple[np.ndarray, ...]:
        mean, d_u = _averages(reader, h)
        after = cell.combine(h[:, None], inputs[None], cell.recur(h)[:, None])
        return after @ read - (mean @ read)[:, None], d_u

    base_finite, base_d_u = at(h_star[None])
    read_d_u = np.einsum("aign,in->agn", base_d_u, read_blocks)
    base_linear = np.einsum("agn,gnk->ak", read_d_u, gates)[0]

    def score(h: np.ndarray) -> tuple[np.ndarray, ...]:
        finite, d_u = at(h)
        change = d_u - base_d_u
        through = np.einsum("aign,in->agn", change, read_blocks)
        linear = through.reshape(len(h), -1) @ gates.reshape(-1, gates.shape[-1])
        return finite - base_finite, linear, _jacobian_norm(cell, change, gram)

    states = cell.step_projected(h_star, model.projected[numbers].astype(np.float32))
    finite, linear, norm = (np.concatenate(p) for p in zip(*_in_parallel(score, states)))

    up, down = probes.valence > 0, probes.valence < 0
    table = pd.DataFrame({"word": [model.vocabulary.words[i] for i in numbers], "number": numbers})
    table["per_million"] = 1e6 * _share(point)[numbers]
    table["norm"] = norm / _jacobian_norm(cell, base_d_u, gram)
    for name, effects, base in (("", finite, base_finite[0]), ("_jacobian", linear, base_linear)):
        table[f"positive{name}"] = effects[:, up].mean(1) / base[up].mean()
        table[f"negative{name}"] = effects[:, down].mean(1) / base[down].mean()
    table["rms"] = np.sqrt((finite**2).mean(1))
    table["gain"] = (table.positive + table.negative) / 2
    table["shift"] = (table.positive - table.negative) / 2
    table["strength"] = _strength(table.positive.to_numpy(), table.negative.to_numpy())
    deposit = states.astype(float) - point.mean_map(point.h_star)
    table["own"] = deposit @ slow_readout(point)
    table["deflection"] = np.linalg.norm(_off_attractor(point, deposit), axis=1)
    table["kind"] = kinds(table, floor)
    table["rare"] = table.per_million < 1e6 * floor
    table = table.sort_values(["rare", "strength"], ascending=[True, False], kind="stable", ignore_index=True)
    return table.drop(columns="rare")


def _off_attractor(point: OperatingPoint, d: np.ndarray) -> np.ndarray:
    """Deflections without their slow mode, (I − r₁ℓ₁ᵀ) d, (..., S)."""
    return d - (d @ point.l)[..., None] * point.r


def _strength(positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
    """See :func:`modifier_effects`: a factor f = 1 + g counts as much as 1/f, and f < 0 for more than any f > 0."""
    both = np.stack([positive, negative])
    size = np.where(both > 0, both / (1 + np.maximum(both, 0)), -both)
    return np.where(positive * negative > 0, size.min(0), 0.0)


def kinds(table: Any, floor: float = FLOOR) -> np.ndarray:
    """Sort words into kinds by their finite effects on *both* signs of valence.

    *intensifier*: adds half of it or more; *negator*: takes half of it or more (and may turn it round); *diminisher*:
    takes a third or more, but less than a half; *other*: anything else; *rare*: under the frequency floor.
    """
    low, high = np.minimum(table.positive, table.negative), np.maximum(table.positive, table.negative)
    choices = [table.per_million < 1e6 * floor, low >= 1 / 2, high <= -1 / 2, high <= -1 / 3]
    return np.select(choices, ["rare", "intensifier", "negator", "diminisher"], "other")


def modifier_words(table: Any, n: int = 100) -> tuple[str, ...]:
    """The n highest-ranked modifiers of :func:`modifier_effects`' table (fewer if there are not as many)."""
    return tuple(table.word[table.kind.isin(["intensifier", "negator", "diminisher"])][:n])


class Barcodes(NamedTuple):
    """Effects of words on probes, each (n, K) in nats: on what is integrated (ℓ₁) and on the logit now (w)."""

    words: tuple[str, ...]
    probes: Probes
    finite: np.ndarray
    jacobian: np.ndarray
    now_finite: np.ndarray
    now_jacobian: np.ndarray


def barcode(point: OperatingPoint, words: WordList, probes: Probes | None = None) -> Barcodes:
    """The barcode of each word: what it does to each probe word after it (CP20, figure 4).

    ``jacobian`` holds ℓ₁ᵀ ΔJ_inp(m) (x_k − x̄), ``finite`` Δv_k(m) with the network's own step; ``now_…`` the same
    read by w. All in float64 and with all tokens of the operating point's averaged map.
    """
    numbers = _numbers(point, words)
    return _barcodes_at(point, _after(point, numbers), tuple(point.model.vocabulary.words[i] for i in numbers), probes)


def _barcodes_at(
    point: OperatingPoint, h: np.ndarray, words: tuple[str, ...], probes: Probes | None, average: MeanMap | None = None
) -> Barcodes:
    probes = probe_words(point) if probes is None else probes
    reader = _reader(point.mean_map if average is None else average)
    cell = reader.cell
    reads = np.stack([slow_readout(point), np.asarray(point.model.w, float)], 1)
    inputs = point.model.projected[probes.numbers].astype(float)
    x = point.model.embedding[probes.numbers] - _centre(point)
    gates = np.einsum("kd,dgn->gnk", x, cell.W.reshape(cell.n_inputs, -1, cell.n_units))
    blocks = reads.T.reshape(2, -1, cell.n_units)

    def at(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean, d_u = _averages(reader, states)
        after = cell.combine(states[:, None], inputs[None], cell.recur(states)[:, None])
        finite = np.moveaxis(after @ reads - (mean @ reads)[:, None], -1, 0)
        return finite, np.einsum("aign,rin,gnk->rak", d_u, blocks, gates, optimize=True)

    finite, linear = at(np.asarray(point.h_star, float)[None])
    parts = _in_parallel(at, np.asarray(h, float))
    finite = np.concatenate([p[0] for p in parts], 1) - finite
    linear = np.concatenate([p[1] for p in parts], 1) - linear
    return Barcodes(words, probes, finite[0], linear[0], finite[1], linear[1])


class Clusters(NamedTuple):
    """What barcodes have in common.

    ``one`` the share of the barcodes' squared size that one pattern, scaled word by word, accounts for; ``valence`` the
    share that the probes' own valence does (so: a barcode is a gain); ``labels`` (n,) of two clusters found blindly;
    ``agreement`` adjusted Rand index of these with kinds known from elsewhere, ``chance`` what 95 % of the indices stay
    under when the kinds are shuffled.
    """

    one: float
    valence: float
    labels: np.ndarray
    agreement: float
    chance: float


def cluster_barcodes(codes: Barcodes, known: Sequence[str], n_shuffles: int = 200, seed: int = 0) -> Clusters:
    """Part barcodes into two clusters by cosine distance, average linkage, and compare with ``known`` kinds (n,)."""
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.metrics import adjusted_rand_score

    E = codes.finite
    size = np.linalg.svd(E, compute_uv=False) ** 2
    v = codes.probes.valence / np.linalg.norm(codes.probes.valence)
    labels = AgglomerativeClustering(2, metric="cosine", linkage="average").fit_predict(E)
    kinds_ = np.asarray(known)
    rng = np.random.default_rng([seed, 101])
    shuffled = [adjusted_rand_score(rng.permutation(kinds_), labels) for _ in range(n_shuffles)]
    return Clusters(
        float(size[0] / size.sum()), float(np.sum((E @ v) ** 2) / np.sum(E**2)), labels,
        float(adjusted_rand_score(kinds_, labels)), float(np.quantile(shuffled, 0.95)),
    )  # fmt: skip


def settled_effects(point: OperatingPoint, h: np.ndarray, numbers: np.ndarray, n_steps: int = 40) -> np.ndarray:
    """What words (by number) do to the logit at states h, waited for: (n, S) and (K,) -> (n, K), nats.

    w·[F̄ⁿ(F(h, x_k)) − F̄ⁿ⁺¹(h)] after n average words: with n = 0 the effect on the logit now, with large n on what
    is integrated. ℓ₁ reads the latter off one step, as if the state went back to the attractor along the modes at
    h*; far off the attractor, where a strong modifier leaves it, it need not.
    """
    F, cell = point.mean_map, point.mean_map.cell
    if len(F.words) > 300:
        F = mean_map(point.model, 128)
    inputs = point.model.projected[numbers].astype(float)
    after = cell.combine(h[:, None], inputs[None], cell.recur(h)[:, None])
    states = np.concatenate([after, F(h)[:, None]], 1)
    for _ in range(n_steps):
        states = F(states)
    return (states[:, :-1] - states[:, -1:]) @ point.model.w


def settled_gain(point: OperatingPoint, words: Sequence[str], probes: Probes, n_steps: int = 40) -> np.ndarray:
    """Gain of modifiers (n,), as in :func:`modifier_effects`, with effects waited for (:func:`settled_effects`).

    The check of the one-step reading: where the two agree, what a step deposits stays; where a strong modifier leaves
    the state so far off that they do not, this one is right (chapter 7).
    """
    after = [point.mean_map.cell.step(point.h_star, x) for x in point.model.embed(words).astype(float)]
    effects = settled_effects(point, np.array([point.h_star, *after]), probes.numbers, n_steps)
    signs = [effects[:, probes.sign == s].mean(1) for s in (1, -1)]
    return np.mean([e[1:] / e[0] - 1 for e in signs], 0)


# --- subspaces --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Subspace:
    """Directions of the state space about h*, with coordinates that do not see the attractor.

    A state's coordinates are c = Dᵀ(h − h*), its component in the subspace is B c. With D = (I − ℓrᵀ)B and
    ℓᵀB = 0, removing the component changes neither the integrated coordinate ℓ·(h − h*) nor states on the
    attractor's tangent h* + a r: P = I − B Dᵀ is an oblique projection.

    Parameters
    ----------
    h_star : array, (S,)
    basis : array, (S, k)
        B, orthonormal columns.
    dual : array, (S, k)
        D, with Dᵀ B = I.
    variance : array, (k,)
        Share of the squared length of what it was made from, by axis; empty where that has no meaning.
    words : tuple of str
        What it was made from.
    """

    h_star: np.ndarray = field(repr=False)
    basis: np.ndarray = field(repr=False)
    dual: np.ndarray = field(repr=False)
    variance: np.ndarray = field(default_factory=lambda: np.empty(0), repr=False)
    words: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        if self.basis.shape != self.dual.shape or self.basis.ndim != 2:
            raise ValueError(f"basis {self.basis.shape} and dual {self.dual.shape} must both be (S, k)")
        if not np.allclose(self.dual.T @ self.basis, np.eye(self.dim), atol=1e-6):
            raise ValueError("dual.T @ basis must be the identity")

    def __repr__(self) -> str:
        return f"Subspace({self.dim} of {len(self.h_star)} dimensions)"

    @property
    def dim(self) -> int:
        """k."""
        return int(self.basis.shape[1])

    def take(self, k: int) -> Subspace:
        """The first k axes."""
        if not 0 <= k <= self.dim:
            raise ValueError(f"the subspace has {self.dim} axes, not {k}")
        return replace(self, basis=self.basis[:, :k], dual=self.dual[:, :k], variance=self.variance[:k])

    def coordinates(self, h: np.ndarray) -> np.ndarray:
        """(..., S) -> (..., k)."""
        return (h - self.h_star) @ self.dual

    def state(self, c: np.ndarray) -> np.ndarray:
        """h* + B c: (..., k) -> (..., S)."""
        return self.h_star + np.asarray(c) @ self.basis.T

    @property
    def projector(self) -> np.ndarray:
        """P = I − B Dᵀ (S, S), so that h* + P(h − h*) has nothing left in the subspace."""
        return np.eye(len(self.h_star)) - self.basis @ self.dual.T


def _span(point: OperatingPoint, directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Basis and dual of directions (S, k) that have no slow component."""
    basis = np.linalg.qr(directions)[0]
    return basis, basis - np.outer(point.l, point.r @ basis)


def deflections(point: OperatingPoint, words: WordList) -> np.ndarray:
    """How far words leave the state off the attractor, (I − r₁ℓ₁ᵀ)[F(h*, x_m) − F̄(h*)]: (n, S).

    The slow component, the word's own valence, is taken out: what is left is context.
    """
    after = _after(point, _numbers(point, words)).astype(float)
    return _off_attractor(point, after - point.mean_map(point.h_star))


def loudness(point: OperatingPoint, h: np.ndarray) -> np.ndarray:
    """How much words count at states h (n, S): the spread of (w·r₁)ℓ₁ᵀF(h, x) over running text, (n,) in nats."""
    average, read = point.mean_map, slow_readout(point)
    after = np.stack([average.cell.step_projected(state, average.u) for state in h]) @ read
    mean = after @ average.weights
    return np.sqrt((after - mean[:, None]) ** 2 @ average.weights)


def modifier_subspace(point: OperatingPoint, words: WordList, dim: int = 5) -> Subspace:
    """The subspace in which modifiers move the state: leading axes of their :func:`deflections` (CP20, section 4).

    Uncentred principal axes: a deflection counts from h*, where nothing is modified. Each axis is turned so that words
    count more on its positive side (:func:`loudness`).
    """
    d = deflections(point, words)
    if not 1 <= dim <= min(d.shape):
        raise ValueError(f"{len(d)} words in {d.shape[1]} dimensions span no {dim}: lower dim or give more words")
    _, size, axes = np.linalg.svd(d, full_matrices=False)
    basis = axes[:dim].T
    up, down = (loudness(point, point.h_star + sign * basis.T) for sign in (1, -1))
    basis = basis * np.where(up < down, -1.0, 1.0)
    dual = basis - np.outer(point.l, point.r @ basis)
    known = point.model.vocabulary.words
    names = tuple(known[i] for i in _numbers(point, words))
    return Subspace(point.h_star, basis, dual, (size**2 / np.sum(size**2))[:dim], names)


class Plane(NamedTuple):
    """Valence of words where the state stands in a plane: ``x`` (n,), ``y`` (m,) coordinates, ``valence`` (m, n, K)."""

    x: np.ndarray
    y: np.ndarray
    words: tuple[str, ...]
    valence: np.ndarray


def valence_plane(point: OperatingPoint, subspace: Subspace, words: WordList, span: float = 2.5, n: int = 21) -> Plane:
    """Sweep the state over the subspace's first two axes, the integrated coordinate kept, and read words there."""
    grid = np.linspace(-span, span, n)
    c = np.zeros((n, n, subspace.dim))
    c[..., 0], c[..., 1] = np.meshgrid(grid, grid)
    names = tuple(point.model.vocabulary.words[i] for i in _numbers(point, words))
    return Plane(grid, grid, names, valence(point, words, subspace.state(c)))


class Volume(NamedTuple):
    """The first axis of the modifier subspace as a volume knob.

    ``coordinate`` and ``factor`` (n,) of words, ``x`` and ``curve`` (m,) of states moved along the axis; the factor is
    what valence is multiplied by. ``correlation`` of coordinate and log factor over words, with its interval.
    """

    coordinate: np.ndarray
    factor: np.ndarray
    x: np.ndarray
    curve: np.ndarray
    correlation: Estimate


def volume(point: OperatingPoint, table: Any, subspace: Subspace, probes: Probes, n: int = 25) -> Volume:
    """Does the place on one axis set how much words count? Words of :func:`modifier_effects`, and the bare axis.

    Factors at or under 0.02 (valence gone or turned round) count as 0.02 in the correlation.
    """
    coordinate = subspace.coordinates(_after(point, table.number.to_numpy()))[:, 0]
    factor = np.maximum(1 + table.gain.to_numpy(), 0.02)
    x = np.linspace(1.1 * coordinate.min(), 1.1 * coordinate.max(), n)
    counted = valence(point, probes.numbers, subspace.take(1).state(x[:, None]))
    up = probes.sign > 0
    curve = sum(counted[:, side].mean(1) / probes.valence[side].mean() for side in (up, ~up)) / 2
    correlation = bootstrap((coordinate, np.log(factor)), lambda a, b: np.corrcoef(a, b)[0, 1], n=500)
    return Volume(coordinate, factor, x, curve, correlation)


def random_subspace(point: OperatingPoint, dim: int, seed: int = 0) -> Subspace:
    """A control: random directions without slow component."""
    directions = np.random.default_rng([seed, 71]).standard_normal((len(point.h_star), dim))
    basis, dual = _span(point, _without(point.l[:, None], directions))
    return Subspace(point.h_star, basis, dual)


def matched_subspace(point: OperatingPoint, like: Subspace, states: np.ndarray, seed: int = 0) -> Subspace:
    """A stronger control: a random subspace, orthogonal to ``like``, in which states vary as much as in ``like``.

    Random directions are filtered by a power of the states' covariance, C^a z; a is found so that the variance of the
    states' component, slow mode left out, is that of ``like``. Where no power gives as much, the leading
    principal axes do as much as can be done.

    Parameters
    ----------
    states : array, (n, S)
        Visited states, see :meth:`rnnrev.model.SentimentRNN.states`.
    """
    from scipy import optimize

    away = _without(np.column_stack([like.basis, point.l]), _off_attractor(point, states - point.h_star).T).T
    wanted = captured(point, like, states)
    _, size, axes = np.linalg.svd(away, full_matrices=False)
    size, axes = size[size > 1e-6 * size[0]], axes[size > 1e-6 * size[0]]
    z = np.random.default_rng([seed, 73]).standard_normal((len(size), like.dim))

    def made(power: float) -> Subspace:
        weights = np.exp(power * (np.log(size) - np.log(size[0])))
        # orthonormal among the axes, so that the basis stays clear of ℓ₁ however steep the weights
        basis, dual = _span(point, axes.T @ np.linalg.qr(weights[:, None] * z)[0])
        return Subspace(point.h_star, basis, dual)

    def excess(power: float) -> float:
        return captured(point, made(power), states) - wanted

    low, high = -2.0, 12.0
    if excess(high) < 0:
        return made(high)
    if excess(low) > 0:
        return made(low)
    return made(float(optimize.brentq(excess, low, high, xtol=1e-3)))


def captured(point: OperatingPoint, subspace: Subspace, states: np.ndarray) -> float:
    """Share of the states' squared distance from the attractor's tangent that lies in a subspace."""
    off = _off_attractor(point, states - point.h_star)
    return float(np.sum((off @ subspace.basis) ** 2) / np.sum(off**2))


def slow_subspace(point: OperatingPoint) -> Subspace:
    """The line attractor itself as a subspace: r₁ with its left vector as the dual. Projecting it out forgets."""
    size = np.linalg.norm(point.r)
    return Subspace(point.h_star, (point.r / size)[:, None], (point.l * size)[:, None])


def _without(directions: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Columns of x less their components along these directions (S, m)."""
    basis = np.linalg.qr(directions)[0]
    return x - basis @ (basis.T @ x)


class Dimension(NamedTuple):
    """How many dimensions the modifiers need, by two criteria.

    ``left`` (n + 1,) share of the modifiers' effect on the integrated coordinate that is left when k = 0 … n axes are
    removed from the state, ``left_now`` the same for the logit now; ``k`` the smallest for which both are under 10 %.
    ``shares`` (n,) of the modifiers' squared deflections by axis, ``limit`` (n,) what random sets of frequency-matched
    words stay under (95 %), ``typical`` (n,) their mean; ``k_variance`` the leading axes with more than the limit.
    """

    k: int
    left: np.ndarray
    left_now: np.ndarray
    k_variance: int
    shares: np.ndarray
    limit: np.ndarray
    typical: np.ndarray


def subspace_dimension(
    point: OperatingPoint,
    words: WordList,
    candidates: WordList,
    n_axes: int = 8,
    n_sets: int = 200,
    probes: Probes | None = None,
    seed: int = 0,
) -> Dimension:
    """Choose the dimension of the modifier subspace by what it must do, and show its variance beside controls.

    By function: axes are found from every other of the ``words`` and removed from the states that the rest lead to; the
    smallest dimension that takes away 90 % of the root mean square effect on the probes, on what is integrated and on
    the logit, is taken. By variance: parallel analysis (Horn 1965) against sets of as many of the ``candidates``,
    each set matched in frequency to the modifiers.
    """
    numbers, pool = _numbers(point, words), _numbers(point, candidates)
    if len(numbers) < 2:
        raise ValueError(f"need at least two modifiers, not {len(numbers)}: give the ranking's top, table.word[:100]")
    n_axes = min(n_axes, len(numbers) // 2, len(point.h_star) - 1)  # one is the slow mode's
    probes = probe_words(point) if probes is None else probes
    kept, average = [], mean_map(point.model, N_TOKENS)
    for fit, test in ((numbers[::2], numbers[1::2]), (numbers[1::2], numbers[::2])):
        subspace = modifier_subspace(point, fit, n_axes)
        h = _after(point, test).astype(float)
        removed = [h - subspace.take(k).coordinates(h) @ subspace.basis[:, :k].T for k in range(n_axes + 1)]
        made = _barcodes_at(point, np.concatenate(removed), (), probes, average)
        kept.append([np.square(e).reshape(n_axes + 1, -1).sum(1) for e in (made.finite, made.now_finite)])
    left, left_now = np.sqrt(np.sum(kept, axis=0))
    left, left_now = left / left[0], left_now / left_now[0]
    small = np.flatnonzero((left < 0.1) & (left_now < 0.1))

    partners = _nearest(np.log(_share(point)[numbers])[:, None], np.log(_share(point)[pool])[:, None], 20)
    all_deflections = deflections(point, pool)
    rng = np.random.default_rng([seed, 79])

    def shares(d: np.ndarray) -> np.ndarray:
        size = np.linalg.eigvalsh(d @ d.T)[::-1]
        return (size / size.sum())[:n_axes]

    rows = np.arange(len(numbers))
    controls = np.array([
        shares(all_deflections[partners[rows, rng.integers(20, size=len(rows))]]) for _ in range(n_sets)
    ])  # fmt: skip
    own, limit = shares(deflections(point, numbers)), np.quantile(controls, 0.95, axis=0)
    above = own > limit
    k_variance = len(above) if above.all() else int(np.argmin(above))
    return Dimension(int(small[0]) if len(small) else n_axes, left, left_now, k_variance, own, limit, controls.mean(0))


def _nearest(x: np.ndarray, others: np.ndarray, n: int) -> np.ndarray:
    """Positions of the n nearest others to each x, features scaled to unit spread over the others: (len(x), n)."""
    from scipy.spatial import cKDTree

    scale = np.maximum(others.std(0), 1e-12)
    if len(others) < n:
        raise ValueError(f"matching needs at least {n} candidate words, there are {len(others)}")
    return cKDTree(others / scale).query(x / scale, k=n)[1]


def principal_angles(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Principal angles between the column spaces of a (n, k) and b (n, m), in degrees, smallest first."""
    from scipy.linalg import subspace_angles

    return np.degrees(subspace_angles(a, b))[::-1]


def compare_networks(records: Mapping[str, Mapping[str, Any]], k: int = 2, n_shuffles: int = 200, seed: int = 0) -> Any:
    """Do networks agree on modifiers? A pandas table, one row a pair of records of :func:`rnnrev.perturb.measure`.

    State spaces of two networks have no common axes, so subspaces are compared in the space of words: the angles of
    the column spaces of the words' coordinates (n, k). Columns: ``gains``, the correlation of gains of words frequent
    in both; ``angle`` the first principal angle in degrees, ``last angle`` the last, and ``chance`` what 95 % of the
    first angles stay over when the words are shuffled.
    """
    import pandas as pd

    rng = np.random.default_rng([seed, 103])
    rows = []
    for (a, one), (b, other) in combinations(records.items(), 2):
        shared = sorted(set(one["gains"]) & set(other["gains"]))
        gains = np.corrcoef([one["gains"][w] for w in shared], [other["gains"][w] for w in shared])[0, 1]
        words = sorted(set(one["coordinates"]) & set(other["coordinates"]))
        A, B = (np.array([r["coordinates"][w][:k] for w in words]) for r in (one, other))
        angles = principal_angles(A, B)
        shuffled = [principal_angles(A, rng.permutation(B))[0] for _ in range(n_shuffles)]
        rows.append(
            {
                "networks": f"{a} and {b}",
                "gains": gains,
                "angle": angles[0],
                "last angle": angles[-1],
                "chance": np.quantile(shuffled, 0.05),
            }
        )
    return pd.DataFrame(rows)


# --- transients -------------------------------------------------------------------------------


class Transients(NamedTuple):
    """What is left of modifiers after n average words; arrays (words, steps + 1), n = 0 right after the modifier.

    ``norm`` ‖ΔJ_inp‖_F relative to ‖J_inp(h*)‖_F; ``gain`` the modulation of the probes, finite; ``linear_norm`` and
    ``linear_gain`` the same with the state moved by J_recⁿ alone; ``half_life`` (words,) in tokens, of the gain;
    ``tau`` (words,) decay time in tokens of an exponential fitted to the gain.
    """

    words: tuple[str, ...]
    norm: np.ndarray
    gain: np.ndarray
    linear_norm: np.ndarray
    linear_gain: np.ndarray
    half_life: np.ndarray
    tau: np.ndarray


def transients(
    point: OperatingPoint,
    words: WordList,
    n_steps: int = 40,
    probes: Probes | None = None,
    n_tokens: int = N_TOKENS,
) -> Transients:
    """Follow modifiers through neutral input: h_n = F̄ⁿ(h_m), against the path from F̄(h*).

    Neutral input is the corpus-averaged step. The linear paths are F̄ⁿ⁺¹(h*) + J_recⁿ(h_m − F̄(h*)).
    """
    probes = probe_words(point) if probes is None else probes
    numbers = _numbers(point, words)
    average = mean_map(point.model, n_tokens)
    reader = _reader(average)
    cell, gram, read = reader.cell, _gram(reader.cell), slow_readout(point)
    inputs = point.model.projected[probes.numbers].astype(float)
    J_rec = average.jacobian(point.h_star)

    def look(h: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        mean, d_u = _averages(reader, h)
        after = cell.combine(h[:, None], inputs[None], cell.recur(h)[:, None])
        return mean, after @ read - (mean @ read)[:, None], d_u

    def looked(h: np.ndarray) -> list[np.ndarray]:
        return [np.concatenate(p) for p in zip(*_in_parallel(look, h))]

    start = _after(point, numbers).astype(float)
    path = average(point.h_star)
    h, moved = start, start - path
    rows: dict[str, list[np.ndarray]] = {k: [] for k in ("norm", "gain", "linear_norm", "linear_gain")}
    for _ in range(n_steps + 1):
        # one pass over the reference, the network's states and the linear theory's
        mean, finite, d_u = looked(np.concatenate([path[None], h, path + moved]))
        change, effect = d_u[1:] - d_u[0], finite[1:] - finite[0]
        norm = _jacobian_norm(cell, change, gram) / _jacobian_norm(cell, d_u[:1], gram)
        up, down = probes.sign > 0, probes.sign < 0
        gain = (effect[:, up].mean(1) / finite[0, up].mean() + effect[:, down].mean(1) / finite[0, down].mean()) / 2
        n = len(numbers)
        for name, value in (("norm", norm), ("gain", gain)):
            rows[name].append(value[:n])
            rows[f"linear_{name}"].append(value[n:])
        path, h, moved = mean[0], mean[1 : n + 1], moved @ J_rec.T
    made = {k: np.array(v).T for k, v in rows.items()}
    names = tuple(point.model.vocabulary.words[i] for i in numbers)
    half, tau = zip(*(_decay(g) for g in made["gain"]))
    return Transients(names, **made, half_life=np.array(half), tau=np.array(tau))


def _decay(curve: np.ndarray) -> tuple[float, float]:
    """Half-life and fitted decay time of a curve, in steps.

    The half-life is where its size first falls to half its start, interpolated (NaN if it never does); the decay time
    is that of the least-squares exponential c·exp(−n/τ) over all steps.
    """
    from scipy import optimize

    size = curve * np.sign(curve[0])
    below = np.flatnonzero(size <= size[0] / 2)
    half = np.nan
    if len(below) and below[0] > 0:
        n = below[0]
        half = n - 1 + (size[n - 1] - size[0] / 2) / (size[n - 1] - size[n])
    n = np.arange(len(curve))
    try:
        (_, tau), _ = optimize.curve_fit(
            lambda n, c, tau: c * np.exp(-n / tau), n, size, (size[0], 5.0), bounds=([0, 0.05], [np.inf, 10 * len(n)])
        )
    except (RuntimeError, ValueError):
        tau = np.nan
    return float(half), float(tau)


def linear_fit(found: Transients) -> Estimate:
    """R² of the linear theory's gains over all words and steps (about zero), with an interval over words."""
    rest, total = np.sum((found.gain - found.linear_gain) ** 2, 1), np.sum(found.gain**2, 1)
    return bootstrap((rest, total), lambda a, b: 1 - a.sum() / b.sum(), n=500)


def half_lives(found: Transients, table: Any) -> dict[str, np.ndarray]:
    """Half-lives in tokens by kind of :func:`modifier_effects`' table; words whose gain never halves are left out."""
    known = dict(zip(table.word, table.kind))
    kind = np.array([known[w] for w in found.words])
    whole = np.isfinite(found.half_life)
    return {k: found.half_life[whole & (kind == k)] for k in ("negator", "diminisher", "intensifier") if k in kind}


class ModeAccount(NamedTuple):
    """A modifier's gain after n average words, by mode of J_rec: gain(n) = Σ_a (∇g·r_a) λ_aⁿ (ℓ_a·d).

    ``tau`` (A,) in tokens, slowest first; ``parts`` (words, A, n) the real terms, which sum to ``total`` (words, n).
    """

    tau: np.ndarray
    parts: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """(words, n)."""
        return self.parts.sum(1)

    def groups(self, edges: Sequence[float] = (3, 10, 100)) -> dict[str, np.ndarray]:
        """Sums (words, n) over modes of like time constant, parted at ``edges`` (tokens)."""
        size, groups = np.abs(self.tau), {}
        for low, high in pairwise([0, *edges, np.inf]):
            name = f"τ < {high:g}" if low == 0 else f"τ ≥ {low:g}" if high == np.inf else f"{low:g} ≤ τ < {high:g}"
            groups[name] = self.parts[:, (size >= low) & (size < high)].sum(1)
        return groups


def gain_gradient(point: OperatingPoint, probes: Probes | None = None) -> np.ndarray:
    """∇g at h*, (S,): how the modulation of the probes changes with the state, to first order.

    v_k(h) = (w·r)ℓᵀ[F(h, x_k) − F̄(h)] has the gradient (w·r)[J_rec(h, x_k) − J̄_rec(h)]ᵀℓ.
    """
    probes = probe_words(point) if probes is None else probes
    cell, read = point.mean_map.cell, slow_readout(point)
    base = point.mean_map.jacobian(point.h_star).T @ read
    x = point.model.embedding[probes.numbers].astype(float)
    gradients = np.array([cell.jacobians(np.asarray(point.h_star, float), xk).J_rec.T @ read for xk in x]) - base
    up, down = probes.sign > 0, probes.sign < 0
    positive = gradients[up].mean(0) / probes.valence[up].mean()
    return (positive + gradients[down].mean(0) / probes.valence[down].mean()) / 2


def mode_account(
    point: OperatingPoint, words: WordList, n_steps: int = 40, probes: Probes | None = None
) -> ModeAccount:
    """Which modes of J_rec carry a modifier's gain, and for how long."""
    d = _after(point, _numbers(point, words)).astype(float) - point.mean_map(point.h_star)
    modes = point.modes
    read = gain_gradient(point, probes) @ modes.R
    powers = modes.eigvals[:, None] ** np.arange(n_steps + 1)
    parts = ((d @ modes.L.T) * read)[..., None] * powers
    return ModeAccount(modes.tau, parts.real)


# --- judged by a grammar ----------------------------------------------------------------------


def lexicon() -> Any:
    """English negators and degree words, compiled from a grammar: a pandas table used only to judge rankings.

    Columns ``word`` (one token), ``kind`` (negator, amplifier, downtoner), ``subclass``, ``source``. Sources: Quirk,
    Greenbaum, Leech & Svartvik 1985, *A Comprehensive Grammar of the English Language*; Huddleston & Pullum 2005, *A
    Student's Introduction to English Grammar*, chapter 8.
    """
    import pandas as pd

    return pd.read_csv(Path(__file__).parent / "datasets" / "modifiers_lexicon.csv")


def matched_words(table: Any, targets: Iterable[str], n: int = 20) -> np.ndarray:
    r"""For each target the rows of n words that are as frequent and as valent (size of ``own``) but no targets: (m, n).

    ``table`` is that of :func:`modifier_effects`; targets that it lacks or that are rare are left out.
    """
    frequent = table[table.kind != "rare"]
    wanted = frequent.word.isin(set(targets)).to_numpy()
    features = np.column_stack([np.log(frequent.per_million), np.abs(frequent.own)])
    rows = frequent.index.to_numpy()
    return rows[~wanted][_nearest(features[wanted], features[~wanted], n)]


def ranking_auc(
    table: Any, column: str = "strength", kind: str | None = None, n_boot: int = 2000, seed: int = 0
) -> dict[str, Any]:
    """How well a ranking by a column finds the grammar's modifiers (of one kind): precision at 20 and 50, and AUC.

    The AUC is the chance that a grammar's word is ranked over a word that is as frequent and as valent
    (:func:`matched_words`); its interval resamples the grammar's words. ``chance`` is the share of the grammar's words
    among all that are ranked, the precision of a random ranking.
    """
    grammar = lexicon()
    known = set(grammar.word if kind is None else grammar.word[grammar.kind == kind])
    frequent = table[table.kind != "rare"]
    hit = frequent.word.isin(known).to_numpy()
    order = np.argsort(-frequent[column].to_numpy(), kind="stable")
    value = table[column].to_numpy()
    targets = frequent.index.to_numpy()[hit]
    others = matched_words(table, known)
    wins = ((value[targets][:, None] > value[others]) + 0.5 * (value[targets][:, None] == value[others])).mean(1)
    rng = np.random.default_rng([seed, 83])
    draws = wins[rng.integers(len(wins), size=(n_boot, len(wins)))].mean(1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return {
        "precision20": float(hit[order[:20]].mean()),
        "precision50": float(hit[order[:50]].mean()),
        "chance": float(hit.mean()),
        "auc": Estimate(float(wins.mean()), float(low), float(high)),
        "known": int(hit.sum()),
        "ranked": len(frequent),
    }
