"""Trained rungs of chapter 6's ladder: CP20's form, and the knob of :mod:`rnnrev.knob` with one thing changed.

    python scripts/rungs.py still --vectors runs/vectors-imdb.npz --out runs/knob-still.safetensors

All learn from what the shipped knobs learned from, IMDB's and SST-2's labels; one to three minutes on one core. The
files of changed knobs are knobs to :mod:`rnnrev.zoo`: read them inside ``with reads_as(rung)``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from augmented import candidates

from rnnrev import zoo
from rnnrev.augmented_bow import AugmentedBagOfWords
from rnnrev.book.augmented import STEPS, AugmentedConfig, train_augmented
from rnnrev.cells import CELLS
from rnnrev.config import TrainConfig
from rnnrev.data import Vocabulary, load_reviews

Blocks = tuple[Any, ...]  #: arrays or tensors
Volume = Callable[[Any, Any, Any], Blocks]  #: of ops, p, q: the factor of a valence, and its slopes in p and in q


@dataclass(frozen=True)
class Rung:
    """What differs from the knob; ``still``, ``middle``: numbers of words, and of the two ends, that stay zero."""

    volume: Volume
    forgets: bool = False  #: q turns what the sum keeps, in the place of the volume
    still: bool = False
    middle: bool = False


def multiplied(ops: Any, p: Any, q: Any) -> Blocks:
    loud = ops.exp(p + q)
    return loud, loud, loud


def added(ops: Any, p: Any, q: Any) -> Blocks:
    return 1 + p + q, p * 0 + 1, p * 0 + 1


def turned(ops: Any, p: Any, q: Any) -> Blocks:
    slow = ops.exp(q)
    return (1 + p) * slow, slow, (1 + p) * slow


def quick(ops: Any, p: Any, q: Any) -> Blocks:
    loud = ops.exp(p)
    return loud, loud, q * 0


RUNGS = {
    "still": Rung(multiplied, still=True),  #: trained without modifiers
    "added": Rung(added),  #: factors 1 + Σ f, as in CP20, in the place of exp(Σ f)
    "middle": Rung(multiplied, middle=True),  #: no beginning and no end of their own
    "turned": Rung(turned),  #: (1 + p) exp(q): a word may turn the sign of what follows
    "forgets": Rung(quick, forgets=True),  #: exp(p), and what the sum keeps depends on q
}


#: CP20's form, by which words have filters: those that the network's ranking chose, two controls; and our steps on top.
PAPER = {"ranked": "", "frequent": "frequent words", "random": "random words", "all": ""}


def blocks(x: Any) -> list[Any]:
    n = x.shape[-1] // 4
    return [x[..., i * n : (i + 1) * n] for i in range(4)]


def reads_as(name: str) -> AbstractContextManager[object]:
    """Inside it, a knob is this rung's cell."""
    rung = RUNGS[name]

    def combine(ops: Any, h: Any, u: Any, a: Any) -> Any:
        (y, s, p, q), (v, k, d, e), (c, r, fast, slow) = map(blocks, (h, u, a))
        wrote = v * rung.volume(ops, p, q)[0]
        kept = ops.sigmoid(k + q if rung.forgets else k) * s + wrote
        volume = [ops.sigmoid(fast) * p + d, ops.sigmoid(slow) * q + e]
        return ops.concat([kept + ops.sigmoid(r) * (y - s) + c * wrote, kept, *volume], -1)

    def partials(ops: Any, h: Any, u: Any, a: Any) -> Any:
        (y, s, p, q), (v, k, _, _), (c, *rates) = map(blocks, (h, u, a))
        r, fast, slow = (ops.sigmoid(x) for x in rates)
        loud, in_p, in_q = rung.volume(ops, p, q)
        keep = ops.sigmoid(k + q if rung.forgets else k)
        d_k, one = s * keep * (1 - keep), v * 0 + 1
        left = d_k if rung.forgets else v * 0
        d_h = [[r + 0 * y, keep - r, (1 + c) * v * in_p, (1 + c) * v * in_q + left],
               [None, keep, v * in_p, v * in_q + left],
               [None, None, fast + 0 * y, None], [None, None, None, slow + 0 * y]]  # fmt: skip
        d_u = [[(1 + c) * loud, d_k, None, None], [loud + 0 * v, d_k, None, None],
               [None, None, one, None], [None, None, None, one]]  # fmt: skip
        d_a = [[v * loud, (y - s) * r * (1 - r), None, None], [None] * 4,
               [None, None, p * fast * (1 - fast), None], [None, None, None, q * slow * (1 - slow)]]  # fmt: skip
        return d_h, d_u, d_a

    return mock.patch.dict(CELLS, knob=replace(CELLS["knob"], combine=combine, partials=partials))


def trained(name: str, config: TrainConfig, out: Path) -> None:
    """Train a rung; what stays zero is put back to zero after every step."""
    from rnnrev import train

    rung = RUNGS[name]

    class Held(train.Network):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            cell, words, middle = self.stack[0], np.array([1.0, 1, 0, 0], "f"), np.array([0.0, 1, 1, 1], "f")
            held = {"W": words, "b": words} if rung.still else {}
            held |= {"b_rec": middle, "h0": np.zeros(4, "f")} if rung.middle else {}
            for weight, kept in held.items():
                variable = getattr(cell, weight)
                variable.assign(variable * kept)
                variable.constraint = lambda value, kept=kept: value * kept

    with reads_as(name), mock.patch.object(train, "Network", Held):
        train.train(config, out, compact=True, progress=False)


def papers(words: str, config: AugmentedConfig, out: Path) -> None:
    """Train CP20's form with filters for other words."""
    reviews, shipped = load_reviews("imdb", "train"), zoo.load("augmented-bow-cp20-imdb", AugmentedBagOfWords)
    vocabulary = Vocabulary.fit(reviews.texts, config.vocabulary_size)
    chosen = candidates(PAPER[words], shipped.modifiers, vocabulary, config.seed)
    train_augmented(config, reviews, chosen, out=out, progress=False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rung", choices=[*RUNGS, *PAPER])
    parser.add_argument("--vectors", default="none", help="word vectors (.npz)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    given: dict[str, Any] = {"extra": ("sst2",), "vectors": args.vectors, "seed": args.seed}
    if args.rung in PAPER:
        papers(args.rung, AugmentedConfig(**given, **STEPS["+ parts" if args.rung == "all" else "+ end"]), args.out)
        return
    config = TrainConfig(
        cell="knob", n_units=1, state_dropout=0, word_dropout=0.3, precision="float32", batch_size=256,
        learning_rate=0.003, epochs=5, **given,
    )  # fmt: skip
    trained(args.rung, config, args.out)


if __name__ == "__main__":
    main()
