"""What each widget draws, as plain dicts of numbers and lists: computed here for JupyterLab, in frames.js for pages.

Both give the same numbers (a test in a browser compares them). Functions are pure: network and settings in, frame out.
Logits are in nats; index 0 of a trace is the value before the first token.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import perturb
from ..data import UNKNOWN, tokenize
from ..model import BagOfWords, SentimentRNN
from ..modifiers import Subspace

if TYPE_CHECKING:
    from ..augmented_bow import AugmentedBagOfWords
    from ..linear import OperatingPoint

__all__ = [
    "MAX_TOKENS",
    "PLACES",
    "amplified",
    "barcodes",
    "build_a_bag",
    "flow_2d",
    "modifier_lab",
    "relax",
    "sentiment_trace",
    "slow_readout",
    "where_it_stands",
]

#: Longer texts are cut: what is drawn has to answer within a tenth of a second.
MAX_TOKENS = 300

#: At how many places of a review a phrase is put, at most.
PLACES = 31

#: Names of the subspaces that the modifier lab offers, and where they stand in a lab.
SPACES = {"modifiers": "", "random": "control_", "matched": "matched_"}


def _numbers(values: Any) -> list[Any]:
    return np.round(np.asarray(values, float), 6).tolist()


def _text(vocabulary: Any, text: str) -> tuple[list[str], np.ndarray]:
    tokens = (tokenize(text) or [UNKNOWN])[:MAX_TOKENS]
    return tokens, vocabulary.encode(text)[:MAX_TOKENS]


def sentiment_trace(model: SentimentRNN, bag: BagOfWords, text: str) -> dict[str, Any]:
    """Logits of network and bag of words, (T + 1) each, and which tokens the network knows."""
    tokens, ids = _text(model.vocabulary, text)
    counted = bag.beta[_text(bag.vocabulary, text)[1]]
    return {
        "tokens": tokens,
        "known": (ids != 1).tolist(),
        "network": _numbers(perturb.run(model, [ids]).logits[0]),
        "bag": _numbers(bag.b + np.concatenate([[0], np.cumsum(counted, dtype=float)])),
    }


def amplified(lab: dict[str, Any], space: str, dim: int, gain: float) -> perturb.Change:
    """:func:`rnnrev.perturb.amplify` on the first ``dim`` axes of one of a lab's subspaces."""
    basis, dual = (np.asarray(lab[SPACES[space] + name])[:, :dim] for name in ("basis", "dual"))
    return perturb.amplify(Subspace(np.asarray(lab["h_star"]), basis, dual), gain)


def modifier_lab(
    point: OperatingPoint, lab: dict[str, Any], text: str, gain: float, dimension: int, space: str, begin: str
) -> dict[str, Any]:
    """Logits (T + 1) intact and with ``gain`` on a subspace, and both paths (T + 1, 2) in its first two axes.

    ``begin`` is h0, the network's own initial state, or middle, the operating point.
    """
    tokens, ids = _text(point.model.vocabulary, text)
    plane = lab[SPACES[space] + "dual"][:, :2]
    start = [perturb.start_from(point.h_star)] if begin == "middle" else []
    runs = {
        "intact": perturb.run(point.model, [ids], start, states=True),
        "perturbed": perturb.run(point.model, [ids], [*start, amplified(lab, space, dimension, gain)], states=True),
    }
    frame: dict[str, Any] = {"tokens": tokens, "known": (ids != 1).tolist()}
    for name, run in runs.items():
        assert run.states is not None
        frame[name] = _numbers(run.logits[0])
        frame[f"{name}_path"] = _numbers((run.states[0] - lab["h_star"]) @ plane)
    return frame


def barcodes(lab: dict[str, Any], words: list[str]) -> dict[str, Any]:
    """Barcodes (n, K) of some of a lab's words, in the order of its probes, and their correlations (n, n)."""
    rows = [lab["words"].index(w) for w in words]
    chosen = np.asarray(lab["barcodes"], float)[rows]
    return {
        "words": list(words),
        "kinds": [str(lab["kinds"][i]) for i in rows],
        "rows": _numbers(chosen),
        "correlation": _numbers(np.atleast_2d(np.corrcoef(chosen))),
    }


def slow_readout(point: OperatingPoint) -> tuple[np.ndarray, float]:
    """A readout w', b' that sees the slow mode only: w'·h + b' = w·[h* + r ℓ·(h − h*)] + b."""
    w = (point.model.w @ point.r) * point.l
    return w, float((point.model.w - w) @ point.h_star + point.model.b)


def where_it_stands(point: OperatingPoint, model: SentimentRNN, text: str, phrase: str) -> dict[str, Any]:
    """Influence of a phrase on the final logit when it is put into a text at each of up to PLACES places.

    ``model`` is the point's in the float type to compute with. ``intact``: the network as it is; ``start``: h₀ replaced
    by the state on the attractor with the same integrated coordinate; ``slow``: the last state read by the slow mode
    alone, that is with the fast modes removed. ``lasting``: what the phrase adds on the attractor, at h*.
    """
    tokens, ids = _text(model.vocabulary, text)
    inserted = model.vocabulary.encode(phrase)[:MAX_TOKENS]
    n = min(len(ids) + 1, PLACES)
    places = np.floor(np.arange(n) * len(ids) / max(n - 1, 1) + 0.5).astype(int)
    w, _ = slow_readout(point)
    start = point.h_star + point.r * (point.l @ (model.cell.h0 - point.h_star))
    plain = np.stack(
        [
            np.array(perturb.run(model, [ids], change, states=True).states)[0]  # (T + 1, S)
            for change in ((), perturb.start_from(start))
        ]
    )
    intact, replaced = _inserted(model, plain, ids, inserted, places)

    def influence(h: np.ndarray, before: np.ndarray, readout: np.ndarray) -> list[float]:
        return _numbers((h - before) @ readout)

    h = point.h_star.astype(plain.dtype)
    for token in inserted:
        h = model.cell.step_projected(h, model.projected[token])
    return {
        "tokens": tokens,
        "known": (ids != 1).tolist(),
        "places": places.tolist(),
        "intact": influence(intact, plain[0, -1], model.w),
        "start": influence(replaced, plain[1, -1], model.w),
        "slow": influence(intact, plain[0, -1], w),
        "lasting": float(np.round(w @ (h - point.h_star), 6)),
    }


def build_a_bag(bag: AugmentedBagOfWords, model: SentimentRNN, text: str, switched_on: Sequence[str]) -> dict[str, Any]:
    """What each token of a text counts in an augmented bag of words with only some of its parts switched on.

    ``valence``, what it counts by itself, and ``counts``, with the parts that are on, (T,) each, in nats; ``logit`` of
    the words alone, with those parts, and of the network.
    """
    tokens, ids = _text(bag.vocabulary, text)
    found = bag.contributions(text if len(tokens) < MAX_TOKENS else " ".join(tokens))
    counts = found.valence + sum((getattr(found, part) for part in switched_on), np.zeros(len(tokens)))
    return {
        "tokens": tokens,
        "known": (ids != 1).tolist(),
        "valence": _numbers(found.valence),
        "counts": _numbers(counts),
        "logit": _numbers([found.b + found.valence.sum(), found.b + counts.sum(), perturb.run(model, [ids]).final[0]]),
    }


def _inserted(
    model: SentimentRNN, plain: np.ndarray, ids: np.ndarray, inserted: np.ndarray, places: np.ndarray
) -> np.ndarray:
    """Final states (C, P, S) with words put in at each place, from the states (C, T + 1, S) without them."""
    h = plain[:, places].copy()
    m = len(inserted)
    for t in range(len(ids) + m):
        live = int(np.searchsorted(places, t, side="right"))  # texts whose place has been reached
        since = t - places[:live]
        token = np.where(since < m, inserted[np.minimum(since, m - 1)], ids[max(t - m, 0)])
        h[:, :live] = model.cell.step_projected(h[:, :live], model.projected[token])
    return h


def flow_2d(matrix: Any, start: Any, steps: int = 40) -> dict[str, Any]:
    """Modes of h' = A h in the plane and the path from ``start``: eigenvalues as (re, im), |λ| and τ (None: infinite).

    ``right`` and ``left`` hold r₁, r₂ and ℓ₁, ℓ₂ where the modes are real and independent, else None.
    """
    A = np.asarray(matrix, float)
    half, root = np.trace(A) / 2, np.sqrt(complex((np.trace(A) / 2) ** 2 - np.linalg.det(A)))
    eigvals = np.array(sorted([half + root, half - root], key=lambda v: (-abs(v), -v.imag)))
    size = np.abs(eigvals)
    path = [np.asarray(start, float)]
    for _ in range(steps):
        path.append(np.clip(A @ path[-1], -1e6, 1e6))
    right = left = None
    if abs(root.imag) < 1e-12 and abs(root.real) > 1e-6:
        right = np.stack([_eigenvector(A, v.real) for v in eigvals])
        left = np.linalg.inv(right.T)
    return {
        "eigvals": _numbers([[v.real, v.imag] for v in eigvals]),
        "size": _numbers(size),
        "tau": [None if abs(s - 1) < 1e-9 else 0.0 if s < 1e-12 else float(np.round(-1 / np.log(s), 6)) for s in size],
        "right": None if right is None else _numbers(right),
        "left": None if left is None else _numbers(left),
        "path": _numbers(path),
    }


def _eigenvector(A: np.ndarray, eigval: float) -> np.ndarray:
    # a row of A − λ is orthogonal to the vector; take the longer one; the larger entry is positive
    rows = A - eigval * np.eye(2)
    a, b = rows[np.argmax((rows**2).sum(1))]
    v = np.array([-b, a]) / np.hypot(a, b)
    return v * (1 if v[np.argmax(np.abs(v).round(9))] > 0 else -1)


def relax(model: dict[str, Any], start: Any, sequence: list[str]) -> dict[str, Any]:
    """Path of the slowest modes' coordinates, z ← A z + B[word], and its logit c₀ + c·z; '' is average text."""
    A, B = np.asarray(model["A"], float), np.asarray(model["B"], float)
    z = [np.asarray(start, float)]
    for word in sequence:
        z.append(A @ z[-1] + (B[model["words"].index(word)] if word else 0))
    return {"z": _numbers(z), "logit": _numbers(model["c0"] + np.array(z) @ np.asarray(model["c"], float))}
