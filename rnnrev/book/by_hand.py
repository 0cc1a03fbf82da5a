"""What is right in the exercises that are worked by hand, from their statement, and what typical mistakes give."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from .answers import TOLERANCE, called, close, judge, judges, numbers
from .language import Language

__all__: list[str] = []


@judges("ex-training-1")
def _bag(answer: object) -> str:
    awesome, no, bad = 1.2, -0.5, -1.0
    return judge(answer, [awesome + no, bad, bad + no], "the logits of “not awesome”, “bad” and “not bad”", {
        "You let “not” turn the next word round. You read so; a bag only adds.": [-awesome, bad, -bad],
        "You left “not” out: it has a valence of its own, which is added.": [awesome, bad, bad],
        "You multiplied. A bag adds valences.": [no * awesome, bad, no * bad],
        "“Not” has a negative valence: add it, do not take it away.": [awesome - no, bad, bad - no],
    })  # fmt: skip


@judges("ex-la-1")
def _fading(answer: object) -> str:
    mode, n = 0.98, np.array([10, 100, 230])
    left, keeps = mode**n, 0.5 ** (1 / n[-1])
    tau, tau_2 = -1 / np.log(mode), -1 / np.log2(mode)
    # λ is known by its distance from 1
    tolerance = [*TOLERANCE * left, 0.15 * (1 - keeps)]
    mine = numbers(answer)
    first = mine is not None and mine.size == 4 and close(mine.ravel()[:3], left).all()
    hint = judge(answer, [*left, keeps], "what is left after 10, 100 and 230 tokens, and then λ for the half-life", {
        "The last one leaves 1/e, not a half: 230 tokens are the half-life here.": [*left, np.exp(-1 / n[-1])],
        "The last one is a time constant: give λ.": [*left, -1 / np.log(keeps)],
        "The last one loses the half in equal steps, but a mode fades by a factor.": [*left, 1 - 0.5 / n[-1]],
        "τ is in nats: what is left is e to the −n/τ, not 2 to it.": [*2 ** (-n / tau), keeps],
        "τ is −1 over the natural logarithm, not the one to base 2.": [*np.exp(-n / tau_2), keeps],
        "That is what is gone: give what is left.": [*(1 - left), keeps],
        "The first three are percentages: give shares, between 0 and 1.": [*100 * left, keeps],
        "You are one token ahead: after n tokens there have been n steps.": [*mode ** (n - 1), keeps],
    }, tolerance=tolerance)  # fmt: skip
    if first and hint.startswith("3 of 4"):
        return "The first three are right. For the last one solve λ to the 230 = ½, with three figures or more."
    return hint


@judges("ex-la-2")
def _plane(answer: object) -> str:
    A, start = np.array([[1, 1], [0, 0.5]]), np.array([0, 1])
    values, R = np.linalg.eig(A)
    slow = int(np.argmax(values))
    r, l = R[:, slow], np.linalg.inv(R)[slow]
    end, mine = r * (l @ start), numbers(answer)
    if mine is None or mine.size != 6:
        return judge(answer, [r, l, end], "r₁, ℓ₁ and the end, three rows of two numbers")
    my_r, my_l, my_end = mine.reshape(3, 2)

    def along(x: np.ndarray, y: np.ndarray) -> bool:
        return bool(abs(x @ y) > 0.999 * np.linalg.norm(x) * np.linalg.norm(y) > 0)

    wrong = {
        "r₁ and ℓ₁ are swapped: r₁ is a right eigenvector, A r = λ r; ℓ₁ a left one, ℓ A = λ ℓ (numpy: of A.T).":
            along(my_r, l) and along(my_l, r),
        "Your r₁ belongs to the mode that fades: take the eigenvalue 1.": along(my_r, R[:, 1 - slow]),
        "r₁ is no right eigenvector to the eigenvalue 1: test A r = r.": not along(my_r, r),
        "Your ℓ₁ is r₁: A is not symmetric, so the left eigenvector, ℓ A = ℓ, is another vector.": along(my_l, r),
        "ℓ₁ is no left eigenvector to the eigenvalue 1: test ℓ A = ℓ.": not along(my_l, l),
        "ℓ₁ has the right direction; scale it so that ℓ₁·r₁ = 1.": not np.isclose(my_l @ my_r, 1, rtol=TOLERANCE),
        "The state does not end at zero: the mode that fades is not the second coordinate. Project with ℓ₁.":
            np.allclose(my_end, 0),
        "That is the state after one step: go on until it rests.": np.allclose(my_end, A @ start),
        "That is where it starts.": np.allclose(my_end, start),
        "The end is r₁ times how much of mode 1 is in the start, ℓ₁·(0, 1).": not close(my_end, end).all(),
    }  # fmt: skip
    return next((hint for hint, found in wrong.items() if found), "")


@judges("ex-la-5")
def _flip_flop(answer: object) -> str:
    # each bit rests up, down, or on the ridge between them, which is unstable in one direction
    unstable = [sum(bit == 0 for bit in state) for state in product((-1, 0, 1), repeat=2)]
    stable, saddles, middle = (unstable.count(k) for k in (0, 1, 2))
    mine = numbers(answer)
    if mine is not None and mine.size == 2 and tuple(mine.ravel()) == (stable, saddles + middle):
        return ""  # the middle may be called a saddle or a repeller
    return judge(answer, [stable, saddles], "two counts: stable points, saddles", {
        "That counts bits: two bits have more memories than two.": [2, saddles],
        "Saddles are between neighbours: not all pairs of memories are neighbours.": [stable, 6],
        "You counted all fixed points as stable: most of the nine are not.": [stable + saddles + middle, saddles],
        "That is one bit: there are two channels.": [2, 1],
        "There are saddles: going from one memory to a neighbour, the state passes a ridge.": [stable, 0],
        "The middle is one point, but there is a saddle on each ridge too.": [stable, 1],
    }, tolerance=0)  # fmt: skip


@judges("ex-toy-1")
def _twelve_words(answer: object) -> str:
    return judge(answer, [0, -2, -1], "three sums, one for each text", {
        "Modifiers multiply here: “not very good” is −1 times 2 times 1.": [2, -2, -1],
        "The four tokens of “not” begin after it: “bad” in (iii) is the fourth.": [0, -2, -3],
        "“Not” acts on four tokens: in (iii) “awful” is the fifth.": [0, -2, 3],
        "“Not” does not stop at the first word that counts: it acts on four tokens.": [-4, -2, -1],
        "“Very” acts on the next token, and that is “not”.": [0, -4, -1],
    }, tolerance=0)  # fmt: skip


@judges("ex-toy-2")
def _kicks(answer: object) -> str:
    right = np.array([0.5, 0.25, -1.0])
    return judge(answer, right, "three places m, in units of p", {
        "The factor falls as m rises: it is 1 − 2m/p.": -right,
        "That is 1 − f: the factor has 2m in it.": 2 * right,
        "Those are factors, not places: solve 1 − 2m/p = f for m.": [0, 0.5, 3],
    })  # fmt: skip


@judges("ex-modifiers-1")
def _places(answer: object) -> str:
    factors = np.array([[2, 1], [-1, -1], [1, 1]])
    return judge(answer, factors, "three places (x, y), one for each of (i), (ii) and (iii)", {
        "These are gains; the axes are factors, that is 1 + gain.": factors - 1,
        "Positive words are on the horizontal axis.": factors[:, ::-1],
        "At (0, 0) valence is gone; turned round, it has the other sign.": [[2, 1], [0, 0], [1, 1]],
        "Factors are not logarithms, though the axes are logarithmic.": [[1, 0], [-1, -1], [0, 0]],
        "(iii) changes nothing that other words count: its factors are 1.": [[2, 1], [-1, -1], [0, 0]],
        "(i) leaves negative words as they are: a factor of 1.": [[2, 0], [-1, -1], [1, 1]],
    })  # fmt: skip


@judges("ex-end-1")
def _superb(answer: object) -> str:
    mode, seen, put = 0.7, 0.5, 2.0

    def rows(*n: float, lasting: float = 1.0) -> np.ndarray:
        part = np.array([seen * put * mode**k for k in n])
        return np.array([lasting + part, lasting - part])

    right = rows(0, 2, np.inf)
    return judge(answer, right, "two rows (the two signs) of three: last, last but two, far from the end", {
        "The last but two has two tokens after it: n = 2.": rows(0, 3, np.inf),
        "The last but two has two tokens after it, n = 2.": rows(0, 1, np.inf),
        "The last word has no token after it: n = 0.": rows(1, 3, np.inf),
        "You left out the lasting valence, which is added to the transient.": rows(0, 2, np.inf, lasting=0),
        "In the second row the transient is taken away from the lasting valence.": np.array([right[0]] * 2),
        "The sign goes with the transient only: the lasting valence stays.": np.array([right[0], -right[0]]),
        "You left out w·r, what the readout sees of the mode.": 1 + (right - 1) / seen,
    })  # fmt: skip


@judges("ex-augmented-1")
def _filters(answer: object) -> str:
    next_not, later_not, next_very = -1.3, -1.0, 1.0
    two = [1 + next_not, 1 + next_very]
    wanted = "three factors of β: “not good”, “very good”, “not very good”"
    return judge(answer, [*two, 1 + later_not + next_very], wanted, {
        "In this model effects add; you multiplied them.": [*two, (1 + later_not) * (1 + next_very)],
        "In “not very good”, “not” stands two tokens before “good”: take f(2).": [*two, 1 + next_not + next_very],
        "You left out the 1, the word's own count, to which filters add.": [next_not, next_very, later_not + next_very],
        "“Not” does not look at “very” only: it acts on “good” too.": [*two, 1 + next_very],
        "“Very” acts on “good” too.": [*two, 1 + later_not],
    })  # fmt: skip


@judges("ex-augmented-5")
def _few(answer: object) -> str:
    wanted = "three whole numbers: products, numbers that all words share in T₀ … T_C, numbers of the words"
    return judge(answer, [56, 1400, 80_000], wanted, {
        "You left the constant out: 1 is a product of no coordinate, and T₁(0) is what a word says at z = 0.":
            [55, 1375, 80_000],
        "T₀, the average word's step, is shared too: there are C + 1 of them.": [56, 1120, 80_000],
        "Each T has k outputs, one a coordinate.": [56, 280, 80_000],
        "z₁z₂ and z₂z₁ are one product.": [156, 3900, 80_000],
    }, tolerance=0)  # fmt: skip


@judges("ex-augmented-4")
def _parameters(answer: object) -> str:
    sizes = np.array([[20_000, 600, 4, 3], [100, 7, 1, 2], [5_000, 30, 2, 5]])
    V, M, C, P = sizes.T
    returned = []
    for row in sizes:
        value, hint = called(answer, *map(int, row))
        if hint:
            return f"{hint} (It gets V words, M modifiers, C parts and P decay times.)"
        returned.append(value)
    right, mine = V * C + 2 * M * C * P, numbers(returned)
    if mine is not None and mine.shape == V.shape and (mine == right + 1).all():
        return ""  # b counted too
    return judge(returned, right, "a function of V, M, C and P that returns the number of parameters", {
        "That is one side only: words before and words after have filters of their own.": V * C + M * C * P,
        "Filters are there for each part: C is missing in them.": V * C + 2 * M * P,
        "Each part has a valence for each word: C is missing in the first term.": V + 2 * M * C * P,
        "That is the bigram model: here only modifiers have filters, and these are short.": V**2,
        "You forgot the filters.": V * C,
        "Not each word has a filter: modifiers have.": V * C + 2 * V * C * P,
    }, tolerance=0)  # fmt: skip


@judges("ex-language-1")
def _sums(answer: object) -> str:
    language = Language()
    flip, good = (language.to_frame().set_index("word").loc[word] for word in ("flip1", "good01"))
    texts = language.encode(["flip1 good01", "good01 flip1"])
    right = language.totals(*texts, start=False, end=False)
    plain = flip.valence + good.valence
    return judge(answer, right, "two sums S: of “flip1 good01” and of “good01 flip1”", {
        "That is the gain in the place of the factor: a factor is 1 + g.":
            [flip.valence + flip.gain * good.valence, plain],
        "“Flip1” has a valence of its own.": right - flip.valence,
        "A modifier acts on the words after it.": right[::-1],
        "You let the flip act in both orders: it acts on the words after it.": [right[0]] * 2,
        "That is a bag of words: let the flip act.": [plain, plain],
    })  # fmt: skip


@judges("ex-language-2")
def _noiseless(answer: object) -> str:
    best, usual = replace(Language(), noise=0.01).bayes().value, Language().bayes().value
    hint = "That is the best reader of the language as it is: make the labels noiseless first."
    return judge(answer, best, "the best possible accuracy without noise", {hint: usual}, tolerance=0.004, share=True)


@judges("ex-reduced-1")
def _oblique(answer: object) -> str:
    r, l, h = np.array([1, 0]), np.array([1, 2]), np.array([1, 1.2])
    moved, straight = h - (l @ h) * r, h - (r @ h) * r
    return judge(answer, [*moved, l @ straight], "the state of (ii), two numbers, and what ℓ reads after (iii)", {
        "That is the projection at a right angle: move along r until ℓ reads zero.": [*straight, l @ straight],
        "After (iii) ℓ still reads something: it is not at a right angle to what is left.": [*moved, 0],
        "You moved along ℓ: what was written along r must go along r.": [*(h - (l @ h) * l / (l @ l)), l @ straight],
    })  # fmt: skip


@judges("ex-reduced-2")
def _hankel(answer: object) -> str:
    right = [(2, 1), (2, 1), (1, 2)]
    return judge(answer, right, "two pairs of singular values, larger first, and the units that PCA keeps", {
        "Those are products: take square roots.": [(4, 1), (4, 1), (1, 2)],
        "If h₂ is a hundred times as large, a change of one unit of it does a hundredth: A changes too.":
            [(2, 1), (200, 1), (1, 2)],
        "Principal components keep the unit that varies most, read or not.": [(2, 1), (2, 1), (2, 2)],
    })  # fmt: skip


@judges("ex-gates-1")
def _one_unit(answer: object) -> str:
    left = -0.5 * 0.9
    return judge(
        answer, [1, -1, left + 1, left - 1], "four logits: good, bad, not good, not bad",
        {"What “not” wrote fades by .9 when the next word is read.": [1, -1, 0.5, -1.5]},
    )  # fmt: skip


@judges("ex-gates-2")
def _factors(answer: object) -> str:
    return judge(
        answer, [1, 0], "two factors, of good and of bad",
        {"That drives the two apart: which word should keep what “not” wrote?": [0, 1]},
    )  # fmt: skip


@judges("ex-gates-4")
def _biases(answer: object) -> str:
    tokens = np.array([2, 10, 1000])
    kept = 1 - 1 / tokens
    return judge(answer, np.log(tokens - 1), "three biases, for 2, 10 and 1,000 tokens", {
        "Those are the gates: the bias goes through the sigmoid, so solve σ(b) = z.": kept,
        "That is ln τ: solve σ(b) = 1 − 1/τ.": np.log(tokens),
    })  # fmt: skip


@judges("ex-gates-5")
def _two_layers(answer: object) -> str:
    wanted = "four logits: good, not good, not the good, not bad"
    return judge(answer, [1, 0.5, 0.75, -0.5], wanted, {
        "The second layer reads the new state of the first one: “good” itself has halved it.": [1, 0, 0.5, 0],
        "“Not” writes nothing to the second layer: it only sets the first one's state.": [1, -0.5, -0.25, -1.5],
    })  # fmt: skip
