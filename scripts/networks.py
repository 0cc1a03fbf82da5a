"""Networks that records count and the package does not ship: the commands that make each.

    python scripts/networks.py                            a table: name, steps
    python scripts/networks.py ugrnn-yelp gru-hard …      make these, each as runs/NAME.safetensors

A step whose file is there is not taken again. Two to twenty minutes a network on one core; reading films' texts for
`gru-all-pretrained` takes 35.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from pathlib import Path

from provenance import ROOT

from rnnrev import zoo
from rnnrev.model import SentimentRNN

FILMS = "scripts/vectors.py --out runs/vectors-imdb.npz"
PLACES = "scripts/vectors.py --data yelp --extra hotels restaurants --out runs/vectors-yelp.npz"
YELP = "rnnrev train --data yelp --extra hotels restaurants --balance --compact --batch-size 128 --quiet"
HARD = "rnnrev train --extra sst2 --compact --batch-size 128 --quiet"
USUAL = "--epochs 3 --learning-rate 0.0015"
BAG = "--cell bow --epochs 8 --learning-rate"
KNOB = (
    "--cell knob --n-units 1 --state-dropout 0 --precision float32 --epochs 5 --learning-rate 0.003 --word-dropout 0.3"
)
RUNGS = ("ranked", "still", "added", "middle", "turned", "forgets", "frequent", "random", "all")  #: of scripts/rungs.py
READER = (
    "rnnrev train --extra sst2 yelp hotels restaurants --balance --max-tokens 0 --compact --batch-size 128 --quiet "
    "--epochs 3 --learning-rate 0.001"
)
ALL_TEXTS = (
    "scripts/pretrain.py --extra yelp hotels restaurants --vectors runs/vectors-imdb.npz --out runs/next-word-all.npz"
)
#: As these two were taught: by the plain GRUs' labels of the unlabelled reviews.
LABELS = "scripts/label.py gru-imdb gru-imdb-1 gru-imdb-2 --out runs/soft-imdb.npz"
TAUGHT = (
    "rnnrev train --extra sst2 --soft-labels runs/soft-imdb.npz --batch-size 128 --max-tokens 0 --epochs 2 "
    "--learning-rate 0.001 --compact"
)


def pretrained(seed: int) -> list[str]:
    """A further seed of ``gru-imdb-pretrained``."""
    words = f"runs/next-word-{seed}.npz"
    reading = f"scripts/pretrain.py --vectors runs/vectors-imdb.npz --epochs 2 --seed {seed} --out {words}"
    return [FILMS, reading, LABELS, f"{TAUGHT} --pretrained {words} --seed {seed}"]


def seeds(name: str, command: str, vectors: str = "") -> dict[str, list[str]]:
    """One network for each of three seeds."""
    files = {f"{name}{f'-{seed}' * bool(seed)}": seed for seed in range(3)}
    before = [vectors] if vectors else []
    using = f" --vectors {vectors.split()[-1]}" if vectors else ""
    return {n: [*before, f"{command}{using} --seed {seed}"] for n, seed in files.items()}


#: Name -> its steps, the last of which is given --out runs/NAME.safetensors.
NETWORKS: dict[str, list[str]] = {
    **seeds("gru-yelp", f"{YELP} {USUAL} --cell gru", PLACES),
    "lstm-yelp": [PLACES, f"{YELP} {USUAL} --cell lstm --vectors runs/vectors-yelp.npz"],
    "ugrnn-yelp": [PLACES, f"{YELP} {USUAL} --cell ugrnn --vectors runs/vectors-yelp.npz"],
    "vanilla-yelp": [
        PLACES, f"{YELP} --epochs 4 --learning-rate 0.0005 --cell vanilla --vectors runs/vectors-yelp.npz"
    ],
    "bow-vectors-yelp": [PLACES, f"{YELP} {BAG} 0.001 --vectors runs/vectors-yelp.npz"],
    "gru-all-pretrained": [
        FILMS, ALL_TEXTS, f"{READER} --pretrained runs/next-word-all.npz"
    ],
    **{f"gru-imdb-pretrained-{seed}": pretrained(seed) for seed in (1, 2)},
    **seeds("gru-hard", f"{HARD} {USUAL} --cell gru", FILMS),
    **seeds("gru-hard-plain", f"{HARD} {USUAL} --cell gru"),
    **seeds("bow-hard", f"{HARD} {BAG} 0.001", FILMS),
    **seeds("bow-hard-plain", f"{HARD} {BAG} 0.003"),
    **seeds("knob-hard-plain", f"{HARD.replace('128', '256')} {KNOB}"),
    **{k: v for r in RUNGS for k, v in seeds(f"rung-{r}", f"scripts/rungs.py {r}", FILMS).items()},
}  # fmt: skip


def recurrent(pretrained: bool = False) -> list[str]:
    """Names of the shipped networks whose gates see the state; or of those that learned to predict words first."""
    models = {n: model for n in zoo.names() if isinstance(model := zoo.load(n), SentimentRNN) and model.cell.U.any()}
    return [n for n, m in models.items() if (m.record["config"].get("pretrained", "none") != "none") == pretrained]


def make(name: str) -> Path:
    """Take the steps of a network whose files are not there, from the top of the repository."""
    target = ROOT / "runs" / f"{name}.safetensors"
    *before, last = NETWORKS[name]
    for step, file in [
        *((s, ROOT / s.split()[-1]) for s in before),
        (f"{last} --out {target.relative_to(ROOT)}", target),
    ]:
        if not file.is_file():
            program, *options = shlex.split(step)
            call = ["-m", program] if program == "rnnrev" else [program]
            subprocess.run([sys.executable, *call, *options], cwd=ROOT, check=True)
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], *NETWORKS], metavar="NAME", help="networks to make")
    args = parser.parse_args()
    for name in args.names:
        print(make(name))
    if not args.names:
        for name, steps in NETWORKS.items():
            print(name, *steps, sep="\n    ")


if __name__ == "__main__":
    main()
