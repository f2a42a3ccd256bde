"""The race: every contestant does the same work, all are measured, and bad input is one line."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch
from tests.data.images import write_parquet
from torch import Tensor, nn

from normfree.bench import summary
from normfree.bench.race import images, ours, reading, step, timm_loop, timm_network, work
from normfree.bench.race.step import StepCase
from normfree.bench.race.table import COLUMNS, KEYS, add
from normfree.bench.race.work import CONTESTANTS, Done, Work
from normfree.bench.rows import Table
from normfree.cli.main import run
from normfree.compose.run import compose_run
from normfree.data import build_source
from normfree.nets import create_model

DATA = pytest.mark.parametrize("data", images.DATA)
SMALL = ["size=16", "batch=16", "samples=64", "test=40", "epochs=1", "target_epochs=2", "target=0.01", "rounds=1",
         "workers=1", "threads=1", "step_models=nf_resnet50", "step_size=32", "step_batch=2", "step_rounds=1",
         "step_layout=nhwc"]  # fmt: skip


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def small_work(data: str, folder: Path, **keys: object) -> Work:
    encoded = images.read(None, 160, 40)
    usual: dict[str, object] = {
        "model": "nf_resnet20", "data": data, "root": images.write(encoded, data, folder, evaluated=True),
        "classes": encoded.classes, "size": 16, "crop": "padded", "samples": 160, "batch": 16, "steps": 40,
        "precision": "fp32", "layout": "nhwc", "ema": 0.9, "loader": "auto", "workers": 1, "threads": 1,
        "evaluated": True,
    }  # fmt: skip
    return Work(**{**usual, **keys})  # type: ignore[arg-type]


@DATA
def test_all_train_the_same_number_of_images_and_evaluate_at_the_same_passes(data: str, tmp_path: Path) -> None:
    asked = small_work(data, tmp_path)
    done = {name: work.train(name, asked) for name in CONTESTANTS}
    assert {(each.steps, each.images, len(each.evaluations), each.parameters) for each in done.values()} == {
        (40, 640, 4, 272_771)
    }
    for name, each in done.items():
        assert each.losses[1] < each.losses[0], name
        assert 0 < each.evaluations[0][0] < each.evaluations[-1][0] <= each.seconds, name
        assert all(0 <= accuracy <= 1 for _, accuracy in each.evaluations), name


@pytest.mark.parametrize("name", CONTESTANTS)
def test_all_take_bfloat16_random_sizes_and_no_average(name: str, tmp_path: Path) -> None:
    asked = small_work(
        "folder", tmp_path, steps=2, precision="bf16", crop="resized", ema=None, layout="nchw", evaluated=False
    )
    images.write(images.read(None, 160, 40), "folder", tmp_path / "unseen", evaluated=False)
    done = work.train(name, Work(**{**vars(asked), "root": str(tmp_path / "unseen")}))
    assert (done.steps, done.images, done.evaluations) == (2, 32, ())


@DATA
@pytest.mark.parametrize("size", [28, 32])
def test_all_read_the_same_pixels(data: str, size: int, tmp_path: Path) -> None:
    asked = small_work(data, tmp_path, size=size)
    source = build_source(compose_run(ours.overrides(asked, str(tmp_path))), asked.batch)
    tested = {
        "normfree": list(source.evaluation_batches("validation", 250)),
        "bare": list(reading.testing(asked)),
        "timm": list(timm_loop.loader_of(asked, training=False)),
    }
    trained = {
        "normfree": source.training_batches(0, asked.per_epoch),
        "bare": islice(reading.training(asked), asked.per_epoch),
        "timm": islice(timm_loop.loader_of(asked, training=True), asked.per_epoch),
    }
    passes = {name: [(images, labels) for images, labels in batches] for name, batches in trained.items()}
    for name, ((pixels, labels),) in tested.items():
        assert torch.equal(labels, tested["normfree"][0][1]), name
        assert torch.allclose(pixels, tested["normfree"][0][0], atol=1e-4), name
    for name, batches in passes.items():
        assert [len(labels) for _, labels in batches] == [16] * 10, name
        assert torch.cat([labels for _, labels in batches]).bincount().tolist() == [16] * 10, name
        mean, expected = (_mean([pixels for pixels, _ in each]) for each in (batches, passes["normfree"]))
        assert abs(mean - expected) < 0.1, name


def _mean(batches: list[Tensor]) -> float:
    return float(torch.cat(batches).mean())


def multiply_adds(network: nn.Module) -> int:
    found = 0

    def counted(module: nn.Module, inputs: object, output: Tensor) -> None:
        nonlocal found
        weight = module.weight
        assert isinstance(weight, Tensor)
        found += weight.numel() * (output.shape[2] * output.shape[3] if output.ndim == 4 else 1)

    for module in network.modules():
        if isinstance(getattr(module, "weight", None), Tensor):
            module.register_forward_hook(counted)
    network.eval()(torch.zeros(1, 3, 32, 32))
    return found


@pytest.mark.parametrize("name", ["nf_resnet20", "nf_resnet56"])
def test_timms_small_network_costs_what_ours_does(name: str) -> None:
    ours_, theirs = create_model(name, num_classes=10), timm_network.build(name, 10)
    assert type(theirs).__module__.startswith("timm.")
    assert timm_network.told(name) == f"timm NormFreeNet as {name}"
    assert work.count(ours_) == work.count(theirs)
    assert multiply_adds(ours_) == multiply_adds(theirs) > 30e6


def test_timm_trains_its_own_network_where_it_has_one_and_ours_where_it_has_no_parts() -> None:
    assert timm_network.told("nf_resnet50") == "timm nf_resnet50"
    assert timm_network.told("nfnet_nano") == "normfree nfnet_nano"
    assert type(timm_network.build("nfnet_nano", 10)) is type(create_model("nfnet_nano"))


@pytest.mark.parametrize("contestant", step.CONTESTANTS)
def test_a_step_trains(contestant: str) -> None:
    made = step.step_of(contestant, StepCase("nf_resnet50", 32, 2, "fp32", "nhwc", 0.9, 1))
    losses = [float(made.take()) for _ in range(8)]
    assert losses[-1] < losses[0]
    assert work.count(made.network) == pytest.approx(25_557_048, rel=1e-4)
    assert step.step_of(contestant, StepCase("nf_resnet50", 32, 2, "fp32", "nhwc", 0.9, 1)) is made


def test_a_target_that_is_not_reached_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = Done(9.0, 1, 1, 1, (1.0, 1.0), ((1.0, 0.2), (2.0, 0.4), (3.0, 0.3)))
    assert (done.seconds_to(0.2), done.seconds_to(0.3), done.seconds_to(0.5)) == (1.0, 2.0, None)
    table = Table(tmp_path / "train-cpu.csv", COLUMNS, KEYS, torch.device("cpu"))
    usual = {
        "what": "target",
        "model": "m",
        "size": 32,
        "batch": 1,
        "precision": "fp32",
        "layout": "nhwc",
        "unit": "s",
        "peer_layout": "nchw",
    }
    usual |= {"accuracy": 0.3, "target": 0.4}
    add(table, usual | {"contestant": "normfree", "reached": "2 of 2"}, [1.0, 2.0], [1.0, 2.0])
    add(table, usual | {"contestant": "bare", "reached": "1 of 2"}, [None, 2.0], [1.0, 2.0])
    add(table, usual | {"contestant": "timm", "reached": "2 of 2"}, [3.0, 4.0], [1.0, 2.0])
    rows = _rows(table.path)
    assert [(row["value"], row["ratio"]) for row in rows] == [("1.5", "1"), ("", ""), ("3.5", "2.5")]
    assert "not reached in every round" in capsys.readouterr().out
    assert "| reached 1 of 2 |  | 30.0% |" in summary.page(tmp_path)


def test_a_race_that_is_cut_leaves_the_rounds_that_it_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = work.train

    def cut(name: str, asked: Work) -> Done:
        if asked.seed == 1 and name == "bare":
            raise KeyboardInterrupt
        return real(name, asked)

    monkeypatch.setattr(work, "train", cut)
    out = tmp_path / "train-cpu.csv"
    asked = ["contestants=normfree,bare", "what=train", "data=parquet", "apart=false", f"out={out}"]
    small = [word for word in SMALL if word != "rounds=1"]
    assert run("bench", ["train", *small, *asked, "rounds=3"]) == 130
    assert [(row["contestant"], row["rounds"]) for row in _rows(out)] == [("normfree", "1"), ("bare", "1")]
    assert "round 1 of 3, seconds: normfree " in capsys.readouterr().out


def test_the_command_measures_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "train-cpu.csv"
    asked = ["contestants=normfree,bare,timm", "data=folder", "peer_layout=nchw", "apart=false"]
    assert run("bench", ["train", *SMALL, *asked, f"out={out}"]) == 0, capsys.readouterr().err
    rows = _rows(out)
    assert [(row["what"], row["contestant"], row["network"]) for row in rows] == [
        ("train", "normfree", "normfree nf_resnet20"),
        ("train", "bare", "normfree nf_resnet20"),
        ("train", "timm", "timm NormFreeNet as nf_resnet20"),
        ("target", "normfree", "normfree nf_resnet20"),
        ("target", "bare", "normfree nf_resnet20"),
        ("target", "timm", "timm NormFreeNet as nf_resnet20"),
        ("step", "normfree", "normfree nf_resnet50"),
        ("step", "timm", "timm nf_resnet50"),
    ]
    assert all(float(row["value"]) > 0 and float(row["ratio"]) > 0 for row in rows)
    assert {row["seen"] for row in rows[:3]} == {"64"}
    assert {(row["seen"], row["reached"]) for row in rows[3:6]} == {("128", "1 of 1")}
    assert {row["images"] for row in rows[:6]} == {"digits (MNIST-5k) as JPEG"}
    page = summary.page(tmp_path)
    assert "## Training, CPU" in page
    assert "| to 1% | digits (MNIST-5k) as JPEG | folder | 16 | 16 | fp32 | eager | nchw | 1 | 1 | timm |" in page


def test_contestants_have_processes_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, asked = tmp_path / "train-cpu.csv", ["what=step", "contestants=normfree"]
    assert run("bench", ["train", *SMALL, *asked, f"out={out}"]) == 0, capsys.readouterr().err
    assert [row["contestant"] for row in _rows(out)] == ["normfree"]


def test_cifar10_as_parquet_is_read_in_turn_of_its_classes(tmp_path: Path) -> None:
    digits = images.read(None, 60, 40)
    for split, part in (("train", digits.train), ("test", digits.test)):
        contents, labels = [content for content, _ in part], [label for _, label in part]
        write_parquet(tmp_path / f"{split}-00000-of-00001.parquet", contents, labels, column="img", names=None)
    read = images.read(str(tmp_path), 20, 20)
    assert read.label == "CIFAR-10 (JPEG)"
    assert (
        sorted(label for _, label in read.train) == sorted(label for _, label in read.test) == sorted([*range(10)] * 2)
    )
    assert set(read.train) < set(digits.train)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["contestants=normfree,timn"], "contestants=normfree,timn: choose from normfree, bare, timm, lightning"),
        (["contestants=bare"], "contestants=bare: the others are measured beside normfree; add it"),
        (["what=stop"], "what=stop: choose from train, target, step"),
        (["rot=x"], "rot=x: no such key"),
        (["root=nowhere"], "root=nowhere: not there; give the folder of CIFAR-10's parquet files"),
        (["model=nf_resnet21"], "model=nf_resnet21: "),
        (["step_models=nfnet_nano"], "step_models=nfnet_nano: timm has no such network; there are: nfnet_f0"),
        (["target=40"], "target=40: give an accuracy above 0, up to 1"),
        (["ema=1"], "ema=1: give a decay of at least 0 and below 1, or null"),
        (["samples=20", "batch=21"], "batch=21: there are 20 training images; make it smaller"),
        (["test=5"], "test=5: give a whole number of at least 10"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("bench", ["train", *arguments, f"out={tmp_path / 'train.csv'}"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_an_empty_root_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", ["train", f"root={tmp_path}", f"out={tmp_path / 'train.csv'}"]) == 2
    error = capsys.readouterr().err
    assert f"root={tmp_path}: no train-*.parquet" in error
    assert error.count("\n") == 1


def test_without_timm_it_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "timm" else find(name))
    assert run("bench", ["train"]) == 2
    assert (
        "timm is not installed; pip install 'normfree[peers]', or leave it out: contestants=normfree,bare"
        in capsys.readouterr().err
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
