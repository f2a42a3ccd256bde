"""What the keys of every probe have in common."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from normfree.config.key_readers import some_text, whole_number
from normfree.config.keys import key

MOST_NETWORKS, MOST_NUMBERS = 4, 6


@dataclass(frozen=True, kw_only=True)
class ProbeKeys:
    """What every probe can be told.

    Attributes:
        about: what the probe shows, in one line.
        example: its first key with a value.
    """

    about: ClassVar[str]
    example: ClassVar[str]

    def check(self) -> None:
        """What can be refused before anything is made."""

    seed: int = key(0, "of everything that is drawn", whole_number(0, 2**31 - 1))
    reports_dir: str = key("reports", "the report is <reports_dir>/probes/<probe>/", some_text("a directory"))


def networks(text: str) -> tuple[str, ...]:
    """Reads names with commas between them."""
    names = tuple(text.split(","))
    if not all(re.fullmatch(r"[\w./-]+", name) for name in names):
        raise ValueError("give names of networks with commas between them, such as resnet50,nf_resnet50")
    if len(set(names)) < len(names):
        raise ValueError("give each network once")
    if len(names) > MOST_NETWORKS:
        raise ValueError(f"give up to {MOST_NETWORKS} networks")
    return names
