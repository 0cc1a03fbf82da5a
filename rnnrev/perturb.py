"""Run a network with its state changed on the way, and see what it no longer understands.

A *change* is a function ``change(h, step) -> h`` on a batch of states. :func:`run` applies changes in order, to
the initial state and after every token; :func:`only` limits one to a window or to chosen tokens. So perturbations
compose, and one's own is one function.

Source: CP20, for projecting out the modifier subspace; the controls are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from .data import load_contrasts
from .driven import Texts, token_arrays
from .linear import OperatingPoint, Unmeasured, slow_readout, valence
from .model import Classifier, Ragged, SentimentRNN, Step, forward
from .modifiers import Probes, barcode, lexicon, matched_words, modifier_effects, probe_words, states_after
from .stats import Estimate, accuracy, bootstrap, estimate, resample, shown
from .subspace import (
    Subspace,
    control_subspaces,
    matched_subspace,
    modifier_subspace,
    random_subspace,
    slow_subspace,
    subspace_dimension,
    top_words,
)

__all__ = [
    "Modulation", "abolition", "amplify", "conditions", "costs", "lab", "only", "phrase_pairs",
    "project_out", "run", "sentence_pairs", "start_from", "typical_states",
]  # fmt: skip

Change = Callable[[np.ndarray, Step], np.ndarray]


# --- changes ----------------------------------------------------------------------------------


def scale(subspace: Subspace, gain: float, offset: ArrayLike = 0.0) -> Change:
    """Make gain · c + offset of the state's coordinates c in a subspace, an offset for each (k,) or one for all.

    Where the subspace was made to keep the integrated coordinate ℓ₁ᵀ(h − h*), that stays as it is.
    """
    # h* enters only through its own coordinates: c = Dᵀh − Dᵀh*
    dual = (gain - 1) * subspace.dual
    shift = np.broadcast_to(np.asarray(offset, float), subspace.dim) - subspace.h_star @ dual

    def change(h: np.ndarray, step: Step) -> np.ndarray:
        kind = h.dtype
        return h + (h @ dual.astype(kind) + shift.astype(kind)) @ subspace.basis.T.astype(kind)

    return change


def project_out(subspace: Subspace) -> Change:
    """Remove a subspace's component from the state, h ← h* + P(h − h*), P = I − B Dᵀ."""
    return scale(subspace, 0.0)


def clamp(subspace: Subspace, value: ArrayLike) -> Change:
    """Hold the state's coordinates in a subspace at ``value``, (k,) or one number for all."""
    return scale(subspace, 0.0, value)


def amplify(subspace: Subspace, gain: float) -> Change:
    """Give the state ``gain`` times the coordinates in a subspace that it has in the network as it is.

    c ← g Dᵀ(h_intact − h*), where :func:`scale` would compound a gain over 1 from step to step: 0 is
    :func:`project_out`, a negative gain lets "not" act like "very". The intact run begins with the state before the
    first token, as earlier changes left it, and reads every token, wherever :func:`only` lets the change act (else
    ``RuntimeError``).
    """
    key, offset = object(), (1 - gain) * subspace.h_star @ subspace.dual

    def change(h: np.ndarray, step: Step) -> np.ndarray:
        if step.t == 0:
            intact = h
        elif key not in step.memory or step.memory[key][0] not in (step.t - 1, step.t):
            raise RuntimeError("amplify reads a copy of the text: call it at every step, also before the first token")
        else:
            read, intact = step.memory[key]
            if read < step.t:
                intact = step.advance(intact[: len(h)], step.tokens)  # texts that end are the last rows
        step.memory[key] = (step.t, intact)
        kind = h.dtype
        more = (gain * intact - h) @ subspace.dual.astype(kind) + offset.astype(kind)
        return h + more @ subspace.basis.T.astype(kind)

    return change


def start_from(h0: np.ndarray) -> Change:
    """Begin from this state, (S,), instead of the network's own h₀; of n states (n, S) text i gets i modulo n."""
    states = np.atleast_2d(h0)
    return lambda h, step: states[step.rows % len(states)].astype(h.dtype) if step.t == 0 else h


def only(change: Change, steps: slice | None = None, tokens: Sequence[int] | np.ndarray | None = None) -> Change:
    """Another change, but only in a window of steps, or right after chosen tokens (their numbers), or both.

    ``steps`` are of the states 0 … T of each text, 0 before its first token; negative numbers count from its end:
    ``slice(0, 1)`` is the initial state alone, ``slice(-10, None)`` the last ten tokens. ``ValueError`` for a step
    other than 1.
    """
    if steps is not None and steps.step not in (None, 1):
        raise ValueError(f"a window has step 1, not {steps.step}")
    chosen = None if tokens is None else np.asarray(tokens)

    def limited(h: np.ndarray, step: Step) -> np.ndarray:
        hit = np.ones(len(h), bool)
        if steps is not None:
            states = step.lengths + 1
            ends = (steps.start or 0, np.inf if steps.stop is None else steps.stop)
            first, end = (np.maximum(at + states * (at < 0), 0) for at in ends)
            hit &= (step.t >= first) & (step.t < end)
        if chosen is not None:
            hit &= np.isin(step.tokens, chosen) & (step.t > 0)
        changed = change(h, step)  # at every step and for all texts: a change may remember (amplify)
        return np.where(hit[:, None], changed, h)

    return limited


@dataclass(frozen=True, eq=False)
class Run:
    """What a network made of texts, perturbed or not.

    ``logits`` one array (T + 1,) a text, before its first token and after each, in nats; ``final`` (n,) the last
    of each, ``last`` (n, S) the states they were read from; ``states`` one array (T + 1, S) a text if they were asked
    for. States are those after the changes.
    """

    logits: list[np.ndarray] = field(repr=False)
    final: np.ndarray
    last: np.ndarray = field(repr=False)
    states: list[np.ndarray] | None = field(default=None, repr=False)


def run(model: SentimentRNN, texts: Texts, intervene: Change | Sequence[Change] = (), *, states: bool = False) -> Run:
    """Run texts (strings, or arrays of token numbers) through a network while changing its state.

    Changes are applied in order, to the initial state and after every token; ``states`` keeps every state too.
    """
    ids = token_arrays(model, texts)
    changes = [intervene] if callable(intervene) else list(intervene)
    shape = () if model.w.ndim == 1 else (model.w.shape[1],)
    kind = model.embedding.dtype
    logits = Ragged(ids, shape, kind)
    kept = Ragged(ids, (model.cell.n_state,), kind) if states else None
    last = np.empty((len(ids), model.cell.n_state), kind)

    def visit(h: np.ndarray, step: Step) -> np.ndarray:
        for change in changes:
            h = change(h, step)
        logits.write(step, model.readout(h))
        if kept is not None:
            kept.write(step, h)
        last[step.rows[step.last]] = h[step.last]
        return h

    forward(model.advance, model.cell.h0.astype(kind), ids, visit)
    return Run(logits.arrays(), logits.last(), last, None if kept is None else kept.arrays())


# --- does it still understand? ------------------------------------------------------------------


def phrase_pairs(model: Classifier, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """The contrast phrases (:func:`rnnrev.data.load_contrasts` unless given) as pairs without and with a modifier.

    Columns ``condition`` (negated, intensified, diminished), ``modifier``, ``word`` and its ``valence`` (1 or −1),
    ``without`` and ``with`` (token numbers). Phrases with a word that the network does not know are left out;
    ``Unmeasured`` if none are left.
    """
    table = load_contrasts() if table is None else table
    table = table.assign(ids=model.vocabulary.encode_all(table.text))
    table = table[[not np.any(i == 1) for i in table.ids]]
    base = table[table.condition == "base"][["word", "frame", "ids"]]
    pairs = table[table.condition != "base"].merge(base, on=["word", "frame"], suffixes=("_with", "_without"))
    if pairs.empty:
        raise Unmeasured("the network does not know the words of a single contrast phrase and its modifier")
    pairs = pairs.rename(columns={"ids_with": "with", "ids_without": "without"})
    return pairs[["condition", "modifier", "word", "valence", "without", "with"]]


def sentence_pairs(
    point: OperatingPoint, table: pd.DataFrame, texts: Sequence[str], n: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Natural sentences with one modifier before a valence word, and the same with the modifier struck out.

    A sentence counts if it holds exactly one word of the grammar (:func:`modifiers.lexicon`) and one of the three
    tokens after it is a valence word: the frequent words with the strongest ℓ₁ᵀJ_inp x, of either sign, up to a tenth
    of running text. The control strikes out words matched in frequency and valence (:func:`modifiers.matched_words`) in
    sentences that hold no word of the grammar. At most n pairs a condition are drawn. ``table`` is
    :func:`modifiers.modifier_effects`. Returns a table as :func:`phrase_pairs` does, with the ``condition`` "control"
    besides; ``Unmeasured`` if no sentence counts.
    """
    known, grammar = point.model.vocabulary, lexicon()
    conditions = {"negator": "negated", "amplifier": "intensified", "downtoner": "diminished"}
    role = {known.index[w]: conditions[k] for w, k in zip(grammar.word, grammar.kind) if w in known}
    usable = table.number[~table.number.isin(role)].to_numpy()
    first_order = valence(point, usable, inputs="jacobian")
    order = np.argsort(-np.abs(first_order))
    order = order[np.cumsum(np.asarray(point.model.frequencies)[usable[order]]) <= 0.1]
    sign = dict(zip(usable[order].tolist(), np.sign(first_order[order]).astype(int).tolist()))
    control = set(table.number.iloc[np.unique(matched_words(table, grammar.word, 5))].tolist()) - set(sign)
    ends = [known.index[e] for e in (".", "!", "?", "...", ";", ":") if e in known]
    rows = []
    for ids in known.encode_all(texts):
        for part in np.split(ids, np.flatnonzero(np.isin(ids, ends)) + 1):
            tokens = part.tolist()
            where = [i for i, t in enumerate(tokens) if t in role]
            plain = not where
            if plain:
                where = [i for i, t in enumerate(tokens) if t in control][:1]
            if len(where) != 1 or len(part) > 60:
                continue
            i = where[0]
            for word in [t for t in tokens[i + 1 : i + 4] if t in sign][:1]:
                rows.append({
                    "condition": "control" if plain else role[tokens[i]], "modifier": known.words[tokens[i]],
                    "word": known.words[word], "valence": sign[word], "without": np.delete(part, i), "with": part,
                })  # fmt: skip
    if not rows:
        raise Unmeasured("no sentence of these texts holds a modifier before a valence word: give more texts")
    parts = [g.sample(min(n, len(g)), random_state=seed) for _, g in pd.DataFrame(rows).groupby("condition")]
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Modulation:
    """What modifiers do to words of either valence.

    ``base`` half the logit difference between positive and negative words without modifier, in nats; ``gain`` the
    relative change of that difference (0 nothing, −1 all of it gone, 1 doubled); ``own`` what the modifier adds to both
    alike, its own valence, in nats.
    """

    base: Estimate = shown(".2f")
    gain: Estimate = shown(".2f")
    own: Estimate = shown(".2f")


def modulation(
    valence: ArrayLike, without: ArrayLike, with_: ArrayLike, words: Sequence[str] | pd.Series, seed: int = 0
) -> Modulation:
    """Separate what a modifier does to other words from what it says itself.

    With Δ the change of the logit by the modifier, averaged over positive (+) and over negative (−) words:
    own = ½(Δ₊ + Δ₋), modulation = ½(Δ₊ − Δ₋), gain = modulation / base, NaN where base's interval holds 0.
    Intervals resample the words of each sign.
    """
    columns = {"word": words, "n": np.ones(len(words)), "without": without, "with": with_}
    rows = pd.DataFrame({k: np.asarray(v) for k, v in columns.items()})
    means = []
    for sign in (1, -1):
        sums = rows[np.asarray(valence) == sign].groupby("word").sum().to_numpy()
        if not len(sums):
            raise Unmeasured("modulation needs words of both signs of valence")
        total = resample(len(sums), 2000, [seed, 89 + sign]) @ sums
        means.append(total[:, 1:] / total[:, :1])
    (up, up_with), (down, down_with) = (m.T for m in means)
    base, changed = (up - down) / 2, (up_with - down_with) / 2
    own = (up_with - up + down_with - down) / 2
    plain, gain = estimate(base), estimate(changed / base - 1)
    if plain.low <= 0 <= plain.high:  # a share of nothing
        gain = Estimate(np.nan, np.nan, np.nan)
    return Modulation(plain, gain, estimate(own))


def conditions(
    point: OperatingPoint, subspace: Subspace, table: pd.DataFrame, pairs: pd.DataFrame, seed: int = 0
) -> dict[str, list[Change]]:
    """The perturbations of chapter 3 with their controls, by name.

    *Modifiers at their mean* is mean ablation: coordinates are held where the phrases without a modifier have them on
    average, begun in mid-review. *Other words removed*, the hardest control, takes out the axes of words that are no
    modifiers. ``table`` is :func:`modifiers.modifier_effects`, ``pairs`` :func:`phrase_pairs`.
    """
    plain = run(point.model, list(pairs["without"]), start_from(point.h_star), states=True).states or []
    mean = subspace.coordinates(np.concatenate([h[1:] for h in plain])).mean(0)
    (other,) = control_subspaces(point, subspace, table, seed=seed)
    removed = {
        "random directions": random_subspace(point, subspace.dim, seed),
        "random, same variance": matched_subspace(point, subspace, typical_states(point, seed), seed),
        "other words removed": other,
        "attractor removed": slow_subspace(point),
    }
    return {
        "intact": [],
        "modifiers removed": [project_out(subspace)],
        "modifiers at their mean": [clamp(subspace, mean)],
        **{name: [project_out(space)] for name, space in removed.items()},
        "modifiers × 2": [amplify(subspace, 2.0)],
        "other words × 2": [amplify(other, 2.0)],
    }


def abolition(
    point: OperatingPoint, pairs: pd.DataFrame, perturbations: Mapping[str, Sequence[Change]], *,
    mid_review: bool = True, lasting: bool = False, seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """Does the network still understand modifiers? One row a perturbation and condition of the pairs.

    Columns ``perturbation``, ``condition``, ``pairs`` (how many), and :func:`modulation`'s estimates. Runs in float32.
    ``mid_review`` texts start from h*, where the beginning's emphasis is gone (chapter 4). ``lasting`` reads what
    stays, (w·r₁)ℓ₁ᵀ(h − h*), instead of the logit, in which transients show as well (chapter 5).
    """
    model, read = point.model.astype(np.float32), slow_readout(point)
    first = [start_from(point.h_star)] if mid_review else []
    texts = [*pairs["without"], *pairs["with"]]
    place: dict[bytes, int] = {}
    where = np.array([place.setdefault(t.tobytes(), len(place)) for t in texts])  # each text is read once
    ids = [np.frombuffer(k, texts[0].dtype) for k in place]
    rows = []
    for name, changes in perturbations.items():
        made = run(model, ids, [*first, *changes])
        value = ((made.last - point.h_star) @ read if lasting else made.final)[where]
        both = pairs.assign(logit=value[: len(pairs)], logit_with=value[len(pairs) :])
        for condition, part in both.groupby("condition", sort=False):
            found = modulation(part.valence, part.logit, part.logit_with, part.word, seed)
            rows.append({"perturbation": name, "condition": condition, "pairs": len(part), **vars(found)})
    return pd.DataFrame(rows)


def costs(
    model: SentimentRNN, ids: Sequence[np.ndarray], labels: np.ndarray, perturbations: Mapping[str, Sequence[Change]],
    seed: int = 0,
) -> pd.DataFrame:  # fmt: skip
    """``accuracy`` under each ``perturbation``, and its ``cost``: what is lost against the first (paired bootstrap).

    Both are estimates over texts. Runs in float32.
    """
    model = model.astype(np.float32)
    right = [(run(model, ids, changes).final > 0) == labels for changes in perturbations.values()]
    return pd.DataFrame({
        "perturbation": list(perturbations),
        "accuracy": [accuracy(r, np.ones_like(r)) for r in right],
        "cost": [bootstrap(right[0].astype(float) - r, seed=seed) for r in right],
    })  # fmt: skip


def typical_states(point: OperatingPoint, seed: int = 0) -> np.ndarray:
    """States that running text leads to, (n, S): 64 texts of 100 words drawn from p(v), their first twenty left out."""
    model = point.model
    ids = np.random.default_rng([seed, 97]).choice(len(model.vocabulary), (64, 100), p=model.frequencies)
    return np.concatenate([h[20:] for h in model.states_of(list(ids))])


# --- for the widgets --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Lab:
    """What the modifier lab and the barcode explorer need of a network.

    ``spaces``, the modifiers' and the controls', by name, of five axes each; ``dimension`` the one chosen, at most
    five; the 200 highest-ranked ``words``, their ``kinds``, ``coordinates`` (n, 5) where they leave the state, and
    ``barcodes`` (n, K) on the ``probes``, in nats.
    """

    spaces: dict[str, Subspace] = field(repr=False)
    dimension: int
    words: tuple[str, ...] = field(repr=False)
    kinds: tuple[str, ...] = field(repr=False)
    coordinates: np.ndarray = field(repr=False)
    probes: Probes = field(repr=False)
    barcodes: np.ndarray = field(repr=False)


def lab(point: OperatingPoint, table: pd.DataFrame | None = None) -> Lab:
    """A :class:`Lab`; ``table`` is :func:`modifiers.modifier_effects` with the default probes, where it is at hand."""
    probes = probe_words(point)
    table = modifier_effects(point, probes=probes) if table is None else table
    top, words = top_words(table), list(table.word[:200])
    subspace = modifier_subspace(point, top, 5)
    spaces = {
        "modifiers": subspace,
        "random directions": random_subspace(point, 5),
        "random, same variance": matched_subspace(point, subspace, typical_states(point)),
        "other words": control_subspaces(point, subspace, table)[0],
    }
    return Lab(
        spaces, min(subspace_dimension(point, top, table.word, probes).axes, 5), tuple(words), tuple(table.kind[:200]),
        subspace.coordinates(states_after(point, words)), probes, barcode(point, words, probes).finite,
    )  # fmt: skip
