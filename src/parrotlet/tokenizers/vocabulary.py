"""Counting and choosing: pieces of text or lists of tokens come in, the tokens that earn an id go out."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

import numpy as np

from parrotlet.tokenizers.fields import MOST_TOKENS

BATCH = 1 << 20  # characters counted at once
MOST_COUNTED = 1 << 20  # distinct tokens held while counting
LONGEST_LEARNT = 64  # characters; anything longer is no word of a language
FEW = 256  # an alphabet of so many symbols is kept whole


def batches(texts: Iterable[str], normalise: Callable[[str], str]) -> Iterator[str]:
    """Normalised pieces, joined until they are long enough for numpy to pay."""
    waiting: list[str] = []
    length = 0
    for text in texts:
        waiting.append(normalise(text))
        length += len(waiting[-1])
        if length >= BATCH:
            yield "".join(waiting)
            waiting, length = [], 0
    yield "".join(waiting)


def code_points(text: str) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    """The code points of a normalised text, (T,) uint32."""
    return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")


def count_characters(texts: Iterable[str], normalise: Callable[[str], str]) -> dict[str, int]:
    """How often each code point occurs."""
    totals = np.zeros(0x110000, dtype=np.int64)
    for batch in batches(texts, normalise):
        found = np.bincount(code_points(batch))
        totals[: len(found)] += found
    return {chr(code): int(totals[code]) for code in np.flatnonzero(totals)}


def count_tokens(lists: Iterable[Iterable[str]]) -> Counter[str]:
    """How often each token occurs; once too many are held, the rarest are forgotten (memory stays bounded)."""
    counts: Counter[str] = Counter()
    for tokens in lists:
        counts.update(tokens)
        least = 1
        while len(counts) > MOST_COUNTED:
            least *= 2
            counts = Counter({token: count for token, count in counts.items() if count >= least})
    return counts


def chosen(
    counts: Mapping[str, int], size: int | None, min_count: int | None, known: Collection[str] = ()
) -> list[str]:
    """The tokens that get an id, most frequent first, ties by code points; ``known`` ones have theirs already.

    Without ``min_count``: all of them while they are few; otherwise those that occur twice and at least once in a
    million tokens, because a rarer one teaches a network nothing and costs it a row of weights.
    """
    if min_count is None:
        min_count = 1 if len(counts) <= FEW else max(2, sum(counts.values()) // 1_000_000)
    fit = [
        (-count, token)
        for token, count in counts.items()
        if count >= min_count and len(token) <= LONGEST_LEARNT and token not in known
    ]
    room = MOST_TOKENS - FEW - len(known)
    return [token for _, token in sorted(fit)[: min(room, room if size is None else size)]]
