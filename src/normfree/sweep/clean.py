"""What of an experiment can be removed to free room, told first and removed when that is agreed to."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from normfree.runs import TERMINAL, Busy, RunDirectory
from normfree.sweep.state import RunState

KINDS = {
    "checkpoints": "the weights of runs that have their result; these cannot be loaded any more, results stay",
    "failed": "the directories of failed runs, with their tracebacks",
}
"""What can be removed, and what is lost with it."""


@dataclass(frozen=True)
class Removal:
    """Files or a directory of one run."""

    run: RunDirectory
    paths: tuple[Path, ...]
    size: int


def removals(folder: Path, states: Sequence[RunState], kind: str) -> list[Removal]:
    """What would go.

    Args:
        kind: one of `KINDS`.
    """
    found = []
    for state in states:
        run = RunDirectory(folder / state.run_id)
        paths: tuple[Path, ...]
        if kind == "failed":
            paths = (run.path,) if state.state == "failed" and run.path.is_dir() else ()
        else:
            paths = tuple(sorted(run.checkpoints.glob("*.ckpt"))) if state.state in TERMINAL else ()
        if paths:
            found.append(Removal(run, paths, sum(map(_size, paths))))
    return found


def remove(chosen: Sequence[Removal]) -> tuple[int, list[str]]:
    """Remove them; gives the bytes that are free now, and the runs that were left because a process has them."""
    freed, left = 0, []
    for each in chosen:
        try:
            with each.run.locked():
                for path in each.paths:
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        except Busy:
            left.append(each.run.path.name)
            continue
        freed += each.size
    return freed, left


def _size(path: Path) -> int:
    if path.is_dir() and not path.is_symlink():
        return sum(each.lstat().st_size for each in path.rglob("*"))
    return path.lstat().st_size
