"""The network of a run and what it costs. Needs no Lightning, so that a plan is quick."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

from normfree.config import Resolved, UserError
from normfree.nets import count_macs, count_parameters, create_model, estimate_activation_bytes

_NOT_FOR_THE_NETWORK = ("name", "family", "normalizer", "train_size", "test_size")


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        parameters: learnable numbers.
        macs_train, macs_test: multiply-adds of one image at the size of training and of testing.
        activation_bytes: what autograd keeps of one training image in float32.
    """

    parameters: int
    macs_train: int
    macs_test: int
    activation_bytes: int


def build_network(resolved: Resolved) -> nn.Module:
    """The network that ``model=`` describes, for this data set's channels and classes."""
    return _build(_description(resolved))


def network_cost(resolved: Resolved) -> Cost:
    """Worked out once for each kind of network in a process, without memory or arithmetic."""
    data = resolved.config.data
    return _cost(json.dumps(_description(resolved)), data.train_size, data.test_size)


def _description(resolved: Resolved) -> dict[str, Any]:
    model, data = resolved.config.model, resolved.config.data
    overrides = {
        key: value for key, value in asdict(model).items() if key not in _NOT_FOR_THE_NETWORK and value is not None
    }
    return {"name": model.name, "num_classes": data.classes, "in_channels": data.channels, **overrides}


def _build(description: dict[str, Any]) -> nn.Module:
    try:
        return create_model(**description)
    except ValueError as error:
        raise UserError(f"model={description['name']}: {error}") from error


@cache
def _cost(description: str, train_size: int, test_size: int) -> Cost:
    with torch.device("meta"):
        network = _build(json.loads(description))
    macs = count_macs(network, train_size)
    return Cost(
        parameters=count_parameters(network),
        macs_train=macs,
        macs_test=macs if test_size == train_size else count_macs(network, test_size),
        activation_bytes=estimate_activation_bytes(network, train_size),
    )
