"""Measuring networks that were built by hand, so that the answers are known; and what cannot be measured."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from conftest import small_network

from rnnrev import claims, edges, measure, modifiers, stats, zoo
from rnnrev.analysis import N_TEXTS, Analysis
from rnnrev.cells import Cell
from rnnrev.data import PAD, UNKNOWN, Reviews, Vocabulary, load_contrasts, tokenize
from rnnrev.linear import Unmeasured
from rnnrev.measure import COLUMNS, PARTS, Part, tabulate
from rnnrev.model import BagOfWords, SentimentRNN

N = 12


def built_network() -> SentimentRNN:
    """A UGRNN that integrates in unit 0, and in which unit 1 opens or closes the gate of unit 0 for two tokens or so.

    So it has one slow mode, negators (unit 1 up: the gate closes), intensifiers (unit 1 down), and a first state that
    intensifies. Words, valences and modifiers are English, so that the phrases and the grammar know them.
    """
    rng = np.random.default_rng(0)
    bag, contrasts, grammar = zoo.load("bow-imdb"), load_contrasts(), modifiers.lexicon()
    known = dict(zip(bag.vocabulary.words, bag.beta))
    polar = sorted(known, key=lambda w: -abs(known[w]))[:150]
    frames = {t for text in contrasts.text for t in tokenize(text)}
    plain = [w for w in bag.vocabulary.words[2:400] if w.isalpha()]
    words = list(dict.fromkeys([*polar, *sorted(frames), *grammar.word, *plain]))
    valence = {w: float(np.clip(known.get(w, 0) / 0.6, -1, 1)) if abs(known.get(w, 0)) > 0.2 else 0.0 for w in words}
    valence |= {w: 0.8 * v for w, v in zip(contrasts.word, contrasts.valence)}
    kind = {"negator": 1.0, "downtoner": 0.5, "amplifier": -1.0}
    role = {w: kind[k] for w, k in zip(grammar.word, grammar.kind)}
    vocabulary = Vocabulary((PAD, UNKNOWN, *words))
    x = 0.1 * rng.standard_normal((len(vocabulary), 5))
    x[:, :2] = 0.0
    x[2:, 0] = [0.0 if w in role else valence[w] for w in words]
    x[2:, 1] = [role.get(w, 0.05 * rng.standard_normal()) for w in words]
    W, U = np.zeros((5, 2 * N)), np.zeros((N, 2 * N))
    W[0, N], W[1, N + 1], W[2:, N + 2 :] = 1.2, 2.0, 0.5 * rng.standard_normal((3, N - 2))
    U[1, 0], U[0, N] = 2.5, 1.0
    U[2:, N + 2 :] = 0.3 * rng.standard_normal((N - 2, N - 2)) / np.sqrt(N)
    b = np.zeros(2 * N)
    b[0] = 2.5
    h0 = np.zeros(N)
    h0[1] = -1.0
    w = np.zeros(N)
    w[0] = 4.0
    counts = np.r_[0, 5, rng.integers(300, 2000, len(words))]
    cell = Cell("ugrnn", W, U, b, np.zeros(2 * N), h0)
    return SentimentRNN(cell, x, vocabulary, w, np.float64(0), "built <ugrnn>", counts=counts)


def made_up(model: SentimentRNN, n: int = 60, length: int = 110) -> pd.DataFrame:
    """Texts of the network's own words, labelled as it does but for every twentieth."""
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(model.vocabulary.words[2:], length)) for _ in range(n)]
    stars = (model.logits(texts) > 0).astype(int)
    stars[::20] = 1 - stars[::20]
    return pd.DataFrame({"review": texts, "stars": stars})


def reviews_of(model: SentimentRNN | BagOfWords, n: int = 30, length: int = 20, labels: int | None = None) -> Reviews:
    rng = np.random.default_rng(2)
    texts = tuple(" ".join(rng.choice(model.vocabulary.words[2:], length)) for _ in range(n))
    return Reviews("mine", "all", texts, rng.integers(0, 2, n) if labels is None else np.full(n, labels))


def parts(*names: str) -> list[Part]:
    found = [p for p in PARTS if p.name in names]
    assert len(found) == len(names)
    return found


def of(table: pd.DataFrame, name: str, condition: str = "") -> float:
    return table[(table.measure == name) & (table.condition == condition) & table["at"].isna()].value.item()


def reasons(table: pd.DataFrame) -> str:
    return " ".join(dict.fromkeys(table.note[table.value.isna()]))


def adder(decays: list[float], scale: float = 1e-3) -> SentimentRNN:
    """A tanh network of units that each keep a share of themselves; the first adds up valences and is read."""
    rng, n = np.random.default_rng(0), len(decays)
    words = [f"w{i}" for i in range(200)]
    W = np.zeros((n, n))
    np.fill_diagonal(W, scale)
    cell = Cell("vanilla", W, np.diag(decays), np.zeros(n), np.zeros(n), np.zeros(n))
    x = np.r_[np.zeros((2, n)), rng.standard_normal((200, n))]
    w = np.r_[1 / scale, np.zeros(n - 1)]
    return SentimentRNN(cell, x, Vocabulary((PAD, UNKNOWN, *words)), w, 0.0, "adder", counts=np.r_[0, 0, np.ones(200)])


# --- known answers ------------------------------------------------------------------------------


def test_time_constants_of_an_adder_are_those_of_its_units():
    decays = [0.999, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
    model = adder(decays)
    table = measure.measure(model, reviews_of(model), parts=parts("modes"), progress=False)
    tau = -1 / np.log(decays)
    np.testing.assert_allclose(table[table.measure == "tau"].value[:8], tau, rtol=0.05)
    assert of(table, "tau_1") == pytest.approx(tau[0], rel=0.05)
    assert of(table, "gap_of_tau") == pytest.approx(tau[0] / tau[1], rel=0.05)
    assert of(table, "growing") == 0


def test_a_growing_mode_is_counted_and_no_slow_one():
    """Unit 1 grows faster than unit 0 fades: the slowest mode is still that of unit 0, the ratio still over 1."""
    decays = [0.99, 1.05, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
    model = adder(decays)
    table = measure.measure(model, reviews_of(model), parts=parts("modes"), progress=False)
    assert of(table, "growing") == 1
    tau = table[table.measure == "tau"].value.to_numpy()
    assert tau[0] == pytest.approx(-1 / np.log(0.99), rel=0.05)
    assert np.isnan(tau[7])
    assert of(table, "gap_of_tau") >= 1


def test_dimensions_are_those_of_a_principal_component_analysis():
    from sklearn.decomposition import PCA

    from rnnrev.line_attractor import visited_states

    model = adder([0.999, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])
    reviews = reviews_of(model)
    table = measure.measure(model, reviews, parts=parts("states"), progress=False)
    variance = PCA().fit(visited_states(model, reviews.sample(300).texts)[0]).explained_variance_
    assert of(table, "participation") == pytest.approx(variance.sum() ** 2 / (variance**2).sum())
    assert of(table, "n90") == 1 + np.sum(np.cumsum(variance) / variance.sum() < 0.9)
    curve = table[(table.measure == "variance") & (table.condition == "")]
    np.testing.assert_allclose(curve.value, (np.cumsum(variance) / variance.sum())[curve["at"].astype(int) - 1])


def test_accuracy_and_its_gain_are_counts():
    model = built_network()
    texts = made_up(model)
    reviews = Reviews("mine", "all", tuple(texts.review), texts.stars.to_numpy())
    table = measure.measure(model, reviews, parts=parts("accuracy", "gain"), progress=False)
    right = np.array([(model.logits([t])[0] > 0) == y for t, y in zip(texts.review, texts.stars)])
    bag = np.array([(zoo.load("bow-imdb").logits([t])[0] > 0) == y for t, y in zip(texts.review, texts.stars)])
    assert of(table, "accuracy") == right.mean()
    assert of(table, "accuracy", "bag of words") == bag.mean()
    assert of(table, "accuracy_gain") == pytest.approx(right.mean() - bag.mean())
    assert of(table, "accuracy", "commonest label") == max(texts.stars.mean(), 1 - texts.stars.mean())


def test_a_bag_of_words_has_half_of_the_phrases_in_order_and_shifts_both_signs_alike():
    """Whatever β is: “not” has one sign, so one sign of valence is in order at most."""
    model = built_network()
    table = measure.measure(model, reviews_of(model), parts=parts("phrases"), progress=False)
    assert of(table, "phrases_in_order", "bag of words") <= 0.5
    assert of(table, "negation_apart", "bag of words") == pytest.approx(0, abs=0.02)
    assert of(table, "phrases_in_order") > 0.9  # it was built to read so
    assert of(table, "negation_apart") > 0


def test_shares_of_what_is_left_are_sizes_with_bounds():
    assert measure._size(stats.Estimate(-0.2, -0.3, 0.1), -2.0) == pytest.approx((0.1, 0.0, 0.15))
    assert measure._size(stats.Estimate(-0.5, -1.0, -0.25)) == (0.5, 0.25, 1.0)


# --- the table ----------------------------------------------------------------------------------


def test_the_table_is_tidy_and_follows_from_the_seed():
    model = built_network()
    reviews = reviews_of(model, length=40)
    first, same, other = (
        measure.measure(model, reviews, seed=s, parts=parts("accuracy", "states"), progress=False) for s in (0, 0, 1)
    )
    assert tuple(first.columns) == COLUMNS
    assert set(first.network) == {"built <ugrnn>"}
    assert set(first.data) == {"mine/all"}
    assert not first.duplicated(["measure", "condition", "at"]).any()
    pd.testing.assert_frame_equal(first, same)
    assert not first.value.equals(other.value)


def test_texts_are_drawn_at_random_with_both_classes():
    """IMDB's test reviews stand sorted by label: the first ones that a measure takes must not be of one class."""
    model = built_network()
    sorted_ = replace(reviews_of(model, 400), labels=np.repeat([0, 1], 200))
    a = Analysis.of(model, sorted_, scored=300)
    for few in (20, 30, 100):
        assert 0.25 < a.reviews.labels[:few].mean() < 0.75
    longer = reviews_of(model, 60, 120)
    a = Analysis.of(model, replace(longer, labels=np.repeat([0, 1], 30)))
    drawn = [a.reviews.texts.index(t) for t in a.reviews.texts[:N_TEXTS]]
    assert 0.2 < a.reviews.labels[drawn].mean() < 0.8


def test_a_bug_raises_and_what_is_missing_does_not(monkeypatch):
    model = built_network()

    def broken(a):
        yield measure.row("size", 1.0)
        raise ValueError("a bug")

    def absent(a):
        yield measure.row("size", 1.0)
        raise Unmeasured("too few reviews")

    with pytest.raises(ValueError, match="a bug"):
        tabulate(Analysis.of(model, reviews_of(model)), [Part("broken", 2, broken, ("size",))], progress=False)
    table = tabulate(
        Analysis.of(model, reviews_of(model)), [Part("absent", 2, absent, ("size", "shape"))], progress=False
    )
    assert table.value[0] == 1
    assert table.note.to_list() == ["", "too few reviews"]
    assert table.measure.to_list() == ["size", "shape"]


# --- what cannot be measured --------------------------------------------------------------------


def unmeasured(table: pd.DataFrame) -> set[str]:
    rules = [c for c in claims.CLAIMS if c.record == "networks"]
    found = {c.id: claims.verdict(c, table) for c in rules}
    assert all(v.note for v in found.values() if v.verdict == "not measured")
    return {k for k, v in found.items() if v.verdict == "not measured"}


def test_small_random_network_of_ten_words():
    model = replace(small_network("gru"), counts=None)
    table = measure.measure(model, reviews_of(model), progress=False)
    assert "fewer than 8" in reasons(table)
    assert unmeasured(table) >= {c.id for c in claims.CLAIMS if c.chapter in (3, 4, 5) and c.record == "networks"}
    assert of(table, "n90") > 0


def test_network_without_a_slow_mode_says_so():
    model = built_network()
    U, b = model.cell.U.copy(), model.cell.b.copy()
    U[0, N], b[0] = 0.0, 0.0  # unit 0 forgets half of what it holds at every token
    model = replace(model, cell=replace(model.cell, U=U, b=b))
    table = measure.measure(model, reviews_of(model), progress=False)
    assert "no slow mode" in reasons(table)
    missing = unmeasured(table)
    assert missing >= {c.id for c in claims.CLAIMS if c.chapter in (3, 4, 5) and c.record == "networks"}
    assert not missing & {"slow-mode", "memory", "dimensions"}


def test_what_failed_once_is_not_tried_again():
    model = replace(small_network("gru"), counts=None)
    a = Analysis.of(model, reviews_of(model))
    with pytest.raises(Unmeasured, match="fewer than 8") as first:
        a.point  # noqa: B018
    with pytest.raises(Unmeasured) as second:
        a.point  # noqa: B018
    assert first.value is second.value


def test_bag_of_words_has_an_accuracy_and_no_state():
    bag = BagOfWords(np.array([0, 0, 1.0, -1.0]), 0.0, Vocabulary((PAD, UNKNOWN, "good", "bad")))
    texts = Reviews("mine", "all", ("good good", "bad", "bad good bad") * 10, np.array([1, 0, 0] * 10))
    table = measure.measure(bag, texts, progress=False)
    assert of(table, "accuracy") == 1
    assert "not a recurrent network" in reasons(table)
    assert unmeasured(table) >= {c.id for c in claims.CLAIMS if c.chapter in (2, 3, 4, 5) and c.record == "networks"}


def test_one_class_no_label_and_labels_that_do_not_fit():
    bag = BagOfWords(np.array([0, 0, 1.0, -1.0]), 0.0, Vocabulary((PAD, UNKNOWN, "good", "bad")))
    for labels, reason in ((1, "needs both classes"), (-1, "has a label"), (4, "labels run from 4 to 4")):
        table = measure.measure(bag, reviews_of(bag, labels=labels), parts=parts("accuracy", "gain"), progress=False)
        assert reason in reasons(table)


def test_more_classes_foreign_words_and_few_reviews():
    model = small_network("gru")
    more = replace(model, w=np.random.default_rng(0).standard_normal((7, 3)), b=np.zeros(3))
    table = measure.measure(more, reviews_of(more), progress=False)
    assert "3 classes" in reasons(table)
    assert not unmeasured(table) & {"dimensions"}
    foreign = Reviews("mine", "all", ("sehr gut gemacht",) * 20, np.zeros(20, int))
    assert "knows only 0" in reasons(measure.measure(model, foreign, parts=parts("states"), progress=False))
    assert "too few" in reasons(measure.measure(model, reviews_of(model, n=4), parts=parts("states"), progress=False))


def test_a_vocabulary_without_the_books_words():
    model = built_network()
    renamed = Vocabulary((PAD, UNKNOWN, *(f"w{i}x" for i in range(len(model.vocabulary) - 2))))
    model = replace(model, vocabulary=renamed)
    wanted = ("phrases", "sorting", "ranking", "barcodes", "subspace", "abolition")
    table = measure.measure(model, reviews_of(model, length=60), parts=parts(*wanted), progress=False)
    for reason in ("contrast phrases", "yardstick", "grammar"):
        assert reason in reasons(table)
    assert unmeasured(table) >= {"phrases", "sorting", "ranking", "barcodes", "negators", "abolition"}
    assert not unmeasured(table) & {"subspace"}


def test_weights_that_are_no_numbers_are_an_error():
    nan = replace(built_network(), w=np.full(N, np.nan))
    with pytest.raises(ValueError, match="no finite logit"):
        measure.measure(nan, reviews_of(nan))
    with pytest.raises(ValueError, match="at least 1"):
        measure.measure(nan, reviews_of(nan), scored=0)


def test_a_control_that_fails_at_the_end_does_not_hide_the_others():
    at = np.array(edges.LAGS)
    curve = np.where(at < 9, 2.0, 1.0) * np.ones((30, 1))
    nothing = edges.Profile(at, np.random.default_rng(0).normal(size=(30, len(at))))
    profiles = {
        "intact": edges.Profile(at, curve),
        "slow mode alone": nothing,
        "fast modes removed": edges.Profile(at, curve),
    }
    analysis = SimpleNamespace(end_profiles=(profiles, None, "in a test"), lasting=SimpleNamespace(tau=10.0))
    end = next(part for part in PARTS if part.name == "end")
    found = {(r["measure"], r["condition"]): r for r in end.run(analysis)}
    assert found["end_near", "intact"]["value"] == found["end_near", "fast modes removed"]["value"] == 2
    assert found["end_near", "intact"]["note"] == "in a test"
    lost = found["end_near", "slow mode alone"]
    assert np.isnan(lost["value"])
    assert "must be above 0" in lost["note"]
    assert found["end_excess_left", "fast modes removed"]["value"] == 1
    assert np.isnan(found["end_excess_left", "slow mode alone"]["value"])
