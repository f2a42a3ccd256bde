"""What a step of a network computes, moves and keeps, counted on the meta device before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import torch
from torch import Tensor, nn

from normfree.config import UserError
from normfree.host.devices import cores
from normfree.nets import create_model, fold
from normfree.nets.cost import count_macs, count_parameters, estimate_activation_bytes
from normfree.nets.traffic import total_bytes
from normfree.nets.weight_standardization import WSConv2d

_WORTH_A_PROCESS = 2
"""Networks that a process is started for: to import torch takes about as long as to count one."""
_FLOAT = 4
"""Bytes of a float32, in which weights, gradients and momentum are kept in both precisions."""
_MORE = 1.1
"""A tenth more than is counted, for scratch space."""
_LIVE_MAPS = 4
"""Of the largest map's size, alive at once in a forward pass: input, branch, its output and the shortcut."""


@dataclass(frozen=True)
class Counts:
    """Of one step of `batch` images.

    Attributes:
        flops: of convolutions and linear layers; a multiply-add is two.
        moved: bytes that the operations read and write in float32; bfloat16 has half of them.
        resident: bytes that stay between steps: weights, and momentum if there is an update.
        maps: bytes in float32 of what a training step keeps for its backward pass, or of the largest maps of inference.
        gradients: bytes; 0 in inference.
        weights: learnable numbers.
    """

    flops: int
    moved: int
    resident: int
    maps: int
    gradients: int
    weights: int

    def bytes_moved(self, precision: str) -> int:
        return self.moved if precision == "fp32" else self.moved // 2

    def memory(self, precision: str) -> int:
        """Bytes of a step beside what stays, with a tenth for scratch space."""
        copies = self.weights * _FLOAT // 2  # of the weights, in bfloat16
        passing = self.maps if precision == "fp32" else self.maps // 2 + copies
        return round(_MORE * (self.gradients + passing))


def count_step(name: str, what: str, image_size: int, batch: int, update: bool) -> Counts:
    """Of a training step (``what="train"``) or the inference of the folded network (``"infer"``).

    A training step computes three times the forward pass, less the gradient of the first convolution's input: nobody
    asks for that of an image. Weight standardisation, activations, clipping and the optimizer are not in `flops`.

    Raises:
        UserError: images too small for the network.
    """
    with torch.device("meta"):
        network: nn.Module = create_model(name)
    weights = count_parameters(network)
    training = what == "train"
    try:
        macs = count_macs(network, image_size)
        if training:
            macs = 3 * macs - _first_macs(network, image_size)
            kept = batch * estimate_activation_bytes(network, image_size)
        else:
            kept = batch * _LIVE_MAPS * _FLOAT * _largest_map(network, image_size)
            network = fold(network)
        moved = total_bytes(network, image_size, batch, torch.float32, training)
    except (ValueError, RuntimeError) as error:
        told = str(error).splitlines()[0]
        remedy = "give a larger image_size or batch"
        raise UserError(f"models={name}: {what} of {batch} images of {image_size} px: {told}; {remedy}") from error
    resident = _FLOAT * weights * (1 + (training and update))
    return Counts(2 * macs * batch, moved, resident, kept, _FLOAT * weights * training, weights)


def count_steps(steps: Mapping[str, tuple[str, str, int, int, bool]]) -> dict[str, Counts]:
    """`count_step` of many, by a name of each: where there are several of them on as many cores as there are.

    Raises:
        UserError: as `count_step`.
    """
    processes = min(cores(), len(steps) // _WORTH_A_PROCESS)
    if processes < 2:
        return {name: count_step(*step) for name, step in steps.items()}
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        asked = {name: pool.submit(count_step, *step) for name, step in steps.items()}
        return {name: each.result() for name, each in asked.items()}


def _first_macs(network: nn.Module, image_size: int) -> int:
    return _of_convolutions(network, image_size, lambda weight, output: weight.numel() * output[0, 0].numel())[0]


def _largest_map(network: nn.Module, image_size: int) -> int:
    return max(_of_convolutions(network, image_size, lambda _, output: output.numel()))


def _of_convolutions(network: nn.Module, image_size: int, number: Callable[[Tensor, Tensor], int]) -> list[int]:
    """A number of every convolution, in the order in which one image passes through them."""
    found: list[int] = []

    def note(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        assert isinstance(module.weight, Tensor)
        found.append(number(module.weight, output))

    convolutions = [each for each in network.modules() if isinstance(each, (nn.Conv2d, WSConv2d))]
    hooks = [each.register_forward_hook(note) for each in convolutions]
    network.eval()
    with torch.no_grad():
        network(torch.empty(1, 3, image_size, image_size, device="meta"))
    for hook in hooks:
        hook.remove()
    return found
