"""Hugging Face image parquet."""

from normfree.config.schema import DataConfig
from normfree.config.sources import named
from normfree.config.sources.labels import names_of
from normfree.config.sources.parquet import ParquetSource
from normfree.data.samples import ParquetSamples, Samples


def parts(data: DataConfig) -> dict[str, Samples]:
    """Of each split that has files.

    Raises:
        UserError: files are missing, cannot be fetched, or are broken.
    """
    source = named(data.name)
    assert isinstance(source, ParquetSource)
    files = source.files(data)
    names = names_of(files)
    return {split: ParquetSamples(paths, names) for split, paths in files.items() if paths}
