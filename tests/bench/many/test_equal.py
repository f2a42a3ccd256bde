"""k runs as one program compute what k separate runs do, each by its own recipe."""

from dataclasses import replace
from functools import cache

import pytest
import torch

from normfree.bench.many.equal import Weights, difference, weights_alone, weights_together
from normfree.bench.many.job import Job, Recipe
from normfree.bench.many.together import Together

STEPS = 50
RECIPES = (Recipe(0, 0.2, 0.04), Recipe(1, 0.1, 0.01), Recipe(2, 0.05, None))


def job(model: str, layout: str = "nhwc", precision: str = "fp64", clipped: bool = True) -> Job:
    recipes = RECIPES if clipped else tuple(Recipe(each.seed, each.lr, None) for each in RECIPES)
    return Job(model, 8, 4, precision, layout, "cpu", recipes)


@cache
def alone(asked: Job) -> Weights:
    return weights_alone(asked, STEPS)


@pytest.mark.parametrize("batching", ["vmap", "grouped", "bmm"])
def test_fifty_steps_with_agc_end_with_the_same_weights(batching: str) -> None:
    asked = job("nf_resnet20")
    together = weights_together(asked, batching, False, False, STEPS)
    assert difference(together, alone(asked)) < 1e-10
    # Seeds, learning rates and clipping factors make runs that are not alike.
    assert difference(together[:1], alone(asked)[1:2]) > 1e-2


@pytest.mark.parametrize("batching", ["vmap", "grouped"])
def test_fifty_steps_with_batchnorm_end_with_the_same_weights(batching: str) -> None:
    asked = job("resnet20", clipped=False)
    assert difference(weights_together(asked, batching, False, False, STEPS), alone(asked)) < 1e-10


def test_in_float32_they_differ_by_rounding() -> None:
    # At rates of 0.1 and 0.2 rounding may grow tenfold every ten steps: a run by itself in the other memory format ends
    # as far away, or not, by the processor's kernels.
    gentle = tuple(replace(each, lr=each.lr / 4) for each in RECIPES)
    asked = replace(job("nf_resnet20", "nchw", "fp32"), recipes=gentle)
    assert difference(weights_together(asked, "grouped", False, False, STEPS), alone(asked)) < 1e-5


def test_losses_are_those_of_the_runs() -> None:
    asked = job("nf_resnet20")
    runs = Together(asked, "grouped")
    runs.take()
    losses = runs.take()
    ones = [Together(Job(*_fields(asked), (recipe,)), "grouped") for recipe in RECIPES]
    for one in ones:
        one.take()
    assert torch.allclose(losses, torch.cat([one.take() for one in ones]), rtol=0, atol=1e-12)


def _fields(asked: Job) -> tuple[str, int, int, str, str, str]:
    return asked.model, asked.size, asked.batch, asked.precision, asked.layout, asked.device


@pytest.mark.parametrize(
    ("model", "batching", "words"),
    [("nfnet_nano", "grouped", "has Squeeze-and-Excitation"), ("resnet20", "bmm", "has BatchNorm")],
)
def test_a_network_without_such_a_form_is_told(model: str, batching: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Together(job(model), batching)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("batching", ["vmap", "grouped", "bmm"])
def test_steps_of_a_cuda_graph_are_the_same(batching: str) -> None:
    asked = replace(job("nf_resnet20"), device="cuda")
    assert difference(weights_together(asked, batching, False, True, STEPS), weights_alone(asked, STEPS)) < 1e-10
