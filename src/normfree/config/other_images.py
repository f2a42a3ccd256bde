"""A data configuration with some of its keys changed: the same kind of images from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from normfree.config.errors import UserError, nearest
from normfree.config.schema import DataConfig
from normfree.config.sources import counted, named, read_of

_PLACES = {"name", "root", "train_file", "test_file", "_target_", "arguments"}
_SPLITS = ("train", "validation", "test")
_COUNTED = ("classes", "train_samples", "validation_samples", "test_samples")


def other_images(data: DataConfig, given: Mapping[str, Any], prefix: str = "data.") -> DataConfig:
    """As ``data``, some keys changed. A set that is counted is counted anew where other images lie.

    Args:
        given: values by key, ``root`` for instance.
        prefix: of the keys in errors.

    Raises:
        UserError: there is no such key, a value is of another type, or there are no such images.
    """
    known = {each.name for each in fields(DataConfig)}
    node: Any = OmegaConf.structured(data)
    for name, value in given.items():
        if name not in known:
            listed = ", ".join(sorted(known))
            raise UserError(f"{prefix}{name}={value}: no such key of data{nearest(name, known)}; there are: {listed}")
        try:
            node[name] = value
        except OmegaConfBaseException as error:
            raise UserError(f"{prefix}{name}={value}: {str(error).splitlines()[0]}") from error
    changed = OmegaConf.to_object(node)
    assert isinstance(changed, DataConfig)
    if not (_PLACES & set(given) and named(changed.name).any_set) or _fits(changed):
        return changed
    for key in _COUNTED:
        if key not in given:
            node[key] = MISSING
    counted_anew = OmegaConf.to_object(OmegaConf.merge(node, counted(node)))
    assert isinstance(counted_anew, DataConfig)
    return counted_anew


def _fits(data: DataConfig) -> bool:
    """Whether there are as many images as the configuration says: the same set, moved, keeps its cut into splits."""
    images, expected = read_of(data).images, {split: getattr(data, f"{split}_samples") for split in _SPLITS}
    cut = sum(expected[split] for split in _SPLITS if split == "train" or split not in images)
    return images == {**{split: expected[split] for split in images}, "train": cut}
