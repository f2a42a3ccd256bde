"""A run goes on from a checkpoint only if it is whole, its own and supported by its rows; else it says what it does."""

import io
import os
import random
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.data.images import digits_as_parquet, encoded, write_parquet
from tests.runs_on_disk import lines_without_speed, weights
from tests.train.test_laws import StopAfter

from normfree.config import Resolved, UserError
from normfree.nets.weights.seal import write_sealed
from normfree.runs import RunDirectory
from normfree.runs.checksums import damaged
from normfree.train.run import run_one

OFTEN = ("trainer.checkpoint_minutes=0.00001", "trainer.log_every=1", "optimizer.ema_decay=0.9")
FLIPS = 3


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.fixture
def expected(tiny: Callable[..., Resolved], tmp_path: Path) -> tuple[Resolved, dict[str, Any]]:
    whole = tiny(*OFTEN, f"runs_dir={tmp_path / 'whole'}")
    return whole, run_one(whole, [])


@contextmanager
def telling(pattern: str) -> Iterator[None]:
    """One of the warnings is this one."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        yield
    assert any(re.search(pattern, str(warning.message)) for warning in told), [str(one.message) for one in told]


def stopped(tiny: Callable[..., Resolved], *overrides: str) -> tuple[Resolved, RunDirectory]:
    run = tiny(*OFTEN, *overrides)
    assert run_one(run, [], stop=StopAfter(5))["status"] == "preempted"
    return run, RunDirectory.of(run)


def must_equal(run: Resolved, result: dict[str, Any], expected: tuple[Resolved, dict[str, Any]]) -> None:
    assert result["metrics"] == expected[1]["metrics"]
    assert result["lost_rows"] == ""
    assert lines_without_speed(run) == lines_without_speed(expected[0])
    for name, value in weights(run).items():
        assert torch.equal(value, weights(expected[0])[name]), name
    assert damaged(RunDirectory.of(run).path) == []


def test_flipped_bits_of_a_checkpoint_send_it_to_the_one_before(
    tiny: Callable[..., Resolved], expected: tuple[Resolved, dict[str, Any]], tmp_path: Path
) -> None:
    chosen = random.Random(0)
    for number in range(FLIPS):
        run, directory = stopped(tiny, f"runs_dir={tmp_path / str(number)}")
        last = directory.checkpoints / "last.ckpt"
        flip(last, chosen.randrange(8 * last.stat().st_size))
        with telling(r"last\.ckpt cannot be read \(.*damaged.*\); trying an older one"):
            result = run_one(run, [])
        must_equal(run, result, expected)


def test_both_checkpoints_damaged_is_a_new_start(
    tiny: Callable[..., Resolved], expected: tuple[Resolved, dict[str, Any]]
) -> None:
    run, directory = stopped(tiny)
    for path in directory.checkpoint_candidates():
        flip(path, 8 * path.stat().st_size // 2)
    directory.metrics.write_bytes(b"\xff\xfe\0")
    with telling(r"previous\.ckpt cannot be read"):
        must_equal(run, run_one(run, []), expected)


def test_a_checkpoint_of_another_run_is_not_taken(
    tiny: Callable[..., Resolved], expected: tuple[Resolved, dict[str, Any]]
) -> None:
    _, other = stopped(tiny, "seed=7")
    run, directory = stopped(tiny)
    (directory.checkpoints / "last.ckpt").write_bytes((other.checkpoints / "last.ckpt").read_bytes())
    with telling(r"last\.ckpt is of another run \(run .*-s7-.*, this one has .*-s0-.*\)"):
        must_equal(run, run_one(run, []), expected)


def old_format(path: Path) -> None:
    """As versions before checksums wrote it."""
    content = torch.load(path, weights_only=True)
    for key in ("origin", "rows"):
        del content[key]
    torch.save(content, path)


def test_checkpoints_without_checksum_are_gone_on_from(
    tiny: Callable[..., Resolved], expected: tuple[Resolved, dict[str, Any]]
) -> None:
    run, directory = stopped(tiny)
    for path in directory.checkpoint_candidates():
        old_format(path)
    with directory.metrics.open("a", encoding="utf-8") as file:
        file.write("6,0.5\n\0\0\0")
    result = run_one(run, [])
    must_equal(run, result, expected)
    assert result["attempts"] == 2


def test_tensors_of_a_checkpoint_without_checksum_are_checked(
    tiny: Callable[..., Resolved], expected: tuple[Resolved, dict[str, Any]]
) -> None:
    run, directory = stopped(tiny)
    for path in directory.checkpoint_candidates():
        old_format(path)
    last = directory.checkpoints / "last.ckpt"
    weight = torch.load(last, weights_only=True)["state_dict"]["network.classifier.weight"]
    flip(last, 8 * last.read_bytes().index(weight.numpy().tobytes()) + 3)
    with telling(r"last\.ckpt cannot be read \(.*the checksum of its part .* is wrong\)"):
        must_equal(run, run_one(run, []), expected)


def without_row(path: Path, step: int) -> None:
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if not line.startswith(f"{step},")), encoding="utf-8")


@pytest.mark.parametrize("file", ["metrics.csv", "clip.csv"])
def test_rows_since_the_checkpoint_before_are_made_again(
    tiny: Callable[..., Resolved], expected: tuple[Resolved, dict[str, Any]], file: str
) -> None:
    """What a power cut took from the end of the file is after the checkpoint before."""
    run, directory = stopped(tiny)
    without_row(directory.path / file, 5)
    with telling(rf"last\.ckpt counts on rows that {file} no longer has; trying an older one"):
        must_equal(run, run_one(run, []), expected)


@pytest.mark.parametrize("damage", ["row", "bit", "gone", "bytes"])
def test_rows_that_no_checkpoint_can_do_without_are_said_to_be_lost(
    tiny: Callable[..., Resolved], expected: tuple[Resolved, dict[str, Any]], damage: str
) -> None:
    run, directory = stopped(tiny)
    path = directory.metrics
    if damage == "row":
        without_row(path, 2)
    elif damage == "bit":
        flip(path, 8 * path.read_text(encoding="utf-8").index("\n2,") + 40)
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"\xff\0garbage")
    left = path.read_bytes() if path.exists() else b""
    text = "metrics.csv: rows up to step 5 are " + ("lost" if damage == "gone" else "damaged; what is left")
    with telling(re.escape(text)):
        assert run_one(run, [], stop=StopAfter(2))["lost_rows"].startswith(text)
    result = run_one(run, [])
    assert result["lost_rows"].startswith(text)
    assert result["metrics"] == expected[1]["metrics"]
    wanted = lines_without_speed(expected[0])
    assert lines_without_speed(run) == [wanted[0], *wanted[6:]]
    if damage != "gone":
        assert (directory.path / "metrics.damaged.csv").read_bytes() == left
    assert damaged(directory.path) == []


def test_rows_are_on_the_disk_before_the_checkpoint_that_counts_on_them(
    tiny: Callable[..., Resolved], monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    run_one(tiny(*OFTEN, "steps=4"), [])
    order = [name for name in flushed if name in ("metrics.csv", "clip.csv", "new.ckpt")]
    assert order[:6] == ["metrics.csv", "clip.csv", "new.ckpt"] * 2


def test_a_run_does_not_go_on_with_other_images(tmp_path: Path, tiny: Callable[..., Resolved]) -> None:
    root = digits_as_parquet(tmp_path / "digits")
    keys = ("data=parquet", f"data.root={root}", "data.train_size=14", "augment=none", "batch=10")
    run, _ = stopped(tiny, *keys)
    write_parquet(root / "test-00000-of-00001.parquet", *encoded("validation", 6))
    with pytest.raises(UserError, match=r"last\.ckpt was trained on other images \(digest \w+, now \w+\); give these"):
        run_one(run, [])


def saved_by_an_earlier_version(checkpoint: Path) -> None:
    """Losses, random states and the best evaluation were those of one callback."""
    content = torch.load(checkpoint, map_location="cpu", weights_only=True)
    states = content["callbacks"]
    watch, random_states = states.pop("LossWatch"), states.pop("RandomStates")
    (own,) = random_states["ranks"]
    (correct,) = watch.pop("correct")
    states["Monitor"] = watch | own | {"correct": correct} | states.pop("BestWeights", {})
    archive = io.BytesIO()
    torch.save(content, archive)
    write_sealed(checkpoint, archive.getbuffer())


def test_a_checkpoint_of_an_earlier_version_goes_on_to_the_last_bit(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    options = ("trainer.evaluate_every=2", "trainer.log_every=3", "model.stochastic_depth_rate=0.3")
    whole = tiny(*options, *OFTEN[2:], f"runs_dir={tmp_path / 'whole'}")
    expected = whole, run_one(whole, [])
    run = tiny(*options, *OFTEN[2:])
    run_one(run, [], stop=StopAfter(5))
    saved_by_an_earlier_version(RunDirectory.of(run).checkpoints / "last.ckpt")
    torch.rand(7)
    must_equal(run, run_one(run, []), expected)
    assert expected[1]["metrics"]["best/step"] <= 8
