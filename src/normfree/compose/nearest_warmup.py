"""One length of warm-up: where a configuration file says it, what files below it say in another unit gives way."""

from typing import Any

from omegaconf import DictConfig

from normfree.compose.file_keys import GLOBAL
from normfree.config.validate import WARMUP_KEYS


def nearest_warmup(key: str, config: DictConfig, package: str | None) -> None:
    """Set the other units of a file's warm-up to null, in place, as the command line does.

    Args:
        key: how the file is chosen, ``recipe=nfnet``.
        config: its content; one that gives two units keeps both, which is refused when the run is resolved.
        package: what its header says, if it has one.
    """
    where: Any = config.get("optimizer") if package == GLOBAL else config if key.startswith("optimizer=") else None
    if isinstance(where, DictConfig) and any(where.get(unit) is not None for unit in WARMUP_KEYS):
        for unit in WARMUP_KEYS:
            where.setdefault(unit, None)
