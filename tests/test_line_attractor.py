"""Measures of the line attractor on clouds, matrices and a hand-built network whose answers are known."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from conftest import made_up, turn
from scipy.linalg import block_diag

from rnnrev import line_attractor as la
from rnnrev.book import line_attractor as page
from rnnrev.cells import Cell
from rnnrev.data import PAD, UNKNOWN, Reviews, Vocabulary
from rnnrev.driven import FunctionCell
from rnnrev.linear import (
    NoSlowMode,
    Unmeasured,
    fitted_recurrence,
    frequent_words,
    input_effect,
    linear_model,
    operating_point,
    valence,
)
from rnnrev.model import BagOfWords, SentimentRNN, untrained

N, LAMBDA = 12, 0.999


@pytest.fixture(scope="module")
def built():
    """A network that is all but linear, with one slow mode: words have known valences along it.

    h' = tanh(J h + B x) with small states; J = R diag(0.999, 0.5, …) R⁻¹; word v moves the state by its valence along
    r₁ and by noise along the fast modes; w·r₁ = 1, w·r_a = 0.
    """
    rng = np.random.default_rng(0)
    R = np.linalg.qr(rng.standard_normal((N, N)))[0] + 0.1 * rng.standard_normal((N, N))
    R /= np.linalg.norm(R, axis=0)
    L = np.linalg.inv(R)
    J = R @ np.diag([LAMBDA, *np.linspace(0.5, 0.1, N - 1)]) @ L
    words = made_up(300)
    known = np.zeros(len(words))
    known[2:] = rng.normal(0, 1, 300)
    counts = np.concatenate([[0.0, 1.0], 1e5 / np.arange(1, 301)])
    known[2:] -= counts[2:] @ known[2:] / counts[2:].sum()  # text as a whole pushes neither way
    size = 1e-3
    x = size * np.concatenate([known[:, None], 0.5 * rng.standard_normal((len(words), N - 1))], 1)
    cell = Cell("vanilla", R.T, J.T, np.zeros(N), np.zeros(N), 0.01 * R[:, 1])
    model = SentimentRNN(cell, x, words, 1000 * L[0], np.float64(0.0), "built", counts=counts)
    texts = tuple(" ".join(f"w{i}" for i in rng.choice(300, 40, p=counts[2:] / counts[2:].sum())) for _ in range(60))
    reviews = Reviews("built", "all", texts, (model.logits(texts) > 0).astype(np.int64))
    return model, reviews, known, R, L


@pytest.fixture(scope="module")
def point(built):
    return operating_point(built[0], texts=built[1].texts)


@pytest.fixture(scope="module")
def attractor(built):
    return la.find_attractor(built[0], built[1].texts, n_starts=20)


# --- clouds -----------------------------------------------------------------------------------------


def curved(n: int = 80, noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    t = np.sort(rng.uniform(-1, 1, n))
    return np.stack([t, 0.3 * t**2, 0.1 * np.sin(3 * t)], -1) + noise * rng.standard_normal((n, 3))


def test_principal_curve_follows_a_bent_line_and_its_tangent():
    points = curved(200)
    order = np.random.default_rng(0).permutation(200)
    curve, tangent, along = la._principal_curve(points[order], np.array([1.0, 0, 0]))
    t = points[order][:, 0]
    assert (np.diff(t[along]) > 0).all()
    inner = np.abs(t) < 0.8
    # a local straight line cuts a bend of curvature 0.6 short by ½ · 0.6 · (width of the window)²
    np.testing.assert_allclose(curve[inner], points[order][inner], atol=1.5 * 0.5 * 0.6 * 0.2**2)
    want = np.stack([np.ones(200), 0.6 * t, 0.3 * np.cos(3 * t)], -1)
    want /= np.linalg.norm(want, axis=-1, keepdims=True)
    assert (tangent * want).sum(-1)[inner].min() > 0.99
    backwards = la._principal_curve(points[order], np.array([-1.0, 0, 0]))[2]
    assert (np.diff(t[backwards]) < 0).all()


def test_local_dimension_of_a_line_a_plane_and_a_ball():
    rng = np.random.default_rng(0)
    line = rng.uniform(-1, 1, (300, 1)) @ rng.standard_normal((1, 10))
    plane = rng.uniform(-1, 1, (600, 2)) @ np.linalg.qr(rng.standard_normal((10, 2)))[0].T
    assert np.median(la.local_dimension(line)) == pytest.approx(1, abs=1e-6)
    assert 1.6 < np.median(la.local_dimension(plane)) < 2.01
    assert np.median(la.local_dimension(rng.standard_normal((400, 10)))) > 4


def test_curve_shape_tells_a_curve_from_a_cloud():
    model = untrained("vanilla", Vocabulary((PAD, UNKNOWN, "a")), n_units=3, n_inputs=2)
    model = replace(model, w=np.array([1.0, 0, 0]))
    bent, cloud = curved(), np.random.default_rng(2).standard_normal((80, 3))
    line = la.curve_shape(model, bent)
    other = la.curve_shape(model, cloud)
    assert line.on_curve.value > 0.99 > line.on_line.value
    assert line.rank.value == pytest.approx(1)
    assert line.local_dimension.value < 1.2 < 1.8 < other.local_dimension.value
    assert other.on_curve.high < 0.7
    fine = curved(2000)
    true_length = np.linalg.norm(np.diff(fine, axis=0), axis=-1).sum()
    assert line.length == pytest.approx(true_length, rel=0.05)
    assert line.chord < line.length
    assert (line.logit_low, line.logit_high) == pytest.approx((bent[:, 0].min(), bent[:, 0].max()))


def test_points_that_are_all_one_have_no_curve_and_no_tangent(attractor):
    model = untrained("vanilla", Vocabulary((PAD, UNKNOWN, "a")), n_units=3, n_inputs=2)
    one = np.ones((20, 3)) + 1e-9 * np.random.default_rng(0).standard_normal((20, 3))
    for points in (one, np.zeros((20, 3))):
        with pytest.raises(Unmeasured, match="no curve"):
            la.curve_shape(model, points)
    spectra = la.mode_spectra(attractor.J_rec, attractor.model.w)
    with pytest.raises(Unmeasured, match="no tangent"):
        la.alignment(replace(attractor, arc=np.zeros(20)), spectra)


# --- spectra ----------------------------------------------------------------------------------------


def matrices(*blocks: np.ndarray | float, n: int = 5) -> np.ndarray:
    """n matrices with these blocks, each in a basis of its own."""
    rng, block = np.random.default_rng(0), block_diag(*blocks)
    bases = rng.standard_normal((n, *block.shape))
    return bases @ block @ np.linalg.inv(bases)


def test_mode_spectra_of_known_matrices():
    J = matrices(turn(0.95), 0.999, 0.2)
    spectra = la.mode_spectra(J, np.ones(4))
    tau_1, tau_2 = -1 / np.log(0.999), -1 / np.log(0.95)
    assert spectra.tau_1.value == pytest.approx(tau_1, rel=1e-6)
    assert spectra.tau_2.value == pytest.approx(tau_2, rel=1e-6)  # the pair counts once
    assert spectra.gap_of_tau.value == pytest.approx(tau_1 / tau_2, rel=1e-6)
    assert spectra.slow_modes.value == 1
    assert spectra.growing.value == spectra.slow_grows.value == 0
    np.testing.assert_allclose(np.take_along_axis(spectra.modes.eigvals, spectra.slow[:, None], 1), 0.999)
    np.testing.assert_allclose(np.abs(np.take_along_axis(spectra.modes.eigvals, spectra.others[:, :1], 1)), 0.95)


def test_growing_modes_are_reported_apart_and_the_gap_is_never_below_one():
    fast = la.mode_spectra(matrices(1.4, 0.995, 0.9), np.ones(3))  # 1.4 grows at once: it keeps nothing
    assert fast.tau_1.value == pytest.approx(-1 / np.log(0.995), rel=1e-6)
    assert fast.gap_of_tau.value == pytest.approx(np.log(0.9) / np.log(0.995), rel=1e-6)
    assert (fast.growing.value, fast.slow_grows.value) == (1, 0)
    np.testing.assert_allclose(np.take_along_axis(fast.modes.eigvals, fast.slow[:, None], 1), 0.995)
    slow = la.mode_spectra(matrices(1.001, 0.9, 0.5), np.ones(3))  # it grows more slowly than any other fades
    assert (slow.growing.value, slow.slow_grows.value) == (1, 1)
    assert np.isnan(slow.tau_1.value)  # not the next mode's: where the slow mode grows it has no time constant
    mixed = la.mode_spectra(np.concatenate([matrices(1.001, 0.9, 0.5), matrices(0.999, 0.9, 0.5)]), np.ones(3))
    assert mixed.slow_grows.value == 0.5
    assert mixed.gap_of_tau.value == pytest.approx(np.log(0.9) / np.log(0.999), rel=1e-6)
    assert mixed.gap_of_tau.low >= 1


def test_where_all_modes_but_one_grow_there_is_no_second_time_constant():
    spectra = la.mode_spectra(matrices(1.5, 1.3, 0.9), np.ones(3))
    assert spectra.tau_1.value == pytest.approx(-1 / np.log(0.9))
    assert np.isnan(spectra.gap_of_tau.value)
    assert spectra.growing.value == 2


def test_the_slow_mode_is_a_real_one_and_without_one_there_is_none():
    spectra = la.mode_spectra(np.array([block_diag(turn(0.99), 0.9)] * 2), np.ones(3))
    assert list(spectra.slow) == [2, 2]
    assert list(spectra.others[0][:1]) == [0]
    with pytest.raises(NoSlowMode, match="no mode of J_rec is real"):
        la.mode_spectra(matrices(turn(0.99), turn(0.5)), np.ones(4))


# --- the built network ------------------------------------------------------------------------------


def test_the_line_of_the_built_network_is_found(built, attractor):
    model, _, _, R, _ = built
    shape = la.curve_shape(attractor.model, attractor.h_star)
    assert shape.on_line.value > 0.98
    assert shape.rank.value > 0.999
    assert np.abs(attractor.tangent @ R[:, 0]).min() > 0.98
    assert (np.diff(attractor.arc) >= 0).all()
    assert la.curve_shape(attractor.model, attractor.start).on_line.value < shape.on_line.value
    spectra = la.mode_spectra(attractor.J_rec, model.w)
    assert spectra.tau_1.value == pytest.approx(-1 / np.log(LAMBDA), rel=0.05)
    assert spectra.gap_of_tau.value > 100
    found = la.alignment(attractor, spectra)
    assert found.table.tangent[""].value > 0.98
    assert found.table.tangent["modes 2–6"].value < 0.5
    cosine = model.w @ R[:, 0] / np.linalg.norm(model.w)
    assert found.table.alignment[""].value == pytest.approx(cosine, abs=0.02)
    assert found.table.alignment_left[""].value == pytest.approx(1, abs=0.01)
    random = np.random.default_rng(0).standard_normal((20_000, N))
    chance = np.quantile(np.abs(random[:, 0]) / np.linalg.norm(random, axis=1), [0.5, 0.025, 0.975])
    np.testing.assert_allclose(found.table.tangent["random directions"], chance, atol=0.02)


def test_the_cosine_with_a_pair_of_modes_is_that_with_its_plane(attractor):
    plane = np.linalg.qr(np.random.default_rng(3).standard_normal((N, N)))[0]
    J = plane @ block_diag(0.99, turn(0.9), np.diag(np.linspace(0.5, 0.1, N - 3))) @ plane.T
    in_plane = plane[:, 1] * 0.8 + plane[:, 2] * 0.6
    turned = replace(attractor, tangent=np.repeat(in_plane[None], 20, 0))
    found = la.alignment(turned, la.mode_spectra(np.repeat(J[None], 20, 0), attractor.model.w))
    assert found.table.tangent["modes 2–6"].value == pytest.approx(1)
    assert found.table.tangent[""].value == pytest.approx(0, abs=1e-6)


def test_unrest_tells_a_line_from_a_circle(attractor):
    assert la.unrest(attractor).value < 0.05

    def circle(h: np.ndarray) -> np.ndarray:
        return h @ turn(1.0).T

    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    going_round = replace(attractor, mean_map=circle, start=np.stack([np.cos(angle), np.sin(angle)], -1))
    assert la.unrest(going_round).value == pytest.approx(2 * np.sin(0.3 / 2), rel=1e-6)


def test_words_get_the_valence_that_was_put_in(built, point):
    model, _, known, _, _ = built
    words = frequent_words(model, 300 / model.counts.sum())
    for inputs in ("finite", "jacobian"):
        np.testing.assert_allclose(valence(point, words, inputs=inputs), known[words], atol=0.03)
    sorting = la.valence_sorting(valence(point, words), known[words], n_each=30)
    assert sorting.sorting.value > 0.99
    assert sorting.kinds_apart.value == sorting.positive_negative.value == 1
    shuffled = np.random.default_rng(0).permutation(known[words])
    control = la.valence_sorting(valence(point, words), shuffled, n_each=30)
    assert control.sorting.low < 0 < control.sorting.high
    others = page.next_modes(point, words, n=4)
    assert others.shape == (len(words), 4)
    assert np.abs(others).max() < 0.05 * np.abs(known[words]).max()


def test_modes_together_carry_all_that_a_word_does():
    model = turning_network()
    point = operating_point(model, texts=TURNING)
    assert not point.modes.real.all()
    words = frequent_words(model)
    whole = input_effect(point, words) @ model.w
    np.testing.assert_allclose(valence(point, words) + page.next_modes(point, words, n=100).sum(1), whole, atol=1e-9)


def test_the_linear_model_predicts_the_built_network_and_the_controls_do_not(built, point, attractor):
    model, reviews, known, _, _ = built
    found = la.linear_predictions(attractor, point, reviews, BagOfWords(known, 0.0, model.vocabulary))
    linear = ["nearest point", "nearest point, J_inp", "one point", "one point, J_inp", "slow mode alone"]
    for name in (*linear, "fitted recurrence", "bag of words"):  # without saturation the bag reads as well
        assert found.table.r2[name].value > 0.98, name
        assert found.table.agree[name].value >= 0.95, name
    for name in ("next mode alone", "all but the slow mode", "words shuffled"):
        assert found.table.r2[name].value < 0.3, name
    np.testing.assert_allclose(found.logits["network"], model.logits(reviews.texts))
    parts = found.logits["slow mode alone"] + found.logits["all but the slow mode"] - point.logit
    np.testing.assert_allclose(parts, found.logits["one point"], atol=1e-6)


def test_one_review_that_runs_off_does_not_decide(built, point):
    """With a growing mode one long review among forty has a logit of 1e200: r² hardly moves."""
    full = np.random.default_rng(0).normal(size=40)
    predicted = full.copy()
    predicted[3] = -1e200
    assert np.corrcoef(full, np.clip(predicted, -1e9, 1e9))[0, 1] ** 2 < 0.2
    model, reviews, *_ = built
    ids = model.vocabulary.encode_all(reviews.texts)
    runaway = replace(linear_model(point), J_rec=1e12 * np.eye(N)[None])
    assert np.isfinite(la.score_logits(model.logits_of(ids), runaway.logits_of(ids))["r2"].value)
    assert la.score_logits(full, predicted, None)["r2"].value > 0.8


def test_a_fitted_recurrence_is_the_one_that_made_the_states(built):
    model, _, _, R, L = built
    rng = np.random.default_rng(0)
    A, B, c = (
        R @ np.diag([0.99, *np.linspace(0.5, 0.1, N - 1)]) @ L,
        rng.standard_normal((N, N)),
        rng.standard_normal(N),
    )

    cell = FunctionCell.of(lambda h, x: h @ A.T + x @ B.T + c, np.zeros(N), N)
    made = replace(model, cell=cell, embedding=rng.standard_normal(model.embedding.shape))
    fitted = fitted_recurrence(made, [rng.integers(0, 302, 200) for _ in range(200)])
    np.testing.assert_allclose(fitted.J_rec[0], A, atol=2e-3)
    np.testing.assert_allclose(fitted.J_inp[0], B, atol=1e-3)
    np.testing.assert_allclose(fitted.after[0], c, atol=1e-2)


def test_the_error_of_one_step_and_of_several_by_hand(built, point):
    model, reviews, *_ = built
    rng = np.random.default_rng(0)
    linear = replace(linear_model(point), J_rec=linear_model(point).J_rec + 0.1 * rng.standard_normal((1, N, N)))
    tokens = model.vocabulary.encode(reviews.texts[0])[:12]  # so long that there is one place to enter it
    h = model.cell.h0
    for token in tokens[:10]:
        h = model.cell.step(h, model.embedding[token])
    full, off, want = h, h, []
    for token in tokens[10:]:
        full = model.cell.step(full, model.embedding[token])
        effect = model.cell.step(point.h_star, model.embedding[token]) - point.h_star
        off = point.h_star + effect + linear.J_rec[0] @ (off - point.h_star)
        want.append(np.linalg.norm(off - full) / np.linalg.norm(full - h))
    table = la.step_error(linear, [tokens, tokens], lags=(1, 2))
    np.testing.assert_allclose([e.value for e in table.error], want)
    assert list(table.index) == [1, 2]
    exact = la.step_error(linear_model(point), model.vocabulary.encode_all(reviews.texts), lags=(1, 20))
    assert exact.error[1].value < 1e-4  # the built network is all but linear
    with pytest.raises(Unmeasured, match="no text has the 60 tokens"):
        la.step_error(linear, model.vocabulary.encode_all(reviews.texts), lags=(50,))


def test_scores_of_predictions_by_hand():
    full, predicted = np.array([1.0, 2.0, -1.0, -2.0]), np.array([0.5, 1.0, -0.5, 0.7])
    score = la.score_logits(full, predicted, np.array([1, 1, 0, 1]))
    assert score["r2"].value == pytest.approx(0.4**2)  # ranks 3 4 2 1 and 2 4 1 3: 1 − 6·(1 + 0 + 1 + 4)/60 = .4
    assert score["agree"].value == 0.75
    assert score["accuracy"].value == 1
    assert la.score_logits(full, np.zeros(4), None)["r2"].value == 0
    backwards = la.score_logits(full, -predicted, None)["r2"]
    assert backwards.value == pytest.approx(-(0.4**2))  # a model that sorts reviews backwards is not as good


@pytest.mark.parametrize("n_units", [4, 2])
@pytest.mark.parametrize("kind", ["gru", "lstm", "vanilla"])
def test_very_small_networks_are_measured_or_say_why_not(kind, n_units):
    counts = np.concatenate([[0.0, 1.0], np.full(30, 500.0)])
    model = untrained(kind, made_up(30), n_units=n_units, n_inputs=3, seed=1, counts=counts).astype(float)
    rng = np.random.default_rng(0)
    model = replace(model, cell=replace(model.cell, U=2.5 * model.cell.U), embedding=3 * model.embedding)
    texts = tuple(" ".join(f"w{i}" for i in rng.integers(0, 30, 80)) for _ in range(20))
    reviews = Reviews("small", "all", texts, rng.integers(0, 2, 20))
    with suppress(Unmeasured):  # a reason is an answer too; anything else is a bug
        point = operating_point(model, texts=texts)
        attractor = la.find_attractor(model, texts, n_starts=12)
        spectra = la.mode_spectra(attractor.J_rec, model.w)
        table = la.linear_predictions(attractor, point, reviews, None).table
        assert all(-1 <= r2.value <= 1 for r2 in table.r2)  # below 0: sorted backwards
        assert "bag of words" not in table.index
        assert not spectra.gap_of_tau.value < 1
        la.curve_shape(model, attractor.h_star)
        assert la.alignment(attractor, spectra).table.tangent[""].value <= 1 + 1e-9


def test_states_of_the_built_network_are_low_dimensional_and_counted_right(built):
    model, reviews, *_ = built
    found = la.dimensionality(model, reviews.texts)
    states, owner = la.visited_states(model, reviews.texts)
    assert len(states) == len(owner) == 20 * len(reviews)
    variance = np.linalg.eigvalsh(np.cov(states.T))[::-1]
    np.testing.assert_allclose(found.cumulative, (np.cumsum(variance) / variance.sum())[:50], atol=1e-9)
    assert found.participation.value == pytest.approx(variance.sum() ** 2 / (variance**2).sum())
    assert found.participation.low <= found.participation.value <= found.participation.high * 1.05
    assert (found.low <= found.high).all()


def test_references_agree_on_a_linear_network(built):
    model, reviews, known, _, _ = built
    table = page.compare_references(model, reviews.texts, known, n_starts=10)
    assert list(table.index) == ["zero input", "mean embedding", "mean map"]
    for _, row in table.iterrows():
        assert row.q.value <= row.q_start.value
        assert row.sorting.value > 0.95
        assert row.r2.value > 0.98
        assert row.gap_of_tau.low >= 1


def test_the_mean_map_settles_as_it_averages_over_more_words(built):
    table = page.sampling(built[0], np.zeros(N), sizes=(20, 100, 302), n_seeds=3)
    shift = table.groupby("n_tokens")["shift"].mean()
    assert shift[20] > shift[100] > shift[302]
    assert shift[302] < 1e-15  # all words: nothing is left to chance
    assert table.cosine[table.n_tokens == 302].min() > 1 - 1e-9


def test_bag_valence_goes_by_word(built):
    model, *_ = built
    bag = BagOfWords(np.array([0, 0, 2.0, -1.0]), 0.0, Vocabulary((PAD, UNKNOWN, "w7", "other")))
    beta = page.bag_valence(model, bag)
    assert beta[model.vocabulary.number("w7")] == 2
    assert np.count_nonzero(beta) == 1


# --- data for the widgets ---------------------------------------------------------------------------

TURNING = ("w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12", "w5 w6 w7")


def turning_network(n_units: int = 10) -> SentimentRNN:
    counts = np.concatenate([[0.0, 1.0], np.full(30, 500.0)])
    return untrained("gru", made_up(30), n_units=n_units, n_inputs=4, counts=counts).astype(float)


def test_relax_model_is_the_linear_model_in_its_modes(point):
    text = "w1 w5 w7 w250 w3"
    system = page.relax_model(point, words=["w1", "w5", "w7", "w250", "w3"], n_modes=N, text=text)
    z = system["exact"]["z"][0]
    for number in range(5):
        z = system["A"] @ z + system["B"][number]
    assert system["c0"] + system["c"] @ z == pytest.approx(system["exact"]["logit"][-1], abs=0.02)
    assert len(system["labels"]) == len(system["tau"]) == system["k"]


@pytest.mark.parametrize("n_units", [10, 4, 1])
def test_relax_model_of_networks_with_turning_modes_and_of_very_small_ones(n_units):
    model = turning_network(n_units)
    point = operating_point(model, texts=TURNING)
    system = page.relax_model(point, n_modes=n_units)
    J = point.mean_map.jacobian(point.h_star)
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(system["A"])), np.sort_complex(np.linalg.eigvals(J)))
    assert len(system["c"]) == system["k"] == n_units
    assert system["labels"][0].startswith("slow mode")
    assert {"positive", "neutral", "negative"} >= set(system["kind"])
    assert page.relax_model(point)["k"] <= 9  # eight, or a pair over it


def test_scene_is_plain_and_complete(built, attractor):
    scene = page.scene(attractor, la.mode_spectra(attractor.J_rec, attractor.model.w), built[1].texts)
    json.dumps(scene)
    assert len(scene["curve"]["xyz"]) == len(scene["curve"]["logit"]) == 20
    assert len(scene["cloud"]["xyz"]) == 1200
    assert [len(p["tokens"]) == len(p["xyz"]) == 41 for p in scene["paths"]] == [True] * 5
    assert len(scene["axes"]) == 3
    assert scene["arrows"][0]["name"] == "w (readout)"
