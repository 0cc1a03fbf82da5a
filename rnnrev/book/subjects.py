"""The known language of chapter 8 with something to be about, so that a network can learn to predict its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .language import Language

__all__ = ["SubjectLanguage"]


@dataclass(frozen=True)
class SubjectLanguage(Language):
    """A language whose texts are about something, so that the next word can be predicted.

    A hidden subject stays from token to token with chance ``stay``, else it is drawn anew. Neutral words are shared out
    among subjects; with chance ``own`` one of the present subject stands where any neutral word may. Frequencies and
    what a text means are those of :class:`Language`: no subject has a valence.
    """

    n_subjects: int = 8
    stay: float = 0.95
    own: float = 0.75

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (1 <= self.n_subjects <= self.n_neutral and 0 <= self.stay < 1 and 0 <= self.own <= 1):
            raise ValueError(f"1 ≤ n_subjects ≤ {self.n_neutral}, 0 ≤ stay < 1 and 0 ≤ own ≤ 1 are needed: {self!r}")
        if any(m.alone for m in self.modifiers):
            raise ValueError("a language with subjects has no modifier that is alone")

    @cached_property
    def subjects(self) -> np.ndarray:
        """Chance of every word by subject, each of them as likely as its words are frequent, (n_subjects, V)."""
        first = len(self.draws) - self.n_neutral
        word = np.arange(self.n_neutral)
        table = np.tile(self.draws, (self.n_subjects, 1))
        table[word % self.n_subjects, first + word] *= 1 + self.own * (1 / self.shares[word % self.n_subjects] - 1)
        others = word % self.n_subjects != np.arange(self.n_subjects)[:, None]
        table[:, first:] *= np.where(others, 1 - self.own, 1)
        return table

    @cached_property
    def shares(self) -> np.ndarray:
        """Share of the neutral text that each subject's own words have, and of texts each subject, (n_subjects,)."""
        neutral = self.draws[-self.n_neutral :]
        return np.bincount(np.arange(self.n_neutral) % self.n_subjects, neutral) / neutral.sum()

    def sample_ids(self, n: int, seed: int | Sequence[int] = 0) -> tuple[np.ndarray, np.ndarray]:
        """Draw n texts: token numbers (n, T) int32, right-padded, and lengths (n,)."""
        padded, lengths = super().sample_ids(n, seed)
        rng, place = np.random.default_rng([*np.atleast_1d(seed), 89]), np.arange(self.max_tokens)
        anew = np.where(rng.random(padded.shape) < self.stay, 0, place)  # the place where the present subject was drawn
        drawn = rng.choice(self.n_subjects, padded.shape, p=self.shares)
        subject = np.take_along_axis(drawn, np.maximum.accumulate(anew, 1), 1)
        first = len(self.vocabulary) - self.n_neutral
        neutral = (padded >= first) & (rng.random(padded.shape) < self.own)
        for c in range(self.n_subjects):
            words = np.arange(first + c, len(self.vocabulary), self.n_subjects)
            here = neutral & (subject == c)
            padded[here] = rng.choice(words, here.sum(), p=self.draws[words] / self.draws[words].sum())
        return padded, lengths

    def beliefs(self, padded: np.ndarray) -> np.ndarray:
        """What the best reader thinks the next token's subject is, from the words before it: (n, T) -> (n, T + 1, C).

        The chance of word v as the next one is ``beliefs @ subjects[:, v]`` (the forward filter).
        """
        out = np.empty((len(padded), padded.shape[1] + 1, self.n_subjects))
        out[:, 0] = self.shares
        for t, words in enumerate(padded.T):
            b = out[:, t] * self.subjects[:, words].T
            b /= b.sum(1, keepdims=True).clip(1e-300)
            out[:, t + 1] = self.stay * b + (1 - self.stay) * self.shares
        return out
