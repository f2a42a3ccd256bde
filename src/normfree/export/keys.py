"""What ``export.py`` can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.key_readers import some_text
from normfree.config.keys import key, rows
from normfree.config.network_keys import NetworkKeys, read_network_keys
from normfree.export.formats import formats

COMMAND = "python export.py"
HELP = """\
Write a trained network for other programs: folded, with a batch of any size, with its classes and preprocessing inside

  python export.py run=runs/single/RUN
  python export.py run=runs/single/RUN format=torch_export kind=ema out=network.pt2
  python export.py weights=FILE model=nfnet_f0 data=imagenet data.root=PATH size=320

The file has its name when it was read back and gave the same classes for real images of the run's own test split.

Keys and their defaults:

{keys}

data.KEY=VALUE says where the images lie now. Formats:

{formats}
"""


@dataclass
class ExportKeys(NetworkKeys):
    """What is exported, how and where."""

    format: str = key("onnx", "see below")
    out: str = key("", "the file; default: exports/NAME with the format's ending", some_text("a file"))
    fold: bool = key(True, "with the weights worked out once: same outputs, less work (not for safetensors)")
    images: int = key(250, "test images that it is checked on")


def help_text() -> str:
    """What ``--help`` prints."""
    told = "\n".join(f"  {name:13} {module.ABOUT}" for name, module in formats().items())
    return HELP.replace("{keys}", "\n".join(rows(ExportKeys))).replace("{formats}", told)


def read_export(words: Sequence[str]) -> ExportKeys:
    """The keys of a command line.

    Raises:
        UserError: an unknown word or format, nothing to export or two things.
    """
    keys = read_network_keys(
        ExportKeys,
        words,
        command=COMMAND,
        alone="an export is of one network; run export.py once for each",
        of={"run": "run=DIR", "weights": "weights=FILE model=NAME"},
    )
    if keys.format not in formats():
        known = ", ".join(formats())
        raise UserError(f"format={keys.format}: no such format{nearest(keys.format, formats())}; there are: {known}")
    return keys
