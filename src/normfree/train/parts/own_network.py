"""A network of the user's own, built and tried before anything is trained. Needs no Lightning."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from normfree.clip import classifier_of, clipped_parameters
from normfree.config import UserError
from normfree.config.own_model import make_network, refused_options
from normfree.config.parts import MODEL
from normfree.config.schema import ClipConfig
from normfree.config.tracebacks import kept_traceback, one_line
from normfree.host.wording import some
from normfree.nets.normalizers.found import found_normalizer
from normfree.nets.own_network import OwnNetwork

_Made = TypeVar("_Made")


def build_own(description: Mapping[str, Any]) -> OwnNetwork:
    """The network of a description: ``target``, ``arguments``, ``num_classes``, ``in_channels``, ``ghost_batch`` and
    options, on the device that is chosen around this.

    Raises:
        UserError: all that it lacks of what the configuration asks for, or it cannot be built.
    """
    target, channels = description["target"], description["in_channels"]
    options = dict(description["options"])
    lacks = refused_options(target, options)
    if not lacks:
        inner = make_network(target, description["arguments"], description["num_classes"], channels, options)
        try:
            return OwnNetwork(inner, found_normalizer(inner), channels, description["ghost_batch"], _classifier(inner))
        except ValueError as error:
            lacks.append(f"model.{error}" if str(error).startswith("ghost_batch") else str(error))
    raise UserError(f"{MODEL.target}={target}: {'; '.join(lacks)}")


def _classifier(network: nn.Module) -> str | None:
    """The name of the layer that gives the logits, as the network says it in ``classifier`` or as it is found.

    Raises:
        ValueError: it says the name of no module.
    """
    said = getattr(network, "classifier", None)
    if isinstance(said, str):
        return classifier_of(network, said)[0]
    try:
        return classifier_of(network)[0]
    except ValueError:
        return None


def on_meta(make: Callable[[], _Made]) -> _Made:
    """``make()`` without memory, or with it where a network works with numbers while it is built or run."""
    try:
        with torch.device("meta"):
            return make()
    except (Exception, SystemExit):  # also what it refuses for that reason
        return make()


def check_own(description: Mapping[str, Any], clip: ClipConfig, sizes: Mapping[str, int]) -> None:
    """Try the network on two images of each size.

    Args:
        sizes: key -> side in pixels.

    Raises:
        UserError: all at once, what it lacks for what the configuration asks for; or it takes no such images, gives
            something else than logits, or has nothing to train.
    """
    target = description["target"]
    network = build_own(description)
    if lazy := [name for name, module in network.network.named_modules() if isinstance(module, LazyModuleMixin)]:
        raise UserError(
            f"{MODEL.target}={target}: {lazy[0]} has no shape before it sees images; give it its numbers of channels"
        )
    lacks = _lacks(network, clip)
    for key, size in sizes.items():
        logits = _tried(network, target, key, size)
        wanted = (2, description["num_classes"])
        if not isinstance(logits, Tensor) or tuple(logits.shape) != wanted:
            said = f"a tensor {list(logits.shape)}" if isinstance(logits, Tensor) else some(type(logits).__name__)
            lacks.append(
                f"gives {said} for 2 images of data.{key}={size}, and must give logits {list(wanted)}: "
                f"one for each of data.classes={description['num_classes']}"
            )
            break
        if not logits.is_floating_point():
            lacks.append(f"gives logits of {logits.dtype}, and must give floating-point numbers")
            break
        if not logits.requires_grad:
            lacks.append("gives logits without a gradient, so that nothing of it could be trained")
            break
    if lacks:
        raise UserError(f"{MODEL.target}={target}: {'; '.join(lacks)}")


def _tried(network: OwnNetwork, target: str, key: str, size: int) -> Any:
    network.eval()
    with torch.enable_grad():
        try:
            return network(torch.zeros(2, network.in_channels, size, size))
        except (Exception, SystemExit) as error:
            raise UserError(
                f"{MODEL.target}={target}: cannot take images [2, {network.in_channels}, {size}, {size}] of "
                f"data.{key}={size} ({one_line(error)}){kept_traceback(error, target)}"
            ) from error


def _lacks(network: OwnNetwork, clip: ClipConfig) -> list[str]:
    lacks = []
    if not any(parameter.requires_grad for parameter in network.parameters()):
        lacks.append("has no parameters to train")
    if clip.name != "agc":
        return lacks
    if clip.scope != "all" and not hasattr(network, "classifier"):
        lacks.append(
            f"has no linear layer, which clip.scope={clip.scope} leaves out: call the classifier `classifier`, "
            "or use clip.scope=all"
        )
    if clip.stages is not None:
        try:
            clipped_parameters(network, "all", clip.stages)
        except ValueError as error:
            no_stages = not isinstance(network.blocks, nn.ModuleList) or not len(network.blocks)
            lacks.append(
                "has no modules with a whole number `stage`, which clip.stages needs" if no_stages else f"clip.{error}"
            )
    return lacks
