"""Layers that stand where BatchNorm does, beside torch's, timm's or the formula as it is usually written.

A ratio is ours over theirs, of forward and backward pass with the nonlinearity that follows or is part of it: 1.05 is
5 % slower. Passes are what both read and write, in passes over the map, counted and not measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from normfree.bench.case import LAYOUTS
from normfree.bench.options import device_of, file_of
from normfree.bench.rows import Table
from normfree.config import UserError
from normfree.config.key_readers import choice, listed, optional, plain_text
from normfree.config.keys import key
from normfree.host.installing import install
from normfree.nets import list_normalizers
from normfree.nets.activations import activation
from normfree.nets.normalizers import normalization
from normfree.nets.normalizers.groupnorm import group_count
from normfree.nets.traffic import layer_bytes
from normfree.probe.timing import Spread, interleave, ratios

SUITE = "layers of every normaliser beside torch's and timm's"
TITLE = "Layers of normalisers"

COLUMNS = (
    "normalizer", "peer", "layout", "channels", "size", "batch", "ms", "peer_ms", "ratio", "ratio_low", "ratio_high",
    "passes", "peer_passes", "rounds",
)  # fmt: skip
KEYS = ("normalizer", "layout", "channels", "size", "batch", "threads")
_FORMATS = {"nchw": torch.contiguous_format, "nhwc": torch.channels_last}


@dataclass
class Options:
    """What is measured."""

    normalizers: list[str] = key(["all"], "names of normalisers, or all that have a peer")
    layout: list[str] = key(["nchw", "nhwc"], "memory format", listed(choice(*LAYOUTS)))
    channels: int = key(64, "of the maps")
    size: int = key(28, "side of the maps in pixels")
    batch: int = key(32, "maps of a step")
    rounds: int = key(9, "measurements of each")
    threads: int = key(1, "CPU threads")
    device: str = key("auto", "cpu, cuda or auto", choice("auto", "cpu", "cuda"))
    out: str | None = key(None, "CSV file; null: reports/benchmarks/normalizers-<device>.csv", optional(plain_text))


class _Formula(nn.Module):
    """DyT and Derf as their repositories write them: an operation a symbol."""

    def __init__(self, channels: int, function: Callable[[Tensor], Tensor], shifted: bool) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.tensor(0.5))
        self.shift = nn.Parameter(torch.zeros(())) if shifted else None
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        x = self.alpha * x if self.shift is None else self.alpha * x + self.shift
        return self.function(x) * self.weight[:, None, None] + self.bias[:, None, None]


def peers(channels: int) -> dict[str, tuple[str, Callable[[], nn.Module]]]:
    """Normaliser -> whose layer stands beside it, and what builds it with its nonlinearity; timm has to be there."""
    theirs: Any = import_module("timm.layers")
    groups = group_count(channels)
    relu = nn.ReLU(inplace=True)
    return {
        "batchnorm": ("torch", lambda: nn.Sequential(nn.BatchNorm2d(channels), relu)),
        "groupnorm": ("torch", lambda: nn.Sequential(nn.GroupNorm(groups, channels), relu)),
        "layernorm": ("torch", lambda: nn.Sequential(nn.GroupNorm(1, channels), relu)),
        "instancenorm": ("torch", lambda: nn.Sequential(nn.InstanceNorm2d(channels, affine=True), relu)),
        "frn": ("timm", lambda: theirs.FilterResponseNormTlu2d(channels)),
        "evonorm_s0": ("timm", lambda: theirs.EvoNorm2dS0(channels, groups=groups)),
        "evonorm_b0": ("timm", lambda: theirs.EvoNorm2dB0(channels)),
        "dyt": ("formula", lambda: nn.Sequential(_Formula(channels, torch.tanh, shifted=False), relu)),
        "derf": ("formula", lambda: nn.Sequential(_Formula(channels, torch.erf, shifted=True), relu)),
    }


class Activated(nn.Module):
    """A normaliser's layer with what follows it in a network that has a ReLU."""

    def __init__(self, name: str, channels: int) -> None:
        super().__init__()
        chosen, relu = normalization(name), activation("relu")
        self.layer = chosen.layer(channels, relu)
        self.after = chosen.overwriting_activation(relu)

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.layer(x))


def _step(layer: nn.Module, options: Options, layout: str, device: torch.device) -> Callable[[], None]:
    layer.to(device).train()
    shape = (options.batch, options.channels, options.size, options.size)
    x = torch.randn(shape, device=device).contiguous(memory_format=_FORMATS[layout]).requires_grad_()
    grad = torch.randn_like(x)

    def step() -> None:
        x.grad = None
        layer.zero_grad(set_to_none=True)
        layer(x).backward(grad)

    return step


def run(options: Options) -> None:
    """Measures and writes; see `Options`.

    Raises:
        UserError: an unknown normaliser, one without a peer, timm is missing, or no such device.
    """
    try:
        known = peers(options.channels)
    except ImportError as error:
        raise UserError(f"timm is not installed ({error}); {install('normfree[peers]')}") from error
    wanted = list(known) if options.normalizers == ["all"] else options.normalizers
    for name in wanted:
        if name not in known:
            what = "has no layer to stand beside" if name in list_normalizers() else "no such normaliser"
            raise UserError(f"normalizers={name}: {what}; choose from {', '.join(known)}")
    device = device_of(options.device)
    torch.set_num_threads(options.threads)
    clock = "cpu" if device.type == "cpu" and options.threads == 1 else "wall"
    table = Table(Path(options.out or file_of("normalizers", device)), COLUMNS, KEYS, device)
    for name, layout in product(wanted, options.layout):
        whose, build = known[name]
        pair = {"ours": Activated(name, options.channels), "theirs": build()}
        passes = {who: layer_bytes(layer, options.channels, options.size) for who, layer in pair.items()}
        steps = {who: _step(layer, options, layout, device) for who, layer in pair.items()}
        seconds = interleave(steps, options.rounds, device, clock)
        ratio = Spread.of(ratios(seconds["ours"], seconds["theirs"]))
        ours, theirs = (1e3 * Spread.of(seconds[who]).median for who in pair)
        place = {"channels": options.channels, "size": options.size, "batch": options.batch, "rounds": options.rounds}
        table.write({
            "normalizer": name, "peer": whose, "layout": layout, **place, "ms": ours, "peer_ms": theirs,
            "ratio": ratio.median, "ratio_low": ratio.low, "ratio_high": ratio.high,
            "passes": passes["ours"], "peer_passes": passes["theirs"],
        })  # fmt: skip
        print(
            f"{name:13} {layout} {ours:8.2f} ms, {whose:7} {theirs:8.2f} ms, ratio {ratio.median:.3f} "
            f"[{ratio.low:.3f}, {ratio.high:.3f}]; {passes['ours']:.1f} and {passes['theirs']:.1f} passes over the map",
            flush=True,
        )
