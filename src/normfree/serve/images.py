"""Image files -> rows with the most probable classes of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from normfree.config import UserError
from normfree.host.devices import cores
from normfree.host.files import read_bytes
from normfree.host.wording import counted
from normfree.serve.keys import Prediction
from normfree.serve.labels import label_columns, told, top_of
from normfree.serve.networks import Named, for_files, kinds_of
from normfree.serve.output import Table, check_table, table
from normfree.serve.progress import Progress
from normfree.serve.sources import Images
from normfree.trained import Preprocessing

_SHOWN = 20


def predict_images(images: Images, keys: Prediction) -> None:
    """Write a table, or print what was found where no ``out=`` is given.

    An image that cannot be read is a row that says why; an only one, or all of them, is an error.

    Raises:
        UserError: nothing could be read, or nothing can be written.
    """
    if keys.out:
        check_table(keys.out)
    networks = for_files(keys)
    columns = ["network", "file", *label_columns(networks, keys.top), "error"]
    opened: AbstractContextManager[Table | None] = table(keys.out, columns) if keys.out else nullcontext(None)
    tally = _Tally(networks)
    with opened as file, Progress("images", len(images.paths) if len(images.paths) > 1 else 0) as progress:
        for rows in rows_of(images, networks, keys.top, keys.batch):
            tally.add(rows, images)
            if file is not None:
                file.add(rows)
            elif len(images.paths) <= _SHOWN and tally.unread < len(images.paths):
                for row in rows:
                    _print(row, len(networks) > 1)
            progress.add(len(rows) // len(networks))
        if tally.unread == len(images.paths):
            every = f"none of {counted(len(images.paths), 'image')} can be read, the first for this reason: {tally.why}"
            raise UserError(
                f"source={keys.source}: {f'unreadable image ({tally.why})' if images.single else every}; give another"
            )
    tally.tell(keys, len(images.paths))


def rows_of(images: Images, networks: Named, top: int, batch: int) -> Iterator[list[dict[str, Any]]]:
    """A row for every image and network, a batch at a time in the order of the files."""
    wanted = kinds_of(network for _, network in networks)

    def prepared(path: Path) -> list[Tensor] | str:
        try:
            content = read_bytes(path)
            return [each.tested(content) for each in wanted]
        except OSError as error:
            return error.strerror or str(error)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(cores()) as pool:
        for first in range(0, len(images.paths), batch):
            paths = images.paths[first : first + batch]
            pixels = list(pool.map(prepared, paths))
            yield _answered(paths, pixels, images, networks, wanted, top)


def _answered(
    paths: Sequence[Path],
    pixels: Sequence[list[Tensor] | str],
    images: Images,
    networks: Named,
    wanted: Sequence[Preprocessing],
    top: int,
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"network": name, "file": images.name(path), "error": each if isinstance(each, str) else None}
        for path, each in zip(paths, pixels, strict=True)
        for name, _ in networks
    ]
    good = [place for place, each in enumerate(pixels) if not isinstance(each, str)]
    for number, (_, network) in enumerate(networks):
        if good:
            kind = wanted.index(network.preprocessing)
            batch = torch.stack([pixels[place][kind] for place in good])  # type: ignore[misc]
            for place, each in zip(good, network.probabilities(batch).cpu(), strict=True):
                rows[place * len(networks) + number] |= told(top_of(each, network.classes, top))
    return rows


def _print(row: dict[str, Any], several: bool) -> None:
    named = f"{row['file']}, {row['network']}" if several else row["file"]
    if row["error"]:
        print(f"{named}: unreadable image ({row['error']})")
        return
    labels = [name for name in row if name.startswith("label")]
    shown = [f"{row[name]} {100 * row[name.replace('label', 'probability')]:.1f} %" for name in labels]
    print(f"{named}: {', '.join(shown)}")


class _Tally:
    """How many could not be read, and how many are what their folder is called."""

    def __init__(self, networks: Named) -> None:
        self.unread, self.why = 0, ""
        self._right = {name: 0 for name, _ in networks}
        self._of_a_class = 0
        self._classes = set(networks[0][1].classes)
        self._first = networks[0][0]

    def add(self, rows: Sequence[dict[str, Any]], images: Images) -> None:
        for row in rows:
            folder = (images.root / row["file"]).parent.name
            if row["error"]:
                self.unread += row["network"] == self._first
                self.why = self.why or row["error"]
            elif not images.single and folder in self._classes:
                self._of_a_class += row["network"] == self._first
                self._right[row["network"]] += row["label"] == folder

    def tell(self, keys: Prediction, count: int) -> None:
        if keys.out:
            print(f"{keys.out}: {counted(count, 'image')}")
        elif count > _SHOWN:
            print(f"{counted(count, 'image')}; write them to a file with out=FILE.csv")
        if self.unread and count > 1:
            print(f"unreadable: {counted(self.unread, 'image')}, the first for this reason: {self.why}")
        if self._of_a_class:
            for name, right in self._right.items():
                share = f"{100 * right / self._of_a_class:.2f} %"
                print(f"{name}: {share} of {counted(self._of_a_class, 'image')} are what their folder is called")
