"""Rungs of the ladder: the derivatives that they are trained with, against differences; what stays zero."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rungs
from test_augmented_bow import corpus
from test_train import one_shard  # noqa: F401

from rnnrev import train as training
from rnnrev import zoo
from rnnrev.cells import initial_weights
from rnnrev.config import TrainConfig
from rnnrev.model import SentimentRNN


@pytest.mark.parametrize("name", rungs.RUNGS)
def test_derivatives_of_a_rung(name: str) -> None:
    rng = np.random.default_rng(0)
    cell = initial_weights("knob", 5, 1).astype(np.float64)
    h, u, a, eps = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), 1e-6
    with rungs.reads_as(name):
        exact = [d[..., 0] for d in cell.partials(h, u, a)]
        for which, found in enumerate(exact):
            for j in range(4):
                up, down = ([x.copy() for x in (h, u, a)] for _ in range(2))
                up[which][:, j] += eps
                down[which][:, j] -= eps
                wanted = (cell.combine(*up) - cell.combine(*down)) / (2 * eps)
                np.testing.assert_allclose(found[:, :, j], wanted, atol=1e-7)


def test_only_two_rungs_are_knobs_as_they_are() -> None:
    cell, rng = initial_weights("knob", 5, 1), np.random.default_rng(1)
    h, u, a = rng.normal(size=(3, 4))
    plain = cell.combine(h, u, a)
    for name in rungs.RUNGS:
        with rungs.reads_as(name):
            assert np.allclose(cell.combine(h, u, a), plain) == (name in ("still", "middle"))


def test_what_is_held_stays_zero(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "load_reviews", lambda name, split: corpus(300))
    config = TrainConfig(cell="knob", n_units=1, n_inputs=6, epochs=1, precision="float32", learning_rate=0.05)
    for name in ("still", "middle"):
        rungs.trained(name, config, tmp_path / f"{name}.safetensors")
        model = zoo.load(tmp_path / f"{name}.safetensors", SentimentRNN)
        ends = model.cell.b_rec[0], *model.cell.h0
        assert np.any(model.projected[:, 2:]) == (name == "middle")
        assert np.any(ends) == (name == "still")
