"""The moving average in a run: evaluated beside the weights, kept in checkpoints, and of no effect on training."""

import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.runs_on_disk import lines_without_speed, weights
from tests.train.test_laws import StopAfter, without_time

from normfree.cli.train import summary
from normfree.config import Resolved
from normfree.nets import load_weights
from normfree.nets.convert import main
from normfree.nets.weights import read_weights
from normfree.optim import ema_decay
from normfree.runs import RunDirectory
from normfree.train.evaluation import evaluate
from normfree.train.module import Classifier
from normfree.train.parts.network import build_network
from normfree.train.record.metrics import COLUMNS, MetricsFile
from normfree.train.run import run_one

SCORES = ("test/accuracy", "test/loss", "validation/accuracy", "validation/loss")


def averages(run: Resolved) -> dict[str, torch.Tensor]:
    content: dict[str, Any] = torch.load(RunDirectory.of(run).checkpoints / "final.ckpt", weights_only=True)
    assert content["ema"]["updates"] == run.steps
    state: dict[str, torch.Tensor] = content["ema"]["weights"]
    return state


def named(score: str) -> str:
    return score.replace("/", "/ema_")


@pytest.mark.parametrize(
    "overrides", [("model=nfnet_nano",), ("model=resnet20", "clip=none"), ("trainer.micro_batch=25",)]
)
def test_training_is_the_same_with_and_without(
    tiny: Callable[..., Resolved], tmp_path: Path, overrides: tuple[str, ...]
) -> None:
    without, averaged = tiny(*overrides), tiny(*overrides, "optimizer.ema_decay=0.9")
    one, other = run_one(without, []), run_one(averaged, [])
    for name, value in weights(without).items():
        assert torch.equal(value, weights(averaged)[name]), name
    for score in SCORES:
        assert one["metrics"][score] == other["metrics"][score]
        assert named(score) not in one["metrics"]
        assert other["metrics"][named(score)] is not None
    assert other["metrics"]["test/ema_loss"] != other["metrics"]["test/loss"]


def test_every_step_moves_the_average(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the definition, in float64, from the weights after each optimizer step."""
    seen: list[dict[str, torch.Tensor]] = []

    def keep(self: Classifier, *_: Any) -> None:
        seen.append({name: value.detach().clone() for name, value in self.network.state_dict().items()})

    monkeypatch.setattr(Classifier, "on_train_batch_start", keep, raising=False)
    monkeypatch.setattr(Classifier, "on_train_end", keep, raising=False)
    run = tiny("model=resnet20", "clip=none", "precision=64-true", "optimizer.ema_decay=0.5", "steps=12")
    run_one(run, [])
    expected = seen[0]
    for step, state in enumerate(seen[1:]):
        decay = ema_decay(step, 0.5)
        assert decay == (0.5 if step >= 8 else (1 + step) / (10 + step))
        expected = {
            name: decay * expected[name] + (1 - decay) * value if value.is_floating_point() else value
            for name, value in state.items()
        }
    got = averages(run)
    assert got.keys() == expected.keys()
    for name, value in got.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    "overrides",
    [
        ("model=resnet20", "clip=none"),
        ("model=nfnet_nano", "model.drop_rate=0.3", "optimizer.sam_rho=0.05"),
        ("optimizer=adamw", "clip=norm", "lr=0.01", "trainer.micro_batch=25"),
        ("optimizer=lamb", "clip=none", "lr=0.01"),
        ("optimizer=lion", "clip=none", "lr=0.001"),
    ],
    ids=" ".join,
)
def test_resuming_changes_nothing(tiny: Callable[..., Resolved], tmp_path: Path, overrides: tuple[str, ...]) -> None:
    """One stop lies in the middle of a warm-up of 2.5 steps, one after it."""
    options = (*overrides, "optimizer.ema_decay=0.99", "optimizer.warmup_steps=2.5", "trainer.evaluate_every=3")
    whole = tiny(*options, f"runs_dir={tmp_path / 'whole'}")
    expected = run_one(whole, [])
    for stop in (1, 5):
        run = tiny(*options, f"runs_dir={tmp_path / str(stop)}")
        assert run_one(run, [], stop=StopAfter(stop))["steps_done"] == stop
        torch.rand(7)
        assert without_time(run_one(run, [])) == without_time(expected)
        assert lines_without_speed(run) == lines_without_speed(whole)
        for read in (weights, averages):
            for name, value in read(run).items():
                assert torch.equal(value, read(whole)[name]), name


def test_rows_name_both(tiny: Callable[..., Resolved]) -> None:
    run = tiny("optimizer.ema_decay=0.9", "trainer.evaluate_every=4")
    result = run_one(run, [])
    with RunDirectory.of(run).metrics.open(encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["step"] for row in table if row["validation/ema_accuracy"]] == ["4", "8"]
    assert [row["step"] for row in table if row["test/ema_loss"]] == ["8"]
    assert float(table[-1]["test/ema_loss"]) == result["metrics"]["test/ema_loss"]
    assert f"(moving average of the weights {result['metrics']['test/ema_accuracy']:.1%})" in summary(result)


def test_the_scores_are_those_of_the_averaged_weights(tiny: Callable[..., Resolved]) -> None:
    """To the bit, in the layout that the run evaluates in: in another one the same sums are done in another order."""
    from normfree.data import build_source

    run = tiny("model=resnet20", "clip=none", "optimizer.ema_decay=0.5", "lr=0.1", "steps=20")
    result = run_one(run, [])
    assert result["metrics"]["test/ema_loss"] < math.log(10), "an average of weights that learned something"
    assert run.config.trainer.channels_last
    network = build_network(run).to(memory_format=torch.channels_last)
    network.load_state_dict(averages(run))
    scores = evaluate(network, build_source(run, 50), "test", torch.device("cpu"), channels_last=True, prefix="ema_")
    assert scores == {
        key: result["metrics"][key] for key in ("test/ema_accuracy", "test/ema_loss", "test/ema_top5_accuracy")
    }


def test_load_weights_reads_either(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    run = tiny("optimizer.ema_decay=0.9")
    run_one(run, [])
    path = RunDirectory.of(run).checkpoints / "final.ckpt"
    network = build_network(run)
    raw = {name.removeprefix("network."): value for name, value in weights(run).items()}
    for choice, expected in (("raw", raw), ("ema", averages(run))):
        load_weights(network, path, weights=choice)
        assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
        target = tmp_path / f"{choice}.safetensors"
        shape = ["model=nf_resnet20", "num_classes=10", "in_channels=1"]
        assert main([str(path), str(target), *shape, f"--weights={choice}"]) == 0
        converted, about = read_weights(target)
        assert all(torch.equal(value, expected[name]) for name, value in converted.items())
        assert ("moving average" in about["provenance"]) == (choice == "ema")
    load_weights(network, path)
    assert all(torch.equal(value, raw[name]) for name, value in network.state_dict().items())
    with pytest.raises(ValueError, match="is for checkpoints of runs; this file has one set of weights"):
        load_weights(network, target, weights="ema")
    with pytest.raises(ValueError, match="weights='best': choose one of raw, ema"):
        load_weights(network, path, weights="best")
    plain = tiny()
    run_one(plain, [])
    with pytest.raises(ValueError, match=r"final\.ckpt: keeps no moving average"):
        load_weights(network, RunDirectory.of(plain).checkpoints / "final.ckpt", weights="ema")


def test_a_record_begun_with_fewer_columns_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    old = [column for column in COLUMNS if "ema" not in column]
    path.write_text(",".join(old) + "\n" + ",".join(str(i) for i in range(len(old))) + "\n", encoding="utf-8")
    MetricsFile(path).write({"step": 9, "test/ema_loss": 0.5, "images_per_second": 3.0})
    with path.open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert tuple(first) == COLUMNS
    assert {key: value for key, value in first.items() if value} == {key: str(i) for i, key in enumerate(old)}
    assert {key: value for key, value in second.items() if value} == {
        "step": "9",
        "test/ema_loss": "0.5",
        "images_per_second": "3.0",
    }
