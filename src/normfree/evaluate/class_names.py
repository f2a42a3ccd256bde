"""Whether images and network speak of the same classes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from normfree.config import UserError
from normfree.config.sources.reading import listed

_WORDNET = re.compile(r"n\d{8}")
_IMAGENET = 1000


def label_map(
    network: Sequence[str], images: Sequence[str], how: str = "same", known: bool = True
) -> tuple[int, ...] | None:
    """The network's number of each class of the images, ``None`` where they are the same.

    Images whose names are only numbers say nothing of theirs: of so many classes they are taken for the same.

    Args:
        known: the network's names are; else they are only numbers, and taken for the same likewise.
        how: ``same``, the names must be the same in the same order; ``by_name``, each class is looked for by its name;
            ``by_number``, numbers mean what they mean to the network.

    Raises:
        UserError: they differ; names the first and the remedy.
    """
    count = len(images)
    unnamed = not known or numbered(images)
    same = list(network) == list(images) or ((unnamed or _is_imagenet(images)) and len(network) == count)
    if how == "by_number":
        if count > len(network):
            raise UserError(
                f"classes=by_number: the images are of {count} classes, and the network knows {len(network)}"
            )
        return None if count == len(network) else tuple(range(count))
    if how == "by_name":
        number = {name: place for place, name in enumerate(network)}
        if unknown := [name for name in images if name not in number]:
            raise UserError(
                f"classes=by_name: the network does not know {listed(unknown)}; it knows {listed(network)}; "
                "give images of its classes alone, or classes=by_number where the numbers mean the same"
            )
        return tuple(number[name] for name in images)
    if same:
        return None
    if set(images) <= set(network):
        what = "in another order" if count == len(network) else f"{count} of them"
        raise UserError(
            f"data: its classes are the network's, {what} ({listed(images)}, not {listed(network)}); "
            "add classes=by_name"
        )
    place = next((i for i, (a, b) in enumerate(zip(network, images, strict=False)) if a != b), min(len(network), count))
    differ = f"number {place} is {_at(images, place)} in the images and {_at(network, place)} to the network"
    remedy = "add classes=by_number if they mean the same, or " if count <= len(network) else ""
    raise UserError(
        f"data: has {count} classes and the network {len(network)}, which are not the same ({differ}); "
        f"{remedy}give the data that it was trained for"
    )


def numbered(names: Sequence[str]) -> bool:
    """Whether they are only the numbers of the classes."""
    return list(names) == [str(number) for number in range(len(names))]


def _is_imagenet(names: Sequence[str]) -> bool:
    """Whether they are ImageNet's folders, WordNet's numbers in order, which a network may know by their words."""
    return len(names) == _IMAGENET and sorted(names) == list(names) and all(map(_WORDNET.fullmatch, names))


def _at(names: Sequence[str], place: int) -> str:
    return names[place] if place < len(names) else "none"
