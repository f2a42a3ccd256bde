"""Runs of which a rank is killed without warning, or the process that started the ranks, end as if nothing was."""

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from tests.train.forking import Forking
from tests.train.killed import RUN, Record, alive, done, last_result, undisturbed, until, wait_for

from normfree.config import Resolved
from normfree.runs import RunDirectory
from normfree.train.ranks.rank import RANK
from normfree.train.run import run_one

KILLS = ("1", "parent", "0", "starting", "parent", "1")
"""Of these ranks, of the process that started them, and of one that has only begun to."""

RANKS = (*RUN, "trainer=ddp_cpu", "steps=60")


def ranks_of(process: psutil.Process) -> dict[str, psutil.Process]:
    try:
        children = process.children() if alive(process) else []
        return {child.environ().get(RANK, ""): child for child in children}
    except psutil.NoSuchProcess:
        return {}


@pytest.mark.timeout(1500)
def test_killed_at_random_moments(tmp_path: Path) -> None:
    moments = random.Random(2)
    pending = list(KILLS)
    runs = 0
    with Forking() as fork:
        expected, seconds = undisturbed(fork, tmp_path / "undisturbed", *RANKS)
        while pending:
            folder = tmp_path / str(runs)
            while not done(folder):
                process = fork.start(*RANKS, f"runs_dir={folder}")
                victim = pending.pop(0) if pending else None
                if victim is None:
                    assert fork.ended() == 0, fork.refusal or last_result(folder)
                    break
                until(lambda child=process: ranks_of(child).keys() >= {"0", "1"})  # type: ignore[misc]
                ranks = ranks_of(process)
                if victim != "starting":
                    wait_for(folder, "last.ckpt", process)
                time.sleep(moments.uniform(0.0, 0.7 * seconds))
                killed = process if victim == "parent" else ranks.get(victim, ranks["1"])
                if alive(killed):
                    killed.send_signal(signal.SIGKILL)
                code = fork.ended()
                if code == 1:
                    result = last_result(folder)
                    assert result is not None
                    number = ranks.get(victim, ranks["1"])
                    assert result["reason"] == f"rank {int(number == ranks['1'])} ended with SIGKILL"
                else:
                    assert code in ((-signal.SIGKILL, 0) if victim == "parent" else (0,)), fork.refusal
            Record(folder).must_equal(expected)
            runs += 1


def test_a_rank_that_dies_when_the_result_is_written_does_not_replace_it(tiny: Callable[..., Resolved]) -> None:
    target = "clip._target_=tests.train.own_clipping.dies_at_the_end"
    run = tiny("trainer=ddp_cpu", "batch=48", "clip=custom", target, "clip.arguments={rank:1}")
    result = run_one(run, [])
    assert result["status"] in ("finished", "untrained"), result["reason"]
    assert (result["steps_done"], result["traceback"]) == (8, None)
    assert RunDirectory.of(run).finished_result() == result
    assert run_one(run, [])["attempts"] == 1
