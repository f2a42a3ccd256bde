"""What lies in a file of weights and where a run's weights come from, known without torch."""

from normfree.config.weights.contents import Contents, contents_of
from normfree.config.weights.settled import settle_weights, told_start
from normfree.config.weights.source import Source, source_of

__all__ = ["Contents", "Source", "contents_of", "settle_weights", "source_of", "told_start"]
