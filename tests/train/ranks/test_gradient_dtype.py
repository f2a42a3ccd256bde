"""Gradients that ranks send each other in 16 bits: how far from the mean they are, and runs with them."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.runs_on_disk import rows, weights
from tests.train.ranks.summing import told
from tests.train.ranks.test_ranks import apart

from normfree.config import Resolved
from normfree.train.run import run_one


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_the_mean_is_within_the_stated_bound(ranks: int, tmp_path: Path) -> None:
    error, alike = told(ranks, tmp_path)
    assert 0.1 < error <= 1, "less than a tenth of the bound would be of numbers that were not rounded"
    assert alike


def test_a_run_is_near_one_in_32_bits_and_goes_on_with_other_ranks(
    tiny: Callable[..., Resolved], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    common = ("batch=48", "trainer.log_every=1", "lr=0.1")
    whole = tiny(*common, f"runs_dir={tmp_path / 'whole'}")
    run_one(whole, [])
    two, three = (
        tiny(*common, "trainer=ddp_cpu", f"trainer.devices={count}", "trainer.gradient_dtype=bf16") for count in (2, 3)
    )
    stopped = run_one(two, [], progress=lambda row: os.kill(os.getpid(), signal.SIGTERM) if row["step"] == 3 else None)
    assert stopped["status"] == "preempted"
    with pytest.warns(UserWarning, match=r"resumed under other ranks \(2, then 3\)"):
        resumed = run_one(three, [])
    assert (resumed["run_id"], resumed["attempts"], resumed["steps_done"]) == (stopped["run_id"], 2, 8)
    difference = apart(weights(three), weights(whole))
    print(f"bf16 gradients of 2 and 3 ranks against float32: weights apart by {difference:.2g} of their norm")
    assert 1e-6 < difference < 1e-3
    losses = [[float(row["train/loss"] or 0) for row in rows(run)] for run in (whole, three)]
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
