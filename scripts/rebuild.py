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
from provenance import Source, networks, write_table
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sweep import Cell, grid, minutes, sweep

from rnnrev import stats, zoo
from rnnrev.balanced import balance
from rnnrev.context import SETS, checklist_answers, context_texts
from rnnrev.data import Reviews, load_checklist, load_reviews, tokenize
from rnnrev.driven import driven_point
from rnnrev.linear import frequent_words
from rnnrev.measure import COLUMNS
from rnnrev.model import SentimentRNN
from rnnrev.modifiers import modifier_effects
from rnnrev.rebuild import few_numbers
from rnnrev.stats import Estimate
from rnnrev.words import word_form

STATE = 5  #: numbers of state of the explicit forms
WORD = (1, 2, 3, 4, 6)  #: numbers a word
KEPT = (2, 3, 5, 8)  #: of balanced modes
MOST = 2000  #: texts a set
CHECKLIST = "checklist/test"
#: Of which kind the training texts are that a set's intercept is fitted on.
KIN = {"imdb": "imdb", "yelp": "yelp", "sst2": "sst2", "imdb_counterfactual": "imdb"}
Row = dict[str, Any]
Reader = Callable[[Sequence[str]], np.ndarray]


# --- texts and scores -------------------------------------------------------------------------------


@cache
def sets() -> dict[str, Reviews]:
    found = [context_texts(name, MOST) for name in SETS]
    return {f"{r.name}/{r.split}": r for r in found}


@cache
def kin(name: str, n: int = 600) -> Reviews:
    """Training texts of a kind; of SST-2's phrases those of ten words or more."""
    reviews = load_reviews(name, "train")
    reviews = reviews.take(reviews.labels >= 0)
    if name == "sst2":
        reviews = reviews.take(np.array([len(t.split()) >= 10 for t in reviews.texts]))
    return reviews.sample(n, 7)


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


def scores(read: Reader) -> Scores:
    out = Scores()
    zero = {}
    for name in dict.fromkeys(KIN.values()):
        fit = LogisticRegression(C=1e6).fit(read(kin(name).texts)[:, None], kin(name).labels)
        zero[name] = float(-fit.intercept_[0] / fit.coef_[0, 0])
    for name, reviews in sets().items():
        z, labels, W = read(reviews.texts).astype(float), reviews.labels, draws(len(reviews))
        out.logits[name] = z
        out.found[name, "auc"] = auc(W, labels, z)
        out.found[name, "accuracy"] = W @ ((z > zero[KIN[reviews.name]]) == (labels == 1))
    sentences = load_checklist()
    sentences = sentences[sentences.test.isin(
        ("simple negations: negative", "simple negations: not negative", "intensifiers", "reducers"))]  # fmt: skip
    z = read(sentences.text.tolist()).astype(float)
    out.logits[CHECKLIST] = z
    answers = checklist_answers(sentences.assign(logit=z))
    low, high = answers["positive"], answers["negative"]
    W = {k: draws(len(v), i) for i, (k, v) in enumerate(answers.items())}
    both = np.concatenate([W["positive"], W["negative"]], 1)
    order = auc(both, np.repeat([0, 1], [len(low), len(high)]), np.concatenate([low, high]))
    shares = [W["positive"] @ (low < 0), W["negative"] @ (high > 0), order]
    shares += [W[k] @ answers[k] for k in ("intensified", "reduced")]
    out.found[CHECKLIST, "expected"] = np.mean(shares, 0)
    return out


def rows(condition: str, own: Scores, bag: Scores, whole: Scores, at: float = np.nan) -> Iterator[Row]:
    """A reader's scores, its shares of the gap, and how far it agrees with the network."""

    def row(data: str, measure: str, value: Estimate) -> Row:
        n = len(own.logits[data])
        return {"data": data, "measure": measure, "condition": condition, "at": at, **value._asdict(), "n": n}

    for (data, measure), found in own.found.items():
        yield row(data, measure, stats.estimate(found))
        a, c = bag.found[data, measure], whole.found[data, measure]
        if condition not in ("bag of words", "network") and c[0] > a[0]:
            share = "gap_share" + "_accuracy" * (measure == "accuracy")
            yield row(data, share, stats.estimate((found - a) / (c - a)))
    if condition == "network":
        return
    for data, x in whole.logits.items():
        y, W = own.logits[data], draws(len(x))
        spread = W @ x**2 - (W @ x) ** 2
        both = W @ (x * y) - (W @ x) * (W @ y)
        yield row(data, "agreement", stats.estimate(both**2 / (spread * (W @ y**2 - (W @ y) ** 2))))
        yield row(data, "r2", stats.estimate(1 - (W @ (x - y) ** 2) / spread))


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
    return lambda texts: model.decision_function(
        (count.transform(texts) @ ratio).tocsr() if bayes else count.transform(texts)
    )


def shuffled(read: Reader) -> Reader:
    """The same reader of the same words in another order."""
    rng = np.random.default_rng(191)
    return lambda texts: read([" ".join(rng.permutation(tokenize(t))) for t in texts])


def training(name: str) -> list[str]:
    return load_reviews("yelp" if "yelp" in name else "imdb", "train").sample(2000).texts


def ladder(model: SentimentRNN) -> Iterator[Row]:
    """All readers of one network."""
    bag = scores(zoo.load("bow-yelp" if "yelp" in model.name else "bow-imdb").logits)
    whole = scores(model.logits)
    yield from rows("network", whole, bag, whole)
    yield from rows("bag of words", bag, bag, whole)
    texts = training(model.name)
    ids = model.vocabulary.encode_all(texts[:60])
    places = model.vocabulary.encode_all(texts[300:360])
    modes = balance(model, [i[:160] for i in ids])
    small = modes.reduce(model, STATE)
    form = few_numbers(small, places)
    for n in WORD:
        yield from rows("few numbers", scores(form.of_rank(n).logits), bag, whole, n)
    started, own = time.process_time(), form.of_rank(4)
    tokens = model.vocabulary.encode_all(sets()["imdb/test"].texts[:500])
    own.logits_of(tokens)
    speed = sum(map(len, tokens)) / (time.process_time() - started)
    yield {"data": "imdb/test", "measure": "speed", "condition": "few numbers", "at": 4, "value": speed, "n": 500}
    if model.name in ("gru-imdb", "gru-imdb-pretrained"):
        yield from rows("few numbers, shuffled", scores(shuffled(own.logits)), bag, whole, 4)
        yield from rows("network, shuffled", scores(shuffled(model.logits)), bag, whole)
        readable = word_form(small, places)
        for n in WORD[2:]:
            reader = readable.of_rank(n)
            read = lambda t, r=reader: r.logits_of(model.vocabulary.encode_all(t))  # noqa: E731
            yield from rows("exponentials", scores(read), bag, whole, n)
        for k in KEPT:
            yield from rows("balanced", scores(modes.reduce(model, k).logits), bag, whole, k)
    if model.name == "gru-imdb":
        for condition, name in (("paper's form", "augmented-bow-cp20-imdb"), ("all steps", "augmented-bow-imdb")):
            yield from rows(condition, scores(zoo.load(name).logits), bag, whole)
        yield from rows("NB-SVM", scores(ngrams(True)), bag, whole)
        yield from rows("unigrams", scores(ngrams(False)), bag, whole)


def doubled(model: SentimentRNN, n: int = 8) -> Iterator[Row]:
    """Two modifiers in a row: do the logarithms of their factors add, or the factors' differences from 1?

    The factor of a state is by how much more (or less) probe words write on the memory there than on average. All pairs
    of the n strongest of either sign.
    """
    texts = training(model.name)
    modes = balance(model, [i[:160] for i in model.vocabulary.encode_all(texts[:60])])
    rng = np.random.default_rng(193)
    table = modifier_effects(driven_point(model, texts[:400]))
    table = table[table.strength > 0]
    words = np.concatenate([table[side].index[:n] for side in (table.gain < 0, table.gain > 0)])
    numbers = model.vocabulary.numbers(table.word.loc[words].tolist())
    states = np.concatenate([h[10:] for h in model.states_of(model.vocabulary.encode_all(texts[60:120]))])
    h = states[rng.permutation(len(states))[:40]]
    probes = model.projected[rng.permutation(frequent_words(model))[:150]]
    memory, step = modes.Psi[:, 0], model.cell.step_projected

    def moved(at: np.ndarray) -> np.ndarray:
        """What each probe writes beyond the average one, over places, (…, probes): places (S, …, N)."""
        m = np.stack([step(at, u) @ memory for u in probes], -1)
        return (m - m.mean(-1, keepdims=True)).mean(0)

    valence = moved(h)
    factor = lambda at: moved(at) @ valence / (valence @ valence)  # noqa: E731
    one = step(h[:, None], model.projected[numbers])
    single = factor(one)
    pair = np.stack([factor(step(one[:, [i]], model.projected[numbers])) for i in range(len(numbers))])
    first, second = np.meshgrid(single, single, indexing="ij")
    kept = (pair > 0.02) & (first > 0.02) & (second > 0.02)
    product, added, pair = (first * second)[kept], (first + second - 1)[kept], pair[kept]
    found = {
        "pairs_correlation": (float(np.corrcoef(np.log(product), np.log(pair))[0, 1]), ""),
        "pairs_missed": (float(np.sqrt(np.mean((pair - product) ** 2))), "multiplied"),
        "pairs_missed_added": (float(np.sqrt(np.mean((pair - added) ** 2))), "added"),
    }
    for measure, (value, condition) in found.items():
        yield {"data": "imdb/train", "measure": measure.removesuffix("_added"), "condition": condition, "value": value,
               "n": int(kept.sum())}  # fmt: skip


PARTS = {"ladder": ladder, "doubled": doubled}


def measured(cell: Cell) -> list[Row]:
    name = str(cell["network"])
    return [{**r, "network": name} for r in PARTS[str(cell["part"])](zoo.load(name, SentimentRNN))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    shipped = zoo.recurrent() + zoo.recurrent(pretrained=True)
    parser.add_argument("networks", nargs="*", default=shipped, help="shipped networks (all)")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS), help="(all)")
    parser.add_argument("--out", type=Path, default=Path("runs/rebuild"), help="folder of parts (%(default)s)")
    options = parser.parse_args()
    code = {part: Source().code((f"rebuild.{part}",))[:12] for part in PARTS}
    cells = [{**c, "code": code[str(c["part"])]} for c in grid(part=options.parts, network=options.networks)]
    table = sweep(cells, options.out, measured, workers=1).reindex(columns=list(COLUMNS))
    table = table.fillna({"condition": "", "note": ""})
    if len(cells) < len(shipped) * len(PARTS):
        print(f"{len(table):,} rows; the record is written when all networks and parts are asked for")
        return
    about = {
        "seeds": [0], "networks": networks(shipped), "data": {k: r.fingerprint for k, r in sets().items()},
        "minutes": round(minutes(options.out, cells), 1),
    }  # fmt: skip
    print(f"{len(table):,} rows, written to {write_table('rebuild', table, about)}")


if __name__ == "__main__":
    main()
