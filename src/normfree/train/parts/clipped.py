"""Which parameters ``clip=`` concerns, known before training starts. Needs no Lightning, so that a plan is quick."""

import torch
from torch import Tensor, nn

from normfree.clip import clipped_parameters
from normfree.config import Resolved, UserError
from normfree.config.parts import CLIP, MODEL
from normfree.config.schema import ClipConfig
from normfree.train.parts.instantiate import clipper_of
from normfree.train.parts.network import build_network


def parameters_to_clip(network: nn.Module, clip: ClipConfig) -> list[Tensor]:
    """The parameters whose gradients are clipped; all of them but with AGC, which has a scope and stages.

    Raises:
        UserError: the network has no such stages.
    """
    if clip.name != "agc":
        return list(network.parameters())
    assert clip.scope is not None, "config.validate sees to it"
    try:
        return list(clipped_parameters(network, clip.scope, clip.stages))
    except ValueError as error:
        raise UserError(f"clip.{error}" if str(error).startswith("stages") else f"clip: {error}") from error


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
