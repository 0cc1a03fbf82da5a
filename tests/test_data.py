"""Reading reviews: tokens, vocabulary, batches, files of one's own, mirrors, and the texts that come with the book."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from rnnrev import data
from rnnrev.data import (
    DataError,
    Reviews,
    Vocabulary,
    batches,
    load_contrasts,
    load_reviews,
    pad,
    split_validation,
    tokenize,
)

# --- tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I DON'T like it", ["i", "don't", "like", "it"]),
        ("I don\u2019t, \u201cnever\u201d", ["i", "don't", ",", '"', "never", '"']),
        ("we do n't know , it 's bad", ["we", "don't", "know", ",", "it's", "bad"]),
        ("ca n't they 've i 'm", ["can't", "they've", "i'm"]),
        ("one<br /><br />two <b>bold</b>", ["one", "two", "bold"]),
        ("fish &amp; chips &quot;here&quot;", ["fish", "&", "chips", '"', "here", '"']),
        ("well-made \u2014 mostly...", ["well", "-", "made", "-", "mostly", "..."]),
        ("9/10, 50% off ($5)!?", ["9", "/", "10", ",", "50", "%", "off", "(", "$", "5", ")", "!", "?"]),
        ("'quoted' rock'n'roll dogs'", ["quoted", "rock'n'roll", "dogs"]),
        ("caf\u00e9 na\u00efve \u2603 #_x", ["caf\u00e9", "na\u00efve", "x"]),
        ("", []),
        (" \n\t", []),
    ],
)
def test_tokenize(text, tokens):
    assert tokenize(text) == tokens


def test_tokens_survive_a_second_pass():
    for text in load_reviews("book").texts[:50]:
        tokens = tokenize(text)
        assert tokenize(" ".join(tokens)) == tokens


def test_tokenize_takes_one_text():
    with pytest.raises(TypeError, match="list"):
        tokenize(["a", "b"])


# --- vocabulary -------------------------------------------------------------------------------


def test_vocabulary_is_ordered_by_frequency_then_alphabet():
    vocabulary = Vocabulary.fit(["b a a c c once", "a b"])
    assert vocabulary.words == ("<pad>", "<unk>", "a", "b", "c")
    assert Vocabulary.fit(["b a a c c", "a b"], size=3).words == ("<pad>", "<unk>", "a")


def test_words_of_other_texts_are_unknown():
    vocabulary = Vocabulary.fit(["good film good film"])
    ids = vocabulary.encode("A good, unseen film")
    assert ids.dtype == np.int32
    assert [vocabulary.words[i] for i in ids] == ["<unk>", "good", "<unk>", "<unk>", "film"]
    assert vocabulary.encode("").tolist() == [1]
    assert [i.tolist() for i in vocabulary.encode_all(["good", "film"])] == [[3], [2]]


def test_unknown_word_names_its_neighbours():
    vocabulary = Vocabulary.fit(["delicious delicious bland bland"])
    assert vocabulary.number("bland") == 2
    with pytest.raises(KeyError, match=r"'delicous'.*4 words; near it: delicious"):
        vocabulary.number("delicous")


def test_frequencies_leave_padding_out():
    vocabulary = Vocabulary.fit(["a a b b"])
    frequencies = vocabulary.frequencies([np.array([2, 2, 3, 0, 0]), np.array([1])])
    np.testing.assert_allclose(frequencies, [0, 1 / 4, 1 / 2, 1 / 4])


@pytest.mark.parametrize("words", [("a", "b"), ("<pad>", "<unk>", "a", "a")])
def test_malformed_vocabulary(words):
    with pytest.raises(ValueError, match="vocabulary"):
        Vocabulary(words)


# --- batches ----------------------------------------------------------------------------------


def test_pad():
    padded, lengths = pad([np.array([5, 6]), np.array([7]), np.array([], dtype=int)])
    assert padded.tolist() == [[5, 6], [7, 0], [0, 0]]
    assert lengths.tolist() == [2, 1, 0]
    assert padded.dtype == lengths.dtype == np.int32


@pytest.mark.parametrize("seed", [None, 0, 1])
@pytest.mark.parametrize("n", [0, 1, 64, 5000])
def test_every_text_is_in_one_batch(seed, n):
    lengths = np.random.default_rng(3).integers(1, 300, n)
    made = batches(lengths, 64, seed=seed)
    assert sorted(np.concatenate([[], *made]).tolist()) == list(range(n))
    assert all(len(b) <= 64 for b in made)


def test_little_is_padding():
    lengths = np.random.default_rng(0).lognormal(5.3, 0.6, 5000).astype(int) + 1

    def share_of_padding(made):
        slots = sum(len(b) * lengths[b].max() for b in made)
        return 1 - lengths.sum() / slots

    assert share_of_padding(batches(lengths, 64)) < 0.05
    assert share_of_padding(batches(lengths, 64, seed=0)) < 0.08
    assert share_of_padding(np.array_split(np.arange(5000), 79)) > 0.5  # the same without sorting


def test_batches_are_shuffled_and_repeat_with_their_seed():
    lengths = np.arange(1, 1001)
    first, again, other = (batches(lengths, 10, seed=s) for s in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(first, again))
    assert not all((a == b).all() for a, b in zip(first, other))
    means = [lengths[b].mean() for b in first]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.5  # long reviews do not come last
    with pytest.raises(ValueError, match="batch_size"):
        batches(lengths, 0)


def test_validation_holds_out_whole_blocks():
    held = split_validation(25_000)
    assert held.mean() == pytest.approx(0.1)
    blocks = held.reshape(-1, 50)
    assert (blocks.all(1) | ~blocks.any(1)).all()
    assert (held == split_validation(25_000)).all()
    assert (held != split_validation(25_000, seed=1)).any()


def test_validation_of_a_small_set_is_not_empty():
    for n in (20, 40, 240, 260):
        assert 0 < split_validation(n).mean() < 0.2
    assert not split_validation(100, share=0).any()
    with pytest.raises(ValueError, match=r"\[0, 1\), not 1.5"):
        split_validation(100, share=1.5)


# --- files of one's own -----------------------------------------------------------------------

TEXTS = ["A fine, long film", 'He said "no",\nand left', "NA", "Don't"]
LABELS = [1, 0, 0, 1]


def write(path, texts=TEXTS, labels=LABELS, columns=("text", "label")):
    table = pd.DataFrame({columns[0]: texts, columns[1]: labels})
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix in (".jsonl", ".json"):
        table.to_json(path, orient="records", lines=path.suffix == ".jsonl")
    else:
        table.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl", ".json"])
def test_file_of_ones_own(tmp_path, suffix):
    reviews = load_reviews(write(tmp_path / f"mine{suffix}"))
    assert reviews.texts == tuple(TEXTS)
    assert reviews.labels.tolist() == LABELS
    assert (reviews.name, reviews.split) == ("mine", "all")
    assert "4 texts, 50% positive" in repr(reviews)


def test_columns_and_words_as_labels(tmp_path):
    path = write(tmp_path / "mine.csv", TEXTS, ["pos", "Negative", "0", "1.0"], ("review", "verdict"))
    reviews = load_reviews(str(path), text="review", label="verdict")
    assert reviews.labels.tolist() == [1, 0, 0, 1]


def test_more_than_two_classes(tmp_path):
    reviews = load_reviews(write(tmp_path / "stars.jsonl", TEXTS, [0, 4, 2, 1]))
    assert reviews.labels.tolist() == [0, 4, 2, 1]
    assert "positive" not in repr(reviews)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_wrong_column_names_the_option(tmp_path, suffix):
    path = write(tmp_path / f"mine{suffix}", columns=("review", "label"))
    with pytest.raises(DataError, match=r"no column 'text', it has review, label.*text='…'") as caught:
        load_reviews(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
@pytest.mark.parametrize("bad", ["maybe", "1.5", "-2", "", "nan", "inf", "--1", "²"])
def test_bad_label_names_file_row_and_fix(tmp_path, suffix, bad):
    path = write(tmp_path / f"mine{suffix}", labels=["1", "0", bad, "1"])
    message = rf"{re.escape(str(path))}, row 3: the label is '{re.escape(bad)}'; use 0 and 1"
    with pytest.raises(DataError, match=message):
        load_reviews(path)


@pytest.mark.parametrize("bad", [None, 0.5, np.nan, np.inf])
def test_bad_number_as_label(tmp_path, bad):
    with pytest.raises(DataError, match="row 3: the label is"):
        load_reviews(write(tmp_path / "mine.parquet", labels=[1, 0, bad, 1]))


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
@pytest.mark.parametrize("empty", ["", "  \n"])
def test_empty_text_names_file_and_row(tmp_path, suffix, empty):
    path = write(tmp_path / f"mine{suffix}", ["good", empty, "bad", "fine"])
    with pytest.raises(DataError, match=r"row 2: the text is empty.*fill it or drop the row") as caught:
        load_reviews(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("row", "fields"),
    [("a fine, long film,1", 3), ("good", 1), ("good,1,", 3), ('"quoted, well",1\nbad,,0', 3)],
)
def test_a_ragged_row_is_called_ragged(tmp_path, row, fields):
    (tmp_path / "mine.csv").write_text(f"text,label\ngood,1\n\n{row}\nbad,0\n")
    number = 2 + row.count("\n")
    with pytest.raises(DataError, match=rf"mine\.csv, row {number}: it has {fields} fields, the header has 2.*quotes"):
        load_reviews(tmp_path / "mine.csv")


@pytest.mark.parametrize(("name", "content", "message"), [
    ("nowhere.csv", None, r"nowhere\.csv does not exist.*check the path"),
    ("latin.csv", "text,label\ncaf\xe9,1\n".encode("latin-1"), r"latin\.csv cannot be read as csv: .*as UTF-8"),
    ("open.csv", b'text,label\n"no end,1\n', r"open\.csv cannot be read as csv: .*as UTF-8"),
    ("broken.jsonl", b'{"text": "good", "label": 1}\n{"text": "bad", "lab', r"broken\.jsonl cannot be read as jsonl"),
    ("fake.parquet", b"no parquet at all", r"fake\.parquet cannot be read as parquet"),
    ("nothing.csv", b"text,label\n", r"nothing\.csv holds no rows"),
    ("nothing.jsonl", b"", r"nothing\.jsonl holds no rows"),
])  # fmt: skip
def test_missing_malformed_and_empty_files(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        load_reviews(tmp_path / name)


def test_a_folder_is_no_file_and_a_file_has_no_splits(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=r"folder\.csv is a folder: give a file"):
        load_reviews(tmp_path / "folder.csv")
    with pytest.raises(DataError, match="no split 'test'"):
        load_reviews(write(tmp_path / "mine.csv"), "test")


# --- data sets by name ------------------------------------------------------------------------


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """A folder of Parquet copies; a function that puts a table there."""
    monkeypatch.setenv("RNNREV_DATA_DIR", str(tmp_path))

    def put(name, split, **columns):
        (tmp_path / name).mkdir(exist_ok=True)
        table = pd.DataFrame({("sentence" if name == "sst2" else "text"): TEXTS, "label": LABELS} | columns)
        table.to_parquet(tmp_path / name / f"{split}.parquet")

    return put


def test_mirror_folder(mirror, tmp_path):
    for folder, name in (("imdb", "imdb"), ("sst2", "sst2"), ("yelp_sample", "yelp_polarity")):
        mirror(folder, "train")
        reviews = load_reviews(name, "train")
        assert reviews.texts == tuple(TEXTS)
        assert (reviews.name, reviews.split) == (name, "train")
    with pytest.raises(DataError, match=r"test\.parquet does not exist.*or unset RNNREV_DATA_DIR") as caught:
        load_reviews("imdb", "test")
    assert str(tmp_path) in str(caught.value)


def test_stars_and_evaluation_only_sets(mirror, monkeypatch):
    mirror("hotels", "test", label=[1, 0, -1, 1], stars=[5, 2, 3, 4])
    assert load_reviews("hotels", "test").labels.tolist() == [1, 0, -1, 1]
    assert load_reviews("hotels", "test", label="stars").labels.tolist() == [5, 2, 3, 4]
    assert not load_reviews("hotels", "test").evaluation_only
    mirror("imdb_counterfactual", "train", version=["original", "revised", "revised", "original"])
    revised = load_reviews("imdb_counterfactual", "train")  # the originals are among IMDB's training reviews
    assert revised.texts == tuple(TEXTS[1:3])
    assert revised.sample(1).evaluation_only
    mirror("checklist", "test", label=pd.array([1, None, 0, 2], "Int8"))
    assert load_reviews("checklist", "test").labels.tolist() == [1, -1, 0, 2]
    monkeypatch.delenv("RNNREV_DATA_DIR")
    with pytest.raises(DataError, match=r"checklist is not on the hub: set RNNREV_DATA_DIR"):
        load_reviews("checklist", "test")


def test_the_split_that_is_not_trained_on_is_the_default(mirror, tmp_path):
    mirror("imdb", "test")
    mirror("sst2", "validation")
    names = ("imdb", "sst2", "book", write(tmp_path / "x.csv"))
    assert [load_reviews(n).split for n in names] == ["test", "validation", "all", "all"]


def test_unknown_names():
    with pytest.raises(DataError, match=r"'imbd': choose book, imdb.*\.parquet"):
        load_reviews("imbd")
    with pytest.raises(DataError, match="imdb has no split 'validation': choose one of train, test"):
        load_reviews("imdb", "validation")
    with pytest.raises(DataError, match="book has no split 'train': choose one of all, hard"):
        load_reviews("book", "train")


@pytest.mark.parametrize("offline", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_offline_without_a_mirror_names_two_ways_out(tmp_path, offline):
    code = (
        "import sys; from rnnrev.data import DataError, load_reviews\n"
        "print(len(load_reviews()), 'datasets' in sys.modules)\n"
        "try: load_reviews('imdb', 'test')\n"
        "except DataError as error: print(error)"
    )
    unset = {k: v for k, v in os.environ.items() if k not in ("RNNREV_DATA_DIR", "HF_HUB_OFFLINE", "HF_ENDPOINT")}
    unset |= {"HF_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path), **offline}
    out = subprocess.run([sys.executable, "-c", code], env=unset, capture_output=True, text=True, timeout=300)
    book, message = out.stdout.strip().splitlines()
    assert book == "260 False"  # the embedded reviews need no hub client, which takes seconds to import
    assert "Two ways out" in message
    assert "set RNNREV_DATA_DIR to a folder that holds imdb/test.parquet" in message
    assert "load_reviews('book')" in message
    assert "Retrying" not in out.stderr  # it does not wait for a network that is not there


def test_reviews_are_taken_in_order_and_sampled_at_random():
    reviews = Reviews("toy", "all", tuple("abcdef"), np.array([0, 1, 0, 1, 0, 1]))
    assert reviews.take([4, 0]).texts == ("e", "a")
    assert reviews.take(reviews.labels == 1).texts == ("b", "d", "f")
    some = reviews.sample(3, seed=5)
    assert some.texts == reviews.sample(3, seed=5).texts == reviews.sample(6, seed=5).texts[:3]
    assert len(set(some.texts)) == 3
    assert len(reviews.sample(99)) == 6
    ordered = Reviews("toy", "all", tuple("ab" * 500), np.repeat([0, 1], 500))
    assert set(ordered.sample(1000).labels[:20]) == {0, 1}  # the first of a sample are a sample
    uneven = Reviews("toy", "all", tuple("abcdefg"), np.array([1, 1, 0, 1, 1, 0, 1])).balanced()
    assert np.bincount(uneven.labels).tolist() == [2, 2]
    assert {"c", "f"} < set(uneven.texts)
    assert list(uneven.texts) == sorted(uneven.texts)


def test_fingerprint_sees_every_change():
    reviews = Reviews("toy", "all", ("a", "b"), np.array([0, 1]))
    changed = [
        Reviews("toy", "all", ("a", "c"), np.array([0, 1])),
        Reviews("toy", "all", ("a", "b"), np.array([1, 0])),
        reviews.take([1, 0]),
    ]
    assert len({r.fingerprint for r in (reviews, *changed)}) == 4
    assert Reviews("other", "x", ("a", "b"), np.array([0, 1])).fingerprint == reviews.fingerprint


# --- the texts that come with the book --------------------------------------------------------


FILES = data.EMBEDDED_FILES


@pytest.fixture(scope="module", params=FILES)
def split(request):
    return request.param


@pytest.fixture(scope="module")
def rows(split):
    return [json.loads(line) for line in (data.EMBEDDED / FILES[split]).read_text("utf-8").splitlines()]


def test_the_two_sets_share_no_review():
    assert load_reviews().texts == load_reviews("book", "all").texts
    assert not set(load_reviews("book").texts) & set(load_reviews("book", "hard").texts)


def test_embedded_reviews_keep_their_promises(split, rows):
    reviews = load_reviews("book", split)
    assert (reviews.name, reviews.split) == ("book", split)
    assert len(reviews) == len(rows) >= 240
    assert reviews.labels.mean() == 0.5
    assert set(reviews.labels.tolist()) == {0, 1}
    assert len({r["id"] for r in rows}) == len(rows)
    for domain in ("film", "restaurant"):
        assert np.mean([r["label"] for r in rows if r["domain"] == domain]) == 0.5
    for row in rows:
        assert list(row) == ["id", "domain", "label", "traits", "text"]
        assert 60 <= len(row["text"].split()) <= 200, row["id"]
        assert row["text"].isascii(), row["id"]
        assert not re.search(r"<[a-z/]", row["text"]), row["id"]


def test_no_sentence_comes_twice(rows):
    sentences = Counter(s.strip().lower() for r in rows for s in re.split(r"(?<=[.!?])\s+", r["text"]))
    assert [s for s, n in sentences.items() if n > 1 and len(s.split()) > 4] == []


def test_labels_do_not_follow_from_place_or_length(rows):
    labels = np.array([r["label"] for r in rows])
    lengths = np.array([len(r["text"].split()) for r in rows])
    assert abs(np.corrcoef(labels, lengths)[0, 1]) < 0.2
    assert abs(np.corrcoef(labels, np.arange(len(rows)))[0, 1]) < 0.2


def test_every_trait_is_there_with_both_verdicts_and_counted_in_the_description(split, rows):
    traits = Counter(t for r in rows for t in r["traits"])
    description = (data.EMBEDDED / "README.md").read_text("utf-8")
    described = re.findall(r"^\| ([a-z-]+) \| (\d+) \| (\d+) \|", description, re.M)
    assert {t: int(counts[list(FILES).index(split)]) for t, *counts in described} == traits
    for trait in traits:
        assert {r["label"] for r in rows if trait in r["traits"]} == {0, 1}, trait


def test_contrast_phrases_keep_their_promises():
    table = load_contrasts()
    assert list(table) == ["word", "pos", "valence", "frame", "condition", "modifier", "text"]
    assert table.word.nunique() >= 40
    assert table.drop_duplicates("word").valence.value_counts().to_dict() == {1: 35, -1: 35}
    assert set(table.pos) == {"adj", "verb"}
    conditions = {"base", "negated", "intensified", "diminished"}
    cells = table.groupby(["word", "frame"]).condition
    assert cells.agg(lambda c: set(c) == conditions).all()
    assert cells.agg(lambda c: (c == "base").sum() == 1).all()
    modifiers = table[table.condition != "base"].groupby(["word", "frame", "condition"]).modifier
    assert (modifiers.nunique() >= 2).all()
    assert (table.modifier[table.condition == "base"] == "").all()
    assert not table.text.duplicated().any()


def test_contrast_phrases_hold_their_words():
    for row in load_contrasts().itertuples():
        tokens = tokenize(row.text)
        assert row.word in tokens
        assert f" {row.modifier} " in f" {row.text} " or not row.modifier
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", row.text), row.text


def test_texts_come_with_a_licence():
    assert "CC-BY-4.0" in (data.EMBEDDED / "LICENSE").read_text("utf-8")


def test_a_heart_is_not_a_tag():
    assert tokenize("i <3 it, 5 > 4 <br/>and <!-- x --> more") == ["i", "3", "it", ",", "5", "4", "and", "more"]
