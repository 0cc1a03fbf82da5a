"""Grade a folder of notebooks: each runs in a process of its own, with limits; out comes a table, name × exercise.

    python grade.py SUBMISSIONS --out grades.csv

SUBMISSIONS is what Moodle, Canvas or a Git classroom hands you, unpacked: a folder for each student, or files whose
names begin with the student's. A cell of the table is "right", "not yet" with the hint, "error" or "stopped" with the
reason, the number of words where only you can judge, and empty where there is no answer. What counts is what
``check(…)`` says when the whole notebook is run anew from its first cell, not what stands in its outputs.

A submission sees an empty folder and none of your environment's variables. Where Linux allows it, it has no network
and cannot outlive its time. That stops accidents. It can still read your files: grade strangers in a container.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import nbformat
import pandas as pd
import psutil

KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG", "SYSTEMROOT")
SETTINGS = {"MPLBACKEND": "agg", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
ANCHOR = re.compile(r'<a id="(ex-[\w-]+)">')
CHECK = re.compile(r"check\(\s*[\"'](ex-[\w-]+)")


class Stopped(BaseException):
    """A cell took too long. No ``except Exception`` of a submission catches it."""


def stop(*_: object) -> None:
    raise Stopped


def student(file: Path, folder: Path) -> str:
    """Whose notebook it is: the folder's name, or what stands before the chapter's."""
    first, *rest = file.relative_to(folder).parts
    return first if rest else re.sub(r"[\W_]*\d\d-[a-z][a-z-]*.*$", "", file.stem) or file.stem


def written(notebook: nbformat.NotebookNode) -> dict[str, str]:
    """Each exercise of a notebook, and how many words were written below it."""
    words: dict[str, int] = {}
    exercise = None
    for cell in notebook.cells:
        anchor = ANCHOR.search(cell.source) if cell.cell_type == "markdown" else None
        if anchor:
            exercise = anchor[1]
            words[exercise] = 0
        elif cell.cell_type == "markdown" and re.match(r"#|<details>", cell.source):
            exercise = None
        elif exercise and cell.cell_type == "markdown":
            words[exercise] += len(cell.source.replace("*Your answer:*", "").split())
    return {name: f"{count} words" if count else "" for name, count in words.items()}


def run(file: Path, told: Path, seconds: float, gigabytes: float) -> None:
    """The process of its own: run a notebook cell by cell and write down each verdict as it falls."""
    if hasattr(signal, "setitimer"):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (int(gigabytes * 1e9),) * 2)  # a cell gets a MemoryError, others run
        signal.signal(signal.SIGALRM, stop)
    from IPython.core.interactiveshell import InteractiveShell

    from rnnrev import book

    judge = book.check

    def tell(exercise: str, verdict: str) -> None:
        with told.open("a", encoding="utf-8") as out:
            out.write(json.dumps([exercise, verdict]) + "\n")

    def check(exercise: str, answer: object = None) -> book.answers.Checked:
        found = judge(exercise, answer)
        if found.ok is not None:
            unanswered = found.hint == book.answers.NO_ANSWER
            tell(exercise, "right" if found.ok else "" if unanswered else f"not yet: {found.hint}")
        return found

    book.check = check
    shell = InteractiveShell.instance()
    for cell in nbformat.read(file, 4).cells:
        if cell.cell_type != "code" or "setup" in cell.metadata.get("tags", ()):
            continue
        asked = CHECK.findall(cell.source)
        for exercise in asked:
            tell(exercise, "stopped")  # unless something better follows
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, seconds, 1)  # again and again, if somebody catches it
        outcome = shell.run_cell(cell.source)
        if hasattr(signal, "setitimer"):
            signal.setitimer(signal.ITIMER_REAL, 0)
        error = outcome.error_before_exec or outcome.error_in_exec
        if error is not None:
            reason = {Stopped: f"stopped: a cell ran for {seconds:g} s", MemoryError: f"stopped: {gigabytes:g} GB"}
            for exercise in asked:
                tell(exercise, reason.get(type(error), f"error: {type(error).__name__}: {error}"))


@cache
def walls() -> tuple[str, ...]:
    """Where Linux allows it: no network, and processes that end with the first of them."""
    command = ("unshare", "--map-root-user", "--net", "--pid", "--fork", "--kill-child")
    allowed = shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True).returncode == 0
    return command if allowed else ()


def family(process: psutil.Process) -> list[psutil.Process]:
    return [*process.children(recursive=True), process]


def grade(file: Path, seconds: float, minutes: float, gigabytes: float) -> dict[str, str]:
    """The verdict on each exercise of a notebook."""
    try:
        verdicts = written(nbformat.read(file, 4))
    except Exception as error:  # whatever a student hands in
        return {"problem": f"no notebook: {error}".splitlines()[0]}
    with tempfile.TemporaryDirectory() as folder:
        told, mine = Path(folder, "told"), Path(folder, "notebook")
        shutil.copy(file, mine)
        command = [*walls(), sys.executable, __file__, "--run", mine, told, str(seconds), str(gigabytes)]
        environment = {k: v for k, v in os.environ.items() if k in KEPT} | SETTINGS | {"HOME": folder}
        quiet = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        process = psutil.Popen(command, cwd=folder, env=environment, start_new_session=True, **quiet)
        reason, end = "", time.monotonic() + 60 * minutes
        while process.poll() is None and not reason:
            time.sleep(0.05)
            try:
                used = sum(p.memory_info().rss for p in family(process))
            except psutil.Error:  # one of them has just ended
                continue
            if used > gigabytes * 1e9:
                reason = f"stopped: {gigabytes:g} GB"
            elif time.monotonic() > end:
                reason = f"stopped: the notebook ran for {minutes:g} min"
        if reason:
            for one in family(process):
                one.kill()
        ended = process.wait()
        lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
        for exercise, verdict in map(json.loads, lines):
            verdicts[exercise] = verdict
        return {k: (reason or f"stopped: exit {ended}") if v == "stopped" else v for k, v in verdicts.items()} | (
            {"problem": reason or f"exit {ended}"} if reason or ended else {}
        )


def table(folder: Path, jobs: int, **limits: float) -> pd.DataFrame:
    """Students in rows, exercises in columns; of two notebooks with one exercise the one changed last counts."""
    from rnnrev.book.answers import exercises

    files = sorted(
        (f for f in folder.rglob("*.ipynb") if ".ipynb_checkpoints" not in f.parts), key=lambda f: f.stat().st_mtime
    )
    rows: dict[str, dict[str, str]] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for file, verdicts in zip(files, pool.map(lambda f: grade(f, **limits), files)):
            name = student(file, folder)
            rows[name] = rows.get(name, {}) | verdicts
            print(f"{name}: {file.name}, {sum(v == 'right' for v in verdicts.values())} right", flush=True)
    made = pd.DataFrame.from_dict(rows, orient="index").sort_index()
    columns = [e for e in (*exercises(), "problem") if e in made]
    made = made.reindex(columns=columns).fillna("").rename_axis("name")
    made.insert(0, "right", (made == "right").sum(axis=1))
    return made


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        file, told, seconds, gigabytes = sys.argv[2:]
        return run(Path(file), Path(told), float(seconds), float(gigabytes))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("submissions", type=Path, help="folder of notebooks")
    parser.add_argument("--out", type=Path, default=Path("grades.csv"), help="table to write (grades.csv)")
    parser.add_argument("--seconds", type=float, default=120, help="limit for a cell (120)")
    parser.add_argument("--minutes", type=float, default=10, help="limit for a notebook (10)")
    parser.add_argument("--gigabytes", type=float, default=6, help="memory for a notebook (6)")
    parser.add_argument("--jobs", type=int, default=1, help="notebooks at a time (1)")
    args = parser.parse_args()
    limits = {name: getattr(args, name) for name in ("seconds", "minutes", "gigabytes")}
    made = table(args.submissions, args.jobs, **limits)
    made.to_csv(args.out)
    print(f"{len(made)} students in {args.out}")


if __name__ == "__main__":
    main()
