"""The user's own code that a configuration names: which files it is, and a digest of them.

Nothing is imported to find that out. A module brings every other module of the user's that it imports, and of a
package all Python files.
"""

import ast
import hashlib
import importlib
import importlib.util
import os
import shutil
import site
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from normfree.config import TrainConfig, UserError
from normfree.config.parts import own_parts

_NOT_SOURCE = {"__pycache__", "node_modules", "site-packages", "dist-packages"}


def own_files(target: str, key: str = "_target_") -> dict[str, Path]:
    """Name below a folder that Python imports from -> file, of the code behind ``module.name`` outside this package.

    Of a module that is installed, its own file alone.

    Args:
        key: what names it, for the error.

    Raises:
        UserError: there is no such module here.
    """
    return dict(_own_files(target, key, (os.getcwd(), *sys.path)))


def files_of(config: TrainConfig) -> dict[str, Path]:
    """`own_files` of all parts of a run that are the user's own.

    Raises:
        UserError: as `own_files`.
    """
    parts = own_parts(config)
    return {name: file for part in parts for name, file in own_files(part.named(config), part.target).items()}


@cache
def _own_files(target: str, key: str, searched: tuple[str, ...]) -> dict[str, Path]:
    """``searched`` is where Python looks for modules now: what an import finds is another thing from another folder."""
    importlib.invalidate_caches()
    top = target.partition(".")[0]
    if top in ("normfree", ""):
        return {}
    places = _places(top)
    if not places:
        if top in sys.builtin_module_names:
            return {}
        raise UserError(f"{key}={target}: no module named {top}; start where it can be imported, or install it")
    if all(_installed(place) for place in places):
        return dict(_module_file(target, places))
    found: dict[str, Path] = {}
    waiting, seen = [top], {"normfree"}
    while waiting:
        name = waiting.pop()
        if name in seen or name in sys.stdlib_module_names:
            continue
        seen.add(name)
        for place in _places(name):
            if not _installed(place):
                files = dict(_python_files(place))
                found |= files
                waiting += [each for file in files.values() for each in _imports(file)]
    return dict(sorted(found.items()))


def source_digest(target: str, key: str = "_target_") -> str:
    """Of the names and contents of `own_files`; another one is other code.

    Raises:
        UserError: as `own_files`.
    """
    content = hashlib.sha256()
    for name, file in own_files(target, key).items():
        content.update(f"{name}\0".encode() + file.read_bytes() + b"\0")
    return content.hexdigest()[:16]


def copy_files(files: Mapping[str, Path], target: Path) -> None:
    """Copy ``files`` to their names below ``target``, from where they can be imported."""
    for name, file in files.items():
        copy = target / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def is_installed(target: str) -> bool:
    """Whether jobs elsewhere find the module where it is."""
    return all(_installed(place) for place in _places(target.partition(".")[0]))


def _places(top: str) -> list[Path]:
    """A file, or a package's folders; empty for a module that there is not, or that has no file."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    return folders or ([Path(spec.origin)] if spec.origin and Path(spec.origin).is_file() else [])


def _python_files(place: Path) -> Iterator[tuple[str, Path]]:
    if place.is_file():
        yield place.name, place
        return
    for walked, inner, files in os.walk(place):
        folder = Path(walked)
        inner[:] = [name for name in inner if not _left_out(folder / name)]
        for name in files:
            if name.endswith(".py"):
                yield (folder / name).relative_to(place.parent).as_posix(), folder / name


def _left_out(folder: Path) -> bool:
    return folder.name in _NOT_SOURCE or folder.name.startswith(".") or (folder / "pyvenv.cfg").is_file()


def _module_file(target: str, places: list[Path]) -> Iterator[tuple[str, Path]]:
    names = target.split(".")[:-1]
    for place in places:
        folder = place.parent
        for file in (folder.joinpath(*names).with_suffix(".py"), folder.joinpath(*names, "__init__.py")):
            if file.is_file():
                yield file.relative_to(folder).as_posix(), file


def _imports(file: Path) -> set[str]:
    """Top-level names that a file imports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return set()
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _installed(place: Path) -> bool:
    kinds = ("stdlib", "platstdlib", "purelib", "platlib")
    known = {*(sysconfig.get_path(kind) for kind in kinds), site.getusersitepackages()}
    resolved = place.resolve()
    return bool({"site-packages", "dist-packages"} & set(resolved.parts)) or any(
        resolved.is_relative_to(Path(folder).resolve()) for folder in known if folder
    )
