"""Names and layouts of the released (Haiku) networks, translated.

Source: released NFNet code and checkpoints. A Haiku parameter is named ``<module path>/<name>``; a conv
weight is ``[kh, kw, in / groups, out]``, a linear weight ``[in, out]``, a BatchNorm scale ``[1, 1, 1, C]``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

_BLOCK = re.compile(r"(?:nf_block|nf_res_block|res_block_v2)(?:_(\d+))?")
_STEM = re.compile(r"stem_conv(\d+)")
_LEAVES = {"w": "weight", "b": "bias", "scale": "weight", "offset": "bias"}
_MODULES = {"initial_conv": "stem_conv", "linear": "classifier"}
_GATE_MODULES = {"linear": "reduce", "linear_1": "expand"}
_STATISTICS = {"mean_ema": "running_mean", "var_ema": "running_var"}


def torch_name(haiku_name: str) -> str:
    """Name in `state_dict()` of a Haiku parameter or moving average.

    ``NFNet/~/nf_block_1/~/conv1b/w`` is ``blocks.1.conv1b.weight``. Of a BatchNorm's state only
    ``.../average`` has a counterpart.

    Raises:
        ValueError: the name belongs to no network of this package.
    """
    _, *parts = [part for part in haiku_name.split("/") if part != "~"]
    if len(parts) < 2 and parts != ["skip_gain"]:
        raise ValueError(f"{haiku_name!r} is not a parameter of a released network")
    *modules, leaf = parts
    names: list[str] = []
    for module in modules:
        if block := _BLOCK.fullmatch(module):
            names += ["blocks", block[1] or "0"]
        elif stem := _STEM.fullmatch(module):
            names += ["stem_convs", stem[1]]
        elif "squeeze_excite" in names:
            names.append(_GATE_MODULES.get(module, module))
        elif module in _STATISTICS:
            if leaf != "average":
                raise ValueError(f"{haiku_name!r} is bookkeeping of a moving average and has no counterpart")
            return ".".join([*names, _STATISTICS[module]])
        else:
            names.append(_MODULES.get(module, module))
    return ".".join([*names, _LEAVES.get(leaf, leaf)])


def to_torch_layout(haiku_name: str, value: Tensor) -> Tensor:
    """A Haiku array, as a tensor, in PyTorch's layout: ``[out, in, kh, kw]``, ``[out, in]`` or ``[C]``."""
    leaf = haiku_name.rpartition("/")[2]
    if leaf == "w":
        return value.permute(3, 2, 0, 1) if value.ndim == 4 else value.t()
    if leaf in ("scale", "offset", "average"):
        return value.reshape(-1)
    return value


def from_haiku(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A `state_dict` of a network of this package, from the Haiku arrays of its counterpart.

    Raises:
        ValueError: a name that belongs to no network of this package.
    """
    return {torch_name(name): to_torch_layout(name, value).contiguous() for name, value in arrays.items()}
