"""Answers to the book's exercises, checked with hints: ``check("ex-training-1", [0.1, 0.2, 0.3])``.

What is right in each is in :mod:`rnnrev.book.judges` and :mod:`rnnrev.book.by_hand`; here answers are compared.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = [
    "NO_ANSWER", "OPEN", "TOLERANCE", "Checked", "called", "check", "close", "exercises", "judge", "judges", "numbers",
    "words_in",
]  # fmt: skip

#: An answer may be off by this share of the expected number: two figures are enough.
TOLERANCE = 0.03

#: The hint for an answer cell that was run as it is.
NO_ANSWER = "There is no answer yet: put yours in the place of “...”."

#: Typical mistakes: the hint for each, and the answer that it gives (or how to compute that).
Mistakes = Mapping[str, ArrayLike | Callable[[], ArrayLike]]


@dataclass(frozen=True)
class Checked:
    """What came of an answer: ``ok`` is True, False, or None where the question is open; ``hint`` says what next."""

    exercise: str
    ok: bool | None
    hint: str

    def __repr__(self) -> str:
        verdict = {True: "right", False: "not yet", None: "open"}[self.ok]
        return f"{self.exercise}: {verdict}. {self.hint}".rstrip()


_JUDGES: dict[str, Callable[[object], str]] = {}

#: Questions that a program cannot judge, and what to do instead.
OPEN = {
    "ex-start-1": "Name a control that keeps the texts, and say what each explanation predicts for it.",
    "ex-start-2": "Say what the logit does when the coordinate changes, and whether that has to do with emphasis.",
    "ex-start-5": "Results differ from training to training: report several seeds, with a control and an interval.",
    "ex-toy-4": "Say what you expect, and give three seeds with a control that removes as much.",
    "ex-end-2": "Ask what a prediction that knows nothing but the sign of each word would score.",
    "ex-language-3": "Read the trace just before and just after “both1”, with and without the word before it.",
    "ex-language-4": "Give a table of marks for both languages, from the same analyses and as many texts.",
    "ex-reduced-4": "Give the error in nats, the spread of the whole network's logits and R² for both kinds of text.",
    "ex-reduced-5": "Name the control of each part of the claim before you look.",
    "ex-universality-1": "Ask what a softmax does when the same number is added to all its inputs.",
    "ex-universality-2": "Compare the same measure on the known language before you blame the networks.",
    "ex-universality-3": "Report several seeds, with a control and an interval.",
    "ex-gates-3": "Compare three seeds, and another axis as control.",
    "ex-augmented-2": "List what each of the two models was given, and ask which differences have to do with reading.",
    "ex-augmented-6": "Does a number of *not* move “not good” and “not bad” the same way, or together?",
}


def exercises() -> tuple[str, ...]:
    """Names of all exercises, in the order of the book; open ones are among them."""
    order = (
        "training", "la", "toy", "modifiers", "start", "end", "augmented", "reduced", "language", "universality",
        "gates",
    )  # fmt: skip
    return tuple(sorted({*_JUDGES, *OPEN}, key=lambda n: (order.index(n.split("-")[1]), n)))


def check(exercise: str, answer: object = None) -> Checked:
    """Check an answer to an exercise; the exercise says which form the answer has.

    No answer raises: one that cannot be read gets a hint too.

    Parameters
    ----------
    exercise : str
        ``"ex-la-1"``, as the exercise says it.
    answer : numbers, words or a function
        Numbers may be lists, arrays, tables or estimates, and are compared to within :data:`TOLERANCE`.

    Raises
    ------
    ValueError
        If there is no such exercise; the message names those there are.
    """
    if exercise in OPEN:
        return Checked(exercise, None, f"No program can judge this one. {OPEN[exercise]}")
    if exercise not in _JUDGES:
        near = difflib.get_close_matches(str(exercise), exercises(), n=3)
        meant = f"did you mean {' or '.join(near)}? " if near else ""
        raise ValueError(f"there is no exercise {exercise!r}: {meant}There are {', '.join(exercises())}")
    if _empty(answer):
        return Checked(exercise, False, NO_ANSWER)
    hint = _JUDGES[exercise](answer)
    return Checked(exercise, not hint, hint)


def _empty(answer: object) -> bool:
    """An answer cell of a notebook that was run as it is."""
    return answer is ... or (isinstance(answer, list | tuple) and any(map(_empty, answer)))


def judges(exercise: str) -> Callable[[Callable[[object], str]], Callable[[object], str]]:
    """A decorator: the function judges answers to this exercise and returns a hint, empty for a right one."""

    def register(judge: Callable[[object], str]) -> Callable[[object], str]:
        _JUDGES[exercise] = judge
        return judge

    return register


# --- reading and comparing answers ------------------------------------------------------------


def numbers(answer: object) -> np.ndarray | None:
    """Numbers of an answer as a float array; None if there are none in it. Estimates count without their intervals."""
    try:
        if isinstance(answer, str | bytes | None):
            return None
        if hasattr(answer, "value") and not callable(answer.value):  # an Estimate, a Profile
            answer = answer.value
        if isinstance(answer, Mapping):
            answer = list(answer.values())
        if isinstance(answer, list | tuple):
            parts = [numbers(a) for a in answer]
            return None if not parts or any(p is None for p in parts) else np.array(parts, float)
        array = np.asarray(answer)
        if array.dtype.kind == "c" and np.abs(array.imag).max(initial=0) > 1e-9:
            return None
        return array.real.astype(float) if array.size and array.dtype.kind in "biufcO" else None
    except Exception:  # whatever a stranger's object does when it is looked at
        return None


def words_in(answer: object) -> list[str] | None:
    """The words of an answer, or None if it is anything else."""
    try:
        words = [answer] if isinstance(answer, str) else list(answer)  # type: ignore[call-overload]
        return words if words and all(isinstance(w, str) for w in words) else None
    except Exception:
        return None


def called(function: object, *arguments: object) -> tuple[object, str]:
    """What a student's function returns, and a hint if it returns nothing."""
    if not callable(function):
        return None, "Give a function, its name without parentheses."
    try:
        return function(*arguments), ""
    except Exception as error:
        return None, f"Your function raised {type(error).__name__}: {error}"


def close(answer: np.ndarray, value: ArrayLike, tolerance: ArrayLike | None = None) -> np.ndarray:
    """Which numbers of an answer are right, to within :data:`TOLERANCE` unless told otherwise."""
    value = np.asarray(value, float)
    if tolerance is None:
        # next to other numbers a zero may be off by a hundredth of the largest
        tolerance = np.where(value == 0, 0.01 * np.abs(value).max(initial=0), TOLERANCE * np.abs(value))
    return np.abs(answer - value) <= np.asarray(tolerance) + 1e-9


def judge(
    answer: object, right: ArrayLike, wanted: str, mistakes: Mistakes | None = None, *,
    tolerance: ArrayLike | None = None, share: bool = False,
) -> str:  # fmt: skip
    """The hint for an answer of numbers, empty if it is right; mistakes are tried in turn, then the usual ones."""
    right, mine = np.asarray(right, float), numbers(answer)
    if mine is None:
        return f"Give {wanted}."
    if mine.size != right.size:
        shape = " × ".join(map(str, right.shape)) or "one number"
        return f"The shape is wrong: give {wanted} ({shape}), not {' × '.join(map(str, mine.shape)) or 'one number'}."
    if not np.isfinite(mine).all():
        return "There are numbers in it that are not finite (nan or inf): find the step that makes them."
    swapped = mine.ndim == 2 and mine.shape == right.shape[::-1] and mine.shape[0] != mine.shape[1]
    mine = mine.T if swapped else mine.reshape(right.shape)
    good = close(mine, right, tolerance)
    if good.all():
        return f"The table is transposed: give {wanted}." if swapped else ""
    usual: dict[str, ArrayLike] = {
        "The sign is the wrong way round.": -right,
        "The order is the wrong way round.": right[::-1] if right.ndim else np.nan,
        "Rows and columns are swapped.": right.T,
    }
    if share:
        usual["That is a percentage: give a share, between 0 and 1."] = 100 * right
    for hint, made in {**(mistakes or {}), **usual}.items():
        value = np.asarray(made() if callable(made) else made, float)
        if value.shape == right.shape and np.isfinite(value).all():
            # numbers that crowd together are told apart by how far the mistake is from what is right
            apart = np.abs(value - right)
            near = None if tolerance is None else np.where(apart > 0, np.minimum(TOLERANCE * np.abs(value), apart / 3),
                                                           tolerance)  # fmt: skip
            if close(mine, value, near).all():
                return hint
    flat, ordered = mine.ravel(), right.ravel()
    if flat.size > 1 and close(np.sort(flat), np.sort(ordered)).all():
        return f"The numbers are right, their order is not: give {wanted}."
    shifts = ((flat[1:], ordered[:-1]), (flat[:-1], ordered[1:]))
    if right.ndim == 1 and flat.size > 3 and any(close(*pair).all() for pair in shifts):
        return "It is shifted by one position: count from 0, and mind which state comes before a token."
    if good.any():
        wrong = ", ".join(str(i + 1) for i in np.flatnonzero(~good)[:5])
        return f"{good.sum()} of {good.size} numbers are right. Look again at number {wrong}."
    if flat.size == 1:
        return "It is too large." if flat[0] > ordered[0] else "It is too small."
    return f"None of the numbers is right. Wanted: {wanted}."
