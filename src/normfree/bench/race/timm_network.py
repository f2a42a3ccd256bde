"""The network that timm's parts train: its own of that name, or its parts put together as this package's small ones."""

from __future__ import annotations

from typing import Any

from torch import nn

from normfree.bench.peers import PEERS
from normfree.bench.race import timm_parts
from normfree.nets import create_model
from normfree.nets.nf_resnet import NFResNet


def build(name: str, classes: int) -> nn.Module:
    """timm's counterpart of the network called `name`, or this package's own where timm has no parts for it."""
    library, other = PEERS.get(name, ("", ""))
    if library == "timm":
        network: nn.Module = timm_parts.models.create_model(other, num_classes=classes)
        return network
    ours = create_model(name, num_classes=classes)
    return _put_together(ours, classes) if _is_small(ours) else ours


def told(name: str) -> str:
    """Which one that is, for a row."""
    library, other = PEERS.get(name, ("", ""))
    if library == "timm":
        return f"timm {other}"
    return f"timm NormFreeNet as {name}" if _is_small(create_model(name)) else f"normfree {name}"


def _is_small(network: nn.Module) -> bool:
    return isinstance(network, NFResNet) and not network.pool_stem


def _put_together(ours: Any, classes: int) -> nn.Module:
    """timm's NormFreeNet of the same stages, widths and multiply-adds.

    timm's has a stem of stride 2 and blocks of 1x1, 3x3 and 1x1 convolutions alone: its convolutions and shortcuts are
    set anew, 3x3 and 3x3, with a projection at the start of every stage. Parameters are as many as ours; a strided
    shortcut is timm's, a mean and a convolution.
    """
    stages = [[block for block in ours.blocks if block.stage == stage] for stage in range(ours.blocks[-1].stage + 1)]
    widths = [blocks[0].conv0.weight.shape[0] for blocks in stages]
    stem = ours.stem_conv.weight.shape[0]
    config: Any = timm_parts.nfnet.NfCfg(
        tuple(map(len, stages)), tuple(widths), stem_type="3x3", stem_chs=stem, act_layer="relu", skipinit=True
    )
    network: Any = timm_parts.nfnet.NormFreeNet(config, num_classes=classes)

    def convolution(before: int, after: int, kernel: int = 3, stride: int = 1) -> nn.Module:
        settings = {"gamma": ours.gamma, "eps": config.std_conv_eps}
        convolved: nn.Module = timm_parts.layers.ScaledStdConv2d(before, after, kernel, stride, **settings)
        return convolved

    network.stem.conv = convolution(3, stem)
    before = stem
    for number, (stage, width) in enumerate(zip(network.stages, widths, strict=True)):
        for place, block in enumerate(stage):
            stride = 2 if number and not place else 1
            block.downsample = None if place else timm_parts.nfnet.DownsampleAvg(before, width, stride)
            if block.downsample is not None:
                block.downsample.conv = convolution(before, width, 1)
            block.conv1, block.conv2 = convolution(before, width, 3, stride), convolution(width, width)
            block.act3, block.conv3 = nn.Identity(), nn.Identity()
            before = width
    made: nn.Module = network
    return made
