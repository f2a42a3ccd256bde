"""Sources, augmentation and loaders."""

from normfree.data.build import build_source
from normfree.data.preview import Pictures, contact_sheet
from normfree.data.source import Batch, Share, Source

__all__ = ["Batch", "Pictures", "Share", "Source", "build_source", "contact_sheet"]
