"""A first convolution that whitens patches of the images it is shown before training.

Source: Page 2018 ('How to train your ResNet'), and the form of airbench (Jordan 2024, arXiv 2404.00498, section 3.1):
every eigenvector of the patches' covariance as a filter, and its negative.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_SIDE = 2
_FLOOR = 5e-4
"""Added to every variance, of images of about unit variance: a direction without any would be noise scaled up."""
_CHUNK = 250


class WhiteningConv2d(nn.Conv2d):
    """2x2 convolution without padding, ``[N, C, H, W] -> [N, 8 C, H - 1, W - 1]``: 4 C filters and their negatives.

    The weight is not trained, the bias is. Until `whiten` has seen images the filters are orthonormal ones by chance.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__(in_channels, 2 * in_channels * _SIDE**2, _SIDE)
        self.weight.requires_grad_(False)

    def reset_parameters(self) -> None:
        half = torch.empty_like(self.weight[: len(self.weight) // 2])
        nn.init.orthogonal_(half)
        self._set(half)
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    @torch.no_grad()
    def whiten(self, images: Tensor) -> None:
        """Filters under which the 2x2 patches of `images` ``[N, C, H, W]`` are uncorrelated and of variance 1.

        Computed in float64 on the processor, so that every device begins with the same filters.

        Raises:
            ValueError: the images have other channels, or are no patches wide.
        """
        if images.ndim != 4 or images.shape[1] != self.in_channels or min(images.shape[2:]) < _SIDE or not len(images):
            given = list(images.shape)
            raise ValueError(f"images of shape {given}: give [N, {self.in_channels}, H, W] of 2 px or more")
        numbers = self.in_channels * _SIDE**2
        total, products, count = torch.zeros(numbers).double(), torch.zeros(numbers, numbers).double(), 0
        for part in torch.split(images.cpu().double(), _CHUNK):
            patches = F.unfold(part, _SIDE).transpose(1, 2).reshape(-1, numbers)
            total += patches.sum(0)
            products += patches.T @ patches
            count += len(patches)
        mean = total / count
        variances, vectors = torch.linalg.eigh(products / count - mean[:, None] * mean)
        filters = (vectors / (variances.clamp(min=0) + _FLOOR).sqrt()).T.flip(0)
        self._set(filters.view(numbers, self.in_channels, _SIDE, _SIDE))

    @torch.no_grad()
    def _set(self, half: Tensor) -> None:
        self.weight.copy_(torch.cat([half, -half]))
