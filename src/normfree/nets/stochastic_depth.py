"""Stochastic depth as the released code has it: per sample, without rescaling the survivors.

Source: Huang et al. 2016; NFNet released code. Other libraries divide the surviving branches by the
keep probability, which is a different regulariser.
"""

from __future__ import annotations

import torch
from torch import Tensor

from normfree.nets.sample_noise import current_noise


def stochastic_depth_rates(max_rate: float, num_blocks: int) -> list[float]:
    """Drop probability of every block: ``max_rate * i / num_blocks``, so the first is never dropped."""
    return [max_rate * index / num_blocks for index in range(num_blocks)]


def stochastic_depth_mask(x: Tensor, rate: float) -> Tensor:
    """Ones with probability ``1 - rate``, else zeros: ``[N, 1, 1, 1]`` for `x` of ``[N, ...]``.

    Inside `normfree.nets.sample_noise.sample_noise` each sample has its own, whatever batch it is in.
    """
    noise = current_noise()
    shape = (x.shape[0], 1, 1, 1)
    uniform = torch.rand(shape, device=x.device) if noise is None else noise.of_samples().view(shape)
    return (uniform >= rate).to(x.dtype)
