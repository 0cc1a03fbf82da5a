"""What authors run once: word vectors and soft labels. Every script says what it does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
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


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem)
def test_every_script_explains_itself(script):
    out = subprocess.run([sys.executable, str(script), "--help"], capture_output=True, text=True, check=True).stdout
    assert f"python scripts/{script.name}" in out
