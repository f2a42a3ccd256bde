"""Which layer of a network is its classifier."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from normfree.clip import classifier_of, clipped_parameters
from normfree.nets import create_model, list_models


@pytest.mark.parametrize(
    ("name", "classifier"),
    [("resnet18", "fc"), ("mobilenet_v3_small", "classifier.3"), ("vgg11", "classifier.6"), ("vit_b_16", "heads.head")],
)
def test_of_torchvision(name: str, classifier: str) -> None:
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        network = getattr(models, name)()
    assert classifier_of(network)[0] == classifier


def test_a_convolution_can_be_one() -> None:
    models = pytest.importorskip("torchvision.models")
    with torch.device("meta"):
        assert classifier_of(models.squeezenet1_0())[0] == "classifier"


@pytest.mark.parametrize("name", list_models())
def test_of_ours_it_is_the_one_that_runs_leave_alone(name: str) -> None:
    with torch.device("meta"):
        network = create_model(name)
    _, classifier = classifier_of(network)
    left_out = {id(one) for one in network.parameters()} - {id(one) for one in clipped_parameters(network)}
    assert {id(one) for name, one in classifier.named_parameters() if name.endswith("weight")} == left_out


def test_where_there_is_none() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    with pytest.raises(ValueError, match=r"^Sequential has no linear layer .* classifier=..., or .* scope='all'$"):
        classifier_of(network)
    with pytest.raises(ValueError, match=r"^classifier='head': Sequential has no such module; its linear"):
        classifier_of(network, "head")
