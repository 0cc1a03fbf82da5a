"""How soon a widget answers: milliseconds from a change to its frame, in Python and in the page (headless Chromium).

    python benchmarks/widgets.py [--rounds 5]

The shipped GRU, a sentence of 20 tokens, a review of 100; subspaces are random ones of 5 dimensions, which cost the
same. The page draws too. The target is 100 ms (for ``where_it_stands``: to the first of its pictures).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from rnnrev import linear, widgets, zoo
from rnnrev.book import assets
from rnnrev.book import widgets as own
from rnnrev.model import SentimentRNN
from rnnrev.modifiers import Probes
from rnnrev.perturb import Lab
from rnnrev.subspace import random_subspace

SENTENCE = "The movie was not very good but the music was really great and we liked the actors a lot ."
CHANGES: dict[str, tuple[str, list[Any]]] = {
    "sentiment_trace": ("text", [f"{start} {SENTENCE}" for start in ("Well .", "So .", "Now .", "And .", "But .")]),
    "modifier_lab": ("gain", [0.1, 0.7, 1.4, 2.1, 2.8]),
    "where_it_stands": ("phrase", ["awful", "good", "not good", "great", "very bad"]),
    "flow_2d": ("start", [[x, 0.5] for x in (0.1, 0.2, 0.3, 0.4, 0.5)]),
}
TIME = """async ([kind, name, value]) => {
  const model = document.querySelector(`[data-widget=${kind}]`).rnnrev;
  await model.prepare();
  let first = null;
  const start = performance.now();
  const seen = () => (first ??= performance.now() - start);
  model.on('change:frame', seen);
  model.set(name, value);
  model.save_changes();
  await model.settled;
  model.off('change:frame', seen);
  return [first, performance.now() - start];
}"""


def make() -> dict[str, widgets.Widget]:
    model = zoo.load("gru-imdb", SentimentRNN)
    point = linear.operating_point(model, n_tokens=200, texts=[SENTENCE, "A dull , bad film . " * 3])
    spaces = {name: random_subspace(point, 5, seed) for seed, name in enumerate(("modifiers", "random directions"))}
    nothing = np.zeros((0, 5))
    lab = Lab(spaces, 3, (), (), nothing, Probes((), np.zeros(0, int), np.zeros(0)), nothing)
    made = [
        widgets.sentiment_trace(model, text=SENTENCE), widgets.modifier_lab(point, lab, SENTENCE),
        widgets.where_it_stands(point, SENTENCE * 5), own.flow_2d(),
    ]  # fmt: skip
    return {w.kind: w for w in made}


def in_page(made: dict[str, widgets.Widget], rounds: int) -> dict[str, list[list[float]]]:
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        assets.write_assets(Path(folder) / "widgets")
        head = '<link rel="stylesheet" href="widgets/widgets.css"><script defer src="widgets/widgets.js"></script>'
        body = "".join(w.html() for w in made.values())
        (Path(folder) / "index.html").write_text(f'<!doctype html><meta charset="utf-8">{head}{body}')
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        page.goto((Path(folder) / "index.html").as_uri())
        found = {
            kind: [page.evaluate(TIME, [kind, name, value]) for value in values[:rounds]]
            for kind, (name, values) in CHANGES.items()
        }
        browser.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, choices=range(1, 6))
    args = parser.parse_args()
    made = make()
    page = in_page(made, args.rounds)
    print(f"{'median ms':18}{'Python':>9}{'page, first':>13}{'page, all':>11}")
    for kind, (name, values) in CHANGES.items():
        spent = []
        for value in values[: args.rounds]:
            start = time.perf_counter()
            setattr(made[kind], name, value)
            spent.append(1000 * (time.perf_counter() - start))
        first, whole = np.median(page[kind], 0)
        print(f"{kind:18}{np.median(spent):9.1f}{first:13.1f}{whole:11.1f}")


if __name__ == "__main__":
    main()
