"""Shared by all tests: small random networks, and no look at a data-set hub."""

from __future__ import annotations

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pytest

from rnnrev.cells import CELLS, Cell, initial_weights
from rnnrev.data import PAD, UNKNOWN, Vocabulary
from rnnrev.model import SentimentRNN


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def random_cell(kind: str, n_inputs: int = 5, n_units: int = 7, seed: int = 0) -> Cell:
    """A cell none of whose weights is zero, float64."""
    cell, rng = initial_weights(kind, n_inputs, n_units, seed).astype(np.float64), np.random.default_rng(seed + 1)
    more = {k: getattr(cell, k) + 0.3 * rng.standard_normal(getattr(cell, k).shape) for k in ("b", "b_rec", "h0")}
    return Cell(kind, cell.W, cell.U, **more)


@pytest.fixture(params=list(CELLS))
def any_cell(request: pytest.FixtureRequest) -> Cell:
    return random_cell(request.param)


WORDS = ("good", "bad", "not", "very", "movie", "was", "the", "a", "don't", ".")


def small_network(kind: str = "gru", seed: int = 0) -> SentimentRNN:
    """A network of a few units that knows ten words."""
    cell, rng = random_cell(kind, seed=seed), np.random.default_rng(seed + 2)
    vocabulary = Vocabulary((PAD, UNKNOWN, *WORDS))
    w = np.zeros(cell.n_state)
    w[: cell.n_units] = rng.standard_normal(cell.n_units)
    embedding = rng.standard_normal((len(vocabulary), cell.n_inputs))
    counts = rng.integers(1, 50, len(vocabulary)) * (np.arange(len(vocabulary)) > 0)
    return SentimentRNN(cell, embedding, vocabulary, w, 0.1, f"small {kind}", counts=counts)


@pytest.fixture(params=list(CELLS))
def network(request: pytest.FixtureRequest) -> SentimentRNN:
    return small_network(request.param)
