"""What readers do with the built site, in headless Chromium: from the disk and from a server, by keyboard, on a phone.

The site is ``_build/html`` (``make book``), or the folder that RNNREV_SITE names.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nbformat
import numpy as np
import pytest
import yaml
from bs4 import BeautifulSoup

from rnnrev import linear, widgets, zoo

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[1]
SITE = Path(os.environ.get("RNNREV_SITE", ROOT / "_build/html")).resolve()
CONTENTS = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8")) if (ROOT / "_toc.yml").is_file() else {}
TEXTS = [CONTENTS["root"], *(c["file"] for p in CONTENTS["parts"] for c in p["chapters"])] if CONTENTS else []
CHAPTERS = [t for t in TEXTS if re.match(r"book/(\d\d|toy)-", t)]
SLIDES = [f"slides/{Path(t).name}" for t in CHAPTERS]
PAGES = [*TEXTS, *SLIDES, "search", "genindex", "py-modindex"]
NOTEBOOKS = [t for t in TEXTS if "{code-cell}" in (ROOT / f"{t}.md").read_text(encoding="utf-8")]
WITH_WIDGETS = [
    t for t in CHAPTERS if re.search(r"^(widgets|trainer)\.\w+\(", (ROOT / f"{t}.md").read_text("utf-8"), re.MULTILINE)
]
FIRST_LOAD = 3e6  # bytes

if not (SITE / "index.html").is_file():
    pytest.skip(f"needs the built book: {SITE} (make book)", allow_module_level=True)


def size_of(requests: set[str], base: str) -> int:
    """Bytes of the site's files among requests, as they lie on the disk: a server that compresses sends less."""
    paths = {unquote(urlsplit(url.removeprefix(base)).path).lstrip("/") for url in requests if url.startswith(base)}
    return sum((SITE / path).stat().st_size for path in paths if (SITE / path).is_file())


class Reader:
    """Opens pages of the site, and holds what they asked for and complained about."""

    def __init__(self, browser: Any, base: str = SITE.as_uri()) -> None:
        self.browser, self.base = browser, base
        self.requests: set[str] = set()
        self.errors: list[str] = []

    def open(self, page: str, width: int = 1280, **options: Any) -> Any:
        opened = self.browser.new_page(viewport={"width": width, "height": 900}, reduced_motion="reduce", **options)
        opened.on("request", lambda r: self.requests.add(r.url))
        opened.on("requestfailed", lambda r: self.errors.append(f"failed: {r.url}"))
        opened.on("response", lambda r: r.status >= 400 and self.errors.append(f"{r.status}: {r.url}"))
        opened.on("pageerror", lambda e: self.errors.append(str(e)))
        opened.on("console", lambda m: m.type in ("error", "warning") and self.errors.append(m.text))
        opened.set_default_timeout(20_000)
        opened.goto(f"{self.base}/{page}.html")
        opened.wait_for_load_state("networkidle")
        return opened

    def off_site(self) -> list[str]:
        return [u for u in self.requests if not u.startswith((self.base + "/", "data:", "blob:"))]

    def close(self) -> None:
        for context in self.browser.contexts:
            context.close()


@pytest.fixture
def reader(browser: Any) -> Iterator[Reader]:
    """A reader who opened the site from the disk; whatever the test does, nothing fails and nothing leaves the site."""
    made = Reader(browser)
    yield made
    made.close()
    assert made.errors == []
    assert made.off_site() == []


class Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(SITE))) as httpd:
        httpd.daemon_threads = True
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()


# --- every page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_page_opens_from_the_disk_and_from_a_server(
    browser: Any, server: str, page: str, record_property: Callable[[str, Any], None]
) -> None:
    for base in (SITE.as_uri(), server):
        reader = Reader(browser, base)
        opened = reader.open(page)
        dead = opened.locator(".katex-error, .math:not(:has(.katex)), .rnnrev-widget[data-widget]")
        assert dead.count() == 0, "formulas and widgets came alive"
        assert opened.evaluate("document.documentElement.scrollHeight") < 60_000
        reader.close()
        assert reader.errors == []
        assert reader.off_site() == []
        size = size_of(reader.requests, base)
        assert 0 < size < FIRST_LOAD
    files = len({urlsplit(u).path for u in reader.requests})
    record_property("weight on first load", f"{size / 1e6:5.2f} MB in {files:2d} files  {page}")


@pytest.mark.parametrize("page", PAGES)
def test_audit_finds_nothing_serious(reader: Reader, page: str, record_property: Callable[[str, Any], None]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    opened = reader.open(page, color_scheme="light")
    opened.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    for theme in ("light", "dark"):
        opened.emulate_media(color_scheme=theme)
        if page not in SLIDES:
            opened.wait_for_selector(f"html[data-theme={theme}]", state="attached")
        opened.evaluate("Promise.all(document.getAnimations().map((a) => a.finished))")  # what fades in is pale
        found = axe.run(opened, options={"preload": False}).response  # preloading would fetch style sheets
        assert len(found["passes"]) > 10, "the audit looked at the page"
        record_property("accessibility audit", f"{page}, {theme}: {summary_of(found['violations'])}")
        bad = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
        assert not bad, "\n".join(f"{v['id']} ({v['impact']}): {n['html'][:300]}" for v in bad for n in v["nodes"][:5])
    # figures are drawn dark on white: in dark mode they are turned round, on no white sheet
    looks = opened.evaluate(
        """[...document.querySelectorAll('.bd-content :is(figure, .cell_output) img')].map((e) => {
             const { filter, backgroundColor } = getComputedStyle(e); return [filter, backgroundColor]; })"""
    )
    assert all(f.startswith("invert") and back == "rgba(0, 0, 0, 0)" for f, back in looks)
    assert looks or page not in CHAPTERS


def summary_of(violations: list[dict[str, Any]]) -> str:
    return ", ".join(f"{v['id']} ({v['impact']}, {len(v['nodes'])})" for v in violations) or "no finding"


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_code_fits_the_page(reader: Reader, page: str) -> None:
    wide = "[...document.querySelectorAll('.cell_input pre')].filter((e) => e.scrollWidth > e.clientWidth + 1)"
    assert reader.open(page).evaluate(f"{wide}.map((e) => e.innerText)") == []


@pytest.mark.parametrize("page", PAGES)
def test_page_fits_a_phone(reader: Reader, page: str) -> None:
    opened = reader.open(page, width=360, is_mobile=True, has_touch=True)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    cut_off = opened.evaluate(
        """() => {
             const scrolling = (e) => /auto|scroll/.test(getComputedStyle(e).overflowX);
             const scrolls = (e) => e && (scrolling(e) || scrolls(e.parentElement));
             const things = 'main :is(p, li, img, svg, figure, table, pre, button, input, .math)';
             return [...document.querySelectorAll(things)]
               .filter((e) => !e.closest('.katex, svg svg, dialog, .rw-hidden') && !scrolls(e.parentElement))
               .filter((e) => {
                 const { left, right, width, height } = e.getBoundingClientRect();
                 return width > 1 && height > 1 && (right > 361 || left < -1);
               })
               .map((e) => e.outerHTML.slice(0, 200));
           }"""
    )
    assert cut_off == []
    small = opened.evaluate(
        """[...document.querySelectorAll('.rw-body :is(button, input:not([type=radio], [type=checkbox]), select)')]
             .filter((e) => e.getBoundingClientRect().height < 24).map((e) => e.outerHTML)"""
    )
    assert small == []


# --- links, pictures, descriptions, notebooks ---------------------------------------------------


@cache
def parsed(file: Path) -> tuple[frozenset[str], tuple[str, ...]]:
    """Anchors of a page, and where its links, images, scripts and styles lead."""
    soup = BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")
    anchors = {str(e[name]) for name in ("id", "name") for e in soup.find_all(attrs={name: True})}
    leads = [str(e[name]) for name in ("href", "src") for e in soup.find_all(attrs={name: True})]
    return frozenset(anchors), tuple(leads)


def broken(file: Path, link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return not parts.netloc and parts.scheme not in ("data", "mailto")
    to = (file.parent / unquote(parts.path)).resolve() if parts.path else file
    if not to.is_file() or SITE not in to.parents:
        return True
    anchor = unquote(parts.fragment)
    return bool(anchor) and to.suffix == ".html" and to.parent.name != "slides" and anchor not in parsed(to)[0]


def test_every_link_leads_somewhere() -> None:
    files = [f for f in sorted(SITE.rglob("*.html")) if "_static" not in f.parts]
    links = [(f, link) for f in files for link in parsed(f)[1]]
    assert len(links) > 1000
    found = {(str(f.relative_to(SITE)), link) for f, link in links if broken(f, link)}
    assert not found


@pytest.mark.parametrize("page", TEXTS)
def test_pictures_have_alt_text_and_the_page_a_description(page: str) -> None:
    soup = BeautifulSoup((SITE / f"{page}.html").read_text(encoding="utf-8"), "html.parser")
    assert not [str(i)[:200] for i in soup.find_all("img") if not str(i.get("alt", "")).strip()]
    short = [str(i)[:200] for i in soup.select("article figure img") if len(str(i["alt"])) < 40]
    assert not short
    for name in ({"property": "og:description"}, {"property": "og:title"}, {"name": "description"}):
        described = soup.find("meta", attrs=name)
        assert described is not None, name
        assert len(str(described["content"])) > 15
    assert soup.html is not None
    assert soup.html["lang"] == "en"
    assert "<" not in str(soup.find("meta", property="og:title"))[1:-2], "a title is text"
    assert len(soup.select("article h1")) == 1


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_notebook_can_be_downloaded(reader: Reader, page: str) -> None:
    opened = reader.open(page)
    link = opened.locator("a.btn-download-notebook-button")
    assert link.get_attribute("href") == f"{'../' * page.count('/')}_sources/{page}.ipynb"
    notebook = nbformat.read(SITE / f"_sources/{page}.ipynb", as_version=4)
    nbformat.validate(notebook)
    code = [c.source for c in notebook.cells if c.cell_type == "code"]
    assert "pip install" in code[0]
    assert len(code) > 1


# --- journeys -----------------------------------------------------------------------------------


def test_no_button_leads_to_an_address_that_is_not_set() -> None:
    address = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    soup = BeautifulSoup((SITE / "book/01-training.html").read_text(encoding="utf-8"), "html.parser")
    buttons = {str(a["href"]) for a in soup.select(".article-header-buttons a[href]")}
    away = {href for href in buttons if "://" in href}
    assert bool(away) == bool(address)
    assert all(address.removeprefix("https://github.com/") in href for href in away)


def test_cheat_sheet_is_one_sheet_of_paper(reader: Reader) -> None:
    printed = reader.open("book/cheat-sheet").pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b", printed)) == 2


def test_search_from_the_disk_by_keyboard(reader: Reader) -> None:
    page = reader.open("book/index")
    page.keyboard.press("Control+k")
    page.keyboard.type("barcode")
    page.keyboard.press("Enter")
    page.locator("#search-results .search a").first.wait_for()
    assert "03-modifier-subspace.html" in page.locator("#search-results").inner_html()


@pytest.mark.parametrize("page", SLIDES)
def test_slides_turn_by_arrow_keys(reader: Reader, page: str) -> None:
    opened = reader.open(page)
    place = opened.get_by_role("status")
    count = opened.locator(".slide").count()
    assert count > 1
    assert place.inner_text() == f"1 of {count}"
    opened.keyboard.press("ArrowRight")
    opened.get_by_text(f"2 of {count}").wait_for()
    assert opened.locator(".slide:visible img").count() == 1
    opened.keyboard.press("End")
    opened.get_by_text(f"{count} of {count}").wait_for()


NAME = """() => {
  const e = document.activeElement, place = e.closest('[data-widget]');
  if (!place || !e.matches('input, textarea, select, button')) return null; // a text that scrolls has the focus too
  const label = e.labels?.[0]?.firstChild.textContent || e.labels?.[0]?.textContent || e.ariaLabel || e.textContent;
  const name = e.type === 'radio' ? e.closest('fieldset').firstChild.textContent : label.trim();
  return [place.dataset.widget, e.type ?? e.tagName, name];
}"""
PICTURE = """async (kind) => {
  const place = document.querySelector(`[data-widget=${kind}]`);
  await place.rnnrev.settled;
  const drawn = place.querySelector('.rw-picture').cloneNode(true);
  return drawn.innerHTML.replace(/rw-\\w+-\\d+/g, '');
}"""


def into_the_text(page: Any) -> None:
    """Past the page's head and contents, by its first link."""
    page.keyboard.press("Tab")
    assert "Skip to main" in page.evaluate("document.activeElement.textContent")
    page.keyboard.press("Enter")


def use(page: Any, kind: str) -> None:
    """Change the control that has the focus, by the keys that are its own."""
    if kind in ("textarea", "text"):
        choice = page.evaluate("document.activeElement.list?.options[0]?.value ?? null")
        page.keyboard.type(choice or " not")
    elif kind in ("range", "select-one"):
        before = page.evaluate("document.activeElement.value")
        page.keyboard.press("ArrowRight")
        if page.evaluate("document.activeElement.value") == before:  # it stands at its end
            page.keyboard.press("ArrowLeft")
    else:
        page.keyboard.press({"radio": "ArrowDown", "checkbox": "Space"}.get(kind, "Enter"))


def walk(page: Any, key: str) -> dict[tuple[str, str], bool]:
    """Go through a page's controls with Tab (or back), use each, and tell which changed their widget's picture."""
    changed: dict[tuple[str, str], bool] = {}
    seen = outside = 0
    while outside < (150 if not seen else 70):
        page.keyboard.press(key)
        found = page.evaluate(NAME)
        if found is None:
            outside += 1
            continue
        seen, outside = seen + 1, 0
        assert seen < 150, f"the keyboard is caught: {found}"
        widget, kind, name = found
        if name == "Add" or (name.startswith("remove") and key == "Tab"):
            continue  # a word is added as it is completed; without the first word nothing is left to put in order
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", found
        before = page.evaluate(PICTURE, widget)
        use(page, kind)
        changed[widget, name] = changed.get((widget, name), False) or page.evaluate(PICTURE, widget) != before
    return changed


@pytest.mark.parametrize("page", WITH_WIDGETS)
def test_every_control_of_every_widget_answers_to_the_keyboard(reader: Reader, page: str) -> None:
    opened = reader.open(page)
    into_the_text(opened)
    there, back = walk(opened, "Tab"), walk(opened, "Shift+Tab")
    changed = {name: there.get(name, False) or back.get(name, False) for name in there | back}
    kinds = set(opened.evaluate("[...document.querySelectorAll('[data-widget]')].map((e) => e.dataset.widget)"))
    assert {widget for widget, _ in changed} == kinds
    assert [name for name, did in changed.items() if not did] == []


class Lab:
    """One widget of a page, worked by keyboard."""

    def __init__(self, page: Any, kind: str) -> None:
        self.page, self.kind = page, kind
        into_the_text(page)

    def go_to(self, name: str) -> None:
        for _ in range(400):
            self.page.keyboard.press("Tab")
            found = self.page.evaluate(NAME)
            if found is not None and found[0] == self.kind and found[2].startswith(name):
                return
        raise AssertionError(f"Tab does not reach {name!r}")

    def write(self, name: str, text: str) -> None:
        self.go_to(name)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def frame(self) -> dict[str, Any]:
        return self.page.evaluate(
            """async (kind) => {
                 const model = document.querySelector(`[data-widget=${kind}]`).rnnrev;
                 await model.settled; return model.get('frame'); }""",
            self.kind,
        )

    def get(self, name: str) -> Any:
        return self.page.evaluate(
            "([kind, name]) => document.querySelector(`[data-widget=${kind}]`).rnnrev.get(name)", [self.kind, name]
        )

    def line(self, style: str) -> str:
        """The curve of a series in the chart of logits."""
        self.frame()
        return self.page.locator(f"[data-widget={self.kind}] .rw-chart .rw-{style} .rw-line").first.get_attribute("d")

    def says(self, *numbers: float) -> None:
        """The sentence under the picture, which follows at leisure, gives these numbers."""
        wanted = [f"{'−' if x < 0 else '+'}{abs(x):.2f}" if round(x, 2) else "0.00" for x in numbers]
        self.page.wait_for_function(
            """([kind, wanted]) => {
                 const said = document.querySelector(`[data-widget=${kind}] .rw-summary`).textContent;
                 return wanted.every((number) => said.includes(number)); }""",
            arg=[self.kind, wanted],
        )


@pytest.fixture(scope="module")
def gru() -> Any:
    return zoo.load("gru-imdb")


@pytest.fixture(scope="module")
def point(gru: Any) -> linear.OperatingPoint:
    return linear.operating_point(gru)


def test_sentence_moves_both_traces(reader: Reader, gru: Any) -> None:
    lab = Lab(reader.open("book/01-training"), "sentiment_trace")
    before = lab.line("intact"), lab.line("bag")
    sentence = "I can't say it wasn't good, but not extremely so, " + "and it drags and drags " * 15
    lab.write("Sentence", sentence)
    assert lab.line("intact") != before[0]
    assert lab.line("bag") != before[1]
    network, counted = gru.trace(sentence), zoo.load("bow-imdb").trace(sentence)
    np.testing.assert_allclose(lab.frame()["network"], [network.start, *network.logits], atol=1e-4)
    np.testing.assert_allclose(lab.frame()["bag"], [counted.start, *counted.logits], atol=1e-4)
    lab.says(network.logits[-1], counted.logits[-1])


def test_gain_of_the_modifier_subspace_moves_the_trace(reader: Reader, gru: Any, point: linear.OperatingPoint) -> None:
    lab, sentence = Lab(reader.open("book/03-modifier-subspace"), "modifier_lab"), "The movie was not good."
    kernel = widgets.modifier_lab(point, text=sentence)

    def expected() -> dict[str, Any]:
        for name in ("gain", "dimension", "space", "begin"):
            setattr(kernel, name, lab.get(name))
        return kernel.frame

    lab.write("Sentence", sentence)
    np.testing.assert_allclose(lab.frame()["intact"][1:], gru.trace(sentence).logits, atol=1e-4)
    removed = lab.line("perturbed")
    lab.go_to("Gain")
    for key in ["ArrowRight"] * 25:
        lab.page.keyboard.press(key)
    assert lab.get("gain") == pytest.approx(1.25)
    assert lab.line("perturbed") != removed
    same, frame = expected(), lab.frame()
    np.testing.assert_allclose(frame["perturbed"], same["perturbed"], atol=1e-4)
    assert frame["perturbed"][-1] < frame["intact"][-1] - 0.1, "a louder 'not' is more negative"
    lab.says(same["intact"][-1], same["perturbed"][-1])

    from_h0 = lab.line("intact")
    lab.go_to("Begin")
    lab.page.keyboard.press("ArrowDown")
    assert lab.get("begin") == "middle"
    assert lab.line("intact") != from_h0
    for name in ("intact", "perturbed"):
        np.testing.assert_allclose(lab.frame()[name], expected()[name], atol=1e-4)


@pytest.mark.parametrize("page", ["book/04-initial-condition", "book/05-end-of-review"])
def test_initial_state_is_swapped_and_fast_modes_removed(
    reader: Reader, gru: Any, point: linear.OperatingPoint, page: str
) -> None:
    lab = Lab(reader.open(page), "where_it_stands")
    before = {style: lab.line(style) for style in ("intact", "perturbed", "slow")}
    lab.write("Words to slide through", "not good")
    lab.write("Review", "We saw it on a rainy night. The plot is thin, and the acting is wonderful.")
    lab.frame()  # settled: the slider's end is that of the new review
    lab.go_to("Place")
    lab.page.keyboard.press("End")
    frame = lab.frame()
    expected = widgets.where_it_stands(point, lab.get("text"), "not good").frame
    assert frame["places"] == expected["places"]
    assert lab.get("place") == len(frame["places"]) - 1
    for style, name in (("intact", "intact"), ("perturbed", "start"), ("slow", "slow")):
        assert lab.line(style) != before[style]
        np.testing.assert_allclose(frame[name], expected[name], atol=1e-4)
    lab.says(*(expected[name][-1] for name in ("intact", "start", "slow")))
