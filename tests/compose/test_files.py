"""The user's own files beside normfree's, as Hydra sees them."""

from pathlib import Path

import pytest
from tests.conftest import ROOT, TINY, resolved

from normfree.compose.run import compose_run, composing
from normfree.config import UserError
from normfree.runs import run_id


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_a_run_is_the_same_wherever_its_configuration_lies(here: Path) -> None:
    expected = run_id(resolved(*TINY, "model=resnet20"))
    assert run_id(compose_run([*TINY, "model=resnet20"])) == expected
    write(here / "conf/model/mine.yaml", (ROOT / "conf/model/resnet20.yaml").read_text("utf-8"))
    assert run_id(compose_run([*TINY, "model=mine"])) == expected


def test_an_option_of_ones_own_is_one_among_normfrees(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(here / "conf/clip/gentle.yaml", "name: norm\nmax_norm: 0.3\n")
    write(here / "experiments/question.yaml", "# @package _global_\nsteps: 7\nexperiment: {name: question}\n")
    run = compose_run([*TINY[:-3], "optimizer.warmup_steps=2", "clip=gentle", "experiment=question"])
    assert (run.config.clip.max_norm, run.config.steps, run.config.experiment.name) == (0.3, 7, "question")
    with composing() as compose:
        compose(["clip=agc"])
    assert capfd.readouterr().err == ""


def test_a_file_that_takes_the_place_of_normfrees_is_told_once(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(here / "conf/clip/norm.yaml", "name: norm\nmax_norm: 0.25\n")
    for _ in range(2):
        assert compose_run([*TINY, "clip=norm"]).config.clip.max_norm == 0.25
    assert capfd.readouterr().err == "clip=norm: read from conf/clip/norm.yaml, in the place of normfree's own\n"


def test_one_that_is_the_same_is_not_told(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(here / "conf/clip/norm.yaml", (ROOT / "conf/clip/norm.yaml").read_text("utf-8"))
    compose_run([*TINY, "clip=norm"])
    assert capfd.readouterr().err == ""


def test_a_broken_file_of_ones_own_is_one_line(here: Path) -> None:
    write(here / "conf/clip/mine.yaml", "name: [norm\n")
    with pytest.raises(UserError, match=r"^clip=mine: .*conf/clip/mine.yaml cannot be read: line "):
        compose_run([*TINY, "clip=mine"])
