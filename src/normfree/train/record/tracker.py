"""What every logger beside metrics.csv offers to a run."""

from pathlib import Path
from typing import Any

from normfree.train.record.metrics import Row


class Tracker:
    """Takes every row of metrics.csv; this one drops them."""

    def write(self, row: Row) -> None:
        """Record one row."""

    def image(self, key: str, path: Path) -> None:
        """Record a figure."""

    def finish(self, facts: dict[str, Any]) -> None:
        """Record how the run ended: ``status``, ``reason``, ``metrics`` and what else result.json has."""

    def close(self) -> None:
        """End the record, finished or not."""
