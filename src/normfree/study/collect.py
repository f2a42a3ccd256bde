"""Run directories to one tidy table: a row for every planned run, a column for every factor and measurement.

`result.json` is flattened with dots (`model.name`, `batch.norm_batch`, `time.seconds`); what is under
`metrics` keeps the name it has in `metrics.csv` (`test/accuracy`). A run without a result takes its factors
from its overrides and from the runs that were given the same ones, so that it can be counted where it
belongs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from normfree.config.errors import UserError
from normfree.config.names import check_run
from normfree.study.factors import fill_from_relatives, override_factors, relatives_key, scientific
from normfree.study.outcomes import DEFINITIONS

SCHEMA_VERSION = 1

NUMBERS = (
    "seed", "lr", "steps", "steps_done", "attempts",
    "batch.global", "batch.micro", "batch.accumulation", "batch.devices", "batch.nodes", "batch.norm_batch",
    "model.parameters", "model.macs", "data.classes", "data.train", "data.validation", "data.test",
    "test/accuracy", "test/loss", "validation/accuracy", "validation/loss",
    "train/initial_loss", "train/final_loss", "skip_gain/mean_abs",
    "batch_dependence.logits_batch_vs_single", "batch_dependence.logits_train_vs_eval",
    "batch_dependence.gradient_whole_vs_accumulated",
    "time.seconds", "time.images_per_second",
)  # fmt: skip
WORDS = (
    "run_id", "arm_id", "status", "reason", "model.name", "model.normalizer", "clip.name", "clip.label",
    "data.name", "data.label", "precision", "traceback",
    "provenance.commit", "provenance.dirty", "provenance.normfree", "provenance.torch",
    "provenance.lightning", "provenance.python",
    "provenance.platform", "provenance.device", "provenance.threads",
)  # fmt: skip


@dataclass(frozen=True)
class Collection:
    """The runs of one experiment.

    `table` has one row a planned run, in order of run id. `unplanned` are directories that no plan names;
    they are shown and not used. `planned_by` says where the plan came from.
    """

    table: pd.DataFrame
    directory: Path
    unplanned: tuple[str, ...] = ()
    planned_by: str = "sweep.json"

    def curves(self, run_id: str) -> pd.DataFrame | None:
        """What the run logged (`metrics.csv`), or None where there is nothing readable."""
        try:
            return pd.read_csv(self.directory / run_id / "metrics.csv")
        except (OSError, ValueError):
            return None


def collect(experiment: str, runs_dir: Path, command: str = "") -> Collection:
    """Read `<runs_dir>/<experiment>`. Raises `UserError` where there are no runs, or no readable plan."""
    directory = runs_dir / experiment
    remedy = command or f"python train.py -m experiment={experiment}"
    present = sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []
    present = [name for name in present if not name.startswith((".", "_"))]
    plan = _plan(directory / "sweep.json")
    if plan is None and not present:
        raise UserError(f"experiment={experiment}: no runs in {directory} yet; make them with: {remedy}")
    cells = plan if plan is not None else {name: {} for name in present if _is_run(directory / name)}
    rows = [_row(directory, run_id, cells[run_id]) for run_id in sorted(cells)]
    if not rows:
        raise UserError(f"experiment={experiment}: {directory} plans no runs; make them with: {remedy}")
    _refuse_twins(rows)
    unplanned = tuple(name for name in present if name not in cells and _is_run(directory / name))
    return Collection(
        table=_tidy(fill_from_relatives(rows)),
        directory=directory,
        unplanned=unplanned,
        planned_by="sweep.json" if plan is not None else "the directories themselves, as there is no sweep.json",
    )


def _refuse_twins(rows: list[dict[str, Any]]) -> None:
    """Two runs of one seed in one arm are one training under two names, and would be counted as two."""
    seen: dict[tuple[Any, Any], str] = {}
    for row in rows:
        arm, seed = row.get("arm_id"), row.get("seed")
        if arm is None or seed is None:
            continue
        other = seen.setdefault((str(arm), str(seed)), row["run_id"])
        if other != row["run_id"]:
            raise UserError(
                f"{row['run_id']} and {other} are one run under two names (seed {seed} of arm {arm}), and would be "
                "counted twice; move one of them away, and out of sweep.json"
            )


def _is_run(path: Path) -> bool:
    return any((path / name).is_file() for name in ("config.yaml", "result.json", "metrics.csv"))


def _plan(path: Path) -> dict[str, Mapping[str, Any]] | None:
    """The planned cells by run id, None where there is no plan."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["schema_version"]
        cells = {str(cell["run_id"]): cell for cell in content["cells"]} if version == SCHEMA_VERSION else {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path} is no readable plan ({type(error).__name__}: {error}); start the sweep again"
        ) from error
    if version != SCHEMA_VERSION:
        raise UserError(f"{path} has schema_version {version}, this normfree reads {SCHEMA_VERSION}; update normfree")
    return {check_run(run, path): cell for run, cell in cells.items()}


def _row(directory: Path, run_id: str, cell: Mapping[str, Any]) -> dict[str, Any]:
    overrides = scientific(str(override) for override in cell.get("overrides", ()))
    row: dict[str, Any] = override_factors(overrides)
    row["overrides"] = relatives_key(overrides)
    row["grids"] = tuple(str(grid) for grid in cell.get("grids", ()))
    path = directory / run_id
    if not path.is_dir():
        return row | {"run_id": run_id, "status": "missing", "reason": DEFINITIONS["missing"]}
    if not (path / "result.json").is_file():
        return row | {"run_id": run_id, "status": "incomplete", "reason": "no result.json"}
    result, problem = _result(path / "result.json", run_id)
    if problem:
        return row | {"run_id": run_id, "status": "unreadable", "reason": problem}
    return row | dict(_flat(result)) | {"run_id": run_id}


def _result(path: Path, run_id: str) -> tuple[Mapping[str, Any], str]:
    """The result, or the reason why it cannot be used."""
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return {}, f"result.json: {error}"
    if not isinstance(result, dict):
        return {}, "result.json: not an object"
    if result.get("schema_version") != SCHEMA_VERSION:
        return {}, f"result.json: schema_version {result.get('schema_version')}, expected {SCHEMA_VERSION}"
    if result.get("run_id") != run_id:
        return {}, f"result.json: belongs to run {result.get('run_id')}"
    known = ("finished", "stalled", "diverged", "failed", "preempted")
    if result.get("status") not in known:
        return {}, f"result.json: status {result.get('status')!r} is none of {', '.join(known)}"
    return result, ""


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        if prefix == "" and key == "metrics" and isinstance(item, dict):
            yield from item.items()
        elif isinstance(item, dict):
            yield from _flat(item, f"{prefix}{key}.")
        elif not isinstance(item, list):
            yield f"{prefix}{key}", item


def _tidy(rows: list[dict[str, Any]]) -> pd.DataFrame:
    others = sorted({key for row in rows for key in row} - {*WORDS, *NUMBERS, "overrides", "grids"})
    table = pd.DataFrame(rows, columns=[*WORDS, "grids", "overrides", *NUMBERS, *others], dtype=object)
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    table["reason"] = table["reason"].fillna("").map(lambda text: " ".join(str(text).split()))
    return table.sort_values("run_id", ignore_index=True)
