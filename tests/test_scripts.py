"""What authors run once: word vectors and soft labels. Every script says what it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flips import over_seeds, plan, smoothed
from label import soft_labels
from test_train import toy
from vectors import word_vectors

from rnnrev.data import Vocabulary

SCRIPTS = sorted(f for f in (Path(__file__).parents[1] / "scripts").glob("*.py") if "__main__" in f.read_text())


def test_soft_labels_agree_with_the_truth_and_are_probabilities():
    fit, spare = toy(800), toy(200, seed=2)
    found = soft_labels(fit, spare, [], progress=False)
    assert ((found > 0) & (found < 1)).all()
    assert np.mean((found > 0.5) == spare.labels) > 0.9  # trigrams hold "not good"


def test_word_vectors_have_a_mean_norm_of_one_and_their_long_part_shows_progress(capsys):
    pytest.importorskip("gensim")
    texts = ["good film", "bad film", "not bad"] * 100
    vocabulary = Vocabulary.fit(texts)
    E = word_vectors(texts, vocabulary, size=8, epochs=3)
    assert E.shape == (len(vocabulary), 8)
    assert np.linalg.norm(E[1:], axis=1).mean() == pytest.approx(1, abs=1e-5)
    assert not E[0].any()
    assert "1200/1200" in capsys.readouterr().err  # every pass through the texts is counted


def test_smoothed_labels_are_as_far_from_one_half_as_soft_ones_and_keep_their_class():
    hard, soft = np.array([0.0, 1, 1, 0]), np.array([0.4, 0.3, 0.9, 0.1])
    found = smoothed(hard, soft)
    np.testing.assert_allclose(np.abs(found - 0.5), 0.275)
    np.testing.assert_array_equal(found > 0.5, hard > 0.5)


def test_labels_are_compared_within_texts_and_seeds():
    of = [("a", "hard", -1.0), ("a", "soft", -0.5), ("b", "hard", -0.2), ("b", "soft", -0.4), ("b", "smoothed", -0.2)]
    rows = [
        {"network": f"{data}-{labels}", "data": data, "measure": measure, "condition": f"seed {seed}", "at": np.nan,
         "value": value + seed}
        for measure in ("gain_negated", "gain_intensified") for seed in (0, 10) for data, labels, value in of
    ]  # fmt: skip
    found = over_seeds(pd.DataFrame(rows)).query("measure == 'gain_negated_apart' and network == 'hard less soft'")
    found = found.set_index("data")
    assert found.loc["a", "value"] == pytest.approx(-0.5)
    assert found.loc["b", "value"] == pytest.approx(0.2)
    every = found.loc["every set"]
    assert every["value"] == pytest.approx(-0.15)
    assert every["low"] < -0.15 - 0.35 < every["high"], "wider than the spread of pairs: four of them"
    assert every["n"] == 4


def test_the_plan_has_every_kind_of_labels_for_every_seed():
    cells = pd.DataFrame(plan())
    small = cells[cells.labels.isin(["hard", "soft"])]
    assert (small.groupby(["texts", "labels"]).seed.apply(set) == {0, 1, 2}).all()
    assert len(small) == 4 * 2 * 3


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_every_script_explains_itself(script):
    out = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True).stdout
    assert f"python scripts/{script.name}" in out
