"""A data set of the user's own."""

from normfree.config.schema import DataConfig
from normfree.config.sources import named
from normfree.config.sources.own import OwnSource
from normfree.data.own_samples import OwnSamples
from normfree.data.samples import Samples


def parts(data: DataConfig) -> dict[str, Samples]:
    """Of training and test.

    Raises:
        UserError: its code cannot be called, or gives no such data set.
    """
    source = named(data.name)
    assert isinstance(source, OwnSource)
    return {split: OwnSamples(items) for split, items in source.splits(data).items()}
