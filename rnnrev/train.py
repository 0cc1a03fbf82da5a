"""Training: one loop for networks and for bags of words, in Keras 3 on TensorFlow.

The loop over time is our own (:func:`scan`), because every cell is elementwise in (h, u, a), see :mod:`rnnrev.cells`:
``x W`` is one product before the loop, the gradient of U one after it, and a batch is cut into shards, one a core. With
bfloat16 products (state, gates and sums stay float32) it takes two thirds of the processor time of Keras' own layer.

The loop over epochs is our own (:func:`fit`), because ``keras.Model.fit`` cannot go on where it was killed: its early
stopping forgets the best epoch, and the order of the texts and the dropout masks would be drawn anew. Neither is faster
(``benchmarks/train.py``: 44,000 and 42,000 tokens a second of one processor, a GRU of 256 units).

Sources: LA19 and CP20 (supplement, training); word dropout, Iyyer et al. 2015; variational dropout on
embeddings, Gal & Ghahramani 2016.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from . import __version__
from .cells import CELLS, WEIGHTS, Cell, tensorflow_ops
from .config import FitConfig, TrainConfig
from .data import DataError, Reviews, Vocabulary, batches, load_reviews, pad, split_names, split_validation
from .files import digest, write_npz
from .model import BagOfWords, Classifier, SentimentRNN, evaluate, labels_of
from .stacks import WIDTH, initial_layers, joined, padded_readout
from .zoo import load, save

__all__ = ["train"]


_Model = TypeVar("_Model", bound=Classifier, covariant=True)
Curve = list[dict[str, float]]  #: one row an epoch
Step = Callable[..., tuple[tf.Tensor, tf.Tensor]]  #: of token numbers, lengths, labels, seed: loss and accuracy

# --- the loop over time -----------------------------------------------------------------------


def scan(
    kind: str, h0: tf.Tensor, u: tf.Tensor, U: tf.Tensor, b_rec: tf.Tensor, low: tf.DType = tf.float32,
    noise: tf.Tensor | None = None,
) -> tf.Tensor:  # fmt: skip
    """All states (T, B, S) of a cell over projected inputs ``u`` (T, B, G·N), with a hand-made gradient.

    ``h0`` is (B, S), ``U`` (N, G·N), ``b_rec`` (G·N,); ``low`` is the type of the matrix products, all else float32.
    ``noise`` (T, B, S) is added to the states.
    """
    spec, ops = CELLS[kind], tensorflow_ops()
    n, width, n_state = U.shape[0], U.shape[1], h0.shape[-1]

    def product(x: tf.Tensor, y: tf.Tensor, **options: bool) -> tf.Tensor:
        return tf.cast(tf.matmul(tf.cast(x, low), tf.cast(y, low), **options), tf.float32)

    def pullback(h: tf.Tensor, u: tf.Tensor, a: tf.Tensor, g: tf.Tensor) -> tuple[tf.Tensor, ...]:
        g_blocks = tf.split(g, spec.blocks, -1)

        def back(rows: list[list[tf.Tensor | None]]) -> tf.Tensor:
            terms = [[d * gi for d, gi in zip(column, g_blocks) if d is not None] for column in zip(*rows)]
            return tf.concat([tf.add_n(t) if t else tf.zeros_like(g_blocks[0]) for t in terms], -1)

        return tuple(map(back, spec.partials(ops, h, u, a)))

    @tf.custom_gradient
    def run(h0: tf.Tensor, u: tf.Tensor, U: tf.Tensor, b_rec: tf.Tensor) -> tf.Tensor:
        steps = tf.shape(u)[0]
        low_U = tf.cast(U, low)

        def array(size: int, dtype: tf.DType = tf.float32) -> tf.TensorArray:
            return tf.TensorArray(dtype, steps, clear_after_read=False, element_shape=(None, size))

        inputs = array(width).unstack(u)
        added = None if noise is None else array(n_state).unstack(noise)

        def forward(
            t: tf.Tensor, h: tf.Tensor, states: tf.TensorArray, recurrent: tf.TensorArray
        ) -> tuple[tf.Tensor, ...]:
            a = product(h[:, :n], low_U) + b_rec
            h = spec.combine(ops, h, inputs.read(t), a)
            h = h if added is None else h + added.read(t)
            return t + 1, h, states.write(t, h), recurrent.write(t, a)

        start = (tf.constant(0), h0, array(n_state), array(width))
        _, _, states, recurrent = tf.while_loop(lambda t, *_: t < steps, forward, start)
        all_states = states.stack()

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, ...]:
            from_above = array(n_state).unstack(upstream)
            back_U = tf.transpose(low_U)

            def backward(t: tf.Tensor, g: tf.Tensor, g_u: tf.TensorArray, g_a: tf.TensorArray) -> tuple[tf.Tensor, ...]:
                before = tf.cond(t > 0, lambda: states.read(t - 1), lambda: h0)
                before = tf.ensure_shape(before, (None, n_state))
                g, du, da = pullback(before, inputs.read(t), recurrent.read(t), g + from_above.read(t))
                da = tf.cast(da, low)
                through = product(da, back_U)
                if n_state > n:
                    through = tf.pad(through, [[0, 0], [0, n_state - n]])
                return t - 1, g + through, g_u.write(t, du), g_a.write(t, da)

            start = (steps - 1, tf.zeros_like(h0), array(width), array(width, low))
            _, g_h0, g_u, g_a = tf.while_loop(lambda t, *_: t >= 0, backward, start)
            g_a = tf.reshape(g_a.stack(), (-1, width))
            before = tf.concat([h0[None, :, :n], all_states[:-1, :, :n]], 0)
            g_U = product(tf.reshape(before, (-1, n)), g_a, transpose_a=True)
            return g_h0, g_u.stack(), g_U, product(tf.ones((1, tf.shape(g_a)[0])), g_a)[0]

        return all_states, gradient

    return run(h0, u, U, b_rec)


class Recurrent(keras.layers.Layer):
    """A cell of the book as a Keras layer: embedded tokens (B, T, D) and lengths (B,) in, last states (B, S) out.

    The initial state ``h0`` is a weight like the others.
    """

    def __init__(self, cell: Cell, precision: str) -> None:
        super().__init__()
        self.kind, self.low = cell.kind, tf.bfloat16 if precision == "mixed" else tf.float32
        self.shards = min(os.cpu_count() or 1, 4)
        self.W, self.U, self.b, self.b_rec, self.h0 = (weight(self, k, getattr(cell, k)) for k in WEIGHTS)
        self.U.trainable = CELLS[cell.kind].sees_state
        self.built = True

    def states(self, x: tf.Tensor, noise: tf.Tensor | None = None) -> tf.Tensor:
        """Every state, time first, with ``noise`` (T, B, S) added: (B, T, D) -> (T, B, S)."""
        W = tf.cast(self.W, self.low)
        rows, steps = tf.shape(x)[0], tf.shape(x)[1]
        size = -(-rows // self.shards)
        U, b_rec, h0 = (tf.convert_to_tensor(v) for v in (self.U, self.b_rec, self.h0))
        parts = []
        for i in range(self.shards):
            part = x[i * size : (i + 1) * size]
            flat = tf.reshape(tf.transpose(part, (1, 0, 2)), (-1, x.shape[-1]))
            u = tf.cast(tf.matmul(tf.cast(flat, self.low), W), tf.float32) + self.b
            u = tf.reshape(u, (steps, tf.shape(part)[0], self.U.shape[1]))
            begin = tf.tile(h0[None], (tf.shape(part)[0], 1))
            own = None if noise is None else noise[:, i * size : (i + 1) * size]
            parts.append(scan(self.kind, begin, u, U, b_rec, self.low, own))
        return tf.concat(parts, 1)

    def read(self, x: tf.Tensor) -> tf.Tensor:
        """What the next layer reads: (B, T, D) -> (B, T, N)."""
        return tf.transpose(self.states(x), (1, 0, 2))[..., : self.U.shape[0]]

    def call(self, x: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
        where = tf.stack([lengths - 1, tf.range(tf.shape(x)[0])], 1)
        return tf.gather_nd(self.states(x), where)

    def cell(self) -> Cell:
        """The weights as they are now."""
        return Cell(self.kind, *(np.asarray(getattr(self, k)) for k in WEIGHTS))


def weight(layer: keras.layers.Layer, name: str, value: np.ndarray) -> keras.Variable:
    """A trainable weight of a Keras layer or model that starts with this value."""
    return layer.add_weight(shape=value.shape, name=name, initializer=lambda *_, **__: np.asarray(value, np.float32))


class Convolution(keras.layers.Layer):
    """A causal convolution of each entry by itself, (B, T, D); ``kernel`` as in :func:`rnnrev.stacks.joined`."""

    def __init__(self, kernel: np.ndarray) -> None:
        super().__init__()
        self.kernel = weight(self, "kernel", kernel)
        self.built = True

    def call(self, x: tf.Tensor) -> tf.Tensor:
        past = tf.pad(x, [[0, 0], [WIDTH - 1, 0], [0, 0]])
        steps, kernel = tf.shape(x)[1], tf.convert_to_tensor(self.kernel)
        return tf.add_n([kernel[j] * past[:, WIDTH - 1 - j : WIDTH - 1 - j + steps] for j in range(WIDTH)])


class Network(keras.Model):
    """Embedding, dropout, the layers of the cell (:class:`Recurrent`, :class:`Convolution`), dropout, readout."""

    def __init__(self, config: TrainConfig, n_words: int, n_classes: int, vectors: np.ndarray | None) -> None:
        super().__init__()
        rng = np.random.default_rng([config.seed, 13])
        vectors = rng.normal(0, 0.1, (n_words, config.n_inputs)) if vectors is None else vectors
        self.config, self.outputs_ = config, 1 if n_classes == 2 else n_classes
        self.embedding = weight(self, "embedding", vectors)
        self.stack: list[Recurrent | Convolution] = []
        for layer in initial_layers(config.cell, config.n_inputs, config.n_units, config.seed):
            if isinstance(layer, Cell):
                cell = layer if config.pretrained == "none" else _load_cell(config.pretrained, layer)
                self.stack.append(Recurrent(cell, config.precision))
            else:
                self.stack.append(Convolution(layer))
        limit = np.sqrt(6 / (config.n_units + self.outputs_))
        self.w = weight(self, "w", rng.uniform(-limit, limit, (config.n_units, self.outputs_)))
        self.bias = weight(self, "bias", np.zeros(self.outputs_))
        self.built = True

    def logits(self, ids: tf.Tensor, lengths: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Training logits (B, C'), C' = 1 for two classes; ``seed`` (2,) decides the dropout masks."""
        c = self.config
        rows = tf.shape(ids)[0]
        x = tf.gather(tf.convert_to_tensor(self.embedding), ids)
        keep_word = tf.cast(tf.random.stateless_uniform(tf.shape(ids), seed) >= c.word_dropout, tf.float32)
        mask = _dropout_mask((rows, c.n_inputs), c.embedding_dropout, seed + [0, 1])
        x = x * keep_word[..., None] * mask[:, None]
        for layer in self.stack[:-1]:
            x = layer.read(x) if isinstance(layer, Recurrent) else layer(x)
        h = self.stack[-1](x, lengths)[:, : c.n_units]
        h *= _dropout_mask((rows, c.n_units), c.state_dropout, seed + [0, 2])
        return tf.matmul(h, tf.convert_to_tensor(self.w)) + self.bias

    def penalty(self) -> float:
        return 0.0

    def to_model(self, vocabulary: Vocabulary, name: str) -> SentimentRNN:
        cell = joined(
            [layer.cell() if isinstance(layer, Recurrent) else np.asarray(layer.kernel) for layer in self.stack]
        )
        w, b = padded_readout(cell, np.asarray(self.w)), np.asarray(self.bias)
        if self.outputs_ == 1:
            w, b = w[:, 0], b[0]
        return SentimentRNN(cell, np.asarray(self.embedding), vocabulary, w, b, name)


class Bag(keras.Model):
    """logit = Σ_t β[w_t] + b; with word vectors E (V, D), β = E a, and both E and a are learned."""

    def __init__(self, config: TrainConfig, n_words: int, vectors: np.ndarray | None = None) -> None:
        super().__init__()
        self.config = config
        self.vectors = None if vectors is None else weight(self, "vectors", vectors)
        size = n_words if vectors is None else vectors.shape[1]
        self.readout, self.bias = weight(self, "readout", np.zeros(size)), weight(self, "bias", np.zeros(1))
        self.built = True

    def beta(self) -> tf.Tensor:
        """Valences, (V,)."""
        readout = tf.convert_to_tensor(self.readout)
        return readout if self.vectors is None else tf.linalg.matvec(tf.convert_to_tensor(self.vectors), readout)

    def logits(self, ids: tf.Tensor, lengths: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        kept = tf.sequence_mask(lengths, tf.shape(ids)[1])
        kept &= tf.random.stateless_uniform(tf.shape(ids), seed) >= self.config.word_dropout
        valence = tf.gather(self.beta(), ids) * tf.cast(kept, tf.float32)
        return tf.reduce_sum(valence, 1, keepdims=True) + self.bias

    def penalty(self) -> tf.Tensor:
        return self.config.beta_l2 * tf.reduce_sum(tf.square(self.beta()))

    def to_model(self, vocabulary: Vocabulary, name: str) -> BagOfWords:
        return BagOfWords(np.asarray(self.beta()), float(np.asarray(self.bias)[0]), vocabulary, name)


def _dropout_mask(shape: Sequence[int | tf.Tensor], rate: float, seed: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.random.stateless_uniform(shape, seed) >= rate, tf.float32) / (1 - rate)


def _loss(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Mean cross-entropy in nats; labels are class numbers, or probabilities of positive, as float32."""
    if logits.shape[-1] == 1:
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels[:, None], logits))
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(labels, tf.int32), logits))


# --- the loop over epochs ---------------------------------------------------------------------


class Trainee(Protocol[_Model]):
    """What :func:`fit` trains."""

    trainable_variables: list[keras.Variable]

    def logits(self, ids: tf.Tensor, lengths: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Training logits (B, C'), C' = 1 for two classes, of token numbers (B, T); ``seed`` (2,) for dropout."""

    def penalty(self) -> float | tf.Tensor:
        """What the loss has beside the cross-entropy."""

    def to_model(self, vocabulary: Vocabulary, name: str) -> _Model:
        """What is trained, as it is now, for analysis."""


def fit(
    network: Trainee[Classifier], ids: Sequence[np.ndarray], labels: np.ndarray, config: FitConfig,
    validate: Callable[[], float], *, checkpoint: Path | None = None, key: str = "", resume: bool = False,
    progress: bool = True,
) -> Curve:  # fmt: skip
    """Train until the epochs are over or nothing gets better, and leave the weights of the best epoch.

    Texts ``ids`` are n arrays of token numbers, ``labels`` (n,) float32 class numbers, or probabilities of positive.
    ``validate`` gives the accuracy of the network as it is on texts that it does not learn from, NaN where there are
    none. A ``checkpoint`` is written after each epoch, ``key`` says what it must be of; with ``resume`` training goes
    on from it, and the result equals that of the run that was not interrupted.

    Returns one row an epoch: loss_nats, accuracy, tokens_per_second, seconds, validation_accuracy. ``ValueError`` for a
    loss that is not finite, or a checkpoint of another run.
    """
    variables = network.trainable_variables
    steps = config.epochs * -(-len(ids) // config.batch_size)
    optimizer = adam(variables, steps, config.learning_rate, config.clip_norm)
    step = _compiled_step(network, optimizer)
    curve: Curve = []
    best = [np.array(v) for v in variables]
    if resume and checkpoint is not None and checkpoint.exists():
        curve, best = _restore(checkpoint, key, [*variables, *optimizer.variables])
    while len(curve) < config.epochs and len(curve) - best_epoch(curve) < config.patience:
        curve.append(_epoch(step, ids, labels, config, len(curve), progress) | {"validation_accuracy": validate()})
        if progress:
            tqdm.write(f"epoch {len(curve)}: " + ", ".join(f"{k} {v:.4g}" for k, v in curve[-1].items()))
        if best_epoch(curve) == len(curve):
            best = [np.array(v) for v in variables]
        if checkpoint is not None:
            values = [np.asarray(v) for v in (*variables, *optimizer.variables, *best)]
            meta = json.dumps({"key": key, "curve": curve})
            write_npz(checkpoint, {"meta": meta} | {str(i): v for i, v in enumerate(values)})
    for variable, value in zip(variables, best):
        variable.assign(value)
    return curve


def best_epoch(curve: Curve) -> int:
    """The epoch, counted from 1, with the best validation accuracy; the last one where nothing is held out."""
    accuracy = [row["validation_accuracy"] for row in curve]
    return len(curve) if np.isnan(accuracy).all() else int(np.nanargmax(accuracy)) + 1


def _restore(file: Path, key: str, variables: Sequence[keras.Variable]) -> tuple[Curve, list[np.ndarray]]:
    with np.load(file, allow_pickle=False) as stored:
        meta = json.loads(str(stored["meta"]))
        if meta["key"] != key:
            raise ValueError(f"{file} is of another configuration or other data: delete it, or run without resume")
        values = [stored[str(i)] for i in range(len(stored.files) - 1)]
    for variable, value in zip(variables, values):
        variable.assign(value)
    return meta["curve"], values[len(variables) :]


def adam(
    variables: Sequence[keras.Variable], steps: int, learning_rate: float, clip_norm: float, *, warm_up: int = 0
) -> keras.optimizers.Optimizer:
    """Adam with clipped gradients, its rate falling along a cosine to 2 % over ``steps``, the ``warm_up`` before it."""
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0 if warm_up else learning_rate, steps - warm_up, alpha=0.02,
        warmup_target=learning_rate if warm_up else None, warmup_steps=warm_up,
    )  # fmt: skip
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=clip_norm)
    optimizer.build(variables)
    return optimizer


def update(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable], tape: tf.GradientTape, loss: tf.Tensor
) -> None:
    """One step down the gradient of ``loss``, recorded on ``tape``; gradients of embeddings become dense."""
    gradients = tape.gradient(loss, [v.value for v in variables])
    optimizer.apply([tf.convert_to_tensor(g) for g in gradients], variables)


def _compiled_step(network: Trainee[Classifier], optimizer: keras.optimizers.Optimizer) -> Step:
    signature = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32),
                 tf.TensorSpec((None,), tf.float32), tf.TensorSpec((2,), tf.int32)]  # fmt: skip

    @tf.function(input_signature=signature)
    def step(ids: tf.Tensor, lengths: tf.Tensor, labels: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = network.logits(ids, lengths, seed)
            loss = _loss(logits, labels)
            total = loss + network.penalty()
        update(optimizer, network.trainable_variables, tape, total)
        guess = tf.cast(logits[:, 0] > 0, tf.int32) if logits.shape[-1] == 1 else tf.argmax(logits, -1, tf.int32)
        return loss, tf.reduce_mean(tf.cast(guess == tf.cast(tf.round(labels), tf.int32), tf.float32))

    return step


def _epoch(
    step: Step, ids: Sequence[np.ndarray], labels: np.ndarray, config: FitConfig, epoch: int, progress: bool
) -> dict[str, float]:
    rng = np.random.default_rng([config.seed, 5, epoch])
    cropped = [_crop(i, config.max_tokens, rng) for i in ids]
    lengths = np.array([len(i) for i in cropped])
    order = batches(lengths, config.batch_size, seed=config.seed * 1000 + epoch)
    started, seen, sums = time.time(), 0, np.zeros(2)
    with tqdm(
        total=int(lengths.sum()), unit="token", unit_scale=True, disable=not progress, desc=f"epoch {epoch + 1}"
    ) as bar:
        for number, which in enumerate(order):
            padded, n = pad([cropped[i] for i in which])
            seed = np.array([config.seed, 16 * (epoch * len(order) + number)], np.int32)
            loss, right = (float(v) for v in step(padded, n, labels[which], seed))
            if not np.isfinite(loss):
                raise ValueError(f"the loss became {loss} in epoch {epoch + 1}: lower learning_rate or clip_norm")
            seen, sums = seen + len(n), sums + len(n) * np.array([loss, right])
            bar.set_postfix_str(f"loss {sums[0] / seen:.3f}, accuracy {sums[1] / seen:.3f}", refresh=False)
            bar.update(int(n.sum()))
    seconds = time.time() - started
    return {
        "loss_nats": float(sums[0] / seen), "accuracy": float(sums[1] / seen),
        "tokens_per_second": float(lengths.sum() / seconds), "seconds": seconds,
    }  # fmt: skip


def _crop(ids: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random window of a long text: reviewers sum up at the beginning and at the end, so both are kept in reach."""
    if not size or len(ids) <= size:
        return ids
    last = len(ids) - size
    start = (0, last, int(rng.integers(last + 1)))[rng.integers(3)]
    return ids[start : start + size]


# --- what training starts from ------------------------------------------------------------------


def load_vectors(file: str | os.PathLike[str], vocabulary: Vocabulary, size: int | None = None) -> np.ndarray:
    """Rows (V, D) of a .npz with ``words`` and ``vectors`` for this vocabulary; words it lacks start small.

    ``ValueError`` if the vectors have another length than the ``size`` that is given.
    """
    with np.load(file, allow_pickle=False) as stored:
        known = {w: i for i, w in enumerate(stored["words"].tolist())}
        vectors = stored["vectors"]
    if size not in (None, vectors.shape[1]):
        raise ValueError(f"{file} holds vectors of {vectors.shape[1]} numbers, but n_inputs is {size}: set n_inputs")
    out = np.random.default_rng(19).normal(0, 0.1, (len(vocabulary), vectors.shape[1])).astype(np.float32)
    shared = [w for w in vocabulary.words if w in known]
    out[vocabulary.numbers(shared)] = vectors[[known[w] for w in shared]]
    return out


def _load_cell(file: str, like: Cell) -> Cell:
    """The cell in a file of ``scripts/pretrain.py``, of the kind and size of ``like``."""
    with np.load(file, allow_pickle=False) as stored:
        kind = str(stored["cell"]) if "cell" in stored.files else None
        if kind != like.kind or stored["U"].shape != like.U.shape or stored["W"].shape != like.W.shape:
            what = "no cell" if kind is None else f"a {kind} of U {stored['U'].shape}, W {stored['W'].shape}"
            raise ValueError(f"{file} holds {what}; wanted is a {like.kind} of U {like.U.shape}, W {like.W.shape}")
        return Cell(kind, *(stored[k] for k in WEIGHTS))


def load_soft_labels(file: str | os.PathLike[str]) -> tuple[Reviews, np.ndarray]:
    """Texts and P(positive) from a file of ``scripts/label.py``; the texts are loaded again and compared."""
    with np.load(file, allow_pickle=False) as stored:
        reviews = load_reviews(str(stored["data"]), str(stored["split"]))
        if reviews.fingerprint != str(stored["sha256"]):
            raise ValueError(f"{file} was made for other texts than {reviews!r}: make it again with scripts/label.py")
        return reviews, stored["probability"]


def _inputs(config: FitConfig) -> dict[str, dict[str, object]]:
    """The files that training starts from: the hash of each, and how well a pre-trained cell knew the next word."""
    files = {k: getattr(config, k, "none") for k in ("vectors", "pretrained", "soft_labels")}
    inputs: dict[str, dict[str, object]] = {k: {"sha256": digest(file)} for k, file in files.items() if file != "none"}
    if "pretrained" in inputs:
        with np.load(files["pretrained"], allow_pickle=False) as stored:
            inputs["pretrained"]["nats_per_word"] = stored["nats_per_word"].tolist()
    return inputs


# --- the training run --------------------------------------------------------------------------


def two_classes(n_classes: int) -> None:
    """``ValueError`` where labels are of more."""
    if n_classes > 2:
        raise ValueError(f"a bag of words and soft labels are for two classes, the labels go up to {n_classes - 1}")


def train(
    config: TrainConfig, out: str | os.PathLike[str] | None = None, *, reviews: Reviews | None = None,
    test: Reviews | None = None, resume: bool = False, compact: bool = False, progress: bool = True,
) -> SentimentRNN | BagOfWords:  # fmt: skip
    """Train a network or a bag of words, stop early on reviews that are held out, and evaluate it.

    Held out are the data set's validation split if it has one, or a share of its training reviews. Reviews labelled −1
    are left out. The model's ``record`` has data fingerprints, command, versions, curves and test scores. ``DataError``
    for reviews that are for evaluation only; ``ValueError`` for labels of one class only, or of more than two for a bag
    of words, and what :func:`fit` raises.

    Parameters
    ----------
    out : path, optional
        Model file to write; a checkpoint lies beside it (``OUT.checkpoint.npz``) until the run is done, from which
        ``resume`` goes on. ``compact`` ships the weights small (:func:`rnnrev.zoo.save`): the record is of these.
    reviews, test : Reviews, optional
        Instead of ``config.data``'s training and test splits. Without ``test``, reviews of your own are not tested.
    """
    validation = None
    if reviews is None:
        reviews, splits = load_reviews(config.data, "train"), split_names(config.data)
        validation = load_reviews(config.data, "validation") if "validation" in splits else None
        test = load_reviews(config.data, "test") if test is None and "test" in splits else test

    def make(vocabulary: Vocabulary, n_classes: int) -> Trainee[SentimentRNN | BagOfWords]:
        file = next((f for f in (config.pretrained, config.vectors) if f != "none"), None)
        vectors = None if file is None else load_vectors(file, vocabulary, config.n_inputs)
        if config.cell != "bow":
            return Network(config, len(vocabulary), n_classes, vectors)
        two_classes(n_classes)
        return Bag(config, len(vocabulary), vectors)

    return learn(
        config, config.cell, make, reviews, validation=validation, test=test, out=out, resume=resume, compact=compact,
        progress=progress,
    )  # fmt: skip


def learn(
    config: FitConfig, kind: str, make: Callable[[Vocabulary, int], Trainee[_Model]], reviews: Reviews, *,
    validation: Reviews | None = None, test: Reviews | None = None, out: str | os.PathLike[str] | None = None,
    resume: bool = False, compact: bool = False, progress: bool = True,
) -> _Model:  # fmt: skip
    """The run of :func:`train`: ``make`` gives what is trained, of a vocabulary and a number of classes."""
    started = time.time()
    keras.utils.set_random_seed(config.seed)
    extra = [load_reviews(name, "train") for name in config.extra]
    for part in (reviews, *extra):
        if part.evaluation_only:
            raise DataError(f"{part!r} is for evaluation only: train on other reviews")
    reviews, *extra = (part.take(part.labels >= 0) for part in (reviews, *extra))
    # all training reviews, so that every seed and cell knows the same words
    vocabulary = Vocabulary.fit(reviews.texts, config.vocabulary_size)
    if config.balance:
        reviews, *extra = (part.balanced(config.seed) for part in (reviews, *extra))
    learnt = reviews
    if validation is None:
        held = split_validation(len(reviews), config.validation_share, config.seed)
        learnt, validation = reviews.take(~held), reviews.take(held)
    labels = np.concatenate([part.labels for part in (learnt, *extra)]).astype(np.float32)
    if len(np.unique(labels)) < 2:
        raise ValueError(f"training needs labels 0..C-1 of at least two classes, found {np.unique(labels).tolist()}")
    n_classes = int(labels.max()) + 1
    if config.soft_labels != "none":
        two_classes(n_classes)
        taught, targets = load_soft_labels(config.soft_labels)
        extra.append(taught)
        labels = np.concatenate([labels, targets])
    ids = vocabulary.encode_all(t for part in (learnt, *extra) for t in part.texts)
    val_ids = vocabulary.encode_all(validation.texts)

    network = make(vocabulary, n_classes)
    name = f"{kind}-{reviews.name}" if out is None else Path(out).name.removesuffix(".safetensors")

    def validate() -> float:
        guess = labels_of(network.to_model(vocabulary, name).logits_of(val_ids))
        return float(np.mean(guess == validation.labels)) if val_ids else float("nan")

    checkpoint = None if out is None else Path(f"{os.fspath(out)}.checkpoint.npz")
    key = json.dumps([dataclasses.asdict(config), learnt.fingerprint], sort_keys=True)
    curve = fit(
        network, ids, labels, config, validate, checkpoint=checkpoint, key=key, resume=resume, progress=progress
    )
    counts = np.bincount(np.concatenate(ids), minlength=len(vocabulary)).astype(np.uint32)
    model = dataclasses.replace(network.to_model(vocabulary, name), counts=counts)  # type: ignore[type-var]
    if out is not None:
        model = load(save(model, out, compact=compact), type(model))  # what is shipped is what is evaluated
    record = {
        "config": dataclasses.asdict(config),
        "command": " ".join(["rnnrev", *sys.argv[1:]]) if sys.argv[0].endswith(("rnnrev", "__main__.py")) else None,
        "data": [r.about for r in (reviews, *extra)],
        "inputs": _inputs(config),
        "training_texts": len(ids),
        "training_tokens": int(counts.sum()),
        "curve": curve,
        "best_epoch": best_epoch(curve),
        "validation": evaluate(model, validation, val_ids) if val_ids else None,
        "test": evaluate(model, test) if test is not None else None,
        "seconds": round(time.time() - started, 1),
        "versions": {
            "rnnrev": __version__, "python": platform.python_version(), "tensorflow": tf.__version__,
            "keras": keras.__version__, "numpy": np.__version__, "cores": os.cpu_count(),
        },
    }  # fmt: skip
    model = dataclasses.replace(model, record=record)  # type: ignore[type-var]
    if out is not None:
        save(model, out, compact=compact)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return model
