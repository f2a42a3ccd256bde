"""A small fast network for small images, with BatchNorm, without it, and with scaled weight standardisation.

Source: the network of Keller Jordan's airbench (arXiv 2404.00498): a convolution of 2x2 that whitens patches of the
images, then groups of conv, pool, act, conv, act, a max-pool over the map and a linear classifier whose output is
scaled down; filters that begin as the identity. Without BatchNorm it is `batchnorm_begone.py` of the same author's
research-airbench, whose filters the optimizer keeps on the unit sphere (``optimizer=sphere``).

The three train the same parameters but for the gains of weight standardisation: a filter and a bias a channel.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.nets.activations import activation as nonlinearity
from normfree.nets.batch_norm import GhostBatchNorm2d
from normfree.nets.classifier_network import ClassifierNetwork
from normfree.nets.initializers import lecun_normal_
from normfree.nets.padding import SameConv2d
from normfree.nets.registry import ModelInfo, register
from normfree.nets.sample_noise import dropout
from normfree.nets.weight_standardization import WSConv2d
from normfree.nets.whitening import WhiteningConv2d


class IdentityConv2d(SameConv2d):
    """3x3 convolution whose first filters pass their channel on; filters have norm 1, a bias, if asked for, is 0."""

    def __init__(self, in_channels: int, out_channels: int, bias: bool) -> None:
        super().__init__(in_channels, out_channels, 3)
        if bias:
            self.bias = nn.Parameter(torch.zeros(out_channels))

    def reset_parameters(self) -> None:
        identity_(self.weight)


def identity_(weight: Tensor) -> None:
    """Fills ``[Cout, Cin, k, k]``: filter i < Cin passes channel i on, the others are normal, scaled to norm 1."""
    lecun_normal_(weight)
    with torch.no_grad():
        weight.div_(weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1))
    nn.init.dirac_(weight[: weight.shape[1]])


class SpeedGroup(nn.Module):
    """conv, 2x2 max-pool, act, conv, act: ``[N, Cin, H, W] -> [N, Cout, H // 2, W // 2]``.

    Attributes:
        bn0, bn1: BatchNorm before each activation, or None.
    """

    def __init__(self, conv0: nn.Module, conv1: nn.Module, stage: int, activation: str) -> None:
        super().__init__()
        self.stage = stage
        self.activation = nonlinearity(activation).function
        self.conv0, self.conv1 = conv0, conv1
        self.bn0: nn.Module | None = None
        self.bn1: nn.Module | None = None

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(self.conv0(x), 2)
        x = self.activation(x if self.bn0 is None else self.bn0(x))
        x = self.conv1(x)
        return self.activation(x if self.bn1 is None else self.bn1(x))


class SpeedNet(ClassifierNetwork):
    """Without normalisation: a bias a channel stands where BatchNorm's offset does.

    Args:
        width: channels of each group.
        drop_rate: dropout before the classifier.
        logit_scale: what the classifier's output is multiplied by.
    """

    normalizer = "none"

    def __init__(
        self,
        *,
        width: Sequence[int] = (64, 256, 256),
        activation: str = "gelu",
        drop_rate: float = 0.0,
        logit_scale: float = 1 / 9,
        in_channels: int = 3,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        width = [int(channels) for channels in width]
        if not width or min(width) < 1:
            raise ValueError(f"width={width} needs a positive number a group")
        self.activation = nonlinearity(activation).function
        self.logit_scale = logit_scale
        self.stem_whitening = WhiteningConv2d(in_channels)
        channels = self.stem_whitening.out_channels
        self.blocks = nn.ModuleList()
        for stage, out_channels in enumerate(width):
            convs = [self.convolution(count, out_channels, activation) for count in (channels, out_channels)]
            self.blocks.append(SpeedGroup(convs[0], convs[1], stage, activation))
            channels = out_channels
        self.add_classifier(channels, num_classes, drop_rate, weight_std=(3 * channels) ** -0.5)

    def convolution(self, in_channels: int, out_channels: int, activation: str) -> nn.Module:
        """A 3x3 convolution of what `activation` gives."""
        return IdentityConv2d(in_channels, out_channels, bias=True)

    def initialise_from(self, images: Tensor) -> None:
        """Sets the initial values that depend on data: the stem whitens patches of `images` ``[N, C, H, W]``,
        normalised.
        """
        self.stem_whitening.whiten(images)

    def forward_features(self, x: Tensor) -> Tensor:
        x = self.activation(self.stem_whitening(x))
        for block in self.blocks:
            x = block(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.forward_features(x).amax((2, 3))
        if isinstance(self.classifier, nn.Identity):
            return pooled
        logits: Tensor = self.classifier(dropout(pooled, self.drop_rate, self.training))
        return logits * self.logit_scale


class BatchNormSpeedNet(SpeedNet):
    """With BatchNorm before every activation but the stem's. Its scale stays 1, its offset is the bias of `SpeedNet`.

    Args:
        ghost_batch: samples per ghost batch of BatchNorm; None for the whole micro batch.
    """

    normalizer = "batchnorm"

    def __init__(
        self,
        *,
        width: Sequence[int] = (64, 256, 256),
        activation: str = "gelu",
        drop_rate: float = 0.0,
        logit_scale: float = 1 / 9,
        ghost_batch: int | None = None,
        in_channels: int = 3,
        num_classes: int = 1000,
    ) -> None:
        super().__init__(
            width=width, activation=activation, drop_rate=drop_rate, logit_scale=logit_scale,
            in_channels=in_channels, num_classes=num_classes,
        )  # fmt: skip
        self.ghost_batch = ghost_batch
        for block, channels in zip(self.blocks, width, strict=True):
            block.bn0, block.bn1 = (GhostBatchNorm2d(int(channels), ghost_batch) for _ in range(2))
            block.bn0.weight.requires_grad_(False)
            block.bn1.weight.requires_grad_(False)

    def convolution(self, in_channels: int, out_channels: int, activation: str) -> nn.Module:
        return IdentityConv2d(in_channels, out_channels, bias=False)


class StandardizedSpeedNet(SpeedNet):
    """With scaled weight standardisation (arXiv 2101.08692): a gain and a bias a channel, and gamma on every input."""

    def convolution(self, in_channels: int, out_channels: int, activation: str) -> nn.Module:
        conv = WSConv2d(in_channels, out_channels, 3, input_scale=nonlinearity(activation).gamma)
        identity_(conv.weight)
        return conv


for _name, _normalizer, _twin, _network in (
    ("speednet", "none", "bn_speednet", SpeedNet),
    ("bn_speednet", "batchnorm", "speednet", BatchNormSpeedNet),
    ("nf_speednet", "none", "bn_speednet", StandardizedSpeedNet),
):
    register(
        ModelInfo(
            name=_name,
            family="speednet",
            normalizer=_normalizer,
            train_size=32,
            test_size=32,
            source="Jordan 2024 (arXiv 2404.00498), and without BatchNorm his batchnorm_begone.py; 9 px and more",
            twin=_twin,
        ),
        _network,
        width=(64, 256, 256),
    )
