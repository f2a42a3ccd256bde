"""``bench.py SUITE key=value ...``: measuring beside peers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module

from normfree.bench.suites import suites
from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.keys import read_keys, rows
from normfree.host.spoken import spoken

COMMAND = "python bench.py"
HELP = """\
Measure beside peers, interleaved.

{suites}

  python bench.py SUITE key=value ...     lists are written as models=resnet50,nf_resnet50
  python bench.py SUITE --help            the suite's keys

Every measurement is printed and written to its CSV file at once, with the commit, the hardware and the versions in the
row; a row that was there for the same case is replaced.
"""
INTERRUPTED = "interrupted; what was measured is in the CSV file"


def help_text(words: Sequence[str] = ()) -> str:
    """What ``--help`` prints, of all suites or of the one that is named."""
    name = next((word for word in words if word in suites()), None)
    if name is None:
        width = max(map(len, suites()))
        return HELP.replace("{suites}", "\n".join(f"  {name:{width}}  {what}" for name, what in suites().items()))
    suite = import_module(f"normfree.bench.{name}")
    about = (suite.__doc__ or "").strip()
    return "\n".join([f"{COMMAND} {name} key=value ...", "", about, "", *rows(suite.Options), ""])


def main(words: Sequence[str]) -> int:
    """The exit code.

    Raises:
        UserError: for a wrong word, or what cannot be measured.
    """
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch's profiler otherwise talks of GPUs that are not there
    if not words:
        print(spoken(help_text()), end="")
        return 0
    name, *settings = words
    if name not in suites():
        raise UserError(f"{name}: no such suite{nearest(name, suites())}; there are: {', '.join(suites())}")
    suite = import_module(f"normfree.bench.{name}")
    suite.run(read_keys(suite.Options, settings, command=f"{COMMAND} {name}", of=f" of {name}"))
    return 0
