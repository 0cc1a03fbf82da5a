"""Widgets without a browser: setting a control gives the frame that the analysis modules give."""

from __future__ import annotations

import base64
import json
import re
from html import unescape
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import small_network
from traitlets import TraitError

from rnnrev import driven, knob, perturb, widgets, zoo
from rnnrev.balanced import Chart, balanced_modes, petrov_galerkin
from rnnrev.book import assets, toy, trainer
from rnnrev.book import widgets as own
from rnnrev.book.language import Language
from rnnrev.cells import Cell
from rnnrev.data import Vocabulary
from rnnrev.linear import OperatingPoint, operating_point
from rnnrev.model import BagOfWords, SentimentRNN
from rnnrev.modifiers import Probes
from rnnrev.subspace import random_subspace
from rnnrev.widgets import base
from rnnrev.zoo import load, save

TEXT = "The movie wasn't good, the a bad movie was not very good."


@pytest.fixture(scope="module")
def point() -> OperatingPoint:
    return operating_point(
        small_network("gru"), texts=[TEXT, "not bad. very good. a movie was not bad the"], n_tokens=8
    )


@pytest.fixture(scope="module")
def bag(point: OperatingPoint) -> BagOfWords:
    vocabulary = point.model.vocabulary
    return BagOfWords(np.random.default_rng(5).standard_normal(len(vocabulary)), 0.2, vocabulary)


@pytest.fixture(scope="module")
def lab(point: OperatingPoint) -> perturb.Lab:
    return make_lab(point)


NAMES = ("modifiers", "random directions", "random, same variance", "other words")


def make_lab(point: OperatingPoint, k: int = 3) -> perturb.Lab:
    """As perturb.lab makes it, but small and from random subspaces."""
    rng = np.random.default_rng(3)
    words = ("not", "very", "don't", "the")
    return perturb.Lab(
        {name: random_subspace(point, k, seed) for seed, name in enumerate(NAMES)}, 2, words,
        ("negator", "intensifier", "negator", "other"), rng.standard_normal((len(words), k)),
        Probes(("good", "movie", "bad"), np.array([2, 3, 4]), np.array([1.0, 0.1, -0.8])),
        rng.standard_normal((len(words), 3)),
    )  # fmt: skip


# --- sentiment trace --------------------------------------------------------------------------


def test_trace_follows_the_text(point: OperatingPoint, bag: BagOfWords) -> None:
    widget = widgets.sentiment_trace(point.model, bag, "good")
    for text in (TEXT, "not bad", "", "gloriously unknown words"):
        widget.text = text
        network, counted = point.model.trace(text), bag.trace(text)
        assert widget.frame["tokens"] == list(network.tokens)
        np.testing.assert_allclose(widget.frame["network"], [network.start, *network.logits], atol=1e-5)
        np.testing.assert_allclose(widget.frame["bag"], [counted.start, *counted.logits], atol=1e-5)
    assert widget.frame["known"] == [False] * 3


def test_a_reader_chooses_what_the_networks_learned_from() -> None:
    widget = widgets.sentiment_trace(text="The pizza was bland.")
    for texts, network, bag in (("restaurants", "gru-yelp", "bow-yelp"), ("films", "gru-imdb", "bow-imdb")):
        widget.texts = texts
        for key, name in (("network", network), ("bag", bag)):
            assert widget.frame[key][-1] == pytest.approx(zoo.load(name).logits([widget.text])[0], abs=1e-4)
    assert widget.props["of"]["restaurants"]["network"] == "gru-yelp"


def test_long_texts_are_cut(point: OperatingPoint, bag: BagOfWords) -> None:
    frame = widgets.sentiment_trace(point.model, bag, "good " * 1000).frame
    assert len(frame["tokens"]) == len(frame["network"]) - 1 == base.MAX_TOKENS


# --- modifier lab -----------------------------------------------------------------------------


def test_lab_does_by_hand_what_it_says(point: OperatingPoint, lab: perturb.Lab) -> None:
    widget = widgets.modifier_lab(point, lab, TEXT, gain=0.4)
    widget.dimension, widget.space = 3, "random directions"
    B, D, model = lab.spaces["random directions"].basis, lab.spaces["random directions"].dual, point.model
    h = usual = model.cell.h0
    logits = []
    for t, token in enumerate([0, *model.vocabulary.encode(TEXT)]):
        if t:
            h, usual = (model.cell.step_projected(s, model.projected[token]) for s in (h, usual))
        h = h + B @ (0.4 * D.T @ (usual - point.h_star) - D.T @ (h - point.h_star))
        logits.append(model.readout(h))
    np.testing.assert_allclose(widget.frame["perturbed"], logits, atol=1e-5)


def test_lab_agrees_with_perturb_for_every_control(point: OperatingPoint, lab: perturb.Lab) -> None:
    widget = widgets.modifier_lab(point, lab, TEXT)
    for space, gain, dimension, begin in (
        ("modifiers", 0.0, 1, "h0"),
        ("random directions", 2.5, 2, "middle"),
        ("other words", -1.0, 3, "h0"),
    ):
        widget.space, widget.gain, widget.dimension, widget.begin = space, gain, dimension, begin
        subspace = lab.spaces[space].take(dimension)
        start = [perturb.start_from(point.h_star)] if begin == "middle" else []
        for name, changes in (("intact", start), ("perturbed", [*start, perturb.amplify(subspace, gain)])):
            expected = perturb.run(point.model, [TEXT], changes).logits[0]
            np.testing.assert_allclose(widget.frame[name], expected, atol=1e-5)


def test_gain_one_changes_nothing(point: OperatingPoint, lab: perturb.Lab) -> None:
    widget = widgets.modifier_lab(point, lab, TEXT, gain=1.0)
    np.testing.assert_allclose(widget.frame["perturbed"], widget.frame["intact"], atol=1e-9)
    np.testing.assert_allclose(widget.frame["perturbed_path"], widget.frame["intact_path"], atol=1e-9)
    widget.gain = 0.0
    np.testing.assert_allclose(widget.frame["perturbed_path"][0], 0, atol=1e-6)
    assert np.abs(widget.frame["intact_path"][0]).max() > 0.01


def test_lab_starts_from_the_chosen_dimension_and_has_no_more_than_there_are(
    point: OperatingPoint, lab: perturb.Lab
) -> None:
    widget = widgets.modifier_lab(point, lab)
    assert widget.dimension == lab.dimension
    with pytest.raises(TraitError, match=r"'dimension'.* not be greater than 3"):
        widget.dimension = 99


# --- barcodes ---------------------------------------------------------------------------------


def test_barcodes_follow_the_chosen_words(lab: perturb.Lab) -> None:
    widget = widgets.barcode_explorer(lab)
    assert widget.words == ["not", "very"]  # the first of each kind
    widget.words = ["the", "don't", "not"]
    np.testing.assert_allclose(widget.frame["rows"], lab.barcodes[[3, 2, 0]], atol=1e-6)
    expected = np.corrcoef(lab.barcodes[3], lab.barcodes[0])[0, 1]
    assert widget.frame["correlation"][0][2] == pytest.approx(expected, abs=1e-5)
    widget.words = ["very"]
    assert widget.frame["correlation"] == [[1.0]]


def test_unknown_modifier_is_named(lab: perturb.Lab) -> None:
    with pytest.raises(ValueError, match="'hardly' is not among the lab's 4"):
        widgets.barcode_explorer(lab, ["hardly"])


# --- where it stands --------------------------------------------------------------------------


@pytest.mark.parametrize("phrase", ["bad", "not very good", ""])
def test_places_agree_with_whole_texts(point: OperatingPoint, phrase: str) -> None:
    text = TEXT * 4
    widget = widgets.where_it_stands(point, text, "good")
    widget.phrase = phrase
    ids, put = point.model.vocabulary.encode(text), point.model.vocabulary.encode(phrase)
    places = widget.frame["places"]
    assert places[0] == 0
    assert places[-1] == len(ids)
    assert len(places) == widgets.PLACES
    texts = [ids, *(np.concatenate([ids[:p], put, ids[p:]]) for p in places)]
    start = point.h_star + point.r * (point.l @ (point.model.cell.h0 - point.h_star))
    run = perturb.run(point.model, texts)
    for name, logits in (
        ("intact", run.final),
        ("start", perturb.run(point.model, texts, perturb.start_from(start)).final),
        # the state without its fast modes is h* + r ℓ·(h − h*)
        ("slow", point.model.readout(point.h_star + np.outer((run.last - point.h_star) @ point.l, point.r))),
    ):
        np.testing.assert_allclose(widget.frame[name], logits[1:] - logits[0], atol=2e-4)


def test_short_texts_have_every_place(point: OperatingPoint) -> None:
    frame = widgets.where_it_stands(point, "good movie", "bad").frame
    assert frame["places"] == [0, 1, 2]
    assert widgets.where_it_stands(point, "", "bad").frame["places"] == [0, 1]


def test_lasting_influence_of_one_word_is_its_lasting_valence_beside_average_text(point: OperatingPoint) -> None:
    frame = widgets.where_it_stands(point, "good", "bad").frame
    drift = (point.model.w @ point.r) * (point.l @ (point.mean_map(point.h_star) - point.h_star))
    bad = point.model.projected[point.model.vocabulary.number("bad")]
    deposit = point.model.cell.step_projected(point.h_star, bad) - point.mean_map(point.h_star)
    assert frame["lasting"] - drift == pytest.approx((point.model.w @ point.r) * (point.l @ deposit), abs=1e-4)


# --- along the text -----------------------------------------------------------------------------


def pulls(model: SentimentRNN, ids: np.ndarray, at: int, frame: dict[str, Any]) -> list[float]:
    """By finite differences: put a hundredth of what a token did to the state into it, read on to ``at`` tokens."""
    average = widgets.mean_map(model, widgets.FILLERS)
    h, found = model.states_of([ids])[0].astype(float), []
    for i in range(at):
        done, ends = h[i + 1] - average(h[i]), []
        for sign in (1, -1):
            z = h[i + 1] + sign * 0.01 * done
            for token in ids[i + 1 : at]:
                z = model.advance(z[None], np.array([token]))[0]
            ends.append(model.readout(z))
        found.append((ends[0] - ends[1]) / 0.02)
    return found


def test_pulls_are_those_of_finite_differences_and_both_ways_agree() -> None:
    model = small_network("gru")
    widget = widgets.who_still_matters(model, TEXT)
    ids = model.vocabulary.encode(TEXT)
    np.testing.assert_allclose(widget.frame["pull"], pulls(model, ids, len(ids), widget.frame), atol=2e-3)
    widget.read, widget.word = 6, 3
    frame = widget.frame
    np.testing.assert_allclose(frame["pull"][:6], pulls(model, ids, 6, frame), atol=2e-3)
    assert frame["pull"][6:] == [None] * (len(ids) - 6)
    assert frame["fade"][:2] == [None, None]
    assert frame["fade"][5] == pytest.approx(frame["pull"][2], abs=1e-4)  # carried on, and read back
    widget.read = 0
    assert widget.frame["fade"][-1] == pytest.approx(widget.frame["pull"][2], abs=1e-4)


@pytest.mark.parametrize("kind", ["vanilla", "ugrnn", "lstm"])
def test_pulls_of_any_network_start_with_its_strongest_token(kind: str) -> None:
    widget = widgets.who_still_matters(small_network(kind), TEXT)
    assert widget.word == 1 + int(np.argmax(np.abs(widget.frame["pull"])))


def make_chart(model: SentimentRNN, volume: int = 2) -> Chart:
    """As balanced.chart makes it, of a network of a few units."""
    ids = model.vocabulary.encode_all([TEXT, "a bad movie was not bad the very good", "good good don't"])
    states = np.concatenate(model.states_of(ids))
    modes = balanced_modes(states, driven.adjoints(model, ids, range(3)), model.w)
    z = (states - modes.mean) @ modes.Psi[:, [0, volume - 1]]
    scale, centre = z.std(0) * [1, -1], z.mean(0)
    Phi, Psi = modes.Phi[:, [0, volume - 1]] * scale, modes.Psi[:, [0, volume - 1]] / scale
    small = petrov_galerkin(model, Phi, Psi, modes.mean + modes.Phi[:, [0, volume - 1]] @ centre)
    return Chart(model, modes, volume, scale, centre, small, small.coordinates(states))


def test_the_plane_shows_the_reduced_network_beside_the_whole_one() -> None:
    chart = make_chart(small_network("gru"))
    widget = widgets.the_plane([chart], TEXT)
    net, ids = widget.frame["networks"][0], chart.model.vocabulary.encode(TEXT)
    np.testing.assert_allclose(net["whole"], chart.model.logits_along(ids), atol=1e-5)
    assert net["intact"] == net["whole"]
    np.testing.assert_allclose(net["whole_path"][0], chart.small.coordinates(chart.model.cell.h0), atol=1e-5)
    for k in (1, 3, 7):
        widget.k = k
        small, net = chart.modes.reduce(chart.model, k), widget.frame["networks"][0]
        np.testing.assert_allclose(net["reduced"], small.logits_along(ids), atol=1e-4)
    np.testing.assert_allclose(net["reduced_path"], net["whole_path"], atol=1e-4)  # all modes: the network itself
    with pytest.raises(TraitError):
        widget.k = 8
    widget.word = "not"
    np.testing.assert_allclose(
        widget.frame["networks"][0]["field"], chart.small.steps(["not"], np.array(widget.props["grid"]))[0], atol=1e-5
    )


def test_volume_is_held_removed_and_doubled_and_the_start_is_dragged() -> None:
    chart = make_chart(small_network("gru"))
    widget = widgets.the_plane([chart, make_chart(small_network("lstm"), 3)], TEXT)
    widget.k = 7
    usual = np.array(widget.frame["networks"][0]["whole_path"])
    for volume, wanted in (("removed", 0 * usual), ("held at its start", usual[:1]), ("doubled", 2 * usual)):
        widget.volume = volume
        net = widget.frame["networks"][0]
        for path in ("whole_path", "reduced_path"):
            found = np.array(net[path])[1:, 1]
            np.testing.assert_allclose(found, np.broadcast_to(wanted, usual.shape)[1:, 1], atol=1e-4)
        assert net["reduced"] == pytest.approx(net["whole"], abs=1e-3)
        assert net["whole"] != net["intact"]
    widget.volume, widget.start, widget.second = "as it is", [1.0, -0.5], 1
    first, second = widget.frame["networks"]
    np.testing.assert_allclose(first["whole_path"][0], usual[0] + [1.0, -0.5], atol=1e-4)
    assert [first["name"], second["name"]] == ["small gru", "small lstm"]


# --- chapter 2 --------------------------------------------------------------------------------


@pytest.mark.parametrize("A", list(own.FLOWS.values()) + [[[0.2, 0.9], [-0.7, -0.4]], [[0.0, 1.0], [1.0, 0.0]]])
def test_flow_agrees_with_numpy(A: list[list[float]]) -> None:
    widget = own.flow_2d(A)
    widget.start = [0.3, -1.1]
    frame = widget.frame
    found = np.array(frame["eigvals"]) @ [1, 1j]
    np.testing.assert_allclose(np.sort_complex(found), np.sort_complex(np.linalg.eigvals(np.array(A))), atol=1e-5)
    assert abs(found[0]) >= abs(found[1])
    np.testing.assert_allclose(frame["path"][7], np.linalg.matrix_power(np.array(A), 7) @ [0.3, -1.1], atol=1e-5)
    if np.abs(found.imag).max() > 0:
        assert frame["right"] is None
        return
    R, L = np.array(frame["right"]).T, np.array(frame["left"])
    np.testing.assert_allclose(np.array(A) @ R, R * found.real, atol=1e-5)
    np.testing.assert_allclose(L @ R, np.eye(2), atol=1e-5)


def test_time_constants_of_a_flow() -> None:
    frame = own.flow_2d([[1.0, 0.0], [0.0, np.exp(-1 / 7)]]).frame
    assert frame["tau"] == [None, pytest.approx(7)]
    assert own.flow_2d([[1.1, 0], [0, 0]]).frame["tau"] == [pytest.approx(-1 / np.log(1.1), abs=1e-6), 0.0]
    assert own.flow_2d([[0.5, 0], [0, 0.5]]).frame["right"] is None  # every direction is a mode: none is drawn
    assert max(map(max, own.flow_2d([[1.2, 1.2], [1.2, 1.2]]).frame["path"])) == 1e6


SYSTEM: dict[str, Any] = {
    "k": 2, "A": np.array([[1.0, 0.0], [0.1, 0.5]]), "tau": [np.inf, 1.4], "labels": ["slow mode", "mode 2"],
    "words": ["great", "awful"], "B": np.array([[1.0, 0.2], [-1.0, 0.3]]), "kind": ["positive", "negative"],
    "c": [2.0, 0.5], "c0": -0.1, "kicks": [{"name": "off the attractor", "z": [0.0, 1.0]}],
}  # fmt: skip
SCENE: dict[str, Any] = {
    "axes": ["PC 1", "PC 2", "PC 3"], "units": "state",
    "curve": {"xyz": np.eye(3), "logit": [-1.0, 0.0, 1.0], "q": [0.0] * 3, "tau": [100.0, 200.0, 300.0]},
    "cloud": {"xyz": np.arange(12.0).reshape(4, 3), "logit": [-2.0, 1.0, 0.0, 2.0]},
    "paths": [{"name": "a review", "tokens": ["(start)", "good"], "xyz": [[0, 0, 0], [1, 1, 1]], "logit": [0.0, 1.0]}],
    "arrows": [{"name": "w (readout)", "from": [0, 0, 0], "to": [1, 0, 0]}],
}  # fmt: skip


def test_relaxing_state_follows_its_linear_map() -> None:
    widget = own.relax(SYSTEM)
    widget.start, widget.sequence = [0.5, 1.0], ["", "awful", ""]
    A, B = SYSTEM["A"], SYSTEM["B"]
    z = A @ (A @ (A @ [0.5, 1.0]) + B[1])
    np.testing.assert_allclose(widget.frame["z"][3], z, atol=1e-6)
    assert widget.frame["logit"][3] == pytest.approx(-0.1 + np.dot([2.0, 0.5], z), abs=1e-6)


def test_turning_the_scene_computes_nothing() -> None:
    widget = own.attractor_3d(SCENE)
    before = widget.frame
    widget.yaw = 77.0
    assert widget.frame is before
    assert widget.props["scene"]["curve"]["xyz"][1] == [0.0, 1.0, 0.0]


# --- build your own bag of words ----------------------------------------------------------------


def small_bag(vocabulary: Vocabulary) -> SentimentRNN:
    """A knob whose numbers float16 holds exactly."""
    rng = np.random.default_rng(11)

    def some(*shape: int) -> np.ndarray:
        return rng.standard_normal(shape).astype(np.float16).astype(np.float32)

    zero = np.zeros((1, 4), np.float32)
    cell = Cell("knob", np.eye(4, dtype=np.float32), zero, zero[0], some(4), some(4))
    rows = some(len(vocabulary), 4) / 4
    counts = rng.integers(1, 9, len(vocabulary))
    return SentimentRNN(cell, rows, vocabulary, np.array([0.5, 0, 0, 0], np.float32), -0.25, "knob", counts=counts)


@pytest.mark.parametrize("on", [(), ("modifiers",), ("beginning", "end"), ("modifiers", "beginning", "end")])
def test_switches_leave_out_parts_of_the_model(point: OperatingPoint, on: tuple[str, ...]) -> None:
    bag, text = small_bag(point.model.vocabulary), "not very good movie, a bad movie was not"
    widget = own.build_a_bag(bag, point.model, text)
    for part in ("modifiers", "beginning", "end"):
        setattr(widget, part, part in on)
    kept = knob.without(bag, *({"modifiers", "beginning", "end"} - set(on)))
    alone = knob.without(bag, *knob.PARTS)
    expected = [model.logits([text])[0] for model in (alone, kept, point.model)]
    np.testing.assert_allclose(widget.frame["logit"], expected, atol=1e-5)
    left = kept.logits_of([bag.vocabulary.encode(text)])[0] - sum(widget.frame["counts"]) - bag.b
    assert abs(left) < 1  # of the start
    assert (widget.frame["counts"] == widget.frame["valence"]) == (not on)


def test_bag_takes_any_text(point: OperatingPoint) -> None:
    widget = own.build_a_bag(small_bag(point.model.vocabulary), point.model, "")
    assert len(widget.frame["counts"]) == 1
    widget.text = "good, not bad " * 200
    assert len(widget.frame["counts"]) == len(widget.frame["tokens"]) == base.MAX_TOKENS


def test_toy_tells_the_sums_of_its_language() -> None:
    widget = trainer.toy_trainer("Not a a BAD film, very good")
    assert widget.frame["tokens"] == ["not", "a", "a", "bad", "film", ",", "very", "good"]
    assert widget.frame["known"] == [True, True, True, True, False, False, True, True]
    assert widget.frame["sums"] == [0, 0, 0, 0, 1, 1, 1, 1, 3]
    widget.reach = 2
    assert widget.frame["sums"] == [0, 0, 0, 0, -1, -1, -1, -1, 1]
    widget.text = ""
    assert widget.frame == {"tokens": [], "known": [], "sums": [0]}
    assert widget.table()[1] == [("(start)", 0.0)]


@pytest.fixture
def traffic(monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[tuple[str, Any]]]:
    """A trainer whose thread runs at once, and what it sends."""
    at_once = SimpleNamespace(Thread=lambda target, daemon: SimpleNamespace(start=target))
    monkeypatch.setattr(trainer, "threading", at_once)
    widget, sent = trainer.toy_trainer(), []
    widget.observe(lambda change: sent.append((change.name, change.new)), names=["run", "latest", "status"])
    return widget, sent


def test_training_in_the_kernel_is_shown_as_it_goes(traffic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    widget, sent = traffic
    widget.cell, widget.reach = "ugrnn", 2

    def few_steps(kind: str, *, language: Language, watch: Any) -> SentimentRNN:
        assert language == toy.with_reach(2)
        return toy.learn(kind, 3, language=language, steps=120, batch=4, watch=watch)

    monkeypatch.setattr(toy, "quick", few_steps)
    widget.run = "train"
    shown = [value for name, value in sent if name == "latest"]
    assert [one["step"] for one in shown] == list(range(3, 121, 3))
    assert {(one["kind"], one["units"]) for one in shown} == {("ugrnn", 3)}
    assert shown[0]["weights"]["shape"] == [12 * 6 + 3 * 6 + 6 + 6 + 3 + 3 + 1]
    assert shown[0]["weights"] != shown[-1]["weights"]
    said = [value for name, value in sent if name == "status"]
    assert ["starting" in said[0], "trained it" in said[-1]] == [True, True]
    assert widget.run == ""


def test_training_in_the_kernel_can_be_stopped(traffic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    widget, sent = traffic

    def quick(kind: str, *, language: Language, watch: Any) -> None:
        assert not watch(toy.load("gru-32-0"))
        widget.run = "stop"
        assert watch(toy.load("gru-32-0"))

    monkeypatch.setattr(toy, "quick", quick)
    widget.run = "train"
    assert [name for name, _ in sent].count("latest") == 1
    assert (widget.run, "stopped" in widget.status) == ("", True)


def test_training_in_the_kernel_says_what_failed(traffic: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    widget, _ = traffic
    monkeypatch.setattr(toy, "quick", lambda *_, **__: 1 / 0)
    widget.run = "train"
    assert (widget.run, widget.status) == ("", "Training has stopped: division by zero")


# --- HTML and files ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def everything(point: OperatingPoint, bag: BagOfWords, lab: perturb.Lab) -> list[widgets.Widget]:
    return [
        widgets.sentiment_trace(point.model, bag, TEXT), own.flow_2d(), own.attractor_3d(SCENE),
        own.relax(SYSTEM), widgets.modifier_lab(point, lab, TEXT), widgets.barcode_explorer(lab),
        widgets.where_it_stands(point, TEXT, "bad"), own.build_a_bag(small_bag(bag.vocabulary), point.model),
        widgets.who_still_matters(point.model, TEXT), widgets.the_plane([make_chart(point.model)], TEXT),
        trainer.toy_trainer(),
    ]  # fmt: skip


def test_every_widget_is_live_in_jupyter_and_a_table_in_html(everything: list[widgets.Widget]) -> None:
    for widget in everything:
        data, _ = widget._repr_mimebundle_()
        assert {"application/vnd.jupyter.widget-view+json", "text/html", "text/plain"} <= set(data)
        page = data["text/html"]
        state = json.loads(re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[0])
        assert state["kind"] == widget.kind
        assert state["frame"] == json.loads(json.dumps(widget.frame))
        assert set(state["controls"]) == set(widget.controls)
        assert page.count("<tr>") > 2
        assert "<caption>" in page


def test_markup_in_a_text_stays_text(point: OperatingPoint, bag: BagOfWords) -> None:
    text = "good </script><script>alert(1)</script> &amp;"
    page = widgets.sentiment_trace(point.model, bag, text).html()
    assert page.count("<script") == page.count("</script>") == 1
    state = json.loads(page.split(">", 2)[2].split("</script>")[0])
    assert state["controls"]["text"] == text


def test_front_end_is_one_module_or_one_script() -> None:
    for text in (base.module(), assets.script()):
        assert not re.search(r"^import ", text, re.MULTILINE)
        assert "http" not in text.replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"^export .*", base.module(), re.MULTILINE) == ["export default { render };"]
    assert "export " not in assets.script()


def read_asset(text: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    matched = re.fullmatch(r'rnnrevAsset\("gru-imdb",(.*),"([A-Za-z0-9+/=]*)"\);\n', text, re.DOTALL)
    assert matched
    header, raw = json.loads(matched[1]), base64.b64decode(matched[2])
    layout = header["arrays"].items()
    return header, {k: np.frombuffer(raw, s["dtype"], s["length"], s["offset"]) for k, s in layout}


def test_asset_holds_the_shipped_form_of_the_network(tmp_path: Any, bag: BagOfWords) -> None:
    save(small_network("gru").astype(np.float32), tmp_path / "model", compact=True)
    model = load(tmp_path / "model")
    assert isinstance(model, SentimentRNN)
    written = assets.write_assets(tmp_path / "site", model, bag)
    assert [f.name for f in written] == ["widgets.js", "widgets.css", "gru-imdb.js"]
    header, arrays = read_asset(written[2].read_text())
    assert header["words"].split("\n") == list(model.vocabulary.words)
    embedding = arrays["embedding"].reshape(model.embedding.shape) * arrays["embedding_scale"][:, None]
    np.testing.assert_allclose(embedding, model.embedding, rtol=1e-6)
    for name in ("W", "U", "b", "b_rec", "h0"):
        np.testing.assert_array_equal(arrays[name].astype(np.float32), getattr(model.cell, name).ravel())
    np.testing.assert_array_equal(arrays["bow_beta"], bag.beta.astype(np.float32))
    assert header["fingerprint"] == base.fingerprint(model) != base.fingerprint(small_network("gru", seed=9))


def test_what_a_page_cannot_run_is_refused(tmp_path: Any, point: OperatingPoint, bag: BagOfWords) -> None:
    with pytest.raises(ValueError, match="pages run a GRU or minGRU with one logit, not lstm"):
        assets.write_assets(tmp_path, small_network("lstm"), bag)
    words = Vocabulary((*bag.vocabulary.words[:-1], "other"))
    with pytest.raises(ValueError, match="do not share a vocabulary"):
        assets.write_assets(tmp_path, point.model, BagOfWords(bag.beta, bag.b, words))


def test_tables_say_what_frames_hold(everything: list[widgets.Widget]) -> None:
    trace = next(w for w in everything if w.kind == "sentiment_trace")
    columns, rows = trace.table()
    assert columns == ["token", "network", "bag of words"]
    assert list(rows[-1]) == [".", trace.frame["network"][-1], trace.frame["bag"][-1]]
    assert unescape(trace.html()).count("<td>wasn't</td>") == 1
