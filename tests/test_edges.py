"""Edges against closed forms: linear networks whose modes, kernels and emphasis are known."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from rnnrev import edges
from rnnrev.cells import Cell, initial_weights
from rnnrev.data import Vocabulary
from rnnrev.model import SentimentRNN, untrained

SMALL = 1e-5  # a tanh of numbers this small is linear
WORDS = 20


def make_point(model: SentimentRNN, h_star: np.ndarray, J: np.ndarray):
    """The operating point by hand, so that these tests do not rest on the module that finds it."""
    eigvals, R = np.linalg.eig(J)
    order = np.argsort(-np.abs(eigvals))
    eigvals, R = eigvals[order], R[:, order]
    if model.w @ R[:, 0].real < 0:
        R[:, 0] *= -1
    L = np.linalg.inv(R)
    p = model.frequencies

    def mean_map(h):
        return np.tensordot(p, model.cell.step_projected(np.asarray(h)[..., None, :], model.projected), (0, -2))

    tau = -1 / np.log(np.abs(eigvals))
    modes = SimpleNamespace(eigvals=eigvals, R=R, L=L, tau=tau)
    return SimpleNamespace(
        model=model, h_star=h_star, mean_map=mean_map, modes=modes, r=R[:, 0].real, l=L[0].real, q=0.0, logit=0.0
    )


def linear_point(eigenvalues=(0.999, 0.8, 0.5, 0.3), w_modes=(1.0, 0.7, 0.0, 0.0), seed=0, complex_pair=None):
    """A network that is linear by being small; its modes, and what w reads of them, are given."""
    rng = np.random.default_rng(seed)
    S = len(eigenvalues)
    block = np.diag(np.asarray(eigenvalues, float))
    if complex_pair is not None:  # the last two modes turn
        size, angle = complex_pair
        block[-2:, -2:] = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    R = np.linalg.qr(rng.normal(size=(S, S)))[0] + 0.2 * rng.normal(size=(S, S))
    J = R @ block @ np.linalg.inv(R)
    w = (np.asarray(w_modes) @ np.linalg.inv(R)) / SMALL
    half = rng.normal(size=(WORDS // 2, S)) * SMALL
    embedding = np.concatenate([np.zeros((2, S)), half, -half])  # the mean input is zero: h* = 0 is the fixed point
    cell = Cell("vanilla", np.eye(S), J.T.copy(), np.zeros(S), np.zeros(S), np.zeros(S))
    vocabulary = Vocabulary(("<pad>", "<unk>", *(f"w{i}" for i in range(WORDS))))
    counts = np.array([0, 0] + [1] * WORDS)
    model = SentimentRNN(cell, embedding, vocabulary, w, 0.0, "linear", counts=counts)
    return make_point(model, np.zeros(S), J)


@pytest.fixture
def point():
    return linear_point()


@pytest.fixture
def texts():
    return np.random.default_rng(3).integers(2, 2 + WORDS, (6, 60)).astype(np.int32)


IDS = np.arange(2, 2 + WORDS)


def test_lasting_valence_is_the_projection_on_the_slow_mode(point):
    expected = (point.model.w @ point.r) * (point.model.embedding @ point.l)
    assert edges.lasting_valence(point) == pytest.approx(expected, rel=1e-4, abs=1e-8)
    # in a linear network the state does not change what a word counts
    h = np.random.default_rng(0).normal(size=4) * SMALL
    assert edges.lasting_valence(point, IDS, h) == pytest.approx(expected[2:], rel=1e-4, abs=1e-6)


def test_respond_in_a_linear_network_is_the_kernel(point, texts):
    lags = [0, 1, 2, 5, 11]
    measured = edges.respond(point.model, texts, IDS, [0, 7, 30], lags)
    J = point.model.cell.U.T
    x = point.model.embedding
    for i, place in enumerate([0, 7, 30]):
        for j, n in enumerate(lags):
            kernel = (
                point.model.w @ np.linalg.matrix_power(J, n) @ (x[IDS][None] - x[texts[:, place]][:, None])[..., None]
            )
            assert measured[:, i, :, j] == pytest.approx(kernel[..., 0], rel=1e-4, abs=1e-6)


def test_respond_reads_off_any_readout_and_starts_anywhere(point, texts):
    h0 = np.random.default_rng(1).normal(size=(len(texts), 4)) * SMALL
    a = edges.respond(point.model, texts, IDS, [3], [2], h0=h0, w=2 * point.model.w)
    b = edges.respond(point.model, texts, IDS, [3], [2])
    assert a == pytest.approx(2 * b, rel=1e-4, abs=1e-6)


@pytest.mark.parametrize("kind", ["vanilla", "ugrnn", "gru", "lstm"])
def test_respond_is_the_difference_of_two_runs(kind):
    vocabulary = Vocabulary(("<pad>", "<unk>", *(f"w{i}" for i in range(WORDS))))
    model = untrained(kind, vocabulary, 12, 6, counts=np.arange(WORDS + 2)).astype(float)
    texts = np.random.default_rng(0).integers(2, 2 + WORDS, (3, 20))
    out = edges.respond(model, texts, [4, 9], [0, 6], [0, 3])
    for b in range(3):
        for i, place in enumerate([0, 6]):
            for k, word in enumerate([4, 9]):
                for j, lag in enumerate([0, 3]):
                    end = place + lag + 1
                    changed = texts[b, :end].copy()
                    changed[place] = word
                    logits = model.logits_of([changed, texts[b, :end]])
                    assert out[b, i, k, j] == pytest.approx(logits[0] - logits[1], abs=1e-9)


def test_respond_says_how_long_texts_must_be(point, texts):
    with pytest.raises(ValueError, match="need 61 tokens"):
        edges.respond(point.model, texts, IDS, [50], [10])


def test_respond_does_not_depend_on_the_block(point, texts, monkeypatch):
    whole = edges.respond(point.model, texts, IDS, [0, 5], [0, 2])
    monkeypatch.setattr(edges, "ROWS", WORDS)
    assert edges.respond(point.model, texts, IDS, [0, 5], [0, 2]) == pytest.approx(whole)


def test_a_linear_network_has_a_flat_profile(point, texts):
    found = edges.start_profile(point, texts, IDS, [0, 1, 5, 30], lag=25)
    # 25 tokens on, the mode with λ = 0.8 is at 0.4 %; the slow one at 0.999²⁵
    assert found.value == pytest.approx(np.full(4, 0.999**25), rel=0.02)
    assert found.relative_to([30]).value == pytest.approx(np.ones(4), rel=1e-3)
    own = edges.in_context_profile(point, np.tile(texts, (5, 1)), [0, 5, 30], lag=25)
    assert own.value == pytest.approx(np.full(3, 0.999**25), rel=0.03)


def test_profile_recovers_a_stated_emphasis_with_its_interval():
    rng = np.random.default_rng(0)
    at = np.array([0, 2, 5, 10, 20, 40, 80])
    true = 1 + 2 * np.exp(-at / 12)
    valence = rng.normal(size=40)
    effects = true[None, :, None] * valence + rng.normal(scale=0.5, size=(30, len(at), 40)) + 3.0
    found = edges.profile(effects, valence, at)
    low, high = found.band
    assert found.value == pytest.approx(true, abs=0.1)
    assert np.mean((low < true) & (true < high)) > 0.7
    fit = edges.decay_length(found)
    assert fit.length.low < 12 < fit.length.high
    assert fit.length.value == pytest.approx(12, rel=0.2)
    assert fit.excess.value == pytest.approx(2, abs=0.15)
    assert fit.r_squared > 0.98
    assert found.estimate(5).low < found.estimate(5).value < found.estimate(5).high
    with pytest.raises(KeyError, match="not measured at 3"):
        found.estimate(3)


def test_profile_interval_covers_words_as_well_as_texts():
    # all noise is between words: resampling texts alone would give an interval of length zero
    rng = np.random.default_rng(1)
    valence = rng.normal(size=25)
    effects = np.broadcast_to(valence + rng.normal(size=25), (10, 1, 25))
    low, high = edges.profile(effects, valence, [0]).band
    assert high[0] - low[0] > 0.2


def test_neutral_texts_hold_only_words_of_little_valence(point):
    valence = np.abs(edges.lasting_valence(point))
    drawn = edges.neutral_texts(point, 20, 100, quantile=0.3)
    assert drawn.shape == (20, 100)
    assert valence[np.unique(drawn)].max() < np.quantile(valence[2:], 0.35)
    assert np.array_equal(drawn, edges.neutral_texts(point, 20, 100, quantile=0.3))
    with pytest.raises(ValueError, match="quantile"):
        edges.neutral_texts(point, quantile=0)


@pytest.mark.parametrize("pair", [None, (0.7, 0.6)])
def test_mode_kernel_sums_to_the_powers_of_J(pair):
    point = linear_point(w_modes=(1.0, 0.7, -0.4, 0.2), complex_pair=pair)
    lags = np.arange(8)
    kernel = edges.mode_kernel(point, IDS, lags)
    J, x = point.model.cell.U.T, point.model.embedding[IDS]
    expected = np.stack([x @ (point.model.w @ np.linalg.matrix_power(J, n)) for n in lags], 1)
    assert kernel.total == pytest.approx(expected, rel=1e-4, abs=1e-6)
    groups = kernel.groups((3,))
    assert sum(groups.values()) == pytest.approx(kernel.total)
    # τ = −1/log 0.8 is 4.5 tokens, the rest are shorter
    assert next(iter(groups)) == "slow mode"
    assert groups["slow mode"][:, 0] == pytest.approx(edges.lasting_valence(point, IDS), rel=1e-4, abs=1e-8)


def test_mode_kernel_knows_each_mode(point):
    lags = np.arange(6)
    kernel = edges.mode_kernel(point, IDS, lags)
    coordinate = point.model.embedding[IDS] @ point.modes.L.real.T
    for a, size in enumerate((0.999, 0.8, 0.5, 0.3)):
        reading = point.model.w @ point.modes.R[:, a].real
        assert kernel.parts[:, a] == pytest.approx(reading * coordinate[:, [a]] * size**lags, rel=1e-4, abs=1e-6)


def test_a_known_fast_mode_is_the_emphasis_of_the_end(texts):
    # words write 1.5 times as much on what w reads of the fast mode (λ = 0.8) as on the slow one, so that the emphasis
    # is 0.999ⁿ + 1.5 · 0.8ⁿ: at the last word 2.5, with a decay length of −1/log 0.8 = 4.5 tokens
    point = linear_point()
    R, L = point.modes.R.real, point.modes.L.real
    slow, read = point.model.embedding @ L[0], point.model.w @ R
    written = np.outer(slow, R[:, 0]) + np.outer(1.5 * slow * read[0] / read[1], R[:, 1])
    point.model = dataclasses.replace(point.model, embedding=written)
    lags = [0, 1, 2, 4, 8, 12]
    found, effects = edges.end_profile(point, texts, IDS, lags)
    expected = 0.999 ** np.array(lags) + 1.5 * 0.8 ** np.array(lags)
    assert found.value == pytest.approx(expected, rel=1e-3)
    fit = edges.decay_length(found)
    assert fit.length.value == pytest.approx(-1 / np.log(0.8), rel=0.1)

    kernel = edges.mode_kernel(point, IDS, lags)
    agree = edges.agreement(effects.mean(0).T, kernel.total, lags)
    assert agree.correlation[0].value == pytest.approx(1, abs=1e-6)
    assert agree.slope[-1].value == pytest.approx(1, abs=1e-3)

    # with the fast mode removed just before reading, the emphasis of the end is gone
    w, _ = edges.read_modes(point, [0])
    flat, _ = edges.end_profile(point, texts, IDS, lags, w=w)
    assert flat.value == pytest.approx(0.999 ** np.array(lags), rel=1e-3)


def test_read_modes_is_removing_modes_from_the_state():
    rng = np.random.default_rng(0)
    cell = initial_weights("gru", 5, 8).astype(float)
    vocabulary = Vocabulary(("<pad>", "<unk>", "a", "b"))
    model = SentimentRNN(cell, rng.normal(size=(4, 5)), vocabulary, rng.normal(size=8), 0.3, counts=np.arange(4))
    point = make_point(model, rng.normal(size=8), rng.normal(size=(8, 8)) / 3)
    R, L, h = point.modes.R, point.modes.L, rng.normal(size=(5, 8))
    keep = [0] if np.isreal(point.modes.eigvals[0]) else [0, 1]
    w, b = edges.read_modes(point, keep)
    projected = point.h_star + ((R[:, keep] @ L[keep]) @ (h - point.h_star).T).T.real
    assert h @ w + b == pytest.approx(model.readout(projected))
    w, b = edges.read_modes(point, np.arange(8))
    assert h @ w + b == pytest.approx(model.readout(h))


def test_without_removes_the_subspace_and_keeps_what_is_integrated(point):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(4, 2)))[0]
    h = rng.normal(size=4)
    left = edges.without(point, h, basis)
    assert point.l @ (left - h) == pytest.approx(0, abs=1e-12)
    # what is left in the subspace lies along r alone
    rest = basis.T @ (left - point.h_star)
    along = basis.T @ point.r
    assert rest - along * (rest @ along) / (along @ along) == pytest.approx(np.zeros(2), abs=1e-12)


def test_subspace_share(point):
    basis = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 2)))[0]
    inside = point.h_star + basis[:, 0] - point.r * (point.l @ basis[:, 0])
    outside = np.linalg.svd(np.column_stack([basis, point.l]).T)[2][-1]
    share = edges.subspace_share(point, point.h_star + np.stack([outside, 3 * point.r + outside]), basis)
    assert share == pytest.approx([0, 0], abs=1e-12)
    assert 0 < edges.subspace_share(point, inside, basis) <= 1


def test_state_barcode_of_a_gated_network():
    vocabulary = Vocabulary(("<pad>", "<unk>", *(f"w{i}" for i in range(WORDS))))
    model = untrained("gru", vocabulary, 12, 6, counts=np.arange(WORDS + 2)).astype(float)
    h_star = np.random.default_rng(0).normal(size=12) / 4
    point = make_point(model, h_star, np.diag(0.95 - 0.05 * np.arange(12)))
    h = h_star + 0.3
    step = lambda s, i: model.cell.step(s, model.embedding[i]) - point.mean_map(s)  # noqa: E731
    expected = [(model.w @ point.r) * point.l @ (step(h, i) - step(h_star, i)) for i in (3, 7)]
    assert edges.state_barcode(point, h, [3, 7]) == pytest.approx(expected)
    assert edges.state_barcode(point, h_star, [3, 7]) == pytest.approx([0, 0], abs=1e-12)


def test_first_and_last_tokens(point):
    ids = [np.arange(n, dtype=np.int32) % WORDS + 2 for n in (5, 12, 30)]
    tail, before = edges.last_tokens(point.model, ids, 10)
    assert np.array_equal(tail, [ids[1][-10:], ids[2][-10:]])
    whole = point.model.states_of(ids[1:])
    assert before == pytest.approx(np.stack([whole[0][2], whole[1][20]]), abs=1e-12)
    assert np.array_equal(edges.first_tokens(ids, 12), [ids[1], ids[2][:12]])
    with pytest.raises(ValueError, match="no text"):
        edges.last_tokens(point.model, ids, 30)
    with pytest.raises(ValueError, match="no text"):
        edges.first_tokens(ids, 31)
