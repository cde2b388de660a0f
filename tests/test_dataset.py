"""Laws of the dataset: targets one later, nothing lost or read twice, order a pure function of (seed, epoch, index)."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parrotlet.corpus import from_texts
from parrotlet.dataset import (
    NOTHING,
    Batch,
    encode_corpus,
    open_encoded,
    remove_encoded,
    split,
    training_batches,
    validation_batches,
)
from parrotlet.dataset.encoded import smallest_type
from parrotlet.errors import ParrotletError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers import train_tokenizer

TEXTS = st.lists(st.text("abcdef \n", min_size=1).filter(str.strip), min_size=3, max_size=40)
SHAPES = st.tuples(st.integers(1, 5), st.integers(2, 9))


def encode(texts, form, folder):
    corpus = from_texts(texts, form)
    tokenizer = train_tokenizer((piece for d in corpus.documents() for piece in d.pieces), TokenizerSettings())
    return encode_corpus(corpus, tokenizer, folder), tokenizer


def every_batch(batches, epoch=0):
    return [batches.batch(epoch, index) for index in range(batches.length(epoch))]


def predicted(batches):
    """Every (input, target) pair that is learned from, counted."""
    pairs = {}
    for batch in batches:
        for pair in zip(batch.inputs[batch.targets != NOTHING], batch.targets[batch.targets != NOTHING], strict=True):
            pairs[pair] = pairs.get(pair, 0) + 1
    return pairs


def targets_are_one_later(batches):
    for batch in batches:
        follows = batch.targets[:, :-1] != NOTHING
        follows &= batch.targets[:, 1:] != NOTHING
        assert np.array_equal(batch.targets[:, :-1][follows], batch.inputs[:, 1:][follows])


@pytest.mark.parametrize("form", ["text", "lines"])
@given(texts=TEXTS, shape=SHAPES, seed=st.integers(0, 9))
def test_targets_are_one_later(tmp_path_factory, form, texts, shape, seed):
    encoded, _ = encode(texts, form, tmp_path_factory.mktemp("ids"))
    targets_are_one_later(every_batch(training_batches(encoded, split(encoded, 0.2), *shape, seed)))


def test_the_law_rejects_a_broken_batch():
    with pytest.raises(AssertionError):
        targets_are_one_later([Batch(np.array([[1, 2, 3]]), np.array([[1, 2, 3]]), np.array([True]))])


@given(texts=TEXTS, shape=SHAPES, seed=st.integers(0, 9))
def test_each_document_is_read_once_from_its_start(tmp_path_factory, texts, shape, seed):
    encoded, _ = encode(texts, "lines", tmp_path_factory.mktemp("ids"))
    division = split(encoded, 0.2)
    both = every_batch(training_batches(encoded, division, *shape, seed), epoch=1)
    held = validation_batches(encoded, division)
    both += every_batch(held) if held else []
    ids = np.asarray(encoded.ids, np.int64)
    expected = {}
    for pair in pairwise(ids):
        expected[pair] = expected.get(pair, 0) + 1
    assert predicted(both) == expected


@given(texts=TEXTS, shape=SHAPES, seed=st.integers(0, 9), epoch=st.integers(0, 3))
def test_long_text_loses_at_most_the_shift(tmp_path_factory, texts, shape, seed, epoch):
    encoded, _ = encode(texts, "text", tmp_path_factory.mktemp("ids"))
    division = split(encoded, 0.0)
    read = every_batch(training_batches(encoded, division, *shape, seed), epoch)
    count = sum(int((batch.targets != NOTHING).sum()) for batch in read)
    assert encoded.tokens - shape[1] <= count <= encoded.tokens


def test_state_is_fresh_at_each_document_and_carried_within(tmp_path):
    encoded, tokenizer = encode(["abcdefgh" * 4, "fedcba" * 5], "text", tmp_path)
    batches = every_batch(training_batches(encoded, split(encoded, 0.0), 1, 8, seed=1))
    read = np.concatenate([batch.inputs[0][batch.targets[0] != NOTHING] for batch in batches])
    fresh = [batch.inputs[0, 0] == tokenizer.stop for batch in batches[1:]]
    assert [bool(batch.fresh[0]) for batch in batches[1:]] == fresh
    assert batches[0].fresh[0]
    assert np.array_equal(read, np.asarray(encoded.ids[-1 - len(read) : -1]))


@pytest.mark.parametrize("form", ["text", "lines"])
def test_order_is_a_pure_function_of_seed_epoch_and_index(tmp_path, form):
    encoded, _ = encode([f"line number {n} of many" for n in range(60)], form, tmp_path)
    division = split(encoded, 0.1)

    def read(seed, epoch):
        batches = training_batches(encoded, division, 4, 8, seed)
        order = reversed(range(batches.length(epoch)))  # asked for in any order, after any other epoch
        return [batches.batch(epoch, index).inputs.tolist() for index in order]

    assert read(3, 2) == read(3, 2)
    assert read(3, 2) != read(4, 2)
    assert read(3, 2) != read(3, 1)


@pytest.mark.parametrize("form", ["text", "lines"])
def test_validation_and_training_share_nothing(tmp_path, form):
    texts = [f"{n} " + "abc" * (n % 5) for n in range(200)]
    encoded, tokenizer = encode(texts + texts[:50], form, tmp_path)  # with duplicates
    division = split(encoded, 0.1)
    if form == "text":
        sides = [{p for a, b in ranges for p in range(a, b)} for ranges in (division.train, division.validation)]
        assert not sides[0] & sides[1]
        assert len(sides[0]) + len(sides[1]) == encoded.tokens
        assert len(sides[1]) == pytest.approx(0.1 * encoded.tokens, abs=1)
        return
    held = division.validates(encoded.hashes)
    documents = [
        tokenizer.decode(encoded.ids[a:b]) for a, b in zip(encoded.starts[:-1], encoded.starts[1:], strict=True)
    ]
    assert not {d for d, h in zip(documents, held, strict=True) if h} & {
        d for d, h in zip(documents, held, strict=True) if not h
    }
    assert 0.03 < held.mean() < 0.25


def test_two_documents_leave_one_on_each_side(tmp_path):
    encoded, _ = encode(["first", "second"], "lines", tmp_path)
    assert sorted(split(encoded, 0.05).validates(encoded.hashes).tolist()) == [False, True]


def test_one_repeated_document_is_all_for_training(tmp_path):
    encoded, _ = encode(["same", "same"], "lines", tmp_path)
    assert not split(encoded, 0.5).validates(encoded.hashes).any()
    assert validation_batches(encoded, split(encoded, 0.5)) is None


def test_reopened_ids_are_the_same_and_can_be_removed(tmp_path):
    encoded, _ = encode(["alpha", "beta"], "lines", tmp_path)
    again = open_encoded(tmp_path)
    assert np.array_equal(encoded.ids, again.ids)
    assert (again.form, again.stop, again.characters) == (encoded.form, encoded.stop, encoded.characters)
    remove_encoded(tmp_path)
    with pytest.raises(ParrotletError, match="missing or damaged"):
        open_encoded(tmp_path)


@pytest.mark.parametrize(("size", "kind"), [(2, np.uint8), (256, np.uint8), (257, np.uint16), (70_000, np.uint32)])
def test_ids_take_the_smallest_type(size, kind):
    assert smallest_type(size) is kind


def test_too_little_text_is_one_clear_line(tmp_path):
    with pytest.raises(ParrotletError, match="too little text"):
        encode(["a"], "text", tmp_path)
