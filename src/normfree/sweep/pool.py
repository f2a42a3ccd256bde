"""A queue of runs and the worker processes that train them.

A worker is a process of its own that trains one run after another, so that torch is imported once. A worker that
dies takes only its run with it: the run is recorded as failed and a new worker takes the next.
"""

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory
from normfree.sweep.forking import context
from normfree.sweep.schedule import Schedule

GRACE_SECONDS = 8.0
"""How long workers may take to save their runs after a stop; then they are killed."""


@dataclass(frozen=True)
class Task:
    """A run to train."""

    run_id: str
    resolved: Resolved
    overrides: list[str]


@dataclass(frozen=True)
class Event:
    """What a worker said of a run: the share of its steps that are done, and at the end its result."""

    run_id: str
    share: float
    result: dict[str, Any] | None = None


class _Worker:
    def __init__(self, number: int, folder: Path, gpus: list[str]) -> None:
        from normfree.sweep.worker import work

        self.log = folder / f"worker{number}.log"
        self.connection, other = Pipe()
        self.task: Task | None = None
        gpu = gpus[number % len(gpus)] if gpus else None
        self.process = context(gpus).Process(target=work, args=(other, self.log, gpu), name=f"normfree-{number}")
        self.process.start()
        other.close()

    def give(self, task: Task) -> None:
        self.task = task
        self.connection.send(task)


class _Queue:
    def __init__(self, tasks: list[Task], schedule: Schedule) -> None:
        self.waiting = {task.run_id: task for task in tasks}
        self.schedule = schedule

    def next(self) -> Task:
        return self.waiting.pop(self.schedule.next(list(self.waiting)))


class Pool:
    """``with Pool(2, folder) as pool: for event in pool.run(tasks): ...``; leaving it ends every worker.

    Args:
        workers: processes at a time.
        folder: where each worker's output goes, ``worker0.log`` and so on.
        gpus: one for each worker in turn, as CUDA_VISIBLE_DEVICES names them; empty to leave them alone.
    """

    def __init__(self, workers: int, folder: Path, gpus: list[str] | None = None) -> None:
        self._count = workers
        self._folder = folder
        self._gpus = gpus or []
        self._workers: list[_Worker] = []
        self._stop_time: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self.stop()
        self._end()

    @property
    def stopping(self) -> bool:
        return self._stop_time is not None

    def stop(self) -> None:
        """Ask every worker to save its run and end; safe in a signal handler."""
        if self._stop_time is None:
            self._stop_time = time.monotonic()
            for worker in self._workers:
                if worker.process.is_alive() and worker.process.pid:
                    os.kill(worker.process.pid, signal.SIGTERM)

    def run(self, tasks: list[Task], schedule: Schedule | None = None) -> Iterator[Event]:
        """Train every task; yields what workers say until all have ended or the pool is stopped.

        Args:
            schedule: says which comes next, and learns how long each took; one of its own by default.
        """
        queue = _Queue(tasks, schedule or Schedule.of([task.resolved for task in tasks]))
        for number in range(self._count):
            worker = _Worker(number, self._folder, self._gpus)
            self._workers.append(worker)
            if self.stopping:  # since before it could be told
                break
            worker.give(queue.next())
        while any(worker.task for worker in self._workers):
            if self._stop_time is not None and time.monotonic() - self._stop_time > GRACE_SECONDS:
                return
            connections = {worker.connection: worker for worker in self._workers if worker.task}
            for ready in wait(list(connections), timeout=0.5):
                assert isinstance(ready, Connection)
                yield from self._hear(connections[ready], queue)

    def _hear(self, worker: _Worker, queue: _Queue) -> Iterator[Event]:
        task = worker.task
        assert task is not None
        try:
            event: Event = worker.connection.recv()
        except (EOFError, OSError):
            event = Event(task.run_id, 1.0, self._dead(worker, task))
        if event.result is not None:
            queue.schedule.end(task.run_id, event.result)
        yield event
        if event.result is None:
            return
        worker.task = None
        if queue.waiting and not self.stopping:
            if not worker.process.is_alive():
                number = self._workers.index(worker)
                self._workers[number] = worker = _Worker(number, self._folder, self._gpus)
            worker.give(queue.next())

    def _dead(self, worker: _Worker, task: Task) -> dict[str, Any]:
        """The result of a run whose worker died without a word."""
        worker.process.join(GRACE_SECONDS)
        code = worker.process.exitcode
        how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        reason = f"its process ended with {how}"
        if code is not None and code > 0:
            reason += f" ({_last_line(worker.log)})"
        if self.stopping:
            return {"status": "preempted", "reason": reason}
        try:
            return RunDirectory.of(task.resolved).record_failure(task.resolved, reason)
        except (UserError, OSError):
            return {"status": "failed", "reason": reason}

    def _end(self) -> None:
        for worker in self._workers:
            worker.connection.close()
        deadline = (self._stop_time or time.monotonic()) + GRACE_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.1, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
