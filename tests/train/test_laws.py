"""What must hold for training: runs repeat, resuming changes nothing, accumulation equals the big batch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.runs_on_disk import lines_without_speed, weights

from normfree.config import Resolved
from normfree.runs import RunDirectory
from normfree.train.run import run_one
from normfree.train.stopping import StopRequest

CLIPS = [("clip=none",), ("clip=norm", "clip.max_norm=0.1"), ("clip=agc",)]


def without_time(result: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in result.items() if key not in ("time", "attempts", "history")}


class StopAfter(StopRequest):
    """Asks to stop once this many steps have been taken."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self._left = steps

    def asked(self) -> bool:
        self._left -= 1
        return self._left <= 0


@pytest.mark.parametrize("clip", CLIPS)
@pytest.mark.parametrize("model", ["resnet20", "nf_resnet20", "nfnet_nano"])
def test_identical_runs_are_bit_identical(
    tiny: Callable[..., Resolved], tmp_path: Path, model: str, clip: tuple[str, ...]
) -> None:
    first = tiny(f"model={model}", *clip, "steps=4")
    second = tiny(f"model={model}", *clip, "steps=4", f"runs_dir={tmp_path / 'again'}")
    one, other = run_one(first, []), run_one(second, [])
    assert without_time(one) == without_time(other)
    assert lines_without_speed(first) == lines_without_speed(second)
    for name, value in weights(first).items():
        assert torch.equal(value, weights(second)[name]), name


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=resnet20", "clip=none"),
        ("model=nf_resnet20", "trainer.micro_batch=25"),
        # Dropout and stochastic depth: what a step draws does not depend on where the run was resumed.
        ("model=nfnet_nano", "model.drop_rate=0.3", "model.stochastic_depth_rate=0.3"),
        ("model=nf_resnet20", "precision=64-true", "optimizer.ema_decay=0.9"),
        ("model=resnet20", "optimizer=muon", "clip=zclip", "clip.warmup_steps=2", "optimizer.others=adamw"),
        ("model=nf_resnet20", "optimizer=muon", "clip=none", "optimizer.ema_decay=0.9", "optimizer.sam_rho=0.05"),
    ],
)
def test_resuming_changes_nothing(tiny: Callable[..., Resolved], tmp_path: Path, overrides: tuple[str, ...]) -> None:
    whole = tiny(*overrides, f"runs_dir={tmp_path / 'whole'}")
    expected = run_one(whole, [])
    for stop in (1, 5):
        run = tiny(*overrides, f"runs_dir={tmp_path / str(stop)}")
        stopped = run_one(run, [], stop=StopAfter(stop))
        assert (stopped["status"], stopped["steps_done"]) == ("preempted", stop)
        torch.rand(7)  # what else a process does with its random state must not matter
        resumed = run_one(run, [])
        assert resumed["attempts"] == 2
        assert without_time(resumed) == without_time(expected)
        assert lines_without_speed(run) == lines_without_speed(whole)
        for name, value in weights(run).items():
            assert torch.equal(value, weights(whole)[name]), name


def test_a_finished_run_returns_its_result_without_training(tiny: Callable[..., Resolved]) -> None:
    run = tiny()
    first = run_one(run, [])
    written = RunDirectory.of(run).metrics.stat().st_mtime_ns
    assert run_one(run, []) == first
    assert RunDirectory.of(run).metrics.stat().st_mtime_ns == written


def test_an_unreadable_checkpoint_is_passed_over(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    expected = run_one(tiny(f"runs_dir={tmp_path / 'whole'}"), [])
    run = tiny()
    run_one(run, [], stop=StopAfter(3))
    folder = RunDirectory.of(run).checkpoints
    last = folder / "last.ckpt"
    (folder / "previous.ckpt").write_bytes(last.read_bytes())
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=r"last\.ckpt cannot be read"):
        resumed = run_one(run, [])
    assert resumed["metrics"] == expected["metrics"]


@pytest.mark.parametrize("micro_batch", [5, 10, 25])
@pytest.mark.parametrize("model", ["nf_resnet20", "nfnet_nano"])
def test_accumulation_equals_the_big_batch_without_batchnorm(
    tiny: Callable[..., Resolved], tmp_path: Path, model: str, micro_batch: int
) -> None:
    common = (f"model={model}", "precision=64-true", "steps=4", "lr=0.1")
    whole = tiny(*common, f"runs_dir={tmp_path / 'whole'}")
    parts = tiny(*common, f"trainer.micro_batch={micro_batch}")
    run_one(whole, [])
    result = run_one(parts, [])
    assert result["batch"]["accumulation"] == 50 // micro_batch
    for name, value in weights(parts).items():
        torch.testing.assert_close(value, weights(whole)[name], rtol=1e-10, atol=1e-12)


def test_with_muon_micro_batches_are_stepped_as_the_whole_batch(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    common = ("model=nfnet_nano", "precision=64-true", "steps=4", "optimizer=muon", "clip=none")
    whole = tiny(*common, f"runs_dir={tmp_path / 'whole'}")
    parts = tiny(*common, "trainer.micro_batch=10")
    run_one(whole, [])
    run_one(parts, [])
    for name, value in weights(parts).items():
        torch.testing.assert_close(value, weights(whole)[name], rtol=1e-8, atol=1e-10)


def test_ghost_batchnorm_equals_accumulated_micro_batches(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    """Two ways to say that statistics see 25 images: one run, with the same images in each group."""
    common = ("model=resnet20", "clip=none", "precision=64-true", "steps=3")
    whole = tiny(*common, "model.ghost_batch=25", f"runs_dir={tmp_path / 'ghost'}")
    parts = tiny(*common, "trainer.micro_batch=25")
    ghost, micro = run_one(whole, []), run_one(parts, [])
    assert ghost["run_id"] == micro["run_id"]
    assert ghost["batch"]["norm_batch"] == micro["batch"]["norm_batch"] == 25
    expected = weights(whole)
    assert any("running_var" in name for name in expected)
    for name, value in weights(parts).items():
        if "num_batches_tracked" not in name:
            torch.testing.assert_close(value, expected[name], rtol=1e-10, atol=1e-12)
    scores = {key: value for key, value in ghost["metrics"].items() if value is not None}
    assert {"train/final_loss", "test/loss", "test/accuracy"} <= scores.keys()
    assert {key: micro["metrics"][key] for key in scores} == pytest.approx(scores, rel=1e-10)
