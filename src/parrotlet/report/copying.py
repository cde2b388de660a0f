"""A source and a text come in; how long the spans are that the text copies of the source, and how much, goes out.

The longest span that both share is found exactly: whether they share one of n characters is monotone in n, so n is
searched by doubling and halving, and only those places of the source are looked at again where a shorter span was
found. Spans are compared by their 64-bit hashes (see ``novelty``). In both strings a separator stands where no span may
run across: between two documents, and where something was left out.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from parrotlet.novelty import BASE, BLOCK, INVERSE, Hashes, powers, prefix_sums, span_hashes

# Noncharacters, which no text holds; two of them, so that no span with one in it is ever found.
SOURCE_SEPARATOR, TEXT_SEPARATOR = "\U0010ffff", "\U0010fffe"
LONG = 21  # characters: a span of more than 20 counts as copied
LONGEST = 2000  # characters: a longer span counts as one of this length
BUCKETS = 20  # bits of the table that sorts out most of the source's spans
SHIFT = np.uint64(64 - BUCKETS)

Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]


class Copies:
    """Knows which spans of ``text`` stand in ``source``."""

    def __init__(self, source: str, text: str) -> None:
        bases = powers(BASE, max(len(source), len(text)))
        self._inverses = powers(INVERSE, max(len(source), len(text)))
        self._source, self._text = prefix_sums(source, bases), prefix_sums(text, bases)
        self._shared: dict[int, Flags] = {}
        self._places: dict[int, Places] = {}

    def longest(self, start: int, stop: int) -> int:
        """The length of the longest span of text[start:stop] that stands in the source; at most LONGEST."""
        most = min(stop - start, LONGEST)
        low, high = 0, LONG
        while high <= most and self._any(high, start, stop):
            low, high = high, 2 * high
        high = min(high, most + 1)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._any(middle, start, stop) else (low, middle)
        return low

    def covered(self, start: int, stop: int) -> int:
        """How many characters of text[start:stop] stand in copied spans of at least LONG characters."""
        begins = self.shared(LONG)[start : max(start, stop - LONG + 1)].astype(np.int64)
        inside = np.cumsum(np.append(begins, np.zeros(LONG - 1, np.int64)))  # spans begun so far
        inside[LONG:] -= inside[:-LONG].copy()
        return int((inside > 0).sum())

    def _any(self, n: int, start: int, stop: int) -> bool:
        return bool(self.shared(n)[start : stop - n + 1].any())

    def shared(self, n: int) -> Flags:
        """Whether the span of ``n`` characters that begins at each place of the text stands in the source: (T,)."""
        if n not in self._shared:
            self._shared[n] = self._look_up(n)
        return self._shared[n]

    def _look_up(self, n: int) -> Flags:
        sums = self._text
        wanted, number = np.unique(span_hashes(sums[:-n], sums[n:], self._inverses), return_inverse=True)
        table = np.zeros(1 << BUCKETS, np.bool_)
        table[wanted >> SHIFT] = True
        found, places = np.zeros(len(wanted), np.bool_), []
        for hashes, at in self._candidates(n):
            likely = np.flatnonzero(table[hashes >> SHIFT])
            index = np.minimum(np.searchsorted(wanted, hashes[likely]), len(wanted) - 1)
            same = wanted[index] == hashes[likely]
            found[index[same]] = True
            places.append(at[likely[same]])
        self._places[n] = np.concatenate(places)
        return found[number]

    def _candidates(self, n: int) -> Iterator[tuple[Hashes, Places]]:
        """The hashes of the source's spans of ``n`` characters that may be shared, and where they stand."""
        sums, inverses = self._source, self._inverses
        shorter = max((length for length in self._places if length < n), default=None)
        last = max(0, len(sums) - n)  # places at which a span may begin
        if shorter is None:
            for start in range(0, max(1, last), BLOCK):
                stop = min(start + BLOCK, last)
                yield (
                    span_hashes(sums[start:stop], sums[start + n : stop + n], inverses[start:]),
                    np.arange(start, stop),
                )
        else:
            places = self._places[shorter]
            places = places[places < last]
            yield span_hashes(sums[places], sums[places + n], inverses[places]), places
