"""Word vectors (word2vec) of a data set's training and unlabelled texts, to start training with.

    python scripts/vectors.py --data imdb --out runs/vectors.npz      # then: rnnrev train --vectors runs/vectors.npz …

Five minutes for IMDB's 75,000 reviews on two cores. Needs gensim (`pip install 'rnnrev[scripts]'`). Its threads race,
so a run is reproducible in its quality, not in its bits: training stores the file's hash in its record.

Source: Mikolov et al. 2013, skip-gram with negative sampling.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence

import numpy as np
from tqdm.auto import tqdm

from rnnrev.data import Vocabulary, load_reviews, split_names, tokenize
from rnnrev.files import write_npz


def unlabelled_texts(name: str) -> tuple[str, ...]:
    """The texts of a data set's unlabelled reviews; none where it has none."""
    return load_reviews(name, "unsupervised").texts if "unsupervised" in split_names(name) else ()


class Lines:
    """Tokenized texts that move a bar on when they are read, again and again."""

    def __init__(self, lines: Sequence[Sequence[str]], bar: tqdm) -> None:
        self.lines, self.bar = lines, bar

    def __iter__(self) -> Iterator[Sequence[str]]:
        for line in self.lines:
            self.bar.update()
            yield line


def word_vectors(
    texts: Sequence[str], vocabulary: Vocabulary, size: int = 128, epochs: int = 5, seed: int = 0, progress: bool = True
) -> np.ndarray:
    """Skip-gram vectors of the vocabulary, (V, size) float32, rows scaled to a mean norm of 1."""
    from gensim.models import Word2Vec

    known = vocabulary.index
    lines = [[w for w in tokenize(t) if w in known] for t in tqdm(texts, "tokenize", unit="text", disable=not progress)]
    with tqdm(total=len(lines) * (epochs + 1), desc="word2vec", unit="text", disable=not progress) as bar:
        learnt = Word2Vec(
            Lines(lines, bar), vector_size=size, sg=1, window=8, negative=8, min_count=1, sample=1e-4, epochs=epochs,
            workers=os.cpu_count() or 1, seed=seed,
        ).wv  # fmt: skip
    out = np.random.default_rng([seed, 19]).normal(0, 0.1, (len(vocabulary), size))
    for i, word in enumerate(vocabulary.words):
        if word in learnt:
            out[i] = learnt[word]
    out[0] = 0
    return (out / np.linalg.norm(out[1:], axis=1).mean()).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="imdb", help="data set (default: %(default)s)")
    parser.add_argument("--extra", nargs="*", default=[], metavar="NAME", help="data sets whose texts are added")
    parser.add_argument("--out", required=True, help=".npz file to write")
    for flag, value in (("--vocabulary-size", 20_000), ("--n-inputs", 128), ("--epochs", 5), ("--seed", 0)):
        parser.add_argument(flag, type=int, default=value, help="(default: %(default)s)")
    args = parser.parse_args()
    train = load_reviews(args.data, "train")
    vocabulary = Vocabulary.fit(train.texts, args.vocabulary_size)
    texts = [*train.texts, *unlabelled_texts(args.data)]
    texts += [text for name in args.extra for text in load_reviews(name, "train").texts]
    vectors = word_vectors(texts, vocabulary, args.n_inputs, args.epochs, args.seed)
    print(f"written to {write_npz(args.out, {'words': vocabulary.words, 'vectors': vectors})}")


if __name__ == "__main__":
    main()
