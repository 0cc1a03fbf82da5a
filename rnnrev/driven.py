"""Along the text: what the future reads of a state, and what a word leaves, in real reviews instead of at one point.

A driven network never stands at a fixed point. What it remembers is a product of Jacobians along the text, E[∏J], and
no power J(h*)ⁿ. Two measurements take the place of the slow mode's vectors:

* **adjoints** a_t(n) = ∂logit_{t+n}/∂h_t. Their mean at a lag of many tokens is the *left vector from text*: what the
  future reads of a state now. Back-propagated with the cells' exact partials, J_recᵀ g = d_h ∘ g + U (d_a ∘ g): no
  Jacobian is ever stored.
* **impulse responses** h_{t+n}(word) − h_{t+n}. The axis that they lie on after many tokens is the *right vector from
  text*: where the network keeps what it has read.

:func:`driven_point` puts both into an :class:`rnnrev.linear.OperatingPoint`, for every tool that takes one.

Sources: Werbos 1990 (adjoints); Benettin et al. 1980 (Lyapunov exponents by QR); the vectors from text are ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import spearmanr

from .cells import Cell
from .fixed_points import mean_map, numeric_jacobian
from .linear import OperatingPoint, Unmeasured, Words, eigenmodes, frequent_words, operating_point, valence
from .model import SentimentRNN, Step, forward
from .stats import shown
from .threads import in_threads

__all__ = ["LAG", "adjoints", "doubts", "driven_point", "token_arrays"]

#: Tokens after which what is left of a word, and what is still read of a state, counts as lasting.
LAG = 50

Texts = Sequence[str] | Sequence[np.ndarray]


def token_arrays(
    model: SentimentRNN, texts: Texts, n: int | None = None, length: int | None = None, seed: int = 0
) -> list[np.ndarray]:
    """Texts as arrays of token numbers: ``n`` of them in random order, each one's first ``length`` tokens."""
    if isinstance(texts, str):
        raise TypeError("give a list of texts, not one text: [text]")
    order = range(len(texts)) if n is None else np.random.default_rng([seed, 17]).permutation(len(texts))[:n]
    ids = [model.vocabulary.encode(t) if isinstance(t := texts[i], str) else np.asarray(t) for i in order]
    return [i[:length] for i in ids]


def visited_states(model: SentimentRNN, ids: Sequence[np.ndarray]) -> np.ndarray:
    """States after the first ten tokens of each text (its last one, if it is shorter), (n, S)."""
    return np.concatenate([h[min(10, len(h) - 1) :] for h in model.states_of(ids)])


@dataclass(frozen=True, eq=False, repr=False)
class FunctionCell(Cell):
    """A plain function F(h, x) as a cell: h (n, S), x (n, D) -> (n, S); its Jacobian by central differences.

    Make one with :meth:`of`; put into a :class:`rnnrev.model.SentimentRNN` it can be analysed along text.
    """

    F: Callable[[np.ndarray, np.ndarray], np.ndarray] = field(kw_only=True)
    #: ∂F/∂h (n, S, S) of h and x, by autodiff for instance
    jacobian: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = field(kw_only=True, default=None)

    def __post_init__(self) -> None:
        pass  # no weights to check

    @classmethod
    def of(
        cls, F: Callable[[np.ndarray, np.ndarray], np.ndarray], h0: np.ndarray, n_inputs: int,
        jacobian: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
    ) -> FunctionCell:  # fmt: skip
        """The cell that steps with F from ``h0`` (S,) on inputs of ``n_inputs`` numbers."""
        S, D = len(h0), n_inputs
        h0 = np.asarray(h0, float)
        return cls("function", np.eye(D), np.eye(S), np.zeros(D), np.zeros(S), h0, F=F, jacobian=jacobian)

    def combine(self, h: np.ndarray, u: np.ndarray, a: np.ndarray) -> np.ndarray:
        lead = np.broadcast_shapes(h.shape[:-1], u.shape[:-1])
        h, u = (np.broadcast_to(x, (*lead, x.shape[-1])) for x in (h, u))
        after = self.F(h.reshape(-1, h.shape[-1]), u.reshape(-1, u.shape[-1]))
        return np.reshape(after, h.shape)

    def _jacobian(self, h: np.ndarray, u: np.ndarray) -> np.ndarray:
        if self.jacobian is not None:
            return np.asarray(self.jacobian(h, u))
        return numeric_jacobian(lambda moved: self.F(moved, np.repeat(u, len(moved) // len(u), 0)), h)

    def vjp(self, h: np.ndarray, u: np.ndarray, g: np.ndarray) -> np.ndarray:
        return np.einsum("bij,b...i->b...j", self._jacobian(h, u), g)

    def jvp(self, h: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
        return np.einsum("bij,b...j->b...i", self._jacobian(h, u), v)


# --- the two measurements -----------------------------------------------------------------------


def adjoints(
    model: SentimentRNN, texts: Texts, lags: Sequence[int] = range(61), *,
    places: int | np.ndarray = 512, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """What later logits read of a state: ∂logit_{t+n}/∂h_t, for each place t + n of texts and lag n.

    ``lags`` (L,) count the tokens between state and logit. ``places`` are where the logit is read: so many drawn at
    random from all texts, at least max(lags) tokens from the start (all, if there are fewer); or rows (P, 2) of text
    and number of tokens read. Returns (P, L, S) in nats a unit of state; (P, L, C, S) for C > 2 classes, one adjoint a
    class. ``Unmeasured`` if no text reaches back that far, ``ValueError`` for a negative lag.
    """
    ids, lags = token_arrays(model, texts), [int(n) for n in lags]
    reach, starts, tokens = max(lags), *_rows(ids)
    if min(lags) < 0:
        raise ValueError(f"lags count tokens and are not negative: {min(lags)}")
    if isinstance(places, int):
        at = np.array([(i, t) for i, text in enumerate(ids) for t in range(reach, len(text) + 1)]).reshape(-1, 2)
        at = np.random.default_rng([seed, 131]).permutation(at)[:places]
    else:
        at = np.asarray(places)
    if not len(at) or (at[:, 1] < reach).any():
        longest = max(len(i) for i in ids)
        raise Unmeasured(f"lags up to {reach} need texts of as many tokens, the longest has {longest}: lower lags")
    states, w = np.concatenate(model.states_of(ids)), model.w.T
    at = starts[at[:, 0]] + at[:, 1]
    out = np.empty((len(at), len(lags), *w.shape), states.dtype)

    def read(rows: slice) -> None:
        g = np.broadcast_to(w, (len(at[rows]), *w.shape)).astype(states.dtype)
        for lag in range(reach + 1):
            if lag:
                before = at[rows] - lag
                g = model.cell.vjp(states[before], model.projected[tokens[before]], g)
            if lag in lags:
                out[rows, lags.index(lag)] = g

    in_threads(read, [slice(i, i + 128) for i in range(0, len(at), 128)])
    return out


def _rows(ids: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Of all states of texts in one array: the row of each text's first, and the token that leads on from each row."""
    lengths = np.array([len(i) + 1 for i in ids])
    return np.cumsum(lengths) - lengths, np.concatenate([np.r_[i, 0] for i in ids])


def impulse_responses(
    model: SentimentRNN, texts: Texts, words: Words, lags: Sequence[int] = (LAG,), places: Sequence[int] | None = None,
    *, h0: np.ndarray | None = None, w: np.ndarray | None = None, seed: int = 0,
) -> np.ndarray:  # fmt: skip
    """Put each word at each place of each text, in place of the token there, and see what becomes of the state.

    ``words`` are K words or their numbers; ``lags`` (L,) tokens read after the word before states are compared, 0 at
    the word itself; ``places`` (P,) tokens read before it, the same in all texts, or one drawn at random in each (P =
    1). ``h0``, (S,) or (B, S), is the state before the first token, the network's own unless given; ``w``, (S,) or
    (S, R), what is read of the difference of states, all of it unless given.
    Returns the state with the word less the one without it, (B, P, K, L, S), or its readout, (B, P, K, L) and (B, P, K,
    L, R). ``Unmeasured`` if a text ends before the last lag after the last place.
    """
    ids, lags, numbers = token_arrays(model, texts), [int(n) for n in lags], model.vocabulary.numbers(words)
    reach, first = max(lags), 0 if places is None else max(places)
    shortest = min(len(i) for i in ids)
    if reach + first >= shortest or min(lags) < 0 or (places is not None and min(places) < 0):
        raise Unmeasured(
            f"lags up to {reach} after places up to {first} need {reach + first + 1} tokens or more, the shortest text "
            f"has {shortest}: give longer texts, or lower both"
        )
    if places is None:
        at = np.random.default_rng([seed, 137]).integers([len(i) - reach for i in ids])[:, None]
    else:
        at = np.tile(np.asarray(places, int), (len(ids), 1))
    starts, tokens = _rows(ids)
    plain = np.concatenate(model.states_of(ids, h0=h0))
    row = np.repeat((starts[:, None] + at).ravel(), len(numbers))
    changed = tokens[row[:, None] + np.arange(reach + 1)]
    changed[:, 0] = np.tile(numbers, at.size)
    w = None if w is None else np.asarray(w, plain.dtype)
    out = np.empty((len(row), len(lags), *(plain.shape[1:] if w is None else w.shape[1:])))

    def compare(h: np.ndarray, step: Step) -> np.ndarray:
        for i in np.flatnonzero(np.equal(lags, step.t - 1)):
            difference = h - plain[row[step.rows] + step.t]
            out[step.rows, i] = difference if w is None else difference @ w
        return h

    forward(model.advance, plain[row], list(changed), compare, batch_size=1024)
    return out.reshape(*at.shape, len(numbers), *out.shape[1:])


def lyapunov(model: SentimentRNN, texts: Texts, k: int = 8, *, skip: int = 20, length: int = 160) -> np.ndarray:
    """The k largest Lyapunov exponents of each text, per token: how fast small changes of the state fade along it.

    −1/exponent is a time constant in tokens, to be held beside τ at h*. Random directions are carried along each text
    and made orthogonal again after every token (QR); ``skip`` tokens let them settle, then logarithms are averaged up
    to token ``length``. Returns (n, k), one row a text that has as many tokens; ``Unmeasured`` if none has, or k
    exceeds the state's length.
    """
    ids = [i[:length] for i in token_arrays(model, texts) if len(i) >= length]
    if not ids or not 1 <= k <= model.cell.n_state or not 0 <= skip < length:
        raise Unmeasured(f"needs texts of {length} tokens, more than {skip} skipped, and 1 ≤ k ≤ {model.cell.n_state}")
    states, tokens = np.stack(model.states_of(ids)), np.stack(ids)
    v = np.random.default_rng([0, 139]).standard_normal((len(ids), k, model.cell.n_state))
    total = np.zeros((len(ids), k))
    for t in range(length):
        v = model.cell.jvp(states[:, t], model.projected[tokens[:, t]], v)
        q, r = np.linalg.qr(np.swapaxes(v, 1, 2))
        v = np.swapaxes(q, 1, 2)
        if t >= skip:
            total += np.log(np.abs(np.diagonal(r, axis1=1, axis2=2)))
    return total / (length - skip)


# --- what takes the place of the operating point --------------------------------------------------


@dataclass(frozen=True, eq=False)
class DrivenPoint(OperatingPoint):
    """The vectors from text in the place of the slow mode, at the mean visited state in the place of h*.

    Attributes are those of :class:`rnnrev.linear.OperatingPoint`: ``h_star`` is the mean visited state, ``l`` the mean
    adjoint at the lag, ``r`` the leading axis of impulse responses (‖r‖ = 1, l·r = 1, what goes along r raises later
    logits); ``q``, ``modes`` and ``slow`` are those of F̄ at that state.
    """

    memory: float = shown(".0f", default=np.nan)  #: time constant of what is read along r, in tokens
    coherence: float = shown(".2f", default=np.nan)  #: ‖mean adjoint‖ / rms: 1 if all places read the same direction
    on_axis: float = shown(".1%", default=np.nan)  #: share of the squared impulse responses that lies along r

    @property
    def tau(self) -> float:
        """Time constant of what is read along r, in tokens, by the adjoints at half the lag and at the lag."""
        return self.memory


def driven_point(model: SentimentRNN, texts: Texts, lag: int = LAG, *, seed: int = 0) -> DrivenPoint:
    """The operating point from training text: mean visited state, mean adjoint, leading axis of impulse responses.

    Of the texts with more than ``lag`` tokens 200 are drawn, and their first 160 tokens read; 64 frequent words are put
    in, and their mean response, most of it that of the tokens in whose place they stand, is taken off. Both vectors are
    averages over the four tokens up to the lag: what turns with a period of two or four tokens, as in the tanh network,
    does not last and does not count. ``Unmeasured`` if no text is longer than the lag.
    """
    ids = [i for i in token_arrays(model, texts, len(texts), 160, seed) if len(i) > lag][:200]
    if not ids or lag < 8:
        raise Unmeasured(f"needs texts of more than {lag} tokens, and a lag of 8 or more")
    fast, early, late = model.astype(np.float32), range(lag // 2 - 3, lag // 2 + 1), range(lag - 3, lag + 1)
    a = adjoints(fast, ids, (*early, *late), seed=seed).astype(float)
    a = a.reshape(len(a), 2, 4, -1, a.shape[-1])[..., 0, :].mean(2)  # of more classes the first
    frequent = frequent_words(model)
    words = np.random.default_rng([seed, 149]).permutation(frequent)[:64]
    response = impulse_responses(fast, ids, words, late, seed=seed).mean((0, 1, 3))
    _, sizes, axes = np.linalg.svd(response - response.mean(0), full_matrices=False)
    left, mean, model = a[:, 1].mean(0), visited_states(fast, ids).astype(float).mean(0), model.astype(np.float64)
    r = axes[0] * (np.sign(axes[0] @ left) or 1)
    read = np.abs(a.mean(0) @ r)
    F = mean_map(model, seed=seed)
    J = F.jacobian(mean) if type(model.cell) is Cell else numeric_jacobian(F, mean[None])[0]
    return DrivenPoint(
        model, F, mean, float(np.sum((F(mean) - mean) ** 2) / 2), eigenmodes(J), r, left / (left @ r),
        float(np.reshape(model.readout(mean), -1)[0]), float((lag - lag // 2) / np.log(read[0] / read[1])),
        float(np.linalg.norm(left) / np.sqrt(np.mean(np.sum(a[:, 1] ** 2, -1)))), float(sizes[0]**2 / np.sum(sizes**2)),
    )  # fmt: skip


def doubts(point: OperatingPoint, texts: Texts) -> tuple[str, ...]:
    """Why a point's vectors may say little about text, in words; none where nothing speaks against them.

    Three tests: the visited states lie on one side of it, their mean ℓ·(h − h*) over two of their standard deviations
    off, for the slow mode or a real one that grows; a mode grows there; or points found from two other halves of the
    texts rank the frequent words otherwise (Spearman under .9).
    """
    model, modes, found = point.model, point.modes, []
    ids = token_arrays(model, texts, 120)
    if modes.growing.any():
        fastest = np.abs(modes.eigvals).max()
        found.append(f"{int(modes.growing.sum())} growing modes, the fastest by {fastest - 1:.1%} a token")
    real = np.flatnonzero(modes.growing & modes.real)
    c = (visited_states(model, ids) - point.h_star) @ np.vstack([point.l, modes.L[real].real]).T
    off = np.abs(c.mean(0)) / c.std(0)
    if off.max() > 2:
        found.append(f"the mean visited state is {off.max():.0f} standard deviations off along such a mode")
    words = frequent_words(model)
    halves = [[" ".join(model.vocabulary.words[t] for t in i) for i in half] for half in (ids[::2], ids[1::2])]
    order = [valence(operating_point(model, point.logit, texts=half), words) for half in halves]
    if (agreement := spearmanr(*order).statistic) < 0.9:
        found.append(f"two draws of text give points that rank words otherwise (Spearman {agreement:.2f})")
    return tuple(found)
