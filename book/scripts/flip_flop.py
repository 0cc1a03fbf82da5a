"""Train a Keras LSTM to hold the last pulse on each of two channels, then find its fixed points."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
import keras
import numpy as np

from rnnrev.fixed_points import find_fixed_points, keras_step

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

# from here on ten lines: states that the network visits, then fixed points at zero input
F, jacobian = keras_step(lstm)
h = np.zeros((64, 32))
visited = []
for t in range(pulses.shape[1]):
    h = F(h, pulses[:64, t])
    visited.append(h)
starts = np.concatenate(visited)[::8] + 0.1 * rng.standard_normal((400, 32))
points = find_fixed_points(F, starts, np.zeros(2), jacobian=jacobian, damping=0, tol_q=1e-10, unique_tol=0.05)
points = points.below(1e-4)  # slow points too: a memory need not be exact to last
outputs = model.layers[-1](points.h_star[:, :16].astype("float32")).numpy().round(2)
table = points.to_frame().assign(output_1=outputs[:, 0], output_2=outputs[:, 1])
print(
    table[["n_unstable", "output_1", "output_2", "count", "q", "reason"]]
    .sort_values("n_unstable")
    .to_string(index=False)
)
