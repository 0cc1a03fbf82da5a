"""Run notebooks of the edition as Colab does: with what Colab has, and what their first cell installs.

    python scripts/colab.py runs/colab 01-training 08-known-language     # after `make notebooks`

The first argument is a folder for the environment (made if it is not there, 2 GB); without names, all notebooks run.
The package comes from a wheel of this folder, not from its address. Needs a package index, and Python 3.12 as Colab.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
#: What a notebook finds in Colab, in Colab's versions; nbclient plays the browser's part.
HAS = [
    "ipykernel==6.17.1", "ipython==7.34.0", "ipywidgets==7.7.1", "matplotlib==3.10.0", "numpy==2.0.2", "pandas==2.2.2",
    "tensorflow==2.19.0", "nbclient", "setuptools", "wheel",
]  # fmt: skip
STAND_IN = """\
called = []
def enable_custom_widget_manager():
    called.append(True)
"""


def environment(folder: Path) -> Path:
    """The Python of an environment with what Colab has, and a module google.colab that is loaded from the start."""
    python = folder / "bin/python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *HAS], check=True)
        site = next(folder.glob("lib/python*/site-packages"))
        (site / "google/colab").mkdir(parents=True, exist_ok=True)
        (site / "google/colab/__init__.py").write_text("")
        (site / "google/colab/output.py").write_text(STAND_IN)
        (site / "colab.pth").write_text("import google.colab\n")
        (folder / "complete").touch()
    return python


def wheel(python: Path, folder: Path) -> Path:
    """The package as a file, built beside the repository."""
    source = folder / "source"
    shutil.copytree(ROOT / "rnnrev", source / "rnnrev", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([python, "-m", "pip", "wheel", *options, source], check=True)
    return next(folder.glob("rnnrev-*.whl"))


def run(notebook: Path, python: Path, package: Path, folder: Path) -> list[dict[str, Any]]:
    """The code cells of a notebook, executed in the environment; its first cell installs the package anew."""
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "--yes", "rnnrev", "anywidget"], check=True)
    made = json.loads(notebook.read_text(encoding="utf-8"))
    setup = next(c for c in made["cells"] if "setup" in c["metadata"].get("tags", ()))
    setup["source"] = re.sub(r"(--no-deps ).*", rf'\1"{package}"', "".join(setup["source"]))
    file, out = folder / notebook.name, folder / f"executed-{notebook.name}"
    file.write_text(json.dumps(made), encoding="utf-8")
    play = (
        "import sys, nbformat, nbclient; n = nbformat.read(sys.argv[1], 4);"
        "nbclient.NotebookClient(n, timeout=1800, kernel_name='python3').execute(); nbformat.write(n, sys.argv[2])"
    )
    subprocess.run([python, "-c", play, file, out], cwd=folder, check=True)
    return [c for c in json.loads(out.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environment", type=Path, help="folder of the environment")
    parser.add_argument("names", nargs="*", help="notebooks (all)")
    args = parser.parse_args()
    made = {f.stem: f for f in sorted((ROOT / "_build/notebooks").glob("[!.]*.ipynb")) if "(yours" not in f.stem}
    if not made:
        sys.exit("there are no notebooks: run `make notebooks` first")
    python = environment(args.environment.resolve())
    with tempfile.TemporaryDirectory() as temporary:
        package = wheel(python, Path(temporary))
        for name in args.names or made:
            code = run(made[name], python, package, Path(temporary))
            alive = sum("application/vnd.jupyter.widget-view+json" in str(c["outputs"]) for c in code)
            print(f"{name}: {len(code)} code cells ran without error, {alive} widgets", flush=True)


if __name__ == "__main__":
    main()
