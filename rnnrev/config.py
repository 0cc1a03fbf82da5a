"""What decides a training run; kept apart from :mod:`rnnrev.train` so that reading it needs no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass

from .cells import CELLS

__all__ = ["TrainConfig"]


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run; stored with its result."""

    cell: str = "gru"  #: vanilla, ugrnn, gru, lstm, or bow for the bag of words
    data: str = "imdb"  #: data set (or file) with the labels to learn
    extra: tuple[str, ...] = ()  #: data sets whose training texts are added
    vectors: str = "none"  #: none, word2vec, or the path of a file that word2vec wrote
    pretrained: str = "none"  #: file that ``rnnrev pretrain`` wrote: embedding and cell to start with
    soft_labels: str = "none"  #: file that ``rnnrev label`` wrote: adds the unlabelled reviews
    vocabulary_size: int = 20_000
    n_inputs: int = 128  #: D
    n_units: int = 256  #: N
    epochs: int = 6
    batch_size: int = 64
    max_tokens: int = 400  #: longer training texts are cropped at random; 0 for whole ones
    learning_rate: float = 1e-3
    clip_norm: float = 1.0
    embedding_dropout: float = 0.3
    state_dropout: float = 0.3
    word_dropout: float = 0.1
    label_smoothing: float = 0.0
    beta_l2: float = 1e-4  #: bag of words only: penalty on Σ β²
    validation_share: float = 0.1
    patience: int = 2  #: epochs without a better validation accuracy before stopping
    seed: int = 0
    precision: str = "mixed"  #: mixed (bfloat16 products) or float32

    def __post_init__(self) -> None:
        if self.cell != "bow" and self.cell not in CELLS:
            raise ValueError(f"unknown cell {self.cell!r}: choose bow, {', '.join(CELLS)}")
        if self.precision not in ("mixed", "float32"):
            raise ValueError(f"precision is mixed or float32, not {self.precision!r}")
        for name in ("embedding_dropout", "state_dropout", "word_dropout", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} must lie in [0, 1), not {getattr(self, name)}")
        if self.pretrained != "none" and (self.vectors != "none" or self.cell == "bow"):
            raise ValueError("pretrained brings its own word vectors, for a network: leave vectors and bow out")
        for name in ("epochs", "batch_size", "n_inputs", "n_units", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, not {self.learning_rate}")
