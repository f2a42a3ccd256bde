"""Two small runs on the embedded digits, and one on images that workers read."""

from pathlib import Path

import pytest
from tests.data.images import digits_as_parquet

from normfree import api

WORDS = ("steps=20", "batch=64", "data.train_size=14", "trainer.threads=1", "optimizer.ema_decay=0.9")


@pytest.fixture(scope="session")
def runs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def run(runs_dir: Path) -> api.Run:
    return api.run(["model=nf_resnet20", "clip=agc", *WORDS, f"runs_dir={runs_dir}"], progress=False)


@pytest.fixture(scope="session")
def other(runs_dir: Path) -> api.Run:
    return api.run(["model=resnet20", "clip=none", *WORDS, f"runs_dir={runs_dir}"], progress=False)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Zeros and ones as parquet files."""
    return digits_as_parquet(tmp_path_factory.mktemp("parquet"), 40, 20)


@pytest.fixture(scope="session")
def read_anew(runs_dir: Path, folder: Path) -> api.Run:
    words = ["data=parquet", f"data.root={folder}", "data.loader=workers", "data.workers=0", "model=resnet20"]
    sizes = ["data.train_size=14", "data.test_size=14", "data.validation_samples=4", "steps=6", "batch=10"]
    few = ["clip=none", "augment=none", "trainer.threads=1", f"runs_dir={runs_dir}"]
    return api.run([*words, *sizes, *few], progress=False)
