"""The suite `latency`: real steps of small networks, what is refused before it is tried, resuming, bad input."""

import csv
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from tests.shared_folder import shared_folder

import normfree.bench.latency_steps as latency_steps
import normfree.bench.rows as bench_rows
from normfree.bench.counts import count_step
from normfree.bench.roofline import Roofline, measure_roofline
from normfree.cli.main import run
from normfree.nets import create_model
from normfree.nets.cost import count_macs

SMALL = ("image_size=16", "batch=2", "rounds=2", "threads=1")


@pytest.fixture(autouse=True)
def _alike(roofline: Roofline, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As many threads afterwards as before; the limits of this machine are measured once."""
    before = torch.get_num_threads()
    monkeypatch.setattr(latency_steps, "measure_roofline", lambda *_: roofline)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def roofline(tmp_path_factory: pytest.TempPathFactory) -> Roofline:
    with shared_folder(tmp_path_factory, "roofline") as place:
        if not (file := place / "measured").exists():
            file.write_bytes(pickle.dumps(measure_roofline(torch.device("cpu"), ("fp32", "bf16"))))
        measured: Roofline = pickle.loads(file.read_bytes())
    return measured


def latency(out: Path, *words: str) -> list[dict[str, str]]:
    assert run("bench", ["latency", *SMALL, *words, "device=cpu", f"out={out}"]) == 0
    return read(out)


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_case_is_a_row_and_the_fastest_is_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "latency-cpu.csv"
    rows = latency(out, "models=nfnet_nano,bn_nfnet_nano")
    assert len(rows) == 2 * 2 * 2 * 2
    assert {(row["model"], row["what"], row["precision"], row["layout"], row["form"]) for row in rows} == {
        (model, what, precision, layout, "eager")
        for model in ("nfnet_nano", "bn_nfnet_nano")
        for what in ("train", "infer")
        for precision in ("fp32", "bf16")
        for layout in ("nchw", "nhwc")
    }
    for row in rows:
        assert 0 < float(row["p10"]) <= float(row["value"]) <= float(row["p90"])
        assert 0 < float(row["roofline"]) < 1.5
        assert float(row["roofline"]) == max(float(row["of_matmul"]), float(row["of_copy"]))
        assert row["bound"] == ("compute" if float(row["of_matmul"]) >= float(row["of_copy"]) else "memory")
        assert row["update"] == ("true" if row["what"] == "train" else "")
        assert row["reason"] == ""
        # The weights alone.
        assert float(row["peak_mib"]) > 390_000 * 4 / 2**20
    for model in ("nfnet_nano", "bn_nfnet_nano"):
        for what in ("train", "infer"):
            own = [row for row in rows if (row["model"], row["what"]) == (model, what)]
            least = min(float(row["value"]) for row in own)
            assert [float(row["value"]) for row in own if row["best"] == "true"][:1] == [least]
            assert sum(row["best"] == "true" for row in own) == 1
    printed = capsys.readouterr().out
    assert "bn_nfnet_f0 over nfnet_f0: not measured (bn_nfnet_f0: no row; nfnet_f0: no row); paper 1.52" in printed
    assert "No accuracy of nfnet_nano, bn_nfnet_nano in the paper." in printed
    for kind in ("png", "svg", "pdf"):
        assert out.with_suffix(f".{kind}").stat().st_size > 0


def test_the_page_shows_its_tables_and_its_figure(tmp_path: Path) -> None:
    rows = latency(tmp_path / "latency-cpu.csv", "models=nf_resnet20", "precision=fp32", "what=train")
    assert run("bench", ["summary", f"folder={tmp_path}"]) == 0
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    (best,) = (row for row in rows if row["best"] == "true")
    assert f"| nf_resnet20 | train | 16 | 2 | fp32 {best['layout']} eager |" in page
    assert f"**{float(best['value']):.4g}**" in page
    assert "](latency-cpu.png)" in page
    assert "13.1 on V100" in page
    (tmp_path / "latency-cpu.png").unlink()
    assert run("bench", ["summary", f"folder={tmp_path}"]) == 0
    assert "latency-cpu.png" not in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_what_does_not_fit_is_said_and_not_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(latency_steps._Suite, "pack", untried)
    out = tmp_path / "latency-cpu.csv"
    rows = latency(out, "models=nf_resnet20", "memory_gb=0.0001", "layout=nchw")
    assert len(rows) == 4
    assert all(row["value"] == row["best"] == row["peak_mib"] == "" for row in rows)
    assert all("too large: about" in row["reason"] and "100 kB are free" in row["reason"] for row in rows)
    assert all(float(row["gflop"]) > 0 for row in rows)
    assert "Not measured: nf_resnet20." in capsys.readouterr().out
    assert run("bench", ["summary", f"folder={tmp_path}"]) == 0
    assert "| nf_resnet20, train, fp32 nchw eager | too large: about" in (tmp_path / "README.md").read_text()


def test_what_takes_too_long_by_the_roofline_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_steps._Suite, "pack", untried)
    rows = latency(tmp_path / "a.csv", "models=nf_resnet20", "what=train", "precision=fp32", "budget_s=1e-7")
    assert [row["value"] for row in rows] == ["", ""]
    assert all("a step by the roofline, 5 steps, budget_s=1e-07" in row["reason"] for row in rows)


def test_what_takes_too_long_when_tried_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency_steps._Suite, "once", lambda self, call: 10.0)
    words = ("models=nfnet_nano", "what=train", "precision=fp32", "layout=nchw")
    (row,) = latency(tmp_path / "a.csv", *words, "budget_s=49")
    assert row["reason"] == "too slow: 10 s a step, as measured, 5 steps, budget_s=49"
    assert row["value"] == ""
    (row,) = latency(tmp_path / "a.csv", *words, "budget_s=50")
    assert (row["reason"], row["first_s"]) == ("", "10")


def untried(*_: object) -> None:
    raise AssertionError("it was tried")


def test_networks_that_do_not_fit_together_are_measured_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("models=nfnet_nano,bn_nfnet_nano", "what=train", "precision=fp32", "layout=nchw")
    needs = [count_step(name, "train", 16, 2, True) for name in ("nfnet_nano", "bn_nfnet_nano")]
    one = max(each.resident + each.memory("fp32") for each in needs)
    assert len(latency(tmp_path / "a.csv", *words, f"memory_gb={1.05 * one / 1e9}")) == 2
    assert "in turn: nfnet_nano bn_nfnet_nano" not in capsys.readouterr().out
    latency(tmp_path / "a.csv", *words, f"memory_gb={3 * one / 1e9}")
    assert "in turn: nfnet_nano bn_nfnet_nano" in capsys.readouterr().out


def test_resuming_leaves_out_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_rows, "commit", lambda: ("1" * 40, False))
    words = ("what=train", "precision=fp32", "resume=true")
    path = tmp_path / "a.csv"
    first = latency(path, *words, "models=nf_resnet20", "layout=nchw")
    capsys.readouterr()
    both = latency(path, *words, "models=nf_resnet20", "layout=nchw,nhwc")
    assert [row["layout"] for row in both] == ["nchw", "nhwc"]
    assert both[0]["value"] == first[0]["value"]
    assert "fp32 nchw" not in capsys.readouterr().out
    monkeypatch.setattr(bench_rows, "commit", lambda: ("2" * 40, False))
    again = latency(path, *words, "models=nf_resnet20", "layout=nchw")
    assert [row["commit"][0] for row in again] == ["2", "1"]
    # With uncommitted changes nobody knows whether a row is of this code.
    monkeypatch.setattr(bench_rows, "commit", lambda: ("2" * 40, True))
    latency(path, *words, "models=nf_resnet20", "layout=nchw")
    capsys.readouterr()
    latency(path, *words, "models=nf_resnet20", "layout=nchw")
    assert "fp32 nchw" in capsys.readouterr().out


def test_resuming_tries_again_what_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_rows, "commit", lambda: ("1" * 40, False))
    words = ("models=nf_resnet20", "what=infer", "precision=fp32", "layout=nchw", "resume=true")
    (row,) = latency(tmp_path / "a.csv", *words, "memory_gb=0.0001")
    assert "too large" in row["reason"]
    (row,) = latency(tmp_path / "a.csv", *words)
    assert row["reason"] == ""
    assert float(row["value"]) > 0


def test_forward_and_backward_alone_are_other_rows(tmp_path: Path) -> None:
    words = ("models=nf_resnet20", "what=train", "precision=fp32", "layout=nchw")
    latency(tmp_path / "a.csv", *words)
    rows = latency(tmp_path / "a.csv", *words, "update=false")
    assert [row["update"] for row in rows] == ["true", "false"]
    assert [row["best"] for row in rows] == ["true", "true"]


def test_steps_change_no_weight() -> None:
    """So that every round computes the same."""
    network = create_model("nf_resnet20")
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(torch.randn(2, 3, 16, 16)).square().sum().backward()
    latency_steps._update(network)()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_limits_are_those_of_this_machine(roofline: Roofline) -> None:
    assert roofline.flops["fp32"] > 1e8
    assert roofline.flops["bf16"] > 1e7
    assert roofline.bandwidth > 1e7
    assert roofline.least_seconds("fp32", roofline.flops["fp32"], 0) == 1
    assert roofline.least_seconds("bf16", 0, 2 * roofline.bandwidth) == 2
    assert torch.backends.cuda.matmul.fp32_precision == "none"


def test_what_a_step_computes_and_moves() -> None:
    with torch.device("meta"):
        network = create_model("resnet50")
    macs, stem = count_macs(network, 224), 64 * 3 * 7 * 7 * 112 * 112
    train, infer = (count_step("resnet50", what, 224, 2, True) for what in ("train", "infer"))
    assert train.flops == 2 * 2 * (3 * macs - stem)
    assert infer.flops == 2 * 2 * macs
    assert train.resident == 2 * infer.resident == 2 * 4 * train.weights
    assert count_step("resnet50", "train", 224, 2, False).resident == infer.resident
    assert train.bytes_moved("fp32") == 2 * train.bytes_moved("bf16")
    # Each weight is read in the forward pass, and again, with its gradient written, in the backward pass.
    assert train.bytes_moved("fp32") > infer.bytes_moved("fp32") + 2 * 4 * train.weights
    assert infer.bytes_moved("fp32") > 4 * infer.weights
    more = count_step("resnet50", "train", 224, 4, True)
    assert more.flops == 2 * train.flops
    assert train.memory("bf16") < more.memory("bf16") < more.memory("fp32")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["models=nfnet_f9"], "models=nfnet_f9: "),
        (["batch=0"], "batch=0: give a whole number"),
        (["budget_s=0"], "budget_s=0: give a number above 0"),
        (["memory_gb=-1"], "memory_gb=-1: give a number above 0"),
        (["form=compile"], "form=compile: choose from eager, captured, compiled"),
        (["form=captured"], "form=captured: CUDA graphs are for a GPU; leave out captured, or give device=cuda"),
        (["layout=nhcw"], "layout=nhcw: choose from nchw, nhwc"),
        (["models=resnet50", "what=train", "image_size=32", "batch=1"], "give a larger image_size or batch"),
        (["measure=false"], "has no row to draw; leave out measure=false"),
    ],
)
def test_bad_input_is_one_line(words: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bench", ["latency", "device=cpu", f"out={tmp_path / 'a.csv'}", *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_without_a_compiler_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("CXX", raising=False)
    words = ["models=nf_resnet20", "form=eager,compiled", "device=cpu", f"out={tmp_path / 'a.csv'}"]
    assert run("bench", ["latency", *words]) == 2
    error = capsys.readouterr().err
    assert "form=eager,compiled: torch.compile needs a C++ compiler" in error
    assert "write form=eager" in error
    assert error.count("\n") == 1
    monkeypatch.setenv("CXX", "elsewhere/c++ -O2")
    assert run("bench", ["latency", *words]) == 2
    assert "elsewhere/c++ -O2 is not there" in capsys.readouterr().err
