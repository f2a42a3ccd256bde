"""Time limits and requests to stop on a real SLURM: a run goes back into the queue and on from the exact step."""

import csv
import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.conftest import command_line
from tests.slurm.test_launch import jobs, wait_until

from normfree.slurm.job import own_id, put_back, requeue
from normfree.slurm.queue import live_jobs

RUN = ("data.train_size=7", "batch=48", "optimizer.warmup_steps=2", "trainer.log_every=1", "trainer.accelerator=cpu",
       "clip=custom", "clip._target_=tests.slurm.slow_clipping.wait")  # fmt: skip


def start(folder: Path, *words: str, seconds_a_step: float) -> str:
    """Submit one run and return its job's id."""
    folder.mkdir()
    (folder / "seconds").write_text(str(seconds_a_step), encoding="ascii")
    setup = f'hydra.launcher.setup=["export SECONDS_A_STEP={folder}/seconds","export GLOO_SOCKET_IFNAME=lo"]'
    submit = ("-m", "hydra/launcher=slurm", "sweep.detach=true", setup, f"runs_dir={folder}")
    answer = command_line("train.py", *submit, *RUN, *words)
    assert answer.returncode == 0, answer.stderr
    (job,) = jobs(folder)
    return job


def uninterrupted(folder: Path, *words: str) -> dict[str, Any]:
    answer = command_line("train.py", *RUN, *words, f"runs_dir={folder}", timeout=200)
    assert answer.returncode == 0, answer.stderr
    return result(folder)


def result(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("single/*/result.json")
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def status(folder: Path) -> str:
    return result(folder)["status"] if list(folder.glob("single/*/result.json")) else ""


def rows(folder: Path) -> list[dict[str, str]]:
    (path,) = folder.glob("single/*/metrics.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {key: value for key, value in row.items() if key != "images_per_second"} for row in csv.DictReader(file)
        ]


def weights(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("single/*/checkpoints/final.ckpt")
    content: dict[str, Any] = torch.load(path, weights_only=True)["state_dict"]
    return content


def steps(folder: Path) -> int:
    return len(rows(folder)) if list(folder.glob("single/*/metrics.csv")) else 0


def goes_on(job: str, folder: Path, seconds: float) -> None:
    """Wait until a requeued job has gone on to its end, quickly now.

    SLURM lets it wait for two minutes, counted anew when the last of its old steps is gone (``COMPLETING`` until
    then): it is told to start for as long as it waits, but not in the second in which its old credential was revoked,
    which would revoke the new one with it.
    """
    (folder / "seconds").write_text("0", encoding="ascii")
    revoked: list[float] = []

    def ended() -> bool:
        found = (live_jobs() or {}).get(job)
        if found is not None and found.state == "PENDING":
            revoked.append(time.monotonic())
            if revoked[-1] - revoked[0] > 3:
                words = ("scontrol", "update", f"jobid={job}", "starttime=now")
                subprocess.run(words, check=False, capture_output=True)
        return status(folder) not in ("preempted", "")

    try:
        wait_until(ended, seconds)
    except AssertionError:
        pytest.fail(told(job, folder))


def told(job: str, folder: Path) -> str:
    """What SLURM and the run's logs say of a job that has not ended."""
    questions = (("scontrol", "show", "job", job), ("sinfo", "--long", "--Node"))
    answers = [subprocess.run(words, capture_output=True, text=True, check=False) for words in questions]
    logs = sorted(folder.glob("single/_slurm/*/logs/*.[oe]*"))
    controller = Path(os.environ["SLURM_CONF"]).parent / "log" / "slurmctld.log"
    texts = [answer.stdout + answer.stderr for answer in answers]
    texts += [f"{log.name}:\n{log.read_text(encoding='utf-8')[-3000:]}" for log in (*logs, controller)]
    return "\n".join(["the job has not gone on to its end", *texts])


@pytest.mark.cli
@pytest.mark.timeout(280)
def test_a_time_limit_costs_no_step(slurm: None, tmp_path: Path) -> None:
    words = ("steps=340", "lr=0.1")
    limit = ("hydra.launcher.timeout_min=1", "hydra.launcher.signal_delay_s=50")
    job = start(tmp_path / "cut", *words, *limit, seconds_a_step=0.1)
    expected = uninterrupted(tmp_path / "whole", *words)
    wait_until(lambda: status(tmp_path / "cut") == "preempted", seconds=70)
    stopped = result(tmp_path / "cut")
    assert "stopped by SIGUSR1" in stopped["reason"]
    assert 0 < stopped["steps_done"] < 340
    subprocess.run(["scontrol", "update", f"jobid={job}", "timelimit=10"], check=True)
    goes_on(job, tmp_path / "cut", seconds=150)
    found = result(tmp_path / "cut")
    assert found["attempts"] == 2
    assert found["status"] == expected["status"]
    assert found["metrics"] == expected["metrics"]
    assert rows(tmp_path / "cut") == rows(tmp_path / "whole")
    whole = weights(tmp_path / "whole")
    assert all(torch.equal(value, whole[name]) for name, value in weights(tmp_path / "cut").items())
    (log,) = (tmp_path / "cut").glob("single/_slurm/*/logs/*_log.out")
    assert "requeued for the 1. time of at most 20" in log.read_text(encoding="utf-8")


@pytest.mark.cli
@pytest.mark.timeout(280)
def test_two_nodes_of_two_tasks_stop_together_and_go_on(slurm: None, tmp_path: Path) -> None:
    words = ("steps=40", "precision=64-true", "lr=0.1")
    several = ("trainer=ddp_cpu", "trainer.nodes=2", "trainer.devices=2")
    job = start(tmp_path / "several", *words, *several, seconds_a_step=0.2)
    wait_until(lambda: steps(tmp_path / "several") >= 3, seconds=120)
    subprocess.run(["scancel", "--signal=USR1", job], check=True)
    wait_until(lambda: status(tmp_path / "several") == "preempted", seconds=30)
    goes_on(job, tmp_path / "several", seconds=150)
    expected = uninterrupted(tmp_path / "one", *words)
    found = result(tmp_path / "several")
    assert found["attempts"] == 2
    assert found["status"] == expected["status"], found
    assert (found["batch"]["nodes"], found["batch"]["devices"], found["batch"]["micro"]) == (2, 2, 12)
    assert [row["step"] for row in rows(tmp_path / "several")] == [row["step"] for row in rows(tmp_path / "one")]
    for key, value in expected["metrics"].items():
        assert found["metrics"][key] == pytest.approx(value, rel=1e-8), key


@pytest.mark.parametrize(
    ("restarts", "state", "ends", "asked"),
    [("0", "RUNNING", None, True), ("3", "RUNNING", 1, False), ("0", "CANCELLED", None, False)],
)
def test_a_job_goes_back_a_bounded_number_of_times(
    restarts: str, state: str, ends: int | None, asked: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "scontrol"
    script.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\necho JobState={state}\n', encoding="ascii")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_JOB_ID", "12")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "3")
    monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    monkeypatch.setattr("normfree.slurm.job.END_SECONDS", 0)
    assert own_id() == "12_3"
    if ends is None:
        requeue(3)
    else:
        with pytest.raises(SystemExit) as end:
            requeue(3)
        assert end.value.code == ends
    said = (tmp_path / "said").read_text(encoding="ascii") if (tmp_path / "said").exists() else ""
    assert ("requeue 12_3\n" in said) == asked


@pytest.mark.parametrize("silent", ["show", "requeue"])
def test_a_job_asks_again_while_the_controller_does_not_answer(
    silent: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "scontrol"
    count = f"echo $1 >> {tmp_path}/said; [ $1 = {silent} ] && [ $(grep -c {silent} {tmp_path}/said) -lt 3 ]"
    script.write_text(f"#!/bin/sh\n{count} && exit 1\necho JobState=RUNNING\n", encoding="ascii")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("normfree.slurm.job.time.sleep", lambda seconds: None)
    assert put_back("12")
    assert (tmp_path / "said").read_text(encoding="ascii").split().count(silent) == 3
    monkeypatch.setattr("normfree.slurm.job.ANSWER_SECONDS", -1)
    (tmp_path / "said").unlink()
    with pytest.raises(SystemExit) as end:
        put_back("12")
    assert end.value.code == 1
    assert "not requeued, start it again: scontrol requeue 12" in capsys.readouterr().err


def test_a_requeue_whose_answer_was_lost_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "scontrol"
    lost = f"[ $1 = requeue ] && touch {tmp_path}/asked && exit 1"
    script.write_text(
        f"#!/bin/sh\n{lost}\n[ -e {tmp_path}/asked ] && echo JobState=COMPLETING || echo JobState=RUNNING\n",
        encoding="ascii",
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("normfree.slurm.job.time.sleep", lambda seconds: None)
    assert put_back("12")
