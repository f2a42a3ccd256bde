"""What every network here has in common: features, global average pool, dropout, linear classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from normfree.nets.sample_noise import dropout


class ClassifierNetwork(nn.Module):
    """Base of all networks.

    Attributes:
        normalizer: one of `normfree.nets.normalizers`, or what the layers of another library's network are.
        blocks: the residual blocks in depth order; each has an integer ``stage``.
        classifier: ``nn.Linear``, or ``nn.Identity`` if ``num_classes`` is 0.
        drop_rate: dropout probability before the classifier, in training.
        folded: whether this is `fold`'s copy, which evaluates only.
        norm_frozen: whether BatchNorm uses its running statistics in training too, and leaves them as they are.
        library: which other library builds its layers, or None for a network of this package.
    """

    normalizer: str
    blocks: nn.ModuleList
    classifier: nn.Linear | nn.Identity
    drop_rate: float
    folded: bool = False
    norm_frozen: bool = False
    library: str | None = None

    def train(self, mode: bool = True) -> Self:
        """Sets training mode; the statistics of a BatchNorm that are frozen stay so.

        Raises:
            ValueError: the network is folded and `mode` is true.
        """
        if mode and self.folded:
            raise ValueError("a folded network is for evaluation; train the network it was made from")
        super().train(mode)
        if self.norm_frozen:
            for layer in self.modules():
                if isinstance(layer, _BatchNorm):
                    layer.eval()
        return self

    def add_classifier(self, features: int, num_classes: int, drop_rate: float, weight_std: float) -> None:
        """Sets the classifier: weight from ``N(0, weight_std ** 2)``, bias 0."""
        if num_classes < 0:
            raise ValueError(f"num_classes={num_classes}: give 0 (pooled features) or more")
        self.drop_rate = rate("drop_rate", drop_rate)
        if num_classes == 0:
            self.classifier = nn.Identity()
            return
        self.classifier = nn.Linear(features, num_classes)
        nn.init.normal_(self.classifier.weight, std=weight_std)
        nn.init.zeros_(self.classifier.bias)

    def forward_features(self, x: Tensor) -> Tensor:
        """The activated map that the head pools: ``[N, in_channels, H, W] -> [N, C, h, w]``."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Logits ``[N, num_classes]``, or pooled features ``[N, C]`` if there is no classifier."""
        pooled = self.forward_features(x).mean((2, 3))
        if isinstance(self.classifier, nn.Identity):
            return pooled
        logits: Tensor = self.classifier(dropout(pooled, self.drop_rate, self.training))
        return logits


def rate(name: str, value: float) -> float:
    """Returns `value`, a probability in [0, 1); raises ValueError otherwise."""
    if not 0 <= value < 1:
        raise ValueError(f"{name}={value}: give a probability in [0, 1)")
    return float(value)


def stages(depth: Sequence[int], width: Sequence[int]) -> list[tuple[int, int, bool, int]]:
    """The stage table, one row a block: (stage, output channels, first of its stage, stride).

    The first stage keeps the resolution; every later one halves it in its first block.

    Raises:
        ValueError: depth and width differ in length, or hold something below 1.
    """
    depth, width = [int(blocks) for blocks in depth], [int(channels) for channels in width]
    if len(depth) != len(width) or not depth:
        raise ValueError(f"depth={depth} and width={width} need one number a stage each")
    if min(depth) < 1 or min(width) < 1:
        raise ValueError(f"depth={depth} and width={width} need positive numbers")
    return [
        (stage, channels, index == 0, 2 if stage > 0 and index == 0 else 1)
        for stage, (blocks, channels) in enumerate(zip(depth, width, strict=True))
        for index in range(blocks)
    ]
