"""Run identity, run directory, status and locks. Knows no torch."""

from normfree.runs.directory import TERMINAL, RunDirectory, truncate_metrics
from normfree.runs.identity import arm_id, clip_label, run_id, science

__all__ = ["TERMINAL", "RunDirectory", "arm_id", "clip_label", "run_id", "science", "truncate_metrics"]
