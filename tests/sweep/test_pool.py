import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from normfree.config import Resolved
from normfree.runs import RunDirectory, run_id
from normfree.sweep.account import account
from normfree.sweep.pool import GRACE_SECONDS, Pool, Task


def tasks(tiny: Callable[..., Resolved], *overrides: str, seeds: int) -> list[Task]:
    runs = [tiny(*overrides, f"seed={seed}") for seed in range(seeds)]
    for run in runs:
        RunDirectory.of(run).path.parent.mkdir(parents=True, exist_ok=True)
    return [Task(run_id(run), run, []) for run in runs]


def results(pool: Pool, planned: list[Task]) -> dict[str, dict[str, Any]]:
    return {event.run_id: event.result for event in pool.run(planned) if event.result is not None}


def test_every_run_is_trained_once_and_workers_end(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    planned = tasks(tiny, seeds=3)
    with Pool(2, tmp_path) as pool:
        ended = results(pool, planned)
        workers = [worker.process for worker in pool._workers]
    assert sorted(ended) == sorted(task.run_id for task in planned)
    assert {result["status"] for result in ended.values()} <= {"finished", "untrained"}
    assert not any(worker.is_alive() for worker in workers)


def test_a_killed_worker_loses_its_run_alone(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    planned = tasks(tiny, "steps=20000", "model=nfnet_nano", seeds=1) + tasks(tiny, seeds=2)
    with Pool(1, tmp_path) as pool:
        ended = {}
        for event in pool.run(planned):
            if event.run_id == planned[0].run_id and event.result is None:
                os.kill(pool._workers[0].process.pid or 0, signal.SIGKILL)
            if event.result is not None:
                ended[event.run_id] = event.result
    first, *others = (ended[task.run_id] for task in planned)
    assert first == RunDirectory.of(planned[0].resolved).read_result()
    assert first["status"] == "failed"
    assert "SIGKILL" in first["reason"]
    assert all(result["status"] in ("finished", "untrained") for result in others)


def test_a_stop_saves_the_running_runs_and_ends_every_process(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    planned = tasks(tiny, "steps=20000", seeds=3)
    with Pool(2, tmp_path) as pool:
        ended = {}
        for event in pool.run(planned):
            if event.result is None and not pool.stopping and event.share > 0:
                threading.Timer(0, pool.stop).start()
                began = time.monotonic()
            if event.result is not None:
                ended[event.run_id] = event.result
        processes = [psutil.Process(w.process.pid) for w in pool._workers if w.process.is_alive()]
    assert time.monotonic() - began < GRACE_SECONDS + 2
    assert not any(process.is_running() for process in processes)
    assert len(ended) == 2, "the third was never started"
    assert {result["status"] for result in ended.values()} == {"preempted"}
    saved = [RunDirectory.of(task.resolved).checkpoint_candidates() for task in planned]
    assert sum(bool(checkpoints) for checkpoints in saved) >= 1


def test_a_stop_while_workers_start_leaves_every_run_for_later(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    planned = tasks(tiny, seeds=2)
    with Pool(2, tmp_path) as pool:
        pool.stop()
        assert list(pool.run(planned)) == []
        workers = [worker.process for worker in pool._workers]
    assert not any(worker.is_alive() for worker in workers)
    assert not any(RunDirectory.of(task.resolved).path.exists() for task in planned)


def test_the_account_of_what_broke_in_the_users_own_code_is_a_line(tmp_path: Path) -> None:
    """The traceback is in a file; that of another failure is shown."""
    told = "ValueError: no; my_clipping.py, line 4 (clip._target_=my_clipping.halve)"
    kept = [tmp_path / "a" / "attempts" / number / "traceback.txt" for number in ("2", "10")]
    for file in kept:
        file.parent.mkdir(parents=True)
        file.write_text("Traceback: of halve", encoding="utf-8")
    lines, _ = account(
        [
            ("a", {"status": "failed", "reason": told, "traceback": "Traceback: of halve"}),
            ("b", {"status": "failed", "reason": "ValueError: no", "traceback": "Traceback: ours"}),
        ],
        tmp_path,
    )
    assert f"failed: a: {told}; traceback in {kept[1]}" in lines
    assert "  Traceback: ours" in lines
    assert "Traceback: of halve" not in " ".join(lines)


def test_the_account_names_failures() -> None:
    lines, complete = account(
        [("a", {"status": "finished"}), ("b", {"status": "failed", "reason": "ValueError: no"}), ("c", None)]
    )
    assert not complete
    assert lines[0] == "3 runs: 1 finished, 1 failed, 1 planned"
    assert "failed: b: ValueError: no" in lines
