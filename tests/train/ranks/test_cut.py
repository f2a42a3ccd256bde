"""One run is one result however its batch is cut: what is drawn belongs to seed, step and image."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runs_on_disk import weights
from tests.train.ranks.test_ranks import furthest

from normfree.config import Resolved
from normfree.train.run import run_one

EXACT = ("precision=64-true", "steps=4", "lr=0.1", "batch=16", "clip=agc", "trainer.threads=1")
NOISE = ("model.drop_rate=0.3", "model.stochastic_depth_rate=0.4")
MIXED = ("augment=cutmix_mixup",)
SAM = ("optimizer.sam_rho=0.05", "optimizer.sam_share=0.4")
CUTS = {
    "16": ("trainer.micro_batch=16",),
    "4": ("trainer.micro_batch=4",),
    "1": ("trainer.micro_batch=1",),
    "2 ranks": ("trainer=ddp_cpu", "trainer.devices=2", "trainer.micro_batch=4"),
}


@pytest.mark.parametrize(
    "keys",
    [NOISE, MIXED, SAM, (*NOISE, *SAM, "augment=strong", "model=nfnet_nano")],
    ids=["dropout and depth", "mixing", "sam", "all of an nfnet"],
)
def test_every_cut_of_a_batch_gives_the_same_weights(
    tiny: Callable[..., Resolved], tmp_path: Path, keys: tuple[str, ...]
) -> None:
    runs = {name: tiny(*EXACT, *keys, *cut, f"runs_dir={tmp_path / name}") for name, cut in CUTS.items()}
    results = {name: run_one(run, []) for name, run in runs.items()}
    assert len({result["run_id"] for result in results.values()}) == 1
    for name, result in results.items():
        assert result["steps_done"] == 4, result["reason"]
        assert furthest(weights(runs[name]), weights(runs["16"])) < 1e-10, name
        assert result["metrics"]["test/loss"] == pytest.approx(results["16"]["metrics"]["test/loss"], rel=1e-10)


@pytest.mark.parametrize("keys", [NOISE[:1], NOISE[1:], MIXED, SAM])
def test_what_is_drawn_changes_the_weights(
    tiny: Callable[..., Resolved], keys: tuple[str, ...], tmp_path: Path
) -> None:
    plain = ("model.drop_rate=0", "model.stochastic_depth_rate=0", "augment=none")
    runs = [tiny(*EXACT, *plain, f"runs_dir={tmp_path / 'plain'}"), tiny(*EXACT, *plain, *keys)]
    for run in runs:
        run_one(run, [])
    assert furthest(weights(runs[0]), weights(runs[1])) > 1e-4
