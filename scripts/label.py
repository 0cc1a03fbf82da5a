"""Labels for unlabelled reviews: the probability of positive by an ensemble of n-grams and networks.

    python scripts/label.py runs/teacher --data imdb --out runs/soft.npz    # then: rnnrev train --soft-labels …

Teachers have seen the reviews that a student holds out: its validation accuracy flatters, its test accuracy does not.

Sources: Lee 2013 (pseudo-labels); Hinton et al. 2015 (probabilities instead of hard labels); Wang & Manning 2012
(n-grams weighted by naive Bayes).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from scipy.special import expit
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from tqdm.auto import tqdm

from rnnrev import zoo
from rnnrev.data import Reviews, load_reviews, tokenize
from rnnrev.files import write_npz
from rnnrev.model import Classifier


def soft_labels(
    reviews: Reviews, unlabelled: Reviews, teachers: Sequence[Classifier], progress: bool = True
) -> np.ndarray:
    """P(positive) of unlabelled reviews, (n,) float32.

    A logistic regression on uni- to trigrams (with naive-Bayes log-count ratios) is fitted to ``reviews``; its logit
    and the teachers' are averaged with equal weight.
    """
    count = CountVectorizer(
        tokenizer=tokenize, token_pattern=None, lowercase=False, ngram_range=(1, 3), min_df=2, binary=True
    )
    seen = count.fit_transform(tqdm(reviews.texts, "n-grams", unit="text", disable=not progress))
    by_class = [np.asarray(seen[reviews.labels == c].sum(0)).ravel() + 1.0 for c in (0, 1)]
    ratio = np.log(by_class[1] / by_class[1].sum()) - np.log(by_class[0] / by_class[0].sum())
    regression = LogisticRegression(C=1.0, max_iter=200, solver="liblinear").fit(
        seen.multiply(ratio).tocsr(), reviews.labels
    )
    logits = [regression.decision_function(count.transform(unlabelled.texts).multiply(ratio).tocsr())]
    logits += [model.logits(unlabelled.texts) for model in tqdm(teachers, "networks", disable=not progress)]
    # confidences are not comparable between models: each is scaled to the same spread first
    return expit(2.5 * np.mean([z / np.std(z) for z in logits], 0)).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("teachers", nargs="*", metavar="MODEL", help="networks of the ensemble, files or shipped ones")
    parser.add_argument("--data", default="imdb", help="data set (default: %(default)s)")
    parser.add_argument("--split", default="unsupervised", help="split to label (default: %(default)s)")
    parser.add_argument("--out", required=True, help=".npz file to write")
    args = parser.parse_args()
    unlabelled = load_reviews(args.data, args.split)
    targets = soft_labels(load_reviews(args.data, "train"), unlabelled, [zoo.load(t) for t in args.teachers])
    out = {"data": args.data, "split": args.split, "sha256": unlabelled.fingerprint, "probability": targets}
    print(f"written to {write_npz(args.out, out)}")


if __name__ == "__main__":
    main()
