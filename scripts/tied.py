"""Rung 4 of chapter 6's ladder: filters that are not learned word by word but follow from a word's place.

    logit = b + s Σ_t β[w_t] exp(κ_t),     κ_t = Σ_m Σ_ji c_ji λ_iⁿ a_j[m],     n words after m

β are a trained bag's valences. a_j[m] says where a word pushes the network on its j-th balanced mode, beyond the
average word: copied, no label. Fitted to labels are s, b and the c, modes × decays for all words together. Rung 5, the
beginning, has no filter of its own: h₀ is a push like any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize
from scipy.signal import lfilter
from scipy.special import expit

from rnnrev.balanced import ReducedRNN
from rnnrev.data import Vocabulary
from rnnrev.model import BagOfWords

DECAYS = tuple(np.exp(-1 / np.array([1.5, 3.0, 6.0, 20.0])))  #: λ_i; time constants in tokens
LIMIT = 3.0  #: of |κ|
RIDGE = 1e-3  #: on Σ c²


@dataclass(frozen=True, eq=False)
class TiedFilters:
    """A bag of words whose filters follow from places ``push`` (V, k); ``start`` (k,) is that of h₀, or zeros."""

    beta: np.ndarray
    push: np.ndarray
    start: np.ndarray
    vocabulary: Vocabulary
    c: np.ndarray  #: (k · decays,)
    s: float = 1.0
    b: float = 0.0

    def pending(self, ids: np.ndarray) -> np.ndarray:
        """What the words before each one have left, (T, k · decays)."""
        ages = np.arange(len(ids))[:, None]
        parts = [lfilter([0, 1], [1, -d], self.push[ids], axis=0) + self.start * d**ages for d in DECAYS]
        return np.concatenate(parts, 1)

    def logits_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """(n,) nats."""
        factors = (np.exp(np.clip(self.pending(i) @ self.c, -LIMIT, LIMIT)) for i in ids)
        return np.array([self.s * (self.beta[i] @ f) + self.b for i, f in zip(ids, factors)])


def pushes(small: ReducedRNN, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean step of every word from places (P, k) beyond the average word's, (V, k), in its spread over text; and h₀."""
    total = np.zeros((len(small.vocabulary), small.k))
    for z in places:
        total += small.cell.combine(z[None], small.projected, small.cell.recur(z[None]))
    total -= small.frequencies @ total
    scale = np.sqrt(small.frequencies @ total**2)
    return total / scale, len(places) * (small.cell.h0 - places.mean(0)) / scale


def tied(small: ReducedRNN, bag: BagOfWords, places: np.ndarray, *, begun: bool, dealt: bool = False) -> TiedFilters:
    """The form before anything is fitted; ``begun`` at h₀; ``dealt`` gives each place to another word, the control."""
    push, start = pushes(small, places)
    if dealt:  # to one of nearly the same frequency: the vocabulary is sorted by it
        blocks = np.array_split(np.arange(len(push)), len(push) // 20)
        push = push[np.concatenate([np.random.default_rng(211).permutation(b) for b in blocks])]
    nothing = np.zeros(len(DECAYS) * small.k)
    return TiedFilters(bag.beta.astype(float), push, start * begun, bag.vocabulary, nothing, b=bag.b)


def fit(form: TiedFilters, texts: Sequence[np.ndarray], labels: np.ndarray) -> TiedFilters:
    """c, s and b by logistic regression on labels (n,) of 0 and 1, begun where they are."""
    U = np.concatenate([form.pending(i) for i in texts])
    beta = form.beta[np.concatenate(texts)]
    lengths = np.array([len(i) for i in texts])
    first = np.cumsum(lengths) - lengths

    def loss(theta: np.ndarray) -> tuple[float, np.ndarray]:
        c, s, b = theta[:-2], theta[-2], theta[-1]
        kappa = U @ c
        said = beta * np.exp(np.clip(kappa, -LIMIT, LIMIT))
        z = np.add.reduceat(said, first)
        logits = s * z + b
        off = (expit(logits) - labels) / len(labels)
        inside = np.repeat(off, lengths) * said * (np.abs(kappa) < LIMIT)
        value = np.mean(np.logaddexp(0, logits) - labels * logits) + RIDGE * c @ c
        return float(value), np.r_[s * (inside @ U) + 2 * RIDGE * c, off @ z, off.sum()]

    best = minimize(loss, np.r_[form.c, form.s, form.b], jac=True, method="L-BFGS-B", options={"maxiter": 200}).x
    return replace(form, c=best[:-2], s=float(best[-2]), b=float(best[-1]))
