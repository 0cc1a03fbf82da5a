"""The analyses of chapters 2 to 6 in one row of numbers, and marked against a language whose truth is known.

:func:`measure` runs the book's analyses on any network, :func:`recover` compares what they find with what was put
into a :class:`rnnrev.language.Language`, and :func:`run_cell` is one cell of a :mod:`rnnrev.sweep`. Nothing is analysed
in another way than in the chapters: this module only calls and compares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from . import edges, modifiers, perturb
from .data import Reviews, star_reviews
from .fixed_points import find_fixed_points, mean_map
from .language import Language
from .linear import OperatingPoint, eigenmodes, frequent_words, linear_model, operating_point, valence
from .model import BagOfWords, SentimentRNN
from .stats import bootstrap

__all__ = ["Recovery", "attractor_dimension", "graded", "learn", "measure", "recover", "run_cell", "variant"]

CALLED = ("intensifier", "negator", "diminisher")  #: kinds of :func:`rnnrev.modifiers.kinds` that are modifiers
TEXTS = 150_000  #: training texts; with 60,000 a GRU stays another half point short of the best reader
TEST_SEED = 1_000_000  #: no training text is drawn with it


# --- training on a language -------------------------------------------------------------------


def learn(
    language: Language, cell: str = "gru", seed: int = 0, texts: int = TEXTS, epochs: int | None = None, **options: Any
) -> SentimentRNN | BagOfWords:
    """Train a small network (or the bag of words) on ``texts`` drawn from a language; options of ``TrainConfig``.

    Unless ``epochs`` says otherwise texts are read three times, and fewer of them more often, up to 30 times, until
    the network has seen 300,000; the epoch that does best on held-out texts is kept.
    """
    from .config import TrainConfig
    from .train import train

    usual: dict[str, Any] = {
        "data": "language", "n_units": 64, "n_inputs": 32, "batch_size": 128, "max_tokens": 0, "word_dropout": 0.0,
        "learning_rate": 5e-3, "embedding_dropout": 0.0, "state_dropout": 0.0, "validation_share": 0.05,
        "precision": "float32", "patience": 4, "beta_l2": 0.0,
    }  # fmt: skip
    epochs = int(np.clip(300_000 / texts, 3, 30)) if epochs is None else epochs
    config = TrainConfig(cell=cell, seed=seed, epochs=epochs, **usual | options)
    return train(config, reviews=language.sample(texts, seed), progress=False)


def variant(language: Language, stretch: float = 1.0, copies: int = 1) -> Language:
    """A harder language: all decay times ``stretch`` times as long, or ``copies`` times as many (rarer) modifiers."""
    made = [
        replace(m, word=m.word if copies == 1 else f"{m.word}x{i + 1}", decay=m.decay * stretch)
        for m in language.modifiers
        for i in range(copies)
    ]
    return replace(language, modifiers=tuple(made), n_decoys=language.n_decoys if copies == 1 else 0)


# --- one network in numbers -------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Measured:
    """What :func:`measure` found: numbers by name, and the pieces they came from."""

    numbers: dict[str, float]
    point: OperatingPoint
    probes: modifiers.Probes = field(repr=False)
    effects: Any = field(repr=False)
    words: tuple[str, ...]
    start: edges.Profile = field(repr=False)
    end: edges.Profile = field(repr=False)
    subspace: modifiers.Subspace | None


def measure(
    model: SentimentRNN,
    reviews: Reviews,
    span: int = 50,
    n_texts: int = 64,
    n_words: int = 100,
    n_probes: int = 20,
    seed: int = 0,
) -> Measured:
    """The claims of chapters 2 to 5 as numbers, for any network and labelled texts that it was not trained on.

    Parameters
    ----------
    span : int
        Tokens over which beginning and end are looked at; texts of more than that are needed.
    n_texts : int
        Texts for the profiles of beginning and end.
    n_words : int
        How many modifiers, best first, span the subspace.

    Measures
    --------
    accuracy : of the network on ``reviews``
    tau_1, tau_2 : time constants of the two slowest modes at the operating point, tokens (size)
    alignment : cosine of r₁ and w
    linear_r2, linear_agree : of the linear model held at the operating point with the network's logits and signs
    dimensions_90 : principal components that hold 90 % of the variance of visited states
    modifiers : how many words are called modifiers
    dimension, dimension_variance : axes that carry their effect, and that hold more variance than controls (chapter 3)
    variance_2, variance_2_controls : share of their squared deflections on two axes, and that of other words
    accuracy_without, accuracy_random : with that subspace, and with a random one, projected out
    start_emphasis, end_emphasis : of the first (last) word, in multiples of the three places farthest off
    start_length, end_length : over which it fades, where an exponential fits (R² > 0.8; start_fit_r2, end_fit_r2)
    """
    point = operating_point(model, texts=reviews.sample(300, seed).texts, seed=seed)
    ids = model.vocabulary.encode_all(reviews.texts)
    tau = np.abs(point.modes.tau)
    numbers: dict[str, float] = {"q": point.q, "tau_1": float(tau[0]), "tau_2": float(tau[1])}
    n = model.cell.n_units
    numbers["alignment"] = float(point.r[:n] @ model.w[:n] / np.linalg.norm(point.r[:n]) / np.linalg.norm(model.w[:n]))
    linear = linear_model(point).logits_of(ids)
    logits = model.logits_of(ids)
    numbers["linear_r2"] = float(np.corrcoef(linear, logits)[0, 1] ** 2)
    numbers["linear_agree"] = float(np.mean((linear > 0) == (logits > 0)))
    few = ids[:: max(1, len(ids) // n_texts)][:n_texts]
    numbers["dimensions_90"] = _dimensions(np.concatenate(model.states_of(few)))

    probes = modifiers.probe_words(point, n_probes)
    effects = modifiers.modifier_effects(point, frequent_words(point.model), probes)
    words = modifiers.modifier_words(effects, n_words)
    numbers["modifiers"] = float(effects.kind.isin(CALLED).sum())

    numbers["accuracy"] = float(np.mean((logits > 0) == reviews.labels))
    subspace = None
    if len(words) > 3:
        others = tuple(effects.word[effects.kind == "other"])
        found = modifiers.subspace_dimension(point, words, others, n_axes=min(8, len(words) // 2), probes=probes)
        numbers |= {"dimension": float(found.k), "dimension_variance": float(found.k_variance)}
        numbers["variance_2"] = float(found.shares[:2].sum())
        numbers["variance_2_controls"] = float(found.typical[:2].sum())
        subspace = modifiers.modifier_subspace(point, words, found.k)
        for name, s in (("without", subspace), ("random", modifiers.random_subspace(point, found.k, seed))):
            changed = perturb.run(model, ids, perturb.project_out(s)).final
            numbers[f"accuracy_{name}"] = float(np.mean((changed > 0) == reviews.labels))

    places = np.unique(np.round(np.geomspace(1, span, 14)).astype(int)) - 1
    neutral = edges.neutral_texts(point, 16, 2 * span + 1, seed=seed, table=effects)
    start = edges.start_profile(point, neutral, probes.numbers, places.tolist(), span, seed=seed)
    long = [i for i in ids if len(i) > span + 1][:n_texts]
    last, before = edges.last_tokens(model, long, span + 1)
    effect = edges.end_effects(model, last, probes.numbers, places.tolist(), h0=before)
    end = edges.profile(effect, probes.valence, places, seed=seed)
    for name, profile in (("start", start), ("end", end)):
        decay = edges.decay_length(profile)
        numbers[f"{name}_emphasis"] = float(profile.value[0] / profile.value[-3:].mean())
        numbers[f"{name}_fit_r2"] = decay.r_squared
        if decay.r_squared > 0.8:  # where nothing fades there is no length
            numbers[f"{name}_length"] = decay.length.value
    return Measured(numbers, point, probes, effects, words, start, end, subspace)


def _dimensions(states: np.ndarray, share: float = 0.9) -> float:
    """Principal components that hold this share of the states' variance."""
    size = np.linalg.eigvalsh(np.cov(states.T.astype(float)))[::-1]
    return float(np.searchsorted(np.cumsum(size) / size.sum(), share) + 1)


# --- marked against the truth -----------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Recovery:
    """What the analyses found in a network trained on a language, next to what was put in.

    ``measures`` numbers by name (see :func:`recover`); ``words`` a pandas table, one row a word that means anything,
    with the columns of :meth:`rnnrev.language.Language.to_frame` and ``found_…`` beside them; ``profiles`` emphasis
    against place, true and found, for ``start`` and ``end``.
    """

    measures: dict[str, float]
    words: Any = field(repr=False)
    profiles: dict[str, dict[str, Any]] = field(repr=False)
    measured: Measured = field(repr=False)


def recover(
    language: Language, model: SentimentRNN, test: Reviews | None = None, span: int = 20, seed: int = 0
) -> Recovery:
    """Run the analyses on a network trained on a language, and mark them.

    The truth as a reader in mid-text meets it: valence v (1 + B)/noise nats, gain g/(1 + B), emphasis of the end
    1 + g_end e^{−t/τ}/(1 + B), with B :attr:`rnnrev.language.Language.background`. The beginning is measured in texts
    without modifiers, where B is 0: 1 + g_start e^{−t/τ}. Whoever finds that has found all.

    Measures (beside those of :func:`measure`)
    ------------------------------------------
    bayes_reader : accuracy on the same texts of the reader that knows the language; ``gap`` what is missing, in points
    valence_spearman, valence_slope, valence_r2 : found on true valence of the valence words
    precision, recall : of the words called modifiers, those that change valence by a third or more; decoys_called
    modifier_auc_true : chance that a true modifier ranks above another word
    gain_slope, gain_r2, sign_right : found on true gain, over modifiers and decoys (the sign over modifiers)
    settled_gain_slope, settled_gain_r2, valence_slope_settled : the same, waited for (modifiers.settled_gain)
    decay_error : median over modifiers of |found − true|/true; decay_spearman
    start_length_error, end_length_error, start_excess_error, end_excess_error : relative, signed
    dimension_true : one direction for each decay time
    reader_without : accuracy of the reader that knows all but the modifiers
    """
    from scipy import stats

    test = language.sample(4000, TEST_SEED, "test") if test is None else test
    found = measure(model, test, span=span, seed=seed)
    m, point = dict(found.numbers), found.point
    encoded = language.encode(test.texts)
    for name, all_of_it in (("bayes_reader", True), ("reader_without", False)):
        m[name] = float(np.mean((language.totals(*encoded, modifiers=all_of_it) > 0) == test.labels))
    m["gap"] = 100 * (m["bayes_reader"] - m["accuracy"])

    words = language.to_frame()
    words = words[(words.role != "neutral") & words.word.isin(model.vocabulary.words)].reset_index(drop=True)
    scale = 1 + language.background
    words["true_valence"] = words.valence * scale / language.noise
    words["true_gain"] = words.gain / scale
    words["found_valence"] = valence(point, list(words.word))
    rows = found.effects.set_index("word").loc[words.word]
    words["found_gain"], words["found_kind"] = rows.gain.to_numpy(), rows.kind.to_numpy()
    words["found_settled_gain"] = words["found_decay"] = np.nan
    acting = words.index[words.gain != 0]
    if len(acting):
        words.loc[acting, "found_decay"] = modifiers.transients(point, list(words.word[acting]), n_steps=2 * span).tau

    own = words[words.role.isin(["positive", "negative"])]
    m["valence_spearman"] = float(stats.spearmanr(own.true_valence, own.found_valence).statistic)
    fit = stats.linregress(own.true_valence, own.found_valence)
    m["valence_slope"], m["valence_r2"] = float(fit.slope), float(fit.rvalue**2)
    numbers = np.array([model.vocabulary.number(w) for w in own.word])
    own_settled = modifiers.settled_effects(point, point.h_star[None], numbers, 2 * span)[0]
    m["valence_slope_settled"] = float(stats.linregress(own.true_valence, own_settled).slope)

    called = found.effects.word[found.effects.kind.isin(CALLED)]
    truly = set(words.word[words.true_gain.abs() >= 1 / 3])
    m["precision"] = float(np.mean([w in truly for w in called])) if len(called) else np.nan
    m["recall"] = float(np.mean([w in set(called) for w in truly])) if truly else np.nan
    score = found.effects.set_index("word").strength
    is_true = score.index.isin(truly)
    if is_true.any():
        m["modifier_auc_true"] = float(
            stats.mannwhitneyu(score[is_true], score[~is_true]).statistic / is_true.sum() / (~is_true).sum()
        )
    m["decoys_called"] = float(called.isin(language.decoys).sum())
    if len(acting):
        changing = words.index[words.role.isin(["modifier", "decoy"])]
        gains = modifiers.settled_gain(point, list(words.word[changing]), found.probes, 2 * span)
        words.loc[changing, "found_settled_gain"] = gains
        tried, act = words.loc[changing], words.loc[acting]
        for name in ("gain", "settled_gain"):
            fit = stats.linregress(tried.true_gain, tried[f"found_{name}"])
            m[f"{name}_slope"], m[f"{name}_r2"] = float(fit.slope), float(fit.rvalue**2)
        m["sign_right"] = float(np.mean(np.sign(act.found_gain) == np.sign(act.gain)))
        m["decay_error"] = float(np.nanmedian(np.abs(act.found_decay - act.decay) / act.decay))
        m["decay_spearman"] = float(stats.spearmanr(act.decay, act.found_decay, nan_policy="omit").statistic)
    m["dimension_true"] = float(len({x.decay for x in language.modifiers if x.gain}))

    profiles = {}
    for name, profile, usual in (("start", found.start, 1.0), ("end", found.end, scale)):
        gain, length = getattr(language, f"{name}_gain") / usual, getattr(language, f"{name}_length")
        if gain and f"{name}_length" in m:
            m[f"{name}_length_error"] = m[f"{name}_length"] / length - 1
        if gain:
            m[f"{name}_excess_error"] = (m[f"{name}_emphasis"] - 1) / gain - 1
        low, high = profile.band
        profiles[name] = {
            "at": profile.at, "found": profile.value, "low": low, "high": high,
            "true": 1 + gain * np.exp(-profile.at / length),
        }  # fmt: skip
    return Recovery(m, words, profiles, found)


# --- more than two classes --------------------------------------------------------------------


def attractor_dimension(
    model: SentimentRNN, reviews: Reviews, n_starts: int = 40, seed: int = 0, n_modes: int = 8
) -> dict[str, Any]:
    """How many dimensions the attractor has, for any number of classes (Aitken et al. 2020).

    Slow points of F̄ are looked for from ``n_starts`` visited states; at each of the slower half the time constants are
    sorted. ``tau`` (n_modes,) is their median by rank, ``slow_modes`` the rank with the widest gap (in log τ) to the
    next. ``points_90`` and ``states_90`` are the principal components that hold 90 % of the variance of those points
    and of the states after the last token.
    """
    model = model.astype(np.float64)
    F = mean_map(model, seed=seed)
    ids = model.vocabulary.encode_all(reviews.sample(600, seed).texts)
    final = model.final_states_of(ids)
    starts = final[:: max(1, len(final) // n_starts)][:n_starts]
    points = find_fixed_points(F, starts, unique_tol=None, max_distance=None, stability=False)
    slow = points.h_star[points.q <= np.median(points.q)]
    tau = np.median(np.abs(eigenmodes(F.jacobian(slow)).tau), 0)[:n_modes]
    gaps = -np.diff(np.log(tau))
    return {
        "tau": tau,
        "slow_modes": float(np.argmax(gaps) + 1),
        "gap": float(np.exp(gaps.max())),
        "points_90": _dimensions(slow),
        "states_90": _dimensions(final),
        "q": float(np.median(points.q)),
    }


def graded(model: SentimentRNN, reviews: Reviews, seed: int = 0) -> dict[str, Any]:
    """Where reviews of several grades (stars) leave a network that was trained on two classes.

    Grades are ordered, so one number may do (Aitken et al. 2020): the mean final states of the grades should lie on a
    line, the slow mode, in their order.

    Returns
    -------
    dict
        ``grades`` one row a grade: ``grade``, ``texts``, ``logit`` [mean, low, high] in nats, ``along`` and ``off``,
        the mean state's place on the slow mode and its distance from it (in units of the spread along it);
        ``spearman`` of logit and grade [value, low, high]; ``on_line`` the share of the squared distances between
        the grades' mean states that one axis holds; ``cosine`` of that axis with r₁. Intervals: 95 %, over reviews.
    """
    from scipy.stats import spearmanr

    grades = np.unique(reviews.labels)
    if len(grades) < 3:
        raise ValueError(f"{reviews!r} has {len(grades)} grades: at least 3 are needed to ask for a line")
    point = operating_point(model, texts=reviews.sample(300, seed).texts, seed=seed)
    states = model.final_states_of(model.vocabulary.encode_all(reviews.texts)).astype(float)
    logits = model.readout(states)
    means = np.stack([states[reviews.labels == g].mean(0) for g in grades])
    _, size, axes = np.linalg.svd(means - means.mean(0), full_matrices=False)
    slow = point.r / np.linalg.norm(point.r)
    along = (means - point.h_star) @ slow
    off = np.linalg.norm(means - point.h_star - along[:, None] * slow, axis=1)
    unit = np.std(states @ slow)
    rows = []
    for i, g in enumerate(grades):
        own = logits[reviews.labels == g]
        rows.append({
            "grade": int(g), "texts": len(own), "logit": list(bootstrap(own, seed=seed)),
            "along": float(along[i] / unit), "off": float(off[i] / unit),
        })  # fmt: skip
    ranks = bootstrap((logits, reviews.labels), lambda z, g: float(spearmanr(z, g).statistic), n=300, seed=seed)
    return {
        "grades": rows, "spearman": list(ranks), "on_line": float(size[0] ** 2 / (size**2).sum()),
        "cosine": float(abs(axes[0] @ slow)),
    }  # fmt: skip


# --- cells of a sweep -------------------------------------------------------------------------


def _recover(
    cell: str, seed: int, texts: int = TEXTS, language: Mapping[str, Any] | None = None, stretch: float = 1.0,
    copies: int = 1, harder: str = "",
) -> dict[str, Any]:  # fmt: skip
    made = variant(Language.from_dict(dict(language or {})), stretch, copies)
    model = learn(made, cell, seed, texts)
    assert isinstance(model, SentimentRNN)
    found = recover(made, model, seed=seed)
    columns = ["word", "role", "kind", "decay", "true_valence", "true_gain", "found_valence", "found_gain"]
    words = found.words[[*columns, "found_settled_gain", "found_decay", "found_kind"]].replace({np.nan: None})
    extra = {"bayes": made.bayes().value, "seconds": model.record["seconds"], "modifiers_true": len(made.modifiers)}
    return found.measures | extra | {"details": {"words": words.to_dict("list"), "profiles": found.profiles}}


def _bags(seed: int, texts: int = TEXTS, language: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Accuracy of the bag of words and of its augmentations (chapter 6) that are told which words are modifiers."""
    from .augmented_bow import STEPS, AugmentedConfig, train_augmented

    made = Language.from_dict(dict(language or {}))
    reviews, test = made.sample(texts, seed), made.sample(4000, TEST_SEED, "test")
    usual: dict[str, Any] = {
        "data": "language", "length_exponent": 0.0, "beta_l2": 1e-6, "filter_l2": 1e-6, "edge_l2": 1e-6, "epochs": 5,
        "learning_rate": 1e-2, "validation_share": 0.05, "max_tokens": 0, "seed": seed,
    }  # fmt: skip
    out: dict[str, Any] = {}
    for step, change in STEPS.items():
        config = AugmentedConfig(**usual | change | {"n_parts": 1})
        words = [m.word for m in made.modifiers] if config.n_modifiers else []
        bag = train_augmented(config, modifiers=words, reviews=reviews, test=test, progress=False)
        out[step] = float(np.mean((bag.logits(test.texts) > 0) == test.labels))
    return out


def _classes(cell: str, seed: int, classes: str, texts: int = 60_000) -> dict[str, Any]:
    make, number = classes.split()
    n = int(number)
    usual = Language()
    made = replace(usual, n_topics=n, n_valence=60) if make == "unordered" else usual.with_classes(n)
    model = learn(made, cell, seed, texts)
    assert isinstance(model, SentimentRNN)
    test = made.sample(4000, TEST_SEED, "test")
    found = attractor_dimension(model, test, seed=seed)
    accuracy = float(np.mean(model.classify(test.texts) == test.labels))
    tau = found.pop("tau")
    return found | {"accuracy": accuracy, "bayes": made.bayes().value, "details": {"tau": tau}}


def _stars(cell: str, seed: int, classes: str) -> dict[str, Any]:
    """A network trained on the stars of the Yelp sample, its attractor measured on test reviews.

    Word vectors come from the shipped GRU, which learned them from film reviews; the cell starts at random.
    """
    from tempfile import TemporaryDirectory

    from . import zoo
    from .config import TrainConfig
    from .files import write_npz
    from .train import train

    film = zoo.load("gru-imdb")
    reviews, test = _star_reviews("train"), _star_reviews("test")
    with TemporaryDirectory() as folder:
        vectors = write_npz(f"{folder}/vectors.npz", {"words": film.vocabulary.words, "vectors": film.embedding})
        config = TrainConfig(
            cell=cell,
            seed=seed,
            data="yelp_sample",
            vectors=str(vectors),
            epochs=8,
            patience=8,
            n_inputs=film.cell.n_inputs,
        )
        model = train(config, reviews=reviews, test=test, progress=False)
    assert isinstance(model, SentimentRNN)
    found = attractor_dimension(model, test, seed=seed)
    tau, score = found.pop("tau"), model.record["test"]
    details = {"tau": tau, "texts": len(reviews), "test": score}
    commonest = np.bincount(test.labels).max() / len(test)
    return found | {"accuracy": score["accuracy"], "commonest": commonest, "details": details}


def _star_reviews(split: str) -> Reviews:
    """The Yelp sample with its grades of stars as classes 0, 1, 2, … in their order."""
    reviews = star_reviews(split)
    return replace(reviews, labels=np.unique(reviews.labels, return_inverse=True)[1])


def _network(network: str, data: str, n_reviews: int = 500, seed: int = 0, folder: str | None = None) -> dict[str, Any]:
    from . import zoo
    from .model import load

    model = zoo.load(network) if folder is None else load(folder)
    if not isinstance(model, SentimentRNN):
        raise ValueError(f"{folder or network} holds no recurrent network")
    found, test = _measured(model, data, n_reviews, seed), model.record.get("test")
    if test and test["data"] == data:
        found["test_accuracy"] = test["accuracy"]
    if folder is not None:  # not shipped: how it was made goes into the record
        found["details"] |= {k: model.record.get(k) for k in ("config", "curve")}
    return found


def _measured(model: SentimentRNN, data: str, n_reviews: int, seed: int) -> dict[str, Any]:
    from .data import DATA_SETS, load_reviews

    held = next((s for s in ("test", "validation") if s in DATA_SETS.get(data, {}).get("splits", ())), "all")
    reviews = load_reviews(data, held)
    span = 50 if np.median([len(t.split()) for t in reviews.texts[:500]]) > 60 else 8
    found = measure(model, reviews.sample(n_reviews, seed), span=span, seed=seed)
    judged = modifiers.ranking_auc(found.effects)
    more = {"modifier_auc": judged["auc"].value, "modifier_precision20": judged["precision20"], "span": float(span)}
    profiles = {n: {"at": p.at, "found": p.value} for n, p in (("start", found.start), ("end", found.end))}
    tau = np.abs(found.point.modes.tau[:20])
    return found.numbers | more | {"details": {"profiles": profiles, "tau": tau, "words": found.words[:30]}}


def _train(cell: str, seed: int, data: str, n_reviews: int = 500) -> dict[str, Any]:
    from .config import TrainConfig
    from .train import train

    model = train(TrainConfig(cell=cell, seed=seed, data=data), progress=False)
    assert isinstance(model, SentimentRNN)
    return _measured(model, data, n_reviews, seed)


TASKS: dict[str, Callable[..., dict[str, Any]]] = {
    "recover": _recover, "bags": _bags, "classes": _classes, "stars": _stars, "network": _network, "train": _train,
}  # fmt: skip


def run_cell(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Measures of one cell of a sweep: its ``task`` says which, the rest are options (see :mod:`rnnrev.sweep`)."""
    options = dict(cell)
    return TASKS[options.pop("task")](**options)
