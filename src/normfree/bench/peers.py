"""What a network of this package is measured against: one of timm or torchvision, or its twin."""

from __future__ import annotations

import importlib.util

from torch import nn

from normfree.config import UserError
from normfree.host.installing import install
from normfree.nets import create_model, model_info

PEERS: dict[str, tuple[str, str]] = {
    **{f"nfnet_f{level}": ("timm", f"dm_nfnet_f{level}") for level in range(7)},
    **{f"nf_resnet{layers}": ("timm", f"nf_resnet{layers}") for layers in (50, 101)},
    **{f"nf_regnet_b{level}": ("timm", f"nf_regnet_b{level}") for level in range(6)},
    **{f"resnet{layers}": ("torchvision", f"resnet{layers}") for layers in (50, 101, 152)},
    "resnet50_v1": ("torchvision", "resnet50"),
    **{f"efficientnet_b{level}": ("timm", f"efficientnet_b{level}") for level in range(8)},
}
"""Same name and use, not always the same function: timm's nf_resnet50 has other shortcuts and no skip gain."""


def other_label(name: str, against: str) -> str:
    """What the network called `name` is measured against: ``timm dm_nfnet_f0``, or ``normfree bn_nfnet_f0``.

    Args:
        against: ``peer`` or ``twin``.

    Raises:
        UserError: there is nothing.
    """
    if against == "twin":
        try:
            twin = model_info(name).twin
        except ValueError as error:
            raise UserError(f"models={name}: {error}") from error
        if twin is None:
            raise UserError(f"models={name}: has no twin with the other normaliser; use against=peer")
        return f"normfree {twin}"
    if name not in PEERS:
        raise UserError(f"models={name}: has no peer to be measured against; there are: {', '.join(PEERS)}")
    return " ".join(PEERS[name])


def build_other(name: str, against: str) -> nn.Module:
    """That network, with fresh weights and 1000 classes.

    Raises:
        UserError: there is none, or its library is not installed.
    """
    library, other = other_label(name, against).split()
    if library == "normfree":
        return create_model(other)
    if importlib.util.find_spec(library) is None:
        raise UserError(f"models={name}: its peer is in {library}, which is not installed; {install(library)}")
    network: nn.Module
    if library == "timm":
        import timm

        network = timm.create_model(other)
    else:
        import torchvision

        network = torchvision.models.get_model(other)
    return network
