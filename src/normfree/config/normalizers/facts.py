"""What a configuration has to know of a normaliser before torch is there."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class NormalizerFacts:
    """As the normaliser itself says it in ``normfree.nets.normalizers``; a test holds both against each other.

    Attributes:
        name: the value of ``model.normalizer``.
        title: how sentences call it.
        sees: what its statistics are taken over: the ``batch``, each ``sample`` by itself, or ``none``.
        options: the keys of ``model.`` that it takes.
        own_activation: it is the nonlinearity too, and another is refused.
        skip_gains: its branches begin closed, behind a gain that is learnt from 0.
    """

    name: str
    title: str
    sees: Literal["batch", "sample", "none"]
    options: tuple[str, ...] = field(default=())
    own_activation: bool = False
    skip_gains: bool = False


SEEN: Mapping[str, str] = {"batch": "the batch", "sample": "a sample by itself", "none": "nothing"}
"""How a sentence goes on after 'whose statistics see'."""
