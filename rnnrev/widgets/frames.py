"""What each widget draws, as plain dicts of numbers and lists: computed here for JupyterLab, in frames.js for pages.

Both give the same numbers (a test in a browser compares them). Functions are pure: network and settings in, frame out.
Logits are in nats; index 0 of a trace is the value before the first token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import perturb
from ..data import UNKNOWN, tokenize
from ..model import BagOfWords, SentimentRNN
from ..modifiers import Subspace

if TYPE_CHECKING:
    from ..linear import OperatingPoint

__all__ = ["MAX_TOKENS", "barcodes", "modifier_lab", "sentiment_trace", "subspace"]

#: Longer texts are cut: what is drawn has to answer within a tenth of a second.
MAX_TOKENS = 300

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


def subspace(lab: dict[str, Any], space: str, dim: int) -> Subspace:
    """The first ``dim`` axes of one of a lab's subspaces: modifiers, random or matched."""
    prefix = SPACES[space]
    return Subspace(np.asarray(lab["h_star"]), lab[prefix + "basis"][:, :dim], lab[prefix + "dual"][:, :dim])


def modifier_lab(
    point: OperatingPoint, lab: dict[str, Any], text: str, gain: float, dimension: int, space: str
) -> dict[str, Any]:
    """Logits (T + 1) intact and with a subspace scaled by ``gain``, and both paths in its first two axes, (T + 1, 2)."""
    tokens, ids = _text(point.model.vocabulary, text)
    plane = lab[SPACES[space] + "dual"][:, :2]
    runs = {
        "intact": perturb.run(point.model, [ids], states=True),
        "perturbed": perturb.run(
            point.model, [ids], perturb.scale(subspace(lab, space, dimension), gain), states=True
        ),
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
