"""A clipper and an optimizer of the user's own, made from what the configuration of the run that is started names."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from normfree.config import UserError
from normfree.config.instantiate import called, fitting, imported
from normfree.config.parts import CLIP, OPTIMIZER
from normfree.config.schema import ClipConfig, OptimizerConfig
from normfree.optim import parameter_groups

Clipper = Callable[[list[Tensor]], Any]
"""Changes the gradients of parameters in place."""


def clipper_of(clip: ClipConfig) -> Clipper:
    """The user's clipper that ``clip._target_`` names, with ``clip.arguments`` filled in.

    A function is called as ``function(parameters, **arguments)`` at every optimizer step. A class is made once,
    ``cls(**arguments)``, and its object is called as ``object(parameters)``.

    Raises:
        UserError: the name cannot be imported or called, or does not take the arguments.
    """
    name = clip._target_
    assert name, "config.validate sees to it"
    target = imported(CLIP, name)
    arguments = clip.arguments or {}
    if isinstance(target, type):
        made: Any = called(CLIP, name, target, arguments)
        if not callable(made):
            raise UserError(f"{CLIP.target}={name}: its objects cannot be called; give it a __call__(self, parameters)")
        own: Clipper = made
        return own
    filled: Clipper = partial(fitting(CLIP, name, target, arguments, ([],)), **arguments)
    return filled


def optimizer_of(
    settings: OptimizerConfig, network: nn.Module, lr: float, shares: Mapping[str, float] | None = None
) -> torch.optim.Optimizer:
    """The user's optimizer, called as ``target(groups, lr=lr, **arguments)``.

    ``groups`` are `normfree.optim.parameter_groups` with ``weight_decay`` of each, and ``lr`` of those that have
    another share of it; arguments do not outweigh them.

    Raises:
        UserError: the name cannot be imported or called, does not take the arguments, or gives no optimizer.
    """
    name = settings._target_
    assert name, "config.validate sees to it"
    target = imported(OPTIMIZER, name)
    groups = parameter_groups(network, settings.weight_decay, lr, shares)
    made = called(OPTIMIZER, name, target, settings.arguments or {}, (groups,), lr=lr)
    if not isinstance(made, torch.optim.Optimizer):
        raise UserError(
            f"{OPTIMIZER.target}={name}: gives {type(made).__name__}, and must give a torch.optim.Optimizer"
        )
    asked = [parameter for name, parameter in network.named_parameters() if shares is None or name in shares]
    if missing := _left_out(asked, made):
        raise UserError(
            f"{OPTIMIZER.target}={name}: leaves out {missing} of the network's parameters; give it all groups"
        )
    return made


def check_own_optimizer(
    settings: OptimizerConfig, network: nn.Module, lr: float, shares: Mapping[str, float] | None = None
) -> None:
    """Make it once for a network that may be without memory.

    Raises:
        UserError: as `optimizer_of`; or optimizer.weight_decay would change nothing.
    """
    made = optimizer_of(settings, network, lr, shares)
    if settings.weight_decay and "weight_decay" not in made.defaults:
        raise UserError(
            f"optimizer.weight_decay={settings.weight_decay:g}: {settings._target_} has no weight decay; "
            "add optimizer.weight_decay=0"
        )


def _left_out(parameters: Iterable[Tensor], optimizer: torch.optim.Optimizer) -> int:
    held = {id(each) for group in optimizer.param_groups for each in group["params"]}
    return sum(id(each) not in held for each in parameters)
