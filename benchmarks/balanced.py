"""How long adjoints along text and the reduction of a shipped network take.

    python benchmarks/balanced.py [NETWORK]

On two quiet cores adjoints of 60 texts × 160 tokens at lags 0 … 60 must take under 3 s, the reduction under 8 s, the
choice of k included.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from rnnrev import zoo
from rnnrev.balanced import explained, reduce
from rnnrev.data import load_reviews
from rnnrev.driven import adjoints, token_arrays


def main(name: str = "gru-imdb") -> None:
    model = zoo.load(name)
    texts = load_reviews("book").texts
    ids = token_arrays(model, texts, 60, 160)
    model.projected  # noqa: B018  made once a network
    started = time.perf_counter()
    found = adjoints(model, ids)
    print(f"{np.prod(found.shape[:2]):,} adjoints in {time.perf_counter() - started:.1f} s")
    started = time.perf_counter()
    reduced = reduce(model)
    print(f"{reduced!r} in {time.perf_counter() - started:.1f} s")
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
