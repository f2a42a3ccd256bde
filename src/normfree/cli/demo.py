"""``normfree demo``: the quickstart's networks on real digits, and their report."""

from collections.abc import Sequence

from normfree.config.errors import UserError
from normfree.host.exit_codes import EXIT_OK
from normfree.host.spoken import spoken

EXPERIMENT = "experiment=quickstart"
INTERRUPTED = "interrupted; nothing is lost, the same command goes on"
HELP = """\
Train small networks with and without BatchNorm on 5,000 real digits, and write the report: two commands in one

  normfree demo
  normfree demo seed=8 steps=30      fewer runs and steps: it works, and concludes nothing

Words are those of python train.py; runs_dir= and reports_dir= say where runs and report go. It is

  python train.py -m experiment=quickstart
  python report.py experiment=quickstart

The same command again does only what is missing. Needs no data, no GPU and no internet.
"""


def help_text(words: Sequence[str] = ()) -> str:
    """What ``--help`` prints."""
    return HELP


def main(words: Sequence[str]) -> int:
    """The exit code: that of the sweep, or of the report if all runs have an outcome.

    Raises:
        UserError: for another experiment, or a wrong word.
    """
    from normfree.cli import report, train

    for word in words:
        if word.startswith("experiment="):
            name = word.partition("=")[2]
            raise UserError(f"{word}: the demo is experiment=quickstart; type python train.py -m experiment={name}")
    of_report = [word for word in words if word.startswith("reports_dir=")]
    of_both = [word for word in words if word.startswith("runs_dir=")]
    code = train.main(["-m", EXPERIMENT, *(word for word in words if word not in of_report)])
    if code != EXIT_OK or "plan=true" in words:
        return code
    print(spoken(f"python report.py {EXPERIMENT}"), flush=True)
    return report.main([EXPERIMENT, *of_both, *of_report])
