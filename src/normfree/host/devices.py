"""The cores and GPUs that this process may use, found without torch."""

import os
import sys
from pathlib import Path


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [device.strip() for device in visible.split(",") if device.strip() not in ("", "-1")]
    return [str(number) for number, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]


def grouped(gpus: list[str], width: int) -> list[str]:
    """GPUs for each worker, as CUDA_VISIBLE_DEVICES names them; the last, incomplete group is left idle."""
    return [",".join(gpus[first : first + width]) for first in range(0, len(gpus) - width + 1, width)] or gpus[:1]


def has_display() -> bool:
    """Whether a window can be opened here."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
