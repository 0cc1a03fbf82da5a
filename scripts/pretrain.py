"""Next-word pre-training: a network learns to read running text before it is told what sentiment is.

    python scripts/pretrain.py --vectors runs/vectors.npz --out runs/reader.npz    # then: rnnrev train --pretrained …

The cell and the embedding of a later classifier predict the next word of all reviews, labelled or not. The
readout is tied to the embedding, softmax_v(e_v · P h + c_v), and is estimated on a sample of the vocabulary.

Sources: Dai & Le 2015 (pre-training the RNN itself); Jean et al. 2015 (sampled softmax); Inan et al. 2017 (tied
embeddings).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tqdm.auto import tqdm
from vectors import unlabelled_texts

from rnnrev.cells import WEIGHTS, initial_weights
from rnnrev.data import Vocabulary, batches, load_reviews, pad, split_validation
from rnnrev.files import write_npz
from rnnrev.train import Recurrent, adam, load_vectors, update, weight

#: Words that stand in for the whole vocabulary in each step's softmax.
N_SAMPLED = 512


class Reader(keras.Model):
    """Embedding, :class:`rnnrev.train.Recurrent`, projection to the embedding's size, tied readout."""

    def __init__(self, cell: str, n_units: int, vectors: np.ndarray, precision: str, seed: int) -> None:
        super().__init__()
        self.n_units = n_units
        self.embedding = weight(self, "embedding", vectors)
        self.recurrent = Recurrent(initial_weights(cell, vectors.shape[1], n_units, seed), precision)
        P = np.random.default_rng([seed, 43]).normal(0, n_units**-0.5, (n_units, vectors.shape[1]))
        self.P, self.bias = weight(self, "P", P), weight(self, "bias", np.zeros(len(vectors)))
        self.built = True

    def predictions(self, ids: tf.Tensor) -> tf.Tensor:
        """P h before each of a window's words but the first, time first: ids (B, T) -> (T − 1, B, D)."""
        x = tf.gather(tf.convert_to_tensor(self.embedding), ids[:, :-1])
        return tf.tensordot(self.recurrent.states(x)[:, :, : self.n_units], tf.convert_to_tensor(self.P), 1)

    def cross_entropy(self, ids: tf.Tensor, lengths: tf.Tensor, seed: int | None = None) -> tf.Tensor:
        """Mean cross-entropy a word in nats, on a sample of the vocabulary, or on all of it without a ``seed``."""
        h = tf.reshape(self.predictions(ids), (-1, self.P.shape[1]))
        words = tf.reshape(tf.transpose(ids[:, 1:]), (-1,))
        real = tf.reshape(tf.transpose(tf.sequence_mask(lengths - 1, tf.shape(ids)[1] - 1)), (-1,))
        h, words = tf.boolean_mask(h, real), tf.boolean_mask(words, real)
        E, c = tf.convert_to_tensor(self.embedding), tf.convert_to_tensor(self.bias)
        if seed is None:
            logits = tf.matmul(h, E, transpose_b=True) + c
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(words, logits))
        labels = tf.cast(words, tf.int64)[:, None]  # the vocabulary is sorted by frequency, as this sampler wants it
        size = len(self.bias)
        n = min(N_SAMPLED, size // 2)
        sample = tf.random.log_uniform_candidate_sampler(labels, 1, n, True, size, seed)
        return tf.reduce_mean(tf.nn.sampled_softmax_loss(E, c, labels, h, n, size, 1, sample))


def next_word(
    texts: Sequence[str],
    vocabulary: Vocabulary,
    vectors: np.ndarray,
    cell: str = "gru",
    n_units: int = 256,
    *,
    held_out: Sequence[str] = (),
    epochs: int = 2,
    window: int = 128,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
    clip_norm: float = 1.0,
    precision: str = "mixed",
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Train a cell and an embedding to predict the next word, for :class:`rnnrev.train.TrainConfig`'s ``pretrained``.

    Parameters
    ----------
    texts, held_out : list of str
        To learn from, and to measure on (never learnt from).
    vectors : array, (V, D)
        Embedding to start with.
    window : int
        Tokens; a text is cut into windows of this size, each read from the initial state.

    Returns
    -------
    dict
        ``words``, ``vectors`` (V, D), ``cell``, its weights ``W``, ``U``, ``b``, ``b_rec``, ``h0``, and
        ``nats_per_word`` (epochs,), the cross-entropy on ``held_out`` after each epoch.

    Raises
    ------
    ValueError
        If vectors and vocabulary differ in size, no text has two words, or the loss is not finite.
    """
    if len(vectors) != len(vocabulary):
        raise ValueError(f"{len(vectors):,} vectors for a vocabulary of {len(vocabulary):,} words")
    windows = windows_of(vocabulary.encode_all(tqdm(texts, unit="text", desc="encode", disable=not progress)), window)
    if not windows:
        raise ValueError("no text has two words: there is no next word to learn")
    held = windows_of(vocabulary.encode_all(held_out), window)
    lengths = np.array([len(w) for w in windows])
    keras.utils.set_random_seed(seed)
    network = Reader(cell, n_units, vectors, precision, seed)
    steps = epochs * -(-len(windows) // batch_size)
    optimizer = adam(network.trainable_variables, steps, learning_rate, clip_norm)
    rows = [tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None,), tf.int32)]

    @tf.function(input_signature=rows)
    def step(ids: tf.Tensor, n: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = network.cross_entropy(ids, n, seed=seed + 1)
        update(optimizer, network.trainable_variables, tape, loss)
        return loss

    measure = tf.function(network.cross_entropy, input_signature=rows)
    nats = []
    for epoch in range(epochs):
        with tqdm(
            total=int(lengths.sum()), unit="token", unit_scale=True, disable=not progress, desc=f"epoch {epoch + 1}"
        ) as bar:
            for which in batches(lengths, batch_size, seed=seed * 1000 + epoch):
                value = float(step(*pad([windows[i] for i in which])))
                if not np.isfinite(value):
                    raise ValueError(f"the loss became {value} in epoch {epoch + 1}: lower learning_rate or clip_norm")
                bar.set_postfix_str(f"sampled loss {value:.2f}", refresh=False)
                bar.update(int(lengths[which].sum()))
        parts = [pad([held[i] for i in which]) for which in batches([len(w) for w in held], 16)]
        sizes = [int(n.sum()) - len(n) for _, n in parts]
        nats.append(float(np.average([float(measure(*p)) for p in parts], weights=sizes)) if parts else float("nan"))
        if progress:
            tqdm.write(f"epoch {epoch + 1}: {nats[-1]:.3f} nats a word on held-out texts")
    learnt = network.recurrent.cell()
    weights = {k: getattr(learnt, k) for k in WEIGHTS}
    return {
        "words": vocabulary.words, "vectors": np.asarray(network.embedding), "cell": cell, **weights,
        "nats_per_word": nats,
    }  # fmt: skip


def windows_of(ids: Sequence[np.ndarray], size: int) -> list[np.ndarray]:
    """Texts cut into windows of at most ``size`` tokens, each sharing one with the next; single tokens are dropped."""
    cut = [i[start : start + size] for i in ids for start in range(0, max(len(i) - 1, 1), size - 1)]
    return [w for w in cut if len(w) > 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="imdb", help="data set (default: %(default)s)")
    parser.add_argument("--extra", nargs="*", default=[], metavar="NAME", help="data sets whose texts are added")
    parser.add_argument("--cell", default="gru", help="vanilla, ugrnn, gru or lstm (default: %(default)s)")
    parser.add_argument("--vectors", required=True, help="file of scripts/vectors.py to start with")
    parser.add_argument("--out", required=True, help=".npz file to write")
    sizes = (("--vocabulary-size", 20_000), ("--n-inputs", 128), ("--n-units", 256), ("--epochs", 2), ("--seed", 0))
    for flag, value in sizes:
        parser.add_argument(flag, type=int, default=value, help="(default: %(default)s)")
    args = parser.parse_args()
    train = load_reviews(args.data, "train")
    held = split_validation(len(train), 0.02, args.seed)
    vocabulary = Vocabulary.fit(train.texts, args.vocabulary_size)
    texts = [*train.take(~held).texts, *unlabelled_texts(args.data)]
    texts += [text for name in args.extra for text in load_reviews(name, "train").texts]
    learnt = next_word(
        texts, vocabulary,
        load_vectors(args.vectors, vocabulary, args.n_inputs), args.cell, args.n_units,
        held_out=train.take(held).texts, epochs=args.epochs, seed=args.seed,
    )  # fmt: skip
    print(f"{learnt['nats_per_word'][-1]:.3f} nats a word on held-out texts; written to {write_npz(args.out, learnt)}")


if __name__ == "__main__":
    main()
