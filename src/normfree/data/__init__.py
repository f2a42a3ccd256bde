"""Sources, augmentation and loaders."""

from normfree.data.build import build_source
from normfree.data.source import Batch, Source

__all__ = ["Batch", "Source", "build_source"]
