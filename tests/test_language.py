"""The language against sums done by hand, closed forms and its own statistics."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from rnnrev.book.language import TWELVE_WORDS, Language, Modifier
from rnnrev.book.subjects import SubjectLanguage
from rnnrev.data import tokenize

PLAIN = Language(
    n_valence=4, modifiers=(Modifier("flip", -2.0, 2.0, -0.5), Modifier("both", 1.0, 3.0, both_ways=True)),
    n_decoys=1, start_gain=0.0, end_gain=0.0, min_tokens=3, max_tokens=9,
)  # fmt: skip


def total(language: Language, text: str) -> float:
    return float(language.totals(*language.encode([text]))[0])


def test_sentences_by_hand():
    # good1 counts 1, good2 counts 1/2
    assert total(PLAIN, "thing001 good1 good2") == pytest.approx(1.5)
    # right after the flip the factor is 1 − 2, one token later 1 − 2 e^{−1/2}; the flip has −0.5 of its own
    assert total(PLAIN, "flip good1") == pytest.approx(-0.5 - 1)
    assert total(PLAIN, "flip thing001 bad1") == pytest.approx(-0.5 - (1 - 2 * np.exp(-0.5)))
    # the second word does not act on the first, but the one that acts both ways does
    assert total(PLAIN, "good1 flip") == pytest.approx(1 - 0.5)
    assert total(PLAIN, "good1 both good1") == pytest.approx(2 + 2)
    # modifiers add up
    assert total(PLAIN, "flip both good1") == pytest.approx(-0.5 * 2 + (1 - 2 * np.exp(-0.5) + 1))
    assert total(PLAIN, "decoy1 good1") == pytest.approx(1)


def test_beginning_and_end_by_hand():
    language = replace(PLAIN, start_gain=1.0, start_length=2.0, end_gain=3.0, end_length=5.0)
    expected = (1 + 1 + 3 * np.exp(-2 / 5)) + (1 + np.exp(-1) + 3) / 2
    assert total(language, "good1 thing001 good2") == pytest.approx(expected)
    padded, lengths = language.encode(["good1 thing001 good2", "bad1"])
    np.testing.assert_allclose(language.totals(padded, lengths), [expected, -5])
    without = language.totals(padded, lengths, start=False, end=False, modifiers=False)
    np.testing.assert_allclose(without, [1.5, -1])


def test_the_beginning_among_words_that_amplify_and_among_words_that_do_not():
    language = replace(
        PLAIN, modifiers=(Modifier("amp", 2.0, 3.0),), start_gain=1.5, start_length=2.0, modifier_share=0.2
    )
    assert language.beginning(["thing001", "decoy1"], n=50) == pytest.approx(2.5, rel=1e-3)
    q = 0.5  # "amp" and "decoy1" are equally frequent; the sum over lags is geometric
    middle = 1 + 2 * q * (1 - np.exp(-20 / 3)) / (1 - np.exp(-1 / 3))
    assert language.beginning(["amp", "decoy1"], n=4000) == pytest.approx(2.5 / middle, rel=0.02)


def test_factors_equal_the_double_sum(rng):
    language = Language(max_tokens=25)
    padded, lengths = language.sample_ids(5, seed=3)
    known = {m.word: m for m in language.modifiers}
    found = language.factors(padded, lengths)
    for row in range(5):
        T = lengths[row]
        words = [language.vocabulary.words[i] for i in padded[row, :T]]
        for t in range(T):
            f = 1 + 1.5 * np.exp(-t / 3) + 1.5 * np.exp(-(T - 1 - t) / 3)
            for s, word in enumerate(words):
                if word in known and (s < t or (s > t and known[word].both_ways)):
                    f += known[word].gain * np.exp(-(abs(t - s) - 1) / known[word].decay)
            assert found[row, t] == pytest.approx(f)


def test_probabilities_and_bayes_accuracy_of_one_sentence():
    assert PLAIN.probabilities(np.array([0.8]))[0, 1] == pytest.approx(expit(0.8 / 0.3))
    # a language that can only say good1: S = T, so the Bayes accuracy is the mean of σ(T/noise) over lengths
    only = Language(
        n_valence=2, modifiers=(), n_decoys=0, start_gain=0, end_gain=0, valence_share=1 - 1e-9, min_tokens=1,
        max_tokens=1, n_neutral=1, noise=2.0,
    )  # fmt: skip
    assert only.bayes(1000).value == pytest.approx(expit(1 / 2.0))


def test_bayes_accuracy_is_reached_by_the_best_reader():
    for language in (Language(), Language().with_classes(3), Language(n_topics=3, n_valence=60)):
        reviews = language.sample(20_000, seed=5)
        guess = language.probabilities(language.totals(*language.encode(reviews.texts))).argmax(-1)
        reached = np.mean(guess == reviews.labels)
        bayes = language.bayes(20_000, seed=6)
        assert abs(reached - bayes.value) < 4 * np.sqrt(bayes.value * (1 - bayes.value) / 20_000)


def test_ordered_and_unordered_classes():
    three = Language().with_classes(3)
    labels = three.sample(6000, seed=1).labels
    np.testing.assert_allclose(np.bincount(labels) / 6000, 1 / 3, atol=0.04)
    p = three.probabilities(np.array([-50.0, 50.0]))
    np.testing.assert_allclose(p, [[1, 0, 0], [0, 0, 1]], atol=1e-9)
    topics = Language(n_topics=4, n_valence=60)
    assert topics.totals(*topics.encode(["topic3w01 thing001"])).argmax() == 2
    assert topics.valence.sum(0) == pytest.approx(np.full(4, 8.0))  # 15 words each, evenly up to 1
    assert topics.n_classes == 4


def test_sampling_statistics():
    language = Language()
    padded, lengths = language.sample_ids(4000, seed=2)
    assert (lengths.min(), lengths.max()) == (10, 40)
    assert ((padded > 0).sum(1) == lengths).all()
    found = np.bincount(padded[padded > 0], minlength=len(language.vocabulary)) / lengths.sum()
    expected = language.frequencies
    assert expected.sum() == pytest.approx(1)
    error = np.abs(found - expected) / np.sqrt(np.maximum(expected, 1e-9) / lengths.sum())
    assert error[2:].max() < 5
    table = language.to_frame()
    shares = table.groupby("role").per_million.sum() / 1e6
    assert shares["positive"] + shares["negative"] == pytest.approx(language.valence_share)
    assert shares["modifier"] == pytest.approx(language.modifier_share)


def test_background_is_the_mean_factor_in_mid_text():
    language = replace(Language(), start_gain=0.0, end_gain=0.0, min_tokens=200, max_tokens=200)
    middle = language.factors(*language.sample_ids(2000))[:, 80:120]
    assert middle.mean() - 1 == pytest.approx(language.background, abs=0.02)


def test_texts_are_their_tokens_and_depend_on_the_seed():
    language = Language()
    reviews = language.sample(50, seed=4)
    padded, lengths = language.sample_ids(50, seed=4)
    again, _ = language.encode(reviews.texts)
    np.testing.assert_array_equal(again, padded[:, : again.shape[1]])
    assert all(len(tokenize(t)) == n for t, n in zip(reviews.texts, lengths))
    assert reviews.fingerprint == language.sample(50, seed=4).fingerprint
    assert reviews.fingerprint != language.sample(50, seed=5).fingerprint


def test_truth_table_and_text():
    table = Language().to_frame().set_index("word")
    assert table.loc["good01", "valence"] == 1
    assert table.loc["bad30", "valence"] == pytest.approx(-1 / 30)
    assert table.loc["flip2", ["kind", "gain", "decay"]].tolist() == ["flip", -2.0, 3.0]
    assert table.loc["decoy1", "kind"] == "decoy"
    assert table.loc["decoy1", "gain"] == 0
    assert table.loc["both1", "both_ways"]
    said = str(Language())
    for piece in ("flip3", "decoy4", "both ways", "0.3"):
        assert piece in said
    steps = PLAIN.explain("flip good1")
    assert steps["sum"].tolist() == pytest.approx([-0.5, -1.5])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"noise": 0.0}, "noise"),
        ({"n_valence": 7}, "multiple of 2"),
        ({"valence_share": 0.95}, "neutral"),
        ({"cuts": (1.0, 1.0)}, "increase"),
        ({"n_topics": 2}, "at least 3"),
        ({"min_tokens": 90}, "less than min_tokens"),
        ({"modifiers": (Modifier("good01", 1.0),)}, "same name"),
    ],
)
def test_nonsense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(Language(), **change)


def test_a_modifier_without_end_is_refused():
    with pytest.raises(ValueError, match="decay"):
        Modifier("no", -2.0, 0.0)


# --- modifiers with a reach, and the sum so far -------------------------------------------------------


def slow_sums(language: Language, words: list[str]) -> list[float]:
    """The running sum, token by token, as one would work it out by hand."""
    valence = dict(zip(language.vocabulary.words, language.valence))
    known = {m.word: m for m in language.modifiers}
    total, said = 0.0, []
    for t, word in enumerate(words):
        faded, times = 1 + language.start_gain * np.exp(-t / language.start_length), 1.0
        for s in range(t):
            m = known.get(words[s])
            if m is None:
                continue
            if not m.reach:
                faded += m.gain * np.exp(-(t - s - 1) / m.decay)
            elif t - s <= m.reach:
                times *= 1 + m.gain
        total += valence[word] * faded * times
        said.append(total)
    return said


MIXED = replace(
    TWELVE_WORDS, min_tokens=5, max_tokens=30, start_gain=0.5, start_length=2.0,
    modifiers=(*TWELVE_WORDS.modifiers, Modifier("hardly", -0.8, 2.0), Modifier("so", 0.5, reach=3)),
)  # fmt: skip


@pytest.mark.parametrize("language", [TWELVE_WORDS, MIXED])
def test_running_sums_equal_those_worked_out_token_by_token(language):
    padded, lengths = language.sample_ids(40, seed=3)
    found = language.running(padded, lengths)
    for row, n in zip(range(40), lengths):
        words = [language.vocabulary.words[i] for i in padded[row, :n]]
        np.testing.assert_allclose(found[row, :n], slow_sums(language, words), atol=1e-9)
        assert found[row, -1] == pytest.approx(found[row, n - 1])  # padding adds nothing
    np.testing.assert_allclose(language.totals(padded, lengths), found[:, -1])


@pytest.mark.parametrize(
    ("text", "sums"),
    [
        ("not a a bad good good", [0, 0, 0, 1, 0, 1]),  # the fourth token after not is the last it turns round
        ("very good good", [0, 2, 3]),
        ("not very awful", [0, 0, 4]),
        ("very very good", [0, 0, 2]),
        ("very the good", [0, 0, 1]),
        ("not not good", [0, 0, 1]),  # never drawn; by the rule both act
    ],
)
def test_the_twelve_words_by_hand(text, sums):
    assert TWELVE_WORDS.explain(text)["sum"].tolist() == pytest.approx(sums)


def test_the_twelve_words_are_those_of_the_paper():
    language = TWELVE_WORDS
    assert len(language.words) == 12
    table = language.to_frame().set_index("word")
    assert table.valence[["good", "bad", "awesome", "awful"]].tolist() == [1, -1, 2, -2]
    assert table.loc["not", ["gain", "reach"]].tolist() == [-2, 4]
    assert table.loc["very", ["gain", "reach"]].tolist() == [1, 1]
    assert np.isnan(table.decay).all()
    assert (table.role == "neutral").sum() == 6
    assert "not (-1.0× for 4 tokens)" in str(language)
    padded, lengths = language.sample_ids(4000, seed=1)
    assert (lengths == 50).all()
    number = language.vocabulary.number("not")
    where = padded == number
    assert not any((where[:, lag:] & where[:, :-lag]).any() for lag in range(1, 5))
    assert (where[:, 5:] & where[:, :-5]).any()
    # the other words stand side by side as they are drawn, and shares are those of mid-text
    middle = padded[:, 20:]
    found = np.bincount(middle.ravel(), minlength=14) / middle.size
    np.testing.assert_allclose(found, language.frequencies, atol=5 * np.sqrt(0.09 / middle.size))
    f = language.factors(padded, lengths)[:, 20:]
    assert f.mean() - 1 == pytest.approx(language.background, abs=0.02)  # not and very as if independent


def test_the_same_texts_again():
    np.testing.assert_array_equal(TWELVE_WORDS.sample_ids(5, 7)[0], TWELVE_WORDS.sample_ids(5, 7)[0])
    assert (TWELVE_WORDS.sample_ids(5, 7)[0] != TWELVE_WORDS.sample_ids(5, 8)[0]).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ("one",)}, "names must name"),
        ({"modifiers": (Modifier("x", 1.0, reach=1, alone=True), Modifier("y", 1.0, reach=1, alone=True))}, "alone"),
    ],
)
def test_nonsense_about_the_twelve_words_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(TWELVE_WORDS, **change)


@pytest.mark.parametrize("wrong", [{"reach": -1}, {"alone": True}, {"reach": 2, "both_ways": True}])
def test_a_reach_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match="reach"):
        Modifier("no", -2.0, **wrong)


@pytest.mark.parametrize("change", [{"end_gain": 1.0}, {"modifiers": (Modifier("x", 1.0, both_ways=True),)}])
def test_sums_that_depend_on_what_comes_later_are_refused(change):
    with pytest.raises(ValueError, match="so far"):
        replace(TWELVE_WORDS, **change).running(np.full((1, 3), 2), np.array([3]))


def test_subjects_leave_frequencies_and_meaning_alone_and_tell_of_the_next_word() -> None:
    plain = Language(min_tokens=40)
    language = SubjectLanguage(min_tokens=40, n_subjects=4, stay=0.9, own=0.6)
    np.testing.assert_allclose(language.shares @ language.subjects, language.frequencies)
    (padded, lengths), (before, _) = language.sample_ids(20_000, 5), plain.sample_ids(20_000, 5)
    first = len(plain.vocabulary) - plain.n_neutral
    assert ((padded == before) | ((padded >= first) & (before >= first))).all()
    np.testing.assert_array_equal(language.totals(padded, lengths), plain.totals(before, lengths))
    # two neutral words in a row are of one subject's words: Σ over both hidden subjects
    whose, p = (padded - first) % 4, language.shares
    pairs = (padded[:, :-1] >= first) & (padded[:, 1:] >= first)
    told = 0.6 * np.eye(4) + 0.4 * p  # of the words' subject by the hidden one
    joint = p[:, None] * (0.9 * np.eye(4) + 0.1 * p)
    same = np.trace(told.T @ joint @ told)
    assert np.mean((whose[:, :-1] == whose[:, 1:])[pairs]) == pytest.approx(same, abs=0.005)


def test_beliefs_of_the_best_reader_are_those_of_all_hidden_paths() -> None:
    language = SubjectLanguage(n_valence=2, n_neutral=4, n_subjects=2, modifiers=(), n_decoys=0, stay=0.8, own=0.6)
    words, E = np.array([4, 2, 7, 6]), language.subjects
    T = 0.8 * np.eye(2) + 0.2 * language.shares
    chance = np.zeros(2)
    for path in itertools.product(range(2), repeat=5):
        steps = [E[a, w] * T[a, b] for a, b, w in zip(path, path[1:], words)]
        chance[path[-1]] += language.shares[path[0]] * np.prod(steps)
    np.testing.assert_allclose(language.beliefs(words[None])[0, -1], chance / chance.sum())


@pytest.mark.parametrize(
    ("change", "match"), [({"stay": 1.0}, "stay < 1"), ({"n_subjects": 0}, "n_subjects"), ({"own": 2}, "own ≤ 1")]
)
def test_subjects_that_make_no_sense(change, match) -> None:
    with pytest.raises(ValueError, match=match):
        SubjectLanguage(**change)
