"""Writing together: the likeliest words to go on with, drafts that grow and shrink, keys in a terminal and lines."""

import json
import math
import os
import re
import select
import subprocess
import sys
import time

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from parrotlet import Writer, from_texts, training  # noqa: E402
from parrotlet.continuations import PIECE  # noqa: E402
from parrotlet.cowriting import Draft, first_sentence  # noqa: E402
from parrotlet.errors import UsageError  # noqa: E402

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


def by_hand(writer, prompt, depth=12):
    """Every word of a model whose tokens are letters, with its probability, by reading all that is likely at all."""
    found = {}

    def walk(word, chance):
        if chance < 1e-3 or len(word) > depth:
            return
        tokens = writer.next_tokens(prompt + word, len(writer.tokenizer))
        inside = [(token, value) for token, value in tokens if re.match(r"[\w'’-]", token)]
        if word.strip():
            found[word] = chance * (1 - sum(value for _, value in inside))
        for token, value in inside if word.strip() else tokens:
            if len(token) == 1:
                sign = not word.strip() and not re.match(r"\w", token) and not token.isspace()
                if sign:
                    found[word + token] = found.get(word + token, 0) + chance * value
                else:
                    walk(word + token, chance * value)

    walk("", 1.0)
    return found


@pytest.mark.parametrize("prompt", ["the ", "the c", "a cat", ""])
def test_the_offers_are_the_likeliest_whole_words(lines, prompt):
    wanted = by_hand(lines, prompt)
    for offer in lines.continuations(prompt, 4):
        if not offer.ends:
            assert PIECE.fullmatch(offer.text)
            assert offer.probability == pytest.approx(wanted[offer.text], rel=1e-3)
    best = sorted(wanted, key=wanted.get, reverse=True)[:2]
    assert [offer.text for offer in lines.continuations(prompt, 2)] == best


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
    writer = taught(level=level, steps=120, **({"size": 40} if level == "bpe" else {}))
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
    assert draft.choose(offers[1]).text == "the" + offers[1].text
    with pytest.raises(UsageError, match="there is no offer 0: 0 were made"):
        draft.choose(0)


def test_drawn_pieces_differ_and_end_with_their_sentence(lines):
    pieces = Draft(lines, "").drawn(4)
    assert 1 <= len(pieces) <= 4 and len({each.text for each in pieces}) == len(pieces)
    assert math.isclose(sum(each.probability for each in pieces), 1)
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
    *states, draft = done.stdout.rstrip("\n").split("\n")
    states = [json.loads(line) for line in states if line.startswith("{")]
    drafts = [state["draft"] for state in states]
    first = "the cat" + states[0]["offers"][0]["text"]
    assert drafts[:6] == ["the cat", first, first + " and", first, first + "!", first + "!\n"]
    assert len(states[0]["offers"]) == 3 and states[7]["told"] == "there is no offer 99"
    assert "/undo" in states[8]["told"] and states[9]["told"] == f"saved in {kept}"
    assert kept.read_text(encoding="utf-8") == first + "!\n" and drafts[-1] == first + "!" == draft


def test_a_draft_is_kept_in_a_file(model, tmp_path):
    kept = tmp_path / "draft.txt"
    kept.write_text("the dog", encoding="utf-8")
    done = in_a_pipe(model, "1\n", "--draft", str(kept))
    assert done.returncode == 0 and kept.read_text(encoding="utf-8") == "the dog sat"
    assert re.search(r"^  1  +\d+\.\d%   sat$", done.stdout, re.M)
    assert in_a_pipe(model, "", "--draft", str(kept), "--prompt", "a").returncode == 2
    kept.write_bytes(b"\xff\xfe\x00\x80")
    assert "a draft must be a text in UTF-8" in in_a_pipe(model, "", "--draft", str(kept)).stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_keys_work_in_a_terminal(model, tmp_path):
    import pty

    kept, (master, slave) = tmp_path / "draft.txt", pty.openpty()
    command = [sys.executable, "-m", "parrotlet", "cowrite", str(model), "--prompt", "the cat", "-o", str(kept)]
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, close_fds=True)
    os.close(slave)

    def until(pattern, seconds=60):
        seen, end = "", time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([master], [], [], 0.2)[0]:
                try:
                    seen += os.read(master, 4096).decode("utf-8", "replace")
                except OSError:
                    break
            if re.search(pattern, seen):
                return seen
        raise AssertionError(f"{pattern!r} never came: {seen!r}")

    until("1-9 take an offer.*the cat▏.*1 .*sat".replace(".*", r"[\s\S]*"))
    os.write(master, b"1")
    until("the cat sat▏")
    os.write(master, b"t")
    until("type: ")
    os.write(master, " über\r".encode())
    until("the cat sat über▏")
    os.write(master, b"\x7f")
    until("the cat sat▏")
    os.write(master, b"\r")
    until(r"the cat sat\r?\n▏")
    os.write(master, b"u")
    until("the cat sat▏")
    os.write(master, b"x")
    until("1-9 take an offer")
    os.write(master, b"q")
    assert process.wait(60) == 0
    os.close(master)
    assert kept.read_text(encoding="utf-8") == "the cat sat"


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
