"""The items of a data set of the user's own, looked at before anything is trained."""

import hashlib
import json
import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from normfree.config.errors import UserError
from normfree.config.instantiate import called, imported
from normfree.config.parts import DATA
from normfree.config.sources.reading import SMALL
from normfree.config.sources.shown import shown
from normfree.config.sources.words import TEST, TRAIN
from normfree.config.tracebacks import kept_traceback, one_line
from normfree.host.wording import counted, some

MOST_CLASSES = 1_000_000
"""A label beyond is no number of a class, but a hash or an identity."""
LOOKED_AT = 64
"""Images of a set that are looked at, evenly spaced; all of a small one, or one that does not say its labels."""


class OwnItems:
    """A split: ``len(dataset)`` images with labels.

    Args:
        dataset: has ``__len__`` and ``__getitem__``; ``targets`` or ``labels`` (whole numbers, one an image) spare
            reading all images for them, ``classes`` are names.
        place: how it is called.

    Attributes:
        labels: one an image.
        classes: names, empty where there are none.
        shapes: (channels, height, width) of the images that were looked at.
        digest: of the pixels of these.

    Raises:
        UserError: an item is no image with a label, the items are of several types, or change when asked for again.
    """

    def __init__(self, dataset: Any, place: str) -> None:
        self.place, self._dataset = place, dataset
        missing = [each for each in ("__len__", "__getitem__") if not hasattr(type(dataset), each)]
        if missing:
            raise self._wrong(f"gives {type(dataset).__name__} without {' and '.join(missing)}")
        self._count = len(dataset)
        if not self._count:
            raise self._wrong("has no images")
        self.classes = _texts(getattr(dataset, "classes", None))
        told = next((found for key in ("targets", "labels") if (found := self._told(key)) is not None), None)
        first = self.item(0)[0]
        if _bytes(first) != _bytes(self.item(0)[0]):
            raise self._wrong("gives another image each time that item 0 is asked for; leave chance to augment=")
        small = len(_bytes(first)) * self._count <= SMALL
        every = range(self._count) if small or told is None else _spaced(self._count)
        if told and not 0 <= max(told, key=abs) < MOST_CLASSES:
            raise self._wrong(f"its targets hold {max(told, key=abs)}; labels count from 0, one number a class")
        self.labels = told or []
        self.shapes: set[tuple[int, int, int]] = set()
        self.digest = self._look_at(every, _kind(first), told)

    def item(self, index: int) -> tuple[Any, int]:
        """An image, PIL's or a uint8 tensor, and its label.

        Raises:
            UserError: it is something else, or cannot be read.
        """
        try:
            found = self._dataset[index]
        except (Exception, SystemExit) as error:
            where = kept_traceback(error, self.place)
            raise self._wrong(f"item {index} cannot be read ({one_line(error)}){where}") from error
        if not isinstance(found, Sequence) or isinstance(found, str) or len(found) != 2:
            raise self._wrong(f"item {index} is {some(type(found).__name__)}, not an image and a label")
        image, label = found
        if not (_is_pil(image) or _is_pixels(image)):
            raise self._wrong(f"item {index} is {_said(image)}, not a PIL image or a uint8 tensor [C, H, W]")
        try:
            return image, operator.index(label)
        except TypeError as error:
            raise self._wrong(f"item {index} has {_said(label)} for a label, not a whole number") from error

    def _look_at(self, every: Sequence[int], kind: str, told: list[int] | None) -> str:
        content = hashlib.sha256()
        few = len(every) <= LOOKED_AT
        for index in every if few else shown(every, f"reading images and labels of {self.place}"):
            image, label = self.item(index)
            if _kind(image) != kind:
                raise self._wrong(f"item 0 is {kind}, item {index} {_kind(image)}; give all alike")
            if told is None:
                self.labels.append(label)
            elif told[index] != label:
                raise self._wrong(f"item {index} has label {label}, and its targets say {told[index]}")
            if not 0 <= label < MOST_CLASSES:
                raise self._wrong(f"item {index} has label {label}; labels count from 0, one number a class")
            shape = _shape(image)
            self.shapes.add(shape)
            content.update(f"{index}\0{shape}\0".encode() + _bytes(image))
        return content.hexdigest()[:16]

    def _told(self, key: str) -> list[int] | None:
        found = getattr(self._dataset, key, None)
        if found is None or isinstance(found, str) or not hasattr(type(found), "__len__"):
            return None
        try:
            told = [operator.index(label) for label in found]
        except TypeError:
            return None
        if len(told) != self._count:
            raise self._wrong(f"has {len(told)} {key} for {counted(self._count, 'image')}; give one for each, or none")
        return told

    def _wrong(self, why: str) -> UserError:
        return UserError(f"{DATA.target}={self.place}: {why}")


def open_splits(target: str, arguments: Mapping[str, Any] | None, root: str | None) -> dict[str, OwnItems]:
    """The training and test images that ``target`` gives; once a process.

    Raises:
        UserError: it cannot be called, or as `OwnItems`.
    """
    return _opened(target, json.dumps(DATA.named_arguments(arguments), sort_keys=True, default=str), root)


@cache
def _opened(target: str, arguments: str, root: str | None) -> dict[str, OwnItems]:
    code = imported(DATA, target)
    place = {} if root is None else {"root": root}
    return {
        split: OwnItems(called(DATA, target, code, json.loads(arguments), split=split, **place), f"{target}({split})")
        for split in (TRAIN, TEST)
    }


def _spaced(count: int) -> list[int]:
    return sorted({number * (count - 1) // (LOOKED_AT - 1) for number in range(LOOKED_AT)})


def _texts(classes: Any) -> list[str]:
    if isinstance(classes, Sequence) and not isinstance(classes, str):
        return [str(each) for each in classes]
    return []


def _names(value: Any) -> Iterator[str]:
    return (f"{each.__module__}.{each.__name__}" for each in type(value).__mro__)


def _is_pil(image: Any) -> bool:
    return "PIL.Image.Image" in _names(image)


def _is_pixels(image: Any) -> bool:
    if "torch.Tensor" not in _names(image) or str(image.dtype) != "torch.uint8":
        return False
    return image.ndim == 2 or (image.ndim == 3 and image.shape[0] in (1, 3))


def _said(value: Any) -> str:
    """What something is, in words."""
    if "torch.Tensor" in _names(value):
        return f"a tensor of {value.dtype} {list(value.shape)}"
    return some(type(value).__name__)


def _kind(image: Any) -> str:
    return "a PIL image" if _is_pil(image) else f"a uint8 tensor of {counted(_shape(image)[0], 'channel')}"


def _shape(image: Any) -> tuple[int, int, int]:
    """Channels, height, width."""
    if _is_pil(image):
        return (1 if image.mode in ("1", "L", "I", "F", "I;16") else 3), image.height, image.width
    channels, height, width = image.shape if image.ndim == 3 else (1, *image.shape)
    return int(channels), int(height), int(width)


def _bytes(image: Any) -> bytes:
    if _is_pil(image):
        return f"{image.mode} {image.size} ".encode() + bytes(image.tobytes())
    return bytes(image.detach().cpu().contiguous().numpy().tobytes())
