"""The classifier is found by what it is."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from normfree.clip import clip_grad_agc_, clipped_parameters, parts_of
from normfree.nets import create_model


@pytest.mark.parametrize("name", ["resnet20", "nf_resnet20", "nfnet_nano"])
@pytest.mark.parametrize(
    ("scope", "left_out"),
    [("deepmind", {"classifier.weight"}), ("timm", {"classifier.weight", "classifier.bias"}), ("all", set())],
)
def test_scopes(name, scope, left_out):
    model = create_model(name, 10)
    names = {id(p): key for key, p in model.named_parameters()}
    clipped = [names[id(p)] for p in clipped_parameters(model, scope)]
    assert len(clipped) == len(set(clipped))
    assert set(names.values()) - set(clipped) == left_out


def test_position_does_not_matter():
    class HeadFirst(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.classifier = nn.Linear(3, 2)
            self.body = nn.Linear(4, 3)

    model = HeadFirst()
    assert [p.shape for p in clipped_parameters(model)] == [(2,), (3, 4), (3,)]
    assert [p.shape for p in clipped_parameters(model, "timm")] == [(3, 4), (3,)]


def test_frozen_parameters_are_skipped_until_they_are_thawed():
    model = create_model("nf_resnet20", 10)
    model.stem_conv.requires_grad_(False)
    parameters = clipped_parameters(model)
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    frozen = clip_grad_agc_(parameters).units
    model.requires_grad_(True)
    model(torch.randn(2, 3, 8, 8)).sum().backward()
    assert clip_grad_agc_(parameters).units == frozen + 16 + 2


def test_pooled_features_have_nothing_to_leave_out():
    model = create_model("nf_resnet20", 0)
    assert len(clipped_parameters(model)) == len(list(model.parameters()))


def test_stages_of_a_network():
    model = create_model("nfnet_nano", 10)
    names = {id(p): key for key, p in model.named_parameters()}

    def clipped(*stages, scope="all"):
        return {names[id(p)] for p in clipped_parameters(model, scope, stages)}

    assert {name.split(".")[0] for name in clipped("stem")} == {"stem_convs"}
    assert {name.split(".")[0] for name in clipped("head")} == {"final_conv", "classifier"}
    assert clipped("head", scope="timm") == {name for name in clipped("head") if not name.startswith("classifier")}
    of_block = {stage: clipped(stage) for stage in (0, 1, 2)}
    for index, block in enumerate(model.blocks):
        assert any(name.startswith(f"blocks.{index}.") for name in of_block[block.stage])
    together = clipped("stem", "0", 1, 2, "head")
    assert together == set(names.values())
    assert sum(map(len, (clipped("stem"), clipped("head"), *of_block.values()))) == len(together)


ONE_OF_EACH = ["resnet20", "resnet50_v1", "se_resnet50", "nf_resnet20", "nf_resnet50", "nf_regnet_b0", "nfnet_f0"]


@pytest.mark.parametrize("name", [*ONE_OF_EACH, "bn_nfnet_f0"])
def test_every_network_knows_its_stages(name):
    with torch.device("meta"):
        model = create_model(name, 10)
    parts = parts_of(model)
    assert set(parts) == {key for key, _ in model.named_parameters()}
    stages = {str(block.stage) for block in model.blocks}
    assert {"stem", "head", *stages} == set(parts.values())
    assert parts["classifier.weight"] == "head"


def test_errors():
    with pytest.raises(ValueError, match=r"stages=\['3', 'tail'\]: choose from stem, 0, 1, 2, head"):
        clipped_parameters(create_model("nf_resnet20", 10), "all", ["tail", 3])
    with pytest.raises(ValueError, match="Linear has no blocks that know their stage; leave out stages"):
        clipped_parameters(nn.Linear(2, 2), "all", [0])
    with pytest.raises(ValueError, match="Linear has no module named 'classifier'; clip with scope='all'"):
        clipped_parameters(nn.Linear(2, 2))
    assert len(clipped_parameters(nn.Linear(2, 2), "all")) == 2
    with pytest.raises(ValueError, match="unknown clipping scope 'head'"):
        clipped_parameters(nn.Linear(2, 2), "head")
