"""How long the images of a run would take to be read and augmented here, from a few that are read now.

Asked of files that worker processes read each time. A set in memory is read once, or is embedded, and its augmentation
is arithmetic that is small beside a step's.
"""

import time
from dataclasses import replace

from normfree.config import Resolved, UserError
from normfree.config.sources import is_ffcv, is_resident
from normfree.config.sources.reading import looked_up_once, remembered
from normfree.data.readers import encoded_images, parts_of
from normfree.data.workers import WorkerSource
from normfree.host.devices import cores
from normfree.train.estimate import about

TRIED = 32
"""Training images that are timed, after as many that warm up the disk."""


def seconds_of_an_image(resolved: Resolved) -> float | None:
    """Of one training image in one process; ``None`` where images are in memory, FFCV's, or cannot be read here."""
    data = resolved.config.data
    if is_resident(data) or is_ffcv(data) or not encoded_images(data):
        return None
    asked = ("reading time", repr(data), repr(resolved.config.augment))
    found: float | None = remembered(asked, lambda: _measured(resolved))  # once for all runs of a sweep
    return found


def seconds_of_reading(resolved: Resolved, an_image: float | None, arithmetic: float, on_gpu: bool) -> float:
    """What reading adds to the ``arithmetic`` seconds of a run.

    Beside a GPU workers read while it computes; processors do one or the other.
    """
    if an_image is None:
        return 0.0
    config = resolved.config
    every, data = config.trainer.evaluate_every, config.data
    between = 0 if every is None else (resolved.steps - 1) // every
    images = resolved.steps * config.batch + data.test_samples + (1 + between) * data.validation_samples
    devices = config.trainer.devices * config.trainer.nodes
    seconds = images * an_image / max(1, min(data.workers * devices, cores()))
    return max(0.0, seconds - arithmetic) if on_gpu else seconds


def reading_told(an_image: float | None, seconds: float) -> str:
    """A part of the line of times, where reading is known."""
    return "" if an_image is None else f", {about(seconds)} of reading and augmenting images beside them"


def beside_told(an_image: float | None) -> str:
    """What the times leave out."""
    if an_image is None:
        return "with nothing else running, without reading and augmenting images"
    return f"and {TRIED} images read, with nothing else running"


def _measured(resolved: Resolved) -> float | None:
    config = resolved.config
    images = min(TRIED, config.data.train_samples)
    try:
        with looked_up_once():
            parts = parts_of(config.data)
        source = WorkerSource(
            parts["train"], parts.get("test"), replace(config.data, workers=0), config.augment, config.seed, images,
            max(1, config.data.train_samples // images), validation=parts.get("validation"),
        )  # fmt: skip
        batches = source.training_batches(0, 2)
        next(batches)
        began = time.perf_counter()
        next(batches)
        return (time.perf_counter() - began) / images
    except (UserError, OSError, StopIteration):
        return None
