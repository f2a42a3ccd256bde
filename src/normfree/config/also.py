"""``evaluate_also``: what else the end of a run is measured on beside its own test split: other images, conditions."""

from __future__ import annotations

import re
from collections.abc import Mapping

from normfree.config.conditions import Condition, condition_of, divided
from normfree.config.errors import UserError
from normfree.config.other_images import other_images
from normfree.config.schema import DataConfig, TrainConfig
from normfree.config.sources import read_of, require_images

_NAME = re.compile(r"\w[\w-]{0,39}")
_EXAMPLE = "'evaluate_also={other: {root: PATH}}'"


def check_also(config: TrainConfig) -> None:
    """Their form; the images are asked for by `also_images`.

    Raises:
        UserError: a name that is none, something else than keys behind it, or no condition.
    """
    if config.evaluate_also is None:
        return
    if not isinstance(config.evaluate_also, Mapping):
        raise UserError(f"evaluate_also={config.evaluate_also}: give names with keys of data, such as {_EXAMPLE}")
    for name, given in config.evaluate_also.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserError(
                f"evaluate_also.{name}: a name of up to 40 letters, digits and dashes is needed, such as {_EXAMPLE}"
            )
        if not isinstance(given, Mapping) or not given:
            raise UserError(f"evaluate_also.{name}={given}: give keys of data, such as {_EXAMPLE}")
        condition_of(divided(given)[1], f"evaluate_also.{name}.")


def also_conditions(config: TrainConfig) -> dict[str, Condition]:
    """The condition of the test that each name stands for."""
    every = config.evaluate_also or {}
    return {name: condition_of(divided(given)[1], f"evaluate_also.{name}.") for name, given in every.items()}


def also_images(config: TrainConfig) -> dict[str, DataConfig]:
    """The images that each name stands for: the run's own data set, some keys changed, at its size of testing.

    Raises:
        UserError: a key that there is not, images that are not there or whose classes are others.
    """
    found: dict[str, DataConfig] = {}
    if not config.evaluate_also:
        return found
    own = tuple(map(str, read_of(config.data).classes))
    for name, given in config.evaluate_also.items():
        place = f"evaluate_also.{name}."
        data = other_images(config.data, divided(given)[0], place)
        require_images(data)
        other = tuple(map(str, read_of(data).classes))
        if own != other:
            odd = next((f"{b} for {a}" for a, b in zip(own, other, strict=False) if a != b), f"{len(other)} classes")
            raise UserError(
                f"{place}root={data.root}: its classes are others ({odd}); give images of the same classes, or use "
                "python evaluate.py with classes=by_name afterwards"
            )
        found[name] = data
    return found
