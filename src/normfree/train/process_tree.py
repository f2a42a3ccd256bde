"""A run on several devices of one machine: a process for each, started, heard and ended together.

The process that is asked for the run holds its directory's lock and trains nothing; the ranks inherit the lock, so that
it lasts as long as any of them.
"""

import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from typing import IO, Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory, result_of
from normfree.train.ranks import LOCAL_RANK, PORT, RANK, WORLD_SIZE
from normfree.train.stopping import StopRequest
from normfree.train.world import lost_contact

END_SECONDS = 5.0
"""How long ranks may go on after one has broken; then they are killed."""

Progress = Callable[[dict[str, float]], None]


class _Process:
    """A rank as its parent sees it."""

    def __init__(self, number: int, world_size: int, port: int, threads: int, lock: int) -> None:
        self.number = number
        self.connection, theirs = Pipe()
        # What rank 0 has to say is for the user; what others say, for whoever asks why they broke.
        self._said: IO[bytes] | None = None
        if number > 0:
            self._said = tempfile.TemporaryFile()  # noqa: SIM115
        variables = {
            RANK: str(number),
            LOCAL_RANK: str(number),
            WORLD_SIZE: str(world_size),
            PORT: str(port),
            "OMP_NUM_THREADS": str(threads),
            # What the parent can import, clippers of the user's own for instance, its ranks can.
            "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        }
        if sys.platform == "linux":
            variables["GLOO_SOCKET_IFNAME"] = os.environ.get("GLOO_SOCKET_IFNAME", "lo")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "normfree.train.rank_main", str(theirs.fileno())],
            env={**os.environ, **variables},
            pass_fds=(theirs.fileno(), lock),
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            # Ctrl-C in a terminal reaches the parent alone, which decides what it means.
            process_group=0,
        )
        theirs.close()

    def ended_how(self) -> str:
        code = self.process.wait()
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = self._last_line() if code > 0 else ""
        return f"rank {self.number} ended with {how}" + (f" ({last})" if last else "")

    def _last_line(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.connection.close()
        if self._said is not None:
            self._said.close()


class _Tree:
    def __init__(self, resolved: Resolved, overrides: list[str], lock: int) -> None:
        trainer = resolved.config.trainer
        self.store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        threads = trainer.threads or 1
        self.ranks = [
            _Process(number, trainer.devices, self.store.port, threads, lock) for number in range(trainer.devices)
        ]
        task = pickle.dumps((resolved, overrides))
        for rank in self.ranks:
            rank.connection.send_bytes(task)
        self.result: dict[str, Any] | None = None
        self.refused: str | None = None
        self.broken: list[tuple[str, str]] = []

    def tell(self, number: int) -> None:
        """Ask every rank to stop as by this signal."""
        for rank in self.ranks:
            try:
                rank.connection.send(number)
            except OSError:
                continue  # It has ended, and will be heard of.

    def hear(self, progress: Progress, stop: StopRequest) -> None:
        """Until all ranks have ended, or did not in time after one broke or refused."""
        told, deadline = False, None
        open_ranks = {rank.connection: rank for rank in self.ranks}
        while open_ranks:
            if not told and stop.asked():
                self.tell(stop.signal or signal.SIGTERM)
                told = True
            if deadline is not None and time.monotonic() > deadline:
                return
            for ready in wait(list(open_ranks), timeout=0.2):
                assert isinstance(ready, Connection)
                rank = open_ranks[ready]
                try:
                    kind, content = ready.recv()
                except (EOFError, OSError):
                    del open_ranks[ready]
                    if (rank.process.wait() != 0) and not self.refused:
                        self.broken.append((rank.ended_how(), ""))
                    kind = "end"
                if kind == "progress":
                    progress(content)
                elif kind == "warning":
                    warnings.warn(content[0], content[1], stacklevel=3)
                elif kind == "result":
                    self.result = content
                elif kind == "refused":
                    self.refused = self.refused or content
                elif kind == "failed":
                    self.broken.append(content)
                if (self.refused or self.broken) and deadline is None:
                    deadline = time.monotonic() + END_SECONDS

    def why_broken(self) -> tuple[str, str]:
        """The first failure that is more than the loss of another rank, and its traceback."""
        return next((told for told in self.broken if not lost_contact(told[0])), self.broken[0])


def train_in_ranks(
    resolved: Resolved,
    overrides: list[str],
    directory: RunDirectory,
    progress: Progress,
    stop: StopRequest,
    lock: int,
) -> dict[str, Any]:
    """Train with a process for each of ``trainer.devices``, and return the result that rank 0 wrote.

    A rank that dies, or breaks, ends all within seconds; the run is then recorded as failed, with the reason and, where
    there is one, the traceback of the rank that broke first.

    Args:
        directory: locked by this process.
        stop: its request is passed on to all ranks.
        lock: the descriptor of the lock, for the ranks to inherit.

    Raises:
        UserError: what a rank refused.
    """
    attempts = directory.next_attempt()
    with stop.listening():
        tree = _Tree(resolved, overrides, lock)
        try:
            tree.hear(progress, stop)
        finally:
            for rank in tree.ranks:
                rank.close()
    if tree.refused is not None:
        raise UserError(tree.refused)
    if tree.result is not None and not (tree.result["status"] == "failed" and tree.broken):
        return tree.result
    if (done := directory.finished_result()) is not None:
        return done  # Rank 0 had written it when another broke.
    reason, traceback = tree.why_broken() if tree.broken else ("the ranks ended without a result", "")
    if tree.result is not None and lost_contact(reason):
        return tree.result
    if tree.result is not None and not lost_contact(tree.result["reason"]):
        reason, traceback = tree.result["reason"], tree.result["traceback"]
    return directory.write_result(
        result_of(resolved, "failed", reason, traceback=traceback or reason, attempts=attempts)
    )
