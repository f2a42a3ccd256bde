"""The package's own weight files: safetensors, with the architecture and its origin in the metadata."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

FORMAT = "normfree"
_SUM = "sha256"


def save_weights(
    model: nn.Module,
    path: str | os.PathLike[str],
    *,
    architecture: str,
    overrides: Mapping[str, Any] | None = None,
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Writes a network's state to `path`, whole or not at all.

    Args:
        architecture: the name that `create_model` takes.
        overrides: what `create_model` was given besides (``num_classes`` too).
        provenance: where the values come from, in words.

    Raises:
        OSError: the file cannot be written.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    metadata = {
        "format": FORMAT,
        "architecture": architecture,
        "overrides": json.dumps(dict(overrides or {}), sort_keys=True),
        "provenance": json.dumps(dict(provenance or {}), sort_keys=True),
    }
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    metadata[_SUM] = _digest(state, metadata)
    target = Path(path)
    fresh = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        fresh.touch()
        mode = fresh.stat().st_mode  # as any new file has it; save_file makes one that its user alone can read
        save_file(state, fresh, metadata)
        fresh.chmod(mode)
        fresh.replace(target)
    except SafetensorError as error:
        found = re.search(r"os error (\d+)", str(error))
        number = int(found[1]) if found else errno.EIO
        raise OSError(number, os.strerror(number) if found else str(error), str(target)) from None
    finally:
        fresh.unlink(missing_ok=True)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """State dict and metadata.

    Raises:
        ValueError: the file is damaged; of files of this package, any byte of names, values and metadata counts.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            state, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: a damaged safetensors file: {error}") from None
    if (told := metadata.pop(_SUM, None)) is not None and told != _digest(state, metadata):
        raise ValueError(f"{path}: a damaged safetensors file: it is not what its checksum says")
    return state, metadata


def _digest(state: Mapping[str, Tensor], metadata: Mapping[str, str]) -> str:
    found = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name, value in sorted(state.items()):
        found.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        found.update(value.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return found.hexdigest()
