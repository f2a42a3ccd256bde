"""A sweep whose runs start from those of another, seed by seed; what cannot is told before the first of them trains."""

import shutil
from pathlib import Path

from tests.conftest import TINY, command_line
from tests.runs_on_disk import results

FEW = ("-m", "clip=none", *TINY, "trainer=cpu", "hydra.launcher.workers=2")


def test_each_seed_goes_on_from_its_own_and_they_are_one_arm(tmp_path: Path) -> None:
    place = f"runs_dir={tmp_path}"
    first = command_line("train.py", *FEW, place, "experiment.name=pre", "seed=0,1", "steps=40")
    assert first.returncode == 0, first.stderr
    sources = {each["seed"]: each for each in results(tmp_path / "pre")}
    assert {each["status"] for each in sources.values()} == {"finished"}

    words = (*FEW, place, "model.weights=pre", "experiment.name=tuned")
    refused = command_line("train.py", *words, "model=nf_resnet20,resnet20", "seed=0,1")
    assert refused.returncode != 0
    assert "pre has runs of nf_resnet20, and none of model=resnet20" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "tuned").exists()

    unfit = command_line("train.py", *words, "seed=0,1", "model.width=[16,32,64],[8,16,32]")
    assert unfit.returncode != 0
    assert "model.width=[8, 16, 32]: the weights of pre are of a run of" in unfit.stderr
    assert not results(tmp_path / "tuned")

    second = command_line("train.py", *words, "seed=0,1", "model.freeze=[stem,0]")
    assert second.returncode == 0, second.stderr
    tuned = {each["seed"]: each for each in results(tmp_path / "tuned")}
    assert {seed: each["weights"]["run"] for seed, each in tuned.items()} == {
        seed: each["run_id"] for seed, each in sources.items()
    }
    assert len({each["weights"]["sha256"] for each in tuned.values()}) == 2
    assert len({each["arm_id"] for each in tuned.values()}) == 1

    shutil.rmtree(tmp_path / "pre")
    again = command_line("train.py", *words, "seed=0,1", "model.freeze=[stem,0]")
    assert again.returncode == 0, again.stderr
    assert "all 2 runs of tuned have their results" in again.stdout
    report = command_line("report.py", "experiment=tuned", place, f"reports_dir={tmp_path / 'reports'}", "x=lr")
    assert report.returncode == 0, report.stderr
    assert str(tmp_path) not in (tmp_path / "reports/tuned/report.md").read_text(encoding="utf-8").replace(
        f"runs_dir={tmp_path}", ""
    )
