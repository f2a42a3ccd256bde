"""A whole part of a data set decoded at once, to be held in memory."""

import os
import warnings

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from normfree.config.schema import DataConfig
from normfree.data.cache import Images
from normfree.data.decode import open_image, unreadable
from normfree.data.patience import in_threads
from normfree.data.samples import Samples
from normfree.data.split import shuffled_places
from normfree.data.transforms import tested_image, whole_image
from normfree.runs.heartbeat import beat

_CHUNK, _NAMED = 256, 5


def decode_all(samples: Samples, data: DataConfig, tested: int | None) -> Images:
    """All images on all cores, those of a part that is trained on in the fixed random order that splits are cut from.

    Args:
        tested: the first so many of that order are prepared as they are tested, the others as they are trained on.
            ``None``: all are tested, and stay in their own order, as with other loaders.

    Raises:
        UserError: an image cannot be read, unless ``data.on_error`` is ``skip``; then it is left out and counted.
    """
    total, size = len(samples.labels), data.train_size
    places = np.arange(total) if tested is None else shuffled_places(total)
    last = total if tested is None else tested
    images = np.empty((total, data.channels, size, size), dtype=np.uint8)
    good = np.ones(total, dtype=bool)
    left_out: list[str] = []

    def work(index: int) -> None:
        try:
            prepare = tested_image if places[index] < last else whole_image
            images[places[index]] = prepare(open_image(samples.read(index), data.channels), data)
        except ValueError as error:
            if data.on_error == "raise":
                raise unreadable(samples.where(index), error) from error
            good[places[index]] = False
            left_out.append(samples.where(index))
        beat()

    parts = [range(start, min(start + _CHUNK, total)) for start in range(0, total, _CHUNK)]
    console = Console(stderr=True)
    for _ in track(
        in_threads(os.cpu_count() or 1, parts, work, samples.where),
        f"decoding {data.name}",
        total=len(parts),
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
    return Images(torch.from_numpy(images), labels, torch.from_numpy(~good))
