"""Every refusal that a run can meet before anything is written, in one order.

A single run, a worker of a sweep and each rank ask for all of them; a sweep asks those that need no torch of all its
runs before the first of them starts; ``plan=true`` tells what it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from normfree.config import BatchPlan, Resolved, UserError, require_images
from normfree.config.sources.reading import remembered
from normfree.train.ranks.rank import Rank, check_cores, check_ranks

if TYPE_CHECKING:
    import torch

    from normfree.train.parts.network import Cost


@dataclass(frozen=True)
class Ready:
    """What a run that nothing is wrong with goes on with: where it computes, what its network costs, how its batch is
    cut.
    """

    device: torch.device
    cost: Cost
    plan: BatchPlan


def _cores(resolved: Resolved, rank: Rank | None) -> None:
    if rank is None:
        check_cores(resolved.config.trainer)


def _images(resolved: Resolved, rank: Rank | None) -> None:
    data = resolved.config.data
    remembered(("images", repr(data)), lambda: require_images(data))  # once for all runs of a sweep


WITHOUT_TORCH: dict[str, Callable[[Resolved, Rank | None], None]] = {
    "ranks": check_ranks,
    "cores": _cores,
    "images": _images,
}
"""What a command knows before it imports torch, which takes seconds: because of where it is run, by what is lacking."""


def without_torch(resolved: Resolved, rank: Rank | None = None) -> None:
    """The part of :func:`preflight` that a command asks before it imports torch.

    Raises:
        UserError: for the first thing that is wrong.
    """
    for refuse in WITHOUT_TORCH.values():
        refuse(resolved, rank)


def preflight(
    resolved: Resolved, rank: Rank | None = None, lacks: dict[str, str] | None = None, starts_ranks: bool = False
) -> Ready:
    """Whether this process can train the run.

    Args:
        rank: of this process, if it is one of several.
        lacks: takes what this machine lacks, by ``ranks``, ``cores``, ``images``, ``device`` and ``memory``; that is
            refused where this is not given.
        starts_ranks: this process trains nothing itself. The memory of a GPU, some of which it takes to ask for it, is
            left to the ranks.

    Raises:
        UserError: for the first thing that is wrong.
    """
    import torch

    from normfree.train.hardware import choose_device, plan_for
    from normfree.train.parts.clipped import check_clipping
    from normfree.train.parts.image_size import check_image_size
    from normfree.train.parts.network import network_cost
    from normfree.train.parts.own_parts import check_own_parts

    def ask(what: str) -> None:
        with _noted(what, lacks):
            WITHOUT_TORCH[what](resolved, rank)

    ask("ranks")
    ask("cores")
    device = None
    with _noted("device", lacks):
        device = choose_device(resolved, rank)
    check_image_size(resolved)
    check_own_parts(resolved)
    cost = network_cost(resolved)
    check_clipping(resolved)
    ask("images")
    plan = plan_for(resolved, cost, None)
    if device is not None and not starts_ranks:
        with _noted("memory", lacks):
            plan = plan_for(resolved, cost, device)
    return Ready(device or torch.device("cpu"), cost, plan)


@contextmanager
def _noted(what: str, lacks: dict[str, str] | None) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        if lacks is None:
            raise
        lacks[what] = str(error)
