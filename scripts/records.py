"""The records behind the book's claims: how each is made, whether its code has changed since, and making it anew.

    python scripts/records.py                   a table: record, command, inputs, minutes on two cores, code
    python scripts/records.py NAME …            measure it anew (options are those of its own script)
    python scripts/records.py networks          chapters 1 to 5: shipped networks on films, phrases and restaurants
    python scripts/records.py edges             its rows of chapters 4 and 5, compared with the record; also: training,
                                                line_attractor, modifiers
    python scripts/records.py context           chapter 1: who reads context? all shipped models on five sets of texts
    python scripts/records.py networks --names --more FILE … --add     networks that are not shipped, into the record
    python scripts/records.py networks --names gru-imdb --data imdb
    python scripts/records.py stamp NAME --why REASON     the code has changed, and is shown to leave the numbers alone

Measuring can be stopped at any time, and goes on where it stopped: OUT has a file for each network and text, made anew
when the code that measures has changed. A record, rnnrev/records/NAME.csv, is written where it is whole; what is part
of one is compared with it.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from provenance import RECIPES, ROOT, Source, add, networks, stamp, write_table
from sweep import Cell, Row, grid, minutes, sweep

from rnnrev import claims, measure, zoo
from rnnrev.analysis import Analysis
from rnnrev.context import SETS, context_tests, context_texts
from rnnrev.data import load_reviews
from rnnrev.files import RECORDS
from rnnrev.measure import COLUMNS, PARTS, tabulate
from rnnrev.model import SentimentRNN

DATA = ("imdb", "sst2", "yelp_polarity")
#: Shipped networks but the knobs, which chapter 6 has a record of.
NAMES = [name for name in zoo.names() if not name.startswith("knob")]
SCORED = 500  #: reviews that a network is measured on; its accuracy is that on all
#: Pieces of the record `networks`, and their chapters.
PIECES = {
    "networks": (1, 2, 3, 4, 5),
    "context": (),
    "training": (1,),
    "line_attractor": (2,),
    "modifiers": (3,),
    "edges": (4, 5),
}


def measured(cell: Cell) -> list[Row]:
    """The tidy rows of one network on one set of texts."""
    name, seed = str(cell["network"]), int(str(cell["seed"]))
    model, reviews = zoo.load(name), load_reviews(str(cell["data"]))
    model = replace(model, name=Path(name).stem)  # type: ignore[type-var]
    chosen = [p for p in PARTS if p.chapter in PIECES[str(cell["piece"])]]
    on_all = [p for p in chosen if p.name in ("accuracy", "gain")]
    rest = [p for p in chosen if p not in on_all]
    recurrent = isinstance(model, SentimentRNN)
    tables = [tabulate(Analysis(model, reviews, seed), on_all if recurrent else on_all[:1], progress=False)]
    if recurrent:
        tables.append(measure.measure(model, reviews, seed=seed, scored=SCORED, parts=rest, progress=False))
    return [row for table in tables for row in table.to_dict("records")]


def read_context(cell: Cell) -> list[Row]:
    """The tidy rows of one model on all sets of :mod:`rnnrev.context`."""
    model = replace(zoo.load(str(cell["network"])), name=Path(str(cell["network"])).stem)  # type: ignore[type-var]
    return context_tests(model, seed=int(str(cell["seed"]))).to_dict("records")


def compared(table: pd.DataFrame, name: str) -> str:
    """How many rows say what the record says, to its five figures."""
    keys = ["network", "data", "measure", "condition", "at"]
    both = table.merge(claims.read(name), on=keys, how="left", suffixes=("", "_there"), indicator=True)
    numbers = ["value", "low", "high"]
    same = np.isclose(both[numbers], both[[f"{c}_there" for c in numbers]], 1e-4, 1e-12, equal_nan=True).all(1)
    same &= (both["_merge"] == "both").to_numpy()
    other = both[~same]
    said = f"{same.sum():,} of {len(both):,} rows are those of the record"
    return said if other.empty else f"{said}; others, for instance:\n{other[[*keys, *numbers, 'value_there']].head(8)}"


def measure_networks(piece: str, given: list[str]) -> None:
    name = "context" if piece == "context" else "networks"
    parser = argparse.ArgumentParser(prog=f"records.py {piece}")
    parser.add_argument("--names", nargs="*", default=NAMES, metavar="NAME", help="shipped networks")
    parser.add_argument("--more", nargs="+", default=[], metavar="FILE", help="model files to measure beside them")
    parser.add_argument("--add", action="store_true", help="put the rows into the record, in the place of their like")
    parser.add_argument("--data", nargs="+", default=list(DATA), metavar="NAME", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/records"), help="folder of parts (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    args = parser.parse_args(given)
    code = Source().code(name)
    usual = {"scored": SCORED, "seed": args.seed, "piece": piece, "code": code[:12]}
    data = {"data": args.data} if name == "networks" else {}
    cells = grid(network=[*args.names, *args.more], **data, **usual)
    run = measured if name == "networks" else read_context
    table = sweep(cells, args.out, run, workers=args.workers).reindex(columns=list(COLUMNS))
    table = table.fillna({"condition": "", "note": ""})
    files = networks([*args.names, *args.more])
    if args.add:
        print(add(name, table, minutes(args.out, cells), files))
        return
    if piece != name or not (set(args.names) >= set(NAMES) and set(args.data) >= set(DATA)):
        print(f"{len(cells)} cells, {len(table):,} rows: {compared(table, name)}")
        return
    about = {
        "code": code,
        "seeds": [args.seed],
        "scored": SCORED,
        "data": {d: load_reviews(d).fingerprint for d in args.data}
        if name == "networks"
        else {d: context_texts(d).fingerprint for d in SETS},
        "networks": files,
        "minutes": round(minutes(args.out, cells), 1),
    }
    print(f"{len(cells)} cells, {len(table):,} rows; written to {write_table(name, table, about)}")


def table() -> pd.DataFrame:
    """How every record is made: command, inputs, minutes on two cores, and whether its code is that of today."""
    here, rows = Source(), []
    for name, recipe in RECIPES.items():
        file = RECORDS / f"{name}.json"
        about = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        took = about.get("minutes")
        took = sum(took.values()) if isinstance(took, dict) else took
        code = "changed since" if about else "not measured"
        code = "as measured" if about.get("code") == here.code(name) else code
        code += ", stamped" * bool(about.get("stamps"))
        rows.append({
            "record": name, "command": recipe.command, "inputs": recipe.inputs, "minutes": took,
            "commit": about.get("commit"), "code": code,
        })  # fmt: skip
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", nargs="?", choices=sorted({*RECIPES, *PIECES, "stamp"}), metavar="NAME")
    args, rest = parser.parse_known_args(sys.argv[1:2])
    given = [*rest, *sys.argv[2:]]
    if args.record is None:
        print(table().to_string(index=False))
    elif args.record in PIECES:
        measure_networks(args.record, given)
    elif args.record == "stamp":
        stamping = argparse.ArgumentParser(prog="records.py stamp")
        stamping.add_argument("record", choices=list(RECIPES))
        stamping.add_argument("--why", required=True, help="what shows that the numbers are left alone")
        what = stamping.parse_args(given)
        changed = stamp(what.record, what.why)
        print(f"{what.record}: {len(changed)} definitions changed: {', '.join(changed) or 'none'}")
    else:
        command = shlex.split(RECIPES[args.record].command)[1:]
        sys.exit(subprocess.run([sys.executable, *command, *given], cwd=ROOT).returncode)


if __name__ == "__main__":
    main()
