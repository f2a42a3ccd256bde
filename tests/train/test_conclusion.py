"""What a network whose outputs are not finite is told to have: no accuracy, and nothing that was worked out of one."""

import math
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from tests.runs_on_disk import rows

from normfree.cli.train import summary
from normfree.config import Resolved
from normfree.runs.result import Result
from normfree.train.conclusion import _meant, _outputs_finite
from normfree.train.module import Classifier
from normfree.train.run import run_one


def test_outputs_that_are_not_finite_have_no_accuracy(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights are finite, as the step that would spoil them was not taken."""
    run = tiny("model=nf_resnet20", "clip=none", "steps=4")

    def spoil(self: Classifier) -> None:
        if self.trainer.global_step == 3:
            self.network.get_parameter("classifier.weight").data.mul_(1e38)
            self.network.get_parameter("classifier.weight").grad[0] = torch.inf

    monkeypatch.setattr(Classifier, "on_after_backward", spoil)
    result = run_one(run, [])
    assert result["status"] == "diverged"
    assert "test/loss" in result["metrics"]
    assert result["metrics"].get("test/accuracy") is None
    assert result["chance"] is None
    assert result["batch_dependence"] is None
    assert not rows(run)[-1].get("test/accuracy")
    assert "no accuracy: its outputs are not finite" in summary(result)


def test_only_what_belongs_to_a_broken_loss_is_left_out() -> None:
    final: dict[str, float | None] = {
        "train/final_loss": math.nan,
        "test/loss": math.inf,
        "test/accuracy": 0.1,
        "test/top5_accuracy": 0.5,
        "test/ema_loss": 2.3,
        "test/ema_accuracy": 0.2,
        "also/noise/loss": math.nan,
        "also/noise/accuracy": 0.1,
    }
    assert list(_meant(final)) == [
        "train/final_loss", "test/loss", "test/ema_loss", "test/ema_accuracy", "also/noise/loss"
    ]  # fmt: skip
    assert not _outputs_finite(final)
    assert _outputs_finite({"test/loss": 2.3, "validation/loss": None})


@pytest.mark.parametrize(("loss", "told"), [(None, False), (math.nan, False), (3e18, True)])
def test_a_stored_result_of_before_is_told_alike(loss: float | None, told: bool) -> None:
    result: dict[str, Any] = {
        "status": "diverged", "reason": "loss", "time": {}, "data": {"test": 60},
        "metrics": {"test/loss": loss, "test/accuracy": 0.25},
    }  # fmt: skip
    assert ("test accuracy 25.0%" in summary(cast(Result, result))) == told
