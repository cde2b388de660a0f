"""Conversations are read from every kind of file; a model that learned them answers, with the talk in mind."""

import json
import re
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from parrotlet import Writer, open_corpus, training  # noqa: E402
from parrotlet.chatting import Chat  # noqa: E402
from parrotlet.errors import ParrotletError, UsageError  # noqa: E402
from parrotlet.settings import CorpusSettings  # noqa: E402
from tests.terminal import Terminal  # noqa: E402

DIALOGUE = CorpusSettings(dialogue=True)
PAIRS = {
    "What is the capital of France?": "Paris.",
    "Who wrote Faust?": "Goethe.",
    "What colour is grass?": "Green.",
    "How many legs has a spider?": "Eight.",
    "What is the largest ocean?": "The Pacific.",
}


def conversations(path, text, settings=DIALOGUE):
    path.write_text(text, encoding="utf-8")
    corpus = open_corpus([path], settings)
    return [document.text for document in corpus.documents()], corpus


def test_lines_of_question_and_answer_join_into_a_talk(tmp_path):
    text = "Hi, how are you?:i'm fine.\nI'm fine.:good: very good.\nwhat now?:nothing.\n\n" * 9 + "broken\n"
    found, corpus = conversations(tmp_path / "talk.txt", text)
    assert found[0] == "> hi, how are you?\n< i'm fine.\n> good: very good."
    assert found[1] == "> what now?\n< nothing." and len(found) == 18
    assert corpus.form == "lines" and any("questions and answers parted by ':'" in note for note in corpus.notes)
    assert any("1 line without question and answer left out" in note for note in corpus.notes)


@pytest.mark.parametrize("separator", ["\t", "|"])
def test_other_separators_are_seen(tmp_path, separator):
    found, _ = conversations(tmp_path / "talk.txt", f"Where: here?{separator}There: {separator}!\n" * 9)
    assert found == [f"> where: here?\n< There: {separator.replace(chr(9), ' ').strip()}!"] * 9


def test_lines_with_their_speakers(tmp_path):
    text = "Ann: Hello.\nBob: Hi, Ann!\n and more\nAnn: Bye.\n\nBob: Again?\nAnn: Yes: again.\n\n" * 4
    found, _ = conversations(tmp_path / "talk.txt", text)
    assert found[0] == "Ann: Hello.\nBob: Hi, Ann! and more\nAnn: Bye."
    assert found[1] == "Bob: Again?\nAnn: Yes: again." and len(found) == 8


def test_a_play(tmp_path):
    text = "A Play\n\nROMEO:\nBut soft,\nwhat light?\n\nJULIET:\nAy me!\n\n" * 1 + "ROMEO:\nShe speaks.\n\n" * 30
    found, corpus = conversations(tmp_path / "play.txt", text)
    assert found[0].startswith("ROMEO: But soft, what light?\nJULIET: Ay me!\nROMEO: She speaks.")
    assert sum(each.count("\n") + 1 for each in found) == 32 and len(found) == 1
    assert any("1 line before the first speaker left out" in note for note in corpus.notes)


def test_json_messages(tmp_path):
    records = [
        {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi THERE"},
                      {"role": "assistant", "content": "Hello\nyou"}]},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"instruction": "Say X", "output": "X"},
        {"turns": ["one", "two", "three"]},
        {"nothing": 1},
    ]  # fmt: skip
    wanted = ["> hi there\n< Hello you", "> a\n< b", "> say x\n< X", "> one\n< two\n> three"]
    found, corpus = conversations(tmp_path / "talk.jsonl", "\n".join(map(json.dumps, records)))
    assert found == wanted and any("1 record without a conversation left out" in note for note in corpus.notes)
    assert conversations(tmp_path / "talk.json", json.dumps(records))[0] == wanted


def test_json_messages_in_parts(tmp_path):
    parts = [{"type": "text", "text": "What is"}, {"type": "image_url", "image_url": {"url": "x"}}, {"text": "this?"}]
    talk = [{"role": "user", "content": parts}, {"role": "assistant", "content": "A cat."}]
    picture = [{"role": "user", "content": parts[1:2]}, {"role": "user", "content": " "}, *talk]
    found, corpus = conversations(
        tmp_path / "talk.jsonl", "\n".join(json.dumps({"messages": each}) for each in (talk, picture))
    )
    assert found == ["> what is this?\n< A cat."] * 2
    assert any("1 empty turn left out" in note for note in corpus.notes)


def test_a_table_of_questions_and_answers(tmp_path):
    found, _ = conversations(tmp_path / "talk.csv", 'id,Question,Answer\n1,"Who, me?",You\n2,,none\n3,And?,Me\n')
    assert found == ["> who, me?\n< You", "> and?\n< Me"]
    with pytest.raises(ParrotletError, match="which columns hold question and answer"):
        conversations(tmp_path / "other.csv", "id,title,body\n1,one text,two\n2,three text,four\n")


def test_yaml_conversations(tmp_path):
    pytest.importorskip("yaml")
    text = "categories:\n- x\nconversations:\n- - What is AI?\n  - A field.\n- - Year?\n  - 1963\n"
    assert conversations(tmp_path / "talk.yml", text)[0] == ["> what is ai?\n< A field.", "> year?\n< 1963"]
    for wrong, message in [
        ("a: [", "not sound YAML"),
        ("a: b", "no list of conversations"),
        ("a: &x [b]\nconversations: [*x, *x]", "YAML aliases"),
        ("!!python/object:os.system {}", "no list of conversations"),  # tags say nothing
    ]:
        with pytest.raises(ParrotletError, match=message):
            conversations(tmp_path / "bad.yml", wrong)


def test_what_people_said_in_yaml_stays_what_they_said(tmp_path):
    pytest.importorskip("yaml")
    text = "- - Are you a robot?\n  - Yes\n- - When?\n  - 12:30\n- - What?\n  - null\n- - Price?\n  - 3.10\n- {}\n"
    found, corpus = conversations(tmp_path / "talk.yml", text)
    assert [each.split("< ")[1] for each in found] == ["Yes", "12:30", "null", "3.10"]
    assert any("1 record without a conversation left out" in note for note in corpus.notes)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("t.txt", "A: how are you?\nB: good.\nA: oh nice.\n", ["A: how are you?\nB: good.\nA: oh nice."]),
        ("t.txt", "Q: how are you?\nA: good.\nQ: oh nice.\n", ["> how are you?\n< good.\n> oh nice."]),
        ("t.txt", "BOT: Hello.\nANN: Hi.\nBOT: Well?\n", ["BOT: Hello.\nANN: Hi.\nBOT: Well?"]),
        ("t.json", '[["Hi", "", "How are you?", "Fine"]]', ["> hi\n> how are you?\n< Fine"]),
        ("t.json", '[["Hi", null, "How are you?", "Fine"]]', ["> hi\n> how are you?\n< Fine"]),
        (
            "t.json",
            '[{"instruction": "Translate", "input": "good", "output": "bon"}, {"instruction": "Sing", "output": "La"}]',
            ["> translate good\n< bon", "> sing\n< La"],
        ),
        (
            "t.csv",
            "instruction,input,output\n" + "Translate this,good day,bon jour\n" * 2 + "Sing a song,,la la la\n",
            ["> translate this good day\n< bon jour"] * 2 + ["> sing a song\n< la la la"],
        ),
        (
            "t.txt",
            "12/03/2021, 10:00 - Bob: hello you\n12/03/2021, 10:01 - Ann: hi, at 9:30?\n12/03/2021, 10:02 - Bob: yes\n",
            ["Bob: hello you\nAnn: hi, at 9:30?\nBob: yes"],
        ),
        ("t.txt", "[10:05] Ann: hi\n[10:06] Bob: ho\n[10:07] Ann: hm\n", ["Ann: hi\nBob: ho\nAnn: hm"]),
    ],
)
def test_no_speaker_and_nothing_that_was_said_is_lost(tmp_path, name, text, wanted):
    assert conversations(tmp_path / name, text)[0] == wanted


def test_what_holds_no_conversations_is_told(tmp_path):
    with pytest.raises(ParrotletError, match="no conversations are seen in it; known are lines of question:answer"):
        conversations(tmp_path / "book.txt", "Once upon a time there was a book.\nIt had no talk in it.\n")
    with pytest.raises(ParrotletError, match="it is empty"):
        conversations(tmp_path / "empty.txt", "\n \n")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chat")
    (folder / "talk.tsv").write_text("".join(f"{q}\t{a}\n" for q, a in PAIRS.items()), encoding="utf-8")
    small = {"hidden": 96, "batch": 5, "window": 64, "device": "cpu", "steps": 250, "validation": 0.0}
    small |= {"sample_temperatures": (), "evaluations": 1, "learning_rate": 1e-2, "dropout_output": 0.0}
    list(training(folder / "talk.tsv", folder / "m.safetensors", recipe="chat", **small))
    return folder / "m.safetensors"


def test_the_network_itself_learns_to_answer_however_a_question_is_typed(model):
    from parrotlet import load

    writer = load(model)
    for question, answer in PAIRS.items():
        for typed in (question, question.upper(), f"  {question.lower()} "):
            assert Chat(writer).say(typed, temperature=0) == answer
    assert Chat(writer).say("Is there life on Mars?", temperature=0.3, seed=1)


def test_whatever_ends_a_reply_it_ends_with_its_line(model):
    from parrotlet import load

    question, answer = next(iter(PAIRS.items()))
    for stop in ("§", ["§", "%"], ()):
        assert Chat(load(model)).say(question, temperature=0, stop=stop) == answer
    assert (
        Chat(load(model)).say(question, temperature=0, stop=[answer[2]]) == answer[: answer.index(answer[2])].rstrip()
    )


def test_the_talk_is_remembered_and_forgotten(model):
    from parrotlet import load

    chat = Chat(load(model), memory=2)
    prompts = []
    stream = chat._writer.stream
    chat._writer.stream = lambda prompt, **rules: prompts.append(prompt) or stream(prompt, **rules)
    for _ in range(3):
        chat.say("Who wrote Faust?", temperature=0)
    assert len(chat.turns) == 3 and prompts[0] == "> who wrote faust?\n< "
    assert prompts[2] == f"> who wrote faust?\n< {chat.turns[1][1]}\n> who wrote faust?\n< "
    chat.forget()
    assert chat.turns == []


def test_suggestions_are_short_and_differ(model):
    from parrotlet import load

    chat = Chat(load(model))
    found = chat.suggest("What is the largest ocean?", 3, seed=1)
    assert found[0] == "The Pacific." and 1 <= len(found) <= 3 and chat.turns == []
    assert len({re.sub(r"\W", "", each.lower()) for each in found}) == len(found)
    assert all(len(each) <= 60 and "\n" not in each for each in found)
    assert chat.suggest("What is the largest ocean?", 3, seed=1) == found


def test_a_wrong_call_fails_before_the_first_piece(model):
    from parrotlet import load

    with pytest.raises(UsageError, match="temperature"):
        Chat(load(model)).stream("Who wrote Faust?", temperature=-1)


def test_words_are_said_without_a_blank_too_many(tmp_path):
    (tmp_path / "talk.tsv").write_text("".join(f"{q}\t{a}\n" for q, a in PAIRS.items()), encoding="utf-8")
    small = {"level": "word", "hidden": 64, "batch": 5, "window": 32, "device": "cpu", "steps": 200, "validation": 0.0}
    small |= {"sample_temperatures": (), "evaluations": 1, "learning_rate": 1e-2, "dropout_output": 0.0}
    running = training(tmp_path / "talk.tsv", recipe="chat", **small)
    list(running)
    chat = Chat(Writer(running.bundle))
    question, answer = next(iter(PAIRS.items()))
    assert chat.say(question, temperature=0) == answer and chat.suggest(question, 1, seed=1)[0] == answer


def test_a_model_of_conversations_reads_conversations(model, tmp_path):
    """Its scores and what goes on from it see the marks of the talk."""
    from parrotlet import load
    from parrotlet.cli.options import corpus_like

    talk = tmp_path / "more.tsv"
    talk.write_text("Who wrote Faust?\tGoethe.\n", encoding="utf-8")
    corpus = corpus_like(load(model), [str(talk)])
    assert ["".join(document.pieces) for document in corpus.documents()] == ["> who wrote faust?\n< Goethe."]
    further = training(talk, start_from=model, steps=1, device="cpu", validation=0.0)
    list(further)
    assert further.bundle.settings.corpus.dialogue
    with pytest.raises(UsageError, match=r"corpus\.column = 'x' does not go with corpus\.dialogue"):
        list(training(talk, dialogue=True, column="x"))


def test_a_wrong_call_is_one_clear_line(model):
    from parrotlet import from_texts, load

    running = training(from_texts(["abc"] * 9), hidden=8, steps=1, device="cpu")
    list(running)
    with pytest.raises(UsageError, match="did not learn conversations: train one with --recipe chat"):
        Chat(Writer(running.bundle))
    with pytest.raises(UsageError, match="memory must be a whole number of turns from 1, not 0"):
        Chat(load(model), memory=0)
    with pytest.raises(UsageError, match="this model never read 'Ωnn:': where its speakers have names"):
        Chat(load(model), asker="Ωnn: ")
    with pytest.raises(UsageError, match="what you say must be a text that is not empty"):
        Chat(load(model)).say(" ")


def command(model, *flags):
    return [sys.executable, "-m", "parrotlet", "chat", str(model), "--temperature", "0", *flags]


def test_lines_work_in_a_pipe(model):
    said = "What colour is grass?\n\n/forget\nWHO WROTE FAUST?\n/what\n/quit\nnever\n"
    options = {"input": said, "capture_output": True, "text": True, "encoding": "utf-8", "timeout": 120}
    done = subprocess.run(command(model), **options)
    assert (done.returncode, done.stdout) == (0, "Green.\nGoethe.\n") and "/forget" in done.stderr
    done = subprocess.run(command(model, "--json", "--suggest", "2"), **options)
    entries = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["reply"] for each in entries] == ["Green.", "Goethe."]
    assert all(each["suggested"] and each["suggested"][0] == each["reply"] for each in entries)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals of this kind")
def test_a_talk_in_a_terminal(model):
    terminal = Terminal(command(model))
    terminal.until(r"/forget begins anew[\s\S]*> $")
    terminal.type(b"What is the capital of France?\r")
    terminal.until(r"Paris\.[\s\S]*> $")
    terminal.type(b"\x04")
    assert terminal.wait() == 0
