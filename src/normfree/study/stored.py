"""The runs of a report that is stored, without their directories: its `runs.csv` and what figures had read beside it.

A committed report is made again from its own rows: tables and text to the last byte, figures as they would be drawn
today. `collection.json` says what the table cannot (who planned the runs, what was left out), `curves.csv.gz` and
`clip.csv.gz` hold what the figures showed of the runs' records.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from normfree.config.errors import UserError
from normfree.study.collect import WORDS, Collection, tidy
from normfree.study.measures import derived_measure
from normfree.study.trials import read_files

ROWS, ABOUT, CURVES, CLIPS = "runs.csv", "collection.json", "curves.csv.gz", "clip.csv.gz"
Curves = Mapping[tuple[str, str, int], NDArray[np.float64]]


def is_stored(report: Path) -> bool:
    """Whether a report with its rows lies here."""
    return (report / ROWS).is_file()


def stored(report: Path) -> Collection:
    """The runs of the report in this directory.

    Raises:
        UserError: its files cannot be read.
    """
    try:
        rows = [_row(row) for row in csv.DictReader(io.StringIO((report / ROWS).read_text(encoding="utf-8")))]
        path = report / ABOUT
        about = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        if not rows or not all(row.get("run_id") and row.get("arm_id") for row in rows):
            raise ValueError("rows without run_id and arm_id")
        table = tidy(rows)
        for name in filter(derived_measure, table.columns):
            table[name] = pd.to_numeric(table[name]).astype(float)
        return Collection(
            table=table,
            directory=report,
            unplanned=tuple(about.get("unplanned", ())),
            earlier=tuple(about.get("earlier", ())),
            planned_by=str(about.get("planned_by", "sweep.json")),
            repeats=tuple(about.get("repeats", ())),
            stored_curves=_curves(report / CURVES),
            files=read_files(report),
        )
    except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{report}: the stored report cannot be read ({error}); make it from its runs") from error


def about(collection: Collection, repeats: Sequence[str]) -> bytes:
    """`collection.json`."""
    content = {
        "planned_by": collection.planned_by,
        "unplanned": list(collection.unplanned),
        "repeats": list(repeats),
    } | ({"earlier": list(collection.earlier)} if collection.earlier else {})
    return (json.dumps(content, indent=1) + "\n").encode()


def curves_file(curves: Curves) -> bytes:
    """`curves.csv.gz`: points of the runs' records that figures show, of at most so many, to six digits."""
    lines = ["run_id,column,most,step,value"]
    for (run_id, column, most), points in sorted(curves.items()):
        lines += [f"{run_id},{column},{most},{step:.12g},{value:.6g}" for step, value in points]
    return compressed("\n".join(lines) + "\n")


def clip_file(records: Mapping[str, Path | str]) -> bytes:
    """`clip.csv.gz`: the rows of each run's `clip.csv`, as they are, with the run's name in front."""
    lines: list[str] = []
    for run_id, content in sorted(records.items()):
        text = content if isinstance(content, str) else content.read_text(encoding="utf-8")
        if not text.strip():
            continue
        head, *rows = text.splitlines()
        lines += [] if lines else [f"run_id,{head}"]
        lines += [f"{run_id},{row}" for row in rows]
    return compressed("\n".join(lines) + "\n")


def stored_clip_records(report: Path) -> dict[str, str]:
    """The `clip.csv` of each run that the stored report holds."""
    try:
        text = gzip.decompress((report / CLIPS).read_bytes()).decode()
    except (OSError, EOFError):
        return {}
    head, *lines = text.splitlines()
    found: dict[str, list[str]] = {}
    for line in lines:
        run_id, _, row = line.partition(",")
        found.setdefault(run_id, [head.partition(",")[2]]).append(row)
    return {run_id: "\n".join(rows) + "\n" for run_id, rows in found.items()}


def compressed(text: str) -> bytes:
    """The same bytes for the same text."""
    return gzip.compress(text.encode(), 9, mtime=0)


def _curves(path: Path) -> Curves:
    if not path.is_file():
        return {}
    table = pd.read_csv(path, dtype={"run_id": str, "column": str})
    return {
        (str(run_id), str(column), int(str(most))): part[["step", "value"]].to_numpy(float)
        for (run_id, column, most), part in table.groupby(["run_id", "column", "most"], sort=False)
    }


def _row(row: Mapping[str, str]) -> dict[str, Any]:
    read = {key: _value(key, text) for key, text in row.items() if key != "series"}
    return read | {"grids": tuple(name for name in (row.get("grids") or "").split(";") if name)}


def _value(column: str, text: str | None) -> Any:
    """As it was before it was written: a number where its text is that of a number."""
    if not text:
        return "" if column in ("reason", "overrides") else None
    text = text[1:] if text[0] == "'" and text[1:2] in tuple("=+-@") else text  # see csv_text
    if text in ("True", "False"):
        return text == "True"
    if column in WORDS and column != "provenance.threads":
        return text
    if column in ("provenance.threads", "provenance.cores"):
        # A count beside blanks was written as a float.
        text = text.removesuffix(".0")
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if str(value) == text:
            return value
    return text
