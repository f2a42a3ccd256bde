"""What cutting a batch changes, measured: nothing without BatchNorm, and with it all that its statistics see."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runs_on_disk import weights
from tests.train.ranks.test_ranks import furthest

from normfree.config import Resolved, UserError
from normfree.train.cut_law import CutRow, cut_law

EXACT = (
    "precision=64-true", "steps=4", "lr=0.1", "batch=48", "model.drop_rate=0", "model.stochastic_depth_rate=0",
    "trainer=ddp_cpu", "trainer.threads=1",
)  # fmt: skip
Cuts = Callable[..., list[Resolved]]


@pytest.fixture
def cuts(tiny: Callable[..., Resolved], tmp_path: Path) -> Cuts:
    """The same run cut into (devices, micro batch), the first in one piece."""

    def make(*options: str, into: list[tuple[int, int]]) -> list[Resolved]:
        return [
            tiny(
                *EXACT,
                *options,
                f"trainer.devices={devices}",
                f"trainer.micro_batch={micro_batch}",
                f"runs_dir={tmp_path / f'{devices}-{micro_batch}'}",
            )
            for devices, micro_batch in [(1, 48), *into]
        ]

    return make


def test_without_batchnorm_every_cut_is_the_whole_batch(cuts: Cuts) -> None:
    runs = cuts("clip=agc", into=[(1, 12), (2, 12)])
    heard: list[CutRow] = []
    whole, accumulated, ranks = cut_law(runs, heard.append)
    assert heard == [whole, accumulated, ranks]
    assert [(row.devices, row.micro_batch, row.accumulation) for row in heard] == [(1, 48, 1), (1, 12, 4), (2, 12, 2)]
    assert (whole.update_difference, whole.loss_difference, whole.one_device_difference) == (0, 0, None)
    assert all(row.norm_batch is None for row in heard)
    assert all(row.moved == whole.moved > 1e-3 for row in heard)
    for row in (accumulated, ranks):
        assert row.weight_difference < row.update_difference < 1e-10
        assert max(row.parameter_difference, row.loss_difference) < 1e-10
    assert ranks.one_device_difference is not None
    assert ranks.one_device_difference < 1e-10
    assert accumulated.one_device_difference is None
    # The other test's measure, on the same checkpoints.
    assert furthest(weights(runs[2]), weights(runs[0])) < 1e-10


def test_with_batchnorm_a_cut_is_another_network_however_many_devices(cuts: Cuts) -> None:
    runs = cuts("model=resnet20", "clip=none", into=[(1, 12), (2, 12)])
    whole, accumulated, ranks = cut_law(runs)
    assert (whole.norm_batch, accumulated.norm_batch, ranks.norm_batch) == (48, 12, 12)
    for row in (accumulated, ranks):
        assert row.update_difference > row.weight_difference > 1e-3
        assert row.update_difference == pytest.approx(row.weight_difference / row.moved)
        assert 1e-3 < row.parameter_difference <= 2
        assert row.loss_difference > 1e-5
    assert ranks.one_device_difference is not None
    assert ranks.one_device_difference < 1e-10


@pytest.mark.parametrize("ghost_batch", [1, 6])
def test_ghost_batches_are_the_same_images_in_every_cut(cuts: Cuts, ghost_batch: int) -> None:
    runs = cuts("model=resnet20", "clip=none", f"model.ghost_batch={ghost_batch}", into=[(1, 24), (2, 12)])
    rows = cut_law(runs)
    assert [row.norm_batch for row in rows] == [ghost_batch] * 3
    assert all(row.update_difference < 1e-10 for row in rows)


def test_rounding_is_told_from_a_difference_in_float64_alone(cuts: Cuts) -> None:
    with pytest.raises(ValueError, match="64-true alone"):
        cut_law(cuts("precision=32-true", into=[]))


def test_what_is_drawn_is_drawn_for_the_whole_batch(cuts: Cuts) -> None:
    drawn = ("model.drop_rate=0.2", "model.stochastic_depth_rate=0.3", "augment.mixup=0.2", "optimizer.sam_rho=0.05")
    rows = cut_law(cuts("clip=agc", *drawn, into=[(1, 3), (2, 12)]))
    assert all(row.update_difference < 1e-10 for row in rows)


def test_runs_of_one_law_differ_in_their_cut_alone(cuts: Cuts) -> None:
    runs = cuts(into=[(1, 12)])
    with pytest.raises(ValueError, match="the first run is what the others are compared with"):
        cut_law(runs[::-1])
    with pytest.raises(ValueError, match="more than how their batch is cut"):
        cut_law([runs[0], *cuts("seed=1", into=[])])
    with pytest.raises(ValueError, match="runs_dir of its own"):
        cut_law([runs[0], runs[0]])


def test_a_run_that_diverges_ends_in_one_line(cuts: Cuts) -> None:
    with pytest.raises(UserError, match="model=resnet20: 1 x 48 images diverged") as error:
        cut_law(cuts("model=resnet20", "clip=none", "lr=1e200", into=[]))
    assert "\n" not in str(error.value)
