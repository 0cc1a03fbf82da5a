"""The networks of the book as NumPy objects that classify, trace, save and load.

:class:`SentimentRNN` is the recurrent network h_t = F(h_{t-1}, x_t), logit_t = w·h_t + b, of CP20
section 2; :class:`BagOfWords` the baseline logit = Σ_t β[w_t] + b. Nothing here needs TensorFlow (but
:func:`from_keras` takes a Keras model): training lives in :mod:`rnnrev.train`.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .cells import CELLS, Cell, initial_weights
from .data import PAD, UNKNOWN, Vocabulary, batches, pad, tokenize
from .files import digest
from .threads import in_threads

__all__ = [
    "BagOfWords",
    "ModelFileError",
    "Ragged",
    "SentimentRNN",
    "Step",
    "Trace",
    "forward",
    "from_keras",
    "from_torch",
    "load",
    "save",
    "unroll",
    "untrained",
]

FORMAT = "rnnrev-model"
FORMAT_VERSION = 1

#: Kinds of model that live in later modules, imported when a folder of one is read: each has ``from_arrays``.
LATER = {"augmented-bow": "rnnrev.augmented_bow"}


class ModelFileError(ValueError):
    """A model folder that is missing, foreign or damaged; the message says which and what to do."""


@dataclass(frozen=True)
class Trace:
    """What a model made of one text, token by token.

    ``tokens`` (T strings), ``logits`` (T,) after each token in nats (log-odds of positive), ``start`` the
    logit before the first. With more than two classes logits are (T, C).
    """

    tokens: tuple[str, ...]
    logits: np.ndarray
    start: float | np.ndarray

    def __repr__(self) -> str:
        end = np.asarray(self.logits[-1]).round(2)
        return f"Trace({' '.join(self.tokens)!r}: logit {end})"


def unroll(
    cell: Cell,
    u: np.ndarray,
    h0: np.ndarray,
    after_step: Callable[[np.ndarray, int], np.ndarray] | None = None,
) -> np.ndarray:
    """Run a cell over projected inputs.

    Parameters
    ----------
    u : array, (B, T, G·N)
        ``cell.project(x)`` for every token.
    h0 : array, (S,) or (B, S)
    after_step : function (h, t) -> h, optional
        Called after every step with the states (B, S) and t = 1..T; what it returns goes on.

    Returns
    -------
    array, (B, T + 1, S)
        The state before the first token and after each.
    """
    n, steps = u.shape[:2]
    h = np.broadcast_to(h0, (n, cell.n_state)).astype(u.dtype)
    states = np.empty((n, steps + 1, cell.n_state), dtype=u.dtype)
    states[:, 0] = h
    for t in range(steps):
        h = cell.step_projected(h, u[:, t])
        if after_step is not None:
            h = after_step(h, t + 1)
        states[:, t + 1] = h
    return states


def each_batch(
    read: Callable[[np.ndarray], None], ids: Sequence[np.ndarray], batch_size: int, progress: bool = False
) -> None:
    """Call ``read`` with the positions of the texts of each batch, from the shortest texts to the longest.

    Batches run side by side, one thread a processor: ``read`` writes where no other batch does.
    """
    from tqdm.auto import tqdm

    lengths = np.array([len(i) for i in ids])
    with tqdm(total=int(lengths.sum()), unit="token", disable=not progress) as bar:

        def told(which: np.ndarray) -> None:
            read(which)
            bar.update(int(lengths[which].sum()))

        in_threads(told, batches(lengths, batch_size))


@dataclass(frozen=True, eq=False)
class Step:
    """Where :func:`forward` stands in a batch of B texts.

    ``t`` tokens read (0 before the first); ``tokens`` (B,) read last, padding at t = 0; ``before`` (B, S) the states
    before these, at t = 0 the initial ones; ``rows`` (B,) which texts these are, from the longest to the shortest,
    those that have ended left out; ``lengths`` (B,) theirs. ``advance`` is the step that runs. ``memory`` is one mapping a
    batch, for who has to remember: batches run side by side.
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


def forward(
    advance: Callable[[np.ndarray, np.ndarray], np.ndarray],
    h0: np.ndarray,
    ids: Sequence[np.ndarray],
    visit: Callable[[np.ndarray, Step], np.ndarray],
    *,
    batch_size: int = 128,
    progress: bool = False,
) -> None:
    """The loop over texts and tokens that every forward pass of the book takes.

    Parameters
    ----------
    advance : function (h, tokens) -> h
        One token on: states (B, S) and token numbers (B,) to states (B, S).
    h0 : array, (S,) or (n, S)
        Before the first token, of all texts or of each; its float type is that of the run.
    ids : n arrays of token numbers
    visit : function (h, step) -> h
        Sees the states before the first token and after each; what it returns goes on. It writes only to ``step.rows``.
    """

    def read(which: np.ndarray) -> None:
        order = which[::-1]
        padded, lengths = pad([ids[i] for i in order])
        h = np.array(np.broadcast_to(h0, (len(order), h0.shape[-1])) if h0.ndim == 1 else h0[order])
        memory: dict[object, Any] = {}
        for t in range(padded.shape[1] + 1):
            live = int(np.searchsorted(-lengths, -t, side="right"))
            before = h[:live]
            tokens = padded[:live, t - 1] if t else np.zeros(live, np.int32)
            h = advance(before, tokens) if t else before
            h = visit(h, Step(order[:live], t, tokens, lengths[:live], before, advance, memory))

    each_batch(read, ids, batch_size, progress)


class Ragged:
    """Arrays (T + 1, …) of n texts of different lengths, written by step: one row a text and number of tokens read."""

    def __init__(self, ids: Sequence[np.ndarray], shape: tuple[int, ...], dtype: Any) -> None:
        self._ends = np.cumsum([len(i) + 1 for i in ids])
        self._starts = self._ends - [len(i) + 1 for i in ids]
        self._flat = np.empty((int(self._ends[-1]) if len(ids) else 0, *shape), dtype)

    def write(self, step: Step, values: np.ndarray) -> None:
        """Values (B, …) of the texts of a step."""
        self._flat[self._starts[step.rows] + step.t] = values

    def last(self) -> np.ndarray:
        """The last row of every text, (n, …)."""
        return self._flat[self._ends - 1]

    def arrays(self) -> list[np.ndarray]:
        """One array (T + 1, …) a text."""
        return np.split(self._flat, self._ends[:-1])


class _Classifier:
    """What every model of the book can do with texts; subclasses give ``vocabulary`` and ``logits_of``."""

    vocabulary: Vocabulary
    name: str
    counts: np.ndarray | None

    @property
    def frequencies(self) -> np.ndarray:
        """p(v), the share of training text that is each word, (V,), sums to 1; padding has none.

        ``ValueError`` for a model that came without counts (``from_keras``, say): use
        :meth:`Vocabulary.frequencies` on texts of your own and give the result as ``counts``.
        """
        if self.counts is None:
            raise ValueError(
                f"{self.name} does not know how frequent its words are: use dataclasses.replace(model, counts=…), "
                "with counts from model.vocabulary.frequencies(ids of your texts)"
            )
        return self.counts / self.counts.sum()

    def logits_of(self, ids: Sequence[np.ndarray], progress: bool = False) -> np.ndarray:
        """Logits of texts given as token numbers: (n,), or (n, C) for C > 2 classes, in nats."""
        raise NotImplementedError

    def logits(self, texts: Sequence[str], progress: bool = False) -> np.ndarray:
        """Logits (n,) of whole texts, in nats: log-odds of positive. (n, C) for C > 2 classes."""
        return self.logits_of(self.vocabulary.encode_all(_as_list(texts)), progress)

    def classify(self, texts: Sequence[str], progress: bool = False) -> np.ndarray:
        """Labels (n,) of whole texts: 1 positive, 0 negative (or the class number)."""
        logits = self.logits(texts, progress)
        return np.argmax(logits, -1) if logits.ndim == 2 else (logits > 0).astype(np.int64)


def _check_counts(counts: np.ndarray | None, vocabulary: Vocabulary) -> None:
    if counts is not None and (np.shape(counts) != (len(vocabulary),) or np.min(counts) < 0 or not np.sum(counts) > 0):
        raise ValueError(f"counts must be ({len(vocabulary)},), not negative and not all zero")


def _as_list(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError("give a list of texts, not one text: [text]")
    return list(texts)


@dataclass(frozen=True, eq=False)
class SentimentRNN(_Classifier):
    """An embedding, a recurrent cell and a linear readout at the last token.

    Parameters
    ----------
    cell : Cell
    embedding : array, (V, D)
        Row v is the embedded token x of word v.
    vocabulary : Vocabulary
        V words.
    w : array, (S,) or (S, C)
        Readout on the flat state (zero on an LSTM's cell half); C columns for C > 2 classes.
    b : float or array (C,)
    name : str
        For figures and tables.
    record : dict
        How it was trained (JSON), see :func:`rnnrev.train.train`; empty if unknown.
    counts : array, (V,), optional
        How often each word stood in the training texts, see :attr:`frequencies`.
    """

    cell: Cell
    embedding: np.ndarray = field(repr=False)
    vocabulary: Vocabulary
    w: np.ndarray = field(repr=False)
    b: Any = field(repr=False)
    name: str = "network"
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    counts: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_counts(self.counts, self.vocabulary)
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

    def astype(self, dtype: Any) -> SentimentRNN:
        """The same network in another float type."""
        return replace(
            self,
            cell=self.cell.astype(dtype),
            embedding=self.embedding.astype(dtype),
            w=self.w.astype(dtype),
            b=np.asarray(self.b, dtype),
        )

    def readout(self, h: np.ndarray) -> np.ndarray:
        """logit = w·h + b of states (..., S), in nats."""
        return h @ self.w + self.b

    def embed(self, words: Sequence[str]) -> np.ndarray:
        """Embedded tokens x of words, (n, D); ``KeyError`` for a word that is not known."""
        return self.embedding[[self.vocabulary.number(w) for w in words]]

    # --- running texts --------------------------------------------------------------------

    def advance(self, h: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """One token on: states (B, S) and token numbers (B,) -> (B, S)."""
        return self.cell.step_projected(h, self.projected[tokens])

    def states_of(
        self, ids: Sequence[np.ndarray], progress: bool = False, h0: np.ndarray | None = None
    ) -> list[np.ndarray]:
        """States of texts given as token numbers, as :meth:`states`; ``h0`` (S,) or (n, S), the network's unless given."""
        out = Ragged(ids, (self.cell.n_state,), self.embedding.dtype)

        def visit(h: np.ndarray, step: Step) -> np.ndarray:
            out.write(step, h)
            return h

        forward(self.advance, self._start(h0), ids, visit, batch_size=32, progress=progress)
        return out.arrays()

    def _start(self, h0: np.ndarray | None) -> np.ndarray:
        return np.asarray(self.cell.h0 if h0 is None else h0, self.embedding.dtype)

    def states(self, texts: Sequence[str], progress: bool = False) -> list[np.ndarray]:
        """Every hidden state of every text: a list of (T + 1, S) arrays, h₀ first."""
        return self.states_of(self.vocabulary.encode_all(_as_list(texts)), progress)

    def final_states_of(
        self, ids: Sequence[np.ndarray], progress: bool = False, h0: np.ndarray | None = None
    ) -> np.ndarray:
        """The state after the last token of texts given as token numbers, (n, S)."""
        out = np.empty((len(ids), self.cell.n_state), self.embedding.dtype)

        def visit(h: np.ndarray, step: Step) -> np.ndarray:
            out[step.rows[step.last]] = h[step.last]
            return h

        forward(self.advance, self._start(h0), ids, visit, progress=progress)
        return out

    def logits_of(self, ids: Sequence[np.ndarray], progress: bool = False) -> np.ndarray:
        return self.readout(self.final_states_of(ids, progress))

    def trace(self, text: str) -> Trace:
        """The logit after each token of one text."""
        tokens = tuple(tokenize(text)) or (UNKNOWN,)
        logits = self.readout(self.states([text])[0])
        return Trace(tokens, logits[1:], logits[0])


@dataclass(frozen=True, eq=False)
class BagOfWords(_Classifier):
    """The baseline that only counts words: logit = Σ_t β[w_t] + b.

    ``beta`` is (V,), in nats a token; ``b`` in nats.
    """

    beta: np.ndarray = field(repr=False)
    b: float = field(repr=False)
    vocabulary: Vocabulary
    name: str = "bag of words"
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    counts: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_counts(self.counts, self.vocabulary)
        if self.beta.shape != (len(self.vocabulary),):
            raise ValueError(f"beta has shape {self.beta.shape}, should be ({len(self.vocabulary)},)")

    def logits_of(self, ids: Sequence[np.ndarray], progress: bool = False) -> np.ndarray:
        return np.array([self.beta[i].sum() for i in ids], dtype=self.beta.dtype) + self.b

    def trace(self, text: str) -> Trace:
        """The logit after each token of one text: a running sum."""
        tokens = tuple(tokenize(text)) or (UNKNOWN,)
        return Trace(tokens, np.cumsum(self.beta[self.vocabulary.encode(text)]) + self.b, float(self.b))


def untrained(
    kind: str,
    vocabulary: Vocabulary,
    n_units: int = 256,
    n_inputs: int = 128,
    seed: int = 0,
    counts: np.ndarray | None = None,
) -> SentimentRNN:
    """The network before training: the control for what training made (random embedding too)."""
    rng = np.random.default_rng([seed, 13])
    cell = initial_weights(kind, n_inputs, n_units, seed)
    embedding = rng.normal(0, 0.1, (len(vocabulary), n_inputs)).astype(np.float32)
    w = np.zeros(cell.n_state, np.float32)
    w[:n_units] = rng.normal(0, 1 / np.sqrt(n_units), n_units)
    return SentimentRNN(cell, embedding, vocabulary, w, np.float32(0), f"untrained {kind}", counts=counts)


# --- a Keras model of the user's ---------------------------------------------------------------


def from_keras(model: Any, vocabulary: Vocabulary | Sequence[str], name: str = "keras model") -> SentimentRNN:
    """Wrap a Keras classifier, Embedding → one GRU, LSTM or SimpleRNN → one Dense, for every analysis.

    Parameters
    ----------
    model : keras.Model
        Dropout and masking layers in between are allowed.
    vocabulary : Vocabulary or list of str
        The word of each embedding row, in order. ``TextVectorization.get_vocabulary()`` fits: its
        first two entries (padding and unknown) are renamed.

    Raises
    ------
    ValueError
        If the model is of another make; the message names the layer and the fix.
    """
    layers: dict[str, Any] = {}
    for layer in model.layers:
        make = type(layer).__name__
        role = {"Embedding": "embedding", "Dense": "readout"}.get(make)
        role = "cell" if make in ("GRU", "LSTM", "SimpleRNN") else role
        if role is None and make not in ("InputLayer", "Dropout", "SpatialDropout1D", "Masking", "Activation"):
            raise ValueError(
                f"layer {layer.name!r} is a {make}: from_keras takes Embedding, one GRU, LSTM or SimpleRNN, and one "
                "Dense; for anything else pass a step function F(h, x) to the analysis"
            )
        if role in layers:
            raise ValueError(f"the model has two {role} layers ({layers[role].name!r} and {layer.name!r}): use one")
        if role:
            layers[role] = layer
    for role in ("embedding", "cell", "readout"):
        if role not in layers:
            raise ValueError(f"the model has no {role} layer that from_keras knows")
    keras_cell, dense = layers["cell"], layers["readout"]
    kind = {"GRU": "gru", "LSTM": "lstm", "SimpleRNN": "vanilla"}[type(keras_cell).__name__]
    config = keras_cell.get_config()
    for key, wanted in (("activation", "tanh"), ("recurrent_activation", "sigmoid"), ("go_backwards", False)):
        if key in config and config[key] != wanted:
            raise ValueError(f"layer {keras_cell.name!r} has {key}={config[key]!r}: from_keras needs {wanted!r}")
    if kind == "gru" and not config.get("reset_after", True):
        raise ValueError(
            f"layer {keras_cell.name!r} has reset_after=False: train it with reset_after=True (the default)"
        )

    arrays = [np.asarray(v) for v in keras_cell.get_weights()]
    W, U = arrays[0], arrays[1]
    bias = arrays[2] if len(arrays) > 2 else np.zeros(W.shape[1], W.dtype)
    b, b_rec = (bias[0], bias[1]) if bias.ndim == 2 else (bias, np.zeros_like(bias))
    n_state = len(U) * CELLS[kind].blocks
    cell = Cell(kind, W, U, b, b_rec, np.zeros(n_state, W.dtype))

    read = [np.asarray(v) for v in dense.get_weights()]
    w, offset = _binary(read[0], read[1] if len(read) > 1 else np.zeros(read[0].shape[1], W.dtype))
    w = _pad_rows(w, n_state)
    if not isinstance(vocabulary, Vocabulary):
        vocabulary = Vocabulary((PAD, UNKNOWN, *tuple(vocabulary)[2:]))
    return SentimentRNN(cell, np.asarray(layers["embedding"].get_weights()[0]), vocabulary, w, offset, name)


def from_torch(
    state_dict: Mapping[str, Any], vocabulary: Vocabulary | Sequence[str], name: str = "torch model"
) -> SentimentRNN:
    """Wrap the weights of a PyTorch classifier, nn.Embedding → one nn.GRU, nn.LSTM or nn.RNN → nn.Linear.

    PyTorch itself is not needed: ``{k: v.numpy() for k, v in model.state_dict().items()}``, or what
    ``safetensors.numpy.load_file`` gives, will do. Parts are told by their names' ends (``weight_ih_l0``, …)
    and their shapes. The layer must be one-directional, with tanh, and the readout at the last token.

    Raises
    ------
    ValueError
        If a part is missing or there are two of it; the message names it.
    """
    arrays = {k: np.asarray(v) for k, v in state_dict.items()}
    more = [k for k in arrays if k.endswith("_reverse") or ("weight_ih_l" in k and not k.endswith("weight_ih_l0"))]
    if more:
        raise ValueError(f"{more[0]!r}: from_torch takes one layer in one direction; train with num_layers=1")

    def only(role: str, fits: Callable[[str, np.ndarray], bool]) -> np.ndarray:
        found = [k for k, v in arrays.items() if fits(k, v)]
        if len(found) != 1:
            raise ValueError(f"the state_dict needs one {role}, it has {len(found)} ({', '.join(found) or 'none'})")
        return arrays[found[0]]

    U = only("recurrent weight (weight_hh_l0)", lambda k, v: k.endswith("weight_hh_l0"))
    W = only("input weight (weight_ih_l0)", lambda k, v: k.endswith("weight_ih_l0"))
    gates, n, n_inputs = len(U) // U.shape[1], U.shape[1], W.shape[1]
    kind = {3: "gru", 4: "lstm", 1: "vanilla"}[gates]
    biases = [arrays.get(k.replace("weight", "bias")) for k in arrays if k.endswith(("weight_ih_l0", "weight_hh_l0"))]
    b, b_rec = (np.zeros(len(U), U.dtype) if a is None else a for a in biases)
    if kind == "gru":  # PyTorch orders its gates r, z, n
        swap = np.r_[n : 2 * n, :n, 2 * n : 3 * n]
        U, W, b, b_rec = U[swap], W[swap], b[swap], b_rec[swap]
    words = vocabulary if isinstance(vocabulary, Vocabulary) else Vocabulary((PAD, UNKNOWN, *tuple(vocabulary)[2:]))

    def plain(k: str, v: np.ndarray) -> bool:
        return v.ndim == 2 and "_ih_l" not in k and "_hh_l" not in k

    embedding = only("embedding, (V, D)", lambda k, v: plain(k, v) and v.shape == (len(words), n_inputs))
    read = only("readout weight, (C, N)", lambda k, v: plain(k, v) and v.shape[1] == n and v is not embedding)
    key = next(k for k, v in arrays.items() if v is read).replace("weight", "bias")
    w, offset = _binary(read.T, arrays.get(key, np.zeros(len(read), U.dtype)))
    n_state = n * CELLS[kind].blocks
    cell = Cell(kind, W.T, U.T, b, b_rec, np.zeros(n_state, U.dtype))
    return SentimentRNN(cell, embedding, words, _pad_rows(w, n_state), offset, name)


def _binary(w: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, Any]:
    """One logit from a readout (N, C) with one output or two; more classes as they are."""
    if w.shape[1] == 1:
        return w[:, 0], b[0]
    if w.shape[1] == 2:  # two softmax outputs are one logit
        return w[:, 1] - w[:, 0], b[1] - b[0]
    return w, b


def _pad_rows(w: np.ndarray, n: int) -> np.ndarray:
    """Zeros for the part of the state that is not read (an LSTM's cell)."""
    return np.concatenate([w, np.zeros((n - len(w), *w.shape[1:]), w.dtype)])


# --- a model as a folder -----------------------------------------------------------------------


def _config_digest(config: Mapping[str, Any]) -> str:
    body = {k: v for k, v in config.items() if k != "sha256_config"}
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _quantize(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows as int8 with a float32 scale each: a quarter of the space, an error under 0.4 % of the row's peak."""
    scale = np.maximum(np.abs(matrix).max(1), 1e-12).astype(np.float32) / 127
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


def save(model: SentimentRNN | BagOfWords, folder: str | os.PathLike[str], *, compact: bool = False) -> Path:
    """Write a model as a folder: config.json, vocabulary.txt, weights.npz, record.json.

    Written beside its place and moved there in one step: a reader sees the old model or the new one. A
    folder that holds anything but a model is left alone (``ModelFileError``).

    Parameters
    ----------
    compact : bool
        Store the embedding as int8 with a scale a row and the rest as float16 (for shipping); evaluate
        what :func:`load` then returns, not what was saved.
    """
    target = Path(folder)
    if target.exists() and not _is_model_folder(target):
        raise ModelFileError(f"{target} exists and is not a model folder: choose another place")
    config: dict[str, Any] = {"format": FORMAT, "version": FORMAT_VERSION, "name": model.name, "compact": compact}
    small = (lambda a: np.asarray(a, np.float16)) if compact else np.asarray
    if isinstance(model, SentimentRNN):
        cell = model.cell
        config |= {"model": "rnn", "cell": cell.kind, "n_units": cell.n_units, "n_inputs": cell.n_inputs}
        arrays = {k: small(getattr(cell, k)) for k in ("W", "U", "b", "b_rec", "h0")}
        arrays |= {"readout": small(model.w), "readout_b": np.asarray(model.b, np.float32)}
        if compact:
            arrays["embedding"], arrays["embedding_scale"] = _quantize(model.embedding)
        else:
            arrays["embedding"] = model.embedding
    elif isinstance(model, BagOfWords):
        config |= {"model": "bow"}
        arrays = {"beta": np.asarray(model.beta, np.float32), "b": np.asarray(model.b, np.float32)}
    else:  # a kind of LATER
        settings, arrays = model.to_arrays(compact)
        config |= {"model": model.kind, **settings}
    if model.counts is not None:
        arrays["counts"] = np.asarray(model.counts)
    config["arrays"] = {k: [str(v.dtype), list(v.shape)] for k, v in arrays.items()}

    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        (temporary / "vocabulary.txt").write_text("\n".join(model.vocabulary.words) + "\n", encoding="utf-8")
        np.savez_compressed(temporary / "weights.npz", **arrays)  # type: ignore[arg-type]
        (temporary / "record.json").write_text(json.dumps(model.record, indent=1, sort_keys=True) + "\n")
        names = ("vocabulary.txt", "weights.npz", "record.json")
        config["sha256"] = {n: digest(temporary / n) for n in names}
        config["sha256_config"] = _config_digest(config)
        (temporary / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        temporary.chmod(0o755)
        if target.exists():
            old = temporary.with_name(temporary.name + "-old")
            os.replace(target, old)
            os.replace(temporary, target)
            shutil.rmtree(old)
        else:
            os.replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def _is_model_folder(folder: Path) -> bool:
    if not folder.is_dir():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        return json.loads((folder / "config.json").read_text()).get("format") == FORMAT
    except (OSError, ValueError, AttributeError):
        return False


def load(folder: str | os.PathLike[str]) -> SentimentRNN | BagOfWords:
    """Read a model folder back, checking every file against its hash. Nothing is unpickled.

    Raises
    ------
    ModelFileError
        If the folder is missing, is not a model of this package, is of a newer format, or a file in it
        was changed or cut short.
    """
    source = Path(folder)
    if not (source / "config.json").is_file():
        what = "does not exist" if not source.exists() else "holds no config.json: it is not a model folder"
        raise ModelFileError(f"{source} {what}; `rnnrev zoo` lists the shipped networks")
    try:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        version, foreign = int(config["version"]), config["format"] != FORMAT
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFileError(f"{source}/config.json is not a model's: {error!r}") from error
    if foreign:
        raise ModelFileError(f"{source} is a {config['format']!r}, not a model of this package")
    if version > FORMAT_VERSION:
        raise ModelFileError(f"{source} has format {version}, this rnnrev reads up to {FORMAT_VERSION}: update it")
    if config.get("sha256_config") != _config_digest(config):
        raise ModelFileError(f"{source}/config.json was changed after it was saved: restore it or save the model again")
    for name, known in config["sha256"].items():
        file = source / name
        if not file.is_file():
            raise ModelFileError(f"{file} is missing: restore it or save the model again")
        if digest(file) != known:
            raise ModelFileError(f"{file} is damaged (its SHA-256 differs): restore it or save the model again")
    try:
        with np.load(source / "weights.npz", allow_pickle=False) as stored:
            arrays = {k: stored[k] for k in stored.files}
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise ModelFileError(f"{source}/weights.npz cannot be read: {error}") from error
    words = (source / "vocabulary.txt").read_text(encoding="utf-8").split("\n")[:-1]
    record = json.loads((source / "record.json").read_text(encoding="utf-8"))
    vocabulary, counts = Vocabulary(tuple(words)), arrays.get("counts")
    if config["model"] == "bow":
        return BagOfWords(arrays["beta"], float(arrays["b"]), vocabulary, config["name"], record, counts)
    if config["model"] in LATER:
        return importlib.import_module(LATER[config["model"]]).from_arrays(config, arrays, vocabulary, record)
    scale = arrays.get("embedding_scale")
    embedding = arrays["embedding"].astype(np.float32)
    if scale is not None:
        embedding *= scale[:, None]
    weights = {k: arrays[k].astype(np.float32) for k in ("W", "U", "b", "b_rec", "h0")}
    cell = Cell(config["cell"], **weights)
    return SentimentRNN(
        cell, embedding, vocabulary, arrays["readout"].astype(np.float32), arrays["readout_b"], config["name"],
        record, counts,
    )  # fmt: skip
