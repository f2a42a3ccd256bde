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
        (PETS, ("eel", "cat"), "by_name", (2, 0)),
        (PETS, ("a", "b"), "by_number", (0, 1)),
        (PETS, ("a", "b", "c"), "by_number", None),
    ],
)
def test_same(network: tuple[str, ...], images: tuple[str, ...], how: str, numbers: tuple[int, ...] | None) -> None:
    assert label_map(network, images, how) == numbers


def test_imagenets_folders_are_the_words_that_its_networks_know() -> None:
    folders = [f"n{number:08}" for number in range(1000)]
    words = [f"thing {number}" for number in range(1000)]
    assert label_map(words, folders) is None
    for others in (folders[::-1], ["n1", *folders[1:]]):
        with pytest.raises(UserError, match="number 0 is"):
            label_map(words, others)


def test_of_a_network_that_does_not_say_its_classes_their_number_is_compared() -> None:
    numbers = ("0", "1", "2")
    assert label_map(numbers, PETS, known=False) is None
    with pytest.raises(UserError, match="number 0 is cat in the images and 0 to the network"):
        label_map(numbers, PETS)  # digits are no pets
    with pytest.raises(UserError, match="3 classes and the network 2"):
        label_map(("0", "1"), PETS, known=False)


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
