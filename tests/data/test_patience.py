"""Reading never hangs: a file that does not come is told with its name, and a request to stop is heard meanwhile."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import torch
from tests.conftest import ROOT, TINY
from tests.data.images import encoded
from torch import Tensor

from normfree.config import Resolved, UserError
from normfree.data import build_source
from normfree.data.cache import Pixels, cached
from normfree.data.patience import Reader, in_threads
from normfree.data.samples import FolderSamples
from normfree.data.shared_batches import SharedBatches
from normfree.runs import waiting
from normfree.runs.waiting import Stopped, Waiting, bounded
from normfree.train.run import run_one

LIMIT = 1.5
SOON = 30.0
"""A look, the end of the workers, and how busy the machine may be."""

IS_READ = "is_read"

LOADERS = {
    "workers": ("data.loader=workers", "data.workers=2", "data.test_size=7"),
    "here": ("data.loader=workers", "data.workers=0", "data.test_size=7"),
    "resident": ("data.loader=resident", "data.cache=off", "data.test_size=7"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    for split, place, count in (("train", "train", 120), ("test", "val", 20)):
        contents, labels = encoded(split, count, "PNG")
        for number, (content, label) in enumerate(zip(contents, labels, strict=True)):
            path = root / place / f"class{label}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return root


def options(folder: Path, loader: str) -> tuple[str, ...]:
    return ("data=folder", f"data.root={folder}", *LOADERS[loader], f"trainer.hang_minutes={2 * LIMIT / 60}")


@pytest.fixture
def dead_file(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A training image whose reading waits in the system for ever, once it has left a mark, `is_read`."""
    name = str(sorted((folder / "train").rglob("*.png"))[7])
    read = FolderSamples.read
    source, sink = os.pipe()

    def read_or_wait(self: FolderSamples, index: int) -> bytes:
        if self.where(index) != name:
            return read(self, index)
        (tmp_path / IS_READ).touch()
        return os.read(source, 1)

    monkeypatch.setattr(FolderSamples, "read", read_or_wait)
    yield name
    os.close(sink)
    os.close(source)


@pytest.mark.parametrize("loader", LOADERS)
def test_a_file_that_does_not_come_is_one_line(
    tiny: Callable[..., Resolved], folder: Path, dead_file: str, loader: str
) -> None:
    before, began = set(psutil.Process().children()), time.monotonic()
    with pytest.raises(UserError) as told:
        run_one(tiny(*options(folder, loader)), [])
    assert LIMIT < time.monotonic() - began < LIMIT + SOON
    assert str(told.value).startswith(f"{dead_file}: not read in ")
    assert "run the same command again (trainer.hang_minutes says how long" in str(told.value)
    assert "\n" not in str(told.value)
    _, alive = psutil.wait_procs(set(psutil.Process().children()) - before, timeout=5)
    assert not alive


@pytest.mark.parametrize("loader", LOADERS)
def test_a_request_to_stop_is_heard_while_waiting(
    tiny: Callable[..., Resolved],
    folder: Path,
    dead_file: str,
    loader: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "STOP_SECONDS", 1.0)
    asked: list[float] = []

    def ask_once_it_waits() -> None:
        while not (tmp_path / IS_READ).exists():
            time.sleep(0.05)
        time.sleep(3.0)  # the batches before it are trained
        asked.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=ask_once_it_waits, daemon=True).start()
    result = run_one(tiny(*options(folder, loader), "trainer.hang_minutes=10"), [])
    assert time.monotonic() - asked[0] < 1 + SOON
    assert result["status"] == "preempted"
    assert result["reason"] == (
        f"stopped by SIGTERM while waiting for {dead_file}; the same command goes on from the last checkpoint"
    )


def test_a_slow_file_is_waited_for(
    tiny: Callable[..., Resolved], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slower than a look, faster than the limit; many slow files are no slow file."""
    read = FolderSamples.read

    def slowly(self: FolderSamples, index: int) -> bytes:
        time.sleep(0.7 if index % 40 == 0 else 0)
        return read(self, index)

    monkeypatch.setattr(FolderSamples, "read", slowly)
    source = build_source(tiny(*options(folder, "workers"), "batch=10"), 10)
    with bounded(LIMIT, lambda: False):
        assert len(list(source.training_batches(0, 20))) == 20


@pytest.mark.parametrize("augment", ["none", "mixup"])
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_workers_give_the_batches_that_this_process_makes(
    tiny: Callable[..., Resolved], folder: Path, workers: int, augment: str
) -> None:
    """Through room for a few batches that is used again and again; what was read before does not change."""
    mixed = ("augment.mixup=0.2",) if augment == "mixup" else ()
    keys = (*options(folder, "workers"), "batch=10", *mixed)
    sources = [build_source(tiny(*keys, f"data.workers={count}"), 10) for count in (0, workers)]
    here, there = ([*source.training_batches(3, 30), *source.evaluation_batches("test", 7)] for source in sources)
    assert len(here) == len(there) == 27 + 3
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)
        assert one.labels.dtype == other.labels.dtype


def test_batches_need_no_room_in_dev_shm(folder: Path, tmp_path: Path) -> None:
    """On 300 KB of it, as containers have 64 MB, with batches of 400 KB."""
    mount = "mount -t tmpfs -o size=300k tmpfs /dev/shm"
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*inside, mount], capture_output=True, check=False).returncode:
        pytest.skip("no mount in a namespace of its own here")
    keys = [*TINY, *LOADERS["workers"], "data=folder", f"data.root={folder}", "data.train_size=28", "data.test_size=28"]
    keys += ["data.channels=3", "model.width=[8,8,8]", "steps=4", f"runs_dir={tmp_path}"]
    command = [sys.executable, str(ROOT / "train.py"), *keys]
    told = subprocess.run(
        [*inside, f'{mount} && exec "$@"', "sh", *command], capture_output=True, text=True, timeout=100, check=False
    )
    assert told.returncode == 0, told.stderr
    assert "test accuracy" in told.stdout


def test_threads_that_wait_for_ever_are_left_behind() -> None:
    never = threading.Event()
    began = time.monotonic()
    with bounded(LIMIT, lambda: False), pytest.raises(UserError, match=r"^number 5: not read in "):
        list(
            in_threads(2, [range(4), range(4, 8)], lambda n: never.wait() if n == 5 else None, lambda n: f"number {n}")
        )
    assert time.monotonic() - began < LIMIT + SOON
    reader = Reader()
    with bounded(LIMIT, lambda: False), pytest.raises(UserError, match=r"^it: not read in "):
        reader.read(never.wait, "it")
    never.set()


def test_errors_of_threads_are_raised_here() -> None:
    def fails(number: int) -> None:
        if number == 3:
            raise ArithmeticError("three")

    with pytest.raises(ArithmeticError, match="three"):
        list(in_threads(2, [range(2), range(2, 4)], fails, str))
    parts = [range(first, first + 3) for first in range(0, 60, 3)]
    assert [*in_threads(2, parts, lambda n: n * n, str)] == [[n * n for n in part] for part in parts]
    with pytest.raises(ArithmeticError, match="three"):
        Reader().read(lambda: fails(3), "it")
    assert Reader().read(lambda: 7, "it") == 7


def test_a_cache_that_another_process_fills_is_waited_for_and_a_request_to_stop_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "STOP_SECONDS", 0.3)
    made = Pixels(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.zeros(1, dtype=torch.bool))

    def make() -> Pixels:
        with bounded(LIMIT, lambda: True), pytest.raises(Stopped, match="another process, which decodes the same"):
            cached(tmp_path, "entry", lambda: made)
        return made

    assert torch.equal(cached(tmp_path, "entry", make).images, made.images)


def test_time_in_which_a_process_was_stopped_itself_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    wait = Waiting(str)
    with bounded(10.0, lambda: False):
        for _ in range(4):
            now[0] += 3600
            wait.look({0: 7, 1: int(now[0])})
        now[0] += 3
        wait.look({0: 7})
        now[0] += 3
        with pytest.raises(UserError, match=r"^7: not read in 1\d s, "):
            wait.look({0: 7})


def test_room_for_batches_of_any_form() -> None:
    room = SharedBatches(2, (3, 1, 2, 2), 5)
    cases: list[tuple[Tensor, Tensor]] = [
        (torch.randn(3, 1, 2, 2), torch.arange(3)),
        (torch.randn(2, 1, 2, 2), torch.rand(2, 5)),
        (torch.empty(0, 1, 2, 2), torch.empty(0, dtype=torch.int64)),
    ]
    for position, (images, labels) in enumerate(cases, 4):
        found = room.read(room.write(position, images, labels), False)
        assert torch.equal(found[0], images)
        assert torch.equal(found[1], labels)
