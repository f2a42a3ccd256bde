"""The post-activation ResNet-50 with BatchNorm, which most published ResNet numbers mean.

Source: He et al. 2016 (arXiv 1512.03385), with the stride in the 3x3 convolution; released NFNet code, `resnet.py`
without `preactivation`. The sums are those of torchvision's ``resnet50``; the padding is 'SAME' as in all networks
here, which is torchvision's where every side is one more than a multiple of 32 and shifts windows by a pixel elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from normfree.nets.activations import activation as nonlinearity
from normfree.nets.batch_norm import GhostBatchNorm2d
from normfree.nets.classifier_network import ClassifierNetwork, rate, stages
from normfree.nets.padding import SameConv2d, same_max_pool2d
from normfree.nets.registry import ModelInfo, register
from normfree.nets.residual import scaled_residual
from normfree.nets.squeeze_excite import SqueezeExcite
from normfree.nets.stochastic_depth import stochastic_depth_rates


class PostActivationBlock(nn.Module):
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
        ghost_batch: int | None,
    ) -> None:
        super().__init__()
        self.stage = stage
        self.activation = nonlinearity(activation).function
        self.overwriting_activation = nonlinearity(activation).overwriting
        self.stochastic_depth_rate = stochastic_depth_rate
        mid = out_channels // 4
        self.conv0 = SameConv2d(in_channels, mid, 1)
        self.bn0 = GhostBatchNorm2d(mid, ghost_batch)
        self.conv1 = SameConv2d(mid, mid, 3, stride)
        self.bn1 = GhostBatchNorm2d(mid, ghost_batch)
        self.conv2 = SameConv2d(mid, out_channels, 1)
        self.bn2 = GhostBatchNorm2d(out_channels, ghost_batch)
        self.shortcut: nn.Sequential | None = None
        if project:
            conv = SameConv2d(in_channels, out_channels, 1, stride)
            self.shortcut = nn.Sequential(conv, GhostBatchNorm2d(out_channels, ghost_batch))
        self.squeeze_excite = SqueezeExcite(out_channels, se_ratio) if se_ratio > 0 else None

    def forward(self, x: Tensor) -> Tensor:
        shortcut = x if self.shortcut is None else self.shortcut(x)
        branch = self.overwriting_activation(self.bn0(self.conv0(x)))
        branch = self.overwriting_activation(self.bn1(self.conv1(branch)))
        branch = self.bn2(self.conv2(branch))
        gate = None if self.squeeze_excite is None else self.squeeze_excite(branch)
        drop_rate = self.stochastic_depth_rate if self.training else 0.0
        return self.activation(scaled_residual(shortcut, branch, gate, drop_rate))


class PostActivationResNet(ClassifierNetwork):
    """Post-activation ResNet with BatchNorm.

    Args:
        depth: blocks per stage.
        width: output channels per stage; a block's inner width is a quarter of it.
        stem_width: channels of the stem, a 7x7 convolution of stride 2 before a max-pool.
        se_ratio: hidden share of Squeeze-and-Excitation; 0 for none.
        drop_rate: dropout before the classifier.
        stochastic_depth_rate: of the last block but for one step; rises linearly from 0.
        ghost_batch: samples per BatchNorm statistics group; None for the whole micro batch.
    """

    normalizer = "batchnorm"

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
        ghost_batch: int | None = None,
        in_channels: int = 3,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        table = stages(depth, width)
        drop_rates = stochastic_depth_rates(rate("stochastic_depth_rate", stochastic_depth_rate), len(table))
        self.activation = nonlinearity(activation).function
        self.ghost_batch = ghost_batch
        self.stem_conv = SameConv2d(in_channels, stem_width, 7, 2)
        self.stem_bn = GhostBatchNorm2d(stem_width, ghost_batch)
        self.blocks = nn.ModuleList()
        channels = stem_width
        for (stage, out_channels, first, stride), block_drop_rate in zip(table, drop_rates, strict=True):
            self.blocks.append(
                PostActivationBlock(
                    channels,
                    out_channels,
                    stride,
                    stage=stage,
                    project=first,
                    activation=activation,
                    se_ratio=se_ratio,
                    stochastic_depth_rate=block_drop_rate,
                    ghost_batch=ghost_batch,
                )
            )
            channels = out_channels
        self.add_classifier(channels, num_classes, drop_rate, weight_std=0.0)

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
