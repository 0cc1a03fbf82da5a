"""Checked answers: the right one passes, each typical mistake gets its own hint, and no answer raises."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rnnrev import edges, linear, modifiers, perturb, zoo
from rnnrev.book import check, inside, toy
from rnnrev.book.answers import OPEN, exercises
from rnnrev.book.modifiers import gain_gradient
from rnnrev.data import load_reviews
from rnnrev.stats import Estimate
from rnnrev.subspace import chosen_subspace

BOOK = Path(__file__).parents[1] / "book"


def right(name: str, answer: Any) -> None:
    found = check(name, answer)
    assert found.ok is True, found
    assert not found.hint


def hint(name: str, answer: Any) -> str:
    found = check(name, answer)
    assert found.ok is False, found
    assert found.hint
    return found.hint


# worked by hand, or written as in the solutions of the book, rounded as a student would
RIGHT = [
    ("ex-training-1", [0.7, -1, -1.5]),
    ("ex-training-1", {"not awesome": 0.7, "bad": -1, "not bad": -1.5}),
    ("ex-reduced-1", [-2.4, 1.2, 2.4]),
    ("ex-reduced-2", [(2, 1), (2, 1), (1, 2)]),
    ("ex-la-1", (0.82, 0.13, 0.0096, 0.997)),
    ("ex-la-2", [(1, 0), (1, 2), (2, 0)]),
    ("ex-la-2", np.array([[-3, 0], [-1 / 3, -2 / 3], [2, 0]])),
    ("ex-la-5", [4, 4]),
    ("ex-la-5", (4, 5)),
    ("ex-toy-1", [0, -2, -1]),
    ("ex-toy-2", (0.5, 0.25, -1)),
    ("ex-modifiers-1", [(2, 1), (-1, -1), (1, 1)]),
    ("ex-gates-4", [0, 2.2, 6.9]),
    ("ex-gates-5", [1, 0.5, 0.75, -0.5]),
    ("ex-end-1", [[2, 1.49, 1], [0, 0.51, 1]]),
    ("ex-end-1", [2, 1.49, 1, 0, 0.51, 1]),
    ("ex-augmented-1", [-0.3, 2, 1]),
    ("ex-augmented-4", lambda V, M, C, P: V * C + 2 * M * C * P),
    ("ex-augmented-4", lambda V, M, C, P: 1 + V * C + 2 * M * C * P),
]

WRONG = [
    ("ex-gates-4", [0.5, 0.9, 0.999], "sigmoid"),
    ("ex-gates-4", [0.69, 2.3, 6.91], "ln τ"),
    ("ex-gates-5", [1, 0, 0.5, 0], "halved"),
    ("ex-toy-1", [2, -2, -1], "multiply"),
    ("ex-toy-1", [0, -4, -1], "that is “not”"),
    ("ex-toy-1", [0, -2, 3], "four tokens"),
    ("ex-toy-2", [-0.5, -0.25, 1], "falls"),
    ("ex-toy-2", [1, 0.5, -2], "2m"),
    ("ex-training-1", [-0.7, 1, 1.5], "sign"),
    ("ex-training-1", [-1.2, -1, 1], "turn the next word"),
    ("ex-training-1", [1.2, -1, -1], "left “not” out"),
    ("ex-training-1", [-1.5, -1, 0.7], "order"),
    ("ex-training-1", [0.7, -1, 3], "2 of 3"),
    ("ex-training-1", [0.7, -1], "shape"),
    ("ex-training-1", "0.7", "Give the logits"),
    ("ex-training-1", [np.nan, -1, 1], "finite"),
    ("ex-training-2", ["A great movie.", "An awful movie.", "not good"], "Both readers"),
    ("ex-training-2", ["not good"] * 3, "different"),
    ("ex-training-2", [1, 2, 3], "list of three"),
    ("ex-training-2", ["a", "b", "word " * 40], "short"),
    ("ex-la-1", [0.82, 0.13, 0.0096, 0.99566], "half-life"),
    ("ex-la-1", [0.82, 0.13, 0.0096, 331.8], "time constant"),
    ("ex-la-1", [0.82, 0.13, 0.0096, 0.99783], "equal steps"),
    ("ex-la-1", [82, 13, 0.96, 0.99699], "percentages"),
    ("ex-la-1", [0.747, 0.0542, 0.001224, 0.99699], "natural logarithm"),
    ("ex-la-1", [0.869, 0.2465, 0.0399, 0.99699], "2 to it"),
    ("ex-la-1", [0.183, 0.867, 0.9904, 0.99699], "gone"),
    ("ex-la-2", [(1, 2), (1, 0), (2, 0)], "swapped"),
    ("ex-la-2", [(1, 0), (1, 0), (2, 0)], "not symmetric"),
    ("ex-la-2", [(1, 0), (0.447, 0.894), (2, 0)], "scale"),
    ("ex-la-2", [(1, 0), (1, 2), (0, 0)], "does not end at zero"),
    ("ex-la-2", [(1, 0), (1, 2), (1, 0.5)], "one step"),
    ("ex-la-2", [(-2, 1), (1, 2), (2, 0)], "mode that fades"),
    ("ex-la-2", [(1, 0), (1, 2)], "shape"),
    ("ex-la-5", [2, 4], "bits"),
    ("ex-la-5", [4, 6], "neighbours"),
    ("ex-la-5", [4, 1], "each ridge"),
    ("ex-modifiers-1", [(1, 0), (-2, -2), (0, 0)], "gains"),
    ("ex-modifiers-1", [(1, 2), (-1, -1), (1, 1)], "horizontal"),
    ("ex-modifiers-1", [(2, 1), (0, 0), (1, 1)], "valence is gone"),
    ("ex-modifiers-1", [(2, -1, 1), (1, -1, 1)], "transposed"),
    ("ex-end-1", [[2, 1.343, 1], [0, 0.657, 1]], "n = 2"),
    ("ex-end-1", [[2, 1.7, 1], [0, 0.3, 1]], "n = 2"),
    ("ex-end-1", [[1, 0.49, 0], [-1, -0.49, 0]], "lasting"),
    ("ex-end-1", [[2, 1.49, 1], [-2, -1.49, -1]], "transient only"),
    ("ex-end-1", [[2, 0], [1.49, 0.51], [1, 1]], "transposed"),
    ("ex-reduced-1", [0, 1.2, 2.4], "right angle"),
    ("ex-reduced-1", [-2.4, 1.2, 0], "still reads"),
    ("ex-reduced-1", [0.32, -0.16, 2.4], "moved along ℓ"),
    ("ex-reduced-2", [(4, 1), (4, 1), (1, 2)], "square roots"),
    ("ex-reduced-2", [(2, 1), (200, 1), (1, 2)], "A changes too"),
    ("ex-reduced-2", [(2, 1), (2, 1), (2, 2)], "read or not"),
    ("ex-augmented-1", [-0.3, 2, 0], "multiplied"),
    ("ex-augmented-1", [-0.3, 2, 0.7], "two tokens"),
    ("ex-augmented-1", [-1.3, 1, 0], "left out the 1"),
    ("ex-augmented-4", lambda V, M, C, P: V * C + M * C * P, "one side"),
    ("ex-augmented-4", lambda V, M, C, P: V**2, "bigram"),
    ("ex-augmented-4", lambda V: V, "TypeError"),
    ("ex-augmented-4", 12, "function"),
]


@pytest.mark.parametrize(("name", "answer"), RIGHT)
def test_right_answers_pass(name: str, answer: Any) -> None:
    right(name, answer)


@pytest.mark.parametrize(("name", "answer", "says"), WRONG)
def test_typical_mistakes_get_their_own_hint(name: str, answer: Any, says: str) -> None:
    assert says in hint(name, answer)


def test_result_shows_its_verdict() -> None:
    assert repr(check("ex-training-1", [0.7, -1, -1.5])) == "ex-training-1: right."
    assert repr(check("ex-end-2")).startswith("ex-end-2: open. ")
    assert repr(check("ex-training-1", 3)).startswith("ex-training-1: not yet. ")


def test_unknown_exercise_names_the_known_ones_and_what_was_meant() -> None:
    with pytest.raises(ValueError, match=r"did you mean ex-training-1.*ex-augmented-4"):
        check("ex-trainig-1", 3)


@pytest.mark.parametrize("answer", [..., [..., ...], [[0.7, ...], -1]])
def test_a_cell_that_was_not_filled_in_says_so(answer: Any) -> None:
    assert "no answer yet" in hint("ex-training-1", answer)
    assert check("ex-end-2", answer).ok is None


class Hostile:
    """An answer that fails however it is looked at."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("no")

    def __iter__(self) -> Any:
        raise RuntimeError("no")

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no")


#: No network is read for these.
QUICK = ("ex-training-1", "ex-la-1", "ex-la-2", "ex-la-3", "ex-la-5", "ex-toy-1", "ex-toy-2", "ex-modifiers-1",
         "ex-end-1", "ex-end-2",
         "ex-augmented-1", "ex-augmented-4")  # fmt: skip


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in exercises()])
def test_no_answer_raises(name: str) -> None:
    odd = [None, "", b"x", "forty", 3, 1 + 2j, [], [[]], [[1], [2, 3]], {}, {"a": None}, np.nan, [np.inf] * 3, object()]
    odd += [Hostile(), [Hostile()], print, lambda *a: 1 / 0, lambda *a: None, np.zeros((2, 2, 2)), [["a"], ["b"]], {1}]
    odd += [np.array(["a"]), np.array([None]), [True, None], (i for i in range(3)), type, 10**400, -0.0]
    for answer in odd:
        assert check(name, answer).ok in (False, None)


def test_every_exercise_of_the_book_is_known_and_says_how_to_check_it() -> None:
    contents = BOOK.parent / "_toc.yml"
    if not contents.is_file():
        pytest.skip("installed without the book")
    pages = re.findall(r"- file: (book/[\w-]+)", contents.read_text(encoding="utf-8"))
    text = "\n".join((BOOK.parent / f"{p}.md").read_text(encoding="utf-8") for p in pages)
    labels = re.findall(r"\{exercise\}.*?\n:label: ([\w-]+)", text)
    assert tuple(labels) == exercises()
    asked = re.findall(r'^Check your answer: `check\("([\w-]+)", ', text, re.MULTILINE)
    assert asked == [name for name in labels if check_is_possible(name)]


def check_is_possible(name: str) -> bool:
    return name not in OPEN


def test_sums_of_the_known_language() -> None:
    right("ex-language-1", [-0.3 - 1.0, 1.0 - 0.3])
    assert "1 + g" in hint("ex-language-1", [-0.3 - 2.0, 0.7])
    assert "of its own" in hint("ex-language-1", [-1.0, 1.0])
    assert "after it" in hint("ex-language-1", [0.7, -1.3])
    assert "bag of words" in hint("ex-language-1", [0.7, 0.7])


def test_layers_of_one_unit() -> None:
    h = {"": 0.0, "not ": -0.5}
    right("ex-gates-1", [0.9 * h[m] + b for m in h for b in (1, -1)])
    assert "fades" in hint("ex-gates-1", [1, -1, 0.5, -1.5])
    apart = {(a, b): (1 - 0.5 * a) - (-1 - 0.5 * b) for a in (0, 0.5, 1) for b in (0, 0.5, 1)}
    right("ex-gates-2", min(apart, key=lambda factors: apart[factors]))
    assert "drives the two apart" in hint("ex-gates-2", [0, 1])


# --- answers of the shipped networks, by the code of the book's solutions ------------------------


@pytest.fixture(scope="module")
def point() -> linear.OperatingPoint:
    return linear.operating_point(zoo.load("gru-imdb"))


@pytest.mark.slow
def test_sentences_on_which_the_readers_differ() -> None:
    from rnnrev.data import load_contrasts

    texts = list(load_contrasts().text)
    gru, bag = (zoo.load(n).logits(texts) for n in ("gru-imdb", "bow-imdb"))
    right("ex-training-2", [texts[i] for i in np.flatnonzero(gru * bag < 0)[:3]])
    assert "Both readers" in hint("ex-training-2", [texts[i] for i in np.flatnonzero(gru * bag > 0)[:3]])


@pytest.mark.slow
def test_accuracies_and_their_typical_mistakes() -> None:
    reviews, gru = load_reviews("book"), zoo.load("gru-imdb")
    logits = gru.logits(reviews.texts).astype(float)
    hits = float(np.mean((logits > 0) == reviews.labels))

    def gap(logits: np.ndarray) -> float:  # the calibration error, once more and otherwise
        p = 1 / (1 + np.exp(-logits))
        which = np.clip(np.ceil(p * 10 - 1e-12) - 1, 0, 9)
        groups = [which == k for k in range(10) if (which == k).any()]
        return float(sum(abs(p[g].mean() - reviews.labels[g].mean()) * g.mean() for g in groups))

    right("ex-training-3", [Estimate(hits, 0, 1), gap(2 * logits)])
    assert "percentage" in hint("ex-training-3", [100 * hits, 100 * gap(2 * logits)])
    assert "before doubling" in hint("ex-training-3", [hits, gap(logits)])

    model = zoo.load("augmented-bow-cp20-imdb")
    parts = ((), ("modifiers",), ("beginning", "end"), ("modifiers", "beginning", "end"))
    shares = [np.mean(model.without(*p).classify(reviews.texts) == reviews.labels) for p in parts]
    right("ex-augmented-3", shares)
    assert "percentage" in hint("ex-augmented-3", 100 * np.array(shares))


@pytest.mark.slow
def test_norms_of_the_change_of_the_input_jacobian(point: linear.OperatingPoint) -> None:
    cell, model = point.mean_map.cell, point.model

    def J(h: np.ndarray) -> np.ndarray:  # by differences, at a mean input: no Jacobian of the package
        def step(du: np.ndarray) -> np.ndarray:
            return point.mean_map.weights @ cell.combine(h, point.mean_map.u + du, cell.recur(h))

        return np.stack([(step(1e-6 * row) - step(-1e-6 * row)) / 2e-6 for row in cell.W.astype(float)], axis=1)

    base = J(point.h_star)
    changes = {
        w: J(cell.step(point.h_star, model.embed([w])[0].astype(float))) for w in ("not", "very", "extremely", "movie")
    }

    def norms(words: list[str]) -> list[float]:
        return [float(np.linalg.norm(changes[w] - base)) for w in words]

    right("ex-modifiers-3", norms)
    assert "root" in hint("ex-modifiers-3", lambda words: np.square(norms(words)))
    assert "singular" in hint("ex-modifiers-3", lambda words: [np.linalg.norm(changes[w] - base, 2) for w in words])
    assert "relative" in hint("ex-modifiers-3", lambda words: np.array(norms(words)) / np.linalg.norm(base))
    assert "away first" in hint("ex-modifiers-3", lambda words: [np.linalg.norm(changes[w]) for w in words])


@pytest.mark.slow
def test_products_of_jacobians_along_a_review(point: linear.OperatingPoint) -> None:
    model, tokens = point.model, point.model.vocabulary.encode_all(load_reviews("book").texts)[0]
    h, x = model.states_of([tokens])[0].astype(float), model.embedding[tokens].astype(float)
    # the derivative of the whole run along r, by differences
    a, b = (h[0] + s * 1e-6 * point.r for s in (1, -1))
    decay = []
    for t in range(len(tokens)):
        a, b = (model.cell.step(s, x[t]) for s in (a, b))
        decay.append(point.l @ (a - b) / 2e-6)
    right("ex-end-5", decay)
    cell = model.cell.astype(float)
    J = [cell.jacobians(h[t], x[t]).J_rec for t in range(len(x))]
    late, turned = point.r, point.r
    shifted, transposed = [], []
    for t in range(len(x)):
        late, turned = J[min(t + 1, len(x) - 1)] @ late, J[t].T @ turned
        shifted.append(point.l @ late)
        transposed.append(point.l @ turned)
    assert "one position late" in hint("ex-end-5", shifted)
    assert "transposed" in hint("ex-end-5", transposed)
    slow = np.max(np.abs(point.modes.eigvals[np.abs(point.modes.eigvals.imag) < 1e-12]))
    assert "mean Jacobian" in hint("ex-end-5", slow ** np.arange(1, len(x) + 1))


def test_modes_removed_from_the_toy() -> None:
    model = inside.centred(toy.load("gru-32-0").astype(np.float64))
    point = inside.point_at(model, inside.fixed_points(model))
    found = inside.carrier(point, "not")
    best = found.groups[found.best]
    others = np.setdiff1d(np.arange(32), [point.slow, *best])
    states = (inside.without(point, inside.after(point, ["not"])[-1], which) for which in (best, others))
    said = [inside.read_on(model, h, ["a", "a", "bad"]) - point.logit for h in states]
    right("ex-toy-3", said)
    assert "other way round" in hint("ex-toy-3", said[::-1])
    assert "whole phrase" in hint("ex-toy-3", [1, 1])


@pytest.mark.slow
def test_first_order_kernels(point: linear.OperatingPoint) -> None:
    probes = modifiers.probe_words(point, 10)
    centred = point.model.embedding[probes.numbers] - point.model.frequencies @ point.model.embedding
    J = point.mean_map.jacobians(point.h_star).J_inp
    first = linear.mode_kernel(point, probes.numbers, edges.LAGS, centred @ J.T)
    table = np.corrcoef(first.total[:, 0], linear.mode_kernel(point, probes.numbers, edges.LAGS).total[:, 0])
    right("ex-end-4", table[0, 1])
    assert "off its diagonal" in hint("ex-end-4", table)
    assert "square" in hint("ex-end-4", table[0, 1] ** 2) or table[0, 1] > 0.99


@pytest.mark.slow
def test_answers_that_take_longer(point: linear.OperatingPoint) -> None:
    from rnnrev import line_attractor as la
    from rnnrev import stats
    from rnnrev.data import tokenize

    reviews, model = load_reviews("book"), zoo.load("gru-imdb")
    gru, bag = model, zoo.load("bow-imdb")
    rng = np.random.default_rng(0)
    shuffled = [" ".join(rng.permutation(words)) for words in map(tokenize, reviews.texts)]
    four = [stats.accuracy(m.classify(t), reviews.labels) for m in (gru, bag) for t in (reviews.texts, shuffled)]
    right("ex-training-4", four)
    assert "cannot change" in hint("ex-training-4", [four[0], four[1], four[2], four[2].value - 0.1])
    assert "percentage" in hint("ex-training-4", [100 * f.value for f in four])

    right("ex-la-3", la.find_attractor(gru, reviews.texts, n_starts=40, damping=0))
    assert "damping=0" in hint("ex-la-3", la.find_attractor(gru, reviews.texts, n_starts=40))

    def poles(name: str) -> list[list[str]]:
        at = linear.operating_point(zoo.load(name))
        words = linear.frequent_words(at.model)
        order = words[np.argsort(linear.valence(at, words))]
        return [[at.model.vocabulary.words[i] for i in rows] for rows in (order[-10:], order[:10])]

    right("ex-la-4", poles("lstm-imdb"))
    assert "swapped" in hint("ex-la-4", poles("lstm-imdb")[::-1])
    assert "GRU" in hint("ex-la-4", poles("gru-imdb"))

    table = modifiers.modifier_effects(point)
    subspace = chosen_subspace(point, table)
    out = perturb.project_out(subspace)
    number = model.vocabulary.number("not")
    elsewhere = [v for v in range(len(model.vocabulary)) if v != number]
    tries = {"intact": [], "everywhere": [out], "after not": [perturb.only(out, tokens=[number])],
             "elsewhere": [perturb.only(out, tokens=elsewhere)]}  # fmt: skip
    negated = perturb.phrase_pairs(model).query("modifier == 'not'")
    gains = [g.value for g in perturb.abolition(point, negated, tries).gain]
    right("ex-modifiers-2", gains)
    assert "factor" in hint("ex-modifiers-2", 1 + np.array(gains))
    assert "swapped" in hint("ex-modifiers-2", [*gains[:2], gains[3], gains[2]])

    basis = subspace.basis
    a, b = basis.T @ point.model.w, basis.T @ gain_gradient(point)
    angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
    right("ex-modifiers-4", np.degrees(angle))
    assert "radians" in hint("ex-modifiers-4", angle)
    assert "cosine" in hint("ex-modifiers-4", np.cos(angle))

    ids = model.vocabulary.encode_all(reviews.texts)
    texts = edges.first_tokens(ids, max(edges.PLACES) + edges.LAG + 1)[:30]
    probes = modifiers.probe_words(point, 10)

    def slide(h0: np.ndarray) -> edges.Profile:
        return edges.start_profile(point, texts, probes.numbers, edges.PLACES, edges.LAG, h0)

    spoken = slide(point.model.cell.step(point.h_star, point.model.embed(["extremely"])[0]))
    right("ex-start-3", spoken)
    assert "begins at h₀" in hint("ex-start-3", slide(model.cell.h0))
    assert "before “extremely”" in hint("ex-start-3", slide(point.h_star).value)
    component = subspace.coordinates(model.cell.h0) @ subspace.basis.T
    right("ex-start-4", [slide(model.cell.h0 + (g - 1) * component).estimate(0) for g in (2, -1)])
    assert "already" in hint("ex-start-4", [slide(model.cell.h0 + g * component).estimate(0) for g in (2, -1)])

    padding = edges.neutral_texts(point, len(ids), 20, seed=1)
    after = [
        stats.accuracy(model.logits_of(i) > 0, reviews.labels)
        for i in (ids, [np.r_[a, b] for a, b in zip(ids, padding)])
    ]
    right("ex-end-3", after)
    assert "percentage" in hint("ex-end-3", [100 * a.value for a in after])


@pytest.mark.slow
def test_how_much_of_the_beginning_is_volume() -> None:
    from rnnrev import balanced, driven

    model = zoo.load("gru-imdb")
    texts = driven.token_arrays(model, load_reviews("book").texts, 60, 160)
    modes = balanced.balance(model, texts)
    small = balanced.plane(model, modes, balanced.axes(model, modes, texts, ["not", "extremely", "good", "bad"]))
    places = np.array([small.cell.h0, [small.cell.h0[0], 0]])
    moved = [small.advance(p[None], np.array([model.vocabulary.number("good")]))[0] - p for p in places]
    right("ex-reduced-3", [m[0] for m in moved])
    assert "z₁" in hint("ex-reduced-3", [m[1] for m in moved])
