"""Texts of usual length: from each part of the learned lengths equally many, the same ones whatever their number."""

from itertools import pairwise

import numpy as np
import pytest

from parrotlet.errors import UsageError
from parrotlet.lengths import AT_ONCE, DRAFTS_EACH, of_usual_length
from parrotlet.writing import Text

BORDERS = (2, 4, 6, 10, 30)  # four parts


class Drafting:
    """Texts whose lengths are drawn around a mean that is not the learned one; some of them are cut off."""

    def __init__(self, mean=12.0, most=31):
        self.written, self.mean, self.most = 0, mean, most

    def __call__(self, numbers):
        self.written += len(numbers)
        lengths = [np.random.default_rng(number).geometric(1 / self.mean) for number in numbers]
        return [self.text(number, length) for number, length in zip(numbers, lengths, strict=True)]

    def text(self, number, length):
        cut = length > self.most
        return Text(f"text {number}", self.most if cut else length + 1, 0, "length" if cut else "stop")


def lengths_of(texts):
    return [text.tokens - 1 for text in texts]


def test_each_part_of_the_learned_lengths_gets_its_share():
    lengths = np.array(lengths_of(of_usual_length(Drafting(), 400, BORDERS, 0, 1000, 3)))
    for least, longest in pairwise(BORDERS):
        inside = int(((lengths >= least) & (lengths <= longest)).sum())
        assert 100 <= inside <= 200  # a length on a border belongs to two parts
    assert lengths.min() >= BORDERS[0] and lengths.max() <= BORDERS[-1]


def test_no_draft_is_taken_twice_and_none_that_was_cut_off():
    texts = of_usual_length(Drafting(), 300, BORDERS, 0, 1000, 1)
    assert len({text.text for text in texts}) == 300 and all(text.finish == "stop" for text in texts)


@pytest.mark.parametrize("fewer", [1, 7, 64])
def test_the_first_texts_are_the_same_for_every_number(fewer):
    many = of_usual_length(Drafting(), 200, BORDERS, 0, 1000, 5)
    assert of_usual_length(Drafting(), fewer, BORDERS, 0, 1000, 5) == many[:fewer]
    assert of_usual_length(Drafting(), 64, BORDERS, 0, 1000, 6) != many[:64]


def test_where_no_draft_fits_the_nearest_is_taken_after_so_many():
    drafting = Drafting(mean=1.0)  # every text is one token long
    texts = of_usual_length(drafting, 20, BORDERS, 0, 1000, 0)
    assert lengths_of(texts) == [1] * 20
    assert drafting.written <= AT_ONCE + DRAFTS_EACH * 20 + AT_ONCE
    assert len(of_usual_length(lambda numbers: [drafting.text(n, 99) for n in numbers], 3, BORDERS, 0, 1000, 0)) == 3


def test_the_prompt_counts_and_parts_that_are_too_long_are_left_out():
    lengths = lengths_of(of_usual_length(Drafting(), 100, BORDERS, 3, 1000, 0))
    assert min(lengths) >= 1 and max(lengths) <= BORDERS[-1] - 3 and np.mean([each <= 7 for each in lengths]) > 0.7
    assert max(lengths_of(of_usual_length(Drafting(), 100, BORDERS, 0, 5, 0))) <= 6
    before = BORDERS[2]
    late = lengths_of(of_usual_length(Drafting(), 100, BORDERS, before, 1000, 0))
    shares = [sum(low < before + each <= high for each in late) for low, high in pairwise(BORDERS[2:])]
    assert min(shares) > 20  # none goes to parts whose texts are shorter than the prompt


def test_too_many_are_refused():
    with pytest.raises(UsageError, match="n must be 10000 at most, not 10001"):
        of_usual_length(Drafting(), 10_001, BORDERS, 0, 1000, 0)
