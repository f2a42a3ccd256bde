"""What is told where something cannot be written: what is wrong there, and what helps against that."""

import errno
import os
from pathlib import Path

import pytest
from tests.conftest import resolved

from normfree.config import UserError
from normfree.runs import RunDirectory
from normfree.sweep import sweep
from normfree.sweep.sweep import SweepRun

FULL, NOT_FULL = (errno.ENOSPC, errno.EDQUOT), (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def told_by_a_run(number: int, folder: Path) -> str:
    directory = RunDirectory(folder / "experiment" / "run")
    with pytest.raises(UserError) as error, directory.writing():
        raise OSError(number, os.strerror(number), str(directory.path))
    return str(error.value)


def told_by_a_sweep(number: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    def cannot(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(sweep, "add_to_plan", cannot)
    run = resolved(f"runs_dir={folder}")
    with pytest.raises(UserError) as error:
        sweep.add_runs_to_plan([SweepRun([], run, RunDirectory.of(run).path.name, [])], {})
    return str(error.value)


@pytest.mark.parametrize("number", [*FULL, *NOT_FULL], ids=lambda number: errno.errorcode[number])
def test_room_is_asked_for_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    remedy = "make room there or give" if number in FULL else "give"
    line = f"runs_dir={tmp_path}: cannot write there ({os.strerror(number)}); {remedy} a writable directory with "
    assert told_by_a_run(number, tmp_path) == told_by_a_sweep(number, tmp_path, monkeypatch) == f"{line}runs_dir=..."
