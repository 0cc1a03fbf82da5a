"""A bag of words that is given what the network has: modifiers, a beginning and an end (CP20, section 5).

The bag of words adds up what words count, logit = Σ_t β[w_t] + b. Augmented, it lets every word be scaled by what
stands around it:

    logit = b + Σ_t Σ_c β_c[w_t] · (1 + g_c(t)),
    g_c(t) = Σ_k Σ_{m at t−k} f_mc(k) + Σ_k Σ_{m at t+k} f′_mc(k) + begin_c(t) + end_c(T − 1 − t).

f_mc(k) is the filter of modifier m at lag k = 1..K: short, and smooth, a sum of a few exponentials,

    f_mc(k) = Σ_p a_mcp exp(−(k − 1)/τ_p).

begin and end are filters of the same make, of two tokens that stand in every review. With one part (c = 1) and no f′
(``two_sided=False``) this is CP20's model. Two extensions have a switch each in :class:`AugmentedConfig`: *parts*
split a word's valence into a few, and a modifier scales each of them by itself (modifiers have barcodes, and barcodes
span a few dimensions: CP20, section 4); *two-sided* modifiers act on the words before them too.

Units: logits and valences are in nats (log-odds of positive), lags and τ in tokens, gains are factors.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar, NamedTuple

import numpy as np

from . import __version__, stats
from .data import UNKNOWN, Reviews, Vocabulary, batches, load_reviews, pad, split_validation, tokenize
from .model import Trace, _check_counts, _Classifier, load, save
from .stats import Estimate

__all__ = [
    "PARTS",
    "STEPS",
    "Agreement",
    "AugmentedBagOfWords",
    "AugmentedConfig",
    "Contributions",
    "ablations",
    "accuracy_gain",
    "filter_agreement",
    "gap_share",
    "measure",
    "missing_part",
    "ranked_modifiers",
    "review_kinds",
    "steps_table",
    "train_augmented",
    "train_steps",
    "yardsticks",
]

TYPICAL = 250  #: tokens of a review whose sum a length exponent leaves as it is

#: What can be switched off in a trained model, see :meth:`AugmentedBagOfWords.without`.
PARTS = ("modifiers", "beginning", "end")


# --- the model, for NumPy and TensorFlow alike ------------------------------------------------


class _Form(NamedTuple):
    """What is fixed before training: which words are modifiers, and the make of the filters."""

    rows: np.ndarray  #: (V,) row of each word in the filter arrays; row 0 is no modifier
    kernel: np.ndarray  #: (K, C·P, C) float32: coefficients to gains, exp(−(k − 1)/τ_p) where the part is the same
    edge_taus: np.ndarray  #: (P_e,) float32
    length_exponent: float


def _form(rows: np.ndarray, taus: Any, n_parts: int, taps: int, edge_taus: Any, length_exponent: float) -> _Form:
    kernel = np.einsum("kp,cd->kcpd", _basis(taps, taus), np.eye(n_parts)).reshape(taps, -1, n_parts)
    return _Form(rows, kernel.astype(np.float32), np.asarray(edge_taus, np.float32), length_exponent)


def _basis(n: int, taus: Any) -> np.ndarray:
    """exp(−k/τ_p) for k = 0..n − 1, (n, P)."""
    return np.exp(-np.arange(n)[:, None] / np.asarray(taus, float))


def _convolve(ops: Any, a: Any, kernel: np.ndarray) -> Any:
    """Σ_j a_{t+j} kernel_j wherever all of it is there: (B, T, Q), (K, Q, C) -> (B, T − K + 1, C)."""
    if ops is np:
        n = a.shape[1] - len(kernel) + 1
        return sum(a[:, j : j + n] @ k for j, k in enumerate(kernel))
    return ops.conv(a, kernel, data_format="channels_last")


def _lagged(ops: Any, a: Any, kernel: np.ndarray, direction: int) -> Any:
    """Gains (B, T, C) from coefficients (B, T, C·P) at each token: of the K tokens before t, or after it for −1."""
    taps = len(kernel)
    if direction > 0:
        return _convolve(ops, ops.pad(a, [[0, 0], [taps, 0], [0, 0]]), kernel[::-1])[:, :-1]
    return _convolve(ops, ops.pad(a, [[0, 0], [0, taps], [0, 0]]), kernel)[:, 1:]


def _gains(ops: Any, p: Mapping[str, Any], form: _Form, ids: Any, lengths: Any, kept: Any) -> dict[str, Any]:
    """What each part adds to the factor of each token's valence, (B, T, C) or (T, C).

    ``ids`` (B, T); ``lengths`` (B,) float32; ``kept`` (B, T) float32, 0 for padding and for words dropped out.
    """
    gains: dict[str, Any] = {}
    for name, direction in (("after", 1), ("before", -1)):
        if name in p:
            a = ops.take(p[name], ops.take(form.rows, ids, axis=0), axis=0) * kept[..., None]
            gains[name] = _lagged(ops, a, form.kernel, direction)
    t = ops.arange(ops.shape(ids)[1], dtype="float32")
    if "beginning" in p:
        gains["beginning"] = ops.exp(-t[:, None] / form.edge_taus) @ p["beginning"]
    if "end" in p:
        left = ops.maximum(lengths[:, None] - 1 - t, 0)
        gains["end"] = ops.exp(-left[..., None] / form.edge_taus) @ p["end"]
    return gains


def _logits(ops: Any, p: Mapping[str, Any], form: _Form, ids: Any, lengths: Any, kept: Any) -> Any:
    """Logits (B,); arguments as in :func:`_gains`."""
    factor = 1 + sum(_gains(ops, p, form, ids, lengths, kept).values())
    counts = ops.sum(ops.take(p["beta"], ids, axis=0) * factor, axis=-1) * kept
    return ops.sum(counts, axis=1) * (TYPICAL / lengths) ** form.length_exponent + p["b"]


class Contributions(NamedTuple):
    """What each token of a text counts, in nats, by cause; everything but ``tokens`` and ``b`` is (T,).

    ``valence`` is what it counts in the bag alone; ``modifiers``, ``beginning`` and ``end`` what each part adds to
    that. All of them summed, and ``b``, are the logit.
    """

    tokens: tuple[str, ...]
    valence: np.ndarray
    modifiers: np.ndarray
    beginning: np.ndarray
    end: np.ndarray
    b: float

    @property
    def total(self) -> np.ndarray:
        """What each token counts, (T,)."""
        return self.valence + self.modifiers + self.beginning + self.end

    @property
    def logit(self) -> float:
        return float(self.total.sum() + self.b)


@dataclass(frozen=True, eq=False)
class AugmentedBagOfWords(_Classifier):
    """A bag of words with modifiers, a beginning and an end; see the module's text for the formula.

    Parameters
    ----------
    parts : array, (V, C)
        β_c, valence of each word in nats, in C parts.
    b : float
    vocabulary : Vocabulary
    modifiers : tuple of str
        M words.
    taus : array, (P,)
        Decay times in tokens that filters are made of.
    after, before : array, (M, C, P)
        Coefficients a of each modifier's filter on later words, and on earlier ones; ``before`` may be None.
    begin_coefficients, end_coefficients : array, (C, P_e), or None
        The same for the two ends, with decay times ``edge_taus`` (P_e,).
    taps : int
        K, the length of the filters in tokens.
    length_exponent : float
        α: the sum over a review of T tokens is scaled by (250/T)^α; 0 leaves it.
    """

    parts: np.ndarray = field(repr=False)
    b: float = field(repr=False)
    vocabulary: Vocabulary
    modifiers: tuple[str, ...] = field(default=(), repr=False)
    taus: np.ndarray = field(default_factory=lambda: np.ones(1, np.float32))
    after: np.ndarray | None = field(default=None, repr=False)
    before: np.ndarray | None = field(default=None, repr=False)
    edge_taus: np.ndarray = field(default_factory=lambda: np.ones(1, np.float32))
    begin_coefficients: np.ndarray | None = field(default=None, repr=False)
    end_coefficients: np.ndarray | None = field(default=None, repr=False)
    taps: int = 16
    length_exponent: float = 0.0
    name: str = "augmented bag of words"
    record: dict[str, Any] = field(default_factory=dict, repr=False)
    counts: np.ndarray | None = field(default=None, repr=False)

    kind: ClassVar[str] = "augmented-bow"  #: in a model folder's config.json

    def __post_init__(self) -> None:
        _check_counts(self.counts, self.vocabulary)
        if self.parts.ndim != 2 or len(self.parts) != len(self.vocabulary):
            raise ValueError(f"parts has shape {self.parts.shape}, should be ({len(self.vocabulary)}, C)")
        if self.taps < 1:
            raise ValueError(f"taps must be at least 1, not {self.taps}")
        n_parts = self.parts.shape[1]
        wanted: dict[str, tuple[int, ...]] = {
            "after": (len(self.modifiers), n_parts, len(self.taus)),
            "before": (len(self.modifiers), n_parts, len(self.taus)),
            "begin_coefficients": (n_parts, len(self.edge_taus)),
            "end_coefficients": (n_parts, len(self.edge_taus)),
        }
        for key, shape in wanted.items():
            value = getattr(self, key)
            if value is not None and value.shape != shape:
                raise ValueError(f"{key} has shape {value.shape}, should be {shape}")
        if self.modifiers and self.after is None:
            raise ValueError("modifiers need the coefficients of their filters: give after")

    # --- what it is made of ---------------------------------------------------------------

    @property
    def beta(self) -> np.ndarray:
        """What each word counts by itself, Σ_c β_c, (V,), in nats."""
        return self.parts.sum(1)

    @cached_property
    def _form(self) -> _Form:
        rows = np.zeros(len(self.vocabulary), np.int32)
        rows[[self.vocabulary.number(w) for w in self.modifiers]] = 1 + np.arange(len(self.modifiers))
        return _form(rows, self.taus, self.parts.shape[1], self.taps, self.edge_taus, self.length_exponent)

    @cached_property
    def _arrays(self) -> dict[str, Any]:
        p: dict[str, Any] = {"beta": self.parts, "b": self.b}
        for name in ("after", "before"):
            value = getattr(self, name)
            if value is not None and self.modifiers:
                p[name] = np.concatenate([np.zeros_like(value[:1]), value]).reshape(len(value) + 1, -1)
        for name, value in (("beginning", self.begin_coefficients), ("end", self.end_coefficients)):
            if value is not None:
                p[name] = value.T
        return p

    @property
    def part_filters(self) -> np.ndarray:
        """f_mc(k) of each modifier on the words after it, (M, C, K), k = 1..K."""
        if self.after is None:
            return np.zeros((0, self.parts.shape[1], self.taps))
        return self.after @ _basis(self.taps, self.taus).T

    @property
    def part_filters_before(self) -> np.ndarray:
        """f′_mc(k) of each modifier on the words before it, (M, C, K); zeros for one-sided modifiers."""
        if self.before is None:
            return np.zeros_like(self.part_filters)
        return self.before @ _basis(self.taps, self.taus).T

    @property
    def filters(self) -> np.ndarray:
        """f_m(k) of a model with one part, (M, K); ``ValueError`` for one with more: see :meth:`probe_filters`."""
        if self.parts.shape[1] > 1:
            raise ValueError(f"{self.name} scales {self.parts.shape[1]} parts of a valence apart: use part_filters")
        return self.part_filters[:, 0]

    def _edge_filter(self, coefficients: np.ndarray | None) -> np.ndarray:
        if self.parts.shape[1] > 1:
            raise ValueError(f"{self.name} scales {self.parts.shape[1]} parts of a valence apart: use its coefficients")
        if coefficients is None:
            return np.zeros(0)
        return _basis(int(np.ceil(5 * self.edge_taus.max())), self.edge_taus) @ coefficients[0]

    @property
    def begin(self) -> np.ndarray:
        """What the beginning adds to the factor of the first tokens (of a model with one part), until it is gone."""
        return self._edge_filter(self.begin_coefficients)

    @property
    def end(self) -> np.ndarray:
        """The same for the end, last token first."""
        return self._edge_filter(self.end_coefficients)

    def probe_filters(self, positive: Sequence[str], negative: Sequence[str]) -> np.ndarray:
        """Relative change of what probe words count at each lag after each modifier, (M, K); both signs averaged."""

        def changed(words: Sequence[str]) -> np.ndarray:
            parts = self.parts[[self.vocabulary.number(w) for w in words]].mean(0)
            return np.einsum("c,mck->mk", parts, self.part_filters) / parts.sum()

        return (changed(positive) + changed(negative)) / 2

    @property
    def n_parameters(self) -> dict[str, int]:
        """Numbers learned, by what they are for."""
        sizes = {"valence": self.parts.size + 1}
        sizes["modifiers"] = sum(v.size for v in (self.after, self.before) if v is not None)
        for name, value in (("beginning", self.begin_coefficients), ("end", self.end_coefficients)):
            sizes[name] = 0 if value is None else value.size
        return sizes

    def without(self, *parts: str) -> AugmentedBagOfWords:
        """The model with parts of it switched off (not trained again): ``modifiers``, ``beginning``, ``end``."""
        unknown = set(parts) - set(PARTS)
        if unknown:
            raise ValueError(f"no part is called {unknown.pop()!r}: choose from {', '.join(PARTS)}")
        changed: dict[str, Any] = {}
        if "modifiers" in parts:
            changed |= {"modifiers": (), "after": None, "before": None}
        if "beginning" in parts:
            changed["begin_coefficients"] = None
        if "end" in parts:
            changed["end_coefficients"] = None
        return replace(self, **changed)

    # --- running texts --------------------------------------------------------------------

    def logits_of(self, ids: Sequence[np.ndarray], progress: bool = False) -> np.ndarray:
        from tqdm.auto import tqdm

        out = np.empty(len(ids), np.float32)
        lengths = np.array([len(i) for i in ids])
        with tqdm(total=int(lengths.sum()), unit="token", disable=not progress) as bar:
            for which in batches(lengths, 128):
                padded, n = pad([ids[i] for i in which])
                out[which] = _logits(np, self._arrays, self._form, padded, n.astype(np.float32), _kept(padded, n))
                bar.update(int(n.sum()))
        return out

    def trace(self, text: str) -> Trace:
        """The logit after each token of one text, as if the text ended there."""
        tokens = tuple(tokenize(text)) or (UNKNOWN,)
        ids = self.vocabulary.encode(text)
        return Trace(tokens, self.logits_of([ids[: t + 1] for t in range(len(ids))]), float(self.b))

    def contributions(self, text: str) -> Contributions:
        """What each token of a text counts, and why."""
        tokens = tuple(tokenize(text)) or (UNKNOWN,)
        ids = self.vocabulary.encode(text)[None]
        n = np.array([ids.shape[1]], np.float32)
        gains = _gains(np, self._arrays, self._form, ids, n, np.ones(ids.shape, np.float32))
        scaled = self.parts[ids[0]].astype(float) * (TYPICAL / float(n[0])) ** self.length_exponent

        def counted(*names: str) -> np.ndarray:
            parts = [np.broadcast_to(gains[k], (1, *scaled.shape))[0] for k in names if k in gains]
            return (scaled * sum(parts, np.zeros_like(scaled))).sum(1)

        return Contributions(
            tokens, scaled.sum(1), counted("after", "before"), counted("beginning"), counted("end"), float(self.b)
        )

    # --- a model folder -------------------------------------------------------------------

    def to_arrays(self, small: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """What :func:`rnnrev.model.save` writes: settings and arrays (float16 where ``small``)."""
        kind = np.float16 if small else np.float32
        arrays = {"b": np.asarray(self.b, np.float32), "parts": self.parts.astype(kind)}
        for key in ("taus", "edge_taus"):
            arrays[key] = np.asarray(getattr(self, key), np.float32)
        for key in ("after", "before", "begin_coefficients", "end_coefficients"):
            if getattr(self, key) is not None:
                arrays[key] = getattr(self, key).astype(kind)
        settings = {"modifiers": list(self.modifiers), "taps": self.taps, "length_exponent": self.length_exponent}
        return settings, arrays


def from_arrays(
    settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray], vocabulary: Vocabulary, record: dict[str, Any]
) -> AugmentedBagOfWords:
    """The model of a folder, see :func:`rnnrev.model.load`."""
    numbers = {k: v.astype(np.float32) for k, v in arrays.items() if k not in ("b", "counts")}
    return AugmentedBagOfWords(
        b=float(arrays["b"]), vocabulary=vocabulary, modifiers=tuple(settings["modifiers"]), taps=settings["taps"],
        length_exponent=settings["length_exponent"], name=settings["name"], record=record,
        counts=arrays.get("counts"), **numbers,
    )  # fmt: skip


def _kept(padded: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return (np.arange(padded.shape[1]) < lengths[:, None]).astype(np.float32)


# --- training ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class AugmentedConfig:
    """Everything that decides a training run; stored with its result."""

    data: str = "imdb"  #: data set (or file) with the labels to learn
    extra: tuple[str, ...] = ()  #: data sets whose training texts are added
    soft_labels: str = "none"  #: file that ``rnnrev label`` wrote: adds the unlabelled reviews
    vectors: str = "none"  #: word vectors (.npz) as a prior on valence, β = E θ + δ; none for none
    ranking: str = "gru-imdb"  #: network whose ranking of modifiers (chapter 3) is taken
    n_modifiers: int = 1000  #: M; 0 for none
    two_sided: bool = True  #: modifiers act on the words before them too
    beginning: bool = True
    end: bool = True
    n_parts: int = 4  #: C, parts of a word's valence
    taps: int = 24  #: K, length of a modifier's filters in tokens
    taus: tuple[float, ...] = (1.0, 3.0, 10.0)  #: decay times that a modifier's filters are made of, in tokens
    edge_taus: tuple[float, ...] = (3.0, 12.0, 50.0)  #: the same for the two ends
    length_exponent: float = 0.5  #: α, see :class:`AugmentedBagOfWords`
    beta_l2: float = 1e-3  #: penalty on Σ β² (on Σ δ² with vectors)
    filter_l2: float = 1e-3  #: penalty on Σ a² over modifiers
    edge_l2: float = 1e-2  #: the same for the two ends
    vocabulary_size: int = 20_000
    epochs: int = 4
    batch_size: int = 128
    max_tokens: int = 400  #: longer training texts are cropped at random; 0 for whole ones
    learning_rate: float = 4e-3
    clip_norm: float = 1.0
    word_dropout: float = 0.0
    label_smoothing: float = 0.0
    validation_share: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "n_parts", "taps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if min(self.taus, default=0) <= 0 or min(self.edge_taus, default=0) <= 0:
            raise ValueError("taus and edge_taus need decay times above 0")
        for name in ("beta_l2", "filter_l2", "edge_l2", "n_modifiers", "length_exponent"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, it is {getattr(self, name)}")
        for name in ("word_dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), not {getattr(self, name)}")


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


def ranked_modifiers(model: Any, n: int) -> tuple[str, ...]:
    """The n words that modify most in running text, by a network's own effects (chapter 3).

    Words are ranked by the size of their finite effect on the probe words (``rms``) times how often they stand in the
    training texts: a bag of words gains more from a mild modifier in every sentence than from a strong one that is
    rare. Nothing but training text decides: no list, no test set.
    """
    from .linear import operating_point
    from .modifiers import modifier_effects

    table = modifier_effects(operating_point(model))
    order = np.argsort(-(table.rms * table.per_million).to_numpy(), kind="stable")
    return tuple(table.word.iloc[order[:n]])


class _Trainee:
    """The model while it is trained: TensorFlow variables, for the training step of :mod:`rnnrev.train`."""

    def __init__(
        self, config: AugmentedConfig, vocabulary: Vocabulary, modifiers: Sequence[str], vectors: np.ndarray | None
    ) -> None:
        import keras

        self.config, self.vocabulary, self.modifiers = config, vocabulary, tuple(modifiers)
        rng = np.random.default_rng([config.seed, 31])
        c, n_words, n_modifiers = config.n_parts, len(vocabulary), len(self.modifiers)
        start: dict[str, np.ndarray] = {"delta": np.zeros((n_words, c)), "b": np.zeros(())}
        self.vectors = None
        if vectors is not None:
            import tensorflow as tf

            self.vectors = tf.constant(vectors, tf.float32)
            start["theta"] = np.zeros((vectors.shape[1], c))
        if c > 1:  # parts that start alike would stay alike
            for name in {"delta", "theta"} & start.keys():
                start[name] = rng.normal(0, 0.05, start[name].shape)
        rows = np.zeros(n_words, np.int32)
        if n_modifiers:
            rows[[vocabulary.number(w) for w in self.modifiers]] = 1 + np.arange(n_modifiers)
            for name in ("after", "before") if config.two_sided else ("after",):
                start[name] = np.zeros((n_modifiers, c * len(config.taus)))
        for name in ("beginning", "end"):
            if getattr(config, name):
                start[name] = np.zeros((len(config.edge_taus), c))
        self.form = _form(rows, config.taus, c, config.taps, config.edge_taus, config.length_exponent)
        self.variables = {k: keras.Variable(v.astype(np.float32), name=k) for k, v in start.items()}
        self.trainable_variables = list(self.variables.values())

    def _parameters(self) -> dict[str, Any]:
        import tensorflow as tf

        p = {k: tf.convert_to_tensor(v) for k, v in self.variables.items()}
        p["beta"] = p.pop("delta")
        if self.vectors is not None:
            p["beta"] += tf.matmul(self.vectors, p.pop("theta"))
        for name in {"after", "before"} & p.keys():
            p[name] = tf.pad(p[name], [[1, 0], [0, 0]])  # row 0: no modifier
        return p

    def logits(self, ids: Any, lengths: Any, seed: Any) -> Any:
        """Training logits (B, 1); ``seed`` (2,) decides which words are dropped out."""
        import tensorflow as tf
        from keras import ops

        kept = tf.sequence_mask(lengths, tf.shape(ids)[1])
        if self.config.word_dropout:
            kept &= tf.random.stateless_uniform(tf.shape(ids), seed) >= self.config.word_dropout
        kept = tf.cast(kept, tf.float32)
        return _logits(ops, self._parameters(), self.form, ids, tf.cast(lengths, tf.float32), kept)[:, None]

    def penalty(self) -> Any:
        import tensorflow as tf

        c = self.config
        rates = {"delta": c.beta_l2, "after": c.filter_l2, "before": c.filter_l2}
        rates |= {"beginning": c.edge_l2, "end": c.edge_l2}
        return sum(
            rate * tf.reduce_sum(tf.square(tf.convert_to_tensor(self.variables[k])))
            for k, rate in rates.items()
            if k in self.variables
        )

    def to_model(self, name: str) -> AugmentedBagOfWords:
        v, c = {k: np.asarray(x) for k, x in self.variables.items()}, self.config
        parts = v["delta"] if self.vectors is None else v["delta"] + self.vectors.numpy() @ v["theta"]
        coefficients: dict[str, Any] = {
            k: v[k].reshape(len(self.modifiers), c.n_parts, len(c.taus)) for k in ("after", "before") if k in v
        }
        return AugmentedBagOfWords(
            parts, float(v["b"]), self.vocabulary, self.modifiers, np.array(c.taus, np.float32),
            edge_taus=np.array(c.edge_taus, np.float32),
            begin_coefficients=v["beginning"].T if "beginning" in v else None,
            end_coefficients=v["end"].T if "end" in v else None,
            taps=c.taps, length_exponent=c.length_exponent, name=name, **coefficients,
        )  # fmt: skip


class _Corpus(NamedTuple):
    """Training texts as token numbers: the reviews, and what is added to them."""

    vocabulary: Vocabulary
    ids: list[np.ndarray]
    extra: tuple[Reviews, ...]
    extra_ids: list[np.ndarray]
    extra_labels: np.ndarray  #: 0, 1, or probabilities


def _corpus(reviews: Reviews, config: AugmentedConfig) -> _Corpus:
    from .train import load_soft_labels

    if set(np.unique(reviews.labels)) != {0, 1}:
        raise ValueError(f"training needs labels 0 and 1, found {np.unique(reviews.labels).tolist()}")
    extra = [load_reviews(name, "train") for name in config.extra]
    labels = [np.empty(0), *(part.labels for part in extra)]
    if config.soft_labels != "none":
        taught, targets = load_soft_labels(config.soft_labels)
        extra.append(taught)
        labels.append(targets)
    vocabulary = Vocabulary.fit(reviews.texts, config.vocabulary_size)
    more = vocabulary.encode_all(t for part in extra for t in part.texts)
    return _Corpus(vocabulary, vocabulary.encode_all(reviews.texts), tuple(extra), more, np.concatenate(labels))


def train_augmented(
    config: AugmentedConfig,
    out: str | os.PathLike[str] | None = None,
    *,
    modifiers: Sequence[str] | None = None,
    reviews: Reviews | None = None,
    test: Reviews | None = None,
    corpus: _Corpus | None = None,
    compact: bool = False,
    progress: bool = True,
) -> AugmentedBagOfWords:
    """Train an augmented bag of words in TensorFlow, keep the epoch that is best on held-out training reviews.

    Parameters
    ----------
    config : AugmentedConfig
    out : path, optional
        Model folder to write.
    modifiers : list of str, optional
        Instead of the first ``config.n_modifiers`` of ``config.ranking``. Words that are not in the vocabulary are
        left out.
    reviews, test : Reviews, optional
        Instead of ``config.data``'s training and test splits.
    corpus : optional
        The same texts as token numbers, where they are at hand from another run on them.
    compact : bool
        Ship float16; the record is of what is shipped.

    Returns
    -------
    AugmentedBagOfWords
        With its ``record``, as :func:`rnnrev.train.train` makes it.

    Raises
    ------
    ValueError
        Labels that are not 0 and 1, or a loss that is not finite.
    """
    import keras
    import tensorflow as tf

    from .train import _compiled_step, _epoch, _load_vectors, adam, evaluate

    started = time.time()
    keras.utils.set_random_seed(config.seed)
    if reviews is None:
        reviews = load_reviews(config.data, "train")
        if test is None and config.data in ("imdb", "yelp_polarity"):
            test = load_reviews(config.data, "test")
    corpus = _corpus(reviews, config) if corpus is None else corpus
    vocabulary = corpus.vocabulary
    held = split_validation(len(reviews), config.validation_share, config.seed)
    validation, val_ids = reviews.take(held), [corpus.ids[i] for i in np.flatnonzero(held)]
    ids = [corpus.ids[i] for i in np.flatnonzero(~held)] + corpus.extra_ids
    labels = np.concatenate([reviews.labels[~held], corpus.extra_labels]).astype(np.float32)
    counts = np.bincount(np.concatenate(ids), minlength=len(vocabulary)).astype(np.uint32)
    if modifiers is None:
        modifiers = ranked_modifiers(_network(config.ranking), config.n_modifiers) if config.n_modifiers else ()
    modifiers = [w for w in modifiers if w in vocabulary][: config.n_modifiers]
    vectors = None
    if config.vectors != "none":
        with np.load(config.vectors, allow_pickle=False) as stored:
            size = int(stored["vectors"].shape[1])
        vectors = _load_vectors(config.vectors, vocabulary, size)

    name = f"augmented-bow-{reviews.name}"
    network = _Trainee(config, vocabulary, modifiers, vectors)
    steps = config.epochs * (-(-len(ids) // config.batch_size))
    optimizer = adam(network.trainable_variables, steps, config.learning_rate, config.clip_norm)
    step = _compiled_step(network, optimizer, config)  # type: ignore[arg-type]

    curve: list[dict[str, float]] = []
    best = network.to_model(name)
    for epoch in range(config.epochs):
        row = _epoch(step, ids, labels, config, epoch, progress)  # type: ignore[arg-type]
        now = network.to_model(name)
        if len(validation):
            row["validation_accuracy"] = float(np.mean((now.logits_of(val_ids) > 0) == validation.labels))
        curve.append(row)
        if not len(validation) or row["validation_accuracy"] >= max(r["validation_accuracy"] for r in curve):
            best = now
    model: Any = replace(best, counts=counts)  # save, load and evaluate name the models of rnnrev.model only
    if out is not None:
        model = load(save(model, out, compact=compact))  # what is shipped is evaluated
    record = {
        "config": dataclasses.asdict(config),
        "command": " ".join(["rnnrev", *sys.argv[1:]]) if sys.argv[0].endswith("rnnrev") else None,
        "data": [
            {"name": r.name, "split": r.split, "texts": len(r), "sha256": r.fingerprint}
            for r in (reviews, *corpus.extra)
        ],
        "training_texts": len(ids),
        "training_tokens": int(sum(map(len, ids))),
        "parameters": model.n_parameters,
        "curve": curve,
        "best_epoch": int(np.argmax([r["validation_accuracy"] for r in curve])) + 1 if len(validation) else None,
        "validation": evaluate(model, validation, val_ids) if len(validation) else None,
        "test": evaluate(model, test) if test is not None else None,
        "seconds": round(time.time() - started, 1),
        "versions": {
            "rnnrev": __version__, "python": platform.python_version(), "tensorflow": tf.__version__,
            "keras": keras.__version__, "numpy": np.__version__, "cores": os.cpu_count(),
        },
    }  # fmt: skip
    model = replace(model, record=record)
    if out is not None:
        save(model, out, compact=compact)
    return model


def _network(name: str) -> Any:
    from pathlib import Path

    from . import zoo

    return load(name) if Path(name).is_dir() else zoo.load(name)


# --- how much of the gap ----------------------------------------------------------------------


def _resampled(groups: Sequence[np.ndarray], n: int, seed: int) -> list[np.ndarray]:
    """Accuracies (n,) of groups of models (seeds, reviews) on n draws of reviews, the same for all, and of seeds."""
    # reviews on which all models do alike are one kind: draw how many of each kind, not which
    pattern, count = np.unique(np.concatenate(groups), axis=1, return_counts=True)
    rng = np.random.default_rng([seed, 43])
    drawn = rng.multinomial(count.sum(), count / count.sum(), n) / count.sum()
    split = np.split(drawn @ pattern.T, np.cumsum([len(g) for g in groups])[:-1], axis=1)
    return [np.take_along_axis(x, rng.integers(x.shape[1], size=x.shape), 1).mean(1) for x in split]


def accuracy_gain(before: np.ndarray, after: np.ndarray, *, n: int = 2000, seed: int = 0) -> Estimate:
    """Accuracy of one kind of model minus that of another; arrays, draws and interval as in :func:`gap_share`."""
    groups = [np.atleast_2d(np.asarray(g, bool)) for g in (before, after)]
    a, b = _resampled(groups, n, seed)
    low, high = np.quantile(b - a, [0.025, 0.975])
    return Estimate(float(groups[1].mean() - groups[0].mean()), float(low), float(high))


def gap_share(bag: np.ndarray, augmented: np.ndarray, network: np.ndarray, *, n: int = 2000, seed: int = 0) -> Estimate:
    """Share of the gap recovered, (augmented − bag)/(network − bag) in accuracy, with its 95 % interval.

    Parameters
    ----------
    bag, augmented, network : array of bool, (seeds, reviews)
        Which reviews each trained model classifies rightly; the same reviews, any number of seeds.
    n : int
        Bootstrap samples: reviews are drawn with replacement, the same for all models, and so are the seeds of each.

    Raises
    ------
    ValueError
        Different reviews, or a network that is no better than the bag: there is no gap to recover.
    """
    groups = [np.atleast_2d(np.asarray(g, bool)) for g in (bag, augmented, network)]
    if len({g.shape[1] for g in groups}) != 1:
        raise ValueError(f"all models must be scored on the same reviews: {[g.shape[1] for g in groups]}")
    means = [float(g.mean()) for g in groups]
    if means[2] <= means[0]:
        raise ValueError(f"no gap: the network has {means[2]:.2%}, the bag of words {means[0]:.2%}")
    a, b, c = _resampled(groups, n, seed)
    low, high = np.quantile((b - a) / (c - a), [0.025, 0.975])
    return Estimate((means[1] - means[0]) / (means[2] - means[0]), float(low), float(high))


# --- what chapter 6 measures ------------------------------------------------------------------


def train_steps(
    config: AugmentedConfig,
    folder: str | os.PathLike[str],
    seeds: Sequence[int] = (0, 1, 2),
    steps: Mapping[str, Mapping[str, Any]] = STEPS,
    *,
    test: Reviews | None = None,
    progress: bool = True,
) -> dict[str, list[AugmentedBagOfWords]]:
    """Train every step with every seed, on the same texts; step -> one model a seed.

    Models are kept in ``folder``: a run that was stopped goes on with those that are not there yet. They are scored on
    ``test`` if there is one.
    """
    from pathlib import Path

    from .train import evaluate

    reviews = load_reviews(config.data, "train")
    corpus, words = None, None
    made: dict[str, list[AugmentedBagOfWords]] = {}
    for number, (step, changes) in enumerate(steps.items()):
        made[step] = []
        for seed in seeds:
            wanted = replace(config, **changes, seed=seed)
            place = Path(folder) / f"step{number}-seed{seed}"
            model: Any = load(place) if (place / "config.json").is_file() else None
            if model is None or model.record["config"] != _as_json(wanted):
                corpus = _corpus(reviews, config) if corpus is None else corpus
                if words is None:
                    most = max(replace(config, **c).n_modifiers for c in steps.values())
                    words = ranked_modifiers(_network(config.ranking), most)
                model = train_augmented(
                    wanted, place, modifiers=words, reviews=reviews, test=test, corpus=corpus, compact=True,
                    progress=progress,
                )  # fmt: skip
            if test is not None and model.record["test"] is None:
                model.record["test"] = evaluate(model, test)
                save(model, place, compact=True)
            made[step].append(model)
    return made


def _as_json(config: AugmentedConfig) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(config).items()}


def yardsticks(reviews: Reviews, test: Reviews, validation_share: float = 0.1, seed: int = 0) -> list[dict[str, Any]]:
    """n-gram models of scikit-learn: name, accuracy on ``test`` with its interval, and the regularization chosen.

    Unigram to trigram logistic regression on word presence, and NB-SVM (Wang & Manning 2012: presence times
    naive-Bayes log-count ratio into a linear SVM) on uni- and bigrams. C is chosen on held-out training reviews.
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    held = split_validation(len(reviews), validation_share, seed)
    rows = []
    for name, n, bayes in (
        ("unigram logistic regression", 1, False),
        ("bigram logistic regression", 2, False),
        ("trigram logistic regression", 3, False),
        ("NB-SVM with bigrams", 2, True),
    ):
        count = CountVectorizer(
            tokenizer=tokenize, token_pattern=None, lowercase=False, ngram_range=(1, n), min_df=2, binary=True
        )
        seen, scored = count.fit_transform(reviews.texts).astype(float), count.transform(test.texts).astype(float)
        if bayes:
            fit, labels = seen[~held], reviews.labels[~held]
            share = [np.asarray(fit[labels == c].sum(0)).ravel() + 1 for c in (0, 1)]
            ratio = sparse.diags(np.log(share[1] / share[1].sum()) - np.log(share[0] / share[0].sum()))
            seen, scored = (seen @ ratio).tocsr(), (scored @ ratio).tocsr()

        def fitted(c: float, seen: Any = seen, bayes: bool = bayes) -> Any:
            made = LinearSVC(C=c) if bayes else LogisticRegression(C=c, solver="liblinear")
            return made.fit(seen[~held], reviews.labels[~held])

        tried = {c: fitted(c) for c in ((0.001, 0.01, 0.1) if bayes else (0.01, 0.03, 0.1, 0.3))}
        best = max(tried, key=lambda c: tried[c].score(seen[held], reviews.labels[held]))
        estimate = stats.accuracy(tried[best].predict(scored), test.labels)
        rows.append(
            {"name": name, "C": best, "features": seen.shape[1], "accuracy": estimate.value,
             "interval95": [estimate.low, estimate.high]}
        )  # fmt: skip
    return rows


#: Connectives that announce a turn; used to sort reviews into kinds, never to train.
CONTRAST_WORDS = ("but", "however", "although", "though", "despite", "yet", "nevertheless", "nonetheless", "still")


def review_kinds(
    ids: Sequence[np.ndarray], vocabulary: Vocabulary, beta: np.ndarray, modifiers: Sequence[str]
) -> dict[str, np.ndarray]:
    """What kind of review each is, (n,) each, from the words alone.

    Parameters
    ----------
    ids : list of arrays
        Token numbers.
    beta : array, (V,)
        Valences in nats, of a plain bag of words.
    modifiers : list of str
        Words to count as modifiers.

    Returns
    -------
    dict
        ``length`` in tokens; ``contrast words`` and ``modifiers`` per 100 tokens; ``mixed opinions``, 0 if all valences
        have one sign and 1 if they cancel; ``turn``, where in the review, from 0 to 1, the running sum of valences
        changes its sign for the last time.
    """
    marks = {"contrast words": CONTRAST_WORDS, "modifiers": modifiers}
    kinds: dict[str, np.ndarray] = {"length": np.array([len(i) for i in ids])}
    for name, words in marks.items():
        is_mark = np.isin(np.arange(len(vocabulary)), [vocabulary.number(w) for w in words if w in vocabulary])
        kinds[name] = np.array([100 * is_mark[i].mean() for i in ids])
    mixed, turn = [], []
    for i in ids:
        value = beta[i]
        mixed.append(1 - abs(value.sum()) / max(np.abs(value).sum(), 1e-9))
        running = np.sign(np.cumsum(value))
        changed = np.flatnonzero(running != running[-1])
        turn.append((changed[-1] + 1) / len(i) if len(changed) else 0.0)
    return kinds | {"mixed opinions": np.array(mixed), "turn": np.array(turn)}


def missing_part(
    kinds: Mapping[str, np.ndarray], augmented: np.ndarray, network: np.ndarray, bins: int = 4
) -> list[dict[str, Any]]:
    """Where the network is right and the augmented bag is not: accuracy of both, by kind of review.

    Parameters
    ----------
    kinds : dict
        From :func:`review_kinds`.
    augmented, network : array of bool, (n,)
        Which reviews each classifies rightly.
    bins : int
        Groups of like size for each kind (fewer where values tie).

    Returns
    -------
    list of dict
        ``kind``, ``range`` [low, high], ``texts``, ``augmented`` and ``network`` accuracy, ``lead`` of the network with
        ``interval95`` (bootstrap over reviews, paired), ``only_network`` and ``only_augmented`` shares right.
    """
    rows = []
    for kind, value in kinds.items():
        edges = np.unique(np.quantile(value, np.linspace(0, 1, bins + 1)[1:-1]))
        group = np.searchsorted(edges, value, side="right")
        for g in np.unique(group):
            a, b = augmented[group == g], network[group == g]
            lead = stats.bootstrap(b.astype(float) - a.astype(float))
            rows.append(
                {"kind": kind, "range": [float(value[group == g].min()), float(value[group == g].max())],
                 "texts": len(a), "augmented": float(a.mean()), "network": float(b.mean()), "lead": lead.value,
                 "interval95": [lead.low, lead.high], "only_network": float((b & ~a).mean()),
                 "only_augmented": float((a & ~b).mean())}
            )  # fmt: skip
    return rows


class Agreement(NamedTuple):
    """Learned filters beside the network's own transients; curves (words, K), lag 1 first, as relative changes.

    ``correlation`` over words of what they do to the next word (Spearman); ``curves`` over all lags and words
    (Pearson); ``signs`` share of words whose effects on the next word have the same sign, and ``chance`` what that
    share is when words are paired at random; ``size`` median ratio of the learned effect on the next word to the
    network's. Each with its interval over words.
    """

    words: tuple[str, ...]
    learned: np.ndarray
    network: np.ndarray
    correlation: Estimate
    curves: Estimate
    signs: Estimate
    chance: float
    size: Estimate


def filter_agreement(bag: AugmentedBagOfWords, point: Any, words: Sequence[str], n_boot: int = 1000) -> Agreement:
    """Compare a bag's filters with the network's :func:`rnnrev.modifiers.transients` after the same modifiers.

    Both as relative changes of what the network's probe words count, positive and negative ones averaged.
    """
    from scipy.stats import spearmanr

    from .modifiers import probe_words, transients

    probes = probe_words(point)
    chosen = tuple(w for w in words if w in bag.modifiers)
    network = transients(point, chosen, n_steps=bag.taps - 1, probes=probes).gain
    positive, negative = ([w for w, s in zip(probes.words, probes.sign) if s == sign] for sign in (1, -1))
    learned = bag.probe_filters(positive, negative)[[bag.modifiers.index(w) for w in chosen]]
    drawn = np.random.default_rng(47).integers(len(chosen), size=(n_boot, len(chosen)))

    def over_words(statistic: Callable[[np.ndarray], Any]) -> Estimate:
        low, high = np.nanquantile([statistic(i) for i in drawn], [0.025, 0.975])
        return Estimate(float(statistic(np.arange(len(chosen)))), float(low), float(high))

    up = np.array([(learned[:, 0] > 0).mean(), (network[:, 0] > 0).mean()])
    return Agreement(
        chosen, learned, network,
        over_words(lambda i: spearmanr(learned[i, 0], network[i, 0])[0]),
        over_words(lambda i: np.corrcoef(learned[i].ravel(), network[i].ravel())[0, 1]),
        over_words(lambda i: np.mean(np.sign(learned[i, 0]) == np.sign(network[i, 0]))),
        float(up.prod() + (1 - up).prod()),
        over_words(lambda i: np.median(learned[i, 0] / network[i, 0])),
    )  # fmt: skip


#: One extension of the full model taken away, or one choice made otherwise: name -> what changes.
ABLATIONS: dict[str, dict[str, Any]] = {
    "full model": {},
    "one part": {"n_parts": 1},
    "eight parts": {"n_parts": 8},
    "modifiers act on later words only": {"two_sided": False},
    "no beginning, no end": {"beginning": False, "end": False},
    "no length exponent": {"length_exponent": 0.0},
    "no word vectors": {"vectors": "none", "beta_l2": 1e-4},
    "no soft labels": {"soft_labels": "none"},
    "with the phrases of SST-2": {"extra": ("sst2",)},
    "300 modifiers": {"n_modifiers": 300},
    "100 modifiers": {"n_modifiers": 100},
    "filters of 8 tokens": {"taps": 8},
}


def ablations(
    config: AugmentedConfig, folder: str | os.PathLike[str], validation_share: float = 0.2, progress: bool = True
) -> list[dict[str, Any]]:
    """What each choice is worth on held-out training reviews: name, accuracy with interval, difference (paired).

    The test set has no part in it. Soft labels come from teachers that were trained on all training reviews, held-out
    ones too, so that accuracies are a little high; their differences are what counts.
    """
    base = replace(config, validation_share=validation_share)
    reviews = load_reviews(config.data, "train")
    held = reviews.take(split_validation(len(reviews), validation_share, config.seed))
    rows: list[dict[str, Any]] = []
    right: dict[str, np.ndarray] = {}
    for number, (name, changes) in enumerate(ABLATIONS.items()):
        place = os.path.join(os.fspath(folder), f"ablation{number}")
        made = train_steps(replace(base, **changes), place, [config.seed], {name: {}}, progress=progress)
        right[name] = made[name][0].classify(held.texts) == held.labels
        score = stats.accuracy(right[name], np.ones(len(held), bool))
        change = stats.bootstrap(right[name].astype(float) - right["full model"].astype(float))
        rows.append(
            {"name": name, "changes": changes, "accuracy": score.value, "interval95": [score.low, score.high],
             "change": change.value, "change95": [change.low, change.high], "texts": len(held)}
        )  # fmt: skip
    return rows


def measure(
    folder: str | os.PathLike[str],
    config: AugmentedConfig,
    networks: Sequence[str] = ("gru-imdb", "gru-imdb-1", "gru-imdb-2"),
    seeds: Sequence[int] = (0, 1, 2),
    progress: bool = True,
) -> dict[str, Any]:
    """Everything that chapter 6 says about full data, written as the record ``augmented-bow`` part by part.

    Parameters
    ----------
    folder : path
        Where trained models are kept; with all of them there, measuring takes minutes.
    networks : list of str
        Shipped networks, the seeds of one recipe; the first is the best one.
    """
    from . import zoo
    from .files import write_record
    from .linear import operating_point
    from .modifiers import modifier_effects

    test = load_reviews(config.data, "test")
    made = train_steps(config, os.path.join(folder, "steps"), seeds, test=test, progress=progress)
    shipped = zoo.load("bow-imdb")
    ids = shipped.vocabulary.encode_all(test.texts)

    def right(models: Sequence[Any]) -> np.ndarray:
        return np.stack([(m.logits_of(ids) > 0) == (test.labels == 1) for m in models])

    scores = {step: right(models) for step, models in made.items()}
    network, bag = right([zoo.load(n) for n in networks]), right([shipped])
    first = scores[next(iter(STEPS))]

    def accuracy(r: np.ndarray) -> dict[str, Any]:
        over_reviews = stats.accuracy(r[0], np.ones(r.shape[1], bool))
        return {
            "accuracies": r.mean(1).tolist(), "accuracy": float(r.mean()),
            "over_seeds95": list(stats.over_seeds(r.mean(1))[1:]),
            "over_reviews95": [over_reviews.low, over_reviews.high],
        }  # fmt: skip

    record: dict[str, Any] = {
        "what": "chapter 6: the augmented bag of words",
        "data": {"name": test.name, "split": test.split, "texts": len(test), "sha256": test.fingerprint},
        "config": _as_json(config), "seeds": list(seeds), "networks": list(networks),
        "network": accuracy(network), "shipped_bag": accuracy(bag),
        "steps": [
            {
                "step": step, **accuracy(scores[step]), "parameters": models[0].n_parameters,
                "seconds": [m.record["seconds"] for m in models],
                # of the gap between the same bag, trained on the same texts and vectors, and the networks
                "share": None if scores[step] is first else list(gap_share(first, scores[step], network)),
                "share_best": None if scores[step] is first else list(gap_share(first, scores[step], network[:1])),
                # of the gap between chapter 1's bag and the networks
                "share_shipped": list(gap_share(bag, scores[step], network)),
                "share_shipped_best": list(gap_share(bag, scores[step], network[:1])),
            }
            for step, models in made.items()
        ],
    }  # fmt: skip
    record["gains"] = {
        f"{before} → {after}": list(accuracy_gain(scores[before], scores[after]))
        for before, after in (*pairwise(STEPS), ("+ modifiers", "+ end"), ("+ end", "+ parts"))
    }
    write_record("augmented-bow", record)

    point = operating_point(zoo.load(networks[0]))
    table = modifier_effects(point)
    ranked = table[table.strength > 0].word.tolist()
    # chapter 3's strongest modifiers: the words that a bag of words cannot deal with
    kinds = review_kinds(ids, shipped.vocabulary, shipped.beta, ranked[:100])
    record["missing"], record["disagree"], record["agreement"] = {}, {}, {}
    record["two_networks"] = float((network[0] & ~network[1]).mean() + (network[1] & ~network[0]).mean()) / 2
    for step in ("+ end", "+ parts"):
        ours = scores[step][0]
        record["missing"][step] = missing_part(kinds, ours, network[0])
        record["disagree"][step] = {
            "only_network": float((network[0] & ~ours).mean()), "only_augmented": float((ours & ~network[0]).mean())
        }  # fmt: skip
        # as many that raise what words count as that lower it, so that signs can agree by more than chance
        known = table[table.word.isin(made[step][0].modifiers) & (table.strength > 0)]
        words = [w for side in (known[known.gain < 0], known[known.gain > 0]) for w in side.word[:20]]
        agreement = filter_agreement(made[step][0], point, words)
        record["agreement"][step] = {
            k: v.round(5).tolist() if isinstance(v, np.ndarray) else v for k, v in agreement._asdict().items()
        }
    write_record("augmented-bow", record)

    record["ablations"] = ablations(config, os.path.join(folder, "ablations"), progress=progress)
    write_record("augmented-bow", record)
    record["yardsticks"] = yardsticks(load_reviews(config.data, "train"), test)
    write_record("augmented-bow", record)
    record["sst2"] = _sentences(config, os.path.join(folder, "sst2"), zoo.load(networks[0]), progress)
    write_record("augmented-bow", record)
    return record


def _sentences(config: AugmentedConfig, folder: str, network: Any, progress: bool) -> list[dict[str, Any]]:
    """The steps on SST-2's sentences, trained on its phrases, beside the network and chapter 1's bag of words."""
    from . import zoo

    test = load_reviews("sst2", "validation")
    wanted = replace(config, data="sst2", soft_labels="none", extra=())
    made = train_steps(wanted, folder, [config.seed], test=test, progress=progress)
    models = {step: m[0] for step, m in made.items()} | {"shipped bag": zoo.load("bow-imdb"), network.name: network}
    rows = []
    for name, model in models.items():
        score = stats.accuracy(model.classify(test.texts), test.labels)
        rows.append({"name": name, "accuracy": score.value, "interval95": [score.low, score.high], "texts": len(test)})
    return rows


def steps_table(record: Mapping[str, Any]) -> Any:
    """The steps of :func:`measure`'s record as a pandas table of text: accuracy, shares of the gap, numbers learned."""
    import pandas as pd

    def share(values: Sequence[float] | None) -> str:
        return "" if values is None else Estimate(*values).format(".0%")

    return pd.DataFrame(
        [
            {
                "step": row["step"],
                "test accuracy": f"{row['accuracy']:.2%}",
                "share of the gap": share(row["share"]),
                "of that to the best network": share(row["share_best"]),
                "from chapter 1's bag": share(row["share_shipped"]),
                "numbers in filters": f"{sum(row['parameters'].values()) - row['parameters']['valence']:,}",
            }
            for row in record["steps"]
        ]
    )
