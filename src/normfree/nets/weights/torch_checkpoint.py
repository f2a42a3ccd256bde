"""Weights inside checkpoints that ``torch.save`` wrote: Lightning's of this package, timm's, or a bare state dict."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from normfree.nets.weights.seal import check_seal

_PREFIX = "network."
_PARALLEL = "module."
"""Of names in a checkpoint of a network that DistributedDataParallel held."""
_AVERAGE = "ema"


def read_torch_checkpoint(path: Path, weights: str = "raw") -> dict[str, Tensor]:
    """The network's state dict, from a file whose checksums are right.

    Only tensors and plain containers are admitted; nothing else is built.

    Args:
        weights: ``raw``, as trained, or ``ema``, their moving average, which runs with ``optimizer.ema_decay`` keep.

    Raises:
        ValueError: the file is damaged, is another kind of archive, or holds anything else; or no moving average.
    """
    _check_archive(path)
    check_seal(path)
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged or hostile file can raise anything
        reason = str(error).strip().partition("\n")[0][:200]
        raise ValueError(f"{path}: not a checkpoint of weights alone, nothing was run: {reason}") from None
    if weights == "ema":
        content = _average(path, content)
    state = content.get("state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
    ):
        raise ValueError(f"{path}: holds no state dict of a network")
    if "state_dict" in content and any(name.startswith(_PREFIX) for name in state):
        state = {name.removeprefix(_PREFIX): value for name, value in state.items() if name.startswith(_PREFIX)}
    if state and all(name.startswith(_PARALLEL) for name in state):
        state = {name.removeprefix(_PARALLEL): value for name, value in state.items()}
    if not state:
        raise ValueError(f"{path}: holds no network's weights")
    return state


def _average(path: Path, content: Any) -> Any:
    """The moving average in a checkpoint of a run, as a bare state dict."""
    average = content.get(_AVERAGE) if isinstance(content, dict) else None
    if not isinstance(average, dict) or "weights" not in average:
        raise ValueError(
            f"{path}: keeps no moving average; load weights='raw', or train with optimizer.ema_decay=0.99999"
        )
    return average["weights"]


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise ValueError(f"{path}: a damaged archive: {error}") from None
    if any(entry.filename.endswith(".npy") for entry in entries):
        raise ValueError(f"{path}: a NumPy archive, which no release of weights is; see `normfree.load_weights`")
    # torch.save never compresses: what is compressed could grow without limit.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise ValueError(f"{path}: a compressed archive, not a checkpoint")
