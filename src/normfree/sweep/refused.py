"""What is wrong with runs of a sweep, told before anything is written or started, by a plan too."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from normfree.config import Resolved, UserError
from normfree.config.experiment_sizes import USUAL
from normfree.host.wording import counted
from normfree.runs import DAMAGED
from normfree.runs.damage import standing
from normfree.sweep.aside import Aside
from normfree.sweep.planned import SweepRun
from normfree.train.preflight import planned_here, refusals, trained_elsewhere, trained_here, without_torch


def get_ready(run: SweepRun, aside: Aside) -> None:
    """Let the process that has torch import what it is asked for later; the first run of a sweep is enough."""
    aside.start(refusals, [run.resolved], trained_elsewhere)


def refuse_wrong(runs: Sequence[SweepRun], aside: Aside, here: bool) -> None:
    """Ask of runs what a single one is asked before it starts.

    Args:
        aside: the process that has torch.
        here: they would be trained on this machine.

    Raises:
        UserError: for the first that is wrong.
    """
    resolved = [run.resolved for run in runs]
    if here:
        _refuse(runs, refusals(resolved, without_torch))
    with suppress(EOFError):  # what ends that process ends a run too, which says so
        _refuse(runs, aside.ask(refusals, resolved, trained_here if here else trained_elsewhere))


def _refuse(runs: Sequence[SweepRun], lines: Sequence[str]) -> None:
    wrong = [(run, line) for run, line in zip(runs, lines, strict=True) if line]
    if not wrong:
        return
    first, line = wrong[0]
    if set(lines) == {line}:
        raise UserError(line)
    raise UserError(
        f"{line} (in the combination {' '.join(first.overrides)}; "
        f"{len(wrong)} of {counted(len(runs), 'run')} are refused)"
    )


def print_plan(
    runs: Sequence[SweepRun], workers: int | None, aside: Aside, elsewhere: Callable[[int], list[str]] | None = None
) -> None:
    """What would be trained, what it costs and how long it takes here.

    Args:
        workers: runs at a time on this machine; ``None`` where they run elsewhere.
        elsewhere: what is said of so many runs that are missing, where they run elsewhere.

    Raises:
        UserError: runs are wrong, before anything is printed; or after it what they ask for is not here.
    """
    resolved = [run.resolved for run in runs]
    results = [standing(run.directory) for run in runs]
    missing = [run for run, result in zip(runs, results, strict=True) if result is None]
    try:
        _refuse(runs, aside.ask(refusals, resolved, trained_elsewhere))
        told = aside.ask(_described, resolved, [result is None for result in results], workers)
        lacking = aside.ask(refusals, [run.resolved for run in missing], planned_here) if workers is not None else []
    except EOFError as error:
        raise UserError(
            "plan=true: the process that looks at the networks was ended from outside (is the memory full?); "
            "run the same command again"
        ) from error
    states = [result["status"] for result in results if result is not None]
    damaged = states.count(DAMAGED)
    parts = [counted(len(runs), "run"), f"{len(states) - damaged} of them done"] + [f"{damaged} damaged"] * bool(
        damaged
    )
    steps = sum(run.resolved.steps for run in runs)
    if elsewhere is not None:
        told = [*told, *elsewhere(len(missing))]
    print("\n".join([*(run.run_id for run in runs), f"{', '.join(parts)}, {steps:,} optimizer steps in all", *told]))
    sys.stdout.flush()
    # A size of an experiment is planned for another machine, and what this one lacks is told in the plan.
    if lacking and all(run.resolved.config.experiment.size == USUAL for run in runs):
        _refuse(missing, lacking)


def _described(runs: Sequence[Resolved], missing: Sequence[bool], workers: int | None) -> list[str]:
    from normfree.train.plan_sweep import describe_sweep

    return describe_sweep(runs, missing, workers)
