"""Whether a network is being looked at, and not only computed."""

from __future__ import annotations

import torch


def traced() -> bool:
    """Inside torch.compile, torch.export or a transform of torch.func: no gradient written by hand is taken there."""
    return torch.compiler.is_compiling() or bool(torch._C._are_functorch_transforms_active())
