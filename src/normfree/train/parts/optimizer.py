"""The optimizer of a run. Needs no Lightning, so that a plan is quick."""

from typing import Any

import torch
from torch import nn

from normfree.clip import classifier_of, parts_of
from normfree.config import OPTIMIZER_KEYS, Resolved, UserError
from normfree.config.parts import OPTIMIZER
from normfree.optim import build_adamw, build_lamb, build_lion, build_muon, build_sgd, build_sphere, layer_shares
from normfree.train.parts.instantiate import optimizer_of
from normfree.train.parts.network import build_network
from normfree.train.parts.own_network import on_meta

_BUILDERS = {
    "sgd": build_sgd,
    "adamw": build_adamw,
    "lamb": build_lamb,
    "lion": build_lion,
    "muon": build_muon,
    "sphere": build_sphere,
}
_FUSED = ("sgd", "adamw")


def build_optimizer(resolved: Resolved, network: nn.Module) -> torch.optim.Optimizer:
    """What ``optimizer=`` describes, with the learning rate at the end of warm-up.

    Raises:
        UserError: one of the user's own, as :func:`normfree.train.parts.instantiate.optimizer_of`.
    """
    settings = resolved.config.optimizer
    if OPTIMIZER.is_custom(resolved.config):
        return optimizer_of(settings, network, resolved.lr, shares_of(resolved, network))
    options = {key: getattr(settings, key) for key in OPTIMIZER_KEYS[settings.name]}
    if options.get("momentum") == 0:
        options["nesterov"] = False  # it looks ahead along a momentum that there is not
    if settings.name in _FUSED:
        # A fused optimizer would unscale float16 gradients after they were clipped.
        options["fused"] = resolved.config.precision != "16-mixed"
    if settings.name == "muon":
        options["classifier"] = _classifier(network)
    build: Any = _BUILDERS[settings.name]
    optimizer: torch.optim.Optimizer = build(
        network, resolved.lr, weight_decay=settings.weight_decay, shares=shares_of(resolved, network), **options
    )
    return optimizer


def _classifier(network: nn.Module) -> nn.Module | None:
    try:
        return classifier_of(network)[1]
    except ValueError:  # a network of the user's own without a linear layer
        return None


def check_rates(resolved: Resolved) -> None:
    """Whether the network has the stages that are to have rates of their own, or to be frozen.

    Raises:
        UserError: it has not.
    """
    if resolved.config.optimizer.layer_decay is not None or resolved.config.model.freeze:
        on_meta(lambda: shares_of(resolved, build_network(resolved)))


def shares_of(resolved: Resolved, network: nn.Module) -> dict[str, float] | None:
    """Of each parameter that is trained, its share of the learning rate; None where all are, at one rate.

    Raises:
        UserError: ``optimizer.layer_decay`` for a network without stages.
    """
    decay, frozen = resolved.config.optimizer.layer_decay, resolved.config.model.freeze
    if decay in (None, 1) and not frozen:
        return None
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    if decay in (None, 1):
        return dict.fromkeys(sorted(trained), 1.0)
    try:
        shares = layer_shares(parts_of(network), decay)
    except ValueError as error:
        raise UserError(
            f"optimizer.layer_decay={decay:g}: {error}".replace("leave out stages", "leave it out")
        ) from error
    return {name: share for name, share in shares.items() if name in trained}
