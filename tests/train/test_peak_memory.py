"""The most memory that a run has had at a time, and what it is that of."""

from collections.abc import Callable
from mmap import PAGESIZE, mmap

import pytest
import torch

from normfree.config import Resolved
from normfree.study.measures import MEASURES
from normfree.train.peak_memory import PeakMemory
from normfree.train.run import run_one

BLOCK = 2**28


def had_and_freed(size: int) -> None:
    """From the system and back to it: what an allocator has freed may stay with the process."""
    with mmap(-1, size) as block:
        for page in range(0, size, PAGESIZE):
            block[page] = 1


def test_what_was_freed_counts_and_what_was_freed_before_does_not() -> None:
    had_and_freed(BLOCK)
    memory = PeakMemory(torch.device("cpu"))
    before = memory.bytes()
    had_and_freed(BLOCK // 2)
    assert BLOCK // 2 * 0.9 < memory.bytes() - before < BLOCK * 0.9


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_on_a_gpu_it_is_that_of_its_tensors() -> None:
    memory = PeakMemory(torch.device("cuda"))
    before = memory.bytes()
    torch.ones(BLOCK, dtype=torch.uint8, device="cuda")
    assert memory.bytes() - before == BLOCK
    assert memory.name == "peak_device_bytes"


@pytest.mark.parametrize("options", [(), ("trainer=ddp_cpu", "batch=48")])
def test_a_result_says_it(options: tuple[str, ...], tiny: Callable[..., Resolved]) -> None:
    took = run_one(tiny(*options, "trainer.accelerator=cpu"), [])["time"]
    assert 2**26 < took["peak_process_bytes"] < 2**36
    assert "peak_device_bytes" not in took
    for name in ("peak_process_bytes", "peak_device_bytes"):
        row = MEASURES[f"time.{name}"]
        assert (row.unit, row.better) == ("bytes", "lower")
