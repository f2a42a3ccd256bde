"""Nonlinearities and the constants that keep their output at unit variance.

Source: Brock et al. 2021 (arXiv 2101.08692), section 3 'scaled activations'; the constants are those
of the released code: ``gamma = 1 / std(f(z))`` for ``z ~ N(0, 1)``. Blocks apply the bare function and
fold gamma into the scale of the convolution that follows, which is the same function with one pass less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from normfree.nets.errors import one_of
from normfree.nets.tanh_gelu import tanh_gelu


@dataclass(frozen=True)
class Nonlinearity:
    """An elementwise function and its variance-preserving gain.

    Attributes:
        function: maps a tensor of any shape to one of the same shape, without gamma.
        gamma: ``1 / std(function(z))``, ``z ~ N(0, 1)``.
        overwriting: the same function, which may put its result in the place of its argument.
    """

    name: str
    function: Callable[[Tensor], Tensor]
    gamma: float
    overwriting: Callable[[Tensor], Tensor]


def _identity(x: Tensor) -> Tensor:
    return x


_TABLE: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "identity": (_identity, 1.0),
    "celu": (F.celu, 1.270926833152771),
    "elu": (F.elu, 1.2716004848480225),
    # The tanh approximation, as released: the exact erf form changes the logits of released weights.
    "gelu": (tanh_gelu, 1.7015043497085571),
    # What timm's dm_nfnet evaluates, with the gamma of the tanh form.
    "gelu_erf": (F.gelu, 1.7015043497085571),
    "leaky_relu": (F.leaky_relu, 1.70590341091156),
    "log_sigmoid": (F.logsigmoid, 1.9193484783172607),
    "relu": (F.relu, 1.7139588594436646),
    "relu6": (F.relu6, 1.7131484746932983),
    "selu": (F.selu, 1.0008515119552612),
    "sigmoid": (torch.sigmoid, 4.803835391998291),
    "silu": (F.silu, 1.7881293296813965),
    "soft_sign": (F.softsign, 2.338853120803833),
    "softplus": (F.softplus, 1.9203323125839233),
    "tanh": (torch.tanh, 1.5939117670059204),
}

ACTIVATIONS: dict[str, Nonlinearity] = {
    name: Nonlinearity(name, function, gamma, torch.relu_ if name == "relu" else function)
    for name, (function, gamma) in _TABLE.items()
}


def activation(name: str) -> Nonlinearity:
    """The nonlinearity called `name`.

    Raises:
        ValueError: no such nonlinearity; the message names the nearest ones.
    """
    return ACTIVATIONS[one_of(name, ACTIVATIONS, "activation")]
