"""Laws of every rule, of the draw and of the counted random numbers; the compiled rules equal their numpy twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from parrotlet import sampling
from parrotlet.runtime import CompiledRuntime, expected_shapes
from parrotlet.runtime.compiled import compiled_distribution, compiled_uniforms, library
from parrotlet.sampling import RULES, Context, Rules, distribution, draw, repeated_lengths, uniforms
from parrotlet.settings import NetworkSettings

needs_kernel = pytest.mark.skipif(isinstance(library(), str), reason=str(library()))

ACTIVE = {  # settings that make each member of RULES do something
    "bans": {"min_length": 3},
    "repetition": {"repetition_penalty": 1.7},
    "presence_frequency": {"presence_penalty": 0.5, "frequency_penalty": 0.3},
    "dry": {"dry_multiplier": 0.8, "dry_length": 2},
    "temperature": {"temperature": 0.4},
    "softmax": {},
    "top_k": {"top_k": 3},
    "typical": {"typical": 0.6},
    "top_p": {"top_p": 0.7},
    "min_p": {"min_p": 0.2},
}
FILTERS = ("top_k", "typical", "top_p", "min_p")


def toy_runtime(vocabulary: int, level: int | None = None) -> CompiledRuntime:
    network = NetworkSettings(kind="rnn", hidden=4, embedding=2)
    shapes = expected_shapes(network, vocabulary)
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return CompiledRuntime(network, weights, vocabulary, level)


@st.composite
def situations(draw_from: st.DrawFn) -> tuple[np.ndarray, Rules, np.ndarray, int, list[int], int | None]:
    """Logits, rules, history, position, banned ids and stop, of every kind."""
    size = draw_from(st.sampled_from([2, 3, 16, 17, 74, 300]))
    random = np.random.default_rng(draw_from(st.integers(0, 2**32)))
    logits = (random.normal(size=size) * draw_from(st.sampled_from([0.5, 2.0, 6.0]))).astype(np.float32)
    if draw_from(st.booleans()):
        logits = np.round(logits)  # ties
    rules = Rules(
        temperature=draw_from(st.sampled_from([0.0, 0.2, 1.0, 3.0])),
        temperature_cycle=draw_from(st.sampled_from([(), (0.3, 0.0, 1.2)])),
        top_k=draw_from(st.sampled_from([0, 0, 1, 7, 1000])),
        top_p=draw_from(st.sampled_from([1.0, 0.95, 0.5, 0.03])),
        min_p=draw_from(st.sampled_from([0.0, 0.0, 0.07, 1.0])),
        typical=draw_from(st.sampled_from([1.0, 1.0, 0.83, 0.3])),
        repetition_penalty=draw_from(st.sampled_from([1.0, 1.3, 0.6])),
        presence_penalty=draw_from(st.sampled_from([0.0, 0.4, -0.7])),
        frequency_penalty=draw_from(st.sampled_from([0.0, 0.25, -0.125])),
        penalty_window=draw_from(st.sampled_from([0, 5, 64])),
        dry_multiplier=draw_from(st.sampled_from([0.0, 0.8])),
        dry_base=draw_from(st.sampled_from([1.0, 1.75])),
        dry_length=draw_from(st.sampled_from([1, 3, 12])),
        dry_window=draw_from(st.sampled_from([8, 512])),
        min_length=draw_from(st.sampled_from([0, 5])),
    )
    history = random.integers(0, min(size, 3), size=draw_from(st.sampled_from([0, 1, 30, 200])))
    banned = [0] if size > 2 and draw_from(st.booleans()) else []
    stop = draw_from(st.sampled_from([None, 1]))
    return logits, rules, history, draw_from(st.integers(0, 9)), banned, stop


@needs_kernel
@pytest.mark.parametrize("level", [0, 3, 4, 5])
@given(situations())
@settings(max_examples=50, deadline=None)
def test_compiled_rules_equal_their_twins(level: int, situation: tuple) -> None:
    logits, rules, history, position, banned, stop = situation
    expected = distribution(logits, rules, history, position, banned, stop)
    runtime = toy_runtime(len(logits), level)
    found = compiled_distribution(runtime, logits, rules, history, position, np.array(banned, np.int64), stop)
    if np.abs(found - expected).max() > 2e-6:  # a prefix whose mass lies within rounding of the limit may differ
        near = [distribution(logits, nudged(rules, by), history, position, banned, stop) for by in (1 - 3e-6, 1 + 3e-6)]
        assert min(np.abs(found - each).max() for each in near) < 2e-6


def nudged(rules: Rules, by: float) -> Rules:
    return rules.model_copy(update={n: min(1.0, getattr(rules, n) * by) for n in ("top_p", "typical", "min_p")})


@needs_kernel
@pytest.mark.parametrize("name", RULES)
def test_each_compiled_rule_alone_equals_its_twin(name: str) -> None:
    random = np.random.default_rng(5)
    rules, runtime, banned = Rules(**ACTIVE[name]), toy_runtime(74), np.array([3, 9])
    for position in range(200):
        logits = (random.normal(size=74) * 3).astype(np.float32)
        history = random.integers(0, 4, size=40)
        expected = distribution(logits, rules, history, position % 5, banned.tolist(), 7)
        found = compiled_distribution(runtime, logits, rules, history, position % 5, banned, 7)
        assert np.abs(found - expected).max() < 2e-6, (name, position)
        assert (
            name == "softmax"
            or position % 5 > 2
            or not np.allclose(expected, distribution(logits, Rules(), history, 9))
        )


def sums_to_one_and_is_never_empty(rule: sampling.Rule, values: np.ndarray, rules: Rules) -> bool:
    result = rule(values, rules, Context(position=1))
    return bool(result.min() >= 0 and abs(result.sum() - 1) < 1e-9 and not (result[values == 0] > 0).any())


@pytest.mark.parametrize("name", FILTERS)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 5, 80]))
@settings(max_examples=50, deadline=None)
def test_every_filter_keeps_a_distribution(name: str, seed: int, size: int) -> None:
    values = np.random.default_rng(seed).dirichlet(np.full(size, 0.3))
    values /= values.sum()
    for strength in (ACTIVE[name], {name: 1 if name == "top_k" else 1e-9}):
        assert sums_to_one_and_is_never_empty(RULES[name], values, Rules(**strength))


def test_the_law_of_filters_rejects_a_broken_member() -> None:
    values = np.array([0.5, 0.3, 0.2])
    assert not sums_to_one_and_is_never_empty(lambda p, rules, context: np.where(p > 0.4, p, 0), values, Rules())
    assert not sums_to_one_and_is_never_empty(lambda p, rules, context: p * 0, values, Rules())


@given(situations())
@settings(max_examples=50, deadline=None)
def test_the_chain_sums_to_one_and_never_draws_what_is_banned(situation: tuple) -> None:
    logits, rules, history, position, banned, stop = situation
    if stop is not None and banned and len(logits) == 2:
        return
    result = distribution(logits, rules, history, position, banned, stop)
    assert abs(result.sum() - 1) < 1e-9 and result.min() >= 0
    assert not result[banned].any()
    if stop is not None and position < rules.min_length:
        assert result[stop] == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_numbers_still_give_a_distribution(bad: float) -> None:
    for logits in (np.full(5, bad, np.float32), np.array([0, bad, 1, bad, 0], np.float32)):
        for rules in (Rules(), Rules(top_p=0.5, top_k=2, typical=0.5, min_p=0.1), Rules(temperature=0)):
            expected = distribution(logits, rules, banned=[0])
            assert abs(expected.sum() - 1) < 1e-9 and expected[0] == 0
            if not isinstance(library(), str):
                found = compiled_distribution(
                    toy_runtime(5), logits, rules, np.zeros(0, np.int64), 0, np.array([0]), None
                )
                assert np.allclose(found, expected, atol=1e-6)


def test_temperature_towards_zero_is_argmax() -> None:
    logits = np.random.default_rng(1).normal(size=74).astype(np.float32)
    logits[50] = logits[20] = 9
    for warmth in (0.0, 1e-300):
        result = distribution(logits, Rules(temperature=warmth, top_k=1))
        assert result[20] == 1 and result.sum() == 1
    assert np.allclose(distribution(logits, Rules(temperature=1e-4))[[20, 50]], 0.5)


def test_temperatures_are_taken_in_turn() -> None:
    rules = Rules(temperature=9, temperature_cycle=(0.5, 1.0, 0.0))
    assert [rules.temperature_at(position) for position in range(4)] == [0.5, 1.0, 0.0, 0.5]


def chi_square_accepts(counts: np.ndarray, probabilities: np.ndarray) -> bool:
    expected = probabilities * counts.sum()
    used = expected > 5
    statistic = ((counts[used] - expected[used]) ** 2 / expected[used]).sum()
    freedom = used.sum() - 1
    return bool(statistic < freedom + 4 * np.sqrt(2 * freedom) + 4)


def test_drawn_frequencies_match_the_distribution() -> None:
    logits = np.random.default_rng(2).normal(size=30) * 1.5
    probabilities = distribution(logits, Rules(top_p=0.97))
    drawn = [draw(probabilities, number) for number in uniforms(7, 3, 0, 20_000)]
    counts = np.bincount(drawn, minlength=30)
    assert chi_square_accepts(counts, probabilities) and not counts[probabilities == 0].any()
    assert not chi_square_accepts(np.bincount(drawn[::2] + [0] * 500, minlength=30), probabilities)


def test_draw_goes_by_id_order_and_never_takes_what_has_no_mass() -> None:
    probabilities = np.array([0.0, 0.25, 0.0, 0.75, 0.0])
    assert [draw(probabilities, number) for number in (0.0, 0.2499, 0.25, 1 - 1e-16)] == [1, 1, 3, 3]


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, 10**12), st.integers(0, 9))
@settings(max_examples=50, deadline=None)
def test_random_numbers_are_counted(seed: int, stream: int, start: int, n: int) -> None:
    numbers = uniforms(seed, stream, start, n)
    singly = [uniforms(seed, stream, start + i, 1)[0] for i in range(n)]
    assert numbers.tolist() == singly and all(0 <= each < 1 for each in singly)
    generator = np.random.Generator(np.random.Philox(key=[seed, stream], counter=start // 4))
    assert generator.random(start % 4 + n)[start % 4 :].tolist() == singly
    if not isinstance(library(), str):
        assert compiled_uniforms(seed, stream, start, n).tolist() == singly


def test_penalties_and_loops_by_hand() -> None:
    logits, history = np.array([2.0, -2.0, 1.0]), np.array([0, 0, 1])
    context = Context(history)
    assert RULES["repetition"](logits, Rules(repetition_penalty=2), context).tolist() == [1.0, -4.0, 1.0]
    assert RULES["repetition"](logits, Rules(repetition_penalty=2, penalty_window=1), context).tolist() == [2, -4, 1]
    both = Rules(presence_penalty=1, frequency_penalty=0.5)
    assert RULES["presence_frequency"](logits, both, context).tolist() == [0.0, -3.5, 1.0]
    looped = np.array([1, 2, 3, 0, 1, 2, 3])
    assert repeated_lengths(4, Rules(), looped).tolist() == [3, 0, 0, 0]
    penalised = RULES["dry"](np.zeros(4), Rules(dry_multiplier=1, dry_base=2, dry_length=2), Context(looped))
    assert penalised.tolist() == [-2.0, 0, 0, 0]


def test_rules_refuse_values_out_of_range() -> None:
    for wrong in ({"temperature": -1}, {"top_p": 0}, {"top_k": -1}, {"min_p": 2}, {"temperature_cycle": (1, -1)}):
        with pytest.raises(ValidationError):
            Rules(**wrong)
    assert set(ACTIVE) == set(RULES)
