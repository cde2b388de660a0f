"""Half-bytes: a character without an id comes in, two ids for each of its UTF-8 bytes go out, and back.

Sixteen ids are enough to write any text. They are the ids 0 to 15 and shown as <0> to <f>.
"""

import codecs
from collections.abc import Sequence

import numpy as np

from parrotlet.tokenizers.protocol import IdArray

HALF_BYTES = 16
UNKNOWN = -1  # stands in an id array where a symbol has no id


def half_byte_name(half: int) -> str:
    """<0> to <f>."""
    return f"<{half:x}>"


def half_bytes(data: bytes) -> IdArray:
    """Two ids for each byte, the high half first: (n,) bytes → (2n,) ids."""
    array = np.frombuffer(data, dtype=np.uint8)
    return np.stack((array >> 4, array & 15), axis=-1).reshape(-1).astype(np.int64)  # (2n,)


def spelt_out(ids: IdArray, spellings: Sequence[bytes]) -> IdArray:
    """Ids in which each UNKNOWN, in order, is replaced by the half-bytes of its spelling: (T,) → (T + more,)."""
    return put_in(ids, [2 * len(spelling) for spelling in spellings], half_bytes(b"".join(spellings)))


def put_in(ids: IdArray, lengths: Sequence[int], spellings: IdArray) -> IdArray:
    """Ids in which each UNKNOWN, in order, is replaced by the next of the joined spellings, which are so long."""
    repeats = np.ones(len(ids), dtype=np.int64)
    repeats[ids == UNKNOWN] = lengths
    longer = np.repeat(ids, repeats)  # (T + more,)
    longer[longer == UNKNOWN] = spellings
    return longer


class HalfByteReader:
    """Half-bytes one by one → text as soon as a code point is whole; U+FFFD for what is not UTF-8."""

    __slots__ = ("_bytes", "_high")

    def __init__(self) -> None:
        self._high: int | None = None
        self._bytes = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, half: int) -> str:
        """What this half-byte decides."""
        if self._high is None:
            self._high = half
            return ""
        byte, self._high = self._high << 4 | half, None
        return self._bytes.decode(bytes((byte,)))

    def flush(self) -> str:
        """Ends the spelling: a half-byte without its partner counts as a byte that UTF-8 never has."""
        alone, self._high = self._high is not None, None
        return self._bytes.decode(b"\xff" if alone else b"", True)
