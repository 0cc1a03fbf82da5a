"""The whole network in a few numbers: balanced modes, the directions that words write and the future reads.

Slow is not enough to matter: a direction counts if words move the state along it *and* later logits depend on it. Over
visited states h, with mean μ, and adjoints a_t(n) = ∂logit_{t+n}/∂h_t along text (:func:`rnnrev.driven.adjoints`) let

    C = E[(h − μ)(h − μ)ᵀ] = L_c L_cᵀ,   A = Σ_n E[a(n) a(n)ᵀ] = L_a L_aᵀ,   L_aᵀ L_c = U Σ Vᵀ.

The singular values σ are the *empirical Hankel singular values*; in the coordinates z = Ψᵀ(h − μ), with
Φ = L_c V Σ^−½ and Ψ = L_a U Σ^−½, both covariances are Σ: what is written and what is read are balanced. The reduced
network keeps k coordinates at every step,

    z' = Ψᵀ[F(μ + Φ z, x) − μ],   logit = w·(μ + Φ z) + b,

and it is a network: whatever takes one takes it. The singular values, and what the modes read and keep, do not depend
on the units in which states are given; principal components do.

Sources: Moore 1981 (balanced truncation); Lall, Marsden & Glavaški 2002 (empirical Gramians); Rowley 2005 (balanced
POD); Otto, Padovan & Rowley 2023 (CoBRAS: covariance balancing with adjoint snapshots).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .cells import Cell
from .data import load_reviews
from .driven import CustomCell, Texts, adjoints, jvp, token_arrays, visited_states, vjp
from .model import SentimentRNN

__all__ = ["BalancedModes", "ReducedCell", "ReducedRNN", "balanced_modes", "explained", "project", "reduce"]


# --- a network on a few coordinates ---------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class ReducedCell(CustomCell):
    """A cell on k coordinates z = Ψᵀ(h − μ) of another cell's state: z' = Ψᵀ[F(μ + Φ z, x) − μ].

    ``U`` and ``b_rec`` are the whole cell's seen from z, (μ + Φ z) U = μ U + z (ΦᵀU): no product of the whole size is made.
    """

    whole: Cell = field(kw_only=True)
    Phi: np.ndarray = field(kw_only=True)  #: (S, k)
    Psi: np.ndarray = field(kw_only=True)  #: (S, k), ΨᵀΦ = I
    mean: np.ndarray = field(kw_only=True)  #: μ (S,)

    def __post_init__(self) -> None:
        pass  # the weights are the whole cell's

    @classmethod
    def of(cls, whole: Cell, Phi: np.ndarray, Psi: np.ndarray, mean: np.ndarray) -> ReducedCell:
        """The cell ``whole`` on the coordinates that Φ and Ψ, (S, k), say."""
        n, kind = whole.n_units, whole.U.dtype
        Phi, Psi, mean = (np.ascontiguousarray(x, kind) for x in (Phi, Psi, mean))
        return cls(
            whole.kind, whole.W, Phi[:n].T @ whole.U, whole.b, whole.recur(mean), (whole.h0 - mean) @ Psi,
            whole=whole, Phi=Phi, Psi=Psi, mean=mean,
        )  # fmt: skip

    def astype(self, dtype: Any) -> ReducedCell:
        return self.of(self.whole.astype(dtype), self.Phi, self.Psi, self.mean)

    def lift(self, z: np.ndarray) -> np.ndarray:
        """The whole state that stands for z: μ + Φ z, (..., k) -> (..., S)."""
        return self.mean + z @ self.Phi.T

    def combine(self, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
        return (self.whole.combine(self.lift(h), u, a) - self.mean) @ self.Psi

    def vjp(self, h: np.ndarray, u: np.ndarray, g: np.ndarray) -> np.ndarray:
        return vjp(self.whole, self.lift(h), u, g @ self.Psi.T) @ self.Phi

    def jvp(self, h: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return jvp(self.whole, self.lift(h), u, v @ self.Phi.T) @ self.Psi


@dataclass(frozen=True, eq=False, repr=False)
class ReducedRNN(SentimentRNN):
    """A network that keeps k numbers of another one's state; it reads, traces and is analysed as any network.

    States are coordinates z (k,); ``cell.lift(z)`` is the whole state. ``hankel`` (S,) holds all singular values.
    """

    hankel: np.ndarray = field(kw_only=True)

    def __repr__(self) -> str:
        kept = self.hankel[: self.k].sum() / self.hankel.sum()
        return f"ReducedRNN({self.name}: {self.k} of {len(self.hankel)} numbers, {kept:.0%} of ΣΣ)"

    @property
    def _reduced(self) -> ReducedCell:
        assert isinstance(self.cell, ReducedCell)
        return self.cell

    @property
    def k(self) -> int:
        """How many numbers it remembers."""
        return self.cell.n_state

    @property
    def Phi(self) -> np.ndarray:
        """Φ (S, k): the pattern of each coordinate."""
        return self._reduced.Phi

    @property
    def Psi(self) -> np.ndarray:
        """Ψ (S, k): what each coordinate reads of a state."""
        return self._reduced.Psi

    @property
    def mean(self) -> np.ndarray:
        """μ (S,), the mean visited state."""
        return self._reduced.mean


def project(
    model: SentimentRNN, Phi: np.ndarray, Psi: np.ndarray, mean: np.ndarray, hankel: np.ndarray | None = None
) -> ReducedRNN:
    """The network on k coordinates about a centre: Φ and Ψ (S, k) with ΨᵀΦ = I, mean (S,).

    Any pair will do; the controls (principal components, random directions) are made with it.
    """
    if not np.allclose(Psi.T @ Phi, np.eye(Phi.shape[1]), atol=1e-3):
        raise ValueError("ΨᵀΦ must be the identity: take both from the same modes")
    cell = ReducedCell.of(model.cell, Phi, Psi, mean)
    return ReducedRNN(
        cell, model.embedding, model.vocabulary, cell.Phi.T @ model.w, model.readout(cell.mean),
        f"{model.name}, k = {Phi.shape[1]}", model.record, model.counts,
        hankel=np.ones(len(mean)) if hankel is None else hankel,
    )  # fmt: skip


# --- balancing --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class BalancedModes:
    """All balanced modes of a network: ``Phi``, ``Psi`` (S, M) with ΨᵀΦ = I, ``mean`` (S,), ``hankel`` (S,) falling.

    M is the rank of what was seen of states and adjoints. Coordinates Ψᵀ(h − μ) have the variances ``hankel``. A mode's
    sign is the one that raises the logit (w·φ ≥ 0).
    """

    Phi: np.ndarray = field(repr=False)
    Psi: np.ndarray = field(repr=False)
    mean: np.ndarray = field(repr=False)
    hankel: np.ndarray

    def project(self, model: SentimentRNN, k: int) -> ReducedRNN:
        """The network on the first k modes; ``ValueError`` if there are not as many."""
        if not 1 <= k <= self.Phi.shape[1]:
            raise ValueError(f"k must lie between 1 and the {self.Phi.shape[1]} modes that were seen, not {k}")
        return project(model, self.Phi[:, :k], self.Psi[:, :k], self.mean, self.hankel)


def balanced_modes(states: np.ndarray, adjoints: np.ndarray, w: np.ndarray) -> BalancedModes:
    """Balance two covariances: of visited states (n, S), and of adjoints (P, L, S) or (P, L, C, S), summed over lags.

    ``w`` (S,) or (S, C) gives modes their signs. What all classes have in common is no logit's difference and left out.
    """
    S = states.shape[-1]
    mean = states.mean(0, dtype=float)
    if adjoints.ndim == 4:
        adjoints = adjoints - adjoints.mean(2, keepdims=True)
    a = adjoints.reshape(-1, S).astype(float)
    L_c, L_a = _root(np.cov(states.T.astype(float), bias=True)), _root(a.T @ a / len(adjoints))
    U, hankel, Vt = np.linalg.svd(L_a.T @ L_c)
    seen = hankel > hankel[0] * 1e-9
    Phi, Psi = (L @ X[:, seen] / np.sqrt(hankel[seen]) for L, X in ((L_c, Vt.T), (L_a, U)))
    sign = np.where(np.reshape(w, (S, -1))[:, 0] @ Phi < 0, -1.0, 1.0)
    return BalancedModes(Phi * sign, Psi * sign, mean, hankel)


def _root(C: np.ndarray) -> np.ndarray:
    """L (S, S) with L Lᵀ = C, for any covariance, singular ones too."""
    values, vectors = np.linalg.eigh(np.atleast_2d(C))
    return vectors * np.sqrt(np.maximum(values, 0))


def explained(whole: np.ndarray, reduced: np.ndarray) -> float:
    """R² of one network's logits with another's, 1 − Σ(whole − reduced)² / Σ(whole − mean)²: nothing is fitted."""
    return float(1 - np.sum((whole - reduced) ** 2) / np.sum((whole - whole.mean(0)) ** 2))


def reduce(
    model: SentimentRNN, k: int | None = None, texts: Texts | None = None, *, n_texts: int = 60, length: int = 160,
    lags: Sequence[int] = range(61), least: float = 0.95, seed: int = 0,
) -> ReducedRNN:  # fmt: skip
    """The network on its first k balanced modes.

    Parameters
    ----------
    k : int, optional
        Unless given, the smallest one whose logits have R² ≥ ``least`` with the whole network's at the end of training
        texts that were not used for balancing (half as many more texts, whole).
    texts : list of str, or of arrays of token numbers, optional
        *Training* text; ``n_texts`` are drawn and their first ``length`` tokens read. The reviews that are shipped with
        the book unless given: they stand in where no data set is at hand.

    Raises
    ------
    ValueError
        For too few texts, a k out of range, a network whose logit hardly differs between texts (untrained: there is
        nothing to balance), or if no k reaches ``least``.
    """
    ids = token_arrays(model, load_reviews("book").texts if texts is None else texts, 10**9, seed=seed)
    if k is not None and not 1 <= k <= model.cell.n_state:
        raise ValueError(f"k must lie between 1 and {model.cell.n_state}, the length of the state, not {k}")
    n_held = max(30, n_texts) if k is None else 0
    if len(ids) < n_texts + n_held:
        raise ValueError(f"{len(ids)} texts are too few: balancing takes {n_texts}" + f" and the choice of k {n_held} more" * (n_held > 0))
    raise NotImplementedError
