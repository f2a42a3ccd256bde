"""What W&B is told: facts of the run, marks of how it ended, nothing longer than it takes."""

import math
from pathlib import Path

import pytest
from tests.conftest import resolved

from normfree.config import UserError
from normfree.runs import arm_id
from normfree.runs.offline import how_to_sync, how_to_sync_all
from normfree.train.record.wandb_content import LONGEST_TAG, cut, description, exit_code, rows_before, summary, tags


def test_what_was_left_open_is_told_as_what_it_comes_to() -> None:
    run = resolved("model=resnet20", "clip=none", "batch=128", "model.ghost_batch=8", "epochs=2")
    told = description(run)
    assert (told["lr"], told["steps"], told["norm_batch"]) == (3.2, 54, 8)
    assert (told["arm_id"], told["model"]["name"]) == (arm_id(run), "resnet20")


def test_the_summary_has_status_reason_and_every_number() -> None:
    facts = {
        "status": "diverged", "reason": "training loss nan at step 3", "stalled": None, "steps_done": 3,
        "batch": {"micro": 5},
        "metrics": {"train/final_loss": math.nan, "test/loss": None, "test/accuracy": 0.1},
        "batch_dependence": {"logits": 0.5},
    }  # fmt: skip
    assert summary(facts) == {
        "status": "diverged", "reason": "training loss nan at step 3", "steps_done": 3,
        "train/final_loss": "nan", "test/accuracy": 0.1, "batch_dependence/logits": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("status", ["diverged", "failed", "preempted"])
def test_what_did_not_end_well_is_marked(status: str) -> None:
    assert exit_code(status) == 1
    assert tags(["mine"], status) == ("mine", status)


def test_what_ended_well_is_not() -> None:
    assert (exit_code("finished"), tags(["mine", "mine"])) == (0, ("mine",))
    assert (exit_code("untrained"), tags([], "untrained")) == (0, ("untrained",))


def test_long_names_keep_their_end() -> None:
    assert cut("x" * LONGEST_TAG, LONGEST_TAG) == "x" * LONGEST_TAG
    short = cut("x" * 100 + "-1a2b3c4d", LONGEST_TAG)
    assert len(short) == LONGEST_TAG
    assert short.endswith("...-1a2b3c4d")


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("logger.project='a/b'", "logger.project=a/b: W&B takes 1 to 128 characters"),
        (f"logger.project={'x' * 129}", "W&B takes 1 to 128 characters"),
        ("logger.project=''", "W&B takes 1 to 128 characters"),
        ("logger.tags=[one,' ']", "W&B takes no empty tags"),
    ],
)
def test_names_that_wandb_refuses_are_refused_at_once(override: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        resolved("logger=wandb", override)


def test_rows_before_a_step_have_what_was_clipped_there(tmp_path: Path) -> None:
    metrics, clip = tmp_path / "metrics.csv", tmp_path / "clip.csv"
    metrics.write_text("step,train/loss,test/loss\n2,0.5,\n4,,0.25\n6,1,\n6,,2\n8,1,\n", encoding="utf-8")
    assert [row["step"] for row in rows_before(8, metrics, clip)] == [2, 4, 6, 6]
    clip.write_text(
        "step,depth,stage,layer,units,clipped,ratio_q05,ratio_q25,ratio_q50,ratio_q75,ratio_q95\n"
        "4,-1,,all,8,3,0.1,0.2,0.3,0.4,0.5\n4,0,stem,a,2,1,,,,,\n4,1,1,b,4,2,,,,,\n4,2,1,c,2,0,,,,,\n",
        encoding="utf-8",
    )
    first, second = rows_before(6, metrics, clip)
    assert first == {"step": 2, "train/loss": 0.5}
    assert second == {
        "step": 4, "test/loss": 0.25, "clip/clipped_share_stem": 0.5, "clip/clipped_share_stage1": 2 / 6,
        "clip/ratio_q05": 0.1, "clip/ratio_q25": 0.2, "clip/ratio_q50": 0.3, "clip/ratio_q75": 0.4,
        "clip/ratio_q95": 0.5,
    }  # fmt: skip


def test_the_command_names_the_newest_folder(tmp_path: Path) -> None:
    run = tmp_path / "my runs"
    assert (how_to_sync(run), how_to_sync_all(tmp_path)) == ("", "")
    for when in ("20260102_030405", "20260102_030406"):
        (run / f"wandb/offline-run-{when}-ab").mkdir(parents=True)
    assert how_to_sync(run) == f"wandb sync '{run}/wandb/offline-run-20260102_030406-ab'"
    assert how_to_sync_all(tmp_path) == f"wandb sync {tmp_path}/*/wandb/latest-run"
