"""Tokens a second that the known language is sampled at, labels and joined texts included, and the toy with its sums.

    python benchmarks/language.py [--texts 50000] [--rounds 3]

Wall time and time on the processor: the second is what counts on a machine that has other work.
"""

from __future__ import annotations

import argparse
import time

from rnnrev.book.language import TWELVE_WORDS, Language

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--texts", type=int, default=50_000)
parser.add_argument("--rounds", type=int, default=3)
args = parser.parse_args()


def sums(texts: int, seed: int) -> None:
    TWELVE_WORDS.running(*TWELVE_WORDS.sample_ids(texts, seed))


for name, language, draw in (("labelled", Language(), Language().sample), ("twelve words, sums", TWELVE_WORDS, sums)):
    for seed in range(args.rounds):
        wall, busy = time.perf_counter(), time.process_time()
        draw(args.texts, seed)
        wall, busy = time.perf_counter() - wall, time.process_time() - busy
        tokens = int(language.sample_ids(args.texts, seed)[1].sum())
        speed = f"{tokens / wall:,.0f} a second of wall time, {tokens / busy:,.0f} of processor time"
        print(f"{name}: {tokens:,} tokens: {speed}")
