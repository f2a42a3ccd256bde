"""What a run directory holds, as a network for images. Executes nothing of what it reads but the user's own parts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from normfree.config import Resolved, UserError, resolve_stored
from normfree.config.schema import DataConfig
from normfree.config.sources import is_resident, named
from normfree.config.sources.reading import looked_up_once
from normfree.data.transforms import statistics
from normfree.nets import ClassifierNetwork, load_weights
from normfree.runs import RunDirectory
from normfree.runs.checksums import digest_of
from normfree.runs.stored import stored_config, stored_result, weights_file
from normfree.train.parts.network import build_network
from normfree.trained.network import Trained
from normfree.trained.preprocessing import Preprocessing


def from_run(path: str | Path, checkpoint: str = "final", weights: str = "raw") -> Trained:
    """The network of a run with its weights, on the processor.

    Args:
        checkpoint: ``final``, or ``best`` of a run with ``trainer.evaluate_every``.
        weights: ``raw`` as trained, or ``ema``, their moving average, of a run with ``optimizer.ema_decay``.

    Raises:
        UserError: it is no run directory, it has no such weights, or its files cannot be used.
    """
    directory = RunDirectory(Path(path))
    resolved = resolve_stored(stored_config(directory))
    network, file = network_of(directory, resolved, checkpoint, weights)
    data, result = resolved.config.data, stored_result(directory)
    read: Mapping[str, Any] = result["data"] if result else {}
    if result and result["status"] == "diverged":
        warnings.warn(f"run {directory.path.name} is diverged: {result['reason']}", stacklevel=2)
    mean, std = statistics_of(resolved, read)
    names = tuple(map(str, read.get("class_names") or range(data.classes)))
    return Trained(
        network=network,
        preprocessing=Preprocessing(data.test_size, data.channels, tuple(mean), tuple(std), data.keep_aspect),
        classes=names,
        model=resolved.config.model.name,
        name=directory.path.name,
        about={"checkpoint": checkpoint, "weights": weights, "sha256": digest_of(file), "folded": False},
        resolved=resolved,
    )


def network_of(
    directory: RunDirectory, resolved: Resolved, checkpoint: str, weights: str
) -> tuple[ClassifierNetwork, Path]:
    """A run's network in evaluation mode, and the file that its weights are from.

    Raises:
        UserError: as `from_run`.
    """
    if weights == "ema" and resolved.config.optimizer.ema_decay is None:
        raise UserError(
            f"kind=ema: run {directory.path.name} kept no moving average, as optimizer.ema_decay was not set; "
            "leave kind= out"
        )
    file = weights_file(directory, checkpoint, evaluated=bool(resolved.config.trainer.evaluate_every))
    network = build_network(resolved)
    try:
        load_weights(network, file, weights=weights)
    except (OSError, ValueError) as error:
        raise UserError(f"{error}") from error
    return network.eval(), file


def statistics_of(resolved: Resolved, read: Mapping[str, Any]) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation that a run normalised its images by.

    Args:
        read: what its result says of its data; results of before these were recorded lack them, and the training
            images are asked where the configuration does not say them.

    Raises:
        UserError: the training images are asked and are not there.
    """
    data = resolved.config.data
    if read.get("mean") and read.get("std"):
        return read["mean"], read["std"]
    return _of_images(data) if data.mean is None and _had_its_own(data) else statistics(data)


def _had_its_own(data: DataConfig) -> bool:
    return is_resident(data) or named(data.name).own_statistics


def _of_images(data: DataConfig) -> tuple[list[float], list[float]]:
    from normfree.data.readers import arrays_of

    with looked_up_once():
        images: torch.Tensor = arrays_of(data)[0]["train"][0].float()
    mean, std = images.mean((0, 2, 3)).double() / 255, images.std((0, 2, 3), correction=0).double() / 255
    return mean.tolist(), std.tolist()
