"""The optimizer of a run. Needs no Lightning, so that a plan is quick."""

from typing import Any

import torch
from torch import nn

from normfree.config import OPTIMIZER_KEYS, Resolved
from normfree.config.parts import OPTIMIZER
from normfree.optim import build_adamw, build_lamb, build_lion, build_sgd
from normfree.train.parts.instantiate import optimizer_of

_BUILDERS = {"sgd": build_sgd, "adamw": build_adamw, "lamb": build_lamb, "lion": build_lion}
_FUSED = ("sgd", "adamw")


def build_optimizer(resolved: Resolved, network: nn.Module) -> torch.optim.Optimizer:
    """What ``optimizer=`` describes, with the learning rate at the end of warm-up.

    Raises:
        UserError: one of the user's own, as :func:`normfree.train.parts.instantiate.optimizer_of`.
    """
    settings = resolved.config.optimizer
    if OPTIMIZER.is_custom(resolved.config):
        return optimizer_of(settings, network, resolved.lr)
    options = {key: getattr(settings, key) for key in OPTIMIZER_KEYS[settings.name]}
    if options.get("momentum") == 0:
        options["nesterov"] = False  # it looks ahead along a momentum that there is not
    if settings.name in _FUSED:
        # A fused optimizer would unscale float16 gradients after they were clipped.
        options["fused"] = resolved.config.precision != "16-mixed"
    build: Any = _BUILDERS[settings.name]
    optimizer: torch.optim.Optimizer = build(network, resolved.lr, weight_decay=settings.weight_decay, **options)
    return optimizer
