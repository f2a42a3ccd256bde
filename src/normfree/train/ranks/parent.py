"""A run on several devices of one machine: a process for each, started, heard and ended together.

The process that is asked for the run holds its directory's lock and trains nothing; the ranks inherit the lock, so that
it lasts as long as any of them.
"""

import math
import pickle
import signal
import time
import warnings
from multiprocessing.connection import Connection, wait

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory, result_of
from normfree.runs.heartbeat import Heartbeats
from normfree.runs.identity import with_own_code
from normfree.runs.result import Result
from normfree.train.ranks.process import END_SECONDS, RankProcess
from normfree.train.ranks.watch import START_SECONDS, Silence, culprits, standing
from normfree.train.ranks.world import lost_contact
from normfree.train.record.metrics import Progress
from normfree.train.stopping import StopRequest

LEAVE_SECONDS = 30.0
"""How long ranks may go on after one has ended as it should, and without a sign of progress after a request to stop."""

TERMINATE_SECONDS = 2.0
"""Between SIGTERM and SIGKILL."""


class _Tree:
    def __init__(self, resolved: Resolved, overrides: list[str], lock: int) -> None:
        trainer = resolved.config.trainer
        self.store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        threads = trainer.threads or 1
        self.beats = Heartbeats(trainer.devices)
        self.ranks = [
            RankProcess(number, trainer.devices, self.store.port, threads, lock, self.beats)
            for number in range(trainer.devices)
        ]
        self._seconds = trainer.hang_minutes * 60
        self._step = 0
        task = pickle.dumps((with_own_code(resolved), overrides))
        for rank in self.ranks:
            rank.connection.send_bytes(task)
        self.result: Result | None = None
        self.refused: str | None = None
        self.broken: list[tuple[str, str]] = []
        self.hung: tuple[str, str] | None = None

    def tell(self, number: int) -> None:
        """Ask every rank to stop as by this signal."""
        for rank in self.ranks:
            try:
                rank.connection.send(number)
            except OSError:
                continue  # It has ended, and will be heard of.

    def hear(self, progress: Progress, stop: StopRequest) -> None:
        """Until all ranks have ended, or did not in time after one broke, refused or ended, or none gets on."""
        told, deadline, silence = False, None, Silence(self.beats)
        open_ranks = {rank.connection: rank for rank in self.ranks}
        while open_ranks:
            if not told and stop.asked():
                self.tell(stop.signal or signal.SIGTERM)
                told = True
                silence.begin_anew()
            if deadline is not None and time.monotonic() > deadline:
                return
            if silence.look() > self._patience(told):
                self.hung = self._where(list(open_ranks.values()), silence.seconds)
                return
            for ready in wait(list(open_ranks), timeout=0.2):
                assert isinstance(ready, Connection)
                rank = open_ranks[ready]
                try:
                    kind, content = ready.recv()
                except (EOFError, OSError):
                    del open_ranks[ready]
                    if (how := rank.ended_how()) and not self.refused:
                        self.broken.append((how, ""))
                    deadline = deadline or time.monotonic() + LEAVE_SECONDS
                    kind = "end"
                if kind == "progress":
                    self._step = int(content["step"])
                    progress(content)
                elif kind == "warning":
                    warnings.warn(content[0], content[1], stacklevel=3)
                elif kind == "result":
                    self.result = content
                elif kind == "refused":
                    self.refused = self.refused or content
                elif kind == "failed":
                    self.broken.append(content)
                if self.refused or self.broken:
                    deadline = min(deadline or math.inf, time.monotonic() + END_SECONDS)

    def _where(self, ranks: list[RankProcess], seconds: float) -> tuple[str, str]:
        """Which ranks keep the others waiting and where they stand, and the stacks of all."""
        found = [standing(rank.number, rank.process.pid, rank.stacks) for rank in ranks]
        guilty = ", ".join(map(str, culprits(found, self.beats.counts())))
        stacks = "\n".join(f"{one}\n{one.stacks}" for one in found)
        return f"no rank has got on for {seconds:.0f} s, after the row of step {self._step}: {guilty}", stacks

    def end(self) -> None:
        """All ranks that there still are: by SIGTERM, then by SIGKILL."""
        for rank in self.ranks:
            if self.hung is not None:
                rank.terminate()
        deadline = time.monotonic() + TERMINATE_SECONDS
        while self.hung is not None and time.monotonic() < deadline:
            if all(rank.process.poll() is not None for rank in self.ranks):
                break
            time.sleep(0.05)
        for rank in self.ranks:
            rank.close()
        self.beats.close()

    def _patience(self, told: bool) -> float:
        if told:
            return min(self._seconds, LEAVE_SECONDS)
        training = all(alike for _, alike in self.beats.counts())
        return self._seconds if training else max(self._seconds, START_SECONDS)

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
) -> Result:
    """Train with a process for each of ``trainer.devices``, and return the result that rank 0 wrote.

    A rank that dies, or breaks, ends all within seconds; the run is then recorded as failed, with the reason and, where
    there is one, the traceback of the rank that broke first. If no rank has got on for ``trainer.hang_minutes``, or for
    `LEAVE_SECONDS` after a request to stop, all are ended, and the reason says which kept the others waiting and where.

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
            tree.end()
    if tree.refused is not None:
        raise UserError(tree.refused)
    if tree.result is not None and not (tree.result["status"] == "failed" and tree.broken):
        return tree.result
    if (done := directory.finished_result()) is not None:
        return done  # Rank 0 had written it when another broke.
    if tree.hung is not None:
        return directory.write_result(_hung(resolved, *tree.hung, stop, attempts))
    reason, traceback = tree.why_broken() if tree.broken else ("the ranks ended without a result", "")
    if stop.asked() and "Stopped: " in reason:
        text = f"{stop.cause()} and not saved: {reason}; the same command goes on from the last checkpoint"
        return directory.write_result(result_of(resolved, "preempted", text, attempts=attempts))
    if tree.result is not None and lost_contact(reason):
        return tree.result
    if tree.result is not None and not lost_contact(tree.result["reason"]):
        reason, traceback = tree.result["reason"], tree.result["traceback"] or ""
    return directory.write_result(
        result_of(resolved, "failed", reason, traceback=traceback or reason, attempts=attempts)
    )


def _hung(resolved: Resolved, where: str, stacks: str, stop: StopRequest, attempts: int) -> Result:
    if stop.asked():
        reason = f"{stop.cause()} and not saved: {where}; the same command goes on from the last checkpoint"
        return result_of(resolved, "preempted", reason, traceback=stacks, attempts=attempts)
    minutes = resolved.config.trainer.hang_minutes
    reason = (
        f"{where}; ended by trainer.hang_minutes={minutes:g}: raise it if a step may take so long, "
        "and the same command goes on from the last checkpoint"
    )
    return result_of(resolved, "failed", reason, traceback=stacks, attempts=attempts)
