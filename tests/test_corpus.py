"""Files of every kind, encoding and fault go in; documents, notes and one-line errors are checked."""

import csv
import gzip
import http.server
import io
import json
import os
import threading
import tracemalloc
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parrotlet.corpus import NAMED, READERS, Corpus, Document, Reader, documents, from_texts, open_corpus, sources
from parrotlet.corpus import web as web_pages
from parrotlet.corpus.alphabets import BY_ENCODING
from parrotlet.corpus.documents import Reading, cut, lines_of
from parrotlet.corpus.forms import decide
from parrotlet.corpus.sources import Source
from parrotlet.errors import ParrotletError, UsageError
from parrotlet.settings import CorpusSettings

DATA = os.environ.get("PARROTLET_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="PARROTLET_DATA names no folder of corpora")
few = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

WORDS = [
    "rain",
    "falls",
    "on",
    "the",
    "tin",
    "roof",
    "while",
    "seven",
    "small",
    "parrots",
    "argue",
    "about",
    "who",
    "will",
]
WORDS += ["write", "tonight"]
PROSE = "".join(" ".join(WORDS[i % 7 : i % 7 + 9]) + ("\n" if i % 4 else ".\n\n") for i in range(200))
TITLES = "".join(f"{WORDS[i % 15].title()} and {WORDS[(7 * i) % 15]} number {i * i}\n" for i in range(200))


def texts(corpus: Corpus) -> list[str]:
    return [document.text for document in corpus.documents()]


def put(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ---- the laws of the readers: nothing lost or altered, in order, as often as wanted, in pieces that fit in memory


def write_csv(path: Path, items: list[str], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([["text"], *([item] for item in items)])


def write_parquet(path: Path, items: list[str]) -> None:
    pytest.importorskip("polars").DataFrame({"text": items}).write_parquet(path)


WRITERS: dict[str, tuple[str, Callable[[Path, list[str]], object]]] = {
    "text": (".txt", lambda path, items: put(path, "\n".join(items))),
    "csv": (".csv", write_csv),
    "tsv": (".tsv", lambda path, items: write_csv(path, items, "\t")),
    "json": (".json", lambda path, items: put(path, json.dumps([{"text": item} for item in items], indent=1))),
    "jsonl": (".jsonl", lambda path, items: put(path, "\n".join(json.dumps({"text": item}) for item in items))),
    "parquet": (".parquet", write_parquet),
    "abc": (".abc", lambda path, items: put(path, "".join(f"X:{n}\n{each}\n\n" for n, each in enumerate(items)))),
}


def as_tunes(items: list[str]) -> list[str]:
    """What is no tune is not read from a book of tunes: so each item becomes the notes of one."""
    return ["K:C\nc" + "".join(sign for sign in item if sign not in "%\\:" and not sign.isspace()) for item in items]


ONE_LINE = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=40)
ITEMS = st.lists(ONE_LINE.filter(lambda text: bool(text.strip()) and text[0] != "\ufeff"), min_size=1, max_size=12)


def reader_keeps_everything(name: str, reader: Reader, folder: Path, items: list[str]) -> None:
    suffix, write = WRITERS[name]
    path = folder / f"items{suffix}"
    items = as_tunes(items) if name == "abc" else items
    write(path, items)
    reading = reader(Source(path.name, path, suffix), CorpusSettings(form="lines", encoding="utf-8"))
    first = [list(document.pieces) for document in reading.documents()]
    again = [list(document.pieces) for document in reading.documents()]
    assert ["".join(pieces) for pieces in first] == items
    assert again == first
    assert all(len(piece) <= documents.PIECE for pieces in first for piece in pieces)


@pytest.mark.parametrize("name", READERS)
@given(items=ITEMS)
@few
def test_every_reader_keeps_everything(name: str, items: list[str], tmp_path: Path) -> None:
    assert set(WRITERS) >= set(READERS), "a new reader needs a writer here"
    reader_keeps_everything(name, READERS[name], tmp_path, items)


def test_the_law_rejects_broken_readers(tmp_path: Path) -> None:
    def drops_the_first(source: Source, wanted: CorpusSettings) -> Reading:
        reading = READERS["text"](source, wanted)
        return Reading("", "lines", [], lambda left_out: iter(list(reading.read(left_out))[1:]))

    def reads_once(source: Source, wanted: CorpusSettings) -> Reading:
        once = READERS["text"](source, wanted).documents()
        return Reading("", "lines", [], lambda _: once)

    def glues(source: Source, wanted: CorpusSettings) -> Reading:
        return Reading("", "lines", [], lambda _: iter([Document([source.path.read_text("utf-8")])]))

    for broken in (drops_the_first, reads_once, glues):
        with pytest.raises(AssertionError):
            reader_keeps_everything("text", broken, tmp_path, ["one", "two"])


# ---- pieces


def pieces_join_and_keep_clusters(cutter: Callable[[Iterator[str]], Iterator[str]], blocks: list[str]) -> None:
    whole = "".join(blocks)
    pieces = list(cutter(iter(blocks)))
    assert "".join(pieces) == whole
    assert all(0 < len(piece) <= documents.PIECE for piece in pieces)
    normal = "".join(unicodedata.normalize("NFC", piece) for piece in pieces)
    assert normal == unicodedata.normalize("NFC", whole)
    borders = {cluster.end() for cluster in regex.finditer(r"\X", whole)}
    place = 0
    for piece in pieces:
        place += len(piece)
        assert place in borders


BLOCKS = st.lists(st.text(st.sampled_from("ab \n\t\u0301e\u200d👩🏽한ᄀ"), max_size=30), max_size=12)


@given(blocks=BLOCKS)
@few
def test_pieces_join_and_keep_clusters(blocks: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = "".join(blocks)
    longest = max((len(cluster) for cluster in regex.findall(r"\X", whole)), default=1)
    monkeypatch.setattr(documents, "PIECE", max(16, longest))
    pieces_join_and_keep_clusters(cut, blocks)


def test_the_law_of_pieces_rejects_blind_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PIECE", 16)

    def blind(blocks: Iterator[str]) -> Iterator[str]:
        whole = "".join(blocks)
        return (whole[start : start + 16] for start in range(0, len(whole), 16))

    with pytest.raises(AssertionError):
        pieces_join_and_keep_clusters(blind, ["x" * 15 + "e\u0301"])


@given(text=st.text(st.sampled_from("ab \n"), max_size=120))
@few
def test_lines_are_those_of_split(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "PIECE", 8)
    expected = text.split("\n")
    expected = expected if expected[-1] else expected[:-1]
    assert ["".join(line) for line in lines_of(cut([text]))] == expected


def test_a_long_line_is_streamed_in_either_form(tmp_path: Path) -> None:
    path = put(tmp_path / "long.txt", b"first\n" + b"abcdefghij " * 1_000_000 + b"\nlast\n")
    for form in ("text", "lines"):
        tracemalloc.start()
        count = 0
        for document in open_corpus(path, CorpusSettings(form=form)).documents():
            for piece in document.pieces:
                assert len(piece) <= documents.PIECE
                count += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == 11_000_000 + len("firstlast") + (3 if form == "text" else 0)
        assert peak < 9_000_000


# ---- forms


def test_form_is_looked_for_told_and_overridden(tmp_path: Path) -> None:
    prose, titles = put(tmp_path / "prose.txt", PROSE), put(tmp_path / "titles.txt", "title\n" + TITLES + "\n \nend")
    corpus = open_corpus(prose)
    assert corpus.form == "text" and texts(corpus) == [PROSE]
    assert "one long text" in corpus.notes[0] and "--form lines" in corpus.notes[0]
    corpus = open_corpus([titles])
    kept = texts(corpus)
    assert corpus.form == "lines" and kept == ["title", *TITLES.splitlines(), "end"]
    assert any("'title'" in note and "kept" in note for note in corpus.notes)
    assert corpus.notes[-1] == "titles.txt: 2 blank lines left out"
    assert texts(corpus) == kept and len(corpus.notes) == 3
    assert texts(open_corpus(titles, CorpusSettings(header=True)))[0] == TITLES.splitlines()[0]
    assert open_corpus(titles, CorpusSettings(form="text")).form == "text"
    assert open_corpus(prose, CorpusSettings(form="lines")).form == "lines"


def test_forms_by_their_shape() -> None:
    assert decide("key: value\n" * 20).form == "lines"
    assert decide("def f(x):\n    return x\n" * 20).form == "text"
    assert decide("a single line").form == "text"
    assert decide("o sea,\no ship,\no storm\n" * 9).form == "text"


FORMS = {
    "text": [
        "nietzsche/nietzsche.txt",
        "tinyshakespeare/input.txt",
        "moby_dick/moby_dick.txt",
        "kjv/kjv.txt",
        "chinese_poetry/tang_poems.txt",
        "russian/onegin.txt",
        "hebrew/hebrew_bible_sample.txt",
        "japanese/wagahai_neko.txt",
        "king_lear/king_lear.txt",
    ],
    "lines": [
        "textgenrnn/hacker_news_2000.txt",
        "textgenrnn/reddit_apple_android_2000.txt",
        "textgenrnn/reddit_rarepuppers_politics_2000.txt",
        "textgenrnn/reddit_relationshipadvice_legaladvice_2000.txt",
        "names/names.txt",
        "names/dinos.txt",
        "strokes/kanji_strokes.txt",
        "chat/dialogs.txt",
        "midi_text/jsb_chorales_tokens.txt",
        "abc_nottingham/nottingham.abc",
    ],
}


@needs_data
@pytest.mark.parametrize(("form", "path"), [(form, path) for form, paths in FORMS.items() for path in paths])
def test_form_of_real_corpora(form: str, path: str) -> None:
    assert open_corpus(Path(DATA or "") / path).form == form


# ---- encodings


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", *BY_ENCODING])
def test_encodings_are_detected_and_told(codec: str, tmp_path: Path) -> None:
    if codec.startswith("utf"):
        text = "Größe und Maß, über den Fluß.\nДа, и ещё раз.\n"
    elif BY_ENCODING[codec].accents:
        accents = [c for c in sorted(BY_ENCODING[codec].common) if c.islower()]
        text = "\n".join(f"a word with {c}t and ma{c}e in it" for c in accents)
    else:
        common = "".join(sorted(c for c in BY_ENCODING[codec].common if c.isalpha()))
        text = "\n".join(
            common[place : place + 9] + ", " + common[place + 3 : place + 7] for place in range(len(common))
        )
    text = text.encode(codec, "ignore").decode(codec).lstrip("\ufeff")
    corpus = open_corpus(put(tmp_path / "text.txt", text.replace("\n", "\r\n").encode(codec)))
    assert texts(corpus) == [text] or corpus.form == "lines"
    assert codec.removesuffix("-sig").removesuffix("-le") in corpus.notes[0] or codec in ("cp932", "iso8859-2")


REAL = [
    ("russian/onegin.txt", ["koi8-r", "cp1251", "cp866", "utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"]),
    ("japanese/wagahai_neko.txt", ["shift_jis", "cp932", "euc-jp", "iso2022_jp", "utf-16-le", "utf-16-be"]),
    ("chinese_poetry/tang_poems.txt", ["gb18030", "big5", "utf-16-le", "utf-16-be"]),
    ("chinese_poetry/song_ci_300.txt", ["gb18030", "gbk"]),
    ("moby_dick/moby_dick.txt", ["cp1252", "mac-roman", "utf-16-le"]),
    ("nietzsche/nietzsche.txt", ["latin-1", "cp1252", "utf-16-be"]),
    ("textgenrnn/hacker_news_2000.txt", ["cp1252"]),
    ("hebrew/hebrew_bible_sample.txt", ["cp1255", "utf-16-le"]),
]


@needs_data
@pytest.mark.parametrize(("path", "codec"), [(path, codec) for path, codecs in REAL for codec in codecs])
@pytest.mark.parametrize("length", [2_000, 700_000])
def test_encodings_of_real_text(path: str, codec: str, length: int, tmp_path: Path) -> None:
    with (Path(DATA or "") / path).open(encoding="utf-8") as file:
        data = file.read(length).encode(codec, "ignore")
    corpus = open_corpus(put(tmp_path / "text.txt", data), CorpusSettings(form="text"))
    assert texts(corpus) == [data.decode(codec).lstrip("\ufeff")]


def test_encoding_is_overridden(tmp_path: Path) -> None:
    path = put(tmp_path / "text.txt", "déjà vu".encode("cp1252"))
    assert texts(open_corpus(path, CorpusSettings(encoding="koi8-r"))) == [path.read_bytes().decode("koi8-r")]
    marked = put(tmp_path / "marked.txt", "déjà".encode("utf-16"))
    assert texts(open_corpus(marked, CorpusSettings(encoding="utf-16"))) == ["déjà"]


def test_a_byte_that_does_not_decode_is_named_with_its_offset(tmp_path: Path) -> None:
    path = put(tmp_path / "text.txt", "да, ".encode() * 500_000 + b"\xff" + "да".encode())
    with pytest.raises(ParrotletError, match=r"text.txt: byte 0xFF at offset 3,000,000 is not utf-8"):
        texts(open_corpus(path))
    late = put(tmp_path / "late.txt", "да ".encode("koi8-r") * 600_000 + b"\xff\xc1\n")
    with pytest.raises(ParrotletError, match=r"byte 0xC4 at offset 0 is not ascii"):
        texts(open_corpus(late, CorpusSettings(encoding="ascii")))
    cut_short = put(tmp_path / "cut.txt", ("あ" * 600_000).encode("shift_jis")[:-1])
    with pytest.raises(ParrotletError, match=r"offset 1,199,998 is not shift_jis"):
        texts(open_corpus(cut_short, CorpusSettings(encoding="shift_jis")))


def test_line_ends_become_one_kind(tmp_path: Path) -> None:
    path = put(tmp_path / "text.txt", b"a\r\nb\rc\n\r\rd\xe2\x80\xa8e")
    assert texts(open_corpus(path, CorpusSettings(form="text"))) == ["a\nb\nc\n\n\nd\u2028e"]


# ---- tables and records


def test_tables(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", 'who;text\nann;"two\nlines; one ""cell"""\nbob;\ncy;plain\ndee\n')
    corpus = open_corpus(path, CorpusSettings(labels=("who",)))
    assert [(d.text, d.labels["who"]) for d in corpus.documents()] == [
        ('two\nlines; one "cell"', "ann"),
        ("plain", "cy"),
    ]
    assert "parted by semicolon" in corpus.notes[0] and "'text'" in corpus.notes[0]
    assert corpus.notes[1:] == ["a.csv: 1 record without text left out", "a.csv: 1 record without 'text' left out"]
    assert texts(open_corpus(path, CorpusSettings(column="1"))) == ["ann", "bob", "cy", "dee"]
    template = CorpusSettings(template="{{{who}}}\\n{text}")
    assert texts(open_corpus(path, template))[-1] == "{cy}\nplain"
    assert texts(open_corpus(path, CorpusSettings(header=False, column="1")))[0] == "who"
    assert texts(open_corpus(path, CorpusSettings(column="who", form="text"))) == ["ann\nbob\ncy\ndee\n"]
    with pytest.raises(UsageError, match="did you mean 'text'"):
        open_corpus(path, CorpusSettings(column="texts"))
    with pytest.raises(UsageError, match=r"labels 'whom'.*did you mean 'who'"):
        open_corpus(path, CorpusSettings(labels=("whom",)))


def test_a_table_of_one_column_is_not_cut_at_its_commas(tmp_path: Path) -> None:
    path = put(tmp_path / "titles.csv", 'title\n"Why", he asked\nSo, then, what\nNothing\n' + "One more\n" * 9)
    assert texts(open_corpus(path))[:3] == ['"Why", he asked', "So, then, what", "Nothing"]
    bare = put(tmp_path / "bare.csv", "ann,1\nbob,2\n")
    corpus = open_corpus(bare)
    assert texts(corpus) == ["ann", "bob"] and "the first row is read as a text" in corpus.notes[0]
    plain = put(tmp_path / "pairs.txt", "hello:hi\nwho:me\n" * 5)
    assert texts(open_corpus(plain, CorpusSettings(column="2")))[:2] == ["hi", "me"]


def test_json_records(tmp_path: Path) -> None:
    records = [
        {"title": "Soup", "directions": ["Boil.", "Eat."], "stars": 4.5},
        {"title": "Air", "directions": None},
        {"title": "Toast", "directions": ["Burn."]},
    ]
    wanted = CorpusSettings(template="Recipe for {title} | {directions}")
    for name, content in {
        "a.json": json.dumps(records, indent=2),
        "b.jsonl": "\n".join(map(json.dumps, records)),
        "c.txt": json.dumps(records),
    }.items():
        corpus = open_corpus(put(tmp_path / name, content), wanted)
        assert texts(corpus) == ["Recipe for Soup | Boil. Eat.", "Recipe for Toast | Burn."]
        assert corpus.notes[-1] == f"{name}: 1 record without 'directions' left out"
    assert texts(open_corpus(tmp_path / "a.json", CorpusSettings(column="stars"))) == ["4.5"]
    assert texts(open_corpus(put(tmp_path / "d.json", '["one", "two"]'))) == ["one", "two"]
    with pytest.raises(UsageError, match="did you mean 'title'"):
        open_corpus(tmp_path / "a.json", CorpusSettings(template="{titel}"))
    with pytest.raises(UsageError, match="plain fields"):
        open_corpus(tmp_path / "a.json", CorpusSettings(template="{title!r}"))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[{"a": "b"} {"a": "c"}]', "a comma or ] is missing"),
        ('[{"a": "b"}', "cut short"),
        ('[{"a": "b"}, ', "cut short"),
        ("[", "cut short"),
        ('[{"a": "b"', "delimiter"),
        ('[{"a": "b"}] x', "something follows"),
        ('[{"a": b}' + " " * 100 + "]", "Expecting value"),
        ("[" * 100_000, "too deeply"),
        ('[{"a": ' + "9" * 5000 + "}]", "digits"),
    ],
)
def test_json_that_is_wrong(content: str, problem: str, tmp_path: Path) -> None:
    path = put(tmp_path / "a.json", content)
    with pytest.raises(ParrotletError, match=problem) as caught:
        texts(open_corpus(path))
    assert "\n" not in str(caught.value) and "a.json: record" in str(caught.value)


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", "text,n\n" + "plain,1\n" * 300 + '"open,1\n' + "plain,1\n" * 300)
    corpus = open_corpus(path)
    texts(corpus)
    assert "stray quote" in corpus.notes[-1]


# ---- sources


def test_gz_of_everything(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv.gz", gzip.compress(b"id,text\n1,hello\n2,there\n"))
    assert texts(open_corpus(path)) == ["hello", "there"]
    path = put(tmp_path / "b.txt.gz", gzip.compress(PROSE.encode()))
    assert texts(open_corpus(path)) == [PROSE]
    with pytest.raises(ParrotletError, match="damaged or cut short"):
        texts(open_corpus(put(tmp_path / "c.gz", gzip.compress(os.urandom(1000).hex().encode())[:-300])))


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_UNCHECKED", 1 << 16)
    path = put(tmp_path / "bomb.gz", gzip.compress(b"a" * 3_000_000))
    with pytest.raises(ParrotletError, match="no text of its size"):
        texts(open_corpus(path))


def test_folders_patterns_and_several_at_once(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    put(tmp_path / "a.txt", PROSE)
    put(tmp_path / "deep" / "b.txt", PROSE + "b")
    put(tmp_path / "c.png", b"\x89PNG\r\n\x1a\n\0\0\0")
    put(tmp_path / "empty.txt", "")
    corpus = open_corpus(tmp_path)
    assert texts(corpus) == [PROSE, PROSE + "b"] and corpus.bytes == 2 * len(PROSE) + 1
    assert {note for note in corpus.notes if "left out" in note} == {
        "c.png: this is not a text but a PNG image; left out",
        "empty.txt: it is empty; left out",
    }
    assert texts(open_corpus(str(tmp_path / "**" / "*.txt"))) == [PROSE, PROSE + "b"]
    both = open_corpus([tmp_path / "a.txt", str(tmp_path / "deep")])
    assert len(texts(both)) == 2 and both.name == "2 files"
    put(tmp_path / "titles.txt", TITLES)
    assert open_corpus(tmp_path).form == "text", "the smaller part follows the larger one"


def test_stdin_is_read_once_and_iterated_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TITLES.encode())))
    corpus = open_corpus("-")
    assert texts(corpus) == texts(corpus) == TITLES.splitlines()


@pytest.fixture
def web() -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/away":
                self.send_response(302)
                self.send_header("Location", "ftp://127.0.0.1/x")
                self.end_headers()
                return
            found = self.path == "/a.csv"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(b"id,text\n1,hello\n2,there\n" if found else b"")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_addresses(web: str, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = open_corpus(f"{web}/a.csv")
    assert texts(corpus) == texts(corpus) == ["hello", "there"] and corpus.name == "a.csv"
    with pytest.raises(ParrotletError, match="answers 404"):
        open_corpus(f"{web}/b.csv")
    with pytest.raises(ParrotletError, match="only http and https"):
        open_corpus(f"{web}/away")
    for wrong in ("ftp://a/b.txt", "file:///etc/hosts"):
        with pytest.raises(UsageError, match="only http and https"):
            open_corpus(wrong)
    with pytest.raises(ParrotletError, match="offline"):
        open_corpus("http://127.0.0.1:9/a.txt")
    monkeypatch.setattr(web_pages.download, "__defaults__", (10,))
    with pytest.raises(ParrotletError, match="sends more than"):
        open_corpus(f"{web}/a.csv")


def test_named_corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus = open_corpus("manual")
    assert corpus.form == "text" and len(texts(corpus)[0]) > 300_000 and corpus.name == "manual"
    for name, named in NAMED.items():
        assert len(named.sha256) == 64 and named.url.startswith("https://") and named.licence, name
    pytest.importorskip("pooch")
    monkeypatch.setenv("PARROTLET_DATA", str(tmp_path))
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda *_, **__: str(tmp_path / "cache"))
    monkeypatch.setattr("parrotlet.corpus.web.download", _offline)
    with pytest.raises(ParrotletError, match=r"'nietzsche' is not on this machine, and .* offline"):
        open_corpus("nietzsche")
    monkeypatch.setattr("parrotlet.corpus.web.download", lambda url, to, most: to.write(b"another text"))
    with pytest.raises(ParrotletError, match="sha256"):
        open_corpus("nietzsche")


def _offline(url: str, *_: object, **__: object) -> None:
    raise ParrotletError(f"{url}: can not be fetched; are you offline?")


@needs_data
@pytest.mark.parametrize("name", NAMED)
def test_named_corpora_at_hand(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parrotlet.corpus.web.download", _offline)
    if not (Path(DATA or "") / NAMED[name].path).exists():
        pytest.skip(f"{NAMED[name].path} is not in PARROTLET_DATA")
    corpus = open_corpus(name)
    assert corpus.name == name and corpus.bytes == NAMED[name].bytes and any(corpus.documents())


# ---- bad input: one clear line


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("empty.txt", b"", "empty.txt: it is empty"),
        ("blank.txt", b" \n\n \n", "blank.txt: it is empty (blanks only)"),
        ("empty.csv", b"\n", "empty.csv: it is empty"),
        ("empty.json", b"[]", "empty.json: it is empty"),
        ("head.csv", b"id,text\n", "head.csv: the table has a header but no rows"),
        ("a.txt", b"PK\x03\x04\x14\0\0\0\x08\0", "a.txt: this is not a text but a zip archive"),
        ("a.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a.csv: this is not a text but a PNG image"),
        ("a.safetensors", (90).to_bytes(8, "little") + b'{"w":{}}' + b"\0\1\2" * 30, "this is not a text but a binary"),
        ("noise.txt", bytes(range(256)) * 40, "this is not a text but a binary file"),
    ],
)
def test_bad_files(name: str, content: bytes, line: str, tmp_path: Path) -> None:
    path = put(tmp_path / name, content)
    with pytest.raises(ParrotletError) as caught:
        texts(open_corpus(path))
    assert line in str(caught.value) and "\n" not in str(caught.value)


def test_an_array_that_is_named_as_lines(tmp_path: Path) -> None:
    path = put(tmp_path / "a.jsonl", json.dumps([{"text": "one"}, {"text": "two"}]))
    with pytest.raises(ParrotletError, match=r"a\.jsonl: its first line is an array of records"):
        open_corpus(path)
    assert texts(open_corpus(put(tmp_path / "b.jsonl", '["one", "two"]\n["three", "four"]'))) == ["one", "three"]


def test_a_list_of_objects_is_no_text(tmp_path: Path) -> None:
    corpus = open_corpus(put(tmp_path / "a.jsonl", '{"text": [{"a": 1}]}\n{"text": ["b", {"a": 1}]}\n'))
    assert texts(corpus) == ["b"] and any("1 record" in note for note in corpus.notes)


def test_a_cell_that_is_too_large_is_told_with_its_file(tmp_path: Path) -> None:
    path = put(tmp_path / "big.csv", "a,b\n" + "x" * (1 << 24) + "x,y\n")
    with pytest.raises(ParrotletError, match=r"^\S*big\.csv: the row at line 2"):
        open_corpus(path)


def test_bad_calls(tmp_path: Path) -> None:
    put(tmp_path / "nietzsche.txt", PROSE)
    with pytest.raises(ParrotletError, match=r"did you mean '.*nietzsche.txt'"):
        open_corpus(tmp_path / "nietzche.txt")
    with pytest.raises(ParrotletError, match="did you mean 'shakespeare'"):
        open_corpus("shakespere")
    with pytest.raises(ParrotletError, match="no such folder"):
        open_corpus(tmp_path / "no" / "a.txt")
    with pytest.raises(ParrotletError, match="no file fits"):
        open_corpus(str(tmp_path / "*.doc"))
    with pytest.raises(UsageError, match="did you mean 'koi8-r'"):
        open_corpus(tmp_path / "nietzsche.txt", CorpusSettings(encoding="koi8-x"))
    for codec in ("rot13", "base64", "idna"):
        with pytest.raises(UsageError, match="is not known"):
            open_corpus(tmp_path / "nietzsche.txt", CorpusSettings(encoding=codec))
    with pytest.raises(UsageError, match="no source"):
        open_corpus([])


def test_python_lists() -> None:
    corpus = from_texts(iter(["one\r\n", " ", "two"]))
    assert texts(corpus) == texts(corpus) == ["one\n", "two"] and corpus.bytes is None
    assert corpus.notes == ["texts: 1 blank text left out"]
    for wrong in ("a text", [1]):
        with pytest.raises(UsageError):
            from_texts(wrong)  # type: ignore[arg-type]
    with pytest.raises(ParrotletError):
        from_texts([])


POSTS = """author,text
A,"Read this &amp; that: https://t.co/abc"
B,@you .@me hello there #fun
A,RT @you: no
B,https://t.co/x
A,"mail a@b.de, 5 #1 &lt;3"
"""


@pytest.mark.parametrize(
    ("clean", "wanted"),
    [
        (("links",), ["Read this &amp; that:", "@you .@me hello there #fun", "RT @you: no", "mail a@b.de, 5 #1 &lt;3"]),
        (
            ("entities", "links", "retweets"),
            ["Read this & that:", "@you .@me hello there #fun", "mail a@b.de, 5 #1 <3"],
        ),
        (
            ("mentions", "hashtags", "links", "retweets", "entities"),
            ["Read this & that:", "hello there", "mail a@b.de, 5 <3"],
        ),
    ],
)
def test_posts_are_cleaned(tmp_path, clean, wanted):
    (tmp_path / "posts.csv").write_text(POSTS, encoding="utf-8")
    settings = CorpusSettings(column="text", labels=("author",), clean=clean)
    corpus = open_corpus([tmp_path / "posts.csv"], settings)
    found = [(document.text, document.labels["author"]) for document in corpus.documents()]
    assert [text for text, _ in found] == wanted and found[0][1] == "A"
    assert any("1 document of nothing but links and the like left out" in note for note in corpus.notes)
    assert any("1 retweet left out" in note for note in corpus.notes) == ("retweets" in clean)


def test_the_last_line_needs_no_line_end(tmp_path):
    """Else it would be a long text, which is neither left out nor looked at for retweets."""
    for ending in ("RT @y last retweet", "   "):
        (tmp_path / "posts.txt").write_text("one post here\n" * 20 + ending, encoding="utf-8")
        corpus = open_corpus([tmp_path / "posts.txt"], CorpusSettings(form="lines", clean=("retweets",)))
        assert [document.text for document in corpus.documents()] == ["one post here"] * 20


def test_what_is_not_cleaned_out_of_a_long_text_is_told(tmp_path):
    (tmp_path / "long.txt").write_text("RT @y no post\n" * 50, encoding="utf-8")
    notes = open_corpus([tmp_path / "long.txt"], CorpusSettings(form="text", clean=("retweets",))).notes
    assert any("retweets are left out of short documents only" in note for note in notes)
    assert not any("without" in note for note in notes)


def test_a_long_text_is_cleaned_piece_by_piece_and_as_often_as_wanted(tmp_path):
    (tmp_path / "long.txt").write_text("see https://a.b/c for more &amp; so\n" * 50, encoding="utf-8")
    corpus = open_corpus([tmp_path / "long.txt"], CorpusSettings(form="text", clean=("links", "entities")))
    for _ in range(2):
        (document,) = corpus.documents()
        assert document.text == "see for more & so\n" * 50
