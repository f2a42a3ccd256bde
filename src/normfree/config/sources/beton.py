"""data=ffcv, and every other source with data.loader=ffcv: FFCV's .beton files."""

import importlib.util

from normfree.config.errors import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.beton_file import beton_files, read_beton
from normfree.config.sources.source import Counts, DataSource


def require_ffcv() -> None:
    """Look whether FFCV is there, without importing it.

    Raises:
        UserError: it is not installed.
    """
    if importlib.util.find_spec("ffcv") is None:
        raise UserError("data.loader=ffcv: FFCV is not installed; run make ffcv, or use data.loader=workers")


class BetonSource(DataSource):
    names = ("ffcv",)
    any_set = True
    resident = False
    own_size = False
    photographs = True
    convertible = False

    def matches(self, data: DataConfig) -> bool:
        return data.loader == "ffcv" or super().matches(data)

    def check(self, data: DataConfig) -> None:
        if super().matches(data) and data.loader not in ("ffcv", "auto"):
            raise UserError(f"data.loader={data.loader}: data=ffcv is read by FFCV; leave it out")
        if data.on_error != "raise":
            raise UserError(
                f"data.on_error={data.on_error}: with FFCV, images are left out when .beton files are written; "
                "give it to python -m normfree.data.convert"
            )

    def requires(self, data: DataConfig) -> None:
        require_ffcv()
        for path in beton_files(data.train_file, data.test_file, data.root).values():
            read_beton(path)

    def counts(self, data: DataConfig) -> Counts:
        files = beton_files(data.train_file, data.test_file, data.root)
        labels = {part: read_beton(path).labels for part, path in files.items()}
        test = len(labels["test"]) if "test" in labels else None
        return Counts(int(labels["train"].max()) + 1, len(labels["train"]), test)
