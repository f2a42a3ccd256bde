"""NF-RegNets.

Source: Brock et al. 2021 (arXiv 2101.08692), section 'NF-RegNet'; released NFNet code, `nf_regnet.py`. What sets
the block apart from an NFNet's: one 3x3 convolution, an inner width taken from the block's input, and
Squeeze-and-Excitation on that inner map. Deviation from the released code: its default activation, 'swish', is
no key of its own table; the paper's SiLU is meant and used here.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from normfree.nets.activations import activation as nonlinearity
from normfree.nets.classifier_network import ClassifierNetwork, rate, stages
from normfree.nets.padding import same_avg_pool2d
from normfree.nets.registry import ModelInfo, register
from normfree.nets.residual import NFResidualBlock, scaled_residual
from normfree.nets.scaling import expected_stds
from normfree.nets.squeeze_excite import SqueezeExcite
from normfree.nets.stochastic_depth import stochastic_depth_rates
from normfree.nets.weight_standardization import WSConv2d


class NFRegNetBlock(NFResidualBlock):
    """Normaliser-free inverted bottleneck: ``[N, Cin, H, W] -> [N, Cout, ceil(H/s), ceil(W/s)]``.

    1x1, grouped 3x3 (strided), Squeeze-and-Excitation, 1x1; inner width `expansion` times the input's, rounded
    down to whole groups. ``skip_gain`` (shape ``()``, initially 0) scales the branch, so that a fresh block is
    its shortcut.
    """

    gated = False

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        stage: int,
        expansion: float,
        group_size: int,
        activation: str,
        se_ratio: float,
        stochastic_depth_rate: float,
        alpha: float,
        expected_std: float,
    ) -> None:
        super().__init__()
        self.stage = stage
        self.stride = stride
        self.activation = nonlinearity(activation).function
        self.stochastic_depth_rate = stochastic_depth_rate
        self.alpha = alpha
        self.expected_std = expected_std
        gamma = nonlinearity(activation).gamma
        entry = gamma / expected_std
        inner = int(in_channels * expansion)
        groups = inner // group_size
        if groups == 0:
            raise ValueError(f"group_size={group_size} is more than a block's inner width={inner}")
        mid = groups * group_size
        self.conv0 = WSConv2d(in_channels, mid, 1, input_scale=entry)
        self.conv1 = WSConv2d(mid, mid, 3, stride, groups, input_scale=gamma)
        self.squeeze_excite = SqueezeExcite(mid, se_ratio) if se_ratio > 0 else None
        self.conv2 = WSConv2d(mid, out_channels, 1, input_scale=gamma)
        project = stride > 1 or in_channels != out_channels
        self.conv_shortcut = WSConv2d(in_channels, out_channels, 1, input_scale=entry) if project else None
        self.skip_gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        activated = self.activation(x)
        shortcut = x
        if self.conv_shortcut is not None:
            shortcut = self.conv_shortcut(same_avg_pool2d(activated) if self.stride > 1 else activated)
        branch = self.conv0(activated, activation=self.activation)
        branch = self.conv1(branch)
        if self.squeeze_excite is not None:
            gate = 2 * self.squeeze_excite(branch)
            branch = branch * gate.view(*gate.shape, 1, 1).to(branch.dtype)
        branch = self.conv2(self.activation(branch), self.conv_scale())
        drop_rate = self.stochastic_depth_rate if self.training else 0.0
        return scaled_residual(shortcut, branch, None, drop_rate)

    def last_conv(self) -> nn.Module:
        return self.conv2


class NFRegNet(ClassifierNetwork):
    """Normaliser-free RegNet. Every stage halves the resolution, the first one too: total stride 32.

    Args:
        depth: blocks per stage.
        width: output channels per stage.
        stem_width: channels of the stem, a 3x3 convolution of stride 2; None takes the first stage's.
        head_width: channels of the convolution before the pool; None takes ``1280 / 440`` of the last stage's,
            rounded down.
        expansion: inner width over input width of every block but the first, which has 1.
        group_size: channels per group of the 3x3 convolutions.
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
        stem_width: int | None = None,
        head_width: int | None = None,
        expansion: float = 2.25,
        group_size: int = 8,
        se_ratio: float = 0.5,
        activation: str = "silu",
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
        channels = stem_width or width[0]
        self.stem_conv = WSConv2d(in_channels, channels, 3, 2)
        self.blocks = nn.ModuleList()
        for (stage, out_channels, first, _), block_drop_rate, std in zip(
            table, drop_rates, expected_stds(depth, alpha), strict=True
        ):
            self.blocks.append(
                NFRegNetBlock(
                    channels,
                    out_channels,
                    2 if first else 1,
                    stage=stage,
                    expansion=expansion if len(self.blocks) else 1.0,
                    group_size=group_size,
                    activation=activation,
                    se_ratio=se_ratio,
                    stochastic_depth_rate=block_drop_rate,
                    alpha=alpha,
                    expected_std=std,
                )
            )
            channels = out_channels
        features = head_width or 1280 * channels // 440
        self.final_conv = WSConv2d(channels, features, 1)
        self.add_classifier(features, num_classes, drop_rate, weight_std=0.0)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.stem_conv(x)
        for block in self.blocks:
            x = block(x)
        features: Tensor = self.final_conv(x, activation=self.activation)
        return features * self.gamma


# Width before the multiplier of 3/4, depth, train and test size in pixels, dropout, parameters.
_B_SERIES: tuple[tuple[tuple[int, ...], tuple[int, ...], int, int, float, int], ...] = (
    ((48, 104, 208, 440), (1, 3, 6, 6), 192, 224, 0.2, 8_595_372),
    ((48, 104, 208, 440), (2, 4, 7, 7), 224, 256, 0.2, 10_019_208),
    ((56, 112, 232, 488), (2, 4, 8, 8), 240, 272, 0.3, 13_785_904),
    ((56, 128, 248, 528), (2, 5, 9, 9), 288, 320, 0.3, 18_136_667),
    ((64, 144, 288, 616), (2, 6, 11, 11), 320, 384, 0.4, 29_315_830),
    ((80, 168, 336, 704), (3, 7, 14, 14), 384, 456, 0.4, 48_707_138),
)

for _level, (_width, _depth, _train_size, _test_size, _drop_rate, _parameters) in enumerate(_B_SERIES):
    register(
        ModelInfo(
            name=f"nf_regnet_b{_level}",
            family="nf_regnet",
            normalizer="none",
            train_size=_train_size,
            test_size=_test_size,
            source="arXiv 2101.08692; released NFNet code, nf_regnet.py",
            parameters=_parameters,
        ),
        NFRegNet,
        depth=_depth,
        width=tuple(channels * 3 // 4 for channels in _width),
        drop_rate=_drop_rate,
        stochastic_depth_rate=0.1,
    )
