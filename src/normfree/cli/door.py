"""What every command does alike: help, version, mistakes in one line, Ctrl-C, and a reader that has left."""

import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from normfree.config.errors import UserError
from normfree.host.exit_codes import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED
from normfree.host.spoken import spoken

HELP = frozenset(("-h", "--help"))


def answered(words: Sequence[str], help_text: Callable[[Sequence[str]], str | None]) -> bool:
    """Whether the words asked for the help or the version, which is printed then.

    Args:
        help_text: of the words; ``None`` where the command prints it itself.
    """
    if HELP & set(words):
        text = help_text(words)
        print(spoken(text or ""), end="")
        return text is not None
    if "--version" in words:
        print(f"normfree {version('normfree')}")
        return True
    return False


def entered(command: Callable[[], int], interrupted: str) -> int:
    """Run a command; returns the exit code.

    Bad input is one line on stderr and exit code 2, Ctrl-C 130; anything else that is raised is a bug and keeps its
    traceback.

    Args:
        interrupted: what is said after Ctrl-C.
    """
    warnings.formatwarning = _plain_warning
    try:
        return command()
    except KeyboardInterrupt:
        print(interrupted, file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has left (`| head`); there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    except Exception as error:
        return _told(error)


def _plain_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return f"warning: {message}\n"


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Inside Hydra's task function, so that Hydra adds no line of its own: ends the process as `entered` would."""
    try:
        yield
    except Exception as error:
        sys.exit(_told(error))


def _told(error: Exception) -> int:
    """The exit code, after a line for a mistake of the user's; anything else is raised again."""
    if isinstance(error, UserError):
        line = " ".join(str(error).split())
    elif _of_a_configuration(error):
        from normfree.cli.explain import explain

        line = explain(error)
    else:
        raise error
    print(f"error: {spoken(line)}", file=sys.stderr)
    return EXIT_BAD_INPUT


def _of_a_configuration(error: Exception) -> bool:
    """Whether Hydra or OmegaConf raised it; whoever asks has perhaps imported neither."""
    bases = {f"{each.__module__}.{each.__name__}" for each in type(error).__mro__}
    return bool(bases & {"hydra.errors.HydraException", "omegaconf.errors.OmegaConfBaseException"})
