"""What breaks in a user's own part while it trains, and networks that work in place."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.conftest import ROOT, TINY, command_line

from normfree.config import Resolved, UserError
from normfree.runs import RunDirectory
from normfree.train.run import run_one

OWN = "tests.train.own_faults"
FILE = "tests/train/own_faults.py"
Tiny = Callable[..., Resolved]


def network(name: str) -> tuple[str, ...]:
    return ("model=custom", f"model._target_={OWN}.{name}", "clip=none")


@pytest.mark.parametrize(
    ("words", "told", "line"),
    [
        (("clip=custom", f"clip._target_={OWN}.dividing"), "ZeroDivisionError: division by zero", "return 1 / parts"),
        (("clip=custom", f"clip._target_={OWN}.leaving"), "RuntimeError: called exit()", "    sys.exit()\n"),
        (network("Leaving"), "RuntimeError: called exit(3)", "sys.exit(3)"),
        (
            ("clip=none", "optimizer=custom", f"optimizer._target_={OWN}.Breaking"),
            "ValueError: no second step", "raise ValueError",
        ),
    ],
    ids=["clipper", "clipper that leaves", "network that leaves", "optimizer"],
)  # fmt: skip
def test_the_run_failed_at_a_line_of_the_users(words: tuple[str, ...], told: str, line: str, tiny: Tiny) -> None:
    run = tiny(*words)
    result = run_one(run, [])
    place = next(
        number for number, text in enumerate((ROOT / FILE).read_text().splitlines(keepends=True), 1) if line in text
    )
    part = next(word for word in words if "_target_" in word)
    assert (result["status"], result["reason"]) == ("failed", f"{told}; {FILE}, line {place} ({part})")
    kept = RunDirectory.of(run).path / "attempts" / "1" / "traceback.txt"
    assert kept.read_text(encoding="utf-8") == result["traceback"]
    assert f'own_faults.py", line {place}' in str(result["traceback"])


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("LeavingInTraining", r"cannot train on images of data.train_size=7 \(called exit\(\)\); traceback in "),
        ("LeavingAtOnce", r"called exit\('no such card'\); traceback in "),
    ],
)
def test_one_that_leaves_before_it_trains_is_refused(name: str, told: str, tiny: Tiny, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"model._target_={OWN}.{name}: {told}"):
        run_one(tiny(*network(name)), [])
    assert not list(tmp_path.rglob("environment.json"))


def test_an_exit_that_is_not_the_users_ends_the_process(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("normfree.train.module.Classifier.training_step", lambda *_: sys.exit(5))
    with pytest.raises(SystemExit):
        run_one(tiny(), [])


@pytest.mark.parametrize("options", [(), ("optimizer.sam_rho=0.05", "optimizer.ema_decay=0.5")], ids=["plain", "sam"])
def test_a_network_that_changes_its_images_changes_them_for_itself_alone(options: tuple[str, ...], tiny: Tiny) -> None:
    runs = [tiny(*network(name), *options) for name in ("Doubled", "DoubledInPlace")]
    results = [run_one(run, []) for run in runs]
    rows = [RunDirectory.of(run).metrics.read_text(encoding="utf-8").splitlines() for run in runs]
    names = rows[0][0].split(",")
    kept = [place for place, name in enumerate(names) if "second" not in name]
    one, other = ([[row.split(",")[place] for place in kept] for row in each] for each in rows)
    assert one == other
    for key in ("metrics", "batch_dependence", "status"):
        assert results[0][key] == results[1][key], key  # type: ignore[literal-required]


@pytest.mark.cli
def test_a_command_tells_it_in_one_line(tmp_path: Path) -> None:
    words = (*TINY, "trainer=cpu", *network("Leaving"), f"runs_dir={tmp_path}")
    answer = command_line("train.py", *words, PYTHONPATH=str(ROOT))
    (error,) = answer.stderr.splitlines()
    assert answer.returncode == 1
    assert error.startswith(f"error: RuntimeError: called exit(3); {FILE}, line ")
    assert f" (model._target_={OWN}.Leaving); traceback in " in error
    assert "called exit(3)" in Path(error.rpartition("; traceback in ")[2]).read_text(encoding="utf-8")
