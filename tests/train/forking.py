"""Runs in processes that can be killed, forked from one that has imported everything: a run starts in no time.

``python -m tests.train.forking`` reads a line of overrides, forks, answers with the child's process id and, when it has
ended, with how.
"""

import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Self

import psutil


class Forking:
    """``with Forking() as fork: process = fork.start("model=resnet20", ...)``."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.train.forking"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._answer() == "ready\n"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in psutil.Process(self._server.pid).children(recursive=True):
            process.kill()
        self._server.kill()
        self._server.communicate()

    def start(self, *overrides: str) -> psutil.Process:
        """A process that trains this run."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(overrides) + "\n")
        self._server.stdin.flush()
        return psutil.Process(int(self._answer()))

    def ended(self) -> int:
        """Wait for the process started last; its exit code, negative for a signal."""
        return int(self._answer())

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()


def serve() -> None:
    """Fork a run for each line on stdin."""
    import torch
    from tests.conftest import resolved

    from normfree.train.lightning_noise import quieten
    from normfree.train.run import run_one

    quieten()
    torch.set_num_threads(1)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            result = run_one(resolved(*json.loads(line)), [])
            os._exit(0 if result["status"] in ("finished", "stalled", "diverged") else 1)
        print(child, file=answers, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)


if __name__ == "__main__":
    serve()
