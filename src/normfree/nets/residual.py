"""The residual sum, with all its per-sample and per-channel factors gathered into one small tensor."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from normfree.nets.stochastic_depth import stochastic_depth_mask


def scaled_residual(
    shortcut: Tensor,
    branch: Tensor,
    factor: Tensor | None,
    gate: Tensor | None,
    drop_rate: float,
) -> Tensor:
    """``shortcut + mask * gate * factor * branch``.

    Args:
        shortcut: ``[N, C, H, W]``.
        branch: ``[N, C, H, W]``.
        factor: a scalar (in an NF block: alpha x skip gain, and twice that with a gate), or None for 1.
        gate: ``[N, C]`` or None.
        drop_rate: probability that a sample loses its branch; 0 draws no random numbers.
    """
    if gate is not None:
        gate = gate if factor is None else gate * factor
        factor = gate.view(*gate.shape, 1, 1)
    if drop_rate > 0:
        mask = stochastic_depth_mask(branch, drop_rate)
        factor = mask if factor is None else factor * mask
    if factor is None:
        return shortcut + branch
    # Without the cast a float32 gate would widen a bfloat16 residual stream under autocast.
    return torch.addcmul(shortcut, branch, factor.to(branch.dtype))


def skip_gains(model: nn.Module) -> list[nn.Parameter]:
    """The learnable scalars on the residual branches, in depth order (empty for a BatchNorm network)."""
    return [p for name, p in model.named_parameters() if name.rpartition(".")[2] == "skip_gain"]
