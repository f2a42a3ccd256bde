"""Runs killed without warning, at random moments, end as if nothing had happened."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from tests.train.forking import Forking

KILLS = 20
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
)


@pytest.fixture(scope="module")
def fork() -> Iterator[Forking]:
    with Forking() as forking:
        yield forking


class Record:
    """What a run has left in its directory."""

    def __init__(self, runs: Path) -> None:
        (self.path,) = (path.parent for path in runs.rglob("result.json"))
        self.result: dict[str, Any] = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        checkpoint = torch.load(self.path / "checkpoints" / "final.ckpt", weights_only=True)
        self.weights: dict[str, torch.Tensor] = checkpoint["state_dict"]
        self.average: dict[str, torch.Tensor] = checkpoint["ema"]["weights"]
        lines = (self.path / "metrics.csv").read_text(encoding="utf-8").splitlines()
        self.rows = [line.rsplit(",", 1)[0] for line in lines]  # the last column is the speed

    def must_equal(self, other: "Record") -> None:
        assert self.rows == other.rows
        assert self.result["metrics"] == other.result["metrics"]
        for ours, theirs in ((self.weights, other.weights), (self.average, other.average)):
            assert ours.keys() == theirs.keys()
            for name, value in ours.items():
                assert torch.equal(value, theirs[name]), name


@pytest.fixture(scope="module")
def undisturbed(fork: Forking, tmp_path_factory: pytest.TempPathFactory) -> tuple[Record, float]:
    """The run without a kill, and the seconds it takes."""
    runs = tmp_path_factory.mktemp("undisturbed")
    began = time.monotonic()
    fork.start(*RUN, f"runs_dir={runs}")
    assert fork.ended() == 0
    return Record(runs), time.monotonic() - began


def test_killed_at_random_moments(fork: Forking, undisturbed: tuple[Record, float], tmp_path: Path) -> None:
    """Between the start of the process and its end; what was killed is started again until it has its result."""
    expected, seconds = undisturbed
    moments = random.Random(0)
    kills, runs, attempts = 0, 0, 0
    while kills < KILLS:
        folder = tmp_path / str(runs)
        while not list(folder.rglob("result.json")):
            process = fork.start(*RUN, f"runs_dir={folder}")
            attempts += 1
            if kills < KILLS:
                time.sleep(moments.uniform(0.0, 1.1 * seconds))
                if process.is_running():
                    process.send_signal(signal.SIGKILL)
            code = fork.ended()
            assert code in (0, -signal.SIGKILL)
            kills += code == -signal.SIGKILL
        Record(folder).must_equal(expected)
        runs += 1
    assert attempts >= KILLS


@pytest.mark.parametrize("damage", ["truncated", "empty", "noise"])
def test_a_damaged_newest_checkpoint_is_passed_over(
    fork: Forking, undisturbed: tuple[Record, float], tmp_path: Path, damage: str
) -> None:
    expected, _ = undisturbed
    process = fork.start(*RUN, f"runs_dir={tmp_path}")
    _wait_for(tmp_path, "previous.ckpt")
    process.send_signal(signal.SIGKILL)
    assert fork.ended() == -signal.SIGKILL
    (newest,) = tmp_path.rglob("last.ckpt")
    content = newest.read_bytes()
    newest.write_bytes(
        {"truncated": content[: len(content) // 2], "empty": b"", "noise": os.urandom(len(content))}[damage]
    )
    fork.start(*RUN, f"runs_dir={tmp_path}")
    assert fork.ended() == 0
    record = Record(tmp_path)
    record.must_equal(expected)
    assert record.result["attempts"] == 2


def test_a_second_process_is_refused_and_the_first_goes_on(undisturbed: tuple[Record, float], tmp_path: Path) -> None:
    expected, _ = undisturbed
    with Forking() as one, Forking() as other:
        one.start(*RUN, f"runs_dir={tmp_path}")
        _wait_for(tmp_path, "last.ckpt")
        other.start(*RUN, f"runs_dir={tmp_path}")
        assert other.ended() == 1
        assert one.ended() == 0
    Record(tmp_path).must_equal(expected)


def test_checkpoints_take_no_more_room_than_two(fork: Forking, tmp_path: Path) -> None:
    process = fork.start(*RUN, "steps=200", f"runs_dir={tmp_path}")
    seen = 0
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        seen = max(seen, len([*tmp_path.rglob("*.ckpt")]))
        time.sleep(0.002)
    assert fork.ended() == 0
    assert seen <= 3, "two that are whole, and one that is being written"
    assert [path.name for path in tmp_path.rglob("*.ckpt")] == ["final.ckpt"]


def _wait_for(runs: Path, name: str) -> None:
    deadline = time.monotonic() + 60
    while not list(runs.rglob(name)):
        assert time.monotonic() < deadline
        time.sleep(0.005)
