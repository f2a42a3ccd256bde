"""A queue of runs and the worker processes that train them.

A worker is a process of its own that trains one run after another, so that torch is imported once. A worker that
dies takes only its run with it: the run is recorded as failed and a new worker takes the next.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe, wait
from pathlib import Path
from types import TracebackType
from typing import Self

from normfree.config import Resolved, UserError
from normfree.runs import BUSY, RunDirectory
from normfree.runs.damage import standing
from normfree.runs.result import Ended
from normfree.sweep.forking import started
from normfree.sweep.logs import own_log
from normfree.sweep.schedule import Schedule
from normfree.sweep.state import held
from normfree.train.stopping import INTERRUPTED

GRACE_SECONDS = 8.0
"""How long workers may take to save their runs after a stop; then they are killed."""
LOOK_SECONDS = 1.0
"""Between two looks at runs that another process trains."""


@dataclass(frozen=True)
class Task:
    """A run to train."""

    run_id: str
    resolved: Resolved
    overrides: list[str]


@dataclass(frozen=True)
class Event:
    """What a worker said of a run: the share of its steps that are done, and at the end its result.

    ``elsewhere`` tells why the run is not trained here: another process has it.
    """

    run_id: str
    share: float
    result: Ended | None = None
    elsewhere: str = ""


class _Worker:
    def __init__(self, number: int, log: Path, gpus: list[str]) -> None:
        from normfree.sweep.worker import work

        self.log = log
        self.connection, other = Pipe()
        self.task: Task | None = None
        gpu = gpus[number % len(gpus)] if gpus else None
        self.process = started(gpus, f"normfree-{number}", work, other, self.log, gpu)
        other.close()

    def give(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # it has died, and will be heard of
            self.connection.send(task)


class _Queue:
    """Tasks that wait for a worker, and those that another process of this machine or another one has taken."""

    def __init__(self, tasks: list[Task], schedule: Schedule) -> None:
        self.waiting = {task.run_id: task for task in tasks}
        self.elsewhere: dict[str, Task] = {}
        self.schedule = schedule
        self._looked = 0.0

    def next(self) -> Task:
        return self.waiting.pop(self.schedule.next(list(self.waiting)))

    def look(self) -> Iterator[Event]:
        """Whether runs that are trained elsewhere have come to an end there; the others of them are to be trained."""
        if not self.elsewhere or time.monotonic() - self._looked < LOOK_SECONDS:
            return
        self._looked = time.monotonic()
        for run, task in list(self.elsewhere.items()):
            directory = RunDirectory.of(task.resolved)
            result = standing(directory)
            if result is None and held(directory):
                continue
            del self.elsewhere[run]
            if result is None:
                self.waiting[run] = task
            else:
                yield Event(run, 1.0, result)


class Pool:
    """``with Pool(2, folder) as pool: for event in pool.run(tasks): ...``; leaving it ends every worker.

    Args:
        workers: processes at a time.
        folder: where each worker's output goes, ``worker0.log`` and so on; names that no other sweep writes now.
        gpus: one for each worker in turn, as CUDA_VISIBLE_DEVICES names them; empty to leave them alone.
    """

    def __init__(self, workers: int, folder: Path, gpus: list[str] | None = None) -> None:
        self._count = workers
        self._held = ExitStack()
        self._logs = [self._held.enter_context(own_log(folder)) for _ in range(workers)]
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

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask every worker to save its run and end; safe in a signal handler.

        Args:
            number: the signal that this process was asked by.
        """
        if self._stop_time is None:
            self._stop_time = time.monotonic()
            for worker in self._workers:
                if worker.process.is_alive() and worker.process.pid:
                    os.kill(worker.process.pid, INTERRUPTED if number == signal.SIGINT else signal.SIGTERM)

    def run(self, tasks: list[Task], schedule: Schedule | None = None) -> Iterator[Event]:
        """Train every task; yields what workers say until all have ended or the pool is stopped.

        Args:
            schedule: says which comes next, and learns how long each took; one of its own by default.
        """
        queue = _Queue(tasks, schedule or Schedule.of({task.run_id: task.resolved for task in tasks}))
        for number in range(self._count):
            worker = self._start(number)
            self._workers.append(worker)
            if self.stopping:  # since before it could be told
                break
            worker.give(queue.next())
        while any(worker.task for worker in self._workers) or (queue.elsewhere and not self.stopping):
            if self._stop_time is not None and time.monotonic() - self._stop_time > GRACE_SECONDS:
                return
            connections = {worker.connection: worker for worker in self._workers if worker.task}
            for ready in wait(list(connections), timeout=0.5):
                assert isinstance(ready, Connection)
                yield from self._hear(connections[ready], queue)
            yield from queue.look()
            self._give(queue)

    def _hear(self, worker: _Worker, queue: _Queue) -> Iterator[Event]:
        task = worker.task
        assert task is not None
        try:
            event: Event = worker.connection.recv()
        except (EOFError, OSError):
            event = Event(task.run_id, 1.0, self._dead(worker, task))
        if event.result is None:
            yield event
            return
        worker.task = None
        if event.result["status"] == BUSY:
            queue.elsewhere[task.run_id] = task
            yield Event(task.run_id, 0.0, elsewhere=event.result["reason"])
            return
        queue.schedule.end(task.run_id, event.result)
        yield event

    def _give(self, queue: _Queue) -> None:
        """Tasks to workers that have none; to new ones in place of those that have died."""
        for number, worker in enumerate(self._workers):
            if not queue.waiting or self.stopping:
                return
            if worker.task is not None:
                continue
            if not worker.process.is_alive():
                # Which may mean that the process is no more from which it was forked: it ends by this.
                worker.connection.close()
                self._workers[number] = worker = self._start(number)
            worker.give(queue.next())

    def _start(self, number: int) -> _Worker:
        return _Worker(number, self._logs[number], self._gpus)

    def _dead(self, worker: _Worker, task: Task) -> Ended:
        """The result of a run whose worker died without a word."""
        worker.process.join(GRACE_SECONDS)
        code = worker.process.exitcode
        how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
        reason = f"its process ended with {how}"
        if code is not None and code > 0:
            reason += f" ({_last_line(worker.log)})"
        if self.stopping:
            return {"status": "preempted", "reason": reason, "traceback": None}
        try:
            return RunDirectory.of(task.resolved).record_failure(task.resolved, reason)
        except (UserError, OSError):
            return {"status": "failed", "reason": reason, "traceback": None}

    def _end(self) -> None:
        for worker in self._workers:
            worker.connection.close()
        deadline = (self._stop_time or time.monotonic()) + GRACE_SECONDS
        for worker in self._workers:
            worker.process.join(max(0.1, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
        self._held.close()


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError as error:
        return f"{log.name} cannot be read: {error.strerror}"
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
