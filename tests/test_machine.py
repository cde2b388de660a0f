"""What is found out about the machine: plausible, and without side effects on a quiet one."""

import platform
import subprocess
import sys

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
    monkeypatch.setenv("GOMP_SPINCOUNT", "1000")
    times = iter([together, alone])
    monkeypatch.setattr(machine, "_shortest", lambda action, count: next(times))
    remark = machine.settle_threads()
    assert torch.get_num_threads() == kept
    assert (remark is None) == (kept == 2)


def test_threads_that_were_given_up_are_taken_up_again_when_the_machine_is_quiet(threads, monkeypatch):
    times = iter([3.0, 1.5, 3.0, 1.5, 1.0, 1.5])  # together, alone: at first, then twice again
    monkeypatch.setattr(machine, "_shortest", lambda action, count: next(times))
    assert "1 thread" in machine.settle_threads()
    assert machine.settle_threads_again() is None and torch.get_num_threads() == 1
    assert "2 threads" in machine.settle_threads_again() and torch.get_num_threads() == 2
    assert machine.settle_threads_again() is None  # there is nothing to take up


def test_that_torch_came_first_is_told(threads, monkeypatch):
    monkeypatch.setattr(machine, "_shortest", lambda action, count: 1.0)
    monkeypatch.setattr(machine.sys, "platform", "linux")
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    assert "before parrotlet.learning" in machine.settle_threads()
    monkeypatch.setenv("OMP_WAIT_POLICY", "passive")
    assert machine.settle_threads() is None


# In a process of its own: what the tests before this one left free between their blocks would be used first.
MEMORY_OF_A_RUN = """
import resource

from parrotlet.learning import machine
import torch


def faults():
    # of 256 MiB that are taken, filled and given back, after it was done before: at first a block may be left
    # between smaller ones, a few bytes too short for the next one
    for _ in range(3):
        torch.ones(1 << 26)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(1 << 26)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


usual, before = faults(), resident()
with machine.kept_memory():
    kept, during = faults(), resident()
print(usual, kept, during - before, resident() - before)
"""


def test_while_a_run_lasts_its_memory_is_not_taken_anew_at_every_step_and_is_given_back_after_it():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("no glibc")
    result = subprocess.run([sys.executable, "-c", MEMORY_OF_A_RUN], capture_output=True, text=True, check=True)
    usual, kept, held, left = map(int, result.stdout.split())
    assert usual >= 128  # of 2 MiB each where the system has large pages, else of 4 KiB
    assert kept < usual / 8
    assert held > 1 << 27 and left < 1 << 26
