"""A file of weights as a network for images."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from normfree.compose.run import compose_run
from normfree.config import Resolved, UserError
from normfree.config.schema import DataConfig
from normfree.nets import load_weights
from normfree.nets.published import PUBLISHED
from normfree.nets.weights import read_weights
from normfree.runs.checksums import digest_of
from normfree.train.parts.network import TIMM, build_network
from normfree.trained.network import Trained
from normfree.trained.of_run import statistics_of
from normfree.trained.preprocessing import Preprocessing

IMAGENET_CLASSES = 1000
ONNX = ".onnx"
_SEEN_IN_WEIGHTS = ("num_classes", "in_channels")
_RELEASED = ("released Haiku file", "timm's dm_nfnet")


def from_file(file: str | Path, overrides: Sequence[str] = (), weights: str = "raw") -> Trained:
    """Weights that lie in a file: ours, a checkpoint, DeepMind's release or timm's dm_nfnet.

    Images go through what the overrides say; for a variant of ImageNet alone (``model=nfnet_f0``) through the published
    preprocessing at its own test size.

    Args:
        overrides: as for ``train.py``: ``model=``, and ``data=`` where it is not the model's own. A file of ours names
            its own architecture, which they need not.

    Raises:
        UserError: there is no such file, it has other weights than the model takes, or no model is named.
    """
    path = Path(file)
    state, about = _read(path, weights, TIMM if f"model={TIMM}" in overrides else None)
    own, said = _own_words(about), _said(about)
    if not own and not any(word.startswith("model=") for word in overrides):
        raise UserError(f"weights={path}: the file does not say of which network it is; add model=NAME")
    resolved = _shaped(compose_run([*own, *_sizes(said, overrides), *overrides]), state)
    network = build_network(resolved)
    try:
        load_weights(network, path, weights=weights)
    except (OSError, ValueError) as error:
        raise UserError(f"weights={error}") from error
    kind, model = about["kind"], resolved.config.model.name
    names = tuple(said.get("classes") or _names(resolved.config.data))
    # ImageNet's are; of others without a word nothing is known but how many there are.
    named = "classes" in said or not names[0].isdigit()
    return Trained(
        network=network.eval(),
        preprocessing=Preprocessing.of_record(said["preprocessing"]) if "preprocessing" in said else _usual(resolved),
        classes=names,
        model=model,
        name=path.name,
        about={"file": kind, "weights": weights, "sha256": digest_of(path), "folded": False, "classes_known": named},
        resolved=resolved,
        published_top1=_published(model) if kind.endswith(_RELEASED) else None,
    )


def _read(path: Path, weights: str, library: str | None) -> tuple[Mapping[str, Tensor], Mapping[str, str]]:
    if path.suffix.lower() == ONNX:
        raise UserError(f"weights={path}: an ONNX file runs in predict.py alone; evaluate the run that it is of")
    try:
        return read_weights(path, weights, library)
    except FileNotFoundError as error:
        raise UserError(f"weights={path}: no such file") from error
    except (OSError, ValueError) as error:
        raise UserError(
            f"weights={error}" if str(error).startswith(str(path)) else f"weights={path}: {error}"
        ) from error


def _own_words(about: Mapping[str, str]) -> list[str]:
    """The overrides that a file of ours names itself."""
    if "architecture" not in about:
        return []
    given: dict[str, object] = json.loads(about.get("overrides") or "{}")
    words = [f"model.{key}={_typed(value)}" for key, value in given.items() if key not in _SEEN_IN_WEIGHTS]
    library, _, name = about["architecture"].rpartition("/")
    return [f"model={library}", f"model.name={name}", *words] if library else [f"model={name}", *words]


def _sizes(said: Mapping[str, Any], overrides: Sequence[str]) -> list[str]:
    """For another data set, that of the images that the file says it is for."""
    if "preprocessing" not in said or not any(word.startswith("data=") for word in overrides):
        return []
    return [f"data.{key}={said['preprocessing']['size']}" for key in ("train_size", "test_size")]


def _typed(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _said(about: Mapping[str, str]) -> dict[str, Any]:
    """What an exported file says of its classes and of its images."""
    provenance: dict[str, str] = json.loads(about.get("provenance") or "{}")
    return {key: json.loads(provenance[key]) for key in ("preprocessing", "classes") if key in provenance}


def _shaped(resolved: Resolved, state: Mapping[str, Tensor]) -> Resolved:
    """With as many classes and channels as the weights have, by the network's first kernel and its last."""
    with torch.device("meta"):
        kernels = [name for name, value in build_network(resolved).named_parameters() if value.dim() > 1]
    first, last = (state.get(kernels[place]) for place in (0, -1))
    if first is None or last is None:
        return resolved
    data = replace(resolved.config.data, classes=len(last), channels=first.shape[1])
    return replace(resolved, config=replace(resolved.config, data=data))


def _usual(resolved: Resolved) -> Preprocessing:
    """Of the data set that the model has by default, or that was named."""
    data = resolved.config.data
    mean, std = (tuple(each) for each in statistics_of(resolved, {}))
    if len(mean) != data.channels:
        mean, std = ((sum(each) / len(each),) * data.channels for each in (mean, std))
    return Preprocessing(data.test_size, data.channels, mean, std, data.keep_aspect)


def _published(model: str) -> float | None:
    """Of the row whose weights were released: without SAM where there are both."""
    rows = PUBLISHED.get(model, ())
    return next((row.top1 for row in rows if not row.how), rows[0].top1 if rows else None)


def _names(data: DataConfig) -> tuple[str, ...]:
    if data.name == "imagenet" and data.classes == IMAGENET_CLASSES:
        return _imagenet()
    return tuple(map(str, range(data.classes)))


@cache
def _imagenet() -> tuple[str, ...]:
    """In the order of the folders' names, which that of the labels is."""
    from torchvision.models import ResNet50_Weights

    names: list[str] = ResNet50_Weights.DEFAULT.meta["categories"]
    return tuple(names)
