"""Which code clips: the same rule four times, for where memory or launches are dear."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from importlib.util import find_spec

import torch

from normfree.clip.bucketed import clip_bucketed
from normfree.clip.eager import clip_eager
from normfree.clip.native import clip_native, function, worthwhile
from normfree.clip.norms import Clippable
from normfree.clip.statistics import UnitNorms

Clip = Callable[[list[Clippable], float, float], UnitNorms]


def _triton(work: list[Clippable], clip_factor: float, eps: float) -> UnitNorms:
    # Importing Triton takes its time, and compiles for the device it finds.
    clip: Clip = import_module("normfree.clip.triton_kernel").clip_triton
    return clip(work, clip_factor, eps)


BACKENDS: dict[str, Clip] = {
    "eager": clip_eager,
    "native": clip_native,
    "bucketed": clip_bucketed,
    "triton": _triton,
}


def backend(device: torch.device | str = "cpu") -> str:
    """The backend that clips a large float32 network on `device`.

    On a processor ``native`` (one pass in C, bit for bit ``eager``) or ``eager``; on CUDA ``triton`` (one
    launch); elsewhere ``bucketed`` (few operations).
    """
    kind = torch.device(device).type
    if kind == "cpu":
        return "eager" if function() is None else "native"
    return "triton" if kind == "cuda" and _has_triton() else "bucketed"


def choose(work: list[Clippable], device: torch.device) -> str:
    """The backend for `work`."""
    if device.type == "cpu":
        return "native" if worthwhile(work) else "eager"
    return backend(device)


@cache
def _has_triton() -> bool:
    return find_spec("triton") is not None
