"""Sets that are held in memory: decoded once, kept in the cache, labelled and cut into their splits."""

from collections.abc import Mapping

import torch

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.data.cache import Images, Pixels, cache_folder, cached, fingerprint
from normfree.data.decode import DECODER
from normfree.data.decode_all import decode_all
from normfree.data.resident import Arrays
from normfree.data.samples import Samples
from normfree.data.split import cut, cut_points, shuffled_order

MOST_BYTES = 16 * 2**30
"""Decoded images beyond this are not held in memory."""


def held_arrays(parts: Mapping[str, Samples], data: DataConfig) -> tuple[Arrays, dict[str, int]]:
    """The three splits, and how many unreadable images of each part were left out.

    Raises:
        UserError: an image cannot be read, the labels are wrong, or the images are too many to be held.
    """
    count = data.train_samples + data.validation_samples + data.test_samples
    size = count * data.channels * data.train_size**2
    if size > MOST_BYTES:
        raise UserError(
            f"data.loader=resident: the images of {data.name} at {data.train_size} px take {size / 2**30:.0f} GiB; "
            "use data.loader=workers"
        )
    tested = {"train": cut_points(data, parts)[1]}
    read = {name: _read(samples, data, tested.get(name)) for name, samples in parts.items()}
    skipped = {name: int(images.skipped.sum()) for name, images in read.items()}
    return cut(read["train"], read.get("test"), data, read.get("validation")), skipped


def _read(samples: Samples, data: DataConfig, tested: int | None) -> Images:
    """``tested`` as for `decode_all`."""
    facts = {
        "decoder": DECODER,
        "size": data.train_size,
        "channels": data.channels,
        "keep_aspect": data.keep_aspect,
        "tested": tested,
    }
    key = fingerprint(samples.files, on_error=data.on_error, **facts)

    def decode() -> Pixels:
        images, _, skipped = decode_all(samples, data, tested)
        return Pixels(images, skipped)

    folder = cache_folder(data.cache) if samples.files else None
    pixels = cached(folder, f"{data.name}-{key}", decode)
    if len(pixels.skipped) != len(samples.labels):
        raise UserError(f"data.root={data.root}: its files changed while they were read; run it again")
    count = len(samples.labels)
    labels = samples.labels[torch.arange(count) if tested is None else shuffled_order(count)]
    return Images(pixels.images, labels[~pixels.skipped], pixels.skipped)
