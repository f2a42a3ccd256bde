"""How DDP averages the gradients that it is given: python -m tests.train.ranks.summing

Prints, for 2, 3 and 4 ranks of gloo, the largest error of any element in units of the bound that docs/scaling.md
states, and whether all ranks have the same bits. The processes are forked, as torch need not be imported again.
"""

import json
import os
import tempfile
import traceback
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from normfree.host.orphans import end_with
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


def average(rank: int, ranks: int, folder: Path) -> None:
    """Be a rank, and write what DDP made of the gradients of all."""
    dist.init_process_group("gloo", store=dist.FileStore(str(folder / "store"), ranks), rank=rank, world_size=ranks)
    network = DistributedDataParallel(Given())
    network.register_comm_hook(None, sent_in_bf16)
    network(gradient_of(rank)).backward()
    torch.save(network.module.weight.grad, folder / f"{rank}.pt")
    # The thread that ran the hook lets go of it before the group can end with the network.
    dist.barrier()


def told(ranks: int, folder: Path) -> list[float | bool]:
    """The largest error over the bound, and whether all have the same."""
    children, parent = [], os.getpid()
    for rank in range(ranks):
        if (child := os.fork()) == 0:
            try:
                end_with(parent)
                average(rank, ranks, folder)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
            os._exit(0)
        children.append(child)
    assert all(os.waitpid(child, 0)[1] == 0 for child in children)
    found = [torch.load(folder / f"{rank}.pt") for rank in range(ranks)]
    every = torch.stack([gradient_of(rank) for rank in range(ranks)]).double()
    bound = ((1 + 2**-8) ** (ranks + 1) - 1) * every.abs().mean(0)
    error = float(((found[0].double() - every.mean(0)).abs() / bound).max())
    return [error, all(torch.equal(one, found[0]) for one in found)]


if __name__ == "__main__":
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    answers = {}
    for ranks in (2, 3, 4):
        with tempfile.TemporaryDirectory() as folder:
            answers[ranks] = told(ranks, Path(folder))
    print(json.dumps(answers))
