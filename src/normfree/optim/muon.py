"""Muon: momentum whose matrices are orthogonalised before they are a step.

Source: K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", as ``torch.optim.Muon`` has
it, which takes matrices alone. Here a convolution's kernel ``[out, in, kh, kw]`` is the matrix ``[out, in kh kw]``, and
that of a grouped convolution one such matrix a group, as its groups see different inputs. Everything else (biases,
gains, scales of a normaliser, the classifier) is stepped by SGD with momentum or by AdamW, in the same optimizer, so
that there is one schedule and one state.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from normfree.optim.orthogonal import orthogonalized
from normfree.optim.parameter_groups import ParameterGroup, parameter_groups

ADJUSTMENTS: dict[str, Callable[[int, int], float]] = {
    "original": lambda rows, columns: math.sqrt(max(1.0, rows / columns)),
    "match_rms_adamw": lambda rows, columns: 0.2 * math.sqrt(max(rows, columns)),
}
"""What the learning rate of a matrix is multiplied by. With the second the mean square of a step is that of AdamW's
(Liu et al. 2025, arXiv 2502.16982), whose learning rate it is for."""

OTHERS = ("sgd", "adamw")


class Muon(torch.optim.Optimizer):
    """One step of a matrix W with gradient G, momentum B and learning rate lr:

    ::

        B <- B + (1 - momentum) (G - B)
        D = G + momentum (B - G) if nesterov else B
        W <- (1 - lr weight_decay) W - lr adjustment orthogonalized(D)

    Weight decay is beside the gradient for every rule. Nothing waits for the device.

    Args:
        groups: of parameters. ``rule`` says how one is stepped: ``"muon"`` (of ``blocks`` matrices a parameter, 1 where
            it is not given), ``"sgd"`` or ``"adamw"``.
        lr, weight_decay, momentum: of groups that have none of their own.
        ns_steps: of the iteration that orthogonalises.
        adjust_lr: one of `ADJUSTMENTS`.
        betas, eps: of AdamW.
        dtype: that matrices are orthogonalised in, see `orthogonalized`.

    Raises:
        ValueError: an unknown rule or adjustment, no step of the iteration, or a parameter that is not so many
            matrices.
    """

    def __init__(
        self,
        groups: Any,
        lr: float = 0.02,
        *,
        weight_decay: float = 0.0,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_steps: int = 5,
        adjust_lr: str = "original",
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        dtype: torch.dtype | None = None,
    ) -> None:
        if adjust_lr not in ADJUSTMENTS:
            raise ValueError(f"adjust_lr={adjust_lr!r}: choose one of {', '.join(ADJUSTMENTS)}")
        if ns_steps < 1:
            raise ValueError(f"ns_steps={ns_steps}: has to be at least 1")
        self._dtype = dtype
        settings = {
            "lr": lr, "weight_decay": weight_decay, "momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps,
            "adjust_lr": adjust_lr, "betas": betas, "eps": eps, "rule": "muon", "blocks": 1,
        }  # fmt: skip
        super().__init__(groups, settings)
        for group in self.param_groups:
            if group["rule"] not in ("muon", *OTHERS):
                raise ValueError(f"rule={group['rule']!r}: choose one of muon, {', '.join(OTHERS)}")
            for parameter in group["params"]:
                if group["rule"] == "muon" and (parameter.ndim < 2 or len(parameter) % group["blocks"]):
                    raise ValueError(f"a parameter of shape {[*parameter.shape]} is no {group['blocks']} matrices")

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        rules = {"muon": self._orthogonal, "sgd": self._sgd, "adamw": self._adamw}
        for group in self.param_groups:
            found = [parameter for parameter in group["params"] if parameter.grad is not None]
            if found:
                if group["weight_decay"]:
                    torch._foreach_mul_(found, 1 - group["lr"] * group["weight_decay"])
                rules[group["rule"]](group, found, [parameter.grad for parameter in found])
        return loss

    def _orthogonal(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        momentum, blocks = group["momentum"], group["blocks"]
        buffers = self._kept("momentum_buffer", parameters)
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        steps = torch._foreach_lerp(gradients, buffers, momentum) if group["nesterov"] else buffers
        for parameter, step in zip(parameters, steps, strict=True):
            matrix = step.reshape(blocks, len(step) // blocks, -1) if blocks > 1 else step.reshape(len(step), -1)
            adjusted = group["lr"] * ADJUSTMENTS[group["adjust_lr"]](*matrix.shape[-2:])
            parameter.add_(orthogonalized(matrix, group["ns_steps"], self._dtype).reshape(step.shape), alpha=-adjusted)

    def _sgd(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        buffers = self._kept("momentum_buffer", parameters)
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, gradients)
        steps = torch._foreach_add(gradients, buffers, alpha=group["momentum"]) if group["nesterov"] else buffers
        torch._foreach_add_(parameters, list(steps), alpha=-group["lr"])

    def _adamw(self, group: dict[str, Any], parameters: list[Tensor], gradients: list[Tensor]) -> None:
        beta1, beta2 = group["betas"]
        means, squares = self._kept("exp_avg", parameters), self._kept("exp_avg_sq", parameters)
        torch._foreach_lerp_(means, gradients, 1 - beta1)
        torch._foreach_mul_(squares, beta2)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - beta2)
        for parameter, mean, square in zip(parameters, means, squares, strict=True):
            state = self.state[parameter]
            taken = state["step"] = state.get("step", 0) + 1
            deviation = (square / (1 - beta2**taken)).sqrt_().add_(group["eps"])
            parameter.addcdiv_(mean, deviation, value=-group["lr"] / (1 - beta1**taken))

    def _kept(self, name: str, parameters: list[Tensor]) -> list[Tensor]:
        return [self.state[one].setdefault(name, torch.zeros_like(one)) for one in parameters]


def build_muon(
    model: nn.Module,
    lr: float,
    *,
    weight_decay: float = 0.01,
    momentum: float = 0.95,
    nesterov: bool = True,
    ns_steps: int = 5,
    adjust_lr: str = "original",
    others: str = "sgd",
    others_lr_ratio: float = 5.0,
    others_momentum: float = 0.9,
    beta1: float = 0.9,
    beta2: float = 0.95,
    eps: float = 1e-8,
    classifier: nn.Module | None = None,
    shares: Mapping[str, float] | None = None,
) -> Muon:
    """`Muon` over a network: the weights of its convolutions and hidden linear layers are orthogonalised.

    Args:
        lr: of the matrices.
        others: how the rest is stepped, one of `OTHERS`.
        others_lr_ratio: their learning rate over `lr`.
        others_momentum: of SGD.
        classifier: whose weight is no hidden matrix; None for ``model.classifier``, where there is one.
        shares: of the learning rate, by parameter; see `parameter_groups`.

    Raises:
        ValueError: as `Muon`; or there is nothing to orthogonalise.
    """
    classifier = getattr(model, "classifier", None) if classifier is None else classifier
    last = set(map(id, classifier.parameters())) if isinstance(classifier, nn.Module) else set()
    blocks = {
        id(one.weight): count
        for one in model.modules()
        if isinstance(count := getattr(one, "groups", 1), int) and hasattr(one, "weight")
    }
    groups: list[dict[str, Any]] = []
    for group in parameter_groups(model, weight_decay, lr, shares):
        hidden = [one for one in group["params"] if group["name"].startswith("decay") and id(one) not in last]
        for count in sorted({blocks.get(id(one), 1) for one in hidden}):
            matrices = [one for one in hidden if blocks.get(id(one), 1) == count]
            groups.append({**_with(group, matrices), "rule": "muon", "blocks": count})
        rest = _with(group, [one for one in group["params"] if all(one is not other for other in hidden)])
        if rest["params"]:
            rate = group.get("lr", lr) * others_lr_ratio
            groups.append({**rest, "lr": rate, "rule": others, "momentum": others_momentum})
    groups.sort(key=lambda group: group["rule"] != "muon")  # the rate that is recorded is that of the first
    if not groups or groups[0]["rule"] != "muon":
        raise ValueError(f"{type(model).__name__} has no hidden matrix to orthogonalise; use another optimizer")
    return Muon(
        groups, lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, ns_steps=ns_steps,
        adjust_lr=adjust_lr, betas=(beta1, beta2), eps=eps,
    )  # fmt: skip


def _with(group: ParameterGroup, parameters: list[nn.Parameter]) -> dict[str, Any]:
    return {**group, "params": parameters}
