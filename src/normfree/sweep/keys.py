"""The keys of ``python runs.py``, and what its ``--help`` says."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

from normfree.config import UserError
from normfree.config.key_readers import Reader, choice, listed
from normfree.config.keys import key, read_keys, rows
from normfree.config.names import read_name, read_place
from normfree.sweep.clean import KINDS
from normfree.sweep.listing import SORTS
from normfree.sweep.retry import RETRIED
from normfree.sweep.state import STATES
from normfree.sweep.stored import NAMED, TARGETS

HELP = """\
Where the runs of an experiment are, from their directories and SLURM's queue:

  python runs.py                                                the experiments that there are
  python runs.py experiment=quickstart                          runs without a result, and those that did not train
  python runs.py experiment=quickstart all=true sort=-accuracy match=b64
  python runs.py experiment=quickstart retry=failed             start the failed ones again
  python runs.py experiment=quickstart retry=failed,missing
  python runs.py experiment=quickstart retry=damaged            set what cannot be read aside, as *.damaged, and train
  python runs.py experiment=quickstart follow=true              curves of what runs, until nothing does
  python runs.py compare=PART_OF_A_NAME,PART_OF_ANOTHER         how two runs differ
  python runs.py experiment=quickstart clean=checkpoints        say what that would free, and ask

{keys}

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


def _known(options: Iterable[str]) -> Reader:
    return listed(choice(*options), whole=tuple)


def _two(text: str) -> tuple[str, ...]:
    """Reads two names with a comma between them."""
    words = tuple(filter(None, text.split(",")))
    if len(words) != 2:
        raise ValueError("give two runs with a comma between them")
    return words


def _sort(text: str) -> str:
    choice(*SORTS)(text.removeprefix("-"))
    return text


@dataclass(frozen=True)
class RunsKeys:
    """What ``runs.py`` can be told.

    Attributes:
        named: code that the user names, by key.

    Raises:
        UserError: two keys that exclude each other, or no experiment where one is needed.
    """

    experiment: str = key(
        "", "the experiment's name, as in experiment=NAME or experiment.name=NAME", read_name("experiment")
    )
    runs_dir: str = key("runs", "where run directories are kept", read_place("runs_dir"))
    retry: tuple[str, ...] = key((), f"states to start again: {', '.join(RETRIED)}", _known(RETRIED))
    all: bool = key(False, "true: a row for every run, also for those that have their result")
    follow: bool = key(False, "true: loss and accuracy of running runs as they come; Ctrl-C ends it, not the runs")
    match: str = key("", "only runs that have this in their names")
    sort: str = key("state", f"{', '.join(SORTS)}; with a minus before it the other way round", _sort)
    compare: tuple[str, ...] = key((), "two runs, by their names, parts of these or directories", _two)
    clean: str = key("", "; ".join(f"{name}: {text}" for name, text in KINDS.items()), choice(*KINDS))
    yes: bool = key(False, "true: clean without asking")
    named: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("retry", "clean", "all", "follow", "match", "sort"):
            if not self.experiment and getattr(self, name) != getattr(RunsKeys, name):
                raise UserError("experiment: is missing; give its name, such as experiment=quickstart")
        for first, second in combinations(("retry", "clean", "compare", "follow"), 2):
            if getattr(self, first) and getattr(self, second):
                raise UserError(f"{first} and {second}: give one of them")


def help_text() -> str:
    """What ``--help`` prints."""
    states = "\n".join(f"  {name:11}{text}" for name, text in STATES.items())
    return HELP.format(keys="\n".join(rows(RunsKeys)), states=states, targets=", ".join(TARGETS))


def read_runs(words: Sequence[str]) -> RunsKeys:
    """The keys of a command line.

    Raises:
        UserError: an unknown key or value, or no experiment where one is needed.
    """
    named: dict[str, tuple[str, ...]] = {}
    rest = []
    for word in words:
        name, equals, value = word.partition("=")
        if name in NAMED and equals:
            named[name] = (*named.get(name, ()), *((value,) if name.startswith("hydra") else value.split(",")))
        else:
            rest.append(word)
    return replace(read_keys(RunsKeys, rest, command="python runs.py", further=NAMED), named=named)
