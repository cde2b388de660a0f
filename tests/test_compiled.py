"""Compiled layers and losses against torch's own sums, in every arithmetic that this processor has."""

import time

import pytest

torch = pytest.importorskip("torch")

from parrotlet.networks import compiled  # noqa: E402
from parrotlet.networks.compiled.library import AVX2, AVX512, BFLOAT16, LANES, library, on_threads  # noqa: E402
from parrotlet.networks.layers import LookedUp, run_layer  # noqa: E402

KERNEL = library()
OFFERED = [kind for kind in (AVX2, AVX512, BFLOAT16) if KERNEL is not None and KERNEL.pt_offers(kind)]
WRONG = {AVX2: 2e-6, AVX512: 2e-6, BFLOAT16: 1e-2}  # of the norm of what is expected
NAMES = {AVX2: "avx2", AVX512: "avx512", BFLOAT16: "bfloat16"}
offered = pytest.mark.parametrize("kind", OFFERED, ids=lambda kind: NAMES[kind])
pytestmark = pytest.mark.skipif(not OFFERED, reason="no compiled layers on this machine")

# rows, steps, units, inputs, symbols: odd ones, single ones, more rows than are buffered at once, units beyond a cache
SHAPES = [
    (7, 5, 32, 0, 10), (13, 9, 64, 40, 10), (1, 1, 16, 5, 3), (150, 4, 16, 0, 57), (6, 40, 48, 1, 1),
    (130, 9, 512, 16, 5),
]  # fmt: skip


def layer_case(rows, steps, units, inputs, symbols, gru=False):
    random = torch.Generator().manual_seed(rows)
    made = {
        "table": torch.randn(symbols, 4 * units, generator=random),
        "ids": torch.randint(0, symbols, (rows, steps), generator=random),
        "entering": torch.randn(rows, steps, inputs, generator=random) if inputs else None,
        "weight_ih": torch.randn(4 * units, inputs, generator=random) / inputs**0.5 if inputs else None,
        "weight_hh": torch.randn(4 * units, units, generator=random) / units**0.5,
    }
    begin = torch.randn(rows, 1 if gru else 2, units, generator=random)
    for value in (*made.values(), begin):
        if value is not None and value.is_floating_point():
            value.requires_grad_()
    return made, begin


def plain_layer(gru, table, ids, entering, weight_ih, weight_hh, begin, reverse):
    """The formulas, step by step."""
    hidden, cell, leaving = begin[:, 0], begin[:, -1], {}
    for t in range(ids.shape[1])[:: -1 if reverse else 1]:
        sums = table[ids[:, t]] + hidden @ weight_hh.T
        first, second, third, fourth = (sums if entering is None else sums + entering[:, t] @ weight_ih.T).chunk(4, 1)
        if gru:
            fresh, update = (third + first.sigmoid() * fourth).tanh(), second.sigmoid()
            cell = hidden = leaving[t] = (1 - update) * fresh + update * hidden
            continue
        cell = second.sigmoid() * cell + first.sigmoid() * third.tanh()
        hidden = leaving[t] = fourth.sigmoid() * cell.tanh()
    return torch.stack([leaving[t] for t in range(ids.shape[1])], 1), cell


def results(function, given, seed):
    """What a function returns, and the gradients of a random mixture of it."""
    leaves = [value for value in given if isinstance(value, torch.Tensor) and value.requires_grad]
    returned = [value.float() for value in function(*given)]
    random = torch.Generator().manual_seed(seed)
    mixture = sum((value * torch.randn(value.shape, generator=random)).sum() for value in returned)
    return [value.detach() for value in returned] + list(torch.autograd.grad(mixture, leaves))


def assert_close(found, expected, wrong):
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() <= wrong * max(other.norm(), 1)


@offered
@pytest.mark.parametrize("gru", [False, True], ids=["lstm", "gru"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_compiled_layer_and_its_gradients_are_those_of_the_formulas(kind, shape, reverse, gru):
    made, begin = layer_case(*shape, gru)
    given = (*made.values(), begin)
    expected = results(lambda *each: plain_layer(gru, *each, reverse), given, 1)
    found = results(lambda *each: compiled.run_recurrent(kind, gru, *each, reverse), given, 1)
    assert_close(found, expected, WRONG[kind])
    with pytest.raises(AssertionError):  # a wrong gradient does not pass
        assert_close([*found[:-1], found[-1] * 1.1], expected, WRONG[kind])


@offered
@pytest.mark.parametrize(
    "rows, inputs, symbols", [(7, 32, 57), (1000, 64, 57), (301, 16, 200), (1, 48, 3), (700, 32, 1100)]
)
def test_compiled_cross_entropy_and_its_gradients_are_torch_s(kind, rows, inputs, symbols):
    random = torch.Generator().manual_seed(rows)
    hidden, weight, bias = (
        torch.randn(*shape, generator=random).requires_grad_()
        for shape in ((rows, inputs), (symbols, inputs), (symbols,))
    )
    with torch.no_grad():
        weight /= inputs**0.5
    targets = torch.randint(0, symbols, (rows,), generator=random)
    targets[1::5] = -1  # nothing to predict there

    def plain(hidden, weight, bias):
        logits = hidden @ weight.T + bias
        return (torch.nn.functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum"),)

    given = (hidden, weight, bias)
    found = results(lambda *each: (compiled.compiled_cross_entropy(kind, *each, targets),), given, 2)
    assert_close(found, results(plain, given, 2), WRONG[kind])
    with torch.no_grad():
        alone = compiled.compiled_cross_entropy(kind, *given, targets)
    assert alone == found[0]


@offered
def test_rows_do_not_mix_and_threads_do_not_matter(kind):
    made, begin = layer_case(20, 6, 32, 8, 5)
    whole, _ = compiled.run_recurrent(kind, False, *made.values(), begin)
    chosen = made | {"ids": made["ids"][3:5], "entering": made["entering"][3:5]}
    alone, _ = compiled.run_recurrent(kind, False, *chosen.values(), begin[3:5])
    assert torch.equal(alone, whole[3:5])
    threads = torch.get_num_threads()
    try:
        for count in (1, 3):
            torch.set_num_threads(count)
            assert torch.equal(compiled.run_recurrent(kind, False, *made.values(), begin)[0], whole)
    finally:
        torch.set_num_threads(threads)


def test_an_interrupt_waits_for_the_other_threads():
    """They read and write what the caller holds, and would free."""
    threads, ended = torch.get_num_threads(), []

    def work(first, last, part):
        if part == 0:
            raise KeyboardInterrupt
        time.sleep(0.2)
        ended.append(part)
        return 0

    torch.set_num_threads(2)
    try:
        with pytest.raises(KeyboardInterrupt):
            on_threads(8, work)
        assert ended == [1]
    finally:
        torch.set_num_threads(threads)


@offered
def test_what_is_not_a_number_stays_visible(kind):
    made, begin = layer_case(2, 3, 16, 0, 4)
    with torch.no_grad():
        made["weight_hh"][0, 0] = float("nan")
        leaving, _ = compiled.run_recurrent(kind, False, *made.values(), begin)
        nats = compiled.compiled_cross_entropy(
            kind, leaving.flatten(0, 1), torch.ones(3, 16), torch.zeros(3), torch.zeros(6, dtype=torch.int64)
        )
    assert leaving.isnan().any() and nats.isnan()


@offered
def test_ids_and_targets_out_of_range_are_refused(kind):
    made, begin = layer_case(2, 3, 16, 0, 4)
    for wrong in (-1, 4):
        with pytest.raises(IndexError, match="ids"):
            compiled.run_recurrent(kind, False, *(made | {"ids": torch.full((2, 3), wrong)}).values(), begin)
    with pytest.raises(IndexError, match="targets"):
        compiled.compiled_cross_entropy(kind, torch.zeros(1, 16), torch.zeros(3, 16), torch.zeros(3), torch.tensor([3]))


@pytest.mark.parametrize("cell", [torch.nn.LSTM, torch.nn.GRU])
@pytest.mark.parametrize("both", [False, True], ids=["one way", "both ways"])
@pytest.mark.parametrize("symbols", [9, 5000], ids=["table", "products"])
def test_a_layer_is_torch_s_own_however_its_input_is_given(cell, both, symbols):
    torch.manual_seed(0)
    layer = cell(8, 32, batch_first=True, bidirectional=both)
    rows, ids = torch.randn(symbols, 8), torch.randint(0, symbols, (3, 7))
    expected, after = layer(rows[ids])
    ends = torch.stack([each.transpose(0, 1).flatten(1) for each in (after if cell is torch.nn.LSTM else (after,))], 1)
    mixture = torch.randn(expected.shape)
    wanted = torch.autograd.grad((expected * mixture).sum(), list(layer.parameters()))
    for entering in (rows[ids], LookedUp(ids, rows, symbols)):
        leaving, state = run_layer(layer, entering)
        torch.testing.assert_close(leaving, expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(state, ends, atol=1e-5, rtol=1e-5)
        found = torch.autograd.grad((leaving * mixture).sum(), list(layer.parameters()))
        torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)


def test_units_that_fill_no_vector_are_left_to_torch():
    lanes = min(LANES[kind] for kind in OFFERED)
    cpu = torch.device("cpu")
    assert compiled.arithmetic(cpu, torch.float32, lanes + 1) is None
    assert compiled.arithmetic(cpu, torch.float64, lanes) is None
    assert compiled.arithmetic(cpu, torch.float32, lanes) in OFFERED


@offered
@pytest.mark.parametrize("gru", [False, True], ids=["lstm", "gru"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forwards", "backwards"])
def test_where_only_the_newest_is_wanted_gradients_are_those_of_the_formulas(kind, reverse, gru):
    made, begin = layer_case(9, 70, 32, 5, 10, gru)
    made["weight_hh"].data *= 0.5  # so that gradients shrink and the walk ends early
    given = (*made.values(), begin)

    def newest(*each):
        leaving, after = plain_layer(gru, *each, reverse)
        return leaving[:, :1] if reverse else leaving[:, -1:], after

    expected = results(newest, given, 1)
    found = results(lambda *each: compiled.run_recurrent(kind, gru, *each, reverse, True), given, 1)
    assert_close(found, expected, WRONG[kind])


@offered
@pytest.mark.parametrize("openness", [0.0, 2.0, 4.0, 6.0, 12.0])
@pytest.mark.parametrize("steps", [60, 300])
def test_a_walk_does_not_end_before_what_an_open_gate_remembers(kind, openness, steps):
    """Forget gates that are open carry a gradient far back, also to where it has met closed input gates for long."""
    made, begin = layer_case(5, steps, 32, 0, 10)
    with torch.no_grad():
        made["table"][:, 32:64] += openness
        made["table"][1:, :32] -= openness  # only the first symbol is remembered
        made["ids"][:, 1:] = made["ids"][:, 1:].clamp(min=1)
        made["ids"][:, 0] = 0
        made["weight_hh"] *= 0.3
    given = (*made.values(), begin)
    expected = results(lambda *each: plain_layer(False, *each, False)[0][:, -1:][None], given, 1)
    walk = lambda *each: compiled.run_recurrent(kind, False, *each)[0]  # noqa: E731
    tiny = 1e-30  # at the begin: the walk does not end before it
    whole = results(lambda *each: [(leaving := walk(*each))[:, -1:] + tiny * leaving[:, :1]], given, 1)
    found = results(lambda *each: compiled.run_recurrent(kind, False, *each, False, True)[0][None], given, 1)
    for one, other, plain in zip(found, expected, whole, strict=True):
        assert (one - other).norm() <= 2 * (plain - other).norm() + WRONG[kind] * max(other.norm(), 1)


@offered
def test_a_walk_ends_only_where_no_earlier_gradient_comes_in(kind):
    made, begin = layer_case(9, 70, 32, 5, 10)
    made["weight_hh"].data *= 0.5
    given = (*made.values(), begin)
    for step in (0, 3, 69):
        mask = torch.zeros(70, 1)
        mask[[step, 69]] = 1
        expected = results(lambda *each, mask=mask: [plain_layer(False, *each, False)[0] * mask], given, 1)
        found = results(lambda *each, mask=mask: [compiled.run_recurrent(kind, False, *each)[0] * mask], given, 1)
        assert_close(found, expected, WRONG[kind])
        if kind == BFLOAT16:
            of_entering = found[2]
            assert (of_entering[:, :20] == 0).all() == (step == 69)


@offered
@pytest.mark.parametrize("gru", [False, True], ids=["lstm", "gru"])
@pytest.mark.parametrize("rows, steps, units, symbols", [(7, 5, 32, 10), (1, 1, 16, 3), (300, 20, 48, 57)])
@pytest.mark.parametrize("dropped", [False, True], ids=["all", "dropout"])
def test_windows_with_one_target_learn_as_layer_and_loss_do(kind, gru, rows, steps, units, symbols, dropped):
    random = torch.Generator().manual_seed(rows)
    ids = torch.randint(0, symbols, (rows, steps), generator=random)
    targets = torch.randint(-1, symbols, (rows,), generator=random)
    factors = torch.empty(rows, units).bernoulli_(0.7, generator=random) / 0.7 if dropped else None
    table, weight_hh = (torch.randn(4 * units, each, generator=random) / each**0.5 for each in (symbols, units))
    given = (table.T.contiguous(), weight_hh, torch.randn(symbols, units, generator=random), torch.zeros(symbols))
    for value in given:
        value.requires_grad_()

    def apart(table, weight_hh, weight, bias):
        leaving, _ = plain_layer(gru, table, ids, None, None, weight_hh, torch.zeros(rows, 2, units), False)
        features = leaving[:, -1] if factors is None else leaving[:, -1] * factors
        logits = features @ weight.T + bias
        return (torch.nn.functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum"),)

    def at_once(table, weight_hh, weight, bias):
        return (compiled.windows_cross_entropy(kind, gru, table, ids, weight_hh, weight, bias, targets, factors),)

    expected, found = results(apart, given, 1), results(at_once, given, 1)
    assert_close(found, expected, WRONG[kind])
    with pytest.raises(IndexError):
        compiled.windows_cross_entropy(kind, gru, given[0], ids + symbols, *given[1:], targets)
    with pytest.raises(IndexError):
        compiled.windows_cross_entropy(kind, gru, given[0], ids, *given[1:], targets + symbols)
