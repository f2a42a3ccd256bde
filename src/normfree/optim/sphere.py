"""SGD on the unit sphere: every filter keeps the norm 1, and a step turns it by an angle that the rate alone sets.

Source: `RenormSGD` of Keller Jordan's research-airbench (`batchnorm_begone.py`, `renorm_airbench.py`, 2024).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

SPHERE, HEAD, BIAS = "sphere", "head", "bias"
_TINY = 1e-30


def _kind(name: str, parameter: nn.Parameter) -> str:
    """Filters of convolutions, weights of linear layers, and all that is one number a channel."""
    leaf = name.rpartition(".")[2]
    if parameter.ndim < 2 or "gain" in leaf or "bias" in leaf:
        return BIAS
    return SPHERE if parameter.ndim > 2 else HEAD


class SphereSGD(torch.optim.Optimizer):
    """SGD with momentum in two forms, by the key ``sphere`` of a parameter group.

    Where it is true, with v <- momentum * v + g and d = g + momentum * v (Nesterov) or v, for each filter w = p[i]::

        w <- w / |w|
        d <- d - (d . w) w
        w <- w - lr * d / |d|
        w <- w / |w|

    so that the size of a gradient does not matter, and after one step every filter has norm 1, whatever it had. Such
    groups have no weight decay. Elsewhere it is ``torch.optim.SGD``.

    Args:
        params: groups, each with ``sphere``, ``lr`` and ``weight_decay`` of its own where others are meant.
        lr: radians by which a step turns a filter, near enough.

    Raises:
        ValueError: a momentum outside of [0, 1), Nesterov without one, or weight decay on a sphere.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, momentum: float = 0.9, nesterov: bool = True, weight_decay: float = 0.0
    ) -> None:
        if not 0 <= momentum < 1 or (nesterov and momentum == 0):
            raise ValueError(f"momentum={momentum}, nesterov={nesterov}: give a momentum from 0, or above, to below 1")
        defaults = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "weight_decay": weight_decay, "sphere": False}
        super().__init__(params, defaults)
        for group in self.param_groups:
            if group["sphere"] and group["weight_decay"]:
                raise ValueError(f"weight_decay={group['weight_decay']}: filters of norm 1 cannot decay; give 0")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            given = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not given:
                continue
            along = self._directions(group, given)
            if group["sphere"]:
                for parameter, direction in zip(given, along, strict=True):
                    _turn(parameter, direction, group["lr"])
            else:
                torch._foreach_add_(given, along, alpha=-group["lr"])
        return loss

    def _directions(self, group: dict[str, Any], given: list[nn.Parameter]) -> list[Tensor]:
        gradients = [parameter.grad for parameter in given if parameter.grad is not None]
        if group["weight_decay"]:
            weights: list[Tensor] = list(given)
            gradients = list(torch._foreach_add(gradients, weights, alpha=group["weight_decay"]))
        momentum = group["momentum"]
        if momentum == 0:
            return gradients
        for parameter in given:
            if "momentum_buffer" not in self.state[parameter]:
                self.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        buffers = [self.state[parameter]["momentum_buffer"] for parameter in given]
        torch._foreach_mul_(buffers, momentum)
        torch._foreach_add_(buffers, gradients)
        return list(torch._foreach_add(gradients, buffers, alpha=momentum)) if group["nesterov"] else buffers


def _turn(weight: Tensor, direction: Tensor, angle: float) -> None:
    """Turn every filter of `weight` ``[Cout, ...]`` by `angle` against `direction`, in place."""
    dims = list(range(1, weight.ndim))
    weight.div_(_norm(weight, dims))
    tangent = torch.addcmul(direction, weight, (direction * weight).sum(dims, keepdim=True), value=-1)
    weight.addcdiv_(tangent, _norm(tangent, dims), value=-angle)
    weight.div_(_norm(weight, dims))


def _norm(tensor: Tensor, dims: list[int]) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(tensor, dim=dims, keepdim=True)
    return norm.clamp_min(_TINY)


def build_sphere(
    model: nn.Module,
    lr: float,
    *,
    head_lr: float,
    bias_lr: float,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
    nesterov: bool = True,
    shares: Mapping[str, float] | None = None,
) -> SphereSGD:
    """`SphereSGD` over three groups: filters on the sphere, linear layers, and biases with gains and BatchNorm's.

    Args:
        lr: of filters, at the end of warm-up, in radians a step.
        head_lr, bias_lr: those of plain SGD.
        weight_decay: of linear layers alone.
        shares: of these rates, by parameter, as for `normfree.optim.parameter_groups`.
    """
    rates = {SPHERE: lr, HEAD: head_lr, BIAS: bias_lr}
    groups: dict[tuple[float, str], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if shares is None or name in shares:
            groups[1.0 if shares is None else shares[name], _kind(name, parameter)].append(parameter)
    order = list(rates)
    made = [
        {
            "name": kind if share == 1 else f"{kind} x {share:g}",
            "params": groups[share, kind],
            "lr": rates[kind] * share,
            "weight_decay": weight_decay if kind == HEAD else 0.0,
            "sphere": kind == SPHERE,
        }
        for share, kind in sorted(groups, key=lambda key: (-key[0], order.index(key[1])))
    ]
    return SphereSGD(made, lr=lr, momentum=momentum, nesterov=nesterov)
