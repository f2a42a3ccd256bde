"""The smallest image that a network can make use of."""

from __future__ import annotations

import torch

from normfree.nets.classifier_network import ClassifierNetwork
from normfree.nets.cost import _images, _meta_copy
from normfree.nets.registry import create_model

_PROBE = 4096


def minimum_image_size(model: ClassifierNetwork | str) -> int:
    """Side in pixels below which a network has stages that see a single pixel: its total stride.

    'SAME' padding lets smaller images through, but the last of the strides then find nothing to halve. Nothing is
    computed: shapes alone go through the network.

    Args:
        model: a network of this package, or its name.

    Raises:
        ValueError: no such network, or one of another library.
    """
    if isinstance(model, str):
        with torch.device("meta"):
            model = create_model(model)
    if not len(model.blocks):
        raise ValueError("a network of another library has no blocks known here, and so no total stride")
    shadow = _meta_copy(model).eval()
    assert isinstance(shadow, ClassifierNetwork)
    with torch.no_grad():
        side = shadow.forward_features(_images(shadow, 1, _PROBE)).shape[2]
    return -(-_PROBE // side)
