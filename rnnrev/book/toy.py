"""The papers' own toy: a network that keeps a running sum in a language of twelve words, trained in a minute.

CP20 opens its argument with it (section 4, Fig. 2, supplementary Figs. 11–14): the words are one-hot, *not* turns round
what the next four tokens add, *very* doubles the next one (:data:`.TWELVE_WORDS`), and the network is to
say the sum so far at every token. :mod:`rnnrev.book.inside` looks into what it has learned.

Training is a step of :class:`.RunningSum` on new texts each time; the page's widget does the same in
JavaScript.

Source: CP20, section 4 and its supplement (state noise, L2, clipping); Kingma & Ba 2015 (Adam). Batches, rates and
lengths are ours: the authors took 40,000 steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from .. import zoo
from ..cells import WEIGHTS, Cell, initial_weights
from ..model import SentimentRNN
from .language import TWELVE_WORDS, Language, Modifier

__all__ = ["learn", "load", "quick", "squared_error"]

LIMIT = 0.006  #: mean squared error on new texts under which a network counts as trained, set before any was
TEST_SEED = 1_000_000  #: no training text is drawn with it
FOLDER = zoo.FOLDER / "toy"  #: where the shipped ones lie
_CLIP = 1.0  #: largest norm of a gradient
Weights = dict[str, np.ndarray]


def with_reach(reach: int) -> Language:
    """The twelve words with a *not* of another reach, in tokens."""
    return replace(TWELVE_WORDS, modifiers=(Modifier("not", -2.0, reach=reach, alone=True), TWELVE_WORDS.modifiers[1]))


def network(weights: Weights, kind: str, language: Language, name: str) -> SentimentRNN:
    """Weights as a network of the package: words are one-hot, padding and the unknown word zero."""
    cell = Cell(kind, *(weights[k] for k in WEIGHTS))
    w = np.zeros(cell.n_state, cell.U.dtype)
    w[: cell.n_units] = weights["w"]
    one_hot = np.eye(len(language.vocabulary), dtype=cell.U.dtype)[:, 2:]
    counts = np.rint(1e6 * language.frequencies)
    return SentimentRNN(cell, one_hot, language.vocabulary, w, weights["readout_b"], name, counts=counts)


def squared_error(
    model: SentimentRNN, language: Language = TWELVE_WORDS, n: int = 1000, seed: int = TEST_SEED
) -> float:
    """Mean squared error of the running sum over every token of n new texts."""
    padded, lengths = language.sample_ids(n, seed)
    said = model.readout(np.stack(model.states_of(list(padded))))[:, 1:]
    return float(np.mean((said - language.running(padded, lengths)) ** 2))


def save(model: SentimentRNN, file: Path) -> Path:
    """Write a network as float16; evaluate what :func:`load` then returns."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return zoo.save(model, file, compact=True)


def names() -> list[str]:
    """Names of the shipped networks of the twelve words: architecture, units, seed."""
    return sorted(p.stem for p in FOLDER.glob("*.safetensors"))


def load(name: str | Path = "gru-100-0") -> SentimentRNN:
    """A shipped network of the twelve words, or one of a file."""
    return zoo.load(FOLDER / name, SentimentRNN)


def learn(
    kind: str = "gru", n_units: int = 100, seed: int = 0, language: Language = TWELVE_WORDS, *,
    steps: int = 8000, batch: int | None = None, rate: float | None = None, noise: float = 0.003, l2: float = 1e-5,
    enough: float = 0.8 * LIMIT, watch: Callable[[SentimentRNN], bool | None] | None = None,
) -> SentimentRNN:  # fmt: skip
    """Train a network to say the sum so far at every token of texts that are drawn as it goes.

    The first six tenths of the steps read the first two fifths of texts, which costs a third, and in these texts all
    valence words of a text tend to one side, so that the sums are as large as those of whole texts.

    Parameters
    ----------
    steps : int
        At most; from seven tenths on training stops once 300 other texts have a mean squared error of ``enough``.
    batch, rate : number, optional
        Texts a step, and Adam's first rate, which falls along a cosine to 2 %: 64 and .01, or 32 and .005 from 64
        units on; .003 for a vanilla network.
    noise, l2 : float
        Standard deviation of what is added to the states, weight of Σθ².
    watch : function, optional
        Called with the network every fortieth of the steps; training stops where it returns true.

    Returns
    -------
    SentimentRNN
        Its ``record`` has the settings, the curve (step, mean squared error on 100 texts) and the processor's seconds.
    """
    from .running_sum import RunningSum

    began, big = time.process_time(), n_units >= 64
    batch = (32 if big else 64) if batch is None else batch
    rate = (0.003 if kind == "vanilla" else 0.005 if big else 0.01) if rate is None else rate
    rng = np.random.default_rng([seed, 151])
    cell = initial_weights(kind, len(language.words), n_units, seed)
    learner = RunningSum(cell, rng.normal(0, 1 / np.sqrt(n_units), n_units))
    take = learner.learner(steps, rate, _CLIP, l2)
    settings = {"cell": kind, "n_units": n_units, "seed": seed, "steps": steps, "batch": batch, "rate": rate}
    record: dict[str, object] = {"config": settings | {"noise": noise, "l2": l2, "clip": _CLIP}}

    def now() -> SentimentRNN:
        seconds = round(time.process_time() - began, 1)
        weights = {k: np.asarray(getattr(learner.recurrent, k)) for k in WEIGHTS}
        weights |= {"w": np.asarray(learner.w), "readout_b": np.asarray(learner.bias)}
        model = network(weights, kind, language, f"{kind}-{n_units}-{seed}")
        return replace(model, record=record | {"curve": list(curve), "seconds": seconds})

    curve: list[tuple[int, float]] = []
    short, whole = (_batches(language, batch, rng, which) for which in (True, False))
    for step in range(1, steps + 1):
        words, target = next(short if step <= 0.6 * steps else whole)
        shape = (*words.T.shape, cell.n_state)
        take(words, target, noise * rng.standard_normal(shape, np.float32) if noise else None)
        if step % max(1, steps // 40) == 0:
            curve.append((step, squared_error(now(), language, 100, TEST_SEED + 5)))
            if watch is not None and watch(now()):
                break
            if step >= 0.7 * steps and squared_error(now(), language, 300, TEST_SEED + 4) <= enough:
                break
    return now()


def quick(
    kind: str = "gru", seed: int = 0, language: Language = TWELVE_WORDS,
    watch: Callable[[SentimentRNN], bool | None] | None = None,
) -> SentimentRNN:  # fmt: skip
    """:func:`learn` for a notebook: 32 units, half the texts a step, no early end, and no L2 and no noise to fight."""
    return learn(kind, 32, seed, language, steps=9000, batch=32, rate=0.02, noise=0.0, l2=0.0, enough=0.0, watch=watch)


def _batches(
    language: Language, n: int, rng: np.random.Generator, short: bool
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What :func:`_drawn` gives, n texts at a time, drawn fifty times as many at once: a third of the time."""
    while True:
        yield from zip(*(np.split(part, 50) for part in _drawn(language, 50 * n, rng, short)))


def _drawn(language: Language, n: int, rng: np.random.Generator, short: bool) -> tuple[np.ndarray, np.ndarray]:
    """Texts, counted from the first word, and their sums so far, (n, T): whole, or short and leaning to one side."""
    padded, lengths = language.sample_ids(n, int(rng.integers(2**31)))
    if short:
        padded = padded[:, : max(4, round(0.4 * language.max_tokens))]
        lengths, half = np.minimum(lengths, padded.shape[1]), language.n_valence // 2
        below = rng.random(padded.shape) > rng.random((n, 1))
        sided = 2 + (padded - 2) % half + half * below  # the word of the same strength on the other side
        padded = np.where((padded >= 2) & (padded < 2 + 2 * half), sided, padded)
    return padded - 2, language.running(padded, lengths).astype(np.float32)
