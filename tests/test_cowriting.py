"""Writing together: the likeliest words to go on with, drafts that grow and shrink, keys in a terminal and lines."""

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parrotlet import Writer, from_texts, training  # noqa: E402
from parrotlet.continuations import by_symbols, by_words  # noqa: E402
from parrotlet.cowriting import Draft, first_sentence  # noqa: E402
from parrotlet.errors import UsageError  # noqa: E402
from tests.terminal import Terminal  # noqa: E402

TINY = {"hidden": 48, "embedding": 12, "batch": 8, "window": 24, "device": "cpu", "warmup": 5, "evaluations": 1}
TINY |= {"learning_rate": 2e-2, "sample_temperatures": (), "validation": 0.0, "steps": 150}
LINES = ["the cat sat on the mat.", "the dog sat on a chair.", "the cow ate the grass.", "a cat ate a mouse."] * 20


def taught(texts=LINES, form="lines", **settings):
    running = training(from_texts(texts, form, "animals"), **{**TINY, **settings})
    list(running)
    return Writer(running.bundle)


@pytest.fixture(scope="module")
def lines():
    return taught()


@pytest.fixture(scope="module")
def model(lines, tmp_path_factory):
    path = tmp_path_factory.mktemp("cowrite") / "animals.safetensors"
    lines.save(path)
    return path


def first_piece(text, words=1):
    """The first words or signs of a text, letter by letter: not as the search looks for them."""
    place = 0
    for _ in range(words):
        while place < len(text) and text[place].isspace():
            place += 1
            if text[place - 1] == "\n" and words == 1:
                return text[:place]
        begun = place
        while place < len(text) and text[place].isalpha():
            place += 1
            joins = text[place : place + 1] in ("-", "'") and text[place + 1 : place + 2].isalpha()
            place += joins
        place += place == begun
    return text[:place]


SPOKEN = ["the half-moon was the cat's.", "it was -- the cat -- a half.", "cat-- the half-moon's, the cat."] * 20


@pytest.mark.parametrize("level", ["word", "byte", "bpe", "char", "textgenrnn-word"])
@pytest.mark.parametrize("words", [1, 2])
def test_the_offers_are_as_likely_as_what_is_written(level, words):
    """Every offer comes as often among thousands of texts as it is said to, at every level."""
    writer = taught(SPOKEN, level=level, steps=60, **({"size": 257} if level == "bpe" else {}))
    for prompt in ("", "the", "the ha", "it was "):
        texts = writer.texts(4000, prompt, length=40, seed=1)
        counts = Counter(first_piece(text.new, words) for text in texts)
        offers = writer.continuations(prompt, 6, words)
        assert len({(offer.text, offer.ends) for offer in offers}) == len(offers) and all(
            offer.text or offer.ends for offer in offers
        )
        for offer in offers:
            if not offer.ends:
                share = counts[offer.text] / 4000
                assert abs(share - offer.probability) < 0.03 + 0.05 * share, (prompt, offer, share)
        often, count = counts.most_common(1)[0]
        if level != "textgenrnn-word" and count > 400 and often:  # whose words may break off in a prompt's last one
            assert often in {offer.text for offer in offers}, (prompt, often, offers)


@pytest.mark.parametrize(
    ("text", "words", "inside", "end", "may_grow"),
    [
        ("", 1, "", None, False), (" ", 1, "", None, False), ("\n", 1, "", 1, False), ("\n", 2, "", None, False),
        (" whale", 1, "", None, True), (" whale ", 1, "", 6, False), (" whale-", 1, "", None, False),
        (" whale-b", 1, "", None, True), (" whale--", 1, "", 6, False), (" whale--", 2, "", 7, False),
        (",", 1, "e", 1, False), ("-", 1, "e", None, False), ("--", 1, "e", 1, False), ("'s", 1, "e", None, True),
        ("s on", 1, "e", 1, False), ("s on", 2, "e", None, True), (" 3.5", 1, "", None, True),
        (" 3.", 1, "", None, False),
        ("猫が", 1, "", 1, False), (" שָׁל", 1, "", None, True),
    ],
)  # fmt: skip
def test_where_words_end(text, words, inside, end, may_grow):
    found = by_words(text, words, inside)
    assert (found.end, found.may_grow) == (end, may_grow)


def test_where_symbols_end():
    ends = [by_symbols(text, 1).end for text in ("", "0,1", "0,1 2", "\n", " ")]
    assert ends == [None, None, 3, 1, None] and by_symbols("0,1 2", 2).may_grow


def test_symbols_are_offered_whole():
    writer = taught(["C4 E4,2 G4", "C4 E4,2 C4", "D4 F4,1 A4"] * 20, level="symbol", steps=80)
    offers = writer.continuations("C4", 4)
    assert offers[0].text == " E4,2" and offers[0].probability > 0.8 and all(each.text or each.ends for each in offers)
    assert writer.continuations("C4", 1, words=2)[0].text in (" E4,2 G4", " E4,2 C4")


def test_they_come_likeliest_first_and_are_no_more_than_certain(lines):
    for prompt in ("", "the ", "a cat ate"):
        offers = lines.continuations(prompt, 8)
        chances = [offer.probability for offer in offers]
        assert chances == sorted(chances, reverse=True) and 0 < sum(chances) <= 1 + 1e-6
        assert len({(offer.text, offer.ends) for offer in offers}) == len(offers)


def test_a_text_that_may_end_says_so(lines):
    last = lines.continuations("the cow ate the grass.", 2)
    assert last[0].ends and last[0].text == "" and last[0].probability > 0.5


def test_several_words_at_once(lines):
    two = lines.continuations("the cat", 3, words=2)
    assert two[0].text == " sat on"
    one = lines.continuations("the cat", 1)[0]
    assert two[0].probability <= one.probability + 1e-6


@pytest.mark.parametrize("level", ["word", "byte", "bpe", "char"])
def test_every_level_offers_whole_words(level):
    writer = taught(level=level, steps=120, **({"size": 257} if level == "bpe" else {}))
    offers = writer.continuations("the cat sat on", 3)
    assert offers[0].text in (" the", " a") and offers[0].probability > 0.2
    text = "the cat sat on" + offers[0].text
    assert writer.continuations(text, 1)[0].text.strip() in ("mat", "chair")


def test_a_long_text_is_never_ended():
    writer = taught(["".join(f"{line}\n" for line in LINES)], "text")
    assert not any(offer.ends for offer in writer.continuations("the cow ate the grass.", 9))


@pytest.mark.parametrize(("n", "words"), [(0, 1), (1, 0), (101, 1), (True, 1), (2, "1")])
def test_a_wrong_number_is_one_clear_line(lines, n, words):
    with pytest.raises(UsageError, match="must be a whole number from 1 to 100"):
        lines.continuations("", n, words)


def test_a_draft_grows_by_choice_and_by_hand_and_shrinks_again(lines):
    draft = Draft(lines, "the")
    offers = draft.offers(3)
    assert draft.choose(0).text == "the" + offers[0].text
    assert draft.type("!").text.endswith("!")
    assert draft.undo() and draft.text == "the" + offers[0].text
    assert draft.undo() and draft.text == "the" and not draft.undo()
    assert draft.offers(3) == offers and draft.choose(offers[1]).text == "the" + offers[1].text
    with pytest.raises(UsageError, match="there is no offer 0: 0 were made"):
        draft.choose(0)
    with pytest.raises(UsageError, match="not among the last that were made"):
        draft.choose(offers[1])


@pytest.mark.parametrize("level", ["char", "word"])
def test_a_blank_at_the_end_of_a_draft_is_neither_doubled_nor_lost(level):
    writer = taught(level=level)
    draft = Draft(writer, "the cat ")
    for offer in (lambda: draft.offers(1), lambda: draft.drawn(1, temperature=0.1)):
        offers = offer()
        assert re.match(r"the cat \w", draft.choose(0).text), offers
        draft.undo()


def test_drawn_pieces_differ_and_end_with_their_sentence(lines):
    pieces = Draft(lines, "").drawn(4)
    assert 1 <= len(pieces) <= 4 and len({each.text for each in pieces}) == len(pieces)
    assert all(each.probability is None for each in pieces)
    assert [first_sentence(text) for text in ("One. Two.", "a\nb", "\n\na.", "3.5 is", "wait… no")] == [
        "One.", "a\n", "\n\na.", "3.5 is", "wait…",
    ]  # fmt: skip


def in_a_pipe(model, said, *flags):
    command = [sys.executable, "-m", "parrotlet", "cowrite", str(model), *flags]
    return subprocess.run(command, input=said, capture_output=True, text=True, encoding="utf-8", timeout=120)


def test_lines_work_in_a_pipe(model, tmp_path):
    kept = tmp_path / "draft.txt"
    said = f"1\nand\n/undo\n+!\n\n/others\n99\n/what\n/save {kept}\n/undo\n/quit\nnever\n"
    done = in_a_pipe(model, said, "--prompt", "the cat", "--json", "-n", "3")
    assert done.returncode == 0 and not done.stderr
    *states, last = [json.loads(line) for line in done.stdout.splitlines()]
    drafts = [state["draft"] for state in states]
    first = "the cat" + states[0]["offers"][0]["text"]
    assert drafts[:6] == ["the cat", first, first + " and", first, first + "!", first + "!\n"]
    assert len(states[0]["offers"]) == 3 and states[7]["told"] == "there is no offer 99"
    assert "/undo" in states[8]["told"] and states[9]["told"] == f"saved in {kept}"
    assert kept.read_text(encoding="utf-8") == first + "!\n" and drafts[-1] == first + "!" == last["draft"]


def test_a_file_that_is_there_is_not_written_over(model, tmp_path):
    poem, mine = tmp_path / "poem.txt", tmp_path / "mine.txt"
    poem.write_text("precious", encoding="utf-8")
    said = f"/save {poem}\n/save {mine}\n1\n/save {mine}\n/quit\n"
    done = in_a_pipe(model, said, "--prompt", "the cat", "--json")
    told = [json.loads(line).get("told") for line in done.stdout.splitlines()]
    assert told[1:5] == [f"{poem} is there already: give another name", f"saved in {mine}", "", f"saved in {mine}"]
    assert poem.read_text(encoding="utf-8") == "precious" and mine.read_text(encoding="utf-8") == "the cat sat"


def test_a_draft_is_kept_in_a_file(model, tmp_path):
    kept = tmp_path / "draft.txt"
    kept.write_text("the dog", encoding="utf-8")
    done = in_a_pipe(model, "1\n", "--draft", str(kept))
    assert done.returncode == 0 and kept.read_text(encoding="utf-8") == "the dog sat"
    assert re.search(r"^  1  +\d+\.\d%   sat$", done.stdout, re.M)
    assert in_a_pipe(model, "", "--draft", str(kept), "--prompt", "a").returncode == 2
    kept.write_bytes(b"\xff\xfe\x00\x80")
    assert "--draft must be a text in UTF-8" in in_a_pipe(model, "", "--draft", str(kept)).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_keys_work_in_a_terminal(model, tmp_path):
    kept = tmp_path / "draft.txt"
    command = [sys.executable, "-m", "parrotlet", "cowrite", str(model), "--prompt", "the cat", "-o", str(kept)]
    terminal = Terminal(command)
    terminal.until("1-9 take an offer.*the cat▏.*1 .*sat".replace(".*", r"[\s\S]*"))
    terminal.type(b"1")
    terminal.until("the cat sat▏")
    terminal.type(b"t")
    terminal.until("type: ")
    terminal.type(" über\r".encode())
    terminal.until("the cat sat über▏")
    terminal.type(b"\x7f")
    terminal.until("the cat sat▏")
    terminal.type(b"\r")
    terminal.until(r"the cat sat\r?\n▏")
    terminal.type(b"u")
    terminal.until("the cat sat▏")
    terminal.type(b"x")
    terminal.until("1-9 take an offer")
    terminal.type(b"\x1b[3~\x1b[5~\x1bOP")  # Delete, PageUp, F1: no digits are heard
    terminal.until("the cat sat▏")
    terminal.type(b"t")
    terminal.until("type: ")
    terminal.type(b"\x03")  # breaks off the line, not the draft
    terminal.until("the cat sat▏")
    terminal.type(b"q")
    assert terminal.wait() == 0
    assert kept.read_text(encoding="utf-8") == "the cat sat"


def test_a_file_of_another_text_is_not_written_over(model, tmp_path):
    novel = tmp_path / "novel.txt"
    novel.write_text("the dog", encoding="utf-8")
    done = in_a_pipe(model, "/quit\n", "-o", str(novel))
    assert done.returncode == 2 and f"--draft {novel} goes on with its text" in done.stderr
    assert in_a_pipe(model, "1\n", "--draft", str(novel), "-o", str(novel)).returncode == 0
    assert novel.read_text(encoding="utf-8") == "the dog sat"


def test_a_draft_is_never_lost(model, tmp_path):
    nowhere = tmp_path / "no" / "draft.txt"
    done = in_a_pipe(model, f"+!\n/save {nowhere}\n{'9' * 5000}\n", "--prompt", "the cat")
    assert done.returncode == 0 and f"cannot write {nowhere}" in done.stdout
    assert "there is no offer 999999999" in done.stdout and done.stdout.endswith("the cat!\n")
    done = in_a_pipe(model, "+!\n", "--prompt", "the cat", "-o", str(nowhere))
    assert done.returncode == 1 and done.stdout.endswith("the cat!\n") and f"cannot write {nowhere}" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTERM"])
def test_a_draft_outlives_its_terminal(model, tmp_path, name):
    kept = tmp_path / "draft.txt"
    command = [sys.executable, "-m", "parrotlet", "cowrite", str(model), "--prompt", "the cat", "-o", str(kept)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdin.write("+!\n")
    process.stdin.flush()
    while "the cat!" not in process.stdout.readline():
        pass
    process.send_signal(getattr(signal, name))
    assert process.wait(60) == 128 + getattr(signal, name)
    assert kept.read_text(encoding="utf-8") == "the cat!"
    process.stdin.close()
    process.stdout.close()


def test_a_file_whose_text_did_not_change_is_left_as_it_is(model, tmp_path):
    kept = tmp_path / "draft.txt"
    kept.write_bytes(b"\xef\xbb\xbfthe\r\ndog")
    assert in_a_pipe(model, "", "--draft", str(kept)).returncode == 0
    assert kept.read_bytes() == b"\xef\xbb\xbfthe\r\ndog"


def test_a_draft_keeps_its_line_ends(model, tmp_path):
    kept, before = tmp_path / "draft.txt", b"\xef\xbb\xbfthe cat sat\r\nthe dog"
    kept.write_bytes(before)
    assert in_a_pipe(model, "1\n", "--draft", str(kept)).returncode == 0
    assert kept.read_bytes().startswith(before) and kept.read_bytes() != before


def test_words_that_are_looked_up_are_offered_whole():
    pytest.importorskip("icu4py")
    writer = taught(["今日は日本で食べる。", "明日は東京で食べる。"] * 30, level="word", breaker="icu", steps=80)
    assert {offer.text for offer in writer.continuations("今日は", 2)} <= {"日本", "東京"}
    assert writer.continuations("今日は", 1, words=2)[0].text in ("日本で", "東京で")


def test_what_is_piped_in_may_be_no_utf8(model):
    command = [sys.executable, "-m", "parrotlet", "cowrite", str(model), "--prompt", "the cat"]
    done = subprocess.run(
        command, input=b"+ \xff\n", capture_output=True, timeout=120, env={**os.environ, "LC_ALL": "C"}
    )
    assert done.returncode == 0 and "the cat \ufffd" in done.stdout.decode("utf-8", "replace"), done.stderr


def test_the_search_reads_no_more_than_it_must(lines):
    reads = []
    runtime = lines._runtime

    class Counting:
        vocabulary_size = runtime.vocabulary_size

        def begin(self, rows):
            return runtime.begin(rows)

        def read(self, ids, state=None):
            reads.append(np.asarray(ids).size)
            return runtime.read(ids, state)

    Writer(lines.bundle, Counting()).continuations("the ", 5)
    assert sum(reads) < 500
