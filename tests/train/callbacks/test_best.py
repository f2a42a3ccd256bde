"""``best.ckpt``: the weights of the best evaluation on the validation split."""

import csv
from collections.abc import Callable

import pytest
import torch

from normfree import create_model, load_weights
from normfree.config import Resolved
from normfree.runs import RunDirectory
from normfree.train.run import run_one

OPTIONS = ("model=resnet20", "clip=none", "steps=12", "trainer.evaluate_every=1", "lr=0.4")


@pytest.mark.parametrize("decay", [None, 0.5])
def test_the_first_of_the_best_evaluations_is_kept(tiny: Callable[..., Resolved], decay: float | None) -> None:
    run = tiny(*OPTIONS, *([f"optimizer.ema_decay={decay}"] if decay else []))
    metrics = run_one(run, [])["metrics"]
    directory = RunDirectory.of(run)
    column = "validation/ema_accuracy" if decay else "validation/accuracy"
    with directory.metrics.open(newline="", encoding="utf-8") as file:
        scores = [(float(row[column]), int(row["step"])) for row in csv.DictReader(file) if row[column]]
    assert [step for _, step in scores] == list(range(1, 13))
    best = max(score for score, _ in scores)
    assert (metrics["best/validation_accuracy"], metrics["best/step"]) == next(
        pair for pair in scores if pair[0] == best
    )
    content = torch.load(directory.checkpoints / "best.ckpt", weights_only=True)
    assert content["global_step"] == metrics["best/step"]
    assert content.keys() == torch.load(directory.checkpoints / "final.ckpt", weights_only=True).keys()
    network = create_model("resnet20", num_classes=10, in_channels=1)
    load_weights(network, directory.checkpoints / "best.ckpt")
    assert all(
        torch.equal(value, content["state_dict"][f"network.{key}"]) for key, value in network.state_dict().items()
    )


def test_without_evaluations_nothing_is_kept(tiny: Callable[..., Resolved]) -> None:
    run = tiny()
    assert "best/step" not in run_one(run, [])["metrics"]
    assert [path.name for path in RunDirectory.of(run).checkpoints.iterdir()] == ["final.ckpt"]
