"""What every command can be told of the trained network that it takes, and of the images that this sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from normfree.config.errors import UserError
from normfree.config.key_readers import choice, optional, some_text, whole_number
from normfree.config.keys import key, read_keys

CLASSES = ("same", "by_name", "by_number")
PASSED_ON = ("data", "model")
"""Groups whose words go to where a run's configuration is composed."""


@dataclass
class NetworkKeys:
    """A trained network: where it is, which of its weights, and what it is shown."""

    run: str = key("", "a run directory", some_text("a run directory"))
    weights: str = key("", "or a file of weights", some_text("a file of weights"))
    checkpoint: str = key("final", "or best, of a run with trainer.evaluate_every", choice("final", "best"))
    kind: str = key("raw", "weights as trained, or ema, their moving average", choice("raw", "ema"))
    size: int | None = key(None, "side of the images in pixels; default: as the run tested", optional(whole_number(1)))
    classes: str = key("same", "of other images: by_name finds each by its name, by_number takes numbers as they are",
                       choice(*CLASSES))  # fmt: skip
    data_words: list[str] = field(default_factory=list)
    model_words: list[str] = field(default_factory=list)


T = TypeVar("T", bound=NetworkKeys)


def read_network_keys(kind: type[T], words: Sequence[str], *, command: str, alone: str, of: Mapping[str, str]) -> T:
    """The keys of a command line, with the words of `PASSED_ON` put by.

    Args:
        command: whose ``--help`` tells the keys.
        alone: what is said of ``-m``.
        of: the keys that name a network, of which one is given, with how each is typed.

    Raises:
        UserError: an unknown word, no network, several of them, or the model of a run.
    """
    rest = [word for word in words if _group(word) not in PASSED_ON]
    keys = read_keys(kind, rest, command=command, further=PASSED_ON, flags={"-m": alone, "--multirun": alone})
    keys.data_words = [word for word in words if _group(word) == "data"]
    keys.model_words = [word for word in words if _group(word) == "model"]
    given = [f"{name}={_typed(value)}" for name in of if (value := getattr(keys, name))]
    if not given:
        *others, last = of.values()
        raise UserError(f"run: is missing; give {', '.join(others)}, or {last}")
    if len(given) > 1:
        raise UserError(f"{given[0]} and {given[1]}: give one of them")
    if keys.model_words and not keys.weights:
        raise UserError(f"{keys.model_words[0]}: a run says of which network it is; model= is for weights=FILE")
    return keys


def _group(word: str) -> str:
    """``data`` of ``data.root=PATH``; empty for a word that is no ``key=value``."""
    name, equals, _ = word.partition("=")
    return name.partition(".")[0] if equals else ""


def _typed(value: str | list[str]) -> str:
    return value if isinstance(value, str) else ",".join(value)
