"""The report: a small network built by hand, whose verdicts are known or computed here, and what cannot be measured."""

from __future__ import annotations

import base64
import itertools
import re
import struct
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from conftest import small_network

from rnnrev import line_attractor, linear, modifiers, report, stats, zoo
from rnnrev.__main__ import main
from rnnrev.cells import Cell
from rnnrev.data import PAD, UNKNOWN, Reviews, Vocabulary, load_contrasts, load_reviews, tokenize
from rnnrev.model import BagOfWords, SentimentRNN
from rnnrev.zoo import load, save

N = 12


def built_network() -> SentimentRNN:
    """A UGRNN that integrates in unit 0, and in which unit 1 opens or closes the gate of unit 0 for two tokens or so.

    So it has one slow mode, negators (unit 1 up: the gate closes), intensifiers (unit 1 down), and a first state that
    intensifies. Words, valences and modifiers are English, so that the phrases and the grammar know them.
    """
    rng = np.random.default_rng(0)
    bag, contrasts, grammar = zoo.load("bow-imdb"), load_contrasts(), modifiers.lexicon()
    known = dict(zip(bag.vocabulary.words, bag.beta))
    polar = sorted(known, key=lambda w: -abs(known[w]))[:150]
    frames = {t for text in contrasts.text for t in tokenize(text)}
    plain = [w for w in bag.vocabulary.words[2:400] if w.isalpha()]
    words = list(dict.fromkeys([*polar, *sorted(frames), *grammar.word, *plain]))
    valence = {w: float(np.clip(known.get(w, 0) / 0.6, -1, 1)) if abs(known.get(w, 0)) > 0.2 else 0.0 for w in words}
    valence |= {w: 0.8 * v for w, v in zip(contrasts.word, contrasts.valence)}
    kind = {"negator": 1.0, "downtoner": 0.5, "amplifier": -1.0}
    role = {w: kind[k] for w, k in zip(grammar.word, grammar.kind)}
    vocabulary = Vocabulary((PAD, UNKNOWN, *words))
    x = 0.1 * rng.standard_normal((len(vocabulary), 5))
    x[:, :2] = 0.0
    x[2:, 0] = [0.0 if w in role else valence[w] for w in words]
    x[2:, 1] = [role.get(w, 0.05 * rng.standard_normal()) for w in words]
    W, U = np.zeros((5, 2 * N)), np.zeros((N, 2 * N))
    W[0, N], W[1, N + 1], W[2:, N + 2 :] = 1.2, 2.0, 0.5 * rng.standard_normal((3, N - 2))
    U[1, 0], U[0, N] = 2.5, 1.0
    U[2:, N + 2 :] = 0.3 * rng.standard_normal((N - 2, N - 2)) / np.sqrt(N)
    b = np.zeros(2 * N)
    b[0] = 2.5
    h0 = np.zeros(N)
    h0[1] = -1.0
    w = np.zeros(N)
    w[0] = 4.0
    counts = np.r_[0, 5, rng.integers(300, 2000, len(words))]
    cell = Cell("ugrnn", W, U, b, np.zeros(2 * N), h0)
    return SentimentRNN(cell, x, vocabulary, w, np.float64(0), "built <ugrnn>", counts=counts)


def made_up(model: SentimentRNN, n: int = 60, length: int = 110) -> pd.DataFrame:
    """Texts of the network's own words, labelled as it does but for every twentieth."""
    rng = np.random.default_rng(1)
    texts = [" ".join(rng.choice(model.vocabulary.words[2:], length)) for _ in range(n)]
    stars = (model.logits(texts) > 0).astype(int)
    stars[::20] = 1 - stars[::20]
    return pd.DataFrame({"review": texts, "stars": stars})


class Page(HTMLParser):
    """What a test asks of a page: tags with attributes, text of table rows, and that tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.rows: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.row: str | None = None
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        given = {k: v or "" for k, v in attrs}
        self.tags.append((tag, given))
        if tag == "tr":
            self.row = given.get("id")
        if self.row and tag in ("td", "th"):
            self.rows.setdefault(self.row, []).append("")
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if "style" not in self.open else ""
        if self.row and self.open and self.open[-1] in ("td", "th"):
            self.rows[self.row][-1] += data

    def of(self, tag: str) -> list[dict[str, str]]:
        return [a for t, a in self.tags if t == tag]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    model = built_network()
    save(model, folder / "net")
    made_up(model).to_csv(folder / "mine.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def made(files):
    options = [
        "--data",
        str(files / "mine.csv"),
        "--text",
        "review",
        "--label",
        "stars",
        "--out",
        str(files / "r.html"),
    ]
    assert main(["report", "--model", str(files / "net"), *options, "--scored", "50", "--quiet"]) == 0
    return (files / "r.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(made):
    return Page(made)


@pytest.fixture(scope="module")
def used(files):
    return load_reviews(files / "mine.csv", text="review", label="stars").sample(50)


def numbers(text: str) -> list[float]:
    return [float(v.replace(",", "")) for v in re.findall(r"-?[\d,]*\.?\d+", text.replace("\u2212", "-"))]


# --- the page ---------------------------------------------------------------------------------


def test_page_needs_nothing_but_itself(made, page):
    assert not page.of("script")
    assert not page.of("link")
    assert not re.search(r"https?://|url\(|@import", made)
    assert all(i["src"].startswith("data:image/png;base64,") for i in page.of("img"))


def test_figures_are_pictures_with_alternative_texts(page):
    images = page.of("img")
    assert len(images) >= 9
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
    assert page.of("html") == [{"lang": "en"}]
    assert [t for t, _ in page.tags].count("h1") == 1
    assert {"header", "main", "footer", "title"} <= {t for t, _ in page.tags}
    levels = [int(t[1]) for t, _ in page.tags if re.fullmatch(r"h\d", t)]
    assert all(b - a <= 1 for a, b in itertools.pairwise(levels))
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert all(a["aria-labelledby"] in ids for _, a in page.tags if "aria-labelledby" in a)
    assert all(a.get("tabindex") == "0" and a["aria-label"] for a in page.of("div") if a.get("role") == "region")
    assert all(a.get("scope") for a in page.of("th"))
    assert "width=device-width" in made
    assert "prefers-color-scheme: dark" in made


def test_header_says_what_was_measured(page, used, files):
    reviews = load_reviews(files / "mine.csv", text="review", label="stars")
    for wanted in (reviews.fingerprint, "50 used of 60", "rnnrev report --model", "--scored 50", "built <ugrnn>"):
        assert wanted in page.text
    assert "<ugrnn>" not in (files / "r.html").read_text()  # names are escaped


def test_every_claim_has_its_row_with_a_verdict(page):
    rows = {k.removeprefix("claim-"): v for k, v in page.rows.items()}
    assert list(rows) == list(report.CLAIMS)
    for key, (chapter, text, found, control, verdict) in rows.items():
        assert (int(chapter), text) == report.CLAIMS[key]
        assert verdict in ("holds", "in part", "not", "not measured")
        assert found
        assert control or verdict in ("not measured", "not")
        assert "nan" not in (found + control).split()


# --- verdicts ---------------------------------------------------------------------------------


def test_network_that_was_built_to_read_so_is_found_to(page):
    verdict = {k.removeprefix("claim-"): v[-1] for k, v in page.rows.items()}
    for key in ("slow-mode", "sorting", "ranking", "intensifiers", "subspace", "abolition", "beginning"):
        assert verdict[key] == "holds", (key, page.rows[f"claim-{key}"])


def test_accuracy_is_that_of_a_count(page, used):
    model = built_network()
    right = sum((model.logits([t])[0] > 0) == y for t, y in zip(used.texts, used.labels))
    expected = stats.Estimate(right / 50, *_wilson(right, 50))
    got = re.search(r"Accuracy ([\d.]+).% \[([\d.]+).%, ([\d.]+).%\] on 50", page.text)
    assert got
    np.testing.assert_allclose([float(g) / 100 for g in got.groups()], expected, atol=6e-4)


def _wilson(k: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    p, middle = k / n, (k / n + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return middle - half, middle + half


def test_dimensions_agree_with_a_principal_component_analysis(page, used, files):
    from sklearn.decomposition import PCA

    states, _ = line_attractor.visited_states(load(files / "net"), used.texts)
    share = PCA().fit(states).explained_variance_
    _, _, found, control, verdict = page.rows["claim-dimensions"]
    assert numbers(found)[0] == pytest.approx(share.sum() ** 2 / (share**2).sum(), abs=0.06)
    assert (verdict == "holds") == (numbers(found)[2] < numbers(control)[1])


def test_slow_mode_is_that_of_the_jacobian(page, used, files):
    model = load(files / "net").astype(np.float64)
    point = linear.operating_point(model, texts=used.texts)
    # J_rec by differences of the averaged step
    step = 1e-6 * np.eye(N)
    J = ((point.mean_map(point.h_star + step) - point.mean_map(point.h_star - step)) / 2e-6).T
    tau = np.sort(np.abs(-1 / np.log(np.abs(np.linalg.eigvals(J)))))[::-1]
    shown = re.search(r"slowest modes fade in ([\d,.]+)", page.text)
    assert shown
    assert float(shown[1].rstrip(",").replace(",", "")) == pytest.approx(tau[0], rel=0.02)
    gap = numbers(page.rows["claim-slow-mode"][2].split("tokens, ")[1])
    assert page.rows["claim-slow-mode"][-1] == ("holds" if gap[1] > 10 else "in part" if gap[1] > 1.5 else "not")


def test_abolition_verdict_follows_its_numbers(page):
    _, _, found, control, verdict = page.rows["claim-abolition"]
    (negated, gone), (louder, gone_too) = ([numbers(p) for p in part.split("→")] for part in found.split("; "))
    abolished = max(map(abs, gone[1:])) < 0.25 * abs(negated[0]) and max(map(abs, gone_too[1:])) < 0.25 * louder[0]
    kept = abs(numbers(control.split("same variance:")[1])[0]) > 0.75 * abs(negated[0])
    assert negated[0] < 0 < louder[0]
    assert verdict == ("in part" if abolished != kept else "holds" if kept else "not")


# --- what cannot be measured ------------------------------------------------------------------


def reviews_of(model, n=30, length=20, labels=None):
    rng = np.random.default_rng(2)
    texts = tuple(" ".join(rng.choice(model.vocabulary.words[2:], length)) for _ in range(n))
    return Reviews("mine", "all", texts, rng.integers(0, 2, n) if labels is None else np.full(n, labels))


def missing(made: report.Report) -> str:
    return " ".join(i.reason for s in made.sections for i in s.items if isinstance(i, report.Missing))


def test_small_random_network_of_ten_words():
    model = replace(small_network("gru"), counts=None)
    made = report.analyse(model, reviews_of(model))
    assert all(c.verdict == "not measured" for c in made.claims if c.chapter > 2)
    assert "fewer than 8" in missing(made)
    Page(report.to_html(made))


def test_network_without_a_slow_mode_says_so():
    model = built_network()
    U, b = model.cell.U.copy(), model.cell.b.copy()
    U[0, N], b[0] = 0.0, 0.0  # unit 0 forgets half of what it holds at every token
    model = replace(model, cell=replace(model.cell, U=U, b=b))
    made = report.analyse(model, reviews_of(model))
    assert "no slow mode" in missing(made)
    assert made.claim("slow-mode").verdict == "not"
    assert {c.verdict for c in made.claims if c.chapter > 2} == {"not measured"}
    assert made.claim("dimensions").verdict in report.VERDICTS.values()


def test_counts_may_be_shares():
    model = built_network()
    work = report._Work(replace(model, counts=model.frequencies), reviews_of(model), 0)
    assert set(report._frequent(work)) >= set(line_attractor.frequent_words(model, 300))


def test_bag_of_words_has_an_accuracy_and_no_state():
    bag = BagOfWords(np.array([0, 0, 1.0, -1.0]), 0.0, Vocabulary((PAD, UNKNOWN, "good", "bad")))
    made = report.analyse(
        bag, Reviews("mine", "all", ("good good", "bad", "bad good bad") * 10, np.array([1, 0, 0] * 10))
    )
    assert made.verdicts == {"not measured": len(report.CLAIMS)}
    assert "not a recurrent network" in made.claim("curve").found
    assert any("Accuracy 100.0" in i for i in made.sections[0].items if isinstance(i, str))


def test_one_class_no_label_and_labels_that_do_not_fit():
    bag = BagOfWords(np.array([0, 0, 1.0, -1.0]), 0.0, Vocabulary((PAD, UNKNOWN, "good", "bad")))
    assert "needs both classes" in missing(report.analyse(bag, reviews_of(bag, labels=1)))
    assert "has a label" in missing(report.analyse(bag, reviews_of(bag, labels=-1)))
    assert "labels run from 4 to 4" in missing(report.analyse(bag, reviews_of(bag, labels=4)))


def test_more_classes_foreign_words_and_few_reviews():
    model = small_network("gru")
    more = replace(model, w=np.random.default_rng(0).standard_normal((7, 3)), b=np.zeros(3))
    made = report.analyse(more, reviews_of(more))
    assert "3 classes" in made.claim("curve").found
    assert made.claim("dimensions").verdict != "not measured"
    foreign = Reviews("mine", "all", ("sehr gut gemacht",) * 20, np.zeros(20, int))
    assert "knows only 0" in missing(report.analyse(model, foreign))
    assert "too few" in missing(report.analyse(model, reviews_of(model, n=4)))


def test_a_vocabulary_without_the_phrases_words():
    model = built_network()
    renamed = Vocabulary((PAD, UNKNOWN, *(f"w{i}$x$" for i in range(len(model.vocabulary) - 2))))
    model = replace(model, vocabulary=renamed)
    ids = np.random.default_rng(3).integers(2, len(renamed), (30, 60))
    work = report._Work(model, Reviews("mine", "all", ("w",) * 30, np.zeros(30, int)), 0)
    work.ids = list(ids)
    work.found = {"point": linear.operating_point(built_network(), texts=made_up(built_network(), 20).review)}
    for stage in report.STAGES:
        if stage.key in ("words", "sorting", "modifiers", "ranking", "barcodes", "subspace", "abolition"):
            report._run(stage, work)
    assert "contrast phrases" in work.claims["abolition"].found
    assert "yardstick" in work.claims["sorting"].found
    assert "grammar" in work.claims["ranking"].found
    assert work.claims["subspace"].verdict in report.VERDICTS.values()


# --- errors, and the file ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"--model": "no/such/folder"}, "no/such/folder does not exist"),
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
    options = {"--model": str(files / "net"), "--data": str(files / "mine.csv"), "--text": "review", "--label": "stars"}
    assert main(["report", *(v for pair in (options | change).items() for v in pair), "--quiet"]) == 1
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


def test_damaged_model_leaves_the_old_report(files, tmp_path, capsys):
    broken = tmp_path / "net"
    with save(built_network(), broken).open("r+b") as stream:
        stream.seek(-9, 2)
        stream.write(b"xxxx")
    (tmp_path / "r.html").write_text("old")
    assert main(["report", "--model", str(broken), "--out", str(tmp_path / "r.html"), "--quiet"]) == 1
    assert "damaged" in capsys.readouterr().err
    nan = replace(built_network(), w=np.full(N, np.nan))
    with pytest.raises(ValueError, match="no finite logit"):
        report.write(nan, reviews_of(nan), tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text() == "old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.safetensors", "r.html"]


@pytest.mark.slow
def test_shipped_network_on_the_embedded_reviews(tmp_path):
    assert main(["report", "--out", str(tmp_path / "r.html"), "--quiet"]) == 0
    made = Page((tmp_path / "r.html").read_text(encoding="utf-8"))
    verdict = {k.removeprefix("claim-"): v[-1] for k, v in made.rows.items()}
    assert "not measured" not in verdict.values()
    for key in ("dimensions", "curve", "directions", "sorting", "intensifiers", "abolition", "beginning"):
        assert verdict[key] == "holds", key
    assert len(made.of("img")) >= 9
