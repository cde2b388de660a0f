"""Texts of tunes or chords come in; books of tunes and MIDI files go out, made by tools that are kept elsewhere."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from parrotlet.container import write_atomically
from parrotlet.corpus.tunes import FIELD
from parrotlet.errors import ParrotletError

CHORD = re.compile(r"\d{1,3}(?:\.\d{1,3})*")
PITCHES = range(128)
VOICE, LOUDNESS = 19, 80  # General MIDI's church organ; of 127
TEMPO = 600_000  # microseconds of a quarter note: 100 a minute
SECONDS = 60  # that a tool may take
MOST_FILES = 1000


def tune_book(texts: Sequence[str]) -> str:
    """Tunes in ABC notation, numbered from 1, an empty line between two."""
    return "\n".join(f"X:{number}\n{_body(text)}\n" for number, text in enumerate(texts, 1))


def _body(text: str) -> str:
    """A tune's lines, none empty (it would end the tune) and none that numbers it."""
    lines = (line.strip() for line in text.split("\n"))
    return "\n".join(line for line in lines if line and not line.startswith("X:"))


def write_tunes(texts: Sequence[str], path: Path) -> list[str]:
    """A book of tunes (.abc)."""
    write_atomically(path, [tune_book(texts).encode()])
    return []


def faults(tune: str) -> list[str]:
    """What abc2midi finds wrong with a tune; none where it plays. ParrotletError where abc2midi is not installed."""
    with tempfile.TemporaryDirectory() as folder:
        return _played(tune, Path(folder) / "tune.mid")


def write_midi(texts: Sequence[str], path: Path) -> list[str]:
    """A MIDI file for each text: of tunes in ABC notation, or of chords such as 60.64.67, a quarter note each.

    Texts that can not be played are told and left out; ParrotletError where none can, or a tool is missing.
    """
    if len(texts) > MOST_FILES:
        raise ParrotletError(f"{len(texts)} texts are more MIDI files than the {MOST_FILES} that are made at once")
    if not texts:
        raise ParrotletError("there is no music to save: no text was written")
    places = [path] if len(texts) == 1 else [path.with_stem(f"{path.stem}-{n}") for n in range(1, len(texts) + 1)]
    notes, wrong = [], []
    for text, place in zip(texts, places, strict=True):
        try:
            data, found = _sound(text)
        except Unplayable as error:
            wrong.append(f"{place.name}: left out: {error}")
            continue
        write_atomically(place, [data])
        notes += [f"{place.name}: {fault}" for fault in found[:1]]
    if len(wrong) == len(texts):
        raise ParrotletError(wrong[0])
    return [*notes, *wrong]


class Unplayable(ParrotletError):
    """A text that is no music; others may be."""


def _sound(text: str) -> tuple[bytes, list[str]]:
    """A text as MIDI, and what is wrong with it all the same."""
    if not any((field := FIELD.match(line.strip())) and field[1] == "K" for line in text.split("\n")):
        return _chords(text), []
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "tune.mid"
        found = _played(text, made)
        if not made.is_file():
            raise Unplayable(f"abc2midi made nothing of a tune: {found[0] if found else 'no notes'}")
        return made.read_bytes(), found


def _played(tune: str, target: Path) -> list[str]:
    """Runs abc2midi; the errors that it tells, without their place in the file."""
    program = shutil.which("abc2midi")
    if program is None:
        raise ParrotletError("tunes become MIDI by abc2midi, which is not installed: apt install abcmidi (or an .abc)")
    source = target.with_suffix(".abc")
    source.write_text(tune_book([tune]), encoding="utf-8")
    try:
        done = subprocess.run(
            [program, str(source), "-o", str(target)], capture_output=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return [f"abc2midi took more than {SECONDS} seconds"]
    told = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    errors = [line.partition(" : ")[2] or line for line in told if line.startswith("Error")]
    return errors or ([] if done.returncode == 0 and target.is_file() else ["abc2midi made nothing of it"])


def _chords(text: str) -> bytes:
    """Chords between blanks as a MIDI file: each sounds for a quarter note."""
    chords = []
    for word in text.split():
        pitches = [int(pitch) for pitch in word.split(".")] if CHORD.fullmatch(word) else []
        if not pitches or any(pitch not in PITCHES for pitch in pitches):
            raise Unplayable(f"{word[:40]!r} is no chord: pitches from 0 to 127 joined by points, such as 60.64.67")
        chords.append(sorted(set(pitches)))
    if not chords:
        raise Unplayable("there is nothing to play: no chord was written")
    try:
        import mido
    except ModuleNotFoundError:
        raise ParrotletError("chords become MIDI by mido: pip install 'parrotlet[music]'") from None
    file = mido.MidiFile()
    track = mido.MidiTrack()
    file.tracks.append(track)
    track.append(mido.MetaMessage("set_tempo", tempo=TEMPO))
    track.append(mido.Message("program_change", program=VOICE))
    for pitches in chords:
        track += [mido.Message("note_on", note=pitch, velocity=LOUDNESS) for pitch in pitches]
        for place, pitch in enumerate(pitches):
            track.append(mido.Message("note_off", note=pitch, time=0 if place else file.ticks_per_beat))
    with tempfile.TemporaryFile() as made:
        file.save(file=made)
        made.seek(0)
        return made.read()
