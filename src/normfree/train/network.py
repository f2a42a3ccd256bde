"""The network of a run. Needs no Lightning, so that a plan is quick."""

from torch import nn

from normfree.config import Resolved
from normfree.nets import create_model

_NOT_FOR_THE_NETWORK = ("name", "family", "normalizer", "train_size", "test_size")


def build_network(resolved: Resolved) -> nn.Module:
    """The network that ``model=`` describes, for this data set's channels and classes."""
    model = resolved.config.model
    overrides = {
        key: value
        for key, value in vars(model).items()
        if key not in _NOT_FOR_THE_NETWORK and value is not None
    }
    data = resolved.config.data
    return create_model(model.name, num_classes=data.classes, in_channels=data.channels, **overrides)
