"""A run's configuration composed outside of the command."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore

from normfree.compose.files import using
from normfree.compose.plugins import store_plugins
from normfree.config import Resolved, TrainConfig, resolve
from normfree.config.places import Places


class Compose(Protocol):
    """Overrides -> a configuration."""

    def __call__(self, overrides: Sequence[str]) -> Any: ...


@contextmanager
def composing(places: Places | None = None) -> Iterator[Compose]:
    """What composes configurations as the command would.

    Args:
        places: where they lie; as for a command that is run here if not given.

    Raises:
        UserError: a package offers a part by a name that there is.
    """
    found = Places.of() if places is None else places
    ConfigStore.instance().store(name="schema", node=TrainConfig)
    store_plugins(conf=found.folders)
    with using(found) as folder, initialize_config_dir(str(folder), version_base="1.3"):
        yield lambda overrides: compose("train", overrides=list(overrides))


def compose_run(overrides: list[str], folder: Path | None = None) -> Resolved:
    """As ``python train.py`` would with these overrides.

    Args:
        folder: of configurations that come before normfree's; ``conf`` where the command is run if not given.

    Raises:
        UserError: there is no such folder, or the configuration is wrong.
        HydraException: an option or key that does not exist.
    """
    with composing(Places.of(folder)) as composed:
        return resolve(composed(overrides), overrides)
