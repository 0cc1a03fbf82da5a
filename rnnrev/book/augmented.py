"""Training of CP20's augmented bag of words (:mod:`rnnrev.augmented_bow`), step by step as in chapter 6."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..augmented_bow import AugmentedBagOfWords
from ..config import FitConfig
from ..data import Reviews, Vocabulary

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["STEPS", "AugmentedConfig", "train_augmented"]


@dataclass(frozen=True)
class AugmentedConfig(FitConfig):
    """Everything that decides a training run but its texts and modifiers; stored with its result."""

    n_modifiers: int = 1000  #: M, how many of the words that are offered; 0 for none
    two_sided: bool = True  #: modifiers act on the words before them too
    beginning: bool = True
    end: bool = True
    n_parts: int = 4  #: C, parts of a word's valence
    taps: int = 24  #: K, length of a modifier's filters in tokens
    taus: tuple[float, ...] = (1.0, 3.0, 10.0)  #: decay times that a modifier's filters are made of, in tokens
    edge_taus: tuple[float, ...] = (3.0, 12.0, 50.0)  #: the same for the two ends
    length_exponent: float = 0.5  #: α, see :class:`AugmentedBagOfWords`
    beta_l2: float = 1e-3  #: penalty on Σ β² (on Σ δ² with vectors, which are a prior on valence: β = E θ + δ)
    filter_l2: float = 1e-3  #: penalty on Σ a² over modifiers
    edge_l2: float = 1e-2  #: the same for the two ends
    epochs: int = 4
    patience: int = 4
    batch_size: int = 128
    learning_rate: float = 4e-3


_CP20 = {"two_sided": False, "n_parts": 1, "length_exponent": 0.0}
#: The steps of chapter 6: name -> what differs from the full model. The first four are CP20's, the others ours.
STEPS: dict[str, dict[str, Any]] = {
    "bag of words": {"n_modifiers": 0, "beginning": False, "end": False, **_CP20},
    "+ modifiers": {"beginning": False, "end": False, **_CP20},
    "+ beginning": {"end": False, **_CP20},
    "+ end": _CP20,
    "+ length": {"two_sided": False, "n_parts": 1},
    "+ both sides": {"n_parts": 1},
    "+ parts": {},
}


class _Network:
    """The model while it is trained: a :class:`rnnrev.train.Trainee`."""

    def __init__(self, config: AugmentedConfig, vocabulary: Vocabulary, modifiers: tuple[str, ...]) -> None:
        import keras
        import tensorflow as tf

        from ..train import load_vectors

        C = config.n_parts

        def drawn(rows: int, stream: int) -> np.ndarray:
            # parts that start alike would stay alike
            return np.random.default_rng([config.seed, stream]).normal(0, 0.05 if C > 1 else 0.0, (rows, C))

        filters, end = (len(modifiers), C, len(config.taus)), (C, len(config.edge_taus))
        values: dict[str, Any] = {"parts": drawn(len(vocabulary), 31), "b": np.zeros(())}
        for key, shape, used in (
            ("after", filters, modifiers), ("before", filters, modifiers and config.two_sided),
            ("begin_coefficients", end, config.beginning), ("end_coefficients", end, config.end),
        ):  # fmt: skip
            values |= {key: np.zeros(shape)} if used else {}
        self.config, self.vectors = config, None
        self.start = AugmentedBagOfWords(
            vocabulary=vocabulary, modifiers=modifiers, taus=np.array(config.taus, np.float32),
            edge_taus=np.array(config.edge_taus, np.float32), taps=config.taps,
            length_exponent=config.length_exponent, **values,
        )  # fmt: skip
        if config.vectors != "none":
            self.vectors = tf.constant(load_vectors(config.vectors, vocabulary), tf.float32)
            values["theta"] = drawn(self.vectors.shape[1], 37)
        self.variables = {k: keras.Variable(v.astype(np.float32), name=k) for k, v in values.items()}
        self.trainable_variables = list(self.variables.values())

    def logits(self, ids: tf.Tensor, lengths: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Training logits (B, 1); nothing is dropped out, so ``seed`` decides nothing."""
        import tensorflow as tf
        from keras import ops

        weights = {k: tf.convert_to_tensor(v) for k, v in self.variables.items()}
        if self.vectors is not None:
            weights["parts"] += tf.matmul(self.vectors, weights["theta"])
        kept = tf.cast(tf.sequence_mask(lengths, tf.shape(ids)[1]), tf.float32)
        return self.start.formula(ops, weights, ids, tf.cast(lengths, tf.float32), kept)[:, None]

    def penalty(self) -> tf.Tensor:
        import tensorflow as tf

        c = self.config
        rates = {"parts": c.beta_l2, "after": c.filter_l2, "before": c.filter_l2}
        rates |= {"begin_coefficients": c.edge_l2, "end_coefficients": c.edge_l2}
        of = {k: v for k, v in self.variables.items() if k in rates}
        return sum(rates[k] * tf.reduce_sum(tf.square(tf.convert_to_tensor(v))) for k, v in of.items())

    def to_model(self, vocabulary: Vocabulary, name: str) -> AugmentedBagOfWords:
        values: dict[str, Any] = {k: np.asarray(v) for k, v in self.variables.items()}
        if self.vectors is not None:
            values["parts"] = values["parts"] + self.vectors.numpy() @ values.pop("theta")
        return replace(self.start, name=name, **(values | {"b": float(values["b"])}))


def train_augmented(
    config: AugmentedConfig, reviews: Reviews, modifiers: Sequence[str] = (), *,
    out: str | os.PathLike[str] | None = None, test: Reviews | None = None, progress: bool = True,
) -> AugmentedBagOfWords:  # fmt: skip
    """Train an augmented bag of words as :func:`rnnrev.train.train` trains a network, on two classes.

    ``modifiers`` are words that may scale others: those that modify most in running text, say, by ``rms`` times
    ``per_million`` of :func:`rnnrev.modifiers.modifier_effects`. The first ``config.n_modifiers`` that the vocabulary
    knows are taken. ``out`` is a model file to write, small (float16).
    """
    from ..train import learn, two_classes

    def make(vocabulary: Vocabulary, n_classes: int) -> _Network:
        two_classes(n_classes)
        return _Network(config, vocabulary, tuple(w for w in modifiers if w in vocabulary)[: config.n_modifiers])

    return learn(config, "augmented-bow", make, reviews, test=test, out=out, compact=True, progress=progress)
