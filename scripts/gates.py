"""Gates that do not see the state, one layer and two: who can let one word act on the next? (chapter 10)

    python scripts/gates.py            seven readers, three kinds of text, three seeds: rnnrev/records/gates.csv

Small readers (64 units) of the same texts: of films, 6,000 reviews and 12,000 phrases, with the word vectors of the
film GRU; of restaurants, 18,000 Yelp reviews, with those of the Yelp GRU; of the known language of chapter 8, from
nothing. Written down before the first run, of the contrast phrases of chapter 3 (their gain: 0 is nothing, −1 muted):

* one layer, gates that see no state: nothing that a word writes depends on the state. An LRU's gains are 0 but for
  rounding (limit .01); a minGRU can only keep or erase what the modifier itself wrote;
* two layers bring context back: the second layer's gates read the first one's state. Two minGRU layers have at least
  half of the GRU's gain of negation;
* a convolution over four tokens before one layer does so too, but no further than it reaches: three tokens;
* without the volume axis of the two-layer network (chapter 7), modifiers lose half of their gain or more; without
  another axis that words drive as much, they do not.

Written down before the second run (Yelp, two GRU layers, layers apart, the known language; films' results were known):

* Yelp shows what films show, with the limits above; of the convolution, that it does not (as in films);
* a minGRU whose gates begin with memories of 1 to 1,000 tokens, as an LRU's do, reads reviews as well as the bag (half
  a point less at most), and mutes no more than before: under half of the GRU's gain;
* two minGRU layers are then within half a point of one GRU layer; two GRU layers are within half a point too;
* what a pair of words does beyond both alone follows from each word's own a and b, frozen at one state: r² ≥ .99 in one
  layer, for any state; under .9 in two layers and in the GRU;
* the volume is the first layer's state, read by the second one's gates: hiding it from these gates alone undoes half of
  the gain of negation or more, hiding it from what the second layer writes does not, nor does removing it in the second
  layer alone; other axes of the same variance do not either;
* behind the convolution, what "not" does to a word more than three tokens on is what it does in one layer (within .1);
* in the known language one layer gets less than half of what the modifiers are worth to the best reader, two layers and
  the GRU more; what one layer gets wrong are the words that turn round, most of all.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
from provenance import Source, write_table
from sweep import Cell, Row, grid, minutes, sweep
from sweeps import SEEDS

from rnnrev import balanced, perturb, zoo
from rnnrev.config import TrainConfig
from rnnrev.context import context_tests, context_texts
from rnnrev.data import Reviews, load_reviews
from rnnrev.files import digest, write_npz
from rnnrev.linear import Unmeasured
from rnnrev.measure import COLUMNS
from rnnrev.model import Classifier, SentimentRNN
from rnnrev.stacks import StackedCell
from rnnrev.subspace import Subspace

Logits = Callable[[list[np.ndarray]], np.ndarray]
READERS = ("bow", "lru", "mingru", "conv+mingru", "mingru+mingru", "gru")
GAPS = range(7)  #: tokens between modifier and word
FILLERS = ("the", "of", "it", "was", "this", "in")  #: what stands in the gap, drawn at random
SETTINGS = {
    "epochs": 3, "batch_size": 64, "max_tokens": 128, "learning_rate": 2e-3, "n_units": 64, "state_dropout": 0.0,
}  # fmt: skip
BAG = {"epochs": 6, "learning_rate": 1e-2}  #: one number a word, from zero, needs more steps


def texts() -> Reviews:
    """What all readers learn from: film reviews, and phrases."""
    reviews, phrases = load_reviews("imdb", "train").sample(6_000, 0), load_reviews("sst2", "train").sample(12_000, 0)
    return Reviews("films", "train", reviews.texts + phrases.texts, np.concatenate([reviews.labels, phrases.labels]))


def trained(kind: str, seed: int) -> Classifier:
    """A reader of :func:`texts`, with the word vectors of the film GRU."""
    from rnnrev.train import train

    film = zoo.load("gru-imdb", SentimentRNN)
    with TemporaryDirectory() as here:
        vectors = write_npz(f"{here}/vectors.npz", {"words": film.vocabulary.words, "vectors": film.embedding})
        config = TrainConfig(
            cell=kind,
            seed=seed,
            vectors="none" if kind == "bow" else str(vectors),
            n_inputs=film.cell.n_inputs,
            **SETTINGS,
        )
        return train(config, reviews=texts(), progress=False)


def gains(model: Classifier, logits: Logits) -> Iterator[Row]:
    """What modifiers do to words on the contrast phrases, by the logits of token numbers."""
    pairs = perturb.phrase_pairs(model)
    for condition, part in pairs.groupby("condition"):
        found = perturb.modulation(part.valence, logits(list(part["without"])), logits(list(part["with"])), part.word)
        for measure, value in (("gain", found.gain), ("own", found.own), ("base", found.base)):
            yield {"measure": f"{condition}_{measure}", **value._asdict(), "n": len(part)}


def reach(model: Classifier, seed: int = 0) -> Iterator[Row]:
    """The gain of negation with so many tokens between "not" and the word."""
    pairs = perturb.phrase_pairs(model)
    last = np.array([ids[-1] == model.vocabulary.index[word] for ids, word in zip(pairs["with"], pairs.word)])
    pairs, rng = pairs[(pairs.condition == "negated") & last], np.random.default_rng(seed)
    fillers = model.vocabulary.numbers(FILLERS)
    for gap in GAPS:
        drawn = [rng.choice(fillers, gap) for _ in range(len(pairs))]
        longer = [
            [np.concatenate([ids[:-1], more, ids[-1:]]) for ids, more in zip(pairs[side], drawn)]
            for side in ("without", "with")
        ]
        found = perturb.modulation(pairs.valence, *map(model.logits_of, longer), pairs.word)
        yield {"measure": "negated_gain_over", "at": gap, **found.gain._asdict(), "n": len(pairs)}


def axes_of(model: SentimentRNN, train: Reviews, seed: int) -> Iterator[Row]:
    """Balanced modes: how many read as the network does, the volume axis, where it stands, and phrases without it."""
    ids = balanced.token_arrays(model, train.texts[:6_000], 120, 160, seed)
    yield {"measure": "k95", "value": balanced.reduce(model, texts=ids, seed=seed).k}
    modes = balanced.balance(model, ids[:60], seed=seed)
    table = balanced.axes(model, modes, ids[:60], seed=seed)
    volume = balanced.volume_axis(table)
    yield {"measure": "volume_gain", "value": float(table.gain[volume])}
    if isinstance(model.cell, StackedCell):
        shares = modes.Phi[:, volume - 1] * modes.Psi[:, volume - 1]
        for i, part in enumerate(model.cell.split(shares), 1):
            yield {"measure": "volume_share", "at": i, "value": float(part.sum())}
    driven = table.drop(index=[1, volume])
    control = int((driven["not"].abs() + driven["extremely"].abs()).idxmax())
    for condition, axis in (("volume removed", volume), ("another axis removed", control)):
        phi, psi = (m[:, [axis - 1]] for m in (modes.Phi, modes.Psi))
        size = np.linalg.norm(phi)
        held = perturb.project_out(Subspace(modes.mean, phi / size, psi * size))
        without = partial(logits_with, model, held)
        yield from ({**row, "condition": condition} for row in gains(model, without) if "gain" in str(row["measure"]))


def logits_with(model: SentimentRNN, change: perturb.Change, ids: list[np.ndarray]) -> np.ndarray:
    """Logits of texts that are read under a perturbation."""
    return perturb.run(model, ids, change).final


def gates(cell: Cell, folder: Path) -> list[Row]:
    """All rows of one reader."""
    kind, seed = str(cell["cell"]), int(str(cell["seed"]))
    file = folder / "models" / f"{kind}-films-{seed}.safetensors"
    if not file.is_file():
        zoo.save(replace(trained(kind, seed), name=file.stem), file)  # type: ignore[type-var]
    model = zoo.load(file)
    rows = context_tests(model, ("imdb", "sst2", "imdb_counterfactual", "checklist"), 2000).to_dict("records")
    more = [*gains(model, model.logits_of), *reach(model)]
    if isinstance(model, SentimentRNN):
        try:
            more += axes_of(model, texts(), seed)
        except Unmeasured as reason:
            more.append({"measure": "k95", "value": np.nan, "note": str(reason)})
    return rows + [{"network": model.name, "data": "phrases", "condition": ""} | row for row in more]


def with_shares(table: pd.DataFrame) -> pd.DataFrame:
    """The table with each reader's gain of negation as a share of the GRU's, mean over its seeds."""
    gain = table[(table.measure == "negated_gain") & (table.condition == "")]
    whole = gain[gain.network.str.startswith("gru-")].value.mean()
    value, low, high = gain.value / whole, gain.high / whole, gain.low / whole  # gains are negative
    shares = gain.assign(measure="negated_gain_share", value=value, low=low, high=high)
    return pd.concat([table, shares], ignore_index=True)


def main() -> None:
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")  # readers are trained side by side, each on one core
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/sweeps"), help="folder of results (default: %(default)s)"
    )
    parser.add_argument("--cells", nargs="+", default=list(READERS), metavar="CELL", help="readers (default: all)")
    parser.add_argument("--workers", type=int, default=2, help="processes on this machine (default: %(default)s)")
    args = parser.parse_args()
    code = Source().code("gates")
    cells = [cell | {"code": code[:12]} for cell in grid(cell=args.cells, seed=list(SEEDS))]
    table = sweep(cells, args.out / "gates", partial(gates, folder=args.out), workers=args.workers)
    table = table.reindex(columns=list(COLUMNS)).fillna({"condition": "", "note": ""})
    table = with_shares(table)
    table.to_csv(args.out / "gates.csv", index=False)
    if tuple(args.cells) == READERS:
        files = sorted((args.out / "models").glob(f"*-films-*{zoo.SUFFIX}"))
        seconds = sum(zoo.load(f).record["seconds"] for f in files) / 2
        data = [texts(), *(context_texts(name, 2000) for name in ("imdb", "sst2", "imdb_counterfactual"))]
        about = {
            "code": code, "seeds": list(SEEDS), "data": {f"{r.name}/{r.split}": r.fingerprint for r in data},
            "networks": {f.stem: digest(f)[:16] for f in files},
            "minutes": round(seconds / 60 + minutes(args.out / "gates", cells), 1),
        }  # fmt: skip
        print(f"record written to {write_table('gates', table, about)}")


if __name__ == "__main__":
    main()
