"""What ``export.py`` can be told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from normfree.config import UserError
from normfree.config.key_readers import choice, optional, some_text, whole_number
from normfree.config.keys import key, read_keys, rows
from normfree.evaluate.keys import CLASSES, PASSED_ON, is_passed_on
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
class ExportKeys:
    """What is exported, how and where."""

    run: str = key("", "a run directory", some_text("a run directory"))
    weights: str = key("", "or a file of weights", some_text("a file of weights"))
    format: str = key("onnx", "see below")
    out: str = key("", "the file; default: exports/NAME with the format's ending", some_text("a file"))
    checkpoint: str = key("final", "or best, of a run with trainer.evaluate_every", choice("final", "best"))
    kind: str = key("raw", "weights as trained, or ema, their moving average", choice("raw", "ema"))
    fold: bool = key(True, "with the weights worked out once: same outputs, less work (not for safetensors)")
    size: int | None = key(None, "side of the images in pixels; default: as the run tested", optional(whole_number(1)))
    classes: str = key("same", "of other images than the run's, as for normfree evaluate", choice(*CLASSES))
    images: int = key(250, "test images that it is checked on")
    data_words: list[str] = field(default_factory=list)
    model_words: list[str] = field(default_factory=list)


def help_text() -> str:
    """What ``--help`` prints."""
    told = "\n".join(f"  {name:13} {module.ABOUT}" for name, module in formats().items())
    return HELP.replace("{keys}", "\n".join(rows(ExportKeys))).replace("{formats}", told)


def read_export(words: Sequence[str]) -> ExportKeys:
    """The keys of a command line.

    Raises:
        UserError: an unknown word or format, nothing to export or two things.
    """
    passed = {group: [word for word in words if is_passed_on(group, word)] for group in PASSED_ON}
    rest = [word for word in words if not any(is_passed_on(group, word) for group in PASSED_ON)]
    alone = "an export is of one network; run export.py once for each"
    keys = read_keys(ExportKeys, rest, command=COMMAND, further=PASSED_ON, flags={"-m": alone, "--multirun": alone})
    keys.data_words, keys.model_words = passed["data"], passed["model"]
    if not keys.run and not keys.weights:
        raise UserError("run: is missing; give run=DIR, or weights=FILE model=NAME")
    if keys.run and keys.weights:
        raise UserError(f"run={keys.run} and weights={keys.weights}: give one of them")
    if keys.model_words and not keys.weights:
        raise UserError(f"{keys.model_words[0]}: a run says of which network it is; model= is for weights=FILE")
    if keys.format not in formats():
        from normfree.config.errors import nearest

        known = ", ".join(formats())
        raise UserError(f"format={keys.format}: no such format{nearest(keys.format, formats())}; there are: {known}")
    return keys
