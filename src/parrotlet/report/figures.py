"""A text comes in; how much it repeats itself, how varied it is and which words it is made of goes out as numbers."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from itertools import pairwise

from parrotlet.tokenizers.clusters import pattern

# A word: letters with their marks, and apostrophes between them, of a script that puts blanks between its words.
UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
WORD = rf"[[\p{{L}}\p{{M}}]--[{UNSPACED}]]+(?:['’][[\p{{L}}\p{{M}}]--[{UNSPACED}]]+)*+"
LETTER = r"\p{L}"
SAMPLE = 100_000  # characters in which letters are counted
# Where words are what a text is made of: most letters stand in them, they are not single letters, and most that occur
# do so again (of names in a list they do not: there a new one is what is wanted).
LEAST_IN_WORDS, LEAST_LENGTH, LEAST_AGAIN = 0.5, 2.0, 0.5


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, in order."""
    found: list[str] = pattern(WORD).findall(text.lower())
    return found


def count_words(text: str) -> Counter[str]:
    """How often each word occurs; faster than listing them, since what stands between blanks is looked at once."""
    counts: Counter[str] = Counter()
    for piece, times in Counter(text.lower().split()).items():
        for word in pattern(WORD).findall(piece):
            counts[word] += times
    return counts


def made_of_words(text: str, counts: Counter[str]) -> bool:
    """Whether words are what this text is made of, given the counts of its words."""
    total = counts.total()
    if not total:
        return False
    start = text[:SAMPLE]
    letters = len(pattern(LETTER).findall(start))
    in_words = sum(map(len, words_of(start)))
    again = sum(times for times in counts.values() if times > 1)
    length = sum(len(word) * times for word, times in counts.items()) / total
    return in_words >= LEAST_IN_WORDS * letters and length >= LEAST_LENGTH and again >= LEAST_AGAIN * total


def repetition(pieces: Iterable[Sequence[Hashable]], n: int) -> float | None:
    """The share of n-grams that stood in their piece before, averaged over the pieces; None where none has one.

    This is seq-rep-n of Welleck et al. 2019 (https://arxiv.org/abs/1908.04319): 1 - different n-grams / all n-grams.
    """
    return _mean([1 - different(piece, n) / (len(piece) - n + 1) for piece in pieces if len(piece) >= n])


def distinct(pieces: Iterable[Sequence[Hashable]], n: int) -> float | None:
    """The number of different n-grams of a piece over its length, averaged over the pieces; None where none has one.

    This is distinct-n of Li et al. 2016 (https://aclanthology.org/N16-1014).
    """
    return _mean([different(piece, n) / len(piece) for piece in pieces if len(piece) >= n])


def different(piece: Sequence[Hashable], n: int) -> int:
    """How many different n-grams there are."""
    return len(set(zip(*(piece[start:] for start in range(n)), strict=False)))


def cut(text: str, size: int) -> list[str]:
    """A text in pieces of one size; a rest is left out."""
    return [text[start:end] for start, end in pairwise(range(0, len(text) + 1, size))]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
