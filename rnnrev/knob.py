"""A bag of words with a volume knob: four numbers a word and four of state, trained on labels like any other network.

As a cell (``knob`` of :data:`rnnrev.cells.CELLS`, one unit) it takes training, files and all tools of a network. A word
w has a valence v, keeps the share κ of what was read, and turns two knobs, by d and e, for what comes after it:

    wrote = v exp(p + q)
    s' = κ s + wrote                      the sum of what was read
    y' = s' + ρ (y − s) + c wrote         what is read out: the end counts more
    p' = λ_p p + d,  q' = λ_q q + e       the volume, logarithm of a factor

A modifier's filter is no list of numbers: n words later its factor is exp(d λ_pⁿ⁻¹ + e λ_qⁿ⁻¹), and two in a row
multiply. The beginning of a text is where p and q start. A bag of words is κ = 1, c = d = e = 0.

Sources: CP20, section 6, whose augmented bag has these parts with additive filters of their own; what the networks do,
chapters 3 to 5 and 7.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from .cells import NUMPY_OPS
from .model import SentimentRNN
from .stats import shown

__all__ = ["PARTS", "Shared", "contributions", "numbers", "shared", "without"]

PARTS = ("modifiers", "beginning", "end")


def _projected(model: SentimentRNN) -> np.ndarray:
    # (V, 4) of a knob; ValueError for any other network
    if model.cell.kind != "knob" or model.cell.n_units != 1:
        raise ValueError(f"{model.name} is a {model.cell.kind} of {model.cell.n_units} units, not a knob of one")
    return model.projected


def _average(model: SentimentRNN) -> tuple[np.ndarray, np.ndarray]:
    # the average word's four numbers, and where it holds the two knobs
    average = model.frequencies @ _projected(model)
    return average, average[2:] / (1 - NUMPY_OPS.sigmoid(model.cell.b_rec[2:]))


def numbers(model: SentimentRNN) -> pd.DataFrame:
    """What belongs to each word, one row a word: ``valence`` in nats, ``kept``, the share of the sum that it leaves,
    ``quick`` and ``slow``, by what it turns the two knobs (logarithms of a factor).

    ``ValueError``, here and below, for any other network.
    """
    v, k, d, e = _projected(model).T
    columns = {"valence": v * model.w[0], "kept": NUMPY_OPS.sigmoid(k), "quick": d, "slow": e}
    return pd.DataFrame(columns, index=model.vocabulary.words)


@dataclass(frozen=True)
class Shared:
    """What all words of a knob share."""

    quick: float = shown(".2f")  #: λ_p, what is left of the quick knob's turn one token later
    slow: float = shown(".2f")  #: λ_q
    end: float = shown(".1f")  #: 1 + c, how many times the last token counts
    fades: float = shown(".2f")  #: ρ, what is left of that one token later
    beginning: float = shown(".1f")  #: volume of the first token, in multiples of what the average word leads to


def shared(model: SentimentRNN) -> Shared:
    """What all words share, in words."""
    loud = np.exp((model.cell.h0[2:] - _average(model)[1]).sum())
    fades, quick, slow = NUMPY_OPS.sigmoid(model.cell.b_rec[1:])
    return Shared(*map(float, (quick, slow, 1 + model.cell.b_rec[0], fades, loud)))


def without(model: SentimentRNN, *parts: str) -> SentimentRNN:
    """The same reader without some of :data:`PARTS`.

    Without ``modifiers`` every word turns the knobs as the average word does; without the ``beginning`` they start
    where the average word holds them; without the ``end`` what is read out is the sum.
    """
    for part in parts:
        if part not in PARTS:
            raise ValueError(f"{part!r} is no part of a knob: choose among {', '.join(PARTS)}")
    cell, (average, held) = model.cell, _average(model)
    W, b, b_rec, h0 = (np.array(x) for x in (cell.W, cell.b, cell.b_rec, cell.h0))
    if "modifiers" in parts:
        W[:, 2:], b[2:] = 0, average[2:]
    if "beginning" in parts:
        h0[2:] = held
    if "end" in parts:
        b_rec[0], h0[0] = 0, h0[1]
    return replace(model, cell=replace(cell, W=W, b=b, b_rec=b_rec, h0=h0.astype(W.dtype)))


def contributions(model: SentimentRNN, ids: np.ndarray) -> pd.DataFrame:
    """How the logit of a text comes about, one row a token: ``counts``, in nats, what is left of the token at the end;
    ``volume``, the factor of its valence; ``memory``, the sum after it, in nats.

    The logit is the sum of ``counts`` and what is left of the start (nothing to speak of), and b.
    """
    own, states = numbers(model).iloc[ids], model.states_of([ids])[0]
    volume = np.exp(states[:-1, 2:].sum(1))
    c, fades = model.cell.b_rec[0], NUMPY_OPS.sigmoid(model.cell.b_rec[1])
    kept = own.kept.to_numpy()
    left = np.append(np.cumprod(kept[:0:-1])[::-1], 1.0) + c * fades ** np.arange(len(ids))[::-1]
    counts = own.valence.to_numpy() * volume * left
    return pd.DataFrame({"counts": counts, "volume": volume, "memory": states[1:, 1] * model.w[0]}, index=own.index)
