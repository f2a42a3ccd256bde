"""Starting runs of an experiment again, where they ran before: here, or as jobs of SLURM."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from normfree.config import UserError
from normfree.host.exit_codes import EXIT_FAILED, EXIT_OK
from normfree.runs import DAMAGED, RunDirectory
from normfree.runs.damage import repair
from normfree.runs.plan import PLAN
from normfree.runs.result import Ended
from normfree.runs.versions import told, verb, what_changed
from normfree.slurm.settings import SlurmSettings
from normfree.slurm.submission import submissions
from normfree.sweep.account import account
from normfree.sweep.aside import Aside
from normfree.sweep.cluster import how_to_follow, submit_missing
from normfree.sweep.planned import SweepRun, plan_runs
from normfree.sweep.refused import get_ready, refuse_wrong
from normfree.sweep.state import RunState
from normfree.sweep.stored import permit_settings, permit_target
from normfree.sweep.sweep import run_here

RETRIED = ("failed", "preempted", "missing", "planned", "damaged")
"""States from which a run can be started again."""


def retry(chosen: list[RunState], folder: Path, named: Mapping[str, Sequence[str]] | None = None) -> int:
    """Submit the runs as they were submitted before, or train them here.

    Args:
        named: code that the user named on the command line, by key.

    Raises:
        UserError: the plan names other code, or no longer comes to these runs.
    """
    from normfree.compose.run import composing

    for each in chosen:
        source = folder / PLAN if each.planned else RunDirectory(folder / each.run_id).overrides
        permit_target(each.overrides, source, named or {})
    here = [f"runs_dir={folder.parent}", f"experiment.name={folder.name}"]
    planned = [([*_less(run.overrides, here), *here], list[str]()) for run in chosen]
    before = list(submissions(folder))
    with composing() as compose, Aside() as aside:
        planned_runs = plan_runs(planned, compose, partial(get_ready, aside=aside))
        _refuse_others(planned_runs, chosen)
        refuse_wrong(planned_runs, aside, here=not before)
    for run, old in zip(planned_runs, chosen, strict=True):
        if old.state == DAMAGED:
            moved = repair(run.directory, asdict(run.resolved.config), run.overrides)
            print(f"{run.run_id}: set aside: {', '.join(path.name for path in moved)}")
    if before:
        permit_settings(before[-1].settings, before[-1].folder, named or {})
        settings = SlurmSettings.of(before[-1].settings)
        print(how_to_follow(folder, submit_missing([(run.resolved, run.overrides) for run in planned_runs], settings)))
        return EXIT_OK
    results: dict[str, Ended | None] = dict.fromkeys((run.run_id for run in planned_runs), None)
    run_here(planned_runs, planned_runs, results, None)
    lines, complete = account(list(results.items()), folder)
    print("\n".join(lines))
    return EXIT_OK if complete else EXIT_FAILED


def _refuse_others(planned: list[SweepRun], chosen: list[RunState]) -> None:
    """What comes of the overrides must be the runs that were to be started again."""
    for run, old in zip(planned, chosen, strict=True):
        if run.run_id != old.run_id:
            if not old.planned and not old.overrides:
                why = "what it was started with cannot be read; start it again by its own command"
                raise UserError(f"retry: run {old.run_id}: {why}, and runs.py says which of its files is damaged")
            names = what_changed(run.directory.path.with_name(old.run_id), run.resolved.config)
            raise UserError(
                f"retry: {told(names)} {verb(names, 'has', 'have')} changed, "
                f"run {old.run_id} would be {run.run_id} now; start the sweep again"
            )


def _less(overrides: list[str], given: list[str]) -> list[str]:
    keys = {override.partition("=")[0] for override in given}
    return [override for override in overrides if override.partition("=")[0].lstrip("+") not in keys]
