"""How long chapter 3's two bulk computations take, beside what they are compared with.

    python benchmarks/modifiers.py [NETWORK]

Scoring the frequent words must take under 10 s on two cores; a perturbed run under 1.5 times a plain one (amplify,
which reads the texts twice, under 2.5).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from rnnrev import linear, modifiers, perturb, zoo
from rnnrev.data import load_reviews
from rnnrev.model import SentimentRNN
from rnnrev.subspace import modifier_subspace


def best_of(function: Callable[[], object], n: int = 5) -> float:
    """Shortest of n wall-clock times, in seconds."""
    times = []
    for _ in range(n):
        started = time.perf_counter()
        function()
        times.append(time.perf_counter() - started)
    return min(times)


def main(name: str = "gru-imdb") -> None:
    model = zoo.load(name, SentimentRNN)
    point = linear.operating_point(model)
    probes = modifiers.probe_words(point)
    seconds = best_of(lambda: modifiers.modifier_effects(point, probes=probes), 2)
    print(f"{len(linear.frequent_words(model)):,} words scored in {seconds:.1f} s")

    subspace = modifier_subspace(point, np.arange(100, 200), 5)
    ids = model.vocabulary.encode_all(load_reviews("book").texts)
    plain = best_of(lambda: model.final_states_of(ids))
    runs: dict[str, list[perturb.Change]] = {
        "run, nothing changed": [],
        "project_out": [perturb.project_out(subspace)],
        "amplify": [perturb.amplify(subspace, 2.0)],
        "project_out in a window": [perturb.only(perturb.project_out(subspace), steps=slice(-10, None))],
        "amplify in a window": [perturb.only(perturb.amplify(subspace, 2.0), steps=slice(-10, None))],
        "start_from, project_out": [perturb.start_from(point.h_star), perturb.project_out(subspace)],
    }
    print(f"plain forward pass {plain:.2f} s for {sum(map(len, ids)):,} tokens")
    for label, changes in runs.items():
        seconds = best_of(partial(perturb.run, model, ids, changes))
        print(f"{label}: {seconds:.2f} s, {seconds / plain:.2f} times the plain pass")


if __name__ == "__main__":
    main(*sys.argv[1:])
