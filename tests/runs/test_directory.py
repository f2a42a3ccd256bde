import errno
import multiprocessing
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from normfree.config import Resolved, UserError
from normfree.host.files import write_json_atomic
from normfree.runs import RunDirectory, truncate_metrics
from normfree.runs.reading import Damaged

GONE = 2**22 + 1
"""Above the largest process id that Linux gives."""


@pytest.fixture
def directory(tmp_path: Path) -> RunDirectory:
    made = RunDirectory(tmp_path / "experiment" / "run")
    made.create()
    return made


def recorded(directory: RunDirectory, status: str = "finished") -> dict[str, Any]:
    """As little as a result may hold."""
    parts: dict[str, Any] = {name: {} for name in ("model", "clip", "data", "batch", "metrics")}
    return {"run_id": directory.path.name, "arm_id": "a", "seed": 0, "status": status, "lr": 0.1, **parts}


def test_a_result_comes_back(directory: RunDirectory) -> None:
    directory.write_result(recorded(directory) | {"metrics": {"loss": float("nan"), "accuracy": 0.5}})
    result = directory.read_result()
    assert result == {"schema_version": 1, **recorded(directory), "metrics": {"loss": None, "accuracy": 0.5}}


def test_no_result_is_none(directory: RunDirectory) -> None:
    assert directory.read_result() is None


@pytest.mark.parametrize("file", ["result.json", "environment.json"])
def test_another_schema_version_is_refused(directory: RunDirectory, file: str) -> None:
    write_json_atomic(directory.path / file, {"schema_version": 99})
    with pytest.raises(UserError, match="schema version 99, this is version 1; move the run away"):
        directory.read_result()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", '{"schema_version": 1', '{"schema_version": 1}', "\0\0", "[" * 100_000]
)
def test_a_broken_result_is_one_line(directory: RunDirectory, text: str) -> None:
    directory.result.write_text(text, encoding="utf-8")
    with pytest.raises(Damaged, match="move the run away") as told:
        directory.read_result()
    assert told.value.path == directory.result
    assert len(str(told.value).splitlines()) == 1


def _hold(path: Path, ready: object, release: object) -> None:
    with RunDirectory(path).locked():
        ready.set()  # type: ignore[attr-defined]
        release.wait()  # type: ignore[attr-defined]


def test_a_second_process_is_told_who_holds_the_run(directory: RunDirectory) -> None:
    context = multiprocessing.get_context("spawn")
    ready, release = context.Event(), context.Event()
    holder = context.Process(target=_hold, args=(directory.path, ready, release))
    holder.start()
    assert ready.wait(30)
    with pytest.raises(UserError, match=f"process {holder.pid} is training it now"), directory.locked():
        pass
    release.set()
    holder.join()
    with directory.locked():
        pass


def test_a_failure_elsewhere_does_not_replace_a_result(tiny: Callable[..., Resolved]) -> None:
    """A process that was refused because another held the run may come to record that when the other is done."""
    run = tiny()
    directory = RunDirectory.of(run)
    directory.create()
    directory.write_result(recorded(directory, "finished"))
    assert directory.record_failure(run, "another process is training it")["status"] == "finished"
    assert directory.finished_result() is not None


def test_a_lock_is_waited_for_while_its_owner_is_gone(directory: RunDirectory) -> None:
    """What a killed process has started holds its lock a little longer."""
    holding, letting_go = os.pipe()
    with directory.locked() as lock:
        orphan = subprocess.Popen(["cat"], stdin=holding, pass_fds=[lock])
    (directory.path / "lock").write_text(str(GONE), encoding="utf-8")
    threading.Timer(0.5, os.close, [letting_go]).start()
    os.close(holding)
    began = time.monotonic()
    with directory.locked():
        assert time.monotonic() - began > 0.4
    assert orphan.wait(10) == 0


def test_a_reader_never_sees_half_a_file(directory: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.write_result(recorded(directory, "preempted"))

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        directory.write_result(recorded(directory, "finished"))
    monkeypatch.undo()
    result = directory.read_result()
    assert result is not None
    assert result["status"] == "preempted"
    assert [path.name for path in directory.path.iterdir() if path.name.startswith(".result")] == []


def test_on_a_full_disk_the_reserve_makes_room_for_the_result(
    directory: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    reserve = directory.path / ".reserve"
    fsync = os.fsync

    def full_while_reserved(descriptor: int) -> None:
        if reserve.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(descriptor)

    with directory.locked():
        assert reserve.exists()
        monkeypatch.setattr(os, "fsync", full_while_reserved)
        directory.write_result(recorded(directory, "preempted"))
    assert directory.read_result() is not None


def test_no_permission_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder", encoding="utf-8")
    with pytest.raises(UserError, match=r"runs_dir=.*cannot write there.*runs_dir=\.\.\."):
        RunDirectory(tmp_path / "file" / "experiment" / "run").create()


def test_metrics_after_the_resumed_step_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    path.write_text("step,train/loss\n10,1.5\n20,1.25\n30,1.0\n40", encoding="utf-8")
    truncate_metrics(path, 20)
    assert path.read_text(encoding="utf-8") == "step,train/loss\n10,1.5\n20,1.25\n"


@pytest.mark.filterwarnings("always")
def test_what_is_in_the_place_of_a_file_is_set_aside(tiny: Callable[..., Resolved]) -> None:
    directory = RunDirectory.of(tiny())
    directory.create()
    folders = ("metrics.csv", "checksums.sha256", "config.yaml", "checkpoints/last.ckpt")
    for name in folders:
        (directory.path / name / "inner").mkdir(parents=True)
    os.mkfifo(directory.checkpoints / "previous.ckpt")
    (directory.path / "clip.csv").symlink_to("nowhere")
    (directory.path / "attempts").write_text("", encoding="utf-8")
    names = (*folders, "checkpoints/previous.ckpt", "clip.csv", "attempts")
    with pytest.warns(UserWarning, match="set aside as") as told, directory.locked():
        assert not any(os.path.lexists(directory.path / name) for name in names)
    assert {str(each.message) for each in told} >= {
        f"{directory.path / 'clip.csv'} is no file, set aside as clip.csv.damaged",
        f"{directory.path / 'attempts'} is no folder, set aside as attempts.damaged",
    }
    assert all(os.path.lexists(directory.path / f"{name}.damaged") for name in names)


def test_what_is_in_the_way_is_named(tiny: Callable[..., Resolved]) -> None:
    directory = RunDirectory.of(tiny())
    (directory.path / "lock").mkdir(parents=True)
    refused = pytest.raises(UserError, match=r"run .*: lock is in the way \(Is a directory\); remove it")
    with refused, directory.locked():
        raise AssertionError("not locked")
    other = RunDirectory.of(tiny("seed=1"))
    other.path.mkdir(parents=True)
    (other.path / "checkpoints").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"run .*: checkpoints is in the way \(File exists\); remove it"):
        other.create()
