"""Files of a run know when they have been changed, and are never taken for damaged while they are written."""

import errno
import os
import random
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from normfree.config import UserError
from normfree.host.files import write_text_atomic
from normfree.runs import RunDirectory
from normfree.runs import checksums as module
from normfree.runs.checksums import CHECKSUMS, Damaged, damaged, digest_of, read_text_verified, write_verified

FLIPS = 100


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    write_verified(tmp_path, {"one": "first file\n", "two": "second\n"})
    assert damaged(tmp_path) == []
    assert read_text_verified(tmp_path / "two") == "second\n"
    for bit in range(8 * len("second\n")):
        flip(tmp_path / "two", bit)
        with pytest.raises(Damaged, match=r"^two: other bytes than were written"):
            read_text_verified(tmp_path / "two")
        assert damaged(tmp_path) == ["two"]
        assert read_text_verified(tmp_path / "one") == "first file\n"
        flip(tmp_path / "two", bit)
    (tmp_path / "one").unlink()
    assert damaged(tmp_path) == ["one"]


def test_flipped_bits_of_the_checksums_change_nothing_that_is_read(tmp_path: Path) -> None:
    write_verified(tmp_path, {"one": "content\n"})
    for bit in range(8 * (tmp_path / CHECKSUMS).stat().st_size):
        flip(tmp_path / CHECKSUMS, bit)
        with suppress(Damaged):
            assert read_text_verified(tmp_path / "one") == "content\n"
        flip(tmp_path / CHECKSUMS, bit)


def test_sha256sum_reads_them(tmp_path: Path) -> None:
    for text in ("before\n", "after\n"):
        write_verified(tmp_path, {"one": text})
    (tmp_path / "rows").write_text("1,2\n", encoding="utf-8")
    write_verified(tmp_path, {}, {"rows": digest_of(tmp_path / "rows")})
    told = subprocess.run(["sha256sum", "--check", "--strict", CHECKSUMS], cwd=tmp_path, capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, "one: OK\nrows: OK\n"), told.stderr


def test_a_file_of_an_earlier_version_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("old", encoding="utf-8")
    assert read_text_verified(tmp_path / "one") == "old"
    write_verified(tmp_path, {"two": "new"})
    assert read_text_verified(tmp_path / "one") == "old"
    assert damaged(tmp_path) == []


@pytest.mark.parametrize("writes", range(4))
def test_a_writer_that_is_stopped_in_between_leaves_nothing_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    """After each of the files that replacing two takes: their checksums, one, the other, the checksums again."""
    write_verified(tmp_path, {"one": "1", "two": "2"})
    left = writes

    def stops(path: Path, text: str, durable: bool = True) -> None:
        nonlocal left
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        left -= 1
        write_text_atomic(path, text, durable)

    monkeypatch.setattr(module, "write_text_atomic", stops)
    with pytest.raises(OSError, match="No space"):
        write_verified(tmp_path, {"one": "11", "two": "22"})
    monkeypatch.undo()
    assert damaged(tmp_path) == []
    assert read_text_verified(tmp_path / "one") == ("1" if writes < 2 else "11")
    write_verified(tmp_path, {"one": "111"})
    assert damaged(tmp_path) == []
    assert read_text_verified(tmp_path / "one") == "111"


def test_what_was_damaged_before_is_not_taken_for_right_when_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_verified(tmp_path, {"one": "1"})
    flip(tmp_path / "one", 0)

    def only_checksums(path: Path, text: str, durable: bool = True) -> None:
        if path.name != CHECKSUMS:
            raise OSError(errno.EIO, "stopped")
        write_text_atomic(path, text, durable)

    monkeypatch.setattr(module, "write_text_atomic", only_checksums)
    with pytest.raises(OSError, match="stopped"):
        write_verified(tmp_path, {"one": "2"})
    assert damaged(tmp_path) == ["one"]


def test_readers_beside_a_writer_see_no_damage(tmp_path: Path) -> None:
    write_verified(tmp_path, {"one": "0"})
    ended = threading.Event()
    seen: list[BaseException] = []

    def read() -> None:
        while not ended.is_set():
            try:
                read_text_verified(tmp_path / "one")
            except BaseException as error:
                seen.append(error)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(300):
        write_verified(tmp_path, {"one": str(number)})
    ended.set()
    for reader in readers:
        reader.join()
    assert seen == []


def test_a_changed_result_is_no_result(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "experiment" / "run")
    directory.create()
    directory.write_start({"batch": 50}, ["batch=50"], {"attempts": 1}, "a difference")
    directory.metrics.write_text("step,train/loss\n1,2.5\n", encoding="utf-8")
    directory.write_result({"status": "finished", "metrics": {"test/accuracy": 0.5}})
    assert damaged(directory.path) == []
    sealed = {path.name for path in directory.path.iterdir() if path.is_file()} - {CHECKSUMS}
    assert sealed == {
        "config.yaml", "overrides.yaml", "environment.json", "uncommitted.diff", "metrics.csv", "result.json",
    }  # fmt: skip
    chosen = random.Random(0)
    for name in sorted(sealed):
        path = directory.path / name
        for _ in range(FLIPS):
            bit = chosen.randrange(8 * path.stat().st_size)
            flip(path, bit)
            assert damaged(directory.path) == [name]
            flip(path, bit)
    text = directory.result.read_text(encoding="utf-8")
    directory.result.write_text(text.replace("0.5", "0.6"), encoding="utf-8")
    with pytest.raises(UserError, match=r"result\.json: other bytes than were written.*; move the run away"):
        directory.read_result()


def test_rows_that_a_resumed_run_adds_are_no_damage(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "experiment" / "run")
    directory.create()
    for status in ("preempted", "finished"):
        directory.write_start({}, [], {"attempts": 1}, "")
        with directory.metrics.open("a", encoding="utf-8") as file:
            file.write("1,2.5\n")
            assert damaged(directory.path) == []
        directory.write_result({"status": status})
        assert damaged(directory.path) == []
    with directory.metrics.open("a", encoding="utf-8") as file:
        os.write(file.fileno(), b"2,1\n")
    assert damaged(directory.path) == ["metrics.csv"]
