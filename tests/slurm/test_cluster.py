"""The SLURM that the other tests use is a real one and leaves nothing behind."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from tests.slurm.cluster import missing


def ask(*command: str, **variables: str) -> str:
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **variables})
    return answer.stdout


def test_two_nodes_run_a_job(slurm: None) -> None:
    assert sorted(ask("srun", "--nodes=2", "printenv", "SLURMD_NODENAME").split()) == ["127.0.0.1", "127.0.0.2"]


@pytest.mark.parametrize("how", ["closed", "killed"])
def test_nothing_is_left_behind(how: str, tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(f"slurm: {reason}")
    cluster = Path(__file__).with_name("cluster.py")
    # The process in between stands for a test process that ends without a word.
    code = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, {str(cluster)!r}], stdin=subprocess.PIPE, start_new_session=True)\n"
        "print(child.pid, flush=True)\n"
        "sys.stdin.read()\n"
    )
    between = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert between.stdout is not None
    supervisor = psutil.Process(int(between.stdout.readline()))
    conf = Path(json.loads(between.stdout.readline())["SLURM_CONF"])
    ask("sbatch", "--output", "/dev/null", "--wrap", "sleep 300", SLURM_CONF=str(conf))
    for _ in range(100):
        descendants = supervisor.children(recursive=True)
        if any(process.name() == "sleep" for process in descendants):
            break
        time.sleep(0.1)
    else:
        raise AssertionError("the job did not start")
    if how == "killed":
        between.kill()
    else:
        between.communicate(timeout=30)
    _, alive = psutil.wait_procs([supervisor, *descendants], timeout=30)
    assert not alive
    assert not conf.parent.exists()
    between.communicate(timeout=30)
