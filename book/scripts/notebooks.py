"""Take the notebooks of a built site to a folder to work in; what somebody changed there is kept.

    python book/scripts/notebooks.py _build/html _build/notebooks      # `make notebooks`

A notebook that is not as it was made last is moved aside, and its place told, before the fresh one is written.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from pathlib import Path


def hand_out(made: list[Path], folder: Path) -> None:
    """Write the notebooks, and move those aside that somebody worked in."""
    folder.mkdir(parents=True, exist_ok=True)
    known_file = folder / ".made.json"
    known = json.loads(known_file.read_text()) if known_file.is_file() else {}
    for source in made:
        file, new = folder / source.name, hashlib.sha256(source.read_bytes()).hexdigest()
        if file.is_file() and hashlib.sha256(file.read_bytes()).hexdigest() not in (known.get(file.stem), new):
            kept = file.with_name(f"{file.stem} (yours, {time.strftime('%Y-%m-%d %H.%M.%S')}).ipynb")
            file.rename(kept)
            print(f"{file.name} was changed since it was made: your copy is now {kept.name}")
        partial = file.with_suffix(".tmp")
        partial.write_bytes(source.read_bytes())
        partial.replace(file)
        known[file.stem] = new
    known_file.write_text(json.dumps(known, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("site", type=Path, help="folder of the built site, _build/html")
    parser.add_argument("out", type=Path, help="folder to write")
    args = parser.parse_args()
    made = sorted(args.site.glob("_sources/book/*.ipynb"))
    if not made:
        sys.exit(f"{args.site} holds no notebooks: run `make book` first")
    hand_out(made, args.out)
    print(f"{len(made)} notebooks in {args.out}")


if __name__ == "__main__":
    main()
