"""Which parameters are decayed.

Source: the experiments of the released NFNet code: no weight decay on gains, biases and the scale and
offset of BatchNorm; weight decay on the weights of convolutions, Squeeze-and-Excitation and the classifier.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NotRequired, TypedDict

from torch import nn


class ParameterGroup(TypedDict):
    """A parameter group as ``torch.optim`` takes it, with a name to report it by.

    ``lr`` is its own learning rate, where that is another than the optimizer's.
    """

    name: str
    params: list[nn.Parameter]
    weight_decay: float
    lr: NotRequired[float]


def _is_decayed(name: str, parameter: nn.Parameter) -> bool:
    leaf = name.rpartition(".")[2]
    # By rank (BatchNorm's weight is 1-D) and by name (other libraries keep gains as [C, 1, 1, 1]).
    return parameter.ndim > 1 and "gain" not in leaf and "bias" not in leaf


def parameter_groups(
    model: nn.Module, weight_decay: float, lr: float = 0.0, shares: Mapping[str, float] | None = None
) -> list[ParameterGroup]:
    """Two groups, ``decay`` and ``no_decay``; one that would be empty is left out.

    Frozen parameters are among them, for they may be thawed; optimizers skip what has no gradient.

    Args:
        lr: the learning rate of a share of 1.
        shares: by the names of parameters, what part of it is theirs. Each share has groups of its own, the greatest
            first, and a parameter that is not named is in none; None for one rate and all parameters.
    """
    groups: dict[tuple[float, bool], list[nn.Parameter]] = defaultdict(list)
    for name, parameter in model.named_parameters():
        if shares is None or name in shares:
            groups[1.0 if shares is None else shares[name], _is_decayed(name, parameter)].append(parameter)
    return [
        _group(groups[share, decayed], weight_decay if decayed else 0.0, "decay" if decayed else "no_decay", lr, share)
        for share, decayed in sorted(groups, reverse=True)
    ]


def _group(params: list[nn.Parameter], weight_decay: float, name: str, lr: float, share: float) -> ParameterGroup:
    if share == 1:
        return {"name": name, "params": params, "weight_decay": weight_decay}
    return {"name": f"{name} x {share:g}", "params": params, "weight_decay": weight_decay, "lr": lr * share}


def layer_shares(parts: Mapping[str, str], decay: float) -> dict[str, float]:
    """What part of the learning rate each parameter has: 1 in the head, `decay` in the last stage, and so on to the
    stem.

    As of layer-wise learning-rate decay (Clark et al. 2020, arXiv 2003.10555; Bao et al. 2021, arXiv 2106.08254), a
    stage at a time.

    Args:
        parts: by the names of parameters ``"stem"``, the number of a stage from 0, or ``"head"``.
        decay: in (0, 1].

    Raises:
        ValueError: a decay outside of that.
    """
    if not 0 < decay <= 1:
        raise ValueError(f"decay={decay}: has to be greater than 0 and at most 1")
    stages = 1 + max((int(part) for part in parts.values() if part.isdigit()), default=-1)
    steps = {"head": 0, "stem": stages + 1} | {str(stage): stages - stage for stage in range(stages)}
    return {name: decay ** steps[part] for name, part in parts.items()}
