"""Inside networks of the twelve words (:mod:`rnnrev.book.toy`): fixed points at x* = 0, which modes carry a modifier.

Source: CP20, section 4, Fig. 2 and supplementary Figs. 11–14; the two units by hand are ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..fixed_points import FixedPoints, MeanMap, find_fixed_points
from ..linear import Eigenmodes, OperatingPoint, eigenmodes, slow_mode
from ..model import SentimentRNN
from ..modifiers import states_after
from .language import TWELVE_WORDS, Language, Modifier
from .toy import TEST_SEED, network

__all__ = [
    "FIVE_WORDS", "Carrier", "added", "after", "by_hand", "carrier", "centred", "dimensions", "effects", "factor",
    "fixed_points", "follow_ups", "mode_groups", "phrase", "point_at", "read_on", "texts", "undo", "without",
    "zero_map",
]  # fmt: skip

FILLER = "a"  #: the noise word of phrases


# --- the fixed points at x* = 0, and the modes there ----------------------------------------------


def centred(model: SentimentRNN, language: Language = TWELVE_WORDS) -> SentimentRNN:
    """The same network with b moved so that no input, x = 0, is the average noise word; every text reads as before.

    Words are one-hot: b + v and W − v with any v give the same states on every text, but another F(h, 0). Which of them
    training ends with is chance, or the doing of L2; this one has a meaning.
    """
    quiet = language.vocabulary.numbers(language.words[-language.n_neutral :])
    shift = model.embedding[quiet].mean(0) @ model.cell.W
    cell = replace(model.cell, W=model.cell.W - shift, b=model.cell.b + shift)
    return replace(model, cell=cell)


def zero_map(model: SentimentRNN) -> MeanMap:
    """The step without input, F(·, 0), as a map that the package's tools take in the place of F̄."""
    cell = model.cell.astype(np.float64)
    return MeanMap(cell, cell.project(np.zeros((1, cell.n_inputs))), np.ones(1), ("",))


def texts(language: Language, n: int, seed: int = TEST_SEED) -> list[np.ndarray]:
    """n texts as token numbers."""
    return list(language.sample_ids(n, seed)[0])


def fixed_points(model: SentimentRNN, language: Language = TWELVE_WORDS, n: int = 200) -> FixedPoints:
    """Fixed points at x* = 0, found from n states that new texts lead to, after twelve steps without input.

    The steps let modifiers that are pending pass: points that are held on the way to the line would be none of it.
    """
    model, F = model.astype(np.float64), zero_map(model)
    states = np.concatenate(model.states_of(texts(language, 60, TEST_SEED + 1)))
    starts = states[np.random.default_rng(163).permutation(len(states))[:n]]
    for _ in range(12):
        starts = F(starts)
    return find_fixed_points(F, starts, stability=False)


def point_at(model: SentimentRNN, points: FixedPoints) -> OperatingPoint:
    """Of the slower half of the fixed points the one where the network says most nearly 0, with its modes."""
    model, F = model.astype(np.float64), zero_map(model)
    near = points[points.q <= np.median(points.q)]
    best = int(np.abs(model.readout(near.h_star)).argmin())
    h = near.h_star[best]
    modes = eigenmodes(F.jacobian(h), model.w)
    slow = int(slow_mode(modes))
    r, l = modes.R[:, slow].real, modes.L[slow].real
    return OperatingPoint(model, F, h, float(near.q[best]), modes, r, l, float(model.readout(h)))


def mode_groups(modes: Eigenmodes) -> list[np.ndarray]:
    """Modes that belong together, a real one or a conjugate pair, slowest first: their places."""
    first = np.flatnonzero(modes.eigvals.imag >= -1e-12)
    return [np.array([i]) if modes.real[i] else np.array([i, i + 1]) for i in first]


# --- which modes carry a modifier ------------------------------------------------------------------


def read_on(model: SentimentRNN, h: np.ndarray, words: Sequence[str]) -> np.ndarray:
    """What the network says after reading on from states h (..., S): (...,)."""
    for number in model.vocabulary.numbers(words):
        h = model.cell.step_projected(h, model.projected[number].astype(float))
    return model.readout(h)


def follow_ups(language: Language, word: str) -> list[tuple[str, ...]]:
    """What is read after a modifier to see its effect: each valence word, after so many *a* as its reach lets pass."""
    reach = next(m.reach for m in language.modifiers if m.word == word)
    return [(*[FILLER] * k, v) for k in range(reach) for v in language.words[: language.n_valence]]


def effects(point: OperatingPoint, h: np.ndarray, after: Sequence[Sequence[str]]) -> np.ndarray:
    """What is said after each follow-up from states h (..., S), less what is said after it from h*: (..., K)."""
    said = [read_on(point.model, h, words) - read_on(point.model, point.h_star, words) for words in after]
    return np.stack(said, -1)


@dataclass(frozen=True, eq=False)
class Carrier:
    """Which modes carry a modifier: its deflection's projection on each is removed, and the rest read on.

    ``undone`` (M,) the share of the modifier's effect, over all follow-ups, that goes with each group of modes
    (:func:`mode_groups`): 1 is all, 0 none; ``best`` the group with the largest share, the integrating one left out;
    ``others`` the share that goes with all groups but that one and the integrating one, removed together; ``angle``
    (M,) degrees between the deflection and each group's left vectors; ``deflection`` (S,).
    """

    word: str
    groups: list[np.ndarray] = field(repr=False)
    undone: np.ndarray = field(repr=False)
    best: int
    others: float
    angle: np.ndarray = field(repr=False)
    deflection: np.ndarray = field(repr=False)


def carrier(point: OperatingPoint, word: str, language: Language = TWELVE_WORDS) -> Carrier:
    """Remove a modifier's deflection mode by mode, and see what is left of its effect."""
    modes, groups = point.modes, mode_groups(point.modes)
    d = states_after(point, [word])[0] - point.h_star
    along = np.stack([(modes.R[:, g] @ (modes.L[g] @ d)).real for g in groups])
    slow = next(i for i, g in enumerate(groups) if point.slow in g)
    after = follow_ups(language, word)
    whole = effects(point, point.h_star + d, after)

    def share(removed: np.ndarray) -> np.ndarray:
        return 1 - effects(point, point.h_star + d - removed, after) @ whole / (whole @ whole)

    undone = share(along)
    best = int(np.where(np.arange(len(groups)) == slow, -np.inf, undone).argmax())
    rest = np.delete(np.arange(len(groups)), [best, slow])
    parts = [np.stack([modes.L[g[0]].real, modes.L[g[0]].imag][: len(g)], 1) for g in groups]
    planes = [np.linalg.qr(part)[0] for part in parts]
    cosine = np.array([np.linalg.norm(p.T @ d) for p in planes]) / np.linalg.norm(d)
    angle = np.degrees(np.arccos(np.clip(cosine, 0, 1)))
    return Carrier(word, groups, undone, best, float(share(along[rest].sum(0))), angle, d)


def without(point: OperatingPoint, h: np.ndarray, places: Sequence[int] | np.ndarray) -> np.ndarray:
    """States (..., S) without their projection on modes, h − Σ_a r_a ℓ_a·(h − h*): give both of a conjugate pair."""
    R, L = point.modes.R[:, places], point.modes.L[places]
    return h - ((h - point.h_star) @ L.T @ R.T).real


def undo(point: OperatingPoint) -> dict[str, float]:
    """What "not a a bad" and "very good" add from h* on, with modes removed right after the modifier (CP20)."""
    found = {word: carrier(point, word) for word in ("not", "very")}
    places = {word: c.groups[c.best] for word, c in found.items()}
    said = {}
    for phrase in ("not a a bad", "very good"):
        word, *rest = phrase.split()
        h = after(point, [word])[-1]
        others = np.setdiff1d(np.arange(len(h)), [point.slow, *places[word]])
        removed: dict[str, Sequence[int] | np.ndarray] = {
            "": [],
            "not's modes": places["not"],
            "very's modes": places["very"],
            "all others": others,
        }
        for name, which in removed.items():
            added = read_on(point.model, without(point, h, which), rest) - point.logit
            said[f"{phrase}{' without ' if name else ''}{name}"] = float(added)
    return said


def dimensions(point: OperatingPoint, found: Carrier, language: Language = TWELVE_WORDS, least: float = 0.9) -> int:
    """How many dimensions undo a modifier: groups of modes are removed one after the other, each time the one that
    undoes most, until ``least`` of its effect is gone; the integrating mode stays."""
    modes, d, after = point.modes, found.deflection, follow_ups(language, found.word)
    whole = effects(point, point.h_star + d, after)
    along = np.stack([(modes.R[:, g] @ (modes.L[g] @ d)).real for g in found.groups])
    left = [i for i, g in enumerate(found.groups) if point.slow not in g]
    removed, size = np.zeros_like(d), 0
    while left:
        share = 1 - effects(point, point.h_star + d - removed - along[left], after) @ whole / (whole @ whole)
        best = left.pop(int(share.argmax()))
        removed, size = removed + along[best], size + len(found.groups[best])
        if share.max() >= least:
            return size
    return size


# --- the rest of what the record holds --------------------------------------------------------------


def factor(point: OperatingPoint, h: np.ndarray, language: Language = TWELVE_WORDS) -> np.ndarray:
    """By what valence is multiplied at states h (..., S): slope of what words add on their valence, (...,)."""
    words = language.words[: language.n_valence]
    v = language.valence[language.vocabulary.numbers(words)]
    return added(point, h, words) @ v / (v @ v)


def added(point: OperatingPoint, h: np.ndarray, words: Sequence[str], *, jacobian: bool = False) -> np.ndarray:
    """What words add at states h (..., S), w·F(h, x) − w·F(h, 0), or to first order w·J_inp(h, 0) x: (..., K)."""
    model, cell = point.model, point.mean_map.cell
    x = model.embed(words).astype(float)
    if jacobian:
        return np.einsum("s,...sd,kd->...k", model.w, point.mean_map.jacobians(h).J_inp, x)
    return (cell.step(h[..., None, :], x) - point.mean_map(h)[..., None, :]) @ model.w


def after(point: OperatingPoint, words: Sequence[str]) -> np.ndarray:
    """The states from h* on, after each word: (T + 1, S)."""
    states = [point.h_star]
    for number in point.model.vocabulary.numbers(words):
        states.append(point.model.cell.step_projected(states[-1], point.model.projected[number]).astype(float))
    return np.array(states)


def phrase(model: SentimentRNN, words: Sequence[str], n: int = 60) -> np.ndarray:
    """What a phrase adds to what is said in n texts, nine words and so many *a* that no modifier is pending: (n,)."""
    model = model.astype(np.float64)
    ids = np.array(texts(TWELVE_WORDS, n, TEST_SEED + 2))[:, : 9 + max(m.reach for m in TWELVE_WORDS.modifiers)]
    ids[:, 9:] = model.vocabulary.number(FILLER)
    h = np.stack([states[-1] for states in model.states_of(list(ids))])
    return read_on(model, h, words) - model.readout(h)


# --- two units, by hand -----------------------------------------------------------------------------

#: Five words for two units: *not* and *very* act on the next token only.
FIVE_WORDS = replace(
    TWELVE_WORDS, n_valence=2, strength=1.0, n_neutral=1, names=("good", "bad", "the"), valence_share=0.4,
    modifier_share=0.4, modifiers=(Modifier("not", -2.0, reach=1, alone=True), Modifier("very", 1.0, reach=1)),
    min_tokens=12, max_tokens=12,
)  # fmt: skip


def by_hand(step: float = 0.05) -> SentimentRNN:
    """A UGRNN of two units that reads :data:`FIVE_WORDS`, with weights that can be worked out on paper.

    With both gates half open and candidates c = (−h₂, −h₁), which is what *the* does, d = h₂ − h₁ stays (λ = 1) and
    m = (h₁ + h₂)/2 goes (λ = 0): d/``step`` is the sum so far, m holds the modifier. *Not* and *very* push both units
    alike, m = ``step`` and m = −``step``/2. *Good* keeps unit 1 and mirrors it in unit 2: d' = −2h₁ = d − 2m. *Bad*
    keeps unit 2 and mirrors it in unit 1: d' = 2h₂ = d + 2m. With a push by ``step`` for *good*, −``step`` for *bad*,
    they add ±(``step`` − 2m): a factor of 1, of −1 after *not*, of 2 after *very*. Gates choose among states: that
    is how a network multiplies. It is exact up to the curvature of tanh and a leak, both of the order of ``step``.
    """
    language, big = FIVE_WORDS, 9.0
    leak = np.log(2 / step - 1)  # a gate of 1 − step/2: through what it leaves comes the push
    W = {
        "good": (leak, -big, -big, step / 2), "bad": (-big, leak, step / 2, -big), "the": (0, 0, 0, 0),
        "not": (0, 0, 2 * step, 2 * step), "very": (0, 0, -step, -step),
    }  # fmt: skip
    U = np.array([[0.0, 0, 0, -1], [0, 0, -1, 0]])
    weights = {
        "W": np.array([W[w] for w in language.words], float), "U": U, "b": np.zeros(4), "b_rec": np.zeros(4),
        "h0": np.zeros(2), "w": np.array([-1, 1]) / step, "readout_b": np.zeros(()),
    }  # fmt: skip
    return network(weights, "ugrnn", language, "by hand")
