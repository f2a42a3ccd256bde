import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.data.images import config, encoded, parquet_arrays, write_parquet


def test_the_second_reading_is_the_first_from_the_cache(root: Path, cache: Path) -> None:
    first = {split: (images.clone(), labels) for split, (images, labels) in parquet_arrays(config(root)).items()}
    entries = sorted(path for path in (cache / "images").iterdir() if path.is_dir())
    assert len(entries) == 2
    # Told apart from a decoding by what is in the file.
    marked = np.load(entries[0] / "images.npy")
    np.save(entries[0] / "images.npy", 255 - marked)
    second = parquet_arrays(config(root))
    assert sum(not torch.equal(first[split][0], second[split][0]) for split in first) >= 1
    assert all(torch.equal(first[split][1], second[split][1]) for split in first)


def test_a_changed_file_is_decoded_anew(root: Path) -> None:
    before = parquet_arrays(config(root))["test"][0]
    contents, labels = encoded("validation", 6)
    write_parquet(root / "test-00000-of-00001.parquet", contents, labels)
    assert not torch.equal(parquet_arrays(config(root))["test"][0], before)


@pytest.mark.parametrize("size", [0, 50])
def test_a_damaged_cache_is_made_again(root: Path, cache: Path, size: int) -> None:
    before = {split: (images.clone(), labels) for split, (images, labels) in parquet_arrays(config(root)).items()}
    for path in (cache / "images").glob("*/images.npy"):
        os.truncate(path, size)
    after = parquet_arrays(config(root))
    assert all(torch.equal(before[split][0], after[split][0]) for split in before)


def test_a_cache_that_cannot_be_written_is_a_warning(root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match=r"data\.cache=.*file.*cannot be kept.*data\.cache=off"):
        arrays = parquet_arrays(config(root, cache=str(tmp_path / "file")))
    assert len(arrays["train"][1]) == 20


def test_no_cache_is_written_where_it_is_off(root: Path, cache: Path) -> None:
    parquet_arrays(config(root, cache="off"))
    assert not cache.exists()
