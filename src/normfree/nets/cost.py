"""What a network costs, worked out on the meta device: nothing is computed and no memory is used."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from normfree.nets.batch_norm import GhostBatchNorm2d
from normfree.nets.own_network import OwnNetwork
from normfree.nets.weight_standardization import WSConv2d


def count_parameters(model: nn.Module) -> int:
    """Learnable numbers."""
    return sum(parameter.numel() for parameter in model.parameters())


def count_macs(model: nn.Module, image_size: int) -> int:
    """Multiply-adds of one forward pass of one square image of `image_size` pixels.

    Convolutions and linear layers (Squeeze-and-Excitation, classifier); weight standardisation, which a
    batch shares, is left out. This is the 'FLOPs' of the NFNet paper. The products of attention's queries, keys
    and values, in networks of timm, are no layers and are left out.
    """
    total = 0

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        weight = module.weight
        assert isinstance(weight, Tensor)
        total += weight.numel() * (output.numel() // weight.shape[0])

    shadow = _shadow(model).eval()
    for module in shadow.modules():
        if isinstance(module, (nn.Conv2d, WSConv2d, nn.Linear)):
            module.register_forward_hook(count)
    with torch.no_grad():
        shadow(_images(shadow, 1, image_size))
    return total


def estimate_activation_bytes(model: nn.Module, image_size: int) -> int:
    """Bytes that autograd keeps per training image between forward and backward, in float32.

    What the backward pass of the loss's network needs, counted once per storage; parameters and whatever
    does not grow with the batch (standardised weights) are left out, and so is an allocator's overhead.
    """
    shadow = _shadow(model).float().train()
    for module in shadow.modules():
        if isinstance(module, GhostBatchNorm2d):
            module.ghost_batch = None
    # Two batches of more than one, because BatchNorm refuses a single 1x1 map.
    return (_saved_bytes(shadow, 4, image_size) - _saved_bytes(shadow, 2, image_size)) // 2


def _saved_bytes(model: nn.Module, batch: int, image_size: int) -> int:
    # The storages are held, so that no address is used twice.
    storages: dict[int, torch.UntypedStorage] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        storages[storage._cdata] = storage
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(_images(model, batch, image_size))
    return sum(storage.nbytes() for storage in storages.values())


def _images(model: nn.Module, batch: int, image_size: int) -> Tensor:
    first = next(module for module in model.modules() if isinstance(module, (nn.Conv2d, WSConv2d, OwnNetwork)))
    weights = next(model.parameters())
    return torch.zeros((batch, first.in_channels, image_size, image_size), device=weights.device, dtype=weights.dtype)


def _shadow(model: nn.Module) -> nn.Module:
    """A copy without memory, but of a network of the user's own that was built with it, as nothing else runs it."""
    if isinstance(model, OwnNetwork) and next(model.parameters()).device.type != "meta":
        return copy.deepcopy(model)
    return _meta_copy(model)


def _meta_copy(model: nn.Module) -> nn.Module:
    """A copy without memory, whose convolutions take their weights as they are.

    Standardisation changes no shape, and what it keeps does not grow with the batch.
    """
    memo: dict[int, Any] = {}
    for parameter in model.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), parameter.requires_grad)
    for buffer in model.buffers():
        memo[id(buffer)] = buffer.to("meta")
    shadow = copy.deepcopy(model, memo)
    for module in shadow.modules():
        if isinstance(module, WSConv2d):
            module.__dict__["effective"] = partial(_as_they_are, module)
    return shadow


def _as_they_are(convolution: WSConv2d, output_scale: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return convolution.weight, convolution.bias
