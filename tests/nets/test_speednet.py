"""The small fast networks: what they begin with, and what whitening gives."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from normfree.nets import count_parameters, create_model, fold, list_models, minimum_image_size
from normfree.nets.whitening import WhiteningConv2d

NAMES = ["bn_speednet", "nf_speednet", "speednet"]


def correlated(images: int = 300, channels: int = 3, size: int = 9) -> torch.Tensor:
    """Smooth images whose channels are alike."""
    noise = torch.randn(images, channels, size + 2, size + 2)
    return F.avg_pool2d(noise + noise.mean(1, keepdim=True), 3, 1) + 0.3


@pytest.mark.parametrize("channels", [1, 3])
def test_patches_are_white(channels: int) -> None:
    torch.manual_seed(0)
    layer, images = WhiteningConv2d(channels), correlated(channels=channels)
    layer.whiten(images)
    found = layer(images).detach().transpose(0, 1).flatten(1)
    half = len(found) // 2
    torch.testing.assert_close(found[half:], -found[:half])
    covariance = torch.cov(found[:half].double(), correction=0)
    assert float((covariance - torch.eye(half)).abs().max()) < 0.05
    assert not layer.weight.requires_grad


def test_whitening_is_the_same_for_every_type_and_layout() -> None:
    torch.manual_seed(0)
    images = correlated()
    one, other = WhiteningConv2d(3), WhiteningConv2d(3).double().to(memory_format=torch.channels_last)
    one.whiten(images)
    other.whiten(images.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(other.weight.float(), one.weight, rtol=1e-6, atol=1e-7)


def test_images_that_cannot_be_whitened() -> None:
    for shape in ([2, 1, 4, 4], [2, 3, 1, 4], [0, 3, 4, 4], [3, 4, 4]):
        with pytest.raises(ValueError, match="images of shape"):
            WhiteningConv2d(3).whiten(torch.zeros(shape))


@pytest.mark.parametrize("name", NAMES)
def test_filters_begin_as_the_identity_with_norm_1(name: str) -> None:
    network = create_model(name, 10, width=[32, 40])
    for block in network.blocks:
        for conv in (block.conv0, block.conv1):
            weight = conv.weight.detach()
            torch.testing.assert_close(weight.flatten(1).norm(dim=1), torch.ones(len(weight)))
            expected = torch.nn.init.dirac_(torch.empty_like(weight[: weight.shape[1]]))
            assert torch.equal(weight[: weight.shape[1]], expected)


def test_the_twins_train_the_same_numbers() -> None:
    trained = {name: sum(p.numel() for p in create_model(name, 10).parameters() if p.requires_grad) for name in NAMES}
    assert trained["speednet"] == trained["bn_speednet"] == count_parameters(create_model("speednet", 10)) - 288
    assert trained["nf_speednet"] == trained["speednet"] + 2 * (64 + 256 + 256)
    assert list_models("speednet") == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_shapes_and_folding(name: str) -> None:
    torch.manual_seed(0)
    network = create_model(name, 7, in_channels=1, width=[8, 12]).train()
    images = torch.randn(6, 1, 16, 14)
    network.initialise_from(images)
    assert network(images).shape == (6, 7)
    network.eval()
    assert network.forward_features(images).shape == (6, 12, 3, 3)
    torch.testing.assert_close(fold(network)(images), network(images))
    assert create_model(name, 0, width=[8])(torch.randn(2, 3, 9, 9)).shape == (2, 8)
    assert minimum_image_size(name) == 9
    with pytest.raises(ValueError, match="needs a positive number a group"):
        create_model(name, 10, width=[])
