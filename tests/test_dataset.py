"""Laws of the dataset: targets one later, nothing lost or read twice, order a pure function of (seed, epoch, index)."""

from itertools import chain, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parrotlet.corpus import from_texts
from parrotlet.dataset import (
    NOTHING,
    Batch,
    check_batches,
    encode_corpus,
    excerpt,
    held_back,
    open_encoded,
    remove_encoded,
    split,
    training_batches,
    validation_batches,
)
from parrotlet.dataset.batches import LineBatches, StreamBatches
from parrotlet.dataset.encoded import Encoded, smallest_type
from parrotlet.dataset.shuffle import Shuffled
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.settings import TokenizerSettings, parse_settings
from parrotlet.tokenizers import train_tokenizer

TEXTS = st.lists(st.text("abcdef \n", min_size=1).filter(str.strip), min_size=3, max_size=40)
V = 1000  # stands for the size of the vocabulary
KINDS = {"read whole": {}, "windows": {"network": {"context": 5}}}  # of batches for both forms
SHAPES = st.tuples(st.integers(1, 5), st.integers(2, 9))


def encode(texts, form, folder):
    corpus = from_texts(texts, form)
    tokenizer = train_tokenizer((piece for d in corpus.documents() for piece in d.pieces), TokenizerSettings())
    return encode_corpus(corpus, tokenizer, folder), tokenizer


def learned_from(encoded, division, rows, window, seed, network=None, **training):
    """The batches of a run with these settings."""
    training = {"batch": rows, "window": window, "seed": seed, **training}
    return training_batches(encoded, division, parse_settings({"network": network or {}, "training": training}), V)


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
    targets_are_one_later(every_batch(learned_from(encoded, split(encoded, 0.2), *shape, seed)))


def test_the_law_rejects_a_broken_batch():
    with pytest.raises(AssertionError):
        targets_are_one_later([Batch(np.array([[1, 2, 3]]), np.array([[1, 2, 3]]), np.array([True]))])


@given(texts=TEXTS, shape=SHAPES, seed=st.integers(0, 9))
def test_each_document_is_read_once_from_its_start(tmp_path_factory, texts, shape, seed):
    encoded, _ = encode(texts, "lines", tmp_path_factory.mktemp("ids"))
    division = split(encoded, 0.2)
    both = every_batch(learned_from(encoded, division, *shape, seed), epoch=1)
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
    read = every_batch(learned_from(encoded, division, *shape, seed), epoch)
    count = sum(int((batch.targets != NOTHING).sum()) for batch in read)
    assert encoded.tokens - shape[1] <= count <= encoded.tokens


def test_state_is_fresh_at_each_document_and_carried_within(tmp_path):
    encoded, tokenizer = encode(["abcdefgh" * 4, "fedcba" * 5], "text", tmp_path)
    batches = every_batch(learned_from(encoded, split(encoded, 0.0), 1, 8, seed=1))
    read = np.concatenate([batch.inputs[0][batch.targets[0] != NOTHING] for batch in batches])
    fresh = [batch.inputs[0, 0] == tokenizer.stop for batch in batches[1:]]
    assert [bool(batch.fresh[0]) for batch in batches[1:]] == fresh
    assert batches[0].fresh[0]
    assert np.array_equal(read, np.asarray(encoded.ids[-1 - len(read) : -1]))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("form", ["text", "lines"])
def test_order_is_a_pure_function_of_seed_epoch_and_index(tmp_path, form, kind):
    encoded, _ = encode([f"line number {n} of many" for n in range(60)], form, tmp_path)
    division = split(encoded, 0.1)

    def read(seed, epoch):
        batches = learned_from(encoded, division, 4, 8, seed, **kind)
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


def test_pieces_of_a_long_text_are_held_back_and_its_end_is_learned_from(tmp_path):
    encoded, _ = encode(["ab" * 30_000, "cd" * 1000], "text", tmp_path)
    division = split(encoded, 0.1)
    pieces = division.validation.tolist()
    assert len(pieces) == 6 and all(stop - start in (1033, 1034) for start, stop in pieces)
    middles = [round((start + stop) / 2 / encoded.tokens, 3) for start, stop in pieces]
    assert middles == [0.083, 0.25, 0.417, 0.583, 0.75, 0.917]
    encoded, _ = encode(["ab" * 950], "text", tmp_path / "short")
    assert split(encoded, 0.1).validation.tolist() == [[encoded.tokens - 190, encoded.tokens]]  # too little for two


def test_of_many_short_texts_whole_ones_are_held_back(tmp_path):
    """Not a little of each, from a state that knows nothing: that tells nothing of the model."""
    encoded, _ = encode(["abcd" * (10 + n % 5) for n in range(3000)], "text", tmp_path)
    division = split(encoded, 0.1)
    borders = set(encoded.starts.tolist())
    whole = [begin in borders and end in borders for begin, end in division.validation.tolist()]
    assert sum(whole) >= 0.9 * len(whole) and len(whole) < 0.15 * encoded.documents
    assert (division.validation[:, 1] - division.validation[:, 0]).sum() == encoded.tokens // 10


def test_one_short_document_makes_no_large_batch(tmp_path):
    texts = ["ok"] + [f"{n:04d} " + "abcd" * (24 + n % 10) for n in range(3000)]
    encoded, _ = encode(texts, "lines", tmp_path)
    batches = LineBatches(encoded, split(encoded, 0.0), 64, 128, 0)
    sizes = [batches.batch(0, index).inputs.size for index in range(batches.length(0))]
    assert max(sizes) <= 64 * 128


def test_a_batch_is_no_wider_than_what_it_reads(tmp_path):
    encoded, _ = encode(["abcd" * 1000], "text", tmp_path)
    batches = StreamBatches(encoded, split(encoded, 0.0).train, 64, 16_384, 0)
    assert batches.batch(0, 0).inputs.shape[1] <= 64


@pytest.mark.parametrize("level", ["char", "word", "symbol", "bpe", "byte"])
def test_a_long_line_is_read_as_one(tmp_path, level, monkeypatch):
    text = " ".join(f"w{n * n % 7}" for n in range(9000))
    monkeypatch.setattr("parrotlet.corpus.documents.PIECE", 1000)
    corpus = from_texts([text], "text")
    assert len(list(next(corpus.documents()).pieces)) > 20
    tokenizer = train_tokenizer([text], TokenizerSettings(level=level))
    encoded = encode_corpus(corpus, tokenizer, tmp_path)
    assert encoded.ids[1:-1].tolist() == tokenizer.encode(text).tolist() or level == "bpe"
    assert tokenizer.decode(encoded.ids[1:-1].tolist()) == text and encoded.characters == len(text)


def test_documents_of_which_nothing_is_left_are_counted_and_teach_nothing(tmp_path):
    corpus = from_texts(["!!!", "one two", "...", "two one"], "lines", labels={"kind": ["a", "b\ud800", "c", "d"]})
    tokenizer = train_tokenizer(iter(["one two"]), TokenizerSettings(level="word", punctuation="delete"))
    encoded = encode_corpus(corpus, tokenizer, tmp_path)
    assert (encoded.documents, encoded.empty) == (2, 2) and open_encoded(tmp_path).empty == 2
    assert not (np.diff(np.flatnonzero(encoded.ids == encoded.stop)) == 1).any()
    assert encoded.label_names == {"kind": ("b?", "d")} and encoded.labels.tolist() == [[0], [1]]


@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=8).filter(lambda lengths: sum(lengths) > 3),
    share=st.floats(0, 0.5),
    piece=st.integers(1, 9),
    context=st.integers(1, 9),
)
def test_every_position_of_a_long_text_is_on_one_side(lengths, share, piece, context):
    starts = np.cumsum([0, *lengths])
    encoded = Encoded(np.arange(starts[-1] + 1), starts, np.zeros(len(lengths), np.uint64), "text", 0, starts[-1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("parrotlet.dataset.division.LEAST_PIECE", piece)
        division = split(encoded, share)
    sides = [[set(range(*each)) for each in ranges] for ranges in (division.train, division.validation)]
    assert all(each for each in chain(*sides))
    assert sorted(p for each in chain(*sides) for p in each) == list(range(encoded.tokens))
    assert sum(map(len, sides[1])) == int(encoded.tokens * share)
    documents = [set(range(*each)) for each in pairwise(starts)]
    assert all(any(each <= document for document in documents) for each in chain(*sides))
    for batch in every_batch(learned_from(encoded, division, 3, 8, 1, {"context": context})):
        for row in np.concatenate([batch.context[:, 1:], batch.inputs], 1):  # every id is its own position here
            assert any(set(row[row != V]) <= each for each in sides[0])


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
        encode(["a"], "text", tmp_path / "encoded")
    assert not list((tmp_path / "encoded").iterdir())


@given(count=st.integers(1, 3000), seed=st.integers(0, 99), piece=st.integers(1, 700))
def test_a_shuffled_count_holds_every_number_once_in_whatever_pieces_it_is_taken(count, seed, piece):
    order = Shuffled(count, np.random.default_rng(seed))
    taken = np.concatenate([order.take(start, start + piece) for start in range(0, count, piece)])
    assert sorted(taken.tolist()) == list(range(count))


def test_a_shuffled_count_is_in_no_order():
    taken = Shuffled(100_000, np.random.default_rng(1)).take(0, 100_000)
    assert abs(np.corrcoef(taken[:-1], taken[1:])[0, 1]) < 0.02
    assert abs(np.corrcoef(taken, np.arange(len(taken)))[0, 1]) < 0.02
    assert not np.array_equal(taken, Shuffled(100_000, np.random.default_rng(2)).take(0, 100_000))


def windows_are_what_stands_before(batches, encoded, context, form):
    """Each window, read together with its input and target, stands somewhere in one document, and each only once."""
    documents = [np.asarray(encoded.ids[a : b + 1], np.int64) for a, b in pairwise(encoded.starts)]
    expected = {}
    for document in documents:
        for place in range(len(document) - 1):
            before = document[max(0, place - context) : place]
            window = (*[V] * (context - len(before)), *before, document[place], document[place + 1])
            if form == "lines" or place >= context - 1 or len(document) - 1 <= context:
                expected[window] = expected.get(window, 0) + 1
    found = {}
    for batch in batches:
        assert batch.fresh.all() and batch.inputs.shape == batch.targets.shape == (len(batch.context), 1)
        for row in np.concatenate([batch.context, batch.inputs, batch.targets], 1).tolist():
            found[tuple(row)] = found.get(tuple(row), 0) + 1
    assert found == expected


@pytest.mark.parametrize("form", ["text", "lines"])
@given(texts=TEXTS, rows=st.integers(1, 9), context=st.integers(1, 7), seed=st.integers(0, 9))
def test_windows_are_what_stands_before(tmp_path_factory, form, texts, rows, context, seed):
    encoded, _ = encode(texts, form, tmp_path_factory.mktemp("ids"))
    batches = learned_from(encoded, split(encoded, 0.0), rows, 8, seed, {"context": context})
    windows_are_what_stands_before(every_batch(batches, epoch=1), encoded, context, form)


def test_the_law_of_windows_rejects_a_window_that_is_lost(tmp_path):
    encoded, _ = encode(["abcdef", "fedc"], "lines", tmp_path)
    batches = every_batch(learned_from(encoded, split(encoded, 0.0), 2, 8, 1, {"context": 3}))
    with pytest.raises(AssertionError):
        windows_are_what_stands_before(batches[1:], encoded, 3, "lines")


@pytest.mark.parametrize("form", ["text", "lines"])
def test_windows_of_what_is_held_back_are_not_read(tmp_path, form):
    encoded, _ = encode([f"{n} " + "abc" * (n % 5) for n in range(100)], form, tmp_path)
    division = split(encoded, 0.2)
    read = predicted(every_batch(learned_from(encoded, division, 7, 8, 3, {"context": 1})))
    held = sum(len(ids) + (form == "lines") for ids in held_back(encoded, division))  # and the end of a document
    assert sum(read.values()) == encoded.tokens - held


def test_a_stride_reads_every_so_many_windows(tmp_path):
    encoded, _ = encode(["abcdefgh" * 50], "text", tmp_path)
    batches = every_batch(learned_from(encoded, split(encoded, 0.0), 16, 8, 3, {"context": 10}, stride=3))
    assert sum(len(batch.inputs) for batch in batches) == -(-(encoded.tokens - 9) // 3)


def test_documents_of_a_sequence_batch_are_cut_or_padded_with_learned_ends(tmp_path):
    encoded, tokenizer = encode(["abcdefghij", "abc"], "lines", tmp_path)
    batches = every_batch(learned_from(encoded, split(encoded, 0.0), 2, 6, 0, sequences=True))
    rows = sorted(zip(batches[0].inputs.tolist(), batches[0].targets.tolist(), strict=True), key=len)
    stop, (a, b, c, d, e, f) = tokenizer.stop, tokenizer.encode("abcdef").tolist()
    assert sorted(rows) == sorted(
        [([stop, a, b, c, d, e], [a, b, c, d, e, f]), ([stop, a, b, c, stop, stop], [a, b, c, stop, stop, stop])]
    )


@pytest.mark.parametrize(
    ("form", "network", "training", "message"),
    [
        ("text", {}, {"sequences": True}, "training.sequences = true .* one long text"),
        ("lines", {"context": 4}, {"sequences": True}, "training.sequences = true .* network.context"),
        ("text", {}, {"stride": 3}, "training.stride = 3 needs"),
    ],
)
def test_what_does_not_go_together_is_one_clear_line(form, network, training, message):
    with pytest.raises(UsageError, match=message):
        check_batches(parse_settings({"network": network, "training": training}), form)


def test_labels_are_numbered_by_column_and_reach_the_windows(tmp_path):
    corpus = from_texts(["abc", "bcd", "cde"], "lines", labels={"kind": ["x", "y", "x"]})
    tokenizer = train_tokenizer(["abcde"], TokenizerSettings())
    encoded = encode_corpus(corpus, tokenizer, tmp_path)
    assert encoded.label_names == {"kind": ("x", "y")}
    assert encoded.labels.tolist() == [[0], [1], [0]]
    batches = every_batch(learned_from(encoded, split(encoded, 0.0), 4, 8, 0, {"context": 3}))
    last = {
        tuple(row[1:]): label for b in batches for row, label in zip(b.context.tolist(), b.labels[:, 0], strict=True)
    }
    assert last[tuple(tokenizer.encode("bc"))] == 1 and last[tuple(tokenizer.encode("cd"))] == 0


@pytest.mark.parametrize("form", ["text", "lines"])
def test_an_excerpt_is_of_what_is_trained_on(tmp_path, form):
    texts = [f"{'train' if n % 2 else 'other'} number {n}" for n in range(60)]
    encoded, tokenizer = encode(texts, form, tmp_path)
    division = split(encoded, 0.3)
    if form == "text":
        trained = [tokenizer.decode(encoded.ids[start : cut + 1]) for start, cut in division.train]
    else:
        kept = np.flatnonzero(~division.validates(encoded.hashes))
        trained = [tokenizer.decode(encoded.ids[encoded.starts[n] : encoded.starts[n + 1]]) for n in kept]
    found = {tokenizer.decode(excerpt(encoded, division, 9, 1, number)) for number in range(50)}
    assert len(found) > 20 and all(0 < len(text) <= 9 for text in found)
    assert all(any(text in document for document in trained) for text in found)


def test_a_target_counts_alike_in_batches_with_many_and_with_few(tmp_path):
    """Long documents are read in several batches, of which the last hold few targets: all are divided by the same."""
    encoded, _ = encode(["abcde" * (5 + n % 40) for n in range(300)], "lines", tmp_path)
    batches = every_batch(learned_from(encoded, split(encoded, 0.0), 8, 16, 0))
    counts = [int((batch.targets != NOTHING).sum()) for batch in batches]
    assert len({batch.usual for batch in batches}) == 1 and min(counts) < 0.3 * max(counts)
    assert np.mean(counts) == pytest.approx(batches[0].usual, rel=0.02)
    halved = every_batch(learned_from(encoded, split(encoded, 0.5), 8, 16, 0))
    assert np.mean([(batch.targets != NOTHING).sum() for batch in halved]) == pytest.approx(halved[0].usual, rel=0.02)


def test_a_document_that_ends_the_file_may_be_shorter_than_those_beside_it(tmp_path):
    encoded, _ = encode(["abc" * 40, "abc" * 35, "ab"], "lines", tmp_path)
    batches = every_batch(learned_from(encoded, split(encoded, 0.0), 64, 100, 0))
    assert sum(int((batch.targets != NOTHING).sum()) for batch in batches) == encoded.tokens


def test_a_batch_of_windows_may_be_empty_where_the_text_is_shorter_than_a_window(tmp_path):
    encoded, _ = encode(["abc", "bca", "cab"], "lines", tmp_path)
    division = split(encoded, 0.4)
    sizes = [len(batch.inputs) for batch in every_batch(learned_from(encoded, division, 1, 9, 0, {"context": 40}))]
    assert 0 in sizes and 1 in sizes
