"""What the widgets of chapter 2 show: the states, the curve and the modes, small enough for a page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.linalg import block_diag

from ..line_attractor import Attractor, Spectra, visited_states
from ..linear import OperatingPoint, frequent_words, input_effect, slowest_first, valence

__all__ = ["relax_model", "scene"]


def scene(attractor: Attractor, spectra: Spectra, texts: Sequence[str]) -> dict[str, object]:
    """What the 3-D view shows, in the first three principal components of the visited states; plain lists.

    Keys: ``axes``, ``curve`` (``xyz`` the points, ``line`` the smooth curve through them), ``cloud`` (1,200 states),
    ``paths`` (of the first five texts) and ``arrows`` (w, r and the tangent at the point in the middle).
    """
    model = attractor.model
    w = np.asarray(model.w, float)
    states, _ = visited_states(model, texts)
    centre = states.mean(0)
    _, size, axes = np.linalg.svd(states - centre, full_matrices=False)
    axes = axes[:3] * np.where(axes[:3] @ w < 0, -1, 1)[:, None]

    def seen(h: np.ndarray) -> list[list[float]]:
        return ((h - centre) @ axes.T).round(3).tolist()

    cloud = states[np.random.default_rng(61).permutation(len(states))[:1200]]
    paths = []
    for number, (text, h) in enumerate(zip(texts[:5], model.states(texts[:5])), 1):
        tokens = ["(start)", *model.trace(text).tokens]
        logit = model.readout(h).round(3).tolist()
        paths.append({"name": f"review {number}", "tokens": tokens, "xyz": seen(h), "logit": logit})
    middle = int(np.abs(attractor.logit).argmin())
    at, length = attractor.h_star[middle], 0.2 * np.linalg.norm(attractor.curve[-1] - attractor.curve[0])
    r = spectra.modes.R[middle, :, spectra.slow[middle]].real
    directions = {"w (readout)": w, "r₁ (slow mode)": r, "tangent of the curve": attractor.tangent[middle]}
    return {
        "axes": [f"PC {i + 1} ({s:.0%} of variance)" for i, s in enumerate((size**2 / (size**2).sum())[:3])],
        "curve": {
            "xyz": seen(attractor.h_star),
            "line": seen(attractor.curve),
            "logit": attractor.logit.round(3).tolist(),
            "q": [float(f"{q:.2g}") for q in attractor.points.q],
            "tau": [float(f"{t:.3g}") for t in spectra.modes.slowest[:, 0]],
        },
        "cloud": {"xyz": seen(cloud), "logit": model.readout(cloud).round(3).tolist()},
        "paths": paths,
        "arrows": [
            {"name": name, "from": seen(at), "to": seen(at + length * d / np.linalg.norm(d))}
            for name, d in directions.items()
        ],
    }


def relax_model(
    point: OperatingPoint, words: Sequence[str] | None = None, n_modes: int = 8, text: str | None = None
) -> dict[str, object]:
    """The linear model in its slowest modes, small enough for a page: z' = A z + B[word], logit = c0 + c·z.

    The slow mode comes first, then the next by |log|λ||; a conjugate pair takes two coordinates (real and imaginary
    part); a small network has fewer. ``words`` default to the six most positive, most negative and most neutral
    frequent words. With ``text``, the network's own course through it is added as ``exact``.
    """
    model, modes = point.model, point.modes
    frequent = frequent_words(model)
    lasting = valence(point, frequent)
    if words is None:
        order = np.argsort(lasting)
        chosen = np.concatenate([order[-6:][::-1], np.argsort(np.abs(lasting))[:6], order[:6]])
        words = [model.vocabulary.words[i] for i in dict.fromkeys(frequent[chosen])]
    rows: list[np.ndarray] = []
    blocks: list[np.ndarray] = []
    labels: list[str] = []
    c, tau = list[float](), list[float]()
    for number, a in enumerate(slowest_first(modes), 1):
        if len(rows) >= n_modes or modes.eigvals[a].imag < -1e-12:
            break
        eigval, l, gain = modes.eigvals[a], modes.L[a], model.w @ modes.R[:, a]
        label = f"{'slow mode' if number == 1 else f'mode {number}'}, τ = {abs(modes.tau[a]):,.0f} tokens"
        if modes.real[a]:
            blocks.append(np.array([[eigval.real]]))
            rows, c, labels = [*rows, l.real], [*c, gain.real], [*labels, label]
        else:
            blocks.append(np.array([[eigval.real, -eigval.imag], [eigval.imag, eigval.real]]))
            rows, c = [*rows, l.real, l.imag], [*c, 2 * gain.real, -2 * gain.imag]
            labels += [f"{label}, real part", f"{label}, imaginary part"]
        tau += [float(modes.tau[a])] * (len(rows) - len(tau))
    to_z, k = np.array(rows), len(rows)
    neutral = np.median(np.abs(lasting))
    kinds = ["neutral" if abs(v) < neutral else "positive" if v > 0 else "negative" for v in valence(point, words)]
    names = [label.split(",")[0] for label in labels]
    kicks = [{"name": f"off the attractor, along {names[j]}", "z": np.eye(k)[j] * 2} for j in range(1, k)]
    system: dict[str, object] = {
        "k": k, "A": block_diag(*blocks), "tau": tau, "labels": labels, "words": list(words),
        "B": input_effect(point, words) @ to_z.T, "kind": kinds, "c": np.array(c), "c0": point.logit, "kicks": kicks,
    }  # fmt: skip
    if text is not None:
        h = model.states([text])[0]
        tokens = ["(start)", *model.trace(text).tokens]
        system["exact"] = {"words": tokens, "z": (h - point.h_star) @ to_z.T, "logit": model.readout(h)}
    return system
