"""Where every planned run is: from the run directories, their locks and SLURM's queue."""

import re
from collections import Counter
from collections.abc import Container, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf.errors import OmegaConfBaseException

from normfree.config import UserError, resolve_stored
from normfree.config.yaml_file import parse_yaml
from normfree.host.files import read_bytes
from normfree.host.wording import counted
from normfree.runs import DAMAGED, TERMINAL, Damaged, RunDirectory
from normfree.runs.damage import examined
from normfree.runs.own_fault import where_told
from normfree.runs.plan import Plan, read_plan
from normfree.runs.reading import read_text, shortened
from normfree.runs.result import Result
from normfree.runs.tables import last_step
from normfree.runs.versions import told_left_out
from normfree.slurm.queue import Job, fate, live_jobs
from normfree.slurm.submission import Submission, latest, read_run, refused, run_file

STATES = {
    "planned": "not started yet",
    "queued": "its job waits in SLURM's queue",
    "running": "a process or job is training it",
    "finished": "has its result: better than guessing",
    "untrained": "has its result: finite, but no better than guessing",
    "diverged": "has its result: a number that is not finite, or a loss that blew up",
    "failed": "ended with an error",
    "preempted": "stopped from outside and saved; goes on when started again",
    "damaged": "has a file that cannot be read; retry=damaged sets it aside and trains again",
    "missing": "was started or submitted, and its process or job is gone without a result",
}
"""Every state that a run can be in, in the order in which they are shown."""


@dataclass(frozen=True)
class RunState:
    """One planned run.

    Attributes:
        share: part of its steps that are logged, 0 to 1; ``None`` where nothing is known.
        job: id of its last job, if it has one.
        planned: it stands in the plan; otherwise its directory alone tells of it.
        seed, accuracy, seconds: of its result; the accuracy on the test images, in [0, 1].
        earlier: what has changed since, where a later sweep planned another run for the same words; else ``None``.
    """

    run_id: str
    overrides: list[str]
    state: str
    reason: str = ""
    share: float | None = None
    job: str | None = None
    traceback: str | None = None
    planned: bool = True
    seed: int | None = None
    accuracy: float | None = None
    seconds: float | None = None
    earlier: tuple[str, ...] | None = None


def unplanned_runs(experiment: Path, planned: Container[str]) -> dict[str, list[str]]:
    """Those runs that have been started, one by one for instance, and stand in no plan."""
    runs = (RunDirectory(path) for path in sorted(experiment.glob("[!._]*")) if path.name not in planned)
    return {run.path.name: _overrides(run) for run in runs if run.config.is_file() or run.result.is_file()}


def run_states(experiment: Path) -> list[RunState]:
    """The state of every run of an experiment, the planned ones first; a plan that cannot be read hides no other.

    Those of an earlier version of what their words name are among them; see `current`.
    """
    jobs = latest(experiment)
    live = live_jobs() if jobs else {}
    try:
        plan = read_plan(experiment) or Plan()
    except Damaged:
        plan = Plan()
    planned = {run: list(each.overrides) for run, each in plan.runs.items()}
    every = planned | unplanned_runs(experiment, planned)
    states = [state_of(experiment / run, words, jobs.get(run), live) for run, words in every.items()]
    refusals = refused(experiment) if any(one.state == "planned" for one in states) else {}
    states = [
        replace(one, reason=f"never submitted: {refusals[one.run_id]}")
        if one.state == "planned" and one.run_id in refusals
        else one
        for one in states
    ]
    return [replace(one, planned=one.run_id in planned, earlier=plan.earlier(one.run_id)) for one in states]


def current(states: Iterable[RunState]) -> list[RunState]:
    """Those that count: the ones of an earlier version only for as long as they are at work."""
    return [one for one in states if one.earlier is None or one.state in ("queued", "running")]


def told_earlier(states: Iterable[RunState]) -> list[str]:
    """Lines that say how many of them `current` leaves out."""
    every = list(states)
    kept = {one.run_id for one in current(every)}
    return told_left_out(one.earlier for one in every if one.earlier is not None and one.run_id not in kept)


def count_states(states: list[RunState]) -> str:
    """``4 runs: 1 queued, 2 finished, 1 failed``; ``0 runs``."""
    counts = Counter(each.state for each in states)
    parts = ", ".join(f"{counts[name]} {name}" for name in STATES if counts[name])
    return f"{counted(len(states), 'run')}{': ' if parts else ''}{parts}"


def state_of(path: Path, overrides: list[str], submission: Submission | None, live: dict[str, Job] | None) -> RunState:
    """The state of one run.

    Args:
        path: its directory.
        submission: the last one that has it.
        live: the jobs that SLURM knows; ``None`` where it does not answer.
    """
    run = path.name
    directory = RunDirectory(path)
    job = submission.jobs[run] if submission else None
    queued = submission is not None and (live is None or job in live)
    busy = held(directory)
    result, damage = examined(directory, tables=not busy and not queued, asked=True)
    if damage is not None:
        result = None
    if result is not None and result["status"] in TERMINAL:
        done = min(1.0, result["steps_done"] / max(1, result["steps"]))
        return RunState(run, overrides, result["status"], result.get("reason", ""), done, job, **_measured(result))
    share = logged_share(directory, submission)
    if queued and job:
        if live is None:
            return RunState(run, overrides, "queued", "squeue does not answer", share, job)
        state = "running" if live[job].runs else "queued"
        reason = "" if state == "running" else f"{live[job].state.lower()}: {live[job].reason}"
        return RunState(run, overrides, state, reason, share, job)
    if busy:
        return RunState(run, overrides, "running", "", share, job)
    if damage is not None:
        return RunState(run, overrides, DAMAGED, f"{damage.path}: {damage.reason}", None, job)
    ended = _ended(submission, run) if submission else ""
    if result is not None:
        reason = result.get("reason", "")
        if ended and result["status"] == "preempted":
            reason = f"{reason} ({ended})"
        where = where_told(result, directory.path)
        told_there = None if where else result.get("traceback")
        return RunState(run, overrides, result["status"], reason + where, share, job, told_there, **_measured(result))
    if submission is not None:
        told = _last_words(submission, run)
        return RunState(run, overrides, "missing", f"{ended}, without a result{told}", share, job)
    if directory.environment.exists():
        return RunState(run, overrides, "missing", "its process has gone without a word", share)
    return RunState(run, overrides, "planned")


def _measured(result: Result) -> dict[str, Any]:
    """Nothing that a diverged network guesses is an accuracy."""
    metrics = {} if result["status"] == "diverged" else result.get("metrics") or {}
    accuracy = metrics.get("test/accuracy")
    return {"seed": result["seed"], "accuracy": accuracy, "seconds": (result.get("time") or {}).get("seconds")}


def _ended(submission: Submission, run: str) -> str:
    """SLURM forgets a job of an array that was cancelled before it began."""
    job = submission.jobs[run]
    state = fate(job) or ("" if submission.logs(run) else "CANCELLED before it began")
    return f"job {job} ended" + (f" as {state}" if state else "")


_ERROR = re.compile(r"(error: |([\w.]+\.)?\w*(Error|Exception|Interrupt)\b)")
_OF_SLURM = ("submitit", "srun:", "slurmstepd:")


def _last_words(submission: Submission, run: str) -> str:
    """What a job said of an error before it ended, or else the last that it said; SLURM's own words are the last."""
    said = []
    for log in submission.logs(run):
        if log.suffix == ".err":
            with suppress(OSError):
                lines = log.read_text("utf-8", errors="replace").split("\n")
                said += [line.strip() for line in lines if line.strip() and not line.startswith("submitit")]
    own = [line for line in said if not line.startswith(_OF_SLURM)]
    chosen = [line for line in own if _ERROR.match(line)] or own or said
    return f": {shortened(chosen[-1], 300)}" if chosen else ""


def logged_share(directory: RunDirectory, submission: Submission | None = None) -> float | None:
    """The part of a run's steps that is in ``metrics.csv``."""
    steps, _ = configured(directory, submission)
    try:
        return last_step(directory.metrics) / steps if steps else None
    except (OSError, ValueError, UserError):
        return None


def configured(directory: RunDirectory, submission: Submission | None = None) -> tuple[int, int]:
    """Steps and batch of a run by its configuration; zeros where that cannot be read, or is not there yet."""
    try:
        if submission is not None:
            resolved, _ = read_run(run_file(submission.folder, directory.path.name))
        else:
            resolved = resolve_stored(parse_yaml(read_text(directory.config)))
    except (OSError, KeyError, ValueError, TypeError, UserError, OmegaConfBaseException):
        return 0, 0
    return resolved.steps, resolved.config.batch


def held(directory: RunDirectory) -> bool:
    """Whether a process of this machine holds the run's lock; looking does not touch the lock."""
    lock = directory.path / "lock"
    try:
        return is_locked(lock, read_bytes(lock).decode("utf-8", "replace").strip())
    except OSError:
        return False


def is_locked(path: Path, owner: str | None = None) -> bool:
    """Whether a process of this machine, that with the id ``owner`` if it is given, holds a file's lock."""
    try:
        inode = str(path.stat().st_ino)
        locks = [line.split() for line in Path("/proc/locks").read_text(encoding="ascii").splitlines()]
    except OSError:
        return False
    return any(words[1] == "FLOCK" and words[5].endswith(f":{inode}") and owner in (None, words[4]) for words in locks)


def _overrides(run: RunDirectory) -> list[str]:
    try:
        words: Any = parse_yaml(read_text(run.overrides))
    except (OSError, ValueError, Damaged):
        return []
    return [word for word in words if isinstance(word, str)] if isinstance(words, list) else []
