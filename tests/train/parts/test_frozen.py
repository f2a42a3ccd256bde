"""What of a network is frozen, and that clipping and optimizers see the rest alone."""

from typing import Any

import pytest
import torch
from tests.conftest import resolved
from torch import nn

from normfree.clip import clip_grad_agc_, parts_of
from normfree.config import UserError
from normfree.nets import create_model, list_models, model_info, model_options
from normfree.train.parts.clipped import NetworkClipping
from normfree.train.parts.frozen import frozen, head_names
from normfree.train.parts.network import build_network
from normfree.train.parts.optimizer import build_optimizer


def with_gradients(network: nn.Module) -> None:
    stream = torch.Generator().manual_seed(3)
    for parameter in network.parameters():
        noise = torch.randn(parameter.shape, generator=stream)
        parameter.grad = noise if parameter.requires_grad else None


@pytest.mark.parametrize("name", list_models())
def test_every_network_has_the_stages_that_it_has(name: str) -> None:
    small = {"depth": [1, 1], "width": [256, 256]} if "depth" in model_options(name) else {}
    with torch.device("meta"):
        network = create_model(name, **small)
    model = resolved(*_words(name)).config.model
    model.freeze = ["stem", "0"]
    left = {part for key, part in parts_of(frozen(network, model)).items() if network.get_parameter(key).requires_grad}
    assert "head" in left
    assert not left & {"stem", "0"}
    model.freeze = ["all"]
    frozen(network, model)
    assert {key for key, one in network.named_parameters() if one.requires_grad} == head_names(network)
    assert len(head_names(network)) == 2


def _words(name: str) -> tuple[str, ...]:
    return (f"model={name}", "clip=none") if model_info(name).family != "timm" else ()


@pytest.mark.parametrize("clip", [("clip=agc",), ("clip=agc", "clip.eps_scope=vectors"), ("clip=norm",)])
@pytest.mark.parametrize("name", ["resnet20", "nf_resnet20", "nfnet_nano"])
def test_clipping_is_that_of_a_network_without_the_frozen_ones(name: str, clip: tuple[str, ...]) -> None:
    run = resolved(f"model={name}", *clip, "model.freeze=[stem,0]")
    torch.manual_seed(0)
    network = build_network(run)
    with_gradients(network)
    alone = [
        (parameter.detach().clone(), parameter.grad.clone())
        for parameter in NetworkClipping(network, run.config.clip).parameters
        if parameter.grad is not None
    ]
    clipping = NetworkClipping(network, run.config.clip)
    done: Any = clipping()
    assert all(parameter.requires_grad for parameter in clipping.parameters)
    assert float(done.norm_before) == pytest.approx(
        float(torch.stack([gradient.norm() for _, gradient in alone]).norm()), rel=1e-5
    )
    if clip != ("clip=agc",):
        return
    copies = [nn.Parameter(value) for value, _ in alone]
    for copy, (_, gradient) in zip(copies, alone, strict=True):
        copy.grad = gradient
    factor, eps = run.config.clip.clip_factor, run.config.clip.eps
    assert factor is not None
    assert eps is not None
    apart: Any = clip_grad_agc_(copies, factor, eps)
    assert apart.units == done.units
    assert torch.equal(apart.clipped_units, done.clipped_units)
    for one, copy in zip(clipping.parameters, copies, strict=True):
        assert one.grad is not None
        assert copy.grad is not None
        assert torch.equal(one.grad, copy.grad)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "lamb", "lion", "muon"])
def test_optimizers_keep_nothing_of_what_is_frozen(optimizer: str) -> None:
    run = resolved("model=nf_resnet20", "clip=none", f"optimizer={optimizer}", "model.freeze=[0,1]", "lr=0.1")
    network = build_network(run)
    made = build_optimizer(run, network)
    held = {id(one) for group in made.param_groups for one in group["params"]}
    assert held == {id(one) for one in network.parameters() if one.requires_grad}
    with_gradients(network)
    before = {name: one.detach().clone() for name, one in network.named_parameters()}
    made.step()
    assert len(made.state) == len(held)
    for name, one in network.named_parameters():
        assert torch.equal(one, before[name]) is not one.requires_grad, name


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "lamb", "lion"])
@pytest.mark.parametrize("freeze", [(), ("model.freeze=[stem,1]",)])
def test_every_stage_has_its_rate(optimizer: str, freeze: tuple[str, ...]) -> None:
    words = ("model=nf_resnet20", "clip=none", f"optimizer={optimizer}", "optimizer.layer_decay=0.5", "lr=0.8")
    run = resolved(*words, *freeze)
    network = build_network(run)
    made = build_optimizer(run, network)
    names = {id(one): name for name, one in network.named_parameters()}
    rates = {names[id(one)]: group["lr"] for group in made.param_groups for one in group["params"]}
    expected = {"head": 0.8, "2": 0.4, "1": 0.2, "0": 0.1, "stem": 0.05}
    left = {name: expected[part] for name, part in parts_of(network).items() if not freeze or part not in ("stem", "1")}
    assert rates == pytest.approx(left)
    assert made.param_groups[0]["lr"] == 0.8
    decays = {(group["name"].partition(" ")[0], group["weight_decay"]) for group in made.param_groups}
    assert decays == {("decay", run.config.optimizer.weight_decay), ("no_decay", 0.0)}


def test_without_stages_it_is_told() -> None:
    words = ("model=custom", "model._target_=tests.train.own_modules.PlainCNN", "clip=none")
    for key in ("model.freeze=[0]", "optimizer.layer_decay=0.5"):
        run = resolved(*words, key)
        with pytest.raises(UserError, match=key.partition("=")[0]):
            build_optimizer(run, build_network(run))
    network = build_network(resolved(*words, "model.freeze=[all]"))
    assert {name for name, one in network.named_parameters() if one.requires_grad} == head_names(network)
