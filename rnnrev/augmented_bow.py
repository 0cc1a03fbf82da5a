"""A bag of words with what the network has: modifiers, a beginning and an end (CP20).

The bag of words adds up what words count, logit = Σ_t β[w_t] + b. Augmented, it lets every word be scaled by what
stands around it:

    logit = b + Σ_t Σ_c β_c[w_t] · (1 + g_c(t)),
    g_c(t) = Σ_k Σ_{m at t−k} f_mc(k) + Σ_k Σ_{m at t+k} f′_mc(k) + begin_c(t) + end_c(T − 1 − t).

f_mc(k) is the filter of modifier m at lag k = 1..K: short, and smooth, a sum of a few exponentials,

    f_mc(k) = Σ_p a_mcp exp(−(k − 1)/τ_p).

begin and end are filters of the same make, of two tokens that stand in every review. With one part (c = 1) and no f′
this is CP20's model. Two extensions: *parts* split a word's valence into a few, and a modifier scales each of them by
itself (modifiers have barcodes, and barcodes span a few dimensions: CP20); *two-sided* modifiers act on the words
before them too. :mod:`rnnrev.book.augmented` trains it.

Units: logits and valences are in nats (log-odds of positive), lags and τ in tokens, gains are factors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from .data import UNKNOWN, Vocabulary, batches, pad, tokenize
from .model import Classifier

__all__ = ["PARTS", "AugmentedBagOfWords"]

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

    def formula(
        self, ops: ModuleType, weights: Mapping[str, np.ndarray], ids: np.ndarray, lengths: np.ndarray, kept: np.ndarray
    ) -> np.ndarray:
        """Logits (B,); arguments as in :meth:`_gains`."""
        factor = 1 + sum(self._gains(ops, weights, ids, lengths, kept).values())
        counts = ops.sum(ops.take(weights["parts"], ids, axis=0) * factor, axis=-1) * kept
        return ops.sum(counts, axis=1) * (TYPICAL / lengths) ** self.length_exponent + weights["b"]

    # --- running texts ----------------------------------------------------------------------

    def logits_of(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        out = np.empty(len(ids), np.float32)
        for which in batches([len(i) for i in ids], 128):
            padded, n = pad([ids[i] for i in which])
            kept = (np.arange(padded.shape[1]) < n[:, None]).astype(np.float32)
            out[which] = self.formula(np, self.weights, padded, n.astype(np.float32), kept)
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
