"""data=ffcv, and every other source with data.loader=ffcv: FFCV's .beton files."""

import importlib.util

from normfree.config.errors import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.beton_file import beton_files, read_beton
from normfree.config.sources.reading import Digest, Reading
from normfree.config.sources.source import DataSource
from normfree.host.installing import install, made


def require_ffcv() -> None:
    """Look whether FFCV is there, without importing it.

    Raises:
        UserError: it is not installed.
    """
    if importlib.util.find_spec("ffcv") is None:
        raise UserError(
            f"data.loader=ffcv: FFCV is not installed; {made('ffcv', install('normfree[ffcv]'))}, "
            "or use data.loader=workers"
        )


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

    def reads(self, data: DataConfig) -> Reading:
        files = beton_files(data.train_file, data.test_file, data.root)
        found = {split: read_beton(path) for split, path in files.items()}
        labels = {split: file.labels for split, file in found.items()}
        count = int(labels["train"].max()) + 1
        classes = found["train"].classes
        if len(classes) < count:
            classes = [str(label) for label in range(count)]
        for split, file in found.items():
            if file.classes and found["train"].classes and file.classes != found["train"].classes:
                raise UserError(f"{file.path}: holds other classes than {found['train'].path}; convert {split} again")
        digest = Digest(classes)
        for split, path in files.items():
            digest.add(split, path.stat().st_size, labels[split].tobytes().hex())
        digest.contents(files.values(), sum(path.stat().st_size for path in files.values()))
        there = {split: set(own.tolist()) for split, own in labels.items()}
        empty = {split: [name for n, name in enumerate(classes) if n not in own] for split, own in there.items()}
        return Reading(
            classes=classes,
            images={split: len(own) for split, own in labels.items()},
            digest=digest.finished(),
            files=len(files),
            places={split: path.name for split, path in files.items()},
            empty={split: names for split, names in empty.items() if names},
        )


SOURCES = (BetonSource(),)
