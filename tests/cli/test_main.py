"""The door: ``normfree COMMAND``, and what all commands answer alike."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT, TINY

from normfree.cli.main import COMMANDS, main, run
from normfree.host import spoken

HEAVY = {"torch", "pytorch_lightning", "wandb", "matplotlib"}


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["normfree"])


def ended(words: list[str]) -> int:
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_without_a_command_all_are_told(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(words) == 0
    shown = capsys.readouterr().out
    assert all(f"normfree {name} " in shown for name in COMMANDS)


@pytest.mark.parametrize("words", [["--version"], *([name, "--version"] for name in COMMANDS)])
def test_the_version_is_this_packages(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(words) == 0
    assert capsys.readouterr().out.startswith("normfree 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_its_help_in_the_users_words(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert f"normfree {name} " in shown
    assert "python " not in shown


@pytest.mark.parametrize(("name", "told"), [("bench", "normfree bench SUITE key=value"), ("convert", "data.root")])
def test_a_command_that_needs_words_tells_them(name: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 0
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["trian"],
            "trian: no such command, did you mean 'train'?; there are: demo, train, runs, report, evaluate",
        ),
        (["model=resnet20"], "model=resnet20: give a command first, such as normfree train model=resnet20"),
        (["-m", "seed=0,1"], "-m: give a command first, such as normfree train -m"),
        (["help", "trian"], "trian: no such command, did you mean 'train'?"),
        (["train", "modle=resnet20"], "modle=resnet20: no such key; did you mean model?"),
        (["train", "--nonsense"], "--nonsense: no such flag; normfree train --help"),
        (["report", "probe=signl"], "probe=signl: no such probe, did you mean 'signal'?"),
        (["report", "experimnt=a"], "experimnt=a: no such key, did you mean 'experiment'?"),
        (["runs", "rety=failed"], "rety=failed: no such key, did you mean 'retry'?"),
        (["bench", "nts"], "nts: no such suite, did you mean 'nets'?"),
        (["evaluate", "run=x", "evaluate=tset"], "evaluate=tset: no such evaluator, did you mean 'test'?"),
        (["export", "run=x", "format=onx"], "format=onx: no such format, did you mean 'onnx'?"),
        (["convert", "data=mnist5k", "--out=x"], "--out=x: no such flag; write out=x, without dashes"),
    ],
)
def test_mistakes_are_one_line(words: list[str], line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(words) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {line}")
    assert error.count("\n") == 1


def test_a_script_is_told_as_the_user_calls_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("runs", ["--help"], str(ROOT / "runs.py")) == 0
    assert "python runs.py experiment=quickstart" in capsys.readouterr().out


def test_what_is_said_names_the_command_that_was_called() -> None:
    text = "python train.py -m x=1; python -m normfree.data.convert --help"
    assert spoken.spoken(text) == text
    spoken.say_installed()
    assert spoken.spoken(text) == "normfree train -m x=1; normfree convert --help"


@pytest.mark.cli
@pytest.mark.parametrize("words", [["--help"], ["trian"], *([name, "--help"] for name in COMMANDS)])
def test_help_and_typos_need_no_torch(words: list[str], tmp_path: Path) -> None:
    code = (
        f"import sys; sys.argv = ['normfree', *{words!r}]\nfrom normfree.cli.main import main\n"
        "try: main()\nexcept SystemExit: pass\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert not HEAVY & set(answer.stderr.split())


@pytest.mark.cli
def test_a_sweep_and_its_runs_in_an_empty_folder(tmp_path: Path) -> None:
    def normfree(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "normfree", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)

    swept = normfree("train", "-m", *TINY, "clip=none,agc")
    assert swept.returncode == 0, swept.stderr
    assert "2/2 runs done" in swept.stdout
    assert "normfree runs experiment=single all=true" in normfree("runs").stdout
    planned = normfree("train", "-m", "experiment=quickstart", "plan=true")
    assert planned.returncode == 0, planned.stderr
    assert any(line.startswith("87 runs, 0 of them done") for line in planned.stdout.splitlines())
    missing = normfree("report", "experiment=quickstart")
    assert missing.returncode == 2
    assert "normfree train -m experiment=quickstart" in missing.stderr
