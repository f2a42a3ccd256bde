"""The most memory that a run has had at a time."""

import re
import resource
import sys
from contextlib import suppress
from pathlib import Path

import torch

_PROCESS = Path("/proc/self")
_RESET = "5"
"""Written to clear_refs, makes the highest resident set the present one; see proc(5)."""


class PeakMemory:
    """Of the tensors on a GPU, or of the process that computes on a processor; from when this is made.

    Where the system cannot forget the process's earlier peak (other than Linux), it is that of its whole life.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        if device.type == "cuda":
            torch.cuda.init()  # type: ignore[no-untyped-call]
            torch.cuda.reset_peak_memory_stats(device)
        else:
            with suppress(OSError):
                (_PROCESS / "clear_refs").write_text(_RESET, encoding="ascii")

    @property
    def name(self) -> str:
        """Which of the two it is, in result.json."""
        return "peak_device_bytes" if self._device.type == "cuda" else "peak_process_bytes"

    def bytes(self) -> int:
        if self._device.type == "cuda":
            return torch.cuda.max_memory_allocated(self._device)
        with suppress(OSError):
            found = re.search(r"^VmHWM:\s+(\d+) kB$", (_PROCESS / "status").read_text(encoding="ascii"), re.MULTILINE)
            if found is not None:
                return int(found[1]) * 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
