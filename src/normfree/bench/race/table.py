"""The rows of the race, and how a page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from normfree.bench.rows import Table
from normfree.probe.timing import Spread, ratios

COLUMNS = (
    "what", "model", "images", "data", "contestant", "network", "crop", "loader", "precision", "form", "layout",
    "peer_layout", "size", "batch", "samples", "epochs", "ema", "workers", "target", "value", "low", "high", "unit",
    "ratio", "ratio_low", "ratio_high", "accuracy", "reached", "seen", "steps", "parameters", "rounds", "clock",
)  # fmt: skip
KEYS = (
    "what", "model", "images", "data", "contestant", "crop", "loader", "precision", "form", "layout",
    "peer_layout", "size", "batch", "samples", "epochs", "ema", "workers", "target", "threads",
)  # fmt: skip

Seconds = Sequence[float | None]
"""Of each round; None where a target was not reached."""


def add(table: Table, row: Mapping[str, Any], seconds: Seconds, ours: Seconds, told: bool = True) -> None:
    """Writes a row with its value and its ratio, each where every round has it.

    Args:
        row: with its ``unit``: ``images/s`` of the images ``seen``, ``s`` or ``ms``.
        told: print it too.
    """
    full, words = dict(row), "not reached in every round"
    taken = [each for each in seconds if each is not None]
    if len(taken) == len(seconds):
        scale = {"s": 1.0, "ms": 1e3}
        values = [row["seen"] / each if row["unit"] == "images/s" else scale[row["unit"]] * each for each in taken]
        value = Spread.of(values)
        full |= {"value": value.median, "low": value.low, "high": value.high}
        words = f"{value.median:9.4g} {row['unit']}"
        if None not in ours:
            ratio = Spread.of(ratios(taken, [each for each in ours if each is not None]))
            full |= {"ratio": ratio.median, "ratio_low": ratio.low, "ratio_high": ratio.high}
            words += f"  ratio {ratio.median:.3f} [{ratio.low:.3f}, {ratio.high:.3f}]"
    table.write(full)
    if not told:
        return
    place = f"{row.get('data', ''):8} {row['size']} px batch {row['batch']} {row['precision']} {_layout(row)}"
    accuracy = f"  accuracy {row['accuracy']:.3f}, reached {row['reached']}" if "accuracy" in row else ""
    print(f"{row['what']:6} {row['model']:12} {place}  {row['contestant']:9} {words}{accuracy}", flush=True)


def _layout(row: Mapping[str, Any]) -> str:
    """The contestant's own: ``peer_layout`` is that of all but ours."""
    return str(row["layout" if row["contestant"] == "normfree" else "peer_layout"])


def section(rows: Sequence[Mapping[str, str]]) -> str:
    """The table of the page of all suites."""
    head = ["what", "images", "as", "px", "batch", "precision", "form", "layout", "threads", "workers", "contestant",
            "network", "value", "ratio", "accuracy"]  # fmt: skip
    body = []
    for row in rows:
        what = f"to {float(row['target']):.0%}" if row["what"] == "target" else row["what"]
        place = [row[column] for column in ("images", "data", "size", "batch", "precision", "form")]
        place += [_layout(row), *(row[column] for column in ("threads", "workers", "contestant", "network"))]
        value = f"{float(row['value']):,.4g} {row['unit']}" if row["value"] else f"reached {row['reached']}"
        accuracy = f"{float(row['accuracy']):.1%}" if row["accuracy"] else ""
        body.append([what, *place, value, _ratio(row), accuracy])
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _ratio(row: Mapping[str, str]) -> str:
    if not row["ratio"]:
        return ""
    text = f"{float(row['ratio']):.2f}"
    low, high = row["ratio_low"], row["ratio_high"]
    return text if low == high else f"{text} [{float(low):.2f}, {float(high):.2f}]"
