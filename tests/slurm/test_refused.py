"""What a login node can know of runs is told before they are submitted; what it lacks is no reason to refuse them.

SLURM's commands are scripts that keep what they were called with.
"""

from pathlib import Path

import pytest
from tests.conftest import TINY, command_line

from normfree.sweep.state import run_states

pytestmark = pytest.mark.cli

OWN = "tests.train.own_modules"
SCRIPT = '#!/bin/sh\necho "$(basename "$0")" >> "{called}"\n'


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, says in (("sbatch", "Submitted batch job 7"), ("srun", ""), ("squeue", ""), ("sinfo", "main")):
        (commands / name).write_text(SCRIPT.format(called=tmp_path / "called") + f'echo "{says}"\n', encoding="utf-8")
        (commands / name).chmod(0o755)
    return {"PATH": f"{commands}:/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": ""}


def submit(folder: Path, cluster: dict[str, str], *words: str) -> tuple[int, str, str]:
    launcher = ("hydra/launcher=slurm", "sweep.detach=true", f"runs_dir={folder / 'runs'}")
    answer = command_line("train.py", "-m", *TINY, "seed=0,1", *launcher, *words, **cluster)
    return answer.returncode, answer.stdout, answer.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("trainer=gpu", "model.name=nf_resnet20,foo"), "model.name=foo: unknown model 'foo'"),
        (("trainer=cpu", "precision=16-mixed"), "precision=16-mixed: needs a GPU; use precision=32-true or bf16-mixed"),
        (("model=custom", f"model._target_={OWN}.Maps", "clip=none"), f"model._target_={OWN}.Maps: gives a tensor"),
    ],
)
def test_what_is_wrong_anywhere_is_not_submitted(
    words: tuple[str, ...], line: str, tmp_path: Path, cluster: dict[str, str]
) -> None:
    code, said, error = submit(tmp_path, cluster, *words)
    assert (code, said) == (2, "")
    assert error.startswith(f"error: {line}")
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()
    assert "sbatch" not in (tmp_path / "called").read_text(encoding="utf-8")


def test_gpus_are_where_the_jobs_run(tmp_path: Path, cluster: dict[str, str]) -> None:
    code, said, error = submit(tmp_path, cluster, "trainer=gpu")
    assert code == 0, error
    assert said.startswith("submitted job 7: 2 runs")
    assert (tmp_path / "called").read_text(encoding="utf-8").count("sbatch") == 1
    code, said, error = submit(tmp_path / "other", cluster, "trainer=gpu", "plan=true")
    assert (code, error) == (0, "")
    assert "time: not measured: the jobs run elsewhere" in said
    assert said.endswith("SLURM: 2 jobs of at most 60 min each, 2 at a time\n")
    assert "warning" not in said


def replaced(cluster: dict[str, str], name: str, script: str) -> None:
    (Path(cluster["PATH"].partition(":")[0]) / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")


SILENT = "{0}: error: fetch_config: DNS SRV lookup failed\n{0}: error: _establish_config_source: failed to fetch config"


def test_where_no_slurm_answers_nothing_is_planned(tmp_path: Path, cluster: dict[str, str]) -> None:
    replaced(cluster, "sinfo", f"printf '{SILENT.format('sinfo')}\n' >&2; exit 1")
    code, _, errors = submit(tmp_path, cluster)
    assert code == 2
    assert errors.splitlines() == [
        "error: hydra/launcher=slurm: no SLURM answers here, is SLURM_CONF right? "
        "(sinfo: error: _establish_config_source: failed to fetch config)"
    ]
    assert not list((tmp_path / "runs").glob("*/sweep.json"))


@pytest.mark.parametrize(
    ("says", "told"),
    [
        (
            SILENT.format("sbatch"),
            "no SLURM answers here, is SLURM_CONF right? (sbatch: error: _establish_config_source",
        ),
        ("sbatch: error: Invalid account", "sbatch refuses: Invalid account"),
    ],
)
def test_what_was_refused_is_never_submitted(says: str, told: str, tmp_path: Path, cluster: dict[str, str]) -> None:
    replaced(cluster, "sbatch", f"printf '{says}\n' >&2; exit 1")
    code, _, errors = submit(tmp_path, cluster)
    assert code == 2
    assert f"error: hydra/launcher=slurm: {told}" in errors
    assert ("hydra.launcher.*" in errors) == ("refuses" in told)
    (folder,) = (tmp_path / "runs").iterdir()
    states = run_states(folder)
    assert [one.state for one in states] == ["planned", "planned"]
    assert all(one.reason.startswith(f"never submitted: {told}") for one in states)
