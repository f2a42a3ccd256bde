"""What the README shows is run, and what stood there and stands on other pages too: commands, plan, example, links."""

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, TINY, command_line
from tests.data.images import digits_as_parquet

FIRST_HOUR = "docs/guide/first-hour.md"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
FIXTURES = ROOT / "tests" / "report" / "fixtures"
FEW = (*TINY, "steps=2", "optimizer.warmup_steps=1", "hydra.launcher.workers=1")
Check = Callable[[str, Path], None]


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(language: str, page: str = "README.md") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text(page), re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[str]:
    """The lines of its blocks, without what is a comment to the reader."""
    lines = [line for block in blocks("bash", page) for line in block.replace("\\\n", " ").splitlines()]
    return [" ".join(line.partition("  #")[0].split()) for line in lines if line]


def words_of(command: str) -> list[str]:
    """The script that a command of the installed package is, and its arguments."""
    program, name, *arguments = shlex.split(command)
    assert program == "normfree", command
    return [f"{name}.py", *arguments]


def targets(command: str) -> list[str]:
    """What make would run for it, on a clone without .venv."""
    answer = subprocess.run(
        ["make", "--dry-run", "--always-make", *command.split()[1:]],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    return answer.stdout.splitlines()


def steps(*expected: str) -> Check:
    """Checks that make runs these steps in this order after it has made .venv."""

    def check(command: str, place: Path) -> None:
        shown = targets(command)
        wanted = ["-m venv .venv", "--constraint constraints.txt", *expected]
        found = [next((i for i, line in enumerate(shown) if step in line), -1) for step in wanted]
        assert -1 not in found, (wanted, shown)
        assert found == sorted(found), (wanted, shown)

    return check


def activated(command: str, place: Path) -> None:
    """The folder is the one that make setup makes."""
    assert any("-m venv .venv" in line for line in targets("make setup"))


def train(*tiny: str, says: str) -> Check:
    """Runs the command with further overrides; it has to succeed and to say this."""

    def check(command: str, place: Path) -> None:
        script, *arguments = words_of(command)
        arguments = [word.replace("PATH", str(place / "images")) for word in arguments]
        answer = command_line(script, *arguments, *tiny, *([f"runs_dir={place / 'runs'}"] if tiny else []))
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr == ""
        assert says in answer.stdout

    return check


def plan(command: str, place: Path) -> None:
    """The table of the first hour names the lines that the plan has, and no others."""
    shown = command_line(*words_of(command))
    assert shown.returncode == 0, shown.stderr
    assert "71,489,284 parameters" in shown.stdout
    rows = text(FIRST_HOUR).split("| line | meaning |")[1].split("\n\n")[0].splitlines()[2:]
    named = {name for row in rows for name in row.split("|")[1].replace(",", " ").split()}
    assert named == {line.split()[0] for line in shown.stdout.splitlines()}


def folders(command: str, place: Path) -> None:
    """Trains on class folders of the numbers of images that the command names."""
    numbers = {key: int(re.search(rf"data\.{key}=(\d+)", command)[1]) for key in ("train_samples", "test_samples")}  # type: ignore[index]
    for split, count in (("train", numbers["train_samples"]), ("val", numbers["test_samples"])):
        for number in range(count):
            folder = place / "images" / split / f"class{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 50, 3), number, np.uint8)).save(folder / f"{number}.png")
    few = ("batch=10", "steps=2", "optimizer.warmup_steps=1", "data.workers=0")
    train(*few, says=f"on {numbers['test_samples']} images")(command, place)


def report(command: str, place: Path) -> None:
    """Runs it on the stored runs, under the name of their experiment."""
    script, *arguments = words_of(command)
    assert arguments == ["experiment=quickstart"]
    assert (ROOT / "experiments" / "quickstart.yaml").is_file()
    stored = (f"runs_dir={FIXTURES / 'sweeps'}", f"experiments_dir={FIXTURES / 'experiments'}")
    answer = command_line(script, "experiment=demo", *stored, f"reports_dir={place}")
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.splitlines()[-1] == str(place / "demo" / "report.html")
    for name in ("report.md", "figures/main.png", "figures/main.pdf", "figures/main.svg"):
        assert (place / "demo" / name).is_file()
    assert len(list((place / "demo").glob("*.csv"))) == 4


def drawn(command: str, place: Path) -> None:
    """Runs it on a sweep of a second, which has no experiment file."""
    swept = command_line("train.py", "-m", *FEW, "clip=none,agc", cwd=place)
    assert swept.returncode == 0, swept.stderr
    answer = command_line(*words_of(command), cwd=place)
    assert answer.returncode == 0, answer.stderr
    assert (place / answer.stdout.splitlines()[-1]).name == "report.html"
    assert (place / answer.stdout.splitlines()[-1]).is_file()


def signal(command: str, place: Path) -> None:
    """Runs it on the small networks."""
    script, probe, models = words_of(command)
    small = models.replace("resnet50", "resnet20")
    answer = command_line(script, probe, small, "image_size=16", "batch=4", f"reports_dir={place}")
    assert answer.returncode == 0, answer.stderr
    assert len(list(place.rglob("*.png"))) == 1


def cifar(command: str, place: Path) -> None:
    """Runs it on a few digits in CIFAR-10's format."""
    digits_as_parquet(place / "images")
    few = ("data.classes=2", "data.train_samples=20", "data.validation_samples=4", "data.test_samples=6", "batch=10")
    tiny = ("data.train_size=14", "augment.shift=1", "data.cache=off", "steps=2")
    train(*few, *tiny, says="test accuracy")(command, place)


def augment(command: str, place: Path) -> None:
    """Draws the sheet elsewhere."""
    answer = command_line(*words_of(command), f"reports_dir={place}")
    assert answer.returncode == 0, answer.stderr
    assert list(place.rglob("*.png"))


def bench(command: str, place: Path) -> None:
    """Runs it on one network, once, at few pixels."""
    few = ("models=nf_resnet50", "image_size=32", "batch=1", "infer_batch=1", "rounds=1", "layout=nhwc")
    answer = command_line(*words_of(command), *few, f"out={place / 'nets.csv'}")
    assert answer.returncode == 0, answer.stderr
    assert "timm nf_resnet50" in (place / "nets.csv").read_text(encoding="utf-8")


def after(*few: str, writes: str) -> Check:
    """Runs it on a run of a second."""

    def check(command: str, place: Path) -> None:
        trained = command_line("train.py", *TINY, f"runs_dir={place / 'runs'}")
        assert trained.returncode == 0, trained.stderr
        (run,) = (place / "runs" / "single").iterdir()
        script, *words = words_of(command)
        answer = command_line(script, *(word.replace("RUN", str(run)) for word in words), *few, cwd=place)
        assert (answer.returncode, answer.stderr) == (0, "")
        assert answer.stdout.splitlines()[-1] == writes.replace("RUN", run.name)
        assert (place / writes.replace("RUN", run.name)).is_file()

    return check


COMPARE = "docs/guide/compare-on-my-data.md"
READ: dict[str, Check] = {
    "make demo": steps("train.py -m experiment=quickstart", "report.py experiment=quickstart"),
    "make test": steps("-m pytest"),
    "source .venv/bin/activate": activated,
    "normfree train --help": train(says="python train.py model=nfnet_f0 clip=agc batch=4096 plan=true"),
    "normfree train model=nfnet_f0 clip=agc batch=4096 plan=true": plan,
    "normfree train -m clip=none,norm,agc seed=0,1,2": train(*FEW, says="9/9 runs done"),
    "normfree report experiment=single x=clip": drawn,
    "normfree evaluate run=RUN": after(writes="evaluations/RUN/index.html"),
}
"""The README's commands, which are all here."""
ELSEWHERE: dict[tuple[str, str], Check] = {
    (FIRST_HOUR, "source .venv/bin/activate"): activated,
    (FIRST_HOUR, "normfree train"): train(*TINY, says="test accuracy"),
    (FIRST_HOUR, "normfree train model=resnet20 clip=none"): train(*TINY, says="test accuracy"),
    ("docs/guide/wandb.md", "normfree train logger=wandb logger.mode=offline"): train(*TINY, says="test accuracy"),
    (
        COMPARE,
        "normfree train data=imagenet data.root=PATH data.classes=2 data.train_samples=40 data.test_samples=10 "
        "data.train_size=32 data.test_size=32 augment=crop_flip experiment.name=mine",
    ): folders,
    (COMPARE, "normfree train data=cifar10 data.root=PATH"): cifar,
    (COMPARE, "normfree train data=cifar10 data.root=PATH model=resnet20 clip=none steps=2000"): cifar,
    ("docs/guide/after-training.md", "normfree export run=RUN"): after("images=20", writes="exports/RUN.onnx"),
    (FIRST_HOUR, "normfree train -m experiment=quickstart"): train("plan=true", "seed=0", says="steps in all"),
    ("docs/guide/reading-a-report.md", "normfree report experiment=quickstart"): report,
    ("docs/guide/normalizers.md", "normfree report probe=signal model=resnet50,nf_resnet50"): signal,
    ("docs/benchmarks.md", "normfree bench nets"): bench,
    (
        "docs/guide/augmentation.md",
        "normfree report probe=augment augment=crop_flip,mixup,paper_f0",
    ): augment,
}
"""Commands that have to stand on a page, and do more than end well."""


def test_every_command_of_the_readme_is_checked_here() -> None:
    assert sorted(commands("README.md")) == sorted(READ)


@pytest.mark.cli
@pytest.mark.parametrize("command", READ)
def test_command(command: str, tmp_path: Path) -> None:
    READ[command](command, tmp_path)


@pytest.mark.cli
@pytest.mark.parametrize(("page", "command"), ELSEWHERE)
def test_command_of_a_page(page: str, command: str, tmp_path: Path) -> None:
    assert command in commands(page)
    ELSEWHERE[page, command](command, tmp_path)


def test_the_readme_is_short() -> None:
    assert len(text("README.md").splitlines()) <= 150


@pytest.mark.cli
def test_python_example(tmp_path: Path) -> None:
    (example,) = blocks("python")
    answer = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert re.match(r"\d+ of \d+ units clipped; networks: .*'nfnet_f0'", answer.stdout)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    broken = [link for link in links if "://" not in link and not (page.parent / link.split("#")[0]).exists()]
    assert broken == []
