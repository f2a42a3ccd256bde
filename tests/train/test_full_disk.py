"""A run whose disk fills up at random moments is preempted, loses no checkpoint, and goes on when there is room."""

import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tests.train.forking import Forking
from tests.train.killed import RUN, Record, done, last_result, undisturbed, wait_for

from normfree.config import Resolved
from normfree.runs import RunDirectory
from normfree.runs.directory import TERMINAL
from normfree.train.run import run_one

FILLS = 5
STEPS = "steps=60"


@pytest.fixture
def on_a_small_disk(tmp_path: Path) -> Iterator[tuple[Forking, Path, Path]]:
    """Runs on a file system of 4 MB in a mount namespace: a folder as they see it, and as this process does."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=4m tmpfs {disk}"
    inside = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
    if subprocess.run([*inside, mount], capture_output=True, check=False).returncode:
        pytest.skip("no mount in a namespace of its own here")
    with Forking(*inside, f'{mount} && exec "$@"', "sh") as fork:
        yield fork, disk, Path(f"/proc/{fork.pid}/root{disk}")


def fill(disk: Path, left: int) -> Path:
    """A file that leaves this many bytes, or more than there were if something else takes them meanwhile."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file:
        found = os.statvfs(disk)
        os.posix_fallocate(file.fileno(), 0, max(1, found.f_bavail * found.f_bsize - left))
    return ballast


def checkpoints(runs: Path) -> dict[str, int]:
    """The step of each checkpoint that a run may start from; all of them can be read."""
    found = sorted(runs.rglob("last.ckpt")) + sorted(runs.rglob("previous.ckpt"))
    return {path.stem: int(torch.load(path, weights_only=True)["global_step"]) for path in found}


def test_full_at_random_moments(on_a_small_disk: tuple[Forking, Path, Path], tmp_path: Path) -> None:
    fork, inside, disk = on_a_small_disk
    moments = random.Random(4)
    expected, seconds = undisturbed(fork, tmp_path / "undisturbed", *RUN, STEPS)
    size = (expected.path / "checkpoints" / "final.ckpt").stat().st_size
    fills, runs = 0, 0
    while fills < FILLS:
        folder = disk / str(runs)
        while not done(folder):
            before = checkpoints(folder)
            process = fork.start(*RUN, STEPS, f"runs_dir={inside / str(runs)}")
            if fills == FILLS:
                assert fork.ended() == 0, fork.refusal or last_result(folder)
                continue
            wait_for(folder, "previous.ckpt", process)
            time.sleep(moments.uniform(0.0, 0.7 * seconds))
            ballast = fill(disk, moments.randrange(size))
            code = fork.ended()
            assert code in (0, 1), fork.refusal
            if code == 1:
                fills += 1
                result = last_result(folder)
                assert result is not None
                assert result["status"] == "preempted", result["traceback"]
                assert result["reason"].startswith(f"disk full under {inside / str(runs)}/")
                assert result["reason"].endswith("; make room and run the same command again")
                after = checkpoints(folder)
                assert after.keys() == {"last", "previous"}
                assert all(after[name] >= step for name, step in before.items())
                assert not list(folder.rglob("new.ckpt"))
            ballast.unlink()
        Record(folder).must_equal(expected)
        runs += 1


def test_checkpoints_need_no_other_disk(
    tiny: Callable[..., Resolved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "a folder that there is not"))
    run = tiny("trainer.checkpoint_minutes=0.0001")
    assert run_one(run, [])["status"] in TERMINAL
    assert (RunDirectory.of(run).checkpoints / "final.ckpt").exists()
