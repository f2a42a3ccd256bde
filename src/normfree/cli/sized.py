"""``size=gpu`` on a command line: what it stands for in the file of the experiment, before anybody else reads it."""

from collections.abc import Sequence

from normfree.config import UserError
from normfree.config.experiment_sizes import SIZE, USUAL, named, node_of, words_of
from normfree.config.names import key_of
from normfree.config.places import EXPERIMENT, Places

_OF_FIGURES = ("column", "page")
"""What ``size`` is of a figure, for `report.py`."""


def with_size(words: Sequence[str], places: Places) -> list[str]:
    """The words for Hydra: those of the size stand after the experiment, less those whose key is typed.

    Raises:
        UserError: a size without an experiment, or one that it does not have.
    """
    size, rest = _taken(words)
    if not size:
        return rest
    name = _experiment(rest, size)
    path = places.find(f"{EXPERIMENT}/{name}.yaml")
    if size == USUAL or path is None:  # Hydra tells which experiments there are
        return rest
    typed = {key_of(word) for word in rest}
    own = [word for word in words_of(node_of(path, name), name, size) if key_of(word) not in typed]
    after = rest.index(f"{EXPERIMENT}={name}") + 1
    return [*rest[:after], *own, *rest[after:]]


def with_name(words: Sequence[str]) -> list[str]:
    """For commands that look at runs: the experiment by the name that the runs of its size have.

    Raises:
        UserError: a size without an experiment.
    """
    size, rest = _taken(words)
    if not size:
        return rest
    name = _experiment(rest, size)
    return [f"{EXPERIMENT}={named(name, size)}" if word == f"{EXPERIMENT}={name}" else word for word in rest]


def _taken(words: Sequence[str]) -> tuple[str, list[str]]:
    """The size of an experiment, or nothing, and the other words."""
    prefix = f"{SIZE}="
    found = [word for word in words if word.startswith(prefix) and word.removeprefix(prefix) not in _OF_FIGURES]
    if len(found) > 1:
        raise UserError(f"{found[1]}: size is given twice; give it once")
    if not found:
        return "", list(words)
    size = found[0].removeprefix(prefix)
    if not size.isidentifier():
        raise UserError(f"size={size}: give one size of an experiment, such as size=gpu")
    return size, [word for word in words if word != found[0]]


def _experiment(words: Sequence[str], size: str) -> str:
    found = [word.partition("=")[2] for word in words if word.startswith(f"{EXPERIMENT}=")]
    if len(found) != 1 or "," in found[0]:
        raise UserError(f"size={size}: is the size of one experiment; add experiment=NAME")
    return found[0]
