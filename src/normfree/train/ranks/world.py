"""What the ranks of a run tell each other, but for gradients. A run of one process is a world of its own."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from normfree.config import Resolved, UserError
from normfree.data import Share
from normfree.runs.factors import leaves
from normfree.train.ranks.rank import Rank
from normfree.train.ranks.signs import Signs

MEETING_SECONDS = 300
"""How long ranks wait for each other at the start; nodes of a cluster do not come up at once."""

_LOOK_SECONDS, _CAUSE_SECONDS, _RECORD_SECONDS = 1.0, 3.0, 10.0
_FAILURE, _RECORDED = "failure", "recorded"


class World:
    """Alone: every question is answered by what was asked.

    With several ranks each method is a collective: all ranks call it, in the same order, and get the same answer bit
    for bit, as everything is gathered and then reduced in the order of the ranks.
    """

    number = 0
    size = 1

    @property
    def leader(self) -> bool:
        """Whether this is rank 0, which owns the run directory."""
        return self.number == 0

    @property
    def share(self) -> Share:
        return Share(self.number, self.size)

    def highest(self, values: Sequence[int]) -> list[int]:
        """Each value's maximum over the ranks."""
        return list(values)

    def mean(self, values: Sequence[float]) -> list[float]:
        """Each value's mean over the ranks."""
        return list(values)

    def total(self, values: Sequence[float]) -> list[float]:
        """Each value's sum over the ranks."""
        return list(values)

    def gather(self, content: Any) -> list[Any]:
        """What every rank has, in their order."""
        return [content]

    def any_on_device(self, flag: Tensor) -> Tensor:
        """Whether a flag is set on any rank, on its device and without waiting for it."""
        return flag

    def average_(self, tensors: Sequence[Tensor]) -> None:
        """Tensors become their means over the ranks, in place, on their device."""

    def cause(self, reason: str, traceback: str) -> tuple[str, str]:
        """Why a rank broke, where this one broke only because it lost the others."""
        return reason, traceback

    def tell_failure(self, reason: str, traceback: str) -> None:
        """Leave word of why this rank broke; other ranks than 0 give rank 0 the time to record it."""

    def recorded(self) -> None:
        """A failure is written down: ranks that wait for that may end."""

    @contextmanager
    def watched(self, record: Callable[[str, str], None]) -> Iterator[None]:
        """While rank 0 trains: if another breaks and rank 0 hangs, because of it, ``record`` and end the process.

        So too if no rank gets on for ``trainer.hang_minutes``.

        Only where SLURM started the ranks; our own process tree sees to it itself.
        """
        yield


class Ranks(World):
    """A world of several ranks, met through ``store``; numbers travel through gloo, on a GPU beside NCCL."""

    def __init__(self, rank: Rank, device: torch.device, store: Store, hang_seconds: float) -> None:
        self.number, self.size = rank.number, rank.world_size
        self._signs = Signs(store, rank.number, rank.world_size, hang_seconds) if rank.slurm else None
        self._store = store
        self._slurm = rank.slurm
        cuda = device.type == "cuda"
        dist.init_process_group(
            "nccl" if cuda else "gloo",
            store=PrefixStore("ranks", store),
            rank=rank.number,
            world_size=rank.world_size,
            device_id=device if cuda else None,
        )
        self._control = dist.new_group(backend="gloo") if cuda else None

    def _gathered(self, values: Sequence[float], kind: torch.dtype) -> Tensor:
        own = torch.tensor(list(values), dtype=kind)
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own, group=self._control)
        return torch.stack(parts)

    def highest(self, values: Sequence[int]) -> list[int]:
        return [int(value) for value in self._gathered(values, torch.int64).amax(0)]

    def mean(self, values: Sequence[float]) -> list[float]:
        return [float(value) for value in self._gathered(values, torch.float64).mean(0)]

    def total(self, values: Sequence[float]) -> list[float]:
        return [float(value) for value in self._gathered(values, torch.float64).sum(0)]

    def gather(self, content: Any) -> list[Any]:
        parts: list[Any] = [None] * self.size
        dist.all_gather_object(parts, content, group=self._control)
        return parts

    def any_on_device(self, flag: Tensor) -> Tensor:
        count = flag.to(torch.int32)
        dist.all_reduce(count, dist.ReduceOp.MAX)
        return count.bool()

    def average_(self, tensors: Sequence[Tensor]) -> None:
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, parts, strict=True):
            tensor.copy_(mean.view_as(tensor))

    def tell_failure(self, reason: str, traceback: str) -> None:
        try:
            if not lost_contact(reason):
                self._store.set(_FAILURE, json.dumps([f"rank {self.number}: {reason}", traceback]))
            if self._slurm and not self.leader:
                self._store.wait([_RECORDED], timedelta(seconds=_RECORD_SECONDS))
        except dist.DistError:
            return  # The rank that keeps the store has gone, and with it who would read.

    def end(self) -> None:
        """Part with the other ranks."""
        if self._signs is not None:
            self._signs.end()
        dist.destroy_process_group()

    def recorded(self) -> None:
        self._store.set(_RECORDED, "yes")

    def _told(self) -> tuple[str, str] | None:
        if not self._store.check([_FAILURE]):
            return None
        reason, traceback = json.loads(self._store.get(_FAILURE))
        return str(reason), str(traceback)

    def cause(self, reason: str, traceback: str) -> tuple[str, str]:
        if not lost_contact(reason):
            return reason, traceback
        deadline = time.monotonic() + _CAUSE_SECONDS
        while time.monotonic() < deadline:
            if (told := self._told()) is not None:
                return told
            time.sleep(0.1)
        return f"another rank ended without a word ({reason})", traceback

    @contextmanager
    def watched(self, record: Callable[[str, str], None]) -> Iterator[None]:
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(_LOOK_SECONDS):
                try:
                    told = self._told()
                except dist.DistError:
                    return
                # Most collectives raise by themselves when a rank has gone; NCCL's wait.
                if told is None and self._signs is not None and (hang := self._signs.hang()) is not None:
                    told = hang, hang
                if told is not None and not ended.wait(_CAUSE_SECONDS):
                    record(*told)
                    self.recorded()
                    os._exit(1)

        if self._slurm:
            threading.Thread(target=watch, daemon=True).start()
        try:
            yield
        finally:
            ended.set()


ALONE = World()


def lost_contact(reason: str) -> bool:
    """Whether an error says no more than that another rank has gone."""
    return any(word in reason for word in ("gloo", "NCCL", "Connection closed by peer", "Connection reset by peer"))


@contextmanager
def connected(rank: Rank, resolved: Resolved, device: torch.device) -> Iterator[World]:
    """Meet the other ranks and make sure that all of them have the same configuration.

    Raises:
        UserError: the port where they meet is taken, or ranks have another configuration, by number and first key.
    """
    try:
        store = TCPStore(
            rank.address,
            rank.port,
            rank.world_size if rank.slurm else None,
            is_master=rank.slurm and rank.number == 0,
            timeout=timedelta(seconds=MEETING_SECONDS),
            wait_for_workers=False,
        )
    except RuntimeError as error:
        if "EADDRINUSE" not in str(error):
            raise
        raise UserError(
            f"MASTER_PORT={rank.port}: another program on {rank.address} has this port, where the ranks would "
            "meet; start the run again, or set MASTER_PORT to a free one"
        ) from error
    if device.type == "cuda":
        torch.cuda.set_device(device)
    world = Ranks(rank, device, store, resolved.config.trainer.hang_minutes * 60)
    try:
        compare_configurations(world, resolved)
        yield world
    finally:
        world.end()


def compare_configurations(world: World, resolved: Resolved) -> None:
    """Every rank must train the same run, on as many devices: see :func:`connected`."""
    tables = world.gather({name: str(value) for name, value in leaves(asdict(resolved.config))})
    others = [number for number, table in enumerate(tables) if table != tables[0]]
    if others:
        table = tables[others[0]]
        key = next(key for key in sorted({*table, *tables[0]}) if table.get(key) != tables[0].get(key))
        listed = ", ".join(map(str, others))
        raise UserError(
            f"rank{'s' if len(others) > 1 else ''} {listed} of {world.size}: another configuration than rank 0 "
            f"({key}={table.get(key)} and {key}={tables[0].get(key)}); start all ranks with the same command"
        )
