"""Several models write as one, token by token or byte by byte, or in turns."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parrotlet import Writer, average, from_texts, in_turns, training  # noqa: E402
from parrotlet.ensembles import ByBytes, first_ids, softmax  # noqa: E402
from parrotlet.errors import UsageError  # noqa: E402

TINY = {"hidden": 32, "embedding": 8, "batch": 8, "window": 24, "device": "cpu", "warmup": 5, "evaluations": 1}
TINY |= {"learning_rate": 2e-2, "sample_temperatures": (), "validation": 0.0, "steps": 120}
LINES = ["the cat sat on the mat.", "the dog sat on a chair.", "the cow ate the grass."] * 30
OTHER = ["a cat, a dog — é.", "a cow ate a cat.", "the Übung sat."] * 30


def taught(texts=LINES, form="lines", **settings):
    running = training(from_texts(texts, form), **{**TINY, **settings})
    list(running)
    return Writer(running.bundle)


@pytest.fixture(scope="module")
def one():
    return taught()


@pytest.fixture(scope="module")
def two():
    return taught(seed=5, network="gru")


@pytest.fixture(scope="module")
def others():
    """Models of other vocabularies, by level."""
    levels = {"char": {}, "word": {}, "byte": {}, "bpe": {"size": 257}}
    return {level: taught(OTHER, level=level, **settings) for level, settings in levels.items()}


def test_the_same_vocabulary_is_averaged_token_by_token(one, two):
    both = average([one, two], [3, 1])
    found = dict(both.next_tokens("the c", 99))
    first, second = (dict(each.next_tokens("the c", 99)) for each in (one, two))
    for token, value in found.items():
        assert value == pytest.approx(0.75 * first[token] + 0.25 * second[token], abs=1e-5)
    text = both.write("the", length=20, seed=3, temperature=0.5)
    assert text.startswith("the") and text == average([one, two], [6, 2]).write(
        "the", length=20, seed=3, temperature=0.5
    )


def test_lengths_counted_in_tokens_of_another_kind_are_not_used(one, two, others):
    assert len(average([one, two]).texts(2, usual_lengths=True)) == 2
    with pytest.raises(UsageError, match="does not know how long the documents were"):
        average([others["word"], one]).texts(2, usual_lengths=True)


def test_one_model_alone_is_itself(one):
    alone = average([one])
    text = "the cat sat on the mat."
    assert alone.score(text).bits_per_character == pytest.approx(one.score(text).bits_per_character, abs=1e-4)
    for seed in range(3):
        for rules in ({}, {"presence_penalty": 1.0}, {"frequency_penalty": 1.0}, {"repetition_penalty": 1.5}):
            assert alone.write("the c", seed=seed, **rules) == one.write("the c", seed=seed, **rules)


def test_a_writer_of_several_does_all_that_a_writer_does(one, two, tmp_path):
    both = average([one, two])
    assert "".join(both.stream("the", seed=4, length=15)) == both.write("the", seed=4, length=15)
    assert both.generate(2, "the", seed=4, length=15)[0] == both.write("the", seed=4, length=15)
    assert both.continuations("the cat", 1)[0].text == " sat"
    assert len(both.trace("the", length=4, seed=1)) == 4
    assert both.score(LINES[0]).bits_per_character < max(each.score(LINES[0]).bits_per_character for each in (one, two))
    with pytest.raises(UsageError, match="an ensemble is not one model"):
        both.save(tmp_path / "m.safetensors")


@pytest.mark.parametrize("level", ["char", "word", "byte", "bpe"])
def test_a_model_byte_by_byte_gives_every_text_the_chance_of_its_tokens(others, level):
    """Where there is one way to write a text in tokens the sum over bytes is the sum over tokens."""
    writer = others[level]
    member = ByBytes(writer)
    text = "a cow ate a cat."
    state, bits = member.begin(), 0.0
    for byte in [*text.encode(), 256]:
        chances = member.chances(state)
        assert chances.sum() == pytest.approx(1, abs=1e-6)
        bits -= np.log2(chances[byte])
        state = member.follow(state, byte)
    own = writer.score(text)
    whole = own.bits_per_character * own.characters
    never = _never(writer, text)
    assert bits <= whole + 1e-3 and (level == "bpe" or bits == pytest.approx(whole + never, abs=0.02))


def _never(writer, text):
    """The bits, below 0, that tokens cost which write nothing by themselves: the sum by bytes leaves them out."""
    from parrotlet.ensembles import token_bytes

    spelt = [each is not None for each in token_bytes(writer.tokenizer)]
    spelt[writer.tokenizer.stop] = True
    ids = np.asarray(writer.tokenizer.encode(text))
    logits, _ = writer.runtime.read(np.concatenate([first_ids(writer.tokenizer), ids])[None])
    return sum(np.log2(softmax(each)[spelt].sum()) for each in logits[0])


def test_different_vocabularies_are_averaged_byte_by_byte(one, others):
    for writer in others.values():
        both = average([one, writer])
        assert both.tokenizer.level == "byte"
        first, second = (
            dict(each.next_tokens("the c", 300)) for each in (average([one]), average([writer, one], [1, 0]))
        )
        found = dict(both.next_tokens("the c", 300))
        for letter in "ato":
            wanted = 0.5 * first.get(letter, 0) + 0.5 * second.get(letter, 0)
            assert found[letter] == pytest.approx(wanted, abs=0.02)  # tokens that write nothing are left out
        text = both.write("a cat", length=60, seed=1, temperature=0.2)  # surely letters: drawn bytes need not be any
        assert text.startswith("a cat") and "\ufffd" not in text


def test_a_model_that_does_not_know_a_letter_reads_on_behind_it(one, others):
    both = average([one, others["word"]])
    assert both.write("Übung é 😀 the cat", length=20, seed=1)
    heard = dict(both.next_tokens("é 😀 the c", 300))
    assert max(heard, key=heard.get) == "a"


def test_a_weight_of_nothing_leaves_a_model_out(one, others):
    heard = dict(average([one, others["char"]], [1, 0]).next_tokens("the d", 300))
    alone = dict(one.next_tokens("the d", 300))
    assert heard["o"] == pytest.approx(alone["o"], abs=0.02)


@pytest.mark.parametrize("turn", ["word", "sentence", "line"])
def test_models_of_any_vocabulary_write_in_turns(one, others, turn):
    writers = [one, others["word"]]
    pieces = list(in_turns(writers, "the", length=60, turn=turn, seed=2, temperature=0.5))
    assert pieces[0] == "the" and len("".join(pieces)) <= 63
    assert pieces == list(in_turns(writers, "the", length=60, turn=turn, seed=2, temperature=0.5))
    assert all(len(piece.split()) == 1 for piece in pieces[1:-1]) or turn != "word"
    weighted = list(in_turns(writers, "the", length=60, turn=turn, seed=2, weights=[1, 0], temperature=0.5))
    alone = list(in_turns([one], "the", length=60, turn=turn, seed=2, temperature=0.5))
    assert weighted == alone


@pytest.mark.timeout(60)
def test_a_blank_that_is_written_again_and_again_ends_the_text(others):
    for length in range(1, 20):
        text = "".join(in_turns([others["word"]] * 2, length=length, temperature=0))
        assert len(text) <= length and text.strip()


def test_a_least_length_is_that_of_the_whole_text(one):
    lengths = {}
    for least in (0, 60, 250):
        texts = ["".join(in_turns([one, one], "the ", length=400, min_length=least, seed=seed)) for seed in range(8)]
        assert all(text.startswith("the ") for text in texts)
        lengths[least] = min(len(text) for text in texts) - 4
    assert lengths[0] < 60 <= lengths[60] < lengths[250] and lengths[250] >= 250


def test_a_cycle_of_temperatures_goes_on_from_turn_to_turn(one):
    cycle = (0.0,) * 12 + (5.0,) * 12
    text = "".join(in_turns([one, one], "the ", length=60, temperature_cycle=cycle, min_length=60, seed=1))
    calm = "".join(in_turns([one, one], "the ", length=60, temperature_cycle=(0.0,), min_length=60, seed=1))
    assert text[:14] == calm[:14] and text[16:30] != calm[16:30]


@pytest.mark.parametrize("level", ["char", "word"])
def test_a_model_that_lowers_reads_capitals_as_small_letters(level):
    pytest.importorskip("tokenizers")
    member = ByBytes(taught(level=level, lowercase=True, steps=30))
    states = []
    for text in ("The Cat sat", "the cat sat"):
        state = member.begin()
        for byte in text.encode():
            state = member.follow(state, byte)
        states.append(member.chances(state))
    assert np.array_equal(*states)


def test_an_ensemble_is_no_model_with_labels(one):
    with pytest.raises(UsageError, match="an ensemble has no labels: label its models"):
        average([one, one]).labelled({})


@pytest.mark.parametrize("turn", ["word", "sentence", "line"])
def test_turns_neither_double_nor_lose_a_blank(others, turn):
    for writers in ([others["word"], others["word"]], [others["word"], others["char"]]):
        for prompt in ("a cat, a", "a cat, a "):
            text = "".join(in_turns(writers, prompt, length=80, turn=turn, seed=3, temperature=0.3))
            assert text.startswith(prompt.rstrip()) and "  " not in text and "aa " not in text


def test_bytes_that_are_no_text_do_not_silence_a_model(one, others):
    member, state = ByBytes(others["char"]), ByBytes(others["char"]).begin()
    for byte in b"a cat \xc3(, a cat":  # the begin of a letter that does not come
        state = member.follow(state, byte)
    assert member.chances(state) is not None
    state = member.follow(member.follow(member.begin(), ord("a")), 0xC3)
    assert member.chances(member.follow(state, 0xA9)) is not None  # é


def test_a_long_text_of_turns_is_as_long_as_asked():
    books = [taught(["".join(f"{line}\n" for line in LINES)], "text", seed=seed, steps=40) for seed in (1, 2)]
    assert len("".join(in_turns(books, "the cat ", length=90, turn="line", seed=1))) == 98


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda one, text: average([]), "an ensemble needs at least one model"),
        (lambda one, text: average(one), "an ensemble is made of a list of models that were loaded"),
        (lambda one, text: average(["book.safetensors"]), "an ensemble is made of a list of models"),
        (lambda one, text: in_turns([one, None]), "an ensemble is made of a list of models"),
        (lambda one, text: in_turns([one], n=3), "unknown setting 'n'"),
        (lambda one, text: average([one, one], [1]), "weights: 1 were given for 2 models"),
        (lambda one, text: average([one], [0]), "weights: they must be more than 0 in all"),
        (lambda one, text: average([one], [-1]), "weights: each must be a number from 0 on, not -1"),
        (lambda one, text: average([one, text]), "another short documents: they do not average, but write in turns"),
        (lambda one, text: in_turns([one], turn="wrod"), "turn 'wrod' is not known: did you mean 'word'"),
        (lambda one, text: in_turns([one], seed=-1), "seed must be a whole number from 0"),
        (lambda one, text: in_turns([one], temperature=-1), "temperature"),
        (lambda one, text: in_turns([one], length=-1), "length must be a whole number of characters from 0, not -1"),
    ],
)
def test_a_wrong_call_is_one_clear_line(one, call, message):
    text = taught(["".join(f"{line}\n" for line in LINES)], "text", steps=1)
    with pytest.raises(UsageError) as error:
        call(one, text)
    assert message in str(error.value)


def test_tokens_that_stand_for_whole_symbols_are_refused(one):
    symbols = taught(["a b c d"] * 30, level="symbol", steps=1)
    with pytest.raises(
        UsageError, match="models of level 'symbol' average only with models of the very same tokenizer"
    ):
        average([one, symbols])
    assert average([symbols, symbols]).write(length=4, seed=1)
