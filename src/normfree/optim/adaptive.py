"""Adaptive optimizers from libraries, over the parameter groups of the NFNet recipe.

AdamW is torch's. LAMB and Lion are timm's, which is imported only when one of them is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from normfree.optim.parameter_groups import parameter_groups


def build_adamw(
    model: nn.Module,
    lr: float,
    *,
    weight_decay: float = 0.05,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    fused: bool | None = None,
    shares: Mapping[str, float] | None = None,
) -> torch.optim.AdamW:
    """``torch.optim.AdamW`` (Loshchilov & Hutter 2019, arXiv 1711.05101): weight decay beside the gradient, times lr.

    Args:
        fused: passed on; with float16 it must not be combined with clipping, see `build_sgd`.
        shares: of the learning rate, by parameter; see `parameter_groups`.
    """
    return torch.optim.AdamW(
        _groups(model, weight_decay, lr, shares), lr=lr, betas=(beta1, beta2), eps=eps, fused=fused
    )


def build_lamb(
    model: nn.Module,
    lr: float,
    *,
    weight_decay: float = 0.02,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    shares: Mapping[str, float] | None = None,
) -> torch.optim.Optimizer:
    """``timm.optim.Lamb`` (You et al. 2020, arXiv 1904.00962), without the clipping that timm would add to yours.

    Raises:
        ImportError: timm is not installed.
    """
    from timm.optim.lamb import Lamb

    optimizer: torch.optim.Optimizer = Lamb(
        _groups(model, weight_decay, lr, shares), lr=lr, betas=(beta1, beta2), eps=eps, max_grad_norm=None
    )
    return optimizer


def build_lion(
    model: nn.Module,
    lr: float,
    *,
    weight_decay: float = 0.5,
    beta1: float = 0.9,
    beta2: float = 0.99,
    shares: Mapping[str, float] | None = None,
) -> torch.optim.Optimizer:
    """``timm.optim.Lion`` (Chen et al. 2023, arXiv 2302.06675): steps by the sign alone, so AGC is lost on it.

    Raises:
        ImportError: timm is not installed.
    """
    from timm.optim.lion import Lion

    optimizer: torch.optim.Optimizer = Lion(_groups(model, weight_decay, lr, shares), lr=lr, betas=(beta1, beta2))
    return optimizer


def _groups(
    model: nn.Module, weight_decay: float, lr: float, shares: Mapping[str, float] | None
) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], parameter_groups(model, weight_decay, lr, shares))
