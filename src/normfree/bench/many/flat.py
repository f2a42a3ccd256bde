"""The parameters of k runs in one piece of memory, where AGC and SGD of all of them are a few operations.

Each run keeps its own learning rate and clipping factor, and each unit of AGC its own norm: the units of a parameter of
k runs are k times as many, and none has elements of two runs. Parameters whose units have the same number of elements
lie beside each other, so that norms of all their units are one operation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from normfree.bench.many.job import EPS, MOMENTUM, WEIGHT_DECAY, Recipe
from normfree.clip import clipped_parameters, unit_dims
from normfree.optim.parameter_groups import parameter_groups


@dataclass(frozen=True)
class _Place:
    name: str
    shape: torch.Size
    units: int
    fan_in: int
    last: bool
    """Whether its channels are the last in memory."""


class Flat:
    """Weights, gradients and momentum of k networks of one kind.

    Args:
        networks: of the same parameters; they are copied.
        recipes: one for each.

    Attributes:
        stacked: by name ``[k, *shape]``, leaves that share the memory.
    """

    def __init__(self, networks: Sequence[nn.Module], recipes: Sequence[Recipe]) -> None:
        one, runs = networks[0], len(networks)
        device, dtype = next(one.parameters()).device, next(one.parameters()).dtype
        clipped = {id(parameter) for parameter in clipped_parameters(one)}
        decayed = {
            id(parameter): group["weight_decay"]
            for group in parameter_groups(one, WEIGHT_DECAY)
            for parameter in group["params"]
        }
        parameters = dict(one.named_parameters())
        places = sorted((_place(name, parameter) for name, parameter in parameters.items()), key=lambda at: at.fan_in)
        total = runs * sum(at.shape.numel() for at in places)
        self._values, self._gradients, self._momentum, self._lr, self._decay = (
            torch.zeros(total, device=device, dtype=dtype) for _ in range(5)
        )
        factors: list[Tensor] = []
        lr = torch.tensor([recipe.lr for recipe in recipes], device=device, dtype=dtype)
        # Clipped at no norm is not clipped.
        factor = torch.tensor([recipe.clip_factor or math.inf for recipe in recipes], device=device, dtype=dtype)
        self._clips = any(recipe.clip_factor for recipe in recipes)
        views: dict[str, tuple[Tensor, Tensor]] = {}
        self._matrices: list[tuple[Tensor, Tensor]] = []
        first = start = 0
        for index, at in enumerate(places):
            end = start + runs * at.shape.numel()
            views[at.name] = _view(self._values[start:end], runs, at), _view(self._gradients[start:end], runs, at)
            with torch.no_grad():
                for run, network in enumerate(networks):
                    views[at.name][0][run].copy_(network.get_parameter(at.name))
            self._lr[start:end].view(runs, -1).copy_(lr[:, None].expand(runs, at.shape.numel()))
            self._decay[start:end] = decayed[id(parameters[at.name])]
            of_runs = factor if id(parameters[at.name]) in clipped else torch.full_like(factor, math.inf)
            factors.append(of_runs.repeat_interleave(at.units))
            start = end
            if index + 1 == len(places) or places[index + 1].fan_in != at.fan_in:
                self._matrices.append(
                    (self._values[first:end].view(-1, at.fan_in), self._gradients[first:end].view(-1, at.fan_in))
                )
                first = end
        self._factors = torch.cat(factors)
        self.stacked = {name: nn.Parameter(views[name][0]) for name in parameters}
        self._gradient_of = {name: views[name][1] for name in parameters}

    @torch.no_grad()
    def update(self, gradients: Sequence[Tensor]) -> None:
        """AGC, weight decay, Nesterov momentum and the step, of every run by its recipe.

        Args:
            gradients: ``[k, *shape]``, in the order of `stacked`. Not changed.
        """
        torch._foreach_copy_(list(self._gradient_of.values()), list(gradients))
        if self._clips:
            self._clip()
        self._gradients.addcmul_(self._values, self._decay)
        self._momentum.mul_(MOMENTUM).add_(self._gradients)
        self._gradients.add_(self._momentum, alpha=MOMENTUM)
        self._values.addcmul_(self._gradients, self._lr, value=-1)

    def _clip(self) -> None:
        norms = torch.cat([torch.linalg.vector_norm(gradients, dim=1) for _, gradients in self._matrices])
        limits = torch.cat([torch.linalg.vector_norm(values, dim=1) for values, _ in self._matrices])
        limits = limits.clamp_(min=EPS).mul_(self._factors)
        clipped = (norms > limits).logical_and_(norms.isfinite())
        scales = torch.where(clipped, limits / norms.clamp_(min=1e-6), 1.0)
        sizes = [len(gradients) for _, gradients in self._matrices]
        for (_, gradients), scale in zip(self._matrices, scales.split_with_sizes(sizes), strict=True):
            gradients.mul_(scale.unsqueeze(1))

    def weights(self, run: int) -> dict[str, Tensor]:
        """Parameters of one run by name."""
        return {name: parameter.detach()[run] for name, parameter in self.stacked.items()}


def _place(name: str, parameter: Tensor) -> _Place:
    dims = unit_dims(parameter.shape)
    units = 1 if dims is None else math.prod(parameter.shape[: dims[0]])
    last = parameter.ndim == 4 and not parameter.is_contiguous()
    return _Place(name, parameter.shape, units, parameter.numel() // units, last)


def _view(flat: Tensor, runs: int, at: _Place) -> Tensor:
    if not at.last:
        return flat.view(runs, *at.shape)
    channels, inputs, height, width = at.shape
    return flat.view(runs, channels, height, width, inputs).permute(0, 1, 4, 2, 3)
