"""data=cifar10 and data=cifar100: parquet, or the files that torchvision downloads."""

from dataclasses import replace
from pathlib import Path

from normfree.config.errors import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.look import Look
from normfree.config.sources.parquet import ParquetSource
from normfree.config.sources.parquet_schema import holds_jpeg
from normfree.config.sources.published import Published
from normfree.config.sources.reading import Digest, Reading
from normfree.config.sources.shards import shards_in
from normfree.config.sources.words import TRAIN


class CifarSource(ParquetSource):
    """One of the two.

    Args:
        folder: where torchvision keeps it, inside its root.
        title: of the published data set, whose images are uncompressed.
        names: of its classes, where files may say them.
    """

    any_set = False
    own_size = True
    known_as = "the dataset uoft-cs/{name} of huggingface.co"
    also = ", or add data.download=true to fetch torchvision's files there"

    def __init__(self, name: str, folder: str, title: str, classes: int, names: tuple[str, ...] = ()) -> None:
        self.names, self.folder, self._title, self._classes = (name,), folder, title, classes
        self.published = Published(title, classes, {"train": 50000, "test": 10000}, names)

    def check(self, data: DataConfig) -> None:
        super().check(data)
        if data.loader == "ffcv" or self.torchvision_root(data) is None:
            return
        if data.train_size != 32:
            raise UserError(f"data.train_size={data.train_size}: torchvision's {data.name} has 32 px; leave it out")
        if data.loader == "workers":
            raise UserError(
                f"data.loader={data.loader}: torchvision's files of {data.name} are held in memory; leave it out"
            )

    def requires(self, data: DataConfig) -> None:
        if self.torchvision_root(data) is None:
            super().requires(data)

    def reads(self, data: DataConfig) -> Reading:
        root = self.torchvision_root(data)
        if root is None:
            return super().reads(data)
        folder = root / self.folder
        files = sorted(path for path in folder.iterdir() if path.is_file()) if folder.is_dir() else []
        classes = [str(label) for label in range(self._classes)]
        digest = Digest(classes)
        for path in files:  # torchvision compares their checksums
            digest.add(path.name, path.stat().st_size)
        whole = self.whole(data)
        return Reading(
            classes=classes,
            images={"train": whole.train_samples, "test": whole.test_samples},
            digest=digest.finished() if files else "",
            files=len(files),
            places={"train": self.folder, "test": self.folder},
        )

    def look(self, data: DataConfig) -> Look | None:
        return super().look(data) if self.torchvision_root(data) is None else None

    def _size(self, data: DataConfig) -> int | None:
        return None

    def label(self, data: DataConfig) -> str:
        """CIFAR as JPEG is not the published data set and is not called by its name alone."""
        if data.label != self._title or data.root is None or data.loader == "ffcv":
            return data.label
        try:
            if self.torchvision_root(data) is None and any(map(holds_jpeg, self.places(data).splits[TRAIN][:1])):
                return f"{data.label} (JPEG)"
        except UserError:
            # Files that are missing or broken are told of where a run or a plan looks for them.
            pass
        return data.label

    def reader(self, data: DataConfig) -> str:
        return "parquet" if self.torchvision_root(data) is None else "torchvision"

    def whole(self, data: DataConfig) -> DataConfig:
        if self.torchvision_root(data) is None:
            return data
        return replace(
            data, train_size=32, classes=self._classes, train_samples=50000, validation_samples=0, test_samples=10000
        )

    def torchvision_root(self, data: DataConfig) -> Path | None:
        """Where torchvision's files are, or are to be downloaded to; ``None`` for parquet."""
        if data.root is None:
            return None
        root = Path(data.root).expanduser()
        if (root / self.folder).is_dir():
            return root
        if data.root.startswith("hf:"):
            return None
        return root if data.download and not shards_in(root, None).splits[TRAIN] else None


_TEN = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

CIFAR = {
    "cifar10": CifarSource("cifar10", "cifar-10-batches-py", "CIFAR-10", 10, _TEN),
    "cifar100": CifarSource("cifar100", "cifar-100-python", "CIFAR-100", 100),
}
SOURCES = tuple(CIFAR.values())
