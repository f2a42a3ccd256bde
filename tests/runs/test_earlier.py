"""A command that finds its run finished says so, with what it could not change any more."""

import dataclasses
import os
from collections.abc import Callable

from normfree.config import Resolved
from normfree.runs import RunDirectory
from normfree.runs.earlier import already_there


def told(tiny: Callable[..., Resolved], *words: str) -> str:
    first, again = tiny(), tiny(*words)
    directory = RunDirectory.of(first)
    assert RunDirectory.of(again).path == directory.path
    directory.create()
    directory.write_start(dataclasses.asdict(first.config), [], {}, "")
    directory.write_result({"status": "finished"})
    os.utime(directory.result, (86_400 * 365, 86_400 * 365))
    return already_there(directory, again, list(words))


def test_since_when(tiny: Callable[..., Resolved]) -> None:
    assert told(tiny).startswith("already there from 197")
    assert "not applied" not in told(tiny, "trainer.log_every=2", "data.train_size=7")


def test_what_came_too_late(tiny: Callable[..., Resolved]) -> None:
    one = told(tiny, "trainer.log_every=5")
    assert "; trainer.log_every=5 was not applied: give another runs_dir= or experiment.name= for a new run" in one
    assert "trainer.log_every=5 logger=wandb were not applied" in told(tiny, "trainer.log_every=5", "logger=wandb")
