"""The n-gram model that the report card and the bench measure against is a proper and a good one."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parrotlet.report.ngram import FALLBACK, NGram, discounts

STOP = 4
documents = st.lists(st.lists(st.integers(0, 3), max_size=12), min_size=1, max_size=8)


@settings(max_examples=50, deadline=None)
@given(documents, st.lists(st.integers(0, 4), max_size=6), st.integers(1, 5), st.booleans())
def test_distribution_sums_to_one_after_any_context(texts, context, order, closing):
    if not closing and not any(texts):
        return
    distribution = NGram(texts, 5, STOP, order, closing).distribution(context)
    assert distribution.sum() == pytest.approx(1, abs=1e-12)
    assert (distribution > 0).all()


@settings(max_examples=50, deadline=None)
@given(documents, documents, st.integers(1, 5))
def test_bits_are_those_of_the_distributions(texts, others, order):
    model = NGram(texts, 5, STOP, order, closing=True)
    bits, tokens = model.bits(others)
    expected = [
        -np.log2(model.distribution(text[:place])[token])
        for text in others
        for place, token in enumerate([*text, STOP])
    ]
    assert tokens == len(expected)
    assert bits == pytest.approx(sum(expected), rel=1e-9)


def test_a_bigram_model_worked_out_by_hand():
    """Documents "ab" and "aa": the counts are too few to estimate, so 0.5, 1 and 1.5 are taken."""
    model = NGram([[0, 1], [0, 0]], 3, 2, order=2, closing=True)
    unigram_b = (1 - 0.5) / 5 + 0.5 / 3  # before b stands only a; 2.5 of 5 continuations are left to the uniform
    unigram_a = (2 - 1) / 5 + 0.5 / 3  # before a stand <s> and a
    assert model.distribution([0])[1] == pytest.approx((1 - 0.5) / 3 + 0.5 * unigram_b)
    assert model.distribution([])[0] == pytest.approx((2 - 1) / 2 + 0.5 * unigram_a)
    assert model.distribution([1])[0] == pytest.approx(0.5 * unigram_a)  # b was followed by <s> alone


def test_discounts_worked_out_by_hand():
    assert discounts(np.array([1, 1, 1, 1, 2, 2, 3, 4, 9])) == pytest.approx((0.5, 1.25, 1.0))
    assert discounts(np.array([7, 9])) == FALLBACK


def test_higher_orders_foresee_a_text_with_structure():
    random = np.random.default_rng(0)
    following = random.dirichlet(np.full(8, 0.3), size=(8, 8))  # of each pair of tokens
    text = [0, 0]
    for _ in range(20_000):
        text.append(int(random.choice(8, p=following[text[-2], text[-1]])))
    seen, held_out = text[:18_000], text[18_000:]
    per_order = {}
    for order in (1, 2, 3, 5):
        bits, tokens = NGram([seen], 9, 8, order, closing=False).bits([held_out])
        per_order[order] = bits / tokens
    entropy = np.mean([-np.log2(following[a, b, c]) for a, b, c in zip(text, text[1:], text[2:], strict=False)])
    assert per_order[3] < per_order[2] < per_order[1]
    assert per_order[3] == pytest.approx(entropy, rel=0.1)
    assert per_order[5] < per_order[2]


def test_closing_adds_the_end_of_each_document():
    model = NGram([[0, 1], [1, 0]], 3, 2, order=3, closing=True)
    assert model.bits([[0, 1], []])[1] == 4
    without = NGram([[0, 1], [1, 0]], 3, 2, order=3, closing=False)
    assert without.bits([[0, 1], []])[1] == 2


def chi_square(model, written):
    """How far what was written lies from the model's own distributions, in standard deviations of chi-square."""
    counts: dict[tuple[int, ...], Counter[int]] = {}
    context: tuple[int, ...] = ()
    for token in written:
        counts.setdefault(context, Counter())[token] += 1
        context = () if token == model.stop else (*context, token)[-(model.order - 1) :]
    statistic, freedom = 0.0, 0
    for context, found in counts.items():
        # a context that is shorter than the model's reach begins a document
        expected = found.total() * model.distribution(context)
        common = expected >= 5
        observed = np.array([found[token] for token in range(model.vocabulary)])
        for seen, wanted in zip(
            [*observed[common], observed[~common].sum()], [*expected[common], expected[~common].sum()], strict=True
        ):
            statistic += (seen - wanted) ** 2 / max(wanted, 1e-9) if wanted >= 5 else 0.0
        freedom += max(0, int(common.sum()) - (expected[~common].sum() < 5))
    return (statistic - freedom) / np.sqrt(2 * freedom)


@pytest.fixture(scope="module")
def phrases():
    random = np.random.default_rng(3)
    return [random.choice(4, size=random.integers(1, 9), p=[0.5, 0.3, 0.15, 0.05]).tolist() for _ in range(60)]


def test_what_it_writes_is_drawn_from_its_distributions(phrases):
    model = NGram(phrases, 5, STOP, order=3, closing=True)
    assert abs(chi_square(model, islice(model.write(seed=1), 40_000))) < 4
    simpler = NGram(phrases, 5, STOP, order=1, closing=True)
    assert chi_square(model, islice(simpler.write(seed=1), 40_000)) > 20  # the law rejects another model's writing


def test_it_writes_the_same_for_a_seed_and_never_what_is_banned(phrases):
    model = NGram(phrases, 5, STOP, order=4, closing=False)
    first, again, other = (list(islice(model.write(seed), 500)) for seed in (1, 1, 2))
    assert first == again != other and STOP not in first
    assert set(islice(model.write(1, banned=[0, 2]), 500)) == {1, 3}


def test_tokens_by_the_ten_thousand_are_counted_alike(phrases):
    few, many = (NGram(phrases, size, STOP, order=5, closing=True) for size in (5, 70_000))  # packed keys, and not
    assert [level.grams.shape for level in few.levels] == [level.grams.shape for level in many.levels]
    assert many.bits(phrases)[0] == pytest.approx(few.bits(phrases)[0], rel=0.05)


def test_documents_without_tokens_are_refused():
    with pytest.raises(ValueError, match="no tokens"):
        NGram([[], []], 5, STOP, 3, closing=False)
