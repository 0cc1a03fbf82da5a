"""What chapter 10 measures: pairs of words, parts of an axis by layer, and readers beside each other."""

from __future__ import annotations

from dataclasses import replace

import gates
import numpy as np
import pandas as pd
import pytest
from conftest import small_network
from test_stacks import network

from rnnrev import perturb
from rnnrev.balanced import balanced_modes
from rnnrev.book.language import Language
from rnnrev.model import BagOfWords, SentimentRNN
from rnnrev.stacks import stack

PAIRS = pd.DataFrame({"modifier": ["not", "very"] * 2, "word": ["good", "good", "bad", "bad"]})


@pytest.fixture(autouse=True)
def pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "phrase_pairs", lambda model: PAIRS)


def measured(model: SentimentRNN) -> dict[str, float]:
    ids = [np.random.default_rng(i).integers(2, 12, 40) for i in range(5)]
    return {str(row["measure"]): float(str(row["value"])) for row in gates.two_words(model, ids, 0)}


def test_in_one_layer_pairs_follow_from_each_word_and_in_others_they_do_not():
    found = measured(small_network("mingru"))
    assert found["pair_r2"] == pytest.approx(1, abs=1e-9)
    assert found["pair_size"] > 0.01
    found = measured(small_network("lru"))
    assert found["J_inp_change"] == 0  # exactly
    assert found["pair_size"] < 1e-12
    assert np.isnan(found["pair_r2"])
    for deep in (small_network("gru"), network("mingru+mingru")):
        assert measured(deep)["pair_r2"] < 0.999


def test_a_part_of_an_axis_is_taken_out_inside_its_layer_only(rng):
    states = rng.standard_normal((200, 12)) @ rng.standard_normal((12, 12))
    states -= states.mean(0)
    modes = balanced_modes(states, rng.standard_normal((50, 3, 12)), rng.standard_normal(12))
    h, first = rng.standard_normal((3, 12)), np.arange(12) < 6
    taken = perturb.project_out(gates.part_of(modes, 2, states, first))
    moved = taken(h, None)
    np.testing.assert_array_equal(moved[:, ~first], h[:, ~first])
    np.testing.assert_allclose((moved - modes.mean)[:, first] @ modes.Psi[first, 1], 0, atol=1e-9)
    np.testing.assert_allclose(taken(moved, None), moved, atol=1e-9)  # a projection
    whole = perturb.project_out(gates.part_of(modes, 2, states, first | True))(h, None)
    np.testing.assert_allclose(whole - h, -np.outer((h - modes.mean) @ modes.Psi[:, 1], modes.Phi[:, 1]), atol=1e-9)


@pytest.mark.parametrize("kind", ["mingru+mingru", "gru+gru"])
def test_what_is_hidden_from_gates_and_from_the_rest_is_hidden_from_the_layer(kind, rng):
    model = network(kind)
    phi, psi = rng.standard_normal((2, 12, 1)) * (np.arange(12) < 6)[:, None]
    space = gates.Subspace(rng.standard_normal(12), phi, psi / np.sum(phi * psi))
    first, second = model.cell.layers
    P = np.eye(6) - space.dual[:6] @ space.basis[:6].T  # rows of states from the right
    b = second.b + (space.h_star[:6] - space.h_star[:6] @ P) @ second.W
    blind = replace(model, cell=stack([first, replace(second, W=P @ second.W, b=b)]))
    text = ["not good a very bad movie"]
    both = gates.hidden(gates.hidden(model, space, True), space, False)
    np.testing.assert_allclose(both.logits(text), blind.logits(text))
    assert abs(gates.hidden(model, space, True).logits(text) - model.logits(text)) > 1e-6


def test_a_bag_turns_nothing_round_and_the_truth_does():
    language = Language()
    bag = BagOfWords(language.valence / language.noise, 0.0, language.vocabulary)
    rows = pd.DataFrame(gates.of_language(bag))
    gain = rows[rows.measure == "word_gain"].value
    assert gain.abs().max() < 1e-6
    true = rows[rows.measure == "true_gain"].set_index("condition").value
    assert true["flip3"] < -1 < true["damp3"] < 0 < true["amp3"]
    assert true["decoy1"] == 0
    shares = rows.set_index("measure").value
    assert shares["share_of_best"] < 1
    assert shares["reader_without"] < shares["best_reader"]


def test_readers_are_compared_with_those_of_the_same_texts():
    where = {"measure": "negated_gain", "condition": "", "low": 0.0, "high": 0.0, "data": "phrases"}
    values = {"gru-films-0": -0.5, "gru-films-1": -0.7, "lru-films-0": -0.3, "gru-yelp-0": -1.0, "lru-yelp-0": -0.2}
    found = gates.compared(pd.DataFrame([where | {"network": n, "value": v} for n, v in values.items()]))
    share = found[found.measure == "negated_gain_share"].set_index("network").value
    assert share["lru-films-0"] == pytest.approx(0.5)
    assert share["lru-yelp-0"] == pytest.approx(0.2)
    texts = {f"{r}-{t}-0": (t, v) for t in ("films", "yelp") for r, v in (("bow", 0.8), ("gru", 0.9), ("lru", 0.85))}
    rows = [
        {"network": n, "value": v, "data": {"films": "imdb"}.get(t, t) + "/test"} for n, (t, v) in texts.items()
    ] + [{"network": "lru-films-0", "value": 0.1, "data": "yelp/test"}]
    found = gates.compared(pd.DataFrame([where | {"measure": "accuracy"} | row for row in rows]))
    over = found[found.measure == "accuracy_over_bow"].set_index("network").value
    assert len(over) == len(texts)
    assert over["lru-films-0"] == pytest.approx(0.05)


def test_words_of_the_network_that_is_shipped():
    shipped = gates.zoo.load(gates.SHIPPED, SentimentRNN)
    assert {"not", "extremely", "good", "bad", "the"} <= set(shipped.vocabulary.words)
    assert gates.SHIPPED.with_name("mingru-films.safetensors").stat().st_size < 300_000
    assert shipped.cell.kind == "mingru"
