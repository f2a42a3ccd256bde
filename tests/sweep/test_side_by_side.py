"""Sweeps beside each other and after each other: none takes another's runs, logs or place in the plan."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests import warm
from tests.conftest import ROOT, TINY, command_line

from normfree.config import Resolved, UserError
from normfree.runs import BUSY, RunDirectory, run_id
from normfree.runs.plan import PLAN, PlannedRun, add_to_plan, grid_digest, read_plan
from normfree.sweep import forking
from normfree.sweep.forking import started, warm_up
from normfree.sweep.logs import own_log
from normfree.sweep.pool import Pool, Task
from normfree.sweep.state import run_states
from normfree.sweep.worker import work
from normfree.train.worker import train_task


def sweep(runs: Path, *words: str, start: Callable[..., Any] = warm.Popen) -> "subprocess.Popen[str]":
    command = [sys.executable, "train.py", "-m", *TINY, "trainer=cpu", f"runs_dir={runs}", *words]
    return start(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def until(holds: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


@pytest.mark.cli
def test_the_same_sweep_started_twice_waits_for_the_first(tmp_path: Path) -> None:
    words = ("seed=0,1", "steps=60", "hydra.launcher.workers=1")
    both = [sweep(tmp_path, *words) for _ in range(2)]
    said = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    for text in said:
        assert "2 runs: " in text
        assert "failed" not in text
    assert (tmp_path / "single" / "worker0.log").is_file()
    assert (tmp_path / "single" / "worker1.log").is_file(), "a log for each"
    results = [json.loads(path.read_text()) for path in tmp_path.glob("single/*/result.json")]
    assert [result["attempts"] for result in results] == [1, 1], "each run was trained once"


@pytest.mark.cli
def test_a_worker_whose_sweep_was_killed_saves_its_run(tmp_path: Path) -> None:
    """It reports a row every step, and none of its reports can be heard."""
    process = sweep(tmp_path, "steps=200000", "trainer.log_every=1", "hydra.launcher.workers=1", start=subprocess.Popen)
    (metrics,) = until(lambda: list(tmp_path.glob("single/*/metrics.csv")))
    until(lambda: metrics.read_bytes().count(b"\n") > 20)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    result = json.loads(until(lambda: (path := metrics.with_name("result.json")).exists() and path.read_text()))
    assert result["status"] == "preempted", result["reason"]
    assert "the end of its parent process" in result["reason"]
    assert (metrics.parent / "checkpoints" / "last.ckpt").is_file()
    until(lambda: not [one for one in psutil.process_iter(["cmdline"]) if str(tmp_path) in (one.info["cmdline"] or [])])


def test_a_report_that_nobody_hears_costs_no_run(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    run = tiny("trainer.log_every=1")
    RunDirectory.of(run).path.parent.mkdir(parents=True)
    ours, theirs = multiprocessing.Pipe()
    process = started([], "worker", work, theirs, tmp_path / "worker.log", None)
    theirs.close()
    ours.send(Task(run_id(run), run, []))
    ours.close()
    process.join(120)
    result = RunDirectory.of(run).read_result()
    assert result is not None
    assert result["status"] in ("finished", "stalled", "diverged", "untrained"), result["reason"]


def test_a_run_of_another_process_is_waited_for(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    first, second = tiny("seed=0"), tiny("seed=1")
    directory = RunDirectory.of(first)
    directory.create()
    tasks = [Task(run_id(run), run, []) for run in (first, second)]
    events = []
    with directory.locked():
        assert train_task(first, [], lambda row: None)["status"] == BUSY
    code = (
        "import sys; from pathlib import Path; from normfree.runs import RunDirectory\n"
        f"with RunDirectory(Path({str(directory.path)!r})).locked(): print('held', flush=True); sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with Pool(1, tmp_path) as pool:
        for event in pool.run(tasks):
            events.append(event)
            if event.result is not None and event.run_id == run_id(second):
                holder.communicate()  # it goes, without a result
    told = [event for event in events if event.elsewhere]
    assert [event.run_id for event in told] == [run_id(first)]
    assert f"process {holder.pid} is training it now" in told[0].elsewhere
    ended = {event.run_id: event.result["status"] for event in events if event.result is not None}
    assert set(ended) == {run_id(first), run_id(second)}
    assert "failed" not in ended.values()


def test_no_log_is_written_by_two(tmp_path: Path) -> None:
    with own_log(tmp_path) as one, own_log(tmp_path) as other:
        assert (one.name, other.name) == ("worker0.log", "worker1.log")
    with own_log(tmp_path) as again:
        assert again.name == "worker0.log"
    with own_log(tmp_path / "nowhere") as none:
        assert none.name == "worker0.log"


def test_a_worker_that_cannot_write_its_log_works(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    run = tiny()
    with Pool(1, tmp_path / "nowhere") as pool:
        (ended,) = [event.result for event in pool.run([Task(run_id(run), run, [])]) if event.result is not None]
    assert ended["status"] in ("finished", "stalled", "diverged", "untrained")


def test_a_full_disk_is_told(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(RunDirectory, "record_failure", full)
    monkeypatch.setattr(Path, "mkdir", full)
    told = train_task(tiny(), [], lambda row: None)
    assert told["status"] == "failed"
    assert "No space left on device" in told["reason"]


def test_logs_are_no_programs(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    run = tiny()
    with Pool(1, tmp_path) as pool:
        list(pool.run([Task(run_id(run), run, [])]))
    assert not (tmp_path / "worker0.log").stat().st_mode & 0o111


def test_the_process_that_workers_are_forked_from_may_be_killed(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    warm_up()
    pid = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(pid, signal.SIGKILL)
    run = tiny()
    with Pool(1, tmp_path) as pool:
        (ended,) = [event.result for event in pool.run([Task(run_id(run), run, [])]) if event.result is not None]
    assert ended["status"] in ("finished", "stalled", "diverged", "untrained")


def test_a_worker_that_is_replaced_ends(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    """It is taken for dead where the process that it was forked from is; at the latest once another has begun."""
    runs = {run_id(run): run for run in (tiny("seed=0"), tiny("seed=1"))}
    workers = dict[str, psutil.Process]()
    with Pool(1, tmp_path) as pool:
        for event in pool.run([Task(name, run, []) for name, run in runs.items()]):
            if event.run_id not in workers:
                workers[event.run_id] = psutil.Process(pool._workers[0].process.pid)
                if len(workers) == 1:
                    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)  # type: ignore[attr-defined]
                else:
                    _, alive = psutil.wait_procs([next(iter(workers.values()))], timeout=10)
    assert len(set(workers.values())) == 2
    assert alive == []


def test_it_is_one_line_where_it_is_killed_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed:
        def __init__(self, **_: object) -> None: ...

        def start(self) -> None:
            raise EOFError

    monkeypatch.setattr(forking, "context", lambda gpus: type("Context", (), {"Process": Killed}))
    with pytest.raises(UserError, match="was killed 3 times as it started"):
        started([], "worker", print)


def plan(folder: Path) -> dict[str, tuple[str, ...]]:
    found = read_plan(folder)
    assert found is not None
    return {run: one.grids for run, one in found.runs.items()}


def test_a_second_sweep_adds_to_the_plan(tmp_path: Path) -> None:
    grid = {"main": grid_digest({"lr": [1, 2]})}
    assert add_to_plan(tmp_path, "exp", [PlannedRun("a", ("lr=1",), ("main",))], grid) == []
    assert add_to_plan(tmp_path, "exp", [PlannedRun("b", ("lr=2",), ("main",)), PlannedRun("c")], grid) == []
    assert plan(tmp_path) == {"a": ("main",), "b": ("main",), "c": ()}
    assert [state.run_id for state in run_states(tmp_path)] == ["a", "b", "c"]


def test_grids_of_one_name_and_other_content_stay_apart(tmp_path: Path) -> None:
    old, new = grid_digest({"lr": [1, 2]}), grid_digest({"lr": [2, 4]})
    add_to_plan(tmp_path, "exp", [PlannedRun("a", (), ("main",)), PlannedRun("b", (), ("main",))], {"main": old})
    told = add_to_plan(tmp_path, "exp", [PlannedRun("b", (), ("main",)), PlannedRun("c", (), ("main",))], {"main": new})
    assert told == [f"grid main has other content than before; the earlier one is grid main@{old}"]
    assert plan(tmp_path) == {"a": (f"main@{old}",), "b": ("main", f"main@{old}"), "c": ("main",)}


def test_a_damaged_plan_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / PLAN).write_text("{half", encoding="utf-8")
    (told,) = add_to_plan(tmp_path, "exp", [PlannedRun("a")], {})
    assert "was damaged" in told
    assert (tmp_path / f"{PLAN}.damaged").read_text(encoding="utf-8") == "{half"
    assert plan(tmp_path) == {"a": ()}


def _add(folder: Path, name: str) -> None:
    for number in range(10):
        add_to_plan(folder, "exp", [PlannedRun(f"{name}{number}")], {})


def test_sweeps_that_plan_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_add, args=(tmp_path, name)) for name in "abcd"]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert len(plan(tmp_path)) == 40


@pytest.mark.cli
def test_a_second_sweep_hides_nothing_of_the_first(tmp_path: Path) -> None:
    for seed in (0, 1):
        assert command_line("train.py", "-m", *TINY, f"seed={seed}", f"runs_dir={tmp_path}").returncode == 0
    assert command_line("train.py", *TINY, "seed=2", f"runs_dir={tmp_path}").returncode == 0
    table = command_line("runs.py", "experiment=single", f"runs_dir={tmp_path}", "all=true").stdout
    assert "3 runs: " in table
    for seed in (0, 1, 2):
        assert f"-s{seed}-" in table


@pytest.mark.cli
def test_a_damaged_run_stops_no_other_and_is_trained_again(tmp_path: Path) -> None:
    words = ("-m", *TINY, "seed=0,1", f"runs_dir={tmp_path}")
    assert command_line("train.py", *words).returncode == 0
    first, second = sorted(tmp_path.glob("single/*/result.json"))
    first.write_text("{}", encoding="utf-8")
    second.unlink()
    again = command_line("train.py", *words)
    assert again.returncode == 1
    assert "1 finished, 1 damaged" in again.stdout or "1 stalled, 1 damaged" in again.stdout
    assert "result.json" in again.stdout
    assert "retry=damaged" in again.stdout
    assert second.exists(), "the other was trained"
    here = ("experiment=single", f"runs_dir={tmp_path}")
    assert f"{first}: other bytes than were written" in command_line("runs.py", *here).stdout
    repaired = command_line("runs.py", *here, "retry=damaged")
    assert repaired.returncode == 0, repaired.stderr
    assert "set aside: result.json.damaged" in repaired.stdout
    assert first.with_name("result.json.damaged").read_text(encoding="utf-8") == "{}"
    assert command_line("train.py", *words).returncode == 0
