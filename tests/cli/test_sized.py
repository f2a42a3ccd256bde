"""``size=``: before Hydra reads a line, and as a whole with a plan and a report."""

import csv
import re
from pathlib import Path

import pytest
from tests.conftest import ROOT, TINY, command_line

from normfree.cli.sized import with_name, with_size
from normfree.config import UserError
from normfree.config.places import Places

PLACES = Places.of(ROOT / "conf")
EXPERIMENT = """\
# @package _global_
hydra: {mode: MULTIRUN}
experiment:
  name: study
  question: Which one trains?
  command: python train.py -m experiment=study
  grids: {small: {arms: [model=nf_resnet20 clip=none, model=resnet20 clip=none], seed: "0,1"}}
  sizes:
    large:
      set: [steps=9, lr=0.2]
      seed: 3
      cost: about nothing (an estimate)
      grids: {deep: {arms: [model=nf_resnet20 clip=none]}}
      panels: {deep: {kind: accuracy_over, title: Deep, x: lr, where: {grids: deep}}}
  series:
    nf: {label: NF, where: {model.normalizer: none}}
    bn: {label: BN, where: {model.normalizer: batchnorm}}
  panels: {small: {kind: accuracy_over, title: Small, x: lr, where: {grids: small}}}
  claims:
    better: {kind: higher_accuracy, claim: BN is better., a: bn, b: nf}
"""


def sized(*words: str) -> list[str]:
    return with_size(words, PLACES)


def test_the_words_of_a_size_stand_behind_the_experiment_and_before_what_is_typed() -> None:
    found = sized("-m", "experiment=clip_floor_cifar10", "size=gpu", "epochs=2", "data.root=here")
    assert found[:4] == ["-m", "experiment=clip_floor_cifar10", "experiment.name=clip_floor_cifar10-gpu",
                         "experiment.size=gpu"]  # fmt: skip
    assert "data.train_size=32" in found
    assert found[-2:] == ["epochs=2", "data.root=here"]
    assert [word for word in found if word.startswith("epochs=")] == ["epochs=2"], "what is typed outweighs it"


def test_the_usual_size_says_nothing() -> None:
    assert sized("experiment=quickstart", "size=cpu") == ["experiment=quickstart"]
    assert sized("model=resnet20") == ["model=resnet20"]


def test_commands_on_runs_take_the_name_of_the_size() -> None:
    assert with_name(["experiment=a", "size=gpu", "check=true"]) == ["experiment=a-gpu", "check=true"]
    assert with_name(["experiment=a", "size=cpu"]) == ["experiment=a"]
    assert with_name(["experiment=a", "size=page"]) == ["experiment=a", "size=page"], "of a figure"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["size=gpu"], "size=gpu: is the size of one experiment; add experiment=NAME"),
        (["experiment=quickstart,loaders", "size=gpu"], "is the size of one experiment"),
        (["experiment=quickstart", "size=gpu"], "size=gpu: quickstart has no such size"),
        (["experiment=clip_floor_cifar10", "size=huge"], "there are: cpu, gpu, paper"),
        (["experiment=quickstart", "size=cpu,gpu"], "give one size"),
        (["experiment=quickstart", "size=cpu", "size=gpu"], "size is given twice"),
    ],
)
def test_a_size_that_cannot_be_is_one_line(words: list[str], told: str) -> None:
    with pytest.raises(UserError, match=told):
        sized(*words)


@pytest.mark.parametrize("size", ["gpu", "paper"])
def test_a_size_is_planned_without_its_data_and_its_gpu(size: str) -> None:
    plan = command_line("train.py", "-m", "experiment=clip_floor_cifar10", f"size={size}", "plan=true")
    assert plan.returncode == 0, plan.stderr
    assert re.search(r"\d+ runs, 0 of them done, [\d,]+ optimizer steps in all", plan.stdout)
    assert re.search(r"compute: [\d.]+ \wFLOP in all\nimages: [\d,]+ in training", plan.stdout)
    assert re.search(rf"size={size}: about \d.*\(an estimate\).*; about .* of arithmetic", plan.stdout)


def test_the_usual_size_has_the_runs_of_the_committed_report() -> None:
    plan = command_line("train.py", "-m", "experiment=clip_floor_cifar10", "size=cpu", "plan=true")
    with (ROOT / "reports" / "clip_floor_cifar10" / "runs.csv").open() as file:
        reported = {row["run_id"] for row in csv.DictReader(file)}
    assert len(reported) > 20
    assert reported <= set(plan.stdout.splitlines())


def test_a_size_has_runs_and_a_report_of_its_own_and_leaves_out_what_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "study.yaml").write_text(EXPERIMENT)
    words = ("experiment=study", "size=large")
    swept = command_line("train.py", "-m", *words, *TINY[:2], "optimizer.warmup_steps=2", "trainer=cpu", cwd=tmp_path)
    assert "1 run: " in swept.stdout, swept.stderr
    (run,) = (tmp_path / "runs" / "study-large").glob("*/result.json")
    assert "lr0.2-s3" in run.parent.name
    report = command_line("report.py", *words, cwd=tmp_path)
    assert report.returncode == 0, report.stderr
    page = (tmp_path / "reports" / "study-large" / "report.md").read_text()
    assert (
        "Left out, as size=large has none of their runs: the claims better and the panels small and the series bn."
        in page
    )
    assert "experiment=study size=large" in page
    listed = command_line("runs.py", *words, "all=true", cwd=tmp_path)
    assert "lr0.2-s3" in listed.stdout
