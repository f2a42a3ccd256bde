"""Configuration files on their way to Hydra, which would write out every alias of whatever it is given.

Hydra is given one folder, normfree's own; what the user has of the same names is read in its place, and what the user
has beside it is added.
"""

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins import file_config_source
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.object_type import ObjectType
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from normfree.compose.file_keys import check_keys
from normfree.compose.nearest_warmup import nearest_warmup
from normfree.config.places import Places, packaged, short
from normfree.config.yaml_file import read_checked

_used: Places | None = None
_told = set[Path]()


class FileConfigSource(file_config_source.FileConfigSource):
    """Hydra's own, with a look at a file before it is loaded, and with the user's own files beside normfree's."""

    def __init__(self, provider: str, path: str) -> None:
        super().__init__(provider=provider, path=path)
        self._places = _used if Path(self.path) == packaged() else None

    def load_config(self, config_path: str) -> ConfigResult:
        """As Hydra's.

        Raises:
            UserError: for a file that is no YAML, or becomes too much with its aliases written out.
        """
        name = self._normalize_file_name(config_path)
        path = self._path(name)
        if path is None or not path.exists():
            return super().load_config(config_path)
        group, _, option = config_path.removesuffix(".yaml").rpartition("/")
        key = f"{group}={option}" if group else option
        text = read_checked(path, key)
        if self._places is not None:
            _tell_replaced(key, list(self._places.every(name)))
        header, config = self._get_header_dict(text[:512]), OmegaConf.load(io.StringIO(text))
        if isinstance(config, DictConfig):
            content = OmegaConf.to_container(config, resolve=False)
            check_keys(key, short(path), content, header.get("package"))
            nearest_warmup(key, config, header.get("package"))
        return ConfigResult(provider=self.provider, path=f"{self.scheme()}://{self.path}", config=config, header=header)

    def is_group(self, config_path: str) -> bool:
        return super().is_group(config_path) if self._places is None else self._places.is_group(config_path)

    def is_config(self, config_path: str) -> bool:
        path = self._path(self._normalize_file_name(config_path))
        return path is not None and path.is_file()

    def list(self, config_path: str, results_filter: ObjectType | None) -> Any:
        if self._places is None:
            return super().list(config_path, results_filter)
        names = list[str]()
        for file in {each.name for folder in self._places.folders_of(config_path) for each in folder.iterdir()}:
            place = f"{config_path}/{file}" if config_path else file
            self._list_add_result(names, place, file, results_filter)
        return sorted(set(names))

    def _path(self, name: str) -> Path | None:
        return Path(self.path) / name if self._places is None else self._places.find(name)


def use(places: Places) -> Path:
    """Have every configuration file of this process checked before Hydra loads it; returns the folder to give it.

    Args:
        places: where files are looked for when Hydra looks into that folder.
    """
    global _used
    Plugins.instance()  # registers Hydra's own
    SourcesRegistry.instance().types["file"] = FileConfigSource
    _used = places
    return packaged()


@contextmanager
def using(places: Places) -> Iterator[Path]:
    """As `use`, for what is composed inside."""
    global _used
    before = _used
    try:
        yield use(places)
    finally:
        _used = before


def _tell_replaced(key: str, paths: "list[Path]") -> None:
    """Say once that a file of the user's own counts in the place of another one."""
    first, *others = paths
    if first not in _told and any(first.read_bytes() != other.read_bytes() for other in others):
        _told.add(first)
        print(f"{key}: read from {short(first)}, in the place of normfree's own", file=sys.stderr, flush=True)
