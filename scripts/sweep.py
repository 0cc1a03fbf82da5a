"""Many cells of a sweep side by side, safe to stop and to start again.

A sweep is a list of *cells*, each a small mapping of plain values that says what to train or measure. Every finished
cell is one JSON file, written in one step; a sweep that is started again does only what is missing. At the end all
files become one tidy table. Those of the book are in sweeps.py and records.py.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnrev.files import write_json
from rnnrev.stats import Estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Cell", "Row", "finished", "grid", "minutes", "name_of", "rows_of", "sweep", "table"]

Cell = Mapping[str, object]  #: JSON values by name
Row = dict[str, object]  #: one row of a tidy table: JSON values by column


def grid(**axes: object) -> list[dict[str, object]]:
    """Every combination of the lists given; what is no list is the same in all cells.

    >>> grid(cell=["gru", "lstm"], seed=[0, 1], texts=150_000)[1]
    {'cell': 'gru', 'seed': 1, 'texts': 150000}
    """
    lists = [v if isinstance(v, list | tuple) else [v] for v in axes.values()]
    return [dict(zip(axes, values)) for values in itertools.product(*lists)]


def name_of(cell: Cell) -> str:
    """A file name for a cell: readable, and different for different cells."""
    digest = hashlib.sha256(json.dumps(cell, sort_keys=True).encode()).hexdigest()[:10]
    parts = [str(v) for v in cell.values() if isinstance(v, str | int) and str(v).replace("-", "").isalnum()]
    return "-".join([*parts, digest])


def finished(cell: Cell, out: str | os.PathLike[str]) -> list[Row] | None:
    """The rows that a finished cell wrote, or None: they are not there, are damaged, or are another cell's."""
    try:
        known = json.loads((Path(out) / f"{name_of(cell)}.json").read_text(encoding="utf-8"))
        rows = known["rows"] if known["cell"] == json.loads(json.dumps(cell)) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return rows if isinstance(rows, list) else None


def sweep(
    cells: Sequence[Cell], out: str | os.PathLike[str], measure: Callable[[Cell], list[Row]], *,
    workers: int = 2, scheduler: str | None = None, progress: bool = True,
) -> pd.DataFrame:  # fmt: skip
    """Run the cells that are not finished yet, and return the table of all.

    Each writes one JSON file to the folder ``out``: a second run goes on where the first stopped. ``measure`` is what
    runs for each cell, in ``workers`` processes on this machine (1: here, one after the other) or on the workers of a
    Dask ``scheduler``, ``tcp://…``. ``RuntimeError`` when all is done if cells failed: it names them and their errors,
    and a later run tries them again.
    """
    from tqdm.auto import tqdm

    if len({name_of(c) for c in cells}) < len(cells):
        raise ValueError("the same cell stands in the sweep twice")
    folder = Path(out)
    waiting = [c for c in cells if finished(c, folder) is None]
    results = _on_dask(waiting, measure, scheduler) if scheduler else _here(waiting, measure, workers)
    failed = []
    with tqdm(total=len(cells), initial=len(cells) - len(waiting), unit="cell", disable=not progress) as bar:
        for cell, rows, seconds, error in results:  # written here: workers need no file system in common
            if error is None:
                write_json(folder / f"{name_of(cell)}.json", {"cell": cell, "rows": rows, "seconds": seconds})
            else:
                failed.append(f"{name_of(cell)}: {error}")
                bar.write(failed[-1])
            bar.update()
    if failed:
        said = "; ".join(failed)
        raise RuntimeError(f"{len(failed)} of {len(cells)} cells failed (a new run tries them again): {said}")
    return table(folder, cells)


Result = tuple[Cell, list[Row], float, str | None]  # seconds of processor time


def _try(measure: Callable[[Cell], list[Row]], cell: Cell) -> Result:
    started = time.process_time()
    try:
        return cell, measure(cell), round(time.process_time() - started, 1), None
    except Exception as error:  # one cell must not end the others; the sweep raises at its end
        return cell, [], 0.0, f"{type(error).__name__}: {error}"


def _here(cells: Sequence[Cell], measure: Callable[[Cell], list[Row]], workers: int) -> Iterator[Result]:
    from joblib import Parallel, delayed

    return Parallel(workers, return_as="generator_unordered")(delayed(_try)(measure, c) for c in cells)


def _on_dask(cells: Sequence[Cell], measure: Callable[[Cell], list[Row]], scheduler: str) -> Iterator[Result]:
    try:
        import cloudpickle
        from distributed import Client, as_completed
    except ImportError as error:
        raise ValueError("a scheduler needs dask.distributed: pip install 'rnnrev[sweep]'") from error
    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # workers elsewhere have the package, not its scripts
    with Client(scheduler, timeout=20) as client:
        cell_of = {client.submit(_try, measure, cell, pure=False): cell for cell in cells}
        for future in as_completed(cell_of):
            lost = future.status != "finished"  # with its worker
            yield (cell_of[future], [], 0.0, str(future.exception())) if lost else future.result()


def rows_of(result: object, **where: object) -> list[Row]:
    """The fields of a result (a dataclass) that have a format (:func:`rnnrev.stats.shown`), as rows of a tidy table."""
    rows = []
    for each in fields(result):  # type: ignore[arg-type]
        if "format" in each.metadata:
            found = getattr(result, each.name)
            value, low, high = found if isinstance(found, Estimate) else (found, np.nan, np.nan)
            rows.append({**where, "measure": each.name, "value": value, "low": low, "high": high})
    return rows


def minutes(out: str | os.PathLike[str], cells: Sequence[Cell], processors: int = 2) -> float:
    """How long the finished cells take on so many processors, by the processor time that each took."""
    files = [Path(out) / f"{name_of(cell)}.json" for cell in cells]
    return sum(json.loads(f.read_text(encoding="utf-8"))["seconds"] for f in files if f.is_file()) / 60 / processors


def table(out: str | os.PathLike[str], cells: Sequence[Cell]) -> pd.DataFrame:
    """The rows of all finished cells, in the order of the cells."""
    import pandas as pd

    return pd.DataFrame([row for cell in cells for row in finished(cell, out) or []])
