"""Modifiers against independent truth: a network built by hand whose gating is known, brute force, closed forms."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from conftest import point_at, random_point

from rnnrev import linear, modifiers, subspace
from rnnrev.book import modifiers as page
from rnnrev.cells import CELLS, Cell
from rnnrev.data import PAD, UNKNOWN, Vocabulary
from rnnrev.linear import valence
from rnnrev.model import SentimentRNN

KEEP, KNOB, FADE = 4.0, 2.0, 0.6  # gate bias of the integrator, what the knob does to it, how the knob fades
WORDS = ("the", "film", "good", "great", "bad", "awful", "not", "very")
VALENCE = np.array([0, 0, 0.5, 1.0, -0.5, -1.0, 0, 0])
TURN = np.array([0, 0, 0, 0, 0, 0, -0.8, 0.8])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.fixture(scope="module")
def volume():
    """A UGRNN of two units: unit 0 integrates valence, unit 1 is a volume knob that gates its input and fades.

    h0' = g h0 + (1 − g) tanh(valence) with g = σ(KEEP − KNOB h1); h1' = FADE h1 + (1 − FADE) tanh(turn).
    """
    W, U = np.zeros((2, 4)), np.zeros((2, 4))
    W[0, 2], W[1, 3] = 1, 1  # candidates: valence into unit 0, turn into unit 1
    U[1, 0] = -KNOB
    b = np.array([KEEP, np.log(FADE / (1 - FADE)), 0, 0])
    cell = Cell("ugrnn", W, U, b, np.zeros(4), np.zeros(2))
    embedding = np.zeros((len(WORDS) + 2, 2))
    embedding[2:, 0], embedding[2:, 1] = VALENCE, TURN
    counts = np.array([0, 0, 50, 50, 5, 5, 5, 5, 5, 5])
    model = SentimentRNN(
        cell, embedding, Vocabulary((PAD, UNKNOWN, *WORDS)), np.array([10.0, 0.0]), np.float64(0), counts=counts
    )
    return point_at(model, np.zeros(2))


def knob_gain(h1):
    """How much the integrator's input grows when the knob stands at h1."""
    return (1 - sigmoid(KEEP - KNOB * h1)) / (1 - sigmoid(KEEP)) - 1


def after(turn):
    return (1 - FADE) * np.tanh(turn)


def test_valence_in_closed_form(volume):
    expected = 10 * (1 - sigmoid(KEEP)) * np.tanh(VALENCE)
    assert volume.r @ [1, 0] == pytest.approx(1)
    np.testing.assert_allclose(valence(volume, WORDS), expected, atol=1e-12)


def test_probes_are_the_most_valent_words_of_each_sign(volume):
    probes = modifiers.probe_words(volume, 2)
    assert probes.words == ("great", "good", "awful", "bad")
    np.testing.assert_array_equal(probes.sign, [1, 1, -1, -1])
    with pytest.raises(linear.Unmeasured, match="frequent enough"):
        modifiers.probe_words(volume, 5)


def test_effects_and_kinds_of_a_known_network(volume):
    table = modifiers.modifier_effects(volume, probes=modifiers.probe_words(volume, 2)).set_index("word")
    for word, turn in (("not", -0.8), ("very", 0.8)):
        assert table.gain[word] == pytest.approx(knob_gain(after(turn)), abs=1e-4)
        assert table.positive[word] == pytest.approx(table.negative[word], abs=1e-4)
        assert table.own[word] == pytest.approx(0, abs=1e-6)
        # the Jacobian of an input that the gate multiplies changes by the same factor
        assert table.positive_jacobian[word] == pytest.approx(knob_gain(after(turn)), abs=1e-4)
    assert table.strength["film"] == pytest.approx(0, abs=1e-5)
    assert table.index[0] == "not" or table.index[0] == "very"
    assert table.kind["very"] == "intensifier"
    for word in ("not", "very"):  # halving counts as much as doubling
        assert table.strength[word] == pytest.approx(
            -table.gain[word] if word == "not" else 1 - 1 / (1 + table.gain[word])
        )
    assert table.kind["not"] == "diminisher"  # takes two fifths: more than a third, less than a half


def test_half_life_of_a_knob_that_fades_by_a_known_factor(volume):
    found = modifiers.transients(volume, ["not", "very"], 30, modifiers.probe_words(volume, 2))
    n = np.arange(31)
    for row, turn in enumerate((-0.8, 0.8)):
        # h* moves on, by what an average word adds, but the knob only fades
        expected = knob_gain(after(turn) * FADE**n)
        np.testing.assert_allclose(found.gain[row], expected, rtol=0.03, atol=2e-3)
        half = np.interp(-0.5, -expected / expected[0], n)
        assert found.half_life[row] == pytest.approx(half, abs=0.05)
    assert found.tau == pytest.approx(-1 / np.log(FADE), rel=0.25)


def test_modes_account_for_the_transient(volume):
    probes = modifiers.probe_words(volume, 2)
    account = linear.mode_kernel(volume, ["not"], range(11), read=page.gain_gradient(volume, probes))
    gradient = knob_gain(1e-6) / 1e-6
    expected = gradient * after(-0.8) * FADE ** np.arange(11)
    np.testing.assert_allclose(account.total[0], expected, rtol=0.02, atol=1e-4)
    assert account.modes.tau[np.abs(account.parts[0, :, 0]).argmax()] == pytest.approx(-1 / np.log(FADE), rel=1e-6)


def test_gain_gradient_against_finite_differences(volume):
    probes, step = modifiers.probe_words(volume, 2), 1e-5

    def gain(h):
        effect = (valence(volume, probes.numbers, h) - probes.valence).reshape(2, 2)
        return (effect.mean(1) / probes.valence.reshape(2, 2).mean(1)).mean()

    numeric = [(gain(step * e) - gain(-step * e)) / (2 * step) for e in np.eye(2)]
    np.testing.assert_allclose(page.gain_gradient(volume, probes), numeric, atol=1e-6)


def test_the_subspace_is_the_knob(volume):
    found = subspace.modifier_subspace(volume, ["not", "very"], 1)
    assert found.basis[1, 0] == pytest.approx(1)  # turned so that words count more on the positive side
    assert found.variance[0] == pytest.approx(1)
    with pytest.raises(ValueError, match="span no 3"):
        subspace.modifier_subspace(volume, ["not", "very"], 3)


@pytest.mark.parametrize("kind", CELLS)
def test_norms_and_barcodes_against_full_jacobians(kind):
    point = random_point(kind, 12, 30)
    probes = modifiers.Probes(("w0", "w1", "w2"), np.array([2, 3, 4]), np.array([1.0, 1.0, -1.0]))
    words = [f"w{i}" for i in range(10, 20)]
    table = modifiers.modifier_effects(point, words, probes).set_index("word").loc[words]
    codes = modifiers.barcode(point, words, probes)
    F, cell, read = point.mean_map, point.model.cell, linear.slow_readout(point)
    x = point.model.embed(words)
    base = F.jacobians(point.h_star).J_inp
    x_mean = point.model.frequencies @ point.model.embedding
    for i, xm in enumerate(x):
        h = cell(point.h_star, xm)
        change = F.jacobians(h).J_inp - base
        assert table.norm.iloc[i] == pytest.approx(np.linalg.norm(change) / np.linalg.norm(base), rel=1e-3)
        for k, probe in enumerate(point.model.embed(probes.words)):
            assert codes.jacobian[i, k] == pytest.approx(read @ change @ (probe - x_mean))
            finite = (cell(h, probe) - F(h)) - (cell(point.h_star, probe) - F(point.h_star))
            assert codes.finite[i, k] == pytest.approx(read @ finite)
        assert table.rms.iloc[i] == pytest.approx(np.sqrt(np.mean(codes.finite[i] ** 2)), rel=1e-3)


def test_a_linear_network_has_no_modifiers():
    point = random_point("vanilla", 12, 30)
    # with tiny weights tanh is the identity, and J_inp the same everywhere
    cell = Cell("vanilla", 1e-5 * point.model.cell.W, 0.9 * np.eye(12), np.zeros(12), np.zeros(12), np.zeros(12))
    model = SentimentRNN(
        cell, point.model.embedding, point.model.vocabulary, point.model.w, np.float64(0), counts=point.model.counts
    )
    point = point_at(model, np.zeros(12))
    order = np.argsort(valence(point, np.arange(len(point.model.vocabulary)), inputs="jacobian"))
    chosen = np.r_[order[-3:], order[:3]]
    probes = modifiers.Probes(("",) * 6, chosen, valence(point, chosen))
    np.testing.assert_allclose(modifiers.barcode(point, [5, 6, 7], probes).jacobian, 0, atol=1e-12)
    table = modifiers.modifier_effects(point, probes=probes)
    assert table.gain.abs().max() < 1e-6
    assert (table.kind == "other").all()


@pytest.mark.parametrize("kind", CELLS)
def test_subspace_identities(kind):
    point = random_point(kind, 12, 30)
    found = subspace.modifier_subspace(point, [f"w{i}" for i in range(20)], 4)
    P, l, r = np.eye(len(found.basis)) - found.basis @ found.dual.T, point.l, point.r
    np.testing.assert_allclose(P @ P, P, atol=1e-10)
    np.testing.assert_allclose(l @ P, l, atol=1e-10)
    np.testing.assert_allclose(P @ r, r, atol=1e-10)
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(4), atol=1e-10)
    c = np.random.default_rng(0).normal(size=(3, 4))
    np.testing.assert_allclose(found.coordinates(found.state(c)), c, atol=1e-10)
    np.testing.assert_allclose(found.take(2).basis, found.basis[:, :2])
    # the axes are ordered by what they hold, and hold what they say
    d = subspace.deflections(point, [f"w{i}" for i in range(20)])
    np.testing.assert_allclose(l @ d.T, 0, atol=1e-10)
    np.testing.assert_allclose(found.variance, np.sum((d @ found.basis) ** 2, 0) / np.sum(d**2))
    assert (np.diff(found.variance) <= 0).all()
    with pytest.raises(ValueError, match="identity"):
        subspace.Subspace(point.h_star, found.basis, 2 * found.dual)


def test_controls():
    point = random_point("gru", 12, 30)
    like = subspace.modifier_subspace(point, [f"w{i}" for i in range(20)], 2)
    states = point.h_star + np.random.default_rng(1).normal(size=(400, 12)) * np.linspace(0.1, 1, 12)
    random = subspace.random_subspace(point, 2, seed=3)
    np.testing.assert_allclose(point.l @ random.basis, 0, atol=1e-10)
    matched = subspace.matched_subspace(point, like, states, seed=3)
    share = subspace._captured(point, like, states)
    assert subspace._captured(point, matched, states) == pytest.approx(share, rel=0.02)
    np.testing.assert_allclose(like.basis.T @ matched.basis, 0, atol=1e-8)
    on_a_line = point.h_star + np.random.default_rng(1).normal(size=(400, 12)) * 10.0 ** -np.arange(12)
    matched = subspace.matched_subspace(point, like, on_a_line, seed=3)
    np.testing.assert_allclose(point.l @ matched.basis, 0, atol=1e-6)
    slow = subspace.slow_subspace(point)
    P = np.eye(len(slow.basis)) - slow.basis @ slow.dual.T
    np.testing.assert_allclose(P @ point.r, 0, atol=1e-10)
    np.testing.assert_allclose(point.l @ P, 0, atol=1e-10)


def test_dimension_of_a_planted_subspace(volume):
    words = ["not", "very", "good", "bad"] * 3
    found = subspace.subspace_dimension(volume, words, WORDS * 4, modifiers.probe_words(volume, 2))
    assert found.k == 1
    assert found.left[0] == 1
    assert found.left[1] == pytest.approx(0, abs=1e-6)


def test_a_dimension_that_was_not_reached_says_so():
    """Twelve units share all words' effects: eight axes never take 90 % away."""
    point = random_point("gru", 12, 30)
    words = [f"w{i}" for i in range(20)]
    probes = modifiers.Probes(("w20", "w21"), np.array([22, 23]), np.array([1.0, -1.0]))
    found = subspace.subspace_dimension(point, words, [f"w{i}" for i in range(30)], probes)
    assert np.maximum(found.left, found.left_now).min() > 0.1
    assert found.k is None
    assert str(found) == "more than 8"
    assert found.axes == 8
    reached = replace(found, k=2)
    assert (str(reached), reached.axes) == ("2", 2)
    with pytest.raises(linear.Unmeasured, match="at least four"):
        subspace.subspace_dimension(point, words[:3], words, probes)


def test_control_words_are_no_modifiers_and_as_frequent():
    point, rng = random_point("gru", 12, 300), np.random.default_rng(0)
    table = pd.DataFrame({"word": [f"w{i}" for i in range(300)], "number": np.arange(2, 302)})
    table["per_million"] = 1e6 * point.model.frequencies[2:]
    table["kind"] = rng.permuted(["negator", "other", "other"] * 100)
    like = subspace.modifier_subspace(point, list(table.word[table.kind == "negator"][:30]), 3)
    first, second = subspace.control_subspaces(point, like, table, 2)
    by_word = table.set_index("word")
    for control in (first, second):
        assert control.dim == 3
        assert len(set(control.words)) == len(control.words) == 30
        assert (by_word.kind[list(control.words)] == "other").all()
    logs = [np.log(by_word.per_million[list(s.words)]) for s in (like, first)]
    assert abs(logs[0].mean() - logs[1].mean()) < 0.3
    assert first.words != second.words
    with pytest.raises(linear.Unmeasured, match="other words"):
        subspace.control_subspaces(point, like, table[table.kind == "negator"])


def test_the_chosen_subspace_is_of_the_rankings_top_and_of_the_chosen_dimension(volume):
    table = pd.DataFrame({"word": [*WORDS[::-1]] * 30})
    dimension = subspace.Dimension(1, *np.zeros((5, 8)), k_variance=1)
    found = subspace.chosen_subspace(volume, table, dimension)
    assert (found.dim, found.words) == (1, tuple(table.word[:24]))
    assert [len(subspace.top_words(table[:n])) for n in (3, 60, 1000)] == [3, 6, 24]
    assert abs(found.basis[1, 0]) == pytest.approx(1)


def test_decay_of_an_exponential():
    half, tau = modifiers._decay(-0.7 * np.exp(-np.arange(60) / 5))
    assert tau == pytest.approx(5, rel=1e-4)
    assert half == pytest.approx(5 * np.log(2), abs=0.03)
    assert np.isnan(modifiers._decay(np.ones(10))[0])


def test_lexicon_is_clean():
    table = modifiers.lexicon()
    assert set(table.kind) == {"negator", "amplifier", "downtoner"}
    assert table.word.is_unique
    assert not table.isna().any().any()


def fake_table(rng, n=400):
    known = modifiers.lexicon().word[:40]
    words = [*known, *(f"w{i}" for i in range(n))]
    return pd.DataFrame({
        "word": words, "per_million": np.exp(rng.normal(4, 1, len(words))), "own": rng.normal(size=len(words)),
        "kind": "other", "strength": rng.random(len(words)),
    })  # fmt: skip


def test_judging_a_perfect_and_a_random_ranking():
    rng = np.random.default_rng(0)
    table = fake_table(rng)
    chance = modifiers.ranking_auc(table)
    assert chance.auc.low < 0.5 < chance.auc.high
    assert chance.chance == pytest.approx(40 / 440)
    table.loc[:39, "strength"] += 1
    perfect = modifiers.ranking_auc(table)
    assert perfect.auc == (1, 1, 1)
    assert perfect.precision20 == 1
    assert perfect.precision50 == pytest.approx(0.8)
    assert modifiers.ranking_auc(table, "-strength").auc.value == 0
    with pytest.raises(linear.Unmeasured, match="none of the words"):
        modifiers.ranking_auc(table, kinds=("pronoun",))


def test_matched_words_are_as_frequent_and_as_valent():
    table = fake_table(np.random.default_rng(1))
    rows = modifiers.matched_words(table, modifiers.lexicon().word, 5)
    assert rows.shape == (40, 5)
    assert rows.min() >= 40
    near = np.abs(np.log(table.per_million.to_numpy()[rows]) - np.log(table.per_million.to_numpy()[:40])[:, None])
    assert np.median(near) < 0.2


@pytest.mark.filterwarnings("ignore")  # eight words: some bootstrap draws hold one word only
def test_volume_of_a_network_with_one_knob(volume):
    probes = modifiers.probe_words(volume, 2)
    table = modifiers.modifier_effects(volume, probes=probes)
    found = subspace.volume(volume, table, subspace.modifier_subspace(volume, ["not", "very"], 1), probes)
    np.testing.assert_allclose(found.curve, 1 + knob_gain(found.x), rtol=1e-6)
    assert found.correlation.value > 0.98
    assert (np.diff(subspace._loudness(volume, np.stack([0 * found.x, found.x], 1))) > 0).all()


def test_half_lives_by_kind():
    found = modifiers.Transients(("a", "b", "c", "d"), None, None, np.array([1.0, 2.0, np.nan, 4.0]), np.ones(4))
    table = pd.DataFrame({"word": list("abcde"), "kind": ["negator", "intensifier", "negator", "negator", "other"]})
    halves = modifiers.half_lives(found, table)
    assert {k: v.tolist() for k, v in halves.items()} == {"negator": [1, 4], "intensifier": [2]}


def test_barcodes_of_one_pattern_cluster_by_sign():
    rng = np.random.default_rng(0)
    probes = modifiers.Probes(tuple("abcd"), np.arange(4), np.array([1.0, 2, -1, -2]))
    gains = np.r_[rng.uniform(0.5, 2, 10), rng.uniform(-0.9, -0.3, 10)]
    finite = gains[:, None] * probes.valence
    codes = modifiers.Barcodes(tuple("x" * 20), probes, finite, finite)
    found = modifiers.cluster_barcodes(codes, ["amplifier"] * 10 + ["negator"] * 10)
    assert found.agreement == 1
    assert found.chance < 0.5
    assert found.one == pytest.approx(1)
    assert found.valence == pytest.approx(1)


def test_linear_fit_is_one_where_theory_and_network_agree():
    gain = np.random.default_rng(0).normal(size=(20, 6))
    found = modifiers.Transients(("a",) * 20, gain, gain, np.ones(20), np.ones(20))
    assert modifiers.linear_fit(found).value == 1
    assert modifiers.linear_fit(replace(found, linear_gain=0 * gain)).value == 0


@pytest.mark.parametrize("n_steps", [0, 1, 7])
def test_settled_gain_in_closed_form(volume, n_steps):
    """The deposit is scaled by the knob, and what is kept of it by the knob as it fades."""
    probes = modifiers.probe_words(volume, 2)
    gains = page.settled_gain(volume, ["not", "very", "film"], probes, n_steps)
    for gain, turn in zip(gains, (-0.8, 0.8, 0.0)):
        knob = after(turn) * FADE ** np.arange(1, n_steps + 1)
        kept = np.prod(sigmoid(KEEP - KNOB * knob) / sigmoid(KEEP))
        assert gain == pytest.approx((1 + knob_gain(after(turn))) * kept - 1, abs=1e-9)
