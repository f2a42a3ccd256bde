"""Runs whose data workers are killed without warning fail with a reason, and the same command goes on."""

import random
import re
import signal
import time
from pathlib import Path

import psutil
from tests.data.images import encoded
from tests.train.forking import Forking
from tests.train.killed import RUN, Record, alive, done, last_result, undisturbed, until, wait_for

KILLS = ("worker", "worker", "process", "worker", "worker", "worker")
"""After a kill of the process itself, its workers outlive it for a moment, and with them its lock."""

REASON = re.compile(
    r"a data worker (ended with SIGKILL|was killed); often the machine is out of memory: "
    r"run it again, with data\.workers=1 if so"
)


def digits_as_folder(folder: Path) -> Path:
    """Class folders of zeros and ones as PNG and JPEG files."""
    for split, place, count in (("train", "train", 160), ("test", "val", 20)):
        for form in ("PNG", "JPEG"):
            contents, labels = encoded(split, count // 2, form)
            for number, (content, label) in enumerate(zip(contents, labels, strict=True)):
                path = folder / place / f"class{label}" / f"{number}.{form.lower()}"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
    return folder


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """Its forks, which have its command line."""
    try:
        return [child for child in process.children() if child.cmdline() == process.cmdline()] if alive(process) else []
    except psutil.NoSuchProcess:
        return []


def test_killed_at_random_moments(tmp_path: Path) -> None:
    images = digits_as_folder(tmp_path / "images")
    loader = ("data.loader=workers", "data.workers=2", "data.test_size=7", "trainer.evaluate_every=6")
    run = (*RUN, "data=folder", f"data.root={images}", *loader)
    moments = random.Random(3)
    pending = list(KILLS)
    runs = 0
    with Forking() as fork:
        expected, seconds = undisturbed(fork, tmp_path / "undisturbed", *run)
        while pending:
            folder = tmp_path / str(runs)
            while not done(folder):
                process = fork.start(*run, f"runs_dir={folder}")
                victims: list[psutil.Process] = []
                if pending:
                    if moments.random() < 0.7:
                        wait_for(folder, "last.ckpt", process)
                    time.sleep(moments.uniform(0.0, 0.6 * seconds))
                    until(lambda child=process: bool(workers_of(child)) or not alive(child))  # type: ignore[misc]
                    victims = workers_of(process) if pending[0] == "worker" else [process]
                for victim in moments.sample(victims, 1) if victims and alive(process) else []:
                    victim.send_signal(signal.SIGKILL)
                code = fork.ended()
                assert code in ((0, -signal.SIGKILL) if victims == [process] else (0, 1)), fork.refusal
                if code == 1:
                    result = last_result(folder)
                    assert result is not None
                    assert result["status"] == "failed"
                    assert REASON.fullmatch(result["reason"]), result["reason"]
                if code != 0:
                    pending.pop(0)
            Record(folder).must_equal(expected)
            runs += 1
