"""One run from its configuration to its result, in one process or as one rank of several."""

import dataclasses
import errno
import time
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from normfree.config import Resolved, UserError
from normfree.config.tracebacks import one_line
from normfree.data.worker_loader import lost_worker
from normfree.host.allocator import keep_freed_memory
from normfree.runs import Damaged, RunDirectory, result_of
from normfree.runs.attempts import attempts_of, resumed_under_other
from normfree.runs.other_data import refuse_other_data
from normfree.runs.own_code import files_of
from normfree.runs.own_fault import place_of
from normfree.runs.provenance import difference, provenance
from normfree.runs.result import Result
from normfree.runs.waiting import Stopped, bounded
from normfree.train.fit import fit
from normfree.train.hardware import device_name
from normfree.train.outcome import Outcome
from normfree.train.preflight import Ready, preflight
from normfree.train.ranks.parent import train_in_ranks
from normfree.train.ranks.rank import Rank, rank_of
from normfree.train.ranks.world import ALONE, World, connected
from normfree.train.record.metrics import Progress
from normfree.train.stopping import StopRequest
from normfree.train.threads import computing_threads

WAIT_SHARE = 0.5
"""Of ``trainer.hang_minutes``, that a single file may take to be read: told before ranks are ended for it."""


def run_one(
    resolved: Resolved,
    overrides: list[str],
    progress: Progress = lambda row: None,
    stop: StopRequest | None = None,
) -> Result:
    """Train, evaluate and record; a run that has its result returns it at once, an unfinished one goes on.

    On several devices this starts a process for each, unless it is itself one of them: then it trains its part, and
    rank 0 alone writes.

    Args:
        overrides: as typed, for the record.
        progress: told the numbers of every row of metrics.csv; not called on ranks other than 0.
        stop: asked at every step; a stopped run is saved, recorded as ``preempted`` and can be gone on with.

    Returns:
        The content of result.json. An exception in training gives status ``failed`` and its traceback; on ranks other
        than 0 it is raised.

    Raises:
        UserError: for what the user can put right; what could not be known before the run had its directory, such as an
            image that cannot be read, is recorded there too.
    """
    directory = RunDirectory.of(resolved)
    if (done := directory.finished_result()) is not None:
        refuse_other_data(done, resolved)
        return done
    rank, several = rank_of(), resolved.config.trainer.devices > 1
    ready = preflight(resolved, rank, elsewhere=rank is None and several)
    stop = stop or StopRequest()
    keep_freed_memory()
    patience = bounded(resolved.config.trainer.hang_minutes * 60 * WAIT_SHARE, stop.asked)
    if rank is not None:
        with stop.listening(), patience, connected(rank, resolved, ready.device) as world:
            return _train_as_rank(resolved, overrides, ready, progress, stop, rank, world)
    directory.create()
    with directory.locked() as lock:
        if (done := directory.finished_result()) is not None:
            directory.tidy()
            return done
        try:
            if several:
                return train_in_ranks(resolved, overrides, directory, progress, stop, lock)
            with stop.listening(), patience, computing_threads(resolved, ready.device) as threads:
                return _train(resolved, overrides, ready, progress, stop, ALONE, threads)
        except Damaged:
            raise
        except UserError as error:
            # Whoever looks at the run later is to see why it ended.
            with suppress(OSError):
                directory.write_failure(resolved, str(error))
            raise


def _train_as_rank(
    resolved: Resolved,
    overrides: list[str],
    ready: Ready,
    progress: Progress,
    stop: StopRequest,
    rank: Rank,
    world: World,
) -> Result:
    directory = RunDirectory.of(resolved)
    if not world.leader:
        try:
            with computing_threads(resolved, ready.device):
                fit(resolved, directory, ready, progress, stop, world)
        except Exception as error:
            world.tell_failure(*told(error, resolved))
            raise
        result: Result = world.gather(None)[0]
        return result
    with _owned(directory, rank), computing_threads(resolved, ready.device) as threads:
        result = _train(resolved, overrides, ready, progress, stop, world, threads)
        if result["traceback"] is None:
            world.gather(result)
        return result


@contextmanager
def _owned(directory: RunDirectory, rank: Rank) -> Iterator[None]:
    """The lock, which our own process tree holds already where it started this rank."""
    if not rank.slurm:
        yield
        return
    directory.create()
    with directory.locked():
        yield


def _train(
    resolved: Resolved,
    overrides: list[str],
    ready: Ready,
    progress: Progress,
    stop: StopRequest,
    world: World,
    threads: int,
) -> Result:
    directory = RunDirectory.of(resolved)
    attempts = directory.next_attempt()
    config = dataclasses.asdict(resolved.config)
    record: dict[str, Any] = {"attempts": attempts}
    started = time.perf_counter()

    def record_failure(reason: str, text: str) -> None:
        directory.write_result(result_of(resolved, "failed", reason, traceback=text, **record))

    try:
        origin = provenance(device_name(ready.device), threads)
        environment = record | _circumstances(resolved, directory) | origin
        directory.write_start(config, overrides, environment, difference(), files_of(resolved.config))
        record |= _history(directory)
        if record["resumed"]:
            warnings.warn(f"{record['resumed']}: the rest is not what it would have been to the last bit", stacklevel=2)
        with world.watched(record_failure):
            outcome = fit(resolved, directory, ready, progress, stop, world)
    except UserError:
        raise
    except Stopped as error:
        outcome = Outcome(
            "preempted", f"{stop.cause()} while {error}; the same command goes on from the last checkpoint"
        )
    except Exception as error:
        reason, text = told(error, resolved)
        world.tell_failure(reason, text)
        outcome = _broken(error, directory, *world.cause(reason, text))
    outcome = outcome.stopped_by(stop)
    dirty = any(each.get("dirty") for each in record.get("history", ()))
    measured = vars(outcome) | record | {"provenance": origin | {"dirty": dirty}}
    measured["time"] = {**outcome.time, "seconds": time.perf_counter() - started}
    records = measured.pop("records")
    result = directory.write_result(result_of(resolved, **measured), records)
    if result["traceback"] is not None:
        world.recorded()
    return result


def _circumstances(resolved: Resolved, directory: RunDirectory) -> dict[str, Any]:
    trainer = resolved.config.trainer
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "resumes": bool(directory.checkpoint_candidates()),
        "ranks": trainer.devices * trainer.nodes,
    }


def _history(directory: RunDirectory) -> dict[str, Any]:
    """Every attempt so far, and in words what the steps of this result were computed under beside what is now."""
    attempts = attempts_of(directory.path)
    return {"history": attempts, "resumed": resumed_under_other(attempts)}


def told(error: Exception, resolved: Resolved) -> tuple[str, str]:
    """An error in one line, with its place in the user's own code if it has one, and its traceback."""
    text = "".join(traceback.format_exception(error))
    line = lost_worker(error, resolved.config.data) or one_line(error)
    return line + place_of(error, resolved.config), text


def _broken(error: Exception, directory: RunDirectory, reason: str, text: str) -> Outcome:
    """A full disk can be gone on from; everything else is a failure with its traceback."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        reason = f"disk full under {directory.path}; make room and run the same command again"
        return Outcome("preempted", reason, traceback=text)
    return Outcome("failed", reason, traceback=text)
