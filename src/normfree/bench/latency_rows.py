"""The rows of `latency`: times beside what the device could do, the fastest marked, and the tables of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from normfree.bench.counts import Counts
from normfree.bench.latency_ratios import ratio_table
from normfree.bench.roofline import Roofline
from normfree.bench.rows import Table
from normfree.bench.selection import Row, fastest, number_of, setting
from normfree.probe.timing import Spread

WHAT = ("train", "infer")
COLUMNS = (
    "model", "what", "precision", "layout", "form", "update", "image_size", "batch", "unit", "value", "p10", "p90",
    "rounds", "first_s", "best", "peak_mib", "gflop", "tflops", "of_matmul", "mb_moved", "of_copy", "bound", "roofline",
    "matmul_tflops", "copy_gbs", "reason",
)  # fmt: skip
KEYS = ("model", "what", "precision", "layout", "form", "update", "image_size", "batch", "threads")


def row_of(
    place: Mapping[str, Any], counts: Counts, roofline: Roofline, *, seconds: Sequence[float] = (),
    first: float | None = None, peak: int | None = None, reason: str = "",
) -> dict[str, Any]:  # fmt: skip
    """A row of what was measured in seconds of a step and bytes, or with the `reason` why nothing was."""
    precision = place["precision"]
    moved = counts.bytes_moved(precision)
    row = {
        **place,
        "unit": "ms",
        "gflop": counts.flops / 1e9,
        "mb_moved": moved / 1e6,
        "matmul_tflops": roofline.flops[precision] / 1e12,
        "copy_gbs": roofline.bandwidth / 1e9,
        "reason": reason,
    }
    if not seconds:
        return row
    spread = Spread.of([1e3 * value for value in seconds], parts=10)
    took = spread.median / 1e3
    of_matmul = roofline.compute_seconds(precision, counts.flops) / took
    of_copy = roofline.memory_seconds(moved) / took
    return row | {
        "value": spread.median,
        "p10": spread.low,
        "p90": spread.high,
        "rounds": len(seconds),
        "first_s": first,
        "peak_mib": None if peak is None else peak / 2**20,
        "tflops": counts.flops / took / 1e12,
        "of_matmul": of_matmul,
        "of_copy": of_copy,
        "bound": "compute" if of_matmul >= of_copy else "memory",
        "roofline": max(of_matmul, of_copy),
    }


def mark_best(table: Table) -> None:
    """Says in ``best`` of every row with a number whether it is the fastest of its network and case."""
    best = {id_of(row) for row in fastest(table.rows)}
    table.fill("best", lambda row: id_of(row) in best if row["value"] else None)


def id_of(row: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(row[column] for column in (*KEYS, "device"))


def section(rows: list[Row]) -> str:
    """The tables of the page: the fastest of each network, all forms beside each other, and the paper's ratios."""
    products: dict[str, float] = {}
    for row in rows:
        products[row["precision"]] = max(float(row["matmul_tflops"]), products.get(row["precision"], 0.0))
    limits = ", ".join(f"{value:.3g} TFLOP/s in {precision}" for precision, value in products.items())
    copy = max(float(row["copy_gbs"]) for row in rows)
    parts = [
        f"A matrix product reached {limits} here and a copy {copy:.3g} GB/s; each command's shares are of its own.",
        "The fastest of memory formats, precisions and forms, with p10 and p90:",
        _markdown(_FASTEST, [[show(row) for show in _FASTEST.values()] for row in fastest(rows)]),
        "All of them, in ms; the fastest is bold:",
        _all(rows),
    ]
    if ratios := ratio_table(rows):
        head = ("training step", "measured", "how", "paper")
        parts += ["Beside the paper's ratios:", _markdown(head, ratios)]
    reasons = [[f"{row['model']}, {row['what']}, {setting(row)}", row["reason"]] for row in rows if row["reason"]]
    if reasons:
        parts += ["Not measured:", _markdown(("case", "why"), reasons)]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def _what(row: Row) -> str:
    return "forward, backward" if row["update"] == "false" else row["what"]


def _time(row: Row) -> str:
    return f"{float(row['value']):.4g} [{float(row['p10']):.4g}, {float(row['p90']):.4g}]"


def _three_digits(value: float) -> str:
    return f"{float(f'{value:.3g}'):,g}"


_FASTEST: dict[str, Callable[[Row], str]] = {
    "network": lambda row: row["model"],
    "what": _what,
    "px": lambda row: row["image_size"],
    "batch": lambda row: row["batch"],
    "fastest": setting,
    "ms": _time,
    "images/s": lambda row: _three_digits(1e3 * int(row["batch"]) / float(row["value"])),
    "MiB": lambda row: f"{float(row['peak_mib']):.0f}" if row["peak_mib"] else "",
    "TFLOP/s": lambda row: f"{float(row['tflops']):.3g}",
    "of the product": lambda row: f"{float(row['of_matmul']):.0%}",
    "of the copy": lambda row: f"{float(row['of_copy']):.0%}",
}


def _all(rows: Sequence[Row]) -> str:
    settings = list(dict.fromkeys(setting(row) for row in rows))
    best = {id_of(row) for row in fastest(rows)}
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        value = "-" if number_of(row) is None else f"{float(row['value']):.4g}"
        place = (row["model"], _what(row), row["image_size"], row["batch"])
        lines.setdefault(place, {})[setting(row)] = f"**{value}**" if id_of(row) in best else value
    body = [[*place, *(found.get(each, "") for each in settings)] for place, found in lines.items()]
    return _markdown(("network", "what", "px", "batch", *settings), body)


def _markdown(head: Sequence[str] | Mapping[str, Any], body: Sequence[Sequence[str]]) -> str:
    lines = [list(head), ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
