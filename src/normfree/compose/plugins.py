"""Parts that installed packages offer: an entry point is an option of its group, and stands for a target.

With ``their_net = "their_package.nets:TheirNet"`` among the entry points of ``normfree.models``, ``model=their_net``
is what is else ``model=custom model._target_=their_package.nets.TheirNet``. Nothing of the package is imported for it.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from hydra.core.config_store import ConfigStore

from normfree.config import UserError
from normfree.config.names import fault_of, shown
from normfree.config.parts import CLIP, CUSTOM, DATA, LOGGER, MODEL, OPTIMIZER, Part

GROUPS = {"normfree.models": MODEL, "normfree.clippers": CLIP, "normfree.datasets": DATA,
          "normfree.optimizers": OPTIMIZER, "normfree.loggers": LOGGER}  # fmt: skip
"""Group of entry points -> what they are."""


def store_plugins(found: Iterable[tuple[str, EntryPoint]] | None = None, conf: Iterable[Path] = ()) -> None:
    """Make every entry point of `GROUPS` an option.

    Args:
        found: groups with their entry points; those of the installed packages if not given.
        conf: folders of configurations, whose options a package cannot offer too.

    Raises:
        UserError: two of one name, a name that normfree has, or one that is none; then nothing is an option.
    """
    if found is None:
        found = [(group, each) for group in GROUPS for each in entry_points(group=group)]
    found, folders, before = list(found), list(conf), dict[tuple[str, str], EntryPoint]()
    for group, each in found:
        part = GROUPS[group]
        told = f"the package {each.dist.name}" if each.dist is not None else "a package"
        if fault := fault_of(each.name):
            raise UserError(f"{part.group}={shown(each.name)}: {told} offers it, and the name {fault}; remove {told}")
        if any((folder / part.group / f"{each.name}.yaml").is_file() for folder in folders):
            raise UserError(
                f"{part.group}={each.name}: {told} offers it, and normfree has one of this name; remove {told}, or use "
                f"{part.group}=custom {part.target}={target_of(each)} without it"
            )
        other = before.setdefault((part.group, each.name), each)
        if target_of(other) != target_of(each):
            raise UserError(
                f"{part.group}={each.name}: {told} offers {target_of(each)} by this name, and another package "
                f"{target_of(other)}; remove one of them"
            )
    for group, each in found:
        _store(GROUPS[group], each)


def target_of(entry: EntryPoint) -> str:
    """``package.module.name``."""
    return entry.value.replace(":", ".").partition(" ")[0]


def _store(part: Part, entry: EntryPoint) -> None:
    node = _OPTION[part.group](entry.name) | {"_target_": target_of(entry), "arguments": None}
    whole = part is MODEL
    ConfigStore.instance().store(
        name=entry.name,
        group=part.group,
        node={part.group: node} if whole else node,
        package="_global_" if whole else None,
        provider=entry.dist.name if entry.dist is not None else None,
    )


def _model(name: str) -> dict[str, Any]:
    return {"name": name, "family": CUSTOM, "normalizer": "???"}


def _named(name: str) -> dict[str, Any]:
    return {"name": CUSTOM}


def _data(name: str) -> dict[str, Any]:
    counted = ("classes", "channels", "train_samples", "validation_samples", "test_samples", "train_size", "test_size")
    return {
        "defaults": [{"override /data_recipe@_global_.data_recipe": "small_images"}],
        "name": CUSTOM,
        "label": name,
        "root": None,
        **dict.fromkeys(counted, "???"),
        "crop_padding": 4,
        "resized_crop": False,
    }


_OPTION = {MODEL.group: _model, CLIP.group: _named, DATA.group: _data, OPTIMIZER.group: _named, LOGGER.group: _named}
"""What an option holds beside its target, by its name."""
