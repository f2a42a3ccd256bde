"""The CSV file of a benchmark: a row a measurement, written at once, with where it came from."""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from normfree.config import UserError
from normfree.runs.provenance import commit, processor, version

PROVENANCE = ("device", "threads", "commit", "dirty", "torch", "cuda", "torchvision", "timm", "python")


def device_name(device: torch.device) -> str:
    """The GPU's name, or the processor's."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else f"CPU {processor()}"


def provenance(device: torch.device) -> dict[str, Any]:
    """The columns that say where a row came from."""
    head, dirty = commit()
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "commit": head or "",
        "dirty": dirty,
        "torch": torch.__version__,
        "cuda": (torch.version.cuda or "") if device.type == "cuda" else "",
        "torchvision": version("torchvision") or "",
        "timm": version("timm") or "",
        "python": platform.python_version(),
    }


class Table:
    """Rows of one CSV file. A new row replaces the one with the same `keys` on the same device.

    Args:
        columns: in the order of the file; those of `PROVENANCE` follow.
        keys: the columns that say what was measured.

    Raises:
        UserError: the file is there and has other columns, or cannot be written.
    """

    def __init__(self, path: Path, columns: tuple[str, ...], keys: tuple[str, ...], device: torch.device) -> None:
        self.path = path
        self._columns = (*columns, *PROVENANCE)
        self._keys = (*keys, "device")
        self._provenance = provenance(device)
        self._rows: dict[tuple[str, ...], dict[str, str]] = {}
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(file)
                if tuple(reader.fieldnames or ()) != self._columns:
                    raise UserError(f"out={path}: has other columns; move it away or give another path")
                for row in reader:
                    self._rows[self._key(row)] = row

    def write(self, row: Mapping[str, Any]) -> None:
        """Adds a row and saves the file; blanks for what the row does not have."""
        full = self._full(row)
        self._rows[self._key(full)] = full
        self._save()

    @property
    def rows(self) -> list[dict[str, str]]:
        """Copies of all rows, as they are in the file."""
        return [dict(row) for row in self._rows.values()]

    def found(self, row: Mapping[str, Any]) -> dict[str, str] | None:
        """The row of this case from the same commit, unchanged, and the same hardware and versions, if it is there."""
        full = self._full(row)
        found = self._rows.get(self._key(full))
        origin = [full[column] for column in PROVENANCE]
        if found is None or full["dirty"] != "false" or [found[column] for column in PROVENANCE] != origin:
            return None
        return dict(found)

    def fill(self, column: str, value: Callable[[Mapping[str, str]], Any]) -> None:
        """Sets one column of every row, which keeps where it came from, and saves the file."""
        for row in self._rows.values():
            row[column] = _cell(value(row))
        self._save()

    def _full(self, row: Mapping[str, Any]) -> dict[str, str]:
        return {column: _cell({**row, **self._provenance}.get(column)) for column in self._columns}

    def _save(self) -> None:
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("w", newline="", encoding="utf-8") as file:
                writer = csv.DictWriter(file, self._columns, lineterminator="\n")
                writer.writeheader()
                writer.writerows(self._rows.values())
            fresh.replace(self.path)
        except OSError as error:
            raise UserError(f"out={self.path}: cannot be written: {error.strerror}") from error
        finally:
            fresh.unlink(missing_ok=True)

    def _key(self, row: Mapping[str, str]) -> tuple[str, ...]:
        return tuple(row[key] for key in self._keys)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.5g}" if isinstance(value, float) else str(value)
