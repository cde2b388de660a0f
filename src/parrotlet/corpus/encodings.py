"""Bytes of an unknown encoding come in; the encoding's name, and then the text with normalised line ends, come out."""

import codecs
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import regex

from parrotlet.corpus.alphabets import BY_ENCODING, COMMON_BLANKS
from parrotlet.errors import ParrotletError, UsageError, nearest

Open = Callable[[], BinaryIO]

LARGEST_LINE = 1 << 24  # characters, where lines are read whole
BLOCK = 1 << 20
LOOKED_THROUGH = 64 << 20
"""Bytes that are looked through before a text is taken for UTF-8."""

_SAMPLE = 1 << 16
_BOMS = [  # the longer ones first: UTF-32-LE begins like UTF-16-LE
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
]
_SIGNATURES = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"PK\x03\x04": "a zip archive (or an office document); unpack it or save it as plain text",
    b"%PDF": "a PDF; save its text as a .txt file",
    b"\x89HDF": "an HDF5 file",
    b"PAR1": "a parquet table; give it the suffix .parquet",
    b"BZh": "a bzip2 archive; unpack it",
    b"\xfd7zXZ": "an xz archive; unpack it",
    b"\x28\xb5\x2f\xfd": "a zstandard archive; unpack it",
    b"\x7fELF": "a program",
    b"MZ": "a program",
    b"SQLite": "an SQLite database",
}
_CONTROL = regex.compile(r"[\x00-\x07\x0e-\x1a\x1c-\x1f]")
_FOREIGN_RUN = regex.compile(r"[^\W\d_a-zA-Z]+")
_MIXED_CASE = regex.compile(r"\p{Ll}(?![A-Z])\p{Lu}")
_NOT_TEXT = regex.compile(r"[\p{Cn}\p{Cs}\p{Co}]")


@dataclass(frozen=True)
class Encoding:
    """A Python codec's name, the bytes of a byte order mark to skip, and how to tell the user."""

    codec: str
    skip: int = 0
    told: str = ""


def detect(name: str, open_source: Open, wanted: str | None = None) -> Encoding:
    """The encoding of a source, from a sample of it (UTF-8: from its first 64 MiB), or ``wanted``.

    Raises ParrotletError for a binary file and for a byte that breaks UTF-8, UsageError for an unknown name.
    """
    with open_source() as file:
        head = _read(name, file, _SAMPLE)
    if wanted is not None:
        return _given(wanted, head)
    for mark, codec in _BOMS:
        if head.startswith(mark):
            return Encoding(codec, len(mark), f"{codec.removesuffix('-le').removesuffix('-be')} (byte order mark)")
    signature = next((kind for start, kind in _SIGNATURES.items() if head.startswith(start)), None)
    if b"\0" in head:
        return _wide(name, head, signature)
    if signature is not None and _controls(head.decode("latin-1")) > 0.01:
        raise _binary(name, signature)
    sample = _first_that_is_not_utf8(name, open_source)
    if sample is None:
        if _controls(head.decode("utf-8", "ignore")) > 0.1:
            raise _binary(name, signature)
        if regex.search(rb"\x1b\$[@B]", head):
            return Encoding("iso2022_jp", 0, "iso2022_jp (guessed; --encoding decides)")
        return Encoding("utf-8", 0, "utf-8")
    return _legacy(name, sample, signature)


def decoded(name: str, open_source: Open, encoding: Encoding) -> Iterator[str]:
    """The text of a source in blocks, every kind of line end as ``\\n``.

    Raises ParrotletError, with the byte's place, where a byte does not decode; nothing is replaced.
    """
    decoder = codecs.getincrementaldecoder(encoding.codec)()
    line_ends = io.IncrementalNewlineDecoder(None, translate=True)
    with open_source() as file:
        place = len(file.read(encoding.skip))
        while True:
            block = _read(name, file, BLOCK)
            pending = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise _undecodable(name, encoding, error, place - pending) from None
            if "\0" in text:
                raise ParrotletError(f"{name}: it holds the character U+0000, so it is not a text")
            place += len(block)
            text = line_ends.decode(text, final=not block)
            if text:
                yield text
            if not block:
                return


def decoded_lines(name: str, open_source: Open, encoding: Encoding) -> Iterator[str]:
    """The lines of a source without their ends, whole in memory; ParrotletError for one of more than LARGEST_LINE."""
    rest = ""
    for block in decoded(name, open_source, encoding):
        *lines, rest = (rest + block).split("\n")
        yield from lines
        if len(rest) > LARGEST_LINE:
            raise ParrotletError(f"{name}: a line has more than {LARGEST_LINE:,} characters")
    if rest:
        yield rest


def _read(name: str, file: BinaryIO, size: int) -> bytes:
    try:
        return file.read(size)
    except OSError as error:
        raise ParrotletError(f"{name}: can not be read ({error.strerror or error})") from None


def _undecodable(name: str, encoding: Encoding, error: UnicodeDecodeError, start: int) -> ParrotletError:
    byte = error.object[error.start]
    return ParrotletError(
        f"{name}: byte 0x{byte:02X} at offset {start + error.start:,} is not {encoding.codec}; "
        "mend the file or name its encoding (--encoding cp1252)"
    )


def _given(wanted: str, head: bytes) -> Encoding:
    refused = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf-7"}
    try:
        codec = codecs.lookup(wanted).name
        b" ".decode(codec, "ignore")  # LookupError for codecs that do not turn bytes into text
    except (LookupError, ValueError):
        codec = "undefined"
    if codec in refused:
        known = {"utf-8", "utf-16", "utf-16-le", "utf-16-be", "latin-1", *BY_ENCODING}
        raise UsageError(f"encoding {wanted!r} is not known; {nearest(wanted, known)}")
    family = codec.removesuffix("-sig")
    for mark, marked in _BOMS:
        if head.startswith(mark) and marked.startswith(family):
            return Encoding(marked, len(mark), f"{marked} (as told)")
    if family in ("utf-16", "utf-32"):
        family += "-le"
    return Encoding(family, 0, f"{wanted} (as told)")


def _controls(text: str) -> float:
    return len(_CONTROL.findall(text)) / max(1, len(text))


class NotText(ParrotletError):
    """A binary or an empty file: an error where the user names it, passed by and told where it lies in a folder."""


def _binary(name: str, kind: str | None = None) -> NotText:
    return NotText(f"{name}: this is not a text but {kind or 'a binary file'}")


def _wide(name: str, head: bytes, signature: str | None) -> Encoding:
    """UTF-16 or UTF-32 without a mark, told by which reading has plausible characters and common blanks."""
    best, best_share = None, 0.003
    for codec in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        try:
            text = codecs.getincrementaldecoder(codec)().decode(head, final=len(head) < _SAMPLE)
        except UnicodeDecodeError:
            continue
        if not text or _CONTROL.search(text) or len(_NOT_TEXT.findall(text)) > len(text) / 1000:
            continue
        # a text read in the wrong byte order loses its blanks and its ASCII
        share = sum(map(text.count, COMMON_BLANKS)) / len(text) + sum(c.isascii() for c in text) / len(text)
        if share > best_share:
            best, best_share = codec, share
    if best is None or signature is not None:
        raise _binary(name, signature)
    return Encoding(best, 0, f"{best} (guessed; --encoding decides)")


def _first_that_is_not_utf8(name: str, open_source: Open) -> bytes | None:
    """None where the source is UTF-8 as far as it is looked through, else a sample that begins near the trouble.

    A file that is UTF-8 but for a few bytes is an error, not another encoding.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    place, beyond_ascii = 0, 0
    with open_source() as file:
        while place < LOOKED_THROUGH and (block := _read(name, file, BLOCK)):
            if b"\0" in block:
                raise _binary(name)
            pending = decoder.getstate()[0]
            try:
                text = decoder.decode(block)
                beyond_ascii += not text.isascii()
            except UnicodeDecodeError as error:
                data = pending + block
                start = data.rfind(b"\n", 0, error.start) + 1
                data += file.read(_SAMPLE)
                sample = data[start : start + _SAMPLE]
                if beyond_ascii or _mostly_utf8(data[: start + _SAMPLE]):
                    raise _undecodable(name, Encoding("utf-8"), error, place - len(pending)) from None
                return sample
            place += len(block)
        pending = decoder.getstate()[0]
    return pending if pending and place < LOOKED_THROUGH else None


def _mostly_utf8(data: bytes) -> bool:
    text = data.decode("utf-8", "replace")
    broken = text.count("�")
    good = sum(not c.isascii() for c in text) - broken
    return good > 20 * broken


def _legacy(name: str, sample: bytes, signature: str | None) -> Encoding:
    if _controls(sample.decode("latin-1")) > 0.01:
        raise _binary(name, signature)
    scores = {codec: _plausibility(codec, sample) for codec in BY_ENCODING}
    best = max(scores, key=lambda codec: scores[codec])
    if scores[best] < 0.6:
        best = _second_opinion(sample) or ""
    if not best:
        raise ParrotletError(f"{name}: its encoding can not be told; name it (--encoding cp1252)")
    return Encoding(best, 0, f"{best} (guessed; --encoding decides)")


def _plausibility(codec: str, sample: bytes) -> float:
    """How common, in the codec's own languages, the characters beyond ASCII are; about 1 for the right codec."""
    try:
        text = codecs.getincrementaldecoder(codec)().decode(sample, final=len(sample) < _SAMPLE)
    except UnicodeDecodeError:
        return 0.0
    beyond = [character for character in text if character > "\x7f"]
    alphabet = BY_ENCODING[codec]
    if not beyond or _controls(text) > 0.001:
        return 0.0
    letters = sum(character.isalpha() for character in text)
    foreign = sum(character.isalpha() for character in beyond)
    if alphabet.accents and letters > 8 and foreign > 0.35 * letters:
        return 0.0
    if alphabet.words and len(_FOREIGN_RUN.findall(text)) > foreign / 2:
        return 0.0
    if len(_MIXED_CASE.findall(text)) > foreign / 20:  # capitals within words: the letters of another codec
        return 0.0
    return sum(character in alphabet.common for character in beyond) / len(beyond) / alphabet.expected


def _second_opinion(sample: bytes) -> str | None:
    import charset_normalizer

    best = charset_normalizer.from_bytes(sample).best()
    return None if best is None or best.encoding.startswith("utf") else best.encoding
