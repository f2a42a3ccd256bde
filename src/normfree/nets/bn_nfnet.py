"""The BatchNorm twins of NFNets, with which the NFNet paper's ablation begins.

Source: Brock et al. 2021 (arXiv 2102.06171), tables 2 and 6; the released code has none of them, so the details are
ours, after its BatchNorm ResNet (`resnet.py`): stages, widths, groups, strides, Squeeze-and-Excitation and pooled
shortcuts are those of `nfnet.py`; BatchNorm before each nonlinearity takes the place of scaled weight standardisation,
of alpha and beta, of gamma, of the factor 2 on the gates and of the skip gain.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from normfree.nets.activations import activation as nonlinearity
from normfree.nets.classifier_network import ClassifierNetwork, rate, stages
from normfree.nets.nfnet import F_DEPTH, F_SERIES, F_WIDTH, HALF, NANO, inner_groups
from normfree.nets.normalizers import Normalization
from normfree.nets.normalizers.batchnorm import BATCHNORM
from normfree.nets.padding import same_avg_pool2d
from normfree.nets.registry import ModelInfo, register
from normfree.nets.residual import BranchBlock, scaled_residual
from normfree.nets.squeeze_excite import SqueezeExcite
from normfree.nets.stochastic_depth import stochastic_depth_rates


class BatchNormNFNetBlock(BranchBlock):
    """Pre-activation bottleneck block: ``[N, Cin, H, W] -> [N, Cout, ceil(H/s), ceil(W/s)]``.

    1x1, grouped 3x3 (strided), grouped 3x3, 1x1; inner width half the output's or another share, in whole groups.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        stage: int,
        group_size: int,
        bottleneck_ratio: float,
        activation: str,
        se_ratio: float,
        stochastic_depth_rate: float,
        normalization: Normalization,
        place: tuple[int, int],
    ) -> None:
        super().__init__()
        nonlinear = nonlinearity(activation)
        self.stage = stage
        self.stride = stride
        self.activation = normalization.activation(nonlinear)
        self.stochastic_depth_rate = stochastic_depth_rate
        groups = inner_groups(out_channels, group_size, bottleneck_ratio=bottleneck_ratio)
        mid = groups * group_size
        self.bn0 = normalization.layer(in_channels, nonlinear)
        self.conv0 = normalization.conv(in_channels, mid, 1)
        self.bn1 = normalization.layer(mid, nonlinear)
        self.conv1 = normalization.conv(mid, mid, 3, stride, groups)
        self.bn1b = normalization.layer(mid, nonlinear)
        self.conv1b = normalization.conv(mid, mid, 3, 1, groups)
        self.bn2 = normalization.layer(mid, nonlinear)
        self.conv2 = normalization.conv(mid, out_channels, 1)
        project = stride > 1 or in_channels != out_channels
        self.conv_shortcut = normalization.conv(in_channels, out_channels, 1) if project else None
        self.squeeze_excite = SqueezeExcite(out_channels, se_ratio) if se_ratio > 0 else None
        self.residual = normalization.residual(*place)

    def forward(self, x: Tensor) -> Tensor:
        activated = self.activation(self.bn0(x))
        shortcut = x
        if self.conv_shortcut is not None:
            shortcut = self.conv_shortcut(same_avg_pool2d(activated) if self.stride > 1 else activated)
        branch = self.conv0(activated)
        branch = self.conv1(self.activation(self.bn1(branch)))
        branch = self.conv1b(self.activation(self.bn1b(branch)))
        branch = self.activation(self.bn2(branch))
        drop_rate = self.stochastic_depth_rate if self.training else 0.0
        return scaled_residual(shortcut, *self.end_branch(self.conv2, branch), drop_rate, self.shortcut_scale)


class BatchNormNFNet(ClassifierNetwork):
    """An NFNet with BatchNorm.

    Args:
        depth: blocks per stage.
        width: output channels per stage.
        stem_hidden: channels of the stem's convolutions before its last.
        stem_strides: strides of all of the stem's convolutions.
        stem_width: channels of the stem's last convolution; None takes half of the first stage's.
        group_size: channels per group of the 3x3 convolutions.
        bottleneck_ratio: width of these convolutions, as a share of the stage's.
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
        stem_hidden: Sequence[int] = (16, 32, 64),
        stem_strides: Sequence[int] = (2, 1, 1, 2),
        stem_width: int | None = None,
        group_size: int = 128,
        bottleneck_ratio: float = HALF,
        se_ratio: float = 0.5,
        activation: str = "gelu",
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
        self.stem_convs = nn.ModuleList()
        self.stem_bns = nn.ModuleList(normalization.layer(hidden, nonlinear) for hidden in stem_hidden)
        channels = in_channels
        for out_channels, stride in zip((*stem_hidden, stem_width or width[0] // 2), stem_strides, strict=True):
            self.stem_convs.append(normalization.conv(channels, out_channels, 3, stride))
            channels = out_channels
        self.blocks = nn.ModuleList()
        for index, (stage, out_channels, _, stride) in enumerate(table):
            self.blocks.append(
                BatchNormNFNetBlock(
                    channels,
                    out_channels,
                    stride,
                    stage=stage,
                    group_size=group_size,
                    bottleneck_ratio=bottleneck_ratio,
                    activation=activation,
                    se_ratio=se_ratio,
                    stochastic_depth_rate=drop_rates[index],
                    normalization=normalization,
                    place=(index, len(table)),
                )
            )
            channels = out_channels
        self.final_conv = normalization.conv(channels, 2 * channels, 1)
        self.final_bn = normalization.layer(2 * channels, nonlinear)
        self.add_classifier(2 * channels, num_classes, drop_rate, weight_std=0.01)
        normalization.initialise(self)

    def forward_features(self, x: Tensor) -> Tensor:
        for index, conv in enumerate(self.stem_convs):
            x = conv(self.activation(self.stem_bns[index - 1](x)) if index else x)
        for block in self.blocks:
            x = block(x)
        return self.activation(self.final_bn(self.final_conv(x)))


for _level in range(4):
    _drop_rate, _train_size, _test_size, _ = F_SERIES[_level]
    register(
        ModelInfo(
            name=f"bn_nfnet_f{_level}",
            family="bn_nfnet",
            normalizer="batchnorm",
            train_size=_train_size,
            test_size=_test_size,
            source="nfnet.py with BatchNorm, after the ablation of arXiv 2102.06171 (tables 2 and 6)",
            twin=f"nfnet_f{_level}",
        ),
        BatchNormNFNet,
        depth=tuple(blocks * (_level + 1) for blocks in F_DEPTH),
        width=F_WIDTH,
        drop_rate=_drop_rate,
        stochastic_depth_rate=0.25,
    )
register(
    ModelInfo(
        name="bn_nfnet_nano",
        family="bn_nfnet",
        normalizer="batchnorm",
        train_size=32,
        test_size=32,
        source="nfnet_nano with BatchNorm; 14 to 64 px",
        twin="nfnet_nano",
    ),
    BatchNormNFNet,
    **NANO,
)
