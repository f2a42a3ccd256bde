"""``private=dpsgd`` in a run: the gradients of a step, the noise that the budget asks for, and what has been spent.

Sampling, and what is guaranteed: docs/decisions/0034-private-training.md. Opacus does the accounting.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.config import Resolved, UserError
from normfree.nets.sample_noise import key_of, sample_noise
from normfree.optim.private import GivenGradients, add_noise, private_gradients

if TYPE_CHECKING:
    from normfree.train.loader import Part

_NOISE = 4
"""What the noise of a step is drawn for."""
_TOLERANCE = 0.01
"""By which the budget may not be used up."""
ORDERS = (
    1.01,
    1.02,
    1.05,
    *(1 + number / 10 for number in range(1, 100)),
    *range(12, 64),
    *(2**n for n in range(6, 17)),
)
"""Of Renyi divergences, among which the accountant chooses; more than Opacus' own, lest the best be at an edge."""


class PrivateSteps:
    """The private steps of a run.

    Attributes:
        noise_multiplier: deviation of the noise, over the largest norm of an image's gradient.

    Raises:
        UserError: no noise keeps so small a budget.
    """

    def __init__(self, resolved: Resolved) -> None:
        config, settings = resolved.config, resolved.config.private
        assert settings.epsilon is not None
        assert settings.delta is not None
        assert settings.max_norm is not None
        self._config, self._settings = config, settings
        self._max_norm, self._delta = settings.max_norm, settings.delta
        self._rate = config.batch / config.data.train_samples
        self._steps_per_epoch = resolved.steps_per_epoch
        self.noise_multiplier = _noise_multiplier(settings.epsilon, self._delta, self._rate, resolved.steps)

    def loss(self, network: nn.Module, part: Part, step: int) -> tuple[Tensor, Tensor]:
        """Mean loss, whose backward pass gives the mean of the images' cut gradients, and logits ``[N, K]``."""
        images = part.images
        numbers = torch.arange(part.first, part.first + len(images), device=images.device)
        trained = [each for each in network.parameters() if each.requires_grad]
        total, losses, logits = private_gradients(
            network, self._loss_at(step), images, part.labels, numbers, self._max_norm
        )
        # In the strides of the weights, as other ranks are told them.
        mean = [torch.empty_like(weight).copy_(each / len(images)) for weight, each in zip(trained, total, strict=True)]
        loss: Tensor = GivenGradients.apply(losses.mean(), mean, *trained)  # type: ignore[no-untyped-call]
        return loss, logits

    def _loss_at(self, step: int) -> Callable[..., tuple[Tensor, Tensor]]:
        smoothing, seed = self._config.optimizer.label_smoothing, self._config.seed

        def of_one(
            called: Callable[[Tensor], Tensor], image: Tensor, label: Tensor, number: Tensor
        ) -> tuple[Tensor, Tensor]:
            with sample_noise(seed, step, number):
                logits = called(image)
            logits = logits if image.dtype == torch.float64 else logits.float()
            return F.cross_entropy(logits, label, label_smoothing=smoothing), logits[0]

        return of_one

    def add_noise(self, network: nn.Module, step: int) -> None:
        """To the mean gradient of a whole batch, the same on all ranks; a function of seed and step alone."""
        gradients = [each.grad for each in network.parameters() if each.grad is not None]
        deviation = self.noise_multiplier * self._max_norm / self._config.batch
        add_noise(gradients, deviation, key_of(self._config.seed, step, _NOISE))

    def spent(self, steps: int) -> dict[str, float]:
        """After so many steps, by their columns: epsilon at delta as if every batch had been drawn by Poisson sampling,
        and as it is guaranteed for batches of passes over shuffled images.
        """
        passes = math.ceil(steps / self._steps_per_epoch)
        return {
            "private/epsilon": _epsilon(self.noise_multiplier, self._rate, steps, self._delta),
            "private/epsilon_of_passes": _epsilon(self.noise_multiplier, 1.0, passes, self._delta),
            "private/delta": self._delta,
            "private/noise_multiplier": self.noise_multiplier,
        }


def _epsilon(noise_multiplier: float, rate: float, steps: int, delta: float) -> float:
    from opacus.accountants import RDPAccountant

    accountant = RDPAccountant()
    accountant.history = [(noise_multiplier, rate, steps)]
    return float(accountant.get_epsilon(delta, alphas=list(ORDERS)))


@cache
def _noise_multiplier(epsilon: float, delta: float, rate: float, steps: int) -> float:
    from opacus.accountants.utils import get_noise_multiplier

    try:
        return float(
            get_noise_multiplier(
                target_epsilon=epsilon, target_delta=delta, sample_rate=rate, steps=steps, accountant="rdp",
                epsilon_tolerance=min(_TOLERANCE, epsilon / 100), alphas=list(ORDERS),
            )
        )  # fmt: skip
    except ValueError as error:
        raise UserError(
            f"private.epsilon={epsilon:g}: no noise keeps {steps:,} steps within it ({error}); give more, or train less"
        ) from error
