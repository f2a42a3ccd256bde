"""The process that trains runs for a sweep, one after another."""

import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path


def work(connection: Connection, log: Path, gpu: str | None) -> None:
    """Train what comes through ``connection`` until it is closed; everything printed goes to ``log``.

    Args:
        gpu: the only GPU that this process sees, or ``None``.
    """
    from normfree.runs import run_id
    from normfree.sweep.pool import Event, Task

    # The terminal sends Ctrl-C to every process; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, sys.stdout.fileno())
    os.dup2(descriptor, sys.stderr.fileno())
    from normfree.train.worker import train_task

    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, OSError):
            return

        def progress(row: dict[str, float], task: Task = task) -> None:
            connection.send(Event(task.run_id, row["step"] / task.resolved.steps))

        if run_id(task.resolved) == task.run_id:
            result = train_task(task.resolved, task.overrides, progress)
        else:
            reason = "the source of clip._target_ has changed since the sweep began; start the sweep again"
            result = {"status": "failed", "reason": reason, "traceback": None}
        connection.send(Event(task.run_id, 1.0, result))
