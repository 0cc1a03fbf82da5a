"""The report: one page on a small network built by hand, what it says where it cannot measure, and its errors."""

from __future__ import annotations

import base64
import itertools
import re
import struct
import time
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from bs4 import BeautifulSoup, Tag
from test_measure import N, built_network, made_up, reviews_of

from rnnrev import claims, report, zoo
from rnnrev.__main__ import main
from rnnrev.balanced import balance, explained
from rnnrev.data import PAD, UNKNOWN, Reviews, Vocabulary, load_reviews
from rnnrev.driven import token_arrays
from rnnrev.linear import operating_point
from rnnrev.model import BagOfWords
from rnnrev.stats import accuracy, text_of

RULES = [c for c in claims.CLAIMS if c.record == "networks"]


class Page(HTMLParser):
    """A page whose tags close in order, as a test asks for it: tags, its text, cells of the rows that have a name."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(html)
        assert not self.open
        self.soup = BeautifulSoup(html, "html.parser")
        self.text = self.soup.body.get_text()
        self.rows = {tr["id"]: [c.get_text() for c in tr.select("td, th")] for tr in self.soup.select("tr[id]")}

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def of(self, tag: str) -> list[Tag]:
        return self.soup.find_all(tag)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    model = built_network()
    zoo.save(model, folder / "net.safetensors")
    made_up(model).to_csv(folder / "mine.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def made(files):
    options = ["--data", str(files / "mine.csv"), "--text", "review", "--label", "stars", "--scored", "50", "--quiet"]
    model, out = str(files / "net.safetensors"), str(files / "r.html")
    assert main(["report", "--model", model, "--out", out, *options]) == 0
    return (files / "r.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(made):
    return Page(made)


@pytest.fixture(scope="module")
def used(files):
    return load_reviews(files / "mine.csv", text="review", label="stars").sample(50)


def cell(page: Page, claim: str, column: str) -> str:
    return page.rows[f"claim-{claim}"][("Chapter", "Claim", "Found", "Rule", "Control", "Verdict").index(column)]


def numbers(text: str) -> list[float]:
    return [float(v.replace(",", "")) for v in re.findall(r"-?[\d,]*\.?\d+", text.replace("\u2212", "-"))]


# --- the page -----------------------------------------------------------------------------------


def test_page_needs_nothing_but_itself(made, page):
    assert made.lstrip().startswith("<!DOCTYPE html>")
    assert not page.of("script")
    assert not page.of("link")
    assert not re.search(r"https?://|url\(|@import", made)
    assert all(i["src"].startswith("data:image/png;base64,") for i in page.of("img"))


def test_figures_are_pictures_with_alternative_texts(page):
    images = page.of("img")
    assert len(images) >= 8
    assert len({i["alt"] for i in images}) == len(images)
    for image in images:
        assert len(image["alt"]) >= 40
        assert "nan" not in image["alt"]
        png = base64.b64decode(image["src"].split(",", 1)[1])
        width, height = struct.unpack(">II", png[16:24])
        assert png.startswith(b"\x89PNG")
        assert width > 900
        assert height > 200


def test_page_is_well_formed_for_screen_readers(made, page):
    assert page.soup.html["lang"] == "en"
    assert [len(page.of(tag)) for tag in ("h1", "header", "main", "footer", "title")] == [1] * 5
    levels = [int(h.name[1]) for h in page.of(re.compile(r"^h\d"))]
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = [e["id"] for e in page.soup.select("[id]")]
    assert len(ids) == len(set(ids))
    assert all(e["aria-labelledby"] in ids for e in page.soup.select("[aria-labelledby]"))
    assert all(e.get("tabindex") == "0" and e["aria-label"] for e in page.soup.select("div[role=region]"))
    assert all(a.get("scope") for a in page.of("th"))
    assert "width=device-width" in made
    assert "prefers-color-scheme: dark" in made


def test_header_says_what_was_measured_and_names_are_escaped(made, page, files):
    reviews = load_reviews(files / "mine.csv", text="review", label="stars")
    for wanted in (reviews.fingerprint, "50 used of 60", "rnnrev report --model", "--scored 50", "built <ugrnn>"):
        assert wanted in page.text
    assert "<ugrnn>" not in made
    assert "&lt;ugrnn&gt;" in made


def test_first_paragraph_has_its_control(page, used):
    """It once stopped in mid-sentence and lost the control."""
    commonest = np.bincount(used.labels).max() / 50
    right = (built_network().logits(used.texts) > 0) == used.labels
    assert f"Accuracy {text_of(accuracy(right, np.ones(50, bool)), '.1%')}." in page.text
    assert f"the commonest label alone would be right in {text_of(commonest, '.1%')}" in page.text


def test_every_claim_has_its_row_with_rule_and_verdict(page):
    rows = {k.removeprefix("claim-"): v for k, v in page.rows.items()}
    assert list(rows) == [c.id for c in RULES]
    for rule in RULES:
        chapter, text, found, told, control, verdict = rows[rule.id]
        assert (int(chapter), text) == (rule.chapter, rule.text)
        assert told == rule.rule + (f" ({rule.why})" if rule.why else "")
        assert verdict in claims.VERDICTS
        assert found
        assert bool(control) == (rule.control is not None and verdict != "not measured")
        assert "nan" not in (found + control).split()


# --- verdicts -----------------------------------------------------------------------------------


def test_network_that_was_built_to_read_so_is_found_to(page):
    for key in ("phrases", "slow-mode", "sorting", "ranking", "negators", "intensifiers", "dimension", "subspace"):
        assert cell(page, key, "Verdict") in ("holds", "in part"), page.rows[f"claim-{key}"]
    for key in ("abolition", "abolition-control", "start-share", "start-gain", "beginning", "beginning-gone"):
        assert cell(page, key, "Verdict") == "holds", page.rows[f"claim-{key}"]
    # unit 1 mutes and does not turn round; its own fixed point is one
    assert cell(page, "flip", "Verdict") == "does not hold"
    assert "one and the same point" in cell(page, "curve", "Found")


def test_it_says_in_how_many_numbers_the_network_reads(page, used):
    model, ids = built_network(), token_arrays(built_network(), used.texts, 50)
    modes, held = balance(model, ids[:25]), ids[25:]
    whole = model.logits_of(held)
    k = next(k for k in range(1, N) if explained(whole, modes.reduce(model, k).logits_of(held)) >= 0.95)
    assert f"It reads with {k}: so many are needed for R² 0.95 or more with its own logits.\nThat few" in page.text


def test_slow_mode_is_that_of_the_jacobian(page, used):
    point = operating_point(built_network(), texts=used.texts)
    step = 1e-6 * np.eye(N)  # J_rec by differences of the averaged step
    J = ((point.mean_map(point.h_star + step) - point.mean_map(point.h_star - step)) / 2e-6).T
    tau = np.sort(np.abs(-1 / np.log(np.abs(np.linalg.eigvals(J)))))[::-1]
    assert numbers(cell(page, "memory", "Found").partition(":")[2])[0] == pytest.approx(tau[0], rel=0.02)


def test_verdicts_follow_from_the_numbers_on_the_page(page):
    _, low, high = numbers(cell(page, "beginning", "Found").partition(":")[2])
    control = numbers(cell(page, "beginning", "Control").partition(":")[2])
    assert (cell(page, "beginning", "Verdict") == "holds") == (low > 1.2 and low > control[2])
    _, low, high = numbers(cell(page, "flip", "Found").partition("):")[2])
    assert (cell(page, "flip", "Verdict") == "holds") == (high < -1)


# --- what cannot be measured --------------------------------------------------------------------


def test_page_of_a_bag_of_words_says_why_there_is_no_more(monkeypatch):
    words = Vocabulary((PAD, UNKNOWN, "good", "bad"))
    bag = BagOfWords(np.array([0, 0, 1.0, -1.0]), 0.0, words, name="<script>$x$")
    texts = Reviews("mine", "all", ("good good", "bad", "bad good bad") * 10, np.array([1, 0, 0] * 10))
    monkeypatch.delenv("RNNREV_DATA_DIR", raising=False)
    made = report.analyse(bag, texts)
    html = report.to_html(made)
    page = Page(html)
    assert "<script" not in html
    assert "&lt;script&gt;$x$" in html
    assert "Accuracy 100.0\u00a0%" in page.text
    assert page.text.count("not a recurrent network: it has no state to look at") >= 20
    assert page.text.count("Not shown") == 6  # once a section: what is missing for the same reason stands together
    assert set(made.missing) == {"scores", "attractor", "modifiers", "beginning", "end", "enough"}
    assert made.counts["not measured"] > 30
    # what can be made has its place: one table was made and never shown
    titles = [*made.shown, *(title for missing in made.missing.values() for title in missing)]
    whole = replace(made, shown=dict.fromkeys(titles, report.Table(("a",), (("b",),))), missing={})
    assert set(titles) <= set(re.findall("<h3>(.*?)</h3>", report.to_html(whole)))


# --- errors, and the file -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--model": "no/such/model"}, "no/such/model"),
        ({"--model": "gru-imbd"}, "gru-imdb"),
        ({"--data": "none.csv"}, "none.csv does not exist"),
        ({"--label": "label"}, "no column 'label'"),
        ({"--text": "words"}, "no column 'words'"),
        ({"--out": "no/such/r.html"}, "the folder no/such does not exist"),
        ({"--out": "."}, "is a folder"),
    ],
)
def test_errors_are_one_line_and_nothing_is_written(change, message, files, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    options = {"--model": str(files / "net.safetensors"), "--data": str(files / "mine.csv")}
    options |= {"--text": "review", "--label": "stars"} | change
    assert main(["report", *(v for pair in options.items() for v in pair), "--quiet"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("rnnrev report: ")
    assert message in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_wrong_arguments_have_status_two(capsys):
    with pytest.raises(SystemExit) as left:
        main(["report", "--scored", "0"])
    assert left.value.code == 2
    assert "at least 1" in capsys.readouterr().err


def test_what_fails_leaves_the_old_report(files, tmp_path, capsys):
    broken, page = tmp_path / "net.safetensors", tmp_path / "r.html"
    damaged = bytearray((files / "net.safetensors").read_bytes())
    damaged[-8:] = b"xxxxxxxx"
    broken.write_bytes(damaged)
    page.write_text("old")
    assert main(["report", "--model", str(broken), "--out", str(page), "--quiet"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    nan = replace(built_network(), w=np.full(N, np.nan))
    with pytest.raises(ValueError, match="no finite logit"):
        report.write(nan, reviews_of(nan), page)
    assert page.read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.safetensors", "r.html"]


@pytest.mark.slow
def test_shipped_network_on_the_embedded_reviews(tmp_path):
    started = time.process_time()
    assert main(["report", "--out", str(tmp_path / "r.html"), "--quiet"]) == 0
    assert time.process_time() - started < 200  # under two minutes on two cores
    made = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    assert len(made.of("img")) >= 9
    for key in ("dimensions", "readout", "memory", "sorting", "intensifiers", "beginning"):
        assert cell(made, key, "Verdict") == "holds", key
