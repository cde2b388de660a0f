"""What the training text holds is recognised, however it was cut; what it does not hold is not."""

import numpy as np
import pytest
from fakes import document
from hypothesis import given, settings
from hypothesis import strategies as st

from parrotlet.errors import UsageError
from parrotlet.novelty import BLOCK, Novelty

texts = st.text(alphabet="ab é𝄞", max_size=40)


@settings(max_examples=50, deadline=None)
@given(source=texts, candidate=texts, n=st.integers(1, 6), new=st.integers(0, 40), cut=st.integers(0, 40))
def test_copies_exactly_when_a_span_that_ends_in_the_new_part_stands_in_the_text(
    source: str, candidate: str, n: int, new: int, cut: int
) -> None:
    novelty = Novelty([source[:cut], "", source[cut:]], n)
    ends = range(max(n, len(candidate) - new + 1), len(candidate) + 1)
    assert novelty.copies(candidate, new) == any(candidate[end - n : end] in source for end in ends)


def test_spans_reach_over_the_borders_of_blocks_and_pieces() -> None:
    rng = np.random.default_rng(0)
    source = "".join(chr(97 + letter) for letter in rng.integers(0, 26, BLOCK + 5000))
    for pieces in ([source], [source[: BLOCK - 3], source[BLOCK - 3 : BLOCK + 2], source[BLOCK + 2 :]]):
        novelty = Novelty(pieces, 12)
        for start in (0, BLOCK - 14, BLOCK - 11, BLOCK - 1, BLOCK, len(source) - 12):
            assert novelty.copies(source[start : start + 12], 1)
        # 26^12 spans are possible and 267,000 stand in the text: chance finds one of these in 3 of 10^9 runs
        for _ in range(50):
            assert not novelty.copies("".join(chr(97 + letter) for letter in rng.integers(0, 26, 12)), 1)


class OfDocuments:
    def documents(self) -> list[object]:
        return [document("ABC", "DEF"), document("GHI")]


def test_spans_do_not_run_from_one_document_into_the_next_and_are_normalised() -> None:
    novelty = Novelty.from_corpus(OfDocuments(), str.lower, 4)  # type: ignore[arg-type]
    assert novelty.copies("cdef", 1)
    assert not novelty.copies("defg", 1)
    assert not novelty.copies("CDEF", 1)


@pytest.mark.parametrize("n", [0, -1, 10_001, 2.0, True, "4", None])
def test_a_wrong_length_is_refused(n: object) -> None:
    with pytest.raises(UsageError, match="novel must be a whole number from 1 to 10000"):
        Novelty(["abc"], n)  # type: ignore[arg-type]


def test_a_text_shorter_than_a_span_holds_none() -> None:
    assert not Novelty(["abc"], 4).copies("abcabc", 6)
    assert not Novelty([], 1).copies("a", 1)
