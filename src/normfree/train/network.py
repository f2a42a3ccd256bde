"""The network of a run and what it costs. Needs no Lightning, so that a plan is quick."""

import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import torch

from normfree.config import Resolved, UserError
from normfree.nets import (
    ClassifierNetwork,
    count_macs,
    count_parameters,
    create_model,
    estimate_activation_bytes,
    minimum_image_size,
    model_info,
)

_TIMM = "timm"
_NOT_FOR_THE_NETWORK = ("name", "family", "normalizer", "train_size", "test_size", "sync_norm")


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


def build_network(resolved: Resolved) -> ClassifierNetwork:
    """The network that ``model=`` describes, for this data set's channels and classes.

    Raises:
        UserError: there is none, or the configuration is wrong about its BatchNorm.
    """
    return _build(_description(resolved), resolved.config.model.normalizer)


def network_cost(resolved: Resolved) -> Cost:
    """Worked out once for each kind of network in a process, without memory or arithmetic.

    Raises:
        UserError: as :func:`build_network`, or the network takes no images of these sizes.
    """
    model, data = resolved.config.model, resolved.config.data
    return _cost(json.dumps(_description(resolved)), model.normalizer, data.train_size, data.test_size)


def least_image_size(resolved: Resolved) -> int | None:
    """Side in pixels of the smallest images for the network, ``None`` for one of another library; worked out once.

    Raises:
        UserError: as :func:`build_network`.
    """
    return _least_image_size(json.dumps(_description(resolved)), resolved.config.model.normalizer)


def _description(resolved: Resolved) -> dict[str, Any]:
    model, data = resolved.config.model, resolved.config.data
    overrides = {
        key: value for key, value in asdict(model).items() if key not in _NOT_FOR_THE_NETWORK and value is not None
    }
    name = f"{_TIMM}/{model.name}" if model.family == _TIMM else model.name
    return {"name": name, "num_classes": data.classes, "in_channels": data.channels, **overrides}


def _build(description: dict[str, Any], normalizer: str) -> ClassifierNetwork:
    try:
        network = create_model(**description)
    except ValueError as error:
        raise UserError(f"{_subject(description['name'])}: {error}") from error
    if network.normalizer != normalizer:
        raise UserError(
            f"model.normalizer={normalizer}: {_subject(description['name'])} has "
            f"{'no BatchNorm' if network.normalizer == 'none' else 'BatchNorm'}; "
            f"use model.normalizer={network.normalizer}"
        )
    return network


def _subject(name: str) -> str:
    """How the command line calls a network."""
    family, _, inner = name.partition("/")
    return f"model={family} model.name={inner}" if inner else f"model={name}"


@cache
def _least_image_size(description: str, normalizer: str) -> int | None:
    with torch.device("meta"):
        network = _build(json.loads(description), normalizer)
    return minimum_image_size(network) if network.library is None else None


@cache
def _cost(description: str, normalizer: str, train_size: int, test_size: int) -> Cost:
    content = json.loads(description)
    with torch.device("meta"):
        network = _build(content, normalizer)
    macs = _macs(network, content["name"], "train_size", train_size)
    return Cost(
        parameters=count_parameters(network),
        macs_train=macs,
        macs_test=macs if test_size == train_size else _macs(network, content["name"], "test_size", test_size),
        activation_bytes=estimate_activation_bytes(network, train_size),
    )


def _macs(network: ClassifierNetwork, name: str, key: str, size: int) -> int:
    try:
        return count_macs(network, size)
    except (AssertionError, RuntimeError, ValueError) as error:
        if not name.startswith(_TIMM):
            raise
        own = getattr(model_info(name), key)
        raise UserError(
            f"data.{key}={size}: {_subject(name)} cannot take such images ({str(error).splitlines()[0]}); "
            f"timm has it at data.{key}={own}"
        ) from error
