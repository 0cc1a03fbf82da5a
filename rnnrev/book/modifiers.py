"""What only chapters 3, 4 and 8 show: gains waited for, gains by mode, by place and by dimension, words in context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from ..edges import LAG, PLACES, Profile, insertion_response, profile
from ..linear import OperatingPoint, Words, slow_readout, valence
from ..modifiers import Probes, probe_words, quick, states_after
from ..perturb import abolition, project_out
from ..subspace import Subspace, control_subspaces, modifier_subspace, top_words

__all__ = ["by_dimension", "gain_gradient", "in_context_profile", "settled_effects", "settled_gain", "valence_plane"]


def settled_effects(point: OperatingPoint, h: np.ndarray, numbers: np.ndarray, n_steps: int = 40) -> np.ndarray:
    """What words (by number) do to the logit at states h, waited for: (n, S) and (K,) -> (n, K), nats.

    w·[F̄ⁿ(F(h, x_k)) − F̄ⁿ⁺¹(h)] after n average words. ℓ₁ reads it off one step, as if the state went back to the
    attractor along the modes at h*; far off the attractor, where a strong modifier leaves it, it need not.
    """
    F = point.mean_map if len(point.mean_map.words) <= 300 else quick(point).mean_map
    after = F.cell.step_projected(h[:, None], point.model.projected[numbers].astype(float))
    states = np.concatenate([after, F(h)[:, None]], 1)
    for _ in range(n_steps):
        states = F(states)
    return (states[:, :-1] - states[:, -1:]) @ point.model.w


def settled_gain(point: OperatingPoint, words: Sequence[str], probes: Probes, n_steps: int = 40) -> np.ndarray:
    """Gain of modifiers (n,) as in :func:`.modifier_effects`, with :func:`settled_effects`: right where they differ."""
    states = np.concatenate([point.h_star[None], states_after(point, words)])
    effects = probes.by_sign(settled_effects(point, states, probes.numbers, n_steps))
    return (effects[1:] / effects[0] - 1).mean(-1)


def gain_gradient(point: OperatingPoint, probes: Probes | None = None) -> np.ndarray:
    """∇g at h*, (S,): how the modulation of the probes changes with the state, to first order.

    v_k(h) = (w·r)ℓᵀ[F(h, x_k) − F̄(h)] has the gradient (w·r)[J_rec(h, x_k) − J̄_rec(h)]ᵀℓ. As the readout of
    :func:`rnnrev.linear.mode_kernel` it says which modes carry a gain, and for how long.
    """
    probes = probe_words(point) if probes is None else probes
    x = point.model.embedding[probes.numbers].astype(float)
    J = point.mean_map.cell.jacobians(np.asarray(point.h_star, float), x).J_rec - point.mean_map.jacobian(point.h_star)
    gradients = probes.by_sign((np.swapaxes(J, -1, -2) @ slow_readout(point)).T)
    return (gradients / probes.by_sign(probes.valence)).mean(-1)


@dataclass(frozen=True, eq=False)
class Plane:
    """Valence of words where the state stands in a plane: ``x`` (n,), ``y`` (m,) coordinates, ``valence`` (m, n, K)."""

    x: np.ndarray
    y: np.ndarray
    valence: np.ndarray = field(repr=False)


def valence_plane(point: OperatingPoint, subspace: Subspace, words: Words) -> Plane:
    """Sweep the state over the subspace's first two axes, the integrated coordinate kept, and read words there."""
    grid = np.linspace(-2.5, 2.5, 15)
    c = np.stack(np.meshgrid(grid, grid), -1)
    return Plane(grid, grid, valence(point, words, subspace.take(2).state(c)))


def by_dimension(
    point: OperatingPoint, table: pd.DataFrame, pairs: pd.DataFrame, dims: Sequence[int] = range(6), draws: int = 3
) -> pd.DataFrame:  # fmt: skip
    """:func:`rnnrev.perturb.abolition` by how many axes are removed, of the ranking's top and of no modifiers.

    Columns ``subspace`` (modifiers, other words), ``dim``, ``draw`` and those of :func:`rnnrev.perturb.abolition`.
    """
    full = modifier_subspace(point, top_words(table), max(dims))
    spaces = {("modifiers", 0): full}
    spaces |= {("other words", i): s for i, s in enumerate(control_subspaces(point, full, table, draws))}
    parts = []
    for (name, draw), space in spaces.items():
        found = abolition(point, pairs, {str(k): [project_out(space.take(k))] for k in dims})
        parts.append(found.assign(subspace=name, draw=draw, dim=found.perturbation.astype(int)))
    return pd.concat(parts, ignore_index=True).drop(columns="perturbation")


def in_context_profile(
    point: OperatingPoint, texts: np.ndarray, places: Sequence[int] = PLACES, lag: int = LAG,
    h0: np.ndarray | None = None,
) -> Profile:  # fmt: skip
    """Emphasis by place for the texts' own words: the effect of taking each out of its context.

    A token's effect is the logit with it less the mean logit with one of twelve tokens drawn from p(v) in its place,
    ``lag`` tokens later; its valence is its lasting valence less theirs.
    """
    frequencies = point.model.frequencies
    fillers = np.random.default_rng([0, 61]).choice(len(frequencies), 12, p=frequencies)
    effects = -insertion_response(point.model, texts, fillers, places, (lag,), h0=h0)[..., 0].mean(-1)
    lasting = valence(point, texts[:, list(places)].ravel()).reshape(effects.shape) - valence(point, fillers).mean()
    return profile(effects.T[None], lasting.T[None], places)
