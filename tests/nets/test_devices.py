"""Every network, a step and its fold on a GPU that is not there: no tensor is made on the processor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tests.pretended_gpu import DEVICE, OnGpu, WrongDeviceError, moved, pretended_gpu
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from normfree.clip import clip_grad_agc_
from normfree.nets import create_model, fold, list_models, model_options, sample_noise
from normfree.nets.normalizers import list_normalizers
from normfree.optim import ExponentialMovingAverage, build_sgd

IMAGES, SIDE, CLASSES = 2, 32, 10


def first_of_stages(blocks: Iterable[Any]) -> list[Any]:
    """The first two of each stage, where the third has the shape of the second."""
    stages: dict[int, list[Any]] = {}
    for block in blocks:
        stages.setdefault(block.stage, []).append(block)
    return [block for stage in stages.values() for block in stage[:2]]


@pytest.mark.parametrize(
    ("name", "normalizer"),
    [(name, None) for name in list_models()] + [("resnet20", name) for name in list_normalizers()],
)
def test_a_step_and_an_evaluation(name: str, normalizer: str | None) -> None:
    """Shapes alone, in PyTorch's fake tensors; of a stage the first two blocks, as the others are alike."""
    depth = model_options(name).get("depth")
    options = {} if depth is None else {"depth": [min(2, blocks) for blocks in depth]}
    if normalizer is not None:
        options["normalizer"] = normalizer
    with torch.device("meta"):
        network = create_model(name, CLASSES, **options)
        if depth is None and network.blocks:  # an EfficientNet's depth is no option
            network.blocks = nn.ModuleList(first_of_stages(network.blocks))
    with FakeTensorMode(), pretended_gpu() as gpu:
        moved(network).train()
        optimizer = build_sgd(network, 0.1, fused=True)
        average = ExponentialMovingAverage(network, 0.9)
        images = torch.empty(IMAGES, 3, SIDE, SIDE, device=DEVICE)
        labels = torch.zeros(IMAGES, dtype=torch.int64, device=DEVICE)
        with sample_noise(0, 1, torch.arange(IMAGES, device=DEVICE)):
            F.cross_entropy(network(images), labels).backward()
        assert clip_grad_agc_(network.parameters(), backend="bucketed").norm_before.device == DEVICE
        optimizer.step()
        average.update(network)
        if normalizer is None:
            assert fold(network.eval())(images).device == DEVICE
        assert average.module(images).device == DEVICE
    for parameter in network.parameters():
        assert isinstance(parameter.grad, OnGpu)
    assert gpu.waits == []


class Straying(nn.Module):
    """Adds a tensor that it makes where no device is named."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.linear(x) + torch.ones(3)
        return found


def test_a_tensor_made_on_the_processor_is_seen() -> None:
    with torch.device("meta"):
        network = Straying()
    with FakeTensorMode(), pretended_gpu(), pytest.raises(WrongDeviceError, match="add"):
        moved(network)(torch.empty(2, 3, device=DEVICE))
