"""Chapter 6's ladder: readers rebuilt step by step, on five kinds of text, and the record `rebuild`.

    python scripts/rebuild.py                 all shipped networks of one logit; an hour on two quiet cores
    python scripts/rebuild.py gru-imdb        some of them

Share of the gap, (reader − bag) / (network − bag), by AUC, and by accuracy with the intercept fitted anew on training
text of the same kind; on CheckList by the mean of its five tests. Draws of texts are shared by all readers, so that
shares are paired. k, C and the number of places were chosen on training text; nothing here is fitted to labels but the
intercepts and the n-gram models.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from provenance import Source, add, networks, write_table
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sweep import Cell, grid, minutes, sweep

from rnnrev import knob, stats, zoo
from rnnrev.balanced import BalancedModes, balance
from rnnrev.context import SETS, checklist_answers, context_texts
from rnnrev.data import Reviews, Vocabulary, load_checklist, load_reviews, tokenize
from rnnrev.linear import frequent_words
from rnnrev.measure import COLUMNS
from rnnrev.model import BagOfWords, Classifier, SentimentRNN
from rnnrev.rebuild import few_numbers
from rnnrev.words import WordForm, word_form

STATE = 5  #: numbers of state of the explicit forms
WORD = (1, 2, 3, 4)  #: numbers a word
KEPT = (2, 3, 5)  #: of balanced modes
MOST = 1000  #: texts a set
KNOBS = ("knob-imdb", "knob-imdb-1", "knob-imdb-2")  #: of three seeds, from labels alone
CHECKLIST = "checklist/test"
NEGATORS = {"not", "no", "never", "without", "neither", "nor", "nothing", "hardly", "barely"}  #: and words in n't
CONTRAST = {"but", "although", "though", "however", "yet"}
#: Of which kind the training texts are that a set's intercept is fitted on.
KIN = {"imdb": "imdb", "yelp": "yelp", "sst2": "sst2", "imdb_counterfactual": "imdb"}
Row = dict[str, Any]
Reader = Callable[[str], np.ndarray]  #: name of a set of :func:`texts` -> logits


# --- texts and scores -------------------------------------------------------------------------------


@cache
def texts() -> dict[str, Reviews]:
    """The sets, and training texts of their kinds under "imdb/train" …: of SST-2's phrases those of ten words."""
    found = [context_texts(name, MOST) for name in SETS]
    for name in dict.fromkeys(KIN.values()):
        reviews = load_reviews(name, "train")
        long = np.array([name != "sst2" or len(t.split()) >= 10 for t in reviews.texts])
        found.append(reviews.take((reviews.labels >= 0) & long).sample(300, 7))
    sentences = checklist()
    found.append(Reviews("checklist", "test", sentences.text.tolist(), np.zeros(len(sentences), int)))
    return {f"{r.name}/{r.split}": r for r in found}


@cache
def checklist() -> pd.DataFrame:
    asked = ("simple negations: negative", "simple negations: not negative", "intensifiers", "reducers")
    sentences = load_checklist()
    return sentences[sentences.test.isin(asked)]


@cache
def encoded(vocabulary: Vocabulary, which: str) -> list[np.ndarray]:
    return vocabulary.encode_all(texts()[which].texts)


def reader(model: Classifier | WordForm, shuffled: bool = False) -> Reader:
    """A model as a reader; ``shuffled`` of the same words in another order."""
    vocabulary = model.small.vocabulary if isinstance(model, WordForm) else model.vocabulary

    def read(which: str) -> np.ndarray:
        ids = encoded(vocabulary, which)
        rng = np.random.default_rng(191)
        return model.logits_of([rng.permutation(i) for i in ids] if shuffled else ids).astype(float)

    return read


@cache
def draws(n: int, seed: int = 0) -> np.ndarray:
    return stats.resample(n, 300, seed)


def auc(W: np.ndarray, labels: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Area under the curve of every draw, (draws,)."""
    order = np.argsort(z, kind="stable")
    z, labels, W = z[order], labels[order], W[:, order]
    below = np.c_[np.zeros(len(W)), np.cumsum(W * (labels == 0), 1)]
    up = np.flatnonzero(labels == 1)
    ends = (below[:, np.searchsorted(z, z[up], side)] for side in ("left", "right"))
    return (W[:, up] * sum(ends) / 2).sum(1) / (W[:, up].sum(1) * below[:, -1])


@dataclass
class Scores:
    """What a reader makes of all sets: logits, and draws of each measure by (set, measure)."""

    logits: dict[str, np.ndarray] = field(default_factory=dict)
    found: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    zero: dict[str, float] = field(default_factory=dict)  #: by kind of text

    def positive(self, which: str) -> np.ndarray:
        return self.logits[which] > self.zero[KIN[which.split("/")[0]]]


def scores(read: Reader) -> Scores:
    out = Scores()
    for name in dict.fromkeys(KIN.values()):
        which = f"{name}/train"
        fit = LogisticRegression(C=1e6).fit(read(which)[:, None], texts()[which].labels)
        out.zero[name] = float(-fit.intercept_[0] / fit.coef_[0, 0])
    for which, reviews in texts().items():
        if reviews.split == "train":
            continue
        z, labels, W = read(which), reviews.labels, draws(len(reviews))
        out.logits[which] = z
        if which != CHECKLIST:
            out.found[which, "auc"] = auc(W, labels, z)
            out.found[which, "accuracy"] = W @ (out.positive(which) == (labels == 1))
    answers = checklist_answers(checklist().assign(logit=out.logits[CHECKLIST]))
    low, high = answers["positive"], answers["negative"]
    W = {k: draws(len(v), i) for i, (k, v) in enumerate(answers.items())}
    both = np.concatenate([W["positive"], W["negative"]], 1)
    order = auc(both, np.repeat([0, 1], [len(low), len(high)]), np.concatenate([low, high]))
    shares = [W["positive"] @ (low < 0), W["negative"] @ (high > 0), order]
    shares += [W[k] @ answers[k] for k in ("intensified", "reduced")]
    out.found[CHECKLIST, "expected"] = np.mean(shares, 0)
    return out


def likeness(own: Scores, whole: Scores) -> dict[tuple[str, str], np.ndarray]:
    """How far a reader agrees with the network: r² of logits, as they are and up to a line."""
    out = {}
    for data, x in whole.logits.items():
        y, W = own.logits[data], draws(len(x))
        spread = W @ x**2 - (W @ x) ** 2
        both = W @ (x * y) - (W @ x) * (W @ y)
        out[data, "agreement"] = both**2 / (spread * (W @ y**2 - (W @ y) ** 2))
        out[data, "r2"] = 1 - (W @ (x - y) ** 2) / spread
    return out


def over_seeds(found: np.ndarray) -> np.ndarray:
    """The mean over seeds (seeds, draws), seeds drawn anew with the texts; of one seed, its draws."""
    n, size = found.shape
    return (stats.resample(n, size - 1, [197, n]) * found.T).sum(1)


def rows(
    condition: str, own: Scores | Sequence[Scores], bag: Scores, whole: Scores, at: float = np.nan
) -> Iterator[Row]:
    """A reader's scores, its shares of the gap, and how far it agrees with the network; of several, their mean."""
    several = [own] if isinstance(own, Scores) else list(own)

    def row(data: str, measure: str, found: Sequence[np.ndarray]) -> Row:
        value, n = stats.estimate(over_seeds(np.stack(found))), len(whole.logits[data])
        return {"data": data, "measure": measure, "condition": condition, "at": at, **value._asdict(), "n": n}

    for (data, measure), a in bag.found.items():
        found, c = [one.found[data, measure] for one in several], whole.found[data, measure]
        yield row(data, measure, found)
        if condition not in ("bag of words", "network") and c[0] > a[0]:
            share = "gap_share" + "_accuracy" * (measure == "accuracy")
            yield row(data, share, [(f - a) / (c - a) for f in found])
    if condition != "network":
        alike = [likeness(one, whole) for one in several]
        for data, measure in alike[0]:
            yield row(data, measure, [one[data, measure] for one in alike])


# --- readers ----------------------------------------------------------------------------------------


def ngrams(bayes: bool) -> Reader:
    """NB-SVM on uni- and bigrams (Wang & Manning 2012), or logistic regression on all single words there are."""
    train = load_reviews("imdb", "train")
    count = CountVectorizer(
        tokenizer=tokenize, token_pattern=None, lowercase=False, binary=True, ngram_range=(1, 1 + bayes),
        min_df=1 + bayes,
    )  # fmt: skip
    X, ratio = count.fit_transform(train.texts).astype(float), sparse.identity(1)
    if bayes:
        share = [np.asarray(X[train.labels == c].sum(0)).ravel() + 1 for c in (0, 1)]
        ratio = sparse.diags(np.log(share[1] / share[1].sum()) - np.log(share[0] / share[0].sum()))
        model = LinearSVC(C=0.01).fit((X @ ratio).tocsr(), train.labels)
    else:
        model = LogisticRegression(C=0.03, solver="liblinear").fit(X, train.labels)

    def read(which: str) -> np.ndarray:
        X = count.transform(texts()[which].texts)
        return model.decision_function((X @ ratio).tocsr() if bayes else X)

    return read


def training(name: str) -> list[str]:
    return load_reviews("yelp" if "yelp" in name else "imdb", "train").sample(2000).texts


def ends(model: SentimentRNN) -> tuple[Scores, Scores]:
    """The two ends of the gap: the bag and the whole network."""
    return scores(reader(zoo.load("bow-yelp" if "yelp" in model.name else "bow-imdb"))), scores(reader(model))


def reduced(model: SentimentRNN) -> tuple[BalancedModes, list[np.ndarray]]:
    """Balanced modes, and the texts that places are taken from."""
    ids = model.vocabulary.encode_all(training(model.name)[:360])
    return balance(model, [i[:160] for i in ids[:60]]), ids[300:]


def ladder(model: SentimentRNN) -> Iterator[Row]:
    """So many numbers a word."""
    bag, whole = ends(model)
    yield from rows("network", whole, bag, whole)
    yield from rows("bag of words", bag, bag, whole)
    modes, places = reduced(model)
    form = few_numbers(modes.reduce(model, STATE), places, max(WORD))
    for n in WORD:
        yield from rows("few numbers", scores(reader(form.of_rank(n))), bag, whole, n)
    tokens, started = encoded(model.vocabulary, "yelp/train"), time.process_time()
    form.logits_of(tokens)
    speed = sum(map(len, tokens)) / (time.process_time() - started)
    yield {"data": "yelp/train", "measure": "speed", "condition": "few numbers", "at": max(WORD), "value": speed}
    yield from rows("few numbers, shuffled", scores(reader(form, shuffled=True)), bag, whole, max(WORD))


def upper(model: SentimentRNN) -> Iterator[Row]:
    """Balanced modes as they are, exponentials in the place of polynomials, and the network on shuffled words."""
    bag, whole = ends(model)
    yield from rows("network, shuffled", scores(reader(model, shuffled=True)), bag, whole)
    modes, places = reduced(model)
    readable = word_form(modes.reduce(model, STATE), places)
    for n in (3, 4):
        yield from rows("exponentials", scores(reader(readable.of_rank(n))), bag, whole, n)
    for k in KEPT:
        yield from rows("balanced", scores(reader(modes.reduce(model, k))), bag, whole, k)


def trained(model: SentimentRNN) -> Iterator[Row]:
    """The knob, trained on labels: three seeds, whole and without each part, and the words in another order."""
    bag, whole = ends(model)
    knobs = [zoo.load(name, SentimentRNN) for name in KNOBS]
    yield from rows("knob", [scores(reader(m)) for m in knobs], bag, whole)
    for part in knob.PARTS:
        yield from rows(f"knob without {part}", [scores(reader(knob.without(m, part))) for m in knobs], bag, whole)
    yield from rows("knob, shuffled", [scores(reader(m, shuffled=True)) for m in knobs], bag, whole)


def kinds_of(tokens: Sequence[str], strong: set[str]) -> Iterator[str]:
    """Of which kinds a sentence is; ``strong`` are words with a large valence."""
    yield "all sentences"
    negators = [i for i, w in enumerate(tokens) if w in NEGATORS or w.endswith("n't")]
    if negators:
        after = [i - negators[0] for i, w in enumerate(tokens) if w in strong and i > negators[0]]
        near = "right after it" if after and after[0] <= 2 else "further on" if after else "none after it"
        yield f"a negator, the strong word {near}"
    else:
        yield "no negator"
    if len(negators) > 1:
        yield "two negators"
    if CONTRAST & set(tokens):
        yield "but, although"
    if "than" in tokens:
        yield "a comparison"


def kinds(model: SentimentRNN) -> Iterator[Row]:
    """On which kinds of sentences readers decide otherwise than the network, each with a zero of its own."""
    bag = zoo.load("bow-imdb")
    assert isinstance(bag, BagOfWords)
    frequent = frequent_words(bag)
    size = np.abs(bag.beta[frequent])
    strong = {bag.vocabulary.words[i] for i in frequent[size > np.quantile(size, 0.9)]}
    modes, places = reduced(model)
    readers = {"bag of words": [bag], "few numbers": [few_numbers(modes.reduce(model, STATE), places, max(WORD))]}
    readers["knob"] = [zoo.load(name) for name in KNOBS]
    readers["another seed"] = [zoo.load("gru-imdb-1")]
    which = "sst2/validation"
    sentences = texts()[which].texts
    there = pd.DataFrame([{kind: True for kind in kinds_of(tokenize(t), strong)} for t in sentences]).fillna(False)
    network = scores(reader(model)).positive(which)
    for condition, models in readers.items():
        other = np.mean([scores(reader(m)).positive(which) != network for m in models], 0)
        for kind in there:
            own = other[there[kind].to_numpy(bool)]
            if len(own) >= 30:
                value = stats.bootstrap(own)
                yield {"data": which, "measure": "decides_otherwise", "condition": f"{condition}: {kind}",
                       **value._asdict(), "n": len(own)}  # fmt: skip


def augmented(model: SentimentRNN) -> Iterator[Row]:
    """The augmented bags."""
    bag, whole = ends(model)
    for condition, name in (("paper's form", "augmented-bow-cp20-imdb"), ("all steps", "augmented-bow-imdb")):
        yield from rows(condition, scores(reader(zoo.load(name))), bag, whole)


def without_order(model: SentimentRNN) -> Iterator[Row]:
    """Models of n-grams."""
    bag, whole = ends(model)
    for condition, bayes in (("unigrams", False), ("NB-SVM", True)):
        yield from rows(condition, scores(ngrams(bayes)), bag, whole)


def doubled(model: SentimentRNN, n: int = 8) -> Iterator[Row]:
    """Two modifiers in a row: do the logarithms of their factors add, or the factors' differences from 1?

    The factor of a state is by how much more (or less) probe words write on the memory there than on average. All pairs
    of the n words that lower it most and the n that raise it most, of the thousand most frequent ones.
    """
    ids = model.vocabulary.encode_all(training(model.name)[:120])
    memory = balance(model, [i[:160] for i in ids[:60]]).Psi[:, 0]
    rng, step = np.random.default_rng(193), model.cell.step_projected
    states = np.concatenate([h[10:] for h in model.states_of(ids[60:])])
    h = states[rng.permutation(len(states))[:24]]
    frequent = frequent_words(model)[:1000]
    probes = model.projected[rng.permutation(frequent)[:100]]

    def moved(at: np.ndarray, probes: np.ndarray) -> np.ndarray:
        """What each probe writes beyond the average one, mean over places: (S, …, N) -> (…, probes)."""
        m = np.stack([step(at, u) @ memory for u in probes], -1)
        return (m - m.mean(-1, keepdims=True)).mean(0)

    def factor(at: np.ndarray, n: int = 100) -> np.ndarray:
        valence = moved(h[: len(at)], probes[:n])
        return moved(at, probes[:n]) @ valence / (valence @ valence)

    every = np.concatenate(
        [factor(step(h[:8, None], model.projected[w]), 40) for w in np.array_split(frequent, 20)]
    )  # fmt: skip
    order = np.argsort(every)
    words = model.projected[frequent[np.r_[order[:n], order[-n:]]]]
    one = step(h[:, None], words)
    single = factor(one)
    pair = np.stack([factor(step(one[:, [i]], words)) for i in range(len(words))])
    first, second = np.meshgrid(single, single, indexing="ij")
    kept = (pair > 0.02) & (first > 0.02) & (second > 0.02)  # what is turned round has no logarithm
    first, second, pair = first[kept], second[kept], pair[kept]
    missed = {"multiplied": first * second, "added": first + second - 1}
    where = {"data": "imdb/train", "n": int(kept.sum())}
    yield where | {
        "measure": "pairs_correlation",
        "value": float(np.corrcoef(np.log(first * second), np.log(pair))[0, 1]),
    }
    for condition, guess in missed.items():
        error = float(np.sqrt(np.mean((pair - guess) ** 2)))
        yield where | {"measure": "pairs_missed", "condition": condition, "value": error}
    for measure, end in (("weakest_factor", single.min()), ("strongest_factor", single.max())):
        yield where | {"measure": measure, "value": float(end)}


PARTS = {
    "ladder": ladder, "doubled": doubled, "upper": upper, "trained": trained, "kinds": kinds, "augmented": augmented,
    "without_order": without_order,
}  # fmt: skip
LOWER = ("upper", "trained", "kinds", "augmented", "without_order")  #: of the network that the chapter opens


def measured(cell: Cell) -> list[Row]:
    name = str(cell["network"])
    return [{**r, "network": name} for r in PARTS[str(cell["part"])](zoo.load(name, SentimentRNN))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shipped = zoo.recurrent() + zoo.recurrent(pretrained=True)
    parser.add_argument("networks", nargs="*", default=shipped, help="shipped networks (all)")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS), help="(all)")
    parser.add_argument("--out", type=Path, default=Path("runs/rebuild"), help="folder of parts (%(default)s)")
    parser.add_argument("--add", action="store_true", help="put these rows into the record that is there")
    options = parser.parse_args()
    code = {part: Source().code((f"rebuild.{part}",))[:12] for part in PARTS}
    cells = [
        {**c, "code": code[str(c["part"])]}
        for c in grid(part=options.parts, network=options.networks)
        if c["part"] not in LOWER or c["network"] == "gru-imdb"
    ]
    table = sweep(cells, options.out, measured, workers=1).reindex(columns=list(COLUMNS))
    table = table.fillna({"condition": "", "note": ""})
    # draws without a gap: a share of it has no interval
    table = table[~(table.measure.str.startswith("gap_share") & table.low.isna())]
    if options.add:
        print(add("rebuild", table, minutes(options.out, cells), networks([*options.networks, *KNOBS])))
        return
    if len(cells) < len(shipped) * (len(PARTS) - len(LOWER)) + len(LOWER):
        print(f"{len(table):,} rows; the record is written when all networks and parts are asked for")
        return
    about = {
        "seeds": [0], "networks": networks([*shipped, *KNOBS]), "data": {k: r.fingerprint for k, r in texts().items()},
        "minutes": round(minutes(options.out, cells), 1),
    }  # fmt: skip
    print(f"{len(table):,} rows, written to {write_table('rebuild', table, about)}")


if __name__ == "__main__":
    main()
