"""Widgets in headless Chromium, in pages opened from the disk: the package's numbers, by keyboard, on a phone."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import small_network
from test_widgets import SCENE, SYSTEM, TEXT, make_chart, make_lab, small_bag

from rnnrev import widgets
from rnnrev.book import assets, toy, trainer
from rnnrev.book import widgets as own
from rnnrev.book.language import TWELVE_WORDS
from rnnrev.cells import CELLS, WEIGHTS, Cell
from rnnrev.data import tokenize
from rnnrev.linear import OperatingPoint, operating_point
from rnnrev.model import BagOfWords, SentimentRNN
from rnnrev.widgets import base
from rnnrev.zoo import load, save

pytestmark = pytest.mark.browser
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Widgets</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="rnnrev/widgets.css"><script defer src="rnnrev/widgets.js"></script>
</head><body><main><h1>Widgets</h1>{}</main></body></html>"""


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> list[SentimentRNN]:
    """Three networks as they are shipped, rounded to int8 and float16: the page's, and two that it loads on demand."""
    folder, second, blind = tmp_path_factory.mktemp("models"), small_network("gru", 3), small_network("mingru")
    made = [small_network("gru"), replace(second, name="other"), replace(blind, name="mingru-films")]
    return [load(save(m.astype(np.float32), folder / m.name, compact=True), SentimentRNN) for m in made]


@pytest.fixture(scope="module")
def model(shipped: list[SentimentRNN]) -> SentimentRNN:
    return shipped[0]


@pytest.fixture(scope="module")
def bag(model: SentimentRNN) -> BagOfWords:
    beta = np.random.default_rng(5).standard_normal(len(model.vocabulary)).astype(np.float32)
    return BagOfWords(beta, 0.2, model.vocabulary)


@pytest.fixture(scope="module")
def point(model: SentimentRNN) -> OperatingPoint:
    return operating_point(model, texts=[TEXT, "not bad. very good. a movie was bad the"], n_tokens=8)


@pytest.fixture(scope="module")
def shown(shipped: list[SentimentRNN], bag: BagOfWords, point: OperatingPoint) -> dict[str, widgets.Widget]:
    (model, second, blind), lab = shipped, make_lab(point)
    other = operating_point(second, texts=[TEXT, "not bad. very good. a movie was bad the"], n_tokens=8)
    made = [
        widgets.sentiment_trace(model, bag, "good"), own.flow_2d(), own.attractor_3d(SCENE),
        own.relax(SYSTEM), widgets.modifier_lab(point, lab, TEXT, restaurants=(other, make_lab(other))),
        widgets.barcode_explorer(lab),
        widgets.where_it_stands(point, TEXT * 4, "bad", other), own.build_a_bag(small_bag(model.vocabulary), model),
        widgets.who_still_matters(model, TEXT), trainer.toy_trainer(),
        widgets.the_plane([make_chart(model), make_chart(second, 3), make_chart(blind)], TEXT),
    ]  # fmt: skip
    return {w.kind: w for w in made}


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, shipped: list[SentimentRNN], bag: BagOfWords,
    shown: dict[str, widgets.Widget],
) -> Path:  # fmt: skip
    (model, second, blind), folder = shipped, tmp_path_factory.mktemp("site")
    assets.write_assets(folder / "rnnrev", model, bag, small_bag(model.vocabulary), [(second, bag), (blind, None)])
    for name, made in (("all", list(shown.values())), *((kind, [w]) for kind, w in shown.items())):
        body = PAGE.replace("{}", "\n".join(w.html() for w in made))
        (folder / f"{name}.html").write_text(body, encoding="utf-8")
    return folder


class Pages:
    """Opens pages, and holds what they asked for and complained about."""

    def __init__(self, browser: Any, site: Path) -> None:
        self.browser, self.site = browser, site
        self.requests: list[str] = []
        self.errors: list[str] = []

    def open(self, name: str, width: int = 900, **options: Any) -> Any:
        page = self.browser.new_page(viewport={"width": width, "height": 900}, **options)
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        page.set_default_timeout(15_000)
        page.goto((self.site / f"{name}.html").as_uri())
        return page


@pytest.fixture
def pages(browser: Any, site: Path) -> Iterator[Pages]:
    opened = Pages(browser, site)
    yield opened
    for context in browser.contexts:
        context.close()
    assert opened.errors == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in opened.requests)


def frame_of(page: Any, kind: str) -> Any:
    return page.evaluate(f"document.querySelector('[data-widget={kind}]').rnnrev.get('frame')")


def set_controls(page: Any, kind: str, **values: Any) -> Any:
    """Set controls as a reader would, wait for the last frame, return it."""
    return page.evaluate(
        """async ([kind, values]) => {
             const model = document.querySelector(`[data-widget=${kind}]`).rnnrev;
             for (const [name, value] of Object.entries(values)) model.set(name, value);
             model.save_changes();
             await model.settled;
             return model.get('frame');
           }""",
        [kind, values],
    )


def assert_same(found: Any, expected: Any, where: str = "frame") -> None:
    """Equal structures; numbers to 1e-4."""
    if isinstance(expected, dict):
        assert set(found) == set(expected), where
        for key in expected:
            assert_same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for i, (a, b) in enumerate(zip(found, expected)):
            assert_same(a, b, f"{where}[{i}]")
    elif isinstance(expected, float) and not isinstance(found, str):
        assert found == pytest.approx(expected, abs=1e-4), where
    else:
        assert found == expected, where


def test_typed_sentence_gives_the_logits_of_the_package(pages: Pages, model: SentimentRNN, bag: BagOfWords) -> None:
    page = pages.open("sentiment_trace")
    sentence = "The movie wasn\u2019t bad \u2014 don't VERY good &amp; <b>not</b> caf\u00e9!"
    page.get_by_label("Sentence", exact=True).fill(sentence)
    page.get_by_text("The network runs in this page.").wait_for()
    frame = frame_of(page, "sentiment_trace")
    network, counted = model.trace(sentence), bag.trace(sentence)
    assert frame["tokens"] == list(network.tokens)
    np.testing.assert_allclose(frame["network"], [network.start, *network.logits], atol=1e-4)
    np.testing.assert_allclose(frame["bag"], [counted.start, *counted.logits], atol=1e-4)
    said = page.locator(".rw-summary")
    page.wait_for_function("document.querySelector('.rw-summary').textContent.includes('After 12 tokens')")
    assert f"{abs(network.logits[-1]):.2f}" in said.inner_text()


@pytest.mark.parametrize(
    ("kind", "controls"),
    [
        ("sentiment_trace", {"text": ""}),
        ("sentiment_trace", {"text": "good " * 400}),
        ("flow_2d", {"matrix": [[0.9, -0.3], [0.3, 0.9]], "start": [0.2, -1.0]}),
        ("flow_2d", {"matrix": [[1.2, 0.4], [0.5, 1.1]], "start": [1.0, 1.0]}),
        ("flow_2d", {"matrix": [[0.7, 1.2], [0.0, 0.6]], "start": [-1.0, 0.3]}),
        ("relax", {"start": [0.5, 1.0], "sequence": ["", "awful", "", "great"]}),
        ("modifier_lab", {"text": "not very good", "gain": 2.45, "dimension": 3, "space": "random directions"}),
        ("modifier_lab", {"text": TEXT * 3, "gain": -1.0, "dimension": 1, "space": "other words", "begin": "middle"}),
        ("modifier_lab", {"text": "not good", "gain": 2.0, "texts": "restaurants"}),
        ("barcode_explorer", {"words": ["the", "don't"]}),
        ("build_a_bag", {"text": TEXT, "beginning": True, "end": True}),
        ("build_a_bag", {"text": "good", "modifiers": False, "beginning": True}),
        ("where_it_stands", {"text": TEXT * 5, "phrase": "not very good"}),
        ("where_it_stands", {"text": "good movie", "phrase": ""}),
        ("where_it_stands", {"text": TEXT, "phrase": "not good", "texts": "restaurants"}),
        ("who_still_matters", {"text": TEXT * 3, "word": 4}),
        ("who_still_matters", {"text": "not very good", "read": 2, "word": 9}),
        ("the_plane", {"text": "not very good", "word": "bad", "k": 7, "volume": "doubled"}),
        ("the_plane", {"word": "unheard-of", "k": 1, "volume": "held at its start", "start": [0.5, -1.0]}),
        ("the_plane", {"k": 4, "volume": "removed", "second": 1}),
        ("the_plane", {"k": 3, "word": "not", "volume": "removed", "second": 2}),
        ("toy_trainer", {"text": "Not a very good film, not not awful " * 12, "reach": 3}),
        ("toy_trainer", {"text": ""}),
    ],
)
def test_page_computes_the_frame_that_python_computes(
    pages: Pages, shown: dict[str, widgets.Widget], kind: str, controls: dict[str, Any]
) -> None:
    page, widget = pages.open(kind), shown[kind]
    for name, value in controls.items():
        setattr(widget, name, value)
    all_controls = {name: getattr(widget, name) for name in widget.controls}
    assert_same(set_controls(page, kind, **all_controls), json.loads(json.dumps(widget.frame)))


def test_typing_on_gives_the_same_as_typing_at_once(pages: Pages, model: SentimentRNN) -> None:
    page = pages.open("sentiment_trace")
    for text in ("the movie", "the movie was", "the bad", "the movie was not good", "the movie was not"):
        frame = set_controls(page, "sentiment_trace", text=text)
        np.testing.assert_allclose(frame["network"][-1], model.logits([text])[0], atol=1e-4)


def test_tokens_are_those_of_the_package(browser: Any) -> None:
    rng = random.Random(0)
    words = "don't|do n't|it 's|n't|_|a_b|café|naïve|İstanbul|STRASSE|ΣΣ|’|‘|“|—|...|....|rock'n'roll|'a'|½|²|४|中文"
    markup = "<br />|<b>|</i>|<3|< 3|a<b|&amp;|&lt;b&gt;|&eacute;|&#39;|&#x27;s|&nbsp;|&amp|&|😀|x\u0301|1/2|$5|%|.|-"
    pieces = [*words.split("|"), *markup.split("|"), "\n", "\t", " ", " ", " ", "(", ")", '"']
    texts = [
        "".join(rng.choice(pieces) + rng.choice(["", " "]) for _ in range(rng.randint(1, 25))) for _ in range(1500)
    ]
    page = browser.new_page()
    page.set_content(f"<script type=module>{base.module()}\nglobalThis.tokenize = tokenize;</script>")
    found = page.evaluate("(texts) => texts.map(tokenize)", texts)
    page.close()
    for text, tokens in zip(texts, found):
        assert tokens == tokenize(text), repr(text)


def test_everything_by_keyboard(pages: Pages) -> None:
    page = pages.open("modifier_lab")
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate(
                "document.activeElement.labels?.[0]?.firstChild.textContent || document.activeElement.textContent"
            )
        )
        if reached[-1].startswith("Gain"):
            before = frame_of(page, "modifier_lab")["perturbed"]
            for _ in range(8):
                page.keyboard.press("ArrowRight")
            page.wait_for_function(
                "(old) => document.querySelector('[data-widget]').rnnrev.get('frame').perturbed.at(-1) !== old",
                arg=before[-1],
            )
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert outline == "solid"
    assert page.evaluate("document.querySelector('[data-widget]').rnnrev.get('gain')") == pytest.approx(0.4)
    assert reached[0] == "Sentence"
    assert any(r.startswith("Dimensions") for r in reached)


def test_examples_and_choices_by_click(pages: Pages) -> None:
    page = pages.open("modifier_lab")
    page.get_by_role("button", name="The movie was not bad.").click()
    page.get_by_label("random directions").check()
    page.wait_for_function("document.querySelector('.rw-summary').textContent.includes('random directions')")
    assert page.get_by_label("Sentence", exact=True).input_value() == "The movie was not bad."
    assert frame_of(page, "modifier_lab")["tokens"] == ["the", "movie", "was", "not", "bad", "."]


def test_modifiers_are_added_and_removed(pages: Pages) -> None:
    page = pages.open("barcode_explorer")
    page.get_by_role("combobox", name="Add a modifier").fill("the")
    page.get_by_role("button", name="remove not").click()
    assert page.evaluate("document.querySelector('[data-widget]').rnnrev.get('words')") == ["very", "the"]
    page.get_by_role("combobox", name="Add a modifier").fill("gloriously")
    page.get_by_role("button", name="Add").click()
    page.get_by_text("is not among these 4 modifiers").wait_for()


def test_path_starts_where_it_is_dragged_to(pages: Pages) -> None:
    page = pages.open("flow_2d")
    box = page.locator(".rw-handle").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 120, y + 60, steps=5)
    page.mouse.up()
    start = page.evaluate("document.querySelector('[data-widget]').rnnrev.get('start')")
    assert start[0] < 0.5
    assert start[1] < 0.5
    assert frame_of(page, "flow_2d")["path"][0] == start


def test_scene_turns_when_dragged(pages: Pages) -> None:
    page = pages.open("attractor_3d")
    page.locator(".rw-space").scroll_into_view_if_needed()
    before = page.locator(".rw-curve").get_attribute("d")
    box = page.locator(".rw-space").bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 120, steps=4)
    page.mouse.up()
    assert page.evaluate("document.querySelector('[data-widget]').rnnrev.get('yaw')") == pytest.approx(60)
    assert page.locator(".rw-curve").get_attribute("d") != before


def test_words_push_the_state_along(pages: Pages) -> None:
    page = pages.open("relax")
    page.get_by_role("button", name="start again").click()
    page.get_by_role("button", name="great").click()
    page.wait_for_function("document.querySelector('.rw-summary').textContent.includes('After 1 step ')")
    assert frame_of(page, "relax")["z"][1] == pytest.approx(list(SYSTEM["A"] @ [0, 1] + SYSTEM["B"][0]))


def test_place_follows_its_slider(pages: Pages) -> None:
    page = pages.open("where_it_stands")
    slider = page.get_by_role("slider", name="Place")
    slider.focus()
    page.keyboard.press("End")
    places = frame_of(page, "where_it_stands")["places"]
    page.get_by_text(f"{places[-1]} tokens before it, 0 after").wait_for()
    assert page.locator(".rw-reading mark").inner_text() == "bad"


# --- the network that is trained in the page ----------------------------------------------------------

#: A network with its gradient on three texts; its Jacobian's largest difference from finite ones; eigenvalues.
CHECK = """([kind, language, matrix]) => {
  const random = randomly(3);
  const net = new ToyNetwork(kind, 5, language.words.length).start(random);
  net.h0.forEach((_, i) => (net.h0[i] = 0.1 * random.normal()));
  const texts = [0, 1, 2].map(() => drawText(language, 9, random));
  const targets = texts.map((text) => runningSums(language, text));
  const { error, gradient } = net.loss(texts, targets);
  const h = Float64Array.from({ length: 5 }, () => random.normal());
  const J = net.knows(language).jacobian(h);
  const numeric = J.map((row, i) => Array.from(row, (v, j) => {
    const after = (e) => net.step(h.map((x, k) => x + (k === j ? e : 0)), -1, new Float64Array(5))[i];
    const [up, down] = [1e-6, -1e-6].map(after);
    return Math.abs((up - down) / 2e-6 - v);
  }));
  return { theta: [...net.theta], error, gradient: [...gradient], jacobian: Math.max(...numeric.flat()),
           eigvals: eigenvalues(matrix), texts, targets };
}"""


@pytest.mark.parametrize("kind", ["gru", "ugrnn"])
def test_gradients_and_eigenvalues_in_the_page(browser: Any, shown: dict[str, widgets.Widget], kind: str) -> None:
    language = shown["toy_trainer"].props["language"]
    matrix = np.random.default_rng(7).standard_normal((20, 20)) / 4
    matrix[3] = 0  # an eigenvalue of zero
    names = "randomly, ToyNetwork, drawText, runningSums, eigenvalues"
    page = browser.new_page()
    page.set_content(f"<script type=module>{base.module()}\nObject.assign(globalThis, {{{names}}});</script>")
    found = page.evaluate(CHECK, [kind, language, matrix.tolist()])
    page.close()
    error, gradient = by_tensorflow(kind, found["theta"], np.array(found["texts"]), np.float32(found["targets"]))
    assert found["error"] == pytest.approx(error, rel=1e-5)
    np.testing.assert_allclose(found["gradient"], gradient, atol=1e-5 * np.abs(gradient).max())
    assert found["jacobian"] < 1e-8
    own, expected = np.array([complex(*v) for v in found["eigvals"]]), np.linalg.eigvals(matrix)
    apart = np.abs(own[:, None] - expected)
    assert max(apart.min(0).max(), apart.min(1).max()) < 1e-9
    for numbers, target in zip(found["texts"], found["targets"]):
        text = " ".join(language["words"][i] for i in numbers)
        assert target == pytest.approx(TWELVE_WORDS.explain(text)["sum"].tolist())


def by_tensorflow(kind: str, theta: list[float], words: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean squared error and its gradient, as the networks are trained that the book ships."""
    train = pytest.importorskip("rnnrev.book.running_sum")
    n, G = 5, len(CELLS[kind].gates)
    shapes = [(12, G * n), (n, G * n), (G * n,), (G * n,), (n,), (n,), ()]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = [part.reshape(shape) for part, shape in zip(np.split(np.array(theta), ends[:-1]), shapes)]
    learner = train.RunningSum(Cell(kind, *parts[:5]), *parts[5:])
    noise = np.zeros((*words.T.shape, n), np.float32)
    with train.tf.GradientTape() as tape:
        error = learner.squared_error(words, target, noise)
    found = tape.gradient(error, [v.value for v in learner.trainable_variables])
    by_name = {v.name: np.ravel(g) for v, g in zip(learner.trainable_variables, found)}
    return float(error), np.concatenate([by_name[k] for k in (*WEIGHTS, "w", "bias")])


def test_a_network_is_trained_in_the_page_and_reads_a_known_sentence(pages: Pages) -> None:
    page = pages.open("toy_trainer")
    page.get_by_label("Words", exact=True).fill("good not a a bad very awful")
    page.get_by_text("nothing to go back through yet").wait_for()
    page.get_by_role("button", name="Train", exact=True).click()
    at = "document.querySelector('[data-widget]').rnnrev.get('at')"
    page.wait_for_function(f"{at} >= 8", timeout=120_000)  # 270 steps
    page.get_by_role("button", name="Pause").click()
    curve = page.locator(".rw-loss").get_attribute("aria-label")
    first, last = (float(x) for x in re.findall(r"from ([\d.e+-]+) to ([\d.e+-]+)\.", curve)[0])
    assert last < first / 3
    assert page.locator(".rw-spectrum .rw-value").count() == 20
    # back to where it began: a slider, by keyboard
    page.get_by_label("Back through training").focus()
    page.keyboard.press("Home")
    page.wait_for_function(f"{at} === 0")
    page.wait_for_function("document.querySelector('.rw-summary').textContent.startsWith('After 0 steps')")
    before = said_of(page)
    page.get_by_role("button", name="Go on").click()  # to the end: ten seconds of computing
    page.get_by_role("button", name="Train", exact=True).wait_for(timeout=240_000)
    page.wait_for_function("document.querySelector('.rw-summary').textContent.startsWith('After 4000 steps')")
    error, sum_, says = said_of(page)
    assert (error, sum_, says) == (pytest.approx(0, abs=toy.LIMIT), -2, pytest.approx(-2, abs=0.3))
    assert before[0] > 1 > abs(before[2]), "untrained it says nothing"
    page.get_by_role("button", name="Start again").click()
    page.get_by_text("nothing to go back through yet").wait_for()


def said_of(page: Any) -> tuple[float, ...]:
    """Mean squared error, the sum and what the network says, from the sentence under the picture."""
    page.wait_for_function("document.querySelector('.rw-summary').textContent.includes('the network says')")
    text = page.locator(".rw-summary").inner_text().replace("\u2212", "-")
    found = re.search(r"error is ([\d.e+-]+)\. The sum of .* is ([+-]?\d+), the network says ([+-]?[\d.]+)\.", text)
    assert found, text
    return tuple(map(float, found.groups()))


def test_what_python_trained_is_gone_through_in_the_page(pages: Pages) -> None:
    kept = [toy.load(name) for name in ("ugrnn-32-0", "gru-32-0")]
    kept = [replace(m, record={"curve": [(100 * (i + 1), 0.5)]}) for i, m in enumerate(kept)]
    (pages.site / "kept.html").write_text(PAGE.replace("{}", trainer.toy_trainer(trained=kept).html()), "utf-8")
    page = pages.open("kept")
    for key, model in (("ArrowRight", kept[1]), ("Home", kept[0])):
        page.get_by_label("Back through training").press(key)
        said = model.trace("not a a bad good good very good").logits[-1]
        summary = f"After {model.record['curve'][0][0]} steps the mean squared error is 0.50. "
        page.wait_for_function(
            "(parts) => parts.every((p) => document.querySelector('.rw-summary').textContent.includes(p))",
            arg=[summary, f"the network says +{said:.2f}"],
        )


def test_a_kernel_trains_where_there_is_one(pages: Pages) -> None:
    """JupyterLab's side: the button asks the kernel, and what it sends is drawn as it comes, until it is stopped."""
    page = pages.open("toy_trainer")
    page.evaluate(ANYWIDGET, base.module())
    widget = trainer.toy_trainer()
    page.evaluate("(state) => { globalThis.opened = open(state); opened.show('lab'); }", state_of(widget) | {"run": ""})
    lab = page.locator("#lab")
    lab.get_by_role("button", name="Train", exact=True).click()
    assert ["run", "train"] in page.evaluate("opened.sent")
    sent = [trainer.kept(replace(toy.load(n), record={"curve": [(90, 0.5)]})) for n in ("gru-32-0",) * 2]
    for count, one in enumerate(sent, 1):
        page.evaluate("(one) => opened.model.set('latest', one)", one)
        assert lab.locator(".rw-spectrum .rw-value").count() == 32
        assert page.evaluate("opened.model.get('at')") == count - 1
    lab.get_by_role("button", name="Stop").click()
    assert page.evaluate("opened.model.get('run')") == "stop"
    assert lab.get_by_role("button", name="Stopping").is_visible()
    page.evaluate("(one) => opened.model.set('latest', { ...one })", sent[0])  # was under way: too late
    assert page.evaluate("opened.model.get('at')") == 1
    page.evaluate("() => { opened.model.set('run', ''); opened.model.set('status', 'no memory left'); }")
    assert lab.get_by_role("button", name="Train", exact=True).is_visible()
    assert lab.get_by_text("no memory left").is_visible()


def test_network_is_loaded_when_it_is_needed(pages: Pages) -> None:
    page = pages.open("all")
    page.wait_for_selector("svg.rw-chart")
    assert not any("gru-imdb.js" in url for url in pages.requests)
    page.get_by_label("Sentence", exact=True).first.focus()
    page.get_by_text("The network runs in this page.").first.wait_for()
    assert sum("gru-imdb.js" in url for url in pages.requests) == 1


def test_without_javascript_there_is_a_table(pages: Pages, shown: dict[str, widgets.Widget]) -> None:
    page = pages.open("all", java_script_enabled=False)
    assert page.locator("table caption").count() == len(shown)
    assert page.get_by_role("cell", name="(start)").first.is_visible()


def test_a_second_network_is_loaded_when_its_texts_are_chosen(pages: Pages) -> None:
    page = pages.open("where_it_stands")
    page.get_by_label("Words to slide through").fill("good")
    page.get_by_text("The network runs in this page").wait_for()
    films = set_controls(page, "where_it_stands", place=0)
    assert not any("other.js" in url for url in pages.requests)
    page.get_by_label("films").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function(
        "m => document.querySelector('[data-widget]').rnnrev.get('frame').lasting !== m", arg=films["lasting"]
    )
    assert page.get_by_label("restaurants").is_checked()
    assert sum("other.js" in url for url in pages.requests) == 1
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "m => document.querySelector('[data-widget]').rnnrev.get('frame').lasting === m", arg=films["lasting"]
    )


def test_page_says_so_when_it_holds_another_network(pages: Pages, bag: BagOfWords, site: Path) -> None:
    other = widgets.sentiment_trace(small_network("gru", seed=4), bag, "good")
    (site / "other.html").write_text(PAGE.replace("{}", other.html()), encoding="utf-8")
    page = pages.open("other")
    before = frame_of(page, "sentiment_trace")
    page.get_by_label("Sentence", exact=True).fill("bad")
    page.get_by_text("This page cannot run small gru by itself").wait_for()
    assert frame_of(page, "sentiment_trace") == before


#: A model as anywidget hands it over, whose listeners can be counted; ``open(state)`` renders a view of it.
ANYWIDGET = """async (source) => {
  const file = new Blob([source], { type: 'text/javascript' });
  const { default: widget } = await import(URL.createObjectURL(file));
  globalThis.open = (state) => {
    const heard = new Map(), sent = [];
    const at = (event) => heard.get(event) ?? heard.set(event, new Set()).get(event);
    const model = {
      get: (name) => state[name],
      set(name, value) {
        state[name] = value;
        sent.push([name, value]);
        [...at(`change:${name}`)].forEach((f) => f());
      },
      on: (event, f) => at(event).add(f),
      off: (event, f) => at(event).delete(f),
      save_changes: () => {},
    };
    const views = [];
    return {
      model, sent,
      listeners: () => [...heard.values()].reduce((sum, each) => sum + each.size, 0),
      show(id) {
        const el = document.createElement('div');
        el.id = id;
        document.body.append(el);
        views.push([el, widget.render({ model, el })]);
      },
      close() { for (const [el, stop] of views.splice(0)) { stop(); el.remove(); } },
    };
  };
}"""


def state_of(widget: widgets.Widget) -> dict[str, Any]:
    return {name: getattr(widget, name) for name in ("kind", "props", "frame", *widget.controls, *widget.looks)}


def test_same_front_end_under_anywidget(pages: Pages, shown: dict[str, widgets.Widget]) -> None:
    """JupyterLab's side: the module renders from a model, sends what the reader sets and redraws new frames."""
    page = pages.open("all")
    widget = shown["modifier_lab"]
    page.evaluate(ANYWIDGET, base.module())
    page.evaluate("(state) => { globalThis.opened = open(state); opened.show('lab'); }", state_of(widget))
    lab = page.locator("#lab")
    lab.get_by_label("Sentence", exact=True).fill("very bad")
    lab.get_by_role("slider", name="Gain").fill("2")
    assert page.evaluate("opened.sent") == [["text", "very bad"], ["gain", 2]]
    widget.text, widget.gain = "very bad", 2.0
    page.evaluate("(frame) => opened.model.set('frame', frame)", widget.frame)
    assert lab.locator(".rw-tokens li").count() == 2


def test_a_closed_view_hears_and_draws_nothing(pages: Pages, shown: dict[str, widgets.Widget]) -> None:
    """What JupyterLab does when a cell is run again, cleared or shown in a second place."""
    page = pages.open("sentiment_trace")
    page.evaluate(ANYWIDGET, base.module())
    for kind, widget in shown.items():
        one, two, closed, later = page.evaluate(
            """(state) => {
                 globalThis.opened = open(state);
                 opened.show('one');
                 const one = opened.listeners();
                 opened.show('two');
                 const two = opened.listeners();
                 opened.close();
                 const closed = opened.listeners();
                 for (let i = 0; i < 3; i++) { opened.show(`again${i}`); opened.close(); }
                 return [one, two, closed, opened.listeners()];
               }""",
            state_of(widget),
        )
        assert (two, closed, later) == (2 * one, 0, 0), kind
        assert one > 0


def test_a_path_that_is_being_played_stops_with_its_view(pages: Pages, shown: dict[str, widgets.Widget]) -> None:
    page = pages.open("sentiment_trace")
    page.evaluate(ANYWIDGET, base.module())
    widget = own.relax(SYSTEM)
    page.evaluate("(state) => { globalThis.opened = open(state); opened.show('view'); }", state_of(widget))
    widget.sequence = [""] * 100
    page.get_by_role("button", name="× 100").click()  # the path is drawn step by step from here on
    drawn = page.evaluate(
        """async (frame) => {
             const picture = document.querySelector('#view .rw-picture');
             let drawn = 0;
             new MutationObserver(() => drawn++).observe(picture, { childList: true });
             const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
             opened.model.set('frame', frame);
             await wait(300);
             const open = drawn;
             opened.close();
             await wait(50);
             drawn = 0;
             opened.model.set('frame', { ...frame });
             await wait(300);
             return [open, drawn];
           }""",
        widget.frame,
    )
    assert drawn[0] > 1
    assert drawn[1] == 0
