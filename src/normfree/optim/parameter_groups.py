"""Which parameters are decayed.

Source: the experiments of the released NFNet code: no weight decay on gains, biases and the scale and
offset of BatchNorm; weight decay on the weights of convolutions, Squeeze-and-Excitation and the classifier.
"""

from __future__ import annotations

from typing import TypedDict

from torch import nn


class ParameterGroup(TypedDict):
    """A parameter group as ``torch.optim`` takes it, with a name to report it by."""

    name: str
    params: list[nn.Parameter]
    weight_decay: float


def _is_decayed(name: str, parameter: nn.Parameter) -> bool:
    leaf = name.rpartition(".")[2]
    # By rank (BatchNorm's weight is 1-D) and by name (other libraries keep gains as [C, 1, 1, 1]).
    return parameter.ndim > 1 and "gain" not in leaf and "bias" not in leaf


def parameter_groups(model: nn.Module, weight_decay: float) -> list[ParameterGroup]:
    """Two groups, ``decay`` and ``no_decay``; one that would be empty is left out.

    Frozen parameters are among them, for they may be thawed; optimizers skip what has no gradient.
    """
    decay: list[nn.Parameter] = []
    no_decay: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (decay if _is_decayed(name, parameter) else no_decay).append(parameter)
    groups: list[ParameterGroup] = [
        {"name": "decay", "params": decay, "weight_decay": weight_decay},
        {"name": "no_decay", "params": no_decay, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
