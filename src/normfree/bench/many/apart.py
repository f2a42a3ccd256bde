"""k processes that share the device, one run each."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import torch

from normfree.bench.many.alone import Alone
from normfree.bench.many.job import Job
from normfree.config import UserError
from normfree.host.orphans import end_with


class Processes:
    """Processes of one thread each, that wait for their turn.

    Args:
        count: how many are started; what is timed may take fewer.
    """

    def __init__(self, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, os.getpid()), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)
            process.kill()

    def build(self, job: Job) -> None:
        """One run of `job` in each of the first processes; others hold none.

        Raises:
            UserError: a process failed.
        """
        runs = len(job.recipes)
        for index, pipe in enumerate(self._pipes):
            _send(pipe, (job, index) if index < runs else None)
        _answers(self._pipes)

    def take(self, runs: int, steps: int) -> None:
        """Waits until the last of the first `runs` processes has taken `steps` steps.

        Raises:
            UserError: a process failed.
        """
        for pipe in self._pipes[:runs]:
            _send(pipe, steps)
        _answers(self._pipes[:runs])


def _send(pipe: Connection, what: object) -> None:
    try:
        pipe.send(what)
    except OSError as error:
        raise UserError(
            "forms=processes: a process ended, often for want of memory; make k or batch smaller"
        ) from error


def _answers(pipes: list[Connection]) -> None:
    for pipe in pipes:
        try:
            trouble = pipe.recv()
        except (EOFError, OSError) as error:
            raise UserError(
                "forms=processes: a process ended, often for want of memory; make k or batch smaller"
            ) from error
        if trouble is not None:
            raise UserError(f"forms=processes: a process failed: {trouble}")


def _serve(pipe: Connection, parent: int) -> None:
    end_with(parent)
    torch.set_num_threads(1)
    run: Alone | None = None
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        trouble = None
        try:
            if isinstance(asked, int):
                assert run is not None
                for _ in range(asked):
                    run.take()
            else:
                run = None if asked is None else Alone(asked[0], asked[0].recipes[asked[1]])
            if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
                torch.cuda.synchronize()
        except (RuntimeError, ValueError) as error:
            trouble = str(error).splitlines()[0]
        pipe.send(trouble)
