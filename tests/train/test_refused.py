"""A run that ends in a user's error records it, and what can be known before is refused before it has a directory."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from tests.conftest import TINY, command_line

from normfree.config import Resolved, UserError
from normfree.runs import Damaged, RunDirectory
from normfree.sweep.state import run_states
from normfree.train.run import run_one
from normfree.train.worker import train_task


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes of ten images; the middle of one is damaged, which shows when it is decoded."""
    for name, grey in (("dark", 0), ("light", 255)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(10):
            Image.new("L", (8, 8), grey).save(tmp_path / "images" / name / f"{number}.png")
    whole = (tmp_path / "images" / "dark" / "3.png").read_bytes()
    place = whole.index(b"IDAT") + 6
    (tmp_path / "images" / "dark" / "3.png").write_bytes(whole[:place] + b"\0\0\0" + whole[place + 3 :])
    return tmp_path / "images"


def folder_words(images: Path) -> tuple[str, ...]:
    return (
        "data=folder", f"data.root={images}", "data.train_size=8", "data.test_size=8", "data.channels=1",
        "data.mean=[0]", "data.std=[1]", "data.cache=none", "batch=4", "steps=2", "optimizer.warmup_steps=1",
    )  # fmt: skip


@pytest.mark.cli
def test_an_unreadable_image_is_told_by_every_command(images: Path, tmp_path: Path) -> None:
    words = (*folder_words(images), f"runs_dir={tmp_path / 'runs'}")
    answer = command_line("train.py", *words)
    assert answer.returncode == 2, answer.stdout
    assert "3.png: unreadable image" in answer.stderr
    (result,) = tmp_path.glob("runs/single/*/result.json")
    assert json.loads(result.read_text(encoding="utf-8"))["status"] == "failed"
    table = command_line("runs.py", "experiment=single", f"runs_dir={tmp_path / 'runs'}")
    assert "without a word" not in table.stdout
    assert "3.png: unreadable image" in table.stdout
    assert "retry=failed" in table.stdout
    (images / "dark" / "3.png").unlink()
    again = command_line("train.py", *words)
    assert again.returncode == 0, again.stderr


def test_the_reason_of_a_run_is_its_error(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny()

    def refuse(*_: object) -> None:
        raise UserError("data.root=here: no such thing")

    monkeypatch.setattr("normfree.train.run.fit", refuse)
    with pytest.raises(UserError, match="no such thing"):
        run_one(run, [])
    with pytest.raises(UserError, match="no such thing"):
        run_one(run, [])
    directory = RunDirectory.of(run)
    result = directory.read_result()
    assert result is not None
    assert (result["status"], result["reason"], result["attempts"]) == ("failed", "data.root=here: no such thing", 2)
    assert train_task(run, [], lambda row: None)["attempts"] == 3
    (state,) = run_states(directory.path.parent)
    assert (state.state, state.reason) == ("failed", "data.root=here: no such thing")


def test_what_is_damaged_is_not_written_over(tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch) -> None:
    run = tiny()

    def refuse(*_: object) -> None:
        raise Damaged(RunDirectory.of(run).metrics, "no text")

    monkeypatch.setattr("normfree.train.run.fit", refuse)
    with pytest.raises(Damaged):
        run_one(run, [])
    assert RunDirectory.of(run).read_result() is None
    assert train_task(run, [], lambda row: None)["status"] == "damaged"


@pytest.mark.cli
@pytest.mark.parametrize("mode", [("plan=true",), (), ("-m",), ("-m", "plan=true")])
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("data.train_size=8",), "data.train_size=8: mnist5k has sizes 7, 10, 14, 20, 28"),
        (("data.train_samples=100",), "data.train_samples=100: mnist5k has 3500; leave it out"),
    ],
)
def test_the_same_refusal_everywhere_and_no_directory(
    mode: tuple[str, ...], words: tuple[str, ...], line: str, tmp_path: Path
) -> None:
    answer = command_line("train.py", *mode, *TINY, *words, f"runs_dir={tmp_path}")
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: {line}")
    assert not list(tmp_path.iterdir())
