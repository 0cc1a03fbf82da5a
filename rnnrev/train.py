"""Training: Keras 3 on TensorFlow, one loop for the networks and for the bag of words.

The loop over time is our own (:func:`scan`), because every cell is elementwise in (h, u, a), see
:mod:`rnnrev.cells`: ``x W`` is one product before the loop, the gradient of U one product after it, and
a batch is cut into as many shards as there are cores, which run side by side. With bfloat16 products
(state, gates and sums stay float32) it is about twice as fast as Keras' own layer on two cores.

Sources: LA19 and CP20 (supplement, training); word2vec, Mikolov et al. 2013; word dropout, Iyyer et al.
2015; variational dropout on embeddings, Gal & Ghahramani 2016.
"""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm

from . import __version__
from .cells import CELLS, Cell, initial_weights, tensorflow_ops
from .config import TrainConfig
from .data import Reviews, Vocabulary, batches, load_reviews, pad, split_validation, unlabelled_texts
from .files import digest, write_npz
from .model import BagOfWords, SentimentRNN, evaluate
from .zoo import load, save

__all__ = ["Recurrent", "TrainConfig", "scan", "train", "word_vectors"]


# --- the loop over time -----------------------------------------------------------------------


def scan(kind: str, h0: Any, u: Any, U: Any, b_rec: Any, low: Any = tf.float32) -> Any:
    """All states of a cell over projected inputs, with a hand-made gradient.

    Parameters
    ----------
    kind : str
        A key of :data:`rnnrev.cells.CELLS`.
    h0 : tensor, (B, S)
    u : tensor, (T, B, G·N)
        Time first.
    U, b_rec : tensors, (N, G·N) and (G·N,)
    low : dtype
        Type of the matrix products; everything else is float32.

    Returns
    -------
    tensor, (T, B, S)
    """
    spec, ops = CELLS[kind], tensorflow_ops()
    n, width, n_state = U.shape[0], U.shape[1], h0.shape[-1]

    def down(x: Any) -> Any:
        return tf.cast(x, low)

    def up(x: Any) -> Any:
        return tf.cast(x, tf.float32)

    def pullback(h: Any, u: Any, a: Any, g: Any) -> tuple[Any, Any, Any]:
        d_h, d_u, d_a = spec.partials(ops, h, u, a)
        g_blocks = tf.split(g, spec.blocks, -1)

        def total(column: Sequence[Any]) -> Any:
            terms = [d * gi for d, gi in zip(column, g_blocks) if d is not None]
            return tf.add_n(terms) if terms else tf.zeros_like(g_blocks[0])

        back_h = tf.concat([total([row[j] for row in d_h]) for j in range(spec.blocks)], -1)
        gates = range(len(spec.gates))
        parts_u = [total([row[i] for row in d_u]) for i in gates]
        parts_a = [
            parts_u[i] if all(ru[i] is ra[i] for ru, ra in zip(d_u, d_a)) else total([row[i] for row in d_a])
            for i in gates
        ]
        return back_h, tf.concat(parts_u, -1), tf.concat(parts_a, -1)

    @tf.custom_gradient
    def run(h0: Any, u: Any, U: Any, b_rec: Any) -> Any:
        steps = tf.shape(u)[0]
        low_U = down(U)

        def array(size: int, dtype: Any = tf.float32) -> Any:
            return tf.TensorArray(dtype, steps, clear_after_read=False, element_shape=(None, size))

        inputs = array(width).unstack(u)

        def forward(t: Any, h: Any, states: Any, recurrent: Any) -> tuple[Any, ...]:
            a = up(tf.matmul(down(h[:, :n]), low_U)) + b_rec
            h = spec.combine(ops, h, inputs.read(t), a)
            return t + 1, h, states.write(t, h), recurrent.write(t, a)

        start = (tf.constant(0), h0, array(n_state), array(width))
        _, _, states, recurrent = tf.while_loop(lambda t, *_: t < steps, forward, start)
        all_states = states.stack()

        def gradient(upstream: Any) -> tuple[Any, Any, Any, Any]:
            from_above = array(n_state).unstack(upstream)
            back_U = tf.transpose(low_U)

            def backward(t: Any, g: Any, g_u: Any, g_a: Any) -> tuple[Any, ...]:
                before = tf.cond(t > 0, lambda: states.read(t - 1), lambda: h0)
                before = tf.ensure_shape(before, (None, n_state))
                g, du, da = pullback(before, inputs.read(t), recurrent.read(t), g + from_above.read(t))
                da = down(da)
                through = up(tf.matmul(da, back_U))
                if n_state > n:
                    through = tf.pad(through, [[0, 0], [0, n_state - n]])
                return t - 1, g + through, g_u.write(t, du), g_a.write(t, da)

            start = (steps - 1, tf.zeros_like(h0), array(width), array(width, low))
            _, g_h0, g_u, g_a = tf.while_loop(lambda t, *_: t >= 0, backward, start)
            g_a = tf.reshape(g_a.stack(), (-1, width))
            before = tf.concat([h0[None, :, :n], all_states[:-1, :, :n]], 0)
            g_U = up(tf.matmul(down(tf.reshape(before, (-1, n))), g_a, transpose_a=True))
            ones = tf.ones((1, tf.shape(g_a)[0]), low)
            return g_h0, g_u.stack(), g_U, up(tf.matmul(ones, g_a))[0]

        return all_states, gradient

    return run(h0, u, U, b_rec)


class Recurrent(keras.layers.Layer):
    """A cell of the book as a Keras layer: embedded tokens and lengths in, last states out.

    ``call(x, lengths)`` takes (B, T, D) and (B,) and returns (B, S), the state after each text's last
    token. The initial state ``h0`` is a weight like the others.
    """

    def __init__(self, cell: Cell, precision: str = "mixed", shards: int | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.kind, self.low = cell.kind, tf.bfloat16 if precision == "mixed" else tf.float32
        self.shards = shards or min(os.cpu_count() or 1, 4)
        for name in ("W", "U", "b", "b_rec", "h0"):
            value = getattr(cell, name)
            setattr(self, name, self.add_weight(shape=value.shape, name=name, initializer=given(value)))
        self.built = True

    def states(self, x: Any) -> Any:
        """Every state, time first: (B, T, D) -> (T, B, S)."""
        W = tf.cast(self.W, self.low)
        rows, steps = tf.shape(x)[0], tf.shape(x)[1]
        # cut into shards, one a core: each small product then runs on one core, side by side
        size = -(-rows // self.shards)
        parts = []
        for i in range(self.shards):
            part = x[i * size : (i + 1) * size]
            flat = tf.reshape(tf.transpose(part, (1, 0, 2)), (-1, x.shape[-1]))
            u = tf.cast(tf.matmul(tf.cast(flat, self.low), W), tf.float32) + self.b
            u = tf.reshape(u, (steps, tf.shape(part)[0], self.U.shape[1]))
            h0 = tf.tile(tf.convert_to_tensor(self.h0)[None], (tf.shape(part)[0], 1))
            parts.append(
                scan(self.kind, h0, u, tf.convert_to_tensor(self.U), tf.convert_to_tensor(self.b_rec), self.low)
            )
        return tf.concat(parts, 1)

    def call(self, x: Any, lengths: Any) -> Any:
        where = tf.stack([lengths - 1, tf.range(tf.shape(x)[0])], 1)
        return tf.gather_nd(self.states(x), where)

    def cell(self) -> Cell:
        """The weights as they are now, as a NumPy cell."""
        return Cell(self.kind, *(np.asarray(getattr(self, k)) for k in ("W", "U", "b", "b_rec", "h0")))


def given(value: Any) -> Callable[..., Any]:
    """A Keras initializer that sets this value."""
    return lambda shape, dtype=None: tf.convert_to_tensor(np.asarray(value, np.float32).reshape(shape))


class _Network(keras.Model):
    """Embedding, dropout, :class:`Recurrent`, dropout, readout."""

    def __init__(self, config: TrainConfig, n_words: int, n_classes: int, vectors: np.ndarray | None) -> None:
        super().__init__()
        rng = np.random.default_rng([config.seed, 13])
        if vectors is None:
            vectors = rng.normal(0, 0.1, (n_words, config.n_inputs))
        self.config, self.outputs_ = config, 1 if n_classes == 2 else n_classes
        self.embedding = self.add_weight(shape=vectors.shape, name="embedding", initializer=given(vectors))
        cell = initial_weights(config.cell, config.n_inputs, config.n_units, config.seed)
        if config.pretrained != "none":
            cell = _load_cell(config.pretrained, cell)
        self.recurrent = Recurrent(cell, config.precision)
        limit = np.sqrt(6 / (config.n_units + self.outputs_))
        w = rng.uniform(-limit, limit, (config.n_units, self.outputs_))
        self.w = self.add_weight(shape=w.shape, name="w", initializer=given(w))
        self.bias = self.add_weight(shape=(self.outputs_,), name="bias", initializer="zeros")
        self.built = True

    def logits(self, ids: Any, lengths: Any, seed: Any) -> Any:
        """Training logits (B, C'), C' = 1 for two classes; ``seed`` (2,) decides the dropout masks."""
        c = self.config
        rows = tf.shape(ids)[0]
        x = tf.gather(tf.convert_to_tensor(self.embedding), ids)
        keep_word = tf.cast(tf.random.stateless_uniform(tf.shape(ids), seed) >= c.word_dropout, tf.float32)
        mask = _dropout_mask((rows, c.n_inputs), c.embedding_dropout, seed + [0, 1])
        h = self.recurrent(x * keep_word[..., None] * mask[:, None], lengths)[:, : c.n_units]
        h *= _dropout_mask((rows, c.n_units), c.state_dropout, seed + [0, 2])
        return tf.matmul(h, tf.convert_to_tensor(self.w)) + self.bias

    def penalty(self) -> Any:
        return 0.0

    def to_model(self, vocabulary: Vocabulary, name: str) -> SentimentRNN:
        cell, c = self.recurrent.cell(), self.config
        w = np.zeros((cell.n_state, self.outputs_), np.float32)
        w[: c.n_units] = self.w
        b = np.asarray(self.bias)
        if self.outputs_ == 1:
            w, b = w[:, 0], b[0]
        return SentimentRNN(cell, np.asarray(self.embedding), vocabulary, w, b, name)


class _Bag(keras.Model):
    """logit = Σ_t β[w_t] + b."""

    def __init__(self, config: TrainConfig, n_words: int) -> None:
        super().__init__()
        self.config = config
        self.beta = self.add_weight(shape=(n_words,), name="beta", initializer="zeros")
        self.bias = self.add_weight(shape=(1,), name="bias", initializer="zeros")
        self.built = True

    def logits(self, ids: Any, lengths: Any, seed: Any) -> Any:
        kept = tf.sequence_mask(lengths, tf.shape(ids)[1])
        kept &= tf.random.stateless_uniform(tf.shape(ids), seed) >= self.config.word_dropout
        valence = tf.gather(tf.convert_to_tensor(self.beta), ids) * tf.cast(kept, tf.float32)
        return tf.reduce_sum(valence, 1, keepdims=True) + self.bias

    def penalty(self) -> Any:
        return self.config.beta_l2 * tf.reduce_sum(tf.square(tf.convert_to_tensor(self.beta)))

    def to_model(self, vocabulary: Vocabulary, name: str) -> BagOfWords:
        return BagOfWords(np.asarray(self.beta), float(np.asarray(self.bias)[0]), vocabulary, name)


def _dropout_mask(shape: Sequence[Any], rate: float, seed: Any) -> Any:
    kept = tf.random.stateless_uniform(shape, seed) >= rate
    return tf.cast(kept, tf.float32) / (1 - rate)


def _loss(logits: Any, labels: Any, smoothing: float) -> Any:
    """Mean cross-entropy in nats; labels are class numbers, or probabilities of positive, as float32."""
    n_classes = logits.shape[-1]
    if n_classes == 1:
        target = labels[:, None] * (1 - smoothing) + smoothing / 2
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(target, logits))
    target = tf.one_hot(tf.cast(labels, tf.int32), n_classes) * (1 - smoothing) + smoothing / n_classes
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, logits))


# --- word vectors -----------------------------------------------------------------------------


def word_vectors(
    texts: Sequence[str], vocabulary: Vocabulary, size: int = 128, epochs: int = 5, seed: int = 0
) -> np.ndarray:
    """Skip-gram word2vec of the vocabulary, (V, size) float32, rows scaled to a mean norm of 1.

    Two minutes for IMDB's 75,000 reviews on two cores. gensim's threads race, so a run is reproducible
    in its quality, not in its bits: training stores the vectors' hash in its record.
    """
    from gensim.models import Word2Vec

    from .data import tokenize

    known = vocabulary.index
    lines = [[w for w in tokenize(t) if w in known] for t in tqdm(texts, unit="text", desc="tokenize")]
    made = Word2Vec(
        lines, vector_size=size, sg=1, window=8, negative=8, min_count=1, sample=1e-4, epochs=epochs,
        workers=os.cpu_count() or 1, seed=seed,
    )  # fmt: skip
    out = np.random.default_rng([seed, 19]).normal(0, 0.1, (len(vocabulary), size))
    for i, word in enumerate(vocabulary.words):
        if word in made.wv:
            out[i] = made.wv[word]
    out[0] = 0
    return (out / np.linalg.norm(out[1:], axis=1).mean()).astype(np.float32)


def _load_vectors(file: str, vocabulary: Vocabulary, size: int) -> np.ndarray:
    """Rows of a .npz with ``words`` and ``vectors`` for this vocabulary; words it lacks start small."""
    with np.load(file, allow_pickle=False) as stored:
        known = {w: i for i, w in enumerate(stored["words"].tolist())}
        vectors = stored["vectors"]
    if vectors.shape[1] != size:
        raise ValueError(f"{file} holds vectors of {vectors.shape[1]} numbers, but n_inputs is {size}: set n_inputs")
    out = np.random.default_rng(19).normal(0, 0.1, (len(vocabulary), size)).astype(np.float32)
    for i, word in enumerate(vocabulary.words):
        if word in known:
            out[i] = vectors[known[word]]
    return out


def _load_cell(file: str, like: Cell) -> Cell:
    """The cell in a file of ``rnnrev pretrain``, of the kind and size of ``like``."""
    with np.load(file, allow_pickle=False) as stored:
        kind = str(stored["cell"]) if "cell" in stored.files else None
        if kind != like.kind or stored["U"].shape != like.U.shape or stored["W"].shape != like.W.shape:
            what = "no cell" if kind is None else f"a {kind} of U {stored['U'].shape}, W {stored['W'].shape}"
            raise ValueError(f"{file} holds {what}; wanted is a {like.kind} of U {like.U.shape}, W {like.W.shape}")
        return Cell(kind, *(stored[k] for k in ("W", "U", "b", "b_rec", "h0")))


def _inputs(config: TrainConfig) -> dict[str, Any]:
    """The files that training starts from: the hash of each, and how well a pre-trained cell knew the next word."""
    files = {name: getattr(config, name) for name in ("vectors", "pretrained", "soft_labels")}
    found: dict[str, Any] = {
        name: {"sha256": digest(file)} for name, file in files.items() if file not in ("none", "word2vec")
    }
    if "pretrained" in found:
        with np.load(config.pretrained, allow_pickle=False) as stored:
            if "nats_per_word" in stored.files:
                found["pretrained"]["nats_per_word"] = stored["nats_per_word"].tolist()
    return found


# --- labels for unlabelled reviews ------------------------------------------------------------


def soft_labels(
    reviews: Reviews, unlabelled: Reviews, teachers: Sequence[SentimentRNN | BagOfWords], progress: bool = True
) -> np.ndarray:
    """P(positive) of unlabelled reviews by an ensemble: n-gram logistic regression and given networks.

    The regression (uni- to trigrams with naive-Bayes log-count ratios, Wang & Manning 2012) is fitted to
    ``reviews``; its logit and the networks' are averaged with equal weight. Self-training in the manner of
    Lee 2013 (pseudo-labels), with probabilities instead of hard labels (Hinton et al. 2015).

    Returns
    -------
    array, (n,) float32
    """
    from scipy.special import expit
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression

    from .data import tokenize

    count = CountVectorizer(
        tokenizer=tokenize, token_pattern=None, lowercase=False, ngram_range=(1, 3), min_df=2, binary=True
    )
    seen = count.fit_transform(tqdm(reviews.texts, unit="text", desc="n-grams", disable=not progress))
    by_class = [np.asarray(seen[reviews.labels == c].sum(0)).ravel() + 1.0 for c in (0, 1)]
    ratio = np.log(by_class[1] / by_class[1].sum()) - np.log(by_class[0] / by_class[0].sum())
    regression = LogisticRegression(C=1.0, max_iter=200, solver="liblinear").fit(
        seen.multiply(ratio).tocsr(), reviews.labels
    )
    logits = [regression.decision_function(count.transform(unlabelled.texts).multiply(ratio).tocsr())]
    logits += [model.logits(unlabelled.texts, progress) for model in teachers]
    # confidences are not comparable between makes: each is scaled to the same spread first
    return expit(2.5 * np.mean([z / np.std(z) for z in logits], 0)).astype(np.float32)


def load_soft_labels(file: str) -> tuple[Reviews, np.ndarray]:
    """Texts and P(positive) from a file of ``rnnrev label``; the texts are loaded again and compared."""
    with np.load(file, allow_pickle=False) as stored:
        reviews = load_reviews(str(stored["data"]), str(stored["split"]))
        if reviews.fingerprint != str(stored["sha256"]):
            raise ValueError(f"{file} was made for other texts than {reviews!r}: make it again with rnnrev label")
        return reviews, stored["probability"]


# --- the training run --------------------------------------------------------------------------


def train(
    config: TrainConfig,
    out: str | os.PathLike[str] | None = None,
    *,
    reviews: Reviews | None = None,
    test: Reviews | None = None,
    resume: bool = False,
    compact: bool = False,
    progress: bool = True,
) -> SentimentRNN | BagOfWords:
    """Train a network or a bag of words, stop early on held-out training reviews, and evaluate it.

    Parameters
    ----------
    config : TrainConfig
    out : path, optional
        Model folder to write; a checkpoint lies beside it (``OUT.checkpoint.npz``) until the run is done.
    reviews, test : Reviews, optional
        Instead of ``config.data``'s training and test splits.
    resume : bool
        Go on from the checkpoint. The result equals that of the run that was not interrupted.
    compact : bool
        Ship the weights small (see :func:`rnnrev.model.save`); the record is of what is shipped.

    Returns
    -------
    SentimentRNN or BagOfWords
        With its ``record``: data fingerprints, command, versions, curves, test scores.

    Raises
    ------
    ValueError
        Labels of one class only, a checkpoint of another configuration, or a loss that is not finite.
    """
    started = time.time()
    keras.utils.set_random_seed(config.seed)
    reviews = load_reviews(config.data, "train") if reviews is None else reviews
    if test is None and config.data in ("imdb", "yelp_polarity"):
        test = load_reviews(config.data, "test")
    held = split_validation(len(reviews), config.validation_share, config.seed)
    fit, validation = reviews.take(~held), reviews.take(held)
    extra = [load_reviews(name, "train") for name in config.extra]
    texts = [t for part in (fit, *extra) for t in part.texts]
    labels = np.concatenate([part.labels for part in (fit, *extra)]).astype(np.float32)
    n_classes = max(int(labels.max()) + 1, 2)
    if len(np.unique(labels)) < 2 or labels.min() < 0:
        raise ValueError(f"training needs labels 0..C-1 of at least two classes, found {np.unique(labels).tolist()}")
    if config.soft_labels != "none":
        if n_classes != 2:
            raise ValueError("soft labels are for two classes")
        taught, targets = load_soft_labels(config.soft_labels)
        extra.append(taught)
        texts += taught.texts
        labels = np.concatenate([labels, targets])

    # all training reviews, so that every seed and cell knows the same words
    vocabulary = Vocabulary.fit(reviews.texts, config.vocabulary_size)
    vectors = None
    if config.vectors == "word2vec":
        vectors = word_vectors(
            [*reviews.texts, *unlabelled_texts(config.data)], vocabulary, config.n_inputs, seed=config.seed
        )
    elif config.pretrained != "none":
        vectors = _load_vectors(config.pretrained, vocabulary, config.n_inputs)
    elif config.vectors != "none":
        vectors = _load_vectors(config.vectors, vocabulary, config.n_inputs)
    ids, val_ids = vocabulary.encode_all(texts), vocabulary.encode_all(validation.texts)
    counts = np.bincount(np.concatenate(ids), minlength=len(vocabulary)).astype(np.uint32)

    name = f"{config.cell}-{reviews.name}"
    network = (
        _Bag(config, len(vocabulary)) if config.cell == "bow" else _Network(config, len(vocabulary), n_classes, vectors)
    )
    steps = config.epochs * (-(-len(ids) // config.batch_size))
    optimizer = adam(network.trainable_variables, steps, config.learning_rate, config.clip_norm)
    step = _compiled_step(network, optimizer, config)

    state = _State([], -1.0, [], [])
    checkpoint = Path(f"{os.fspath(out)}.checkpoint.npz") if out is not None else None
    # the number of epochs is left out: it may not change, but the message is about the rest
    key = json.dumps([dataclasses.asdict(config), fit.fingerprint], sort_keys=True)
    if resume and checkpoint is not None and checkpoint.exists():
        state = _restore(checkpoint, key, network, optimizer)

    def accuracy_now() -> float:
        model = network.to_model(vocabulary, name)
        logits = model.logits_of(val_ids)
        guess = logits.argmax(-1) if logits.ndim == 2 else logits > 0
        return float(np.mean(guess == validation.labels)) if len(validation) else float("nan")

    for epoch in range(len(state.curve), config.epochs):
        row = _epoch(step, ids, labels, config, epoch, progress)
        row["validation_accuracy"] = accuracy_now()
        if progress:
            tqdm.write(f"{name} epoch {epoch + 1}: " + ", ".join(f"{k} {v:.4g}" for k, v in row.items()))
        state.curve.append(row)
        if not row["validation_accuracy"] <= state.best:  # also where there is nothing held out
            state.best = row["validation_accuracy"]
            state.weights = [np.array(v) for v in network.trainable_variables]
        if checkpoint is not None:
            state.optimizer = [np.array(v) for v in optimizer.variables]
            _checkpoint(checkpoint, key, network, state)
        since = len(state.curve) - 1 - int(np.nanargmax([r["validation_accuracy"] for r in state.curve] + [-1]))
        if len(validation) and since >= config.patience:
            break
    for variable, value in zip(network.trainable_variables, state.weights):
        variable.assign(value)

    model = dataclasses.replace(network.to_model(vocabulary, name), counts=counts)
    if out is not None:
        model = load(save(model, out, compact=compact))  # what is shipped is what is evaluated
    best_epoch = int(np.nanargmax([r["validation_accuracy"] for r in state.curve])) + 1 if len(validation) else None
    record = {
        "config": dataclasses.asdict(config),
        "command": " ".join(["rnnrev", *sys.argv[1:]]) if sys.argv[0].endswith("rnnrev") else None,
        "data": [
            {"name": r.name, "split": r.split, "texts": len(r), "sha256": r.fingerprint} for r in (reviews, *extra)
        ],
        "inputs": _inputs(config),
        "training_texts": len(texts),
        "training_tokens": int(sum(map(len, ids))),
        "curve": state.curve,
        "best_epoch": best_epoch,
        "validation": evaluate(model, validation, val_ids) if len(validation) else None,
        "test": evaluate(model, test) if test is not None else None,
        "seconds": round(time.time() - started, 1),
        "versions": {
            "rnnrev": __version__, "python": platform.python_version(), "tensorflow": tf.__version__,
            "keras": keras.__version__, "numpy": np.__version__, "cores": os.cpu_count(),
        },
    }  # fmt: skip
    model = dataclasses.replace(model, record=record)
    if out is not None:
        save(model, out, compact=compact)
        if checkpoint is not None:
            checkpoint.unlink(missing_ok=True)
    return model


@dataclass
class _State:
    curve: list[dict[str, float]]
    best: float
    weights: list[np.ndarray]
    optimizer: list[np.ndarray]


def adam(variables: Sequence[Any], steps: int, learning_rate: float, clip_norm: float) -> Any:
    """Adam with clipped gradients, its rate falling along a cosine to 2 % over ``steps``."""
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps, alpha=0.02)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=clip_norm)
    optimizer.build(variables)
    return optimizer


def update(optimizer: Any, variables: Sequence[Any], tape: Any, loss: Any) -> None:
    """One step down the gradient of ``loss``, recorded on ``tape``; gradients of embeddings become dense."""
    gradients = tape.gradient(loss, [v.value for v in variables])
    optimizer.apply([tf.convert_to_tensor(g) for g in gradients], variables)


def _compiled_step(network: Any, optimizer: Any, config: TrainConfig) -> Callable[..., Any]:
    signature = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32),
                 tf.TensorSpec((None,), tf.float32), tf.TensorSpec((2,), tf.int32)]  # fmt: skip

    @tf.function(input_signature=signature)
    def step(ids: Any, lengths: Any, labels: Any, seed: Any) -> tuple[Any, Any]:
        with tf.GradientTape() as tape:
            logits = network.logits(ids, lengths, seed)
            loss = _loss(logits, labels, config.label_smoothing)
            total = loss + network.penalty()
        update(optimizer, network.trainable_variables, tape, total)
        guess = tf.cast(logits[:, 0] > 0, tf.int32) if logits.shape[-1] == 1 else tf.argmax(logits, -1, tf.int32)
        return loss, tf.reduce_mean(tf.cast(guess == tf.cast(tf.round(labels), tf.int32), tf.float32))

    return step


def _epoch(
    step: Callable[..., Any],
    ids: Sequence[np.ndarray],
    labels: np.ndarray,
    config: TrainConfig,
    epoch: int,
    progress: bool,
) -> dict[str, float]:
    rng = np.random.default_rng([config.seed, 5, epoch])
    cropped = [_crop(i, config.max_tokens, rng) for i in ids]
    lengths = np.array([len(i) for i in cropped])
    made = list(batches(lengths, config.batch_size, seed=config.seed * 1000 + epoch))
    started, tokens, seen = time.time(), 0, 0
    loss = right = 0.0
    with tqdm(
        total=int(lengths.sum()), unit="token", unit_scale=True, disable=not progress, desc=f"epoch {epoch + 1}"
    ) as bar:
        for number, which in enumerate(made):
            padded, n = pad([cropped[i] for i in which])
            seed = np.array([config.seed, 16 * (epoch * len(made) + number)], np.int32)
            value, share = (float(v) for v in step(padded, n, labels[which], seed))
            if not np.isfinite(value):
                raise ValueError(f"the loss became {value} in epoch {epoch + 1}: lower learning_rate or clip_norm")
            loss, right, seen, tokens = (
                loss + value * len(n),
                right + share * len(n),
                seen + len(n),
                tokens + int(n.sum()),
            )
            bar.set_postfix_str(f"loss {loss / seen:.3f}, accuracy {right / seen:.3f}", refresh=False)
            bar.update(int(n.sum()))
    seconds = time.time() - started
    return {
        "loss_nats": loss / seen,
        "accuracy": right / seen,
        "tokens_per_second": tokens / seconds,
        "seconds": seconds,
    }


def _crop(ids: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """A random window of a long text: reviewers sum up at the beginning and at the end, so both are kept in reach."""
    if not size or len(ids) <= size:
        return ids
    last = len(ids) - size
    start = (0, last, int(rng.integers(last + 1)))[rng.integers(3)]
    return ids[start : start + size]


def _checkpoint(file: Path, key: str, network: Any, state: _State) -> None:
    arrays = {f"now{i}": np.asarray(v) for i, v in enumerate(network.trainable_variables)}
    arrays |= {f"best{i}": v for i, v in enumerate(state.weights)}
    arrays |= {f"optimizer{i}": v for i, v in enumerate(state.optimizer)}
    arrays["meta"] = np.array(json.dumps({"key": key, "curve": state.curve, "best": state.best}))
    write_npz(file, arrays)


def _restore(file: Path, key: str, network: Any, optimizer: Any) -> _State:
    with np.load(file, allow_pickle=False) as stored:
        meta = json.loads(str(stored["meta"]))
        if meta["key"] != key:
            raise ValueError(f"{file} is of another configuration or other data: delete it, or run without resume")
        count = len(network.trainable_variables)
        for i, variable in enumerate(network.trainable_variables):
            variable.assign(stored[f"now{i}"])
        for i, variable in enumerate(optimizer.variables):
            variable.assign(stored[f"optimizer{i}"])
        return _State(meta["curve"], meta["best"], [stored[f"best{i}"] for i in range(count)], [])
