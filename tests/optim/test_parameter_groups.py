"""What is decayed, by what a parameter is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from normfree.nets import create_model, list_models, model_options
from normfree.optim import build_sgd, layer_shares, parameter_groups


@pytest.mark.parametrize("name", ["resnet20", "nf_resnet20", "nfnet_nano"])
def test_only_weights_are_decayed(name):
    model = create_model(name, 10, se_ratio=0.5)
    decay, no_decay = parameter_groups(model, 1e-4)
    assert (decay["name"], decay["weight_decay"]) == ("decay", 1e-4)
    assert (no_decay["name"], no_decay["weight_decay"]) == ("no_decay", 0.0)
    layers = [m for m in model.modules() if hasattr(m, "weight") and not isinstance(m, nn.BatchNorm2d)]
    assert {id(p) for p in decay["params"]} == {id(layer.weight) for layer in layers}
    assert len(decay["params"]) + len(no_decay["params"]) == len(list(model.parameters()))


def test_every_network_is_covered_once():
    for name in list_models():
        small = {"depth": [1, 1], "width": [256, 256]} if "depth" in model_options(name) else {}
        with torch.device("meta"):
            model = create_model(name, **small)
        grouped = [id(p) for group in parameter_groups(model, 1e-4) for p in group["params"]]
        assert sorted(grouped) == sorted(id(p) for p in model.parameters())


def test_gains_of_other_libraries_and_empty_groups():
    module = nn.Module()
    module.gain = nn.Parameter(torch.ones(4, 1, 1, 1))
    (group,) = parameter_groups(module, 1e-4)
    assert group["name"] == "no_decay"


def test_sgd_options():
    optimizer = build_sgd(create_model("nf_resnet20", 10), 0.4, weight_decay=1e-3, fused=True)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [1e-3, 0.0]
    assert {(group["lr"], group["momentum"], group["nesterov"]) for group in optimizer.param_groups} == {
        (0.4, 0.9, True)
    }
    assert all(group["fused"] for group in optimizer.param_groups)


def test_shares_of_the_rate_by_hand():
    parts = {"stem.weight": "stem", "a.weight": "0", "b.weight": "1", "b.bias": "1", "head.weight": "head"}
    shares = {"stem.weight": 0.125, "a.weight": 0.25, "b.weight": 0.5, "b.bias": 0.5, "head.weight": 1.0}
    assert layer_shares(parts, 0.5) == shares
    assert set(layer_shares(parts, 1.0).values()) == {1.0}
    for decay in (0.0, 1.5):
        with pytest.raises(ValueError, match="greater than 0 and at most 1"):
            layer_shares(parts, decay)


def test_groups_of_shares_begin_with_the_greatest_and_leave_out_what_is_not_named():
    model = nn.ModuleDict({"first": nn.Linear(2, 3), "second": nn.Linear(3, 4), "third": nn.Linear(4, 2)})
    shares = {"second.weight": 0.5, "third.weight": 1.0, "third.bias": 1.0}
    groups = parameter_groups(model, 1e-4, 0.8, shares)
    assert [(group["name"], group["weight_decay"], group.get("lr")) for group in groups] == [
        ("decay", 1e-4, None),
        ("no_decay", 0.0, None),
        ("decay x 0.5", 1e-4, 0.4),
    ]
    assert [len(group["params"]) for group in groups] == [1, 1, 1]
    assert groups[2]["params"][0] is model["second"].weight
