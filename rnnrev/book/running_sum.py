"""Trains a network to say the sum so far after every token, with the scan and the optimizer of :mod:`rnnrev.train`."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from ..cells import Cell
from ..train import Recurrent, adam, update, weight

__all__: list[str] = []


class RunningSum(keras.Model):
    """One-hot words, :class:`Recurrent` and a readout that says a number after every token: a regression."""

    def __init__(self, cell: Cell, w: np.ndarray, bias: float = 0.0) -> None:
        super().__init__()
        self.recurrent, self.n_words = Recurrent(cell, "float32"), cell.n_inputs
        self.recurrent.shards = 1  # as small as it is, one compiled loop is faster than two
        self.w, self.bias = weight(self, "w", w), weight(self, "bias", np.asarray(bias, np.float32))
        self.built = True

    def squared_error(self, words: tf.Tensor, target: tf.Tensor, noise: tf.Tensor | None) -> tf.Tensor:
        """Mean over all tokens of texts of one length (B, T); ``noise`` (T, B, S) is added to the states."""
        h = self.recurrent.states(tf.one_hot(words, self.n_words), noise)[..., : self.w.shape[0]]
        said = tf.linalg.matvec(h, tf.convert_to_tensor(self.w)) + self.bias
        return tf.reduce_mean(tf.square(said - tf.transpose(target)))

    def learner(self, steps: int, rate: float, clip: float, l2: float) -> Callable[..., tf.Tensor]:
        """A function that takes a step of Adam on :meth:`squared_error` of what it is given, and Σθ² times ``l2``."""
        optimizer = adam(self.trainable_variables, steps, rate, clip, warm_up=100)

        @tf.function(jit_compile=True)  # once for each length of texts; half the work of a graph that is not
        def step(words: tf.Tensor, target: tf.Tensor, noise: tf.Tensor | None) -> tf.Tensor:
            with tf.GradientTape() as tape:
                error = self.squared_error(words, target, noise)
                total = error + l2 * tf.add_n([tf.reduce_sum(tf.square(v.value)) for v in self.trainable_variables])
            update(optimizer, self.trainable_variables, tape, total)
            return error

        return step
