"""The parts of a run that may be the user's own code: a target, ``module.name``, and the arguments it is given.

One row a group. What keeps the source, puts its digest into a run's name, copies it to a cluster, refuses it in a plan
that comes from elsewhere or checks the keys goes by this list.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from normfree.config.errors import UserError
from normfree.config.schema import TrainConfig

CUSTOM = "custom"


class Part(NamedTuple):
    """A group with an option ``custom``.

    Attributes:
        group: as on the command line.
        example: a target.
        arguments_example: what it may be given.
        told_by: the key of the group that is ``custom`` then.
    """

    group: str
    example: str
    arguments_example: str
    told_by: str = "name"

    @property
    def target(self) -> str:
        """The key that names the code."""
        return f"{self.group}._target_"

    @property
    def arguments(self) -> str:
        """The key of what the code is given."""
        return f"{self.group}.arguments"

    def is_custom(self, config: TrainConfig) -> bool:
        """Whether this part of a run is the user's own."""
        return bool(getattr(getattr(config, self.group), self.told_by) == CUSTOM)

    def named_arguments(self, given: Any) -> dict[str, Any]:
        """What the code is given, by name.

        Raises:
            UserError: it has no names.
        """
        if not isinstance(given, Mapping | None):
            raise UserError(
                f"{self.arguments}={given}: give names and values, such as "
                f"'{self.arguments}={{{self.arguments_example}}}'"
            )
        return dict(given or {})

    def named(self, config: TrainConfig) -> str:
        """The target of a checked configuration whose part is the user's own."""
        return str(getattr(config, self.group)._target_)


MODEL = Part("model", "my_nets.PlainCNN", "width: 32", told_by="family")
CLIP = Part("clip", "my_clipping.halve", "share: 0.5")
DATA = Part("data", "my_data.Blobs", "images: 1000")
OPTIMIZER = Part("optimizer", "my_optimizers.Descent", "momentum: 0.9")
LOGGER = Part("logger", "my_loggers.Lines", "file: rows.jsonl")
PARTS = (MODEL, CLIP, DATA, OPTIMIZER, LOGGER)


class _Normalizer(Part):
    """What is named by the key itself: a name with a dot is one of the user's own."""

    @property
    def target(self) -> str:
        """The key that names the code."""
        return "model.normalizer"

    def is_custom(self, config: TrainConfig) -> bool:
        """Whether the normaliser of a run is the user's own."""
        return is_target(config.model.normalizer)

    def named(self, config: TrainConfig) -> str:
        """The target of a checked configuration whose normaliser is the user's own."""
        return config.model.normalizer


NORMALIZER = _Normalizer("model", "my_norms.ImageRMS", "")
EVERY_PART = (*PARTS, NORMALIZER)


def is_target(name: str) -> bool:
    """``module.name``: code, and no name of an option."""
    return "." in name


def own_parts(config: TrainConfig) -> list[Part]:
    """The parts of a run that are the user's own."""
    return [part for part in EVERY_PART if part.is_custom(config)]


def check_parts(config: TrainConfig) -> None:
    """Targets where they are wanted and nowhere else, and arguments that have names.

    Raises:
        UserError: for the first key that is wrong.
    """
    for part in PARTS:
        group: Any = getattr(config, part.group)
        own = part.is_custom(config)
        if own and group._target_ is None:
            raise UserError(
                f"{part.target}=null: {part.group}=custom needs a value, such as {part.target}={part.example}"
            )
        if not own and group._target_ is not None:
            raise UserError(
                f"{part.target}={group._target_}: {part.group}={group.name} has its own code; add {part.group}=custom"
            )
        part.named_arguments(group.arguments)
