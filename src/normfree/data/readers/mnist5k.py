"""The embedded digits."""

from normfree.config.schema import DataConfig
from normfree.data.mnist5k import mnist5k
from normfree.data.resident import Arrays


def arrays(data: DataConfig) -> Arrays:
    """The three splits, at the size of training.

    Raises:
        UserError: the file is missing, or has no such size.
    """
    return mnist5k(data.train_size)
