"""The process that trains runs for a sweep, one after another."""

import os
import signal
import sys
import traceback
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from normfree.runs.result import Ended


def work(connection: Connection, log: Path, gpu: str | None) -> None:
    """Train what comes through ``connection`` until it is closed; everything printed goes to ``log``.

    Args:
        gpu: the only GPU that this process sees, or ``None``.
    """
    from normfree.sweep.pool import Event, Task

    # The terminal sends Ctrl-C to every process; only the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    _print_to(log)
    while True:
        try:
            task: Task = connection.recv()
        except (EOFError, OSError):
            return

        def progress(row: dict[str, float], task: Task = task) -> None:
            _tell(connection, Event(task.run_id, row["step"] / task.resolved.steps))

        _tell(connection, Event(task.run_id, 1.0, _train(task, progress)))


def _print_to(log: Path) -> None:
    """A disk that has no room for the log has none for a run either, which tells it better."""
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
    except OSError:
        descriptor = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(descriptor, stream.fileno())


def _train(task: Any, progress: Any) -> Ended:
    from normfree.config.parts import own_parts
    from normfree.runs import run_id

    if run_id(task.resolved) != task.run_id:
        keys = " or ".join(part.target for part in own_parts(task.resolved.config))
        reason = f"the source of {keys} has changed since the sweep began; start the sweep again"
        return {"status": "failed", "reason": reason, "traceback": None}
    try:
        from normfree.train.worker import train_task

        result: Ended = train_task(task.resolved, task.overrides, progress)
        return result
    except Exception as error:  # the log, where it would be seen otherwise, may be what cannot be written
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"status": "failed", "reason": reason, "traceback": "".join(traceback.format_exception(error))}


def _tell(connection: Connection, event: object) -> None:
    """A parent that has gone cannot be told; the run is asked at its next step whether it has, and saves itself."""
    with suppress(OSError):
        connection.send(event)
