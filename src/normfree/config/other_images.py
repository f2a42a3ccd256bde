"""A data configuration with some of its keys changed: the same kind of images from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from normfree.config.errors import UserError, nearest
from normfree.config.schema import DataConfig
from normfree.config.sources import FOR_READING, counted, named

_COUNTED = ("classes", "train_samples", "validation_samples", "test_samples")


def other_images(data: DataConfig, given: Mapping[str, Any], prefix: str = "data.") -> DataConfig:
    """As ``data``, some keys changed. Where what is read changes, a set that is counted is counted anew.

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
            raise UserError(f"{prefix}{name}={value}: no such key{nearest(name, known)}; there are: {listed}")
        try:
            node[name] = value
        except OmegaConfBaseException as error:
            raise UserError(f"{prefix}{name}={value}: {str(error).splitlines()[0]}") from error
    if set(given) & set(FOR_READING) and named(node.name).any_set:
        for key in _COUNTED:
            if key not in given:
                node[key] = MISSING
        node = OmegaConf.merge(node, counted(node))
    changed = OmegaConf.to_object(node)
    assert isinstance(changed, DataConfig)
    return changed
