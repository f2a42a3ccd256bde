"""Per-sample gradients against single backward passes and Opacus, and the noise."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from opacus.optimizers import DPOptimizer

from normfree.nets import create_model, sample_noise
from normfree.optim.private import GivenGradients, add_noise, cut_sum, image_gradients, private_gradients


def network(name="nf_resnet20", **options):
    torch.manual_seed(3)
    options = {"depth": [1, 1], "width": [8, 16]} | options
    model = create_model(name, 10, in_channels=1, **options).double()
    with torch.no_grad():  # open the skip gains, so that every weight has a gradient
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.train()


def batch(count=5):
    stream = torch.Generator().manual_seed(1)
    images = torch.randn(count, 1, 8, 8, generator=stream, dtype=torch.float64)
    return images, torch.randint(10, (count,), generator=stream), torch.arange(count)


def loss(called, image, label, number):
    with sample_noise(7, 2, number):
        logits = called(image)
    return F.cross_entropy(logits, label), logits[0]


NETWORKS = [
    ("nf_resnet20", {}),
    ("nfnet_nano", {"depth": [1, 1, 1, 1], "width": [16, 16, 16, 16], "group_size": 8, "drop_rate": 0.3,
                    "stochastic_depth_rate": 0.3}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_they_are_those_of_batches_of_one_image(name, options):
    model, (images, labels, numbers) = network(name, **options), batch()
    found, losses, logits = image_gradients(model, loss, images, labels, numbers)
    for place in range(len(images)):
        part = slice(place, place + 1)
        model.zero_grad()
        value, own = loss(model, images[part], labels[part], numbers[part])
        value.backward()
        torch.testing.assert_close(losses[place], value.detach(), rtol=1e-10, atol=1e-10)
        torch.testing.assert_close(logits[place], own.detach(), rtol=1e-10, atol=1e-10)
        for key, parameter in model.named_parameters():
            torch.testing.assert_close(found[key][place], parameter.grad, rtol=1e-10, atol=1e-10)


def test_their_mean_is_the_gradient_of_the_batch():
    model, (images, labels, numbers) = network(), batch()
    found, _, _ = image_gradients(model, loss, images, labels, numbers)
    F.cross_entropy(model(images), labels).backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name].mean(0), parameter.grad, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("max_norm", [0.01, 1.0, 100.0])
def test_their_cut_sum_is_that_of_opacus(max_norm):
    model, (images, labels, numbers) = network(), batch()
    found, _, _ = image_gradients(model, loss, images, labels, numbers)
    optimizer = DPOptimizer(
        torch.optim.SGD(model.parameters(), lr=0.1), noise_multiplier=0.0, max_grad_norm=max_norm, expected_batch_size=5
    )
    for name, parameter in model.named_parameters():
        parameter.grad_sample = found[name]
    optimizer.clip_and_accumulate()
    ours, _, _ = private_gradients(model, loss, images, labels, numbers, max_norm)
    for one, parameter in zip(ours, model.parameters(), strict=True):
        torch.testing.assert_close(one, parameter.summed_grad, rtol=1e-12, atol=1e-12)


def test_no_image_adds_more_than_the_norm():
    stream = torch.Generator().manual_seed(1)
    gradients = [torch.randn(4, *shape, generator=stream, dtype=torch.float64) for shape in ((3, 2), (5,), ())]
    for place in range(4):
        alone = cut_sum([each[place : place + 1] for each in gradients], 0.5)
        assert 0.4 < sum(float(each.square().sum()) for each in alone) ** 0.5 <= 0.5


def test_frozen_parameters_have_no_gradient():
    model, (images, labels, numbers) = network(), batch()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith("stem"))
    found, _, _ = image_gradients(model, loss, images, labels, numbers)
    assert set(found) == {name for name, each in model.named_parameters() if each.requires_grad}


def test_noise_is_a_function_of_its_seed_and_has_its_deviation():
    one, other, third = ([torch.zeros(200, 100), torch.zeros(7)] for _ in range(3))
    add_noise(one, 0.3, 2**63 + 5)
    add_noise(other, 0.3, 2**63 + 5)
    add_noise(third, 0.3, 2**63 + 6)
    assert all(map(torch.equal, one, other))
    assert not torch.equal(one[0], third[0])
    assert float(one[0].std()) == pytest.approx(0.3, rel=0.03)
    assert abs(float(one[0].mean())) < 0.01


def test_a_loss_with_given_gradients_gives_these():
    parameters = [torch.zeros(3, requires_grad=True), torch.zeros((), requires_grad=True)]
    given = [torch.tensor([1.0, 2.0, 3.0]), torch.tensor(4.0)]
    value = GivenGradients.apply(torch.tensor(5.0), given, *parameters)
    (value / 2).backward()
    assert float(value.detach()) == 5
    assert torch.equal(parameters[0].grad, given[0] / 2)
    assert torch.equal(parameters[1].grad, given[1] / 2)
