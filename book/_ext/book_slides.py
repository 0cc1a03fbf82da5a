"""Each chapter's figures as slides: a page of their own, ``slides/01-training.html``, for arrow keys and for print.

A page is made whenever its chapter is written, from the chapter's HTML, and needs nothing but the chapter's images (and
KaTeX, where a caption has a formula), so it also works when it is opened from the disk.
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path, PurePosixPath
from string import Template
from typing import Any

from sphinx.application import Sphinx

PARTS = re.compile(r"<h([23])>(?P<heading>.*?)</h\1>|(?P<figure><figure.*?</figure>)", re.DOTALL)
MATH = """\
<link rel="stylesheet" href="../_static/katex/katex.min.css">
<script defer src="../_static/katex.min.js"></script>
<script defer src="../_static/auto-render.min.js"></script>
<script defer src="../_static/katex_autorenderer.js"></script>
"""
SLIDE = '<section class="slide">\n<h2>{heading}</h2>\n{figure}\n</section>\n'
PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Slides: $title</title>
<link rel="icon" href="../_static/logo.svg">
$math<style>
:root { color-scheme: light dark; --text: #1a1a1a; --back: #fff; --line: #767676; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e6e6e6; --back: #121212; }
  figure img { filter: invert(0.92) hue-rotate(180deg); }
}
* { box-sizing: border-box; }
body { margin: 0; color: var(--text); background: var(--back); font: 1rem/1.4 system-ui, sans-serif; }
a { color: inherit; }
.slide { display: flex; flex-direction: column; min-height: calc(100vh - 3.5rem); padding: 1rem 4vw; gap: 0.75rem; }
.slide[hidden] { display: none; }
h1, h2 { margin: 0; font-weight: 600; line-height: 1.2; }
h1 { font-size: clamp(1.8rem, 5vw, 3.5rem); margin-top: auto; }
.first p { font-size: clamp(1.1rem, 2.2vw, 1.6rem); max-width: 40em; margin: 0; }
.first p:last-child { margin-bottom: auto; font-size: 1rem; }
h2 { font-size: clamp(1.1rem, 2.4vw, 1.8rem); }
figure { margin: 0; flex: 1; display: flex; flex-direction: column; gap: 0.75rem; min-height: 0; }
figure img { flex: 1; width: 100%; min-height: 0; max-height: 68vh; object-fit: contain; }
figcaption p { margin: 0 auto; max-width: 70em; font-size: clamp(0.95rem, 1.4vw, 1.4rem); }
.caption-number { font-weight: 600; }
nav { position: sticky; bottom: 0; display: flex; gap: 1rem; align-items: center; justify-content: center;
  height: 3.5rem; background: var(--back); border-top: 1px solid var(--line); }
nav[hidden] { display: none; }
button { font: inherit; min-width: 5.5rem; min-height: 2.5rem; color: inherit; background: none;
  border: 1px solid var(--line); border-radius: 4px; cursor: pointer; }
button:disabled { opacity: 0.4; cursor: default; }
:focus-visible { outline: 3px solid #0072b2; outline-offset: 2px; }
@media print {
  @page { size: landscape; margin: 12mm; }
  :root { --text: #000; --back: #fff; }
  nav { display: none; }
  figure img { filter: none; max-height: 125mm; }
  .slide, .slide[hidden] { display: flex; min-height: 0; height: 170mm; break-after: page;
    break-inside: avoid; padding: 0; }
  .slide:last-of-type { break-after: auto; }
}
</style>
</head>
<body>
<main>
<section class="slide first">
<h1>$title</h1>
<p>$description</p>
<p>$n figures · <a href="../$page.html">the chapter</a> · arrow keys turn the slides, printing gives one a page</p>
</section>
$slides</main>
<nav aria-label="Slides" hidden>
<button type="button" data-by="-1">Back</button>
<span role="status"></span>
<button type="button" data-by="1">Next</button>
</nav>
<script>
const slides = [...document.querySelectorAll(".slide")], nav = document.querySelector("nav");
const [back, next] = nav.querySelectorAll("button"), place = nav.querySelector("[role=status]");
const at = () => Math.min(Math.max(parseInt(location.hash.slice(1)) || 1, 1), slides.length);
const go = (n) => { if (n >= 1 && n <= slides.length) location.hash = n; };
function show() {
  const n = at();
  slides.forEach((slide, i) => { slide.hidden = i !== n - 1; });
  back.disabled = n === 1;
  next.disabled = n === slides.length;
  place.textContent = n + " of " + slides.length;
  scrollTo(0, 0);
}
const moves = { ArrowRight: 1, PageDown: 1, " ": 1, ArrowLeft: -1, PageUp: -1, Home: -1e9, End: 1e9 };
addEventListener("keydown", (event) => {
  const by = moves[event.key], onControl = event.key === " " && event.target.closest("button, a");
  if (!by || onControl || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  go(Math.min(Math.max(at() + by, 1), slides.length));
});
for (const button of [back, next]) button.addEventListener("click", () => go(at() + Number(button.dataset.by)));
addEventListener("hashchange", show);
nav.hidden = false;
show();
</script>
</body>
</html>
""")


def slides_of(page: str, title: str, description: str, body: str) -> str:
    """A chapter's figures as a page of slides, each under its section's heading; empty if it has no figures.

    ``page`` is the chapter, ``book/01-training``; ``title``, ``description`` and ``body`` are HTML.
    """
    heading, slides = title, []
    for part in PARTS.finditer(re.sub(r'<a class="headerlink".*?</a>', "", body, flags=re.DOTALL)):
        if part["figure"]:
            slides.append(SLIDE.format(heading=heading, figure=_from_slides(page, part["figure"])))
        else:
            heading = re.sub(r'<span class="section-number">.*?</span>', "", part["heading"])
    if not slides:
        return ""
    made = "".join(slides)
    math = MATH if 'class="math' in made + title else ""
    return PAGE.substitute(title=title, description=description, page=page, n=len(slides), slides=made, math=math)


def _from_slides(page: str, figure: str) -> str:
    """A figure with its links (not its images, which lie as deep) made to go out from the slides' folder."""
    folder = PurePosixPath(page).parent

    def link(match: re.Match[str]) -> str:
        return f'href="../{page}.html{match[1]}"' if match[1].startswith("#") else f'href="../{folder}/{match[1]}"'

    return re.sub(r'href="(?!https?:|mailto:)([^"]+)"', link, figure)


def make_slides(app: Sphinx, pagename: str, templatename: str, context: dict[str, Any], doctree: Any) -> None:
    body = context.get("body", "")
    facts = re.search(r'<div class="chapter-facts.*?(?=</p>)', body, re.DOTALL)
    if doctree is None or facts is None:
        return
    described = re.search(r'<meta content="([^"]*)" name="description"', context.get("metatags", ""))
    title = re.sub(r'<span class="section-number">.*?</span>', "", context["title"])
    made = slides_of(pagename, title, unescape(described[1]) if described else "", body)
    if made:
        file = Path(app.outdir, "slides", PurePosixPath(pagename).name).with_suffix(".html")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(made, encoding="utf-8")
        where = "../" * pagename.count("/") + f"slides/{file.name}"
        context["body"] = body.replace(facts[0], f'{facts[0]} · <a href="{where}">Slides</a> of its figures', 1)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("html-page-context", make_slides, priority=950)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
