"""What decides a training run; kept apart from :mod:`rnnrev.train` so that reading it needs no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .stacks import parts_of

__all__ = ["TrainConfig"]


@dataclass(frozen=True)
class FitConfig:
    """What decides any training run; stored with its result."""

    extra: tuple[str, ...] = ()  #: data sets whose training texts are added
    balance: bool = False  #: take as many reviews of each class: of the larger one a random part
    vectors: str = "none"  #: file that scripts/vectors.py wrote: word vectors to start with
    soft_labels: str = "none"  #: file that scripts/label.py wrote: adds the unlabelled reviews
    vocabulary_size: int = 20_000
    validation_share: float = 0.1  #: of the training reviews, where the data set has no validation split
    epochs: int = 6
    batch_size: int = 64
    max_tokens: int = 400  #: longer training texts are cropped at random; 0 for whole ones
    learning_rate: float = 1e-3
    clip_norm: float = 1.0
    patience: int = 2  #: epochs without a better validation accuracy before stopping
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if (
                field.name in ("epochs", "batch_size", "patience", "n_inputs", "n_units", "n_parts", "taps")
                and value < 1
            ):
                raise ValueError(f"{field.name} must be at least 1, not {value}")
            if field.name.endswith("dropout") and not 0 <= value < 1:
                raise ValueError(f"{field.name} must lie in [0, 1), not {value}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, not {self.learning_rate}")


@dataclass(frozen=True)
class TrainConfig(FitConfig):
    """What decides a training run of a network or of a bag of words."""

    cell: str = "gru"  #: vanilla, ugrnn, gru, lstm, mingru, lru, knob, layers as in gru+gru, or bow, a bag of words
    data: str = "imdb"  #: data set (or file) with the labels to learn
    pretrained: str = "none"  #: file that scripts/pretrain.py wrote: embedding and cell to start with
    n_inputs: int = 128  #: D
    n_units: int = 256  #: N
    embedding_dropout: float = 0.3
    state_dropout: float = 0.3
    word_dropout: float = 0.1
    beta_l2: float = 1e-4  #: bag of words only: penalty on Σ β²
    precision: str = "mixed"  #: mixed (bfloat16 products) or float32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.cell != "bow":
            parts_of(self.cell)
        if self.precision not in ("mixed", "float32"):
            raise ValueError(f"precision is mixed or float32, not {self.precision!r}")
        if self.pretrained != "none" and (self.vectors != "none" or self.cell == "bow" or "+" in self.cell):
            raise ValueError("pretrained brings its own word vectors, for one layer: leave vectors, bow and stacks out")
