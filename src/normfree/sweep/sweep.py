"""A sweep: check every run, train what is missing, tell what came of it."""

import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from normfree.config import Resolved, UserError
from normfree.config.sources.reading import looked_up_once
from normfree.host.devices import cores, grouped, visible_gpus
from normfree.host.files import where_to_write
from normfree.host.wording import counted
from normfree.runs import TERMINAL
from normfree.runs.damage import standing
from normfree.runs.factors import factors_of
from normfree.runs.identity import arm_id
from normfree.runs.offline import how_to_sync_all
from normfree.runs.other_data import refuse_other_data
from normfree.runs.plan import PlannedRun, add_to_plan
from normfree.runs.result import Ended
from normfree.runs.versions import what_changed
from normfree.slurm.settings import SlurmSettings
from normfree.sweep.account import SweepEnd, account
from normfree.sweep.alive import Alive
from normfree.sweep.aside import Aside
from normfree.sweep.cluster import how_to_follow, submit_missing, wait_for
from normfree.sweep.forking import warm_up
from normfree.sweep.planned import SweepRun, plan_runs, refuse_changed
from normfree.sweep.pool import Pool, Task
from normfree.sweep.progress import SweepProgress
from normfree.sweep.refused import get_ready, print_plan, refuse_wrong
from normfree.sweep.schedule import Schedule
from normfree.sweep.stored import remember_code
from normfree.train.ranks.rank import refuse_more


@looked_up_once()
def run_sweep(
    planned: list[tuple[list[str], list[str]]],
    compose: Callable[[Sequence[str]], Any],
    workers: int | None = None,
    slurm: dict[str, Any] | None = None,
    grids: dict[str, str] | None = None,
) -> SweepEnd:
    """Train every run that has no result yet, and print the account.

    Args:
        planned: overrides of each run, and the grids that it stands in.
        compose: overrides -> composed configuration.
        workers: processes at a time, on this machine.
        slurm: what jobs ask SLURM for; ``None`` to run on this machine.
        grids: digests of the grids' contents, by name.

    Raises:
        UserError: if any run is wrong, before anything starts.
    """
    settings = None if slurm is None else SlurmSettings.of(slurm)
    with Alive() as alive:
        with Aside() as aside:
            runs = plan_runs(planned, compose, lambda run: _get_ready(run, aside, settings, alive))
            for run in runs:
                _check_place(run.resolved, settings)
            if runs[0].resolved.config.plan:
                if settings is None:
                    print_plan(runs, places_of(runs, workers)[0], aside)
                else:
                    print_plan(runs, None, aside, settings.told)
                return SweepEnd()
            results = {run.run_id: standing(run.directory) for run in runs}
            missing = [run for run in runs if results[run.run_id] is None]
            if settings is not None:
                settings.check_cluster()
            if missing:
                refuse_wrong(missing, aside, here=settings is None)
        refuse_changed(runs)
        add_runs_to_plan(runs, grids or {})
        remember_code(runs[0].directory.path.parent, [run.overrides for run in runs], slurm)
        return _carried_out(runs, missing, results, workers, settings)


def _carried_out(
    runs: list[SweepRun],
    missing: list[SweepRun],
    results: dict[str, Ended | None],
    workers: int | None,
    settings: SlurmSettings | None,
) -> SweepEnd:
    """Train what is missing, here or as jobs, and tell what came of all."""
    moved = set[str]()
    for run in runs:
        if (result := results[run.run_id]) is not None and result["status"] in TERMINAL:
            moved.add(refuse_other_data(result, run.resolved))
    for line in sorted(moved - {""}):
        print(line, file=sys.stderr)
    interrupted = False
    if missing and settings is not None:
        places = submit_missing([(run.resolved, run.overrides) for run in missing], settings)
        print(how_to_follow(runs[0].directory.path.parent, places), flush=True)
        if runs[0].resolved.config.sweep.detach:
            return SweepEnd()
        if wait_for(len(runs), Schedule.of({run.run_id: run.resolved for run in missing}), places, results):
            return SweepEnd(complete=False, interrupted=True)
    elif missing:
        interrupted = run_here(runs, missing, results, workers)
    elif all(result is not None and result["status"] in TERMINAL for result in results.values()):
        name, several = runs[0].resolved.config.experiment.name, len(runs) > 1
        which = f"all {counted(len(runs), 'run')}" if several else "the run"
        print(f"{which} of {name} {'have their results' if several else 'has its result'}")
    folder = runs[0].directory.path.parent
    lines, complete = account([(run.run_id, results[run.run_id]) for run in runs], folder)
    print("\n".join(lines), flush=True)
    print(f"runs: {folder}")
    if command := how_to_sync_all(folder):
        print(f"W&B, offline: {command}")
    if interrupted:
        print("interrupted; the same command goes on with what is missing", file=sys.stderr)
    return SweepEnd(complete, interrupted, folder, tuple(run.run_id for run in runs))


def _get_ready(run: SweepRun, aside: Aside, settings: SlurmSettings | None, alive: Alive) -> None:
    """Let what needs torch get ready on other cores as soon as it is known to be needed."""
    config = run.resolved.config
    if aside.started or not (config.plan or standing(run.directory) is None):
        return
    get_ready(run, aside)
    if not config.plan:
        alive.shown_in(run.directory.path.parent)
    on_gpus = config.trainer.accelerator != "cpu" and visible_gpus()
    if settings is None and not config.plan and not on_gpus:
        warm_up()


def _check_place(resolved: Resolved, settings: SlurmSettings | None) -> None:
    trainer = resolved.config.trainer
    if settings is not None:
        settings.check(trainer)
        return
    if resolved.config.sweep.detach:
        raise UserError(
            "sweep.detach=true: a sweep here ends with its command; leave it out, or add hydra/launcher=slurm"
        )
    if trainer.nodes > 1:
        raise UserError(
            f"trainer.nodes={trainer.nodes}: this machine is one node; add hydra/launcher=slurm, or use trainer.nodes=1"
        )
    if trainer.accelerator == "gpu" and (gpus := visible_gpus()):
        refuse_more(trainer.devices, len(gpus), "GPU")


def add_runs_to_plan(runs: list[SweepRun], grids: dict[str, str]) -> None:
    """Add these runs to the plan of their experiment; `grids` as for `run_sweep`.

    Raises:
        UserError: the folder cannot be written.
    """
    folder = runs[0].directory.path.parent
    arms = [arm_id(run.resolved) for run in runs]
    # An arm is resolved for every seed; any of them says what it is.
    resolved = {arm: run.resolved for arm, run in zip(arms, runs, strict=True)}
    factors = {arm: factors_of(one) for arm, one in resolved.items()}
    planned = [
        PlannedRun(run.run_id, tuple(run.overrides), tuple(run.grids), arm, run.resolved.config.seed)
        for arm, run in zip(arms, runs, strict=True)
    ]
    configs = {run.run_id: run.resolved.config for run in runs}

    def changed_since(earlier: str, later: str) -> tuple[str, ...]:
        return what_changed(folder / earlier, configs[later])

    try:
        lines = add_to_plan(folder, runs[0].resolved.config.experiment.name, planned, grids, factors, changed_since)
    except OSError as error:
        raise UserError(
            f"runs_dir={folder.parent}: cannot write there ({error.strerror}); {where_to_write(error, 'runs_dir')}"
        ) from error
    for line in lines:
        print(line, file=sys.stderr)


def run_here(
    runs: list[SweepRun],
    missing: list[SweepRun],
    results: dict[str, Ended | None],
    workers: int | None,
    quiet: bool = False,
) -> bool:
    """Train the missing runs, `quiet` where there is no terminal; returns whether Ctrl-C ended it early."""
    count, gpus = places_of(missing, workers)
    tasks = [Task(run.run_id, run.resolved, run.overrides) for run in missing]
    schedule = Schedule.of({run.run_id: run.resolved for run in missing}, in_turn=count == 1)
    with (
        Pool(min(count, len(tasks)), missing[0].directory.path.parent, gpus) as pool,
        SweepProgress(len(runs), len(runs) - len(missing), schedule, quiet) as progress,
    ):
        previous = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]

        def stop(number: int, frame: FrameType | None) -> None:
            pool.stop(number)

        for number, _ in previous:
            signal.signal(number, stop)
        try:
            for event in pool.run(tasks, schedule):
                if event.result is not None:
                    results[event.run_id] = event.result
                progress.show(event)
        finally:
            for number, handler in previous:
                signal.signal(number, handler)
        return pool.stopping


def places_of(missing: list[SweepRun], workers: int | None) -> tuple[int, list[str]]:
    """How many runs at a time, and the GPUs that each of them sees."""
    on_cpu = all(run.resolved.config.trainer.accelerator == "cpu" for run in missing)
    # A run takes so many of them; it starts a process for each itself.
    width = max(run.resolved.config.trainer.devices for run in missing)
    gpus = [] if on_cpu else grouped(visible_gpus(), width)
    count = (len(gpus) or max(1, cores() // width)) if workers is None else workers
    if count < 1:
        raise UserError(f"hydra.launcher.workers={count}: must be at least 1")
    return count, gpus
