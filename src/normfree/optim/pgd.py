"""Projected gradient descent (PGD) in the space of images: the attack of adversarial training.

Source: Madry et al. 2018 (arXiv 1706.06083), section 2.1 with the sup-norm: steps along the sign of the gradient, each
projected back to the images that differ by epsilon at most and whose pixels are ones that an image can have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class PixelScale:
    """How normalised images stand to pixels in [0, 1]: ``(pixel - mean) / std`` in each channel."""

    mean: Sequence[float]
    std: Sequence[float]

    def of_pixels(self, pixels: float, images: Tensor) -> Tensor:
        """A pixel's value as images have it, ``[1, C, 1, 1]``."""
        mean, std = (torch.tensor(list(each), dtype=torch.float64) for each in (self.mean, self.std))
        return _channels((pixels - mean) / std, images)

    def of_distance(self, distance: float, images: Tensor) -> Tensor:
        """A difference of two pixels as images have it, ``[1, C, 1, 1]``."""
        return _channels(distance / torch.tensor(list(self.std), dtype=torch.float64), images)


def attacked(
    loss: Callable[[Tensor], Tensor],
    images: Tensor,
    scale: PixelScale,
    *,
    epsilon: float,
    step_size: float,
    steps: int,
    start: Tensor | None = None,
) -> Tensor:
    """Images near ``images`` at which the loss is high; no gradient flows through them.

    Weights, their ``grad`` and buffers are what ``loss`` leaves them as. With ``epsilon=0`` the images come back bit by
    bit, also those whose pixels rounding has put outside of [0, 1].

    Args:
        loss: of images, a sum over them: no image's gradient depends on how many there are.
        images: normalised, ``[N, C, H, W]``.
        epsilon: largest change of a pixel, in pixels from 0 to 1.
        step_size: of each step, likewise.
        steps: how many; 0 leaves the start.
        start: numbers in [0, 1), one a pixel, that say where in the box of epsilon to begin; ``None``: in its middle.

    Raises:
        ValueError: a length below 0.
    """
    if min(epsilon, step_size, steps) < 0:
        raise ValueError(f"epsilon={epsilon}, step_size={step_size}, steps={steps}: none can be below 0")
    images = images.detach()
    reach, step = scale.of_distance(epsilon, images), scale.of_distance(step_size, images)
    low = torch.minimum(images, torch.maximum(images - reach, scale.of_pixels(0.0, images)))
    high = torch.maximum(images, torch.minimum(images + reach, scale.of_pixels(1.0, images)))
    found = images
    if start is not None:
        found = _like(images, (images + reach * (2 * start.to(images).view_as(images) - 1)).clamp(low, high))
    for _ in range(steps):
        found = _like(images, (found + step * _gradient(loss, found).sign()).clamp(low, high))
    return found


def _like(images: Tensor, found: Tensor) -> Tensor:
    """In the very strides of the images: kernels, and with them last bits, are chosen by these."""
    return torch.empty_like(images).copy_(found)


def _gradient(loss: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    with torch.enable_grad():
        free = images.detach().requires_grad_()
        value = loss(free)
        with torch.autocast(value.device.type, enabled=False):
            (gradient,) = torch.autograd.grad(value, free)
    return gradient


def _channels(values: Tensor, images: Tensor) -> Tensor:
    return values.to(images.device, images.dtype).view(1, -1, 1, 1)
