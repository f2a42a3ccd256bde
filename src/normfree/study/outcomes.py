"""What can become of a planned run, in words and in counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pandas as pd

from normfree.runs.outcomes import DEFINITIONS

OUTCOMES = tuple(DEFINITIONS)


@dataclass(frozen=True)
class Counts:
    """How many of `planned` runs came to which outcome; the eight add up to `planned`.

    `stalled` is none of them: of the finished and untrained runs, those whose skip gains never opened.
    """

    planned: int = 0
    finished: int = 0
    untrained: int = 0
    diverged: int = 0
    failed: int = 0
    preempted: int = 0
    incomplete: int = 0
    missing: int = 0
    damaged: int = 0
    stalled: int = 0

    @property
    def trained(self) -> int:
        """Runs that trained, the k of every k/n: they finished, and do better than guessing."""
        return self.finished

    @property
    def concluded(self) -> int:
        """Runs that say something about the method."""
        return self.finished + self.untrained + self.diverged

    @property
    def open(self) -> int:
        """Runs that should still be made, or made again."""
        return self.planned - self.concluded


def count(table: pd.DataFrame) -> Counts:
    """Count the outcomes of the runs in `table` (its columns `status` and `stalled`)."""
    found = Counter(table["status"].tolist())
    stalled = sum(value is True for value in table["stalled"].tolist()) if "stalled" in table else 0
    return Counts(planned=len(table), **{name: found[name] for name in OUTCOMES}, stalled=stalled)


def accounting(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One row a group of `by`, in order: planned, the eight outcomes, and the stalled. Blanks are a group too."""
    rows = []
    if len(table):
        keys = table[by].astype(object).where(table[by].notna(), "")
        for values, part in table.groupby([keys[name] for name in by], sort=True):
            rows.append({**dict(zip(by, values, strict=True)), **vars(count(part))})
    return pd.DataFrame(rows, columns=[*by, "planned", *OUTCOMES, "stalled"])
