"""The command ``python runs.py``: where the runs of an experiment are, and starting those again that need it."""

import difflib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from rich.console import Console

from normfree.cli import EXIT_FAILED, EXIT_OK
from normfree.config import UserError
from normfree.config.names import check_name, check_place
from normfree.runs import DAMAGED, Damaged, RunDirectory
from normfree.runs.damage import repair
from normfree.runs.plan import PLAN, read_plan
from normfree.runs.result import Ended
from normfree.slurm.settings import SlurmSettings
from normfree.slurm.submission import submissions
from normfree.sweep.account import account, tracebacks
from normfree.sweep.cluster import how_to_follow, submit_missing
from normfree.sweep.state import STATES, RunState, count_states, run_states
from normfree.sweep.stored import NAMED, permit_settings, permit_target
from normfree.sweep.sweep import plan_runs, run_here

RETRIED = ("failed", "preempted", "missing", "planned", "damaged")
"""States from which a run can be started again."""
_STYLES = {
    "queued": "cyan",
    "running": "bold cyan",
    "untrained": "yellow",
    "diverged": "yellow",
    "failed": "bold red",
    "damaged": "red",
    "missing": "red",
}

HELP = """\
Where the runs of an experiment are, from their directories and SLURM's queue:

  python runs.py experiment=quickstart
  python runs.py experiment=quickstart retry=failed             start the failed ones again
  python runs.py experiment=quickstart retry=failed,missing
  python runs.py experiment=quickstart retry=damaged            set what cannot be read aside, as *.damaged, and train

  experiment             the experiment's name, as in experiment=NAME or experiment.name=NAME
  runs_dir    runs       where run directories are kept
  retry                  states to start again: {retried}
  all         false      true: a row for every run, also for those that have their result

What the folder of the runs holds is data: code that a plan there names is run only if you name it too, or have done so
when you started these runs.

  clip._target_          the clipper of yours, as module.name, that a retry may use
  hydra.launcher.setup, hydra.launcher.additional_parameters    as in the submission, for jobs of a retry

States:

{states}

Runs that were submitted to SLURM go there again, with the options they had and the code as it is now; others are
trained here. `python train.py -m ...`, the same command as before, starts everything that has no result.
"""


@dataclass(frozen=True)
class RunsKeys:
    """What ``runs.py`` can be told."""

    experiment: str = ""
    runs_dir: str = "runs"
    retry: tuple[str, ...] = ()
    all: bool = False
    named: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Code that the user names, by key."""


def help_text() -> str:
    """What ``--help`` prints."""
    states = "\n".join(f"  {name:11}{text}" for name, text in STATES.items())
    return HELP.format(retried=", ".join(RETRIED), states=states)


def read_keys(arguments: Sequence[str]) -> RunsKeys:
    """The keys of a command line; answers ``--help`` and stops.

    Raises:
        UserError: an unknown key or value, or no experiment.
    """
    if {"-h", "--help"} & set(arguments):
        sys.stdout.write(help_text())
        raise SystemExit(EXIT_OK)
    known = [each.name for each in fields(RunsKeys) if each.name != "named"]
    given: dict[str, Any] = {}
    named: dict[str, tuple[str, ...]] = {}
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise UserError(f"{argument}: give key=value, such as experiment={key.lstrip('-')}")
        if key in NAMED:
            named[key] = (*named.get(key, ()), *((value,) if key.startswith("hydra") else value.split(",")))
            continue
        if key not in known:
            raise UserError(f"{argument}: no such key{_nearest(key, known)}; there are: {', '.join(known)}")
        given[key] = value
    if not given.get("experiment"):
        raise UserError("experiment: is missing; give its name, such as experiment=quickstart")
    check_name("experiment", given["experiment"])
    check_place("runs_dir", given.get("runs_dir", "runs"))
    if "retry" in given:
        given["retry"] = tuple(word for word in given["retry"].split(",") if word)
        for word in given["retry"]:
            if word not in RETRIED:
                raise UserError(f"retry={word}: choose from {', '.join(RETRIED)}{_nearest(word, RETRIED)}")
    if "all" in given:
        if given["all"].lower() not in ("true", "false"):
            raise UserError(f"all={given['all']}: give true or false")
        given["all"] = given["all"].lower() == "true"
    return RunsKeys(**given, named=named)


def runs(keys: RunsKeys, experiments: Path = Path("experiments")) -> int:
    """Print the table, start again what ``retry`` names; the exit code is 1 if a run started here has no result.

    Raises:
        UserError: no such experiment, or what the retry needs is not there.
    """
    folder = find_experiment(keys, experiments)
    try:
        read_plan(folder)
    except Damaged as error:
        print(f"{error}; shown are the runs that have been started", file=sys.stderr)
    states = run_states(folder)
    chosen = [run for run in states if run.state in keys.retry]
    if not keys.retry:
        show(Console(), folder, states, keys.all)
        return EXIT_OK
    if not chosen:
        print(f"{count_states(states)}; none is {' or '.join(keys.retry)}")
        return EXIT_OK
    return retry(chosen, folder, keys.named)


def find_experiment(keys: RunsKeys, experiments: Path) -> Path:
    """The directory of the experiment's runs.

    Raises:
        UserError: names the nearest that there are.
    """
    runs_dir = Path(keys.runs_dir)
    folder = runs_dir / keys.experiment
    if folder.is_dir():
        return folder
    if (experiments / f"{keys.experiment}.yaml").is_file():
        raise UserError(
            f"experiment={keys.experiment}: no runs in {folder} yet; "
            f"make them with: python train.py -m experiment={keys.experiment}"
        )
    found = [path.name for path in runs_dir.iterdir() if path.is_dir()] if runs_dir.is_dir() else []
    known = sorted({*found, *(file.stem for file in experiments.glob("*.yaml"))})
    there = f"there are: {', '.join(sorted(found))}" if found else f"{runs_dir} has none; give another runs_dir=..."
    raise UserError(
        f"experiment={keys.experiment}: no runs of it in {runs_dir}{_nearest(keys.experiment, known)}; {there}"
    )


def show(console: Console, folder: Path, states: list[RunState], everything: bool) -> None:
    """The table of runs, the tracebacks of the failed ones and the counts."""
    rows = [run for run in states if everything or run.state != "finished"]
    order = list(STATES)
    width = max((len(run.run_id) for run in rows), default=0)
    if rows:
        _line(console, f"{'run':{width}}  {'state':9}  {'job':10}  done", "bold")
    for run in sorted(rows, key=lambda run: (order.index(run.state), run.run_id)):
        done = "" if run.share is None else f"{run.share:.0%}"
        text = f"{run.run_id:{width}}  {run.state:9}  {run.job or '':10}  {done:>4}"
        _line(console, text.rstrip(), _STYLES.get(run.state, ""))
        if run.reason:
            _line(console, f"    {run.reason}", "dim")
    for line in tracebacks((run.run_id, run.traceback) for run in states):
        _line(console, line)
    _line(console, count_states(states))
    again = [name for name in RETRIED if name != "planned" and any(run.state == name for run in states)]
    if again:
        where = "" if folder.parent == Path("runs") else f" runs_dir={folder.parent}"
        _line(console, f"start again: python runs.py experiment={folder.name}{where} retry={','.join(again)}")


def _line(console: Console, text: str, style: str = "") -> None:
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)


def retry(chosen: list[RunState], folder: Path, named: Mapping[str, Sequence[str]] | None = None) -> int:
    """Submit the runs as they were submitted before, or train them here.

    Args:
        named: code that the user named on the command line, by key.

    Raises:
        UserError: the plan names other code, or no longer comes to these runs.
    """
    from hydra import compose, initialize_config_dir
    from hydra.core.config_store import ConfigStore

    from normfree.cli.config_files import check_files
    from normfree.config import TrainConfig

    conf = Path("conf").absolute()
    if not (conf / "train.yaml").is_file():
        raise UserError(f"{conf}: no configuration there; run this in the project's folder")
    for each in chosen:
        source = folder / PLAN if each.planned else RunDirectory(folder / each.run_id).overrides
        permit_target(each.overrides, source, named or {})
    ConfigStore.instance().store(name="schema", node=TrainConfig)
    check_files()
    here = [f"runs_dir={folder.parent}", f"experiment.name={folder.name}"]
    planned = [([*_less(run.overrides, here), *here], list[str]()) for run in chosen]
    with initialize_config_dir(str(conf), version_base="1.3"):
        resolved_runs = plan_runs(planned, lambda overrides: compose("train", overrides=list(overrides)))
    for run, old in zip(resolved_runs, chosen, strict=True):
        if run.run_id != old.run_id:
            if not old.planned and not old.overrides:
                why = "what it was started with cannot be read; start it again by its own command"
                raise UserError(f"retry: run {old.run_id}: {why}, and runs.py says which of its files is damaged")
            raise UserError(
                f"retry: conf/ has changed, run {old.run_id} would be {run.run_id} now; start the sweep again"
            )
    for run, old in zip(resolved_runs, chosen, strict=True):
        if old.state == DAMAGED:
            moved = repair(run.directory, asdict(run.resolved.config), run.overrides)
            print(f"{run.run_id}: set aside: {', '.join(path.name for path in moved)}")
    before = list(submissions(folder))
    if before:
        permit_settings(before[-1].settings, before[-1].folder, named or {})
        settings = SlurmSettings.of(before[-1].settings)
        print(how_to_follow(folder, submit_missing([(run.resolved, run.overrides) for run in resolved_runs], settings)))
        return EXIT_OK
    results: dict[str, Ended | None] = dict.fromkeys((run.run_id for run in resolved_runs), None)
    run_here(resolved_runs, resolved_runs, results, None)
    lines, complete = account(list(results.items()))
    print("\n".join(lines))
    return EXIT_OK if complete else EXIT_FAILED


def _less(overrides: list[str], given: list[str]) -> list[str]:
    keys = {override.partition("=")[0] for override in given}
    return [override for override in overrides if override.partition("=")[0].lstrip("+") not in keys]


def _nearest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f", did you mean {close[0]}?" if close else ""
