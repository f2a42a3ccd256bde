"""A rank that hangs ends the run in the time that is stated, and the result says which and where it stood."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.conftest import ROOT, TINY
from tests.train.killed import until
from tests.train.ranks.test_ranks import RANKS, free_port, ranks, slurm_task

from normfree.config import Resolved
from normfree.runs import RunDirectory
from normfree.runs.heartbeat import Heartbeats, beat, watched
from normfree.train.ranks import watch
from normfree.train.ranks.rank import RANK
from normfree.train.ranks.watch import Silence, StackFile, standing
from normfree.train.run import run_one

PATIENCE = 4.0
SOON = 30.0
"""Patience, stacks, SIGTERM, and how busy the machine may be."""

HANGS = (*RANKS, "steps=3000", f"trainer.hang_minutes={PATIENCE / 60}")


def rank(number: int) -> psutil.Process:
    return next(process for process in ranks() if process.environ()[RANK] == str(number))


@pytest.mark.parametrize(("number", "others"), [(1, ()), (0, ()), (1, (signal.SIGTERM,))])
def test_a_stopped_rank_ends_the_run(tiny: Callable[..., Resolved], number: int, others: tuple[signal.Signals]) -> None:
    stopped: list[float] = []

    def stop(row: dict[str, float]) -> None:
        if not stopped:
            rank(number).suspend()
            stopped.append(time.monotonic())
            for one in others:
                os.kill(os.getpid(), one)

    run = tiny(*HANGS)
    result = run_one(run, [], progress=stop)
    assert PATIENCE < time.monotonic() - stopped[0] < PATIENCE + SOON
    assert f": rank {number} is stopped (SIGSTOP); " in result["reason"]
    assert not ranks()
    assert RunDirectory.of(run).read_result() == result
    if others:
        assert result["status"] == "preempted"
        assert result["reason"].startswith(
            "stopped by SIGTERM and not saved: no rank has got on for 4 s, after the row "
        )
        assert result["reason"].endswith("; the same command goes on from the last checkpoint")
    else:
        assert result["status"] == "failed"
        assert "; ended by trainer.hang_minutes=0.0666667: raise it if a step may take so long" in result["reason"]
        assert f"rank {1 - number} is at " in result["traceback"]


@pytest.mark.parametrize("where", ["forward", "clipping"])
def test_a_deadlock_is_told_with_its_place(tiny: Callable[..., Resolved], where: str) -> None:
    clip = ("clip=custom", "clip._target_=tests.train.own_clipping.hangs_on")
    run = tiny(*HANGS, *clip, f"clip.arguments={{rank:1,where:{where}}}")
    result = run_one(run, [])
    assert result["status"] == "failed"
    assert ": rank 1 is at own_clipping.py:" in result["reason"]
    assert " in for_ever; " in result["reason"]
    assert "rank 0" not in result["reason"]
    forward, clipping = "in training_step" in result["traceback"], "in hangs_on" in result["traceback"]
    assert (forward, clipping) == (where == "forward", where == "clipping")
    assert not ranks()


@pytest.mark.parametrize("how", ["interrupted twice", "killed"])
def test_nothing_is_left_of_a_run_with_a_stopped_rank(tmp_path: Path, how: str) -> None:
    options = [*TINY, *RANKS, "steps=3000", f"runs_dir={tmp_path}"]
    main = subprocess.Popen([sys.executable, str(ROOT / "train.py"), *options], stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    with main:
        while "step 2/" not in main.stdout.readline():
            assert main.poll() is None
        children = psutil.Process(main.pid).children()
        next(child for child in children if child.environ()[RANK] == "1").suspend()
        began = time.monotonic()
        if how == "killed":
            main.kill()
        else:
            main.send_signal(signal.SIGINT)
            time.sleep(0.5)  # two at once are one
            main.send_signal(signal.SIGINT)
        assert main.wait(20) == (130 if how == "interrupted twice" else -signal.SIGKILL)
        assert time.monotonic() - began < 10
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive


@pytest.mark.parametrize("how", ["deadlock", "stopped"])
def test_a_hung_task_of_slurm_ends_the_run(tmp_path: Path, how: str) -> None:
    """It has no parent that looks after it: the first of the tasks does, by signs in the store."""
    clip = ("clip=custom", "clip._target_=tests.train.own_clipping.hangs_on", "clip.arguments={rank:1,where:clipping}")
    port, hangs = free_port(), (*HANGS, f"runs_dir={tmp_path}", *(clip if how == "deadlock" else ()))
    tasks = [slurm_task(number, port, *hangs) for number in range(2)]
    try:
        until(lambda: any(tmp_path.rglob("config.yaml")), 120)  # each imports torch for itself
        if how == "stopped":
            # Long enough for each to have told that it trains.
            rows = 60
            until(
                lambda: any(path.read_text("utf-8").count("\n") > rows for path in tmp_path.rglob("metrics.csv")), 120
            )
            psutil.Process(tasks[1].pid).suspend()
        _, told = tasks[0].communicate(timeout=60)
        assert tasks[0].returncode == 1, told
        if how == "deadlock":
            tasks[1].communicate(timeout=30)
            assert tasks[1].returncode == 1
    finally:
        for task in tasks:
            task.kill()
            task.communicate()
    (path,) = tmp_path.rglob("result.json")
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["status"] == "failed"
    where = "rank 1 is at own_clipping.py:" if how == "deadlock" else "rank 1 gives no sign: it is stopped, or cut off"
    assert f" s: {where}" in result["reason"]
    assert "rank 0" not in result["reason"]


def test_long_work_with_signs_of_progress_is_no_hang(tiny: Callable[..., Resolved]) -> None:
    """An evaluation that takes longer than the patience, each of whose batches does not."""
    slow = ("clip=custom", "clip._target_=tests.train.own_clipping.slow_evaluation", "clip.arguments={seconds:1.5}")
    patience = 2 * PATIENCE
    run = tiny(*RANKS, *slow, "steps=2", "optimizer.warmup_steps=1", f"trainer.hang_minutes={patience / 60}")
    began = time.monotonic()
    result = run_one(run, [])
    assert result["status"] != "failed", result["reason"]
    assert time.monotonic() - began > 2 * patience


def test_time_in_which_the_watcher_was_stopped_itself_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    beats, now = Heartbeats(2), [100.0]
    monkeypatch.setattr(watch.time, "monotonic", lambda: now[0])
    silence = Silence(beats)
    for _ in range(4):
        now[0] += 0.5
        silence.look()
    assert silence.seconds == 2
    now[0] += 3600
    assert silence.look() == 3
    watched(beats.descriptor, 1)
    assert silence.look() == 0
    beat(alike=True)
    assert beats.counts() == [(0, 0), (2, 1)]
    beats.close()


def test_where_a_process_stands_that_does_not_answer() -> None:
    sleeper, file = subprocess.Popen(["sleep", "60"]), StackFile()
    try:
        psutil.Process(sleeper.pid).suspend()
        until(lambda: psutil.Process(sleeper.pid).status() == psutil.STATUS_STOPPED)
        assert str(standing(3, sleeper.pid, file)) == "rank 3 is stopped (SIGSTOP)"
    finally:
        sleeper.kill()
        sleeper.wait()
    assert str(standing(3, sleeper.pid, file)) == "rank 3 says nothing"
    file.close()
