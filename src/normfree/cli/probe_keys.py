"""What the keys of every probe have in common."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from normfree.config import UserError
from normfree.config.errors import nearest
from normfree.config.key_readers import some_text, whole_number
from normfree.config.keys import key
from normfree.config.networks import usual_of
from normfree.config.normalizers import NORMALIZERS
from normfree.config.normalizers.own import target_of
from normfree.config.parts import NORMALIZER, is_target

MOST_NETWORKS, MOST_NUMBERS = 4, 6
ALL = "all"


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


def normalizers(text: str) -> tuple[str, ...]:
    """Reads names of normalisers with commas between them, the user's own ``my_norms.ImageRMS`` too, or ``all``."""
    known = {*NORMALIZERS, ALL}
    names = tuple(name if name in known else target_of(name) for name in text.split(","))
    if len(set(names)) < len(names):
        raise ValueError("give each normaliser once")
    titles = [name.rpartition(".")[2] for name in names]
    for name, title in zip(names, titles, strict=True):
        if is_target(name) and (title in known or titles.count(title) > 1):
            raise ValueError(f"{name}: rows are named by {title}, which is another's name too; call yours otherwise")
    for name in names:
        if name not in known and not is_target(name):
            raise ValueError(
                f"no normaliser {name}{nearest(name, known)}; there are {', '.join(NORMALIZERS)}, or all, or yours, "
                f"such as {NORMALIZER.target}={NORMALIZER.example}"
            )
    if ALL in names and len(names) > 1:
        raise ValueError("all are every one of them; give it alone")
    return names


class Network(NamedTuple):
    """A network that a probe looks at.

    Attributes:
        label: how it is called: ``resnet20``, or ``resnet20_groupnorm`` where that is not its own.
        name: of the network itself.
        normalizer: in the place of its own; None for that.
    """

    label: str
    name: str
    normalizer: str | None = None


def with_normalizers(names: Sequence[str], chosen: Sequence[str]) -> list[Network]:
    """Each network with each normaliser, its own where none is chosen; one that takes none is there once.

    Raises:
        UserError: none of the networks takes one.
    """
    own = {name: usual_of(name).get("normalizer") for name in names}
    if chosen and not any(own.values()):
        raise UserError(
            f"model.normalizer={','.join(chosen)}: {', '.join(names)} takes none; give a network that does, such as "
            "model=resnet50"
        )
    every = tuple(NORMALIZERS) if tuple(chosen) == (ALL,) else tuple(chosen)
    found: list[Network] = []
    for name in names:
        for normalizer in every if own[name] else ():
            plain = normalizer == own[name]
            title = normalizer.rpartition(".")[2]
            found.append(Network(name if plain else f"{name}_{title}", name, None if plain else normalizer))
        if not every or not own[name]:
            found.append(Network(name, name))
    return found
