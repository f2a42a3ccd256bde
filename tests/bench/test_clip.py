"""The suite `clip`: gradients as asked for, one real measurement, bad input."""

import csv
from pathlib import Path

import pytest
import torch
from torch import Tensor

from normfree.bench.clip import gradients_of
from normfree.cli.main import run
from normfree.clip import CLIPPERS, clip_grad_agc_
from normfree.nets import create_model
from normfree.probe.timing import interleave


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_as_many_units_are_clipped_as_asked_for(share: float) -> None:
    torch.manual_seed(0)
    parameters: list[Tensor] = list(create_model("nfnet_nano", 10).parameters())
    for parameter, gradient in zip(parameters, gradients_of(parameters, share), strict=True):
        parameter.grad = gradient
    done = clip_grad_agc_(parameters, unit="timm")
    assert float(done.clipped_units) / done.units == pytest.approx(share, abs=0.05)


def test_every_method_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "clip.csv"
    small = ["models=nfnet_nano", "image_size=16", "batch=2", "rounds=2", "clipped=0,1", "device=cpu"]
    assert run("bench", ["clip", *small, f"out={out}"]) == 0
    with out.open(newline="") as file:
        rows = {(row["clipped"], row["method"]): row for row in csv.DictReader(file)}
    methods = {method for _, method in rows}
    assert {"timm", "torch norm", "normfree eager", "normfree bucketed", "one pass"} <= methods
    assert {f"normfree {name}" for name in CLIPPERS} <= methods
    assert len(rows) == 2 * len(methods)
    for row in rows.values():
        assert float(row["value"]) > 0
        assert float(row["share_of_step"]) > 0
    assert float(rows["0", "timm"]["over_timm"]) == float(rows["0", "torch norm"]["of_norm"]) == 1
    assert int(rows["1", "one pass"]["operations"]) == 1
    assert int(rows["1", "normfree bucketed"]["operations"]) < int(rows["1", "timm"]["operations"])
    assert "% of a step" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models=nfnet_f9"], "models=nfnet_f9: "),
        (["clipped=2"], "clipped=2: give shares between 0 and 1"),
        (["clipped=half"], "clipped=half: give shares between 0 and 1"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", ["clip", *arguments]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_what_is_prepared_is_not_measured() -> None:
    calls: list[str] = []
    cases = {name: lambda name=name: calls.append(name) for name in ("a", "b")}  # type: ignore[misc]
    interleave(cases, 2, torch.device("cpu"), "wall", warmup=0, prepare=lambda: calls.append("fresh"))
    assert calls == ["fresh", "a", "fresh", "b", "fresh", "b", "fresh", "a"]
