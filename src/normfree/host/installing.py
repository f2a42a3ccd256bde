"""How what is missing is installed, in the words of this installation."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def install(what: str) -> str:
    """The command that installs a package, or an extra of normfree's, such as ``normfree[serve]``.

    An extra is quoted, as shells take its brackets apart; an environment that uv made has no pip of its own.
    """
    try:
        version("pip")  # looked for as a package: to look for it as a module makes setuptools replace distutils
        tool = "pip install"
    except PackageNotFoundError:
        tool = "uv pip install"
    return f"{tool} '{what}'" if "[" in what else f"{tool} {what}"


def made(target: str, otherwise: str) -> str:
    """``run make TARGET`` in a clone of the repository, else the command of those who have the package alone."""
    return f"run make {target}" if (Path(__file__).parents[3] / "Makefile").is_file() else otherwise
