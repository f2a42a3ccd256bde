"""``probe=stress`` as a command: what it refuses, what it keeps, and that it goes on."""

import csv
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import command_line

from normfree.cli.probe import probe, read_probe
from normfree.config import UserError
from normfree.train import stress as trained

WORDS = ("probe=stress", "model=nf_resnet20", "clip=none,agc:eps=0.1", "image_size=7", "batch=50", "steps=6",
         "lr=0.1", "highest=0.4", "factor=2")  # fmt: skip


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("clip=agc,agc", "each once"),
        ("clip=agc:eps", "such as none,norm:max_norm=0.1"),
        ("factor=1", "is to rise by factor=1"),
        ("highest=0.01", "up to highest=0.01"),
        ("factor=1.001", "makes more than 200 stages"),
        ("lr=0", "give a number above 0"),
        ("seeds=1,1", "give each number once"),
        ("model.normalizer=groupnrm", "no normaliser groupnrm, did you mean 'groupnorm'"),
        ("model.normalizer=dyt,dyt", "give each normaliser once"),
        ("model.normalizer=all,dyt", "all are every one of them"),
        ("model.normalizer=a.RMS,b.RMS", "a.RMS: rows are named by RMS, which is another's name too; call yours"),
        ("model.normalizer=mine.groupnorm", "mine.groupnorm: rows are named by groupnorm, which is another's"),
    ],
)
def test_what_cannot_be_is_one_line(word: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_probe(["probe=stress", "model=resnet20", word])


def test_an_unknown_clipping_is_told_before_anything_is_trained(tmp_path: Path) -> None:
    answer = command_line("report.py", "probe=stress", "model=resnet20", "clip=agg", f"reports_dir={tmp_path}")
    assert answer.returncode == 2
    assert answer.stderr.startswith("error: clip=agg: no such option; did you mean agc?")


def test_what_had_ended_is_kept_and_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*WORDS, "seeds=0,1", f"reports_dir={tmp_path}"]
    seeds, before = list[str](), trained.stress

    def interrupted(resolved: Any, *others: Any) -> Any:
        seeds.append(f"{resolved.config.clip.name} {resolved.config.seed}")
        if len(seeds) == 3:
            raise KeyboardInterrupt
        return before(resolved, *others)

    monkeypatch.setattr(trained, "stress", interrupted)
    assert probe(words) == 130
    assert "trainings that had ended are kept" in capsys.readouterr().out
    assert probe(words) == 0
    assert seeds == ["none 0", "none 1", "agc 0", "agc 0", "agc 1"]
    assert "2 of 4 trainings are in" in capsys.readouterr().out
    (table,) = (tmp_path / "probes" / "stress").glob("*.csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["lr"] for row in rows[:3]] == ["0.1", "0.2", "0.4"]
    assert {(row["clip"], row["seed"]) for row in rows} == {
        (clip, seed) for clip in ("none", "agc:eps=0.1") for seed in "01"
    }
    assert table.with_suffix(".md").is_file()
    assert table.with_suffix(".svg").is_file()


def test_each_network_is_trained_with_each_normaliser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings = list[str]()

    def once(resolved: Any, *others: Any) -> Any:
        trainings.append(f"{resolved.config.model.name} {resolved.config.model.normalizer}")
        return [trained.Stage(number, 0.1 * 2**number, 1.0, True, "") for number in range(2)]

    monkeypatch.setattr(trained, "stress", once)
    words = ["probe=stress", "model=resnet20,nf_resnet20", "model.normalizer=batchnorm,dyt", "image_size=7", "seeds=0"]
    assert probe([*words, f"reports_dir={tmp_path}"]) == 0
    assert trainings == ["resnet20 batchnorm", "resnet20 dyt", "nf_resnet20 none"]
    (page,) = (tmp_path / "probes" / "stress").glob("*.md")
    assert "| resnet20_dyt | none (`none`) |" in page.read_text(encoding="utf-8")
    with pytest.raises(UserError, match=r"model\.normalizer=dyt: nf_resnet20 takes none; give a network that does"):
        probe(["probe=stress", "model=nf_resnet20", "model.normalizer=dyt", f"reports_dir={tmp_path}"])


def test_train_py_passes_a_probe_on(tmp_path: Path) -> None:
    words = [*WORDS, "seeds=0", f"reports_dir={tmp_path}"]
    answer = command_line("train.py", *words)
    assert answer.returncode == 0, answer.stderr
    assert len(list((tmp_path / "probes" / "stress").glob("*.md"))) == 1


OWN_NORMS = """\
from torch import nn

class Halved(nn.Identity):
    sees = "none"

    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x * {factor}
"""


def test_a_normaliser_of_ones_own_is_trained_anew_once_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trainings = list[str]()

    def once(resolved: Any, *others: Any) -> Any:
        trainings.append(resolved.config.model.normalizer)
        return [trained.Stage(number, 0.1 * 2**number, 1.0, True, "") for number in range(2)]

    monkeypatch.setattr(trained, "stress", once)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    words = ["probe=stress", "model=resnet20", "model.normalizer=groupnorm,probed_norms.Halved", "image_size=7"]
    words += ["seeds=0", "lr=0.1", "highest=0.4", "factor=2"]
    for factor, expected in ((0.5, ["groupnorm", "probed_norms.Halved"]), (0.5, []), (0.25, ["probed_norms.Halved"])):
        (tmp_path / "probed_norms.py").write_text(OWN_NORMS.format(factor=factor), encoding="utf-8")
        trainings.clear()
        assert probe(words) == 0
        assert trainings == expected
    assert "code of yours has changed since" in capsys.readouterr().out
    (table,) = (tmp_path / "reports" / "probes" / "stress").glob("*.csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert {row["model"] for row in rows} == {"resnet20_groupnorm", "resnet20_Halved"}
    assert [bool(row["code"]) for row in rows] == [False, False, True, True]
