"""Many networks measured in parallel: architectures × seeds × data sets on Dask, safe to stop and to start again.

A sweep is a list of *cells*, each a small mapping of plain values that says what to train and measure
(:func:`plan` makes those of the book). Every finished cell is one JSON file, written in one step; a sweep that is
started again does only what is missing. At the end all files become one tidy table, one row a measure.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .config import TrainConfig
from .files import read_record, write_json, write_record
from .stats import over_seeds

__all__ = ["PLANS", "finished", "grid", "name_of", "plan", "read_sweep", "said", "summary", "sweep", "table"]

Cell = Mapping[str, Any]


# --- cells ------------------------------------------------------------------------------------


def grid(**axes: Any) -> list[dict[str, Any]]:
    """Every combination of the lists given; what is no list is the same in all cells.

    >>> grid(cell=["gru", "lstm"], seed=[0, 1], task="recover")[1]
    {'cell': 'gru', 'seed': 1, 'task': 'recover'}
    """
    lists = [v if isinstance(v, list | tuple) else [v] for v in axes.values()]
    return [dict(zip(axes, values)) for values in itertools.product(*lists)]


def name_of(cell: Cell) -> str:
    """A file name for a cell: readable, and different for different cells."""
    digest = hashlib.sha256(json.dumps(cell, sort_keys=True).encode()).hexdigest()[:10]
    parts = [str(v) for v in cell.values() if isinstance(v, str | int) and str(v).replace("-", "").isalnum()]
    return "-".join([*parts, digest])


def finished(cell: Cell, out: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What a finished cell wrote, or None: it is not there, is damaged, or is another cell's."""
    try:
        found = json.loads((Path(out) / f"{name_of(cell)}.json").read_text(encoding="utf-8"))
        known = found["cell"] == json.loads(json.dumps(cell)) and isinstance(found["measures"], dict)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return found if known else None


# --- the run ----------------------------------------------------------------------------------


@contextmanager
def _client(scheduler: str | None, workers: int, processes: bool) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ValueError("a sweep needs dask.distributed: pip install 'rnnrev[sweep]'") from error
    if scheduler is not None:
        with Client(scheduler, timeout=20) as client:
            yield client
        return
    # one thread a process: TensorFlow asks for two numbers of its own
    limits = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    single = dict.fromkeys(limits, "1")
    options = {"env": single} if processes else {}
    with (
        LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=processes, dashboard_address=":0", **options
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def sweep(
    cells: Sequence[Cell],
    out: str | os.PathLike[str],
    scheduler: str | None = None,
    workers: int = 2,
    *,
    function: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    processes: bool = True,
    progress: bool = True,
) -> Any:
    """Run what is not finished yet, and return (and write) the table of all.

    Parameters
    ----------
    cells : list of mappings
        From :func:`plan` or :func:`grid`; plain JSON values.
    out : folder
        One JSON file a cell, and ``measures.csv``. A second run with the same folder goes on where the first stopped.
    scheduler : str, optional
        Address of a Dask scheduler, ``tcp://…``. By default a cluster of ``workers`` processes on this machine, one
        thread each, is started and stopped.
    function : cell -> measures, optional
        What runs on the workers: :func:`rnnrev.recovery.run_cell` by default. It must be importable there. It returns
        numbers by name, and what else should be kept under ``"details"``.

    Returns
    -------
    pandas.DataFrame
        As :func:`table`.

    Raises
    ------
    RuntimeError
        When all is done, if cells failed: it names them and their errors. A later run tries them again.
    """
    from tqdm.auto import tqdm

    if function is None:
        from .recovery import run_cell as function
    names = [name_of(c) for c in cells]
    if len(set(names)) < len(names):
        raise ValueError("the same cell stands in the sweep twice")
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    open_cells = {n: dict(c) for n, c in zip(names, cells) if finished(c, folder) is None}
    failed: dict[str, BaseException] = {}
    if open_cells:
        with _client(scheduler, workers, processes) as client:
            from distributed import as_completed

            futures = {client.submit(function, c, key=n, pure=False): n for n, c in open_cells.items()}
            with tqdm(total=len(cells), initial=len(cells) - len(futures), unit="cell", disable=not progress) as bar:
                # the client writes: a cluster needs no file system in common with it
                for future in as_completed(futures):
                    name = futures[future]
                    if future.status == "finished":
                        _write(folder, name, open_cells[name], future.result())
                    else:
                        failed[name] = future.exception() or RuntimeError(future.status)
                    future.release()
                    bar.update()
    made = table(folder, cells)
    partial = folder / ".measures.csv.tmp"
    made.to_csv(partial, index=False)
    partial.replace(folder / "measures.csv")
    if failed:
        said = "; ".join(f"{n}: {type(e).__name__}: {e}" for n, e in failed.items())
        raise RuntimeError(f"{len(failed)} of {len(cells)} cells failed (a new run tries them again): {said}")
    return made


def _write(folder: Path, name: str, cell: Cell, result: dict[str, Any]) -> None:
    details = result.pop("details", None)
    write_json(folder / f"{name}.json", {"cell": cell, "measures": result, "details": details})


def table(out: str | os.PathLike[str], cells: Sequence[Cell]) -> Any:
    """Finished cells as a tidy pandas table: the cells' settings, ``measure``, ``value``; one row a measure."""
    import pandas as pd

    rows = []
    for cell in cells:
        found = finished(cell, out)
        for measure, value in (found or {"measures": {}})["measures"].items():
            plain = {k: json.dumps(v, sort_keys=True) if isinstance(v, dict | list) else v for k, v in cell.items()}
            rows.append({**plain, "measure": measure, "value": value})
    return pd.DataFrame(rows)


# --- the sweeps of the book -------------------------------------------------------------------

ARCHITECTURES = ("gru", "lstm", "ugrnn", "vanilla")


def _difficulty() -> list[dict[str, Any]]:
    few = 60_000  # enough to see what suffers, and less to wait for
    hard: dict[str, dict[str, Any]] = {
        "60,000 texts": {},
        "2,000 texts": {"texts": 2_000},
        "10,000 texts": {"texts": 10_000},
        "noise 1": {"language": {"noise": 1.0}},
        "noise 3": {"language": {"noise": 3.0}},
        "decays ×2": {"stretch": 2.0},
        "decays ×4": {"stretch": 4.0},
        "modifiers ×4": {"copies": 4},
        "no modifiers": {"language": {"modifiers": [], "n_decoys": 0, "start_gain": 0.0, "end_gain": 0.0}},
    }
    usual: dict[str, Any] = {"task": "recover", "cell": "gru", "seed": 0, "texts": few}
    return [{**usual, "harder": name, **change} for name, change in hard.items()]


#: The sweeps that wrote the shipped records, by name: each makes cells from architectures, seeds and data sets.
PLANS: dict[str, Callable[[Sequence[str], Sequence[int], Sequence[str]], list[dict[str, Any]]]] = {
    "language": lambda cells, seeds, data: grid(task="recover", seed=list(seeds), cell=list(cells)),
    "bags": lambda cells, seeds, data: grid(task="bags", seed=list(seeds)),
    "difficulty": lambda cells, seeds, data: _difficulty(),
    "classes": lambda cells, seeds, data: grid(
        task="classes",
        seed=list(seeds),
        cell="gru",
        classes=["ordered 3", "unordered 3", "ordered 5", "unordered 5", "ordered 2"],
    ),
    "stars": lambda cells, seeds, data: grid(task="stars", seed=list(seeds), cell=list(cells), classes="stars 4"),
    "networks": lambda cells, seeds, data: _shipped(cells, data),
    "pretrained": lambda cells, seeds, data: _shipped(cells, data, pretrained=True),
    "train": lambda cells, seeds, data: grid(task="train", seed=list(seeds), cell=list(cells), data=list(data)),
}


def _shipped(cells: Sequence[str], data: Sequence[str], pretrained: bool = False) -> list[dict[str, Any]]:
    from . import zoo

    # a network that was pre-trained is no seed of the others
    names = [n for n in zoo.recurrent(pretrained) if n.split("-")[0] in cells]
    return grid(task="network", data=list(data), network=names)


def plan(
    name: str,
    architectures: Sequence[str] = ARCHITECTURES,
    seeds: Sequence[int] = (0, 1, 2),
    data: Sequence[str] = ("imdb", "sst2", "yelp_polarity"),
    folders: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """The cells of one of :data:`PLANS`.

    * ``language``: networks trained on the known language, analyses marked against the truth (chapter 7);
    * ``bags``: the bag of words and its augmentations on the known language;
    * ``difficulty``: the same as ``language`` on languages that are harder to learn or to analyse;
    * ``classes``: more than two classes, dimension of the attractor (chapter 8);
    * ``stars``: networks trained on Yelp's reviews of 1, 2, 4 and 5 stars (from the mirror folder; chapter 8);
    * ``networks``: the shipped networks of one recipe measured on ``data`` (chapter 8), and those in ``folders``;
    * ``pretrained``: the shipped network that learned to predict words first, measured in the same way (chapter 8);
    * ``train``: networks trained on ``data`` and measured there.
    """
    if name not in PLANS:
        raise ValueError(f"no sweep is called {name!r}: choose one of {', '.join(PLANS)}")
    for cell in architectures:
        TrainConfig(cell=cell)  # refuses one that is unknown
    if folders and name != "networks":
        raise ValueError(f"model folders are measured by the sweep 'networks', not by {name!r}")
    more = [
        {"task": "network", "data": d, "network": Path(f).name, "folder": str(f)}
        for d, f in itertools.product(data, folders)
    ]
    return PLANS[name](architectures, seeds, data) + more


def as_record(out: str | os.PathLike[str], name: str, cells: Sequence[Cell]) -> dict[str, Any]:
    """All finished cells of a sweep as one small record; numbers keep five figures."""

    def short(value: Any) -> Any:
        if isinstance(value, float):
            return float(f"{value:.5g}")
        if isinstance(value, dict):
            return {k: short(v) for k, v in value.items()}
        return [short(v) for v in value] if isinstance(value, list) else value

    made = [short(f) for c in cells if (f := finished(c, out)) is not None]
    folders = list(dict.fromkeys(str(c["folder"]) for c in cells if "folder" in c))
    command = " ".join([f"rnnrev sweep {name} --out DIR --record", *(["--folders", *folders] if folders else [])])
    return {"what": f"sweep {name}", "command": command, "cells": made}


def read_sweep(name: str) -> tuple[Any, list[dict[str, Any]]]:
    """A shipped sweep: a pandas table with one row a cell (settings and measures), and the cells with their details."""
    import pandas as pd

    cells = read_record(f"sweep-{name}")["cells"]
    return pd.DataFrame([{**c["cell"], **c["measures"]} for c in cells]), cells


def summary(table: Any, measures: Mapping[str, tuple[str, str]], by: str = "cell") -> Any:
    """Mean over networks with its 95 % interval: one row a measure, one column for each value of ``by``.

    Measures in :data:`RATIOS` have the geometric mean.

    ``measures`` maps names of columns to (what to call them, format of their numbers).
    """
    import pandas as pd

    groups = list(dict.fromkeys(table[by]))
    rows = {}
    for name, (label, spec) in measures.items():
        parts = [table.loc[table[by] == g, name].dropna() for g in groups]
        rows[label] = [said(p, spec) for p in parts]
    return pd.DataFrame.from_dict(rows, orient="index", columns=groups).rename_axis("measure")


#: Measures that are sizes or ratios: averaged on a logarithmic scale.
RATIOS = frozenset({"tau_1", "tau_2", "gap_of_tau", "start_emphasis", "end_emphasis", "start_length", "end_length"})


def said(values: Any, spec: str) -> str:
    """Mean over networks (a column of a table) with its 95 % interval, as text; a dash where there are none."""
    values = values.dropna()
    if len(values) < 2:  # one network has no interval
        return f"{values.iloc[0]:{spec}}" if len(values) else "–"
    return over_seeds(values, log=values.name in RATIOS and bool((values > 0).all())).format(spec)


# --- command line -----------------------------------------------------------------------------


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``rnnrev sweep``."""
    parser.add_argument("plan", choices=list(PLANS), help="which sweep")
    parser.add_argument("--out", required=True, help="folder of results; give it again to go on after a stop")
    parser.add_argument("--cells", nargs="+", default=list(ARCHITECTURES), metavar="CELL", help="architectures")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="SEED", help="seeds")
    parser.add_argument(
        "--data", nargs="+", default=["imdb", "sst2", "yelp_polarity"], metavar="NAME", help="data sets to measure on"
    )
    parser.add_argument(
        "--folders",
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="model folders to measure beside the shipped networks",
    )
    parser.add_argument("--scheduler", help="address of a Dask scheduler, tcp://…; default: this machine")
    parser.add_argument("--workers", type=int, default=2, help="processes on this machine (default: %(default)s)")
    parser.add_argument("--record", action="store_true", help="write the result as the record that the book reads")


def run(args: argparse.Namespace) -> None:
    """``rnnrev sweep``."""
    cells = plan(args.plan, args.cells, args.seeds, args.data, args.folders)
    if not cells:
        raise ValueError(f"nothing to do: no shipped network is a {' or '.join(args.cells)}")
    try:
        made = sweep(cells, args.out, args.scheduler, args.workers)
    except RuntimeError as error:
        raise OSError(str(error)) from error
    print(f"{len(cells)} cells, {len(made):,} measures; written to {Path(args.out) / 'measures.csv'}")
    if args.record:
        print(f"record written to {write_record(f'sweep-{args.plan}', as_record(args.out, args.plan, cells))}")


if __name__ == "__main__":
    own = argparse.ArgumentParser(prog="python -m rnnrev.sweep", description=__doc__)
    add_arguments(own)
    try:
        run(own.parse_args())
    except (ValueError, KeyError, OSError) as error:
        sys.exit(f"rnnrev sweep: {error}")
