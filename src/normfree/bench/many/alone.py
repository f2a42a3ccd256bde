"""One run by itself: forward and backward pass, AGC and SGD as train.py computes them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.bench.many.job import EPS, LABEL_SMOOTHING, MOMENTUM, WEIGHT_DECAY, Job, Recipe, images_of, network_of
from normfree.clip import clip_grad_agc_, clipped_parameters
from normfree.host.allocator import keep_freed_memory
from normfree.optim import build_sgd


class Alone:
    """A run that can take steps.

    Attributes:
        taken: how many it has taken.
    """

    def __init__(self, job: Job, recipe: Recipe) -> None:
        if torch.device(job.device).type == "cpu":
            keep_freed_memory()
        self._job, self._clip_factor = job, recipe.clip_factor
        self.network = network_of(job, recipe)
        images, self._labels = images_of(job, recipe)
        self._images = images.contiguous(memory_format=job.memory_format)
        self._clipped = list(clipped_parameters(self.network))
        self._optimizer = build_sgd(self.network, recipe.lr, weight_decay=WEIGHT_DECAY, momentum=MOMENTUM, fused=True)
        self.taken = 0

    def take(self) -> Tensor:
        """One step; returns its loss."""
        self._optimizer.zero_grad()
        with self._job.autocast():
            logits = self.network(self._images)
        logits = logits if logits.dtype == torch.float64 else logits.float()
        loss = F.cross_entropy(logits, self._labels, label_smoothing=LABEL_SMOOTHING)
        loss.backward()  # type: ignore[no-untyped-call]
        if self._clip_factor is not None:
            clip_grad_agc_(self._clipped, self._clip_factor, EPS)
        self._optimizer.step()
        self.taken += 1
        return loss.detach()

    def weights(self) -> dict[str, Tensor]:
        """Parameters by name."""
        return {name: parameter.detach() for name, parameter in self.network.named_parameters()}
