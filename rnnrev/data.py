"""Reviews in, padded batches of token numbers out.

The path of a review: :func:`load_reviews` (texts and labels) -> :func:`tokenize` (words and
punctuation) -> :class:`Vocabulary` (numbers) -> :func:`batches` and :func:`pad` (arrays).

Data sets come from four places, tried in this order: a file of the user's (CSV, Parquet or JSONL), the
reviews that are shipped with this package (``"book"``, the default; no network needed), a folder of
Parquet mirrors named by the environment variable ``RNNREV_DATA_DIR``, and the Hugging Face hub.
"""

from __future__ import annotations

import hashlib
import html
import json
import os
import re
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

__all__ = [
    "DATA_SETS",
    "DataError",
    "Reviews",
    "Vocabulary",
    "batches",
    "load_contrasts",
    "load_reviews",
    "pad",
    "split_validation",
    "star_reviews",
    "tokenize",
    "unlabelled_texts",
]

PAD, UNKNOWN = "<pad>", "<unk>"
EMBEDDED = Path(__file__).parent / "datasets"

#: What ``load_reviews`` knows by name: hub name, text column, mirror folders, splits.
DATA_SETS: dict[str, dict[str, Any]] = {
    "imdb": {
        "hub": "stanfordnlp/imdb",
        "text": "text",
        "mirror": ("imdb",),
        "splits": ("train", "test", "unsupervised"),
    },
    "sst2": {
        "hub": "stanfordnlp/sst2",
        "text": "sentence",
        "mirror": ("sst2",),
        "splits": ("train", "validation"),
    },
    "yelp_polarity": {
        "hub": "fancyzhx/yelp_polarity",
        "text": "text",
        "mirror": ("yelp_polarity", "yelp_sample"),
        "splits": ("train", "test"),
    },
}
_READERS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".jsonl": "json", ".json": "json"}
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

    HTML tags are dropped and entities resolved; curly quotes and dashes become plain ones. A word is a
    run of letters and digits, with apostrophes inside: *don't* and *it's* stay whole, so that a
    negation survives; Penn Treebank's *do n't* (SST-2) is joined again. Hyphens part words. Each of
    ``. , ! ? ; : ( ) " / $ % & * -`` and the ellipsis ``...`` is a token; other symbols are dropped.

    >>> tokenize("It's <b>not</b> bad at all... I didn\u2019t sleep!")
    ["it's", 'not', 'bad', 'at', 'all', '...', 'i', "didn't", 'sleep', '!']
    """
    if not isinstance(text, str):
        raise TypeError(f"tokenize takes one text (str), not {type(text).__name__}")
    text = html.unescape(_TAG.sub(" ", text)).translate(_CURLY).lower()
    return _TOKEN.findall(_TREEBANK.sub(r"\1", text))


@dataclass(frozen=True)
class Vocabulary:
    """Words and their numbers; 0 is padding, 1 any word that is not in the list.

    Make one with :meth:`fit`, from training text only.
    """

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
    def fit(cls, texts: Iterable[str], size: int = 20_000, min_count: int = 2) -> Vocabulary:
        """The ``size`` most frequent words of ``texts`` seen at least ``min_count`` times."""
        counts = Counter(w for t in texts for w in tokenize(t))
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        kept = [w for w, c in ranked if c >= min_count]
        return cls((PAD, UNKNOWN, *kept[: max(size - 2, 0)]))

    def encode(self, text: str) -> np.ndarray:
        """Token numbers of one text, int32 (T,); an empty text gives one unknown token."""
        get = self.index.get
        return np.array([get(w, 1) for w in tokenize(text)] or [1], dtype=np.int32)

    def encode_all(self, texts: Iterable[str]) -> list[np.ndarray]:
        """:meth:`encode` for every text."""
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

    def frequencies(self, ids: Sequence[np.ndarray]) -> np.ndarray:
        """Share of running text that is each word, (V,), sums to 1; padding counts nothing."""
        counts = np.bincount(np.concatenate(ids), minlength=len(self)).astype(float)
        counts[0] = 0
        return counts / counts.sum()


# --- reviews ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reviews:
    """Texts with labels (0 negative, 1 positive, or 0..C-1), where they come from and a fingerprint."""

    name: str
    split: str
    texts: tuple[str, ...] = field(repr=False)
    labels: np.ndarray = field(repr=False)

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

    def take(self, which: Any) -> Reviews:
        """The reviews at these positions (or where this mask holds), in that order."""
        picked = np.arange(len(self))[which]
        return replace(self, texts=tuple(self.texts[i] for i in picked), labels=self.labels[picked])

    def sample(self, n: int, seed: int = 0) -> Reviews:
        """``n`` reviews drawn without replacement (all, if there are fewer), in random order.

        Data sets are often sorted by label: the first reviews of a sample are themselves a sample.
        """
        return self.take(np.random.default_rng([seed, 17]).permutation(len(self))[:n])


def load_reviews(
    name: str | os.PathLike[str] = "book",
    split: str = "all",
    *,
    text: str = "text",
    label: str = "label",
) -> Reviews:
    """Load reviews by name, or from a file of your own.

    Parameters
    ----------
    name : str or path
        ``"book"`` (reviews written for this book, shipped with it), ``"imdb"``, ``"sst2"``,
        ``"yelp_polarity"``, or the path of a .csv, .tsv, .parquet, .jsonl or .json file.
    split : str
        ``"train"``, ``"test"``, … as the data set has them. ``"book"`` has ``"all"`` (ordinary reviews)
        and ``"hard"`` (other reviews, whose verdicts are implied); files have just ``"all"``.
    text, label : str
        Column names, for files only. Labels are whole numbers from 0, or negative/positive.

    Raises
    ------
    DataError
        Unknown name or split, a file that is missing or malformed (with its row), or no way to the data:
        the message says what to do.
    """
    path = Path(os.fspath(name)).expanduser()
    if path.suffix.lower() in _READERS:
        return _from_file(path, split, text, label)
    name = os.fspath(name)
    if name == "book":
        return _embedded(split)
    if name not in DATA_SETS:
        raise DataError(
            f"no data set is called {name!r}: choose book, {', '.join(DATA_SETS)}, or give the path of a "
            f"file that ends in {', '.join(_READERS)}"
        )
    spec = DATA_SETS[name]
    if split not in spec["splits"]:
        raise DataError(f"{name} has no split {split!r}: choose one of {', '.join(spec['splits'])}")
    mirror = os.environ.get("RNNREV_DATA_DIR")
    if mirror:
        table, source = _from_mirror(Path(mirror).expanduser(), name, split, spec), str(mirror)
    else:
        table, source = _from_hub(name, split, spec), spec["hub"]
    return _checked(name, split, source, table[spec["text"]], table["label"])


def unlabelled_texts(name: str) -> tuple[str, ...]:
    """The texts of a data set's unlabelled reviews; none where it has none."""
    spare = "unsupervised" in DATA_SETS.get(name, {}).get("splits", ())
    return load_reviews(name, "unsupervised").texts if spare else ()


def star_reviews(split: str = "test") -> Reviews:
    """The Yelp sample with its stars (1, 2, 4 and 5) in the place of labels; only a mirror folder has them."""
    mirror = os.environ.get("RNNREV_DATA_DIR")
    if not mirror:
        raise DataError("stars are in no data set of the hub: name a folder with yelp_sample in RNNREV_DATA_DIR")
    return load_reviews(Path(mirror) / "yelp_sample" / f"{split}.parquet", label="stars")


def _datasets() -> Any:
    import datasets

    datasets.disable_progress_bars()
    return datasets


def _from_mirror(folder: Path, name: str, split: str, spec: dict[str, Any]) -> Any:
    tried = [folder / sub / f"{split}.parquet" for sub in spec["mirror"]]
    for file in tried:
        if file.is_file():
            return _read("parquet", file)
    raise DataError(
        f"RNNREV_DATA_DIR is {folder}, but {' or '.join(str(f) for f in tried)} does not exist: "
        f"put a Parquet copy of {spec['hub']} there, or unset RNNREV_DATA_DIR to load from the hub"
    )


def _from_hub(name: str, split: str, spec: dict[str, Any]) -> Any:
    # the hub client waits minutes for a network that is not there: ask once, briefly
    os.environ.setdefault("HF_HUB_ETAG_TIMEOUT", "5")
    os.environ.setdefault("HF_HUB_DOWNLOAD_TIMEOUT", "15")
    if "HF_HUB_OFFLINE" not in os.environ and not _answers(os.environ.get("HF_ENDPOINT", "https://huggingface.co")):
        os.environ["HF_HUB_OFFLINE"] = "1"  # then only the client's cache is asked
    try:
        return _datasets().load_dataset(spec["hub"], split=split)
    except Exception as error:  # the client raises many kinds: offline, proxy, not found, …
        raise DataError(
            f"{name} could not be loaded from the hub ({spec['hub']}): {_first_line(error)}. "
            f"Two ways out: set RNNREV_DATA_DIR to a folder that holds {spec['mirror'][0]}/{split}.parquet, "
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


def _read(reader: str, file: Path, **options: Any) -> Any:
    # a cache in the home folder would keep a copy of every file ever read, and needs a home that is writable
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
            return _datasets().load_dataset(
                reader,
                data_files={"train": str(file)},
                split="train",
                cache_dir=cache,
                keep_in_memory=True,
                **options,
            )
    except Exception as error:
        if isinstance(error, StopIteration) or "corresponds to no data" in str(error):
            raise DataError(f"{file} holds no rows: it needs one for each review") from error
        raise DataError(
            f"{file} cannot be read as {reader}: {_first_line(error.__cause__ or error)}. "
            "Mend the file there, or save the table again as UTF-8"
        ) from error


def _from_file(path: Path, split: str, text: str, label: str) -> Reviews:
    if split not in ("all", "train"):
        raise DataError(f"{path} is one table: it has no split {split!r}; use split='all'")
    if not path.is_file():
        raise DataError(f"{path} does not exist (looked in {Path.cwd()}): check the path")
    suffix = path.suffix.lower()
    options: dict[str, Any] = {}
    if _READERS[suffix] == "csv":  # a review that says "NA" is not an empty one
        options = {"sep": "\t" if suffix == ".tsv" else ",", "keep_default_na": False}
    table = _read(_READERS[suffix], path, **options)
    for column, option in ((text, "text"), (label, "label")):
        if column not in table.column_names:
            raise DataError(
                f"{path} has no column {column!r}, it has {', '.join(table.column_names)}: "
                f"name the right one with {option}='…'"
            )
    return _checked(path.stem, "all", str(path), table[text], table[label])


def _embedded(split: str) -> Reviews:
    files = {"all": "reviews.jsonl", "hard": "hard.jsonl"}
    if split not in files:
        raise DataError(
            f"the embedded reviews have no split {split!r}: use split='all' (ordinary reviews) "
            "or split='hard' (reviews that are hard to read)"
        )
    lines = (EMBEDDED / files[split]).read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return _checked("book", split, "the embedded reviews", [r["text"] for r in rows], [r["label"] for r in rows])


def _checked(name: str, split: str, source: str, texts: Any, labels: Any) -> Reviews:
    """Validate row by row; rows are counted from 1, the header not among them."""
    kept: list[str] = []
    numbers: list[int] = []
    for row, (text, label) in enumerate(zip(texts, labels), 1):
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"{source}, row {row}: the text is empty or no text ({text!r}); fill it or drop the row")
        kept.append(text)
        numbers.append(_label(label, source, row))
    if not kept:
        raise DataError(f"{source} holds no rows")
    return Reviews(name, split, tuple(kept), np.array(numbers, dtype=np.int64))


def _label(value: Any, source: str, row: int) -> int:
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


def load_contrasts() -> Any:
    """The contrast phrases that come with the book, as a pandas table.

    One row a phrase: ``word``, ``pos`` (adj or verb), ``valence`` (1 or -1), ``frame``, ``condition``
    (base, negated, intensified, diminished), ``modifier`` (empty for base) and ``text``.
    """
    import pandas as pd

    return pd.read_csv(EMBEDDED / "contrast.csv", keep_default_na=False)


# --- batches ----------------------------------------------------------------------------------


def split_validation(n: int, share: float = 0.1, seed: int = 0, block: int = 50) -> np.ndarray:
    """Mask (n,) of the training reviews to hold out for validation.

    Whole blocks of neighbours are held out: in IMDB, reviews of one film stand together, and a film on
    both sides of the split would flatter the validation accuracy. In a small set the blocks shrink to
    the size of the share, so that something is held out.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the validation share must lie in [0, 1), not {share}")
    block = max(1, min(block, round(share * n)))
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


def batches(
    lengths: Sequence[int] | np.ndarray, batch_size: int = 64, *, seed: int | None = None, pool: int = 50
) -> Iterator[np.ndarray]:
    """Positions of the texts of each batch, batches holding texts of like length.

    With a ``seed``, texts are shuffled, sorted by length within pools of ``pool`` batches, and the
    batches shuffled again: random enough to train on, and little is padding. Without one, batches run
    from the shortest text to the longest, for evaluation.
    """
    lengths = np.asarray(lengths)
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, not {batch_size}")
    if seed is None:
        order = np.argsort(lengths, kind="stable")
        yield from (order[i : i + batch_size] for i in range(0, len(order), batch_size))
        return
    rng = np.random.default_rng([seed, 41])
    order = rng.permutation(len(lengths))
    size = pool * batch_size
    made: list[np.ndarray] = []
    for start in range(0, len(order), size):
        part = order[start : start + size]
        part = part[np.argsort(lengths[part], kind="stable")]
        made += [part[i : i + batch_size] for i in range(0, len(part), batch_size)]
    yield from (made[i] for i in rng.permutation(len(made)))
