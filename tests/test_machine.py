"""What a run asks of the machine it runs on."""

import platform

import pytest
import torch

from parrotlet.learning.machine import kept_memory


def page_faults() -> int:
    resource = pytest.importorskip("resource")
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


def faults_of_a_large_block() -> int:
    """Page faults of 256 MiB that are taken, filled and given back, after it was done once."""
    torch.ones(1 << 26)
    before = page_faults()
    torch.ones(1 << 26)
    return page_faults() - before


def test_while_a_run_lasts_its_memory_is_not_taken_anew_at_every_step():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("no glibc")
    with kept_memory():
        kept = faults_of_a_large_block()
    usual = faults_of_a_large_block()
    assert usual >= 128  # of 2 MiB each where the system has large pages, else of 4 KiB
    assert kept < usual / 8
