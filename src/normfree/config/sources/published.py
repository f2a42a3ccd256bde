"""What a published data set is known to hold, so that another is not taken for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from normfree.config.errors import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.reading import Reading


@dataclass(frozen=True)
class Published:
    """A data set.

    Attributes:
        title: as its authors call it.
        classes: how many.
        images: of ``train`` and ``test``.
        names: of its classes, in any spelling that is in use; empty where files do not say them.
    """

    title: str
    classes: int
    images: Mapping[str, int]
    names: tuple[str, ...] = ()

    def refuse_another(self, data: DataConfig, names: Sequence[str], reading: Reading) -> None:
        """A part of the set is taken, as a subset is what somebody may want.

        Args:
            names: of the classes, as the files say them.

        Raises:
            UserError: the files hold another set: classes of other names, more images, or all of them in fewer classes.
        """
        there = reading.images
        known = {name.casefold() for name in self.names}
        if known and names and not any(name.isdecimal() or name.casefold() in known for name in names):
            what = f"has no class of {self.title}, but {', '.join(names[:3])}" + ", ..." * (len(names) > 3)
        elif more := [split for split, images in self.images.items() if there.get(split, 0) > images]:
            what = f"has {there[more[0]]:,} images for {more[0]}, and {self.title} {self.images[more[0]]:,}"
        elif len(reading.classes) != self.classes and there.get("train") == self.images["train"]:
            what = f"has {len(reading.classes)} classes, and {self.title} {self.classes}"
        else:
            return
        raise UserError(f"data.root={data.root}: {what}; this is another data set: use data=parquet for it")
