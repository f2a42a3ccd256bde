"""EfficientNets, the BatchNorm networks that the NFNets' accuracy and cost are usually held against.

Source: Tan & Le 2019 (arXiv 1905.11946); the layers and their initial values are torchvision's. Two things differ
from the networks of this package: paddings are symmetric, and stochastic depth divides a surviving branch by its
probability of surviving. The rates of its blocks rise as they do here.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor, nn

from normfree.nets.classifier_network import ClassifierNetwork, rate
from normfree.nets.peers.ghost_batches import use_ghost_batches
from normfree.nets.peers.peer_noise import peer_noise
from normfree.nets.registry import ModelInfo, register


class EfficientNet(ClassifierNetwork):
    """torchvision's EfficientNet: its layers, values and sums. ``[N, in_channels, H, W] -> [N, num_classes]``.

    Args:
        variant: torchvision's name of it, for example ``efficientnet_b0``.
        drop_rate: dropout before the classifier.
        stochastic_depth_rate: of the last block but for one step; rises linearly from 0.
        ghost_batch: samples per ghost batch of BatchNorm; None for the whole micro batch.

    Raises:
        ValueError: torchvision cannot be imported, or a value fits no network.
    """

    normalizer = "batchnorm"
    library = "torchvision"

    def __init__(
        self,
        variant: str,
        *,
        drop_rate: float = 0.2,
        stochastic_depth_rate: float = 0.2,
        ghost_batch: int | None = None,
        in_channels: int = 3,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        if num_classes < 0:
            raise ValueError(f"num_classes={num_classes}: give 0 (pooled features) or more")
        self.drop_rate = rate("drop_rate", drop_rate)
        theirs = _torchvision_models().get_model(
            variant,
            weights=None,
            num_classes=num_classes or 1,
            stochastic_depth_prob=rate("stochastic_depth_rate", stochastic_depth_rate),
        )
        self.stem, *stages, self.head = theirs.features
        self.blocks = nn.ModuleList()
        for number, stage in enumerate(stages):
            for block in stage:
                block.stage = number
                self.blocks.append(block)
        self.classifier = theirs.classifier[1] if num_classes else nn.Identity()
        first = self.stem[0]
        if in_channels != first.in_channels:
            self.stem[0] = nn.Conv2d(in_channels, first.out_channels, 3, 2, 1, bias=False)
            nn.init.kaiming_normal_(self.stem[0].weight, mode="fan_out")
        if ghost_batch is not None:
            use_ghost_batches(self, ghost_batch)

    def forward_features(self, x: Tensor) -> Tensor:
        with peer_noise(self.training):
            x = self.stem(x)
            for block in self.blocks:
                x = block(x)
            features: Tensor = self.head(x)
        return features


def _torchvision_models() -> Any:
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"torchvision cannot be imported ({reason}); install that of torch's build") from error
    return torchvision.models


# Image side of the paper, dropout, and parameters as torchvision publishes them.
_VARIANTS = (
    (224, 0.2, 5_288_548),
    (240, 0.2, 7_794_184),
    (260, 0.3, 9_109_994),
    (300, 0.3, 12_233_232),
    (380, 0.4, 19_341_616),
    (456, 0.4, 30_389_784),
    (528, 0.5, 43_040_704),
    (600, 0.5, 66_347_960),
)

for _level, (_size, _drop_rate, _parameters) in enumerate(_VARIANTS):
    register(
        ModelInfo(
            name=f"efficientnet_b{_level}",
            family="efficientnet",
            normalizer="batchnorm",
            train_size=_size,
            test_size=_size,
            source="arXiv 1905.11946; built by torchvision",
            parameters=_parameters,
        ),
        partial(EfficientNet, f"efficientnet_b{_level}"),
        drop_rate=_drop_rate,
    )
