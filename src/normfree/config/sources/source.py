"""What the configuration knows of a data source: one descriptor a source, found by the name that ``data=`` gives."""

from collections.abc import Mapping
from pathlib import Path

from normfree.config.errors import WORKS, UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.look import Look
from normfree.config.sources.reading import Reading


class DataSource:
    """A kind of data set. Knows no torch and opens no image; a file of ``normfree.data.readers`` by its name reads it.

    Attributes:
        names: the options of ``data=`` that are this source.
        any_set: which data set it is, only ``data.root`` says; numbers that are not given are counted.
        resident: ``data.loader=auto`` holds the images in memory.
        own_size: its images have a size by themselves; else the network says which.
        photographs: images of any size and aspect, cut and resized each time they are read.
        tested_at_train_size: where its images are held in memory.
        own_statistics: mean and deviation are those of its training images, with every loader.
        from_files: there are files that may be elsewhere, of another shape or unreadable.
        layout: how to give the images, in a line about too few classes.
        convertible: ``python -m normfree.data.convert`` takes it.
    """

    names: tuple[str, ...] = ()
    any_set = False
    resident = True
    own_size = True
    photographs = False
    tested_at_train_size = True
    own_statistics = False
    from_files = True
    convertible = True
    layout = "give data with more"

    def matches(self, data: DataConfig) -> bool:
        """Whether a configuration reads from this source."""
        return data.name in self.names

    def check(self, data: DataConfig) -> None:
        """Keys that this source cannot follow.

        Raises:
            UserError: for the first of them.
        """

    def requires(self, data: DataConfig) -> None:
        """Look for the files without reading an image.

        Raises:
            UserError: says where it looked, how to give the place and what works without it.
        """

    def reads(self, data: DataConfig) -> Reading:
        """What the files hold, and a digest of it.

        Raises:
            UserError: as :meth:`requires`, or a file is broken.
        """
        raise NotImplementedError(data.name)

    def look(self, data: DataConfig) -> Look | None:
        """What a first look at some of the images shows; ``None`` where there is nothing to look at."""
        return None

    def shapes(self, data: DataConfig) -> Mapping[str, int]:
        """``channels``, ``train_size`` and ``test_size``, where the images say what the configuration leaves open."""
        return {}

    def label(self, data: DataConfig) -> str:
        """How it is called: any data set, by the last name of its place unless it has a label."""
        place = data.train_file or data.root
        if not self.any_set or data.label != data.name or not place:
            return data.label
        return self.label_of_place(place)

    def label_of_place(self, place: str) -> str:
        """What tells one data set from others: a folder's name whole, a file's without its suffix."""
        path = Path(place).expanduser().absolute()
        return path.stem if path.suffix.lower() in (".parquet", ".beton") and not path.is_dir() else path.name

    def reader(self, data: DataConfig) -> str:
        """The name of what reads the images."""
        return self.names[0]

    def whole(self, data: DataConfig) -> DataConfig:
        """For a conversion: the size in which it is kept, nothing held out."""
        return data


def given_root(data: DataConfig, give: str) -> Path:
    """The place that ``data.root`` names.

    Args:
        give: how to give it, for the error.

    Raises:
        UserError: it is not set, or there is nothing.
    """
    if data.root is None:
        raise UserError(f"data={data.name}: no images, data.root is not set; {give}, or note that {WORKS}")
    root = Path(data.root).expanduser()
    if not root.exists():
        raise UserError(
            f"data.root={data.root}: there is no file or folder {root.absolute()}; {give}, or note that {WORKS}"
        )
    return root
