"""Inside a job: one run, and the way back into the queue when the cluster takes its time away."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from normfree.config import UserError
from normfree.runs import TERMINAL, Busy, Damaged, RunDirectory
from normfree.slurm.queue import job_state

END_SECONDS = 120
"""How long a job that was put back into the queue waits to be ended."""
ANSWER_SECONDS = 60
"""How long a job tries to be put back while SLURM's controller does not answer or refuses."""


def train_submitted(file: str, max_requeues: int) -> None:
    """What every task of a job does: train the run; the first task records and requeues.

    A run that was stopped by USR1 (the time limit comes), USR2 or TERM (preemption) has saved itself at the next step
    boundary; its job is then put back into the queue and goes on from that step when it is started again.

    Args:
        file: the run's configuration in the snapshot.
        max_requeues: how often a job may go back into the queue.
    """
    from normfree.slurm.submission import CODE, read_run
    from normfree.train.stopping import StopRequest

    # Python has put the folder it was started in before the snapshot.
    sys.path.insert(0, str(Path(file).parent.parent / CODE))

    stop = StopRequest()
    with stop.listening():  # already while torch is imported
        import torch

        from normfree.runs.run_line import RunLine
        from normfree.train.lightning_noise import quieten
        from normfree.train.run import run_one

        quieten()
        resolved, overrides = read_run(Path(file))
        torch.set_num_threads(cores())
        leader = os.environ.get("SLURM_PROCID", "0") == "0"
        try:
            result = run_one(resolved, overrides, RunLine(resolved.steps, sys.stdout).show, stop)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr, flush=True)
            if leader and not isinstance(error, Busy | Damaged):
                RunDirectory.of(resolved).record_failure(resolved, str(error))
            sys.exit(1)
        print(result["status"], result["reason"], flush=True)
        # With a traceback it was a full disk that ended it, which will be as full the next time.
        if result["status"] == "preempted" and result["traceback"] is None:
            if leader:
                requeue(max_requeues)
            sys.exit(0)
    sys.exit(0 if result["status"] in TERMINAL else 1)


def cores() -> int:
    """This task's share of the processor cores that the job has on its node; torch would take all that it sees."""
    return max(1, int(os.environ.get("SLURM_CPUS_ON_NODE", "1")) // int(os.environ.get("SLURM_NTASKS_PER_NODE", "1")))


def own_id() -> str:
    """As squeue prints it. ``SLURM_JOB_ID`` alone would mean the whole array in the job that shares its number."""
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ["SLURM_JOB_ID"]


def requeue(most: int) -> None:
    """Put this job back into the queue and wait to be ended; returns if it may not or cannot.

    A job that its user has cancelled, or that SLURM has begun to end, is left alone.
    """
    job = own_id()
    count = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    if count >= most:
        print(f"requeued {count} times, as often as hydra.launcher.max_requeues allows; not again", flush=True)
        sys.exit(1)
    if not put_back(job):
        return
    print(f"requeued for the {count + 1}. time of at most {most}", flush=True)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    time.sleep(END_SECONDS)


def put_back(job: str) -> bool:
    """Ask SLURM to requeue a job, again while its controller does not answer; ``False`` if the job does not run."""
    deadline = time.monotonic() + ANSWER_SECONDS
    asked = False
    while True:
        state = job_state(job)
        if state and state != "RUNNING" and not asked:
            print(f"not requeued: SLURM says that job {job} is {state}", flush=True)
            return False
        if state and state != "RUNNING":
            return True  # the answer was lost, not the request
        said = "SLURM does not answer"
        if state:
            answer = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
            asked = True
            if not answer.returncode:
                return True
            said = answer.stderr.strip()
        if time.monotonic() > deadline:
            print(f"not requeued, start it again: scontrol requeue {job}: {said}", file=sys.stderr, flush=True)
            sys.exit(1)
        time.sleep(2)
