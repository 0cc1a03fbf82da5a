"""Gates that do not see the state, one layer and two: who can let one word act on the next? (chapter 10)

    python scripts/gates.py            seven readers, three kinds of text, three seeds: rnnrev/records/gates.csv

Small readers (64 units) of the same texts: of films, 6,000 reviews and 12,000 phrases, with the word vectors of the
film GRU; of restaurants, 18,000 Yelp reviews, with those of the Yelp GRU; of the known language of chapter 8, from
nothing. Written down before the first run, of the contrast phrases of chapter 3 (their gain: 0 is nothing, −1 muted):

* one layer, gates that see no state: nothing that a word writes depends on the state. An LRU's gains are 0 but for
  rounding (limit .01); a minGRU can only keep or erase what the modifier itself wrote;
* two layers bring context back: the second layer's gates read the first one's state. Two minGRU layers have at least
  half of the GRU's gain of negation;
* a convolution over four tokens before one layer does so too, but no further than it reaches: three tokens;
* without the volume axis of the two-layer network (chapter 7), modifiers lose half of their gain or more; without
  another axis that words drive as much, they do not.

Written down before the second run (Yelp, two GRU layers, layers apart, the known language; films' results were known):

* Yelp shows what films show, with the limits above; of the convolution, that it does not (as in films);
* a minGRU whose gates begin with memories of 1 to 1,000 tokens, as an LRU's do, reads reviews as well as the bag (half
  a point less at most), and mutes no more than before: under half of the GRU's gain;
* two minGRU layers are then within half a point of one GRU layer; two GRU layers are within half a point too;
* what a pair of words does beyond both alone follows from each word's own a and b, frozen at one state: r² ≥ .99 in one
  layer, for any state; under .9 in two layers and in the GRU;
* the volume is the first layer's state, read by the second one's gates: hiding it from these gates alone undoes half of
  the gain of negation or more, hiding it from what the second layer writes does not, nor does removing it in the second
  layer alone; other axes of the same variance do not either;
* behind the convolution, what "not" does to a word more than three tokens on is what it does in one layer (within .1);
* in the known language one layer gets less than half of what the modifiers are worth to the best reader, two layers and
  the GRU more; what one layer gets wrong are the words that turn round, most of all.

Trials of one minGRU layer, seed 0, before that run: accuracy on 2,000 of IMDB's training reviews that no reader learned
from. State dropout was off in all, the readout at the last state, gradients clipped at norm 1. Bias 1, three epochs, as
in the first run: .746. Eight epochs: .830. Memories of 1 to 1,000 tokens, three epochs: .895, which was taken. Beside
them: the bag .871, and .884 with the epochs and rate of :data:`BAG`, which the first run had forgotten; LRU .852; two
minGRU layers of the first run .903; GRU .910. An earlier trial (256 units, all of IMDB and SST-2, three epochs, bias 1)
read IMDB's test at 80.8 %. Other rates, clipping, lengths and sizes were not tried once biases were enough.

The stacks of two minGRUs of the first run, bias 1, three seeds, measured in the same way and not in the record: gain of
negation −.56; volume removed −.08, in layer 1 −.17, in layer 2 −.38; hidden from layer 2's gates −.13 (other axes
−.36), from its input −.56 (other axes −.50).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from provenance import Source, networks, write_table
from sweep import Cell, Row, grid, minutes, sweep
from sweeps import SEEDS

from rnnrev import balanced, perturb, stats, zoo
from rnnrev.book import recovery
from rnnrev.book.language import Language
from rnnrev.cells import CELLS
from rnnrev.config import TrainConfig
from rnnrev.context import context_tests, context_texts
from rnnrev.data import Reviews, Vocabulary, load_reviews
from rnnrev.driven import visited_states
from rnnrev.files import write_npz
from rnnrev.linear import Unmeasured
from rnnrev.measure import COLUMNS
from rnnrev.model import Classifier, SentimentRNN
from rnnrev.stacks import CONV, StackedCell, stack
from rnnrev.subspace import Subspace

Logits = Callable[[list[np.ndarray]], np.ndarray]
READERS = ("bow", "lru", "mingru", "conv+mingru", "mingru+mingru", "gru", "gru+gru")
VECTORS = {"films": "gru-imdb", "yelp": "gru-yelp"}  #: whose word vectors readers of such texts begin with
TEXTS = (*VECTORS, "language")
READ, MOST = ("imdb", "yelp", "sst2", "imdb_counterfactual"), 2000  #: what is read at the end, and at most so many
SHIPPED = zoo.FOLDER / "gates" / "mingru-films"
GAPS = range(7)  #: tokens between modifier and word
FILLERS = ("the", "of", "it", "was", "this", "in")  #: what stands in the gap, drawn at random
SETTINGS: dict[str, Any] = {
    "epochs": 3, "batch_size": 64, "max_tokens": 128, "learning_rate": 2e-3, "n_units": 64, "state_dropout": 0.0,
}  # fmt: skip
OF_LANGUAGE: dict[str, Any] = SETTINGS | {
    "epochs": 5, "batch_size": 128, "max_tokens": 0, "learning_rate": 5e-3, "n_inputs": 32, "word_dropout": 0.0,
    "embedding_dropout": 0.0, "validation_share": 0.05, "precision": "float32",
}  # fmt: skip
BAG: dict[str, Any] = {"epochs": 6, "learning_rate": 1e-2}  #: one number a word, from zero, needs more steps


@cache
def texts(name: str, seed: int = 0) -> Reviews:
    """What all readers learn from; of the known language each seed draws its own."""
    if name == "language":
        return Language().sample(30_000, seed)
    if name == "yelp":
        reviews = load_reviews("yelp", "train")
        return replace(reviews.take(reviews.labels >= 0).balanced().sample(18_000), name=name)
    reviews, phrases = load_reviews("imdb", "train").sample(6_000), load_reviews("sst2", "train").sample(12_000)
    return Reviews(name, "train", reviews.texts + phrases.texts, np.concatenate([reviews.labels, phrases.labels]))


def trained(kind: str, name: str, seed: int) -> Classifier:
    """A reader of :func:`texts`, with the word vectors of the shipped GRU of such texts."""
    from rnnrev.train import train

    config = TrainConfig(cell=kind, seed=seed, **(OF_LANGUAGE if name == "language" else SETTINGS))
    config = replace(config, **BAG) if kind == "bow" else config
    with TemporaryDirectory() as here:
        if kind != "bow" and name != "language":
            like = zoo.load(VECTORS[name], SentimentRNN)
            vectors = write_npz(f"{here}/vectors.npz", {"words": like.vocabulary.words, "vectors": like.embedding})
            config = replace(config, vectors=str(vectors))
        model = train(config, reviews=texts(name, seed), progress=False)
    begun = {"vectors": VECTORS[name] if config.vectors != "none" else "none"}  # the file is gone
    return replace(model, record=model.record | {"config": model.record["config"] | begun})  # type: ignore[type-var]


def kept(kind: str, name: str, seed: int, folder: Path) -> Classifier:
    """The reader in its file, or trained and kept there."""
    file = folder / "models" / f"{kind}-{name}-{seed}{zoo.SUFFIX}"
    if not file.is_file():
        zoo.save(replace(trained(kind, name, seed), name=file.stem), file)  # type: ignore[type-var]
    return zoo.load(file)


def gains(model: Classifier, logits: Logits, measures: Sequence[str] = ("gain", "own", "base")) -> Iterator[Row]:
    """What modifiers do to words on the contrast phrases, by the logits of token numbers."""
    pairs = phrase_pairs(model)
    for condition, part in pairs.groupby("condition"):
        found = perturb.modulation(part.valence, logits(list(part["without"])), logits(list(part["with"])), part.word)
        for measure in measures:
            yield {"measure": f"{condition}_{measure}", **getattr(found, measure)._asdict(), "n": len(part)}


@lru_cache(maxsize=1)
def phrase_pairs(model: Classifier) -> pd.DataFrame:
    return perturb.phrase_pairs(model)


def reach(model: Classifier, seed: int = 0) -> Iterator[Row]:
    """The gain of negation with so many tokens between "not" and the word."""
    pairs = phrase_pairs(model)
    last = np.array([ids[-1] == model.vocabulary.index[word] for ids, word in zip(pairs["with"], pairs.word)])
    pairs, rng = pairs[(pairs.condition == "negated") & last], np.random.default_rng(seed)
    fillers = model.vocabulary.numbers(FILLERS)
    for gap in GAPS:
        drawn = [rng.choice(fillers, gap) for _ in range(len(pairs))]
        plain, negated = (
            model.logits_of([np.concatenate([ids[:-1], more, ids[-1:]]) for ids, more in zip(pairs[side], drawn)])
            for side in ("without", "with")
        )
        found = perturb.modulation(pairs.valence, plain, negated, pairs.word)
        yield {"measure": "negated_gain_over", "at": gap, **found.gain._asdict(), "n": len(pairs)}


def two_words(model: SentimentRNN, ids: list[np.ndarray], seed: int) -> Iterator[Row]:
    """What a pair of words does beyond both alone: measured, and from each word's own A and b, frozen at one state.

    With h' = A h + b of each word at the mean visited state, word 2 makes of what word 1 left w·(A₂ − A₀)(h₁ − h₀), 0
    being "the" in the place of either. And how much J_inp of word 2 depends on "not" before it.
    """
    model, pairs = model.astype(float), phrase_pairs(model)
    cell, visited = model.cell, visited_states(model.astype(float), ids)
    mean, h = visited.mean(0), np.random.default_rng([seed, 3]).permutation(visited)[:12]
    words = [w for w in pd.unique(pd.concat([pairs.modifier, pairs.word])) if w in model.vocabulary.index]
    u = model.projected[model.vocabulary.numbers(["the", *words[:50]])]
    at, w = np.broadcast_to(mean, (len(u), len(mean))), np.broadcast_to(model.w, (len(u), len(mean)))
    moved = cell.jvp(at, u, np.broadcast_to(h - mean, (len(u), *h.shape)))
    left = cell.step_projected(at, u)[:, None] + moved  # (words, states, S)
    read = cell.vjp(at, u, w)
    predicted = np.einsum("ks,jns->jkn", read[1:] - read[0], left[1:] - left[0])
    after = cell.step_projected(h, u[:, None])
    said = model.readout(cell.step_projected(after[:, None], u[:, None]))  # (word 1, word 2, states)
    measured = said[1:, 1:] - said[1:, :1] - said[:1, 1:] + said[:1, :1]
    size = float(np.sqrt(np.mean(measured**2) / np.mean((said[:1, 1:] - said[:1, :1]) ** 2)))
    yield {"measure": "pair_size", "value": size, "n": measured.size}
    note = "pairs do nothing beyond both words" * (size < 1e-9)
    value = np.nan if note else balanced.explained(measured.ravel(), predicted.ravel())
    yield {"measure": "pair_r2", "value": value, "n": measured.size, "note": note}
    x, x_not = model.embed(list(pd.unique(pairs.word))[:12])[:, None], model.embed(["not"])[0]
    before, changed = (cell.jacobians(s, x).J_inp for s in (h[:4], cell.step(h[:4], x_not)))
    ratio = np.linalg.norm(changed - before, axis=(-2, -1)) / np.linalg.norm(before, axis=(-2, -1))
    yield {"measure": "J_inp_change", "value": float(ratio.mean()), "n": ratio.size}


def axes_of(model: SentimentRNN, train: Reviews, seed: int) -> Iterator[Row]:
    """Balanced modes: how many read as the network does, the volume axis, where it stands, and phrases without it."""
    ids = balanced.token_arrays(model, train.texts[:6_000], 120, 160, seed)
    yield from two_words(model, ids[:60], seed)
    try:
        yield {"measure": "k95", "value": balanced.reduce(model, texts=ids).k}
    except Unmeasured as reason:
        yield {"measure": "k95", "value": np.nan, "note": str(reason)}
    modes = balanced.balance(model, ids[:60], seed=seed)
    table = balanced.axes(model, modes, ids[:60], seed=seed)
    volume = balanced.volume_axis(table)
    yield {"measure": "volume_gain", "value": float(table.gain[volume])}
    driven = table.drop(index=[1, volume])
    control = int((driven["not"].abs() + driven["extremely"].abs()).idxmax())
    states = np.concatenate(model.states_of(ids[:60])) - modes.mean
    for condition, axis in (("volume removed", volume), ("another axis removed", control)):
        removed = perturb.project_out(part_of(modes, axis, states, np.full(model.cell.n_state, True)))
        yield from changed_gains(model, condition, [partial(logits_with, model, removed)])
    if isinstance(model.cell, StackedCell) and model.cell.layers[0].kind != CONV:
        yield from by_layer(model, modes, volume, states)


def part_of(modes: balanced.BalancedModes, axis: int, states: np.ndarray, where: np.ndarray) -> Subspace:
    """What an axis (from 1) reads in some of the state's numbers, (S,) bool, and what goes with it there.

    A projection inside these numbers; of all of them it is the axis itself, whose pattern Φ is CΨ/σ. ``states`` (n, S)
    are relative to their mean.
    """
    psi = np.where(where, modes.Psi[:, axis - 1], 0)
    along = states @ psi
    phi = np.where(where, along @ states / (along @ along), 0)[:, None]
    size = np.linalg.norm(phi)
    return Subspace(modes.mean, phi / size, psi[:, None] * size)


def by_layer(model: SentimentRNN, modes: balanced.BalancedModes, volume: int, states: np.ndarray) -> Iterator[Row]:
    """Which layer's part of the volume carries the modifiers, and who reads it; beside three axes of like variance."""
    assert isinstance(model.cell, StackedCell)
    shares = model.cell.split(modes.Phi[:, volume - 1] * modes.Psi[:, volume - 1])
    numbers = np.repeat(np.arange(len(shares)), [len(s) for s in shares])
    others = [a for a in range(2, min(17, modes.Phi.shape[1] + 1)) if a != volume]
    for i, share in enumerate(shares):
        yield {"measure": "volume_share", "at": i + 1, "value": float(share.sum())}
        spaces = {a: part_of(modes, a, states, numbers == i) for a in (volume, *others)}
        variance = {a: np.square(states @ s.dual).mean() for a, s in spaces.items()}
        near = sorted(others, key=lambda a: abs(np.log(variance[a] / variance[volume])))[:3]
        ratio = float(np.exp(np.mean([np.log(variance[a] / variance[volume]) for a in near])))
        yield {"measure": "variance_of_others", "at": i + 1, "value": ratio}
        chosen = {"volume": [spaces[volume]], "other axes": [spaces[a] for a in near]}
        for name, axes in chosen.items():
            logits = [partial(logits_with, model, perturb.project_out(s)) for s in axes]
            yield from changed_gains(model, f"{name} removed in layer {i + 1}", logits)
            for gates in (True, False) if i == 0 else ():
                hiding = [hidden(model, s, gates).logits_of for s in axes]
                yield from changed_gains(model, f"{name} hidden from layer 2's {'gates' if gates else 'input'}", hiding)


def changed_gains(model: SentimentRNN, condition: str, logits: Sequence[Logits]) -> Iterator[Row]:
    """Gains with something changed, the mean of several changes."""
    for rows in zip(*(gains(model, each, ["gain"]) for each in logits)):
        means = {k: float(np.mean([float(str(row[k])) for row in rows])) for k in ("value", "low", "high")}
        yield rows[0] | means | {"condition": condition}


def hidden(model: SentimentRNN, space: Subspace, from_gates: bool) -> SentimentRNN:
    """The network whose second layer does not see an axis of the first one's state: its gates do not, or the rest."""
    assert isinstance(model.cell, StackedCell)
    first, second = model.cell.layers
    phi, psi, mean = (x[: second.n_inputs] for x in (space.basis[:, 0], space.dual[:, 0], space.h_star))
    seen = np.repeat(np.array(CELLS[second.kind].gates) != "c", second.n_units) == from_gates
    lost = np.where(seen, phi @ second.W, 0).astype(second.W.dtype)
    W, b = second.W - np.outer(psi, lost).astype(lost.dtype), second.b + (mean @ psi).astype(lost.dtype) * lost
    return replace(model, cell=stack([first, replace(second, W=W, b=b)]))


def logits_with(model: SentimentRNN, change: perturb.Change, ids: list[np.ndarray]) -> np.ndarray:
    """Logits of texts that are read under a perturbation."""
    return perturb.run(model, ids, change).final


def of_language(model: Classifier) -> Iterator[Row]:
    """The known language: how much of the best reader a network reaches, and what it makes of each modifier."""
    language = Language()
    test = language.sample(4000, recovery.TEST_SEED, "test")
    totals = [language.totals(*language.encode(test.texts), modifiers=m) for m in (True, False)]
    right = stats.accuracy(model.logits(test.texts) > 0, test.labels == 1)
    best, without = (stats.accuracy(z > 0, test.labels == 1) for z in totals)
    found = {"accuracy": right, "best_reader": best, "reader_without": without}
    for measure, value in found.items():
        yield {"measure": measure, **value._asdict(), "n": len(test)}
    yield {"measure": "share_of_best", "value": (right.value - 0.5) / (best.value - 0.5)}
    yield {"measure": "share_of_modifiers", "value": (right.value - without.value) / (best.value - without.value)}
    words = language.to_frame()
    polar = words[words.role.isin(["positive", "negative"])]
    polar = polar[polar.valence.abs() > 0.5]
    before = [" ".join(text.split()[:10]) for text in test.texts[:10]]
    signs, each = np.repeat(np.sign(polar.valence), len(before)), np.repeat(polar.word, len(before))

    def read(word: str) -> list[np.ndarray]:
        texts = [f"{start} {word} {w}{' thing001' * 8}" for w in polar.word for start in before]
        return [model.logits(texts), language.totals(*language.encode(texts)) / language.noise]

    plain = read("thing001")
    for word in words.word[words.kind != ""]:
        for name, a, b in zip(("word_gain", "true_gain"), plain, read(word)):
            gain = perturb.modulation(signs, a, b, each).gain
            yield {"measure": name, "condition": word, **gain._asdict(), "n": len(each)}


def gates(cell: Cell, folder: Path) -> list[Row]:
    """All rows of one reader."""
    kind, name, seed = str(cell["cell"]), str(cell["texts"]), int(str(cell["seed"]))
    model = kept(kind, name, seed, folder)
    where: Row = {"network": model.name, "data": "phrases", "condition": ""}
    if name == "language":
        return [where | {"data": name} | row for row in of_language(model)]
    rows = context_tests(model, (*READ, "checklist"), MOST).to_dict("records")
    more = [*gains(model, model.logits_of), *reach(model)]
    if isinstance(model, SentimentRNN):
        more += axes_of(model, texts(name), seed)
    return rows + [where | row for row in more]


def with_few_words(model: SentimentRNN) -> SentimentRNN:
    """The network with its thousand most frequent words and those of the phrases, for the widget of the page."""
    words, counts = model.vocabulary.words, np.asarray(model.counts)
    phrases = np.concatenate(perturb.phrase_pairs(model)["with"].to_list())
    chosen = np.unique(np.r_[0, 1, np.argsort(-counts.astype(float), kind="stable")[:1000], phrases])
    vocabulary = Vocabulary(tuple(words[i] for i in chosen))
    return replace(model, embedding=model.embedding[chosen], vocabulary=vocabulary, counts=counts[chosen])


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each reader beside those of the same texts: its gain of negation as a share of the GRU's, and its
    accuracy on whole reviews less the bag's and the GRU's, means over their seeds."""
    kind = table.network.str.extract(r"(.*)-(.*)-\d")
    whole = (table.measure == "accuracy") & (table.data == kind[1].map({"films": "imdb/test", "yelp": "yelp/test"}))
    gain = (table.measure == "negated_gain") & (table.condition == "")

    def beside(rows: pd.Series, reader: str) -> pd.Series:
        return kind[1].map(table[rows & (kind[0] == reader)].value.groupby(kind[1]).mean())[rows]

    own, other = table[gain], beside(gain, "gru")
    share = {"value": own.value / other, "low": own.high / other, "high": own.low / other}  # gains are negative
    parts = [own.assign(measure="negated_gain_share", **share)]
    for reader in ("bow", "gru"):
        own, other = table[whole], beside(whole, reader)
        less = {k: own[k] - other for k in ("value", "low", "high")}
        parts.append(own.assign(measure=f"accuracy_over_{reader}", **less))
    return pd.concat([table, *parts], ignore_index=True)


def main() -> None:
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # readers are trained side by side, each on one core
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/sweeps"), help="folder of results (default: %(default)s)"
    )
    parser.add_argument("--cells", nargs="+", default=list(READERS), metavar="CELL", help="readers (default: all)")
    parser.add_argument("--texts", nargs="+", default=list(TEXTS), choices=TEXTS, help="kinds of text (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes on this machine (default: %(default)s)")
    args = parser.parse_args()
    code = Source().code("gates")
    cells = grid(texts=args.texts, cell=args.cells, seed=list(SEEDS), code=code[:12])
    table = sweep(cells, args.out / "gates", partial(gates, folder=args.out), workers=args.workers)
    table = table.reindex(columns=list(COLUMNS)).fillna({"condition": "", "note": ""})
    table = compared(table)
    table.to_csv(args.out / "gates.csv", index=False)
    if (tuple(args.cells), tuple(args.texts)) == (READERS, TEXTS):
        first = zoo.load(args.out / "models" / "mingru-films-0", SentimentRNN)
        zoo.save(replace(with_few_words(first), name="mingru-films"), SHIPPED, compact=True)
        files = [args.out / "models" / f"{c['cell']}-{c['texts']}-{c['seed']}{zoo.SUFFIX}" for c in cells]
        seconds = sum(zoo.load(f).record["seconds"] for f in files) / 2
        data = [*(texts(name) for name in VECTORS), *(context_texts(name, MOST) for name in READ)]
        about = {
            "code": code, "seeds": list(SEEDS), "data": {f"{r.name}/{r.split}": r.fingerprint for r in data},
            "networks": networks(files),
            "minutes": round(seconds / 60 + minutes(args.out / "gates", cells), 1),
        }  # fmt: skip
        print(f"record written to {write_table('gates', table, about)}")


if __name__ == "__main__":
    main()
