"""One run from its configuration to its result."""

import dataclasses
import errno
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory, result_of
from normfree.runs.provenance import difference, provenance
from normfree.train.fit import Fit, fit
from normfree.train.hardware import choose_device, device_name
from normfree.train.image_size import check_image_size
from normfree.train.network import network_cost
from normfree.train.stopping import StopRequest

Progress = Callable[[dict[str, float]], None]


def run_one(
    resolved: Resolved,
    overrides: list[str],
    progress: Progress = lambda row: None,
    stop: StopRequest | None = None,
) -> dict[str, Any]:
    """Train, evaluate and record; a run that has its result returns it at once, an unfinished one goes on.

    Args:
        overrides: as typed, for the record.
        progress: told the numbers of every row of metrics.csv.
        stop: asked at every step; a stopped run is saved, recorded as ``preempted`` and can be gone on with.

    Returns:
        The content of result.json. An exception in training gives status ``failed`` and its traceback.

    Raises:
        UserError: for what the user can put right, before anything is trained.
    """
    directory = RunDirectory.of(resolved)
    if (done := directory.finished_result()) is not None:
        return done
    device = choose_device(resolved)
    check_image_size(resolved)
    network_cost(resolved)  # a network that cannot be built is found before anything is written
    directory.create()
    with directory.locked():
        if (done := directory.finished_result()) is not None:
            return done
        attempts = directory.next_attempt()
        config = dataclasses.asdict(resolved.config)
        record = {"attempts": attempts}
        stop = stop or StopRequest()
        started = time.perf_counter()
        try:
            with stop.listening():
                origin = provenance(device_name(device), _threads(resolved))
                directory.write_start(config, overrides, record | origin, difference())
                outcome = fit(resolved, directory, device, progress, stop)
        except UserError:
            raise
        except Exception as error:
            outcome = _broken(error, directory)
        outcome = outcome.stopped_by(stop)
        measured = vars(outcome) | record | {"provenance": origin}
        measured["time"] = {**outcome.time, "seconds": time.perf_counter() - started}
        return directory.write_result(result_of(resolved, **measured))


def _threads(resolved: Resolved) -> int:
    if resolved.config.trainer.threads is not None:
        torch.set_num_threads(resolved.config.trainer.threads)
    return torch.get_num_threads()


def _broken(error: Exception, directory: RunDirectory) -> Fit:
    """A full disk can be gone on from; everything else is a failure with its traceback."""
    text = "".join(traceback.format_exception(error))
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        reason = f"disk full under {directory.path}; make room and run the same command again"
        return Fit("preempted", reason, traceback=text)
    return Fit("failed", f"{type(error).__name__}: {error}".splitlines()[0], traceback=text)
