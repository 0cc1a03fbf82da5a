"""The networks of "A language of twelve words", trained, and what is claimed of them: rnnrev/records/toy.csv.

    python scripts/toy.py                train what is not there yet, then measure all of it
    python scripts/toy.py --measure      measure what is there; --train: train what is not; --only some of them

Networks that the book ships go to rnnrev/networks/toy, those with another reach to --out. A network is kept as soon as
it is trained, so that a run can be stopped and goes on. Some minutes a network on a quiet core.
"""

from __future__ import annotations

import argparse
import os
import shutil
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
from provenance import add, write_table
from scipy.linalg import subspace_angles

from rnnrev import balanced
from rnnrev.book import inside, toy, trainer
from rnnrev.book.assets import script
from rnnrev.book.language import TWELVE_WORDS, Language
from rnnrev.files import digest
from rnnrev.linear import NoSlowMode, OperatingPoint
from rnnrev.measure import COLUMNS
from rnnrev.model import SentimentRNN
from rnnrev.widgets.base import css

SEEDS = (0, 1, 2)
SIZES = {"gru": (100, 32), "ugrnn": (32,), "lstm": (32,), "vanilla": (32,)}
REACHES = (2, 6, 8)
PAPER_L2 = 5e-5  #: the weight decay of the authors, 1e-4·θ in the gradient
PHRASES = (
    "good", "very good", "not good", "not a a bad", "not very good", "not not good", "not a not good", "very very good",
    "very not good", "not a a a good",
)  # fmt: skip
Row = dict[str, Any]


def plan(out: Path) -> list[tuple[Path, partial[SentimentRNN]]]:
    """Every network: its file and how it is trained, the most important first."""
    files: list[tuple[Path, partial[SentimentRNN]]] = []
    for seed in SEEDS:
        for kind, sizes in SIZES.items():
            for n in sizes:  # all are measured; what only the record needs is not shipped, to stay under 300 kB
                folder = toy.FOLDER if seed == 0 or n == 100 else out
                files.append((folder / f"{kind}-{n}-{seed}", partial(toy.learn, kind, n, seed)))
        for kind in SIZES:
            folder = toy.FOLDER if kind == "gru" else out
            files.append((folder / f"{kind}-32-quick-{seed}", partial(toy.quick, kind, seed)))
        for reach in REACHES:
            learn = partial(toy.learn, n_units=32, seed=seed, language=toy.with_reach(reach))
            files.append((out / f"gru-32-{seed}-reach{reach}", learn))
        files.append((out / f"gru-32-l2-{seed}", partial(toy.learn, n_units=32, seed=seed, l2=PAPER_L2)))
    two = partial(toy.learn, "ugrnn", 2, language=inside.FIVE_WORDS, steps=6000, batch=32, rate=0.03, noise=0.0, l2=0.0)
    files += [(toy.FOLDER / f"ugrnn-2-{seed}", partial(two, seed=seed)) for seed in (*SEEDS, 3)]
    return [(file.with_name(file.name + ".safetensors"), learn) for file, learn in files]


# --- measuring ------------------------------------------------------------------------------------


def row(measure: str, value: float, condition: str = "", at: float = np.nan, note: str = "", n: float = np.nan) -> Row:
    return {"measure": measure, "condition": condition, "at": at, "value": float(value), "n": n, "note": note}


def measured(model: SentimentRNN, language: Language) -> Iterator[Row]:
    """The rows of one network."""
    error = toy.squared_error(model, language)
    yield row("squared_error", error, n=1000)
    yield row("learned", float(error <= toy.LIMIT))
    yield row("seconds", model.record.get("seconds", np.nan))
    yield row("steps", model.record["curve"][-1][0])
    if language is TWELVE_WORDS:
        for text in PHRASES:
            words = text.split()
            said = inside.phrase(model, words)
            yield row("phrase", said.mean(), text, n=len(said))
            yield row("phrase_spread", said.std(), text, n=len(said))
            yield row("phrase_truth", language.explain(text)["sum"].iloc[-1], text)
    if language is inside.FIVE_WORDS:
        for text in ("good", "not good", "very good"):
            yield row("phrase", model.trace(text).logits[-1] - model.trace("the").logits[-1], text, n=1)
    yield from at_rest(model, language)


def at_rest(model: SentimentRNN, language: Language) -> Iterator[Row]:
    """What is found at x* = 0."""
    points = inside.fixed_points(model, language)
    outputs = model.readout(points.h_star)
    h = points.h_star - points.h_star.mean(0)
    size = np.linalg.svd(h, compute_uv=False) ** 2
    yield row("fixed_points", len(points), n=points.n_starts)
    yield row("median_speed", float(np.median(points.q)))
    yield row("line_share", size[0] / size.sum())
    yield row("line_low", outputs.min())
    yield row("line_high", outputs.max())
    try:
        point = inside.point_at(model, points)
    except NoSlowMode as error:
        yield row("integrator", np.nan, note=str(error))
        return
    if language is not inside.FIVE_WORDS:
        yield from at_point(point, language)
        yield from in_balance(model, point, language)


def at_point(point: OperatingPoint, language: Language) -> Iterator[Row]:
    """What the modes at x* = 0 say."""
    eigvals = point.modes.eigvals
    yield row("integrator", eigvals[point.slow].real, "eigenvalue")
    w = point.model.w / np.linalg.norm(point.model.w)
    yield row("integrator", abs(w @ point.r), "cosine with the readout")
    yield row("modes_over", (np.abs(eigvals) > 0.5).sum(), "0.5")
    for word in ("not", "very"):
        found = inside.carrier(point, word, language)
        best = found.groups[found.best]
        value = eigvals[best[0]]
        others = np.delete(found.undone, [found.best, next(i for i, g in enumerate(found.groups) if point.slow in g)])
        yield row("carrier", float(len(best) == 2), f"{word}: a pair")
        yield row("carrier", abs(value), f"{word}: size")
        if len(best) == 2:
            yield row("carrier", 2 * np.pi / abs(np.angle(value)), f"{word}: period")
        yield row("undone", found.undone[found.best], f"{word}: carrier")
        yield row("undone", others.max(), f"{word}: next mode")
        yield row("undone", found.others, f"{word}: all others")
        yield row("angle", found.angle[found.best], f"{word}: carrier")
        yield row("angle", np.median(found.angle), f"{word}: median mode")
        yield row("angle_rank", 1 + (found.angle < found.angle[found.best] - 1e-9).sum(), word)
        yield row("dimensions", inside.dimensions(point, found, language), word)
    if language is TWELVE_WORDS:
        for name, removed in inside.undo(point).items():
            yield row("undo", removed, name)
        contexts = {"a": ["a"], "very": ["very"], "not": ["not"], "not a a a": ["not", "a", "a", "a"]}
        states = np.array([inside.after(point, words)[-1] for words in contexts.values()])
        for name, speed in zip(contexts, np.linalg.norm(point.mean_map(states) - states, axis=1)):
            yield row("speed", speed, f"after {name}")
        words = language.words[: language.n_valence]
        first, full = (inside.added(point, states, words, jacobian=j).ravel() for j in (True, False))
        yield row("jacobian", np.corrcoef(first, full)[0, 1], "correlation", n=first.size)
        yield row("jacobian", first @ full / (first @ first), "slope", n=first.size)
    for lag in range(1, 13):
        h = inside.after(point, ["not", *[inside.FILLER] * (lag - 1)])
        yield row("factor", float(inside.factor(point, h[-1], language)), "network", at=lag)
        d = h[1] - point.h_star
        moved = point.modes.R @ (point.modes.eigvals ** (lag - 1) * (point.modes.L @ d))
        yield row("factor", float(inside.factor(point, point.h_star + moved.real, language)), "modes", at=lag)


def in_balance(model: SentimentRNN, point: OperatingPoint, language: Language) -> Iterator[Row]:
    """Balanced modes: how many, and whether they name the same things."""
    ids = inside.texts(language, 120, toy.TEST_SEED + 3)
    model = model.astype(np.float64)
    modes = balanced.balance(model, ids[:60], 12)
    whole = np.concatenate([model.logits_along(i) for i in ids[60:]])
    needed = np.nan
    for k in range(1, 13):
        small = modes.reduce(model, k)
        share = balanced.explained(whole, np.concatenate([small.logits_along(i) for i in ids[60:]]))
        yield row("balanced", share, "explained", at=k, n=60)
        if np.isnan(needed) and share >= 0.99:
            needed = k
    yield row("balanced_needed", needed, note="" if needed == needed else "more than 12")
    for k in range(1, 7):
        yield row("balanced", modes.hankel[k - 1] / modes.hankel.sum(), "share", at=k)
    for word in ("not", "very"):
        after = inside.follow_ups(language, word)
        d = inside.after(point, [word])[-1] - point.h_star
        effect = inside.effects(point, point.h_star + d, after)
        for k in range(1, 7):
            removed = modes.Phi[:, k - 1] * (modes.Psi[:, k - 1] @ d)
            left = inside.effects(point, point.h_star + d - removed, after)
            yield row("balanced_undone", 1 - left @ effect / (effect @ effect), word, at=k)
    groups = {word: inside.carrier(point, word, language) for word in ("not", "very")}
    places = sorted({point.slow, *(int(i) for c in groups.values() for i in c.groups[c.best])})
    left = np.concatenate([np.stack([point.modes.L[i].real, point.modes.L[i].imag]) for i in places])
    left = np.linalg.svd(left)[2][: len(places)].T
    k = left.shape[1]
    cosine = np.cos(subspace_angles(left, modes.Psi[:, :k])) ** 2
    yield row("balanced_overlap", cosine.mean(), "left vectors of the carriers", n=k)
    yield row("balanced_overlap", k / len(left), "by chance", n=k)


def thread_time(tools: Any) -> float:
    """Seconds that the page's thread has computed so far."""
    return next(m["value"] for m in tools.send("Performance.getMetrics")["metrics"] if m["name"] == "ThreadTime")


#: Slower by, and width of the screen in pixels: a phone is Chromium's throttle at a quarter of the speed.
DEVICES = {"laptop": (1, 1280), "phone": (4, 390)}


def in_the_page(kind: str, device: str) -> Iterator[Row]:
    """What the widget's own training takes: seconds that the page's thread computes, pictures included, and its error.

    Thread time is measured, not the clock: on a quiet machine they are the same, for the page does nothing else.
    """
    from playwright.sync_api import sync_playwright

    slower, width = DEVICES[device]
    head = f"<!doctype html><meta charset=utf-8><style>{css()}</style>"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 844})
        page.set_default_timeout(1_800_000)
        page.set_content(f"{head}{trainer.toy_trainer().html()}<script>{script()}</script>")
        page.get_by_label(kind.upper(), exact=True).check()
        tools = page.context.new_cdp_session(page)
        tools.send("Performance.enable")
        tools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
        began = thread_time(tools)
        page.get_by_role("button", name="Train", exact=True).click()
        page.wait_for_function("document.querySelector('[aria-pressed]').textContent === 'Train'", polling=500)
        seconds = thread_time(tools) - began
        curve = page.locator(".rw-loss").get_attribute("aria-label") or ""
        browser.close()
    named = {"network": f"{kind}-20-1", "data": "in the page"}
    yield row("seconds", seconds, device) | named
    yield row("squared_error", float(curve.rstrip(".").split()[-1]), device, n=40) | named


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measure", action="store_true", help="train nothing")
    parser.add_argument("--train", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, default=Path("runs/toy"), help="folder of networks that are not shipped")
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="networks whose names begin so, or page")
    args, began = parser.parse_args(), time.time()
    files = [f for f in plan(args.out) if not args.only or f[0].stem.startswith(tuple(args.only))]
    for file, learn in files:
        if not args.measure and not file.exists():
            print(f"{file.stem} ...", flush=True)
            toy.save(learn(), file)
            error = toy.squared_error(toy.load(file.resolve()), learn.keywords.get("language", TWELVE_WORDS))
            print(f"{file.stem}: {error:.5f}", flush=True)
    if args.train:
        return
    tables = []
    for file, learn in files:
        if not file.exists():
            print(f"{file.stem} is not there")
            continue
        language, model = learn.keywords.get("language", TWELVE_WORDS), toy.load(file.resolve()).astype(np.float64)
        five = language is inside.FIVE_WORDS
        data = "five words" if five else f"twelve words/{language.modifiers[0].reach}"
        network = file.stem.split("-reach")[0]
        rows = pd.DataFrame(measured(inside.centred(model, language), language))
        tables.append(rows.assign(network=network, data=data))
        if file.stem.startswith("gru-100"):  # and at x = 0 as training left it, which is no word
            tables.append(pd.DataFrame(at_rest(model, language)).assign(network=network, data=f"{data} as trained"))
        print(f"{file.stem} measured", flush=True)
    if not args.only or "page" in args.only:
        tables += [pd.DataFrame(in_the_page(kind, device)) for kind in ("gru", "ugrnn") for device in DEVICES]
    table = pd.concat(tables).reindex(columns=list(COLUMNS)).fillna({"condition": "", "note": ""})
    files_there = {f.stem: digest(f)[:16] for f, _ in files if f.exists()}
    took = (time.time() - began) / 60
    if args.only:
        print(add("toy", table, took, files_there))
        return
    about = {
        "seeds": list(SEEDS), "data": {}, "limit": toy.LIMIT, "language": str(TWELVE_WORDS), "networks": files_there,
        "minutes": round(took, 1),
    }  # fmt: skip
    print(f"{len(table):,} rows; written to {write_table('toy', table, about)}")


if __name__ == "__main__":
    main()
