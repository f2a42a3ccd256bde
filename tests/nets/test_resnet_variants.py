"""ResNets beside the released ones: post-activation, with Squeeze-and-Excitation, wide."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import nn

from normfree.nets import count_parameters, create_model

_TORCHVISION = {"conv1": "conv0", "bn1": "bn0", "conv2": "conv1", "bn2": "bn1", "conv3": "conv2", "bn3": "bn2"}
_DEPTH = (3, 4, 6, 3)


def translated(name: str) -> str:
    """Our name of a parameter or average of torchvision's resnet50."""
    module, *rest = name.split(".")
    if not module.startswith("layer"):
        return ".".join([{"conv1": "stem_conv", "bn1": "stem_bn", "fc": "classifier"}[module], *rest])
    block = sum(_DEPTH[: int(module[-1]) - 1]) + int(rest[0])
    inner = "shortcut" if rest[1] == "downsample" else _TORCHVISION[rest[1]]
    return ".".join(["blocks", str(block), inner, *rest[2:]])


def test_post_activation_resnet50_is_torchvisions():
    """In evaluation, with moving averages that matter, where both paddings put the same pixels in a window."""
    theirs = torchvision.models.resnet50().double()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.weight, module.running_var):
                nn.init.uniform_(value, 0.5, 1.5)
            for value in (module.bias, module.running_mean):
                nn.init.normal_(value, std=0.2)
    ours = create_model("resnet50_v1").double()
    ours.load_state_dict({translated(name): value for name, value in theirs.state_dict().items()})
    assert count_parameters(ours) == count_parameters(theirs) == 25_557_032
    x = torch.randn(2, 3, 65, 97, dtype=torch.float64)
    with torch.no_grad():
        logits, expected = ours.eval()(x), theirs.eval()(x)
    assert float((logits - expected).abs().max() / expected.abs().max()) < 1e-10


@pytest.mark.parametrize(
    ("name", "classes", "parameters"),
    [
        # SE-ResNet-50 has 2,530,992 parameters more than ResNet-50; Wide ResNet-28-10 has 36.5 M (its paper, table 1).
        ("se_resnet50", 1000, 25_549_352 + 2_530_992),
        ("nf_se_resnet50", 1000, 25_557_048 + 2_530_992),
        ("wrn_28_10", 10, 36_479_194),
        ("resnet50_v1", 1000, 25_557_032),
    ],
)
def test_parameter_counts(name, classes, parameters):
    with torch.device("meta"):
        assert count_parameters(create_model(name, classes)) == parameters


@pytest.mark.parametrize("name", ["resnet50_v1", "se_resnet50"])
def test_training_works_with_every_option(name):
    options = {"se_ratio": 0.25, "stochastic_depth_rate": 0.5, "drop_rate": 0.1, "ghost_batch": 2}
    model = create_model(name, 3, depth=[1, 2], width=[16, 32], stem_width=8, **options)
    nn.init.normal_(model.classifier.weight)
    model(torch.randn(4, 3, 32, 40)).square().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    x = torch.randn(2, 3, 33, 33)
    assert torch.equal(model.eval()(x), model(x))
