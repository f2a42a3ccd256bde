"""The most memory that a run has had at a time, and what it is that of."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from normfree.config import Resolved
from normfree.study.measures import MEASURES
from normfree.train.peak_memory import PeakMemory
from normfree.train.run import run_one

BLOCK = 2**28


def test_what_was_freed_counts_and_what_was_freed_before_does_not() -> None:
    np.ones(BLOCK, dtype=np.uint8)
    memory = PeakMemory(torch.device("cpu"))
    before = memory.bytes()
    np.ones(BLOCK // 2, dtype=np.uint8)
    assert BLOCK // 2 * 0.9 < memory.bytes() - before < BLOCK


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
