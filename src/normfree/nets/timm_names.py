"""Names and layouts of timm's dm_nfnet, translated.

Source: timm 1.0, `models/nfnet.py`. Blocks are ``stages.<stage>.<block>``, a gain is ``[C, 1, 1, 1]``, the linears of
Squeeze-and-Excitation are 1x1 convolutions. timm's pretrained dm_nfnet weights are the released ones, renamed, and are
evaluated there by another rule: erf GELU, and an addend to the variance. ``activation="gelu_erf",
standardization="timm"`` gives an NFNet that rule; without these two it evaluates the weights as they were trained.
Every other family of timm computes another function than the network of that name here, and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

_STEM = re.compile(r"stem\.conv([1-9])\.(weight|gain|bias)")
_BLOCK = re.compile(r"stages\.(\d{1,3})\.(\d{1,3})\.(.+)")
_MODULES = {
    "conv1": "conv0",
    "conv2": "conv1",
    "conv2b": "conv1b",
    "conv3": "conv2",
    "downsample.conv": "conv_shortcut",
    "attn_last.fc1": "squeeze_excite.reduce",
    "attn_last.fc2": "squeeze_excite.expand",
}
_HEAD = {"head.fc.weight": "classifier.weight", "head.fc.bias": "classifier.bias"}


def is_timm(names: Iterable[str]) -> bool:
    """Whether these are names of timm's normaliser-free networks, or of its or torchvision's ResNets."""
    names = set(names)
    stem = {"stem.conv.gain", "stem.conv1.gain"} & names
    resnet = {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight"} <= names
    resnet_v2 = {"stem.conv.weight", "stages.0.blocks.0.conv1.weight"} <= names
    return bool(stem) or resnet or resnet_v2


def from_timm(arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A `state_dict` of an NFNet of this package, from that of timm's dm_nfnet.

    A name or a shape that dm_nfnet does not have stays as it is.

    Raises:
        ValueError: the weights are another network's, with the reason why it has no counterpart here; or two names
            become one.
    """
    _refuse_other_families(arrays)
    blocks = sorted({(int(found[1]), int(found[2])) for name in arrays if (found := _BLOCK.fullmatch(name))})
    index = {block: number for number, block in enumerate(blocks)}
    state = {_name(name, index): _layout(name, value) for name, value in arrays.items()}
    if len(state) != len(arrays):
        raise ValueError("two names of timm's dm_nfnet mean the same weight")
    return state


def _name(name: str, index: Mapping[tuple[int, int], int]) -> str:
    if stem := _STEM.fullmatch(name):
        return f"stem_convs.{int(stem[1]) - 1}.{stem[2]}"
    if block := _BLOCK.fullmatch(name):
        place = f"blocks.{index[int(block[1]), int(block[2])]}"
        module, _, leaf = block[3].rpartition(".")
        if block[3] == "skipinit_gain":
            return f"{place}.skip_gain"
        if module in _MODULES:
            return f"{place}.{_MODULES[module]}.{leaf}"
    return _HEAD.get(name, name)


def _layout(name: str, value: Tensor) -> Tensor:
    if name.endswith(".gain") and value.shape[1:] == (1, 1, 1):
        return value.flatten()
    if ".attn_last.fc" in name and value.shape[2:] == (1, 1):
        return value.flatten(1)
    return value


def _refuse_other_families(names: Iterable[str]) -> None:
    names = set(names)
    if "stem.conv1.gain" in names:
        if any(name.endswith(".skipinit_gain") for name in names):
            return
        which = "nfnet or eca_nfnet"
        why = "it has no skip gains, gamma inside its convolutions and symmetric padding; timm's dm_nfnet can be read"
    elif "stem.conv.gain" in names and "final_conv.weight" in names:
        which, why = "nf_regnet", "it has no skip gains, and rounds its widths otherwise than the released network"
    elif "stem.conv.gain" in names:
        which = "nf_resnet"
        why = "it has no skip gains, and its shortcut is an average-pool and a convolution instead of a strided one"
    else:
        which = "or torchvision's resnet"
        why = "its padding is symmetric, which puts strided windows on other pixels than 'SAME' padding does"
    raise ValueError(f"weights of timm's {which} compute another function than the network here: {why}")
