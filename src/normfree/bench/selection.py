"""Rows of `latency` as they are read from its file: which are fastest, and which belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

Row = dict[str, str]

_CASE = ("model", "what", "update", "image_size", "batch", "threads", "device")
_ALIKE = ("update", "batch", "threads")


def number_of(row: Row) -> float | None:
    """Milliseconds of a step, or None in a row that says why there is none."""
    return float(row["value"]) if row["value"] else None


def setting(row: Row) -> str:
    """How a row was measured: ``bf16 nhwc eager``."""
    return f"{row['precision']} {row['layout']} {row['form']}"


def fastest(rows: Sequence[Row]) -> list[Row]:
    """Of every network, image size and batch the row with the least median, in the order of the first ones."""
    best: dict[tuple[str, ...], Row] = {}
    for row in rows:
        case = tuple(row[column] for column in _CASE)
        if row["value"] and (case not in best or float(row["value"]) < float(best[case]["value"])):
            best[case] = row
    return list(best.values())


def training_rows(rows: Sequence[Row], device: str | None = None) -> list[Row]:
    """Rows of training steps that may be compared, numbers or not.

    Those of `device`, or of the last row's where it has none, and of its batch, update and threads that most networks
    have; at one image size a network, the largest.
    """
    there = [row for row in rows if row["what"] == "train"]
    if not there:
        return []
    devices = {row["device"] for row in there}
    there = [row for row in there if row["device"] == (device if device in devices else there[-1]["device"])]
    networks = Counter(alike for alike, _ in {(tuple(row[each] for each in _ALIKE), row["model"]) for row in there})
    chosen = max(networks, key=lambda alike: (networks[alike], alike))
    there = [row for row in there if tuple(row[each] for each in _ALIKE) == chosen]
    largest: dict[str, int] = {}
    for row in there:
        largest[row["model"]] = max(int(row["image_size"]), largest.get(row["model"], 0))
    return [row for row in there if int(row["image_size"]) == largest[row["model"]]]
