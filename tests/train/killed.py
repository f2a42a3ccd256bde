"""What tests that kill runs share: the run, what it leaves behind, and starting it again until it has its result."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import torch
from tests.train.forking import Forking

from normfree.runs.directory import TERMINAL

RUN = (
    "model=nfnet_nano",
    "model.width=[16,16,16]",
    "model.group_size=8",
    "model.drop_rate=0.3",
    "model.stochastic_depth_rate=0.3",
    "data.train_size=7",
    "batch=50",
    "trainer.micro_batch=25",
    "steps=20",
    "optimizer.warmup_steps=2",
    "optimizer.ema_decay=0.9",
    "trainer.log_every=3",
    "trainer.checkpoint_minutes=0.0005",
    "trainer.evaluate_every=4",
)


class Record:
    """What a run has left in its directory."""

    def __init__(self, runs: Path) -> None:
        (self.path,) = (path.parent for path in runs.rglob("result.json"))
        self.result: dict[str, Any] = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        checkpoint = torch.load(self.path / "checkpoints" / "final.ckpt", weights_only=True)
        self.weights: dict[str, torch.Tensor] = checkpoint["state_dict"]
        self.average: dict[str, torch.Tensor] = checkpoint["ema"]["weights"]
        best = torch.load(self.path / "checkpoints" / "best.ckpt", weights_only=True)
        self.best_step = int(best["global_step"])
        self.best: dict[str, torch.Tensor] = best["state_dict"]
        self.best_average: dict[str, torch.Tensor] = best["ema"]["weights"]
        lines = (self.path / "metrics.csv").read_text(encoding="utf-8").splitlines()
        self.rows = [line.rsplit(",", 1)[0] for line in lines]  # the last column is the speed

    def must_equal(self, other: "Record") -> None:
        assert self.rows == other.rows
        assert self.result["metrics"] == other.result["metrics"]
        assert self.best_step == other.best_step == self.result["metrics"]["best/step"]
        for ours, theirs in (
            (self.weights, other.weights),
            (self.average, other.average),
            (self.best, other.best),
            (self.best_average, other.best_average),
        ):
            assert ours.keys() == theirs.keys()
            for name, value in ours.items():
                assert torch.equal(value, theirs[name]), name
        assert sorted(path.name for path in (self.path / "checkpoints").iterdir()) == sorted(
            path.name for path in (other.path / "checkpoints").iterdir()
        )


def undisturbed(fork: Forking, runs: Path, *options: str) -> tuple[Record, float]:
    """The run without a kill, and the seconds between its first row and its end."""
    process = fork.start(*options, f"runs_dir={runs}")
    wait_for(runs, "last.ckpt", process)
    began = time.monotonic()
    assert fork.ended() == 0
    return Record(runs), time.monotonic() - began


def last_result(runs: Path) -> dict[str, Any] | None:
    """The result of the only run there is, of whatever status."""
    found = list(runs.rglob("result.json"))
    return json.loads(found[0].read_text(encoding="utf-8")) if found else None


def done(runs: Path) -> bool:
    """Whether the run has a result that stands."""
    result = last_result(runs)
    return result is not None and result["status"] in TERMINAL


def alive(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):  # it may end between the two questions
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def wait_for(runs: Path, name: str, process: psutil.Process) -> None:
    """Until this start has written a file of this name, or the process has ended."""
    began = process.create_time()
    until(lambda: any(written(path) > began for path in runs.rglob(name)) or not alive(process))


def written(path: Path) -> float:
    """When; 0 for a file that has just been renamed or removed."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def until(condition: Callable[[], bool], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
