"""Measures of the line attractor on clouds, matrices and a hand-built network whose answers are known."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from rnnrev import line_attractor as la
from rnnrev.cells import Cell
from rnnrev.data import PAD, UNKNOWN, Reviews, Vocabulary
from rnnrev.linear import operating_point
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
    words = Vocabulary((PAD, UNKNOWN, *[f"w{i}" for i in range(300)]))
    valence = np.zeros(len(words))
    valence[2:] = rng.normal(0, 1, 300)
    counts = np.concatenate([[0.0, 1.0], 1e5 / np.arange(1, 301)])
    valence[2:] -= counts[2:] @ valence[2:] / counts[2:].sum()  # text as a whole pushes neither way
    size = 1e-3
    x = size * np.concatenate([valence[:, None], 0.5 * rng.standard_normal((len(words), N - 1))], 1)
    cell = Cell("vanilla", R.T, J.T, np.zeros(N), np.zeros(N), 0.01 * R[:, 1])
    model = SentimentRNN(cell, x, words, 1000 * L[0], np.float64(0.0), "built", counts=counts)
    texts = tuple(" ".join(f"w{i}" for i in rng.choice(300, 40, p=counts[2:] / counts[2:].sum())) for _ in range(60))
    reviews = Reviews("built", "all", texts, (model.logits(texts) > 0).astype(np.int64))
    return model, reviews, valence, R, L


# --- clouds -----------------------------------------------------------------------------------------


def curved(n: int = 80, noise: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(1)
    t = np.sort(rng.uniform(-1, 1, n))
    return np.stack([t, 0.3 * t**2, 0.1 * np.sin(3 * t)], -1) + noise * rng.standard_normal((n, 3))


def test_principal_curve_follows_a_bent_line_and_its_tangent():
    points = curved(200)
    order = np.random.default_rng(0).permutation(200)
    curve, tangent, along = la.principal_curve(points[order], np.array([1.0, 0, 0]))
    t = points[order][:, 0]
    assert (np.diff(t[along]) > 0).all()
    inner = np.abs(t) < 0.8
    # a local straight line cuts a bend of curvature 0.6 short by ½ · 0.6 · (width of the window)²
    np.testing.assert_allclose(curve[inner], points[order][inner], atol=1.5 * 0.5 * 0.6 * 0.2**2)
    want = np.stack([np.ones(200), 0.6 * t, 0.3 * np.cos(3 * t)], -1)
    want /= np.linalg.norm(want, axis=-1, keepdims=True)
    assert (tangent * want).sum(-1)[inner].min() > 0.99
    backwards = la.principal_curve(points[order], np.array([-1.0, 0, 0]))[2]
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
    assert line.logits == pytest.approx((bent[:, 0].min(), bent[:, 0].max()))


def test_points_that_are_all_one_have_no_curve():
    model = untrained("vanilla", Vocabulary((PAD, UNKNOWN, "a")), n_units=3, n_inputs=2)
    shape = la.curve_shape(model, np.ones((20, 3)) + 1e-9 * np.random.default_rng(0).standard_normal((20, 3)))
    assert np.isnan(shape.on_curve.value)
    assert shape.length == 0


# --- spectra ----------------------------------------------------------------------------------------


def test_mode_spectra_of_known_matrices():
    rng = np.random.default_rng(0)
    turn = 0.95 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    J = []
    for _ in range(5):
        basis = rng.standard_normal((4, 4))
        block = np.zeros((4, 4))
        block[:2, :2], block[2, 2], block[3, 3] = turn, 0.999, 0.2
        J.append(basis @ block @ np.linalg.inv(basis))
    spectra = la.mode_spectra(np.array(J), rng.standard_normal(4))
    tau_1, tau_2 = -1 / np.log(0.999), -1 / np.log(0.95)
    assert spectra.tau_1.value == pytest.approx(tau_1, rel=1e-6)
    assert spectra.tau_2.value == pytest.approx(tau_2, rel=1e-6)  # the pair counts once
    assert spectra.gap.value == pytest.approx(tau_1 / tau_2, rel=1e-6)
    assert spectra.n_slow.value == 1
    for j, r, l in zip(J, spectra.right(), spectra.left()):
        np.testing.assert_allclose(j @ r, 0.999 * r, atol=1e-8)
        np.testing.assert_allclose(l @ j, 0.999 * l, atol=1e-8)
    np.testing.assert_allclose(np.abs(spectra.modes.eigvals[:, 1]), 0.95)


def test_the_slow_mode_is_the_slowest_real_one():
    turn = 0.99 * np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    J = np.zeros((2, 3, 3))
    J[:, :2, :2], J[:, 2, 2] = turn, 0.9
    spectra = la.mode_spectra(J, np.ones(3))
    np.testing.assert_allclose(np.abs(spectra.right()[0]), [0, 0, 1], atol=1e-12)
    assert spectra.slow[0] == 2
    np.testing.assert_allclose(spectra.right(1)[0, 2], 0, atol=1e-12)


# --- the built network ------------------------------------------------------------------------------


def test_the_line_of_the_built_network_is_found(built):
    model, reviews, _, R, _ = built
    attractor = la.find_attractor(model, reviews.texts, n_starts=40)
    shape = la.curve_shape(attractor.model, attractor.h_star)
    assert shape.on_line.value > 0.98
    assert shape.rank.value > 0.999
    assert np.abs(attractor.tangent @ R[:, 0]).min() > 0.98
    assert (np.diff(attractor.arc) >= 0).all()
    assert la.curve_shape(attractor.model, attractor.start).on_line.value < shape.on_line.value
    spectra = la.mode_spectra(attractor.J_rec, model.w)
    assert spectra.tau_1.value == pytest.approx(-1 / np.log(LAMBDA), rel=0.05)
    assert spectra.gap.value > 100
    found = la.alignment(attractor, spectra)
    assert found.r_tangent.value > 0.98
    assert found.others_tangent.value < 0.5
    cosine = model.w @ R[:, 0] / np.linalg.norm(model.w)
    assert found.r_w.value == pytest.approx(cosine, abs=0.02)
    assert found.l_w.value == pytest.approx(1, abs=0.01)


def test_unrest_tells_a_line_from_a_circle(built):
    model, reviews, *_ = built
    attractor = la.find_attractor(model, reviews.texts, n_starts=20)
    assert la.unrest(attractor).value < 0.05
    turn = 0.3

    def circle(h: np.ndarray) -> np.ndarray:
        return h @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])

    angle = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    going_round = attractor._replace(mean_map=circle, start=np.stack([np.cos(angle), np.sin(angle)], -1))
    assert la.unrest(going_round).value == pytest.approx(2 * np.sin(turn / 2), rel=1e-6)


def test_words_get_the_valence_that_was_put_in(built):
    model, reviews, valence, _, _ = built
    point = operating_point(model, texts=reviews.texts)
    ids = la.frequent_words(model, min_count=300)
    for inputs in ("finite", "jacobian"):
        np.testing.assert_allclose(la.word_valence(point, ids, inputs=inputs), valence[ids], atol=0.03)
    sorting = la.valence_sorting(la.word_valence(point, ids), valence[ids], n_each=30)
    assert sorting.rank.value > 0.99
    assert sorting.positive_negative.value == 1
    assert sorting.positive_neutral.value == 1
    shuffled = np.random.default_rng(0).permutation(valence[ids])
    control = la.valence_sorting(la.word_valence(point, ids), shuffled, n_each=30)
    assert control.rank.low < 0 < control.rank.high
    assert np.abs(la.word_valence(point, ids, mode=1)).max() < 0.05 * np.abs(valence[ids]).max()


def test_frequent_words_leave_out_rare_ones_and_punctuation():
    model = untrained(
        "gru", Vocabulary((PAD, UNKNOWN, ".", "a", "b")), n_units=2, n_inputs=2, counts=np.array([0, 9, 9, 9, 1.0])
    )
    assert list(la.frequent_words(model, min_count=5)) == [3]


def test_the_linear_model_predicts_the_built_network_and_the_controls_do_not(built):
    model, reviews, _, _, _ = built
    point = operating_point(model, texts=reviews.texts)
    attractor = la.find_attractor(model, reviews.texts, n_starts=20)
    scores, logits = la.linear_predictions(attractor, point, reviews)
    for name in ("nearest, finite effects", "nearest, J_inp", "held, finite effects", "held, J_inp", "slow mode alone"):
        assert scores[name]["R2"].value > 0.99, name
        assert scores[name]["agree"].value >= 0.95, name
    for name in ("control: second mode alone", "control: all but the slow mode", "control: shuffled words"):
        assert scores[name]["R2"].value < 0.3, name
    np.testing.assert_allclose(logits["network"], model.logits(reviews.texts))
    parts = logits["slow mode alone"] + logits["control: all but the slow mode"] - point.logit
    np.testing.assert_allclose(parts, logits["held, finite effects"], atol=1e-6)


def test_scores_of_predictions_by_hand():
    full, predicted = np.array([1.0, 2.0, -1.0, -2.0]), np.array([0.5, 1.0, -0.5, 1.0])
    score = la.score_predictions(full, predicted, np.array([1, 1, 0, 1]))
    assert score["R2"].value == pytest.approx(1 - (0.25 + 1 + 0.25 + 9) / 10)
    assert score["r2"].value == pytest.approx(np.corrcoef(full, predicted)[0, 1] ** 2)
    assert score["agree"].value == 0.75
    assert score["accuracy"].value == 1
    run_off = la.score_predictions(full, full * 1e200)
    assert run_off["R2"].value == -np.inf
    assert run_off["r2"].value == pytest.approx(1)


def test_states_of_the_built_network_are_low_dimensional_and_counted_right(built):
    model, reviews, *_ = built
    found = la.dimensionality(model, reviews.texts, n_resamples=20)
    states, owner = la.visited_states(model, reviews.texts)
    assert len(states) == len(owner) == 20 * len(reviews)
    variance = np.linalg.eigvalsh(np.cov(states.T))[::-1]
    np.testing.assert_allclose(found.cumulative, (np.cumsum(variance) / variance.sum())[:50], atol=1e-9)
    assert found.participation.value == pytest.approx(variance.sum() ** 2 / (variance**2).sum())
    assert found.participation.low <= found.participation.value <= found.participation.high * 1.05
    assert (found.low <= found.high).all()


def test_references_agree_on_a_linear_network(built):
    model, reviews, valence, _, _ = built
    rows = la.compare_references(model, reviews.texts, valence, n_starts=10)
    assert [r["reference"] for r in rows] == ["zero input", "mean embedding", "mean map"]
    for row in rows:
        assert row["q"] <= row["q_start"]
        assert row["sorting"].value > 0.95
        assert row["r2"].value > 0.99


def test_a_record_is_plain_json(built):
    model, reviews, valence, _, _ = built
    read = json.loads(json.dumps(la.measure(model, reviews, valence, n_starts=20), allow_nan=False))
    assert read["network"] == "built"
    assert len(read["sorting"]["rank"]) == 3
    assert read["linear"]["slow mode alone"]["R2"][0] > 0.99
    assert read["sorting"]["rank"][0] > 0.95 > abs(read["sorting_shuffled"]["rank"][0])


def test_the_mean_map_settles_as_it_averages_over_more_words(built):
    model, *_ = built
    rows = la.sampling(model, np.zeros(N), sizes=(20, 100, 302), n_seeds=3)
    shift = [r["shift"].mean() for r in rows]
    assert shift[0] > shift[1] > shift[2]
    assert shift[2] < 1e-15  # all words: nothing is left to chance
    assert rows[2]["cosine"].min() > 1 - 1e-9


def test_bag_valence_goes_by_word(built):
    model, *_ = built
    bag = BagOfWords(np.array([0, 0, 2.0, -1.0]), 0.0, Vocabulary((PAD, UNKNOWN, "w7", "other")))
    beta = la.bag_valence(model, bag)
    assert beta[model.vocabulary.number("w7")] == 2
    assert np.count_nonzero(beta) == 1


# --- data for the widgets ---------------------------------------------------------------------------


def test_relax_model_is_the_linear_model_in_its_modes(built):
    model, reviews, *_ = built
    point = operating_point(model, texts=reviews.texts)
    text = "w1 w5 w7 w250 w3"
    made = la.relax_model(point, words=["w1", "w5", "w7", "w250", "w3"], n_modes=N, text=text)
    A, B, c = (np.array(made[k]) for k in ("A", "B", "c"))
    z = np.array(made["exact"]["z"][0])
    for number in range(5):
        z = A @ z + B[number]
    assert made["c0"] + c @ z == pytest.approx(made["exact"]["logit"][-1], abs=0.02)
    assert len(made["labels"]) == len(made["tau"]) == made["k"]
    json.dumps(made)


def test_relax_model_of_a_network_with_turning_modes():
    words = Vocabulary((PAD, UNKNOWN, *[f"w{i}" for i in range(30)]))
    model = untrained(
        "gru", words, n_units=10, n_inputs=4, counts=np.concatenate([[0.0, 1.0], np.full(30, 500.0)])
    ).astype(float)
    point = operating_point(model, texts=("w1 w2 w3 w4 w5 w6 w7 w8 w9 w10 w11 w12", "w5 w6 w7"))
    made = la.relax_model(point, n_modes=10)
    assert (np.abs(point.modes.eigvals.imag) > 1e-6).any()
    A, c = np.array(made["A"]), np.array(made["c"])
    to_z = np.linalg.lstsq(np.eye(10), np.eye(10), rcond=None)[0]  # all modes are kept: z is a change of basis
    J = point.mean_map.jacobian(point.h_star)
    np.testing.assert_allclose(np.sort_complex(np.linalg.eigvals(A)), np.sort_complex(np.linalg.eigvals(J)), atol=1e-5)
    assert to_z.shape == A.shape
    assert len(c) == 10
    assert {"positive", "neutral", "negative"} >= set(made["kind"])


def test_scene_is_plain_and_complete(built):
    model, reviews, *_ = built
    attractor = la.find_attractor(model, reviews.texts, n_starts=20)
    made = la.scene(attractor, la.mode_spectra(attractor.J_rec, model.w), reviews.texts, n_cloud=50, n_paths=2)
    json.dumps(made)
    assert len(made["curve"]["xyz"]) == len(made["curve"]["logit"]) == 20
    assert len(made["cloud"]["xyz"]) == 50
    assert [len(p["tokens"]) == len(p["xyz"]) == 41 for p in made["paths"]] == [True, True]
    assert len(made["axes"]) == 3
    assert made["arrows"][0]["name"] == "w (readout)"
