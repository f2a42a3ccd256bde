"""Runs an entry point and turns what can go wrong into one line and an exit code."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from normfree.cli.arguments import prepared
from normfree.cli.explain import explain
from normfree.compose.files import check_files
from normfree.compose.plugins import store_plugins
from normfree.config import UserError
from normfree.host.exit_codes import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK

_CONTRADICTIONS = (("steps", "epochs"),)


def command(entry: Callable[[], Any], schema: type, conf: Path | None = None) -> NoReturn:
    """Run a ``hydra.main`` function and exit.

    Bad input ends with one line on stderr and exit code 2, Ctrl-C with 130; anything else that is raised is a
    bug and keeps its traceback.

    Args:
        entry: the decorated function.
        schema: the dataclass behind the configuration, stored as ``schema``.
        conf: the folder of the configuration; the one beside the script if not given.
    """
    # Hydra then raises instead of printing, so that one place decides what the user sees.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    ConfigStore.instance().store(name="schema", node=schema)
    check_files()
    # Parts of the user's own lie where the command is run, and the script perhaps elsewhere.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        store_plugins(conf=None if conf is None else [conf])
        sys.argv[1:] = prepared(sys.argv[1:], conf or Path(sys.argv[0]).resolve().parent / "conf")
        refuse_contradictions(sys.argv[1:])
        entry()
    except (UserError, HydraException, OmegaConfBaseException) as error:
        fail(explain(error))
    except KeyboardInterrupt:
        print("interrupted; nothing is lost, the same command goes on", file=sys.stderr)
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output has left (`| head`); there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_FAILED)
    sys.exit(EXIT_OK)


@contextmanager
def told_in_one_line() -> Iterator[None]:
    """Inside Hydra's task function, so that Hydra adds no line of its own."""
    try:
        yield
    except (UserError, HydraException, OmegaConfBaseException) as error:
        fail(explain(error))


def fail(line: str) -> NoReturn:
    """Print one line to stderr and exit with code 2."""
    print(f"error: {line}", file=sys.stderr)
    sys.exit(EXIT_BAD_INPUT)


def refuse_contradictions(arguments: Sequence[str]) -> None:
    """Two keys that say the same thing twice, both typed.

    Raises:
        UserError: names both.
    """
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    for first, second in _CONTRADICTIONS:
        if {first, second} <= set(given) and "null" not in (given[first], given[second]):
            raise UserError(f"{first}={given[first]} and {second}={given[second]}: give one of them; the other follows")
