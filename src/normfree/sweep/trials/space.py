"""The space of a search: keys of a configuration with the values that a trial may give them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from normfree.config import TrainConfig, UserError
from normfree.config.errors import nearest
from normfree.config.schema_keys import schema_keys

PLACE = "experiment.trials.space"
_GROUPS = ("augment", "clip", "data", "model", "optimizer", "recipe")
_OPEN = ("model.arguments.", "clip.arguments.", "data.arguments.", "optimizer.arguments.")
_OF_THE_SEARCH = ("seed", "steps", "epochs", "runs_dir", "plan", "again")
_OF_NO_TRIAL = ("experiment", "logger", "sweep", "trainer")
_RANGE = ("from", "to", "log", "step")
_DIGITS = 4
"""Of a value from a range, as it is typed."""


@dataclass(frozen=True)
class Dimension:
    """A key and its values: `choices` as they are typed, or numbers from `low` to `high`.

    Attributes:
        log: numbers are drawn by their logarithm.
        step: between neighbouring numbers; ``None`` for any number.
    """

    key: str
    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None

    def word(self, value: str | float) -> str:
        """The override that gives a trial this value."""
        # What a configuration leaves open has to be added to it.
        added = "++" if self.key.startswith(_OPEN) else ""
        return f"{added}{self.key}={value if isinstance(value, str) else self._number(value)}"

    def _number(self, value: float) -> str:
        """Whole numbers as they are, others to some digits."""
        whole = self.step is not None and float(self.low).is_integer() and float(self.step).is_integer()
        return str(round(value)) if whole else f"{value:.{_DIGITS}g}"

    @property
    def count(self) -> int | None:
        """How many values there are; ``None`` for a range without steps."""
        if self.choices:
            return len(self.choices)
        return None if self.step is None else math.floor((self.high - self.low) / self.step + 1e-9) + 1

    @property
    def examples(self) -> tuple[str | float, ...]:
        """Its choices, or the ends of its range."""
        return self.choices or (self.low, self.high)

    def described(self) -> list[Any]:
        """What makes it another dimension, as JSON holds it."""
        return list(self.choices) if self.choices else [self.low, self.high, self.log, self.step]


def space_of(given: Any) -> tuple[Dimension, ...]:
    """The dimensions of ``experiment.trials.space``.

    Raises:
        UserError: names key, value and remedy.
    """
    if not isinstance(given, Mapping) or not given:
        raise UserError(
            f"{PLACE}={given!r}: is empty; give keys with values, such as {{lr: {{from: 0.05, to: 3.2, log: true}}}}"
        )
    return tuple(_dimension(str(key), values) for key, values in given.items())


def combinations_of(space: Sequence[Dimension]) -> int | None:
    """How many combinations there are; ``None`` where a range has no steps."""
    counts = [one.count for one in space]
    return None if None in counts else math.prod(count for count in counts if count is not None)


def typed(value: Any) -> str:
    """A value of a YAML file as it is typed on a command line."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{typed(one)}" for key, one in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(typed, value)) + "]"
    return str(value)


def _dimension(key: str, values: Any) -> Dimension:
    place = f"{PLACE}.{key}"
    if key in _OF_THE_SEARCH or key.split(".")[0] in _OF_NO_TRIAL:
        raise UserError(f"{place}: is no key of a network or a recipe; take it out of the space")
    known = [name for name in schema_keys(TrainConfig) if not name.startswith(_OF_NO_TRIAL)]
    if key not in known and key not in _GROUPS and not key.startswith(_OPEN):
        raise UserError(f"{place}: no such key{nearest(key, known)}; python train.py --help lists all")
    if isinstance(values, Mapping):
        return _range(key, place, values)
    if not isinstance(values, list) or not values:
        raise UserError(f"{place}={values!r}: give a list of values, or {{from: 0.05, to: 3.2, log: true}}")
    words = tuple(typed(value) for value in values)
    if len(set(words)) < len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise UserError(f"{place}: has {twice} twice; take one of them out")
    return Dimension(key, words)


def _range(key: str, place: str, values: Mapping[Any, Any]) -> Dimension:
    for name in values:
        if name not in _RANGE:
            raise UserError(f"{place}.{name}: no such key{nearest(str(name), _RANGE)}; there are: {', '.join(_RANGE)}")
    numbers = {}
    for name in ("from", "to", "step"):
        value = values.get(name)
        if value is None and name == "step":
            continue
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise UserError(f"{place}.{name}={value}: give a number, as in {{from: 0.05, to: 3.2, log: true}}")
        numbers[name] = float(value)
    low, high, step, log = numbers["from"], numbers["to"], numbers.get("step"), values.get("log", False)
    if not isinstance(log, bool):
        raise UserError(f"{place}.log={log}: give true or false")
    if high <= low:
        raise UserError(f"{place}.to={high:g}: is not above from={low:g}; give the higher end")
    if log and low <= 0:
        raise UserError(f"{place}.from={low:g}: has no logarithm; give a number above 0, or log: false")
    if step is not None and (log or step <= 0 or step > high - low):
        raise UserError(f"{place}.step={step:g}: give a step between 0 and {high - low:g}, without log: true")
    if step is not None:  # the last number that is reached
        high = low + step * math.floor((high - low) / step + 1e-9)
    return Dimension(key, (), low, high, log, step)
