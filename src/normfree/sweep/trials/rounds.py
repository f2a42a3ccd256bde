"""Training the runs that the trials of one process wait for, side by side."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from normfree.config import UserError
from normfree.runs.damage import standing
from normfree.runs.result import Ended
from normfree.sweep.aside import Aside
from normfree.sweep.planned import plan_runs, resolved_of
from normfree.sweep.stored import remember_code
from normfree.sweep.sweep import add_runs_to_plan, run_here
from normfree.train.preflight import refusals, trained_here

Planned = list[tuple[list[str], list[str]]]


class Round:
    """Trains runs as a sweep does, without its account.

    Args:
        aside: the process that has torch.
        grids: digests of the grids that the runs stand in.
    """

    def __init__(self, compose: Callable[[Sequence[str]], Any], aside: Aside, folder: Path, grids: dict[str, str]):
        self._compose, self._aside, self._folder, self._grids = compose, aside, folder, grids

    def refusal(self, words: Sequence[str]) -> str:
        """Why a run cannot be trained here, or an empty string."""
        try:
            resolved = resolved_of(list(words), self._compose)
        except UserError as error:
            return str(error)
        try:
            (line,) = self._aside.ask(refusals, [resolved], trained_here)
        except EOFError:
            return ""  # what ends that process ends the run too, which says so
        return line

    def train(self, planned: Planned, workers: int) -> tuple[dict[str, Ended | None], bool]:
        """Results by run, and whether Ctrl-C ended it early."""
        runs = plan_runs(planned, self._compose)
        results = {run.run_id: standing(run.directory) for run in runs}
        missing = [run for run in runs if results[run.run_id] is None]
        add_runs_to_plan(runs, self._grids)
        remember_code(self._folder, [run.overrides for run in runs], None)
        interrupted = run_here(runs, missing, results, workers, quiet=True) if missing else False
        return results, interrupted
