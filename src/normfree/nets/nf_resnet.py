"""Normaliser-free ResNets, and small ones for small images.

Source: Brock et al. 2021 (arXiv 2101.08692); released NFNet code, `nf_resnet.py`. The first block of every
stage projects its shortcut by a strided 1x1 convolution of the activated input. The small networks (20, 56,
wrn_28_10) have a 3x3 stem, no max-pool and blocks of two 3x3 convolutions; their first stage projects as well.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from normfree.nets.activations import activation as nonlinearity
from normfree.nets.classifier_network import ClassifierNetwork, rate, stages
from normfree.nets.padding import same_max_pool2d
from normfree.nets.registry import ModelInfo, register
from normfree.nets.residual import NFResidualBlock, scaled_residual
from normfree.nets.scaling import expected_stds
from normfree.nets.squeeze_excite import SqueezeExcite
from normfree.nets.stochastic_depth import stochastic_depth_rates
from normfree.nets.weight_standardization import WSConv2d


class NFBlock(NFResidualBlock):
    """Normaliser-free residual block: ``[N, Cin, H, W] -> [N, Cout, ceil(H/s), ceil(W/s)]``.

    Bottleneck: 1x1, 3x3 (strided), 1x1. Basic: 3x3 (strided), 3x3.
    ``skip_gain`` (shape ``()``, initially 0) scales the branch, so that a fresh block is its shortcut.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        stage: int,
        project: bool,
        bottleneck: bool,
        activation: str,
        se_ratio: float,
        stochastic_depth_rate: float,
        alpha: float,
        expected_std: float,
    ) -> None:
        super().__init__()
        self.stage = stage
        self.conv2: WSConv2d | None = None
        self.activation = nonlinearity(activation).function
        self.overwriting_activation = nonlinearity(activation).overwriting
        self.stochastic_depth_rate = stochastic_depth_rate
        self.alpha = alpha
        self.expected_std = expected_std
        gamma = nonlinearity(activation).gamma
        entry = gamma / expected_std
        if bottleneck:
            mid = out_channels // 4
            self.conv0 = WSConv2d(in_channels, mid, 1, input_scale=entry)
            self.conv1 = WSConv2d(mid, mid, 3, stride, input_scale=gamma)
            self.conv2 = WSConv2d(mid, out_channels, 1, input_scale=gamma)
        else:
            self.conv0 = WSConv2d(in_channels, out_channels, 3, stride, input_scale=entry)
            self.conv1 = WSConv2d(out_channels, out_channels, 3, input_scale=gamma)
        self.conv_shortcut = None
        if project:
            self.conv_shortcut = WSConv2d(in_channels, out_channels, 1, stride, input_scale=entry)
        self.squeeze_excite = SqueezeExcite(out_channels, se_ratio) if se_ratio > 0 else None
        self.gated = self.squeeze_excite is not None
        self.skip_gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        activated = self.activation(x)
        shortcut = x if self.conv_shortcut is None else self.conv_shortcut(activated)
        branch = self.conv0(activated, activation=self.overwriting_activation)
        if self.conv2 is None:
            branch = self.conv1(branch, self.conv_scale())
        else:
            branch = self.conv1(branch, activation=self.overwriting_activation)
            branch = self.conv2(branch, self.conv_scale())
        factor = None if self.squeeze_excite is None else self.squeeze_excite(branch) * self.gate_scale()
        drop_rate = self.stochastic_depth_rate if self.training else 0.0
        return scaled_residual(shortcut, branch, factor, drop_rate)

    def last_conv(self) -> nn.Module:
        return self.conv1 if self.conv2 is None else self.conv2


class NFResNet(ClassifierNetwork):
    """Normaliser-free ResNet.

    Args:
        depth: blocks per stage.
        width: output channels per stage; a bottleneck's inner width is a quarter of it.
        bottleneck: bottleneck blocks, else basic ones.
        small_stem: 3x3 convolution of stride 1, else 7x7 of stride 2 and a max-pool.
        stem_width: channels of the stem.
        se_ratio: hidden share of Squeeze-and-Excitation; 0 for none.
        alpha: weight of every residual branch.
        drop_rate: dropout before the classifier.
        stochastic_depth_rate: of the last block but for one step; rises linearly from 0.
    """

    normalizer = "none"

    def __init__(
        self,
        *,
        depth: Sequence[int],
        width: Sequence[int],
        bottleneck: bool = True,
        small_stem: bool = False,
        stem_width: int = 64,
        se_ratio: float = 0.0,
        activation: str = "relu",
        alpha: float = 0.2,
        drop_rate: float = 0.0,
        stochastic_depth_rate: float = 0.0,
        in_channels: int = 3,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        table = stages(depth, width)
        drop_rates = stochastic_depth_rates(rate("stochastic_depth_rate", stochastic_depth_rate), len(table))
        self.activation = nonlinearity(activation).function
        self.gamma = nonlinearity(activation).gamma
        self.pool_stem = not small_stem
        self.stem_conv = WSConv2d(in_channels, stem_width, *((3, 1) if small_stem else (7, 2)))
        self.blocks = nn.ModuleList()
        channels = stem_width
        for (stage, out_channels, first, stride), block_drop_rate, std in zip(
            table, drop_rates, expected_stds(depth, alpha), strict=True
        ):
            self.blocks.append(
                NFBlock(
                    channels,
                    out_channels,
                    stride,
                    stage=stage,
                    project=first,
                    bottleneck=bottleneck,
                    activation=activation,
                    se_ratio=se_ratio,
                    stochastic_depth_rate=block_drop_rate,
                    alpha=alpha,
                    expected_std=std,
                )
            )
            channels = out_channels
        self.add_classifier(channels, num_classes, drop_rate, weight_std=0.01)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.stem_conv(x)
        if self.pool_stem:
            x = same_max_pool2d(x)
        for block in self.blocks:
            x = block(x)
        return self.activation(x) * self.gamma


_PARAMETERS = {50: 25_557_048, 101: 44_549_193, 152: 60_192_858, 200: 64_673_898, 288: 146_460_552}
_DEPTHS: dict[int, tuple[int, ...]] = {
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
    288: (24, 24, 24, 24),
}
# Depth and width, by the name of the BatchNorm twin.
_SMALL: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "resnet20": ((3, 3, 3), (16, 32, 64)),
    "resnet56": ((9, 9, 9), (16, 32, 64)),
    "wrn_28_10": ((4, 4, 4), (160, 320, 640)),
}

for _layers, _depth in _DEPTHS.items():
    register(
        ModelInfo(
            name=f"nf_resnet{_layers}",
            family="nf_resnet",
            normalizer="none",
            train_size=224,
            test_size=224,
            source="arXiv 2101.08692; released NFNet code, nf_resnet.py",
            twin=None if _layers == 288 else f"resnet{_layers}",
            parameters=_PARAMETERS[_layers],
        ),
        NFResNet,
        depth=_depth,
        width=(256, 512, 1024, 2048),
    )
register(
    ModelInfo(
        name="nf_se_resnet50",
        family="nf_resnet",
        normalizer="none",
        train_size=224,
        test_size=224,
        source="the normaliser-free form of se_resnet50, after arXiv 2101.08692; released NFNet code, nf_resnet.py",
        twin="se_resnet50",
    ),
    NFResNet,
    depth=_DEPTHS[50],
    width=(256, 512, 1024, 2048),
    se_ratio=1 / 16,
)
for _twin, (_depth, _width) in _SMALL.items():
    register(
        ModelInfo(
            name=f"nf_{_twin}",
            family="nf_resnet",
            normalizer="none",
            train_size=32,
            test_size=32,
            source=f"the normaliser-free form of {_twin}, after arXiv 2101.08692; 8 to 64 px",
            twin=_twin,
        ),
        NFResNet,
        depth=_depth,
        width=_width,
        bottleneck=False,
        small_stem=True,
        stem_width=16,
    )
