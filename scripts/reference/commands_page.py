"""What each command says of itself with --help."""

import io
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path

from normfree.bench.suites import suites
from normfree.cli.main import COMMANDS, main, run
from normfree.host import spoken

ROOT = Path(__file__).parents[2]
_HEAD = """\
# Commands

`normfree COMMAND ...` where the package is installed, `python COMMAND.py ...` in a clone: the same. This is what each
says with `--help`. The keys of `train` are those of [a configuration](keys.md).

"""


def page() -> str:
    """Markdown of docs/reference/commands.md."""
    parts = [_HEAD, _said("normfree --help", lambda: main(["--help"]))]
    for name, what in COMMANDS.items():
        parts.append(f"## {name}\n\n{what[0].upper()}{what[1:]}.\n\n" + _said(f"normfree {name} --help", _help(name)))
        if name == "bench":
            parts += [_said(f"normfree bench {suite} --help", _help(name, suite)) for suite in suites()]
    return "\n".join(parts)


def _help(name: str, *words: str):  # type: ignore[no-untyped-def]
    return lambda: run(name, [*words, "--help"])


def _said(title: str, command) -> str:  # type: ignore[no-untyped-def]
    said = io.StringIO()
    # Hydra ends the process after its help.
    with _installed_in_the_root(), redirect_stdout(said), suppress(SystemExit):
        command()
    text = re.sub(r"[ \t]+$", "", said.getvalue(), flags=re.M).strip("\n")
    return f'```text title="{title}"\n{text}\n```\n'


@contextmanager
def _installed_in_the_root() -> Iterator[None]:
    """As somebody calls it who has the package, with the configurations of the repository."""
    before, was, words = os.getcwd(), spoken._installed, sys.argv[:]
    os.chdir(ROOT)
    spoken.say_installed()
    try:
        yield
    finally:
        os.chdir(before)
        sys.argv[:] = words
        spoken._installed = was
