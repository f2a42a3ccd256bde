"""``trainer.compile=true``: the forward and backward pass of training through torch.compile.

Evaluation is left as it is, so that its numbers are those of the same weights anywhere.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

import torch
from torch import Tensor, nn

from normfree.config import Resolved, UserError


def forward_of(network: nn.Module, device: torch.device, once_a_step: bool) -> Callable[[Tensor], Tensor]:
    """What gives the logits of a micro batch in training, compiled when it is first called.

    On a GPU both passes are replayed as CUDA graphs where there is one of each in a step, on one device: a replay
    writes gradients where those of the one before are, which accumulation, SAM and averaging over devices still need.
    Shapes do not change in a run.
    """

    # A function: a compiled module would be another name for every weight in a checkpoint.
    def forward(images: Tensor) -> Tensor:
        logits: Tensor = network(images)
        return logits

    compiled: Callable[[Tensor], Tensor] = torch.compile(
        forward, dynamic=False, mode=compile_mode(device) if once_a_step else None
    )
    return compiled


def compile_mode(device: torch.device) -> str | None:
    """torch.compile's, for a step of one forward and one backward pass: on a GPU both are replayed as CUDA graphs."""
    return "reduce-overhead" if device.type == "cuda" else None


def check_compiler(resolved: Resolved, device: torch.device) -> None:
    """Raises UserError where ``trainer.compile=true`` and there is nothing to compile with."""
    if resolved.config.trainer.compile and (missing := missing_compiler(device)):
        raise UserError(f"trainer.compile=true: {missing}, or leave it out")


def missing_compiler(device: torch.device) -> str | None:
    """A line about the compiler that torch.compile wants for this device and that is not here; None where it is.

    For a processor Inductor writes C++, for a GPU Triton builds its launchers in C.
    """
    if device.type == "cuda":
        variable, language, names = "CC", "C", ["gcc", "clang"]
    else:
        variable, language, names = "CXX", "C++", ["clang++" if sys.platform == "darwin" else "g++"]
    told = os.environ.get(variable)
    if any(shutil.which(name) for name in ([told.split()[0]] if told and told.split() else names)):
        return None
    return (
        f"torch.compile needs a {language} compiler, and {told or ' or '.join(names)} is not there; install one, "
        f"name it in {variable}"
    )
