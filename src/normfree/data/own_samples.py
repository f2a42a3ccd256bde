"""The images of a data set of the user's own, for every loader."""

from pathlib import Path

import torch
from PIL import Image
from torchvision.transforms.v2 import functional as F

from normfree.config import UserError
from normfree.config.sources.own_items import OwnItems


class OwnSamples:
    """Implements :class:`normfree.data.samples.Samples` over what ``__getitem__`` gives."""

    def __init__(self, items: OwnItems) -> None:
        self._items = items
        self.labels = torch.tensor(items.labels, dtype=torch.int64)

    @property
    def files(self) -> list[Path]:
        """None: nothing says when the images change, and no decoding of them is kept."""
        return []

    def prepare(self) -> None:
        pass

    def read(self, index: int) -> Image.Image:
        try:
            image, label = self._items.item(index)
        except UserError as error:
            raise ValueError(str(error)) from error
        if label != int(self.labels[index]):
            raise ValueError(f"its label was {int(self.labels[index])} and is {label}")
        if isinstance(image, Image.Image):
            return image
        made: Image.Image = F.to_pil_image(image)
        return made

    def where(self, index: int) -> str:
        return f"{self._items.place}[{index}]"
