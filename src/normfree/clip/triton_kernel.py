"""AGC of a whole network in one CUDA kernel: one program a unit, which takes both norms and scales.

Needs Triton, which comes with PyTorch for CUDA. Gradients are found through a table of addresses, copied to the
device where they are others than before: one small copy and one launch, whatever the number of tensors (one more
launch for each further pair of dtypes).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch
import triton  # type: ignore[import-untyped]
import triton.language as tl  # type: ignore[import-untyped]
from torch import Tensor

from normfree.clip.bucketed import clip_bucketed
from normfree.clip.norms import Clippable, in_one_piece
from normfree.clip.statistics import UnitNorms

TYPES = {torch.float32: tl.float32, torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}
BLOCK = 1024
LONGEST = 2**17
"""Elements of the longest unit that one program takes; longer ones would keep a single processor busy."""

_COLUMNS = 5


@triton.jit  # type: ignore[untyped-decorator]
def agc_kernel(  # type: ignore[no-untyped-def]
    table,  # [tensors, 5]: address of parameter and gradient, elements of a unit, first unit, slot of first unit
    owners,  # [units]: which tensor
    norms,  # out, by slot
    limits,  # out, by slot
    clip_factor,
    eps,
    PARAMETER: tl.constexpr,
    GRADIENT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    unit = tl.program_id(0)
    row = table + tl.load(owners + unit) * 5
    size = tl.load(row + 2)
    index = unit - tl.load(row + 3)
    parameter = tl.load(row).to(tl.pointer_type(PARAMETER)) + index * size
    gradient = tl.load(row + 1).to(tl.pointer_type(GRADIENT)) + index * size
    lanes = tl.arange(0, BLOCK)
    of_parameter = tl.zeros([BLOCK], tl.float32)
    of_gradient = tl.zeros([BLOCK], tl.float32)
    for start in range(0, size, BLOCK):
        inside = start + lanes < size
        p = tl.load(parameter + start + lanes, mask=inside, other=0.0).to(tl.float32)
        g = tl.load(gradient + start + lanes, mask=inside, other=0.0).to(tl.float32)
        of_parameter += p * p
        of_gradient += g * g
    norm = tl.sqrt(tl.sum(of_gradient, axis=0))
    limit = tl.sqrt(tl.sum(of_parameter, axis=0))
    limit = tl.where(limit < eps, eps, limit) * clip_factor
    slot = tl.load(row + 4) + index
    tl.store(norms + slot, norm)
    tl.store(limits + slot, limit)
    if (norm > limit) & (norm < float("inf")):
        scale = limit / tl.maximum(norm, 1e-6)
        for start in range(0, size, BLOCK):
            inside = start + lanes < size
            g = tl.load(gradient + start + lanes, mask=inside, other=0.0).to(tl.float32)
            tl.store(gradient + start + lanes, (g * scale).to(GRADIENT), mask=inside)


def clip_triton(work: list[Clippable], clip_factor: float, eps: float) -> UnitNorms:
    """Clips `work`, all on one device; what is not dense, of float64 or too long a unit by `clip_bucketed`."""
    device = work[0].gradient.device
    kinds: dict[tuple[torch.dtype, torch.dtype], list[tuple[Clippable, int]]] = {}
    rest: list[Clippable] = []
    order: list[tuple[int, int]] = []
    slot = 0
    for one in work:
        if _fits(one):
            kinds.setdefault((one.parameter.dtype, one.gradient.dtype), []).append((one, slot))
            order.append((one.place, one.units))
            slot += one.units
        else:
            rest.append(one)
    norms, limits = (torch.empty(slot, dtype=torch.float32, device=device) for _ in range(2))
    for (parameter, gradient), group in kinds.items():
        _launch(group, clip_factor, eps, norms, limits, TYPES[parameter], TYPES[gradient])
    done = UnitNorms(norms, limits, tuple(order), "triton")
    if not rest:
        return done
    other = clip_bucketed(rest, clip_factor, eps)
    return UnitNorms(
        torch.cat([norms, other.gradient]),
        torch.cat([limits, other.limit]),
        done.owners + other.owners,
        "triton+bucketed" if kinds else "bucketed",
    )


def _fits(one: Clippable) -> bool:
    if one.parameter.dtype not in TYPES or one.gradient.dtype not in TYPES:
        return False
    dense = in_one_piece(one.parameter) and in_one_piece(one.gradient)
    return dense and one.gradient.numel() <= LONGEST * one.units


def _launch(
    work: list[tuple[Clippable, int]],
    clip_factor: float,
    eps: float,
    norms: Tensor,
    limits: Tensor,
    parameter: tl.dtype,
    gradient: tl.dtype,
) -> None:
    units = tuple(one.units for one, _ in work)
    numbers: list[int] = []
    first = 0
    for one, slot in work:
        fan_in = one.gradient.numel() // one.units
        numbers += (one.parameter.data_ptr(), one.gradient.data_ptr(), fan_in, first, slot)
        first += one.units
    table = _table(tuple(numbers), norms.device)
    owners = _owners(units, norms.device)
    # Triton launches on the current device.
    with torch.cuda.device_of(norms):  # type: ignore[no-untyped-call]
        agc_kernel[(first,)](table, owners, norms, limits, clip_factor, eps, parameter, gradient, BLOCK)


def _table(numbers: tuple[int, ...], device: torch.device) -> Tensor:
    """On the device, without a wait; the one of an earlier step where no address has changed."""
    if device.type == "cuda" and torch.cuda.is_current_stream_capturing():
        _captured.append(_Table.of(numbers, device))
        return _captured[-1].there
    return _kept_table(numbers, device).there


class _Table(NamedTuple):
    """A graph that is replayed copies from the processor's side again, so that both are kept."""

    here: Tensor
    there: Tensor

    @classmethod
    def of(cls, numbers: tuple[int, ...], device: torch.device) -> _Table:
        here = torch.tensor(numbers, dtype=torch.int64)
        if device.type == "cuda":
            here = here.pin_memory()
        return cls(here, here.to(device, non_blocking=True))


_captured: list[_Table] = []
"""What graphs read, for as long as there may be graphs."""
_kept_table = lru_cache(maxsize=8)(_Table.of)


@lru_cache(maxsize=16)
def _owners(units: tuple[int, ...], device: torch.device) -> Tensor:
    owners = torch.arange(len(units), dtype=torch.int32).repeat_interleave(torch.tensor(units))
    return owners.to(device, non_blocking=True)
