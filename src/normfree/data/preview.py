"""What training sees: the first batch of a run as pictures."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from normfree.config import Resolved, require_images
from normfree.data.build import build_source


class Pictures(NamedTuple):
    """Images ``[n, H, W, 1 or 3]`` in [0, 1] and what their labels say: ``7``, or ``7 62% + 3 38%``."""

    images: NDArray[np.float32]
    labels: list[str]


def contact_sheet(resolved: Resolved) -> Pictures:
    """The first training batch; the same images for every augmentation, in the same order.

    Raises:
        UserError: as :func:`normfree.data.build_source`.
    """
    require_images(resolved.config.data)
    source = build_source(resolved, resolved.config.batch)
    batch = next(iter(source.training_batches(0, 1)))
    pixels = source.pixels(batch.images).clamp(0, 1).permute(0, 2, 3, 1)
    if batch.labels.ndim == 1:
        return Pictures(pixels.numpy(), [str(label) for label in batch.labels.tolist()])
    labels = []
    for shares in batch.labels:
        largest = sorted(((float(share), label) for label, share in enumerate(shares)), reverse=True)[:2]
        named = [f"{label} {share:.0%}" for share, label in largest if share >= 0.005]
        labels.append(" + ".join(named) if len(named) > 1 else named[0].split()[0])
    return Pictures(pixels.numpy(), labels)
