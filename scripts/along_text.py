"""The linear reader along text, which only scripts/balanced.py measures. Source: ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnrev.driven import Texts, adjoints, token_arrays, visited_states
from rnnrev.model import SentimentRNN
from rnnrev.threads import in_threads


@dataclass(frozen=True, eq=False)
class LinearReader:
    """A bag of words whose words fade: logit = Σ_n ā(n)·d(x_{T−n}), nothing of it fitted to labels.

    ``kernel`` (L, V): what word v adds n tokens before the end, in nats, for n = 0 … L − 1; what is longer ago fades on
    by ``ratio`` a token.
    """

    model: SentimentRNN
    kernel: np.ndarray = field(repr=False)
    ratio: float

    def logits_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """Logits (n,) of texts given as token numbers, in nats, up to a constant."""
        L, out = len(self.kernel), []
        for i in ids:
            ago = np.arange(len(i))[::-1]
            out.append(np.sum(self.kernel[np.minimum(ago, L - 1), i] * self.ratio ** np.maximum(ago - L + 1, 0)))
        return np.array(out)

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Logits (n,) of whole texts, in nats, up to a constant."""
        return self.logits_of(self.model.vocabulary.encode_all(texts))


def linear_reader(model: SentimentRNN, texts: Texts, n_lags: int = 61, *, n_texts: int = 200) -> LinearReader:
    """The linear reader along text: mean adjoints ā(n), and d(v), what word v does to visited states on average.

    d is F(h, v) less its mean over running text, for 32 visited states h.
    """
    ids = [i for i in token_arrays(model, texts, len(texts), n_lags + 200) if len(i) >= n_lags][:n_texts]
    a = adjoints(model, ids, range(n_lags)).mean(0)
    visited = np.random.default_rng([0, 151]).permutation(visited_states(model, ids))[:32]
    before, V = model.cell.recur(visited)[:, None], len(model.vocabulary)
    parts = in_threads(
        lambda u: model.cell.combine(visited[:, None], u, before).mean(0), np.array_split(model.projected, -(-V // 100))
    )
    d = np.concatenate(parts)
    kernel = a @ (d - model.frequencies.astype(d.dtype) @ d).T
    size = np.std(kernel[[n_lags // 2, n_lags - 1]][:, model.frequencies > 0], axis=1)
    return LinearReader(model, kernel, float(min(size[1] / size[0], 1.0) ** (1 / (n_lags - 1 - n_lags // 2))))
