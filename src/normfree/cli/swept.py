"""How the sweep of this process ended: Hydra's main function gives nothing back."""

from normfree.host.exit_codes import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from normfree.sweep.account import SweepEnd

_ends: list[SweepEnd] = []


def conclude(end: SweepEnd) -> None:
    """Keep how a sweep ended until its command does."""
    _ends.append(end)


def ended() -> int:
    """The exit code of the command."""
    if not _ends:
        return EXIT_OK
    end = _ends.pop()
    if end.folder is not None:
        from normfree.report.at_end import show_accuracies

        show_accuracies(end.folder, end.runs)
    return EXIT_INTERRUPTED if end.interrupted else EXIT_OK if end.complete else EXIT_FAILED
