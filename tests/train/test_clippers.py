"""What clippers know of earlier steps is that of the whole batch, is saved, and is gone on from to the last bit."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.runs_on_disk import lines_without_speed, rows, weights
from tests.train.test_laws import StopAfter, without_time

from normfree.config import Resolved
from normfree.runs import RunDirectory, clip_label
from normfree.train.plan import describe_plan
from normfree.train.run import run_one

CLIPS = {
    "zclip": ("clip=zclip", "clip.warmup_steps=2", "clip.z_threshold=0.5", "clip.max_norm=null"),
    "adagc": ("clip=adagc", "clip.warmup_steps=2"),
    "autoclip": ("clip=autoclip",),
    "per_tensor": ("clip=per_tensor", "clip.max_norm=0.05"),
}
NETWORK = ("model=nf_resnet20", "model.depth=[1,1,1]", "trainer.log_every=1")


@pytest.mark.parametrize("stop", [1, 5])
@pytest.mark.parametrize("name", ["zclip", "adagc", "autoclip"])
def test_a_stopped_run_goes_on_with_what_the_clipper_knew(
    tiny: Callable[..., Resolved], tmp_path: Path, name: str, stop: int
) -> None:
    whole = tiny(*NETWORK, *CLIPS[name], f"runs_dir={tmp_path / 'whole'}")
    expected = run_one(whole, [])
    run = tiny(*NETWORK, *CLIPS[name])
    assert run_one(run, [], stop=StopAfter(stop))["steps_done"] == stop
    resumed = run_one(run, [])
    assert without_time(resumed) == without_time(expected)
    assert lines_without_speed(run) == lines_without_speed(whole)
    for key, value in weights(run).items():
        assert torch.equal(value, weights(whole)[key]), key


@pytest.mark.parametrize("name", CLIPS)
def test_micro_batches_are_clipped_as_the_whole_batch(tiny: Callable[..., Resolved], tmp_path: Path, name: str) -> None:
    common = (*NETWORK, *CLIPS[name], "precision=64-true", "steps=6", "lr=0.1")
    whole = tiny(*common, f"runs_dir={tmp_path / 'whole'}")
    parts = tiny(*common, "trainer.micro_batch=25")
    run_one(whole, [])
    assert run_one(parts, [])["batch"]["accumulation"] == 2
    assert any(float(row["clip/clipped_share"] or 0) > 0 for row in rows(whole)), "it acts"
    for key, value in weights(parts).items():
        torch.testing.assert_close(value, weights(whole)[key], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", CLIPS)
def test_what_is_recorded(tiny: Callable[..., Resolved], name: str) -> None:
    run = tiny(*NETWORK, *CLIPS[name], "steps=5")
    result = run_one(run, [])
    assert result["clip"] == {"name": name, "label": clip_label(run)}
    found = [row for row in rows(run) if row["grad/norm_before"]]
    for row in found:
        before, after = float(row["grad/norm_before"]), float(row["grad/norm_after"])
        assert (float(row["clip/clipped_share"]) > 0) == (after < before)
        if row["clip/limit"]:
            assert after == pytest.approx(min(before, float(row["clip/limit"])), rel=1e-6)
    together = name in ("zclip", "autoclip")
    assert any(row["clip/limit"] for row in found) is together
    by_layer = RunDirectory.of(run).path / "clip.csv"
    assert by_layer.exists() is not together
    if together:
        return
    with by_layer.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    threshold = float(run.config.clip.max_ratio or run.config.clip.max_norm or math.nan)
    for line in lines:
        assert (float(line["ratio_q95"]) > threshold) >= (int(line["clipped"]) == int(line["units"]) > 0)


def test_a_plan_tells_what_it_clips_by(tiny: Callable[..., Resolved]) -> None:
    plan = describe_plan(tiny(*NETWORK, "clip=adagc"))
    assert "AdaGC 1.05 after 100" in plan
    assert "clip=adagc: after clip.warmup_steps=100 a tensor's limit grows slowly" in plan
    assert "grows slowly" not in describe_plan(tiny("model=resnet20", "clip=adagc"))
    plan = describe_plan(tiny(*NETWORK, "clip=zclip", "clip.max_norm=null", "optimizer=muon"))
    assert "ZClip 2.5 no cap" in plan
    assert "muon, momentum 0.95, others by sgd at 5 times the rate, weight decay 0.01" in plan
    assert "beside optimizer=muon" not in plan
