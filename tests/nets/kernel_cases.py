"""The networks' Triton kernels beside PyTorch's own operations in float64: errors, as shares of the largest number.

Run by itself with TRITON_INTERPRET=1 it prints them as JSON, for a machine without a GPU.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch
from torch import Tensor

from normfree.nets import map_passes, weight_standardization

LAST = torch.channels_last
MAPS = ((2, 5, 3, 3), (3, 70, 9, 8), (1, 64, 40, 3), (2, 1, 4, 4), (4, 130, 1, 1))
WEIGHTS = ((8, 4, 3, 3), (5, 3, 1, 1), (7, 1, 3, 3), (4, 1, 1, 1), (16, 256, 3, 3))


def _grown(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.detach().clone(memory_format=torch.preserve_format).to(dtype).requires_grad_()


def _worst(found: Sequence[Tensor], wanted: Sequence[Tensor]) -> float:
    pairs = zip(found, wanted, strict=True)
    return max(float((one.double() - two).abs().max() / two.abs().max().clamp(min=1e-9)) for one, two in pairs)


def _compared(
    ours: Callable[..., Tensor],
    plain: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    grad: Tensor,
    dtype: torch.dtype,
) -> float:
    """Result and gradients of all inputs."""
    answers = []
    for function, kind in ((ours, None), (plain, torch.float64)):
        given = [_grown(one, kind or (dtype if one.ndim == 4 else torch.float32)) for one in inputs]
        result = function(*given)
        result.backward(grad.to(result.dtype))
        answers.append([result.detach(), *(one.grad for one in given if one.grad is not None)])
    return _worst(*answers)


def errors(device: str, dtype: torch.dtype = torch.float32) -> dict[str, float]:
    """By kernel and activation, over all shapes; maps are in `dtype`."""
    torch.manual_seed(0)
    worst: dict[str, float] = {}

    def note(name: str, error: float) -> None:
        worst[name] = max(worst.get(name, 0.0), error)

    for shape in MAPS:
        x, grad, shortcut = (torch.randn(shape, device=device).contiguous(memory_format=LAST) for _ in range(3))
        bias, factor = torch.randn(shape[1], device=device), torch.randn(*shape[:2], 1, 1, device=device)
        for activation, name in map_passes._KNOWN.items():

            def ours(x: Tensor, bias: Tensor, activation=activation) -> Tensor:  # type: ignore[no-untyped-def]
                return map_passes.biased_by_kernel(x * 1, bias, activation)

            def plain(x: Tensor, bias: Tensor, activation=activation) -> Tensor:  # type: ignore[no-untyped-def]
                biased = x + bias.view(-1, 1, 1)
                return biased if activation is None else activation(biased)

            # Near its kink a rounded sum may be on the other side.
            smooth = x + (x + bias.view(-1, 1, 1)).sign() * 0.1 if name == "relu" else x
            note(name, _compared(ours, plain, (smooth.contiguous(memory_format=LAST), bias), grad, dtype))
        note(
            "residual",
            _compared(map_passes.residual_by_kernel, lambda s, b, f: s + b * f, (shortcut, x, factor), grad, dtype),
        )
    for shape in WEIGHTS:
        for layout in (torch.contiguous_format, LAST):
            weight = torch.randn(shape, device=device)
            weight[1] *= 1e-4  # under the floor
            weight = weight.contiguous(memory_format=layout)
            gain, grad = torch.rand(shape[0], device=device) + 0.5, torch.randn(shape, device=device)
            note(
                "standardization",
                _compared(
                    lambda w, g: weight_standardization._by_kernel(w, g, 1.7),  # type: ignore[arg-type, return-value]
                    lambda w, g: weight_standardization._standardize(w, g, 1.7)[0],
                    (weight, gain),
                    grad,
                    torch.float32,
                ),
            )
    return worst


if __name__ == "__main__":
    torch.cuda.device_of = lambda tensor: nullcontext()  # type: ignore[assignment, misc]
    print(json.dumps(errors("cpu")))
