"""The report card: what it measures is right, what it compares is fair, and it travels in the file it belongs to."""

import dataclasses
import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import parrotlet
from parrotlet import ParrotletError, UsageError, from_texts, load_bundle, report_card
from parrotlet.bundle import Bundle
from parrotlet.dataset import encode_corpus, held_back, split
from parrotlet.report import Report, characters_of, gather, make_report
from parrotlet.report.card import percent
from parrotlet.report.copying import LONG, LONGEST, SOURCE_SEPARATOR, TEXT_SEPARATOR, Copies
from parrotlet.report.figures import count_words, cut, distinct, made_of_words, repetition, words_of
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers import train_tokenizer

NOUNS = [
    "cat",
    "dog",
    "bird",
    "fish",
    "horse",
    "mouse",
    "house",
    "tree",
    "river",
    "stone",
    "table",
    "chair",
    "window",
    "garden",
    "letter",
    "candle",
]
VERBS = ["sees", "likes", "finds", "follows", "leaves", "hears", "paints", "carries", "forgets", "remembers"]


def prose(sentences: int, seed: int = 0) -> str:
    draw = np.random.default_rng(seed)
    pick = [(draw.integers(16), draw.integers(10), draw.integers(16), draw.integers(97)) for _ in range(sentences)]
    return "".join(f"The {NOUNS[a]} {VERBS[b]} the {NOUNS[c]} at {d} o'clock.\n" for a, b, c, d in pick)


class Author:
    """Stands for a Writer: what it writes is known."""

    def __init__(self, tokenizer, write):
        self.tokenizer, self._write = tokenizer, write

    def generate(self, n, *, length, seed):
        return [self._write(row, length) for row in range(n)]


def measured(texts, form, write, folder, share=0.1, **settings):
    """The report card of an author who has read these texts, and the texts held back."""
    tokenizer = train_tokenizer(texts, TokenizerSettings(**settings))
    encoded = encode_corpus(from_texts(texts, form), tokenizer, folder)
    material = gather(encoded, split(encoded, share), 2.5)
    report = make_report(Author(tokenizer, write), material)
    return report, [tokenizer.decode(ids) for ids in material.held_out]


# Copies


def copied(source: str, text: str) -> tuple[int, int]:
    """The longest copied span and the characters in long ones, by looking at every span."""
    longest, inside, length = 0, set(), 0
    for start in range(len(text)):
        length = max(0, length - 1)  # without its first character the span of the place before is still copied
        while start + length < len(text) and text[start : start + length + 1] in source:
            length += 1
        longest = max(longest, length)
        inside |= set(range(start, start + length)) if length >= LONG else set()
    return longest, len(inside)


pieces = st.text(alphabet="ab é𝄞", max_size=60)


@given(
    source=st.lists(pieces, max_size=4),
    text=st.lists(pieces, max_size=4),
    start=st.integers(0, 90),
    size=st.integers(0, 90),
)
def test_copies_are_those_that_stand_in_the_source(source, text, start, size):
    text += [part[3:] + part[:-1] for part in source]
    source, text = SOURCE_SEPARATOR.join(source), TEXT_SEPARATOR.join(text)
    copies = Copies(source, text)
    assert (copies.longest(0, len(text)), copies.covered(0, len(text))) == copied(source, text)
    start, stop = min(start, len(text)), min(start + size, len(text))
    assert (copies.longest(start, stop), copies.covered(start, stop)) == copied(source, text[start:stop])


def test_the_law_of_copies_rejects_spans_that_run_across_documents():
    glued, parted = "abc" + "def", SOURCE_SEPARATOR.join(["abc", "def"])
    assert Copies(glued, "bcde").longest(0, 4) == 4
    assert Copies(parted, "bcde").longest(0, 4) == 2 == copied(parted, "bcde")[0]


def test_a_copy_across_the_blocks_of_a_long_source_is_found_whole():
    draw = np.random.default_rng(1)
    source = "".join(map(chr, draw.integers(97, 123, 600_000)))
    text = "?" + source[262_144 - 400 : 262_144 + 300] + "?" + source[:50]
    copies = Copies(source, text)
    assert copies.longest(0, len(text)) == 700 and copies.covered(0, len(text)) == 750


def test_a_source_that_is_one_line_again_and_again_is_bounded():
    copies = Copies("all the same\n" * 20_000, "all the same\n" * 1000)
    assert copies.longest(0, 13_000) == LONGEST and copies.covered(0, 13_000) == 13_000


# Figures


def test_repetition_and_variety_worked_out_by_hand():
    words = list("ababa")
    assert repetition([words], 2) == pytest.approx(1 - 2 / 4)  # ab, ba, ab, ba
    assert distinct([words], 1) == pytest.approx(2 / 5) and distinct([words], 2) == pytest.approx(2 / 5)
    assert repetition([words, ["x", "y"]], 2) == pytest.approx(0.25)  # the mean of a half and none
    assert repetition([["a"]], 4) is None and distinct([], 1) is None
    assert cut("abcdefg", 3) == ["abc", "def"] and cut("ab", 3) == []


def test_words_are_letters_with_their_marks_and_apostrophes():
    assert words_of("Don't stop: naïve co-op, 2nd rock’n’roll!") == [
        "don't", "stop", "naïve", "co", "op", "nd", "rock’n’roll",
    ]  # fmt: skip
    assert words_of("春眠 不覺曉 ok") == ["ok"] and words_of("שָׁלוֹם") == ["שָׁלוֹם"]


@given(st.text(alphabet="aB'é \n.春", max_size=60))
def test_counting_words_is_listing_them(text):
    assert list(count_words(text).elements()) == [word for word in dict.fromkeys(words_of(text))
                                                 for _ in range(words_of(text).count(word))]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (prose(50), True),
        ("\n".join(f"{a}{b}ina" for a in NOUNS for b in VERBS), False),  # names: none occurs twice
        ("春眠不覺曉，處處聞啼鳥。夜來風雨聲，花落知多少。\n" * 20, False),
        ("A2 B2 c2 d2 | e4 d4 |\n" * 50, False),  # notes
        ("60 62 64,0 12,-5\n" * 50, False),
        ("", False),
    ],
)
def test_words_are_counted_where_a_text_is_made_of_them(text, words):
    assert made_of_words(text, count_words(text)) is words


def test_percent_never_says_none_or_all_of_what_is_not():
    told = {0.0: "0 %", 1e-5: "<0.1 %", 0.0123: "1.2 %", 0.913: "91 %", 0.996: "99.6 %", 0.99999: ">99.9 %", 1: "100 %"}
    assert {share: percent(share) for share in told} == told


# A card


def test_an_author_that_copies_is_caught_with_the_right_span(tmp_path):
    source = prose(600)
    places = [100, 900, 4000, 7000]

    def write(row, length):
        start = places[row % 4]
        return "zq" * 50 + "\x00" + source[start : start + 137] + "\x00" + "zq" * length

    report, held_out = measured([source], "text", write, tmp_path)
    assert report.model.longest_copy == 137 and report.model.copied == pytest.approx(137 / 2000, rel=1e-3)
    assert report.looked_at == report.training == len(source) - sum(map(len, held_out))
    clean, _ = measured([source], "text", lambda row, length: "zq" * (length // 2), tmp_path)
    assert clean.model.longest_copy <= 1 and clean.model.copied == 0
    assert "nothing longer than 0 characters is copied" in clean.sentence


def test_a_text_of_one_line_repeats_itself_and_is_not_varied(tmp_path):
    report, _ = measured(
        [prose(600)], "text", lambda row, length: ("The cat sees the dog.\n" * length)[:length], tmp_path
    )
    assert report.model.repetition > 0.95 and report.model.repetition_characters > 0.95
    assert report.model.distinct_1 < 0.02 < report.human.distinct_1
    assert report.model.real_words == 1 and "4 words in a row repeat earlier ones (human text:" in report.sentence


def test_the_human_column_is_that_of_the_text_held_back(tmp_path, monkeypatch):
    monkeypatch.setattr("parrotlet.dataset.division.LEAST_PIECE", 1 << 40)  # all of it in one piece
    source = prose(900) + prose(60, seed=5).replace("cat", "axolotl").replace("river", "fjord")
    report, held_out = measured([source], "text", lambda row, length: "x" * length, tmp_path, share=0.08)
    (human,), learned = held_out, source[: -len(held_out[0])]
    assert human == source[-len(human) :] and report.human.characters == len(human) < 20_000
    known = set(words_of(learned))
    whole = words_of(human)[1:-1]
    assert report.human.real_words == pytest.approx(np.mean([word in known for word in whole]))
    assert 0.5 < report.human.real_words < 1
    longest, covered = copied(learned, human)
    assert report.human.longest_copy == longest and report.human.copied == pytest.approx(covered / len(human))
    parts = [words_of(human[start : start + 2000]) for start in range(0, len(human) - 1999, 2000)]
    assert report.human.distinct_2 == pytest.approx(np.mean([len(set(pairwise(p))) / len(p) for p in parts]))
    assert report.compared == len(human) == report.human.characters
    assert (report.model.bits_per_character, report.human.bits_per_character) == (2.5, None)
    assert report.ngram.real_words > 0.8 and 0.5 < report.ngram.bits_per_character < 2
    # the law rejects a column that knows the text held back: then every word of it is real
    assert set(whole) <= set(words_of(source)) and report.human.real_words != 1


def test_longest_copies_are_compared_in_as_much_text(tmp_path):
    source = prose(300)

    def write(row, length):  # only its last text copies much
        return source[:length] if row == 9 else "q" * length

    report, _ = measured([source], "text", write, tmp_path)
    assert 1990 < report.model.longest_copy <= 2000 and report.compared == report.human.characters < 18_000
    assert report.model.longest_copy_compared <= 1


def test_short_documents_are_measured_one_by_one(tmp_path):
    names = [f"{a}{b}{c}" for a in NOUNS for b in VERBS for c in "aeiou"]
    report, held_out = measured(names, "lines", lambda row, length: (names[7], "zzz", "")[row % 3], tmp_path, share=0.2)
    assert held_out and report.model.copied_documents == pytest.approx(0.5, abs=0.01)
    assert report.human.copied_documents is None and report.model.real_words is None
    assert report.model.longest_copy == len(names[7]) and report.unit == "characters"
    assert report.ngram.longest_copy <= max(map(len, names)) and report.ngram.bits_per_character > 0
    assert "50 % of its documents stand in the training text as they are" in report.sentence


def test_an_author_that_writes_nothing_has_a_card_too(tmp_path):
    report, _ = measured([f"a text, number {n}" for n in range(50)], "lines", lambda row, length: "", tmp_path)
    assert report.model.characters == 0 and report.model.repetition is None and report.sentence


@pytest.mark.parametrize("level", ["char", "word"])
def test_characters_held_back_are_those_of_the_text(level, tmp_path):
    """Where words may be unknown they are estimated, and ends of documents are none."""
    corpus = from_texts([f"{('cat', 'dog', 'cow')[n % 3]} sat mat{n * n % 7}" for n in range(2000)], "lines")
    pieces = (piece for document in corpus.documents() for piece in document.pieces)
    tokenizer = train_tokenizer(pieces, TokenizerSettings(level=level))
    encoded = encode_corpus(corpus, tokenizer, tmp_path)
    documents = list(held_back(encoded, split(encoded, 0.1)))
    written = sum(len(tokenizer.decode(ids)) for ids in documents)
    assert characters_of(documents, tokenizer, encoded.density) == pytest.approx(written, rel=0.01)


def test_loops_are_told_of_an_author_who_writes_less_than_a_piece(tmp_path):
    """A number of tokens writes fewer characters at word level than the text has on the average."""
    report, _ = measured([prose(400)], "text", lambda row, length: "a b " * 25, tmp_path)
    assert report.model.characters < 2000 and report.model.repetition > 0.9
    assert report.piece == report.model.characters and report.human.repetition is not None


def test_without_text_held_back_there_is_no_human_column(tmp_path):
    report, _ = measured([prose(100)], "text", lambda row, length: "a b " * (length // 4), tmp_path, share=0.0)
    assert report.human is None and report.compared is None and report.ngram.bits_per_character is None
    assert report.rows()[0] == ["", "model", "5-gram model"] and "human" not in report.sentence


def test_of_a_long_text_parts_from_all_over_it_are_looked_at_and_that_is_told(tmp_path):
    lines = prose(4000).splitlines()
    for form, texts in (("text", ["\n".join(lines)]), ("lines", lines)):
        tokenizer = train_tokenizer(texts, TokenizerSettings())
        encoded = encode_corpus(from_texts(texts, form), tokenizer, tmp_path / form)
        material = gather(encoded, split(encoded, 0.1), None, most=20_000)
        seen = [tokenizer.decode(ids) for ids in material.training]
        assert 17_000 < sum(map(len, seen)) < 21_000 and not material.whole
        full = texts[0] if form == "text" else "\n".join(texts)
        places = [full.find(part) for part in seen]
        assert min(places) == 0 and max(places) > 0.8 * len(full) and -1 not in places
        report = make_report(Author(tokenizer, lambda row, length: "q" * length), material)
        assert report.looked_at < 21_000 < report.training == pytest.approx(0.9 * encoded.characters, rel=0.02)
        assert "of the training text)" in report.sentence and "looked at of the training text" in report.notes()[-1]


def test_the_same_text_makes_the_same_card(tmp_path):
    one, two = (
        measured([prose(200)], "text", lambda row, length: "the cat " * (length // 8), tmp_path)[0] for _ in "ab"
    )
    assert one == two


# In the file


TINY = {"hidden": 16, "embedding": 8, "batch": 4, "window": 16, "device": "cpu", "warmup": 5, "evaluations": 2}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Models with full-size cards, of a long text and of lines, and what they were trained on."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("trained")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("parrotlet.learning.closing.FULL_TOKENS", 1)
        for form in ("text", "lines"):
            source, model = folder / f"{form}.txt", folder / f"{form}.safetensors"
            source.write_text(prose(300), encoding="utf-8")
            run = parrotlet.training(source, model, form=form, steps=30, **TINY)
            *_, done = run
            found[form] = SimpleNamespace(source=source, model=model, bundle=run.bundle, done=done)
    return found


@pytest.mark.parametrize("form", ["text", "lines"])
def test_training_writes_the_card_that_the_same_text_makes_again(trained, form):
    one = trained[form]
    card = report_card(one.model)
    assert card.model.characters == 20_000 and card.human is not None
    assert card == report_card(one.model, one.source) == report_card(parrotlet.load(one.model), [one.source])
    assert one.done.report == card.model_dump(mode="json") == load_bundle(one.model).report == one.bundle.report
    assert card.model.bits_per_character == one.done.validation


def test_a_card_survives_saving_and_is_sent_as_json(trained, tmp_path):
    one = trained["text"]
    load_bundle(one.model).save(tmp_path / "again.safetensors")
    assert report_card(tmp_path / "again.safetensors") == report_card(one.model)
    assert Report.model_validate(json.loads(json.dumps(one.done.as_json()["report"]))) == report_card(one.model)


def test_against_another_text_all_of_it_counts_as_learned(trained, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text(prose(80, seed=9), encoding="utf-8")
    card = report_card(trained["text"].model, other)
    assert card.human is None and card.training == len(prose(80, seed=9)) and card.model.bits_per_character is None
    beside = report_card(trained["text"].model, trained["text"].source, held_out=other)
    assert beside.human.characters == len(prose(80, seed=9))
    scored = parrotlet.load(trained["text"].model).score(prose(80, seed=9))
    assert beside.model.bits_per_character == pytest.approx(scored.bits_per_character)
    with pytest.raises(UsageError, match="give that too"):
        report_card(trained["text"].model, held_out=other)


@pytest.mark.parametrize(
    "settings",
    [
        {"level": "char"},
        {"level": "char", "graphemes": True},
        {"level": "word", "size": 20},
        {"level": "byte"},
        {"level": "symbol"},
        {"level": "textgenrnn-word"},
        {"network": {"kind": "lstm", "context": 9}},
        {"network": {"kind": "lstm", "context": 8, "padded": True, "attention": True, "bidirectional": True}},
        {"validation": 0.0},
    ],
    ids=lambda settings: " ".join(map(str, settings.values()))[:30],
)
@pytest.mark.parametrize("form", ["text", "lines"])
def test_every_run_ends_with_a_card(settings, form):
    pytest.importorskip("torch")
    lines = prose(60).splitlines()
    labels = {"kind": [line.split()[1] for line in lines]} if "attention" in settings.get("network", {}) else None
    texts = ["\n".join(lines)] if form == "text" else lines
    run = parrotlet.training(
        from_texts(texts, form, "a text", labels if form == "lines" else None), steps=3, **{**TINY, **settings}
    )
    notes = [event.text for event in run if event.event == "note"]
    card = report_card(parrotlet.Writer(run.bundle))
    assert not [note for note in notes if "report card" in note]
    assert card.model.characters > 0 and card.ngram.characters > 1000
    assert (card.human is None) == ("validation" in settings)
    assert all(len(row) == len(card.rows()[0]) for row in card.rows())


def test_a_card_that_fails_leaves_the_model_and_is_told(monkeypatch, tmp_path):
    pytest.importorskip("torch")

    def fail(*_):
        raise ValueError("nothing\nworks")

    monkeypatch.setattr("parrotlet.learning.closing.make_report", fail)
    run = parrotlet.training(from_texts([prose(60)], "text"), tmp_path / "m.safetensors", steps=3, **TINY)
    events = list(run)
    assert [e.text for e in events if e.event == "note"][
        -1
    ] == "no report card could be made (ValueError: nothing works)"
    assert events[-1].report is None and load_bundle(tmp_path / "m.safetensors").report == {}


def test_an_interrupted_run_has_no_card_and_a_resumed_one_that_of_one_that_never_stopped(tmp_path):
    pytest.importorskip("torch")
    corpus = from_texts([prose(100)], "text")
    whole = parrotlet.training(corpus, tmp_path / "whole.safetensors", steps=20, **TINY)
    *_, done = whole
    broken = parrotlet.training(corpus, tmp_path / "broken.safetensors", steps=20, **TINY)
    for event in broken:
        if event.event == "evaluation":
            broken.stop()
    with pytest.raises(
        ParrotletError, match=r"has no report card; its training text makes one: parrotlet report .* --text"
    ):
        report_card(tmp_path / "broken.safetensors")
    *_, again = parrotlet.training(corpus, tmp_path / "broken.safetensors", resume=True)
    assert again.report == done.report is not None


class TestSize:
    """How large a card is follows from the budget alone, and never takes much of it."""

    def size(self, steps=0, seconds_of_character=None, **training):
        from parrotlet.learning.closing import card_size
        from parrotlet.settings import parse_settings

        settings = parse_settings({"training": {"batch": 64, "window": 64, **training}})
        run = SimpleNamespace(
            settings=settings, progress=SimpleNamespace(step=steps), encoded=SimpleNamespace(characters=10**9)
        )
        return card_size(run, 10**6, seconds_of_character)

    @pytest.fixture(autouse=True)
    def needs_torch(self):
        pytest.importorskip("torch")

    def test_a_minute_is_enough_for_a_full_card_of_a_fast_model(self):
        size = self.size(minutes=3, seconds_of_character=1e-5)
        assert (size.characters, size.looked_at) == (20_000, 2_000_000) and size.seconds < 0.02 * 180

    @pytest.mark.parametrize("minutes", [0.05, 0.2, 1, 15])
    @pytest.mark.parametrize("seconds_of_character", [1e-6, 1e-4, 1e-2])
    def test_a_slow_model_writes_less(self, minutes, seconds_of_character):
        size = self.size(minutes=minutes, seconds_of_character=seconds_of_character)
        assert size.characters % 2000 == 0 and 2000 <= size.characters <= 20_000
        writing = size.characters * seconds_of_character / 2
        assert size.characters == 2000 or writing <= 0.02 * minutes * 60

    def test_a_run_counted_in_steps_has_the_same_card_on_every_machine(self):
        sizes = [self.size(steps=300, seconds_of_character=speed, epochs=1) for speed in (1e-6, 1.0)]
        assert sizes[0].characters == sizes[1].characters == 20_000
        assert self.size(steps=3).characters == 2000 and self.size(steps=3).looked_at == 100_000


# Untrusted


GOOD = {
    "temperature": 1.0, "seed": 0, "unit": "words", "piece": 2000, "compared": None, "looked_at": 10, "training": 10,
    "order": 5, "model": {"characters": 5, "longest_copy": 3, "copied": 0.0}, "human": None,
    "ngram": {"characters": 5, "longest_copy": 3, "copied": 0.0},
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"unit": "letters"}, "unit: "),
        ({"training": -1}, "training: "),
        ({"training": 10**40}, "training: "),
        ({"model": {**GOOD["model"], "copied": 1.5}}, "model.copied: "),
        ({"model": {**GOOD["model"], "real_words": "\x1b[31m"}}, "model.real_words: "),
        ({"ngram": []}, "ngram: "),
        ({"more": "x" * 100_000}, "more: "),
        ({"model": None}, "model: "),
    ],
)
def test_a_broken_card_is_one_line_and_the_model_still_writes(trained, tmp_path, change, line):
    path = tmp_path / "broken.safetensors"
    bundle = load_bundle(trained["text"].model)
    dataclasses.replace(bundle, report=GOOD | change).save(path)
    with pytest.raises(ParrotletError) as caught:
        report_card(path)
    assert line in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert parrotlet.load(path).write(length=3, seed=1)
    dataclasses.replace(bundle, report=GOOD).save(path)
    assert report_card(path).sentence == "nothing longer than 3 characters is copied"


# The command


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    """Runs a command in an empty folder: its exit status, stdout and stderr."""
    from parrotlet import cli

    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        capfd.readouterr()
        status = cli.main([str(each) for each in arguments])
        return SimpleNamespace(status=status, **dict(zip(("out", "err"), capfd.readouterr(), strict=True)))

    return run


def test_the_command_shows_the_card_in_words_as_a_table_and_as_json(call, trained):
    one, card = trained["text"], report_card(trained["text"].model)
    result = call("report", one.model)
    lines = result.out.splitlines()
    assert (
        result.status == 0
        and not result.err
        and lines[0] == card.sentence
        and "characters of human text: 100 %" in lines[0]
    )
    assert (
        lines[2].split("  ")[-1] == "5-gram model"
        and len([line for line in lines if line.startswith("characters")]) == 1
    )
    assert "written at temperature 1, seed 0" in result.out
    assert json.loads(call("report", one.model, "--json").out) == card.model_dump(mode="json") | {
        "sentence": card.sentence
    }
    assert f"report       {card.sentence}" in call("inspect", one.model).out


def test_the_command_makes_the_card_anew(call, trained, tmp_path):
    one = trained["lines"]
    plain = Bundle(one.bundle.weights, one.bundle.settings, one.bundle.tokenizer, one.bundle.card)
    plain.save(tmp_path / "plain.safetensors")
    refused = call("report")
    chosen, error = refused.err.splitlines()
    assert refused.status == 1 and chosen == "plain.safetensors, the only model here"
    assert error.startswith("parrotlet: plain.safetensors has no report card; its training")
    assert "report   " not in call("inspect").out
    result = call("report", "plain.safetensors", "--text", one.source, "--json")
    assert json.loads(result.out) == json.loads(call("report", one.model, "--json").out)
    beside = call("report", "--text", one.source, "--held-out", one.source)
    assert beside.status == 0 and "human text" in beside.out and "text.txt" not in beside.out
    assert call("report", "--held-out", one.source).status == 2
    assert call("report", "gone.safetensors").status == 1 and call("report", "--text", "gone.txt").status == 1


def test_a_terminal_shows_a_table(call, trained, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert "──" in call("report", trained["text"].model).out


def test_training_tells_the_main_figures(call, trained):
    flags = ["--steps", "10", "--hidden", "16", "--set", "training.batch=4", "-o", "m.safetensors"]
    lines = call("train", trained["text"].source, *flags).out.splitlines()
    assert lines[-2] == report_card("m.safetensors").sentence and "characters is copied" in lines[-2]
    records = [json.loads(line) for line in call("train", trained["text"].source, *flags, "--json").out.splitlines()]
    assert records[-1]["report"] == report_card("m.safetensors").model_dump(mode="json")
