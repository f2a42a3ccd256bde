"""Several processes train one run: they compute what one would, stop together, and none outlives another."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import psutil
import pytest
import torch
from tests.conftest import ROOT, TINY, command_line
from tests.runs_on_disk import rows, weights
from tests.train.test_laws import StopAfter

from normfree.config import Resolved
from normfree.runs import RunDirectory
from normfree.train.ranks.rank import RANK
from normfree.train.run import run_one

RANKS = ("trainer=ddp_cpu", "batch=48")
EXACT = ("precision=64-true", "steps=4", "lr=0.1", "batch=48")


def furthest(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Largest difference of any parameter, relative to its largest value."""
    kept = [name for name in one if "running_" not in name and "num_batches_tracked" not in name]
    return max(float((one[name] - other[name]).abs().max() / other[name].abs().max().clamp_min(1e-30)) for name in kept)


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """Euclidean distance of all convolutions' and the classifier's weights, relative to their norm."""
    names = [name for name in one if name.endswith("weight") and one[name].ndim > 1]
    first, second = (torch.cat([state[name].flatten() for name in names]) for state in (one, other))
    return float((first - second).norm() / second.norm())


def ranks() -> list[psutil.Process]:
    """The ranks that this process has started."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended; an orphan of another test may still be listed
            found += [child] if "normfree.train.rank_main" in " ".join(child.cmdline()) else []
    return found


@pytest.mark.parametrize(
    "clip",
    [
        ("clip=agc",),
        ("clip=zclip", "clip.warmup_steps=2", "clip.z_threshold=0.5"),
        ("clip=adagc", "clip.warmup_steps=2"),
        ("clip=autoclip",),
        ("clip=per_tensor", "clip.max_norm=0.05"),
        ("optimizer=muon", "clip=none"),
    ],
    ids=lambda words: words[0].partition("=")[2],
)
def test_ranks_and_accumulation_equal_the_big_batch(
    tiny: Callable[..., Resolved], tmp_path: Path, clip: tuple[str, ...]
) -> None:
    whole = tiny(*EXACT, *clip, f"runs_dir={tmp_path / 'whole'}")
    parts = tiny(*EXACT, *clip, "trainer=ddp_cpu", "trainer.micro_batch=12", "trainer.evaluate_every=2")
    one, several = run_one(whole, []), run_one(parts, [])
    assert several["run_id"] == one["run_id"]
    assert several["batch"] == {
        "global": 48, "micro": 12, "accumulation": 2, "devices": 2, "nodes": 1, "norm_batch": None,
    }  # fmt: skip
    assert furthest(weights(parts), weights(whole)) < 1e-10
    for key in ("test/accuracy", "test/top5_accuracy", "validation/top5_accuracy"):
        assert several["metrics"][key] == one["metrics"][key]
    for key in ("train/final_loss", "test/loss", "validation/loss"):
        assert several["metrics"][key] == pytest.approx(one["metrics"][key], rel=1e-10)
    assert [row["step"] for row in rows(parts)] == ["2", "4", "4"]
    assert not ranks()


def test_batchnorm_of_ranks_is_that_of_micro_batches_and_not_of_the_batch(
    tiny: Callable[..., Resolved], tmp_path: Path
) -> None:
    network = ("model=resnet20", "clip=none")
    whole = tiny(*EXACT, *network, f"runs_dir={tmp_path / 'whole'}")
    accumulated = tiny(*EXACT, *network, "trainer.micro_batch=12", f"runs_dir={tmp_path / 'accumulated'}")
    parts = tiny(*EXACT, *network, "trainer=ddp_cpu", "trainer.micro_batch=12")
    norm_batches = [run_one(run, [])["batch"]["norm_batch"] for run in (whole, accumulated, parts)]
    assert norm_batches == [48, 12, 12]
    assert furthest(weights(parts), weights(accumulated)) < 1e-10
    running = [name for name in weights(parts) if "running_" in name]
    assert running
    for name in running:  # of 2 micro batches on 2 ranks, and of 4 on one
        torch.testing.assert_close(weights(parts)[name], weights(accumulated)[name], rtol=1e-10, atol=1e-12)
    difference = apart(weights(parts), weights(whole))
    print(f"BatchNorm, 2 ranks x 12 x 2 against 48: weights apart by {difference:.2g} of their norm after 4 steps")
    assert difference > 1e-3


def test_resuming_after_a_signal_changes_nothing(tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    # Stochastic depth draws other numbers on each rank, and a checkpoint must carry them.
    options = (*RANKS, "model.stochastic_depth_rate=0.3", "steps=16", "trainer.log_every=1")
    whole, run = tiny(*options, f"runs_dir={tmp_path / 'whole'}"), tiny(*options)
    expected = run_one(whole, [])
    stopped = run_one(run, [], progress=lambda row: os.kill(os.getpid(), signal.SIGTERM) if row["step"] == 3 else None)
    assert stopped["status"] == "preempted"
    assert 3 <= stopped["steps_done"] < 16
    assert f"stopped by SIGTERM after step {stopped['steps_done']};" in stopped["reason"]
    resumed = run_one(run, [])
    assert resumed["attempts"] == 2
    assert resumed["metrics"] == expected["metrics"]
    speed = "images_per_second"
    assert [row | {speed: ""} for row in rows(run)] == [row | {speed: ""} for row in rows(whole)]
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(run).items())


@pytest.mark.parametrize("ranks", [1, 2], ids=["accumulated", "two ranks"])
def test_a_run_goes_on_with_its_batch_cut_otherwise(ranks: int, tiny: Callable[..., Resolved], tmp_path: Path) -> None:
    common = ("batch=48", "precision=64-true", "lr=0.1", "trainer.log_every=7")
    whole = tiny(*common, f"runs_dir={tmp_path / 'whole'}")
    expected = run_one(whole, [])
    stopped = run_one(tiny(*common, "trainer.micro_batch=24"), [], stop=StopAfter(3))
    run = tiny(*common, "trainer.micro_batch=8", *(("trainer=ddp_cpu",) if ranks == 2 else ()))
    told = pytest.warns(UserWarning, match=r"resumed under other ranks \(1, then 2\)")
    with told if ranks == 2 else nullcontext():
        resumed = run_one(run, [])
    assert (stopped["run_id"], stopped["steps_done"]) == (resumed["run_id"], 3)
    assert (resumed["attempts"], resumed["batch"]["accumulation"]) == (2, 6 // ranks)
    assert furthest(weights(run), weights(whole)) < 1e-10
    assert [float(row["train/loss"] or 0) for row in rows(run)] == pytest.approx(
        [float(row["train/loss"] or 0) for row in rows(whole)], rel=1e-10
    )
    assert resumed["metrics"]["test/loss"] == pytest.approx(expected["metrics"]["test/loss"], rel=1e-10)


def test_a_killed_rank_ends_the_others_within_seconds(tiny: Callable[..., Resolved]) -> None:
    killed: list[float] = []

    def kill(row: dict[str, float]) -> None:
        if not killed:
            assert len(ranks()) == 2
            next(rank for rank in ranks() if rank.environ()[RANK] == "1").kill()
            killed.append(time.monotonic())

    run = tiny(*RANKS, "steps=3000")
    result = run_one(run, [], progress=kill)
    assert time.monotonic() - killed[0] < 10
    assert (result["status"], result["reason"]) == ("failed", "rank 1 ended with SIGKILL")
    assert json.loads(RunDirectory.of(run).result.read_text(encoding="utf-8")) == result
    assert not ranks()


def test_ranks_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    options = [*TINY, *RANKS, "steps=3000", f"runs_dir={tmp_path}"]
    main = subprocess.Popen([sys.executable, str(ROOT / "train.py"), *options], stdout=subprocess.PIPE, text=True)
    assert main.stdout is not None
    with main:
        while "step 2/" not in main.stdout.readline():
            assert main.poll() is None
        children = psutil.Process(main.pid).children()
        assert len(children) == 2
        main.kill()
        _, alive = psutil.wait_procs(children, timeout=5)
        assert not alive


def slurm_task(number: int, port: int, *options: str) -> subprocess.Popen[str]:
    """The command line as one of two tasks of a SLURM step."""
    variables = {
        "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "127.0.0.1",
        "SLURM_PROCID": str(number), "SLURM_LOCALID": str(number), "SLURM_NODEID": "0", "MASTER_PORT": str(port),
    }  # fmt: skip
    command = [sys.executable, str(ROOT / "train.py"), *TINY, *RANKS, *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env={**os.environ, **variables}, stdout=pipe, stderr=pipe, text=True)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def ended(tasks: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    told = [task.communicate(timeout=120) for task in tasks]
    return [(task.returncode, *texts) for task, texts in zip(tasks, told, strict=True)]


def test_tasks_of_slurm_are_ranks_and_the_first_alone_speaks(tmp_path: Path) -> None:
    port = free_port()
    first, second = ended([slurm_task(number, port, f"runs_dir={tmp_path}") for number in range(2)])
    assert first[0] == second[0] == 0, first[2] + second[2]
    assert "step 8/8" in first[1]
    assert second[1] == ""
    (result,) = tmp_path.rglob("result.json")
    assert json.loads(result.read_text(encoding="utf-8"))["batch"]["devices"] == 2


def test_ranks_with_different_configurations_stop_before_the_first_step(tmp_path: Path) -> None:
    """What Lightning's own launcher does under a sweep: one rank goes on to the next run, the other begins anew."""
    port = free_port()
    told = ended([slurm_task(number, port, f"lr=0.{number + 1}", f"runs_dir={tmp_path}") for number in range(2)])
    for code, _, error in told:
        assert code == 2
        line = "error: rank 1 of 2: another configuration than rank 0 (lr=0.2 and lr=0.1); start all ranks with"
        assert error.startswith(line), error
    assert not list(tmp_path.rglob("metrics.csv"))


def test_a_cell_whose_rank_breaks_leaves_the_next_as_it_is(tmp_path: Path) -> None:
    """Each run of a sweep is a process tree of its own, so that no rank can be a run ahead of another."""
    clip = ("clip=custom", "clip._target_=tests.train.own_clipping.breaks_on", "clip.arguments={rank:1},{rank:9}")
    sweep = ("-m", *TINY, *RANKS, *clip, "hydra.launcher.workers=1", f"runs_dir={tmp_path}")
    told = command_line("train.py", *sweep, PYTHONPATH=str(ROOT))
    assert told.returncode == 1, told.stderr
    found = [json.loads(path.read_text(encoding="utf-8")) for path in tmp_path.rglob("result.json")]
    broken, whole = sorted(found, key=lambda result: str(result["status"] != "failed"))
    place = "; tests/train/own_clipping.py, line "
    assert broken["reason"].startswith(f"rank 1: ArithmeticError: broken on purpose in rank 1{place}")
    assert broken["reason"].endswith(" (clip._target_=tests.train.own_clipping.breaks_on)")
    assert "in breaks_on" in broken["traceback"]
    assert whole["status"] in ("finished", "untrained"), "8 steps may teach it nothing"
    assert (whole["steps_done"], whole["batch"]["devices"]) == (8, 2)
