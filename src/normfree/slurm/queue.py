"""What SLURM says of jobs: through squeue, scontrol, sacct and sinfo. None of them is asked to change anything."""

import subprocess
from typing import NamedTuple

_SECONDS = 30


class Job(NamedTuple):
    """State and reason in SLURM's words: ``PENDING`` for ``Priority``, ``RUNNING``."""

    state: str
    reason: str

    @property
    def runs(self) -> bool:
        return self.state not in ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "SUSPENDED")


def ask(*command: str) -> str | None:
    """What a command prints; ``None`` where it does not exist, fails or does not answer."""
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout


def live_jobs() -> dict[str, Job] | None:
    """The user's jobs that wait or run, by id (``12`` or, in an array, ``12_3``); ``None`` without an answer."""
    answer = ask("squeue", "--me", "--array", "--noheader", "--format=%i|%T|%r")
    if answer is None:
        return None
    rows = [line.strip().split("|", 2) for line in answer.splitlines() if line.count("|") >= 2]
    return {row[0]: Job(row[1], row[2]) for row in rows}


def fate(job: str) -> str:
    """How a job ended (``CANCELLED``, ``TIMEOUT``, ``NODE_FAIL``, ...) as far as SLURM remembers; else empty."""
    state = job_state(job)
    if state:
        return state
    words = (ask("sacct", "--noheader", "--allocations", "--parsable2", "--format=State", "--jobs", job) or "").split()
    return words[0] if words else ""


def job_state(job: str) -> str:
    """The state that slurmctld holds of a job; empty where it has forgotten it."""
    answer = ask("scontrol", "show", "job", "--oneliner", job) or ""
    words = dict(word.split("=", 1) for word in answer.split() if "=" in word)
    return words.get("JobState", "")


_SILENT = (
    "failed to fetch config", "could not establish a configuration source", "unable to process configuration file",
    "unable to contact slurm controller", "unable to connect", "connection refused",
    "zero bytes were transmitted or received", "socket timed out",
)  # fmt: skip


def no_answer(said: str) -> str:
    """The error line of these that says that no SLURM answers; empty where none does."""
    lines = [line.strip() for line in said.splitlines()]
    return next((line for line in lines if any(each in line.lower() for each in _SILENT)), "")


def silent(said: str) -> str:
    """What to tell of it."""
    return f"no SLURM answers here, is SLURM_CONF right? ({said})"


def silence() -> str:
    """Why no SLURM answers ``sinfo``, in its words; empty where one does, or the command tells nothing of it."""
    try:
        answer = subprocess.run(["sinfo", "--noheader"], capture_output=True, text=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    return no_answer(answer.stderr) if answer.returncode else ""


def partitions() -> list[str]:
    """The partitions of the cluster; empty without an answer."""
    return sorted(set((ask("sinfo", "--noheader", "--format=%R") or "").split()))
