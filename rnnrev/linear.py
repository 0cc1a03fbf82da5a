"""Linearization: near a fixed point a network is a sum of modes that each fade at their own pace.

J_rec = R Λ L with L = R⁻¹: column r_a of R is the pattern of mode a, row ℓ_a of L says how much of a state is in it,
and it fades with the time constant τ_a = −1/log|λ_a| tokens. :func:`operating_point` is the approximate fixed point
of the corpus-averaged map from which all chapters start.

Sources: LA19 section 4 and supplement; CP20 section 3; Sussillo & Barak 2013.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .data import load_reviews
from .fixed_points import MeanMap, find_fixed_points, mean_map
from .model import SentimentRNN

__all__ = ["Eigenmodes", "OperatingPoint", "eigenmodes", "operating_point", "time_constants"]


class Eigenmodes(NamedTuple):
    """J_rec = R Λ L, modes sorted by |λ|, largest first; leading axes as those of J.

    ``eigvals`` (..., S) and ``tau`` (..., S) in tokens (negative where the mode grows); ``R`` (..., S, S) holds the
    right vectors as columns, of length 1; ``L`` = R⁻¹ the left ones as rows; ``condition`` of R.
    """

    eigvals: np.ndarray
    R: np.ndarray
    L: np.ndarray
    tau: np.ndarray
    condition: np.ndarray


def time_constants(eigvals: np.ndarray) -> np.ndarray:
    """τ = −1/log|λ| in tokens: a mode falls to 1/e in τ tokens; negative where it grows, ±inf at |λ| = 1."""
    with np.errstate(divide="ignore"):
        return -1 / np.log(np.abs(eigvals))


def eigenmodes(J: np.ndarray, w: np.ndarray | None = None) -> Eigenmodes:
    """The modes of a Jacobian (or a stack of them), with left and right vectors biorthonormal.

    Parameters
    ----------
    J : array, (..., S, S)
    w : array, (S,), optional
        Readout: real modes get the sign for which w·r > 0. Without it, the largest entry of r is positive.

    Conjugate pairs stand together, the one with positive imaginary part first. Warns where R is so near to singular
    (condition over 1e10) that single modes cannot be trusted.
    """
    J = np.asarray(J, float)
    if J.ndim < 2 or J.shape[-1] != J.shape[-2]:
        raise ValueError(f"J must be square matrices (..., S, S), not {J.shape}")
    if not np.isfinite(J).all():
        raise ValueError("J holds values that are not finite")
    eigvals, R = np.linalg.eig(J)
    eigvals, R = eigvals.astype(complex), R.astype(complex)
    # |λ| of a conjugate pair may differ in the last bit: rounding keeps the two together
    keys = (-eigvals.imag, eigvals.real, np.abs(eigvals.imag).round(12), -np.abs(eigvals).round(12))
    order = np.lexsort(keys, axis=-1)
    eigvals = np.take_along_axis(eigvals, order, -1)
    R = np.take_along_axis(R, order[..., None, :], -1)
    if w is None:
        biggest = np.take_along_axis(R, np.abs(R).argmax(-2)[..., None, :], -2)
        sign = np.where(biggest.real < 0, -1.0, 1.0)
    else:
        sign = np.where((np.asarray(w, float) @ R).real < 0, -1.0, 1.0)[..., None, :]
    R = R * sign
    L = np.linalg.inv(R)
    condition = np.linalg.cond(R)
    if np.max(condition) > 1e10:
        warnings.warn(
            f"the eigenvectors are nearly dependent (condition {np.max(condition):.1e}): single modes and their left "
            "vectors cannot be trusted there; use the Jacobian itself, or a Schur form",
            stacklevel=2,
        )
    return Eigenmodes(eigvals, R, L, time_constants(eigvals), condition)


class OperatingPoint(NamedTuple):
    """The approximate fixed point of F̄ from which the chapters start, and its slow mode.

    ``h_star`` (S,), ``q`` its speed, ``modes`` of the averaged J_rec there, ``r`` and ``l`` (S,) the real slow mode
    (‖r‖ = 1, l·r = 1, w·r > 0), ``logit`` there in nats.
    """

    model: SentimentRNN
    mean_map: MeanMap
    h_star: np.ndarray
    q: float
    modes: Eigenmodes
    r: np.ndarray
    l: np.ndarray
    logit: float


def operating_point(
    model: SentimentRNN,
    logit: float = 0.0,
    n_tokens: int = 600,
    seed: int = 0,
    *,
    texts: Sequence[str] | None = None,
    n_starts: int = 24,
) -> OperatingPoint:
    """The approximate fixed point of F̄ near the data with the logit nearest to the one asked for.

    The rule: of the states that the network visits in ``texts`` (default: the embedded reviews) after the tenth
    token, take the one of each text with the logit nearest to ``logit``, and of these the ``n_starts`` nearest. Lower
    q from each (:func:`rnnrev.fixed_points.find_fixed_points` with F̄). Of the points in the slower half, take the one
    with the logit nearest to ``logit``. Nothing is drawn at random but the tokens of F̄.
    """
    model = model.astype(np.float64)
    texts = load_reviews("book").texts if texts is None else texts
    F = mean_map(model, n_tokens, seed)
    w = np.reshape(model.w, (len(model.w), -1))[:, 0]
    found, distance = [], []
    for h in model.states(texts):
        h = h[min(10, len(h) - 1) :]
        off = np.abs(h @ w + np.reshape(model.b, -1)[0] - logit)
        found.append(h[off.argmin()])
        distance.append(off.min())
    order = np.argsort(distance, kind="stable")[:n_starts]
    points = find_fixed_points(F, np.array(found)[order], unique_tol=None, max_distance=None, stability=False)
    kept = points.q <= np.median(points.q)
    off = np.where(kept, np.abs(points.h_star @ w + np.reshape(model.b, -1)[0] - logit), np.inf)
    best = int(off.argmin())
    h_star = points.h_star[best]
    modes = eigenmodes(F.jacobian(h_star), w)
    real = int(np.argmax(np.abs(modes.eigvals.imag) < 1e-12))  # the slowest mode that is real
    return OperatingPoint(
        model, F, h_star, float(points.q[best]), modes, modes.R[:, real].real, modes.L[real].real,
        float(h_star @ w + np.reshape(model.b, -1)[0]),
    )  # fmt: skip
