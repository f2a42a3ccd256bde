"""The GPU that is not there says what a real one would: of devices, and of what the processor waits for."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.pretended_gpu import DEVICE, OnGpu, WrongDeviceError, pretended_gpu

WAITS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "bool": lambda x: bool(x.sum() > 0),
    "float": lambda x: float(x.sum()),
    "int": lambda x: int(x.sum()),
    "format": lambda x: f"{x.sum():.3g}",
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "numpy": lambda x: x.cpu().numpy(),
    "to the processor": lambda x: x.to("cpu", non_blocking=True),
    "copied back": lambda x: torch.empty(4).copy_(x, non_blocking=True),
    "nonzero": lambda x: x.nonzero(),
    "where alone": lambda x: torch.where(x > 0),
    "mask": lambda x: x[x > 0],
    "assigned by mask": lambda x: x.__setitem__(x > 0, x.sum()),
    "masked_select": lambda x: x.masked_select(x > 0),
    "index on the processor": lambda x: x[torch.tensor([1, 2])],
    "unique": lambda x: x.unique(),
    "bincount": lambda x: x.long().bincount(),
    "repeat_interleave": lambda x: x.repeat_interleave(x.long()),
    "equal": lambda x: torch.equal(x, x + 1),
    "to the GPU": lambda x: torch.ones(4).to(x.device),
    "tensor": lambda x: torch.tensor([1.0, 2.0], device=x.device),
}
DOES_NOT: dict[str, Callable[[Tensor], object]] = {
    "sum": lambda x: x.sum() * 2 + 1,
    "scalar of the processor": lambda x: x * torch.tensor(2.0),
    "made there": lambda x: torch.arange(4, device=x.device) + torch.zeros_like(x),
    "where": lambda x: torch.where(x > 0, x, 0.0),
    "masked_fill": lambda x: x.masked_fill(x > 0, 0.0),
    "index": lambda x: x[torch.arange(2, device=x.device)],
    "sent along": lambda x: torch.ones(4).to(x.device, non_blocking=True) + x,
    "sent from pinned memory": lambda x: torch.ones(4).pin_memory().to(x.device, non_blocking=True) + x,
    "copied to pinned memory": lambda x: torch.empty(4, pin_memory=True).copy_(x, non_blocking=True),
    "repeat_interleave": lambda x: x.repeat_interleave(torch.ones(4, device=x.device).long(), output_size=4),
    "another type": lambda x: x.double().to(x.device),
}


@pytest.fixture
def x() -> Tensor:
    return torch.tensor([1.0, 2.0, 3.0, 0.0])


@pytest.mark.parametrize("operation", WAITS.values(), ids=WAITS)
def test_it_waits(x: Tensor, operation: Callable[[Tensor], object]) -> None:
    with pretended_gpu() as gpu:
        there = x.to(DEVICE, non_blocking=True)
        assert gpu.waits == []
        operation(there)
    assert len(gpu.waits) == 1


@pytest.mark.parametrize("operation", DOES_NOT.values(), ids=DOES_NOT)
def test_it_does_not(x: Tensor, operation: Callable[[Tensor], object]) -> None:
    with pretended_gpu() as gpu:
        operation(x.to(DEVICE, non_blocking=True))
    assert gpu.waits == []


def test_devices_do_not_mix(x: Tensor) -> None:
    with pretended_gpu():
        there = x.to(DEVICE)
        assert there.is_cuda
        assert there.device == torch.device("cuda:0")
        assert (there + there).device == DEVICE
        for mixed in (lambda: there + x, lambda: torch.cat([there, x]), lambda: torch._foreach_add([there], [x])):
            with pytest.raises(WrongDeviceError, match="cuda:0 and on the processor"):
                mixed()


def test_numbers_are_those_of_the_processor(x: Tensor) -> None:
    torch.manual_seed(0)
    on_host = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 1))
    there = copy.deepcopy(on_host)
    on_host(x).sum().backward()
    with pretended_gpu():
        there = there.to(DEVICE)
        copied = copy.deepcopy(there)
        copied(x.to(DEVICE)).sum().backward()
    for one, other in zip(on_host.parameters(), copied.parameters(), strict=True):
        assert isinstance(other.grad, OnGpu)
        assert torch.equal(one.grad, other.grad.inner)
    assert all(parameter.grad is None for parameter in there.parameters())
