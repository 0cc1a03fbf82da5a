"""Chapter 6's experiment: augmented bags of words trained on IMDB, step by step, and the record `augmented`.

    python scripts/augmented.py --vectors runs/vectors-imdb-128.npz --soft-labels runs/soft-imdb.npz

Two minutes a training run on two quiet cores, seven steps and six controls for each of three seeds. It
can be stopped at any time: models are kept in the folder, and a further run goes on with what is missing.
Penalties, parts, the number of modifiers and their ranking were chosen on reviews held out from training.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from provenance import Source, networks, write_table
from scipy import sparse
from scipy.stats import spearmanr
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sweep import Row
from tqdm import tqdm

from rnnrev import modifiers, stats, zoo
from rnnrev.augmented_bow import AugmentedBagOfWords
from rnnrev.book.augmented import STEPS, AugmentedConfig, train_augmented
from rnnrev.data import Reviews, Vocabulary, load_reviews, split_validation, tokenize
from rnnrev.files import digest, write_npz
from rnnrev.linear import OperatingPoint, operating_point
from rnnrev.model import Classifier, SentimentRNN
from rnnrev.stats import Estimate

NETWORKS = ("gru-imdb", "gru-imdb-1", "gru-imdb-2")  #: the seeds of one recipe; the first is the best one
#: Other words in the place of those that the network's ranking chose, and the steps that get them.
CONTROLS = ("frequent words", "random words")
CONTROLLED = ("+ modifiers", "+ end", "+ parts")


def row(
    network: str,
    data: str,
    measure: str,
    value: float | Estimate,
    *,
    condition: str = "",
    at: float = np.nan,
    n: float = np.nan,
) -> Row:
    """One row of the record."""
    found, low, high = value if isinstance(value, Estimate) else (value, np.nan, np.nan)
    return {
        "network": network, "data": data, "measure": measure, "condition": condition, "at": at, "value": float(found),
        "low": low, "high": high, "n": n, "note": "",
    }  # fmt: skip


# --- models and what they make of texts ---------------------------------------------------------


def trained(
    place: Path, config: AugmentedConfig, words: Sequence[str], reviews: Reviews, test: Reviews | None = None
) -> AugmentedBagOfWords:
    """The model from its place, or trained and kept there; one of another configuration is trained again."""
    if place.is_file():
        model = zoo.load(place, AugmentedBagOfWords)
        config_there = {k: tuple(v) if isinstance(v, list) else v for k, v in model.record["config"].items()}
        if config_there == asdict(config):
            return model
    return train_augmented(config, reviews, words, out=place, test=test)


def ranked_modifiers(point: OperatingPoint, n: int) -> tuple[str, ...]:
    """The n words that modify most in running text: by their finite effect on probe words (``rms``) times frequency.

    A bag gains more from a mild modifier in every sentence than from a strong one that is rare. Nothing but training
    text decides: no list, no test set.
    """
    table = modifiers.modifier_effects(point)
    order = np.argsort(-(table.rms * table.per_million).to_numpy(), kind="stable")
    return tuple(table.word.iloc[order[:n]])


def candidates(condition: str, ranked: Sequence[str], vocabulary: Vocabulary, seed: int) -> list[str]:
    """Words that may be modifiers: ranked by the network; or as many frequent ones, or random ones."""
    if condition == "frequent words":
        return list(vocabulary.words[2 : 2 + len(ranked)])
    if condition == "random words":
        return np.random.default_rng([seed, 37]).choice(vocabulary.words[2:], len(ranked), replace=False).tolist()
    return list(ranked)


def logits(model: Classifier, place: Path, reviews: Reviews) -> np.ndarray:
    """Logits of texts, (n,); kept in a file, which is made again where the texts are others."""
    if place.is_file():
        with np.load(place) as stored:
            if str(stored["sha256"]) == reviews.fingerprint:
                return stored["logits"]
    found = model.logits(reviews.texts)
    write_npz(place, {"logits": found, "sha256": reviews.fingerprint})
    return found


def revised() -> Reviews:
    """The minimal revisions of IMDB reviews (Kaushik et al. 2020); their originals are among the training reviews."""
    one, two = (load_reviews("imdb_counterfactual", split) for split in ("train", "validation"))
    return replace(one, split="revised", texts=one.texts + two.texts, labels=np.concatenate([one.labels, two.labels]))


# --- shares of a gap ----------------------------------------------------------------------------


def accuracies(*groups: np.ndarray, draws: int = 2000) -> list[np.ndarray]:
    """Accuracy of each group of models, (draws + 1,): the first as it is, then with texts and seeds drawn anew.

    Groups are arrays of bool (seeds, texts): right or wrong. Texts are the same for all groups.
    """
    # texts on which all models do alike are one kind: draw how many of each kind, not which
    pattern, count = np.unique(np.concatenate(groups), axis=1, return_counts=True)
    of_models = stats.resample(count, draws, [0, 43]) @ pattern.T
    parts = np.split(of_models, np.cumsum([len(g) for g in groups])[:-1], axis=1)
    return [(p * stats.resample(p.shape[1], draws, [i, 59])).sum(1) for i, p in enumerate(parts)]


def gap_share(bag: np.ndarray, augmented: np.ndarray, network: np.ndarray) -> Estimate:
    """Share of the gap between bag and network that the augmented bag closes; arrays as in :func:`accuracies`."""
    a, b, c = accuracies(bag, augmented, network)
    if c[0] <= a[0]:
        raise ValueError(f"no gap: the network has {c[0]:.2%}, the bag of words {a[0]:.2%}")
    return stats.estimate((b - a) / (c - a))


def auc_share(
    labels: np.ndarray, bag: np.ndarray, augmented: np.ndarray, network: np.ndarray, draws: int = 200
) -> Estimate:
    """The same for the area under the curve, which a model's zero does not move; arrays of logits (seeds, texts)."""
    ends = np.cumsum([len(bag), len(augmented)])

    def share(labels: np.ndarray, *columns: np.ndarray, axis: int = -1) -> np.ndarray:
        a, b, c = (np.mean([stats.auc(labels, z, axis) for z in part], 0) for part in np.split(np.array(columns), ends))
        return (b - a) / (c - a)

    return stats.bootstrap((labels, *bag, *augmented, *network), share, n=draws)


# --- filters beside the network's transients ----------------------------------------------------


def filters(
    step: str, bag: AugmentedBagOfWords, point: OperatingPoint, table: pd.DataFrame, n: int = 20
) -> Iterator[Row]:
    """Relative changes of what probe words count, learned by the bag and made by the network, after the same words.

    The first ``n`` words of chapter 3's ranking that lower what others count and the first that raise it, so that signs
    agree by chance in about half of them.
    """
    known = table[table.word.isin(bag.modifiers) & (table.strength > 0)]
    words = [w for side in (known[known.gain < 0], known[known.gain > 0]) for w in side.word[:n]]
    probes = modifiers.probe_words(point)
    network = modifiers.transients(point, words, n_steps=bag.taps - 1, probes=probes).gain
    of_sign = [bag.parts[[bag.vocabulary.number(w) for w, s in zip(probes.words, probes.sign) if s == sign]].mean(0)
               for sign in (1, -1)]  # fmt: skip
    own = bag.filters[[bag.modifiers.index(w) for w in words]]
    learned = np.mean([np.einsum("c,mck->mk", parts, own) / parts.sum() for parts in of_sign], 0)
    x, y = network[:, 0], learned[:, 0]
    compared: dict[str, Callable[[np.ndarray], float]] = {
        "filter_correlation": lambda i: float(spearmanr(x[i], y[i])[0]),
        "filter_curves": lambda i: float(np.corrcoef(network[i].ravel(), learned[i].ravel())[0, 1]),
        "filter_sign": lambda i: float(np.mean(np.sign(x[i]) == np.sign(y[i]))),
        "filter_size": lambda i: float(np.median(y[i] / x[i])),
    }
    for measure, statistic in compared.items():
        yield row(step, "imdb/test", measure, stats.bootstrap(np.arange(len(words)), statistic, n=1000), n=len(words))
    up = np.array([(x > 0).mean(), (y > 0).mean()])
    yield row(step, "imdb/test", "filter_sign_chance", float(up.prod() + (1 - up).prod()))
    for i, word in enumerate(words):
        lags = bag.taps if i % n < 3 else 1  # whole curves of three words a side
        for name, curve in ((step, learned[i]), ("GRU", network[i])):
            where = {"condition": word} if name == step else {"condition": f"{step}: {word}"}
            for lag in range(lags):
                yield row(name, "imdb/test", "filter", curve[lag], at=lag + 1, **where)


# --- other models -------------------------------------------------------------------------------


def yardsticks(reviews: Reviews, test: Reviews) -> Iterator[Row]:
    """n-gram models of scikit-learn, their regularization chosen on held-out training reviews.

    Unigram to trigram logistic regression on word presence, and NB-SVM (Wang & Manning 2012: presence times
    naive-Bayes log-count ratio into a linear SVM) on uni- and bigrams.
    """
    held = split_validation(len(reviews), 0.1, 0)
    for name, n in (("unigrams", 1), ("bigrams", 2), ("trigrams", 3), ("NB-SVM, bigrams", 2)):
        bayes = name.startswith("NB")
        count = CountVectorizer(
            tokenizer=tokenize, token_pattern=None, lowercase=False, ngram_range=(1, n), min_df=2, binary=True
        )
        seen, scored = count.fit_transform(reviews.texts).astype(float), count.transform(test.texts).astype(float)
        if bayes:
            share = [np.asarray(seen[~held & (reviews.labels == c)].sum(0)).ravel() + 1 for c in (0, 1)]
            ratio = sparse.diags(np.log(share[1] / share[1].sum()) - np.log(share[0] / share[0].sum()))
            seen, scored = (seen @ ratio).tocsr(), (scored @ ratio).tocsr()
        tried = []
        for C in (0.001, 0.01, 0.1) if bayes else (0.01, 0.03, 0.1, 0.3):
            model = LinearSVC(C=C) if bayes else LogisticRegression(C=C, solver="liblinear")
            model.fit(seen[~held], reviews.labels[~held])
            tried.append((model.score(seen[held], reviews.labels[held]), C, model))
        best = max(tried, key=lambda t: t[0])[2]
        yield row(name, "imdb/test", "accuracy", stats.accuracy(best.predict(scored), test.labels), n=len(test))


# --- the experiment -----------------------------------------------------------------------------


def run(folder: Path, config: AugmentedConfig, seeds: Sequence[int], data: Mapping[str, Reviews]) -> Iterator[Row]:
    """Train what is missing, score it on ``data``, and yield the rows of the record."""
    reviews, test = load_reviews("imdb", "train"), data["imdb/test"]
    best = zoo.load(NETWORKS[0], SentimentRNN)
    point = operating_point(best)
    ranked, vocabulary = (
        ranked_modifiers(point, config.n_modifiers),
        Vocabulary.fit(reviews.texts, config.vocabulary_size),
    )
    readers: dict[tuple[str, str], list[tuple[str, Classifier]]] = {
        ("GRU", ""): [(n, zoo.load(n)) for n in NETWORKS],
        ("GRU, pre-trained", ""): [("gru-imdb-pretrained", zoo.load("gru-imdb-pretrained"))],
        ("chapter 1's bag", ""): [("bow-imdb", zoo.load("bow-imdb"))],
    }
    wanted = [(step, c) for step in STEPS for c in ("", *CONTROLS) if not c or step in CONTROLLED]
    for seed, (step, condition) in tqdm([(s, w) for s in seeds for w in wanted], unit="model"):
        name = f"{step} {condition} {seed}".replace(" ", "-").replace("+-", "").replace("--", "-")
        words = candidates(condition, ranked, vocabulary, seed)
        model = trained(folder / f"{name}.safetensors", replace(config, **STEPS[step], seed=seed), words, reviews)
        readers.setdefault((step, condition), []).append((name, model))

    z: dict[tuple[str, str, str], np.ndarray] = {}
    for (network, condition), models in readers.items():
        for where, texts in data.items():
            files = [folder / "logits" / f"{name} {where.replace('/', ' ')}.npz" for name, _ in models]
            z[network, condition, where] = np.stack([logits(m, file, texts) for (_, m), file in zip(models, files)])
    right = {key: (found > 0) == data[key[2]].labels for key, found in z.items()}
    for (reader, condition, where), found in z.items():
        labels = data[where].labels
        for seed, each in enumerate(found):
            at: dict[str, Any] = {"condition": condition, "at": seed, "n": len(labels)}
            yield row(reader, where, "accuracy", stats.accuracy(each > 0, labels), **at)
            yield row(reader, where, "auc", float(stats.auc(labels, each)), **at)

    bag, network, imdb = right["bag of words", "", "imdb/test"], right["GRU", "", "imdb/test"], "imdb/test"
    for step, condition in wanted[1:]:
        own = right[step, condition, imdb]
        yield row(step, imdb, "gap_share", gap_share(bag, own, network), condition=condition)
        yield row(step, imdb, "gap_share_best", gap_share(bag, own, network[:1]), condition=condition)
        yield row(
            step,
            imdb,
            "gap_share_schooled",
            gap_share(bag, own, right["GRU, pre-trained", "", imdb]),
            condition=condition,
        )
        shipped = right["chapter 1's bag", "", imdb]
        yield row(step, imdb, "gap_share_shipped", gap_share(shipped, own, network), condition=condition)
        for where in [name for name in data if name != imdb]:
            plain, mine, best_of = (z[k, c, where] for k, c in (("bag of words", ""), (step, condition), ("GRU", "")))
            share = auc_share(data[where].labels, plain, mine, best_of)
            yield row(step, where, "gap_share_auc", share, condition=condition)
    gains = [
        ("accuracy_gain", a, b, c) for a, b in pairwise(STEPS) for c in ("", *CONTROLS) if not c or b == "+ modifiers"
    ]
    gains += [("accuracy_gain_ends", "+ modifiers", "+ end", ""), ("accuracy_gain_ours", "+ end", "+ parts", "")]
    for measure, before, after, condition in gains:
        a, b = accuracies(right[before, "", imdb], right[after, condition, imdb])
        yield row(after, imdb, measure, stats.estimate(b - a), condition=condition)
    for step in CONTROLLED:
        for control in CONTROLS:  # what the network's choice of words is worth
            a, b = accuracies(right[step, control, imdb], right[step, "", imdb])
            yield row(step, imdb, "choice_gain", stats.estimate(b - a), condition=control)

    size = sum(getattr(best.cell, k).size for k in ("W", "U", "b", "b_rec", "h0")) + best.w.size
    table = modifiers.modifier_effects(point)
    frequent = set(vocabulary.words[2 : 2 + len(ranked)])
    yield row("+ end", imdb, "ranked_frequent", float(np.mean([w in frequent for w in ranked])), n=len(ranked))
    for step in STEPS:
        first_bag = readers[step, ""][0][1]
        assert isinstance(first_bag, AugmentedBagOfWords)
        numbers = sum(v.size for k, v in first_bag.weights.items() if k not in ("parts", "b"))
        yield row(step, imdb, "filter_numbers", numbers)
        yield row(step, imdb, "filter_share", numbers / size)
        if step in ("+ end", "+ parts"):
            yield from filters(step, first_bag, point, table)
    yield from yardsticks(reviews, test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("runs/augmented"), help="models (default: %(default)s)")
    parser.add_argument("--vectors", required=True, help="word vectors (.npz), those of the networks")
    parser.add_argument("--soft-labels", required=True, help="labels of the unlabelled reviews (.npz)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    args = parser.parse_args()
    config = AugmentedConfig(vectors=args.vectors, soft_labels=args.soft_labels)
    data = {
        "imdb/test": load_reviews("imdb", "test"),
        "sst2/validation": load_reviews("sst2", "validation"),
        "imdb_counterfactual/revised": revised(),
    }
    about = {
        "code": Source().code("augmented"),
        "config": asdict(config),
        "seeds": args.seeds,
        "networks": networks(NETWORKS),
    }
    about["inputs"] = {Path(f).name: digest(f) for f in (args.vectors, args.soft_labels)}
    about["data"] = {name: reviews.fingerprint for name, reviews in data.items()}
    table = pd.DataFrame(run(args.folder, config, args.seeds, data))
    about["minutes"] = round(time.process_time() / 60 / 2, 1)  # of this run: models that were there are not trained
    print(f"record written to {write_table('augmented', table, about)}")


if __name__ == "__main__":
    main()
