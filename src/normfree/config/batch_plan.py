"""How the global batch is cut into what one device sees at a time: the one place where it is worked out."""

from dataclasses import dataclass

from normfree.config.errors import UserError


@dataclass(frozen=True)
class BatchPlan:
    """``batch = devices x nodes x micro_batch x accumulation``, all in samples or counts."""

    batch: int
    devices: int
    nodes: int
    micro_batch: int
    accumulation: int

    @property
    def world_size(self) -> int:
        return self.devices * self.nodes

    def __str__(self) -> str:
        return (
            f"{self.batch} = {_many(self.nodes, 'node')} x {_many(self.devices, 'device')} x "
            f"{_many(self.micro_batch, 'sample')} x {self.accumulation} accumulated"
        )


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def plan_batch(
    batch: int, devices: int = 1, nodes: int = 1, micro_batch: int | None = None, limit: int | None = None
) -> BatchPlan:
    """Cut ``batch`` over ``devices * nodes``.

    Args:
        batch: samples per optimizer step, over everything.
        micro_batch: samples in one forward pass on one device. ``None`` takes the largest that divides a
            device's share and is at most ``limit``.
        limit: most samples that fit on a device; ``None`` for no limit.

    Raises:
        UserError: if it does not divide; names the nearest batches that do.
    """
    for key, value in (("batch", batch), ("trainer.devices", devices), ("trainer.nodes", nodes)):
        if value < 1:
            raise UserError(f"{key}={value}: must be at least 1")
    if micro_batch is not None and micro_batch < 1:
        raise UserError(f"trainer.micro_batch={micro_batch}: must be at least 1")
    world = devices * nodes
    unit = world * (micro_batch or 1)
    if batch % unit:
        lower, upper = batch // unit * unit, (batch // unit + 1) * unit
        nearest = f"batch={upper}" if lower == 0 else f"batch={lower} or batch={upper}"
        parts = f"{_many(nodes, 'node')} x {_many(devices, 'device')}"
        parts += f" x micro batch {micro_batch}" if micro_batch else ""
        raise UserError(f"batch={batch}: does not divide into {parts} = {unit}; use {nearest}")
    share = batch // world
    if micro_batch is None:
        micro_batch = largest_divisor(share, share if limit is None else max(1, min(limit, share)))
    return BatchPlan(batch, devices, nodes, micro_batch, share // micro_batch)


def largest_divisor(number: int, limit: int) -> int:
    """The largest divisor of ``number`` that is at most ``limit`` (both at least 1)."""
    return next(size for size in range(min(number, limit), 0, -1) if number % size == 0)
