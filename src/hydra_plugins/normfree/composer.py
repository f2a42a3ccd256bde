"""Composing the runs of a sweep: those that choose the same options of the same groups are composed once."""

import pickle
from collections.abc import Sequence
from typing import cast

from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import HydraContext
from omegaconf import DictConfig, open_dict


class Composer:
    """Overrides of a run -> its configuration, less Hydra's own node.

    Hydra reads every file anew for each run, a tenth of a second; what it does last, setting values, is quick.
    """

    def __init__(self, context: HydraContext, sweep: DictConfig) -> None:
        self._loader = cast(ConfigLoaderImpl, context.config_loader)
        self._sweep = sweep
        self._parser = OverridesParser.create(config_loader=self._loader)
        self._groups: dict[str, bool] = {}
        self._composed: dict[tuple[str, ...], bytes] = {}

    def __call__(self, overrides: Sequence[str]) -> DictConfig:
        parsed = self._parser.parse_overrides(list(overrides))
        pairs = list(zip(overrides, parsed, strict=True))
        choices = tuple(text for text, override in pairs if self._is_group(override.key_or_group))
        if choices not in self._composed:
            config = self._loader.load_sweep_config(self._sweep, list(choices))
            with open_dict(config):
                del config["hydra"]
            self._composed[choices] = pickle.dumps(config)
        config = pickle.loads(self._composed[choices])  # in a third of the time of a deep copy
        values = [override for _, override in pairs if not self._is_group(override.key_or_group)]
        self._loader._apply_overrides_to_config(values, config)
        return config

    def _is_group(self, key: str) -> bool:
        if key not in self._groups:
            self._groups[key] = bool(self._loader.get_group_options(key))
        return self._groups[key]
