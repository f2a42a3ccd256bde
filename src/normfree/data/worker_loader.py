"""Batches that worker processes make, waited for no longer than a disk may take to answer."""

import os
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, get_worker_info

from normfree.config.schema import DataConfig
from normfree.data.shared_batches import Places, SharedBatches, Ticket
from normfree.host.orphans import end_with
from normfree.runs.waiting import LOOK_SECONDS, Waiting

Loaded = tuple[Tensor, Tensor, list[int]] | str
"""Images, labels and the places in the split that could not be read; or the error line."""

_Sent = tuple[Ticket, list[int]] | str
_WORKER = "DataLoader worker"
_AHEAD = 2
"""Batches that each worker may have ready."""


class Batches(Protocol):
    """Makes a batch by its number.

    Attributes:
        begins: told each sample that is about to be read.
    """

    begins: Callable[[int | None], object]

    def __getitem__(self, number: int) -> Loaded: ...

    def where(self, sample: int) -> str:
        """How a sample is called."""
        ...


class _InWorker(Dataset[_Sent]):
    def __init__(self, batches: Batches, numbers: range, room: SharedBatches, places: Places) -> None:
        self._batches, self._numbers, self._room, self._places = batches, numbers, room, places

    def __getitem__(self, number: int) -> _Sent:
        info = get_worker_info()
        assert info is not None
        self._batches.begins = partial(self._places.at, info.id)
        loaded = self._batches[number]
        self._places.at(info.id, None)
        if isinstance(loaded, str):
            return loaded
        images, labels, bad = loaded
        return self._room.write(self._numbers.index(number), images, labels), bad


def from_workers(
    batches: Batches, numbers: range, workers: int, shape: Sequence[int], classes: int
) -> Iterator[Loaded]:
    """The batches of these numbers, in their order.

    Args:
        shape: of the images of the largest of them, ``[N, C, H, W]``.
        classes: labels may be shares of so many.

    Raises:
        UserError, Stopped: see :class:`normfree.runs.waiting.Waiting`.
        RuntimeError: a worker is no more: see :func:`lost_worker`.
    """
    room, places = SharedBatches(_AHEAD * workers, shape, classes), Places(workers)
    loader = DataLoader(
        _InWorker(batches, numbers, room, places),
        batch_size=None,
        sampler=numbers,
        # Else it draws from the global stream, which is the network's.
        generator=torch.Generator(),
        num_workers=workers,
        prefetch_factor=_AHEAD,
        multiprocessing_context="fork",
        timeout=LOOK_SECONDS,
        worker_init_fn=partial(_start, os.getpid(), places),
    )
    pinned = torch.cuda.is_available()
    iterator = iter(loader)
    waiting = Waiting(batches.where)
    try:
        while True:
            try:
                sent = next(iterator)
            except StopIteration:
                return
            except RuntimeError as error:
                if not str(error).startswith("DataLoader timed out"):
                    raise
                waiting.look(dict(places.now()))
                continue
            if isinstance(sent, str):
                yield sent
                return
            ticket, bad = sent
            yield *room.read(ticket, pinned), bad
            waiting = Waiting(batches.where)
    finally:
        # A worker that reads from a dead disk would be waited for, five seconds each.
        for process in places.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)


def _start(parent: int, places: Places, worker: int) -> None:
    end_with(parent)
    places.at(worker, None)


def lost_worker(error: BaseException, data: DataConfig) -> str | None:
    """Why a run fails whose worker process ended before it was told to, and what to do; ``None`` for other errors.

    torch raises it wherever the main process happens to be, in several wordings.
    """
    text = str(error)
    if not isinstance(error, RuntimeError) or not text.startswith((_WORKER, "Pin memory thread exited")):
        return None
    if (found := re.search("killed by signal: ([^.]+)", text)) is not None:
        names = (number.name for number in signal.Signals if signal.strsignal(number) == found[1])
        how = f"ended with {next(names, found[1])}"
    else:
        code = re.search("exit code [0-9]+", text)
        how = f"ended with {code[0]}" if code is not None else "was killed"
    memory = "shared memory (/dev/shm)" if "Bus error" in text else "memory"
    fewer = max(1, data.workers // 2)
    return f"a data worker {how}; often the machine is out of {memory}: run it again, with data.workers={fewer} if so"
