"""What a data set is converted into, and the keys that say so."""

from dataclasses import dataclass

from normfree.config.key_readers import optional, whole_number
from normfree.config.keys import key, rows
from normfree.config.sources import SOURCES

CONVERTIBLE = tuple(name for source in SOURCES if source.convertible for name in source.names)

HELP = """\
python -m normfree.data.convert data=NAME data.root=PATH out=FOLDER

Writes train.beton and, for sets with test images of their own, val.beton; read with data=ffcv data.root=FOLDER, or
with data=NAME data.loader=ffcv data.root=FOLDER. A file is there when it is whole; the same command again writes what
is missing.

{keys}
"""


@dataclass
class Conversion:
    """What is converted, and how images are stored."""

    data: str = key("", f"one of {', '.join(CONVERTIBLE)}")
    root: str | None = key(None, "where the images are", typed="data.root")
    train_size: int = key(
        0, "which size, for sets that come in several (imagenette: 64 or 128)", whole_number(1), typed="data.train_size"
    )
    out: str = key("", "folder of the result")
    side: int | None = key(
        None, "scale images down until the shorter side is so many pixels; default: keep all", optional(whole_number(1))
    )
    mode: str = key("auto", "JPEG as they are, others as pixels; raw: all as pixels; jpeg: all as JPEG")
    quality: int = key(95, "of images that are encoded anew")
    on_error: str = key("raise", "or skip: unreadable images are left out and counted", typed="data.on_error")
    workers: int | None = key(None, "threads; default: one a core", optional(whole_number(1)))


def help_text() -> str:
    """What ``--help`` prints."""
    return HELP.replace("{keys}", "\n".join(rows(Conversion)))
