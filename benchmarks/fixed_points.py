"""Fixed points: Levenberg–Marquardt (this package) against Adam, on the same network, starts and machine.

    python benchmarks/fixed_points.py [--network gru-imdb] [--starts 500] [--rates 0.01] [--out folder]
    python benchmarks/fixed_points.py --conditions [--starts 200]

Prints and writes as JSON

1. median q against seconds for F(·, 0): Adam in TensorFlow in the manner of FixedPointFinder and renn (all starts in
   one batch, float32, autodiff); of several learning rates the best, decayed by a cosine; and the time each takes to
   bring the median to the q at which Adam ends;
2. the finder on the corpus-averaged map over 600 words, 200 starts, and the peaks of NumPy's memory;
3. with ``--conditions``, only the second, in four fresh processes: with and without OPENBLAS_NUM_THREADS=1, alone and
   beside a busy process. A notebook has no such variable: the four must take as long.

Seconds are wall-clock, next to them the processor's (all cores added). So that other jobs on the machine do not decide,
each is timed at its best: the finder is the fastest of five runs, Adam is charged for every block of iterations what
its fastest block took (which is in Adam's favour).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from rnnrev import fixed_points, line_attractor, zoo
from rnnrev.cells import CELLS, Cell, tensorflow_ops
from rnnrev.data import load_reviews
from rnnrev.files import write_json
from rnnrev.fixed_points import MeanMap, find_fixed_points, mean_map
from rnnrev.model import SentimentRNN

OPTIONS: dict[str, Any] = {"unique_tol": None, "max_distance": None, "stability": False}


class Clock:
    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __call__(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, time.process_time() - self.cpu


def adam(cell: Cell, starts: np.ndarray, x: np.ndarray, rate: float, iterations: int, block: int = 50) -> np.ndarray:
    """Adam on the mean q: rows (seconds, processor seconds, median q in float64) every ``block`` iterations."""
    import tensorflow as tf

    cell, exact = cell.astype(np.float32), cell.astype(np.float64)
    h = tf.Variable(starts.astype(np.float32))
    m, v = tf.Variable(tf.zeros_like(h)), tf.Variable(tf.zeros_like(h))
    u = tf.constant(np.broadcast_to(cell.project(x), (len(starts), cell.U.shape[1])), tf.float32)

    @tf.function
    def run(first: Any) -> None:
        for i in tf.range(first, first + block):
            with tf.GradientTape() as tape:
                a = h[:, : cell.n_units] @ cell.U + cell.b_rec
                q = 0.5 * tf.reduce_sum((CELLS[cell.kind].combine(tensorflow_ops(), h, u, a) - h) ** 2)
            g = tape.gradient(q, h)
            t = tf.cast(i + 1, tf.float32)
            lr = rate * 0.5 * (1 + tf.cos(np.pi * t / iterations)) + 1e-6
            m.assign(0.9 * m + 0.1 * g)
            v.assign(0.999 * v + 0.001 * g * g)
            h.assign_sub(lr * (m / (1 - 0.9**t)) / (tf.sqrt(v / (1 - 0.999**t)) + 1e-8))

    def median() -> float:
        now = h.numpy().astype(float)
        return float(np.median(0.5 * ((exact.step(now, x) - now) ** 2).sum(-1)))

    run(tf.constant(0))  # tracing is not counted
    for variable, value in ((h, starts), (m, 0 * starts), (v, 0 * starts)):
        variable.assign(value.astype(np.float32))
    medians, times = [median()], []
    for first in range(0, iterations, block):
        clock = Clock()
        run(tf.constant(first))
        times.append(clock())
        medians.append(median())
    wall, cpu = np.min(times, axis=0)
    return np.array([(i * wall, i * cpu, q) for i, q in enumerate(medians)])


def newton(
    F: Cell | MeanMap, starts: np.ndarray, x: np.ndarray | None, damping: float, limits: list[int], repeats: int = 5
) -> np.ndarray:
    """Rows (seconds, processor seconds, median q, 10th and 90th percentile, iterations) of the finder stopped early.

    Seconds are the least of ``repeats`` runs, each kind for itself.
    """
    rows = []
    for limit in limits:
        times, fixed_points.ITERATIONS = [], limit
        for _ in range(repeats):
            clock = Clock()
            points = find_fixed_points(F, starts, x, damping=damping, **OPTIONS)
            times.append(clock())
        rows.append((*np.min(times, axis=0), *np.quantile(points.q, [0.5, 0.1, 0.9]), limit))
    return np.array(rows)


def memory_peak(F: Cell | MeanMap, starts: np.ndarray, x: np.ndarray | None) -> float:
    """MiB that NumPy held at most during a search."""
    tracemalloc.start()
    find_fixed_points(F, starts, x, **OPTIONS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def against_adam(cell: Cell, starts: np.ndarray, rates: list[float], iterations: int) -> dict[str, Any]:
    """Part 1."""
    x, rows = np.zeros(cell.n_inputs), {}
    find_fixed_points(cell, starts[:8], x, **OPTIONS)  # warm up
    for damping in (1e-4, 0.0):
        rows[damping] = newton(cell, starts, x, damping, [1, 2, 3, 4, 5, 6])
        print(
            f"\nF(·, 0), this package, damping {damping:g}\n seconds processor  median q    10 %     90 %  iterations"
        )
        for row in rows[damping]:
            print(f"{row[0]:8.2f}{row[1]:10.2f}{row[2]:10.1e}{row[3]:9.1e}{row[4]:9.1e}{row[5]:8.0f}")
    runs = {rate: adam(cell, starts, x, rate, iterations) for rate in rates}
    for rate, run in runs.items():
        wall, cpu, q = run[-1]
        print(f"Adam, rate {rate:g}: {iterations} iterations in {wall:.1f} s ({cpu:.1f} processor), median q {q:.1e}")
    best = min(runs, key=lambda r: runs[r][-1, 2])
    ratios = []
    for share in (0.1, 0.3, 1.0):
        q = runs[best][round(share * (len(runs[best]) - 1)), 2]
        slow = runs[best][runs[best][:, 2] <= q][0]
        quick = min((r[r[:, 2] <= q][0] for r in rows.values() if (r[:, 2] <= q).any()), key=lambda r: r[1])
        ratios.append({"q": q, "wall": slow[0] / quick[0], "processor": slow[1] / quick[1]})
        print(f"to median q {q:.1e}: Adam {slow[0]:.1f} s ({slow[1]:.1f} processor), here {quick[0]:.2f} s "
              f"({quick[1]:.2f}): {ratios[-1]['wall']:.0f} ({ratios[-1]['processor']:.0f}) times faster")  # fmt: skip
    peak = memory_peak(cell, starts, x)
    print(f"memory peak {peak:.0f} MiB")
    return {"rows": {f"damping {d:g}": r for d, r in rows.items()}, "adam": {"rate": best, "rows": runs[best]},
            "ratios": ratios, "memory peak (MiB)": peak}  # fmt: skip


def averaged(F: MeanMap, starts: np.ndarray) -> dict[str, Any]:
    """Part 2."""
    row = newton(F, starts, None, 1e-4, [100], repeats=1)[0]
    peak = memory_peak(F, starts[:20], None)
    print(f"\nmean map over {len(F.words)} words, {len(starts)} starts: {row[0]:.1f} s ({row[1]:.1f} processor), "
          f"median q {row[2]:.1e}, memory peak {peak:.0f} MiB")  # fmt: skip
    return {"row": row, "memory peak (MiB)": peak}


def conditions(network: str, starts: int, rounds: int = 3) -> dict[str, list[float]]:
    """Part 3: seconds and processor seconds of the mean map's search in four conditions, the least of the rounds."""
    command = [sys.executable, __file__, "--seconds", "--network", network, "--starts", str(starts)]
    bare = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")}
    variables = {"no variable": bare, "OPENBLAS_NUM_THREADS=1": bare | {"OPENBLAS_NUM_THREADS": "1"}}
    times: dict[str, list[list[float]]] = {}
    for _ in range(rounds):  # in turn, so that no condition gets the machine's quiet hour
        for beside in ("alone", "beside a busy process"):
            for variable, env in variables.items():
                busy = subprocess.Popen([sys.executable, "-c", "while True: pass"]) if beside != "alone" else None
                try:
                    run = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
                finally:
                    if busy is not None:
                        busy.kill()
                        busy.wait()
                times.setdefault(f"{variable}, {beside}", []).append(json.loads(run.stdout))
    seconds = {name: np.min(rows, axis=0).tolist() for name, rows in times.items()}
    for name, (wall, cpu) in seconds.items():
        print(f"{name:45}{wall:7.1f} s ({cpu:.1f} processor)")
    walls = [wall for wall, _ in seconds.values()]
    print(f"slowest over quickest {max(walls) / min(walls):.2f}, load {os.getloadavg()[0]:.1f}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="gru-imdb")
    parser.add_argument("--starts", type=int, default=500)
    parser.add_argument("--iterations", type=int, default=5000, help="Adam's limit")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.03, 0.01, 0.003])
    parser.add_argument("--conditions", action="store_true", help="part 3 alone")
    parser.add_argument("--seconds", action="store_true", help="print the seconds of the mean map's search alone")
    parser.add_argument("--out", type=Path, default=None, help="folder for fixed-points.json")
    args = parser.parse_args()

    found: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "network": args.network,
    }
    if args.conditions:
        found["conditions"] = conditions(args.network, min(args.starts, 200))
    else:
        model = zoo.load(args.network, SentimentRNN).astype(np.float64)
        states, _ = line_attractor.visited_states(model, load_reviews("book").texts)
        starts = states[np.random.default_rng(0).permutation(len(states))[: args.starts]]
        if args.seconds:
            print(newton(mean_map(model), starts, None, 1e-4, [100], repeats=2)[0, :2].tolist())
            return
        print(found, len(starts), "starts")
        found["against Adam"] = against_adam(model.cell, starts, args.rates, args.iterations)
        found["mean map"] = averaged(mean_map(model), starts[:200])
    if args.out:
        print(write_json(args.out / "fixed-points.json", json.loads(json.dumps(found, default=np.ndarray.tolist))))


if __name__ == "__main__":
    main()
