"""Configurations that are one run by their name give the same images."""

from pathlib import Path

import pytest
import torch
from tests.conftest import resolved
from tests.data.images import digits_as_parquet
from torch import Tensor

from normfree.data import build_source
from normfree.runs import run_id

NOTHING = [
    (("augment=randaugment", "augment.magnitude=0"), ("augment=crop_flip",)),
    (("augment=strong", "augment.magnitude=0"), ("augment=strong", "augment.randaugment_layers=0")),
    (("augment=strong", "augment.magnitude=0", "augment.mix_first=true"),
     ("augment=strong", "augment.magnitude=0", "augment.randaugment_layers=5")),
]  # fmt: skip


def images(root: Path, loader: str, words: tuple[str, ...]) -> tuple[str, Tensor]:
    own = ("data=parquet", f"data.root={root}", "data.train_size=28", f"data.loader={loader}", "data.workers=0")
    run = resolved(*own, "batch=6", "steps=4", *words)
    source = build_source(run, 6)
    return run_id(run), torch.stack([batch.images for batch in source.training_batches(0, 3)])


@pytest.mark.parametrize("loader", ["resident", "workers"])
@pytest.mark.parametrize(("one", "other"), NOTHING)
def test_the_images_are_the_same(tmp_path: Path, loader: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    root = digits_as_parquet(tmp_path)
    (name, first), (same, second) = images(root, loader, one), images(root, loader, other)
    assert name == same
    assert torch.equal(first, second)
