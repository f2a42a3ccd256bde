"""The blocks move fewer bytes than timm's: counted, not timed."""

import pytest
import timm
import torch
from torch import nn

from normfree import create_model
from normfree.nets.traffic import bytes_moved


@pytest.mark.parametrize(
    ("name", "peer", "image_size", "share"),
    [("nfnet_f0", "dm_nfnet_f0", 192, 0.67), ("nf_resnet50", "nf_resnet50", 224, 0.84)],
)
def test_a_training_step_moves_fewer_bytes_than_timms(name: str, peer: str, image_size: int, share: float) -> None:
    with torch.device("meta"):
        ours, theirs = create_model(name), timm.create_model(peer)
    assert bytes_moved(ours, image_size) <= share * bytes_moved(theirs, image_size)


def test_what_is_counted() -> None:
    """A convolution, a ReLU in place, a mean and a linear layer, in float32, by hand."""
    model = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.ReLU(True), nn.Flatten(), nn.Linear(4 * 64, 10))
    image, map_, logits = 3 * 64, 4 * 64, 10
    forward = (image + map_) + 2 * map_ + (map_ + logits)  # convolution, ReLU, linear
    # The ReLU's backward reads gradient and output; the convolution's needs no gradient of the image.
    backward = (logits + map_) + logits + 3 * map_ + (map_ + image)
    linear_weight_gradient = map_ + logits
    counted = bytes_moved(model, 8, torch.float32) / 4
    # The loss reads and writes some logits and labels; nothing else is left.
    assert 0 <= counted - (forward + backward + linear_weight_gradient) < 12 * logits
