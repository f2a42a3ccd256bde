"""The networks that a command names, on their device and folded."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import Tensor

from normfree.config import UserError
from normfree.serve.keys import Prediction
from normfree.trained import Preprocessing, Trained, from_file, from_onnx, from_run
from normfree.trained.of_file import ONNX


class Network(Protocol):
    """What is asked of a network, wherever it comes from."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def preprocessing(self) -> Preprocessing: ...

    def probabilities(self, images: Tensor) -> Tensor:
        """float32 ``[N, K]`` of uint8 ``[N, C, S, S]``."""
        ...


Named = Sequence[tuple[str, Network]]
"""Networks with their names."""


def networks_of(keys: Prediction) -> list[tuple[str, Network]]:
    """One or two networks, each with its name.

    Raises:
        UserError: none is named, or one cannot be used.
    """
    if keys.weights:
        if keys.run:
            raise UserError(f"weights={keys.weights}: give run= or weights=, not both")
        loaded = [from_onnx(keys.weights) if keys.weights.endswith(ONNX) else _of_file(keys)]
    elif keys.run:
        loaded = [
            from_onnx(path) if path.endswith(ONNX) else from_run(path, keys.checkpoint, keys.kind) for path in keys.run
        ]
    else:
        raise UserError("run=: give the directory of a finished run, such as run=runs/single/RUN, or weights=FILE")
    return list(zip(_names(loaded), (_ready(network, keys) for network in loaded), strict=True))


def kinds_of(networks: Iterable[Network]) -> list[Preprocessing]:
    """What their images go through, each kind once."""
    kinds: list[Preprocessing] = []
    for network in networks:
        if network.preprocessing not in kinds:
            kinds.append(network.preprocessing)
    return kinds


def for_files(keys: Prediction) -> list[tuple[str, Network]]:
    """As they are asked about files: in float32 unless another precision was asked for, so that numbers are those of
    an evaluation.

    Raises:
        UserError: as `networks_of`.
    """
    return [(name, in_precision(network, keys.precision)) for name, network in networks_of(keys)]


def in_precision(network: Network, precision: str) -> Network:
    """The network in ``32`` or ``bf16``; an exported one has its own."""
    if not isinstance(network, Trained) or precision != "bf16":
        return network
    return replace(network, network=copy.deepcopy(network.network).to(torch.bfloat16))


def _of_file(keys: Prediction) -> Trained:
    return from_file(keys.weights, [f"model={keys.model}"] if keys.model else [], keys.kind)


def _names(networks: list[Any]) -> list[str]:
    """Short and different: the models, or where these are the same the runs."""
    for attribute in ("model", "name"):
        names = [str(getattr(network, attribute, "")) for network in networks]
        if all(names) and len(set(names)) == len(names):
            return names
    return [f"network {number}" for number in range(1, len(networks) + 1)]


def _ready(network: Network, keys: Prediction) -> Network:
    if not isinstance(network, Trained):
        if keys.size is not None:
            raise UserError(
                f"size={keys.size}: an exported network has the size that it was exported with; leave it out"
            )
        return network
    network = network.at(keys.size)
    device = _device(keys.device)
    network.network.to(device)
    return network.folded() if keys.fold else network


def _device(asked: str) -> torch.device:
    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise UserError("device=cuda: torch sees no GPU here; leave it out, or give device=cpu")
    return torch.device("cuda" if there and asked != "cpu" else "cpu")
