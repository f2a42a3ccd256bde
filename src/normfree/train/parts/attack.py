"""``attack=pgd`` in a run: in training on every image, in a test on every image that is right without it.

In training the network is attacked as it is trained: in training mode, BatchNorm with the statistics of the very batch
that it is normalised by, dropout with what the step draws. Its running statistics move with the attacked images alone,
once a step. In a test it is attacked as it is tested.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.config.schema import AttackConfig
from normfree.nets.sample_noise import sample_noise, uniform_of
from normfree.optim import PixelScale, attacked

if TYPE_CHECKING:
    from normfree.train.loader import Part

_TRAINING, _TESTING = 2, 3
"""What the starts are drawn for; 0 and 1 are the passes of a step."""


class Attack:
    """What ``attack`` says, for images that are normalised by ``statistics``.

    Where it begins in the box of epsilon is a function of the seed, the step and the image's number in the batch of the
    step, or of its number in the split: however the batch is cut.

    Args:
        statistics: mean and deviation of each channel, of pixels in [0, 1].
    """

    def __init__(self, settings: AttackConfig, statistics: tuple[Sequence[float], Sequence[float]], seed: int) -> None:
        assert settings.epsilon is not None
        assert settings.step_size is not None
        assert settings.steps is not None
        self.epsilon, self.step_size, self.steps = settings.epsilon, settings.step_size, settings.steps
        self._scale, self._seed = PixelScale(*statistics), seed

    def in_training(self, network: nn.Module, part: Part, step: int) -> Tensor:
        """The images of ``part`` attacked; buffers are as before afterwards."""
        numbers = torch.arange(part.first, part.first + len(part.images), device=part.images.device)
        buffers = [(buffer, buffer.clone()) for buffer in network.buffers()]
        found = self._attacked(network, part.images, part.labels, (step, numbers, _TRAINING), noisy=True)
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        return found

    def in_testing(
        self, tested: Callable[[Tensor], Tensor], images: Tensor, labels: Tensor, logits: Tensor, numbers: Tensor
    ) -> Tensor:
        """The images attacked, but for those that are wrong already: so no attack finds more images right.

        Args:
            tested: images -> logits, as they are judged: a network in eval mode, or its mean with mirror images.
            logits: of the images as they are.
            numbers: of the images in the split, int64 ``[N]``.
        """
        right = (logits.argmax(1) == labels).view(-1, 1, 1, 1)
        return torch.where(right, self._attacked(tested, images, labels, (0, numbers, _TESTING), noisy=False), images)

    def _attacked(
        self,
        network: Callable[[Tensor], Tensor],
        images: Tensor,
        labels: Tensor,
        drawn: tuple[int, Tensor, int],
        noisy: bool,
    ) -> Tensor:
        step, numbers, turn = drawn
        numbers = numbers.to(images.device)

        def loss(changed: Tensor) -> Tensor:
            noise = sample_noise(self._seed, step, numbers) if noisy else nullcontext()
            with noise:
                logits = network(changed)
            logits = logits if changed.dtype == torch.float64 else logits.float()
            return F.cross_entropy(logits, labels, reduction="sum")

        start = uniform_of(self._seed, step, numbers, images[0].numel(), turn)
        return attacked(
            loss, images, self._scale, epsilon=self.epsilon, step_size=self.step_size, steps=self.steps, start=start
        )
