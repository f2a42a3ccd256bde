"""Run identity, run directory, status and locks. Knows no torch."""

from normfree.runs.directory import RunDirectory
from normfree.runs.identity import arm_id, clip_label, run_id, science
from normfree.runs.lock import BUSY, Busy
from normfree.runs.outcomes import RECORDED, TERMINAL
from normfree.runs.reading import DAMAGED, Damaged
from normfree.runs.result import result_of
from normfree.runs.rows import truncate_metrics

__all__ = [
    "BUSY",
    "DAMAGED",
    "RECORDED",
    "TERMINAL",
    "Busy",
    "Damaged",
    "RunDirectory",
    "arm_id",
    "clip_label",
    "result_of",
    "run_id",
    "science",
    "truncate_metrics",
]
