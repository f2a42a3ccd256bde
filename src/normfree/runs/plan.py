"""``sweep.json`` of an experiment: every run that its sweeps have planned, so that none can vanish unseen.

A sweep adds its runs to those of earlier ones, under a lock, so that sweeps that run side by side all stay in it. A
run knows the grids it stands in. Where a later sweep gives a grid other content, runs that stood in it before are in
``<grid>@<digest>``, and in ``<grid>`` as well only if the later grid has them too. Where the words of a run come to
another one in a later sweep, because what they name has changed, the earlier is superseded: it stays in the plan, and
no list or report counts it beside the other.

The factors of each arm, by which reports choose and count its runs, are there too; what all arms have in common stands
once. Plans of earlier versions have none.
"""

import fcntl
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from normfree.config import SCHEMA_VERSION
from normfree.config.names import fault_of
from normfree.host.files import remove_unfinished, write_json_atomic
from normfree.runs.again import place_of
from normfree.runs.factors import Factors, pack, unpack
from normfree.runs.reading import Damaged, read_json, shortened
from normfree.runs.recorded import check_version
from normfree.runs.versions import told_left_out

PLAN = "sweep.json"
_LOCK = ".sweep.lock"
_EARLIER = "cells"
"""How plans of earlier versions call their runs."""
_LARGEST = 256 * 2**20


@dataclass(frozen=True)
class PlannedRun:
    """One planned run: its directory's name, the overrides it comes from, the grids it stands in, its arm and seed.

    Arm and seed are ``None`` in a plan of an earlier version.

    Attributes:
        superseded_by: the run that a later sweep planned for the same overrides.
        changed: what made it another one: names of files, or ``conf/``.
    """

    run_id: str
    overrides: tuple[str, ...] = ()
    grids: tuple[str, ...] = ()
    arm_id: str | None = None
    seed: int | None = None
    superseded_by: str | None = None
    changed: tuple[str, ...] = ()


Changed = Callable[[str, str], tuple[str, ...]]
"""What is another than it was when the first run was planned, which the second one supersedes."""


@dataclass(frozen=True)
class Plan:
    """What ``sweep.json`` holds.

    Attributes:
        runs: by run id, in the order in which they were planned.
        grids: grid -> digest of its content, as the last sweep that had it gave it.
        arms: arm -> its factors, as the last sweep that had it resolved them.
    """

    experiment: str = ""
    runs: dict[str, PlannedRun] = field(default_factory=dict)
    grids: dict[str, str] = field(default_factory=dict)
    arms: dict[str, Factors] = field(default_factory=dict)

    def earlier(self, run: str) -> tuple[str, ...] | None:
        """What has changed since a superseded run, or a repetition of one, was planned; ``None`` for every other."""
        for name in (run, place_of(run)[0]):
            planned = self.runs.get(name)
            if planned is not None and planned.superseded_by in self.runs:
                return planned.changed
        return None

    def with_runs(
        self,
        runs: Iterable[PlannedRun],
        grids: dict[str, str],
        arms: Mapping[str, Factors] | None = None,
        changed_since: Changed = lambda earlier, later: (),
    ) -> "Plan":
        """The plan with a sweep's runs added; see the module for grids that have changed, and superseded runs."""
        runs = list(runs)
        changed = {
            name: f"{name}@{self.grids[name]}"
            for name, digest in grids.items()
            if name in self.grids and self.grids[name] != digest
        }
        found = {
            run: replace(planned, grids=tuple(changed.get(grid, grid) for grid in planned.grids))
            for run, planned in self.runs.items()
        }
        for planned in runs:
            earlier = found.get(planned.run_id, PlannedRun(planned.run_id)).grids
            found[planned.run_id] = replace(planned, grids=tuple(dict.fromkeys([*planned.grids, *earlier])))
        return Plan(
            self.experiment, _superseded(found, runs, changed_since), self.grids | grids, self.arms | dict(arms or {})
        )


def _superseded(
    found: Mapping[str, PlannedRun], planned: list[PlannedRun], changed_since: Changed
) -> dict[str, PlannedRun]:
    """All runs, those marked whose overrides come to another one of the planned now."""
    now = {each.run_id for each in planned}
    later = {_words(each): each.run_id for each in planned if each.overrides}
    return {
        run: replace(each, superseded_by=by, changed=changed_since(run, by))
        if run not in now and (by := later.get(_words(each))) is not None
        else each
        for run, each in found.items()
    }


def _words(planned: PlannedRun) -> tuple[str, ...]:
    """The overrides in one order; a run that is to be trained anew is itself where there is nothing to repeat."""
    return tuple(sorted(word for word in planned.overrides if word != "again=false"))


def grid_digest(grid: Any) -> str:
    """Eight hexadecimal digits of a grid's content."""
    text = json.dumps(grid, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:8]


def read_plan(folder: Path) -> Plan | None:
    """The plan of an experiment's folder, or ``None`` where there is none.

    Raises:
        UserError: it cannot be used; says what is wrong and how to go on.
    """
    path = folder / PLAN
    try:
        content = read_json(path, _LARGEST)
        check_version(content)
        return _plan(content)
    except FileNotFoundError:
        return None
    except Damaged as error:
        reason = error.reason
    except ValueError as error:
        reason = str(error)
    raise Damaged(path, reason, f"{path}: {shortened(reason, 240)}; the plan cannot be read, start the sweep again")


def add_to_plan(
    folder: Path,
    experiment: str,
    runs: Iterable[PlannedRun],
    grids: dict[str, str],
    arms: Mapping[str, Factors] | None = None,
    changed_since: Changed = lambda earlier, later: (),
) -> list[str]:
    """Add a sweep to the plan; returns lines that tell the user what became of an earlier one.

    A plan that cannot be read is set aside as ``sweep.json.damaged``.

    Args:
        runs, grids, arms: as :class:`Plan` has them.
        changed_since: asked of each run that a run of this sweep supersedes.

    Raises:
        OSError: the folder cannot be written.
    """
    with _locked(folder):
        lines = []
        try:
            earlier = read_plan(folder) or Plan(experiment)
        except Damaged as error:
            (folder / PLAN).replace(folder / f"{PLAN}.damaged")
            lines.append(f"{error.path} was damaged ({error.reason}); it is now {PLAN}.damaged, and planned anew")
            earlier = Plan(experiment)
        plan = earlier.with_runs(runs, grids, arms, changed_since)
        common, own = pack(plan.arms)
        for name, digest in grids.items():
            before = earlier.grids.get(name, digest)
            if before != digest:
                lines.append(f"grid {name} has other content than before; the earlier one is grid {name}@{before}")
        superseded = [changed for run in plan.runs if (changed := plan.earlier(run)) is not None]
        lines += [f"{line} of lists and reports" for line in told_left_out(superseded)]
        content = {
            "schema_version": SCHEMA_VERSION,
            "experiment": experiment,
            "grids": plan.grids,
            "factors": common,
            "arms": own,
            "runs": [_written(planned) for planned in plan.runs.values()],
        }
        write_json_atomic(folder / PLAN, content)
        return lines


def _written(planned: PlannedRun) -> dict[str, Any]:
    arm = {} if planned.arm_id is None else {"arm_id": planned.arm_id, "seed": planned.seed}
    written = {"run_id": planned.run_id, **arm, "overrides": list(planned.overrides), "grids": list(planned.grids)}
    if planned.superseded_by is None:
        return written
    return written | {"superseded_by": planned.superseded_by, "changed": list(planned.changed)}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        remove_unfinished(folder)
        yield


def is_run_name(name: object) -> TypeGuard[str]:
    """Whether a run's directory may be called so."""
    return isinstance(name, str) and not fault_of(name)


def _plan(content: dict[str, Any]) -> Plan:
    key = _EARLIER if "runs" not in content and _EARLIER in content else "runs"
    runs = content.get(key)
    if not isinstance(runs, list):
        raise ValueError(f"{key} is {shortened(runs)}, not a list")
    arms = unpack(content.get("factors"), content.get("arms"))
    found: dict[str, PlannedRun] = {}
    for number, planned in enumerate(runs):
        place = f"{key}[{number}]"
        if not isinstance(planned, dict):
            raise ValueError(f"{place} is {shortened(planned)}, not names and values")
        run = planned.get("run_id")
        if not is_run_name(run):
            why = fault_of(run) if isinstance(run, str) else "is no text"
            raise ValueError(f"run {shortened(run)} {why}")
        if run in found:
            raise ValueError(f"{place}.run_id: {shortened(run)} stands twice")
        overrides, grids_of_it = (_texts(f"{place}.{name}", planned.get(name)) for name in ("overrides", "grids"))
        found[run] = PlannedRun(run, overrides, grids_of_it, *_arm(place, planned, arms), *_later(place, planned))
    grids = content.get("grids") or {}
    if not isinstance(grids, dict) or not all(isinstance(digest, str) for digest in grids.values()):
        raise ValueError(f"grids is {shortened(grids)}, not names and digests")
    return Plan(shortened(content.get("experiment", "")), found, grids, arms)


def _arm(place: str, planned: Mapping[str, Any], arms: Mapping[str, Factors]) -> tuple[str | None, int | None]:
    """Arm and seed of a planned run, where its factors are known."""
    arm, seed = planned.get("arm_id"), planned.get("seed")
    if arm is None:
        return None, None
    if not isinstance(arm, str) or arm not in arms:
        raise ValueError(f"{place}.arm_id: {shortened(arm)} is none of the arms")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise ValueError(f"{place}.seed is {shortened(seed)}, not a whole number")
    return arm, seed


def _later(place: str, planned: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    """By which run this one is superseded, and what has changed."""
    by = planned.get("superseded_by")
    if by is not None and not is_run_name(by):
        raise ValueError(f"{place}.superseded_by: {shortened(by)} is no name of a run")
    return by, tuple(shortened(name) for name in _texts(f"{place}.changed", planned.get("changed")))


def _texts(place: str, value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{place} is {shortened(value)}, not a list of texts")
    return tuple(value)
