"""Whether the images of a run are there: looked up before anything expensive starts."""

from pathlib import Path

from normfree.config.errors import UserError
from normfree.config.schema import DataConfig

TRAIN_FOLDER, TEST_FOLDER = "train", "val"
_WORKS = "data=mnist5k is embedded and works now"


def require_images(data: DataConfig) -> None:
    """Look for a data set without reading it.

    Raises:
        UserError: says where it looked, how to give the place and what works without it.
    """
    if data.name == "imagenet":
        image_folders(data)


def image_folders(data: DataConfig) -> Path:
    """``data.root``, if it holds class folders under ``train/`` and ``val/``.

    Raises:
        UserError: as :func:`require_images`.
    """
    give = "give the folder that holds train/ and val/ with data.root=PATH"
    if data.root is None:
        raise UserError(f"data={data.name}: no images, data.root is not set; {give}, or note that {_WORKS}")
    root = Path(data.root).expanduser()
    for place in (root / TRAIN_FOLDER, root / TEST_FOLDER):
        if not place.is_dir() or not any(entry.is_dir() for entry in place.iterdir()):
            raise UserError(
                f"data.root={data.root}: no class folders in {place.absolute()}; {give}, or note that {_WORKS}"
            )
    return root
