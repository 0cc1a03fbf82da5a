"""Rebuild a reader: the network as a few numbers of state and a few numbers a word, in a form that fits on one line.

On k balanced coordinates z, in standard deviations over visited states, every word w is a step z → z'. Written with C
numbers a word and 1 + C steps that all words share,

    z' = z + T₀(z) + Σ_c a_c[w] T_c(z),     logit = w·z + b,

T₀ is the step of the average word; each T is a cubic polynomial, and states stay inside the box of visited places. The
table of all words' steps has few independent columns: the a_c are its first components, weighted by how often a word
occurs and by how much of a step the future reads. Nothing is fitted to labels or to logits.

A bag of words is k = C = 1, T₁ = 1. Sources: words as matrices, Baroni & Zamparelli 2010, Socher et al. 2012; the form
is ours (``scripts/exponentials.py`` has one with exponentials).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from .balanced import ReducedRNN
from .data import Vocabulary
from .driven import Texts, token_arrays
from .fixed_points import mean_map
from .linear import frequent_words
from .model import Classifier, last_states, states_along
from .threads import in_threads

__all__ = ["FewNumbers", "few_numbers"]

N_PLACES = 200  #: visited places at which steps are measured


def products(z: np.ndarray) -> np.ndarray:
    """All products of up to three coordinates, (n, k) -> (n, M), 1 first."""
    n, k = z.shape
    out = [np.ones((n, 1), z.dtype), z]
    for degree in (2, 3):
        sets = np.array(list(combinations_with_replacement(range(k), degree)))
        out.append(np.prod(z[:, sets], -1))
    return np.concatenate(out, 1)


@dataclass(frozen=True, eq=False)
class Places:
    """Visited places of a reduced network, and the step of the average word there.

    ``states`` (n, k) in the network's own coordinates, ``z`` (n, k) in standard deviations ``scale`` about ``centre``;
    ``average`` (n, k) the average word's step in these, ``cubic`` (M, k) that step on their :func:`products`.
    """

    states: np.ndarray
    z: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    average: np.ndarray
    cubic: np.ndarray

    @property
    def box(self) -> tuple[np.ndarray, np.ndarray]:
        """Lowest and highest coordinates, a tenth beyond what was seen: (k,) each."""
        return 1.1 * self.z.min(0), 1.1 * self.z.max(0)


def visited_places(small: ReducedRNN, texts: Texts, n: int, rng: np.random.Generator) -> Places:
    """4 n places of *training* texts, read whole, and n / 2 of the first ones of every text, in random order."""
    states = small.states_of(token_arrays(small, texts))
    # the first states stand apart, and every review begins there
    visited = np.concatenate([rng.permutation(np.concatenate(states)), np.concatenate([h[:4] for h in states])])
    centre, scale = visited.mean(0, dtype=float), visited.std(0, dtype=float)
    many = rng.permutation(np.concatenate([visited[: 4 * n], visited[-n // 2 :]]))
    z = (many - centre) / scale
    average = (mean_map(small, 600)(many.astype(float)) - many) / scale
    X = products(z)
    cubic = np.linalg.solve(X.T @ X + 1e-4 * len(z) * np.eye(X.shape[1]), X.T @ average)
    return Places(many, z, centre, scale, average, cubic)


@dataclass(frozen=True, eq=False)
class FewNumbers(Classifier):
    """C numbers a word, k of state; z in standard deviations about the mean of visited states."""

    kind = "few-numbers"
    numbers: np.ndarray = field(repr=False)  #: (V, C), a_c[w], standard deviation 1 over running text
    shared: np.ndarray = field(repr=False)  #: (1 + C, M, k): T_0 … T_C on the products of up to three coordinates
    start: np.ndarray = field(repr=False)  #: (k,), before the first token
    low: np.ndarray = field(repr=False)  #: (k,) of the box
    high: np.ndarray = field(repr=False)
    w: np.ndarray = field(repr=False)  #: (k,) nats a standard deviation
    b: float = field(repr=False)
    vocabulary: Vocabulary
    name: str = "few numbers"
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    counts: np.ndarray | None = field(default=None, repr=False)

    def steps(self, z: np.ndarray) -> np.ndarray:
        """T_0 … T_C at places z (n, k): (n, 1 + C, k)."""
        C1, M, k = self.shared.shape
        return (products(z) @ self.shared.transpose(1, 0, 2).reshape(M, C1 * k)).reshape(-1, C1, k)

    def advance(self, z: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """One token on, (B, k) and (B,) -> (B, k)."""
        T = self.steps(z)
        return np.clip(z + T[:, 0] + (self.numbers[tokens][:, None] @ T[:, 1:])[:, 0], self.low, self.high)

    def states_of(self, ids: Sequence[np.ndarray]) -> list[np.ndarray]:
        """States before the first token of texts and after each, (T + 1, k) a text."""
        return states_along(self.advance, self.start, ids)

    def logits_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        return last_states(self.advance, self.start, ids) @ self.w + self.b

    def logits_along(self, ids: np.ndarray) -> np.ndarray:
        return self.states_of([ids])[0] @ self.w + self.b

    def of_rank(self, n: int) -> FewNumbers:
        """With the first n numbers a word."""
        return replace(self, numbers=self.numbers[:, :n], shared=self.shared[: 1 + n])


def few_numbers(small: ReducedRNN, texts: Texts, n: int) -> FewNumbers:
    """Measure n numbers of every word, and the steps that all share, on visited places of a reduced network.

    ``texts`` are *training* text, read whole: places are visited states, the first ones of every text among them.
    """
    k, seen = small.k, visited_places(small, texts, N_PLACES, np.random.default_rng([0, 181]))
    scale, X = seen.scale, products(seen.z)
    places = seen.states[:N_PLACES].astype(small.embedding.dtype)
    # orthonormal steps over places; the ridge keeps the cubic from what few places say
    Q, R = np.linalg.qr(np.concatenate([X[:N_PLACES], 1e-2 * np.sqrt(N_PLACES) * np.eye(X.shape[1])]))
    read = np.sqrt(small.hankel[:k]) * scale

    def beyond(words: np.ndarray, m: int) -> np.ndarray:
        """What words do beyond the average word at the first m places, as far as it is read: (m, words, k)."""
        after = small.cell.combine(places[:m, None], small.projected[words], small.cell.recur(places[:m])[:, None])
        return ((after - places[:m, None]) / scale - seen.average[:m, None]) * read

    frequent = frequent_words(small)
    parts = in_threads(
        lambda words: np.einsum("pm,pwk->wmk", Q[:N_PLACES], beyond(words, N_PLACES)),
        np.array_split(frequent, -(-len(frequent) // 64)),
    )
    rows = np.concatenate(parts).reshape(len(frequent), -1)
    axes = np.linalg.svd(np.sqrt(small.frequencies[frequent])[:, None] * rows, full_matrices=False)[2][:n]
    steps = np.linalg.solve(R, axes.reshape(n, -1, k))  # (n, M, k)
    # the numbers of every word, by least squares over fewer places
    m = N_PLACES // 4
    solve = np.linalg.pinv(np.einsum("pm,cmk->pkc", X[:m], steps).reshape(m * k, n))
    chunks = np.array_split(np.arange(len(small.vocabulary)), -(-len(small.vocabulary) // 128))
    numbers = np.concatenate(in_threads(
        lambda words: beyond(words, m).transpose(1, 0, 2).reshape(len(words), -1) @ solve.T, chunks
    ))  # fmt: skip
    sd = np.sqrt(small.frequencies @ numbers**2)
    shared = np.concatenate([seen.cubic[None], steps * sd[:, None, None] / read])
    return FewNumbers(
        numbers / sd, shared, (small.cell.h0 - seen.centre) / scale,
        *seen.box, scale * small.w, float(small.readout(seen.centre)),
        small.vocabulary, f"{small.name}, {n} numbers a word", counts=small.counts,
    )  # fmt: skip
