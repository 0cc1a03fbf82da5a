"""Augmented bag of words: worked examples by hand, and corpora whose truth is known."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import augmented as script  # scripts/augmented.py
import numpy as np
import pytest

from rnnrev import augmented_bow as ab
from rnnrev import stats, zoo
from rnnrev.augmented_bow import AugmentedBagOfWords
from rnnrev.book.augmented import AugmentedConfig, _Network, train_augmented
from rnnrev.data import Reviews, Vocabulary, pad

WORDS = ("<pad>", "<unk>", "good", "bad", "not", "very", "the", "film")
VOCABULARY = Vocabulary(WORDS)
BETA = {"<pad>": 0.0, "<unk>": 0.25, "good": 2.0, "bad": -1.5, "not": -0.5, "very": 0.1, "the": 0.0, "film": 0.05}
TAU, EDGE_TAU = 2.0, 5.0


def one_part(**changes: object) -> AugmentedBagOfWords:
    """not: f(k) = −1.5 exp(−(k − 1)/2); very: f(1) = 1, exp(−1/2), …; K = 4."""
    made = AugmentedBagOfWords(
        parts=np.array([[BETA[w]] for w in WORDS], np.float32), b=0.3, vocabulary=VOCABULARY,
        modifiers=("not", "very"), taus=np.array([TAU], np.float32),
        after=np.array([[[-1.5]], [[1.0]]], np.float32), taps=4,
    )  # fmt: skip
    return dataclasses.replace(made, **changes)


def many_parts(seed: int = 0) -> AugmentedBagOfWords:
    rng = np.random.default_rng(seed)

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.5, shape).astype(np.float32)

    return AugmentedBagOfWords(
        parts=draw(len(WORDS), 3), b=-0.2, vocabulary=VOCABULARY, modifiers=("not", "very", "the"),
        taus=np.array([1.0, 6.0], np.float32), after=draw(3, 3, 2), before=draw(3, 3, 2),
        edge_taus=np.array([2.0, 9.0], np.float32), begin_coefficients=draw(3, 2), end_coefficients=draw(3, 2),
        taps=7, length_exponent=0.5, counts=np.arange(len(WORDS)),
    )  # fmt: skip


def slow_logit(m: AugmentedBagOfWords, words: list[str]) -> float:
    """The formula of the module's text, term by term."""
    total, n = 0.0, len(words)
    for t, word in enumerate(words):
        for c in range(m.parts.shape[1]):
            gain = 0.0
            for s, other in enumerate(words):
                lag = abs(t - s)
                if other in m.modifiers and 1 <= lag <= m.taps:
                    a = m.after if s < t else m.before
                    if a is not None:
                        gain += a[m.modifiers.index(other), c] @ np.exp(-(lag - 1) / m.taus)
            for a, distance in ((m.begin_coefficients, t), (m.end_coefficients, n - 1 - t)):
                if a is not None:
                    gain += a[c] @ np.exp(-distance / m.edge_taus)
            total += m.parts[VOCABULARY.number(word), c] * (1 + gain)
    return total * (ab.TYPICAL / n) ** m.length_exponent + m.b


# --- the formula ------------------------------------------------------------------------------


def test_logit_by_hand() -> None:
    m, e = one_part(), np.exp(-1 / TAU)
    expected = {
        "good": 0.3 + 2.0,
        "not good": 0.3 - 0.5 + 2.0 * (1 - 1.5),
        "not the good": 0.3 - 0.5 + 2.0 * (1 - 1.5 * e),
        "very good": 0.3 + 0.1 + 2.0 * 2,
        "not very good": 0.3 - 0.5 + 0.1 * (1 - 1.5) + 2.0 * (1 - 1.5 * e + 1.0),
        "good not": 0.3 + 2.0 - 0.5,
        "not not good": 0.3 - 0.5 - 0.5 * (1 - 1.5) + 2.0 * (1 - 1.5 - 1.5 * e),
        "not the the the the good": 0.3 - 0.5 + 2.0,  # beyond K = 4
        "zyzzyva": 0.3 + 0.25,
    }
    np.testing.assert_allclose(m.logits(list(expected)), list(expected.values()), atol=1e-5)


def test_the_ends_by_hand() -> None:
    coefficients = np.array([[2.0]], np.float32), np.array([[0.5]], np.float32)
    m = one_part(
        modifiers=(), after=None, edge_taus=np.array([EDGE_TAU], np.float32),
        begin_coefficients=coefficients[0], end_coefficients=coefficients[1],
    )  # fmt: skip
    e = np.exp(-1 / EDGE_TAU)
    expected = 0.3 + 2.0 * (1 + 2.0 + 0.5 * e) - 1.5 * (1 + 2.0 * e + 0.5)
    assert m.logits(["good bad"])[0] == pytest.approx(expected, abs=1e-5)
    assert m.without("beginning", "end").logits(["good bad"])[0] == pytest.approx(0.3 + 0.5, abs=1e-5)


def test_fast_equals_slow() -> None:
    m, rng = many_parts(), np.random.default_rng(1)
    texts = [list(rng.choice(WORDS[2:], size=n)) for n in (1, 2, 7, 8, 9, 30, 61)]
    np.testing.assert_allclose(
        m.logits([" ".join(t) for t in texts]), [slow_logit(m, t) for t in texts], rtol=2e-4, atol=2e-4
    )


def test_texts_of_a_batch_do_not_touch() -> None:
    m = many_parts()
    texts = ["not good", "very very good film", "bad", "the film not bad not good the the the end of it"]
    alone = np.concatenate([m.logits([t]) for t in texts])
    np.testing.assert_allclose(m.logits(texts), alone, atol=1e-5)


def test_what_is_trained_is_what_reads() -> None:
    rng = np.random.default_rng(2)
    config = AugmentedConfig(n_parts=3, taps=7, taus=(1.0, 6.0), edge_taus=(2.0, 9.0))
    network = _Network(config, VOCABULARY, ("not", "very", "the"))
    for variable in network.trainable_variables:
        variable.assign(rng.normal(0, 0.5, variable.shape))
    ids, lengths = pad([rng.integers(1, len(WORDS), n).astype(np.int32) for n in (3, 20, 11)])
    model = network.to_model(VOCABULARY, "trained")
    texts = [" ".join(VOCABULARY.names(row[:n])) for row, n in zip(ids, lengths)]
    found = network.logits(ids, lengths, np.zeros(2, np.int32))[:, 0]
    np.testing.assert_allclose(found, [slow_logit(model, t.split()) for t in texts], atol=1e-4)
    np.testing.assert_allclose(found, model.logits_of([row[:n] for row, n in zip(ids, lengths)]), atol=1e-4)


def test_contributions_add_up_and_traces_end_at_the_logit() -> None:
    text = "The film not very good, not bad"
    for m in (one_part(), many_parts(), many_parts().without(*ab.PARTS)):
        parts, logit = m.contributions(text), float(m.logits([text])[0])
        assert list(parts.index) == ["the", "film", "not", "very", "good", ",", "not", "bad"]
        assert parts.to_numpy().sum() + m.b == pytest.approx(logit, abs=1e-4)
        assert m.trace(text).logits[-1] == pytest.approx(logit, abs=1e-4)
        for name in ab.PARTS:
            assert not m.without(name).contributions(text)[name].any()
    assert one_part().trace("").tokens == ("<unk>",)


def test_filters() -> None:
    m = one_part(
        edge_taus=np.array([EDGE_TAU], np.float32), begin_coefficients=np.array([[2.0]]), end_coefficients=None
    )
    np.testing.assert_allclose(m.filters[:, 0], np.outer([-1.5, 1], np.exp(-np.arange(4) / TAU)), rtol=1e-6)
    assert m.edge_filters(25).keys() == {"beginning"}
    np.testing.assert_allclose(m.edge_filters(25)["beginning"][0], 2 * np.exp(-np.arange(25) / EDGE_TAU), rtol=1e-6)
    assert many_parts().without("modifiers").filters.shape == (0, 3, 7)


def test_figures_show_what_they_are_given() -> None:
    from rnnrev.book.plots import augmented_bow as plots

    parts = one_part().contributions("not good")
    bars = [p.get_height() for p in plots.contributions(parts).axes[0].patches]
    np.testing.assert_allclose(bars[:2], parts.valence)
    drawn = plots.ends(many_parts(), n=30).axes[1].lines[0].get_ydata()
    np.testing.assert_allclose(drawn, many_parts().edge_filters(30)["end"][0])
    assert plots.recovered([1.0, 1.0, -1.0], [1.1, 0.9, -1.0], ["a", "b", "c"]).axes[0].texts[1].get_text() == "a, b"


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"after has shape \(1, 1, 1\), should be \(2, 1, 1\)"):
        one_part(after=np.zeros((1, 1, 1)))
    with pytest.raises(ValueError, match="'middle'"):
        one_part().without("middle")


@pytest.mark.parametrize("compact", [False, True])
def test_a_folder_gives_the_model_back(tmp_path: Path, compact: bool) -> None:
    texts = ["not good", "very bad not the film"]
    for m in (many_parts(), one_part(), one_part(modifiers=(), after=None)):
        back = zoo.load(zoo.save(m, tmp_path / "m", compact=compact))
        assert isinstance(back, AugmentedBagOfWords)
        assert (back.modifiers, back.taps, back.length_exponent) == (m.modifiers, m.taps, m.length_exponent)
        np.testing.assert_allclose(back.logits(texts), m.logits(texts), rtol=5e-3 if compact else 1e-6, atol=1e-2)


# --- training ---------------------------------------------------------------------------------


def corpus(n: int, seed: int = 0) -> Reviews:
    """Texts of 30 words from a list of six; "flip" turns the valence of the next word round, and of no other."""
    rng = np.random.default_rng(seed)
    words = np.array(["great", "nice", "awful", "dull", "flip", "table"])
    value = np.array([2.0, 1.0, -2.0, -1.0, 0.0, 0.0])
    picked = rng.choice(6, size=(n, 30), p=[0.15, 0.15, 0.15, 0.15, 0.25, 0.15])
    sign = np.ones(picked.shape)
    sign[:, 1:] = np.where(picked[:, :-1] == 4, -1, 1)
    score = (value[picked] * sign).sum(1)
    clear = np.abs(score) > 0.5
    texts = tuple(" ".join(words[row]) for row in picked[clear])
    return Reviews("flips", "train", texts, (score[clear] > 0).astype(np.int64))


FLIPS = AugmentedConfig(
    n_parts=1, two_sided=False, beginning=False, end=False, taus=(0.5, 3.0), taps=8, length_exponent=0.0, beta_l2=1e-5,
    filter_l2=1e-5, epochs=4, learning_rate=0.03, batch_size=64,
)  # fmt: skip


def test_training_finds_the_word_that_flips_the_next() -> None:
    train, test = corpus(3000), corpus(1000, seed=1)
    m = train_augmented(FLIPS, train, ["flip", "table", "unseen"], test=test, progress=False)
    assert m.modifiers == ("flip", "table")
    flip, table = 1 + m.filters[:, 0]
    assert flip[0] == pytest.approx(-1, abs=0.2)  # the next word counts −1 times
    np.testing.assert_allclose(flip[1:], 1, atol=0.25)
    np.testing.assert_allclose(table, 1, atol=0.25)
    assert m.record["test"]["accuracy"] > 0.97
    plain = train_augmented(FLIPS, train, test=test, progress=False)
    assert plain.record["test"]["accuracy"] < m.record["test"]["accuracy"] - 0.1
    assert plain.modifiers == ()


def test_word_vectors_are_a_prior_on_valence(tmp_path: Path) -> None:
    """A word that training hardly saw takes its valence from its neighbours in the vector space."""
    train = corpus(1500)
    rare = Reviews(train.name, "train", (*train.texts, "superb superb table"), np.append(train.labels, 1))
    axis = {"great": 2.0, "nice": 1.0, "awful": -2.0, "dull": -1.0, "superb": 2.0, "flip": 0.0, "table": 0.0}
    file = tmp_path / "vectors.npz"
    np.savez(file, words=list(axis), vectors=np.array([[v, 0.1] for v in axis.values()], np.float32))
    for vectors, low, high in ((str(file), 0.5, 2.0), ("none", -0.2, 0.2)):
        config = dataclasses.replace(FLIPS, vectors=vectors, beta_l2=1e-2, epochs=2)
        m = train_augmented(config, rare, ["flip"], progress=False)
        superb, great = m.parts.sum(1)[m.vocabulary.numbers(["superb", "great"])]
        assert low < superb / great < high, vectors


# --- the experiment (scripts/augmented.py) ----------------------------------------------------


def rights(accuracy: float, n: int = 4000, seeds: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((seeds, n)) < accuracy


def test_share_of_a_gap() -> None:
    bag, network = rights(0.8, seed=1), rights(0.9, seed=2)
    everything = script.gap_share(bag, network, network)
    assert everything.value == pytest.approx(1)
    assert everything.low < 1 < everything.high  # seeds are drawn anew for each
    assert script.gap_share(bag[:1], network[:1], network[:1]) == pytest.approx((1, 1, 1))
    assert script.gap_share(bag[:1], bag[:1], network[:1]) == pytest.approx((0, 0, 0))
    half = np.concatenate([bag[:1, :2000], network[:1, 2000:]], 1)
    made = script.gap_share(bag[:1], half, network[:1])
    assert made.value == pytest.approx((half.mean() - bag[0].mean()) / (network[0].mean() - bag[0].mean()))
    assert made.low < made.value < made.high
    assert made.high - made.low < 0.5
    with pytest.raises(ValueError, match="no gap"):
        script.gap_share(network, bag, bag)


def test_accuracies_of_one_seed_vary_as_the_bootstrap_says() -> None:
    before, after = rights(0.8, seed=1)[:1], rights(0.9, seed=2)[:1]
    a, b = script.accuracies(before, after)
    other = stats.bootstrap(after[0].astype(float) - before[0].astype(float))
    np.testing.assert_allclose(stats.estimate(b - a), other, atol=2e-3)


def test_the_interval_covers_the_truth() -> None:
    """Over repeated draws from a known law, the interval holds the true share about 95 times in 100."""
    covered = 0
    for trial in range(100):
        u = np.random.default_rng(trial).random((1, 3000))
        a, b, c = script.accuracies(u < 0.8, u < 0.85, u < 0.9, draws=300)
        found = stats.estimate((b - a) / (c - a))
        covered += found.low <= 0.5 <= found.high
    assert covered >= 85


def test_share_of_a_gap_by_ranking() -> None:
    """A model's zero does not matter; nor does a network that ranks as the bag does."""
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 2, 400)
    bag, network = (labels + rng.normal(0, s, (1, 400)) for s in (1.0, 0.3))
    assert script.auc_share(labels, bag, network - 5, network, draws=9).value == pytest.approx(1)
    assert script.auc_share(labels, bag, 3 * bag + 1, network, draws=9).value == pytest.approx(0, abs=1e-9)


def test_yardsticks_read_words() -> None:
    found = {r["network"]: r for r in script.yardsticks(corpus(600), corpus(300, seed=1))}
    # presence of words says little when all words stand in nearly all texts; pairs say more
    assert found["NB-SVM, bigrams"]["value"] > found["unigrams"]["value"]
    assert all(r["low"] < r["value"] < r["high"] for r in found.values())


def test_other_words_as_modifiers() -> None:
    ranked = ("not", "very")
    assert script.candidates("", ranked, VOCABULARY, 0) == ["not", "very"]
    assert script.candidates("frequent words", ranked, VOCABULARY, 0) == ["good", "bad"]
    drawn = [script.candidates("random words", ranked, VOCABULARY, seed) for seed in range(20)]
    assert {w for words in drawn for w in words} == set(WORDS[2:])
    assert all(len(set(words)) == 2 for words in drawn)


def test_training_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = dataclasses.replace(FLIPS, epochs=1, n_parts=2, two_sided=True, beginning=True, end=True)
    made = script.trained(tmp_path / "m.safetensors", config, ["flip"], corpus(300))
    ran = []
    monkeypatch.setattr(script, "train_augmented", lambda *args, **options: ran.append(args))
    np.testing.assert_array_equal(
        script.trained(tmp_path / "m.safetensors", config, ["flip"], corpus(300)).parts, made.parts
    )
    assert not ran
    script.trained(tmp_path / "m.safetensors", dataclasses.replace(config, seed=1), ["flip"], corpus(300))
    assert len(ran) == 1
