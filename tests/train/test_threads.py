"""Threads of a run: how many, and that they do not spin for each other where other processes have the cores."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from tests.conftest import TINY, command_line

from normfree.config import Resolved
from normfree.host.openmp import SPINS, wait_briefly
from normfree.train.threads import SMALL_STEP, computing_threads

CPU = torch.device("cpu")
LARGE = "data.train_size=28", "data.test_size=28"


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As torch would find them on a machine with three cores."""
    monkeypatch.delenv("OMP_NUM_THREADS")
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(
    ("options", "device", "expected"),
    [
        ((), CPU, 1),
        (LARGE, CPU, 3),
        ((*LARGE, "model=resnet20", "clip=none", "trainer.micro_batch=1"), CPU, 1),
        ((), torch.device("cuda"), 3),
        (("trainer.threads=2",), CPU, 2),
        ((*LARGE, "trainer.threads=1"), CPU, 1),
    ],
)
def test_small_steps_take_one_thread(
    tiny: Callable[..., Resolved],
    three_threads: None,
    options: tuple[str, ...],
    device: torch.device,
    expected: int,
) -> None:
    with computing_threads(tiny(*options), device) as threads:
        assert threads == torch.get_num_threads() == expected
    assert torch.get_num_threads() == 3


def test_what_the_environment_says_counts(
    tiny: Callable[..., Resolved], three_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    with computing_threads(tiny(), CPU) as threads:
        assert threads == 3


def test_the_default_run_is_not_small(tiny: Callable[..., Resolved]) -> None:
    from tests.conftest import resolved

    from normfree.train.parts.network import network_cost

    run = resolved()
    assert run.config.batch * network_cost(run).macs_train > 10 * SMALL_STEP


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({}, SPINS),
        ({"GOMP_SPINCOUNT": "7"}, "7"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, None),
    ],
)
def test_the_users_own_setting_stays(
    own: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    wait_briefly()
    assert os.environ.get("GOMP_SPINCOUNT") == expected


@pytest.mark.cli
@pytest.mark.parametrize(
    "options", [(), ("trainer=ddp_cpu", "trainer.devices=2"), ("-m", "seed=0,1")], ids=["run", "ranks", "sweep"]
)
def test_it_is_set_before_torch_loads_its_threads(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GNU OpenMP tells at its start what it was given."""
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        monkeypatch.delenv(name, raising=False)
    answer = command_line("train.py", *options, *TINY, f"runs_dir={tmp_path}", OMP_DISPLAY_ENV="VERBOSE")
    assert answer.returncode == 0, answer.stderr
    told = answer.stderr + "".join(log.read_text(errors="replace") for log in tmp_path.rglob("*.log"))
    assert set(re.findall(r"GOMP_SPINCOUNT = '(\d+)'", told)) == {SPINS}
