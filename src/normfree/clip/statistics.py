"""What a clipper did. Everything stays on the device of the gradients: reading it is left to the caller."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor


class ClipStatistics(Protocol):
    """One call of a clipper. All tensors have shape ``()``.

    Attributes:
        norm_before: L2 norm of all gradients that were looked at, before clipping.
        norm_after: the same after clipping.
        units: how many units there were.
        clipped_units: how many of them were scaled down.
        nonfinite: whether a norm is infinite or NaN; such a unit is left as it is.
    """

    @property
    def norm_before(self) -> Tensor:
        """L2 norm of all gradients before clipping."""

    @property
    def norm_after(self) -> Tensor:
        """The same after clipping."""

    @property
    def units(self) -> int:
        """How many units there were."""

    @property
    def clipped_units(self) -> Tensor:
        """How many of them were scaled down."""

    @property
    def nonfinite(self) -> Tensor:
        """Whether a norm is infinite or NaN."""


@dataclass(frozen=True)
class NormStatistics:
    """`ClipStatistics` of a clipper with one limit for everything.

    Attributes:
        limit: the largest norm that this step was allowed, where it is not the same at every step.
    """

    norm_before: Tensor
    norm_after: Tensor
    units: int
    clipped_units: Tensor
    nonfinite: Tensor
    limit: Tensor | None = None


@dataclass(frozen=True)
class UnitNorms:
    """The units of one call on one device.

    Attributes:
        gradient: norms before clipping, ``[U]``.
        limit: the largest norm allowed, ``[U]``.
        owners: (place of the parameter in the call, its number of units), in the order of the units.
        backend: which code clipped them, one of `normfree.clip.BACKENDS`.
        least: the smallest norm that a limit is divided by; AGC's released code has 1e-6.
    """

    gradient: Tensor
    limit: Tensor
    owners: tuple[tuple[int, int], ...]
    backend: str
    least: float = 1e-6

    @cached_property
    def finite(self) -> Tensor:
        """Whether each gradient norm is finite, ``[U]``."""
        return self.gradient.isfinite()

    @cached_property
    def clipped(self) -> Tensor:
        """Whether each unit was scaled down, ``[U]``."""
        return (self.gradient > self.limit).logical_and_(self.finite)

    @cached_property
    def scale(self) -> Tensor:
        """What each unit was multiplied by, ``[U]``."""
        return torch.where(self.clipped, self.limit / self.gradient.clamp(min=self.least), 1.0)


@dataclass(frozen=True)
class UnitStatistics:
    """`ClipStatistics` of a clipper by units, worked out from their norms when first asked for.

    Attributes:
        parts: the units, a part for each device and each floor.
        clip_factor: ``limit / clip_factor`` is what a gradient's norm is compared with: with AGC, whose lambda it is,
            ``max(||p||, eps)``.
    """

    parts: tuple[UnitNorms, ...]
    clip_factor: float

    @cached_property
    def norm_before(self) -> Tensor:
        return self._joined([torch.linalg.vector_norm(part.gradient) for part in self.parts])

    @cached_property
    def norm_after(self) -> Tensor:
        return self._joined([torch.linalg.vector_norm(part.gradient * part.scale) for part in self.parts])

    @property
    def units(self) -> int:
        """How many units there were, on all devices."""
        return sum(part.gradient.numel() for part in self.parts)

    @cached_property
    def clipped_units(self) -> Tensor:
        counts = [part.clipped.sum() for part in self.parts]
        return sum((count.to(counts[0].device) for count in counts), torch.zeros((), dtype=torch.int64))

    @cached_property
    def nonfinite(self) -> Tensor:
        found = [part.finite.all().logical_not_() for part in self.parts]
        return torch.stack([one.to(found[0].device) for one in found]).any() if found else torch.zeros(()).bool()

    @property
    def backend(self) -> str:
        """The code that ran, for instance ``eager``; several joined by ``+``."""
        return "+".join(dict.fromkeys(part.backend for part in self.parts))

    @staticmethod
    def _joined(norms: list[Tensor]) -> Tensor:
        if len(norms) == 1:
            return norms[0]
        if not norms:
            return torch.zeros(())
        joined: Tensor = torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))
        return joined


def parameters_with_gradient(parameters: Tensor | Iterable[Tensor]) -> list[tuple[int, Tensor, Tensor]]:
    """(place, parameter, gradient) triples; what has no gradient is left out."""
    if isinstance(parameters, Tensor):
        parameters = [parameters]
    return [(place, p, gradient) for place, p in enumerate(parameters) if (gradient := p.grad) is not None]
