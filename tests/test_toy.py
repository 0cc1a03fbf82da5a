"""The toy of the twelve words: what training asks for, a network built by hand, modes removed from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rnnrev.book import inside, toy
from rnnrev.book.language import TWELVE_WORDS
from rnnrev.book.running_sum import RunningSum
from rnnrev.cells import WEIGHTS, initial_weights
from rnnrev.linear import OperatingPoint, eigenmodes
from rnnrev.model import SentimentRNN

FIVE = inside.FIVE_WORDS


def random_weights(kind: str, n_units: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    cell = initial_weights(kind, 12, n_units, 1)
    weights = {k: getattr(cell, k).astype(float) + 0.1 * rng.standard_normal(getattr(cell, k).shape) for k in WEIGHTS}
    return weights | {"w": rng.standard_normal(n_units), "readout_b": np.array(0.3)}


def test_what_is_trained_is_what_is_said():
    weights, noise = random_weights("lstm"), np.zeros((50, 51, 8), np.float32)
    model = toy.network(weights, "lstm", TWELVE_WORDS, "x")
    padded, lengths = TWELVE_WORDS.sample_ids(51, toy.TEST_SEED)
    learner = RunningSum(model.cell, weights["w"], 0.3)
    error = learner.squared_error(padded - 2, TWELVE_WORDS.running(padded, lengths).astype(np.float32), noise)
    assert toy.squared_error(model, n=51) == pytest.approx(float(error), rel=1e-5)


def test_training_lowers_the_error_and_can_be_had_again(tmp_path):
    seen = []
    once = toy.learn("ugrnn", 6, 3, FIVE, steps=300, rate=0.03, watch=seen.append)
    again = toy.learn("ugrnn", 6, 3, FIVE, steps=300, rate=0.03, watch=lambda model: True)
    errors = [e for _, e in once.record["curve"]]
    assert errors[-1] < errors[0] / 2
    assert [model.record["curve"][-1][0] for model in seen] == list(range(7, 301, 7))
    assert once.record["config"]["batch"] == 64
    np.testing.assert_array_equal(seen[0].cell.U, again.cell.U)
    kept = toy.load(toy.save(once, tmp_path / "new" / "x"))
    assert toy.squared_error(kept, FIVE, 100, toy.TEST_SEED + 5) == pytest.approx(errors[-1], rel=0.05)
    assert kept.record["curve"] == [list(row) for row in once.record["curve"]]


def test_short_texts_lean_to_a_side_and_follow_the_language():
    words, target = toy._drawn(TWELVE_WORDS, 400, np.random.default_rng(0), short=True)
    assert words.shape == (400, 20)
    lengths = np.full(400, 20)
    np.testing.assert_allclose(TWELVE_WORDS.running(words + 2, lengths), target, atol=1e-5)
    whole, sums = toy._drawn(TWELVE_WORDS, 400, np.random.default_rng(0), short=False)
    assert np.abs(target[:, -1]).mean() > 1.2 * np.abs(sums[:, 19]).mean()
    share = [np.bincount(w.ravel(), minlength=12) / w.size for w in (words, whole)]
    np.testing.assert_allclose(share[0][:2] + share[0][2:4], share[1][:2] + share[1][2:4], atol=0.02)
    np.testing.assert_allclose(share[0][4:], share[1][4:], atol=0.02)


# --- two units, by hand ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hand() -> SentimentRNN:
    return inside.by_hand()


@pytest.fixture(scope="module")
def point(hand: SentimentRNN) -> OperatingPoint:
    return inside.point_at(hand, inside.fixed_points(hand, FIVE))


def test_the_network_built_by_hand_reads_the_five_words():
    errors = [toy.squared_error(inside.by_hand(step), FIVE) for step in (0.08, 0.04, 0.02)]
    assert errors[2] < errors[1] / 3 < errors[0] / 9
    assert errors[2] < 1e-3
    for text in ("good", "not good", "very bad", "not the bad", "very good not bad"):
        said = inside.by_hand(0.02).trace(text).logits
        np.testing.assert_allclose(said, FIVE.explain(text)["sum"], atol=0.05)


def test_one_mode_of_it_stays_and_one_goes_at_once(hand, point):
    np.testing.assert_allclose(np.sort(point.modes.eigvals.real), [0, 1], atol=2e-3)
    assert abs(point.logit) < 0.1
    np.testing.assert_allclose(np.abs(point.r), np.sqrt(0.5), atol=1e-3)
    points = inside.fixed_points(hand, FIVE)
    np.testing.assert_allclose(points.h_star.sum(1), 0, atol=1e-3)  # the line h₂ = −h₁


def test_factors_after_modifiers(point):
    states = {w: inside.after(point, [w])[-1] for w in ("the", "not", "very")}
    for word, factor in (("the", 1), ("not", -1), ("very", 2)):
        assert inside.factor(point, states[word], FIVE) == pytest.approx(factor, abs=0.05)
    added = inside.added(point, states["not"], ["good", "bad"])
    np.testing.assert_allclose(added, [-1, 1], atol=0.05)


def test_the_fading_mode_carries_both_modifiers(point):
    for word in ("not", "very"):
        found = inside.carrier(point, word, FIVE)
        assert [len(g) for g in found.groups] == [1, 1]
        assert point.slow not in found.groups[found.best]
        assert found.undone[found.best] == pytest.approx(1, abs=0.02)
        assert found.others == pytest.approx(0, abs=1e-9)  # there are no others
        assert found.angle[found.best] < 3
        assert inside.dimensions(point, found, FIVE) == 1
    h = inside.after(point, ["not"])[-1]
    np.testing.assert_allclose(inside.without(point, h, [1 - point.slow]), point.h_star, atol=2e-3)


def test_groups_of_modes():
    J = np.zeros((5, 5))
    J[:2, :2] = [[0.5, -0.6], [0.6, 0.5]]
    J[2:, 2:] = np.diag([0.99, 0.3, -0.2])
    groups = inside.mode_groups(eigenmodes(J))
    assert [list(g) for g in groups] == [[0], [1, 2], [3], [4]]


def test_moving_the_bias_changes_no_text(hand):
    rng = np.random.default_rng(4)
    weights = random_weights("gru", 5)
    model = toy.network(weights, "gru", TWELVE_WORDS, "x")
    moved = inside.centred(model)
    text = "not a very good it while awful"
    np.testing.assert_allclose(moved.trace(text).logits, model.trace(text).logits, atol=1e-12)
    # no input is now the average noise word, which no number of other shifts changes
    h = rng.standard_normal((3, 5))
    v = rng.standard_normal(15)
    shifted = replace(model, cell=replace(model.cell, W=model.cell.W - v, b=model.cell.b + v))
    np.testing.assert_allclose(inside.zero_map(inside.centred(shifted))(h), inside.zero_map(moved)(h), atol=1e-12)
    assert np.abs(inside.zero_map(shifted)(h) - inside.zero_map(model)(h)).max() > 0.1
    quiet = model.vocabulary.numbers(["and", "a", "the", "for", "it", "while"])
    u = model.cell.project(model.embedding[quiet]).mean(0)
    np.testing.assert_allclose(inside.zero_map(moved)(h), model.cell.step_projected(h, u), atol=1e-12)


# --- what is shipped ---------------------------------------------------------------------------------


def test_shipped_networks_are_small_and_the_first_reached_the_limit():
    size = sum(f.stat().st_size for f in toy.FOLDER.glob("*"))
    assert size < 300_000
    model = toy.load()
    for small in (model, toy.load("gru-32-quick-0")):
        assert toy.squared_error(small, n=300) <= toy.LIMIT
    assert inside.phrase(model, ["not", "a", "a", "bad"], n=20).mean() == pytest.approx(1, abs=0.1)
    assert set(toy.names()) >= {f"{kind}-{seed}" for kind in ("gru-100", "gru-32-quick") for seed in range(3)}


def test_modes_are_removed_from_the_shipped_network():
    model = inside.centred(toy.load("gru-32-0").astype(np.float64))
    point = inside.point_at(model, inside.fixed_points(model, n=60))
    said = inside.undo(point)
    assert said["not a a bad"] == pytest.approx(1, abs=0.1)
    assert said["very good"] == pytest.approx(2, abs=0.1)
    found = inside.carrier(point, "not")
    # the share is the regression of what is left on the whole, over the valence words at the lags 1 to 4
    follow = inside.follow_ups(TWELVE_WORDS, "not")
    assert len(follow) == 16
    h = inside.after(point, ["not"])[-1]
    left = inside.effects(point, inside.without(point, h, found.groups[found.best]), follow)
    whole = inside.effects(point, h, follow)
    assert found.undone[found.best] == pytest.approx(1 - left @ whole / (whole @ whole))
