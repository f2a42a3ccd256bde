"""A name stays where it is put."""

from pathlib import Path

import pytest
from tests.conftest import TINY, command_line, resolved

from normfree.config import UserError
from normfree.config.names import check_name
from normfree.study import load_experiment
from normfree.sweep.keys import read_runs

BAD = [
    "", " ", ".", "..", "../x", "/tmp/x", "a/b", "a\\b", "a/../b", ".hidden", "_slurm", "-m", "probes", "Benchmarks",
    "search", "sweep.json", "CON", "nul.txt", "a\nb", "a\tb", "a\x1b[2J", "a\u202eb", "a ", "a.", "n" * 256, "ü" * 128,
]  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_plain_name_is_refused_in_one_line(name: str) -> None:
    with pytest.raises(UserError, match="give a plain name") as error:
        check_name("experiment.name", name)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("name", ["single", "batch_sizes", "lr-0.1,b64", "café", "n" * 255, "a b", "sweep", "console"])
def test_plain_names_are_taken(name: str) -> None:
    check_name("experiment.name", name)


@pytest.mark.cli
@pytest.mark.parametrize(
    "words",
    [
        ("train.py", *TINY, "experiment.name='../../out'"),
        ("train.py", *TINY, "experiment.name='../../out'", "plan=true"),
        ("train.py", "-m", *TINY, "experiment.name='../../out'", "seed=0,1"),
        ("train.py", *TINY, "experiment.name=''"),
        ("train.py", *TINY, "runs_dir=''"),
        ("report.py", "experiment=../../out"),
        ("runs.py", "experiment=../../out"),
        ("runs.py", "experiment=/tmp"),
        ("runs.py", "experiment=single", "runs_dir="),
    ],
)
def test_every_command_refuses_it(words: tuple[str, ...], tmp_path: Path) -> None:
    here = () if any(word.startswith("runs_dir=") for word in words) else (f"runs_dir={tmp_path}/a/b",)
    answer = command_line(*words, *here)
    assert answer.returncode == 2, answer.stdout
    assert answer.stderr.count("\n") == 1
    assert answer.stderr.startswith("error: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("node", ["name: ../../out", "name: ''", "panels: {../../out: {kind: accuracy_over}}"])
def test_an_experiment_file_cannot_lead_out_either(node: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"experiment:\n  {node}\n", encoding="utf-8")
    with pytest.raises(UserError, match="give a plain name"):
        load_experiment("mine", tmp_path)


def test_a_directory_is_anywhere_but_somewhere() -> None:
    assert read_runs(["experiment=a", "runs_dir=/scratch/../runs"]).runs_dir == "/scratch/../runs"
    with pytest.raises(UserError, match="runs_dir="):
        resolved("runs_dir='a\tb'")


@pytest.mark.parametrize("seed", ["-1", "4294967296", "99999999999999999999", "1.5", "null"])
def test_a_seed_is_what_every_generator_takes(seed: str) -> None:
    answer = command_line("train.py", *TINY, f"seed={seed}", "plan=true")
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: seed={'None' if seed == 'null' else seed}: ") or "seed" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_the_largest_seed_is_taken() -> None:
    assert resolved("seed=4294967295").config.seed == 2**32 - 1
