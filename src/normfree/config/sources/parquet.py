"""data=parquet and data=imagenette: Hugging Face image parquet, here or on the hub."""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from normfree.config.errors import WORKS, UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.hub import hub_files, hub_name
from normfree.config.sources.labels import labels_of, names_of, number_of_classes
from normfree.config.sources.look import Look, look_at_rows
from normfree.config.sources.parquet_schema import Remote, count_rows, open_parquet, side_of
from normfree.config.sources.published import Published
from normfree.config.sources.reading import Digest, Reading, listed, remembered
from normfree.config.sources.shards import Shards, shards_in
from normfree.config.sources.source import DataSource, given_root
from normfree.config.sources.words import TEST, TRAIN


class ParquetSource(DataSource):
    """Files of ``train``, ``validation`` and ``test`` by their names; one of the latter two alone is the test."""

    names = ("parquet",)
    any_set = True
    own_size = False
    known_as = ""
    """Where the set is to be had."""
    also = ""
    """Another way to give it."""
    published: Published | None = None
    """Of one data set what its whole is known to hold."""

    def requires(self, data: DataConfig) -> None:
        files = self.places(data).splits
        for places in files.values():
            for place in places:
                open_parquet(place)
        names = names_of(files)
        if self.published is not None and all(isinstance(path, Path) for path in chain(*files.values())):
            self.published.refuse_another(data, names, self.reads(data))

    def reads(self, data: DataConfig) -> Reading:
        key = (self.names, "parquet reading", data.root, data.train_size)
        # Files of the hub have no digest before they are fetched.
        return remembered(key, lambda: self._read(data), keep=lambda made: bool(made.digest))

    def _read(self, data: DataConfig) -> Reading:
        found = self.places(data)
        names = names_of(found.splits)
        files = {split: paths for split, paths in found.splits.items() if paths}
        classes = names or [str(label) for label in range(number_of_classes(files[TRAIN]))]
        if not all(isinstance(path, Path) for paths in files.values() for path in paths):
            return self._reading(found.left_out, files, classes, {}, "")
        digest, empty, total = Digest(classes), {}, 0
        for split, paths in files.items():
            there: set[int] = set()
            for path in paths:
                labels = labels_of(path, names)
                digest.add(split, path.name, path.stat().st_size, labels.tobytes().hex())
                there |= set(labels.tolist())
                total += path.stat().st_size
            empty[split] = [name for label, name in enumerate(classes) if label not in there]
        digest.contents((path for paths in files.values() for path in paths), total)
        return self._reading(found.left_out, files, classes, empty, digest.finished())

    def _reading(
        self,
        left_out: Sequence[Any],
        files: dict[str, list[Any]],
        classes: Sequence[str],
        empty: dict[str, list[str]],
        digest: str,
    ) -> Reading:
        return Reading(
            classes=classes,
            images={split: count_rows(paths) for split, paths in files.items()},
            digest=digest,
            files=sum(len(paths) for paths in files.values()),
            places={split: listed(os.path.basename(str(path)) for path in paths) for split, paths in files.items()},
            empty={split: names for split, names in empty.items() if names},
            left_out=tuple(left_out),
        )

    def label_of_place(self, place: str) -> str:
        name = hub_name(place)
        return name.label if name is not None else super().label_of_place(place)

    def look(self, data: DataConfig) -> Look | None:
        files = [path for paths in self.places(data).splits.values() for path in paths]
        if not all(isinstance(path, Path) for path in files):
            return None  # of the hub, and not fetched yet
        return remembered((self.names, "look", data.root), lambda: look_at_rows(files))

    def reader(self, data: DataConfig) -> str:
        return "parquet"

    def files(self, data: DataConfig) -> dict[str, list[Path]]:
        """The files of each split under ``data.root``, fetched where that is a data set of the hub.

        Raises:
            UserError: as :meth:`requires`, or a file cannot be fetched.
        """
        found = self.places(data).splits
        if hub_name(data.root) is not None:
            return {
                split: [file if isinstance(file, Path) else file.fetched() for file in files]
                for split, files in found.items()
            }
        return found

    def places(self, data: DataConfig) -> Shards[Any]:
        """The same, nothing fetched: paths, or files of the hub that are not on this machine.

        Raises:
            UserError: as :meth:`requires`.
        """
        name = hub_name(data.root)
        if name is None:
            return self._local(data)
        found = hub_files(name, self._size(data) if self._sides() is None else None)
        splits = {split: [file.cached() or file for file in files] for split, files in found.splits.items()}
        return Shards(splits, found.left_out)

    def _size(self, data: DataConfig) -> int | None:
        """The image size that a number in a file's name may say."""
        return data.train_size if isinstance(data.train_size, int) else None

    def _sides(self) -> Any:
        """How to find out whether it says so; ``None`` where it is known."""
        return side_of

    def _local(self, data: DataConfig) -> Shards[Path]:
        known = f" ({self.known_as.format(name=data.name, size=data.train_size)})" if self.known_as else ""
        give = f"give a parquet file or the folder of train-*.parquet and test-*.parquet{known} with data.root=PATH"
        give += self.also
        root = given_root(data, give)
        found = shards_in(root, self._size(data), self._sides())
        if not found.splits[TRAIN]:
            raise UserError(
                f"data.root={data.root}: no train-*.parquet or *_train.parquet in {root.absolute()}; "
                f"{give}, or note that {WORKS}"
            )
        return found


_IMAGENETTE = (
    "tench", "English springer", "cassette player", "chain saw", "church", "French horn", "garbage truck", "gas pump",
    "golf ball", "parachute",
    "n01440764", "n02102040", "n02979186", "n03000684", "n03028079", "n03394916", "n03417042", "n03425413", "n03445777",
    "n03888257",
)  # fmt: skip


class ImagenetteSource(ParquetSource):
    names = ("imagenette",)
    published = Published("Imagenette", 10, {"train": 9469, "test": 3925}, _IMAGENETTE)
    any_set = False
    own_size = True
    known_as = "imagenette_{size}_train.parquet and imagenette_{size}_val.parquet"

    def _sides(self) -> Any:
        return None

    def whole(self, data: DataConfig) -> DataConfig:
        return replace(data, train_size=data.train_size or 128)


SOURCES = (ParquetSource(), ImagenetteSource())

__all__ = ["TEST", "TRAIN", "ImagenetteSource", "ParquetSource", "Remote"]
