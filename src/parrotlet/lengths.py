"""Drafts come in, as many as it takes; those go out whose lengths are spread like the lengths of the learned texts.

A network that cannot count ends its texts too early here and too late there, whatever is done to its chances. Each text
that comes out is whole and its own; only which of the drafts are kept is decided here.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from parrotlet.errors import UsageError
from parrotlet.sampling import uniforms
from parrotlet.writing import Text

AT_ONCE = 64  # drafts that are written together
DRAFTS_EACH = 32  # looked at for each text, at most, before the one whose length is nearest will do
MOST_TEXTS = 10_000
CUT_OFF = 1 << 60  # the length of a text that did not end
FIRST_ORDER = 1 << 63  # of the streams of random numbers, the first that no text is drawn from
Drafts = Callable[[range], list[Text]]  # the texts with these numbers


def of_usual_length(drafts: Drafts, n: int, borders: Sequence[int], before: int, most: int, seed: int) -> list[Text]:
    """``n`` texts, in turn one from each part of the learned lengths; the first k are the same for every n.

    ``borders``: the shortest learned length, those between parts of equally many texts, the longest, in tokens (see
    ``Card.lengths``); ``before``: tokens of the prompt; ``most``: the most new ones, so that parts of longer texts are
    left out, as are those of texts shorter than the prompt. Raises UsageError where n is too large.
    """
    if n > MOST_TEXTS:
        raise UsageError(f"usual_lengths: n must be {MOST_TEXTS} at most, not {n}")
    possible = (part for part in pairwise(borders) if part[0] <= before + most and part[1] >= before)
    parts = list(possible) or [(borders[0], borders[1])]
    texts, lengths, used = list[Text](), np.zeros(0, np.int64), np.zeros(0, np.bool_)
    chosen = []
    for number in range(n):
        order = np.argsort(uniforms(seed, FIRST_ORDER + number // len(parts), 0, len(parts)))
        least, longest = parts[order[number % len(parts)]]
        limit = AT_ONCE + DRAFTS_EACH * (number + 1)
        place = None
        while place is None:
            fitting = np.flatnonzero(~used & (least <= lengths) & (lengths <= longest))
            if len(fitting):
                place = int(fitting[0])
            elif len(texts) >= limit:
                place = int(np.where(used, 2 * CUT_OFF, np.abs(lengths - (least + longest) // 2)).argmin())
            else:
                more = drafts(range(len(texts), len(texts) + AT_ONCE))
                texts += more
                lengths = np.append(lengths, [_length(text, before) for text in more])
                used = np.append(used, np.zeros(len(more), np.bool_))
        used[place] = True
        chosen.append(texts[place])
    return chosen


def _length(text: Text, before: int) -> int:
    """Tokens without the closing one; a text that was cut off belongs to no part."""
    return before + text.tokens - 1 if text.finish == "stop" else CUT_OFF
