"""What can become of a planned run, in words and in counts."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

DEFINITIONS: dict[str, str] = {
    "finished": "all steps were taken, with finite numbers and open residual branches; read its accuracy",
    "stalled": "all steps were taken with finite numbers, but the network did not train (skip gains never opened)",
    "diverged": "a non-finite loss or weight, or a training loss still at its initial level or above",
    "failed": "the program stopped with an error; says nothing about the method and is run again",
    "preempted": "stopped from outside with a checkpoint; the next sweep continues it",
    "incomplete": "started, but without a result: interrupted without warning, or still running",
    "missing": "planned, never started",
    "damaged": "has a file that cannot be read (cut, changed, or of another schema version); set aside and run again",
}
OUTCOMES = tuple(DEFINITIONS)
CONCLUDED = ("finished", "stalled", "diverged")
"""Outcomes that say something about the method; the others say something about the machine."""


@dataclass(frozen=True)
class Counts:
    """How many of `planned` runs came to which outcome; the eight add up to `planned`."""

    planned: int = 0
    finished: int = 0
    stalled: int = 0
    diverged: int = 0
    failed: int = 0
    preempted: int = 0
    incomplete: int = 0
    missing: int = 0
    damaged: int = 0

    @property
    def trained(self) -> int:
        """Runs that trained, the k of every k/n."""
        return self.finished

    @property
    def concluded(self) -> int:
        """Runs that say something about the method."""
        return self.finished + self.stalled + self.diverged

    @property
    def open(self) -> int:
        """Runs that should still be made, or made again."""
        return self.planned - self.concluded


def count(table: pd.DataFrame) -> Counts:
    """Count the outcomes of the runs in `table` (its column `status`)."""
    found = table["status"].value_counts()
    return Counts(planned=len(table), **{name: int(found.get(name, 0)) for name in OUTCOMES})


def accounting(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One row a group of `by`, in order: planned and the eight outcomes. Blanks are a group too."""
    rows = []
    if len(table):
        keys = table[by].astype(object).where(table[by].notna(), "")
        for values, part in table.groupby([keys[name] for name in by], sort=True):
            rows.append({**dict(zip(by, values, strict=True)), **vars(count(part))})
    return pd.DataFrame(rows, columns=[*by, "planned", *OUTCOMES])
