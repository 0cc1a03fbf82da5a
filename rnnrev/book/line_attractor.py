"""What chapter 2 shows: memory in text, three references side by side, networks, its widgets' data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.linalg import block_diag

from ..cells import Cell
from ..edges import LAGS, insertion_response
from ..fixed_points import MeanMap, find_fixed_points, mean_map
from ..line_attractor import (
    Attractor,
    Spectra,
    mode_spectra,
    rank_correlation,
    score_logits,
    spread_starts,
    visited_states,
    word_kinds,
)
from ..linear import (
    LinearModel,
    OperatingPoint,
    eigenmodes,
    frequent_words,
    input_effect,
    mode_kernel,
    slow_mode,
    slowest_first,
    valence,
)
from ..model import BagOfWords, SentimentRNN
from ..plots.style import CONTROL, INTACT, Look, architecture, figure, intervals, label_panels
from ..stats import Estimate, bootstrap

__all__ = [
    "bag_valence", "compare_references", "memory_trace", "next_modes", "plot_architectures", "plot_references",
    "plot_sampling", "relax_model", "sampling", "scene",
]  # fmt: skip


def bag_valence(model: SentimentRNN, bag: BagOfWords) -> np.ndarray:
    """β of a bag of words for each word of a network's vocabulary, (V,); 0 for words that the bag does not know."""
    beta = dict(zip(bag.vocabulary.words, bag.beta.astype(float)))
    return np.array([beta.get(word, 0.0) for word in model.vocabulary.words])


def next_modes(point: OperatingPoint, words: np.ndarray, n: int = 10) -> np.ndarray:
    """What words (K,) add to the logit through each of the n next slowest modes, (K, n) nats; a pair is one mode."""
    modes = point.modes
    which = slowest_first(modes)[1 : n + 1]
    which = which[modes.eigvals[which].imag > -1e-12]
    through = (point.model.w @ modes.R[:, which])[:, None] * modes.L[which]
    pairs = np.where(modes.real[which], 1, 2)
    return input_effect(point, words) @ (pairs[:, None] * through.real).T


def compare_references(
    model: SentimentRNN, texts: Sequence[str], known: np.ndarray, n_starts: int = 40
) -> pd.DataFrame:
    """The same measures at fixed points of F(·, 0), of F(·, x̄) at the mean embedding, and of F̄: one row each.

    ``known`` (V,) valences of the vocabulary's words (say a bag of words' β). Effects are those of J_inp, so that the
    three are judged alike. Columns, medians over points as Estimates: ``q_start``, ``q``, ``tau_1``, ``tau_2``,
    ``gap_of_tau``, ``slow_modes``; ``effect`` the size of what the 200 most polar frequent words add to the logit
    through the slow mode, nats; ``sorting`` the rank correlation with ``known``; over reviews ``r2``, ``agree``.
    """
    model = model.astype(np.float64)
    w, x_mean = model.w, model.frequencies @ model.embedding
    F, starts = mean_map(model), spread_starts(model, texts, n_starts, 0)
    words = frequent_words(model)
    polar = np.abs(word_kinds(known[words])) == 1
    ids = model.vocabulary.encode_all(texts)
    full, rows = model.logits_of(ids), {}
    maps: list[tuple[str, Cell | MeanMap, np.ndarray | None]] = [
        ("zero input", model.cell, np.zeros(model.cell.n_inputs)), ("mean embedding", model.cell, x_mean),
        ("mean map", F, None),
    ]  # fmt: skip
    for name, step, x in maps:
        inputs = () if x is None else (x,)
        points = find_fixed_points(step, starts, x, unique_tol=None, max_distance=None, stability=False)
        J, after = step.jacobians(points.h_star, *inputs), step(points.h_star, *inputs)
        spectra, every = mode_spectra(J.J_rec, w), np.arange(len(points))
        r, l = spectra.modes.R[every, :, spectra.slow].real, spectra.modes.L[every, spectra.slow].real
        effects = (model.embedding[words] - x_mean) @ ((r @ w)[:, None] * np.einsum("ps,psd->pd", l, J.J_inp)).T
        linear = LinearModel(model, points.h_star, J.J_rec, after, J.J_inp, x_mean if x is None else x)
        score = score_logits(full, linear.logits_of(ids))
        rows[name] = {
            "q_start": bootstrap(0.5 * ((step(starts, *inputs) - starts) ** 2).sum(-1), np.median, n=500),
            "q": bootstrap(points.q, np.median, n=500),
            **{k: getattr(spectra, k) for k in ("tau_1", "tau_2", "gap_of_tau", "slow_modes")},
            "effect": bootstrap(np.median(np.abs(effects[polar]), axis=0), np.median, n=500),
            "sorting": bootstrap(np.array([rank_correlation(e, known[words]) for e in effects.T]), np.median, n=500),
            **score,
        }
    return pd.DataFrame(rows.values(), index=pd.Index(list(rows), name="reference"))


def memory_trace(
    point: OperatingPoint, texts: np.ndarray, words: np.ndarray, lags: Sequence[int] = LAGS
) -> pd.DataFrame:
    """How much of words is in the logit n tokens later: ``measured`` in texts, and ``predicted`` by the kernel at h*.

    Words (K,) stand at 30 and at 40 tokens of the texts (B, T). One row a lag: standard deviations over words, in nats,
    with intervals over words.
    """
    measured = insertion_response(point.model, texts, words, (30, 40), lags).mean((0, 1))
    effects = {"measured": measured, "predicted": mode_kernel(point, words, lags).total}
    rows = {name: [bootstrap(at, np.std) for at in e.T] for name, e in effects.items()}
    return pd.DataFrame(rows, index=pd.Index(lags, name="tokens after the word"))


def plot_references(table: pd.DataFrame) -> Figure:
    """The three references side by side; ``table`` of :func:`compare_references`."""
    panels = (("tau_1", "τ₁ (tokens)"), ("gap_of_tau", "τ₁ / τ₂"), ("slow_modes", "modes with τ > 100"),
              ("effect", "polar words' effect (nats)"), ("sorting", "rank correlation with β"),
              ("r2", "r² of the linear model"))  # fmt: skip
    fig, axes = figure(2, 3, height=3.9, sharey=True)
    for panel, (column, label) in zip(np.ravel(axes), panels):
        _intervals(panel, table[column], {name: {"color": CONTROL} for name in table.index if name != "mean map"})
        panel.set_xlabel(label)
    return fig


def _intervals(ax: Axes, estimates: pd.Series, looks: Mapping[str, Look], offset: float = 0.0, **more: Any) -> None:
    """Estimates by name, on an axis that begins at 0 or, over more than two decades, in whole decades."""

    def look(name: str) -> Look:
        return {"color": INTACT} | looks.get(name, {}) | more

    intervals(estimates.to_dict(), ax=ax, look=look, offset=offset)
    low, high = ax.dataLim.intervalx
    if low > 0 and high > 20:
        ax.set_xscale("log")
        ax.set_xlim(10 ** np.floor(np.log10(low)), 10 ** np.ceil(np.log10(high)))
    else:
        ax.set_xlim(min(low, 0) - 0.03 * (high - min(low, 0)), 1.05 * high or 1.0)


def sampling(
    model: SentimentRNN, h: np.ndarray, sizes: Sequence[int] = (75, 150, 300, 600), n_seeds: int = 4
) -> pd.DataFrame:
    """How F̄ at a state h (S,) settles as it averages over more words: one row a size and draw.

    ``shift``: ‖F̄(h) − F̄_all(h)‖, ``cosine``: |cos| of the slow mode's ℓ with that over all words, ``tau`` in tokens.
    """
    whole, rows = mean_map(model, len(model.vocabulary)), []

    def at(F: MeanMap) -> tuple[np.ndarray, np.ndarray, float]:
        modes = eigenmodes(F.jacobian(h))
        l = modes.L[slow_mode(modes)].real
        return F(h), l / np.linalg.norm(l), float(abs(modes.tau[slow_mode(modes)]))

    want, want_l, _ = at(whole)
    for n_tokens in sizes:
        for seed in range(n_seeds):
            after, l, tau = at(mean_map(model, n_tokens, seed))
            rows.append((n_tokens, seed, float(np.linalg.norm(after - want)), float(abs(l @ want_l)), tau))
    return pd.DataFrame(rows, columns=["n_tokens", "seed", "shift", "cosine", "tau"])


def plot_sampling(table: pd.DataFrame) -> Figure:
    """How F̄ settles as it averages over more words; ``table`` of :func:`sampling`."""
    fig, axes = figure(1, 3, height=2.6)
    labels = {"shift": "distance of F̄(h*) from all words'", "cosine": "|cos| of ℓ₁ with all words' ℓ₁",
              "tau": "τ of the slow mode (tokens)"}  # fmt: skip
    for panel, (column, label) in zip(axes, labels.items()):
        size = table.groupby("n_tokens")[column]
        panel.plot(size.mean(), color=INTACT, marker="o", markersize=4)
        panel.fill_between(size.mean().index, size.min(), size.max(), color=CONTROL, alpha=0.3, linewidth=0)
        panel.set(xscale="log", xlabel="words in F̄", ylabel=label)
        panel.set_xticks(list(size.groups), list(map(str, size.groups)))
        panel.minorticks_off()
        panel.yaxis.label.set_size(8.5)
        panel.set_ylim(*((None, 1.02) if column == "cosine" else (0, None)))
    return fig


def plot_architectures(table: pd.DataFrame) -> Figure:
    """The claims in several networks: filled markers the network, hollow ones the control that the label names.

    ``table`` of one data set, with columns network, measure, condition, value, low, high
    (:func:`rnnrev.claims.read`, "networks").
    """
    panels = {
        "dimensions of the states\n(hollow: untrained)": (("participation", ""), ("participation", "untrained")),
        "variance on a curve\n(hollow: visited states)": (("on_curve", ""), ("on_curve", "visited states")),
        "slowest mode, τ₁ (tokens)\n(hollow: second, τ₂)": (("tau_1", ""), ("tau_2", "")),
        "|cos| of r₁ and tangent\n(hollow: best of modes 2–6)": (("tangent", ""), ("tangent", "modes 2–6")),
        "words: rank correlation with β\n(hollow: shuffled)": (("sorting", ""), ("sorting", "words shuffled")),
        "linear model: r²\n(hollow: bag of words)": (("linear_r2", "nearest point"), ("linear_r2", "bag of words")),
    }
    fig, axes = figure(2, 3, height=4.8, sharey=True)
    names = list(dict.fromkeys(table.network))
    looks = {name: {k: v for k, v in architecture(name).items() if k in ("color", "marker")} for name in names}
    for panel, (label, (shown, control)) in zip(np.ravel(axes), panels.items()):
        for (measure, condition), offset, more in ((control, 0.18, {"markerfacecolor": "white"}), (shown, -0.12, {})):
            rows = table[(table.measure == measure) & (table.condition == condition)].set_index("network")
            rows = rows.reindex(names)[["value", "low", "high"]]
            _intervals(panel, rows.apply(lambda row: Estimate(*row), axis=1), looks, offset, **more)
        panel.set_xlabel(label, fontsize=8.5)
    label_panels(axes)
    return fig


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
