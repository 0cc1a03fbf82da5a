"""What is right in each exercise of the book, and what typical mistakes give: an answer that matches one gets its hint.

Both are computed: here from the shipped networks and the embedded reviews (never from ``RNNREV_DATA_DIR``), in
:mod:`rnnrev.book.by_hand` from an exercise's statement.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from .. import balanced, driven, edges, linear, modifiers, perturb, stats, zoo
from ..augmented_bow import AugmentedBagOfWords
from ..data import Reviews, load_reviews, tokenize
from ..model import SentimentRNN
from ..subspace import Subspace, chosen_subspace
from . import inside, toy
from .answers import TOLERANCE, called, close, judge, judges, numbers, words_in
from .modifiers import gain_gradient

__all__: list[str] = []


# --- what the chapters work with --------------------------------------------------------------


@cache
def _reviews() -> Reviews:
    return load_reviews("book")


@cache
def _point(name: str = "gru-imdb") -> linear.OperatingPoint:
    return linear.operating_point(zoo.load(name, SentimentRNN))


@cache
def _ids() -> list[np.ndarray]:
    return _point().model.vocabulary.encode_all(_reviews().texts)


@cache
def _logits(name: str, shuffled: bool = False) -> np.ndarray:
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.permutation(tokenize(t))) if shuffled else t for t in _reviews().texts]
    return zoo.load(name).logits(texts).astype(float)


def _share_right(logits: np.ndarray) -> float:
    return stats.accuracy(logits > 0, _reviews().labels).value


@cache
def _subspace() -> Subspace:
    """Chapter 3's."""
    return chosen_subspace(_point(), modifiers.modifier_effects(_point()))


# --- chapter 1 --------------------------------------------------------------------------------


@judges("ex-training-2")
def _disagreeing(answer: object) -> str:
    texts = words_in(answer)
    if texts is None:
        return "Give a list of three sentences, each a string."
    if len(set(texts)) < 3:
        return f"Give three different sentences; you gave {len(set(texts))}."
    for text in texts:
        if not tokenize(text):
            return "One of the sentences has no words in it."
        if len(tokenize(text)) > 30:
            return f"“{text[:40]}…” has {len(tokenize(text))} tokens: find a short one, in which you see why."
    gru, bag = (zoo.load(n).logits(texts) for n in ("gru-imdb", "bow-imdb"))
    for text, one, other in zip(texts, gru, bag):
        if one * other > 0:
            sign = "positive" if one > 0 else "negative"
            return f"Both readers call “{text[:60]}” {sign}. Try a negation before a word that counts much by itself."
    return ""


@judges("ex-training-3")
def _doubled(answer: object) -> str:
    labels, logits = _reviews().labels, _logits("gru-imdb")
    right = _share_right(logits)
    p = np.clip(2 / (1 + np.exp(-logits)), 0, 1 - 1e-9)

    def error(logits: np.ndarray) -> float:
        return stats.calibration(logits, labels).error

    wanted = "the accuracy after doubling, and then the calibration error after doubling"
    return judge(answer, [right, error(2 * logits)], wanted, {
        "That is the error before doubling.": [right, error(logits)],
        "You halved the logits.": [right, error(logits / 2)],
        "You doubled probabilities, not logits.": [_share_right(p - 0.5), error(np.log(p / (1 - p)))],
    }, share=True)  # fmt: skip


@judges("ex-training-4")
def _order(answer: object) -> str:
    right = [_share_right(_logits(name, shuffled)) for name in ("gru-imdb", "bow-imdb") for shuffled in (False, True)]
    mine = numbers(answer)
    if mine is not None and mine.size == 4 and np.isclose(mine.flat[0], right[0], rtol=TOLERANCE):
        if not np.isclose(mine.flat[2], mine.flat[3]):
            return "The bag cannot change: a sum has no order. Did you shuffle letters, or texts against labels?"
        if np.isclose(mine.flat[0], mine.flat[1]):
            return "The GRU's accuracy does not change in yours: did it get the shuffled texts?"
    wanted = "four accuracies: the GRU in order and shuffled, then the bag in order and shuffled"
    # another seed shuffles otherwise
    return judge(answer, right, wanted, tolerance=[0.02, 0.05, 0.02, 0.02], share=True)


# --- chapter 2 --------------------------------------------------------------------------------


@judges("ex-la-3")
def _run_on(answer: object) -> str:
    try:
        points = getattr(answer, "points", answer)
        h, moved = getattr(points, "h_star", None), getattr(points, "moved", None)
    except Exception:  # a stranger's object again
        h = moved = None
    if not isinstance(h, np.ndarray) or h.ndim != 2 or h.shape[1] != len(_point().h_star) or not len(h):
        return "Give what `la.find_attractor` returned."
    if len(h) < 20:
        return f"{len(h)} points are few: use 40 starts."
    if np.median(np.sum((_point().mean_map(h) - h) ** 2, axis=-1) / 2) > 1e-12:
        return "Most of these points still move: the search was damped. Give `damping=0`."
    if not isinstance(moved, np.ndarray) or not np.median(moved) > 0:
        return "These points have not moved from their starts: were they the starts of another search?"
    return ""


@cache
def _extremes(name: str, frequent: bool = True) -> tuple[set[str], set[str]]:
    point = _point(name)
    words = linear.frequent_words(point.model, linear.FLOOR if frequent else 0)
    order = words[np.argsort(linear.valence(point, words))]
    low, high = ({point.model.vocabulary.words[i] for i in some} for some in (order[:10], order[-10:]))
    return high, low


@judges("ex-la-4")
def _poles(answer: object) -> str:
    wanted = "two lists of ten words: the LSTM's most positive, then its most negative"
    try:
        pair = [set(words_in(part) or ()) for part in answer]  # type: ignore[attr-defined]
    except Exception:
        return f"Give {wanted}."
    if [len(p) for p in pair] != [10, 10]:
        return f"Give {wanted}; yours hold {' and '.join(str(len(p)) for p in pair[:4]) or 'no'} words."

    def common(right: tuple[set[str], set[str]]) -> list[int]:
        return [len(p & words) for p, words in zip(pair, right)]

    if min(common(_extremes("lstm-imdb"))) >= 9:
        return ""
    if min(common(_extremes("lstm-imdb")[::-1])) >= 9:
        return "The two lists are swapped: positive words come first."
    if min(common(_extremes("gru-imdb"))) >= 9:
        return "These are the GRU's words: use the LSTM's own operating point."
    if min(common(_extremes("lstm-imdb", frequent=False))) >= 9:
        return "Rare words are among them, whose vectors were hardly trained: rank frequent words only."
    return f"{sum(common(_extremes('lstm-imdb')))} of 20 words are right. Rank the frequent words at the LSTM's point."


# --- a language of twelve words ---------------------------------------------------------------


@cache
def _removals() -> list[float]:
    model = inside.centred(toy.load("gru-32-0").astype(np.float64))
    said = inside.undo(inside.point_at(model, inside.fixed_points(model)))
    return [said[f"not a a bad{more}"] for more in (" without not's modes", " without all others", "")]


@judges("ex-toy-3")
def _removed_modes(answer: object) -> str:
    pair, others, whole = _removals()
    return judge(answer, [pair, others], "two numbers: without the modes of “not”, without all others", {
        "That is the whole phrase: subtract the projection from the state before you read on.": [whole, whole],
        "That is the other way round.": [others, pair],
    })  # fmt: skip


# --- chapter 3 --------------------------------------------------------------------------------


@cache
def _gains(**options: bool) -> np.ndarray:
    """Gain of "not" intact, perturbed everywhere, after "not" only, and everywhere else."""
    model, out = _point().model, perturb.project_out(_subspace())
    number = model.vocabulary.number("not")
    elsewhere = [v for v in range(len(model.vocabulary)) if v != number]
    after, rest = perturb.only(out, tokens=[number]), perturb.only(out, tokens=elsewhere)
    tries: dict[str, list[perturb.Change]] = {"intact": [], "everywhere": [out], "after": [after], "rest": [rest]}
    pairs = perturb.phrase_pairs(model).query("modifier == 'not'")
    gains = perturb.abolition(_point(), pairs, tries, **options).set_index("perturbation").gain
    return np.array([gains[name].value for name in tries])


@judges("ex-modifiers-2")
def _when(answer: object) -> str:
    right = _gains()
    return judge(answer, right, "four gains: intact, perturbed everywhere, after “not” only, everywhere else", {
        "These are factors: a gain is the factor less 1.": 1 + right,
        "“After not” and “elsewhere” are swapped.": right[[0, 1, 3, 2]],
        "These texts begin at h₀: in mid-review, as in the chapter, its emphasis is gone.":
            lambda: _gains(mid_review=False),
        "That is what stays; the exercise asks for the logit (`lasting=False`).": lambda: _gains(lasting=True),
    }, tolerance=np.maximum(0.02, TOLERANCE * np.abs(right)))  # fmt: skip


@judges("ex-modifiers-3")
def _norms(answer: object) -> str:
    words, point = ["not", "very", "extremely", "movie"], _point()
    mine, hint = called(answer, list(words))
    if hint:
        return hint
    after = point.model.cell.step(point.h_star, point.model.embed(words).astype(float))
    base, J = (point.mean_map.jacobians(h).J_inp for h in (point.h_star, after))
    norms, whole = np.linalg.norm(J - base, axis=(1, 2)), np.linalg.norm(J, axis=(1, 2))
    return judge(mine, norms, "a function of a list of words that returns a norm for each", {
        "These are squared norms: take the root.": norms**2,
        "That is the largest singular value. The Frobenius norm is asked for.":
            np.linalg.norm(J - base, 2, axis=(1, 2)),
        "That is the norm of J_inp(h_m): take J_inp(h*) away first.": whole,
        "A difference of norms is not the norm of the difference.": whole - np.linalg.norm(base),
        "That is relative to ‖J_inp(h*)‖: give the norm itself.": norms / np.linalg.norm(base),
    }, tolerance=0.05 * norms)  # fmt: skip


@cache
def _gradient() -> np.ndarray:
    return gain_gradient(_point())


@judges("ex-modifiers-4")
def _angle(answer: object) -> str:
    basis, w = _subspace().basis, np.reshape(_point().model.w, -1)

    def degrees(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.degrees(np.arccos(x @ y / np.linalg.norm(x) / np.linalg.norm(y))))

    angle, mine = degrees(basis.T @ w, basis.T @ _gradient()), numbers(answer)
    # a direction and its opposite span one line
    if mine is not None and mine.size == 1 and close(mine.ravel()[0], 180 - angle, 2):
        return ""
    return judge(answer, angle, "the angle of Bᵀw and Bᵀ∇g in the subspace of the chapter, in degrees", {
        "That is in radians: give degrees.": np.radians(angle),
        "That is in radians, of the opposite direction: give degrees.": np.radians(180 - angle),
        "That is the cosine: give the angle, in degrees.": np.cos(np.radians(angle)),
        "That is the angle in the whole state space: project both into the subspace first.": degrees(w, _gradient()),
    }, tolerance=2)  # fmt: skip


# --- chapter 4 --------------------------------------------------------------------------------


@cache
def _slide_from(h0: bytes) -> edges.Profile:
    texts = edges.first_tokens(_ids(), max(edges.PLACES) + edges.LAG + 1)[:30]
    probes = modifiers.probe_words(_point(), 10)
    return edges.start_profile(_point(), texts, probes.numbers, edges.PLACES, edges.LAG, np.frombuffer(h0))


def _slide(h0: np.ndarray) -> edges.Profile:
    return _slide_from(np.asarray(h0, float).tobytes())


@judges("ex-start-3")
def _after_extremely(answer: object) -> str:
    point = _point()
    cell, word = point.model.cell, point.model.embed(["extremely"])[0]
    profile = _slide(cell.step(point.h_star, word))
    wanted = f"the emphasis at the {len(edges.PLACES)} places of the chapter, begun after “extremely”"
    return judge(answer, profile.value, wanted, {
        "This one begins at h₀.": lambda: _slide(cell.h0).value,
        "This one begins at h*, before “extremely” was read.": lambda: _slide(point.h_star).value,
        "You read “extremely” at h₀: read it at h*.": lambda: _slide(cell.step(cell.h0, word)).value,
        "That is relative to late places: give the profile itself.": lambda: profile.relative_to(edges.LATE).value,
        "That is the difference to the control: give the profile.":
            lambda: profile.value - _slide(point.h_star).value,
    })  # fmt: skip


@judges("ex-start-4")
def _turned_up(answer: object) -> str:
    h0, subspace = _point().model.cell.h0, _subspace()
    component = subspace.coordinates(h0) @ subspace.basis.T

    @cache
    def first(gain: float) -> float:
        return float(_slide(h0 + (gain - 1) * component).value[0])

    return judge(answer, [first(2), first(-1)], "the emphasis at the first token, with a gain of 2 and with −1", {
        "You added the component 2 and −1 times: it is already in h₀ once.": lambda: [first(3), first(0)],
        "The second one is for a gain of 0: at −1 the component is turned round.": lambda: [first(2), first(0)],
        "The first one is for a gain of 1, h₀ itself.": lambda: [first(1), first(-1)],
    })  # fmt: skip


# --- chapter 5 --------------------------------------------------------------------------------


@cache
def _padded_share(after: bool) -> float:
    padding = edges.neutral_texts(_point(), len(_ids()), 20, seed=1)
    texts = [np.r_[text, more] if after else np.r_[more, text] for text, more in zip(_ids(), padding)]
    return _share_right(zoo.load("gru-imdb").logits_of(texts))


@judges("ex-end-3")
def _padded(answer: object) -> str:
    before, after, front = _share_right(_logits("gru-imdb")), _padded_share(True), _padded_share(False)
    mine = numbers(answer)
    if mine is not None and mine.size == 2 and not np.allclose(mine.ravel(), [before, after], rtol=0, atol=1e-3):
        # a few reviews make all the difference, so only a close match counts
        if np.allclose(mine.ravel(), [before, front], rtol=0, atol=1e-3):
            return "You put the neutral text before the reviews: the end of a review is still its end."
        if np.allclose(mine.ravel(), before, rtol=0, atol=1e-3):
            return "Both are the same: does the longer text get to the network?"
    wanted = "the accuracy of the reviews as they are, and with neutral text after them"
    # another seed draws other neutral text
    return judge(answer, [before, after], wanted, tolerance=[0.005, 0.03], share=True)


@judges("ex-end-4")
def _first_order(answer: object) -> str:
    probes = modifiers.probe_words(_point(), 10).numbers
    finite = linear.mode_kernel(_point(), probes, edges.LAGS)
    first = linear.mode_kernel(_point(), probes, edges.LAGS, linear.input_effect(_point(), probes, inputs="jacobian"))

    def agree(lag: int) -> float:
        return float(np.corrcoef(first.total[:, lag], finite.total[:, lag])[0, 1])

    mine = numbers(answer)
    if mine is not None and mine.shape == (2, 2):
        return "That is the matrix of correlations: give the one off its diagonal, `[0, 1]`."
    # correlations crowd near 1
    return judge(answer, agree(0), "one number: the correlation, over words, of the two kernels at n = 0", {
        "That is its square: give the correlation itself.": agree(0) ** 2,
        "That is at the largest lag: take n = 0, the last word.": agree(-1),
    }, tolerance=max(1e-3, 0.1 * (1 - agree(0))))  # fmt: skip


@cache
def _visited_jacobians() -> np.ndarray:
    """J_rec of the first review's steps, each at the state before its token, (T, S, S)."""
    model, tokens = _point().model, _ids()[0]
    h = model.states_of([tokens])[0][:-1].astype(float)
    return model.cell.astype(float).jacobians(h, model.embedding[tokens].astype(float)).J_rec


@judges("ex-end-5")
def _products(answer: object) -> str:
    point, J = _point(), _visited_jacobians()

    def carried(J: np.ndarray) -> np.ndarray:
        moved, left = point.r, []
        for step in J:
            moved = step @ moved
            left.append(point.l @ moved)
        return np.array(left)

    slow = point.l @ point.mean_map.jacobian(point.h_star) @ point.r
    single = point.l @ J @ point.r
    return judge(answer, carried(J), f"{len(J)} numbers, one for each token of the first review", {
        "That is λ₁ to the n, the mean Jacobian's: multiply the Jacobians at the visited states.":
            slow ** np.arange(1, len(J) + 1),
        "You multiplied with transposed Jacobians: J acts on r₁ from the left.": carried(J.swapaxes(1, 2)),
        "J_t is taken at the state before token t: yours are one position late.": carried(np.r_[J[1:], J[-1:]]),
        "The product of the single decays is not the decay of the product.": np.cumprod(single),
        "Only one Jacobian acts in each of yours: keep multiplying.": single,
    })  # fmt: skip


# --- chapter 6 --------------------------------------------------------------------------------


@cache
def _switched_shares() -> list[float]:
    model = zoo.load("augmented-bow-cp20-imdb", AugmentedBagOfWords)
    variants = ((), ("modifiers",), ("beginning", "end"), ("modifiers", "beginning", "end"))
    return [_share_right(model.without(*parts).logits(_reviews().texts)) for parts in variants]


@judges("ex-augmented-3")
def _switched_off(answer: object) -> str:
    wanted = "four accuracies: whole, without modifiers, without beginning and end, without all three"
    return judge(answer, _switched_shares(), wanted, tolerance=0.004, share=True)


# --- the network in a few numbers -------------------------------------------------------------


@cache
def _balanced_plane() -> tuple[balanced.ReducedRNN, np.ndarray]:
    """The page's plane, and the move of memory by "good" at h₀ and at volume 0."""
    model = _point().model.astype(np.float32)
    texts = driven.token_arrays(model, _reviews().texts, 60, 160)
    modes = balanced.balance(model, texts)
    small = balanced.plane(model, modes, balanced.axes(model, modes, texts))
    places = np.array([small.cell.h0, [small.cell.h0[0], 0]])
    return small, small.steps(["good"], places)[0]


@judges("ex-reduced-3")
def _louder(answer: object) -> str:
    moved = _balanced_plane()[1]
    return judge(answer, moved[:, 0], "how far one “good” moves z₁ at h₀ and at volume 0", {
        "That is the volume, z₂: take z₁.": moved[:, 1],
        "Those are places: take the step, the new place less the old one.":
            moved[:, 0] + _balanced_plane()[0].cell.h0[0],
    })  # fmt: skip
