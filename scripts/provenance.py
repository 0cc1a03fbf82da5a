"""How a record was made: its command, and the code, data, seeds and versions behind its numbers.

A record names the hash of every definition that its measuring reaches, found in the source: from the functions of
:data:`RECIPES` on through all names they use, in `rnnrev` and in these scripts. Comments, docstrings, annotations and
layout are no part of it, nor are code that only draws or writes, and other people's packages (the record names their
versions). A test compares records and code.
"""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnrev import __version__, claims, zoo
from rnnrev.files import RECORDS, digest, write_json, write_text

ROOT = Path(__file__).parents[1]
DATASETS = "rnnrev/datasets"


@dataclass(frozen=True)
class Recipe:
    """How a record is measured, from what, and by which functions."""

    command: str
    inputs: str
    computed_by: tuple[str, ...]  #: module.name of what runs, and of the settings that are no argument of it


SWEEP = ("sweeps.ARCHITECTURES", "sweeps.SEEDS")
RECIPES = {
    "networks": Recipe(
        "python scripts/records.py networks",
        "shipped networks; IMDB, SST-2, Yelp",
        ("records.measured", "records.DATA"),
    ),
    "context": Recipe(
        "python scripts/records.py context",
        "shipped models; IMDB, SST-2, Yelp, revised reviews, CheckList",
        ("records.read_context",),
    ),
    "balanced": Recipe(
        "python scripts/balanced.py",
        "shipped networks; IMDB, SST-2, Yelp, hotels, revised reviews; language's networks",
        ("balanced.PARTS", "balanced.known", "balanced.Study", "balanced.texts_of_test"),
    ),
    "augmented": Recipe(
        "python scripts/augmented.py --vectors runs/vectors-imdb-128.npz --soft-labels runs/soft-imdb.npz",
        "shipped networks; IMDB, SST-2, revised reviews; vectors and labels (scripts/vectors.py, scripts/label.py)",
        ("augmented.run", "augmented.revised"),
    ),
    "rebuild": Recipe(
        "python scripts/rebuild.py",
        "shipped models; IMDB, SST-2, Yelp, revised reviews, CheckList",
        ("rebuild.PARTS",),
    ),
    "toy": Recipe(
        "python scripts/toy.py",
        "nothing: trains 24 networks; those that are shipped are not trained again",
        ("toy.measured", "toy.plan", "toy.PHRASES"),
    ),
    "flips": Recipe(
        "python scripts/flips.py --vectors runs/vectors-imdb.npz",
        "shipped teachers; IMDB, SST, Yelp, revised reviews; vectors (scripts/vectors.py); trains 27 GRUs and 4 bags",
        ("flips.measured", "flips.over_seeds", "flips.plan"),
    ),
    "gates": Recipe(
        "python scripts/gates.py",
        "IMDB, SST-2, Yelp, revised reviews, CheckList; trains 63 readers",
        ("gates.gates", "gates.READERS", "gates.compared", *SWEEP),
    ),
    "language": Recipe("python scripts/sweeps.py language", "nothing: trains 12 networks", ("sweeps.known", *SWEEP)),
    "subjects": Recipe(
        "python scripts/subjects.py",
        "nothing: trains 6 networks",
        ("subjects.measured", "subjects.TRAININGS", "sweeps.SEEDS"),
    ),
    "difficulty": Recipe("python scripts/sweeps.py difficulty", "nothing: trains 9 networks", ("sweeps.harder",)),
    "bags": Recipe(
        "python scripts/sweeps.py bags",
        "nothing: trains 15 bags; three of language's networks",
        ("sweeps.bags", "sweeps.over_seeds", *SWEEP),
    ),
    "classes": Recipe(
        "python scripts/sweeps.py classes", "nothing: trains 15 networks", ("sweeps.classes", "sweeps.CLASSES", *SWEEP)
    ),
    "stars": Recipe(
        "python scripts/sweeps.py stars",
        "Yelp with stars; shipped networks; trains 12 networks",
        ("sweeps.stars", *SWEEP),
    ),
}

# --- the code -------------------------------------------------------------------------------------

#: Fields of the syntax tree that change no number (some exist in newer versions of Python only).
SILENT = frozenset({"annotation", "returns", "ctx", "kind", "type_comment", "type_params", "simple"})


def parts(node: ast.AST) -> Iterator[tuple[str, list[Any]]]:
    """The fields of a node that can change a number, each as a list; texts that nobody uses are docstrings."""
    for name, value in ast.iter_fields(node):
        found = value if isinstance(value, list) else [] if value is None else [value]
        told = [v for v in found if not (isinstance(v, ast.Expr) and isinstance(v.value, ast.Constant))]
        if isinstance(node, ast.JoinedStr):  # Python 3.12 ends a format with an empty text
            told = [v for v in told if not (isinstance(v, ast.Constant) and v.value == "")]
        if told and name not in SILENT:
            yield name, told


def plain(node: object) -> str:
    """A node as text that is the same for every version of Python."""
    if not isinstance(node, ast.AST):
        return repr(node)
    inside = (f"{name}={','.join(map(plain, found))}" for name, found in parts(node))
    return f"{type(node).__name__}({';'.join(inside)})"


def walk(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for _, found in parts(node):
        for each in found:
            if isinstance(each, ast.AST):
                yield from walk(each)


def names(node: ast.AST) -> set[str]:
    """Names that are used somewhere in a node."""
    return {n.id for n in walk(node) if isinstance(n, ast.Name)}


def targets(statement: ast.stmt) -> set[str]:
    """Names that a statement of a module defines or changes."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return {statement.name}
    left = getattr(statement, "targets", [getattr(statement, "target", None)])
    return {n.id for t in left if t is not None for n in ast.walk(t) if isinstance(n, ast.Name)}


def without_methods(statements: list[ast.stmt]) -> tuple[list[ast.stmt], list[ast.FunctionDef]]:
    """Classes without the methods that only run where they are called, and these."""
    rest, methods = [], []
    for s in statements:
        if isinstance(s, ast.ClassDef):
            own = [f for f in s.body if isinstance(f, ast.FunctionDef) and not f.name.startswith("__")]
            methods += own
            body = [f for f in s.body if f not in own]
            s = ast.ClassDef(s.name, s.bases, s.keywords, body, s.decorator_list)  # type: ignore[call-arg]  # of 3.11
        rest.append(s)
    return rest, methods


@dataclass
class Module:
    """The definitions of one file, and what its names stand for."""

    name: str
    tree: ast.Module = field(repr=False)
    package: frozenset[str] = field(repr=False)  #: modules there are

    @cached_property
    def defined(self) -> dict[str, list[ast.stmt]]:
        found: dict[str, list[ast.stmt]] = {}
        for statement in self.tree.body:
            for name in targets(statement):
                found.setdefault(name, []).append(statement)
        return found

    @cached_property
    def registered(self) -> dict[str, set[str]]:
        """List → the functions that a decorator of this module puts into it."""
        found: dict[str, set[str]] = {}
        for f in [s for s in self.tree.body if isinstance(s, ast.FunctionDef)]:
            for decorator in [s for d in f.decorator_list for n in names(d) for s in self.defined.get(n, [])]:
                for name in names(decorator) if isinstance(decorator, ast.FunctionDef) else ():
                    if isinstance(self.defined.get(name, [None])[0], ast.Assign | ast.AnnAssign):
                        found.setdefault(name, set()).add(f.name)
        return found

    @cached_property
    def imported(self) -> dict[str, tuple[str, str]]:
        """Name here → module and name there; the name is empty where it is the module itself."""
        found = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ImportFrom):
                base = ".".join(self.name.split(".")[: -node.level]) if node.level else ""
                source = ".".join(filter(None, [base, node.module]))
                for alias in node.names:
                    whole = f"{source}.{alias.name}"
                    there = (whole, "") if whole in self.package else (source, alias.name)
                    found[alias.asname or alias.name] = there
        return found


class Source:
    """The files of the package and the scripts: those of a commit, or those that lie here."""

    def __init__(self, commit: str | None = None) -> None:
        self.commit = commit
        listed = self._git("ls-tree", "-r", "--name-only", commit).split() if commit else [
            str(f.relative_to(ROOT).as_posix()) for folder in ("rnnrev", "scripts") for f in (ROOT / folder).rglob("*")
        ]  # fmt: skip
        self.files = {f for f in listed if f.startswith(("rnnrev/", "scripts/"))}
        names = {
            f.removeprefix("scripts/").removesuffix(".py").replace("/", "."): f for f in self.files if f.endswith(".py")
        }
        self.modules = {name.removesuffix(".__init__"): f for name, f in names.items()}
        self._known: dict[str, Module] = {}

    def _git(self, *asked: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *asked], capture_output=True, check=True, text=True).stdout

    def read(self, file: str) -> str:
        return self._git("show", f"{self.commit}:{file}") if self.commit else (ROOT / file).read_text(encoding="utf-8")

    def module(self, name: str) -> Module:
        if name not in self._known:
            file = self.modules[name]
            within = f"{name}.__init__" if file.endswith("__init__.py") else name
            self._known[name] = Module(within, ast.parse(self.read(file)), frozenset(self.modules))
        return self._known[name]

    def reached(self, name: str | tuple[str, ...]) -> dict[str, str]:
        """Every definition that measuring a record (or: these) reaches, by module and name, and the data files read.

        A method counts where its name is said (as an attribute, or a text for ``getattr``) in what is reached.
        """
        entries = RECIPES[name].computed_by if isinstance(name, str) else name
        waiting = [tuple(entry.rsplit(".", 1)) for entry in entries]
        found: dict[str, str] = {}
        said: set[str] = set()
        methods: dict[str, tuple[str, ast.stmt]] = {}
        while waiting or (called := [key for key in methods if key.rsplit(".", 1)[1] in said]):
            if waiting:
                where, what = waiting.pop()
                key = f"{where}.{what}"
                if key in found or where not in self.modules or what == "__version__":
                    continue
                module = self.module(where)
                statements, own = without_methods(module.defined.get(what, []))
                if not statements:
                    waiting += [module.imported[what]] if what in module.imported else []
                    continue
                methods |= {f"{key}.{method.name}": (where, method) for method in own}
                waiting += [(where, f) for f in sorted(module.registered.get(what, ()))]
            else:
                key = called[0]
                where, method = methods.pop(key)
                module, statements = self.module(where), [method]
            found[key] = found.get(key, "") + " ".join(map(plain, statements))
            for node in (n for s in statements for n in walk(s)):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                    waiting.append((where, node.id))
                elif isinstance(node, ast.Attribute):
                    said.add(node.attr)
                    if isinstance(node.value, ast.Name):
                        there, inside = module.imported.get(node.value.id, ("", "-"))
                        waiting += [] if inside else [(there, node.attr)]
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    said.add(node.value)
                    if f"{DATASETS}/{node.value}" in self.files:
                        found[node.value] = self.read(f"{DATASETS}/{node.value}")
        return found

    def code(self, name: str | tuple[str, ...]) -> str:
        """The hash of a record's code, or of what these definitions reach."""
        return hashlib.sha256(json.dumps(self.reached(name), sort_keys=True).encode()).hexdigest()

    def changed(self, name: str, than: Source) -> list[str]:
        """Definitions that are not what they were, appeared or went away."""
        mine, others = self.reached(name), than.reached(name)
        return sorted(key for key in mine.keys() | others.keys() if mine.get(key) != others.get(key))


# --- the record -----------------------------------------------------------------------------------


def commit() -> str | None:
    """The commit that lies here, marked where code differs from it."""
    if not shutil.which("git"):
        return None
    git = ["git", "-C", str(ROOT)]
    last = subprocess.run([*git, "describe", "--always"], capture_output=True, text=True).stdout.strip()
    edited = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "rnnrev", "scripts", ":!rnnrev/records"])
    return last + "-dirty" * (edited.returncode == 1) or None


COMMIT = commit()  #: when the run began


def networks(of: Iterable[str | Path]) -> dict[str, str]:
    """Hashes of networks by name: of files, or of names that are shipped or that networks.py made."""
    shipped = {name: zoo.FOLDER / f"{name}{zoo.SUFFIX}" for name in zoo.names()}
    files = [Path(shipped.get(str(n), n if Path(n).suffix else ROOT / "runs" / f"{n}{zoo.SUFFIX}")) for n in of]
    return {f.stem: digest(f)[:16] for f in files}


def write_table(name: str, table: pd.DataFrame, about: Mapping[str, Any], folder: Path = RECORDS) -> Path:
    """Write a tidy record: ``NAME.csv``, numbers with five figures, and beside it ``NAME.json``: how it was made.

    ``about`` gives seeds, the data's fingerprints and ``minutes``; command, code, commit and versions are added.
    """
    about = {"command": RECIPES[name].command, "code": Source().code(name), **about, "commit": COMMIT}
    versions = {"rnnrev": __version__, "python": platform.python_version(), "numpy": np.__version__}
    file = Path(folder) / f"{name}.csv"
    write_json(file.with_suffix(".json"), about | {"versions": versions, "measured": time.strftime("%Y-%m-%d")})
    return write_text(file, table.to_csv(index=False, float_format="%.5g"))


def add(name: str, table: pd.DataFrame, took: float, files: Mapping[str, str]) -> str:
    """Put rows into a record, in the place of those that say what they say; what it told of itself stays.

    ``took`` are their minutes, ``files`` the networks they are of, by hash. ``SystemExit`` if the record's code is not
    that of today.
    """
    about = json.loads((RECORDS / f"{name}.json").read_text(encoding="utf-8"))
    if about["code"] != Source().code(name):
        raise SystemExit(
            "the record's code is not that of today: measure all of it, or show that numbers stay and stamp"
        )
    known = claims.read(name)
    order = {name: i for i, name in enumerate(dict.fromkeys([*known.network, *table.network]))}
    keys = ["network", "data", "measure", "condition", "at"]
    whole = pd.concat([known, table]).drop_duplicates(keys, keep="last")
    whole = whole.sort_values("network", key=lambda c: c.map(order), kind="stable")
    about |= {"networks": about["networks"] | dict(files), "minutes": round(about["minutes"] + took, 1)}
    changed = len(known) + len(table) - len(whole)
    return f"{len(table):,} rows, {changed:,} of them in the place of others: {write_table(name, whole, about)}"


def stamp(name: str, why: str, folder: Path = RECORDS) -> list[str]:
    """Name the code of today in a record whose numbers it is shown to leave alone; what changed is named there too."""
    file = folder / f"{name}.json"
    about = json.loads(file.read_text(encoding="utf-8"))
    stamps = about.get("stamps", [])
    since = (stamps[-1] if stamps else about)["commit"].removesuffix("-dirty")
    here = Source()
    try:
        changed = here.changed(name, Source(since))
    except subprocess.CalledProcessError:  # a branch that was rebased
        changed = [f"not known: {since} is no commit of this history"]
    if about.get("code") == here.code(name):
        return []
    new = {"why": why, "since": since, "changed": changed, "commit": commit()}
    write_json(file, about | {"code": here.code(name), "stamps": [*stamps, new]})
    return changed
