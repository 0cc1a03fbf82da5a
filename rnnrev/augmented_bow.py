"""A bag of words with what the network has: modifiers, a beginning and an end (CP20).

The bag of words adds up what words count, logit = Σ_t β[w_t] + b. Augmented, it lets every word be scaled by what
stands around it:

    logit = b + Σ_t Σ_c β_c[w_t] · (1 + g_c(t)),
    g_c(t) = Σ_k Σ_{m at t−k} f_mc(k) + Σ_k Σ_{m at t+k} f′_mc(k) + begin_c(t) + end_c(T − 1 − t).

f_mc(k) is the filter of modifier m at lag k = 1..K: short, and smooth, a sum of a few exponentials,

    f_mc(k) = Σ_p a_mcp exp(−(k − 1)/τ_p).

begin and end are filters of the same make, of two tokens that stand in every review. With one part (c = 1) and no f′
(``two_sided=False``) this is CP20's model. Two extensions have a switch each in :class:`AugmentedConfig`: *parts*
split a word's valence into a few, and a modifier scales each of them by itself (modifiers have barcodes, and barcodes
span a few dimensions: CP20); *two-sided* modifiers act on the words before them too.

Units: logits and valences are in nats (log-odds of positive), lags and τ in tokens, gains are factors.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .config import FitConfig
from .data import UNKNOWN, Reviews, Vocabulary, batches, pad, tokenize
from .model import Classifier

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = ["PARTS", "STEPS", "AugmentedBagOfWords", "AugmentedConfig", "train_augmented"]

TYPICAL = 250  #: tokens of a review whose sum a length exponent leaves as it is

#: What can be switched off in a trained model (:meth:`AugmentedBagOfWords.without`), and its weights.
PARTS = {"modifiers": ("after", "before"), "beginning": ("begin_coefficients",), "end": ("end_coefficients",)}
_LEARNED = ("parts", "b", *(name for names in PARTS.values() for name in names))


# --- the model --------------------------------------------------------------------------------


def _basis(n: int, taus: np.ndarray) -> np.ndarray:
    """exp(−k/τ_p) for k = 0..n − 1, (n, P)."""
    return np.exp(-np.arange(n)[:, None] / np.asarray(taus, float))


def _convolve(ops: ModuleType, a: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Σ_j a_{t+j} kernel_j wherever all of it is there: (B, T, Q), (K, Q, C) -> (B, T − K + 1, C)."""
    if ops is np:
        n = a.shape[1] - len(kernel) + 1
        return sum((a[:, j : j + n] @ k for j, k in enumerate(kernel)), np.zeros(1, np.float32))
    return ops.conv(a, kernel, data_format="channels_last")


@dataclass(frozen=True, eq=False)
class AugmentedBagOfWords(Classifier):
    """A bag of words with modifiers, a beginning and an end; see the module's text for the formula."""

    kind = "augmented-bow"
    parts: np.ndarray = field(repr=False)  #: (V, C), β_c, valence of each word in nats, in C parts
    b: float = field(repr=False)
    vocabulary: Vocabulary
    modifiers: tuple[str, ...] = field(default=(), repr=False)  #: M words
    taus: np.ndarray = field(default_factory=lambda: np.ones(1, np.float32))  #: (P,) tokens, of the modifiers' filters
    after: np.ndarray | None = field(default=None, repr=False)  #: (M, C, P), a of their filters on later words
    before: np.ndarray | None = field(default=None, repr=False)  #: and on earlier ones
    edge_taus: np.ndarray = field(default_factory=lambda: np.ones(1, np.float32))  #: (P_e,) tokens, of the two ends
    begin_coefficients: np.ndarray | None = field(default=None, repr=False)  #: (C, P_e)
    end_coefficients: np.ndarray | None = field(default=None, repr=False)
    taps: int = 16  #: K, length of the modifiers' filters in tokens
    length_exponent: float = 0.0  #: α: the sum over a review of T tokens is scaled by (250/T)^α; 0 leaves it
    name: str = "augmented bag of words"
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    counts: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        C = self.parts.shape[1]
        shapes: dict[str, tuple[int, ...]] = {"parts": (len(self.vocabulary), C)}
        shapes |= dict.fromkeys(PARTS["modifiers"], (len(self.modifiers), C, len(self.taus)))
        shapes |= dict.fromkeys(("begin_coefficients", "end_coefficients"), (C, len(self.edge_taus)))
        for key, shape in shapes.items():
            value = getattr(self, key)
            if value is not None and value.shape != shape:
                raise ValueError(f"{key} has shape {value.shape}, should be {shape}")

    @cached_property
    def weights(self) -> dict[str, np.ndarray]:
        """What was learned, by name; parts that are switched off are not there."""
        return {k: np.asarray(v) for k in _LEARNED if (v := getattr(self, k)) is not None}

    @property
    def beta(self) -> np.ndarray:
        """What each word counts by itself, Σ_c β_c, (V,), in nats."""
        return self.parts.sum(1)

    @property
    def filters(self) -> np.ndarray:
        """f_mc(k) of each modifier on the words after it, (M, C, K), k = 1..K."""
        if self.after is None:
            return np.zeros((0, self.parts.shape[1], self.taps))
        return self.after @ _basis(self.taps, self.taus).T

    def edge_filters(self, n: int = 100) -> dict[str, np.ndarray]:
        """What each end adds to the factor of the n tokens nearest to it, (C, n), by its name in :data:`PARTS`."""
        ends = {"beginning": self.begin_coefficients, "end": self.end_coefficients}
        return {k: a @ _basis(n, self.edge_taus).T for k, a in ends.items() if a is not None}

    def without(self, *parts: str) -> AugmentedBagOfWords:
        """The model with some of :data:`PARTS` switched off (not trained again)."""
        unknown = set(parts) - set(PARTS)
        if unknown:
            raise ValueError(f"no part is called {unknown.pop()!r}: choose from {', '.join(PARTS)}")
        off: dict[str, Any] = {name: None for part in parts for name in PARTS[part]}
        return replace(self, **(off | ({"modifiers": ()} if "modifiers" in parts else {})))

    # --- the formula, for NumPy and TensorFlow alike ----------------------------------------

    @cached_property
    def _rows(self) -> np.ndarray:
        # (V,) row of each word in the padded filter arrays; row 0 is no modifier
        rows = np.zeros(len(self.vocabulary), np.int32)
        rows[self.vocabulary.numbers(self.modifiers)] = 1 + np.arange(len(self.modifiers))
        return rows

    @cached_property
    def _kernel(self) -> np.ndarray:
        # (K, C·P, C): coefficients to gains, exp(−(k − 1)/τ_p) where the part is the same
        kernel = np.einsum("kp,cd->kcpd", _basis(self.taps, self.taus), np.eye(self.parts.shape[1]))
        return kernel.reshape(self.taps, -1, self.parts.shape[1]).astype(np.float32)

    def _gains(
        self, ops: ModuleType, weights: Mapping[str, np.ndarray], ids: np.ndarray, lengths: np.ndarray, kept: np.ndarray
    ) -> dict[str, np.ndarray]:
        """What each weight adds to the factor of each token's valence, (B, T, C) or (T, C).

        ``ids`` (B, T); ``lengths`` (B,) float32; ``kept`` (B, T) float32, 0 for padding. Arrays or tensors, as ``ops``.
        """
        gains: dict[str, np.ndarray] = {}
        for name in [n for n in PARTS["modifiers"] if n in weights]:
            flat = ops.pad(ops.reshape(weights[name], (len(self.modifiers), -1)), [[1, 0], [0, 0]])
            a = ops.take(flat, ops.take(self._rows, ids, axis=0), axis=0) * kept[..., None]
            if name == "after":  # of the K tokens before t
                padded = ops.pad(a, [[0, 0], [self.taps, 0], [0, 0]])
                gains[name] = _convolve(ops, padded, self._kernel[::-1])[:, :-1]
            else:
                padded = ops.pad(a, [[0, 0], [0, self.taps], [0, 0]])
                gains[name] = _convolve(ops, padded, self._kernel)[:, 1:]
        t = ops.arange(ops.shape(ids)[1], dtype="float32")
        away = {"begin_coefficients": t, "end_coefficients": ops.maximum(lengths[:, None] - 1 - t, 0)}
        for name in [n for n in away if n in weights]:
            gains[name] = ops.exp(-away[name][..., None] / self.edge_taus) @ ops.transpose(weights[name])
        return gains

    def _logits(
        self, ops: ModuleType, weights: Mapping[str, np.ndarray], ids: np.ndarray, lengths: np.ndarray, kept: np.ndarray
    ) -> np.ndarray:
        """Logits (B,); arguments as in :meth:`_gains`."""
        factor = 1 + sum(self._gains(ops, weights, ids, lengths, kept).values())
        counts = ops.sum(ops.take(weights["parts"], ids, axis=0) * factor, axis=-1) * kept
        return ops.sum(counts, axis=1) * (TYPICAL / lengths) ** self.length_exponent + weights["b"]

    # --- running texts ----------------------------------------------------------------------

    def logits_of(self, ids: Sequence[np.ndarray], progress: bool = False) -> np.ndarray:
        out = np.empty(len(ids), np.float32)
        for which in batches([len(i) for i in ids], 128):
            padded, n = pad([ids[i] for i in which])
            kept = (np.arange(padded.shape[1]) < n[:, None]).astype(np.float32)
            out[which] = self._logits(np, self.weights, padded, n.astype(np.float32), kept)
        return out

    def logits_along(self, ids: np.ndarray) -> np.ndarray:
        """Logits as if the text ended there, before its first token and after each, (T + 1,)."""
        return np.r_[float(self.b), self.logits_of([ids[: t + 1] for t in range(len(ids))])]

    def contributions(self, text: str) -> pd.DataFrame:
        """What each token of a text counts, in nats, and why, one row a token.

        Columns: ``valence``, what it counts in the bag alone, and what each of :data:`PARTS` adds to that. All of them
        summed, and b, are the logit.
        """
        ids = self.vocabulary.encode(text)[None]
        n = np.array([ids.shape[1]], np.float32)
        gains = self._gains(np, self.weights, ids, n, np.ones(ids.shape, np.float32))
        scaled = self.parts[ids[0]].astype(float) * (TYPICAL / float(n[0])) ** self.length_exponent
        columns = {"valence": scaled.sum(1)}
        for part, names in PARTS.items():
            added = [np.broadcast_to(gains[k], (1, *scaled.shape))[0] for k in names if k in gains]
            columns[part] = (scaled * sum(added, np.zeros_like(scaled))).sum(1)
        return pd.DataFrame(columns, index=tokenize(text) or [UNKNOWN])

    # --- a model's file -----------------------------------------------------------------------

    def to_arrays(self, compact: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        arrays = {k: v.astype(np.float16 if compact and k != "b" else np.float32) for k, v in self.weights.items()}
        arrays |= {"taus": self.taus.astype(np.float32), "edge_taus": self.edge_taus.astype(np.float32)}
        settings = {"modifiers": list(self.modifiers), "taps": self.taps, "length_exponent": self.length_exponent}
        return settings, arrays

    @classmethod
    def from_arrays(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray], vocabulary: Vocabulary, **about: Any
    ) -> AugmentedBagOfWords:
        """The model of :meth:`to_arrays`; ``about`` is what :class:`rnnrev.model.Classifier` declares."""
        numbers: dict[str, Any] = {k: v.astype(np.float32) for k, v in arrays.items()} | {"b": float(arrays["b"])}
        numbers.update(settings, modifiers=tuple(settings["modifiers"]))
        return cls(vocabulary=vocabulary, **numbers, **about)


# --- training ---------------------------------------------------------------------------------


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

        from .train import load_vectors

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
        return self.start._logits(ops, weights, ids, tf.cast(lengths, tf.float32), kept)[:, None]

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
    from .train import learn, two_classes

    def make(vocabulary: Vocabulary, n_classes: int) -> _Network:
        two_classes(n_classes)
        return _Network(config, vocabulary, tuple(w for w in modifiers if w in vocabulary)[: config.n_modifiers])

    return learn(config, "augmented-bow", make, reviews, test=test, out=out, compact=True, progress=progress)
