"""EfficientNets are torchvision's, networks of timm are timm's, and both behave as networks of this package."""

from __future__ import annotations

import sys

import pytest
import timm
import torch
import torchvision
from torch import nn

from normfree.clip import clipped_parameters
from normfree.nets import (
    GhostBatchNorm2d,
    count_macs,
    count_parameters,
    create_model,
    estimate_activation_bytes,
    fold,
    list_models,
    model_info,
    model_options,
    norm_batch,
)

EFFICIENTNETS = [f"efficientnet_b{level}" for level in range(8)]


def seeded(builder, *args, **kwargs):
    torch.manual_seed(0)
    return builder(*args, **kwargs)


def with_averages(model):
    """Moving averages and offsets that matter."""
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            for value in (module.bias, module.running_mean):
                nn.init.normal_(value, std=0.2)
    return model.eval()


def batch_norms(model):
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


@pytest.mark.parametrize("name", EFFICIENTNETS)
def test_parameters_and_multiply_adds_are_those_that_torchvision_publishes(name):
    with torch.device("meta"):
        model = create_model(name)
    info = model_info(name)
    weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1
    size = weights.transforms().crop_size[0]
    assert count_parameters(model) == info.parameters == weights.meta["num_params"]
    assert round(count_macs(model, size) / 1e9, 3) == weights.meta["_ops"]
    # B2's weights are for 288 px; the paper has 260.
    assert info.train_size == info.test_size == (260 if name == "efficientnet_b2" else size)
    assert (info.family, info.normalizer, info.twin) == ("efficientnet", "batchnorm", None)


@pytest.mark.parametrize("level", [0, 5])
def test_logits_are_torchvisions(level):
    """The same seed gives the same values and, with dropout and stochastic depth, the same draws."""
    name = f"efficientnet_b{level}"
    ours, theirs = seeded(create_model, name, 10), seeded(torchvision.models.get_model, name, num_classes=10)
    x = torch.randn(2, 3, 40, 40)
    assert torch.equal(seeded(ours.train(), x), seeded(theirs.train(), x))
    assert torch.equal(ours.eval()(x), theirs.eval()(x))
    assert torch.equal(ours.forward_features(x), theirs.features(x))
    assert ours.drop_rate == theirs.classifier[0].p == (0.2 if level == 0 else 0.4)


def test_every_option_of_an_efficientnet():
    model = create_model("efficientnet_b0", 7, in_channels=1, drop_rate=0.1, stochastic_depth_rate=0.32, ghost_batch=2)
    assert model.blocks[8].stochastic_depth.p == pytest.approx(0.32 * 8 / 16)
    assert norm_batch(model, 4) == 2
    norms = [module for module in model.modules() if isinstance(module, GhostBatchNorm2d)]
    assert len(norms) == batch_norms(model) == 49
    model(torch.randn(4, 1, 33, 40)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    features = create_model("efficientnet_b0", 0).eval()
    assert isinstance(features.classifier, nn.Identity)
    assert features(torch.randn(2, 3, 32, 32)).shape == (2, 1280)


def test_ghost_batches_keep_values_eps_and_momentum():
    plain, ghost = seeded(create_model, "efficientnet_b5", 5), seeded(create_model, "efficientnet_b5", 5, ghost_batch=4)
    assert {(m.eps, m.momentum) for m in ghost.modules() if isinstance(m, GhostBatchNorm2d)} == {(0.001, 0.01)}
    x = torch.randn(4, 3, 32, 32)
    assert torch.equal(seeded(ghost, x), seeded(plain, x))
    state = plain.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in ghost.state_dict().items())


@pytest.mark.parametrize(
    ("name", "left"),
    [("efficientnet_b0", 0), ("timm/resnet10t", 0), ("timm/regnetx_002", 0), ("timm/mobilevit_xxs", 32)],
)
def test_folding(name, left):
    """Where torch.fx cannot follow a network of timm, its norms stay."""
    model = with_averages(create_model(name, 10)).double()
    folded = fold(model)
    x = torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = model(x)
        assert float((folded(x) - expected).abs().max() / expected.abs().max()) <= 1e-12
        difference = (folded.float()(x.float()) - expected).abs().max() / expected.abs().max()
    assert float(difference) <= 1e-5
    assert batch_norms(model) > batch_norms(folded) or left
    assert batch_norms(folded) == left
    with pytest.raises(ValueError, match="for evaluation"):
        folded.train()


@pytest.mark.parametrize("name", ["resnet10t", "convnext_atto", "levit_128s"])
def test_networks_of_timm_are_timms(name):
    options = {} if name == "levit_128s" else {"drop_rate": 0.3, "stochastic_depth_rate": 0.2}
    theirs = {"drop_rate": 0.3, "drop_path_rate": 0.2} if options else {}
    ours = seeded(create_model, f"timm/{name}", 10, **options)
    expected = seeded(timm.create_model, name, num_classes=10, **theirs)
    x = torch.randn(2, 3, 224, 224)
    assert torch.equal(seeded(ours.train(), x), seeded(expected.train(), x))
    assert torch.equal(ours.eval()(x), expected.eval()(x))
    assert torch.equal(ours.forward_features(x), expected.forward_features(x))
    head = expected.get_classifier()
    numbers = sum(p.numel() for module in (head if isinstance(head, tuple) else (head,)) for p in module.parameters())
    left_out = count_parameters(ours) - sum(p.numel() for p in clipped_parameters(ours, "timm"))
    assert left_out == numbers == sum(p.numel() for p in ours.classifier.parameters())


@pytest.mark.parametrize(
    ("name", "normalizer"), [("resnet18", "batchnorm"), ("convnext_tiny", "layernorm"), ("dm_nfnet_f0", "none")]
)
def test_cost_of_networks_of_timm(name, normalizer):
    """Beside what torchvision publishes, and beside the NFNet of this package."""
    info = model_info(f"timm/{name}")
    assert (info.name, info.family, info.normalizer) == (f"timm/{name}", "timm", normalizer)
    with torch.device("meta"):
        model = create_model(f"timm/{name}")
        ours = create_model("nfnet_f0")
    if name == "dm_nfnet_f0":
        parameters, gigamacs = count_parameters(ours), count_macs(ours, 224) / 1e9
    else:
        weights = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
        parameters, gigamacs = weights["num_params"], weights["_ops"]
    assert model.normalizer == normalizer
    assert count_parameters(model) == parameters
    assert count_macs(model, 224) / 1e9 == pytest.approx(gigamacs, abs=6e-4)
    assert estimate_activation_bytes(model, 64) > 0


def test_what_there_is_of_timm():
    names = list_models("timm")
    assert names == sorted(f"timm/{name}" for name in timm.list_models())
    assert not [name for name in list_models() if name.startswith("timm")]
    assert list_models("efficientnet") == EFFICIENTNETS
    assert set(model_options("timm/resnet18")) == {
        "drop_rate",
        "stochastic_depth_rate",
        "ghost_batch",
        "in_channels",
        "num_classes",
    }
    assert norm_batch(create_model("timm/resnet10t", 3, in_channels=1, ghost_batch=2), 8) == 2


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("timm/resnet81", {}, "unknown timm model 'resnet81'; did you mean resnet18"),
        ("timm/qqqqqqqqqq", {}, r"unknown timm model 'qqqqqqqqqq'; normfree.list_models\('timm'\) names them all"),
        ("timm/resnet18.a1_in1k", {}, "unknown timm model 'resnet18.a1_in1k'; did you mean resnet18"),
        ("timm/vgg11_bn", {"stochastic_depth_rate": 0.1}, "stochastic_depth_rate=0.1: timm's vgg11_bn takes no"),
        ("timm/resnet10t", {"drop_rate": 1.5}, "drop_rate=1.5: give a probability"),
        ("timm/resnet10t", {"width": [8]}, "unknown override of timm/resnet10t 'width'"),
        ("timm/resnet10t", {"num_classes": -1}, "num_classes=-1"),
        ("timm/regnetx_002", {"ghost_batch": 8}, "ghost_batch=8: the layer stem.bn is a BatchNormAct2d"),
        ("timm/convnext_atto", {"ghost_batch": 8}, "ghost_batch=8: the network has no BatchNorm"),
        ("tim/resnet18", {}, "unknown model 'tim/resnet18'"),
        ("efficientnet_b8", {}, "unknown model 'efficientnet_b8'; did you mean efficientnet_b7"),
        ("efficientnet_b0", {"width": [8]}, "unknown override of efficientnet_b0 'width'; choose one of drop_rate"),
        ("efficientnet_b0", {"stochastic_depth_rate": 1.0}, "stochastic_depth_rate=1.0: give a probability"),
        ("efficientnet_b0", {"num_classes": -1}, "num_classes=-1"),
    ],
)
def test_errors_are_one_line(name, overrides, message):
    with pytest.raises(ValueError, match=message) as error:
        create_model(name, **overrides)
    assert "\n" not in str(error.value)


def test_without_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    for call in (create_model, model_info):
        with pytest.raises(ValueError, match=r"timm is not installed .*pip install 'normfree\[peers\]'") as error:
            call("timm/resnet18")
        assert "\n" not in str(error.value)
    assert list_models("timm") == []
    assert "efficientnet_b0" in list_models()


def test_without_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(ValueError, match=r"torchvision cannot be imported .*install that of torch's build"):
        create_model("efficientnet_b0")
    assert model_info("efficientnet_b0").parameters == 5_288_548
