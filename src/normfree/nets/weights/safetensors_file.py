"""The package's own weight files: safetensors, with the architecture and its origin in the metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

FORMAT = "normfree"


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
    target = Path(path)
    fresh = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        save_file(state, fresh, metadata)
        fresh.replace(target)
    except SafetensorError as error:
        raise OSError(f"{target}: cannot be written: {error}") from None
    finally:
        fresh.unlink(missing_ok=True)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """State dict and metadata.

    Raises:
        ValueError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{path}: a damaged safetensors file: {error}") from None
