"""The benchmark of many runs at once: its rows, and what it refuses."""

import csv
from pathlib import Path

import pytest
import torch

from normfree.bench.many.apart import Processes
from normfree.bench.many.forms import FORMS, Form
from normfree.bench.many.job import Job, Recipe
from normfree.cli.main import run
from normfree.config import UserError

TINY = ["device=cpu", "k=1,2", "batch=2", "image_size=8", "rounds=2", "seconds=0.01", "compare_steps=2"]


@pytest.fixture(autouse=True)
def _threads() -> object:  # type: ignore[misc]
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_every_form_is_measured_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "together-cpu.csv"
    assert run("bench", ["together", *TINY, f"out={out}"]) == 0, capsys.readouterr().err
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    of_nf, of_bn = ["processes", "turns", "vmap", "grouped", "bmm"], ["processes", "turns", "vmap", "grouped"]
    assert [(row["model"], row["k"], row["form"]) for row in rows] == [
        (model, k, form)
        for model, forms in (("nf_resnet20", of_nf), ("resnet20", of_bn))
        for k in "12"
        for form in forms
    ]
    assert {row["clip"] for row in rows if row["model"] == "resnet20"} == {"none"}
    for row in rows:
        assert float(row["value"]) > 0
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
        assert not row["trouble"]
        assert float(row["over_processes"]) > 0
        assert (float(row["over_turns"]) == 1) == (row["form"] == "turns")
        if row["form"] != "processes":
            assert float(row["difference_fp64"]) < 1e-10
            assert (row["compare_runs"], row["compare_steps"]) == ("3", "2")
    assert "x processes" in capsys.readouterr().out
    assert run("bench", ["summary", f"folder={tmp_path}"]) == 0
    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "## Many small runs at once, CPU" in page
    assert "| nf_resnet20 | 8 | 2 | fp32 | nhwc | 2 | grouped |" in page


def test_after_the_limit_nothing_is_begun(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "together-cpu.csv"
    settings = [*TINY, "models=nf_resnet20", "forms=turns", "compare=", "limit=0", f"out={out}"]
    assert run("bench", ["together", *settings]) == 0
    assert "limit=0: nf_resnet20, fp32, nhwc, k=1 and later are left out" in capsys.readouterr().out
    assert not out.exists()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (["models=resnet21"], "models=resnet21: "),
        (["models=nfnet_f0"], "models=nfnet_f0: has no form of several runs; there are: nf_resnet20"),
        (["forms=grouped_graph"], "forms=grouped_graph: needs a GPU"),
        (["forms=gruoped"], "forms=gruoped: choose from"),
        (["models=resnet20", "forms=bmm"], "models=resnet20: forms=bmm has no BatchNorm"),
        (["k=0"], "k=0: give a whole number of at least 1"),
        (["seconds=0"], "seconds=0: give a number above 0"),
    ],
)
def test_bad_input_is_one_line(
    settings: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("bench", ["together", "device=cpu", *settings, f"out={tmp_path / 'x.csv'}"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_process_that_fails_is_told() -> None:
    with Processes(1) as processes, pytest.raises(UserError, match="forms=processes: a process failed: "):
        processes.build(Job("no_such_net", 8, 2, "fp32", "nchw", "cpu", (Recipe(0, 0.1, None),)))


def test_every_form_is_taken_apart() -> None:
    found = {name: Form.of(name) for name in FORMS}
    assert [name for name, form in found.items() if form.compiled] == [name for name in FORMS if "compiled" in name]
    assert not found["turns"].needs_gpu
    assert found["streams"].needs_gpu
    assert found["vmap_compiled_graph"].graph
    assert found["vmap_compiled_graph"].way == "vmap"
