"""What a configuration says of the weights it starts from, filled in: their digest, their run, the classifier.

What is filled in stands in the configuration that a run keeps, so that it goes on without the file, and its workers,
ranks and jobs look for the same weights.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from normfree.config.errors import UserError
from normfree.config.schema import ModelConfig, TrainConfig
from normfree.config.sources import named
from normfree.config.sources.reading import remembered
from normfree.config.weights.contents import Contents, contents_of
from normfree.config.weights.source import CONFIG, Source, source_of, stored_config

FILLED_IN = ("weights_sha256", "weights_run", "weights_arm", "head")
_SHOWN = 12
"""Digits of a digest that are told."""


def settle_weights(config: TrainConfig, stored: bool = False) -> None:
    """Fill in what follows from ``model.weights``, in place.

    Args:
        stored: the configuration is one that a run or a job keeps: nothing is looked up.

    Raises:
        UserError: there are no such weights, or they are not those that ``model.weights_sha256`` says.
    """
    model = config.model
    if model.weights is None:
        return
    if model.weights_sha256 is not None and not re.fullmatch("[0-9a-f]{64}", model.weights_sha256):
        raise UserError(f"model.weights_sha256={model.weights_sha256}: give 64 hexadecimal digits, or leave it out")
    if stored:
        if model.weights_sha256 is None or model.head is None:
            raise UserError("a stored configuration: does not say which weights it starts from; start the run again")
        return
    try:
        source = source_of(config)
    except UserError:
        if not (earlier := _as_before(config)):
            raise
        for key, value in earlier.items():
            setattr(model, key, value)
        return
    found = looked_into(model, source)
    if model.weights_sha256 not in (None, found.digest):
        raise UserError(
            f"model.weights_sha256={str(model.weights_sha256)[:_SHOWN]}...: the weights in {source.file} have "
            f"{found.digest[:_SHOWN]}...; give those weights, or leave it out"
        )
    model.weights_sha256 = found.digest
    model.weights_run = source.run or None
    model.weights_arm = source.of("arm_id") if source.by_seed else None
    if model.head is None:
        model.head = "new" if _other_classes(config, source, found) else "keep"


def looked_into(model: ModelConfig, source: Source) -> Contents:
    """What the file of weights holds.

    Raises:
        UserError: it cannot be read.
    """
    try:
        state = source.file.stat()
        key = ("weights", str(source.file), model.weights_kind, state.st_size, state.st_mtime_ns)
        return remembered(key, lambda: contents_of(source.file, model.weights_kind))
    except OSError as error:
        raise UserError(f"model.weights={model.weights}: {source.file} cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise UserError(f"model.weights={model.weights}: {source.file} {error}") from error


def _other_classes(config: TrainConfig, source: Source, found: Contents) -> bool:
    """Whether the classifier of the weights tells other classes apart: another number, or those of other images."""
    classes = found.classes or source.of("data", "classes")
    if classes is not None and classes != config.data.classes:
        return True
    name = source.of("data", "name")
    if name is None:
        return False
    label = str(source.of("data", "label")).rpartition(", ")[0]
    return bool(name != config.data.name or (named(name).any_set and label != config.data.label))


def _as_before(config: TrainConfig) -> Mapping[str, Any]:
    """What was filled in for this run when it was started, for where its weights are not there any more."""
    model, found = config.model, []
    for each in _started(Path(config.runs_dir) / config.experiment.name):
        theirs, data = each.get("model"), each.get("data")
        if not isinstance(theirs, Mapping) or not isinstance(data, Mapping):
            continue
        here = (model.weights, model.weights_kind, model.name, config.seed, config.data.name, config.data.classes)
        there = (
            *(theirs.get(key) for key in ("weights", "weights_kind", "name")),
            each.get("seed"), data.get("name"), data.get("classes"),
        )  # fmt: skip
        filled = {key: theirs.get(key) for key in FILLED_IN}
        asked = (model.weights_sha256 or filled["weights_sha256"], model.head or filled["head"])
        if here == there and asked == (filled["weights_sha256"], filled["head"]) and filled not in found:
            found.append(filled)
    return found[0] if len(found) == 1 else {}


def _started(folder: Path) -> Iterator[Mapping[str, Any]]:
    if folder.is_dir():
        for run in sorted(folder.iterdir()):
            if (run / CONFIG).is_file():
                yield stored_config(run)


def told_start(config: TrainConfig) -> str:
    """What a run starts from and what of it is trained, in a line; empty for a fresh network that is trained whole."""
    model, parts = config.model, []
    if model.weights is not None:
        of = f"run {model.weights_run}" if model.weights_run else model.weights
        average = ", their moving average" if model.weights_kind == "ema" else ""
        parts.append(f"weights of {of}{average} (sha256 {str(model.weights_sha256)[:_SHOWN]})")
        parts.append(f"{model.head} classifier for the {config.data.classes} classes of {config.data.label}")
    if model.freeze:
        parts.append(f"frozen: {', '.join(model.freeze)}")
    if model.freeze_norm:
        parts.append("BatchNorm's statistics frozen")
    return "; ".join(parts)
