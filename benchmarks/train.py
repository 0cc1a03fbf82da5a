"""Training tokens per second: this package's loop, keras.Model.fit around the same network, and plain layers.

    python benchmarks/train.py [--units 256] [--batch 64] [--tokens 200] [--steps 12] [--rounds 3]

Same sizes, same batches (full length: no padding), forward, backward and an Adam step; the contenders take
turns, an epoch each after one that compiles, and the median over rounds is printed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from tempfile import TemporaryDirectory

import numpy as np

from rnnrev.config import TrainConfig
from rnnrev.train import Network, adam, fit

import keras  # isort: skip  (after rnnrev.train, which chooses the backend)
import tensorflow as tf  # isort: skip

N_WORDS, N_INPUTS = 20_000, 128
Rate = Callable[[], float]  #: tokens per second of one epoch


def ours(config: TrainConfig, ids: np.ndarray, labels: np.ndarray) -> Rate:
    """rnnrev.train.fit, as the package trains; the first of its two epochs compiles."""

    def rate() -> float:
        network = Network(config, N_WORDS, 2, None)
        return fit(network, list(ids), labels, config, lambda: float("nan"), progress=False)[-1]["tokens_per_second"]

    return rate


class Fitted(Network):
    """The same network for ``keras.Model.fit``."""

    def call(self, inputs: tuple[tf.Tensor, ...]) -> tf.Tensor:
        return self.logits(*inputs)


def keras_fit(config: TrainConfig, ids: np.ndarray, labels: np.ndarray) -> Rate:
    """keras.Model.fit with the callbacks that stop early, go on after a kill and end at NaN."""

    def batches() -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        for i in range(0, len(ids), config.batch_size):
            rows = ids[i : i + config.batch_size]
            inputs = rows, np.full(len(rows), rows.shape[1], np.int32), np.array([0, i], np.int32)
            yield inputs, labels[i : i + len(rows)]

    kinds = tuple(tf.TensorSpec(s, tf.int32) for s in ((None, None), (None,), (2,)))
    data = tf.data.Dataset.from_generator(batches, output_signature=(kinds, tf.TensorSpec((None,), tf.float32)))
    data = data.apply(tf.data.experimental.assert_cardinality(-(-len(ids) // config.batch_size)))

    def rate() -> float:
        model = Fitted(config, N_WORDS, 2, None)
        steps = config.epochs * -(-len(ids) // config.batch_size)
        model.compile(
            optimizer=adam(model.trainable_variables, steps, config.learning_rate, config.clip_norm),
            loss=keras.losses.BinaryCrossentropy(from_logits=True), metrics=["accuracy"], jit_compile=False,
        )  # fmt: skip
        ends: list[float] = []
        with TemporaryDirectory() as folder:
            callbacks = [
                keras.callbacks.LambdaCallback(
                    on_epoch_begin=lambda epoch, logs=None: ends.append(-time.perf_counter()),
                    on_train_batch_end=lambda batch, logs=None: ends.append(time.perf_counter()),
                ),
                keras.callbacks.BackupAndRestore(folder),
                keras.callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True),
                keras.callbacks.TerminateOnNaN(),
            ]
            model.fit(data, epochs=config.epochs, verbose=0, callbacks=callbacks)
        start = max(i for i, t in enumerate(ends) if t < 0)
        return ids.size / (ends[-1] + ends[start])

    return rate


def keras_layers(config: TrainConfig, ids: np.ndarray, labels: np.ndarray) -> Rate:
    """Embedding, keras.layers.GRU and Dense, compiled."""
    model = keras.Sequential(
        [keras.layers.Embedding(N_WORDS, N_INPUTS), keras.layers.GRU(config.n_units), keras.layers.Dense(1)]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
        loss=keras.losses.BinaryCrossentropy(from_logits=True),
    )
    return timed(lambda x, y: model.train_on_batch(x, y), config, ids, labels)


def torch_layers(config: TrainConfig, ids: np.ndarray, labels: np.ndarray) -> Rate:
    """The same in PyTorch; ``ImportError`` where there is none."""
    import torch

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = torch.nn.Embedding(N_WORDS, N_INPUTS)
            self.gru = torch.nn.GRU(N_INPUTS, config.n_units, batch_first=True)
            self.readout = torch.nn.Linear(config.n_units, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.readout(self.gru(self.embedding(x))[0][:, -1])[:, 0]

    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def step(x: np.ndarray, y: np.ndarray) -> None:
        optimizer.zero_grad()
        logits = model(torch.tensor(x, dtype=torch.long))
        torch.nn.functional.binary_cross_entropy_with_logits(logits, torch.tensor(y)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return timed(step, config, ids, labels)


def timed(
    step: Callable[[np.ndarray, np.ndarray], object], config: TrainConfig, ids: np.ndarray, labels: np.ndarray
) -> Rate:
    size = config.batch_size
    step(ids[:size], labels[:size])

    def rate() -> float:
        started = time.perf_counter()
        for i in range(0, len(ids), size):
            step(ids[i : i + size], labels[i : i + size])
        return ids.size / (time.perf_counter() - started)

    return rate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag, value in (("--units", 256), ("--batch", 64), ("--tokens", 200), ("--steps", 12), ("--rounds", 3)):
        parser.add_argument(flag, type=int, default=value)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    ids = rng.integers(1, N_WORDS, (args.steps * args.batch, args.tokens)).astype(np.int32)
    labels = rng.integers(0, 2, len(ids)).astype(np.float32)
    mixed = TrainConfig(n_units=args.units, n_inputs=N_INPUTS, batch_size=args.batch, epochs=2)
    plain = TrainConfig(n_units=args.units, n_inputs=N_INPUTS, batch_size=args.batch, epochs=2, precision="float32")
    contenders = {
        "rnnrev.train.fit, bfloat16 products": ours(mixed, ids, labels),
        "keras.Model.fit around the same": keras_fit(mixed, ids, labels),
        "rnnrev.train.fit, float32": ours(plain, ids, labels),
        "keras.layers.GRU, compiled": keras_layers(plain, ids, labels),
    }
    try:
        contenders["torch.nn.GRU"] = torch_layers(plain, ids, labels)
    except ImportError:
        print("torch is not installed: left out")
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(args.rounds):
        for name, rate in contenders.items():
            rates[name].append(rate())
    print(f"GRU, {args.units} units, batches of {args.batch} x {args.tokens} tokens, median of {args.rounds} rounds")
    for name, values in rates.items():
        print(f"{name:36s} {np.median(values):10,.0f} tokens/s  ({min(values):,.0f} to {max(values):,.0f})")


if __name__ == "__main__":
    main()
