"""The analyses of chapters 2 to 5 marked against a language whose truth is known.

:func:`recover` compares what the analyses find in a network with what was put into the
:class:`.Language` that it learned. Nothing is analysed in another way than in the chapters: this module
only calls and compares.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from .. import edges, modifiers, perturb
from ..data import Reviews
from ..linear import OperatingPoint, Unmeasured, frequent_words, operating_point, valence
from ..model import SentimentRNN
from ..stats import auc, shown
from ..subspace import control_subspaces, modifier_subspace, random_subspace, subspace_dimension
from .language import Language
from .modifiers import settled_effects, settled_gain

__all__ = [
    "TEST_SEED", "TEXTS", "Recovery", "found_words", "learn", "mark_ends", "mark_ranking", "mark_words", "recover",
]  # fmt: skip

_CALLED = ("intensifier", "negator", "diminisher")  #: kinds of :func:`modifiers.modifier_effects` that are modifiers
TEXTS = 150_000  #: training texts; with 60,000 a GRU stays another half point short of the best reader
_SPAN = 20  #: tokens over which beginning and end are looked at
TEST_SEED = 1_000_000  #: no training text is drawn with it


def learn(language: Language, cell: str = "gru", seed: int = 0, texts: int = TEXTS) -> SentimentRNN:
    """Train a small network on ``texts`` drawn from a language.

    Texts are read three times, and fewer of them more often, up to 30 times, until the network has seen 300,000; the
    epoch that does best on held-out texts is kept.
    """
    from ..config import TrainConfig
    from ..train import train

    config = TrainConfig(
        cell=cell, seed=seed, epochs=int(np.clip(300_000 / texts, 3, 30)), patience=4, data="language", n_units=64,
        n_inputs=32, batch_size=128, max_tokens=0, word_dropout=0.0, embedding_dropout=0.0, state_dropout=0.0,
        learning_rate=5e-3, validation_share=0.05, precision="float32",
    )  # fmt: skip
    model = train(config, reviews=language.sample(texts, seed), progress=False)
    assert isinstance(model, SentimentRNN)
    return model


# --- marked against the truth -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Recovery:
    """What the analyses found in a network that learned a language, beside what was put in; NaN where nothing was.

    The truth as a reader in mid-text meets it: valence v (1 + B)/noise nats, gain g/(1 + B), emphasis of the end
    1 + g_end e^{−t/τ}/(1 + B), with B :attr:`.Language.background`. The beginning is measured in texts
    without modifiers, where B is 0: 1 + g_start e^{−t/τ}. Whoever finds that has found all.
    """

    words: pd.DataFrame = field(repr=False)  #: all but the neutral ones: what is true of them beside what was found
    profiles: pd.DataFrame = field(repr=False)  #: emphasis: end ("start", "end"), at, found, low, high, true
    note: str  #: why something was not measured
    accuracy: float = shown(".1%")
    best_reader: float = shown(".1%")  #: accuracy on the same texts of the reader that knows the language
    reader_without: float = shown(".1%")  #: and of one that knows all but the modifiers
    gap: float = shown(".1f")  #: points short of the best reader
    valence_spearman: float = shown(".3f", default=np.nan)  #: found and true, over valence words
    valence_slope: float = shown(".2f", default=np.nan)  #: found on true, in one step
    #: and after waiting (:func:`rnnrev.book.modifiers.settled_effects`)
    valence_slope_settled: float = shown(".2f", default=np.nan)
    modifiers_called: float = shown(".0f", default=np.nan)
    decoys_called: float = shown(".0f", default=np.nan)
    precision: float = shown(".2f", default=np.nan)  #: of words called modifiers, share that change valence by a third
    recall: float = shown(".2f", default=np.nan)  #: of words that do, share called so
    modifier_auc: float = shown(".2f", default=np.nan)  #: chance that one of these ranks above another word
    sign_right: float = shown(".0%", default=np.nan)
    gain_slope: float = shown(".2f", default=np.nan)  #: found on true, over modifiers and decoys, in one step
    gain_r2: float = shown(".3f", default=np.nan)
    gain_slope_settled: float = shown(".2f", default=np.nan)
    gain_r2_settled: float = shown(".3f", default=np.nan)
    decay_error: float = shown(".0%", default=np.nan)  #: median over modifiers of |found − true|/true
    start_length: float = shown(".1f", default=np.nan)  #: tokens
    end_length: float = shown(".1f", default=np.nan)
    start_length_error: float = shown("+.0%", default=np.nan)
    end_length_error: float = shown("+.0%", default=np.nan)
    start_excess_error: float = shown("+.0%", default=np.nan)  #: of the height over mid-text
    end_excess_error: float = shown("+.0%", default=np.nan)
    subspace_dimension: float = shown(".0f", default=np.nan)
    accuracy_without: float = shown(".1%", default=np.nan)  #: with the modifier subspace projected out
    accuracy_without_held: float = shown(".1%", default=np.nan)  #: with its coordinates held at their mean
    accuracy_without_random: float = shown(".1%", default=np.nan)  #: with a random one of the same dimension
    accuracy_without_other: float = shown(".1%", default=np.nan)  #: with one of words that change no valence
    #: accuracy lost without the subspace, in multiples of what not knowing the modifiers costs the best reader
    removal_ratio: float = shown(".2f", default=np.nan)
    removal_ratio_held: float = shown(".2f", default=np.nan)
    removal_ratio_random: float = shown(".2f", default=np.nan)
    removal_ratio_other: float = shown(".2f", default=np.nan)


def recover(language: Language, model: SentimentRNN, test: Reviews | None = None, seed: int = 0) -> Recovery:
    """Run the analyses of chapters 2 to 5 on a network that learned a language, and mark them.

    ``test`` are texts of the language that the network did not learn from: 4,000 unless given.
    """
    test = language.sample(4000, TEST_SEED, "test") if test is None else test
    ids = model.vocabulary.encode_all(test.texts)
    encoded = language.encode(test.texts)
    best, without = (np.mean((language.totals(*encoded, modifiers=m) > 0) == test.labels) for m in (True, False))
    accuracy = np.mean((model.logits_of(ids) > 0) == test.labels)
    marks = {"accuracy": accuracy, "best_reader": best, "reader_without": without, "gap": 100 * (best - accuracy)}
    words, profiles, note = pd.DataFrame(), pd.DataFrame(), ""
    try:
        point = operating_point(model, texts=test.sample(300, seed).texts, seed=seed)
        probes = modifiers.probe_words(point)
        effects = modifiers.modifier_effects(point, frequent_words(model), probes)
        words = found_words(language, point, effects, probes)
        marks |= mark_words(words) | mark_ranking(words, effects)
        profiles, of_ends = mark_ends(language, point, ids, probes, effects, seed)
        marks |= of_ends
        if best > without:
            marks["subspace_dimension"], logits = _removed(point, ids, effects, probes, seed)
            right = {name: np.mean((z > 0) == test.labels) for name, z in logits.items()}
            marks |= {f"accuracy_without{name}": v for name, v in right.items()}
            marks |= {f"removal_ratio{name}": (accuracy - v) / (best - without) for name, v in right.items()}
    except Unmeasured as error:
        note = str(error)
    return Recovery(words, profiles, note, **{k: float(v) for k, v in marks.items()})


def _removed(
    point: OperatingPoint, ids: Sequence[np.ndarray], effects: pd.DataFrame, probes: modifiers.Probes, seed: int
) -> tuple[int, dict[str, np.ndarray]]:
    """Dimension of the modifier subspace; logits without it, with it held at its mean, without each control."""
    chosen = tuple(effects.word[effects.kind != "other"][:100])
    if len(chosen) < 4:
        raise Unmeasured(f"{len(chosen)} words are called modifiers: too few to span a subspace")
    k = subspace_dimension(point, chosen, tuple(effects.word[effects.kind == "other"]), probes).axes
    own = modifier_subspace(point, chosen, k)
    typical = own.coordinates(np.concatenate(point.model.states_of(ids[:64]))).mean(0)
    changes = {"": perturb.project_out(own), "_held": perturb.clamp(own, typical)}
    changes["_random"] = perturb.project_out(random_subspace(point, k, seed))
    changes["_other"] = perturb.project_out(*control_subspaces(point, own, effects, seed=seed))
    return k, {name: perturb.run(point.model, ids, change).final for name, change in changes.items()}


def found_words(
    language: Language, point: OperatingPoint, effects: pd.DataFrame, probes: modifiers.Probes
) -> pd.DataFrame:
    """The truth of every word that means or changes anything, and what the analyses find."""
    words = language.to_frame()
    words = words[(words.role != "neutral") & words.word.isin(point.model.vocabulary.words)].reset_index(drop=True)
    scale = 1 + language.background
    words["true_valence"], words["true_gain"] = words.valence * scale / language.noise, words.gain / scale
    words["found_valence"] = valence(point, list(words.word))
    numbers, n_steps = point.model.vocabulary.numbers(list(words.word)), 2 * _SPAN
    words["found_valence_settled"] = settled_effects(point, point.h_star[None], numbers, n_steps)[0]
    rows = effects.set_index("word").loc[words.word]
    words["found_gain"], words["found_kind"] = rows.gain.to_numpy(), rows.kind.to_numpy()
    words["found_gain_settled"] = words["found_decay"] = np.nan
    changing, acting = words.role.isin(["modifier", "decoy"]), words.gain != 0
    if acting.any():
        gain = settled_gain(point, list(words.word[changing]), probes, n_steps)
        words.loc[changing, "found_gain_settled"] = gain
        words.loc[acting, "found_decay"] = modifiers.transients(point, list(words.word[acting]), n_steps=n_steps).tau
    return words


def mark_words(words: pd.DataFrame) -> dict[str, float]:
    marks = {}
    own = words[words.role.isin(["positive", "negative"])]
    marks["valence_spearman"] = stats.spearmanr(own.true_valence, own.found_valence).statistic
    changing, acting = words[words.role.isin(["modifier", "decoy"])], words[words.gain != 0]
    for way in ("", "_settled"):
        marks[f"valence_slope{way}"] = stats.linregress(own.true_valence, own[f"found_valence{way}"]).slope
        if len(acting):
            fit = stats.linregress(changing.true_gain, changing[f"found_gain{way}"])
            marks |= {f"gain_slope{way}": fit.slope, f"gain_r2{way}": fit.rvalue**2}
    if len(acting):
        marks["sign_right"] = np.mean(np.sign(acting.found_gain) == np.sign(acting.gain))
        marks["decay_error"] = np.nanmedian(np.abs(acting.found_decay - acting.decay) / acting.decay)
    return marks


def mark_ranking(words: pd.DataFrame, effects: pd.DataFrame) -> dict[str, float]:
    """How well the ranking of all frequent words finds those that change valence by a third or more."""
    true = effects.word.isin(words.word[words.true_gain.abs() >= 1 / 3])
    called = effects.kind.isin(_CALLED)
    decoys = effects.word.isin(words.word[words.role == "decoy"])
    marks = {"modifiers_called": called.sum(), "decoys_called": (called & decoys).sum()}
    if called.any():
        marks["precision"] = true[called].mean()
    if true.any():
        marks |= {"recall": called[true].mean(), "modifier_auc": auc(true.to_numpy(), effects.strength.to_numpy())}
    return marks


def mark_ends(
    language: Language, point: OperatingPoint, ids: Sequence[np.ndarray], probes: modifiers.Probes,
    effects: pd.DataFrame, seed: int,
) -> tuple[pd.DataFrame, dict[str, float]]:  # fmt: skip
    """Profiles of beginning and end beside the true ones, in multiples of what a word counts far from them."""
    places = np.unique(np.round(np.geomspace(1, _SPAN, 14)).astype(int)) - 1
    neutral = edges.neutral_texts(point, 16, 2 * _SPAN + 1, seed=seed, table=effects)
    last, before = edges.last_tokens(point.model, [i for i in ids if len(i) > _SPAN + 1][:64], _SPAN + 1)
    effect = edges.end_effects(point.model, last, probes.numbers, places.tolist(), h0=before)
    found = {
        "start": edges.start_profile(point, neutral, probes.numbers, places.tolist(), _SPAN, seed=seed),
        "end": edges.profile(effect, probes.valence, places.tolist(), seed=seed),
    }
    marks, tables = {}, []
    for name, usual in (("start", 1.0), ("end", 1 + language.background)):
        gain, length = getattr(language, f"{name}_gain") / usual, getattr(language, f"{name}_length")
        decay, level = edges.decay_length(found[name]), found[name].value[-3:].mean()
        if gain:
            marks[f"{name}_excess_error"] = (found[name].value[0] / level - 1) / gain - 1
            if decay.r_squared > 0.8:  # where nothing fades there is no length
                marks[f"{name}_length"] = decay.length.value
                marks[f"{name}_length_error"] = decay.length.value / length - 1
        low, high = found[name].band
        true = 1 + gain * np.exp(-places / length)
        columns = {"end": name, "at": places, "found": found[name].value / level, "low": low / level}
        tables.append(pd.DataFrame(columns | {"high": high / level, "true": true}))
    return pd.concat(tables, ignore_index=True), marks
