"""The rows of k runs at once, and how a page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from normfree.bench.many.forms import PROCESSES, TURNS
from normfree.bench.many.job import Job
from normfree.bench.rows import Table
from normfree.probe.timing import Spread, ratios

COLUMNS = (
    "model", "form", "k", "batch", "image_size", "precision", "layout", "clip", "value", "low", "high", "unit",
    "step_ms", "over_processes", "over_processes_low", "over_processes_high", "over_turns", "over_turns_low",
    "over_turns_high", "difference_fp32", "difference_fp64", "compare_runs", "compare_steps", "steps", "rounds",
    "clock", "trouble",
)  # fmt: skip
KEYS = ("model", "form", "k", "batch", "image_size", "precision", "layout", "clip", "threads")


def common(job: Job) -> dict[str, Any]:
    """The columns that all forms of a job have alike."""
    return {
        "model": job.model, "k": len(job.recipes), "batch": job.batch, "image_size": job.size,
        "precision": job.precision, "layout": job.layout,
        "clip": "none" if job.recipes[0].clip_factor is None else "agc", "unit": "images/s", "clock": "wall",
    }  # fmt: skip


def add(
    table: Table,
    job: Job,
    seconds: Mapping[str, list[float]],
    steps: Mapping[str, int],
    compared: Mapping[str, dict[str, Any]],
) -> None:
    """Writes and prints the rows of a job.

    Args:
        seconds: of a step of all runs, by form and round.
        steps: of a measurement, by form.
        compared: further columns, by form.
    """
    k = len(job.recipes)
    for name, values in seconds.items():
        rate, step = Spread.of([k * job.batch / value for value in values], 10), Spread.of(values)
        row = common(job) | compared[name] | {"form": name, "value": rate.median, "low": rate.low, "high": rate.high}
        row |= {"step_ms": 1e3 * step.median, "steps": steps[name], "rounds": len(values)}
        told = ""
        for other in (PROCESSES, TURNS):
            if other in seconds:
                over = Spread.of(ratios(seconds[other], values), 10)
                row |= {f"over_{other}": over.median, f"over_{other}_low": over.low, f"over_{other}_high": over.high}
                told += f"  {over.median:.2f} x {other}"
        table.write(row)
        print(
            f"{job.model}  {job.precision} {job.layout}  k={k:<3} {name:22} {rate.median:9.0f} images/s "
            f"[{rate.low:.0f}, {rate.high:.0f}]{told}",
            flush=True,
        )


def add_trouble(table: Table, job: Job, name: str, told: str) -> None:
    """Writes and prints why a form has no numbers."""
    table.write(common(job) | {"form": name, "trouble": told})
    print(f"{job.model}  {job.precision} {job.layout}  k={len(job.recipes):<3} {name:22} {told}", flush=True)


def section(rows: Sequence[Mapping[str, str]]) -> str:
    """The table of the page of all suites."""
    head = ["network", "px", "batch", "precision", "layout", "k", "form", "images/s", "over processes", "over turns",
            "fp32 difference", "fp64 difference"]  # fmt: skip
    body = []
    for row in rows:
        place = [row[key] for key in ("model", "image_size", "batch", "precision", "layout", "k", "form")]
        value = f"{float(row['value']):,.0f}" if row["value"] else row["trouble"]
        over = [_ratio(row, f"over_{other}") for other in (PROCESSES, TURNS)]
        worst = [f"{float(text):.0e}" if text else "" for text in (row["difference_fp32"], row["difference_fp64"])]
        body.append([*place, value, *over, *worst])
    lines = [head, ["---"] * len(head), *body]
    steps = next((row["compare_steps"] for row in rows if row["compare_steps"]), "")
    about = f"Differences are the largest of weights from separate runs after {steps} steps; that of turns is between\n"
    about += "separate runs in the two memory formats, which round otherwise. Brackets are p10 and p90.\n\n"
    return (about if steps else "") + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _ratio(row: Mapping[str, str], column: str) -> str:
    if not row[column]:
        return ""
    low, high = float(row[f"{column}_low"]), float(row[f"{column}_high"])
    return f"{float(row[column]):.2f} [{low:.2f}, {high:.2f}]"
