"""Shared by all tests: small random networks, headless Chromium, the order of the notebooks, tables for the end."""

from __future__ import annotations

import os
import random
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
sys.path.extend(str(Path(__file__).parents[1] / "book" / folder) for folder in ("_ext", "scripts"))

from rnnrev.cells import CELLS, Cell, initial_weights
from rnnrev.data import PAD, UNKNOWN, Vocabulary
from rnnrev.fixed_points import mean_map
from rnnrev.linear import OperatingPoint, eigenmodes, slow_mode
from rnnrev.model import SentimentRNN


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def random_cell(kind: str, n_inputs: int = 5, n_units: int = 7, seed: int = 0) -> Cell:
    """A cell none of whose weights is zero, float64."""
    cell, rng = initial_weights(kind, n_inputs, n_units, seed).astype(np.float64), np.random.default_rng(seed + 1)
    more = {k: getattr(cell, k) + 0.3 * rng.standard_normal(getattr(cell, k).shape) for k in ("b", "b_rec", "h0")}
    if kind == "lru":
        more["b_rec"][n_units] = 0  # a real mode
    return Cell(kind, cell.W, cell.U, **more)


@pytest.fixture(params=list(CELLS))
def any_cell(request: pytest.FixtureRequest) -> Cell:
    return random_cell(request.param)


WORDS = ("good", "bad", "not", "very", "movie", "was", "the", "a", "don't", ".")
TEN_WORDS = Vocabulary((PAD, UNKNOWN, *WORDS))


def made_up(n: int) -> Vocabulary:
    """n words: w0, w1, …"""
    return Vocabulary((PAD, UNKNOWN, *(f"w{i}" for i in range(n))))


def small_network(
    kind: str = "gru", seed: int = 0, n_units: int = 7, vocabulary: Vocabulary = TEN_WORDS
) -> SentimentRNN:
    """A network of a few units that knows ten words."""
    cell, rng = random_cell(kind, n_units=n_units, seed=seed), np.random.default_rng(seed + 2)
    w = np.zeros(cell.n_state)
    w[: cell.n_units] = rng.standard_normal(cell.n_units)
    embedding = rng.standard_normal((len(vocabulary), cell.n_inputs))
    counts = rng.integers(1, 50, len(vocabulary)) * (np.arange(len(vocabulary)) > 0)
    return SentimentRNN(cell, embedding, vocabulary, w, 0.1, f"small {kind}", counts=counts)


def point_at(model: SentimentRNN, h: np.ndarray, J: np.ndarray | None = None) -> OperatingPoint:
    """An operating point at any state; its Jacobian is F̄'s there, unless one is given."""
    F = mean_map(model, 1000)
    modes = eigenmodes(F.jacobian(h) if J is None else J, model.w)
    a = slow_mode(modes)
    return OperatingPoint(model, F, h, 0.0, modes, modes.R[:, a].real, modes.L[a].real, float(model.readout(h)))


def random_point(kind: str = "gru", n_units: int = 10, n_words: int = 40) -> OperatingPoint:
    """A random network that knows made-up words, at a state where it stands still by no means."""
    model, rng = small_network(kind, n_units=n_units, vocabulary=made_up(n_words)), np.random.default_rng(1)
    h0, h = rng.standard_normal((2, model.cell.n_state))
    cell = replace(initial_weights(kind, model.cell.n_inputs, n_units).astype(float), h0=0.2 * h0)
    return point_at(replace(model, cell=cell), 0.1 * h)


def turn(size: float, angle: float = 0.3) -> np.ndarray:
    """What turns the plane by an angle at each step, and shrinks it."""
    return size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


@pytest.fixture(params=list(CELLS))
def network(request: pytest.FixtureRequest) -> SentimentRNN:
    return small_network(request.param)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, the system's own: Playwright's downloads need another host."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium (Debian: apt install chromium)")
    options = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--disable-renderer-backgrounding",
    ]
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=options)
        yield found
        found.close()


def pytest_configure(config: pytest.Config) -> None:
    # drawn once and inherited by xdist's workers, which have to collect the same tests in the same order
    os.environ.setdefault("RNNREV_ORDER", str(random.SystemRandom().randrange(10_000)))


def pytest_report_header(config: pytest.Config) -> str:
    return f"notebooks in the random order RNNREV_ORDER={os.environ['RNNREV_ORDER']}"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Tables of what tests measured: each gives (table, row) as a property."""
    reports = [r for reports in terminalreporter.stats.values() for r in reports if getattr(r, "when", "") == "call"]
    rows = sorted({(table, row) for r in reports for table, row in r.user_properties})
    for i, (table, row) in enumerate(rows):
        if i == 0 or rows[i - 1][0] != table:
            terminalreporter.section(table)
        terminalreporter.write_line(str(row))
