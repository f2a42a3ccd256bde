"""Weights from files of several kinds, told apart by their content."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from normfree.nets.haiku_names import from_haiku
from normfree.nets.timm_names import from_timm, is_timm
from normfree.nets.weights.haiku_pickle import read_haiku_pickle
from normfree.nets.weights.safetensors_file import read_safetensors
from normfree.nets.weights.torch_checkpoint import read_torch_checkpoint

_HEAD, _HELD = "classifier.", "network."
_NAMED = 3
_CHOICES = {"raw": "torch checkpoint", "ema": "moving average in a torch checkpoint"}


def read_weights(
    path: str | os.PathLike[str], weights: str = "raw", library: str | None = None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """State dict with this package's names, and what the file says of itself.

    The second has the key ``kind``, and ``architecture``, ``overrides`` and ``provenance`` if the file is ours.

    Args:
        weights: ``raw`` or, of a run's checkpoint, ``ema``: see `load_weights`.
        library: whose network they are for, ``timm`` for instance, which knows them by its own names.

    Raises:
        OSError: no such file.
        ValueError: the file is of no known kind, damaged, or asks for more than weights.
    """
    path = Path(path)
    if weights not in _CHOICES:
        raise ValueError(f"weights={weights!r}: choose one of {', '.join(_CHOICES)}")
    with path.open("rb") as file:
        start = file.read(9)
    if weights != "raw" and start[:4] != b"PK\x03\x04":
        raise ValueError(f"{path}: weights={weights!r} is for checkpoints of runs; this file has one set of weights")
    if start[:1] == b"\x80":
        arrays = read_haiku_pickle(path)
        try:
            return from_haiku(arrays), {"kind": "released Haiku file"}
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"{path}: {error}") from None
    if start[:4] == b"PK\x03\x04":
        return _named(path, read_torch_checkpoint(path, weights), {"kind": _CHOICES[weights]}, library)
    if start[8:] == b"{":
        state, metadata = read_safetensors(path)
        return _named(path, state, {**metadata, "kind": "safetensors"}, library)
    raise ValueError(f"{path}: neither safetensors, nor a checkpoint, nor a released file of Haiku weights")


def _named(
    path: Path, state: dict[str, Tensor], about: dict[str, str], library: str | None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """With the names that the network here has: of this package's, or of a library's, which is held as ``network``."""
    if library is not None:
        held = all(name.startswith(_HELD) for name in state)
        return (state if held else {f"{_HELD}{name}": value for name, value in state.items()}), about
    if not is_timm(state):
        return state, about
    try:
        return from_timm(state), {**about, "kind": f"{about['kind']} of timm's dm_nfnet"}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def load_weights(
    model: nn.Module, path: str | os.PathLike[str], *, keep_head: bool = False, weights: str = "raw"
) -> None:
    """Gives `model` the weights in `path`, all of them or none. Never executes what it reads.

    Reads safetensors of this package, checkpoints of its runs, bare state dicts, the released NFNet files
    (pickles called ``.npz``) and timm's dm_nfnet (safetensors or torch checkpoints). Values are cast to the model's
    dtype and moved to its device.

    timm's dm_nfnet weights are the released ones, which timm evaluates by another rule. A network made with
    ``activation="gelu_erf", standardization="timm"`` computes what timm does with them; without these two it
    computes what the released code does.

    Args:
        keep_head: leave the model's classifier as it is, for another number of classes.
        weights: of a run's checkpoint, ``raw`` for the weights as trained, or ``ema`` for their moving average, which
            runs with ``optimizer.ema_decay`` keep.

    Raises:
        OSError: no such file.
        ValueError: the file is not of these kinds, does not fit the model (names that are missing or left over are in
            the message), or has numbers that are not finite.
    """
    state, about = read_weights(path, weights, getattr(model, "library", None))
    wanted = model.state_dict()
    if keep_head:
        state = {name: value for name, value in state.items() if not name.startswith(_HEAD)}
        wanted = {name: value for name, value in wanted.items() if not name.startswith(_HEAD)}
    if problem := _misfit(state, wanted):
        of = f" (it holds {about['architecture']})" if "architecture" in about else ""
        raise ValueError(f"{os.fspath(path)}{of} does not fit the model: {problem}")
    if name := not_finite(state):
        raise ValueError(f"{os.fspath(path)}: {name[:120]} has numbers that are not finite, as after a divergence")
    with torch.no_grad():
        for name, value in state.items():
            wanted[name].copy_(value)


def not_finite(state: Mapping[str, Tensor]) -> str:
    """The name of the first array with a number that is not finite; empty where all are."""
    return next((name for name, value in state.items() if not bool(torch.isfinite(value).all())), "")


def _misfit(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    missing = [name for name in wanted if name not in state]
    extra = [name for name in state if name not in wanted]
    other = [name for name in wanted if name in state and state[name].shape != wanted[name].shape]
    if not missing and not extra and other and all(name.startswith(_HEAD) for name in other):
        there, here = len(state[other[-1]]), len(wanted[other[-1]])
        return (
            f"it has {there} classes and the model {here}; build the model with num_classes={there}, "
            "or keep the model's own classifier with keep_head=True"
        )
    shapes = [f"{name} {list(state[name].shape)} for {list(wanted[name].shape)}" for name in other[:_NAMED]]
    parts = [
        (len(missing), "missing", missing),
        (len(extra), "left over", extra),
        (len(other), "of another shape", shapes),
    ]
    return "; ".join(f"{count} {what} ({_few(names, count)})" for count, what, names in parts if count)


def _few(names: Sequence[str], count: int) -> str:
    return ", ".join(name[:120] for name in names[:_NAMED]) + (", ..." if count > _NAMED else "")
