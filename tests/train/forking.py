"""Runs in processes that can be killed, forked from one that has imported everything: a run starts in no time.

``python -m tests.train.forking`` reads a line of overrides, forks, answers with the child's process id and, when it has
ended, with how and with what it was refused for.
"""

import json
import os
import subprocess
import sys
from types import TracebackType
from typing import Self

import psutil

REFUSED = 2


class Forking:
    """``with Forking() as fork: process = fork.start("model=resnet20", ...)``.

    Args:
        inside: a command line that the server is started by, for instance in a namespace of its own.

    Attributes:
        refusal: what the process that ended last was refused for, or nothing.
    """

    def __init__(self, *inside: str) -> None:
        self._inside = inside
        self.refusal = ""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen(
            [*self._inside, sys.executable, "-m", "tests.train.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
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

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._server.pid

    def start(self, *overrides: str) -> psutil.Process:
        """A process that trains this run."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(overrides) + "\n")
        self._server.stdin.flush()
        return psutil.Process(int(self._answer()))

    def ended(self) -> int:
        """Wait for the process started last; its exit code, negative for a signal."""
        code, self.refusal = json.loads(self._answer())
        return int(code)

    def _answer(self) -> str:
        assert self._server.stdout is not None
        return self._server.stdout.readline()


def serve() -> None:
    """Fork a run for each line on stdin."""
    import torch
    from tests.conftest import resolved
    from tests.tiers import LONG
    from tests.undrawn import CLIP_FIGURE, without_drawing

    from normfree.config import UserError
    from normfree.train.lightning_noise import quieten
    from normfree.train.run import run_one

    quieten()
    torch.set_num_threads(1)
    if not LONG:
        sys.modules[CLIP_FIGURE] = without_drawing()
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        listening, telling = os.pipe()
        child = os.fork()
        if child == 0:
            answers.close()  # else what it starts could keep the line open after the server has ended
            try:
                result = run_one(resolved(*json.loads(line)), [])
                os._exit(0 if result["status"] in ("finished", "untrained", "diverged") else 1)
            except UserError as error:
                os.write(telling, str(error).encode())
                os._exit(REFUSED)
        print(child, file=answers, flush=True)
        _, status = os.waitpid(child, 0)
        os.close(telling)
        os.set_blocking(listening, False)
        with os.fdopen(listening, "rb") as refusal:
            said = (refusal.read() or b"").decode()
        print(json.dumps([os.waitstatus_to_exitcode(status), said]), file=answers, flush=True)


if __name__ == "__main__":
    serve()
