"""Does an image's result depend on the images beside it? Measured in float64 with regularisers off."""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from normfree.nets import GhostBatchNorm2d


def batch_dependence(network: nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Largest differences, each relative to the largest value it is a difference of.

    Args:
        images: an even number of images ``[N, C, H, W]``.
        labels: ``[N]``.

    Returns:
        ``logits_batch_vs_single``: training-mode logits of the whole batch against image by image.
        ``logits_train_vs_eval``: training mode against evaluation mode on the same batch.
        ``gradient_whole_vs_accumulated``: gradient of the mean loss of the batch against two halves accumulated.
    """
    probe = copy.deepcopy(network).to(torch.device("cpu"), torch.float64)
    _switch_off_regularisers(probe)
    images = images.double().cpu()
    labels = labels.cpu()
    with torch.no_grad():
        probe.eval()
        evaluated = probe(images)
        # Training mode moves BatchNorm's running statistics, so evaluation comes first.
        probe.train()
        whole = probe(images)
        # An image beside itself has the statistics of the image alone, and BatchNorm accepts it where maps are 1 x 1.
        single = torch.cat([probe(torch.stack([image, image]))[:1] for image in images])
    gradient_whole = _gradient(probe, [images], [labels])
    gradient_halves = _gradient(probe, list(images.chunk(2)), list(labels.chunk(2)))
    return {
        "logits_batch_vs_single": _difference(whole, single),
        "logits_train_vs_eval": _difference(whole, evaluated),
        "gradient_whole_vs_accumulated": _difference(gradient_whole, gradient_halves),
    }


def _switch_off_regularisers(network: nn.Module) -> None:
    """No dropout and no stochastic depth; BatchNorm's statistics over the whole of what it is given."""
    for module in network.modules():
        # torch and torchvision call the rate p, timm drop_prob; a p that is no number is something else's.
        for name in ("drop_rate", "stochastic_depth_rate", "p", "drop_prob"):
            if isinstance(getattr(module, name, None), float | int):
                setattr(module, name, 0.0)
        if isinstance(module, GhostBatchNorm2d):
            module.ghost_batch = None


def _gradient(network: nn.Module, images: list[Tensor], labels: list[Tensor]) -> Tensor:
    network.zero_grad()
    for part, target in zip(images, labels, strict=True):
        loss = F.cross_entropy(network(part), target) / len(images)
        loss.backward()  # type: ignore[no-untyped-call]
    return torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])


def _difference(first: Tensor, second: Tensor) -> float:
    scale = torch.maximum(first.abs().max(), second.abs().max()).clamp_min(torch.finfo(first.dtype).tiny)
    return float((first - second).abs().max() / scale)
