"""Sets that are held in memory: decoded once, kept in the cache, cut into their splits."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.data.cache import Images, cache_folder, cached, fingerprint
from normfree.data.decode import DECODER
from normfree.data.decode_all import decode_all
from normfree.data.resident import Arrays
from normfree.data.samples import Samples
from normfree.data.split import cut

MOST_BYTES = 16 * 2**30
"""Decoded images beyond this are not held in memory."""


class Part(NamedTuple):
    """The files of one part of a data set, and what reads them."""

    files: list[Path]
    samples: Callable[[], Samples]


def held_arrays(parts: dict[str, Part], data: DataConfig) -> tuple[Arrays, dict[str, int]]:
    """The three splits, and how many unreadable images of ``train`` and ``test`` were left out.

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
    tested = {"train": data.validation_samples + (0 if "test" in parts else data.test_samples)}
    read = {name: _read(part, data, tested.get(name)) for name, part in parts.items()}
    skipped = {name: int(images.skipped.sum()) for name, images in read.items()}
    return cut(read["train"], read.get("test"), data), skipped


def _read(part: Part, data: DataConfig, tested: int | None) -> Images:
    """``tested`` as for `decode_all`."""
    facts = {
        "decoder": DECODER,
        "size": data.train_size,
        "channels": data.channels,
        "keep_aspect": data.keep_aspect,
        "tested": tested,
    }
    key = fingerprint(part.files, on_error=data.on_error, **facts)
    return cached(cache_folder(data.cache), f"{data.name}-{key}", lambda: decode_all(part.samples(), data, tested))
