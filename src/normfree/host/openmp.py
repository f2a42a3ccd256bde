"""How long threads of OpenMP spin for each other, set before torch loads it. Knows no torch.

GNU OpenMP, which torch's builds for Linux carry, spins for about 10 ms before a thread sleeps. Where other processes
have the cores, the thread that is waited for is not running, and the one that waits takes a core for nothing. Some
tens of microseconds are as good on idle cores: threads that are running arrive within them.
"""

import os

SPINS = "2000"
_POLICY, _COUNT = "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"


def wait_briefly() -> None:
    """Let threads sleep soon, in this process where torch is not imported yet, and in those that it starts.

    What the user's environment says about waiting is left as it is.
    """
    if _POLICY not in os.environ:
        os.environ.setdefault(_COUNT, SPINS)
