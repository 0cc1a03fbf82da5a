"""The book as files: pages, contents, citations, links, figures and exercises are complete and agree."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml
from matplotlib.mathtext import MathTextParser
from pybtex.database import parse_file

from rnnrev.book import prose

ROOT = Path(__file__).parents[1]
BOOK = ROOT / "book"
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
PAGES = sorted(BOOK.glob("*.md"))
CHAPTERS = [p for p in PAGES if re.match(r"\d\d-|toy-", p.name)]
FENCE = re.compile(r"^(`{3,}|:{3,})\{code-cell\}.*?^\1[ \t]*$", re.MULTILINE | re.DOTALL)

if not PAGES:
    pytest.skip("installed without the book", allow_module_level=True)


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def in_contents() -> set[str]:
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return {contents["root"], *(c["file"] for part in contents["parts"] for c in part["chapters"])}


def code_cells(page: Path) -> list[str]:
    return [m.group(0) for m in FENCE.finditer(text_of(page))]


def source(cell: str) -> str:
    """The Python of a code cell: without its fences, its options and IPython's own lines."""
    body = re.sub(r"\A---\n.*?\n---\n", "", cell.split("\n", 1)[1].rsplit("\n", 1)[0] + "\n", flags=re.DOTALL)
    return "\n".join(line for line in body.splitlines() if not re.match(r"\s*[%!:]", line))


def test_every_page_is_in_the_contents_and_every_entry_exists() -> None:
    assert in_contents() == {f"book/{p.stem}" for p in PAGES}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_page_has_one_title_and_a_description_for_sharing(page: Path) -> None:
    body = re.sub(r"^```.*?^```", "", FENCE.sub("", text_of(page)), flags=re.MULTILINE | re.DOTALL)
    assert len(re.findall(r"^# ", body, re.MULTILINE)) == 1
    front = yaml.safe_load(text_of(page).split("---")[1])
    assert 40 <= len(front["myst"]["html_meta"]["description"]) <= 200


@pytest.mark.parametrize("page", CHAPTERS, ids=lambda p: p.stem)
def test_chapter_has_what_every_chapter_has(page: Path) -> None:
    text = text_of(page)
    for wanted in ("**Reading**", "**Running**", "**Needs**", "you can", "claims(", "## Exercises"):
        assert wanted in text, f"{page.name} lacks {wanted!r}"
    assert re.search(r"^\(ch-[\w-]+\)=$", text, re.MULTILINE), "a chapter has a label ch-…"
    exercises = re.findall(r"\{exercise\}.*?\n:label: ([\w-]+)\n:class: level-([123])", text)
    solved = re.findall(r"\{solution(?:-start)?\} ([\w-]+)", text)
    assert sorted(label for label, _ in exercises) == sorted(solved)
    assert {level for _, level in exercises} == {"1", "2", "3"}, "exercises at three levels"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_figures_have_name_caption_and_alt_text(page: Path) -> None:
    for cell in code_cells(page):
        head = re.match(r"^`{3,}\{code-cell\}.*?\n---\n(.*?)\n---\n", cell, re.DOTALL)
        options = (yaml.safe_load(head.group(1)) if head else {}) or {}
        if re.search(r"^plots\.\w+\(|^\w*plots\.\w+\(", cell, re.MULTILINE):
            shown = options.get("mystnb", {})
            assert {"name", "caption"} <= set(shown.get("figure", {})), (
                f"{page.name}: a figure without a caption:\n{cell}"
            )
            alt = shown.get("image", {}).get("alt", "")
            assert len(alt) >= 40, f"{page.name}: a figure without alt text:\n{cell}"
    for image in re.findall(r"^`{3,}\{(?:image|figure)\}.*?^`{3,}", text_of(page), re.MULTILINE | re.DOTALL):
        assert ":alt:" in image
    assert not re.search(r"!\[\]\(", text_of(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_code_fits_the_page_and_is_for_readers(page: Path) -> None:
    cells = [source(cell).strip().splitlines() for cell in code_cells(page)]
    assert max((len(line) for cell in cells for line in cell), default=0) <= 88
    assert max(map(len, cells), default=0) <= 12


def is_hidden(cell: str) -> bool:
    return bool(re.search(r"tags: .*remove-(cell|input)", cell))


def test_hardly_any_code_is_hidden() -> None:
    """What only names numbers for sentences: more than that is in rnnrev/book/prose.py."""
    hidden = [sum(len(source(c).strip().splitlines()) for c in code_cells(p) if is_hidden(c)) for p in PAGES]
    assert max(hidden) <= 20
    assert sum(hidden) <= 110


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_no_cell_for_readers_needs_one_that_is_removed(page: Path) -> None:
    """Notebooks hold only the former, and run from top to bottom."""
    removed: set[str] = set()
    made: set[str] = set()
    for cell in code_cells(page):
        tree = ast.parse(source(cell))
        names = [n for n in ast.walk(tree) if isinstance(n, ast.Name)]
        stored = {n.id for n in names if isinstance(n.ctx, ast.Store)}
        stored |= {(n.asname or n.name) for n in ast.walk(tree) if isinstance(n, ast.alias)}
        if is_hidden(cell):
            removed |= stored
        else:
            made |= stored
            needed = {n.id for n in names} & removed - made
            assert not needed, f"{page.name}: {sorted(needed)} in\n{cell}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.stem)
def test_glued_names_are_made_on_the_page(page: Path) -> None:
    used = set(re.findall(r"\{glue:text\}`([^`:]+)", text_of(page)))
    patterns = [p for cell in code_cells(page) for p in glued(source(cell))]
    missing = {name for name in used if not any(re.fullmatch(p, name) for p in patterns)}
    assert not missing


def glued(code: str) -> Iterator[str]:
    """Patterns of the names that code makes, by ``glue`` or a function of prose: those of a loop may be anything."""
    for call in ast.walk(ast.parse(code)):
        if isinstance(call, ast.Call):
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            if ast.unparse(call.func).startswith("book.prose."):
                yield from glued(inspect.getsource(getattr(prose, name)))
            elif name == "glue":
                yield from named(call)


def named(call: ast.Call) -> list[str]:
    prefix = call.args[0]
    parts = prefix.values if isinstance(prefix, ast.JoinedStr) else [prefix]
    fixed = "".join(re.escape(str(v.value)) if isinstance(v, ast.Constant) else ".+" for v in parts)
    # a result names its fields too
    return [f"{fixed}-{(k.arg or '.+').replace('_', '-')}(-.+)?" for k in call.keywords]


def test_claims_of_every_chapter_are_collected() -> None:
    made = {f"claims-{number}" for p in CHAPTERS for number in re.findall(r"\bclaims\((\d+)\)", text_of(p))}
    assert set(re.findall(r"\{glue:any\} ([\w-]+)", text_of(BOOK / "claims.md"))) == made
    assert len(made) == len(CHAPTERS)


def test_citations_exist() -> None:
    keys = set(parse_file(str(BOOK / "references.bib")).entries)
    for page in PAGES:
        cited = {k.strip() for c in re.findall(r"\{cite:\w+\}`([^`]+)`", text_of(page)) for k in c.split(",")}
        assert cited <= keys, f"{page.name} cites {sorted(cited - keys)}"


def test_links_between_pages_exist() -> None:
    text = "\n".join(map(text_of, PAGES))
    labels = set(re.findall(r"^(?:\(|\s+name: |:label: )([\w-]+)\)?=?$", text, re.MULTILINE))
    for page in PAGES:
        targets = re.findall(r"\{(?:num)?ref\}`(?:[^`<]*<)?([\w-]+)>?`", text_of(page))
        assert set(targets) <= labels, f"{page.name} links to {set(targets) - labels}"


def test_every_module_has_its_reference_and_links_back() -> None:
    modules = {
        ".".join(p.relative_to(ROOT).with_suffix("").parts)
        for p in (ROOT / "rnnrev").rglob("*.py")
        if not p.name.startswith("_")
    }
    pages = {page.stem: text_of(page) for page in (BOOK / "api").glob("*.md")}
    documented = {m for text in pages.values() for m in re.findall(r"automodule:: (\S+)", text)}
    assert modules <= documented, f"book/api lacks {sorted(modules - documented)}"
    assert documented == {f"rnnrev.{name}" for name in pages}
    listed = set(re.findall(r"^   (rnnrev\S+)", text_of(BOOK / "api.md"), re.MULTILINE))
    assert documented == listed, f"api.md does not list, or lists besides: {sorted(documented ^ listed)}"


def test_every_formula_can_be_drawn_for_the_epub() -> None:
    import book_epub

    parser = MathTextParser("path")
    text = "\n".join(FENCE.sub("", text_of(page)) for page in PAGES)
    found = re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL) + re.findall(r"```\{math\}.*?\n\n?(.*?)```", text, re.DOTALL)
    found += re.findall(r"(?<!\$)\$([^$\n]+?)\$(?!\$)", text)
    assert len(found) > 200
    for line in {line for tex in found for line in book_epub.lines(re.sub(r"^:.*$", "", tex, flags=re.MULTILINE))}:
        parser.parse(f"${line}$")  # raises where matplotlib does not know a command


def test_nothing_is_loaded_from_another_host() -> None:
    sphinx = CONFIG["sphinx"]["config"]
    assert sphinx["html_math_renderer"] == "katex"
    assert (BOOK / "_static" / sphinx["katex_css_path"]).is_file()
    assert sphinx["nb_ipywidgets_js"] == {}
    for key in ("html_css_files", "html_js_files"):
        assert not re.search(r"https?:", str(sphinx.get(key, "")))
    for style in BOOK.glob("_static/**/*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?(https?:)?//", style.read_text(encoding="utf-8"))


def test_mathematics_style_fits_its_script() -> None:
    katex = pytest.importorskip("sphinxcontrib.katex")
    style = (BOOK / "_static/katex/katex.min.css").read_text(encoding="utf-8")
    assert f'content:"{katex.katex_version}"' in style, "vendor the style sheet of the extension's KaTeX version"
    for font in set(re.findall(r"url\((fonts/[^)]+\.woff2)\)", style)):
        assert (BOOK / "_static/katex" / font).is_file()


def pinned(lines: list[str]) -> dict[str, str]:
    found = (re.match(r"([A-Za-z0-9._-]+)==([^\s;]+)", line.strip().removeprefix("- ")) for line in lines)
    return {re.sub(r"[-_.]+", "-", m[1]).lower(): m[2] for m in found if m}


def test_conda_environment_agrees_with_the_lock_file() -> None:
    lock = pinned((ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines())
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    from_pip = [line for d in conda if isinstance(d, dict) for line in d["pip"]]
    from_conda = [re.sub(r"^([\w.-]+)=+", r"\1==", d) for d in conda if isinstance(d, str)]
    versions = pinned(from_pip + from_conda)
    differing = {n: (v, lock.get(n)) for n, v in versions.items() if n not in ("python", "pip") and lock.get(n) != v}
    assert not differing
    follows = any("requirements.lock" in line for line in from_pip)
    assert follows or len(versions) > 1, "environment.yml pins nothing"


def test_no_review_of_a_data_set_and_no_private_path_is_in_the_book() -> None:
    for page in [*PAGES, *BOOK.rglob("*.py"), *BOOK.rglob("*.css")]:
        assert not re.search(r"/(work|root|tmp|home)/", page.read_text(encoding="utf-8")), page


def solution_phrases(page: Path) -> set[str]:
    """Runs of eight words that stand in a solution and nowhere else on the page."""
    fence = r"^(`{3,})\{solution"
    inside = re.compile(
        rf"{fence}-start\}} (?:.*?)\{{solution-end\}}|{fence}\}} (?:.*?)^\2[ \t]*$", re.MULTILINE | re.DOTALL
    )
    rest = plain(inside.sub("", text_of(page)))
    found = set()
    for solution in inside.finditer(text_of(page)):
        words = plain(re.sub(r"^.*\n.*\n", "", solution[0])).split()
        runs = (" ".join(words[i : i + 8]) for i in range(0, max(len(words) - 7, 1), 4))
        found |= {run for run in runs if run not in rest}
    return found


def plain(text: str) -> str:
    return re.sub(r"\W+", " ", text)


@pytest.mark.slow
def test_students_book_holds_no_solution_and_every_exercise() -> None:
    built = ROOT / "_build/student"
    if not (built / "html").is_dir():
        pytest.skip("needs `make student`")
    kinds = {".html", ".md", ".ipynb", ".js", ".json", ".txt"}
    texts = {f: f.read_text(encoding="utf-8") for f in built.rglob("*") if f.suffix in kinds}
    seen = {f: plain(unescape(re.sub(r"<[^>]+>", "", t)).replace("\\n", " ")) for f, t in texts.items()}
    for page in CHAPTERS:
        phrases = solution_phrases(page)
        assert not [(run, str(f)) for f, text in seen.items() for run in phrases if run in text]
        exercises = re.findall(r"\{exercise\}\n:label: ([\w-]+)", text_of(page))
        for label in exercises:
            assert f'id="{label}"' in texts[built / f"html/book/{page.stem}.html"]
            assert label in texts[built / f"notebooks/{page.stem}.ipynb"]
        assert "{solution" not in texts[built / f"notebooks/{page.stem}.ipynb"]


def test_figures_become_slides() -> None:
    from book_slides import slides_of as make

    body = (
        '<h2><span class="section-number">1.2. </span>One &amp; two<a class="headerlink" href="#a">#</a></h2>'
        '<figure id="f"><img alt="what it shows" src="../_images/f.png"><figcaption><p>See <a href="#b">b</a>, '
        '<a href="02-x.html#c">c</a> <a href="https://a.org">d</a></p></figcaption></figure><h3>Next</h3>'
        "<figure><img alt='' src='g.png'></figure>"
    )
    page = make("book/01-training", "Title", "About", body)
    assert page.count('<section class="slide">') == 2
    assert "<h2>One &amp; two</h2>" in page
    assert "<h2>Next</h2>" in page
    assert 'alt="what it shows" src="../_images/f.png"' in page
    for link in ("../book/01-training.html#b", "../book/02-x.html#c", "https://a.org"):
        assert f'href="{link}"' in page
    assert not re.search(r"(src|href)=\"https?:", page.replace("https://a.org", "").replace('href=""', ""))
    assert make("book/01-training", "Title", "About", "<h2>No figure</h2>") == ""


@pytest.mark.parametrize("address", ["", "https://github.com/someone/somewhere"])
def test_what_leads_to_the_repository_follows_its_address(address: str) -> None:
    import book_site as site

    hosts = {"colab_url": "https://colab", "binderhub_url": "https://binder"}
    options = {"repository_url": address, "launch_buttons": hosts}
    app = SimpleNamespace(srcdir=ROOT, config=SimpleNamespace(html_theme_options=options, html_title=""))
    site.buttons(app, app.config)
    options = app.config.html_theme_options
    assert {on for name, on in options.items() if name.startswith("use_")} == {bool(address)}
    assert options["launch_buttons"] == (hosts if address else {})
    cited = ["\nCITATION\n"]
    site.cite(app, "book/index", cited)
    assert ("url    = {" + address + "}" in cited[0]) == ("url" in cited[0]) == bool(address)
    if address:
        launch = [{"text": "Colab"}, {"text": "Binder"}]
        site.improve_page(app, "book/a", "", {"script_files": [], "header_buttons": [{"buttons": launch}]}, None)
        assert [button["url"] for button in launch] == [
            "https://colab/github/someone/somewhere/blob/gh-pages/_sources/book/a.ipynb",
            "https://binder/v2/gh/someone/somewhere/gh-pages?urlpath=lab/tree/_sources/book/a.ipynb",
        ]


def test_solutions_can_be_left_out() -> None:
    from book_site import without_solutions

    for page in CHAPTERS:
        text, left = text_of(page), without_solutions(text_of(page))
        assert "{solution" in text
        assert "solution" not in re.sub(r"(?m)^#.*$", "", left).lower()
        kept = re.findall(r"^:label: ([\w-]+)$", text, re.MULTILINE)
        assert re.findall(r"^:label: ([\w-]+)$", left, re.MULTILINE) == kept
        assert left.count("{code-cell}") + 3 >= text.count("{code-cell}"), "more than the solutions went"
        assert left.rstrip().endswith(text.rstrip()[-60:]), "the end of the page went too"


def test_records_name_no_place_on_somebodys_machine() -> None:
    records = [f for f in (ROOT / "rnnrev/records").iterdir() if f.suffix in (".json", ".csv")]
    assert records
    for file in records:
        found = re.findall(r'"(?:/|[A-Za-z]:\\|~)[^"/\s]+[/\\][^"]*"', text_of(file))
        assert not found, f"{file.name} names {found[:3]}: give paths from the repository's root"
