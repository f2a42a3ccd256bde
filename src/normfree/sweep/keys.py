"""The keys of ``python runs.py``, and what its ``--help`` says."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import combinations
from typing import Any

from normfree.cli import EXIT_OK
from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.names import check_name, check_place
from normfree.sweep.clean import KINDS
from normfree.sweep.listing import SORTS
from normfree.sweep.retry import RETRIED
from normfree.sweep.state import STATES
from normfree.sweep.stored import NAMED, TARGETS

HELP = """\
Where the runs of an experiment are, from their directories and SLURM's queue:

  python runs.py                                                the experiments that there are
  python runs.py experiment=quickstart                          runs that have no result, or none to be proud of
  python runs.py experiment=quickstart all=true sort=-accuracy match=b64
  python runs.py experiment=quickstart retry=failed             start the failed ones again
  python runs.py experiment=quickstart retry=failed,missing
  python runs.py experiment=quickstart retry=damaged            set what cannot be read aside, as *.damaged, and train
  python runs.py experiment=quickstart follow=true              curves of what runs, until nothing does
  python runs.py compare=PART_OF_A_NAME,PART_OF_ANOTHER         how two runs differ
  python runs.py experiment=quickstart clean=checkpoints        say what that would free, and ask

  experiment             the experiment's name, as in experiment=NAME or experiment.name=NAME
  runs_dir    runs       where run directories are kept
  retry                  states to start again: {retried}
  all         false      true: a row for every run, also for those that have their result
  follow      false      true: loss and accuracy of running runs as they come; Ctrl-C ends it, not the runs
  match                  only runs that have this in their names
  sort        state      {sorts}; with a minus before it the other way round
  compare                two runs, by their names or parts of these
  clean                  {kinds}
  yes         false      true: clean without asking

What the folder of the runs holds is data: code that a plan there names is run only if you name it too, or have done so
when you started these runs.

  {targets}
                         code of yours, as module.name, that a retry may use
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
    follow: bool = False
    match: str = ""
    sort: str = "state"
    compare: tuple[str, ...] = ()
    clean: str = ""
    yes: bool = False
    named: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Code that the user names, by key."""


def help_text() -> str:
    """What ``--help`` prints."""
    states = "\n".join(f"  {name:11}{text}" for name, text in STATES.items())
    kinds = "; ".join(f"{name}: {text}" for name, text in KINDS.items())
    return HELP.format(
        retried=", ".join(RETRIED), states=states, sorts=", ".join(SORTS), kinds=kinds, targets=", ".join(TARGETS)
    )


def read_keys(arguments: Sequence[str]) -> RunsKeys:
    """The keys of a command line; answers ``--help`` and stops.

    Raises:
        UserError: an unknown key or value, or no experiment where one is needed.
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
            raise UserError(f"{argument}: no such key{nearest(key, known)}; there are: {', '.join(known)}")
        given[key] = value
    _check(given)
    return RunsKeys(**given, named=named)


def _check(given: dict[str, Any]) -> None:
    """Turn texts into values."""
    if "experiment" in given:
        check_name("experiment", given["experiment"])
    check_place("runs_dir", given.get("runs_dir", "runs"))
    for key in ("all", "follow", "yes"):
        if key in given:
            if given[key].lower() not in ("true", "false"):
                raise UserError(f"{key}={given[key]}: give true or false")
            given[key] = given[key].lower() == "true"
    if "retry" in given:
        given["retry"] = tuple(word for word in given["retry"].split(",") if word)
        _choose("retry", given["retry"], RETRIED)
    if "sort" in given:
        _choose("sort", [given["sort"].removeprefix("-")], tuple(SORTS))
    if "clean" in given:
        _choose("clean", [given["clean"]], tuple(KINDS))
    if "compare" in given:
        given["compare"] = tuple(filter(None, re.split(",", given["compare"])))
        if len(given["compare"]) != 2:
            raise UserError(f"compare={','.join(given['compare'])}: give two runs with a comma between them")
    for key in ("retry", "clean", "all", "follow", "match", "sort"):
        if key in given and "experiment" not in given:
            raise UserError("experiment: is missing; give its name, such as experiment=quickstart")
    for first, second in combinations(("retry", "clean", "compare", "follow"), 2):
        if given.get(first) and given.get(second):
            raise UserError(f"{first} and {second}: give one of them")


def _choose(key: str, words: Sequence[str], there: Sequence[str]) -> None:
    for word in words:
        if word not in there:
            raise UserError(f"{key}={word}: choose from {', '.join(there)}{nearest(word, there)}")
