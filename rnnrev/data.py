"""Reviews in, padded batches of token numbers out.

:func:`load_reviews` (texts and labels) -> :func:`tokenize` (words and punctuation) -> :class:`Vocabulary` (numbers) ->
:func:`batches` and :func:`pad` (arrays). Data sets come from a file of the user's, from the reviews that are shipped
with this package, from a folder of Parquet mirrors named by ``RNNREV_DATA_DIR``, and from the Hugging Face hub.
"""

from __future__ import annotations

import csv
import hashlib
import html
import json
import os
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DATA_SETS", "DataError", "Reviews", "Vocabulary", "load_contrasts", "load_reviews", "tokenize"]

PAD, UNKNOWN = "<pad>", "<unk>"
EMBEDDED = Path(__file__).parent / "datasets"
EMBEDDED_FILES = {"all": "reviews.jsonl", "hard": "hard.jsonl"}


@dataclass(frozen=True)
class DataSet:
    """What :func:`load_reviews` knows by name."""

    splits: tuple[str, ...]
    hub: str | None = None  #: its name on the Hugging Face hub
    text: str = "text"  #: column
    sample: str | None = None  #: folder of mirrors to try beside that of its name
    rows: tuple[str, str] | None = None  #: column and value of the rows to take; all unless given
    evaluation_only: bool = False  #: never to be trained on


DATA_SETS = {
    "book": DataSet(tuple(EMBEDDED_FILES)),
    "imdb": DataSet(("train", "test", "unsupervised"), "stanfordnlp/imdb"),
    "sst2": DataSet(("train", "validation"), "stanfordnlp/sst2", "sentence"),
    "sst5": DataSet(("train", "validation", "test")),
    "yelp_polarity": DataSet(("train", "test"), "fancyzhx/yelp_polarity", sample="yelp_sample"),
    "yelp": DataSet(("train", "test")),
    "hotels": DataSet(("train", "test")),
    "restaurants": DataSet(("train", "test")),
    # the originals are among IMDB's training reviews
    "imdb_counterfactual": DataSet(("train", "validation"), rows=("version", "revised"), evaluation_only=True),
    "checklist": DataSet(("test",), evaluation_only=True),
}
_SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".json")
_LABEL_WORDS = {"negative": 0, "neg": 0, "false": 0, "positive": 1, "pos": 1, "true": 1}


class DataError(ValueError):
    """Data that are missing or malformed; the message names the file, the row and the fix."""


# --- text to tokens ---------------------------------------------------------------------------

_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,200}>")
_TREEBANK = re.compile(r"(?<=[^\W_]) (n't|'(?:s|re|ve|ll|d|m))\b")
_TOKEN = re.compile(r"[^\W_]+(?:'[^\W_]+)*|\.\.\.|[.,!?;:()\"/$%&*-]")
_CURLY = str.maketrans("\u2019\u2018\u201c\u201d\u2013\u2014", "''\"\"--")


def tokenize(text: str) -> list[str]:
    """Split a text into lower-case words and punctuation marks.

    HTML tags are dropped and entities resolved; curly quotes and dashes become plain ones. A word is a run of letters
    and digits, apostrophes inside: *don't* stays whole, so that a negation survives; Penn Treebank's *do n't* (SST-2)
    is joined again. Each of ``. , ! ? ; : ( ) " / $ % & * -`` and ``...`` is a token; other symbols are dropped.

    >>> tokenize("It's <b>not</b> bad at all... I didn\u2019t sleep!")
    ["it's", 'not', 'bad', 'at', 'all', '...', 'i', "didn't", 'sleep', '!']
    """
    if not isinstance(text, str):
        raise TypeError(f"tokenize takes one text (str), not {type(text).__name__}")
    text = html.unescape(_TAG.sub(" ", text)).translate(_CURLY).lower()
    return _TOKEN.findall(_TREEBANK.sub(r"\1", text))


@dataclass(frozen=True)
class Vocabulary:
    """Words and their numbers; 0 is padding, 1 any word not in the list. :meth:`fit` it to training text only."""

    words: tuple[str, ...] = field(repr=False)

    def __post_init__(self) -> None:
        if self.words[:2] != (PAD, UNKNOWN):
            raise ValueError(f"a vocabulary starts with {PAD!r} and {UNKNOWN!r}")
        if len(set(self.words)) != len(self.words):
            twice = next(w for w, c in Counter(self.words).items() if c > 1)
            raise ValueError(f"{twice!r} stands in the vocabulary twice")

    def __repr__(self) -> str:
        return f"Vocabulary({len(self):,} words: {', '.join(self.words[2:7])}, …)"

    def __len__(self) -> int:
        return len(self.words)

    def __contains__(self, word: object) -> bool:
        return word in self.index

    @cached_property
    def index(self) -> dict[str, int]:
        """Word -> number."""
        return {w: i for i, w in enumerate(self.words)}

    @classmethod
    def fit(cls, texts: Iterable[str], size: int = 20_000) -> Vocabulary:
        """The ``size`` most frequent words of ``texts`` seen at least twice."""
        counts = Counter(w for t in texts for w in tokenize(t))
        kept = sorted((w for w, c in counts.items() if c >= 2), key=lambda w: (-counts[w], w))
        return cls((PAD, UNKNOWN, *kept[: max(size - 2, 0)]))

    def encode(self, text: str) -> np.ndarray:
        """Token numbers of one text, int32 (T,); an empty text gives one unknown token."""
        get = self.index.get
        return np.array([get(w, 1) for w in tokenize(text)] or [1], dtype=np.int32)

    def encode_all(self, texts: Iterable[str]) -> list[np.ndarray]:
        """:meth:`encode` for every text."""
        if isinstance(texts, str):
            raise TypeError("give a list of texts, not one text: [text]")
        return [self.encode(t) for t in texts]

    def number(self, word: str) -> int:
        """The number of one word; ``KeyError`` with near matches if the network does not know it."""
        if word in self.index:
            return self.index[word]
        import difflib

        near = difflib.get_close_matches(word, self.words, 3)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise KeyError(f"{word!r} is not among the network's {len(self):,} words{hint}")

    def numbers(self, words: Sequence[str] | Sequence[int] | np.ndarray) -> np.ndarray:
        """:meth:`number` of each word, (K,); what is a number already stays one."""
        return np.array([self.number(w) if isinstance(w, str) else int(w) for w in words], dtype=np.int64)

    def names(self, words: Sequence[str] | Sequence[int] | np.ndarray) -> tuple[str, ...]:
        """The words of these numbers; what is a word already must be known too."""
        return tuple(self.words[i] for i in self.numbers(words))

    def frequencies(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """Share of running text that is each word, (V,), sums to 1; padding counts nothing."""
        counts = np.bincount(np.concatenate(ids), minlength=len(self)).astype(float)
        counts[0] = 0
        return counts / counts.sum()


# --- reviews ----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Reviews:
    """Texts with labels (0 negative, 1 positive, or 0..C-1; −1 unknown), where they come from and a fingerprint."""

    name: str
    split: str
    texts: tuple[str, ...] = field(repr=False)
    labels: np.ndarray = field(repr=False)
    evaluation_only: bool = False  #: :func:`rnnrev.train.train` refuses them

    def __repr__(self) -> str:
        known = self.labels[self.labels >= 0]
        share = f", {np.mean(known == 1):.0%} positive" if len(known) and known.max() == 1 else ""
        return f"Reviews({self.name}/{self.split}: {len(self):,} texts{share})"

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over labels and texts in order: two runs on the same data agree on it."""
        digest = hashlib.sha256()
        for text, label in zip(self.texts, self.labels):
            digest.update(f"{label}\t{text}\n".encode())
        return digest.hexdigest()

    @property
    def about(self) -> dict[str, str | int]:
        """Name, split, number of texts and fingerprint, as a run record tells them."""
        return {"name": self.name, "split": self.split, "texts": len(self), "sha256": self.fingerprint}

    def take(self, which: np.ndarray | Sequence[int] | slice) -> Reviews:
        """The reviews at these positions (or where this mask holds), in that order."""
        picked = np.arange(len(self))[which]
        return replace(self, texts=tuple(self.texts[i] for i in picked), labels=self.labels[picked])

    def balanced(self, seed: int = 0) -> Reviews:
        """As many reviews of each class as the rarest has, the others' drawn without replacement; order is kept."""
        mixed = np.random.default_rng([seed, 18]).permutation(len(self))
        classes, counts = np.unique(self.labels, return_counts=True)
        chosen = [mixed[self.labels[mixed] == c][: counts.min()] for c in classes]
        return self.take(np.sort(np.concatenate(chosen)))

    def sample(self, n: int, seed: int = 0) -> Reviews:
        """``n`` reviews drawn without replacement (all, if there are fewer), in random order.

        Data sets are often sorted by label: the first reviews of a sample are themselves a sample.
        """
        return self.take(np.random.default_rng([seed, 17]).permutation(len(self))[:n])


def load_reviews(
    name: str | os.PathLike[str] = "book", split: str | None = None, *, text: str = "text", label: str = "label"
) -> Reviews:
    """Load reviews by name, or from a file of your own.

    Parameters
    ----------
    name : str or path
        A key of :data:`DATA_SETS` (``"book"``: reviews written for this book, shipped with it), or the path of a .csv,
        .tsv, .parquet, .jsonl or .json file.
    split : str, optional
        ``"train"``, ``"test"``, … as the data set has them; ``"test"``, or else ``"validation"``, unless given.
        ``"book"`` has ``"all"`` (the default) and ``"hard"`` (verdicts are implied), files just ``"all"``.
    text, label : str
        Column names; that of the texts for files only. Labels are whole numbers from 0, −1 for unknown, or
        negative/positive; ``label="stars"`` gives the stars of Yelp, hotels and restaurants, where a mirror has them.

    ``DataError`` for an unknown name or split, a file that is missing or malformed (with its row), or no way to the
    data; the message says what to do.
    """
    splits = split_names(name)
    if split is None:
        split = next(s for s in ("test", "validation", "all") if s in splits)
    path = Path(os.fspath(name)).expanduser()
    if path.suffix.lower() in _SUFFIXES:
        if split not in ("all", "train"):
            raise DataError(f"{path} is one table: it has no split {split!r}; use split='all'")
        return _checked(path.stem, "all", str(path), _read(path), text, label)
    name = os.fspath(name)
    if name not in DATA_SETS:
        raise DataError(
            f"no data set is called {name!r}: choose {', '.join(DATA_SETS)}, or give the path of a file that ends in "
            f"{', '.join(_SUFFIXES)}"
        )
    if split not in splits:
        raise DataError(f"{name} has no split {split!r}: choose one of {', '.join(splits)}")
    if name == "book":
        return _checked(name, split, "the embedded reviews", _read(EMBEDDED / EMBEDDED_FILES[split]), "text", "label")
    spec = DATA_SETS[name]
    table, source = _table(name, split)
    if spec.rows is not None:
        table = table[table[spec.rows[0]] == spec.rows[1]]
    if label in table:
        table = table.assign(**{label: table[label].fillna(-1)})
    return replace(_checked(name, split, source, table, spec.text, label), evaluation_only=spec.evaluation_only)


def split_names(name: str | os.PathLike[str]) -> tuple[str, ...]:
    """The splits of a data set, as :func:`load_reviews` takes them; ``("all",)`` for a file."""
    return DATA_SETS[str(name)].splits if name in DATA_SETS else ("all",)


def _table(name: str, split: str) -> tuple[pd.DataFrame, str]:
    """A data set from the folder of mirrors, if there is one, or from the hub, and where it lies."""
    folder, spec = os.environ.get("RNNREV_DATA_DIR"), DATA_SETS[name]
    if not folder:
        return _from_hub(name, split)
    tried = [Path(folder).expanduser() / sub / f"{split}.parquet" for sub in (name, spec.sample) if sub]
    for file in tried:
        if file.is_file():
            return _read(file), str(file)
    hub = f" of {spec.hub} there, or unset RNNREV_DATA_DIR to load from the hub" if spec.hub else " there"
    missing = " or ".join(map(str, tried))
    raise DataError(f"RNNREV_DATA_DIR is {folder}, but {missing} does not exist: put a Parquet copy{hub}")


def _from_hub(name: str, split: str) -> tuple[pd.DataFrame, str]:
    hub, ways = DATA_SETS[name].hub, f"set RNNREV_DATA_DIR to a folder that holds {name}/{split}.parquet"
    if hub is None:
        raise DataError(f"{name} is not on the hub: {ways}")
    # the hub client waits minutes for a network that is not there: ask once, briefly
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "15")
    if "HF_HUB_OFFLINE" not in os.environ and not _answers(os.environ.get("HF_ENDPOINT", "https://huggingface.co")):
        os.environ["HF_HUB_OFFLINE"] = "1"  # then only the client's cache is asked
    try:
        import datasets

        datasets.disable_progress_bars()
        return datasets.load_dataset(hub, split=split).to_pandas(), hub
    except Exception as error:  # the client raises many kinds: offline, proxy, not found, …
        raise DataError(
            f"{name} could not be loaded from the hub ({hub}): {_first_line(error)}. Two ways out: {ways}, "
            "or use the reviews that come with the book, load_reviews('book')"
        ) from error


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=5).close()
    except urllib.error.HTTPError:
        return True  # it answers, even if it declines this question
    except OSError:
        return False
    return True


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _read(file: Path) -> pd.DataFrame:
    import pandas as pd

    if not file.is_file():
        missing = f"does not exist (looked in {Path.cwd()}): check the path"
        raise DataError(f"{file} {'is a folder: give a file' if file.is_dir() else missing}")
    kind = file.suffix.lower()[1:]
    try:
        if kind == "parquet":
            return pd.read_parquet(file)
        if kind in ("csv", "tsv"):
            return _read_csv(file, "\t" if kind == "tsv" else ",")
        content = file.read_text(encoding="utf-8-sig")
        lines = [line for line in content.splitlines() if line.strip()]
        return pd.DataFrame(json.loads(content) if kind == "json" else [json.loads(line) for line in lines])
    except DataError:
        raise
    except Exception as error:  # pyarrow, csv and json raise kinds of their own
        fix = "Mend the file there, or save the table again as UTF-8"
        raise DataError(f"{file} cannot be read as {kind}: {_first_line(error)}. {fix}") from error


def _read_csv(file: Path, separator: str) -> pd.DataFrame:
    """All columns as text: a review that says "NA" is not an empty one."""
    import pandas as pd

    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = [row for row in csv.reader(stream, delimiter=separator, strict=True) if row]
    for number, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise DataError(
                f"{file}, row {number}: it has {len(row)} fields, the header has {len(rows[0])}; put texts that hold a "
                "separator in double quotes"
            )
    return pd.DataFrame(rows[1:], columns=rows[0]) if rows else pd.DataFrame()


def _checked(name: str, split: str, source: str, table: pd.DataFrame, text: str, label: str) -> Reviews:
    """Validate row by row; rows are counted from 1, the header not among them."""
    if not len(table):
        raise DataError(f"{source} holds no rows: it needs one for each review")
    for column, option in ((text, "text"), (label, "label")):
        if column not in table:
            raise DataError(
                f"{source} has no column {column!r}, it has {', '.join(map(str, table))}: "
                f"name the right one with {option}='…'"
            )
    labels = np.empty(len(table), np.int64)
    for i, (words, value) in enumerate(zip(table[text], table[label])):
        if not isinstance(words, str) or not words.strip():
            raise DataError(f"{source}, row {i + 1}: the text is empty or no text ({words!r}); fill it or drop the row")
        labels[i] = _label(value, source, i + 1)
    return Reviews(name, split, tuple(table[text]), labels)


def _label(value: object, source: str, row: int) -> int:
    word = str(value).strip().lower()
    try:
        number = float(_LABEL_WORDS.get(word, word))
    except ValueError:
        number = np.nan
    if not (number.is_integer() and number >= -1):
        raise DataError(
            f"{source}, row {row}: the label is {value!r}; use 0 and 1 (or negative and positive, "
            "or whole numbers from 0 for more classes)"
        )
    return int(number)


def load_contrasts() -> pd.DataFrame:
    """The contrast phrases that come with the book, one row a phrase.

    Columns: ``word``, ``pos`` (adj or verb), ``valence`` (1 or -1), ``frame``, ``condition`` (base, negated,
    intensified, diminished), ``modifier`` (empty for base) and ``text``.
    """
    import pandas as pd

    return pd.read_csv(EMBEDDED / "contrast.csv", keep_default_na=False)


def load_checklist() -> pd.DataFrame:
    """CheckList's sentences with what each tests (Ribeiro et al. 2020), one row a sentence; for evaluation only.

    Columns: ``text``, ``test`` ("simple negations: negative", "intensifiers", …) and, of a sentence and its changed
    form, ``item`` and ``variant`` (0, 1). Raises as :func:`load_reviews`.
    """
    return _table("checklist", "test")[0][["text", "test", "item", "variant"]]


# --- batches ----------------------------------------------------------------------------------


def split_validation(n: int, share: float = 0.1, seed: int = 0) -> np.ndarray:
    """Mask (n,) of the training reviews to hold out for validation; ``ValueError`` for a share outside [0, 1).

    Held out are blocks of 50 neighbours: in IMDB, reviews of one film stand together, and a film on both sides would
    flatter the validation accuracy. In a small set blocks shrink to the size of the share, so that something is.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the validation share must lie in [0, 1), not {share}")
    block = max(1, min(50, round(share * n)))
    n_blocks = -(-n // block)
    held = np.random.default_rng([seed, 29]).permutation(n_blocks)[: round(share * n_blocks)]
    return np.isin(np.arange(n) // block, held)


def pad(ids: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Right-pad token numbers: -> (B, T) int32, lengths (B,) int32."""
    lengths = np.array([len(i) for i in ids], dtype=np.int32)
    padded = np.zeros((len(ids), int(lengths.max(initial=1))), dtype=np.int32)
    for row, i in zip(padded, ids):
        row[: len(i)] = i
    return padded, lengths


def batches(lengths: Sequence[int] | np.ndarray, batch_size: int = 64, *, seed: int | None = None) -> list[np.ndarray]:
    """Positions of the texts of each batch, batches holding texts of like length.

    With a ``seed``, texts are shuffled, sorted by length within pools of 50 batches, and the batches shuffled again:
    random enough to train on, and little is padding. Without one, batches run from the shortest text to the longest.
    """
    lengths = np.asarray(lengths)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")

    def cut(order: np.ndarray, size: int) -> list[np.ndarray]:
        return [order[i : i + size] for i in range(0, len(order), size)]

    def by_length(part: np.ndarray) -> np.ndarray:
        return part[np.argsort(lengths[part], kind="stable")]

    if seed is None:
        return cut(by_length(np.arange(len(lengths))), batch_size)
    rng = np.random.default_rng([seed, 41])
    pools = cut(rng.permutation(len(lengths)), 50 * batch_size)
    made = [batch for pool in pools for batch in cut(by_length(pool), batch_size)]
    return [made[i] for i in rng.permutation(len(made))]
