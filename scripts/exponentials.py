"""Words as small matrices with a volume that multiplies: the form of :mod:`rnnrev.rebuild` with exponentials.

On k balanced coordinates, in standard deviations over visited states, a network is z' = F_w(z) for each word w. Here
all of it is written down with k (k + 1) numbers a word:

    z' = z + T(z) + b_w + A_w g(z),     g_i(z) = (exp(κ_i z_i) − 1) / κ_i

T is the step of the average word, one cubic polynomial for all; κ (k,) says which coordinates *multiply*: where κ_i is
0, g_i = z_i and the word is an affine map. States stay inside the box of visited places. Nothing is fitted to labels or
to logits: numbers are measured on single steps of the network, by least squares over visited places.

The T of the average word has to be right, or its error adds up over a review; words may be crude. A table of all words
has few independent columns: :meth:`WordForm.of_rank` keeps C numbers a word.

Sources: words as matrices, Baroni & Zamparelli 2010, Socher et al. 2012; the form is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.optimize import minimize

from rnnrev.balanced import ReducedRNN
from rnnrev.driven import Texts
from rnnrev.linear import frequent_words
from rnnrev.model import last_states
from rnnrev.rebuild import products, visited_places
from rnnrev.threads import in_threads

N_PLACES = 100  #: at which every word is tried; the average word's step is taken at four times as many
STEEPEST = 1.0  #: e-foldings a standard deviation: what is steeper is told by a few places and runs off elsewhere


@dataclass(frozen=True, eq=False)
class WordForm:
    """A network on k coordinates with every word as a small matrix; z in standard deviations about the mean.

    ``kappa`` (k,) of g; ``average`` (M, k) the cubic T; ``numbers`` (V, k + 1, k) of every word, b_w first, then A_wᵀ:
    zero for words that were not asked for; ``low`` and ``high`` (k,) the box; ``scale``, ``centre`` (k,) lead back to
    the coordinates of ``small``. ``one_step`` is the share of what words do beyond the average word that the form
    explains in one step, by frequency, and ``affine`` that share with κ = 0.
    """

    small: ReducedRNN
    kappa: np.ndarray
    average: np.ndarray = field(repr=False)
    numbers: np.ndarray = field(repr=False)
    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    scale: np.ndarray = field(repr=False)
    centre: np.ndarray = field(repr=False)
    one_step: float
    affine: float

    def advance(self, z: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """One token on, (B, k) and (B,) -> (B, k)."""
        X = np.concatenate([np.ones((len(z), 1)), _g(z, self.kappa)], 1)
        moved = np.einsum("bm,bmk->bk", X, self.numbers[tokens])
        return np.clip(z + products(z) @ self.average + moved, self.low, self.high)

    def logits_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """Logits (n,) of texts given as token numbers, in nats."""
        start = (self.small.cell.h0 - self.centre) / self.scale
        return self.small.readout(self.centre + self.scale * last_states(self.advance, start, ids))

    def of_rank(self, n: int) -> WordForm:
        """With n numbers a word: its table on the first n components of all words' tables, weighted by frequency."""
        rows = self.numbers.reshape(len(self.numbers), -1)
        weights = np.sqrt(self.small.frequencies)[:, None]
        axes = np.linalg.svd(weights * rows, full_matrices=False)[2][:n]
        return replace(self, numbers=(rows @ axes.T @ axes).reshape(self.numbers.shape))


def _g(z: np.ndarray, kappa: np.ndarray) -> np.ndarray:
    flat = np.abs(kappa) < 1e-3
    return np.where(flat, z, np.expm1(kappa * z) / np.where(flat, 1, kappa))


def word_form(
    small: ReducedRNN, texts: Texts, words: Sequence[int] | np.ndarray | None = None, *, linear: bool = False
) -> WordForm:
    """Measure the word form of a reduced network on visited places.

    Parameters
    ----------
    texts : list of str, or of arrays of token numbers
        *Training* text, read whole: places are visited states.
    words : word numbers
        To give a matrix, beside the frequent ones; all unless given (minutes for 20,000 words).
    linear : bool
        Words as affine maps: κ = 0.
    """
    k, n, seen = small.k, N_PLACES, visited_places(small, texts, N_PLACES, np.random.default_rng([0, 173]))
    z, places = seen.z[:n], seen.states[:n].astype(small.embedding.dtype)
    frequent = frequent_words(small)
    asked = np.arange(len(small.vocabulary)) if words is None else np.union1d(frequent, words)
    a = small.cell.recur(places)

    def beyond(numbers: np.ndarray) -> np.ndarray:
        """What words do beyond the average word, (places, words, k)."""
        after = small.cell.combine(places[:, None], small.projected[numbers], a[:, None])
        return (after - places[:, None]) / seen.scale - seen.average[:n, None]

    tried = beyond(frequent) * np.sqrt(small.frequencies[frequent] / small.frequencies[frequent].sum())[:, None]
    Y = tried.reshape(n, -1)

    def missed(kappa: np.ndarray) -> float:
        Q = np.linalg.qr(np.c_[np.ones(n), _g(z, kappa)])[0]
        return float(1 - np.sum((Q.T @ Y) ** 2) / np.sum(Y**2))

    affine, kappa = missed(np.zeros(k)), np.zeros(k)
    if not linear:
        start, bounds = np.full(k, 0.1), [(-STEEPEST, STEEPEST)] * k
        kappa = minimize(missed, start, method="Nelder-Mead", bounds=bounds, options={"maxiter": 200 * k}).x
    X = np.c_[np.ones(n), _g(z, kappa)]
    solve = np.linalg.pinv(X)
    parts = in_threads(
        lambda words: np.einsum("mp,pwk->wmk", solve, beyond(words)), np.array_split(asked, -(-len(asked) // 64))
    )
    numbers = np.zeros((len(small.vocabulary), k + 1, k))
    numbers[asked] = np.concatenate(parts)
    return WordForm(
        small, kappa, seen.cubic, numbers, *seen.box, seen.scale, seen.centre, 1 - missed(kappa), 1 - affine
    )
