"""The laws of every tokenizer, on made and on pathological text; each law is shown to reject a broken member."""

import importlib.util
import json
import os
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parrotlet.errors import ParrotletError, UsageError
from parrotlet.settings import TokenizerSettings
from parrotlet.tokenizers import TOKENIZERS, Decoder, IdArray, Tokenizer, first_ids, load_tokenizer, train_tokenizer
from parrotlet.tokenizers.byte import ByteTokenizer
from parrotlet.tokenizers.char import CharTokenizer
from parrotlet.tokenizers.clusters import clusters, spaced_tokens
from parrotlet.tokenizers.normal import Normalisation, single_spaced
from parrotlet.tokenizers.symbol import BLANK, SymbolTokenizer
from parrotlet.tokenizers.textgenrnn_word import TextgenrnnWordTokenizer
from parrotlet.tokenizers.vocabulary import chosen, count_characters, count_tokens
from parrotlet.tokenizers.word import JOIN, SPACE, UNKNOWN, WordTokenizer

TRAINED_ON = [
    'The parrot said: "It costs $5.00, don\'t you know?" #tag @me, and the other parrot\nlaughed at the joke.\n',
    "rock-solid well-known words; (brackets) and 10,000 more - the end!\n\nthe the the a a a b b c\n",
    "Été à Noël, naïve façade; ёлка и ещё; שָׁלוֹם; 漢字かな; 한국어; İstanbul; 👩\u200d🚀 🇩🇪 ❤\ufe0f 1\ufe0f\u20e3\n",
]
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "lower": {"lowercase": True},
    "nfkc": {"normalisation": "NFKC", "lowercase": True},
    "none": {"normalisation": "none"},
    "small": {"size": 12, "min_count": 2},
}
LEVEL_VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "char": {"graphemes": {"graphemes": True}, "graphemes-small": {"graphemes": True, "min_count": 3}},
    "word": {
        **({"icu": {"breaker": "icu"}} if importlib.util.find_spec("icu4py") else {}),
        "delete": {"punctuation": "delete", "lowercase": True},
        "stem": {"stem": "english", "lowercase": True},
        "delete-stem": {"punctuation": "delete", "stem": "russian", "normalisation": "NFKC", "lowercase": True},
    },
    "bpe": {"small": {"size": 257}},
    "symbol": {"spelt": {"min_count": 1_000}},
    "textgenrnn-word": {"delete": {"punctuation": "delete"}},
}
PATHOLOGICAL = {
    "empty": "",
    "blanks": " \t \u00a0\u3000 \n  \r\n \r",
    "marks": "a\u0301\u0323e\u0301 \u0301x\n\u0301 \u0308",
    "marks out of order": "q\u0307\u0323 \u0344 \u1e9b\u0323",
    "joined emoji": "👨\u200d👩\u200d👧\u200d👦 👍🏽 🇩🇪🇫🇷🇯 ❤\ufe0f\u200d🔥",
    "right to left": "\u202eשָׁלוֹם\u202c עולם مرحبا بالعالم می\u200cخواهم",
    "lone surrogates": "a\ud800b\udfff\ud83d\ude00\udc00",
    "nul": "\x00a\x00\x00 \x1c\x1d\x1e\x1f\x7f\x85b",
    "separators": "one\u2028two\u2029three\x0bfour\x0cfive",
    "capitals": "İSTANBUL ΑΣ ΑΣΑ ẞ J\u030c \u212a \u03f4 Ǆ Ⅷ",
    "expanding": "\ufb2c\ufb2c \u1f82 \ufdfa ½ \u00a8 ﬁ \u2126",
    "hangul": "\u1112\u1161\u11ab 한 \u1100\u1100\uac00\u11a8",
    "prepended": "\u0600 \u0600x \u06dd\n\u0600",
    "spelt marks": "<s> <unk> <0> <join> </s> [CLS] Ġ",
    "edge of unicode": "\ufffd\uffff\U0010ffff\ue000\ufeff",
    "punctuation": "--''..,, a-'-b 'twas dogs' 1..2 1.2.3 a.b 3-D mp3s.5 -\u0308",
}
needs_bpe = pytest.mark.skipif(importlib.util.find_spec("tokenizers") is None, reason="tokenizers is not installed")
CASES = [
    pytest.param(level, variant, id=f"{level}-{variant}", marks=needs_bpe if level == "bpe" else ())
    for level in TOKENIZERS
    for variant in {**VARIANTS, **LEVEL_VARIANTS.get(level, {})}
]
LEVELS = [pytest.param(level, id=level, marks=needs_bpe if level == "bpe" else ()) for level in TOKENIZERS]
ANY_TEXT = st.lists(
    st.one_of(
        st.text(st.characters(), max_size=8),  # lone surrogates among them
        st.sampled_from(list(PATHOLOGICAL.values())),
        st.sampled_from(TRAINED_ON[0].split(" ") + TRAINED_ON[2].split(" ") + [" ", "  ", "\n", "\r", "-", "'"]),
    ),
    max_size=8,
).map("".join)
FEW_EXAMPLES = settings(max_examples=40, deadline=None)


@cache
def made(level: str, variant: str = "plain") -> Tokenizer:
    kind = {**VARIANTS, **LEVEL_VARIANTS.get(level, {})}[variant]
    return train_tokenizer(TRAINED_ON, TokenizerSettings(level=level, **kind))  # type: ignore[arg-type]


# --- the laws ---------------------------------------------------------------------------------------------------------


def law_round_trip(tokenizer: Tokenizer, text: str) -> None:
    normal = tokenizer.normalise(text)
    if tokenizer.unknown_id is None or not tokenizer.unknown(text):
        assert tokenizer.decode(tokenizer.encode(text)) == normal
    assert tokenizer.encode(normal).tolist() == tokenizer.encode(text).tolist()


def law_idempotent(tokenizer: Tokenizer, text: str) -> None:
    normal = tokenizer.normalise(text)
    assert tokenizer.normalise(normal) == normal
    assert "\r" not in normal
    normal.encode()


def law_ids(tokenizer: Tokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int64
    assert ids.ndim == 1
    assert ((ids >= 0) & (ids < len(tokenizer))).all()
    assert tokenizer.stop not in ids
    assert tokenizer.stop not in tokenizer.unwritable
    assert 0 <= tokenizer.stop < len(tokenizer)
    if tokenizer.unknown_id is not None:
        assert tokenizer.unknown_id in tokenizer.unwritable
        assert (tokenizer.unknown_id in ids) == bool(tokenizer.unknown(text))


def law_stream(tokenizer: Tokenizer, ids: list[int]) -> None:
    pieces = list(tokenizer.stream(iter(ids)))
    assert "".join(pieces) == tokenizer.decode(ids) == tokenizer.decode(np.array(ids, dtype=np.int64))
    assert len(ids) <= len(pieces) <= len(ids) + 1
    tokenizer.decode(ids).encode()
    decoder = tokenizer.decoder()
    thirds = [ids[: len(ids) // 3], ids[len(ids) // 3 : -1], ids[-1:] if len(ids) > 1 else []]
    if len(ids) > 1:
        assert "".join(map(decoder.push, thirds)) + decoder.flush() == "".join(pieces)


def law_json(tokenizer: Tokenizer, text: str) -> None:
    again = load_tokenizer(json.loads(json.dumps(tokenizer.to_json())))
    ids = tokenizer.encode(text)
    assert again.encode(text).tolist() == ids.tolist()
    assert again.decode(ids) == tokenizer.decode(ids)
    assert (len(again), again.stop, again.unwritable) == (len(tokenizer), tokenizer.stop, tokenizer.unwritable)
    assert (again.unknown_id, again.stop_learned) == (tokenizer.unknown_id, tokenizer.stop_learned)
    assert again.to_json() == tokenizer.to_json()


def law_extended(tokenizer: Tokenizer, text: str) -> None:
    longer = tokenizer.extended(["brand new words ✨✨ " + text], TokenizerSettings(min_count=1))
    assert len(longer) >= len(tokenizer)
    assert longer.stop == tokenizer.stop
    assert longer.stop_learned
    assert [longer.token(id) for id in range(len(tokenizer))] == [tokenizer.token(id) for id in range(len(tokenizer))]
    assert longer.normalise(text) == tokenizer.normalise(text)
    before = tokenizer.encode(TRAINED_ON[0])
    assert longer.decode(before) == tokenizer.decode(before)


@pytest.mark.parametrize(("level", "variant"), CASES)
@FEW_EXAMPLES
@given(text=ANY_TEXT)
def test_laws_of_text_hold_for_every_member(level: str, variant: str, text: str) -> None:
    for law in (law_round_trip, law_idempotent, law_ids):
        law(made(level, variant), text)


@pytest.mark.parametrize(("level", "variant"), CASES)
@FEW_EXAMPLES
@given(data=st.data())
def test_streamed_pieces_join_to_the_decode_of_any_ids(level: str, variant: str, data: st.DataObject) -> None:
    tokenizer = made(level, variant)
    some_id = st.integers(0, len(tokenizer) - 1)
    special = st.integers(0, min(20, len(tokenizer) - 1))
    law_stream(tokenizer, data.draw(st.lists(st.one_of(some_id, special, st.just(tokenizer.stop)), max_size=300)))


@pytest.mark.parametrize(("level", "variant"), CASES)
@settings(max_examples=10, deadline=None)
@given(text=ANY_TEXT)
def test_json_and_extension_keep_the_meaning_of_ids(level: str, variant: str, text: str) -> None:
    law_json(made(level, variant), text)
    law_extended(made(level, variant), text)


@pytest.mark.parametrize("name", PATHOLOGICAL)
@pytest.mark.parametrize(("level", "variant"), CASES)
def test_laws_hold_on_pathological_text(level: str, variant: str, name: str) -> None:
    tokenizer, text = made(level, variant), PATHOLOGICAL[name]
    for law in (law_round_trip, law_idempotent, law_ids, law_json):
        law(tokenizer, text)
    law_stream(tokenizer, tokenizer.encode(text).tolist())


@pytest.mark.parametrize("level", LEVELS)
def test_a_tokenizer_trained_on_a_pathological_text_writes_it(level: str) -> None:
    texts = list(PATHOLOGICAL.values())
    tokenizer = train_tokenizer(texts, TokenizerSettings(level=level, min_count=1))  # type: ignore[arg-type]
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == tokenizer.normalise(text)


def test_the_members_are_listed(record_property: Callable[[str, object], None]) -> None:
    record_property("tokenizers", sorted(TOKENIZERS))
    assert {"char", "word", "byte", "bpe", "symbol", "textgenrnn-word"} <= set(TOKENIZERS)
    for name, member in TOKENIZERS.items():
        assert member.level == name


# --- each law rejects a broken member ---------------------------------------------------------------------------------


class DropsLast(ByteTokenizer):
    def encode(self, text: str) -> IdArray:
        return super().encode(text)[:-1]


class GrowingForm(ByteTokenizer):
    def normalise(self, text: str) -> str:
        return super().normalise(text) + "."


class SaysStop(ByteTokenizer):
    def encode(self, text: str) -> IdArray:
        return np.append(super().encode(text), self.stop)


class _HalfPoints:
    def push(self, ids: Iterable[int]) -> str:
        return bytes(id for id in ids if id < 256).decode("utf-8", "replace")

    def flush(self) -> str:
        return ""


class WritesHalfPoints(ByteTokenizer):
    def decoder(self) -> Decoder:
        return _HalfPoints()


class Forgets(CharTokenizer):
    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"alphabet": sorted(self.alphabet, reverse=True)}


class Shuffles(CharTokenizer):
    def extended(self, texts: Iterable[str], settings: TokenizerSettings) -> "Shuffles":
        return Shuffles(tuple(reversed(super().extended(texts, settings).alphabet)))


class LosesBlanks(SymbolTokenizer):
    def encode(self, text: str) -> IdArray:
        ids = super().encode(text)
        return ids[ids != BLANK]


@pytest.mark.parametrize(
    ("law", "broken", "example"),
    [
        (law_round_trip, DropsLast(), "text"),
        (law_round_trip, LosesBlanks("xy"), "x y"),
        (law_idempotent, GrowingForm(), "text"),
        (law_ids, SaysStop(), "text"),
        (law_stream, WritesHalfPoints(), list("né".encode())),
        (law_json, Forgets("abc"), "abc"),
        (law_extended, Shuffles("abc"), "abc"),
    ],
    ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
)
def test_each_law_rejects_a_broken_member(law: Callable[[Any, Any], None], broken: Tokenizer, example: Any) -> None:
    with pytest.raises(AssertionError):
        law(broken, example)


# --- normal forms -----------------------------------------------------------------------------------------------------


def test_normal_forms_of_every_code_point_that_has_another_form_are_stable() -> None:
    """Also next to a mark that composes: lower case can undo what the form did."""
    everything = [
        letter
        for letter in map(chr, range(0x110000))
        if letter.lower() != letter or unicodedata.combining(letter) or unicodedata.decomposition(letter)
    ]
    for tail in ("", "\u030c", "\u0307"):
        text = (tail + "\n").join(everything)
        for form in ("NFC", "NFKC", "none"):
            normalise = Normalisation(form, lowercase=True)  # type: ignore[arg-type]
            once = normalise(text)
            assert normalise(once) == once


def test_lines_are_normalised_as_the_whole() -> None:
    text = "e\u0301\n\u0301a\u0323\u0302\n\u1112\u1161\n\u11ab" * 3
    assert Normalisation("NFC")(text) == unicodedata.normalize("NFC", text)


def test_line_ends_and_surrogates() -> None:
    assert Normalisation()("a\r\nb\rc\n\r") == "a\nb\nc\n\n"
    assert Normalisation("none")("\ud83d\ude00\ud800x") == "😀\ufffdx"
    assert Normalisation("NFC", True)("İ") == "i\u0307"


def test_single_spacing() -> None:
    assert single_spaced("  a \t b\u00a0\n\n  c\u2028d \n") == "a b\n\nc\nd\n"
    assert single_spaced(" \n ") == "\n"
    assert single_spaced("  \t") == ""


@settings(max_examples=50, deadline=None)
@given(
    text=st.text(
        st.sampled_from("a\u0301\u200d👨👩🏽🇩🇪\u0600\u0903\n \x00가각가❤\ufe0f\u20e31#\u200b\u0e33é"), max_size=12
    )
)
def test_clusters_are_those_of_unicode(text: str) -> None:
    import regex

    assert clusters(text) == regex.findall(r"\X", text)


# --- levels -----------------------------------------------------------------------------------------------------------


def test_characters_outside_the_alphabet_are_spelt() -> None:
    tokenizer = CharTokenizer("ab")
    assert (len(tokenizer), tokenizer.stop) == (19, 16)
    assert tokenizer.encode("aéb").tolist() == [17, 0xC, 0x3, 0xA, 0x9, 18]
    assert tokenizer.unknown("aébéx") == ["é", "x"]
    assert list(tokenizer.stream([17, 0xC, 0x3, 0xA, 0x9, 18])) == ["a", "", "", "", "é", "b"]
    assert tokenizer.decode([0xC, 0x3, 17]) == "\ufffda"
    assert tokenizer.decode([0xC]) == "\ufffd"
    assert list(tokenizer.stream([0xC, 0x3])) == ["", "", "\ufffd"]
    assert tokenizer.decode([0xC, 0x3, 16, 0xA, 0x9]) == "\ufffd\ufffd"  # <s> parts two documents
    assert [tokenizer.token(id) for id in (0, 15, 16, 17)] == ["<0>", "<f>", "<s>", "a"]


def test_an_imported_alphabet_skips_what_it_does_not_know() -> None:
    tokenizer = CharTokenizer("ab", fallback=False)
    assert (len(tokenizer), tokenizer.stop) == (3, 0)
    assert tokenizer.encode("axbé").tolist() == [1, 2]
    assert tokenizer.decode([0, 1, 2, 0]) == "ab"
    law_json(tokenizer, "axb")
    law_stream(tokenizer, [0, 1, 2, 2])


@FEW_EXAMPLES
@given(text=ANY_TEXT)
def test_an_imported_alphabet_with_an_unknown_symbol_keeps_the_laws(text: str) -> None:
    tokenizer = CharTokenizer(sorted(set("".join(TRAINED_ON))), fallback=False, unknown=True, stop_learned=False)
    for law in (law_round_trip, law_idempotent, law_ids, law_json, law_extended):
        law(tokenizer, text)
    law_stream(tokenizer, tokenizer.encode(text).tolist())


def test_an_unknown_symbol_is_one_id_that_writes_nothing() -> None:
    tokenizer = CharTokenizer("ab", fallback=False, unknown=True)
    assert (len(tokenizer), tokenizer.stop, tokenizer.unknown_id, tokenizer.unwritable) == (4, 0, 1, (1,))
    assert tokenizer.encode("axbé").tolist() == [2, 1, 3, 1]
    assert tokenizer.decode([0, 2, 1, 3]) == "ab"
    assert [tokenizer.token(id) for id in range(4)] == ["<s>", "<unk>", "a", "b"]


def test_what_is_read_first_is_something_that_was_learned() -> None:
    """<s>, unless it was never seen: then <unk>, a line end, a space, the first symbol."""
    assert first_ids(CharTokenizer("ab")).tolist() == [16]
    strange = {"fallback": False, "stop_learned": False}
    assert first_ids(CharTokenizer("a\nb", unknown=True, **strange)).tolist() == [1]
    assert first_ids(CharTokenizer("a b\n", **strange)).tolist() == [4]
    assert first_ids(CharTokenizer("a b", **strange)).tolist() == [2]
    assert first_ids(CharTokenizer("ab", **strange)).tolist() == [1]
    assert first_ids(CharTokenizer("ab", **strange).extended(["c"], TokenizerSettings())).tolist() == [0]


def test_words_are_cut_and_joined_as_textgenrnn_does() -> None:
    tokenizer = TextgenrnnWordTokenizer([])
    for text, normal in {
        "It's $5.00,  OK?": "it's $5. 00, ok?",
        "#tag @me (yes) [no] 50% a/b": "# tag@ me (yes) [no] 50% a / b",
        "“smart” … wait—what": "“ smart ” … wait — what",
        'he said "not now" \n and\tthen "left': 'he said "not now"\nand\tthen "left',
        '"a" "b", "c d".': '"a" "b", "c d".',
        '" " x "': '"" x"',
        "well-known\\path\n\n": "well - known\\path\n\n",
    }.items():
        assert tokenizer.normalise(text) == normal
    assert tokenizer.unknown("It's  the End.") == ["it", "'", "s", "the", "end", "."]


def test_other_ways_to_cut_words() -> None:
    text = 'Don\'t -- "said" he,\nso'
    deleted = TextgenrnnWordTokenizer([], punctuation="delete")
    assert deleted.normalise(text) == "don't said he so"
    kept = TextgenrnnWordTokenizer([], Normalisation("none"), "keep")
    assert kept.normalise(text) == 'Don\'t -- "said" he, so'
    law_json(TextgenrnnWordTokenizer(["he,", "x\n"], punctuation="keep", stop_learned=False), "he, x")


def test_a_written_word_follows_an_unknown_one_after_a_blank() -> None:
    tokenizer = TextgenrnnWordTokenizer(["the", "cat", '"', ",", "hn:"])
    decoder = tokenizer.decoder()
    assert decoder.push(tokenizer.encode("the zorp")) == "the"
    assert [decoder.push([id]) for id in (3, 5, 4, 6, 4, 0, 3)] == [" cat", ",", ' "', "hn:", '"', "", "cat"]


def test_rare_symbols_get_no_id_in_a_large_alphabet() -> None:
    common = "".join(chr(0x4E00 + place) for place in range(300))
    tokenizer = CharTokenizer.train([common, common + "龜"], TokenizerSettings())
    assert tokenizer.unknown("龜" + common) == ["龜"]
    assert tokenizer.unwritable == ()
    whole = CharTokenizer.train(["few symbols"], TokenizerSettings())
    assert whole.unwritable == tuple(range(16))  # a network that never saw half-bytes must not write them


def test_the_alphabet_is_sorted_and_extended_at_its_end() -> None:
    tokenizer = CharTokenizer.train(["banana", "c"], TokenizerSettings())
    assert tokenizer.alphabet == ("a", "b", "c", "n")
    longer = tokenizer.extended(["zebra"], TokenizerSettings())
    assert longer.alphabet == ("a", "b", "c", "n", "e", "r", "z")
    capped = CharTokenizer.train(["aaabbc"], TokenizerSettings(size=2))
    assert (capped.alphabet, capped.unwritable) == (("a", "b"), ())


def test_graphemes_are_single_tokens() -> None:
    tokenizer = CharTokenizer.train(["👩\u200d🚀e\u0323\u0301"], TokenizerSettings(graphemes=True))
    assert sorted(tokenizer.alphabet) == sorted(["👩\u200d🚀", "ẹ\u0301"])
    assert len(tokenizer.encode("👩\u200d🚀👩\u200d🚀")) == 2
    assert tokenizer.decode(tokenizer.encode("👩x")) == "👩x"


def test_words_keep_their_own_spacing() -> None:
    text = "It's $5.00, don't #tag @me \"quotes\" (so-called) 1,000 — “smart” e-mail's.\n\nNew   line "
    tokenizer = WordTokenizer.train([text], TokenizerSettings(level="word"))
    assert tokenizer.decode(tokenizer.encode(text)) == text.replace("   ", " ").rstrip()
    shown = [tokenizer.token(id) for id in tokenizer.encode("don't $5.00 #tag\nso-called")]
    assert shown == ["<join>", " don't", " $", "5.00", " #", "tag", "\n", "so-called"]


def test_words_of_scripts_without_blanks_are_parted_by_dictionaries() -> None:
    pytest.importorskip("icu4py")
    text = "吾輩は猫である。 日本語, ฉันรักภาษาไทย and 我喜欢学习中文 yes\n"
    tokenizer = WordTokenizer.train([text], TokenizerSettings(level="word", breaker="icu"))
    assert tokenizer.decode(tokenizer.encode(text)) == tokenizer.normalise(text)
    words = [tokenizer.token(id) for id in tokenizer.encode(text).tolist()]
    assert {"吾輩", "は", "猫", " 日本語", "รัก", "喜欢", "学习", " and"} <= set(words)
    plain = WordTokenizer.train([text], TokenizerSettings(level="word"))
    assert len(plain.encode("吾輩は猫")) == 4 > len(tokenizer.encode("吾輩は猫")) == 3
    again = load_tokenizer(json.loads(json.dumps(tokenizer.to_json())))
    assert again.encode(text).tolist() == tokenizer.encode(text).tolist()
    assert "breaker" not in plain.to_json()  # files without one stay as they were


def test_words_known_with_the_other_spacing_are_written_with_a_mark() -> None:
    tokenizer = WordTokenizer([" cat", "dog", "\n"])
    cat, dog, line_end = 4, 5, 6
    assert tokenizer.encode("cat dog").tolist() == [JOIN, cat, SPACE, dog]
    assert tokenizer.decode([JOIN, cat, SPACE, dog]) == "cat dog"
    assert tokenizer.encode("cow dog").tolist() == [UNKNOWN, SPACE, dog]
    assert tokenizer.unknown("cow  cat - cow dog\n") == ["cow", "-"]
    assert tokenizer.decode([dog, SPACE]) == "dog"
    assert tokenizer.decode([dog, SPACE, JOIN, JOIN, cat]) == "dogcat"
    assert tokenizer.decode([dog, SPACE, SPACE, cat]) == "dog cat"
    assert tokenizer.decode([dog, SPACE, line_end, JOIN, tokenizer.stop, cat]) == "dog\n cat"
    assert tokenizer.decode([UNKNOWN, tokenizer.stop]) == ""


def test_words_are_cut_by_size_and_lower_cased() -> None:
    settings = TokenizerSettings(level="word", size=2, lowercase=True)
    tokenizer = WordTokenizer.train(["The the The the cat CAT dog"], settings)
    assert tokenizer.vocabulary == (" the", " cat")
    assert tokenizer.unknown("the dog") == ["dog"]


def test_punctuation_is_deleted_and_words_are_stemmed() -> None:
    settings = TokenizerSettings(level="word", punctuation="delete", stem="english", lowercase=True)
    tokenizer = WordTokenizer.train(["parrots"], settings)
    assert tokenizer.normalise("“Parrots”, (flying)... don't cost $5.00 😀!") == "parrot fli don't cost 5.00 😀"
    with pytest.raises(UsageError, match="'english'"):
        WordTokenizer.train(["a"], TokenizerSettings(level="word", stem="englsh"))


@settings(max_examples=50, deadline=None)
@given(text=ANY_TEXT)
def test_spaced_tokens_join_to_the_text(text: str) -> None:
    text = single_spaced(Normalisation()(text))
    found = spaced_tokens(text)
    assert "".join(found) == text
    assert all(token.strip(" ") for token in found)
    assert not any(token.endswith(" ") for token in found)


def test_bytes_are_written_when_a_code_point_is_whole() -> None:
    tokenizer = ByteTokenizer()
    assert list(tokenizer.stream("né".encode())) == ["n", "", "é"]
    assert list(tokenizer.stream("é".encode()[:1])) == ["", "\ufffd"]
    assert [tokenizer.token(id) for id in (97, 10, 0xC3, 256)] == ["a", "\n", "<c3>", "<s>"]


def test_symbols_stand_between_blanks() -> None:
    tokenizer = SymbolTokenizer.train(["C4 E4  G4\nC4 \t C4\n"], TokenizerSettings(level="symbol"))
    assert [tokenizer.token(id) for id in tokenizer.encode(" C4  E4\nG4")] == ["C4", "E4", "\n", "G4"]
    assert tokenizer.vocabulary == (" C4", " E4", " G4")
    assert tokenizer.unwritable == (*range(16), BLANK)  # nothing was spelt
    for text in ("C4 X Y E4", "X", "X Y\nZ C4\n", "é\n\nX\n", "C4 E4"):
        assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.unknown("X C4 Y X") == ["X", "Y"]
    ids = tokenizer.encode("C4 E4")
    assert list(tokenizer.stream([*ids, tokenizer.stop, *ids])) == ["C4", " E4", "", "C4", " E4"]


def test_rare_symbols_are_spelt_in_letters() -> None:
    tokenizer = SymbolTokenizer(["-", "1", " 1", " 1,1"], spelt=False)
    minus, one, symbol, pair = 19, 20, 21, 22
    assert (len(tokenizer), tokenizer.unwritable) == (23, tuple(range(16)))
    assert [tokenizer.token(id) for id in (0, 16, 17, BLANK, minus, one, symbol, pair)] == [
        *("<0>", "<s>", "\n", "· ", "·-", "·1", "1", "1,1")
    ]
    # Only between two that are spelt does the blank need an id; what is no letter takes two half-bytes for each byte.
    ids = [symbol, minus, one, BLANK, one, one, 17, one, 0x2, 0xC, minus, pair, pair]
    assert tokenizer.encode("1 -1  11\n1,- 1,1 1,1").tolist() == ids
    assert list(tokenizer.stream(ids)) == ["1", " -", "1", "", " 1", "1", "\n", "1", "", ",", "-", " 1,1", " 1,1"]
    assert tokenizer.unknown("1 -1 11 -1") == ["-1", "11"]
    # A network may write the blank letter anywhere: no blank is doubled or stands at the end of a line.
    assert tokenizer.decode([BLANK, symbol, BLANK, pair, BLANK, BLANK, one, BLANK, 17, BLANK, one, BLANK]) == (
        "1 1,1 1\n1"
    )
    assert tokenizer.decode([one, 0x2, one, tokenizer.stop, minus]) == "1\ufffd1-"


def test_the_letters_are_those_of_the_rare_symbols() -> None:
    rare = TokenizerSettings(level="symbol", min_count=2)
    tokenizer = SymbolTokenizer.train(["ab ab\nba cd c\n"], rare)
    assert tokenizer.vocabulary == ("c", "a", "b", "d", " ab")
    assert tokenizer.unwritable == tuple(range(16))  # the letters sufficed
    longer = tokenizer.extended(["é ba ba"], rare)
    assert longer.vocabulary == (*tokenizer.vocabulary, "é", " ba")
    for text in ("ba é ab", "eé ba\nx y"):
        assert longer.decode(longer.encode(text)) == tokenizer.decode(tokenizer.encode(text)) == text
    # Of many letters a few are kept, the most frequent; the others are spelt in half-bytes, as the network then sees.
    script = [chr(0x4E00 + place) for place in range(400)]
    many = SymbolTokenizer.train(["".join(script) + "\n" + " ".join(script[:300])], TokenizerSettings(level="symbol"))
    assert (many.vocabulary, many.unwritable) == (tuple(script[:256]), ())
    assert len(many.extended(["".join(script)], rare)) == len(many)


def test_rare_symbols_get_no_id_where_there_are_many() -> None:
    common = " ".join(f"{place}" for place in range(300))
    tokenizer = SymbolTokenizer.train([common + "\n" + common, "\n9,9"], TokenizerSettings(level="symbol"))
    assert tokenizer.unknown(common + " 9,9") == ["9,9"]
    assert tokenizer.vocabulary[:2] == ("9", ",")
    often = [common + "\n"] * 200  # 60,200 tokens: one that occurs in them twice is too rare, one three times is not
    tokenizer = SymbolTokenizer.train([*often, "a a b b b"], TokenizerSettings(level="symbol"))
    assert tokenizer.unknown("a b") == ["a"]


def test_a_primed_decoder_continues_a_prompt() -> None:
    tokenizer = made("symbol")
    decoder = tokenizer.decoder()
    assert decoder.push(tokenizer.encode("the parrot")) == "the parrot"
    assert decoder.push(tokenizer.encode("said:")) == " said:"


@needs_bpe
def test_bpe_learns_the_same_merges_again_and_parses_no_special_token() -> None:
    tokenizer, again = made("bpe"), TOKENIZERS["bpe"].train(TRAINED_ON, TokenizerSettings(level="bpe"))
    assert tokenizer.to_json() == again.to_json()
    assert 257 < len(tokenizer) <= 2000
    assert len(tokenizer.encode("the parrot")) < len("the parrot")
    assert tokenizer.stop not in tokenizer.encode("<s>")
    assert len(made("bpe", "small")) == 257


def test_writing_with_bpe_needs_no_library() -> None:
    """Only a prompt does; the line names the extra."""
    program = (
        "import sys; sys.modules['tokenizers'] = None\n"
        "from parrotlet.tokenizers import load_tokenizer\n"
        "from parrotlet.errors import ParrotletError\n"
        "normal = {'form': 'NFC', 'lowercase': False}\n"
        "bpe = load_tokenizer({'level': 'bpe', 'normalisation': normal, 'merges': [[116, 104], [257, 101]]})\n"
        "assert bpe.decode([258, 32, 257]) == 'the th'\n"
        "try: bpe.encode('the')\n"
        "except ParrotletError as error: print(error)\n"
        "assert not {'torch', 'snowballstemmer'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "parrotlet[bpe]" in done.stdout


# --- untrusted data ---------------------------------------------------------------------------------------------------

NORMAL = {"form": "NFC", "lowercase": False}
CHAR = {"level": "char", "normalisation": NORMAL, "graphemes": False, "fallback": True, "spelt": True, "alphabet": []}
WORD = {"level": "word", "normalisation": NORMAL, "punctuation": "token", "stem": None, "vocabulary": []}
SYMBOL = {"level": "symbol", "normalisation": NORMAL, "spelt": True, "vocabulary": []}
BPE = {"level": "bpe", "normalisation": NORMAL, "merges": []}
OLD_WORD = {
    **{"level": "textgenrnn-word", "normalisation": NORMAL, "punctuation": "token"},
    **{"stop_learned": True, "vocabulary": []},
}


@pytest.mark.parametrize("sound", [CHAR, WORD, SYMBOL, BPE, OLD_WORD], ids=lambda data: str(data["level"]))
def test_the_smallest_sound_data_loads(sound: dict[str, Any]) -> None:
    assert load_tokenizer(sound).to_json() == sound


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"level": "chars"},
        {"level": ["char"]},
        {"level": "char"},
        CHAR | {"alphabet": "abc"},
        CHAR | {"alphabet": ["a", "a"]},
        CHAR | {"alphabet": ["ab"]},
        CHAR | {"alphabet": [""]},
        CHAR | {"alphabet": [7]},
        CHAR | {"alphabet": ["\ud800"]},
        CHAR | {"graphemes": True, "alphabet": ["a" * 257]},
        CHAR | {"alphabet": ["a"] * ((1 << 20) + 1)},
        CHAR | {"fallback": 1},
        CHAR | {"normalisation": {"form": "NFD", "lowercase": False}},
        CHAR | {"normalisation": {"form": "NFC", "lowercase": False, "code": "x"}},
        CHAR | {"normalisation": "NFC"},
        CHAR | {"surprise": 1},
        WORD | {"vocabulary": ["a b"]},
        WORD | {"vocabulary": ["  a"]},
        WORD | {"vocabulary": [" "]},
        WORD | {"stem": "klingon"},
        WORD | {"stem": 3},
        WORD | {"punctuation": "eat"},
        SYMBOL | {"vocabulary": [" a b"]},
        SYMBOL | {"vocabulary": [" \n"]},
        SYMBOL | {"vocabulary": ["\n"]},
        SYMBOL | {"vocabulary": [" "]},
        SYMBOL | {"vocabulary": ["  a"]},
        SYMBOL | {"vocabulary": ["ab"]},
        SYMBOL | {"vocabulary": ["a", " a", "a"]},
        CHAR | {"unknown": True},
        CHAR | {"unknown": 1, "fallback": False},
        CHAR | {"stop_learned": None},
        OLD_WORD | {"vocabulary": ["a b"]},
        OLD_WORD | {"vocabulary": [""]},
        OLD_WORD | {"punctuation": "eat"},
        OLD_WORD | {"stop_learned": 0},
        BPE | {"merges": [[1, 2], [1, 2]]},
        BPE | {"merges": [[1, 257]]},
        BPE | {"merges": [[1, 256]]},
        BPE | {"merges": [[-1, 2]]},
        BPE | {"merges": [[1]]},
        BPE | {"merges": [[True, 2]]},
        BPE | {"merges": [[97, 97], *([id, id] for id in range(257, 275))]},
    ],
    ids=lambda data: repr(data)[:60],
)
def test_unsound_data_is_refused_in_one_short_line(data: Any) -> None:
    with pytest.raises(ParrotletError) as refusal:
        load_tokenizer(data)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 400


@pytest.mark.parametrize("level", LEVELS)
def test_ids_out_of_range_are_refused(level: str) -> None:
    tokenizer = made(level)
    for id in (-1, len(tokenizer), 1 << 40):
        with pytest.raises(ParrotletError, match=str(len(tokenizer))):
            tokenizer.decode([id])
        with pytest.raises(ParrotletError):
            tokenizer.token(id)
    assert all(isinstance(tokenizer.token(id), str) for id in range(len(tokenizer)))


def test_unknown_levels_name_the_nearest() -> None:
    with pytest.raises(ParrotletError, match="did you mean 'symbol'"):
        load_tokenizer({"level": "symbols"})


# --- counting, speed --------------------------------------------------------------------------------------------------


def test_counting_is_exact_in_any_pieces() -> None:
    counts = count_characters(["añ", "", "a😀", "\U0010ffff"], Normalisation())
    assert counts == {"a": 2, "ñ": 1, "😀": 1, "\U0010ffff": 1}
    assert chosen({"b": 2, "a": 2, "c": 1}, None, None) == ["a", "b", "c"]
    assert chosen({"b": 2, "a": 2, "c": 1}, 2, None) == ["a", "b"]
    assert chosen({"b": 2, "c": 1}, None, 2, known=["a"]) == ["b"]
    assert chosen({"x" * 65: 9, "y": 1}, None, 1) == ["y"]


def test_counting_forgets_the_rarest_when_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parrotlet.tokenizers.vocabulary.MOST_COUNTED", 10)
    counts = count_tokens([["often"] * 5, [f"once {place}" for place in range(20)]])
    assert counts == {"often": 5}


def test_one_text_given_as_a_string_is_one_text() -> None:
    tokenizer = train_tokenizer("the parrot", TokenizerSettings(level="word"))
    assert tokenizer.unknown("the parrot") == []


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(
    "unit", ["a", " ", "\n", "\u0301", "🇩🇪", "👨\u200d", "\u0600", "a-", "1.", "'", "漢", "\ufe0f", "\u200d"]
)
def test_huge_single_lines_take_linear_time(level: str, unit: str) -> None:
    text = unit * (100_000 // len(unit))
    tokenizer = made(level)
    begun = time.perf_counter()
    assert tokenizer.decode(tokenizer.encode(text)) == tokenizer.normalise(text) or tokenizer.unknown(text)
    assert time.perf_counter() - begun < 5


def test_the_fast_roads_are_fast() -> None:
    """Bounds ten times looser than what a quiet machine does, so that a busy one passes."""
    text = ("It was the best of parrots, it was the worst of parrots;\n" * 20_000)[: 1 << 20]
    tokenizer = CharTokenizer.train([text], TokenizerSettings())
    ids = tokenizer.encode(text)
    for road, seconds in (
        (lambda: tokenizer.encode(text), 0.1),
        (lambda: tokenizer.decode(ids), 1.0),
        (lambda: CharTokenizer.train([text] * 5, TokenizerSettings()), 1.0),
    ):
        begun = time.perf_counter()
        road()
        assert time.perf_counter() - begun < seconds


@pytest.mark.skipif("PARROTLET_DATA" not in os.environ, reason="PARROTLET_DATA names no folder of corpora")
@pytest.mark.parametrize("name", ["russian/onegin.txt", "chinese_poetry/song_ci_300.txt", "emoji/tweets_crying.csv"])
@pytest.mark.parametrize("level", LEVELS)
def test_real_texts_survive(level: str, name: str) -> None:
    path = Path(os.environ["PARROTLET_DATA"]) / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    text = path.read_text(encoding="utf-8")[:200_000]
    tokenizer = train_tokenizer([text], TokenizerSettings(level=level))  # type: ignore[arg-type]
    law_ids(tokenizer, text)
    law_round_trip(tokenizer, text)
