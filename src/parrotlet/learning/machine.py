"""The machine comes in; how fast it multiplies, and how many threads are worth using on it now, goes out."""

import contextlib
import ctypes
import os
import sys
import time
from collections.abc import Callable, Iterator

import torch

from parrotlet.learning.learner import choose_device, choose_precision
from parrotlet.settings import TrainingSettings

MOST_MAPPED, TRIMMED_ABOVE = -4, -1  # glibc's numbers for mallopt: M_MMAP_MAX and M_TRIM_THRESHOLD
USUAL_MAPPED, USUAL_TRIMMED = 1 << 16, 1 << 26  # what they are without: blocks, and the most that glibc comes to, bytes

WAITING = (
    "torch was imported before parrotlet.learning, so that its threads take the processor while they wait: import "
    "parrotlet.learning first; windows are learned from at twice the speed then"
)


@contextlib.contextmanager
def kept_memory() -> Iterator[None]:
    """While this lasts, freed memory stays with the process, and what a step needs lies where the last step's lay.

    glibc gives blocks of more than 32 MiB back to the system at once and takes them anew, emptied page by page, which
    cost a fifth of the time of training (LOG.md, 2026-11-21). Where there is no glibc nothing changes.
    """
    try:
        library = ctypes.CDLL(None)
        adjust, give_back = library.mallopt, library.malloc_trim
    except (OSError, TypeError, AttributeError):  # Windows, macOS, musl
        yield
        return
    adjust(MOST_MAPPED, 0)
    adjust(TRIMMED_ABOVE, -1)
    try:
        yield
    finally:
        adjust(MOST_MAPPED, USUAL_MAPPED)
        adjust(TRIMMED_ABOVE, USUAL_TRIMMED)
        give_back(0)


def matrix_speed(settings: TrainingSettings) -> float:
    """Floating-point operations a second of a large matrix product on the training device; takes about 0.1 s."""
    device = choose_device(settings.device)
    precision = choose_precision(settings.precision, device)
    side = 4096 if device.type == "cuda" else 1024
    left = torch.ones(side, side, dtype=precision, device=device)

    def multiply() -> None:
        (left @ left)[0, 0].item()  # reading a number waits for the device

    return 2 * side**3 / _shortest(multiply, 6)


def waits_busily() -> bool:
    """Whether GNU OpenMP was not told to let torch's threads sleep: see ``parrotlet.learning``."""
    return sys.platform == "linux" and not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys()


_given_up = 0  # how many threads were in use before there was one; 0: none were given up


def settle_threads() -> str | None:
    """Use one thread where more are slower: on a busy machine they wait for one another at every step.

    Returns a line for the user where it made a difference, or could. A quiet machine keeps all its threads.
    """
    global _given_up
    threads = torch.get_num_threads()
    _given_up = 0
    if threads == 1:
        return None
    if not _slower_together(threads):
        return WAITING if waits_busily() else None
    torch.set_num_threads(1)
    _given_up = threads
    return f"the machine is busy: training with 1 thread, which is faster now than {threads}"


def settle_threads_again() -> str | None:
    """Take up the threads that were given up, where the machine has become quiet; a line for the user then."""
    global _given_up
    threads = _given_up
    if not threads or torch.get_num_threads() > 1 or _slower_together(threads):
        return None
    torch.set_num_threads(threads)
    _given_up = 0
    return f"the machine is quiet now: training goes on with {threads} threads"


def _slower_together(threads: int) -> bool:
    """Whether so many threads are slower than one; as many are in use afterwards as were before."""
    before = torch.get_num_threads()
    layer = torch.nn.LSTM(64, 256, batch_first=True)
    inputs = torch.zeros(64, 16, 64)

    @torch.no_grad()
    def read() -> None:
        layer(inputs)

    torch.set_num_threads(threads)
    together = _shortest(read, 12)
    torch.set_num_threads(1)
    alone = _shortest(read, 6)
    torch.set_num_threads(before)
    return together > alone


def _shortest(action: Callable[[], None], times: int) -> float:
    """Seconds of the fastest of several calls, the first one not counted."""
    action()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
