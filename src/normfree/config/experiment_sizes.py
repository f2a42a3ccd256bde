"""Sizes of an experiment: the same question on another machine, as a few lines of its file.

``size=gpu`` of ``experiment=NAME`` is what ``experiment.sizes.gpu`` says: words of a command line (``set``, ``seed``),
other ``grids``, and what of the report is another. Its runs and its report are those of ``NAME-gpu``.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from normfree.config.errors import UserError, nearest
from normfree.config.yaml_file import parse_yaml, read_checked

SIZE = "size"
USUAL = "cpu"
"""The file as it is written."""
_REPLACED = ("grids", "trials", "figure", "threats", "rules", "question")
_MERGED = ("series", "panels", "claims")
_KEYS = ("set", "seed", "cost", *_REPLACED, *_MERGED)


def sizes_of(experiment: Mapping[Any, Any], name: str) -> dict[str, Mapping[str, Any]]:
    """The sizes that an ``experiment:`` node has beside the usual one.

    Raises:
        UserError: for one that cannot be used.
    """
    sizes = experiment.get("sizes") or {}
    place = f"experiment={name}: experiment.sizes"
    if not isinstance(sizes, Mapping):
        raise UserError(f"{place}: must be names with what each sets, such as {{gpu: {{set: [trainer=gpu]}}}}")
    for size, content in sizes.items():
        if not isinstance(size, str) or not size.isidentifier() or size == USUAL:
            raise UserError(f"{place}.{size}: give another name; {USUAL} is the file as it is written")
        if not isinstance(content, Mapping):
            raise UserError(f"{place}.{size}: must be a table of {', '.join(_KEYS)}")
        for key in content:
            if key not in _KEYS:
                raise UserError(
                    f"{place}.{size}.{key}: no such key{nearest(str(key), _KEYS)}; there are: {', '.join(_KEYS)}"
                )
        words = content.get("set") or []
        if not isinstance(words, list) or not all(isinstance(word, str) and "=" in word for word in words):
            raise UserError(f"{place}.{size}.set: must be a list of KEY=VALUE, such as [trainer=gpu, epochs=30]")
    return {str(size): content for size, content in sizes.items()}


def size_of(experiment: Mapping[Any, Any], name: str, size: str) -> Mapping[str, Any]:
    """What a size says; nothing for the usual one.

    Raises:
        UserError: the experiment has no such size; names those that exist.
    """
    if size == USUAL:
        return {}
    sizes = sizes_of(experiment, name)
    if size not in sizes:
        known = (USUAL, *sizes)
        raise UserError(f"size={size}: {name} has no such size{nearest(size, known)}; there are: {', '.join(known)}")
    return sizes[size]


def words_of(experiment: Mapping[Any, Any], name: str, size: str) -> list[str]:
    """The words of a command line that a size stands for."""
    content = size_of(experiment, name, size)
    if not content:
        return []
    seed = content.get("seed")
    seeds = ",".join(map(str, seed)) if isinstance(seed, list) else seed
    more = [] if seed is None else [f"seed={seeds}"]
    return [f"experiment.name={named(name, size)}", f"experiment.size={size}", *(content.get("set") or []), *more]


def grids_of(experiment: Mapping[Any, Any], size: str) -> Any:
    """The grids of a size: its own, or those of the file."""
    own = size_of(experiment, str(experiment.get("name")), size).get("grids")
    return experiment.get("grids") if own is None else own


def in_size(experiment: Mapping[Any, Any], name: str, size: str) -> dict[str, Any]:
    """The ``experiment:`` node that a report of a size reads.

    Its own grids, figure, rules and question in the place of the file's; its own threats alone, as the file's are of
    the usual size; its series, panels and claims beside the file's, less what it gives as null.
    """
    content = {str(key): value for key, value in experiment.items() if key != "sizes"}
    own = size_of(experiment, name, size)
    if not own:
        return content
    command = content.get("command") or f"python train.py -m experiment={name}"
    content = {key: value for key, value in content.items() if key != "threats"}
    content |= {key: own[key] for key in _REPLACED if key in own}
    for key in _MERGED:
        if isinstance(own.get(key), Mapping):
            both = {**(content.get(key) or {}), **own[key]}
            content[key] = {one: value for one, value in both.items() if value is not None}
    return content | {"name": named(name, size), "command": f"{command} size={size}"}


def named(name: str, size: str) -> str:
    """What the runs and the report of a size are called."""
    return name if size == USUAL else f"{name}-{size}"


def file_of(name: str, folders: Iterable[Path]) -> tuple[Path, str, str] | None:
    """An experiment's file, its own name there, and the size: ``NAME-gpu`` is of ``NAME``, where that has sizes."""
    places = list(folders)
    for own, size in ((name, USUAL), name.rpartition("-")[::2]):
        path = next((path for each in places if own and (path := each / f"{own}.yaml").is_file()), None)
        if path is not None and (size == USUAL or sizes_of(node_of(path, own), own)):
            return path, own, size
    return None


def node_of(path: Path, name: str) -> Mapping[Any, Any]:
    """The ``experiment:`` node of a file; empty where there is none.

    Raises:
        UserError: the file cannot be read.
    """
    text = read_checked(path, f"experiment={name}")
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise UserError(f"experiment={name}: {path} cannot be read: {' '.join(str(error).split())}") from error
    node = content.get("experiment") if isinstance(content, Mapping) else None
    return node if isinstance(node, Mapping) else {}
