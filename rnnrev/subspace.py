"""The subspace in which modifiers move the state, how many dimensions it has, and what it is compared with.

After a modifier the state is off the attractor by the deflection (I − r₁ℓ₁ᵀ)[F(h*, x_m) − F̄(h*)]: what is left when
the word's own valence is taken out. The leading axes of many deflections are the modifier subspace (CP20).
:func:`chosen_subspace` is *the* modifier subspace of a network wherever the book speaks of one.

Controls, from easy to hard: :func:`random_subspace`, :func:`matched_subspace` (where states vary as much),
:func:`control_subspaces` (axes of words that are no modifiers).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy import optimize

from .linear import OperatingPoint, Unmeasured, Words, input_effect, slow_readout, valence
from .modifiers import Probes, nearest, probe_words, quick, states_after
from .stats import Estimate, bootstrap, shown

__all__ = [
    "Subspace", "chosen_subspace", "modifier_subspace", "random_subspace", "subspace_dimension", "top_words",
    "volume",
]  # fmt: skip

_N_AXES = 8  #: dimensions that are tried


@dataclass(frozen=True, eq=False)
class Subspace:
    """Directions of the state space about h*, with coordinates that do not see the attractor.

    A state's coordinates are c = Dᵀ(h − h*), its component is B c. With D = (I − ℓrᵀ)B and ℓᵀB = 0, removing it changes
    neither ℓ·(h − h*) nor states on the attractor's tangent h* + a r: P = I − B Dᵀ is an oblique projection.

    ``h_star`` (S,); ``basis`` B (S, k), orthonormal columns; ``dual`` D (S, k), with DᵀB = I (else ``ValueError``);
    ``words`` it was made from; ``variance`` (k,) the share of their squared deflections by axis, empty without words.
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


def off_attractor(point: OperatingPoint, d: np.ndarray) -> np.ndarray:
    """Deflections (..., S) without their slow mode, (I − r₁ℓ₁ᵀ) d."""
    return d - (d @ point.l)[..., None] * point.r


def deflections(point: OperatingPoint, words: Words) -> np.ndarray:
    """How far words leave the state off the attractor, (I − r₁ℓ₁ᵀ)[F(h*, x_m) − F̄(h*)]: (n, S)."""
    return off_attractor(point, states_after(point, words) - point.mean_map(point.h_star))


def _loudness(point: OperatingPoint, h: np.ndarray) -> np.ndarray:
    """How much words count at states h (n, S): the spread of their valence over running text, (n,) in nats."""
    F = point.mean_map
    return np.sqrt(valence(point, F.words, h) ** 2 @ F.weights)


def _with_dual(point: OperatingPoint, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return point.h_star, basis, basis - np.outer(point.l, point.r @ basis)


def modifier_subspace(point: OperatingPoint, words: Words, dim: int) -> Subspace:
    """The leading ``dim`` axes of words' :func:`deflections`.

    Uncentred principal axes: a deflection counts from h*, where nothing is modified. Each axis is turned so that words
    count more on its positive side.
    """
    d = deflections(point, words)
    if not 1 <= dim <= min(d.shape):
        raise ValueError(f"{len(d)} words in {d.shape[1]} dimensions span no {dim}: lower dim or give more words")
    _, size, axes = np.linalg.svd(d, full_matrices=False)
    up, down = (_loudness(point, point.h_star + sign * axes[:dim]) for sign in (1, -1))
    basis = (axes[:dim] * np.where(up < down, -1.0, 1.0)[:, None]).T
    share = (size**2 / np.sum(size**2))[:dim]
    return Subspace(*_with_dual(point, basis), share, point.model.vocabulary.names(words))


# --- how many dimensions ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Dimension:
    """How many dimensions the modifiers need, by two criteria.

    ``left`` (n + 1,) share of the modifiers' effect on the integrated coordinate that is left when k = 0 … n axes are
    removed, ``left_now`` the same for the logit now; ``k`` the smallest for which both are under 10 %, or None.
    ``shares`` (n,) of the modifiers' squared deflections by axis, ``limit`` (n,) what random sets of frequency-matched
    words stay under (95 %), ``typical`` (n,) their mean; ``k_variance`` the leading axes with more than the limit.
    """

    k: int | None
    left: np.ndarray = field(repr=False)
    left_now: np.ndarray = field(repr=False)
    shares: np.ndarray = field(repr=False)
    limit: np.ndarray = field(repr=False)
    typical: np.ndarray = field(repr=False)
    k_variance: int = shown("d")

    @property
    def axes(self) -> int:
        """How many axes to take: k, or all that were tried where they do not suffice."""
        return len(self.shares) if self.k is None else self.k

    def __str__(self) -> str:
        return f"more than {self.axes}" if self.k is None else str(self.k)


def subspace_dimension(
    point: OperatingPoint, words: Words, candidates: Words, probes: Probes | None = None, seed: int = 0
) -> Dimension:
    """Choose the dimension of the modifier subspace by what it must do, and show its variance beside controls.

    By function: the fewest axes of every other of the ``words`` that, removed from the states that the rest lead to,
    take away 90 % of the root mean square effect on the probes, integrated and on the logit. By variance: parallel
    analysis (Horn 1965) against as many ``candidates``, matched in frequency. ``Unmeasured`` under four words.
    """
    vocabulary, p = point.model.vocabulary, np.asarray(point.model.frequencies)
    numbers, pool = vocabulary.numbers(words), vocabulary.numbers(candidates)
    if len(numbers) < 4:
        raise Unmeasured(f"{len(numbers)} words span no subspace that can be tried on others: it takes at least four")
    n_axes = min(_N_AXES, len(numbers) // 2, len(point.h_star) - 1)  # one is the slow mode's
    probes = probe_words(point) if probes is None else probes
    many, reads = quick(point), np.stack([slow_readout(point), np.asarray(point.model.w, float)], 1)
    square = np.zeros((n_axes + 1, 2))
    for fit, test in ((numbers[::2], numbers[1::2]), (numbers[1::2], numbers[::2])):
        subspace, h = modifier_subspace(point, fit, n_axes), states_after(point, test)
        for k in range(n_axes + 1):
            removed = h - subspace.take(k).coordinates(h) @ subspace.basis[:, :k].T
            effect = input_effect(many, probes.numbers, np.concatenate([point.h_star[None], removed])) @ reads
            square[k] += np.sum((effect[1:] - effect[0]) ** 2, (0, 1))
    left = np.sqrt(square / square[0])
    small = np.flatnonzero((left < 0.1).all(1))

    partners = nearest(np.log(p[numbers])[:, None], np.log(p[pool])[:, None], 20)
    others, rng = deflections(point, pool), np.random.default_rng([seed, 79])

    def shares(d: np.ndarray) -> np.ndarray:
        size = np.linalg.eigvalsh(d @ d.T)[::-1]
        return (size / size.sum())[:n_axes]

    drawn = rng.permuted(np.broadcast_to(partners, (100, *partners.shape)), axis=-1)[..., 0]
    controls = np.array([shares(others[rows]) for rows in drawn])
    own, limit = shares(deflections(point, numbers)), np.quantile(controls, 0.95, axis=0)
    return Dimension(
        int(small[0]) if len(small) else None, left[:, 0], left[:, 1], own, limit, controls.mean(0),
        int(np.argmin(np.append(own > limit, False))),
    )  # fmt: skip


def top_words(table: pd.DataFrame) -> list[str]:
    """The first hundred of :func:`modifier_effects`, of few the first tenth: they span the modifier subspace, however
    weak (a network may have no modifiers by the rule)."""
    return list(table.word[: max(4, min(100, len(table) // 10))])


def chosen_subspace(point: OperatingPoint, table: pd.DataFrame, dimension: Dimension | None = None) -> Subspace:
    """The modifier subspace of a network: of its :func:`top_words`, with :func:`subspace_dimension`'s ``axes``."""
    words = top_words(table)
    dimension = subspace_dimension(point, words, table.word) if dimension is None else dimension
    return modifier_subspace(point, words, dimension.axes)


# --- controls ---------------------------------------------------------------------------------


def control_subspaces(
    point: OperatingPoint, like: Subspace, table: pd.DataFrame, n: int = 1, seed: int = 0
) -> list[Subspace]:
    """The hardest control: n subspaces made as ``like`` was, but from as many words that are no modifiers.

    Each word gives way to one of the twenty nearest in frequency that have kind "other" and are not among its words.
    """
    pool = table[(table.kind == "other") & ~table.word.isin(like.words)]
    share = np.asarray(point.model.frequencies)
    numbers = point.model.vocabulary.numbers(like.words)
    near = nearest(np.log(share[numbers])[:, None], np.log(share[pool.number])[:, None], 20)
    made = []
    for i in range(n):
        drawn: dict[int, None] = {}
        for partners in np.random.default_rng([seed, 113, i]).permuted(near, axis=1):
            drawn[next((p for p in partners if p not in drawn), partners[0])] = None
        made.append(modifier_subspace(point, pool.number.to_numpy()[list(drawn)], like.dim))
    return made


def random_subspace(point: OperatingPoint, dim: int, seed: int = 0) -> Subspace:
    """A control: random directions without slow component."""
    directions = np.random.default_rng([seed, 71]).standard_normal((len(point.h_star), dim))
    return Subspace(*_with_dual(point, np.linalg.qr(_without(point.l[:, None], directions))[0]))


def matched_subspace(point: OperatingPoint, like: Subspace, states: np.ndarray, seed: int = 0) -> Subspace:
    """A stronger control: a random subspace, orthogonal to ``like``, in which states vary as much as in ``like``.

    Random directions are filtered by a power of the covariance of visited ``states`` (n, S), C^a z; a is found so that
    the variance of their component, slow mode left out, is that of ``like`` (or as near as the axes allow).
    """
    off = off_attractor(point, states - point.h_star)
    covariance, wanted = off.T @ off, _captured(point, like, states)
    free = _without(np.column_stack([like.basis, point.l]), np.eye(len(covariance)))
    size, axes = np.linalg.eigh(free @ covariance @ free)
    size, axes = np.sqrt(size[size > 1e-12 * size[-1]]), axes[:, size > 1e-12 * size[-1]]
    z = np.random.default_rng([seed, 73]).standard_normal((len(size), like.dim))

    def made(power: float) -> Subspace:
        weights = (size / size[-1]) ** power
        # orthonormal among the axes, so that the basis stays clear of ℓ₁ however steep the weights
        return Subspace(*_with_dual(point, axes @ np.linalg.qr(weights[:, None] * z)[0]))

    def excess(power: float) -> float:
        basis = made(power).basis
        return float(np.trace(basis.T @ covariance @ basis) / np.trace(covariance)) - wanted

    low, high = -2.0, 12.0
    if excess(low) < 0 < excess(high):
        return made(float(optimize.brentq(excess, low, high, xtol=1e-3)))
    return made(high if excess(high) <= 0 else low)


def _captured(point: OperatingPoint, subspace: Subspace, states: np.ndarray) -> float:
    """Share of the states' squared distance from the attractor's tangent that lies in a subspace."""
    off = off_attractor(point, states - point.h_star)
    return float(np.sum((off @ subspace.basis) ** 2) / np.sum(off**2))


def slow_subspace(point: OperatingPoint) -> Subspace:
    """The line attractor itself as a subspace: r₁ with its left vector as the dual. Projecting it out forgets."""
    size = np.linalg.norm(point.r)
    return Subspace(point.h_star, (point.r / size)[:, None], (point.l * size)[:, None])


def _without(directions: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Columns of x less their components along these directions (S, m)."""
    basis = np.linalg.qr(directions)[0]
    return x - basis @ (basis.T @ x)


# --- how much words count in it ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Volume:
    """The first axis of the modifier subspace as a volume knob.

    ``coordinate`` and ``factor`` (n,) of words, ``x`` and ``curve`` (m,) of states moved along the axis; the factor is
    what valence is multiplied by. ``correlation`` of coordinate and log factor over words, with its interval.
    """

    coordinate: np.ndarray = field(repr=False)
    factor: np.ndarray = field(repr=False)
    x: np.ndarray = field(repr=False)
    curve: np.ndarray = field(repr=False)
    correlation: Estimate = shown(".3f")


def volume(point: OperatingPoint, table: pd.DataFrame, subspace: Subspace, probes: Probes) -> Volume:
    """Does the place on the first axis set how much words count? Of :func:`modifier_effects`' words, and the axis.

    Factors at or under 0.02 (valence gone or turned round) count as 0.02 in the correlation.
    """
    coordinate = subspace.coordinates(states_after(point, table.number))[:, 0]
    factor = np.maximum(1 + table.gain.to_numpy(), 0.02)
    x = np.linspace(1.1 * coordinate.min(), 1.1 * coordinate.max(), 25)
    counted = probes.by_sign(valence(point, probes.numbers, subspace.take(1).state(x[:, None])))
    curve = (counted / probes.by_sign(probes.valence)).mean(-1)
    correlation = bootstrap((coordinate, np.log(factor)), lambda a, b: np.corrcoef(a, b)[0, 1], n=500)
    return Volume(coordinate, factor, x, curve, correlation)
