"""Tunes, chords and pen strokes: read from their files, written by models, played and drawn by kept tools."""

import shutil
import struct
from pathlib import Path

import pytest

from parrotlet.cli import main
from parrotlet.corpus import open_corpus
from parrotlet.corpus.tunes import tune_of
from parrotlet.errors import ParrotletError
from parrotlet.outputs import output_for, write_midi, write_sheet, write_tunes
from parrotlet.outputs.drawings import strokes_of
from parrotlet.outputs.music import faults, tune_book
from parrotlet.settings import CorpusSettings

TUNE = "T:A Walk\nM:2/4\nL:1/8\nK:D\nA2|:d2 f2|a2 f2|e4:|"
BOOK = """% a comment
X: 7
T:A Walk
% another
S:somebody
M: 2/4
L:1/8
K:D
A2|:d2 f2|\\
a2 f2|e4:| % the end
w: words are left out

X:8
T:No key
abc

X:9
T:Two
K:G
g2 g2|\\
M:3/4
a3|
X:10
T:Three
K:C
c2|"""
abc2midi = pytest.mark.skipif(shutil.which("abc2midi") is None, reason="abc2midi is not installed")


def tunes(path, text, **settings):
    path.write_text(text, encoding="utf-8")
    corpus = open_corpus([path], CorpusSettings(**settings))
    return [document.text for document in corpus.documents()], corpus


def test_a_book_of_tunes_is_read_tune_by_tune(tmp_path):
    found, corpus = tunes(tmp_path / "book.abc", BOOK)
    assert found == [TUNE, "T:Two\nK:G\ng2 g2|\nM:3/4\na3|", "T:Three\nK:C\nc2|"]
    assert corpus.form == "lines" and any("a tune in ABC notation a document" in note for note in corpus.notes)
    assert any("1 part without a key and notes left out" in note for note in corpus.notes)
    (whole,), _ = tunes(tmp_path / "book.abc", BOOK, form="text")
    assert whole == BOOK


@pytest.mark.parametrize("text", ["", "T:x\nK:C", "abc|", "K:C\n% c2|", "X:1\n\\"])
def test_what_is_no_tune_is_none(text):
    assert tune_of(text.split("\n")) is None


def test_tunes_that_were_written_read_back(tmp_path):
    write_tunes([TUNE, "X:3\nT:Two\n\nK:G\ng2|"], tmp_path / "out.abc")
    found, _ = tunes(tmp_path / "again.abc", (tmp_path / "out.abc").read_text(encoding="utf-8"))
    assert found == [TUNE, "T:Two\nK:G\ng2|"]
    assert tune_book(["K:C\nc", "T:a\n X:9\nK:C\nabc"]) == "X:1\nK:C\nc\n\nX:2\nT:a\nK:C\nabc\n"


@abc2midi
def test_tunes_are_played(tmp_path):
    assert faults(TUNE) == [] and faults("T:x\nK:D\nA2|:d2 (((f2|[a2|")
    assert write_midi([TUNE], tmp_path / "tune.mid") == []
    assert (tmp_path / "tune.mid").read_bytes()[:4] == b"MThd"
    write_midi([TUNE, TUNE], tmp_path / "both.mid")
    assert {path.name for path in tmp_path.glob("both*")} == {"both-1.mid", "both-2.mid"}


def test_without_abc2midi_it_is_told_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ParrotletError, match="not installed: apt install abcmidi"):
        write_midi([TUNE], tmp_path / "tune.mid")


def test_chords_sound_as_they_are_written(tmp_path):
    mido = pytest.importorskip("mido")
    write_midi(["60.64.67 62.65\n60"], tmp_path / "chords.mid")
    sounding, heard, now = set(), [], 0
    file = mido.MidiFile(tmp_path / "chords.mid")
    for message in file.tracks[0]:
        if message.time:
            heard.append((message.time, frozenset(sounding)))
            now += message.time
        if message.type == "note_on":
            sounding.add(message.note)
        elif message.type == "note_off":
            sounding.remove(message.note)
    quarter = file.ticks_per_beat
    assert heard == [(quarter, {60, 64, 67}), (quarter, {62, 65}), (quarter, {60})] and now == 3 * quarter
    assert not sounding


def test_one_bad_text_does_not_lose_the_others(tmp_path):
    pytest.importorskip("mido")
    told = write_midi(["60.64.67", "60.64 x9", "62"], tmp_path / "x.mid")
    assert told == ["x-2.mid: left out: 'x9' is no chord: pitches from 0 to 127 joined by points, such as 60.64.67"]
    assert {path.name for path in tmp_path.iterdir()} == {"x-1.mid", "x-3.mid"}


@pytest.mark.parametrize("text", ["60.128", "a", "60.", "60,64", "1000"])
def test_what_is_no_chord_is_one_clear_line(text, tmp_path):
    with pytest.raises(ParrotletError, match="is no chord: pitches from 0 to 127"):
        write_midi([text], tmp_path / "x.mid")
    with pytest.raises(ParrotletError, match="nothing to play"):
        write_midi([" "], tmp_path / "x.mid")


def test_strokes_are_points_and_lifts():
    assert strokes_of("1,2,0 3,-1,1 5,5,1 0.5,0,0") == [[(1, 2), (4, 1)], [(9, 6)], [(9.5, 6)]]
    assert strokes_of(" ") == []
    for wrong in ("1,2", "a,b,1", "1,2,3", "1e9,0,0", "nan,0,0", "1,2,0,0"):
        with pytest.raises(ParrotletError, match="is no move of a pen"):
            strokes_of(wrong)


def test_a_stroke_of_one_point_is_a_dot(tmp_path):
    image = pytest.importorskip("matplotlib.image")
    write_sheet(["0,0,1", "5,5,1 3,3,1"], tmp_path / "dots.png")
    assert (image.imread(tmp_path / "dots.png")[..., :3] < 0.5).any()


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_a_sheet_has_a_drawing_for_each_text(tmp_path, suffix):
    pytest.importorskip("matplotlib")
    square = "0,0,0 9,0,0 0,9,0 -9,0,0 0,-9,1"
    told = write_sheet([square] * 9 + ["no,thing"], tmp_path / f"sheet{suffix}")
    assert len(told) == 1 and "1 of 10 texts are no drawing and left out: 'no,thing'" in told[0]
    data = (tmp_path / f"sheet{suffix}").read_bytes()
    if suffix == ".svg":
        assert data.count(b"stroke-linecap: round") >= 9
    else:
        width, height = struct.unpack(">II", data[16:24])
        assert width > height > 200  # four beside one another, in three rows
    with pytest.raises(ParrotletError, match="there is nothing to draw"):
        write_sheet(["x"], tmp_path / f"none{suffix}")


def test_other_files_are_texts():
    assert output_for("a.txt") is None and output_for("a") is None and output_for("A.SVG") is write_sheet


MODEL = Path(__file__).parent / "fixtures" / "format1.safetensors"


def test_the_command_makes_them(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert main(["generate", str(MODEL), "-n", "3", "--seed", "1", "-o", str(tmp_path / "x.abc")]) == 0
    assert (tmp_path / "x.abc").read_text(encoding="utf-8").count("X:") == 3
    assert main(["generate", str(MODEL), "-n", "3", "--seed", "1", "-o", str(tmp_path / "x.svg")]) == 1
    said = capsys.readouterr()
    assert "there is nothing to draw: '" in said.err and said.out.count("-----") >= 3  # what was written is not lost
    assert main(["generate", str(MODEL), "-o", str(tmp_path / "no" / "x.svg")]) == 1
    assert "there is no folder" in capsys.readouterr().err
    assert main(["generate", str(MODEL), "--seed", "1", "--json", "-o", str(tmp_path / "x.svg")]) == 2
    assert "--json writes text" in capsys.readouterr().err and not (tmp_path / "x.svg").exists()
