"""Whose floor is another than the published one."""

import pytest

from normfree.clip import EPS_SCOPES, PUBLISHED_EPS, clipped_parameters, floors
from normfree.nets import create_model


@pytest.fixture(scope="module")
def network():
    return create_model("nf_resnet20", num_classes=10)


def raised(network, scope):
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    parameters = clipped_parameters(network)
    found = floors(network, parameters, 0.1, scope)
    return {names[id(one)] for one, floor in zip(parameters, found, strict=True) if floor == 0.1}


def test_skip_gains_alone(network):
    gains = {name for name, _ in network.named_parameters() if name.endswith("skip_gain")}
    assert len(gains) == 9
    assert raised(network, "skip_gains") == gains


def test_what_has_at_most_one_dimension(network):
    flat = {name for name, parameter in network.named_parameters() if parameter.dim() <= 1}
    assert raised(network, "vectors") == flat
    assert {name.rpartition(".")[2] for name in flat} >= {"skip_gain", "bias", "gain"}


def test_one_number_where_it_is_the_same_for_all(network):
    parameters = clipped_parameters(network)
    assert floors(network, parameters, 0.1) == 0.1
    assert all(floors(network, parameters, PUBLISHED_EPS, scope) == PUBLISHED_EPS for scope in EPS_SCOPES)


def test_an_unknown_scope(network):
    with pytest.raises(ValueError, match="unknown scope of eps 'biases'; choose one of all, vectors, skip_gains"):
        floors(network, [], 0.1, "biases")
