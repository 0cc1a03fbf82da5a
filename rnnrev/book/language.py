"""A review language whose truth is known: what every word means is stated, so that an analysis can be marked.

A text is a row of independent words. Each word has a valence v (zero for most), and what word t adds is scaled by the
words around it and by its place (T tokens in all, t from 0):

    S = Σ_t v[w_t] · f_t,
    f_t = 1 + Σ_{s<t} g[w_s] e^{−(t−s−1)/τ[w_s]} + g_start e^{−t/τ_start} + g_end e^{−(T−1−t)/τ_end}.

A modifier with g < −1 turns valence round, with −1 ≤ g < 0 it weakens it, with g > 0 it strengthens it; right after it
the factor is 1 + g, and it fades over τ tokens. A few modifiers also act on the words before them. A modifier with a
*reach* does not fade: it multiplies f by 1 + g for exactly so many tokens, and those within reach of several are
multiplied by each. The label is drawn with P(positive) = 1/(1 + e^{−S/noise}), so the accuracy of the best possible
reader is known too; or a network learns the sum so far at every token (:meth:`Language.running`), which takes no label.

More than two classes come in two makes. *Ordered*: P(class ≤ c) = 1/(1 + e^{−(cut_c − S)/noise}), like stars.
*Unordered*: each class has words of its own, S has one entry a class, and P = softmax(S/noise), like topics.

Source: ours; the form of f is the augmented bag of words of CP20. Classes as in Aitken et al. 2020.
:data:`TWELVE_WORDS` is the toy language of CP20, section 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy import signal, special

from ..data import PAD, UNKNOWN, Reviews, Vocabulary, pad
from ..stats import Estimate

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TWELVE_WORDS", "Language"]


@dataclass(frozen=True)
class Modifier:
    """A word that changes what its neighbours count."""

    word: str
    gain: float  #: g of the factor on the next word; 0 for a decoy
    decay: float = 1.0  #: τ in tokens
    valence: float = 0.0  #: its own
    both_ways: bool = False  #: whether it acts on the words before it too
    reach: int = 0  #: where positive, it acts in full on so many tokens and then not at all; ``decay`` has no meaning
    alone: bool = False  #: whether it never stands within its own reach

    def __post_init__(self) -> None:
        if not (self.decay > 0 and np.isfinite([self.gain, self.decay, self.valence]).all()):
            raise ValueError(f"modifier {self.word!r}: decay must be positive, gain and valence finite ({self})")
        if self.reach < 0 or (self.reach and self.both_ways) or (self.alone and not self.reach):
            raise ValueError(
                f"modifier {self.word!r}: a reach counts tokens after the word, alone needs one, and both_ways is for "
                f"modifiers that fade ({self})"
            )

    @property
    def kind(self) -> str:
        """flip, dampen, amplify or decoy."""
        if self.gain == 0:
            return "decoy"
        return "amplify" if self.gain > 0 else "flip" if self.gain < -1 else "dampen"


#: Three that turn round, three that weaken, three that strengthen, each for a shorter or longer while.
_ONE_WAY = tuple(
    Modifier(f"{name}{i}", gain, decay, valence)
    for name, gain, valence in (("flip", -2.0, -0.3), ("damp", -0.8, 0.0), ("amp", 2.0, 0.0))
    for i, decay in enumerate((1.5, 3.0, 6.0), 1)
)


@dataclass(frozen=True)
class Language:
    """The specification of a language; vary it with :func:`dataclasses.replace`. All shares are of running text.

    ``ValueError`` names a number that makes no sense.
    """

    n_valence: int = 60  #: valence words, half of them positive
    strength: float = 1.0  #: valence of the strongest
    n_neutral: int = 200
    zipf: float = 1.0  #: frequency of the neutral word of rank k ∝ k^−zipf
    modifiers: tuple[Modifier, ...] = (*_ONE_WAY, Modifier("both1", 1.0, 1.5, both_ways=True))
    n_decoys: int = 4  #: words as frequent as modifiers that do nothing
    valence_share: float = 0.2
    modifier_share: float = 0.12  #: all modifiers together
    start_gain: float = 1.5
    start_length: float = 3.0  #: tokens
    end_gain: float = 1.5
    end_length: float = 3.0  #: tokens
    min_tokens: int = 10
    max_tokens: int = 40
    noise: float = 0.3  #: in units of S
    cuts: tuple[float, ...] = (0.0,)  #: between ordered classes, in units of S
    n_topics: int = 0  #: 3 or more for unordered classes instead
    names: tuple[str, ...] = ()  #: of the valence words, then of the neutral ones, instead of made-up names

    def __post_init__(self) -> None:
        for name in ("strength", "start_length", "end_length", "noise"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be positive, not {getattr(self, name)}")
        for name in ("n_neutral", "min_tokens"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.max_tokens < self.min_tokens:
            raise ValueError(f"max_tokens ({self.max_tokens}) is less than min_tokens ({self.min_tokens})")
        parts = self.n_topics or 2
        if self.n_valence < parts or self.n_valence % parts:
            raise ValueError(f"n_valence must be a multiple of {parts}, not {self.n_valence}")
        if self.n_topics in (1, 2) or self.n_topics < 0:
            raise ValueError(f"n_topics is 0 or at least 3, not {self.n_topics}: two classes need one valence")
        if not self.cuts or np.any(np.diff(self.cuts) <= 0):
            raise ValueError(f"cuts must increase, at least one: {self.cuts}")
        if min(self.valence_share, self.modifier_share) < 0 or self._neutral_share <= 0:
            left = f"{self._neutral_share:.2f} for neutral words"
            raise ValueError(f"the shares of valence words, modifiers and decoys leave {left}")
        if self.names and len(self.names) != self.n_valence + self.n_neutral:
            raise ValueError(f"names must name {self.n_valence + self.n_neutral} words, not {len(self.names)}")
        if sum(m.alone for m in self.modifiers) > 1:
            raise ValueError("only one modifier can be alone: the shares of two are not known in closed form")
        if len(set(self.words)) != len(self.words):
            raise ValueError("two words have the same name")

    # --- words ---------------------------------------------------------------------------------

    @cached_property
    def decoys(self) -> tuple[str, ...]:
        """Words as frequent as a modifier that change nothing."""
        return tuple(f"decoy{i + 1}" for i in range(self.n_decoys))

    @property
    def _each_modifier(self) -> float:
        return self.modifier_share / max(len(self.modifiers), 1)

    @property
    def _neutral_share(self) -> float:
        modifiers = self.modifier_share if self.modifiers else 0.0
        return 1 - self.valence_share - modifiers - self.n_decoys * self._each_modifier

    @cached_property
    def _groups(self) -> tuple[str, ...]:
        """Valence words stand in groups of one size: those of either sign, or of each topic."""
        return tuple(f"topic{c + 1}w" for c in range(self.n_topics)) or ("good", "bad")

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words: valence words, modifiers, decoys, neutral words."""
        n, width = self.n_valence // len(self._groups), len(str(self.n_valence))
        valence = [f"{group}{i + 1:0{width}d}" for group in self._groups for i in range(n)]
        neutral = [f"thing{i + 1:0{len(str(self.n_neutral))}d}" for i in range(self.n_neutral)]
        if self.names:
            valence, neutral = list(self.names[: self.n_valence]), list(self.names[self.n_valence :])
        return (*valence, *(m.word for m in self.modifiers), *self.decoys, *neutral)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Padding, unknown, then :attr:`words`."""
        return Vocabulary((PAD, UNKNOWN, *self.words))

    @cached_property
    def draws(self) -> np.ndarray:
        """Chance of every word where any may stand, (V,)."""
        ranks = np.arange(1, self.n_neutral + 1, dtype=float) ** -self.zipf
        valence = np.full(self.n_valence, self.valence_share / self.n_valence)
        modifiers = np.full(len(self.modifiers) + self.n_decoys, self._each_modifier)
        return np.concatenate([[0, 0], valence, modifiers, self._neutral_share * ranks / ranks.sum()])

    @cached_property
    def _alone(self) -> tuple[int, int]:
        """Number and reach of the word that stays out of its own reach; 0, 0 if there is none."""
        found = ((2 + self.n_valence + i, m.reach) for i, m in enumerate(self.modifiers) if m.alone)
        return next(found, (0, 0))

    @cached_property
    def frequencies(self) -> np.ndarray:
        """Share of running text of every word in :attr:`vocabulary`, (V,), far from its beginning."""
        p, (number, reach) = self.draws.copy(), self._alone
        if reach:  # a share f, whose reaches are apart, leaves room in 1 − reach·f of the places: f = p (1 − reach·f)
            share = p[number] / (1 + reach * p[number])
            p *= (1 - share) / (1 - p[number])
            p[number] = share
        return p

    @cached_property
    def valence(self) -> np.ndarray:
        """v of every word in :attr:`vocabulary`: (V,), or (V, C) for C topics."""
        n, end = self.n_valence // len(self._groups), 2 + self.n_valence
        own = np.zeros((len(self.vocabulary), len(self._groups)))
        for c in range(len(self._groups)):  # evenly spaced, the strongest first
            own[2 + c * n : 2 + (c + 1) * n, c] = self.strength * np.arange(n, 0, -1) / n
        if self.n_topics:
            return own
        signed = own[:, 0] - own[:, 1]
        signed[end : end + len(self.modifiers)] = [m.valence for m in self.modifiers]
        return signed

    @property
    def n_classes(self) -> int:
        """2, or more."""
        return self.n_topics or len(self.cuts) + 1

    @property
    def background(self) -> float:
        """Mean of f − 1 that the modifiers of running text add, far from both ends.

        A reader in mid-text knows a word's valence as v (1 + background), and a modifier's gain as g/(1 + background).
        Exact where words are drawn independently; beside a modifier that stays ``alone`` to about 0.02.
        """
        share = self.frequencies[2 + self.n_valence :]
        faded, boxes = 1.0, 1.0
        for p, m in zip(share, self.modifiers):
            if not m.reach:
                faded += p * (1 + m.both_ways) * m.gain / -np.expm1(-1 / m.decay)
            else:
                boxes *= 1 + m.reach * p * m.gain if m.alone else (1 + p * m.gain) ** m.reach
        return float(faded * boxes - 1)

    # --- the truth of a text -------------------------------------------------------------------

    def factors(
        self, padded: np.ndarray, lengths: np.ndarray, *, modifiers: bool = True, start: bool = True, end: bool = True
    ) -> np.ndarray:
        """f_t of every token: token numbers (n, T), right-padded, and lengths (n,) -> (n, T).

        Each part can be left out, which is what a reader that lacks it makes of the text.
        """
        n_words, first = len(self.vocabulary), 2 + self.n_valence
        f = np.ones(padded.shape)
        groups: dict[tuple[float, bool], np.ndarray] = {}  # modifiers of one decay share a filter
        boxes = np.ones(padded.shape)
        for i, m in enumerate(self.modifiers if modifiers else ()):
            for lag in range(1, m.reach + 1):
                boxes[:, lag:] *= np.where(padded[:, :-lag] == first + i, 1 + m.gain, 1.0)
            if m.reach:
                continue
            for backward in (False, True)[: 1 + m.both_ways]:
                groups.setdefault((m.decay, backward), np.zeros(n_words))[first + i] = m.gain
        for (decay, backward), gain in groups.items():
            put = gain[padded]
            put = put[:, ::-1] if backward else put
            # the filter that says: what was put in one step ago, and what is left of what was before
            left = signal.lfilter([0, 1], [1, -np.exp(-1 / decay)], put, axis=1)
            f += left[:, ::-1] if backward else left
        place = np.arange(padded.shape[1])
        if start:
            f += self.start_gain * np.exp(-place / self.start_length)
        if end:
            f += self.end_gain * np.exp(-np.maximum(lengths[:, None] - 1 - place, 0) / self.end_length)
        return f * boxes

    def encode(self, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Texts as this language's own token numbers (n, T), right-padded, and lengths (n,)."""
        return pad(self.vocabulary.encode_all(texts))

    def totals(self, padded: np.ndarray, lengths: np.ndarray, **without: bool) -> np.ndarray:
        """S of texts: (n,), or (n, C) for topics; options as in :meth:`factors`."""
        f = self.factors(padded, lengths, **without)
        inside = np.arange(padded.shape[1]) < lengths[:, None]
        if self.n_topics:
            return np.stack([(v[padded] * f * inside).sum(1) for v in self.valence.T], 1)
        return (self.valence[padded] * f * inside).sum(1)

    def running(self, padded: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """The sum so far after every token, (n, T): what a network that is asked at every token has to say.

        ``ValueError`` for a language whose sum so far depends on what comes later, or that has topics.
        """
        if self.end_gain or self.n_topics or any(m.both_ways for m in self.modifiers):
            raise ValueError("the sum so far needs one valence, end_gain 0 and modifiers that act on later words only")
        return np.cumsum(self.valence[padded] * self.factors(padded, lengths), 1)

    def probabilities(self, totals: np.ndarray) -> np.ndarray:
        """P(class | S): (n,) or (n, C) -> (n, C)."""
        z = np.asarray(totals) / self.noise
        if self.n_topics:
            return special.softmax(z, -1)
        below = special.expit(np.asarray(self.cuts) / self.noise - z[..., None])
        edges = np.concatenate([np.zeros((*z.shape, 1)), below, np.ones((*z.shape, 1))], -1)
        return np.diff(edges)

    def bayes(self, n: int = 50_000, seed: int = 0) -> Estimate:
        """Accuracy of the best possible reader, E max_c P(c | text), over ``n`` texts with its 95 % interval."""
        best = self.probabilities(self.totals(*self.sample_ids(n, seed))).max(-1)
        mean, half = float(best.mean()), 1.96 * float(best.std()) / np.sqrt(n)
        return Estimate(mean, mean - half, mean + half)

    def beginning(self, words: Sequence[str], n: int = 4000) -> float:
        """How many times as much as a word in the middle the first one counts, in texts drawn from ``words``.

        Far from the end, each word drawn with its frequency: 1 + start_gain where none of them modifies.
        """
        numbers, length = self.vocabulary.numbers(words), 41
        p = self.frequencies[numbers] / self.frequencies[numbers].sum()
        drawn = np.random.default_rng([0, 97]).choice(numbers, (n, length), p=p)
        f = self.factors(drawn, np.full(n, length), end=False).mean(0)
        return float(f[0] / f[length // 2])

    # --- texts ---------------------------------------------------------------------------------

    def sample_ids(self, n: int, seed: int | Sequence[int] = 0) -> tuple[np.ndarray, np.ndarray]:
        """Draw n texts: token numbers (n, T) int32, right-padded, and lengths (n,)."""
        rng = np.random.default_rng([*np.atleast_1d(seed), 83])
        lengths = rng.integers(self.min_tokens, self.max_tokens + 1, n)
        edges = np.cumsum(self.draws)
        drawn = np.searchsorted(edges, rng.random((n, self.max_tokens)) * edges[-1], side="right").astype(np.int32)
        number, reach = self._alone
        edges = np.cumsum(np.where(np.arange(len(edges)) == number, 0, self.draws))
        for t in range(1, self.max_tokens if reach else 0):  # a word within its own reach gives way to another
            rows = np.flatnonzero(drawn[:, t] == number)
            rows = rows[(drawn[rows, max(0, t - reach) : t] == number).any(1)]
            drawn[rows, t] = np.searchsorted(edges, rng.random(len(rows)) * edges[-1], side="right")
        drawn[np.arange(self.max_tokens) >= lengths[:, None]] = 0
        return drawn, lengths

    def sample(self, n: int, seed: int = 0, split: str = "train") -> Reviews:
        """Draw n labelled texts, over a million tokens a second. Training and test texts need different seeds."""
        if n < 1:
            raise ValueError(f"a sample has at least one text, not {n}")
        padded, lengths = self.sample_ids(n, seed)
        chances = np.cumsum(self.probabilities(self.totals(padded, lengths)), 1)
        u = np.random.default_rng([seed, 89]).random((n, 1))
        labels = np.minimum((u > chances).sum(1), self.n_classes - 1).astype(np.int64)
        rows = np.array(self.vocabulary.words, dtype=object)[padded].tolist()
        return Reviews("language", split, tuple(" ".join(row[:k]) for row, k in zip(rows, lengths.tolist())), labels)

    def explain(self, text: str) -> pd.DataFrame:
        """How a text comes to its S, one row a token: word, valence, factor, what it adds, and the sum so far."""
        import pandas as pd

        if self.n_topics:
            raise ValueError("explain is for one valence: this language has topics")
        ids = self.vocabulary.encode(text)
        v, f = self.valence[ids], self.factors(ids[None], np.array([len(ids)]))[0]
        words = [self.vocabulary.words[i] for i in ids]
        adds = v * f + 0.0  # a minus times nothing is 0, not −0
        return pd.DataFrame({"word": words, "valence": v, "factor": f, "adds": adds, "sum": np.cumsum(adds)})

    # --- the specification as a table and as text ------------------------------------------------

    def to_frame(self) -> pd.DataFrame:
        """The truth, one row a word: ``role`` (positive, negative, topic…, modifier, decoy, neutral), ``kind``,
        ``valence``, ``gain``, ``decay`` in tokens (NaN where there is none), ``both_ways``, ``reach`` in tokens (0
        where there is none), ``per_million``."""
        import pandas as pd

        n, m = self.n_valence, len(self.modifiers)
        groups = [f"topic {c + 1}" for c in range(self.n_topics)] or ["positive", "negative"]
        roles = [group for group in groups for _ in range(n // len(groups))]
        roles += ["modifier"] * m + ["decoy"] * self.n_decoys + ["neutral"] * self.n_neutral
        table = pd.DataFrame({"word": self.words, "role": roles, "kind": ""})
        table["valence"] = self.valence[2:].sum(1) if self.n_topics else self.valence[2:]
        table["gain"], table["decay"], table["both_ways"], table["reach"] = 0.0, np.nan, False, 0
        for row, each in enumerate(self.modifiers, n):
            table.loc[row, ["kind", "gain", "decay", "both_ways"]] = [
                each.kind, each.gain, np.nan if each.reach else each.decay, each.both_ways
            ]  # fmt: skip
            table.loc[row, "reach"] = each.reach
        table.loc[n + m : n + m + self.n_decoys - 1, "kind"] = "decoy"
        table["per_million"] = 1e6 * self.frequencies[2:]
        return table

    def with_classes(self, n: int) -> Language:
        """The same language with n ordered classes, cut so that they are (nearly) equally frequent."""
        if n < 2:
            raise ValueError(f"a language has at least two classes, not {n}")
        totals = replace(self, n_topics=0).totals(*self.sample_ids(20_000))
        cuts = np.quantile(totals, np.arange(1, n) / n) if n > 2 else np.zeros(1)
        return replace(self, cuts=tuple(float(c) for c in cuts.round(3)), n_topics=0)

    def __str__(self) -> str:
        by_kind: dict[str, list[str]] = {"flip": [], "dampen": [], "amplify": [], "decoy": list(self.decoys)}
        for m in self.modifiers:
            more = ", both ways" * m.both_ways + (f", valence {m.valence:+.1f}" if m.valence else "")
            lasts = f"for {m.reach} tokens" if m.reach else f"fading over {m.decay:g} tokens"
            by_kind[m.kind].append(f"{m.word} ({1 + m.gain:+.1f}× {lasts}{more})")
        if self.n_topics:
            label = f"{self.n_topics} unordered classes, softmax of S/{self.noise:g}"
        elif len(self.cuts) > 1:
            cuts = ", ".join(f"{c:g}" for c in self.cuts)
            label = f"{self.n_classes} ordered classes, cut at {cuts}, noise {self.noise:g}"
        else:
            label = f"positive with chance 1/(1 + exp(−S/{self.noise:g}))"
        lines = [
            f"{self.n_valence} valence words evenly up to ±{self.strength:g} ({self.valence_share:.0%} of text)",
            f"modifiers, {self.modifier_share:.0%} of text, and decoys, as frequent as each of them",
            *(f"{kind}: {', '.join(words) or 'none'}" for kind, words in by_kind.items()),
            f"{self.n_neutral} neutral words, Zipf exponent {self.zipf:g}",
            f"first word {1 + self.start_gain:g}×, fading over {self.start_length:g} tokens; "
            f"last word {1 + self.end_gain:g}×, over {self.end_length:g} tokens",
            f"{self.min_tokens} to {self.max_tokens} tokens; {label}",
        ]
        return "\n".join(lines)


#: The twelve words of CP20, section 4: *not* turns round what the next four tokens add, *very* doubles the next one.
TWELVE_WORDS = Language(
    n_valence=4, strength=2.0, n_neutral=6, zipf=0.0, n_decoys=0, valence_share=4 / 12, modifier_share=2 / 12,
    modifiers=(Modifier("not", -2.0, reach=4, alone=True), Modifier("very", 1.0, reach=1)),
    start_gain=0.0, end_gain=0.0, min_tokens=50, max_tokens=50,
    names=("awesome", "good", "awful", "bad", "and", "a", "the", "for", "it", "while"),
)  # fmt: skip
