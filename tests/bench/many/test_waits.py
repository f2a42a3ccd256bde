"""A step of k runs waits for nothing, without which it is no CUDA graph: on a GPU that is not there."""

from __future__ import annotations

import pytest
import torch
from tests.pretended_gpu import DEVICE, moved, pretended_gpu
from torch import nn

from normfree.bench.many import job as jobs
from normfree.bench.many.job import Job, Recipe
from normfree.bench.many.together import Together
from normfree.nets import create_model

RECIPES = (Recipe(0, 0.2, 0.04), Recipe(1, 0.1, None))


def _network(asked: Job, recipe: Recipe) -> nn.Module:
    torch.manual_seed(recipe.seed)
    return moved(create_model(asked.model, jobs.CLASSES)).train()


@pytest.mark.parametrize("batching", ["grouped", "bmm"])
def test_a_step_waits_for_nothing(batching: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "network_of", _network)
    with pretended_gpu() as gpu:
        runs = Together(Job("nf_resnet20", 8, 2, "fp32", "nchw", str(DEVICE), RECIPES), batching)
        gpu.waits.clear()
        assert runs.take().device == DEVICE
        runs.take()
    assert gpu.waits == []
