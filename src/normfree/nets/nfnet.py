"""NFNets.

Source: Brock et al. 2021 (arXiv 2102.06171), section 4 and appendix; released NFNet code, `nfnet.py`.
Deviation from the paper, with the released code: a plain ReLU inside Squeeze-and-Excitation. `nfnet_nano` is
ours: the same block, narrow and shallow, for images of 14 to 64 px. Its stem is one 3x3 convolution of
stride 1 and it has three stages, so its total stride is 4 (the F series: 32).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

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

HALF = 0.5
"""The published bottleneck ratio."""


def inner_groups(out_channels: int, group_size: int, round_groups: bool = False, bottleneck_ratio: float = HALF) -> int:
    """Groups of a block's 3x3 convolutions, whose width is the share `bottleneck_ratio` of `out_channels`.

    Raises:
        ValueError: that share is no multiple of `group_size` (unless `round_groups`) or less than it.
    """
    if group_size < 1:
        raise ValueError(f"group_size={group_size}: give 1 or more")
    if not bottleneck_ratio > 0:
        raise ValueError(f"bottleneck_ratio={bottleneck_ratio}: give a number above 0")
    share = "half" if bottleneck_ratio == HALF else f"{bottleneck_ratio:g} times"
    of = " of" if bottleneck_ratio == HALF else ""
    inner = int(out_channels * bottleneck_ratio + 1e-9)
    groups, rest = divmod(inner, group_size)
    if groups == 0:
        raise ValueError(f"group_size={group_size} is more than {share}{of} a stage's width={out_channels}")
    if rest and not round_groups:
        near = [f"{group_size * count / bottleneck_ratio:g}" for count in (groups, groups + 1)]
        raise ValueError(
            f"{share}{of} a stage's width={out_channels} is no multiple of group_size={group_size}; "
            f"give it width={near[0]} or {near[1]}, or another group_size"
        )
    return groups


class NFNetBlock(NFResidualBlock):
    """Normaliser-free bottleneck block: ``[N, Cin, H, W] -> [N, Cout, ceil(H/s), ceil(W/s)]``.

    1x1, grouped 3x3 (strided), grouped 3x3, 1x1; inner width half the output's or another share, see `inner_groups`.
    ``skip_gain`` (shape ``()``, initially 0) scales the branch, so that a fresh block is its shortcut.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        stage: int,
        group_size: int,
        round_groups: bool,
        bottleneck_ratio: float,
        activation: str,
        standardization: str,
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
        groups = inner_groups(out_channels, group_size, round_groups, bottleneck_ratio)
        mid = groups * group_size
        conv = partial(WSConv2d, standardization=standardization)
        self.conv0 = conv(in_channels, mid, 1, input_scale=entry)
        self.conv1 = conv(mid, mid, 3, stride, groups, input_scale=gamma)
        self.conv1b = conv(mid, mid, 3, 1, groups, input_scale=gamma)
        self.conv2 = conv(mid, out_channels, 1, input_scale=gamma)
        project = stride > 1 or in_channels != out_channels
        self.conv_shortcut = conv(in_channels, out_channels, 1, input_scale=entry) if project else None
        self.squeeze_excite = SqueezeExcite(out_channels, se_ratio) if se_ratio > 0 else None
        self.gated = self.squeeze_excite is not None
        self.skip_gain = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        activated = self.activation(x)
        shortcut = x
        if self.conv_shortcut is not None:
            shortcut = self.conv_shortcut(same_avg_pool2d(activated) if self.stride > 1 else activated)
        branch = self.conv0(activated, activation=self.activation)
        branch = self.conv1(branch, activation=self.activation)
        branch = self.conv1b(branch, activation=self.activation)
        branch = self.conv2(branch, self.conv_scale())
        factor = None if self.squeeze_excite is None else self.squeeze_excite(branch) * self.gate_scale()
        drop_rate = self.stochastic_depth_rate if self.training else 0.0
        return scaled_residual(shortcut, branch, factor, drop_rate)

    def last_conv(self) -> nn.Module:
        return self.conv2


class NFNet(ClassifierNetwork):
    """Normaliser-Free Network.

    Args:
        depth: blocks per stage.
        width: output channels per stage.
        stem_hidden: channels of the stem's convolutions before its last.
        stem_strides: strides of all of the stem's convolutions.
        stem_width: channels of the stem's last convolution; None takes half of the first stage's.
        group_size: channels per group of the 3x3 convolutions, whose width is half of the stage's.
        round_groups: round that half down to whole groups, as the released F4+ has it, instead of refusing it.
        bottleneck_ratio: the share of the stage's width that is in the place of the half.
        se_ratio: hidden share of Squeeze-and-Excitation; 0 for none.
        activation: name of a nonlinearity; with ``"gelu_erf"`` and `standardization` ``"timm"`` the network computes
            what timm's dm_nfnet does.
        standardization: rule of the weight-standardised convolutions, ``"deepmind"`` or ``"timm"``.
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
        stem_hidden: Sequence[int] = (16, 32, 64),
        stem_strides: Sequence[int] = (2, 1, 1, 2),
        stem_width: int | None = None,
        group_size: int = 128,
        round_groups: bool = False,
        bottleneck_ratio: float = HALF,
        se_ratio: float = 0.5,
        activation: str = "gelu",
        standardization: str = "deepmind",
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
        conv = partial(WSConv2d, standardization=standardization)
        self.stem_convs = nn.ModuleList()
        channels = in_channels
        for index, (out_channels, stride) in enumerate(
            zip((*stem_hidden, stem_width or width[0] // 2), stem_strides, strict=True)
        ):
            scale = self.gamma if index else 1.0
            self.stem_convs.append(conv(channels, out_channels, 3, stride, input_scale=scale))
            channels = out_channels
        self.blocks = nn.ModuleList()
        for (stage, out_channels, _, stride), block_drop_rate, std in zip(
            table, drop_rates, expected_stds(depth, alpha), strict=True
        ):
            self.blocks.append(
                NFNetBlock(
                    channels,
                    out_channels,
                    stride,
                    stage=stage,
                    group_size=group_size,
                    round_groups=round_groups,
                    bottleneck_ratio=bottleneck_ratio,
                    activation=activation,
                    standardization=standardization,
                    se_ratio=se_ratio,
                    stochastic_depth_rate=block_drop_rate,
                    alpha=alpha,
                    expected_std=std,
                )
            )
            channels = out_channels
        self.final_conv = conv(channels, 2 * channels, 1)
        self.add_classifier(2 * channels, num_classes, drop_rate, weight_std=0.01)

    def forward_features(self, x: Tensor) -> Tensor:
        *hidden, last = self.stem_convs
        for conv in hidden:
            x = conv(x, activation=self.activation)
        x = last(x)
        for block in self.blocks:
            x = block(x)
        features: Tensor = self.final_conv(x, activation=self.activation)
        return features * self.gamma


F_DEPTH = (1, 2, 6, 3)
F_WIDTH = (256, 512, 1536, 1536)
# Dropout, train and test size in pixels, parameters: paper table 1 and the released code (F7 only there).
F_SERIES: tuple[tuple[float, int, int, int], ...] = (
    (0.2, 192, 256, 71_489_284),
    (0.3, 224, 320, 132_634_256),
    (0.4, 256, 352, 193_779_228),
    (0.4, 320, 416, 254_924_200),
    (0.5, 384, 512, 316_069_172),
    (0.5, 416, 544, 377_214_144),
    (0.5, 448, 576, 438_359_116),
    (0.5, 480, 608, 499_504_088),
)


def _register_f(name: str, level: int, width: tuple[int, ...], parameters: int, **defaults: Any) -> None:
    drop_rate, train_size, test_size, _ = F_SERIES[level]
    register(
        ModelInfo(
            name=name,
            family="nfnet",
            normalizer="none",
            train_size=train_size,
            test_size=test_size,
            source="arXiv 2102.06171; released NFNet code, nfnet.py",
            twin=f"bn_{name}" if level < 4 else None,
            parameters=parameters,
        ),
        NFNet,
        depth=tuple(blocks * (level + 1) for blocks in F_DEPTH),
        width=width,
        drop_rate=drop_rate,
        stochastic_depth_rate=0.25,
        **defaults,
    )


for _level, _row in enumerate(F_SERIES):
    _register_f(f"nfnet_f{_level}", _level, F_WIDTH, _row[3])
_register_f("nfnet_f4_plus", 4, (384, 768, 2048, 2048), 524_954_484, round_groups=True)
NANO: dict[str, Any] = {
    "depth": (1, 2, 1),
    "width": (32, 64, 128),
    "stem_hidden": (),
    "stem_strides": (1,),
    "group_size": 16,
}
register(
    ModelInfo(
        name="nfnet_nano",
        family="nfnet",
        normalizer="none",
        train_size=32,
        test_size=32,
        source="the NFNet block of arXiv 2102.06171 in a small network of our own; 14 to 64 px",
        twin="bn_nfnet_nano",
    ),
    NFNet,
    **NANO,
)
