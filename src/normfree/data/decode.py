"""Encoded images -> pixels: opened safely, converted, cut to squares."""

import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import PIL
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps, features
from rich.console import Console
from rich.progress import track

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.data.cache import Images
from normfree.data.samples import Samples
from normfree.data.split import shuffled_places

DECODER = f"pillow {PIL.__version__}, libjpeg {features.version('jpg')}"
"""Part of what names a cached decoding: other versions may round otherwise."""

_CHUNK, _NAMED = 256, 5


def open_image(content: bytes, channels: int = 3) -> Image.Image:
    """One image in colour or grey, decoded whole; palettes and transparency are resolved.

    Raises:
        ValueError: the bytes are no image, or a damaged one.
    """
    try:
        with Image.open(io.BytesIO(content)) as opened:
            # A palette's transparency has to be resolved before its colours.
            image = opened.convert("RGBA") if "transparency" in opened.info else opened
            image.load()
            mode = "RGB" if channels == 3 else "L"
            return image if image.mode == mode else image.convert(mode)
    except Exception as error:  # damaged bytes raise nearly anything
        raise ValueError((str(error).splitlines() or [type(error).__name__])[0]) from error


def square(image: Image.Image, size: int) -> NDArray[np.uint8]:
    """``[channels, size, size]``; another size is cropped to a centred square and resized (bicubic)."""
    if image.size != (size, size):
        image = ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC)
    pixels = np.asarray(image)
    return pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]


def unreadable(place: str, error: ValueError) -> UserError:
    """The line that names a damaged image."""
    return UserError(f"{place}: unreadable image ({error}); repair or remove it, or add data.on_error=skip")


def decode_all(samples: Samples, data: DataConfig) -> Images:
    """All images on all cores, in the fixed random order that splits are cut from.

    Raises:
        UserError: an image cannot be read, unless ``data.on_error`` is ``skip``; then it is left out and counted.
    """
    total, size = len(samples.labels), data.train_size
    places = shuffled_places(total)
    images = np.empty((total, data.channels, size, size), dtype=np.uint8)
    good = np.ones(total, dtype=bool)
    left_out: list[str] = []

    def work(start: int) -> None:
        for index in range(start, min(start + _CHUNK, total)):
            try:
                images[places[index]] = square(open_image(samples.read(index), data.channels), size)
            except ValueError as error:
                if data.on_error == "raise":
                    raise unreadable(samples.where(index), error) from error
                good[places[index]] = False
                left_out.append(samples.where(index))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        starts = range(0, total, _CHUNK)
        console = Console(stderr=True)
        for _ in track(
            pool.map(work, starts),
            f"decoding {data.name}",
            total=len(starts),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        ):
            pass
    labels = torch.empty(total, dtype=torch.int64)
    labels[torch.from_numpy(places)] = samples.labels
    if left_out:
        listed = ", ".join(sorted(left_out)[:_NAMED]) + (", ..." if len(left_out) > _NAMED else "")
        warnings.warn(f"data.on_error=skip: unreadable and left out: {listed}", stacklevel=2)
        images, labels = images[good], labels[torch.from_numpy(good)]
    return Images(torch.from_numpy(images), labels, torch.tensor([total - len(images)]))
