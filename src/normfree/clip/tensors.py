"""Every gradient times a factor of its own: a tensor is a unit."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from normfree.clip.norms import tensor_norms
from normfree.clip.statistics import UnitNorms, parameters_with_gradient


class TensorGradients:
    """The gradients of one call.

    Attributes:
        places: of their parameters in the call.
        gradients: those of the parameters that have one.
        norms: of each, float64 ``[U]``, on the device of the first.
    """

    def __init__(self, parameters: Tensor | Iterable[Tensor]) -> None:
        found = parameters_with_gradient(parameters)
        self.places = tuple(place for place, _, _ in found)
        self.gradients = [gradient for _, _, gradient in found]
        if found:
            device = self.gradients[0].device
            self.norms = torch.stack([norm.to(device) for norm in tensor_norms(self.gradients)]).double()

    def __len__(self) -> int:
        return len(self.gradients)

    def limit_(self, limit: Tensor) -> UnitNorms:
        """Multiplies each, in place, by ``limit / norm`` where its norm is above its limit ``[U]`` and finite."""
        units = UnitNorms(self.norms, limit, tuple((place, 1) for place in self.places), "eager", least=0.0)
        devices = {gradient.device for gradient in self.gradients}
        factors = list(units.scale.unbind())
        if len(devices) > 1:
            factors = [factor.to(gradient.device) for factor, gradient in zip(factors, self.gradients, strict=True)]
        torch._foreach_mul_(self.gradients, factors)
        return units
