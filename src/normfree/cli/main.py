"""The door: ``normfree COMMAND ...``, and the scripts of the repository, which are a command each."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from normfree.cli.door import HELP, answered, entered
from normfree.config.errors import UserError, nearest
from normfree.host.exit_codes import EXIT_OK
from normfree.host.spoken import say_installed

COMMANDS = {
    "demo": "train the small networks of the first report on real digits, and write it",
    "train": "train one network, or with -m a sweep of them",
    "runs": "where runs are, how two differ, start some again, free room",
    "report": "figures, tables and verdicts of an experiment; probes of networks and images",
    "evaluate": "how good a trained network is, on any images",
    "predict": "what a trained network sees: files, videos, cameras, a page in the browser",
    "export": "a trained network as ONNX and other files, checked",
    "bench": "measure beside peers",
    "convert": "a data set as FFCV's files",
}
ABOUT = """\
normfree: what do you gain or lose, on your data and your hardware, if you take BatchNorm out?

{commands}

  normfree demo                        first; some minutes, needs no data, no GPU and no internet
  normfree train --help                what can be changed in a run
  normfree train clip=agc plan=true    what a run would do, without doing it
  normfree train -m clip=none,agc seed=0,1,2
  normfree report experiment=single    figures and tables of these runs

Options of yours are files of conf/ and experiments/ where the command is run; they are found before normfree's own.
"""


def run(name: str, words: Sequence[str], script: str | None = None) -> int:
    """Run a command; returns its exit code.

    Args:
        script: the file that was called, where configurations may lie beside.
    """
    command = import_module(f"normfree.cli.{name}")
    # Parts of the user's own lie where the command is run, and the script perhaps elsewhere.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())

    def inside() -> int:
        if answered(words, command.help_text):
            return EXIT_OK
        return int(command.main(words, Path(script) if script else None) if name == "train" else command.main(words))

    return entered(inside, command.INTERRUPTED)


def main(words: Sequence[str] | None = None) -> int:
    """``normfree``: its first word is the command; returns the exit code."""
    say_installed()
    return _chosen(sys.argv[1:] if words is None else list(words))


def _chosen(words: list[str]) -> int:
    if not words or words[0] in (*HELP, "help"):
        name = words[1] if len(words) > 1 else ""
        return run(name, ["--help"]) if name in COMMANDS else entered(lambda: _about(name), "")
    if words[0] == "--version":
        return entered(lambda: int(not answered(words, lambda _: None)), "")
    if words[0] not in COMMANDS:
        return entered(lambda: _unknown(words[0]), "")
    return run(words[0], words[1:])


def _about(name: str) -> int:
    if name:
        return _unknown(name)
    commands = "\n".join(f"  normfree {name:9} {what}" for name, what in COMMANDS.items())
    print(ABOUT.replace("{commands}", commands), end="")
    return EXIT_OK


def _unknown(word: str) -> int:
    if "=" in word or word.startswith("-"):
        raise UserError(f"{word}: give a command first, such as normfree train {word}")
    raise UserError(f"{word}: no such command{nearest(word, COMMANDS)}; there are: {', '.join(COMMANDS)}")
