"""The package as it is installed: built as sdist and wheel, in an environment of its own, without the repository."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
if not (ROOT / "pyproject.toml").is_file():
    pytest.skip("installed without the repository", allow_module_level=True)
pytest.importorskip("setuptools", minversion="77")
pytestmark = pytest.mark.slow


def run(*command: str | Path, cwd: Path) -> str:
    """What a command prints; its errors, where it fails."""
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the unpacked sdist, so that this is whole too."""
    place = tmp_path_factory.mktemp("dist")
    source = place / "source"
    tracked = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for name in filter(None, tracked):
        if name.startswith("rnnrev/") or name in ("pyproject.toml", "README.md", "LICENSE"):
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes((ROOT / name).read_bytes())
    build = "import sys, setuptools.build_meta as b; print(getattr(b, 'build_' + sys.argv[1])(sys.argv[2]))"
    run(sys.executable, "-c", build, "sdist", place, cwd=source)
    (sdist,) = place.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(place / "unpacked", filter="data")
    (unpacked,) = (place / "unpacked").iterdir()
    run(sys.executable, "-c", build, "wheel", place, cwd=unpacked)
    (built,) = place.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel in it; the libraries are borrowed from this one, but not its rnnrev."""
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False, symlinks=True)
    python = place / "bin" / "python"
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place).strip())
    borrowed = [p for p in sys.path if p.endswith("-packages")]
    (packages / "borrowed.pth").write_text("\n".join(borrowed))
    install = (sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", "--quiet", wheel)
    run(*install, cwd=place)
    return python


def test_wheel_holds_what_the_package_reads_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        sizes = {i.filename: i.compress_size for i in archive.infolist()}
    names = set(sizes)
    tracked = {n for n in run("git", "ls-files", "rnnrev", cwd=ROOT).split("\n") if n}
    packed = {n for n in names if n.startswith("rnnrev/")}
    assert packed == tracked
    assert {n.split("/")[0] for n in names} == {"rnnrev", wheel.name.split("-py3")[0] + ".dist-info"}
    networks = sum(size for name, size in sizes.items() if name.startswith("rnnrev/networks/"))
    assert networks < 35e6, "what is shipped of networks, all in all, may take this much"
    assert wheel.stat().st_size - networks < 3e6, "records, reviews, code"


def test_wheel_works_in_an_environment_of_its_own(python: Path, tmp_path: Path) -> None:
    command = python.parent / "rnnrev"
    where = run(python, "-c", "import rnnrev; print(rnnrev.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(python.parents[1])
    assert "gru-imdb" in run(command, "zoo", cwd=tmp_path)
    assert run(command, "trace", "not good", cwd=tmp_path).splitlines()[-1].endswith("good")
    reads = (
        "from rnnrev import claims, zoo; from rnnrev.data import load_reviews, load_contrasts\n"
        "from rnnrev.modifiers import lexicon; from rnnrev.files import RECORDS\n"
        "names = [f.stem for f in RECORDS.glob('*.csv')]; assert names and all(len(claims.read(n)) for n in names)\n"
        "print(len(claims.CLAIMS), len(load_reviews('book')), len(load_contrasts()), len(lexicon()))\n"
        "for name in zoo.names(): zoo.load(name).logits(['good'])"
    )
    assert all(int(n) > 10 for n in run(python, "-c", reads, cwd=tmp_path).split())
    run(python, "-m", "rnnrev.widgets", tmp_path / "widgets", cwd=tmp_path)
    assert {"widgets.js", "widgets.css"} <= {f.name for f in (tmp_path / "widgets").iterdir()}


def test_wheel_writes_a_report(python: Path, tmp_path: Path) -> None:
    run(python.parent / "rnnrev", "report", "--model", "vanilla-imdb", "--scored", "60", "--quiet", cwd=tmp_path)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "vanilla-imdb" in page
    assert "data:image" in page or "<svg" in page
