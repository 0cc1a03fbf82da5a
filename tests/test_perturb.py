"""Perturbed runs: nothing changed gives the network itself; windows, projections and estimates in closed form."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from conftest import random_point

from rnnrev import linear, perturb
from rnnrev.book.modifiers import by_dimension
from rnnrev.cells import CELLS
from rnnrev.data import PAD, UNKNOWN, Vocabulary, load_contrasts, tokenize
from rnnrev.fixed_points import mean_map
from rnnrev.model import SentimentRNN
from rnnrev.modifiers import lexicon, modifier_effects, probe_words
from rnnrev.subspace import chosen_subspace, modifier_subspace, random_subspace


def some_texts(model, n=30, longest=12):
    rng = np.random.default_rng(5)
    return [rng.integers(2, len(model.vocabulary), rng.integers(1, longest)).astype(np.int32) for _ in range(n)]


@pytest.fixture(scope="module")
def point():
    return random_point()


@pytest.fixture(scope="module")
def subspace(point):
    return modifier_subspace(point, [f"w{i}" for i in range(15)], 3)


@pytest.mark.parametrize("kind", CELLS)
def test_no_change_gives_the_network_itself(kind):
    p = random_point(kind)
    ids = some_texts(p.model)
    identity = perturb.amplify(random_subspace(p, 2), 1.0)
    for changes in ((), identity, [perturb.scale(random_subspace(p, 2), 1.0)]):
        made = perturb.run(p.model, ids, changes, states=True)
        np.testing.assert_allclose(made.final, p.model.logits_of(ids), atol=1e-12)
        np.testing.assert_allclose(made.last, p.model.final_states_of(ids), atol=1e-12)
        for own, reference, logits in zip(made.states, p.model.states_of(ids), made.logits):
            np.testing.assert_allclose(own, reference, atol=1e-12)
            np.testing.assert_allclose(logits, p.model.readout(reference), atol=1e-12)


def test_texts_and_numbers_give_the_same(point):
    texts = ["w1 w2 w3", "w4"]
    a = perturb.run(point.model, texts)
    b = perturb.run(point.model, point.model.vocabulary.encode_all(texts))
    np.testing.assert_array_equal(a.final, b.final)
    with pytest.raises(TypeError, match="list of texts"):
        perturb.run(point.model, "w1 w2")


def test_projecting_out_against_a_plain_loop(point, subspace):
    ids = some_texts(point.model, 5)
    P = np.eye(len(subspace.basis)) - subspace.basis @ subspace.dual.T
    made = perturb.run(point.model, ids, perturb.project_out(subspace), states=True)
    for text, states in zip(ids, made.states):
        h = point.h_star + P @ (point.model.cell.h0 - point.h_star)
        np.testing.assert_allclose(states[0], h, atol=1e-12)
        for x, got in zip(point.model.embedding[text], states[1:]):
            free = point.model.cell(h, x)
            h = point.h_star + P @ (free - point.h_star)
            np.testing.assert_allclose(got, h, atol=1e-12)
            assert point.l @ h == pytest.approx(point.l @ free)
        np.testing.assert_allclose(subspace.coordinates(states), 0, atol=1e-12)


def test_clamping_sets_the_coordinates(point, subspace):
    made = perturb.run(point.model, some_texts(point.model, 4), perturb.clamp(subspace, [1, -2, 0.5]), states=True)
    for states in made.states:
        np.testing.assert_allclose(subspace.coordinates(states), np.tile([1, -2, 0.5], (len(states), 1)), atol=1e-12)


def test_starting_from_and_adding(point):
    ids, h0 = some_texts(point.model, 4), np.full(10, 0.25)
    made = perturb.run(point.model, ids, perturb.start_from(h0), states=True)
    for own, reference in zip(made.states, point.model.states_of(ids, h0=h0)):
        np.testing.assert_allclose(own, reference, atol=1e-12)
    at_start = perturb.only(lambda h, step: h + h0 - point.model.cell.h0, steps=slice(0, 1))
    np.testing.assert_allclose(perturb.run(point.model, ids, at_start).final, made.final, atol=1e-12)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (slice(0, 1), lambda T: [0]),
        (slice(2, 4), lambda T: [t for t in (2, 3) if t <= T]),
        (slice(-2, None), lambda T: range(max(T - 1, 0), T + 1)),
        (slice(1, -1), lambda T: range(1, T)),
        (slice(None), lambda T: range(T + 1)),
        (slice(-100, None), lambda T: range(T + 1)),
    ],
)
def test_windows_count_states_of_each_text(window, expected):
    model = random_point("vanilla").model  # which forgets in one step what is added
    ids = some_texts(model, 12, 7)
    made = perturb.run(model, ids, perturb.only(lambda h, step: h + 1000, steps=window), states=True)
    for text, states in zip(ids, made.states):
        assert np.flatnonzero(states[:, 0] > 500).tolist() == list(expected(len(text)))


def test_changes_at_chosen_tokens_only(point):
    ids = [np.array([2, 5, 3, 5], np.int32), np.array([4, 3], np.int32)]
    made = perturb.run(point.model, ids, perturb.only(lambda h, step: h + 1000, tokens=[5]), states=True)
    assert np.flatnonzero(made.states[0][:, 0] > 500).tolist() == [2, 4]
    np.testing.assert_allclose(made.states[1], point.model.states_of(ids[1:])[0], atol=1e-12)
    with pytest.raises(ValueError, match="step 1"):
        perturb.only(perturb.start_from(np.zeros(10)), steps=slice(0, 5, 2))


def test_changes_compose_in_order(point, subspace):
    ids = some_texts(point.model, 3)
    both = perturb.run(point.model, ids, [perturb.clamp(subspace, 3.0), perturb.project_out(subspace)], states=True)
    only_last = perturb.run(point.model, ids, perturb.project_out(subspace), states=True)
    for a, b in zip(both.states, only_last.states):
        np.testing.assert_allclose(a, b, atol=1e-10)


@pytest.mark.parametrize(
    ("kind", "gain"), [(k, g) for k in CELLS for g in (-1.0, 0.0, 2.0, 3.0 if k == "knob" else 8.0)]
)
def test_amplifying_multiplies_the_coordinates_of_the_intact_run(kind, gain):
    point = random_point(kind)
    model, subspace = point.model, modifier_subspace(point, [f"w{i}" for i in range(15)], 3)
    ids = some_texts(model, 150, 30)
    intact = perturb.run(model, ids, states=True)
    made = perturb.run(model, ids, perturb.amplify(subspace, gain), states=True)
    removed = perturb.run(model, ids, perturb.project_out(subspace), states=True)
    rest = np.eye(model.cell.n_state) - subspace.basis @ subspace.dual.T
    for text, own, usual, without in zip(ids, made.states, intact.states, removed.states):
        np.testing.assert_allclose(subspace.coordinates(own), gain * subspace.coordinates(usual), atol=1e-9)
        # nothing else is changed: the rest is the network's own step from the state before
        after = model.cell.step(own[:-1], model.embedding[text])
        np.testing.assert_allclose((own[1:] - after) @ rest.T, 0, atol=1e-9)
        if gain == 0:
            np.testing.assert_allclose(own, without, atol=1e-9)


def test_an_amplified_window_begins_with_the_state_it_finds(point, subspace):
    ids = some_texts(point.model, 12, 9)
    usual = perturb.run(point.model, ids, states=True).states
    made = perturb.run(point.model, ids, perturb.only(perturb.amplify(subspace, 3.0), slice(2, 4)), states=True).states
    for own, intact in zip(made, usual):
        np.testing.assert_allclose(own[:2], intact[:2], atol=1e-12)
        window = slice(2, min(4, len(own)))
        np.testing.assert_allclose(
            subspace.coordinates(own[window]), 3 * subspace.coordinates(intact[window]), atol=1e-9
        )


CHANGES = {
    "scale": lambda s: perturb.scale(s, 0.5),
    "project_out": perturb.project_out,
    "clamp": lambda s: perturb.clamp(s, [1, -2, 0.5]),
    "amplify": lambda s: perturb.amplify(s, 2.5),
    "one's own": lambda s: lambda h, step: h + np.linspace(-0.1, 0.1, 10),
    "start_from": lambda s: perturb.start_from(s.h_star),
}
PLACES = {
    "everywhere": {}, "at tokens": {"tokens": np.arange(2, 12)}, "at the beginning": {"steps": slice(0, 3)},
    "inside": {"steps": slice(2, -2)}, "at the end": {"steps": slice(-3, None)},
    "at tokens near the end": {"steps": slice(-4, None), "tokens": np.arange(2, 22)},
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("change", CHANGES)
def test_a_text_reads_the_same_alone_and_beside_others(point, subspace, change, place):
    ids = some_texts(point.model, 20, 14)
    made = perturb.only(CHANGES[change](subspace), **PLACES[place])
    together = perturb.run(point.model, ids, made, states=True)
    for i, text in enumerate(ids):
        alone = perturb.run(point.model, [text], made, states=True)
        np.testing.assert_allclose(together.states[i], alone.states[0], atol=1e-10)


def test_amplified_at_chosen_tokens_against_a_plain_loop(point, subspace):
    ids, chosen = some_texts(point.model, 10, 14), np.arange(2, 15)
    made = perturb.run(point.model, ids, perturb.only(perturb.amplify(subspace, 3.0), tokens=chosen), states=True)
    for text, states in zip(ids, made.states):
        intact = h = point.model.cell.h0
        for token, got in zip(text, states[1:]):
            x = point.model.embedding[token]
            intact, h = point.model.cell(intact, x), point.model.cell(h, x)
            if token in chosen:
                h = h + subspace.basis @ (3 * subspace.coordinates(intact) - subspace.coordinates(h))
            np.testing.assert_allclose(got, h, atol=1e-10)


def test_amplify_says_what_it_needs(point, subspace):
    amplified = perturb.amplify(subspace, 2.0)

    def late(h, step):
        return amplified(h, step) if step.t > 1 else h

    with pytest.raises(RuntimeError, match="at every step"):
        perturb.run(point.model, some_texts(point.model, 3, 9), late)


def test_modulation_recovers_what_was_put_in():
    rng = np.random.default_rng(0)
    words = np.repeat([f"w{i}" for i in range(40)], 5)
    valence = np.repeat(rng.choice([-1, 1], 40), 5)
    strength = np.repeat(rng.uniform(1, 3, 40), 5)
    without = valence * strength + 0.4
    with_ = -0.5 * valence * strength - 0.7 + 0.4
    found = perturb.modulation(valence, without, with_, words)
    assert found.gain.value == pytest.approx(-1.5, abs=0.02)
    assert found.gain.low <= found.gain.value <= found.gain.high
    up, down = strength[valence > 0].mean(), strength[valence < 0].mean()
    assert found.base.value == pytest.approx((up + down) / 2)
    assert found.own.value == pytest.approx(-0.7 - 1.5 * (up - down) / 2)
    with pytest.raises(linear.Unmeasured, match="both signs"):
        perturb.modulation(np.ones(3), np.ones(3), np.ones(3), ["a", "b", "c"])
    nothing = perturb.modulation(valence, rng.normal(size=200), with_, words)  # plain words do nothing here:
    assert nothing.base.low < 0 < nothing.base.high
    assert np.isnan(nothing.gain.value)  # a share of nothing is no number
    assert nothing.own.value == pytest.approx(found.own.value + 0.4, abs=0.5)


def contrast_model():
    words = tuple(
        ["the", "movie", "was", "good", "bad", "not", "very", ".", "a", "film", "is", "one", "plot", "house", "tree"]
    )
    p = random_point(n_words=len(words))
    vocabulary = Vocabulary((PAD, UNKNOWN, *words))
    embedding = 0.1 * np.random.default_rng(2).normal(size=p.model.embedding.shape)
    model = SentimentRNN(p.model.cell, embedding, vocabulary, p.model.w, p.model.b, counts=p.model.counts)
    return dataclasses.replace(p, model=model, mean_map=mean_map(model, 15))


def test_phrase_pairs_match_a_phrase_with_its_base():
    table = pd.DataFrame(
        [
            ("good", 1, "f", "base", "", "the movie was good"),
            ("good", 1, "f", "negated", "not", "the movie was not good"),
            ("bad", -1, "f", "base", "", "the movie was bad"),
            ("bad", -1, "f", "intensified", "very", "the movie was very bad"),
            ("bad", -1, "f", "negated", "unheard", "the movie was unheard bad"),
        ],
        columns=["word", "valence", "frame", "condition", "modifier", "text"],
    )
    model = contrast_model().model
    pairs = perturb.phrase_pairs(model, table)
    assert pairs.modifier.tolist() == ["not", "very"]
    for without, with_, modifier in zip(pairs["without"], pairs["with"], pairs.modifier):
        assert np.delete(with_, 3).tolist() == without.tolist()
        assert with_[3] == model.vocabulary.number(modifier)


def test_sentence_pairs_strike_out_the_modifier(monkeypatch):
    p = contrast_model()
    numbers = np.arange(2, 17)
    strong = np.zeros(17)
    strong[[p.model.vocabulary.number("good"), p.model.vocabulary.number("bad")]] = 1, -1
    monkeypatch.setattr(perturb, "valence", lambda point, words, inputs: strong[words])
    monkeypatch.setattr(perturb, "matched_words", lambda table, words, n: np.array([[0]]))  # "the"
    counts = np.full(17, 10)
    counts[:2] = 0
    counts[[p.model.vocabulary.number("good"), p.model.vocabulary.number("bad")]] = 1
    p = dataclasses.replace(
        p, model=SentimentRNN(p.model.cell, p.model.embedding, p.model.vocabulary, p.model.w, p.model.b, counts=counts)
    )
    table = pd.DataFrame({"word": p.model.vocabulary.words[2:], "number": numbers, "kind": "other"})
    texts = [
        "The movie was not good. The film is very bad.",  # two pairs
        "The plot is not very good.",  # two modifiers: no pair
        "not a house is one tree is good.",  # the valence word is too far
        "a house the good film",  # a control
    ]
    pairs = perturb.sentence_pairs(p, table, texts)
    found = {(c, m, w, v) for c, m, w, v in zip(pairs.condition, pairs.modifier, pairs.word, pairs.valence)}
    assert found == {("negated", "not", "good", 1), ("intensified", "very", "bad", -1), ("control", "the", "good", 1)}
    for without, with_ in zip(pairs["without"], pairs["with"]):
        assert len(without) == len(with_) - 1
    with pytest.raises(ValueError, match="more texts"):
        perturb.sentence_pairs(p, table, ["tree."])


def test_abolition_and_costs_tables(point):
    said = point.model.logits([f"w{i}" for i in range(8)])
    pairs = pd.DataFrame({
        "condition": ["negated"] * 8, "modifier": "w9", "word": [f"w{i}" for i in range(8)],
        "valence": np.where(said > np.median(said), 1, -1),
        "without": [np.array([2 + i], np.int32) for i in range(8)],
        "with": [np.array([11, 2 + i], np.int32) for i in range(8)],
    })  # fmt: skip
    subspace = random_subspace(point, 2)
    table = perturb.abolition(
        point, pairs, {"intact": [], "removed": [perturb.project_out(subspace)]}, mid_review=False
    )
    logits = [point.model.logits_of(list(pairs[c])) for c in ("without", "with")]
    expected = perturb.modulation(pairs.valence, *logits, pairs.word)
    assert table.gain[0].value == pytest.approx(expected.gain.value, rel=1e-3)
    assert table.own[0].value == pytest.approx(expected.own.value, rel=1e-3)
    ids = some_texts(point.model, 40)
    labels = (point.model.logits_of(ids) > 0).astype(int)
    made = perturb.costs(point.model, ids, labels, {"intact": [], "removed": [perturb.project_out(subspace)]})
    assert made.accuracy[0].value == 1
    assert made.cost[1].value == pytest.approx(1 - made.accuracy[1].value)


def test_typical_states_are_states_of_running_text(point):
    assert perturb.typical_states(point).shape == (64 * 81, 10)


def english(kind):
    """A random network that knows the contrast phrases, the grammar and 100 other words."""
    known = set(lexicon().word) | {w for t in load_contrasts().text for w in tokenize(t)}
    words = (*sorted(known), *(f"w{i}" for i in range(100)))
    rng, p = np.random.default_rng(0), random_point(kind, n_words=len(words))
    counts = np.r_[0, 0, rng.integers(1, 50, len(words))]
    model = dataclasses.replace(p.model, vocabulary=Vocabulary((PAD, UNKNOWN, *words)), counts=counts)
    return dataclasses.replace(p, model=model, mean_map=mean_map(model, 40))


@pytest.mark.parametrize("kind", ["vanilla", "lstm"])
def test_the_whole_experiment_on_networks_without_modifiers(kind):
    """An untrained network of any architecture has few modifiers or none: every control can be made all the same."""
    p = english(kind)
    probes = probe_words(p, 10)
    table, pairs = modifier_effects(p, probes=probes), perturb.phrase_pairs(p.model)
    pairs = pairs[pairs.word.isin(["good", "great", "bad", "awful"])]
    space = chosen_subspace(p, table)
    tried = perturb.conditions(p, space, table, pairs)
    found = perturb.abolition(p, pairs, tried)
    assert list(found.perturbation.unique()) == list(tried)
    for r in found.itertuples():  # plain words of an untrained network may do nothing: then there is no gain
        assert np.isfinite(r.gain.value) == (not r.base.low <= 0 <= r.base.high)
    by_k = by_dimension(p, table, pairs, (0, 2), draws=2)
    nothing = by_k.gain[by_k.dim == 0]
    intact = found.gain[found.perturbation == "intact"]
    assert [g.value for g in nothing] == pytest.approx([g.value for g in intact] * 3, nan_ok=True)
    assert set(by_k.subspace) == {"modifiers", "other words"}
    plain = np.concatenate(
        [h[1:] for h in perturb.run(p.model, list(pairs["without"]), perturb.start_from(p.h_star), states=True).states]
    )
    held = perturb.run(p.model, list(pairs["without"][:3]), tried["modifiers at their mean"], states=True).states
    np.testing.assert_allclose(space.coordinates(held[0]), np.tile(space.coordinates(plain).mean(0), (len(held[0]), 1)))
