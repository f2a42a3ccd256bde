"""Runs killed without warning, at random moments, end as if nothing had happened."""

import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tiers import times
from tests.train.forking import REFUSED, Forking
from tests.train.killed import RUN, Record, alive, wait_for

KILLS = times(20, 5)
RACES = times(6, 2)


@pytest.fixture(scope="module")
def fork() -> Iterator[Forking]:
    with Forking() as forking:
        yield forking


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
    wait_for(tmp_path, "previous.ckpt", process)
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


def test_of_two_processes_one_trains(fork: Forking, undisturbed: tuple[Record, float], tmp_path: Path) -> None:
    """Started at the same moment, and at moments of the other's life to its last; who comes too late is given the
    result."""
    expected, seconds = undisturbed
    moments = random.Random(1)
    with Forking() as other:
        for race in range(RACES):
            folder = tmp_path / str(race)
            fork.start(*RUN, f"runs_dir={folder}")
            if race >= RACES // 2:
                time.sleep(moments.uniform(0.0, 1.1 * seconds))
            other.start(*RUN, f"runs_dir={folder}")
            codes = fork.ended(), other.ended()
            assert sorted(codes) in ([0, REFUSED], [0, 0]), codes
            refusal = other.refusal or fork.refusal
            assert "\n" not in refusal
            assert ("is training it now; wait for it to end" in refusal) == (REFUSED in codes), refusal
            assert REFUSED in codes or race >= RACES // 2
            assert "process unknown" not in refusal
            record = Record(folder)
            record.must_equal(expected)
            assert record.result["attempts"] == 1
            assert not (record.path / ".reserve").exists()


def test_checkpoints_take_no_more_room_than_three(fork: Forking, tmp_path: Path) -> None:
    process = fork.start(*RUN, "steps=200", f"runs_dir={tmp_path}")
    seen = 0
    while alive(process):
        seen = max(seen, len([*tmp_path.rglob("*.ckpt")]))
        time.sleep(0.002)
    assert fork.ended() == 0
    assert seen <= 4, "the last two, the best, and one that is being written"
    assert sorted(path.name for path in tmp_path.rglob("*.ckpt")) == ["best.ckpt", "final.ckpt"]
