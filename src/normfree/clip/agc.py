"""Adaptive gradient clipping.

Source: Brock et al. 2021 (arXiv 2102.06171), section 4.1, equation 3, as in its released code. For a unit
with parameter p and gradient g:

    limit = clip_factor * max(||p||, eps)
    g <- g * limit / max(||g||, 1e-6)    if ||g|| > limit
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from normfree.clip.norms import tensor_norms, unit_norms
from normfree.clip.statistics import ClipStatistics, parameters_with_gradient
from normfree.clip.units import unit_dims


@torch.no_grad()
def clip_grad_agc_(
    parameters: Tensor | Iterable[Tensor],
    clip_factor: float = 0.01,
    eps: float = 1e-3,
    unit: str = "deepmind",
) -> ClipStatistics:
    """Limits, in place, the gradient norm of every unit to a share of its parameter norm.

    Call it once per optimizer step, on full and unscaled gradients, before weight decay and momentum.
    Parameters without a gradient are skipped. Half-precision norms are taken in float32. A unit whose
    gradient norm is not finite is left as it is and does not touch the others. Nothing waits for the device.

    Args:
        parameters: one parameter or many, of any rank, dtype and memory format; see `clipped_parameters`.
        clip_factor: the paper's lambda.
        eps: floor of the parameter norm, without which parameters that start at zero would never move.
        unit: what shares one norm: ``"deepmind"`` (released code), ``"timm"`` or ``"tensor"``.

    Raises:
        ValueError: a factor or eps that is not positive, or an unknown unit.
    """
    if not (clip_factor > 0 and eps > 0):
        raise ValueError(f"clip_factor={clip_factor}, eps={eps}: give positive numbers")
    unit_dims((), unit)
    by_device: dict[torch.device, list[tuple[Tensor, Tensor]]] = {}
    for pair in parameters_with_gradient(parameters):
        by_device.setdefault(pair[1].device, []).append(pair)
    parts = [_clip_on_one_device(pairs, clip_factor, eps, unit) for pairs in by_device.values()]
    if not parts:
        return ClipStatistics.empty()
    return parts[0] if len(parts) == 1 else _joined(parts)


def _clip_on_one_device(
    pairs: list[tuple[Tensor, Tensor]], clip_factor: float, eps: float, unit: str
) -> ClipStatistics:
    # Units that are whole tensors come first, so that all their norms are one call.
    whole: list[tuple[Tensor, Tensor]] = []
    sliced: list[tuple[Tensor, Tensor, tuple[int, ...]]] = []
    for parameter, gradient in pairs:
        dims = unit_dims(gradient.shape, unit)
        if dims is None:
            whole.append((parameter, gradient))
        else:
            sliced.append((parameter, gradient, dims))
    gradient_norms = [unit_norms(gradient, dims) for _, gradient, dims in sliced]
    norms = _flat(tensor_norms([g for _, g in whole]), gradient_norms)
    limits = _flat(tensor_norms([p for p, _ in whole]), [unit_norms(p, dims) for p, _, dims in sliced])
    limits.clamp_(min=eps).mul_(clip_factor)

    finite = norms.isfinite()
    clipped = (norms > limits).logical_and_(finite)
    scale = torch.where(clipped, limits / norms.clamp(min=1e-6), 1.0)

    sizes = [norm.numel() for norm in gradient_norms]
    of_whole, *of_slices = torch.split_with_sizes(scale, [len(whole), *sizes])
    factors = list(of_whole.unbind())
    factors += [factor.view(norm.shape) for factor, norm in zip(of_slices, gradient_norms, strict=True)]
    torch._foreach_mul_([g for _, g in whole] + [g for _, g, _ in sliced], factors)
    return ClipStatistics(
        norm_before=torch.linalg.vector_norm(norms),
        norm_after=torch.linalg.vector_norm(norms * scale),
        units=norms.numel(),
        clipped_units=clipped.sum(),
        nonfinite=finite.all().logical_not_(),
    )


def _flat(whole: list[Tensor], sliced: list[Tensor]) -> Tensor:
    parts = [torch.stack(whole)] if whole else []
    return torch.cat(parts + [norms.view(-1) for norms in sliced])


def _joined(parts: list[ClipStatistics]) -> ClipStatistics:
    device = parts[0].norm_before.device
    return ClipStatistics(
        norm_before=torch.linalg.vector_norm(torch.stack([p.norm_before.to(device) for p in parts])),
        norm_after=torch.linalg.vector_norm(torch.stack([p.norm_after.to(device) for p in parts])),
        units=sum(p.units for p in parts),
        clipped_units=torch.stack([p.clipped_units.to(device) for p in parts]).sum(),
        nonfinite=torch.stack([p.nonfinite.to(device) for p in parts]).any(),
    )
