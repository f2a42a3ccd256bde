"""k runs by torch.func: ``vmap(grad)`` of the loss over the network's own forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from normfree.bench.many.job import LABEL_SMOOTHING, Job
from normfree.nets.weight_standardization import WSConv2d, standardize_by_formula


class _ByFormula(WSConv2d):
    """torch.func sees neither through a branch by value nor through a derivative that is written by hand."""

    def effective(self, output_scale: Tensor | None = None) -> tuple[Tensor, Tensor]:
        gain = self.gain if output_scale is None else self.gain * output_scale
        bias = self.bias if output_scale is None else self.bias * output_scale
        return standardize_by_formula(self.weight, gain, self.input_scale), bias


Gradients = Callable[[Mapping[str, Tensor]], tuple[list[Tensor], Tensor]]


def gradients_by_vmap(job: Job, networks: list[nn.Module], compiled: bool) -> Gradients:
    """What gives gradients ``[k, *shape]`` and losses ``[k]`` of parameters ``[k, *shape]``.

    Running statistics of BatchNorm are buffers ``[k, C]``, and move.
    """
    network = networks[0]
    _, buffers = stack_module_state(networks)
    for module in network.modules():
        if isinstance(module, WSConv2d):
            module.__class__ = _ByFormula
    images, labels = job.images()

    def loss(parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
        with job.autocast():
            logits = functional_call(network, (parameters, buffers), (images,))
        logits = logits if logits.dtype == torch.float64 else logits.float()
        return F.cross_entropy(logits, labels, label_smoothing=LABEL_SMOOTHING)

    together = vmap(grad_and_value(loss))
    if compiled:
        together = torch.compile(together)

    def gradients(parameters: Mapping[str, Tensor]) -> tuple[list[Tensor], Tensor]:
        detached = {name: parameter.detach() for name, parameter in parameters.items()}
        found, losses = together(detached, buffers, images, labels)
        return [found[name] for name in parameters], losses

    return gradients
