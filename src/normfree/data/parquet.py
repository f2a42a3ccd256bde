"""Any Hugging Face image parquet, and the sets that come as one: decoded once, then held in memory."""

from pathlib import Path

import numpy as np
import torch

from normfree.config import UserError
from normfree.config.images import parquet_files
from normfree.config.parquet import TEST, TRAIN, image_column, label_column, open_parquet
from normfree.config.schema import DataConfig
from normfree.data.cache import Images, cache_folder, cached, fingerprint
from normfree.data.decode import DECODER, decode_all
from normfree.data.resident import Arrays
from normfree.data.split import cut, shuffled_places

_ROWS = 4096


def parquet_arrays(data: DataConfig) -> Arrays:
    """The three splits. Without files of test images, that split too is cut from the training images.

    Raises:
        UserError: files are missing or broken, or an image of theirs is.
    """
    read = {split: _read(data, paths) for split, paths in parquet_files(data).items() if paths}
    return cut(read[TRAIN], read.get(TEST), data)


def _read(data: DataConfig, paths: list[Path]) -> Images:
    key = fingerprint(paths, decoder=DECODER, size=data.train_size, channels=data.channels)
    return cached(cache_folder(data.cache), f"{data.name}-{key}", lambda: _decode(data, paths))


def _decode(data: DataConfig, paths: list[Path]) -> Images:
    """All rows of all files, in the fixed random order that splits are cut from."""
    files = [open_parquet(path) for path in paths]
    total = sum(file.metadata.num_rows for file in files)
    if total == 0:
        raise UserError(f"{paths[0]}: no rows; give files with images")
    places = shuffled_places(total)
    images = np.empty((total, data.channels, data.train_size, data.train_size), dtype=np.uint8)
    labels = np.empty(total, dtype=np.int64)
    position = 0
    for path, file in zip(paths, files, strict=True):
        names = [image_column(file, path), label_column(file, path)]
        first_row = 0
        for table in file.iter_batches(_ROWS, columns=names):
            column, classes = table.column(names[0]), table.column(names[1])
            if classes.null_count:
                raise UserError(f"{path}, rows from {first_row}: a label is missing; remove that row")
            if hasattr(column, "field"):
                column = column.field("bytes")
            here = places[position : position + len(table)]
            labels[here] = classes.to_numpy()
            decode_all(column.to_pylist(), images, here.tolist(), str(path), first_row)
            position += len(table)
            first_row += len(table)
    return Images(torch.from_numpy(images), torch.from_numpy(labels))
