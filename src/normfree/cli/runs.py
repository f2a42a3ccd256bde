"""``runs.py``: where the runs of an experiment are, and starting some again."""

from collections.abc import Sequence

from normfree.cli.sized import with_name
from normfree.sweep import keys as runs_keys

INTERRUPTED = "interrupted; runs that were being trained are kept, the same command goes on"


def help_text(words: Sequence[str] = ()) -> str:
    """What ``--help`` prints."""
    return runs_keys.help_text()


def main(words: Sequence[str]) -> int:
    """The exit code.

    Raises:
        UserError: for a wrong word, or what is not there.
    """
    keys = runs_keys.read_runs(with_name(words))
    from normfree.sweep.command import runs

    return runs(keys)
