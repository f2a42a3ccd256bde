"""The user's own code that a configuration names, copied beside normfree's for jobs that wait in the queue."""

import shutil
import sys
import sysconfig
from collections.abc import Iterable
from importlib.machinery import PathFinder
from pathlib import Path

from normfree.config import Resolved, UserError


def own_modules(cells: Iterable[Resolved]) -> dict[str, list[Path]]:
    """Top-level modules outside this package that configurations take code from: a file, or a package's folders.

    Installed ones are left out: jobs find them where they are.

    Raises:
        UserError: there is no such module here.
    """
    targets = {resolved.config.clip._target_ for resolved in cells} - {None}
    names = {str(target).partition(".")[0] for target in targets} - {"normfree"}
    found = {name: _places(name) for name in sorted(names)}
    return {name: own for name, places in found.items() if (own := [each for each in places if not _installed(each)])}


def copy_modules(modules: dict[str, list[Path]], target: Path) -> None:
    """Copy each file, and of each package its Python files, into ``target``."""
    for name, places in modules.items():
        for place in places:
            files = [place] if place.is_file() else place.rglob("*.py")
            for file in files:
                copy = target / file.name if place.is_file() else target / name / file.relative_to(place)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(file, copy)


def _places(name: str) -> list[Path]:
    spec = PathFinder.find_spec(name, [str(Path.cwd()), *sys.path])
    if spec is None:
        raise UserError(f"clip._target_: no module named {name}; start where it can be imported, or install it")
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    return folders or ([Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else [])


def _installed(place: Path) -> bool:
    known = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(place.resolve().is_relative_to(Path(folder).resolve()) for folder in known if folder)
