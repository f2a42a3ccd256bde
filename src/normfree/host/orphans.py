"""Worker processes that never outlive the process they work for."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Let the kernel kill this process when the thread that started it ends, or now if ``parent`` has ended already.

    A worker of torch's loader looks every five seconds whether its parent is another process than at its own start. It
    lives for ever if the parent was killed before that start, and holds all it has inherited, a run's lock with it.

    Args:
        parent: process id of the process that started this one.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
