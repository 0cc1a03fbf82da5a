"""Edges against closed forms: linear networks whose modes, kernels and emphasis are known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import made_up, point_at, turn

from rnnrev import edges, linear, modifiers, perturb
from rnnrev.book.line_attractor import memory_trace
from rnnrev.book.modifiers import in_context_profile
from rnnrev.cells import Cell, initial_weights
from rnnrev.data import Vocabulary
from rnnrev.linear import Unmeasured, operating_point, valence
from rnnrev.model import SentimentRNN, untrained
from rnnrev.subspace import Subspace, modifier_subspace

SMALL = 1e-5  # a tanh of numbers this small is linear
WORDS = 20


def linear_point(eigenvalues=(0.999, 0.8, 0.5, 0.3), w_modes=(1.0, 0.7, 0.0, 0.0), seed=0, complex_pair=None):
    """A network that is linear by being small; its modes, and what w reads of them, are given."""
    rng = np.random.default_rng(seed)
    S = len(eigenvalues)
    block = np.diag(np.asarray(eigenvalues, float))
    if complex_pair is not None:  # the last two modes turn
        size, angle = complex_pair
        block[-2:, -2:] = turn(size, angle)
    R = np.linalg.qr(rng.normal(size=(S, S)))[0] + 0.2 * rng.normal(size=(S, S))
    J = R @ block @ np.linalg.inv(R)
    w = (np.asarray(w_modes) @ np.linalg.inv(R)) / SMALL
    half = rng.normal(size=(WORDS // 2, S)) * SMALL
    embedding = np.concatenate([np.zeros((2, S)), half, -half])  # the mean input is zero: h* = 0 is the fixed point
    cell = Cell("vanilla", np.eye(S), J.T.copy(), np.zeros(S), np.zeros(S), np.zeros(S))
    counts = np.array([0, 0] + [1] * WORDS)
    model = SentimentRNN(cell, embedding, made_up(WORDS), w, 0.0, "linear", counts=counts)
    return point_at(model, np.zeros(S), J)


@pytest.fixture(scope="module")
def small():
    """A random network, texts, its point, probes and what its words do to them."""
    rng = np.random.default_rng(5)
    words = ["extremely", "not", *(f"w{i}" for i in range(198))]
    vocabulary = Vocabulary(("<pad>", "<unk>", *words))
    model = untrained("gru", vocabulary, 16, 8, seed=1, counts=np.r_[0, 0, np.full(200, 50)])
    texts = [" ".join(rng.choice(words, 110)) for _ in range(30)]
    point = operating_point(model, texts=texts)
    probes = modifiers.probe_words(point, 6)
    return model, texts, point, probes, modifiers.modifier_effects(point, probes=probes)


@pytest.fixture
def point():
    return linear_point()


@pytest.fixture
def texts():
    return np.random.default_rng(3).integers(2, 2 + WORDS, (6, 60)).astype(np.int32)


IDS = np.arange(2, 2 + WORDS)


def test_respond_in_a_linear_network_is_the_kernel(point, texts):
    lags = [0, 1, 2, 5, 11]
    measured = edges.insertion_response(point.model, texts, IDS, [0, 7, 30], lags)
    J = point.model.cell.U.T
    x = point.model.embedding
    for i, place in enumerate([0, 7, 30]):
        for j, n in enumerate(lags):
            kernel = (
                point.model.w @ np.linalg.matrix_power(J, n) @ (x[IDS][None] - x[texts[:, place]][:, None])[..., None]
            )
            assert measured[:, i, :, j] == pytest.approx(kernel[..., 0], rel=1e-3, abs=1e-5)


def test_respond_reads_off_any_readout_and_starts_anywhere(point, texts):
    h0 = np.random.default_rng(1).normal(size=(len(texts), 4)) * SMALL
    a = edges.insertion_response(point.model, texts, IDS, [3], [2], h0=h0, w=2 * point.model.w)
    b = edges.insertion_response(point.model, texts, IDS, [3], [2])
    assert a == pytest.approx(2 * b, rel=1e-4, abs=1e-6)


def test_texts_must_be_long_enough(point, texts):
    with pytest.raises(Unmeasured, match="need 61 tokens"):
        edges.insertion_response(point.model, texts, IDS, [50], [10])
    with pytest.raises(Unmeasured, match="in no text of 60"):
        edges.end_effects(point.model, texts, IDS, [0, 60])


def test_a_linear_network_has_a_flat_profile(point, texts):
    found = edges.start_profile(point, texts, IDS, [0, 1, 5, 30], lag=25)
    # 25 tokens on, the mode with λ = 0.8 is at 0.4 %; the slow one at 0.999²⁵
    assert found.value == pytest.approx(np.full(4, 0.999**25), rel=0.02)
    assert found.relative_to([30]).value == pytest.approx(np.ones(4), rel=1e-3)
    own = in_context_profile(point, np.tile(texts, (5, 1)), [0, 5, 30], lag=25)
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
    with pytest.raises(Unmeasured, match="the same lasting valence"):
        edges.profile(effects, np.ones(40), at)


def test_nothing_is_a_multiple_of_no_emphasis():
    rng = np.random.default_rng(0)
    valence = rng.normal(size=40)
    effects = np.stack([2 * valence, 0 * valence], 0) + rng.normal(size=(30, 2, 40))
    found = edges.profile(effects, valence, [0, 38])
    assert found.relative_to([0]).value[0] == 1
    with pytest.raises(Unmeasured, match=r"at \[38\]"):
        found.relative_to([38])


def test_profile_interval_covers_words_as_well_as_texts():
    # all noise is between words: resampling texts alone would give an interval of length zero
    rng = np.random.default_rng(1)
    valence = rng.normal(size=25)
    effects = np.broadcast_to(valence + rng.normal(size=25), (10, 1, 25))
    low, high = edges.profile(effects, valence, [0]).band
    assert high[0] - low[0] > 0.2


def test_neutral_texts_hold_only_words_of_little_valence(point):
    size = np.abs(valence(point, np.arange(WORDS + 2)))
    drawn = edges.neutral_texts(point, 20, 100)
    assert drawn.shape == (20, 100)
    assert size[np.unique(drawn)].max() < np.quantile(size[2:], 0.55)
    assert np.array_equal(drawn, edges.neutral_texts(point, 20, 100))


def test_neutral_texts_hold_no_words_that_change_others(point):
    # three of the least valent words are said to be modifiers; without that they are drawn
    size = np.abs(valence(point, np.arange(WORDS + 2)))
    loud = np.argsort(size[2:])[:3] + 2
    assert set(loud) <= set(edges.neutral_texts(point, 20, 100).ravel())
    table = pd.DataFrame({"number": IDS, "strength": np.isin(IDS, loud).astype(float)})
    drawn = edges.neutral_texts(point, 20, 100, table=table)
    assert not set(loud) & set(drawn.ravel())
    # the others' order is still that of their valence: all words are equally frequent, half of them are drawn
    rest = np.setdiff1d(IDS, loud)
    assert size[np.unique(drawn)].max() <= np.sort(size[rest])[WORDS // 2 - 1] + 1e-9


def responses(point, lags):
    """What is read of each word after so many tokens, w·Jⁿ x, (K, L)."""
    J, x = point.model.cell.U.T, point.model.embedding[IDS]
    return np.stack([x @ (point.model.w @ np.linalg.matrix_power(J, n)) for n in lags], 1)


def test_in_a_linear_network_as_much_is_kept_as_theory_says(point, texts):
    lags = [0, 2, 12]
    found = memory_trace(point, texts, IDS, lags)
    expected = responses(point, lags)
    for name in ("measured", "predicted"):
        assert [e.value for e in found[name]] == pytest.approx(expected.std(0), rel=1e-3)
        assert all(e.low < e.value < e.high for e in found[name])


@pytest.mark.parametrize("pair", [None, (0.7, 0.6)])
def test_mode_kernel_sums_to_the_powers_of_J(pair):
    point = linear_point(w_modes=(1.0, 0.7, -0.4, 0.2), complex_pair=pair)
    lags = np.arange(8)
    kernel = linear.mode_kernel(point, IDS, lags)
    expected = responses(point, lags)
    assert kernel.total == pytest.approx(expected, rel=1e-4, abs=1e-6)
    groups = kernel.groups()
    assert sum(groups.values()) == pytest.approx(kernel.total)
    # τ = −1/log 0.8 is 4.5 tokens, the rest are shorter
    assert list(groups) == ["slow mode", "3 ≤ τ < 10 (1)", "τ < 3 (2)"]
    assert groups["slow mode"][:, 0] == pytest.approx(valence(point, IDS), rel=1e-4, abs=1e-8)


@pytest.fixture
def growing():
    """A network with a mode that grows (λ = 1.05), a slow one (0.99) and two that are fast, all read by w."""
    return linear_point((1.05, 0.99, 0.8, 0.3), (0.5, 1.0, 0.7, -0.4))


def test_a_growing_mode_is_a_group_of_its_own(growing):
    kernel = linear.mode_kernel(growing, IDS, [0, 2, 9])
    groups = kernel.groups()
    assert list(groups) == ["slow mode", "growing (1)", "3 ≤ τ < 10 (1)", "τ < 3 (1)"]
    assert sum(groups.values()) == pytest.approx(kernel.total)
    coordinates = growing.model.embedding[IDS] @ growing.modes.L.real.T
    read = growing.model.w @ growing.modes.R.real
    for name, a, size in (("growing (1)", 0, 1.05), ("slow mode", 1, 0.99)):
        expected = read[a] * coordinates[:, [a]] * size ** np.array([0, 2, 9])
        assert groups[name] == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_a_growing_mode_is_not_removed_as_fast(growing):
    found = edges.readouts(growing)
    assert found["slow mode alone"][0] == pytest.approx(edges.read_modes(growing, [1])[0])
    assert found["fast modes removed"][0] == pytest.approx(edges.read_modes(growing, [0, 1])[0])


def test_an_exact_integrator_beside_the_slow_mode_is_kept():
    point = linear_point((1.0, 1.0, 0.8, 0.3), (1.0, 1.0, 0.7, 0.2))
    kernel = linear.mode_kernel(point, IDS, [0, 5])
    assert sum(kernel.groups().values()) == pytest.approx(kernel.total)
    # τ = 4.5 and .8 tokens go, both integrators stay
    assert edges.readouts(point)["fast modes removed"][0] == pytest.approx(edges.read_modes(point, [0, 1])[0])


def test_a_known_fast_mode_is_the_emphasis_of_the_end(texts):
    # words write 1.5 times as much on what w reads of the fast mode (λ = 0.8) as on the slow one, so that the emphasis
    # is 0.999ⁿ + 1.5 · 0.8ⁿ: at the last word 2.5, with a decay length of −1/log 0.8 = 4.5 tokens
    point = linear_point()
    R, L = point.modes.R.real, point.modes.L.real
    slow, read = point.model.embedding @ L[0], point.model.w @ R
    written = np.outer(slow, R[:, 0]) + np.outer(1.5 * slow * read[0] / read[1], R[:, 1])
    model = dataclasses.replace(point.model, embedding=written)
    point = point_at(model, point.h_star, model.cell.U.T)
    lags = [0, 1, 2, 4, 8, 12]
    lasting = valence(point, IDS)
    slow_only, _ = edges.read_modes(point, [0])
    effects = edges.end_effects(point.model, texts, IDS, lags, w=np.stack([point.model.w, slow_only], 1))
    found = edges.profile(effects[..., 0], lasting, lags)
    expected = 0.999 ** np.array(lags) + 1.5 * 0.8 ** np.array(lags)
    assert found.value == pytest.approx(expected, rel=1e-3)
    fit = edges.decay_length(found)
    assert fit.length.value == pytest.approx(-1 / np.log(0.8), rel=0.1)

    kernel = linear.mode_kernel(point, IDS, lags)
    means = effects[..., 0].mean(0).T
    means -= means.mean(0) - kernel.total.mean(0)  # the replaced tokens'
    agree = edges.agreement(means, kernel.total, lasting, lags)
    assert agree.correlation[0].value == pytest.approx(1, abs=1e-6)
    assert means[:, -1] == pytest.approx(kernel.total[:, -1], rel=1e-3, abs=1e-4)

    # with the fast mode removed just before reading, the emphasis of the end is gone
    flat = edges.profile(effects[..., 1], lasting, lags)
    assert flat.value == pytest.approx(0.999 ** np.array(lags), rel=1e-3)


def test_read_modes_is_removing_modes_from_the_state():
    rng = np.random.default_rng(0)
    cell = initial_weights("gru", 5, 8).astype(float)
    vocabulary = Vocabulary(("<pad>", "<unk>", "a", "b"))
    model = SentimentRNN(cell, rng.normal(size=(4, 5)), vocabulary, rng.normal(size=8), 0.3, counts=np.arange(4))
    point = point_at(model, rng.normal(size=8), rng.normal(size=(8, 8)) / 3)
    R, L, h = point.modes.R, point.modes.L, rng.normal(size=(5, 8))
    keep = [0] if np.isreal(point.modes.eigvals[0]) else [0, 1]
    w, b = edges.read_modes(point, keep)
    projected = point.h_star + ((R[:, keep] @ L[keep]) @ (h - point.h_star).T).T.real
    assert h @ w + b == pytest.approx(model.readout(projected))
    w, b = edges.read_modes(point, np.arange(8))
    assert h @ w + b == pytest.approx(model.readout(h))


def test_subspace_share(point):
    directions = np.random.default_rng(2).normal(size=(4, 2))
    basis = np.linalg.qr(directions - np.outer(point.l, point.l @ directions) / (point.l @ point.l))[0]
    subspace = Subspace(point.h_star, basis, basis - np.outer(point.l, point.r @ basis))
    inside = basis @ [0.3, -2.0] + 5 * point.r
    outside = np.linalg.svd(np.column_stack([basis, point.l]).T)[2][-1]
    share = edges._subspace_share(point, np.stack([inside, outside, basis[:, 0] + outside]), subspace)
    assert share == pytest.approx([1, 0, 0.5], abs=1e-12)


def test_starts_change_what_they_say_and_keep_what_is_integrated():
    model = untrained("gru", made_up(60), 12, 6, counts=np.r_[0, 0, np.full(60, 5)]).astype(float)
    model = dataclasses.replace(model, cell=dataclasses.replace(model.cell, h0=np.linspace(-1, 1, 12)))
    point = point_at(model, np.full(12, 0.1), np.diag(0.95 - 0.05 * np.arange(12)))
    subspace = modifier_subspace(point, list(range(2, 12)), 3)
    table = modifiers.modifier_effects(point, probes=modifiers.probe_words(point, 3)).assign(kind="other")
    found = edges.starts(point, subspace, table)
    h0 = found["intact"]
    for name in ("component removed", "other words' subspace removed", "random subspace removed", "random change"):
        assert (found[name] - h0) @ point.l == pytest.approx(0, abs=1e-12)
    assert edges._subspace_share(point, found["component removed"], subspace) == pytest.approx(0, abs=1e-12)
    assert subspace.coordinates(found["only the component"]) == pytest.approx(subspace.coordinates(h0))
    moved = np.linalg.norm(found["component removed"] - h0)
    assert np.linalg.norm(found["random change"] - h0, axis=1) == pytest.approx(np.full(20, moved))
    # controls are drawn anew for each text, alone and among other changes
    texts = np.random.default_rng(3).integers(2, 60, (25, 9))
    many = edges.insertion_response(model, texts, [5], [0], [4], h0=found["random change"])
    assert many[21:22] == pytest.approx(
        edges.insertion_response(model, texts[21:22], [5], [0], [4], h0=found["random change"][1]), abs=1e-6
    )
    run = perturb.run(model, list(texts), [perturb.start_from(found["random change"])], states=True)
    assert run.states[21][0] == pytest.approx(found["random change"][1])
    # the same state as the general machinery of perturbations makes
    change = perturb.only(perturb.project_out(subspace), steps=slice(0, 1))
    states = perturb.run(model, [np.array([3])], change, states=True).states
    assert found["component removed"] == pytest.approx(states[0][0])


def test_profiles_of_the_same_texts_are_compared_in_pairs():
    rng = np.random.default_rng(0)
    lasting, noise = rng.normal(size=30), rng.normal(size=(20, 3, 30))
    a = edges.profile(2 * lasting + noise, lasting, [0, 5, 9])
    b = edges.profile(lasting + noise, lasting, [0, 5, 9])
    more = a.minus(b)
    # the noise is the same in both: nothing of it is left in the difference
    assert more.value == pytest.approx(np.ones(3))
    assert more.curves == pytest.approx(np.ones_like(more.curves))
    assert a.mean([5, 9]).value == pytest.approx(a.value[1:].mean())
    with pytest.raises(ValueError, match="same places"):
        a.minus(edges.profile(lasting + noise, lasting, [0, 5, 8]))


def test_agreement_tells_a_transient_from_lasting_valence():
    rng = np.random.default_rng(0)
    lasting, own = rng.normal(size=(2, 60))
    predicted = np.stack([lasting + own, lasting + own / 9], 1)
    blind = np.stack([lasting + rng.normal(size=60), lasting + 1e-3 * rng.normal(size=60)], 1)
    knows = edges.agreement(3 * predicted + 1, predicted, lasting, [0, 9])
    assert knows.correlation[0].value == pytest.approx(1)
    assert knows.partial[0].value == pytest.approx(1)
    # correlated through lasting valence alone
    found = edges.agreement(blind, predicted, lasting, [0, 9])
    assert found.correlation[0].low > 0
    assert found.partial[0].low < 0 < found.partial[0].high
    # a prediction that is lasting valence and no more says nothing about single words
    nothing = edges.agreement(blind, np.stack([2 * lasting, lasting + own], 1), lasting, [0, 9])
    assert np.isnan(nothing.partial[0].value)
    assert np.isfinite(nothing.partial[9].value)


def test_readouts_and_their_control():
    rng = np.random.default_rng(0)
    point = linear_point((0.999, 0.95, 0.5, 0.3), (1.0, 0.7, -0.4, 0.2))
    states = rng.normal(size=(200, 4)) * SMALL
    made = edges.readouts(point)
    logits = {name: states @ w + b for name, (w, b) in made.items()}
    assert logits["intact"] == pytest.approx(point.model.readout(states))
    # modes with τ = 1000 and 20 tokens stay, those with 1.4 and 0.8 go
    assert made["fast modes removed"][0] == pytest.approx(edges.read_modes(point, [0, 1])[0])
    lost = logits["intact"] - logits["slow mode alone"]
    read = edges.end_readouts(point, states, n=5)
    assert read[:, :3] == pytest.approx(np.stack([w for w, _ in made.values()], 1))
    random = read[:, 3:]
    assert random.shape == (4, 5)
    assert (states @ (point.model.w[:, None] - random)).std(0) == pytest.approx(np.full(5, lost.std()))
    assert point.r @ random == pytest.approx(np.full(5, point.model.w @ point.r))


def test_random_readouts_make_one_profile():
    lasting = np.linspace(-1, 1, 9)
    effects = np.multiply.outer(np.ones((3, 2)), lasting)[..., None] * [4.0, 3.0, 2.0, 1.0, 2.0, 6.0]
    found = edges.end_profiles(effects, lasting, [0, 4])
    assert [p.value[0] for p in found.values()] == pytest.approx([4, 3, 2, 3])
    assert np.sort(found["random directions removed"].curves[1:, 0]) == pytest.approx([1, 2, 6])


def test_where_nothing_fades_there_is_no_length():
    found = edges.decay_length(edges.Profile(np.array([0, 3, 9, 20]), np.full((9, 4), np.nan)))
    assert np.isnan(found.length.value)


@pytest.mark.parametrize("tau", [80, -200, np.inf])
def test_leak_rate_of_a_memory(tau):
    at, rng = np.array([0, 5, 10, 30]), np.random.default_rng(0)
    lasting = rng.normal(size=30)
    effects = np.exp(-at / tau)[:, None] * lasting + 0.02 * rng.normal(size=(20, 4, 30))
    found = edges.leak_rate(edges.profile(effects, lasting, at))
    assert found.low < 1 / tau < found.high
    assert found.value == pytest.approx(1 / tau, abs=1e-3)


def test_compare_barcodes_knows_a_gain(small):
    model, _, point, probes, table = small
    found = edges.compare_barcodes(point, probes.numbers, table, n=10)
    code = valence(point, probes.numbers, model.cell.h0) - probes.valence
    assert found.gain["h₀"].value == pytest.approx(np.polyfit(probes.valence, code, 1)[0])
    after = model.cell.step(point.h_star, model.embed(["extremely"])[0])
    code_after = valence(point, probes.numbers, after) - probes.valence
    assert found.correlation["extremely"].value == pytest.approx(np.corrcoef(code, code_after)[0, 1], abs=1e-4)
    spread = found.gain["random states"]
    assert spread.low < spread.value < spread.high


def test_first_and_last_tokens(point):
    ids = [np.arange(n, dtype=np.int32) % WORDS + 2 for n in (5, 12, 30)]
    tail, before = edges.last_tokens(point.model, ids, 10)
    assert np.array_equal(tail, [ids[1][-10:], ids[2][-10:]])
    whole = point.model.states_of(ids[1:])
    assert before == pytest.approx(np.stack([whole[0][2], whole[1][20]]), abs=1e-12)
    assert np.array_equal(edges.first_tokens(ids, 12), [ids[1], ids[2][:12]])
    with pytest.raises(Unmeasured, match="no text"):
        edges.last_tokens(point.model, ids, 30)
    with pytest.raises(Unmeasured, match="no text"):
        edges.first_tokens(ids, 31)


def test_now_and_later_of_a_linear_network():
    point = linear_point()
    found = edges.now_and_later(point)
    d = point.model.embedding[IDS]
    now, later = d @ point.model.w, (point.model.w @ point.r) * (d @ point.l)
    assert found.slope.value == pytest.approx(np.polyfit(later, now, 1)[0], rel=1e-3)
    assert found.correlation.value == pytest.approx(np.corrcoef(now, later)[0, 1], rel=1e-3)


def test_compare_shares_finds_a_start_inside_the_subspace(small):
    model, _, point, _, table = small
    subspace = modifier_subspace(point, list(table.word[:20]), 2)
    inside = point.h_star + subspace.basis @ [1.0, -2.0]
    point = dataclasses.replace(
        point, model=dataclasses.replace(model, cell=dataclasses.replace(model.cell, h0=inside))
    )
    shares = edges.compare_shares(point, subspace, table.assign(kind="other"), n=20)
    assert shares["h₀"].value == pytest.approx(1, abs=1e-6)
    assert np.isnan(shares["h₀"].low)
    assert shares["h₀ in a random subspace"].value < 0.5
    for control in ("visited states", "h₀ in a subspace of other words", "h₀ in a random subspace"):
        assert 0 <= shares[control].low < shares[control].value < shares[control].high <= 1


def test_the_emphasis_goes_with_the_axes_that_hold_it(small):
    model, texts, point, probes, table = small
    table = table.assign(kind="other")
    subspace = modifier_subspace(point, list(table.word[:20]), 2)
    # h₀ lies on the second axis: the first takes nothing, both take all
    inside = point.h_star + 2 * subspace.basis[:, 1]
    cell = dataclasses.replace(model.cell, h0=inside)
    point = dataclasses.replace(point, model=dataclasses.replace(point.model, cell=cell))
    texts = edges.first_tokens(model.vocabulary.encode_all(texts), 45)[:8]
    found = edges.by_axes(point, texts, probes.numbers, subspace, table, (1, 2)).set_index(["removed", "axes"])
    assert found.share["modifiers", 1].value == pytest.approx(0, abs=1e-9)
    assert found.share["modifiers", 2].value == pytest.approx(1)
    whole = edges.start_profile(point, texts, probes.numbers, (0,))
    level = edges.start_profile(point, texts, probes.numbers, (0,), h0=point.h_star)
    assert found.left["modifiers", 1].value == pytest.approx(whole.minus(level).estimate(0).value, abs=1e-3)
    assert found.left["modifiers", 2].value == pytest.approx(0, abs=1e-3)
    assert found.share["random directions", 2].low < found.share["random directions", 2].high < 1


def test_mode_kernel_knows_each_mode(point):
    lags = np.arange(6)
    kernel = linear.mode_kernel(point, IDS, lags)
    coordinate = point.model.embedding[IDS] @ point.modes.L.real.T
    for a, size in enumerate((0.999, 0.8, 0.5, 0.3)):
        reading = point.model.w @ point.modes.R[:, a].real
        assert kernel.parts[:, a] == pytest.approx(reading * coordinate[:, [a]] * size**lags, rel=1e-4, abs=1e-6)
