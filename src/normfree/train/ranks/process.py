"""The process of a rank, as the one that started it sees it."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from multiprocessing import Pipe
from typing import IO

from normfree.runs.heartbeat import Heartbeats
from normfree.train.ranks.rank import LOCAL_RANK, PORT, RANK, WORLD_SIZE
from normfree.train.ranks.watch import StackFile

END_SECONDS = 5.0
"""How long ranks may go on after one has broken; then they are killed."""


class RankProcess:
    """A rank as its parent sees it."""

    def __init__(self, number: int, world_size: int, port: int, threads: int, lock: int, beats: Heartbeats) -> None:
        self.number = number
        self.stacks = StackFile()
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
        descriptors = (theirs.fileno(), beats.descriptor, self.stacks.descriptor)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "normfree.train.rank_main", *map(str, descriptors), str(os.getpid())],
            env={**os.environ, **variables},
            pass_fds=(*descriptors, lock),
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=self._said,
            # Ctrl-C in a terminal reaches the parent alone, which decides what it means.
            process_group=0,
        )
        theirs.close()

    def ended_how(self) -> str:
        """Nothing if it ended as it should."""
        try:
            code = self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            return f"rank {self.number} closed its connection and goes on"
        if code == 0:
            return ""
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        last = self._last_line() if code > 0 else ""
        return f"rank {self.number} ended with {how}" + (f" ({last})" if last else "")

    def _last_line(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(0)
        lines = self._said.read().decode(errors="replace").splitlines()
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def terminate(self) -> None:
        """SIGTERM, which a stopped process hears of when it goes on."""
        if self.process.poll() is None:
            self.process.terminate()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        with suppress(subprocess.TimeoutExpired):  # Nothing ends a process that waits for a dead disk.
            self.process.wait(END_SECONDS)
        self.connection.close()
        self.stacks.close()
        if self._said is not None:
            self._said.close()
