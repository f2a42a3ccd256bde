"""Which network of timm or torchvision a network of this package is measured against."""

from __future__ import annotations

import importlib.util

from torch import nn

from normfree.config import UserError

PEERS: dict[str, tuple[str, str]] = {
    **{f"nfnet_f{level}": ("timm", f"dm_nfnet_f{level}") for level in range(7)},
    **{f"nf_resnet{layers}": ("timm", f"nf_resnet{layers}") for layers in (50, 101)},
    **{f"nf_regnet_b{level}": ("timm", f"nf_regnet_b{level}") for level in range(6)},
    **{f"resnet{layers}": ("torchvision", f"resnet{layers}") for layers in (50, 101, 152)},
    "resnet50_v1": ("torchvision", "resnet50"),
    **{f"efficientnet_b{level}": ("timm", f"efficientnet_b{level}") for level in range(8)},
}
"""Same name and use, not always the same function: timm's nf_resnet50 has other shortcuts and no skip gain."""


def peer_label(name: str) -> str:
    """``timm dm_nfnet_f0``.

    Raises:
        UserError: nothing is known to measure the network against.
    """
    if name not in PEERS:
        raise UserError(f"models={name}: has no peer to be measured against; there are: {', '.join(PEERS)}")
    return " ".join(PEERS[name])


def build_peer(name: str) -> nn.Module:
    """The peer of the network called `name`, with fresh weights and 1000 classes."""
    peer_label(name)
    library, peer = PEERS[name]
    if importlib.util.find_spec(library) is None:
        raise UserError(f"models={name}: its peer is in {library}, which is not installed; pip install {library}")
    network: nn.Module
    if library == "timm":
        import timm

        network = timm.create_model(peer)
    else:
        import torchvision

        network = torchvision.models.get_model(peer)
    return network
