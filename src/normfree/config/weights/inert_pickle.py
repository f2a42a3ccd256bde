"""A pickle read without doing what it asks for: of every class or function it names, what it would have been given.

torch's checkpoints and the released Haiku files are pickles, which are programs. Here each name that one looks up is an
`Asked` for that name, a call of it another, and nothing of either is ever imported or run.
"""

import io
import pickle
from collections.abc import Callable
from typing import Any


class Asked:
    """Something that a pickle wanted to make.

    Attributes:
        name: ``module.name`` of what it looked up.
        arguments: what it would have been called with; ``None`` for the name itself.
        state: what it would have been filled with.
        items: what would have been put into it by key.
    """

    def __init__(self, name: str, arguments: tuple[Any, ...] | None = None) -> None:
        self.name = name
        self.arguments = arguments
        self.state: Any = None
        self.items: dict[Any, Any] = {}

    def __call__(self, *arguments: Any) -> "Asked":
        return Asked(self.name, arguments)

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items[key] = value

    def append(self, value: Any) -> None:
        """A list of a kind that is not known: what is in it is of no use here."""


class _Reader(pickle.Unpickler):
    def __init__(self, content: bytes, stored: Callable[[Any], Any]) -> None:
        super().__init__(io.BytesIO(content))
        self._stored = stored

    def find_class(self, module: str, name: str) -> Any:
        return Asked(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        return self._stored(pid)


def read_inert(content: bytes, stored: Callable[[Any], Any] = lambda found: found) -> Any:
    """What a pickle holds: plain values, and `Asked` in the place of everything else.

    Args:
        stored: what to put in the place of what lies outside of the pickle, by what it says of it.

    Raises:
        ValueError: it is no pickle, or a damaged one.
    """
    try:
        return _Reader(content, stored).load()
    except Exception as error:  # a damaged pickle raises nearly anything
        raise ValueError(f"cannot be read ({type(error).__name__})") from error


def table(content: Any) -> dict[Any, Any] | None:
    """A dictionary, plain or of a kind of its own; ``None`` for anything else."""
    if isinstance(content, dict):
        return content
    if isinstance(content, Asked) and content.name == "collections.OrderedDict":
        return content.items
    return None
