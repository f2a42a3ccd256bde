"""Trained twins on the embedded digits, and their test images as files."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from tests.serve.server import Server
from tests.shared_folder import shared_folder

from normfree import api
from normfree.data.mnist5k import mnist5k

WORDS = ("steps=120", "batch=64", "data.train_size=28", "trainer.threads=1")
TWINS = {"resnet20": "none", "nf_resnet20": "agc"}


@pytest.fixture(scope="session")
def twins(tmp_path_factory: pytest.TempPathFactory) -> list[api.Run]:
    """A BatchNorm network and its NF twin."""
    with shared_folder(tmp_path_factory, "twins") as place:
        return [
            api.run([f"model={model}", f"clip={clip}", *WORDS, f"runs_dir={place}"], progress=False)
            for model, clip in TWINS.items()
        ]


@pytest.fixture(scope="session")
def both(twins: list[api.Run]) -> str:
    """As they are typed."""
    return f"run={','.join(str(run.path) for run in twins)}"


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All test images as PNG, in folders of their classes."""
    root = tmp_path_factory.mktemp("digits")
    images, labels = mnist5k(28)["test"]
    for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        folder = root / str(label)
        folder.mkdir(exist_ok=True)
        Image.fromarray(image[0].numpy()).save(folder / f"{number:04d}.png")
    return root


@pytest.fixture(scope="session")
def server(both: str) -> Iterator[Server]:
    """The page with both twins."""
    with Server(both) as server:
        yield server
    assert server.errors == ""
