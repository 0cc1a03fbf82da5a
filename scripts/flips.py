"""What makes *not* flip? Small networks on hard and on soft labels, of films, phrases, restaurants and all of them.

    python scripts/flips.py --vectors runs/vectors-imdb.npz          (scripts/vectors.py --data imdb makes the vectors)
    python scripts/flips.py --whole runs/gru-hard.safetensors …       whole networks, read in the same way

The question: some networks only mute good and bad after *not*, others turn their order round. Is that the labels, the
texts, or how long they trained? GRUs of 64 units learn from labels (hard: the reviewers' own; soft: a shipped network's
probabilities; smoothed: hard ones drawn in until they are as far from one half as the soft ones, which tells softness
from the teacher's reading) × texts × three seeds, and are measured after every epoch. The teacher of films and phrases
is gru-imdb, of restaurants gru-yelp, each scaled as in scripts/label.py; both have seen these texts. What all begin
with are word vectors of films' texts. A bag of words learns from the same hard labels. The record holds both teachers,
read in the same way: do small networks show what whole ones do? And `gru-hard`
of three seeds (scripts/networks.py), the GRU of the chapters without soft labels, which came after all else.

The limits, written before these networks were trained: "hard labels take more away" holds where hard less soft, paired
by texts and seed, is under 0 with its interval; "turned round" where the mean over seeds lies under −1 with its
interval. Three trials of one seed with hard labels came before and set size, epochs, learning rate and dropout, by
what they gave: films −.08 (a learning rate of 2e-3 and other dropout), films −.65 and phrases −1.02 (6e-3). The run
has fewer and shorter texts and 1e-2, for time.

The rule for the network that the chapters open: of the shipped networks whose AUC on revised reviews lies above that of
the bag of their own texts (intervals apart), and whose effects are clear (in mid-text negation's interval under −½,
intensifiers' over ¼), the one with the highest AUC; where its interval holds the AUC of the network that the chapters
have, which passes as well, they keep it. That rule is of today, and the records it reads are older.

It can be stopped at any time, and goes on where it stopped.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from provenance import Source, add, networks, write_table
from scipy.special import expit
from sweep import Cell, Row, grid, minutes, rows_of, sweep

from rnnrev import perturb, stats, zoo
from rnnrev.config import TrainConfig
from rnnrev.context import context_texts
from rnnrev.data import Reviews, Vocabulary, load_reviews
from rnnrev.driven import visited_states
from rnnrev.files import digest, write_npz
from rnnrev.measure import COLUMNS
from rnnrev.model import Classifier, SentimentRNN

#: Training texts: how many, and who gives them soft labels.
TEXTS = {"imdb": (8000, "gru-imdb"), "sst5": (16_000, "gru-imdb"), "yelp": (8000, "gru-yelp")}
LABELS, SEEDS = ("hard", "soft"), (0, 1, 2)
#: Cells beside the grid of texts × labels: the control of softness, and the bag.
BESIDE = [*grid(texts="all", labels="smoothed"), *grid(texts=[*TEXTS, "all"], labels="bag")]
SMALL = TrainConfig(
    n_units=64, epochs=5, patience=5, batch_size=128, max_tokens=64, learning_rate=1e-2, vocabulary_size=10_000,
    embedding_dropout=0.1, state_dropout=0.1,
)  # fmt: skip
BAG = replace(SMALL, cell="bow")
#: What is read at the end, and so many texts of each at most.
READ, MOST = ("imdb", "yelp", "sst2", "imdb_counterfactual"), 800


@cache
def texts_of(name: str) -> Reviews:
    """Texts to learn from, as many of each class; of five levels, the middle one is left out."""
    if name == "all":
        parts = [texts_of(each) for each in TEXTS]
        parts = [part.take(slice(len(part) // len(TEXTS))) for part in parts]
        labels = np.concatenate([part.labels for part in parts])
        return Reviews("all", "train", tuple(text for part in parts for text in part.texts), labels)
    reviews = load_reviews(name, "train")
    if name == "sst5":
        reviews = replace(reviews, labels=np.choose(reviews.labels, [0, 0, -1, 1, 1]))
    return reviews.take(reviews.labels >= 0).balanced().sample(TEXTS[name][0])


def soft_labels(name: str, folder: Path) -> np.ndarray:
    """P(positive) by the teacher, (n,); kept in a file."""
    if name == "all":
        parts = [soft_labels(each, folder) for each in TEXTS]
        return np.concatenate([part[: len(part) // len(TEXTS)] for part in parts])
    reviews, file = texts_of(name), folder / f"soft-{name}.npz"
    if not file.is_file():
        logits = zoo.load(TEXTS[name][1]).logits(reviews.texts)
        write_npz(file, {"probability": expit(2.5 * logits / np.std(logits)), "sha256": np.array(reviews.fingerprint)})
    with np.load(file) as stored:
        if str(stored["sha256"]) != reviews.fingerprint:
            raise ValueError(f"{file} was made for other texts: delete it")
        return stored["probability"]


def smoothed(labels: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Hard labels drawn in towards one half, on average as far from it as probabilities ``like`` are."""
    return 0.5 + (labels - 0.5) * 2 * np.abs(like - 0.5).mean()


def gains(model: SentimentRNN, texts: tuple[str, ...]) -> list[Row]:
    """What modifiers do to the contrast phrases (chapter 3), begun in the mean state of texts: mid-text."""
    middle = visited_states(model, model.vocabulary.encode_all(texts[:60])).mean(0)
    pairs = perturb.phrase_pairs(model)
    start = perturb.start_from(middle)
    logits = [perturb.run(model, list(pairs[side]), start).final for side in ("without", "with")]
    pairs = pairs.assign(plain=logits[0], changed=logits[1])
    rows = []
    for condition, part in pairs.groupby("condition", sort=False):
        found = perturb.modulation(part.valence, part.plain, part.changed, part.word)
        for row in rows_of(found, n=len(part)):
            rows.append(row | {"measure": f"{row['measure']}_{condition}"})
    return rows


def measured(cell: Cell, folder: Path, vectors: Path) -> list[Row]:
    """The rows of one network: after every epoch, and when it is trained."""
    texts, name = texts_of(str(cell["texts"])), f"{cell['texts']}-{cell.get('labels')}"
    where: Row = {"network": name, "data": cell["texts"], "condition": ""}
    if "network" in cell:
        shipped = zoo.load(str(cell["network"]), SentimentRNN)
        own = [where | row for row in gains(shipped, texts.texts)] + tested(shipped)
        return [row | {"network": Path(str(cell["network"])).stem} for row in own]
    from rnnrev.train import Bag, Network, fit, load_vectors

    seed, kind = int(str(cell["seed"])), str(cell["labels"])
    labels = texts.labels.astype(np.float32)
    if kind in ("soft", "smoothed"):
        probability = soft_labels(str(cell["texts"]), folder).astype(np.float32)
        labels = probability if kind == "soft" else smoothed(labels, probability)
    vocabulary = Vocabulary.fit(texts.texts, SMALL.vocabulary_size)
    ids, rows = vocabulary.encode_all(texts.texts), []
    config = replace(BAG if kind == "bag" else SMALL, seed=seed)
    if kind == "bag":
        fit(bag := Bag(config, len(vocabulary)), ids, labels, config, lambda: np.nan, progress=False)
        return tested(bag.to_model(vocabulary, name))
    network = Network(config, len(vocabulary), 2, load_vectors(vectors, vocabulary, config.n_inputs))
    (layer,) = network.stack
    layer.shards = 1  # cells run side by side, each on one core

    def after_epoch() -> float:
        made = network.to_model(vocabulary, name)
        rows.append([where | row for row in gains(made, texts.texts)])
        return np.nan  # nothing is held out: the last epoch counts

    fit(network, ids, labels, config, after_epoch, progress=False)
    epochs = [row | {"at": epoch} for epoch, found in enumerate(rows, 1) for row in found]
    last = [*rows[-1], *tested(network.to_model(vocabulary, name))]
    return [row | {"condition": f"seed {seed}"} for row in [*epochs, *last]]


@cache
def read_texts(name: str) -> Reviews:
    return context_texts(name, MOST)


def tested(model: Classifier) -> list[Row]:
    """Accuracy and AUC on reviews, sentences and revised reviews."""
    rows: list[Row] = []
    for reviews in map(read_texts, READ):
        where = {"network": model.name, "data": f"{reviews.name}/{reviews.split}", "n": len(reviews)}
        logits = model.logits(reviews.texts)
        rows.append(where | {"measure": "auc", "value": float(stats.auc(reviews.labels, logits))})
        right = stats.accuracy(logits > 0, reviews.labels == 1)
        rows.append(where | {"measure": "accuracy"} | right._asdict())
    return rows


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """Each number's mean over seeds with its interval, and what hard labels take away more, paired by texts and seed.

    ``hard_less_soft`` and ``hard_less_smoothed`` are differences of gains on each set of texts and, as "every set", of
    all pairs.
    """
    seeds = table[table.condition.str.startswith("seed")]
    rows = []
    for keys, group in seeds.groupby(["network", "data", "measure", "at"], sort=False, dropna=False):
        bounds = (0.0, 1.0) if keys[2] in ("accuracy", "auc") else (-np.inf, np.inf)
        found = stats.over_seeds(group.value, bounds)
        where = dict(zip(("network", "data", "measure", "at"), keys))
        rows.append(where | {"condition": "", "n": len(group)} | found._asdict())
    last = seeds[seeds["at"].isna()]
    last = last.assign(labels=last.network.str.split("-").str[1])
    for measure in ("gain_negated", "gain_intensified"):
        wide = last[last.measure == measure].pivot(index=["data", "condition"], columns="labels", values="value")
        for other in ("soft", "smoothed"):
            apart = (wide.hard - wide[other]).dropna()
            for data, part in [*apart.groupby(level=0, sort=False), ("every set", apart)]:
                where = {"network": f"hard less {other}", "data": data, "condition": "", "n": len(part)}
                rows.append(where | {"measure": f"{measure}_apart", "at": np.nan} | stats.over_seeds(part)._asdict())
    return pd.concat([pd.DataFrame(rows), table], ignore_index=True)


def plan() -> list[dict[str, object]]:
    """All cells, a seed after the other."""
    cells = [
        cell
        for seed in SEEDS
        for cell in [
            *grid(texts=[*TEXTS, "all"], labels=list(LABELS), seed=seed),
            *({**beside, "seed": seed} for beside in BESIDE if seed == 0 or beside["labels"] != "bag"),
        ]
    ]
    return cells + [{"network": name, "texts": text} for text, name in (("imdb", "gru-imdb"), ("yelp", "gru-yelp"))]


def main() -> None:
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # cells run side by side, each on one core
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=Path, default="runs/vectors-imdb.npz", help="file of scripts/vectors.py")
    parser.add_argument("--whole", nargs="+", metavar="FILE", help="measure these networks alone")
    parser.add_argument("--out", type=Path, default=Path("runs/flips"), help="folder of parts (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=1, help="processes (default: %(default)s)")
    args = parser.parse_args()
    code = Source().code("flips")
    run = partial(measured, folder=args.out, vectors=args.vectors)
    if args.whole:
        cells = grid(network=args.whole, texts="imdb", code=code[:12])
        table = sweep(cells, args.out, run, workers=args.workers).reindex(columns=list(COLUMNS))
        files = networks(args.whole)
        print(add("flips", table.fillna({"condition": "", "note": ""}), minutes(args.out, cells), files))
        return
    cells = [cell | {"code": code[:12]} for cell in plan()]
    for name in TEXTS:
        soft_labels(name, args.out)  # once, before cells run side by side
    table = sweep(cells, args.out, run, workers=args.workers)
    table = over_seeds(table.reindex(columns=list(COLUMNS)).fillna({"condition": ""}))
    about = {
        "code": code,
        "seeds": list(SEEDS),
        "data": {name: texts_of(name).fingerprint for name in TEXTS},
        "networks": networks(sorted({teacher for _, teacher in TEXTS.values()})),
        "vectors": digest(args.vectors)[:16],
        "minutes": round(minutes(args.out, cells), 1),
    }
    print(f"{len(cells)} cells; written to {write_table('flips', table.fillna({'note': ''}), about)}")


if __name__ == "__main__":
    main()
