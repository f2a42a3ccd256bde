"""Names that become a folder: one place inside the folder that they are made in, and nothing else."""

import unicodedata
from collections.abc import Callable

from normfree.config.errors import UserError

LONGEST = 255
"""Bytes of a name on the file systems in use."""

RESERVED = ("benchmarks", "probes", "search", "sweep.json")
"""Taken, in the folders of reports and of runs."""

_DEVICES = {"con", "prn", "aux", "nul", *(f"{port}{number}" for port in ("com", "lpt") for number in range(1, 10))}


def fault_of(name: str) -> str:
    """Why a text cannot be the name of a folder here, or an empty string."""
    if not name.strip():
        return "is empty"
    if any(unicodedata.category(character) in ("Cc", "Cf", "Cs") for character in name):
        return "has characters that cannot be seen"
    if name in (".", ".."):
        return "leads to another folder"
    if "/" in name or "\\" in name:
        return "is a path, and must be one name"
    if name[0] in "._-":
        return f"begins with {name[0]}"
    if name != name.strip() or name.endswith("."):
        return "begins or ends with a space or a point"
    if name.casefold() in RESERVED or name.partition(".")[0].casefold() in _DEVICES:
        return "is taken for something else"
    length = len(name.encode())
    return f"is {length} bytes long, and may be {LONGEST}" if length > LONGEST else ""


def check_name(key: str, name: str) -> None:
    """A name that the user gives to an experiment, and so to the folders of its runs and of its report.

    Raises:
        UserError: it could lead elsewhere, or is taken.
    """
    if fault := fault_of(name):
        raise UserError(f"{key}={shown(name)}: {fault}; give a plain name, such as {key}=batch_sizes")


def read_name(key: str) -> Callable[[str], str]:
    """Reads the name of an experiment from a command line."""

    def read(text: str) -> str:
        check_name(key, text)
        return text

    return read


def read_place(key: str) -> Callable[[str], str]:
    """Reads a directory from a command line."""

    def read(text: str) -> str:
        check_place(key, text)
        return text

    return read


def check_run(run: object, source: object) -> str:
    """The name of a run's directory as a plan gives it.

    Raises:
        UserError: it leads out of the folder of the runs.
    """
    if not isinstance(run, str) or (fault := fault_of(run)):
        why = fault if isinstance(run, str) else "is no text"
        raise UserError(f"{source}: run {shown(str(run))} {why}; start the sweep again")
    return run


def check_place(key: str, place: str) -> None:
    """A directory that the user gives; anywhere, but somewhere.

    Raises:
        UserError: it is empty or cannot be typed.
    """
    if not place.strip() or any(unicodedata.category(character) in ("Cc", "Cs") for character in place):
        raise UserError(f"{key}={shown(place)}: is no directory; give a path, such as {key}=/scratch/runs")


def shown(text: str, most: int = 60) -> str:
    """A text as one line can show it."""
    plain = "".join(
        character if character.isprintable() else character.encode("unicode_escape", "replace").decode()
        for character in text
    )
    return plain if len(plain) <= most else f"{plain[: most - 3]}..."


def key_of(override: str) -> str:
    """The key of ``key=value``, ``+key=value`` and ``~key``."""
    return override.partition("=")[0].lstrip("+~")
