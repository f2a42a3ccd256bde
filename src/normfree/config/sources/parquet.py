"""data=parquet and data=imagenette: Hugging Face image parquet, here or on the hub."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from normfree.config.errors import WORKS, UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.hub import hub_files, hub_name
from normfree.config.sources.parquet_schema import Remote, count_classes, count_rows, open_parquet
from normfree.config.sources.shards import TEST, TRAIN, find_parquet
from normfree.config.sources.source import Counts, DataSource


class ParquetSource(DataSource):
    names = ("parquet",)
    any_set = True
    own_size = False
    known_as = ""
    """Where the set is to be had."""
    also = ""
    """Another way to give it."""

    def requires(self, data: DataConfig) -> None:
        for places in self.places(data).values():
            for place in places:
                open_parquet(place)

    def counts(self, data: DataConfig) -> Counts:
        files = self.places(data)
        test = count_rows(files[TEST]) if files[TEST] else None
        return Counts(count_classes(files[TRAIN]), count_rows(files[TRAIN]), test)

    def label_of_place(self, place: str) -> str:
        name = hub_name(place)
        return name.label if name is not None else super().label_of_place(place)

    def reader(self, data: DataConfig) -> str:
        return "parquet"

    def files(self, data: DataConfig) -> dict[str, list[Path]]:
        """The files of ``train`` and ``test`` under ``data.root``, fetched where that is a data set of the hub.

        Raises:
            UserError: as :meth:`requires`, or a file cannot be fetched.
        """
        if (name := hub_name(data.root)) is not None:
            found = hub_files(name, data.train_size)
            return {split: [file.fetched() for file in files] for split, files in found.items()}
        return self._local(data)

    def places(self, data: DataConfig) -> Mapping[str, Sequence[Path | Remote]]:
        """The same, nothing fetched.

        Raises:
            UserError: as :meth:`requires`.
        """
        name = hub_name(data.root)
        return self._local(data) if name is None else hub_files(name, data.train_size)

    def _local(self, data: DataConfig) -> dict[str, list[Path]]:
        known = f" ({self.known_as.format(name=data.name, size=data.train_size)})" if self.known_as else ""
        give = f"give a parquet file or the folder of train-*.parquet and test-*.parquet{known} with data.root=PATH"
        give += self.also
        if data.root is None:
            raise UserError(f"data={data.name}: no images, data.root is not set; {give}, or note that {WORKS}")
        root = Path(data.root).expanduser()
        files = find_parquet(root, data.train_size)
        if not files[TRAIN]:
            raise UserError(
                f"data.root={data.root}: no train-*.parquet or *_train.parquet in {root.absolute()}; "
                f"{give}, or note that {WORKS}"
            )
        return files


class ImagenetteSource(ParquetSource):
    names = ("imagenette",)
    any_set = False
    own_size = True
    known_as = "imagenette_{size}_train.parquet and imagenette_{size}_val.parquet"

    def whole(self, data: DataConfig) -> DataConfig:
        return replace(data, train_size=data.train_size or 128)
