"""Which parameters ``clip=`` concerns and what it does to them. Needs no Lightning, so that a plan is quick."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from normfree.clip import (
    CLIPPERS,
    PUBLISHED_EPS,
    ClipStatistics,
    NormStatistics,
    StatefulClipper,
    clip_grad_agc_,
    clip_grad_norm_,
    clipped_parameters,
    floors,
    gradient_norm,
    watched,
)
from normfree.config import Resolved, UserError
from normfree.config.clipping import CLIP_KEYS
from normfree.config.parts import CLIP, MODEL
from normfree.config.schema import ClipConfig
from normfree.train.parts.instantiate import Clipper, clipper_of
from normfree.train.parts.network import build_network


def parameters_to_clip(network: nn.Module, clip: ClipConfig) -> list[Tensor]:
    """The parameters whose gradients are clipped: all that are trained, but for AGC, which has a scope and stages.

    Raises:
        UserError: the network has no such stages, or all of them are frozen.
    """
    if clip.name != "agc":
        return _trained(network.parameters())
    assert clip.scope is not None, "config.validate sees to it"
    try:
        found = _trained(clipped_parameters(network, clip.scope, clip.stages))
    except ValueError as error:
        raise UserError(f"clip.{error}" if str(error).startswith("stages") else f"clip: {error}") from error
    if not found and clip.stages is not None:
        listed = "[" + ",".join(clip.stages) + "]"
        raise UserError(
            f"clip.stages={listed}: all of it is frozen by model.freeze; clip other stages, or leave it out"
        )
    return found


def _trained(parameters: Iterable[Tensor]) -> list[Tensor]:
    return [parameter for parameter in parameters if parameter.requires_grad]


class NetworkClipping:
    """What ``clip=`` does to the gradients of one network, in place; with ``clip=none`` it measures their norm alone.

    Args:
        custom: the user's own clipper, where ``clip=custom``.

    Attributes:
        parameters: those whose gradients are clipped.
        made: the clipper that knows earlier steps, where ``clip=`` is one of `normfree.clip.CLIPPERS`.
    """

    def __init__(self, network: nn.Module, clip: ClipConfig, custom: Clipper | None = None) -> None:
        self.parameters = parameters_to_clip(network, clip)
        self._settings = clip
        self._custom = custom
        self._floors: float | list[float] = PUBLISHED_EPS
        self.made: StatefulClipper | None = None
        if clip.name in CLIPPERS:
            self.made = CLIPPERS[clip.name](**{key: getattr(clip, key) for key in CLIP_KEYS[clip.name]})
        if clip.name == "agc":
            assert clip.eps is not None, "config.validate sees to it"
            self._floors = floors(network, self.parameters, clip.eps, clip.eps_scope or "all")

    def __call__(self) -> ClipStatistics:
        clip, parameters = self._settings, self.parameters
        if clip.name == "none":
            norm = gradient_norm(parameters)
            nothing = torch.zeros((), dtype=torch.int64, device=norm.device)
            return NormStatistics(norm, norm, 1, nothing, norm.isfinite().logical_not())
        if clip.name == "norm":
            assert clip.max_norm
            return clip_grad_norm_(parameters, clip.max_norm)
        if self.made is not None:
            return self.made(parameters)
        if self._custom is not None:
            return watched(self._custom, parameters)
        assert clip.unit is not None, "config.validate sees to it"
        assert clip.clip_factor is not None
        return clip_grad_agc_(parameters, clip.clip_factor, self._floors, clip.unit)


def check_clipping(resolved: Resolved) -> None:
    """Whether this network can be clipped as configured, and the user's own clipper can be made.

    Raises:
        UserError: as :func:`parameters_to_clip` and :func:`normfree.train.parts.instantiate.clipper_of`.
    """
    clip = resolved.config.clip
    if CLIP.is_custom(resolved.config):
        clipper_of(clip)
    if clip.stages is not None and not MODEL.is_custom(resolved.config):  # those are tried as a whole
        with torch.device("meta"):
            parameters_to_clip(build_network(resolved), clip)
