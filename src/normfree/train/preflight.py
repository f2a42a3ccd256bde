"""Every refusal that a run can meet before anything is written, in one order.

A single run, a worker of a sweep and each rank ask for all of them. A sweep asks for those of all its runs before the
first of them starts, and leaves out what another machine may have that trains them. ``plan=true`` tells what it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING

from normfree.config import BatchPlan, Resolved, UserError, require_images
from normfree.config.also import also_conditions, also_images
from normfree.config.sources.reading import remembered
from normfree.runs import RunDirectory
from normfree.train.ranks.rank import Rank, check_cores, check_processor, check_ranks

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
    if also := resolved.config.evaluate_also:
        remembered(("also", repr(data), repr(also)), lambda: also_images(resolved.config))


def _processor(resolved: Resolved, rank: Rank | None) -> None:
    if resolved.config.trainer.accelerator == "cpu":
        check_processor(resolved)


def _logger(resolved: Resolved, rank: Rank | None) -> None:
    if resolved.config.logger.name == "wandb" and find_spec("wandb") is None:
        raise UserError("logger=wandb: the package wandb is not installed; install normfree[wandb], or use logger=csv")


WITHOUT_TORCH: dict[str, Callable[[Resolved, Rank | None], None]] = {
    "ranks": check_ranks,
    "cores": _cores,
    "processor": _processor,
    "logger": _logger,
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
    resolved: Resolved, rank: Rank | None = None, lacks: dict[str, str] | None = None, elsewhere: bool = False
) -> Ready:
    """Whether the run can be trained here.

    Args:
        rank: of this process, if it is one of several.
        lacks: takes what this machine lacks, by ``ranks``, ``cores``, ``logger``, ``images``, ``device``, ``compiler``
            and ``memory``; that is refused where this is not given.
        elsewhere: another process trains it. The memory of a device, some of which it takes to ask for it, is left to
            that one.

    Raises:
        UserError: for the first thing that is wrong.
    """
    import torch

    from normfree.train.conditions import check_corruption
    from normfree.train.hardware import choose_device, plan_for
    from normfree.train.parts.clipped import check_clipping
    from normfree.train.parts.compiled import check_compiler
    from normfree.train.parts.image_size import check_image_size
    from normfree.train.parts.network import network_cost
    from normfree.train.parts.optimizer import check_rates
    from normfree.train.parts.own_parts import check_own_parts
    from normfree.train.parts.weights import check_weights

    def ask(what: str) -> None:
        with _noted(what, lacks):
            WITHOUT_TORCH[what](resolved, rank)

    ask("ranks")
    ask("cores")
    ask("logger")
    WITHOUT_TORCH["processor"](resolved, rank)  # wherever it is trained
    device = None
    with _noted("device", lacks):
        device = choose_device(resolved, rank)
    if device is not None:
        with _noted("compiler", lacks):
            check_compiler(resolved, device)
    check_image_size(resolved)
    check_own_parts(resolved)
    cost = network_cost(resolved)
    check_clipping(resolved)
    check_rates(resolved)
    if not RunDirectory.of(resolved).checkpoint_candidates():  # else it goes on from these
        check_weights(resolved)
    for name, condition in also_conditions(resolved.config).items():
        check_corruption(condition, f"evaluate_also.{name}.corruption")
    ask("images")
    plan = plan_for(resolved, cost, None)
    if device is not None and not elsewhere:
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


def trained_here(resolved: Resolved) -> None:
    """What the worker of a sweep on this machine would be refused.

    Raises:
        UserError: as :func:`preflight`.
    """
    preflight(resolved, elsewhere=True)


def trained_elsewhere(resolved: Resolved) -> None:
    """What a job would be refused on any machine, whatever this one lacks.

    Raises:
        UserError: as :func:`preflight`.
    """
    preflight(resolved, lacks={}, elsewhere=True)


def planned_here(resolved: Resolved) -> None:
    """What ends a plan that has been told: a device that the run asks for and this machine lacks. Images may be missing
    in a plan, and are told in it.

    Raises:
        UserError: as :func:`preflight`.
    """
    lacks: dict[str, str] = {}
    preflight(resolved, lacks=lacks)
    lacks.pop("images", None)
    for line in lacks.values():
        raise UserError(line)


def refusals(runs: Sequence[Resolved], ask: Callable[[Resolved], object]) -> list[str]:
    """The line that each run of a sweep is refused with, empty where there is none; runs that differ in seed are one.

    An error that is no refusal is left to the run, whose record keeps its traceback.

    Args:
        ask: `without_torch`, `trained_here`, `trained_elsewhere` or `planned_here`.
    """
    found: dict[str, str] = {}
    kinds = [repr(replace(run.config, seed=0, again=False)) for run in runs]
    for kind, run in zip(kinds, runs, strict=True):
        if kind not in found:
            found[kind] = _refusal(run, ask)
    return [found[kind] for kind in kinds]


def _refusal(resolved: Resolved, ask: Callable[[Resolved], object]) -> str:
    try:
        ask(resolved)
    except UserError as error:
        return str(error)
    except Exception:
        return ""
    return ""
