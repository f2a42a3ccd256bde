"""The clippers that know earlier steps, written down once more in numpy, in the plainest way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

Arrays = list[Any]


def together(gradients: Arrays) -> float:
    return math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))


class RestatedZClip:
    def __init__(
        self, z_threshold: float = 2.5, decay: float = 0.97, warmup_steps: int = 25, max_norm: float | None = 1.0
    ) -> None:
        self.z, self.decay, self.warmup, self.cap = z_threshold, decay, warmup_steps, max_norm
        self.buffer: list[float] = []
        self.mean = self.variance = math.nan

    def __call__(self, gradients: Arrays) -> Arrays:
        norm = together(gradients)
        if not math.isfinite(norm):
            return gradients
        if len(self.buffer) < self.warmup:
            self.buffer.append(norm)
            self.mean, self.variance = float(np.mean(self.buffer)), float(np.var(self.buffer))
            limit = norm
        else:
            score = (norm - self.mean) / (math.sqrt(self.variance) + 1e-6)
            limit = norm if score <= self.z else self.mean + self.z * math.sqrt(self.variance) / (score / self.z)
            self.mean = self.decay * self.mean + (1 - self.decay) * limit
            self.variance = self.decay * self.variance + (1 - self.decay) * (limit - self.mean) ** 2
        if self.cap is not None:
            limit = min(limit, self.cap)
        return [gradient * (limit / norm) if norm > limit else gradient for gradient in gradients]


class RestatedAutoClip:
    def __init__(self, percentile: float = 10.0) -> None:
        self.percentile = percentile
        self.norms: list[float] = []

    def __call__(self, gradients: Arrays) -> Arrays:
        norm = together(gradients)
        if not math.isfinite(norm):
            return gradients
        self.norms.append(norm)
        limit = float(np.percentile(self.norms, self.percentile))
        return [gradient * (limit / norm) if norm > limit else gradient for gradient in gradients]


class RestatedAdaGC:
    def __init__(
        self, max_ratio: float = 1.05, decay: float = 0.98, warmup_steps: int = 100, max_norm: float = 1.0
    ) -> None:
        self.ratio, self.decay, self.warmup, self.max_norm = max_ratio, decay, warmup_steps, max_norm
        self.steps = 0
        self.averages: dict[int, float] = {}

    def __call__(self, gradients: Arrays) -> Arrays:
        self.steps += 1
        if self.steps <= self.warmup:
            norm = together(gradients)
            if not math.isfinite(norm):
                return gradients
            clipped = [gradient * min(1.0, self.max_norm / norm) if norm else gradient for gradient in gradients]
            for place, gradient in enumerate(clipped):
                if (own := together([gradient])) > 0:
                    self.averages[place] = min(self.averages.get(place, math.inf), own)
            return clipped
        return [self._by_itself(place, gradient) for place, gradient in enumerate(gradients)]

    def _by_itself(self, place: int, gradient: Any) -> Any:
        norm = together([gradient])
        if not math.isfinite(norm):
            return gradient
        if place in self.averages:
            average = self.averages[place]
            gradient = gradient * min(1.0, self.ratio * average / norm) if norm else gradient
            self.averages[place] = self.decay * average + (1 - self.decay) * together([gradient])
        elif norm:
            self.averages[place] = norm
        return gradient


class RestatedPerTensor:
    def __init__(self, max_norm: float = 1.0) -> None:
        self.max_norm = max_norm

    def __call__(self, gradients: Arrays) -> Arrays:
        norms = [together([gradient]) for gradient in gradients]
        return [
            gradient * (self.max_norm / norm) if math.isfinite(norm) and norm > self.max_norm else gradient
            for gradient, norm in zip(gradients, norms, strict=True)
        ]


RESTATED: dict[str, Any] = {
    "zclip": RestatedZClip,
    "adagc": RestatedAdaGC,
    "autoclip": RestatedAutoClip,
    "per_tensor": RestatedPerTensor,
}
