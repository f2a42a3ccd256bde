"""The most memory that a piece of work holds at once."""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch


def peak_bytes(work: Callable[[], object], device: torch.device, clear: Callable[[], object]) -> int:
    """Largest number of bytes that torch's allocator holds during `work`, beyond what it held before.

    `clear` frees what earlier work left (gradients); what is freed during the measurement would distort it.

    On a GPU the allocator's own record; on a processor its log of allocations. What a library takes from the
    system by itself (a convolution's scratch space there) is in neither.
    """
    work()
    clear()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as log:
        work()
    assert log.profiler is not None
    assert log.profiler.kineto_results is not None
    events = [event for event in log.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak
