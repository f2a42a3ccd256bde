"""How DDP averages the gradients that it is given, in units of the bound that docs/scaling.md states."""

import warnings
from pathlib import Path

import torch
import torch.distributed as dist
from tests.train.ranks.together import together
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from normfree.train.ranks.lightning import sent_in_bf16

ELEMENTS = 20_000


def gradient_of(rank: int) -> Tensor:
    """Of many magnitudes and both signs, so that sums cancel too."""
    draw = torch.Generator().manual_seed(rank)
    return torch.randn(ELEMENTS, generator=draw) * 10 ** torch.empty(ELEMENTS).uniform_(-6, 3, generator=draw)


class Given(nn.Module):
    """Has the gradient that it is called with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(ELEMENTS))

    def forward(self, gradient: Tensor) -> Tensor:
        return (self.weight * gradient).sum()


def average(rank: int, folder: Path) -> None:
    """Be a rank, and write what DDP made of the gradients of all."""
    warnings.simplefilter("error")
    network = DistributedDataParallel(Given())
    network.register_comm_hook(None, sent_in_bf16)
    network(gradient_of(rank)).backward()
    torch.save(network.module.weight.grad, folder / f"{rank}.pt")
    # The thread that ran the hook lets go of it before the group can end with the network.
    dist.barrier()


def told(ranks: int, folder: Path) -> tuple[float, bool]:
    """The largest error of any element over the bound, and whether all ranks have the same bits."""
    together(ranks, average, folder)
    found = [torch.load(folder / f"{rank}.pt") for rank in range(ranks)]
    every = torch.stack([gradient_of(rank) for rank in range(ranks)]).double()
    bound = ((1 + 2**-8) ** (ranks + 1) - 1) * every.abs().mean(0)
    error = float(((found[0].double() - every.mean(0)).abs() / bound).max())
    return (error, all(torch.equal(one, found[0]) for one in found))
