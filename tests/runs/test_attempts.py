"""What a run was started under, each time."""

import json
from pathlib import Path

from normfree.runs import RunDirectory
from normfree.runs.attempts import attempts_of, resumed_under_other

HERE = {"commit": "a" * 40, "code": "c" * 16, "torch": "2.13.0", "device": "a processor", "threads": 1, "ranks": 1}


def start(directory: RunDirectory, number: int, difference: str = "", **changed: object) -> None:
    directory.create()
    directory.write_start({}, [], {"attempts": number, "resumes": number > 1} | HERE | changed, difference)


def test_every_attempt_keeps_its_own(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    start(directory, 1, "a change", dirty=True)
    assert directory.difference.read_text(encoding="utf-8") == "a change"
    start(directory, 2, dirty=False)
    assert not directory.difference.exists(), "of the attempt before"
    assert (directory.path / "attempts/1/uncommitted.diff").read_text(encoding="utf-8") == "a change"
    assert not (directory.path / "attempts/2/uncommitted.diff").exists()
    assert [each["dirty"] for each in attempts_of(directory.path)] == [True, False]


def test_what_differs_is_said(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    start(directory, 1)
    start(directory, 2)
    assert resumed_under_other(attempts_of(directory.path)) == ""
    start(directory, 3, threads=2, torch="2.14.0")
    text = resumed_under_other(attempts_of(directory.path))
    assert text == "resumed under other torch (2.13.0, then 2.14.0), threads (1, then 2)"


def test_an_unknown_commit_is_another(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    start(directory, 1, commit=None)
    start(directory, 2, commit=None)
    assert resumed_under_other(attempts_of(directory.path)) == "resumed under other commit (unknown, then unknown)"


def test_what_began_anew_is_not_in_the_result(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    start(directory, 1, threads=2)
    start(directory, 2, resumes=False)
    start(directory, 3)
    assert resumed_under_other(attempts_of(directory.path)) == ""


def test_an_attempt_that_cannot_be_read_is_another(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    start(directory, 1)
    start(directory, 2)
    (directory.path / "attempts/1/environment.json").write_text(json.dumps(HERE), encoding="utf-8")
    changed = "environment.json: other bytes than were written, by checksums.sha256"
    assert attempts_of(directory.path)[0] == {"attempt": 1, "damaged": changed}
    assert "commit (unknown, then aaaaaaaaaaaa)" in resumed_under_other(attempts_of(directory.path))
