"""SGD on the sphere: what holds of every filter, and that the rest is plain SGD."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from normfree.nets import create_model
from normfree.optim import SphereSGD, build_sphere

RATES = {"head_lr": 0.3, "bias_lr": 0.05}


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(5)).double()


def gradients(model: nn.Module, seed: int, scale: float = 1.0) -> None:
    stream = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        parameter.grad = scale * torch.randn(parameter.shape, generator=stream, dtype=torch.float64)


@pytest.fixture
def model() -> nn.Module:
    made = network()
    made(torch.zeros(1, 3, 5, 5).double())
    return made


def norms(weight: torch.Tensor) -> torch.Tensor:
    return weight.detach().flatten(1).norm(dim=1)


def test_filters_have_norm_1_after_a_step_whatever_they_had(model: nn.Module) -> None:
    optimizer = build_sphere(model, 0.1, **RATES)
    for step in range(4):
        gradients(model, step)
        optimizer.step()
        torch.testing.assert_close(norms(model[0].weight), torch.ones(8).double())


@pytest.mark.parametrize("angle", [0.0, 0.01, 0.5])
def test_the_rate_is_the_tangent_of_the_angle_of_a_step(model: nn.Module, angle: float) -> None:
    before = model[0].weight.detach().clone().flatten(1)
    gradients(model, 0)
    build_sphere(model, angle, **RATES).step()
    cosine = (before / norms(before)[:, None] * model[0].weight.detach().flatten(1)).sum(1)
    torch.testing.assert_close(cosine, torch.tensor(angle).double().atan().cos().expand(8))


def test_the_size_of_gradients_does_not_matter_to_filters(model: nn.Module) -> None:
    other = copy.deepcopy(model)
    for each, scale in ((model, 1.0), (other, 1e-4)):
        optimizer = build_sphere(each, 0.1, **RATES)
        for step in range(3):
            gradients(each, step, scale)
            optimizer.step()
    torch.testing.assert_close(model[0].weight, other[0].weight)
    assert not torch.equal(model[3].weight, other[3].weight)


def test_a_gradient_of_zero_turns_nothing(model: nn.Module) -> None:
    gradients(model, 0, 0.0)
    before = model[0].weight.detach() / norms(model[0].weight).view(-1, 1, 1, 1)
    build_sphere(model, 0.1, **RATES).step()
    torch.testing.assert_close(model[0].weight.detach(), before)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.9, True), (0.5, False), (0.0, False)])
def test_the_rest_is_plain_sgd(model: nn.Module, momentum: float, nesterov: bool) -> None:
    other, options = copy.deepcopy(model), {"momentum": momentum, "nesterov": nesterov}
    sphere = build_sphere(model, 0.1, weight_decay=0.01, **RATES, **options)
    groups = [
        {"params": [other[3].weight], "lr": 0.3, "weight_decay": 0.01},
        {"params": [other[0].bias, other[3].bias], "lr": 0.05},
    ]
    plain = torch.optim.SGD(groups, lr=1.0, **options)
    for step in range(3):
        for each, optimizer in ((model, sphere), (other, plain)):
            gradients(each, step)
            optimizer.step()
    for name in ("3.weight", "3.bias", "0.bias"):
        torch.testing.assert_close(model.get_parameter(name), other.get_parameter(name))


def test_going_on_from_a_state_is_going_on(model: nn.Module) -> None:
    optimizer = build_sphere(model, 0.1, **RATES)
    gradients(model, 0)
    optimizer.step()
    other = copy.deepcopy(model)
    resumed = build_sphere(other, 0.1, **RATES)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    for each, stepped in ((model, optimizer), (other, resumed)):
        gradients(each, 1)
        stepped.step()
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_groups_of_a_network() -> None:
    network = create_model("bn_speednet", 10, width=[8, 8])
    groups = build_sphere(network, 0.1, weight_decay=0.5, **RATES).param_groups
    assert [(group["name"], group["lr"], group["weight_decay"]) for group in groups] == [
        ("sphere", 0.1, 0.0), ("head", 0.3, 0.5), ("bias", 0.05, 0.0),
    ]  # fmt: skip
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert [names[id(each)] for each in groups[1]["params"]] == ["classifier.weight"]
    assert {names[id(each)].rpartition(".")[2] for each in groups[0]["params"]} == {"weight"}
    shares = {"classifier.weight": 1.0, "blocks.0.conv0.weight": 0.5}
    groups = build_sphere(network, 0.1, shares=shares, **RATES).param_groups
    assert [(group["name"], group["lr"]) for group in groups] == [("head", 0.3), ("sphere x 0.5", 0.05)]


def test_what_cannot_be() -> None:
    weight = nn.Parameter(torch.ones(2, 2, 1, 1))
    with pytest.raises(ValueError, match=r"weight_decay=0\.1: filters of norm 1 cannot decay"):
        SphereSGD([{"params": [weight], "sphere": True}], lr=0.1, weight_decay=0.1)
    with pytest.raises(ValueError, match=r"momentum=1\.0"):
        SphereSGD([weight], lr=0.1, momentum=1.0)
