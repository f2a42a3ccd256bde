"""The runs of a sweep, from combinations of overrides."""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from normfree.config import Resolved, UserError, resolve
from normfree.config.parts import own_parts
from normfree.runs import RunDirectory, run_id
from normfree.runs.again import begun_anew, told_anew, told_number
from normfree.runs.own_code import files_of
from normfree.sweep.same_run import Planned, tell_same_runs


@dataclass(frozen=True)
class SweepRun:
    """One planned run."""

    overrides: list[str]
    resolved: Resolved
    run_id: str
    grids: list[str]

    @property
    def directory(self) -> RunDirectory:
        return RunDirectory.of(self.resolved)


def plan_runs(
    planned: list[tuple[list[str], list[str]]],
    compose: Callable[[Sequence[str]], Any],
    prepare: Callable[[SweepRun], None] = lambda run: None,
) -> list[SweepRun]:
    """Check every combination of overrides; those that come to the same run are one.

    Args:
        planned, compose: as for `normfree.sweep.run_sweep`.
        prepare: told of each run as soon as it is known, while the others are not.

    Raises:
        UserError: a combination is wrong.
    """
    runs: dict[str, SweepRun] = {}
    same: dict[str, list[Planned]] = {}
    for given, grids, resolved in _resolved(planned, compose):
        each = told_number(given, resolved)
        overrides = [override for override in each if not override.lstrip("+").startswith("sweep.")]
        known = len(runs)
        run = runs.setdefault(run_id(resolved), SweepRun(overrides, resolved, run_id(resolved), []))
        same.setdefault(run.run_id, []).append((overrides, resolved, tuple(grids)))
        run.grids.extend(name for name in grids if name not in run.grids)
        if len(runs) > known:
            prepare(run)
    tell_same_runs(same)
    return list(runs.values())


def refuse_changed(runs: Sequence[SweepRun]) -> None:
    """Whether the user's own code is still what the runs were planned with.

    Raises:
        UserError: a file of it has changed since; names the one that was written last.
    """
    for run in runs:
        if own_parts(run.resolved.config) and run_id(run.resolved) != run.run_id:
            files = files_of(run.resolved.config)
            changed = max(files, key=lambda name: files[name].stat().st_mtime_ns)
            raise UserError(f"{changed} has changed while the runs were planned; start the command again")


def resolved_of(overrides: list[str], compose: Callable[[Sequence[str]], Any]) -> Resolved:
    """What a combination of overrides comes to.

    Raises:
        UserError: it is wrong; names the combination.
    """
    try:
        return resolve(compose(overrides), overrides)
    except UserError as error:
        raise UserError(f"{error} (in the combination {' '.join(overrides)})") from error


def _resolved(
    planned: list[tuple[list[str], list[str]]], compose: Callable[[Sequence[str]], Any]
) -> Iterator[tuple[list[str], list[str], Resolved]]:
    """Each combination with what it comes to; at once where none of them is to be trained anew beside others."""
    waiting = []
    for each, grids in planned:
        resolved = resolved_of(each, compose)
        if resolved.config.again is True:
            waiting.append((each, grids, resolved))
        else:
            yield each, grids, resolved
    asked = [resolved for _, _, resolved in waiting]
    anew = begun_anew(asked)
    if line := told_anew(asked, anew):
        print(line, file=sys.stderr, flush=True)
    for (each, grids, _), resolved in zip(waiting, anew, strict=True):
        yield each, grids, resolved
