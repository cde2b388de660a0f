"""What is found out about the machine: plausible, and without side effects on a quiet one."""

import pytest

torch = pytest.importorskip("torch")

from parrotlet.learning import machine  # noqa: E402
from parrotlet.settings import TrainingSettings  # noqa: E402


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_the_speed_of_matrix_products_is_plausible():
    assert 1e8 < machine.matrix_speed(TrainingSettings(device="cpu")) < 1e16


@pytest.mark.parametrize(("together", "alone", "kept"), [(1.0, 1.5, 2), (3.0, 1.5, 1)])
def test_threads_are_given_up_only_where_one_is_faster(threads, monkeypatch, together, alone, kept):
    times = iter([together, alone])
    monkeypatch.setattr(machine, "_shortest", lambda action, count: next(times))
    remark = machine.settle_threads()
    assert torch.get_num_threads() == kept
    assert (remark is None) == (kept == 2)
