"""AGC by plain PyTorch in few operations and without waiting for the device: one matrix for each fan-in.

Where operations are dear and copies cheap, units of the same fan-in are copied into one matrix
``[units, fan-in]``, so that their norms are one operation.
"""

from __future__ import annotations

import torch
from torch import Tensor

from normfree.clip.norms import Clippable, norm_dtype, rows, tensor_norms, unit_norms
from normfree.clip.statistics import UnitNorms

_Bucket = list[tuple[Clippable, Tensor, Tensor]]


def clip_bucketed(work: list[Clippable], clip_factor: float, eps: float) -> UnitNorms:
    """Clips `work`, all on one device."""
    whole: dict[tuple[torch.dtype, torch.dtype], list[Clippable]] = {}
    buckets: dict[tuple[int, torch.dtype, torch.dtype], _Bucket] = {}
    loose: list[Clippable] = []
    for one in work:
        parameter, gradient = rows(one.parameter, one.dims), rows(one.gradient, one.dims)
        kind = (one.parameter.dtype, one.gradient.dtype)
        if parameter is None or gradient is None:
            loose.append(one)
        elif one.dims is None:
            whole.setdefault(kind, []).append(one)
        else:
            buckets.setdefault((gradient.shape[1], *kind), []).append((one, parameter, gradient))

    order: list[Clippable] = []
    norms: list[Tensor] = []
    limits: list[Tensor] = []
    for group in whole.values():
        order += group
        norms.append(torch.stack(tensor_norms([one.gradient for one in group])))
        limits.append(torch.stack(tensor_norms([one.parameter for one in group])))
    matrices = []
    for bucket in buckets.values():
        order += [one for one, _, _ in bucket]
        gradients = torch.cat([gradient for _, _, gradient in bucket])
        matrices.append(gradients)
        norms.append(_row_norms(gradients))
        limits.append(_row_norms(torch.cat([parameter for _, parameter, _ in bucket])))
    for one in loose:
        order.append(one)
        dims = tuple(range(one.gradient.ndim)) if one.dims is None else one.dims
        norms.append(unit_norms(one.gradient, dims).reshape(-1))
        limits.append(unit_norms(one.parameter, dims).reshape(-1))

    limit = torch.cat(limits).clamp_(min=eps).mul_(clip_factor)
    units = UnitNorms(torch.cat(norms), limit, tuple((one.place, one.units) for one in order), "bucketed")
    parts = iter(torch.split_with_sizes(units.scale, [norm.numel() for norm in norms]))
    targets: list[Tensor] = []
    scaled: list[Tensor] = []
    for group in whole.values():
        strands = [strand for one in group if (strand := rows(one.gradient, None)) is not None]
        targets += strands
        scaled += _scaled_strands(strands, next(parts))
    for bucket, matrix in zip(buckets.values(), matrices, strict=True):
        matrix.mul_(next(parts).unsqueeze(1))
        targets += [gradient for _, _, gradient in bucket]
        scaled += torch.split_with_sizes(matrix, [one.units for one, _, _ in bucket])
    if targets:
        torch._foreach_copy_(targets, scaled)
    for one in loose:
        kept = one.gradient.ndim if one.dims is None else len(one.dims)
        one.gradient.mul_(next(parts).view(one.gradient.shape[: one.gradient.ndim - kept] + (1,) * kept))
    return units


def _row_norms(matrix: Tensor) -> Tensor:
    norms: Tensor = torch.linalg.vector_norm(matrix, dim=1, dtype=norm_dtype(matrix))
    return norms


def _scaled_strands(strands: list[Tensor], scale: Tensor) -> list[Tensor]:
    """Each of `strands` (``[1, n]``) times its own scale."""
    sizes = [strand.numel() for strand in strands]
    flat = torch.cat([strand.view(-1) for strand in strands])
    repeats = torch.tensor(sizes).to(scale.device, non_blocking=True)
    flat.mul_(scale.repeat_interleave(repeats, output_size=flat.numel()))
    return [piece.unsqueeze(0) for piece in torch.split_with_sizes(flat, sizes)]
