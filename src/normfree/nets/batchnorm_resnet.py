"""Pre-activation ResNets with BatchNorm, the baseline of the NF papers, and small ones for small images.

Source: He et al. 2016 (arXiv 1603.05027); released NFNet code, `resnet.py` in its default (v2) form. The
first block of every stage projects its shortcut by a strided 1x1 convolution of the activated input. The
small networks (20, 56 and wrn_28_10) have a 3x3 stem, no max-pool and blocks of two 3x3 convolutions; their first stage
projects as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from normfree.nets.activations import activation as nonlinearity
from normfree.nets.classifier_network import ClassifierNetwork, rate, stages
from normfree.nets.normalizers import Normalization
from normfree.nets.normalizers.batchnorm import BATCHNORM
from normfree.nets.padding import SameConv2d, same_max_pool2d
from normfree.nets.registry import ModelInfo, register
from normfree.nets.residual import BranchBlock, scaled_residual
from normfree.nets.squeeze_excite import SqueezeExcite
from normfree.nets.stochastic_depth import stochastic_depth_rates


class BatchNormBlock(BranchBlock):
    """Pre-activation residual block: ``[N, Cin, H, W] -> [N, Cout, ceil(H/s), ceil(W/s)]``.

    Bottleneck: 1x1, 3x3 (strided), 1x1. Basic: 3x3 (strided), 3x3.
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
        normalization: Normalization,
        place: tuple[int, int],
    ) -> None:
        super().__init__()
        nonlinear = nonlinearity(activation)
        self.stage = stage
        self.overwriting_activation = normalization.overwriting_activation(nonlinear)
        self.bn2: nn.Module | None = None
        self.conv2: SameConv2d | None = None
        self.stochastic_depth_rate = stochastic_depth_rate
        self.bn0 = normalization.layer(in_channels, nonlinear)
        if bottleneck:
            mid = out_channels // 4
            self.conv0 = normalization.conv(in_channels, mid, 1)
            self.bn1 = normalization.layer(mid, nonlinear)
            self.conv1 = normalization.conv(mid, mid, 3, stride)
            self.bn2 = normalization.layer(mid, nonlinear)
            self.conv2 = normalization.conv(mid, out_channels, 1)
        else:
            self.conv0 = normalization.conv(in_channels, out_channels, 3, stride)
            self.bn1 = normalization.layer(out_channels, nonlinear)
            self.conv1 = normalization.conv(out_channels, out_channels, 3)
        self.conv_shortcut = normalization.conv(in_channels, out_channels, 1, stride) if project else None
        self.squeeze_excite = SqueezeExcite(out_channels, se_ratio) if se_ratio > 0 else None
        self.residual = normalization.residual(*place)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.overwriting_activation(self.bn0(x))
        shortcut = x if self.conv_shortcut is None else self.conv_shortcut(activated)
        branch = self.overwriting_activation(self.bn1(self.conv0(activated)))
        last = self.conv1
        if self.bn2 is not None and self.conv2 is not None:
            branch, last = self.overwriting_activation(self.bn2(self.conv1(branch))), self.conv2
        drop_rate = self.stochastic_depth_rate if self.training else 0.0
        return scaled_residual(shortcut, *self.end_branch(last, branch), drop_rate, self.shortcut_scale)


class BatchNormResNet(ClassifierNetwork):
    """Pre-activation ResNet with BatchNorm.

    Args:
        depth: blocks per stage.
        width: output channels per stage; a bottleneck's inner width is a quarter of it.
        bottleneck: bottleneck blocks, else basic ones.
        small_stem: 3x3 convolution of stride 1, else 7x7 of stride 2 and a max-pool.
        stem_width: channels of the stem.
        se_ratio: hidden share of Squeeze-and-Excitation; 0 for none.
        drop_rate: dropout before the classifier.
        stochastic_depth_rate: of the last block but for one step; rises linearly from 0.
        normalization: what stands where the baseline has BatchNorm.
    """

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
        drop_rate: float = 0.0,
        stochastic_depth_rate: float = 0.0,
        normalization: Normalization = BATCHNORM,
        in_channels: int = 3,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        table = stages(depth, width)
        drop_rates = stochastic_depth_rates(rate("stochastic_depth_rate", stochastic_depth_rate), len(table))
        nonlinear = nonlinearity(activation)
        self.normalizer = normalization.kind.name
        self.activation = normalization.activation(nonlinear)
        self.pool_stem = not small_stem
        self.stem_conv = normalization.conv(in_channels, stem_width, *((3, 1) if small_stem else (7, 2)))
        self.blocks = nn.ModuleList()
        channels = stem_width
        for index, (stage, out_channels, first, stride) in enumerate(table):
            self.blocks.append(
                BatchNormBlock(
                    channels,
                    out_channels,
                    stride,
                    stage=stage,
                    project=first,
                    bottleneck=bottleneck,
                    activation=activation,
                    se_ratio=se_ratio,
                    stochastic_depth_rate=drop_rates[index],
                    normalization=normalization,
                    place=(index, len(table)),
                )
            )
            channels = out_channels
        self.final_bn = normalization.layer(channels, nonlinear)
        self.add_classifier(channels, num_classes, drop_rate, weight_std=0.0)
        normalization.initialise(self)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.stem_conv(x)
        if self.pool_stem:
            x = same_max_pool2d(x)
        for block in self.blocks:
            x = block(x)
        return self.activation(self.final_bn(x))


_PARAMETERS = {50: 25_549_352, 101: 44_541_480, 152: 60_185_128, 200: 64_666_152}
_DEPTHS: dict[int, tuple[int, ...]] = {
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
# Depth and width.
_SMALL: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
    "resnet20": ((3, 3, 3), (16, 32, 64)),
    "resnet56": ((9, 9, 9), (16, 32, 64)),
    "wrn_28_10": ((4, 4, 4), (160, 320, 640)),
}

for _layers, _depth in _DEPTHS.items():
    register(
        ModelInfo(
            name=f"resnet{_layers}",
            family="resnet",
            normalizer="batchnorm",
            train_size=224,
            test_size=224,
            source="released NFNet code, resnet.py (pre-activation)",
            twin=f"nf_resnet{_layers}",
            parameters=_PARAMETERS[_layers],
        ),
        BatchNormResNet,
        depth=_depth,
        width=(256, 512, 1024, 2048),
    )
register(
    ModelInfo(
        name="se_resnet50",
        family="resnet",
        normalizer="batchnorm",
        train_size=224,
        test_size=224,
        source="Hu et al. 2018 (gates of 1/16 on every branch) in the released baseline",
        twin="nf_se_resnet50",
    ),
    BatchNormResNet,
    depth=_DEPTHS[50],
    width=(256, 512, 1024, 2048),
    se_ratio=1 / 16,
)
for _name, (_depth, _width) in _SMALL.items():
    register(
        ModelInfo(
            name=_name,
            family="resnet",
            normalizer="batchnorm",
            train_size=32,
            test_size=32,
            source="He et al. 2016 (CIFAR networks; wrn: arXiv 1605.07146) with the released shortcuts; 8 to 64 px",
            twin=f"nf_{_name}",
        ),
        BatchNormResNet,
        depth=_depth,
        width=_width,
        bottleneck=False,
        small_stem=True,
        stem_width=16,
    )
