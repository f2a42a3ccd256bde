"""The smallest image of a network is its total stride."""

from __future__ import annotations

import pytest
import torch

from normfree.nets import create_model, list_models, minimum_image_size

SMALL = {
    "resnet20",
    "resnet56",
    "wrn_28_10",
    "nf_resnet20",
    "nf_resnet56",
    "nf_wrn_28_10",
    "nfnet_nano",
    "bn_nfnet_nano",
}


@pytest.mark.parametrize("name", ["nfnet_f0", "bn_nfnet_f0", "resnet50", "nf_resnet50", "nf_regnet_b0", *sorted(SMALL)])
def test_total_stride(name):
    assert name in list_models()
    assert minimum_image_size(name) == (4 if name in SMALL else 32)


def test_it_follows_the_overrides_and_leaves_the_network_alone():
    network = create_model("nfnet_f0", 3, width=[16, 32], depth=[1, 1], group_size=8).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert minimum_image_size(network) == 8
    assert minimum_image_size(create_model("nfnet_nano", stem_strides=(3,), in_channels=1)) == 12
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    for size, side in ((8, 1), (9, 2), (16, 2)):
        assert network.forward_features(torch.zeros(1, 3, size, size)).shape[2] == side


def test_an_unknown_name_and_a_network_without_blocks():
    network = create_model("resnet20")
    network.blocks = torch.nn.ModuleList()
    with pytest.raises(ValueError, match="another library"):
        minimum_image_size(network)
    with pytest.raises(ValueError, match="did you mean"):
        minimum_image_size("nfnet_f00")
