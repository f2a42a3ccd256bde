"""The images of the race, as parquet and as files: some of CIFAR-10, or the embedded digits where none are given."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import Tensor

from normfree.config import UserError
from normfree.config.schema import DataConfig
from normfree.config.sources.cifar import CIFAR
from normfree.data.mnist5k import mnist5k
from normfree.data.samples import ParquetSamples

DATA = ("parquet", "folder")
_ASIDE = 10
"""Images, one of each class, of a test split that a run of this package asks for and no contestant is measured on."""


@dataclass(frozen=True)
class Encoded:
    """Encoded images and their labels.

    Attributes:
        label: how tables call them.
    """

    label: str
    train: list[tuple[bytes, int]]
    test: list[tuple[bytes, int]]

    @property
    def classes(self) -> int:
        return 1 + max(label for _, label in self.train)


def read(root: str | None, samples: int, test: int) -> Encoded:
    """At most so many training and test images, drawn once and for all; of CIFAR-10 as parquet if `root` is given.

    Raises:
        UserError: there is no such folder, or it has no CIFAR-10.
    """
    if root is None:
        parts = {split: _digits(*mnist5k(28)[split]) for split in ("train", "test")}
        label = "digits (MNIST-5k) as JPEG"
    else:
        if not Path(root).expanduser().exists():
            raise UserError(f"root={root}: not there; give the folder of CIFAR-10's parquet files, or leave it out")
        files = CIFAR["cifar10"].files(DataConfig("cifar10", root=root, train_size=32, test_size=32))
        if not files.get("test"):
            raise UserError(f"root={root}: no test-*.parquet there; CIFAR-10 has train-*.parquet and test-*.parquet")
        packed = {split: ParquetSamples(files[split]) for split in ("train", "test")}
        parts = {
            split: [(each.read(place), int(label)) for place, label in enumerate(each.labels)]
            for split, each in packed.items()
        }
        label = "CIFAR-10 (JPEG)" if _is_jpeg(parts["train"][0][0]) else "CIFAR-10"
    return Encoded(label, _drawn(parts["train"], samples), _drawn(parts["test"], test))


def write(images: Encoded, data: str, folder: Path, evaluated: bool) -> str:
    """Lays them out as `data` says, and returns the place: ``train``, and ``validation`` where they are evaluated.

    A run of this package evaluates its validation images while it trains. ``test`` has an image of each class.
    """
    parts = {"train": images.train, "test": images.test[:_ASIDE]}
    if evaluated:
        parts["validation"] = images.test
    for split, part in parts.items():
        if data == "parquet":
            _as_parquet(part, folder / f"{split}-00000-of-00001.parquet")
        else:
            _as_files(part, folder / split)
    return str(folder)


def _digits(images: Tensor, labels: Tensor) -> list[tuple[bytes, int]]:
    found = []
    for pixels, label in zip(images, labels.tolist(), strict=True):
        stream = io.BytesIO()
        Image.fromarray(pixels[0].numpy()).convert("RGB").save(stream, "JPEG", quality=95)
        found.append((stream.getvalue(), label))
    return found


def _drawn(part: list[tuple[bytes, int]], most: int) -> list[tuple[bytes, int]]:
    """In turn of each class, so that every ten have all of them as long as there are."""
    order = torch.randperm(len(part), generator=torch.Generator().manual_seed(0)).tolist()
    seen: Counter[int] = Counter()
    turns: list[tuple[int, int, int]] = []
    for place in order:
        turns.append((seen[part[place][1]], len(turns), place))
        seen[part[place][1]] += 1
    return [part[place] for _, _, place in sorted(turns)[:most]]


def _is_jpeg(content: bytes) -> bool:
    return content.startswith(b"\xff\xd8")


def _as_parquet(part: Sequence[tuple[bytes, int]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = pa.array([{"bytes": content, "path": None} for content, _ in part], kind)
    pq.write_table(pa.table({"img": rows, "label": pa.array([label for _, label in part], pa.int64())}), path)


def _as_files(part: Sequence[tuple[bytes, int]], folder: Path) -> None:
    for place, (content, label) in enumerate(part):
        path = folder / f"{label:04d}" / f"{place:07d}.{'jpg' if _is_jpeg(content) else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
