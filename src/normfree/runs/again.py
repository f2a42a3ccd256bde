"""Runs that are trained anew beside the one that has its result, with ``again=true``.

The second is ``<run id>.again-2``, a run like every other with a directory, a lock and a result of its own. It has the
seed, the arm and the hash of the first, and is no other sample of them: reports count the first alone.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from normfree.config import Resolved
from normfree.config.sources.reading import remembered
from normfree.host.wording import counted
from normfree.runs.damage import standing
from normfree.runs.directory import RunDirectory
from normfree.runs.outcomes import TERMINAL

_NAME = re.compile(r"(.+-[0-9a-f]{8})\.again-([2-9]|[1-9]\d+)")


def place_of(run: str) -> tuple[str, int]:
    """The name of the first training of a run, and which one this is, by its name."""
    found = _NAME.fullmatch(run)
    return (found[1], int(found[2])) if found else (run, 1)


def apart(runs: Iterable[str]) -> tuple[list[str], dict[str, str]]:
    """Names of runs of which each counts once, and those of their repetitions with what they repeat.

    Where the first training is not among them, the earliest that is counts.
    """
    names = list(runs)
    earliest: dict[str, str] = {}
    for name in sorted(names, key=place_of):
        earliest.setdefault(place_of(name)[0], name)
    counted = set(earliest.values())
    return [name for name in names if name in counted], {
        name: earliest[place_of(name)[0]] for name in names if name not in counted
    }


def begun_anew(runs: Sequence[Resolved]) -> list[Resolved]:
    """Each run with the number of its repetition in place of ``again=true``.

    Runs without a result are themselves: there is nothing yet to repeat. The others get the first number at which one
    of them has no result, so that the same command goes on with what was interrupted, and begins anew when all have
    come to an end.

    Raises:
        Damaged: a result is of another schema version.
    """
    asked = [run for run in runs if run.config.again is True]
    done = [run for run in asked if _has_result(run, 1)]
    number = 2
    while done and all(_has_result(run, number) for run in done):
        number += 1
    numbers = {id(run): number for run in done}
    return [
        numbered(run, numbers.get(id(run), False)) if run.config.again is True else run for run in runs
    ]  # fmt: skip


def numbered(resolved: Resolved, number: int) -> Resolved:
    """The same run as its ``number``-th training."""
    return replace(resolved, config=replace(resolved.config, again=number if number > 1 else False))


def told_number(overrides: Sequence[str], resolved: Resolved) -> list[str]:
    """Overrides that come to this repetition whatever is trained meanwhile."""
    again = resolved.config.again
    return [
        (f"again={str(again).lower()}" if each.lstrip("+").partition("=")[0] == "again" else each) for each in overrides
    ]


def told_anew(runs: Sequence[Resolved], numbered_runs: Sequence[Resolved]) -> str:
    """What ``again=true`` comes to, in a line; empty where it was not asked for."""
    numbers = [
        int(now.config.again) or 1 for run, now in zip(runs, numbered_runs, strict=True) if run.config.again is True
    ]
    if not numbers:
        return ""
    first = numbers.count(1)
    there = sum(now.config.again is not False and _has_result(now, int(now.config.again)) for now in numbered_runs)
    known = f" ({there} of them have that result already)" if there else ""
    anew = f"again=true: {counted(len(numbers) - first, 'run')} anew, as *.again-{max(numbers)}{known}"
    parts = [anew] if first < len(numbers) else []
    if first:
        parts.append(f"{'' if parts else 'again=true: '}{first} for the first time, as they have no result yet")
    return ", ".join(parts)


def _has_result(run: Resolved, number: int) -> bool:
    directory = RunDirectory.of(numbered(run, number))

    def looked_up() -> bool:
        result = standing(directory)
        return result is not None and result["status"] in TERMINAL

    return remembered(("has a result", directory.path), looked_up)  # it is asked for again when all of it is told
