"""How long adjoints along text and the reduction of a shipped network take.

    python benchmarks/balanced.py [NETWORK]

On two quiet cores adjoints of 60 texts × 160 tokens at lags 0 … 60 must take under 3 s, the reduction under 8 s, the
choice of k included. Wall time and time on the processor: the second is what counts on a machine that has other work.
Seen with a load of 18: 2.5 s (0.6 s of processor) and 9.0 s (2.0 s).
"""

from __future__ import annotations

import sys
import time

import numpy as np

from rnnrev import zoo
from rnnrev.balanced import explained, reduce
from rnnrev.data import load_reviews
from rnnrev.driven import adjoints, token_arrays
from rnnrev.model import SentimentRNN


def main(name: str = "gru-imdb") -> None:
    model = zoo.load(name, SentimentRNN)
    texts = load_reviews("book").texts
    ids = token_arrays(model, texts, 60, 160)
    model.projected  # noqa: B018  made once a network
    wall, busy = time.perf_counter(), time.process_time()
    found = adjoints(model, ids)
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    print(f"{np.prod(found.shape[:2]):,} adjoints in {wall:.1f} s ({busy:.1f} s of processor)")
    wall, busy = time.perf_counter(), time.process_time()
    reduced = reduce(model)
    wall, busy = time.perf_counter() - wall, time.process_time() - busy
    print(f"{reduced!r} in {wall:.1f} s ({busy:.1f} s of processor)")
    ids = model.vocabulary.encode_all(load_reviews("book", "hard").texts)
    seconds = []
    for m in (model, reduced):
        started = time.perf_counter()
        m.logits_of(ids)
        seconds.append(time.perf_counter() - started)
    r2 = explained(model.logits_of(ids), reduced.logits_of(ids))
    print(f"{len(ids)} other reviews: R² {r2:.3f}; {seconds[1]:.2f} s, the whole network {seconds[0]:.2f} s")


if __name__ == "__main__":
    main(*sys.argv[1:])
