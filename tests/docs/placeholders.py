"""What stands on a page for something of the reader's own: RUN, FILE, PATH, PICTURES."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from PIL import Image
from tests.conftest import TINY, command_line
from tests.data.images import digits_as_parquet
from tests.docs.shortened import images_of

KEPT = ("optimizer.ema_decay=0.9", "trainer.evaluate_every=4")
"""What has a run keep all the weights that a page may ask for."""
_OWN_IMAGES = re.compile(r"((?:data\.root|root)[=:] *)[A-Z][A-Z_]+\b|\bPATH\b")


def filled(words: list[str], place: Path) -> list[str]:
    """The words with what stands for them in this folder, made where they are not there yet."""
    return [_filled(word, words, place) for word in words]


def _filled(word: str, words: list[str], place: Path) -> str:
    if _OWN_IMAGES.search(word):
        folder = str(_images(images_of(words) or "folder", place))
        word = _OWN_IMAGES.sub(lambda found: f"{found[1] or ''}{folder}", word)
    if "photo.jpg" in word or "PICTURES" in word or "photos" in word:
        _pictures(place)
        word = word.replace("PICTURES", "photos")
    for name, age in (("OTHER_RUN", 1), ("RUN", 0)):
        if re.search(rf"\b{name}\b", word):
            word = _of_run(word, name, run(place, age).relative_to(place))
    if re.search(r"\bFILE\b", word):
        word = re.sub(r"\bFILE\b", str((run(place) / "checkpoints" / "final.ckpt").relative_to(place)), word)
    return word


def _of_run(word: str, name: str, path: Path) -> str:
    """The run's directory, and in the names of other files its name."""
    word = re.sub(rf"(?<![\w/])(runs/\w+/)?{name}\b", str(path), word)
    return re.sub(rf"\b{name}\b", path.name, word)


def run(place: Path, age: int = 0) -> Path:
    """A finished run of the page: the newest, or the one that was so many before it."""
    found = _finished(place)
    for seed in range(len(found), age + 1):
        words = (*TINY, *KEPT, f"seed={100 + seed}", "experiment.name=single")
        trained = command_line("train.py", *words, cwd=place)
        assert trained.returncode == 0, trained.stderr
    return (found if len(found) > age else _finished(place))[age]


def _finished(place: Path) -> list[Path]:
    results = sorted(place.glob("runs/*/*/result.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    return [path.parent for path in results]


def _images(kind: str, place: Path) -> Path:
    folder = place / "images" / kind
    if not folder.exists():
        digits_as_parquet(folder, names=None) if kind == "parquet" else _class_folders(folder)
    return folder


def _class_folders(folder: Path) -> None:
    """40 images of two classes to train on and 10 to test."""
    for split, count in (("train", 40), ("val", 10)):
        for number in range(count):
            path = folder / split / str(number % 2) / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((40, 50, 3), number, np.uint8)).save(path)


def _pictures(place: Path) -> None:
    folder = place / "photos"
    folder.mkdir(exist_ok=True)
    for number in range(3):
        Image.fromarray(np.full((40, 50, 3), 60 * number, np.uint8)).save(folder / f"{number}.png")
    Image.fromarray(np.full((40, 50, 3), 90, np.uint8)).save(place / "photo.jpg")
