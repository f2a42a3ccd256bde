"""The search: checks it, trains trials until there are enough, and then the best with further seeds.

Every trial is an ordinary run of the experiment. The same command goes on from what is stored, and several processes
work on one search side by side.
"""

import sys
from collections.abc import Callable, Sequence
from typing import Any

from normfree.config import UserError
from normfree.config.sources.reading import looked_up_once
from normfree.runs import RunDirectory, run_id
from normfree.sweep.account import SweepEnd
from normfree.sweep.alive import Alive
from normfree.sweep.aside import Aside
from normfree.sweep.planned import SweepRun
from normfree.sweep.refused import get_ready
from normfree.sweep.sweep import places_of, run_sweep
from normfree.sweep.trials.account import best_lines, counts_line
from normfree.sweep.trials.block import Search
from normfree.sweep.trials.checks import check, tell_plan
from normfree.sweep.trials.finals import finals
from normfree.sweep.trials.journal import optuna_or_refuse
from normfree.sweep.trials.judging import members
from normfree.sweep.trials.owners import Owner
from normfree.sweep.trials.trial import FAILED, FINISHED, Trial
from normfree.sweep.trials.worker import Worker, score
from normfree.train.preflight import without_torch

Compose = Callable[[Sequence[str]], Any]


@looked_up_once()
def run_trials(
    search: Search,
    arguments: list[str],
    planned: list[tuple[list[str], list[str]]],
    compose: Compose,
    workers: int | None = None,
    slurm: dict[str, Any] | None = None,
    grids: dict[str, str] | None = None,
) -> SweepEnd:
    """Train trials until there are enough, then the best with further seeds, and what stands beside them.

    Args:
        arguments: overrides as typed, one value a key.
        planned: the experiment's other runs, trained at the end; these and the rest as for
            `normfree.sweep.sweep.run_sweep`.

    Returns:
        Not complete where a trial failed.

    Raises:
        UserError: the search cannot be used, before anything is trained.
    """
    if slurm is not None:
        raise UserError(
            "hydra/launcher=slurm: a search proposes trials from those before; start its command as tasks of a job "
            "array, each with hydra.launcher.workers=1, and they share its trials (docs/scaling.md)"
        )
    base = check(search, arguments, compose)
    if base.config.plan:
        tell_plan(search, arguments, planned, compose, base)
        return SweepEnd()
    optuna_or_refuse()
    folder = RunDirectory.of(base).path.parent
    one = SweepRun([], base, run_id(base), [])
    count, _ = places_of([one], workers)
    with Alive() as alive, Aside() as aside:
        alive.shown_in(folder)
        without_torch(base)
        get_ready(one, aside)
        with Owner(folder) as owner:
            worker = Worker(search, arguments, compose, aside, owner, folder, base, count)
            interrupted = worker.work()
            trials = worker.recorded()
            print(counts_line(trials, search), flush=True)
            if interrupted:
                print("interrupted; the same command goes on with the trials", file=sys.stderr)
                return SweepEnd(complete=False, interrupted=True)
            chosen = _chosen(trials, search)
            print("\n".join(best_lines(chosen, search)), flush=True)
            further, digests = finals(search, arguments, chosen, worker.reference_ms, compose, worker.stopwatch, folder)
    if not (every := [*planned, *further]):
        return SweepEnd(complete=False, folder=folder)
    end = run_sweep(every, compose, workers, None, (grids or {}) | digests)
    return end._replace(complete=end.complete and bool(chosen) and not _failed(trials))


def _chosen(trials: Sequence[Trial], search: Search) -> list[Trial]:
    finished = [trial for trial in trials if trial.outcome == FINISHED]
    places = members([score(trial, trial.facts["accuracy"], search) for trial in finished], search.members)
    return [finished[place] for place in places]


def _failed(trials: Sequence[Trial]) -> bool:
    """Whether a trial failed, and so did what was tried in its place, or nothing was."""
    made_up = {trial.retry_of for trial in trials if trial.outcome != FAILED}
    return any(trial.outcome == FAILED and trial.number not in made_up for trial in trials)
