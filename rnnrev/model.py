"""The networks of the book as NumPy objects that classify and trace texts.

:class:`SentimentRNN` is the recurrent network h_t = F(h_{t-1}, x_t), logit_t = w·h_t + b, of CP20
section 2; :class:`BagOfWords` the baseline logit = Σ_t β[w_t] + b. Nothing here needs TensorFlow:
training lives in :mod:`rnnrev.train`, files in :mod:`rnnrev.zoo`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike

from .cells import Cell
from .data import UNKNOWN, Reviews, Vocabulary, batches, pad, tokenize
from .stacks import cell_arrays, cell_from, initial_cell, padded_readout
from .threads import in_threads

__all__ = ["BagOfWords", "SentimentRNN", "evaluate", "untrained"]


@dataclass(frozen=True, eq=False)
class Trace:
    """What a model made of one text: ``tokens`` (T strings), ``logits`` after each in nats, (T,) or (T, C) for C > 2
    classes, and ``start``, the logit before the first."""

    tokens: tuple[str, ...]
    logits: np.ndarray
    start: float | np.ndarray

    def __repr__(self) -> str:
        return f"Trace({' '.join(self.tokens)!r}: logit {np.asarray(self.logits[-1]).round(2)})"


@dataclass(frozen=True, eq=False)
class Step:
    """Where :func:`forward` stands in a batch of B texts.

    ``t`` tokens read (0 before the first); ``tokens`` (B,) read last, padding at t = 0; ``before`` (B, S) the states
    before these, at t = 0 the initial ones; ``rows`` (B,) which texts these are, from the longest to the shortest,
    those that have ended left out; ``lengths`` (B,) theirs. ``advance`` is the step that runs. ``memory`` is one
    mapping a batch, for who has to remember: batches run side by side.
    """

    rows: np.ndarray
    t: int
    tokens: np.ndarray
    lengths: np.ndarray
    before: np.ndarray
    advance: Callable[[np.ndarray, np.ndarray], np.ndarray]
    memory: dict[object, Any]

    @property
    def last(self) -> np.ndarray:
        """Which texts end here, (B,)."""
        return self.lengths == self.t


_Advance = Callable[[np.ndarray, np.ndarray], np.ndarray]


def forward(
    advance: _Advance, h0: np.ndarray, ids: Sequence[np.ndarray], visit: Callable[[np.ndarray, Step], np.ndarray], *,
    batch_size: int = 128,
) -> None:  # fmt: skip
    """The loop over texts and tokens that every forward pass of the book takes.

    ``advance`` is one token on: states (B, S) and token numbers (B,) to states (B, S). ``h0`` (S,) or (n, S) is the
    state before the first token, of all texts or of each; its float type is that of the run. ``visit`` sees the states
    before the first token and after each, as a function (h, step) -> h; what it returns goes on. Batches run side by
    side: it writes only to ``step.rows``.
    """

    def read(which: np.ndarray) -> None:
        order = which[::-1]
        padded, sizes = pad([ids[i] for i in order])
        h = np.array(np.broadcast_to(h0, (len(order), h0.shape[-1])) if h0.ndim == 1 else h0[order])
        memory: dict[object, Any] = {}
        for t in range(padded.shape[1] + 1):
            live = int(np.searchsorted(-sizes, -t, side="right"))
            before = h[:live]
            tokens = padded[:live, t - 1] if t else np.zeros(live, np.int32)
            h = advance(before, tokens) if t else before
            h = visit(h, Step(order[:live], t, tokens, sizes[:live], before, advance, memory))

    in_threads(read, batches([len(i) for i in ids], batch_size))  # side by side, one thread a processor


def states_along(
    advance: _Advance, h0: np.ndarray, ids: Sequence[np.ndarray], batch_size: int = 128
) -> list[np.ndarray]:
    """States before the first token of texts and after each, (T + 1, S) a text; arguments as of :func:`forward`."""
    out = Ragged(ids, h0.shape[-1:], h0.dtype)

    def visit(h: np.ndarray, step: Step) -> np.ndarray:
        out.write(step, h)
        return h

    forward(advance, h0, ids, visit, batch_size=batch_size)
    return out.arrays()


def last_states(advance: _Advance, h0: np.ndarray, ids: Sequence[np.ndarray]) -> np.ndarray:
    """The state after the last token of texts, (n, S)."""
    out = np.empty((len(ids), h0.shape[-1]), h0.dtype)

    def visit(h: np.ndarray, step: Step) -> np.ndarray:
        out[step.rows[step.last]] = h[step.last]
        return h

    forward(advance, h0, ids, visit)
    return out


class Ragged:
    """Arrays (T + 1, …) of n texts of different lengths, written by step: one row a text and number of tokens read."""

    def __init__(self, ids: Sequence[np.ndarray], shape: tuple[int, ...], dtype: DTypeLike) -> None:
        rows = np.array([len(i) + 1 for i in ids], int)
        self._ends = np.cumsum(rows)
        self._starts = self._ends - rows
        self._flat = np.empty((rows.sum(), *shape), dtype)

    def write(self, step: Step, values: np.ndarray) -> None:
        """Values (B, …) of the texts of a step."""
        self._flat[self._starts[step.rows] + step.t] = values

    def last(self) -> np.ndarray:
        """The last row of every text, (n, …)."""
        return self._flat[self._ends - 1]

    def arrays(self) -> list[np.ndarray]:
        """One array (T + 1, …) a text."""
        return np.split(self._flat, self._ends[:-1])


class Classifier:
    """What every model of the book can do with texts; subclasses give what is declared or not implemented here.

    ``name`` is for figures; ``record`` (JSON) says how it was trained, see :func:`rnnrev.train.train`, empty if that is
    unknown; ``counts`` (V,) how often each word stood in the training texts, for :attr:`frequencies`.
    """

    kind: ClassVar[str]  #: what a file of it says, see :mod:`rnnrev.zoo`
    vocabulary: Vocabulary
    name: str
    record: dict[str, Any]
    counts: np.ndarray | None

    def __post_init__(self) -> None:
        n = len(self.vocabulary)
        if self.counts is not None and (
            np.shape(self.counts) != (n,) or np.min(self.counts) < 0 or not np.sum(self.counts) > 0
        ):
            raise ValueError(f"counts must be ({n},), not negative and not all zero")

    def to_arrays(self, compact: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Settings (JSON) and arrays that make up the model, without what this class declares: what a file holds."""
        raise NotImplementedError

    @property
    def frequencies(self) -> np.ndarray:
        """p(v), the share of training text that is each word, (V,), sums to 1; padding has none.

        ``ValueError`` for a model without counts (of ``from_keras``, say): the message says how to give it some.
        """
        if self.counts is None:
            raise ValueError(
                f"{self.name} does not know how frequent its words are: use dataclasses.replace(model, counts=…), "
                "with counts from model.vocabulary.frequencies(ids of your texts)"
            )
        return self.counts / self.counts.sum()

    def logits_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """Logits of texts given as token numbers: (n,), or (n, C) for C > 2 classes, in nats."""
        raise NotImplementedError

    def logits_along(self, ids: np.ndarray) -> np.ndarray:
        """Logits of one text before its first token and after each, (T + 1,) or (T + 1, C)."""
        raise NotImplementedError

    def logits(self, texts: Sequence[str]) -> np.ndarray:
        """Logits (n,) of whole texts, in nats: log-odds of positive. (n, C) for C > 2 classes."""
        return self.logits_of(self.vocabulary.encode_all(texts))

    def classify(self, texts: Sequence[str]) -> np.ndarray:
        """:func:`labels_of` whole texts, (n,)."""
        return labels_of(self.logits(texts))

    def trace(self, text: str) -> Trace:
        """The logit after each token of one text."""
        logits = self.logits_along(self.vocabulary.encode(text))
        return Trace(tuple(tokenize(text)) or (UNKNOWN,), logits[1:], logits[0])


def labels_of(logits: np.ndarray) -> np.ndarray:
    """Labels (n,) of logits (n,) or (n, C): 1 positive, 0 negative, or the number of the class."""
    return np.argmax(logits, -1) if logits.ndim == 2 else (logits > 0).astype(np.int64)


@dataclass(frozen=True, eq=False)
class SentimentRNN(Classifier):
    """An embedding, a recurrent cell and a linear readout at the last token.

    Row v of ``embedding`` (V, D) is the embedded token x of word v. The readout ``w``, (S,) or (S, C) for C > 2
    classes, and ``b``, a number or (C,), acts on the flat state; it is zero on an LSTM's cell half.
    """

    kind = "rnn"
    cell: Cell
    embedding: np.ndarray = field(repr=False)
    vocabulary: Vocabulary
    w: np.ndarray = field(repr=False)
    b: float | np.floating | np.ndarray = field(repr=False)
    name: str = "network"
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    counts: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        wanted = (len(self.vocabulary), self.cell.n_inputs)
        if self.embedding.shape != wanted:
            raise ValueError(f"the embedding has shape {self.embedding.shape}, should be {wanted} (V, D)")
        if self.w.shape[0] != self.cell.n_state or self.w.ndim > 2:
            raise ValueError(f"w has shape {self.w.shape}, should be ({self.cell.n_state},) or (…, C)")

    @property
    def n_classes(self) -> int:
        """2, or the number of readout columns."""
        return 2 if self.w.ndim == 1 else int(self.w.shape[1])

    @cached_property
    def projected(self) -> np.ndarray:
        """``x W + b`` of every word, (V, G·N), made once: a text's inputs are then look-ups."""
        return self.cell.project(self.embedding)

    def astype(self, dtype: DTypeLike) -> SentimentRNN:
        """The network in another float type; itself if it has that type."""
        if self.embedding.dtype == self.cell.U.dtype == np.dtype(dtype):
            return self
        embedding, w, b = self.embedding.astype(dtype), self.w.astype(dtype), np.asarray(self.b, dtype)
        return replace(self, cell=self.cell.astype(dtype), embedding=embedding, w=w, b=b)

    def readout(self, h: np.ndarray) -> np.ndarray:
        """logit = w·h + b of states (..., S), in nats."""
        return h @ self.w + self.b

    def embed(self, words: Sequence[str]) -> np.ndarray:
        """Embedded tokens x of words, (n, D); ``KeyError`` for a word that is not known."""
        return self.embedding[self.vocabulary.numbers(words)]

    # --- running texts --------------------------------------------------------------------

    def advance(self, h: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """One token on: states (B, S) and token numbers (B,) -> (B, S)."""
        return self.cell.step_projected(h, self.projected[tokens])

    def states_of(self, ids: Sequence[np.ndarray], h0: np.ndarray | None = None) -> list[np.ndarray]:
        """:meth:`states` of texts given as token numbers; ``h0`` (S,) or (n, S), the network's unless given."""
        start = np.asarray(self.cell.h0 if h0 is None else h0, self.embedding.dtype)
        return states_along(self.advance, start, ids, batch_size=32)

    def states(self, texts: Sequence[str]) -> list[np.ndarray]:
        """Every hidden state of every text: a list of (T + 1, S) arrays, h₀ first."""
        return self.states_of(self.vocabulary.encode_all(texts))

    def final_states_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """The state after the last token of texts given as token numbers, (n, S)."""
        return last_states(self.advance, self.cell.h0.astype(self.embedding.dtype), ids)

    def logits_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        return self.readout(self.final_states_of(ids))

    def logits_along(self, ids: np.ndarray) -> np.ndarray:
        return self.readout(self.states_of([ids])[0])

    def to_arrays(self, compact: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        if compact and self.cell.W.shape[1] < self.cell.n_inputs:  # x W says all that is read of x, and is shorter
            cell = replace(self.cell, W=np.eye(self.cell.W.shape[1], dtype=self.cell.W.dtype))
            return replace(self, cell=cell, embedding=self.embedding @ self.cell.W).to_arrays(compact)
        dtype = np.float16 if compact else None
        weights = cell_arrays(self.cell) | {"readout": self.w}
        arrays = {k: np.asarray(v, dtype) for k, v in weights.items()} | {"readout_b": np.asarray(self.b, np.float32)}
        if not compact:
            return {"cell": self.cell.kind}, arrays | {"embedding": self.embedding}
        # int8 and a scale a row: a quarter of the space, an error under 0.4 % of the row's peak
        scale = np.maximum(np.abs(self.embedding).max(1) / 127, 1e-7).astype(np.float16)
        rows = np.rint(self.embedding / scale[:, None].astype(np.float32)).clip(-127, 127).astype(np.int8)
        return {"cell": self.cell.kind}, arrays | {"embedding": rows, "embedding_scale": scale}

    @classmethod
    def from_arrays(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray], vocabulary: Vocabulary, **about: Any
    ) -> SentimentRNN:
        """The network of :meth:`to_arrays`, in float32; ``about`` is what :class:`Classifier` declares."""
        values = {k: v.astype(np.float32) for k, v in arrays.items()}
        embedding = values["embedding"]
        if "embedding_scale" in values:
            embedding *= values["embedding_scale"][:, None]
        return cls(
            cell_from(settings["cell"], values), embedding, vocabulary, values["readout"], values["readout_b"], **about
        )


@dataclass(frozen=True, eq=False)
class BagOfWords(Classifier):
    """The baseline that only counts words: logit = Σ_t β[w_t] + b, with β (V,) in nats a token and b in nats."""

    kind = "bow"
    beta: np.ndarray = field(repr=False)
    b: float = field(repr=False)
    vocabulary: Vocabulary
    name: str = "bag of words"
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    counts: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.beta.shape != (len(self.vocabulary),):
            raise ValueError(f"beta has shape {self.beta.shape}, should be ({len(self.vocabulary)},)")

    def logits_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([self.beta[i].sum() for i in ids], dtype=self.beta.dtype) + self.b

    def logits_along(self, ids: np.ndarray) -> np.ndarray:
        return np.r_[0, np.cumsum(self.beta[ids])] + self.b

    def to_arrays(self, compact: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {}, {"beta": np.asarray(self.beta, np.float32), "b": np.asarray(self.b, np.float32)}

    @classmethod
    def from_arrays(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray], vocabulary: Vocabulary, **about: Any
    ) -> BagOfWords:
        """The bag of :meth:`to_arrays`; ``about`` is what :class:`Classifier` declares."""
        return cls(arrays["beta"], float(arrays["b"]), vocabulary, **about)


def untrained(
    kind: str, vocabulary: Vocabulary, n_units: int = 256, n_inputs: int = 128, seed: int = 0,
    counts: np.ndarray | None = None,
) -> SentimentRNN:  # fmt: skip
    """The network before training: the control for what training made (random embedding too)."""
    rng = np.random.default_rng([seed, 13])
    cell = initial_cell(kind, n_inputs, n_units, seed)
    embedding = rng.normal(0, 0.1, (len(vocabulary), n_inputs)).astype(np.float32)
    w = padded_readout(cell, rng.normal(0, 1 / np.sqrt(n_units), n_units).astype(np.float32))
    return SentimentRNN(cell, embedding, vocabulary, w, np.float32(0), f"untrained {kind}", counts=counts)


def evaluate(model: Classifier, reviews: Reviews, ids: Sequence[np.ndarray] | None = None) -> dict[str, Any]:
    """Scores on labelled reviews, as they stand in a run record; reviews labelled −1 are counted and left out.

    Accuracy with its 95 % interval (Wilson), confusion counts (row the true class), and for two classes cross-entropy
    in nats and calibration bins. ``ids`` are the texts as token numbers, where they are at hand. ``ValueError`` if no
    review has a label, or one has a class that the model does not know.
    """
    from sklearn.metrics import confusion_matrix

    from . import stats  # SciPy's statistics take half a second to import

    known = reviews.labels >= 0
    labels = reviews.labels[known]
    if not len(labels):
        raise ValueError(f"{reviews!r} has no labels (all are -1): there is nothing to score")
    ids = model.vocabulary.encode_all(reviews.texts) if ids is None else ids
    logits = model.logits_of([i for i, k in zip(ids, known) if k]).astype(float)
    n_classes = 2 if logits.ndim == 1 else logits.shape[1]
    if labels.max() >= n_classes:
        raise ValueError(f"{reviews!r} has labels up to {labels.max()}, but {model.name} knows {n_classes} classes")
    predicted = labels_of(logits)
    accuracy = stats.accuracy(predicted, labels)
    scores: dict[str, Any] = {
        "data": reviews.name, "split": reviews.split, "sha256": reviews.fingerprint, "texts": len(labels),
        "unlabelled": int((~known).sum()), "accuracy": accuracy.value, "interval95": [accuracy.low, accuracy.high],
        "confusion": confusion_matrix(labels, predicted, labels=range(n_classes)).tolist(),
    }  # fmt: skip
    if logits.ndim == 1:
        scores["cross_entropy_nats"] = float(np.logaddexp(0, (1 - 2 * labels) * logits).mean())
        bins = stats.calibration(logits, labels)
        scores["calibration"] = {
            "predicted": bins.predicted.round(5).tolist(), "observed": bins.observed.round(5).tolist(),
            "count": bins.texts.tolist(), "error": bins.error,
        }  # fmt: skip
    return scores
