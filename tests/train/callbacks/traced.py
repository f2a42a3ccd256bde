"""What a run calls, in order: the hooks of its callbacks and its module, and the functions around them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytorch_lightning as pl

from normfree.train.callbacks.order import ORDER
from normfree.train.module import Classifier


def hooks_of(part: type[Any]) -> list[str]:
    """Those of Lightning's hooks that a callback or the module has a body for."""
    base = pl.Callback if issubclass(part, pl.Callback) else pl.LightningModule
    return [name for name in vars(part) if not name.startswith("_") and name != "forward" and hasattr(base, name)]


def every_hook() -> Iterator[tuple[type[Any], str]]:
    for part in (*ORDER, Classifier):
        for name in hooks_of(part):
            yield part, name


def trace(patch: pytest.MonkeyPatch, functions: list[str], told: Callable[[str], object]) -> None:
    """Tell the name of everything that is called from now on: `Checkpoint.on_train_start`, `fit.prepare`."""

    def watch(owner: Any, attribute: str, name: str) -> None:
        original = getattr(owner, attribute)

        def called(*arguments: Any, **options: Any) -> Any:
            told(name)
            return original(*arguments, **options)

        patch.setattr(owner, attribute, called)

    for part, hook in every_hook():
        watch(part, hook, f"{part.__name__}.{hook}")
    for place in functions:
        module, _, function = place.rpartition(".")
        watch(importlib.import_module(f"normfree.train.{module}"), function, place)
