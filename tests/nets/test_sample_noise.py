"""Dropout and stochastic depth by the sample: the same in every cut, another in every step, torch's own elsewhere."""

import itertools
import warnings

import pytest
import torch
import torch.nn.functional as F

from normfree.nets import create_model, sample_noise
from normfree.nets.peers.peer_noise import peer_noise
from normfree.nets.sample_noise import SampleNoise, dropout
from normfree.nets.stochastic_depth import stochastic_depth_mask

NUMBERS = torch.arange(12)
NETWORKS = ("nf_resnet20", "nfnet_nano", "bn_nfnet_nano", "resnet20")
PEERS = ("efficientnet_b0", "timm/resnet18", "timm/convnext_atto")


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    made = create_model(name, 10, drop_rate=0.4, stochastic_depth_rate=0.5).double().train()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    for module in made.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    return made


@pytest.mark.parametrize("name", [*NETWORKS, *PEERS])
def test_an_image_is_the_same_in_every_cut_and_another_in_every_step(name: str) -> None:
    made, x = network(name).requires_grad_(False), torch.randn(12, 3, 32, 32, dtype=torch.float64)

    def outputs(size: int, step: int = 3, seed: int = 1, turn: int = 0) -> torch.Tensor:
        parts = []
        for numbers in NUMBERS.split(size):
            with sample_noise(seed, step, numbers, turn):
                parts.append(made(x[numbers]))
        return torch.cat(parts)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = outputs(12)
        for size in (4, 1):
            torch.testing.assert_close(outputs(size), whole, rtol=1e-10, atol=1e-10)
    for other in (outputs(12, step=4), outputs(12, seed=2), outputs(12, turn=1)):
        assert float((other - whole).abs().max()) > 1e-6
    # Outside they are torch's own, and in evaluation there are none.
    torch.manual_seed(5)
    free = made(x)
    torch.manual_seed(5)
    assert torch.equal(made(x), free)
    assert not torch.equal(made(x), free)
    made.eval()
    with sample_noise(1, 3, NUMBERS):
        assert torch.equal(made(x), made(x))


def test_numbers_are_uniform_and_independent() -> None:
    noise = SampleNoise(0x123456789ABCDEF, torch.arange(4096))
    layers = torch.stack([noise.of_samples() for _ in range(70)])
    features = noise.of_features(512)
    for drawn in (layers, features):
        assert 0 <= float(drawn.min()) < 1e-3
        assert 0.999 < float(drawn.max()) < 1
        # Five standard errors.
        assert abs(float(drawn.mean()) - 0.5) < 5 / (12 * drawn.numel()) ** 0.5
        assert abs(float(drawn.var()) * 12 - 1) < 0.01
    steps = torch.stack([SampleNoise(key, torch.arange(4096)).of_samples() for key in range(30)])
    for drawn in (layers, steps, features[:64]):
        correlation = torch.corrcoef(drawn).fill_diagonal_(0)
        assert float(correlation.abs().max()) < 5.5 / drawn.shape[1] ** 0.5


def test_rates_and_scales() -> None:
    x = torch.ones(4000, 50)
    with sample_noise(0, 0, torch.arange(4000)):
        dropped, mask = dropout(x, 0.3, True), stochastic_depth_mask(x, 0.25)
    assert set(dropped.unique().tolist()) == {0.0, float(torch.tensor(1 / 0.7))}
    assert float(dropped.mean()) == pytest.approx(1, abs=0.01)
    assert mask.shape == (4000, 1, 1, 1)
    assert float(mask.mean()) == pytest.approx(0.75, abs=0.03)
    with sample_noise(0, 0, torch.arange(4000)):
        assert dropout(x, 0.3, False) is x or torch.equal(dropout(x, 0.3, False), x)


@pytest.mark.parametrize("draw", [lambda x: torch.rand_like(x), lambda x: F.dropout2d(x), lambda x: F.dropout(x[:1])])
def test_what_another_library_draws_by_the_batch_is_told(draw) -> None:  # type: ignore[no-untyped-def]
    told = pytest.warns(UserWarning, match="depends on how its batch is cut")
    with sample_noise(0, 0, torch.arange(2)), told, peer_noise(True):
        draw(torch.ones(2, 3, 4, 4))


def test_nested_noise_ends_with_its_block() -> None:
    torch.manual_seed(0)
    x = torch.ones(3, 8)
    with sample_noise(0, 0, torch.arange(3)):
        one = dropout(x, 0.5, True)
        with sample_noise(0, 1, torch.arange(3)):
            inner = dropout(x, 0.5, True)
        two = dropout(x, 0.5, True)
    draws = [one, inner, two, dropout(x, 0.5, True)]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(draws, 2))
