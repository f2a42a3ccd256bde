"""Fixtures of the data tests: a cache of their own, and small parquet files."""

from pathlib import Path

import pytest
from tests.data.images import digits_as_parquet, encoded, write_parquet


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "normfree"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return digits_as_parquet(tmp_path / "digits")


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """24 training rows of which 2 are damaged and 1 has no bytes, and 6 test rows of which 1 is damaged."""
    contents, labels = encoded("train", 24)
    held: list[bytes | None] = [*contents]
    held[3], held[7], held[20] = contents[3][:300], b"no image", None
    write_parquet(tmp_path / "bad" / "train-0.parquet", held, labels)
    contents, labels = encoded("test", 6)
    write_parquet(tmp_path / "bad" / "test-0.parquet", [contents[0][:100], *contents[1:]], labels)
    return tmp_path / "bad"
