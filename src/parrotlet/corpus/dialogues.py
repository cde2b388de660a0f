"""A file of questions and answers, of messages or of a play comes in; its conversations, a document each, come out.

A conversation is written a turn a line: ``> `` stands before what is said to the model, in lower case, so that it does
not matter later how a question is typed; ``< `` before what it answers. Where more than two speak, or speakers have
names, the name stands there instead: ``Ann: ``.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from parrotlet.corpus.documents import Document, LeftOut, Reading, whole
from parrotlet.corpus.encodings import NotText, decoded, decoded_lines, detect
from parrotlet.corpus.json_records import values
from parrotlet.corpus.records import as_text
from parrotlet.corpus.sources import Source
from parrotlet.corpus.tables import open_table
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.settings import CorpusSettings

Turn = tuple[str | None, str]  # who speaks, where that is told, and what
ASKED, ANSWERED = "> ", "< "
ROLES = {
    **dict.fromkeys(("user", "human", "question", "prompt", "q", "customer"), ASKED),
    **dict.fromkeys(("assistant", "gpt", "bot", "model", "answer", "ai", "a", "chatbot", "agent"), ANSWERED),
}
SILENT = frozenset({"system", "tool", "function", "developer"})  # roles whose messages are no turn
LISTS = ("messages", "conversations", "conversation", "dialogue", "dialog", "turns", "chat")
SPEAKERS, SAID = ("role", "from", "speaker", "name", "author"), ("content", "value", "text", "message", "utterance")
PAIRS = (
    ("question", "answer"), ("questions", "answers"), ("prompt", "completion"), ("prompt", "response"),
    ("instruction", "output"), ("instruction", "response"), ("input", "output"), ("input", "response"), ("q", "a"),
)  # fmt: skip
MOST_TURNS = 40  # of one conversation: a longer talk is cut
LOOKED_AT = 2000  # lines that tell what kind of file it is
LARGEST_YAML = 64 << 20  # bytes: it is read whole
NAMED_LINE = re.compile(r"\s*([^:\s][^:]{0,39}):\s+(\S.*)")
NAME_ALONE = re.compile(r"\s*([^:\s][^:]{0,39}):\s*")
SEPARATORS = ("\t", "|", ":")
# As chats are exported: ``12/03/2021, 10:00 - ``, ``[2021-03-12 10:00:05] ``, ``10:05 pm ``.
TIME = re.compile(
    r"\s*\[?(?:\d{1,4}[./-]\d{1,2}[./-]\d{1,4},?[ T]\s*)?\d{1,2}:\d{2}(?::\d{2})?(?:\s?[ap]\.?m\.?)?\]?(?:\s+-)?\s+",
    re.IGNORECASE,
)


def marked(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    """Each turn of a conversation with the mark of its speaker, and as it stands behind that.

    Speakers without a name alternate, the model answers. Names are roles where all of them are.
    """
    names = {speaker.strip().lower() for speaker, _ in turns if speaker is not None}
    roles = ROLES if names <= ROLES.keys() and ("a" not in names or "q" in names) else {}
    found = []
    for number, (speaker, text) in enumerate(turns):
        mark = ANSWERED if number % 2 else ASKED
        if speaker is not None:
            mark = roles.get(speaker.strip().lower(), f"{speaker.strip()}: ")
        found.append((mark, said(text, mark)))
    return found


def said(text: str, mark: str) -> str:
    """A turn as it stands behind its mark: on one line, in lower case where it is a question."""
    text = " ".join(text.split())
    return text.lower() if mark == ASKED else text


def read_dialogue(source: Source, settings: CorpusSettings) -> Reading:
    """Conversations of YAML, JSON, a table of questions and answers, or plain lines, found out by looking."""
    for name in ("column", "template", "labels"):
        if value := getattr(settings, name):
            raise UsageError(
                f"corpus.{name} = {value!r} does not go with corpus.dialogue: it reads whole conversations"
            )
    if source.suffix in (".yml", ".yaml"):
        return _reading(source, "YAML conversations", lambda left_out: _records(_yaml(source, settings), left_out))
    if source.suffix in (".csv", ".tsv", ".tab"):
        return _table(source, settings)
    encoding = detect(source.name, source.open, settings.encoding)
    if source.suffix in (".json", ".jsonl", ".ndjson"):
        read: Callable[[LeftOut], Iterator[Iterable[Turn]]] = lambda left_out: _records(  # noqa: E731
            values(source.name, decoded(source.name, source.open, encoding), source.suffix == ".json"), left_out
        )
        return _reading(source, "JSON conversations", read)

    def lines() -> Iterator[str]:
        return decoded_lines(source.name, source.open, encoding)

    sample = [line for line in islice(lines(), LOOKED_AT) if line.strip()]
    if not sample:
        raise NotText(f"{source.name}: it is empty")
    timed = sum(TIME.match(line) is not None for line in sample) > 0.6 * len(sample)
    told, parse = _kind(source.name, [TIME.sub("", line, 1) for line in sample] if timed else sample)

    def said_lines() -> Iterator[str]:
        return (TIME.sub("", line, 1) for line in lines()) if timed else lines()

    told += ", without the time of each" if timed else ""
    return _reading(source, f"{encoding.told}, {told}", lambda left_out: parse(said_lines(), left_out))


def _reading(source: Source, told: str, conversations: Callable[[LeftOut], Iterator[Iterable[Turn]]]) -> Reading:
    def read(left_out: LeftOut) -> Iterator[Document]:
        for conversation in conversations(left_out):
            lines = []
            for mark, text in marked(list(conversation)):
                if text:
                    lines.append(mark + text)
                else:
                    left_out["{n} empty turn{s} left out"] += 1
            for start in range(0, len(lines), MOST_TURNS):
                yield Document(whole("\n".join(lines[start : start + MOST_TURNS])))

    return Reading(source.name, "lines", [f"{source.name}: {told}, a conversation a document"], read, source.bytes)


Parser = Callable[[Iterable[str], LeftOut], Iterator[Iterable[Turn]]]


def _kind(name: str, sample: list[str]) -> tuple[str, Parser]:
    """What a plain file holds, and how it is read: a play, lines with their speakers, or questions and answers."""
    alone = sum(NAME_ALONE.fullmatch(line) is not None for line in sample)
    if alone > 0.1 * len(sample):
        return "a play, names on lines of their own", _play
    for separator in SEPARATORS:
        if separator == ":" and _names_speakers(sample):
            return "lines with their speakers", _script
        if sum(separator in line.strip() for line in sample) > 0.9 * len(sample):
            return f"questions and answers parted by {separator!r}", partial(_pairs, separator)
    raise ParrotletError(
        f"{name}: no conversations are seen in it; known are lines of question:answer, of question, tab and answer, "
        "of Speaker: text, plays, YAML conversations, and JSON with messages"
    )


def _names_speakers(sample: list[str]) -> bool:
    """Whether most lines begin with one of a few names."""
    speakers = Counter(found[1] for line in sample if (found := NAMED_LINE.fullmatch(line)))
    often = sum(count for count in speakers.values() if count > 1)
    return often > 0.6 * len(sample) and len(speakers) <= max(2, len(sample) // 5)


def _play(lines: Iterable[str], left_out: LeftOut) -> Iterator[Iterable[Turn]]:
    """``NAME:`` on a line of its own, then what is said, up to the next name."""
    turns: list[Turn] = []
    speaker, text = None, list[str]()
    for line in lines:
        if found := NAME_ALONE.fullmatch(line):
            if speaker is not None and text:
                turns.append((speaker, " ".join(text)))
            speaker, text = found[1], []
        elif speaker is None and line.strip():
            left_out["{n} line{s} before the first speaker left out"] += 1
        elif line.strip():
            text.append(line)
        if len(turns) >= MOST_TURNS:
            yield turns
            turns = []
    yield [*turns, (speaker, " ".join(text))] if text else turns


def _script(lines: Iterable[str], left_out: LeftOut) -> Iterator[Iterable[Turn]]:
    """``Speaker: text``; a line without a speaker goes on with the one before, an empty line ends a conversation."""
    turns: list[Turn] = []
    for line in lines:
        if found := NAMED_LINE.fullmatch(line):
            turns.append((found[1], found[2]))
        elif not line.strip():
            yield turns
            turns = []
        elif turns:
            turns[-1] = (turns[-1][0], f"{turns[-1][1]} {line}")
        else:
            left_out["{n} line{s} before the first speaker left out"] += 1
        if len(turns) > MOST_TURNS:
            yield turns[:-1]
            turns = turns[-1:]
    yield turns


def _pairs(separator: str, lines: Iterable[str], left_out: LeftOut) -> Iterator[Iterable[Turn]]:
    def pairs() -> Iterator[tuple[str, str]]:
        for line in lines:
            question, found, answer = line.strip().partition(separator)
            if found and question.strip() and answer.strip():
                yield question, answer
            elif line.strip():
                left_out["{n} line{s} without question and answer left out"] += 1

    return _joined(pairs())


def _joined(pairs: Iterable[tuple[str, str]]) -> Iterator[list[Turn]]:
    """Questions and answers as conversations: one goes on where a question is the answer before."""
    turns: list[Turn] = []
    for question, answer in pairs:
        if turns and said(turns[-1][1], ASKED) == said(question, ASKED) and len(turns) < MOST_TURNS:
            turns.append((None, answer))
            continue
        if turns:
            yield turns
        turns = [(None, question), (None, answer)]
    if turns:
        yield turns


def _table(source: Source, settings: CorpusSettings) -> Reading:
    usual = "," if source.suffix == ".csv" else "\t"
    table = open_table(source, settings, usual)
    found = _pair_of(table.columns)
    if found is None and settings.header is None and len(table.columns) > 2:
        named = open_table(source, settings.model_copy(update={"header": True}), usual)
        if (found := _pair_of(named.columns)) is not None:  # texts alone do not tell a header; the names of a pair do
            table = named
    if found is None and len(table.columns) == 2:
        found = table.columns[0], table.columns[1]
    if found is None:
        raise ParrotletError(
            f"{source.name}: which columns hold question and answer? Name them so (it has {', '.join(table.columns)})"
        )
    question, answer = found

    def read(left_out: LeftOut) -> Iterator[Iterable[Turn]]:
        rows = ((_asked(each, question), as_text(each.get(answer))) for each in table.records(left_out))
        return _joined(_complete(rows, left_out))

    return _reading(source, f"{table.told}; questions from {question!r}, answers from {answer!r}", read)


def _pair_of(columns: Sequence[str]) -> tuple[str, str] | None:
    """The columns that are called like question and answer."""
    names = {column.strip().lower(): column for column in columns}
    return next(((names[q], names[a]) for q, a in PAIRS if q in names and a in names), None)


def _complete(rows: Iterable[tuple[str | None, str | None]], left_out: LeftOut) -> Iterator[tuple[str, str]]:
    for question, answer in rows:
        if question and answer and question.strip() and answer.strip():
            yield question, answer
        else:
            left_out["{n} row{s} without question and answer left out"] += 1


def _records(records: Iterable[object], left_out: LeftOut) -> Iterator[Iterable[Turn]]:
    for record in records:
        turns = _turns_of(record)
        if turns:
            yield turns
        else:
            left_out["{n} record{s} without a conversation left out"] += 1


def _turns_of(record: object) -> list[Turn]:
    """The turns of one JSON or YAML record: a list of them, a record that holds one, or a question and its answer."""
    if isinstance(record, list):
        return [turn for each in record if (turn := _turn_of(each)) is not None]
    if not isinstance(record, Mapping):
        return []
    fields = {str(name).strip().lower(): value for name, value in record.items()}
    for name in LISTS:
        if isinstance(fields.get(name), list):
            return _turns_of(fields[name])
    for question, answer in PAIRS:
        asked, answered = _asked(fields, question), as_text(fields.get(answer))
        if asked and answered:
            return [(None, asked), (None, answered)]
    return []


def _asked(fields: Mapping[str, object], question: str) -> str | None:
    """What stands in the field of the question; what an instruction is about stands in "input" beside it."""
    asked = as_text(fields.get(question))
    if question.strip().lower() != "instruction":
        return asked
    about = next((as_text(value) for name, value in fields.items() if str(name).strip().lower() == "input"), None)
    return f"{asked} {about}" if asked and about else asked


def _turn_of(each: object) -> Turn | None:
    if not isinstance(each, Mapping):
        text = "" if each is None else as_text(each)  # who says nothing has had a turn
        return None if text is None else (None, text)
    speaker = next((str(each[name]) for name in SPEAKERS if each.get(name) is not None), None)
    text = next((found for name in SAID if (found := _said_in(each.get(name))) is not None), None)
    if text is None or (speaker or "").lower() in SILENT:
        return None
    return speaker, text


def _said_in(content: object) -> str | None:
    """What is said: a text, or parts of which some are texts, ``{"type": "text", "text": …}``."""
    parts = content if isinstance(content, list) else [content]
    found = (as_text(each.get("text") if isinstance(each, Mapping) else each) for each in parts)
    texts = [text for text in found if text is not None]
    return " ".join(texts) if texts else None


def _yaml(source: Source, settings: CorpusSettings) -> Iterable[object]:
    """``conversations:``, a list of lists of turns, as chatterbot's corpus has them; "yes" and "12:30" are texts."""
    try:
        import yaml
    except ImportError:
        raise ParrotletError(f"{source.name}: YAML needs pyyaml: pip install 'parrotlet[data]'") from None
    if source.bytes > LARGEST_YAML:
        raise ParrotletError(
            f"{source.name}: a YAML file of more than {LARGEST_YAML >> 20} MiB is not read; use JSON lines"
        )
    encoding = detect(source.name, source.open, settings.encoding)
    try:
        text = "".join(decoded(source.name, source.open, encoding))
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, yaml.SafeLoader)):
            raise ParrotletError(
                f"{source.name}: YAML aliases (*name) are not read: a few of them could fill the memory"
            )
        data: Any = yaml.load(text, Loader=yaml.BaseLoader)  # texts, lists and mappings only
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ParrotletError(f"{source.name}: it is not sound YAML ({' '.join(str(error).split())[:200]})") from None
    found = data.get("conversations") if isinstance(data, Mapping) else data
    if not isinstance(found, list):
        raise ParrotletError(f"{source.name}: it has no list of conversations")
    return found
