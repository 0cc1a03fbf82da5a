"""Training tokens per second: this package beside a plain Keras GRU and, if installed, torch.nn.GRU.

    python benchmarks/train.py [--units 256] [--batch 64] [--tokens 200] [--steps 12] [--rounds 3]

Same sizes, same batches (full length: no padding), forward, backward and an Adam step; the makes take
turns, and the median over rounds is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from rnnrev.config import TrainConfig
from rnnrev.train import _compiled_step, _Network

N_WORDS, N_INPUTS = 20_000, 128


def ours(args: argparse.Namespace, ids: np.ndarray, labels: np.ndarray, precision: str) -> Callable[[], None]:
    config = TrainConfig(n_units=args.units, n_inputs=N_INPUTS, precision=precision)
    network = _Network(config, N_WORDS, 2, None)
    optimizer = keras.optimizers.Adam(1e-3, global_clipnorm=1.0)
    optimizer.build(network.trainable_variables)
    step = _compiled_step(network, optimizer, config)
    lengths = np.full(len(ids), ids.shape[1], np.int32)
    return lambda: float(step(ids, lengths, labels, np.array([0, 1], np.int32))[0])


def plain_keras(args: argparse.Namespace, ids: np.ndarray, labels: np.ndarray) -> Callable[[], None]:
    model = keras.Sequential(
        [keras.layers.Embedding(N_WORDS, N_INPUTS), keras.layers.GRU(args.units), keras.layers.Dense(1)]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    ids_, labels_ = tf.constant(ids), tf.constant(labels)
    return lambda: float(np.atleast_1d(model.train_on_batch(ids_, labels_))[0])


def plain_torch(args: argparse.Namespace, ids: np.ndarray, labels: np.ndarray) -> Callable[[], None]:
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(N_WORDS, N_INPUTS)
            self.gru = torch.nn.GRU(N_INPUTS, args.units, batch_first=True)
            self.readout = torch.nn.Linear(args.units, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.readout(self.gru(self.embedding(x))[0][:, -1])[:, 0]

    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    x, y = torch.tensor(ids, dtype=torch.long), torch.tensor(labels)

    def step() -> None:
        optimizer.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(model(x), y)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        float(loss)

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, value in (("--units", 256), ("--batch", 64), ("--tokens", 200), ("--steps", 12), ("--rounds", 3)):
        parser.add_argument(flag, type=int, default=value)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    ids = rng.integers(1, N_WORDS, (args.batch, args.tokens)).astype(np.int32)
    labels = rng.integers(0, 2, args.batch).astype(np.float32)
    makes = {
        "rnnrev, bfloat16 products": ours(args, ids, labels, "mixed"),
        "rnnrev, float32": ours(args, ids, labels, "float32"),
        "keras.layers.GRU, compiled": plain_keras(args, ids, labels),
    }
    try:
        makes["torch.nn.GRU"] = plain_torch(args, ids, labels)
    except ImportError:
        print("torch is not installed: left out")
    rates: dict[str, list[float]] = {name: [] for name in makes}
    for step in makes.values():
        step()  # compiles
    for _ in range(args.rounds):
        for name, step in makes.items():
            started = time.perf_counter()
            for _ in range(args.steps):
                step()
            rates[name].append(args.steps * ids.size / (time.perf_counter() - started))
    print(f"GRU, {args.units} units, batches of {args.batch} x {args.tokens} tokens, median of {args.rounds} rounds")
    for name, values in rates.items():
        print(f"{name:28s} {np.median(values):10,.0f} tokens/s")


if __name__ == "__main__":
    main()
