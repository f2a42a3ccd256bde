"""One run, trained in this process."""

import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from normfree.api.loaded import Run, load_run
from normfree.api.mistakes import checked, in_one_line, refuse_plan
from normfree.config import Resolved
from normfree.config.places import Places
from normfree.config.sources.reading import looked_up_once
from normfree.runs import RunDirectory
from normfree.runs.again import begun_anew, told_number


class RunFailed(Exception):
    """A run ended with an error.

    Attributes:
        run: what is stored of it; ``run.result["traceback"]`` has the error in full.
    """

    def __init__(self, run: Run) -> None:
        super().__init__(f"{run.path} failed: {run.reason}")
        self.run = run


def run(overrides: Sequence[str] = (), *, conf: str | Path | None = None, progress: bool = True) -> Run:
    """``python train.py`` with these overrides: trains the run, or returns it at once where it has its result.

    An unfinished run goes on from its newest checkpoint. Random states of this process are as before afterwards.

    Args:
        conf: a folder of configurations that come before normfree's; ``conf`` where the process runs if not given.
        progress: print a line ten times a run.

    Raises:
        UserError: for what the command would refuse.
        RunFailed: training ended with an error.
        KeyboardInterrupt: it was interrupted; it is saved, and the same call goes on.
    """
    from normfree.cli.arguments import prepared
    from normfree.compose.run import compose_run

    folder = None if conf is None else Path(conf)
    with looked_up_once(), in_one_line():
        words = prepared(checked(overrides), Places.of(folder))
        (resolved,) = begun_anew([compose_run(words, folder)])
        words = told_number(words, resolved)
        refuse_plan(resolved.config.plan)
        for line in resolved.without_effect:
            warnings.warn(line, stacklevel=2)
        directory = RunDirectory.of(resolved)
        interrupted = _train(resolved, words, progress)
    found = load_run(directory.path)
    if found.status == "failed":
        raise RunFailed(found)
    if interrupted:
        raise KeyboardInterrupt(f"{found.path} is saved; the same call goes on")
    return found


def _train(resolved: Resolved, words: list[str], progress: bool) -> bool:
    """Whether a signal ended it."""
    from pytorch_lightning.utilities.seed import isolate_rng

    from normfree.runs.run_line import RunLine
    from normfree.train.lightning_noise import quieten
    from normfree.train.run import run_one
    from normfree.train.stopping import StopRequest

    quieten()
    line, stop = RunLine(resolved.steps, sys.stdout), StopRequest()
    with isolate_rng():
        run_one(resolved, words, line.show if progress else lambda row: None, stop)
    line.end()
    return stop.signal is not None
