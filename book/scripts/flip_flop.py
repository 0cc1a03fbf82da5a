"""Train a Keras LSTM to hold the last pulse on each of two channels, then find its fixed points."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
import numpy as np

from rnnrev.cells import Cell
from rnnrev.fixed_points import find_fixed_points

rng = np.random.default_rng(0)
pulses = rng.choice([-1.0, 0.0, 1.0], p=[0.05, 0.9, 0.05], size=(512, 50, 2)).astype("float32")
held = pulses.copy()
for t in range(1, held.shape[1]):
    held[:, t] = np.where(pulses[:, t] == 0, held[:, t - 1], pulses[:, t])

keras.utils.set_random_seed(0)
lstm = keras.layers.LSTM(16, return_sequences=True)
model = keras.Sequential([keras.Input((None, 2)), lstm, keras.layers.Dense(2)])
model.compile(keras.optimizers.Adam(1e-2), "mse")
model.fit(pulses, held, batch_size=64, epochs=150, verbose=0)
print(f"error {model.evaluate(pulses, held, verbose=0):.4f}")

# from here on ten lines: the layer as a cell, states that it visits, then fixed points at zero input
W, U, b = lstm.get_weights()
cell = Cell("lstm", W, U, b, np.zeros_like(b), np.zeros(32))
h, visited = np.zeros((64, 32)), []
for t in range(pulses.shape[1]):
    h = cell.step(h, pulses[:64, t])
    visited.append(h)
starts = np.concatenate(visited)[::8] + 0.1 * rng.standard_normal((400, 32))
points = find_fixed_points(cell, starts, np.zeros(2), damping=0, tol_q=1e-10, unique_tol=0.05)
points = points[points.q < 1e-4]  # slow points too: a memory need not be exact to last
outputs = model.layers[-1](points.h_star[:, :16].astype("float32")).numpy().round(2)
print("unstable modes, outputs, starts, q, reason")
for i in np.argsort(points.n_unstable):
    print(points.n_unstable[i], *outputs[i], points.count[i], f"{points.q[i]:.0e}", points.reason[i])
