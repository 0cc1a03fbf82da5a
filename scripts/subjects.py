"""What next-word pre-training does to a point: GRUs on a known language in which the next word can be predicted.

    python scripts/subjects.py [--out FOLDER]

Three seeds, each trained on labels alone, and once more from a cell and an embedding that first learned to predict the
next words of the same texts. Both are marked with the vectors at h* and with those from text (chapter 8). The record is
rnnrev/records/subjects.csv. It can be stopped at any time; trained networks are kept in OUT/models.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import balanced
import numpy as np
from pretrain import next_word
from provenance import Source, write_table
from sweep import Cell, Row, grid, minutes, sweep
from sweeps import SEEDS, kept, learned

from rnnrev import driven, linear
from rnnrev.book import recovery
from rnnrev.book.subjects import SubjectLanguage
from rnnrev.config import TrainConfig
from rnnrev.data import Vocabulary
from rnnrev.files import digest, write_npz
from rnnrev.measure import COLUMNS
from rnnrev.model import BagOfWords, SentimentRNN

LANGUAGE, DATA = SubjectLanguage(), "language with subjects/test"
TRAININGS = ("labels", "words, then labels")
EPOCHS = 3  #: of next words; as many as of labels


def network(training: str, seed: int, folder: Path) -> SentimentRNN:
    """A GRU that learned the language from labels, or from next words and then from labels."""
    plain = learned(folder, LANGUAGE, "gru", seed, of="subjects")
    if training == TRAININGS[0]:
        return plain

    def learn() -> SentimentRNN | BagOfWords:
        from rnnrev.train import train

        config = TrainConfig(**plain.record["config"])
        texts, held = LANGUAGE.sample(recovery.TEXTS, seed), LANGUAGE.sample(2000, recovery.TEST_SEED + 2)
        vocabulary = Vocabulary.fit(texts.texts, config.vocabulary_size)
        vectors = np.random.default_rng([seed, 13]).normal(0, 0.1, (len(vocabulary), config.n_inputs))
        reader = next_word(
            texts.texts, vocabulary, vectors, config.cell, config.n_units, held_out=held.texts, epochs=EPOCHS,
            precision=config.precision, seed=seed, progress=False,
        )  # fmt: skip
        with TemporaryDirectory() as here:
            file = write_npz(f"{here}/reader.npz", reader)
            return train(replace(config, pretrained=str(file)), reviews=texts, progress=False)

    return kept(folder / "models" / f"gru-subjects-pretrained-{seed}.safetensors", learn)


def measured(cell: Cell, folder: Path) -> list[Row]:
    """Marks at h* and along text, what speaks against h*, and what the network knows of words to come."""
    seed = int(str(cell["seed"]))
    model = network(str(cell["training"]), seed, folder)
    test = LANGUAGE.sample(4000, recovery.TEST_SEED, "test")
    rows: list[Row] = list(balanced.known(model, LANGUAGE))
    padded, lengths = LANGUAGE.encode(test.texts)
    best = np.mean((LANGUAGE.totals(padded, lengths) > 0) == test.labels)
    accuracy = np.mean(model.classify(test.texts) == test.labels)
    point = linear.operating_point(model, texts=test.sample(300, seed).texts, seed=seed)
    found = driven.doubts(point, LANGUAGE.sample(2000, recovery.TEST_SEED + 1, "train").texts)
    values = {"accuracy": accuracy, "gap": 100 * (best - accuracy)}
    rows += [balanced.row(name, "", float(value), len(test)) for name, value in values.items()]
    rows += [balanced.row("doubts", "h*", len(found), 1) | {"note": "; ".join(found)}]
    rows += [balanced.row("tau", "h*", float(t), 1, i) for i, t in enumerate(point.modes.slowest[:4], 1)]
    known = model.record["inputs"].get("pretrained", {}).get("nats_per_word", [])
    told = {"": known[-1] if known else np.nan} | nats(padded, lengths)
    rows += [balanced.row("nats_per_word", name, value, len(test)) for name, value in told.items()]
    rows += [balanced.row("subject_known", "", subject_known(model, padded, lengths), len(test))]
    return [{**r, "network": model.name, "data": DATA} for r in rows]


def nats(padded: np.ndarray, lengths: np.ndarray) -> dict[str, float]:
    """Cross-entropy of words from the second on: of the best reader, and of one that only knows frequencies."""
    inside = (np.arange(padded.shape[1]) < lengths[:, None])[:, 1:]
    beliefs, words = LANGUAGE.beliefs(padded)[:, 1:-1][inside], padded[:, 1:][inside]
    best = np.einsum("nc,cn->n", beliefs, LANGUAGE.subjects[:, words])
    chances = {"best reader": best, "frequencies": LANGUAGE.frequencies[words]}
    return {name: float(-np.log(p).mean()) for name, p in chances.items()}


def subject_known(model: SentimentRNN, padded: np.ndarray, lengths: np.ndarray) -> float:
    """R² of the best reader's belief about the subject, read linearly from states: fitted on one half of the texts."""
    ids = [row[:n] for row, n in zip(padded, lengths)]
    own = model.vocabulary.numbers(LANGUAGE.vocabulary.words[2:])
    states = model.states_of([np.r_[0, 0, own][i] for i in ids])
    beliefs = [b[: n + 1] for b, n in zip(LANGUAGE.beliefs(padded), lengths)]
    half = len(ids) // 2
    X, Y = (([np.concatenate(x[:half]), np.concatenate(x[half:])]) for x in (states, beliefs))
    fitted = np.linalg.lstsq(np.c_[np.ones(len(X[0])), X[0]], Y[0], rcond=None)[0]
    rest = Y[1] - np.c_[np.ones(len(X[1])), X[1]] @ fitted
    return float(1 - np.square(rest).sum() / np.square(Y[1] - Y[1].mean(0)).sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/subjects"), help="folder of results (%(default)s)")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), metavar="SEED")
    args = parser.parse_args()
    code = Source().code("subjects")
    cells = grid(training=list(TRAININGS), seed=args.seeds, code=code[:12])
    table = sweep(cells, args.out, partial(measured, folder=args.out), workers=1)
    table = table.reindex(columns=list(COLUMNS)).fillna({"condition": "", "note": ""})
    files = sorted((args.out / "models").glob("*.safetensors"))
    about = {
        "code": code, "seeds": args.seeds, "data": {DATA: LANGUAGE.sample(4000, recovery.TEST_SEED).fingerprint},
        "networks": {f.stem: digest(f)[:16] for f in files}, "minutes": round(minutes(args.out, cells), 1),
    }  # fmt: skip
    print(table.pivot_table(index=["measure", "condition"], columns="network", values="value").to_string())
    if list(args.seeds) == list(SEEDS):
        print(f"record written to {write_table('subjects', table, about)}")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    main()
