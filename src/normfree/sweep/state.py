"""Where every planned run is: from the run directories, their locks and SLURM's queue."""

import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from normfree.config import UserError, resolve_stored
from normfree.config.names import check_run
from normfree.runs import TERMINAL, RunDirectory
from normfree.slurm.queue import Job, fate, live_jobs
from normfree.slurm.submission import Submission, latest, read_cell

STATES = {
    "planned": "not started yet",
    "queued": "its job waits in SLURM's queue",
    "running": "a process or job is training it",
    "finished": "has its result",
    "stalled": "has its result: finite, but not trained",
    "diverged": "has its result: a loss that is not finite or did not fall",
    "failed": "ended with an error",
    "preempted": "stopped from outside and saved; goes on when started again",
    "missing": "was started or submitted, and its process or job is gone without a result",
}
"""Every state that a run can be in, in the order in which they are shown."""

MANIFEST = "sweep.json"


@dataclass(frozen=True)
class CellState:
    """One planned run.

    Attributes:
        share: part of its steps that are logged, 0 to 1; ``None`` where nothing is known.
        job: id of its last job, if it has one.
    """

    run_id: str
    overrides: list[str]
    state: str
    reason: str = ""
    share: float | None = None
    job: str | None = None
    traceback: str | None = None


def planned_cells(experiment: Path) -> dict[str, list[str]]:
    """Run id -> overrides, from the plan, or from the run directories where there is none.

    Raises:
        UserError: the plan cannot be read.
    """
    plan = experiment / MANIFEST
    if plan.is_file():
        try:
            cells = {cell["run_id"]: cell["overrides"] for cell in json.loads(plan.read_text("utf-8"))["cells"]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{plan}: cannot be read ({error}); start the sweep again") from error
        return {check_run(run, plan): overrides for run, overrides in cells.items()}
    runs = (RunDirectory(path) for path in sorted(experiment.glob("[!._]*")))
    return {run.path.name: _overrides(run) for run in runs if run.config.is_file() or run.result.is_file()}


def cell_states(experiment: Path) -> list[CellState]:
    """The state of every planned run of an experiment."""
    jobs = latest(experiment)
    live = live_jobs() if jobs else {}
    return [_state(experiment / run, words, jobs.get(run), live) for run, words in planned_cells(experiment).items()]


def count_states(states: list[CellState]) -> str:
    """``4 runs: 1 queued, 2 finished, 1 failed``."""
    counts = Counter(cell.state for cell in states)
    return f"{len(states)} runs: " + ", ".join(f"{counts[name]} {name}" for name in STATES if counts[name])


def _state(path: Path, overrides: list[str], submission: Submission | None, live: dict[str, Job] | None) -> CellState:
    run = path.name
    directory = RunDirectory(path)
    job = submission.jobs[run] if submission else None
    try:
        result = directory.read_result()
    except UserError as error:
        return CellState(run, overrides, "failed", str(error), job=job)
    if result is not None and result["status"] in TERMINAL:
        return CellState(run, overrides, result["status"], result["reason"], 1.0, job)
    share = logged_share(directory, submission)
    if submission and job and (live is None or job in live):
        if live is None:
            return CellState(run, overrides, "queued", "squeue does not answer", share, job)
        state = "running" if live[job].runs else "queued"
        reason = "" if state == "running" else f"{live[job].state.lower()}: {live[job].reason}"
        return CellState(run, overrides, state, reason, share, job)
    if held(directory):
        return CellState(run, overrides, "running", "", share, job)
    ended = _ended(submission, run) if submission else ""
    if result is not None:
        reason = f"{result['reason']} ({ended})" if ended and result["status"] == "preempted" else result["reason"]
        return CellState(run, overrides, result["status"], reason, share, job, result.get("traceback"))
    if submission is not None:
        told = _last_words(submission, run)
        return CellState(run, overrides, "missing", f"{ended}, without a result{told}", share, job)
    if directory.environment.exists():
        return CellState(run, overrides, "missing", "its process has gone without a word", share)
    return CellState(run, overrides, "planned")


def _ended(submission: Submission, run: str) -> str:
    """SLURM forgets a job of an array that was cancelled before it began."""
    job = submission.jobs[run]
    state = fate(job) or ("" if submission.logs(run) else "CANCELLED before it began")
    return f"job {job} ended" + (f" as {state}" if state else "")


def _last_words(submission: Submission, run: str) -> str:
    for log in submission.logs(run):
        if log.suffix == ".err" and (lines := log.read_text("utf-8", errors="replace").split("\n")):
            said = [line.strip() for line in lines if line.strip() and not line.startswith("submitit")]
            if said:
                return f": {said[-1]}"
    return ""


def logged_share(directory: RunDirectory, submission: Submission | None = None) -> float | None:
    """The part of a run's steps that is in ``metrics.csv``."""
    try:
        with directory.metrics.open(newline="", encoding="utf-8") as file:
            steps = [int(row["step"]) for row in csv.DictReader(file) if row["step"].isdigit()]
        if submission is not None:
            resolved, _ = read_cell(submission.folder / "cells" / f"{directory.path.name}.yaml")
        else:
            resolved = resolve_stored(yaml.safe_load(directory.config.read_text(encoding="utf-8")))
    except (OSError, KeyError, ValueError, UserError):
        return None
    return max(steps, default=0) / resolved.steps


def held(directory: RunDirectory) -> bool:
    """Whether a process of this machine holds the run's lock; looking does not touch the lock."""
    lock = directory.path / "lock"
    try:
        owner, inode = lock.read_text(encoding="utf-8").strip(), str(lock.stat().st_ino)
        held = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    except OSError:
        return False
    return any(words[1] == "FLOCK" and words[4] == owner and words[5].endswith(f":{inode}") for words in held)


def _overrides(run: RunDirectory) -> list[str]:
    try:
        words: Any = yaml.safe_load(run.overrides.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return []
    return words if isinstance(words, list) else []
