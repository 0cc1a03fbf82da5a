"""Chapter 6's ladder: readers rebuilt step by step, on five kinds of text, and the record `rebuild`.

    python scripts/rebuild.py                 all shipped networks of one logit, and the two fair ladders
    python scripts/rebuild.py gru-hard        some of them

Share of the gap, (reader − bag) / (network − bag), by AUC, and by accuracy with the intercept fitted anew on training
text of the same kind; on CheckList by the mean of its five tests. Draws of texts are shared by all readers, draws of
seeds by all readers of as many seeds, so that shares are paired. k, C and the number of places were chosen on training
text; of the shipped networks' ladders nothing is fitted to labels but the intercepts and the n-gram models.

In a *fair* ladder bag, reader and network learned from the same texts and labels, IMDB's and SST-2's own, with word
vectors (``gru-hard``) or without (``gru-hard-plain``); what the package does not ship is trained (networks.py).
Written down before they were scored: a rung is to close 90 % of the gap on each of the five sets, and the lower end of
the interval is to be at least 75 % where the gap is over 3 points.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from exponentials import WordForm, word_form
from networks import make, recurrent
from provenance import Source, add, networks, write_table
from rungs import RUNGS, reads_as
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC
from sweep import Cell, minutes, sweep
from tied import TiedFilters, fit
from tied import tied as tied_to

from rnnrev import knob, stats, zoo
from rnnrev.balanced import BalancedModes, balance
from rnnrev.context import SETS, checklist_answers, context_texts
from rnnrev.data import Reviews, Vocabulary, load_checklist, load_reviews, tokenize
from rnnrev.linear import frequent_words
from rnnrev.measure import COLUMNS
from rnnrev.model import BagOfWords, Classifier, SentimentRNN
from rnnrev.rebuild import FewNumbers, few_numbers

STATE = 5  #: numbers of state of the explicit forms
WORD = (1, 2, 3, 4)  #: numbers a word
KEPT = (2, 3, 5, 8)  #: of balanced modes
MOST = 2500  #: texts a set: all of SST-2, CheckList and the revisions, samples of IMDB and Yelp
#: Fair ladders: the network -> its bag, and condition -> reader.
FAIR = {
    "gru-hard": {
        "bag of words": "bow-hard", "paper's form": "rung-ranked", "paper's form, frequent words": "rung-frequent",
        "paper's form, random words": "rung-random", "all steps": "rung-all",
        "knob trained without modifiers": "rung-still", "knob that adds": "rung-added",
        "knob trained without ends": "rung-middle", "knob": "knob-imdb",
        "knob that turns signs": "rung-turned", "knob that forgets by place": "rung-forgets",
    },
    "gru-hard-plain": {
        "bag of words": "bow-hard-plain", "knob": "knob-hard-plain",
    },
}  # fmt: skip
SEEDS = ("", "-1", "-2")
ONCE = ("added", "middle", "turned", "forgets", "frequent", "random", "all")  #: rungs of one seed, for want of time
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


def reader(model: Classifier | WordForm | TiedFilters, shuffled: bool = False) -> Reader:
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
    drawn = {k: draws(len(v), i) for i, (k, v) in enumerate(answers.items())}
    both = np.concatenate([drawn["positive"], drawn["negative"]], 1)
    order = auc(both, np.repeat([0, 1], [len(low), len(high)]), np.concatenate([low, high]))
    shares = [drawn["positive"] @ (low < 0), drawn["negative"] @ (high > 0), order]
    shares += [drawn[k] @ answers[k] for k in ("intensified", "reduced")]
    out.found[CHECKLIST, "expected"] = np.mean(shares, 0)
    return out


def seeds(name: str) -> list[str]:
    """Names of the networks that differ from this one in their seed, it first."""
    return [name + seed for seed in (SEEDS[:1] if name.removeprefix("rung-") in ONCE else SEEDS)]


@cache
def scored(name: str, part: str = "") -> list[Scores]:
    """Scores of :func:`seeds`: as they are, ``shuffled``, or without one of :data:`rnnrev.knob.PARTS`."""
    rung = name.removeprefix("rung-")
    with reads_as(rung) if rung in RUNGS else nullcontext():
        files = [n if n in zoo.names() else make(n) for n in seeds(name)]
        if part in knob.PARTS:
            return [scores(reader(knob.without(zoo.load(f, SentimentRNN), part))) for f in files]
        return [scores(reader(zoo.load(f), part == "shuffled")) for f in files]


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


def over_seeds(found: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over seeds (seeds, draws), seeds drawn anew with the texts; of one seed, its draws."""
    table = np.stack(found)
    n, size = table.shape
    return (stats.resample(n, size - 1, [197, n]) * table.T).sum(1)


def rows(
    condition: str, own: Sequence[Scores], bag: Sequence[Scores], whole: Sequence[Scores], at: float = np.nan
) -> Iterator[Row]:
    """A reader's scores, its shares of the gap, and how far it agrees with the network; means over seeds.

    A reader of one seed is compared with the first seeds of bag and network.
    """
    bag, whole = bag[: len(own)], whole[: len(own)]

    def row(data: str, measure: str, found: np.ndarray) -> Row:
        value, n = stats.estimate(found), len(whole[0].logits[data])
        return {"data": data, "measure": measure, "condition": condition, "at": at, **value._asdict(), "n": n}

    for data, measure in bag[0].found:
        a, b, c = (over_seeds([one.found[data, measure] for one in many]) for many in (bag, own, whole))
        yield row(data, measure, b)
        if condition not in ("bag of words", "network") and c[0] > a[0]:
            yield row(data, "gap_share" + "_accuracy" * (measure == "accuracy"), (b - a) / (c - a))
    if condition != "network":
        alike = [likeness(one, network) for one, network in zip(own, whole)]
        for data, measure in alike[0]:
            yield row(data, measure, over_seeds([one[data, measure] for one in alike]))


# --- readers ----------------------------------------------------------------------------------------


@cache
def ngrams(bayes: bool) -> Scores:
    """NB-SVM on uni- and bigrams (Wang & Manning 2012), or logistic regression on all single words there are.

    They learn from the texts and labels of the fair ladders; C was chosen on held-out reviews of IMDB.
    """
    train, phrases = (load_reviews(data, "train") for data in ("imdb", "sst2"))
    train = replace(train, texts=train.texts + phrases.texts, labels=np.concatenate([train.labels, phrases.labels]))
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

    return scores(read)


def training(name: str) -> tuple[str, ...]:
    return load_reviews("yelp" if "yelp" in name else "imdb", "train").sample(2000).texts


@cache
def ends(name: str) -> tuple[list[Scores], list[Scores]]:
    """The two ends of the gap of a shipped network: the bag and the whole network."""
    of_network = zoo.load(name)
    return [scores(reader(zoo.bag_of(of_network)))], [scores(reader(of_network))]


@cache
def reduced(name: str) -> tuple[BalancedModes, list[np.ndarray]]:
    """Balanced modes of a shipped network, and the texts that places are taken from."""
    model = zoo.load(name, SentimentRNN)
    ids = model.vocabulary.encode_all(training(name)[:360])
    return balance(model, [i[:160] for i in ids[:60]]), ids[300:]


@cache
def copied(name: str) -> FewNumbers:
    modes, places = reduced(name)
    return few_numbers(modes.reduce(zoo.load(name, SentimentRNN), STATE), places, max(WORD))


def speed(condition: str, model: Classifier, at: float = np.nan) -> Row:
    """Tokens a second of one processor."""
    tokens, started = encoded(model.vocabulary, "yelp/train"), time.process_time()
    model.logits_of(tokens)
    value = sum(map(len, tokens)) / (time.process_time() - started)
    return {"data": "yelp/train", "measure": "speed", "condition": condition, "at": at, "value": value}


def ladder(name: str) -> Iterator[Row]:
    """So many numbers a word."""
    bag, whole = ends(name)
    yield from rows("network", whole, bag, whole)
    yield from rows("bag of words", bag, bag, whole)
    form = copied(name)
    for n in WORD:
        yield from rows("few numbers", [scores(reader(form.of_rank(n)))], bag, whole, n)
    yield speed("few numbers", form, max(WORD))
    yield from rows("few numbers, shuffled", [scores(reader(form, shuffled=True))], bag, whole, max(WORD))


def upper(name: str) -> Iterator[Row]:
    """Balanced modes as they are, and the network on shuffled words."""
    (bag, whole), model = ends(name), zoo.load(name, SentimentRNN)
    yield from rows("network, shuffled", [scores(reader(model, shuffled=True))], bag, whole)
    for k in KEPT:
        yield from rows("balanced", [scores(reader(reduced(name)[0].reduce(model, k)))], bag, whole, k)


def rungs(name: str) -> Iterator[Row]:
    """One thing about the copied form changed: words that multiply or add, numbers of their own, the two ends."""
    (bag, whole), (modes, places) = ends(name), reduced(name)
    small = modes.reduce(zoo.load(name, SentimentRNN), STATE)
    for condition, linear in (("exponentials", False), ("words that add", True)):
        form = word_form(small, places, linear=linear)
        for n in (3, 4):
            yield from rows(condition, [scores(reader(form.of_rank(n)))], bag, whole, n)
        yield from rows(condition, [scores(reader(form))], bag, whole, STATE * (STATE + 1))
    few = copied(name)
    ended = few.w * (np.arange(STATE) == 0)
    for part, changed in (("beginning", replace(few, start=np.zeros(STATE))), ("end", replace(few, w=ended))):
        yield from rows(f"few numbers without {part}", [scores(reader(changed))], bag, whole, max(WORD))


def fair(name: str) -> Iterator[Row]:
    """A fair ladder: bag, reader and network of the same texts and labels, three seeds each."""
    bag, whole = scored(FAIR[name]["bag of words"]), scored(name)
    yield from rows("network", whole, bag, whole)
    yield from rows("network, shuffled", scored(name, "shuffled"), bag, whole)
    yield from rows("another seed", [*whole[1:], whole[0]], bag, whole)
    for condition, first in FAIR[name].items():
        yield from rows(condition, scored(first), bag, whole)
    for condition, bayes in (("unigrams", False), ("NB-SVM", True)):
        yield from rows(condition, [ngrams(bayes)] * len(whole), bag, whole)
    own = FAIR[name]["knob"]
    for part in knob.PARTS:
        yield from rows(f"knob without {part}", scored(own, part), bag, whole)
    yield from rows("knob, shuffled", scored(own, "shuffled"), bag, whole)
    yield from rows("knob, first seed", scored(own)[:1], bag, whole)
    if own in zoo.names():
        yield speed("knob", zoo.load(own))


def tied(name: str) -> Iterator[Row]:
    """Filters that follow from a word's place, with h₀ as one more push, and with places dealt to other words."""
    first = FAIR[name]["bag of words"]
    bag, whole = scored(first), scored(name)
    train = [load_reviews(data, "train").sample(3000, 11) for data in ("imdb", "sst2")]
    labels = np.concatenate([part.labels for part in train])
    readers: dict[str, list[Scores]] = {}
    for n, m in zip(seeds(name), seeds(first)):
        model, words = zoo.load(make(n), SentimentRNN), zoo.load(make(m), BagOfWords)
        ids = [i for part in train for i in model.vocabulary.encode_all(part.texts)]
        small = balance(model, [i[:160] for i in ids[:60]]).reduce(model, STATE)
        places = np.concatenate(small.states_of(ids[60:90]))[::150][:40]
        for condition, begun, dealt in (
            ("tied filters", False, False), ("tied filters, begun at h₀", True, False),
            ("tied filters, places dealt to other words", False, True),
        ):  # fmt: skip
            form = tied_to(small, words, places, begun=begun, dealt=dealt)
            readers.setdefault(condition, []).append(scores(reader(fit(form, ids, labels))))
    for condition, own in readers.items():
        yield from rows(condition, own, bag, whole)


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


def kinds(name: str) -> Iterator[Row]:
    """On which kinds of sentences readers are wrong, and decide otherwise than the network; zeros of their own."""
    beta = zoo.load("bow-imdb", BagOfWords)
    frequent = frequent_words(beta)
    size = np.abs(beta.beta[frequent])
    strong = {beta.vocabulary.words[i] for i in frequent[size > np.quantile(size, 0.9)]}
    which = "sst2/validation"
    reviews = texts()[which]
    there = pd.DataFrame([{kind: True for kind in kinds_of(tokenize(t), strong)} for t in reviews.texts]).fillna(False)
    if name in FAIR:
        whole = scored(name)
        readers = {"network": whole, "another seed": [*whole[1:], whole[0]]}
        readers |= {condition: scored(first) for condition, first in FAIR[name].items()}
    else:
        bag, whole = ends(name)
        readers = {"network": whole, "bag of words": bag, "few numbers": [scores(reader(copied(name)))]}
        readers["another seed"] = [scores(reader(zoo.load(f"{name}-1")))]
    for condition, many in readers.items():
        said = np.array([one.positive(which) for one in many])
        of = np.array([one.positive(which) for one in whole])
        found = {"wrong": said != (reviews.labels == 1), "decides_otherwise": said != of[: len(said)]}
        for measure, each in found.items():
            for kind in there:
                own = each.mean(0)[there[kind].to_numpy(bool)]
                if len(own) >= 30 and (measure, condition) != ("decides_otherwise", "network"):
                    value = stats.bootstrap(own)
                    yield {"data": which, "measure": measure, "condition": f"{condition}: {kind}",
                           **value._asdict(), "n": len(own)}  # fmt: skip


def doubled(name: str, n: int = 8) -> Iterator[Row]:
    """Two modifiers in a row: do the logarithms of their factors add, or the factors' differences from 1?

    The factor of a state is by how much more (or less) probe words write on the memory there than on average. All pairs
    of the n words that lower it most and the n that raise it most, of the thousand most frequent ones.
    """
    model = zoo.load(name, SentimentRNN)
    ids = model.vocabulary.encode_all(training(name)[:120])
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
    "ladder": ladder, "doubled": doubled, "upper": upper, "rungs": rungs, "kinds": kinds, "fair": fair,
    "tied": tied,
}  # fmt: skip
OPENED = ("upper", "rungs", "kinds")  #: of the network that the chapter opens


def parts_of(name: str) -> tuple[str, ...]:
    if name in FAIR:
        return ("fair", "tied", "kinds") if name == "gru-hard" else ("fair",)
    return ("ladder", "doubled", *(OPENED if name == "gru-imdb" else ()))


def members(name: str) -> list[str]:
    """The networks that are read for a row's name."""
    return [name] if name not in FAIR else [n for first in (name, *FAIR[name].values()) for n in seeds(first)]


def measured(cell: Cell) -> list[Row]:
    name = str(cell["network"])
    return [{**r, "network": name} for r in PARTS[str(cell["part"])](name)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    known = [*recurrent(), *recurrent(pretrained=True), *FAIR]
    parser.add_argument("networks", nargs="*", default=known, help="shipped networks, fair ladders (all)")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=list(PARTS), help="(all)")
    parser.add_argument("--out", type=Path, default=Path("runs/rebuild"), help="folder of parts (%(default)s)")
    parser.add_argument("--add", action="store_true", help="put these rows into the record that is there")
    options = parser.parse_args()
    code = {part: Source().code((f"rebuild.{part}",))[:12] for part in PARTS}
    cells = [
        {"part": part, "network": name, "code": code[part]}
        for name in options.networks for part in parts_of(name) if part in options.parts
    ]  # fmt: skip
    table = sweep(cells, options.out, measured, workers=1).reindex(columns=list(COLUMNS))
    table = table.fillna({"condition": "", "note": ""})
    # draws without a gap: a share of it has no interval
    table = table[~(table.measure.str.startswith("gap_share") & table.low.isna())]
    named = [n for name in options.networks for n in members(name)]
    if options.add:
        print(add("rebuild", table, minutes(options.out, cells), networks(named)))
        return
    if len(cells) < sum(len(parts_of(name)) for name in known):
        print(f"{len(table):,} rows; the record is written when all networks and parts are asked for")
        return
    about = {
        "seeds": [0], "networks": networks(named), "data": {k: r.fingerprint for k, r in texts().items()},
        "minutes": round(minutes(options.out, cells), 1),
    }  # fmt: skip
    print(f"{len(table):,} rows, written to {write_table('rebuild', table, about)}")


if __name__ == "__main__":
    main()
