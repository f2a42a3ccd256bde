"""Runs that do not draw what clipping did: drawing takes longer than a tiny run does."""

import base64
from types import ModuleType
from typing import Any

CLIP_FIGURE = "normfree.train.record.clip_figure"
DRAWN = "NORMFREE_TEST_DRAWN"
"""The variable with which a command that is forked draws it all the same."""
_ONE_WHITE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg=="
)


def without_drawing() -> ModuleType:
    """In the place of `CLIP_FIGURE`, a figure of one pixel."""
    module: Any = ModuleType(CLIP_FIGURE)
    module.draw_clipping = lambda record, threshold, path, of="": path.write_bytes(_ONE_WHITE_PIXEL)
    return module
