"""Run directories to one tidy table: a row for every planned run, a column for every factor and measurement.

`result.json` is flattened with dots (`model.name`, `batch.norm_batch`, `time.seconds`); what is under
`metrics` keeps the name it has in `metrics.csv` (`test/accuracy`). A run without a result takes its factors
from its overrides and from the runs that were given the same ones, so that it can be counted where it
belongs. A plan that knows the factors of its arms gives them, and nothing is guessed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from normfree.config.errors import UserError
from normfree.config.yaml_file import parse_yaml
from normfree.runs import RunDirectory
from normfree.runs.again import apart
from normfree.runs.damage import examined
from normfree.runs.factors import Factors, leaves
from normfree.runs.outcomes import DEFINITIONS
from normfree.runs.plan import PlannedRun, is_run_name, read_plan
from normfree.runs.reading import DAMAGED, shortened
from normfree.runs.versions import told_left_out
from normfree.study.factors import fill_from_relatives, override_factors, relatives_key, scientific, split_override
from normfree.study.trials import read_files

NUMBERS = (
    "seed", "lr", "steps", "steps_done", "attempts",
    "batch.global", "batch.micro", "batch.accumulation", "batch.devices", "batch.nodes", "batch.norm_batch",
    "model.parameters", "model.macs", "data.classes", "data.train", "data.validation", "data.test",
    "test/accuracy", "test/loss", "validation/accuracy", "validation/loss",
    "train/initial_loss", "train/final_loss", "skip_gain/mean_abs", "chance.images", "chance.share", "chance.p_value",
    "batch_dependence.logits_batch_vs_single", "batch_dependence.logits_train_vs_eval",
    "batch_dependence.gradient_whole_vs_accumulated",
    "time.seconds", "time.images_per_second",
)  # fmt: skip
WORDS = (
    "run_id", "arm_id", "status", "reason", "stalled", "chance.split",
    "model.name", "model.normalizer", "clip.name", "clip.label",
    "data.name", "data.label", "precision", "traceback",
    "provenance.commit", "provenance.dirty", "provenance.normfree", "provenance.torch",
    "provenance.lightning", "provenance.python",
    "provenance.platform", "provenance.device", "provenance.threads",
)  # fmt: skip


@dataclass(frozen=True)
class Collection:
    """The runs of one experiment.

    `table` has one row a planned run, in order of run id. `unplanned` are directories that no plan names;
    they are shown and not used, and so are those `repeated` with ``again=true``, each with the run that it
    repeats. Of the rows of a stored report, `repeats` says what was found of these, and `stored_curves` are points
    of runs' records by run, column and how many were asked for. `planned_by` says where the plan came from,
    `factors` are the columns that it gives, and `unrecorded` those of them that stand nowhere else. `earlier` tells
    of the runs that are left out, as a later sweep planned others for the same words. `files` are those of a search, by
    name: see `normfree.study.trials`.
    """

    table: pd.DataFrame
    directory: Path
    unplanned: tuple[str, ...] = ()
    repeated: Mapping[str, str] = field(default_factory=dict)
    planned_by: str = "sweep.json"
    factors: tuple[str, ...] = ()
    unrecorded: tuple[str, ...] = ()
    earlier: tuple[str, ...] = ()
    repeats: tuple[str, ...] | None = None
    stored_curves: Mapping[tuple[str, str, int], NDArray[np.float64]] | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_stored(self) -> bool:
        """Whether it comes from the rows of a report, and not from run directories."""
        return self.stored_curves is not None

    def curve(self, run_id: str, column: str, most: int = 1000) -> NDArray[np.float64] | None:
        """A column of `metrics.csv` over the step, `[n, 2]` with n about `most` at most, finite values alone.

        None where the run, which has to be whole, did not log it. Of a longer record each stretch of rows gives its
        lowest and highest value, so that no peak is lost.
        """
        if self.stored_curves is not None:
            return self.stored_curves.get((run_id, column, most))
        path = self.directory / run_id / "metrics.csv"
        try:
            parts = pd.read_csv(path, usecols=["step", column], chunksize=_ROWS_AT_A_TIME)
            points = np.concatenate([_finite(part[["step", column]]) for part in parts])
        except (OSError, ValueError):
            return None
        return thinned(points, most)

    def logged(self, run_id: str) -> list[str]:
        """The columns of a run's `metrics.csv`; none where it cannot be read, or where rows are stored without it."""
        if self.stored_curves is not None:
            return []
        try:
            return list(pd.read_csv(self.directory / run_id / "metrics.csv", nrows=0).columns)
        except (OSError, ValueError):
            return []


_ROWS_AT_A_TIME = 50_000
_LONGEST_REASON = 1000


def _finite(rows: pd.DataFrame) -> NDArray[np.float64]:
    values: NDArray[np.float64] = rows.apply(pd.to_numeric, errors="coerce").to_numpy(float)
    return values[np.isfinite(values).all(axis=1)]


def thinned(points: NDArray[np.float64], most: int) -> NDArray[np.float64]:
    """At most `most` + 2 of the points `[n, 2]`: the first, the last, and the extremes of equal stretches between."""
    if len(points) <= most:
        return points
    edges = np.linspace(0, len(points), max(1, most // 2) + 1).astype(int)
    kept = {0, len(points) - 1}
    for first, last in pairwise(edges):
        stretch = points[first:last, 1]
        kept |= {first + int(stretch.argmin()), first + int(stretch.argmax())}
    return points[sorted(kept)]


def collect(experiment: str, runs_dir: Path, command: str = "") -> Collection:
    """Read `<runs_dir>/<experiment>`. Raises `UserError` where there are no runs, or no readable plan."""
    directory = runs_dir / experiment
    remedy = command or f"python train.py -m experiment={experiment}"
    try:
        present = sorted(path.name for path in directory.iterdir() if path.is_dir()) if directory.is_dir() else []
    except OSError as error:
        raise UserError(f"experiment={experiment}: {directory} cannot be read: {error.strerror}") from error
    present = [name for name in present if is_run_name(name) and _is_run(directory / name)]
    plan = read_plan(directory)
    if plan is None and not present:
        raise UserError(f"experiment={experiment}: no runs in {directory} yet; make them with: {remedy}")
    every = plan.runs if plan is not None else {name: _unplanned(directory / name) for name in present}
    changed = {} if plan is None else {name: plan.earlier(name) for name in dict.fromkeys([*every, *present])}
    earlier = {name: names for name, names in changed.items() if names is not None}
    runs = {name: planned for name, planned in every.items() if name not in earlier}
    present = [name for name in present if name not in earlier]
    arms = {} if plan is None else plan.arms
    known = {*WORDS, *NUMBERS}
    counted, repeated = apart(sorted(runs))
    repeated |= {name: of for name, of in apart([*runs, *present])[1].items() if name not in runs}
    rows = [_row(directory, runs[run_id], arms, known) for run_id in counted]
    factors = {key for arm in {run.arm_id for run in runs.values()} for key in arms.get(arm or "", ())}
    if not rows:
        raise UserError(f"experiment={experiment}: {directory} plans no runs; make them with: {remedy}")
    _refuse_twins(rows)
    return Collection(
        table=tidy(fill_from_relatives(rows)),
        directory=directory,
        unplanned=tuple(name for name in present if name not in runs and name not in repeated),
        repeated=repeated,
        factors=tuple(sorted(factors)),
        unrecorded=tuple(sorted(factors - known)),
        earlier=tuple(told_left_out(earlier.values())),
        files=read_files(directory),
        planned_by="sweep.json" if plan is not None else "the directories themselves, as there is no sweep.json",
    )


def _unplanned(directory: Path) -> PlannedRun:
    """A run that no sweep planned, with what was typed for it; of a place on its machine the name alone."""
    run = RunDirectory(directory)
    try:
        found = parse_yaml(run.overrides.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        found = None
    words = [word for word in found if isinstance(word, str) and "=" in word] if isinstance(found, list) else []
    named = [f"{key}={PurePath(value).name if '/' in value else value}" for key, value in map(split_override, words)]
    return PlannedRun(directory.name, tuple(named))


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


def _row(directory: Path, planned: PlannedRun, arms: Mapping[str, Factors], known: set[str]) -> dict[str, Any]:
    """What is known of a planned run: overrides as typed, better the factors of its plan, and best its result.

    Adds to `known` the columns that do not come from the plan's factors alone.
    """
    overrides = scientific(planned.overrides)
    row: dict[str, Any] = override_factors(overrides)
    known.update(row)
    if planned.arm_id is not None:
        row |= arms[planned.arm_id] | {"arm_id": planned.arm_id, "seed": planned.seed}
    row["overrides"] = relatives_key(overrides)
    row["grids"] = planned.grids
    row["run_id"] = planned.run_id
    run = RunDirectory(directory / planned.run_id)
    if not run.path.is_dir():
        return row | {"status": "missing", "reason": DEFINITIONS["missing"]}
    result, damage = examined(run)
    if damage is not None:
        return row | {"status": DAMAGED, "reason": f"{damage.path.name}: {damage.reason}"}
    if result is None:
        return row | {"status": "incomplete", "reason": "no result.json"}
    recorded = {key: value for key, value in _columns(result) if key not in _OWN}
    known.update(recorded)
    return row | recorded


_OWN = ("overrides", "grids", "run_id", "series")
"""Columns that do not come from a result, whatever stands in it."""


_PLACES = ("data.root", "data.places")
"""Where images lay on the machine of a run: nothing that a table of results compares."""


def _columns(result: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Numbers under `metrics` have their own names; lists are no columns."""
    rest = {key: value for key, value in result.items() if key != "metrics"}
    for name, value in leaves(rest | dict(result["metrics"])):
        if name not in _PLACES and not isinstance(value, list):
            yield name, value


def columns_in_order(names: Iterable[str]) -> list[str]:
    """Of every collection: those that all have, then the others by name."""
    first = [*WORDS, "grids", "overrides", *NUMBERS]
    return [*first, *sorted(set(names) - set(first))]


def tidy(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows as a table with the columns of every collection, in order of their runs."""
    names = columns_in_order({key for row in rows for key in row})
    table = pd.DataFrame(rows, columns=names, dtype=object)
    for name in NUMBERS:
        table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    table["reason"] = table["reason"].fillna("").map(lambda text: shortened(text, _LONGEST_REASON))
    return table.sort_values("run_id", ignore_index=True)
