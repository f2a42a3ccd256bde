"""Whether the ranks of a run get on with it, and where they stand if they do not."""

import os
import signal
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from normfree.runs.heartbeat import Heartbeats

STACK_SIGNAL = signal.SIGQUIT
"""A rank that gets it writes down where each of its threads is."""

START_SECONDS = 300.0
"""What ``trainer.hang_minutes`` is at least until each rank has trained on a micro batch, for what starts slowly."""

_LONGEST_LOOK = 1.0
_STACK_SECONDS = 2.0
COLLECTIVES = "distributed_c10d.py"
"""Who is in there waits for the other ranks."""

_STOPPED = {"T": "stopped (SIGSTOP)", "t": "stopped by a debugger", "D": "waiting for a disk or a network file system"}


class Silence:
    """How long no rank has got on with the run, in seconds.

    Time in which this process was stopped itself, with all the others perhaps, does not count.
    """

    def __init__(self, beats: Heartbeats) -> None:
        self._beats = beats
        self._counts = beats.counts()
        self._looked = time.monotonic()
        self.seconds = 0.0

    def look(self) -> float:
        now, counts = time.monotonic(), self._beats.counts()
        passed, self._looked = now - self._looked, now
        self.seconds = 0.0 if counts != self._counts else self.seconds + min(passed, _LONGEST_LOOK)
        self._counts = counts
        return self.seconds

    def begin_anew(self) -> None:
        self.seconds = 0.0


class StackFile:
    """Where a rank writes its stacks when it is asked to."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115

    @property
    def descriptor(self) -> int:
        """For the rank to inherit."""
        return self._file.fileno()

    def read(self, process: int) -> str:
        """Ask a process and wait for its answer; nothing if none comes in time."""
        try:
            os.kill(process, STACK_SIGNAL)
        except ProcessLookupError:
            return ""
        deadline, before = time.monotonic() + _STACK_SECONDS, -1
        while time.monotonic() < deadline:
            time.sleep(0.1)
            size = os.fstat(self.descriptor).st_size
            if size and size == before:
                break
            before = size
        return os.pread(self.descriptor, max(0, before), 0).decode(errors="replace")

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class Standing:
    """Where a rank stands: what the system says of it, where it is in the code, and the stacks of its threads."""

    number: int
    state: str
    place: str
    stacks: str

    def __str__(self) -> str:
        return f"rank {self.number} {self.state or self.place or 'says nothing'}"


def standing(number: int, process: int, file: StackFile) -> Standing:
    """Where a rank stands that is not known to get on with its work."""
    state = _STOPPED.get(_state(process), "")
    stacks = "" if state else file.read(process)
    return Standing(number, state and f"is {state}", _innermost(stacks), stacks)


def culprits(found: Sequence[Standing], counts: Sequence[tuple[int, int]]) -> list[Standing]:
    """Those that keep the others waiting: who has been stopped, else who has got on least and waits for no other."""
    stopped = [one for one in found if one.state]
    if stopped:
        return stopped
    least = min(counts[one.number][1] for one in found)
    last = [one for one in found if counts[one.number][1] == least]
    return [one for one in last if COLLECTIVES not in one.place] or last


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text(encoding="ascii", errors="replace").rpartition(") ")[2][:1]
    except OSError:
        return ""


def _innermost(stacks: str) -> str:
    """Of the thread that took the signal, which is the main one."""
    lines = iter(stacks.splitlines())
    for line in lines:
        if line.startswith("Current thread"):
            file, _, rest = next(lines, "").strip().removeprefix("File ").partition(", line ")
            line_number, _, function = rest.partition(" in ")
            return f"is at {Path(file.strip(chr(34))).name}:{line_number} in {function}" if function else ""
    return ""
