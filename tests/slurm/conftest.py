"""A SLURM for the tests of this folder: one for each test process, started with the first test that asks for it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.slurm.cluster import missing

from normfree.slurm.queue import live_jobs


@pytest.fixture
def slurm(cluster: None) -> Iterator[None]:
    """Two idle nodes of four CPUs in partition ``main``; partition ``held`` starts nothing. Empty at the end."""
    yield
    subprocess.run(["scancel", "--me"], check=True)
    subprocess.run(["scancel", "--me", "--signal=KILL"], check=False)
    deadline = time.monotonic() + 30
    while live_jobs() != {}:
        assert time.monotonic() < deadline, "jobs are left"
        time.sleep(0.2)


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    if reason := missing():
        pytest.skip(f"slurm: {reason}")
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("cluster.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, f"SLURM did not start: exit code {process.wait()}"
    patch = pytest.MonkeyPatch()
    patch.setenv("SLURM_CONF", json.loads(line)["SLURM_CONF"])
    patch.setenv("OMP_NUM_THREADS", "1")
    patch.setenv("PATH", f"{os.environ['PATH']}:/usr/sbin:/sbin")
    yield
    patch.undo()
    process.stdin.close()
    process.stdout.close()
    assert process.wait(timeout=60) == 0
