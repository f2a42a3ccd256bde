"""SGD with Nesterov momentum, the optimizer of the NFNet recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import nn

from normfree.optim.parameter_groups import parameter_groups


def build_sgd(
    model: nn.Module,
    lr: float,
    *,
    weight_decay: float = 2e-5,
    momentum: float = 0.9,
    nesterov: bool = True,
    fused: bool | None = None,
    foreach: bool | None = None,
    shares: Mapping[str, float] | None = None,
) -> torch.optim.SGD:
    """``torch.optim.SGD`` over `parameter_groups(model, weight_decay)`.

    Weight decay is coupled: it is added to the gradient after clipping and before momentum, as in the
    released code. ``fused=True`` does all of it in one pass over memory; with float16 it must not be combined
    with clipping, because a fused optimizer unscales the gradients itself.

    Args:
        lr: maximal learning rate; see `scaled_lr` and `warmup_cosine`.
        fused, foreach: passed on; None leaves the choice to torch.
        shares: of the learning rate, by parameter; see `parameter_groups`.
    """
    groups = cast(list[dict[str, Any]], parameter_groups(model, weight_decay, lr, shares))
    return torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=fused, foreach=foreach)
