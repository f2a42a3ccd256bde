"""The network of a run and what it costs. Needs no Lightning, so that a plan is quick."""

import json
import re
from dataclasses import asdict, dataclass, fields
from functools import cache
from typing import Any

import torch

from normfree.config import Resolved, UserError
from normfree.config.networks import own_normalizer
from normfree.config.normalizers import OPTIONS, facts_of, is_known
from normfree.config.own_model import given_options
from normfree.config.parts import MODEL, is_target
from normfree.config.schema import ModelConfig
from normfree.config.sources.reading import remembered
from normfree.config.tracebacks import kept_traceback, one_line
from normfree.nets import (
    ClassifierNetwork,
    count_macs,
    count_parameters,
    create_model,
    estimate_activation_bytes,
    list_models,
    minimum_image_size,
    model_info,
)
from normfree.nets.normalizers.found import OTHER
from normfree.train.parts.frozen import frozen
from normfree.train.parts.own_network import build_own, check_own, on_meta
from normfree.train.parts.own_normalizer import build_with_own

TIMM = "timm"
_NOT_FOR_THE_NETWORK = (
    "name", "family", "normalizer", "normalizer_sees", "train_size", "test_size", "sync_norm", "_target_", "arguments",
    "weights", "weights_kind", "head", "freeze", "freeze_norm", "weights_sha256", "weights_run", "weights_arm",
)  # fmt: skip


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
    """The network that ``model=`` describes, for this data set's channels and classes, with fresh initial values.

    What ``model.freeze`` and ``model.freeze_norm`` say is frozen.

    Raises:
        UserError: there is none, the configuration is wrong about its BatchNorm, or it has no such stages.
    """
    model = resolved.config.model
    return frozen(_build(_description(resolved), model.normalizer), model)


def network_cost(resolved: Resolved) -> Cost:
    """Worked out once for each kind of network in a process, without memory or arithmetic.

    Raises:
        UserError: as :func:`build_network`, or the network takes no images of these sizes.
    """
    model, data = resolved.config.model, resolved.config.data
    return _cost(described(resolved), model.normalizer, data.train_size, data.test_size)


def described(resolved: Resolved) -> str:
    """What the network is made from, as one text: runs with the same text have the same network.

    Raises:
        UserError: ``model.arguments`` has what is a key by itself.
    """
    return json.dumps(_description(resolved))


def least_image_size(resolved: Resolved) -> int | None:
    """Side in pixels of the smallest images for the network, ``None`` for one of another library; worked out once.

    Raises:
        UserError: as :func:`build_network`.
    """
    return _least_image_size(described(resolved), resolved.config.model.normalizer)


def check_network(resolved: Resolved) -> None:
    """Try a network of the user's own; those of this package and of libraries are known.

    Raises:
        UserError: as `normfree.train.parts.own_network.check_own`.
    """
    config = resolved.config
    if MODEL.is_custom(config):
        description, data = _description(resolved), config.data
        sizes = {"train_size": data.train_size, "test_size": data.test_size}
        asked = (described(resolved), repr(config.clip), repr(sizes))
        # Once for all runs of a sweep.
        remembered(("own network", *asked), lambda: on_meta(lambda: check_own(description, config.clip, sizes)))


def _description(resolved: Resolved) -> dict[str, Any]:
    model, data = resolved.config.model, resolved.config.data
    if MODEL.is_custom(resolved.config):
        return {
            "target": model._target_,
            "arguments": model.arguments,
            "num_classes": data.classes,
            "in_channels": data.channels,
            "ghost_batch": model.ghost_batch,
            "options": given_options(model),
        }
    overrides = {
        key: value for key, value in asdict(model).items() if key not in _NOT_FOR_THE_NETWORK and value is not None
    }
    taken = facts_of(model.normalizer).options
    overrides = {key: value for key, value in overrides.items() if key not in OPTIONS or key in taken}
    if own_normalizer(model) not in (None, model.normalizer):
        overrides["normalizer"] = model.normalizer
    name = f"{TIMM}/{model.name}" if model.family == TIMM else model.name
    given = dict(model.arguments or {})
    if known := sorted(key for key in given if key in ("num_classes", "in_channels", *asdict(model))):
        raise UserError(f"model.arguments={given}: {known[0]} is a key by itself; give it as model.{known[0]}")
    return {"name": name, "num_classes": data.classes, "in_channels": data.channels, **overrides, **given}


def _build(description: dict[str, Any], normalizer: str) -> ClassifierNetwork:
    if "target" in description:
        own = build_own(description)
        if own.normalizer == OTHER or not is_known(own.normalizer):  # of which the user knows more
            own.normalizer = normalizer
        if own.normalizer != normalizer:
            raise UserError(
                f"model.normalizer={normalizer}: {description['target']} has {own.normalizer}; leave it out"
            )
        return own
    if is_target(normalizer):
        return build_with_own(description, normalizer)
    try:
        network = create_model(**description)
    except ValueError as error:
        name = description["name"]
        if not name.startswith(TIMM) and name not in list_models():
            raise UserError(f"model.name={name}: {error}; python train.py --help lists all, as model=") from error
        raise UserError(f"{_subject(name)}: {_as_typed(str(error))}") from error
    if network.normalizer != normalizer:
        raise UserError(
            f"model.normalizer={normalizer}: {_subject(description['name'])} has "
            f"{facts_of(network.normalizer).title}; use model.normalizer={network.normalizer}"
        )
    return network


def _subject(name: str) -> str:
    """How the command line calls a network."""
    family, _, inner = name.partition("/")
    return f"model={family} model.name={inner}" if inner else f"model={name}"


def _as_typed(said: str) -> str:
    """Options of `create_model` as keys: ``groups=7`` is ``model.groups=7``."""
    keys = "|".join(each.name for each in fields(ModelConfig))
    said = re.sub(rf"^unknown ({keys}) '(.*?)'; ", r"\1=\2: there is none; ", said)
    return re.sub(rf"(?<![\w.])({keys})=", r"model.\1=", said)


def _shapes(description: str, normalizer: str) -> str:
    """The description of a network that has the same shapes, one for all sizes of ghost batches, of which it has none.

    Raises:
        UserError: this one cannot be built.
    """
    content = json.loads(description)
    with torch.device("meta"):
        _build(content, normalizer)
    return json.dumps({key: value for key, value in content.items() if key != "ghost_batch"})


@cache
def _least_image_size(description: str, normalizer: str) -> int | None:
    if "target" in json.loads(description):
        return None  # tried instead
    return _least_of_shapes(_shapes(description, normalizer), normalizer)


@cache
def _least_of_shapes(description: str, normalizer: str) -> int | None:
    with torch.device("meta"):
        network = _build(json.loads(description), normalizer)
    return minimum_image_size(network) if network.library is None else None


@cache
def _cost(description: str, normalizer: str, train_size: int, test_size: int) -> Cost:
    content = json.loads(description)
    if "target" in content:
        return on_meta(lambda: _own_cost(content, normalizer, train_size, test_size))
    return _cost_of_shapes(_shapes(description, normalizer), normalizer, train_size, test_size)


@cache
def _cost_of_shapes(description: str, normalizer: str, train_size: int, test_size: int) -> Cost:
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


def _own_cost(content: dict[str, Any], normalizer: str, train_size: int, test_size: int) -> Cost:
    network, target = _build(content, normalizer), content["target"]
    try:
        return Cost(
            count_parameters(network),
            count_macs(network, train_size),
            count_macs(network, test_size),
            estimate_activation_bytes(network, train_size),
        )
    except (Exception, SystemExit) as error:  # it may do other things in training than where it was tried
        raise UserError(
            f"{MODEL.target}={target}: cannot train on images of data.train_size={train_size} ({one_line(error)})"
            f"{kept_traceback(error, target)}"
        ) from error


def _macs(network: ClassifierNetwork, name: str, key: str, size: int) -> int:
    try:
        return count_macs(network, size)
    except (AssertionError, RuntimeError, ValueError) as error:
        if not name.startswith(TIMM):
            raise
        own = getattr(model_info(name), key)
        raise UserError(
            f"data.{key}={size}: {_subject(name)} cannot take such images ({str(error).splitlines()[0]}); "
            f"timm has it at data.{key}={own}"
        ) from error
