"""Initial values that depend on data are the same however the run is cut, and given once."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from tests.runs_on_disk import weights
from tests.train.test_laws import StopAfter
from torch import nn

from normfree.config import Resolved
from normfree.data import build_source
from normfree.data.source import Share
from normfree.nets.whitening import WhiteningConv2d
from normfree.train.parts import initial_values
from normfree.train.parts.initial_values import initialise_from_data
from normfree.train.run import run_one

SPEED = ("model=speednet", "model.width=[8,8]", "optimizer=sphere", "clip=none", "data.train_size=14",
         "augment.flip=true", "augment.alternate=true", "augment.test_flip=true")  # fmt: skip


class Shown(nn.Module):
    """Keeps what it is shown."""

    def initialise_from(self, images: torch.Tensor) -> None:
        self.images = images


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_every_rank_is_shown_the_first_images_in_order(
    tiny: Callable[..., Resolved], ranks: int, monkeypatch: Any
) -> None:
    monkeypatch.setattr(initial_values, "IMAGES", 301)
    sources = [build_source(tiny(), 50, share=Share(rank, ranks)) for rank in range(ranks)]
    shares = [initial_values._first_images(source) for source in sources]
    whole = build_source(tiny(), 50)
    expected = next(iter(whole.evaluation_batches("train", 301))).images
    shown = Shown()
    initialise_from_data(shown, sources[0], lambda _: shares)
    assert torch.equal(shown.images, expected)


def test_a_network_that_asks_for_nothing_is_left_alone() -> None:
    initialise_from_data(nn.Linear(2, 2), cast(Any, None))


def test_a_run_begins_whitened_and_goes_on_from_its_checkpoint(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    whole, run = tiny(*SPEED, f"runs_dir={tmp_path / 'whole'}"), tiny(*SPEED)
    expected = run_one(whole, [])
    assert run_one(run, [], stop=StopAfter(5))["status"] == "preempted"
    assert run_one(run, [])["metrics"] == expected["metrics"]
    images = next(iter(build_source(run, 50).evaluation_batches("train", initial_values.IMAGES))).images
    layer = WhiteningConv2d(1)
    layer.whiten(images)
    assert torch.equal(weights(whole)["network.stem_whitening.weight"], layer.weight)
    for name, value in weights(run).items():
        assert torch.equal(value, weights(whole)[name]), name
