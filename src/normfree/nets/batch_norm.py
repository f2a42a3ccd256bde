"""BatchNorm whose statistics see a chosen number of samples ('ghost' batches).

Source: Ioffe & Szegedy 2015; Hoffer et al. 2017 (ghost batch normalisation). eps 1e-5 and momentum 0.1 are
those of the released baseline; the running variance is PyTorch's (unbiased, no start-up correction).
"""

from __future__ import annotations

from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_Network = TypeVar("_Network", bound=nn.Module)


class GhostBatchNorm2d(nn.BatchNorm2d):
    """``nn.BatchNorm2d`` over groups of `ghost_batch` samples: ``[N, C, H, W] -> [N, C, H, W]``.

    Sample i belongs to group ``i // ghost_batch``, so that a batch has the same groups however it is cut into
    micro batches over devices and accumulation steps. The running statistics move towards the average over the
    groups; evaluation uses them and knows no groups.

    Args:
        num_features: C.
        ghost_batch: samples per statistics group; None takes the whole micro batch.

    Raises:
        ValueError: in training, if N is no multiple of `ghost_batch`.
    """

    def __init__(self, num_features: int, ghost_batch: int | None = None) -> None:
        super().__init__(num_features)
        if ghost_batch is not None and ghost_batch < 1:
            raise ValueError(f"ghost_batch={ghost_batch}: give a number of samples of at least 1, or null")
        self.ghost_batch = ghost_batch

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.ghost_batch is None or self.ghost_batch == x.shape[0]:
            return super().forward(x)
        batch, channels, height, width = x.shape
        if batch % self.ghost_batch:
            raise ValueError(
                f"a micro batch of {batch} samples cannot be split into BatchNorm groups of "
                f"ghost_batch={self.ghost_batch}; choose a divisor of {batch}"
            )
        groups = batch // self.ghost_batch
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            mean, var = self.running_mean.repeat(groups), self.running_var.repeat(groups)
        y = F.batch_norm(
            _swapped(x, groups, self.ghost_batch).reshape(self.ghost_batch, groups * channels, height, width),
            mean,
            var,
            self.weight.repeat(groups),
            self.bias.repeat(groups),
            training=True,
            momentum=self.momentum,  # type: ignore[arg-type]
            eps=self.eps,
        )
        y = _swapped(y.view(batch, channels, height, width), self.ghost_batch, groups)
        with torch.no_grad():
            self.running_mean.copy_(mean.view(groups, channels).mean(0))
            self.running_var.copy_(var.view(groups, channels).mean(0))
            self.num_batches_tracked.add_(1)
        if not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
            return y.contiguous(memory_format=torch.channels_last)
        return y

    def extra_repr(self) -> str:
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, ghost_batch={self.ghost_batch}"


def _swapped(x: Tensor, rows: int, columns: int) -> Tensor:
    """Samples that are numbered row by row, numbered column by column instead; no copy where one of them is 1."""
    return x.reshape(rows, columns, *x.shape[1:]).transpose(0, 1).reshape(x.shape)


def synchronise(model: _Network) -> _Network:
    """Put ``nn.SyncBatchNorm`` in the place of every BatchNorm, which then sees the micro batches of all ranks.

    Parameters and buffers are the same tensors, and keep their names. torch has it for GPUs alone.
    """
    converted: _Network = nn.SyncBatchNorm.convert_sync_batchnorm(model)  # type: ignore[no-untyped-call]
    return converted


def localise(model: _Network) -> _Network:
    """Undo `synchronise`, in place: each rank by itself again, as for evaluation and measurements."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, nn.SyncBatchNorm):
                local = GhostBatchNorm2d(child.num_features)
                local.eps, local.momentum = child.eps, child.momentum
                local.weight, local.bias = child.weight, child.bias
                local.running_mean, local.running_var = child.running_mean, child.running_var
                local.num_batches_tracked = child.num_batches_tracked
                local.training = child.training
                setattr(module, name, local)
    return model


def sees_batch(layer: nn.Module) -> bool:
    """Whether a layer in training mode takes statistics over the micro batch, and keeps running ones for evaluation."""
    return isinstance(layer, nn.modules.batchnorm._BatchNorm) or bool(getattr(layer, "sees_batch", False))


def norm_batch(model: nn.Module, micro_batch: int, world_size: int = 1) -> int | None:
    """How many samples the model's statistics see in training; None if they see no batch, or BatchNorm is frozen.

    The ghost size if one is set, else the micro batch, times the world size under SyncBatchNorm.

    Raises:
        ValueError: the layers of the model do not agree.
    """
    if getattr(model, "norm_frozen", False):
        return None
    seen: set[int] = set()
    for module in model.modules():
        if isinstance(module, nn.SyncBatchNorm):
            seen.add(micro_batch * world_size)
        elif isinstance(module, GhostBatchNorm2d) and module.ghost_batch is not None:
            seen.add(module.ghost_batch)
        elif sees_batch(module):
            seen.add(micro_batch)
    if len(seen) > 1:
        raise ValueError(f"BatchNorm layers see different numbers of samples: {sorted(seen)}")
    return seen.pop() if seen else None
