"""A warning where training waited for images."""

import warnings

from normfree.config.schema import DataConfig
from normfree.config.sources import is_ffcv, is_resident
from normfree.host.devices import cores

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
        faster = "data.loader=resident (images in memory: another run, as it crops other pixels) or data.loader=ffcv"
        more = f"raise data.workers from {data.workers}, or use " if data.workers < cores() else "use "
        remedy = f"{more}{faster}"
    warnings.warn(f"training waited for images {waited / seconds:.0%} of its time; {remedy}", stacklevel=2)
