"""What can be known before anything is submitted is told before it, in one line."""

from pathlib import Path
from typing import Any

import pytest
from tests.conftest import TINY, command_line, resolved

from normfree.config import UserError
from normfree.slurm.settings import SlurmSettings


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"name": "bash"}, "hydra.launcher.name=bash: Lightning takes a job of this name for a shell"),
        ({"name": "interactive"}, "hydra.launcher.name=interactive: "),
        ({"timeout_min": 0}, "hydra.launcher.timeout_min=0: must be a whole number of at least 1"),
        ({"max_requeues": "many"}, "hydra.launcher.max_requeues=many: must be a whole number"),
        ({"partion": "gpu"}, "hydra.launcher.partion=gpu: no such key; did you mean hydra.launcher.partition?"),
        ({"setup": "module load cuda"}, "hydra.launcher.setup=module load cuda: give a list"),
        ({"timeout_min": 1, "signal_delay_s": 60}, "hydra.launcher.signal_delay_s=60: is not shorter than"),
    ],
)
def test_a_wrong_value_is_one_line(values: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as error:
        SlurmSettings.of(values)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"tasks_per_node": 4}, "hydra.launcher.tasks_per_node=4: trainer.devices=2"),
        ({"nodes": 2}, "hydra.launcher.nodes=2: trainer.nodes=1"),
        ({"gpus_per_node": 1}, "hydra.launcher.gpus_per_node=1: fewer than trainer.devices=2"),
    ],
)
def test_tasks_are_devices(values: dict[str, Any], line: str) -> None:
    trainer = resolved("trainer.devices=2").config.trainer
    SlurmSettings.of({"tasks_per_node": 2, "nodes": 1, "gpus_per_node": 2}).check(trainer)
    with pytest.raises(UserError) as error:
        SlurmSettings.of(values).check(trainer)
    assert str(error.value).startswith(line)


def test_gpus_follow_the_devices() -> None:
    assert SlurmSettings().gpus(resolved("trainer=gpu", "trainer.devices=2").config.trainer) == 2
    assert SlurmSettings().gpus(resolved("trainer=cpu", "trainer.devices=2").config.trainer) is None


@pytest.mark.cli
@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["hydra/launcher=slurm"], "hydra/launcher=slurm: no sbatch on this machine; run this on a login node"),
        (["sweep.detach=true"], "sweep.detach=true: a sweep here ends with its command; leave it out, or add hydra/"),
        (["trainer.nodes=2"], "trainer.nodes=2: this machine is one node; add hydra/launcher=slurm"),
    ],
)
def test_a_machine_without_slurm(words: list[str], line: str, tmp_path: Path) -> None:
    answer = command_line("train.py", "-m", *TINY, "seed=0,1", f"runs_dir={tmp_path}", *words, PATH="/nowhere")
    assert answer.returncode == 2
    assert answer.stderr.startswith(f"error: {line}")
    assert len(answer.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_a_plan_tells_the_jobs_and_what_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    settings = SlurmSettings.of({"timeout_min": 90, "array_parallelism": 8, "partition": "gpu"})
    jobs, lacking = settings.told(12)
    assert jobs == "SLURM: 12 jobs of at most 90 min each, 8 at a time, partition gpu"
    assert lacking.startswith("cannot be submitted as it is here: hydra/launcher=slurm: no sbatch on this machine")
    assert settings.told(1)[0] == "SLURM: 1 job of at most 90 min, partition gpu"
    assert settings.told(0) == []
