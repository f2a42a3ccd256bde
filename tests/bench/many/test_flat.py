"""AGC and SGD of k runs in one piece of memory are those of each run."""

import pytest
import torch

from normfree.bench.many.flat import Flat
from normfree.bench.many.job import EPS, MOMENTUM, WEIGHT_DECAY, Job, Recipe
from normfree.clip import clip_grad_agc_, clipped_parameters
from normfree.optim import build_sgd

RECIPES = (Recipe(0, 0.2, 0.04), Recipe(1, 0.1, 0.01), Recipe(2, 0.05, None))


def gradients_of(flat: Flat, scales: tuple[float, ...], seed: int) -> list[torch.Tensor]:
    """Gradients ``[k, *shape]``, of each run times its own number."""
    torch.manual_seed(seed)
    factor = torch.tensor(scales, dtype=torch.float64)
    return [
        torch.randn_like(parameter) * factor.view(-1, *[1] * (parameter.ndim - 1))
        for parameter in flat.stacked.values()
    ]


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_updates_are_those_of_clipping_and_sgd(layout: str) -> None:
    job = Job("nf_resnet20", 8, 2, "fp64", layout, "cpu", RECIPES)
    networks = job.networks()
    flat = Flat(networks, RECIPES)
    optimizers = [
        build_sgd(network, recipe.lr, weight_decay=WEIGHT_DECAY, momentum=MOMENTUM)
        for network, recipe in zip(networks, RECIPES, strict=True)
    ]
    for step in range(3):
        gradients = gradients_of(flat, (1.0, 1e-2, 1e-4), step)
        flat.update(gradients)
        for run, (network, recipe, optimizer) in enumerate(zip(networks, RECIPES, optimizers, strict=True)):
            for parameter, gradient in zip(network.parameters(), gradients, strict=True):
                parameter.grad = gradient[run].clone()
            if recipe.clip_factor is not None:
                clip_grad_agc_(clipped_parameters(network), recipe.clip_factor, EPS)
            optimizer.step()
    for run, network in enumerate(networks):
        for name, parameter in network.named_parameters():
            assert torch.allclose(flat.weights(run)[name], parameter, rtol=1e-12, atol=1e-14), (run, name)


def test_norms_of_runs_are_not_mixed() -> None:
    """What the others' gradients are changes no bit of a run: also not of a skip gain, a number of each run."""
    job = Job("nf_resnet20", 8, 2, "fp64", "nhwc", "cpu", RECIPES)
    calm, wild = (Flat(job.networks(), RECIPES) for _ in range(2))
    calm.update(gradients_of(calm, (1e-3, 1e-3, 1e-3), 0))
    wild.update(gradients_of(wild, (1e-3, 1e3, torch.nan), 0))
    for name, weight in calm.weights(0).items():
        assert torch.equal(wild.weights(0)[name], weight), name
    gain = "blocks.0.skip_gain"
    assert calm.stacked[gain].shape == (3,)
    assert not torch.equal(wild.weights(1)[gain], calm.weights(1)[gain])
    assert wild.weights(2)[gain].isnan()
