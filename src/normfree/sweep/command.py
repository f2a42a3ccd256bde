"""The command ``python runs.py``: where the runs of an experiment are, and what can be done with them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.places import EXPERIMENT, Places
from normfree.host.exit_codes import EXIT_FAILED, EXIT_OK
from normfree.host.sizes import size_text
from normfree.host.wording import counted
from normfree.runs import Damaged
from normfree.runs.plan import read_plan
from normfree.runs.same_bits import told_bits
from normfree.sweep.clean import KINDS, removals, remove
from normfree.sweep.compare import differences, find_run, told_own_code
from normfree.sweep.follow import follow
from normfree.sweep.keys import RunsKeys
from normfree.sweep.listing import line, show, show_experiments
from normfree.sweep.retry import retry
from normfree.sweep.state import RunState, count_states, current, run_states, told_earlier


def runs(keys: RunsKeys) -> int:
    """Print what is asked for, start again what ``retry`` names.

    The exit code is 1 if a run that was started here has no result, or one that was to be cleaned was in use.

    Raises:
        UserError: no such experiment or run, or what the retry needs is not there.
    """
    console = Console()
    if keys.compare:
        return _compare(console, keys)
    if not keys.experiment:
        show_experiments(console, Path(keys.runs_dir))
        return EXIT_OK
    if keys.follow:
        code = follow(console, Path(keys.runs_dir) / keys.experiment, keys.match)
        find_experiment(keys, Places.of().options(EXPERIMENT))  # nothing has come
        return code
    folder = find_experiment(keys, Places.of().options(EXPERIMENT))
    try:
        read_plan(folder)
    except Damaged as error:
        print(f"{error}; shown are the runs that have been started", file=sys.stderr)
    states = [one for one in run_states(folder) if keys.match in one.run_id]
    if keys.clean:
        return _clean(console, keys, folder, states)
    if not keys.retry:
        show(console, folder, states, keys.all, sort=keys.sort)
        return EXIT_OK
    chosen = [one for one in current(states) if one.state in keys.retry]
    if not chosen:
        left = "".join(f"; {line}" for line in told_earlier(states))
        print(f"{count_states(current(states))}{left}; none is {' or '.join(keys.retry)}")
        return EXIT_OK
    return retry(chosen, folder, keys.named)


def find_experiment(keys: RunsKeys, experiments: Sequence[str]) -> Path:
    """The directory of the experiment's runs.

    Args:
        experiments: names of all that can be run.

    Raises:
        UserError: names the nearest that there are.
    """
    runs_dir = Path(keys.runs_dir)
    folder = runs_dir / keys.experiment
    if folder.is_dir():
        return folder
    if keys.experiment in experiments:
        raise UserError(
            f"experiment={keys.experiment}: no runs in {folder} yet; "
            f"make them with: python train.py -m experiment={keys.experiment}"
        )
    found = [path.name for path in runs_dir.iterdir() if path.is_dir()] if runs_dir.is_dir() else []
    known = sorted({*found, *experiments})
    there = f"there are: {', '.join(sorted(found))}" if found else f"{runs_dir} has none; give another runs_dir=..."
    raise UserError(
        f"experiment={keys.experiment}: no runs of it in {runs_dir}{nearest(keys.experiment, known)}; {there}"
    )


def _compare(console: Console, keys: RunsKeys) -> int:
    one, other = (find_run(Path(keys.runs_dir), keys.experiment, word) for word in keys.compare)
    rows = differences(one, other)
    line(console, f"a: {one.path}\nb: {other.path}")
    own_code = told_own_code(one, other)
    if not rows and not own_code:
        line(console, "no difference")
    line(console, told_bits(one, other))
    if own_code:
        line(console, own_code)
    widths = [max((len(row[place]) for row in rows), default=0) for place in (1, 2)]
    heading = ""
    for head, key, left, right in rows:
        if head != heading:
            line(console, f"\n{head}", "bold")
            heading = head
        line(console, f"  {key:{widths[0]}}  {left:>{widths[1]}}  {right}")
    return EXIT_OK


def _clean(console: Console, keys: RunsKeys, folder: Path, states: list[RunState]) -> int:
    chosen = removals(folder, states, keys.clean)
    if not chosen:
        line(console, f"clean={keys.clean}: nothing to remove; {count_states(states)}")
        return EXIT_OK
    for each in chosen:
        line(console, f"  {size_text(each.size):>8}  {each.run.path.name}")
    total = size_text(sum(each.size for each in chosen))
    line(console, f"clean={keys.clean} of {counted(len(chosen), 'run')} would free {total}: {KINDS[keys.clean]}")
    if not keys.yes:
        if not sys.stdin.isatty():
            raise UserError(f"clean={keys.clean}: nothing is removed without being asked; add yes=true")
        if input("remove? [y/N] ").strip().lower() not in ("y", "yes"):
            line(console, "nothing was removed")
            return EXIT_OK
    freed, left = remove(chosen)
    line(console, f"{size_text(freed)} are free now")
    for name in left:
        line(console, f"left as it is, a process has it: {name}", "yellow")
    return EXIT_FAILED if left else EXIT_OK
