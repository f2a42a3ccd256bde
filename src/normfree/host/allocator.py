"""How the C library keeps memory between the steps of a run."""

import ctypes
import os
import platform

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST = 2**31 - 1
_ENVIRONMENT = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> bool:
    """Let this process keep the tensors that a step frees for the next step; returns whether it does.

    glibc gives large blocks back to the kernel, which has to clear every page when the next step asks for them
    again: 3 to 9 % of a small network's step on a processor. What was freed stays with the process until it ends.
    Another C library, and a user's own setting in the environment, are left alone.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _ENVIRONMENT):
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(option, _LARGEST) == 1 for option in (_TRIM_THRESHOLD, _MMAP_THRESHOLD))
