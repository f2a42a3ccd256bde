"""A warning where training waited for images."""

import warnings

from normfree.config.schema import DataConfig
from normfree.config.sources import is_ffcv, is_resident

WAIT_SHARE, WAIT_SECONDS = 0.1, 1.0
"""Waiting for images for a greater share of the time, and for longer, is worth a warning."""


def warn_of_waiting(waited: float, seconds: float, data: DataConfig) -> None:
    """Where training ``waited`` long for images in ``seconds``, say what can be done about it."""
    if waited <= WAIT_SHARE * seconds or waited < WAIT_SECONDS:
        return
    if is_resident(data):
        remedy = "the images are in memory, their augmentation takes this long: choose a lighter augment="
    elif is_ffcv(data):
        remedy = f"give data.workers={data.workers} more processor cores"
    else:
        remedy = f"raise data.workers={data.workers}, or use data.loader=resident (in memory) or data.loader=ffcv"
    warnings.warn(f"training waited for images {waited / seconds:.0%} of its time; {remedy}", stacklevel=2)
