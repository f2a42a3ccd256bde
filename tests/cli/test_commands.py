"""The command line from end to end, in processes of its own."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.conftest import ROOT, TINY, command_line
from tests.runs_on_disk import results

pytestmark = pytest.mark.cli
LONG = ("data.train_size=7", "batch=50", "steps=100000", "trainer.log_every=2")


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "train.py"), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def wait_for_training(folder: Path, runs: int = 1) -> None:
    for _ in range(600):
        started = [path for path in folder.rglob("metrics.csv") if len(path.read_text().splitlines()) > 2]
        if len(started) >= runs:
            return
        time.sleep(0.1)
    raise AssertionError("nothing was trained within a minute")


@pytest.mark.parametrize("clip", [("clip=none",), ("clip=norm", "clip.max_norm=0.5"), ("clip=agc",)])
def test_a_run_for_each_clip(tmp_path: Path, clip: tuple[str, ...]) -> None:
    arguments = (*TINY, *clip, f"runs_dir={tmp_path}")
    answer = command_line("train.py", *arguments)
    assert answer.returncode == 0, answer.stderr
    assert answer.stderr == ""
    assert re.search(r"step 8/8 .* 0:00 left", answer.stdout)
    place = Path(answer.stdout.splitlines()[-1].removeprefix("results: "))
    assert json.loads((place / "result.json").read_text(encoding="utf-8"))["clip"]["name"] == clip[0][5:]
    again = command_line("train.py", *arguments)
    assert again.returncode == 0
    assert again.stdout.splitlines() == answer.stdout.splitlines()[-2:]


def test_help_is_quick_and_shows_groups_options_and_examples() -> None:
    began = time.monotonic()
    answer = command_line("train.py", "--help", fresh=True)
    assert answer.returncode == 0
    assert time.monotonic() - began < 20, "imports torch?"
    for part in (
        "model: bn_nfnet_f0",
        "nf_resnet20",
        "clip: adagc, agc, autoclip, custom, none, norm, per_tensor, zclip",
        "loaders, nfnet_search, normalizer_cost, normalizers, private, quickstart",
        "small_recipe",
        "plan=true",
        "python train.py -m",
    ):
        assert part in answer.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["--cfg", "job", "--resolve"]])
def test_answers_need_no_torch(arguments: list[str]) -> None:
    code = (
        f"import sys, runpy; sys.argv = ['train.py', *{arguments!r}]\n"
        "try: runpy.run_path('train.py', run_name='__main__')\n"
        "finally: print(*sys.modules, file=sys.stderr)"
    )
    answer = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "pytorch_lightning", "wandb"} & set(answer.stderr.split())


def test_the_plan_of_f0() -> None:
    answer = command_line("train.py", "model=nfnet_f0", "clip=agc", "batch=4096", "plan=true")
    assert answer.returncode == 0, answer.stderr
    for part in (
        "71,489,284 parameters",
        "6.977 G at 192 px and 12.38 G at 256 px",
        "112,602 steps",
        "1.6 after 1,563.92 steps",
        "data.root is not set",
        "4096 = 1 node x 1 device x",
    ):
        assert part in answer.stdout


def test_the_plan_for_several_nodes() -> None:
    answer = command_line(
        "train.py",
        "model=nfnet_f0",
        "trainer.nodes=2",
        "trainer.devices=8",
        "trainer.micro_batch=64",
        "plan=true",
    )
    assert "4096 = 2 nodes x 8 devices x 64 samples x 4 accumulated" in answer.stdout


def test_f0_without_imagenet_ends_in_one_line() -> None:
    answer = command_line("train.py", "model=nfnet_f0", "clip=agc", "batch=4096")
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1
    for part in ("data.root is not set", "data.root=PATH", "mnist5k is embedded and works now"):
        assert part in answer.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_goes_on_where_it_stopped(tmp_path: Path, number: signal.Signals) -> None:
    process = start(*LONG, f"runs_dir={tmp_path}")
    wait_for_training(tmp_path)
    process.send_signal(number)
    output, errors = process.communicate(timeout=10)
    assert process.returncode == 130, errors
    assert f"stopped by {number.name}" in output
    (result,) = results(tmp_path)
    assert result["status"] == "preempted"
    again = start(*LONG, f"runs_dir={tmp_path}")
    try:
        first = next(line for line in again.stdout or [] if line.startswith("step"))
        step = int(first.split()[1].split("/")[0])
        assert step > int(str(result["steps_done"]))
    finally:
        again.kill()
        again.communicate()


def test_a_killed_run_can_be_started_again(tmp_path: Path) -> None:
    process = start(*LONG, f"runs_dir={tmp_path}")
    wait_for_training(tmp_path)
    process.kill()
    process.communicate()
    assert results(tmp_path) == []
    again = start(*LONG, f"runs_dir={tmp_path}")
    assert next(line for line in again.stdout or [] if line.startswith("step"))
    again.kill()
    again.communicate()


def test_a_second_process_on_the_same_run(tmp_path: Path) -> None:
    process = start(*LONG, f"runs_dir={tmp_path}")
    try:
        wait_for_training(tmp_path)
        second = command_line("train.py", *LONG, f"runs_dir={tmp_path}")
        assert second.returncode == 2
        assert f"process {process.pid} is training it now" in second.stderr
        assert len(second.stderr.splitlines()) == 1
    finally:
        process.kill()
        process.communicate()


def test_a_sweep_runs_what_is_missing_and_only_that(tmp_path: Path) -> None:
    sweep = ("-m", *TINY, f"runs_dir={tmp_path}", "clip=none,agc")
    first = command_line("train.py", *sweep, "seed=0")
    assert first.returncode == 0, first.stderr
    assert "2/2 runs done" in first.stdout
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    second = command_line("train.py", *sweep, "seed=0,1")
    assert "4 runs planned, 2 of them done" in second.stdout
    assert all(path.stat().st_mtime_ns == when for path, when in written.items())
    third = command_line("train.py", *sweep, "seed=0,1")
    assert "all 4 runs of single have their results" in third.stdout
    manifest = json.loads((tmp_path / "single" / "sweep.json").read_text(encoding="utf-8"))
    assert len(manifest["runs"]) == 4


def test_a_failing_cell_is_recorded_and_the_others_go_on(tmp_path: Path) -> None:
    arms = ("clip=custom", "clip._target_=tests.train.own_clipping.halve,tests.train.own_clipping.broken")
    answer = command_line("train.py", "-m", *TINY, f"runs_dir={tmp_path}", *arms)
    assert answer.returncode == 1
    assert "1 failed" in answer.stdout
    statuses = {str(result["status"]) for result in results(tmp_path)}
    assert "failed" in statuses
    assert statuses & {"finished", "untrained"}
    failed = next(result for result in results(tmp_path) if result["status"] == "failed")
    assert "OutOfMemoryError: mine" in str(failed["reason"])
    assert f"failed: {failed['run_id']}: OutOfMemoryError: mine; tests/train/own_clipping.py, line " in answer.stdout


def test_ctrl_c_in_a_sweep_leaves_no_process_and_resumable_runs(tmp_path: Path) -> None:
    sweep = ("-m", *LONG, f"runs_dir={tmp_path}", "seed=0,1,2", "hydra.launcher.workers=2")
    process = start(*sweep)
    wait_for_training(tmp_path, runs=2)
    children = psutil.Process(process.pid).children(recursive=True)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=15)
    assert time.monotonic() - began < 10
    assert process.returncode == 130
    assert "2 preempted, 1 planned" in output
    assert output.count(": interrupted (Ctrl-C) after step ") == 2
    assert "the same command goes on" in errors
    _, alive = psutil.wait_procs(children, timeout=10 - (time.monotonic() - began))
    assert not alive
    assert len(list(tmp_path.rglob("last.ckpt"))) == 2


def test_a_killed_sweep_takes_its_workers_with_it(tmp_path: Path) -> None:
    process = start("-m", *LONG, f"runs_dir={tmp_path}", "seed=0,1", "hydra.launcher.workers=2")
    wait_for_training(tmp_path, runs=2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive


def test_wandb_offline_records_the_run(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    answer = command_line(
        "train.py", *TINY, f"runs_dir={tmp_path}", "logger=wandb", "logger.mode=offline", WANDB_API_KEY=""
    )
    assert answer.returncode == 0, answer.stderr
    assert list(tmp_path.rglob("*.wandb"))
    assert len(next(tmp_path.rglob("wandb_id")).read_text(encoding="utf-8")) == 8


def test_wandb_without_a_key_costs_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    answer = command_line(
        "train.py",
        *TINY,
        f"runs_dir={tmp_path}",
        "logger=wandb",
        WANDB_API_KEY="",
        HOME=str(tmp_path),
        NETRC="/dev/null",
    )
    assert answer.returncode == 0, answer.stderr
    assert "W&B is not available (no API key); the run goes on with metrics.csv alone" in answer.stderr
    assert [result["status"] for result in results(tmp_path)] != ["failed"]


@pytest.mark.parametrize("mode", [(), ("-m", "seed=0,1", "hydra.launcher.workers=1")])
def test_a_full_disk_ends_in_a_run_that_can_go_on(tmp_path: Path, mode: tuple[str, ...]) -> None:
    """On a real file system of 700 kB, which a checkpoint does not fit into."""
    mount = f"mount -t tmpfs -o size=700k tmpfs {tmp_path}"
    inside = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*inside, mount], capture_output=True, check=False).returncode:
        pytest.skip("no mount in a namespace of its own here")
    train = f"{sys.executable} {ROOT / 'train.py'} {' '.join([*mode, *LONG])} runs_dir={tmp_path}"
    script = f"{mount} && {train} trainer.checkpoint_minutes=0.001; echo exit code $?; cat {tmp_path}/*/*/result.json"
    answer = subprocess.run([*inside, script], capture_output=True, text=True, timeout=120, cwd=ROOT, check=False)
    assert "exit code 1" in answer.stdout, answer.stderr
    assert "disk full under" in answer.stdout
    assert "2 preempted" in answer.stdout or not mode
    assert "make room and run the same command again" in answer.stdout
    assert '"status": "preempted"' in answer.stdout
    assert "Traceback" not in answer.stderr


def test_a_torchvision_of_another_build_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "torchvision" / "__init__.py"
    broken.parent.mkdir()
    broken.write_text("raise RuntimeError('operator torchvision::nms does not exist')", encoding="utf-8")
    answer = command_line("train.py", *TINY, f"runs_dir={tmp_path / 'runs'}", PYTHONPATH=str(tmp_path))
    assert answer.returncode == 2
    assert len(answer.stderr.splitlines()) == 1, answer.stderr
    assert "torchvision: was built for another build of torch" in answer.stderr
    assert "make setup" in answer.stderr
    sweep = command_line("train.py", "-m", *TINY, f"runs_dir={tmp_path / 'runs'}", PYTHONPATH=str(tmp_path))
    assert sweep.returncode == 1
    assert "operator torchvision::nms does not exist" in sweep.stdout


def test_a_part_that_lies_where_the_command_is_run_is_found(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests/train/own_modules.py", tmp_path / "mine_alone.py")
    words = ("model=custom", "model._target_=mine_alone.PlainCNN", *TINY, "plan=true")
    answer = command_line("train.py", *words, cwd=tmp_path)
    assert answer.returncode == 0, answer.stderr
    assert "PlainCNN" in answer.stdout


def test_a_run_that_diverged_says_what_may_be_done(tmp_path: Path) -> None:
    words = (*TINY, "model=resnet20", "clip=none", "lr=1e6", "steps=30", f"runs_dir={tmp_path}")
    answer = command_line("train.py", *words)
    assert answer.returncode == 0, answer.stderr
    assert "\ndiverged (" in answer.stdout
    assert answer.stdout.splitlines()[-1] == (
        "a lower lr, or clipping, may train; step by step: trainer.log_every=1 again=true; "
        "the highest rate that trains, on digits: python report.py probe=stress model=resnet20"
    )
