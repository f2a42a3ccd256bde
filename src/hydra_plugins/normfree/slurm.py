"""Hydra's door to SLURM: see :mod:`normfree.slurm`."""

from typing import Any

from omegaconf import OmegaConf

from hydra_plugins.normfree.launcher import PoolLauncher


class SlurmLauncher(PoolLauncher):
    """Trains every run of a sweep once, as a job of an array.

    Args:
        settings: the keys of ``conf/hydra/launcher/slurm.yaml``.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self._settings = {
            key: OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
            for key, value in settings.items()
        }

    def settings(self) -> dict[str, Any] | None:
        return self._settings
