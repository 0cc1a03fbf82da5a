"""The record behind the claims of chapters 1 to 5: the shipped networks, measured on films, phrases and restaurants.

    python scripts/records.py networks                    all of them, on IMDB's, SST-2's and Yelp's held-out texts
    python scripts/records.py networks --more FILE …      other seeds too, of networks that are not shipped
    python scripts/records.py networks --names gru-imdb --data imdb

It can be stopped at any time, and goes on where it stopped: OUT has a file for each network and text, made anew when
the code that measures has changed. The record, rnnrev/records/networks.csv, is written when all shipped networks are
there.
"""

from __future__ import annotations

import argparse
import hashlib
import shlex
import sys
from dataclasses import replace
from pathlib import Path

from rnnrev import measure, zoo
from rnnrev.analysis import Analysis
from rnnrev.data import load_reviews
from rnnrev.files import write_table
from rnnrev.measure import COLUMNS, PARTS, tabulate
from rnnrev.model import SentimentRNN
from rnnrev.sweep import Cell, Row, grid, sweep

DATA = ("imdb", "sst2", "yelp_polarity")
SCORED = 500  #: reviews that a network is measured on; its accuracy is that on all


def code() -> str:
    """Hash of the package's files that measuring imports."""
    names = sorted(name for name in sys.modules if name.split(".")[0] == "rnnrev" and name != "rnnrev.__main__")
    files = [Path(str(sys.modules[name].__file__)) for name in names]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files)).hexdigest()


def measured(cell: Cell) -> list[Row]:
    """The tidy rows of one network on one set of texts."""
    name, seed = str(cell["network"]), int(str(cell["seed"]))
    model, reviews = zoo.load(name), load_reviews(str(cell["data"]))
    model = replace(model, name=Path(name).stem)  # type: ignore[type-var]
    on_all = [p for p in PARTS if p.name in ("accuracy", "gain")]
    recurrent = isinstance(model, SentimentRNN)
    tables = [tabulate(Analysis(model, reviews, seed), on_all if recurrent else on_all[:1], progress=False)]
    if recurrent:
        rest = [p for p in PARTS if p not in on_all]
        tables.append(measure.measure(model, reviews, seed=seed, scored=SCORED, parts=rest, progress=False))
    return [row for table in tables for row in table.to_dict("records")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("record", choices=["networks"])
    parser.add_argument("--names", nargs="+", default=zoo.names(), metavar="NAME", help="shipped networks")
    parser.add_argument("--more", nargs="+", default=[], metavar="FILE", help="model files to measure beside them")
    parser.add_argument("--data", nargs="+", default=list(DATA), metavar="NAME", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("runs/records"), help="folder of parts (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    args = parser.parse_args()
    usual = {"scored": SCORED, "seed": args.seed, "code": code()[:12]}
    cells = grid(network=[*args.names, *args.more], data=args.data, **usual)
    table = sweep(cells, args.out, measured, workers=args.workers).reindex(columns=list(COLUMNS))
    table = table.fillna({"condition": "", "note": ""})
    about = {
        "command": shlex.join(["python", "scripts/records.py", *sys.argv[1:]]),
        "code": code(),
        "seed": args.seed,
        "scored": SCORED,
        "data": {name: load_reviews(name).fingerprint for name in args.data},
    }
    whole = set(args.names) >= set(zoo.names()) and set(args.data) >= set(DATA)
    place = {} if whole else {"folder": args.out}
    print(f"{len(cells)} cells, {len(table):,} rows; written to {write_table('networks', table, about, **place)}")


if __name__ == "__main__":
    main()
