"""The twelve words' widget: TensorFlow trains in the kernel, or JavaScript in a page that has none."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import traitlets as t

from ..data import tokenize
from ..model import SentimentRNN
from ..widgets.base import Frame, Widget, pack
from . import toy
from .language import TWELVE_WORDS

__all__ = ["toy_trainer"]


def kept(model: SentimentRNN) -> Frame:
    """A network as the front end keeps it: its settings, its error, and all weights in one array."""
    cell, (step, error) = model.cell, model.record["curve"][-1]
    arrays = [cell.W, cell.U, cell.b, cell.b_rec, cell.h0, model.w, model.b]
    return {
        "kind": cell.kind, "units": cell.n_units, "step": step, "error": error,
        "seconds": model.record.get("seconds"), "weights": pack(np.concatenate([np.ravel(a) for a in arrays])),
    }  # fmt: skip


class Trainer(Widget):
    """Trains in the kernel, beside it: the front end asks by ``run`` and is sent each network in ``latest``.

    A page without a kernel has none of these traits, by which its front end knows that it has to train by itself.
    """

    run = t.Enum(["", "train", "stop"], "").tag(sync=True)
    latest = t.Dict().tag(sync=True)
    status = t.Unicode().tag(sync=True)

    @t.observe("run")
    def _asked(self, change: t.Bunch) -> None:
        if change.new == "train":
            threading.Thread(target=self._train, daemon=True).start()

    def _train(self) -> None:
        self.status = "TensorFlow is starting in the kernel \u2026"
        try:
            toy.quick(self.cell, language=toy.with_reach(self.reach), watch=self._show)
        except Exception as error:  # whatever it is, the reader has to see it, and the button to come back
            self.status = f"Training has stopped: {error or type(error).__name__}"
        else:
            self.status = f"TensorFlow has {'been stopped' if self.run == 'stop' else 'trained it'} in the kernel."
        self.run = ""

    def _show(self, model: SentimentRNN) -> bool:
        if self.run != "stop":
            self.latest = kept(model)
            self.status = "TensorFlow trains in the kernel."
        return self.run == "stop"


def toy_trainer(text: str = "not a a bad good good very good", trained: Sequence[SentimentRNN] = ()) -> Trainer:
    """Train a small network on the running sum of the twelve words, and look into it as it learns.

    With ``trained``, what :func:`.toy.learn` kept on its way, it begins with these, and the slider goes through
    them. Controls: ``text``; ``reach`` of *not* in tokens. Settings: ``cell`` ("gru", "ugrnn"), ``at``, which of the
    networks that were kept is shown (0 the first).
    """
    language = TWELVE_WORDS
    words = list(language.words)
    numbers = language.vocabulary.numbers(words)

    def compute(text: str, reach: int) -> Frame:
        tokens = tokenize(text)[:60]
        known = [token in words for token in tokens]
        sums = toy.with_reach(reach).explain(" ".join(tokens))["sum"] if tokens else []
        return {"tokens": tokens, "known": known, "sums": np.round([0.0, *sums], 6).tolist()}

    return Trainer(
        "toy_trainer", "A network that learns twelve words", compute,
        lambda frame: (["token", "sum so far"], list(zip(["(start)", *frame["tokens"]], frame["sums"]))),
        controls={"text": t.Unicode(text), "reach": t.Int(4, min=1, max=8)},
        looks={"cell": t.Enum(["gru", "ugrnn"], "gru"), "at": t.Int(0)},
        props={
            "language": {
                "words": words, "valence": language.valence[numbers].tolist(),
                "chances": np.round(language.draws[numbers], 6).tolist(),
                "modifiers": [{"number": words.index(m.word), "gain": m.gain, "reach": m.reach, "alone": m.alone}
                              for m in language.modifiers],
            },
            "trained": [kept(model) for model in trained or [toy.load("gru-32-quick-0")]], "open": bool(trained),
        },
    )  # fmt: skip
