"""Lightning in processes that are there already: it starts none and asks no scheduler."""

import os
from inspect import signature
from typing import Any

import torch
from lightning_fabric.plugins import ClusterEnvironment
from pytorch_lightning.strategies import DDPStrategy, Strategy
from torch import Tensor, nn
from torch.distributed import GradBucket  # type: ignore[attr-defined]
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import bf16_compress_hook
from torch.futures import Future
from torch.nn.parallel import DistributedDataParallel

from normfree.train.ranks.rank import Rank, rank_of

_NAMES = signature(DistributedDataParallel.__init__).parameters
_SYNC_BUFFERS = "forward_sync_buffers" if "forward_sync_buffers" in _NAMES else "broadcast_buffers"
"""What torch calls the option; later versions warn at the earlier name."""


class RankEnvironment(ClusterEnvironment):
    """Tells Lightning this process's rank; with it Lightning looks for no SLURM, whose jobs it would requeue itself."""

    def __init__(self, rank: Rank | None) -> None:
        super().__init__()
        self._rank = rank

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self._rank.address if self._rank is not None else "127.0.0.1"

    @property
    def main_port(self) -> int:
        return self._rank.port if self._rank is not None else 0

    @staticmethod
    def detect() -> bool:
        return rank_of() is not None

    def world_size(self) -> int:
        return self._rank.world_size if self._rank is not None else 1

    def set_world_size(self, size: int) -> None:
        assert size == self.world_size()

    def global_rank(self) -> int:
        return self._rank.number if self._rank is not None else 0

    def set_global_rank(self, rank: int) -> None:
        """Lightning works it out from node and local rank; where SLURM deals ranks in turn, that is another number."""

    def local_rank(self) -> int:
        return self._rank.local if self._rank is not None else 0

    def node_rank(self) -> int:
        return self._rank.node if self._rank is not None else 0


def sent_in_bf16(group: Any, bucket: GradBucket) -> Future[Tensor]:
    """torch's hook by a name of ours: by its own it is refused without NCCL, where gloo can do it too."""
    return bf16_compress_hook(group, bucket)


class _Ranks(DDPStrategy):
    """With ``gradient_dtype=bf16`` on any device; Lightning registers hooks on GPUs alone."""

    def __init__(self, gradient_dtype: str | None, **options: Any) -> None:
        super().__init__(**options)
        self._gradient_dtype = gradient_dtype

    def configure_ddp(self) -> None:
        super().configure_ddp()
        if self._gradient_dtype == "bf16":
            assert isinstance(self.model, DistributedDataParallel)
            self.model.register_comm_hook(None, sent_in_bf16)


def strategy_for(device: torch.device, devices: int, nodes: int, gradient_dtype: str | None = None) -> str | Strategy:
    """Lightning's strategy: one device, or gradients averaged over the ranks after each optimizer step's last backward.

    Buffers are left alone: BatchNorm's are averaged by a callback.

    Args:
        gradient_dtype: what gradients are sent in; None: as they are.
    """
    if devices * nodes == 1:
        return "auto"
    # Lightning would divide all cores that it sees, where SLURM may have given this job a few.
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    environment = RankEnvironment(rank_of())
    options: dict[str, Any] = {_SYNC_BUFFERS: False}
    there = [device] * devices
    return _Ranks(gradient_dtype, parallel_devices=there, cluster_environment=environment, **options)


def settle_strides(network: nn.Module, precision: str) -> None:
    """Give 1x1 weights the strides that their gradients have, or DDP copies each gradient twice and warns.

    A conversion to float64 leaves them those of channels-last, which for one pixel are the same memory.
    """
    if precision == "64-true":
        network.double()
    for parameter in network.parameters():
        if parameter.is_contiguous():
            strides = torch.empty(parameter.shape, device="meta").stride()
            parameter.data = parameter.data.as_strided(parameter.shape, strides)
