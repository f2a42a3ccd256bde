"""Encoded images -> uint8 arrays of one size."""

import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageOps, features

from normfree.config import UserError

DECODER = f"pillow {PIL.__version__}, libjpeg {features.version('jpg')}"
"""Part of what names a cached decoding: other versions may round otherwise."""

_CHUNK = 256


def decode(content: bytes, size: int, channels: int = 3) -> NDArray[np.uint8]:
    """One image as ``[channels, size, size]``; grey, palette and transparent ones are converted.

    Another size is cropped to a centred square and resized (bicubic).

    Raises:
        ValueError: the bytes are no image, or a damaged one.
    """
    try:
        with Image.open(io.BytesIO(content)) as opened:
            # A palette's transparency has to be resolved before its colours.
            image = opened.convert("RGBA") if "transparency" in opened.info else opened
            image = image.convert("RGB" if channels == 3 else "L")
            if image.size != (size, size):
                image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
            pixels = np.asarray(image)
    except Exception as error:  # damaged bytes raise nearly anything
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from error
    return pixels.transpose(2, 0, 1) if channels == 3 else pixels[None]


def decode_all(
    contents: Sequence[bytes | None], into: NDArray[np.uint8], places: Sequence[int], source: str, first_row: int
) -> None:
    """Decode ``contents`` on all cores into ``into[places]``, ``[n, channels, size, size]``.

    Raises:
        UserError: names ``source`` and the row, counted from ``first_row``, of an unreadable image.
    """
    channels, size = into.shape[1:3]

    def work(start: int) -> None:
        for row in range(start, min(start + _CHUNK, len(contents))):
            content = contents[row]
            try:
                if content is None:
                    raise ValueError("no bytes")
                into[places[row]] = decode(content, size, channels)
            except ValueError as error:
                raise UserError(
                    f"{source}, row {first_row + row}: unreadable image ({error}); repair or remove it"
                ) from error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(work, range(0, len(contents), _CHUNK)))
