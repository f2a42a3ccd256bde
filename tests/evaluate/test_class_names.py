"""Whether images and network speak of the same classes."""

import pytest

from normfree.config import UserError
from normfree.evaluate.class_names import label_map

PETS = ("cat", "dog", "eel")


@pytest.mark.parametrize(
    ("network", "images", "how", "numbers"),
    [
        (PETS, PETS, "same", None),
        (PETS, ("0", "1", "2"), "same", None),
        (("0", "1", "2"), PETS, "same", None),
        (PETS, ("eel", "cat"), "by_name", (2, 0)),
        (PETS, ("a", "b"), "by_number", (0, 1)),
        (PETS, ("a", "b", "c"), "by_number", None),
    ],
)
def test_same(network: tuple[str, ...], images: tuple[str, ...], how: str, numbers: tuple[int, ...] | None) -> None:
    assert label_map(network, images, how) == numbers


@pytest.mark.parametrize(
    ("images", "how", "line"),
    [
        (("dog", "cat", "eel"), "same", "in another order .*; add classes=by_name"),
        (("cat", "eel"), "same", "2 of them .*; add classes=by_name"),
        (("cat", "dog", "owl"), "same", r"number 2 is owl in the images and eel to the network.*classes=by_number"),
        (("cat", "dog", "eel", "owl"), "same", "4 classes and the network 3, .*; give the data"),
        (("cat", "owl"), "by_name", "does not know owl"),
        (("a", "b", "c", "d"), "by_number", "4 classes, and the network knows 3"),
    ],
)
def test_refused(images: tuple[str, ...], how: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        label_map(PETS, images, how)
