"""``report.py``: the report of an experiment, or of a probe."""

from __future__ import annotations

from collections.abc import Sequence

from normfree.cli.probe import COMMAND, help_of_probes, probe, probe_of
from normfree.cli.sized import with_name
from normfree.config.keys import read_keys, rows
from normfree.report.command import ReportKeys, report

HELP = """\
Turn the runs of an experiment into figures, tables and a page: reports/<experiment>/report.html

  python report.py experiment=quickstart
  python report.py experiment=quickstart runs_dir=/scratch/runs reports_dir=/tmp/reports
  python report.py experiment=quickstart check=true     compare with the stored tables, write nothing
  python report.py experiment=clip_floor_cifar10 size=gpu     of the runs that train.py made with this size
  python report.py experiment=single                    any sweep: without a file, its runs say what to draw
  python report.py experiment=single x=batch series=model,clip panel=lr where='clip=agc' write=experiments/mine.yaml

Keys and their defaults:

{keys}

Same runs, same bytes. Needs the run directories alone, or a stored report: no GPU, no network, no torch.

Or look at networks and images as they are: reports/probes/<probe>/*.md with its figure

{probes}
"""
INTERRUPTED = "interrupted; nothing was written"
_ONE = "a report is of one experiment; run report.py once for each"


def help_text(words: Sequence[str] = ()) -> str:
    """What ``--help`` prints."""
    return HELP.replace("{keys}", "\n".join(rows(ReportKeys))).replace("{probes}", help_of_probes())


def main(words: Sequence[str]) -> int:
    """The exit code.

    Raises:
        UserError: for a wrong word, or what a report cannot be made of.
    """
    if any(word.startswith("probe=") for word in words):
        return probe(words)
    return report(read_report(words))


def read_report(words: Sequence[str]) -> ReportKeys:
    """The keys of a command line without ``probe=``.

    Raises:
        UserError: names key, value and remedy.
    """
    flags = {"-m": _ONE, "--multirun": _ONE}
    return read_keys(
        ReportKeys, with_name(words), command=COMMAND, further=["probe"], flags=flags, elsewhere=_elsewhere
    )


def _elsewhere(name: str) -> str:
    return f"is a key of a probe; add probe={found}" if (found := probe_of(name)) else ""
