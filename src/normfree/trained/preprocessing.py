"""What an image goes through before a network that has been trained, as the run's own test split did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor

from normfree.config.schema import DataConfig
from normfree.data.decode import open_image
from normfree.data.transforms import tested_image


@dataclass(frozen=True)
class Preprocessing:
    """Decoding, cutting, resizing and normalising.

    Attributes:
        size: side in pixels of the square that the network is given.
        channels: 3, or 1 for grey.
        mean, std: of each channel, of pixels in [0, 1].
        keep_aspect: a central square is cut; else the image is squashed. docs/decisions/0014-pixels.md has both.
    """

    size: int
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    keep_aspect: bool = False

    def tested(self, image: bytes | Image.Image) -> Tensor:
        """uint8 ``[channels, size, size]`` of an encoded or opened image, by the rules of `normfree.data.decode`.

        Raises:
            ValueError: the bytes are no image, a damaged one, or one that is refused.
        """
        return tested_image(open_image(image, self.channels), self._data)

    def normalised(self, images: Tensor) -> Tensor:
        """uint8 ``[N, C, H, W]`` -> float32 of about zero mean and unit variance, on the device of the images."""
        mean, std = (self._constants[index].to(images.device) for index in (0, 1))
        return images.float().sub_(mean).div_(std)

    def at(self, size: int | None) -> Preprocessing:
        """The same for another size of images; the part of them that is cut follows it."""
        return self if size is None else replace(self, size=size)

    def record(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Self:
        """What `record` was made of.

        Raises:
            TypeError: it was made of something else.
        """
        return cls(**{**record, "mean": tuple(record["mean"]), "std": tuple(record["std"])})

    @cached_property
    def _data(self) -> DataConfig:
        return DataConfig(test_size=self.size, channels=self.channels, keep_aspect=self.keep_aspect)

    @cached_property
    def _constants(self) -> Tensor:
        """``[2, 1, C, 1, 1]``: mean and deviation of pixels up to 255."""
        return torch.tensor([self.mean, self.std]).view(2, 1, -1, 1, 1) * 255
