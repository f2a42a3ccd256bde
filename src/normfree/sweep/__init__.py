"""Many runs: expanding grids, a pool of worker processes, progress and the account at the end. Knows no torch."""

from normfree.sweep.sweep import run_sweep

__all__ = ["run_sweep"]
