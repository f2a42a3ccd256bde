"""Whole batches cropped, mirrored and erased at once, each image by its own random numbers in [0, 1)."""

import torch
import torch.nn.functional as F
from torch import Tensor

ERASED_AREA, ERASED_ASPECT = (0.02, 0.33), (0.3, 3.3)
CROPPED_AREA, CROPPED_ASPECT = (0.08, 1.0), (3 / 4, 4 / 3)

ERASE_DRAWS = 5
ATTEMPTS = 10
CROP_DRAWS = 2 * ATTEMPTS + 2


def shift_and_flip(images: Tensor, pixels: int, draws: Tensor, flipped: Tensor) -> Tensor:
    """Mirror where ``flipped`` ``[N]``, then translate each image by whole pixels, in one gather.

    Args:
        images: uint8 ``[N, C, H, W]``.
        pixels: the largest translation; what comes in at the border is 0.
        draws: ``[N, 2]``: down to up, right to left.
    """
    count, channels, height, width = images.shape
    offset = (draws * (2 * pixels + 1)).long() - pixels
    rows = offset[:, :1] + torch.arange(height, device=images.device)
    columns = offset[:, 1:] + torch.arange(width, device=images.device)
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    columns = torch.where(flipped[:, None], width - 1 - columns, columns)
    places = rows.clamp(0, height - 1)[:, :, None] * width + columns.clamp(0, width - 1)[:, None, :]
    flat = places.view(count, 1, -1).expand(-1, channels, -1)
    return images.reshape(count, channels, -1).gather(2, flat).view_as(images).mul_(inside[:, None])


def erase(images: Tensor, share: float, draws: Tensor) -> None:
    """Random erasing (Zhong et al. 2020), in place: a rectangle of a share of the images becomes the mean, 0.

    Args:
        images: normalised ``[N, C, H, W]``.
        share: of the images that lose a rectangle.
        draws: ``[N, 5]``: whether, area, aspect, top, left.
    """
    height, width = images.shape[2:]
    area = ERASED_AREA[0] + draws[:, 1] * (ERASED_AREA[1] - ERASED_AREA[0])
    low, high = (torch.tensor(bound).log() for bound in ERASED_ASPECT)
    aspect = (low + draws[:, 2] * (high - low)).exp()
    chosen = draws[:, 0] < share
    inside = chosen[:, None, None]
    for axis, side, extent, draw in (
        (1, height, (area * aspect).sqrt(), draws[:, 3]),
        (2, width, (area / aspect).sqrt(), draws[:, 4]),
    ):
        length = (extent * side).round().clamp(1, side)
        start = (draw * (side - length + 1)).floor()
        place = torch.arange(side, device=images.device)
        within = (place >= start[:, None]) & (place < (start + length)[:, None])
        inside = inside & within.unsqueeze(3 - axis)
    images.masked_fill_(inside[:, None], 0.0)


def resized_crop(images: Tensor, draws: Tensor, flipped: Tensor) -> Tensor:
    """Random resized crop (area 0.08 to 1, aspect 3/4 to 4/3) to the size of the images, bicubic; then mirror.

    The first of ten random rectangles that fits is taken, as in torchvision, or else the whole image.

    Args:
        images: uint8 ``[N, C, H, W]``.
        draws: ``[N, 22]``: areas, aspects, top, left.
        flipped: ``[N]``.
    """
    height, width = images.shape[2:]
    areas, aspects, corner = draws[:, :ATTEMPTS], draws[:, ATTEMPTS:-2], draws[:, -2:]
    area = (CROPPED_AREA[0] + areas * (CROPPED_AREA[1] - CROPPED_AREA[0])) * height * width
    low, high = (torch.tensor(bound).log() for bound in CROPPED_ASPECT)
    aspect = (low + aspects * (high - low)).exp()
    widths, heights = (area * aspect).sqrt().round(), (area / aspect).sqrt().round()
    fits = (widths <= width) & (heights <= height)
    first = fits.long().argmax(1, keepdim=True)
    some = fits.any(1)
    cut_width = torch.where(some, widths.gather(1, first)[:, 0], width)
    cut_height = torch.where(some, heights.gather(1, first)[:, 0], height)
    top = (corner[:, 0] * (height - cut_height + 1)).floor()
    left = (corner[:, 1] * (width - cut_width + 1)).floor()
    affine = torch.zeros(len(images), 2, 3, device=images.device)
    affine[:, 0, 0] = torch.where(flipped, -cut_width, cut_width) / width
    affine[:, 0, 2] = (2 * left + cut_width) / width - 1
    affine[:, 1, 1] = cut_height / height
    affine[:, 1, 2] = (2 * top + cut_height) / height - 1
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    cropped = F.grid_sample(images.float(), grid, mode="bicubic", padding_mode="border", align_corners=False)
    return cropped.round_().clamp_(0, 255).to(torch.uint8)
