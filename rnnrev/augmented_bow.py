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

import dataclasses
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .config import FitConfig
from .data import UNKNOWN, Reviews, Vocabulary, batches, load_reviews, pad, split_validation, tokenize
from .linear import OperatingPoint
from .model import Classifier, Trace, evaluate
from .zoo import load, save

if TYPE_CHECKING:
    import tensorflow as tf

__all__ = [
    "PARTS", "STEPS", "TYPICAL", "AugmentedBagOfWords", "AugmentedConfig", "Contributions", "ranked_modifiers",
    "train_augmented",
]  # fmt: skip

TYPICAL = 250  #: tokens of a review whose sum a length exponent leaves as it is

#: What can be switched off in a trained model, see :meth:`AugmentedBagOfWords.without`.
PARTS = ("modifiers", "beginning", "end")


# --- the formula, for NumPy and TensorFlow alike ----------------------------------------------


@dataclass(frozen=True, eq=False)
class _Form:
    """What is fixed before training: which words are modifiers, and the make of the filters."""

    rows: np.ndarray  #: (V,) row of each word in the filter arrays; row 0 is no modifier
    kernel: np.ndarray  #: (K, C·P, C) float32: coefficients to gains, exp(−(k − 1)/τ_p) where the part is the same
    edge_taus: np.ndarray  #: (P_e,) float32
    length_exponent: float


def _basis(n: int, taus: Sequence[float] | np.ndarray) -> np.ndarray:
    """exp(−k/τ_p) for k = 0..n − 1, (n, P)."""
    return np.exp(-np.arange(n)[:, None] / np.asarray(taus, float))


def _convolve(ops: ModuleType, a: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Σ_j a_{t+j} kernel_j wherever all of it is there: (B, T, Q), (K, Q, C) -> (B, T − K + 1, C)."""
    if ops is np:
        n = a.shape[1] - len(kernel) + 1
        return sum((a[:, j : j + n] @ k for j, k in enumerate(kernel)), np.zeros(1, np.float32))
    return ops.conv(a, kernel, data_format="channels_last")


def _gains(
    ops: ModuleType, p: Mapping[str, np.ndarray], form: _Form, ids: np.ndarray, lengths: np.ndarray, kept: np.ndarray
) -> dict[str, np.ndarray]:
    """What each part adds to the factor of each token's valence, (B, T, C) or (T, C).

    ``ids`` (B, T); ``lengths`` (B,) float32; ``kept`` (B, T) float32, 0 for padding. Arrays or tensors, as ``ops``.
    """
    taps = len(form.kernel)
    gains: dict[str, np.ndarray] = {}
    for name in ("after", "before"):
        if name not in p:
            continue
        a = ops.take(p[name], ops.take(form.rows, ids, axis=0), axis=0) * kept[..., None]
        if name == "after":  # of the K tokens before t
            padded = ops.pad(a, [[0, 0], [taps, 0], [0, 0]])
            gains[name] = _convolve(ops, padded, form.kernel[::-1])[:, :-1]
        else:
            padded = ops.pad(a, [[0, 0], [0, taps], [0, 0]])
            gains[name] = _convolve(ops, padded, form.kernel)[:, 1:]
    t = ops.arange(ops.shape(ids)[1], dtype="float32")
    if "beginning" in p:
        gains["beginning"] = ops.exp(-t[:, None] / form.edge_taus) @ p["beginning"]
    if "end" in p:
        left = ops.maximum(lengths[:, None] - 1 - t, 0)
        gains["end"] = ops.exp(-left[..., None] / form.edge_taus) @ p["end"]
    return gains


def _logits(
    ops: ModuleType, p: Mapping[str, np.ndarray], form: _Form, ids: np.ndarray, lengths: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """Logits (B,); arguments as in :func:`_gains`."""
    factor = 1 + sum(_gains(ops, p, form, ids, lengths, kept).values())
    counts = ops.sum(ops.take(p["beta"], ids, axis=0) * factor, axis=-1) * kept
    return ops.sum(counts, axis=1) * (TYPICAL / lengths) ** form.length_exponent + p["b"]


# --- the model --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Contributions:
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
class AugmentedBagOfWords(Classifier):
    """A bag of words with modifiers, a beginning and an end; see the module's text for the formula."""

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

    kind: ClassVar[str] = "augmented-bow"  #: in a model's file

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.parts.ndim != 2 or len(self.parts) != len(self.vocabulary):
            raise ValueError(f"parts has shape {self.parts.shape}, should be ({len(self.vocabulary)}, C)")
        if self.taps < 1:
            raise ValueError(f"taps must be at least 1, not {self.taps}")
        of_modifiers = (len(self.modifiers), self.parts.shape[1], len(self.taus))
        of_ends = (self.parts.shape[1], len(self.edge_taus))
        wanted = dict.fromkeys(("after", "before"), of_modifiers)
        for key, shape in (wanted | dict.fromkeys(("begin_coefficients", "end_coefficients"), of_ends)).items():
            value = getattr(self, key)
            if value is not None and value.shape != shape:
                raise ValueError(f"{key} has shape {value.shape}, should be {shape}")
        if self.modifiers and self.after is None:
            raise ValueError("modifiers need the coefficients of their filters: give after")

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

    @property
    def n_parameters(self) -> dict[str, int]:
        """Numbers learned: of valences, and of each of :data:`PARTS`."""
        parts = {"modifiers": (self.after, self.before), "beginning": (self.begin_coefficients,),
                 "end": (self.end_coefficients,)}  # fmt: skip
        return {"valence": self.parts.size + 1} | {k: sum(a.size for a in v if a is not None) for k, v in parts.items()}

    def without(self, *parts: str) -> AugmentedBagOfWords:
        """The model with parts of it switched off (not trained again): ``modifiers``, ``beginning``, ``end``."""
        unknown = set(parts) - set(PARTS)
        if unknown:
            raise ValueError(f"no part is called {unknown.pop()!r}: choose from {', '.join(PARTS)}")
        made = replace(self, modifiers=(), after=None, before=None) if "modifiers" in parts else self
        made = replace(made, begin_coefficients=None) if "beginning" in parts else made
        return replace(made, end_coefficients=None) if "end" in parts else made

    # --- running texts --------------------------------------------------------------------

    @cached_property
    def _form(self) -> _Form:
        rows = np.zeros(len(self.vocabulary), np.int32)
        rows[self.vocabulary.numbers(self.modifiers)] = 1 + np.arange(len(self.modifiers))
        kernel = np.einsum("kp,cd->kcpd", _basis(self.taps, self.taus), np.eye(self.parts.shape[1]))
        flat = kernel.reshape(self.taps, -1, self.parts.shape[1]).astype(np.float32)
        return _Form(rows, flat, np.asarray(self.edge_taus, np.float32), self.length_exponent)

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        p = {"beta": self.parts, "b": np.asarray(self.b)}
        for name, value in (("after", self.after), ("before", self.before)):
            if value is not None and self.modifiers:
                p[name] = np.concatenate([np.zeros_like(value[:1]), value]).reshape(len(value) + 1, -1)
        for name, value in (("beginning", self.begin_coefficients), ("end", self.end_coefficients)):
            if value is not None:
                p[name] = value.T
        return p

    def logits_of(self, ids: Sequence[np.ndarray], progress: bool = False) -> np.ndarray:
        from tqdm.auto import tqdm

        out = np.empty(len(ids), np.float32)
        lengths = np.array([len(i) for i in ids])
        with tqdm(total=int(lengths.sum()), unit="token", disable=not progress) as bar:
            for which in batches(lengths, 128):
                padded, n = pad([ids[i] for i in which])
                kept = (np.arange(padded.shape[1]) < n[:, None]).astype(np.float32)
                out[which] = _logits(np, self._arrays, self._form, padded, n.astype(np.float32), kept)
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

    # --- a model's file -------------------------------------------------------------------

    def to_arrays(self, compact: bool) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        kind = np.float16 if compact else np.float32
        arrays = {"b": np.asarray(self.b, np.float32), "parts": self.parts.astype(kind)}
        for key in ("taus", "edge_taus"):
            arrays[key] = np.asarray(getattr(self, key), np.float32)
        for key in ("after", "before", "begin_coefficients", "end_coefficients"):
            if getattr(self, key) is not None:
                arrays[key] = getattr(self, key).astype(kind)
        settings = {"modifiers": list(self.modifiers), "taps": self.taps, "length_exponent": self.length_exponent}
        return settings, arrays

    @classmethod
    def from_arrays(
        cls, settings: Mapping[str, Any], arrays: Mapping[str, np.ndarray], vocabulary: Vocabulary, **about: Any
    ) -> AugmentedBagOfWords:
        """The model of :meth:`to_arrays`; ``about`` is what :class:`rnnrev.model.Classifier` declares."""
        numbers: dict[str, Any] = {k: v.astype(np.float32) for k, v in arrays.items() if k != "b"}
        return cls(
            b=float(arrays["b"]), vocabulary=vocabulary, modifiers=tuple(settings["modifiers"]),
            taps=settings["taps"], length_exponent=settings["length_exponent"], **numbers, **about,
        )  # fmt: skip


# --- training ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class AugmentedConfig(FitConfig):
    """Everything that decides a training run but its texts and modifiers; stored with its result."""

    extra: tuple[str, ...] = ()  #: data sets whose training texts are added
    soft_labels: str = "none"  #: file that the script for soft labels wrote: adds the unlabelled reviews
    vectors: str = "none"  #: word vectors (.npz) as a prior on valence, β = E θ + δ; none for none
    n_modifiers: int = 1000  #: M, how many of the words that are offered; 0 for none
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
    patience: int = 4
    batch_size: int = 128
    learning_rate: float = 4e-3
    validation_share: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("n_parts", "taps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if min(self.taus, default=0) <= 0 or min(self.edge_taus, default=0) <= 0:
            raise ValueError("taus and edge_taus need decay times above 0")
        for name in ("beta_l2", "filter_l2", "edge_l2", "n_modifiers", "length_exponent"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, it is {getattr(self, name)}")


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


def ranked_modifiers(point: OperatingPoint, n: int) -> tuple[str, ...]:
    """The n words that modify most in running text: by their finite effect on probe words (``rms``) times frequency.

    A bag gains more from a mild modifier in every sentence than from a strong one that is rare. Nothing but training
    text decides: no list, no test set.
    """
    from .modifiers import modifier_effects

    table = modifier_effects(point)
    order = np.argsort(-(table.rms * table.per_million).to_numpy(), kind="stable")
    return tuple(table.word.iloc[order[:n]])


def _untrained(
    config: AugmentedConfig, vocabulary: Vocabulary, modifiers: tuple[str, ...], name: str
) -> AugmentedBagOfWords:
    c = config.n_parts
    spread = 0.05 if c > 1 else 0.0  # parts that start alike would stay alike
    parts = np.random.default_rng([config.seed, 31]).normal(0, spread, (len(vocabulary), c))
    filters, ends = np.zeros((len(modifiers), c, len(config.taus))), np.zeros((c, len(config.edge_taus)))
    return AugmentedBagOfWords(
        parts, 0.0, vocabulary, modifiers, np.array(config.taus, np.float32),
        after=filters if modifiers else None,
        before=filters if modifiers and config.two_sided else None,
        edge_taus=np.array(config.edge_taus, np.float32),
        begin_coefficients=ends if config.beginning else None,
        end_coefficients=ends if config.end else None,
        taps=config.taps, length_exponent=config.length_exponent, name=name,
    )  # fmt: skip


class _Trainee:
    """The model while it is trained, for the loop of :mod:`rnnrev.train`: a :class:`rnnrev.train.Trainee`."""

    def __init__(self, start: AugmentedBagOfWords, config: AugmentedConfig, vectors: np.ndarray | None) -> None:
        import keras
        import tensorflow as tf

        self.start, self.config = start, config
        self.vectors = None if vectors is None else tf.constant(vectors, tf.float32)
        values = {"parts": start.parts, "b": np.asarray(start.b), "after": start.after, "before": start.before,
                  "beginning": start.begin_coefficients, "end": start.end_coefficients}  # fmt: skip
        if vectors is not None:
            spread = 0.05 if config.n_parts > 1 else 0.0
            shape = vectors.shape[1], config.n_parts
            values["theta"] = np.random.default_rng([config.seed, 37]).normal(0, spread, shape)
        self.variables = {k: keras.Variable(v.astype(np.float32), name=k) for k, v in values.items() if v is not None}
        self.trainable_variables = list(self.variables.values())

    def logits(self, ids: tf.Tensor, lengths: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Training logits (B, 1); nothing is dropped out, so ``seed`` decides nothing."""
        import tensorflow as tf
        from keras import ops

        p = {k: tf.convert_to_tensor(v) for k, v in self.variables.items()}
        p["beta"] = p["parts"] if self.vectors is None else p["parts"] + tf.matmul(self.vectors, p["theta"])
        for name in [n for n in ("after", "before") if n in p]:
            p[name] = tf.pad(tf.reshape(p[name], (len(self.start.modifiers), -1)), [[1, 0], [0, 0]])  # row 0: none
        p |= {name: tf.transpose(p[name]) for name in ("beginning", "end") if name in p}
        kept = tf.cast(tf.sequence_mask(lengths, tf.shape(ids)[1]), tf.float32)
        return _logits(ops, p, self.start._form, ids, tf.cast(lengths, tf.float32), kept)[:, None]

    def penalty(self) -> tf.Tensor:
        import tensorflow as tf

        c = self.config
        rates = {"parts": c.beta_l2, "after": c.filter_l2, "before": c.filter_l2}
        rates |= {"beginning": c.edge_l2, "end": c.edge_l2}
        squares = {k: tf.reduce_sum(tf.square(tf.convert_to_tensor(v))) for k, v in self.variables.items()}
        return sum(rate * squares[k] for k, rate in rates.items() if k in squares)

    def to_model(self) -> AugmentedBagOfWords:
        v = {k: np.asarray(x) for k, x in self.variables.items()}
        parts = v["parts"] if self.vectors is None else v["parts"] + self.vectors.numpy() @ v["theta"]
        return replace(
            self.start, parts=parts, b=float(v["b"]), after=v.get("after"), before=v.get("before"),
            begin_coefficients=v.get("beginning"), end_coefficients=v.get("end"),
        )  # fmt: skip


def train_augmented(
    config: AugmentedConfig, reviews: Reviews, modifiers: Sequence[str] = (), *,
    out: str | os.PathLike[str] | None = None, test: Reviews | None = None, progress: bool = True,
) -> AugmentedBagOfWords:  # fmt: skip
    """Train an augmented bag of words in TensorFlow, keep the epoch that is best on reviews that are held out.

    ``modifiers`` are words that may scale others, :func:`ranked_modifiers` say; the first ``config.n_modifiers``
    that the vocabulary knows are taken. ``out`` is a model file to write, small (float16): the record, as
    :func:`rnnrev.train.train` makes it, is of what is written, scored on ``test``. ``ValueError`` for labels that are
    not 0 and 1, or a loss that is not finite.
    """
    import keras

    from . import train

    started = time.time()
    keras.utils.set_random_seed(config.seed)
    if set(np.unique(reviews.labels)) != {0, 1}:
        raise ValueError(f"training needs labels 0 and 1, found {np.unique(reviews.labels).tolist()}")
    held = split_validation(len(reviews), config.validation_share, config.seed)
    fit, validation = reviews.take(~held), reviews.take(held)
    more = [(part, part.labels) for part in (load_reviews(name, "train") for name in config.extra)]
    if config.soft_labels != "none":
        more.append(train.load_soft_labels(config.soft_labels))
    vocabulary = Vocabulary.fit(reviews.texts, config.vocabulary_size)
    ids = vocabulary.encode_all(t for part, _ in [(fit, None), *more] for t in part.texts)
    labels = np.concatenate([fit.labels, *(targets for _, targets in more)]).astype(np.float32)
    chosen = tuple(w for w in modifiers if w in vocabulary)[: config.n_modifiers]
    vectors = None if config.vectors == "none" else train.load_vectors(config.vectors, vocabulary)
    start = _untrained(config, vocabulary, chosen, f"augmented-bow-{reviews.name}")
    network = _Trainee(start, config, vectors)
    val_ids = vocabulary.encode_all(validation.texts)

    def validate() -> float:
        right = (network.to_model().logits_of(val_ids) > 0) == validation.labels
        return float(np.mean(right)) if val_ids else float("nan")

    curve = train.fit(network, ids, labels, config, validate, progress=progress)
    counts = np.bincount(np.concatenate(ids), minlength=len(vocabulary)).astype(np.uint32)
    model = replace(network.to_model(), counts=counts)
    if out is not None:
        model = load(save(model, out, compact=True), AugmentedBagOfWords)  # what is shipped is evaluated
    record = {
        "config": dataclasses.asdict(config),
        "data": [part.about for part in (reviews, *(part for part, _ in more))],
        "training_texts": len(ids),
        "parameters": model.n_parameters,
        "curve": curve,
        "validation": evaluate(model, validation, val_ids) if len(validation) else None,
        "test": evaluate(model, test) if test is not None else None,
        "seconds": round(time.time() - started, 1),
    }
    model = replace(model, record=record)
    if out is not None:
        save(model, out, compact=True)
    return model
