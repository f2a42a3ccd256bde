"""What of a LightningModule is the network. Needs no Lightning."""

from typing import Any

from torch import nn


def network_of(pl_module: Any) -> nn.Module:
    """``pl_module.network`` if there is such a module, else the whole LightningModule."""
    network = getattr(pl_module, "network", None)
    return network if isinstance(network, nn.Module) else pl_module
