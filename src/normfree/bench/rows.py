"""The CSV file of a benchmark: a row a measurement, written at once, with where it came from."""

from __future__ import annotations

import csv
import os
import platform
from collections.abc import Mapping
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
        full = {column: _cell({**row, **self._provenance}.get(column)) for column in self._columns}
        self._rows[self._key(full)] = full
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
