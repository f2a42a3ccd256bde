"""Which parameters have AGC's floor: the norm that stands for a parameter's own where that is smaller.

A parameter that starts at zero, a skip gain or a bias, may at first take a gradient of ``clip_factor * eps`` alone. The
released code (arXiv 2102.06171, section 4.1) has one floor for all; here a larger one can be kept to some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import Tensor, nn

PUBLISHED_EPS = 1e-3
"""The floor of the released code, which those outside the scope keep."""

EPS_SCOPES: dict[str, Callable[[str, Tensor], bool]] = {
    "all": lambda name, parameter: True,
    "vectors": lambda name, parameter: parameter.dim() <= 1,
    "skip_gains": lambda name, parameter: name.rpartition(".")[2] == "skip_gain",
}


def floors(model: nn.Module, parameters: Iterable[Tensor], eps: float, scope: str = "all") -> float | list[float]:
    """The floor of every parameter, for `normfree.clip.clip_grad_agc_`; one number where it is the same for all.

    Args:
        model: has `parameters`, and their names.
        eps: the floor of those in the scope; others have `PUBLISHED_EPS`.
        scope: ``"all"``; ``"vectors"``, parameters of at most one dimension (biases, gains of convolutions, skip
            gains); ``"skip_gains"``, the scalars on the residual branches alone.

    Raises:
        ValueError: an unknown scope.
    """
    if scope not in EPS_SCOPES:
        raise ValueError(f"unknown scope of eps {scope!r}; choose one of {', '.join(EPS_SCOPES)}")
    if scope == "all" or eps == PUBLISHED_EPS:
        return eps
    within = {id(parameter) for name, parameter in model.named_parameters() if EPS_SCOPES[scope](name, parameter)}
    return [eps if id(parameter) in within else PUBLISHED_EPS for parameter in parameters]
