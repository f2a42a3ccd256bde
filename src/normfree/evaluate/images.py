"""The images that a network is judged by, by the preprocessing of its run."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from torch import Tensor

from normfree.compose.run import compose_run
from normfree.config import Resolved, UserError
from normfree.config.other_images import other_images
from normfree.config.schema import DataConfig
from normfree.config.sources import check_source, is_ffcv, is_resident, read_of, require_images
from normfree.config.sources.reading import looked_up_once
from normfree.data import Source
from normfree.data.build import build_source
from normfree.data.readers import encoded_images, parts_of
from normfree.data.source import ALONE, SPLITS, Share
from normfree.data.split import cut_points, shuffled_order
from normfree.evaluate.class_names import label_map, numbered
from normfree.host.files import printable
from normfree.trained import Preprocessing, Trained

ALL = "all"
UNTRAINED = ("clip=none", "augment=none", "batch=1", "steps=1", "optimizer.warmup_steps=0")
"""For what is composed and never trained: however few images there are, they are enough."""


@dataclass(frozen=True)
class Wanted:
    """Which images: of a run as they were, or others.

    Attributes:
        unchanged: they are the run's own as it tested them.
        numbers: of the classes of these images, the network's; ``None`` where they are the same.
        unnamed: they are of another set than the run's, whose classes have numbers for names.
    """

    resolved: Resolved
    preprocessing: Preprocessing
    unchanged: bool
    numbers: tuple[int, ...] | None
    digest: str
    unnamed: bool = False

    @property
    def data(self) -> DataConfig:
        return self.resolved.config.data


def splits_of(split: str) -> tuple[str, ...]:
    """The parts of a set that are counted: one, or with ``all`` training, validation and test images in turn."""
    return SPLITS if split == ALL else (split,)


class Images:
    """One share of a split, or of all."""

    def __init__(self, wanted: Wanted, split: str, share: Share = ALONE) -> None:
        self._wanted, self._split = wanted, split
        config = wanted.resolved.config
        self.source: Source = build_source(wanted.resolved, config.batch, None, share)
        if not any(self.source.size(each) for each in splits_of(split)):
            raise UserError(f"split={split}: {config.data.name} has no images there; choose another, or split={ALL}")
        self._numbers = None if wanted.numbers is None else torch.tensor(wanted.numbers)

    def batches(self, size: int) -> Iterator[tuple[Tensor, Tensor, Tensor, list[int]]]:
        """Of at most ``size`` images each: pixels uint8 ``[N, C, S, S]`` on the processor, the same normalised, labels
        by the network's numbers and places in the split.
        """
        before = 0
        for split in splits_of(self._split):
            seen = 0
            for images, labels in self.source.evaluation_batches(split, size) if self.source.size(split) else ():
                places = self.source.places(split)[seen : seen + len(labels)]
                seen += len(labels)
                pixels = self.source.pixels(images).mul(255).round().clamp(0, 255).to(torch.uint8)
                own = labels.cpu() if self._numbers is None else self._numbers[labels.cpu()]
                # Normalised as in training, to the last bit, where they are the run's own.
                inputs = images if self._wanted.unchanged else self._wanted.preprocessing.normalised(pixels)
                yield pixels, inputs, own, [before + place for place in places]
            before += self.source.size(split)


def wanted(trained: Trained, words: Sequence[str], size: int | None, classes: str) -> Wanted:
    """What the words say of the images, nothing of them read yet but their names.

    Args:
        words: ``data=NAME`` and ``data.KEY=VALUE``; those of a file of weights are in its configuration already.
        classes: ``same``, ``by_name`` or ``by_number``: see `normfree.evaluate.class_names`.

    Raises:
        UserError: there are no such images, their classes are others, or they cannot have that size.
    """
    from_run = "checkpoint" in trained.about
    resolved, preparing = trained.resolved, trained.preprocessing
    data, unchanged = resolved.config.data, from_run and not words and size is None
    with looked_up_once():
        if words and from_run:
            data = _composed(words, preparing) if _names_a_set(words) else _with(data, words)
        if not unchanged:
            data = _prepared(data, preparing, size)
        require_images(data)
        reading = read_of(data)
        if not unchanged:
            data = replace(data, classes=len(reading.classes))
    numbers = (
        None
        if unchanged
        else label_map(
            trained.classes, [str(each) for each in reading.classes], classes, trained.about.get("classes_known", True)
        )
    )
    # A file of weights is asked about the set that was named for it.
    unnamed = from_run and data.name != resolved.config.data.name and numbered(list(map(str, reading.classes)))
    # One image a batch: however few there are to train on.
    config = replace(resolved.config, data=data, batch=resolved.config.batch if unchanged else 1)
    return Wanted(replace(resolved, config=config), preparing.at(size), unchanged, numbers, reading.digest, unnamed)


def files_of(data: DataConfig, split: str) -> list[str] | None:
    """Each image's path beneath ``data.root``, in the order of the split; ``None`` where images have none."""
    if is_ffcv(data) or not encoded_images(data):
        return None
    parts = parts_of(data)
    first, last = cut_points(data, parts)
    whole = shuffled_order(len(parts["train"].labels)).tolist()
    cut = {"test": whole[:first], "validation": whole[first:last], "train": whole[last:]}
    root = "" if data.root is None else f"{Path(data.root).expanduser()}/"
    found = []
    for each in splits_of(split):
        own = each in parts and each != "train"
        samples = parts[each if own else "train"]
        found += [samples.where(place) for place in (range(len(samples.labels)) if own else cut[each])]
    return [printable(path.removeprefix(root)) for path in found]


def _names_a_set(words: Sequence[str]) -> bool:
    return any(word.startswith("data=") for word in words)


def _composed(words: Sequence[str], preparing: Preprocessing) -> DataConfig:
    sizes = [f"data.{key}={preparing.size}" for key in ("train_size", "test_size")]
    given = {word.partition("=")[0] for word in words}
    return compose_run(
        ["model=nf_resnet20", *UNTRAINED, *(each for each in sizes if each.partition("=")[0] not in given), *words]
    ).config.data


def _with(data: DataConfig, words: Sequence[str]) -> DataConfig:
    """The run's own, some keys changed: where it lies now, for instance.

    Raises:
        UserError: there is no such key.
        HydraException, OmegaConfBaseException: the value cannot be read, or is of another type.
    """
    given = {}
    for word in words:
        read = OverridesParser.create().parse_override(word)
        given[word.partition("=")[0].removeprefix("data.")] = read.value()
    return other_images(data, given)


def _prepared(data: DataConfig, preparing: Preprocessing, size: int | None) -> DataConfig:
    """To be prepared as the network's own images are, at another size if asked for."""
    side = size or preparing.size
    several = not is_ffcv(data) and encoded_images(data)
    if not several and not is_ffcv(data) and data.channels != preparing.channels:
        kinds = {1: "grey", 3: "colour"}
        raise UserError(
            f"data={data.name}: its images are {kinds[data.channels]}, and the network takes "
            f"{kinds[preparing.channels]} ones; give others"
        )
    changed = replace(
        data,
        channels=preparing.channels,
        mean=list(preparing.mean),
        std=list(preparing.std),
        keep_aspect=preparing.keep_aspect,
        test_size=side,
        # The size of training may say which files are read: kept where each image is read by itself.
        train_size=side if not several else data.train_size,
        loader="workers" if several and is_resident(data) and side != data.train_size else data.loader,
    )
    try:
        check_source(changed)
    except UserError as error:
        # The keys of sizes are nobody's here.
        why = re.sub(r"^data\.(train|test)_size=\d+: ", "", str(error))
        raise UserError(f"size={size}: {why}" if size else str(error)) from error
    return changed
