"""Fixed points: Levenberg–Marquardt (this package) against Adam, on the same network, starts and machine.

    python benchmarks/fixed_points.py [--network gru-imdb] [--starts 500] [--iterations 5000] [--out folder]

Prints and writes as JSON

1. median q against seconds for F(·, 0): Adam in TensorFlow in the manner of FixedPointFinder and renn (all starts in
   one batch, float32, autodiff); of several learning rates the best, decayed by a cosine;
2. the time each takes to bring the median to the q at which Adam ends, and the peak of NumPy's memory;
3. the same finder on the corpus-averaged map over 600 words, 200 starts;
4. how the mean map settles with the number of words.

Seconds are wall-clock, next to them the processor's (all cores added). Both methods get every core. So that other jobs
on the machine do not decide, each is timed at its best: the finder is the fastest of five runs, Adam is charged for
every block of iterations what its fastest block took (which is in Adam's favour). Adam's sums as run are printed too.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np

from rnnrev import line_attractor, zoo
from rnnrev.data import load_reviews
from rnnrev.files import write_json
from rnnrev.fixed_points import find_fixed_points, mean_map
from rnnrev.linear import operating_point

OPTIONS: dict[str, Any] = {"unique_tol": None, "max_distance": None, "stability": False}


class Clock:
    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __call__(self) -> tuple[float, float]:
        return time.perf_counter() - self.wall, time.process_time() - self.cpu


def adam(
    cell: Any, starts: np.ndarray, x: np.ndarray, rate: float, iterations: int, block: int = 50
) -> tuple[list[Any], list[float]]:
    """Adam on the mean q: rows (seconds, processor seconds, median q in float64) every ``block`` iterations.

    Seconds are those of the fastest block; the sums as run, (seconds, processor seconds), come beside the rows.
    """
    import tensorflow as tf

    cell, exact = cell.astype(np.float32), cell.astype(np.float64)
    h = tf.Variable(starts.astype(np.float32))
    m, v = tf.Variable(tf.zeros_like(h)), tf.Variable(tf.zeros_like(h))
    x_tf = tf.constant(np.broadcast_to(x, (len(starts), len(x))), tf.float32)

    @tf.function
    def run(first: Any) -> None:
        for i in tf.range(first, first + block):
            with tf.GradientTape() as tape:
                q = 0.5 * tf.reduce_sum((cell.step_tf(h, x_tf) - h) ** 2)
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
    rows = [(i * wall, i * cpu, q) for i, q in enumerate(medians)]
    return [*map(tuple, np.array(rows).tolist())], np.sum(times, axis=0).tolist()


def newton(
    F: Any, starts: np.ndarray, x: np.ndarray | None, damping: float, limits: list[int], repeats: int = 5
) -> list[Any]:
    """Rows (seconds, processor seconds, median q, 10th and 90th percentile, iterations) of the finder stopped early.

    Seconds are the least of ``repeats`` runs, each kind for itself.
    """
    rows = []
    for limit in limits:
        times = []
        for _ in range(repeats):
            clock = Clock()
            points = find_fixed_points(F, starts, x, damping=damping, max_iterations=limit, **OPTIONS)
            times.append(clock())
        wall, cpu = np.min(times, axis=0).tolist()
        rows.append((wall, cpu, float(np.median(points.q)), *map(float, np.quantile(points.q, [0.1, 0.9])), limit))
    return rows


def memory_peak(F: Any, starts: np.ndarray, x: np.ndarray | None) -> float:
    """MiB that NumPy held at most during a search."""
    tracemalloc.start()
    find_fixed_points(F, starts, x, **OPTIONS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def reach(rows: list[Any], q: float) -> tuple[float, float] | None:
    """Seconds and processor seconds at which the median first was at most ``q``."""
    return next(((row[0], row[1]) for row in rows if row[2] <= q), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", default="gru-imdb")
    parser.add_argument("--starts", type=int, default=500)
    parser.add_argument("--iterations", type=int, default=5000, help="Adam's limit")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.1, 0.03, 0.01, 0.003])
    parser.add_argument("--limits", type=int, nargs="*", default=[15, 30, 100], help="more iterations of the finder")
    parser.add_argument("--no-map", action="store_true", help="leave out parts 3 and 4")
    parser.add_argument("--no-adam", action="store_true")
    parser.add_argument("--out", type=Path, default=None, help="folder for fixed-points.json")
    args = parser.parse_args()

    model = zoo.load(args.network).astype(np.float64)
    texts = load_reviews("book").texts
    states, _ = line_attractor.visited_states(model, texts)
    starts = states[np.random.default_rng(0).permutation(len(states))[: args.starts]]
    x = np.zeros(model.cell.n_inputs)
    found: dict[str, Any] = {
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "network": args.network,
        "starts": len(starts),
    }
    print(found)

    find_fixed_points(model.cell, starts[:8], x, max_iterations=4, **OPTIONS)  # warm up
    for damping in (1e-4, 0.0):
        rows = newton(model.cell, starts, x, damping, [1, 2, 3, 4, 5, 6, 8])
        rows += newton(model.cell, starts, x, damping, args.limits, repeats=1)
        found[f"zero input, damping {damping:g}"] = rows
        print(
            f"\nF(·, 0), this package, damping {damping:g}:  "
            "seconds  processor  median q   10 %      90 %    iterations"
        )
        for row in rows:
            print(f"{'':42}{row[0]:8.2f}{row[1]:9.2f}{row[2]:12.1e}{row[3]:10.1e}{row[4]:10.1e}{row[5]:8d}")
    found["memory peak, zero input (MiB)"] = memory_peak(model.cell, starts, x)
    print(f"memory peak {found['memory peak, zero input (MiB)']:.0f} MiB")

    if not args.no_adam:
        runs = {}
        for rate in args.rates:
            runs[rate], as_run = adam(model.cell, starts, x, rate, args.iterations)
            wall, cpu, q = runs[rate][-1]
            print(
                f"Adam, rate {rate:g}: {args.iterations} iterations in {wall:.1f} s ({cpu:.1f} processor; as run "
                f"{as_run[0]:.1f} and {as_run[1]:.1f}), median q {q:.1e}"
            )
        best = min(runs, key=lambda r: runs[r][-1][2])
        found["adam"] = {"rate": best, "rows": runs[best]}
        print(f"\nbest rate {best:g}")
        ours = found["zero input, damping 0.0001"], found["zero input, damping 0"]
        for share in (0.1, 0.3, 1.0):
            q = runs[best][round(share * (len(runs[best]) - 1))][2]
            slow = reach(runs[best], q)
            quick = min((r for rows in ours if (r := reach(rows, q))), default=None)
            if slow and quick:
                ratio = {"q": q, "wall": slow[0] / quick[0], "processor": slow[1] / quick[1]}
                found.setdefault("ratios", []).append(ratio)
                print(
                    f"to median q {q:.1e}: Adam {slow[0]:.1f} s, here {quick[0]:.2f} s: {ratio['wall']:.0f} times "
                    f"faster (processor {slow[1]:.1f} s, {quick[1]:.2f} s: {ratio['processor']:.0f} times)"
                )

    if not args.no_map:
        averaged(model, texts, starts, found)
    if args.out:
        print(write_json(args.out / "fixed-points.json", json.loads(json.dumps(found, default=np.ndarray.tolist))))


def averaged(model: Any, texts: Any, starts: np.ndarray, found: dict[str, Any]) -> None:
    """Parts 3 and 4: the finder on the mean map, and how that map settles; adds to ``found``."""
    F = mean_map(model, 600)
    rows = newton(F, starts[:200], None, 1e-4, [100], repeats=1)
    found["mean map, 600 words, 200 starts"] = rows
    found["memory peak, mean map (MiB)"] = memory_peak(F, starts[:20], None)
    wall, cpu, q, *_ = rows[0]
    print(f"\nmean map over 600 words, 200 starts: {wall:.1f} s ({cpu:.1f} processor), median q {q:.1e}")
    clock = Clock()
    F.jacobian(starts[:20])
    print(f"one averaged Jacobian: {clock()[0] / 20 * 1e3:.1f} ms ({clock()[1] / 20 * 1e3:.1f} processor)")

    point = operating_point(model, texts=texts)
    found["sampling"] = line_attractor.sampling(model, point.h_star)
    print("\nwords in the mean map   ‖F̄ − F̄_all‖   least |cos ℓ₁|   τ₁")
    for row in found["sampling"]:
        print(f"{row['n_tokens']:20d}{row['shift'].mean():15.1e}{row['cosine'].min():15.4f}   {np.round(row['tau'])}")


if __name__ == "__main__":
    main()
