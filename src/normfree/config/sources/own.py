"""data=custom: a data set of the user's own, a class or function that ``data._target_`` names."""

from omegaconf import MISSING

from normfree.config.errors import UserError
from normfree.config.parts import DATA
from normfree.config.schema import DataConfig
from normfree.config.sources.own_items import OwnItems, open_splits
from normfree.config.sources.reading import Digest, Reading
from normfree.config.sources.source import DataSource
from normfree.config.sources.words import TRAIN


class OwnSource(DataSource):
    """Called with ``split="train"`` and ``split="test"``; validation images are cut from the first."""

    names = ("custom",)
    any_set = True
    convertible = False
    layout = "give a data set with more"

    def check(self, data: DataConfig) -> None:
        if data.loader == "ffcv":
            raise UserError("data.loader=ffcv: data=custom has no .beton files; leave it out")
        if data.loader == "workers" and data.mean is None:
            raise UserError(
                "data.mean=null: with data.loader=workers the images are not held in memory, and their mean and "
                "deviation are not known; give data.mean and data.std, a value a channel, or leave the loader out"
            )

    def requires(self, data: DataConfig) -> None:
        self.splits(data)

    def splits(self, data: DataConfig) -> dict[str, OwnItems]:
        """The training and test images, looked at once a process.

        Raises:
            UserError: the code cannot be called, or what it gives is no such data set.
        """
        if data._target_ is None:
            raise UserError(f"{DATA.target}=null: data=custom needs a value, such as {DATA.target}={DATA.example}")
        return open_splits(data._target_, data.arguments, data.root)

    def reads(self, data: DataConfig) -> Reading:
        parts = self.splits(data)
        classes = parts[TRAIN].classes or [str(label) for label in range(max(parts[TRAIN].labels) + 1)]
        digest = Digest(classes)
        for split, items in parts.items():
            digest.add(split, len(items.labels), items.labels, items.digest)
        return Reading(
            classes=classes,
            images={split: len(items.labels) for split, items in parts.items()},
            digest=digest.finished(),
            places={split: items.place for split, items in parts.items()},
        )

    def shapes(self, data: DataConfig) -> dict[str, int]:
        """Channels, and the side of the images where nothing gives one.

        Raises:
            UserError: they are of several sizes, or no squares.
        """
        items = self.splits(data)[TRAIN]
        channels = max(channels for channels, _, _ in items.shapes)
        if data.train_size != MISSING:
            return {"channels": channels, "test_size": data.train_size}
        sizes = sorted({(height, width) for _, height, width in items.shapes})
        if len(sizes) > 1 or sizes[0][0] != sizes[0][1]:
            listed = ", ".join(f"{height} x {width}" for height, width in sizes[:3])
            raise UserError(
                f"data.train_size=???: {items.place} has images of {listed} px; give data.train_size=32, say"
            )
        return {"channels": channels, "train_size": sizes[0][0], "test_size": sizes[0][0]}

    def label(self, data: DataConfig) -> str:
        if data.label != data.name or not data._target_:
            return data.label
        return data._target_.rpartition(".")[2]


SOURCES = (OwnSource(),)
