"""Gradients of single images, cut to a norm, and the noise on their sum: the step of differentially private SGD.

Source: Abadi et al. 2016 (arXiv 1607.00133), algorithm 1, with Opacus' rounding of the cut, ``C / (norm + 1e-6)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

_SMALLEST_NORM = 1e-6
_BYTES = 2**28
"""That the gradients of the images which are computed in one go may take."""

ImageLoss = Callable[[Callable[[Tensor], Tensor], Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]
"""``(network, image [1, C, H, W], label [1], number [1]) -> (loss, logits [K])`` of one image."""


def image_gradients(
    network: nn.Module, loss: ImageLoss, images: Tensor, labels: Tensor, numbers: Tensor
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Gradients ``[N, ...]`` of each image by the parameter's name, losses ``[N]`` and logits ``[N, K]``.

    Each image goes through the network alone, as a batch of one: no layer can see another. Parameters that need no
    gradient have none.

    Args:
        images: ``[N, C, H, W]``.
        labels: ``[N]``.
        numbers: of the images, int64 ``[N]``, for what ``loss`` draws.
    """
    trained = {name: each.detach() for name, each in network.named_parameters() if each.requires_grad}
    fixed: dict[str, Tensor] = {name: each for name, each in network.named_parameters() if not each.requires_grad}
    fixed |= dict(network.named_buffers())

    def of_one(weights: Mapping[str, Tensor], image: Tensor, label: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
        def called(given: Tensor) -> Tensor:
            logits: Tensor = functional_call(network, {**fixed, **weights}, (given,))
            return logits

        return loss(called, image[None], label[None], number[None])

    each_one: Any = vmap(grad_and_value(of_one, has_aux=True), in_dims=(None, 0, 0, 0))
    gradients, (losses, logits) = each_one(trained, images, labels, numbers)
    return gradients, losses.detach(), logits.detach()


def cut_sum(gradients: Sequence[Tensor], max_norm: float) -> list[Tensor]:
    """The sum over images of gradients ``[N, ...]``, each image's scaled down to a norm of at most ``max_norm``.

    The norm is that of all of an image's gradients together.
    """
    norms = torch.stack([each.reshape(len(each), -1).norm(dim=1) for each in gradients], dim=1).norm(dim=1)
    scale = (max_norm / (norms + _SMALLEST_NORM)).clamp(max=1.0)
    return [torch.einsum("n,n...->...", scale.to(each.dtype), each) for each in gradients]


def private_gradients(
    network: nn.Module, loss: ImageLoss, images: Tensor, labels: Tensor, numbers: Tensor, max_norm: float
) -> tuple[list[Tensor], Tensor, Tensor]:
    """`cut_sum` of all images in the order of the trained parameters, with losses ``[N]`` and logits ``[N, K]``.

    Arguments are those of `image_gradients`; as many images are computed in one go as memory has room for.
    """
    sizes = [each.numel() * each.element_size() for each in network.parameters() if each.requires_grad]
    some = max(1, _BYTES // max(1, sum(sizes)))
    total: list[Tensor] = []
    told: list[tuple[Tensor, Tensor]] = []
    for part in zip(images.split(some), labels.split(some), numbers.split(some), strict=True):  # type: ignore[no-untyped-call]
        found, losses, logits = image_gradients(network, loss, *part)
        cut = cut_sum(list(found.values()), max_norm)
        total = [one + other for one, other in zip(total, cut, strict=True)] if total else cut
        told.append((losses, logits))
    losses, logits = (torch.cat([each[place] for each in told]) for place in (0, 1))
    return total, losses, logits


@torch.no_grad()
def add_noise(gradients: Sequence[Tensor], deviation: float, seed: int) -> None:
    """Add normal noise in place, which the seed settles whatever the device: it is drawn on the processor.

    Args:
        deviation: of the noise on every number.
        seed: up to 64 bits.
    """
    stream = torch.Generator().manual_seed(seed)
    for gradient in gradients:
        noise = torch.randn(gradient.shape, generator=stream)
        gradient.add_(noise.to(gradient.device, gradient.dtype), alpha=deviation)


class GivenGradients(torch.autograd.Function):
    """A loss whose backward pass gives the parameters gradients that are known already.

    ``GivenGradients.apply(loss, gradients, *parameters)``; what scales the loss scales them.
    """

    @staticmethod
    def forward(ctx: Any, loss: Tensor, gradients: Sequence[Tensor], *parameters: Tensor) -> Tensor:
        ctx.given = gradients
        return loss.clone()

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> Any:
        return (None, None, *(outer[0] * each for each in ctx.given))
