"""model=custom: a network of the user's own, made as its signature asks, and what its layers say of it.

It is called as ``target(num_classes=..., in_channels=..., **arguments)``, with those of the two that it takes. The rest
of ``model.`` is passed on by its name where it is given and taken.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

from normfree.config.errors import UserError
from normfree.config.instantiate import called, imported, takes
from normfree.config.normalizers import is_known
from normfree.config.parts import MODEL
from normfree.config.schema import ModelConfig

OPTIONS = (
    "depth", "width", "stem_width", "group_size", "bottleneck_ratio", "se_ratio", "activation", "standardization",
    "alpha", "drop_rate", "stochastic_depth_rate",
)  # fmt: skip
"""Keys of ``model.`` that are passed on to a network that takes them."""

_LAYERS = Path(__file__).parents[1] / "nets" / "normalizers" / "layers.json"


def given_options(model: ModelConfig) -> dict[str, Any]:
    """What the user set of `OPTIONS`."""
    return {key: value for key, value in asdict(model).items() if key in OPTIONS and value is not None}


def refused_options(target: str, options: Mapping[str, Any]) -> list[str]:
    """A text for every option that the network does not take."""
    taken = takes(imported(MODEL, target), options)
    return [f"model.{key}={value}, which it does not take" for key, value in options.items() if key not in taken]


def make_network(
    target: str, arguments: Mapping[str, Any] | None, classes: int, channels: int, options: Mapping[str, Any]
) -> Any:
    """The module that ``target`` gives, on whatever device is chosen around this.

    Raises:
        UserError: it cannot be imported or called, or what it gives is no module.
    """
    code = imported(MODEL, target)
    own = MODEL.named_arguments(arguments)
    offered = {"num_classes": classes, "in_channels": channels, **options}
    given = {key: offered[key] for key in takes(code, offered) if key not in own}
    network = called(MODEL, target, code, own, **given)
    if not _is_module(network):
        raise UserError(f"{MODEL.target}={target}: gives {type(network).__name__}, and must give a torch.nn.Module")
    return network


def normalizer_of(network: Any) -> str:
    """What its layers normalise by, as `normfree.nets.normalizers.found` tells it of a network of another library; one
    that the user registered is ``other``.
    """
    kinds = list(_kinds(network))
    most = "batchnorm" if "batchnorm" in kinds else max(dict.fromkeys(kinds), key=kinds.count, default="none")
    told = getattr(network, "normalizer", None)
    if most not in ("none", "other") or not isinstance(told, str):
        return most
    return told if is_known(told) else "other"


def found_normalizer(model: ModelConfig, classes: int, channels: int) -> str:
    """What a network has, seen before it is trained: built once, without memory where it can be.

    Raises:
        UserError: as `make_network`.
    """
    assert model._target_
    own = json.dumps([model.arguments or {}, given_options(model)], sort_keys=True, default=str)
    return _found_normalizer(model._target_, own, classes, channels)


@cache
def _found_normalizer(target: str, own: str, classes: int, channels: int) -> str:
    arguments, options = json.loads(own)
    imported(MODEL, target)
    # A network brings torch; the configuration itself knows none.
    torch: Any = sys.modules.get("torch")
    try:
        with torch.device("meta") if torch is not None else nullcontext():
            return normalizer_of(make_network(target, arguments, classes, channels, options))
    except UserError:
        # Some networks work with numbers while they are built, which there are none of on that device.
        return normalizer_of(make_network(target, arguments, classes, channels, options))


def _is_module(network: Any) -> bool:
    return "torch.nn.modules.module.Module" in {f"{each.__module__}.{each.__name__}" for each in type(network).__mro__}


def _kinds(network: Any) -> Iterator[str]:
    for layer in network.modules():
        names = [base.__name__ for base in type(layer).__mro__]
        if known := next((_layers()[name] for name in names if name in _layers()), None):
            yield known
        elif (
            "norm" in names[0].lower()
            and next(layer.children(), None) is None
            and any(True for _ in layer.parameters())
        ):
            yield "other"


@cache
def _layers() -> dict[str, str]:
    """Class of torch or timm -> ``model.normalizer``."""
    content: dict[str, str] = json.loads(_LAYERS.read_text(encoding="utf-8"))
    return content
