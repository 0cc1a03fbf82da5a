"""Augmented bag of words: seconds an epoch and tokens a second, by parts and sides, on texts of random words.

python benchmarks/augmented_bow.py [--texts 2000] [--tokens 250]
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from rnnrev.book.augmented import STEPS, AugmentedConfig, train_augmented
from rnnrev.data import Reviews

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--texts", type=int, default=2000)
parser.add_argument("--tokens", type=int, default=250)
args = parser.parse_args()

rng = np.random.default_rng(0)
drawn = np.minimum(rng.zipf(1.3, (args.texts, args.tokens)), 20_000)
reviews = Reviews(
    "random", "train", tuple(" ".join(f"w{i}" for i in row) for row in drawn), rng.integers(0, 2, args.texts)
)
modifiers = [f"w{i}" for i in range(1, 1001)]

print(f"{'step':<16}{'tokens/s':>12}{'s/epoch':>10}")
for step, changes in STEPS.items():
    config = replace(AugmentedConfig(epochs=2), **changes)
    row = train_augmented(config, reviews, modifiers, progress=False).record["curve"][-1]
    print(f"{step:<16}{row['tokens_per_second']:>12,.0f}{row['seconds']:>10.1f}")
