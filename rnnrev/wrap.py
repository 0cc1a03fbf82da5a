"""Classifiers that were trained elsewhere, in Keras or PyTorch, as networks of this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .cells import CELLS, Cell
from .data import PAD, UNKNOWN, Vocabulary
from .model import SentimentRNN
from .stacks import padded_readout, stack

if TYPE_CHECKING:
    import keras

__all__ = ["from_keras", "from_torch"]


def from_keras(model: keras.Model, vocabulary: Vocabulary | Sequence[str]) -> SentimentRNN:
    """Wrap a Keras classifier, Embedding → GRU, LSTM, SimpleRNN or MinGRU layers → one Dense, for analysis.

    Dropout and masking layers in between are allowed, and ``h[:, -1]`` after a MinGRU (the package mingru-keras).
    ``vocabulary`` has the word of each embedding row, in order; ``TextVectorization.get_vocabulary()`` fits: its first
    two entries (padding and unknown) are renamed.
    ``ValueError`` for a model of another make names the layer and the fix.
    """
    kinds = {"GRU": "gru", "LSTM": "lstm", "SimpleRNN": "vanilla", "MinGRU": "mingru"}
    between = ("InputLayer", "Dropout", "SpatialDropout1D", "Masking", "Activation", "GetItem")
    roles = {"Embedding": "embedding", "Dense": "readout"} | dict.fromkeys(kinds, "cell")
    layers: dict[str, keras.layers.Layer] = {}
    cells: list[Cell] = []
    for layer in model.layers:
        make = type(layer).__name__
        role = roles.get(make)
        if role is None and make not in between:
            raise ValueError(
                f"layer {layer.name!r} is a {make}: from_keras takes Embedding, GRU, LSTM, SimpleRNN or MinGRU, and "
                "one Dense; for anything else pass a step function F(h, x) to the analysis"
            )
        if role == "cell":
            cells.append(_keras_cell(layer, kinds[make]))
        elif role in layers:
            raise ValueError(f"the model has two {role} layers ({layers[role].name!r} and {layer.name!r}): use one")
        if role:
            layers[role] = layer  # of cells the last
    for role in ("embedding", "cell", "readout"):
        if role not in layers:
            raise ValueError(f"the model has no {role} layer that from_keras knows")
    w, *offset = map(np.asarray, layers["readout"].get_weights())
    (embedding,) = map(np.asarray, layers["embedding"].get_weights())
    return _network(cells, embedding, w, offset[0] if offset else None, _vocabulary(vocabulary), "keras model")


def _keras_cell(layer: keras.layers.Layer, kind: str) -> Cell:
    config = layer.get_config()
    wanted = {"activation": "tanh", "recurrent_activation": "sigmoid", "go_backwards": False, "reset_after": True}
    for key, value in wanted.items():
        if config.get(key, value) != value:
            raise ValueError(f"layer {layer.name!r} has {key}={config[key]!r}: from_keras needs {value!r}, train it so")
    if kind == "mingru":  # theirs is the gate that writes, ours the one that keeps
        W_z, b_z, W_c, b_c = map(np.asarray, layer.get_weights())
        W, b = np.hstack([-W_z, W_c]), np.hstack([-b_z, b_c])
        return _cell(kind, W, np.zeros((len(b_c), len(b)), W.dtype), b, np.zeros_like(b))
    W, U, *bias = map(np.asarray, layer.get_weights())
    b, b_rec = np.zeros((2, W.shape[1]), W.dtype)
    if bias:
        b, b_rec = bias[0] if bias[0].ndim == 2 else (bias[0], b_rec)
    return _cell(kind, W, U, b, b_rec)


def from_torch(state_dict: Mapping[str, ArrayLike], vocabulary: Vocabulary | Sequence[str]) -> SentimentRNN:
    """Wrap the weights of a PyTorch classifier, nn.Embedding → nn.GRU, nn.LSTM or nn.RNN → nn.Linear.

    PyTorch itself is not needed: ``{k: v.numpy() for k, v in model.state_dict().items()}``, or what
    ``safetensors.numpy.load_file`` gives, will do. Parts are told by their names' ends (``weight_ih_l0``, …)
    and their shapes. Layers (``num_layers``) must be one-directional, with tanh, and the readout at the last token.
    ``ValueError`` names a part that is missing, or that there are two of.
    """
    arrays = {k: np.asarray(v) for k, v in state_dict.items()}
    more = [k for k in arrays if k.endswith("_reverse")]
    if more:
        raise ValueError(f"{more[0]!r}: from_torch takes layers in one direction; train with bidirectional=False")

    def only(role: str, names: Iterable[str]) -> str:
        found = list(names)
        if len(found) != 1:
            raise ValueError(f"the state_dict needs one {role}, it has {len(found)} ({', '.join(found) or 'none'})")
        return found[0]

    def with_bias(weight: str) -> tuple[np.ndarray, np.ndarray]:
        value = arrays[weight]
        return value, arrays.get(weight.replace("weight", "bias"), np.zeros(len(value), value.dtype))

    def of_layer(role: str, end: str) -> tuple[np.ndarray, np.ndarray]:
        return with_bias(only(f"{role} weight ({end})", (k for k in arrays if k.endswith(end))))

    layers: list[Cell] = []
    while not layers or any(k.endswith(f"weight_ih_l{len(layers)}") for k in arrays):
        U, b_rec = of_layer("recurrent", f"weight_hh_l{len(layers)}")
        W, b = of_layer("input", f"weight_ih_l{len(layers)}")
        n = U.shape[1]
        kind = {3: "gru", 4: "lstm", 1: "vanilla"}[len(U) // n]
        if kind == "gru":  # PyTorch orders its gates r, z, n
            swap = np.r_[n : 2 * n, :n, 2 * n : 3 * n]
            U, W, b, b_rec = U[swap], W[swap], b[swap], b_rec[swap]
        layers.append(_cell(kind, W.T, U.T, b, b_rec))
    words, D = _vocabulary(vocabulary), layers[0].n_inputs
    others = {k: v.shape for k, v in arrays.items() if v.ndim == 2 and "_ih_l" not in k and "_hh_l" not in k}
    embedding = only("embedding, (V, D)", (k for k, shape in others.items() if shape == (len(words), D)))
    readout = only("readout weight, (C, N)", (k for k, s in others.items() if s[1] == n and k != embedding))
    w, offset = with_bias(readout)
    return _network(layers, arrays[embedding], w.T, offset, words, "torch model")


def _cell(kind: str, W: np.ndarray, U: np.ndarray, b: np.ndarray, b_rec: np.ndarray) -> Cell:
    return Cell(kind, W, U, b, b_rec, np.zeros(CELLS[kind].blocks * len(U), W.dtype))


def _vocabulary(words: Vocabulary | Sequence[str]) -> Vocabulary:
    return words if isinstance(words, Vocabulary) else Vocabulary((PAD, UNKNOWN, *tuple(words)[2:]))


def _network(
    layers: Sequence[Cell], embedding: np.ndarray, w: np.ndarray, offset: np.ndarray | None, vocabulary: Vocabulary,
    name: str,
) -> SentimentRNN:  # fmt: skip
    """A network from its layers and a readout ``w`` (N, C) of all classes, or of one."""
    offset = np.zeros(w.shape[1], w.dtype) if offset is None else offset
    if w.shape[1] == 1:
        w, offset = w[:, 0], offset[0]
    elif w.shape[1] == 2:  # two softmax outputs are one logit
        w, offset = w[:, 1] - w[:, 0], offset[1] - offset[0]
    cell = stack(layers)
    return SentimentRNN(cell, embedding, vocabulary, padded_readout(cell, w), offset, name)
