"""A network of this package with a normaliser of the user's own. Needs no Lightning."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from normfree.config import UserError
from normfree.config.instantiate import imported
from normfree.config.normalizers.own import seen_by
from normfree.config.parts import NORMALIZER, is_target
from normfree.config.tracebacks import kept_traceback, one_line
from normfree.host.wording import some
from normfree.nets import ClassifierNetwork, create_model
from normfree.nets.activations import activation
from normfree.nets.normalizers import Normalization, Normalizer

_CHANNELS = 32
"""Of the images that its layers are tried on."""


def build_with_own(description: Mapping[str, Any], target: str) -> ClassifierNetwork:
    """The network of a description, with the normaliser that ``target`` names.

    Raises:
        UserError: it cannot be imported or made, its layers are no modules, or it does not go with the rest.
    """
    try:
        return create_model(**{**description, "normalizer": own_normalizer(target)})
    except ValueError as error:
        raise UserError(f"{NORMALIZER.target}={target}: {error}") from error


def normalizer_of(name: str | None) -> str | Normalizer | None:
    """What `create_model` is given for a name: itself where it is one of this package.

    Raises:
        UserError: as `own_normalizer`.
    """
    return own_normalizer(name) if name is not None and is_target(name) else name


def own_normalizer(target: str) -> Normalizer:
    """What ``target`` names, called by that name.

    Raises:
        UserError: as `normfree.config.normalizers.own.seen_by`.
    """
    sees: Any = seen_by(target)
    code = imported(NORMALIZER, target, called=False)
    if not isinstance(code, Normalizer):
        title = target.rpartition(".")[2]
        code = Normalizer(target, title, sees, target, "", layer=code, overwritable=False)
    linear = None if code.linear is None else _checked(code.linear, target)
    kind = replace(code, name=target, layer=_checked(code.layer, target), linear=linear)
    # Without a trace in what is drawn for the network.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        _try(Normalization(kind).layer(_CHANNELS, activation("relu")), target)
        _try(Normalization(kind).linear(_CHANNELS), target)
    return kind


def _try(layer: nn.Module, target: str) -> None:
    """Two images forwards and backwards."""
    given = f"{NORMALIZER.target}={target}"
    images = torch.rand(2, _CHANNELS, 4, 4, requires_grad=True)
    try:
        found = layer(images)
        if isinstance(found, Tensor) and found.shape == images.shape:
            found.sum().backward()  # type: ignore[no-untyped-call]
            return
    except (Exception, SystemExit) as error:
        raise UserError(f"{given}: {one_line(error)}{kept_traceback(error, target)}") from error
    said = f"a tensor {list(found.shape)}" if isinstance(found, Tensor) else some(type(found).__name__)
    raise UserError(f"{given}: gives {said} for one of {list(images.shape)}, and must give one of the same shape")


def _checked(layer: Callable[..., nn.Module], target: str) -> Callable[..., nn.Module]:
    def made(channels: int, **given: Any) -> nn.Module:
        try:
            found = layer(channels, **given)
        except UserError:
            raise
        except (Exception, SystemExit) as error:
            called = ", ".join([f"{channels} channels", *given])
            raise UserError(
                f"{NORMALIZER.target}={target}: called with {called}: {one_line(error)}{kept_traceback(error, target)}"
            ) from error
        if not isinstance(found, nn.Module):
            raise UserError(
                f"{NORMALIZER.target}={target}: gives {some(type(found).__name__)}, and must give a torch.nn.Module"
            )
        return found

    return made
