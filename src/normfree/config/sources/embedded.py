"""data=mnist5k and data=synthetic: what needs no files of the user's."""

from dataclasses import replace

from normfree.config.errors import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.source import DataSource


class _InMemory(DataSource):
    from_files = False

    def check(self, data: DataConfig) -> None:
        if data.loader == "workers":
            raise UserError(f"data.loader=workers: {data.name} is held in memory; leave it out")


class Mnist5kSource(_InMemory):
    names = ("mnist5k",)
    own_statistics = True

    def whole(self, data: DataConfig) -> DataConfig:
        return replace(data, train_size=data.train_size or 28)


class SyntheticSource(_InMemory):
    names = ("synthetic",)
    own_size = False
    tested_at_train_size = False
    convertible = False

    def check(self, data: DataConfig) -> None:
        super().check(data)
        if data.loader == "ffcv":
            raise UserError("data.loader=ffcv: synthetic has no files; leave it out")
