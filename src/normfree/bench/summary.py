"""The benchmark tables of a folder as one page: reports/benchmarks/README.md from the CSV files beside it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from normfree.bench.rows import PROVENANCE
from normfree.bench.suites import suites
from normfree.config import UserError
from normfree.config.keys import key

SUITE = "the page reports/benchmarks/README.md from the CSV files"

PAGE = "README.md"
_HEAD = """\
# Benchmarks

Measured side by side and interleaved, in one process but for trainings; medians, with the quartiles of the rounds in
brackets. A ratio is the other's time (memory, bytes) over ours: more than 1 is better. Clock *cpu* is the processor
time of the process. Every row of a CSV file has its commit, hardware and versions. Made by `python bench.py summary`.
"""
_NO_GPU = """\
## GPU

Not measured: no GPU was at hand. `bash scripts/gpu_session.sh` on a machine with one writes the rows, and this page
shows them; nothing here is an estimate.
"""
Row = dict[str, str]


@dataclass
class Options:
    """What is summed up."""

    folder: str = key("reports/benchmarks", "folder of the CSV files; the page goes there too")


def run(options: Options) -> None:
    """Writes the page.

    Raises:
        UserError: the folder has no CSV file.
    """
    folder = Path(options.folder)
    text = page(folder)
    (folder / PAGE).write_text(text, encoding="utf-8")
    print(folder / PAGE)


def page(folder: Path) -> str:
    """The page as text, from the CSV files in `folder`; unknown files are left out."""
    tables = {path.name: _rows(path) for path in sorted(folder.glob("*.csv"))}
    if not tables:
        raise UserError(f"folder={folder}: has no CSV file; run a suite such as `python bench.py nets` first")
    parts = [_HEAD]
    for name, rows in tables.items():
        suite = name.partition("-")[0]
        if rows and (found := _section_of(suite)) is not None:
            title, section = found
            parts.append(f"## {title}, {rows[0]['device']}\n\n[{name}]({name}); {_origin(rows)}.\n\n{section(rows)}")
            parts += _figure(folder, Path(name), title, suite, rows)
    if all(row["device"].startswith("CPU") for rows in tables.values() for row in rows):
        parts.append(_NO_GPU)
    return "\n".join(parts)


def _figure(folder: Path, table: Path, title: str, suite: str, rows: list[Row]) -> list[str]:
    """The picture that a suite drew beside its table, with what its module's ``caption`` says of it."""
    picture = table.with_suffix(".png")
    if not (folder / picture).exists():
        return []
    caption = getattr(import_module(f"normfree.bench.{suite}"), "caption", None)
    told = f"\n*{caption(rows)}*\n" if caption else ""
    return [f"![{title}, {rows[0]['device']}]({picture})\n{told}"]


def _rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _origin(rows: list[Row]) -> str:
    def all_of(column: str) -> str:
        return ", ".join(dict.fromkeys(row[column] for row in rows if row[column]))

    commits = ", ".join(dict.fromkeys(row["commit"][:10] for row in rows))
    changed = " (with uncommitted changes)" if any(row["dirty"] == "true" for row in rows) else ""
    timm = f", timm {all_of('timm')}" if all_of("timm") else ""
    return f"commit {commits}{changed}, torch {all_of('torch')}{timm}, threads {all_of('threads')}"


def _markdown(head: list[str], body: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _with_quartiles(row: Row, value: str) -> str:
    low, high = row[f"{value}_low"], row[f"{value}_high"]
    text = f"{float(row[value]):.2f}"
    return text if low == high else f"{text} [{float(low):.2f}, {float(high):.2f}]"


def _nets(rows: list[Row]) -> str:
    head = [
        "network",
        "what",
        "form",
        "precision",
        "layout",
        "px",
        "batch",
        "ours",
        "other",
        "ratio",
        "beside",
        "clock",
    ]
    others = {_case(row): row for row in rows if _is_other(row)}
    body = []
    for row in rows:
        other = others.get(_case(row))
        if other is None or _is_other(row):
            continue
        place = (row[key] for key in ("model", "what", "form", "precision", "layout", "image_size", "batch"))
        times = f"{float(row['value']):.4g} {row['unit']}", f"{float(other['value']):.4g}"
        body.append([*place, *times, _with_quartiles(row, "ratio"), other["subject"], row["clock"]])
    return _markdown(head, body)


def _case(row: Row) -> tuple[str, ...]:
    """What ours and the other have in common; `form` ends in eager or compiled."""
    place = ("model", "against", "what", "precision", "layout", "image_size", "batch")
    return (*(row[key] for key in place), row["form"].split()[-1])


def _is_other(row: Row) -> bool:
    return row["subject"] != "normfree"


def _clip(rows: list[Row]) -> str:
    head = [
        "network",
        "units clipped",
        "method",
        "time",
        "over timm",
        "of global norm",
        "operations",
        "share of a step",
    ]
    body = []
    for row in rows:
        time = f"{float(row['value']):.4g} {row['unit']}"
        over_timm = _with_quartiles(row, "over_timm") if row["over_timm"] else ""
        share = f"{float(row['share_of_step']):.1%}" if row["share_of_step"] else ""
        place = (row["model"], row["clipped"], row["method"])
        body.append([*place, time, over_timm, row["of_norm"], row["operations"], share])
    return _markdown(head, body)


def _data(rows: list[Row]) -> str:
    head = ["images", "loader", "px", "batch", "images/s", "ratio", "per CPU second", "ratio", "beside"]
    body = []
    for row in rows:
        place = [row["images"], row["loader"], row["size"], row["batch"]]
        speed, per_cpu = (f"{float(row[key]):,.0f}" for key in ("value", "per_cpu_second"))
        if row["loader"] == row["reference"]:
            body.append([*place, speed, "", per_cpu, "", ""])
        else:
            ratios = _with_quartiles(row, "over"), _with_quartiles(row, "cpu_over")
            body.append([*place, speed, ratios[0], per_cpu, ratios[1], row["reference"]])
    return f"{rows[0]['workers']} workers.\n\n" + _markdown(head, body)


def _loop(rows: list[Row]) -> str:
    head = ["what", "network", "clip", "px", "batch", "subject", "time", "times the bare loop", "clock"]
    body = []
    for row in rows:
        place = [row[key] for key in ("what", "model", "clip", "size", "batch", "subject")]
        over = _with_quartiles(row, "over") if row["over"] else ""
        body.append([*place, f"{float(row['value']):.4g} {row['unit']}", over, row["clock"]])
    return _markdown(head, body)


def _sweep(rows: list[Row]) -> str:
    head = [
        "experiment",
        "overrides",
        "launcher",
        "processes",
        "runs",
        "steps",
        "time",
        "ratio a step",
        "alike",
        "clock",
    ]
    body = []
    for row in rows:
        place = [row[key] for key in ("experiment", "overrides", "launcher", "workers", "runs", "steps_done")]
        time = f"{float(row['value']):.0f} {row['unit']}"
        body.append([*place, time, _with_quartiles(row, "ratio"), row["alike"], row["clock"]])
    return _markdown(head, body)


def _every_column(rows: list[Row]) -> str:
    """For a suite that says nothing of its table: all that it measured, without where it came from."""
    head = [column for column in rows[0] if column not in PROVENANCE]
    return _markdown(head, [[row[column] for column in head] for row in rows])


def _section_of(suite: str) -> tuple[str, Callable[[list[Row]], str]] | None:
    """Title and table of a suite, as its module says; nothing of a file that is no suite's."""
    if suite not in suites():
        return None
    module = import_module(f"normfree.bench.{suite}")
    if (title := getattr(module, "TITLE", None)) is None:
        return None
    own: Callable[[list[Row]], str] = getattr(module, "section", _every_column)
    return str(title), _SECTIONS.get(suite, own)


_SECTIONS: dict[str, Callable[[list[Row]], str]] = {
    "nets": _nets,
    "clip": _clip,
    "data": _data,
    "loop": _loop,
    "sweep": _sweep,
}
