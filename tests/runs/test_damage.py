"""A file of a run that cannot be read makes it damaged, and it can be set aside without losing anything."""

import os
from pathlib import Path

import pytest
from tests.runs.test_directory import recorded

from normfree.runs import Damaged, RunDirectory
from normfree.runs.attempts import attempts_of
from normfree.runs.checksums import damaged as damaged_files
from normfree.runs.damage import damage_of, repair, standing
from normfree.runs.reading import read_json
from normfree.sweep.state import held

METRICS = "step,train/loss,test/accuracy\n1,2.5,\n2,2.25,\n2,,0.5\n"


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    directory = RunDirectory(tmp_path / "experiment" / "run")
    directory.create()
    directory.write_start({"batch": 50}, ["batch=50"], {"attempts": 1}, "")
    directory.metrics.write_text(METRICS, encoding="utf-8")
    return directory


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("result.json", b"{}"),
        ("result.json", b'{"schema_version": 1}'),
        ("result.json", b"\xff\xfe\x00"),
        ("environment.json", b"[]"),
        ("environment.json", b'{"schema_version": 1, "attempts": "many"}'),
        ("metrics.csv", b"step,train/loss\n1,2.5\n\xff\xfe\x00\xff\n3,1\n"),
        ("metrics.csv", b"step,train/loss\n1,2.5\nx,1\n3,1\n"),
        ("metrics.csv", b"step,train/loss\n1,2.5\n2,1-e\n3,1\n"),
        ("metrics.csv", b"step,train/loss\n4,2.5\n2,1\n"),
        ("metrics.csv", b"what,ever\n4,2.5\n"),
        ("clip.csv", b"step,depth\n1,1\n"),
        ("config.yaml", b"\xff\xfe"),
        ("config.yaml", b"- 1\n"),
        ("overrides.yaml", b"a: [1"),
    ],
)
def test_what_cannot_be_read_is_told_and_set_aside(run: RunDirectory, name: str, content: bytes, ended: bool) -> None:
    if ended:
        run.write_result(recorded(run))
    assert damage_of(run) is None
    (run.path / name).write_bytes(content)
    damage = damage_of(run)
    assert damage is not None
    assert damage.path == run.path / name
    moved = repair(run, {"batch": 50}, ["batch=50"])
    assert run.path / f"{name}.damaged" in moved
    assert (run.path / f"{name}.damaged").read_bytes() == content
    assert damage_of(run) is None
    if name in ("metrics.csv", "clip.csv"):
        assert standing(run) is None, "it begins again"
    elif name != "result.json":
        assert (standing(run) is not None) == ended


def test_set_aside_twice_nothing_is_lost(run: RunDirectory) -> None:
    for content in ("{}", "[]"):
        run.result.write_text(content, encoding="utf-8")
        repair(run, {}, [])
    assert (run.path / "result.json.damaged").read_text(encoding="utf-8") == "{}"
    assert (run.path / "result.json.damaged.1").read_text(encoding="utf-8") == "[]"


@pytest.mark.parametrize("tail", [b"3,1.2", b"\0" * 50, b"3,\xff"])
def test_what_a_power_cut_leaves_at_the_end_is_no_damage(run: RunDirectory, tail: bytes) -> None:
    with run.metrics.open("ab") as file:
        file.write(tail)
    assert damage_of(run) is None
    run.write_result(recorded(run))
    damage = damage_of(run)
    assert damage is not None, "of a run that has ended every row must be there"
    assert damage.path == run.metrics


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1e999}', "too large"),
        ('{"a": NaN}', "NaN is no number"),
        ('{"a": -Infinity}', "no number"),
        ('{"a": 1, "a": 2}', "a stands twice"),
        (f'{{"a": {"9" * 400}}}', "too large"),
        (f'{{"a": {"9" * 5000}}}', "limit"),
        ('{"a": "\\ud800"}', "surrogates"),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", "nested too deeply"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
        (" " * (5 * 2**20) + "{}", "larger than 4 MB"),
        ("", "is empty"),
    ],
)
def test_json_that_no_run_writes(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Damaged, match=reason) as told:
        read_json(path)
    assert str(path) in str(told.value)
    assert len(str(told.value)) < 500 + len(str(path))


def test_what_a_killed_writer_left_is_removed_by_the_next_start(run: RunDirectory) -> None:
    (run.path / ".result.json.4711").write_text("{", encoding="utf-8")
    (run.path / ".notes").write_text("mine", encoding="utf-8")
    with run.locked():
        left = {path.name for path in run.path.iterdir() if path.name.startswith(".")}
    assert left == {".notes", ".reserve"}


@pytest.mark.parametrize(
    "name",
    ["checksums.sha256", "config.yaml", "environment.json", "lock", "overrides.yaml", "metrics.csv", "result.json"],
)
def test_no_reader_waits_for_a_pipe(run: RunDirectory, name: str) -> None:
    run.write_result(recorded(run))
    (run.path / name).unlink(missing_ok=True)
    os.mkfifo(run.path / name)
    damage_of(run)
    held(run)
    attempts_of(run.path)
    assert damaged_files(run.path) is not None
    if name == "result.json":
        with pytest.raises(Damaged, match="no regular file"):
            run.read_result()
