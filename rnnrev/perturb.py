"""Run a network with its state changed on the way, and see what it no longer understands.

A *change* is a function ``change(h, step) -> h`` on a batch of states. :func:`run` applies changes in order, to
the initial state and after every token; :func:`only` limits one to a window or to chosen tokens, :func:`keep`
restores the integrated coordinate after it. So perturbations compose, and one's own is one function.

Source: CP20 section 4 (projecting out the modifier subspace); science of the controls: chapter 3.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from . import modifiers
from .data import Reviews, load_contrasts
from .linear import OperatingPoint, operating_point, slow_readout, valence
from .model import Ragged, SentimentRNN, Step, forward
from .modifiers import Subspace
from .stats import Estimate, accuracy

__all__ = [
    "Change",
    "Modulation",
    "Run",
    "Step",
    "abolition",
    "add",
    "amplify",
    "clamp",
    "conditions",
    "costs",
    "keep",
    "lab",
    "measure",
    "modulation",
    "only",
    "phrase_pairs",
    "project_out",
    "run",
    "scale",
    "sentence_pairs",
    "start_from",
]


Change = Callable[[np.ndarray, Step], np.ndarray]


# --- changes ----------------------------------------------------------------------------------


def scale(subspace: Subspace, gain: float) -> Change:
    """Multiply the state's coordinates in a subspace by ``gain``: 0 removes them, 1 changes nothing.

    h ← h + (g − 1) B Dᵀ(h − h*), with the subspace's basis B and dual D. Where the subspace was made to keep
    the integrated coordinate ℓ₁ᵀ(h − h*), that stays as it is for every gain.
    """
    return _affine(subspace, gain, np.zeros(subspace.dim))


def project_out(subspace: Subspace) -> Change:
    """Remove a subspace's component from the state, h ← h* + P(h − h*), P = I − B Dᵀ."""
    return scale(subspace, 0.0)


def clamp(subspace: Subspace, value: Any) -> Change:
    """Hold the state's coordinates in a subspace at ``value``, (k,) or one number for all."""
    return _affine(subspace, 0.0, np.broadcast_to(np.asarray(value, float), (subspace.dim,)))


def _affine(subspace: Subspace, gain: float, value: np.ndarray) -> Change:
    # coordinates c become gain·c + value; h* enters only through its own coordinates
    dual = (gain - 1) * subspace.dual
    offset = value - subspace.h_star @ dual

    def change(h: np.ndarray, step: Step) -> np.ndarray:
        kind = h.dtype
        return h + (h @ dual.astype(kind) + offset.astype(kind)) @ subspace.basis.T.astype(kind)

    return change


def amplify(subspace: Subspace, gain: float) -> Change:
    """Give the state ``gain`` times the coordinates in a subspace that it has in the network as it is.

    :func:`scale` multiplies at every step also what is left from the steps before, so that a gain over 1 compounds and
    runs away. Here a copy of the texts is read without it, c ← g Dᵀ(h_intact − h*), so coordinates are always ``gain``
    times those of the intact run: 0 is :func:`project_out`, 1 changes nothing, a negative gain lets "not" act like
    "very". The second reading costs as much again as the first. It begins where the change is first applied.
    """
    own, offset = object(), (1 - gain) * subspace.h_star @ subspace.dual

    def change(h: np.ndarray, step: Step) -> np.ndarray:
        at, intact = step.memory.get(own, (-1, h))
        if step.t > 0 and at == step.t - 1:
            intact = step.advance(intact[: len(h)], step.tokens)  # texts that end are the last rows
        else:
            intact = h
        step.memory[own] = (step.t, intact)
        kind = h.dtype
        more = (gain * intact - h) @ subspace.dual.astype(kind) + offset.astype(kind)
        return h + more @ subspace.basis.T.astype(kind)

    return change


def add(vector: np.ndarray) -> Change:
    """Add a vector (S,) to the state."""
    return lambda h, step: h + np.asarray(vector, h.dtype)


def start_from(h0: np.ndarray) -> Change:
    """Begin from this state, (S,), instead of the network's own h₀."""
    return lambda h, step: np.broadcast_to(np.asarray(h0, h.dtype), h.shape).copy() if step.t == 0 else h


def keep(change: Change, l: np.ndarray, r: np.ndarray) -> Change:
    """Another change, but with the integrated coordinate ℓ·h put back along r (ℓ·r = 1) after it."""
    if not np.isclose(l @ r, 1):
        raise ValueError(f"l·r is {l @ r:.4g}, should be 1: take both from one mode of J_rec")

    def kept(h: np.ndarray, step: Step) -> np.ndarray:
        changed = change(h, step)
        lost = (h - changed) @ np.asarray(l, h.dtype)
        return changed + lost[:, None] * np.asarray(r, h.dtype)

    return kept


def only(change: Change, steps: slice | None = None, tokens: Sequence[int] | np.ndarray | None = None) -> Change:
    """Another change, but only in a window of steps, or right after chosen tokens, or both.

    Parameters
    ----------
    steps : slice, optional
        Of the states 0 … T of each text, 0 the one before its first token; negative numbers count from that
        text's end. ``slice(0, 1)`` is the initial state alone, ``slice(-10, None)`` the last ten tokens.
    tokens : whole numbers, optional
        Token numbers (``model.vocabulary.number(word)``).
    """
    if steps is not None and steps.step not in (None, 1):
        raise ValueError(f"a window has step 1, not {steps.step}")
    chosen = None if tokens is None else np.asarray(tokens)

    def limited(h: np.ndarray, step: Step) -> np.ndarray:
        hit = np.ones(len(h), bool)
        if steps is not None:
            hit &= _inside(steps, step)
        if chosen is not None:
            hit &= np.isin(step.tokens, chosen) & (step.t > 0)
        if not hit.any():
            return h
        changed = change(h, step)
        return changed if hit.all() else np.where(hit[:, None], changed, h)

    return limited


def _inside(steps: slice, step: Step) -> np.ndarray:
    states = step.lengths + 1

    def bound(value: int | None, default: Any) -> Any:
        if value is None:
            return default
        return value if value >= 0 else np.maximum(states + value, 0)

    return (step.t >= bound(steps.start, 0)) & (step.t < bound(steps.stop, states))


# --- running ----------------------------------------------------------------------------------


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


def run(
    model: SentimentRNN,
    texts: Sequence[str] | Sequence[np.ndarray],
    intervene: Change | Sequence[Change] = (),
    *,
    states: bool = False,
    progress: bool = False,
    batch_size: int = 128,
) -> Run:
    """Run texts through a network while changing its state.

    Batched. With all changes of this module but one it takes within half as long again as a plain forward pass;
    the one, :func:`amplify`, reads the texts twice and takes longer.

    Parameters
    ----------
    texts : list of str, or of arrays of token numbers
    intervene : change or list of changes
        Applied in order, to the initial state and after every token.
    states : bool
        Keep every state too: (T + 1)·S numbers a text.
    """
    if isinstance(texts, str):
        raise TypeError("give a list of texts, not one text: [text]")
    ids = [model.vocabulary.encode(t) if isinstance(t, str) else np.asarray(t) for t in texts]
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

    forward(model.advance, model.cell.h0.astype(kind), ids, visit, batch_size=batch_size, progress=progress)
    return Run(logits.arrays(), logits.last(), last, None if kept is None else kept.arrays())


# --- does it still understand? ------------------------------------------------------------------


def phrase_pairs(model: SentimentRNN, table: Any = None) -> Any:
    """The contrast phrases as pairs without and with a modifier: a pandas table.

    Columns ``condition`` (negated, intensified, diminished), ``modifier``, ``word`` and its ``valence`` (1 or −1),
    ``without`` and ``with`` (token numbers). Phrases with a word that the network does not know are left out.

    Parameters
    ----------
    table : pandas table, optional
        As :func:`rnnrev.data.load_contrasts` gives it, the default.
    """
    table = load_contrasts() if table is None else table
    table = table.assign(ids=model.vocabulary.encode_all(table.text))
    table = table[[not np.any(i == 1) for i in table.ids]]
    base = table[table.condition == "base"][["word", "frame", "ids"]]
    pairs = table[table.condition != "base"].merge(base, on=["word", "frame"], suffixes=("_with", "_without"))
    pairs = pairs.rename(columns={"ids_with": "with", "ids_without": "without"})
    return pairs[["condition", "modifier", "word", "valence", "without", "with"]]


SENTENCE_ENDS = (".", "!", "?", "...", ";", ":")
_CONDITIONS = {"negator": "negated", "amplifier": "intensified", "downtoner": "diminished"}


def sentence_pairs(
    point: OperatingPoint, table: Any, texts: Sequence[str], window: int = 3, n: int = 2000, seed: int = 0
) -> Any:
    r"""Natural sentences with one modifier before a valence word, and the same with the modifier struck out.

    The rule: a sentence counts if it holds exactly one word of the grammar (:func:`modifiers.lexicon`) and one of
    the ``window`` tokens after it is a valence word; the first one's valence is the sign of its ℓ₁ᵀJ_inp x.
    Valence words are the frequent words with the strongest ℓ₁ᵀJ_inp x, of either sign, up to a tenth of running text.
    The control strikes out words matched in frequency and valence (:func:`modifiers.matched_words`) in
    sentences that hold no word of the list. At most n pairs a condition are drawn.

    Parameters
    ----------
    table : of :func:`modifiers.modifier_effects`

    Returns
    -------
    pandas table as :func:`phrase_pairs` gives it, with ``condition`` also "control".
    """
    import pandas as pd

    model, known = point.model, point.model.vocabulary
    lexicon = modifiers.lexicon()
    role = {known.index[w]: _CONDITIONS[k] for w, k in zip(lexicon.word, lexicon.kind) if w in known}
    control = set(table.number.loc[np.unique(modifiers.matched_words(table, lexicon.word, 5))].tolist())
    share = np.asarray(model.frequencies)
    first_order = valence(point, np.arange(len(known)), inputs="jacobian")
    usable = np.zeros(len(known), bool)
    usable[table.number[table.kind != "rare"]] = True
    usable[list(role)] = False
    order = np.flatnonzero(usable)
    order = order[np.argsort(-np.abs(first_order[order]))]
    valent = set(order[np.cumsum(share[order]) <= 0.1].tolist())
    control -= valent
    ends = [known.index[e] for e in SENTENCE_ENDS if e in known]
    rows = []
    for ids in model.vocabulary.encode_all(texts):
        for part in np.split(ids, np.flatnonzero(np.isin(ids, ends)) + 1):
            where = [i for i, t in enumerate(part.tolist()) if t in role]
            plain = not where
            if plain:
                where = [i for i, t in enumerate(part.tolist()) if t in control][:1]
            if len(where) != 1 or len(part) > 60:
                continue
            i = where[0]
            hit = [t for t in part[i + 1 : i + 1 + window].tolist() if t in valent][:1]
            if hit:
                rows.append({
                    "condition": "control" if plain else role[int(part[i])], "modifier": known.words[part[i]],
                    "word": known.words[hit[0]], "valence": int(np.sign(first_order[hit[0]])),
                    "without": np.delete(part, i), "with": part,
                })  # fmt: skip
    if not rows:
        raise ValueError("no sentence of these texts holds a modifier before a valence word: give more texts")
    pairs = pd.DataFrame(rows)
    parts = [g.sample(min(n, len(g)), random_state=seed) for _, g in pairs.groupby("condition")]
    return pd.concat(parts, ignore_index=True)


class Modulation(NamedTuple):
    """What modifiers do to words of either valence; each an estimate.

    ``base`` half the logit difference between positive and negative words without modifier, in nats; ``gain`` the
    relative change of that difference (0 nothing, −1 all of it gone, 1 doubled); ``own`` what the modifier adds to both
    alike, its own valence, in nats.
    """

    base: Estimate
    gain: Estimate
    own: Estimate


def modulation(
    valence: np.ndarray, without: np.ndarray, with_: np.ndarray, words: Any, n: int = 2000, seed: int = 0
) -> Modulation:
    """Separate what a modifier does to other words from what it says itself.

    With Δ the change of the logit by the modifier, averaged over positive (+) and over negative (−) words:
    own = ½(Δ₊ + Δ₋), modulation = ½(Δ₊ − Δ₋), gain = modulation / base. Intervals resample words.
    """
    valence, change = np.asarray(valence), np.asarray(with_, float) - without
    codes, groups = np.unique(np.asarray(words).astype(str), return_inverse=True)
    if not (np.any(valence > 0) and np.any(valence < 0)):
        raise ValueError("modulation needs words of both signs of valence")
    sums = np.zeros((len(codes), 6))
    for j, sign in enumerate((1, -1)):
        own = valence == sign
        for i, value in enumerate((np.ones(len(own)), np.asarray(without, float), change)):
            np.add.at(sums[:, 3 * j + i], groups[own], value[own])

    def of(weights: np.ndarray) -> np.ndarray:
        total = weights @ sums
        with np.errstate(invalid="ignore", divide="ignore"):
            up, down = total[:, 1:3] / total[:, :1], total[:, 4:6] / total[:, 3:4]
            base, modulated = ((up - down) / 2).T
            return np.stack([base, modulated / base, (up[:, 1] + down[:, 1]) / 2])

    value = of(np.ones((1, len(codes))))[:, 0]
    draws = of(np.random.default_rng([seed, 89]).multinomial(len(codes), np.full(len(codes), 1 / len(codes)), n))
    low, high = np.nanpercentile(draws, [2.5, 97.5], axis=1)
    return Modulation(*(Estimate(float(v), float(a), float(b)) for v, a, b in zip(value, low, high)))


def conditions(
    point: OperatingPoint, subspace: Subspace, states: np.ndarray, seed: int = 0, gain: float = 2.0
) -> dict[str, list[Change]]:
    """The perturbations of chapter 3 with their controls, by name.

    ``states`` (n, S) are visited ones, for the control of the same variance. ``gain`` is that of :func:`amplify`.
    """
    return {
        "intact": [],
        "modifiers removed": [project_out(subspace)],
        "random, same dimension": [project_out(modifiers.random_subspace(point, subspace.dim, seed))],
        "random, same variance": [project_out(modifiers.matched_subspace(point, subspace, states, seed))],
        "attractor removed": [project_out(modifiers.slow_subspace(point))],
        f"modifiers × {gain:g}": [amplify(subspace, gain)],
    }


def abolition(
    point: OperatingPoint,
    pairs: Any,
    perturbations: Mapping[str, Sequence[Change]],
    *,
    mid_review: bool = True,
    lasting: bool = False,
    seed: int = 0,
) -> Any:
    """Does the network still understand modifiers? A pandas table, one row a perturbation and condition.

    Returns
    -------
    pandas table
        ``perturbation``, ``condition``, ``pairs`` (how many), and :func:`modulation`'s ``base``, ``gain``, ``own``.

    Parameters
    ----------
    pairs : of :func:`phrase_pairs` or :func:`sentence_pairs`
    mid_review : bool
        Start every text from h*, as if in the middle of a review, where the beginning's emphasis is gone (chapter 4);
        else from the network's own h₀.
    lasting : bool
        Read what stays, (w·r₁)ℓ₁ᵀ(h − h*), instead of the logit, in which transients show as well (chapter 5).
    """
    import pandas as pd

    model, read = point.model.astype(np.float32), slow_readout(point)
    first = [start_from(point.h_star)] if mid_review else []
    texts = [*pairs["without"], *pairs["with"]]
    unique: dict[bytes, int] = {}
    where = np.array([unique.setdefault(t.tobytes(), len(unique)) for t in texts])
    ids = [np.frombuffer(k, texts[0].dtype) for k in unique]
    rows = []
    for name, changes in perturbations.items():
        made = run(model, ids, [*first, *changes])
        value = ((made.last - point.h_star) @ read if lasting else made.final)[where]
        without, with_ = value[: len(pairs)], value[len(pairs) :]
        for condition in pairs.condition.unique():
            rows_of = (pairs.condition == condition).to_numpy()
            found = modulation(pairs.valence[rows_of], without[rows_of], with_[rows_of], pairs.word[rows_of], seed=seed)
            rows.append({"perturbation": name, "condition": condition, "pairs": int(rows_of.sum()), **found._asdict()})
    return pd.DataFrame(rows)


def costs(
    model: SentimentRNN,
    ids: Sequence[np.ndarray],
    labels: np.ndarray,
    perturbations: Mapping[str, Sequence[Change]],
    progress: bool = False,
    seed: int = 0,
) -> Any:
    """Accuracy under each perturbation and what it costs: a pandas table.

    Columns ``perturbation``; ``accuracy`` and ``cost`` as estimates, the cost being the accuracy lost against the first
    perturbation (paired bootstrap over texts); ``correlation`` of the logits with the first's. Runs in float32.
    """
    import pandas as pd

    from .stats import bootstrap

    model = model.astype(np.float32)
    rows, reference = [], None
    for name, changes in perturbations.items():
        logits = run(model, ids, changes, progress=progress).final.astype(float)
        right = ((logits > 0) == labels).astype(float)
        reference = (logits, right) if reference is None else reference
        lost = reference[1] - right
        cost = bootstrap(lost, seed=seed) if lost.any() else Estimate(0.0, 0.0, 0.0)
        correlation = float(np.corrcoef(logits, reference[0])[0, 1])
        rows.append({
            "perturbation": name, "accuracy": accuracy(logits > 0, labels), "cost": cost, "correlation": correlation,
        })  # fmt: skip
    return pd.DataFrame(rows)


# --- for widgets, and for the record -----------------------------------------------------------


def lab(point: OperatingPoint, k: int = 5, n_words: int = 200, seed: int = 0, table: Any = None) -> dict[str, Any]:
    """Everything that the modifier lab and the barcode explorer need of a network, as arrays and lists.

    ``h_star``, ``l``, ``r`` (S,); ``basis`` and ``dual`` (S, k) of the modifier subspace, ``control_…`` of a random and
    ``matched_…`` of a random one of the same variance; ``dimension``, the one chosen; ``words`` the highest-ranked
    modifiers with ``kinds`` and ``word_coordinates`` (n, k); ``probes`` with ``probe_valence`` (K,); ``barcodes`` and
    ``barcodes_jacobian`` (n, K), in nats. ``table`` is :func:`rnnrev.modifiers.modifier_effects` of all words with
    the default probes, where it is at hand.
    """
    probes = modifiers.probe_words(point)
    table = modifiers.modifier_effects(point, probes=probes) if table is None else table
    chosen = tuple(table.word[:100])  # the ranking's top, however weak: a network may have no modifiers by the rule
    subspace = modifiers.modifier_subspace(point, chosen, k)
    frequent = table.word[table.kind != "rare"]
    dimension = modifiers.subspace_dimension(point, chosen, frequent, probes=probes, seed=seed)
    control = modifiers.random_subspace(point, k, seed)
    matched = modifiers.matched_subspace(point, subspace, typical_states(point, seed=seed), seed)
    words = list(table.word[:n_words])
    codes = modifiers.barcode(point, words, probes)
    after = point.model.cell.step_projected(point.h_star, point.model.projected[table.number[: len(words)]])
    kind = dict(zip(table.word, table.kind))
    return {
        "h_star": point.h_star, "l": point.l, "r": point.r,
        "basis": subspace.basis, "dual": subspace.dual,
        "control_basis": control.basis, "control_dual": control.dual,
        "matched_basis": matched.basis, "matched_dual": matched.dual,
        "variance": subspace.variance,
        "dimension": min(dimension.k, k),
        "words": words, "kinds": [kind[w] for w in words], "word_coordinates": subspace.coordinates(after),
        "probes": list(probes.words), "probe_valence": probes.valence,
        "barcodes": codes.finite, "barcodes_jacobian": codes.jacobian,
    }  # fmt: skip


def typical_states(point: OperatingPoint, n_texts: int = 64, length: int = 100, seed: int = 0) -> np.ndarray:
    """States that running text leads to, (n, S): texts of words drawn from p(v), the first twenty tokens dropped."""
    model = point.model
    ids = np.random.default_rng([seed, 97]).choice(len(model.vocabulary), (n_texts, length), p=model.frequencies)
    made = run(model, list(ids), states=True).states
    return np.concatenate([h[20:] for h in made or []])


def measure(
    model: SentimentRNN, reviews: Reviews, *, n_scored: int | None = None, n_pairs: int = 1000, progress: bool = False
) -> dict[str, Any]:
    """Everything that chapter 3 says about one network, as numbers, lists and mappings.

    Parameters
    ----------
    reviews : Reviews
        Test reviews: natural sentences come from them, and accuracies are measured on ``n_scored`` drawn at random (all
        by default: a quarter of an hour on two cores for IMDB's 25,000).
    """
    import pandas as pd

    point = operating_point(model)
    probes = modifiers.probe_words(point)
    table = modifiers.modifier_effects(point, probes=probes)
    frequent = table[table.kind != "rare"]
    chosen = tuple(table.word[:100])  # the ranking's top, however weak: a network may have no modifiers by the rule
    dimension = modifiers.subspace_dimension(point, chosen, frequent.word, probes=probes)
    full = modifiers.modifier_subspace(point, chosen, 8)
    subspace = full.take(dimension.k)
    states = typical_states(point)

    grammar = modifiers.lexicon()
    grammar = grammar[grammar.word.isin(frequent.word)]
    poles = grammar[grammar.kind != "downtoner"]
    codes = modifiers.barcode(point, list(poles.word), probes)
    shown = [*chosen[:60], *(w for w in grammar.word if w not in chosen[:60])]
    fading = modifiers.transients(point, shown, probes=probes)
    scored = table.set_index("word").loc[shown].reset_index()
    scored = scored.assign(half_life=fading.half_life, tau=fading.tau)
    for name in ("strength", "norm", "rms", "gain"):
        scored[f"{name}_rank"] = frequent[name].abs().rank(ascending=False)[scored.number.map(
            dict(zip(frequent.number, frequent.index))
        )].to_numpy()  # fmt: skip

    pairs, sentences = phrase_pairs(model), sentence_pairs(point, table, reviews.texts, n=n_pairs)
    tried = conditions(point, subspace, states)
    controls = [conditions(point, subspace, states, seed) for seed in range(5)]
    by_dimension = {str(k): [project_out(full.take(k))] for k in range(full.dim + 1)}
    gains = {f"{g:g}": [amplify(subspace, g)] for g in (-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0)}
    sample = reviews if n_scored is None else reviews.sample(n_scored)
    ids = model.vocabulary.encode_all(sample.texts)
    return {
        "network": model.name, "cell": model.cell.kind, "data": f"{reviews.name}/{reviews.split}",
        "sha256": reviews.fingerprint, "scored": len(ids),
        "point": {"q": point.q, "logit": point.logit, "tau": point.modes.tau[:5]},
        "probes": {"words": list(probes.words), "valence": probes.valence},
        "ranking": {
            **{name: modifiers.ranking_auc(table, name) for name in ("strength", "norm", "rms")},
            "amplifiers": modifiers.ranking_auc(table, "gain", "amplifier"),
            "negators": modifiers.ranking_auc(table.assign(gain=-table.gain), "gain", "negator"),
            "downtoners": modifiers.ranking_auc(table.assign(gain=-table.gain), "gain", "downtoner"),
        },
        "kinds": frequent.kind.value_counts().to_dict(),
        "finite_and_jacobian": np.corrcoef(
            frequent.gain, (frequent.positive_jacobian + frequent.negative_jacobian) / 2
        )[0, 1],
        "words": scored.astype(object).where(scored.notna(), None).to_dict("list"),
        "gains": dict(zip(frequent.word[:1500], frequent.gain[:1500].round(4))),
        "coordinates": dict(zip(grammar.word, full.coordinates(_states_after(point, list(grammar.word))).round(4))),
        "barcodes": {
            k: v for k, v in modifiers.cluster_barcodes(codes, list(poles.kind))._asdict().items() if k != "labels"
        },
        "dimension": dimension._asdict(),
        "variance": full.variance,
        "linear_transients": 1 - np.sum((fading.gain - fading.linear_gain) ** 2) / np.sum(fading.gain**2),
        "attractor": _along_attractor(point, chosen, subspace),
        "readout": {
            name: modifiers.principal_angles(subspace.basis, np.asarray(v, float)[:, None])
            for name, v in (("w", model.w), ("r", point.r), ("h0", model.cell.h0 - point.h_star))
        },
        "phrases": _records(abolition(point, pairs, tried)),
        "phrases_whole": _records(abolition(point, pairs, tried, mid_review=False)),
        "phrases_lasting": _records(abolition(point, pairs, tried, lasting=True)),
        "phrases_by_dimension": _records(abolition(point, pairs, by_dimension)),
        "phrases_by_gain": _records(abolition(point, pairs, gains)),
        "phrases_controls": _records(pd.concat([
            abolition(point, pairs, {k: v for k, v in c.items() if k.startswith("random")}) for c in controls
        ])),
        "sentences": _records(abolition(point, sentences, tried)),
        "sentences_whole": _records(abolition(point, sentences, tried, mid_review=False)),
        "costs": _records(costs(model, ids, sample.labels, tried, progress)),
        "costs_by_dimension": _records(
            costs(model, ids[:1000], sample.labels[:1000], {k: by_dimension[k] for k in ("0", "1", "2", "3", "5", "8")})
        ),
    }  # fmt: skip


def _states_after(point: OperatingPoint, words: list[str]) -> np.ndarray:
    cell, known = point.model.cell, point.model.vocabulary
    return cell.step_projected(point.h_star, point.model.projected[[known.number(w) for w in words]])


def _along_attractor(point: OperatingPoint, words: Sequence[str], subspace: Subspace) -> list[dict[str, Any]]:
    """The subspace found from other points of the attractor, by its angles with the one found here."""
    rows = []
    for logit in (-3.0, 3.0):
        other = operating_point(point.model, logit)
        there = modifiers.modifier_subspace(other, words, subspace.dim)
        rows.append({
            "logit": other.logit, "q": other.q, "angles": modifiers.principal_angles(subspace.basis, there.basis),
            "chance": modifiers.principal_angles(
                subspace.basis, modifiers.random_subspace(other, subspace.dim).basis
            ),
        })  # fmt: skip
    return rows


def _records(table: Any) -> list[dict[str, Any]]:
    return [{k: list(v) if isinstance(v, Estimate) else v for k, v in row.items()} for row in table.to_dict("records")]
