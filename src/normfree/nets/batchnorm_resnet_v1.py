"""The post-activation ResNet-50 with BatchNorm, which most published ResNet numbers mean.

Source: He et al. 2016 (arXiv 1512.03385), with the stride in the 3x3 convolution; released NFNet code, `resnet.py`
without `preactivation`. The sums are those of torchvision's ``resnet50``; the padding is 'SAME' as in all networks
here, which is torchvision's where every side is one more than a multiple of 32 and shifts windows by a pixel elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from normfree.nets.activations import activation as nonlinearity
from normfree.nets.classifier_network import ClassifierNetwork, rate, stages
from normfree.nets.normalizers import Normalization
from normfree.nets.normalizers.batchnorm import BATCHNORM
from normfree.nets.padding import same_max_pool2d
from normfree.nets.registry import ModelInfo, register
from normfree.nets.residual import BranchBlock, scaled_residual
from normfree.nets.squeeze_excite import SqueezeExcite
from normfree.nets.stochastic_depth import stochastic_depth_rates


class PostActivationBlock(BranchBlock):
    """Post-activation bottleneck: ``[N, Cin, H, W] -> [N, Cout, ceil(H/s), ceil(W/s)]``.

    1x1, 3x3 (strided), 1x1, each followed by BatchNorm; the nonlinearity comes last, after the sum.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int,
        *,
        stage: int,
        project: bool,
        activation: str,
        se_ratio: float,
        stochastic_depth_rate: float,
        normalization: Normalization,
        place: tuple[int, int],
    ) -> None:
        super().__init__()
        nonlinear = nonlinearity(activation)
        self.stage = stage
        self.activation = nonlinear.function
        self.overwriting_activation = normalization.overwriting_activation(nonlinear)
        self.stochastic_depth_rate = stochastic_depth_rate
        mid = out_channels // 4
        self.entry = normalization.entry()
        self.conv0 = normalization.conv(in_channels, mid, 1)
        self.bn0 = normalization.layer(mid, nonlinear)
        self.conv1 = normalization.conv(mid, mid, 3, stride)
        self.bn1 = normalization.layer(mid, nonlinear)
        self.conv2 = normalization.conv(mid, out_channels, 1)
        self.bn2 = normalization.linear(out_channels)
        self.shortcut: nn.Sequential | None = None
        if project:
            conv = normalization.conv(in_channels, out_channels, 1, stride)
            self.shortcut = nn.Sequential(conv, normalization.linear(out_channels))
        self.squeeze_excite = SqueezeExcite(out_channels, se_ratio) if se_ratio > 0 else None
        self.residual = normalization.residual(*place)

    def forward(self, x: Tensor) -> Tensor:
        entered = x if self.entry is None else self.entry(x)
        shortcut = x if self.shortcut is None else self.shortcut(entered)
        branch = self.overwriting_activation(self.bn0(self.conv0(entered)))
        branch = self.overwriting_activation(self.bn1(self.conv1(branch)))
        branch, gate = self.end_branch(self.conv2, branch, self.bn2)
        drop_rate = self.stochastic_depth_rate if self.training else 0.0
        return self.activation(scaled_residual(shortcut, branch, gate, drop_rate, self.shortcut_scale))


class PostActivationResNet(ClassifierNetwork):
    """Post-activation ResNet with BatchNorm.

    Args:
        depth: blocks per stage.
        width: output channels per stage; a block's inner width is a quarter of it.
        stem_width: channels of the stem, a 7x7 convolution of stride 2 before a max-pool.
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
        self.stem_conv = normalization.conv(in_channels, stem_width, 7, 2)
        self.stem_bn = normalization.layer(stem_width, nonlinear)
        self.blocks = nn.ModuleList()
        channels = stem_width
        for index, (stage, out_channels, first, stride) in enumerate(table):
            self.blocks.append(
                PostActivationBlock(
                    channels,
                    out_channels,
                    stride,
                    stage=stage,
                    project=first,
                    activation=activation,
                    se_ratio=se_ratio,
                    stochastic_depth_rate=drop_rates[index],
                    normalization=normalization,
                    place=(index, len(table)),
                )
            )
            channels = out_channels
        self.add_classifier(channels, num_classes, drop_rate, weight_std=0.0)
        normalization.initialise(self)

    def forward_features(self, x: Tensor) -> Tensor:
        x = same_max_pool2d(self.activation(self.stem_bn(self.stem_conv(x))))
        for block in self.blocks:
            x = block(x)
        return x


register(
    ModelInfo(
        name="resnet50_v1",
        family="resnet",
        normalizer="batchnorm",
        train_size=224,
        test_size=224,
        source="arXiv 1512.03385; released NFNet code, resnet.py (post-activation)",
        parameters=25_557_032,
    ),
    PostActivationResNet,
    depth=(3, 4, 6, 3),
    width=(256, 512, 1024, 2048),
)
