"""The sweeps of the book that train networks, and the records that chapters 8 and 9 read.

    python scripts/sweeps.py language            the known language: four architectures, three seeds (chapter 8)
    python scripts/sweeps.py difficulty | bags | classes | stars
    python scripts/sweeps.py train --data my-reviews.csv --cells gru

It can be stopped at any time, and goes on where it stopped. Trained networks are kept in OUT/models; what is measured
on them is made anew when its code has changed. A record, rnnrev/records/NAME.csv, is written where all cells of the
book were run; OUT/NAME.csv always.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from networks import recurrent
from provenance import Source, networks, write_table
from scipy.stats import spearmanr
from sweep import Cell, Row, grid, minutes, rows_of, sweep

from rnnrev import line_attractor, stats, zoo
from rnnrev.book import recovery
from rnnrev.book.augmented import STEPS, AugmentedConfig, train_augmented
from rnnrev.book.language import Language
from rnnrev.config import TrainConfig
from rnnrev.data import Reviews, load_reviews, split_names
from rnnrev.files import write_npz
from rnnrev.linear import operating_point
from rnnrev.measure import COLUMNS, measure
from rnnrev.model import BagOfWords, SentimentRNN

ARCHITECTURES = ("gru", "lstm", "ugrnn", "vanilla")
SEEDS = (0, 1, 2)

# --- languages ----------------------------------------------------------------------------------


def stretched(language: Language, factor: float) -> Language:
    """All decay times so many times as long."""
    longer = tuple(replace(m, decay=m.decay * factor) for m in language.modifiers)
    return replace(language, modifiers=longer)


def copied(language: Language, n: int) -> Language:
    """So many times as many modifiers, each as much rarer."""
    more = tuple(replace(m, word=f"{m.word}x{i + 1}") for m in language.modifiers for i in range(n))
    return replace(language, modifiers=more, n_decoys=0)


def classed(kind: str, n: int) -> Language:
    """More than two classes, ordered or not."""
    return Language().with_classes(n) if kind == "ordered" else replace(Language(), n_topics=n)


CLASSES = (("ordered", 2), ("ordered", 3), ("ordered", 5), ("unordered", 3), ("unordered", 5))


FEW = 60_000  #: texts that are enough to see what suffers
#: Languages that are harder in one way each: name -> (language, training texts).
HARDER: dict[str, tuple[Language, int]] = {
    "60,000 texts": (Language(), FEW),
    "2,000 texts": (Language(), 2_000),
    "10,000 texts": (Language(), 10_000),
    "noise 1": (replace(Language(), noise=1.0), FEW),
    "noise 3": (replace(Language(), noise=3.0), FEW),
    "decays ×2": (stretched(Language(), 2), FEW),
    "decays ×4": (stretched(Language(), 4), FEW),
    "modifiers ×4": (copied(Language(), 4), FEW),
    "no modifiers": (replace(Language(), modifiers=(), n_decoys=0, start_gain=0.0, end_gain=0.0), FEW),
}


def kept(file: Path, train: Callable[[], SentimentRNN | BagOfWords]) -> SentimentRNN:
    """The network in a file, or trained and kept there."""
    if not file.is_file():
        zoo.save(replace(train(), name=file.stem), file)
    return zoo.load(file, SentimentRNN)


def learned(
    folder: Path, language: Language, cell: str, seed: int, texts: int = recovery.TEXTS, of: str = "language"
) -> SentimentRNN:
    """A network that learned a language, called ``of``."""
    return kept(
        folder / "models" / f"{cell}-{of}-{seed}.safetensors", lambda: recovery.learn(language, cell, seed, texts)
    )


# --- cells: settings -> rows --------------------------------------------------------------------


def marks(language: Language, model: SentimentRNN, test: Reviews | None, data: str, seed: int = 0) -> list[Row]:
    """Marks of a network against the truth; controls under their own condition, errors as sizes where a claim asks."""
    where: Row = {"network": model.name, "data": data, "condition": ""}
    found = recovery.recover(language, model, test, seed=seed)
    rows = rows_of(found, **where, note=found.note)
    value = {str(row["measure"]): float(str(row["value"])) for row in rows}
    controls = {"held": "held at its mean", "random": "random subspace", "other": "other words"}
    controls = {f"removal_ratio_{name}": condition for name, condition in controls.items()}
    own = [row for row in rows if row["measure"] not in controls]
    more = [("removal_ratio", condition, value[name]) for name, condition in controls.items()]
    more += [(f"{end}_length_error_size", "", abs(value[f"{end}_length_error"])) for end in ("start", "end")]
    for way, name in (("gain_slope", "one step"), ("gain_slope_settled", "settled")):
        slope = value[way]  # one that is negative is infinitely far from 1 on a scale of ratios
        more.append(("gain_slope_error", name, abs(np.log(slope)) if slope > 0 else np.inf if slope <= 0 else np.nan))
    own += [where | {"measure": m, "condition": c, "value": float(v), "note": found.note} for m, c, v in more]
    return [row | {"note": row["note"] if np.isnan(float(str(row["value"]))) else ""} for row in own]


def known(cell: Cell, folder: Path) -> list[Row]:
    """What chapters 2 to 5 measure on a network that learned the known language, and marks against the truth."""
    language, seed = Language(), int(str(cell["seed"]))
    model = learned(folder, language, str(cell["cell"]), seed)
    test = language.sample(4000, recovery.TEST_SEED, "test")
    own = marks(language, model, test, "language/test", seed)
    there = {row["measure"] for row in own}
    measured = measure(model, test, seed=seed, progress=False).to_dict("records")
    return own + [row for row in measured if row["measure"] not in there]


def harder(cell: Cell, folder: Path) -> list[Row]:
    """Marks on a language that is harder to learn or to analyse."""
    name = str(cell["language"])
    language, texts = HARDER[name]
    return marks(language, learned(folder, language, "gru", 0, texts, of=name), None, f"language, {name}")


def bags(cell: Cell, folder: Path) -> list[Row]:
    """The bag of words and its augmentations (chapter 6) where all candidates are modifiers, beside the GRU."""
    language, seed = Language(), int(str(cell["seed"]))
    reviews, test = language.sample(recovery.TEXTS, seed), language.sample(4000, recovery.TEST_SEED, "test")
    usual: dict[str, Any] = {
        "n_parts": 1, "length_exponent": 0.0, "beta_l2": 1e-6, "filter_l2": 1e-6, "edge_l2": 1e-6, "epochs": 5,
        "learning_rate": 1e-2, "validation_share": 0.05, "max_tokens": 0, "seed": seed,
    }  # fmt: skip
    scores = {}
    for step in ("bag of words", "+ modifiers", "+ beginning", "+ end", "+ both sides"):
        words = [m.word for m in language.modifiers]
        bag = train_augmented(AugmentedConfig(**STEPS[step] | usual), reviews, words, progress=False)
        scores[step] = bag.logits(test.texts)
    scores["GRU"] = learned(folder, language, "gru", seed).logits(test.texts)
    scores["best reader"] = language.totals(*language.encode(test.texts))
    right = {name: float(np.mean((logits > 0) == test.labels)) for name, logits in scores.items()}
    plain, gap = right["bag of words"], right["GRU"] - right["bag of words"]
    shares = {step: (right[step] - plain) / gap for step in right if step.startswith("+")}
    return [
        {"network": name, "data": "language/test", "measure": what, "condition": "", "at": seed, "value": value}
        for what, values in (("accuracy", right), ("gap_share", shares))
        for name, value in values.items()
    ]


def over_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """A row for each number that was measured for several seeds (``at``): their mean with its interval."""
    rows = []
    for keys, group in table.groupby(["network", "data", "measure", "condition"], sort=False):
        bounds = (0.0, 1.0) if keys[2] == "accuracy" else (-np.inf, np.inf)
        found = stats.over_seeds(group.value, bounds)._asdict()
        rows.append(dict(zip(("network", "data", "measure", "condition"), keys)) | found | {"n": len(group)})
    return pd.concat([pd.DataFrame(rows), table], ignore_index=True)


def attractor(model: SentimentRNN, test: Reviews, theory: int, best: float, data: str, seed: int) -> list[Row]:
    """Dimension of an attractor beside the number of slow modes that theory asks for."""
    found = line_attractor.attractor_dimension(model, test, seed=seed)
    where = {"network": model.name, "data": data}
    numbers = {
        "accuracy": np.mean(model.classify(test.texts) == test.labels),
        "slow_modes_theory": theory,
        "slow_modes_off": abs(found.slow_modes - theory),
        "best": best,
    }
    rows: list[Row] = [where | {"measure": k, "value": float(v)} for k, v in numbers.items()]
    rows += [where | {"measure": "tau", "at": rank, "value": tau} for rank, tau in enumerate(found.tau.tolist(), 1)]
    return rows + rows_of(found, **where)


def classes(cell: Cell, folder: Path) -> list[Row]:
    """Slow modes of a network that learned more than two classes; ``best`` is the accuracy of the best reader."""
    kind, n, seed = str(cell["kind"]), int(str(cell["classes"])), int(str(cell["seed"]))
    language = classed(kind, n)
    model = learned(folder, language, "gru", seed, FEW, of=f"{n} {kind}")
    test = language.sample(4000, recovery.TEST_SEED, "test")
    theory = n - 1 if kind == "unordered" else 1
    return attractor(model, test, theory, language.bayes().value, f"language, {n} {kind} classes", seed)


@dataclass(frozen=True, eq=False)
class Grades:
    """Where reviews of several grades leave a network that was trained on two classes; one row of ``table`` a grade.

    Columns: ``grade``, ``texts``, mean ``logit`` in nats with ``low`` and ``high`` (95 %, over reviews), ``along`` and
    ``off``: the mean state's place on the slow mode and its distance from it, in units of the spread along it.
    """

    table: pd.DataFrame = field(repr=False)
    spearman: stats.Estimate = stats.shown(".2f")  #: of logit and grade, over reviews
    on_line: float = stats.shown(".1%")  #: share of the squared distances between the grades' mean states on one axis
    cosine: float = stats.shown(".2f")  #: of that axis with r₁


def graded(model: SentimentRNN, reviews: Reviews) -> Grades:
    """Grades (stars) are ordered, so one number may do (Aitken et al. 2020): do their mean states lie on the slow mode?

    ``ValueError`` with fewer than three grades: there is no line to ask for.
    """
    grades = np.unique(reviews.labels)
    if len(grades) < 3:
        raise ValueError(f"{reviews!r} has {len(grades)} grades: at least 3 are needed to ask for a line")
    point = operating_point(model, texts=reviews.sample(300).texts)
    states = model.final_states_of(model.vocabulary.encode_all(reviews.texts)).astype(float)
    logits = model.readout(states)
    means = np.stack([states[reviews.labels == g].mean(0) for g in grades])
    _, size, axes = np.linalg.svd(means - means.mean(0), full_matrices=False)
    along = (means - point.h_star) @ point.r
    off = np.linalg.norm(means - point.h_star - along[:, None] * point.r, axis=1)
    of_each = [stats.bootstrap(logits[reviews.labels == g]) for g in grades]
    table = pd.DataFrame(of_each, columns=["logit", "low", "high"])
    table["grade"], table["texts"] = grades, [int((reviews.labels == g).sum()) for g in grades]
    table["along"], table["off"] = along / np.std(states @ point.r), off / np.std(states @ point.r)
    ranks = stats.bootstrap((logits, reviews.labels), lambda z, g: float(spearmanr(z, g).statistic), n=300)
    return Grades(table, ranks, float(size[0] ** 2 / (size**2).sum()), float(abs(axes[0] @ point.r)))


def in_order(reviews: Reviews) -> Reviews:
    """Grades of stars as classes 0, 1, 2, … in their order."""
    return replace(reviews, labels=np.unique(reviews.labels, return_inverse=True)[1])


def stars(cell: Cell, folder: Path) -> list[Row]:
    """A network trained on the stars of the Yelp sample, or a shipped one, trained on two classes, that reads them.

    Word vectors are those of the film network; ``best`` is the share of the commonest grade. Needs the mirror folder.
    """
    if "network" in cell:
        reviews = load_reviews("yelp_polarity", "test", label="stars").sample(4000)
        model, where = (
            zoo.load(str(cell["network"]), SentimentRNN),
            {"network": cell["network"], "data": "yelp_sample/stars"},
        )
        found = graded(model, reviews)
        rows = rows_of(found, **where)
        step = float(np.diff(found.table.logit).min())  # between neighbouring grades, in nats
        rows.append(where | {"measure": "smallest_step", "value": step})
        for row in found.table.itertuples():
            at = where | {"at": row.grade, "n": row.texts}
            rows += [at | {"measure": "logit", "value": row.logit, "low": row.low, "high": row.high}]
            rows += [at | {"measure": "along", "value": row.along}, at | {"measure": "off", "value": row.off}]
        return rows
    from rnnrev.train import train

    kind, seed, film = str(cell["cell"]), int(str(cell["seed"])), zoo.load("gru-imdb", SentimentRNN)
    reviews, test = (in_order(load_reviews("yelp_polarity", split, label="stars")) for split in ("train", "test"))

    def trained() -> SentimentRNN | BagOfWords:
        with TemporaryDirectory() as here:
            vectors = write_npz(f"{here}/vectors.npz", {"words": film.vocabulary.words, "vectors": film.embedding})
            config = TrainConfig(
                cell=kind, seed=seed, data="yelp_sample", vectors=str(vectors), epochs=8, patience=8,
                n_inputs=film.cell.n_inputs,
            )  # fmt: skip
            return train(config, reviews=reviews, test=test, progress=False)

    model = kept(folder / "models" / f"{kind}-stars-{seed}.safetensors", trained)
    commonest = np.bincount(test.labels).max() / len(test)
    return attractor(model, test, 1, commonest, "yelp_sample/stars", seed)


def own(cell: Cell, folder: Path) -> list[Row]:
    """A network trained on any data set, measured on its test split (a file: on the reviews that are held out)."""
    from rnnrev.train import train

    kind, data, seed = str(cell["cell"]), str(cell["data"]), int(str(cell["seed"]))
    reviews = load_reviews(data, "train")
    if split_names(data) == ("all",):  # a file
        held = np.random.default_rng(0).random(len(reviews)) < 0.1
        reviews, test = reviews.take(~held), replace(reviews.take(held), split="held-out")
    else:
        test = load_reviews(data)
    config = TrainConfig(cell=kind, seed=seed, data=data)
    file = folder / "models" / f"{kind}-{Path(data).stem}-{seed}.safetensors"
    model = kept(file, lambda: train(config, reviews=reviews, test=test, progress=False))
    return measure(model, test, seed=seed, progress=False).to_dict("records")


Run = Callable[..., list[Row]]  # of a cell and a folder
Cells = Callable[[list[str], list[int], str], list[dict[str, object]]]
#: Name -> what runs for each cell, and the cells for architectures, seeds and a data set.
SWEEPS: dict[str, tuple[Run, Cells]] = {
    "language": (known, lambda cells, seeds, data: grid(cell=cells, seed=seeds)),
    "difficulty": (harder, lambda cells, seeds, data: grid(language=list(HARDER))),
    "bags": (bags, lambda cells, seeds, data: grid(seed=seeds)),
    "classes": (classes, lambda cells, seeds, data: [
        cell for k, c in CLASSES for cell in grid(kind=k, classes=c, seed=seeds)]),
    "stars": (stars, lambda cells, seeds, data: [*grid(cell=cells, seed=seeds), *grid(network=recurrent())]),
    "train": (own, lambda cells, seeds, data: grid(cell=cells, seed=seeds, data=data)),
}  # fmt: skip
#: Texts behind a record: those of the known language and of harder ones, or the stars'.
READ: dict[str, Callable[[], list[Reviews]]] = {
    "language": lambda: tested({"language": Language()}),
    "bags": lambda: tested({"language": Language()}),
    "difficulty": lambda: tested({name: language for name, (language, _) in HARDER.items()}),
    "classes": lambda: tested({f"{c} {k} classes": classed(k, c) for k, c in CLASSES}),
    "stars": lambda: [load_reviews("yelp_polarity", split, label="stars") for split in ("train", "test")],
}


def tested(languages: dict[str, Language]) -> list[Reviews]:
    """The texts of languages that all networks are tested on."""
    return [replace(each.sample(4000, recovery.TEST_SEED, "test"), name=name) for name, each in languages.items()]


def main() -> None:
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # cells run side by side, each on one core
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", choices=list(SWEEPS))
    parser.add_argument(
        "--out", type=Path, default=Path("runs/sweeps"), help="folder of results (default: %(default)s)"
    )
    parser.add_argument("--cells", nargs="+", default=list(ARCHITECTURES), metavar="CELL", help="architectures")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), metavar="SEED")
    parser.add_argument("--data", default="imdb", help="of the sweep 'train': a data set's name, or a file")
    parser.add_argument("--workers", type=int, default=2, help="processes on this machine (default: %(default)s)")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, tcp://…, to use instead")
    args = parser.parse_args()
    run, cells_of = SWEEPS[args.name]
    cells, folder = cells_of(args.cells, args.seeds, args.data), args.out / args.name
    code = "" if args.name == "train" else Source().code(args.name)
    cells = [cell | {"code": code[:12]} for cell in cells] if code else cells
    models = args.out / "models"
    there = set(models.glob(f"*{zoo.SUFFIX}"))
    table = sweep(cells, folder, partial(run, folder=args.out), workers=args.workers, scheduler=args.scheduler)
    table = over_seeds(table) if args.name == "bags" else table
    table = table.reindex(columns=list(COLUMNS)).fillna({"condition": "", "note": ""})
    table.to_csv(args.out / f"{args.name}.csv", index=False)
    print(f"{len(cells)} cells, {len(table):,} rows; written to {args.out / args.name}.csv")
    if code and (set(args.cells), set(args.seeds)) == (set(ARCHITECTURES), set(SEEDS)):
        files = [f for n in table.network.unique() if (f := models / f"{n}{zoo.SUFFIX}").is_file()]
        trained = sum(zoo.load(f).record["seconds"] for f in files if f in there) / 60 / 2
        about = {
            "code": code,
            "seeds": args.seeds,
            "data": {f"{r.name}/{r.split}": r.fingerprint for r in READ[args.name]()},
            "networks": networks(files),
            "minutes": round(trained + minutes(folder, cells), 1),
        }
        print(f"record written to {write_table(args.name, table, about)}")


if __name__ == "__main__":
    main()
